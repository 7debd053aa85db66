//! Evidence 存证: a transparency log per organisation that anyone can verify without asking us (C2SP tlog-tiles).
//!
//! An act appends a leaf in its own transaction ([`append`]): once that commits, the leaf is durable. The sequencer
//! ([`sequence`]) numbers committed leaves, makes their tiles and publishes the signed checkpoint by compare-and-swap.
//! SQL is the truth; tiles follow from it and can be made again ([`rebuild`]).
//!
//! Formats: leaf digest `H(salt ‖ body)`; log entry `suite code ‖ digest` (33 bytes); C2SP signed-note,
//! tlog-checkpoint,
//! tlog-tiles and tlog-proof; batch proofs of our own ([`batch`]). `tests/conformance` holds vectors and independent
//! verifiers for all of them.

pub mod act;
pub mod audit;
pub mod batch;
mod checkpoint;
pub mod decide;
mod fault;
mod leaf;
pub mod merkle;
mod note;
mod proof;
mod sequence;
mod store;
pub mod tile;

pub use batch::{BatchProof, LogPromise};
pub(crate) use checkpoint::decimal;
pub use checkpoint::{Checkpoint, Origin};
pub use fault::Fault;
pub use leaf::{ENTRY_BYTES, Salt, digest_of_entry, entry, leaf_digest, merkle_leaf};
pub use note::{NOTE_BYTES_MAX, Note, NoteSignature, SIGNATURES_MAX, VerifierKey};
pub use proof::LogProof;
pub use sequence::{SEQUENCE_LEAVES_MAX, Sequenced};
pub use store::{NewLeaf, StoredLeaf};

use ::store::{Reader, Store, Tx, transact};
use serde::Serialize;
use signing::Signer;
use tile::{Plan, TilePath};
use vocabulary::{Digest, Hash, Kind, Problem, Timestamp, canonical_bytes, ensure};

/// The kind of the leaf that begins a log whose forerunner was cut short by a restore.
pub const SUCCESSION: &str = "evidence.succession";
/// So many leaves may wait for the sequencer before deliveries are asked to come later: ten seconds' worth at the
/// 10,000 a second that are the goal.
pub const BEHIND_LEAVES_MAX: u64 = 100_000;
/// Leaves in one page at most.
const LEAVES_PAGE_MAX: u32 = 1_000;

/// The body of a log's first leaf when it takes over from an earlier epoch.
#[derive(Serialize)]
struct Succession<'a> {
    format: &'static str,
    origin: &'a Origin,
    root: Digest,
    size: u64,
}

/// Makes or updates the tables.
///
/// # Errors
/// What the store says.
pub async fn migrate(store: &Store) -> Result<(), Problem> {
    store.migrate("evidence", store::STEPS).await
}

/// Opens the log called `origin`: makes it where there is none. Where the organisation has a log of an earlier epoch
/// (a restored backup), the new one begins with a leaf that names the old origin, size and root. Safe to repeat.
///
/// # Errors
/// `evidence.epoch` when the log that is there is another organisation's or of a later epoch.
pub async fn open(tx: &mut Tx, origin: &Origin, salt: Salt, now: Timestamp) -> Result<(), Problem> {
    let Some(old) = store::current(tx).await? else {
        store::new_log(tx, origin, None, now).await?;
        return Ok(());
    };
    let before = old.head.origin.clone();
    if before == *origin {
        return Ok(());
    }
    let same = (&before.federation, &before.organisation) == (&origin.federation, &origin.organisation);
    ensure!(same && before.epoch < origin.epoch, wrong_epoch(&before, origin));
    let root = Digest { suite: vocabulary::Suite::default(), hash: old.head.root };
    let body = Succession { format: "yunhe-log-succession/1", origin: &before, root, size: old.head.size };
    let body = String::from_utf8(canonical_bytes(&body)?).unwrap_or_default();
    if store::new_log(tx, origin, Some(&NewLeaf { kind: SUCCESSION, body, salt }), now).await? {
        store::release(tx, &old).await?;
    }
    Ok(())
}

/// Appends a leaf to the log; durable when `tx` commits, in the log when it is sequenced.
///
/// # Errors
/// `store.duplicate` when the very same leaf, salt included, is there.
pub async fn append(tx: &mut Tx, leaf: &NewLeaf, now: Timestamp) -> Result<Digest, Problem> {
    let digests = store::insert(tx, std::slice::from_ref(leaf), now).await?;
    Ok(digests.first().copied().unwrap_or_else(|| leaf.digest()))
}

/// Appends many leaves with few statements; their digests come back in the same order.
///
/// # Errors
/// As [`append`].
pub async fn append_all(tx: &mut Tx, leaves: &[NewLeaf], now: Timestamp) -> Result<Vec<Digest>, Problem> {
    store::insert(tx, leaves, now).await
}

/// One step of the sequencer, at most [`SEQUENCE_LEAVES_MAX`] leaves; with the log's key. Any number of nodes may call
/// it at any time.
///
/// # Errors
/// `evidence.no_log` before [`open`]; `evidence.edge` and its kin when stored tiles were changed (see [`rebuild`]).
pub async fn sequence(store: &Store, signer: &dyn Signer, now: Timestamp) -> Result<Sequenced, Problem> {
    sequence_beside(store, signer, None, now).await
}

