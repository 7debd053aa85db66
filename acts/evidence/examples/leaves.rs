//! Measures the log: durable leaves a second while it is sequenced and serves proofs.
//!
//! `cargo run --profile fast -p evidence --example leaves -- [writers] [leaves per commit] [seconds] [database url]`

use evidence::{NewLeaf, Salt};
use signing::SigningKey;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use store::{Store, transact};
use vocabulary::{Digest, Problem, Suite, Timestamp};

struct Run {
    store: Store,
    key: SigningKey,
    stop: AtomicBool,
    leaves: AtomicU64,
    proofs: AtomicU64,
    published: AtomicU64,
    waits: std::sync::Mutex<Vec<Duration>>,
}

fn now(from: Instant) -> Timestamp {
    Timestamp::UNIX_EPOCH + from.elapsed()
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

async fn write(run: Arc<Run>, writer: u64, each: u64, begun: Instant) -> Result<(), Problem> {
    let mut number = writer << 40;
    while !run.stop.load(Relaxed) {
        let leaves = (number..number + each).map(leaf).collect::<Vec<_>>();
        number += each;
        let at = now(begun);
        let digests = transact!(run.store, None, |tx| evidence::append_all(tx, &leaves, at).await)?;
        run.leaves.fetch_add(each, Relaxed);
        if writer == 0 {
            wait_for_proof(&run, digests[0], begun).await?;
        }
    }
    Ok(())
}

/// How long after its commit a leaf can be proved.
async fn wait_for_proof(run: &Run, digest: Digest, _: Instant) -> Result<(), Problem> {
    let durable = Instant::now();
    loop {
        let proof = evidence::inclusion(&mut run.store.read().await?, &digest).await?;
        if proof.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    if let Ok(mut waits) = run.waits.lock() {
        waits.push(durable.elapsed());
    }
    Ok(())
}

async fn sequence(run: Arc<Run>, begun: Instant) -> Result<(), Problem> {
    while !run.stop.load(Relaxed) {
        let step = evidence::sequence(&run.store, &run.key, now(begun)).await?;
        run.published.store(step.to, Relaxed);
        if !step.is_full() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}

async fn prove(run: Arc<Run>) -> Result<(), Problem> {
    let mut index = 0;
    while !run.stop.load(Relaxed) {
        let size = run.published.load(Relaxed);
        if size == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        }
        index = (index * 31 + 17) % size;
        let mut reader = run.store.read().await?;
        for leaf in evidence::leaves(&mut reader, index, 4).await? {
            evidence::inclusion(&mut reader, &leaf.digest).await?;
            run.proofs.fetch_add(1, Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Problem> {
    let args = std::env::args().skip(1).collect::<Vec<_>>();
    let number = |place: usize, other: u64| args.get(place).and_then(|it| it.parse().ok()).unwrap_or(other);
    let (writers, each, seconds) = (number(0, 64), number(1, 16), number(2, 10));
    let folder = std::env::temp_dir().join(format!("yunhe-leaves-{}", std::process::id()));
    drop(std::fs::create_dir_all(&folder));
    let url = args.get(3).cloned().unwrap_or_else(|| format!("sqlite:{}", folder.join("log.db").display()));
    let store = Store::open(&url, &format!("leaves_{}", std::process::id())).await?;
    evidence::migrate(&store).await?;
    let origin = "jiangsu/js-scjg/1".parse()?;
    let begun = Instant::now();
    transact!(store, None, |tx| evidence::open(tx, &origin, Salt([0; 32]), now(begun)).await)?;
    let run = Arc::new(Run {
        store,
        key: SigningKey::from_seed(Suite::default(), &[1; 32]),
        stop: AtomicBool::new(false),
        leaves: AtomicU64::new(0),
        proofs: AtomicU64::new(0),
        published: AtomicU64::new(0),
        waits: std::sync::Mutex::new(Vec::new()),
    });
    let mut tasks = (0..writers).map(|it| tokio::spawn(write(run.clone(), it, each, begun))).collect::<Vec<_>>();
    tasks.push(tokio::spawn(prove(run.clone())));
    let sequencer = tokio::spawn(sequence(run.clone(), begun));
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (leaves, proofs) = (run.leaves.load(Relaxed), run.proofs.load(Relaxed));
    let (elapsed, behind) = (begun.elapsed().as_secs_f64(), leaves.saturating_sub(run.published.load(Relaxed)));
    run.stop.store(true, Relaxed);
    drop(sequencer.await);
    drop(tasks);
    let mut waits = run.waits.lock().map(|it| it.clone()).unwrap_or_default();
    waits.sort();
    let at = |share: usize| waits.get((waits.len() * share / 100).min(waits.len().saturating_sub(1)));
    println!("writers {writers}, leaves per commit {each}, {elapsed:.1} s, {url}");
    println!(
        "durable leaves/s {:.0}, proofs/s {:.0}, not yet published {behind}",
        leaves as f64 / elapsed,
        proofs as f64 / elapsed
    );
    println!("commit to proof: p50 {:?}, p99 {:?} ({} samples)", at(50), at(99), waits.len());
    drop(std::fs::remove_dir_all(&folder));
    Ok(())
}
