//! Sources that are tables of others: listed, checked, and taken over by runs that a job carries.

use crate::{Organisation, draw_uuid, records::ReadRecords, taking::Feed};
use outside::{Native, Read, Rows};
use pack::{OutsideTable, Source};
use policy::Principal;
use registry::{ImportId, Mode, Phase, SecrecyReview, TakeOver, Taking, TakingId};
use schema::{Field, FieldType};
use serde::{Deserialize, Serialize};
use store::transact;
use vocabulary::{Bilingual, Date, Kind, Problem, ResourceId, Timestamp, ensure};

/// Rows that a check looks at.
const CHECKED_ROWS: u32 = 200;

/// What to take over.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeAsk {
    /// All rows, and take out what is gone there; left out: what changed, where that can be told.
    #[serde(default)]
    pub full: bool,
    /// That the table lost most of its rows is known and right.
    #[serde(default)]
    pub may_shrink: bool,
    /// Who reviewed that no state secret is in it; left out: as with the run before.
    #[serde(default)]
    pub reviewed_by: Option<String>,
    /// When.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub reviewed_on: Option<Date>,
}

/// A run as it is shown.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct TakingView {
    /// Its name.
    pub id: TakingId,
    /// Of which source.
    pub source: ResourceId,
    /// All rows or changes.
    pub mode: Mode,
    /// Where it is.
    pub phase: Phase,
    /// Rows read: loaded, unchanged and rejected together.
    pub read: u64,
    /// Rows that were new or changed.
    pub loaded: u64,
    /// Rows that were so already.
    pub unchanged: u64,
    /// Rows turned away.
    pub rejected: u64,
    /// Rows taken out because they are gone there.
    pub removed: u64,
    /// Imports whose rejected rows can be fetched.
    pub rejecting: Vec<ImportId>,
    /// Who began it.
    pub by: String,
    /// When.
    #[schemars(with = "String")]
    pub begun: Timestamp,
    /// When it ended.
    #[schemars(with = "Option<String>")]
    pub ended: Option<Timestamp>,
    /// Why it does not go on at the moment.
    pub stuck: Option<Bilingual>,
}

impl From<Taking> for TakingView {
    fn from(it: Taking) -> Self {
        Self {
            id: it.id,
            source: it.source,
            mode: it.mode,
            phase: it.phase,
            read: it.read,
            loaded: it.loaded,
            unchanged: it.unchanged,
            rejected: it.rejected,
            removed: it.removed,
            rejecting: it.rejecting,
            by: it.by,
            begun: it.begun,
            ended: it.ended,
            stuck: it.stuck,
        }
    }
}

/// A source as it is listed.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct SourceView {
    /// Its name.
    pub source: ResourceId,
    /// Its title.
    pub title: Bilingual,
    /// The record type that it feeds.
    pub record: ResourceId,
    /// The connection.
    pub connection: ResourceId,
    /// The table.
    pub table: String,
    /// Whether queries read it where it stands.
    pub live: bool,
    /// How often it is taken over.
    pub every_minutes: Option<u32>,
    /// The connection: `closed` serves, `open` rests after failures, `half-open` is tried; `unfit` cannot serve.
    pub state: String,
    /// The latest run.
    pub last: Option<TakingView>,
    /// Seconds since the last run that ended began: what was written there since is not here yet.
    pub lag_s: Option<i64>,
}

/// What a check found.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct SourceCheck {
    /// The source.
    pub source: ResourceId,
    /// About how many rows the table has, where its database says so.
    pub rows: Option<u64>,
    /// Rows looked at.
    pub looked_at: u64,
    /// Of those, rows that would be turned away.
    pub unfit: u64,
    /// Everything that stands in the way, and what would be right.
    pub findings: Vec<Bilingual>,
}

impl Organisation {
    /// The sources that are tables of others, with their latest runs.
    ///
    /// # Errors
    /// `policy.role`; those of the store.
    pub async fn sources(&self, principal: &Principal) -> Result<Vec<SourceView>, Problem> {
        self.permit(principal, ReadRecords)?;
        let packs = self.packs();
        let mut reader = self.store.read().await?;
        let mut all = Vec::new();
        for source in packs.all.iter().flat_map(|it| it.sources.values()) {
            let Some(from) = &source.from else { continue };
            let takings = registry::takings(&mut reader, &source.source, registry::TAKINGS_MAX).await?;
            let done = takings.iter().find(|it| it.phase == Phase::Done);
            let lag_s = done.map(|it| self.now().duration_since(it.begun).as_secs());
            let state = self.outside.get(&from.connection).map_or("unfit", outside::Connection::state);
            all.push(SourceView {
                source: source.source.clone(),
                title: source.title.clone(),
                record: source.record.clone(),
                connection: from.connection.clone(),
                table: from.table.clone(),
                live: from.live,
                every_minutes: from.every_minutes,
                state: state.to_owned(),
                last: takings.into_iter().next().map(Into::into),
                lag_s,
            });
        }
        Ok(all)
    }

