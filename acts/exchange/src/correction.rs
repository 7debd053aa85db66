//! Corrections: every past recipient of what was wrong is told, until its node has heard, and asked until its people
//! have confirmed.
//!
//! A past recipient is a consumer whose agreement lets the row through and that had a delivery since the row was wrong,
//! or a batch made since then. What was being answered while it was corrected is noted with the time at which it was
//! asked for, behind the correction; it is found in the minutes after.

use crate::{
    AgreementId, Confirmation, Correction, CorrectionId, Fixed, Letter, Notice, Objection, Side, Signed, agreement,
    decide::objection::{Case, Happening, ObjectionStage, Reach, Recipient, Telling, recipients},
    letter,
    objection::document_leaf,
    store::{
        AGREEMENT_HELD, CANDIDATE_ADD, CANDIDATE_FORGET, CANDIDATE_LIST, CANDIDATE_TOLD, CORRECTION_ABOUT,
        CORRECTION_ADD, CORRECTION_ASK, CORRECTION_ASKED, CORRECTION_GET, CORRECTION_LIST, CORRECTION_SET,
        CORRECTION_UNCONFIRMED, PARCEL_LAST, text,
    },
};
use ::store::{Reader, Row, Tx, args};
use evidence::Salt;
use policy::{Ask, Need, Permit, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use signing::Signer;
use vocabulary::{
    Bilingual, Kind, OrganisationId, Problem, Suite, Timestamp, canonical_digest, ensure, micros,
    timestamp_from_micros, uuid::Uuid,
};

/// Corrections listed at once at most.
const LIST_MAX: u32 = 500;
/// Agreements that are looked through for past recipients in one step.
const HELD_PAGE: u32 = 1_000;
/// Whoever was being answered at the moment of a correction is looked for this long.
const UNDER_WAY_MICROS: i64 = 10 * 60 * 1_000_000;
/// Who has heard and not confirmed is asked again this often.
const ASK_AGAIN_MICROS: i64 = 86_400 * 1_000_000;

/// A correction as one side keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CorrectionView {
    /// Which side we are.
    pub side: Side,
    /// How far it is.
    pub telling: Telling,
    /// As the provider signed it.
    pub correction: Signed<Correction>,
    /// As the recipient signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Signed<Confirmation>>,
}

/// Takes in a correction from the provider; its signature is checked already.
#[derive(Debug)]
pub struct TakeCorrection {
    /// The correction.
    pub correction: Signed<Correction>,
}

impl Ask for TakeCorrection {
    fn need(&self) -> Need<'_> {
        Need::Member(&self.correction.body.provider)
    }
}

/// Confirms a correction: what had been received was put right here.
#[derive(Debug)]
pub struct Confirm {
    /// Which.
    pub correction: CorrectionId,
    /// By which organisation.
    pub by: OrganisationId,
    /// What was done.
    pub note: String,
}

impl Ask for Confirm {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::Requester, Role::Application])
    }
}

/// Takes in a recipient's confirmation; its signature is checked already.
#[derive(Debug)]
pub struct TakeConfirmation {
    /// The confirmation.
    pub confirmation: Signed<Confirmation>,
}

impl Ask for TakeConfirmation {
    fn need(&self) -> Need<'_> {
        Need::Member(&self.confirmation.body.by)
    }
}

/// What recipients are told about.
pub(crate) struct Told<'a> {
    /// The objection.
    pub about: &'a str,
    /// The objection.
    pub objection: Option<&'a Objection>,
    /// Why.
    pub reason: Option<&'a str>,
}

fn missing(id: CorrectionId) -> Problem {
    Problem::new(
        Kind::Missing,
        "objection.correction_missing",
        format!("没有更正通知 {id}；yunhe objection corrections 列出全部"),
        format!("there is no correction {id}; yunhe objection corrections lists them"),
    )
}

/// Tells every past recipient; whoever is being answered at this moment is looked for again for some minutes.
pub(crate) async fn tell_all(
    tx: &mut Tx,
    told: &Told<'_>,
    fixed: &Fixed<'_>,
    signer: &dyn Signer,
    now: Timestamp,
) -> Result<usize, Problem> {
    let mut count = 0;
    let mut behind = String::new();
    loop {
        let rows = tx.rows(AGREEMENT_HELD, args![&behind, HELD_PAGE]).await?;
        let Some(last) = rows.last() else { break };
        behind = last.text("id")?.to_owned();
        for row in &rows {
            let (held, documents) = held(tx, row).await?;
            let Some(recipient) = recipients(&fixed.wrong, std::slice::from_ref(&held)).pop() else { continue };
            let correction = write(told, fixed, &recipient, &documents, now)?;
            if recipient.reached {
                send(tx, told.about, correction, signer, now).await?;
                count += 1;
            } else {
                let args = args![
                    told.about,
                    recipient.agreement.to_string(),
                    text(&correction)?,
                    micros(recipient.since),
                    micros(now) + UNDER_WAY_MICROS
                ];
                tx.execute(CANDIDATE_ADD, args).await?;
            }
        }
    }
    Ok(count)
}

