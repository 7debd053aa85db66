//! Step 6: deliver. One row by its key, a page, and all permitted rows in three formats; the consumer's process dies in
//! the middle of one batch and goes on; every part is delivered once.

use super::Step;
use super::install::word;
use super::people::{PLATFORM, PROVIDER_OFFICER, PROVIDER_STEWARD, Seat};
use super::process::Place;
use super::received;
use super::stage::{Stage, seconds};
use crate::commands::pack::items;
use crate::output::cell;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use vocabulary::{Digest, Problem};

/// Looks at a batch before the consumer's process is killed, whatever it has by then.
const LOOKS_BEFORE_KILL_MAX: u32 = 400;
/// Between two looks.
const LOOK_MILLIS: u64 = 5;

/// Plays the step.
///
/// # Errors
/// What goes wrong; `demo.check`.
pub async fn take(stage: &mut Stage) -> Result<(), Problem> {
    let operation = stage.learned.operation.clone().unwrap_or_default();
    if stage.sabotages(Step::Deliver) {
        stage.ask(PROVIDER_OFFICER, &["revoke", &operation, "--reason", "故意破坏"]).await?;
    }
    by_key(stage, &operation).await?;
    page(stage, &operation).await?;
    let mut digests = Vec::new();
    for format in ["arrow", "parquet"] {
        let (_, folder) = batch(stage, &operation, format).await?;
        digests.push(content(&folder)?);
        stage.learned.operation_parts = Some(folder);
    }
    let folder = killed(stage, &operation).await?;
    digests.push(content(&folder)?);
    stage.check(
        "Arrow、Parquet、CSV 三种格式内容逐格一致",
        "Arrow, Parquet and CSV hold the same, cell by cell",
        digests.windows(2).all(|it| it[0] == it[1]),
    )?;
    let base = stage.learned.base.clone().unwrap_or_default();
    let (pull, folder) = batch(stage, &base, "parquet").await?;
    stage.learned.base_parts = Some(folder);
    let types = stage.ask(PROVIDER_STEWARD, &["record", "types"]).await?;
    let kept = items(&types, "types").iter().find(|it| it["name"] == "legal-person");
    let kept = kept.and_then(|it| cell::number(it, "/rows")).unwrap_or(0);
    stage.check(
        &format!("法人基础信息：收到 {} 行，正是提供方登记簿中的全部", cell::grouped(kept)),
        &format!("base facts: {} rows received, all that the provider's registry has", cell::grouped(kept)),
        cell::number(&pull, "/rows") == Some(kept),
    )
}

async fn by_key(stage: &mut Stage, agreement: &str) -> Result<(), Problem> {
    let Some(sample) = stage.learned.sample.clone() else { return Ok(()) };
    let begun = Instant::now();
    let answer = stage.ask(PLATFORM, &["query", agreement, "--key", &sample.inside.uscc]).await?;
    let took = seconds(begun.elapsed());
    let row = &answer["rows"][0];
    let at = |name: &str| cell::at(stage.voice, row, &format!("/{name}"));
    let (staff, telephone) = (at("staff"), at("telephone"));
    let shown = format!("{} · {staff} · {telephone} · {took}", sample.inside.uscc);
    stage.check(
        &format!("按主键查询：{shown}；与源文件相符，电话已脱敏"),
        &format!("query by key: {shown}; as in the file, the telephone masked"),
        staff == sample.inside.staff && telephone != sample.inside.telephone && telephone.contains('*'),
    )?;
    let record = ["record", "get", "legal-person-operation", &sample.inside.uscc];
    let theirs = stage.ask(PROVIDER_STEWARD, &record).await?;
    stage.check(
        "提供方本地所见同一行：其余各列相同，电话为原文",
        "the provider sees the same row at home, with the telephone in clear",
        theirs["rows"][0]["staff"] == row["staff"]
            && theirs["rows"][0]["telephone"] == sample.inside.telephone.as_str(),
    )?;
    stage.learned.receipt = Some(answer["receipt"].clone());
    let outside = ["query", agreement, "--key", &sample.outside.uscc];
    stage.refused(PLATFORM, &outside, "exchange.restriction", ("南京以外的企业", "an enterprise outside Nanjing")).await
}

async fn page(stage: &mut Stage, agreement: &str) -> Result<(), Problem> {
    let rows = ["query", agreement, "--rows", "row.staff >= 100", "--columns", "uscc,staff", "--limit", "50"];
    let answer = stage.ask(PLATFORM, &rows).await?;
    let found = cell::list(&answer, "/rows");
    let fit = found.iter().all(|it| cell::number(it, "/staff").is_some_and(|it| it >= 100));
    let narrow = found.iter().all(|it| it.as_object().is_some_and(|it| it.len() == 2));
    let count = found.len();
    stage.check(
        &format!("筛选一页 row.staff >= 100：{count} 行，只有所要的两列"),
        &format!("a page with row.staff >= 100: {count} rows, two columns as asked"),
        fit && narrow && (1..=50).contains(&count),
    )
}

