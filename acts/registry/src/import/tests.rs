//! Bad input, each case with its code; the tokenizer against the crate `csv`; encodings.

use super::csv::{Broken, Cells, Rows};
use super::text::{detect, mark};
use super::*;
use crate::tests::{World, ask, everyone, everything, faults, fresh, installed, load, simple, text, world};
use proptest::prelude::*;
use schema::{FieldName, RecordType, Value};
use std::io::Cursor;

fn tokens(file: &[u8]) -> Vec<Result<Vec<Vec<u8>>, Broken>> {
    let mut rows = Rows::new(Cursor::new(file.to_vec()), b',');
    let mut cells = Cells::default();
    let mut all = Vec::new();
    while let Some(row) = rows.next(&mut cells).unwrap() {
        all.push(row.map(|()| (0..cells.ranges.len()).map(|it| cells.cell(it).to_vec()).collect()));
    }
    assert_eq!(rows.offset(), file.len() as u64);
    assert_eq!(rows.digest(), vocabulary::Digest::of(file));
    all
}

proptest! {
    /// On well-formed files the tokenizer reads what the crate `csv` reads.
    #[test]
    fn well_formed_files_read_as_by_the_csv_crate(
        rows in prop::collection::vec(prop::collection::vec("[a\"',\r\n中 ]{0,6}", 2..4), 0..12),
    ) {
        let mut out = ::csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        for row in &rows {
            out.write_record(row).unwrap();
        }
        let file = out.into_inner().unwrap();
        let ours = tokens(&file);
        let mut theirs = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file.as_slice());
        let cells = |it: ::csv::ByteRecord| it.iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
        let theirs: Vec<_> = theirs.byte_records().map(|it| Ok(cells(it.unwrap()))).collect();
        prop_assert_eq!(ours, theirs);
    }

    /// Whatever the bytes: every byte is consumed and digested, and a file of n lines has at most n rows.
    #[test]
    fn any_bytes_are_read_to_the_end(file in prop::collection::vec(prop::sample::select(b"\",\n\ra\0"), 0..60)) {
        let lines = file.split(|it| *it == b'\n').count();
        prop_assert!(tokens(&file).len() <= lines);
    }
}

#[test]
fn a_broken_quote_costs_its_line_only() {
    let cells = |row: &[&str]| Ok(row.iter().map(|it| it.as_bytes().to_vec()).collect::<Vec<_>>());
    let file = "a,b\n1,\"open\n2,\"closed\"\n3,\"x\"y\n4,z\n5,\"open to the end\n6,w\n";
    let expected = [
        cells(&["a", "b"]),
        Err(Broken::Quote),
        cells(&["2", "closed"]),
        Err(Broken::Quote),
        cells(&["4", "z"]),
        Err(Broken::Quote),
        cells(&["6", "w"]),
    ];
    assert_eq!(tokens(file.as_bytes()), expected);
}

#[test]
fn quotes_that_never_close_end_in_an_error_and_not_in_hours() {
    let file = "a\",\"\n".repeat(400_000);
    let mut rows = Rows::new(Cursor::new(file.into_bytes()), b',');
    let mut cells = Cells::default();
    let problem = loop {
        match rows.next(&mut cells) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("read to the end"),
            Err(problem) => break problem,
        }
    };
    assert_eq!(problem.code, "registry.not_csv");
}

async fn one(file: impl Into<Vec<u8>>) -> (World, RecordType, Progress, Vec<(i64, String, String)>) {
    let world = world().await;
    let store = &world.stores[0];
    let record = installed(store, simple(&fresh("bad"))).await;
    let done = load(store, ask(&record), Cursor::new(file.into())).await.unwrap();
    assert_eq!(done.read, done.loaded + done.rejected);
    assert_eq!(everyone(store, &record, None).await.len() as u64, done.loaded);
    let faults = faults(store, done.id).await;
    (world, record, done, faults)
}

