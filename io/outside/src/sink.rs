//! Tables of ours in a database outside, which deliveries fill: made where they are absent, refused where they do not
//! fit, and changed in one transaction with the mark beside them that says how far they are.
//!
//! Cells are text as a registry writes them; the database makes values of them. Columns that are not delivered are
//! somebody's own and stay as they are. One delivery fills a table: the mark's table says which, whatever name and
//! connection it calls the table by. A connection is opened for a call (for a whole set: for its transaction) and
//! closed behind it; calls pass the same breaker as reads, and have a few places of their own, so that neither holds
//! the other up.

use crate::{
    Connection, Name, TableName, address::unfit, connection::Target, gate::Lane, problem::Trouble, sink_mysql as mysql,
    sink_postgres as postgres, sink_shape::Prepared,
};
use std::time::Duration;
use vocabulary::{Kind, Problem, ensure};

/// A call may take this long; the database itself ends its statements a little sooner.
const CALL_MAX: Duration = Duration::from_secs(60);
/// Putting a whole set in place of another may take this long: a million rows are merged by one statement.
const FILL_MAX: Duration = Duration::from_secs(300);
/// Reading a table back may take this long.
const READ_MAX: Duration = Duration::from_secs(300);

/// What a delivered column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkKind {
    /// Text.
    Text {
        /// The most characters.
        chars: u32,
    },
    /// Whole numbers of 64 bits.
    Integer,
    /// Exact decimals.
    Decimal {
        /// All digits.
        precision: u8,
        /// Those behind the point.
        scale: u8,
    },
    /// `true` and `false`.
    Boolean,
    /// Days: `2026-11-24`.
    Date,
    /// Moments in microseconds.
    Instant,
}

/// A delivered column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkColumn {
    /// Its name.
    pub name: Name,
    /// What it holds.
    pub kind: SinkKind,
    /// Whether it may hold nothing.
    pub nullable: bool,
    /// What is written about it.
    pub title: String,
}

/// A table that a delivery fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkTable {
    /// Its name.
    pub name: TableName,
    /// What is written about it.
    pub title: String,
    /// What is delivered.
    pub columns: Vec<SinkColumn>,
    /// What names a row.
    pub key: Vec<Name>,
    /// The delivery, by a name that no other has in that database.
    pub delivery: String,
}

impl SinkTable {
    /// Where the key's columns stand among all.
    pub(crate) fn places(&self) -> Vec<usize> {
        self.key.iter().filter_map(|key| self.columns.iter().position(|it| it.name == *key)).collect()
    }
}

/// How far a table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkMark {
    /// What it was filled from.
    pub source: String,
    /// The page that comes next.
    pub next: u32,
}

/// Rows that are written, cell by cell.
pub trait SinkRows: Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// Puts the text of a cell behind what is in `out`; false where there is nothing.
    fn cell(&self, row: usize, column: usize, out: &mut String) -> bool;
}

/// A cell as a text of its own.
pub(crate) fn own(rows: &dyn SinkRows, row: usize, column: usize) -> Option<String> {
    let mut text = String::new();
    rows.cell(row, column, &mut text).then_some(text)
}

/// Rows that are read back: instants lose the zeros at their end, as a registry writes them; all else is so already.
pub(crate) struct Texts {
    instants: Vec<usize>,
    width: usize,
}

impl Texts {
    pub(crate) fn of(table: &SinkTable) -> Self {
        let kinds = table.columns.iter().enumerate();
        let instants = kinds.filter(|it| it.1.kind == SinkKind::Instant).map(|it| it.0).collect();
        Self { instants, width: table.columns.len() }
    }

    /// Hands a row on.
    pub(crate) fn give(&self, cells: &[Option<&str>], take: &mut dyn FnMut(&[Option<&str>])) -> Result<(), Trouble> {
        if cells.len() != self.width {
            return Err(Trouble::Unreadable);
        }
        let plain = |at: &usize| Some((*at, format!("{}Z", trimmed(cells[*at]?))));
        let instants: Vec<(usize, String)> = self.instants.iter().filter_map(plain).collect();
        let mut cells = cells.to_vec();
        for (at, text) in &instants {
            cells[*at] = Some(text);
        }
        take(&cells);
        Ok(())
    }
}

