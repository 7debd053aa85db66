//! `kill -9` of either side in the middle of a batch, again and again: every part is delivered once, with one receipt.

use jiff::SignedDuration;
use serde_json::{Value, json};
use std::time::Duration;
use store::Fault;
use testkit::{World, draw, pull_state, story};

/// Kills of each side.
const KILLS: u64 = 20;
/// Commits at which a node is killed at most.
const COMMITS: u32 = 12;
/// A kill comes within this of the moment the batch went on.
const WITHIN_MICROS: u64 = 60_000;

async fn state(world: &World, pull: &str) -> Value {
    pull_state(&world.application().desk().await, pull).await
}

/// The batch is whole on both sides.
async fn whole(world: &World, pull: &str, what: &str) {
    let consumer = world.application().desk().await;
    testkit::whole(&consumer, &world.as_("js-scjg", "auditor").desk().await, pull, what).await;
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
