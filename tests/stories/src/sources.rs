//! Tables of others taken over: every row once, whatever is killed, from MariaDB, PostgreSQL and SQLite.

use crate::faults::{Faults, succeeded, until_done};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::Fault;
use testkit::{Desk, Outside, World, story};

const PROVIDER: &str = "js-scjg";
const RUNS: &str = "/v1/sources/ent-base/runs";
const PAGES: &str = "/v1/records/ent-base/pages";
const HISTORY: &str = "/v1/records/ent-base/history";
/// So many commits of a run are killed at most.
const COMMITS: u32 = 12;

/// A pack of one record type that a table of others feeds.
pub(crate) fn pack(more: &str) -> Value {
    let about = "title: {zh: 试, en: Trial}\ndescription: {zh: 试, en: Trial}\n";
    let record = format!(
        "record: ent-base\n{about}duty: {{zh: 试, en: Trial}}\ntheme: other\ncycle: daily\nkey: [code]\nfields:\n  \
         code: {{type: text, max: 18, grade: 一般/1}}\n  \
         name: {{type: text, max: 20, grade: 一般/1}}\n  \
         capital: {{type: money, optional: true, grade: 一般/1}}\n  \
         founded: {{type: date, optional: true, grade: 一般/1}}\n  \
         changed: {{type: timestamp, optional: true, grade: 一般/1}}\n"
    );
    let source = format!(
        "source: ent-base\nrecord: ent-base\ntitle: {{zh: 试, en: Trial}}\norigin: {{zh: 试, en: Trial}}\nfrom:\n  \
         connection: market-db\n  table: ENT_BASE\n{more}\
         columns: {{TYSHXYDM: code, QYMC: name, ZCZB: capital, CLRQ: founded, UPDATED_AT: changed}}\n"
    );
    let files = BTreeMap::from([
        ("pack.yaml".to_owned(), format!("pack: market\n{about}owner: {{zh: 试, en: Trial}}\nversion: \"1\"\n")),
        ("records/ent-base.yaml".to_owned(), record),
        ("sources/ent-base.yaml".to_owned(), source),
    ]);
    json!({"files": files})
}

const WATCHED: &str = "  watch: {column: UPDATED_AT}\n  every_minutes: 30\n";

pub(crate) fn quoted(database: &Outside, sql: &str) -> String {
    if database.url().starts_with("mysql") { sql.replace('"', "`") } else { sql.to_owned() }
}

pub(crate) async fn table(database: &Outside, rows: std::ops::Range<usize>) {
    let create = "CREATE TABLE \"ENT_BASE\" (\"TYSHXYDM\" varchar(18), \"QYMC\" varchar(200), \"ZCZB\" decimal(18,4), \
                  \"CLRQ\" timestamp NULL, \"UPDATED_AT\" timestamp NULL, \"备注\" text)";
    // MySQL's TIMESTAMP is a moment; a wall clock is a DATETIME there.
    let create =
        if database.url().starts_with("mysql") { create.replace("timestamp", "datetime") } else { create.to_owned() };
    database.run(&quoted(database, &create)).await;
    insert(database, rows, "2026-01-02 03:04:05").await;
}

pub(crate) async fn insert(database: &Outside, rows: std::ops::Range<usize>, at: &str) {
    let rows: Vec<String> =
        rows.map(|it| format!("('K{it:05}', '企业, \"{it}\"', {it}.5, '2026-01-02 00:00:00', '{at}', 'x')")).collect();
    if !rows.is_empty() {
        database.run(&quoted_values(database, &rows)).await;
    }
}

fn quoted_values(database: &Outside, rows: &[String]) -> String {
    format!("{} {}", quoted(database, "INSERT INTO \"ENT_BASE\" VALUES"), rows.join(", "))
}

pub(crate) fn review() -> Value {
    json!({"reviewed_by": "保密办", "reviewed_on": "2026-11-23"})
}

pub(crate) async fn all_databases() -> Vec<Outside> {
    let all = [Outside::mariadb().await, Outside::postgres().await, Outside::sqlite().await];
    all.into_iter().flatten().collect()
}

async fn steward(world: &World) -> Desk {
    world.as_(PROVIDER, "data-steward").desk().await
}

/// The latest run once it has ended.
async fn ended(world: &World) -> Value {
    let desk = steward(world).await;
    let last = || async { desk.get(RUNS).await.expect_status(200)[0].clone() };
    world.until("the run ends", || async { last().await["ended"].is_string() }).await;
    let run = last().await;
    let number = |name: &str| run[name].as_u64().unwrap();
    assert_eq!(number("read"), number("loaded") + number("unchanged") + number("rejected"), "{run}");
    run
}

