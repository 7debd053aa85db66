//! Suites side by side 并行的算法套件: one organisation signs by SM2 with SM3, another by Ed25519, and each verifies the
//! other; one goes over to SM2 while the nodes run, and what it signed before stays proof.

use crate::proof::finished;
use exchange::{Keys, Receipt, verify};
use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use signing::{KeyRing, PublicKey};
use std::collections::BTreeSet;
use testkit::{Database, World};
use vocabulary::{OrganisationId, Suite};

const SM: Suite = Suite::Sm2Sm3;
const ED: Suite = Suite::Ed25519Sha256;
/// Queries under way while the suite changes.
const BUSY: usize = 30;
/// So many bytes of a receipt are changed, one at a time, all over it: each takes five verifications.
const CHANGES: usize = 150;

#[tokio::test]
async fn side_by_side_on_sqlite() {
    side_by_side(World::of_suites(Database::Sqlite, &[("js-scjg", SM)]).await).await;
}

#[tokio::test]
async fn side_by_side_on_postgres() {
    if let Some(database) = Database::postgres() {
        side_by_side(World::of_suites(database, &[("js-scjg", SM)]).await).await;
    }
}

/// What the membership log alone says of an organisation: all message keys that it has and had, and its logs' keys.
fn known(world: &World, id: &str) -> (Vec<PublicKey>, Vec<evidence::VerifierKey>) {
    let (genesis, entries) = world.membership();
    let view = federation::decide::replay(genesis.clone(), entries).unwrap();
    let member = view.member(&OrganisationId::new(id).unwrap()).unwrap();
    let former = member.former_messages.iter().map(|it| it.0);
    (member.organisation.keys.messages.iter().copied().chain(former).collect(), member.log_keys().unwrap())
}

/// Verifies a receipt's file offline, and says of which suites provider, consumer, countersignature and log are.
fn proven(world: &World, file: &str) -> Option<(Suite, Suite, Suite, BTreeSet<Suite>)> {
    let receipt: Receipt = serde_json::from_str(file).ok()?;
    let ((provider, log), (consumer, _)) = (known(world, "js-scjg"), known(world, "nj-gxj"));
    let proven = verify(&receipt, &Keys { provider: &provider, consumer: &consumer, log: &log }).ok()?;
    assert!(proven.logged && proven.acknowledged);
    let acknowledgement = receipt.acknowledgement.unwrap().signatures[0].suite;
    Some((receipt.batch.signature.suite, receipt.asked.signature.suite, acknowledgement, proven.log_suites))
}

fn suites(signatures: &Value) -> Vec<Suite> {
    let signatures = signatures.as_array().unwrap();
    signatures.iter().map(|it| serde_json::from_value(it["suite"].clone()).unwrap()).collect()
}

async fn asked(world: &World, agreement: &str) -> Value {
    world.query(agreement, json!({"limit": 5})).await.expect_status(200)["receipt"].clone()
}

/// Lines that sign the organisation's checkpoint.
async fn lines(world: &World, id: &str) -> usize {
    world.stranger(id).get("/log/checkpoint").await.text().lines().filter(|it| it.starts_with("— ")).count()
}

async fn side_by_side(mut world: World) {
    world.province(60).await;
    let agreement = world.agree_operation("2026-12-31").await;
    let view = world.as_("nj-gxj", "auditor").get(&format!("/v1/agreements/{agreement}")).await.expect_status(200);
    assert_eq!(suites(&view["agreement"]["signatures"]), [SM, ED]);

    // The request is of the consumer's suite down to its body's digest, the answer of the provider's.
    let receipt = asked(&world, &agreement).await;
    let digest = |name: &str| receipt["body"][name].as_str().unwrap().split(':').next().unwrap().to_owned();
    assert_eq!((digest("request"), digest("answer")), (ED.to_string(), SM.to_string()));
    let id = receipt["body"]["id"].as_str().unwrap();
    let file = finished(&world, "nj-gxj", id).await;
    let first = (SM, ED, ED, BTreeSet::from([ED, SM]));
    assert_eq!(proven(&world, &file), Some(first.clone()));
    let theirs = finished(&world, "js-scjg", id).await;
    assert_eq!(proven(&world, &theirs), Some(first.clone()));
    assert_eq!((lines(&world, "js-scjg").await, lines(&world, "nj-gxj").await), (2, 1));

    goes_over(&mut world, &agreement).await;

    // What was signed before stays proof; what is signed from now on is of the new suite.
    assert_eq!(proven(&world, &file), Some(first));
    let receipt = asked(&world, &agreement).await;
    assert!(receipt["body"]["request"].as_str().unwrap().starts_with("sm2-sm3:"));
    let file = finished(&world, "nj-gxj", receipt["body"]["id"].as_str().unwrap()).await;
    assert_eq!(proven(&world, &file), Some((SM, SM, SM, BTreeSet::from([ED, SM]))));
    assert_eq!(lines(&world, "nj-gxj").await, 2);
    for at in (0..file.len()).step_by((file.len() / CHANGES).max(1)) {
        let mut changed = file.clone().into_bytes();
        changed[at] ^= 1;
        // A line beside the log's own whose name or key id is another counts as a stranger's, and is passed over.
        let read = String::from_utf8(changed).ok().and_then(|it| proven(&world, &it));
        assert!(read.is_none_or(|it| it == (SM, SM, SM, BTreeSet::from([ED]))), "byte {at}");
    }
}

/// The consumer goes over to SM2, with calls under way.
async fn goes_over(world: &mut World, agreement: &str) {
    let id = "nj-gxj";
    let folder = world.folder(id).join("keys");
    KeyRing::prepare_messages(&folder, Some(SM)).unwrap();
    let next = KeyRing::next_messages(&folder).unwrap().unwrap().public();
    let mut keys = {
        let view = world.organisation("js-data").members().unwrap();
        view.member(&OrganisationId::new(id).unwrap()).unwrap().organisation.keys.clone()
    };
    keys.messages.push(next);
    world.rotate(id, &keys).await;
    let follow = async |world: &World| world.on(id, async |org| org.follow_keys().await).await.unwrap();
    follow(world).await;
    assert_eq!(world.keys(id).messages.public().suite(), ED);
    world.advance(SignedDuration::from_secs(600));
    let asks = (0..BUSY).map(|_| world.query(agreement, json!({"limit": 1})));
    let (answers, _) = tokio::join!(join_all(asks), follow(world));
    for answer in answers {
        answer.expect_status(200);
    }
    assert_eq!(world.keys(id).messages.public(), next);
    keys.messages = vec![next];
    world.rotate(id, &keys).await;
}
