//! Deliveries into tables of the consumer's: the whole set, then its changes; nothing from outside the restriction;
//! each page once, whoever dies; compared with the provider after each run.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use store::{Fault, args, transact};
use testkit::{World, draw, story};

pub(crate) const PROVIDER: &str = "js-scjg";
pub(crate) const CONSUMER: &str = "nj-gxj";
const THERE: &str = "/v1/records/legal-person-operation";
const HERE: &str = "/v1/records/operation-copy";
const PLAN: &str = "/v1/deliveries/operation";
/// Commits at which a node is killed at most.
const COMMITS: u32 = 10;

/// The consumer's own table: what is agreed, and a column of its own.
const COPY: &str = r#"
record: operation-copy
title: {zh: 法人经营信息（副本）, en: Operation of legal persons (copy)}
key: [uscc]
fields:
  uscc:      {type: org-code, of: legal-person, title: {zh: 统一社会信用代码, en: Credit code}, grade: 一般/1}
  staff:     {type: integer, optional: true, title: {zh: 从业人数, en: Staff}, grade: 一般/2}
  revenue:   {type: money, optional: true, title: {zh: 营业收入, en: Revenue}, grade: 一般/3}
  abnormal:  {type: code, list: abnormal-operation, optional: true, title: {zh: 经营异常, en: Abnormal}, grade: 一般/1}
  violation: {type: boolean, title: {zh: 严重违法失信, en: Serious violation}, grade: 一般/1}
  telephone: {type: text, max: 20, personal: true, optional: true, title: {zh: 联系电话, en: Telephone}, grade: 一般/3}
  note:      {type: text, max: 40, optional: true, title: {zh: 备注, en: Note}, grade: 一般/1}
"#;

type Rows = BTreeMap<String, Map<String, Value>>;

async fn rows(world: &World, organisation: &str, path: &str) -> Rows {
    let steward = world.as_(organisation, "data-steward").desk().await;
    let mut rows = Rows::new();
    let mut after = Value::Null;
    loop {
        let mut ask = json!({"limit": 1000});
        if !after.is_null() {
            ask["after"] = after;
        }
        let page = steward.post(&format!("{path}/pages"), ask).await.expect_status(200);
        for row in page["rows"].as_array().unwrap() {
            rows.insert(row["uscc"].as_str().unwrap().to_owned(), row.as_object().unwrap().clone());
        }
        if page["next"].is_null() {
            return rows;
        }
        after = page["next"].clone();
    }
}

/// What the consumer may see of what the provider holds now.
async fn permitted(world: &World) -> Rows {
    let shown = |mut row: Map<String, Value>| {
        row.remove("division");
        if let Some(text) = row["telephone"].as_str() {
            let masked = format!("{}****{}", &text[..3], &text[7..]);
            row.insert("telephone".to_owned(), json!(masked));
        }
        row
    };
    let all = rows(world, PROVIDER, THERE).await.into_iter();
    let ours = all.filter(|(_, row)| row["division"].as_str().unwrap().starts_with("3201"));
    ours.map(|(key, row)| (key, shown(row))).collect()
}

/// What stands in the consumer's table, without its own column.
async fn held(world: &World) -> Rows {
    let mut rows = rows(world, CONSUMER, HERE).await;
    rows.values_mut().for_each(|it| drop(it.remove("note")));
    rows
}

/// The provider has so many rows, the consumer a table for its own.
pub(crate) async fn table(world: &World, province: u64) {
    world.province(province).await;
    for pack in ["divisions", "calendar-cn", "legal-persons"] {
        world.install(CONSUMER, pack, |_, text| text).await;
    }
    let manifest = "pack: copies\ntitle: {zh: 副本, en: Copies}\n\
                    description: {zh: 交付所入的表, en: Tables that are delivered into}\n\
                    owner: {zh: 本局, en: Us}\nversion: \"1\"\nneeds: [divisions, legal-persons]\n";
    let files = json!({"pack.yaml": manifest, "records/operation-copy.yaml": COPY});
    world.as_(CONSUMER, "administrator").post("/v1/packs", json!({"files": files})).await.expect_status(200);
}

