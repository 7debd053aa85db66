//! Calls of services 服务接口调用: how they travel, and what is kept of one that must not be made twice.
//!
//! A call that may be repeated is a delivery like a query: one transaction, after the service has answered. Of any
//! other a row is durable *before* anything is sent: whoever finds it does not send again, whatever became of the
//! answer.
//!
//! Invariants:
//! - under one key of one agreement the service is asked at most once, and what it answered is told again to who asks
//!   the same again;
//! - a call that was not sent costs nothing; one of which nothing is known counts against the quota and says so.

use crate::{
    AgreementId, Deliver, Nonce, ReceiptId, claim, deliver,
    store::{
        AGREEMENT_CLOSE, AGREEMENT_OPEN, AGREEMENT_SPEND, AGREEMENT_UNSPEND, CALL_ADD, CALL_DONE, CALL_DROP,
        CALL_FORGET, CALL_GET, CALL_LOST,
    },
};
use ::store::{Reader, Statement, Tx, args};
use policy::Permit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use vocabulary::{Digest, Kind, OperationName, Problem, Timestamp, date_in_shanghai, ensure, micros};

/// A key that names a call has at most this many characters.
pub const CALL_KEY_CHARS_MAX: usize = 128;
/// The head of a call or of an answer is at most this long.
pub const CALL_HEAD_BYTES_MAX: usize = 40_000;
/// A call is under way no longer than this: longer than service and nodes may take together.
const UNDER_WAY_SECONDS_MAX: i64 = 60;
/// What a service answered is kept for whoever asks again, and forgotten after this.
const CALL_DAYS_MAX: i64 = 30;

/// What was called, as a receipt states it: never what stood in the path's parameters, the query or a body; their
/// digest is that of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Called {
    /// Which operation.
    pub operation: OperationName,
    /// Its method.
    pub method: String,
    /// Its path, with `{name}` for parameters.
    pub path: String,
    /// What the service answered.
    pub status: u16,
}

/// The head of a call as it travels: one line of JSON, behind which the body's bytes stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallHead {
    /// `yunhe-call/1`.
    pub format: String,
    /// Under which agreement.
    pub agreement: AgreementId,
    /// For what; must be the agreed purpose.
    pub purpose: String,
    /// Who acts at the consumer: `application:…` or `person:…`.
    pub actor: String,
    /// The method.
    pub method: String,
    /// Path and query behind the service's base.
    pub target: String,
    /// The media type of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<String>,
    /// The declared fields that go along.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// By what the same call is known when it comes again; of one that may be repeated, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// The head of what a service answered, as it travels; the body's bytes stand behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerHead {
    /// `yunhe-call-answer/1`.
    pub format: String,
    /// The status.
    pub status: u16,
    /// The media type of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<String>,
    /// The declared fields that come back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// A head and a body as one message.
///
/// # Errors
/// `exchange.call_head` when the head is too long.
pub fn frame<T: Serialize>(head: &T, body: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut message = serde_json::to_vec(head).map_err(|it| bad_head(&it))?;
    ensure!(message.len() <= CALL_HEAD_BYTES_MAX, long_head());
    message.reserve_exact(1 + body.len());
    message.push(b'\n');
    message.extend_from_slice(body);
    Ok(message)
}

/// The head of a message, and where its body begins.
///
/// # Errors
/// `exchange.call_head` for a message that has no such head.
pub fn unframe<T: DeserializeOwned>(message: &[u8]) -> Result<(T, usize), Problem> {
    let end = message.iter().take(CALL_HEAD_BYTES_MAX + 1).position(|it| *it == b'\n').ok_or_else(long_head)?;
    Ok((serde_json::from_slice(&message[..end]).map_err(|it| bad_head(&it))?, end + 1))
}

fn bad_head(why: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "exchange.call_head",
        format!("调用的首部无法读懂：{why}"),
        format!("the head of the call cannot be read: {why}"),
    )
}

fn long_head() -> Problem {
    Problem::new(
        Kind::TooLarge,
        "exchange.call_head",
        format!("调用的路径、查询串与首部字段合计超过 {CALL_HEAD_BYTES_MAX} 字节"),
        format!("path, query and fields of the call are longer than {CALL_HEAD_BYTES_MAX} bytes together"),
    )
}

/// Checks a key by which a call is known again.
///
/// # Errors
/// `exchange.call_key`.
pub fn check_key(key: &str) -> Result<(), Problem> {
    let fine = (1..=CALL_KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|it| it.is_ascii_graphic());
    ensure!(
        fine,
        Problem::new(
            Kind::Unprocessable,
            "exchange.call_key",
            format!("幂等键应为 1–{CALL_KEY_CHARS_MAX} 个可见 ASCII 字符（首部 idempotency-key）"),
            format!("an idempotency key is 1 to {CALL_KEY_CHARS_MAX} visible ASCII characters (field idempotency-key)"),
        )
    );
    Ok(())
}

