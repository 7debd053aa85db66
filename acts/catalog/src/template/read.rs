//! A file of the template as drafts, or everything that is wrong with it.
//!
//! Pure. Entry cells are merged over the rows of their items, or repeated, or left empty below the first.

use super::{
    Cells, Column, ENTRIES_MAX, MORE_SHEET,
    book::{self, Sheet, address},
    column::{Expected, items_to, parse, render, several},
};
use crate::{
    Class, Entry, Method,
    compile::{Draft, Links},
    decide,
};
use policy::Sharing;
use schema::{Cycle, Grade};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vocabulary::{Bilingual, Date, Kind, Problem, ResourceId};

/// The heading stands within this many rows from the top.
const HEAD_ROWS_MAX: usize = 10;
/// This many flaws of a file are told; the rest shows when they are mended.
const FLAWS_MAX: usize = 500;
/// A column that only counts the rows.
const NUMBER: &str = "序号";

/// One thing wrong with a file: where it is, what it is, what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CellFlaw {
    /// The sheet.
    pub sheet: String,
    /// The cell, as Excel names it: `H7`.
    pub cell: String,
    /// The fact.
    pub what: Bilingual,
    /// What is expected there.
    pub expected: Bilingual,
}

/// One entry of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateRow {
    /// What it says. Its name stands in it when the file told one.
    pub draft: Draft,
    /// Whether the file told its name.
    pub named: bool,
    /// The codes of its relations; the draft names none yet.
    pub related: Vec<String>,
    /// What its cells say, in the order in which they are read.
    texts: Vec<Text>,
    /// Sheet, row and columns, to tell a flaw by.
    pub place: Place,
}

/// What one cell says: of an entry, or of its item of that number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Text {
    column: Column,
    item: usize,
    text: String,
}

impl TemplateRow {
    /// Lays what the cells say over the draft that we hold: what the guide has no column for stays as it is there.
    pub(crate) fn lay_over(&mut self, held: Draft) {
        self.draft = laid_over(held, &self.texts, |_, _| {});
    }
}

/// Where an entry stands in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    sheet: String,
    row: u32,
    /// The row of each item.
    items: Vec<u32>,
    columns: BTreeMap<Column, u32>,
}

impl Place {
    /// A flaw at a column of this entry, or of its item.
    pub fn flaw(&self, column: Column, item: usize, what: Bilingual, expected: Bilingual) -> CellFlaw {
        let row = self.items.get(item).copied().filter(|_| column.of_items()).unwrap_or(self.row);
        let cell = self.columns.get(&column).map_or_else(|| (row + 1).to_string(), |it| address(row, *it));
        CellFlaw { sheet: self.sheet.clone(), cell, what, expected }
    }
}

/// All flaws of a file as one problem.
pub fn file_problem(flaws: &[CellFlaw]) -> Problem {
    let line = |it: &CellFlaw, zh: bool| {
        let (what, expected) = if zh { (&it.what.zh, &it.expected.zh) } else { (&it.what.en, &it.expected.en) };
        format!("{}!{} {what}，{expected}", it.sheet, it.cell)
    };
    let few = |zh| flaws.iter().take(5).map(|it| line(it, zh)).collect::<Vec<_>>().join("；");
    let count = flaws.len();
    let problem = Problem::new(
        Kind::Unprocessable,
        "catalog.template_cells",
        format!("文件有 {count} 处须改，未导入任何条目：{}", few(true)),
        format!("{count} cells are to be mended and nothing was imported: {}", few(false)),
    );
    problem.with("flaws", serde_json::to_value(flaws).unwrap_or_default())
}

/// A sheet whose heading was found.
struct Table<'a> {
    sheet: &'a Sheet,
    columns: BTreeMap<Column, usize>,
    first: usize,
}

impl Table<'_> {
    fn text(&self, row: usize, column: Column) -> &str {
        let at = self.columns.get(&column);
        at.and_then(|it| self.sheet.rows[row].get(*it)).map_or("", String::as_str)
    }

    fn place(&self, row: usize) -> Place {
        let (top, left) = self.sheet.start;
        let number = |it: usize| u32::try_from(it).unwrap_or(0);
        let columns = self.columns.iter().map(|(column, it)| (*column, left + number(*it))).collect();
        Place { sheet: self.sheet.name.clone(), row: top + number(row), items: Vec::new(), columns }
    }
}

