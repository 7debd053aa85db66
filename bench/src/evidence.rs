//! `evidence`: durable leaves a second while the log is sequenced and serves proofs, and how soon a durable leaf can be
//! proved; on SQLite, and on PostgreSQL where `YUNHE_TEST_POSTGRES` names a server.

use crate::{
    load::percentile,
    report::{Bound, Figure, Report, Unit},
};
use evidence::{NewLeaf, Salt};
use signing::SigningKey;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use store::{Store, transact};
use tokio::task::JoinSet;
use vocabulary::{Suite, Timestamp};

const NAME: &str = "evidence";
/// One run each. How soon a leaf can be proved is promised at the rate that is the goal; past what the sequencer can
/// number, it depends on how long one goes on, and is only told.
const LOADS: [Load; 4] = [
    Load { each: 1, pace: None },
    Load { each: 4, pace: None },
    Load { each: 16, pace: None },
    Load { each: 4, pace: Some(12_000) },
];
/// Who writes at once.
const WRITERS: u64 = 64;
/// Who writes a leaf and waits for its proof, over and over.
const WAITERS: u64 = 8;
/// How often those look.
const LOOK: Duration = Duration::from_millis(5);
/// A leaf must be proved within this.
const PROOF_MAX: Duration = Duration::from_secs(60);
/// A run takes this long.
const LONG: Duration = Duration::from_secs(8);
/// The sequencer rests this long when nothing waits, as a node's does.
const SEQUENCE_REST: Duration = Duration::from_millis(100);
/// Numbers of one writer's leaves do not reach those of the next.
const NUMBERS: u64 = 1 << 40;

/// What the writers do.
#[derive(Clone, Copy)]
struct Load {
    /// Leaves under one commit.
    each: u64,
    /// Leaves a second of all writers together; as fast as it goes without.
    pace: Option<u64>,
}

impl Load {
    /// How long after one of a writer's commits the next is due.
    fn rest(self) -> Duration {
        self.pace.map_or(Duration::ZERO, |pace| Duration::from_secs_f64((WRITERS * self.each) as f64 / pace as f64))
    }

    fn name(self) -> String {
        let pace = self.pace.map(|it| format!(" at {it}/s")).unwrap_or_default();
        format!("{} a commit{pace}", self.each)
    }
}

/// What runs at once on one log.
struct Log {
    store: Store,
    key: SigningKey,
    begun: Instant,
    stop: AtomicBool,
    leaves: AtomicU64,
    proofs: AtomicU64,
    published: AtomicU64,
    waits: Mutex<Vec<Duration>>,
}

fn leaf(number: u64) -> NewLeaf {
    let mut salt = [0; 32];
    salt[..8].copy_from_slice(&number.to_be_bytes());
    let body = format!(
        "{{\"agreement\":\"agr_{number:032x}\",\"at\":\"2026-11-24T10:00:00Z\",\"bytes\":1234,\"consumer\":\"nj-gxj\",\
         \"format\":\"yunhe-receipt/1\",\
         \"provider\":\"js-scjg\",\"request\":\"ed25519-sha256:{number:064x}\",\"rows\":1}}"
    );
    NewLeaf { kind: "exchange.receipt", body, salt: Salt(salt) }
}

