//! The reading half of an import, on a thread of its own: bytes → rows → cells → values, in batches of bounded size.

use super::{
    bad_header,
    csv::{Cells, Rows},
    mapping::{Mapping, Ready},
    reject::Fault,
    text::{Encoding, decode, detect, mark},
};
use crate::{ImportId, decide::Incoming};
use schema::{CodeLists, RecordType, Value};
use std::{io::Read, sync::Arc};
use tokio::sync::mpsc::Sender;
use vocabulary::{Digest, Kind, Problem, ensure};

/// Rows in one batch at most: one unit of work, one entry in the feed.
pub(crate) const BATCH_ROWS_MAX: u64 = 5_000;
/// Bytes of the file in one batch, give or take a row: bounds memory where rows are large.
const BATCH_BYTES_MAX: u64 = 8 << 20;

/// What the reading thread needs to know.
pub(crate) struct Job {
    pub(crate) record: RecordType,
    pub(crate) mapping: Mapping,
    pub(crate) import: ImportId,
    pub(crate) codes: Arc<dyn CodeLists + Send + Sync>,
    pub(crate) source: Box<dyn Read + Send>,
    pub(crate) resume: Option<Resume>,
}

/// Where an earlier run of the same import stopped.
#[derive(Clone, Debug)]
pub(crate) struct Resume {
    pub(crate) offset: u64,
    pub(crate) line: u64,
    pub(crate) rows: u64,
    pub(crate) digest: String,
    pub(crate) encoding: Option<Encoding>,
}

/// Rows that were read, and how far.
pub(crate) struct Batch {
    pub(crate) rows: Vec<Incoming>,
    pub(crate) rejects: Vec<(i64, Fault)>,
    /// Rows read, good or bad.
    pub(crate) read: u64,
    /// Rows that are not among `rows`.
    pub(crate) rejected: u64,
    pub(crate) from_line: u64,
    /// Where the next batch begins.
    pub(crate) offset: u64,
    pub(crate) line: u64,
    pub(crate) digest: Digest,
    pub(crate) encoding: Option<Encoding>,
    /// Whether the file ends here.
    pub(crate) last: bool,
}

/// Reads to the end, or until nobody listens any more.
pub(crate) fn run(job: Job, send: &Sender<Result<Batch, Problem>>) {
    if let Err(problem) = read(job, send) {
        // Nobody listens: then nobody needs to know.
        drop(send.blocking_send(Err(problem)));
    }
}

struct Reading<'a> {
    rows: Rows<Box<dyn Read + Send>>,
    ready: Ready<'a>,
    codes: &'a dyn CodeLists,
    encoding: Option<Encoding>,
    import: ImportId,
    /// Rows read so far.
    count: u64,
}

fn read(job: Job, send: &Sender<Result<Batch, Problem>>) -> Result<(), Problem> {
    let mut rows = Rows::new(job.source, job.mapping.delimiter.byte());
    let start = rows.ahead()?;
    let marked = mark(start)?;
    let stated = job.mapping.encoding.or(marked.map(|it| it.0));
    let mut encoding = stated.or_else(|| detect(start));
    if let Some((_, length)) = marked {
        rows.skip_mark(length);
    }
    let mut cells = Cells::default();
    let header = rows.next(&mut cells)?.ok_or_else(|| bad_header("文件为空", "the file is empty"))?;
    header.map_err(|it| {
        let fault = Fault::from(it);
        bad_header(&format!("首行{}", fault.reason.zh), &format!("the first line: {}", fault.reason.en))
    })?;
    let texts = decode(&cells, encoding.unwrap_or(Encoding::Utf8))
        .map_err(|_| bad_header("首行无法解码", "the first line does not decode"))?;
    let ready = Ready::new(&job.record, &job.mapping, &texts)?;
    let mut count = 0;
    if let Some(resume) = &job.resume {
        let there = rows.skip_to(resume.offset, resume.line)?;
        ensure!(there && rows.digest().to_string() == resume.digest, other_file());
        encoding = resume.encoding;
        count = resume.rows;
    }
    let import = job.import;
    let mut reading = Reading { rows, ready, codes: job.codes.as_ref(), encoding, import, count };
    loop {
        let batch = reading.batch(&mut cells)?;
        let last = batch.last;
        if send.blocking_send(Ok(batch)).is_err() || last {
            return Ok(());
        }
    }
}

fn other_file() -> Problem {
    Problem::new(
        Kind::Conflict,
        "registry.import_source",
        "文件与此导入开始时的不同，无法续传；请用原文件继续，或以新编号重新导入",
        "this is not the file that the import began with; go on with that one, or import this one under a new id",
    )
}

impl Reading<'_> {
    fn batch(&mut self, cells: &mut Cells) -> Result<Batch, Problem> {
        let begin = self.rows.offset();
        let mut batch = Batch {
            rows: Vec::with_capacity(1024),
            rejects: Vec::new(),
            read: 0,
            rejected: 0,
            from_line: self.rows.line(),
            offset: 0,
            line: 0,
            digest: Digest::of(b""),
            encoding: None,
            last: false,
        };
        while batch.read < BATCH_ROWS_MAX && self.rows.offset() - begin < BATCH_BYTES_MAX {
            let Some(found) = self.rows.next(cells)? else {
                batch.last = true;
                break;
            };
            let line = i64::try_from(cells.line).unwrap_or(i64::MAX);
            match found.map_err(|it| vec![Fault::from(it)]).and_then(|()| self.values(cells)) {
                Ok(values) => batch.rows.push(Incoming { id: self.import.row(self.count), line: Some(line), values }),
                Err(faults) => {
                    batch.rejected += 1;
                    batch.rejects.extend(faults.into_iter().map(|it| (line, it)));
                }
            }
            batch.read += 1;
            self.count += 1;
        }
        batch.offset = self.rows.offset();
        batch.line = self.rows.line();
        batch.digest = self.rows.digest();
        batch.encoding = self.encoding;
        Ok(batch)
    }

    fn values(&mut self, cells: &Cells) -> Result<Vec<Value>, Vec<Fault>> {
        let encoding = match self.encoding {
            Some(it) => it,
            None => self.settle(cells),
        };
        let texts = decode(cells, encoding).map_err(|column| vec![Fault::encoding(column, encoding)])?;
        self.ready.row(&texts, self.codes)
    }

    /// Settles the encoding at the first row that is not ASCII, by that row and what lies ahead.
    fn settle(&mut self, cells: &Cells) -> Encoding {
        if cells.bytes.is_ascii() {
            return Encoding::Utf8;
        }
        let mut sample = cells.bytes.clone();
        sample.push(b'\n');
        // A source that cannot be read says so at the next row.
        sample.extend_from_slice(self.rows.ahead().unwrap_or_default());
        *self.encoding.insert(detect(&sample).unwrap_or(Encoding::Utf8))
    }
}
