//! The log on real databases, and its sequencer against an in-memory log whose writes fail.

use crate::{
    audit::{audit, tiles_of},
    decide::{Head, Pending, Publication},
    sequence::{LogStore, step},
    store::SqlLog,
    tests::{ORIGIN, key, origin, verifier},
    tile::{Edge, Level, Tiles},
    *,
};
use ::store::{Fault as StoreFault, args};
use proptest::{collection::vec, prelude::*};
use std::sync::atomic::{AtomicU32, Ordering};

static NUMBER: AtomicU32 = AtomicU32::new(0);

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn new_leaf(number: u64) -> NewLeaf {
    NewLeaf { kind: "test.leaf", body: format!("{{\"number\":{number},\"名\":\"𠀀\"}}"), salt: Salt([9; 32]) }
}

fn new_leaves(range: std::ops::Range<u64>) -> Vec<NewLeaf> {
    range.map(new_leaf).collect()
}

/// A log on SQLite, and one on PostgreSQL where `YUNHE_TEST_POSTGRES` names a server (`cargo xtask test` sees to it).
pub(crate) async fn logs() -> (Vec<Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let mut stores = vec![Store::open(&format!("sqlite:{}", path.display()), "log").await.unwrap()];
    if let Ok(url) = std::env::var("YUNHE_TEST_POSTGRES") {
        let schema = format!("evidence_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        stores.push(Store::open(&url, &schema).await.unwrap());
    }
    for store in &stores {
        migrate(store).await.unwrap();
        transact!(store, None, |tx| open(tx, &origin(), Salt([0; 32]), at(0)).await).unwrap();
    }
    (stores, folder)
}

async fn add(store: &Store, leaves: &[NewLeaf]) -> Vec<Digest> {
    transact!(store, None, |tx| append_all(tx, leaves, at(1)).await).unwrap()
}

/// The current log's tiles as a stranger fetches them.
async fn fetch(store: &Store, size: u64) -> Tiles {
    let mut reader = store.read().await.unwrap();
    let mut tiles = Tiles::new();
    for path in tiles_of(size) {
        let bytes = tile(&mut reader, path).await.unwrap();
        tiles.insert(path, bytes.unwrap_or_else(|| panic!("{path} is not served")));
    }
    tiles
}

/// The entries of the published log, in order.
fn listed(tiles: &Tiles) -> Vec<Digest> {
    let bundles = tiles.iter().filter(|(path, _)| path.level == Level::Entries);
    let slots = bundles.flat_map(|(_, bytes)| bytes.chunks(2 + ENTRY_BYTES));
    slots.map(|it| digest_of_entry(&it[2..]).unwrap()).collect()
}

/// Checks the whole log as a stranger would: signature, tiles, each leaf once with its proof, consistency with all
/// that was ever signed.
async fn check(store: &Store, origin: &Origin, expected: &[Digest]) {
    let keys = [verifier(&origin.to_string(), 1)];
    let mut reader = store.read().await.unwrap();
    let head = Checkpoint::open(&checkpoint(&mut reader).await.unwrap().unwrap(), &keys).unwrap();
    let tiles = fetch(store, head.size).await;
    assert_eq!(audit(head.size, &head.root, &tiles), vec![]);
    let listed = listed(&tiles);
    let sorted = |it: &[Digest]| {
        let mut it = it.to_vec();
        it.sort();
        it
    };
    assert_eq!(sorted(&listed), sorted(expected), "each leaf once");
    for (index, digest) in (0..).zip(&listed) {
        let proof = inclusion(&mut reader, digest).await.unwrap().unwrap();
        assert_eq!(proof.index, index);
        assert_eq!(proof.verify(origin, digest, &keys).unwrap(), head);
    }
    for size in 0..=head.size {
        let Some(old) = checkpoint_at(&mut reader, size).await.unwrap() else { continue };
        let old = Checkpoint::open(&old, &keys).unwrap();
        let path = consistency(&mut reader, size, head.size).await.unwrap();
        merkle::verify_consistency((size, &old.root), (head.size, &head.root), &path).unwrap();
    }
}

/// An SM2 key signs checkpoints beside the log's own; a log that had one line has two from then on, and the other way.
#[tokio::test]
async fn a_line_beside_comes_and_goes() {
    let (stores, _folder) = logs().await;
    let beside = signing::SigningKey::from_seed(vocabulary::Suite::Sm2Sm3, &[1; 32]);
    let name = origin().to_string();
    let known = [verifier(&name, 1), VerifierKey::new(name, beside.public()).unwrap()];
    for store in stores {
        for (number, lines) in [(0, 1), (1, 2), (2, 2), (3, 1)] {
            add(&store, &new_leaves(number..number + 1)).await;
            let beside = (lines == 2).then_some(&beside as &dyn Signer);
            assert_eq!(sequence_beside(&store, &key(1), beside, at(2)).await.unwrap().to, number + 1);
            let note = checkpoint(&mut store.read().await.unwrap()).await.unwrap().unwrap();
            assert_eq!(Note::parse(&note).unwrap().verify(&known).unwrap().len(), lines);
            assert_eq!(Checkpoint::open(&note, &known).unwrap().size, number + 1);
        }
    }
}

#[tokio::test]
async fn a_log_is_served_and_proved_on_both_databases() {
    let (stores, _folder) = logs().await;
    for store in stores {
        let mut all = Vec::new();
        assert_eq!(checkpoint(&mut store.read().await.unwrap()).await.unwrap(), None);
        assert_eq!(sequence(&store, &key(1), at(1)).await.unwrap(), Sequenced { from: 0, to: 0 });
        check(&store, &origin(), &[]).await;
        let mut from = 0;
        for to in [1, 2, 3, 10, 255, 256, 257, 300, 600] {
            all.extend(add(&store, &new_leaves(from..to)).await);
            let waiting = all.last().unwrap();
            assert_eq!(inclusion(&mut store.read().await.unwrap(), waiting).await.unwrap(), None, "not yet sequenced");
            assert_eq!(sequence(&store, &key(1), at(2)).await.unwrap(), Sequenced { from, to });
            assert_eq!(sequence(&store, &key(1), at(3)).await.unwrap(), Sequenced { from: to, to });
            from = to;
        }
        check(&store, &origin(), &all).await;
        no_partial_tile_outlives_its_full_one(&store).await;
        let mut reader = store.read().await.unwrap();
        let found = leaf(&mut reader, &all[300]).await.unwrap().unwrap();
        assert_eq!((found.position, found.body), (Some(300), Some(new_leaf(300).body)));
        assert_eq!(leaves(&mut reader, 598, 10).await.unwrap().len(), 2);
        assert_eq!(leaf(&mut reader, &Digest::of(b"unknown")).await.unwrap(), None);
        assert_eq!(consistency(&mut reader, 3, 601).await.unwrap_err().code, "evidence.index");
        for size in [17, 256, 300, 599] {
            // Any two sizes, signed or not.
            assert_eq!(consistency(&mut reader, 5, size).await.unwrap(), naive_consistency(&all, 5, size));
        }
        let duplicate = transact!(store, None, |tx| append(tx, &new_leaf(5), at(9)).await);
        assert_eq!(duplicate.unwrap_err().code, "store.duplicate");
    }
}

/// Every partial tile of a signed checkpoint is kept until it is full, then dropped.
async fn no_partial_tile_outlives_its_full_one(store: &Store) {
    let rows = store.read().await.unwrap().rows("SELECT path FROM evidence_tile", vec![]).await.unwrap();
    let paths = rows.iter().map(|it| it.text("path").unwrap().parse::<TilePath>().unwrap()).collect::<Vec<_>>();
    let partial = paths.iter().filter(|it| !it.is_full()).collect::<Vec<_>>();
    assert!(partial.iter().all(|it| !paths.contains(&it.full())), "{partial:?}");
    let widths = |level| partial.iter().filter(|it| it.level == level).map(|it| it.width).collect::<Vec<_>>();
    assert_eq!(widths(Level::Hashes(0)), [88], "the last of 600, and none below 512 (300 grew full)");
    assert_eq!(widths(Level::Hashes(1)), [1, 2]);
}

fn naive_consistency(all: &[Digest], from: u64, to: u64) -> Vec<Hash> {
    let leaves = all.iter().map(merkle_leaf).collect::<Vec<_>>();
    merkle::hashes(&leaves, &merkle::consistency_ranges(from, to))
}

/// What waits is told to the leaf, and nothing once the sequencer has been there.
#[tokio::test]
async fn leaves_that_wait_are_counted() {
    let (stores, _folder) = logs().await;
    for store in &stores {
        let behind = async || behind(&mut store.read().await.unwrap()).await.unwrap();
        assert_eq!(behind().await, 0, "an empty log");
        add(store, &new_leaves(0..70)).await;
        assert_eq!(behind().await, 70);
        sequence(store, &key(1), at(2)).await.unwrap();
        assert_eq!(behind().await, 0);
        add(store, &new_leaves(70..73)).await;
        assert_eq!(behind().await, 3);
    }
}

#[tokio::test]
async fn what_is_erased_is_gone_and_the_log_stays() {
    let (stores, _folder) = logs().await;
    for store in stores {
        let all = add(&store, &new_leaves(0..70)).await;
        sequence(&store, &key(1), at(2)).await.unwrap();
        let before = checkpoint(&mut store.read().await.unwrap()).await.unwrap();
        let gone = [all[3], all[4], Digest::of(b"never there")];
        assert_eq!(transact!(store, None, |tx| erase(tx, &gone, at(3)).await).unwrap(), 2);
        assert_eq!(transact!(store, None, |tx| erase(tx, &gone, at(3)).await).unwrap(), 0);
        let left = leaf(&mut store.read().await.unwrap(), &all[3]).await.unwrap().unwrap();
        assert_eq!((left.body, left.salt, left.position), (None, None, Some(3)));
        assert_eq!(checkpoint(&mut store.read().await.unwrap()).await.unwrap(), before);
        assert_eq!(rebuild(&store).await.unwrap(), 70);
        check(&store, &origin(), &all).await;
    }
}

#[tokio::test]
async fn a_changed_tile_stops_the_sequencer_and_is_made_again_from_the_leaves() {
    let (stores, _folder) = logs().await;
    for store in stores {
        let mut all = add(&store, &new_leaves(0..300)).await;
        sequence(&store, &key(1), at(2)).await.unwrap();
        for path in Edge::paths(300) {
            let mut bytes = tile(&mut store.read().await.unwrap(), path).await.unwrap().unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            let sql = "UPDATE evidence_tile SET bytes = $2 WHERE path = $1";
            transact!(store, None, |tx| tx.execute(sql, args![path.to_string(), bytes.as_slice()]).await).unwrap();
            let from = u64::try_from(all.len()).unwrap();
            all.extend(add(&store, &new_leaves(from..from + 1)).await);
            let before = checkpoint(&mut store.read().await.unwrap()).await.unwrap();
            let problem = sequence(&store, &key(1), at(3)).await.unwrap_err();
            assert!(["evidence.edge", "evidence.tile"].contains(&problem.code.as_ref()), "{path}: {problem}");
            assert_eq!(checkpoint(&mut store.read().await.unwrap()).await.unwrap(), before, "nothing was signed");
            rebuild(&store).await.unwrap();
            // The next path is one of 300 leaves again: publish only at the end.
        }
        assert_eq!(sequence(&store, &key(1), at(4)).await.unwrap().from, 300);
        check_without_history(&store, &all).await;
    }
}

async fn check_without_history(store: &Store, expected: &[Digest]) {
    let head = checkpoint(&mut store.read().await.unwrap()).await.unwrap().unwrap();
    let head = Checkpoint::open(&head, &[verifier(ORIGIN, 1)]).unwrap();
    let tiles = fetch(store, head.size).await;
    assert_eq!(audit(head.size, &head.root, &tiles), vec![]);
    assert_eq!(listed(&tiles), expected);
}

#[tokio::test]
async fn leaves_that_contradict_the_published_root_are_not_signed() {
    let (stores, _folder) = logs().await;
    for store in stores {
        add(&store, &new_leaves(0..5)).await;
        sequence(&store, &key(1), at(2)).await.unwrap();
        let sql = "UPDATE evidence_leaf SET entry = $1 WHERE position = 2";
        let entry = entry(&Digest::of(b"forged")).to_vec();
        transact!(store, None, |tx| tx.execute(sql, args![entry.as_slice()]).await).unwrap();
        assert_eq!(rebuild(&store).await.unwrap_err().code, "evidence.root");
        assert!(tile(&mut store.read().await.unwrap(), Edge::paths(5)[0]).await.unwrap().is_some(), "nothing changed");
    }
}

#[tokio::test]
async fn a_restored_log_begins_a_new_epoch_that_names_the_old() {
    let (stores, _folder) = logs().await;
    for store in stores {
        add(&store, &new_leaves(0..5)).await;
        sequence(&store, &key(1), at(2)).await.unwrap();
        let old = checkpoint(&mut store.read().await.unwrap()).await.unwrap().unwrap();
        let old = Checkpoint::open(&old, &[verifier(ORIGIN, 1)]).unwrap();
        let waiting = add(&store, &new_leaves(5..7)).await;
        let next: Origin = "jiangsu/js-scjg/2".parse().unwrap();
        for _ in 0..2 {
            transact!(store, None, |tx| open(tx, &next, Salt([3; 32]), at(3)).await).unwrap();
        }
        sequence(&store, &key(1), at(4)).await.unwrap();
        let first = leaves(&mut store.read().await.unwrap(), 0, 1).await.unwrap().remove(0);
        let root = Digest { suite: vocabulary::Suite::default(), hash: old.root };
        let body =
            format!("{{\"format\":\"yunhe-log-succession/1\",\"origin\":\"{ORIGIN}\",\"root\":\"{root}\",\"size\":5}}");
        assert_eq!((first.kind.as_str(), first.body), (SUCCESSION, Some(body)));
        check(&store, &next, &[&[first.digest], waiting.as_slice()].concat()).await;
        for bad in [ORIGIN, "jiangsu/other/3", "zhejiang/js-scjg/3"] {
            let bad: Origin = bad.parse().unwrap();
            let problem = transact!(store, None, |tx| open(tx, &bad, Salt([3; 32]), at(5)).await).unwrap_err();
            assert_eq!(problem.code, "evidence.epoch");
        }
    }
}

/// Two nodes: the second does a whole step between any two of the first's; the first then publishes nothing.
#[tokio::test]
async fn of_two_sequencers_the_slower_publishes_nothing() {
    let (stores, _folder) = logs().await;
    for store in stores {
        let mut all = add(&store, &new_leaves(0..5)).await;
        let mut slow = SqlLog { store: store.clone() };
        slow.number(3).await.unwrap();
        let pending = slow.pending(10).await.unwrap();
        assert_eq!(pending.entries.len(), 3);
        let late = decide::publication(&pending, &key(1), None).unwrap().unwrap();
        assert_eq!(sequence(&store, &key(1), at(2)).await.unwrap(), Sequenced { from: 0, to: 5 });
        assert!(!slow.publish(&late, at(3)).await.unwrap());
        all.extend(add(&store, &new_leaves(5..6)).await);
        sequence(&store, &key(1), at(4)).await.unwrap();
        check(&store, &origin(), &all).await;
    }
}

/// Many writers and several sequencers at once, for real.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_writers_and_sequencers_lose_and_double_nothing() {
    let (stores, _folder) = logs().await;
    for store in stores {
        let writers = (0..8_u64).map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut all = Vec::new();
                for round in 0..12 {
                    let from = writer * 1_000 + round * 50;
                    all.extend(add(&store, &new_leaves(from..from + 1 + round)).await);
                }
                all
            })
        });
        let writers = writers.collect::<Vec<_>>();
        let sequencers = (0..3).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for second in 0..30 {
                    if let Err(problem) = sequence(&store, &key(1), at(second)).await {
                        // On PostgreSQL a clash that outlasts its retries is told, and the next step goes on.
                        assert_eq!(problem.code, "store.retry");
                    }
                    tokio::task::yield_now().await;
                }
            })
        });
        let sequencers = sequencers.collect::<Vec<_>>();
        let mut all = Vec::new();
        for writer in writers {
            all.extend(writer.await.unwrap());
        }
        for sequencer in sequencers {
            sequencer.await.unwrap();
        }
        while sequence(&store, &key(1), at(99)).await.unwrap().is_full() {}
        sequence(&store, &key(1), at(99)).await.unwrap();
        check(&store, &origin(), &all).await;
    }
}

