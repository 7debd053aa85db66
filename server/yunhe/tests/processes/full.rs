//! A full disk: whoever asks hears `store.full`, nothing is half-written, and all goes on once there is room.

use crate::{
    disk::Disk,
    town::{Town, auditor, until},
};
use serde_json::{Value, json};
use testkit::{Desk, Reply, whole};

/// Room for a node with a small sample.
const DISK_MIB: u32 = 48;
const ROWS: u64 = 200;
/// A write that finds room in what its file has already taken is no news: so many at most do.
const WRITES_MAX: usize = 2_000;

async fn query(town: &Town) -> Reply {
    town.application.post("/v1/queries", json!({"agreement": town.agreement, "limit": 3})).await
}

/// Queries until one is not answered, which is then how it is told; so many were answered before.
async fn until_refused(town: &Town) -> (Reply, usize) {
    for answered in 0..WRITES_MAX {
        let reply = query(town).await;
        if reply.status != 200 {
            return (reply, answered);
        }
    }
    panic!("the disk never got full");
}

async fn receipts(desk: &Desk) -> Vec<Value> {
    let path = "/v1/receipts";
    desk.get(path).await.expect_status(200).as_array().unwrap().clone()
}

/// Every receipt there is in the log and proves it.
async fn all_logged(desk: &Desk) {
    for receipt in receipts(desk).await {
        let path = format!("/v1/receipts/{}", receipt["body"]["id"].as_str().unwrap());
        until("the log has caught up", || async {
            let file = desk.get(&path).await;
            file.status == 200 && file.json()["log_proof"].is_string()
        })
        .await;
    }
}

async fn agreement(town: &Town) -> Value {
    town.officer.get(&format!("/v1/agreements/{}", town.agreement)).await.expect_status(200)
}

#[tokio::test]
async fn the_providers_disk_is_full() {
    let Some(disk) = Disk::mount(DISK_MIB) else { return };
    let folder = tempfile::tempdir().unwrap();
    let town = Town::build_at([&disk.path().join("node"), &folder.path().join("node")], ROWS).await;
    query(&town).await.expect_status(200);
    disk.fill();
    let (reply, answered) = until_refused(&town).await;
    reply.expect_problem("store.full", 503);
    for _ in 0..20 {
        query(&town).await.expect_problem("store.full", 503);
    }
    // No receipt, no row against the quota: as if nobody had asked.
    let (here, there) = (receipts(&town.application).await, receipts(&town.officer).await);
    assert_eq!((here.len(), there.len()), (answered + 1, answered + 1));
    assert_eq!(agreement(&town).await["day_rows"], json!(3 * (answered + 1)));
    // Reading goes on.
    town.officer.get("/health").await.expect_status(200);
    let pull = town.begin().await;
    disk.free();
    query(&town).await.expect_status(200);
    town.done(&pull).await;
    whole(&town.application, &town.officer, &pull, "after the disk was full").await;
    all_logged(&town.officer).await;
}

#[tokio::test]
async fn the_consumers_disk_is_full() {
    let Some(disk) = Disk::mount(DISK_MIB) else { return };
    let folder = tempfile::tempdir().unwrap();
    let town = Town::build_at([&folder.path().join("node"), &disk.path().join("node")], ROWS).await;
    let pull = town.begin().await;
    disk.fill();
    let (reply, answered) = until_refused(&town).await;
    reply.expect_problem("store.full", 503);
    let ask = json!({"agreement": town.agreement, "format": "csv"});
    town.application.post("/v1/pulls", ask).await.expect_problem("store.full", 503);
    let queries = |all: Vec<Value>| all.iter().filter(|it| it["body"]["delivery"].is_null()).count();
    assert_eq!(queries(receipts(&town.application).await), answered);
    disk.free();
    query(&town).await.expect_status(200);
    assert_eq!(queries(receipts(&town.application).await), answered + 1);
    town.done(&pull).await;
    whole(&town.application, &town.officer, &pull, "after the disk was full").await;
    all_logged(&auditor(&town.provider, "js-scjg")).await;
}
