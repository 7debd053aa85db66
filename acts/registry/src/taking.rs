//! Taking over a table of others (取数), page by page: how far a run is, and what each page does to it.
//!
//! The steps are pure; whoever runs them reads the pages there and imports them here. A page is planned before it is
//! imported: its import's id and where the next page begins stand in the database first. So a run that is killed
//! anywhere goes on, and a page that was imported is never asked for again with another end.
//!
//! Invariants, each with a property in `taking_tests.rs`:
//! - read = loaded + unchanged + rejected, at every moment;
//! - a run that is killed anywhere and goes on has taken every page of the table;
//! - what a run of changes reads begins at the greatest watched value that stood there when the run before *began*,
//!   less the overlap: a row whose writer took no longer than the overlap to commit is never missed.

use crate::{ImportId, SecrecyReview, TakingId, fault, import::Progress, store as sql};
use policy::{Ask, Need, Permit, Role};
use serde::{Deserialize, Serialize};
use store::{Reader, Row, Tx, args};
use vocabulary::{Kind, Problem, ResourceId, Timestamp, ensure, micros};

/// Runs of a source that are told about at most.
pub const TAKINGS_MAX: u32 = 50;
/// Open runs that are carried at once at most.
const OPEN_MAX: u32 = 1_000;
/// Of a run so many imports with rejected rows are named.
const REJECTING_MAX: usize = 100;

/// Which rows a run reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// All of them; what is gone there is taken out here.
    Full,
    /// Those that were written since the run before, by the watched column.
    Changes,
}

/// Begins a run, or goes on with the open one.
#[derive(Clone, Debug)]
pub struct TakeOver {
    /// Names the run, should it be new. The edge draws it.
    pub id: TakingId,
    /// Of which source.
    pub source: ResourceId,
    /// Into which record type.
    pub record: ResourceId,
    /// Which rows.
    pub mode: Mode,
    /// How far a run of changes goes back behind what was seen.
    pub overlap_minutes: u32,
    /// That the table lost most of its rows is known and right.
    pub may_shrink: bool,
    /// Who made sure that no state secret is in the table.
    pub review: SecrecyReview,
}

impl Ask for TakeOver {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::DataSteward])
    }
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The greatest watched value is looked up, before any row is read.
    Begin,
    /// Rows without a key are looked for, to be rejected.
    Keyless,
    /// Rows are read.
    Rows,
    /// Rows that are gone there are looked for.
    Gone,
    /// All is done.
    Done,
    /// Another run took its place, or its source is gone.
    Dropped,
}

/// A page that is about to be imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// By which import.
    pub import: ImportId,
    /// Where the page behind it begins; none: it is the last.
    pub next: Option<Vec<String>>,
}

/// What became of the rows of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows read.
    pub read: u64,
    /// Rows that are new or changed.
    pub loaded: u64,
    /// Rows that were so already.
    pub unchanged: u64,
    /// Rows turned away.
    pub rejected: u64,
}

impl From<&Progress> for Counts {
    fn from(it: &Progress) -> Self {
        Self { read: it.read, loaded: it.loaded - it.same, unchanged: it.same, rejected: it.rejected }
    }
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taking {
    /// Its name.
    pub id: TakingId,
    /// Of which source.
    pub source: ResourceId,
    /// Into which record type.
    pub record: ResourceId,
    /// Which rows.
    pub mode: Mode,
    /// Where it is.
    pub phase: Phase,
    /// Behind which key the next page begins, in its phase; none: at the beginning.
    pub after: Option<Vec<String>>,
    /// The page under way.
    pub plan: Option<Plan>,
    /// Rows read.
    pub read: u64,
    /// Rows that are new or changed.
    pub loaded: u64,
    /// Rows that were so already.
    pub unchanged: u64,
    /// Rows turned away.
    pub rejected: u64,
    /// Rows taken out because they are gone there.
    pub removed: u64,
    /// The watched column's value from which on it reads; none: from the beginning.
    pub since: Option<String>,
    /// The greatest value of the watched column when it began.
    pub seen: Option<String>,
    /// That the table lost most of its rows is known and right.
    pub may_shrink: bool,
    /// Imports with rejected rows, the first hundred.
    pub rejecting: Vec<ImportId>,
    /// Who made sure that no state secret is in the table.
    pub review: SecrecyReview,
    /// Who began it.
    pub by: String,
    /// When.
    pub begun: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Why it does not go on at the moment, or was dropped, in Chinese and English.
    pub stuck: Option<vocabulary::Bilingual>,
    /// Its count of steps in the database; guards each move.
    #[serde(skip)]
    version: i64,
}

impl Taking {
    /// A new run; `before` is what the run before has seen.
    pub fn begin(ask: &TakeOver, by: String, before: Option<String>, now: Timestamp) -> Self {
        let since = before.as_deref().filter(|_| ask.mode == Mode::Changes).map(|it| earlier(it, ask.overlap_minutes));
        Self {
            id: ask.id,
            source: ask.source.clone(),
            record: ask.record.clone(),
            mode: ask.mode,
            phase: Phase::Begin,
            after: None,
            plan: None,
            read: 0,
            loaded: 0,
            unchanged: 0,
            rejected: 0,
            removed: 0,
            since,
            seen: before,
            may_shrink: ask.may_shrink,
            rejecting: Vec::new(),
            review: ask.review.clone(),
            by,
            begun: now,
            ended: None,
            stuck: None,
            version: 1,
        }
    }

