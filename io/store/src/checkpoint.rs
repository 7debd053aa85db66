//! Folding the write-ahead log back into SQLite's file, beside the writer.
//!
//! A checkpoint writes thousands of pages and waits for the disk. Inside a commit everyone would wait for it; so a task
//! with a connection of its own folds what is there while the writer goes on. Only a fold with no writer under way lets
//! the log begin anew, so past a length the writer folds the rest itself: by then there is little left.

use crate::{
    fault,
    sqlite::{Sqlite, aside},
};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};
use tokio::{sync::Notify, task::JoinHandle};
use vocabulary::Problem;

/// After so many pages the task folds.
const PAGES: u32 = 1_000;
/// After so many the writer folds what is left: 32 MB.
const PAGES_WRITER: u32 = 8_000;

const FOLD: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// How long the log is and how much of it the task has seen.
#[derive(Default)]
struct Length {
    pages: AtomicU32,
    seen: AtomicU32,
    wake: Notify,
}

/// The writer's view of the task.
#[derive(Clone)]
pub(crate) struct Folding(Arc<Length>);

impl Folding {
    /// Follows what `writer` commits.
    pub(crate) fn of(writer: &mut Sqlite) -> Result<Self, Problem> {
        let length = Arc::new(Length::default());
        let told = Arc::clone(&length);
        writer.on_commit(move |pages| told.pages.store(pages, Relaxed)).map_err(|it| fault::sqlite(&it))?;
        Ok(Self(length))
    }

    /// After a commit: wakes the task when there is enough to fold; where the log has become long, folds the rest.
    pub(crate) fn committed(&self, writer: &Sqlite) {
        let (pages, seen) = (self.0.pages.load(Relaxed), self.0.seen.load(Relaxed));
        if pages < seen {
            // The log began anew.
            self.0.seen.store(0, Relaxed);
        }
        if pages >= PAGES_WRITER {
            fold(writer);
        } else if pages >= seen + PAGES {
            self.0.wake.notify_one();
        }
    }
}

/// The task.
pub(crate) struct Folder(JoinHandle<()>);

impl Folder {
    pub(crate) fn start(path: &Path, folding: &Folding) -> Result<Self, Problem> {
        let connection = Sqlite::fold(path).map_err(|it| fault::sqlite(&it))?;
        let length = Arc::clone(&folding.0);
        Ok(Self(tokio::spawn(async move {
            loop {
                length.wake.notified().await;
                length.seen.store(length.pages.load(Relaxed), Relaxed);
                fold(&connection);
            }
        })))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Folds what no reader still needs. What does not get through now (a full disk, another fold under way) is folded
/// later; nothing is lost meanwhile.
fn fold(connection: &Sqlite) {
    if let Err(error) = aside(|| connection.run(FOLD)) {
        tracing::warn!(cause = %error, "the write-ahead log was not folded");
    }
}
