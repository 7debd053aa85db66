//! The drill that docs/operate/backup.md asks for, with the real program: a backup while queries go on, `kill -9`,
//! everything of the provider's lost but its keys, the old backup put back, the new log announced; then both sides
//! compare.

use crate::town::{Town, until};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
};

fn yunhe(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_yunhe")).args(arguments).output().unwrap()
}

fn done(arguments: &[&str]) -> Value {
    let output = yunhe(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn receipts(desk: &testkit::Desk) -> BTreeMap<String, String> {
    let all = desk.get("/v1/receipts").await.expect_status(200);
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    all.as_array().unwrap().iter().map(|it| (text(&it["body"]["id"]), text(&it["state"]))).collect()
}

async fn query(town: &Town) -> testkit::Reply {
    town.application.post("/v1/queries", json!({"agreement": town.agreement, "limit": 2})).await
}

/// Everything of the organisation is gone but its keys.
fn lose(home: &Path) {
    for entry in fs::read_dir(home).unwrap() {
        let path = entry.unwrap().path();
        match path.file_name().unwrap().to_str().unwrap() {
            "keys" | "tokens" => {}
            _ if path.is_dir() => fs::remove_dir_all(path).unwrap(),
            _ => fs::remove_file(path).unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drill() {
    let folder = tempfile::tempdir().unwrap();
    let mut town = Town::build(folder.path(), 60).await;
    let data = town.provider.folder.to_str().unwrap().to_owned();
    let backup = folder.path().join("backup");
    let backup = backup.to_str().unwrap();

    // A backup while queries go on.
    let made = {
        let (data, backup) = (data.clone(), backup.to_owned());
        tokio::task::spawn_blocking(move || done(&["backup", &backup, "--data", &data]))
    };
    for _ in 0..20 {
        query(&town).await.expect_status(200);
    }
    let made = made.await.unwrap();
    assert_eq!(made.as_array().unwrap().len(), 2, "{made}");
    done(&["backup", "verify", backup]);
    // One byte of it changed is found.
    let file = Path::new(backup).join("js-scjg/database/yunhe.db");
    let sound = fs::read(&file).unwrap();
    let mut spoilt = sound.clone();
    spoilt[5_000] ^= 1;
    fs::write(&file, &spoilt).unwrap();
    let refused = yunhe(&["backup", "verify", backup, "--json"]);
    assert_eq!(refused.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("backup.changed"));
    fs::write(&file, &sound).unwrap();

    // The time that will be lost.
    for _ in 0..5 {
        query(&town).await.expect_status(200);
    }
    let batch = town.begin().await;
    town.done(&batch).await;
    let held = receipts(&town.application).await;
    town.kill(crate::town::Side::Provider).await;
    lose(&town.provider.folder.join("js-scjg"));

    // The old backup is put back. Nothing is written over, and nothing is delivered before the log is announced.
    let restored = done(&["restore", backup, "--data", &data, "--org", "js-scjg"]);
    assert_eq!(restored[0]["log"], "jiangsu/js-scjg/2", "{restored}");
    let again = yunhe(&["restore", backup, "--data", &data, "--org", "js-scjg", "--json"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("store.occupied"));
    town.start(crate::town::Side::Provider).await;
    until("it answers again", || async { query(&town).await.code() == "federation.log_unannounced" }).await;
    let card = fs::read(town.provider.folder.join("js-scjg/card.json")).unwrap();
    town.rotate(&serde_json::from_slice(&card).unwrap()).await;
    until("it delivers again", || async { query(&town).await.status == 200 }).await;

    // Every receipt is on both sides, once, and countersigned.
    let provider = crate::town::auditor(&town.provider, "js-scjg");
    until("both sides agree", || async {
        let (ours, theirs) = (receipts(&provider).await, receipts(&town.application).await);
        ours == theirs && ours.values().all(|it| it == "acknowledged")
    })
    .await;
    let after = receipts(&provider).await;
    assert!(held.keys().all(|it| after.contains_key(it)), "nothing that the consumer held is lost");
    assert!(done(&["doctor", "--data", &data])["runs"] == true);

    // Keys are listed and prepared beside the node; the card names both, then only the one in use.
    let ours = ["--data", &data, "--org", "js-scjg"];
    let keys = |act: &[&str]| done(&[&["key"], act, &ours].concat());
    assert_eq!(keys(&["list"]).as_array().unwrap().len(), 4);
    let both = keys(&["rotate", "messages"]);
    assert_eq!((&both["keys"]["messages"].as_array().unwrap().len(), both["keys"]["tls"][1].is_null()), (&2, true));
    assert_eq!(keys(&["list"]).as_array().unwrap().len(), 5);
    assert_eq!(keys(&["retire"])["keys"]["messages"].as_array().unwrap().len(), 1);
    let refused = yunhe(&[&["key", "rotate", "log", "--json"][..], &ours].concat());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("key.running"), "not while the node runs");
}
