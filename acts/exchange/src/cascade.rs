//! Levels 级联: which neighbours on a request's way hear how it stands, and what platforms call it.
//!
//! Pure but for what stands at the end. Invariants, each with a property test:
//! - a story reaches everybody on the way up to whose turn it is, and its consumer, whatever is lost or comes twice;
//! - who has nothing new tells nobody, so that telling ends;
//! - a number that a level gave is never another one later.

use crate::{
    AccessRequest, Event, Letter, RequestView, Standing, letter,
    store::cascade::{NUMBER_ABOUT, NUMBER_ADD},
};
use ::store::{Reader, Tx, args};
use policy::AnswerStep;
use vocabulary::{OrganisationId, PlatformNumber, Problem, Timestamp, add_numbers};

/// Things found by one number at once at most.
const FOUND_MAX: u32 = 100;

/// Whom a request passes, its consumer first and its provider last, each once; empty for one without levels.
pub fn passage(request: &AccessRequest) -> Vec<&OrganisationId> {
    if request.way.is_empty() {
        return Vec::new();
    }
    let mut all = vec![&request.consumer];
    all.extend(request.way.iter().chain([&request.provider]));
    all.dedup();
    all
}

/// The authority on a request's way that answers on this level of the step; `None` without levels.
pub fn authority_at(request: &AccessRequest, level: u16) -> Option<&OrganisationId> {
    request.way.get(usize::from(level))
}

/// Where on `passage` somebody has to act, or acted last for good.
fn turn_on(passage: &[&OrganisationId], request: &AccessRequest, standing: &Standing) -> usize {
    let (last, step) = (passage.len().saturating_sub(1), |step: AnswerStep, level: u16| match step {
        AnswerStep::OwnDepartment => 0,
        AnswerStep::Provider => passage.len().saturating_sub(1),
        AnswerStep::Authority => {
            let who = authority_at(request, level);
            passage.iter().position(|it| Some(*it) == who).unwrap_or_default()
        }
    });
    match standing {
        Standing::Waiting { step: turn, level, .. } => step(*turn, *level),
        Standing::Agreed { .. } => last,
        // The asker supplements; of what is over those before hear, and nobody behind ever did.
        Standing::Supplement { .. } | Standing::Returned { .. } | Standing::Refused { .. } => 0,
    }
}

/// Which neighbours `own` tells a story that it has added to, or heard from `heard_from`.
pub fn to_tell<'a>(
    view: &'a RequestView,
    own: &OrganisationId,
    heard_from: Option<&OrganisationId>,
) -> Vec<&'a OrganisationId> {
    let request = &view.request.body;
    let passage = passage(request);
    let Some(place) = passage.iter().position(|it| *it == own) else { return Vec::new() };
    let forward = turn_on(&passage, request, &view.standing) > place;
    let before = place.checked_sub(1).and_then(|it| passage.get(it));
    let behind = passage.get(place + 1).filter(|_| forward);
    before.into_iter().chain(behind).copied().filter(|it| Some(*it) != heard_from).collect()
}

/// Whether `from` may bring `own` a story: without levels its consumer alone, else a neighbour on the way.
pub(crate) fn may_bring(request: &AccessRequest, own: &OrganisationId, from: &OrganisationId) -> bool {
    let passage = passage(request);
    if passage.is_empty() {
        return *from == request.consumer;
    }
    passage.windows(2).any(|it| [it[0], it[1]] == [own, from] || [it[0], it[1]] == [from, own])
}

/// Who stands before `own` on the way: files of a request are fetched from there. Its consumer, without levels.
pub fn before<'a>(request: &'a AccessRequest, own: &OrganisationId) -> &'a OrganisationId {
    let passage = passage(request);
    let place = passage.iter().position(|it| *it == own).and_then(|it| it.checked_sub(1));
    place.and_then(|it| passage.get(it)).copied().unwrap_or(&request.consumer)
}

/// All numbers that a request and the answers to it carry.
///
/// # Errors
/// `number.rewritten`, `number.form`, `number.too_many`.
pub fn numbers(request: &AccessRequest, events: &[Event]) -> Result<Vec<PlatformNumber>, Problem> {
    let mut all = Vec::new();
    add_numbers(&mut all, &request.numbers)?;
    for event in events {
        if let Event::Answered(answer) = event {
            add_numbers(&mut all, &answer.body.numbers)?;
        }
    }
    Ok(all)
}

/// Puts a story on its way to the neighbours that have to hear it.
pub(crate) async fn tell(
    tx: &mut Tx,
    view: &RequestView,
    (own, heard_from): (&OrganisationId, Option<&OrganisationId>),
    now: Timestamp,
) -> Result<(), Problem> {
    let about = view.request.body.id.to_string();
    for peer in to_tell(view, own, heard_from) {
        letter::send(tx, &about, peer, &Letter::Story(Box::new(view.clone().bare())), now).await?;
    }
    Ok(())
}

/// Tells a neighbour more than it told.
pub(crate) async fn tell_back(
    tx: &mut Tx,
    view: &RequestView,
    peer: &OrganisationId,
    now: Timestamp,
) -> Result<(), Problem> {
    if view.request.body.way.is_empty() {
        // Without levels the answer to its message says it.
        return Ok(());
    }
    let story = Letter::Story(Box::new(view.clone().bare()));
    letter::send(tx, &view.request.body.id.to_string(), peer, &story, now).await
}

/// Notes numbers, so that what they are about is found by them.
pub(crate) async fn note_numbers(tx: &mut Tx, about: &str, numbers: &[PlatformNumber]) -> Result<(), Problem> {
    for one in numbers {
        let kind = crate::store::text(&one.kind)?;
        let args = args![&one.number, about, kind.trim_matches('"'), one.by.as_str()];
        tx.execute(NUMBER_ADD, args).await?;
    }
    Ok(())
}

/// What bears a number: ids of requests and agreements, behind the id `after`; at most 100.
///
/// # Errors
/// Those of the store.
pub async fn numbered(reader: &mut Reader, number: &str, after: &str) -> Result<Vec<String>, Problem> {
    let rows = reader.rows(NUMBER_ABOUT, args![number, after, FOUND_MAX]).await?;
    rows.iter().map(|it| it.text("about").map(str::to_owned)).collect()
}
