//! `yunhe record`: an organisation looks at its own records, their history and the feed of changes, and writes single
//! rows.

use crate::client::encoded;
use crate::context::Context;
use crate::exit::{Failure, file_problem};
use crate::output::{Voice, cell, table};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use vocabulary::{Kind, Problem};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe record types --data ./node --as steward
  yunhe record get legal-person 91329901MA00000000 --data ./node --as steward
  yunhe record list legal-person --where 'row.division == \"320102\"' --limit 20 --data ./node --as steward
  yunhe record history legal-person 91329901MA00000000 --data ./node --as steward
  yunhe record put legal-person --file row.json --why 更正名称 --data ./node --as steward
  yunhe record delete legal-person 91329901MA00000000 --why 误录 --data ./node --as steward
  yunhe record digest legal-person --data ./node --as steward";

/// 查看、改正本单位的记录。Look at our own records and correct them.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Record {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 记录类型及行数 Record types and how many rows they have
    Types,
    /// 按主键取一行 One row by its key
    Get {
        /// 记录类型 The record type
        record: String,
        /// 主键各项 The key, part by part
        #[arg(required = true)]
        key: Vec<String>,
    },
    /// 一页记录 A page of rows
    List {
        /// 记录类型 The record type
        record: String,
        /// 条件（CEL） A condition in CEL
        #[arg(long, value_name = "CEL")]
        r#where: Option<String>,
        /// 从此主键之后 Behind the row with this key
        #[arg(long, value_name = "KEY")]
        after: Vec<String>,
        /// 行数 Rows at most
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// 截至某时刻 As of an instant
        #[arg(long, value_name = "TIMESTAMP")]
        as_of: Option<String>,
    },
    /// 一行的全部历史 All versions of a row
    History {
        /// 记录类型 The record type
        record: String,
        /// 主键各项 The key, part by part
        #[arg(required = true)]
        key: Vec<String>,
    },
    /// 写入一行；主键已有则更改，旧版本留作历史 Write one row; where its key is there already, the earlier version becomes history
    Put {
        /// 记录类型 The record type
        record: String,
        /// JSON 对象：信息项与值 A JSON object of fields and values
        #[arg(long, value_name = "JSON", required_unless_present = "file", conflicts_with = "file")]
        row: Option<String>,
        /// 存有该 JSON 的文件；- 为标准输入 A file with that JSON; - is standard input
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// 原因，记入历史与变更流 Why; it stands in history and change feed
        #[arg(long)]
        why: String,
        /// 幂等键：以同一键重试不会写两次 A retry with the same key writes nothing twice
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// 移除一行；历史保留 Take one row out; its history stays
    Delete {
        /// 记录类型 The record type
        record: String,
        /// 主键各项 The key, part by part
        #[arg(required = true)]
        key: Vec<String>,
        /// 原因，记入历史与变更流 Why; it stands in history and change feed
        #[arg(long)]
        why: String,
    },
    /// 全部记录的行数与摘要，可与另一节点或恢复后的备份比对 Count and digest of all rows, to compare with another node or a restored backup
    Digest {
        /// 记录类型 The record type
        record: String,
        /// 截至变更流的某位置 As of a position of the change feed
        #[arg(long, conflicts_with = "as_of")]
        position: Option<u64>,
        /// 截至某时刻 As of an instant
        #[arg(long, value_name = "TIMESTAMP")]
        as_of: Option<String>,
    },
    /// 变更流 The feed of changes
    Changes {
        /// 从此位置之后 Behind this position
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// 条数 Entries at most
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
}

impl Record {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let voice = context.voice();
        match self.act {
            Act::Types => {
                let value = client.get("/v1/records", &[]).await?;
                voice.answer(&value, || types(voice, &value));
            }
            Act::Get { record, key } => {
                let path = format!("/v1/records/{}/pages", encoded(&record));
                let value = client.post(&path, &json!({"key": key})).await?;
                voice.answer(&value, || rows(voice, cell::list(&value, "/rows")));
            }
            Act::List { record, r#where, after, limit, as_of } => {
                let body = json!({"where": r#where, "after": after, "limit": limit, "as_of": as_of});
                let value = client.post(&format!("/v1/records/{}/pages", encoded(&record)), &body).await?;
                voice.answer(&value, || page(voice, &value));
            }
            Act::History { record, key } => {
                let path = format!("/v1/records/{}/history", encoded(&record));
                let value = client.post(&path, &json!({"key": key})).await?;
                voice.answer(&value, || versions(voice, &value));
            }
            Act::Put { record, row, file, why, idempotency_key } => {
                let row = row_json(row, file.as_deref())?;
                let body = json!({"row": row, "why": why, "idempotency_key": idempotency_key});
                let value = client.post(&format!("/v1/records/{}", encoded(&record)), &body).await?;
                voice.answer(&value, || put(voice, &value));
            }
            Act::Delete { record, key, why } => {
                let path = format!("/v1/records/{}/removals", encoded(&record));
                let value = client.post(&path, &json!({"key": key, "why": why})).await?;
                voice
                    .answer(&value, || format!("{}\n", voice.pick("已移除，历史保留", "taken out; its history stays")));
            }
            Act::Digest { record, position, as_of } => {
                let position = position.map(|it| it.to_string());
                let mut query: Vec<(&str, &str)> = position.iter().map(|it| ("position", it.as_str())).collect();
                query.extend(as_of.as_deref().map(|it| ("as_of", it)));
                let value = client.get(&format!("/v1/records/{}/digest", encoded(&record)), &query).await?;
                voice.answer(&value, || digest(voice, &value));
            }
            Act::Changes { after, limit } => {
                let (after, limit) = (after.to_string(), limit.to_string());
                let query = [("feed", "registry"), ("after", after.as_str()), ("limit", limit.as_str())];
                let value = client.get("/v1/changes", &query).await?;
                voice.answer(&value, || changes(voice, &value));
            }
        }
        Ok(())
    }
}

/// The row that was given as text, in a file or on standard input.
fn row_json(row: Option<String>, file: Option<&Path>) -> Result<Value, Problem> {
    let shown = file.map_or("--row".to_owned(), |it| it.display().to_string());
    let text = match (row, file) {
        (Some(text), _) => text,
        (None, Some(path)) if path == Path::new("-") => {
            std::io::read_to_string(std::io::stdin()).map_err(|it| file_problem(path, &it))?
        }
        (None, Some(path)) => std::fs::read_to_string(path).map_err(|it| file_problem(path, &it))?,
        (None, None) => String::new(),
    };
    serde_json::from_str::<Map<String, Value>>(&text).map(Value::Object).map_err(|it| {
        let (zh, en) = (format!("{shown} 应为一个 JSON 对象：{it}"), format!("{shown} should be a JSON object: {it}"));
        Problem::new(Kind::Unprocessable, "cli.row", zh, en)
    })
}

fn put(voice: Voice, value: &Value) -> String {
    let outcome = match value["outcome"].as_str().unwrap_or_default() {
        "added" => voice.pick("已新增", "added"),
        "changed" => voice.pick("已更改，旧版本留作历史", "changed; the earlier version is history"),
        _ => voice.pick("与现状相同，未作更改", "it was so already; nothing changed"),
    };
    format!("{outcome}\n{}", rows(voice, std::slice::from_ref(&value["row"])))
}

fn digest(voice: Voice, value: &Value) -> String {
    let count = cell::number(value, "/rows").map(cell::grouped).unwrap_or_default();
    let cells = ["/record", "/position", "/digest"].map(|it| cell::at(voice, value, it));
    let [record, position, digest] = cells;
    let titles = [("记录类型", "Record type"), ("位置", "Position"), ("行数", "Rows"), ("摘要", "Digest")];
    table(voice, &titles, &[vec![record, position, count, digest]])
}

fn types(voice: Voice, value: &Value) -> String {
    let all = super::pack::items(value, "types");
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|it| {
            let rows = cell::number(it, "/rows").map(cell::grouped).unwrap_or_default();
            vec![cell::at(voice, it, "/name"), cell::at(voice, it, "/title"), cell::at(voice, it, "/grade"), rows]
        })
        .collect();
    table(voice, &[("记录类型", "Record type"), ("名称", "Title"), ("级别", "Grade"), ("行数", "Rows")], &rows)
}

/// Rows as a table, a column for each field of the first one.
pub fn rows(voice: Voice, rows: &[Value]) -> String {
    let names: Vec<&str> =
        rows.first().and_then(Value::as_object).into_iter().flatten().map(|it| it.0.as_str()).collect();
    let titles: Vec<(&str, &str)> = names.iter().map(|it| (*it, *it)).collect();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| names.iter().map(|it| row.get(*it).map(|it| cell::text(voice, it)).unwrap_or_default()).collect())
        .collect();
    table(voice, &titles, &cells)
}

/// A page and how to go on.
pub fn page(voice: Voice, value: &Value) -> String {
    let mut text = rows(voice, cell::list(value, "/rows"));
    let next = cell::list(value, "/next");
    if !next.is_empty() {
        let after: Vec<String> = next.iter().map(|it| format!("--after {}", cell::text(voice, it))).collect();
        text.push_str(&format!("{} {}\n", voice.pick("下一页：", "next page:"), after.join(" ")));
    }
    text
}

fn versions(voice: Voice, value: &Value) -> String {
    let all = super::pack::items(value, "versions");
    all.iter().map(|it| format!("{}\n", cell::text(voice, it))).collect()
}

fn changes(voice: Voice, value: &Value) -> String {
    let rows: Vec<Vec<String>> = super::pack::items(value, "entries")
        .iter()
        .map(|it| ["/position", "/at", "/body"].iter().map(|at| cell::at(voice, it, at)).collect())
        .collect();
    table(voice, &[("位置", "Position"), ("时间", "At"), ("变更", "Change")], &rows)
}