/// [`sequence`], where `beside` signs each checkpoint too, in a line of its own: the SM2 key of the organisation.
///
/// # Errors
/// As [`sequence`].
pub async fn sequence_beside(
    store: &Store,
    signer: &dyn Signer,
    beside: Option<&dyn Signer>,
    now: Timestamp,
) -> Result<Sequenced, Problem> {
    let mut log = store::SqlLog { store: store.clone() };
    sequence::step(&mut log, (signer, beside), SEQUENCE_LEAVES_MAX, now).await
}

/// How many leaves wait for the sequencer; one look into two indices. More than [`BEHIND_LEAVES_MAX`] is
/// [`Fault::Behind`] to whoever would add to them by delivering.
///
/// # Errors
/// What the store says.
pub async fn behind(reader: &mut Reader) -> Result<u64, Problem> {
    store::behind(reader).await
}

/// Makes all tiles again from the leaves; says how many leaves there are.
///
/// # Errors
/// `evidence.root` when the leaves themselves do not lead to the published root: then nothing is changed.
pub async fn rebuild(store: &Store) -> Result<u64, Problem> {
    transact!(store, None, |tx| store::rebuild(tx, SEQUENCE_LEAVES_MAX).await)
}

/// The origin of the current log.
///
/// # Errors
/// What the store says.
pub async fn origin(reader: &mut Reader) -> Result<Option<Origin>, Problem> {
    Ok(store::current(reader).await?.map(|it| it.head.origin))
}

/// How many committed leaves are not in the published log yet: the sequencer's backlog.
///
/// # Errors
/// What the store says.
pub async fn waiting(reader: &mut Reader) -> Result<u64, Problem> {
    store::waiting(reader).await
}

/// The latest signed checkpoint, as it is served; none before the first step of the sequencer.
///
/// # Errors
/// What the store says.
pub async fn checkpoint(reader: &mut Reader) -> Result<Option<String>, Problem> {
    Ok(store::current(reader).await?.and_then(|it| it.checkpoint))
}

/// The checkpoint that was signed when the log had `size` leaves, if one was.
///
/// # Errors
/// What the store says.
pub async fn checkpoint_at(reader: &mut Reader, size: u64) -> Result<Option<String>, Problem> {
    store::checkpoint_at(reader, size).await
}

/// A tile or entry bundle of the current log, as it is served.
///
/// # Errors
/// What the store says.
pub async fn tile(reader: &mut Reader, path: TilePath) -> Result<Option<Vec<u8>>, Problem> {
    let Some(log) = store::current(reader).await? else { return Ok(None) };
    Ok(store::tiles(reader, log.id, [path]).await?.remove(&path))
}

/// The proof that the leaf with `digest` is in its log; none while it waits for the sequencer, or is unknown.
///
/// # Errors
/// `evidence.tile_missing` when tiles were lost (see [`rebuild`]).
pub async fn inclusion(reader: &mut Reader, digest: &Digest) -> Result<Option<LogProof>, Problem> {
    let Some((leaf, Some(log))) = store::leaf(reader, digest).await? else { return Ok(None) };
    let published = leaf.position.filter(|it| *it < log.head.size);
    let (Some(index), Some(checkpoint)) = (published, log.checkpoint.clone()) else { return Ok(None) };
    let path = store::proof_hashes(reader, &log, Plan::inclusion(index, log.head.size)?).await?;
    Ok(Some(LogProof { index, path, checkpoint }))
}

/// The proof that the current log at size `to` begins with what it was at size `from`.
///
/// # Errors
/// `evidence.index` when `from` is beyond `to`, or `to` beyond what is published.
pub async fn consistency(reader: &mut Reader, from: u64, to: u64) -> Result<Vec<Hash>, Problem> {
    let log = store::current(reader).await?.ok_or_else(store::no_log)?;
    ensure!(to <= log.head.size, Fault::IndexBeyond { index: to, size: log.head.size });
    store::proof_hashes(reader, &log, Plan::consistency(from, to)?).await
}

/// The leaf with `digest`: its body while it is not erased, its index once it is numbered.
///
/// # Errors
/// What the store says.
pub async fn leaf(reader: &mut Reader, digest: &Digest) -> Result<Option<StoredLeaf>, Problem> {
    Ok(store::leaf(reader, digest).await?.map(|(leaf, _)| leaf))
}

/// Leaves of the current log from index `from` on, at most `limit` (1,000 at most).
///
/// # Errors
/// What the store says.
pub async fn leaves(reader: &mut Reader, from: u64, limit: u32) -> Result<Vec<StoredLeaf>, Problem> {
    store::leaves(reader, from, limit.min(LEAVES_PAGE_MAX)).await
}

/// Erases bodies and salts; the log stays as it is, and nobody can tell any more what the leaves were. Acts that are
/// younger than [`act::ACTS_KEPT_DAYS`] are passed over. Says how many were erased.
///
/// # Errors
/// What the store says.
pub async fn erase(tx: &mut Tx, digests: &[Digest], now: Timestamp) -> Result<u64, Problem> {
    store::erase(tx, digests, now).await
}

fn wrong_epoch(before: &Origin, wanted: &Origin) -> Problem {
    Problem::new(
        Kind::Conflict,
        "evidence.epoch",
        format!("现有日志为 {before}，不能改为 {wanted}；同一机构的纪元只能增大"),
        format!("the log here is {before}; {wanted} cannot follow it: only a later epoch of the same organisation can"),
    )
}

#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod tests;