/// Each commit of the sequencer lost, and persisted but reported lost: the next steps put it right.
#[tokio::test]
async fn every_commit_of_the_sequencer_may_fail_either_way() {
    for (write, fault) in
        [(0, StoreFault::Lost), (0, StoreFault::Persisted), (1, StoreFault::Lost), (1, StoreFault::Persisted)]
    {
        let (stores, _folder) = logs().await;
        for store in stores {
            let mut all = Vec::new();
            for from in [0, 100, 500] {
                all.extend(add(&store, &new_leaves(from..from + 40)).await);
                let mut log = Faulty { inner: SqlLog { store: store.clone() }, write, fault };
                let told = step(&mut log, (&key(1), None), 30, at(2)).await.unwrap_err();
                assert_eq!(told.code, "store.commit_unknown");
                // The next leaves come before anybody has put it right.
                all.extend(add(&store, &new_leaves(from + 1_000..from + 1_005)).await);
                let mut log = SqlLog { store: store.clone() };
                while step(&mut log, (&key(1), None), 30, at(3)).await.unwrap().to < u64::try_from(all.len()).unwrap() {
                }
                check(&store, &origin(), &all).await;
            }
        }
    }
}

/// Lets one commit of the log below go wrong.
struct Faulty {
    inner: SqlLog,
    write: u32,
    fault: StoreFault,
}

