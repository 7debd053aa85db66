//! One true time, and clocks that are off by as much as the seed says.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use vocabulary::Timestamp;

/// The world's time.
#[derive(Debug)]
pub(crate) struct WorldTime(AtomicI64);

impl WorldTime {
    pub fn new(at: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(at.as_microsecond())))
    }

    pub fn advance(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

/// A node's clock: the world's time and how far it is off.
#[derive(Debug)]
pub(crate) struct NodeClock {
    world: Arc<WorldTime>,
    off_micros: AtomicI64,
}

impl NodeClock {
    pub fn new(world: &Arc<WorldTime>) -> Arc<Self> {
        Arc::new(Self { world: Arc::clone(world), off_micros: AtomicI64::new(0) })
    }

    /// How far it is ahead.
    pub fn ahead_seconds(&self) -> i64 {
        self.off_micros.load(Ordering::SeqCst) / 1_000_000
    }

    /// Jumps: from now on it is ahead by so much.
    pub fn set_off(&self, seconds: i64) {
        self.off_micros.store(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl node::Clock for NodeClock {
    fn now(&self) -> Timestamp {
        let micros = self.world.0.load(Ordering::SeqCst) + self.off_micros.load(Ordering::SeqCst);
        Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}
