//! Delays that are told upwards: whoever waits past the term tells the authority in charge, once.

use crate::{
    Escalation, Letter, Notice, ObjectionId, RequestId, Signed, letter,
    objection::document_leaf,
    store::{NOTICE_GET, OBJECTION_UNRULED},
};
use crate::{ObjectionView, letter::notice_id};
use ::store::{Reader, Tx, args};
use evidence::Salt;
use policy::{Ask, Need, Permit, Role};
use vocabulary::{Bilingual, Kind, OrganisationId, Problem, Timestamp, ensure};

/// Objections looked at in one step at most.
const LIST_MAX: u32 = 500;

/// The steps of requests whose delay is told upwards.
const REQUEST_STEPS: [&str; 2] = ["authority", "provider"];
/// Those of objections: the provider's, and that of a department to which it was passed.
const OBJECTION_STEPS: [&str; 2] = ["objection", "source"];

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
/// `exchange.escalation` for one that is about nothing that can be late.
pub async fn take_escalation(
    tx: &mut Tx,
    permit: &Permit<TakeEscalation>,
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let signed = &permit.ask().escalation;
    check(&signed.body)?;
    if letter::notify(tx, &told(&signed.body, Role::Approver, now)).await? {
        document_leaf(tx, "escalation", &signed.body.about, signed, (salt, now)).await?;
    }
    Ok(())
}

/// What is late is a step of a request or of an objection, each by its name: an escalation has no words of its own.
fn check(escalation: &Escalation) -> Result<(), Problem> {
    let Escalation { about, step, .. } = escalation;
    let steps = match (about.parse::<RequestId>(), about.parse::<ObjectionId>()) {
        (Ok(_), _) => &REQUEST_STEPS[..],
        (_, Ok(_)) => &OBJECTION_STEPS[..],
        _ => &[],
    };
    ensure!(
        steps.contains(&step.as_str()),
        Problem::new(
            Kind::Unprocessable,
            "exchange.escalation",
            "督办须指明某件申请或异议的某一环节；请核对后重发",
            "an escalation names a request or an objection, and its step; look and send it again",
        )
    );
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