    /// The latest runs of a source, the newest first; also of one that has left its pack.
    ///
    /// # Errors
    /// `registry.source`, `policy.role`; those of the store.
    pub async fn source_runs(&self, principal: &Principal, name: &ResourceId) -> Result<Vec<TakingView>, Problem> {
        self.permit(principal, ReadRecords)?;
        let takings = registry::takings(&mut self.store.read().await?, name, registry::TAKINGS_MAX).await?;
        match self.packs().source(name) {
            Ok(source) => drop(table_of(source)?),
            Err(problem) if takings.is_empty() => return Err(problem),
            Err(_) => {}
        }
        Ok(takings.into_iter().map(Into::into).collect())
    }

    /// Begins a run, or goes on with the open one; a job carries it.
    ///
    /// # Errors
    /// `registry.source`, `source.no_table`, `source.live`, `source.no_connection`, `source.connection`,
    /// `registry.secrecy_review`, `policy.role`.
    pub async fn take_source(
        &self,
        principal: &Principal,
        name: &ResourceId,
        ask: TakeAsk,
    ) -> Result<TakingView, Problem> {
        let packs = self.packs();
        let source = packs.source(name)?;
        let from = table_of(source)?;
        ensure!(!from.live, live(name));
        self.outside.get(&from.connection)?;
        let runs = registry::takings(&mut self.store.read().await?, name, registry::TAKINGS_MAX).await?;
        let given = ask.reviewed_by.zip(ask.reviewed_on).map(|(by, on)| SecrecyReview { by, on });
        let review = given.or_else(|| runs.first().map(|it| it.review.clone()));
        let taken = runs.iter().any(|it| it.phase == Phase::Done);
        let changes = !ask.full && taken && from.watch.is_some();
        let now = self.now();
        let take = TakeOver {
            id: TakingId::from_uuid(draw_uuid(now)),
            source: name.clone(),
            record: source.record.clone(),
            mode: if changes { Mode::Changes } else { Mode::Full },
            overlap_minutes: from.watch.as_ref().map_or(0, |it| it.overlap_minutes),
            may_shrink: ask.may_shrink,
            review: review.unwrap_or_else(|| SecrecyReview { by: String::new(), on: Date::constant(1, 1, 1) }),
        };
        let permit = self.permit(principal, take)?;
        let taking = transact!(self.store, None, |tx| registry::take_over(tx, &permit, now).await)?;
        self.wake_source(name);
        Ok(taking.into())
    }

    /// Looks whether a source can be read and its rows fit, without taking anything over.
    ///
    /// # Errors
    /// `registry.source`, `source.no_table`, `policy.role`, and those of asking the system.
    pub async fn check_source(&self, principal: &Principal, name: &ResourceId) -> Result<SourceCheck, Problem> {
        self.permit(principal, ReadRecords)?;
        let packs = self.packs();
        let source = packs.source(name)?;
        let feed = Feed::open(self, &packs, source, table_of(source)?).await?;
        let mut findings = feed.findings(&packs);
        let readable = feed.columns.iter().chain(&feed.key).all(|it| feed.table.column(it.as_str()).is_some());
        let (mut looked_at, mut unfit) = (0, 0);
        if readable {
            let read = Read {
                table: &feed.table,
                columns: &feed.columns,
                key: &feed.key,
                rows: Rows::All,
                filter: None,
                after: None,
                limit: CHECKED_ROWS,
            };
            let page = feed.connection.read(&read).await?;
            looked_at = page.rows.len() as u64;
            unfit = page.rows.iter().filter(|it| !feed.fits(it, &*packs.codes())).count() as u64;
        }
        if unfit > 0 {
            findings.push(Bilingual::new(
                format!(
                    "前 {looked_at} 行中有 {unfit} 行不合记录类型，取数时将被拒收并说明原因；请核对列的对应与代码表"
                ),
                format!(
                    "of the first {looked_at} rows {unfit} do not fit the record type and would be turned away with \
                     reasons; see how columns map, and the code lists"
                ),
            ));
        }
        Ok(SourceCheck { source: name.clone(), rows: feed.table.rows, looked_at, unfit, findings })
    }
}

/// The table of a source.
pub(crate) fn table_of(source: &Source) -> Result<&OutsideTable, Problem> {
    source.from.as_ref().ok_or_else(|| {
        let name = &source.source;
        Problem::new(
            Kind::Unprocessable,
            "source.no_table",
            format!("数据源 {name} 以文件导入，没有 from；请用 yunhe import"),
            format!("source {name} comes as files and has no from; use yunhe import"),
        )
    })
}

fn live(name: &ResourceId) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "source.live",
        format!("数据源 {name} 为 live：查询直接读取对方的表，不取数"),
        format!("source {name} is live: queries read the table itself, nothing is taken over"),
    )
}

/// Why a column will hardly give values of a field, if so.
pub(crate) fn mismatch(native: Native, field: &Field) -> bool {
    match (&field.kind, native) {
        (_, Native::Bytes) => true,
        (FieldType::Timestamp, it) => matches!(it, Native::Integer | Native::Decimal | Native::Float | Native::Date),
        (FieldType::Date, it) => matches!(it, Native::Integer | Native::Decimal | Native::Float | Native::Instant),
        (FieldType::Boolean, it) => matches!(it, Native::Date | Native::DateTime | Native::Instant),
        (kind, it) if kind.is_number() => matches!(it, Native::Date | Native::DateTime | Native::Instant),
        _ => false,
    }
}
