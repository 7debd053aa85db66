//! The template: what goes out comes in again, what came in goes out again, and what is wrong is told at once.

use super::{book::Cell, column::render, *};
use crate::{
    Entry, ItemType,
    compile::{self, Draft, Links},
    tests::{at, permit, resource, salt, samples, stores},
};
use ::store::{Store, transact};
use proptest::prelude::*;
use std::collections::BTreeMap;
use vocabulary::{Bilingual, Date, Problem};

const TODAY: Date = Date::constant(2026, 11, 24);

/// Texts as people write them, and as attackers do. Without blanks around them, which say nothing in a cell.
fn any_text() -> impl Strategy<Value = String> {
    let first =
        prop::sample::select(vec!["", "=", "+", "-", "@", "'", "\"", "<", "&", "_x000A_", "=1+", "=cmd|' /C calc'!A0"]);
    (first, "[\\p{Han}a-zA-Z0-9，。（）=+@ _-]{1,12}")
        .prop_map(|(first, rest)| format!("{first}{rest}字").trim().to_owned())
}

fn both(text: String) -> Bilingual {
    Bilingual::new(text.clone(), format!("{text} in English"))
}

prop_compose! {
    /// A sound draft with texts of its own.
    fn any_draft()(
        which in 0_usize..20,
        texts in prop::collection::vec(any_text(), 4),
        items in prop::collection::vec((any_text(), 0_usize..7, prop::option::of(1_u32..4000)), 1..6),
        day in 1_i8..28,
    ) -> Draft {
        use ItemType::{Boolean, Date as Day, File, Instant, Money, Number, Text};
        let kinds = [Text, Number, Money, Day, Instant, Boolean, File];
        let mut all = samples();
        let mut entry = all.swap_remove(which % all.len());
        entry.title = both(texts[0].clone());
        entry.description = both(texts[1].clone());
        entry.provider = both(texts[2].clone());
        if entry.share == policy::Sharing::Conditional {
            entry.condition = Some(both(texts[3].clone()));
        }
        let item = entry.items[0].clone();
        entry.items = items.into_iter().map(|(title, kind, length)| {
            crate::Item { title: both(title), kind: kinds[kind], length, ..item.clone() }
        }).collect();
        entry.published = Date::new(2026, 3, day).unwrap();
        Draft { entry, links: Links { duty: Some(resource("registration")), ..Links::default() } }
    }
}

