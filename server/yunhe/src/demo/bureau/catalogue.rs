//! B2: both systems are compiled: proposed from what stands in their databases, ticked, checked by another person of
//! the department, published by a third; then their rows are taken over, and a kill in the middle loses none.

use super::super::find::harvest;
use super::super::install::{REVIEW, word};
use super::super::people::{
    BUREAU_ADMIN, HUB_CATALOGUER, PROVIDER_ADMIN, PROVIDER_APPROVER, PROVIDER_CATALOGUER, PROVIDER_CHECKER,
    PROVIDER_STEWARD, Seat,
};
use super::super::process::Place;
use super::super::stage::Stage;
use super::departments::LICENCE_ROWS;
use super::killed;
use crate::commands::pack::items;
use crate::output::cell;
use serde_json::Value;
use std::time::Duration;
use vocabulary::Problem;

/// Connection, the front of its codes (theme, item, subject), duty, system.
const SYSTEMS: [(&str, &str, &str, &str); 2] = [
    ("licence-db", "309010001", "food-licensing", "licence-system"),
    ("equipment-db", "310010001", "equipment-safety", "equipment-system"),
];
/// Looks at a run before its node is killed, whatever it has by then.
const LOOKS_MAX: u32 = 400;
/// Between two looks.
const LOOK_MILLIS: u64 = 5;
/// The hub takes the catalogue over so often at most until the new entry is there.
const HARVESTS_MAX: u32 = 20;
/// Between two times.
const HARVEST_MILLIS: u64 = 200;

/// Plays the step.
///
/// # Errors
/// What goes wrong; `demo.check`.
pub async fn take(stage: &mut Stage) -> Result<(), Problem> {
    for (seat, pack) in [(PROVIDER_ADMIN, "market-systems"), (BUREAU_ADMIN, "food-licence-copy")] {
        let [codes, folder] = ["food-codes", pack].map(|it| stage.packs.join(it).display().to_string());
        let mut arguments = vec!["pack", "install", codes.as_str(), folder.as_str()];
        arguments.extend(REVIEW);
        stage.ask(seat, &arguments).await?;
    }
    let mut entries = Vec::new();
    for system in SYSTEMS {
        entries.push(drafted(stage, system).await?);
    }
    killed(stage, Place::Provider, "提供方进程（草稿之后）", "the provider's process, behind the drafts").await?;
    let drafts = compilations(stage, "draft").await?;
    stage.check(
        "重新运行后两份草稿都在",
        "both drafts are there again",
        entries.iter().all(|it| drafts.contains(it)),
    )?;
    for entry in &entries {
        stage.ask(PROVIDER_CATALOGUER, &["catalog", "submit", entry]).await?;
    }
    let own = ["catalog", "check", entries[0].as_str()];
    stage.refused(PROVIDER_CATALOGUER, &own, "policy.role", ("编目员自审", "the cataloguer checks alone")).await?;
    for entry in &entries {
        stage.ask(PROVIDER_CHECKER, &["catalog", "check", entry]).await?;
        let mut publish = vec!["catalog", "publish", entry.as_str()];
        publish.extend(REVIEW);
        stage.ask(PROVIDER_APPROVER, &publish).await?;
    }
    for (entry, words) in entries.iter().zip(["食品经营许可证信息", "特种设备使用登记"]) {
        let hits = harvested(stage, entry, words).await?;
        let all = hits.join("，");
        stage.check(
            &format!("省数据局检索“{words}”得到新编条目 {entry}（{all}）"),
            &format!("the hub finds the new entry {entry} by {words} ({all})"),
            hits.contains(entry),
        )?;
    }
    taken(stage).await
}

/// What the hub finds once it has taken the provider's catalogue over; what was published a moment ago stands in the
/// provider's feed a moment later.
async fn harvested(stage: &Stage, entry: &String, words: &str) -> Result<Vec<String>, Problem> {
    let mut hits = Vec::new();
    for _ in 0..HARVESTS_MAX {
        harvest(stage, "js-scjg").await?;
        let found = stage.ask(HUB_CATALOGUER, &["catalog", "search", words, "--limit", "5"]).await?;
        hits = cell::list(&found, "/hits").iter().map(|it| word(it, "/entry")).collect();
        if hits.contains(entry) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(HARVEST_MILLIS)).await;
    }
    Ok(hits)
}

