//! Carrying runs that take over tables of others: one task per source, so that none waits for another; each step is one
//! page and can be cut off anywhere.

use crate::{
    Organisation, Packs, TakeAsk, draw_uuid,
    imports::mapping,
    records::{key_texts, key_values},
    sources::{mismatch, table_of},
};
use jiff::ToSpan as _;
use outside::{Column, Connection, KEYS_MAX, Name, Native, Read, Rows, Table, TableName};
use pack::{OutsideTable, Source, template_columns};
use policy::{Principal, Role};
use registry::{Counts, Import, ImportId, Intake, Mode, Phase, Plan, Remove, Selection, Taking};
use rule::Filter;
use schema::{AnyCode, CodeLists, FieldType, RecordType, Value};
use std::{
    collections::{BTreeMap, HashSet},
    io::Cursor,
    sync::{Arc, Mutex, PoisonError},
};
use store::transact;
use tokio::task::AbortHandle;
use vocabulary::{Bilingual, Kind, Problem, ResourceId, Timestamp, ensure};

/// Rows of a page: one import, one unit of work.
const PAGE_ROWS: u32 = 4_000;
/// Runs of one organisation carried at once.
const CARRIED_MAX: usize = 8;
/// A run that got stuck rests this long, and each further time twice as long, up to [`REST_SECONDS_MAX`].
const REST_SECONDS: i64 = 15;
/// The longest rest of a run that got stuck.
const REST_SECONDS_MAX: i64 = 900;
/// From so many rows on a table that lost more than half of them is looked at by a person first.
const SHRINKS_FROM: u64 = 100;

/// What is carried and what rests.
#[derive(Default)]
pub(crate) struct Carried {
    under_way: Mutex<BTreeMap<ResourceId, AbortHandle>>,
    resting: Mutex<BTreeMap<ResourceId, (Timestamp, i64)>>,
}

impl Carried {
    fn under_way(&self) -> std::sync::MutexGuard<'_, BTreeMap<ResourceId, AbortHandle>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resting(&self) -> std::sync::MutexGuard<'_, BTreeMap<ResourceId, (Timestamp, i64)>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every task where it stands, as if the node had been killed.
    pub(crate) fn stop(&self) {
        for (_, task) in std::mem::take(&mut *self.under_way()) {
            task.abort();
        }
    }
}

/// A source with its table as it is there now.
pub(crate) struct Feed<'a> {
    source: &'a Source,
    from: &'a OutsideTable,
    record: &'a RecordType,
    pub(crate) connection: Connection,
    pub(crate) table: Arc<Table>,
    /// What is read of a row.
    pub(crate) columns: Vec<Name>,
    /// What names a row.
    pub(crate) key: Vec<Name>,
}

impl<'a> Feed<'a> {
    pub(crate) async fn open(
        org: &Organisation,
        packs: &'a Packs,
        source: &'a Source,
        from: &'a OutsideTable,
    ) -> Result<Self, Problem> {
        let record = packs.record(&source.record)?;
        let connection = org.outside.get(&from.connection)?.clone();
        let name: TableName = from.table.parse()?;
        let table = connection.table(&name).await?;
        let mut columns: Vec<&str> = source.columns.keys().map(String::as_str).collect();
        columns.extend(source.templates.values().filter_map(|it| template_columns(it)).flatten());
        let mut seen = HashSet::new();
        columns.retain(|it| seen.insert(*it));
        let key = source.key_columns(record).unwrap_or_default();
        let names = |all: Vec<&str>| all.into_iter().map(Name::new).collect::<Result<Vec<_>, _>>();
        Ok(Self { columns: names(columns)?, key: names(key)?, source, from, record, connection, table })
    }

    /// The watched column.
    fn watched(&self) -> Result<Option<Name>, Problem> {
        self.from.watch.as_ref().map(|it| Name::new(it.column.as_str())).transpose()
    }

    fn column(&self, name: &Name) -> Option<&Column> {
        self.table.column(name.as_str())
    }

