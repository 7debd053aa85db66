//! Deliveries and receipts on both sides: the one transaction in which a delivery is issued, what the consumer takes
//! over and countersigns, and batches with their parts.

use crate::{
    Acknowledgement, AgreementId, Asked, DeliveryId, Receipt, ReceiptBody, ReceiptId, Signed, agreement_facts,
    store::{
        AGREEMENT_CLOSE, AGREEMENT_SPEND, NONCE_CLAIM, NONCE_FORGET, PARCEL_ADD, PARCEL_GET, PARCEL_READY, PART_ADD,
        PART_ISSUED, PART_LIST, PART_RECEIPT, PROOFS_AT_ONCE, RECEIPT_ACKNOWLEDGE, RECEIPT_ADD, RECEIPT_DUE,
        RECEIPT_DUE_PEERS, RECEIPT_GET, RECEIPT_LIST, RECEIPT_MISSED, RECEIPT_OPEN, RECEIPT_PROOFLESS, receipt_proofs,
        text,
    },
};
use ::store::{Reader, Row, Statement, Tx, args};
use evidence::{BatchProof, LogPromise, NewLeaf, Origin, Salt};
use policy::{AgreementState, Ask, DeliveryNeed, Need, Permit};
use rule::Filter;
use schema::FieldName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vocabulary::{
    Digest, Kind, OrganisationId, Problem, ResourceId, Timestamp, canonical_text, date_in_shanghai, ensure, micros,
};

/// A consumer with more receipts than these not countersigned gets nothing further under that agreement.
pub const RECEIPTS_OPEN_MAX: i64 = 1_000;
/// Receipts listed, acknowledged or proved in one step at most.
const LIST_MAX: u32 = 1_000;
/// Open receipts told to a consumer in one answer at most.
const OPEN_LIST_MAX: u32 = 100;

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
}

