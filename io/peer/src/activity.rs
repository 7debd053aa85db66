//! What happens on one connection: how many requests are under way, whether the client takes its answers.
//!
//! Three pieces share one [`Activity`]: the counted stream, the counted answers, and the judge that the accept loop
//! asks at every tick.

use crate::server::Limits;
use hyper::body::{Body, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Requests whose handler runs.
    handling: AtomicU32,
    /// Answers that are being sent.
    answering: AtomicU32,
    /// Answers that wait for our own side to make more of them: the client is not to blame.
    making: AtomicU32,
    /// Whether bytes wait for the socket: an answer may have been handed over whole and still not be taken.
    blocked: AtomicBool,
    written: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    written: u64,
    progress: Instant,
    busy: Instant,
}

impl Default for Seen {
    fn default() -> Self {
        let now = Instant::now();
        Self { written: 0, progress: now, busy: now }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    Fine,
    Idle,
    Slow,
}

impl Activity {
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.handling.fetch_add(1, Ordering::Relaxed);
        UnderWay { activity: Arc::clone(self), stage: Stage::Handling }
    }

    /// Judges what happened since the last tick. While a handler runs nobody is blamed: what it waits for has bounds of
    /// its own, such as [`crate::RequestBody`]'s.
    pub fn judge(&self, limits: &Limits) -> Judgement {
        let now = Instant::now();
        let handling = self.handling.load(Ordering::Relaxed) > 0;
        let answering = self.answering.load(Ordering::Relaxed);
        let making = self.making.load(Ordering::Relaxed);
        let written = self.written.load(Ordering::Relaxed);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let blocked = self.blocked.load(Ordering::Relaxed);
        if handling || answering > 0 || blocked {
            seen.busy = now;
        }
        let waits_for_client = blocked || (!handling && answering > making);
        if !waits_for_client || written - seen.written >= limits.slow_bytes_min {
            (seen.written, seen.progress) = (written, now);
        }
        if now - seen.progress >= limits.slow {
            return Judgement::Slow;
        }
        if now - seen.busy >= limits.idle {
            return Judgement::Idle;
        }
        Judgement::Fine
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Handling,
    Answering,
    Making,
}

/// One request from its head to the end of its answer; counts itself out when dropped.
#[derive(Debug)]
pub(crate) struct UnderWay {
    activity: Arc<Activity>,
    stage: Stage,
}

impl UnderWay {
    fn enter(&mut self, stage: Stage) {
        self.step(-1);
        self.stage = stage;
        self.step(1);
    }

    fn step(&self, by: i32) {
        let add = |counter: &AtomicU32| {
            let _ = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| it.checked_add_signed(by));
        };
        match self.stage {
            Stage::Handling => add(&self.activity.handling),
            Stage::Answering => add(&self.activity.answering),
            Stage::Making => {
                add(&self.activity.answering);
                add(&self.activity.making);
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.step(-1);
    }
}

/// A body that counts as under way until it is sent or dropped.
#[derive(Debug)]
pub(crate) struct Tracked<B> {
    body: Pin<Box<B>>,
    under_way: UnderWay,
}

impl<B> Tracked<B> {
    pub fn new(body: B, mut under_way: UnderWay) -> Self {
        under_way.enter(Stage::Answering);
        Self { body: Box::pin(body), under_way }
    }
}

impl<B: Body> Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = self.body.as_mut().poll_frame(context);
        let stage = if polled.is_pending() { Stage::Making } else { Stage::Answering };
        if self.under_way.stage != stage {
            self.under_way.enter(stage);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream whose written bytes are counted.
#[derive(Debug)]
pub(crate) struct Metered<I> {
    io: I,
    activity: Arc<Activity>,
}

impl<I> Metered<I> {
    pub fn new(io: I, activity: Arc<Activity>) -> Self {
        Self { io, activity }
    }

    fn wrote(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.activity.blocked.store(polled.is_pending(), Ordering::Relaxed);
        if let Poll::Ready(Ok(bytes)) = &polled {
            let bytes = u64::try_from(*bytes).unwrap_or(u64::MAX);
            self.activity.written.fetch_add(bytes, Ordering::Relaxed);
        }
        polled
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Metered<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Metered<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(context, bytes);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(context);
        self.activity.blocked.store(polled.is_pending(), Ordering::Relaxed);
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
