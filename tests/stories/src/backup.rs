//! Old backups, put back into a federation that went on meanwhile: the log begins a new epoch, what others hold comes
//! back, no quota begins anew, and nothing is doubled.

use evidence::VerifierKey;
use exchange::Keys;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use testkit::{Hostile, PURPOSE, World, pull_state, story};
use vocabulary::OrganisationId;

/// Rows a day of the conditional offer.
const QUOTA: u64 = 12;

/// Receipts by id, with their state.
async fn receipts(world: &World, id: &str) -> BTreeMap<String, String> {
    let all = world.as_(id, "auditor").get("/v1/receipts").await.expect_status(200);
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    all.as_array().unwrap().iter().map(|it| (text(&it["body"]["id"]), text(&it["state"]))).collect()
}

async fn agreement(world: &World, id: &str, agreement: &str) -> Value {
    world.as_(id, "auditor").get(&format!("/v1/agreements/{agreement}")).await.expect_status(200)
}

async fn pulled(world: &World, agreement: &str) -> Value {
    let ask = json!({"agreement": agreement, "format": "csv"});
    let pull = world.application().post("/v1/pulls", ask).await.expect_status(200);
    let id = pull["id"].as_str().unwrap();
    let desk = world.application().desk().await;
    world.until("the batch ends", || async { pull_state(&desk, id).await["state"] == "done" }).await;
    pull_state(&desk, id).await
}

/// A receipt as its holder takes it out verifies with the members' keys, its place in the log included.
async fn verifies(world: &World, holder: &str, id: &str) -> bool {
    let file = world.as_(holder, "auditor").get(&format!("/v1/receipts/{id}")).await.expect_status(200);
    let receipt: exchange::Receipt = serde_json::from_value(file).unwrap();
    let view = world.organisation("js-data").members().unwrap();
    let of = |id: &str| view.member(&OrganisationId::new(id).unwrap()).unwrap().clone();
    let (provider, consumer) = (of("js-scjg"), of("nj-gxj"));
    let logs = provider.former_logs.iter().map(|it| &it.0).chain([&provider.organisation.keys.log]);
    let logs: Vec<_> = logs.map(|it| VerifierKey::new(it.origin.to_string(), it.key).unwrap()).collect();
    let keys = Keys {
        provider: &provider.organisation.keys.messages,
        consumer: &consumer.organisation.keys.messages,
        log: &logs,
    };
    exchange::verify(&receipt, &keys).unwrap().logged
}

/// The provider answers again, and refuses because its log is not announced. (A peer that was not there a moment ago is
/// not dialled at once.)
async fn refuses(world: &World, agreement: &str) {
    let code = || async { world.query(agreement, json!({"limit": 1})).await.code() };
    world.until("it answers, and refuses", || async { code().await == "federation.log_unannounced" }).await;
}

/// Both sides have the same receipts, countersigned, and nothing is open.
async fn settled(world: &World) -> bool {
    let (ours, theirs) = (receipts(world, "js-scjg").await, receipts(world, "nj-gxj").await);
    ours == theirs && ours.values().all(|it| it == "acknowledged")
}

