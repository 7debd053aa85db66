//! A person at the command line: an account with a password, a session that is saved, and its end.

use crate::town::init;
use policy::MemberRole;
use serde_json::Value;
use std::{path::Path, process::Stdio};
use tokio::{io::AsyncWriteExt as _, process::Command};

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
    say(&["user", "add", "zhang", "--roles", "auditor"], "").await.unwrap();
    say(&["user", "reset-password", "zhang"], old).await.unwrap();
    let wrong = say(&["user", "sign-in", "zhang"], new).await.unwrap_err();
    assert_eq!(wrong["code"], "identity.credentials");
    say(&["user", "change-password", "zhang"], &format!("{old}{new}")).await.unwrap();
    let saved = say(&["user", "sign-in", "zhang", "--save", "zhang"], new).await.unwrap();
    assert!(saved["saved"].is_string() && !saved.to_string().contains("yht_"), "{saved}");
    let tokens = say(&["token", "list", "--as", "zhang"], "").await.unwrap();
    assert_eq!(tokens.as_array().unwrap().len(), 2, "the administrator's and the session: {tokens}");
    say(&["user", "sign-out", "--as", "zhang"], "").await.unwrap();
    let over = say(&["token", "list", "--as", "zhang"], "").await.unwrap_err();
    assert_eq!(over["code"], "identity.token_revoked");
    // A program's token for reading alone.
    let narrow = ["token", "new", "--application", "board", "--scope", "read", "--save", "board"];
    say(&narrow, "").await.unwrap();
    let refused = say(&["token", "new", "--application", "other", "--as", "board"], "").await.unwrap_err();
    assert_eq!(refused["code"], "identity.scope");
}