/// Reads a file of the template.
///
/// # Errors
/// `catalog.template` when it is no such file, `catalog.template_size` past a bound, `catalog.template_cells` with
/// every flaw: its sheet, its cell, what is expected.
pub fn read(bytes: &[u8], today: Date) -> Result<Vec<TemplateRow>, Problem> {
    let sheets = book::sheets(bytes)?;
    let mut flaws = Vec::new();
    let Some(table) = sheets.iter().filter(|it| it.name != MORE_SHEET).find_map(|it| table(it, &mut flaws)) else {
        return Err(no_heading(&sheets));
    };
    let mut more = more(&sheets, &mut flaws);
    let mut rows = Vec::new();
    let mut at = table.first;
    while at < table.sheet.rows.len() {
        let end = end_of_entry(&table, at);
        if table.sheet.rows[at..end].iter().flatten().any(|it| !it.trim().is_empty()) {
            vocabulary::ensure!(rows.len() < ENTRIES_MAX, too_many());
            rows.push(entry(&table, at..end, &mut more, today, &mut flaws));
        }
        at = end;
    }
    flaws.truncate(FLAWS_MAX);
    vocabulary::ensure!(flaws.is_empty(), file_problem(&flaws));
    vocabulary::ensure!(!rows.is_empty(), no_heading(&sheets));
    Ok(rows)
}

/// The heading of a sheet, in one row or with the groups above it; what it misses is told.
fn table<'a>(sheet: &'a Sheet, flaws: &mut Vec<CellFlaw>) -> Option<Table<'a>> {
    let head = sheet
        .rows
        .iter()
        .take(HEAD_ROWS_MAX)
        .position(|row| row.iter().any(|it| Column::of_heading(it) == Some(Column::ItemTitle)))?;
    let above = head.checked_sub(1).map(|it| &sheet.rows[it]);
    let mut columns = BTreeMap::new();
    let mut strange = Vec::new();
    for (at, text) in sheet.rows[head].iter().enumerate() {
        let own = text.trim();
        let own = if own.is_empty() { above.and_then(|it| it.get(at)).map_or("", |it| it.trim()) } else { own };
        match Column::of_heading(own) {
            Some(column) if !columns.contains_key(&column) => {
                columns.insert(column, at);
            }
            _ => strange.push((at, own.to_owned())),
        }
    }
    let table = Table { sheet, columns, first: head + 1 };
    let place = table.place(head);
    for (at, text) in strange {
        let filled = sheet.rows[head + 1..].iter().any(|it| it.get(at).is_some_and(|it| !it.trim().is_empty()));
        if filled && text != NUMBER {
            let cell = address(place.row, sheet.start.1 + u32::try_from(at).unwrap_or(0));
            let what =
                Bilingual::new(format!("列“{text}”不在指南中或重复"), format!("column {text:?} is not the guide's"));
            let expected =
                Bilingual::new("删去该列，或改为指南的列名", "take it out, or give it a heading of the guide");
            flaws.push(CellFlaw { sheet: sheet.name.clone(), cell, what, expected });
        }
    }
    for column in Column::ALL.into_iter().filter(|it| !table.columns.contains_key(it)) {
        let name = column.heading().0;
        let what = Bilingual::new(format!("缺少列“{name}”"), format!("column {name} is missing"));
        let expected = Bilingual::new("按指南的次序补上该列", "add it where the guide has it");
        flaws.push(place.flaw(column, 0, what, expected));
    }
    Some(table)
}

