//! `yunhe application`: the organisation's application systems, which query under agreements.

use crate::client::encoded;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{cell, table};
use clap::{Args, Subcommand};
use serde_json::json;

const EXAMPLES: &str = "\
示例 Examples:
  yunhe application add huiqi --title-zh 惠企政策平台 --title-en 'Policy platform' --data ./nj --org nj-gxj
  yunhe application list --data ./nj --org nj-gxj
  yunhe application retire huiqi --data ./nj --org nj-gxj

登记由系统管理员，其令牌由安全管理员签发 Registered by the system administrator; its token is the security administrator's:
  yunhe token new --application huiqi --save huiqi --as secadmin";

/// 应用系统。Application systems.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Application {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 登记 Register one
    Add {
        /// 名称（小写字母、数字、连字符） Its name
        name: String,
        /// 中文名 Its title in Chinese
        #[arg(long, requires = "title_en")]
        title_zh: Option<String>,
        /// 英文名 Its title in English
        #[arg(long, requires = "title_zh")]
        title_en: Option<String>,
        /// 使用数据的事项 The matter whose data it uses
        #[arg(long)]
        matter: Option<String>,
    },
    /// 列出 List them
    List,
    /// 注销；其令牌全部失效 Retire one; its tokens end
    Retire {
        /// 名称 Its name
        name: String,
    },
}

impl Application {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, voice) = (context.client()?, context.voice());
        match self.act {
            Act::Add { name, title_zh, title_en, matter } => {
                let mut body = json!({"name": name});
                if let (Some(zh), Some(en)) = (title_zh, title_en) {
                    body["title"] = json!({"zh": zh, "en": en});
                }
                if let Some(matter) = matter {
                    body["matter"] = json!(matter);
                }
                let value = client.post("/v1/applications", &body).await?;
                voice.answer(&value, || {
                    voice.pick(&format!("已登记 {name}"), &format!("{name} is registered")).to_owned()
                });
            }
            Act::List => {
                let value = client.get("/v1/applications", &[]).await?;
                voice.answer(&value, || {
                    let cells = ["/name", "/title", "/matter", "/retired"];
                    let rows = super::pack::items(&value, "applications").iter();
                    let rows: Vec<Vec<String>> =
                        rows.map(|it| cells.iter().map(|at| cell::at(voice, it, at)).collect()).collect();
                    let titles = [("名称", "Name"), ("题名", "Title"), ("事项", "Matter"), ("已注销", "Out of use")];
                    table(voice, &titles, &rows)
                });
            }
            Act::Retire { name } => {
                let value = client.delete(&format!("/v1/applications/{}", encoded(&name)), &[]).await?;
                voice
                    .answer(&value, || voice.pick(&format!("已注销 {name}"), &format!("{name} is retired")).to_owned());
            }
        }
        Ok(())
    }
}
