//! Delays that are told upwards: whoever waits past the term tells the authority in charge, once.

use crate::{
    Escalation, Letter, Notice, Signed, letter,
    objection::document_leaf,
    store::{NOTICE_GET, OBJECTION_UNRULED},
};
use crate::{ObjectionView, letter::notice_id};
use ::store::{Reader, Tx, args};
use evidence::Salt;
use policy::{Ask, Need, Permit, Role};
use vocabulary::{Bilingual, OrganisationId, Problem, Timestamp};

/// Objections looked at in one step at most.
const LIST_MAX: u32 = 500;

/// Tells the authority in charge of a delay.
#[derive(Debug)]
pub struct Escalate {
    /// The signed escalation.
    pub escalation: Signed<Escalation>,
    /// The authority in charge.
    pub authority: OrganisationId,
}

impl Ask for Escalate {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::Requester])
    }
}

/// Takes in an escalation; its signature is checked already.
#[derive(Debug)]
pub struct TakeEscalation {
    /// The escalation.
    pub escalation: Signed<Escalation>,
}

impl Ask for TakeEscalation {
    fn need(&self) -> Need<'_> {
        Need::Member(&self.escalation.body.by)
    }
}

/// Whether a notice was given before.
///
/// # Errors
/// Those of the store.
pub async fn noticed(reader: &mut Reader, notice: &Notice) -> Result<bool, Problem> {
    Ok(reader.row(NOTICE_GET, args![notice_id(notice)?]).await?.is_some())
}

/// Puts an escalation on its way, once for each step of a matter; says whether it was new.
///
/// # Errors
/// Those of the store.
pub async fn escalate(tx: &mut Tx, permit: &Permit<Escalate>, salt: Salt, now: Timestamp) -> Result<bool, Problem> {
    let Escalate { escalation: signed, authority } = permit.ask();
    let body = &signed.body;
    if !letter::notify(tx, &told(body, Role::Requester, now)).await? {
        return Ok(false);
    }
    document_leaf(tx, "escalation", &body.about, signed, (salt, now)).await?;
    letter::send(tx, &body.about, authority, &Letter::Escalation(signed.clone()), now).await?;
    Ok(true)
}

/// Takes in an escalation: the authority's people are told. Twice is once.
///
/// # Errors
/// Those of the store.
pub async fn take_escalation(
    tx: &mut Tx,
    permit: &Permit<TakeEscalation>,
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let signed = &permit.ask().escalation;
    if letter::notify(tx, &told(&signed.body, Role::Approver, now)).await? {
        document_leaf(tx, "escalation", &signed.body.about, signed, (salt, now)).await?;
    }
    Ok(())
}

/// The notice of an escalation.
pub fn told(escalation: &Escalation, role: Role, now: Timestamp) -> Notice {
    let Escalation { about, who, by, late, due, step, .. } = escalation;
    let title = Bilingual::new(
        format!("督办：{by} 所办 {about}，{who} 应于 {due} 前答复，已逾期 {late} 个工作日"),
        format!("{by} waits for {who} on {about}, due on {due}: {late} working days late"),
    );
    Notice { about: about.clone(), kind: format!("escalated-{step}"), role, title, due: Some(*due), at: now }
}

/// The objections of ours that nobody has ruled on, oldest first, at most 500.
///
/// # Errors
/// Those of the store.
pub async fn objections_unruled(reader: &mut Reader) -> Result<Vec<ObjectionView>, Problem> {
    let rows = reader.rows(OBJECTION_UNRULED, args![LIST_MAX]).await?;
    rows.iter().map(|it| it.json("document")).collect()
}
