//! PostgreSQL of others: sessions that only read, in UTC and ISO forms, with time limits of their own.

use crate::driver::{CONNECT_MAX, CONNECTIONS_MAX, IDLE_MAX, STATEMENT_MAX, STATEMENTS_MAX};
use sqlx::{
    AssertSqlSafe, Executor as _, PgPool, SqlSafeStr as _,
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
