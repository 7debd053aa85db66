//! The network between the nodes: it carries signed requests, and loses, delays, repeats and cuts them by the seed.
//!
//! It stands below the signature, in place of TLS: what it hands in at a node is what the sender signed, on a
//! connection of the sender's key. A node's answer is made by a future of the node's own; it goes with the node, and
//! sometimes with the client that waits for it.

use crate::{
    Sabotage, Who,
    draw::Draw,
    fate::{CALM, Fate},
    trace::Trace,
};
use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, request, response};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use paused_tokio::runtime::Handle;
use peer::{
    CarriedBody, Carrier, Carrying, Peer, PeerKey, ServedHost,
    message::{Nonce, sign_request},
};
use signing::{KeyRing, Pin};
use std::{
    collections::BTreeMap,
    future::poll_fn,
    pin::Pin as Pinned,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};
use tower::ServiceExt as _;
use vocabulary::{Digest, Kind, Problem};

/// Rounds after which a client takes a message for lost.
const LOST_ROUNDS: u64 = 4;

/// A node's peer port.
pub(crate) struct Port {
    pub router: Router,
    pub runtime: Handle,
}

/// A signed request on its way.
#[derive(Clone)]
pub(crate) struct Letter {
    pub from: Who,
    pub to: Who,
    pub head: request::Parts,
    pub body: Bytes,
    /// It was delivered, or given up, before.
    pub again: bool,
}

impl Letter {
    /// `js-scjg ← nj-gxj POST /peer/v1/parcels/*/parts/0`: without ids.
    pub fn name(&self) -> String {
        let plain = |it: &str| if it.contains('_') || it.len() > 30 { "*".to_owned() } else { it.to_owned() };
        let path: Vec<String> = self.head.uri.path().split('/').map(plain).collect();
        format!("{} ← {} {} {}", self.to.id(), self.from.id(), self.head.method, path.join("/"))
    }
}

/// What a node answered.
#[derive(Clone)]
pub(crate) struct Reply {
    pub head: response::Parts,
    pub body: Bytes,
}

impl Reply {
    fn answer(self, cut_percent: Option<u64>) -> http::Response<CarriedBody> {
        let body = match cut_percent {
            None => Full::new(self.body).map_err(|never| match never {}).boxed_unsync(),
            Some(percent) => {
                let kept = self.body.len() as u64 * percent / 100;
                let kept = self.body.slice(..usize::try_from(kept).unwrap_or(0));
                let frames = [Ok(Frame::data(kept)), Err("the connection was cut".into())];
                StreamBody::new(futures::stream::iter(frames)).boxed_unsync()
            }
        };
        http::Response::from_parts(self.head, body)
    }
}

/// An answer that left a node, for the model.
pub(crate) struct Heard {
    pub letter: Letter,
    pub reply: Reply,
    /// The round in which the request came in.
    pub came: u64,
    /// Imports known to have taken effect when it came, and those that may have when it was answered.
    pub imports: (usize, usize),
}

type Serving = Pinned<Box<dyn Future<Output = Reply> + Send>>;

struct Hosted {
    letter: Letter,
    future: Option<Serving>,
    reply: Option<Reply>,
    /// Nobody waits for the answer.
    alone: bool,
    came: u64,
    imports_then: usize,
}

struct State {
    draw: Draw,
    round: u64,
    calm: bool,
    ports: BTreeMap<Who, Port>,
    hosted: BTreeMap<u64, Hosted>,
    serial: u64,
    floating: Vec<(u64, Letter)>,
    cut_until: BTreeMap<(Who, Who), u64>,
    imports: (usize, usize),
    heard: Vec<Heard>,
    trace: Trace,
}

/// The network.
pub(crate) struct Net {
    keys: BTreeMap<Who, (Pin, KeyRing)>,
    sabotage: Option<Sabotage>,
    state: Mutex<State>,
}

