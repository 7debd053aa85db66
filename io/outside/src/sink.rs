//! Tables of ours in a database outside, which deliveries fill: made where they are absent, refused where they do not
//! fit, and changed in one transaction with the mark beside them that says how far they are.
//!
//! Cells are text as a registry writes them; the database makes values of them. Columns that are not delivered are
//! somebody's own and stay as they are. A connection is opened for a call and closed behind it; calls pass the same
//! breaker as reads, and have a few places of their own, so that neither holds the other up.

use crate::{
    Connection, Name, TableName,
    address::unfit,
    connection::Lane,
    problem::Trouble,
    sink_postgres::{self as postgres, Prepared},
};
use sqlx::postgres::PgConnectOptions;
use std::time::Duration;
use vocabulary::{Kind, Problem, ensure};

/// Rows read back at once at most.
pub const SINK_PAGE_ROWS_MAX: u32 = 5_000;
/// A call may take this long; the database itself ends its statements a little sooner.
const CALL_MAX: Duration = Duration::from_secs(60);
/// Putting a whole set in place of another may take this long: a million rows are merged by one statement.
const FILL_MAX: Duration = Duration::from_secs(300);

/// What a delivered column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkKind {
    /// Text.
    Text,
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

/// A row: its cells in the order of the columns.
pub type SinkRow = Vec<Option<String>>;

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
    options: PgConnectOptions,
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
    /// `source.connection` where `yunhe.toml` does not say that it is written to, or it is not PostgreSQL.
    pub fn sink(&self) -> Result<Sink, Problem> {
        ensure!(
            self.inner.writes,
            unfit(
                self.name(),
                "只供读取；确需写入时，由系统管理员写明 writes = true 后重启",
                "it is only read; to have it written to, the system administrator says writes = true and restarts",
            )
        );
        let options = self.inner.target.clone().ok_or_else(|| {
            unfit(
                self.name(),
                "交付目标须为 postgres://user@host/db",
                "a delivery's target is a postgres://user@host/db",
            )
        })?;
        Ok(Sink { connection: self.clone(), options })
    }
}

impl Sink {
    async fn call<T>(&self, most: Duration, call: impl Future<Output = Result<T, Trouble>>) -> Result<T, Problem> {
        self.connection.guard(Lane::Write, most, call).await
    }

    /// Makes the table where it is absent, checks it where it is there; says how many rows it holds.
    ///
    /// # Errors
    /// `sink.shape` with everything that does not fit; `source.away`, `source.refused`, `source.slow`, `source.busy`.
    pub async fn prepare(&self, table: &SinkTable) -> Result<u64, Problem> {
        match self.call(CALL_MAX, postgres::prepare(&self.options, CALL_MAX, table)).await? {
            Prepared::Rows(rows) => Ok(rows),
            Prepared::Flaws(flaws) => Err(self.shape(table, &flaws)),
        }
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
        self.call(CALL_MAX, postgres::mark(&self.options, CALL_MAX, table)).await
    }

    /// Lays rows of a whole set aside, behind so many; the first of a set, behind none, takes the place of whatever lay
    /// there. Says how many these are then.
    ///
    /// # Errors
    /// Those of asking the database; `source.refused` where somebody else laid rows aside meanwhile.
    pub async fn stage(&self, table: &SinkTable, rows: &[SinkRow], behind: u64) -> Result<u64, Problem> {
        self.call(CALL_MAX, postgres::stage(&self.options, CALL_MAX, table, (rows, behind))).await
    }

    /// Puts the `staged` rows that were laid aside in place of what is there, with the mark, in one transaction.
    ///
    /// # Errors
    /// Those of asking the database; `source.refused` where other rows lie there.
    pub async fn fill(&self, table: &SinkTable, mark: &SinkMark, staged: u64) -> Result<SinkDone, Problem> {
        self.call(FILL_MAX, postgres::fill(&self.options, FILL_MAX, table, (mark, staged))).await
    }

    /// Brings a page of changes in, with the mark, in one transaction; one that is in already changes nothing. `None`
    /// where the mark is not one that the page goes on from.
    ///
    /// # Errors
    /// Those of asking the database.
    pub async fn merge(
        &self,
        table: &SinkTable,
        page: &SinkMark,
        put: &[SinkRow],
        gone: &[SinkRow],
    ) -> Result<Option<SinkDone>, Problem> {
        self.call(CALL_MAX, postgres::merge(&self.options, CALL_MAX, table, (page, put, gone))).await
    }

    /// Rows as they stand there, in the order of their keys, behind a key; at most [`SINK_PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// Those of asking the database.
    pub async fn page(&self, table: &SinkTable, after: Option<&[String]>) -> Result<Vec<SinkRow>, Problem> {
        self.call(CALL_MAX, postgres::page(&self.options, CALL_MAX, table, after)).await
    }
}
