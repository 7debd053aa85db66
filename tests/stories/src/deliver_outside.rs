//! Deliveries into a table of a database outside: made with its titles, refused where it does not fit, changed with its
//! mark in one transaction; whoever dies, and wherever the line breaks, each page is in it once.

use crate::deliver::{CONSUMER, PROVIDER, carried, put, ran, receipted, remove, seen_rows, shown, want, with};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use std::net::Ipv4Addr;
use store::Fault;
use testkit::{Database, Outside, Relay, World};

const PLAN: &str = "/v1/deliveries/operation";
/// Commits at which a node is killed at most.
const COMMITS: u32 = 8;
/// The line breaks after so many bytes, and so many more each time.
const BYTES: u64 = 900;
/// The line is broken so often at most; a whole set takes fewer bytes than that.
const ROUNDS_MAX: u64 = 80;

/// A story, told twice: with a PostgreSQL outside, and with a MariaDB, where the servers are.
macro_rules! outside_story {
    ($(#[doc = $doc:literal])* async fn $name:ident($($given:tt)*) $body:block) => {
        $(#[doc = $doc])*
        mod $name {
            use super::*;

            async fn story($($given)*) $body

            #[tokio::test]
            async fn on_postgres() {
                if let Some(outside) = Outside::postgres().await {
                    story(world(&outside).await, outside).await;
                }
            }

            #[tokio::test]
            async fn on_mariadb() {
                if let Some(outside) = Outside::mariadb().await {
                    story(world(&outside).await, outside).await;
                }
            }
        }
    };
}

/// A world whose consumer knows a database outside.
async fn world(outside: &Outside) -> World {
    let mut world = World::new(Database::Sqlite).await;
    world.connect_to_write(CONSUMER, "warehouse", &outside.url()).await;
    world.province(200).await;
    for (id, role) in [(PROVIDER, "auditor"), (PROVIDER, "data-steward"), (CONSUMER, "data-steward")] {
        world.token(id, role).await;
    }
    world
}

async fn planned(world: &World, agreement: &str, table: &str, mode: &str) -> testkit::Reply {
    let target = json!({"table": {"connection": "warehouse", "table": table}});
    let ask = json!({"name": "operation", "agreement": agreement, "target": target, "mode": mode});
    world.as_(CONSUMER, "data-steward").post("/v1/deliveries", ask).await
}

fn same(now: &Value) {
    assert_eq!(now["progress"]["reconciled"]["same"], true, "{now}");
    assert!(now["progress"]["problem"].is_null(), "{now}");
}

fn key(row: &Map<String, Value>) -> String {
    row["uscc"].as_str().unwrap().to_owned()
}

outside_story! {
    /// The table is made from the agreement's columns with their titles; changes and removals come; a column that
    /// somebody adds stays; a cell that somebody changes is found and mended; so is a table, or a mark, that is gone.
    async fn a_table_outside_follows(mut world: World, outside: Outside) {
        let agreement = world.agree_operation("2026-12-31").await;
        world.rest().await;
        planned(&world, &agreement, "ent_operation", "incremental").await.expect_status(200);
        let [table, column] = match outside.is_mariadb() {
            true => [
                "(SELECT table_comment FROM information_schema.tables
                   WHERE table_schema = DATABASE() AND table_name = 'ent_operation')",
                "(SELECT column_comment FROM information_schema.columns
                   WHERE table_schema = DATABASE() AND table_name = 'ent_operation' AND column_name = 'revenue')",
            ],
            false => ["obj_description('ent_operation'::regclass)", "col_description('ent_operation'::regclass, 3)"],
        };
        outside.holds(&format!("{table} = '法人经营与信用信息'")).await;
        outside.holds(&format!("{column} = '营业收入'")).await;
        let first = ran(&world).await;
        same(&first);
        let parts = receipted(&world).await.len();
        outside.run("ALTER TABLE ent_operation ADD COLUMN note text").await;
        outside.run("UPDATE ent_operation SET note = '已走访'").await;
        world.advance(SignedDuration::from_secs(1));
        let [changes, leaves, goes] = seen_rows(&world).await;
        put(&world, &with(&changes, "staff", json!(4_321))).await;
        put(&world, &with(&leaves, "division", json!("320500"))).await;
        remove(&world, &key(&goes)).await;
        let now = ran(&world).await;
        same(&now);
        assert_eq!((receipted(&world).await[0], receipted(&world).await.len()), (3, parts + 1), "{now}");
        let row = format!("SELECT staff = 4321 AND note = '已走访' FROM ent_operation WHERE uscc = '{}'", key(&changes));
        outside.holds(&format!("({row})")).await;
        for gone in [&leaves, &goes] {
            outside.holds(&format!("NOT EXISTS (SELECT 1 FROM ent_operation WHERE uscc = '{}')", key(gone))).await;
        }
        outside.run(&format!("UPDATE ent_operation SET staff = 1 WHERE uscc = '{}'", key(&changes))).await;
        let now = ran(&world).await;
        assert_eq!(now["progress"]["problem"]["code"], "exchange.reconciliation", "{now}");
        want(&world, true).await;
        same(&carried(&world).await);
        outside.holds(&format!("({row})")).await;
        for sql in ["DELETE FROM yunhe_delivery_mark", "DROP TABLE ent_operation, yunhe_delivery_mark"] {
            let before = shown(&world).await;
            outside.run(sql).await;
            let now = ran(&world).await;
            same(&now);
            assert_ne!(now["progress"]["mark"]["parcel"], before["progress"]["mark"]["parcel"], "{sql}: {now}");
        }
    }
}