/// Where the entry that begins at `at` ends: its further rows have no entry cells, or repeat them.
fn end_of_entry(table: &Table<'_>, at: usize) -> usize {
    let of_entry: Vec<Column> = Column::ALL.into_iter().filter(|it| !it.of_items()).collect();
    let same = |row: usize| {
        let all = |is: &dyn Fn(Column) -> bool| of_entry.iter().all(|it| is(*it));
        let filled = of_entry.iter().any(|it| !table.text(at, *it).is_empty());
        all(&|it| table.text(row, it).is_empty()) || (filled && all(&|it| table.text(row, it) == table.text(at, it)))
    };
    // An empty row between two entries belongs to neither.
    let blank = |row: usize| table.sheet.rows[row].iter().all(|it| it.trim().is_empty());
    (at + 1..table.sheet.rows.len()).find(|it| !same(*it) || blank(*it)).unwrap_or(table.sheet.rows.len())
}

fn blank(today: Date) -> Entry {
    Entry {
        entry: placeholder(),
        title: Bilingual::new("", ""),
        code: String::new(),
        class: Class::Department,
        theme: other(),
        provider: Bilingual::new("", ""),
        provider_code: None,
        description: Bilingual::new("", ""),
        formats: Vec::new(),
        items: Vec::new(),
        share: Sharing::Conditional,
        condition: None,
        method: Method::Platform,
        open: false,
        open_condition: None,
        cycle: Cycle::Irregular,
        published: today,
        related: Vec::new(),
        grade: Grade::General1,
        keywords: Vec::new(),
        offer: None,
        synthetic: false,
    }
}

/// The name of an entry that has none yet.
pub(crate) fn placeholder() -> ResourceId {
    ResourceId::new("unnamed").expect("lower-case letters are a name")
}

/// The theme of an entry that nobody said anything about.
pub(crate) fn other() -> ResourceId {
    ResourceId::new("other").expect("lower-case letters are a name")
}

fn entry(
    table: &Table<'_>,
    rows: std::ops::Range<usize>,
    more: &mut Vec<Draft>,
    today: Date,
    flaws: &mut Vec<CellFlaw>,
) -> TemplateRow {
    let (first, mut place) = (rows.start, table.place(rows.start));
    let (code, title) = (table.text(first, Column::Code).trim(), table.text(first, Column::Title).trim());
    let is_it = |it: &Draft| it.entry.code == code && (!code.is_empty() || it.entry.title.zh == title);
    let known = more.iter().position(is_it).map(|it| more.remove(it));
    let named = known.is_some();
    let texts = texts(table, rows, &mut place.items);
    let mut unread = Vec::new();
    let base = known.unwrap_or_else(|| Draft { entry: blank(today), links: Links::default() });
    let mut draft = laid_over(base, &texts, |it, (zh, en)| {
        let (name, text) = (it.column.heading().0, &it.text);
        let what = Bilingual::new(format!("{name}“{text}”无法读懂"), format!("{name} {text:?} cannot be read"));
        flaws.push(place.flaw(it.column, it.item, what, Bilingual::new(zh, en)));
        if !it.column.of_items() {
            unread.push(it.column);
        }
    });
    if !named {
        draft.entry.grade = draft.entry.items.iter().filter_map(|it| it.grade).max().unwrap_or(Grade::General1);
    }
    told_flaws(&draft, (&place, &unread), today, flaws);
    let related = several(table.text(first, Column::Related));
    TemplateRow { draft, named, related, texts, place }
}

/// What the cells of an entry say: those of its items first, row by row, where a row has an item at all.
fn texts(table: &Table<'_>, rows: std::ops::Range<usize>, items: &mut Vec<u32>) -> Vec<Text> {
    let first = rows.start;
    let mut texts = Vec::new();
    for row in rows {
        if [Column::ItemTitle, Column::ItemType].iter().all(|it| table.text(row, *it).trim().is_empty()) {
            continue;
        }
        for column in [Column::ItemTitle, Column::ItemType] {
            texts.push(Text { column, item: items.len(), text: table.text(row, column).to_owned() });
        }
        items.push(table.place(row).row);
    }
    let of_entry = Column::ALL.into_iter().filter(|it| !it.of_items() && table.columns.contains_key(it));
    texts.extend(of_entry.map(|column| Text { column, item: 0, text: table.text(first, column).to_owned() }));
    texts
}

