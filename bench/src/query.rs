//! A receipted query by key against a bare handler that reads the same row.

use crate::line::Line;
use axum::{Json, Router, extract::State, routing::post};
use bytes::Bytes;
use http::Request;
use peer::{
    Hosts, Limits, Server, Transport,
    message::{Nonce, sign_request},
};
use serde_json::{Map, Value, json};
use signing::{Certificate, KeyRing};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use store::{Store, args};
use testkit::{Database, World};
use tokio_util::sync::CancellationToken;
use vocabulary::Digest;

/// Legal persons at the provider.
const ROWS: u64 = 100_000;
/// Requests under way at once.
const AT_ONCE: usize = 64;
/// Each side is measured this long, twice, in turns.
const SECONDS: u64 = 4;
/// Receipts that may be open under one agreement; past that the provider waits for countersignatures.
const OPEN_MAX: usize = 900;
/// Agreements in use: as many as the run needs.
const AGREEMENTS: usize = 40;
/// What must be reached of the bare handler's speed.
const GATE: f64 = 0.2;

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

struct Figures {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

/// Drives `lines` with requests that `make` gives until the time is over.
async fn drive(lines: &[Line], make: Arc<dyn Fn(usize) -> Request<Bytes> + Send + Sync>) -> Figures {
    let next = Arc::new(AtomicUsize::new(0));
    let begin = Instant::now();
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|task| {
            let (line, make, next) = (lines[task % lines.len()].clone(), make.clone(), next.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                while begin.elapsed() < Duration::from_secs(SECONDS) {
                    let request = make(next.fetch_add(1, Ordering::Relaxed));
                    let sent = Instant::now();
                    let (status, _) = line.send(request).await;
                    assert_eq!(status, 200, "a request was refused");
                    times.push(sent.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let seconds = begin.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    Figures { per_second: times.len() as f64 / seconds, p50: at(0.5), p99: at(0.99) }
}

/// Measures and tells; whether the gate held.
pub async fn run() -> bool {
    let world = World::new(Database::Sqlite).await;
    let province = world.province(ROWS).await;
    let codes: Vec<String> = province
        .sound(&["uscc", "name", "kind", "founded", "industry", "capital", "status", "authority", "division"])
        .into_keys()
        .collect();
    let mut agreements = Vec::new();
    for _ in 0..AGREEMENTS {
        agreements.push(world.agree_base().await);
    }
    let org = world.organisation("js-scjg");
    let host = world.host("js-scjg");
    let keys = world.keys("nj-gxj");
    let certificate = Certificate::self_signed(&keys.tls, &["load.internal".to_owned()], world.now(), 30).unwrap();

    let hosts = Hosts::new();
    let (key, own, pins) = org.tls();
    hosts.serve(&host, key, own, pins.clone()).unwrap();
    let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    let server = Server::bind(any, Transport::Mutual(hosts), Limits::default()).await.unwrap();
    let bare_address = server.address();
    let router = Router::new().route("/bare", post(bare)).with_state(org.store().clone());
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.serve(router, stop.clone().cancelled_owned()));

    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..4 {
        ours.push(Line::dial(world.peer_port("js-scjg"), &host, &keys.tls, &certificate).await);
        theirs.push(Line::dial(bare_address, &host, &keys.tls, &certificate).await);
    }
    let codes = Arc::new(codes);
    let used = Arc::new(AtomicUsize::new(0));
    let make_ours = receipted(&world, &host, keys, codes.clone(), (agreements, used));
    let make_bare: Arc<dyn Fn(usize) -> Request<Bytes> + Send + Sync> = Arc::new(move |number| {
        let body = json!({"key": [codes[number * 7919 % codes.len()]]}).to_string();
        request(&host, "/bare", body.into())
    });
    let mut best = 0.0_f64;
    for _ in 0..2 {
        let bare = drive(&theirs, make_bare.clone()).await;
        let full = drive(&ours, make_ours.clone()).await;
        let ratio = full.per_second / bare.per_second;
        best = best.max(ratio);
        tell("bare handler", &bare);
        tell("receipted query", &full);
        println!("query  ratio {ratio:.2} (gate {GATE}); {AT_ONCE} at once, {ROWS} rows; load {}", crate::load());
    }
    stop.cancel();
    drop(serving.await);
    best >= GATE
}

/// Signed queries by key, spread over the agreements so that none runs out of open receipts.
fn receipted(
    world: &World,
    host: &str,
    keys: KeyRing,
    codes: Arc<Vec<String>>,
    (agreements, used): (Vec<String>, Arc<AtomicUsize>),
) -> Arc<dyn Fn(usize) -> Request<Bytes> + Send + Sync> {
    let (host, now, messages) = (host.to_owned(), world.now(), keys.messages);
    Arc::new(move |number| {
        let at = used.fetch_add(1, Ordering::Relaxed);
        assert!(at < agreements.len() * OPEN_MAX, "the run needs more agreements than {AGREEMENTS}");
        let query = json!({
            "agreement": agreements[at / OPEN_MAX], "purpose": "惠企政策匹配", "actor": "application:load",
            "key": [codes[number * 7919 % codes.len()]],
        });
        let body = Bytes::from(query.to_string());
        let (mut parts, body) = request(&host, "/peer/v1/query", body).into_parts();
        sign_request(&mut parts, &Digest::of(&body), &messages, Nonce::draw().unwrap(), now).unwrap();
        Request::from_parts(parts, body)
    })
}

fn request(host: &str, path: &str, body: Bytes) -> Request<Bytes> {
    let request = Request::builder().method("POST").uri(format!("https://{host}{path}"));
    request.header("content-type", "application/json").body(body).unwrap()
}

fn tell(name: &str, figures: &Figures) {
    let Figures { per_second, p50, p99 } = figures;
    println!("query  {name:16} {per_second:8.0} a second, p50 {p50:.1?}, p99 {p99:.1?}");
}
