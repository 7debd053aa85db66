//! B5: the month is accounted for: the bulletin in Markdown and as a workbook, twice, with a kill between: the same
//! figures, each of which leads to what it was counted from.

use super::super::install::word;
use super::super::people::{PROVIDER_ADMIN, Seat};
use super::super::process::Place;
use super::super::stage::Stage;
use super::{Bureau, killed};
use crate::client::{Client, encoded};
use crate::exit::file_problem;
use crate::output::cell;
use crate::target::Target;
use node::{Clock as _, SystemClock};
use serde_json::Value;
use std::collections::BTreeSet;
use vocabulary::{Problem, date_in_shanghai};

/// Who looks at accounts.
const AUDITOR: Seat = PROVIDER_ADMIN.with("auditadmin");
/// What must have been counted in this demo.
const COUNTED: [&str; 4] = ["entries-compiled", "requests-answered", "objections-corrected", "calls"];

/// A proof has so many pages at most here.
const PAGES_MAX: usize = 100;

/// The month of this moment, like `2026-11`.
pub fn now() -> String {
    let today = date_in_shanghai(SystemClock.now());
    format!("{:04}-{:02}", today.year(), today.month())
}

/// Plays the step.
///
/// # Errors
/// What goes wrong; `demo.check`.
pub async fn take(stage: &mut Stage, bureau: &Bureau) -> Result<(), Problem> {
    // A demo that runs over midnight may have begun in the month before.
    let months = BTreeSet::from([bureau.month.clone(), now()]);
    let first = figures(stage, &months).await?;
    killed(stage, Place::Provider, "提供方进程", "the provider's process").await?;
    let again = figures(stage, &months).await?;
    let count = |name: &str| -> u64 {
        again.iter().filter(|it| it["name"] == name).filter_map(|it| cell::number(it, "/count")).sum()
    };
    let shown = COUNTED.map(|it| format!("{it} {}", count(it))).join("，");
    let named = months.iter().map(String::as_str).collect::<Vec<_>>().join("、");
    stage.check(
        &format!("月报 {named}：{shown}；重启前后各数相同"),
        &format!("the bulletin of {named}: {shown}; the same before and after a kill"),
        COUNTED.iter().all(|it| count(it) > 0) && first == again,
    )?;
    let mut proven = 0;
    for figure in &again {
        proven +=
            usize::from(Some(counted_from(stage, &word(figure, "/proof")).await?) == cell::number(figure, "/count"));
    }
    stage.check(
        &format!("{proven} 个数字各由依据逐件数出"),
        &format!("each of {proven} figures is as many as what it says that it was counted from"),
        proven == again.len() && proven > 0,
    )?;
    for (option, file) in [("--markdown", "月报.md"), ("--xlsx", "月报.xlsx")] {
        let path = stage.folder.join(file);
        stage.ask(AUDITOR, &["bulletin", &bureau.month, option, &path.display().to_string()]).await?;
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

/// The figures of these months.
async fn figures(stage: &Stage, months: &BTreeSet<String>) -> Result<Vec<Value>, Problem> {
    let mut figures = Vec::new();
    for month in months {
        figures.extend_from_slice(cell::list(&stage.ask(AUDITOR, &["bulletin", month]).await?, "/figures"));
    }
    Ok(figures)
}

/// How many stand behind a figure's proof, page by page.
async fn counted_from(stage: &Stage, proof: &str) -> Result<u64, Problem> {
    let node = stage.process(AUDITOR.place);
    let token = node.folder.join(AUDITOR.organisation).join("tokens").join(AUDITOR.token);
    let token = std::fs::read_to_string(&token).map_err(|it| file_problem(&token, &it))?;
    let (base, organisation) = (format!("http://{}", node.client), Some(AUDITOR.organisation.to_owned()));
    let client = Client::new(Target { base, organisation, token: Some(token) })?;
    let (mut count, mut after) = (0, String::new());
    for _ in 0..PAGES_MAX {
        let behind = if after.is_empty() { String::new() } else { format!("&after={}", encoded(&after)) };
        let page = client.get(&format!("{proof}{behind}"), &[]).await?;
        count += cell::list(&page, "/ids").len() as u64;
        after = word(&page, "/next");
        if after.is_empty() {
            break;
        }
    }
    Ok(count)
}