/// Drafts with codes and names of their own, each related to the one before.
fn numbered(drafts: Vec<Draft>) -> (Vec<Draft>, BTreeMap<vocabulary::ResourceId, String>) {
    let mut codes = BTreeMap::new();
    let mut done: Vec<Draft> = Vec::new();
    for (at, mut draft) in drafts.into_iter().enumerate() {
        let entry = &mut draft.entry;
        entry.entry = resource(&format!("entry{at}"));
        entry.code = format!("{}02001001/{:06}", entry.class.digit(), at + 1);
        entry.related = done.last().map(|it| it.entry.entry.clone()).into_iter().collect();
        codes.insert(entry.entry.clone(), entry.code.clone());
        done.push(draft);
    }
    (done, codes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// What we write reads back as the same drafts, English, grades and keywords too, whatever its texts begin with.
    #[test]
    fn what_goes_out_comes_in_again(drafts in prop::collection::vec(any_draft(), 1..6)) {
        let (drafts, codes) = numbered(drafts);
        let rows = read(&write(&drafts, &codes).unwrap(), TODAY).unwrap();
        prop_assert_eq!(rows.len(), drafts.len());
        for (row, mut draft) in rows.into_iter().zip(drafts) {
            let related: Vec<_> = std::mem::take(&mut draft.entry.related).iter().map(|it| codes[it].clone()).collect();
            prop_assert_eq!(row.related, related);
            prop_assert!(row.named);
            prop_assert_eq!(row.draft, draft);
        }
    }

    /// A file of others, in their own words, goes out again cell by cell as it came.
    #[test]
    fn what_came_in_goes_out_again(
        drafts in prop::collection::vec(any_draft(), 1..4),
        style in prop::collection::vec(0_usize..4, 17),
        repeated in any::<bool>(),
    ) {
        let (drafts, codes) = numbered(drafts);
        let grid = theirs(&drafts, &codes, &style, repeated);
        let bytes = book_of(SHEET, &grid);
        let rows = read(&bytes, TODAY).unwrap();
        let again: Vec<Draft> = rows.iter().map(|row| {
            let mut draft = row.draft.clone();
            draft.entry.related = row.related.iter().map(|code| {
                codes.iter().find(|it| it.1 == code).unwrap().0.clone()
            }).collect();
            draft
        }).collect();
        let ours = book::sheets(&write(&again, &codes).unwrap()).unwrap();
        let ours = &ours[0].rows;
        let head = grid.iter().position(|it| it.contains(&"信息项名称".to_owned())).unwrap();
        prop_assert_eq!(ours.len() - 2, grid.len() - head - 1);
        let mut before: Option<&Vec<String>> = None;
        for (ours, theirs) in ours[2..].iter().zip(&grid[head + 1..]) {
            // Repeated cells are merged in our file: only the first stands there.
            let same_entry = before.is_some_and(|it| it[2] == theirs[2]);
            for (column, (ours, theirs)) in Column::ALL.into_iter().zip(ours.iter().zip(theirs)) {
                let expected = if same_entry && !column.of_items() { "" } else { theirs };
                prop_assert_eq!(ours, expected, "{:?}", column);
            }
            before = Some(theirs);
        }
    }

    /// Each column reads what it writes.
    #[test]
    fn a_cell_is_read_as_it_is_written(draft in any_draft()) {
        let entry = &draft.entry;
        for column in Column::ALL.into_iter().filter(|it| *it != Column::Related) {
            for item in 0..entry.items.len() {
                let cell = render(column, entry, item, &[]);
                let mut other: Entry = samples().swap_remove(1);
                column::parse(column, &cell, &mut other, item).unwrap();
                prop_assert_eq!(render(column, &other, item, &[]), cell);
            }
        }
    }

    /// Whatever bytes come, they are read or refused.
    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        at in 0_usize..4000,
        byte: u8,
    ) {
        assert!(read(&bytes, TODAY).is_err());
        let (drafts, codes) = numbered(vec![Draft { entry: samples().swap_remove(0), links: Links::default() }]);
        let mut broken = write(&drafts, &codes).unwrap();
        let at = at % broken.len();
        broken[at] = byte;
        let _ = read(&broken, TODAY);
    }
}

/// The words of others for the same: blanks around, short names, other dates.
fn theirs(
    drafts: &[Draft],
    codes: &BTreeMap<vocabulary::ResourceId, String>,
    style: &[usize],
    repeated: bool,
) -> Vec<Vec<String>> {
    let heading = |it: Column| it.heading().0.to_owned();
    let mut grid = vec![vec!["某市政务信息资源目录".to_owned()], Column::ALL.map(heading).to_vec()];
    for draft in drafts {
        let related: Vec<String> = draft.entry.related.iter().map(|it| codes[it].clone()).collect();
        for item in 0..draft.entry.items.len() {
            let cell = |(at, column): (usize, Column)| {
                let text = render(column, &draft.entry, item, &related);
                let text = if text.is_empty() { text } else { restyled(column, &text, style[at], draft) };
                if item > 0 && !column.of_items() && !repeated { String::new() } else { text }
            };
            grid.push(Column::ALL.into_iter().enumerate().map(cell).collect());
        }
    }
    grid
}

