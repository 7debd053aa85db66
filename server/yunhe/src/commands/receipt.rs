//! `yunhe receipt`: list and take out receipts, countersign what is due, and verify one without asking anybody.

use crate::client::encoded;
use crate::context::Context;
use crate::exit::{Failure, file_problem, json_problem};
use crate::output::{Voice, cell, facts, table};
use clap::{Args, Subcommand};
use evidence::VerifierKey;
use exchange::{Keys, Proven, ReceiptBody};
use federation::{Entry, Genesis, Member, View};
use serde::Deserialize;
use serde_json::{Value, json};
use signing::PublicKey;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vocabulary::{Digest, Kind, OrganisationId, Problem, Timestamp, ensure};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe receipt list --data ./nj --org nj-gxj --as requester
  yunhe receipt show rcp_0197… --out receipt.json --data ./nj --org nj-gxj --as requester
  yunhe federation export --out members.json --data ./nj --org nj-gxj
  yunhe receipt verify receipt.json --members members.json        （离线 offline）
  yunhe receipt acknowledge --data ./nj --org nj-gxj --as requester

verify 逐项核验：正文与叶摘要、提供方批签名、使用方请求签名、使用方确认、日志包含证明；错在哪项即说哪项，退出码 4。
verify checks body and leaf, the provider's batch signature, the consumer's signed request, its countersignature and the
log's inclusion proof; it names the part that is wrong and ends with 4. The member log proves itself from its genesis:
pin that by --genesis DIGEST.";
/// A receipt or a member log is at most this long.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// 回执：列出、取出、核验、确认。Receipts: list, take out, verify, acknowledge.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Receipt {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 列出回执 List receipts
    List {
        /// 某协议的 Those of an agreement
        #[arg(long, value_name = "ID")]
        agreement: Option<String>,
    },
    /// 取出回执文件 Take a receipt out as a file
    Show {
        /// 回执标识 Its id
        id: String,
        /// 写入文件 Where to write it [standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// 离线核验回执 Verify a receipt offline
    Verify {
        /// 回执文件，- 为标准输入 The receipt's file; - for standard input
        file: PathBuf,
        /// 成员日志文件（yunhe federation export） The member log
        #[arg(long, value_name = "FILE")]
        members: PathBuf,
        /// 联邦创世文件的摘要 The digest of the federation's genesis that you trust
        #[arg(long, value_name = "DIGEST")]
        genesis: Option<String>,
    },
    /// 对已收回执签认 Countersign the receipts that are due
    Acknowledge,
}

impl Receipt {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let voice = context.voice();
        match self.act {
            Act::List { agreement } => {
                let query: Vec<(&str, &str)> = agreement.iter().map(|it| ("agreement", it.as_str())).collect();
                let value = context.client()?.get("/v1/receipts", &query).await?;
                voice.answer(&value, || listed(voice, super::pack::items(&value, "receipts")));
            }
            Act::Show { id, out } => {
                let value = context.client()?.get(&format!("/v1/receipts/{}", encoded(&id)), &[]).await?;
                match out {
                    Some(path) => {
                        std::fs::write(&path, format!("{value:#}\n")).map_err(|it| file_problem(&path, &it))?;
                    }
                    None => voice.answer(&value, || format!("{value:#}")),
                }
            }
            Act::Verify { file, members, genesis } => verify(voice, &file, &members, genesis.as_deref())?,
            Act::Acknowledge => {
                let value = context.client()?.post("/v1/receipts/acknowledge", &json!({})).await?;
                voice.answer(&value, || acknowledged(voice, &value));
            }
        }
        Ok(())
    }
}

fn listed(voice: Voice, views: &[Value]) -> String {
    let rows: Vec<Vec<String>> = views
        .iter()
        .map(|it| {
            let body = &it["body"];
            let state = cell::at(voice, it, "/state");
            let state = match state.as_str() {
                "committed" => voice.pick("已提交", "committed"),
                "issued" => voice.pick("已签发", "issued"),
                "acknowledged" => voice.pick("已确认", "acknowledged"),
                "unreceived" => voice.pick("已确认未收到", "answer never came"),
                other => other,
            };
            let mut cells: Vec<String> = ["/id", "/at", "/provider", "/consumer", "/record"]
                .iter()
                .map(|at| cell::at(voice, body, at))
                .collect();
            cells.push(cell::number(body, "/rows").map(cell::grouped).unwrap_or_default());
            cells.push(state.to_owned());
            cells
        })
        .collect();
    let titles = [
        ("回执", "Receipt"),
        ("时间", "At"),
        ("提供方", "Provider"),
        ("使用方", "Consumer"),
        ("记录类型", "Record type"),
        ("行数", "Rows"),
        ("状态", "State"),
    ];
    table(voice, &titles, &rows)
}

