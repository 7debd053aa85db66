//! Single rows over HTTP: written, corrected, taken out, each with a reason; and the digest over all of them.

use serde_json::{Map, Value, json};
use testkit::{Database, Province, World, story};

const BASE: [&str; 9] = ["uscc", "name", "kind", "founded", "industry", "capital", "status", "authority", "division"];
const ROWS: &str = "/v1/records/legal-person";
const PAGES: &str = "/v1/records/legal-person/pages";
const HISTORY: &str = "/v1/records/legal-person/history";
const REMOVALS: &str = "/v1/records/legal-person/removals";

/// A sound row of the sample.
fn row(province: &Province, at: usize) -> Map<String, Value> {
    let rows = province.sound(&BASE);
    let row = rows.values().nth(at).unwrap();
    BASE.iter().map(|it| ((*it).to_owned(), json!(row[*it]))).collect()
}

async fn digest(world: &World, more: &str) -> Value {
    world.as_("js-scjg", "auditor").get(&format!("{ROWS}/digest{more}")).await.expect_status(200)
}

story! {
    /// A row is added, corrected and taken out; history and change feed say by whom and why, and the digest of an
    /// earlier position does not change.
    async fn a_row_is_written_corrected_and_taken_out(world: World) {
        world.install_packs(|_, text| text).await;
        let steward = world.as_("js-scjg", "data-steward").desk().await;
        let mut row = row(&Province::draw(50), 0);
        let key = row["uscc"].as_str().unwrap().to_owned();
        let empty = digest(&world, "").await;
        assert_eq!((&empty["rows"], &empty["format"]), (&json!(0), &json!("yunhe-rows/1")));

        let put = async |row: &Map<String, Value>, why: &str| {
            steward.post(ROWS, json!({"row": row, "why": why})).await.expect_status(200)
        };
        let added = put(&row, "新登记").await;
        assert_eq!((&added["outcome"], &added["key"]), (&json!("added"), &json!([key])));
        assert_eq!(put(&row, "再报").await["outcome"], "same");
        let one = digest(&world, "").await;
        row.insert("name".to_owned(), json!("更名后有限公司"));
        assert_eq!(put(&row, "变更登记").await["outcome"], "changed");
        let changed = digest(&world, "").await;
        assert_ne!(changed["digest"], one["digest"]);

        let gone = json!({"key": [key], "why": "注销登记"});
        steward.post(REMOVALS, gone.clone()).await.expect_status(200);
        let problem = steward.post(REMOVALS, gone).await.expect_problem("registry.no_row", 404);
        assert!(problem["detail_en"].as_str().unwrap().contains("record history"), "{problem}");
        assert_eq!(steward.post(PAGES, json!({"key": [key]})).await.expect_status(200)["rows"], json!([]));

        let history = steward.post(HISTORY, json!({"key": [key]})).await.expect_status(200);
        let versions = history["versions"].as_array().unwrap();
        let whys: Vec<_> = versions.iter().map(|it| (it["from"]["why"].clone(), it["until"]["why"].clone())).collect();
        assert_eq!(json!(whys), json!([["新登记", "变更登记"], ["变更登记", "注销登记"]]));
        assert!(versions[0]["from"]["by"].as_str().unwrap().starts_with("js-scjg/person:"), "{history}");

        world.number_all("js-scjg").await;
        let feed = steward.get("/v1/changes?feed=registry&limit=1000").await.expect_status(200);
        let rows = feed["entries"].as_array().unwrap().iter().filter(|it| it["body"]["kind"] == "rows");
        let told: Vec<_> = rows
            .map(|it| ["added", "changed", "removed"].map(|kind| it["body"][kind].as_array().map_or(0, Vec::len)))
            .collect();
        assert_eq!(told, [[1, 0, 0], [0, 1, 0], [0, 0, 1]]);
        assert!(!feed.to_string().contains(&key), "no natural key stands in the feed");

        let last = digest(&world, "").await;
        assert_eq!(last["digest"], empty["digest"], "nothing is left");
        for earlier in [&empty, &one, &changed, &last] {
            assert_eq!(&digest(&world, &format!("?position={}", earlier["position"])).await, earlier);
        }
    }
}

