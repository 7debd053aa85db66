//! What must be so of a batch that is done, whatever happened on its way.

use crate::Desk;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How a pull stands, as its consumer's program sees it.
pub async fn pull_state(consumer: &Desk, pull: &str) -> Value {
    consumer.get(&format!("/v1/pulls/{pull}")).await.expect_status(200)
}

/// The parts of a pull by number, with how many receipts each has at that organisation.
async fn receipts(desk: &Desk, pull: &str) -> BTreeMap<u64, u32> {
    let all = desk.get("/v1/receipts").await.expect_status(200);
    let mut parts = BTreeMap::new();
    for receipt in all.as_array().unwrap().iter().filter(|it| it["body"]["delivery"] == pull) {
        *parts.entry(receipt["body"]["part"].as_u64().unwrap()).or_default() += 1;
    }
    parts
}

/// Checks that a batch is whole: each part once, with one receipt on either side, and all its rows are here.
pub async fn whole(consumer: &Desk, provider: &Desk, pull: &str, what: &str) {
    let end = pull_state(consumer, pull).await;
    assert_eq!(end["state"], "done", "{what}: {end}");
    let parts = end["parts"].as_u64().unwrap();
    let once: BTreeMap<u64, u32> = (0..parts).map(|it| (it, 1)).collect();
    for (desk, side) in [(provider, "provider"), (consumer, "consumer")] {
        assert_eq!(receipts(desk, pull).await, once, "{what}: at the {side}");
    }
    let mut rows = 0;
    for number in 0..parts {
        let part = consumer.get(&format!("/v1/pulls/{pull}/parts/{number}")).await;
        assert_eq!(part.status, 200, "{what}");
        rows += csv::Reader::from_reader(part.body.as_ref()).records().map(Result::unwrap).count();
    }
    assert_eq!(json!(rows), end["rows"], "{what}");
}

/// SplitMix64: the same seed gives the same story.
pub fn draw(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *seed;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
