//! `kill -9` of the consumer's or the provider's process at a seeded random byte of what they say to each other, again
//! and again: every part of every batch is delivered once, with one receipt on either side.

use crate::town::{Side, Town};
use std::time::Duration;
use testkit::{draw, whole};

/// Kills of each side.
const KILLS: u64 = 20;
/// Legal persons at the provider: more than thirty parts.
const ROWS: u64 = 600;
/// A kill comes within so many bytes, both ways together; a batch has a quarter of a million.
const WITHIN_BYTES: u64 = 60_000;
/// Every other kill comes a little after that byte, within this, while bytes go on passing: it meets what the process
/// does with them.
const WITHIN_MICROS: u64 = 8_000;

/// Waits for the byte at which the next kill comes; says whether it came before the batch was done.
async fn reached(town: &Town, pull: &str) -> bool {
    tokio::select! {
        () = town.relay.stopped() => true,
        () = town.done(pull) => false,
    }
}

async fn killed(side: Side, seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut town = Town::build(folder.path(), ROWS).await;
    let (mut seed, mut kills, mut in_the_middle) = (seed, 0, 0);
    town.relay.stop_after(draw(&mut seed) % WITHIN_BYTES);
    while kills < KILLS {
        let pull = town.begin().await;
        while kills < KILLS && reached(&town, &pull).await {
            if draw(&mut seed).is_multiple_of(2) {
                town.relay.flow();
                tokio::time::sleep(Duration::from_micros(draw(&mut seed) % WITHIN_MICROS)).await;
            }
            town.kill(side).await;
            kills += 1;
            town.start(side).await;
            in_the_middle += u64::from(town.state(&pull).await["state"] != "done");
            if kills < KILLS {
                town.relay.stop_after(draw(&mut seed) % WITHIN_BYTES);
            }
        }
        town.done(&pull).await;
        assert!(town.state(&pull).await["parts"].as_u64() > Some(30), "enough parts to be cut between");
        whole(&town.application, &town.officer, &pull, &format!("{side:?} killed {kills} times")).await;
    }
    assert!(in_the_middle >= KILLS / 2, "{in_the_middle} of {kills} kills met a batch under way");
}

#[tokio::test]
async fn the_consumer_is_killed() {
    killed(Side::Consumer, 1).await;
}

#[tokio::test]
async fn the_provider_is_killed() {
    killed(Side::Provider, 2).await;
}
