//! The text format of PostgreSQL's `COPY`, both ways: the one place that knows what it escapes.
//!
//! What [`write`] writes [`Line::read`] reads back (a property).

use std::ops::Range;

/// What stands for nothing.
pub const NOTHING: &[u8] = b"\\N";

/// Text with what the format gives a meaning escaped.
pub fn write(text: &str, out: &mut Vec<u8>) {
    let special = |it: &u8| matches!(it, b'\\' | b'\n' | b'\r' | b'\t');
    if !text.as_bytes().iter().any(special) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => out.push(other),
        }
    }
}

/// A line that was read; one serves for many, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Line {
    bytes: Vec<u8>,
    cells: Vec<Option<Range<usize>>>,
}

impl Line {
    /// Takes a line without its end.
    pub fn read(&mut self, line: &[u8]) {
        self.bytes.clear();
        self.cells.clear();
        for cell in line.split(|it| *it == b'\t') {
            let from = self.bytes.len();
            if cell == NOTHING {
                self.cells.push(None);
                continue;
            }
            if cell.contains(&b'\\') {
                self.unescape(cell);
            } else {
                self.bytes.extend_from_slice(cell);
            }
            self.cells.push(Some(from..self.bytes.len()));
        }
    }

    fn unescape(&mut self, cell: &[u8]) {
        let mut bytes = cell.iter();
        while let Some(byte) = bytes.next() {
            let escaped = if *byte == b'\\' { bytes.next() } else { None };
            self.bytes.push(match escaped {
                None => *byte,
                Some(b'b') => 8,
                Some(b'f') => 12,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'v') => 11,
                Some(other) => *other,
            });
        }
    }

    /// Its cells; none where it is not text.
    pub fn cells(&self) -> Option<Vec<Option<&str>>> {
        let text = std::str::from_utf8(&self.bytes).ok()?;
        // A cell ends where an ASCII byte stood, so it is whole text.
        self.cells.iter().map(|it| it.clone().map_or(Some(None), |it| text.get(it).map(Some))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, option::of, prelude::*};

    proptest! {
        /// Whatever cells are written come back, nothing apart from what is empty.
        #[test]
        fn what_is_written_is_read(cells in vec(of(".{0,12}|[\\\\\n\r\tN]{0,5}"), 1..6)) {
            let mut out = Vec::new();
            for (at, cell) in cells.iter().enumerate() {
                if at > 0 {
                    out.push(b'\t');
                }
                match cell {
                    Some(text) => write(text, &mut out),
                    None => out.extend_from_slice(NOTHING),
                }
            }
            prop_assert!(!out.contains(&b'\n'));
            let mut line = Line::default();
            line.read(b"left over");
            line.read(&out);
            let read: Vec<Option<String>> = line.cells().unwrap().into_iter().map(|it| it.map(str::to_owned)).collect();
            prop_assert_eq!(read, cells);
        }
    }

    #[test]
    fn what_the_server_escapes_besides_is_read() {
        let mut line = Line::default();
        line.read(b"\\b\\f\\v\t\\N\t\\\\N\t");
        assert_eq!(line.cells().unwrap(), [Some("\u{8}\u{c}\u{b}"), None, Some("\\N"), Some("")]);
        line.read(b"\xff");
        assert_eq!(line.cells(), None);
    }
}