fn is(faults: &[(i64, String, String)], expected: &[(i64, &str, &str)]) {
    let found: Vec<_> = faults.iter().map(|(line, field, code)| (*line, field.as_str(), code.as_str())).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn ragged_rows_are_rejected_with_their_line() {
    let (_world, _, done, faults) = one("id,size,phone\na,1,\nb,2\n\nc,3,,\nd,4,\n").await;
    is(&faults, &[(3, "", "csv.ragged"), (5, "", "csv.ragged")]);
    assert_eq!((done.read, done.loaded), (4, 2));
}

#[tokio::test]
async fn nuls_are_rejected() {
    let (.., faults) = one("id,size,phone\na\0,1,\nb,2,\n\"c\0\",3,\n").await;
    is(&faults, &[(2, "", "csv.nul"), (4, "", "csv.nul")]);
}

#[tokio::test]
async fn unclosed_quotes_are_rejected_and_the_next_line_is_read() {
    let (.., done, faults) = one("id,size,phone\n\"a,1,\nb,2,\nc,\"3,\n").await;
    is(&faults, &[(2, "", "csv.quote"), (4, "", "csv.quote")]);
    assert_eq!(done.loaded, 1);
}

#[tokio::test]
async fn a_cell_of_ten_megabytes_is_rejected_and_the_next_row_is_read() {
    let large = "x".repeat(10 << 20);
    let (.., done, faults) = one(format!("id,size,phone\n{large},1,\n\"{large}\n\",2,\nb,3,\n")).await;
    is(&faults, &[(2, "", "csv.cell_too_large"), (3, "", "csv.cell_too_large")]);
    assert_eq!((done.loaded, done.line), (1, 6));
    let (.., faults) = one(format!("id,size,phone\n{},1,\nb,3,\n", "x".repeat(ROW_BYTES_MAX + 600_000))).await;
    is(&faults, &[(2, "", "csv.row_too_large")]);
}

#[tokio::test]
async fn a_file_of_mixed_encodings_loads_the_rows_of_the_one_and_rejects_the_others() {
    let mut file = "id,size,phone\n南京,1,\n苏州,2,\n".as_bytes().to_vec();
    file.extend_from_slice(&encoding_rs::GB18030.encode("无锡,3,\n").0);
    file.extend_from_slice("常州,4,\n".as_bytes());
    let (_world, _, done, faults) = one(file).await;
    is(&faults, &[(4, "", "csv.encoding")]);
    assert_eq!((done.encoding, done.loaded), (Some(Encoding::Utf8), 3));
}

#[tokio::test]
async fn gb18030_with_four_byte_characters_is_found_out_and_read() {
    for (head, marked) in [(&[][..], false), (&[0x84, 0x31, 0x95, 0x33][..], true)] {
        let mut file = head.to_vec();
        // A long ASCII beginning, so that the first sample tells nothing.
        file.extend_from_slice(b"id,size,phone\n");
        (0..20_000).for_each(|it| file.extend_from_slice(format!("ascii{it:010},1,\n").as_bytes()));
        file.extend_from_slice(&encoding_rs::GB18030.encode("𠀀龘,7,\n").0);
        let (world, record, done, faults) = one(file).await;
        is(&faults, &[]);
        assert_eq!((done.encoding, done.loaded), (Some(Encoding::Gb18030), 20_001), "{marked}");
        let last = everyone(&world.stores[0], &record, None).await.pop().unwrap();
        assert_eq!(last[..2], [text("𠀀龘"), Value::Integer(7)]);
    }
}

#[tokio::test]
async fn a_utf8_mark_is_no_part_of_the_first_title() {
    let (.., done, faults) = one("\u{feff}id,size,phone\r\n南京,1,\r\n\"a\r\nb\",2,\r\n").await;
    is(&faults, &[]);
    assert_eq!((done.loaded, done.line), (2, 5));
}

#[test]
fn encodings_are_told_apart() {
    assert_eq!(detect(b"abc\n"), None);
    assert_eq!(detect("a\n南京\nb".as_bytes()), Some(Encoding::Utf8));
    assert_eq!(detect(&"南".as_bytes()[..2]), Some(Encoding::Utf8));
    assert_eq!(detect(&encoding_rs::GB18030.encode("a\n南京\nb\n").0), Some(Encoding::Gb18030));
    assert_eq!(mark(b"\xff\xfea\0").unwrap_err().code, "registry.encoding");
}

/// GB 18030-2022 moved 18 characters from the private use area to their places and gave the private places to the
/// four-byte codes they had had. `encoding_rs` reads the two-byte codes as of 2022, but the four-byte codes still as
/// the same characters: both of a pair decode alike, where the standard has a private character for the second.
#[test]
fn gb18030_differs_from_2022_where_we_say() {
    let read = |bytes: &[u8]| encoding_rs::GB18030.decode_without_bom_handling(bytes).0.into_owned();
    assert_eq!((read(&[0xa6, 0xd9]), read(&[0x84, 0x31, 0x82, 0x36])), ("\u{fe10}".into(), "\u{fe10}".into()));
    assert_eq!((read(&[0xfe, 0x59]), read(&[0x82, 0x35, 0x90, 0x37])), ("\u{9fb4}".into(), "\u{9fb4}".into()));
    // The pair of 2005, in its place in both.
    assert_eq!((read(&[0xa8, 0xbc]), read(&[0x81, 0x35, 0xf4, 0x37])), ("\u{1e3f}".into(), "\u{e7c7}".into()));
}

#[tokio::test]
async fn a_wrong_check_digit_is_named() {
    let world = world().await;
    for store in &world.stores {
        let yaml = format!(
            "record: {}\ntitle: {{zh: 法人, en: Persons}}\nkey: [uscc]\n\
             fields:\n  uscc: {{type: org-code, of: legal-person, grade: 一般/1}}\n",
            fresh("persons")
        );
        let record = installed(store, crate::tests::yaml(&yaml)).await;
        let file = "uscc\n91350100M000100Y43\n91350100M000100Y44\n";
        let done = load(store, ask(&record), Cursor::new(file)).await.unwrap();
        is(&faults(store, done.id).await, &[(3, "uscc", "value.check_digit")]);
        assert_eq!(done.loaded, 1);
    }
}

#[tokio::test]
async fn duplicate_keys_name_both_lines() {
    let world = world().await;
    for store in &world.stores {
        let record = installed(store, simple(&fresh("twice"))).await;
        let file = "id,size,phone\na,1,\nb,2,\na,3,\na,1,\n";
        for again in [0, 2] {
            let done = load(store, ask(&record), Cursor::new(file)).await.unwrap();
            assert_eq!((done.loaded, done.same, done.rejected), (2, again, 2));
            let mut lines = Vec::new();
            rejects(&mut store.read().await.unwrap(), done.id, |it| {
                lines.push((it.line, it.code, it.reason.en));
                Ok(())
            })
            .await
            .unwrap();
            let expected = [4, 5].map(|it| {
                (it, "registry.duplicate_key".to_owned(), "has the key of line 2; the first one stays".to_owned())
            });
            assert_eq!(lines, expected);
        }
    }
}

#[tokio::test]
async fn rejects_are_written_as_csv_without_values_about_people() {
    let world = world().await;
    for store in &world.stores {
        let record = installed(store, simple(&fresh("export"))).await;
        let file = "id,size,phone\na,=1+1,139000000001390000000099\n";
        let done = load(store, ask(&record), Cursor::new(file)).await.unwrap();
        let mut out = Vec::new();
        rejects_csv(&mut store.read().await.unwrap(), done.id, &mut out).await.unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.starts_with("line,field,code,reason_zh,reason_en\r\n2,size,value.shape,"), "{out}");
        assert!(out.contains("2,phone,value.too_long,") && !out.contains("1390"), "{out}");
    }
}