async fn take(world: &World, ask: Value) -> Value {
    steward(world).await.post(RUNS, ask).await.expect_status(200);
    ended(world).await
}

fn counts(run: &Value) -> [u64; 5] {
    ["read", "loaded", "unchanged", "rejected", "removed"].map(|it| run[it].as_u64().unwrap())
}

async fn rows(world: &World) -> u64 {
    let types = steward(world).await.get("/v1/records").await.expect_status(200);
    types.as_array().unwrap().iter().find(|it| it["name"] == "ent-base").unwrap()["rows"].as_u64().unwrap()
}

async fn set_up(world: &mut World, database: &Outside, more: &str) {
    world.connect(PROVIDER, "market-db", &database.url()).await;
    world.as_(PROVIDER, "administrator").post("/v1/packs", pack(more)).await.expect_status(200);
}

/// What was dated ahead is taken, and so is what is written behind it and before that day.
async fn a_row_dated_ahead_hides_none(world: &World, database: &Outside) {
    insert(database, 9_002..9_003, "2099-01-01 00:00:00").await;
    assert_eq!(take(world, json!({})).await["loaded"], 1);
    let clock = jiff::tz::Offset::constant(8).to_datetime(world.now());
    insert(database, 9_003..9_004, &clock.strftime("%Y-%m-%d %H:%M:%S").to_string()).await;
    assert_eq!(counts(&take(world, json!({})).await), [2, 1, 1, 0, 0]);
}

/// The job takes over by itself once its time has come.
async fn the_job_takes_over(world: &World, database: &Outside) {
    let desk = steward(world).await;
    insert(database, 500..502, "2026-02-01 00:00:00").await;
    world.advance(SignedDuration::from_mins(31));
    world.until("the job takes over", || async { rows(world).await == 100 }).await;
    let run = ended(world).await;
    assert_eq!(run["by"], "job:sources");
    let listed = desk.get("/v1/sources").await.expect_status(200)[0].clone();
    assert_eq!((&listed["state"], &listed["last"]["id"]), (&json!("closed"), &run["id"]), "{listed}");
    world.advance(SignedDuration::from_mins(1));
    assert!(desk.get("/v1/sources").await.expect_status(200)[0]["lag_s"].as_i64().unwrap() >= 60);
}

/// The first run loads all, the next ones what changed; a full one takes out what is gone; every rejected row has its
/// reason, and every change says where it came from.
async fn is_taken_over(mut world: World, database: Option<Outside>) {
    let Some(database) = database else { return };
    the_first_run_loads_all(&mut world, &database).await;
    the_next_ones_load_what_changed(&world, &database).await;
    a_row_dated_ahead_hides_none(&world, &database).await;
    a_full_one_takes_out_what_is_gone(&world, &database).await;
    the_job_takes_over(&world, &database).await;
}

async fn the_first_run_loads_all(world: &mut World, database: &Outside) {
    table(database, 0..9_000).await;
    let keyless = "INSERT INTO \"ENT_BASE\" (\"TYSHXYDM\", \"QYMC\") VALUES (NULL, 'no key')";
    database.run(&quoted(database, keyless)).await;
    let long = "UPDATE \"ENT_BASE\" SET \"QYMC\" = '很长很长很长很长很长很长很长很长很长很长很长的名称' WHERE \"TYSHXYDM\" = 'K00007'";
    database.run(&quoted(database, long)).await;
    set_up(world, database, WATCHED).await;
    let desk = steward(world).await;
    desk.post(RUNS, json!({"full": true})).await.expect_problem("registry.secrecy_review", 403);
    let check = desk.get("/v1/sources/ent-base/check").await.expect_status(200);
    assert_eq!((&check["looked_at"], &check["unfit"]), (&json!(200), &json!(1)), "{check}");
    let mut full = review();
    full["full"] = json!(true);
    let first = take(world, full.clone()).await;
    assert_eq!((first["read"].clone(), first["rejected"].clone()), (json!(9_001), json!(2)), "{first}");
    assert_eq!(rows(world).await, 8_999);
    let mut reasons = String::new();
    for import in first["rejecting"].as_array().unwrap() {
        let path = format!("/v1/imports/{}/rejects", import.as_str().unwrap());
        reasons += &desk.get(&path).await.text();
    }
    assert!(reasons.contains("value.missing") && reasons.contains("value.too_long"), "{reasons}");
    let one = desk.post(PAGES, json!({"key": ["K00042"]})).await.expect_status(200)["rows"][0].clone();
    let expected = json!({
        "code": "K00042", "name": "企业, \"42\"", "capital": "42.50", "founded": "2026-01-02",
        "changed": "2026-01-01T19:04:05Z",
    });
    assert_eq!(one, expected);
}

