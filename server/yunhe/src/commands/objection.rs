//! `yunhe objection`: mark what was delivered as wrong, rule on it, confirm a correction.

use crate::client::encoded;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Voice, cell, facts, table};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe objection raise agr_0197… --key 91320105MA1Q4HNR8J --column status --right status=deregistered \\
        --reason 该企业已于上月注销 --data ./nj --org nj-gxj --as requester
  yunhe objection list --waiting --data ./scjg --as officer
  yunhe objection decide obj_0197… --verdict correct --set status=deregistered \\
        --reason 经核实已注销 --data ./scjg --as officer
  yunhe objection decide obj_0197… --verdict unfounded --reason 登记机关尚未核准注销 --data ./scjg --as officer
  yunhe objection confirm cor_0197… --note 已重新获取并更新 --data ./nj --org nj-gxj --as requester";

/// 异议校核：提出、列出、查看、处理、确认更正。Objections: raise, list, show, decide, confirm corrections.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Objection {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 提出异议：某行、某格或某列有误 Mark a row, a cell or a column as wrong
    Raise(Raise),
    /// 列出异议 List objections
    List {
        /// 只列待我方处理的 Only those that wait for a ruling of ours
        #[arg(long)]
        waiting: bool,
        /// 只列逾期的 Only those whose term is over
        #[arg(long)]
        overdue: bool,
    },
    /// 查看一件异议及其更正的送达与确认 One objection, with whom its correction reached and who confirmed
    Show {
        /// 异议标识 Its id
        id: String,
    },
    /// 作出处理意见 Rule on one
    Decide(Decide),
    /// 列出更正通知 List corrections
    Corrections {
        /// 只列待我方确认的 Only those that wait for our confirmation
        #[arg(long)]
        waiting: bool,
    },
    /// 确认更正 Confirm a correction
    Confirm {
        /// 更正通知标识 Its id
        id: String,
        /// 已如何处理 What was done with what had been received
        #[arg(long)]
        note: String,
    },
}

#[derive(Args, Debug)]
struct Raise {
    /// 协议 The agreement under which it was delivered
    agreement: String,
    /// 回执 The receipt of the delivery
    #[arg(long)]
    receipt: Option<String>,
    /// 该行的主键，逐项给出；不写则指整列 The row's key, once per field; left out: whole columns
    #[arg(long)]
    key: Vec<String>,
    /// 有误的列；不写则指整行 Columns that are wrong; left out: the row as such
    #[arg(long = "column")]
    columns: Vec<String>,
    /// 所收到的值 What was delivered
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = pair)]
    seen: Vec<(String, Value)>,
    /// 应为 What would be right
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = pair)]
    right: Vec<(String, Value)>,
    /// 理由与依据 Why
    #[arg(long)]
    reason: String,
}

#[derive(Args, Debug)]
struct Decide {
    /// 异议标识 The objection
    id: String,
    /// 处理意见 What is ruled
    #[arg(long, value_enum)]
    verdict: Verdict,
    /// 理由（受理以外必填） Why; needed for all but accept
    #[arg(long)]
    reason: Option<String>,
    /// 更正为；true、false、null 即是、否、空 The right value; true, false and null are what they say
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = pair)]
    set: Vec<(String, Value)>,
    /// 更正：移除该行 Correct by taking the row out
    #[arg(long)]
    remove: bool,
    /// 转办：源头部门 Pass on to this department
    #[arg(long, value_name = "MEMBER")]
    to: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Verdict {
    /// 受理 It is being checked
    Accept,
    /// 更正 It was wrong and is corrected
    Correct,
    /// 维持 It is right
    Unfounded,
    /// 转办 Not ours: passed to its source
    PassOn,
}

/// `column=value`. The words `true`, `false` and `null` are what they say in JSON; everything else is a text, from
/// which the node reads numbers and days by the column's type.
fn pair(text: &str) -> Result<(String, Value), String> {
    let wrong = || format!("“{text}”应为 列=值，如 status=deregistered it should be COLUMN=VALUE");
    let (name, value) = text.split_once('=').filter(|it| !it.0.trim().is_empty()).ok_or_else(wrong)?;
    let value = match value {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        text => Value::String(text.to_owned()),
    };
    Ok((name.trim().to_owned(), value))
}

fn pairs(pairs: Vec<(String, Value)>) -> Map<String, Value> {
    pairs.into_iter().collect()
}

impl Objection {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, voice) = (context.client()?, context.voice());
        let value = match self.act {
            Act::Raise(it) => {
                let body = json!({
                    "agreement": it.agreement, "receipt": it.receipt, "key": it.key, "columns": it.columns,
                    "seen": pairs(it.seen), "right": pairs(it.right), "reason": it.reason,
                });
                client.post("/v1/objections", &body).await?
            }
            Act::List { waiting, overdue } => {
                let query = [("waiting", flag(waiting)), ("overdue", flag(overdue))];
                let value = client.get("/v1/objections", &query).await?;
                voice.answer(&value, || listed(voice, super::pack::items(&value, "objections")));
                return Ok(());
            }
            Act::Show { id } => client.get(&format!("/v1/objections/{}", encoded(&id)), &[]).await?,
            Act::Decide(it) => {
                let verdict = it.verdict.to_possible_value().map(|it| it.get_name().to_owned());
                let body = json!({
                    "verdict": verdict, "reason": it.reason, "row": pairs(it.set), "remove": it.remove,
                    "passed_to": it.to,
                });
                client.post(&format!("/v1/objections/{}/rulings", encoded(&it.id)), &body).await?
            }
            Act::Corrections { waiting } => {
                let value = client.get("/v1/corrections", &[("waiting", flag(waiting))]).await?;
                voice.answer(&value, || corrections(voice, super::pack::items(&value, "corrections")));
                return Ok(());
            }
            Act::Confirm { id, note } => {
                let path = format!("/v1/corrections/{}/confirmation", encoded(&id));
                let value = client.post(&path, &json!({ "note": note })).await?;
                voice.answer(&value, || corrections(voice, std::slice::from_ref(&value)));
                return Ok(());
            }
        };
        voice.answer(&value, || shown(voice, &value));
        Ok(())
    }
}

