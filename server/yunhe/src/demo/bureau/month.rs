//! B5: the month is accounted for: the bulletin in Markdown and as a workbook, twice, with a kill between: the same
//! figures, each of which leads to what it was counted from.

use super::super::install::word;
use super::super::people::PROVIDER_ADMIN;
use super::super::process::Place;
use super::super::stage::Stage;
use super::killed;
use crate::exit::file_problem;
use crate::output::cell;
use node::{Clock as _, SystemClock};
use serde_json::Value;
use vocabulary::{Problem, date_in_shanghai};

/// What must have been counted in this demo.
const COUNTED: [&str; 4] = ["entries-compiled", "requests-answered", "objections-corrected", "calls"];

/// Plays the step.
///
/// # Errors
/// What goes wrong; `demo.check`.
pub async fn take(stage: &mut Stage) -> Result<(), Problem> {
    let auditor = PROVIDER_ADMIN.with("auditadmin");
    let today = date_in_shanghai(SystemClock.now());
    let month = format!("{:04}-{:02}", today.year(), today.month());
    let first: Value = stage.ask(auditor, &["bulletin", &month]).await?;
    killed(stage, Place::Provider, "提供方进程", "the provider's process").await?;
    let again: Value = stage.ask(auditor, &["bulletin", &month]).await?;
    let figures = cell::list(&again, "/figures");
    let count = |name: &str| -> u64 {
        figures.iter().filter(|it| it["name"] == name).filter_map(|it| cell::number(it, "/count")).sum()
    };
    let shown = COUNTED.map(|it| format!("{it} {}", count(it))).join("，");
    stage.check(
        &format!("月报 {month}：{shown}；重启前后各数相同"),
        &format!("the bulletin of {month}: {shown}; the same before and after a kill"),
        COUNTED.iter().all(|it| count(it) > 0) && first["figures"] == again["figures"],
    )?;
    let proofs = figures.iter().filter(|it| !word(it, "/proof").is_empty()).count();
    stage.check(
        &format!("{proofs} 个数字各有依据可查"),
        &format!("each of {proofs} figures leads to what it was counted from"),
        proofs == figures.len() && proofs > 0,
    )?;
    for (option, file) in [("--markdown", "月报.md"), ("--xlsx", "月报.xlsx")] {
        let path = stage.folder.join(file);
        stage.ask(auditor, &["bulletin", &month, option, &path.display().to_string()]).await?;
        let bytes = std::fs::read(&path).map_err(|it| file_problem(&path, &it))?;
        let sound = if option == "--xlsx" {
            bytes.starts_with(b"PK")
        } else {
            String::from_utf8_lossy(&bytes).starts_with("# 数据共享月报")
        };
        stage.check(&format!("写出 {file}"), &format!("written: {file}"), sound)?;
    }
    Ok(())
}
