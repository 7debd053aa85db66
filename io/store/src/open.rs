//! Opening a database, one handle per organisation: its own SQLite file or its own PostgreSQL schema.

use crate::{
    Dialect, Reader, Statement,
    checkpoint::{Folder, Folding},
    connection::Held,
    fault,
    postgres::Postgres,
    sqlite::{Readers, Sqlite},
    transact::{Committer, Fault, Writer},
};
use sqlx::{
    Connection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    path::Path,
    str::FromStr,
    sync::{Arc, Mutex as StdMutex},
    time::Duration,
};
use tokio::sync::Mutex;
use vocabulary::{Kind, Problem};

/// Connections of one organisation to PostgreSQL at once.
const POSTGRES_CONNECTIONS_MAX: u32 = 16;
/// A caller waits this long for a connection, then hears `store.unavailable`.
pub(crate) const ACQUIRE_MAX: Duration = Duration::from_secs(5);
/// Prepared statements kept per connection to PostgreSQL.
const STATEMENTS_MAX: usize = 256;

/// One organisation's database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) backend: Backend,
    /// The fault to come, and after how many further units of work.
    pub(crate) fault: StdMutex<Option<(u32, Fault)>>,
}

pub(crate) enum Backend {
    Sqlite { writer: Arc<Mutex<Writer>>, committer: Committer, _folder: Folder, readers: Arc<Readers> },
    Postgres { pool: PgPool, schema: String },
}

impl Store {
    /// Opens `sqlite:PATH` (made if missing) or `postgres://…`, there in `schema` (made if missing), and migrates the
    /// store's own tables.
    ///
    /// # Errors
    /// `store.url` for an address of another kind, `store.unavailable` when the database does not answer.
    pub async fn open(url: &str, schema: &str) -> Result<Self, Problem> {
        let store = Self::connect(url, schema, true).await?;
        store.migrate("store", crate::migrate::STORE).await?;
        Ok(store)
    }

    /// Opens a database that is there, as it is: nothing is made and nothing migrated. For whoever looks at it beside
    /// the node that owns it.
    ///
    /// # Errors
    /// As [`Store::open`]; `store.absent` when there is none.
    pub async fn attend(url: &str, schema: &str) -> Result<Self, Problem> {
        if let Some(path) = sqlite_path(url) {
            vocabulary::ensure!(path.is_file(), absent(&path.display()));
        }
        Self::connect(url, schema, false).await
    }

    async fn connect(url: &str, schema: &str, make: bool) -> Result<Self, Problem> {
        let backend = if let Some(path) = sqlite_path(url) {
            open_sqlite(path)?
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            open_postgres(url, schema, make).await?
        } else {
            return Err(Problem::new(
                Kind::Unprocessable,
                "store.url",
                "数据库地址应以 sqlite: 或 postgres:// 开头",
                "a database address begins with sqlite: or postgres://",
            ));
        };
        Ok(Self { inner: Arc::new(Inner { backend, fault: StdMutex::new(None) }) })
    }

    /// Which of the two databases this is.
    pub fn dialect(&self) -> Dialect {
        match &self.inner.backend {
            Backend::Sqlite { .. } => Dialect::Sqlite,
            Backend::Postgres { .. } => Dialect::Postgres,
        }
    }

    /// A connection that reads what is committed; each statement sees its own moment.
    ///
    /// # Errors
    /// `store.unavailable` when none comes free in time.
    pub async fn read(&self) -> Result<Reader, Problem> {
        let held = match &self.inner.backend {
            Backend::Sqlite { readers, .. } => Held::Sqlite(readers.lend().await?),
            Backend::Postgres { pool, .. } => {
                Held::Postgres(Postgres::lend(pool).await.map_err(|it| fault::problem(&it))?)
            }
        };
        Ok(Reader::new(held))
    }

    /// A connection all of whose statements see one moment.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn snapshot(&self) -> Result<Reader, Problem> {
        let held = match &self.inner.backend {
            Backend::Sqlite { readers, .. } => {
                let lent = readers.lend().await?;
                lent.hold().map_err(|it| fault::sqlite(&it))?;
                Held::Sqlite(lent)
            }
            Backend::Postgres { pool, .. } => {
                let held = Postgres::begin(pool, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await;
                Held::Postgres(held.map_err(|it| fault::problem(&it))?)
            }
        };
        Ok(Reader::new(held))
    }

