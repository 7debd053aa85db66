//! Clocks of working days on what waits: read anew each time, from what came when and the calendar as it is now.

use crate::{Organisation, Packs, requests::authority};
use calendar::{Calendar, Clock, Reading, Run};
use exchange::{AccessRequest, AnswerTurn, ClockKind, Heard, RequestView, StepClock};
use pack::Deadlines;
use policy::AnswerStep;
use vocabulary::{OrganisationId, Problem, Timestamp};

/// When a clock ran, and when it was answered.
pub(crate) struct Ran<'a> {
    pub runs: &'a [Run],
    pub answered: Option<Timestamp>,
}

impl Packs {
    /// The terms, and the calendar that counts them; `None` where no pack says.
    pub(crate) fn deadlines(&self) -> Option<(&Deadlines, &Calendar)> {
        let deadlines = self.all.iter().flat_map(|it| &it.deadlines).next()?;
        let calendar = self.all.iter().flat_map(|it| &it.calendars).find(|it| it.calendar == deadlines.calendar)?;
        Some((deadlines, calendar))
    }

    /// What a clock of so many working days shows.
    pub(crate) fn reading(&self, working_days: u16, ran: &Ran<'_>, now: Timestamp) -> Option<Reading> {
        let (deadlines, calendar) = self.deadlines()?;
        let clock = Clock { working_days, runs: ran.runs, answered: ran.answered, signals: deadlines.signals };
        Some(calendar::read(calendar, &clock, now))
    }

    /// The clocks of one turn.
    fn of_turn(&self, turn: &AnswerTurn, who: &OrganisationId, now: Timestamp) -> Vec<StepClock> {
        let Some(term) = self.deadlines().and_then(|(it, _)| it.term(turn.step)) else { return Vec::new() };
        let statutory = (ClockKind::Statutory, term.working_days);
        let promised = term.promised.map(|it| (ClockKind::Promised, it));
        let ran = Ran { runs: &turn.runs, answered: turn.answered };
        let mut clocks = Vec::new();
        for (kind, working_days) in [Some(statutory), promised].into_iter().flatten() {
            if let Some(reading) = self.reading(working_days, &ran, now) {
                let (step, basis) = (turn.step, term.basis.clone());
                clocks.push(StepClock { step, who: who.clone(), kind, working_days, basis, reading });
            }
        }
        clocks
    }
}

impl Organisation {
    /// A request with its clocks as they are now.
    pub(crate) async fn with_clocks(&self, view: RequestView) -> Result<RequestView, Problem> {
        let (mut reader, id) = (self.store.read().await?, view.request.body.id);
        let heard = exchange::heard(&mut reader, id).await?;
        let mut view = self.clocked(view, &heard)?;
        view.undelivered = exchange::undelivered(&mut reader, &id.to_string()).await?;
        Ok(view)
    }

    /// Requests with their clocks.
    pub(crate) async fn all_with_clocks(&self, views: Vec<RequestView>) -> Result<Vec<RequestView>, Problem> {
        let mut reader = self.store.read().await?;
        let mut all = Vec::with_capacity(views.len());
        for view in views {
            let heard = exchange::heard(&mut reader, view.request.body.id).await?;
            all.push(self.clocked(view, &heard)?);
        }
        Ok(all)
    }

    /// The organisation that answers a request on that step.
    pub(crate) fn who_answers(&self, request: &AccessRequest, turn: &AnswerTurn) -> Option<OrganisationId> {
        match turn.step {
            AnswerStep::OwnDepartment => Some(request.consumer.clone()),
            AnswerStep::Provider => Some(request.provider.clone()),
            AnswerStep::Authority if !request.way.is_empty() => exchange::authority_at(request, turn.level).cloned(),
            AnswerStep::Authority => self.members().and_then(|it| authority(&it)).ok(),
        }
    }

    fn clocked(&self, mut view: RequestView, heard: &Heard) -> Result<RequestView, Problem> {
        let (packs, now) = (self.packs(), self.now());
        let body = &view.request.body;
        let turns = exchange::turns(body, &view.steps, &view.events, |it| heard.of(it))?;
        (view.due, view.clocks, view.undelivered) = Default::default();
        for turn in &turns {
            let Some(who) = self.who_answers(body, turn) else { continue };
            view.clocks.extend(packs.of_turn(turn, &who, now));
        }
        let statutory = view.clocks.iter().filter(|it| it.kind == ClockKind::Statutory);
        view.due = statutory.filter_map(|it| Some((it.step, it.reading.due?.day))).collect();
        Ok(view)
    }
}
