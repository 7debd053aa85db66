//! An `.xlsx` file as sheets of text, and back. The file may be hostile: what it unpacks to is counted before it is
//! read.

use calamine::{Data, Reader as _, Xlsx, XlsxError};
use rust_xlsxwriter::{Format, FormatAlign, FormatBorder, Workbook};
use std::io::{Cursor, Read as _};
use vocabulary::{Kind, Problem, ensure};
use zip::ZipArchive;

/// A file has at most this many bytes.
pub const BOOK_BYTES_MAX: usize = 8 * 1024 * 1024;
/// And unpacks to at most this many.
pub const UNPACKED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A sheet has at most this many rows.
pub const ROWS_MAX: usize = 50_000;
/// And this many columns.
const COLUMNS_MAX: usize = 256;
/// The sheets of a file have at most this many cells together, empty ones between full ones counted as well.
const CELLS_MAX: usize = 2_000_000;
/// A file has at most this many sheets.
const SHEETS_MAX: usize = 64;
/// A cell of Excel holds at most this many UTF-16 units.
pub(crate) const CELL_CHARS_MAX: usize = 32_000;

/// A sheet: rows of texts; what is merged stands in its first cell.
pub(crate) struct Sheet {
    pub name: String,
    /// Row and column of the first cell, from 0.
    pub start: (u32, u32),
    pub rows: Vec<Vec<String>>,
}

fn unreadable(why: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "catalog.template",
        format!("不是可读的 .xlsx 文件（{why}）；旧的 .xls 请先另存为 .xlsx"),
        format!("this is no .xlsx file that can be read ({why}); save an old .xls as .xlsx first"),
    )
}

fn too_large(zh: String, en: String) -> Problem {
    Problem::new(Kind::TooLarge, "catalog.template_size", format!("{zh}；请拆成几个文件"), format!("{en}; split it"))
}

/// Counts what the archive unpacks to, without keeping it.
fn bounded(bytes: &[u8]) -> Result<(), Problem> {
    ensure!(
        bytes.len() <= BOOK_BYTES_MAX,
        too_large(
            format!("文件有 {} 字节，至多 {BOOK_BYTES_MAX}", bytes.len()),
            format!("the file has {} bytes, at most {BOOK_BYTES_MAX}", bytes.len())
        )
    );
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|it| unreadable(&it))?;
    let mut left = UNPACKED_BYTES_MAX;
    for at in 0..archive.len() {
        let file = archive.by_index(at).map_err(|it| unreadable(&it))?;
        let read = std::io::copy(&mut file.take(left + 1), &mut std::io::sink()).map_err(|it| unreadable(&it))?;
        ensure!(
            read <= left,
            too_large(
                format!("文件解压后超过 {UNPACKED_BYTES_MAX} 字节"),
                format!("the file unpacks to more than {UNPACKED_BYTES_MAX} bytes")
            )
        );
        left -= read;
    }
    Ok(())
}

/// What the sheets of a file may still hold.
struct Left {
    cells: usize,
    /// Texts of cells, which may all be the same one of the archive.
    bytes: usize,
}

/// Every sheet of a file, as texts.
///
/// # Errors
/// `catalog.template` when it is no such file, `catalog.template_size` when it passes a bound.
pub(crate) fn sheets(bytes: &[u8]) -> Result<Vec<Sheet>, Problem> {
    bounded(bytes)?;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|it| unreadable(&it))?;
    let names = book.sheet_names();
    ensure!(
        names.len() <= SHEETS_MAX,
        too_large(
            format!("文件有 {} 个工作表，至多 {SHEETS_MAX} 个", names.len()),
            format!("the file has {} sheets, at most {SHEETS_MAX}", names.len())
        )
    );
    let mut left = Left { cells: CELLS_MAX, bytes: usize::try_from(UNPACKED_BYTES_MAX).unwrap_or(usize::MAX) };
    names.into_iter().map(|name| sheet(&mut book, name, &mut left)).collect()
}

/// One sheet, cell by cell: a cell that lies past a bound is refused before anything is made for it.
fn sheet(book: &mut Xlsx<Cursor<&[u8]>>, name: String, left: &mut Left) -> Result<Sheet, Problem> {
    let mut reader = match book.worksheet_cells_reader(&name) {
        // A chart has a sheet of its own, without cells.
        Err(XlsxError::NotAWorksheet(_)) => return Ok(Sheet { name, start: (0, 0), rows: Vec::new() }),
        reader => reader.map_err(|it| unreadable(&it))?,
    };
    let mut cells = Vec::new();
    while let Some(cell) = reader.next_cell().map_err(|it| unreadable(&it))? {
        let (row, column) = cell.get_position();
        let text = text(&Data::from(cell.get_value().clone()));
        if text.is_empty() {
            continue;
        }
        ensure!(
            (row as usize) < ROWS_MAX && (column as usize) < COLUMNS_MAX,
            too_large(
                format!("工作表“{name}”有单元格 {}，至多 {ROWS_MAX} 行 {COLUMNS_MAX} 列", address(row, column)),
                format!(
                    "sheet {name:?} has a cell {}; at most {ROWS_MAX} rows and {COLUMNS_MAX} columns",
                    address(row, column)
                )
            )
        );
        ensure!(
            text.len() <= left.bytes && cells.len() < left.cells,
            too_large(
                format!("文件的单元格多于 {CELLS_MAX} 个，或文字多于 {UNPACKED_BYTES_MAX} 字节"),
                format!("the file has more than {CELLS_MAX} cells, or {UNPACKED_BYTES_MAX} bytes of text")
            )
        );
        left.bytes -= text.len();
        cells.push(((row, column), text));
    }
    laid_out(name, cells, left)
}