story! {
    /// What is wrong with a row is said at once, field by field; what may not be asked is refused; nothing is written.
    async fn what_is_wrong_with_a_row_is_named(world: World) {
        world.install_packs(|_, text| text).await;
        let steward = world.as_("js-scjg", "data-steward").desk().await;
        let sound = row(&Province::draw(50), 0);
        let mut wrong = sound.clone();
        let code = wrong["uscc"].as_str().unwrap().to_owned();
        let digit = if code.ends_with('7') { "8" } else { "7" };
        wrong.insert("uscc".to_owned(), json!(format!("{}{digit}", &code[..17])));
        wrong.insert("founded".to_owned(), json!("2026-02-30"));
        wrong.insert("capital".to_owned(), json!(1.5));
        wrong.insert("adress".to_owned(), json!("南京"));
        wrong.remove("name");
        let problem = steward.post(ROWS, json!({"row": wrong, "why": "试"})).await.expect_problem("registry.row", 422);
        let flaws = problem["flaws"].as_array().unwrap();
        let told = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
        let codes: Vec<_> = flaws.iter().map(|it| (told(it, "field"), told(it, "code"))).collect();
        let expected = [
            ("/row/adress", "value.unknown_field"), ("/row/uscc", "value.check_digit"), ("/row/name", "value.missing"),
            ("/row/founded", "value.date"), ("/row/capital", "value.json"),
        ];
        assert_eq!(codes, expected.map(|(field, code)| (field.to_owned(), code.to_owned())), "{problem}");
        assert_eq!(problem["field"], "/row/adress");

        for (body, code, status) in [
            (json!({"row": sound, "why": " "}), "registry.why", 422),
            (json!({"row": sound}), "web.body", 422),
            (json!({"row": [], "why": "试"}), "web.body", 422),
            (json!({"row": sound, "why": "试", "idempotency_key": "空 格"}), "registry.idempotency_key", 422),
        ] {
            steward.post(ROWS, body).await.expect_problem(code, status);
        }
        let body = json!({"row": sound, "why": "试"});
        steward.post("/v1/records/nothing", body.clone()).await.expect_problem("registry.type", 404);
        let auditor = world.as_("js-scjg", "auditor");
        auditor.post(ROWS, body).await.expect_problem("policy.role", 403);
        let (named, unnamed) = (json!({"key": [code], "why": "试"}), json!({"key": [], "why": "试"}));
        auditor.post(REMOVALS, named).await.expect_problem("policy.role", 403);
        steward.post(REMOVALS, json!({"key": [code], "why": ""})).await.expect_problem("registry.why", 422);
        steward.post(REMOVALS, unnamed).await.expect_problem("registry.key", 422);
        // What names a row stands in no URL, where logs and histories would keep it.
        for parameter in ["key", "where", "after"] {
            let reply = steward.get(&format!("{ROWS}?{parameter}={code}")).await;
            assert_eq!(reply.status, 422, "{parameter}: {}", reply.text());
        }
        world.as_("js-scjg", "requester").get(&format!("{ROWS}/digest")).await.expect_problem("policy.role", 403);
        steward.get(&format!("{ROWS}/digest?position=9999")).await.expect_problem("registry.position", 422);
        assert_eq!(digest(&world, "").await["rows"], 0, "nothing was written");
    }
}

story! {
    /// The same ask under one idempotency key is written once and answered alike; another ask under it is refused.
    async fn an_idempotency_key_stands_for_one_row(world: World) {
        world.install_packs(|_, text| text).await;
        let steward = world.as_("js-scjg", "data-steward").desk().await;
        let mut body = json!({"row": row(&Province::draw(50), 0), "why": "试", "idempotency_key": "order-1"});
        let first = steward.post(ROWS, body.clone()).await.expect_status(200);
        assert_eq!(steward.post(ROWS, body.clone()).await.expect_status(200), first);
        body["row"]["name"] = json!("别的公司");
        steward.post(ROWS, body).await.expect_problem("store.key_reused", 409);
    }
}

/// Two nodes that hold the same rows have the same digest, whatever their databases are and however the rows came.
#[tokio::test]
async fn the_digest_is_the_same_on_every_database() {
    let mut digests = Vec::new();
    for database in [Some(Database::Sqlite), Database::postgres()].into_iter().flatten() {
        let world = World::new(database).await;
        world.province(1_500).await;
        digests.push(digest(&world, "").await);
    }
    let world = World::new(Database::Sqlite).await;
    world.install_packs(|_, text| text).await;
    let province = Province::draw(1_500);
    let steward = world.as_("js-scjg", "data-steward").desk().await;
    for row in province.sound(&BASE).into_values().rev() {
        let row: Map<String, Value> = BASE.iter().map(|it| ((*it).to_owned(), json!(row[*it]))).collect();
        steward.post(ROWS, json!({"row": row, "why": "逐行"})).await.expect_status(200);
    }
    digests.push(digest(&world, "").await);
    assert!(digests[0]["rows"].as_u64().unwrap() > 1_000);
    for other in &digests[1..] {
        assert_eq!((&other["rows"], &other["digest"]), (&digests[0]["rows"], &digests[0]["digest"]));
    }
}
