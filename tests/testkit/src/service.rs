//! A small HTTP service of others, as a department might have it: sound, slow, broken, redirecting, too talkative.

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

type Answer = Response<BoxBody<Bytes, io::Error>>;

/// What came to it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Method, path and query as they came.
    pub line: String,
    /// The fields.
    pub fields: http::HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Seen {
    /// A field as text.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.to_str().ok()
    }
}

/// The service, for as long as it is held.
pub struct TestService {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    held: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl TestService {
    /// Starts one on a port of its own.
    pub async fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts one at `address`.
    pub async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (held, holds) = watch::channel(true);
        let all = seen.clone();
        let task = tokio::spawn(async move {
            let mut lines = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (all, holds) = (all.clone(), holds.clone());
                lines.spawn(async move {
                    let act = service_fn(|request| answered(request, all.clone(), holds.clone()));
                    // Some of its answers end in the middle: that is what they are for.
                    drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), act).await);
                });
            }
        });
        Self { address, seen, held, task }
    }

    /// Its base address.
    pub fn url(&self) -> String {
        format!("http://{}/base", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came to it so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How often a line that begins so came.
    pub fn count(&self, begins: &str) -> usize {
        self.seen().iter().filter(|it| it.line.starts_with(begins)).count()
    }

    /// Lets what hangs at `/base/slow` go on.
    pub fn release(&self) {
        self.held.send_replace(false);
    }

    /// Ends it; its address is free when this returns.
    pub async fn stop(mut self) {
        self.task.abort();
        drop((&mut self.task).await);
    }
}

impl Drop for TestService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn whole(status: u16, media: &str, body: impl Into<Bytes>) -> Answer {
    let body = Full::new(body.into()).map_err(|never| match never {}).boxed();
    Response::builder().status(status).header("content-type", media).body(body).unwrap()
}

fn json_answer(status: u16, value: &Value) -> Answer {
    whole(status, "application/json", value.to_string())
}

/// A body in pieces, with no length beforehand.
fn pieces(count: usize, end: Option<io::Error>) -> Answer {
    let good = stream::iter((0..count).map(|_| Ok(Frame::data(Bytes::from_static(&[b'1'; 4_096])))));
    let body = BodyExt::boxed(StreamBody::new(good.chain(stream::iter(end.map(Err)))));
    Response::builder().header("content-type", "application/json").body(body).unwrap()
}

async fn answered(
    request: Request<Incoming>,
    seen: Arc<Mutex<Vec<Seen>>>,
    mut holds: watch::Receiver<bool>,
) -> Result<Answer, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let line = format!("{} {}", parts.method, parts.uri);
    seen.lock().unwrap().push(Seen { line: line.clone(), fields: parts.headers.clone(), body: body.clone() });
    let path = parts.uri.path().to_owned();
    let segments: Vec<&str> = path.trim_start_matches("/base/").split('/').collect();
    let number = |text: &str| text.parse::<u16>().unwrap_or(500);
    let answer = match segments.as_slice() {
        ["enterprises", code] => json_answer(200, &json!({"code": code, "query": parts.uri.query()})),
        ["declarations"] => {
            let mut answer = json_answer(201, &json!({"got": String::from_utf8_lossy(&body)}));
            answer.headers_mut().insert("etag", "\"1\"".parse().unwrap());
            answer.headers_mut().insert("x-internal", "secret".parse().unwrap());
            answer.headers_mut().insert("set-cookie", "a=b".parse().unwrap());
            answer
        }
        ["slow", ..] => {
            // Released, or as long as who called it has patience.
            drop(holds.wait_for(|it| !it).await);
            json_answer(200, &json!({"slow": true}))
        }
        ["status", status] => json_answer(number(status), &json!({"error": "theirs"})),
        ["problem", status] => whole(number(status), "application/problem+json", r#"{"title":"theirs"}"#),
        ["html"] => whole(200, "text/html", "<p>hello</p>"),
        ["huge"] => whole(200, "application/json", vec![b'1'; 3 << 20]),
        ["chunked", count] => pieces(number(count).into(), None),
        ["hangup"] => pieces(2, Some(io::Error::other("gone"))),
        ["redirect"] => {
            let mut answer = json_answer(302, &json!({}));
            answer.headers_mut().insert("location", "http://127.0.0.1:1/elsewhere".parse().unwrap());
            answer
        }
        ["packed"] => {
            let mut answer = json_answer(200, &json!({}));
            answer.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
            answer
        }
        ["empty"] => {
            let mut answer = whole(204, "text/plain", "");
            answer.headers_mut().remove("content-type");
            *answer.status_mut() = StatusCode::NO_CONTENT;
            answer
        }
        _ => json_answer(404, &json!({"error": "no such thing here"})),
    };
    Ok(answer)
}
