//! `kill -9` of either side in the middle of a batch, again and again: every part is delivered once, with one receipt.

use jiff::SignedDuration;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use store::Fault;
use testkit::{World, story};

/// Kills of each side.
const KILLS: u64 = 20;
/// Commits at which a node is killed at most.
const COMMITS: u32 = 12;
/// A kill comes within this of the moment the batch went on.
const WITHIN_MICROS: u64 = 60_000;

/// SplitMix64: the same seed gives the same kills.
fn draw(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *seed;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

async fn state(world: &World, pull: &str) -> Value {
    world.application().get(&format!("/v1/pulls/{pull}")).await.expect_status(200)
}

/// The parts of a pull by number, with how many receipts each has at `organisation`.
async fn receipts(world: &World, organisation: &str, pull: &str) -> BTreeMap<u64, u32> {
    let all = world.as_(organisation, "auditor").get("/v1/receipts").await.expect_status(200);
    let mut parts = BTreeMap::new();
    for receipt in all.as_array().unwrap().iter().filter(|it| it["body"]["delivery"] == pull) {
        *parts.entry(receipt["body"]["part"].as_u64().unwrap()).or_default() += 1;
    }
    parts
}

/// Kills `side` at seeded moments of a batch until it has been killed so often, then lets the last batch end.
async fn killed(world: &mut World, side: &str, seed: u64) {
    world.province(600).await;
    let agreement = world.agree_base().await;
    let mut seed = seed;
    let mut kills = 0;
    let mut in_the_middle = 0;
    let mut batches = 0;
    while kills < KILLS {
        batches += 1;
        assert!(batches <= KILLS, "the batches end before they can be cut");
        let ask = json!({"agreement": agreement, "format": "csv"});
        let pull = world.application().post("/v1/pulls", ask).await.expect_status(200);
        let id = pull["id"].as_str().unwrap();
        loop {
            if kills < KILLS {
                // Where in the batch this is depends on the machine, what is killed does not; nothing is waited for.
                tokio::time::sleep(Duration::from_micros(draw(&mut seed) % WITHIN_MICROS)).await;
                world.kill(side).await;
                kills += 1;
                // The batch may take as long as it likes between two lives.
                world.advance(SignedDuration::from_secs(1));
                world.start(side).await;
            } else {
                world.until("the last batch ends", || async { state(world, id).await["state"] == "done" }).await;
            }
            let now = state(world, id).await;
            assert_ne!(now["state"], "failed", "{now}");
            if now["state"] == "done" {
                break;
            }
            in_the_middle += 1;
        }
        assert!(state(world, id).await["parts"].as_u64() > Some(30), "enough parts to be cut between");
        whole(world, id, "killed at random").await;
    }
    assert!(in_the_middle > 0, "no kill met a batch under way");
}

/// The batch is whole: each part once, with one receipt on either side.
async fn whole(world: &World, id: &str, what: &str) {
    let end = state(world, id).await;
    let parts = end["parts"].as_u64().unwrap();
    let once: BTreeMap<u64, u32> = (0..parts).map(|it| (it, 1)).collect();
    for organisation in ["js-scjg", "nj-gxj"] {
        assert_eq!(receipts(world, organisation, id).await, once, "{what}: at {organisation}");
    }
    let mut rows = 0;
    for number in 0..parts {
        let part = world.application().get(&format!("/v1/pulls/{id}/parts/{number}")).await;
        assert_eq!(part.status, 200, "{what}");
        rows += csv::Reader::from_reader(part.body.as_ref()).records().map(Result::unwrap).count();
    }
    assert_eq!(json!(rows), end["rows"], "{what}");
}

/// Kills `side` just before and just after each of its commits during a batch, the jobs' own among them.
async fn killed_at_each_commit(world: &mut World, side: &str) {
    world.province(100).await;
    let agreement = world.agree_base().await;
    world.token("nj-gxj", "auditor").await;
    world.token("js-scjg", "auditor").await;
    let mut kills = 0;
    'commits: for commit in 0..COMMITS {
        for fault in [Fault::KilledBefore, Fault::KilledAfter] {
            let ask = json!({"agreement": agreement, "format": "csv"});
            let pull = world.application().post("/v1/pulls", ask).await.expect_status(200);
            let id = pull["id"].as_str().unwrap();
            let what = format!("{fault:?} at commit {commit}");
            let store = world.organisation(side).store().clone();
            store.inject_after(commit, fault);
            let met = || async { !store.awaits_fault() || state(world, id).await["state"] == "done" };
            world.until(&what, met).await;
            if store.withdraw_fault() {
                break 'commits;
            }
            drop(store);
            world.kill(side).await;
            world.start(side).await;
            kills += 1;
            world.until("the batch ends", || async { state(world, id).await["state"] == "done" }).await;
            whole(world, id, &what).await;
        }
    }
    assert!(kills >= 20, "{kills} kills");
}

story! {
    /// The consumer is killed at each durability point.
    async fn the_consumer_is_killed_at_each_commit(mut world: World) {
        killed_at_each_commit(&mut world, "nj-gxj").await;
    }
}

story! {
    /// The provider is killed at each durability point.
    async fn the_provider_is_killed_at_each_commit(mut world: World) {
        killed_at_each_commit(&mut world, "js-scjg").await;
    }
}

story! {
    /// The consumer is killed.
    async fn the_consumer_is_killed(mut world: World) {
        killed(&mut world, "nj-gxj", 1).await;
    }
}

story! {
    /// The provider is killed.
    async fn the_provider_is_killed(mut world: World) {
        killed(&mut world, "js-scjg", 2).await;
    }
}
