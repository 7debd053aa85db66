//! Calls to other nodes: signed, over pinned TLS, with every answer checked before it is used.
//!
//! hyper's connections rather than reqwest: the address to dial, the host to ask for and the keys to accept come from
//! membership, call by call, and change while the process runs.

mod carrier;
mod lane;

use crate::message::{self, Nonce, Sent};
use bytes::Bytes;
use carrier::AnswerBody;
pub use carrier::{CarriedBody, Carrier, Carrying};
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use lane::Lanes;
use signing::{Certificate, Pin, PublicKey, Signer, TlsKey};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use vocabulary::{Digest, Hasher, Kind, Problem, Timestamp, ensure};

/// A client keeps connections to at most this many peers.
const PEERS_MAX: usize = 1024;
/// A problem document is at most this long.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;
/// A body of which less than this comes while we wait for [`ClientLimits::stall`] has stalled.
const SLOW_BYTES_MIN: usize = 16 * 1024;

/// The bounds of a client.
#[derive(Clone, Debug)]
pub struct ClientLimits {
    /// Dialling one address, with its handshake, must be done within this.
    pub connect: Duration,
    /// The head of an answer must have come within this.
    pub answer: Duration,
    /// A body must not pause for longer than this, nor trickle.
    pub stall: Duration,
    /// A body that is read whole is at most this long.
    pub body_bytes_max: usize,
    /// An idempotent call is tried at most this often.
    pub tries: u32,
    /// The wait before the second try; doubled each time.
    pub rest: Duration,
    /// Connections to one peer; calls take them in turn.
    pub connections_per_peer: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            body_bytes_max: 16 << 20,
            tries: 3,
            rest: Duration::from_millis(100),
            connections_per_peer: 2,
        }
    }
}

/// The peer of a call, as membership now describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The host to ask for, in TLS and in the request.
    pub host: Arc<str>,
    /// Where to dial, in this order: `127.0.0.1:8443`, `[::1]:8443`, `node.example:443`.
    pub addresses: Vec<String>,
    /// The TLS keys it may show.
    pub pins: BTreeSet<Pin>,
    /// The message keys it may sign with.
    pub keys: Vec<PublicKey>,
}

/// One call. Its host is the peer's.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Further fields: `content-type`, `idempotency-key`, `range`.
    pub fields: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Whether it may be sent again when nothing is known of its fate.
    pub idempotent: bool,
}

impl Call {
    /// A call that asks and changes nothing.
    pub fn get(path: impl Into<String>) -> Self {
        let (fields, body) = (HeaderMap::new(), Bytes::new());
        Self { method: Method::GET, path: path.into(), fields, body, idempotent: true }
    }

    /// A call with a JSON body. It is tried once; say `idempotent` where the receiver knows it again.
    pub fn post(path: impl Into<String>, json: impl Into<Bytes>) -> Self {
        let mut fields = HeaderMap::new();
        fields.insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        Self { method: Method::POST, path: path.into(), fields, body: json.into(), idempotent: false }
    }

    /// Marks the call as one that the receiver knows again, by `key`, when it comes twice.
    ///
    /// # Errors
    /// `peer.call` when `key` cannot stand in a field.
    pub fn idempotent(mut self, key: &str) -> Result<Self, Problem> {
        let value = key.parse().map_err(|_| bad_call(&"idempotency key"))?;
        self.fields.insert("idempotency-key", value);
        self.idempotent = true;
        Ok(self)
    }
}

/// A body that is sent up as it is made; its digest is known beforehand. It is tried once.
pub struct Upload {
    /// The digest of the whole body, by the suite of the key that signs.
    pub digest: Digest,
    /// The body.
    pub body: CarriedBody,
}

/// An answer, read whole and checked.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Two hundred and some.
    pub status: StatusCode,
    /// Its fields.
    pub fields: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Whose key signed it.
    pub key: PublicKey,
}

/// A client of one organisation: its keys, and its connections to every peer it calls.
pub struct PeerClient {
    signer: Arc<dyn Signer>,
    limits: ClientLimits,
    way: Way,
}

/// How what is signed travels.
enum Way {
    /// Over pinned TLS.
    Lanes { own: RwLock<Arc<(TlsKey, Certificate)>>, lanes: Mutex<BTreeMap<Arc<str>, Arc<Lanes>>> },
    /// As somebody else carries it.
    Carrier(Arc<dyn Carrier>),
}

impl fmt::Debug for PeerClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerClient").field("key", &self.signer.public()).finish_non_exhaustive()
    }
}

