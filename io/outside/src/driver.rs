//! One face for three drivers: a statement whose columns are all text, its arguments as text, rows within bounds.

use crate::{lent, problem::Trouble, sqlite};
use std::time::Duration;

/// Connections to one system at once.
pub(crate) const CONNECTIONS_MAX: u32 = 4;
/// To connect may take this long.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(5);
/// The system itself ends a statement after this long.
pub(crate) const STATEMENT_MAX: Duration = Duration::from_secs(20);
/// A connection that nobody used is closed after this long: the other side's own limits are ours too.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(60);
/// Prepared statements kept per connection.
pub(crate) const STATEMENTS_MAX: usize = 64;

/// One row: what stood in each column, as text.
pub(crate) type Cells = Vec<Option<String>>;

/// A statement with its arguments and how much of its answer is taken.
pub(crate) struct Ask {
    pub(crate) sql: String,
    pub(crate) args: Vec<String>,
    pub(crate) rows_max: usize,
    pub(crate) bytes_max: usize,
}

/// What came.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) rows: Vec<Cells>,
    pub(crate) bytes: usize,
    /// Whether more was there than was taken.
    pub(crate) cut: bool,
}

impl Rows {
    /// Takes a row; false where it no longer fits.
    pub(crate) fn take(&mut self, cells: Cells, ask: &Ask) -> Result<bool, Trouble> {
        let bytes: usize = cells.iter().flatten().map(String::len).sum();
        if bytes > ask.bytes_max {
            return Err(Trouble::TooLarge);
        }
        self.cut = self.rows.len() == ask.rows_max || self.bytes + bytes > ask.bytes_max;
        if !self.cut {
            self.bytes += bytes;
            self.rows.push(cells);
        }
        Ok(!self.cut)
    }
}

/// The driver of one system.
pub(crate) enum Driver {
    Postgres(sqlx::PgPool),
    MySql(sqlx::MySqlPool),
    Sqlite(sqlite::Files),
}

impl Driver {
    pub(crate) async fn rows(&self, ask: Ask) -> Result<Rows, Trouble> {
        match self {
            Self::Postgres(pool) => lent::rows(pool, ask).await,
            Self::MySql(pool) => lent::rows(pool, ask).await,
            Self::Sqlite(files) => files.rows(ask).await,
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::MySql(pool) => pool.close().await,
            Self::Sqlite(_) => {}
        }
    }
}

/// What an error of sqlx means for us. Its own words may hold values and addresses, and go nowhere.
pub(crate) fn trouble(error: &sqlx::Error) -> Trouble {
    match error {
        sqlx::Error::Database(it) => {
            let mysql = it.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>();
            let code = mysql.map_or_else(|| it.code().unwrap_or_default().into_owned(), |it| it.number().to_string());
            match code.as_str() {
                // statement_timeout, lock_timeout; MariaDB's and MySQL's time limits, lock_wait_timeout
                "57014" | "55P03" | "1969" | "3024" | "1205" => Trouble::Slow,
                // shutting down or not yet up, too many connections
                "57P01" | "57P02" | "57P03" | "53300" | "1040" | "1053" | "1203" => {
                    Trouble::Away("it turns connections away")
                }
                _ => Trouble::Refused(code),
            }
        }
        sqlx::Error::PoolTimedOut => Trouble::Away("no connection came about in time"),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Trouble::Unreadable,
        sqlx::Error::Tls(_) => Trouble::Away("TLS did not come about"),
        _ => Trouble::Away("the connection failed"),
    }
}