impl Ask for Deliver {
    fn need(&self) -> Need<'_> {
        Need::Delivery(DeliveryNeed {
            consumer: &self.consumer,
            purpose: &self.purpose,
            columns: &self.columns,
            filter: &self.filter,
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
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Claims a nonce.
///
/// # Errors
/// `peer.replay` when it was claimed before.
pub async fn claim(tx: &mut Tx, nonce: &Nonce) -> Result<(), Problem> {
    let args = args![&nonce.key, &nonce.nonce, micros(nonce.keep_until)];
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
    let ask = permit.ask();
    claim(tx, &issue.nonce).await?;
    let body = &issue.body;
    let today = date_in_shanghai(now).to_string();
    let guards = args![ask.agreement.to_string(), ask.revision, today, count(body.rows), RECEIPTS_OPEN_MAX];
    if tx.execute(AGREEMENT_SPEND, guards).await? == 0 {
        return Err(why_not(tx, permit, body.rows, now).await?);
    }
    let written = canonical_text(body)?;
    let leaf = NewLeaf { kind: "receipt", body: written, salt: issue.salt };
    let promised = evidence::append(tx, &leaf, now).await?;
    let log = LogPromise { origin: issue.origin.clone(), leaf: promised, integrate_by: issue.integrate_by };
    let (written, salt, asked) = (&leaf.body, &issue.salt.0, &issue.asked);
    add(tx, Side::Provider, &Parts { body, written, salt, log: &log, asked, proof: None }, now).await?;
    if let (Some(parcel), Some(part)) = (body.delivery, body.part) {
        let issued = tx.execute(PART_ISSUED, args![parcel.to_string(), part, body.id.to_string()]).await?;
        ensure!(
            issued == 1,
            Problem::new(Kind::Conflict, "exchange.part_issued", "该分片已签发", "the part was issued")
        );
    }
    Ok(log)
}

/// The guards did not hold: says which, from what is there now.
async fn why_not(tx: &mut Tx, permit: &Permit<Deliver>, rows: u64, now: Timestamp) -> Result<Problem, Problem> {
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
    if count(view.open_receipts) >= RECEIPTS_OPEN_MAX {
        return Ok(Problem::new(
            Kind::Conflict,
            "exchange.receipt_due",
            format!("有 {} 份回执未确认；请先确认（yunhe receipt acknowledge）", view.open_receipts),
            format!("{} receipts are not countersigned; do that first (yunhe receipt acknowledge)", view.open_receipts),
        ));
    }
    let principal = permit.principal().clone();
    let facts = policy::Facts { organisation: principal.organisation.clone(), principal, now, agreement: Some(facts) };
    let again = Deliver {
        agreement: ask.agreement,
        revision: ask.revision,
        consumer: ask.consumer.clone(),
        purpose: ask.purpose.clone(),
        columns: ask.columns.clone(),
        filter: ask.filter.clone(),
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

struct Parts<'a> {
    body: &'a ReceiptBody,
    /// The body as canonical JSON.
    written: &'a str,
    salt: &'a [u8; 32],
    log: &'a LogPromise,
    asked: &'a Asked,
    proof: Option<&'a BatchProof>,
}

async fn add(tx: &mut Tx, side: Side, parts: &Parts<'_>, now: Timestamp) -> Result<bool, Problem> {
    let body = parts.body;
    let peer = if side == Side::Provider { &body.consumer } else { &body.provider };
    let args = args![
        body.id.to_string(),
        side.word(),
        body.agreement.to_string(),
        peer.as_str(),
        parts.log.leaf.to_string(),
        parts.written,
        parts.salt.to_vec(),
        text(parts.log)?,
        text(parts.asked)?,
        parts.proof.map(text).transpose()?,
        body.delivery.map(|it| it.to_string()),
        body.part,
        micros(now)
    ];
    Ok(tx.execute(RECEIPT_ADD, args).await? == 1)
}

/// Receipts that still lack the batch signature (after a crash between commit and signing), at most 1,000.
///
/// # Errors
/// Those of the store.
pub async fn proofless(reader: &mut Reader) -> Result<Vec<(ReceiptId, LogPromise)>, Problem> {
    let rows = reader.rows(RECEIPT_PROOFLESS, args![LIST_MAX]).await?;
    rows.iter().map(|it| Ok((id(it.text("id")?)?, it.json("log")?))).collect()
}

fn id(text: &str) -> Result<ReceiptId, Problem> {
    text.parse().map_err(|it: vocabulary::IdError| {
        Problem::new(Kind::Malformed, "exchange.id", format!("标识 {text} 有误"), it.to_string())
    })
}

/// Keeps the batch proofs of receipts.
///
/// # Errors
/// Those of the store.
pub async fn save_proofs(tx: &mut Tx, proofs: &[(ReceiptId, BatchProof)]) -> Result<(), Problem> {
    let mut rest = proofs;
    while !rest.is_empty() {
        let count = PROOFS_AT_ONCE.into_iter().find(|it| *it <= rest.len()).unwrap_or(1);
        let (now, later) = rest.split_at(count);
        let mut given = Vec::with_capacity(2 * count);
        for (id, proof) in now {
            given.extend(args![id.to_string(), text(proof)?]);
        }
        tx.execute(receipt_proofs(count), given).await?;
        rest = later;
    }
    Ok(())
}

/// Takes a receipt over at the consumer, with a leaf of our own. It must have been verified. Twice is once.
///
/// # Errors
/// Those of the store.
pub async fn take(tx: &mut Tx, receipt: &Receipt, salt: Salt, now: Timestamp) -> Result<(), Problem> {
    take_as("receipt-taken", tx, receipt, salt, now).await.map(|_| ())
}

/// Takes over a receipt whose answer never came. One that is here stays as it is; says whether it was not.
///
/// # Errors
/// Those of the store.
pub async fn take_missed(tx: &mut Tx, receipt: &Receipt, salt: Salt, now: Timestamp) -> Result<bool, Problem> {
    let new = take_as("receipt-missed", tx, receipt, salt, now).await?;
    if new {
        tx.execute(RECEIPT_MISSED, args![receipt.body.id.to_string()]).await?;
    }
    Ok(new)
}

async fn take_as(
    kind: &'static str,
    tx: &mut Tx,
    receipt: &Receipt,
    salt: Salt,
    now: Timestamp,
) -> Result<bool, Problem> {
    let given: [u8; 32] = hex::decode(&receipt.salt)
        .ok()
        .and_then(|it| it.try_into().ok())
        .ok_or_else(|| Problem::new(Kind::Malformed, "receipt.salt", "盐有误", "the salt is not 32 bytes in hex"))?;
    let Receipt { body, log, asked, batch, .. } = receipt;
    let leaf = NewLeaf { kind, body: canonical_text(body)?, salt };
    let parts = Parts { body, written: &leaf.body, salt: &given, log, asked, proof: Some(batch) };
    let new = add(tx, Side::Consumer, &parts, now).await?;
    if new {
        evidence::append(tx, &leaf, now).await?;
    }
    Ok(new)
}

/// What we owe a provider: leaves of receipts to countersign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// To whom.
    pub provider: OrganisationId,
    /// With their answers.
    pub leaves: Vec<Digest>,
    /// Whose answers never came.
    pub unreceived: Vec<Digest>,
}

/// Peers to whom we owe countersignatures, with the leaves (at most 1,000 each).
///
/// # Errors
/// Those of the store.
pub async fn due(reader: &mut Reader) -> Result<Vec<Due>, Problem> {
    let mut all = Vec::new();
    for row in reader.rows(RECEIPT_DUE_PEERS, vec![]).await? {
        let provider = OrganisationId::new(row.text("peer")?)?;
        let mut due = Due { provider, leaves: Vec::new(), unreceived: Vec::new() };
        for row in reader.rows(RECEIPT_DUE, args![due.provider.as_str(), LIST_MAX]).await? {
            let list = if row.opt_int("missed")?.is_some() { &mut due.unreceived } else { &mut due.leaves };
            list.push(row.text("leaf")?.parse()?);
        }
        all.push(due);
    }
    Ok(all)
}

/// What `consumer` has not countersigned of what we issued before `before`, oldest first, at most 100.
///
/// # Errors
/// Those of the store.
pub async fn open_receipts(
    reader: &mut Reader,
    consumer: &OrganisationId,
    before: Timestamp,
) -> Result<Vec<Receipt>, Problem> {
    let rows = reader.rows(RECEIPT_OPEN, args![consumer.as_str(), micros(before), OPEN_LIST_MAX]).await?;
    rows.iter().filter_map(|it| view(it).map(|it| it.file).transpose()).collect()
}

/// Keeps our own acknowledgement once the provider has it.
///
/// # Errors
/// Those of the store.
pub async fn acknowledge(
    tx: &mut Tx,
    provider: &OrganisationId,
    signed: &Signed<Acknowledgement>,
) -> Result<(), Problem> {
    let document = text(signed)?;
    for leaf in signed.body.leaves.iter().chain(&signed.body.unreceived) {
        let args = args![leaf.to_string(), &document, Side::Consumer.word(), provider.as_str()];
        tx.rows(RECEIPT_ACKNOWLEDGE, args).await?;
    }
    Ok(())
}

/// Takes in a consumer's acknowledgement.
#[derive(Debug)]
pub struct Acknowledge {
    /// The acknowledgement; its signature is checked already.
    pub signed: Signed<Acknowledgement>,
}

impl Ask for Acknowledge {
    fn need(&self) -> Need<'_> {
        Need::Member(&self.signed.body.by)
    }
}

/// Marks the receipts as acknowledged and writes the leaf; says how many were open.
///
/// # Errors
/// Those of the store.
pub async fn acknowledged(
    tx: &mut Tx,
    permit: &Permit<Acknowledge>,
    salt: Salt,
    now: Timestamp,
) -> Result<u64, Problem> {
    let signed = &permit.ask().signed;
    let document = text(signed)?;
    let mut closed: BTreeMap<String, i64> = BTreeMap::new();
    for leaf in signed.body.leaves.iter().chain(&signed.body.unreceived) {
        let args = args![leaf.to_string(), &document, Side::Provider.word(), signed.body.by.as_str()];
        for row in tx.rows(RECEIPT_ACKNOWLEDGE, args).await? {
            *closed.entry(row.text("agreement")?.to_owned()).or_default() += 1;
        }
    }
    for (agreement, number) in &closed {
        tx.execute(AGREEMENT_CLOSE, args![agreement, *number]).await?;
    }
    if !closed.is_empty() {
        let body = canonical_text(&signed.body)?;
        evidence::append(tx, &NewLeaf { kind: "acknowledgement", body, salt }, now).await?;
    }
    Ok(closed.values().sum::<i64>().try_into().unwrap_or(0))
}

/// Where a receipt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReceiptState {
    /// Committed; the signature follows.
    Committed,
    /// Signed by the provider: proof.
    Issued,
    /// Countersigned by the consumer.
    Acknowledged,
    /// Countersigned by the consumer, who states that the answer never came.
    Unreceived,
}

/// A receipt as we keep it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiptView {
    /// Which side we are.
    pub side: Side,
    /// Where it stands.
    pub state: ReceiptState,
    /// What it states.
    pub body: ReceiptBody,
    /// The file, once it is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Receipt>,
}