impl PeerClient {
    /// A client that shows `certificate` and signs with `signer`.
    pub fn new(key: TlsKey, certificate: Certificate, signer: Arc<dyn Signer>, limits: ClientLimits) -> Self {
        let own = RwLock::new(Arc::new((key, certificate)));
        Self { signer, limits, way: Way::Lanes { own, lanes: Mutex::default() } }
    }

    /// Shows another certificate from the next connection on; calls under way end on theirs.
    pub fn show(&self, key: TlsKey, certificate: Certificate) {
        if let Way::Lanes { own, lanes } = &self.way {
            // Both under the one lock: nobody opens connections with what was shown before, once this is done.
            let mut lanes = lanes.lock().unwrap_or_else(PoisonError::into_inner);
            *own.write().unwrap_or_else(PoisonError::into_inner) = Arc::new((key, certificate));
            lanes.clear();
        }
    }

    /// A client whose signed messages `carrier` takes to their peers; every answer is checked as ever.
    pub fn over(carrier: Arc<dyn Carrier>, signer: Arc<dyn Signer>, limits: ClientLimits) -> Self {
        Self { signer, limits, way: Way::Carrier(carrier) }
    }

    /// Calls and reads the answer whole. `now` is signed; every try signs anew with a nonce of its own.
    ///
    /// # Errors
    /// `peer.unreachable` (503), `peer.tls` (502: a key was refused, ours or theirs), `peer.answer` (502: what came is
    /// not what the peer signed), or the problem that the peer answered with.
    pub async fn send(&self, peer: &Peer, call: &Call, now: Timestamp) -> Result<Answer, Problem> {
        let tries = if call.idempotent { self.limits.tries.max(1) } else { 1 };
        let mut rest = self.limits.rest;
        for left in (0..tries).rev() {
            let result = async { self.open(peer, call, now).await?.whole(self.limits.body_bytes_max).await }.await;
            match result {
                Err(problem) if left > 0 && problem.code == "peer.unreachable" => {
                    sleep(rest).await;
                    rest *= 2;
                }
                result => return result,
            }
        }
        Err(unreachable(&peer.host, &"no try left"))
    }

    /// Calls and gives the answer's body piece by piece; it ends well only if the whole is what was signed. Tried once.
    ///
    /// # Errors
    /// As [`PeerClient::send`].
    pub async fn open(&self, peer: &Peer, call: &Call, now: Timestamp) -> Result<Download, Problem> {
        let body = Full::new(call.body.clone()).map_err(|never| match never {}).boxed_unsync();
        let signer = held(&self.signer);
        let digest = Digest::by(signer.public().suite(), &call.body);
        self.exchange(peer, call, Upload { digest, body }, (&*signer, now)).await
    }

    /// Sends `upload` as the body of `call`, whose own body is left aside. Tried once.
    ///
    /// # Errors
    /// As [`PeerClient::send`].
    pub async fn upload(&self, peer: &Peer, call: &Call, upload: Upload, now: Timestamp) -> Result<Answer, Problem> {
        let signer = held(&self.signer);
        self.exchange(peer, call, upload, (&*signer, now)).await?.whole(self.limits.body_bytes_max).await
    }

    async fn exchange(
        &self,
        peer: &Peer,
        call: &Call,
        upload: Upload,
        (signer, now): (&dyn Signer, Timestamp),
    ) -> Result<Download, Problem> {
        let (request, sent) = signed(peer, call, upload, (signer, now))?;
        let answer = timeout(self.limits.answer + self.limits.connect, self.way.carry(peer, request, &self.limits))
            .await
            .map_err(|_| unreachable(&peer.host, &"no answer in time"))??;
        let (parts, body) = answer.into_parts();
        if !message::is_signed(&parts.headers) {
            ensure!(parts.status.is_client_error() || parts.status.is_server_error(), unsigned_answer(&peer.host));
            return Err(problem_of(peer, parts.status, body, self.limits.stall).await);
        }
        ensure!(!parts.status.is_redirection(), bad_answer(&peer.host, &"it sends us elsewhere; only membership does"));
        let encoding = parts.headers.get(header::CONTENT_ENCODING);
        ensure!(
            encoding.is_none(),
            bad_answer(&peer.host, &format!("encoded as {encoding:?}, which was not asked for"))
        );
        let known = |id: &str| peer.keys.iter().find(|it| it.to_string() == id).copied();
        let (key, digest) =
            message::verify_answer(&parts, &sent, |id| known(id).ok_or_else(|| unsigned_answer(&peer.host)))
                .map_err(|it| bad_answer(&peer.host, &it.detail.en))?;
        let host = Arc::clone(&peer.host);
        let (status, fields) = (parts.status, parts.headers);
        let pace = Pace { stall: self.limits.stall, waited: Duration::ZERO, came: 0 };
        let mut download =
            Download { status, fields, key, digest, host, body, pace, hasher: Hasher::new(digest.suite) };
        if status.is_client_error() || status.is_server_error() {
            let bytes = download.collect(PROBLEM_BYTES_MAX).await?;
            return Err(read_problem(peer, status, &bytes));
        }
        Ok(download)
    }
}