async fn compilations(stage: &Stage, state: &str) -> Result<Vec<String>, Problem> {
    let list = stage.ask(PROVIDER_CATALOGUER, &["catalog", "list", "--state", state]).await?;
    Ok(cell::list(&list, "").iter().map(|it| word(it, "/entry")).collect())
}

/// Proposes from a connection, ticks what is proposed first, and says the entry's name.
async fn drafted(
    stage: &mut Stage,
    (connection, front, duty, system): (&str, &str, &str, &str),
) -> Result<String, Problem> {
    let ask = ["catalog", "propose", connection, "--code", front, "--duty", duty, "--system", system];
    let proposals = stage.ask(PROVIDER_CATALOGUER, &ask).await?;
    let first = &proposals[0];
    let reasons = cell::list(first, "/reasons").len();
    let title = cell::at(stage.voice, first, "/draft/entry/title");
    let columns = cell::list(first, "/draft/entry/items");
    let code = columns.iter().any(|it| word(it, "/title/zh") == "统一社会信用代码");
    let (count, silent) = (columns.len(), !first.to_string().contains("JY1320100000"));
    stage.check(
        &format!("{connection}：建议条目“{title}”，{count} 个信息项，{reasons} 条理由，不带任何取值"),
        &format!("{connection}: {title} is proposed with {count} items and {reasons} reasons, no value shown"),
        code && reasons > count && silent,
    )?;
    let mut tick = ask.to_vec();
    tick.extend(["--accept", "1"]);
    let done = stage.ask(PROVIDER_CATALOGUER, &tick).await?;
    Ok(word(&done, "/0/entry"))
}

/// Rows are taken over; in the middle the node dies.
async fn taken(stage: &mut Stage) -> Result<(), Problem> {
    let review = ["--reviewed-by", "保密办公室", "--reviewed-on", "2026-11-24"];
    let mut take = vec!["source", "take", "food-licences", "--no-wait"];
    take.extend(review);
    stage.ask(PROVIDER_STEWARD, &take).await?;
    let read = until_read(stage).await?;
    let (zh, en) = (
        format!("提供方进程（已取 {} 行）", cell::grouped(read)),
        format!("the provider's process, {} rows being read", cell::grouped(read)),
    );
    killed(stage, Place::Provider, &zh, &en).await?;
    take.retain(|it| *it != "--no-wait");
    let done = stage.ask(PROVIDER_STEWARD, &take).await?;
    let loaded = cell::number(&done, "/loaded").unwrap_or(0);
    let there = rows(stage, PROVIDER_STEWARD, "food-licence").await?;
    let all = LICENCE_ROWS as u64;
    stage.check(
        &format!("取数续行至完成：登记簿 {} 行，正是 MariaDB 中的全部，一行不多", cell::grouped(there)),
        &format!("the run went on to its end: {} rows, just those in MariaDB", cell::grouped(there)),
        there == all && loaded <= all && word(&done, "/phase") == "done",
    )?;
    let mut take = vec!["source", "take", "special-equipment"];
    take.extend(review);
    let done = stage.ask(PROVIDER_STEWARD, &take).await?;
    let there = rows(stage, PROVIDER_STEWARD, "special-equipment").await?;
    stage.check(
        &format!("特种设备自 PostgreSQL 取数 {} 行", cell::grouped(there)),
        &format!("{} pieces of equipment taken over from PostgreSQL", cell::grouped(there)),
        cell::number(&done, "/read") == Some(there) && there > 0,
    )
}

async fn until_read(stage: &Stage) -> Result<u64, Problem> {
    let mut read = 0;
    for _ in 0..LOOKS_MAX {
        let sources = stage.ask(PROVIDER_STEWARD, &["source", "list"]).await?;
        let it = items(&sources, "sources").iter().find(|it| it["source"] == "food-licences");
        read = it.and_then(|it| cell::number(it, "/last/read")).unwrap_or(0);
        let done = it.is_some_and(|it| word(it, "/last/phase") == "done");
        if read > 0 || done {
            break;
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MILLIS)).await;
    }
    Ok(read)
}

/// How many rows a record type has.
///
/// # Errors
/// What the node says.
pub async fn rows(stage: &Stage, seat: Seat, record: &str) -> Result<u64, Problem> {
    let types: Value = stage.ask(seat, &["record", "types"]).await?;
    let it = items(&types, "types").iter().find(|it| it["name"] == record);
    Ok(it.and_then(|it| cell::number(it, "/rows")).unwrap_or(0))
}