fn restyled(column: Column, text: &str, style: usize, draft: &Draft) -> String {
    match (column, style) {
        (_, 0) => text.to_owned(),
        (Column::Published, 1) => text.replace('-', "/"),
        (Column::Published, 2) => text.replace('-', ""),
        (Column::Class, 1) => format!("{text}/法人"),
        (Column::Formats, 1) => format!("电子表格/{}", text.replace('、', "，")),
        (Column::ItemType, 1) if text.contains('(') => text.replace('(', "（").replace(')', "）"),
        (Column::ItemType, 1) => text.chars().next_back().unwrap().to_string(),
        (Column::ItemType, 2) if text == "数值型N" => "整型I".to_owned(),
        (Column::Share, 1) => text.trim_end_matches("共享").to_owned(),
        (Column::Method, 1) if text.contains("平台") => "接口".to_owned(),
        (Column::Open, 1) => if draft.entry.open { "1" } else { "0" }.to_owned(),
        (Column::Cycle, 1) if text.contains('日') => "每天".to_owned(),
        // Titles and codes are compared as they stand.
        (Column::Title | Column::Code | Column::ItemTitle, _) => text.to_owned(),
        _ => format!(" {text}"),
    }
}

fn book_of(name: &str, grid: &[Vec<String>]) -> Vec<u8> {
    let cell = |row: usize, column: usize, text| Cell {
        at: (u32::try_from(row).unwrap(), u16::try_from(column).unwrap()),
        height: 1,
        width: 1,
        text,
        head: false,
    };
    let rows = grid.iter().enumerate();
    let cells =
        rows.flat_map(|(row, it)| it.iter().enumerate().map(move |(column, text)| cell(row, column, text.as_str())));
    book::written(&[(name, cells.filter(|it| !it.text.is_empty()).collect())]).unwrap()
}

fn sound() -> Vec<Vec<String>> {
    let (drafts, codes) = numbered(vec![Draft { entry: samples().swap_remove(0), links: Links::default() }]);
    theirs(&drafts, &codes, &[0; 17], false)
}

#[test]
fn everything_that_is_wrong_is_told_with_its_cell() {
    let mut grid = sound();
    (grid[2][9], grid[2][14], grid[2][15], grid[2][2]) = ("可能".into(), "偶尔".into(), "明年".into(), "9/1".into());
    grid[3][8] = "未知".into();
    let problem = read(&book_of("目录", &grid), TODAY).unwrap_err();
    assert_eq!(problem.code, "catalog.template_cells");
    let flaws: Vec<CellFlaw> = serde_json::from_value(problem.more["flaws"].clone()).unwrap();
    let mut cells: Vec<_> = flaws.iter().map(|it| it.cell.as_str()).collect();
    cells.sort_unstable();
    assert_eq!(cells, ["C3", "I4", "J3", "O3", "P3"], "{flaws:?}");
    assert!(flaws.iter().all(|it| it.sheet == "目录" && !it.expected.zh.is_empty() && !it.expected.en.is_empty()));
}

#[test]
fn a_heading_that_misses_or_adds_a_column_is_told() {
    let mut grid = sound();
    grid[1][9] = "共享性质".into();
    let problem = read(&book_of("目录", &grid), TODAY).unwrap_err();
    let flaws: Vec<CellFlaw> = serde_json::from_value(problem.more["flaws"].clone()).unwrap();
    let told = |text: &str| flaws.iter().any(|it| it.what.zh.contains(text));
    assert!(told("缺少列“共享类型”") && told("列“共享性质”不在指南中"), "{flaws:?}");
    assert_eq!(read(&book_of("目录", &grid[..1]), TODAY).unwrap_err().code, "catalog.template_heading");
    assert_eq!(read(b"PK", TODAY).unwrap_err().code, "catalog.template");
}