    /// A cell as an import takes it.
    pub(crate) fn text(&self, name: &Name, cell: &str) -> String {
        let field = self.source.columns.get(name.as_str()).and_then(|it| self.record.field(it.as_str()));
        match (self.column(name), field) {
            (Some(column), Some(field)) if field.kind == FieldType::Date => column.day(cell),
            (Some(column), _) => column.plain(cell),
            (None, _) => cell.to_owned(),
        }
    }

    /// The key of a row as it stands there.
    pub(crate) fn raw_key(&self, key: &[Value]) -> Vec<String> {
        let fields = self.record.key.iter().filter_map(|it| self.record.field(it.as_str()));
        let parts = fields.zip(key).zip(&self.key);
        let raw = parts.map(|((field, value), name)| {
            let text = field.kind.render(value);
            self.column(name).map_or(text.clone(), |it| it.raw(&text))
        });
        raw.collect()
    }

    /// Whether another source, a table or files, fills the same record type.
    fn shares(&self, packs: &Packs) -> bool {
        let others = packs.all.iter().flat_map(|it| it.sources.values()).filter(|it| it.source != self.source.source);
        others.filter(|it| it.record == self.record.name).any(|it| it.from.as_ref().is_none_or(|it| !it.live))
    }

    /// What stands in the way of reading it.
    pub(crate) fn findings(&self, packs: &Packs) -> Vec<Bilingual> {
        let mut findings = Vec::new();
        let mut say = |zh: String, en: String| findings.push(Bilingual::new(zh, en));
        if self.shares(packs) && !self.from.live {
            let record = &self.record.name;
            say(
                format!("{record} 另有其他数据源；全量取数不移除对方已无的行，因其可能来自那里"),
                format!("{record} has other sources too; a full run takes nothing out, for a row may be theirs"),
            );
        }
        if let Some(watch) = &self.from.watch
            && self.table.column(&watch.column).is_some_and(|it| !timed(it.kind))
        {
            let column = &watch.column;
            say(
                format!("{column} 不是日期或时间：重叠不适用，先取号后提交的行可能漏取；请用更新时间列，或定期 --full"),
                format!(
                    "{column} holds no days or times: there is no overlap, and a row whose number was drawn early and \
                     committed late may be missed; watch a time of change, or take all (--full) now and then"
                ),
            );
        }
        let watched = self.from.watch.iter().map(|it| it.column.as_str());
        for name in self.columns.iter().map(Name::as_str).chain(watched) {
            if self.table.column(name).is_none() {
                let there: Vec<&str> = self.table.columns.iter().map(|it| it.name.as_str()).collect();
                let there = there.join(", ");
                say(
                    format!("表 {} 没有列 {name}；现有：{there}", self.from.table),
                    format!("table {} has no column {name}; it has: {there}", self.from.table),
                );
            }
        }
        if !self.table.is_key(&self.key) {
            let key = self.key.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
            say(
                format!("{key} 在表中不是主键或唯一索引：读取较慢，且遇重复即停；请建唯一索引或改用主键列"),
                format!(
                    "{key} is no primary or unique key of the table: pages are slow, and a value that stands twice \
                     ends the run; add a unique index, or use the primary key"
                ),
            );
        }
        for (name, field) in &self.source.columns {
            let (Some(column), Some(about)) = (self.table.column(name), self.record.field(field.as_str())) else {
                continue;
            };
            if mismatch(column.kind, about) {
                let (native, word) = (&column.native, about.kind.word());
                say(
                    format!("列 {name} 为 {native}，难以成为 {word} 信息项 {field}；请改信息项类型或换一列"),
                    format!(
                        "column {name} is {native}, hardly a {word} for field {field}; change the field or the column"
                    ),
                );
            }
        }
        findings
    }

