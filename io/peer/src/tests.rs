//! Real sockets, real mutual TLS, on loopback in IPv4 and IPv6.

use crate::message::{self, Nonce, sign_answer, verify_request};
use crate::*;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use signing::{Certificate, Pin, PublicKey, SigningKey, TlsKey};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use vocabulary::{Digest, Kind, Problem, Suite, Timestamp};

const HOST: &str = "js-scjg.yunhe.internal";
const OTHER: &str = "nj-gxj.nj.yunhe.internal";

fn now() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

fn message_key(seed: u8) -> SigningKey {
    SigningKey::from_seed(Suite::Ed25519Sha256, &[seed; 32])
}

#[derive(Clone)]
struct Organisation {
    tls: TlsKey,
    certificate: Certificate,
    messages: SigningKey,
}

fn organisation(host: &str, seed: u8) -> Organisation {
    let tls = TlsKey::generate().unwrap();
    let certificate = Certificate::self_signed(&tls, &[host.to_owned()], now(), 30).unwrap();
    Organisation { tls, certificate, messages: message_key(seed) }
}

impl Organisation {
    fn client(&self) -> PeerClient {
        self.client_within(ClientLimits::default())
    }

    fn client_within(&self, limits: ClientLimits) -> PeerClient {
        PeerClient::new(self.tls.clone(), self.certificate.clone(), Arc::new(self.messages.clone()), limits)
    }
}

struct Running {
    address: SocketAddr,
    hosts: Arc<Hosts>,
    refusals: Arc<Refusals>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Stopped>,
}

type AnyBody = http_body_util::combinators::UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

fn body(bytes: impl Into<Bytes>) -> AnyBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// What the test node answers: `/hold` waits for `gate`, `/wrong` signs another digest, `/unsigned` does not sign, all
/// else echoes the body, with the served host and the peer's pin in front.
async fn answer(
    request: Request<RequestBody>,
    own: SigningKey,
    client: PublicKey,
    gate: Arc<Notify>,
) -> Result<Response<AnyBody>, Problem> {
    let (parts, incoming) = request.into_parts();
    if let Some(host) = parts.extensions.get::<ServedHost>() {
        host.check(&parts)?;
    }
    let bytes = incoming.collect().await.unwrap().to_bytes();
    let key = |id: &str| match id == client.to_string() {
        true => Ok(client),
        false => Err(Problem::new(Kind::Refused, "peer.not_member", "不是成员", "not a member")),
    };
    let verified = verify_request(&parts, &bytes, key, now())?;
    if parts.uri.path() == "/hold" {
        gate.notified().await;
    }
    let pin = parts.extensions.get::<PeerKey>().unwrap().0;
    let host = &parts.extensions.get::<ServedHost>().unwrap().0;
    let text = format!("{host} {pin} {}", String::from_utf8_lossy(&bytes));
    let signed = if parts.uri.path() == "/wrong" { Digest::of(b"other") } else { Digest::of(text.as_bytes()) };
    let mut response = Response::new(body(text)).into_parts();
    if parts.uri.path() == "/refuse" {
        response.0.status = StatusCode::FORBIDDEN;
    }
    if parts.uri.path() != "/unsigned" {
        sign_answer(&mut response.0, &signed, &verified.sent, &own, now())?;
    }
    Ok(Response::from_parts(response.0, response.1))
}

async fn run(address: &str, limits: Limits, served: &[(&str, &Organisation)], clients: Arc<PinSet>) -> Running {
    run_gated(address, limits, served, clients, Arc::default()).await
}

async fn run_gated(
    address: &str,
    limits: Limits,
    served: &[(&str, &Organisation)],
    clients: Arc<PinSet>,
    gate: Arc<Notify>,
) -> Running {
    let hosts = Hosts::new();
    for (host, organisation) in served {
        hosts.serve(host, &organisation.tls, &organisation.certificate, Arc::clone(&clients)).unwrap();
    }
    let transport = Transport::Mutual(Arc::clone(&hosts));
    let server = Server::bind(address.parse().unwrap(), transport, limits).await.unwrap();
    let (address, refusals) = (server.address(), server.refusals());
    let own = served[0].1.messages.clone();
    let service = tower::service_fn(move |request: Request<RequestBody>| {
        let (own, gate) = (own.clone(), Arc::clone(&gate));
        async move {
            let response = answer(request, own, message_key(9).public(), gate).await.unwrap_or_else(|problem| {
                let json = serde_json::to_vec(&problem).unwrap();
                Response::builder().status(problem.kind.status()).body(body(json)).unwrap()
            });
            Ok::<_, Infallible>(response)
        }
    });
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(server.serve(service, async move {
        let _ = stopped.await;
    }));
    Running { address, hosts, refusals, stop, ended }
}