    /// Lets the next unit of work fail at its commit, for fault tables in tests.
    pub fn inject(&self, fault: Fault) {
        self.inject_after(0, fault);
    }

    /// Lets a unit of work fail at its commit once `units` others have got there, for fault tables in tests.
    pub fn inject_after(&self, units: u32, fault: Fault) {
        if let Ok(mut slot) = self.inner.fault.lock() {
            *slot = Some((units, fault));
        }
    }

    /// Whether a fault still waits for its unit of work.
    pub fn awaits_fault(&self) -> bool {
        self.inner.fault.lock().is_ok_and(|it| it.is_some())
    }

    /// Takes back a fault that no unit of work has met; says whether there was one.
    pub fn withdraw_fault(&self) -> bool {
        self.inner.fault.lock().is_ok_and(|mut it| it.take().is_some())
    }

    pub(crate) fn take_fault(&self) -> Option<Fault> {
        let mut slot = self.inner.fault.lock().ok()?;
        let (units, fault) = (*slot)?;
        *slot = units.checked_sub(1).map(|it| (it, fault));
        (units == 0).then_some(fault)
    }

    /// Closes all connections; pending commits are finished first.
    pub async fn close(&self) {
        match &self.inner.backend {
            Backend::Sqlite { writer, readers, .. } => {
                writer.lock().await.commit();
                readers.close().await;
            }
            Backend::Postgres { pool, .. } => pool.close().await,
        }
    }

    /// Folds the write-ahead log back into the file (SQLite); a no-op elsewhere.
    ///
    /// # Errors
    /// `store.fault`.
    pub async fn checkpoint(&self) -> Result<(), Problem> {
        if let Backend::Sqlite { writer, .. } = &self.inner.backend {
            let mut writer = writer.lock().await;
            writer.commit();
            let fold = Statement::long("PRAGMA wal_checkpoint(TRUNCATE)");
            writer.connection().execute(&fold, Vec::new()).map_err(|it| fault::sqlite(&it))?;
        }
        Ok(())
    }
}

/// The file of an address that names one.
pub(crate) fn sqlite_path(url: &str) -> Option<&Path> {
    url.strip_prefix("sqlite:").map(|it| Path::new(it.trim_start_matches("//")))
}

fn absent(what: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        Kind::Missing,
        "store.absent",
        format!("没有数据库 {what}；请核对地址"),
        format!("there is no database {what}; check the address"),
    )
}

fn open_sqlite(path: &Path) -> Result<Backend, Problem> {
    let mut connection = Sqlite::write(path, ACQUIRE_MAX).map_err(|it| fault::sqlite(&it))?;
    let folding = Folding::of(&mut connection)?;
    let folder = Folder::start(path, &folding)?;
    let writer = Arc::new(Mutex::new(Writer::new(connection, folding)));
    let committer = Committer::start(writer.clone());
    Ok(Backend::Sqlite { writer, committer, _folder: folder, readers: Readers::new(path, ACQUIRE_MAX) })
}

pub(crate) async fn open_postgres(url: &str, schema: &str, make: bool) -> Result<Backend, Problem> {
    let named = !schema.is_empty()
        && schema.len() <= 63
        && schema.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_');
    vocabulary::ensure!(named, fault::internal("schema name", &schema));
    let options = PgConnectOptions::from_str(url).map_err(|it| fault::problem(&it))?;
    let mut first = sqlx::PgConnection::connect_with(&options).await.map_err(|it| fault::away(&it))?;
    let create = match make {
        true => Statement::built(format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"")),
        false => Statement::built(format!("SELECT '\"{schema}\"'::regnamespace::text")),
    };
    // Two nodes starting at once may both find it missing; the loser's duplicate is as good as success.
    if let Err(error) = sqlx::query(create.sql()).execute(&mut first).await {
        vocabulary::ensure!(make, absent(&schema));
        let raced = matches!(&error, sqlx::Error::Database(it) if it.code().as_deref() == Some("23505"));
        vocabulary::ensure!(raced, fault::problem(&error));
    }
    first.close().await.map_err(|it| fault::problem(&it))?;
    let options = options
        .options([("search_path", schema), ("synchronous_commit", "on"), ("timezone", "UTC")])
        .statement_cache_capacity(STATEMENTS_MAX);
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS_MAX)
        .acquire_timeout(ACQUIRE_MAX)
        .connect_lazy_with(options);
    Ok(Backend::Postgres { pool, schema: schema.to_owned() })
}
