//! `yunhe user`: accounts of the organisation's people.

use crate::context::Context;
use crate::exit::Failure;
use crate::output::{cell, table};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe user add zhang --person 张明 --roles data-steward,cataloguer --data ./scjg
  yunhe user list --data ./scjg

角色 Roles: administrator data-steward cataloguer requester checker approver provider-officer auditor";

/// 账号。Accounts.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct User {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 新开账号 Open an account
    Add {
        /// 账号名（小写字母、数字、连字符） Its name
        name: String,
        /// 姓名 The holder's name
        #[arg(long)]
        person: Option<String>,
        /// 角色，以逗号分隔 What the holder may do
        #[arg(long, value_delimiter = ',', required = true)]
        roles: Vec<String>,
    },
    /// 列出账号 List accounts
    List,
}

impl User {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let voice = context.voice();
        match self.act {
            Act::Add { name, person, roles } => {
                let mut body = json!({"name": name, "roles": roles});
                if let Some(person) = person {
                    body["person"] = json!(person);
                }
                let value = client.post("/v1/users", &body).await?;
                voice.answer(&value, || {
                    voice.pick(&format!("已开账号 {name}"), &format!("account {name} is open")).to_owned()
                });
            }
            Act::List => {
                let value = client.get("/v1/users", &[]).await?;
                voice.answer(&value, || {
                    let rows: Vec<Vec<String>> = super::pack::items(&value, "users")
                        .iter()
                        .map(|it: &Value| {
                            ["/name", "/roles", "/enabled"].iter().map(|at| cell::at(voice, it, at)).collect()
                        })
                        .collect();
                    table(voice, &[("账号", "Account"), ("角色", "Roles"), ("启用", "Enabled")], &rows)
                });
            }
        }
        Ok(())
    }
}
