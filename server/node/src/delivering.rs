//! Carries deliveries into tables: a bounded number at a time, each by what [`exchange::step`] says comes next.
//!
//! One job serves all plans. A plan that is not due costs a row in a table and nothing else: no task, no connection.

use crate::{
    Organisation, draw_salt,
    encode::decode,
    follows::{Nothing, Standing, StandingAsk},
    organisation::fault,
    parcels::PartAsk,
    pulls::{PART_BYTES_MAX, part_name, passes, revoked},
    queries::read_receipt,
    receipts::other,
    requests::{from_json, to_json},
    tables::{Done, Table},
};
use bytes::Bytes;
use exchange::{
    Act, AgreementView, DeliveryId, Input, Lane, Mark, OpenPull, PlanState, PlanView, Pull, PullState, Reconciliation,
    Run, RunOutcome, Schedule, Stage, from_rows, page_type, step,
};
use futures::{StreamExt as _, stream::FuturesUnordered};
use jiff::SignedDuration;
use peer::Call;
use policy::{AgreementState, Role};
use schema::{RecordType, Value};
use std::sync::{Arc, PoisonError};
use store::transact;
use tokio::task::JoinHandle;
use vocabulary::{Date, Kind, Problem, ResourceId, SHANGHAI, Timestamp, date_in_shanghai, ensure};

/// Deliveries that follow carried at once.
const FOLLOWING_AT_ONCE: usize = 4;
/// Whole sets put into their tables at once. They have places of their own, for a database that stalls in the middle of
/// one may hold its place for minutes: whatever follows goes on meanwhile.
const WHOLE_AT_ONCE: usize = 2;
/// Turns in one step of the job; then it looks up, should it have to stop.
const TURNS_MAX: usize = 64;
/// Pages that a delivery takes in one turn; then others have theirs.
const TURN_PAGES_MAX: u64 = 64;
/// A table that follows more often than once a minute is compared this often; every other one on each run.
const COMPARE_SECONDS: i64 = 600;
/// A run that met a fault is tried again after this, doubled each time up to the bound below.
const FAULT_SECONDS: i64 = 2;
/// See above.
const FAULT_SECONDS_MAX: i64 = 600;

/// What ends a delivery: there is nothing to wait for.
const ENDS: [&str; 3] = ["exchange.revoked", "exchange.expired", "exchange.no_agreement"];
/// The provider cannot go on where we are, or the table no longer says where it is: the whole set is fetched anew.
const GONE: [&str; 3] = ["exchange.page_gone", "exchange.parcel_missing", "exchange.mark_gone"];

/// How a turn ended.
enum End {
    /// All that is there is in the table.
    Done,
    /// There is more to do, at once.
    More,
    /// Something is under way elsewhere: a batch is being fetched.
    Waits,
}

/// One delivery while it is carried.
struct Turn {
    org: Arc<Organisation>,
    view: PlanView,
    agreement: AgreementView,
    shape: RecordType,
    table: Table,
    run: Run,
    lane: Lane,
    moved: bool,
}

/// That a delivery has its turn: while a plan goes over from one lane to the other, no two turns are about it.
struct Place {
    org: Arc<Organisation>,
    name: ResourceId,
}

