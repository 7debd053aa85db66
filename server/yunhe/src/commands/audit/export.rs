//! `yunhe audit export`: pages of a period, written into a folder as they come. The folder appears whole or not at all.

use super::{ABOUT, ACTS, MANIFEST, PROOFS, TABLE, verify};
use crate::client::Client;
use crate::context::Context;
use crate::exit::{Failure, file_problem, json_problem};
use crate::output::facts;
use clap::Args;
use evidence::Checkpoint;
use evidence::act::export::{Continued, Earlier, MANIFEST as FORMAT, Manifest, Page, Period, written};
use evidence::act::{ActBody, CSV_HEAD, csv_line};
use serde::Deserialize;
use serde_json::json;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vocabulary::{Kind, OrganisationId, Problem, Timestamp, ensure};

/// The act that begins an export is in the published log within a second; it is waited for so often at most.
const WAITS_MAX: u32 = 60;
/// How long each time.
const WAIT: Duration = Duration::from_millis(500);

const README: &str = "\
管理员操作记录导出 Export of administrators' acts

acts.jsonl    每行一项操作的正文，逐字节即日志所承诺者 each line is an act's body, the very bytes that the log commits to
proofs.jsonl  逐行的盐、日志位置与包含证明 salt, place in the log and inclusion proof, line by line
acts.csv      同一内容的表格（UTF-8；以 = + - @ 起首的单元格前加 '） the same as a table; cells like formulas get an apostrophe
manifest.json 时段、已签名的检查点 the period and the signed checkpoints

离线核验 To verify offline:
  yunhe audit verify FOLDER --members members.json        （或创世文件 or the genesis file；或 or --key KEY）
首行与末两行是相邻操作与导出操作本身，用以证明其间无缺。
The first line and the last ones are the neighbours and the export itself: they show that nothing is missing between.
";

#[derive(Args, Debug)]
pub struct Export {
    /// 起（日期或时刻） From: a day in Shanghai, or a moment
    #[arg(long, value_parser = super::first_moment)]
    from: Timestamp,
    /// 止（含当日），缺省为此刻 To: that day included; now unless said
    #[arg(long, value_parser = super::last_moment)]
    to: Option<Timestamp>,
    /// 写入此目录（新建） The folder to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// 上次的导出：证明日志由其延续而来 The earlier export: prove that the log goes on from it
    #[arg(long, value_name = "DIR")]
    earlier: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Begun {
    export: u64,
    period: Period,
}

/// A page as the node answers it.
#[derive(Deserialize)]
struct Exported {
    #[serde(flatten)]
    page: Page,
    continued: Option<Continued>,
}

/// The files of an export, being written.
struct Files {
    acts: BufWriter<File>,
    proofs: BufWriter<File>,
    table: BufWriter<File>,
    organisation: Option<OrganisationId>,
    checkpoints: Vec<String>,
    lines: u64,
}

impl Export {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        ensure!(!self.out.exists(), exists(&self.out));
        let client = context.client()?;
        let earlier = self.earlier.as_deref().map(earlier).transpose()?;
        let to = self.to.unwrap_or(Timestamp::MAX);
        let begun = client.post("/v1/audit/exports", &json!({"from": self.from, "to": to})).await?;
        let begun: Begun = serde_json::from_value(begun).map_err(|it| json_problem("the export", &it))?;
        let aside = aside(&self.out);
        if aside.exists() {
            // Of a run that died.
            fs::remove_dir_all(&aside).map_err(|it| file_problem(&aside, &it))?;
        }
        fs::create_dir_all(&aside).map_err(|it| file_problem(&aside, &it))?;
        let lines = write(&client, &aside, &begun, earlier).await?;
        fs::rename(&aside, &self.out).map_err(|it| file_problem(&self.out, &it))?;
        synced(self.out.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
        let Begun { export, period: Period { first, last, .. } } = begun;
        let value =
            json!({"export": export, "period": begun.period, "folder": self.out.display().to_string(), "lines": lines});
        let voice = context.voice();
        let acts = (last + 1 - first).to_string();
        voice.answer(&value, || {
            facts(
                voice,
                &[
                    ("导出", "Export", self.out.display().to_string()),
                    ("操作", "Acts", acts),
                    ("导出操作的序号", "The export is act", export.to_string()),
                    ("核验", "Verify", format!("yunhe audit verify {} --members members.json", self.out.display())),
                ],
            )
        });
        Ok(())
    }
}

/// The checkpoint that an earlier export was proved by.
fn earlier(folder: &Path) -> Result<(String, Checkpoint), Problem> {
    let manifest = verify::manifest(folder)?;
    let note = manifest.checkpoints.first().cloned().unwrap_or_default();
    let checkpoint = Checkpoint::parse(evidence::Note::parse(&note)?.text())?;
    Ok((note, checkpoint))
}

async fn write(
    client: &Client,
    folder: &Path,
    begun: &Begun,
    earlier: Option<(String, Checkpoint)>,
) -> Result<u64, Problem> {
    let make = |name: &str| {
        let path = folder.join(name);
        File::create_new(&path).map(BufWriter::new).map_err(|it| file_problem(&path, &it))
    };
    let (organisation, checkpoints) = (None, Vec::new());
    let mut files =
        Files { acts: make(ACTS)?, proofs: make(PROOFS)?, table: make(TABLE)?, organisation, checkpoints, lines: 0 };
    put(&mut files.table, CSV_HEAD)?;
    let (mut after, mut path) = (Some(0), None);
    while let Some(number) = after {
        let asked = if number == 0 { earlier.as_ref().map(|it| &it.1) } else { None };
        let Exported { page, continued } = page(client, begun.export, number, asked).await?;
        after = page.next;
        path = path.or(continued.map(|it| it.path));
        files.take(page)?;
    }
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        organisation: files.organisation.clone().ok_or_else(|| json_problem("the export", &"no act can be read"))?,
        export: begun.export,
        period: begun.period,
        checkpoints: std::mem::take(&mut files.checkpoints),
        earlier: earlier.map(|(checkpoint, _)| Earlier { checkpoint, path }),
    };
    let text = serde_json::to_string_pretty(&manifest).map_err(|it| json_problem(MANIFEST, &it))?;
    let (mut manifest, mut about) = (make(MANIFEST)?, make(ABOUT)?);
    put(&mut manifest, &text)?;
    put(&mut about, README)?;
    for file in [&mut files.acts, &mut files.proofs, &mut files.table, &mut manifest, &mut about] {
        file.flush().and_then(|()| file.get_ref().sync_all()).map_err(|it| file_problem(folder, &it))?;
    }
    synced(folder)?;
    Ok(files.lines)
}

