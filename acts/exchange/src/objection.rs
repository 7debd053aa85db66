//! Objections as each side keeps them: raised and received, ruled on, passed to their source.

use crate::{
    AgreementId, CorrectionCause, Letter, Notice, Objection, ObjectionId, ObjectionSide, ObjectionView, Outgoing,
    ReceiptId, Referral, Ruling, RulingVerdict, Side, Signed, agreement, correction,
    decide::objection::{Case, Happening, Judged, ObjectionStage, Wrong, foreign_ruling, judged},
    letter,
    store::{OBJECTION_ADD, OBJECTION_GET, OBJECTION_LIST, OBJECTION_SET, OBJECTION_WAITING, text},
};
use ::store::{Reader, Row, Tx, args};
use evidence::{NewLeaf, Salt};
use policy::{Ask, Need, Permit, Role};
use signing::Signer;
use vocabulary::{Bilingual, Digest, Kind, OrganisationId, Problem, Timestamp, canonical_text, ensure, micros};

/// Objections listed at once at most.
const LIST_MAX: u32 = 500;
/// Words of an objection or a ruling at most.
pub const REASON_CHARS_MAX: usize = 2_000;
/// An objection as it travels has at most so many bytes.
const OBJECTION_BYTES_MAX: usize = 64 << 10;
/// Rulings on one objection at most.
const RULINGS_MAX: usize = 20;

/// Raises an objection at the consumer.
#[derive(Debug)]
pub struct Raise {
    /// The signed objection.
    pub objection: Signed<Objection>,
}

impl Ask for Raise {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::Requester, Role::Application])
    }
}

/// Looks at objections and corrections: they may hold values of rows.
#[derive(Debug)]
pub struct ReadObjections;

impl Ask for ReadObjections {
    fn need(&self) -> Need<'_> {
        Need::Role(&[
            Role::Requester,
            Role::Application,
            Role::ProviderOfficer,
            Role::DataSteward,
            Role::AuditAdministrator,
        ])
    }
}

/// Takes in an objection that another member's node brings; its signatures are checked already.
#[derive(Debug)]
pub struct TakeObjection {
    /// The objection.
    pub objection: Signed<Objection>,
    /// The rulings so far, the last of which passes it to us; none: it comes from the consumer.
    pub passed: Vec<Signed<Ruling>>,
}

impl Ask for TakeObjection {
    fn need(&self) -> Need<'_> {
        Need::Member(self.passed.last().map_or(&self.objection.body.consumer, |it| &it.body.by))
    }
}

/// Rules on an objection.
#[derive(Debug)]
pub struct Rule {
    /// Which.
    pub objection: ObjectionId,
    /// By which organisation.
    pub by: OrganisationId,
    /// What it says.
    pub verdict: RulingVerdict,
    /// Why.
    pub reason: Option<String>,
    /// To which department it is passed.
    pub passed_to: Option<OrganisationId>,
}

impl Ask for Rule {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::ProviderOfficer])
    }
}

/// Takes in the rulings on an objection; their signatures are checked already.
#[derive(Debug)]
pub struct TakeRulings {
    /// Who takes them in.
    pub us: OrganisationId,
    /// Who brings them.
    pub from: OrganisationId,
    /// All of them so far.
    pub rulings: Vec<Signed<Ruling>>,
}

impl Ask for TakeRulings {
    fn need(&self) -> Need<'_> {
        Need::Member(&self.from)
    }
}

/// What signs and hides what is written.
pub struct Seal<'a> {
    /// Signs.
    pub signer: &'a dyn Signer,
    /// Hides the leaf's body.
    pub salt: Salt,
}

/// What a correction came to, as the registry tells it.
pub struct Fixed<'a> {
    /// What was done.
    pub cause: CorrectionCause,
    /// What was wrong.
    pub wrong: Wrong<'a>,
    /// The row's key as texts; none: no single row.
    pub key: Vec<String>,
}