/// A new row, a changed one, and one that was written early and is there only now.
async fn the_next_ones_load_what_changed(world: &World, database: &Outside) {
    insert(database, 9_000..9_001, "2026-01-03 00:00:00").await;
    insert(database, 9_001..9_002, "2026-01-02 02:58:00").await;
    let update = "UPDATE \"ENT_BASE\" SET \"ZCZB\" = 7, \"UPDATED_AT\" = '2026-01-03 00:00:01' \
                  WHERE \"TYSHXYDM\" = 'K00001'";
    database.run(&quoted(database, update)).await;
    let changes = take(world, json!({})).await;
    assert_eq!(changes["mode"], "changes");
    assert_eq!(changes["loaded"], 3, "{changes}");
    assert_eq!(changes["removed"], 0);
    assert_eq!(rows(world).await, 9_001);
    let few = take(world, json!({})).await;
    assert_eq!(counts(&few), [2, 0, 2, 0, 0], "only what lies within the overlap");
}

/// What is gone there goes here, with its reason; its history stays. A table that lost most of its rows is looked at by
/// a person first.
async fn a_full_one_takes_out_what_is_gone(world: &World, database: &Outside) {
    let desk = steward(world).await;
    let gone = "DELETE FROM \"ENT_BASE\" WHERE \"TYSHXYDM\" IN ('K00002', 'K08999')";
    database.run(&quoted(database, gone)).await;
    let full = take(world, json!({"full": true})).await;
    assert_eq!((full["loaded"].clone(), full["removed"].clone()), (json!(0), json!(2)), "{full}");
    assert_eq!(rows(world).await, 9_001);
    let history = desk.post(HISTORY, json!({"key": ["K00002"]})).await.expect_status(200);
    let version = history["versions"].as_array().unwrap().last().unwrap().clone();
    assert!(version["until"]["why"].as_str().unwrap().contains("gone there"), "{version}");
    assert_eq!(version["from"]["source"], "market-db/ENT_BASE");
    database.run(&quoted(database, "DELETE FROM \"ENT_BASE\" WHERE \"TYSHXYDM\" >= 'K00100'")).await;
    desk.post(RUNS, json!({"full": true})).await.expect_status(200);
    let stuck = || async { desk.get(RUNS).await.expect_status(200)[0]["stuck"].is_object() };
    world.until("the run is stuck", stuck).await;
    assert_eq!(rows(world).await, 9_001);
    let small = take(world, json!({"full": true, "may_shrink": true})).await;
    assert_eq!(rows(world).await, 98, "{small}");
}

story! {
    /// A table of MariaDB; see [`is_taken_over`].
    async fn a_table_of_mariadb_is_taken_over(world: World) {
        is_taken_over(world, Outside::mariadb().await).await;
    }
}

story! {
    /// A table of PostgreSQL; see [`is_taken_over`].
    async fn a_table_of_postgres_is_taken_over(world: World) {
        is_taken_over(world, Outside::postgres().await).await;
    }
}

story! {
    /// A table of SQLite; see [`is_taken_over`].
    async fn a_table_of_sqlite_is_taken_over(world: World) {
        is_taken_over(world, Outside::sqlite().await).await;
    }
}