async fn held(reader: &mut Reader, row: &Row) -> Result<(Reach, crate::Agreement), Problem> {
    let agreement: Signed<crate::Agreement> = row.json("document")?;
    let parcel = reader.row(PARCEL_LAST, args![row.text("id")?]).await?;
    let parcel = parcel.map(|it| it.opt_int("at")).transpose()?.flatten();
    let delivered = match (row.opt_int("delivered")?, row.text("day")?) {
        (Some(at), _) => Some(at),
        (None, "") => None,
        // Delivered before the time was noted: some time on that day.
        (None, day) => day.parse().ok().map(|it| micros(calendar::end_of(it))),
    };
    let delivered = delivered.max(parcel).map(timestamp_from_micros).transpose()?;
    let body = agreement.body;
    let held = Reach { agreement: body.id, consumer: body.consumer.clone(), terms: body.terms.clone(), delivered };
    Ok((held, body))
}

fn write(
    told: &Told<'_>,
    fixed: &Fixed<'_>,
    recipient: &Recipient,
    agreement: &crate::Agreement,
    now: Timestamp,
) -> Result<Correction, Problem> {
    let key = if recipient.knows_key { fixed.key.clone() } else { Vec::new() };
    Ok(Correction {
        format: "yunhe-correction/1".to_owned(),
        id: name(told.about, recipient.agreement)?,
        federation: agreement.federation.clone(),
        provider: agreement.provider.clone(),
        consumer: recipient.consumer.clone(),
        agreement: recipient.agreement,
        record: fixed.wrong.record.name.clone(),
        key,
        columns: recipient.columns.clone(),
        cause: fixed.cause,
        objection: told.objection.map(|it| it.id),
        reason: told.reason.unwrap_or_default().to_owned(),
        since: recipient.since,
        at: now,
    })
}

/// A correction is named by what it is about and whom it tells, so that nobody is told twice.
fn name(about: &str, agreement: AgreementId) -> Result<CorrectionId, Problem> {
    let digest = canonical_digest(Suite::default(), &(about, agreement))?;
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.hash[..16]);
    Ok(CorrectionId::from_uuid(uuid_v8(bytes)))
}

/// The form of a uuid whose bits are of our own making (RFC 9562, version 8).
fn uuid_v8(mut bytes: [u8; 16]) -> Uuid {
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Uuid::from_bytes(bytes)
}

async fn send(
    tx: &mut Tx,
    about: &str,
    correction: Correction,
    signer: &dyn Signer,
    now: Timestamp,
) -> Result<(), Problem> {
    let signed = Signed::sign(correction, signer)?;
    if add(tx, Side::Provider, about, &signed, now).await? {
        let id = signed.body.id.to_string();
        let letter = Letter::Correction(signed.clone());
        // One whose letters are full is told with those that are asked again.
        letter::send_or_leave(tx, &id, &signed.body.consumer, &letter, now).await?;
    }
    Ok(())
}

async fn add(
    tx: &mut Tx,
    side: Side,
    about: &str,
    signed: &Signed<Correction>,
    now: Timestamp,
) -> Result<bool, Problem> {
    let body = &signed.body;
    let (peer, telling) = match side {
        Side::Provider => (&body.consumer, Telling::Untold),
        Side::Consumer => (&body.provider, Telling::Told),
    };
    let args = args![
        body.id.to_string(),
        side.word(),
        peer.as_str(),
        body.agreement.to_string(),
        about,
        word(telling),
        text(signed)?,
        micros(now)
    ];
    Ok(tx.execute(CORRECTION_ADD, args).await? == 1)
}

fn word(telling: Telling) -> &'static str {
    match telling {
        Telling::Untold => "untold",
        Telling::Told => "told",
        Telling::Confirmed => "confirmed",
    }
}

