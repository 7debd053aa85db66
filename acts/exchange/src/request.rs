//! Requests as each side keeps them: the signed request, the steps, and what has happened, in order.

use crate::{
    AccessRequest, Answer, Attachment, Event, RequestId, Signed, Standing, StepClock, Supplement, Undelivered, Verdict,
    cascade, decide,
    store::{
        HEARD_ADD, HEARD_LIST, REQUEST_ADD, REQUEST_GET, REQUEST_LIST, REQUEST_NOTE, REQUEST_SET, REQUEST_UNNOTED,
        REQUEST_UNSIGNED, REQUEST_WAITING, text,
    },
};
use ::store::{Reader, Row, Tx, args};
use policy::{AnswerStep, Ask, Need, Permit, Role};
use schema::FieldName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use signing::Signer;
use std::collections::BTreeMap;
use vocabulary::{
    Date, Kind, OperationName, OrganisationId, PlatformNumber, Problem, Timestamp, ensure, micros,
    timestamp_from_micros,
};

/// Requests listed at once at most.
const LIST_MAX: u32 = 500;

/// A request with its whole story.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestView {
    /// The request as the consumer signed it.
    pub request: Signed<AccessRequest>,
    /// Who answers, in turn.
    pub steps: Vec<AnswerStep>,
    /// What has happened.
    pub events: Vec<Event>,
    /// Where it stands.
    pub standing: Standing,
    /// By when each step has to answer (statutory working days), from when it was its turn. Made when it is shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub due: BTreeMap<AnswerStep, Date>,
    /// Every clock of every turn so far. Made when it is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<StepClock>,
    /// Neighbours on its way that have not heard yet how it stands. Made when it is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undelivered: Vec<Undelivered>,
}

impl RequestView {
    /// As it is kept and as it travels: without what is made when it is shown.
    #[must_use]
    pub fn bare(self) -> Self {
        Self { due: BTreeMap::new(), clocks: Vec::new(), undelivered: Vec::new(), ..self }
    }

    /// For whom it waits.
    pub fn waits(&self) -> Waits {
        match &self.standing {
            Standing::Waiting { step, .. } => Waits::Step(*step),
            Standing::Supplement { .. } => Waits::Supplement,
            Standing::Agreed { .. } => Waits::Signature,
            Standing::Returned { .. } | Standing::Refused { .. } => Waits::Nobody,
        }
    }
}

/// For whom a request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Waits {
    /// For an answer of this step.
    Step(AnswerStep),
    /// For the asker's supplement.
    Supplement,
    /// For the asker's signature under the agreement.
    Signature,
    /// It is over.
    Nobody,
}

impl Waits {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Step(AnswerStep::OwnDepartment) => "own-department",
            Self::Step(AnswerStep::Authority) => "authority",
            Self::Step(AnswerStep::Provider) => "provider",
            Self::Supplement => "supplement",
            Self::Signature => "signature",
            Self::Nobody => "over",
        }
    }
}

/// Sends a request: asked by a person or program of the consumer.
#[derive(Debug)]
pub struct Submit {
    /// The signed request.
    pub request: Signed<AccessRequest>,
    /// Who answers, in turn: as the offer says.
    pub steps: Vec<AnswerStep>,
}

impl Ask for Submit {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::Requester, Role::Application])
    }
}

/// Takes in a request from another member's node, with what has happened to it so far.
#[derive(Debug)]
pub struct Receive {
    /// The request's story as it is told; its signatures are checked already.
    pub view: RequestView,
    /// Who tells it.
    pub from: OrganisationId,
    /// Whom it is told.
    pub own: OrganisationId,
}

impl Ask for Receive {
    fn need(&self) -> Need<'_> {
        Need::Member(&self.from)
    }
}