fn peer(host: &str, address: SocketAddr, organisation: &Organisation) -> Peer {
    Peer {
        host: host.into(),
        addresses: vec![address.to_string()],
        pins: [organisation.certificate.pin].into(),
        keys: vec![organisation.messages.public()],
    }
}

#[tokio::test]
async fn a_signed_call_over_mutual_tls_in_both_address_families() {
    let (server, client) = (organisation(HOST, 1), organisation(OTHER, 9));
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let pins = PinSet::new([client.certificate.pin]);
        let running = run(address, Limits::default(), &[(HOST, &server)], pins).await;
        let caller = client.client();
        let peer = peer(HOST, running.address, &server);
        let calls = (0..50).map(|at| {
            let (caller, peer) = (&caller, &peer);
            async move { caller.send(peer, &Call::post("/echo?a=1", format!("{at}")), now()).await.unwrap() }
        });
        for (at, answer) in futures::future::join_all(calls).await.into_iter().enumerate() {
            assert_eq!(answer.body, format!("{HOST} {} {at}", client.certificate.pin));
            assert_eq!(answer.key, server.messages.public());
        }
        running.stop.send(()).unwrap();
        assert_eq!(running.ended.await.unwrap(), Stopped { cut: 0 });
        assert_eq!(running.refusals.counts(), RefusalCounts::default());
    }
}

#[tokio::test]
async fn an_unknown_key_gets_an_alert_and_is_counted() {
    let (server, client, stranger) = (organisation(HOST, 1), organisation(OTHER, 9), organisation(OTHER, 9));
    let pins = PinSet::new([client.certificate.pin]);
    let running = run("127.0.0.1:0", Limits::default(), &[(HOST, &server)], pins).await;
    let peer = peer(HOST, running.address, &server);
    let problem = stranger.client().send(&peer, &Call::get("/echo"), now()).await.unwrap_err();
    assert_eq!((problem.code.as_ref(), problem.more["reason"].as_str()), ("peer.tls", Some("key_unknown_there")));
    assert_eq!(running.refusals.counts(), RefusalCounts { unknown_key: 1, ..Default::default() });
    client.client().send(&peer, &Call::get("/echo"), now()).await.unwrap();
    assert_eq!(running.refusals.counts().unknown_key, 1);
}

#[tokio::test]
async fn a_server_with_another_key_is_not_spoken_to() {
    let (server, client) = (organisation(HOST, 1), organisation(OTHER, 9));
    let running = run("[::1]:0", Limits::default(), &[(HOST, &server)], PinSet::new([client.certificate.pin])).await;
    let mut peer = peer(HOST, running.address, &server);
    peer.pins = [client.certificate.pin].into();
    let problem = client.client().send(&peer, &Call::get("/echo"), now()).await.unwrap_err();
    assert_eq!((problem.code.as_ref(), problem.more["reason"].as_str()), ("peer.tls", Some("key_unknown_here")));
}