fn trimmed(moment: &str) -> &str {
    match moment.contains('.') {
        true => moment.trim_end_matches('0').trim_end_matches('.'),
        false => moment,
    }
}

/// What a change did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkDone {
    /// Rows that came or changed.
    pub put: u64,
    /// Rows that went.
    pub removed: u64,
}

/// A database outside that is written to.
#[derive(Clone)]
pub struct Sink {
    connection: Connection,
    target: Target,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").field("name", self.connection.name()).finish_non_exhaustive()
    }
}

impl Connection {
    /// The same database, to be written to.
    ///
    /// # Errors
    /// `source.connection` where `yunhe.toml` does not say that it is written to, or it is a file.
    pub fn sink(&self) -> Result<Sink, Problem> {
        ensure!(
            self.inner.writes,
            unfit(
                self.name(),
                "只供读取；确需写入时，由系统管理员写明 writes = true 后重启",
                "it is only read; to have it written to, the system administrator says writes = true and restarts",
            )
        );
        let target = self.inner.target.clone().ok_or_else(|| {
            unfit(
                self.name(),
                "交付目标须为 postgres://user@host/db 或 mysql://user@host/db",
                "a delivery's target is a postgres://user@host/db or a mysql://user@host/db",
            )
        })?;
        Ok(Sink { connection: self.clone(), target })
    }
}

impl Sink {
    async fn call<T>(&self, most: Duration, call: impl Future<Output = Result<T, Trouble>>) -> Result<T, Problem> {
        self.connection.guard(Lane::Write, most, Box::pin(call)).await
    }

    /// Makes the table where it is absent, checks it where it is there, and claims it for this delivery: from another
    /// one only where that is said. Says how many rows it holds.
    ///
    /// # Errors
    /// `sink.shape` with everything that does not fit; `sink.taken`; `source.away`, `source.refused`, `source.slow`,
    /// `source.busy`.
    pub async fn prepare(&self, table: &SinkTable, takes_over: bool) -> Result<u64, Problem> {
        let prepared = match &self.target {
            Target::Postgres(it) => self.call(CALL_MAX, postgres::prepare(it, CALL_MAX, table, takes_over)).await?,
            Target::MySql(it) => self.call(CALL_MAX, mysql::prepare(it, CALL_MAX, table, takes_over)).await?,
        };
        match prepared {
            Prepared::Rows(rows) => Ok(rows),
            Prepared::Flaws(flaws) => Err(self.shape(table, &flaws)),
            Prepared::Taken(other) => Err(self.taken(table, &other)),
        }
    }

    fn taken(&self, table: &SinkTable, other: &str) -> Problem {
        let (name, table) = (self.connection.name(), &table.name);
        Problem::new(
            Kind::Conflict,
            "sink.taken",
            format!(
                "连接 {name} 的表 {table} 由交付 {other} 写入；请换表，或先结束该交付，再以 takes_over（--takes-over）新建"
            ),
            format!(
                "table {table} of connection {name} is filled by delivery {other}; name another table, or end that \
                 delivery first and say takes_over (--takes-over)"
            ),
        )
        .field("/target")
        .with("delivery", other)
    }

    fn shape(&self, table: &SinkTable, flaws: &[(String, String)]) -> Problem {
        let zh: Vec<&str> = flaws.iter().map(|it| it.0.as_str()).collect();
        let en: Vec<&str> = flaws.iter().map(|it| it.1.as_str()).collect();
        let (name, table) = (self.connection.name(), &table.name);
        Problem::new(
            Kind::Unprocessable,
            "sink.shape",
            format!(
                "连接 {name} 的表 {table} 与交付的列不符：{}；请改表，或另指一张不存在的表由系统建立",
                zh.join("；")
            ),
            format!(
                "table {table} of connection {name} does not fit what is delivered: {}; change it, or name one that is \
                 not there and will be made",
                en.join("; ")
            ),
        )
        .field("/target")
    }

