//! A person at the command line: an account with a password, a session that is saved, and its end.

use crate::town::init;
use policy::MemberRole;
use serde_json::Value;
use std::{path::Path, process::Stdio};
use tokio::{io::AsyncWriteExt as _, process::Command};

const FIRST: &str = "a password of ones own 7\n";

/// Runs the program with `lines` on its standard input; its answer, or the problem it ended with.
async fn yunhe(folder: &Path, arguments: &[&str], lines: &str) -> Result<Value, Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yunhe"));
    command.arg("--json").arg("--data").arg(folder).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(serde_json::from_str(said.trim()).unwrap_or_else(|_| panic!("{arguments:?}: {said}")))
}

#[tokio::test]
async fn a_person_signs_in_works_and_signs_out() {
    let folder = tempfile::tempdir().unwrap();
    let department: &[MemberRole] = &[MemberRole::Department];
    let (mut node, _) = init(&folder.path().join("node"), &[("js-scjg", department)]).await;
    node.start().await.unwrap();
    let say = async |arguments: &[&str], lines: &str| yunhe(&node.folder, arguments, lines).await;
    let (old, new) = ("长江 runs to the sea 7\n", "another river to the sea\n");
    let opened = say(&["user", "add", "zhang"], "").await.unwrap();
    let first = opened["first_password"].as_str().unwrap().to_owned();
    let alone = say(&["user", "grant", "zhang", "--roles", "requester"], "").await.unwrap_err();
    assert_eq!(alone["code"], "policy.role", "the system administrator grants nothing");
    say(&["user", "grant", "zhang", "--roles", "requester", "--as", "secadmin"], "").await.unwrap();
    let given = say(&["user", "sign-in", "zhang"], &format!("{first}\n")).await.unwrap_err();
    assert_eq!(given["code"], "identity.change_first");
    say(&["user", "change-password", "zhang"], &format!("{first}\n{FIRST}")).await.unwrap();
    say(&["user", "reset-password", "zhang"], old).await.unwrap();
    let locked = say(&["user", "sign-in", "zhang"], old).await.unwrap_err();
    assert_eq!(locked["code"], "identity.awaits_unlock");
    say(&["user", "unlock", "zhang", "--as", "secadmin"], "").await.unwrap();
    let wrong = say(&["user", "sign-in", "zhang"], new).await.unwrap_err();
    assert_eq!(wrong["code"], "identity.credentials");
    say(&["user", "change-password", "zhang"], &format!("{old}{new}")).await.unwrap();
    let saved = say(&["user", "sign-in", "zhang", "--save", "zhang"], new).await.unwrap();
    assert!(saved["saved"].is_string() && !saved.to_string().contains("yht_"), "{saved}");
    let tokens = say(&["token", "list", "--as", "auditadmin"], "").await.unwrap();
    assert_eq!(tokens.as_array().unwrap().len(), 4, "three administrators' sessions and this one: {tokens}");
    say(&["user", "sign-out", "--as", "zhang"], "").await.unwrap();
    let over = say(&["agree", "list", "--as", "zhang"], "").await.unwrap_err();
    assert_eq!(over["code"], "identity.token_revoked");
    // A program's token for reading alone.
    let narrow = ["token", "new", "--application", "board", "--scope", "read", "--save", "board", "--as", "secadmin"];
    let unknown = say(&narrow, "").await.unwrap_err();
    assert_eq!(unknown["code"], "identity.no_application");
    say(&["application", "add", "board"], "").await.unwrap();
    say(&narrow, "").await.unwrap();
    let refused = say(&["token", "new", "--application", "other", "--as", "board"], "").await.unwrap_err();
    assert_eq!(refused["code"], "identity.scope");
}

/// Whoever looks changes nothing: a pepper that is lost is told, and not drawn anew.
#[tokio::test]
async fn the_doctor_makes_no_pepper() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("node");
    let (node, _) = init(&home, &[("js-scjg", &[MemberRole::Department])]).await;
    let pepper = node.folder.join("js-scjg/keys/pepper-1.key");
    std::fs::remove_file(&pepper).unwrap();
    let told = yunhe(&node.folder, &["doctor"], "").await.unwrap();
    assert!(told["findings"].as_array().unwrap().iter().any(|it| it["check"] == "keys.pepper"), "{told}");
    assert!(!pepper.exists());
}

/// An office is filled on the machine while nobody is in it; once somebody came in, no more.
#[tokio::test]
async fn an_office_is_filled_on_the_machine_while_it_is_vacant() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("node");
    let department: &[MemberRole] = &[MemberRole::Department];
    let (node, _) = init(&home, &[("js-scjg", department)]).await;
    let say = async |arguments: &[&str], lines: &str| yunhe(&node.folder, arguments, lines).await;
    // All three have come in.
    for office in ["system", "security", "audit"] {
        let refused = say(&["appoint", office, "--name", "li"], "").await.unwrap_err();
        assert_eq!(refused["code"], "identity.in_office", "{office}");
    }
    let other = folder.path().join("other");
    let config = node::NodeConfig {
        organisation: vec![crate::town::organisation("nj-gxj", department)],
        ..node::NodeConfig::read(&home).unwrap()
    };
    node::init(&other, &config, vocabulary::Suite::default()).await.unwrap();
    // Nobody has: the first password of another account opens an office just so, and one account holds one office.
    let say = async |arguments: &[&str]| yunhe(&other, arguments, "").await;
    let appointed = say(&["appoint", "audit", "--name", "li"]).await.unwrap();
    assert!(std::fs::read_to_string(appointed["first_password"].as_str().unwrap()).unwrap().len() >= 20);
    let crossed = say(&["appoint", "security", "--name", "li"]).await.unwrap_err();
    assert_eq!(crossed["code"], "identity.apart");
}
