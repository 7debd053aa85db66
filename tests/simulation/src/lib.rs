//! A seeded simulation: three nodes exchange under agreements while they crash, connections are cut, messages are lost,
//! delayed and repeated, and clocks are off and jump. Afterwards no delivery is lost, doubled or unreceipted.
//!
//! What runs is the product: organisations on their own SQLite files, signatures, routes, jobs' steps. Only what is
//! below the signature is replaced ([`peer::Carrier`]), and what is above the jobs: when each does its next step.
//! Beside it runs a naive model of what each agreement permits.
//!
//! One seed is one run: one thread, time that moves only when told, every choice from one generator. What had to be
//! closed for that: threads for blocking work stand before a gate while nodes are polled (`gate`); a runtime's timers
//! move by rounds alone; receipts of one moment, which are listed by their ids, are sorted anew before they are judged.
//! Salts, nonces, keys, signatures and receipt ids are still drawn by the system: nothing depends on their values, and
//! they are not in the trace.
//!
//! Each node has a runtime of its own on that thread: a crash drops it, with every task that the node had begun.

mod acts;
mod draw;
mod fate;
mod gate;
mod home;
mod laws;
mod model;
mod net;
mod offer;
mod parts;
mod scheduler;
mod stage;
mod time;
mod trace;
mod work;
mod world;

pub use home::Who;
pub use stage::Stage;

use model::{Agreement, Model};
use world::World;

/// A node whose clock ran far ahead forgets nonces too early: once it is set back, requests whose nonces are gone pass
/// again. So nonces are not forgotten by such a clock here; once that is mended, this becomes `false`.
pub const FORGETS_NONCES_TOO_EARLY: bool = true;
/// Steps of a run.
const STEPS: u32 = 400;

/// A guard that is taken away, to see that its loss is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// A repeated message passes for a new one: it bears a signature with a fresh nonce.
    ReplaysAccepted,
    /// The provider's disk comes back from a crash without its last commits.
    CommitsForgotten,
    /// The consumer's table loses a receipt.
    ReceiptDropped,
    /// The provider's pack leaves out the condition on rows.
    RowsUnrestricted,
    /// The provider's pack allows a thousand times as many rows a day.
    QuotaForgotten,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// What does not hold.
    pub findings: Vec<String>,
    /// The digest of its trace.
    pub digest: String,
    /// Its trace, where that was asked for.
    pub trace: Vec<String>,
}

/// One run.
pub fn run(stage: &Stage, seed: u64, trace: bool) -> Report {
    let folder = stage.copy();
    let mut world = World::open(stage, folder.path().to_owned(), seed, trace);
    world.model = Model::with_first(&stage.first);
    let agreement = |(offer, id)| Agreement { id, offer, over_at_provider: None, over_at_consumer: None };
    world.model.agreements = stage.agreements.iter().copied().map(agreement).collect();
    world.live(STEPS);
    world.heal();
    world.judge();
    let findings = std::mem::take(&mut world.model.findings);
    let report = Report { seed, findings, digest: world.net.digest(), trace: world.net.take_lines() };
    world.close();
    report
}

#[cfg(test)]
mod tests;
