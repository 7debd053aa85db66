//! Bytes into rows of cells (RFC 4180), in bounded memory however broken the file is.
//!
//! Why not the crate `csv`: it reads on until a quote closes, so one stray quote takes the rest of the file into memory
//! and into one row; and it takes text behind a closing quote for part of the cell. Here a row with a broken quote
//! costs its first line only, and every row knows its line. A test compares the two on files that are well-formed.
//!
//! Bytes are split before they are decoded: no byte of a UTF-8 or GB18030 character is a quote, a comma, a semicolon, a
//! tab or a line end.

use memchr::{memchr, memchr_iter, memchr2};
use sha2::{Digest as _, Sha256};
use std::{io::Read, ops::Range};
use vocabulary::{Digest, Kind, Problem, Suite};

/// A cell with more bytes rejects its row: texts have 100,000 characters at most.
pub const CELL_BYTES_MAX: usize = 1 << 20;
/// A quoted row that has not ended after so many bytes has an unclosed quote.
pub const ROW_BYTES_MAX: usize = 16 << 20;
/// Looking for closing quotes may read this much again; a file that needs more is no CSV.
const RESCAN_BYTES_MAX: u64 = 256 << 20;
/// Read from the source at once.
const READ_BYTES: usize = 256 << 10;

/// Why a row is no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A quote that does not close, or text behind a closing quote.
    Quote,
    /// A cell beyond [`CELL_BYTES_MAX`], counted from 0.
    CellTooLarge(usize),
    /// A line beyond [`ROW_BYTES_MAX`].
    RowTooLarge,
    /// U+0000.
    Nul,
}

/// One row, its memory used again for the next.
#[derive(Debug, Default)]
pub struct Cells {
    /// The line it begins on, from 1.
    pub line: u64,
    /// Contents of the cells, with an ASCII character between two, so that no character spans cells.
    pub bytes: Vec<u8>,
    /// Where each cell lies.
    pub ranges: Vec<Range<usize>>,
}

impl Cells {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ranges.clear();
    }

    fn push(&mut self, cell: &[u8]) {
        self.begin();
        self.bytes.extend_from_slice(cell);
        self.end();
    }

    fn begin(&mut self) {
        if !self.ranges.is_empty() {
            self.bytes.push(b'\n');
        }
        self.ranges.push(self.bytes.len()..self.bytes.len());
    }

    fn end(&mut self) {
        if let Some(last) = self.ranges.last_mut() {
            last.end = self.bytes.len();
        }
    }

    /// The bytes of a cell.
    pub fn cell(&self, at: usize) -> &[u8] {
        self.ranges.get(at).map_or(&[], |it| &self.bytes[it.clone()])
    }
}

/// Reads rows from a source and digests what it has read.
pub struct Rows<R> {
    source: R,
    delimiter: u8,
    buffer: Vec<u8>,
    /// The next row begins here.
    start: usize,
    /// Digested up to here.
    digested: usize,
    digest: Sha256,
    ended: bool,
    offset: u64,
    line: u64,
    rescanned: u64,
}

/// What a scan found.
enum Scan {
    /// A row that ends before this position, with so many line ends in it.
    Row(usize, u64),
    /// The buffer ends before the row does.
    More,
    /// No row; seen at this position.
    Broken(usize),
}

impl<R: Read> Rows<R> {
    pub fn new(source: R, delimiter: u8) -> Self {
        Self {
            source,
            delimiter,
            buffer: Vec::new(),
            start: 0,
            digested: 0,
            digest: Sha256::new(),
            ended: false,
            offset: 0,
            line: 1,
            rescanned: 0,
        }
    }

    /// Bytes before the next row.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The line of the next row.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The digest of all bytes before the next row.
    pub fn digest(&mut self) -> Digest {
        self.catch_up();
        Digest { suite: Suite::default(), hash: self.digest.clone().finalize().into() }
    }

    /// What lies ahead, as far as it is read: at least the beginning of the next row.
    pub fn ahead(&mut self) -> Result<&[u8], Problem> {
        if self.buffer.len() - self.start < READ_BYTES {
            self.fill()?;
        }
        Ok(&self.buffer[self.start..])
    }

