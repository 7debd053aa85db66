//! How far an import is: written in the unit of work that moves it.

use super::{reading::Batch, reject::Fault, text::Encoding};
use crate::{
    ImportId, fault,
    sql::{Bulk, bulk},
    store as sql,
};
use serde::{Deserialize, Serialize};
use store::{Arg, Reader, Row, Tx, args};
use vocabulary::{Kind, Problem, ResourceId, Timestamp, ensure, micros};

/// Imports listed at most.
const LIST_MAX: u32 = 100;

/// Whether an import goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Rows are still to be read.
    Open,
    /// All rows are read and wait to become visible together.
    Staged,
    /// All is done.
    Done,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Staged => "staged",
            Self::Done => "done",
        }
    }

    fn named(word: &str) -> Result<Self, Problem> {
        let all = [Self::Open, Self::Staged, Self::Done];
        all.into_iter().find(|it| it.word() == word).ok_or_else(|| fault::internal("import state", &word))
    }
}

/// How far an import is. Once it is done, `read` is `loaded` and `rejected` together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Which import.
    pub id: ImportId,
    /// Into which type.
    pub record: ResourceId,
    /// Whether it goes on.
    pub state: State,
    /// Rows read, good or bad; the first line and empty lines are none.
    pub read: u64,
    /// Rows that are in the current state now (or wait to be, while staged).
    pub loaded: u64,
    /// Of those, rows that were so already.
    pub same: u64,
    /// Rows turned away; [`super::rejects`] says why.
    pub rejected: u64,
    /// Bytes of the file done.
    pub bytes: u64,
    /// The next line.
    pub line: u64,
    /// The file's encoding, once a character has told it.
    pub encoding: Option<Encoding>,
    /// Digest of the bytes done; of the whole file, once all is read.
    pub digest: String,
}

pub(crate) fn read(row: &Row) -> Result<Progress, Problem> {
    let count = |name: &str| row.int(name).map(i64::unsigned_abs);
    Ok(Progress {
        id: row.text("id")?.parse().map_err(|it| fault::internal("import id", &it))?,
        record: ResourceId::new(row.text("record")?)?,
        state: State::named(row.text("state")?)?,
        read: count("rows_read")?,
        loaded: count("loaded")?,
        same: count("same")?,
        rejected: count("rejected")?,
        bytes: count("bytes_done")?,
        line: count("line")?,
        encoding: row.opt_text("encoding")?.and_then(Encoding::named),
        digest: row.text("digest")?.to_owned(),
    })
}

/// How far the import `id` is; none when it never began.
///
/// # Errors
/// As [`Reader::rows`].
pub async fn import_progress(reader: &mut Reader, id: ImportId) -> Result<Option<Progress>, Problem> {
    reader.row(sql::IMPORT_READ, args![id.to_string()]).await?.map(|it| read(&it)).transpose()
}

/// The latest imports into `record`, the newest first.
///
/// # Errors
/// As [`Reader::rows`].
pub async fn imports(reader: &mut Reader, record: &ResourceId) -> Result<Vec<Progress>, Problem> {
    let rows = reader.rows(sql::IMPORT_LIST, args![record.as_str(), LIST_MAX]).await?;
    rows.iter().map(read).collect()
}

fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Progress {
    /// After `batch`, of whose rows `same` changed nothing and `duplicates` were turned away late.
    pub(crate) fn after(&self, batch: &Batch, same: u64, duplicates: u64, state: State) -> Self {
        Self {
            id: self.id,
            record: self.record.clone(),
            state,
            read: self.read + batch.read,
            loaded: self.loaded + batch.rows.len() as u64 - duplicates,
            same: self.same + same,
            rejected: self.rejected + batch.rejected + duplicates,
            bytes: batch.offset,
            line: batch.line,
            encoding: batch.encoding,
            digest: batch.digest.to_string(),
        }
    }

    /// Moves the import from `self` to `next`.
    pub(crate) async fn store(&self, tx: &mut Tx, next: &Self, now: Timestamp) -> Result<(), Problem> {
        let ended = (next.state == State::Done).then(|| micros(now));
        let args = args![
            self.id.to_string(),
            int(self.bytes),
            int(next.read),
            int(next.loaded),
            int(next.same),
            int(next.rejected),
            int(next.bytes),
            int(next.line),
            next.encoding.map(Encoding::name),
            &next.digest,
            next.state.word(),
            ended
        ];
        ensure!(tx.execute(sql::IMPORT_MOVE, args).await? == 1, moved());
        Ok(())
    }

    /// Ends a staged import.
    pub(crate) async fn end(&self, tx: &mut Tx, now: Timestamp) -> Result<(), Problem> {
        let args = args![self.id.to_string(), micros(now), int(self.loaded), int(self.same), int(self.rejected)];
        ensure!(tx.execute(sql::IMPORT_END, args).await? == 1, moved());
        Ok(())
    }
}

fn moved() -> Problem {
    Problem::new(
        Kind::Conflict,
        "registry.import_moved",
        "另一进程正在进行同一导入；请等它结束",
        "another process is at the same import; wait for it",
    )
}

/// Keeps rejects; the file's order is the order of their numbers.
pub(crate) async fn reject(tx: &mut Tx, import: ImportId, rejects: &[(i64, Fault)]) -> Result<(), Problem> {
    if rejects.is_empty() {
        return Ok(());
    }
    let last = tx.row(sql::REJECT_LAST, args![import.to_string()]).await?.map_or(Ok(0), |it| it.int("number"))?;
    let rows = rejects.iter().zip(last + 1..).map(|((line, fault), number)| {
        let Fault { field, code, reason } = fault;
        args![import.to_string(), number, *line, field, *code, &reason.zh, &reason.en]
    });
    // Their numbers are taken: another process at the same import was quicker.
    many(tx, Bulk::Reject, rows.collect()).await.map_err(|it| if it.code == "store.duplicate" { moved() } else { it })
}

/// Inserts rows into one of the registry's own tables, some hundred at a time.
pub(crate) async fn many(tx: &mut Tx, into: Bulk, rows: Vec<Vec<Arg>>) -> Result<(), Problem> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let part: Vec<_> = rows.by_ref().take(Bulk::ROWS_MAX).collect();
        let statement = bulk(into, part.len(), tx.dialect());
        tx.execute(statement, part.into_iter().flatten().collect()).await?;
    }
    Ok(())
}