/// The key of this moment: digest, `keyid` and signature of a message are of one key.
fn held(signer: &Arc<dyn Signer>) -> Arc<dyn Signer> {
    signer.hold().unwrap_or_else(|| Arc::clone(signer))
}

fn signed(
    peer: &Peer,
    call: &Call,
    upload: Upload,
    (signer, now): (&dyn Signer, Timestamp),
) -> Result<(http::Request<CarriedBody>, Sent), Problem> {
    let uri = format!("https://{}{}", peer.host, call.path);
    let mut request = http::Request::new(upload.body);
    *request.uri_mut() = uri.parse().map_err(|it| bad_call(&it))?;
    *request.method_mut() = call.method.clone();
    *request.headers_mut() = call.fields.clone();
    let (mut parts, body) = request.into_parts();
    let sent = message::sign_request(&mut parts, &upload.digest, signer, Nonce::draw(now)?, now)?;
    Ok((http::Request::from_parts(parts, body), sent))
}

impl Way {
    async fn carry(
        &self,
        peer: &Peer,
        request: http::Request<CarriedBody>,
        limits: &ClientLimits,
    ) -> Result<http::Response<AnswerBody>, Problem> {
        match self {
            Self::Lanes { own, lanes } => {
                let lanes = to_peer(own, lanes, peer, limits)?;
                Ok(deliver(&lanes, request, limits).await?.map(AnswerBody::Wire))
            }
            Self::Carrier(carrier) => Ok(carrier.carry(peer, request).await?.map(AnswerBody::Carried)),
        }
    }
}

/// The connections to `peer`, made anew when membership describes it otherwise than before.
fn to_peer(
    own: &RwLock<Arc<(TlsKey, Certificate)>>,
    all: &Mutex<BTreeMap<Arc<str>, Arc<Lanes>>>,
    peer: &Peer,
    limits: &ClientLimits,
) -> Result<Arc<Lanes>, Problem> {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(lanes) = all.get(&peer.host).filter(|it| it.peer == *peer) {
        return Ok(Arc::clone(lanes));
    }
    if all.len() >= PEERS_MAX {
        all.pop_first();
    }
    let own = Arc::clone(&own.read().unwrap_or_else(PoisonError::into_inner));
    let lanes = Arc::new(Lanes::new(&own, peer, limits)?);
    all.insert(Arc::clone(&peer.host), Arc::clone(&lanes));
    Ok(lanes)
}

/// Sends over a shared connection. One that was closed in the same moment gives the request back unsent: then once
/// more over a new one, which is safe for any call.
async fn deliver(
    lanes: &Lanes,
    request: http::Request<CarriedBody>,
    limits: &ClientLimits,
) -> Result<http::Response<Incoming>, Problem> {
    let host = &lanes.peer.host;
    let mut failure = match lanes.sender(limits).await?.try_send_request(request).await {
        Ok(answer) => return Ok(answer),
        Err(failure) => failure,
    };
    match failure.take_message() {
        Some(request) => {
            let again = lanes.sender(limits).await?.try_send_request(request).await;
            again.map_err(|it| lost(host, &it.into_error()))
        }
        None => Err(lost(host, failure.error())),
    }
}

/// An answer whose head is checked and whose body is still coming.
#[derive(Debug)]
pub struct Download {
    /// Two hundred and some.
    pub status: StatusCode,
    /// Its fields.
    pub fields: HeaderMap,
    /// Whose key signed it.
    pub key: PublicKey,
    /// What the whole body's digest must be.
    pub digest: Digest,
    host: Arc<str>,
    body: AnswerBody,
    pace: Pace,
    hasher: Hasher,
}

/// How long we have waited for the next [`SLOW_BYTES_MIN`] bytes, and how many of them have come.
#[derive(Debug)]
struct Pace {
    stall: Duration,
    waited: Duration,
    came: usize,
}

impl Pace {
    fn note(&mut self, waited: Duration, bytes: usize) {
        self.waited += waited;
        self.came += bytes;
        if self.came >= SLOW_BYTES_MIN {
            (self.waited, self.came) = (Duration::ZERO, 0);
        }
    }
}