#[test]
fn formula_cells_are_disarmed_on_export() {
    let line = csv_line(["=1+1", "+1", "-1", "-1.5", "-a", "@x", "plain", "a,\"b\"", "\tx"]);
    assert_eq!(line, "\"'=1+1\",\"'+1\",-1,-1.5,\"'-a\",\"'@x\",plain,\"a,\"\"b\"\"\",\"'\tx\"\r\n");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_as_a_whole_is_refused_before_a_row_is_written() {
    let world = world().await;
    let store = &world.stores[0];
    let record = installed(store, simple(&fresh("whole"))).await;
    let with = |fields: Vec<(&str, Fill)>| Mapping {
        fields: fields.into_iter().map(|(name, fill)| (FieldName::new(name).unwrap(), fill)).collect(),
        ..Mapping::default()
    };
    let column = |title: &str| Fill::Column(title.into());
    let cases = [
        (Mapping::by_name(&record), "", "registry.header"),
        (Mapping::by_name(&record), "id,size\na,1\n", "registry.header"),
        (Mapping::by_name(&record), "id,size,phone,id\na,1,,\n", "registry.header"),
        (Mapping::by_name(&record), "id,\"size,phone\na,1,\n", "registry.header"),
        (Mapping::by_name(&record), "\u{fffe}id", "registry.header"),
        (with(vec![("size", column("size"))]), "id,size,phone\n", "registry.mapping"),
        (with(vec![("id", column("id")), ("colour", column("id"))]), "id,size,phone\n", "registry.mapping"),
        (with(vec![("id", Fill::Template("{id".into()))]), "id,size,phone\n", "registry.mapping"),
    ];
    for (mapping, file, code) in cases {
        let ask = Import { mapping, ..ask(&record) };
        let refused = load(store, ask, Cursor::new(file)).await.unwrap_err();
        assert_eq!(refused.code, code, "{file:?}");
    }
    assert!(everyone(store, &record, None).await.is_empty());
}

#[tokio::test]
async fn constants_null_words_and_composed_instants_fill_fields() {
    let world = world().await;
    for store in &world.stores {
        let record = installed(store, everything(&fresh("composed"))).await;
        let field = |name: &str| FieldName::new(name).unwrap();
        let mapping = Mapping {
            fields: vec![
                (field("place"), Fill::Constant("110105".into())),
                (field("day"), Fill::Template("{year}-{month:02}-{day:02}".into())),
                (field("moment"), Fill::Template("{year}-{month:02}-{day:02}T{hour:02}:00:00+08:00".into())),
                (field("count"), Fill::Column("PM2.5".into())),
            ],
            null: vec!["NA".into()],
            ..Mapping::default()
        };
        let file = "\"year\",\"month\",\"day\",\"hour\",\"PM2.5\",\"wd\"\n2013,3,1,0,4,\"NNW\"\n2013,3,2,NA,NA,\n";
        let done = load(store, Import { mapping, ..ask(&record) }, Cursor::new(file)).await.unwrap();
        assert_eq!((done.loaded, done.rejected), (2, 0), "{:?}", faults(store, done.id).await);
        let rows = everyone(store, &record, None).await;
        let moment = Value::Timestamp("2013-02-28T16:00:00Z".parse().unwrap());
        assert_eq!((&rows[0][3], &rows[0][7]), (&Value::Integer(4), &moment));
        assert_eq!((&rows[1][3], &rows[1][7]), (&Value::Null, &Value::Null));
    }
}

/// The sample of the province: exactly the planted defects are rejected, each at its line and in its column.
#[tokio::test]
async fn the_planted_defects_of_the_sample_are_what_is_rejected() {
    const COLUMNS: [&str; 9] =
        ["uscc", "name", "kind", "founded", "industry", "capital", "status", "authority", "division"];
    let mut file = Vec::new();
    let answers = sample::legal_persons(11, 20_000, &mut file).unwrap();
    // Codes are let through here: the lists are the pack's.
    let lists = [sample::Kind::UnknownCode, sample::Kind::UnknownDivision];
    let planted = answers.rejected(&COLUMNS).filter(|it| !lists.contains(&it.kind));
    let planted: Vec<_> = planted.map(|it| (i64::try_from(it.line).unwrap(), it.kind)).collect();
    let yaml = include_str!("../../../../packs/legal-persons/records/legal-person.yaml");
    let world = world().await;
    for store in &world.stores {
        let record = installed(store, crate::tests::yaml(yaml)).await;
        let done = load(store, ask(&record), Cursor::new(file.clone())).await.unwrap();
        let found = faults(store, done.id).await;
        assert_eq!(found.iter().map(|it| it.0).collect::<Vec<_>>(), planted.iter().map(|it| it.0).collect::<Vec<_>>());
        for ((_, field, code), (_, kind)) in found.iter().zip(&planted) {
            let expected = if *kind == sample::Kind::DuplicateKey { "" } else { kind.column() };
            assert_eq!(field, expected, "{code}");
        }
        assert_eq!(done.rejected, planted.len() as u64);
        assert_eq!(everyone(store, &record, None).await.len() as u64, done.loaded);
    }
}
