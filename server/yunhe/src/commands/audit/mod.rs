//! `yunhe audit`: acts of administrators, listed and exported by the audit administrator, verified by anybody.

mod export;
mod verify;

use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Voice, cell, table};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;
use vocabulary::{Kind, Problem, Timestamp};

const EXAMPLES: &str = "\
示例 Examples（审计管理员 the audit administrator）:
  yunhe audit list --outcome refused --data ./scjg --as auditadmin
  yunhe audit list --by sysadmin --kind pack.install --from 2026-11-01 --data ./scjg --as auditadmin
  yunhe audit export --from 2026-05-01 --to 2026-11-30 --out ./acts-2026 --data ./scjg --as auditadmin
  yunhe audit export --from 2026-12-01 --out ./acts-2026-12 --earlier ./acts-2026 --data ./scjg --as auditadmin
  yunhe audit verify ./acts-2026 --members members.json         （离线，任何人均可 offline, by anybody）
  yunhe audit verify ./acts-2026 --key ed25519-sha256:…         （只凭日志公钥 by the log's key alone）

verify 逐行核验：正文、日志摘要、前后相接、包含证明、检查点签名、CSV；少一行、多一行、改一字即指明文件与行，退出码 4。
verify checks each line: text, leaf, chain, inclusion, the checkpoint's signature, the CSV. A line that is missing,
added or changed is named with its file and line, and it ends with 4.";

/// 管理员操作记录：查询、导出、离线核验。Acts of administrators: list, export, verify offline.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Audit {
    #[command(subcommand)]
    act: Act,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Outcome {
    /// 已办 was done
    Done,
    /// 被拒 was refused
    Refused,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 列出操作，最新在前 List acts, newest first
    List {
        /// 操作者：账号名，或 job:… By whom: an account, or job:…
        #[arg(long, value_name = "WHO")]
        by: Option<String>,
        /// 操作类别，如 identity.set_roles Of which kind
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        /// 结果 With which outcome
        #[arg(long, value_enum)]
        outcome: Option<Outcome>,
        /// 起（日期或时刻） From: a day in Shanghai, or a moment
        #[arg(long, value_parser = first_moment)]
        from: Option<Timestamp>,
        /// 止（含当日） To: that day included
        #[arg(long, value_parser = last_moment)]
        to: Option<Timestamp>,
        /// 此序号之前的 Below this number
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
        /// 至多几条 So many at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// 导出一段时期的操作及证明，供检查人员 Export a period's acts with their proofs, for inspectors
    Export(export::Export),
    /// 离线核验导出 Verify an export offline
    Verify(verify::Verify),
}

/// The first moment of a day in Shanghai, or a moment.
fn first_moment(text: &str) -> Result<Timestamp, String> {
    moment(text, 0)
}

/// The last moment of a day in Shanghai, or a moment.
fn last_moment(text: &str) -> Result<Timestamp, String> {
    moment(text, 86_400)
}

fn moment(text: &str, seconds: i64) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let bad = || "应为日期或时刻 a day or a moment: 2026-11-30, 2026-11-30T08:00:00+08:00".to_owned();
    let day: Timestamp = format!("{text}T00:00:00+08:00").parse().map_err(|_| bad())?;
    let end = day.as_microsecond() + seconds * 1_000_000 - i64::from(seconds > 0);
    Timestamp::from_microsecond(end).map_err(|_| bad())
}

impl Audit {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let voice = context.voice();
        match self.act {
            Act::List { by, kind, outcome, from, to, before, limit } => {
                let outcome = outcome.map(|it| match it {
                    Outcome::Done => "done".to_owned(),
                    Outcome::Refused => "refused".to_owned(),
                });
                let asked = [
                    ("by", by),
                    ("act", kind),
                    ("outcome", outcome),
                    ("from", from.map(|it| it.to_string())),
                    ("to", to.map(|it| it.to_string())),
                    ("before", before.map(|it| it.to_string())),
                    ("limit", Some(limit.to_string())),
                ];
                let query: Vec<(&str, &str)> =
                    asked.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
                let value = context.client()?.get("/v1/audit", &query).await?;
                voice.answer(&value, || listed(voice, &value));
                Ok(())
            }
            Act::Export(it) => it.run(context).await,
            Act::Verify(it) => it.run(voice),
        }
    }
}

fn listed(voice: Voice, value: &Value) -> String {
    let row = |it: &Value| {
        let at = |pointer| cell::at(voice, it, pointer);
        let outcome = match at("/body/outcome").as_str() {
            "done" => voice.pick("已办", "done").to_owned(),
            "refused" => voice.pick("被拒", "refused").to_owned(),
            _ => voice.pick("不可读", "unreadable").to_owned(),
        };
        let title = at("/title");
        vec![at("/number"), at("/body/at"), at("/body/by"), title, outcome, at("/body/code"), at("/body/about")]
    };
    let rows: Vec<Vec<String>> = cell::list(value, "/acts").iter().map(row).collect();
    let titles = [
        ("序号", "Number"),
        ("时间", "At"),
        ("操作者", "By"),
        ("操作", "Act"),
        ("结果", "Outcome"),
        ("原因", "Why"),
        ("对象", "About"),
    ];
    let mut text = table(voice, &titles, &rows);
    if let Some(before) = cell::number(value, "/before") {
        text.push_str(&format!("{} --before {before}\n", voice.pick("更早的：", "older ones:")));
    }
    text
}

const MANIFEST: &str = "manifest.json";
const ACTS: &str = "acts.jsonl";
const PROOFS: &str = "proofs.jsonl";
const TABLE: &str = "acts.csv";
const ABOUT: &str = "README.txt";
/// A manifest is at most this long: a checkpoint for each restore, and a consistency path.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;
/// A line of an export is at most this long.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// What is wrong with an export, and where.
fn flaw(file: &str, line: Option<u64>, what: &vocabulary::Bilingual) -> Problem {
    let (zh, en) = line.map_or_else(Default::default, |it| (format!(" 第 {it} 行"), format!(", line {it}")));
    let problem = Problem::new(
        Kind::Unprocessable,
        "audit.flaw",
        format!("{file}{zh}：{}", what.zh),
        format!("{file}{en}: {}", what.en),
    );
    let problem = problem.with("file", file);
    match line {
        Some(line) => problem.with("line", line),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_meant_from_its_first_to_its_last_moment() {
        let text = |it: Result<Timestamp, String>| it.unwrap().to_string();
        assert_eq!(text(first_moment("2026-11-30")), "2026-11-29T16:00:00Z");
        assert_eq!(text(last_moment("2026-11-30")), "2026-11-30T15:59:59.999999Z");
        assert_eq!(text(last_moment("2026-11-30T00:00:00Z")), "2026-11-30T00:00:00Z");
        assert!(first_moment("yesterday").unwrap_err().contains("2026"));
    }
}