/// Cells as rows of equal length, from the first that says something.
fn laid_out(name: String, cells: Vec<((u32, u32), String)>, left: &mut Left) -> Result<Sheet, Problem> {
    let rows = || cells.iter().map(|it| it.0.0);
    let columns = || cells.iter().map(|it| it.0.1);
    let (Some(top), Some(bottom), Some(first), Some(last)) =
        (rows().min(), rows().max(), columns().min(), columns().max())
    else {
        return Ok(Sheet { name, start: (0, 0), rows: Vec::new() });
    };
    let (height, width) = ((bottom - top) as usize + 1, (last - first) as usize + 1);
    ensure!(
        height * width <= left.cells,
        too_large(
            format!("工作表“{name}”有 {height} 行 {width} 列，整个文件至多 {CELLS_MAX} 个单元格"),
            format!("sheet {name:?} has {height} rows of {width} columns; a file has at most {CELLS_MAX} cells")
        )
    );
    left.cells -= height * width;
    let mut rows = vec![vec![String::new(); width]; height];
    for ((row, column), text) in cells {
        rows[(row - top) as usize][(column - first) as usize] = text;
    }
    Ok(Sheet { name, start: (top, first), rows })
}

/// A cell as a person reads it; a date as `2026-11-24`.
fn text(cell: &Data) -> String {
    match cell {
        Data::Empty => String::new(),
        Data::String(text) => text.clone(),
        Data::Float(number) => number_text(*number),
        Data::Int(number) => number.to_string(),
        Data::Bool(true) => "是".to_owned(),
        Data::Bool(false) => "否".to_owned(),
        Data::DateTime(at) => day(at.as_f64()).unwrap_or_else(|| number_text(at.as_f64())),
        other => other.to_string(),
    }
}

fn number_text(number: f64) -> String {
    number.to_string()
}

/// The day of Excel's serial number (1900 system).
fn day(serial: f64) -> Option<String> {
    let days = (1.0..=2_958_465.0).contains(&serial).then_some(serial as i64)?;
    let zero = vocabulary::Date::constant(1899, 12, 30);
    zero.checked_add(jiff::Span::new().days(days)).ok().map(|it| it.to_string())
}

/// The address of a cell, as Excel writes it.
pub(crate) fn address(row: u32, column: u32) -> String {
    let (mut letters, mut rest) = (String::new(), column + 1);
    while rest > 0 {
        let digit = u8::try_from((rest - 1) % 26).unwrap_or(0);
        letters.insert(0, char::from(b'A' + digit));
        rest = (rest - 1) / 26;
    }
    format!("{letters}{}", row + 1)
}

/// A text that lies over `height` rows of one column, or over `width` columns of one row.
pub(crate) struct Cell<'a> {
    pub at: (u32, u16),
    pub height: u32,
    pub width: u16,
    pub text: &'a str,
    pub head: bool,
}

/// Writes sheets of texts. Whatever a text begins with (`=`, `+`, `-`, `@`), it stays text.
pub(crate) fn written(sheets: &[(&str, Vec<Cell<'_>>)]) -> Result<Vec<u8>, Problem> {
    let failed = |it: rust_xlsxwriter::XlsxError| {
        let en = format!("the sheet cannot be written: {it}");
        Problem::new(Kind::Unprocessable, "catalog.template_write", format!("无法写出表格：{it}"), en)
    };
    let plain = Format::new().set_text_wrap().set_border(FormatBorder::Thin).set_align(FormatAlign::VerticalCenter);
    let head = plain.clone().set_bold().set_align(FormatAlign::Center);
    let mut book = Workbook::new();
    for (name, cells) in sheets {
        let sheet = book.add_worksheet();
        sheet.set_name(*name).map_err(failed)?;
        for cell in cells {
            let (row, column) = cell.at;
            let format = if cell.head { &head } else { &plain };
            if cell.height > 1 || cell.width > 1 {
                let end = (row + cell.height - 1, column + cell.width - 1);
                sheet.merge_range(row, column, end.0, end.1, "", format).map_err(failed)?;
            }
            sheet.write_string_with_format(row, column, cell.text, format).map_err(failed)?;
        }
        let widths = cells.iter().filter(|it| it.head).map(|it| it.at.1).max().unwrap_or(0);
        for column in 0..=widths {
            sheet.set_column_width(column, 18).map_err(failed)?;
        }
    }
    book.save_to_buffer().map_err(failed)
}
