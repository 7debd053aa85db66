//! `yunhe deliver`: deliveries into tables of our own, planned, shown and steered. The node carries them.

use crate::client::{Client, encoded};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Voice, cell, facts, table};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe deliver create legal-persons --agreement agr_0197… --record legal-person-copy \\
        --mode incremental --every 5m --data ./nj --org nj-gxj --as steward
  yunhe deliver create nightly --agreement agr_0197… --record legal-person-copy \\
        --mode full --at 08:30 --working-days --data ./nj --org nj-gxj --as steward
  yunhe deliver create to-our-db --agreement agr_0197… --connection warehouse --table ent_base \
        --every 5m --data ./nj --org nj-gxj --as steward
  yunhe deliver show legal-persons --data ./nj --org nj-gxj --as steward
  yunhe deliver run legal-persons --anew --data ./nj --org nj-gxj --as steward

增量：先整表交付一次，其后逐页交付变更（含移除）；每次运行后对账。
Incremental: the whole set once, then its changes page by page, removals too; each run ends with a reconciliation.";

/// 入表交付：新建、列出、查看、运行、暂停、恢复、结束。Deliveries into tables: create, list, show, run, pause, resume, end.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Deliver {
    #[command(subcommand)]
    act: Act,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// 全量 The whole set on every run
    Full,
    /// 增量 The whole set once, then changes
    Incremental,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 新建 Plan a delivery
    Create(Box<Create>),
    /// 列出 All deliveries
    List,
    /// 查看进度、时延、积压、对账与近期运行 How far one is: lag, backlog, reconciliation, last runs
    Show {
        /// 名称 Its name
        name: String,
    },
    /// 立即运行 Run it now
    Run {
        /// 名称 Its name
        name: String,
        /// 全量重做，用于修复对账不符 Fetch the whole set anew, which mends a table that differs
        #[arg(long)]
        anew: bool,
    },
    /// 暂停 Let it rest
    Pause {
        /// 名称 Its name
        name: String,
    },
    /// 恢复 Let it go on
    Resume {
        /// 名称 Its name
        name: String,
    },
    /// 结束，表中数据保留 End it; the table stays as it is
    End {
        /// 名称 Its name
        name: String,
    },
}

#[derive(Args, Debug)]
struct Create {
    /// 名称 Its name
    name: String,
    /// 协议标识 The agreement
    #[arg(long)]
    agreement: String,
    /// 目标：本单位的记录类型 The target: a record type of ours
    #[arg(long, value_name = "TYPE", required_unless_present = "table", conflicts_with = "table")]
    record: Option<String>,
    /// 目标库的连接，见 yunhe.toml（须写明 writes = true） The connection to a database outside that may be written to
    #[arg(long, value_name = "NAME", requires = "table")]
    connection: Option<String>,
    /// 目标库中的表，没有则建立 The table there; made where it is absent
    #[arg(long, value_name = "TABLE", requires = "connection")]
    table: Option<String>,
    /// 方式 What is carried over
    #[arg(long, value_enum, default_value_t = Mode::Incremental)]
    mode: Mode,
    /// 每隔多久，如 5m Every so often: 30s, 5m, 1h, 1d
    #[arg(long, value_name = "SPAN", conflicts_with = "at")]
    every: Option<String>,
    /// 每日时刻，如 08:30,13:00 At these times of day
    #[arg(long, value_name = "TIMES")]
    at: Option<String>,
    /// 仅在工作日 On working days only
    #[arg(long)]
    working_days: bool,
    /// 目标中已有的行可以取代 Rows that stand in the target may be replaced
    #[arg(long)]
    takes_over: bool,
}

impl Create {
    fn body(&self) -> Value {
        let days = if self.working_days { " working-days" } else { "" };
        let schedule = match (&self.every, &self.at) {
            (Some(every), _) => Some(format!("every {every}{days}")),
            (None, Some(at)) => Some(format!("at {at}{days}")),
            (None, None) => None,
        };
        let target = match &self.record {
            Some(record) => json!({"record": record}),
            None => json!({"table": {"connection": self.connection, "table": self.table}}),
        };
        let mode = self.mode.to_possible_value().map(|it| it.get_name().to_owned());
        json!({
            "name": self.name, "agreement": self.agreement, "target": target, "mode": mode,
            "schedule": schedule, "takes_over": self.takes_over,
        })
    }
}

impl Deliver {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let voice = context.voice();
        let steered = match self.act {
            Act::Create(create) => client.post("/v1/deliveries", &create.body()).await?,
            Act::List => {
                let value = client.get("/v1/deliveries", &[]).await?;
                voice.answer(&value, || list(voice, &value));
                return Ok(());
            }
            Act::Show { name } => client.get(&format!("/v1/deliveries/{}", encoded(&name)), &[]).await?,
            Act::Run { name, anew } => steer(&client, &name, "run", &json!({"anew": anew})).await?,
            Act::Pause { name } => steer(&client, &name, "pause", &json!({})).await?,
            Act::Resume { name } => steer(&client, &name, "resume", &json!({})).await?,
            Act::End { name } => steer(&client, &name, "end", &json!({})).await?,
        };
        voice.answer(&steered, || shown(voice, &steered));
        Ok(())
    }
}