outside_story! {
    /// A full delivery brings the whole set each time, and takes out what is gone.
    async fn a_table_outside_is_filled_on_each_run(mut world: World, outside: Outside) {
        let agreement = world.agree_operation("2026-12-31").await;
        world.rest().await;
        // A schema there, the database here; and a table with a space in its name.
        let (named, quoted) = match outside.is_mariadb() {
            true => (format!("{}.法人 经营", outside.name()), format!("`{}`.`法人 经营`", outside.name())),
            false => ("交换.法人 经营".to_owned(), "\"交换\".\"法人 经营\"".to_owned()),
        };
        if !outside.is_mariadb() {
            outside.run("CREATE SCHEMA \"交换\"").await;
        }
        planned(&world, &agreement, &named, "full").await.expect_status(200);
        same(&ran(&world).await);
        let [changes, _, goes] = seen_rows(&world).await;
        put(&world, &with(&changes, "staff", json!(77))).await;
        remove(&world, &key(&goes)).await;
        let now = ran(&world).await;
        same(&now);
        assert_eq!((&now["runs"][0]["put"], &now["runs"][0]["removed"]), (&json!(1), &json!(1)), "{now}");
        let row = format!("SELECT staff = 77 FROM {quoted} WHERE uscc = '{}'", key(&changes));
        outside.holds(&format!("({row})")).await;
    }
}

outside_story! {
    /// A table that does not fit is named with everything that is wrong; one that holds rows is not taken over unasked;
    /// what is only read is not written to.
    async fn a_table_outside_that_does_not_fit_is_refused(mut world: World, outside: Outside) {
        let agreement = world.agree_operation("2026-12-31").await;
        let maria = outside.is_mariadb();
        let wrong = "CREATE TABLE wrong (uscc varchar(18), staff integer, revenue numeric(18,2), violation boolean, \
                     own int NOT NULL)";
        let unfit = if maria { " COLLATE utf8mb4_general_ci ENGINE = MyISAM" } else { "" };
        outside.run(&format!("{wrong}{unfit}")).await;
        let problem = planned(&world, &agreement, "wrong", "full").await.expect_problem("sink.shape", 422);
        let said = problem.to_string();
        let parts: &[&str] = match maria {
            true => &["staff is of type int(11)", "abnormal (VARCHAR(64)", "utf8mb4_general_ci", "engine MyISAM"],
            false => &["staff is of type integer", "abnormal (TEXT"],
        };
        for part in parts.iter().chain(&["no primary key", "own is not delivered"]) {
            assert!(said.contains(part), "{part}: {said}");
        }
        let order = if maria { " COLLATE utf8mb4_bin" } else { "" };
        let full = format!(
            "CREATE TABLE full_one (uscc varchar(18){order} PRIMARY KEY, staff bigint, revenue numeric(18,2), \
             abnormal text, violation boolean, telephone text)"
        );
        outside.run(&full).await;
        outside.run("INSERT INTO full_one (uscc) VALUES ('x')").await;
        planned(&world, &agreement, "full_one", "full").await.expect_problem("exchange.target_not_empty", 409);
        for (connection, code, status) in
            [("nowhere", "source.no_connection", 404), ("read-only", "source.connection", 422)]
        {
            if connection == "read-only" {
                world.connect(CONSUMER, connection, &outside.url()).await;
            }
            let target = json!({"table": {"connection": connection, "table": "never_made"}});
            let ask = json!({"name": "operation", "agreement": agreement, "target": target, "mode": "full"});
            let steward = world.as_(CONSUMER, "data-steward");
            steward.post("/v1/deliveries", ask).await.expect_problem(code, status);
        }
        outside.holds("NOT EXISTS (SELECT 1 FROM information_schema.tables WHERE table_name = 'never_made')").await;
    }
}

