//! `yunhe user`: accounts of the organisation's people.

use super::token;
use crate::client::encoded;
use crate::context::Context;
use crate::exit::{Failure, file_problem};
use crate::output::{Voice, cell, table};
use clap::{Args, Subcommand};
use jiff::ToSpan as _;
use node::{Clock as _, SystemClock};
use qrcode::QrCode;
use serde_json::{Value, json};
use std::path::Path;
use vocabulary::{Kind, Problem};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe user add zhang --person 张明 --data ./scjg                          （系统管理员 system administrator）
  yunhe user grant zhang --roles data-steward,cataloguer --as secadmin      （安全管理员 security administrator）
  yunhe user change-password zhang           （两行：旧密码、新密码 two lines: old, new）
  yunhe user sign-in zhang --save zhang      （随后 then: --as zhang）
  yunhe user reset-password zhang < password.txt 并 and yunhe user unlock zhang --as secadmin
  yunhe user enrol sysadmin；yunhe user confirm sysadmin                    （绑定动态口令 a second factor）

角色 Roles: system-administrator security-administrator audit-administrator（三员互斥 three people）
  data-steward cataloguer requester checker approver provider-officer";

/// 账号。Accounts.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct User {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 新开账号，告知一次初始密码（系统管理员） Open an account; its first password is told once
    Add {
        /// 账号名（小写字母、数字、连字符） Its name
        name: String,
        /// 姓名 The holder's name
        #[arg(long)]
        person: Option<String>,
    },
    /// 授予角色，替换原有的（安全管理员） Give exactly these roles
    Grant {
        /// 账号名 The account
        name: String,
        /// 角色，以逗号分隔；为空则全部收回 What the holder may do; none takes all away
        #[arg(long, value_delimiter = ',')]
        roles: Vec<String>,
    },
    /// 列出账号 List accounts
    List,
    /// 停用（系统管理员） Disable an account
    Disable {
        /// 账号名 The account
        name: String,
    },
    /// 启用（系统管理员） Enable it again
    Enable {
        /// 账号名 The account
        name: String,
    },
    /// 重置密码，从标准输入读一行；待安全管理员解锁后可用 Give a new password, a line of standard input; then unlock
    ResetPassword {
        /// 账号名 The account
        name: String,
    },
    /// 解锁（安全管理员） Unlock an account
    Unlock {
        /// 账号名 The account
        name: String,
    },
    /// 撤销动态口令，以便其本人重新绑定（安全管理员） Take a second factor away, so that another can be enrolled
    ResetFactor {
        /// 账号名 The account
        name: String,
    },
    /// 绑定本人的动态口令，从标准输入读密码 Begin one's own second factor; the password on standard input
    Enrol {
        /// 账号名 The account
        name: String,
    },
    /// 确认动态口令，从标准输入读两行：密码、动态码；告知一次恢复码 Confirm it: password, code; recovery codes are told once
    Confirm {
        /// 账号名 The account
        name: String,
    },
    /// 算出动态码，从标准输入读密钥：供没有验证器应用的试用环境 A code of the secret on standard input: where no app is at hand
    Code {
        /// 下一个时段的动态码 The code of the next thirty seconds
        #[arg(long)]
        next: bool,
    },
    /// 登录，从标准输入读密码，需要时再读动态码；会话数小时有效 Sign in: the password, and a code where one is needed
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
        match self.act {
            Act::Code { next } => code(context, next).map_err(Failure::from),
            Act::Enrol { .. }
            | Act::Confirm { .. }
            | Act::SignIn { .. }
            | Act::SignOut
            | Act::ChangePassword { .. } => self.own(context).await,
            _ => self.accounts(context).await,
        }
    }

    /// What one does for oneself, proving the password.
    async fn own(self, context: &Context) -> Result<(), Failure> {
        let voice = context.voice();
        match self.act {
            Act::SignIn { name, save } => {
                let value = enter(context, "/v1/sessions", json!({"name": name, "password": line()?})).await?;
                token::hand_over(context, &value, save.as_deref())?;
            }
            Act::SignOut => {
                let value = context.client()?.delete("/v1/sessions", &[]).await?;
                voice.answer(&value, || voice.pick("已退出", "signed out").to_owned());
            }
            Act::ChangePassword { name } => {
                let ask = json!({"name": name, "password": line()?, "new": line()?});
                let value = enter(context, "/v1/passwords", ask).await?;
                voice.answer(&value, || voice.pick("密码已修改", "the password is changed").to_owned());
            }
            Act::Enrol { name } => {
                let value = enter(context, "/v1/second-factors", json!({"name": name, "password": line()?})).await?;
                voice.answer(&value, || enrolment(voice, &value, &name));
            }
            Act::Confirm { name } => {
                let ask = json!({"name": name, "password": line()?, "code": line()?});
                let value = context.stranger()?.post("/v1/second-factors/confirmation", &ask).await?;
                voice.answer(&value, || {
                    let head = voice.pick(
                        "动态口令已启用。恢复码每枚可用一次，请离线妥善保管，不再显示：",
                        "the second factor is in force. Recovery codes open once each; keep them, they are not shown \
                         again:",
                    );
                    let codes = value["recovery_codes"].as_array().into_iter().flatten();
                    codes.fold(head.to_owned(), |text, it| format!("{text}\n  {}", it.as_str().unwrap_or_default()))
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// What administrators do to accounts.
    async fn accounts(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let voice = context.voice();
        let at = |name: &str, what: &str| format!("/v1/users/{}/{what}", encoded(name));
        let (value, zh, en) = match self.act {
            Act::Add { name, person } => {
                let mut body = json!({"name": name});
                if let Some(person) = person {
                    body["person"] = json!(person);
                }
                let value = client.post("/v1/users", &body).await?;
                let first = value["first_password"].as_str().unwrap_or_default().to_owned();
                let zh = format!("已开账号 {name}，初始密码（只显示一次，须先修改）：{first}");
                (value, zh, format!("account {name} is open; its first password, shown once, to be changed: {first}"))
            }
            Act::Grant { name, roles } => {
                let roles: Vec<&String> = roles.iter().filter(|it| !it.is_empty()).collect();
                let value = client.post(&at(&name, "roles"), &json!({"roles": roles})).await?;
                (value, format!("{name} 的角色已更新"), format!("{name} has these roles now"))
            }
            Act::Disable { name } => {
                let value = client.post(&at(&name, "state"), &json!({"enabled": false})).await?;
                (value, format!("{name} 已停用"), format!("{name} is disabled"))
            }
            Act::Enable { name } => {
                let value = client.post(&at(&name, "state"), &json!({"enabled": true})).await?;
                (value, format!("{name} 已启用"), format!("{name} is enabled"))
            }
            Act::ResetPassword { name } => {
                let value = client.post(&at(&name, "password"), &json!({"password": line()?})).await?;
                let en = "the password is a new one; the security administrator must unlock the account";
                (value, "密码已重置，待安全管理员解锁".to_owned(), en.to_owned())
            }
            Act::Unlock { name } => {
                let value = client.post(&at(&name, "unlock"), &json!({})).await?;
                (value, format!("{name} 已解锁"), format!("{name} is unlocked"))
            }
            Act::ResetFactor { name } => {
                let value = client.delete(&at(&name, "second-factor"), &[]).await?;
                (value, format!("{name} 的动态口令已撤销"), format!("{name} has no second factor any more"))
            }
            _ => return list(context).await,
        };
        voice.answer(&value, || voice.pick(&zh, &en).to_owned());
        Ok(())
    }
}

async fn list(context: &Context) -> Result<(), Failure> {
    let voice = context.voice();
    let value = context.client()?.get("/v1/users", &[]).await?;
    voice.answer(&value, || {
        let cells = ["/name", "/roles", "/enabled"];
        let rows: Vec<Vec<String>> = super::pack::items(&value, "users")
            .iter()
            .map(|it: &Value| cells.iter().map(|at| cell::at(voice, it, at)).collect())
            .collect();
        table(voice, &[("账号", "Account"), ("角色", "Roles"), ("启用", "Enabled")], &rows)
    });
    Ok(())
}

/// Shows a password, and a code from one more line where one is needed.
async fn enter(context: &Context, path: &str, mut ask: Value) -> Result<Value, Problem> {
    let client = context.stranger()?;
    match client.post(path, &ask).await {
        Err(problem) if problem.code == "identity.code_needed" => {
            let voice = context.voice();
            if !voice.json {
                crate::output::print(voice.pick("动态码：\n", "code:\n"));
            }
            ask["code"] = json!(line()?);
            client.post(path, &ask).await
        }
        done => done,
    }
}

/// The code that an app would show.
fn code(context: &Context, next: bool) -> Result<(), Problem> {
    let secret = identity::totp::from_base32(line()?.trim()).ok_or_else(|| {
        Problem::new(
            Kind::Unprocessable,
            "cli.secret",
            "不是 Base32 密钥；请用 yunhe user enrol 显示的密钥",
            "this is no secret in Base32; use the one that yunhe user enrol shows",
        )
    })?;
    let later = if next { identity::totp::STEP_SECONDS } else { 0 };
    let now = SystemClock.now();
    let code = identity::totp::code(&secret, now.saturating_add(later.seconds()).unwrap_or(now));
    context.voice().answer(&json!({"code": code}), || code.clone());
    Ok(())
}

/// A second factor as a picture, with what a person types where no camera is at hand.
fn enrolment(voice: Voice, value: &Value, name: &str) -> String {
    let text = |at: &str| value[at].as_str().unwrap_or_default().to_owned();
    let picture = QrCode::new(text("uri"))
        .map(|it| it.render::<qrcode::render::unicode::Dense1x2>().quiet_zone(true).build())
        .unwrap_or_default();
    let next = voice.pick(
        "请用身份验证器应用扫描，或手工输入密钥；然后",
        "scan it with an authenticator app, or type the secret; then",
    );
    format!("{picture}\n{}\n{}\n{next}: yunhe user confirm {name}\n", text("uri"), text("secret"))
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
