//! Connections to one peer: a few HTTP/2 connections that all calls share, opened on first use and again when lost.

use super::{CarriedBody, ClientLimits, Peer, unreachable};
use crate::tls;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use signing::{Certificate, TlsKey};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tracing::debug;
use vocabulary::Problem;

pub(crate) type Sender = SendRequest<CarriedBody>;

const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const FRAME_BYTES_MAX: u32 = 64 * 1024;
const PING: Duration = Duration::from_secs(20);
/// After a failed dial, calls within this time hear the same failure instead of each waiting for its own.
const FAILURE_REST: Duration = Duration::from_millis(500);

/// The connections to one peer as membership now describes it.
pub(crate) struct Lanes {
    pub peer: Peer,
    config: Arc<ClientConfig>,
    lanes: Vec<Mutex<Lane>>,
    next: AtomicUsize,
}

#[derive(Default)]
struct Lane {
    sender: Option<Sender>,
    failed: Option<(Instant, Problem)>,
}

impl Lanes {
    pub fn new(own: &(TlsKey, Certificate), peer: &Peer, limits: &ClientLimits) -> Result<Self, Problem> {
        Ok(Self {
            peer: peer.clone(),
            config: tls::client_config(own, &peer.pins)?,
            lanes: (0..limits.connections_per_peer.max(1)).map(|_| Mutex::default()).collect(),
            next: AtomicUsize::new(0),
        })
    }

    /// A live connection: the next in turn, dialled if it is not there.
    pub async fn sender(&self, limits: &ClientLimits) -> Result<Sender, Problem> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
        let mut lane = self.lanes[turn].lock().await;
        if let Some(sender) = lane.sender.as_ref().filter(|it| !it.is_closed()) {
            return Ok(sender.clone());
        }
        if let Some((_, problem)) = lane.failed.as_ref().filter(|(at, _)| at.elapsed() < FAILURE_REST) {
            return Err(problem.clone());
        }
        match self.dial(limits).await {
            Ok(sender) => {
                *lane = Lane { sender: Some(sender.clone()), failed: None };
                Ok(sender)
            }
            Err(problem) => {
                *lane = Lane { sender: None, failed: Some((Instant::now(), problem.clone())) };
                Err(problem)
            }
        }
    }

    async fn dial(&self, limits: &ClientLimits) -> Result<Sender, Problem> {
        let mut last = unreachable(&self.peer.host, &"no address");
        for address in &self.peer.addresses {
            match timeout(limits.connect, self.connect(address)).await {
                Ok(Ok(sender)) => return Ok(sender),
                Ok(Err(problem)) => last = problem,
                Err(_) => last = unreachable(&self.peer.host, &format!("{address} did not answer in time")),
            }
        }
        Err(last)
    }

    async fn connect(&self, address: &str) -> Result<Sender, Problem> {
        let host = &self.peer.host;
        let failed = |it: std::io::Error| super::lost(host, &it);
        let stream = TcpStream::connect(address).await.map_err(|it| unreachable(host, &format!("{address}: {it}")))?;
        let _ = stream.set_nodelay(true);
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(tls::dns_name(host)?, stream).await.map_err(failed)?;
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES_MAX)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|it| super::lost(host, &it))?;
        let host = Arc::clone(host);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, %host, "connection to a peer ended with an error");
            }
        });
        Ok(sender)
    }
}
