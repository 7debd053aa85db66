//! Reminders: what turns yellow, red or overdue is told once to the people whose turn it is; what is late beyond that
//! is told to the authority in charge by whoever waits for it.

use crate::{Organisation, draw_salt, requests::in_charge};
use calendar::{Light, Reading};
use exchange::{
    ClockKind, Escalate, Escalation, Notice, ObjectionSide, ObjectionView, RequestId, RequestView, Signed, Waits,
};
use policy::{AnswerStep, Principal, Role};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{MutexGuard, PoisonError},
};
use store::transact;
use vocabulary::{Bilingual, Kind, OrganisationId, Problem, Timestamp};

/// Requests that are looked through for one question at most; past it the oldest are shown.
const WAITING_MAX: usize = 5_000;
/// News of a request of whose delay the authority knows is asked for this often.
const ASK_AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);
/// The steps that people answer on.
const STEPS: [AnswerStep; 3] = [AnswerStep::OwnDepartment, AnswerStep::Authority, AnswerStep::Provider];

/// Which requests.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestsAsk {
    /// Only those that wait for this role here.
    #[serde(default)]
    pub waiting_for: Option<Role>,
    /// Only those that wait for a role of the caller's.
    #[serde(default)]
    pub mine: bool,
    /// Only those whose term is over, ours and those that we wait for.
    #[serde(default)]
    pub overdue: bool,
}

/// Something that waits, with its clock.
struct Task {
    about: String,
    /// The step of a request, or of an objection.
    step: &'static str,
    who: OrganisationId,
    role: Role,
    reading: Reading,
}

fn role_of(step: AnswerStep) -> Role {
    match step {
        AnswerStep::OwnDepartment => Role::Checker,
        AnswerStep::Authority => Role::Approver,
        AnswerStep::Provider => Role::ProviderOfficer,
    }
}