async fn steer(client: &Client, name: &str, verb: &str, body: &Value) -> Result<Value, vocabulary::Problem> {
    client.post(&format!("/v1/deliveries/{}/{verb}", encoded(name)), body).await
}

fn state(voice: Voice, plan: &Value) -> &'static str {
    match plan["state"].as_str() {
        Some("active") => voice.pick("运行", "active"),
        Some("paused") => voice.pick("暂停", "paused"),
        _ => voice.pick("结束", "ended"),
    }
}

fn target(voice: Voice, plan: &Value) -> String {
    if plan.pointer("/plan/target/table").is_none() {
        return cell::at(voice, plan, "/plan/target/record");
    }
    let at = |pointer| cell::at(voice, plan, pointer);
    format!("{}:{}", at("/plan/target/table/connection"), at("/plan/target/table/table"))
}

fn list(voice: Voice, value: &Value) -> String {
    let row = |it: &Value| {
        let number = |pointer| cell::number(it, pointer).map(cell::grouped).unwrap_or_default();
        vec![
            cell::at(voice, it, "/plan/name"),
            state(voice, it).to_owned(),
            cell::at(voice, it, "/plan/provider"),
            target(voice, it),
            cell::at(voice, it, "/plan/schedule"),
            number("/lag_seconds"),
            number("/progress/waiting/rows"),
            cell::at(voice, it, "/progress/problem/code"),
        ]
    };
    let rows: Vec<Vec<String>> = super::pack::items(value, "deliveries").iter().map(row).collect();
    let titles = [
        ("名称", "Name"),
        ("状态", "State"),
        ("提供方", "Provider"),
        ("目标", "Target"),
        ("时间", "Schedule"),
        ("时延（秒）", "Lag (s)"),
        ("积压（行）", "Waiting"),
        ("问题", "Problem"),
    ];
    table(voice, &titles, &rows)
}

/// What the last comparison of both sides came to.
fn reconciled(voice: Voice, plan: &Value) -> String {
    let Some(found) = plan.pointer("/progress/reconciled") else { return String::new() };
    let number = |pointer| cell::number(found, pointer).map(cell::grouped).unwrap_or_default();
    let (there, here) = (number("/rows_there"), number("/rows_here"));
    let at = cell::at(voice, found, "/at");
    match found["same"].as_bool() {
        Some(true) => format!("{}（{here}）{at}", voice.pick("一致", "the same")),
        _ => format!("{}：{there} / {here}　{at}", voice.pick("不符", "they differ")),
    }
}

fn shown(voice: Voice, plan: &Value) -> String {
    let number = |pointer| cell::number(plan, pointer).map(cell::grouped).unwrap_or_default();
    let mut text = facts(
        voice,
        &[
            ("名称", "Name", cell::at(voice, plan, "/plan/name")),
            ("状态", "State", state(voice, plan).to_owned()),
            ("协议", "Agreement", cell::at(voice, plan, "/plan/agreement")),
            ("提供方", "Provider", cell::at(voice, plan, "/plan/provider")),
            ("目标", "Target", target(voice, plan)),
            ("方式", "Mode", cell::at(voice, plan, "/plan/mode")),
            ("时间", "Schedule", cell::at(voice, plan, "/plan/schedule")),
            ("下次运行", "Next run", cell::at(voice, plan, "/next_run")),
            ("位置（页）", "Position (page)", number("/progress/mark/next")),
            ("数据截至", "As of", cell::at(voice, plan, "/progress/as_of")),
            ("时延（秒）", "Lag (s)", number("/lag_seconds")),
            ("积压（行）", "Waiting (rows)", number("/progress/waiting/rows")),
            ("对账", "Reconciliation", reconciled(voice, plan)),
            ("问题", "Problem", cell::at(voice, plan, "/progress/problem/detail")),
        ],
    );
    let run = |it: &Value| {
        let number = |pointer| cell::number(it, pointer).map(cell::grouped).unwrap_or_default();
        vec![
            number("/number"),
            cell::at(voice, it, "/began"),
            cell::at(voice, it, "/outcome"),
            number("/put"),
            number("/removed"),
            cell::at(voice, it, "/problem/code"),
        ]
    };
    let runs: Vec<Vec<String>> = cell::list(plan, "/runs").iter().map(run).collect();
    if !runs.is_empty() {
        let titles = [
            ("运行", "Run"),
            ("开始", "Began"),
            ("结果", "Outcome"),
            ("写入", "Put"),
            ("移除", "Removed"),
            ("问题", "Problem"),
        ];
        text.push('\n');
        text.push_str(&table(voice, &titles, &runs));
    }
    text
}
