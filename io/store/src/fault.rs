//! What goes wrong between us and the database, as problems. Causes are logged, never shown.

use rusqlite::ErrorCode;
use vocabulary::{Kind, Problem};

/// A fault whose cause only the log names.
pub(crate) fn internal(what: &str, cause: &dyn std::fmt::Display) -> Problem {
    tracing::error!(what, %cause, "store fault");
    Problem::new(
        Kind::Internal,
        "store.fault",
        format!("存储内部故障（{what}）；请查看节点日志"),
        format!("a fault inside the store ({what}); see the node's log"),
    )
}

pub(crate) fn away(cause: &dyn std::fmt::Display) -> Problem {
    tracing::warn!(%cause, "database away");
    Problem::new(
        Kind::Unavailable,
        "store.unavailable",
        "数据库暂时不可用，未作任何更改；请稍后重试",
        "the database is away for the moment and nothing was changed; try again",
    )
}

fn full(cause: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%cause, "disk full");
    Problem::new(
        Kind::Unavailable,
        "store.full",
        "磁盘空间已满，未作任何更改；请腾出空间后重试",
        "the disk is full and nothing was changed; free some space and try again",
    )
}

fn duplicate() -> Problem {
    Problem::new(Kind::Conflict, "store.duplicate", "该键已存在", "a row with this key is there already")
}

/// SQLSTATEs after which the same unit of work may simply run again (PostgreSQL).
pub(crate) fn is_retryable(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(it) if matches!(it.code().as_deref(), Some("40001" | "40P01")))
}

/// Turns an error of PostgreSQL's driver into a problem.
pub(crate) fn problem(error: &sqlx::Error) -> Problem {
    match error {
        sqlx::Error::Database(it) if is_retryable(error) => {
            Problem::new(Kind::Unavailable, "store.retry", "并发冲突，请重试", "a concurrent change; try again")
                .with("sqlstate", it.code().unwrap_or_default().as_ref())
        }
        sqlx::Error::Database(it) if it.is_unique_violation() => duplicate(),
        sqlx::Error::Database(it) => {
            let code = it.code().unwrap_or_default();
            match code.as_ref() {
                // disk_full.
                "53100" => full(error),
                // Admin shutdown, crash shutdown, cannot connect now, database takes no connections, too many of them.
                "57P01" | "57P02" | "57P03" | "55000" | "53300" => away(error),
                // A full disk may show up as another fault of its.
                _ if it.message().contains("No space left") => full(error),
                _ => internal("sql", error),
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => away(error),
        // A server that hangs up where it should say whether it speaks TLS: the driver reads that as a byte 0.
        sqlx::Error::Protocol(it) if it.starts_with("unexpected response from SSLRequest") => away(error),
        other => internal("driver", other),
    }
}

/// Turns an error of SQLite into a problem.
pub(crate) fn sqlite(error: &rusqlite::Error) -> Problem {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE, SQLITE_IOERR_WRITE};
    let rusqlite::Error::SqliteFailure(cause, _) = error else { return internal("driver", error) };
    match (cause.code, cause.extended_code) {
        (_, SQLITE_CONSTRAINT_UNIQUE | SQLITE_CONSTRAINT_PRIMARYKEY) => duplicate(),
        // A full disk shows up as a failed write, too.
        (ErrorCode::DiskFull, _) | (_, SQLITE_IOERR_WRITE) => full(error),
        (ErrorCode::DatabaseBusy | ErrorCode::CannotOpen, _) => away(error),
        _ => internal("sql", error),
    }
}
