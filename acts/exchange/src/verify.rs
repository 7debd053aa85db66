//! Verifying a receipt without asking anybody: every part in turn, and then in words what was exchanged.
//!
//! Pure. The caller brings the keys: those that the membership log names for the two organisations.

use crate::{Called, Receipt, ReceiptBody, Signed};
use evidence::{LogProof, Salt, leaf_digest};
use signing::PublicKey;
use std::collections::BTreeSet;
use vocabulary::{Bilingual, Digest, Kind, Problem, Suite, canonical_bytes, ensure};

/// The keys of the two organisations, valid at the receipt's time.
pub struct Keys<'a> {
    /// The provider's message keys.
    pub provider: &'a [PublicKey],
    /// The consumer's message keys.
    pub consumer: &'a [PublicKey],
    /// The provider's log keys as C2SP verifier keys, with the SM2 keys that sign beside them.
    pub log: &'a [evidence::VerifierKey],
}

/// What a verified receipt proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Whether the consumer has countersigned.
    pub acknowledged: bool,
    /// Whether the consumer, countersigning, states that the answer never came.
    pub unreceived: bool,
    /// Whether the leaf is shown to be in the log.
    pub logged: bool,
    /// Of which suites the log's signatures are, where it is in the log.
    pub log_suites: BTreeSet<Suite>,
    /// In words.
    pub words: Bilingual,
}

fn wrong(code: &'static str, zh: &str, en: &str) -> Problem {
    Problem::new(Kind::Unprocessable, code, zh, en)
}

/// Reads a receipt file: what is read says exactly what stands there, down to how each value is written.
///
/// # Errors
/// `receipt.format` when it is none, or a value in it is written in another way than we write it.
pub fn read(bytes: &[u8]) -> Result<Receipt, Problem> {
    let broken = |why: String| {
        Problem::new(
            Kind::Unprocessable,
            "receipt.format",
            format!("文件不是 yunhe-receipt/1 回执，或已被改动：{why}"),
            format!("the file is no receipt of yunhe-receipt/1, or was changed: {why}"),
        )
    };
    let told: serde_json::Value = serde_json::from_slice(bytes).map_err(|it| broken(it.to_string()))?;
    let receipt: Receipt = serde_json::from_slice(bytes).map_err(|it| broken(it.to_string()))?;
    let again = serde_json::to_value(&receipt).map_err(|it| broken(it.to_string()))?;
    ensure!(again == told, broken("a value is written in another way".to_owned()));
    Ok(receipt)
}

/// Verifies `receipt`.
///
/// # Errors
/// The first part that is wrong, in this order: `receipt.format`, `receipt.salt`, `receipt.leaf`; of the batch what
/// [`evidence::BatchProof::verify`] says (`evidence.batch`, `evidence.index`, `evidence.path`, `evidence.root`,
/// `evidence.signature`, `signing.public_key`); `receipt.provider`, `receipt.consumer`, `receipt.request`,
/// `receipt.acknowledgement`; of a proof of the log what [`LogProof`] says (`evidence.proof`, `evidence.origin`, …).
pub fn verify(receipt: &Receipt, keys: &Keys<'_>) -> Result<Proven, Problem> {
    ensure!(
        receipt.body.format == "yunhe-receipt/1",
        wrong("receipt.format", "回执格式未知", "the receipt's format is unknown")
    );
    let salt: [u8; 32] = hex::decode(&receipt.salt)
        .ok()
        .and_then(|it| it.try_into().ok())
        .filter(|it| hex::encode(it) == receipt.salt)
        .ok_or_else(|| wrong("receipt.salt", "盐应为 64 位小写十六进制", "the salt is 64 lower-case hex digits"))?;
    let leaf = leaf_digest(receipt.log.leaf.suite, &Salt(salt), &canonical_bytes(&receipt.body)?);
    ensure!(
        leaf == receipt.log.leaf,
        wrong("receipt.leaf", "回执正文或盐被改动：与叶摘要不符", "body or salt was changed: the leaf digest differs")
    );
    let signer = receipt.batch.verify(&receipt.log)?;
    ensure!(
        keys.provider.contains(&signer),
        wrong(
            "receipt.provider",
            "批签名不是提供方的有效密钥所签",
            "the batch was not signed by a valid key of the provider"
        )
    );
    asked(receipt, keys.consumer)?;
    if let Some(acknowledgement) = &receipt.acknowledgement {
        acknowledged(acknowledgement, &leaf, receipt, keys.consumer)?;
    }
    let log_suites = receipt.log_proof.as_deref().map(|it| in_log(it, &leaf, receipt, keys)).transpose()?;
    let unreceived = receipt.acknowledgement.as_ref().is_some_and(|it| it.body.unreceived.contains(&leaf));
    let acknowledged = receipt.acknowledgement.is_some();
    let (logged, log_suites) = (log_suites.is_some(), log_suites.unwrap_or_default());
    Ok(Proven { acknowledged, unreceived, logged, log_suites, words: words(receipt, unreceived) })
}

