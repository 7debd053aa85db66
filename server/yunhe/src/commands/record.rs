//! `yunhe record`: an organisation looks at its own records, their history, and the feed of changes.

use crate::client::encoded;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Voice, cell, table};
use clap::{Args, Subcommand};
use serde_json::Value;

const EXAMPLES: &str = "\
示例 Examples:
  yunhe record types --data ./node
  yunhe record get legal-person 91329901MA00000000 --data ./node
  yunhe record list legal-person --where 'row.division == \"320102\"' --limit 20 --data ./node
  yunhe record history legal-person 91329901MA00000000 --data ./node";

/// 查看本单位的记录。Look at our own records.
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
                let query: Vec<(&str, &str)> = key.iter().map(|it| ("key", it.as_str())).collect();
                let value = client.get(&format!("/v1/records/{}", encoded(&record)), &query).await?;
                voice.answer(&value, || rows(voice, cell::list(&value, "/rows")));
            }
            Act::List { record, r#where, after, limit, as_of } => {
                let limit = limit.to_string();
                let mut query: Vec<(&str, &str)> = after.iter().map(|it| ("after", it.as_str())).collect();
                query.push(("limit", &limit));
                query.extend(r#where.as_deref().map(|it| ("where", it)));
                query.extend(as_of.as_deref().map(|it| ("as_of", it)));
                let value = client.get(&format!("/v1/records/{}", encoded(&record)), &query).await?;
                voice.answer(&value, || page(voice, &value));
            }
            Act::History { record, key } => {
                let query: Vec<(&str, &str)> = key.iter().map(|it| ("key", it.as_str())).collect();
                let value = client.get(&format!("/v1/records/{}/history", encoded(&record)), &query).await?;
                voice.answer(&value, || versions(voice, &value));
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
