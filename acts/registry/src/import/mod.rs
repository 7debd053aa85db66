//! Imports: files into rows, in batches that each commit with their progress. A killed import goes on where it stopped.
//!
//! One thread reads, decodes and parses; this side writes. Between them stand at most [`BATCHES_AHEAD_MAX`] batches, so
//! memory does not grow with the file. Duplicates are found through the database, for the same reason.

mod csv;
mod mapping;
mod progress;
mod reading;
mod reject;
#[cfg(test)]
mod tests;
mod text;
mod writing;

pub use csv::{CELL_BYTES_MAX, ROW_BYTES_MAX};
pub use mapping::{Delimiter, Fill, Mapping};
pub(crate) use progress::many;
pub use progress::{Progress, State, import_progress, imports};
pub use reject::{Reject, csv_line, rejects, rejects_csv};
pub use text::Encoding;

use crate::{
    ask::{Import, SecrecyReview},
    store as sql,
    types::record_type,
};
use policy::Permit;
use reading::{Job, Resume};
use schema::CodeLists;
use std::{io::Read, sync::Arc};
use store::{Store, args, transact};
use vocabulary::{Kind, Problem, Suite, Timestamp, canonical_digest, ensure, micros};
use writing::Writing;

/// Batches read ahead of the writer.
const BATCHES_AHEAD_MAX: usize = 2;

/// What an import reads and by which clock.
pub struct Intake<'a> {
    /// The file, from its beginning, also when an earlier run got further.
    pub source: Box<dyn Read + Send>,
    /// The code lists that its codes must be in.
    pub codes: Arc<dyn CodeLists + Send + Sync>,
    /// The organisation's clock.
    pub clock: &'a (dyn Fn() -> Timestamp + Sync),
}

fn bad_header(zh: &str, en: &str) -> Problem {
    Problem::new(Kind::Unprocessable, "registry.header", zh, en)
}

/// Loads a file, or goes on loading it: each batch is one unit of work with its progress. `report` hears of each.
/// Calling it again with the same id after any failure loads what is missing; after success it changes nothing.
///
/// # Errors
/// `registry.secrecy_review` without a confirmed review; `registry.header`, `registry.mapping`, `registry.encoding`,
/// `registry.not_csv` for a file that cannot be read as a whole; `registry.import_other`, `registry.import_source` for
/// another ask or file under the same id; `registry.import_moved` when another process is at it; and `store.…`, after
/// which it can go on.
pub async fn import(
    store: &Store,
    permit: &Permit<Import>,
    intake: Intake<'_>,
    report: &mut (dyn FnMut(&Progress) + Send),
) -> Result<Progress, Problem> {
    let ask = permit.ask();
    check_review(ask.secrecy_review.as_ref())?;
    let installed = record_type(&mut store.read().await?, &ask.record).await?;
    let mut progress = begin(store, permit, (intake.clock)()).await?;
    let writing = Writing { store, permit, installed: &installed, clock: intake.clock };
    if progress.state == State::Open {
        let (send, mut batches) = tokio::sync::mpsc::channel(BATCHES_AHEAD_MAX);
        let job = Job {
            record: installed.record.clone(),
            mapping: ask.mapping.clone(),
            import: ask.id,
            codes: intake.codes,
            source: intake.source,
            resume: resume(&progress),
        };
        // Ends by itself: with the file, or when the receiver is dropped.
        drop(tokio::task::spawn_blocking(move || reading::run(job, &send)));
        while let Some(batch) = batches.recv().await {
            progress = writing.batch(&batch?, &progress).await?;
            report(&progress);
        }
    }
    ensure!(progress.state != State::Open, crate::fault::internal("import", &"the reading thread died"));
    if progress.state == State::Staged {
        progress = writing.publish(&progress).await?;
        report(&progress);
    }
    Ok(progress)
}

pub(crate) fn check_review(review: Option<&SecrecyReview>) -> Result<(), Problem> {
    let reviewed = review.is_some_and(|it| !it.by.trim().is_empty());
    ensure!(
        reviewed,
        Problem::new(
            Kind::Refused,
            "registry.secrecy_review",
            "导入前须完成保密审查：国家秘密不得进入本系统；请给出审查人与日期",
            "a secrecy review must come first, for state secrets may not enter: give who reviewed, and when",
        )
        .field("/secrecy_review")
    );
    Ok(())
}

fn resume(progress: &Progress) -> Option<Resume> {
    (progress.bytes > 0).then(|| Resume {
        offset: progress.bytes,
        line: progress.line,
        rows: progress.read,
        digest: progress.digest.clone(),
        encoding: progress.encoding,
    })
}

/// Begins the import, or finds where it stopped.
async fn begin(store: &Store, permit: &Permit<Import>, now: Timestamp) -> Result<Progress, Problem> {
    let ask = permit.ask();
    // What must be the same for the rest of the file to mean the same.
    let same = canonical_digest(Suite::default(), &(&ask.record, &ask.mapping, ask.atomic))?.to_string();
    let by = permit.principal().actor.to_string();
    transact!(store, None, |tx| {
        let begin = args![ask.id.to_string(), ask.record.as_str(), &same, &by, micros(now)];
        tx.execute(sql::IMPORT_BEGIN, begin).await?;
        let row = tx.row(sql::IMPORT_READ, args![ask.id.to_string()]).await?;
        let row = row.ok_or_else(|| crate::fault::internal("import", &"vanished"))?;
        ensure!(row.text("ask")? == same, other_ask());
        progress::read(&row)
    })
}

fn other_ask() -> Problem {
    Problem::new(
        Kind::Conflict,
        "registry.import_other",
        "此导入编号已用于另一记录类型或列对应；请换用新编号",
        "this import id was used for another record type or mapping; draw a new one",
    )
}
