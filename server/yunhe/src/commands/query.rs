//! `yunhe query`: one row by its key or a page of rows under an agreement, with the receipt of it.

use crate::context::Context;
use crate::exit::{Failure, file_problem};
use crate::output::{Voice, cell};
use clap::Args;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

const EXAMPLES: &str = "\
示例 Examples:
  yunhe query agr_0197… --key 91329901MA00000000 --data ./nj --org nj-gxj --as platform
  yunhe query agr_0197… --rows 'row.staff >= 100' --columns uscc,staff --limit 50 --data ./nj --org nj-gxj --as platform
  yunhe query agr_0197… --key 91329901MA00000000 --receipt receipt.json --data ./nj --org nj-gxj --as platform";

/// 依协议查询。Query under an agreement.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Query {
    /// 协议标识 The agreement
    agreement: String,
    /// 主键各项 The key of one row, part by part
    #[arg(long, conflicts_with = "rows")]
    key: Option<Vec<String>>,
    /// 条件（CEL，限协议列） A condition in CEL on agreed columns
    #[arg(long, value_name = "CEL")]
    rows: Option<String>,
    /// 列 Columns; all agreed ones when left out
    #[arg(long, value_delimiter = ',')]
    columns: Vec<String>,
    /// 用途，应为协议用途 For what; the agreed purpose when left out
    #[arg(long)]
    purpose: Option<String>,
    /// 从此主键之后 Behind the row with this key
    #[arg(long, value_name = "KEY")]
    after: Option<Vec<String>>,
    /// 行数 Rows at most
    #[arg(long)]
    limit: Option<u32>,
    /// 把回执写入文件 Write the receipt to a file
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
}

impl Query {
    fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("agreement".to_owned(), json!(self.agreement));
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                body.insert(name.to_owned(), value);
            }
        };
        put("key", json!(self.key));
        put("rows", json!(self.rows));
        put("purpose", json!(self.purpose));
        put("after", json!(self.after));
        put("limit", json!(self.limit));
        if !self.columns.is_empty() {
            put("columns", json!(self.columns));
        }
        Value::Object(body)
    }

    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let value = context.client()?.post("/v1/queries", &self.body()).await?;
        if let Some(path) = &self.receipt {
            let text = format!("{:#}\n", value["receipt"]);
            std::fs::write(path, text).map_err(|it| file_problem(path, &it))?;
        }
        context.voice().answer(&value, || shown(context.voice(), &value));
        Ok(())
    }
}

fn shown(voice: Voice, value: &Value) -> String {
    let mut text = super::record::page(voice, value);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let body = &value["receipt"]["body"];
    let (id, rows) = (cell::at(voice, body, "/id"), cell::at(voice, body, "/rows"));
    let said = voice.pick("回执", "receipt");
    text.push_str(&format!("{said} {id} · {rows} {}\n", voice.pick("行", "rows")));
    text
}