fn acknowledged(voice: Voice, value: &Value) -> String {
    let all = value.get("acknowledged").and_then(Value::as_object);
    let lines: Vec<String> = all.into_iter().flatten().map(|(member, count)| format!("{member}: {count}")).collect();
    if lines.is_empty() {
        voice.pick("没有待确认的回执", "no receipts are due").to_owned()
    } else {
        lines.join("\n")
    }
}

/// The member log as a node exports it.
#[derive(Deserialize)]
struct MemberLog {
    genesis: Genesis,
    entries: Vec<Entry>,
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let done = if path == Path::new("-") {
        std::io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|it| it.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
    };
    done.map_err(|it| file_problem(path, &it))?;
    ensure!(bytes.len() as u64 <= FILE_BYTES_MAX, file_problem(path, &"longer than 64 MiB"));
    Ok(bytes)
}

fn verify(voice: Voice, file: &Path, members: &Path, genesis: Option<&str>) -> Result<(), Failure> {
    let (receipt, log) = (read(file)?, read(members)?);
    let pinned = genesis.map(str::parse::<Digest>).transpose()?;
    let (receipt, proven) = proven(&receipt, &log, pinned).map_err(Failure::unproven)?;
    let value = json!({
        "verified": true, "acknowledged": proven.acknowledged, "unreceived": proven.unreceived,
        "logged": proven.logged, "log_suites": proven.log_suites, "words": proven.words,
        "suites": {"provider": receipt.batch.signature.suite, "consumer": receipt.asked.signature.suite},
        "receipt": receipt.body,
    });
    voice.answer(&value, || told(voice, &receipt, &proven));
    Ok(())
}

/// Verifies the bytes of a receipt against the bytes of a member log.
///
/// # Errors
/// What is wrong, named by its part.
fn proven(receipt: &[u8], members: &[u8], pinned: Option<Digest>) -> Result<(exchange::Receipt, Proven), Problem> {
    let receipt = exchange::read(receipt)?;
    let view = replayed(members, pinned)?;
    let body = &receipt.body;
    ensure!(body.federation == view.genesis().federation, other_federation(body, &view));
    let provider = members_of(&view, &body.provider)?;
    let consumer = members_of(&view, &body.consumer)?;
    let provider_keys = message_keys(&view, &provider, body.at);
    let consumer_keys = message_keys(&view, &consumer, body.at);
    let logs = log_keys(&provider)?;
    let keys = Keys { provider: &provider_keys, consumer: &consumer_keys, log: &logs };
    let proven = exchange::verify(&receipt, &keys)?;
    Ok((receipt, proven))
}

fn replayed(members: &[u8], pinned: Option<Digest>) -> Result<View, Problem> {
    let bad = |it: serde_json::Error| json_problem("成员日志 the member log", &it);
    let value: Value = serde_json::from_slice(members).map_err(bad)?;
    // A genesis file alone is a member log without entries.
    let value = if value.get("genesis").is_some() { value } else { json!({"genesis": value, "entries": []}) };
    let log: MemberLog = serde_json::from_value(value).map_err(bad)?;
    let digest = log.genesis.digest()?;
    ensure!(
        pinned.is_none_or(|it| it == digest),
        Problem::new(
            Kind::Refused,
            "federation.genesis",
            format!("成员日志的创世摘要是 {digest}，不是所信任的那一个"),
            format!("the member log begins with genesis {digest}, which is not the one you trust"),
        )
    );
    federation::decide::replay(log.genesis, &log.entries)
}

fn other_federation(body: &ReceiptBody, view: &View) -> Problem {
    let (ours, theirs) = (&view.genesis().federation, &body.federation);
    Problem::new(
        Kind::Refused,
        "receipt.federation",
        format!("回执属于联邦 {theirs}，成员日志属于 {ours}；请给出 {theirs} 的成员日志"),
        format!("the receipt is of federation {theirs}, the member log of {ours}; give the log of {theirs}"),
    )
}

