//! PostgreSQL connections: none is waited for without a bound, and none comes back to the pool inside a transaction,
//! wherever its caller went away.

use crate::{
    Arg, Row, Statement,
    row::{Names, from_postgres},
};
use futures::TryStreamExt;
use sqlx::{
    Error, PgConnection, PgPool, Postgres as Driver, pool::PoolConnection, postgres::PgArguments, query::Query, raw_sql,
};
use std::{io, time::Duration};
use tokio::{runtime::Handle, time::timeout};
use vocabulary::Problem;

/// A database that says nothing for this long in the middle of a statement is away.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// A statement that makes tables or indexes may take this long.
const SCHEMA_MAX: Duration = Duration::from_secs(600);

/// A connection of the pool's, alone or inside a transaction.
pub(crate) struct Postgres {
    connection: Option<PoolConnection<Driver>>,
    /// A transaction was begun. Noted before that is sent: a caller that goes away takes back neither.
    open: bool,
    /// It broke, or said nothing for too long.
    lost: bool,
}

impl Postgres {
    pub(crate) async fn lend(pool: &PgPool) -> Result<Self, Error> {
        Ok(Self { connection: Some(pool.acquire().await?), open: false, lost: false })
    }

    /// A connection inside a transaction that `sql` begins.
    pub(crate) async fn begin(pool: &PgPool, sql: &'static str) -> Result<Self, Error> {
        let mut held = Self::lend(pool).await?;
        held.open = true;
        held.say(sql).await?;
        Ok(held)
    }

    /// Ends the transaction for good.
    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        self.say("COMMIT").await?;
        self.open = false;
        Ok(())
    }

    /// Takes the transaction back.
    pub(crate) async fn roll_back(mut self) {
        // Best effort: what is not taken back here ends with its connection, and a lost one is not waited for again.
        if !self.lost {
            self.open = self.say("ROLLBACK").await.is_err();
        }
    }

    async fn say(&mut self, sql: &'static str) -> Result<(), Error> {
        let said = timeout(SILENCE_MAX, async { raw_sql(sql).execute(self.connection()?).await.map(|_| ()) }).await;
        self.heard(said.unwrap_or(Err(Error::PoolTimedOut)))
    }

    fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        self.connection.as_deref_mut().ok_or(Error::PoolClosed)
    }

    /// Notes whether the connection can still be used.
    fn heard<T>(&mut self, got: Result<T, Error>) -> Result<T, Error> {
        self.lost |= got.as_ref().is_err_and(|it| !matches!(it, Error::Database(_)));
        got
    }

    /// The first row, if there is one.
    pub(crate) async fn first(&mut self, sql: Statement, args: Vec<Arg>) -> Result<Option<Row>, Error> {
        let patience = patience(&sql);
        let got = timeout(patience, async { bind(sql, args).fetch_optional(self.connection()?).await }).await;
        let row = self.heard(got.unwrap_or(Err(Error::PoolTimedOut)))?;
        row.as_ref().map(|it| from_postgres(it, &mut Names::new())).transpose()
    }

    /// Gives each row to `take` until it stops with an error.
    pub(crate) async fn each(
        &mut self,
        sql: Statement,
        args: Vec<Arg>,
        mut take: impl FnMut(Row) -> Result<(), Problem>,
    ) -> Result<Result<(), Problem>, Error> {
        let (patience, mut names) = (patience(&sql), Names::new());
        let got = async {
            let mut rows = bind(sql, args).fetch(self.connection()?);
            loop {
                let next = timeout(patience, rows.try_next()).await.map_err(|_| Error::PoolTimedOut)??;
                let Some(row) = next else { return Ok(Ok(())) };
                if let Err(stop) = take(from_postgres(&row, &mut names)?) {
                    return Ok(Err(stop));
                }
            }
        }
        .await;
        self.heard(got)
    }

    /// Runs a statement and says how many rows it changed.
    pub(crate) async fn execute(&mut self, sql: Statement, args: Vec<Arg>) -> Result<u64, Error> {
        let patience = patience(&sql);
        let done = timeout(patience, async { bind(sql, args).execute(self.connection()?).await }).await;
        self.heard(done.unwrap_or(Err(Error::PoolTimedOut))).map(|it| it.rows_affected())
    }

    /// `COPY … TO STDOUT`: gives each piece to `take` until it fails.
    pub(crate) async fn copy_out(
        &mut self,
        sql: &str,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<io::Result<()>, Error> {
        let got = async {
            let begun = timeout(SILENCE_MAX, self.connection()?.copy_out_raw(sql)).await;
            let mut pieces = begun.map_err(|_| Error::PoolTimedOut)??;
            loop {
                let next = timeout(SILENCE_MAX, pieces.try_next()).await.map_err(|_| Error::PoolTimedOut)??;
                let Some(piece) = next else { return Ok(Ok(())) };
                if let Err(stop) = take(&piece) {
                    return Ok(Err(stop));
                }
            }
        }
        .await;
        self.heard(got)
    }

    /// `COPY … FROM STDIN` of what `more` gives, until that is empty.
    pub(crate) async fn copy_from(
        &mut self,
        sql: &str,
        mut more: impl FnMut() -> io::Result<Vec<u8>>,
    ) -> Result<io::Result<()>, Error> {
        let done = async {
            let mut copy = self.connection()?.copy_in_raw(sql).await?;
            loop {
                match more() {
                    Ok(piece) if piece.is_empty() => break,
                    Ok(piece) => {
                        timeout(SILENCE_MAX, copy.send(piece)).await.map_err(|_| Error::PoolTimedOut)??;
                    }
                    Err(stop) => {
                        copy.abort("the file could not be read").await?;
                        return Ok(Err(stop));
                    }
                }
            }
            timeout(SCHEMA_MAX, copy.finish()).await.map_err(|_| Error::PoolTimedOut)??;
            Ok(Ok(()))
        }
        .await;
        self.heard(done)
    }

    /// `COPY … FROM STDIN`.
    pub(crate) async fn copy(&mut self, sql: &str, data: &[u8]) -> Result<u64, Error> {
        let done = timeout(SILENCE_MAX, async {
            let mut copy = self.connection()?.copy_in_raw(sql).await?;
            copy.send(data).await?;
            copy.finish().await
        })
        .await;
        self.heard(done.unwrap_or(Err(Error::PoolTimedOut)))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        match Handle::try_current() {
            Ok(_) if !self.open && !self.lost => {}
            Ok(runtime) if !self.lost => {
                // It goes back to the pool once its transaction is taken back, and not at all if that cannot be.
                runtime.spawn(async move {
                    let done = timeout(SILENCE_MAX, raw_sql("ROLLBACK").execute(&mut *connection)).await;
                    if !matches!(done, Ok(Ok(_))) {
                        connection.close_on_drop();
                    }
                });
            }
            _ => connection.close_on_drop(),
        }
    }
}

fn patience(sql: &Statement) -> Duration {
    if sql.is_schema() { SCHEMA_MAX } else { SILENCE_MAX }
}

fn bind(sql: Statement, args: Vec<Arg>) -> Query<'static, Driver, PgArguments> {
    let mut query = sqlx::query(sql.sql());
    for arg in args {
        query = match arg {
            Arg::Null => query.bind(crate::arg_null::Untyped),
            Arg::Int(it) => query.bind(it),
            Arg::Text(it) => query.bind(it),
            Arg::Bytes(it) => query.bind(it),
        };
    }
    query
}
