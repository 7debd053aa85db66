//! Step 3: find. The hub gathers the catalogues of both nodes; words in Chinese and English lead to the right entry.

use super::install::word;
use super::people::{HUB_CATALOGUER, PROVIDER_CATALOGUER};
use super::process::Place;
use super::stage::{Stage, seconds};
use super::{Step, foreign};
use crate::output::cell;
use serde_json::Value;
use std::time::Instant;
use vocabulary::Problem;

/// The queries with the entry that must come first: the list that the catalogue's own tests use.
const QUERIES: &str = include_str!("../../../../acts/catalog/src/queries.yaml");
/// Of these as many as a demo shows.
const QUERIES_MAX: usize = 24;
/// The facets that the guide asks for.
const FACETS: [&str; 6] = ["organisation", "theme", "class", "grade", "share", "cycle"];

/// A line of the list: `- {query: 企业登记, first: enterprise-base}`.
fn expected() -> Vec<(&'static str, &'static str)> {
    let line = |it: &'static str| {
        let (query, first) = it.strip_prefix("- {query: ")?.strip_suffix('}')?.split_once(", first: ")?;
        Some((query.trim_matches('"'), first.trim_matches('"')))
    };
    let all: Vec<_> = QUERIES.lines().filter_map(line).collect();
    // Evenly over the list, so that each kind of query occurs.
    let step = (all.len() / QUERIES_MAX).max(1);
    all.into_iter().step_by(step).collect()
}

/// Plays the step.
///
/// # Errors
/// What goes wrong; `demo.check`.
pub async fn take(stage: &mut Stage) -> Result<(), Problem> {
    if stage.sabotages(Step::Find) {
        stage.process_mut(Place::Provider).kill().await;
    }
    for member in ["js-scjg", "nj-data"] {
        let taken = harvest(stage, member).await?;
        stage.check(
            &format!("省数据局从 {member} 汇聚目录 {taken} 条"),
            &format!("the hub took {taken} entries over from {member}"),
            taken > 0,
        )?;
    }
    words(stage).await?;
    facets(stage).await?;
    reread(stage).await?;
    foreign::take(stage).await
}

/// The hub takes over a member's catalogue; says how many changes it took.
///
/// # Errors
/// What the node says.
pub async fn harvest(stage: &Stage, member: &str) -> Result<u64, Problem> {
    let done = stage.ask(HUB_CATALOGUER, &["catalog", "harvest", member]).await?;
    Ok(cell::number(&done, "/taken").unwrap_or(0))
}

async fn words(stage: &mut Stage) -> Result<(), Problem> {
    let (mut wrong, begun) = (Vec::new(), Instant::now());
    let queries = expected();
    for (query, first) in &queries {
        let found = stage.ask(HUB_CATALOGUER, &["catalog", "search", query, "--limit", "3"]).await?;
        let got = word(&found, "/hits/0/entry");
        if got != *first {
            wrong.push(format!("{query} → {got}，{first}"));
        }
    }
    let (count, took) = (queries.len(), seconds(begun.elapsed()));
    stage.say(
        &format!("例如：企业登记 → enterprise-base；{count} 次检索（各起一个命令）共 {took}"),
        &format!("for example 企业登记 → enterprise-base; {count} searches, a command each, took {took}"),
    );
    let wrong = if wrong.is_empty() { String::new() } else { format!("（{}）", wrong.join("；")) };
    stage.check(
        &format!("{count} 个中英文检索词各自首先得到应得的条目{wrong}"),
        &format!("each of {count} queries in Chinese and English finds its entry first {wrong}"),
        wrong.is_empty(),
    )
}

async fn facets(stage: &mut Stage) -> Result<(), Problem> {
    let all = stage.ask(HUB_CATALOGUER, &["catalog", "search"]).await?;
    let total = cell::number(&all, "/total").unwrap_or(0);
    let count = |facet: &str| -> u64 {
        cell::list(&all, &format!("/facets/{facet}")).iter().filter_map(|it| cell::number(it, "/1")).sum()
    };
    let complete = FACETS.iter().all(|it| count(it) == total);
    stage.check(
        &format!("{total} 条目录按提供单位、主题、类、级、共享类型、更新周期计数，各自合计相符"),
        &format!("{total} entries, counted by owner, theme, class, grade, sharing and cycle, each summing up"),
        total > 0 && complete,
    )?;
    for (sharing, zh, en) in [
        ("unconditional", "无条件共享", "shared without condition"),
        ("conditional", "有条件共享", "shared under conditions"),
        ("refused", "不予共享", "not shared"),
    ] {
        let some = stage.ask(HUB_CATALOGUER, &["catalog", "search", "--sharing", sharing]).await?;
        let (got, told) = (cell::number(&some, "/total").unwrap_or(0), shares(&all, sharing));
        stage.check(&format!("{zh} {got} 条"), &format!("{got} are {en}"), got == told)?;
    }
    Ok(())
}

fn shares(all: &Value, sharing: &str) -> u64 {
    let pairs = cell::list(all, "/facets/share");
    pairs.iter().find(|it| it[0] == sharing).and_then(|it| cell::number(it, "/1")).unwrap_or(0)
}

/// The same entry at the hub, where it was harvested, and at the provider, whose it is.
async fn reread(stage: &mut Stage) -> Result<(), Problem> {
    let search = ["catalog", "search", "法人经营与信用信息", "--limit", "1"];
    let found = stage.ask(HUB_CATALOGUER, &search).await?;
    let (code, entry) = (word(&found, "/hits/0/code"), word(&found, "/hits/0/entry"));
    let here = stage.ask(HUB_CATALOGUER, &["catalog", "show", &code]).await?;
    let there = stage.ask(PROVIDER_CATALOGUER, &["catalog", "show", &code]).await?;
    let of = |value: &Value| {
        let all = crate::commands::pack::items(value, "entries").first().cloned().unwrap_or_else(|| value.clone());
        all.get("entry").filter(|it| it.is_object()).cloned().unwrap_or(all)
    };
    let (here, there) = (of(&here), of(&there));
    let same = ["title", "code", "description", "share", "grade"]
        .iter()
        .all(|it| here[*it] == there[*it] && !here[*it].is_null());
    stage.check(
        &format!("{code} 在省数据局与省市场监管局两处一致"),
        &format!("{code} is the same at the hub and at the provider"),
        same && entry == "legal-person-operation",
    )
}