    /// Steps over `count` bytes in front of the first row: a byte order mark.
    pub fn skip_mark(&mut self, count: usize) {
        self.consume(count.min(self.buffer.len() - self.start), 0);
    }

    /// Steps over everything up to `offset`, where an earlier reading stopped before line `line`; `false` when the file
    /// ends before.
    pub fn skip_to(&mut self, offset: u64, line: u64) -> Result<bool, Problem> {
        while self.offset < offset {
            if self.start == self.buffer.len() && !self.fill()? {
                return Ok(false);
            }
            let left = usize::try_from(offset - self.offset).unwrap_or(usize::MAX);
            self.consume(left.min(self.buffer.len() - self.start), 0);
        }
        self.line = line;
        Ok(true)
    }

    /// The next row that is not an empty line; `None` at the end.
    pub fn next(&mut self, cells: &mut Cells) -> Result<Option<Result<(), Broken>>, Problem> {
        let mut searched = self.start;
        loop {
            let end = memchr(b'\n', &self.buffer[searched..]).map(|it| searched + it);
            let line = match end {
                Some(end) => &self.buffer[self.start..end],
                None if self.ended && self.start == self.buffer.len() => return Ok(None),
                None if self.ended => &self.buffer[self.start..],
                None if self.buffer.len() - self.start > ROW_BYTES_MAX => return self.drop_line(cells).map(Some),
                None => {
                    let seen = self.buffer.len() - self.start;
                    self.fill()?;
                    searched = self.start + seen;
                    continue;
                }
            };
            let after = end.map_or(self.buffer.len(), |it| it + 1);
            let content = line.strip_suffix(b"\r").unwrap_or(line);
            if content.is_empty() {
                self.consume(after - self.start, 1);
                searched = self.start;
                continue;
            }
            cells.line = self.line;
            if memchr(b'"', content).is_some() {
                return self.quoted(cells).map(Some);
            }
            let fits = line.len() <= ROW_BYTES_MAX;
            let row = if fits { split(content, self.delimiter, cells) } else { Err(Broken::RowTooLarge) };
            self.consume(after - self.start, 1);
            return Ok(Some(row));
        }
    }

    /// A row with quotes in it. When they do not work out, its first line is the broken row.
    fn quoted(&mut self, cells: &mut Cells) -> Result<Result<(), Broken>, Problem> {
        let (end, lines) = loop {
            match self.scan(cells) {
                Scan::More if self.buffer.len() - self.start > ROW_BYTES_MAX => return self.give_up(self.buffer.len()),
                Scan::More => drop(self.fill()?),
                Scan::Row(end, lines) => break (end, lines),
                Scan::Broken(at) => return self.give_up(at),
            }
        };
        self.consume(end - self.start, lines);
        let large = cells.ranges.iter().position(|it| it.len() > CELL_BYTES_MAX);
        Ok(match large {
            Some(at) => Err(Broken::CellTooLarge(at)),
            None if memchr(0, &cells.bytes).is_some() => Err(Broken::Nul),
            None => Ok(()),
        })
    }

    /// Rejects the line at `start`, after looking as far as `seen`.
    fn give_up(&mut self, seen: usize) -> Result<Result<(), Broken>, Problem> {
        let rest = &self.buffer[self.start..];
        let end = memchr(b'\n', rest).map_or(rest.len(), |it| it + 1);
        self.rescanned += (seen - self.start) as u64;
        vocabulary::ensure!(
            self.rescanned <= RESCAN_BYTES_MAX,
            Problem::new(
                Kind::Unprocessable,
                "registry.not_csv",
                format!("第 {} 行附近引号屡次不闭合，文件不像 CSV；请检查引号与分隔符", self.line),
                format!(
                    "quotes around line {} do not close again and again: this is no CSV; see to quotes and delimiter",
                    self.line
                ),
            )
            .with("line", self.line)
        );
        self.consume(end, 1);
        Ok(Err(Broken::Quote))
    }