async fn batch(stage: &mut Stage, agreement: &str, format: &str) -> Result<(Value, PathBuf), Problem> {
    let folder = stage.folder.join("received").join(format!("{agreement}-{format}"));
    let begun = Instant::now();
    let out = folder.display().to_string();
    let pull = stage.ask(PLATFORM, &["pull", agreement, "--format", format, "--out", &out]).await?;
    arrived(stage, &pull, &folder, begun.elapsed()).await?;
    Ok((pull, folder))
}

/// Checks a batch that has arrived: its rows, and one receipt for each part on both sides.
async fn arrived(stage: &mut Stage, pull: &Value, folder: &std::path::Path, took: Duration) -> Result<(), Problem> {
    let number = |name: &str| cell::number(pull, name).unwrap_or(0);
    let (rows, parts, bytes) = (number("/rows"), number("/parts"), number("/bytes"));
    let mut counted = 0;
    received::rows(folder, &["uscc"], |_| counted += 1)?;
    let (shown, format, time) = (cell::grouped(rows), word(pull, "/format"), seconds(took));
    let size = cell::bytes(bytes);
    let operation = pull["agreement"].as_str() == stage.learned.operation.as_deref();
    let (expected, zones) = stage.learned.sample.as_ref().map_or((0, 0), |it| (it.nanjing, it.in_zones));
    let right = counted == rows && (!operation || rows == expected);
    let (zh, en) = if operation {
        (
            format!("，正是源文件中南京的全部（含江北新区等功能区 {}）", cell::grouped(zones)),
            format!(", all of Nanjing in the file, {} in functional zones among them", cell::grouped(zones)),
        )
    } else {
        (String::new(), String::new())
    };
    stage.check(
        &format!("批量 {format}：{shown} 行、{parts} 个分片、{size}，{time}{zh}"),
        &format!("batch as {format}: {shown} rows, {parts} parts, {size}, {time}{en}"),
        right && parts > 0,
    )?;
    let (agreement, id) = (word(pull, "/agreement"), word(pull, "/id"));
    let here = part_receipts(stage, PLATFORM, &agreement, &id).await?;
    let there = part_receipts(stage, PROVIDER_OFFICER, &agreement, &id).await?;
    let once = here.len() as u64 == parts && here.values().all(|it| it.len() == 1);
    stage.check(
        "每个分片恰有一份回执，双方所存回执相同",
        "each part has just one receipt, the same on both sides",
        once && here == there,
    )
}

/// The receipts of a batch by part.
async fn part_receipts(
    stage: &Stage,
    seat: Seat,
    agreement: &str,
    batch: &str,
) -> Result<BTreeMap<u64, Vec<String>>, Problem> {
    let all = stage.ask(seat, &["receipt", "list", "--agreement", agreement]).await?;
    let mut parts: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for it in items(&all, "receipts").iter().filter(|it| it["body"]["delivery"] == batch) {
        let part = cell::number(it, "/body/part").unwrap_or(u64::MAX);
        parts.entry(part).or_default().push(word(it, "/body/id"));
    }
    Ok(parts)
}

/// A batch in whose middle the consumer's process gets `kill -9`.
async fn killed(stage: &mut Stage, agreement: &str) -> Result<PathBuf, Problem> {
    let begun = Instant::now();
    let started = stage.ask(PLATFORM, &["pull", agreement, "--format", "csv", "--no-wait"]).await?;
    let id = word(&started, "/id");
    let done = until_under_way(stage, &id).await;
    stage.process_mut(Place::City).kill().await;
    stage.say(
        &format!("kill -9 使用方进程，此时分片到达 {done}"),
        &format!("kill -9 of the consumer's process, {done} parts being here"),
    );
    let again = stage.process_mut(Place::City).start().await?;
    let folder = stage.folder.join("received").join(format!("{agreement}-csv"));
    let pull = stage.ask(PLATFORM, &["pull", "save", &id, "--out", &folder.display().to_string()]).await?;
    stage.check(
        &format!("{} 后重新运行，批次自行续传至完成", seconds(again)),
        &format!("it runs again after {} and the batch goes on by itself to its end", seconds(again)),
        pull["state"] == "done",
    )?;
    arrived(stage, &pull, &folder, begun.elapsed()).await?;
    Ok(folder)
}

async fn until_under_way(stage: &Stage, id: &str) -> String {
    let mut last = Value::Null;
    for _ in 0..LOOKS_BEFORE_KILL_MAX {
        if let Ok(pull) = stage.ask(PLATFORM, &["pull", "show", id]).await {
            last = pull;
        }
        if last["state"] != "making" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MILLIS)).await;
    }
    format!("{}/{}", cell::at(stage.voice, &last, "/done"), cell::at(stage.voice, &last, "/parts"))
}

/// A digest of all cells of a batch; the same rows give the same one in every format.
fn content(folder: &std::path::Path) -> Result<Digest, Problem> {
    let mut rows = Vec::new();
    received::rows(folder, &["uscc", "staff", "revenue", "abnormal", "violation", "telephone"], |cells| {
        rows.push(cells.join("\u{1f}"));
    })?;
    rows.sort();
    Ok(Digest::of(rows.join("\n").as_bytes()))
}
