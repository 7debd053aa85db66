//! A provider that does not keep the rules: it holds the provider's keys, stands where membership says the provider
//! is, passes every message on to the true node, and may change what that answers.

use crate::{Hostile, World, world::own_loopback};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use exchange::Receipt;
use http::{HeaderValue, Request, Response, StatusCode, header, response};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use peer::{
    Hosts, Limits, PinSet, RequestBody, Server, Transport,
    message::{Sent, sign_answer, verify_head},
};
use signing::{Certificate, KeyRing, SigningKey};
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::task::JoinHandle;
use vocabulary::Digest;

/// The field in which a receipt comes.
const RECEIPT: &str = "yunhe-receipt";
/// What an endless body consists of.
const PIECE: &[u8] = &[b' '; 16 * 1024];

/// An answer that can be tampered with.
#[derive(Clone, Debug)]
pub struct Forged {
    /// Its head.
    pub head: response::Parts,
    /// Its body.
    pub body: Bytes,
}

impl Forged {
    /// The receipt that it brings.
    pub fn receipt(&self) -> Receipt {
        serde_json::from_slice(&STANDARD.decode(self.head.headers[RECEIPT].as_bytes()).unwrap()).unwrap()
    }

    /// Brings this receipt instead.
    pub fn bring(&mut self, receipt: &Receipt) {
        let text = STANDARD.encode(serde_json::to_vec(receipt).unwrap());
        self.head.headers.insert(RECEIPT, HeaderValue::try_from(text).unwrap());
    }

    /// Brings none.
    pub fn bring_none(&mut self) {
        self.head.headers.remove(RECEIPT);
    }

    /// Sends the caller elsewhere.
    pub fn redirect(&mut self, to: &str) {
        self.head.status = StatusCode::FOUND;
        self.head.headers.insert(header::LOCATION, HeaderValue::try_from(to).unwrap());
    }
}

/// What is changed in an answer.
type Change = Box<dyn Fn(&mut Forged) + Send + Sync>;

/// How an answer lies.
pub struct Lie {
    /// Answers to paths with this end.
    path: &'static str,
    change: Change,
    /// Whose key signs what was changed; without it the true answer's signature stays.
    signer: Option<SigningKey>,
    endless: bool,
}

impl Lie {
    /// Changes an answer and leaves its signature as it was.
    pub fn after_signing(path: &'static str, change: impl Fn(&mut Forged) + Send + Sync + 'static) -> Self {
        Self { path, change: Box::new(change), signer: None, endless: false }
    }

    /// Changes an answer and signs it with this key.
    pub fn signed(key: SigningKey, path: &'static str, change: impl Fn(&mut Forged) + Send + Sync + 'static) -> Self {
        Self { path, change: Box::new(change), signer: Some(key), endless: false }
    }

    /// A body without end.
    pub fn endless(path: &'static str) -> Self {
        Self { path, change: Box::new(|_| {}), signer: None, endless: true }
    }
}

/// The provider's place, taken.
pub struct Impostor {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    lie: Mutex<Option<Arc<Lie>>>,
    last: Mutex<Option<Forged>>,
    consumer: KeyRing,
    host: String,
    truth: SocketAddr,
    clock: Arc<node::ManualClock>,
}

type AnyBody = UnsyncBoxBody<Bytes, Infallible>;

impl Impostor {
    /// Takes the place of `provider` towards `consumer`, tells the truth at first. With `keys`, it shows other TLS keys
    /// than the provider's.
    pub async fn of(world: &mut World, provider: &str, consumer: &str, keys: Option<KeyRing>) -> Self {
        let keys = keys.unwrap_or_else(|| world.keys(provider));
        let host = world.host(provider);
        let certificate = Certificate::self_signed(&keys.tls, std::slice::from_ref(&host), world.now(), 30).unwrap();
        let hosts = Hosts::new();
        let pins = PinSet::new([world.keys(consumer).tls.pin().unwrap()]);
        hosts.serve(&host, &keys.tls, &certificate, pins).unwrap();
        let any_port = SocketAddr::new(own_loopback(), 0);
        let server = Server::bind(any_port, Transport::Mutual(hosts), Limits::default()).await.unwrap();
        let shared = Arc::new(Shared {
            lie: Mutex::default(),
            last: Mutex::default(),
            consumer: world.keys(consumer),
            host,
            truth: world.peer_port(provider),
            clock: world.clock.clone(),
        });
        let address = server.address();
        let answering = Arc::clone(&shared);
        let service = tower::service_fn(move |request: Request<RequestBody>| {
            let shared = Arc::clone(&answering);
            async move { Ok::<_, Infallible>(shared.answer(request).await) }
        });
        let task = tokio::spawn(async move {
            server.serve(service, std::future::pending()).await;
        });
        world.readdress(provider, address).await;
        Self { address, shared, task }
    }

    /// Where it stands.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lies so from now on, or tells the truth again.
    pub fn lie(&self, lie: Option<Lie>) {
        *self.shared.lie.lock().unwrap() = lie.map(Arc::new);
    }

    /// The last true answer that it has passed on.
    pub fn last(&self) -> Forged {
        self.shared.last.lock().unwrap().clone().unwrap()
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn answer(&self, request: Request<RequestBody>) -> Response<AnyBody> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let body = body.collect().await.unwrap().to_bytes();
        let now = node::Clock::now(&*self.clock);
        let key = self.consumer.messages.public();
        let sent = verify_head(&head, |_| Ok(key), now).unwrap().sent;
        let consumer = Hostile::of(self.consumer.clone(), now);
        let line = consumer.dial_at(self.truth, &self.host).await.unwrap();
        let (head, body) = line.whole(Request::from_parts(head, body)).await.unwrap().into_parts();
        let mut answer = Forged { head, body };
        *self.last.lock().unwrap() = Some(answer.clone());
        let lie = self.lie.lock().unwrap().clone().filter(|it| path.ends_with(it.path));
        let Some(lie) = lie else { return Response::from_parts(answer.head, whole(answer.body)) };
        (lie.change)(&mut answer);
        // What is sent may be longer or shorter than the truth.
        answer.head.headers.remove(header::CONTENT_LENGTH);
        if let Some(key) = &lie.signer {
            sign(&mut answer, &sent, key, now);
        }
        let body = if lie.endless { endless() } else { whole(answer.body) };
        Response::from_parts(answer.head, body)
    }
}

fn sign(answer: &mut Forged, sent: &Sent, key: &SigningKey, now: vocabulary::Timestamp) {
    sign_answer(&mut answer.head, &Digest::of(&answer.body), sent, key, now).unwrap();
}

fn whole(body: Bytes) -> AnyBody {
    Full::new(body).boxed_unsync()
}

fn endless() -> AnyBody {
    let piece = || Ok(Frame::data(Bytes::from_static(PIECE)));
    StreamBody::new(futures::stream::repeat_with(piece)).boxed_unsync()
}