    /// How far the table is.
    ///
    /// # Errors
    /// Those of asking the database.
    pub async fn mark(&self, table: &SinkTable) -> Result<Option<SinkMark>, Problem> {
        match &self.target {
            Target::Postgres(it) => self.call(CALL_MAX, postgres::mark(it, CALL_MAX, table)).await,
            Target::MySql(it) => self.call(CALL_MAX, mysql::mark(it, CALL_MAX, table)).await,
        }
    }

    /// Begins the transaction in which a whole set takes the place of what is in the table. Dropped before its end, it
    /// leaves no trace.
    ///
    /// # Errors
    /// Those of asking the database.
    pub async fn begin(&self, table: &SinkTable) -> Result<SinkFilling, Problem> {
        let filling = match &self.target {
            Target::Postgres(it) => {
                Filling::Postgres(self.call(CALL_MAX, postgres::Filling::begin(it, FILL_MAX, table)).await?)
            }
            Target::MySql(it) => Filling::MySql(self.call(CALL_MAX, mysql::Filling::begin(it, FILL_MAX, table)).await?),
        };
        Ok(SinkFilling { sink: self.clone(), table: table.clone(), filling, rows: 0 })
    }

    /// Brings a page of changes in, with the mark, in one transaction; one that is in already changes nothing. `None`
    /// where the mark is not one that the page goes on from. Of `gone` only the key's columns are given, in its order.
    ///
    /// # Errors
    /// Those of asking the database.
    pub async fn merge(
        &self,
        table: &SinkTable,
        page: &SinkMark,
        put: &dyn SinkRows,
        gone: &dyn SinkRows,
    ) -> Result<Option<SinkDone>, Problem> {
        let change = (page, put, gone);
        match &self.target {
            Target::Postgres(it) => self.call(CALL_MAX, postgres::merge(it, CALL_MAX, table, change)).await,
            Target::MySql(it) => self.call(CALL_MAX, mysql::merge(it, CALL_MAX, table, change)).await,
        }
    }

    /// Gives every row as it stands there to `take`, in no order: its cells in the order of the columns, as texts in
    /// the form in which they were written.
    ///
    /// # Errors
    /// Those of asking the database.
    pub async fn read(&self, table: &SinkTable, take: &mut (dyn FnMut(&[Option<&str>]) + Send)) -> Result<(), Problem> {
        match &self.target {
            Target::Postgres(it) => self.call(READ_MAX, postgres::read(it, READ_MAX, table, take)).await,
            Target::MySql(it) => self.call(READ_MAX, mysql::read(it, READ_MAX, table, take)).await,
        }
    }
}

/// The driver's side of a whole set.
enum Filling {
    Postgres(postgres::Filling),
    MySql(mysql::Filling),
}

/// A whole set on its way into a table: one transaction from the first row to the mark.
pub struct SinkFilling {
    sink: Sink,
    table: SinkTable,
    filling: Filling,
    rows: u64,
}

impl SinkFilling {
    /// Rows that were given so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Some rows more.
    ///
    /// # Errors
    /// Those of asking the database.
    pub async fn put(&mut self, rows: &dyn SinkRows) -> Result<(), Problem> {
        let (sink, table) = (self.sink.clone(), &self.table);
        match &mut self.filling {
            Filling::Postgres(it) => sink.call(CALL_MAX, it.put(table, rows)).await?,
            Filling::MySql(it) => sink.call(CALL_MAX, it.put(table, rows)).await?,
        }
        self.rows += rows.count() as u64;
        Ok(())
    }

    /// Puts them in place of what is there, with the mark.
    ///
    /// # Errors
    /// Those of asking the database.
    pub async fn end(self, mark: &SinkMark) -> Result<SinkDone, Problem> {
        let Self { sink, table, filling, rows } = self;
        match filling {
            Filling::Postgres(it) => sink.call(FILL_MAX, it.end(&table, mark, rows)).await,
            Filling::MySql(it) => sink.call(FILL_MAX, it.end(&table, mark, rows)).await,
        }
    }
}