outside_story! {
    /// The consumer is killed just before and just after each of its commits; the table outside is whole each time.
    async fn the_consumer_is_killed_while_a_table_outside_follows(mut world: World, _outside: Outside) {
        let agreement = world.agree_operation("2026-12-31").await;
        planned(&world, &agreement, "ent_operation", "incremental").await.expect_status(200);
        let mut kills = 0;
        // Changes, and the whole set anew.
        for anew in [false, true] {
            'commits: for commit in 0..COMMITS {
                for fault in [Fault::KilledBefore, Fault::KilledAfter] {
                    let what = format!("{fault:?} at commit {commit}, anew: {anew}");
                    let [row, ..] = seen_rows(&world).await;
                    put(&world, &with(&row, "staff", json!(kills + 1))).await;
                    let runs = shown(&world).await["progress"]["runs"].as_u64().unwrap();
                    let store = world.organisation(CONSUMER).store().clone();
                    want(&world, anew).await;
                    store.inject_after(commit, fault);
                    let over = |now: &Value| {
                        now["progress"]["runs"].as_u64() > Some(runs) && now["runs"][0]["outcome"] == "done"
                    };
                    world.until(&what, || async { !store.awaits_fault() || over(&shown(&world).await) }).await;
                    let missed = store.withdraw_fault();
                    drop(store);
                    if missed {
                        break 'commits;
                    }
                    world.kill(CONSUMER).await;
                    world.start(CONSUMER).await;
                    kills += 1;
                    let settled = || async {
                        world.advance(SignedDuration::from_secs(1));
                        let now = shown(&world).await;
                        over(&now) && now["progress"]["problem"].is_null()
                    };
                    world.until(&what, settled).await;
                    let more = shown(&world).await["progress"]["runs"].as_u64();
                    want(&world, false).await;
                    world.until(&what, || async { shown(&world).await["progress"]["runs"].as_u64() > more }).await;
                    same(&shown(&world).await);
                }
            }
        }
        assert!(kills >= 8, "{kills} kills");
        let end = world.as_(CONSUMER, "data-steward").post(&format!("{PLAN}/end"), json!({})).await.expect_status(200);
        assert_eq!(end["state"], "ended");
    }
}

outside_story! {
    /// The line to the database breaks after so many bytes, wherever that is: within a transaction, or when its end is
    /// said.
    async fn the_line_to_a_table_outside_breaks(mut world: World, outside: Outside) {
        let target = tokio::net::lookup_host(outside.address().unwrap()).await.unwrap().next().unwrap();
        let relay = Relay::start(Ipv4Addr::LOCALHOST.into(), target).await;
        let url = outside.url().replace(&outside.address().unwrap(), &relay.address().to_string());
        world.connect_to_write(CONSUMER, "warehouse", &url).await;
        let agreement = world.agree_operation("2026-12-31").await;
        world.rest().await;
        planned(&world, &agreement, "ent_operation", "incremental").await.expect_status(200);
        same(&ran(&world).await);
        let mut breaks = 0;
        for number in 1..=ROUNDS_MAX {
            // Now and then the whole set.
            let anew = number % 4 == 0;
            let [row, ..] = seen_rows(&world).await;
            put(&world, &with(&row, "staff", json!(number))).await;
            world.number_all(PROVIDER).await;
            want(&world, anew).await;
            relay.stop_after(number * BYTES);
            let carry = async {
                for _ in 0..4 {
                    world.on(CONSUMER, async |org| org.carry_deliveries().await).await.unwrap();
                    world.on(CONSUMER, async |org| org.carry_pulls().await).await.unwrap();
                }
            };
            tokio::pin!(carry);
            let broke = tokio::select! {
                () = &mut carry => false,
                () = relay.stopped() => true,
            };
            if broke {
                relay.cut();
                carry.await;
            }
            relay.mend();
            same(&ran(&world).await);
            let row = format!("SELECT staff = {number} FROM ent_operation WHERE uscc = '{}'", key(&row));
            outside.holds(&format!("({row})")).await;
            if !broke && !anew {
                break;
            }
            breaks += usize::from(broke);
        }
        assert!(breaks >= 8, "{breaks} breaks");
    }
}

