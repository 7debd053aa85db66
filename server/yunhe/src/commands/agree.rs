//! `yunhe agree`: the consumer signs the agreement that an agreed request led to; both sides look at agreements.

use crate::client::encoded;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Voice, cell, facts, table};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe agree req_0197… --data ./nj --org nj-gxj --as requester
  yunhe agree list --data ./scjg --as officer
  yunhe agree show agr_0197… --data ./scjg --as officer";

/// 签署并查看共享协议。Sign agreements, and look at them.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Agree {
    #[command(subcommand)]
    act: Option<Act>,
    /// 已同意的申请 The agreed request
    #[arg(required = true, value_name = "REQUEST")]
    request: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 列出协议 List agreements
    List,
    /// 查看协议 One agreement
    Show {
        /// 协议标识 Its id
        id: String,
    },
}

impl Agree {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let voice = context.voice();
        let value = match self.act {
            Some(Act::List) => {
                let value = client.get("/v1/agreements", &[]).await?;
                voice.answer(&value, || listed(voice, super::pack::items(&value, "agreements")));
                return Ok(());
            }
            Some(Act::Show { id }) => client.get(&format!("/v1/agreements/{}", encoded(&id)), &[]).await?,
            None => {
                let request = self.request.unwrap_or_default();
                client.post(&format!("/v1/requests/{}/agreement", encoded(&request)), &json!({})).await?
            }
        };
        voice.answer(&value, || shown(voice, &value));
        Ok(())
    }
}

fn state(voice: Voice, view: &Value) -> String {
    let text = cell::at(voice, view, "/state");
    let title = match text.as_str() {
        "proposed" => voice.pick("待签", "proposed"),
        "live" => voice.pick("生效", "live"),
        "revoked" => voice.pick("已撤销", "revoked"),
        other => other,
    };
    title.to_owned()
}

fn listed(voice: Voice, views: &[Value]) -> String {
    let rows: Vec<Vec<String>> = views
        .iter()
        .map(|it| {
            let body = &it["agreement"]["body"];
            let mut cells: Vec<String> = ["/id", "/provider", "/consumer", "/offer", "/terms/until"]
                .iter()
                .map(|at| cell::at(voice, body, at))
                .collect();
            cells.push(state(voice, it));
            cells
        })
        .collect();
    let titles = [
        ("协议", "Agreement"),
        ("提供方", "Provider"),
        ("使用方", "Consumer"),
        ("共享条件", "Offer"),
        ("期限", "Until"),
        ("状态", "State"),
    ];
    table(voice, &titles, &rows)
}

/// What may be called: name, method and path of each.
fn operations(all: &Value) -> String {
    let text = |it: &Value, name: &str| it[name].as_str().unwrap_or_default().to_owned();
    let all = all.as_object().into_iter().flatten();
    let all = all.map(|(name, it)| format!("{name} ({} {})", text(it, "method"), text(it, "path")));
    all.collect::<Vec<_>>().join(", ")
}

/// An agreement and what was agreed.
pub fn shown(voice: Voice, view: &Value) -> String {
    let body = &view["agreement"]["body"];
    let at = |pointer| cell::at(voice, body, pointer);
    let number = |value: &Value, pointer| cell::number(value, pointer).map(cell::grouped).unwrap_or_default();
    let signatures = cell::list(view, "/agreement/signatures").len();
    facts(
        voice,
        &[
            ("协议", "Agreement", at("/id")),
            ("状态", "State", state(voice, view)),
            ("提供方", "Provider", at("/provider")),
            ("使用方", "Consumer", at("/consumer")),
            ("应用系统", "System", at("/system")),
            ("共享条件", "Offer", at("/offer")),
            ("列", "Columns", at("/terms/columns")),
            ("服务操作", "Operations", operations(&body["terms"]["service"]["operations"])),
            ("脱敏", "Masked", at("/terms/masks")),
            ("用途", "Purpose", at("/terms/purpose")),
            ("期限", "Until", at("/terms/until")),
            ("每日行数", "Rows a day", number(body, "/terms/quota/rows_per_day")),
            ("每日调用次数", "Calls a day", number(body, "/terms/service/calls/per_day")),
            ("每秒调用次数", "Calls a second", number(body, "/terms/service/calls/per_second")),
            ("今日已用", "Used today", number(view, "/day_rows")),
            ("签名", "Signatures", signatures.to_string()),
            ("撤销理由", "Revoked because", cell::at(voice, view, "/revocation/body/reason")),
        ],
    )
}
