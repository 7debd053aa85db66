//! Drafts as a file of the template.
//!
//! Pure.

use super::{
    Column, MORE_SHEET, SHEET,
    book::{self, CELL_CHARS_MAX, Cell},
    column::{parse, render},
};
use crate::compile::Draft;
use std::collections::BTreeMap;
use vocabulary::{Problem, ResourceId};

/// The first row below the heading.
const FIRST_ROW: u32 = 2;

/// A text with its place, to be borrowed by a cell.
struct Told {
    at: (u32, u16),
    height: u32,
    text: String,
}

/// Writes a file of the template. `codes` are those of the entries that are named as relations.
///
/// # Errors
/// `catalog.template_write` when a text is longer than a cell of Excel.
pub fn write(drafts: &[Draft], codes: &BTreeMap<ResourceId, String>) -> Result<Vec<u8>, Problem> {
    let mut told = Vec::new();
    let mut row = FIRST_ROW;
    for draft in drafts {
        let height = u32::try_from(draft.entry.items.len().max(1)).unwrap_or(1);
        for (at, column) in (0_u16..).zip(Column::ALL) {
            if column.of_items() {
                let items = (0..draft.entry.items.len()).zip(row..);
                told.extend(items.map(|(item, row)| Told {
                    at: (row, at),
                    height: 1,
                    text: said(column, draft, item, codes),
                }));
            } else {
                told.push(Told { at: (row, at), height, text: said(column, draft, 0, codes) });
            }
        }
        row += height;
    }
    let mut sheet = heading();
    sheet.extend(told.iter().map(|it| Cell { at: it.at, height: it.height, width: 1, text: &it.text, head: false }));
    let more = more(drafts);
    let heads = [("信息资源代码", 0), ("信息资源名称", 1), ("补充信息（勿改）", 2)];
    let heads = heads.map(|(text, at)| Cell { at: (0, at), height: 1, width: 1, text, head: true });
    let mut second: Vec<Cell<'_>> = heads.into_iter().collect();
    second.extend(more.iter().map(|it| Cell { at: it.at, height: 1, width: 1, text: &it.text, head: false }));
    if drafts.is_empty() {
        return book::written(&[(SHEET, sheet)]);
    }
    book::written(&[(SHEET, sheet), (MORE_SHEET, second)])
}

/// What a cell says: in the words in which it came, as long as they mean what the entry says now.
fn said(column: Column, draft: &Draft, item: usize, codes: &BTreeMap<ResourceId, String>) -> String {
    let related: Vec<String> =
        draft.entry.related.iter().map(|it| codes.get(it).cloned().unwrap_or_else(|| it.to_string())).collect();
    let ours = render(column, &draft.entry, item, &related);
    let Some(theirs) = draft.links.cells.get(&column.key(item)) else { return ours };
    let mut read = draft.entry.clone();
    let (means, codes) = match parse(column, theirs, &mut read, item) {
        Ok(()) => (true, super::column::several(theirs)),
        Err(_) => (false, Vec::new()),
    };
    if means && render(column, &read, item, &codes) == ours { theirs.clone() } else { ours }
}

/// Two rows: groups above the columns that they hold.
fn heading() -> Vec<Cell<'static>> {
    let mut cells: Vec<Cell<'static>> = Vec::new();
    for (at, column) in (0_u16..).zip(Column::ALL) {
        let (text, group) = column.heading();
        match group {
            None => cells.push(Cell { at: (0, at), height: 2, width: 1, text, head: true }),
            Some(group) => {
                match cells.iter_mut().find(|it| it.text == group) {
                    Some(it) => it.width += 1,
                    None => cells.push(Cell { at: (0, at), height: 1, width: 1, text: group, head: true }),
                }
                cells.push(Cell { at: (1, at), height: 1, width: 1, text, head: true });
            }
        }
    }
    cells
}

/// The second sheet: what the guide has no column for, as JSON over as many cells as it takes.
fn more(drafts: &[Draft]) -> Vec<Told> {
    let mut told = Vec::new();
    for (row, draft) in (1_u32..).zip(drafts) {
        told.push(Told { at: (row, 0), height: 1, text: draft.entry.code.clone() });
        told.push(Told { at: (row, 1), height: 1, text: draft.entry.title.zh.clone() });
        let json = serde_json::to_string(draft).unwrap_or_default();
        let mut rest = json.as_str();
        for column in 2_u16.. {
            // Quarter the bound: a character takes at most two units, and JSON bytes are at least as many.
            let end = rest.char_indices().map(|it| it.0).take_while(|it| *it <= CELL_CHARS_MAX / 2).last().unwrap_or(0);
            let end = if rest.len() <= CELL_CHARS_MAX / 2 { rest.len() } else { end };
            told.push(Told { at: (row, column), height: 1, text: rest[..end].to_owned() });
            rest = &rest[end..];
            if rest.is_empty() {
                break;
            }
        }
    }
    told
}