    /// Whether a row that was read is one of the record type.
    pub(crate) fn fits(&self, row: &[Option<String>], codes: &dyn CodeLists) -> bool {
        self.columns.iter().zip(row).all(|(name, cell)| {
            let field = self.source.columns.get(name.as_str()).and_then(|it| self.record.field(it.as_str()));
            let text = cell.as_deref().map(|it| self.text(name, it)).unwrap_or_default();
            let text = if self.source.nulls.contains(&text) { String::new() } else { text };
            field.is_none_or(|it| it.parse(&text, codes).is_ok())
        })
    }

    /// A page as the file that an import reads.
    fn file(&self, rows: &[Vec<Option<String>>]) -> Vec<u8> {
        let mut out = Vec::new();
        line(&mut out, self.columns.iter().map(|it| it.as_str().to_owned()));
        for row in rows {
            let cells = self.columns.iter().zip(row);
            line(&mut out, cells.map(|(name, it)| it.as_deref().map(|it| self.text(name, it)).unwrap_or_default()));
        }
        out
    }
}

fn timed(native: Native) -> bool {
    matches!(native, Native::Date | Native::DateTime | Native::Instant)
}

/// One line after RFC 4180, every cell in quotes.
fn line(out: &mut Vec<u8>, cells: impl Iterator<Item = String>) {
    for (at, cell) in cells.enumerate() {
        out.extend_from_slice(if at == 0 { b"\"" } else { b",\"" });
        out.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b"\r\n");
}

impl Organisation {
    /// Who takes over what a person once allowed.
    fn taker(&self) -> Principal {
        Principal::job(self.id().clone(), "sources", [Role::DataSteward])
    }

    /// A run may go on at once, whatever it rested for.
    pub(crate) fn wake_source(&self, name: &ResourceId) {
        self.carried.resting().remove(name);
    }