/// Answers a request on one step.
#[derive(Debug)]
pub struct AnswerAsk {
    /// Which request.
    pub request: RequestId,
    /// As which step.
    pub step: AnswerStep,
    /// By which organisation.
    pub by: OrganisationId,
    /// What it says.
    pub verdict: Verdict,
    /// Why.
    pub reason: Option<String>,
    /// Which columns stay.
    pub columns: Option<Vec<FieldName>>,
    /// Which operations of a service stay.
    pub operations: Option<Vec<OperationName>>,
    /// What platforms call it.
    pub numbers: Vec<PlatformNumber>,
}

impl Ask for AnswerAsk {
    fn need(&self) -> Need<'_> {
        Need::Role(match self.step {
            AnswerStep::OwnDepartment => &[Role::Checker],
            AnswerStep::Authority => &[Role::Approver],
            AnswerStep::Provider => &[Role::ProviderOfficer],
        })
    }
}

/// Supplements a request after 补正.
#[derive(Debug)]
pub struct SupplementAsk {
    /// Which request.
    pub request: RequestId,
    /// What was missing.
    pub note: String,
    /// Files that were.
    pub attachments: Vec<Attachment>,
}

impl Ask for SupplementAsk {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::Requester, Role::Application])
    }
}

/// There is no such request.
pub fn no_request(id: RequestId) -> Problem {
    Problem::new(
        Kind::Missing,
        "exchange.request_missing",
        format!("没有申请 {id}"),
        format!("there is no request {id}"),
    )
}

fn late() -> Problem {
    Problem::new(
        Kind::Conflict,
        "exchange.turn",
        "该申请刚被他人处理；请刷新后再试",
        "somebody else has just acted on this request; look again",
    )
}

pub(crate) async fn add(tx: &mut Tx, view: &RequestView, now: Timestamp) -> Result<bool, Problem> {
    let body = &view.request.body;
    let args = args![
        body.id.to_string(),
        body.consumer.as_str(),
        body.provider.as_str(),
        body.offer.as_str(),
        text(view)?,
        micros(now),
        view.waits().word()
    ];
    let new = tx.execute(REQUEST_ADD, args).await? == 1;
    if new {
        hear(tx, view, now).await?;
        note(tx, view).await?;
    }
    Ok(new)
}

/// Keeps a new request at the consumer.
///
/// # Errors
/// `exchange.request_exists`.
pub async fn submit(tx: &mut Tx, permit: &Permit<Submit>, now: Timestamp) -> Result<RequestView, Problem> {
    let Submit { request, steps } = permit.ask();
    let standing = decide::start(&request.body, steps);
    let view = RequestView {
        request: request.clone(),
        steps: steps.clone(),
        events: Vec::new(),
        standing,
        due: BTreeMap::new(),
        clocks: Vec::new(),
        undelivered: Vec::new(),
    };
    ensure!(add(tx, &view, now).await?, exists(request.body.id));
    cascade::tell(tx, &view, (&permit.principal().organisation, None), now).await?;
    Ok(view)
}

fn exists(id: RequestId) -> Problem {
    Problem::new(
        Kind::Conflict,
        "exchange.request_exists",
        format!("申请 {id} 已存在"),
        format!("request {id} is there already"),
    )
}

/// Keeps a request that another member sent, or brings our copy up to what it tells; answers that we gave stay.
///
/// What is news here goes on to the other neighbour on its way; who told less than is known here hears the rest.
///
/// # Errors
/// `exchange.turn` and its kin when the story does not hold together; `exchange.story` when it contradicts ours;
/// `exchange.way` when it is brought by somebody who does not stand next to us on its way.
pub async fn receive(tx: &mut Tx, permit: &Permit<Receive>, now: Timestamp) -> Result<RequestView, Problem> {
    let Receive { view, from, own } = permit.ask();
    ensure!(cascade::may_bring(&view.request.body, own, from), not_next(from));
    let told = checked(view.clone())?;
    if add(tx, &told, now).await? {
        cascade::tell(tx, &told, (own, Some(from)), now).await?;
        return Ok(told);
    }
    let before = request(tx, told.request.body.id).await?.events.len();
    let view = merge(tx, &told, now).await?;
    if view.events.len() > before {
        cascade::tell(tx, &view, (own, Some(from)), now).await?;
    } else if view.events.len() > told.events.len() {
        cascade::tell_back(tx, &view, from, now).await?;
    }
    Ok(view)
}

