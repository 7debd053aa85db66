//! `yunhe token`: tokens for people's command lines and for application systems.

use crate::client::encoded;
use crate::context::Context;
use crate::exit::{Failure, file_problem};
use crate::output::{cell, table};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use vocabulary::Problem;

const EXAMPLES: &str = "\
示例 Examples:
  yunhe token new --user zhang --save steward --as zhang --data ./scjg   （本人的 one's own；之后 then: --as steward）
  yunhe token new --application huiqi --save huiqi --as secadmin --data ./nj --org nj-gxj
  yunhe token new --application board --scope read --as secadmin --data ./nj --org nj-gxj
  yunhe token list --as secadmin --data ./scjg
  yunhe token revoke tok_0197… --as secadmin --data ./scjg";

/// 令牌。Tokens.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Token {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 新发令牌，只显示一次 Issue a token; it is shown once
    #[command(visible_alias = "create")]
    New(New),
    /// 列出令牌，不含其内容 List tokens, never their secrets
    List,
    /// 收回令牌，立即生效 Take a token back, effective at once
    Revoke {
        /// 令牌标识（tok_…） Its id
        id: String,
    },
}

#[derive(Args, Debug)]
struct New {
    /// 给本人 For oneself, by account
    #[arg(long, value_name = "ACCOUNT", required_unless_present = "application")]
    user: Option<String>,
    /// 给已登记的应用系统，由安全管理员 For an application system that is registered, by the security administrator
    #[arg(long, value_name = "NAME", conflicts_with = "user")]
    application: Option<String>,
    /// 有效天数 For how many days
    #[arg(long, default_value_t = 90)]
    days: u32,
    /// 范围，以逗号分隔：all 全部、read 只读、exchange 交换、record 登记 What it may be used for
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',', default_value = "all")]
    scopes: Vec<String>,
    /// 存为 DIR/<单位>/tokens/NAME，不显示 Save it in the data folder instead of showing it
    #[arg(long, value_name = "NAME")]
    save: Option<String>,
}

impl Token {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let voice = context.voice();
        let new = match self.act {
            Act::New(new) => new,
            Act::List => return list(context).await,
            Act::Revoke { id } => {
                let value = context.client()?.delete(&format!("/v1/tokens/{}", encoded(&id)), &[]).await?;
                voice.answer(&value, || voice.pick("令牌已收回", "the token is taken back").to_owned());
                return Ok(());
            }
        };
        let mut body = json!({"days": new.days, "scopes": new.scopes});
        for (name, text) in [("user", &new.user), ("application", &new.application)] {
            if let Some(text) = text {
                body[name] = json!(text);
            }
        }
        let value = context.client()?.post("/v1/tokens", &body).await?;
        hand_over(context, &value, new.save.as_deref())
    }
}

/// Shows a token that was issued, once, or saves it under a name.
///
/// # Errors
/// `cli.file` when it cannot be saved.
pub fn hand_over(context: &Context, issued: &Value, name: Option<&str>) -> Result<(), Failure> {
    let voice = context.voice();
    let token = cell::at(voice, issued, "/token");
    let Some(name) = name else {
        voice.answer(issued, || token);
        return Ok(());
    };
    let path = context.home()?.join("tokens").join(name);
    save(&path, &token)?;
    voice.answer(&json!({"saved": path.display().to_string(), "id": issued["id"]}), || path.display().to_string());
    Ok(())
}

async fn list(context: &Context) -> Result<(), Failure> {
    let voice = context.voice();
    let value = context.client()?.get("/v1/tokens", &[]).await?;
    voice.answer(&value, || {
        let cells = ["/id", "/user", "/application", "/scopes", "/expires_at", "/revoked_at", "/last_day"];
        let rows = super::pack::items(&value, "tokens").iter();
        let rows: Vec<Vec<String>> = rows.map(|it| cells.iter().map(|at| cell::at(voice, it, at)).collect()).collect();
        let titles = [
            ("令牌", "Token"),
            ("账号", "Account"),
            ("应用系统", "Application"),
            ("范围", "Scopes"),
            ("到期", "Ends"),
            ("收回", "Taken back"),
            ("最近使用", "Last used"),
        ];
        table(voice, &titles, &rows)
    });
    Ok(())
}

/// Writes a secret that only its owner reads; what is there already is replaced.
fn save(path: &Path, token: &str) -> Result<(), Problem> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|it| file_problem(folder, &it))?;
    }
    let written = options.open(path).and_then(|mut it| it.write_all(token.as_bytes()));
    written.map_err(|it| file_problem(path, &it))
}
