//! Connections of either database, and the two ways to hold one: to read, or inside a unit of work.

use crate::{
    Arg, Row, Statement, fault,
    postgres::Postgres,
    sqlite::{Lent, Sqlite},
    transact::Writer,
};
use std::ops::{Deref, DerefMut};
use tokio::sync::OwnedMutexGuard;
use vocabulary::Problem;

pub(crate) enum Held {
    Writer(OwnedMutexGuard<Writer>),
    Sqlite(Lent),
    Postgres(Postgres),
}

enum Raw<'a> {
    Sqlite(&'a mut Sqlite),
    Postgres(&'a mut Postgres),
}

/// A connection that reads.
pub struct Reader {
    pub(crate) held: Held,
    /// The first driver error that is worth another try, kept for `transact`.
    pub(crate) retryable: bool,
}

impl Reader {
    pub(crate) fn new(held: Held) -> Self {
        Self { held, retryable: false }
    }

    fn raw(&mut self) -> Result<Raw<'_>, Problem> {
        Ok(match &mut self.held {
            Held::Writer(it) => Raw::Sqlite(it.connection()),
            Held::Sqlite(it) => Raw::Sqlite(it.connection().ok_or_else(|| fault::internal("reader", &"given back"))?),
            Held::Postgres(it) => Raw::Postgres(it),
        })
    }

    fn fail(&mut self, error: &sqlx::Error) -> Problem {
        self.retryable |= fault::is_retryable(error);
        fault::problem(error)
    }

    /// Whether this is SQLite or PostgreSQL.
    pub fn dialect(&self) -> crate::Dialect {
        match &self.held {
            Held::Writer(_) | Held::Sqlite(_) => crate::Dialect::Sqlite,
            Held::Postgres(_) => crate::Dialect::Postgres,
        }
    }

    /// All rows of a statement whose result is bounded.
    ///
    /// # Errors
    /// `store.unavailable`, `store.full`, `store.duplicate`, or `store.fault` for a bug.
    pub async fn rows(&mut self, sql: impl Into<Statement>, args: Vec<Arg>) -> Result<Vec<Row>, Problem> {
        let mut rows = Vec::new();
        self.each(sql, args, |row| {
            rows.push(row);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// As [`Reader::rows`].
    pub async fn row(&mut self, sql: impl Into<Statement>, args: Vec<Arg>) -> Result<Option<Row>, Problem> {
        let sql = sql.into();
        match self.raw()? {
            Raw::Sqlite(it) => it.first(&sql, args).map_err(|it| fault::sqlite(&it)),
            Raw::Postgres(it) => it.first(sql, args).await.map_err(|it| self.fail(&it)),
        }
    }

    /// Streams the rows of a statement through `take`, which may stop it with an error.
    ///
    /// # Errors
    /// As [`Reader::rows`], or what `take` said.
    pub async fn each(
        &mut self,
        sql: impl Into<Statement>,
        args: Vec<Arg>,
        take: impl FnMut(Row) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let sql = sql.into();
        match self.raw()? {
            Raw::Sqlite(it) => it.each(&sql, args, take).map_err(|it| fault::sqlite(&it))?,
            Raw::Postgres(it) => it.each(sql, args, take).await.map_err(|it| self.fail(&it))?,
        }
    }

    pub(crate) async fn run(&mut self, sql: Statement, args: Vec<Arg>) -> Result<u64, Problem> {
        match self.raw()? {
            Raw::Sqlite(it) => it.execute(&sql, args).map_err(|it| fault::sqlite(&it)),
            Raw::Postgres(it) => it.execute(sql, args).await.map_err(|it| self.fail(&it)),
        }
    }

    pub(crate) async fn copy(&mut self, sql: &str, data: &[u8]) -> Result<u64, Problem> {
        let Raw::Postgres(connection) = self.raw()? else {
            return Err(fault::internal("copy", &"only PostgreSQL copies"));
        };
        connection.copy(sql, data).await.map_err(|it| self.fail(&it))
    }
}

/// A unit of work: reads, and writes that become durable together.
pub struct Tx(pub(crate) Reader);

impl Deref for Tx {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.0
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Reader {
        &mut self.0
    }
}

impl Tx {
    /// Runs a writing statement and says how many rows it changed.
    ///
    /// # Errors
    /// As [`Reader::rows`].
    pub async fn execute(&mut self, sql: impl Into<Statement>, args: Vec<Arg>) -> Result<u64, Problem> {
        self.0.run(sql.into(), args).await
    }

    /// `COPY … FROM STDIN` on PostgreSQL: `data` is in the format that `sql` names.
    ///
    /// # Errors
    /// As [`Reader::rows`]; `store.fault` on SQLite.
    pub async fn copy_in(&mut self, sql: &Statement, data: &[u8]) -> Result<u64, Problem> {
        self.0.copy(sql.as_str(), data).await
    }
}