/// Where an export is written until it is whole: beside its folder, by the whole of its name.
fn aside(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// What stands in a folder is found there after a loss of power.
fn synced(folder: &Path) -> Result<(), Problem> {
    File::open(folder).and_then(|it| it.sync_all()).map_err(|it| file_problem(folder, &it))
}

async fn page(client: &Client, export: u64, after: u64, earlier: Option<&Checkpoint>) -> Result<Exported, Problem> {
    let mut query = vec![("after", after.to_string())];
    if let Some(Checkpoint { origin, size, .. }) = earlier {
        query.extend([("earlier_epoch", origin.epoch.to_string()), ("earlier_size", size.to_string())]);
    }
    let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let path = format!("/v1/audit/exports/{export}");
    let mut waits = 0;
    loop {
        match client.get(&path, &query).await {
            Err(problem) if problem.code == "audit.waiting" && waits < WAITS_MAX => {
                waits += 1;
                tokio::time::sleep(WAIT).await;
            }
            answer => return serde_json::from_value(answer?).map_err(|it| json_problem("the page", &it)),
        }
    }
}

impl Files {
    fn take(&mut self, page: Page) -> Result<(), Problem> {
        for note in page.checkpoints {
            if !self.checkpoints.contains(&note) {
                self.checkpoints.push(note);
            }
        }
        let period = page.period;
        for line in page.acts {
            self.lines += 1;
            put(&mut self.acts, &format!("{}\n", written(line.text.as_deref())))?;
            let proof = serde_json::to_string(&line.proof).map_err(|it| json_problem("a proof", &it))?;
            put(&mut self.proofs, &format!("{proof}\n"))?;
            let body: Option<ActBody> = line.text.as_deref().and_then(|it| serde_json::from_str(it).ok());
            let Some(body) = body else { continue };
            if (period.first..=period.last).contains(&line.number) {
                put(&mut self.table, &csv_line(&body))?;
            }
            self.organisation.get_or_insert(body.organisation);
        }
        Ok(())
    }
}

fn put(file: &mut BufWriter<File>, text: &str) -> Result<(), Problem> {
    file.write_all(text.as_bytes()).map_err(|it| file_problem(Path::new(ACTS), &it))
}

fn exists(path: &Path) -> Problem {
    let path = path.display();
    Problem::new(
        Kind::Conflict,
        "audit.exists",
        format!("{path} 已存在，不会覆盖；请换一个名称"),
        format!("{path} is there already and is never written over; choose another name"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What another thing of a like name holds is never taken for a run of ours that died.
    #[test]
    fn an_export_is_written_beside_its_own_name() {
        for (out, beside) in [("acts.2026", "acts.2026.partial"), ("a/b", "a/b.partial"), ("acts", "acts.partial")] {
            assert_eq!(aside(Path::new(out)), Path::new(beside));
        }
    }
}