async fn plan(world: &World, agreement: &str, mode: &str) -> Value {
    let ask =
        json!({"name": "operation", "agreement": agreement, "target": {"record": "operation-copy"}, "mode": mode});
    world.as_(CONSUMER, "data-steward").post("/v1/deliveries", ask).await.expect_status(200)
}

pub(crate) async fn shown(world: &World) -> Value {
    world.as_(CONSUMER, "data-steward").get(PLAN).await.expect_status(200)
}

pub(crate) async fn want(world: &World, anew: bool) {
    let path = format!("{PLAN}/run");
    world.as_(CONSUMER, "data-steward").post(&path, json!({"anew": anew})).await.expect_status(200);
}

/// With resting jobs: numbers what the provider has, and carries the delivery until nothing is due any more.
pub(crate) async fn carried(world: &World) -> Value {
    world.number_all(PROVIDER).await;
    for _ in 0..200 {
        world.on(CONSUMER, async |org| org.carry_deliveries().await).await.unwrap();
        world.on(CONSUMER, async |org| org.carry_pulls().await).await.unwrap();
        let now = shown(world).await;
        let due = now["next_run"].as_str().is_some_and(|it| it <= world.now().to_string().as_str());
        if !due || now["state"] == "ended" {
            return now;
        }
    }
    panic!("the delivery does not come to rest: {}", shown(world).await);
}

/// A run, from beginning to end.
pub(crate) async fn ran(world: &World) -> Value {
    want(world, false).await;
    carried(world).await
}

/// The rows that the provider's receipts name for pages and parts of this delivery, newest first.
pub(crate) async fn receipted(world: &World) -> Vec<u64> {
    let all = world.as_(PROVIDER, "auditor").get("/v1/receipts").await.expect_status(200);
    all.as_array().unwrap().iter().map(|it| it["body"]["rows"].as_u64().unwrap()).collect()
}

pub(crate) async fn put(world: &World, row: &Map<String, Value>) {
    let body = json!({"row": row, "why": "变更"});
    world.as_(PROVIDER, "data-steward").post(THERE, body).await.expect_status(200);
}

pub(crate) async fn remove(world: &World, key: &str) {
    let body = json!({"key": [key], "why": "注销"});
    world.as_(PROVIDER, "data-steward").post(&format!("{THERE}/removals"), body).await.expect_status(200);
}

pub(crate) fn with(row: &Map<String, Value>, field: &str, value: Value) -> Map<String, Value> {
    let mut row = row.clone();
    row.insert(field.to_owned(), value);
    row
}

/// Three of the provider's rows that the consumer may see.
pub(crate) async fn seen_rows(world: &World) -> [Map<String, Value>; 3] {
    let all = rows(world, PROVIDER, THERE).await.into_values();
    let mut ours = all.filter(|it| it["division"].as_str().unwrap().starts_with("3201"));
    [ours.next().unwrap(), ours.next().unwrap(), ours.next().unwrap()]
}

/// Both hold the same, and the reconciliation says so.
async fn same(world: &World, now: &Value) {
    let (held, permitted) = (held(world).await, permitted(world).await);
    assert_eq!(held, permitted, "{now}");
    let found = &now["progress"]["reconciled"];
    assert_eq!((&found["same"], &found["rows_here"]), (&json!(true), &json!(held.len())), "{now}");
}

