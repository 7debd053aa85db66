//! What becomes of a report, and what of a ruling that comes down.
//!
//! Pure. Invariants, each with a property test:
//! - whatever comes in whatever pages and however often, what stands above is what stands below, but for what was
//!   returned;
//! - what was returned stays so until its owner publishes something else;
//! - a number that a level gave is never another one later.

use super::{Ruling, RulingBody, Verdict};
use vocabulary::{Digest, Kind, Problem, ensure};

/// What is kept of an entry that was reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its revision.
    pub revision: i64,
    /// The digest of the publication.
    pub digest: Digest,
    /// What this level said last.
    pub verdict: Verdict,
    /// The rulings that came with it.
    pub path: Vec<Ruling>,
    /// Whether it was told in the feed's epoch of today.
    pub current: bool,
}

/// What is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told<'a> {
    /// Its revision.
    pub revision: i64,
    /// The digest of the publication; none: it is withdrawn.
    pub digest: Option<Digest>,
    /// The rulings that come with it.
    pub path: &'a [Ruling],
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// It stands here from now on, as it is told.
    Put,
    /// Only what lower levels said is new.
    Path,
    /// It stands here no more.
    Remove,
    /// It is known; that it was told is noted.
    Stay,
    /// It says nothing new.
    Nothing,
}

/// Decides what is done with a report.
pub fn take(held: Option<&Held>, told: &Told<'_>) -> Take {
    let Some(held) = held else { return if told.digest.is_some() { Take::Put } else { Take::Nothing } };
    let older = held.current && told.revision < held.revision;
    let same = told.digest == Some(held.digest);
    match (told.digest, held.verdict) {
        _ if older => Take::Nothing,
        (Some(_), Verdict::Returned) if same => Take::Stay,
        (Some(_), Verdict::Taken) if same && held.path == told.path => Take::Stay,
        (Some(_), Verdict::Taken) if same => Take::Path,
        (Some(_), _) => Take::Put,
        (None, Verdict::Withdrawn) => Take::Stay,
        (None, _) => Take::Remove,
    }
}

/// The number that a level's next ruling on an entry bears.
///
/// # Errors
/// `number.rewritten`, `number.form`.
pub fn number(given: Option<&str>, wanted: Option<&str>) -> Result<Option<String>, Problem> {
    if let Some(wanted) = wanted {
        let length = wanted.chars().count();
        let formed = !wanted.trim().is_empty() && length <= vocabulary::NUMBER_CHARS_MAX;
        ensure!(formed && !wanted.chars().any(char::is_control), unformed(length));
        ensure!(given.is_none_or(|it| it == wanted), rewritten(given.unwrap_or_default(), wanted));
    }
    Ok(wanted.or(given).map(str::to_owned))
}

/// Whether a ruling takes the place of the one that is kept of its level.
///
/// # Errors
/// `number.rewritten` when it bears another number, or none where there was one.
pub fn replaces(kept: Option<&RulingBody>, told: &RulingBody) -> Result<bool, Problem> {
    let Some(kept) = kept else { return Ok(true) };
    let (before, after) = (kept.number.as_deref(), told.number.as_deref());
    if told.at < kept.at || kept == told {
        return Ok(false);
    }
    ensure!(before.is_none() || before == after, rewritten(before.unwrap_or_default(), after.unwrap_or("—")));
    Ok(true)
}

fn unformed(length: usize) -> Problem {
    let most = vocabulary::NUMBER_CHARS_MAX;
    Problem::new(
        Kind::Unprocessable,
        "number.form",
        format!("编号有 {length} 个字符；应为 1–{most} 个可见字符"),
        format!("the number has {length} characters; give 1 to {most} visible ones"),
    )
    .field("/number")
}

fn rewritten(before: &str, after: &str) -> Problem {
    Problem::new(
        Kind::Conflict,
        "number.rewritten",
        format!("该级已给出编号 {before}，不得改为 {after}"),
        format!("this level gave the number {before}, it does not become {after}"),
    )
    .field("/number")
}