fn not_next(from: &OrganisationId) -> Problem {
    Problem::new(
        Kind::Refused,
        "exchange.way",
        format!("{from} 在该申请的流转路径上不与本单位相邻"),
        format!("{from} does not stand next to us on the way of this request"),
    )
}

pub(crate) fn checked(view: RequestView) -> Result<RequestView, Problem> {
    let mut view = view.bare();
    view.standing = decide::standing(&view.request.body, &view.steps, &view.events)?;
    Ok(view)
}

/// Takes over the longer of two stories, one of which must begin with the other.
///
/// # Errors
/// `exchange.story` when neither does; `exchange.request_missing`.
pub async fn merge(tx: &mut Tx, told: &RequestView, now: Timestamp) -> Result<RequestView, Problem> {
    let id = told.request.body.id;
    let (version, ours) = load(tx, id).await?.ok_or_else(|| no_request(id))?;
    let same = ours.request == told.request && ours.steps == told.steps;
    let shared = ours.events.len().min(told.events.len());
    ensure!(
        same && ours.events[..shared] == told.events[..shared],
        Problem::new(
            Kind::Conflict,
            "exchange.story",
            format!("申请 {id} 的经过与本方所存不符"),
            format!("what is told of request {id} contradicts what is kept here"),
        )
    );
    if told.events.len() <= ours.events.len() {
        return Ok(ours);
    }
    let view = checked(told.clone())?;
    set(tx, version, &view, now).await?;
    Ok(view)
}

async fn load(reader: &mut Reader, id: RequestId) -> Result<Option<(i64, RequestView)>, Problem> {
    let row = reader.row(REQUEST_GET, args![id.to_string()]).await?;
    row.map(|it| Ok((it.int("version")?, kept(&it)?))).transpose()
}

fn kept(row: &Row) -> Result<RequestView, Problem> {
    Ok(row.json::<RequestView>("document")?.bare())
}

async fn set(tx: &mut Tx, version: i64, view: &RequestView, now: Timestamp) -> Result<(), Problem> {
    let id = view.request.body.id.to_string();
    let changed = tx.execute(REQUEST_SET, args![id, version, text(view)?, view.waits().word()]).await?;
    ensure!(changed == 1, late());
    note(tx, view).await?;
    hear(tx, view, now).await
}

async fn note(tx: &mut Tx, view: &RequestView) -> Result<(), Problem> {
    let numbers = cascade::numbers(&view.request.body, &view.events)?;
    cascade::note_numbers(tx, &view.request.body.id.to_string(), &numbers).await
}

/// Notes that this node has heard of that many events.
async fn hear(tx: &mut Tx, view: &RequestView, now: Timestamp) -> Result<(), Problem> {
    let events = i64::try_from(view.events.len()).unwrap_or(i64::MAX);
    tx.execute(HEARD_ADD, args![view.request.body.id.to_string(), events, micros(now)]).await.map(|_| ())
}

/// When this node heard of a request's first so many events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard(BTreeMap<usize, Timestamp>);

impl Heard {
    /// Of the first `events`; none where it was not noted.
    pub fn of(&self, events: usize) -> Option<Timestamp> {
        self.0.get(&events).copied()
    }
}

/// When this node heard of a request's events.
///
/// # Errors
/// Those of the store.
pub async fn heard(reader: &mut Reader, id: RequestId) -> Result<Heard, Problem> {
    let rows = reader.rows(HEARD_LIST, args![id.to_string()]).await?;
    let times = rows
        .iter()
        .map(|it| Ok((usize::try_from(it.int("events")?).unwrap_or(0), timestamp_from_micros(it.int("at")?)?)));
    times.collect::<Result<_, Problem>>().map(Heard)
}