story! {
    /// The whole set comes once; then a row that changes, enters, leaves or goes, and nothing else: no row that was
    /// never inside, no change of what is not shown. A column of the consumer's own stays.
    async fn a_table_follows_exactly_what_may_be_seen(mut world: World) {
        table(&world, 300).await;
        let agreement = world.agree_operation("2026-12-31").await;
        for (id, role) in [(PROVIDER, "auditor"), (CONSUMER, "data-steward"), (PROVIDER, "data-steward")] {
            world.token(id, role).await;
        }
        world.rest().await;
        plan(&world, &agreement, "incremental").await;
        let now = ran(&world).await;
        same(&world, &now).await;
        assert_eq!((&now["runs"][0]["filled"], &now["runs"][0]["outcome"]), (&json!(true), &json!("done")), "{now}");
        let parts = receipted(&world).await.len();

        let all = rows(&world, PROVIDER, THERE).await;
        let mut inside = all.values().filter(|it| it["division"].as_str().unwrap().starts_with("320102")
            || it["division"].as_str().unwrap().starts_with("320104"));
        let mut outside = all.values().filter(|it| it["division"].as_str().unwrap().starts_with("3205"));
        // Nothing that the consumer may see has changed: no page, no receipt.
        let far = outside.next().unwrap();
        put(&world, &with(far, "staff", json!(7))).await;
        put(&world, &with(inside.next().unwrap(), "division", json!("320106"))).await;
        let now = ran(&world).await;
        same(&world, &now).await;
        assert_eq!(receipted(&world).await.len(), parts, "nothing was delivered: {now}");
        assert_eq!(now["lag_seconds"], 0, "{now}");

        // Receipts are listed by their time.
        world.advance(jiff::SignedDuration::from_secs(1));
        // A note of the consumer's own, on a row that changes.
        let (changes, leaves, goes) = (inside.next().unwrap(), inside.next().unwrap(), inside.next().unwrap());
        let enters = outside.next().unwrap();
        let mut noted = held(&world).await[changes["uscc"].as_str().unwrap()].clone();
        noted.insert("note".to_owned(), json!("已走访"));
        world.as_(CONSUMER, "data-steward").post(HERE, json!({"row": noted, "why": "备注"})).await.expect_status(200);
        put(&world, &with(changes, "staff", json!(4_321))).await;
        put(&world, &with(leaves, "division", json!("320500"))).await;
        put(&world, &with(enters, "division", json!("320100"))).await;
        remove(&world, goes["uscc"].as_str().unwrap()).await;
        // It comes and goes between two runs, and nobody hears of it.
        put(&world, &with(far, "division", json!("320100"))).await;
        put(&world, far).await;
        let now = ran(&world).await;
        same(&world, &now).await;
        assert_eq!(receipted(&world).await[0], 4, "{now}");
        assert_eq!((&now["runs"][0]["put"], &now["runs"][0]["removed"]), (&json!(2), &json!(2)), "{now}");
        let here = rows(&world, CONSUMER, HERE).await;
        assert_eq!(here[changes["uscc"].as_str().unwrap()]["note"], "已走访");
        assert!(!here.contains_key(far["uscc"].as_str().unwrap()));
        assert_eq!(now["progress"]["mark"]["next"], json!(parts + 1), "{now}");
    }
}

story! {
    /// A consumer that was away for a week catches up, page by page, and loses and doubles nothing.
    async fn a_week_away_is_caught_up(mut world: World) {
        table(&world, 200).await;
        let agreement = world.agree_operation("2026-12-31").await;
        for (id, role) in [(PROVIDER, "auditor"), (CONSUMER, "data-steward"), (PROVIDER, "data-steward")] {
            world.token(id, role).await;
        }
        world.rest().await;
        plan(&world, &agreement, "incremental").await;
        ran(&world).await;
        let mut seed = 4;
        for day in 0..7 {
            let all: Vec<_> = rows(&world, PROVIDER, THERE).await.into_values().collect();
            for _ in 0..30 {
                let row = &all[usize::try_from(draw(&mut seed) % all.len() as u64).unwrap()];
                let divisions = ["320100", "320102", "320500", "320300"];
                let division = divisions[usize::try_from(draw(&mut seed) % 4).unwrap()];
                match draw(&mut seed) % 4 {
                    0 => put(&world, &with(row, "division", json!(division))).await,
                    1 => put(&world, &with(row, "violation", json!(day % 2 == 0))).await,
                    _ => put(&world, &with(row, "staff", json!(draw(&mut seed) % 1_000))).await,
                }
            }
            world.advance(jiff::SignedDuration::from_hours(24));
        }
        let before = shown(&world).await;
        assert!(before["lag_seconds"].as_i64().unwrap() >= 7 * 86_400, "{before}");
        world.refresh().await;
        let now = ran(&world).await;
        same(&world, &now).await;
        assert_eq!(now["lag_seconds"], 0, "{now}");
    }
}