    /// The greatest watched value was looked up; where there is none, that of the run before counts on.
    #[must_use]
    pub fn looked(&self, greatest: Option<String>) -> Self {
        let phase = if self.mode == Mode::Full { Phase::Keyless } else { Phase::Rows };
        Self { phase, seen: greatest.or_else(|| self.seen.clone()), stuck: None, ..self.clone() }
    }

    /// A page was read and is about to be imported.
    #[must_use]
    pub fn planned(&self, plan: Plan) -> Self {
        Self { plan: Some(plan), stuck: None, ..self.clone() }
    }

    /// The planned page is in; on to the next, or to the next phase.
    #[must_use]
    pub fn took(&self, counts: Counts, now: Timestamp) -> Self {
        let Some(plan) = &self.plan else { return self.clone() };
        let mut next = self.counted(counts);
        if counts.rejected > 0 && next.rejecting.len() < REJECTING_MAX {
            next.rejecting.push(plan.import);
        }
        next.after.clone_from(&plan.next);
        (next.plan, next.stuck) = (None, None);
        if plan.next.is_none() { next.behind(now) } else { next }
    }

    /// A page of our own rows was compared; so many were taken out.
    #[must_use]
    pub fn compared(&self, removed: u64, after: Option<Vec<String>>, now: Timestamp) -> Self {
        let next = Self { removed: self.removed + removed, after, stuck: None, ..self.clone() };
        if next.after.is_none() { next.behind(now) } else { next }
    }

    /// It does not go on for the moment.
    #[must_use]
    pub fn stuck(&self, why: vocabulary::Bilingual) -> Self {
        Self { stuck: Some(why), ..self.clone() }
    }

    /// It ends here, for want of what it would go on with.
    #[must_use]
    pub fn dropped(&self, why: vocabulary::Bilingual, now: Timestamp) -> Self {
        Self { phase: Phase::Dropped, ended: Some(now), stuck: Some(why), ..self.clone() }
    }

    fn counted(&self, counts: Counts) -> Self {
        Self {
            read: self.read + counts.read,
            loaded: self.loaded + counts.loaded,
            unchanged: self.unchanged + counts.unchanged,
            rejected: self.rejected + counts.rejected,
            ..self.clone()
        }
    }

