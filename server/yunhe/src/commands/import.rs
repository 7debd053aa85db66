//! `yunhe import`: a file into a record type; sent as a stream, so its size does not matter here.

use crate::client::encoded;
use crate::context::Context;
use crate::exit::{Failure, file_problem};
use crate::output::{Voice, cell, facts, print, progress};
use clap::{Args, Subcommand};
use futures::StreamExt as _;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tokio_util::io::ReaderStream;

const EXAMPLES: &str = "\
示例 Examples:
  yunhe import persons.csv --record legal-person --source legal-persons-sample \\
        --reviewed-by 张明 --reviewed-on 2026-11-24 --data ./node --as steward
  yunhe import show imp_0197… --data ./node --as steward
  yunhe import rejects imp_0197… --out rejects.csv --data ./node --as steward

再次导入同一文件不改变任何内容；中断的导入用 --id 续传。
Importing the same file again changes nothing; --id goes on with an import that stopped.";
/// Bytes read from the file at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// 导入文件。Import a file.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Import {
    #[command(subcommand)]
    act: Option<Act>,
    /// 文件（CSV；UTF-8 或 GB18030） The file (CSV, UTF-8 or GB18030)
    #[arg(required = true, value_name = "FILE")]
    file: Option<PathBuf>,
    /// 记录类型 The record type
    #[arg(long, required = true, value_name = "TYPE")]
    record: Option<String>,
    /// 数据包中的来源，说明列如何对应 The pack's source that says how columns map
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// 保密审查人 Who reviewed that no state secret is in it
    #[arg(long, value_name = "PERSON")]
    reviewed_by: Option<String>,
    /// 审查日期 When
    #[arg(long, value_name = "DATE")]
    reviewed_on: Option<String>,
    /// 缘由，记入历史 Why, for the history
    #[arg(long)]
    why: Option<String>,
    /// 全部完成后才可见 Rows become visible all at once, at the end
    #[arg(long)]
    atomic: bool,
    /// 续传：中断的导入 Go on with this import
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 查看导入进度 How far an import is
    Show {
        /// 导入标识 Its id
        id: String,
    },
    /// 取出被拒绝的行及原因 The rejected rows with their reasons
    Rejects {
        /// 导入标识 Its id
        id: String,
        /// 写入文件 Where to write them [standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

impl Import {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let value = match self.act {
            Some(Act::Show { id }) => client.get(&format!("/v1/imports/{}", encoded(&id)), &[]).await?,
            Some(Act::Rejects { id, out }) => {
                let bytes = client.bytes(&format!("/v1/imports/{}/rejects", encoded(&id))).await?;
                match out {
                    Some(path) => std::fs::write(&path, &bytes).map_err(|it| file_problem(&path, &it))?,
                    None => print(&String::from_utf8_lossy(&bytes)),
                }
                return Ok(());
            }
            None => self.send(context).await?,
        };
        context.voice().answer(&value, || shown(context.voice(), &value));
        Ok(())
    }

    async fn send(&self, context: &Context) -> Result<Value, Failure> {
        let path = self.file.as_deref().unwrap_or(Path::new("-"));
        let file = tokio::fs::File::open(path).await.map_err(|it| file_problem(path, &it))?;
        let total = file.metadata().await.map_err(|it| file_problem(path, &it))?.len();
        let bar = progress::bytes(context.voice(), total);
        let seen = bar.clone();
        let stream = ReaderStream::with_capacity(file, CHUNK_BYTES).inspect(move |it| {
            if let Ok(chunk) = it {
                seen.inc(chunk.len() as u64);
            }
        });
        let name = path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        let atomic = self.atomic.then(|| "true".to_owned());
        let options = [
            ("record", &self.record),
            ("source", &self.source),
            ("reviewed_by", &self.reviewed_by),
            ("reviewed_on", &self.reviewed_on),
            ("why", &self.why),
            ("id", &self.id),
            ("atomic", &atomic),
        ];
        let mut query: Vec<(&str, &str)> =
            options.iter().filter_map(|(name, it)| Some((*name, it.as_deref()?))).collect();
        query.push(("name", &name));
        let client = context.client()?;
        let value = client.stream("/v1/imports", &query, reqwest::Body::wrap_stream(stream)).await?;
        bar.finish_and_clear();
        Ok(value)
    }
}

fn shown(voice: Voice, import: &Value) -> String {
    let number = |name: &str| cell::number(import, name).map(cell::grouped).unwrap_or_default();
    let mut text = facts(
        voice,
        &[
            ("导入", "Import", cell::at(voice, import, "/id")),
            ("记录类型", "Record type", cell::at(voice, import, "/record")),
            ("读取", "Read", number("/read")),
            ("载入", "Loaded", number("/loaded")),
            ("其中未变", "Unchanged", number("/unchanged")),
            ("拒绝", "Rejected", number("/rejected")),
        ],
    );
    if cell::number(import, "/rejected").is_some_and(|it| it > 0) {
        let id = cell::at(voice, import, "/id");
        text.push_str(&format!(
            "{} yunhe import rejects {id}\n",
            voice.pick("被拒绝的行及原因：", "rejected rows and why:")
        ));
    }
    text
}