impl LogStore for Faulty {
    async fn number(&mut self, at_most: u64) -> Result<(), Problem> {
        if self.write == 0 {
            self.inner.store.inject(self.fault);
        }
        self.inner.number(at_most).await
    }

    async fn pending(&mut self, at_most: u64) -> Result<Pending, Problem> {
        self.inner.pending(at_most).await
    }

    async fn publish(&mut self, next: &Publication, now: Timestamp) -> Result<bool, Problem> {
        if self.write == 1 {
            self.inner.store.inject(self.fault);
        }
        self.inner.publish(next, now).await
    }
}

/// A log in memory with explicit points where a write is lost, or persisted but reported lost.
struct Memory {
    entries: Vec<[u8; ENTRY_BYTES]>,
    numbered: usize,
    head: Head,
    tiles: Tiles,
    signed: Vec<Checkpoint>,
    faults: Vec<StoreFault>,
}

impl Memory {
    fn new() -> Self {
        let head = Head { origin: origin(), size: 0, root: merkle::empty_root(), signed: false };
        Self { entries: Vec::new(), numbered: 0, head, tiles: Tiles::new(), signed: Vec::new(), faults: Vec::new() }
    }

    fn write<T>(&mut self, change: impl FnOnce(&mut Self) -> T) -> Result<T, Problem> {
        let lost = || Problem::new(Kind::Unavailable, "store.commit_unknown", "未知", "unknown");
        match self.faults.pop() {
            None => Ok(change(self)),
            Some(StoreFault::Lost | StoreFault::KilledBefore) => Err(lost()),
            Some(StoreFault::Persisted | StoreFault::KilledAfter) => {
                change(self);
                Err(lost())
            }
        }
    }
}

