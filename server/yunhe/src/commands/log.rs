//! `yunhe log`: where the organisation's log of evidence stands, and its files as C2SP names them.

use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Voice, cell, facts, print, table};
use clap::{Args, Subcommand};
use serde_json::Value;

const EXAMPLES: &str = "\
示例 Examples:
  yunhe log show --data ./scjg
  yunhe log checkpoint --data ./scjg
  yunhe log file tile/0/000 --data ./scjg > tile
  yunhe log recorded --agreement agr_0197… --data ./hub --as approver";

/// 存证日志。The log of evidence.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Log {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 日志的起源、大小与根 Its origin, size and root
    Show,
    /// 签名的检查点（C2SP） The signed checkpoint
    Checkpoint,
    /// 日志文件（C2SP tlog-tiles） A file of the log
    File {
        /// 如 tile/0/000 Its path
        path: String,
    },
    /// 枢纽所录的申请、协议与回执 What the hub recorded of deliveries: requests, agreements, receipts
    Recorded {
        /// 只列此协议的 Only of this agreement
        #[arg(long)]
        agreement: Option<String>,
    },
}

fn recorded(voice: Voice, value: &Value) -> String {
    let row = |it: &Value| {
        let at = |pointer: &str| cell::at(voice, it, pointer);
        let agreement =
            ["/record/agreement/body/id", "/record/receipt/body/agreement", "/record/revocation/body/agreement"];
        let agreement = agreement.into_iter().map(at).find(|it| !it.is_empty());
        vec![
            at("/at"),
            at("/provider"),
            at("/index"),
            at("/record/kind"),
            agreement.unwrap_or_else(|| at("/record/agreement")),
        ]
    };
    let rows: Vec<Vec<String>> = super::pack::items(value, "recorded").iter().map(row).collect();
    let titles =
        [("时间", "At"), ("提供方", "Provider"), ("日志序号", "Index"), ("类别", "Kind"), ("协议", "Agreement")];
    table(voice, &titles, &rows)
}

impl Log {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        if let Act::Recorded { agreement } = &self.act {
            let query: Vec<(&str, &str)> = agreement.iter().map(|it| ("agreement", it.as_str())).collect();
            let (value, voice) = (context.client()?.get("/v1/recorded", &query).await?, context.voice());
            voice.answer(&value, || recorded(voice, &value));
            return Ok(());
        }
        // The log is for everybody: it is read before anybody has come in.
        let client = context.stranger()?;
        let voice = context.voice();
        match self.act {
            Act::Show => {
                let value = client.get("/v1/log", &[]).await?;
                voice.answer(&value, || {
                    let at = |pointer| cell::at(voice, &value, pointer);
                    facts(
                        voice,
                        &[
                            ("起源", "Origin", at("/origin")),
                            ("叶数", "Leaves", at("/size")),
                            ("根", "Root", at("/root")),
                            ("验证公钥", "Verifier key", at("/key")),
                            ("并列的 SM2 验证公钥", "SM2 verifier key beside it", at("/beside")),
                        ],
                    )
                });
            }
            Act::Recorded { .. } => {}
            Act::Checkpoint => print(&String::from_utf8_lossy(&client.bytes("/log/checkpoint").await?)),
            Act::File { path } => {
                use std::io::Write as _;
                let bytes = client.bytes(&format!("/log/{path}")).await?;
                let _ = std::io::stdout().lock().write_all(&bytes);
            }
        }
        Ok(())
    }
}