story! {
    /// A restore of the provider's begins a new epoch: the consumer fetches the whole set anew, by itself. A table that
    /// somebody wrote to is found different, and mended on demand.
    async fn a_new_epoch_and_a_table_that_differs_are_mended(mut world: World) {
        table(&world, 120).await;
        let agreement = world.agree_operation("2026-12-31").await;
        for (id, role) in [(PROVIDER, "auditor"), (CONSUMER, "data-steward"), (PROVIDER, "data-steward")] {
            world.token(id, role).await;
        }
        world.rest().await;
        plan(&world, &agreement, "incremental").await;
        let first = ran(&world).await;
        let store = world.organisation(PROVIDER).store().clone();
        let restored = "UPDATE store_feed SET epoch = 'restored' WHERE feed = $1";
        transact!(store, None, |tx| tx.execute(restored, args!["registry"]).await).unwrap();
        drop(store);
        let all = rows(&world, PROVIDER, THERE).await;
        put(&world, &with(all.values().next().unwrap(), "division", json!("320100"))).await;
        let now = ran(&world).await;
        same(&world, &now).await;
        assert_ne!(now["progress"]["mark"]["parcel"], first["progress"]["mark"]["parcel"], "{now}");
        assert_eq!(now["runs"][0]["filled"], true, "{now}");

        let mut rows = held(&world).await.into_values();
        let steward = world.as_(CONSUMER, "data-steward");
        let wrong = with(&rows.next().unwrap(), "staff", json!(999_999));
        steward.post(HERE, json!({"row": wrong, "why": "误改"})).await.expect_status(200);
        let now = ran(&world).await;
        assert_eq!(now["progress"]["reconciled"]["same"], false, "{now}");
        assert_eq!(now["progress"]["problem"]["code"], "exchange.reconciliation", "{now}");
        want(&world, true).await;
        let now = carried(&world).await;
        same(&world, &now).await;
        assert_eq!((&now["progress"]["problem"], &now["runs"][0]["put"]), (&Value::Null, &json!(1)), "{now}");
    }
}

story! {
    /// A full delivery takes the place of what was there, rows that have gone included, atomically.
    async fn a_full_delivery_takes_the_place_of_the_table(mut world: World) {
        table(&world, 120).await;
        let agreement = world.agree_operation("2026-12-31").await;
        for (id, role) in [(PROVIDER, "auditor"), (CONSUMER, "data-steward"), (PROVIDER, "data-steward")] {
            world.token(id, role).await;
        }
        world.rest().await;
        plan(&world, &agreement, "full").await;
        let now = ran(&world).await;
        same(&world, &now).await;
        let all = rows(&world, PROVIDER, THERE).await;
        let ours: Vec<_> = all.values().filter(|it| it["division"].as_str().unwrap().starts_with("3201")).collect();
        remove(&world, ours[0]["uscc"].as_str().unwrap()).await;
        put(&world, &with(ours[1], "staff", json!(77))).await;
        let now = ran(&world).await;
        same(&world, &now).await;
        assert_eq!((&now["runs"][0]["put"], &now["runs"][0]["removed"]), (&json!(1), &json!(1)), "{now}");
        // Tidied up: no part stays on disk.
        let blobs = world.folder(CONSUMER).join("blob/pull");
        let left = walk(&blobs);
        assert_eq!(left, 0, "parts that were put into the table are gone");
    }
}