#[test]
fn the_blank_template_has_the_guides_columns_in_order() {
    let bytes = write(&[], &BTreeMap::new()).unwrap();
    let sheets = book::sheets(&bytes).unwrap();
    assert_eq!(sheets.len(), 1);
    let [groups, columns] = &sheets[0].rows[..] else { panic!("two rows of heading") };
    let names: Vec<_> =
        groups.iter().zip(columns).map(|(group, own)| if own.is_empty() { group } else { own }).collect();
    assert_eq!(names, Column::ALL.map(|it| it.heading().0).to_vec());
    assert_eq!(read(&bytes, TODAY).unwrap_err().code, "catalog.template_heading", "a heading alone is no catalogue");
}

/// A small file that unpacks to more than the bound is refused before it is read.
#[test]
fn a_file_that_swells_is_refused() {
    use std::io::Write as _;
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    archive.start_file("xl/sharedStrings.xml", options).unwrap();
    let nought = vec![b'a'; 1 << 20];
    for _ in 0..=UNPACKED_BYTES_MAX >> 20 {
        archive.write_all(&nought).unwrap();
    }
    let bytes = archive.finish().unwrap().into_inner();
    assert!(bytes.len() < BOOK_BYTES_MAX);
    assert_eq!(read(&bytes, TODAY).unwrap_err().code, "catalog.template_size");
    assert_eq!(read(&vec![0; BOOK_BYTES_MAX + 1], TODAY).unwrap_err().code, "catalog.template_size");
}

/// A cell in the last corner of a sheet is refused before anything is made for the cells between.
#[test]
fn a_far_cell_is_refused() {
    for at in [(1_048_575, 16_383), (0, 300), (60_000, 0)] {
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet();
        sheet.write_string(0, 0, "信息项名称").unwrap();
        sheet.write_string(at.0, at.1, "远").unwrap();
        // What is only formatted, to the end of the sheet, is nothing.
        sheet.write_blank(1_048_575, 0, &rust_xlsxwriter::Format::new().set_bold()).unwrap();
        let bytes = book.save_to_buffer().unwrap();
        let problem = read(&bytes, TODAY).unwrap_err();
        assert_eq!(problem.code, "catalog.template_size", "{at:?}: {problem:?}");
    }
}

/// One long text of the archive that stands in many cells is counted as often as it stands there.
#[test]
fn a_text_in_many_cells_is_counted_as_often() {
    let long = "长".repeat(10_000);
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for row in 0..2_500 {
        sheet.write_string(row, 0, &long).unwrap();
    }
    assert_eq!(read(&book.save_to_buffer().unwrap(), TODAY).unwrap_err().code, "catalog.template_size");
}

/// A row without an item inside an entry, at its beginning too, is no item; a flaw behind it is told at its own cell.
#[test]
fn a_row_without_an_item_is_none() {
    let mut grid = sound();
    let numbered = |text: &str| vec!["".to_owned(); 17].into_iter().chain([text.to_owned()]).collect::<Vec<_>>();
    grid[1].push("序号".into());
    let rest = grid.split_off(3);
    grid.push(numbered("2"));
    grid.extend(rest);
    let rows = read(&book_of(SHEET, &grid), TODAY).unwrap();
    let titles: Vec<_> = rows[0].draft.entry.items.iter().map(|it| it.title.zh.clone()).collect();
    let told: Vec<_> = grid[2..].iter().map(|it| it[7].clone()).filter(|it| !it.is_empty()).collect();
    assert_eq!((rows.len(), &titles), (1, &told));
    grid[4][8] = "未知".into();
    let problem = read(&book_of(SHEET, &grid), TODAY).unwrap_err();
    assert_eq!(problem.more["flaws"][0]["cell"], "I5");
}

async fn take_in(store: &Store, bytes: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    let ask = ImportTemplate { rows: read(bytes, TODAY)?, duty: None, system: None };
    let (permit, salt) = (permit("js-scjg", ask), salt());
    let done = transact!(store, None, |tx| import(tx, &permit, salt, at(4)).await)?;
    Ok(done.into_iter().map(|it| (it.entry.to_string(), it.outcome)).collect())
}

