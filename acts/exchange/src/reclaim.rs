//! Reclaiming 取回: after a restore, what the lost time brought about is fetched back from whoever holds a copy.
//!
//! Agreements, requests and receipts exist on both sides and carry both sides' signatures, so a copy proves itself;
//! the caller checks that. Nothing that is here already is changed by a copy, but for what goes one way only: an
//! agreement becomes live or revoked, a receipt countersigned, a story longer. Reclaiming twice is once.

use crate::{
    Agreement, AgreementView, Receipt, ReceiptId, RequestView, Revocation, Side, Signed,
    agree::{self, agreement, leaf},
    receipt::{ISSUED, Parts, add, document, salt_of, take_as},
    request,
    store::{
        ACKNOWLEDGEMENT_ADD, AGREEMENT_CLOSE, AGREEMENT_LIVE, AGREEMENT_RECLAIM, AGREEMENT_REVOKE, HELD_AGREEMENTS,
        HELD_RECEIPTS, HELD_REQUESTS, PART_ISSUED, RECEIPT_ACKNOWLEDGE, text,
    },
};
use ::store::{Reader, Statement, Tx, args};
use evidence::{NewLeaf, Salt};
use policy::AgreementState;
use serde::{Deserialize, Serialize};
use vocabulary::{OrganisationId, Problem, Timestamp, canonical_text, date_in_shanghai, micros, uuid::Uuid};

/// Things told in one answer at most.
const PAGE_MAX: u32 = 100;

/// An agreement as the other side holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldAgreement {
    /// With its signatures.
    pub agreement: Signed<Agreement>,
    /// If it was revoked, by whom and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Signed<Revocation>>,
}

/// A page of what is held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held<T> {
    /// The things, by their ids.
    pub held: Vec<T>,
    /// The id to go on behind; none at the end.
    pub next: Option<String>,
}

fn page<T>(held: Vec<T>, id: impl Fn(&T) -> String) -> Held<T> {
    let full = held.len() >= PAGE_MAX as usize;
    let next = held.last().filter(|_| full).map(id);
    Held { held, next }
}

/// Receipts between us and `peer` that were issued from `since` on, behind the id `after`.
///
/// # Errors
/// Those of the store.
pub async fn held_receipts(
    reader: &mut Reader,
    peer: &OrganisationId,
    since: Timestamp,
    after: &str,
) -> Result<Held<Receipt>, Problem> {
    // Ids of receipts begin with their time.
    let millis = u128::try_from(since.as_millisecond().max(0)).unwrap_or(0);
    let floor = ReceiptId::from_uuid(Uuid::from_u128(millis << 80)).to_string();
    let after = if after > floor.as_str() { after } else { &floor };
    let rows = reader.rows(Statement::long(HELD_RECEIPTS), args![peer.as_str(), after, PAGE_MAX]).await?;
    let files = rows.iter().filter_map(|it| crate::receipt::view(it).map(|it| it.file).transpose());
    let last = rows.last().map(|it| it.text("id").map(str::to_owned)).transpose()?;
    let held = files.collect::<Result<_, _>>()?;
    Ok(Held { held, next: last.filter(|_| rows.len() >= PAGE_MAX as usize) })
}

/// Agreements between us and `peer`, behind the id `after`.
///
/// # Errors
/// Those of the store.
pub async fn held_agreements(
    reader: &mut Reader,
    peer: &OrganisationId,
    after: &str,
) -> Result<Held<HeldAgreement>, Problem> {
    let rows = reader.rows(Statement::long(HELD_AGREEMENTS), args![peer.as_str(), after, PAGE_MAX]).await?;
    let views = rows.iter().map(agree::view).collect::<Result<Vec<AgreementView>, _>>()?;
    let held = views.into_iter().map(|it| HeldAgreement { agreement: it.agreement, revocation: it.revocation });
    Ok(page(held.collect(), |it: &HeldAgreement| it.agreement.body.id.to_string()))
}

/// Requests that `peer` made or that are for it, behind the id `after`; with `all`, those of others too, for an
/// authority in charge.
///
/// # Errors
/// Those of the store.
pub async fn held_requests(
    reader: &mut Reader,
    peer: &OrganisationId,
    all: bool,
    after: &str,
) -> Result<Held<RequestView>, Problem> {
    let rows = reader.rows(Statement::long(HELD_REQUESTS), args![peer.as_str(), after, PAGE_MAX, all]).await?;
    let held = rows.iter().map(|it| it.json("document")).collect::<Result<_, _>>()?;
    Ok(page(held, |it: &RequestView| it.request.body.id.to_string()))
}

