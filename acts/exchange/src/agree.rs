//! Agreements: proposed by the provider, live once the consumer has signed as well, revoked by either at once.

use crate::{
    Agreement, AgreementId, Revocation, Side, Signed, cascade,
    store::{
        AGREEMENT_ADD, AGREEMENT_GET, AGREEMENT_LIST, AGREEMENT_LIVE, AGREEMENT_PROVIDERS, AGREEMENT_REVOKE,
        UNTOLD_ADD, UNTOLD_FORGET, UNTOLD_LIST, UNTOLD_TOLD, UNTOLD_TRIED, text,
    },
};
use ::store::{Reader, Row, Tx, args};
use evidence::{NewLeaf, Salt};
use policy::{AgreementFacts, AgreementState, Ask, Need, Permit, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use signing::Signer;
use vocabulary::{Digest, Kind, OrganisationId, Problem, Timestamp, canonical_text, date_in_shanghai, ensure, micros};

/// Agreements listed at once at most.
const LIST_MAX: u32 = 500;
/// Revocations told in one step at most.
const UNTOLD_LIST_MAX: u32 = 100;
/// A revocation is told for this long.
const UNTOLD_DAYS_MAX: i64 = 30;

/// An agreement with where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgreementView {
    /// Which side we are.
    pub side: Side,
    /// Where it stands.
    pub state: AgreementState,
    /// The agreement's digest: the leaf in both logs states it.
    pub digest: Digest,
    /// The agreement with its signatures.
    pub agreement: Signed<Agreement>,
    /// Rows delivered on `day`.
    pub day_rows: u64,
    /// The last legal day with a delivery.
    pub day: String,
    /// Receipts that are not countersigned.
    pub open_receipts: u64,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Signed<Revocation>>,
}

impl AgreementView {
    /// The other side.
    fn peer(&self) -> &OrganisationId {
        peer(self.side, &self.agreement.body)
    }
}

fn peer(side: Side, agreement: &Agreement) -> &OrganisationId {
    match side {
        Side::Provider => &agreement.consumer,
        Side::Consumer => &agreement.provider,
    }
}

/// Proposes the agreement that an agreed request leads to: a rule of the offer, or the provider's officer.
#[derive(Debug)]
pub struct Offerer {
    /// The agreement, signed by the provider.
    pub agreement: Signed<Agreement>,
}

impl Ask for Offerer {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::ProviderOfficer])
    }
}

/// Accepts a proposed agreement at the consumer: it is signed and live here.
#[derive(Debug)]
pub struct Accept {
    /// The agreement, signed by both.
    pub agreement: Signed<Agreement>,
}

impl Ask for Accept {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::Requester, Role::Application])
    }
}

/// Takes in the consumer's signature at the provider.
#[derive(Debug)]
pub struct Countersign {
    /// The agreement, signed by both; the signatures are checked already.
    pub agreement: Signed<Agreement>,
}

impl Ask for Countersign {
    fn need(&self) -> Need<'_> {
        Need::Member(&self.agreement.body.consumer)
    }
}

/// Takes an agreement back.
#[derive(Debug)]
pub struct Revoke {
    /// Which.
    pub agreement: AgreementId,
    /// By whom.
    pub by: OrganisationId,
    /// Why.
    pub reason: String,
}

impl Ask for Revoke {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::ProviderOfficer, Role::Requester])
    }
}

/// Takes in the other side's revocation.
#[derive(Debug)]
pub struct RevokeByPeer {
    /// The signed revocation; its signature is checked already.
    pub revocation: Signed<Revocation>,
}

impl Ask for RevokeByPeer {
    fn need(&self) -> Need<'_> {
        Need::Member(&self.revocation.body.by)
    }
}

fn missing(id: AgreementId) -> Problem {
    Problem::new(
        Kind::Missing,
        "exchange.agreement_missing",
        format!("没有协议 {id}"),
        format!("there is no agreement {id}"),
    )
}

fn state_word(state: AgreementState) -> &'static str {
    match state {
        AgreementState::Proposed => "proposed",
        AgreementState::Live => "live",
        AgreementState::Revoked => "revoked",
    }
}