#[tokio::test]
async fn a_client_without_a_certificate_and_an_old_protocol_are_refused() {
    let (server, client) = (organisation(HOST, 1), organisation(OTHER, 9));
    let running =
        run("127.0.0.1:0", Limits::default(), &[(HOST, &server)], PinSet::new([client.certificate.pin])).await;
    let mut plain = TcpStream::connect(running.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP"), "no HTTP is spoken without TLS");
    assert_eq!(running.refusals.counts().handshake, 1);
    assert_eq!(running.refusals.counts().unknown_key, 0);
}

#[tokio::test]
async fn the_host_chooses_the_organisation_and_walls_stand_between() {
    let (first, second, client) = (organisation(HOST, 1), organisation(OTHER, 1), organisation("c.internal", 9));
    let served = [(HOST, &first), (OTHER, &second)];
    let running = run("127.0.0.1:0", Limits::default(), &served, PinSet::new([client.certificate.pin])).await;
    let caller = client.client();
    for (host, organisation) in served {
        let answer = caller.send(&peer(host, running.address, organisation), &Call::get("/"), now()).await.unwrap();
        assert!(answer.body.starts_with(host.as_bytes()));
    }
    // The first's keys do not pass for the second, and a host that is not served is not answered.
    let crossed = peer(OTHER, running.address, &first);
    assert_eq!(caller.send(&crossed, &Call::get("/"), now()).await.unwrap_err().code, "peer.tls");
    let unserved = peer("nobody.internal", running.address, &first);
    assert_eq!(caller.send(&unserved, &Call::post("/", ""), now()).await.unwrap_err().code, "peer.unreachable");
    assert_eq!(running.refusals.counts().unknown_host, 1);
    running.hosts.remove(OTHER);
    let gone = peer(OTHER, running.address, &second);
    let fresh = client.client();
    assert_eq!(fresh.send(&gone, &Call::post("/", ""), now()).await.unwrap_err().code, "peer.unreachable");
}

#[test]
fn a_request_for_another_host_is_refused_on_this_connection() {
    let served = ServedHost(HOST.into());
    let parts = |uri: &str| Request::get(uri).body(()).unwrap().into_parts().0;
    served.check(&parts(&format!("https://{HOST}/a"))).unwrap();
    served.check(&parts(&format!("https://{HOST}:8443/a"))).unwrap();
    assert_eq!(served.check(&parts(&format!("https://{OTHER}/a"))).unwrap_err().code, "peer.host");
    assert_eq!(served.check(&parts("/a")).unwrap_err().code, "peer.host");
}

#[tokio::test]
async fn what_is_not_what_was_signed_is_refused() {
    let (server, client) = (organisation(HOST, 1), organisation(OTHER, 9));
    let running =
        run("127.0.0.1:0", Limits::default(), &[(HOST, &server)], PinSet::new([client.certificate.pin])).await;
    let caller = client.client();
    let right = peer(HOST, running.address, &server);
    let code = async |peer: &Peer, path: &str, at: Timestamp| {
        let problem = caller.send(peer, &Call::get(path), at).await.unwrap_err();
        (problem.code.to_string(), problem.kind.status())
    };
    assert_eq!(code(&right, "/wrong", now()).await, ("peer.answer".into(), 502));
    assert_eq!(code(&right, "/unsigned", now()).await, ("peer.answer".into(), 502));
    assert_eq!(code(&right, "/refuse", now()).await, ("peer.answer".into(), 502), "signed, but no problem document");
    let other_key = Peer { keys: vec![message_key(3).public()], ..right.clone() };
    assert_eq!(code(&other_key, "/echo", now()).await, ("peer.answer".into(), 502));
    // The peer's own problems come through with their code and members.
    let late = now() + Duration::from_secs(1000);
    let problem = caller.send(&right, &Call::get("/echo"), late).await.unwrap_err();
    assert_eq!((problem.code.as_ref(), problem.kind.status()), ("peer.clock", 401));
    assert_eq!(problem.more["offset_ms"], 1_000_000);
    let stranger = Organisation { messages: message_key(4), ..client.clone() };
    let problem = stranger.client().send(&right, &Call::get("/echo"), now()).await.unwrap_err();
    assert_eq!((problem.code.as_ref(), problem.kind.status()), ("peer.not_member", 403));
}

#[tokio::test]
async fn a_body_changed_under_way_is_found_by_the_receiver() {
    let (server, client) = (organisation(HOST, 1), organisation(OTHER, 9));
    let running =
        run("127.0.0.1:0", Limits::default(), &[(HOST, &server)], PinSet::new([client.certificate.pin])).await;
    let peer = peer(HOST, running.address, &server);
    let frames = ["first ", "second"].map(|it| Ok(Frame::data(Bytes::from(it))));
    let stream = StreamBody::new(futures::stream::iter(frames)).boxed_unsync();
    let call = Call::post("/echo", "");
    let caller = client.client();
    let digest = Digest::of(b"first second");
    let answer = caller.upload(&peer, &call, Upload { digest, body: stream }, now()).await.unwrap();
    assert!(answer.body.ends_with(b"first second"));
    let problem = caller.upload(&peer, &call, Upload { digest, body: body("first sec0nd") }, now()).await.unwrap_err();
    assert_eq!((problem.code.as_ref(), problem.kind.status()), ("peer.digest", 400));
}

#[tokio::test]
async fn a_rotation_overlaps_and_an_expelled_key_is_refused_from_the_next_connection_on() {
    let (server, old, new) = (organisation(HOST, 1), organisation(OTHER, 9), organisation(OTHER, 9));
    let pins = PinSet::new([old.certificate.pin, new.certificate.pin]);
    let running = run("127.0.0.1:0", Limits::default(), &[(HOST, &server)], Arc::clone(&pins)).await;
    let next = organisation(HOST, 1);
    let mut peer = peer(HOST, running.address, &server);
    peer.pins.insert(next.certificate.pin);
    let standing = old.client_within(ClientLimits { connections_per_peer: 1, ..ClientLimits::default() });
    standing.send(&peer, &Call::get("/"), now()).await.unwrap();
    new.client().send(&peer, &Call::get("/"), now()).await.unwrap();
    // The server takes its new key; the client knows both.
    running.hosts.serve(HOST, &next.tls, &next.certificate, Arc::clone(&pins)).unwrap();
    new.client().send(&peer, &Call::get("/"), now()).await.unwrap();
    pins.replace([new.certificate.pin]);
    standing.send(&peer, &Call::get("/"), now()).await.unwrap();
    assert_eq!(old.client().send(&peer, &Call::get("/"), now()).await.unwrap_err().code, "peer.tls");
    new.client().send(&peer, &Call::get("/"), now()).await.unwrap();
}

#[tokio::test]
async fn stop_lets_requests_end_and_cuts_what_does_not() {
    let (server, client) = (organisation(HOST, 1), organisation(OTHER, 9));
    for (ends, cut) in [(true, 0), (false, 1)] {
        let gate = Arc::new(Notify::new());
        let limits = Limits { grace: Duration::from_millis(300), ..Limits::default() };
        let pins = PinSet::new([client.certificate.pin]);
        let running = run_gated("127.0.0.1:0", limits, &[(HOST, &server)], pins, Arc::clone(&gate)).await;
        let peer = peer(HOST, running.address, &server);
        let caller = client.client();
        caller.send(&peer, &Call::get("/"), now()).await.unwrap();
        let held = tokio::spawn({
            let peer = peer.clone();
            async move { caller.send(&peer, &Call::post("/hold", ""), now()).await }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        running.stop.send(()).unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        if ends {
            gate.notify_one();
        }
        assert_eq!(held.await.unwrap().is_ok(), ends);
        assert_eq!(running.ended.await.unwrap(), Stopped { cut });
        let late = client.client().send(&peer, &Call::post("/", ""), now()).await.unwrap_err();
        assert_eq!(late.code, "peer.unreachable");
    }
}

#[tokio::test]
async fn connections_past_the_bound_are_closed_at_once_and_silent_ones_in_time() {
    let (server, client) = (organisation(HOST, 1), organisation(OTHER, 9));
    let limits = Limits { connections_max: 2, handshake: Duration::from_millis(200), ..Limits::default() };
    let running = run("127.0.0.1:0", limits, &[(HOST, &server)], PinSet::new([client.certificate.pin])).await;
    let _silent =
        [TcpStream::connect(running.address).await.unwrap(), TcpStream::connect(running.address).await.unwrap()];
    tokio::time::sleep(Duration::from_millis(50)).await;
    let peer = peer(HOST, running.address, &server);
    let problem = client.client().send(&peer, &Call::post("/", ""), now()).await.unwrap_err();
    assert_eq!(problem.code, "peer.unreachable");
    assert_eq!(running.refusals.counts().too_many, 1);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(running.refusals.counts().handshake, 2);
    client.client().send(&peer, &Call::get("/"), now()).await.unwrap();
}

async fn plain(limits: Limits, size: usize) -> (SocketAddr, Arc<Refusals>) {
    let server = Server::bind("[::1]:0".parse().unwrap(), Transport::Plain, limits).await.unwrap();
    let (address, refusals) = (server.address(), server.refusals());
    let service = tower::service_fn(move |request: Request<RequestBody>| async move {
        assert!(request.extensions().get::<RemoteAddress>().is_some());
        assert!(request.extensions().get::<PeerKey>().is_none());
        Ok::<_, Infallible>(Response::new(body(vec![b'x'; size])))
    });
    tokio::spawn(server.serve(service, std::future::pending()));
    (address, refusals)
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_cut() {
    let limits = Limits { slow: Duration::from_millis(200), ..Limits::default() };
    let (address, refusals) = plain(limits, 64 << 20).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(refusals.counts().slow, 1);
    let mut all = Vec::new();
    let _ = slow.read_to_end(&mut all).await;
    assert!(all.len() < 64 << 20);
}

#[tokio::test]
async fn idle_connections_do_no_harm_and_are_closed() {
    let limits = Limits { idle: Duration::from_millis(600), header: Duration::from_secs(60), ..Limits::default() };
    let (address, refusals) = plain(limits, 2).await;
    let mut idle = Vec::new();
    for _ in 0..400 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 15];
    busy.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    for mut it in idle {
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(5), it.read_to_end(&mut rest)).await.expect("closed in time");
    }
    assert_eq!(refusals.counts(), RefusalCounts::default());
}

#[tokio::test]
async fn only_idempotent_calls_are_tried_again() {
    let (server, client) = (organisation(HOST, 1), organisation(OTHER, 9));
    // A port that takes connections and closes them.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            drop(stream);
        }
    });
    let limits =
        ClientLimits { rest: Duration::from_millis(600), tries: 2, connections_per_peer: 1, ..Default::default() };
    let peer = peer(HOST, address, &server);
    let problem = client.client_within(limits.clone()).send(&peer, &Call::post("/", ""), now()).await.unwrap_err();
    assert_eq!(problem.code, "peer.unreachable");
    assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 1);
    let keyed = Call::post("/", "").idempotent("k-1").unwrap();
    client.client_within(limits).send(&peer, &keyed, now()).await.unwrap_err();
    assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 3);
}