    /// What comes behind the phase that it is in.
    fn behind(self, now: Timestamp) -> Self {
        let phase = match (self.phase, self.mode) {
            (Phase::Keyless, _) => Phase::Rows,
            (Phase::Rows, Mode::Full) => Phase::Gone,
            _ => Phase::Done,
        };
        Self { phase, after: None, ended: (phase == Phase::Done).then_some(now), ..self }
    }
}

/// A day or a time of day as databases write them, so many minutes earlier; anything else (a number that rises) stays.
fn earlier(seen: &str, minutes: u32) -> String {
    let (text, zone) = seen.strip_suffix("+00").map_or((seen, ""), |it| (it, "+00"));
    let span = jiff::SignedDuration::from_mins(i64::from(minutes));
    if text.len() == 10
        && let Ok(day) = text.parse::<jiff::civil::Date>()
    {
        let days = jiff::SignedDuration::from_hours(24 * i64::from(minutes.div_ceil(1_440)));
        return day.checked_sub(days).map_or_else(|_| seen.to_owned(), |it| it.to_string());
    }
    match text.parse::<jiff::civil::DateTime>().map(|it| it.checked_sub(span)) {
        Ok(Ok(time)) if text.contains([' ', 'T']) => format!("{}{zone}", time.strftime("%Y-%m-%d %H:%M:%S%.6f")),
        _ => seen.to_owned(),
    }
}

fn read(row: &Row) -> Result<Taking, Problem> {
    Ok(Taking { version: row.int("version")?, ..row.json("body")? })
}

fn body(taking: &Taking) -> Result<String, Problem> {
    serde_json::to_string(taking).map_err(|it| fault::internal("taking", &it))
}

/// The open run of a source.
///
/// # Errors
/// Those of the store.
pub async fn open_taking(reader: &mut Reader, source: &ResourceId) -> Result<Option<Taking>, Problem> {
    reader.row(sql::TAKING_OPEN, args![source.as_str()]).await?.map(|it| read(&it)).transpose()
}

/// Every open run, in no order.
///
/// # Errors
/// Those of the store.
pub async fn open_takings(reader: &mut Reader) -> Result<Vec<Taking>, Problem> {
    reader.rows(sql::TAKING_ALL_OPEN, args![OPEN_MAX]).await?.iter().map(read).collect()
}

/// The latest runs of a source, the newest first.
///
/// # Errors
/// Those of the store.
pub async fn takings(reader: &mut Reader, source: &ResourceId, limit: u32) -> Result<Vec<Taking>, Problem> {
    let rows = reader.rows(sql::TAKING_LIST, args![source.as_str(), limit.min(TAKINGS_MAX)]).await?;
    rows.iter().map(read).collect()
}

/// Begins a run, or finds the open one; one of another mode is dropped for it. Where no run has seen anything yet, a
/// run of changes reads all.
///
/// # Errors
/// `registry.secrecy_review`; those of the store.
pub async fn take_over(tx: &mut Tx, permit: &Permit<TakeOver>, now: Timestamp) -> Result<Taking, Problem> {
    let ask = permit.ask();
    crate::import::check_review(Some(&ask.review))?;
    if let Some(open) = open_taking(tx, &ask.source).await? {
        let may_shrink = open.may_shrink || ask.may_shrink;
        if open.mode == ask.mode && open.stuck.is_none() && may_shrink == open.may_shrink {
            return Ok(open);
        }
        if open.mode == ask.mode {
            return move_taking(tx, &Taking { may_shrink, stuck: None, ..open }).await;
        }
        let dropped = Taking { phase: Phase::Dropped, ended: Some(now), ..open };
        move_taking(tx, &dropped).await?;
    }
    let earlier = takings(tx, &ask.source, TAKINGS_MAX).await?;
    let before = earlier.into_iter().find(|it| it.phase == Phase::Done).and_then(|it| it.seen);
    let taking = Taking::begin(ask, permit.principal().actor.to_string(), before, now);
    let begin = args![ask.id.to_string(), ask.source.as_str(), body(&taking)?, micros(now)];
    tx.execute(sql::TAKING_BEGIN, begin).await?;
    open_taking(tx, &ask.source).await?.ok_or_else(|| fault::internal("taking", &"vanished"))
}

/// Writes how far a run is; its next step must begin from what this gives.
///
/// # Errors
/// `registry.taking_moved` where another process was faster.
pub async fn move_taking(tx: &mut Tx, taking: &Taking) -> Result<Taking, Problem> {
    let ended = taking.ended.map(micros);
    let step = args![taking.id.to_string(), taking.version, body(taking)?, ended];
    ensure!(tx.execute(sql::TAKING_MOVE, step).await? == 1, moved(&taking.source));
    Ok(Taking { version: taking.version + 1, ..taking.clone() })
}

fn moved(source: &ResourceId) -> Problem {
    Problem::new(
        Kind::Conflict,
        "registry.taking_moved",
        format!("另一进程正在取数 {source}；请等它结束"),
        format!("another process is taking over {source}; wait for it"),
    )
}
