//! MySQL and MariaDB of others: sessions that only read, in UTC, with time limits of their own.

use crate::driver::{CONNECT_MAX, CONNECTIONS_MAX, IDLE_MAX, STATEMENT_MAX, STATEMENTS_MAX};
use sqlx::{
    AssertSqlSafe, Executor as _, MySqlConnection, MySqlPool, SqlSafeStr as _,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
};
use std::{str::FromStr as _, time::Duration};

/// How it is connected to; `None` for an address that is none.
pub(crate) fn options(url: &str, password: Option<&str>) -> Option<MySqlConnectOptions> {
    let options = MySqlConnectOptions::from_str(url).ok()?.charset("utf8mb4");
    Some(match password {
        Some(password) => options.password(password),
        None => options,
    })
}

/// The pool, connected when it is first used.
pub(crate) fn pool(options: MySqlConnectOptions) -> MySqlPool {
    MySqlPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(CONNECT_MAX)
        .idle_timeout(IDLE_MAX)
        .after_connect(move |connection, _| Box::pin(settle(connection)))
        .connect_lazy_with(options.statement_cache_capacity(STATEMENTS_MAX))
}

async fn settle(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    connection.execute("SET SESSION TRANSACTION READ ONLY").await?;
    connection.execute("SET time_zone = '+00:00', lock_wait_timeout = 5").await?;
    limit(connection, STATEMENT_MAX).await
}

/// No statement takes longer. MariaDB and MySQL name that differently, and only one of them knows each name.
pub(crate) async fn limit(connection: &mut MySqlConnection, most: Duration) -> Result<(), sqlx::Error> {
    let run = async |connection: &mut MySqlConnection, sql: String| {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql).into_sql_str())).await.map(|_| ())
    };
    let maria = run(connection, format!("SET SESSION max_statement_time = {}", most.as_secs())).await;
    match maria {
        Err(sqlx::Error::Database(_)) => {
            run(connection, format!("SET SESSION max_execution_time = {}", most.as_millis())).await
        }
        other => other,
    }
}