impl Place {
    /// For a plan that has none.
    fn take(org: &Arc<Organisation>, view: PlanView) -> Option<(PlanView, Self)> {
        let name = view.plan.name.clone();
        let free = org.carrying.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        free.then(|| (view, Self { org: Arc::clone(org), name }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.org.carrying.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

impl Organisation {
    /// Carries every delivery that is due by as much as can be done now; says whether anything moved.
    ///
    /// # Errors
    /// Those of the store; what a peer says is kept with its plan.
    pub async fn carry_deliveries(self: &Arc<Self>) -> Result<bool, Problem> {
        let (following, whole) = tokio::join!(self.carry_lane(Lane::Following), self.carry_lane(Lane::Whole));
        Ok(following? | whole?)
    }

    /// The same for one lane: a job of its own carries each.
    ///
    /// # Errors
    /// As [`Organisation::carry_deliveries`].
    pub(crate) async fn carry_lane(self: &Arc<Self>, lane: Lane) -> Result<bool, Problem> {
        let at_once = if lane == Lane::Following { FOLLOWING_AT_ONCE } else { WHOLE_AT_ONCE };
        let mut moved = false;
        let mut seen: Vec<ResourceId> = Vec::new();
        let mut under_way = FuturesUnordered::new();
        loop {
            if under_way.len() < at_once && seen.len() < TURNS_MAX {
                let most = u32::try_from(TURNS_MAX).unwrap_or(u32::MAX);
                let due = exchange::due_plans(&mut self.store.read().await?, lane, self.now(), most).await?;
                let free = at_once - under_way.len();
                let unseen: Vec<PlanView> = due.into_iter().filter(|it| !seen.contains(&it.plan.name)).collect();
                for (view, place) in unseen.into_iter().filter_map(|it| Place::take(self, it)).take(free) {
                    seen.push(view.plan.name.clone());
                    under_way.push(async move {
                        let _place = place;
                        self.carry_delivery(view, lane).await
                    });
                }
            }
            match under_way.next().await {
                Some(done) => moved |= done?,
                None => return Ok(moved),
            }
        }
    }

    async fn carry_delivery(self: &Arc<Self>, view: PlanView, lane: Lane) -> Result<bool, Problem> {
        let name = view.plan.name.clone();
        let waits = view.progress.resumes.is_some_and(|it| date_in_shanghai(self.now()) < it);
        if waits && view.wanted.is_empty() {
            let next = view.progress.resumes.and_then(midnight);
            transact!(self.store, None, |tx| exchange::save_plan(tx, &view, next, "").await)?;
            return Ok(false);
        }
        match Turn::begin(self, view.clone(), lane).await {
            Ok(turn) => turn.carry().await,
            Err(problem) => {
                tracing::info!(plan = %name, %problem, "a delivery could not begin");
                let run = Run::next_of(&view, self.now());
                settle(self, view, run, Err(problem)).await
            }
        }
    }

    /// Whether a receipt is about a page that a delivery of ours will still ask for, or hold.
    pub(crate) async fn will_ask(&self, receipt: &exchange::ReceiptBody) -> Result<bool, Problem> {
        let (Some(parcel), Some(part)) = (receipt.delivery, receipt.part) else { return Ok(false) };
        let mut reader = self.store.read().await?;
        let plans = exchange::plans_under(&mut reader, receipt.agreement).await?;
        Ok(plans.iter().any(|it| {
            it.progress.stage == Stage::Following { parcel } && it.progress.mark.is_none_or(|it| it.next <= part)
        }))
    }
}

fn midnight(day: Date) -> Option<Timestamp> {
    SHANGHAI.to_timestamp(day.at(0, 0, 0, 0)).ok()
}

impl Turn {
    async fn begin(org: &Arc<Organisation>, view: PlanView, lane: Lane) -> Result<Self, Problem> {
        let agreement = org.agreement(view.plan.agreement).await?;
        // Whether or not the provider has heard of a revocation of ours, we ask for nothing more.
        ensure!(agreement.state != AgreementState::Revoked, revoked(view.plan.agreement));
        let last = agreement.agreement.body.terms.until;
        ensure!(
            date_in_shanghai(org.now()) <= last,
            Problem::new(
                Kind::Refused,
                "exchange.expired",
                format!("协议已于 {last} 到期；请申请续期"),
                format!("the agreement ended on {last}; ask for a renewal"),
            )
        );
        let shape = match &view.progress.shape {
            Some(shape) if view.wanted != "anew" => shape.clone(),
            _ => org.delivered_shape(&agreement).await?,
        };
        let table = Table::open(org, &view.plan, &shape)?;
        let run = match exchange::runs(&mut org.store.read().await?, &view.plan.name, 1).await?.pop() {
            Some(run) if run.outcome == RunOutcome::Running => run,
            _ => Run::next_of(&view, org.now()),
        };
        Ok(Self { org: Arc::clone(org), view, agreement, shape, table, run, lane, moved: false })
    }

    async fn carry(mut self) -> Result<bool, Problem> {
        let end = self.steps().await;
        let moved = self.moved;
        let Self { org, view, run, .. } = self;
        settle(&org, view, run, end).await.map(|it| it || moved)
    }

    async fn steps(&mut self) -> Result<End, Problem> {
        let mode = self.view.plan.mode;
        let mark = self.table.mark().await?;
        self.view.progress.mark = mark;
        self.view.progress.shape = Some(self.shape.clone());
        let anew = self.view.wanted == "anew";
        let mut input = Input::Begin { mark, draw: self.org.draw_delivery(), anew };
        let mut fetched_anew = false;
        loop {
            let Some((stage, act)) = step(mode, self.view.progress.stage, input) else {
                return Err(fault("delivery", &"a step that does not fit its stage"));
            };
            if stage != self.view.progress.stage {
                self.view.progress.stage = stage;
                if anew && matches!(stage, Stage::Filling { .. }) {
                    // The set that was wanted has its name now; a node that dies goes on with that one.
                    self.forget_wanted().await?;
                }
                self.save().await?;
            }
            let done = self.act(act).await;
            input = match done {
                Ok(Step::Next(input)) => input,
                Ok(Step::End(end)) => return Ok(end),
                Err(problem) if GONE.contains(&problem.code.as_ref()) && !fetched_anew => {
                    tracing::info!(plan = %self.view.plan.name, %problem, "a delivery begins anew");
                    fetched_anew = true;
                    self.shape = self.org.delivered_shape(&self.agreement).await?;
                    self.table = Table::open(&self.org, &self.view.plan, &self.shape)?;
                    Input::Gone { draw: self.org.draw_delivery() }
                }
                Err(problem) => return Err(problem),
            };
        }
    }

    async fn act(&mut self, act: Act) -> Result<Step, Problem> {
        match act {
            Act::Fetch(parcel) => self.fetch(parcel).await,
            Act::Fill(_) if self.lane != Lane::Whole => Ok(Step::End(End::More)),
            Act::Fill(parcel) => self.fill(parcel).await,
            Act::Ask(_) if self.run.pages >= TURN_PAGES_MAX && self.moved => Ok(Step::End(End::More)),
            Act::Ask(mark) => self.ask(mark).await,
            Act::Merge(mark) => self.merge(mark).await,
            Act::Compare(mark) => self.compare(mark).await,
        }
    }

    async fn save(&self) -> Result<(), Problem> {
        let (store, view) = (&self.org.store, &self.view);
        transact!(store, None, |tx| exchange::save_progress(tx, view).await)
    }

    async fn forget_wanted(&mut self) -> Result<(), Problem> {
        let next = Some(self.org.now());
        let (store, view) = (&self.org.store, &self.view);
        transact!(store, None, |tx| exchange::save_plan(tx, view, next, "run").await)?;
        self.view = exchange::plan(&mut self.org.store.read().await?, &self.view.plan.name).await?;
        Ok(())
    }

    /// The whole set: fetched as a batch, by the job that fetches batches.
    async fn fetch(&mut self, parcel: DeliveryId) -> Result<Step, Problem> {
        let there = exchange::pull(&mut self.org.store.read().await?, parcel).await;
        let pull = match there {
            Ok(pull) => pull,
            Err(problem) if problem.code == "exchange.pull_missing" => self.open_pull(parcel).await?,
            Err(problem) => return Err(problem),
        };
        match pull.state {
            PullState::Done => Ok(Step::Next(Input::Here)),
            PullState::Failed => {
                // It is not tried again under that name.
                self.view.progress.stage = Stage::New;
                self.save().await?;
                Err(pull.problem.unwrap_or_else(|| fault("delivery", &"a pull that failed without a problem")))
            }
            PullState::Making | PullState::Fetching => match pull.problem {
                Some(problem) if pull.resumes.is_some() => Err(problem),
                _ => Ok(Step::End(End::Waits)),
            },
        }
    }

    async fn open_pull(&mut self, parcel: DeliveryId) -> Result<Pull, Problem> {
        let by = self.view.plan.by.clone();
        let pull = Pull::begin(parcel, &self.agreement.agreement.body, by, "arrow".to_owned());
        let (org, now) = (&self.org, self.org.now());
        let permit = org.permit(&org.job("deliver", [Role::Application]), OpenPull { pull })?;
        transact!(org.store, None, |tx| exchange::open_pull(tx, &permit, now).await)?;
        org.wakes.pull.notify_one();
        self.moved = true;
        org.pull_state(parcel).await
    }

    async fn fill(&mut self, parcel: DeliveryId) -> Result<Step, Problem> {
        let parts = self.org.pull_state(parcel).await?.parts;
        self.table.ready().await?;
        let mut staged = 0;
        // The next part is read while this one is written.
        let mut next = (parts > 0).then(|| self.part(parcel, 0));
        for number in 0..parts {
            let Some(rows) = next.take() else { break };
            let rows = rows.await.map_err(|it| fault("delivery", &it))??;
            next = (number + 1 < parts).then(|| self.part(parcel, number + 1));
            staged = self.table.stage(&rows, staged).await?;
        }
        if parts == 0 {
            self.table.stage(&[], 0).await?;
        }
        let mark = Mark { parcel, next: parts };
        let done = self.table.fill(mark, staged).await?;
        self.count(done);
        self.run.filled = true;
        self.view.progress.mark = Some(mark);
        for number in 0..parts {
            self.org.blobs.delete(&part_name(parcel, number)).await?;
        }
        Ok(Step::Next(Input::Filled(mark)))
    }

    /// The rows of a part that is here.
    fn part(&self, parcel: DeliveryId, number: u32) -> JoinHandle<Result<Vec<Vec<Value>>, Problem>> {
        let (blobs, shape) = (self.org.blobs.clone(), self.shape.clone());
        tokio::spawn(async move {
            let bytes = blobs.get(&part_name(parcel, number)).await?;
            let read = tokio::task::spawn_blocking(move || decode(&shape, bytes)).await;
            Ok(read.map_err(|it| fault("delivery", &it))??.0)
        })
    }

    fn count(&mut self, done: Done) {
        self.run.put += done.put;
        self.run.removed += done.removed;
        self.moved = true;
    }

    /// The page that comes next: its bytes are safe and its receipt is taken over before the table hears of it.
    async fn ask(&mut self, mark: Mark) -> Result<Step, Problem> {
        let name = part_name(mark.parcel, mark.next);
        let org = &self.org;
        if exchange::pulled_part(&mut org.store.read().await?, mark.parcel, mark.next).await?
            && org.blobs.get(&name).await.is_ok()
        {
            return Ok(Step::Next(Input::Page(mark.next)));
        }
        let agreement = &self.agreement.agreement.body;
        let ask = PartAsk { purpose: agreement.terms.purpose.clone(), actor: self.view.plan.by.clone() };
        let body = to_json(&ask)?;
        let call = Call::post(format!("/peer/v1/parcels/{}/parts/{}", mark.parcel, mark.next), body);
        let download = org.client.open(&org.peer(&agreement.provider)?, &call, org.now()).await?;
        let answer = download.whole(PART_BYTES_MAX).await?;
        let Some(receipt) = answer.fields.get("yunhe-receipt") else {
            let nothing: Nothing = from_json(&answer.body)?;
            self.view.progress.as_of = Some(nothing.as_of.min(org.now()));
            self.view.progress.waiting = Some(exchange::Waiting { rows: 0, more: false });
            return Ok(Step::Next(Input::Current(mark)));
        };
        let receipt = read_receipt(Some(receipt))?;
        org.check_receipt(&receipt, &call.body, &answer.body, &self.agreement)?;
        ensure!((receipt.body.delivery, receipt.body.part) == (Some(mark.parcel), Some(mark.next)), other());
        let (rows, _) = decode(&page_type(&self.shape)?, answer.body.clone())?;
        ensure!(receipt.body.rows == rows.len() as u64, other());
        org.blobs.put(&name, answer.body).await?;
        let (salt, now) = (draw_salt()?, org.now());
        transact!(org.store, None, |tx| exchange::take(tx, &receipt, salt, now).await)?;
        self.moved = true;
        Ok(Step::Next(Input::Page(mark.next)))
    }

    async fn merge(&mut self, mark: Mark) -> Result<Step, Problem> {
        let name = part_name(mark.parcel, mark.next);
        let bytes: Bytes = self.org.blobs.get(&name).await?;
        let (rows, as_of) = decode(&page_type(&self.shape)?, bytes)?;
        let changes = from_rows(&self.shape, rows)?;
        let done = self.table.merge(mark, changes).await?;
        self.count(done);
        self.run.pages += 1;
        let next = Mark { next: mark.next.saturating_add(1), ..mark };
        self.view.progress.mark = Some(next);
        if let Some(as_of) = as_of {
            self.view.progress.as_of = Some(as_of.min(self.org.now()));
        }
        self.org.blobs.delete(&name).await?;
        Ok(Step::Next(Input::Merged(next)))
    }

    /// Whether this run ends with a comparison.
    fn compares(&self) -> bool {
        let often = matches!(self.view.plan.schedule, Some(Schedule::Every(seconds, _)) if seconds < 60);
        let due = match &self.view.progress.reconciled {
            Some(last) => self.org.now().duration_since(last.at).as_secs() >= COMPARE_SECONDS,
            None => true,
        };
        self.run.filled || !self.view.wanted.is_empty() || !often || due
    }

    async fn compare(&mut self, mark: Mark) -> Result<Step, Problem> {
        if !self.compares() {
            return Ok(Step::End(End::Done));
        }
        let standing = self.standing(mark, true).await?;
        self.view.progress.waiting = Some(standing.waiting);
        let (rows_there, digest_there) = standing.tally.ok_or_else(other)?;
        let (rows_here, digest_here) = self.table.tally(&self.agreement.digest).await?;
        let same = (rows_there, digest_there) == (rows_here, digest_here);
        let at = self.org.now();
        self.view.progress.reconciled =
            Some(Reconciliation { at, same, rows_there, rows_here, digest_there, digest_here });
        if self.run.filled && self.view.plan.mode == exchange::Mode::Full {
            self.view.progress.as_of = Some(self.run.began);
        }
        ensure!(same, differs(&self.view.plan.name, rows_there, rows_here));
        Ok(Step::End(End::Done))
    }

    async fn standing(&self, mark: Mark, tally: bool) -> Result<Standing, Problem> {
        let agreement = &self.agreement.agreement.body;
        let ask = StandingAsk {
            purpose: agreement.terms.purpose.clone(),
            actor: self.view.plan.by.clone(),
            next: mark.next,
            tally,
        };
        let call = Call::post(format!("/peer/v1/parcels/{}/standing", mark.parcel), to_json(&ask)?);
        let answer = self.org.client.send(&self.org.peer(&agreement.provider)?, &call, self.org.now()).await?;
        from_json(&answer.body)
    }
}

/// What an act came to.
enum Step {
    Next(Input),
    End(End),
}

fn differs(name: &ResourceId, there: u64, here: u64) -> Problem {
    Problem::new(
        Kind::Conflict,
        "exchange.reconciliation",
        format!("对账不符：提供方 {there} 行，目标 {here} 行或内容不同；可用 yunhe deliver run {name} --anew 全量重做"),
        format!(
            "the table differs: {there} rows at the provider, {here} here, or other contents; \
             yunhe deliver run {name} --anew fetches the whole set"
        ),
    )
}

/// Notes how a turn ended, and when the plan is due next; says whether it goes on at once.
async fn settle(
    org: &Arc<Organisation>,
    mut view: PlanView,
    mut run: Run,
    end: Result<End, Problem>,
) -> Result<bool, Problem> {
    let now = org.now();
    let progress = &mut view.progress;
    let faulted = progress.faults > 0;
    let mut ends = false;
    let (next, wanted) = match end {
        Ok(End::More | End::Waits) => (Some(now), view.wanted.clone()),
        Ok(End::Done) => {
            (progress.faults, progress.problem, progress.resumes) = (0, None, None);
            run.outcome = RunOutcome::Done;
            (scheduled(org, &view.plan.schedule, progress, now), String::new())
        }
        Err(problem) => {
            progress.faults = progress.faults.saturating_add(1);
            progress.resumes = None;
            run.outcome = RunOutcome::Failed;
            let rest = FAULT_SECONDS.saturating_mul(1 << progress.faults.min(16)).min(FAULT_SECONDS_MAX);
            let later = now.saturating_add(SignedDuration::from_secs(rest)).ok();
            let next = match problem.code.as_ref() {
                code if ENDS.contains(&code) => {
                    ends = true;
                    None
                }
                "exchange.quota" => {
                    run.outcome = RunOutcome::Waiting;
                    progress.resumes = date_in_shanghai(now).tomorrow().ok();
                    progress.resumes.and_then(midnight)
                }
                _ if passes(&problem) || problem.kind.status() >= 500 => {
                    run.outcome = RunOutcome::Waiting;
                    later
                }
                _ => scheduled(org, &view.plan.schedule, progress, now),
            };
            (progress.problem, run.problem) = (Some(problem.clone()), Some(problem));
            // A run that somebody wanted and that waits is still wanted.
            let waits = run.outcome == RunOutcome::Waiting;
            (next, if waits { view.wanted.clone() } else { String::new() })
        }
    };
    let over = run.outcome != RunOutcome::Running;
    let told = over && (run.pages > 0 || run.filled || run.problem.is_some() || faulted || !view.wanted.is_empty());
    if told {
        run.ended = Some(now);
        view.progress.runs = run.number;
    }
    let moving = run.outcome == RunOutcome::Running && (run.pages > 0 || run.filled);
    transact!(org.store, None, |tx| {
        if told || moving {
            exchange::save_run(tx, &view.plan.name, &run).await?;
        }
        exchange::save_plan(tx, &view, next, &wanted).await?;
        if ends { exchange::end_plan(tx, &view.plan.name).await } else { Ok(()) }
    })?;
    Ok(told && view.state == PlanState::Active && next.is_some_and(|it| it <= now))
}

fn scheduled(
    org: &Organisation,
    schedule: &Option<Schedule>,
    progress: &mut exchange::Progress,
    now: Timestamp,
) -> Option<Timestamp> {
    let next = org.next_run_of(schedule.as_ref()?, progress.due, now)?;
    (progress.due, progress.estimated) = (Some(next.at), next.estimated);
    Some(next.at)
}