story! {
    /// A run that is killed at each of its commits goes on: every row is there, and no version twice.
    async fn a_run_is_killed_at_each_commit(mut world: World) {
        let Some(database) = Outside::sqlite().await else { return };
        table(&database, 0..4_500).await;
        set_up(&mut world, &database, "").await;
        world.token(PROVIDER, "data-steward").await;
        let expected = 4_500;
        let mut kills = 0;
        take(&world, review()).await;
        'commits: for commit in 0..COMMITS {
            for fault in [Fault::KilledBefore, Fault::KilledAfter] {
                let what = format!("{fault:?} at commit {commit}");
                // Two pages of changes, one row more, one row less.
                database.run("UPDATE \"ENT_BASE\" SET \"ZCZB\" = \"ZCZB\" + 1").await;
                database.run(&format!("DELETE FROM \"ENT_BASE\" WHERE \"TYSHXYDM\" = 'K{kills:05}'")).await;
                insert(&database, 10_000 + kills..10_002 + kills, "2026-01-02 03:04:05").await;
                database.run(&format!("DELETE FROM \"ENT_BASE\" WHERE \"TYSHXYDM\" = 'K{:05}'", 10_001 + kills)).await;
                let begun = steward(&world).await.post(RUNS, json!({})).await.expect_status(200)["id"].clone();
                let store = world.organisation(PROVIDER).store().clone();
                store.inject_after(commit, fault);
                let desk = steward(&world).await;
                let over = || async {
                    let last = desk.get(RUNS).await.expect_status(200)[0].clone();
                    last["id"] == begun && last["ended"].is_string()
                };
                world.until(&what, || async { !store.awaits_fault() || over().await }).await;
                let missed = store.withdraw_fault();
                drop(store);
                if missed {
                    break 'commits;
                }
                world.kill(PROVIDER).await;
                world.start(PROVIDER).await;
                kills += 1;
                let run = ended(&world).await;
                assert_eq!(run["removed"], 1, "{what}: {run}");
                assert_eq!(rows(&world).await, expected, "{what}");
                let key = json!({"key": [format!("K{:05}", 9_999 + kills)]});
                let history = steward(&world).await.post(HISTORY, key).await.expect_status(200);
                assert_eq!(history["versions"].as_array().unwrap().len(), 1, "{what}: {history}");
            }
        }
        assert!(kills >= 8, "{kills} kills");
    }
}

story! {
    /// What stands in the way is told with the remedy, and the run goes on by itself once it is gone.
    async fn a_run_that_is_stuck_goes_on(mut world: World) {
        let Some(database) = Outside::mariadb().await else { return };
        set_up(&mut world, &database, "").await;
        let desk = steward(&world).await;
        desk.post("/v1/sources/nothing/runs", review()).await.expect_problem("registry.source", 404);
        desk.get("/v1/sources/ent-base/check").await.expect_problem("source.missing", 404);
        desk.post(RUNS, review()).await.expect_status(200);
        let stuck = || async { desk.get(RUNS).await.expect_status(200)[0]["stuck"]["en"].is_string() };
        world.until("the run is stuck", stuck).await;
        let told = desk.get(RUNS).await.expect_status(200)[0]["stuck"]["en"].as_str().unwrap().to_owned();
        assert!(told.contains("market-db") && told.contains("ENT_BASE"), "{told}");
        table(&database, 0..3).await;
        world.advance(SignedDuration::from_secs(3_600));
        assert_eq!(ended(&world).await["loaded"], 3);
        world.as_(PROVIDER, "auditor").post(RUNS, review()).await.expect_problem("policy.role", 403);
        world.as_(PROVIDER, "auditor").get("/v1/sources").await.expect_status(200);
    }
}

story! {
    /// A run whose source has left its pack ends there and says why.
    async fn a_run_without_its_source_ends(mut world: World) {
        let Some(database) = Outside::sqlite().await else { return };
        set_up(&mut world, &database, "").await;
        let desk = steward(&world).await;
        desk.post(RUNS, review()).await.expect_status(200);
        let last = || async { desk.get(RUNS).await.expect_status(200)[0].clone() };
        world.until("the run is stuck", || async { last().await["stuck"]["en"].is_string() }).await;
        let mut without = pack("");
        let files = without["files"].as_object_mut().unwrap();
        files["pack.yaml"] = files["pack.yaml"].as_str().unwrap().replace("\"1\"", "\"2\"").into();
        files.retain(|path, _| !path.starts_with("sources/"));
        world.as_(PROVIDER, "administrator").post("/v1/packs", without).await.expect_status(200);
        world.advance(SignedDuration::from_hours(1));
        world.until("the run ends", || async { last().await["ended"].is_string() }).await;
        let run = last().await;
        assert_eq!(run["phase"], "dropped", "{run}");
        assert!(run["stuck"]["en"].as_str().unwrap().contains("ent-base"), "{run}");
    }
}

