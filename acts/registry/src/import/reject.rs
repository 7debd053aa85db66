//! Rejected rows: kept with the import's progress, so that both are always of the same moment; written out as CSV.

use super::csv::{Broken, CELL_BYTES_MAX, ROW_BYTES_MAX};
use crate::{ImportId, fault, store as sql};
use std::io::Write;
use store::{Reader, args};
use vocabulary::{Bilingual, Problem};

/// What is wrong with a row; `field` is empty when it is the row as such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) field: String,
    pub(crate) code: &'static str,
    pub(crate) reason: Bilingual,
}

impl Fault {
    fn row(code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { field: String::new(), code, reason: Bilingual::new(zh, en) }
    }

    pub(crate) fn cell(field: &str, fault: schema::Fault) -> Self {
        Self { field: field.to_owned(), code: fault.code, reason: fault.reason }
    }

    pub(crate) fn ragged(found: usize, expected: usize) -> Self {
        Self::row(
            "csv.ragged",
            format!("有 {found} 列，首行有 {expected} 列"),
            format!("has {found} columns, the first line has {expected}"),
        )
    }

    pub(crate) fn encoding(column: usize, encoding: super::Encoding) -> Self {
        let (column, name) = (column + 1, encoding.name());
        Self::row(
            "csv.encoding",
            format!("第 {column} 列不是有效的 {name}；若文件混用编码，请统一后再导入"),
            format!("column {column} is not {name}; if the file mixes encodings, make them one"),
        )
    }

    pub(crate) fn duplicate(first: Option<i64>) -> Self {
        let first = first.unwrap_or_default();
        Self::row(
            "registry.duplicate_key",
            format!("主键与第 {first} 行相同，保留先出现的一行"),
            format!("has the key of line {first}; the first one stays"),
        )
    }
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Quote => Self::row(
                "csv.quote",
                "引号未闭合，或闭合后还有文字；含引号的单元格应整格加引号，内部引号写两次",
                "a quote does not close, or text follows a closing one; quote the whole cell and double quotes inside",
            ),
            Broken::CellTooLarge(at) => Self::row(
                "csv.cell_too_large",
                format!("第 {} 列超过 {CELL_BYTES_MAX} 字节", at + 1),
                format!("column {} has more than {CELL_BYTES_MAX} bytes", at + 1),
            ),
            Broken::RowTooLarge => Self::row(
                "csv.row_too_large",
                format!("一行超过 {ROW_BYTES_MAX} 字节"),
                format!("the line has more than {ROW_BYTES_MAX} bytes"),
            ),
            Broken::Nul => Self::row("csv.nul", "含空字符 U+0000", "holds U+0000"),
        }
    }
}

/// A rejected row, once for each of its faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Its line in the file, from 1.
    pub line: i64,
    /// The field at fault; empty when it is the row as such.
    pub field: String,
    /// Stable: `value.check_digit`.
    pub code: String,
    /// The reason; values about people are not in it.
    pub reason: Bilingual,
}

/// Streams the rejects of an import through `take`, in the order of their lines.
///
/// # Errors
/// As [`Reader::rows`], or what `take` said.
pub async fn rejects(
    reader: &mut Reader,
    import: ImportId,
    mut take: impl FnMut(Reject) -> Result<(), Problem>,
) -> Result<(), Problem> {
    reader
        .each(sql::REJECTS, args![import.to_string()], |row| {
            take(Reject {
                line: row.int("line")?,
                field: row.text("field")?.to_owned(),
                code: row.text("code")?.to_owned(),
                reason: Bilingual::new(row.text("zh")?, row.text("en")?),
            })
        })
        .await
}

/// The rejects of an import as CSV in UTF-8: line, field, code, reasons in Chinese and English.
///
/// # Errors
/// As [`rejects`]; `registry.fault` when `out` does not take it.
pub async fn rejects_csv(reader: &mut Reader, import: ImportId, out: &mut (dyn Write + Send)) -> Result<(), Problem> {
    let mut failed = None;
    let mut put = |cells: [&str; 5]| {
        if failed.is_none() {
            failed = out.write_all(csv_line(cells).as_bytes()).err();
        }
    };
    put(["line", "field", "code", "reason_zh", "reason_en"]);
    rejects(reader, import, |it| {
        put([&it.line.to_string(), &it.field, &it.code, &it.reason.zh, &it.reason.en]);
        Ok(())
    })
    .await?;
    failed.map_or(Ok(()), |it| Err(fault::internal("rejects", &it)))
}

/// One line of CSV for people: quoted where needed, and no cell that a spreadsheet would run as a formula.
pub fn csv_line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let number = cell.strip_prefix('-').is_some_and(|it| {
            it.starts_with(|it: char| it.is_ascii_digit()) && it.bytes().all(|it| it.is_ascii_digit() || it == b'.')
        });
        let guard = if formula && !number { "'" } else { "" };
        if cell.contains([',', '"', '\n', '\r']) || !guard.is_empty() {
            line.push_str(&format!("\"{guard}{}\"", cell.replace('"', "\"\"")));
        } else {
            line.push_str(cell);
        }
    }
    line.push_str("\r\n");
    line
}
