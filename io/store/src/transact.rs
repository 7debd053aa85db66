//! Units of work: group commit on SQLite, bounded retry on PostgreSQL, idempotency keys on both.
//!
//! SQLite has one writer. A unit of work runs in a savepoint of the open transaction and then waits; the committer,
//! queued behind the units that were waiting already, commits them all with one fsync and tells each. PostgreSQL groups
//! commits itself.

use crate::{
    Reader, Statement, Store, Tx, args,
    checkpoint::Folding,
    connection::Held,
    fault,
    open::{ACQUIRE_MAX, Backend},
    postgres::Postgres,
    sqlite::{Sqlite, aside},
};
use rusqlite::ErrorCode;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Mutex, Notify, OwnedMutexGuard, oneshot},
    task::JoinHandle,
    time::sleep,
};
use vocabulary::{Digest, Kind, Problem, Timestamp, micros};

/// A unit of work that clashed with another is run again at most this often (PostgreSQL).
const RETRIES_MAX: u32 = 8;
/// SQLite's file is tried again after this when another process writes to it; doubled each time, up to what a
/// connection is waited for.
const BUSY_REST: Duration = Duration::from_millis(5);
/// Where commits take less than this, their task's thread waits for the disk itself.
const COMMIT_BRIEF: Duration = Duration::from_millis(2);
/// Answers to idempotency keys are kept this long.
const KEY_DAYS_MAX: i64 = 30;

const KEY_TAKE: &str = "
    INSERT INTO store_idempotency (key, ask, answer, at) VALUES ($1, $2, '', $3) ON CONFLICT (key) DO NOTHING";
const KEY_READ: &str = "SELECT ask, answer FROM store_idempotency WHERE key = $1";
const KEY_ANSWER: &str = "UPDATE store_idempotency SET answer = $2 WHERE key = $1";
const KEY_FORGET: &str = "DELETE FROM store_idempotency WHERE at < $1";

/// An idempotency key: a retry carries the same id and asks the same.
#[derive(Clone, Debug)]
pub struct Key {
    /// The caller's id for this act, unique within the organisation.
    pub id: String,
    /// The digest of what is asked.
    pub ask: Digest,
    /// When it was asked.
    pub at: Timestamp,
}

/// How a commit goes wrong, for fault tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails without effect.
    Lost,
    /// It takes effect, but the caller hears that it failed.
    Persisted,
    /// It fails without effect, and the caller never hears: the node is about to be killed.
    KilledBefore,
    /// It takes effect, and the caller never hears: the node is about to be killed.
    KilledAfter,
}

impl Fault {
    fn has_effect(self) -> bool {
        matches!(self, Self::Persisted | Self::KilledAfter)
    }

    /// What the caller hears, if ever.
    async fn tell<T>(self) -> Result<T, Problem> {
        if matches!(self, Self::KilledBefore | Self::KilledAfter) {
            std::future::pending::<()>().await;
        }
        Err(commit_unknown())
    }
}

fn commit_unknown() -> Problem {
    Problem::new(
        Kind::Unavailable,
        "store.commit_unknown",
        "提交结果未知；请以同一幂等键重试",
        "it is not known whether the commit took effect; try again with the same idempotency key",
    )
}

type Waiter = oneshot::Sender<Result<(), Problem>>;

/// SQLite's one writing connection.
pub(crate) struct Writer {
    connection: Sqlite,
    folding: Folding,
    /// A transaction is open.
    open: bool,
    /// A unit of work was left in its savepoint (its future was dropped, or its end is not known).
    unsettled: bool,
    /// Units done but not durable.
    waiting: Vec<Waiter>,
}

impl Writer {
    pub(crate) fn new(connection: Sqlite, folding: Folding) -> Self {
        Self { connection, folding, open: false, unsettled: false, waiting: Vec::new() }
    }

    pub(crate) fn connection(&mut self) -> &mut Sqlite {
        &mut self.connection
    }

    /// Opens the transaction if none is open, and a savepoint in it.
    async fn begin(&mut self) -> Result<(), Problem> {
        self.settle();
        if !self.open {
            self.take_file().await?;
            self.open = true;
        }
        self.unsettled = true;
        self.connection.run("SAVEPOINT work").map_err(|it| fault::sqlite(&it))
    }

    /// Begins the transaction; waits while another process writes to the file.
    async fn take_file(&mut self) -> Result<(), Problem> {
        let mut rest = BUSY_REST;
        loop {
            match self.connection.run("BEGIN IMMEDIATE") {
                Ok(()) => return Ok(()),
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && rest < ACQUIRE_MAX => {
                    sleep(rest).await;
                    rest *= 2;
                }
                Err(error) => return Err(fault::sqlite(&error)),
            }
        }
    }

    fn keep(&mut self) -> Result<(), Problem> {
        self.connection.run("RELEASE work").map_err(|it| fault::sqlite(&it))?;
        self.unsettled = false;
        Ok(())
    }

