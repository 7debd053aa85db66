//! `yunhe catalog reports | return | number | levels`: where entries stand that were reported up, and what this level
//! says of them. `yunhe number`: everything that bears a number of some platform's.

use crate::client::encoded;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Voice, cell, table};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vocabulary::{Kind, Problem};

#[derive(Debug, Subcommand)]
pub(super) enum Act {
    /// 上报的条目及各级意见：本单位的与下级报来的 Entries that were reported up, ours and our subordinates'
    Reports {
        /// 只列此状态：waiting、taken、returned、withdrawn Only those that stand so
        #[arg(long)]
        state: Option<String>,
        /// 只列带此编号的 Only those that bear this number
        #[arg(long)]
        number: Option<String>,
        /// 自此之后（单位/条目） Only those behind this one: ORGANISATION/ENTRY
        #[arg(long)]
        after: Option<String>,
    },
    /// 一个上报条目的各级意见 What every level said of one entry
    Report {
        /// 单位/条目 ORGANISATION/ENTRY
        entry: String,
    },
    /// 退回下级报来的条目 Send back an entry that a subordinate reported
    SendBack {
        /// 单位/条目 ORGANISATION/ENTRY
        entry: String,
        /// 理由 Why
        #[arg(long)]
        reason: String,
    },
    /// 给下级报来的条目以本级目录代码；一经给出不再改 Give an entry this level's own number; it stays
    Number {
        /// 单位/条目 ORGANISATION/ENTRY
        entry: String,
        /// 编号 The number
        number: String,
    },
    /// 立即向上下级取报告和意见 Ask the other levels for reports and rulings now
    Levels {
        /// 从头重取（如成员密钥更换后曾有条目未被接受） From the beginning once more, e.g. after keys were learnt late
        #[arg(long)]
        anew: bool,
    },
}

fn path(entry: &str) -> Result<String, Problem> {
    let (owner, name) = entry.split_once('/').ok_or_else(|| {
        Problem::new(
            Kind::Unprocessable,
            "cli.entry",
            format!("“{entry}”应写作 单位/条目，如 jn-gxj/enterprise-base"),
            format!("write {entry:?} as ORGANISATION/ENTRY, such as jn-gxj/enterprise-base"),
        )
    })?;
    Ok(format!("/v1/catalog/reports/{}/{}", encoded(owner), encoded(name)))
}

impl Act {
    /// Runs it.
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, voice) = (context.client()?, context.voice());
        let value = match self {
            Self::Reports { state, number, after } => {
                let query = [("state", state), ("number", number), ("after", after)];
                let query: Vec<(&str, &str)> =
                    query.iter().filter_map(|(name, it)| Some((*name, it.as_deref()?))).collect();
                let value = client.get("/v1/catalog/reports", &query).await?;
                voice.answer(&value, || listed(voice, super::pack::items(&value, "reports")));
                return Ok(());
            }
            Self::Report { entry } => client.get(&path(&entry)?, &[]).await?,
            Self::SendBack { entry, reason } => {
                client.post(&format!("{}/acts", path(&entry)?), &json!({"act": "return", "reason": reason})).await?
            }
            Self::Number { entry, number } => {
                client.post(&format!("{}/acts", path(&entry)?), &json!({"act": "number", "number": number})).await?
            }
            Self::Levels { anew } => {
                let value = client.post("/v1/catalog/levels", &json!({ "anew": anew })).await?;
                voice.answer(&value, || {
                    let at = |pointer| cell::at(voice, &value, pointer);
                    format!(
                        "{} {} · {} {} · {} {}",
                        voice.pick("新", "news:"),
                        at("/taken"),
                        voice.pick("不合", "refused:"),
                        at("/refused"),
                        voice.pick("未答", "silent:"),
                        at("/silent")
                    )
                });
                return Ok(());
            }
        };
        voice.answer(&value, || shown(voice, &value));
        Ok(())
    }
}

fn state(voice: Voice, word: &str) -> String {
    let title = match word {
        "waiting" => voice.pick("待接收", "waiting"),
        "taken" => voice.pick("已接收", "taken"),
        "returned" => voice.pick("已退回", "returned"),
        "withdrawn" => voice.pick("已撤销", "withdrawn"),
        other => other,
    };
    title.to_owned()
}

