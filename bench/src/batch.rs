//! `batch`: all permitted rows in parts of the normal size, each part fetched by a signed request and receipted,
//! against static files of the same bytes from a server with the same TLS and HTTP/2.
//!
//! A part's receipt is issued when it is first fetched, so every timed run fetches a batch of its own; making its parts
//! is timed apart.

use crate::{
    load::{Generator, closed},
    pair::Pair,
    report::{Bound, Figure, Report, Unit},
};
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use serde_json::{Value, json};
use std::{
    path::{self, PathBuf},
    time::{Duration, Instant},
};
use testkit::PURPOSE;
use tokio_util::io::ReaderStream;

const NAME: &str = "batch";
/// Legal persons at the provider: six parts.
const ROWS: u64 = 300_000;
const FORMATS: [&str; 3] = ["arrow", "parquet", "csv"];
/// Timed batches of each format; one more comes before them and gives the static files.
const BATCHES: usize = 4;
/// Connections, each of which fetches one part after the other.
const CONNECTIONS: usize = 2;
/// A batch must be made, and fetched, within this.
const LONG: Duration = Duration::from_secs(120);
/// How often one looks whether it is made.
const LOOK: Duration = Duration::from_millis(2);
/// A file is read in pieces of this size.
const PIECE_BYTES: usize = 64 * 1024;

/// What a static file server does: opens the file, says its length, streams it.
async fn file(State(folder): State<PathBuf>, Path(name): Path<String>) -> Response {
    let file = tokio::fs::File::open(folder.join(name)).await.unwrap();
    let length = file.metadata().await.unwrap().len();
    let pieces = ReaderStream::with_capacity(file, PIECE_BYTES);
    Response::builder().header("content-length", length).body(Body::from_stream(pieces)).unwrap()
}

/// A batch whose parts are made.
struct Made {
    id: String,
    parts: usize,
    rows: u64,
    took: Duration,
}

/// Opens a batch and waits until its parts are there.
async fn make(pair: &Pair, generator: &Generator, agreement: &str, format: &str) -> Made {
    let id = exchange::DeliveryId::from_uuid(node::draw_uuid(pair.world.now())).to_string();
    let body = json!({
        "id": id, "agreement": agreement, "purpose": PURPOSE, "actor": "application:load", "format": format,
    });
    let mut line = pair.dial(generator, pair.port(), 1).await.remove(0);
    let begin = Instant::now();
    let (status, answer) = line.send(pair.signed("POST", "/peer/v1/parcels", &body)).await.unwrap();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    loop {
        let ask = pair.signed("GET", &format!("/peer/v1/parcels/{id}"), &Value::Null);
        let (_, answer) = line.send(ask).await.unwrap();
        let parcel: Value = serde_json::from_slice(&answer).unwrap();
        if parcel["ready"] == true {
            let took = begin.elapsed();
            let parts = parcel["parts"].as_array().unwrap();
            let rows = parts.iter().map(|it| it["rows"].as_u64().unwrap()).sum();
            return Made { id, parts: parts.len(), rows, took };
        }
        assert!(begin.elapsed() < LONG, "the batch was not made in time: {parcel}");
        tokio::time::sleep(LOOK).await;
    }
}

fn requests(pair: &Pair, made: &Made) -> Vec<http::Request<bytes::Bytes>> {
    let ask = json!({"purpose": PURPOSE, "actor": "application:load"});
    let path = |number| format!("/peer/v1/parcels/{}/parts/{number}", made.id);
    (0..made.parts).map(|number| pair.signed("POST", &path(number), &ask)).collect()
}

/// Fetches a batch once and keeps its parts as files.
async fn keep(pair: &Pair, generator: &Generator, made: &Made, folder: &path::Path, format: &str) {
    let mut line = pair.dial(generator, pair.port(), 1).await.remove(0);
    for (number, request) in requests(pair, made).into_iter().enumerate() {
        let (status, body) = line.send(request).await.unwrap();
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        tokio::fs::write(folder.join(format!("{format}-{number}")), body).await.unwrap();
    }
}

/// Measures and tells.
pub async fn run(report: &mut Report) {
    let pair = Pair::with_rows(ROWS).await;
    let agreement = pair.world.agree_base().await;
    let folder = tempfile::tempdir().unwrap();
    let router = Router::new().route("/static/{name}", get(file)).with_state(folder.path().to_owned());
    let beside = pair.beside(router).await;
    let generator = Generator::new();
    for format in FORMATS {
        let first = make(&pair, &generator, &agreement, format).await;
        keep(&pair, &generator, &first, folder.path(), format).await;
        let (mut ours, mut theirs, mut bytes, mut making) = (Duration::ZERO, Duration::ZERO, 0, first.took);
        for _ in 0..BATCHES {
            let made = make(&pair, &generator, &agreement, format).await;
            making += made.took;
            let files = (0..made.parts).map(|number| format!("/static/{format}-{number}"));
            let files = files.map(|path| pair.plain("GET", &path, &Value::Null)).collect();
            let lines = pair.dial(&generator, beside.address, CONNECTIONS).await;
            let bare = closed(&generator, lines, files, LONG).await;
            let lines = pair.dial(&generator, pair.port(), CONNECTIONS).await;
            let parts = closed(&generator, lines, requests(&pair, &made), LONG).await;
            assert_eq!(parts.bytes, bare.bytes, "the static files are the parts");
            ours += parts.took;
            theirs += bare.took;
            bytes += parts.bytes;
        }
        let speed = |took: Duration| bytes as f64 / 1e6 / took.as_secs_f64();
        let size = format!("{BATCHES} batches of {} parts, {} bytes each", first.parts, bytes / BATCHES as u64);
        let made = (first.rows * (BATCHES as u64 + 1)) as f64 / making.as_secs_f64();
        let note = format!("{} rows a batch, from asking until all parts are there", first.rows);
        let figure = |name: &str, value: f64, unit| Figure::new(NAME, format!("{format}: {name}"), value, unit);
        report.tell(&figure("rows made into parts", made, Unit::PerSecond).note(note));
        report.tell(&figure("static files", speed(theirs), Unit::MegabytesPerSecond));
        report.tell(&figure("receipted parts", speed(ours), Unit::MegabytesPerSecond).note(size));
        let ratio = figure("receipted parts to static files", speed(ours) / speed(theirs), Unit::Ratio);
        report.tell(&ratio.goal(Bound::AtLeast(0.5)));
    }
}
