//! SQLite connections. Statements run where they are called: a point read or write takes some µs, less than handing it
//! to another thread and back. What may take long goes aside, so that the thread's other tasks go on meanwhile.

use crate::{
    Arg, Row, Statement, fault,
    row::{Names, from_sqlite},
};
use rusqlite::{Connection, Error, OpenFlags, config::DbConfig, hooks::Wal, types::Value};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::block_in_place,
    time::timeout,
};
use vocabulary::Problem;

/// Readers of one file at once.
const READERS_MAX: u32 = 8;
/// Prepared statements kept per connection.
const STATEMENTS_MAX: usize = 256;
/// The pages that the writer keeps, as SQLite takes it: KiB, negative.
const WRITER_CACHE: i64 = -16_384;
/// The pages that each reader keeps; what is not among them is in the system's cache.
const READER_CACHE: i64 = -4_096;
/// The pages that the connection which folds the write-ahead log keeps.
const FOLD_CACHE: i64 = -64;

/// Runs `work` where it may take long without holding up the tasks beside it.
pub(crate) fn aside<T>(work: impl FnOnce() -> T) -> T {
    let many = Handle::try_current().is_ok_and(|it| it.runtime_flavor() == RuntimeFlavor::MultiThread);
    if many { block_in_place(work) } else { work() }
}

/// One connection.
pub(crate) struct Sqlite(Connection);

impl Sqlite {
    /// Opens the file for its one writer, made if missing.
    pub(crate) fn write(path: &Path, patience: Duration) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let opened = Self::open(path, flags, WRITER_CACHE)?;
        opened.0.busy_timeout(patience)?;
        opened.0.pragma_update(None, "journal_mode", "WAL")?;
        opened.0.pragma_update(None, "synchronous", "FULL")?;
        opened.0.pragma_update(None, "foreign_keys", true)?;
        // From here on another process that writes is waited for in `Writer::take_file`, not inside SQLite.
        opened.0.busy_timeout(Duration::ZERO)?;
        Ok(opened)
    }

    /// Opens the file for folding its write-ahead log back.
    pub(crate) fn fold(path: &Path) -> Result<Self, Error> {
        let opened = Self::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, FOLD_CACHE)?;
        opened.0.pragma_update(None, "synchronous", "FULL")?;
        opened.0.pragma_update(None, "wal_autocheckpoint", 0)?;
        Ok(opened)
    }

    /// Tells `tell` after each commit how many pages the write-ahead log has; from then on SQLite does not fold it by
    /// itself.
    pub(crate) fn on_commit(&mut self, mut tell: impl FnMut(u32) + Send + 'static) -> Result<(), Error> {
        self.0.wal_hook(Some(move |_: &mut Wal, pages: i32| {
            tell(u32::try_from(pages).unwrap_or(0));
            Ok(())
        }))
    }

    fn read(path: &Path, patience: Duration) -> Result<Self, Error> {
        let opened = Self::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_CACHE)?;
        opened.0.busy_timeout(patience)?;
        Ok(opened)
    }

    fn open(path: &Path, flags: OpenFlags, cache: i64) -> Result<Self, Error> {
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        // A plan depends on the statement alone; otherwise SQLite plans some anew for each value that is bound.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "cache_size", cache)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        Ok(Self(connection))
    }

    /// Gives each row to `take` until it stops with an error.
    pub(crate) fn each(
        &self,
        sql: &Statement,
        args: Vec<Arg>,
        mut take: impl FnMut(Row) -> Result<(), Problem>,
    ) -> Result<Result<(), Problem>, Error> {
        let work = || {
            let mut statement = self.0.prepare_cached(sql.as_str())?;
            bind(&mut statement, args)?;
            let names = Names::sqlite(&statement);
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next()? {
                if let Err(stop) = take(from_sqlite(row, &names)?) {
                    return Ok(Err(stop));
                }
            }
            Ok(Ok(()))
        };
        if sql.is_long() { aside(work) } else { work() }
    }

    /// The first row, if there is one.
    pub(crate) fn first(&self, sql: &Statement, args: Vec<Arg>) -> Result<Option<Row>, Error> {
        let work = || {
            let mut statement = self.0.prepare_cached(sql.as_str())?;
            bind(&mut statement, args)?;
            let names = Names::sqlite(&statement);
            let mut rows = statement.raw_query();
            let first = rows.next()?.map(|it| from_sqlite(it, &names)).transpose()?;
            // A writing statement with RETURNING has done all its work only at its end.
            while rows.next()?.is_some() {}
            Ok(first)
        };
        if sql.is_long() { aside(work) } else { work() }
    }

    /// Runs a statement to its end and says how many rows it changed.
    pub(crate) fn execute(&self, sql: &Statement, args: Vec<Arg>) -> Result<u64, Error> {
        let work = || {
            let mut statement = self.0.prepare_cached(sql.as_str())?;
            bind(&mut statement, args)?;
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
            drop(rows);
            Ok(if statement.readonly() { 0 } else { self.0.changes() })
        };
        if sql.is_long() { aside(work) } else { work() }
    }

    /// Runs a statement without parameters.
    pub(crate) fn run(&self, sql: &'static str) -> Result<(), Error> {
        self.execute(&Statement::from(sql), Vec::new()).map(|_| ())
    }
}

