//! `yunhe notice`: what the people of a role should know.

use crate::context::Context;
use crate::exit::Failure;
use crate::output::{cell, table};
use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe notice list --data ./scjg --as officer
  yunhe notice list --data ./nj --org nj-gxj --as requester --json";

/// 通知：异议、更正、期限。Notices: objections, corrections, terms.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Notice {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 列出给本人各角色的通知，新的在前 List the notices to one's roles, newest first
    List,
}

impl Notice {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let Act::List = self.act;
        let voice = context.voice();
        let value = context.client()?.get("/v1/notices", &[]).await?;
        voice.answer(&value, || {
            let row =
                |it| ["/at", "/role", "/title", "/due", "/about"].iter().map(|at| cell::at(voice, it, at)).collect();
            let rows: Vec<Vec<String>> = super::pack::items(&value, "notices").iter().map(row).collect();
            let titles = [("时间", "Time"), ("角色", "Role"), ("通知", "Notice"), ("期限", "Due"), ("关于", "About")];
            table(voice, &titles, &rows)
        });
        Ok(())
    }
}