/// Of a call of which nothing is known.
pub fn unknown(key: &str) -> Problem {
    Problem::new(
        Kind::Conflict,
        "exchange.call_unknown",
        "调用已发往服务，未得到答复，是否已办理不明；不会再次发送。请用业务办法向提供方核实，确需重办请换用新的幂等键",
        "the call went to the service and no answer came: whether it was carried out is not known, and it is not sent \
         again; find out from the provider, and use a new idempotency key only to do it anew",
    )
    .with("idempotency_key", key)
}

fn under_way(key: &str) -> Problem {
    Problem::new(
        Kind::Conflict,
        "exchange.call_under_way",
        "同一幂等键的调用正在进行；请稍候以同一键重试",
        "a call with this idempotency key is under way; ask again with the same key in a moment",
    )
    .with("idempotency_key", key)
    .with("retry_after_seconds", 1)
}

fn other_call(key: &str) -> Problem {
    Problem::new(
        Kind::Conflict,
        "exchange.call_key",
        "此幂等键已用于另一调用；请换用新的键",
        "this idempotency key was used for another call; draw a new one",
    )
    .with("idempotency_key", key)
}

/// A call that must not be made twice.
#[derive(Clone, Debug)]
pub struct NewCall {
    /// By what it is known.
    pub key: String,
    /// The digest of the signed request's body.
    pub digest: Digest,
    /// The nonce of that request.
    pub nonce: Nonce,
}

/// What stands under a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reserved {
    /// Nothing did: it may be sent, once.
    New,
    /// The service has answered.
    Done {
        /// The receipt.
        receipt: ReceiptId,
        /// The message that went back.
        answer: Vec<u8>,
    },
}

/// Notes a call before it is sent, with the guards of a delivery; or says what came of it before.
///
/// # Errors
/// Those of [`crate::issue`]; `exchange.call_key`, `exchange.call_under_way`, `exchange.call_unknown`.
pub async fn reserve(
    tx: &mut Tx,
    permit: &Permit<Deliver>,
    call: &NewCall,
    now: Timestamp,
) -> Result<Reserved, Problem> {
    claim(tx, &call.nonce).await?;
    let agreement = permit.ask().agreement;
    if let Some(known) = known(tx, agreement, call, now).await? {
        return Ok(known);
    }
    let guards = deliver::guards(permit, 1, now);
    if tx.execute(AGREEMENT_SPEND, guards).await? == 0 {
        return Err(deliver::why_not(tx, permit, 1, now).await?);
    }
    // No receipt is open before there is one.
    tx.execute(AGREEMENT_CLOSE, args![agreement.to_string(), 1]).await?;
    let args = args![agreement.to_string(), &call.key, call.digest.to_string(), &call.nonce.nonce, micros(now)];
    ensure!(tx.execute(CALL_ADD, args).await? == 1, under_way(&call.key));
    Ok(Reserved::New)
}

/// What stands under the key of a call, if anything.
async fn known(
    reader: &mut Reader,
    agreement: AgreementId,
    call: &NewCall,
    now: Timestamp,
) -> Result<Option<Reserved>, Problem> {
    let Some(row) = reader.row(CALL_GET, args![agreement.to_string(), &call.key]).await? else { return Ok(None) };
    ensure!(row.text("digest")? == call.digest.to_string(), other_call(&call.key));
    match row.text("state")? {
        "done" => {
            let receipt = crate::receipt::id(row.text("receipt")?)?;
            Ok(Some(Reserved::Done { receipt, answer: row.bytes("answer")?.to_vec() }))
        }
        "sent" if row.int("at")? > micros(now) - UNDER_WAY_SECONDS_MAX * 1_000_000 => Err(under_way(&call.key)),
        _ => Err(unknown(&call.key)),
    }
}

/// What became of a call that this process has made, where its last commit is in doubt.
///
/// # Errors
/// Those of the store.
pub async fn call_done(
    reader: &mut Reader,
    agreement: AgreementId,
    call: &NewCall,
    now: Timestamp,
) -> Result<Option<Reserved>, Problem> {
    Ok(known(reader, agreement, call, now).await.unwrap_or(None))
}

/// Takes a reserved call back that was not sent: it costs nothing and may be made anew.
///
/// # Errors
/// Those of the store.
pub async fn release(tx: &mut Tx, permit: &Permit<Deliver>, call: &NewCall, now: Timestamp) -> Result<(), Problem> {
    let agreement = permit.ask().agreement.to_string();
    if tx.execute(CALL_DROP, args![&agreement, &call.key, &call.nonce.nonce]).await? == 1 {
        tx.execute(AGREEMENT_UNSPEND, args![&agreement, date_in_shanghai(now).to_string()]).await?;
    }
    Ok(())
}

