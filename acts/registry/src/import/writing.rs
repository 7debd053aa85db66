//! The writing half of an import: each batch and its progress in one unit of work.

use super::{
    Progress, State, import_progress,
    progress::{many, reject},
    reading::{BATCH_ROWS_MAX, Batch},
    reject::Fault,
};
use crate::{
    ask::Import,
    cell,
    change::{Cause, Origin},
    decide::{Fate, Incoming},
    fault,
    merge::staged,
    rows::{self, Applied, apply},
    sql::Bulk,
    store as sql,
    types::{Installed, record_type},
};
use policy::Permit;
use store::{Store, Tx, args, transact};
use vocabulary::{Digest, Kind, Problem, Timestamp, ensure};

/// A batch whose commit has no known outcome is looked up, and tried again so often.
const BATCH_RETRIES_MAX: u32 = 3;

pub(crate) struct Writing<'a> {
    pub(crate) store: &'a Store,
    pub(crate) permit: &'a Permit<Import>,
    pub(crate) installed: &'a Installed,
    pub(crate) clock: &'a (dyn Fn() -> Timestamp + Sync),
}

impl Writing<'_> {
    /// Writes a batch behind `before`; says how far the import is then.
    pub(crate) async fn batch(&self, batch: &Batch, before: &Progress) -> Result<Progress, Problem> {
        for _ in 0..BATCH_RETRIES_MAX {
            let now = (self.clock)();
            match transact!(self.store, None, |tx| self.write(tx, batch, before, now).await) {
                Err(problem) if problem.code == "store.commit_unknown" => {
                    let found = import_progress(&mut self.store.read().await?, before.id).await?;
                    // It took effect if the progress has moved; else it left no trace and is written again.
                    match found {
                        Some(found) if found != *before => return Ok(found),
                        _ => {}
                    }
                }
                other => return other,
            }
        }
        Err(fault::again())
    }

    async fn write(&self, tx: &mut Tx, batch: &Batch, before: &Progress, now: Timestamp) -> Result<Progress, Problem> {
        reject(tx, before.id, &batch.rejects).await?;
        let next = if self.permit.ask().atomic {
            let state = if batch.last { State::Staged } else { State::Open };
            stage(tx, before, batch).await?;
            before.after(batch, 0, 0, state)
        } else {
            let origin = self.origin(batch.digest, batch.from_line, batch.line.saturating_sub(1));
            let (same, duplicates) = self.apply(tx, &batch.rows, &origin, now).await?;
            before.after(batch, same, duplicates, if batch.last { State::Done } else { State::Open })
        };
        before.store(tx, &next, now).await?;
        if next.state == State::Done {
            forget(tx, before).await?;
        }
        Ok(next)
    }

    fn origin(&self, digest: Digest, from_line: u64, to_line: u64) -> Origin {
        let ask = self.permit.ask();
        Origin { import: ask.id, source: ask.source.clone(), digest, from_line, to_line }
    }

    /// Brings rows into the current state; how many changed nothing, and how many repeat a key of the file.
    async fn apply(
        &self,
        tx: &mut Tx,
        rows: &[Incoming],
        origin: &Origin,
        now: Timestamp,
    ) -> Result<(u64, u64), Problem> {
        let id = origin.import;
        let cause = Cause::new(self.permit.principal(), &self.permit.ask().why, now);
        let change = rows::Change { cause, import: Some((id, origin)), keep: &[] };
        let Applied { written, fates } = apply(tx, &self.installed.record, rows, change).await?;
        // After the rows were read: a revision in between would have waited for us, one before shows itself here.
        let revision = record_type(tx, &self.installed.record.name).await?.revision;
        ensure!(revision == self.installed.revision, revised());
        if let Some(change) = written.change {
            tx.execute(sql::IMPORT_CHANGE, args![id.to_string(), change]).await?;
        }
        let mut seen = Vec::new();
        let mut duplicates = Vec::new();
        for (row, fate) in rows.iter().zip(&fates) {
            match fate {
                Fate::Same(row_id) => seen.push(args![id.to_string(), row_id.bytes(), row.line]),
                Fate::Duplicate(first) => {
                    duplicates.push((row.line.unwrap_or_default(), Fault::duplicate(*first)));
                }
                Fate::Added | Fate::Changed(_) => {}
            }
        }
        many(tx, Bulk::Seen, seen).await?;
        reject(tx, id, &duplicates).await?;
        Ok((written.same, duplicates.len() as u64))
    }

    /// Brings all staged rows into the current state in one unit of work.
    pub(crate) async fn publish(&self, before: &Progress) -> Result<Progress, Problem> {
        for _ in 0..BATCH_RETRIES_MAX {
            let now = (self.clock)();
            match transact!(self.store, None, |tx| self.publish_in(tx, before, now).await) {
                Err(problem) if problem.code == "store.commit_unknown" => {
                    let found = import_progress(&mut self.store.read().await?, before.id).await?;
                    match found {
                        Some(found) if found.state == State::Done => return Ok(found),
                        _ => {}
                    }
                }
                other => return other,
            }
        }
        Err(fault::again())
    }

    async fn publish_in(&self, tx: &mut Tx, before: &Progress, now: Timestamp) -> Result<Progress, Problem> {
        let digest: Digest = before.digest.parse()?;
        let mut next = Progress { state: State::Done, ..before.clone() };
        let mut behind = 0;
        loop {
            let rows = staged(tx, &self.installed.record, &before.id.to_string(), behind, BATCH_ROWS_MAX).await?;
            let (Some(first), Some(last)) = (rows.first(), rows.last()) else { break };
            let line = |row: &Incoming| row.line.unwrap_or_default();
            behind = line(last);
            let origin = self.origin(digest, line(first).unsigned_abs(), behind.unsigned_abs());
            let (same, duplicates) = self.apply(tx, &rows, &origin, now).await?;
            next.same += same;
            next.loaded -= duplicates;
            next.rejected += duplicates;
        }
        next.end(tx, now).await?;
        tx.execute(sql::STAGED_FORGET, args![before.id.to_string()]).await?;
        forget(tx, before).await?;
        Ok(next)
    }
}

fn revised() -> Problem {
    Problem::new(
        Kind::Conflict,
        "registry.revised",
        "记录类型在导入期间已修订；请以同一导入编号继续",
        "the record type was revised during the import; go on with the same import id",
    )
}

/// What only a running import needs to tell its own rows from others.
async fn forget(tx: &mut Tx, import: &Progress) -> Result<(), Problem> {
    tx.execute(sql::IMPORT_FORGET_SEEN, args![import.id.to_string()]).await?;
    tx.execute(sql::IMPORT_FORGET_CHANGES, args![import.id.to_string()]).await.map(|_| ())
}

async fn stage(tx: &mut Tx, import: &Progress, batch: &Batch) -> Result<(), Problem> {
    let rows = batch
        .rows
        .iter()
        .map(|row| args![import.id.to_string(), row.line, row.id.bytes(), cell::row_json(&row.values)]);
    many(tx, Bulk::Staged, rows.collect()).await
}
