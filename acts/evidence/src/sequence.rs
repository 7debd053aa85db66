//! The sequencer: numbers committed leaves densely, makes their tiles, signs and publishes the checkpoint.
//!
//! Invariants, each tested with every write lost and with every write persisted but reported lost:
//! - a committed leaf is in the log exactly once, and its index never changes;
//! - of two sequencers one publishes and the other sees that it came too late (compare-and-swap on the size);
//! - no two checkpoints that were ever signed contradict each other.

use crate::decide::{self, Pending, Publication};
use signing::Signer;
use vocabulary::{Problem, Timestamp};

/// Leaves numbered and published in one step at most.
pub const SEQUENCE_LEAVES_MAX: u64 = 8_192;

/// What one step published: the leaves `from..to`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequenced {
    /// The size before.
    pub from: u64,
    /// The size now.
    pub to: u64,
}

impl Sequenced {
    /// Whether the step was full, so that more may be waiting: step again at once.
    pub fn is_full(self) -> bool {
        self.to - self.from == SEQUENCE_LEAVES_MAX
    }
}

/// Where the sequencer reads and writes; each writing method is one unit of work.
pub(crate) trait LogStore {
    /// Numbers at most so many leaves that have no position, in the order of their ids.
    async fn number(&mut self, at_most: u64) -> Result<(), Problem>;
    /// The log as published, its edge, and at most so many entries numbered since.
    async fn pending(&mut self, at_most: u64) -> Result<Pending, Problem>;
    /// Puts `next` in place if the log is still where `next` begins; says whether it was.
    async fn publish(&mut self, next: &Publication, now: Timestamp) -> Result<bool, Problem>;
}

/// One step of the sequencer.
pub(crate) async fn step<L: LogStore>(
    log: &mut L,
    (signer, beside): (&dyn Signer, Option<&dyn Signer>),
    at_most: u64,
    now: Timestamp,
) -> Result<Sequenced, Problem> {
    log.number(at_most).await?;
    let pending = log.pending(at_most).await?;
    let from = pending.head.size;
    let Some(next) = decide::publication(&pending, signer, beside)? else { return Ok(Sequenced { from, to: from }) };
    let won = log.publish(&next, now).await?;
    Ok(Sequenced { from, to: if won { next.checkpoint.size } else { from } })
}