/// Notes that nothing is known of a call that was sent.
///
/// # Errors
/// Those of the store.
pub async fn lose(tx: &mut Tx, permit: &Permit<Deliver>, call: &NewCall) -> Result<(), Problem> {
    let agreement = permit.ask().agreement.to_string();
    tx.execute(CALL_LOST, args![&agreement, &call.key, &call.nonce.nonce]).await.map(|_| ())
}

/// Keeps what the service answered to a reserved call, with the receipt.
pub(crate) async fn done(
    tx: &mut Tx,
    permit: &Permit<Deliver>,
    (call, answer): &(NewCall, Vec<u8>),
    receipt: ReceiptId,
    now: Timestamp,
) -> Result<(), Problem> {
    let agreement = permit.ask().agreement.to_string();
    let args = args![&agreement, &call.key, &call.nonce.nonce, receipt.to_string(), answer.clone()];
    ensure!(tx.execute(CALL_DONE, args).await? == 1, unknown(&call.key));
    tx.execute(AGREEMENT_OPEN, args![&agreement, micros(now)]).await.map(|_| ())
}

/// Forgets calls after 30 days; says how many.
///
/// # Errors
/// Those of the store.
pub async fn forget_calls(tx: &mut Tx, now: Timestamp) -> Result<u64, Problem> {
    tx.execute(Statement::long(CALL_FORGET), args![micros(now) - CALL_DAYS_MAX * 86_400_000_000]).await
}

/// How often an agreement was called in the second that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    second: i64,
    calls: u32,
}

impl Pace {
    /// Counts one more call at `now`, where `most` in a second allow it. A clock that goes back begins no new second.
    #[must_use]
    pub fn next(self, most: u32, now: Timestamp) -> Option<Self> {
        let second = now.as_second();
        if second > self.second {
            return (most > 0).then_some(Self { second, calls: 1 });
        }
        (self.calls < most).then_some(Self { calls: self.calls + 1, ..self })
    }
}

/// The problem of whoever calls too fast.
pub fn too_fast(most: u32) -> Problem {
    Problem::new(
        Kind::TooMany,
        "exchange.pace",
        format!("每秒至多 {most} 次调用；请 1 秒后重试"),
        format!("at most {most} calls a second; try again in a second"),
    )
    .with("calls_per_second", most)
    .with("retry_after_seconds", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(milli: i64) -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_000 + milli).unwrap()
    }

    proptest! {
        /// In no second pass more than were agreed, and whoever keeps to that is never held up.
        #[test]
        fn no_second_has_more_than_agreed(
            most in 0_u32..6, mut times in prop::collection::vec(0_i64..4_000, 0..60),
        ) {
            times.sort_unstable();
            let (mut pace, mut passed) = (Pace::default(), BTreeMap::new());
            for milli in times {
                let count: &mut u32 = passed.entry(milli.div_euclid(1_000)).or_default();
                let next = pace.next(most, at(milli));
                prop_assert_eq!(next.is_some(), *count < most);
                if let Some(next) = next {
                    (pace, *count) = (next, *count + 1);
                }
            }
        }

        /// What was framed is read again, whatever its bytes.
        #[test]
        fn a_message_is_read_as_it_was_written(
            body in prop::collection::vec(any::<u8>(), 0..200), target in "\\PC{0,40}",
        ) {
            let head = AnswerHead { format: target, status: 200, media: None, headers: BTreeMap::new() };
            let message = frame(&head, &body).unwrap();
            let (again, begins): (AnswerHead, usize) = unframe(&message).unwrap();
            prop_assert_eq!((again, &message[begins..]), (head, &body[..]));
        }

        /// What is no message is refused.
        #[test]
        fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(unframe::<CallHead>(&bytes).is_err());
        }
    }

    #[test]
    fn a_head_is_bounded() {
        let head =
            AnswerHead { format: "a".repeat(CALL_HEAD_BYTES_MAX), status: 200, media: None, headers: BTreeMap::new() };
        assert_eq!(frame(&head, b"").unwrap_err().code, "exchange.call_head");
        assert_eq!(unframe::<AnswerHead>(&[b'a'; 2 * CALL_HEAD_BYTES_MAX]).unwrap_err().code, "exchange.call_head");
        let keys = ["", "a b", "\u{4e2d}", &"a".repeat(CALL_KEY_CHARS_MAX + 1)];
        assert!(keys.iter().all(|it| check_key(it).is_err()));
        assert!(check_key("0197-a_b:c").is_ok());
    }
}
