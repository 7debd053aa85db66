//! `query`: a receipted query by key against a bare handler that reads the same row, at the peak and at half of it.
//!
//! All requests are drawn up and signed before the clock starts. The generator runs in the same process on the same
//! cores; its CPU time is counted apart, so that what a server needs for one request can be compared too.

use crate::{
    line::Line,
    load::{Generator, Run, closed, open},
    pair::{PROVIDER, Pair},
    peers,
    report::{Bound, Figure, Report, Unit},
};
use axum::{Json, Router, extract::State, routing::post};
use bytes::Bytes;
use http::Request;
use serde_json::{Map, Value, json};
use std::time::Duration;
use store::{Store, args};
use testkit::PURPOSE;

const NAME: &str = "query";
/// Legal persons at the provider.
const ROWS: u64 = 100_000;
/// The same where other servers are compared.
const ROWS_WITH_PEERS: u64 = 1_000_000;
/// Requests under way at once.
pub const AT_ONCE: usize = 64;
/// Connections that they share.
const CONNECTIONS: usize = 4;
/// Each side is measured this long, in turns.
pub const LONG: Duration = Duration::from_secs(4);
const TURNS: usize = 2;
/// Before that, at most so many requests warm it up and say how many must be drawn up.
const WARM_UP: usize = 4_000;
/// So much more is drawn up than the warm-up suggests, in requests.
const HEADROOM: f64 = 1.6;
/// Receipts that may be open under one agreement; past that the provider waits for countersignatures.
const OPEN_MAX: usize = 900;
/// Keys follow one another in this stride, so that no two near rows are asked for one after the other.
const STRIDE: usize = 7_919;

/// What the bare handler does: the same columns of the same row, as JSON.
const BARE: &str = "
    SELECT uscc, name, kind, founded, industry, capital, status, authority, division
      FROM rec_legal_person WHERE uscc = $1";

async fn bare(State(store): State<Store>, Json(ask): Json<Value>) -> Json<Value> {
    let key = ask["key"][0].as_str().unwrap_or_default().to_owned();
    let rows = store.read().await.unwrap().rows(BARE, args![key]).await.unwrap();
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let mut cells = Map::new();
            for name in ["uscc", "name", "kind", "founded", "industry", "status", "authority", "division"] {
                cells.insert(name.to_owned(), json!(row.opt_text(name).unwrap()));
            }
            let fen = row.opt_int("capital").unwrap();
            cells.insert("capital".to_owned(), json!(fen.map(|it| format!("{}.{:02}", it / 100, it % 100))));
            Value::Object(cells)
        })
        .collect();
    Json(json!({"rows": rows}))
}

/// Requests drawn up ahead: keys in a stride through all rows, agreements so that none runs out of open receipts.
struct Asks<'a> {
    pair: &'a Pair,
    codes: &'a [String],
    asked: usize,
    agreements: Vec<String>,
    receipts: usize,
}

impl Asks<'_> {
    fn key(&mut self) -> &str {
        self.asked += 1;
        &self.codes[self.asked * STRIDE % self.codes.len()]
    }

    fn bare(&mut self, count: usize) -> Vec<Request<Bytes>> {
        let pair = self.pair;
        (0..count).map(|_| pair.plain("POST", "/bare", &json!({"key": [self.key()]}))).collect()
    }

    async fn receipted(&mut self, count: usize) -> Vec<Request<Bytes>> {
        let pair = self.pair;
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            let at = self.receipts / OPEN_MAX;
            if at == self.agreements.len() {
                self.agreements.push(pair.world.agree_base().await);
            }
            self.receipts += 1;
            let agreement = self.agreements[at].clone();
            let ask = json!({
                "agreement": agreement, "purpose": PURPOSE, "actor": "application:load", "key": [self.key()],
            });
            all.push(pair.signed("POST", "/peer/v1/query", &ask));
        }
        all
    }
}

