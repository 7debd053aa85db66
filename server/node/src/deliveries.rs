//! Deliveries into tables, at the consumer: planned, shown, steered. A job carries them: `delivering.rs`.

use crate::{Organisation, draw_uuid, pulls::revoked, queries::not_ours, requests::from_json, tables::Table};
use exchange::{
    AgreementId, AgreementView, DeliveryId, Keep, Mode, NextRun, Plan, PlanView, Schedule, Side, Steer, Steering,
    Target, WorkingDays, next_run,
};
use peer::Call;
use policy::{AgreementState, Principal};
use schema::RecordType;
use serde::Deserialize;
use std::sync::Arc;
use store::transact;
use vocabulary::{Date, Problem, ResourceId, Timestamp, ensure};

/// Runs shown with a plan.
const RUNS_SHOWN_MAX: u32 = 20;

/// A delivery into a table, as somebody plans it.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanAsk {
    /// Its name.
    pub name: ResourceId,
    /// Under which agreement.
    pub agreement: AgreementId,
    /// Where the rows go.
    pub target: Target,
    /// What is carried over.
    pub mode: Mode,
    /// When: `every 5m`, `at 08:30 working-days`; left out: when somebody says so.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// Whether rows that stand in the target already may be replaced.
    #[serde(default)]
    pub takes_over: bool,
}

/// What somebody does to a plan.
#[derive(Clone, Copy, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunAsk {
    /// Whether the whole set is fetched, whatever is there: this mends a table that differs.
    #[serde(default)]
    pub anew: bool,
}

/// The working days of the packs' calendar.
struct Calendar<'a>(Option<&'a pack::Calendar>);

impl WorkingDays for Calendar<'_> {
    fn is_working(&self, day: Date) -> Option<bool> {
        let day = self.0?.on(day);
        (!day.estimated).then_some(day.working)
    }
}

impl Organisation {
    /// When a plan with this schedule runs next.
    pub(crate) fn next_run_of(&self, schedule: &Schedule, last: Option<Timestamp>, now: Timestamp) -> Option<NextRun> {
        let packs = self.packs();
        next_run(schedule, &Calendar(packs.all.iter().flat_map(|it| &it.calendars).next()), last, now)
    }

    /// In which shape rows come under an agreement of ours, as the provider says.
    pub(crate) async fn delivered_shape(&self, view: &AgreementView) -> Result<RecordType, Problem> {
        let agreement = &view.agreement.body;
        let call = Call::get(format!("/peer/v1/agreements/{}/shape", agreement.id));
        let answer = self.client.send(&self.peer(&agreement.provider)?, &call, self.now()).await?;
        let shape: RecordType = from_json(&answer.body)?;
        let told = shape.fields.keys().eq(agreement.terms.columns.iter()) && shape.name == agreement.terms.record;
        ensure!(
            told,
            Problem::new(
                vocabulary::Kind::Peer,
                "exchange.shape",
                "提供方所述的列与协议不符，未采用；请联系提供方",
                "the provider speaks of other columns than were agreed; nothing was used, tell the provider",
            )
        );
        Ok(shape)
    }

    pub(crate) fn draw_delivery(&self) -> DeliveryId {
        DeliveryId::from_uuid(draw_uuid(self.now()))
    }

    /// Plans a delivery into a table.
    ///
    /// # Errors
    /// `exchange.side`, `exchange.revoked`, `exchange.table_key`, `exchange.table_shape`,
    /// `exchange.target_not_empty`, `exchange.target_taken`, `exchange.plan_exists`, `policy.role`.
    pub async fn plan_delivery(self: &Arc<Self>, principal: &Principal, ask: PlanAsk) -> Result<PlanView, Problem> {
        let view = self.agreement(ask.agreement).await?;
        ensure!(view.side == Side::Consumer, not_ours(ask.agreement));
        let plan = Plan {
            name: ask.name,
            agreement: ask.agreement,
            provider: view.agreement.body.provider.clone(),
            target: ask.target,
            mode: ask.mode,
            schedule: ask.schedule,
            by: principal.actor.to_string(),
        };
        let name = plan.name.clone();
        let permit = self.permit(principal, Keep { plan })?;
        ensure!(view.state != AgreementState::Revoked, revoked(ask.agreement));
        let plan = &permit.ask().plan;
        let there = exchange::plan(&mut self.store.read().await?, &name).await;
        if let Err(problem) = there {
            ensure!(problem.code == "exchange.plan_missing", problem);
            let shape = self.delivered_shape(&view).await?;
            Table::open(self, plan, &shape)?.begin(ask.takes_over).await?;
        }
        let now = self.now();
        let first = match &plan.schedule {
            None => None,
            Some(Schedule::Every(..)) => Some(now),
            Some(schedule) => self.next_run_of(schedule, None, now).map(|it| it.at),
        };
        transact!(self.store, None, |tx| exchange::keep_plan(tx, &permit, first, now).await)?;
        self.delivery(&name).await
    }

    /// The deliveries into tables, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn deliveries(&self) -> Result<Vec<PlanView>, Problem> {
        let plans = exchange::plans(&mut self.store.read().await?).await?;
        Ok(plans.into_iter().map(|it| self.aged(it)).collect())
    }

    /// One, with its last runs.
    ///
    /// # Errors
    /// `exchange.plan_missing`.
    pub async fn delivery(&self, name: &ResourceId) -> Result<PlanView, Problem> {
        let mut reader = self.store.read().await?;
        let plan = exchange::plan(&mut reader, name).await?;
        let runs = exchange::runs(&mut reader, name, RUNS_SHOWN_MAX).await?;
        Ok(PlanView { runs, ..self.aged(plan) })
    }

    fn aged(&self, view: PlanView) -> PlanView {
        let lag = view.progress.as_of.map(|it| self.now().duration_since(it).as_secs().max(0));
        PlanView { lag_seconds: lag, ..view }
    }

    /// Runs a delivery now, lets it rest, lets it go on, or ends it.
    ///
    /// # Errors
    /// `exchange.plan_missing`, `exchange.plan_state`, `policy.role`.
    pub async fn steer_delivery(
        &self,
        principal: &Principal,
        name: ResourceId,
        steering: Steering,
    ) -> Result<PlanView, Problem> {
        let permit = self.permit(principal, Steer { name: name.clone(), steering })?;
        transact!(self.store, None, |tx| exchange::steer(tx, &permit).await)?;
        self.delivery(&name).await
    }
}