    /// Takes back a unit of work that did not end well. If even that fails, SQLite has rolled back everything (a full
    /// disk does so): then nobody waiting has got through, and each is told.
    fn settle(&mut self) {
        if !self.unsettled {
            return;
        }
        self.unsettled = false;
        let back = self.connection.run("ROLLBACK TO work").and_then(|()| self.connection.run("RELEASE work"));
        if let Err(error) = back {
            self.abandon(&error);
        }
    }

    fn abandon(&mut self, error: &rusqlite::Error) {
        // Best effort: the transaction may be gone already.
        drop(self.connection.run("ROLLBACK"));
        self.open = false;
        let problem = fault::sqlite(error);
        for waiter in self.waiting.drain(..) {
            drop(waiter.send(Err(problem.clone())));
        }
    }

    /// Makes all done units durable and tells each.
    pub(crate) fn commit(&mut self) {
        self.settle();
        if !self.open {
            return;
        }
        match self.connection.run("COMMIT") {
            Ok(()) => {
                self.open = false;
                for waiter in self.waiting.drain(..) {
                    drop(waiter.send(Ok(())));
                }
                self.folding.committed(&self.connection);
            }
            Err(error) => self.abandon(&error),
        }
    }
}

/// The task that commits: it queues behind the units that wait for the writer, so they share its fsync.
pub(crate) struct Committer {
    wake: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Committer {
    pub(crate) fn start(writer: Arc<Mutex<Writer>>) -> Self {
        let wake = Arc::new(Notify::new());
        let woken = wake.clone();
        let task = tokio::spawn(async move {
            // How long the disk takes: a quick one is waited for here, which is less than to wait elsewhere.
            let mut took = Duration::ZERO;
            loop {
                woken.notified().await;
                let mut writer = writer.lock().await;
                let begin = Instant::now();
                if took < COMMIT_BRIEF {
                    writer.commit()
                } else {
                    aside(|| writer.commit())
                }
                took = took.mul_f64(0.75) + begin.elapsed().mul_f64(0.25);
            }
        });
        Self { wake, task }
    }
}

struct WakeOnDrop<'a>(&'a Notify);

impl Drop for WakeOnDrop<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs a body as one unit of work: all it writes becomes durable together, or nothing. With a key, the same ask later
/// gets the stored answer without running again, and another ask under the same key is refused.
///
/// `transact!(store, key, |tx| …)` is a `Result<T, Problem>`; the body may use `?` and awaits only SQL, for the
/// writer is
/// held meanwhile. On PostgreSQL it runs again after a clash, a bounded number of times. It is a macro because a future
/// that holds an async closure cannot yet be sent between threads.
#[macro_export]
macro_rules! transact {
    ($store:expr, $key:expr, |$tx:ident| $body:expr) => {{
        let mut unit = $store.unit($key);
        loop {
            let done = match unit.begin().await {
                Ok(Some(answer)) => break Ok(answer),
                Ok(None) => {
                    let $tx: &mut $crate::Tx = unit.tx();
                    let done: ::std::result::Result<_, $crate::Problem> = async { $body }.await;
                    done
                }
                Err(problem) => Err(problem),
            };
            match unit.end(done).await {
                ::std::ops::ControlFlow::Break(result) => break result,
                ::std::ops::ControlFlow::Continue(()) => {}
            }
        }
    }};
}

/// A unit of work under way; [`transact!`] drives it.
pub struct Unit {
    store: Store,
    key: Option<Key>,
    tx: Option<Tx>,
    retries: u32,
}

impl Unit {
    /// Opens the unit, and takes its key: of two at once with the same key the second waits, and gets the stored
    /// answer.
    ///
    /// # Errors
    /// `store.unavailable`, `store.key_reused`.
    pub async fn begin<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Problem> {
        let held = match &self.store.inner.backend {
            Backend::Sqlite { writer, .. } => {
                let mut guard = writer.clone().lock_owned().await;
                guard.begin().await?;
                Held::Writer(guard)
            }
            Backend::Postgres { pool, .. } => {
                Held::Postgres(Postgres::begin(pool, "BEGIN").await.map_err(|it| fault::problem(&it))?)
            }
        };
        let tx = self.tx.insert(Tx(Reader::new(held)));
        match &self.key {
            None => Ok(None),
            Some(key) => take_key(tx, key).await,
        }
    }

    /// The unit's connection.
    ///
    /// # Panics
    /// Before [`Unit::begin`] has succeeded; [`transact!`] does not.
    pub fn tx(&mut self) -> &mut Tx {
        self.tx.as_mut().expect("transact! calls begin first")
    }

