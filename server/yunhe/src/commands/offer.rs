//! `yunhe offer`: what is shared, by us or by a member, and under which conditions.

use crate::client::encoded;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Voice, cell, table};
use clap::{Args, Subcommand};
use serde_json::Value;

const EXAMPLES: &str = "\
示例 Examples:
  yunhe offer list --data ./provider
  yunhe offer list --member js-scjg --data ./consumer --org nj-gxj";

/// 查看共享条件。Look at offers.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Offer {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 列出共享条件 List offers
    List {
        /// 某成员的（向其节点询问） Those of a member, asked from its node
        #[arg(long, value_name = "MEMBER")]
        member: Option<String>,
    },
}

impl Offer {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let Act::List { member } = self.act;
        let path = member.map_or_else(|| "/v1/offers".to_owned(), |it| format!("/v1/members/{}/offers", encoded(&it)));
        let value = context.client()?.get(&path, &[]).await?;
        context.voice().answer(&value, || shown(context.voice(), super::pack::items(&value, "offers")));
        Ok(())
    }
}

fn shown(voice: Voice, offers: &[Value]) -> String {
    let rows: Vec<Vec<String>> = offers
        .iter()
        .map(|it| {
            let offer = it.get("offer").filter(|it| it.is_object()).unwrap_or(it);
            let title = match offer.get("title").filter(|it| !it.is_null()) {
                Some(title) => cell::text(voice, title),
                None if it["record"].is_null() => cell::at(voice, it, "/service/title"),
                None => cell::at(voice, it, "/record/title"),
            };
            let mut cells = vec![cell::at(voice, offer, "/offer"), title];
            cells.extend(["/share", "/purpose", "/until"].iter().map(|at| cell::at(voice, offer, at)));
            let shared = if offer["operations"].is_null() { "/columns" } else { "/operations" };
            cells.push(cell::at(voice, offer, shared));
            cells
        })
        .collect();
    let titles = [
        ("共享条件", "Offer"),
        ("名称", "Title"),
        ("共享类型", "Sharing"),
        ("用途", "Purpose"),
        ("期限", "Until"),
        ("列或操作", "Columns or operations"),
    ];
    table(voice, &titles, &rows)
}