    /// Begins what is due, and sees to it that every open run is carried.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn carry_sources(self: Arc<Self>) -> Result<bool, Problem> {
        self.begin_due().await?;
        let open = registry::open_takings(&mut self.store.read().await?).await?;
        for taking in open {
            let name = taking.source.clone();
            let rests = self.source_rests(&name);
            let mut under_way = self.carried.under_way();
            under_way.retain(|_, it| !it.is_finished());
            if rests || under_way.contains_key(&name) || under_way.len() >= CARRIED_MAX {
                continue;
            }
            let organisation = Arc::clone(&self);
            let task = tokio::spawn(async move { organisation.carry_source(taking).await });
            under_way.insert(name, task.abort_handle());
        }
        Ok(false)
    }

    /// Begins runs of sources whose interval is over, under the review of the run before.
    async fn begin_due(&self) -> Result<(), Problem> {
        let packs = self.packs();
        for source in packs.all.iter().flat_map(|it| it.sources.values()) {
            let Some(minutes) = source.from.as_ref().filter(|it| !it.live).and_then(|it| it.every_minutes) else {
                continue;
            };
            if self.source_rests(&source.source) {
                continue;
            }
            let last = registry::takings(&mut self.store.read().await?, &source.source, 1).await?.pop();
            let Some(last) = last.filter(|it| it.ended.is_some()) else { continue };
            let due = last.begun.checked_add(i64::from(minutes).minutes()).is_ok_and(|it| it <= self.now());
            if due && let Err(problem) = self.take_source(&self.taker(), &source.source, TakeAsk::default()).await {
                tracing::warn!(source = %source.source, %problem, "a due run did not begin");
                // A connection that is broken, or taken out of the configuration, is asked less and less often.
                self.rest_source(&source.source);
            }
        }
        Ok(())
    }

    /// Carries a run to its end, or until it gets stuck.
    async fn carry_source(&self, mut taking: Taking) {
        let name = taking.source.clone();
        while taking.ended.is_none() {
            match self.taking_step(&taking).await {
                Ok(next) => taking = next,
                Err(problem) => {
                    tracing::warn!(source = %name, %problem, "a run is stuck");
                    self.rest_source(&name);
                    let stuck = taking.stuck(problem.detail);
                    // A run that another process moved on is that one's to tell about.
                    drop(transact!(self.store, None, |tx| registry::move_taking(tx, &stuck).await));
                    return;
                }
            }
        }
        self.wake_source(&name);
    }

    /// Whether a source rests after a failure.
    fn source_rests(&self, name: &ResourceId) -> bool {
        self.carried.resting().get(name).is_some_and(|(until, _)| self.now() < *until)
    }

    fn rest_source(&self, name: &ResourceId) {
        let mut resting = self.carried.resting();
        let before = resting.get(name).map_or(0, |it| it.1);
        let seconds = (before * 2).clamp(REST_SECONDS, REST_SECONDS_MAX);
        let until = self.now().checked_add(seconds.seconds()).unwrap_or(Timestamp::MAX);
        resting.insert(name.clone(), (until, seconds));
    }

    /// One step of a run.
    async fn taking_step(&self, taking: &Taking) -> Result<Taking, Problem> {
        let packs = self.packs();
        let Ok(source) = packs.source(&taking.source) else {
            return self.moved(&taking.dropped(source_gone(&taking.source), self.now())).await;
        };
        let feed = Feed::open(self, &packs, source, table_of(source)?).await?;
        match taking.phase {
            Phase::Begin => {
                let greatest = match feed.watched()? {
                    Some(column) => {
                        let greatest = feed.connection.greatest(&feed.table, &column).await?;
                        let about = feed.column(&column);
                        greatest.map(|it| about.map_or(it.clone(), |about| about.not_ahead(it, self.now())))
                    }
                    None => None,
                };
                self.moved(&taking.looked(greatest)).await
            }
            Phase::Keyless | Phase::Rows => self.take_page(&packs, &feed, taking).await,
            Phase::Gone => self.compare(&packs, &feed, taking).await,
            Phase::Done | Phase::Dropped => Ok(taking.clone()),
        }
    }

    async fn moved(&self, next: &Taking) -> Result<Taking, Problem> {
        transact!(self.store, None, |tx| registry::move_taking(tx, next).await)
    }

    async fn take_page(&self, packs: &Packs, feed: &Feed<'_>, taking: &Taking) -> Result<Taking, Problem> {
        if let Some(plan) = &taking.plan {
            let import = registry::import_progress(&mut self.store.read().await?, plan.import).await?;
            if let Some(done) = import.filter(|it| it.state == registry::State::Done) {
                return self.moved(&taking.took(Counts::from(&done), self.now())).await;
            }
        }
        let mut key = feed.key.clone();
        let rows = match (taking.phase, &taking.since, feed.watched()?) {
            (Phase::Keyless, ..) => Rows::Keyless,
            (_, Some(since), Some(column)) if taking.mode == Mode::Changes => {
                key.insert(0, column.clone());
                Rows::Since(column, since.clone())
            }
            _ => Rows::All,
        };
        let after = taking.after.clone();
        let read =
            Read { table: &feed.table, columns: &feed.columns, key: &key, rows, filter: None, after, limit: PAGE_ROWS };
        let page = feed.connection.read(&read).await?;
        let import = ImportId::from_uuid(draw_uuid(self.now()));
        let planned = self.moved(&taking.planned(Plan { import, next: page.next })).await?;
        let import = Import {
            id: import,
            record: taking.record.clone(),
            mapping: registry::Mapping { encoding: Some(registry::Encoding::Utf8), ..mapping(feed.source) },
            source: format!("{}/{}", feed.from.connection, feed.from.table),
            why: format!("{} {}", taking.source, taking.id),
            secrecy_review: Some(taking.review.clone()),
            atomic: false,
        };
        let permit = self.permit(&self.taker(), import)?;
        let clock = || self.now();
        let file = Box::new(Cursor::new(feed.file(&page.rows)));
        let intake = Intake { source: file, codes: packs.codes(), clock: &clock };
        let done = registry::import(&self.store, &permit, intake, &mut |_| ()).await?;
        self.moved(&planned.took(Counts::from(&done), self.now())).await
    }

    /// Looks which of our rows are gone there, and takes them out.
    async fn compare(&self, packs: &Packs, feed: &Feed<'_>, taking: &Taking) -> Result<Taking, Problem> {
        if feed.shares(packs) {
            // A row that is not there may be another source's.
            return self.moved(&taking.compared(0, None, self.now())).await;
        }
        let record = feed.record;
        let mut reader = self.store.read().await?;
        if taking.after.is_none() && !taking.may_shrink {
            let ours = registry::count(&mut reader, record, &Selection::all(record)).await?;
            ensure!(ours < SHRINKS_FROM || taking.read * 2 >= ours, shrunk(taking, ours));
        }
        let columns = record.key.clone();
        let after = taking.after.as_deref().map(|it| key_values(record, it)).transpose()?;
        let selection = Selection { columns: columns.clone(), filter: Filter::always(), after, as_of: None };
        let limit = u32::try_from(KEYS_MAX).unwrap_or(u32::MAX);
        let stored = registry::page(&mut reader, record, &selection, limit).await?;
        drop(reader);
        let after = stored.last().filter(|_| stored.len() == KEYS_MAX);
        let after = after.and_then(|it| key_texts(record, &columns, &it.values));
        let there = self.there(feed, stored.iter().map(|it| &it.values)).await?;
        let keys: Vec<Vec<Value>> = stored.into_iter().map(|it| it.values).filter(|it| !there.contains(it)).collect();
        let why = format!("{} {}：对方已无此行 gone there", taking.source, taking.id);
        let permit = self.permit(&self.taker(), Remove { record: taking.record.clone(), keys, why })?;
        let now = self.now();
        transact!(self.store, None, |tx| {
            let removed = registry::remove(tx, &permit, now).await?.removed;
            registry::move_taking(tx, &taking.compared(removed, after.clone(), now)).await
        })
    }

    /// Which of these keys are there.
    async fn there<'v>(
        &self,
        feed: &Feed<'_>,
        keys: impl Iterator<Item = &'v Vec<Value>>,
    ) -> Result<HashSet<Vec<Value>>, Problem> {
        let record = feed.record;
        let fields: Vec<_> = record.key.iter().filter_map(|it| record.field(it.as_str())).collect();
        let asked: Vec<Vec<String>> = keys.map(|it| feed.raw_key(it)).collect();
        if asked.is_empty() {
            return Ok(HashSet::new());
        }
        let mut read = Read {
            table: &feed.table,
            columns: &feed.key,
            key: &feed.key,
            rows: Rows::Keys(asked),
            filter: None,
            after: None,
            limit: PAGE_ROWS,
        };
        let mut there = HashSet::new();
        // Long keys come in more pages than one; a key that was not read yet is not gone.
        loop {
            let page = feed.connection.read(&read).await?;
            there.extend(page.rows.iter().filter_map(|row| {
                let cells = fields.iter().zip(&feed.key).zip(row);
                let parsed = cells.map(|((field, name), cell)| {
                    field.parse(&feed.text(name, cell.as_deref().unwrap_or_default()), &AnyCode).ok()
                });
                parsed.collect::<Option<Vec<Value>>>()
            }));
            read.after = page.next;
            if read.after.is_none() {
                return Ok(there);
            }
        }
    }
}

fn source_gone(name: &ResourceId) -> Bilingual {
    Bilingual::new(
        format!("数据包中已无数据源 {name}，取数就此结束；装回后可重新开始"),
        format!("no pack has source {name} any more: the run ends here; install it again to begin anew"),
    )
}

fn shrunk(taking: &Taking, ours: u64) -> Problem {
    let read = taking.read;
    Problem::new(
        Kind::Conflict,
        "source.shrunk",
        format!("对方只有 {read} 行，本方有 {ours} 行，未移除任何记录；确认无误后请以 --may-shrink 再次取数"),
        format!(
            "{read} rows are there and {ours} are here; nothing was taken out. If that is right, take with --may-shrink"
        ),
    )
}