fn walk(folder: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.map(|it| it.unwrap().path()).map(|it| if it.is_dir() { walk(&it) } else { 1 }).sum()
}

story! {
    /// A revocation ends a delivery at once, and so does the agreement's last day; the table stays as it is.
    async fn a_revocation_and_the_last_day_end_it(mut world: World) {
        table(&world, 100).await;
        let agreement = world.agree_operation("2026-12-31").await;
        for (id, role) in [(PROVIDER, "provider-officer"), (CONSUMER, "data-steward"), (PROVIDER, "data-steward")] {
            world.token(id, role).await;
        }
        world.rest().await;
        plan(&world, &agreement, "incremental").await;
        ran(&world).await;
        let before = held(&world).await;
        let row = rows(&world, PROVIDER, THERE).await.into_values().next().unwrap();
        put(&world, &with(&row, "division", json!("320100"))).await;
        let path = format!("/v1/agreements/{agreement}/revocation");
        let body = json!({"reason": "依据变更"});
        world.as_(PROVIDER, "provider-officer").post(&path, body).await.expect_status(200);
        let now = ran(&world).await;
        let code = &now["progress"]["problem"]["code"];
        assert_eq!((&now["state"], code), (&json!("ended"), &json!("exchange.revoked")), "{now}");
        assert_eq!(held(&world).await, before);
        let steward = world.as_(CONSUMER, "data-steward");
        steward.post(&format!("{PLAN}/run"), json!({})).await.expect_problem("exchange.plan_state", 409);
    }
}

story! {
    /// What cannot be is refused when it is planned, and says why.
    async fn what_does_not_fit_is_refused(world: World) {
        table(&world, 60).await;
        let agreement = world.agree_operation("2026-12-31").await;
        let base = world.agree_base().await;
        let steward = world.as_(CONSUMER, "data-steward");
        let ask = |agreement: &str, record: &str| {
            json!({"name": "operation", "agreement": agreement, "target": {"record": record}, "mode": "full"})
        };
        let refused = steward.post("/v1/deliveries", ask(&base, "operation-copy")).await;
        let problem = refused.expect_problem("exchange.table_shape", 422);
        assert!(problem["detail_en"].as_str().unwrap().contains("column name is missing"), "{problem}");
        steward.post("/v1/deliveries", ask(&agreement, "nothing")).await.expect_problem("registry.type", 404);
        let requester = world.as_(CONSUMER, "requester");
        requester.post("/v1/deliveries", ask(&agreement, "operation-copy")).await.expect_problem("policy.role", 403);
        let row = json!({"uscc": permitted(&world).await.keys().next().unwrap(), "violation": false});
        steward.post(HERE, json!({"row": row, "why": "自有"})).await.expect_status(200);
        let full = steward.post("/v1/deliveries", ask(&agreement, "operation-copy")).await;
        full.expect_problem("exchange.target_not_empty", 409);
        let mut over = ask(&agreement, "operation-copy");
        over["takes_over"] = json!(true);
        over["schedule"] = json!("every 5 minutes");
        steward.post("/v1/deliveries", over.clone()).await.expect_problem("web.body", 422);
        over["schedule"] = json!("at 08:30 working-days");
        let view = steward.post("/v1/deliveries", over.clone()).await.expect_status(200);
        // Ten in the morning of a Tuesday: the next working day's half past eight in Shanghai.
        assert_eq!(view["next_run"], "2026-11-25T00:30:00Z", "{view}");
        steward.post("/v1/deliveries", over.clone()).await.expect_status(200);
        over["mode"] = json!("incremental");
        steward.post("/v1/deliveries", over.clone()).await.expect_problem("exchange.plan_exists", 409);
        over["name"] = json!("other");
        steward.post("/v1/deliveries", over).await.expect_problem("exchange.target_taken", 409);
        steward.post(&format!("{PLAN}/pause"), json!({})).await.expect_status(200);
        steward.post(&format!("{PLAN}/run"), json!({})).await.expect_problem("exchange.plan_state", 409);
        steward.post(&format!("{PLAN}/resume"), json!({})).await.expect_status(200);
        let ended = steward.post(&format!("{PLAN}/end"), json!({})).await.expect_status(200);
        assert_eq!(ended["state"], "ended");
        steward.get("/v1/deliveries/nothing").await.expect_problem("exchange.plan_missing", 404);
    }
}

