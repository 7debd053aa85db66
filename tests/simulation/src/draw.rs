//! Every choice of a run, from one seed.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use uuid::Uuid;

/// A stream of choices.
pub(crate) struct Draw(StdRng);

impl Draw {
    /// The stream of a seed; `stream` keeps two users of one seed apart.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self(StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream))
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound.max(1))
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high)
    }

    /// True `percent` times of a hundred.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.0.random_ratio(percent, 100)
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// A name for what the simulation itself begins.
    pub fn uuid(&mut self) -> Uuid {
        Uuid::from_u128(self.0.random())
    }
}
