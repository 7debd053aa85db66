//! B3: one of the systems is requested through three roles and delivered into the consumer's own table: the whole set
//! first, then what changes, what is gone too; each run is compared. Either node dies while it goes on.

use super::super::install::word;
use super::super::people::{
    BUREAU_CHECKER, BUREAU_REQUESTER, BUREAU_STEWARD, HUB_APPROVER, PROVIDER_OFFICER, PROVIDER_STEWARD,
};
use super::super::process::Place;
use super::super::stage::Stage;
use super::catalogue::rows;
use super::{Bureau, departments, killed};
use crate::output::cell;
use serde_json::Value;
use std::time::Duration;
use vocabulary::Problem;

/// The delivery.
pub const DELIVERY: &str = "food-licences";
/// The record type of the consumer's own that it fills.
pub const TABLE: &str = "food-licence-copy";
/// The delivery into the consumer's own database.
pub const OUTSIDE: &str = "food-licences-warehouse";
/// The connection to it.
pub const WAREHOUSE: &str = "warehouse";
/// The table there; the node makes it.
const WAREHOUSE_TABLE: &str = "spjy_xkz";
/// Rows asked for at once.
const PAGE: &str = "1000";
/// What the offer lets Nanjing see.
const NANJING: &str = "row.division.under(\"320100\")";
/// Looks at a delivery until its run has ended.
const LOOKS_MAX: u32 = 1_200;
/// Between two looks.
const LOOK_MILLIS: u64 = 100;

/// Plays the step.
///
/// # Errors
/// What goes wrong; `demo.check`.
pub async fn take(stage: &mut Stage, bureau: &mut Bureau) -> Result<(), Problem> {
    let request = requested(stage).await?;
    killed(stage, Place::City, "使用方进程（签约之前）", "the consumer's process, before it signs").await?;
    let view = stage.ask(BUREAU_REQUESTER, &["agree", &request]).await?;
    bureau.agreement = word(&view, "/agreement/body/id");
    let there = stage.ask(PROVIDER_OFFICER, &["agree", "show", &bureau.agreement]).await?;
    stage.check(
        "三个环节依次同意，双方签约，协议生效",
        "agreed to in three steps, signed by both, live",
        there["state"] == "live",
    )?;
    delivered(stage, &bureau.agreement).await?;
    Ok(())
}

async fn requested(stage: &mut Stage) -> Result<String, Problem> {
    let ask = [
        "request",
        "new",
        "--offer",
        "food-licence",
        "--until",
        "2027-06-30",
        "--provider",
        "js-scjg",
        "--purpose",
        "食品安全监管协同",
        "--law",
        "《食品安全法》",
        "--article",
        "第六条",
        "--matter",
        "食品工业行业管理",
        "--system",
        "惠企政策平台",
        "--frequency",
        "每日",
        "--in-charge",
        "消费品工业处",
    ];
    let view = stage.ask(BUREAU_REQUESTER, &ask).await?;
    let id = word(&view, "/request/body/id");
    let steps = [(BUREAU_CHECKER, "own-department"), (HUB_APPROVER, "authority"), (PROVIDER_OFFICER, "provider")];
    for (seat, step) in steps {
        // Each is asked from the node whose turn it is; the asker's node hears of the one before.
        stage.ask(BUREAU_REQUESTER, &["request", "show", &id]).await?;
        stage.ask(seat, &["answer", &id, "--step", step, "--verdict", "agree"]).await?;
    }
    let view = stage.ask(BUREAU_REQUESTER, &["request", "show", &id]).await?;
    let there = stage.ask(PROVIDER_OFFICER, &["request", "show", &id]).await?;
    let due = cell::at(stage.voice, &there, "/due/provider");
    stage.say(&format!("提供方的答复期限（工作日）：{due}"), &format!("the provider's term in working days: {due}"));
    stage.check("申请获同意", "the request is agreed to", view["standing"].get("agreed").is_some())?;
    Ok(id)
}

async fn delivered(stage: &mut Stage, agreement: &str) -> Result<(), Problem> {
    let create = ["deliver", "create", DELIVERY, "--agreement", agreement, "--record", TABLE, "--every", "1h"];
    stage.ask(BUREAU_STEWARD, &create).await?;
    stage.ask(BUREAU_STEWARD, &["deliver", "run", DELIVERY]).await?;
    killed(stage, Place::City, "使用方进程（全量交付之中）", "the consumer's process, in the middle of the whole set")
        .await?;
    settled(stage, DELIVERY, 0).await?;
    let here = rows(stage, BUREAU_STEWARD, TABLE).await?;
    let expected = in_nanjing(stage).await?;
    stage.check(
        &format!("全量入表 {} 行，正是登记簿中南京的全部", cell::grouped(here)),
        &format!("{} rows in our own table, all of Nanjing in the registry", cell::grouped(here)),
        here == expected && here > 0,
    )?;
    into_a_database(stage, agreement, here).await?;
    changed(stage, here).await
}

