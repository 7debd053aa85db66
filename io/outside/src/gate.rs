//! What stands before every system of others: few places, a bounded queue, a deadline, a breaker.

use crate::{Admission, Breaker};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, time::timeout};

/// A caller waits this long for a free place, then hears that it is busy.
const WAIT_MAX: Duration = Duration::from_secs(3);

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
    waiting: Semaphore,
    breaker: Mutex<Breaker>,
    begun: Instant,
}

impl Gate {
    /// Where `waiting` may stand in it at once, those that are asking among them.
    pub(crate) fn new(waiting: usize) -> Self {
        Self { waiting: Semaphore::new(waiting), breaker: Mutex::default(), begun: Instant::now() }
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
        places: &Semaphore,
        most: Duration,
        call: impl Future<Output = Result<T, E>>,
        answered: impl Fn(&E) -> bool,
    ) -> Result<Option<Result<T, E>>, Shut> {
        if let Some(rest) = self.breaker().rests(self.begun.elapsed()) {
            return Err(Shut::Resting(rest));
        }
        let Ok(_place) = self.waiting.try_acquire() else { return Err(Shut::Busy) };
        let Ok(Ok(_free)) = timeout(WAIT_MAX, places.acquire()).await else { return Err(Shut::Busy) };
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