pub(crate) async fn add(
    tx: &mut Tx,
    side: Side,
    state: AgreementState,
    agreement: &Signed<Agreement>,
    now: Timestamp,
) -> Result<bool, Problem> {
    let body = &agreement.body;
    let calls = body.terms.service.as_ref().and_then(|it| it.calls?.per_day);
    let quota = body.terms.quota.map(|it| it.rows_per_day).or(calls);
    let quota = quota.map(|it| i64::try_from(it).unwrap_or(i64::MAX));
    let args = args![
        body.id.to_string(),
        side.word(),
        peer(side, body).as_str(),
        body.offer.as_str(),
        state_word(state),
        body.revision,
        body.terms.until.to_string(),
        quota,
        agreement.digest()?.to_string(),
        text(agreement)?,
        micros(now)
    ];
    cascade::note_numbers(tx, &body.id.to_string(), &body.numbers).await?;
    Ok(tx.execute(AGREEMENT_ADD, args).await? == 1)
}

/// Keeps a proposed agreement at the provider. Proposing the same one again changes nothing.
///
/// # Errors
/// Those of the store.
pub async fn propose(tx: &mut Tx, permit: &Permit<Offerer>, now: Timestamp) -> Result<(), Problem> {
    add(tx, Side::Provider, AgreementState::Proposed, &permit.ask().agreement, now).await.map(|_| ())
}

/// Keeps an accepted agreement at the consumer, live, with its leaf.
///
/// # Errors
/// `exchange.agreement_exists`.
pub async fn accept(tx: &mut Tx, permit: &Permit<Accept>, salt: Salt, now: Timestamp) -> Result<(), Problem> {
    let agreement = &permit.ask().agreement;
    let added = add(tx, Side::Consumer, AgreementState::Live, agreement, now).await?;
    ensure!(
        added,
        Problem::new(Kind::Conflict, "exchange.agreement_exists", "协议已签署", "the agreement is signed already")
    );
    leaf(tx, "agreement", &agreement.body, salt, now).await
}

/// Takes in the consumer's signature: the agreement is live, its leaf is written. A second time nothing happens.
///
/// # Errors
/// `exchange.agreement_missing` when it was not proposed here, or another text comes back.
pub async fn countersigned(
    tx: &mut Tx,
    permit: &Permit<Countersign>,
    salt: Salt,
    now: Timestamp,
) -> Result<AgreementView, Problem> {
    let signed = &permit.ask().agreement;
    let ours = agreement(tx, signed.body.id).await?;
    ensure!(ours.side == Side::Provider && ours.agreement.body == signed.body, missing(signed.body.id));
    if tx.execute(AGREEMENT_LIVE, args![signed.body.id.to_string(), text(signed)?]).await? == 1 {
        leaf(tx, "agreement", &signed.body, salt, now).await?;
    }
    agreement(tx, signed.body.id).await
}

pub(crate) async fn leaf<T: Serialize>(
    tx: &mut Tx,
    kind: &'static str,
    body: &T,
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    evidence::append(tx, &NewLeaf { kind, body: canonical_text(body)?, salt }, now).await.map(|_| ())
}

/// Revokes an agreement from our side, effective with this commit; says whom to tell what.
///
/// # Errors
/// `exchange.agreement_missing`, `exchange.revoked` when it was revoked before.
pub async fn revoke(
    tx: &mut Tx,
    permit: &Permit<Revoke>,
    signer: &dyn Signer,
    salt: Salt,
    now: Timestamp,
) -> Result<Untold, Problem> {
    let Revoke { agreement: id, by, reason } = permit.ask();
    let view = agreement(tx, *id).await?;
    let revocation = Revocation {
        format: "yunhe-revocation/1".to_owned(),
        agreement: *id,
        agreement_digest: view.digest,
        by: by.clone(),
        reason: reason.clone(),
        at: now,
    };
    let revocation = Signed::sign(revocation, signer)?;
    let changed = tx.execute(AGREEMENT_REVOKE, args![id.to_string(), text(&revocation)?]).await?;
    ensure!(
        changed == 1,
        Problem::new(Kind::Conflict, "exchange.revoked", "协议此前已撤销", "the agreement was revoked before")
    );
    leaf(tx, "revocation", &revocation.body, salt, now).await?;
    let peer = view.peer().clone();
    tx.execute(UNTOLD_ADD, args![id.to_string(), peer.as_str(), text(&revocation)?, micros(now)]).await?;
    Ok(Untold { peer, revocation })
}

/// A revocation of ours that the other side has not confirmed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Untold {
    /// The other side.
    pub peer: OrganisationId,
    /// What it must hear.
    pub revocation: Signed<Revocation>,
}

/// Revocations that the other side has not confirmed, those tried longest ago first, at most 100.
///
/// # Errors
/// Those of the store.
pub async fn untold(reader: &mut Reader) -> Result<Vec<Untold>, Problem> {
    let rows = reader.rows(UNTOLD_LIST, args![UNTOLD_LIST_MAX]).await?;
    rows.iter()
        .map(|it| Ok(Untold { peer: OrganisationId::new(it.text("peer")?)?, revocation: it.json("revocation")? }))
        .collect()
}

