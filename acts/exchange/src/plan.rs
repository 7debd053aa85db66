//! Deliveries into tables, at the consumer: what was planned, how far each is, what its last runs came to.
//!
//! A plan's document is what somebody decided; its progress is what the node's job writes. How far the table itself is
//! stands in the mark beside it: in the same database, ours or the one outside, in the transaction that changes it.

use crate::{
    AgreementId, DeliveryId, Mark, Mode, Schedule, Stage,
    store::{
        MARK_GET, MARK_NEXT, MARK_SET, PLAN_ADD, PLAN_DUE, PLAN_DUE_WHOLE, PLAN_GET, PLAN_LIST, PLAN_NEXT,
        PLAN_PROGRESS, PLAN_STATE, PLAN_UNDER, PLAN_WANT, RUN_ADD, RUN_FORGET, RUN_LIST, text,
    },
};
use ::store::{Reader, Row, Tx, args};
use policy::{Ask, Need, Permit, Role};
use schema::RecordType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Date, Digest, Kind, OrganisationId, Problem, ResourceId, Timestamp, ensure, micros};

/// Plans listed at once at most.
const LIST_MAX: u32 = 2_000;
/// Runs that are kept of each plan.
pub(crate) const RUNS_KEPT_MAX: u64 = 100;
/// No run is due: a plan that runs by hand, or one that is over.
pub(crate) const NEVER: i64 = i64::MAX;

/// Where the rows go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// A record type of our own registry.
    Record(ResourceId),
    /// A table in a database outside, by a connection that `yunhe.toml` names and says is written to.
    Table {
        /// The connection.
        connection: ResourceId,
        /// The table, `schema.table` where it is not in the connection's own schema; made where it is absent.
        table: String,
    },
}

impl Target {
    /// One text for each target: no two plans write to the same.
    fn word(&self) -> String {
        match self {
            Self::Record(name) => format!("record:{name}"),
            Self::Table { connection, table } => format!("table:{connection}:{table}"),
        }
    }
}

/// A delivery into a table, as somebody planned it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Its name.
    pub name: ResourceId,
    /// Under which agreement.
    pub agreement: AgreementId,
    /// From whom.
    pub provider: OrganisationId,
    /// Where the rows go.
    pub target: Target,
    /// What is carried over.
    pub mode: Mode,
    /// When; left out: when somebody says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Who planned it.
    pub by: String,
}

/// Whether a plan runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlanState {
    /// It runs when it is due.
    Active,
    /// Somebody stopped it for a while.
    Paused,
    /// It is over: somebody ended it, or its agreement is.
    Ended,
}

impl PlanState {
    fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Ended => "ended",
        }
    }
}

/// Changes that wait at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// How many rows.
    pub rows: u64,
    /// Whether there are more than were counted.
    pub more: bool,
}

/// What the provider shows and what the table holds, side by side (对账).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reconciliation {
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Whether they are the same.
    pub same: bool,
    /// Rows that the provider shows.
    pub rows_there: u64,
    /// Rows in the table.
    pub rows_here: u64,
    /// The digest over those.
    pub digest_there: Digest,
    /// The digest over these.
    pub digest_here: Digest,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// It is under way.
    Running,
    /// All that was there is in the table.
    Done,
    /// It goes on later: the provider is away, or the day's quota is spent.
    Waiting,
    /// It cannot go on by itself.
    Failed,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Counts from 1.
    pub number: u64,
    /// When it began.
    #[schemars(with = "String")]
    pub began: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ended: Option<Timestamp>,
    /// What it came to.
    pub outcome: RunOutcome,
    /// Whether it put a whole set into the table.
    pub filled: bool,
    /// Pages of changes that it put into the table.
    pub pages: u64,
    /// Rows that came.
    pub put: u64,
    /// Rows that went.
    pub removed: u64,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub problem: Option<Problem>,
}

impl Run {
    /// The run that comes next of a plan.
    pub fn next_of(view: &PlanView, began: Timestamp) -> Self {
        Self {
            number: view.progress.runs + 1,
            began,
            ended: None,
            outcome: RunOutcome::Running,
            filled: false,
            pages: 0,
            put: 0,
            removed: 0,
            problem: None,
        }
    }
}

/// How far a plan is: written by the node's job alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Where it stands.
    pub stage: Stage,
    /// In which shape the rows come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<RecordType>,
    /// How far the table was when we looked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// The table holds what the provider showed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub as_of: Option<Timestamp>,
    /// What waits at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// When a run was due last by the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub due: Option<Timestamp>,
    /// Whether the next run's day was estimated: no notice of its year's holidays is installed.
    #[serde(default)]
    pub estimated: bool,
    /// Runs that were begun.
    #[serde(default)]
    pub runs: u64,
    /// Runs in a row that went wrong.
    #[serde(default)]
    pub faults: u32,
    /// Nothing is asked for before this day: the quota of the day before is spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub resumes: Option<Date>,
    /// The last reconciliation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconciled: Option<Reconciliation>,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub problem: Option<Problem>,
}

