//! Step 1: packs. Record types, offers and catalogue entries come as text; no code is installed.

use super::people::{BUREAU_REQUESTER, CITY_ADMIN, HUB_ADMIN, PROVIDER_ADMIN, Seat};
use super::stage::Stage;
use super::{Step, entries};
use crate::commands::pack::{files, items};
use crate::exit::file_problem;
use crate::output::cell;
use pack::Pack;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use vocabulary::Problem;

/// Which packs an organisation installs.
pub const INSTALLED: [(Seat, &[&str]); 3] = [
    (HUB_ADMIN, &["calendar-cn", "exchange-deadlines", "divisions"]),
    (
        PROVIDER_ADMIN,
        &["calendar-cn", "exchange-deadlines", "divisions", "legal-persons", "listed-companies", "catalogue-samples"],
    ),
    (CITY_ADMIN, &["calendar-cn", "exchange-deadlines", "divisions", "air-quality", "service-items"]),
];

/// The review that the demo's catalogue entries carry.
pub const REVIEW: [&str; 6] = ["--review", "演示-001", "--reviewed-by", "保密办公室", "--reviewed-on", "2026-11-24"];

/// Reads a pack's folder with those that it needs.
///
/// # Errors
/// `pack.findings`, `cli.file`.
pub fn read(packs: &Path, name: &str) -> Result<Pack, Problem> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(packs).map_err(|it| file_problem(packs, &it))?.flatten() {
        if entry.path().join("pack.yaml").is_file() {
            all.insert(entry.file_name().to_string_lossy().into_owned(), files(&entry.path())?);
        }
    }
    let read = pack::read_all(&all).map_err(|it| pack::problem(&it))?;
    let missing = file_problem(&packs.join(name), &"no such pack");
    read.into_iter().find(|it| it.id().as_str() == name).ok_or(missing)
}

/// Plays the step.
///
/// # Errors
/// What goes wrong; `demo.check`.
pub async fn take(stage: &mut Stage) -> Result<(), Problem> {
    let packs = if stage.sabotages(Step::Install) { spoiled(stage)? } else { stage.packs.clone() };
    for (seat, names) in INSTALLED {
        let there: Vec<String> =
            names.iter().map(|it| packs.join(it)).filter(|it| it.is_dir()).map(|it| it.display().to_string()).collect();
        let mut arguments = vec!["pack", "install"];
        arguments.extend(there.iter().map(String::as_str));
        arguments.extend(REVIEW);
        stage.ask(seat, &arguments).await?;
        let installed = stage.ask(seat, &["pack", "list"]).await?;
        let installed = items(&installed, "packs").len();
        let (org, names) = (seat.organisation, there.len());
        stage.check(
            &format!("{org} 已安装 {installed} 个数据包"),
            &format!("{org} has {installed} packs"),
            installed == names,
        )?;
    }
    entries::publish(stage).await?;
    let offers = stage.ask(BUREAU_REQUESTER, &["offer", "list", "--member", "js-scjg"]).await?;
    let share = |name: &str| {
        let found = items(&offers, "offers").iter().find(|it| it["offer"]["offer"] == name);
        found.map(|it| cell::at(stage.voice, it, "/offer/share")).unwrap_or_default()
    };
    let (base, operation) = (share("legal-person-base"), share("legal-person-operation"));
    stage.check(
        "市工信局向省市场监管局的节点询问：法人基础信息无条件共享，法人经营与信用信息有条件共享",
        "asked from Nanjing: base facts are offered unconditionally, operation and credit under conditions",
        base == "unconditional" && operation == "conditional",
    )
}

/// A copy of the packs in which an offer names a column that is not there.
fn spoiled(stage: &Stage) -> Result<PathBuf, Problem> {
    let folder = stage.folder.join("spoiled-packs");
    for entry in std::fs::read_dir(&stage.packs).map_err(|it| file_problem(&stage.packs, &it))?.flatten() {
        if !entry.path().join("pack.yaml").is_file() {
            continue;
        }
        for (name, text) in files(&entry.path())? {
            let path = folder.join(entry.file_name()).join(&name);
            let text =
                if name == "offers/legal-person-base.yaml" { text.replace("[uscc,", "[uscc, salary,") } else { text };
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(|it| file_problem(parent, &it))?;
            }
            std::fs::write(&path, text).map_err(|it| file_problem(&path, &it))?;
        }
    }
    Ok(folder)
}

/// A member of an object as text.
pub fn word(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
