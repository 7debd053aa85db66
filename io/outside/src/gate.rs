//! What stands before every system of others: few places, a bounded queue, a deadline, a breaker.

use crate::{
    Admission, Breaker,
    driver::CONNECTIONS_MAX,
    problem::{Trouble, away, busy, slow},
};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, time::timeout};
use vocabulary::{Problem, ResourceId};

/// A caller waits this long for a free place, then hears that it is busy.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// So many may wait for a place at once; whoever comes then hears that it is busy immediately.
const WAITING_MAX: usize = 64;
/// Calls that write to one system at once.
const WRITING_MAX: usize = 6;

/// Places of calls, and of those that wait for one.
#[derive(Debug)]
pub(crate) struct Places {
    free: Semaphore,
    waiting: Semaphore,
}

impl Places {
    /// For so many calls at once, while so many may wait.
    pub(crate) fn new(free: usize, waiting: usize) -> Self {
        Self { free: Semaphore::new(free), waiting: Semaphore::new(waiting) }
    }
}

/// Why nobody was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shut {
    /// It failed and rests for this long.
    Resting(Duration),
    /// As many as may are asking already.
    Busy,
}

/// The gate of one system.
#[derive(Debug)]
pub(crate) struct Gate {
    breaker: Mutex<Breaker>,
    begun: Instant,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { breaker: Mutex::default(), begun: Instant::now() }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is asked at present: `closed`, `open`, `half-open`.
    pub(crate) fn state(&self) -> &'static str {
        self.breaker().word()
    }

    /// Makes a call with one of `places`, within its time, where the breaker lets it through. Nothing when its time was
    /// over before it said anything; `answered` says of a failure whether the system answered at all.
    pub(crate) async fn pass<T, E>(
        &self,
        places: &Places,
        most: Duration,
        call: impl Future<Output = Result<T, E>>,
        answered: impl Fn(&E) -> bool,
    ) -> Result<Option<Result<T, E>>, Shut> {
        if let Some(rest) = self.breaker().rests(self.begun.elapsed()) {
            return Err(Shut::Resting(rest));
        }
        let Ok(waits) = places.waiting.try_acquire() else { return Err(Shut::Busy) };
        let Ok(Ok(_free)) = timeout(WAIT_MAX, places.free.acquire()).await else { return Err(Shut::Busy) };
        drop(waits);
        self.admit()?;
        let got = timeout(most, call).await.ok();
        let heard = match &got {
            Some(Ok(_)) => true,
            Some(Err(failure)) => answered(failure),
            None => false,
        };
        let mut breaker = self.breaker();
        *breaker = breaker.heard(heard, self.begun.elapsed());
        Ok(got)
    }

    fn admit(&self) -> Result<(), Shut> {
        let mut breaker = self.breaker();
        let (admission, next) = breaker.ask(self.begun.elapsed());
        *breaker = next;
        match admission {
            Admission::Go => Ok(()),
            Admission::Rest(rest) => Err(Shut::Resting(rest)),
        }
    }
}

/// Which places a call takes: reads and writes have their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// One of the pool.
    Read,
    /// One of the few that write.
    Write,
}

/// The gate of a system that is read and written to: neither holds the other up, and one breaker stands before both.
pub(crate) struct Lanes {
    name: ResourceId,
    gate: Gate,
    reading: Places,
    writing: Places,
}

impl Lanes {
    pub(crate) fn new(name: ResourceId) -> Self {
        Self {
            name,
            gate: Gate::new(),
            reading: Places::new(CONNECTIONS_MAX as usize, WAITING_MAX),
            writing: Places::new(WRITING_MAX, WAITING_MAX),
        }
    }

    /// Whether it is asked at present: `closed`, `open`, `half-open`.
    pub(crate) fn state(&self) -> &'static str {
        self.gate.state()
    }

    /// Makes a call with a place of its lane, within its time, where the breaker lets it through.
    pub(crate) async fn guard<T>(
        &self,
        lane: Lane,
        most: Duration,
        call: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Problem> {
        let places = if lane == Lane::Read { &self.reading } else { &self.writing };
        match self.gate.pass(places, most, call, Trouble::answered).await {
            Ok(Some(got)) => got.map_err(|it| it.problem(&self.name)),
            Ok(None) => Err(slow(&self.name)),
            Err(Shut::Resting(rest)) => Err(away(&self.name, Some(rest))),
            Err(Shut::Busy) => Err(busy(&self.name)),
        }
    }
}
