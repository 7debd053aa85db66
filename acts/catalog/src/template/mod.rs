//! The Excel template of the guide of 2017 (政务信息资源目录编制模板): catalogues come and go as the sheet that every
//! bureau knows.
//!
//! One sheet has the guide's columns in its order, entry cells merged over the rows of their items. A second one holds
//! what the guide has no column for (English texts, theme, grades, keywords …); a file without it is read as well.
//! No loss, as properties: what we write reads back as the same entries; what others wrote is written with the same
//! cells, for a cell whose own words differ from ours is kept ([`Cells`]).
//!
//! [`book`] knows the file, [`column`] the words of a cell, [`read`] and [`write`] put both together. All of it works
//! on bytes in memory, within bounds.

mod book;
mod column;
mod import;
mod read;
mod write;

pub use book::{BOOK_BYTES_MAX, ROWS_MAX, UNPACKED_BYTES_MAX};
pub(crate) use column::day;
pub use column::{Cells, Column};
pub use import::{ImportTemplate, Imported, import};
pub(crate) use read::other as other_theme;
pub use read::{CellFlaw, TemplateRow, file_problem, read};
pub use write::write;

/// A file has at most this many entries.
pub const ENTRIES_MAX: usize = 1_000;
/// The sheet with the guide's columns.
pub const SHEET: &str = "政务信息资源目录";
/// The sheet with what the guide has no column for.
pub const MORE_SHEET: &str = "云禾补充";

#[cfg(test)]
mod tests;