/// Carries nothing and answers itself: signed by `own`, or not at all, over another request or over this one.
struct Liar {
    own: Option<SigningKey>,
    request: Option<message::Sent>,
}

impl Carrier for Liar {
    fn carry<'a>(&'a self, _: &'a Peer, request: Request<CarriedBody>) -> Carrying<'a> {
        Box::pin(async move {
            let (mut parts, ()) = Response::new(()).into_parts();
            if let Some(own) = &self.own {
                let (mut head, _) = request.into_parts();
                for field in ["content-digest", "signature-input", "signature"] {
                    head.headers.remove(field);
                }
                let nonce = Nonce::draw(now())?;
                let signed = message::sign_request(&mut head, &Digest::of(b""), own, nonce, now())?;
                let request = self.request.clone().unwrap_or(signed);
                sign_answer(&mut parts, &Digest::of(b"{}"), &request, own, now())?;
            }
            Ok(Response::from_parts(parts, body("{}")))
        })
    }
}

#[tokio::test]
async fn whoever_carries_cannot_speak_for_the_peer() {
    let (client, server) = (organisation(OTHER, 9), organisation(HOST, 1));
    let peer = peer(HOST, "127.0.0.1:1".parse().unwrap(), &server);
    let earlier = message::Sent { nonce: Nonce([7; 16]), signature: "c2lnbmF0dXJl".to_owned() };
    let liars = [
        Liar { own: None, request: None },
        // A key of its own.
        Liar { own: Some(message_key(3)), request: None },
        // The peer's very key, but an answer to another request.
        Liar { own: Some(message_key(1)), request: Some(earlier) },
    ];
    for liar in liars {
        let over = PeerClient::over(Arc::new(liar), Arc::new(client.messages.clone()), ClientLimits::default());
        let problem = over.send(&peer, &Call::get("/"), now()).await.unwrap_err();
        assert_eq!(problem.code, "peer.answer");
    }
}

