//! B4: the consumer marks a value as wrong; the provider corrects it, in its registry and in the department's own
//! system; the delivery carries it over and the consumer confirms. The provider dies before it rules.

use super::super::install::word;
use super::super::people::{BUREAU_REQUESTER, BUREAU_STEWARD, PROVIDER_OFFICER, PROVIDER_STEWARD};
use super::super::process::Place;
use super::super::stage::Stage;
use super::departments::{WRONG, cancel};
use super::sharing::{DELIVERY, OUTSIDE, TABLE, runs, settled, status_in_database};
use super::{Bureau, killed};
use crate::commands::pack::items;
use crate::output::cell;
use serde_json::Value;
use std::time::Duration;
use vocabulary::Problem;

/// Looks until the other side knows.
const LOOKS_MAX: u32 = 600;
/// Between two looks.
const LOOK_MILLIS: u64 = 100;

/// Plays the step.
///
/// # Errors
/// What goes wrong; `demo.check`.
pub async fn take(stage: &mut Stage, bureau: &Bureau) -> Result<(), Problem> {
    let raise = [
        "objection",
        "raise",
        &bureau.agreement,
        "--key",
        WRONG,
        "--column",
        "status",
        "--seen",
        "status=valid",
        "--right",
        "status=cancelled",
        "--reason",
        "现场检查：该许可证已注销，门店已关闭",
    ];
    let raised = stage.ask(BUREAU_REQUESTER, &raise).await?;
    let id = word(&raised, "/objection/body/id");
    until(stage, &id, |it| it.is_object()).await?;
    killed(stage, Place::Provider, "提供方进程（处理之前）", "the provider's process, before it rules").await?;
    let waiting = stage.ask(PROVIDER_OFFICER, &["objection", "list", "--waiting"]).await?;
    let mine = items(&waiting, "objections").iter().find(|it| word(it, "/objection/body/id") == id).cloned();
    let due = mine.as_ref().map(|it| word(it, "/clocks/0/reading/due/day")).unwrap_or_default();
    stage.check(
        &format!("异议是提供方的待办，期限 {due}（工作日）"),
        &format!("the objection waits for the provider, by {due} (working days)"),
        mine.is_some() && !due.is_empty(),
    )?;
    cancel(stage, WRONG).await?;
    let decide = [
        "objection",
        "decide",
        id.as_str(),
        "--verdict",
        "correct",
        "--set",
        "status=cancelled",
        "--reason",
        "经核实已注销，业务系统同步改正",
    ];
    stage.ask(PROVIDER_OFFICER, &decide).await?;
    let done = stage.ask(PROVIDER_STEWARD, &["source", "take", "food-licences"]).await?;
    let there = stage.ask(PROVIDER_STEWARD, &["record", "get", "food-licence", WRONG]).await?;
    stage.check(
        "登记簿与部门业务库都已更正：再取数，该行未变",
        "corrected in the registry and in the department's system: taking rows over changes it no more",
        word(&there, "/rows/0/status") == "cancelled"
            && cell::number(&done, "/loaded") == Some(0)
            && cell::number(&done, "/unchanged").unwrap_or(0) > 0,
    )?;
    for delivery in [DELIVERY, OUTSIDE] {
        let before = runs(stage, delivery).await?;
        stage.ask(BUREAU_STEWARD, &["deliver", "run", delivery]).await?;
        settled(stage, delivery, before).await?;
    }
    let here = stage.ask(BUREAU_STEWARD, &["record", "get", TABLE, WRONG]).await?;
    let outside = status_in_database(stage, WRONG).await?;
    stage.check(
        "使用方的记录与其 PostgreSQL 表中，同一格都已更正",
        "the same cell is right in the consumer's records and in its PostgreSQL table",
        word(&here, "/rows/0/status") == "cancelled" && outside == "cancelled",
    )?;
    confirmed(stage, &id).await
}

/// The consumer confirms what it was told, and the provider hears of it.
async fn confirmed(stage: &mut Stage, id: &str) -> Result<(), Problem> {
    let mut told = String::new();
    for _ in 0..LOOKS_MAX {
        let waiting = stage.ask(BUREAU_REQUESTER, &["objection", "corrections", "--waiting"]).await?;
        if let Some(it) = items(&waiting, "corrections").first() {
            told = word(it, "/correction/body/id");
            break;
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MILLIS)).await;
    }
    stage.ask(BUREAU_REQUESTER, &["objection", "confirm", &told, "--note", "本地表已更新并通知使用处室"]).await?;
    let view = until(stage, id, |it| it["closed"] == true).await?;
    stage.check(
        "提供方得知使用方已确认，异议办结",
        "the provider knows that the consumer confirmed; the objection is closed",
        view["closed"] == true && view["stage"] == "corrected",
    )
}

/// Looks at the objection from the provider until it is so.
async fn until(stage: &Stage, id: &str, so: impl Fn(&Value) -> bool) -> Result<Value, Problem> {
    let mut view = Value::Null;
    for _ in 0..LOOKS_MAX {
        match stage.ask(PROVIDER_OFFICER, &["objection", "show", id]).await {
            Ok(it) => view = it,
            // It is on its way still.
            Err(problem) if problem.code == "objection.missing" || problem.code.ends_with(".missing") => {}
            Err(problem) => return Err(problem),
        }
        if so(&view) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MILLIS)).await;
    }
    Ok(view)
}