fn missing(id: ObjectionId) -> Problem {
    Problem::new(
        Kind::Missing,
        "objection.missing",
        format!("没有异议 {id}，或不由本单位处理；yunhe objection list 列出全部"),
        format!("there is no objection {id}, or none that is ours; yunhe objection list shows them"),
    )
}

fn unprocessable(code: &'static str, field: &str, zh: impl Into<String>, en: impl Into<String>) -> Problem {
    Problem::new(Kind::Unprocessable, code, zh, en).field(field)
}

/// Checks the words of a reason.
///
/// # Errors
/// `exchange.reason`.
pub fn check_reason(reason: &str) -> Result<(), Problem> {
    let length = reason.trim().chars().count();
    ensure!(
        (1..=REASON_CHARS_MAX).contains(&length),
        Problem::new(
            Kind::Unprocessable,
            "exchange.reason",
            format!("请写明理由，1 至 {REASON_CHARS_MAX} 字"),
            format!("say why, in 1 to {REASON_CHARS_MAX} characters"),
        )
        .field("/reason")
    );
    Ok(())
}

/// Checks the reason of a ruling; whoever only accepts it may leave it out.
fn check_ruled(verdict: RulingVerdict, reason: Option<&str>) -> Result<(), Problem> {
    let reason = reason.unwrap_or_default();
    if verdict == RulingVerdict::Accept && reason.trim().is_empty() { Ok(()) } else { check_reason(reason) }
}

/// Whether it is an objection at all: short, with its reason, about something.
fn check_form(objection: &Objection) -> Result<(), Problem> {
    check_reason(&objection.reason)?;
    ensure!(
        canonical_text(objection)?.len() <= OBJECTION_BYTES_MAX,
        Problem::new(
            Kind::TooLarge,
            "objection.too_large",
            format!("异议至多 {OBJECTION_BYTES_MAX} 字节；证据请作附件"),
            format!("an objection has at most {OBJECTION_BYTES_MAX} bytes; attach what is evidence"),
        )
    );
    ensure!(
        !(objection.key.is_empty() && objection.columns.is_empty()),
        unprocessable(
            "objection.target",
            "/key",
            "请指明哪一行或哪一列有误",
            "name the row or the column that is wrong"
        )
    );
    Ok(())
}

/// Whether an objection can be about what was agreed.
fn check(objection: &Objection, terms: &policy::Terms) -> Result<(), Problem> {
    check_form(objection)?;
    let (record, ours) = (&objection.record, &terms.record);
    ensure!(
        record == ours,
        unprocessable(
            "objection.record",
            "/record",
            format!("协议涉及 {ours}，而非 {record}；请改写 record，或换用相应的协议"),
            format!("the agreement is about {ours}, not {record}; name that, or the agreement that is about it"),
        )
    );
    let named = objection.columns.iter().map(schema::FieldName::as_str);
    let named =
        named.chain(objection.seen.keys().map(String::as_str)).chain(objection.right.keys().map(String::as_str));
    for column in named {
        ensure!(
            terms.columns.iter().any(|it| it.as_str() == column),
            Problem::new(
                Kind::Unprocessable,
                "objection.column",
                format!("列 {column} 不在协议列内；协议列为 {}", agreed(terms)),
                format!("column {column} is not among the agreed columns, which are {}", agreed(terms)),
            )
            .field("/columns")
        );
    }
    Ok(())
}

fn agreed(terms: &policy::Terms) -> String {
    terms.columns.iter().map(schema::FieldName::as_str).collect::<Vec<_>>().join(", ")
}

async fn leaf(
    tx: &mut Tx,
    kind: &'static str,
    (id, digest): (&str, Digest),
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    // The document may hold values of a row; its digest does not, and it is not to be guessed: the document has an id.
    let body = canonical_text(&serde_json::json!({"kind": kind, "id": id, "digest": digest}))?;
    evidence::append(tx, &NewLeaf { kind, body, salt }, now).await.map(|_| ())
}