#[test]
fn nonces_are_never_the_same() {
    let drawn: std::collections::BTreeSet<_> = (0..1000).map(|_| Nonce::draw(now()).unwrap()).collect();
    assert_eq!(drawn.len(), 1000);
    let later = Nonce::draw(now() + jiff::SignedDuration::from_millis(1)).unwrap();
    assert!(drawn.last() < Some(&later), "nonces are in the order of their times");
    assert!("0".repeat(31).parse::<Nonce>().is_err());
    assert!("A".repeat(32).parse::<Nonce>().is_err());
    assert!(!message::is_signed(&http::HeaderMap::new()));
}

#[test]
fn pins_of_unrelated_keys_differ() {
    let pins: std::collections::BTreeSet<Pin> = (0..3).map(|_| organisation(HOST, 1).certificate.pin).collect();
    assert_eq!(pins.len(), 3);
}

/// A port that reads each body whole and answers its length, or 400 where its client was too slow.
async fn reading(limits: Limits) -> (SocketAddr, Arc<Refusals>) {
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), Transport::Plain, limits).await.unwrap();
    let (address, refusals) = (server.address(), server.refusals());
    let service = tower::service_fn(|request: Request<RequestBody>| async {
        let answer = match request.into_body().collect().await {
            Ok(whole) => Response::new(body(whole.to_bytes().len().to_string())),
            Err(error) if SlowBody::cause_of(&*error).is_some() => {
                Response::builder().status(StatusCode::BAD_REQUEST).body(body("")).unwrap()
            }
            Err(error) => panic!("{error}"),
        };
        Ok::<_, Infallible>(answer)
    });
    tokio::spawn(server.serve(service, std::future::pending()));
    (address, refusals)
}

