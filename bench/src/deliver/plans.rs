//! `deliver-plans`: a thousand deliveries, each on its schedule, each into its own table: memory of the whole process,
//! in which provider, consumer and hub run.

use super::{ONCE, PLANS, scene::Scene};
use crate::{
    import::output,
    pair::CONSUMER,
    report::{Bound, Figure, Report, Unit},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::process::Command;

/// Deliveries.
const COUNT: usize = 1_000;
/// Under so many agreements, in turn.
const AGREEMENTS: usize = 10;
/// Rows of each.
const ROWS: u64 = 200;
/// Each runs once a minute.
const SCHEDULE: &str = "every 1m";
/// Every delivery must have run so often, within the time below.
const RUNS: usize = 3;
const LONG: Duration = Duration::from_secs(480);
const LOOK: Duration = Duration::from_secs(2);
const RESIDENT_MEGABYTES: Bound = Bound::Below(512.0);

fn kilobytes(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Carries so many deliveries until each has run so often; says how that went.
pub async fn once(count: usize) -> Value {
    let scene = Scene::with_rows(ROWS).await;
    let mut agreements = vec![scene.agreement.clone()];
    while agreements.len() < AGREEMENTS {
        agreements.push(scene.world.agree_base().await);
    }
    let begun = Instant::now();
    for (number, agreement) in (0..count).zip(agreements.iter().cycle()) {
        scene.plan(&format!("plan-{number}"), agreement, Some(SCHEDULE)).await;
    }
    let planned = begun.elapsed();
    // How often each was compared, and when it was last: every run is one comparison.
    let mut seen: BTreeMap<String, (usize, Value)> = BTreeMap::new();
    let done = |seen: &BTreeMap<String, (usize, Value)>| seen.values().filter(|it| it.0 >= RUNS).count();
    while done(&seen) < count && begun.elapsed() < LONG {
        tokio::time::sleep(LOOK).await;
        let all = scene.world.as_(CONSUMER, "data-steward").get("/v1/deliveries").await.expect_status(200);
        for plan in all.as_array().unwrap() {
            let (name, found) = (plan["plan"]["name"].as_str().unwrap(), &plan["progress"]["reconciled"]);
            let (runs, at) = seen.entry(name.to_owned()).or_default();
            if found["same"] == true && *at != found["at"] {
                *runs += 1;
                *at = found["at"].clone();
            }
        }
    }
    json!({
        "planned": planned.as_secs_f64(), "took": begun.elapsed().as_secs_f64(), "done": done(&seen),
        "most": kilobytes("VmHWM:") * 1_024.0 / 1e6, "now": kilobytes("VmRSS:") * 1_024.0 / 1e6,
    })
}

/// Measures and tells.
pub async fn run(report: &mut Report) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let said = match output(child.args([ONCE, &COUNT.to_string()])).await {
        Ok(said) => said,
        Err(why) => return report.fail(PLANS, &format!("未能测量：{why}"), &format!("not measured: {why}")),
    };
    let found: Value = serde_json::from_str(&said).unwrap();
    let value = |name: &str| found[name].as_f64().unwrap();
    let note = format!("each {RUNS} times or more, {SCHEDULE}, {ROWS} rows each; planned in {:.0} s", value("planned"));
    let ran = Figure::new(PLANS, "deliveries that ran and were the same", value("done"), Unit::Count);
    report.tell(&ran.note(note).gate(Bound::AtLeast(COUNT as f64)));
    report.tell(&Figure::new(PLANS, "all of them", value("took"), Unit::Seconds));
    let note = format!("provider, consumer and hub in one process; {:.0} MB at the end", value("now"));
    let most = Figure::new(PLANS, "most resident memory", value("most"), Unit::Megabytes);
    report.tell(&most.note(note).gate(RESIDENT_MEGABYTES));
}
