//! The body of a request, with a bound on how long its client may take over it.
//!
//! Only the time in which we wait for the client counts: a handler that reads slowly blames nobody.

use crate::server::Limits;
use crate::tls::{Refusal, Refusals};
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// Why a body ends before its end: its client sent less than [`Limits::slow_bytes_min`] while we waited for
/// [`Limits::slow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowBody {
    /// How long we waited.
    pub waited: Duration,
}

impl SlowBody {
    /// The slow client behind an error of a body, if that is the cause.
    pub fn cause_of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(it) = cause {
            if let Some(slow) = it.downcast_ref::<Self>() {
                return Some(*slow);
            }
            cause = it.source();
        }
        None
    }
}

impl fmt::Display for SlowBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the client sent too little in {} s", self.waited.as_secs())
    }
}

impl Error for SlowBody {}

/// The body of a request that [`crate::Server`] hands on.
#[derive(Debug)]
pub struct RequestBody {
    body: Incoming,
    refusals: Arc<Refusals>,
    bound: Duration,
    bytes_min: u64,
    /// How long we have waited for the next `bytes_min`, and how many of them have come.
    waited: Duration,
    came: u64,
    wait: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl RequestBody {
    pub(crate) fn new(body: Incoming, limits: &Limits, refusals: &Arc<Refusals>) -> Self {
        Self {
            body,
            refusals: Arc::clone(refusals),
            bound: limits.slow,
            bytes_min: limits.slow_bytes_min,
            waited: Duration::ZERO,
            came: 0,
            wait: None,
        }
    }

    fn note(&mut self, bytes: usize) {
        if let Some((since, _)) = self.wait.take() {
            self.waited += since.elapsed();
        }
        self.came += u64::try_from(bytes).unwrap_or(u64::MAX);
        if self.came >= self.bytes_min {
            (self.waited, self.came) = (Duration::ZERO, 0);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(frame) => {
                let data = frame.as_ref().and_then(|it| it.as_ref().ok()).and_then(Frame::data_ref);
                this.note(data.map_or(0, Bytes::len));
                Poll::Ready(frame.map(|it| it.map_err(Into::into)))
            }
            Poll::Pending => {
                let left = this.bound.saturating_sub(this.waited);
                let (_, wait) = this.wait.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
                ready!(wait.as_mut().poll(context));
                this.refusals.count(Refusal::Slow);
                Poll::Ready(Some(Err(SlowBody { waited: this.bound }.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
