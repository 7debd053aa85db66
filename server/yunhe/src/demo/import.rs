//! Step 2: records. A generated province with planted defects, which must all be found and nothing else; and real
//! public files where they are, each with its origin.

use super::Step;
use super::install::{INSTALLED, read};
use super::people::{CITY_STEWARD, HUB_ADMIN, PROVIDER_STEWARD, Seat};
use super::process::Place;
use super::sample::{self, make, rejected, survey};
use super::stage::{Stage, seconds};
use crate::exit::file_problem;
use crate::output::cell;
use pack::Source;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;
use vocabulary::{Kind, Problem};

/// The review that the demo's imports carry.
const REVIEW: [&str; 4] = ["--reviewed-by", "保密办公室", "--reviewed-on", "2026-11-24"];

/// Plays the step.
///
/// # Errors
/// What goes wrong; `demo.check`.
pub async fn take(stage: &mut Stage) -> Result<(), Problem> {
    let legal = read(&stage.packs, "legal-persons")?;
    let columns = |name: &str| -> Vec<String> {
        let source = legal.sources.iter().find(|(id, _)| id.as_str() == name);
        source.map(|(_, it)| it.columns.keys().cloned().collect()).unwrap_or_default()
    };
    let (base, operation) = (columns("legal-persons-sample"), columns("legal-persons-operation-sample"));
    generate(stage, &base, &operation).await?;
    generated(stage, "legal-person", "legal-persons-sample", &base).await?;
    generated(stage, "legal-person-operation", "legal-persons-operation-sample", &operation).await?;
    let again = generated_again(stage).await?;
    stage.check(
        "其中一千行再次导入，不改变任何内容",
        "a thousand of these rows imported again change nothing",
        cell::number(&again, "/unchanged") == cell::number(&again, "/loaded") && again["loaded"] != 0,
    )?;
    real(stage).await?;
    let catalogued = stage.ask(HUB_ADMIN, &["offer", "list", "--member", "js-scjg"]).await?;
    let synthetic = crate::commands::pack::items(&catalogued, "offers")
        .iter()
        .any(|it| it["offer"]["offer"] == "legal-person-base" && cell::list(it, "/record/key").len() == 1);
    stage.check("从省数据局可见其记录类型与主键", "the hub sees the record type with its key", synthetic)
}

async fn generate(stage: &mut Stage, base: &[String], operation: &[String]) -> Result<(), Problem> {
    let (folder, rows, begun) = (stage.folder.join("sample"), stage.options.rows, Instant::now());
    let zones = read(&stage.packs, "divisions")?.zones;
    let (base, operation) = (base.to_vec(), operation.to_vec());
    let made = tokio::task::spawn_blocking(move || {
        let (file, answers) = make(&folder, rows)?;
        let (base, operation) = (rejected(&answers, &base), rejected(&answers, &operation));
        survey(file, answers, &zones, &base, &operation)
    });
    let sample = made
        .await
        .map_err(|it| Problem::new(Kind::Internal, "demo.sample", format!("样本未能生成：{it}"), it.to_string()))??;
    let size = std::fs::metadata(&sample.file).map(|it| it.len()).unwrap_or(0);
    let (count, defects) = (cell::grouped(sample.answers.rows), cell::grouped(sample.answers.defects.len() as u64));
    let took = seconds(begun.elapsed());
    stage.say(
        &format!(
            "来源：云禾样本生成器（种子 2026），{count} 个法人，{}，植入缺陷 {defects} 处，{took}",
            cell::bytes(size)
        ),
        &format!(
            "origin: our generator (seed 2026), {count} legal persons, {}, {defects} planted defects, {took}",
            cell::bytes(size)
        ),
    );
    if stage.sabotages(Step::Import) {
        spoil(&sample.file)?;
    }
    stage.learned.sample = Some(sample);
    Ok(())
}

/// Changes the check digit of a good row, as a broken disk would: the import turns away one row too many.
fn spoil(file: &Path) -> Result<(), Problem> {
    let mut bytes = std::fs::read(file).map_err(|it| file_problem(file, &it))?;
    let line = bytes.iter().position(|it| *it == b'\n').map_or(0, |it| it + 1);
    if let Some(digit) = bytes.get_mut(line + 17) {
        *digit = if *digit == b'0' { b'1' } else { b'0' };
    }
    std::fs::write(file, bytes).map_err(|it| file_problem(file, &it))
}

