//! `call`: a service called through both nodes, receipted, against the same service called directly, at a fixed rate.
//!
//! Callers speak HTTP/1.1 over kept connections, as application systems do, and come at fixed times whatever became of
//! those before; a latency counts from the planned time. Direct and proxied calls take turns in one run. Service, nodes
//! and generator share the machine's cores.

use crate::{
    line::Line,
    load::{Generator, Run, open_own},
    pair::{CONSUMER, PROVIDER, Pair},
    report::{Bound, Figure, Report, Unit},
};
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use testkit::{TestService, World};
use tokio::runtime::Builder;

const NAME: &str = "call";
/// Calls a second.
const PER_SECOND: f64 = 500.0;
/// Each side is measured this long, in turns.
const LONG: Duration = Duration::from_secs(4);
const TURNS: usize = 3;
/// Before that it is warmed up.
const WARM_UP: Duration = Duration::from_secs(2);
/// Connections of the callers.
const CONNECTIONS: usize = 64;
/// Receipts that may be open under one agreement; past that the provider waits for countersignatures.
const OPEN_MAX: usize = 900;

const SERVICE: &str = "
service: bench-service
title: {zh: 企业查询服务, en: Enterprise service}
connection: bench-api
operations:
  get-enterprise:
    title: {zh: 查询企业, en: Get one enterprise}
    method: GET
    path: /enterprises/{code}
    parameters: {code: {type: word}}
    query: {fields: {}}
    answer: {media: [application/json]}
";
const OFFER: &str = "
offer: bench-calls
of: bench-service
share: unconditional
operations: [get-enterprise]
";

fn pack() -> Value {
    let manifest = "pack: bench-pack\ntitle: {zh: 服务, en: Services}\ndescription: {zh: 服务, en: Services}\n\
                    owner: {zh: 测, en: Bench}\nversion: 0.1.0\n";
    let files = json!({
        "pack.yaml": manifest, "services/bench-service.yaml": SERVICE, "offers/bench-calls.yaml": OFFER,
    });
    json!({"files": files})
}

async fn agree(world: &World) -> String {
    let requester = world.as_(CONSUMER, "requester").desk().await;
    let draft = World::draft("bench-calls", "2026-12-31");
    let mut asked = requester.post("/v1/requests", draft.clone()).await;
    while asked.status != 200 {
        // The provider has begun anew for its connection.
        tokio::time::sleep(Duration::from_millis(100)).await;
        asked = requester.post("/v1/requests", draft.clone()).await;
    }
    world.sign(asked.json()["request"]["body"]["id"].as_str().unwrap()).await
}

fn count(long: Duration) -> usize {
    (PER_SECOND * long.as_secs_f64()) as usize
}

fn direct(service: SocketAddr, count: usize) -> Vec<Request<Bytes>> {
    let one = |number: usize| {
        let path = format!("/base/enterprises/{number}?fields=name");
        Request::builder().uri(path).header("host", service.to_string()).body(Bytes::new()).unwrap()
    };
    (0..count).map(one).collect()
}

/// Calls through the consumer's node, each agreement for as many as may be open.
struct Asks<'a> {
    world: &'a World,
    host: String,
    token: String,
    agreements: Vec<String>,
    made: usize,
}

impl Asks<'_> {
    async fn proxied(&mut self, count: usize) -> Vec<Request<Bytes>> {
        let mut all = Vec::with_capacity(count);
        for number in 0..count {
            let at = self.made / OPEN_MAX;
            if at == self.agreements.len() {
                self.agreements.push(agree(self.world).await);
            }
            self.made += 1;
            let path = format!("/v1/call/{}/enterprises/{number}?fields=name", self.agreements[at]);
            let request = Request::builder().uri(path).header("host", &self.host);
            let request = request.header("authorization", format!("Bearer {}", self.token));
            all.push(request.header("yunhe-organisation", CONSUMER).body(Bytes::new()).unwrap());
        }
        all
    }
}

async fn lines(generator: &Generator, address: SocketAddr) -> Vec<Line> {
    let mut lines = Vec::new();
    for _ in 0..CONNECTIONS {
        lines.push(generator.run(async move { Line::dial_plain(address).await.unwrap() }).await);
    }
    lines
}

fn tell(report: &mut Report, name: &str, run: &Run) -> f64 {
    let millis = |share: f64| run.within(share).as_secs_f64() * 1e3;
    let note = format!(
        "{:.0}/s of {PER_SECOND:.0}/s, p99 {:.1} ms; CPU a call {:.1?}, the generator's {:.1?}",
        run.per_second(),
        millis(0.99),
        run.server_cpu(),
        run.generator_cpu()
    );
    report.tell(&Figure::new(NAME, format!("{name}, p50"), millis(0.5), Unit::Millis).note(note));
    millis(0.5)
}

/// Measures and tells.
pub async fn run(report: &mut Report) {
    let mut pair = Pair::with_rows(1).await;
    let threads = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let service = threads.spawn(TestService::start()).await.unwrap();
    pair.world.connect(PROVIDER, "bench-api", &service.url()).await;
    pair.world.as_(PROVIDER, "administrator").post("/v1/packs", pack()).await.expect_status(200);
    let generator = Generator::new();
    let port = pair.world.client_port(CONSUMER);
    let token = pair.world.token(CONSUMER, "application").await;
    let mut asks = Asks { world: &pair.world, host: port.to_string(), token, agreements: Vec::new(), made: 0 };
    let warm = asks.proxied(count(WARM_UP)).await;
    open_own(&generator, lines(&generator, port).await, warm, PER_SECOND).await;
    let warm = direct(service.address(), count(WARM_UP));
    open_own(&generator, lines(&generator, service.address()).await, warm, PER_SECOND).await;
    let mut added = f64::INFINITY;
    for _ in 0..TURNS {
        let requests = (direct(service.address(), count(LONG)), asks.proxied(count(LONG)).await);
        let bare = open_own(&generator, lines(&generator, service.address()).await, requests.0, PER_SECOND).await;
        let full = open_own(&generator, lines(&generator, port).await, requests.1, PER_SECOND).await;
        let bare = tell(report, "service called directly", &bare);
        let full = tell(report, "service called through both nodes", &full);
        added = added.min(full - bare);
    }
    let figure = Figure::new(NAME, "added by both nodes at 500 calls a second, p50", added, Unit::Millis);
    report.tell(&figure.goal(Bound::Below(3.0)).note(format!("SQLite, best of {TURNS} turns")));
    drop(service);
    threads.shutdown_background();
}
