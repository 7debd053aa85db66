use crate::transact;
use crate::*;
use proptest::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use vocabulary::{Digest, Kind, Problem, Timestamp};

static NUMBER: AtomicU32 = AtomicU32::new(0);

const STEPS: &[&str] = &["
    CREATE TABLE t_thing (id $SERIAL, name $TEXT NOT NULL UNIQUE, size $INT, raw $BYTES);
    CREATE INDEX t_thing_size ON t_thing (size)"];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn key(id: &str, ask: &str) -> Key {
    Key { id: id.to_owned(), ask: Digest::of(ask.as_bytes()), at: at(0) }
}

/// A store on SQLite, and one on PostgreSQL where `YUNHE_TEST_POSTGRES` names a server (`cargo xtask test` sees to it).
async fn stores() -> (Vec<Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let mut stores = vec![Store::open(&format!("sqlite:{}", path.display()), "t").await.unwrap()];
    if let Ok(url) = std::env::var("YUNHE_TEST_POSTGRES") {
        let schema = format!("store_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        stores.push(Store::open(&url, &schema).await.unwrap());
    }
    for store in &stores {
        store.migrate("t", STEPS).await.unwrap();
    }
    (stores, folder)
}

async fn add(tx: &mut Tx, name: &str) -> Result<i64, Problem> {
    let sql = "INSERT INTO t_thing (name, size, raw) VALUES ($1, $2, $3) RETURNING id";
    tx.row(sql, args![name, None::<i64>, vec![0_u8, 255]]).await?.unwrap().int("id")
}

async fn names(store: &Store) -> Vec<String> {
    let rows = store.read().await.unwrap().rows("SELECT name FROM t_thing ORDER BY name", vec![]).await.unwrap();
    rows.iter().map(|it| it.text("name").unwrap().to_owned()).collect()
}

/// Pages of 4 KiB, written under one commit each time.
async fn write_pages(store: &Store, commits: usize, pages: usize) {
    for _ in 0..commits {
        let raw = vec![7_u8; pages << 12];
        let name = NUMBER.fetch_add(1, Ordering::Relaxed).to_string();
        let sql = "INSERT INTO t_thing (name, raw) VALUES ($1, $2)";
        transact!(store, None, |tx| tx.execute(sql, args![&name, raw.clone()]).await).unwrap();
    }
}

fn bytes(folder: &tempfile::TempDir, file: &str) -> u64 {
    std::fs::metadata(folder.path().join(file)).unwrap().len()
}

/// The write-ahead log is folded beside the writer; and once nobody looks at an old moment any more it begins anew,
/// however long it has become.
#[tokio::test]
async fn the_write_ahead_log_is_folded_and_begins_anew() {
    let (mut stores, folder) = stores().await;
    stores.truncate(1);
    let store = &stores[0];
    let before = bytes(&folder, "t.db");
    write_pages(store, 12, 100).await;
    assert!(bytes(&folder, "t.db") > before + (900 << 12), "folded while the writer goes on");
    write_pages(store, 100, 100).await;
    let log = bytes(&folder, "t.db-wal");
    assert!(log < 2_000 << 12, "forty megabytes were written, the log has {log}");
    let mut moment = store.snapshot().await.unwrap();
    moment.rows("SELECT id FROM t_thing", vec![]).await.unwrap();
    write_pages(store, 100, 100).await;
    let long = bytes(&folder, "t.db-wal");
    assert!(long > 10_000 << 12, "what somebody looks at cannot be written over: {long}");
    drop(moment);
    write_pages(store, 100, 100).await;
    let log = bytes(&folder, "t.db-wal");
    assert!(log < long + (2_000 << 12), "forty megabytes more, and the log has {log} after {long}");
}

#[tokio::test]
async fn rows_come_back_as_they_went_in() {
    let (stores, _folder) = stores().await;
    for store in stores {
        transact!(store, None, |tx| add(tx, "𠀀é").await).unwrap();
        let row = store.read().await.unwrap().row("SELECT * FROM t_thing WHERE name = $1", args!["𠀀é"]).await.unwrap();
        let row = row.unwrap();
        assert_eq!(row.opt_int("size").unwrap(), None);
        assert_eq!(row.bytes("raw").unwrap(), [0, 255]);
        assert_eq!(row.text("name").unwrap(), "𠀀é");
        assert_eq!(row.text("nothing").unwrap_err().code, "store.fault");
    }
}

#[tokio::test]
async fn a_unit_of_work_that_fails_leaves_no_trace() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let refused: Result<(), Problem> = transact!(store, None, |tx| {
            add(tx, "a").await?;
            Err(Problem::new(Kind::Refused, "t.no", "否", "no"))
        });
        assert_eq!(refused.unwrap_err().code, "t.no");
        transact!(store, None, |tx| add(tx, "b").await).unwrap();
        let twice = transact!(store, None, |tx| add(tx, "b").await);
        assert_eq!(twice.unwrap_err().code, "store.duplicate");
        assert_eq!(names(&store).await, ["b"]);
    }
}