pub(crate) async fn document_leaf<T: crate::Document>(
    tx: &mut Tx,
    kind: &'static str,
    id: &str,
    signed: &Signed<T>,
    (salt, now): (Salt, Timestamp),
) -> Result<(), Problem> {
    leaf(tx, kind, (id, signed.digest()?), salt, now).await
}

async fn add(tx: &mut Tx, view: &ObjectionView, peer: &OrganisationId) -> Result<bool, Problem> {
    let body = &view.objection.body;
    let args = args![
        body.id.to_string(),
        view.side.word(),
        peer.as_str(),
        body.agreement.to_string(),
        body.record.as_str(),
        stage_word(view.stage),
        text(view)?,
        micros(view.at)
    ];
    Ok(tx.execute(OBJECTION_ADD, args).await? == 1)
}

fn stage_word(stage: ObjectionStage) -> &'static str {
    match stage {
        ObjectionStage::Open => "open",
        ObjectionStage::Accepted => "accepted",
        ObjectionStage::Corrected => "corrected",
        ObjectionStage::Unfounded => "unfounded",
        ObjectionStage::PassedOn => "passed-on",
    }
}

/// Keeps an objection of ours and puts it on its way to the provider. The same one again changes nothing.
///
/// # Errors
/// `exchange.agreement_missing`, `objection.…` for what it cannot be about, `objection.exists` for another one of that
/// name.
pub async fn raise(tx: &mut Tx, permit: &Permit<Raise>, salt: Salt, now: Timestamp) -> Result<ObjectionView, Problem> {
    let signed = &permit.ask().objection;
    let body = &signed.body;
    let held = agreement(tx, body.agreement).await?;
    ensure!(held.side == Side::Consumer && held.agreement.body.provider == body.provider, not_ours(body.agreement));
    check(body, &held.agreement.body.terms)?;
    if let Some(receipt) = body.receipt {
        named_receipt(tx, receipt, body.agreement).await?;
    }
    let view = ObjectionView::new(ObjectionSide::Raised, signed.clone(), now);
    ensure!(add(tx, &view, &body.provider).await?, exists(body.id));
    let id = body.id.to_string();
    document_leaf(tx, "objection", &id, signed, (salt, now)).await?;
    letter::send(tx, &id, &body.provider, &Letter::Objection(signed.clone()), now).await?;
    Ok(view)
}

async fn named_receipt(reader: &mut Reader, receipt: ReceiptId, agreement: AgreementId) -> Result<(), Problem> {
    let of = crate::receipt(reader, receipt).await?.body.agreement;
    ensure!(
        of == agreement,
        unprocessable(
            "objection.receipt",
            "/receipt",
            format!("回执 {receipt} 属于协议 {of}；请改写协议，或不填回执"),
            format!("receipt {receipt} is of agreement {of}; name that agreement, or leave the receipt out"),
        )
    );
    Ok(())
}

fn not_ours(id: AgreementId) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "exchange.side",
        format!("协议 {id} 的供需双方与该异议所写不符；请核对协议号（yunhe agree list）"),
        format!("agreement {id} is not between these two, this way round; look it up (yunhe agree list)"),
    )
}

fn exists(id: ObjectionId) -> Problem {
    Problem::new(
        Kind::Conflict,
        "objection.exists",
        format!("标识 {id} 已用于另一异议；请换用新的标识"),
        format!("{id} names another objection; draw a new id"),
    )
}