impl Organisation {
    /// The requests asked for: the newest 500, or exactly those that wait so, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn requests_asked(&self, principal: &Principal, ask: &RequestsAsk) -> Result<Vec<RequestView>, Problem> {
        let mut views = match (ask.waiting_for, ask.mine) {
            (None, false) if !ask.overdue => return self.requests().await,
            (None, false) => self.all_waiting().await?,
            (Some(role), _) => self.waiting_for(role).await?,
            (None, true) => {
                let mut all = BTreeMap::new();
                for role in &principal.roles {
                    let of_role = self.waiting_for(*role).await?;
                    all.extend(of_role.into_iter().map(|it| ((it.request.body.at, it.request.body.id), it)));
                }
                all.into_values().collect()
            }
        };
        if ask.overdue {
            // Of a request that is neither ours to answer nor of ours nobody tells us how it goes on.
            let told = |it: &RequestView, who: &OrganisationId| [who, &it.request.body.consumer].contains(&self.id());
            views.retain(|it| current(it).is_some_and(|(_, who, reading)| reading.late > 0 && told(it, &who)));
        }
        Ok(views)
    }

    /// The requests that wait for this role at this organisation.
    async fn waiting_for(&self, role: Role) -> Result<Vec<RequestView>, Problem> {
        let mut views = Vec::new();
        for waits in [
            (Role::Checker, Waits::Step(AnswerStep::OwnDepartment)),
            (Role::Approver, Waits::Step(AnswerStep::Authority)),
            (Role::ProviderOfficer, Waits::Step(AnswerStep::Provider)),
            (Role::Requester, Waits::Supplement),
            (Role::Requester, Waits::Signature),
        ] {
            if waits.0 == role {
                views.extend(self.waits(waits.1).await?.into_iter().filter(|it| self.is_to_act(it, waits.1)));
            }
        }
        self.all_with_clocks(views).await
    }

    fn is_to_act(&self, view: &RequestView, waits: Waits) -> bool {
        let body = &view.request.body;
        match waits {
            Waits::Step(AnswerStep::Authority) => self.is_authority_of(view),
            Waits::Step(AnswerStep::Provider) => body.provider == *self.id(),
            _ => body.consumer == *self.id(),
        }
    }

    /// Every request known here that some step has to answer, with its clocks.
    async fn all_waiting(&self) -> Result<Vec<RequestView>, Problem> {
        let mut views = Vec::new();
        for step in STEPS {
            views.extend(self.waits(Waits::Step(step)).await?);
        }
        self.all_with_clocks(views).await
    }

    async fn waits(&self, waits: Waits) -> Result<Vec<RequestView>, Problem> {
        let mut reader = self.store.read().await?;
        let (mut views, mut after): (Vec<RequestView>, Option<(Timestamp, RequestId)>) = (Vec::new(), None);
        while views.len() < WAITING_MAX {
            let page = exchange::waiting(&mut reader, waits, after).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.request.body.at, last.request.body.id));
            views.extend(page);
        }
        views.truncate(WAITING_MAX);
        Ok(views)
    }

    /// Gives the notices of clocks that have turned, each once, and tells the authority in charge of what is late
    /// beyond that; says how many there were. Nobody else is asked before all of ours are reminded, nor twice where one
    /// did not answer.
    ///
    /// # Errors
    /// Those of the store; a node that gives no news is taken at what is known of it.
    pub async fn remind(&self) -> Result<usize, Problem> {
        let (mut done, mut late) = (0, Vec::new());
        for view in self.all_waiting().await? {
            let Some((step, who, reading)) = current(&view) else { continue };
            let about = view.request.body.id.to_string();
            let task = Task { about, step: Waits::Step(step).word(), who, role: role_of(step), reading };
            done += self.remind_of(&task).await?;
            if view.request.body.consumer == *self.id() {
                late.push((task, Some((view.request.body.id, view.events.len()))));
            }
        }
        let mut reader = self.store.read().await?;
        let ours = exchange::objections_waiting(&mut reader).await?;
        let theirs = exchange::objections_unruled(&mut reader).await?;
        drop(reader);
        for view in ours {
            if let Some(task) = self.objection_task(view, self.id().clone()) {
                done += self.remind_of(&task).await?;
            }
        }
        for view in theirs {
            let judge = view.judge().0.clone();
            late.extend(self.objection_task(view, judge).map(|it| (it, None)));
        }
        late.retain(|(task, _)| self.is_late(task));
        Ok(done + self.escalate_all(late).await?)
    }

    /// Tells the authority of what is late, after asking whoever lets us wait for news of a request. Of what it was
    /// told already, news is asked for once an hour.
    async fn escalate_all(&self, late: Vec<(Task, Option<(RequestId, usize)>)>) -> Result<usize, Problem> {
        let (mut done, mut silent) = (0, BTreeSet::new());
        self.asked().retain(|id, _| late.iter().any(|it| it.1.is_some_and(|it| it.0 == *id)));
        for (task, request) in late {
            let escalation = self.escalation(&task).await?;
            if let Some((id, known)) = request.filter(|it| escalation.is_some() || self.may_ask(it.0)) {
                // Perhaps it was answered and nobody has told us.
                let silent_before = silent.contains(&task.who);
                let news = if silent_before { Ok(None) } else { self.followed(id).await.map(Some) };
                match news {
                    Ok(Some(news)) if news.events.len() > known => continue,
                    Ok(_) => {}
                    Err(problem) => {
                        tracing::info!(request = %task.about, %problem, "no news of a request");
                        silent.extend((problem.kind == Kind::Unavailable).then(|| task.who.clone()));
                    }
                }
                self.asked().insert(id, self.now());
            }
            if let Some(escalation) = escalation {
                done += self.escalate(escalation).await?;
            }
        }
        Ok(done)
    }

    fn asked(&self) -> MutexGuard<'_, BTreeMap<RequestId, Timestamp>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether news of a request was not asked for within the hour.
    fn may_ask(&self, id: RequestId) -> bool {
        let again = |at: &Timestamp| self.now().duration_since(*at) >= ASK_AGAIN;
        self.asked().get(&id).is_none_or(again)
    }

    fn objection_task(&self, view: ObjectionView, who: OrganisationId) -> Option<Task> {
        let body = &view.objection.body;
        let step = if view.side == ObjectionSide::Raised && who != body.provider { "source" } else { "objection" };
        let about = body.id.to_string();
        let clocks = self.objection_clocked(view).clocks;
        let clock = clocks.into_iter().find(|it| it.kind == ClockKind::Statutory && it.reading.in_time.is_none())?;
        Some(Task { about, step, who, role: Role::ProviderOfficer, reading: clock.reading })
    }

    /// Whether somebody else lets us wait for so long that the authority hears of it.
    fn is_late(&self, task: &Task) -> bool {
        task.who != *self.id() && task.reading.light == Light::Escalated
    }

    async fn remind_of(&self, task: &Task) -> Result<usize, Problem> {
        let light = task.reading.light;
        if task.who != *self.id() || task.reading.stopped || light == Light::Green {
            return Ok(0);
        }
        let due = task.reading.due.map(|it| it.day);
        let (words, by) = (light.title(), due.map(|it| it.to_string()).unwrap_or_default());
        let title = Bilingual::new(
            format!("{}：{} 待办，期限 {by}", words.zh, task.about),
            format!("{}: {} waits, due on {by}", words.en, task.about),
        );
        let (about, kind) = (task.about.clone(), format!("clock-{}-{}", light.word(), task.step));
        let notice = Notice { about, kind, role: task.role, title, due, at: self.now() };
        if exchange::noticed(&mut self.store.read().await?, &notice).await? {
            return Ok(0);
        }
        let new = transact!(self.store, None, |tx| exchange::notify(tx, &notice).await)?;
        Ok(usize::from(new))
    }

    /// What the authority in charge is told of a task, unless it was told already.
    async fn escalation(&self, task: &Task) -> Result<Option<Escalation>, Problem> {
        let Some(due) = task.reading.due else { return Ok(None) };
        let escalation = Escalation {
            format: "yunhe-escalation/1".to_owned(),
            about: task.about.clone(),
            step: task.step.to_owned(),
            who: task.who.clone(),
            by: self.id().clone(),
            due: due.day,
            late: task.reading.late,
            at: self.now(),
        };
        let notice = exchange::told(&escalation, Role::Requester, escalation.at);
        let told = exchange::noticed(&mut self.store.read().await?, &notice).await?;
        Ok((!told).then_some(escalation))
    }

    async fn escalate(&self, escalation: Escalation) -> Result<usize, Problem> {
        let Ok(authority) = self.members().and_then(|it| in_charge(&it, self.id())) else { return Ok(0) };
        let (about, now) = (escalation.about.clone(), escalation.at);
        let escalation = Signed::sign(escalation, &*self.message_key())?;
        let job = self.job("remind", [Role::Requester]);
        let permit = self.permit(&job, Escalate { escalation, authority })?;
        let salt = draw_salt()?;
        let new = transact!(self.store, None, |tx| exchange::escalate(tx, &permit, salt, now).await)?;
        self.tell_letters_now(&about).await;
        Ok(usize::from(new))
    }
}

/// The step that a request waits for, whose that is, and what its statutory clock shows.
fn current(view: &RequestView) -> Option<(AnswerStep, OrganisationId, Reading)> {
    let clocks = view.clocks.iter().rev();
    let clock = clocks.into_iter().find(|it| it.kind == ClockKind::Statutory && it.reading.in_time.is_none())?;
    Some((clock.step, clock.who.clone(), clock.reading.clone()))
}
