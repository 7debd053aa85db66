//! Step 5: agree. Both sides sign the same text; its digest is in both logs.

use super::Step;
use super::install::word;
use super::people::{BUREAU_REQUESTER, PROVIDER_OFFICER};
use super::stage::Stage;
use crate::output::cell;
use serde_json::Value;
use std::time::Duration;
use vocabulary::{Problem, Suite, canonical_digest};

/// A log shows a leaf within this time.
const LOG_LOOKS_MAX: u32 = 50;
/// Between two looks.
const LOOK_MILLIS: u64 = 100;

/// Plays the step.
///
/// # Errors
/// What goes wrong; `demo.check`.
pub async fn take(stage: &mut Stage) -> Result<(), Problem> {
    let requests = [
        (stage.learned.base_request.clone(), "法人基础信息", "base facts"),
        (stage.learned.operation_request.clone(), "法人经营与信用信息", "operation and credit"),
        (stage.learned.part_request.clone(), "其中两列", "two columns of it"),
    ];
    let mut agreements = Vec::new();
    for (request, zh, en) in requests {
        agreements.push(sign(stage, &request.unwrap_or_default(), zh, en).await?);
    }
    let mut agreements = agreements.into_iter();
    (stage.learned.base, stage.learned.operation, stage.learned.part) =
        (agreements.next(), agreements.next(), agreements.next());
    Ok(())
}

async fn sign(stage: &mut Stage, request: &str, zh: &str, en: &str) -> Result<String, Problem> {
    let before = [log_size(stage, BUREAU_REQUESTER).await?, log_size(stage, PROVIDER_OFFICER).await?];
    let view = stage.ask(BUREAU_REQUESTER, &["agree", request]).await?;
    let id = word(&view, "/agreement/body/id");
    if stage.sabotages(Step::Agree) {
        stage.ask(PROVIDER_OFFICER, &["revoke", &id, "--reason", "故意破坏"]).await?;
    }
    let there = stage.ask(PROVIDER_OFFICER, &["agree", "show", &id]).await?;
    let digest = canonical_digest(Suite::default(), &view["agreement"]["body"])?;
    let other = canonical_digest(Suite::default(), &there["agreement"]["body"])?;
    let both = |it: &Value| cell::list(it, "/agreement/signatures").len() == 2 && it["state"] == "live";
    let short = &digest.hex()[..12];
    stage.check(
        &format!("{zh}：双方签名，协议生效；提供方节点所存摘要相同（{short}…）"),
        &format!("{en}: both signed, live; the provider keeps the same digest ({short}…)"),
        both(&view) && both(&there) && digest == other,
    )?;
    let grown = grown(stage, before).await?;
    stage.check(&format!("{zh}：双方日志各增一叶"), &format!("{en}: both logs have grown by its leaf"), grown)?;
    Ok(id)
}

async fn log_size(stage: &Stage, seat: super::people::Seat) -> Result<u64, Problem> {
    let log = stage.ask(seat, &["log", "show"]).await?;
    Ok(cell::number(&log, "/size").unwrap_or(0))
}

/// Waits until both logs are longer than before.
async fn grown(stage: &Stage, before: [u64; 2]) -> Result<bool, Problem> {
    for _ in 0..LOG_LOOKS_MAX {
        let now = [log_size(stage, BUREAU_REQUESTER).await?, log_size(stage, PROVIDER_OFFICER).await?];
        if now[0] > before[0] && now[1] > before[1] {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MILLIS)).await;
    }
    Ok(false)
}
