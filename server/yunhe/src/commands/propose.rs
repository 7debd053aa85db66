//! `yunhe catalog propose`: describes CSV files, or names a connection, has entries proposed, and drafts those that a
//! person ticks.

use crate::client::encoded;
use crate::context::Context;
use crate::exit::{Failure, file_problem};
use crate::output::{Voice, cell, table};
use clap::Args;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use vocabulary::{Kind, Problem, ResourceId, ensure};

/// Rows of a file that are looked at.
const ROWS_MAX: usize = 1_000;
/// Different values of a column that are looked at.
const SAMPLES_MAX: usize = 50;
/// Files of a folder that are looked at.
const FILES_MAX: usize = 500;

const EXAMPLES: &str = "\
示例 Examples:
  yunhe catalog propose ./exports --code 307010001 --duty transport --data ./node --as cataloguer
  yunhe catalog propose ./exports --code 307010001 --duty transport --accept 1,3-5 --data ./node --as cataloguer
  yunhe catalog propose ./exports --out 建议.json --data ./node --as cataloguer
  yunhe catalog propose 建议.json --accept 1 --data ./node --as cataloguer
  yunhe catalog propose market-db --duty transport --data ./node --as cataloguer   （yunhe.toml 中的连接 a connection）";

/// Describes files, has entries proposed, drafts what is ticked.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Propose {
    /// CSV 文件、存有它们的目录、yunhe.toml 中的连接名，或上次 --out 写出并改过的 .json A CSV file, a folder of them, the
    /// name of a connection in yunhe.toml, or what --out wrote
    source: PathBuf,
    /// 代码前段：类、项、目、细目，如 307010001；起草时取顺序号 The front of the codes; serial numbers are drawn
    #[arg(long, value_name = "FRONT")]
    code: Option<String>,
    /// 职责 The duty behind them
    #[arg(long)]
    duty: Option<String>,
    /// 信息系统 The information system behind them
    #[arg(long)]
    system: Option<String>,
    /// 勾选：起草这些编号，如 1,3-5 Draft those with these numbers
    #[arg(long, value_name = "NUMBERS")]
    accept: Option<String>,
    /// 写出建议（JSON），供修改 Write the proposals for editing
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Propose {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, voice) = (context.client()?, context.voice());
        let edited = self.source.extension().is_some_and(|it| it == "json");
        let value = if edited {
            super::compile::json_file(&self.source)?
        } else {
            let mut links = json!({});
            for (name, link) in [("duty", &self.duty), ("system", &self.system)] {
                if let Some(link) = link {
                    links[name] = json!(link);
                }
            }
            let mut ask = json!({"front": self.code, "links": links});
            match connection(&self.source) {
                // The node knows its connections, and says so when there is none of that name.
                Some(name) => ask["connection"] = json!(name),
                None => ask["tables"] = json!(described(&self.source)?),
            }
            client.post("/v1/proposals", &ask).await?
        };
        if let Some(out) = &self.out {
            std::fs::write(out, format!("{value:#}\n")).map_err(|it| file_problem(out, &it))?;
        }
        let Some(accept) = &self.accept else {
            voice.answer(&value, || shown(voice, &value));
            return Ok(());
        };
        let proposals = cell::list(&value, "");
        let mut done = Vec::new();
        for number in numbers(accept, proposals.len())? {
            let is_it = |it: &&Value| cell::number(it, "/number") == Some(number);
            let Some(proposal) = proposals.iter().find(is_it) else { continue };
            let mut body = proposal["draft"].clone();
            body["act"] = json!("draft");
            let name = cell::at(voice, &body, "/entry/entry");
            done.push(client.post(&format!("/v1/compilations/{}/acts", encoded(&name)), &body).await?);
        }
        let done = Value::Array(done);
        voice.answer(&done, || {
            let titles = [("条目", "Entry"), ("代码", "Code"), ("状态", "State")];
            let row = |it: &Value| ["/entry", "/code", "/state"].map(|at| cell::at(voice, it, at)).to_vec();
            table(voice, &titles, &cell::list(&done, "").iter().map(row).collect::<Vec<_>>())
        });
        Ok(())
    }
}

/// What is proposed, with the reasons whose parts a person should look at first.
fn shown(voice: Voice, value: &Value) -> String {
    let mut text = String::new();
    for proposal in cell::list(value, "") {
        let at = |pointer: &str| cell::at(voice, proposal, pointer);
        let entry = |field: &str| at(&format!("/draft/entry/{field}"));
        let (number, grade, share) = (at("/number"), entry("grade"), entry("share"));
        text.push_str(&format!("[{number}] {} ← {}  {grade}  {share}\n", entry("title"), at("/table")));
        let row = |it: &Value| {
            let at = |pointer| cell::at(voice, it, pointer);
            vec![at("/part"), at("/value"), at("/why"), confidence(voice, &at("/confidence")).to_owned()]
        };
        let rows: Vec<Vec<String>> = cell::list(proposal, "/reasons").iter().map(row).collect();
        let titles = [("部分", "Part"), ("建议", "Proposed"), ("理由", "Why"), ("把握", "How sure")];
        text.push_str(&table(voice, &titles, &rows));
    }
    let hint =
        "勾选后起草：--accept 1,3-5；先改再起草：--out 建议.json，改后 yunhe catalog propose 建议.json --accept 1";
    text.push_str(voice.pick(hint, "draft what you tick with --accept 1,3-5; to edit first, write it with --out"));
    text
}

fn confidence(voice: Voice, word: &str) -> &str {
    match word {
        "certain" => voice.pick("确定", "certain"),
        "likely" => voice.pick("较可能", "likely"),
        _ => voice.pick("猜测", "a guess"),
    }
}

