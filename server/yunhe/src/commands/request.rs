//! `yunhe request`: ask another organisation for data, see whose turn it is, add what was missing.

use crate::client::encoded;
use crate::context::Context;
use crate::exit::{Failure, file_problem};
use crate::output::{Voice, cell, facts, table};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;
use vocabulary::Problem;

const EXAMPLES: &str = "\
示例 Examples:
  yunhe request new --provider js-scjg --offer legal-person-operation --purpose 惠企政策匹配 \\
        --law 《优化营商环境条例》 --article 第三十七条 --matter 惠企政策兑现 --system 惠企政策平台 \\
        --frequency 每日 --until 2027-06-30 --in-charge 企业服务处 --data ./nj --org nj-gxj --as requester
  yunhe request show req_0197… --data ./nj --org nj-gxj --as requester
  yunhe request supplement req_0197… --note 补充用途说明 --attach 授权书.pdf --data ./nj --org nj-gxj --as requester
  yunhe request attachment req_0197… 0 --out 授权书.pdf --data ./scjg --as officer";

/// 共享申请：提出、查看、补正。Requests for access: make, look at, supplement.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Request {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 提出申请 Make a request
    New(Box<New>),
    /// 列出申请：最新的，或待办、逾期的 List requests: the newest, or those that wait or are late
    List(List),
    /// 查看申请，先向轮到的节点询问进展 One request; asks the node whose turn it is for news first
    Show {
        /// 申请标识 Its id
        id: String,
    },
    /// 补正 Add what was missing
    Supplement {
        /// 申请标识 Its id
        id: String,
        /// 补正说明 What was missing
        #[arg(long)]
        note: String,
        /// 附件，可多次 A file that was missing; may be given several times
        #[arg(long, value_name = "FILE")]
        attach: Vec<PathBuf>,
    },
    /// 取出附件 Take a file of a request out
    Attachment {
        /// 申请标识 The request
        id: String,
        /// 编号，自 0 起，见 yunhe request show Its number, as request show lists them from 0
        number: usize,
        /// 存为 Where it goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Args, Debug)]
struct List {
    /// 只列逾期的，我方的与我方所待的 Only those whose term is over, ours and those that we wait for
    #[arg(long)]
    overdue: bool,
    /// 只列待本人角色办理的 Only those that wait for a role of mine
    #[arg(long)]
    mine: bool,
    /// 只列待此角色办理的 Only those that wait for this role
    #[arg(long, value_name = "ROLE")]
    waiting_for: Option<String>,
}

#[derive(Args, Debug)]
struct New {
    /// 提供方 Who holds the data
    #[arg(long, value_name = "MEMBER")]
    provider: String,
    /// 共享条件 Which offer of the provider's
    #[arg(long)]
    offer: String,
    /// 列，以逗号分隔；不写则全部 Columns, comma-separated; all when left out
    #[arg(long, value_delimiter = ',')]
    columns: Vec<String>,
    /// 服务的操作，以逗号分隔；不写则全部 Operations of a service, comma-separated; all when left out
    #[arg(long, value_delimiter = ',', conflicts_with = "columns")]
    operations: Vec<String>,
    /// 用途 For what
    #[arg(long)]
    purpose: String,
    /// 法律依据 The law
    #[arg(long)]
    law: String,
    /// 条款 Its article
    #[arg(long)]
    article: String,
    /// 事项 For which matter
    #[arg(long)]
    matter: String,
    /// 应用系统 By which application system
    #[arg(long)]
    system: String,
    /// 使用频次 How often
    #[arg(long)]
    frequency: String,
    /// 截止日 The last day it is needed
    #[arg(long, value_name = "DATE")]
    until: String,
    /// 责任处室 Which office answers for the use
    #[arg(long)]
    in_charge: String,
    /// 附件，可多次（至多 5 个，每个至多 4 MiB） A file that belongs to it; several times (5 at most, 4 MiB each)
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// 平台编号，可多次：类别:给号方:编号 A platform's number so far: KIND:GIVER:NUMBER; several times
    #[arg(long, value_name = "NUMBER")]
    number: Vec<String>,
}

/// Files as the node takes them.
fn attached(files: &[PathBuf]) -> Result<Vec<Value>, Problem> {
    let one = |path: &PathBuf| {
        let bytes = std::fs::read(path).map_err(|it| file_problem(path, &it))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(json!({"name": name, "content": STANDARD.encode(bytes)}))
    };
    files.iter().map(one).collect()
}

impl Request {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let voice = context.voice();
        let value = match self.act {
            Act::New(it) => {
                let body = json!({
                    "provider": it.provider, "offer": it.offer, "columns": it.columns,
                    "operations": it.operations, "purpose": it.purpose,
                    "basis": {"law": it.law, "article": it.article}, "matter": it.matter, "system": it.system,
                    "frequency": it.frequency, "until": it.until, "in_charge": it.in_charge,
                    "attachments": attached(&it.attach)?, "numbers": super::report::numbers(&it.number)?,
                });
                client.post("/v1/requests", &body).await?
            }
            Act::List(List { overdue, mine, waiting_for }) => {
                let mut query = vec![("overdue", if overdue { "true" } else { "false" })];
                query.push(("mine", if mine { "true" } else { "false" }));
                query.extend(waiting_for.as_deref().map(|it| ("waiting_for", it)));
                let value = client.get("/v1/requests", &query).await?;
                voice.answer(&value, || listed(voice, super::pack::items(&value, "requests")));
                return Ok(());
            }
            Act::Show { id } => client.get(&format!("/v1/requests/{}", encoded(&id)), &[]).await?,
            Act::Supplement { id, note, attach } => {
                let body = json!({"note": note, "attachments": attached(&attach)?});
                client.post(&format!("/v1/requests/{}/supplements", encoded(&id)), &body).await?
            }
            Act::Attachment { id, number, out } => {
                let bytes = client.bytes(&format!("/v1/requests/{}/attachments/{number}", encoded(&id))).await?;
                std::fs::write(&out, &bytes).map_err(|it| file_problem(&out, &it))?;
                let value = json!({"file": out.display().to_string(), "bytes": bytes.len()});
                voice.answer(&value, || format!("{} ({})", out.display(), cell::bytes(bytes.len() as u64)));
                return Ok(());
            }
        };
        voice.answer(&value, || shown(voice, &value));
        Ok(())
    }
}

