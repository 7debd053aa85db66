//! `deliver-table`: a million rows, and the same by `COPY` between the two databases.

use super::{TABLE, scene::Scene};
use crate::report::{Bound, Figure, Report, Unit};
use std::{
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::process::Command;

/// Each is done so often, in turn; the middle one counts.
const TIMES: usize = 3;
/// A `COPY` must be done within this.
const LONG: Duration = Duration::from_secs(120);
const TIMES_AS_LONG: Bound = Bound::Below(3.0);
/// The registry's table and the delivered columns.
const COLUMNS: &str = "uscc, name, kind, founded, industry, capital, status, authority, division";

fn psql(url: &str, sql: &str) -> Command {
    let mut psql = Command::new("psql");
    psql.args([url, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]).kill_on_drop(true);
    psql
}

/// Seconds that `COPY` takes from one database into an equal, empty table of the other.
async fn copied(scene: &Scene, into: &str, like: &str) -> Result<f64, String> {
    let failed = |it: std::io::Error| it.to_string();
    scene.outside.run(&format!("CREATE TABLE {into} (LIKE {like} INCLUDING ALL); CHECKPOINT")).await;
    let begun = Instant::now();
    let out = format!("COPY (SELECT {COLUMNS} FROM js_scjg.rec_legal_person) TO STDOUT");
    let mut from = psql(&scene.source, &out).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let pipe: Stdio = from.stdout.take().unwrap().try_into().map_err(failed)?;
    let fill = format!("COPY {into} ({COLUMNS}) FROM STDIN");
    let mut to = psql(&scene.outside.url(), &fill).stdin(pipe).spawn().map_err(failed)?;
    let both = async { (to.wait().await, from.wait().await) };
    let (to, from) = tokio::time::timeout(LONG, both).await.map_err(|it| it.to_string())?;
    let took = begun.elapsed().as_secs_f64();
    if to.map_err(failed)?.success() && from.map_err(failed)?.success() {
        Ok(took)
    } else {
        Err("psql failed".to_owned())
    }
}

fn middle(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Measures and tells.
pub async fn run(report: &mut Report, scene: &Scene) {
    let (mut filled, mut compared, mut direct) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..TIMES {
        let name = format!("whole-{number}");
        scene.plan(&name, &scene.agreement, None).await;
        scene.outside.run("CHECKPOINT").await;
        let took = scene.run(&name).await;
        filled.push(took.filled.as_secs_f64());
        compared.push(took.compared.as_secs_f64());
        match copied(scene, &format!("direct_{number}"), "whole_0").await {
            Ok(took) => direct.push(took),
            Err(why) => {
                let zh = format!("未能与 psql 比较：{why}；须有程序 psql（apt-get install postgresql-client）");
                let en = format!("not compared with psql: {why}; psql is needed (apt-get install postgresql-client)");
                return report.fail(TABLE, &zh, &en);
            }
        }
    }
    let rows = scene.shown("whole-0").await["progress"]["reconciled"]["rows_here"].clone();
    let note = |all: &[f64]| {
        let all: Vec<String> = all.iter().map(|it| format!("{it:.2}")).collect();
        format!("{rows} rows, {}; each time {}", scene.fsync, all.join(" "))
    };
    let figure = |name: &str, value: f64, unit| Figure::new(TABLE, name, value, unit);
    let [n_filled, n_compared, n_direct] = [note(&filled), note(&compared), note(&direct)];
    let (filled, compared, direct) = (middle(filled), middle(compared), middle(direct));
    report.tell(&figure("delivered, until rows and mark are there", filled, Unit::Seconds).note(n_filled));
    report.tell(&figure("delivered, and compared", compared, Unit::Seconds).note(n_compared));
    report.tell(&figure("COPY TO | COPY FROM, same columns and key", direct, Unit::Seconds).note(n_direct));
    let ratio = figure("delivered as a multiple of COPY", filled / direct, Unit::Ratio);
    report.tell(&ratio);
    let ratio = figure("delivered and compared, as a multiple of COPY", compared / direct, Unit::Ratio);
    report.tell(&ratio.gate(TIMES_AS_LONG));
    let again = scene.run("whole-0").await.compared;
    let figure = figure("a run without changes: the comparison alone", again.as_secs_f64(), Unit::Seconds);
    report.tell(&figure);
}