fn enough(warm: &Run) -> usize {
    ((warm.per_second() * LONG.as_secs_f64() * HEADROOM) as usize).max(WARM_UP)
}

fn shared(lines: &[Line]) -> Vec<Line> {
    (0..AT_ONCE).map(|task| lines[task % lines.len()].another()).collect()
}

fn tell(report: &mut Report, name: &str, run: &Run) {
    let (p50, p99, server, generator) = (run.within(0.5), run.within(0.99), run.server_cpu(), run.generator_cpu());
    let note = format!(
        "{AT_ONCE} at once, p50 {p50:.1?}, p99 {p99:.1?}; CPU a request {server:.1?}, the generator's {generator:.1?}"
    );
    report.tell(&Figure::new(NAME, name, run.per_second(), Unit::PerSecond).note(note));
}

/// Measures and tells.
pub async fn run(report: &mut Report, with_peers: bool) {
    let rows = if with_peers { ROWS_WITH_PEERS } else { ROWS };
    let pair = Pair::with_rows(rows).await;
    let codes = pair.codes().await;
    let store = pair.world.organisation(PROVIDER).store().clone();
    let beside = pair.beside(Router::new().route("/bare", post(bare)).with_state(store)).await;
    let generator = Generator::new();
    let ours = pair.dial(&generator, pair.port(), CONNECTIONS).await;
    let theirs = pair.dial(&generator, beside.address, CONNECTIONS).await;
    let mut asks = Asks { pair: &pair, codes: &codes, asked: 0, agreements: Vec::new(), receipts: 0 };

    let warm = asks.receipted(WARM_UP).await;
    let need_ours = enough(&closed(&generator, shared(&ours), warm, LONG).await);
    let warm = asks.bare(WARM_UP);
    let need_bare = enough(&closed(&generator, shared(&theirs), warm, LONG).await);
    let (mut peak, mut ratio, mut cpu) = (0.0_f64, 0.0_f64, 0.0_f64);
    for _ in 0..TURNS {
        let requests = (asks.bare(need_bare), asks.receipted(need_ours).await);
        let bare = closed(&generator, shared(&theirs), requests.0, LONG).await;
        let full = closed(&generator, shared(&ours), requests.1, LONG).await;
        tell(report, "bare handler", &bare);
        tell(report, "receipted query", &full);
        peak = peak.max(full.per_second());
        ratio = ratio.max(full.per_second() / bare.per_second());
        cpu = cpu.max(bare.server_cpu().as_secs_f64() / full.server_cpu().as_secs_f64());
    }
    let conditions = format!("{rows} rows, SQLite, better of {TURNS} turns");
    let figure = Figure::new(NAME, "receipted query to bare handler", ratio, Unit::Ratio);
    report.tell(&figure.gate(Bound::AtLeast(0.2)).goal(Bound::AtLeast(0.35)).note(conditions));
    report.tell(&Figure::new(NAME, "the same by the servers' CPU alone", cpu, Unit::Ratio));
    half(report, &generator, &ours, &mut asks, peak / 2.0).await;
    drop((ours, theirs, beside));
    if with_peers {
        peers::compare(report, &generator, &pair, &codes, peak).await;
    }
}

/// At half the peak, where callers wait for nothing but their own answer.
async fn half(report: &mut Report, generator: &Generator, lines: &[Line], asks: &mut Asks<'_>, per_second: f64) {
    let requests = asks.receipted((per_second * LONG.as_secs_f64()) as usize).await;
    let run = open(generator, shared(lines), requests, per_second).await;
    let note = format!("{per_second:.0}/s at fixed times for {:.1?}", run.took);
    for (name, share, gate) in [("p50", 0.5, None), ("p99", 0.99, Some(Bound::Below(25.0)))] {
        let name = format!("receipted query at half the peak, {name}");
        let figure = Figure::new(NAME, name, run.within(share).as_secs_f64() * 1e3, Unit::Millis).note(&note);
        report.tell(&gate.map_or(figure.clone(), |it| figure.gate(it)));
    }
}
