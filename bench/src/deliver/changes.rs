//! `deliver-changes`: rows change at a steady rate while a delivery follows; how old is what the table shows?

use super::{CHANGES, scene::Scene};
use crate::{
    pair::PROVIDER,
    report::{Bound, Figure, Report, Unit},
};
use node::{Organisation, draw_uuid};
use policy::{Facts, Permit, Principal, Role, decide};
use registry::{RowId, Selection, Write};
use schema::{RecordType, Value};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use store::{Statement, Store, transact};

/// Changes a second.
const RATE: u64 = 10_000;
/// They are written so many at a time.
const WRITE_ROWS: u64 = 1_000;
/// For so long; the first seconds warm up and do not count.
const SECONDS: u64 = 30;
const WARM_SECONDS: u64 = 5;
/// What was written must be there this long after the last write.
const DRAIN: Duration = Duration::from_secs(30);
/// How often the table is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// Rows that change, in turn.
const ROWS: usize = 100_000;
/// The delivery.
const PLAN: &str = "follow";
const LAG_SECONDS: Bound = Bound::Below(2.0);
const PER_SECOND: Bound = Bound::AtLeast(RATE as f64 * 0.99);
/// The column that changes: money, in fen.
const COLUMN: &str = "capital";

fn permit(org: &Organisation, record: &RecordType, rows: Vec<Vec<Value>>) -> Permit<Write> {
    let first = RowId::from_uuid(draw_uuid(org.now()));
    let ask = Write { record: record.name.clone(), rows, first, why: "bench".to_owned() };
    let principal = Principal::job(org.id().clone(), "bench", [Role::DataSteward]);
    decide(&Facts { organisation: org.id().clone(), principal, now: org.now(), agreement: None }, ask).unwrap()
}

/// The first rows of the registry's table, whole.
async fn rows(org: &Organisation, record: &RecordType) -> Vec<Vec<Value>> {
    let mut rows: Vec<Vec<Value>> = Vec::with_capacity(ROWS);
    let mut selection = Selection::all(record);
    while rows.len() < ROWS {
        let mut reader = org.store().read().await.unwrap();
        let page = registry::page(&mut reader, record, &selection, registry::PAGE_ROWS_MAX).await.unwrap();
        assert!(!page.is_empty(), "there are too few rows");
        rows.extend(page.into_iter().map(|it| it.values));
        selection.after = rows.last().map(|it| record.key_indexes().iter().map(|at| it[*at].clone()).collect());
    }
    rows
}

/// Writes so many rows at a time, each batch at its planned moment. The first row takes part in each: its value is the
/// batch's number. Says when each began, and how long all took.
async fn write(org: Arc<Organisation>, record: RecordType) -> (Vec<Instant>, Duration) {
    let mut all = rows(&org, &record).await;
    let at = record.index_of(COLUMN).unwrap();
    let every = Duration::from_secs(1) * u32::try_from(WRITE_ROWS).unwrap() / u32::try_from(RATE).unwrap();
    let begun = Instant::now();
    let (mut times, mut place) = (Vec::new(), 1);
    for number in 1..=(SECONDS * RATE / WRITE_ROWS) {
        tokio::time::sleep_until((begun + every * u32::try_from(number).unwrap()).into()).await;
        let mut batch = Vec::new();
        let last = place + usize::try_from(WRITE_ROWS).unwrap() - 1;
        for row in std::iter::once(0).chain((place..last).map(|it| 1 + it % (ROWS - 1))) {
            all[row][at] = Value::Scaled(i64::try_from(number).unwrap());
            batch.push(all[row].clone());
        }
        place = last;
        let permit = permit(&org, &record, batch);
        times.push(Instant::now());
        let now = org.now();
        transact!(org.store(), None, |tx| registry::write(tx, &permit, now).await).unwrap();
    }
    (times, begun.elapsed())
}

/// Looks at the first row outside until it has the last number; when each number, or a later one, was first there.
async fn watch(url: String, until: u64, end: Instant) -> Vec<Instant> {
    let store = Store::open(&url, "bench_watch").await.unwrap();
    let sql = format!("SELECT CAST({COLUMN} * 100 AS bigint) AS it FROM public.{PLAN} ORDER BY uscc LIMIT 1");
    let mut seen = Vec::new();
    while (seen.len() as u64) < until && Instant::now() < end {
        let row = store.read().await.unwrap().row(Statement::built(sql.clone()), vec![]).await.unwrap();
        // What stood there before the first batch is a sum of money, and no number of ours.
        let number = row.unwrap().opt_int("it").unwrap().and_then(|it| usize::try_from(it).ok());
        if let Some(number) = number.filter(|it| *it as u64 <= until && *it > seen.len()) {
            seen.resize(number, Instant::now());
        }
        tokio::time::sleep(LOOK).await;
    }
    store.close().await;
    seen
}

/// Measures and tells.
pub async fn run(report: &mut Report, scene: &Scene) {
    scene.plan(PLAN, &scene.agreement, Some("every 1s")).await;
    scene.run(PLAN).await;
    let batches = SECONDS * RATE / WRITE_ROWS;
    let end = Instant::now() + Duration::from_secs(SECONDS * 3) + DRAIN;
    let watching = tokio::spawn(watch(scene.outside.url(), batches, end));
    let record = scene.world.organisation(PROVIDER).packs().record(&"legal-person".parse().unwrap()).unwrap().clone();
    let (begun, took) = scene.world.on(PROVIDER, move |org| write(org, record)).await;
    let seen = watching.await.unwrap();
    let changes = batches * WRITE_ROWS;
    let rate = changes as f64 / took.as_secs_f64();
    let note = format!("{changes} changes, {WRITE_ROWS} in a write, {} of {ROWS} rows; {}", COLUMN, scene.fsync);
    report.tell(&Figure::new(CHANGES, "changes written", rate, Unit::PerSecond).note(note).gate(PER_SECOND));
    let warm = usize::try_from(WARM_SECONDS * RATE / WRITE_ROWS).unwrap();
    let lags = seen.iter().zip(&begun).skip(warm).map(|(seen, begun)| (*seen - *begun).as_secs_f64());
    let mut lags: Vec<f64> = lags.collect();
    // What never came is later than anything.
    lags.resize(begun.len() - warm, f64::INFINITY);
    lags.sort_by(f64::total_cmp);
    let at = |part: f64| lags[((lags.len() - 1) as f64 * part) as usize];
    let note = format!("p50 {:.2} s, most {:.2} s", at(0.5), at(1.0));
    report.tell(&Figure::new(CHANGES, "lag of a change, p95", at(0.95), Unit::Seconds).note(note).gate(LAG_SECONDS));
    let took = scene.run(PLAN).await.compared.as_secs_f64();
    let figure = Figure::new(CHANGES, "the comparison behind it", took, Unit::Seconds);
    report.tell(&figure.note("all rows read on both sides, and the same"));
}