/// Binds `args` to `$1`, `$2`, … wherever these stand, or to nameless `?` in turn; what has no argument is null.
fn bind(statement: &mut rusqlite::Statement<'_>, mut args: Vec<Arg>) -> Result<(), Error> {
    for position in 1..=statement.parameter_count() {
        let number = match statement.parameter_name(position) {
            Some(name) => name[1..].parse::<usize>().unwrap_or(0),
            None => position,
        };
        let arg = args.get_mut(number.wrapping_sub(1));
        match arg.map_or(Arg::Null, |it| std::mem::replace(it, Arg::Null)) {
            Arg::Null => statement.raw_bind_parameter(position, Value::Null)?,
            Arg::Int(it) => statement.raw_bind_parameter(position, it)?,
            Arg::Text(it) => statement.raw_bind_parameter(position, it)?,
            Arg::Bytes(it) => statement.raw_bind_parameter(position, it)?,
        }
    }
    Ok(())
}

/// The connections that read one file.
pub(crate) struct Readers {
    path: PathBuf,
    patience: Duration,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Sqlite>>,
}

impl Readers {
    pub(crate) fn new(path: &Path, patience: Duration) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(READERS_MAX as usize));
        Arc::new(Self { path: path.to_owned(), patience, permits, idle: Mutex::default() })
    }

    /// A connection; waits for one to come free.
    pub(crate) async fn lend(self: &Arc<Self>) -> Result<Lent, Problem> {
        let permit = timeout(self.patience, self.permits.clone().acquire_owned()).await;
        let permit = permit.map_err(|it| fault::away(&it))?.map_err(|it| fault::away(&it))?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(it) => it,
            None => Sqlite::read(&self.path, self.patience).map_err(|it| fault::sqlite(&it))?,
        };
        Ok(Lent { connection: Some(connection), readers: self.clone(), _permit: permit })
    }

    /// Closes all connections as they come back; nobody gets a further one.
    pub(crate) async fn close(&self) {
        // Those still out after this long are closed when they come back: the semaphore is closed then.
        drop(timeout(self.patience, self.permits.acquire_many(READERS_MAX)).await);
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A reading connection on loan. Given back, it holds no moment.
pub(crate) struct Lent {
    connection: Option<Sqlite>,
    readers: Arc<Readers>,
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    pub(crate) fn connection(&mut self) -> Option<&mut Sqlite> {
        self.connection.as_mut()
    }

    /// All that follows sees one moment.
    pub(crate) fn hold(&self) -> Result<(), Error> {
        self.connection.as_ref().map_or(Ok(()), |it| it.run("BEGIN"))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let free = connection.0.is_autocommit() || connection.run("ROLLBACK").is_ok();
        if free && !self.readers.permits.is_closed() {
            self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}
