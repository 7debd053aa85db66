//! Deliveries: the one transaction in which a delivery is issued, with its guards, and batches with their parts.

use crate::{
    AgreementId, Asked, DeliveryId, NewCall, NewPage, ReceiptBody, ReceiptId, agreement_facts, call, follow,
    receipt::{self, Parts, add},
    store::{
        AGREEMENT_SPEND, NONCE_CLAIM, NONCE_FORGET, PARCEL_ADD, PARCEL_GET, PARCEL_LOST, PARCEL_READY, PART_ADD,
        PART_ISSUED, PART_LIST, PART_RECEIPT, text,
    },
};
use ::store::{Reader, Statement, Tx, args};
use evidence::{LogPromise, NewLeaf, Origin, Salt};
use policy::{AgreementState, Ask, DeliveryNeed, Need, Permit};
use rule::Filter;
use schema::FieldName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{
    Digest, Kind, OperationName, OrganisationId, Problem, ResourceId, Timestamp, canonical_text, date_in_shanghai,
    ensure, micros,
};

/// A consumer with more receipts than these not countersigned gets nothing further under that agreement.
pub const RECEIPTS_OPEN_MAX: i64 = 1_000;

/// Which side of an agreement we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// We deliver.
    Provider,
    /// We receive.
    Consumer,
}

impl Side {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Consumer => "consumer",
        }
    }
}

/// A delivery under an agreement.
#[derive(Debug)]
pub struct Deliver {
    /// Under which agreement.
    pub agreement: AgreementId,
    /// At which of its revisions.
    pub revision: u32,
    /// To whom.
    pub consumer: OrganisationId,
    /// For what.
    pub purpose: String,
    /// Which columns.
    pub columns: Vec<FieldName>,
    /// Which of the permitted rows.
    pub filter: Filter,
    /// Which operation of a service, where it is a call.
    pub operation: Option<OperationName>,
}

impl Ask for Deliver {
    fn need(&self) -> Need<'_> {
        Need::Delivery(DeliveryNeed {
            consumer: &self.consumer,
            purpose: &self.purpose,
            columns: &self.columns,
            filter: &self.filter,
            operation: self.operation.as_ref(),
        })
    }
}

/// The nonce of a signed request: passes once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce {
    /// The key that signed.
    pub key: String,
    /// Its nonce.
    pub nonce: String,
    /// It may be forgotten after this instant.
    pub keep_until: Timestamp,
}

/// What is issued: the receipt's body with everything that makes it proof.
#[derive(Clone, Debug)]
pub struct Issue {
    /// What it states.
    pub body: ReceiptBody,
    /// Drawn by the edge.
    pub salt: Salt,
    /// The consumer's signed request.
    pub asked: Asked,
    /// That request's nonce.
    pub nonce: Nonce,
    /// Our log, and by when the leaf is in it.
    pub origin: Origin,
    /// The promise.
    pub integrate_by: Timestamp,
    /// The page that the delivery is, where it is one: it comes to be with its receipt.
    pub page: Option<NewPage>,
    /// The reserved call that was made, with the message that goes back.
    pub call: Option<(NewCall, Vec<u8>)>,
}

pub(crate) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Claims a nonce.
///
/// # Errors
/// `peer.replay` when it was claimed before.
pub async fn claim(tx: &mut Tx, nonce: &Nonce) -> Result<(), Problem> {
    let args = args![micros(nonce.keep_until), &nonce.key, &nonce.nonce];
    ensure!(
        tx.execute(NONCE_CLAIM, args).await? == 1,
        Problem::new(
            Kind::Conflict,
            "peer.replay",
            format!("随机数 {} 已用过，此请求为重放；请重新签名后再发", nonce.nonce),
            format!("nonce {} was used before, this request is a replay; sign anew and send again", nonce.nonce),
        )
    );
    Ok(())
}

/// Forgets nonces whose time is over; says how many.
///
/// # Errors
/// Those of the store.
pub async fn forget_nonces(tx: &mut Tx, now: Timestamp) -> Result<u64, Problem> {
    tx.execute(Statement::long(NONCE_FORGET), args![micros(now)]).await
}

