//! `yunhe doctor`: what is wrong with this machine and how to mend it; beside the node, whether it runs or not.

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::Voice;
use clap::Args;
use node::doctor::{Finding, Severity, collect, examine};
use node::{NodeConfig, SystemClock};
use serde_json::json;
use vocabulary::{Kind, Problem};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe doctor --data ./node
  yunhe doctor --data ./node --json

有错误时退出码为 1 With errors the exit code is 1; warnings and notes alone give 0.";

/// 体检：时钟、磁盘、密钥、端口、数据库、成员视图、日志积压、备份、数据包。
/// Look for what is wrong: clock, disk, keys, ports, database, membership, backlog, backups, packs.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Doctor {}

impl Doctor {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let folder = context.folder()?;
        let config = NodeConfig::read(&folder)?;
        let facts = collect(&folder, &config, &SystemClock).await;
        let findings = examine(&facts);
        let voice = context.voice();
        let machine = &facts.machine;
        let value = json!({
            "findings": findings, "runs": facts.figures.is_some(), "architecture": machine.architecture,
            "kernel": machine.kernel, "processors": machine.processors, "memory_bytes": machine.memory_bytes,
            "open_files": machine.open_files, "free_bytes": facts.place.free_bytes,
            "sync_micros": facts.place.sync_micros,
        });
        voice.answer(&value, || told(voice, &findings));
        let errors = findings.iter().filter(|it| it.severity == Severity::Error).count();
        if errors == 0 {
            return Ok(());
        }
        Err(Failure { problem: found(errors), exit: Exit::Refused })
    }
}

fn told(voice: Voice, findings: &[Finding]) -> String {
    if findings.is_empty() {
        return voice.pick("✓ 一切正常", "✓ all is well").to_owned();
    }
    let mut text = String::new();
    for finding in findings {
        let mark = match finding.severity {
            Severity::Error => voice.pick("✗ 错误", "✗ error"),
            Severity::Warning => voice.pick("! 警告", "! warning"),
            Severity::Note => voice.pick("· 提示", "· note"),
        };
        let whose = finding.organisation.as_deref().unwrap_or_default();
        text.push_str(&format!("{mark}  {}  {whose}\n", finding.check));
        let (fact, remedy) = (&finding.fact, &finding.remedy);
        text.push_str(&format!("  {}\n  → {}\n", voice.pick(&fact.zh, &fact.en), voice.pick(&remedy.zh, &remedy.en)));
    }
    text
}

fn found(errors: usize) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "doctor.errors",
        format!("发现 {errors} 项错误；处理办法见上"),
        format!("{errors} errors were found; what to do stands above"),
    )
}
