//! Receipts on both sides: kept when they are issued or taken over, signed, countersigned, shown.

use crate::{
    Acknowledgement, AgreementId, Asked, Receipt, ReceiptBody, ReceiptId, Side, Signed,
    store::{
        ACKNOWLEDGEMENT_ADD, AGREEMENT_CLOSE, PROOFS_AT_ONCE, RECEIPT_ACKNOWLEDGE, RECEIPT_ADD, RECEIPT_DUE,
        RECEIPT_DUE_PEERS, RECEIPT_GET, RECEIPT_LIST, RECEIPT_MISSED, RECEIPT_OPEN, UNSIGNED_ADD, UNSIGNED_LIST,
        receipt_proofs, receipts_signed, text,
    },
};
use ::store::{Reader, Row, Tx, args};
use evidence::{BatchProof, LogPromise, NewLeaf, Salt};
use policy::{Ask, Need, Permit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use vocabulary::{Digest, Kind, OrganisationId, Problem, Timestamp, canonical_text, micros};

/// Receipts listed, acknowledged or proved in one step at most.
const LIST_MAX: u32 = 1_000;
/// Open receipts told to a consumer in one answer at most.
const OPEN_LIST_MAX: u32 = 100;
/// The kind of the leaf of a receipt that we issued. Such leaves are never erased: they hold no row, and a receipt is
/// found through them.
pub(crate) const ISSUED: &str = "receipt";

/// What a receipt's row is made of.
pub(crate) struct Parts<'a> {
    pub body: &'a ReceiptBody,
    /// The body as canonical JSON.
    pub written: &'a str,
    pub salt: &'a [u8; 32],
    pub log: &'a LogPromise,
    pub asked: &'a Asked,
    pub proof: Option<&'a BatchProof>,
}

pub(crate) async fn add(tx: &mut Tx, side: Side, parts: &Parts<'_>, now: Timestamp) -> Result<bool, Problem> {
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
        body.delivery.map(|it| it.to_string()),
        body.part,
        micros(now)
    ];
    let new = tx.execute(RECEIPT_ADD, args).await? == 1;
    match parts.proof {
        _ if !new => {}
        None => drop(tx.execute(UNSIGNED_ADD, args![body.id.to_string()]).await?),
        Some(proof) => drop(tx.execute(receipt_proofs(1), args![body.id.to_string(), text(proof)?]).await?),
    }
    Ok(new)
}

/// Receipts that still lack the batch signature (after a crash between commit and signing), at most 1,000.
///
/// # Errors
/// Those of the store.
pub async fn proofless(reader: &mut Reader) -> Result<Vec<(ReceiptId, LogPromise)>, Problem> {
    let rows = reader.rows(UNSIGNED_LIST, args![LIST_MAX]).await?;
    rows.iter().map(|it| Ok((id(it.text("id")?)?, it.json("log")?))).collect()
}

pub(crate) fn id(text: &str) -> Result<ReceiptId, Problem> {
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
        let (mut given, mut ids) = (Vec::with_capacity(2 * count), Vec::with_capacity(count));
        for (id, proof) in now {
            given.extend(args![id.to_string(), text(proof)?]);
            ids.extend(args![id.to_string()]);
        }
        tx.execute(receipt_proofs(count), given).await?;
        tx.execute(receipts_signed(count), ids).await?;
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

pub(crate) async fn take_as(
    kind: &'static str,
    tx: &mut Tx,
    receipt: &Receipt,
    salt: Salt,
    now: Timestamp,
) -> Result<bool, Problem> {
    let given = salt_of(receipt)?;
    let Receipt { body, log, asked, batch, .. } = receipt;
    let leaf = NewLeaf { kind, body: canonical_text(body)?, salt };
    let parts = Parts { body, written: &leaf.body, salt: &given, log, asked, proof: Some(batch) };
    let new = add(tx, Side::Consumer, &parts, now).await?;
    if new {
        evidence::append(tx, &leaf, now).await?;
    }
    Ok(new)
}

/// The salt that a receipt brings.
pub(crate) fn salt_of(receipt: &Receipt) -> Result<[u8; 32], Problem> {
    let salt = hex::decode(&receipt.salt).ok().and_then(|it| it.try_into().ok());
    salt.ok_or_else(|| Problem::new(Kind::Malformed, "receipt.salt", "盐有误", "the salt is not 32 bytes in hex"))
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
    let named: BTreeSet<String> =
        signed.body.leaves.iter().chain(&signed.body.unreceived).map(ToString::to_string).collect();
    let (acknowledgement, document) = document(signed)?;
    tx.execute(ACKNOWLEDGEMENT_ADD, args![&acknowledgement, document]).await?;
    for row in tx.rows(RECEIPT_DUE, args![provider.as_str(), LIST_MAX]).await? {
        let (id, leaf) = (row.text("id")?, row.text("leaf")?);
        if named.contains(leaf) {
            let args = args![id, &acknowledgement, Side::Consumer.word(), provider.as_str(), leaf];
            tx.rows(RECEIPT_ACKNOWLEDGE, args).await?;
        }
    }
    Ok(())
}

/// An acknowledgement as it is kept, once for all receipts that it is about, and the digest by which these name it.
pub(crate) fn document(signed: &Signed<Acknowledgement>) -> Result<(String, String), Problem> {
    let document = text(signed)?;
    Ok((Digest::of(document.as_bytes()).to_string(), document))
}

/// The receipt that we issued under a leaf of our log.
async fn issued_under(tx: &mut Tx, leaf: &Digest) -> Result<Option<ReceiptId>, Problem> {
    let Some(body) = evidence::leaf(tx, leaf).await?.filter(|it| it.kind == ISSUED).and_then(|it| it.body) else {
        return Ok(None);
    };
    let body: ReceiptBody = serde_json::from_str(&body)
        .map_err(|it| Problem::new(Kind::Internal, "exchange.fault", "内部故障", it.to_string()))?;
    Ok(Some(body.id))
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
    let (acknowledgement, document) = document(signed)?;
    let mut closed: BTreeMap<String, i64> = BTreeMap::new();
    for leaf in signed.body.leaves.iter().chain(&signed.body.unreceived) {
        let Some(id) = issued_under(tx, leaf).await? else { continue };
        let by = signed.body.by.as_str();
        let args = args![id.to_string(), &acknowledgement, Side::Provider.word(), by, leaf.to_string()];
        for row in tx.rows(RECEIPT_ACKNOWLEDGE, args).await? {
            *closed.entry(row.text("agreement")?.to_owned()).or_default() += 1;
        }
    }
    for (agreement, number) in &closed {
        tx.execute(AGREEMENT_CLOSE, args![agreement, *number]).await?;
    }
    if !closed.is_empty() {
        tx.execute(ACKNOWLEDGEMENT_ADD, args![&acknowledgement, document]).await?;
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

pub(crate) fn view(row: &Row) -> Result<ReceiptView, Problem> {
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