/// Notes what came of telling: told, or to be tried again after the others.
///
/// # Errors
/// Those of the store.
pub async fn tell(tx: &mut Tx, id: AgreementId, told: bool, now: Timestamp) -> Result<(), Problem> {
    let done = if told {
        tx.execute(UNTOLD_TOLD, args![id.to_string()]).await
    } else {
        tx.execute(UNTOLD_TRIED, args![id.to_string(), micros(now)]).await
    };
    done.map(|_| ())
}

/// Gives up telling what nobody confirmed for 30 days; says of how many.
///
/// # Errors
/// Those of the store.
pub async fn forget_untold(tx: &mut Tx, now: Timestamp) -> Result<u64, Problem> {
    let before = micros(now) - UNTOLD_DAYS_MAX * 86_400_000_000;
    tx.execute(::store::Statement::long(UNTOLD_FORGET), args![before]).await
}

/// Takes in the other side's revocation. A second time nothing happens.
///
/// # Errors
/// `exchange.agreement_missing` when it is none of theirs and ours.
pub async fn revoked_by_peer(
    tx: &mut Tx,
    permit: &Permit<RevokeByPeer>,
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let revocation = &permit.ask().revocation;
    let id = revocation.body.agreement;
    let view = agreement(tx, id).await?;
    ensure!(*view.peer() == revocation.body.by && view.digest == revocation.body.agreement_digest, missing(id));
    if tx.execute(AGREEMENT_REVOKE, args![id.to_string(), text(revocation)?]).await? == 1 {
        leaf(tx, "revocation", &revocation.body, salt, now).await?;
    }
    Ok(())
}

pub(crate) fn view(row: &Row) -> Result<AgreementView, Problem> {
    let state = match row.text("state")? {
        "live" => AgreementState::Live,
        "revoked" => AgreementState::Revoked,
        _ => AgreementState::Proposed,
    };
    Ok(AgreementView {
        side: if row.text("side")? == "provider" { Side::Provider } else { Side::Consumer },
        state,
        digest: row.text("digest")?.parse()?,
        agreement: row.json("document")?,
        day_rows: u64::try_from(row.int("day_rows")?).unwrap_or(0),
        day: row.text("day")?.to_owned(),
        open_receipts: u64::try_from(row.int("open")?).unwrap_or(0),
        revocation: row.opt_text("revocation")?.map(|_| row.json("revocation")).transpose()?,
    })
}

/// One agreement.
///
/// # Errors
/// `exchange.agreement_missing`.
pub async fn agreement(reader: &mut Reader, id: AgreementId) -> Result<AgreementView, Problem> {
    let row = reader.row(AGREEMENT_GET, args![id.to_string()]).await?;
    view(&row.ok_or_else(|| missing(id))?)
}

/// Those who deliver to us under some agreement.
///
/// # Errors
/// Those of the store.
pub async fn providers(reader: &mut Reader) -> Result<Vec<OrganisationId>, Problem> {
    let rows = reader.rows(AGREEMENT_PROVIDERS, args![]).await?;
    rows.iter().map(|it| OrganisationId::new(it.text("peer")?)).collect()
}

/// The newest agreements, at most 500.
///
/// # Errors
/// Those of the store.
pub async fn agreements(reader: &mut Reader) -> Result<Vec<AgreementView>, Problem> {
    reader.rows(AGREEMENT_LIST, args![LIST_MAX]).await?.iter().map(view).collect()
}

/// What policy needs to know of an agreement; `None` when we are not its provider or it does not exist.
///
/// # Errors
/// Those of the store.
pub async fn agreement_facts(
    reader: &mut Reader,
    id: AgreementId,
    now: Timestamp,
) -> Result<Option<(AgreementFacts, AgreementView)>, Problem> {
    let Some(row) = reader.row(AGREEMENT_GET, args![id.to_string()]).await? else { return Ok(None) };
    let view = view(&row)?;
    if view.side != Side::Provider {
        return Ok(None);
    }
    // ISO dates, in the order of the days; a day ahead of our clock was today already.
    let today = view.day >= date_in_shanghai(now).to_string();
    let facts = AgreementFacts {
        consumer: view.agreement.body.consumer.clone(),
        state: view.state,
        terms: view.agreement.body.terms.clone(),
        rows_today: if today { view.day_rows } else { 0 },
    };
    Ok(Some((facts, view)))
}