/// The guide's sheet alone, of an entry that we have, changes what it says and nothing else.
#[tokio::test]
async fn the_guides_sheet_alone_leaves_what_it_does_not_say() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let mut draft = Draft { entry: samples().swap_remove(0), links: Links::default() };
        draft.entry.items[0].grade = Some(schema::Grade::General3);
        (draft.entry.items[0].personal, draft.entry.items[0].unit) = (true, Some("个".to_owned()));
        (draft.entry.grade, draft.entry.keywords) = (schema::Grade::General3, vec!["关键词".to_owned()]);
        (draft.entry.open, draft.entry.open_condition) = (false, None);
        draft.links.duty = Some(resource("registration"));
        let (drafts, codes) = numbered(vec![draft]);
        assert_eq!(take_in(&store, &write(&drafts, &codes).unwrap()).await.unwrap()[0].1, "new");
        let mut grid = theirs(&drafts, &codes, &[0; 17], false);
        for (description, outcome) in [(None, "same"), (Some("另一摘要"), "changed"), (None, "same")] {
            grid[2][5] = description.map_or_else(|| grid[2][5].clone(), str::to_owned);
            let came = take_in(&store, &book_of(SHEET, &grid)).await.unwrap();
            assert_eq!(came, [("entry0".to_owned(), outcome.to_owned())]);
            let mut reader = store.read().await.unwrap();
            let held = compile::compilation(&mut reader, &resource("entry0")).await.unwrap().unwrap().body.draft;
            let mut expected = drafts[0].clone();
            expected.entry.description = held.entry.description.clone();
            assert_eq!(held, expected);
        }
    }
}

/// Entries without a code have none in common.
#[tokio::test]
async fn several_entries_come_without_codes() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let (drafts, codes) =
            numbered(samples().into_iter().take(2).map(|entry| Draft { entry, links: Links::default() }).collect());
        let mut grid = theirs(&drafts, &codes, &[0; 17], false);
        for row in &mut grid[2..] {
            (row[2], row[16]) = (String::new(), String::new());
        }
        let outcomes = async || -> Vec<String> {
            take_in(&store, &book_of(SHEET, &grid)).await.unwrap().into_iter().map(|it| it.1).collect()
        };
        assert_eq!(outcomes().await, ["new", "new"]);
        assert_eq!(outcomes().await, ["same", "same"]);
    }
}

/// A file of others names entries as it likes: what we published under such a name, with another code, stays.
#[tokio::test]
async fn anothers_name_changes_no_entry_of_ours() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let ours = samples().swap_remove(0);
        crate::tests::put(&store, "js-scjg", ours.clone()).await.unwrap();
        let mut draft = Draft { entry: samples().swap_remove(1), links: Links::default() };
        (draft.entry.entry, draft.entry.related) = (ours.entry.clone(), Vec::new());
        draft.entry.code = format!("{}02001009/000009", draft.entry.class.digit());
        let came = take_in(&store, &write(&[draft.clone()], &BTreeMap::new()).unwrap()).await.unwrap();
        assert_eq!(came, [(format!("e-{}", draft.entry.code.replace('/', "-")), "new".to_owned())]);
        // A demand that nobody accepted for it is named with its cell.
        draft.links.demand = Some(resource("water-use"));
        draft.entry.code = format!("{}02001009/000010", draft.entry.class.digit());
        let problem = take_in(&store, &write(&[draft], &BTreeMap::new()).unwrap()).await.unwrap_err();
        assert_eq!(problem.code, "catalog.template_cells");
        assert!(problem.detail.en.contains("water-use"), "{problem:?}");
    }
}

#[test]
fn a_cell_is_named_as_excel_names_it() {
    for (at, name) in [((0, 0), "A1"), ((6, 7), "H7"), ((0, 25), "Z1"), ((9, 26), "AA10"), ((0, 701), "ZZ1")] {
        assert_eq!(book::address(at.0, at.1), name);
    }
}