    /// Ends the unit: commits and waits until that is durable, or takes everything back; `Continue` means once more.
    pub async fn end<T: Serialize>(&mut self, done: Result<T, Problem>) -> ControlFlow<Result<T, Problem>> {
        let Some(mut tx) = self.tx.take() else { return ControlFlow::Break(done) };
        let done = match (done, &self.key) {
            (Ok(value), Some(key)) => answer_key(&mut tx, key, &value).await.map(|()| value),
            (done, _) => done,
        };
        let retryable = tx.retryable;
        let ended = match (tx.0.held, &self.store.inner.backend) {
            (Held::Writer(guard), Backend::Sqlite { committer, .. }) => {
                self.store.finish_sqlite(guard, committer, done).await
            }
            (Held::Postgres(held), _) => self.store.finish_postgres(held, done).await,
            _ => Err(fault::internal("unit", &"holds no transaction")),
        };
        match ended {
            Err(problem) if (retryable || problem.code == "store.retry") && self.retries < RETRIES_MAX => {
                self.retries += 1;
                ControlFlow::Continue(())
            }
            ended => ControlFlow::Break(ended),
        }
    }
}

impl Store {
    /// A unit of work, for [`transact!`].
    pub fn unit(&self, key: Option<Key>) -> Unit {
        Unit { store: self.clone(), key, tx: None, retries: 0 }
    }

    async fn finish_sqlite<T>(
        &self,
        mut guard: OwnedMutexGuard<Writer>,
        committer: &Committer,
        done: Result<T, Problem>,
    ) -> Result<T, Problem> {
        let injected = if done.is_ok() { self.take_fault() } else { None };
        let (told, wait) = oneshot::channel();
        // Whatever becomes of the caller: what is kept below is committed.
        let wake = WakeOnDrop(&committer.wake);
        let ended = match done {
            Ok(value) if injected.is_none_or(Fault::has_effect) => guard.keep().map(|()| value),
            Ok(_) => Err(commit_unknown()),
            Err(problem) => Err(problem),
        };
        guard.settle();
        // A refusal may come of what others have done and is not durable yet: then it waits with them.
        let waits = ended.is_ok() || !guard.waiting.is_empty();
        if waits {
            guard.waiting.push(told);
        }
        drop(guard);
        drop(wake);
        if let Some(fault) = injected.filter(|it| !it.has_effect()) {
            return fault.tell().await;
        }
        if waits {
            wait.await.unwrap_or_else(|_| Err(commit_unknown()))?;
        }
        let value = ended?;
        match injected {
            Some(fault) => fault.tell().await,
            None => Ok(value),
        }
    }

    async fn finish_postgres<T>(&self, held: Postgres, done: Result<T, Problem>) -> Result<T, Problem> {
        let value = match done {
            Ok(value) => value,
            Err(problem) => {
                held.roll_back().await;
                return Err(problem);
            }
        };
        let injected = self.take_fault();
        if let Some(fault) = injected.filter(|it| !it.has_effect()) {
            held.roll_back().await;
            return fault.tell().await;
        }
        match held.commit().await {
            Ok(()) => match injected {
                Some(fault) => fault.tell().await,
                None => Ok(value),
            },
            Err(error) if fault::is_retryable(&error) => Err(fault::problem(&error)),
            Err(sqlx::Error::Database(it)) => Err(fault::problem(&sqlx::Error::Database(it))),
            // The connection broke while committing: nobody knows.
            Err(error) => {
                tracing::warn!(cause = %error, "commit without an answer");
                Err(commit_unknown())
            }
        }
    }

    /// Forgets answers to keys older than 30 days; says how many.
    ///
    /// # Errors
    /// As [`Store::transact`].
    pub async fn forget_keys(&self, now: Timestamp) -> Result<u64, Problem> {
        let before = micros(now) - KEY_DAYS_MAX * 86_400_000_000;
        transact!(self, None, |tx| tx.execute(Statement::long(KEY_FORGET), args![before]).await)
    }
}

async fn take_key<T: DeserializeOwned>(tx: &mut Tx, key: &Key) -> Result<Option<T>, Problem> {
    let taken = tx.execute(KEY_TAKE, args![&key.id, key.ask.to_string(), micros(key.at)]).await?;
    if taken == 1 {
        return Ok(None);
    }
    let row = tx.row(KEY_READ, args![&key.id]).await?.ok_or_else(|| fault::internal("key", &"vanished"))?;
    vocabulary::ensure!(row.text("ask")? == key.ask.to_string(), key_reused(&key.id));
    row.json("answer").map(Some)
}

async fn answer_key<T: Serialize>(tx: &mut Tx, key: &Key, value: &T) -> Result<(), Problem> {
    let answer = serde_json::to_string(value).map_err(|it| fault::internal("answer", &it))?;
    tx.execute(KEY_ANSWER, args![&key.id, answer]).await.map(|_| ())
}

fn key_reused(id: &str) -> Problem {
    Problem::new(
        Kind::Conflict,
        "store.key_reused",
        format!("幂等键 {id} 已用于另一请求；请换用新的键"),
        format!("idempotency key {id} was used for another ask; draw a new one"),
    )
}
