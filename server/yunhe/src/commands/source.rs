//! `yunhe source`: tables of others that feed our record types: listed, checked, taken over.

use crate::client::{Client, encoded};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Voice, cell, facts, table};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::time::Duration;
use vocabulary::{Bilingual, Kind, Problem, ensure};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe source list --data ./node --as steward
  yunhe source check ent-base --data ./node --as steward
  yunhe source take ent-base --reviewed-by 张明 --reviewed-on 2026-11-24 --data ./node --as steward
  yunhe source take ent-base --full --data ./node --as steward

首次取数读全部行并记下保密审查，以后只取变更；--full 再读全部行，并移除对方已无的行。中断后再次执行即续取。
The first run reads all rows and keeps the secrecy review, later ones only what changed; --full reads all again and
takes out what is gone there. After a break the same command goes on.";
/// Between two looks at how far the node is.
const LOOK_MILLIS: u64 = 200;
/// So many looks without anything new: then somebody else is to look why.
const LOOKS_MAX: u32 = 3_000;
/// The phase of a run that ended before its end.
const DROPPED: &str = "dropped";

/// 数据源：列出、检查、取数。Sources: list, check, take over.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Source {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 列出对方的表及最近一次取数 List tables of others with their latest runs
    List,
    /// 检查能否读取、行是否合乎记录类型 Whether it can be read and its rows fit
    Check {
        /// 数据源 The source
        name: String,
    },
    /// 取数 Take rows over
    Take(Take),
}

#[derive(Args, Debug)]
struct Take {
    /// 数据源 The source
    name: String,
    /// 读全部行，并移除对方已无的行 Read all rows, and take out what is gone there
    #[arg(long)]
    full: bool,
    /// 对方的表确已少了大半 That the table lost most of its rows is right
    #[arg(long)]
    may_shrink: bool,
    /// 保密审查人 Who reviewed that no state secret is in it
    #[arg(long, value_name = "PERSON", requires = "reviewed_on")]
    reviewed_by: Option<String>,
    /// 审查日期 When
    #[arg(long, value_name = "DATE", requires = "reviewed_by")]
    reviewed_on: Option<String>,
    /// 不等完成 Do not wait for the end
    #[arg(long)]
    no_wait: bool,
}

impl Source {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, voice) = (context.client()?, context.voice());
        match self.act {
            Act::List => {
                let value = client.get("/v1/sources", &[]).await?;
                voice.answer(&value, || listed(voice, super::pack::items(&value, "sources")));
            }
            Act::Check { name } => {
                let value = client.get(&format!("/v1/sources/{}/check", encoded(&name)), &[]).await?;
                voice.answer(&value, || checked(voice, &value));
            }
            Act::Take(take) => {
                let value = take.run(&client).await?;
                voice.answer(&value, || shown(voice, &value));
                ensure!(value["phase"] != DROPPED, dropped(&take.name));
            }
        }
        Ok(())
    }
}

impl Take {
    async fn run(&self, client: &Client) -> Result<Value, Problem> {
        let path = format!("/v1/sources/{}/runs", encoded(&self.name));
        let mut body = json!({"full": self.full, "may_shrink": self.may_shrink});
        for (name, given) in [("reviewed_by", &self.reviewed_by), ("reviewed_on", &self.reviewed_on)] {
            if let Some(given) = given {
                body[name] = json!(given);
            }
        }
        let begun = client.post(&path, &body).await?;
        if self.no_wait {
            return Ok(begun);
        }
        let (mut last, mut looks) = (begun.clone(), 0);
        while looks < LOOKS_MAX {
            let runs = client.get(&path, &[]).await?;
            let run = runs.as_array().and_then(|it| it.iter().find(|it| it["id"] == begun["id"])).cloned();
            let run = run.unwrap_or_else(|| begun.clone());
            if run["ended"].is_string() {
                return Ok(run);
            }
            looks = if run == last { looks + 1 } else { 0 };
            last = run.clone();
            if let Ok(why) = serde_json::from_value::<Bilingual>(run["stuck"].clone()) {
                return Err(Problem::new(Kind::Unavailable, "source.stuck", why.zh, why.en).with("run", run));
            }
            tokio::time::sleep(Duration::from_millis(LOOK_MILLIS)).await;
        }
        Err(standing_still(&self.name).with("run", last))
    }
}

/// That a run ended without having taken everything over.
fn dropped(source: &str) -> Problem {
    Problem::new(
        Kind::Conflict,
        "source.dropped",
        format!("数据源 {source} 的取数已中止，未取完；查看 yunhe source check {source}，改正后再次执行"),
        format!(
            "the run of source {source} was dropped before its end; see yunhe source check {source}, and run it again"
        ),
    )
}

/// That nothing has moved for long.
fn standing_still(source: &str) -> Problem {
    let minutes = u64::from(LOOKS_MAX) * LOOK_MILLIS / 60_000;
    Problem::new(
        Kind::Unavailable,
        "source.still",
        format!("数据源 {source} 的取数 {minutes} 分钟没有进展，节点会继续；查看 yunhe source list"),
        format!("the run of source {source} did not move for {minutes} minutes; the node goes on: yunhe source list"),
    )
}

fn listed(voice: Voice, sources: &[Value]) -> String {
    let row = |it: &Value| {
        let places =
            ["/source", "/record", "/connection", "/table", "/state", "/last/phase", "/last/read", "/last/loaded"];
        let mut cells: Vec<String> = places.iter().map(|at| cell::at(voice, it, at)).collect();
        cells.extend(["/last/rejected", "/lag_s"].iter().map(|at| cell::at(voice, it, at)));
        cells
    };
    let titles = [
        ("数据源", "Source"),
        ("记录类型", "Record type"),
        ("连接", "Connection"),
        ("表", "Table"),
        ("连接状态", "State"),
        ("阶段", "Phase"),
        ("读取", "Read"),
        ("载入", "Loaded"),
        ("拒绝", "Rejected"),
        ("滞后（秒）", "Lag (s)"),
    ];
    table(voice, &titles, &sources.iter().map(row).collect::<Vec<_>>())
}

fn checked(voice: Voice, check: &Value) -> String {
    let mut text = facts(
        voice,
        &[
            ("数据源", "Source", cell::at(voice, check, "/source")),
            ("约有行数", "Rows, about", cell::at(voice, check, "/rows")),
            ("抽看", "Looked at", cell::at(voice, check, "/looked_at")),
            ("其中不合", "Unfit", cell::at(voice, check, "/unfit")),
        ],
    );
    let findings = check["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    for finding in findings {
        text.push_str(&format!("- {}\n", cell::text(voice, finding)));
    }
    if findings.is_empty() {
        text.push_str(voice.pick("可以取数。\n", "It can be taken over.\n"));
    }
    text
}

fn shown(voice: Voice, run: &Value) -> String {
    let number = |name: &str| cell::number(run, name).map(cell::grouped).unwrap_or_default();
    facts(
        voice,
        &[
            ("取数", "Run", cell::at(voice, run, "/id")),
            ("数据源", "Source", cell::at(voice, run, "/source")),
            ("阶段", "Phase", cell::at(voice, run, "/phase")),
            ("读取", "Read", number("/read")),
            ("载入", "Loaded", number("/loaded")),
            ("未变", "Unchanged", number("/unchanged")),
            ("拒绝", "Rejected", number("/rejected")),
            ("移除", "Removed", number("/removed")),
            ("被拒绝的行见", "Rejected rows by", cell::at(voice, run, "/rejecting")),
        ],
    )
}
