//! `yunhe user`: accounts of the organisation's people.

use super::token;
use crate::client::encoded;
use crate::context::Context;
use crate::exit::{Failure, file_problem};
use crate::output::{cell, table};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::Path;
use vocabulary::Problem;

const EXAMPLES: &str = "\
示例 Examples:
  yunhe user add zhang --person 张明 --roles data-steward,cataloguer --data ./scjg
  yunhe user list --data ./scjg
  yunhe user reset-password zhang --data ./scjg < password.txt     （管理员重置 by the administrator）
  yunhe user sign-in zhang --save zhang --data ./scjg              （随后 then: --as zhang）
  yunhe user change-password zhang --data ./scjg                   （两行：旧密码、新密码 two lines: old, new）

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
    /// 重置密码，从标准输入读一行；其令牌全部失效 Give a new password, a line of standard input; all its tokens end
    ResetPassword {
        /// 账号名 The account
        name: String,
    },
    /// 以密码登录，从标准输入读一行；会话数小时有效 Sign in with a password, a line of standard input
    SignIn {
        /// 账号名 The account
        name: String,
        /// 存为 DIR/<单位>/tokens/NAME，不显示 Save the token in the data folder instead of showing it
        #[arg(long, value_name = "NAME")]
        save: Option<String>,
    },
    /// 退出登录：所用令牌失效 Sign out: the token in use ends
    SignOut,
    /// 修改自己的密码，从标准输入读两行：旧、新 Change one's own password: two lines of standard input, old and new
    ChangePassword {
        /// 账号名 The account
        name: String,
    },
}

impl User {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let voice = context.voice();
        match self.act {
            Act::ResetPassword { name } => {
                let path = format!("/v1/users/{}/password", encoded(&name));
                let value = context.client()?.post(&path, &json!({"password": line()?})).await?;
                voice.answer(&value, || voice.pick("密码已重置", "the password is a new one").to_owned());
            }
            Act::SignIn { name, save } => {
                let ask = json!({"name": name, "password": line()?});
                let value = context.stranger()?.post("/v1/sessions", &ask).await?;
                token::hand_over(context, &value, save.as_deref())?;
            }
            Act::SignOut => {
                let value = context.client()?.delete("/v1/sessions", &[]).await?;
                voice.answer(&value, || voice.pick("已退出", "signed out").to_owned());
            }
            Act::ChangePassword { name } => {
                let ask = json!({"name": name, "password": line()?, "new": line()?});
                let value = context.stranger()?.post("/v1/passwords", &ask).await?;
                voice.answer(&value, || voice.pick("密码已修改", "the password is changed").to_owned());
            }
            Act::Add { .. } | Act::List => self.accounts(context).await?,
        }
        Ok(())
    }

    async fn accounts(self, context: &Context) -> Result<(), Failure> {
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
            _ => {}
        }
        Ok(())
    }
}

/// A password: one line of standard input. It stands in no argument, where other users of the machine could read it.
fn line() -> Result<String, Problem> {
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    let line = line.trim_end_matches(['\r', '\n']).to_owned();
    match read {
        Ok(1..) => Ok(line),
        Ok(0) => Err(file_problem(Path::new("-"), &"a password is expected on standard input")),
        Err(error) => Err(file_problem(Path::new("-"), &error)),
    }
}
