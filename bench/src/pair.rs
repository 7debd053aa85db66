//! Who is measured: a provider's node with rows, and beside it a bare server that shares its keys, its TLS and its
//! HTTP/2, each with as many threads; and a consumer, whose requests are signed here.

use crate::{line::Line, load::Generator};
use axum::Router;
use bytes::Bytes;
use http::Request;
use jiff::SignedDuration;
use peer::{
    Hosts, Limits, Server, Transport,
    message::{Nonce, sign_request},
};
use serde_json::Value;
use signing::{Certificate, KeyRing};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use testkit::{Database, World};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use vocabulary::Digest;

/// The provider.
pub const PROVIDER: &str = "js-scjg";
/// The consumer.
pub const CONSUMER: &str = "nj-gxj";
/// The seed of the provider's rows.
const SEED: u64 = 7;
/// Everybody's clock moves on this often.
const TICK: Duration = Duration::from_millis(1);
/// The connections' certificates are valid for so long.
const CERTIFICATE_DAYS: u32 = 30;

const CODES: &str = "SELECT uscc FROM rec_legal_person ORDER BY uscc";

/// The stories' clock stands still; here it runs, as a node's does.
pub fn run_clock(world: &World) {
    let clock = world.clock.clone();
    tokio::spawn(async move {
        let mut begun = Instant::now();
        loop {
            tokio::time::sleep(TICK).await;
            let now = Instant::now();
            clock.advance(SignedDuration::try_from(now - begun).unwrap());
            begun = now;
        }
    });
}

/// Provider and consumer.
pub struct Pair {
    /// Where they are.
    pub world: World,
    /// The provider's host name.
    pub host: String,
    keys: Arc<KeyRing>,
    certificate: Certificate,
}

impl Pair {
    /// With so many legal persons at the provider (less those whose planted defects are rejected), in parts of the
    /// size that a node has by itself.
    pub async fn with_rows(rows: u64) -> Self {
        let world = World::with_part_rows(Database::Sqlite, node::PART_ROWS).await;
        run_clock(&world);
        world.install_packs(|_, text| text).await;
        let mut csv = Vec::new();
        sample::legal_persons(SEED, rows, &mut csv).unwrap();
        let report = world.import("legal-person", &csv).await;
        assert_eq!(report["read"], rows, "{report}");
        world.number_all(PROVIDER).await;
        let keys = world.keys(CONSUMER);
        let names = ["load.internal".to_owned()];
        let certificate = Certificate::self_signed(&keys.tls, &names, world.now(), CERTIFICATE_DAYS).unwrap();
        Self { host: world.host(PROVIDER), world, keys: Arc::new(keys), certificate }
    }

    /// The natural keys of all rows, in their order.
    pub async fn codes(&self) -> Vec<String> {
        let mut codes = Vec::new();
        let mut reader = self.world.organisation(PROVIDER).store().read().await.unwrap();
        let take = |row: store::Row| row.text("uscc").map(|it| codes.push(it.to_owned()));
        reader.each(CODES, Vec::new(), take).await.unwrap();
        codes
    }

    /// The provider's peer port.
    pub fn port(&self) -> SocketAddr {
        self.world.peer_port(PROVIDER)
    }

    /// Connections of the consumer to the provider's node, or to what is served beside it, run by `generator`.
    pub async fn dial(&self, generator: &Generator, address: SocketAddr, count: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        for _ in 0..count {
            let (host, keys, certificate) = (self.host.clone(), self.keys.clone(), self.certificate.clone());
            let dial = async move { Line::dial(address, &host, &keys.tls, &certificate).await };
            lines.push(generator.run(dial).await);
        }
        lines
    }

    /// A request without a signature.
    pub fn plain(&self, method: &str, path: &str, body: &Value) -> Request<Bytes> {
        let request = Request::builder().method(method).uri(format!("https://{}{path}", self.host));
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        request.header("content-type", "application/json").body(body).unwrap()
    }

    /// A request that the consumer signed.
    pub fn signed(&self, method: &str, path: &str, body: &Value) -> Request<Bytes> {
        let (mut parts, body) = self.plain(method, path, body).into_parts();
        let (digest, nonce) = (Digest::of(&body), Nonce::draw(self.world.now()).unwrap());
        sign_request(&mut parts, &digest, &self.keys.messages, nonce, self.world.now()).unwrap();
        Request::from_parts(parts, body)
    }

    /// Serves `router` beside the provider's node: same keys, same TLS, same HTTP/2.
    pub async fn beside(&self, router: Router) -> Beside {
        let org = self.world.organisation(PROVIDER);
        let hosts = Hosts::new();
        let (key, own, pins) = org.tls();
        hosts.serve(&self.host, &key, &own, pins).unwrap();
        let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let bind = async move { Server::bind(any, Transport::Mutual(hosts), Limits::default()).await.unwrap() };
        let server = runtime.spawn(bind).await.unwrap();
        let address = server.address();
        runtime.spawn(server.serve(router, stopped));
        Beside { address, stop, runtime: Some(runtime) }
    }
}

/// A server beside the provider's node; ends when dropped.
pub struct Beside {
    /// Where it is.
    pub address: SocketAddr,
    stop: CancellationToken,
    runtime: Option<Runtime>,
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
