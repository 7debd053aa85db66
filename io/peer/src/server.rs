//! The accept loop: TLS, bounds, idle and slow clients, graceful stop. It serves any tower service, such as axum's
//! `Router`.
//!
//! Every wait has a bound in [`Limits`]; past it the connection is cut and, where someone is to blame, counted.

use crate::activity::{Activity, Judgement, Metered, Tracked};
use crate::pace::RequestBody;
use crate::tls::{Hosts, Refusal, Refusals, is_unknown_key};
use bytes::Buf;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use signing::Pin;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::LazyConfigAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};
use vocabulary::{Kind, Problem, ensure};

/// The TLS key that the other end has proved to hold; in the extensions of every request over mutual TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerKey(pub Pin);

/// The other end's address; in the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteAddress(pub SocketAddr);

/// The host that the connection was opened for; in the extensions of every request over mutual TLS. It chooses the
/// organisation; [`ServedHost::check`] refuses a request that names another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedHost(pub Arc<str>);

impl ServedHost {
    /// Checks that a request on this connection is for this host.
    ///
    /// # Errors
    /// `peer.host` (403) when it names another: a connection of one organisation never reaches another's data.
    pub fn check(&self, parts: &http::request::Parts) -> Result<(), Problem> {
        let authority = crate::message::authority(parts).unwrap_or_default();
        let host = authority.rsplit_once(':').map_or(authority.as_str(), |(host, _)| host);
        ensure!(
            *host == *self.0,
            Problem::new(
                Kind::Refused,
                "peer.host",
                format!("连接属于 {}，请求却写给 {host}；请为该主机另建连接", self.0),
                format!("the connection is {}'s, but the request is for {host}; open another for that host", self.0),
            )
        );
        Ok(())
    }
}

/// The bounds of one port.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once; one more is closed at once.
    pub connections_max: usize,
    /// A TLS handshake must be done within this.
    pub handshake: Duration,
    /// The head of an HTTP/1.1 request must have come within this.
    pub header: Duration,
    /// A connection without a request is closed after this.
    pub idle: Duration,
    /// A client that takes less than [`Limits::slow_bytes_min`] of a waiting answer in this time is cut; of one that
    /// sends less of its request's body, the body ends in [`crate::SlowBody`].
    pub slow: Duration,
    /// See [`Limits::slow`].
    pub slow_bytes_min: u64,
    /// Requests at once on one HTTP/2 connection.
    pub streams_max: u32,
    /// The head of a request is at most this long.
    pub header_bytes_max: u32,
    /// On stop, requests under way may take this long to end.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 20_000,
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(30),
            idle: Duration::from_secs(300),
            slow: Duration::from_secs(30),
            slow_bytes_min: 16 * 1024,
            streams_max: 256,
            header_bytes_max: 32 * 1024,
            grace: Duration::from_secs(20),
        }
    }
}

/// HTTP/2 windows: large enough that a batch fills a fast line, small enough that 256 uploads fit in memory.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
const FRAME_BYTES_MAX: u32 = 64 * 1024;
const SEND_BUFFER_BYTES_MAX: usize = 1 << 20;
/// An HTTP/2 peer that does not answer a ping within this is gone.
const PING_SECONDS: u64 = 20;
/// After a failed accept (no file descriptors left) the loop rests this long.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// A refused client has this long to read the alert.
const ALERT_WAIT: Duration = Duration::from_secs(1);

/// What a port speaks.
#[derive(Clone, Debug)]
pub enum Transport {
    /// TCP without TLS: for programs and browsers behind a proxy, or on loopback.
    Plain,
    /// Mutual TLS: for nodes.
    Mutual(Arc<Hosts>),
}

/// How a port ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that had not ended within the grace time and were cut.
    pub cut: usize,
}

/// A bound port that does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    transport: Transport,
    limits: Limits,
    refusals: Arc<Refusals>,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl Server {
    /// Binds `address` (`[::1]:0` too; port 0 draws a free one).
    ///
    /// # Errors
    /// `peer.bind` when the address is taken or not ours.
    pub async fn bind(address: SocketAddr, transport: Transport, limits: Limits) -> Result<Self, Problem> {
        let cannot = |it: std::io::Error| {
            Problem::new(
                Kind::Unavailable,
                "peer.bind",
                format!("无法监听 {address}：{it}；请换端口或停掉占用者"),
                format!("cannot listen on {address}: {it}; take another port or stop whoever has it"),
            )
        };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let refusals = match &transport {
            Transport::Plain => Arc::default(),
            Transport::Mutual(hosts) => Arc::clone(hosts.refusals()),
        };
        let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
        Ok(Self { listener, address, shared: Arc::new(Shared { transport, limits, refusals, stop, cut }) })
    }

    /// The address, with the port that was drawn.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was refused so far; the handle stays good while the port serves.
    pub fn refusals(&self) -> Arc<Refusals> {
        Arc::clone(&self.shared.refusals)
    }

    /// Serves until `stop` is done; then takes no more connections, lets requests under way end within the grace time,
    /// and cuts the rest.
    pub async fn serve<S, B>(self, service: S, stop: impl Future<Output = ()>) -> Stopped
    where
        S: Service<B>,
        B: Body + Send + 'static,
        B::Data: Buf + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let connections = TaskTracker::new();
        let room = Arc::new(Semaphore::new(self.shared.limits.connections_max));
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, remote)) => match Arc::clone(&room).try_acquire_owned() {
                    Ok(place) => {
                        let shared = Arc::clone(&self.shared);
                        connections.spawn(connection(shared, stream, remote, service.clone(), place));
                    }
                    Err(_) => self.shared.refusals.count(Refusal::TooMany),
                },
                Err(error) if is_one_connection(&error) => debug!(%error, "connection gone before it was accepted"),
                Err(error) => {
                    warn!(%error, "no connection can be accepted");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
        drop(self.listener);
        self.shared.stop.cancel();
        connections.close();
        let cut = match timeout(self.shared.limits.grace, connections.wait()).await {
            Ok(()) => 0,
            Err(_) => connections.len(),
        };
        self.shared.cut.cancel();
        connections.wait().await;
        Stopped { cut }
    }
}