/// A plan with how it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanView {
    /// What was planned.
    pub plan: Plan,
    /// Whether it runs.
    pub state: PlanState,
    /// When it runs next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub next_run: Option<Timestamp>,
    /// How far it is.
    pub progress: Progress,
    /// How old what the table holds is, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<i64>,
    /// The last runs, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Run>,
    /// As the table has it: when a run is due, and whether somebody wants one.
    #[serde(skip)]
    pub due: i64,
    /// See above.
    #[serde(skip)]
    pub wanted: String,
}

/// Keeps a plan.
#[derive(Debug)]
pub struct Keep {
    /// The plan.
    pub plan: Plan,
}

impl Ask for Keep {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::DataSteward])
    }
}

/// What somebody does to a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steering {
    /// It runs now; the whole set, if so wanted.
    Run {
        /// Whether the whole set is fetched, whatever is there.
        anew: bool,
    },
    /// It rests until it is resumed.
    Pause,
    /// It goes on.
    Resume,
    /// It is over; the table stays as it is.
    End,
}

/// Steers a plan.
#[derive(Debug)]
pub struct Steer {
    /// Which.
    pub name: ResourceId,
    /// How.
    pub steering: Steering,
}

impl Ask for Steer {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::DataSteward])
    }
}

fn missing(name: &ResourceId) -> Problem {
    Problem::new(
        Kind::Missing,
        "exchange.plan_missing",
        format!("没有交付计划 {name}；可用 yunhe deliver list 查看"),
        format!("there is no delivery {name}; yunhe deliver list shows those that are"),
    )
}

/// Keeps a new plan, due at `next`. The same plan again changes nothing.
///
/// # Errors
/// `exchange.plan_exists`, `exchange.target_taken`.
pub async fn keep_plan(
    tx: &mut Tx,
    permit: &Permit<Keep>,
    next: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), Problem> {
    let plan = &permit.ask().plan;
    let args = args![
        plan.name.as_str(),
        plan.agreement.to_string(),
        plan.target.word(),
        next.map_or(NEVER, micros),
        text(plan)?,
        text(&Progress::default())?,
        micros(now)
    ];
    let added = tx.execute(PLAN_ADD, args).await.map_err(|it| {
        if it.code != "store.duplicate" {
            return it;
        }
        Problem::new(
            Kind::Conflict,
            "exchange.target_taken",
            "该目标表已有另一交付计划写入；请换目标，或先结束那个计划",
            "another delivery writes into this table; choose another target, or end that one first",
        )
        .field("/target")
    })?;
    if added == 0 {
        let there = self::plan(tx, &plan.name).await?;
        ensure!(
            there.plan == *plan,
            Problem::new(
                Kind::Conflict,
                "exchange.plan_exists",
                format!("交付计划 {} 已存在；请换名称", plan.name),
                format!("there is a delivery {} already; choose another name", plan.name),
            )
            .field("/name")
        );
    }
    Ok(())
}

fn view(row: &Row) -> Result<PlanView, Problem> {
    let due = row.int("next_at")?;
    let state = match row.text("state")? {
        "active" => PlanState::Active,
        "paused" => PlanState::Paused,
        _ => PlanState::Ended,
    };
    let shown = state == PlanState::Active && due != NEVER;
    Ok(PlanView {
        plan: row.json("document")?,
        state,
        next_run: shown.then(|| vocabulary::timestamp_from_micros(due)).transpose()?,
        progress: row.json("progress")?,
        lag_seconds: None,
        runs: Vec::new(),
        due,
        wanted: row.text("wanted")?.to_owned(),
    })
}

/// One plan, without its runs.
///
/// # Errors
/// `exchange.plan_missing`.
pub async fn plan(reader: &mut Reader, name: &ResourceId) -> Result<PlanView, Problem> {
    view(&reader.row(PLAN_GET, args![name.as_str()]).await?.ok_or_else(|| missing(name))?)
}

/// All plans, newest first, at most 2,000.
///
/// # Errors
/// Those of the store.
pub async fn plans(reader: &mut Reader) -> Result<Vec<PlanView>, Problem> {
    reader.rows(PLAN_LIST, args![LIST_MAX]).await?.iter().map(view).collect()
}

/// What a plan's next turn is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Changes, page by page: its calls are short.
    Following,
    /// A whole set, which may take minutes.
    Whole,
}

/// Plans that are due, those that wait longest first.
///
/// # Errors
/// Those of the store.
pub async fn due_plans(reader: &mut Reader, lane: Lane, now: Timestamp, most: u32) -> Result<Vec<PlanView>, Problem> {
    let due = match lane {
        Lane::Following => PLAN_DUE,
        Lane::Whole => PLAN_DUE_WHOLE,
    };
    reader.rows(due, args![micros(now), most]).await?.iter().map(view).collect()
}

/// The plans under an agreement that are not over.
///
/// # Errors
/// Those of the store.
pub async fn plans_under(reader: &mut Reader, agreement: AgreementId) -> Result<Vec<PlanView>, Problem> {
    reader.rows(PLAN_UNDER, args![agreement.to_string()]).await?.iter().map(view).collect()
}