/// The requests that wait so, oldest first, behind `after`; at most 500.
///
/// # Errors
/// Those of the store.
pub async fn waiting(
    reader: &mut Reader,
    waits: Waits,
    after: Option<(Timestamp, RequestId)>,
) -> Result<Vec<RequestView>, Problem> {
    let (at, id) = after.map_or((i64::MIN, String::new()), |(at, id)| (micros(at), id.to_string()));
    let rows = match waits {
        Waits::Signature => reader.rows(REQUEST_UNSIGNED, args![at, id, LIST_MAX]).await?,
        waits => reader.rows(REQUEST_WAITING, args![waits.word(), at, id, LIST_MAX]).await?,
    };
    rows.iter().map(kept).collect()
}

/// Notes for whom requests wait that were kept before that was noted; says of how many, at most 500 at once.
///
/// # Errors
/// Those of the store.
pub async fn note_waits(tx: &mut Tx) -> Result<usize, Problem> {
    let rows = tx.rows(REQUEST_UNNOTED, args![LIST_MAX]).await?;
    for row in &rows {
        tx.execute(REQUEST_NOTE, args![row.text("id")?, kept(row)?.waits().word()]).await?;
    }
    Ok(rows.len())
}

/// Answers a request; the answer is signed by the organisation.
///
/// # Errors
/// `exchange.turn`, `exchange.reason`, `exchange.columns`, `exchange.request_missing`.
pub async fn answer(
    tx: &mut Tx,
    permit: &Permit<AnswerAsk>,
    signer: &dyn Signer,
    now: Timestamp,
) -> Result<RequestView, Problem> {
    let ask = permit.ask();
    let (version, mut view) = load(tx, ask.request).await?.ok_or_else(|| no_request(ask.request))?;
    let answer = Answer {
        format: "yunhe-answer/1".to_owned(),
        request: ask.request,
        request_digest: view.request.digest()?,
        step: ask.step,
        by: ask.by.clone(),
        verdict: ask.verdict,
        reason: ask.reason.clone(),
        columns: ask.columns.clone(),
        operations: ask.operations.clone(),
        numbers: ask.numbers.clone(),
        at: now,
    };
    view.events.push(Event::Answered(Box::new(Signed::sign(answer, signer)?)));
    let view = checked(view)?;
    set(tx, version, &view, now).await?;
    cascade::tell(tx, &view, (&ask.by, None), now).await?;
    Ok(view)
}

/// Supplements a request.
///
/// # Errors
/// `exchange.turn`, `exchange.request_missing`.
pub async fn supplement(
    tx: &mut Tx,
    permit: &Permit<SupplementAsk>,
    signer: &dyn Signer,
    now: Timestamp,
) -> Result<RequestView, Problem> {
    let ask = permit.ask();
    let (version, mut view) = load(tx, ask.request).await?.ok_or_else(|| no_request(ask.request))?;
    let supplement = Supplement {
        format: "yunhe-supplement/1".to_owned(),
        request: ask.request,
        request_digest: view.request.digest()?,
        note: ask.note.clone(),
        attachments: ask.attachments.clone(),
        at: now,
    };
    view.events.push(Event::Supplemented(Signed::sign(supplement, signer)?));
    let view = checked(view)?;
    set(tx, version, &view, now).await?;
    cascade::tell(tx, &view, (&permit.principal().organisation, None), now).await?;
    Ok(view)
}

/// One request.
///
/// # Errors
/// `exchange.request_missing`.
pub async fn request(reader: &mut Reader, id: RequestId) -> Result<RequestView, Problem> {
    Ok(load(reader, id).await?.ok_or_else(|| no_request(id))?.1)
}

/// The newest requests, at most 500.
///
/// # Errors
/// Those of the store.
pub async fn requests(reader: &mut Reader) -> Result<Vec<RequestView>, Problem> {
    reader.rows(REQUEST_LIST, args![LIST_MAX]).await?.iter().map(kept).collect()
}
