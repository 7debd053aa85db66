//! `yunhe pull`: all permitted rows under an agreement, in parts. The node fetches them and goes on after a restart;
//! the command follows it and takes the parts out.

use crate::client::{Client, encoded};
use crate::context::Context;
use crate::exit::{Failure, file_problem};
use crate::output::{Voice, cell, facts, progress};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vocabulary::{Kind, Problem};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe pull agr_0197… --format parquet --out ./received --data ./nj --org nj-gxj --as platform
  yunhe pull show dlv_0197… --data ./nj --org nj-gxj --as platform
  yunhe pull save dlv_0197… --out ./received --data ./nj --org nj-gxj --as platform

中断后以同一 --id 再次执行即续传；每个分片只交付一次。
After a break the same --id goes on; each part is delivered once.";
/// Between two looks at how far the node is.
const LOOK_MILLIS: u64 = 200;

/// 依协议批量获取。Fetch all permitted rows under an agreement.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Pull {
    #[command(subcommand)]
    act: Option<Act>,
    /// 协议标识 The agreement
    #[arg(required = true)]
    agreement: Option<String>,
    /// 格式 The format
    #[arg(long, value_enum, default_value_t = Format::Parquet)]
    format: Format,
    /// 批次标识，续传时给出 The batch's id, to go on with it
    #[arg(long)]
    id: Option<String>,
    /// 把分片写入目录 Write the parts into a folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// 不等完成 Do not wait for the end
    #[arg(long, conflicts_with = "out")]
    no_wait: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Arrow IPC
    Arrow,
    /// Parquet
    Parquet,
    /// CSV
    Csv,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 查看进度 How far a batch is
    Show {
        /// 批次标识 Its id
        id: String,
    },
    /// 取出分片 Take the parts out
    Save {
        /// 批次标识 Its id
        id: String,
        /// 写入目录 The folder to write them into
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

impl Pull {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let voice = context.voice();
        let value = match self.act {
            Some(Act::Show { id }) => look(&client, &id).await?,
            Some(Act::Save { id, out }) => {
                let pull = finished(&client, voice, &id).await?;
                save(&client, &pull, &out).await?;
                pull
            }
            None => {
                let format = self.format.to_possible_value().map(|it| it.get_name().to_owned());
                let mut body = json!({"agreement": self.agreement, "format": format});
                if let Some(id) = &self.id {
                    body["id"] = json!(id);
                }
                let started = client.post("/v1/pulls", &body).await?;
                let id = cell::at(voice, &started, "/id");
                let pull = if self.no_wait { started } else { finished(&client, voice, &id).await? };
                if let Some(out) = &self.out {
                    save(&client, &pull, out).await?;
                }
                pull
            }
        };
        voice.answer(&value, || shown(voice, &value));
        Ok(())
    }
}

async fn look(client: &Client, id: &str) -> Result<Value, Problem> {
    client.get(&format!("/v1/pulls/{}", encoded(id)), &[]).await
}

/// Waits until the node has all parts.
async fn finished(client: &Client, voice: Voice, id: &str) -> Result<Value, Problem> {
    let bar = progress::count(voice, 0);
    loop {
        let pull = look(client, id).await?;
        bar.set_length(cell::number(&pull, "/parts").unwrap_or(0));
        bar.set_position(cell::number(&pull, "/done").unwrap_or(0));
        match pull["state"].as_str() {
            Some("done") => {
                bar.finish_and_clear();
                return Ok(pull);
            }
            Some("failed") => return Err(failed(&pull)),
            // The node goes on by itself on that day; nobody waits at the command line until then.
            _ if pull["resumes"].is_string() && pull["problem"].is_object() => {
                return Err(failed(&pull).with("resumes", pull["resumes"].clone()).with("pull", id));
            }
            _ => tokio::time::sleep(Duration::from_millis(LOOK_MILLIS)).await,
        }
    }
}

fn failed(pull: &Value) -> Problem {
    serde_json::from_value(pull["problem"].clone()).unwrap_or_else(|_| {
        Problem::new(
            Kind::Peer,
            "exchange.pull",
            format!("批次未完成：{pull}"),
            format!("the batch did not end: {pull}"),
        )
    })
}

async fn save(client: &Client, pull: &Value, folder: &Path) -> Result<(), Problem> {
    std::fs::create_dir_all(folder).map_err(|it| file_problem(folder, &it))?;
    let id = pull["id"].as_str().unwrap_or_default();
    let format = pull["format"].as_str().unwrap_or("part");
    for part in 0..cell::number(pull, "/parts").unwrap_or(0) {
        let bytes = client.bytes(&format!("/v1/pulls/{}/parts/{part}", encoded(id))).await?;
        let path = folder.join(format!("part-{part:05}.{format}"));
        std::fs::write(&path, &bytes).map_err(|it| file_problem(&path, &it))?;
    }
    Ok(())
}

fn shown(voice: Voice, pull: &Value) -> String {
    let number = |pointer| cell::number(pull, pointer).map(cell::grouped).unwrap_or_default();
    facts(
        voice,
        &[
            ("批次", "Batch", cell::at(voice, pull, "/id")),
            ("状态", "State", cell::at(voice, pull, "/state")),
            ("分片", "Parts", format!("{}/{}", number("/done"), number("/parts"))),
            ("行数", "Rows", number("/rows")),
            ("大小", "Size", cell::number(pull, "/bytes").map(cell::bytes).unwrap_or_default()),
            ("问题", "Problem", cell::at(voice, pull, "/problem")),
        ],
    )
}