/// What the loop serves: shorthand for a tower service that never fails.
pub trait Service<B>: Answers<B> + Clone + Send + 'static {}

impl<B, S> Service<B> for S where S: Answers<B> + Clone + Send + 'static {}

/// A tower service that answers every request.
pub trait Answers<B>:
    tower::Service<Request<RequestBody>, Response = Response<B>, Error = Infallible, Future: Send>
{
}

impl<B, S> Answers<B> for S where
    S: tower::Service<Request<RequestBody>, Response = Response<B>, Error = Infallible, Future: Send>
{
}

fn is_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// What is known of a connection before its first request; goes into the extensions of each.
#[derive(Clone)]
struct Known {
    remote: RemoteAddress,
    peer: Option<(PeerKey, ServedHost)>,
}

async fn connection<S, B>(
    shared: Arc<Shared>,
    stream: TcpStream,
    remote: SocketAddr,
    service: S,
    place: OwnedSemaphorePermit,
) where
    S: Service<B>,
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let _place = place;
    // Answers are written whole: waiting to fill a segment only costs time.
    let _ = stream.set_nodelay(true);
    let remote = RemoteAddress(remote);
    match &shared.transport {
        Transport::Plain => drive(&shared, stream, Known { remote, peer: None }, service).await,
        Transport::Mutual(hosts) => {
            let greeted = tokio::select! {
                () = shared.cut.cancelled() => return,
                greeted = timeout(shared.limits.handshake, greet(hosts, stream)) => greeted,
            };
            match greeted {
                Ok(Some((stream, peer))) => drive(&shared, stream, Known { remote, peer: Some(peer) }, service).await,
                Ok(None) => {}
                Err(_) => shared.refusals.count(Refusal::Handshake),
            }
        }
    }
}

type Tls = tokio_rustls::server::TlsStream<TcpStream>;

/// The handshake: host first, then keys. `None` after a refusal, which is counted.
async fn greet(hosts: &Hosts, stream: TcpStream) -> Option<(Tls, (PeerKey, ServedHost))> {
    let refusals = hosts.refusals();
    let hello = match LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await {
        Ok(hello) => hello,
        Err(error) => {
            debug!(%error, "no TLS hello");
            refusals.count(Refusal::Handshake);
            return None;
        }
    };
    let Some(served) = hosts.find(hello.client_hello().server_name()) else {
        refusals.count(Refusal::UnknownHost);
        return None;
    };
    let stream = match hello.into_stream(served.config).into_fallible().await {
        Ok(stream) => stream,
        Err((error, stream)) => {
            debug!(%error, host = %served.host, "TLS handshake refused");
            refusals.count(if is_unknown_key(&error) { Refusal::UnknownKey } else { Refusal::Handshake });
            let _ = timeout(ALERT_WAIT, part(stream)).await;
            return None;
        }
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(|it| it.first());
    let pin = Pin::of_certificate(certificate?).ok()?;
    Some((stream, (PeerKey(pin), ServedHost(served.host))))
}

/// Reads on until the other end closes: closing with unread bytes would reset the connection and destroy the alert.
async fn part(mut stream: TcpStream) -> std::io::Result<()> {
    stream.shutdown().await?;
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

async fn drive<S, B, I>(shared: &Shared, io: I, known: Known, service: S)
where
    S: Service<B>,
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let limits = &shared.limits;
    let activity = Arc::new(Activity::default());
    let served = {
        let activity = Arc::clone(&activity);
        let (refusals, limits) = (Arc::clone(&shared.refusals), limits.clone());
        hyper::service::service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(|body| RequestBody::new(body, &limits, &refusals));
            let known = known.clone();
            request.extensions_mut().insert(known.remote);
            if let Some((key, host)) = known.peer {
                request.extensions_mut().insert(key);
                request.extensions_mut().insert(host);
            }
            let under_way = activity.begin();
            let answer = tower::ServiceExt::oneshot(service.clone(), request);
            async move { answer.await.map(|it| it.map(|body| Tracked::new(body, under_way))) }
        })
    };
    let builder = builder(limits);
    let connection = builder.serve_connection(TokioIo::new(Metered::new(io, Arc::clone(&activity))), served);
    tokio::pin!(connection);
    let mut tick = interval(limits.slow.min(limits.idle) / 2);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut stopping, mut parting) = (false, false);
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    debug!(%error, "connection ended with an error");
                }
                return;
            }
            () = shared.stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = shared.cut.cancelled() => return,
            _ = tick.tick() => match activity.judge(limits) {
                Judgement::Fine => {}
                // Asked to part at one tick and still there at the next: it does not read.
                Judgement::Idle if parting => return,
                Judgement::Idle => {
                    parting = true;
                    connection.as_mut().graceful_shutdown();
                }
                Judgement::Slow => {
                    shared.refusals.count(Refusal::Slow);
                    return;
                }
            },
        }
    }
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let header_bytes = usize::try_from(limits.header_bytes_max).unwrap_or(usize::MAX);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header).max_buf_size(header_bytes.max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(limits.header_bytes_max)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .keep_alive_interval(Duration::from_secs(PING_SECONDS))
        .keep_alive_timeout(Duration::from_secs(PING_SECONDS));
    builder
}