fn view(row: &Row) -> Result<ReceiptView, Problem> {
    let body: ReceiptBody = row.json("body")?;
    let acknowledgement: Option<Signed<Acknowledgement>> =
        row.opt_text("acknowledgement")?.map(|_| row.json("acknowledgement")).transpose()?;
    let state = match (row.opt_text("proof")?, &acknowledgement) {
        (None, _) => ReceiptState::Committed,
        (Some(_), None) => ReceiptState::Issued,
        (Some(_), Some(it)) if it.body.unreceived.contains(&row.json::<LogPromise>("log")?.leaf) => {
            ReceiptState::Unreceived
        }
        (Some(_), Some(_)) => ReceiptState::Acknowledged,
    };
    let file = match state {
        ReceiptState::Committed => None,
        _ => Some(Receipt {
            body: body.clone(),
            salt: hex::encode(row.bytes("salt")?),
            log: row.json("log")?,
            batch: row.json("proof")?,
            asked: row.json("asked")?,
            acknowledgement,
            log_proof: None,
        }),
    };
    let side = if row.text("side")? == "provider" { Side::Provider } else { Side::Consumer };
    Ok(ReceiptView { side, state, body, file })
}

/// One receipt.
///
/// # Errors
/// `exchange.receipt_missing`.
pub async fn receipt(reader: &mut Reader, id: ReceiptId) -> Result<ReceiptView, Problem> {
    let row = reader.row(RECEIPT_GET, args![id.to_string()]).await?;
    view(&row.ok_or_else(|| {
        Problem::new(
            Kind::Missing,
            "exchange.receipt_missing",
            format!("没有回执 {id}"),
            format!("there is no receipt {id}"),
        )
    })?)
}