impl Net {
    pub fn new(draw: Draw, keys: BTreeMap<Who, (Pin, KeyRing)>, sabotage: Option<Sabotage>, trace: Trace) -> Arc<Self> {
        let state = State {
            draw,
            round: 0,
            calm: true,
            ports: BTreeMap::new(),
            hosted: BTreeMap::new(),
            serial: 0,
            floating: Vec::new(),
            cut_until: BTreeMap::new(),
            imports: (0, 0),
            heard: Vec::new(),
            trace,
        };
        Arc::new(Self { keys, sabotage, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn plug(&self, who: Who, port: Port) {
        self.state().ports.insert(who, port);
    }

    /// The node is gone, with whatever it was answering.
    pub fn unplug(&self, who: Who) {
        let (port, gone) = {
            let mut state = self.state();
            let gone: Vec<u64> = state.hosted.iter().filter(|(_, it)| it.letter.to == who).map(|(id, _)| *id).collect();
            let gone: Vec<Hosted> = gone.iter().filter_map(|it| state.hosted.remove(it)).collect();
            (state.ports.remove(&who), gone)
        };
        let inside = port.as_ref().map(|it| it.runtime.enter());
        drop(gone);
        drop(inside);
    }

    /// From now on nothing goes wrong, or it may again.
    pub fn calm(&self, calm: bool) {
        let mut state = self.state();
        state.calm = calm;
        state.cut_until.clear();
    }

    pub fn cut(&self, one: Who, other: Who, rounds: u64) {
        let mut state = self.state();
        let until = state.round + rounds;
        state.cut_until.insert((one.min(other), one.max(other)), until);
    }

    pub fn note(&self, line: String) {
        self.state().trace.note(line);
    }

    pub fn round(&self) -> u64 {
        self.state().round
    }

    pub fn digest(&self) -> String {
        self.state().trace.digest()
    }

    pub fn take_lines(&self) -> Vec<String> {
        self.state().trace.take()
    }

    pub fn take_heard(&self) -> Vec<Heard> {
        std::mem::take(&mut self.state().heard)
    }

    pub fn set_imports(&self, imports: (usize, usize)) {
        self.state().imports = imports;
    }

    /// How many messages are still under way.
    pub fn under_way(&self) -> usize {
        let state = self.state();
        state.hosted.len() + state.floating.len()
    }

    /// The next round: messages whose time has come are handed in.
    pub fn next_round(self: &Arc<Self>) {
        let due = {
            let mut state = self.state();
            state.round += 1;
            let round = state.round;
            let due: Vec<Letter> = state.floating.extract_if(.., |it| it.0 <= round).map(|(_, it)| it).collect();
            due
        };
        for letter in due {
            if let Some(guest) = self.host(letter) {
                guest.leave_alone();
            }
        }
    }

    /// A request leaves its node; what will become of it is drawn now.
    fn post(&self, from: Who, host: &str, head: request::Parts, body: Bytes) -> Option<(Letter, Fate)> {
        let to = Who::ALL.into_iter().find(|it| it.host() == host)?;
        let letter = Letter { from, to, head, body, again: false };
        let mut state = self.state();
        let fate = if state.calm { CALM } else { Fate::draw(&mut state.draw) };
        let line = format!("{} {}{fate}", state.round, letter.name());
        state.trace.note(line);
        let round = state.round;
        let again = Letter { again: true, ..letter.clone() };
        state
            .floating
            .extend(fate.late.into_iter().chain(fate.copy).map(|it| (round + fate.out + 1 + it, again.clone())));
        Some((letter, fate))
    }

    fn is_cut(&self, one: Who, other: Who) -> bool {
        let state = self.state();
        state.cut_until.get(&(one.min(other), one.max(other))).is_some_and(|it| *it > state.round)
    }

    /// Hands a request in at its node, which begins to answer; `None` when the node cannot be reached.
    fn host(self: &Arc<Self>, mut letter: Letter) -> Option<Guest> {
        if self.is_cut(letter.from, letter.to) {
            return None;
        }
        if letter.again && self.sabotage == Some(Sabotage::ReplaysAccepted) {
            self.sign_anew(&mut letter);
        }
        let pin = self.keys.get(&letter.from)?.0;
        let mut request = http::Request::from_parts(letter.head.clone(), Body::from(letter.body.clone()));
        request.extensions_mut().insert(PeerKey(pin));
        request.extensions_mut().insert(ServedHost(letter.to.host().into()));
        let mut state = self.state();
        let port = state.ports.get(&letter.to)?;
        let inside = port.runtime.enter();
        let answering = port.router.clone().oneshot(request);
        let future: Serving = Box::pin(async move {
            let answer = match answering.await {
                Ok(answer) => answer,
                Err(never) => match never {},
            };
            let (head, body) = answer.into_parts();
            Reply { head, body: body.collect().await.map(|it| it.to_bytes()).unwrap_or_default() }
        });
        drop(inside);
        state.serial += 1;
        let (id, came, imports_then) = (state.serial, state.round, state.imports.0);
        let hosted = Hosted { letter, future: Some(future), reply: None, alone: false, came, imports_then };
        state.hosted.insert(id, hosted);
        Some(Guest { net: Arc::clone(self), id })
    }

    /// The sabotage: a replay that no nonce can show.
    fn sign_anew(&self, letter: &mut Letter) {
        let Some((_, keys)) = self.keys.get(&letter.from) else { return };
        let created = letter.head.headers.get("signature-input").and_then(created);
        for field in ["content-digest", "signature-input", "signature"] {
            letter.head.headers.remove(field);
        }
        let Some(created) = created else { return };
        if let Ok(nonce) = Nonce::draw(created) {
            drop(sign_request(&mut letter.head, &Digest::of(&letter.body), &keys.messages, nonce, created));
        }
    }

    /// Lets every node go on with what it was asked.
    pub fn serve(&self) {
        let ids: Vec<u64> = self.state().hosted.keys().copied().collect();
        for id in ids {
            let taken = {
                let mut state = self.state();
                let taken = state.hosted.get_mut(&id).and_then(|it| Some((it.future.take()?, it.letter.to)));
                taken.and_then(|(future, to)| Some((future, state.ports.get(&to)?.runtime.clone())))
            };
            let Some((mut future, runtime)) = taken else { continue };
            let inside = runtime.enter();
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => {
                    if let Some(hosted) = self.state().hosted.get_mut(&id) {
                        hosted.future = Some(future);
                    }
                }
                Poll::Ready(reply) => {
                    drop(future);
                    self.answered(id, reply);
                }
            }
            drop(inside);
        }
    }

    fn answered(&self, id: u64, reply: Reply) {
        let mut state = self.state();
        let Some(hosted) = state.hosted.remove(&id) else { return };
        let code = code(&reply).map(|it| format!(" {it}")).unwrap_or_default();
        let again = if hosted.letter.again { "again " } else { "" };
        let line = format!("{} {again}{} → {}{code}", state.round, hosted.letter.name(), reply.head.status.as_u16());
        state.trace.note(line);
        let imports = (hosted.imports_then, state.imports.1);
        let heard = Heard { letter: hosted.letter.clone(), reply: reply.clone(), came: hosted.came, imports };
        state.heard.push(heard);
        if !hosted.alone {
            state.hosted.insert(id, Hosted { reply: Some(reply), ..hosted });
        }
    }

    /// Done once the world has come to that round.
    async fn until(&self, round: u64) {
        poll_fn(|_| if self.round() >= round { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// When a request says it was signed.
fn created(field: &HeaderValue) -> Option<vocabulary::Timestamp> {
    let text = field.to_str().ok()?;
    let (_, rest) = text.split_once("created=")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    vocabulary::Timestamp::from_second(digits.parse().ok()?).ok()
}

/// The code of a refusal.
pub(crate) fn code(reply: &Reply) -> Option<String> {
    let told = || serde_json::from_slice::<Problem>(&reply.body).ok();
    if reply.head.status == StatusCode::OK { None } else { told().map(|it| it.code.into_owned()) }
}

/// A request that a node is answering, seen from the client that waits.
struct Guest {
    net: Arc<Net>,
    id: u64,
}

impl Guest {
    /// The answer; `None` when the node went down meanwhile.
    async fn reply(&self) -> Option<Reply> {
        poll_fn(|_| {
            let mut state = self.net.state();
            match state.hosted.get_mut(&self.id) {
                None => Poll::Ready(None),
                Some(hosted) => match hosted.reply.take() {
                    Some(reply) => {
                        state.hosted.remove(&self.id);
                        Poll::Ready(Some(reply))
                    }
                    None => Poll::Pending,
                },
            }
        })
        .await
    }

    fn leave_alone(self) {
        if let Some(hosted) = self.net.state().hosted.get_mut(&self.id) {
            hosted.alone = true;
        }
    }
}

impl Drop for Guest {
    /// The client is gone: the node may notice, and stop where it is, or not.
    fn drop(&mut self) {
        let dropped = {
            let mut state = self.net.state();
            let Some(hosted) = state.hosted.get(&self.id).filter(|it| !it.alone) else { return };
            let answered = hosted.reply.is_some();
            let noticed = state.draw.chance(50) || answered;
            if noticed {
                let hosted = state.hosted.remove(&self.id);
                let runtime =
                    hosted.as_ref().and_then(|it| state.ports.get(&it.letter.to)).map(|it| it.runtime.clone());
                hosted.zip(runtime)
            } else {
                if let Some(hosted) = state.hosted.get_mut(&self.id) {
                    hosted.alone = true;
                }
                None
            }
        };
        if let Some((hosted, runtime)) = dropped {
            let inside = runtime.enter();
            drop(hosted);
            drop(inside);
        }
    }
}

/// The network as one node's client uses it.
pub(crate) struct Wire {
    net: Arc<Net>,
    from: Who,
}

impl Wire {
    pub fn new(net: &Arc<Net>, from: Who) -> Self {
        Self { net: Arc::clone(net), from }
    }

    async fn carried(&self, host: &str, head: request::Parts, body: Bytes) -> Option<http::Response<CarriedBody>> {
        let net = &self.net;
        let begun = net.round();
        let (letter, fate) = net.post(self.from, host, head, body)?;
        net.until(begun + fate.out).await;
        let to = letter.to;
        let guest = if fate.request_lost || fate.late.is_some() { None } else { net.host(letter) };
        let reply = match guest {
            Some(guest) => guest.reply().await,
            None => None,
        };
        let Some(reply) = reply.filter(|_| !fate.answer_lost) else {
            net.until(net.round() + LOST_ROUNDS).await;
            return None;
        };
        net.until(net.round() + fate.back).await;
        (!net.is_cut(self.from, to)).then(|| reply.answer(fate.cut))
    }
}

impl Carrier for Wire {
    fn carry<'a>(&'a self, peer: &'a Peer, request: http::Request<CarriedBody>) -> Carrying<'a> {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(|it| it.to_bytes()).unwrap_or_default();
            self.carried(&peer.host, head, body).await.ok_or_else(|| {
                let host = &peer.host;
                let en = format!("{host} cannot be reached for the moment: lost; try again later");
                let zh = format!("暂时无法连通 {host}；请稍后重试");
                Problem::new(Kind::Unavailable, "peer.unreachable", zh, en)
            })
        })
    }
}
