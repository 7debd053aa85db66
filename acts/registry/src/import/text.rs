//! Encodings of files: found out once and stated, then strict; a row that does not decode is rejected alone.
//!
//! GB18030 is decoded by `encoding_rs` after the WHATWG Encoding Standard, with four-byte characters (CJK Extension B
//! and beyond). A test pins where that differs from GB 18030-2022: see `gb18030_differs_from_2022_where_we_say`.

use super::csv::Cells;
use encoding_rs::GB18030;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use vocabulary::{Kind, Problem};

/// How a file's bytes become characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[serde(rename = "utf-8")]
    Utf8,
    /// GB 18030, and with it GBK and GB 2312.
    #[serde(rename = "gb18030")]
    Gb18030,
}

impl Encoding {
    /// Its name in settings and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Gb18030 => "gb18030",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Utf8, Self::Gb18030].into_iter().find(|it| it.name() == name)
    }
}

/// The encoding that a byte order mark states, and the mark's length.
pub(crate) fn mark(start: &[u8]) -> Result<Option<(Encoding, usize)>, Problem> {
    if start.starts_with(&[0xef, 0xbb, 0xbf]) {
        return Ok(Some((Encoding::Utf8, 3)));
    }
    if start.starts_with(&[0x84, 0x31, 0x95, 0x33]) {
        return Ok(Some((Encoding::Gb18030, 4)));
    }
    let wide = start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]);
    vocabulary::ensure!(
        !wide,
        Problem::new(
            Kind::Unprocessable,
            "registry.encoding",
            "文件为 UTF-16；请另存为 UTF-8 或 GB18030 后再导入",
            "the file is UTF-16; save it as UTF-8 or GB18030 and import that",
        )
    );
    Ok(None)
}

/// The encoding of text without a mark, by its lines that are not ASCII: UTF-8 unless more of them only decode as
/// GB18030. `None` while there is none: ASCII is both.
pub(crate) fn detect(sample: &[u8]) -> Option<Encoding> {
    let (mut utf8, mut gb18030) = (0, 0);
    let mut lines = sample.split(|it| *it == b'\n').peekable();
    while let Some(line) = lines.next() {
        // The last line may be cut within a character; it counts only when it is all there is.
        let cut = lines.peek().is_none() && utf8 + gb18030 > 0;
        if line.is_ascii() || cut {
            continue;
        }
        match std::str::from_utf8(line) {
            Ok(_) => utf8 += 1,
            Err(error) if error.error_len().is_none() => utf8 += 1,
            Err(_) if gb(line).is_some() => gb18030 += 1,
            Err(_) => {}
        }
    }
    match (utf8, gb18030) {
        (0, 0) if sample.is_ascii() => None,
        (utf8, gb18030) if utf8 >= gb18030 => Some(Encoding::Utf8),
        _ => Some(Encoding::Gb18030),
    }
}

fn gb(bytes: &[u8]) -> Option<Cow<'_, str>> {
    GB18030.decode_without_bom_handling_and_without_replacement(bytes)
}

/// The cells of one row as text.
pub(crate) enum Texts<'a> {
    /// All in one piece of memory.
    Whole(&'a str, &'a Cells),
    /// Decoded one by one.
    Each(Vec<Cow<'a, str>>),
}

impl Texts<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Whole(_, cells) => cells.ranges.len(),
            Self::Each(texts) => texts.len(),
        }
    }

    /// The text of a cell; empty beyond the last.
    pub(crate) fn get(&self, at: usize) -> &str {
        match self {
            Self::Whole(all, cells) => cells.ranges.get(at).and_then(|it| all.get(it.clone())).unwrap_or(""),
            Self::Each(texts) => texts.get(at).map_or("", |it| it),
        }
    }
}

/// Decodes a row; the position of the first cell that does not decode is the error.
pub(crate) fn decode(cells: &Cells, encoding: Encoding) -> Result<Texts<'_>, usize> {
    if encoding == Encoding::Utf8 || cells.bytes.is_ascii() {
        return match std::str::from_utf8(&cells.bytes) {
            Ok(all) => Ok(Texts::Whole(all, cells)),
            Err(error) => {
                let at = error.valid_up_to();
                Err(cells.ranges.iter().position(|it| at < it.end).unwrap_or(0))
            }
        };
    }
    let texts = (0..cells.ranges.len()).map(|at| gb(cells.cell(at)).ok_or(at));
    texts.collect::<Result<_, _>>().map(Texts::Each)
}