/// Who is refused because of what another has just done can read what that was.
#[tokio::test]
async fn a_refusal_waits_until_its_reason_is_durable() {
    let (stores, _folder) = stores().await;
    for store in stores {
        for round in 0..20 {
            let name = format!("taken {round}");
            let rival = async || {
                let done = transact!(store, None, |tx| add(tx, &name).await);
                (done.is_ok(), names(&store).await.contains(&name))
            };
            let ((one, one_sees), (other, other_sees)) = futures::join!(rival(), rival());
            assert!(one != other && one_sees && other_sees, "round {round}");
        }
    }
}

/// Drops `unit` at its wait number `waits`, counted from 0.
async fn cut<T>(waits: usize, unit: impl Future<Output = T>) -> Option<T> {
    let mut unit = Box::pin(unit);
    let mut left = waits;
    std::future::poll_fn(move |cx| match unit.as_mut().poll(cx) {
        Poll::Ready(it) => Poll::Ready(Some(it)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Wherever a caller goes away, in BEGIN, SAVEPOINT or COMMIT, those beside it and after it hear nothing of it.
#[tokio::test]
async fn a_caller_that_goes_away_anywhere_harms_nobody() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let mut whole = Vec::new();
        for waits in 0..24 {
            let gone = cut(waits, async { transact!(store, None, |tx| add(tx, &format!("cut {waits}")).await) });
            let [beside, after] = ["beside", "after"].map(|it| format!("{it} {waits}"));
            let beside_it = async { transact!(store, None, |tx| add(tx, &beside).await) };
            let (_, beside_it) = futures::join!(gone, beside_it);
            beside_it.unwrap();
            transact!(store, None, |tx| add(tx, &after).await).unwrap();
            whole.extend([beside, after]);
        }
        let names = names(&store).await;
        assert!(whole.iter().all(|it| names.contains(it)), "{names:?}");
    }
}

/// Callers at once that between them hold every connection there may be (PostgreSQL).
const ALL_AT_ONCE: usize = 16;

/// How many of all connections stand inside a transaction although each has sent one statement alone.
async fn inside_a_transaction(store: &Store) -> i64 {
    let all = futures::future::join_all((0..ALL_AT_ONCE).map(|_| store.read())).await;
    let mut all: Vec<Reader> = all.into_iter().map(Result::unwrap).collect();
    let mut ids = Vec::new();
    for reader in &mut all {
        let row = reader.row("SELECT pg_backend_pid()::bigint AS id", vec![]).await.unwrap();
        ids.push(row.unwrap().int("id").unwrap().to_string());
    }
    let sql = format!(
        "SELECT COUNT(*) AS n FROM pg_stat_activity WHERE state = 'idle in transaction' AND pid IN ({})",
        ids.join(", ")
    );
    let mut most = 0;
    // Whoever asks is active itself: two ask for one another.
    for reader in &mut all[..2] {
        let row = reader.row(Statement::built(sql.clone()), vec![]).await.unwrap();
        most = most.max(row.unwrap().int("n").unwrap());
    }
    most
}

/// Wherever a caller goes away, no connection comes back inside its transaction: what is sent alone would run in it and
/// hold back what the database may clean up, and no snapshot could be taken. (SQLite has one writing connection, and
/// settles it itself.)
#[tokio::test]
async fn no_connection_comes_back_inside_a_transaction() {
    let (stores, _folder) = stores().await;
    for store in stores.into_iter().filter(|it| it.dialect() == Dialect::Postgres) {
        // Where a wait falls hangs on how quick the server is: each number comes three times.
        for waits in (0..24).cycle().take(72) {
            let gone = format!("gone {waits}");
            drop(cut(waits, async { transact!(store, None, |tx| add(tx, &gone).await) }).await);
            drop(cut(waits, store.snapshot()).await);
            let what = format!("a caller went away at its wait {waits}");
            assert_eq!(inside_a_transaction(&store).await, 0, "{what}");
            for snapshot in futures::future::join_all((0..ALL_AT_ONCE).map(|_| store.snapshot())).await {
                let mut snapshot = snapshot.unwrap_or_else(|it| panic!("{what}: {it:?}"));
                snapshot.row("SELECT COUNT(*) AS n FROM t_thing", vec![]).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_unit_of_work_that_is_dropped_halfway_leaves_no_trace() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let half = async {
            transact!(store, None, |tx| {
                add(tx, "half").await?;
                std::future::pending::<()>().await;
                Ok(())
            })
        };
        let (reached, _) = tokio::join!(tokio::time::timeout(std::time::Duration::from_millis(50), half), async {
            transact!(store, None, |tx| add(tx, "next").await)
        });
        assert!(reached.is_err());
        assert_eq!(names(&store).await, ["next"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_all_durable() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let tasks: Vec<_> = (0..200)
            .map(|number| {
                let store = store.clone();
                // Spawned: the future of a unit of work can be sent between threads.
                tokio::spawn(async move {
                    let name = format!("n{number:03}");
                    let done = transact!(store, None, |tx| {
                        tx.announce("things", &serde_json::json!({"name": name})).await?;
                        let id = add(tx, &name).await?;
                        vocabulary::ensure!(number % 3 != 0, Problem::new(Kind::Refused, "t.third", "三", "third"));
                        Ok(id)
                    });
                    assert_eq!(done.is_ok(), number % 3 != 0);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(names(&store).await.len(), 133);
        let (one, two) = tokio::join!(store.sequence(at(1)), store.sequence(at(2)));
        assert_eq!(one.unwrap().entries + two.unwrap().entries, 133);
        let entries = store.read().await.unwrap().feed("things", 0, 1000).await.unwrap();
        assert_eq!(entries.iter().map(|it| it.position).collect::<Vec<_>>(), (1..=133).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_key_gives_the_same_answer_and_refuses_another_ask() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let (one, two) =
            tokio::join!(async { transact!(store, Some(key("k", "ask")), |tx| add(tx, "once").await) }, async {
                transact!(store, Some(key("k", "ask")), |tx| add(tx, "once").await)
            });
        assert_eq!(one.unwrap(), two.unwrap());
        let other = transact!(store, Some(key("k", "other")), |tx| add(tx, "other").await);
        assert_eq!(other.unwrap_err().code, "store.key_reused");
        assert_eq!(names(&store).await, ["once"]);
        assert_eq!(store.forget_keys(at(31 * 86_400)).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_commit_that_fails_with_or_without_effect_is_repaired_by_its_key() {
    let (stores, _folder) = stores().await;
    for store in stores {
        for fault in [Fault::Lost, Fault::Persisted] {
            let name = format!("{fault:?}");
            store.inject(fault);
            let first = transact!(store, Some(key(&name, "ask")), |tx| add(tx, &name).await);
            assert_eq!(first.unwrap_err().code, "store.commit_unknown");
            assert_eq!(names(&store).await.contains(&name), fault == Fault::Persisted);
            transact!(store, Some(key(&name, "ask")), |tx| add(tx, &name).await).unwrap();
            assert_eq!(names(&store).await.iter().filter(|it| **it == name).count(), 1);
        }
    }
}

#[tokio::test]
async fn feed_time_never_runs_backwards() {
    let (stores, _folder) = stores().await;
    for store in stores {
        for second in [5, 3, 9] {
            transact!(store, None, |tx| tx.announce("f", &serde_json::json!(second)).await).unwrap();
            store.sequence(at(second)).await.unwrap();
        }
        let mut reader = store.read().await.unwrap();
        let times: Vec<_> = reader.feed("f", 0, 10).await.unwrap().iter().map(|it| it.at).collect();
        assert_eq!(times, [at(5), at(5), at(9)]);
        assert_eq!(reader.feed_position_at("f", at(4)).await.unwrap(), 0);
        assert_eq!(reader.feed_position_at("f", at(6)).await.unwrap(), 2);
        assert_eq!(reader.feed_head("f").await.unwrap().unwrap().position, 3);
    }
}

#[tokio::test]
async fn migrations_run_once_even_if_two_nodes_start_together() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let (one, two) = tokio::join!(store.migrate("t", STEPS), store.migrate("t", STEPS));
        one.unwrap();
        two.unwrap();
        let steps = store.read().await.unwrap().rows("SELECT * FROM store_migration WHERE owner = 't'", vec![]).await;
        assert_eq!(steps.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_snapshot_sees_one_moment() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let count = "SELECT COUNT(*) AS n FROM t_thing";
        let mut snapshot = store.snapshot().await.unwrap();
        assert_eq!(snapshot.row(count, vec![]).await.unwrap().unwrap().int("n").unwrap(), 0);
        transact!(store, None, |tx| add(tx, "later").await).unwrap();
        assert_eq!(snapshot.row(count, vec![]).await.unwrap().unwrap().int("n").unwrap(), 0);
        assert_eq!(store.read().await.unwrap().row(count, vec![]).await.unwrap().unwrap().int("n").unwrap(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Migration words are replaced wherever they stand, and nothing else changes.
    #[test]
    fn translation_leaves_no_portable_word(parts in prop::collection::vec("[a-z ,()]{0,8}", 1..6)) {
        let sql = parts.join(" $INT $TEXT $BYTES $SERIAL ");
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let text = crate::migrate::translate(&sql, dialect);
            prop_assert!(!text.contains('$'));
            for part in &parts {
                prop_assert!(text.contains(part.as_str()));
            }
        }
    }
}

/// A copy holds what was committed at its moment and nothing later; put back elsewhere it is the same, goes on
/// numbering where it stood, and is never put over something.
#[tokio::test]
async fn a_copy_is_one_moment_and_is_put_back_whole() {
    let (stores, folder) = stores().await;
    for (number, store) in stores.iter().enumerate() {
        let out = folder.path().join(format!("copy{number}"));
        std::fs::create_dir(&out).unwrap();
        for name in ["南京", "tab\tand\nline", "c"] {
            transact!(store, None, |tx| {
                tx.announce("f", &serde_json::json!({"name": name})).await?;
                add(tx, name).await
            })
            .unwrap();
        }
        store.sequence(at(1)).await.unwrap();
        let mut moment = store.dump(&out).await.unwrap();
        transact!(store, None, |tx| add(tx, "later").await).unwrap();
        assert_eq!(moment.rows("SELECT name FROM t_thing", vec![]).await.unwrap().len(), 3);
        assert_eq!(moment.feeds().await.unwrap(), ["f"]);
        drop(moment);
        let looked = Store::look_into(&out).await.unwrap().is_some();
        assert_eq!(looked, store.dialect() == Dialect::Sqlite);
        let (url, schema) = match std::env::var("YUNHE_TEST_POSTGRES") {
            Ok(url) if number == 1 => (url, format!("store_{}_back", std::process::id())),
            _ => (format!("sqlite:{}", folder.path().join("back.db").display()), "t".to_owned()),
        };
        Store::load(&url, &schema, &out).await.unwrap();
        assert_eq!(Store::load(&url, &schema, &out).await.unwrap_err().code, "store.occupied");
        let back = Store::open(&url, &schema).await.unwrap();
        assert_eq!(names(&back).await, ["c", "tab\tand\nline", "南京"]);
        let next = transact!(back, None, |tx| add(tx, "next").await).unwrap();
        assert!(next >= 4, "{next}");
        let twice = transact!(back, None, |tx| add(tx, "c").await);
        assert_eq!(twice.unwrap_err().code, "store.duplicate", "keys and indexes are there again");
        let before = back.read().await.unwrap().feed_head("f").await.unwrap().unwrap();
        transact!(back, None, |tx| tx.renew_feeds(at(9)).await).unwrap();
        let after = back.read().await.unwrap().feed_head("f").await.unwrap().unwrap();
        assert!(after.epoch != before.epoch && after.position == 3);
        if number == 1 {
            let drop = format!("DROP SCHEMA \"{schema}\" CASCADE");
            transact!(back, None, |tx| tx.execute(Statement::schema(drop.clone()), vec![]).await).unwrap();
        }
        back.close().await;
    }
    let missing = format!("sqlite:{}", folder.path().join("none.db").display());
    assert_eq!(Store::attend(&missing, "t").await.err().unwrap().code, "store.absent");
}