/// Takes an agreement back; its signatures are checked. Says whether anything changed.
///
/// # Errors
/// Those of the store.
pub async fn reclaim_agreement(
    tx: &mut Tx,
    held: &HeldAgreement,
    side: Side,
    salts: [Salt; 2],
    now: Timestamp,
) -> Result<bool, Problem> {
    let (signed, id) = (&held.agreement, held.agreement.body.id.to_string());
    let [salt, other] = salts;
    let mut changed = agree::add(tx, side, AgreementState::Live, signed, now).await?;
    changed = changed || tx.execute(AGREEMENT_LIVE, args![&id, text(signed)?]).await? == 1;
    if changed {
        leaf(tx, "agreement", &signed.body, salt, now).await?;
    }
    let Some(revocation) = &held.revocation else { return Ok(changed) };
    if tx.execute(AGREEMENT_REVOKE, args![&id, text(revocation)?]).await? == 1 {
        leaf(tx, "revocation", &revocation.body, other, now).await?;
        changed = true;
    }
    Ok(changed)
}

/// Takes a request back, or the longer of two stories; the signatures are checked. Says whether anything changed.
///
/// # Errors
/// `exchange.story` when the stories contradict each other.
pub async fn reclaim_request(tx: &mut Tx, told: &RequestView, now: Timestamp) -> Result<bool, Problem> {
    let told = request::checked(told.clone())?;
    if request::add(tx, &told, now).await? {
        return Ok(true);
    }
    let before = request::request(tx, told.request.body.id).await?.events.len();
    Ok(request::merge(tx, &told, now).await?.events.len() > before)
}

/// Takes a receipt back that we issued: its leaf stands in our log from now on, its rows count against the day's
/// quota, and it is open unless the consumer countersigned it. Its parts are checked. Says whether anything changed.
///
/// # Errors
/// `exchange.agreement_missing`; those of the store.
pub async fn reclaim_issued(tx: &mut Tx, receipt: &Receipt, now: Timestamp) -> Result<bool, Problem> {
    let Receipt { body, log, asked, batch, acknowledgement, .. } = receipt;
    agreement(tx, body.agreement).await?;
    let given = salt_of(receipt)?;
    let leaf = NewLeaf { kind: ISSUED, body: canonical_text(body)?, salt: Salt(given) };
    let parts = Parts { body, written: &leaf.body, salt: &given, log, asked, proof: Some(batch) };
    if !add(tx, Side::Provider, &parts, now).await? {
        return countersigned_since(tx, receipt).await;
    }
    evidence::append(tx, &leaf, now).await?;
    if let (Some(parcel), Some(part)) = (body.delivery, body.part) {
        // Where the batch itself was lost there is no such row: then it is not gone on with.
        tx.execute(PART_ISSUED, args![parcel.to_string(), part, body.id.to_string()]).await?;
    }
    if let Some(signed) = acknowledgement {
        keep_acknowledgement(tx, receipt, Side::Provider, signed).await?;
    }
    let rows = i64::try_from(body.counts()).unwrap_or(i64::MAX);
    let (day, open) = (date_in_shanghai(body.at).to_string(), acknowledgement.is_none());
    tx.execute(AGREEMENT_RECLAIM, args![body.agreement.to_string(), day, rows, open, micros(body.at)]).await?;
    Ok(true)
}

/// Takes a receipt back that was issued to us. Its parts are checked. Says whether anything changed.
///
/// # Errors
/// Those of the store.
pub async fn reclaim_taken(tx: &mut Tx, receipt: &Receipt, salt: Salt, now: Timestamp) -> Result<bool, Problem> {
    let new = take_as("receipt-reclaimed", tx, receipt, salt, now).await?;
    let kept = match &receipt.acknowledgement {
        Some(signed) => keep_acknowledgement(tx, receipt, Side::Consumer, signed).await?,
        None => false,
    };
    Ok(new || kept)
}

/// A receipt that is here may have been countersigned in the lost time: then it is open no more.
async fn countersigned_since(tx: &mut Tx, receipt: &Receipt) -> Result<bool, Problem> {
    let Some(signed) = &receipt.acknowledgement else { return Ok(false) };
    let closed = keep_acknowledgement(tx, receipt, Side::Provider, signed).await?;
    if closed {
        tx.execute(AGREEMENT_CLOSE, args![receipt.body.agreement.to_string(), 1]).await?;
    }
    Ok(closed)
}

async fn keep_acknowledgement(
    tx: &mut Tx,
    receipt: &Receipt,
    side: Side,
    signed: &Signed<crate::Acknowledgement>,
) -> Result<bool, Problem> {
    let (acknowledgement, document) = document(signed)?;
    tx.execute(ACKNOWLEDGEMENT_ADD, args![&acknowledgement, document]).await?;
    let body = &receipt.body;
    let peer = if side == Side::Provider { &body.consumer } else { &body.provider };
    let leaf = receipt.log.leaf.to_string();
    let args = args![body.id.to_string(), &acknowledgement, side.word(), peer.as_str(), leaf];
    Ok(!tx.rows(RECEIPT_ACKNOWLEDGE, args).await?.is_empty())
}
