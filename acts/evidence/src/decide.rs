//! The sequencer's pure half: from what is published and what is numbered since, the next publication.
//!
//! Numbers are durable before anything is signed, and all that is published follows from them. So a step may be lost,
//! repeated or raced at any point: whoever comes next makes the same tiles and signs the same root.

use crate::{
    Checkpoint, ENTRY_BYTES, Fault, Origin,
    tile::{Edge, TilePath, Tiles},
};
use signing::Signer;
use vocabulary::{Hash, Problem, ensure};

/// What a log has published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which log.
    pub origin: Origin,
    /// How many leaves are published.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// Whether a checkpoint of that size has been signed; false only before the first.
    pub signed: bool,
}

/// What waits to be published.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The log as published.
    pub head: Head,
    /// The tiles of its right edge.
    pub edge: Tiles,
    /// The entries numbered since, in order, beginning at `head.size`.
    pub entries: Vec<[u8; ENTRY_BYTES]>,
}

/// The next state of a log, to be put in place only if the log is still at `from`.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The size that must still be published.
    pub from: u64,
    /// The new head.
    pub checkpoint: Checkpoint,
    /// Its signed note.
    pub note: String,
    /// The tiles that are new.
    pub tiles: Vec<(TilePath, Vec<u8>)>,
    /// The full tiles whose partial forerunners may go.
    pub filled: Vec<TilePath>,
}

/// Decides the next publication; `None` when there is nothing new. `signer` is the log's key; `beside`, where there is
/// one, signs the same checkpoint in a line of its own.
///
/// # Errors
/// `evidence.edge` and other tile faults when the stored tiles do not lead to the published root: then nothing is
/// signed. What the signer says.
pub fn publication(
    pending: &Pending,
    signer: &dyn Signer,
    beside: Option<&dyn Signer>,
) -> Result<Option<Publication>, Problem> {
    let Pending { head, edge: tiles, entries } = pending;
    if entries.is_empty() && head.signed {
        return Ok(None);
    }
    let mut edge = Edge::load(head.size, tiles)?;
    ensure!(edge.root() == head.root, Fault::Edge);
    let tiles = if entries.is_empty() { Vec::new() } else { edge.append(entries) };
    let checkpoint = Checkpoint { origin: head.origin.clone(), size: edge.size(), root: edge.root() };
    let mut note = checkpoint.sign(signer)?;
    if let Some(beside) = beside {
        note.countersign(&head.origin.to_string(), beside)?;
    }
    let note = note.to_string();
    let partial = Edge::paths(head.size);
    let filled = tiles.iter().map(|(path, _)| *path).filter(|it| {
        let forerunner = partial.iter().any(|old| old.full() == *it);
        it.is_full() && forerunner
    });
    let filled = filled.collect();
    Ok(Some(Publication { from: head.size, checkpoint, note, tiles, filled }))
}