/// Issues a delivery: nonce, guards, leaf and receipt in one transaction. The answer may be sent once it is durable.
///
/// # Errors
/// `peer.replay`, `exchange.revoked`, `exchange.expired`, `exchange.quota`, `exchange.receipt_due`,
/// `exchange.no_agreement`: what holds at this moment, whatever was read before.
pub async fn issue(
    tx: &mut Tx,
    permit: &Permit<Deliver>,
    issue: &Issue,
    now: Timestamp,
) -> Result<LogPromise, Problem> {
    let body = &issue.body;
    match &issue.call {
        // Claimed and spent when it was reserved.
        Some(call) => call::done(tx, permit, call, body.id, now).await?,
        None => {
            claim(tx, &issue.nonce).await?;
            if tx.execute(AGREEMENT_SPEND, guards(permit, body.counts(), now)).await? == 0 {
                return Err(why_not(tx, permit, body.counts(), now).await?);
            }
        }
    }
    let written = canonical_text(body)?;
    let leaf = NewLeaf { kind: receipt::ISSUED, body: written, salt: issue.salt };
    let promised = evidence::append(tx, &leaf, now).await?;
    let log = LogPromise { origin: issue.origin.clone(), leaf: promised, integrate_by: issue.integrate_by };
    let (written, salt, asked) = (&leaf.body, &issue.salt.0, &issue.asked);
    add(tx, Side::Provider, &Parts { body, written, salt, log: &log, asked, proof: None }, now).await?;
    if let Some(page) = &issue.page {
        follow::add_page(tx, page, body).await?;
    } else if let (Some(parcel), Some(part)) = (body.delivery, body.part) {
        let issued = tx.execute(PART_ISSUED, args![parcel.to_string(), part, body.id.to_string()]).await?;
        ensure!(
            issued == 1,
            Problem::new(Kind::Conflict, "exchange.part_issued", "该分片已签发", "the part was issued")
        );
    }
    Ok(log)
}

/// What the guards of a delivery are measured by.
pub(crate) fn guards(permit: &Permit<Deliver>, counts: u64, now: Timestamp) -> Vec<::store::Arg> {
    let (ask, today) = (permit.ask(), date_in_shanghai(now).to_string());
    args![ask.agreement.to_string(), ask.revision, today, count(counts), RECEIPTS_OPEN_MAX, micros(now)]
}

/// The guards did not hold: says which, from what is there now.
pub(crate) async fn why_not(
    tx: &mut Tx,
    permit: &Permit<Deliver>,
    rows: u64,
    now: Timestamp,
) -> Result<Problem, Problem> {
    let ask = permit.ask();
    let Some((facts, view)) = agreement_facts(tx, ask.agreement, now).await? else {
        return Ok(Problem::new(
            Kind::Refused,
            "exchange.no_agreement",
            "没有生效的协议",
            "there is no live agreement",
        ));
    };
    if let Some(quota) = facts.terms.quota
        && facts.state == AgreementState::Live
        && facts.rows_today.saturating_add(rows) > quota.rows_per_day
    {
        return Ok(quota.spent().with("rows_left", quota.rows_per_day.saturating_sub(facts.rows_today)));
    }
    if let Some(quota) = facts.terms.service.as_ref().and_then(|it| it.calls)
        && facts.state == AgreementState::Live
        && quota.per_day.is_some_and(|it| facts.rows_today >= it)
    {
        return Ok(quota.spent());
    }
    receipts_few(view.open_receipts)?;
    let principal = permit.principal().clone();
    let facts = policy::Facts { organisation: principal.organisation.clone(), principal, now, agreement: Some(facts) };
    let again = Deliver {
        agreement: ask.agreement,
        revision: ask.revision,
        consumer: ask.consumer.clone(),
        purpose: ask.purpose.clone(),
        columns: ask.columns.clone(),
        filter: ask.filter.clone(),
        operation: ask.operation.clone(),
    };
    Ok(policy::decide(&facts, again).err().unwrap_or_else(|| {
        Problem::new(
            Kind::Conflict,
            "exchange.revision",
            "协议已有新版本；请重试",
            "the agreement has a new revision; try again",
        )
    }))
}

/// Whether few enough receipts are open for one more.
///
/// # Errors
/// `exchange.receipt_due`.
pub fn receipts_few(open: u64) -> Result<(), Problem> {
    ensure!(
        count(open) < RECEIPTS_OPEN_MAX,
        Problem::new(
            Kind::Conflict,
            "exchange.receipt_due",
            format!("有 {open} 份回执未确认；请先确认（yunhe receipt acknowledge）"),
            format!("{open} receipts are not countersigned; do that first (yunhe receipt acknowledge)"),
        )
    );
    Ok(())
}