/// Sends pieces with a pause after each, and reads to the end of the connection.
async fn in_pieces(address: SocketAddr, pieces: impl IntoIterator<Item = Vec<u8>>, pause: Duration) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    let writing = async {
        for piece in pieces {
            // The other side may have ended it: that is what the answer then says.
            if write.write_all(&piece).await.is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    };
    let reading = tokio::time::timeout(Duration::from_secs(10), read.read_to_end(&mut answer));
    let (_, read) = tokio::join!(writing, reading);
    let _ = read.expect("the connection was closed in time");
    String::from_utf8_lossy(&answer).into_owned()
}

fn head(length: usize) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n").into()
}

#[tokio::test]
async fn a_body_that_stalls_or_trickles_ends_and_a_steady_one_goes_through() {
    let limits = Limits { slow: Duration::from_millis(400), slow_bytes_min: 1024, ..Limits::default() };
    let (address, refusals) = reading(limits).await;
    let stalls = [head(100), vec![b'x'; 10]];
    assert!(in_pieces(address, stalls, Duration::ZERO).await.starts_with("HTTP/1.1 400"));
    assert_eq!(refusals.counts().slow, 1);
    // A byte now and then is not enough to keep it open.
    let trickles = std::iter::once(head(10_000)).chain(std::iter::repeat_n(vec![b'x'], 100));
    assert!(in_pieces(address, trickles, Duration::from_millis(20)).await.starts_with("HTTP/1.1 400"));
    assert_eq!(refusals.counts().slow, 2);
    // It takes longer than the bound, but more than the least comes all the time.
    let steady = std::iter::once(head(20 * 1024)).chain(std::iter::repeat_n(vec![b'x'; 1024], 20));
    let answer = in_pieces(address, steady, Duration::from_millis(40)).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("20480"), "{answer}");
    assert_eq!(refusals.counts().slow, 2);
}

#[tokio::test]
async fn a_head_sent_byte_by_byte_is_cut_and_others_are_answered_meanwhile() {
    let (address, _) = reading(Limits { header: Duration::from_millis(400), ..Limits::default() }).await;
    let bytes = head(0).into_iter().map(|it| vec![it]);
    let slow = in_pieces(address, bytes, Duration::from_millis(20));
    let (slow, other) = tokio::join!(slow, in_pieces(address, [head(0)], Duration::ZERO));
    assert!(!slow.starts_with("HTTP/1.1 200"), "{slow}");
    assert!(other.starts_with("HTTP/1.1 200"), "{other}");
}

#[tokio::test]
async fn idle_connections_of_members_are_closed_at_their_limit() {
    let (server, client) = (organisation(HOST, 1), organisation(OTHER, 9));
    let limits = Limits { idle: Duration::from_millis(800), ..Limits::default() };
    let pins = PinSet::new([client.certificate.pin]);
    let running = run("127.0.0.1:0", limits, &[(HOST, &server)], pins).await;
    let own = (client.tls.clone(), client.certificate.clone());
    let config = crate::tls::client_config(&own, &[server.certificate.pin].into()).unwrap();
    let mut idle = Vec::new();
    for _ in 0..100 {
        let stream = TcpStream::connect(running.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&config));
        idle.push(connector.connect(crate::tls::dns_name(HOST).unwrap(), stream).await.unwrap());
    }
    client.client().send(&peer(HOST, running.address, &server), &Call::get("/"), now()).await.unwrap();
    for mut it in idle {
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), it.read_to_end(&mut rest)).await.expect("closed in time");
    }
    assert_eq!(running.refusals.counts(), RefusalCounts::default());
}
