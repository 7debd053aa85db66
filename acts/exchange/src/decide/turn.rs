//! Whose turn it was, from when until when: what clocks of working days are read from. Nothing of it is stored but when
//! this node heard of each event.
//!
//! Pure. Invariants, each with a property test:
//! - turns follow the offer's steps, and none begins before the one ahead of it was answered;
//! - a clock runs exactly while its step is waited for: it stands still during a supplement, and ends with the answer;
//! - whatever times stand in the events, no run ends before it began.

use crate::{AccessRequest, Event, Standing, Verdict, decide};
use calendar::{Reading, Run};
use policy::AnswerStep;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Bilingual, OrganisationId, Problem, Timestamp};

/// One step's turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerTurn {
    /// Whose.
    pub step: AnswerStep,
    /// The how-many-eth authority on the way, from 0.
    pub level: u16,
    /// When it was waited for.
    pub runs: Vec<Run>,
    /// When it answered for good.
    pub answered: Option<Timestamp>,
}

/// What a clock is of: the term of law, or what the platform promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClockKind {
    /// 法定时限, or the rule where law says nothing.
    Statutory,
    /// 承诺时限.
    Promised,
}

/// A clock of one step as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepClock {
    /// Whose.
    pub step: AnswerStep,
    /// The organisation whose turn it is or was.
    pub who: OrganisationId,
    /// Of what.
    pub kind: ClockKind,
    /// The term.
    pub working_days: u16,
    /// The legal basis, or the rule.
    pub basis: Bilingual,
    /// What it shows.
    pub reading: Reading,
}

/// An answer of which this node heard so much later than it says, in seconds, counts from when it was heard: the time
/// that stands in it is its writer's word.
const SAID_SECONDS_MAX: i64 = 86_400;

/// The turns of a request so far. `heard` says when this node heard of its first so many events; where it does not
/// know, the event's own time counts. What is dated before what came ahead of it counts as at the same moment, and what
/// is dated ahead counts from when it was heard.
///
/// # Errors
/// As [`crate::standing`].
pub fn turns(
    request: &AccessRequest,
    steps: &[AnswerStep],
    events: &[Event],
    heard: impl Fn(usize) -> Option<Timestamp>,
) -> Result<Vec<AnswerTurn>, Problem> {
    let mut turns: Vec<AnswerTurn> = Vec::new();
    let mut behind = Timestamp::MIN;
    for count in 0..=events.len() {
        let said = match count.checked_sub(1).and_then(|it| events.get(it)) {
            None => request.at,
            Some(Event::Answered(it)) => it.body.at,
            Some(Event::Supplemented(it)) => it.body.at,
        };
        let known = heard(count);
        // It was there when the first known one after it was heard.
        let said = (count..=events.len()).find_map(&heard).map_or(said, |it| said.min(it));
        let said = known.filter(|it| it.as_second() - said.as_second() > SAID_SECONDS_MAX).unwrap_or(said).max(behind);
        let from = known.unwrap_or(said).max(said);
        behind = said;
        let now = decide::standing(request, steps, &events[..count])?;
        let answered = count > 0
            && matches!(&events[count - 1], Event::Answered(it)
                if !matches!(it.body.verdict, Verdict::Accept | Verdict::Supplement));
        if let Some(turn) = turns.last_mut() {
            if answered {
                turn.answered = Some(said);
            } else if let (Standing::Supplement { .. }, Some(run)) = (&now, turn.runs.last_mut()) {
                run.until = Some(said);
            }
        }
        let Standing::Waiting { step, level, .. } = now else { continue };
        behind = from;
        match turns.last_mut().filter(|it| (it.step, it.level) == (step, level) && it.answered.is_none()) {
            None => turns.push(AnswerTurn { step, level, runs: vec![Run { from, until: None }], answered: None }),
            Some(turn) if turn.runs.last().is_some_and(|it| it.until.is_some()) => {
                turn.runs.push(Run { from, until: None });
            }
            Some(_) => {}
        }
    }
    Ok(turns)
}