/// The organisation under that name: the member of today, and the one that was expelled.
fn members_of(view: &View, id: &OrganisationId) -> Result<Vec<Arc<Member>>, Problem> {
    let expelled = view.expelled().find(|it| it.member.organisation.id == *id).map(|it| it.member.clone());
    match view.member(id) {
        Ok(member) => Ok([Some(member.clone()), expelled].into_iter().flatten().collect()),
        Err(problem) => expelled.map(|it| vec![it]).ok_or(problem),
    }
}

/// The keys of an organisation's logs, from a member log or a genesis file.
///
/// # Errors
/// What is wrong with the file; `peer.not_member`.
pub(super) fn logs_of(file: &Path, genesis: Option<&str>, id: &OrganisationId) -> Result<Vec<VerifierKey>, Problem> {
    let pinned = genesis.map(str::parse::<Digest>).transpose()?;
    let view = replayed(&read(file)?, pinned)?;
    log_keys(&members_of(&view, id)?)
}

fn log_keys(members: &[Arc<Member>]) -> Result<Vec<VerifierKey>, Problem> {
    Ok(members.iter().map(|it| it.log_keys()).collect::<Result<Vec<_>, Problem>>()?.concat())
}

/// The message keys that were the organisation's at `at`.
fn message_keys(view: &View, members: &[Arc<Member>], at: Timestamp) -> Vec<PublicKey> {
    let all = members.iter().flat_map(|it| {
        let former = it.former_messages.iter().map(|(key, _)| *key);
        it.organisation.keys.messages.iter().copied().chain(former)
    });
    all.filter(|it| view.signer_at(it, at).is_ok()).collect()
}

fn told(voice: Voice, receipt: &exchange::Receipt, proven: &Proven) -> String {
    let body = &receipt.body;
    let [provider, consumer] = [&receipt.batch.signature, &receipt.asked.signature].map(|it| it.suite.to_string());
    let log = proven.log_suites.iter().map(ToString::to_string).collect::<Vec<_>>().join(" + ");
    let yes = |it: bool| voice.pick(if it { "是" } else { "尚未" }, if it { "yes" } else { "not yet" }).to_owned();
    let (first, second) = match voice.language {
        crate::cli::Language::Zh => (&proven.words.zh, &proven.words.en),
        crate::cli::Language::En => (&proven.words.en, &proven.words.zh),
    };
    let mut text = format!("{}\n{first}\n{second}\n", voice.pick("✓ 核验通过", "✓ verified"));
    text.push_str(&facts(
        voice,
        &[
            ("回执", "Receipt", body.id.to_string()),
            ("协议摘要", "Agreement digest", body.agreement_digest.to_string()),
            ("请求摘要", "Request digest", body.request.to_string()),
            ("应答摘要", "Answer digest", body.answer.to_string()),
            ("使用方已确认", "Acknowledged", yes(proven.acknowledged)),
            ("已入日志", "In the log", yes(proven.logged)),
            ("提供方签名套件", "Suite of the provider", provider),
            ("使用方签名套件", "Suite of the consumer", consumer),
            ("日志签名套件", "Suites of the log", log),
        ],
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A receipt of a demo with the member log of its federation, as files.
    const RECEIPT: &[u8] = include_bytes!("../../tests/fixed/receipt.json");
    const MEMBERS: &[u8] = include_bytes!("../../tests/fixed/members.json");

    #[test]
    fn a_kept_receipt_verifies_for_ever() {
        let (receipt, proven) = proven(RECEIPT, MEMBERS, None).unwrap();
        assert!(proven.acknowledged && proven.logged);
        assert!(proven.words.zh.contains("js-scjg") && proven.words.en.contains("nj-gxj"), "{}", proven.words);
        assert_eq!(receipt.body.rows, 1);
    }

    #[test]
    fn every_changed_byte_of_a_receipt_is_found() {
        for at in 0..RECEIPT.len() {
            let mut changed = RECEIPT.to_vec();
            changed[at] ^= 1;
            let told = proven(&changed, MEMBERS, None);
            assert!(told.is_err(), "byte {at} ({:?}) may be changed", char::from(RECEIPT[at]));
        }
    }

    #[test]
    fn another_genesis_than_the_trusted_one_is_refused() {
        let problem = proven(RECEIPT, MEMBERS, Some(Digest::of(b"another"))).unwrap_err();
        assert_eq!(problem.code, "federation.genesis");
    }

    #[test]
    fn a_file_that_is_no_receipt_is_named() {
        let problem = proven(b"{}", b"{}", None).unwrap_err();
        assert_eq!(problem.code, "receipt.format");
        assert_eq!(Failure::unproven(problem).exit, crate::exit::Exit::Unproven);
    }
}