    /// Splits the row at `start`, quotes undone.
    fn scan(&self, cells: &mut Cells) -> Scan {
        cells.clear();
        let all = &self.buffer;
        let (mut at, mut lines) = (self.start, 0);
        loop {
            // At the beginning of a cell.
            if all.get(at) == Some(&b'"') {
                cells.begin();
                at += 1;
                loop {
                    let Some(to) = memchr(b'"', &all[at..]) else {
                        return if self.ended { Scan::Broken(all.len()) } else { Scan::More };
                    };
                    let part = &all[at..at + to];
                    lines += memchr_iter(b'\n', part).count() as u64;
                    cells.bytes.extend_from_slice(part);
                    at += to + 1;
                    if all.get(at) != Some(&b'"') {
                        break;
                    }
                    cells.bytes.push(b'"');
                    at += 1;
                }
                cells.end();
            } else {
                let to = memchr2(self.delimiter, b'\n', &all[at..]).map_or(all.len(), |it| at + it);
                if to == all.len() && !self.ended {
                    return Scan::More;
                }
                let cell = &all[at..to];
                let last = all.get(to) != Some(&self.delimiter);
                cells.push(if last { cell.strip_suffix(b"\r").unwrap_or(cell) } else { cell });
                at = to;
            }
            // Behind a cell.
            match all.get(at) {
                Some(it) if *it == self.delimiter => at += 1,
                Some(b'\n') => return Scan::Row(at + 1, lines + 1),
                Some(b'\r') if all.get(at + 1) == Some(&b'\n') => return Scan::Row(at + 2, lines + 1),
                Some(b'\r') if at + 1 == all.len() && self.ended => return Scan::Row(at + 1, lines + 1),
                None if self.ended => return Scan::Row(at, lines + 1),
                None => return Scan::More,
                Some(b'\r') if at + 1 == all.len() => return Scan::More,
                Some(_) => return Scan::Broken(at),
            }
        }
    }

    /// Steps over a line too long to hold.
    fn drop_line(&mut self, cells: &mut Cells) -> Result<Result<(), Broken>, Problem> {
        cells.line = self.line;
        loop {
            let rest = &self.buffer[self.start..];
            let end = memchr(b'\n', rest);
            self.consume(end.map_or(rest.len(), |it| it + 1), u64::from(end.is_some()));
            if end.is_some() || !self.fill()? {
                return Ok(Err(Broken::RowTooLarge));
            }
        }
    }

    fn consume(&mut self, count: usize, lines: u64) {
        self.start += count;
        self.offset += count as u64;
        self.line += lines;
    }

    fn catch_up(&mut self) {
        self.digest.update(&self.buffer[self.digested..self.start]);
        self.digested = self.start;
    }

    /// Reads on, as much again as is there, so that a row is looked through but a few times; `false` at the end.
    /// Positions in the buffer move.
    fn fill(&mut self) -> Result<bool, Problem> {
        if self.start > self.buffer.len() / 2 {
            self.catch_up();
            self.buffer.drain(..self.start);
            (self.start, self.digested) = (0, 0);
        }
        let before = self.buffer.len();
        let held = before - self.start;
        let most = held.min((ROW_BYTES_MAX + READ_BYTES).saturating_sub(held)).max(READ_BYTES);
        let read = (&mut self.source).take(most as u64).read_to_end(&mut self.buffer);
        read.map_err(|it| unreadable(&it))?;
        self.ended = self.buffer.len() == before;
        Ok(!self.ended)
    }
}

/// Splits a line without quotes.
fn split(line: &[u8], delimiter: u8, cells: &mut Cells) -> Result<(), Broken> {
    cells.clear();
    // The delimiters stay between the cells, so no character spans two.
    cells.bytes.extend_from_slice(line);
    let mut from = 0;
    for at in memchr_iter(delimiter, line) {
        cells.ranges.push(from..at);
        from = at + 1;
    }
    cells.ranges.push(from..line.len());
    if line.len() > CELL_BYTES_MAX
        && let Some(at) = cells.ranges.iter().position(|it| it.len() > CELL_BYTES_MAX)
    {
        return Err(Broken::CellTooLarge(at));
    }
    if memchr(0, line).is_some() { Err(Broken::Nul) } else { Ok(()) }
}

fn unreadable(error: &std::io::Error) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "registry.source",
        format!("读取文件失败：{error}；排除后以同一导入编号继续"),
        format!("the file cannot be read: {error}; put that right and go on with the same import id"),
    )
}
