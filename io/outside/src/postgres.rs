//! PostgreSQL of others: sessions that only read, in UTC and ISO forms, with time limits of their own.

use crate::{
    driver::{Ask, CONNECT_MAX, CONNECTIONS_MAX, IDLE_MAX, Rows, STATEMENT_MAX, STATEMENTS_MAX, trouble},
    problem::Trouble,
};
use futures::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, Executor as _, PgPool, Postgres, Row as _, SqlSafeStr as _,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::str::FromStr as _;

/// How it is connected to; `None` for an address that is none.
pub(crate) fn options(url: &str, password: Option<&str>) -> Option<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).ok()?.application_name("yunhe");
    Some(match password {
        Some(password) => options.password(password),
        None => options,
    })
}

/// The pool, connected when it is first used.
pub(crate) fn pool(options: PgConnectOptions) -> PgPool {
    let settings = format!(
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; SET statement_timeout = {}; SET lock_timeout = 5000; \
         SET DateStyle = 'ISO, YMD'; SET TimeZone = 'UTC'; SET client_encoding = 'UTF8'; SET extra_float_digits = 1",
        STATEMENT_MAX.as_millis()
    );
    PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(CONNECT_MAX)
        .idle_timeout(IDLE_MAX)
        .after_connect(move |connection, _| {
            let settings = AssertSqlSafe(settings.clone()).into_sql_str();
            Box::pin(async move { connection.execute(sqlx::raw_sql(settings)).await.map(|_| ()) })
        })
        .connect_lazy_with(options.statement_cache_capacity(STATEMENTS_MAX))
}

/// A connection that does not go back to the pool in the middle of an answer.
struct Lent {
    connection: PoolConnection<Postgres>,
    whole: bool,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.whole {
            self.connection.close_on_drop();
        }
    }
}

pub(crate) async fn rows(pool: &PgPool, ask: Ask) -> Result<Rows, Trouble> {
    let connection = pool.acquire().await.map_err(|it| trouble(&it))?;
    let mut lent = Lent { connection, whole: false };
    let got = fetch(&mut lent.connection, ask).await;
    lent.whole = match &got {
        Ok(rows) => !rows.cut,
        Err(it) => matches!(it, Trouble::Refused(_)),
    };
    got
}

async fn fetch(connection: &mut PoolConnection<Postgres>, ask: Ask) -> Result<Rows, Trouble> {
    let mut query = sqlx::query(AssertSqlSafe(ask.sql.clone()).into_sql_str());
    for arg in &ask.args {
        query = query.bind(arg.clone());
    }
    let (mut found, mut rows) = (Rows::default(), query.fetch(&mut **connection));
    while let Some(row) = rows.try_next().await.map_err(|it| trouble(&it))? {
        let cells: Result<Vec<Option<String>>, _> = (0..row.len()).map(|at| row.try_get(at)).collect();
        if !found.take(cells.map_err(|it| trouble(&it))?, &ask)? {
            break;
        }
    }
    Ok(found)
}