async fn generated(stage: &mut Stage, record: &str, source: &str, columns: &[String]) -> Result<(), Problem> {
    let Some(sample) = stage.learned.sample.clone() else { return Ok(()) };
    let begun = Instant::now();
    let report = import(stage, PROVIDER_STEWARD, &sample.file, record, source).await?;
    let took = begun.elapsed();
    let number = |name: &str| cell::number(&report, name).unwrap_or(0);
    let (read, loaded, turned) = (number("/read"), number("/loaded"), number("/rejected"));
    let rate = u128::from(read) * 1000 / took.as_millis().max(1);
    let (shown, time, rate) = (cell::grouped(loaded), seconds(took), cell::grouped(u64::try_from(rate).unwrap_or(0)));
    stage.say(
        &format!("{record}：载入 {shown} 行，{time}，每秒 {rate} 行"),
        &format!("{record}: {shown} rows in {time}, {rate} a second"),
    );
    let rows = stage.options.rows;
    let (a, b, c) = (cell::grouped(read), cell::grouped(loaded), cell::grouped(turned));
    stage.check(
        &format!("{record}：读取 {a} = 载入 {b} + 拒绝 {c}"),
        &format!("{record}: read {a} = loaded {b} + rejected {c}"),
        read == rows && read == loaded + turned,
    )?;
    let expected = sample::rejected(&sample.answers, columns);
    let found = rejected_lines(stage, &report).await?;
    let count = cell::grouped(expected.len() as u64);
    stage.check(
        &format!("{record}：被拒绝的正是植入的 {count} 行，逐行相符"),
        &format!("{record}: rejected are just the {count} planted rows, line by line"),
        found == expected,
    )?;
    let types = stage.ask(PROVIDER_STEWARD, &["record", "types"]).await?;
    let kept = crate::commands::pack::items(&types, "types").iter().find(|it| it["name"] == record);
    let kept = kept.and_then(|it| cell::number(it, "/rows")).unwrap_or(0);
    stage.check(
        &format!("{record}：登记簿中有 {b} 行"),
        &format!("{record}: the registry has {b} rows"),
        kept == loaded,
    )
}

async fn generated_again(stage: &Stage) -> Result<Value, Problem> {
    let path = small(stage)?;
    let record = "legal-person";
    import(stage, PROVIDER_STEWARD, &path, record, "legal-persons-sample").await
}

/// The first rows of the sample as a file of its own.
fn small(stage: &Stage) -> Result<PathBuf, Problem> {
    let from = stage.folder.join("sample/legal-persons.csv");
    let path = stage.folder.join("sample/first.csv");
    let text = std::fs::read_to_string(&from).map_err(|it| file_problem(&from, &it))?;
    let first: Vec<&str> = text.lines().take(1_001).collect();
    std::fs::write(&path, first.join("\n") + "\n").map_err(|it| file_problem(&path, &it))?;
    Ok(path)
}

/// The lines in the file of rejected rows.
async fn rejected_lines(stage: &Stage, report: &Value) -> Result<BTreeSet<u64>, Problem> {
    let path = stage.folder.join("sample/rejects.csv");
    let (id, out) = (super::install::word(report, "/id"), path.display().to_string());
    stage.ask(PROVIDER_STEWARD, &["import", "rejects", &id, "--out", &out]).await?;
    let mut reader = csv::Reader::from_path(&path).map_err(|it| file_problem(&path, &it))?;
    let lines = reader.records().filter_map(|it| it.ok()?.get(0)?.parse().ok());
    Ok(lines.collect())
}

async fn import(stage: &Stage, seat: Seat, file: &Path, record: &str, source: &str) -> Result<Value, Problem> {
    let file = file.display().to_string();
    let mut arguments = vec!["import", file.as_str(), "--record", record, "--source", source];
    arguments.extend(REVIEW);
    stage.ask(seat, &arguments).await
}

/// Real public files, where they are.
async fn real(stage: &mut Stage) -> Result<(), Problem> {
    let Some(folder) = stage.options.real.clone().filter(|it| it.is_dir()) else {
        stage.say(
            "没有真实数据目录（--real 或 YUNHE_DATA）：只用自造样本",
            "no folder of real data (--real or YUNHE_DATA): the generated sample alone",
        );
        return Ok(());
    };
    for (seat, names) in INSTALLED {
        let steward = match seat.place {
            Place::Provider => PROVIDER_STEWARD,
            Place::City => CITY_STEWARD,
            _ => continue,
        };
        for name in names {
            if !stage.packs.join(name).is_dir() {
                continue;
            }
            let sources: Vec<Source> = read(&stage.packs, name)?.sources.values().cloned().collect();
            // Divisions are imported once, at the provider.
            for source in sources.iter().filter(|_| *name != "divisions" || seat.place == Place::Provider) {
                real_source(stage, steward, &folder, source).await?;
            }
        }
    }
    Ok(())
}

async fn real_source(stage: &mut Stage, seat: Seat, folder: &Path, source: &Source) -> Result<(), Problem> {
    let files: Vec<PathBuf> = source.files.iter().map(|it| folder.join(it)).filter(|it| it.is_file()).collect();
    if files.is_empty() || source.synthetic {
        return Ok(());
    }
    let begun = Instant::now();
    let (mut read, mut loaded, mut turned) = (0, 0, 0);
    for file in files {
        let report = import(stage, seat, &file, source.record.as_str(), source.source.as_str()).await?;
        let number = |name: &str| cell::number(&report, name).unwrap_or(0);
        read += number("/read");
        loaded += number("/loaded");
        turned += number("/rejected");
    }
    let took = seconds(begun.elapsed());
    stage.say(&format!("来源：{}（{took}）", source.origin.zh), &format!("origin: {} ({took})", source.origin.en));
    let (a, b, c) = (cell::grouped(read), cell::grouped(loaded), cell::grouped(turned));
    stage.check(
        &format!("{} {}：读取 {a} = 载入 {b} + 拒绝 {c}", seat.organisation, source.title.zh),
        &format!("{} {}: read {a} = loaded {b} + rejected {c}", seat.organisation, source.title.en),
        read == loaded + turned && loaded > 0,
    )
}