outside_story! {
    /// One delivery fills a table, however a second one calls it and by whichever connection: it is refused, until it
    /// is said that it takes over; then the first one is told whose the table is.
    async fn a_table_outside_has_one_delivery(mut world: World, outside: Outside) {
        world.connect_to_write(CONSUMER, "same-database", &outside.url()).await;
        let agreement = world.agree_operation("2026-12-31").await;
        world.rest().await;
        planned(&world, &agreement, "ent_operation", "incremental").await.expect_status(200);
        same(&ran(&world).await);
        let schema = if outside.is_mariadb() { outside.name() } else { "public" };
        let steward = world.as_(CONSUMER, "data-steward").desk().await;
        let second = |connection: &str, table: String, takes_over: bool| {
            let target = json!({"table": {"connection": connection, "table": table}});
            steward.post(
                "/v1/deliveries",
                json!({"name": "second", "agreement": agreement, "target": target, "mode": "incremental",
                       "takes_over": takes_over}),
            )
        };
        for (connection, table) in
            [("warehouse", format!("{schema}.ent_operation")), ("same-database", "ent_operation".to_owned())]
        {
            let problem = second(connection, table, false).await.expect_problem("sink.taken", 409);
            assert_eq!(problem["delivery"], format!("{CONSUMER}/operation"), "{problem}");
        }
        second("same-database", "ent_operation".to_owned(), true).await.expect_status(200);
        let now = ran(&world).await;
        assert_eq!(now["progress"]["problem"]["code"], "sink.taken", "{now}");
        let path = "/v1/deliveries/second";
        steward.post(&format!("{path}/run"), json!({})).await.expect_status(200);
        let done = || async {
            world.on(CONSUMER, async |org| org.carry_deliveries().await).await.unwrap();
            world.on(CONSUMER, async |org| org.carry_pulls().await).await.unwrap();
            steward.get(path).await.expect_status(200)["runs"][0]["outcome"] == "done"
        };
        world.until("the second delivery fills the table", done).await;
        same(&steward.get(path).await.expect_status(200));
    }
}

outside_story! {
    /// A database that stalls in the middle of a whole set holds up no delivery that follows.
    async fn a_whole_set_that_stalls_holds_up_nobody(mut world: World, outside: Outside) {
        let target = tokio::net::lookup_host(outside.address().unwrap()).await.unwrap().next().unwrap();
        let relay = Relay::start(Ipv4Addr::LOCALHOST.into(), target).await;
        let url = outside.url().replace(&outside.address().unwrap(), &relay.address().to_string());
        world.connect_to_write(CONSUMER, "stalling", &url).await;
        let agreement = world.agree_operation("2026-12-31").await;
        planned(&world, &agreement, "ent_operation", "incremental").await.expect_status(200);
        want(&world, false).await;
        world.until("the table is filled", || async { shown(&world).await["runs"][0]["outcome"] == "done" }).await;
        let steward = world.as_(CONSUMER, "data-steward").desk().await;
        let target = json!({"table": {"connection": "stalling", "table": "stalled"}});
        let ask = json!({"name": "stalled", "agreement": agreement, "target": target, "mode": "incremental"});
        steward.post("/v1/deliveries", ask).await.expect_status(200);
        relay.stop_after(BYTES);
        steward.post("/v1/deliveries/stalled/run", json!({})).await.expect_status(200);
        relay.stopped().await;
        let [row, ..] = seen_rows(&world).await;
        put(&world, &with(&row, "staff", json!(4_321))).await;
        let runs = shown(&world).await["progress"]["runs"].as_u64();
        let followed = || async {
            want(&world, false).await;
            let now = shown(&world).await;
            now["runs"].as_array().unwrap().iter().any(|it| it["number"].as_u64() > runs && it["put"] == 1)
        };
        world.until("the other table follows meanwhile", followed).await;
        outside.holds(&format!("(SELECT staff = 4321 FROM ent_operation WHERE uscc = '{}')", key(&row))).await;
        relay.mend();
        let done = || async {
            let now = steward.get("/v1/deliveries/stalled").await.expect_status(200);
            world.advance(SignedDuration::from_secs(1));
            now["runs"][0]["outcome"] == "done"
        };
        world.until("the stalled one is done at last", done).await;
    }
}
