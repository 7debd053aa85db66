//! A circuit breaker: a system that failed several times in a row is left alone for a while, so that whoever asks it
//! hears so at once and nobody waits in its place.
//!
//! Pure: time is an argument, counted from any fixed moment. Invariants, each with a property:
//! - it opens after [`FAILURES_MAX`] failures in a row and never sooner;
//! - while it rests nobody is let through, and after the rest one at a time;
//! - one success closes it, and a probe that never ends does not keep it shut.

use std::time::Duration;

/// Failures in a row after which it opens.
pub const FAILURES_MAX: u32 = 3;
/// The first rest; each failed probe doubles it, up to [`REST_MAX`].
const REST_MIN: Duration = Duration::from_secs(2);
/// The longest rest.
const REST_MAX: Duration = Duration::from_secs(60);
/// A probe that said nothing for this long counts as failed.
const PROBE_MAX: Duration = Duration::from_secs(45);

/// Whether a system may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Go,
    /// It rests; ask again after this long.
    Rest(Duration),
}

/// The state of one system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// It answers; so many failures in a row so far.
    Closed {
        /// How many.
        failures: u32,
    },
    /// It is left alone.
    Open {
        /// Until when.
        until: Duration,
        /// How long it rests.
        rest: Duration,
    },
    /// One asks whether it is back.
    HalfOpen {
        /// Since when.
        since: Duration,
        /// How long it had rested.
        rest: Duration,
    },
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Whether it may be asked at `now`, and the state then.
    #[must_use]
    pub fn ask(self, now: Duration) -> (Admission, Self) {
        match self {
            Self::Closed { .. } => (Admission::Go, self),
            Self::Open { until, .. } if now < until => (Admission::Rest(until - now), self),
            Self::Open { rest, .. } => (Admission::Go, Self::HalfOpen { since: now, rest }),
            Self::HalfOpen { since, rest } if now >= since + PROBE_MAX => {
                (Admission::Go, Self::HalfOpen { since: now, rest })
            }
            Self::HalfOpen { since, .. } => (Admission::Rest(since + PROBE_MAX - now), self),
        }
    }

    /// How long it still rests at `now`, without asking.
    pub fn rests(self, now: Duration) -> Option<Duration> {
        match self {
            Self::Open { until, .. } if now < until => Some(until - now),
            _ => None,
        }
    }

    /// The state once an answer came, or none did.
    #[must_use]
    pub fn heard(self, answered: bool, now: Duration) -> Self {
        match (self, answered) {
            (_, true) => Self::default(),
            (Self::Closed { failures }, false) if failures + 1 < FAILURES_MAX => {
                Self::Closed { failures: failures + 1 }
            }
            (Self::Closed { .. }, false) => Self::Open { until: now + REST_MIN, rest: REST_MIN },
            (Self::HalfOpen { rest, .. }, false) => {
                let rest = (rest * 2).min(REST_MAX);
                Self::Open { until: now + rest, rest }
            }
            // Asked before it opened: it rests already.
            (Self::Open { .. }, false) => self,
        }
    }

    /// Its word in lists.
    pub fn word(self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half-open",
        }
    }
}