impl Log {
    async fn open(store: Store) -> Arc<Self> {
        evidence::migrate(&store).await.unwrap();
        let (origin, begun) = ("jiangsu/js-scjg/1".parse().unwrap(), Instant::now());
        transact!(store, None, |tx| evidence::open(tx, &origin, Salt([0; 32]), Timestamp::UNIX_EPOCH).await).unwrap();
        Arc::new(Self {
            store,
            key: SigningKey::from_seed(Suite::default(), &[1; 32]),
            begun,
            stop: AtomicBool::new(false),
            leaves: AtomicU64::new(0),
            proofs: AtomicU64::new(0),
            published: AtomicU64::new(0),
            waits: Mutex::default(),
        })
    }

    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.begun.elapsed()
    }

    /// Commits leaves under that load.
    async fn write(self: Arc<Self>, writer: u64, load: Load) {
        let (each, rest) = (load.each, load.rest());
        let mut number = writer * NUMBERS;
        let mut due = tokio::time::Instant::now() + rest.mul_f64(writer as f64 / WRITERS as f64);
        while !self.stop.load(Relaxed) {
            if load.pace.is_some() {
                tokio::time::sleep_until(due).await;
                due += rest;
            }
            let leaves = (number..number + each).map(leaf).collect::<Vec<_>>();
            number += each;
            let now = self.now();
            transact!(self.store, None, |tx| evidence::append_all(tx, &leaves, now).await).unwrap();
            self.leaves.fetch_add(each, Relaxed);
        }
    }

    /// Commits a leaf and looks until its inclusion can be proved. One that is under way at the end is waited for.
    async fn wait(self: Arc<Self>, writer: u64) {
        let mut number = writer * NUMBERS;
        while !self.stop.load(Relaxed) {
            let (leaves, now) = ([leaf(number)], self.now());
            number += 1;
            let digests = transact!(self.store, None, |tx| evidence::append_all(tx, &leaves, now).await).unwrap();
            self.leaves.fetch_add(1, Relaxed);
            let durable = Instant::now();
            while evidence::inclusion(&mut self.store.read().await.unwrap(), &digests[0]).await.unwrap().is_none() {
                assert!(durable.elapsed() < PROOF_MAX, "a leaf was not proved within {PROOF_MAX:?}");
                tokio::time::sleep(LOOK).await;
            }
            self.waits.lock().unwrap().push(durable.elapsed());
        }
    }

    /// Numbers and publishes, as a node's own job does.
    async fn sequence(self: Arc<Self>, done: Arc<AtomicBool>) {
        while !done.load(Relaxed) {
            let step = evidence::sequence(&self.store, &self.key, self.now()).await.unwrap();
            self.published.store(step.to, Relaxed);
            if !step.is_full() {
                tokio::time::sleep(SEQUENCE_REST).await;
            }
        }
    }

    /// Proves leaves from all over the log.
    async fn prove(self: Arc<Self>) {
        let mut index = 0;
        while !self.stop.load(Relaxed) {
            let size = self.published.load(Relaxed);
            if size > 0 {
                index = (index * 31 + 17) % size;
                let mut reader = self.store.read().await.unwrap();
                for leaf in evidence::leaves(&mut reader, index, 4).await.unwrap() {
                    assert!(evidence::inclusion(&mut reader, &leaf.digest).await.unwrap().is_some(), "it is published");
                    self.proofs.fetch_add(1, Relaxed);
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// One run on a log of its own.
async fn measure(report: &mut Report, database: &str, store: Store, load: Load) {
    let log = Log::open(store).await;
    let done = Arc::new(AtomicBool::new(false));
    let sequencer = tokio::spawn(log.clone().sequence(done.clone()));
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        tasks.spawn(log.clone().write(writer, load));
    }
    for writer in WRITERS..WRITERS + WAITERS {
        tasks.spawn(log.clone().wait(writer));
    }
    tasks.spawn(log.clone().prove());
    let begun = Instant::now();
    tokio::time::sleep(LONG).await;
    let (leaves, proofs, published) = (log.leaves.load(Relaxed), log.proofs.load(Relaxed), log.published.load(Relaxed));
    let seconds = begun.elapsed().as_secs_f64();
    log.stop.store(true, Relaxed);
    tasks.join_all().await;
    done.store(true, Relaxed);
    sequencer.await.unwrap();
    let behind = leaves.saturating_sub(published);
    let name = |what: &str| format!("{database}, {}: {what}", load.name());
    let note =
        format!("{WRITERS} writers, {:.0} proofs/s besides, {behind} not yet published", proofs as f64 / seconds);
    let figure = Figure::new(NAME, name("durable leaves"), leaves as f64 / seconds, Unit::PerSecond);
    report.tell(&figure.goal(Bound::AtLeast(10_000.0)).note(note));
    let mut waits = std::mem::take(&mut *log.waits.lock().unwrap());
    waits.sort_unstable();
    let p99 = percentile(&waits, 0.99).as_secs_f64() * 1e3;
    let figure = Figure::new(NAME, name("commit to proof, p99"), p99, Unit::Millis);
    let note = format!("{} waits, p50 {:.1?}", waits.len(), percentile(&waits, 0.5));
    let figure = figure.note(note);
    report.tell(&if load.pace.is_some() { figure.gate(Bound::Below(1_000.0)) } else { figure });
    log.store.close().await;
}

/// Measures and tells.
pub async fn run(report: &mut Report) {
    for load in LOADS {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("log.db").display());
        measure(report, "SQLite", Store::open(&url, "bench").await.unwrap(), load).await;
    }
    let Some(server) = crate::postgres() else {
        let en = "PostgreSQL: YUNHE_TEST_POSTGRES names no server (postgres://user@host:port/database)";
        return report.skip(NAME, "PostgreSQL：未设 YUNHE_TEST_POSTGRES（postgres://用户@主机:端口/库）", en);
    };
    for load in LOADS {
        let schema = format!("bench_evidence_{}", std::process::id());
        measure(report, "PostgreSQL", Store::open(&server, &schema).await.unwrap(), load).await;
        crate::drop_schema(&server, &schema).await;
    }
}