fn listed(voice: Voice, views: &[Value]) -> String {
    let row = |it: &Value| {
        let at = |pointer: &str| cell::at(voice, it, pointer);
        let said = cell::list(it, "/rulings")
            .iter()
            .map(|it| format!("{} {}", cell::at(voice, it, "/body/by"), word(voice, it)));
        let entry = format!("{}/{}", at("/organisation"), at("/entry"));
        vec![
            entry,
            at("/title"),
            at("/code"),
            at("/revision"),
            state(voice, &at("/state")),
            said.collect::<Vec<_>>().join(" · "),
        ]
    };
    let rows: Vec<Vec<String>> = views.iter().map(row).collect();
    let titles = [
        ("条目", "Entry"),
        ("名称", "Name"),
        ("代码", "Code"),
        ("版", "Revision"),
        ("状态", "State"),
        ("各级意见", "What levels said"),
    ];
    table(voice, &titles, &rows)
}

/// A ruling in a word, with the number that the level gave.
fn word(voice: Voice, ruling: &Value) -> String {
    let verdict = state(voice, &cell::at(voice, ruling, "/body/verdict"));
    match cell::at(voice, ruling, "/body/number") {
        number if number.is_empty() => verdict,
        number => format!("{verdict}（{number}）"),
    }
}

fn shown(voice: Voice, view: &Value) -> String {
    let at = |pointer| cell::at(voice, view, pointer);
    let mut text = format!(
        "{}/{} {} {} {} · {}\n  {}\n",
        at("/organisation"),
        at("/entry"),
        at("/title"),
        voice.pick("第", "revision"),
        at("/revision"),
        state(voice, &at("/state")),
        at("/digest")
    );
    for ruling in cell::list(view, "/rulings") {
        let at = |pointer| cell::at(voice, ruling, pointer);
        let (when, by, reason) = (at("/body/at"), at("/body/by"), at("/body/reason"));
        text.push_str(&format!("  {when}  {by} {} {reason}\n", word(voice, ruling)));
    }
    text
}

const EXAMPLES: &str = "\
示例 Examples:
  yunhe number 苏数申〔2026〕0017 --data ./hub --as approver
  yunhe number GJ-SQM-0099 --json --data ./scjg --as approver";

/// 按平台编号查找：目录代码、资源编码、需求申请编号、授权码。Find what bears a platform's number.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Number {
    /// 编号 The number
    number: String,
}

impl Number {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (voice, query) = (context.voice(), [("number", self.number.as_str())]);
        let value = context.client()?.get("/v1/numbers", &query).await?;
        voice.answer(&value, || found(voice, &value));
        Ok(())
    }
}

fn found(voice: Voice, value: &Value) -> String {
    let mut rows = Vec::new();
    for (list, title, at) in [
        ("/entries", ("目录条目", "entry"), "/entry"),
        ("/requests", ("申请", "request"), "/request/body/id"),
        ("/agreements", ("协议", "agreement"), "/agreement/body/id"),
        ("/receipts", ("回执", "receipt"), "/file/body/id"),
    ] {
        for one in cell::list(value, list) {
            rows.push(vec![voice.pick(title.0, title.1).to_owned(), cell::at(voice, one, at)]);
        }
    }
    table(voice, &[("类别", "Kind"), ("标识", "Id")], &rows)
}

/// A number as the command line takes it: `KIND:GIVER:NUMBER`.
pub(super) fn numbers(given: &[String]) -> Result<Vec<Value>, Problem> {
    let one = |it: &String| {
        let mut parts = it.splitn(3, ':');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(kind), Some(by), Some(number)) => Ok(json!({"kind": kind, "by": by, "number": number})),
            _ => Err(Problem::new(
                Kind::Unprocessable,
                "cli.number",
                format!(
                    "“{it}”应写作 类别:给号方:编号，如 request:cn-data:GJ-2026-1；类别为 \
                     catalogue、resource、request、authorisation"
                ),
                format!(
                    "write {it:?} as KIND:GIVER:NUMBER, such as request:cn-data:GJ-2026-1; kinds: catalogue, \
                     resource, request, authorisation"
                ),
            )),
        }
    };
    given.iter().map(one).collect()
}