impl LogStore for Memory {
    async fn number(&mut self, at_most: u64) -> Result<(), Problem> {
        let to = self.entries.len().min(self.numbered + usize::try_from(at_most).unwrap());
        self.write(|it| it.numbered = to)
    }

    async fn pending(&mut self, at_most: u64) -> Result<Pending, Problem> {
        let from = usize::try_from(self.head.size).unwrap();
        let to = self.numbered.min(from + usize::try_from(at_most).unwrap());
        Ok(Pending { head: self.head.clone(), edge: self.tiles.clone(), entries: self.entries[from..to].to_vec() })
    }

    async fn publish(&mut self, next: &Publication, _: Timestamp) -> Result<bool, Problem> {
        self.signed.push(next.checkpoint.clone());
        self.write(|it| {
            if it.head.size != next.from {
                return false;
            }
            it.tiles.extend(next.tiles.iter().cloned());
            it.head = Head { origin: origin(), size: next.checkpoint.size, root: next.checkpoint.root, signed: true };
            true
        })
    }
}

#[derive(Clone, Debug)]
enum Act {
    Append(u64),
    Step(u64),
    /// A step begun by one node, overtaken by a whole step of another.
    Overtaken(u64, u64),
    Fault(StoreFault),
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0_u64..90).prop_map(Act::Append),
        (1_u64..120).prop_map(Act::Step),
        (1_u64..120, 1_u64..120).prop_map(|(slow, fast)| Act::Overtaken(slow, fast)),
        Just(Act::Fault(StoreFault::Lost)),
        Just(Act::Fault(StoreFault::Persisted)),
    ]
}

