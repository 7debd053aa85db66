//! `yunhe log`: where the organisation's log of evidence stands, and its files as C2SP names them.

use crate::context::Context;
use crate::exit::Failure;
use crate::output::{cell, facts, print};
use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe log show --data ./scjg
  yunhe log checkpoint --data ./scjg
  yunhe log file tile/0/000 --data ./scjg > tile";

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
}

impl Log {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
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