/// Tells whoever was being answered while something was corrected; says how many. What is long past is forgotten.
///
/// # Errors
/// Those of the store.
pub async fn tell_under_way(tx: &mut Tx, signer: &dyn Signer, now: Timestamp) -> Result<usize, Problem> {
    let rows = tx.rows(CANDIDATE_LIST, args![LIST_MAX]).await?;
    for row in &rows {
        let (about, agreement) = (row.text("about")?, row.text("agreement")?);
        send(tx, about, row.json("document")?, signer, now).await?;
        tx.execute(CANDIDATE_TOLD, args![about, agreement]).await?;
    }
    if rows.len() < LIST_MAX as usize {
        tx.execute(CANDIDATE_FORGET, args![micros(now)]).await?;
    }
    Ok(rows.len())
}

/// Asks those again that have heard of a correction and not confirmed it for a day, and tells those for whom too many
/// letters waited a day ago; says how many.
///
/// # Errors
/// Those of the store.
pub async fn ask_again(tx: &mut Tx, now: Timestamp) -> Result<usize, Problem> {
    let rows = tx.rows(CORRECTION_UNCONFIRMED, args![micros(now) - ASK_AGAIN_MICROS, LIST_MAX]).await?;
    for row in &rows {
        let signed: Signed<Correction> = row.json("document")?;
        let id = signed.body.id.to_string();
        let consumer = signed.body.consumer.clone();
        letter::send_or_leave(tx, &id, &consumer, &Letter::Correction(signed), now).await?;
        tx.execute(CORRECTION_ASKED, args![id, micros(now)]).await?;
    }
    Ok(rows.len())
}

/// A recipient's node has taken the notice in.
pub(crate) async fn was_heard(tx: &mut Tx, id: CorrectionId, now: Timestamp) -> Result<(), Problem> {
    step(tx, id, Happening::Heard, None, now).await.map(|_| ())
}

/// Moves one telling on as the case does; says what it was before.
async fn step(
    tx: &mut Tx,
    id: CorrectionId,
    happening: impl FnOnce(AgreementId) -> Happening,
    confirmation: Option<&Signed<Confirmation>>,
    now: Timestamp,
) -> Result<Telling, Problem> {
    let view = load(tx, id, Side::Provider).await?;
    let agreement = view.correction.body.agreement;
    let case = Case { stage: ObjectionStage::Corrected, tellings: [(agreement, view.telling)].into() };
    let (next, _) = case.step(&happening(agreement))?;
    let telling = next.tellings.get(&agreement).copied().unwrap_or(view.telling);
    if telling != view.telling {
        let confirmation = confirmation.map(text).transpose()?;
        let args = args![id.to_string(), word(view.telling), word(telling), confirmation, micros(now)];
        ensure!(tx.execute(CORRECTION_SET, args).await? == 1, late());
    }
    Ok(view.telling)
}

fn late() -> Problem {
    Problem::new(
        Kind::Conflict,
        "objection.late",
        "该更正通知刚被他人处理；请刷新后再试",
        "somebody else has just acted on this correction; look again",
    )
}

async fn load(reader: &mut Reader, id: CorrectionId, side: Side) -> Result<CorrectionView, Problem> {
    let row = reader.row(CORRECTION_GET, args![id.to_string(), side.word()]).await?;
    view(&row.ok_or_else(|| missing(id))?)
}

pub(crate) fn view(row: &Row) -> Result<CorrectionView, Problem> {
    let telling = match row.text("telling")? {
        "told" => Telling::Told,
        "confirmed" => Telling::Confirmed,
        _ => Telling::Untold,
    };
    Ok(CorrectionView {
        side: if row.text("side")? == "provider" { Side::Provider } else { Side::Consumer },
        telling,
        correction: row.json("document")?,
        confirmation: row.opt_text("confirmation")?.map(|_| row.json("confirmation")).transpose()?,
    })
}

/// Takes in a correction: a task for our people. Twice is once.
///
/// # Errors
/// `exchange.agreement_missing`, `exchange.side` when we had nothing from that provider under it;
/// `objection.correction_exists` for another one of that name.
pub async fn take_correction(
    tx: &mut Tx,
    permit: &Permit<TakeCorrection>,
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let signed = &permit.ask().correction;
    let body = &signed.body;
    let held = agreement(tx, body.agreement).await?;
    let ours = held.side == Side::Consumer && held.agreement.body.provider == body.provider;
    ensure!(
        ours && held.agreement.body.consumer == body.consumer,
        Problem::new(
            Kind::Unprocessable,
            "exchange.side",
            format!("协议 {} 的供需双方与更正通知所写不符；请提供方核对后重发", body.agreement),
            format!("agreement {} is not between these two; let the provider look and send it again", body.agreement),
        )
    );
    let about = body.objection.map(|it| it.to_string()).unwrap_or_default();
    if !add(tx, Side::Consumer, &about, signed, now).await? {
        let known = load(tx, body.id, Side::Consumer).await?.correction.body;
        ensure!(known == *body, other(body.id));
        return Ok(());
    }
    let id = body.id.to_string();
    document_leaf(tx, "correction", &id, signed, (salt, now)).await?;
    let title = Bilingual::new(
        format!("{} 更正了 {}：请重新获取并确认", body.provider, body.record),
        format!("{} corrected {}: fetch it again and confirm", body.provider, body.record),
    );
    let kind = "correction-received".to_owned();
    letter::notify(tx, &Notice { about: id, kind, role: Role::Requester, title, due: None, at: now }).await?;
    Ok(())
}