/// The newest receipts, of one agreement or of all, at most 1,000.
///
/// # Errors
/// Those of the store.
pub async fn receipts(reader: &mut Reader, agreement: Option<AgreementId>) -> Result<Vec<ReceiptView>, Problem> {
    let agreement = agreement.map(|it| it.to_string()).unwrap_or_default();
    reader.rows(RECEIPT_LIST, args![agreement, LIST_MAX]).await?.iter().map(view).collect()
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
    /// The feed position of the moment.
    pub position: i64,
    /// Whether all parts are there.
    pub ready: bool,
    /// The parts.
    pub parts: Vec<Part>,
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
/// `peer.replay`; those of the store.
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
    Ok(tx.execute(PARCEL_ADD, args).await? == 1)
}

/// Keeps the parts of a batch whose bytes are safe, and marks it ready.
///
/// # Errors
/// Those of the store.
pub async fn keep_parts(tx: &mut Tx, id: DeliveryId, parts: &[Part]) -> Result<(), Problem> {
    for part in parts {
        let args = args![id.to_string(), part.number, part.digest.to_string(), count(part.rows), count(part.bytes)];
        tx.execute(PART_ADD, args).await?;
    }
    tx.execute(PARCEL_READY, args![id.to_string()]).await.map(|_| ())
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
        Some(row) => row.opt_text("receipt")?.map(self::id).transpose(),
        None => Ok(None),
    }
}
