//! What it was for: the policy platform matches enterprises to policies, from what it has received and nothing else.

use super::received;
use super::sample::enterprise;
use super::stage::Stage;
use crate::output::{cell, print, table};
use ::sample::policies;
use std::collections::HashMap;
use vocabulary::Problem;

/// Plays the end.
///
/// # Errors
/// What goes wrong; `demo.check`.
pub async fn take(stage: &mut Stage) -> Result<(), Problem> {
    let (Some(base), Some(operation)) = (stage.learned.base_parts.clone(), stage.learned.operation_parts.clone())
    else {
        return Ok(());
    };
    // Of all legal persons only the industry, and only of those that are in Nanjing.
    let mut wanted: HashMap<String, [String; 4]> = HashMap::new();
    received::rows(&operation, &["uscc", "staff", "revenue", "abnormal", "violation"], |cells| {
        if let [uscc, rest @ ..] = cells {
            let rest: Vec<String> = rest.to_vec();
            if let Ok(rest) = rest.try_into() {
                wanted.insert(uscc.clone(), rest);
            }
        }
    })?;
    let all = policies();
    let mut counts = vec![0_u64; all.len()];
    let mut enterprises = 0_u64;
    received::rows(&base, &["uscc", "industry"], |cells| {
        let [uscc, industry] = cells else { return };
        let Some([staff, revenue, abnormal, violation]) = wanted.get(uscc) else { return };
        let enterprise = enterprise(industry, staff, revenue, abnormal, violation);
        let mut any = false;
        for (policy, count) in all.iter().zip(&mut counts) {
            if policy.matches(&enterprise) {
                *count += 1;
                any = true;
            }
        }
        enterprises += u64::from(any);
    })?;
    if !stage.voice.json {
        let rows: Vec<Vec<String>> = all
            .iter()
            .zip(&counts)
            .map(|(policy, count)| {
                vec![stage.voice.pick(&policy.title.zh, &policy.title.en).to_owned(), cell::grouped(*count)]
            })
            .collect();
        let text = table(stage.voice, &[("政策", "Policy"), ("符合的企业", "Enterprises")], &rows);
        print(&text.lines().map(|it| format!("    {it}\n")).collect::<String>());
    }
    let matched = counts.iter().filter(|it| **it > 0).count();
    let expected = stage.learned.sample.as_ref().map_or(0, |it| it.matched);
    let shown = cell::grouped(enterprises);
    stage.check(
        &format!("惠企政策平台：{shown} 家企业符合 {matched} 项政策（与源文件直接计算相同；政策为示例）"),
        &format!("policy platform: {shown} enterprises match {matched} policies (as in the file; example policies)"),
        enterprises == expected && enterprises > 0,
    )
}