story! {
    /// A run is begun once, whichever of its commits failed.
    async fn a_run_is_begun_once(mut world: World) {
        let Some(database) = Outside::sqlite().await else { return };
        table(&database, 0..1).await;
        set_up(&mut world, &database, "").await;
        world.rest().await;
        let desk = steward(&world).await;
        let mut faults = Faults::at(PROVIDER);
        while let Some(what) = faults.next() {
            faults.set(&world);
            until_done(&what, || desk.post(RUNS, review()), succeeded).await;
            faults.lift(&world);
            let runs = desk.get(RUNS).await.expect_status(200);
            let open = runs.as_array().unwrap().iter().filter(|it| it["ended"].is_null()).count();
            assert_eq!(open, 1, "{what}: {runs}");
            world.on(PROVIDER, async move |org| org.carry_sources().await).await.unwrap();
            ended(&world).await;
        }
        assert!(faults.met_any());
    }
}

story! {
    /// A row is taken out only where nothing else can have brought it.
    async fn a_row_is_taken_out_only_where_it_is_gone(mut world: World) {
        let Some(database) = Outside::sqlite().await else { return };
        table(&database, 0..3).await;
        world.connect(PROVIDER, "market-db", &database.url()).await;
        let mut shared = pack("");
        let file = "source: ent-file\nrecord: ent-base\ntitle: {zh: 试, en: Trial}\norigin: {zh: 试, en: Trial}\n\
                    files: [a.csv]\ncolumns: {code: code, name: name}\n";
        shared["files"]["sources/ent-file.yaml"] = json!(file);
        world.as_(PROVIDER, "administrator").post("/v1/packs", shared).await.expect_status(200);
        assert_eq!(take(&world, review()).await["loaded"], 3);
        database.run("DELETE FROM \"ENT_BASE\" WHERE \"TYSHXYDM\" = 'K00001'").await;
        let check = steward(&world).await.get("/v1/sources/ent-base/check").await.expect_status(200);
        assert!(check["findings"][0]["en"].as_str().unwrap().contains("other sources"), "{check}");
        assert_eq!(counts(&take(&world, json!({"full": true})).await), [2, 0, 2, 0, 0]);
        assert_eq!(rows(&world).await, 3);
    }
}

/// Findings of a source that is a table, with file and line.
#[test]
fn a_source_that_cannot_work_is_found() {
    let found = |more: &str| {
        let files: BTreeMap<String, String> = serde_json::from_value(pack(more)["files"].clone()).unwrap();
        let findings = pack::read(&files).err().unwrap_or_default();
        findings.iter().map(|it| format!("{} {}:{}", it.code, it.file, it.line)).collect::<Vec<_>>()
    };
    assert_eq!(found(WATCHED), Vec::<String>::new());
    assert_eq!(found("  live: true\n"), Vec::<String>::new());
    assert_eq!(found("  live: true\n  every_minutes: 5\n"), ["pack.source_live sources/ent-base.yaml:8"]);
    assert_eq!(found("files: [a.csv]\n"), ["pack.twice sources/ent-base.yaml:5"]);
}

story! {
    /// Entries are proposed for the tables of a connection, described where they stand, with no value of theirs.
    async fn tables_of_a_connection_are_proposed(mut world: World) {
        for database in all_databases().await {
            table(&database, 0..50).await;
            if database.address().is_some() {
                let comment = match database.url().starts_with("mysql") {
                    true => "ALTER TABLE `ENT_BASE` COMMENT '企业基本信息'",
                    false => "COMMENT ON TABLE \"ENT_BASE\" IS '企业基本信息'",
                };
                database.run(comment).await;
            }
            set_up(&mut world, &database, WATCHED).await;
            let cataloguer = world.as_(PROVIDER, "cataloguer").desk().await;
            let ask = json!({"connection": "market-db", "front": "307010001"});
            let proposals = cataloguer.post("/v1/proposals", ask.clone()).await.expect_status(200);
            let all = proposals.as_array().unwrap();
            assert_eq!((all.len(), &all[0]["table"]), (1, &json!("ENT_BASE")), "{proposals}");
            let entry = &all[0]["draft"]["entry"];
            assert_eq!(entry["items"].as_array().unwrap().len(), 6, "{entry}");
            assert_eq!(entry["items"][0]["title"]["zh"], "统一社会信用代码");
            if database.address().is_some() {
                assert_eq!(entry["title"]["zh"], "企业基本信息", "its own comment");
            }
            assert!(!proposals.to_string().contains("K0000"), "values are looked at and never shown");
            let other = json!({"connection": "nobody"});
            cataloguer.post("/v1/proposals", other).await.expect_problem("source.no_connection", 404);
            world.as_(PROVIDER, "requester").post("/v1/proposals", ask).await.expect_problem("policy.role", 403);
        }
    }
}