impl Download {
    /// The next piece; `None` when the body has ended and is what was signed. Use nothing for good before that.
    ///
    /// # Errors
    /// `peer.unreachable` when the connection is lost or pauses too long, `peer.answer` when the whole is not what was
    /// signed.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let (since, left) = (Instant::now(), self.pace.stall.saturating_sub(self.pace.waited));
            let frame = timeout(left, self.body.frame()).await.map_err(|_| unreachable(&self.host, &"stalled"))?;
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.pace.note(since.elapsed(), bytes.len());
                        self.hasher.update(&bytes);
                        return Ok(Some(bytes));
                    }
                }
                Some(Err(error)) => return Err(lost(&self.host, &*error)),
                None => {
                    let came = self.hasher.clone().digest();
                    message::check_digest(&self.digest, &came).map_err(|it| bad_answer(&self.host, &it.detail.en))?;
                    return Ok(None);
                }
            }
        }
    }

    /// The whole body, at most `bytes_max` long.
    ///
    /// # Errors
    /// As [`Download::chunk`], and `peer.answer` when it is longer.
    pub async fn whole(mut self, bytes_max: usize) -> Result<Answer, Problem> {
        let body = self.collect(bytes_max).await?;
        Ok(Answer { status: self.status, fields: self.fields, body, key: self.key })
    }

    async fn collect(&mut self, bytes_max: usize) -> Result<Bytes, Problem> {
        let mut body = Vec::new();
        while let Some(bytes) = self.chunk().await? {
            let room = bytes_max.saturating_sub(body.len());
            ensure!(bytes.len() <= room, bad_answer(&self.host, &format!("body longer than {bytes_max} bytes")));
            body.extend_from_slice(&bytes);
        }
        Ok(body.into())
    }
}

/// A problem that came unsigned: from the layers that do not know yet with whom they speak.
async fn problem_of(peer: &Peer, status: StatusCode, body: AnswerBody, stall: Duration) -> Problem {
    match timeout(stall, Limited::new(body, PROBLEM_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => read_problem(peer, status, &body.to_bytes()),
        _ => unreachable(&peer.host, &"no readable answer"),
    }
}

fn read_problem(peer: &Peer, status: StatusCode, body: &[u8]) -> Problem {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => problem.with("peer", peer.host.as_ref()),
        Err(_) => bad_answer(&peer.host, &format!("status {status} without a problem document")),
    }
}

fn bad_call(why: &dyn fmt::Display) -> Problem {
    Problem::new(
        Kind::Malformed,
        "peer.call",
        format!("请求无法发出：{why}"),
        format!("the call cannot be sent: {why}"),
    )
}

fn unsigned_answer(host: &str) -> Problem {
    bad_answer(host, &"not signed with a key of its membership")
}

fn bad_answer(host: &str, why: &dyn fmt::Display) -> Problem {
    Problem::new(
        Kind::Peer,
        "peer.answer",
        format!("{host} 的答复不可采信：{why}；请联系对方"),
        format!("the answer of {host} cannot be trusted: {why}; tell its operators"),
    )
    .with("peer", host)
}

fn unreachable(host: &str, why: &dyn fmt::Display) -> Problem {
    Problem::new(
        Kind::Unavailable,
        "peer.unreachable",
        format!("暂时无法连通 {host}：{why}；请稍后重试"),
        format!("{host} cannot be reached for the moment: {why}; try again later"),
    )
    .with("peer", host)
}

/// A connection that failed: because a key was refused, which trying again does not mend, or because it was lost.
fn lost(host: &str, error: &(dyn Error + 'static)) -> Problem {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        text = format!("{text}: {it}");
        cause = it.source();
    }
    // The layers between hand TLS errors on as text only.
    if text.contains("AccessDenied") {
        return refused(host, "对方未登记本组织的 TLS 密钥", "it does not know our TLS key", "key_unknown_there");
    }
    if text.contains("ApplicationVerificationFailure") || text.contains("invalid peer certificate") {
        return refused(
            host,
            "对方出示的 TLS 密钥未登记",
            "it showed a TLS key that is not in its membership",
            "key_unknown_here",
        );
    }
    unreachable(host, &text)
}

fn refused(host: &str, zh: &str, en: &str, reason: &str) -> Problem {
    Problem::new(
        Kind::Peer,
        "peer.tls",
        format!("与 {host} 的连接被拒：{zh}；请核对成员登记"),
        format!("the connection to {host} was refused: {en}; compare the membership entries"),
    )
    .with("peer", host)
    .with("reason", reason)
}