/// Takes in an objection: a task for our officers, with its clock. The same one again changes nothing.
///
/// # Errors
/// `exchange.agreement_missing` and `objection.…` for what it cannot be about.
pub async fn take_objection(
    tx: &mut Tx,
    permit: &Permit<TakeObjection>,
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let TakeObjection { objection: signed, passed } = permit.ask();
    let body = &signed.body;
    let mut view = ObjectionView::new(ObjectionSide::Received, signed.clone(), now);
    let peer = match passed.last() {
        Some(ruling) => {
            check_form(body)?;
            ensure!(body.provider != body.consumer, foreign_ruling());
            ensure!(ruling.body.verdict == RulingVerdict::PassOn, foreign_ruling());
            check_rulings(signed, passed)?;
            view.passed_by = Some(ruling.body.by.clone());
            view.rulings.clone_from(passed);
            &ruling.body.by
        }
        None => {
            let held = agreement(tx, body.agreement).await?;
            let theirs = held.side == Side::Provider && held.agreement.body.consumer == body.consumer;
            ensure!(theirs, not_ours(body.agreement));
            check(body, &held.agreement.body.terms)?;
            if let Some(receipt) = body.receipt {
                named_receipt(tx, receipt, body.agreement).await?;
            }
            &body.consumer
        }
    };
    if !add(tx, &view, peer).await? {
        let ours = load(tx, body.id).await?.1;
        ensure!(ours.objection == *signed, exists(body.id));
        return Ok(());
    }
    let id = body.id.to_string();
    document_leaf(tx, "objection", &id, signed, (salt, now)).await?;
    let title = Bilingual::new(
        format!("{} 对 {} 提出异议，待校核", body.consumer, body.record),
        format!("{} objects to {}: to be checked", body.consumer, body.record),
    );
    let kind = "objection-received".to_owned();
    letter::notify(tx, &Notice { about: id, kind, role: Role::ProviderOfficer, title, due: None, at: now }).await?;
    Ok(())
}

/// Whether these are the rulings on an objection, one after another; says where it stands. Each has a bounded reason.
fn check_rulings(signed: &Signed<Objection>, rulings: &[Signed<Ruling>]) -> Result<Judged, Problem> {
    let (id, digest) = (signed.body.id, signed.digest()?);
    ensure!(rulings.len() <= RULINGS_MAX, foreign_ruling());
    for Signed { body, .. } in rulings {
        ensure!(body.objection == id && body.objection_digest == digest, foreign_ruling());
        check_ruled(body.verdict, body.reason.as_deref())?;
    }
    judged(&signed.body, rulings.iter().map(|it| &it.body))
}

async fn load(reader: &mut Reader, id: ObjectionId) -> Result<(i64, ObjectionView), Problem> {
    let row = reader.row(OBJECTION_GET, args![id.to_string()]).await?.ok_or_else(|| missing(id))?;
    Ok((row.int("version")?, row.json("document")?))
}

async fn set(tx: &mut Tx, version: i64, view: &ObjectionView) -> Result<(), Problem> {
    let args = args![view.id().to_string(), version, text(view)?, stage_word(view.stage)];
    ensure!(tx.execute(OBJECTION_SET, args).await? == 1, late());
    Ok(())
}

fn late() -> Problem {
    Problem::new(
        Kind::Conflict,
        "objection.late",
        "该异议刚被他人处理；请刷新后再试",
        "somebody else has just acted on this objection; look again",
    )
}