/// `1,3-5` as numbers up to `most`.
fn numbers(text: &str, most: usize) -> Result<BTreeSet<u64>, Problem> {
    let wrong = || {
        Problem::new(
            Kind::Unprocessable,
            "cli.numbers",
            format!("“{text}”应为编号，如 1,3-5，不超过 {most}"),
            format!("{text:?} should be numbers such as 1,3-5, at most {most}"),
        )
    };
    let mut numbers = BTreeSet::new();
    for part in text.split([',', '，']) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to): (u64, u64) =
            (from.trim().parse().map_err(|_| wrong())?, to.trim().parse().map_err(|_| wrong())?);
        ensure!(1 <= from && from <= to && to <= most as u64, wrong());
        numbers.extend(from..=to);
    }
    Ok(numbers)
}

/// The connection that is meant: what is no file here and has the form of its name.
fn connection(source: &Path) -> Option<ResourceId> {
    ResourceId::new(source.to_str()?).ok().filter(|_| !source.exists())
}

/// The files of a source, as the node wants them described.
fn described(source: &Path) -> Result<Vec<Value>, Problem> {
    let is_csv = |it: &PathBuf| it.extension().is_some_and(|it| it.eq_ignore_ascii_case("csv"));
    let files = if source.is_dir() {
        let entries = std::fs::read_dir(source).map_err(|it| file_problem(source, &it))?;
        let mut files: Vec<PathBuf> = entries.filter_map(|it| Some(it.ok()?.path())).filter(is_csv).collect();
        files.sort();
        ensure!(files.len() <= FILES_MAX, too_many(source, files.len()));
        files
    } else {
        vec![source.to_owned()]
    };
    ensure!(
        !files.is_empty(),
        Problem::new(
            Kind::Unprocessable,
            "cli.no_csv",
            format!("{} 中没有 CSV 文件", source.display()),
            format!("no CSV file in {}", source.display()),
        )
    );
    files.iter().map(|it| described_file(it)).collect()
}

fn too_many(folder: &Path, count: usize) -> Problem {
    let folder = folder.display();
    Problem::new(
        Kind::TooLarge,
        "cli.files_many",
        format!("{folder} 中有 {count} 个 CSV 文件，一次至多 {FILES_MAX} 个；请分到几个目录"),
        format!("{folder} holds {count} CSV files; at most {FILES_MAX} at once: put them into several folders"),
    )
}

fn described_file(file: &Path) -> Result<Value, Problem> {
    let wrong = |it: csv::Error| file_problem(file, &it);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(file).map_err(wrong)?;
    let heads: Vec<String> =
        reader.headers().map_err(wrong)?.iter().map(|it| it.trim_start_matches('\u{feff}').to_owned()).collect();
    let mut samples: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for row in reader.records().take(ROWS_MAX) {
        for (at, value) in row.map_err(wrong)?.iter().enumerate().take(heads.len()) {
            let of_column = samples.entry(at).or_default();
            if of_column.len() < SAMPLES_MAX && !value.trim().is_empty() {
                of_column.insert(value.to_owned());
            }
        }
    }
    let column = |(at, name): (usize, &String)| json!({"name": name, "samples": samples.get(&at), "nullable": true});
    let columns: Vec<Value> = heads.iter().enumerate().map(column).map(without_null).collect();
    let name = file.file_name().map_or_else(String::new, |it| it.to_string_lossy().into_owned());
    Ok(json!({"name": name, "format": "csv", "columns": columns}))
}

fn without_null(mut column: Value) -> Value {
    if let Some(fields) = column.as_object_mut() {
        fields.retain(|_, it| !it.is_null());
    }
    column
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ticked_as_people_write_them() {
        assert_eq!(numbers("1,3-5", 5).unwrap().into_iter().collect::<Vec<_>>(), [1, 3, 4, 5]);
        for wrong in ["", "0", "2-1", "6", "a", "1-"] {
            assert_eq!(numbers(wrong, 5).unwrap_err().code, "cli.numbers", "{wrong}");
        }
    }

    #[test]
    fn a_file_is_described_by_its_head_and_some_values() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("QYXX.csv"), "\u{feff}QYMC,SJH\n甲,13900000001\n乙,\n甲,13900000002\n")
            .unwrap();
        let tables = described(folder.path()).unwrap();
        assert_eq!(tables[0]["name"], "QYXX.csv");
        assert_eq!(tables[0]["columns"][0], json!({"name": "QYMC", "samples": ["乙", "甲"], "nullable": true}));
        assert_eq!(tables[0]["columns"][1]["samples"].as_array().unwrap().len(), 2);
        assert_eq!(described(&folder.path().join("none.csv")).unwrap_err().code, "cli.file");
    }

    /// What cannot be the name of a connection is a file, and is missed as such.
    #[test]
    fn a_file_that_is_not_there_is_no_connection() {
        use std::os::unix::ffi::OsStrExt as _;
        assert_eq!(connection(Path::new("market-db")).unwrap().as_str(), "market-db");
        assert_eq!(connection(Path::new("typo.csv")), None);
        assert_eq!(connection(Path::new(std::ffi::OsStr::from_bytes(b"\xff"))), None);
        let folder = tempfile::tempdir().unwrap();
        for number in 0..=FILES_MAX {
            std::fs::write(folder.path().join(format!("{number}.csv")), "a\n1\n").unwrap();
        }
        let problem = described(folder.path()).unwrap_err();
        assert_eq!(problem.code, "cli.files_many");
        assert!(problem.detail.en.contains("501"), "{problem:?}");
    }
}
