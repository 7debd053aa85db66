//! The database is away for a minute: whoever asks meanwhile hears so, nothing is lost or done twice, and all goes on
//! by itself once it is back. SQLite is a file beside the node and is not away without the node.

use jiff::SignedDuration;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{Database, Hostile, PURPOSE, Province, Relay, Reply, World, draw, import_path, pull_state, whole};
use uuid::Uuid;

/// How long it is away, by the nodes' clock.
const AWAY: SignedDuration = SignedDuration::from_secs(60);
/// How often it goes.
const CUTS: u64 = 6;
/// It goes within so many bytes between the nodes and it.
const WITHIN_BYTES: u64 = 300_000;
/// Whoever asks meanwhile hears within this; a connection is waited for five seconds.
const HEARD_WITHIN: Duration = Duration::from_secs(12);

/// Somebody asks the consumer, a member asks the provider, and a machine asks for their health.
async fn everybody_hears(world: &World, agreement: &str) {
    let body = json!({"agreement": agreement, "purpose": PURPOSE, "actor": "application:trial", "limit": 1});
    let member = Hostile::member(world, "nj-gxj");
    let letter = member.write(&world.host("js-scjg"), "/peer/v1/query", &body);
    let machine = world.stranger("js-scjg");
    let asks = async {
        let consumer = world.query(agreement, json!({"limit": 1}));
        tokio::join!(consumer, member.send(world, "js-scjg", letter), machine.get("/health"))
    };
    let heard = tokio::time::timeout(HEARD_WITHIN, asks).await.expect("everybody is answered in time");
    for reply in <[Reply; 3]>::from(heard) {
        assert_eq!((reply.status, reply.code().as_str()), (503, "store.unavailable"), "{}", reply.text());
    }
}

async fn is_back(world: &World, agreement: &str) {
    let asks = || async { world.query(agreement, json!({"limit": 1})).await.status == 200 };
    world.until("the database is back", asks).await;
    world.stranger("js-scjg").get("/health").await.expect_status(200);
}

async fn with_agreement() -> Option<(World, Relay, String)> {
    let (world, relay) = World::behind_a_relay(Database::postgres()?).await;
    world.province(200).await;
    let agreement = world.agree_base().await;
    for (id, role) in [("js-scjg", "auditor"), ("js-scjg", "data-steward")] {
        world.token(id, role).await;
    }
    world.query(&agreement, json!({"limit": 1})).await.expect_status(200);
    Some((world, relay, agreement))
}

/// The server ends all connections and takes no new one, as one does that is stopped.
#[tokio::test]
async fn a_server_that_was_stopped() {
    let Some(database) = Database::postgres() else { return };
    let world = World::new(database).await;
    world.province(60).await;
    let agreement = world.agree_base().await;
    world.query(&agreement, json!({"limit": 1})).await.expect_status(200);
    world.database_away(true).await;
    world.advance(AWAY);
    everybody_hears(&world, &agreement).await;
    world.database_away(false).await;
    is_back(&world, &agreement).await;
}

/// Cut off at any byte in the middle of batches: every part is delivered once.
#[tokio::test]
async fn in_the_middle_of_a_batch() {
    let Some((world, relay, agreement)) = with_agreement().await else { return };
    let (consumer, provider) = (world.application().desk().await, world.as_("js-scjg", "auditor").desk().await);
    let mut seed = 3;
    for cut in 0..CUTS {
        let ask = json!({"agreement": agreement, "format": "csv"});
        let pull = world.application().post("/v1/pulls", ask).await.expect_status(200);
        let pull = pull["id"].as_str().unwrap();
        relay.stop_after(draw(&mut seed) % WITHIN_BYTES);
        relay.stopped().await;
        relay.cut();
        world.advance(AWAY);
        everybody_hears(&world, &agreement).await;
        relay.mend();
        let done = || async {
            let state: Value = pull_state(&consumer, pull).await;
            assert_ne!(state["state"], "failed", "cut {cut}: {state}");
            state["state"] == "done"
        };
        is_back(&world, &agreement).await;
        world.until("the batch goes on", done).await;
        whole(&consumer, &provider, pull, &format!("cut {cut}")).await;
    }
}

/// Cut off in the middle of an import, which is then sent again under the same id: each row is loaded once.
#[tokio::test]
async fn in_the_middle_of_an_import() {
    let Some((world, relay, agreement)) = with_agreement().await else { return };
    let steward = world.as_("js-scjg", "data-steward").desk().await;
    let rows = async || {
        let types = steward.get("/v1/records").await.expect_status(200);
        types.as_array().unwrap().iter().find(|it| it["name"] == "legal-person").unwrap()["rows"].as_u64().unwrap()
    };
    let mut seed = 5;
    for cut in 0..CUTS {
        let before = rows().await;
        let province = Province::draw_from(1_000 + cut, 3_000);
        let path =
            format!("{}&id=imp_{}", import_path("legal-person"), Uuid::from_u128(u128::from(cut + 1) << 64).simple());
        relay.stop_after(draw(&mut seed) % WITHIN_BYTES);
        let (first, ()) = tokio::join!(steward.upload(&path, province.csv.clone()), async {
            relay.stopped().await;
            relay.cut();
        });
        let heard = ["store.unavailable", "store.commit_unknown"].contains(&first.code().as_str());
        assert!(heard && first.status == 503, "cut {cut}: {}", first.text());
        world.advance(AWAY);
        everybody_hears(&world, &agreement).await;
        relay.mend();
        is_back(&world, &agreement).await;
        let report = steward.upload(&path, province.csv.clone()).await.expect_status(200);
        let sum = report["loaded"].as_u64().unwrap() + report["rejected"].as_u64().unwrap();
        assert_eq!((&report["read"], sum), (&json!(3_000), 3_000), "cut {cut}: {report}");
        assert_eq!(rows().await, before + report["loaded"].as_u64().unwrap(), "cut {cut}");
    }
}

/// A network that swallows everything: nobody is told that the database is away, and yet everybody hears so.
#[tokio::test]
async fn a_network_that_swallows_everything() {
    let Some((world, relay, agreement)) = with_agreement().await else { return };
    relay.stop_after(0);
    world.advance(AWAY);
    everybody_hears(&world, &agreement).await;
    relay.flow();
    is_back(&world, &agreement).await;
}

/// The network falls silent in the middle of statements: whoever waits for one hears so as well.
#[tokio::test]
async fn a_network_that_falls_silent_in_the_middle_of_a_statement() {
    let Some((world, relay, agreement)) = with_agreement().await else { return };
    let steward = world.as_("js-scjg", "data-steward").desk().await;
    let mut seed = 7;
    for cut in 0..3 {
        let province = Province::draw_from(2_000 + cut, 2_000);
        let path =
            format!("{}&id=imp_{}", import_path("legal-person"), Uuid::from_u128(u128::from(cut + 1) << 64).simple());
        relay.stop_after(draw(&mut seed) % WITHIN_BYTES);
        let import = tokio::time::timeout(2 * HEARD_WITHIN, steward.upload(&path, province.csv.clone()));
        let (heard, ()) = tokio::join!(import, relay.stopped());
        let reply = heard.expect("the importer hears");
        assert_eq!(reply.status, 503, "cut {cut}: {}", reply.text());
        relay.flow();
        is_back(&world, &agreement).await;
        steward.upload(&path, province.csv.clone()).await.expect_status(200);
    }
}