/// Rules on an objection that is ours to rule on: signed, told to whoever raised it; a correction is told to every past
/// recipient. What was corrected stands in the same unit of work.
///
/// # Errors
/// `objection.missing`, `objection.ruled`, `exchange.reason`, `objection.passed_to`.
pub async fn rule(
    tx: &mut Tx,
    permit: &Permit<Rule>,
    fixed: Option<&Fixed<'_>>,
    seal: &Seal<'_>,
    now: Timestamp,
) -> Result<ObjectionView, Problem> {
    let ask = permit.ask();
    let (version, mut view) = load(tx, ask.objection).await?;
    ensure!(view.side == ObjectionSide::Received, missing(ask.objection));
    let (case, _) = Case { stage: view.stage, ..Case::default() }.step(&Happening::Ruled(ask.verdict))?;
    check_ruled(ask.verdict, ask.reason.as_deref())?;
    check_passing(&view, ask)?;
    // Room is left for the ruling that ends it, and for each that passed it on to carry that out.
    let ends = matches!(ask.verdict, RulingVerdict::Correct | RulingVerdict::Unfounded);
    let behind = if ends { 0 } else { view.judges().len() + usize::from(ask.passed_to.is_some()) };
    ensure!(view.rulings.len() + behind < RULINGS_MAX, too_many_rulings());
    let ruling = Ruling {
        format: "yunhe-ruling/1".to_owned(),
        objection: ask.objection,
        objection_digest: view.objection.digest()?,
        by: ask.by.clone(),
        verdict: ask.verdict,
        reason: ask.reason.clone(),
        passed_to: ask.passed_to.clone(),
        at: now,
    };
    let ruling = Signed::sign(ruling, seal.signer)?;
    view.rulings.push(ruling.clone());
    // What its source has corrected is carried out, and nothing else is left to say of it.
    judged(&view.objection.body, view.rulings.iter().map(|it| &it.body)).map_err(|_| to_carry_out())?;
    view.stage = case.stage;
    set(tx, version, &view).await?;
    let id = view.id().to_string();
    document_leaf(tx, "ruling", &id, &ruling, (seal.salt, now)).await?;
    let rulings = Letter::Rulings(view.rulings.clone());
    let next = ask.passed_to.as_ref();
    let others = view.judges().into_iter().filter(|it| **it != ask.by && Some(*it) != next);
    for peer in std::iter::once(&view.objection.body.consumer).chain(others) {
        letter::send(tx, &id, peer, &rulings, now).await?;
    }
    if let Some(next) = &ask.passed_to {
        let referral =
            Letter::Referral(Box::new(Referral { objection: view.objection.clone(), rulings: view.rulings.clone() }));
        letter::send(tx, &id, next, &referral, now).await?;
    }
    if let (RulingVerdict::Correct, Some(fixed)) = (ask.verdict, fixed) {
        let told =
            correction::Told { about: &id, objection: Some(&view.objection.body), reason: ask.reason.as_deref() };
        correction::tell_all(tx, &told, fixed, seal.signer, now).await?;
    }
    Ok(view)
}

/// Passing on names one that can look into it: a department that has not had it.
fn check_passing(view: &ObjectionView, ask: &Rule) -> Result<(), Problem> {
    let passes = ask.verdict == RulingVerdict::PassOn;
    let can =
        |to: &OrganisationId| *to != ask.by && *to != view.objection.body.consumer && !view.judges().contains(&to);
    let had = || {
        let had = view.judges().into_iter().map(OrganisationId::as_str).collect::<Vec<_>>().join(", ");
        unprocessable(
            "objection.passed_to",
            "/passed_to",
            format!("转办须指明源头部门，且不能是异议方或已办过的部门（{had}）"),
            format!("passing on names the source department; neither whoever objected nor one that had it: {had}"),
        )
    };
    ensure!(passes == ask.passed_to.is_some() && ask.passed_to.as_ref().is_none_or(can), had());
    Ok(())
}

fn too_many_rulings() -> Problem {
    Problem::new(
        Kind::Conflict,
        "objection.rulings",
        format!("一项异议至多有 {RULINGS_MAX} 次处理意见；请直接更正或维持"),
        format!("an objection has at most {RULINGS_MAX} rulings; correct it, or say that it is right"),
    )
}

fn to_carry_out() -> Problem {
    Problem::new(
        Kind::Conflict,
        "objection.ruled",
        "源头部门已更正；请在本方更正同一数据（verdict 为 correct），由此通知本方的接收方",
        "its source has corrected it; correct it here too (verdict correct), so that our recipients are told",
    )
}

