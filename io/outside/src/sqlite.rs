//! SQLite files of others: opened for reading alone, aside from the runtime's threads, ended by a deadline.

use crate::{
    driver::{Ask, CONNECTIONS_MAX, Cells, Rows, STATEMENT_MAX},
    problem::Trouble,
};
use rusqlite::{Connection, ErrorCode, OpenFlags, types::ValueRef};
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A file that is locked is waited for this long.
const LOCK_MAX: Duration = Duration::from_secs(5);
/// The deadline is looked at after so many steps of SQLite's machine.
const STEPS: i32 = 10_000;

/// One file and its idle connections.
#[derive(Clone)]
pub(crate) struct Files {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Lent>>>,
}

/// A connection, and which file it has open: a program that writes a new file and renames it over the old one must not
/// leave us with the old one.
struct Lent {
    connection: Connection,
    file: (u64, u64),
}

/// Device and number of the file that is there now.
fn file(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|it| (it.dev(), it.ino()))
}

impl Files {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Arc::default() }
    }

    pub(crate) async fn rows(&self, ask: Ask) -> Result<Rows, Trouble> {
        let files = self.clone();
        let read = move || {
            let mut lent = files.lend()?;
            let rows = fetch(&mut lent.connection, &ask)?;
            let mut idle = files.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < CONNECTIONS_MAX as usize {
                idle.push(lent);
            }
            Ok(rows)
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| Trouble::Away("the reading thread ended"))?
    }

    fn lend(&self) -> Result<Lent, Trouble> {
        // Asked before it is opened: renamed over in between, the next one opens it anew.
        let file = file(&self.path).ok_or(Trouble::Away("there is no such file"))?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|it| it.file == file);
        if let Some(lent) = idle.pop() {
            return Ok(lent);
        }
        drop(idle);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(|it| trouble(&it))?;
        connection.busy_timeout(LOCK_MAX).map_err(|it| trouble(&it))?;
        connection.pragma_update(None, "trusted_schema", false).map_err(|it| trouble(&it))?;
        Ok(Lent { connection, file })
    }
}

fn fetch(connection: &mut Connection, ask: &Ask) -> Result<Rows, Trouble> {
    let end = Instant::now() + STATEMENT_MAX;
    connection.progress_handler(STEPS, Some(move || Instant::now() > end)).map_err(|it| trouble(&it))?;
    let mut statement = connection.prepare_cached(&ask.sql).map_err(|it| trouble(&it))?;
    let args = rusqlite::params_from_iter(ask.args.iter().take(statement.parameter_count()));
    let width = statement.column_count();
    let mut rows = statement.query(args).map_err(|it| trouble(&it))?;
    let mut found = Rows::default();
    while let Some(row) = rows.next().map_err(|it| trouble(&it))? {
        let cells: Result<Cells, Trouble> = (0..width).map(|at| cell(row, at)).collect();
        if !found.take(cells?, ask)? {
            break;
        }
    }
    Ok(found)
}

fn cell(row: &rusqlite::Row<'_>, at: usize) -> Result<Option<String>, Trouble> {
    match row.get_ref(at).map_err(|it| trouble(&it))? {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(it) => Ok(Some(it.to_string())),
        ValueRef::Real(it) => Ok(Some(it.to_string())),
        ValueRef::Text(it) => String::from_utf8(it.to_vec()).map(Some).map_err(|_| Trouble::Unreadable),
        ValueRef::Blob(_) => Err(Trouble::Unreadable),
    }
}

fn trouble(error: &rusqlite::Error) -> Trouble {
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Trouble::Slow,
        Some(ErrorCode::CannotOpen | ErrorCode::NotADatabase | ErrorCode::SystemIoFailure) => {
            Trouble::Away("the file cannot be opened as a database")
        }
        Some(other) => Trouble::Refused(format!("{other:?}")),
        None => Trouble::Unreadable,
    }
}