/// Where a request stands, in words.
pub fn standing(voice: Voice, view: &Value) -> String {
    let Some((state, about)) = view.get("standing").and_then(Value::as_object).and_then(|it| it.iter().next()) else {
        return cell::at(voice, view, "/standing");
    };
    let step = step_title(voice, &cell::at(voice, about, "/step"));
    let reason = cell::at(voice, about, "/reason");
    match state.as_str() {
        "waiting" if about["accepted"] == true => format!("{step} {}", voice.pick("已受理，待答复", "has taken it up")),
        "waiting" => format!("{} {step}", voice.pick("待", "waiting for")),
        "supplement" => format!("{} {step}：{reason}", voice.pick("须补正", "to be supplemented for")),
        "returned" => format!("{} {step}：{reason}", voice.pick("退回", "returned by")),
        "refused" => format!("{} {step}：{reason}", voice.pick("不同意", "refused by")),
        "agreed" => {
            let what = if about["operations"].is_null() { "/columns" } else { "/operations" };
            format!("{}：{}", voice.pick("已同意", "agreed"), cell::at(voice, about, what))
        }
        other => other.to_owned(),
    }
}

/// A step of the chain, in words.
pub fn step_title(voice: Voice, step: &str) -> String {
    let title = match step {
        "own-department" => voice.pick("本部门", "own department"),
        "authority" => voice.pick("主管部门", "authority in charge"),
        "provider" => voice.pick("提供方", "provider"),
        "" => voice.pick("规则", "policy"),
        other => other,
    };
    title.to_owned()
}

fn verdict_title(voice: Voice, verdict: &str) -> String {
    let title = match verdict {
        "accept" => voice.pick("受理", "taken up"),
        "supplement" => voice.pick("补正", "to be supplemented"),
        "return" => voice.pick("退回", "returned"),
        "agree" => voice.pick("同意", "agreed"),
        "agree-in-part" => voice.pick("部分同意", "agreed in part"),
        "refuse" => voice.pick("不同意", "refused"),
        other => other,
    };
    title.to_owned()
}

fn listed(voice: Voice, views: &[Value]) -> String {
    let rows: Vec<Vec<String>> = views
        .iter()
        .map(|it| {
            let mut cells: Vec<String> = ["/id", "/consumer", "/provider", "/offer"]
                .iter()
                .map(|at| cell::at(voice, &it["request"]["body"], at))
                .collect();
            cells.push(standing(voice, it));
            // The clock that runs: the last statutory one that nobody has answered.
            let running = cell::list(it, "/clocks").iter().rev();
            let running = running.filter(|it| it["kind"] == "statutory" && it["reading"]["in_time"].is_null());
            let clock =
                running.map(|it| (cell::at(voice, it, "/reading/due/day"), light(voice, &it["reading"]))).next();
            let (due, light) = clock.unwrap_or_default();
            cells.extend([due, light]);
            cells
        })
        .collect();
    let titles = [
        ("申请", "Request"),
        ("申请方", "Consumer"),
        ("提供方", "Provider"),
        ("共享条件", "Offer"),
        ("状态", "Standing"),
        ("期限", "Due"),
        ("灯", "Signal"),
    ];
    table(voice, &titles, &rows)
}