async fn act(log: &mut Memory, act: &Act) {
    match act {
        Act::Append(count) => {
            let from = u64::try_from(log.entries.len()).unwrap();
            log.entries.extend((from..from + count).map(|it| entry(&new_leaf(it).digest())));
        }
        Act::Step(at_most) => drop(step(log, (&key(1), None), *at_most, at(1)).await),
        Act::Overtaken(slow, fast) => {
            let pending = log.pending(*slow).await.unwrap();
            let late = decide::publication(&pending, &key(1), None).unwrap();
            drop(step(log, (&key(1), None), *fast, at(1)).await);
            if let Some(late) = late {
                drop(log.publish(&late, at(2)).await);
            }
        }
        Act::Fault(fault) => log.faults.push(*fault),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever fails and whoever races, in the end each leaf is in the log once, in order, and all checkpoints that
    /// were ever signed, published or not, are of one history.
    #[test]
    fn no_leaf_is_lost_or_doubled_and_no_two_signed_checkpoints_contradict(acts in vec(any_act(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut log = Memory::new();
            for it in &acts {
                act(&mut log, it).await;
            }
            log.faults.clear();
            let all = u64::try_from(log.entries.len()).unwrap();
            while step(&mut log, (&key(1), None), 500, at(9)).await.unwrap().to < all {}
            let leaves = log.entries.iter().map(|it| merkle::leaf_hash(it)).collect::<Vec<_>>();
            assert_eq!((log.head.size, log.head.root), (all, merkle::root(&leaves)));
            assert_eq!(audit(all, &log.head.root, &log.tiles), vec![]);
            for signed in &log.signed {
                let size = usize::try_from(signed.size).unwrap();
                assert_eq!(signed.root, merkle::root(&leaves[..size]));
            }
        });
    }
}

/// The node's tasks move between threads.
#[test]
fn the_verbs_can_be_spawned() {
    fn sendable<T: Send>(_: impl FnOnce(&'static Store, &'static signing::SigningKey) -> T) {}
    sendable(|store, key| sequence(store, key, at(0)));
    sendable(|store, _| rebuild(store));
}
