//! Step 7: prove. A receipt is issued, then acknowledged, then in the log; it is verified without any node, and a
//! flipped byte is found and named.

use super::Step;
use super::install::word;
use super::people::{BUREAU_ADMIN, PLATFORM, PROVIDER_OFFICER};
use super::stage::Stage;
use super::world::export;
use crate::exit::file_problem;
use crate::output::cell;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vocabulary::{Kind, Problem};

/// A receipt is acknowledged and in the log within this many looks.
const LOOKS_MAX: u32 = 100;
/// Between two looks.
const LOOK_MILLIS: u64 = 100;

/// Plays the step.
///
/// # Errors
/// What goes wrong; `demo.check`.
pub async fn take(stage: &mut Stage) -> Result<(), Problem> {
    let members = export(stage, BUREAU_ADMIN).await?;
    let issued = stage.learned.receipt.clone().unwrap_or_default();
    let path = stage.folder.join("receipt-issued.json");
    write(&path, &issued)?;
    if stage.sabotages(Step::Prove) {
        flip(&path, &path, "/body/rows")?;
    }
    let told = verify(stage, &path, &members).await?;
    let words = cell::at(stage.voice, &told, "/words");
    stage.say(&words, &words);
    stage.check(
        "回执一经签发即可离线核验（不连任何节点），尚未确认",
        "the receipt as issued verifies offline, without any node; not yet acknowledged",
        told["verified"] == true && told["acknowledged"] == false,
    )?;
    let id = word(&issued, "/body/id");
    let (here, there) = acknowledged(stage, &id).await?;
    let (path, other) = (stage.folder.join("receipt.json"), stage.folder.join("receipt-provider.json"));
    write(&path, &here)?;
    write(&other, &there)?;
    let ours = verify(stage, &path, &members).await?;
    let theirs = verify(stage, &other, &members).await?;
    stage.check(
        "使用方确认后，双方各自取出的回执都核验通过，已确认",
        "after the countersignature the receipts of both sides verify as acknowledged",
        ours["acknowledged"] == true && theirs["acknowledged"] == true,
    )?;
    stage.check(
        "回执的叶已在提供方日志中，包含证明（C2SP）核验通过",
        "its leaf is in the provider's log; the inclusion proof (C2SP) verifies",
        theirs["logged"] == true,
    )?;
    flipped(stage, &other, &members).await
}

async fn verify(stage: &Stage, path: &Path, members: &str) -> Result<Value, Problem> {
    // No seat, no data folder, no node: what the file and the member log say must be enough.
    stage.command(&["receipt", "verify", &path.display().to_string(), "--members", members]).await
}

fn write(path: &Path, value: &Value) -> Result<(), Problem> {
    std::fs::write(path, format!("{value:#}\n")).map_err(|it| file_problem(path, &it))
}

/// Has what is due countersigned, and waits until both sides show it, the provider with the log's proof.
async fn acknowledged(stage: &Stage, id: &str) -> Result<(Value, Value), Problem> {
    stage.ask(PLATFORM, &["receipt", "acknowledge"]).await?;
    for _ in 0..LOOKS_MAX {
        let here = stage.ask(PLATFORM, &["receipt", "show", id]).await?;
        let there = stage.ask(PROVIDER_OFFICER, &["receipt", "show", id]).await?;
        let done = |it: &Value| it["acknowledgement"].is_object();
        if done(&here) && done(&there) && there["log_proof"].is_string() {
            return Ok((here, there));
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MILLIS)).await;
    }
    Err(Problem::new(
        Kind::Unavailable,
        "demo.receipt",
        format!("回执 {id} 未在时限内确认并入日志"),
        format!("receipt {id} was not acknowledged and logged in time"),
    ))
}

/// Changes one character of the text or one digit of the number at `pointer`.
fn flip(from: &Path, to: &Path, pointer: &str) -> Result<(), Problem> {
    let bytes = std::fs::read(from).map_err(|it| file_problem(from, &it))?;
    let mut value: Value = serde_json::from_slice(&bytes).map_err(|it| file_problem(from, &it))?;
    if let Some(place) = value.pointer_mut(pointer) {
        *place = match &*place {
            Value::String(text) => Value::String(flipped_text(text)),
            other => Value::from(other.as_u64().unwrap_or(0) ^ 1),
        };
    }
    write(to, &value)
}

/// The text with one character in its middle changed to another that may stand there.
fn flipped_text(text: &str) -> String {
    let at = text.char_indices().map(|(at, _)| at).nth(text.chars().count() / 2).unwrap_or(0);
    let changed = |it: char| if it == '1' { '2' } else { '1' };
    text.char_indices().map(|(here, it)| if here == at { changed(it) } else { it }).collect()
}

async fn flipped(stage: &mut Stage, receipt: &Path, members: &str) -> Result<(), Problem> {
    let parts = [
        ("/body/rows", "行数", "the number of rows"),
        ("/salt", "盐", "the salt"),
        ("/batch/signature/value", "提供方签名", "the provider's signature"),
        ("/asked/base", "使用方的已签请求", "the consumer's signed request"),
        ("/acknowledgement/signatures/0/value", "使用方确认的签名", "the countersignature"),
        ("/log_proof", "日志证明", "the log's proof"),
    ];
    for (pointer, zh, en) in parts {
        let path: PathBuf = stage.folder.join("receipt-flipped.json");
        flip(receipt, &path, pointer)?;
        let problem = verify(stage, &path, members).await.err();
        let (code, exit) =
            problem.map(|it| (it.code.to_string(), it.more.get("exit").and_then(Value::as_i64))).unwrap_or_default();
        stage.check(
            &format!("{zh}改动一个字符 → 核验失败（退出码 4）：{code}"),
            &format!("one character of {en} changed → not verified (exit 4): {code}"),
            exit == Some(4),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_text_differs_in_one_character() {
        for text in ["a", "11", "行数abc"] {
            let other = flipped_text(text);
            let differing = text.chars().zip(other.chars()).filter(|(one, two)| one != two).count();
            assert_eq!((differing, text.chars().count()), (1, other.chars().count()), "{text}");
        }
    }
}