/// A draft with what the cells say over it: what they do not say (English, grades, links) stays, an item's by its
/// title. Whose words are not ours are kept; what cannot be read is told.
fn laid_over(mut draft: Draft, texts: &[Text], mut unread: impl FnMut(&Text, Expected)) -> Draft {
    let mut spare: Vec<_> = std::mem::take(&mut draft.entry.items).into_iter().map(Some).collect();
    let mut cells = Cells::new();
    for it in texts {
        let Text { column, item, text } = it;
        if *column == Column::ItemTitle {
            let same = spare.iter_mut().find(|it| it.as_ref().is_some_and(|it| it.title.zh.trim() == text.trim()));
            let place = items_to(&mut draft.entry, *item);
            if let Some(same) = same.and_then(Option::take) {
                *place = same;
            }
        }
        if let Err(expected) = parse(*column, text, &mut draft.entry, *item) {
            unread(it, expected);
        } else if render(*column, &draft.entry, *item, &several(text)) != *text {
            cells.insert(column.key(*item), text.clone());
        }
    }
    draft.entry.related.clear();
    draft.links.cells = cells;
    draft
}

/// What is wrong with what the cells say, each at its cell. A code may be missing or without its serial number: it is
/// drawn.
fn told_flaws(draft: &Draft, (place, unread): (&Place, &[Column]), today: Date, flaws: &mut Vec<CellFlaw>) {
    const OF_SHARING: [Column; 4] = [Column::Share, Column::Condition, Column::Method, Column::Open];
    let entry = &draft.entry;
    let drawn = entry.code.is_empty() || decide::code_is_formed(&format!("{}/1", entry.code));
    for flaw in decide::flaws(entry, today) {
        let (column, item) = Column::of_pointer(&flaw.pointer);
        if flaw.pointer == "/code" && drawn && (entry.code.is_empty() || entry.code.starts_with(entry.class.digit())) {
            continue;
        }
        // What follows from a cell that could not be read says nothing.
        let follows = OF_SHARING.contains(&column) && OF_SHARING.iter().any(|it| unread.contains(it));
        if !follows && !unread.contains(&column) {
            flaws.push(place.flaw(column, item.unwrap_or(0), flaw.what, flaw.remedy));
        }
    }
}

/// What the second sheet knows, entry by entry: JSON in as many cells as it takes.
fn more(sheets: &[Sheet], flaws: &mut Vec<CellFlaw>) -> Vec<Draft> {
    let Some(sheet) = sheets.iter().find(|it| it.name == MORE_SHEET) else { return Vec::new() };
    let mut drafts = Vec::new();
    for (at, row) in sheet.rows.iter().enumerate().skip(1).take(ENTRIES_MAX) {
        let text: String = row.iter().skip(2).map(String::as_str).collect();
        if text.is_empty() {
            continue;
        }
        match serde_json::from_str(&text) {
            Ok(draft) => drafts.push(draft),
            Err(why) => flaws.push(CellFlaw {
                sheet: sheet.name.clone(),
                cell: address(sheet.start.0 + u32::try_from(at).unwrap_or(0), sheet.start.1 + 2),
                what: Bilingual::new(format!("补充信息无法读懂：{why}"), format!("it cannot be read: {why}")),
                expected: Bilingual::new(
                    "不要改动此表；不需要时整表删除",
                    "leave this sheet as it is, or take the whole of it out",
                ),
            }),
        }
    }
    drafts
}

fn no_heading(sheets: &[Sheet]) -> Problem {
    let names = sheets.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join("、");
    Problem::new(
        Kind::Unprocessable,
        "catalog.template_heading",
        format!(
            "工作表（{names}）中没有指南的表头或条目；表头应在前 {HEAD_ROWS_MAX} 行内，含“信息项名称”；空模板：yunhe catalog template export --blank"
        ),
        format!(
            "no sheet ({names}) has the guide's heading and an entry; yunhe catalog template export --blank writes one"
        ),
    )
}

fn too_many() -> Problem {
    Problem::new(
        Kind::TooLarge,
        "catalog.template_many",
        format!("条目多于 {ENTRIES_MAX} 个，一个文件至多 {ENTRIES_MAX} 个；请按部门拆分"),
        format!(
            "there are more than {ENTRIES_MAX} entries, and a file has at most {ENTRIES_MAX}: split it by department"
        ),
    )
}