/// The consumer's signature covers a base whose `content-digest` is the request's digest.
fn asked(receipt: &Receipt, keys: &[PublicKey]) -> Result<(), Problem> {
    let asked = &receipt.asked;
    let signed = keys
        .iter()
        .any(|it| it.base64() == asked.signature.key && it.verify(asked.base.as_bytes(), &asked.signature).is_ok());
    ensure!(
        signed,
        wrong(
            "receipt.consumer",
            "请求不是消费方的有效密钥所签，或被改动",
            "the request was not signed by a valid key of the consumer, or was changed"
        )
    );
    ensure!(
        content_digest(&asked.base) == Some(receipt.body.request),
        wrong(
            "receipt.request",
            "已签请求的正文摘要与回执所载不符",
            "the signed request's body digest is not the one in the receipt"
        )
    );
    Ok(())
}

/// The digest in the one `"content-digest"` line of a signature base: `sha-256=:…:`, or `sm3=:…:`.
pub fn content_digest(base: &str) -> Option<Digest> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let mut lines = base.lines().filter_map(|it| it.strip_prefix("\"content-digest\": "));
    let line = lines.next()?;
    let (word, text) = line.strip_suffix(':')?.split_once("=:")?;
    let suite = match word {
        "sha-256" => Suite::Ed25519Sha256,
        "sm3" => Suite::Sm2Sm3,
        _ => return None,
    };
    let hash = STANDARD.decode(text).ok()?.try_into().ok()?;
    lines.next().is_none().then_some(Digest { suite, hash })
}

fn acknowledged(
    acknowledgement: &Signed<crate::Acknowledgement>,
    leaf: &Digest,
    receipt: &Receipt,
    keys: &[PublicKey],
) -> Result<(), Problem> {
    let body = &acknowledgement.body;
    let names = body.leaves.contains(leaf) || body.unreceived.contains(leaf);
    let fits = body.by == receipt.body.consumer && names;
    ensure!(
        fits && acknowledgement.check(keys).is_ok(),
        wrong(
            "receipt.acknowledgement",
            "消费方的确认与此回执不符",
            "the consumer's acknowledgement does not fit this receipt"
        )
    );
    Ok(())
}

fn in_log(proof: &str, leaf: &Digest, receipt: &Receipt, keys: &Keys<'_>) -> Result<BTreeSet<Suite>, Problem> {
    let (proof, promised) = (LogProof::parse(proof)?, &receipt.log.origin);
    // After a restore the leaf stands in the log that follows the one of the promise.
    let stands = proof.origin()?;
    let log = if stands.follows(promised) { &stands } else { promised };
    proof.verify(log, leaf, keys.log)?;
    Ok(proof.suites(keys.log)?)
}

fn words(receipt: &Receipt, unreceived: bool) -> Bilingual {
    let body = &receipt.body;
    let (zh, en) = if unreceived {
        ("消费方声明未收到答复。", " The consumer states that the answer never came.")
    } else {
        ("", "")
    };
    if let Some(called) = &body.called {
        return call_words(body, called, (zh, en));
    }
    Bilingual::new(
        format!(
            "{} 于 {} 依协议 {} 向 {}（{}）交付 {} 的 {} 行（{} 字节），用途：{}。{zh}",
            body.provider,
            body.at,
            body.agreement,
            body.consumer,
            body.actor,
            body.record,
            body.rows,
            body.bytes,
            body.purpose
        ),
        format!(
            "On {} {} delivered {} rows ({} bytes) of {} to {} ({}) under agreement {}, for: {}.{en}",
            body.at,
            body.provider,
            body.rows,
            body.bytes,
            body.record,
            body.consumer,
            body.actor,
            body.agreement,
            body.purpose
        ),
    )
}

fn call_words(body: &ReceiptBody, called: &Called, (zh, en): (&str, &str)) -> Bilingual {
    let ReceiptBody { provider, consumer, at, agreement, actor, record, bytes, purpose, .. } = body;
    let Called { operation, method, path, status } = called;
    Bilingual::new(
        format!(
            "{provider} 于 {at} 依协议 {agreement} 为 {consumer}（{actor}）调用服务 {record} 的操作 {operation}（{method} {path}），\
             服务答复状态 {status}（{bytes} 字节），用途：{purpose}。{zh}"
        ),
        format!(
            "On {at} {provider} called operation {operation} ({method} {path}) of service {record} for {consumer} \
             ({actor}) under agreement {agreement}; the service answered with status {status} ({bytes} bytes), for: \
             {purpose}.{en}"
        ),
    )
}