/// Kills `side` just before and just after each of its commits while a delivery runs, the jobs' own among them; the
/// table is whole each time, and each page came once.
async fn killed_at_each_commit(world: &mut World, side: &str) {
    table(world, 80).await;
    let agreement = world.agree_operation("2026-12-31").await;
    for id in [PROVIDER, CONSUMER] {
        world.token(id, "auditor").await;
        world.token(id, "data-steward").await;
    }
    plan(world, &agreement, "incremental").await;
    let mut kills = 0;
    let mut seed = 9;
    for anew in [false, true] {
        'commits: for commit in 0..COMMITS {
            for fault in [Fault::KilledBefore, Fault::KilledAfter] {
                let what = format!("{fault:?} at commit {commit} of {side}, anew: {anew}");
                for row in rows(world, PROVIDER, THERE).await.values().take(6) {
                    let division = ["320100", "320500"][usize::try_from(draw(&mut seed) % 2).unwrap()];
                    let row = with(&with(row, "division", json!(division)), "staff", json!(draw(&mut seed) % 900));
                    put(world, &row).await;
                }
                let runs = shown(world).await["progress"]["runs"].as_u64().unwrap();
                want(world, anew).await;
                let store = world.organisation(side).store().clone();
                store.inject_after(commit, fault);
                let over =
                    |now: &Value| now["progress"]["runs"].as_u64() > Some(runs) && now["runs"][0]["outcome"] == "done";
                let met = || async { !store.awaits_fault() || over(&shown(world).await) };
                world.until(&what, met).await;
                if store.withdraw_fault() {
                    break 'commits;
                }
                drop(store);
                world.kill(side).await;
                world.start(side).await;
                kills += 1;
                // A run that met a fault rests a while.
                let settled = || async {
                    world.advance(jiff::SignedDuration::from_secs(1));
                    let now = shown(world).await;
                    over(&now) && now["progress"]["problem"].is_null()
                };
                world.until(&what, settled).await;
                // What was changed after the run had looked comes with the next one.
                let more = shown(world).await["progress"]["runs"].as_u64();
                want(world, false).await;
                world.until(&what, || async { shown(world).await["progress"]["runs"].as_u64() > more }).await;
                let now = shown(world).await;
                same(world, &now).await;
            }
        }
    }
    assert!(kills >= 12, "{kills} kills");
    once(world).await;
}

/// Of each part and page there is one receipt on either side.
async fn once(world: &World) {
    for id in [PROVIDER, CONSUMER] {
        let all = world.as_(id, "auditor").get("/v1/receipts").await.expect_status(200);
        let mut seen = BTreeMap::new();
        for receipt in all.as_array().unwrap() {
            let body = &receipt["body"];
            let count: &mut u32 = seen.entry((body["delivery"].to_string(), body["part"].to_string())).or_default();
            *count += 1;
        }
        assert!(seen.values().all(|it| *it == 1), "at {id}: {seen:?}");
    }
}

story! {
    /// The consumer is killed at each durability point.
    async fn the_consumer_is_killed_while_its_table_follows(mut world: World) {
        killed_at_each_commit(&mut world, CONSUMER).await;
    }
}

story! {
    /// The provider is killed at each durability point.
    async fn the_provider_is_killed_while_a_table_follows(mut world: World) {
        killed_at_each_commit(&mut world, PROVIDER).await;
    }
}
