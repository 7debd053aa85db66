//! The audit administrator at the command line, and an inspector on another machine: an export that is verified without
//! a node, and whatever is changed in it or behind it is named with its file and line.

use crate::town::init;
use policy::MemberRole;
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};
use store::{Statement, Store, args, transact};

fn yunhe(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_yunhe")).arg("--json").args(arguments).output().unwrap()
}

fn done(arguments: &[&str]) -> Value {
    let output = yunhe(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The problem that it ends with, and its exit code.
fn refused(arguments: &[&str]) -> (Value, i32) {
    let output = yunhe(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    (serde_json::from_str(said.trim()).unwrap_or_else(|_| panic!("{said}")), output.status.code().unwrap())
}

/// A copy of an export in which one file is changed.
fn changed(export: &Path, name: &str, change: impl Fn(&mut Vec<String>)) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(export).unwrap() {
        let entry = entry.unwrap();
        let mut text = fs::read_to_string(entry.path()).unwrap();
        if entry.file_name().to_str() == Some(name) {
            let mut lines: Vec<_> = text.split_inclusive('\n').map(str::to_owned).collect();
            change(&mut lines);
            text = lines.concat();
        }
        fs::write(copy.path().join(entry.file_name()), text).unwrap();
    }
    copy
}

/// Whatever is changed, left out or added is named.
fn every_change_is_named(export: &Path, key: &str) {
    let named = |copy: &tempfile::TempDir, file: &str, line: u64| {
        let (problem, code) = refused(&["audit", "verify", copy.path().to_str().unwrap(), "--key", key]);
        assert_eq!((&problem["file"], &problem["line"], code), (&file.into(), &line.into(), 4), "{problem}");
    };
    named(&changed(export, "acts.jsonl", |it| it[2] = it[2].replacen("identity", "identitx", 1)), "acts.jsonl", 3);
    named(&changed(export, "acts.jsonl", |it| drop(it.remove(3))), "acts.jsonl", 4);
    named(&changed(export, "proofs.jsonl", |it| drop(it.remove(1))), "acts.jsonl", 2);
    named(&changed(export, "acts.csv", |it| it[1] = it[1].replacen("job:", "jab:", 1)), "acts.csv", 2);
    named(&changed(export, "acts.csv", |it| it.push("1,2\r\n".to_owned())), "acts.csv", {
        fs::read_to_string(export.join("acts.csv")).unwrap().lines().count() as u64 + 1
    });
    let both = changed(export, "acts.jsonl", |it| drop(it.remove(3)));
    let both = changed(both.path(), "proofs.jsonl", |it| drop(it.remove(3)));
    named(&both, "acts.jsonl", 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_verified_without_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let (mut node, _) = init(&folder.path().join("node"), &[("js-scjg", &[MemberRole::Department])]).await;
    node.start().await.unwrap();
    let data = node.folder.to_str().unwrap().to_owned();
    let as_ = |who: &str, arguments: &[&str]| {
        let all = [arguments, &["--data", &data, "--as", who]].concat();
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let run = |who: &str, arguments: &[&str]| {
        let all = as_(who, arguments);
        done(&all.iter().map(String::as_str).collect::<Vec<_>>())
    };
    run("sysadmin", &["user", "add", "zhang"]);
    let crossing = as_("sysadmin", &["user", "grant", "zhang", "--roles", "requester"]);
    let (problem, code) = refused(&crossing.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((&problem["code"], code), (&Value::from("policy.role"), 1));
    run("secadmin", &["user", "grant", "zhang", "--roles", "requester"]);
    let keys = run("sysadmin", &["key", "list"]);
    let key = keys.as_array().unwrap().iter().find(|it| it["key"] == "log").unwrap()["public"].as_str().unwrap();
    run("sysadmin", &["key", "rotate", "tls"]);
    let made = run("sysadmin", &["backup", folder.path().join("backup").to_str().unwrap()]);
    assert_eq!(made.as_array().unwrap().len(), 1);
    // Listed by who, kind and outcome.
    let list = |arguments: &[&str]| run("auditadmin", &[&["audit", "list"], arguments].concat())["acts"].clone();
    for (kind, by) in [
        ("identity.create_account", "sysadmin"),
        ("identity.set_roles", "secadmin"),
        ("key.prepare", "job:machine"),
        ("node.backup", "job:machine"),
    ] {
        assert_eq!(list(&["--kind", kind, "--by", by]).as_array().unwrap().len(), 1, "{kind}");
    }
    let told = list(&["--outcome", "refused", "--kind", "access.refused"]);
    assert_eq!((told.as_array().unwrap().len(), &told[0]["body"]["code"]), (1, &Value::from("policy.role")));

    // Exported twice, the second going on from the first.
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (first, second, third) = (place("first.1"), place("second"), place("third"));
    // Somebody else's folder of a like name is left alone.
    let foreign = folder.path().join("first.partial");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("theirs"), "").unwrap();
    run("auditadmin", &["audit", "export", "--from", "2020-01-01", "--out", &first]);
    assert!(foreign.join("theirs").exists());
    run("sysadmin", &["application", "add", "board"]);
    run("auditadmin", &["audit", "export", "--from", "2020-01-01", "--out", &second, "--earlier", &first]);
    node.stop().await;

    // Verified with nothing but the log's key.
    let verified = done(&["audit", "verify", &first, "--key", key]);
    assert!(verified["acts"].as_u64() > Some(5) && verified["refused"].as_u64() >= Some(1), "{verified}");
    let verified = done(&["audit", "verify", &second, "--key", key, "--earlier", &first]);
    assert_eq!(verified["goes_on"], true);
    let other = keys.as_array().unwrap().iter().find(|it| it["key"] == "messages").unwrap()["public"].as_str().unwrap();
    let (problem, code) = refused(&["audit", "verify", &first, "--key", other]);
    assert_eq!((&problem["code"], code), (&Value::from("audit.flaw"), 4));
    let (problem, _) = refused(&["audit", "verify", &first, "--key", key, "--earlier", &second]);
    assert_eq!(problem["file"], "manifest.json");

    every_change_is_named(Path::new(&first), key);

    // A row edited in the database is seen in the next export.
    let store = Store::attend(&format!("sqlite:{data}/js-scjg/yunhe.db"), "js_scjg").await.unwrap();
    let edit = "UPDATE evidence_leaf SET body = REPLACE(body, 'zhang', 'wangs') WHERE kind = 'identity.set_roles'";
    let edited = transact!(store, None, |tx| tx.execute(Statement::long(edit), args![]).await).unwrap();
    assert!(edited > 0);
    store.close().await;
    node.start().await.unwrap();
    run("auditadmin", &["audit", "export", "--from", "2020-01-01", "--out", &third]);
    let (problem, code) = refused(&["audit", "verify", &third, "--key", key]);
    assert_eq!((&problem["file"], code), (&Value::from("acts.jsonl"), 4));
    assert!(problem["detail_en"].as_str().unwrap().contains("was changed"), "{problem}");
}