/// A request with its story.
pub fn shown(voice: Voice, view: &Value) -> String {
    let body = &view["request"]["body"];
    let at = |pointer| cell::at(voice, body, pointer);
    let mut text = facts(
        voice,
        &[
            ("申请", "Request", at("/id")),
            ("申请方", "Consumer", at("/consumer")),
            ("提供方", "Provider", at("/provider")),
            ("共享条件", "Offer", at("/offer")),
            ("列", "Columns", at("/columns")),
            ("服务操作", "Operations", at("/operations")),
            ("用途", "Purpose", at("/purpose")),
            ("依据", "Basis", format!("{}{}", at("/basis/law"), at("/basis/article"))),
            ("事项", "Matter", at("/matter")),
            ("应用系统", "System", at("/system")),
            ("截止日", "Until", at("/until")),
            ("流转路径", "Way", at("/way")),
            ("状态", "Standing", standing(voice, view)),
        ],
    );
    let supplemented =
        cell::list(view, "/events").iter().flat_map(|it| cell::list(it, "/supplemented/body/attachments"));
    for (number, file) in cell::list(body, "/attachments").iter().chain(supplemented).enumerate() {
        let (name, size) = (cell::at(voice, file, "/name"), cell::number(file, "/bytes").unwrap_or(0));
        text.push_str(&format!("{} {number}  {name}  {}\n", voice.pick("附件", "file"), cell::bytes(size)));
    }
    for event in cell::list(view, "/events") {
        text.push_str(&event_line(voice, event));
    }
    let given = cell::list(view, "/events").iter().flat_map(|it| cell::list(it, "/answered/body/numbers"));
    for number in cell::list(body, "/numbers").iter().chain(given) {
        let at = |pointer| cell::at(voice, number, pointer);
        text.push_str(&format!("  {} {} {} {}\n", voice.pick("编号", "number"), at("/kind"), at("/by"), at("/number")));
    }
    for letter in cell::list(view, "/undelivered") {
        let at = |pointer| cell::at(voice, letter, pointer);
        text.push_str(&format!("  {} {} {}\n", voice.pick("待送达", "has not reached"), at("/to"), at("/problem")));
    }
    for clock in cell::list(view, "/clocks") {
        text.push_str(&clock_line(voice, clock));
    }
    text
}

/// A clock in one line: whose, of what, by when, how near.
fn clock_line(voice: Voice, clock: &Value) -> String {
    let at = |pointer| cell::at(voice, clock, pointer);
    let kind = if at("/kind") == "promised" { voice.pick("承诺", "promised") } else { voice.pick("法定", "term") };
    let estimated = clock.pointer("/reading/due/estimated") == Some(&Value::Bool(true));
    let estimated =
        if estimated { voice.pick("（该年放假安排未到，为估算）", " (estimated)") } else { "" };
    let due = match at("/reading/due/day") {
        day if day.is_empty() => voice.pick("停表中", "stopped").to_owned(),
        day => day,
    };
    let step = step_title(voice, &at("/step"));
    format!(
        "  {step} {kind} {} {} {}：{due}{estimated} {}\n",
        at("/working_days"),
        voice.pick("个工作日", "working days"),
        voice.pick("答复期限", "answer due"),
        light(voice, &clock["reading"]),
    )
}

/// How near the end of a clock is, or whether it was kept.
pub fn light(voice: Voice, reading: &Value) -> String {
    let late = cell::at(voice, reading, "/late");
    match (reading["in_time"].as_bool(), reading["light"].as_str().unwrap_or_default()) {
        (Some(true), _) => voice.pick("按时", "in time").to_owned(),
        (Some(false), _) | (None, "overdue" | "escalated") => {
            format!("{} {late}", voice.pick("逾期工作日", "overdue by working days:"))
        }
        (None, "red") => voice.pick("红灯", "red").to_owned(),
        (None, "yellow") => voice.pick("黄灯", "yellow").to_owned(),
        _ => String::new(),
    }
}

fn event_line(voice: Voice, event: &Value) -> String {
    let answered = event.get("answered").map(|it| &it["body"]);
    let Some(body) = answered else {
        let body = &event["supplemented"]["body"];
        return format!(
            "  {}  {} {}\n",
            cell::at(voice, body, "/at"),
            voice.pick("申请方补正：", "supplemented:"),
            cell::at(voice, body, "/note")
        );
    };
    let at = |pointer| cell::at(voice, body, pointer);
    let (step, verdict) = (step_title(voice, &at("/step")), verdict_title(voice, &at("/verdict")));
    let mut line = format!("  {}  {step} {} {verdict}", at("/at"), at("/by"));
    for more in [at("/columns"), at("/operations"), at("/reason")] {
        if !more.is_empty() {
            line.push_str(&format!("：{more}"));
        }
    }
    line.push('\n');
    line
}