fn other(id: CorrectionId) -> Problem {
    Problem::new(
        Kind::Conflict,
        "objection.correction_exists",
        format!("更正通知 {id} 此前已收到，内容不同；请提供方核对，以新的标识另行通知"),
        format!("correction {id} was told before and said something else; let the provider tell it under a new id"),
    )
}

/// Confirms a correction: signed, and told to the provider until it has heard. Once is enough.
///
/// # Errors
/// `objection.correction_missing`, `objection.confirmed`, `exchange.reason`.
pub async fn confirm(
    tx: &mut Tx,
    permit: &Permit<Confirm>,
    signer: &dyn Signer,
    salt: Salt,
    now: Timestamp,
) -> Result<CorrectionView, Problem> {
    let Confirm { correction: id, by, note } = permit.ask();
    crate::objection::check_reason(note)?;
    let before = load(tx, *id, Side::Consumer).await?;
    let confirmation = Confirmation {
        format: "yunhe-confirmation/1".to_owned(),
        correction: *id,
        correction_digest: before.correction.digest()?,
        by: by.clone(),
        note: note.clone(),
        at: now,
    };
    let signed = Signed::sign(confirmation, signer)?;
    let args = args![id.to_string(), word(Telling::Told), word(Telling::Confirmed), Some(text(&signed)?), micros(now)];
    ensure!(
        tx.execute(CORRECTION_SET, args).await? == 1,
        Problem::new(
            Kind::Conflict,
            "objection.confirmed",
            format!("更正通知 {id} 此前已确认，无须再次确认；yunhe objection corrections 可查看"),
            format!("correction {id} was confirmed before, nothing is left to do; see yunhe objection corrections"),
        )
    );
    document_leaf(tx, "confirmation", &id.to_string(), &signed, (salt, now)).await?;
    let provider = &before.correction.body.provider;
    letter::send(tx, &id.to_string(), provider, &Letter::Confirmation(signed), now).await?;
    load(tx, *id, Side::Consumer).await
}

/// Takes in a recipient's confirmation. Twice is once.
///
/// # Errors
/// `objection.correction_missing`; `exchange.signature` when it is of another correction or by another member.
pub async fn take_confirmation(
    tx: &mut Tx,
    permit: &Permit<TakeConfirmation>,
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let signed = &permit.ask().confirmation;
    let id = signed.body.correction;
    crate::objection::check_reason(&signed.body.note)?;
    let told = load(tx, id, Side::Provider).await?.correction;
    ensure!(
        told.body.consumer == signed.body.by && told.digest()? == signed.body.correction_digest,
        Problem::new(
            Kind::Refused,
            "exchange.signature",
            "确认不属于该更正通知或该单位",
            "the confirmation does not belong to this correction, or not to this organisation",
        )
    );
    if step(tx, id, Happening::Confirmed, Some(signed), now).await? != Telling::Confirmed {
        document_leaf(tx, "confirmation", &id.to_string(), signed, (salt, now)).await?;
    }
    Ok(())
}

/// The corrections about an objection that we tell.
pub(crate) async fn about(reader: &mut Reader, about: &str) -> Result<Vec<CorrectionView>, Problem> {
    reader.rows(CORRECTION_ABOUT, args![about]).await?.iter().map(view).collect()
}

/// The newest corrections, told by us and to us, at most 500.
///
/// # Errors
/// Those of the store.
pub async fn corrections(reader: &mut Reader) -> Result<Vec<CorrectionView>, Problem> {
    reader.rows(CORRECTION_LIST, args![LIST_MAX]).await?.iter().map(view).collect()
}

/// The corrections that wait for a confirmation of ours, oldest first, at most 500.
///
/// # Errors
/// Those of the store.
pub async fn corrections_to_confirm(reader: &mut Reader) -> Result<Vec<CorrectionView>, Problem> {
    reader.rows(CORRECTION_ASK, args![LIST_MAX]).await?.iter().map(view).collect()
}
