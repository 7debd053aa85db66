//! MySQL and MariaDB of others: sessions that only read, in UTC, with time limits of their own.

use crate::{
    driver::{Ask, CONNECT_MAX, CONNECTIONS_MAX, IDLE_MAX, Rows, STATEMENT_MAX, STATEMENTS_MAX, trouble},
    problem::Trouble,
};
use futures::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, Executor as _, MySql, MySqlConnection, MySqlPool, Row as _, SqlSafeStr as _,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
    pool::PoolConnection,
};
use std::str::FromStr as _;

/// The pool, connected when it is first used; `None` for an address that is none.
pub(crate) fn pool(url: &str, password: Option<&str>) -> Option<MySqlPool> {
    let mut options = MySqlConnectOptions::from_str(url).ok()?.charset("utf8mb4");
    if let Some(password) = password {
        options = options.password(password);
    }
    let pool = MySqlPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(CONNECT_MAX)
        .idle_timeout(IDLE_MAX)
        .after_connect(move |connection, _| Box::pin(settle(connection)))
        .connect_lazy_with(options.statement_cache_capacity(STATEMENTS_MAX));
    Some(pool)
}

/// MariaDB and MySQL name the limit of a statement differently, and only one of them knows each name.
async fn settle(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    connection.execute("SET SESSION TRANSACTION READ ONLY").await?;
    connection.execute("SET time_zone = '+00:00', lock_wait_timeout = 5").await?;
    let seconds = STATEMENT_MAX.as_secs();
    let run = async |connection: &mut MySqlConnection, sql: String| {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql).into_sql_str())).await.map(|_| ())
    };
    let maria = run(connection, format!("SET SESSION max_statement_time = {seconds}")).await;
    match maria {
        Err(sqlx::Error::Database(_)) => {
            run(connection, format!("SET SESSION max_execution_time = {}", seconds * 1_000)).await
        }
        other => other,
    }
}

/// A connection that does not go back to the pool in the middle of an answer.
struct Lent {
    connection: PoolConnection<MySql>,
    whole: bool,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.whole {
            self.connection.close_on_drop();
        }
    }
}

pub(crate) async fn rows(pool: &MySqlPool, ask: Ask) -> Result<Rows, Trouble> {
    let connection = pool.acquire().await.map_err(|it| trouble(&it))?;
    let mut lent = Lent { connection, whole: false };
    let got = fetch(&mut lent.connection, ask).await;
    lent.whole = match &got {
        Ok(rows) => !rows.cut,
        Err(it) => matches!(it, Trouble::Refused(_)),
    };
    got
}

async fn fetch(connection: &mut PoolConnection<MySql>, ask: Ask) -> Result<Rows, Trouble> {
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
