//! Reminders: what turns yellow, red or overdue is told once to the people whose turn it is; what is late beyond that
//! is told to the authority in charge by whoever waits for it.

use crate::{Organisation, draw_salt, requests::in_charge};
use calendar::{Light, Reading};
use exchange::{ClockKind, Escalate, Escalation, Notice, ObjectionView, RequestId, RequestView, Signed, Waits};
use policy::{AnswerStep, Principal, Role};
use serde::Deserialize;
use std::collections::BTreeMap;
use store::transact;
use vocabulary::{Bilingual, OrganisationId, Problem, Timestamp};

/// Requests that are looked through for one question at most; past it the oldest are shown.
const WAITING_MAX: usize = 5_000;
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
    /// `request` or `objection`, and the step.
    step: String,
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
    /// beyond that; says how many there were.
    ///
    /// # Errors
    /// Those of the store; a node that gives no news is taken at what is known of it.
    pub async fn remind(&self) -> Result<usize, Problem> {
        let mut done = 0;
        for view in self.all_waiting().await? {
            let Some((step, who, reading)) = current(&view) else { continue };
            let about = view.request.body.id.to_string();
            let task = Task { about, step: Waits::Step(step).word().to_owned(), who, role: role_of(step), reading };
            done += self.remind_of(&task).await?;
            if view.request.body.consumer == *self.id() && self.is_late(&task) {
                // Perhaps it was answered and nobody has told us.
                match self.followed(view.request.body.id).await {
                    Ok(news) if news.events.len() > view.events.len() => continue,
                    Ok(_) => {}
                    Err(problem) => tracing::info!(request = %task.about, %problem, "no news of a request"),
                }
                done += self.escalate(&task).await?;
            }
        }
        let mut reader = self.store.read().await?;
        let ours = exchange::objections_waiting(&mut reader).await?;
        let theirs = exchange::objections_unruled(&mut reader).await?;
        drop(reader);
        for view in ours {
            if let Some(task) = self.objection_task(view, self.id().clone())? {
                done += self.remind_of(&task).await?;
            }
        }
        for view in theirs {
            let provider = view.objection.body.provider.clone();
            if let Some(task) = self.objection_task(view, provider)?
                && self.is_late(&task)
            {
                done += self.escalate(&task).await?;
            }
        }
        Ok(done)
    }

    fn objection_task(&self, view: ObjectionView, who: OrganisationId) -> Result<Option<Task>, Problem> {
        let about = view.objection.body.id.to_string();
        let view = self.objection_clocked(view)?;
        let clock = view.clocks.into_iter().find(|it| it.kind == ClockKind::Statutory);
        let task = |reading| Task { about, step: "objection".to_owned(), who, role: Role::ProviderOfficer, reading };
        Ok(clock.map(|it| task(it.reading)))
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

    async fn escalate(&self, task: &Task) -> Result<usize, Problem> {
        let Ok(authority) = self.members().and_then(|it| in_charge(&it, self.id())) else { return Ok(0) };
        let Some(due) = task.reading.due else { return Ok(0) };
        let now = self.now();
        let escalation = Escalation {
            format: "yunhe-escalation/1".to_owned(),
            about: task.about.clone(),
            step: task.step.clone(),
            who: task.who.clone(),
            by: self.id().clone(),
            due: due.day,
            late: task.reading.late,
            at: now,
        };
        let notice = exchange::told(&escalation, Role::Requester, now);
        if exchange::noticed(&mut self.store.read().await?, &notice).await? {
            return Ok(0);
        }
        let escalation = Signed::sign(escalation, &*self.message_key())?;
        let job = self.job("remind", [Role::Requester]);
        let permit = self.permit(&job, Escalate { escalation, authority })?;
        let salt = draw_salt()?;
        let new = transact!(self.store, None, |tx| exchange::escalate(tx, &permit, salt, now).await)?;
        self.tell_letters_now().await;
        Ok(usize::from(new))
    }
}

/// The step that a request waits for, whose that is, and what its statutory clock shows.
fn current(view: &RequestView) -> Option<(AnswerStep, OrganisationId, Reading)> {
    let clocks = view.clocks.iter().rev();
    let clock = clocks.into_iter().find(|it| it.kind == ClockKind::Statutory && it.reading.in_time.is_none())?;
    Some((clock.step, clock.who.clone(), clock.reading.clone()))
}