story! {
    /// The provider loses everything but an old backup, and gets back what the consumer holds of the lost time.
    async fn of_the_provider(mut world: World) {
        world.province_with_quota(60, QUOTA).await;
        for role in ["auditor", "provider-officer", "data-steward"] {
            world.token("js-scjg", role).await;
        }
        world.token("nj-gxj", "auditor").await;
        let base = world.agree_base().await;
        world.query(&base, json!({"limit": 1})).await.expect_status(200);
        world.number_all("js-scjg").await;
        let folder = tempfile::tempdir().unwrap();
        let backup = folder.path().join("backup");
        let manifest = world.back_up("js-scjg", &backup).await;
        let (again, key) = node::verify_backup(&backup.join("js-scjg")).await.unwrap();
        assert_eq!((&again, key), (&manifest, world.keys("js-scjg").messages.public()));

        // The time that will be lost: queries, a batch, an agreement with most of its quota used.
        world.query(&base, json!({"limit": 2})).await.expect_status(200);
        let operation = world.agree_operation("2026-12-31").await;
        world.query(&operation, json!({"limit": 30})).await.expect_status(200);
        let batch = pulled(&world, &base).await;
        world.until("all is countersigned", || async { settled(&world).await }).await;
        let before = receipts(&world, "nj-gxj").await;
        let used = agreement(&world, "js-scjg", &operation).await["day_rows"].clone();
        let signed_before = Hostile::member(&world, "nj-gxj").write(
            &world.host("js-scjg"),
            "/peer/v1/query",
            &json!({"agreement": base, "purpose": PURPOSE, "actor": "application:trial", "limit": 1}),
        );
        world.advance(jiff::SignedDuration::from_secs(60));
        world.kill("js-scjg").await;
        let restored = world.lose_and_restore("js-scjg", &backup).await;
        assert_eq!(restored.card.keys.log.origin.to_string(), "jiangsu/js-scjg/2");
        world.start("js-scjg").await;

        // Nothing is issued before membership names the new log; nothing signed before the restore is taken.
        refuses(&world, &base).await;
        let replayed = Hostile::member(&world, "nj-gxj").send(&world, "js-scjg", signed_before).await;
        replayed.expect_problem("peer.replay", 409);
        world.rotate("js-scjg", &restored.card.keys).await;

        // What the consumer holds comes back: agreements, requests, receipts, and with them the day's use.
        world.until("the lost time is reclaimed", || async { receipts(&world, "js-scjg").await == before }).await;
        let there = agreement(&world, "js-scjg", &operation).await;
        assert_eq!((&there["state"], &there["day_rows"]), (&json!("live"), &used));
        let code = || async { world.query(&operation, json!({"limit": 30})).await.code() };
        world.until("the consumer has told all", || async { code().await != "exchange.reclaiming" }).await;
        let problem = world.query(&operation, json!({"limit": 30})).await.expect_problem("exchange.quota", 429);
        assert_eq!(problem["rows_left"], QUOTA - used.as_u64().unwrap());
        world.query(&operation, json!({"limit": 1})).await.expect_status(200);
        let open = world.as_("js-scjg", "auditor").get("/v1/requests").await.expect_status(200);
        assert_eq!(open.as_array().unwrap().len(), 2, "both requests are known again");

        // The batch that was lost does not go on under its name; a new one does.
        let ask = json!({"agreement": base, "format": "csv", "id": batch["id"]});
        world.application().post("/v1/pulls", ask).await.expect_status(200);
        pulled(&world, &base).await;
        world.until("all is countersigned again", || async { settled(&world).await }).await;
        let after = receipts(&world, "js-scjg").await;
        assert!(before.keys().all(|it| after.contains_key(it)) && after.len() > before.len());

        // The new log says which one it follows, and holds every receipt, those of the lost time too.
        world.number_all("js-scjg").await;
        let log = world.stranger("js-scjg").get("/v1/log").await.expect_status(200);
        assert_eq!(log["origin"], "jiangsu/js-scjg/2");
        let first = world.on("js-scjg", async |org| {
            evidence::leaves(&mut org.store().read().await.unwrap(), 0, 1).await.unwrap().remove(0)
        });
        let first = first.await;
        let body: Value = serde_json::from_str(first.body.as_deref().unwrap()).unwrap();
        assert_eq!(first.kind, evidence::SUCCESSION);
        assert_eq!((&body["origin"], &body["size"]), (&json!("jiangsu/js-scjg/1"), &json!(manifest.log.size)));
        assert_eq!(body["root"], json!(manifest.log.root));
        for id in after.keys() {
            assert!(verifies(&world, "js-scjg", id).await, "{id}");
        }
    }
}

story! {
    /// The consumer loses everything but an old backup, and gets its receipts back from the provider, countersigned as
    /// they were.
    async fn of_the_consumer(mut world: World) {
        world.province(60).await;
        for id in ["js-scjg", "nj-gxj"] {
            world.token(id, "auditor").await;
        }
        let base = world.agree_base().await;
        world.query(&base, json!({"limit": 1})).await.expect_status(200);
        let folder = tempfile::tempdir().unwrap();
        let backup = folder.path().join("backup");
        world.back_up("nj-gxj", &backup).await;
        world.query(&base, json!({"limit": 2})).await.expect_status(200);
        let operation = world.agree_operation("2026-12-31").await;
        world.query(&operation, json!({"limit": 3})).await.expect_status(200);
        world.until("all is countersigned", || async { settled(&world).await }).await;
        let before = receipts(&world, "nj-gxj").await;
        world.kill("nj-gxj").await;
        let restored = world.lose_and_restore("nj-gxj", &backup).await;
        world.start("nj-gxj").await;
        world.rotate("nj-gxj", &restored.card.keys).await;
        world.until("the lost time is reclaimed", || async { receipts(&world, "nj-gxj").await == before }).await;
        assert_eq!(agreement(&world, "nj-gxj", &operation).await["state"], "live");
        world.query(&operation, json!({"limit": 1})).await.expect_status(200);
        world.until("all is countersigned again", || async { settled(&world).await }).await;
        assert_eq!(receipts(&world, "nj-gxj").await.len(), before.len() + 1);
    }
}

story! {
    /// The same backup put back twice does not go on with the log of the first time, whatever the configuration says.
    async fn put_back_twice(mut world: World) {
        world.province(60).await;
        let base = world.agree_base().await;
        world.query(&base, json!({"limit": 1})).await.expect_status(200);
        let folder = tempfile::tempdir().unwrap();
        let backup = folder.path().join("backup");
        world.back_up("js-scjg", &backup).await;
        let mut logs = BTreeSet::new();
        for _ in 0..2 {
            world.kill("js-scjg").await;
            // The configuration was lost as well: its epoch is that of the backup.
            world.set_epoch("js-scjg", 1);
            let restored = world.lose_and_restore("js-scjg", &backup).await;
            world.start("js-scjg").await;
            refuses(&world, &base).await;
            let log = &restored.card.keys.log;
            assert!(logs.insert(log.key), "another key each time");
            if logs.len() == 1 {
                world.rotate("js-scjg", &restored.card.keys).await;
                world.until("it delivers again", || async {
                    world.query(&base, json!({"limit": 1})).await.status == 200
                })
                .await;
            }
        }
    }
}