fn flag(on: bool) -> &'static str {
    if on { "true" } else { "false" }
}

fn stage(voice: Voice, view: &Value) -> String {
    let word = match view["stage"].as_str().unwrap_or_default() {
        "open" => voice.pick("待处理", "open"),
        "accepted" => voice.pick("已受理", "accepted"),
        "corrected" => voice.pick("已更正", "corrected"),
        "unfounded" => voice.pick("维持原值", "unfounded"),
        "passed-on" => voice.pick("已转源头部门", "passed on"),
        other => other,
    };
    let closed = if view["closed"] == true { voice.pick("，已办结", ", closed") } else { "" };
    format!("{word}{closed}")
}

fn listed(voice: Voice, views: &[Value]) -> String {
    let row = |view: &Value| {
        let body = &view["objection"]["body"];
        let at = |pointer| cell::at(voice, body, pointer);
        let light = view["clocks"].get(0).map(|it| super::request::light(voice, &it["reading"])).unwrap_or_default();
        let what = format!("{} {} {}", at("/record"), at("/key"), at("/columns"));
        vec![at("/id"), at("/consumer"), at("/provider"), what, stage(voice, view), light]
    };
    let titles = [
        ("异议", "Objection"),
        ("提出方", "Consumer"),
        ("提供方", "Provider"),
        ("对象", "About"),
        ("状态", "Standing"),
        ("期限", "Term"),
    ];
    table(voice, &titles, &views.iter().map(row).collect::<Vec<_>>())
}

fn shown(voice: Voice, view: &Value) -> String {
    let body = &view["objection"]["body"];
    let at = |pointer| cell::at(voice, body, pointer);
    let due = view["clocks"].get(0).map(|it| cell::at(voice, it, "/reading/due/day")).unwrap_or_default();
    let mut text = facts(
        voice,
        &[
            ("异议", "Objection", at("/id")),
            ("提出方", "Consumer", at("/consumer")),
            ("提供方", "Provider", at("/provider")),
            ("协议", "Agreement", at("/agreement")),
            ("记录类型", "Record type", at("/record")),
            ("主键", "Key", at("/key")),
            ("列", "Columns", at("/columns")),
            ("理由", "Reason", at("/reason")),
            ("状态", "Standing", stage(voice, view)),
            ("期限", "Due", due),
        ],
    );
    for ruling in cell::list(view, "/rulings") {
        let at = |pointer| cell::at(voice, &ruling["body"], pointer);
        text.push_str(&format!("  {} {} {} {}\n", at("/at"), at("/by"), at("/verdict"), at("/reason")));
    }
    for undelivered in cell::list(view, "/undelivered") {
        let at = |pointer| cell::at(voice, undelivered, pointer);
        let words = voice.pick("尚未送达", "has not arrived at");
        text.push_str(&format!("  {words} {}：{} {}\n", at("/to"), at("/kind"), at("/problem")));
    }
    let told = cell::list(view, "/corrections");
    if !told.is_empty() {
        text.push_str(&corrections(voice, told));
    }
    text
}

fn corrections(voice: Voice, views: &[Value]) -> String {
    let row = |view: &Value| {
        let at = |pointer| cell::at(voice, &view["correction"]["body"], pointer);
        let telling = match view["telling"].as_str().unwrap_or_default() {
            "untold" => voice.pick("未送达", "not told"),
            "told" => voice.pick("已送达，待确认", "told, to be confirmed"),
            "confirmed" => voice.pick("已确认", "confirmed"),
            other => other,
        };
        let note = cell::at(voice, view, "/confirmation/body/note");
        vec![at("/id"), at("/consumer"), at("/record"), at("/columns"), telling.to_owned(), note]
    };
    let titles = [
        ("更正", "Correction"),
        ("接收方", "Recipient"),
        ("记录类型", "Record type"),
        ("列", "Columns"),
        ("状态", "Standing"),
        ("处理", "Done"),
    ];
    table(voice, &titles, &views.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_text_but_for_three_words() {
        for (text, value) in [
            ("listed=true", json!(true)),
            ("listed=false", json!(false)),
            ("closed=null", Value::Null),
            ("status=deregistered", json!("deregistered")),
            ("staff=12", json!("12")),
            ("note=a=b", json!("a=b")),
            ("note=", json!("")),
            ("note=True", json!("True")),
        ] {
            assert_eq!(pair(text).unwrap().1, value, "{text}");
        }
        for text in ["status", "=x", ""] {
            assert!(pair(text).unwrap_err().contains("COLUMN=VALUE"), "{text}");
        }
    }
}