/// The last runs of a plan, newest first.
///
/// # Errors
/// Those of the store.
pub async fn runs(reader: &mut Reader, name: &ResourceId, most: u32) -> Result<Vec<Run>, Problem> {
    reader.rows(RUN_LIST, args![name.as_str(), most]).await?.iter().map(|it| it.json("document")).collect()
}

/// Does to a plan what somebody wants.
///
/// # Errors
/// `exchange.plan_missing`; `exchange.plan_state` for one that is over, or a run of one that rests.
pub async fn steer(tx: &mut Tx, permit: &Permit<Steer>) -> Result<PlanView, Problem> {
    let Steer { name, steering } = permit.ask();
    let there = plan(tx, name).await?;
    let changed = match steering {
        Steering::Run { anew } => {
            tx.execute(PLAN_WANT, args![name.as_str(), if *anew { "anew" } else { "run" }]).await?
        }
        Steering::Pause => tx.execute(PLAN_STATE, args![name.as_str(), PlanState::Paused.word()]).await?,
        Steering::Resume => tx.execute(PLAN_STATE, args![name.as_str(), PlanState::Active.word()]).await?,
        Steering::End => tx.execute(PLAN_STATE, args![name.as_str(), PlanState::Ended.word()]).await?,
    };
    let again = *steering == Steering::End && there.state == PlanState::Ended;
    ensure!(
        changed == 1 || again,
        Problem::new(
            Kind::Conflict,
            "exchange.plan_state",
            format!(
                "交付计划 {name} 已{}；请先恢复或另建",
                if there.state == PlanState::Ended { "结束" } else { "暂停" }
            ),
            format!("delivery {name} is {}; resume it, or make another", there.state.word()),
        )
    );
    plan(tx, name).await
}

/// Ends a plan whose agreement is over.
///
/// # Errors
/// Those of the store.
pub async fn end_plan(tx: &mut Tx, name: &ResourceId) -> Result<(), Problem> {
    tx.execute(PLAN_STATE, args![name.as_str(), PlanState::Ended.word()]).await.map(|_| ())
}

/// Keeps how far a plan is.
///
/// # Errors
/// Those of the store.
pub async fn save_progress(tx: &mut Tx, view: &PlanView) -> Result<(), Problem> {
    tx.execute(PLAN_PROGRESS, args![view.plan.name.as_str(), text(&view.progress)?]).await.map(|_| ())
}

/// Keeps how far a plan is, and when it is due next; `wanted` stays where a wanted run is not over.
///
/// # Errors
/// Those of the store.
pub async fn save_plan(tx: &mut Tx, view: &PlanView, next: Option<Timestamp>, wanted: &str) -> Result<(), Problem> {
    let name = view.plan.name.as_str();
    tx.execute(PLAN_PROGRESS, args![name, text(&view.progress)?]).await?;
    let args = args![name, view.due, next.map_or(NEVER, micros), wanted, &view.wanted];
    tx.execute(PLAN_NEXT, args).await.map(|_| ())
}

/// Keeps a run, and forgets the oldest.
///
/// # Errors
/// Those of the store.
pub async fn save_run(tx: &mut Tx, name: &ResourceId, run: &Run) -> Result<(), Problem> {
    let number = i64::try_from(run.number).unwrap_or(i64::MAX);
    tx.execute(RUN_ADD, args![name.as_str(), number, text(run)?]).await?;
    let forget = i64::try_from(run.number.saturating_sub(RUNS_KEPT_MAX)).unwrap_or(i64::MAX);
    tx.execute(RUN_FORGET, args![name.as_str(), forget]).await.map(|_| ())
}

/// The mark beside a table in this database.
///
/// # Errors
/// Those of the store.
pub async fn mark(reader: &mut Reader, plan: &ResourceId) -> Result<Option<Mark>, Problem> {
    let row = reader.row(MARK_GET, args![plan.as_str()]).await?;
    row.map(|row| {
        let parcel: DeliveryId = row.text("parcel")?.parse().map_err(|it: vocabulary::IdError| {
            Problem::new(Kind::Internal, "exchange.fault", "内部故障", it.to_string())
        })?;
        Ok(Mark { parcel, next: u32::try_from(row.int("next")?).unwrap_or(u32::MAX) })
    })
    .transpose()
}

/// Notes beside a table of ours that it was filled, in the transaction that fills it.
///
/// # Errors
/// Those of the store.
pub async fn mark_filled(tx: &mut Tx, plan: &ResourceId, mark: Mark) -> Result<(), Problem> {
    tx.execute(MARK_SET, args![plan.as_str(), mark.parcel.to_string(), mark.next]).await.map(|_| ())
}

/// Notes beside a table of ours that a page is in it, in the transaction that merges it; says whether it was not.
///
/// # Errors
/// Those of the store.
pub async fn mark_merged(tx: &mut Tx, plan: &ResourceId, page: Mark) -> Result<bool, Problem> {
    Ok(tx.execute(MARK_NEXT, args![plan.as_str(), page.parcel.to_string(), page.next]).await? == 1)
}