/// A batch: all permitted rows at one moment, in parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parcel {
    /// Its name, drawn by the consumer.
    pub id: DeliveryId,
    /// Under which agreement.
    pub agreement: AgreementId,
    /// The record type.
    pub record: ResourceId,
    /// `arrow`, `parquet` or `csv`.
    pub format: String,
    /// The columns, in order.
    pub columns: Vec<FieldName>,
    /// The feed position of the moment. The consumer is not told it: it counts what is none of its business.
    pub position: i64,
    /// The feed's epoch then, and the agreement's revision: pages of changes go on only while both hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// See above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// Rows and digest of all of it, for whoever compares; none where rows could not be told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tally: Option<(u64, Digest)>,
    /// Whether all parts are there.
    pub ready: bool,
    /// The parts.
    pub parts: Vec<Part>,
}

impl Parcel {
    /// What its consumer is told of it.
    #[must_use]
    pub fn told(self) -> Self {
        Self { position: 0, epoch: None, revision: None, tally: None, ..self }
    }
}

/// A part of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// From 0.
    pub number: u32,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// Opens a batch for the agreement's consumer; opening it again under the same id changes nothing.
///
/// # Errors
/// `peer.replay`; `exchange.parcel_lost` when parts were delivered of a batch that a restore took away.
pub async fn open_parcel(
    tx: &mut Tx,
    permit: &Permit<Deliver>,
    parcel: &Parcel,
    nonce: &Nonce,
    now: Timestamp,
) -> Result<bool, Problem> {
    claim(tx, nonce).await?;
    let args = args![
        parcel.id.to_string(),
        permit.ask().agreement.to_string(),
        permit.ask().consumer.as_str(),
        &parcel.format,
        text(parcel)?,
        micros(now)
    ];
    let opened = tx.execute(PARCEL_ADD, args).await? == 1;
    // Made anew it would be of another moment than the parts that were delivered of it.
    let lost = opened && tx.row(PARCEL_LOST, args![parcel.id.to_string()]).await?.is_some();
    ensure!(!lost, parcel_lost(parcel.id));
    Ok(opened)
}

fn parcel_lost(id: DeliveryId) -> Problem {
    Problem::new(
        Kind::Conflict,
        "exchange.parcel_lost",
        format!("批次 {id} 开始于提供方恢复备份之前，不能续取；请开始新的批次"),
        format!("batch {id} was begun before its provider was restored and cannot go on; begin a new one"),
    )
}

/// Keeps the parts of a batch whose bytes are safe, with what they come to, and marks it ready.
///
/// # Errors
/// Those of the store.
pub async fn keep_parts(tx: &mut Tx, parcel: &Parcel, parts: &[Part]) -> Result<(), Problem> {
    let id = parcel.id.to_string();
    for part in parts {
        let args = args![&id, part.number, part.digest.to_string(), count(part.rows), count(part.bytes)];
        tx.execute(PART_ADD, args).await?;
    }
    tx.execute(PARCEL_READY, args![id, text(parcel)?]).await.map(|_| ())
}

/// A batch of that consumer's.
///
/// # Errors
/// `exchange.parcel_missing`.
pub async fn parcel(reader: &mut Reader, id: DeliveryId, consumer: &OrganisationId) -> Result<Parcel, Problem> {
    let row = reader.row(PARCEL_GET, args![id.to_string()]).await?;
    let row = match row {
        Some(row) if row.text("peer")? == consumer.as_str() => row,
        _ => {
            return Err(Problem::new(
                Kind::Missing,
                "exchange.parcel_missing",
                format!("没有批次 {id}"),
                format!("there is no batch {id}"),
            ));
        }
    };
    let mut parcel: Parcel = row.json("document")?;
    parcel.ready = row.text("state")? == "ready";
    for row in reader.rows(PART_LIST, args![id.to_string()]).await? {
        parcel.parts.push(Part {
            number: u32::try_from(row.int("number")?).unwrap_or(u32::MAX),
            digest: row.text("digest")?.parse()?,
            rows: u64::try_from(row.int("rows")?).unwrap_or(0),
            bytes: u64::try_from(row.int("bytes")?).unwrap_or(0),
        });
    }
    Ok(parcel)
}

/// The receipt that a part already has.
///
/// # Errors
/// Those of the store.
pub async fn part_receipt(reader: &mut Reader, id: DeliveryId, part: u32) -> Result<Option<ReceiptId>, Problem> {
    let row = reader.row(PART_RECEIPT, args![id.to_string(), part]).await?;
    match row {
        Some(row) => row.opt_text("receipt")?.map(receipt::id).transpose(),
        None => Ok(None),
    }
}