/// Takes in the rulings on an objection: at whoever raised it, or at whoever passed it on. Where its source has
/// corrected what we passed on, it is ours again: to be corrected here, so that our own recipients hear of it. Twice is
/// once.
///
/// # Errors
/// `objection.missing`, `exchange.signature` for rulings that do not belong to it.
pub async fn take_rulings(
    tx: &mut Tx,
    permit: &Permit<TakeRulings>,
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let told = &permit.ask().rulings;
    let id = told.first().ok_or_else(foreign_ruling)?.body.objection;
    let (version, mut view) = load(tx, id).await?;
    let judged = check_rulings(&view.objection, told)?;
    let shared = view.rulings.len().min(told.len());
    ensure!(view.rulings[..shared] == told[..shared], foreign_ruling());
    if told.len() == shared {
        return Ok(());
    }
    for ruling in &told[shared..] {
        document_leaf(tx, "ruling", &id.to_string(), ruling, (salt, now)).await?;
        view.rulings.push(ruling.clone());
        let title = crate::objection_view::ruled_title(&ruling.body);
        let role = if view.side == ObjectionSide::Raised { Role::Requester } else { Role::ProviderOfficer };
        let kind = format!("objection-ruled-{}", view.rulings.len());
        letter::notify(tx, &Notice { about: id.to_string(), kind, role, title, due: None, at: now }).await?;
    }
    if view.side == ObjectionSide::Raised {
        view.stage = judged.stage;
    } else if judged.stage == ObjectionStage::Corrected && judged.next.as_ref() == Some(&permit.ask().us) {
        view.stage = ObjectionStage::Accepted;
    }
    set(tx, version, &view).await
}

/// A letter was heard: it is taken off the list, and what follows from that is noted.
///
/// # Errors
/// Those of the store.
pub async fn letter_heard(tx: &mut Tx, sent: &Outgoing, now: Timestamp) -> Result<(), Problem> {
    if letter::heard(tx, sent).await?
        && let Letter::Correction(it) = &sent.letter
    {
        correction::was_heard(tx, it.body.id, now).await?;
    }
    Ok(())
}

async fn shown(reader: &mut Reader, mut view: ObjectionView) -> Result<ObjectionView, Problem> {
    let id = view.id().to_string();
    view.corrections = correction::about(reader, &id).await?;
    view.undelivered = letter::undelivered(reader, &id).await?;
    for one in &view.corrections {
        view.undelivered.extend(letter::undelivered(reader, &one.correction.body.id.to_string()).await?);
    }
    let tellings = view.corrections.iter().map(|it| (it.correction.body.agreement, it.telling)).collect();
    view.closed = Case { stage: view.stage, tellings }.is_closed();
    Ok(view)
}

/// One objection with its corrections.
///
/// # Errors
/// `objection.missing`.
pub async fn objection(reader: &mut Reader, id: ObjectionId) -> Result<ObjectionView, Problem> {
    let view = load(reader, id).await?.1;
    shown(reader, view).await
}

/// The newest objections, at most 500.
///
/// # Errors
/// Those of the store.
pub async fn objections(reader: &mut Reader) -> Result<Vec<ObjectionView>, Problem> {
    let rows = reader.rows(OBJECTION_LIST, args![LIST_MAX]).await?;
    all_shown(reader, &rows).await
}

/// The objections that wait for a ruling of ours, oldest first, at most 500.
///
/// # Errors
/// Those of the store.
pub async fn objections_waiting(reader: &mut Reader) -> Result<Vec<ObjectionView>, Problem> {
    let rows = reader.rows(OBJECTION_WAITING, args![LIST_MAX]).await?;
    rows.iter().map(|it| it.json("document")).collect()
}

async fn all_shown(reader: &mut Reader, rows: &[Row]) -> Result<Vec<ObjectionView>, Problem> {
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let view = row.json("document")?;
        all.push(shown(reader, view).await?);
    }
    Ok(all)
}