/// The same agreement fills a table in a database of the consumer's, beside its node.
async fn into_a_database(stage: &mut Stage, agreement: &str, rows: u64) -> Result<(), Problem> {
    let create = [
        "deliver",
        "create",
        OUTSIDE,
        "--agreement",
        agreement,
        "--connection",
        WAREHOUSE,
        "--table",
        WAREHOUSE_TABLE,
        "--every",
        "1h",
    ];
    stage.ask(BUREAU_STEWARD, &create).await?;
    stage.ask(BUREAU_STEWARD, &["deliver", "run", OUTSIDE]).await?;
    killed(stage, Place::City, "使用方进程（写入外部库之中）", "the consumer's process, filling its database").await?;
    settled(stage, OUTSIDE, 0).await?;
    let counted = departments::copies(stage, &format!("SELECT COUNT(*) FROM {WAREHOUSE_TABLE};")).await?;
    stage.check(
        &format!("使用方自己的 PostgreSQL 中 {WAREHOUSE_TABLE} 有 {counted} 行（psql 所见），表由节点建立"),
        &format!("{counted} rows in {WAREHOUSE_TABLE} of the consumer's own PostgreSQL, as psql counts them"),
        counted.parse() == Ok(rows),
    )
}

/// The status of a licence in the consumer's own database.
///
/// # Errors
/// `demo.system`.
pub async fn status_in_database(stage: &Stage, licence: &str) -> Result<String, Problem> {
    departments::copies(stage, &format!("SELECT status FROM {WAREHOUSE_TABLE} WHERE licence = '{licence}';")).await
}

/// What was changed and deleted in the department's system reaches both tables.
async fn changed(stage: &mut Stage, here: u64) -> Result<(), Problem> {
    departments::business(stage).await?;
    stage.ask(PROVIDER_STEWARD, &["source", "take", "food-licences", "--full"]).await?;
    let before = [runs(stage, DELIVERY).await?, runs(stage, OUTSIDE).await?];
    for delivery in [DELIVERY, OUTSIDE] {
        stage.ask(BUREAU_STEWARD, &["deliver", "run", delivery]).await?;
    }
    killed(stage, Place::Provider, "提供方进程（增量交付之中）", "the provider's process, in the middle of changes")
        .await?;
    settled(stage, DELIVERY, before[0]).await?;
    settled(stage, OUTSIDE, before[1]).await?;
    let counted = departments::copies(stage, &format!("SELECT COUNT(*) FROM {WAREHOUSE_TABLE};")).await?;
    let (after, expected) = (rows(stage, BUREAU_STEWARD, TABLE).await?, in_nanjing(stage).await?);
    stage.check(
        &format!("业务库有更新、有删除，增量交付后两处都是 {} 行", cell::grouped(after)),
        &format!("changed and deleted there, delivered as changes: {} rows in both", cell::grouped(after)),
        after == expected && after < here && counted.parse() == Ok(after),
    )
}

/// Rows of the provider's registry in Nanjing.
async fn in_nanjing(stage: &Stage) -> Result<u64, Problem> {
    let mut count = 0;
    let mut after: Vec<String> = Vec::new();
    loop {
        let mut ask = vec!["record", "list", "food-licence", "--limit", PAGE, "--where", NANJING];
        for it in &after {
            ask.extend(["--after", it.as_str()]);
        }
        let page = stage.ask(PROVIDER_STEWARD, &ask).await?;
        count += cell::list(&page, "/rows").len() as u64;
        after = cell::list(&page, "/next").iter().filter_map(|it| Some(it.as_str()?.to_owned())).collect();
        if after.is_empty() {
            return Ok(count);
        }
    }
}

/// Runs of a delivery that have begun.
///
/// # Errors
/// What the node says.
pub async fn runs(stage: &Stage, delivery: &str) -> Result<u64, Problem> {
    let view = stage.ask(BUREAU_STEWARD, &["deliver", "show", delivery]).await?;
    Ok(cell::number(&view, "/progress/runs").unwrap_or(0))
}

/// Waits until a run later than `before` has ended well, and checks that both sides then hold the same.
///
/// # Errors
/// `demo.check`.
pub async fn settled(stage: &mut Stage, delivery: &str, before: u64) -> Result<(), Problem> {
    let mut view = Value::Null;
    for _ in 0..LOOKS_MAX {
        view = stage.ask(BUREAU_STEWARD, &["deliver", "show", delivery]).await?;
        let last = cell::number(&view, "/runs/0/number").unwrap_or(0);
        if last > before && word(&view, "/runs/0/outcome") == "done" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MILLIS)).await;
    }
    let at = |pointer: &str| cell::at(stage.voice, &view, pointer);
    let (put, removed) = (at("/runs/0/put"), at("/runs/0/removed"));
    let (number, trouble) = (at("/runs/0/number"), at("/progress/problem/detail"));
    let same = view.pointer("/progress/reconciled/same") == Some(&Value::Bool(true));
    stage.check(
        &format!("{delivery} 第 {number} 次运行：写入 {put}、移除 {removed}；对账行数与摘要相同 {trouble}"),
        &format!("{delivery}, run {number}: {put} written, {removed} taken out; rows and digest agree {trouble}"),
        same && word(&view, "/runs/0/outcome") == "done",
    )
}
