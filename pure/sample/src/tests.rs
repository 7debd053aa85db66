//! The sample is the same for a seed, its clean rows are clean, and its answers name every row that is not.

use crate::*;
use schema::{CodeBook, RecordType};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

const ROWS: u64 = 60_000;

fn make(seed: u64, rows: u64) -> (String, Answers) {
    let mut bytes = Vec::new();
    let answers = legal_persons(seed, rows, &mut bytes).unwrap();
    (String::from_utf8(bytes).unwrap(), answers)
}

/// Record types and code lists of the packs `divisions` and `legal-persons`.
fn packs() -> (Vec<RecordType>, CodeBook) {
    fn walk(root: &Path, path: &Path, files: &mut pack::Files) {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs");
    let folders = ["divisions", "legal-persons"].map(|name| {
        let mut files = pack::Files::new();
        walk(&root.join(name), &root.join(name), &mut files);
        (name.to_owned(), files)
    });
    let packs = pack::read_all(&BTreeMap::from(folders)).unwrap();
    let lists = packs.iter().flat_map(|it| it.lists.iter().cloned()).collect();
    let records = packs.into_iter().flat_map(|it| it.records.into_values()).filter(|it| it.name.as_str() != "division");
    (records.collect(), lists)
}

/// The lines that a strict reading of the columns of `record` rejects.
fn rejected(text: &str, record: &RecordType, codes: &CodeBook) -> BTreeSet<u64> {
    let mut keys = HashSet::new();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    assert_eq!(header.iter().collect::<Vec<_>>(), COLUMNS);
    let columns: Vec<usize> =
        record.fields.keys().map(|name| COLUMNS.iter().position(|it| *it == name.as_str()).unwrap()).collect();
    let mut lines = BTreeSet::new();
    for row in reader.records() {
        let row = row.unwrap();
        let good = record.fields.values().zip(&columns).all(|(field, at)| field.parse(&row[*at], codes).is_ok());
        if !good || !keys.insert(row[0].to_owned()) {
            lines.insert(row.position().unwrap().line());
        }
    }
    lines
}

#[test]
fn a_seed_gives_the_same_bytes_for_ever() {
    let (text, answers) = make(1, 2_000);
    assert_eq!(make(1, 2_000), (text.clone(), answers));
    assert_ne!(make(2, 2_000).0, text);
    // A longer file begins with the shorter one.
    assert!(make(1, 2_500).0.starts_with(&text));
    // The same bytes on every machine: whoever changes the generator changes this line, and the measured figures.
    let hash = vocabulary::hash(vocabulary::Suite::default(), text.as_bytes());
    assert_eq!(hash[..8], [163, 112, 174, 121, 247, 152, 136, 161]);
}

#[test]
fn a_strict_import_rejects_exactly_what_was_planted() {
    let (records, codes) = packs();
    let (text, answers) = make(7, ROWS);
    assert_eq!(answers.rows, ROWS);
    assert_eq!(records.len(), 2);
    for record in &records {
        let columns: Vec<&str> = record.fields.keys().map(schema::FieldName::as_str).collect();
        let planted: BTreeSet<u64> = answers.rejected(&columns).map(|it| it.line).collect();
        assert_eq!(rejected(&text, record, &codes), planted, "{}", record.name);
    }
}

#[test]
fn one_row_in_a_hundred_has_a_defect_and_every_kind_comes() {
    let (_, answers) = make(3, ROWS);
    let share = answers.defects.len() as f64 / ROWS as f64;
    assert!((0.008..0.012).contains(&share), "{share}");
    let kinds: BTreeSet<Kind> = answers.defects.iter().map(|it| it.kind).collect();
    assert_eq!(kinds.len(), Kind::ALL.len());
    let mut file = Vec::new();
    answers.write(&mut file).unwrap();
    let file = String::from_utf8(file).unwrap();
    assert_eq!(file.lines().count(), answers.defects.len() + 1);
    let first = answers.defects[0];
    assert!(file.contains(&format!("\n{},{},{}\n", first.line, first.kind.column(), first.kind)));
}

#[test]
fn no_code_or_telephone_can_be_a_real_one() {
    let (text, _) = make(5, 5_000);
    for line in text.lines().skip(1) {
        assert_eq!(&line[2..6], "3299", "{line}");
        let telephone = line.rsplit(',').next().unwrap();
        assert!(telephone.is_empty() || telephone.len() == 11 && telephone.starts_with("129"), "{line}");
    }
}

#[test]
fn every_county_and_city_of_the_province_has_firms() {
    let (text, _) = make(11, ROWS);
    let divisions: HashSet<&str> = text.lines().skip(1).map(|it| it.split(',').nth(8).unwrap()).collect();
    for wanted in ["320102", "320106", "320118", "320171", "320576", "320583", "321324", "320722"] {
        assert!(divisions.contains(wanted), "{wanted}");
    }
}

#[test]
fn policies_match_some_enterprises_and_not_all() {
    let small = Enterprise { industry: "6513", staff: Some(20), revenue: Some(100_000_000), ..Enterprise::default() };
    let all = policies();
    let matching = |it: &Enterprise<'_>| all.iter().filter(|policy| policy.matches(it)).count();
    assert_eq!(matching(&small), 2);
    assert_eq!(matching(&Enterprise { violation: true, ..small }), 0);
    assert_eq!(matching(&Enterprise { abnormal: true, ..small }), 1);
    // What is not known meets no bound.
    assert_eq!(matching(&Enterprise { staff: None, revenue: None, ..small }), 0);
    assert_eq!(policies_csv().lines().count(), all.len() + 1);
    let first = "syn-01,小微制造业技术改造补助（示例）,Grant for technical renewal of small manufacturers (example)";
    let row = policies_csv().lines().nth(1).unwrap().to_owned();
    assert_eq!(row, format!("{first},13 14 15 17 18 2 3 4,,300,400000000.00,true,true"));
    let ids: HashSet<&str> = all.iter().map(|it| it.id).collect();
    assert_eq!(ids.len(), all.len());
}

#[test]
fn each_condition_of_a_policy_counts_by_itself_and_at_its_bound() {
    let policy = Policy {
        id: "p",
        title: vocabulary::Bilingual::new("示例", "example"),
        industries: &["64", "65"],
        staff_max: Some(100),
        staff_min: Some(10),
        revenue_max: Some(500),
        no_violation: true,
        no_abnormal: true,
    };
    let fits = |staff, revenue| Enterprise { industry: "6513", staff, revenue, ..Enterprise::default() };
    let firm = fits(Some(10), Some(500));
    for (enterprise, wanted) in [
        (firm, true),
        (fits(Some(100), Some(0)), true),
        (fits(Some(101), Some(500)), false),
        (fits(Some(9), Some(500)), false),
        (fits(None, Some(500)), false),
        (fits(Some(10), Some(501)), false),
        (fits(Some(10), None), false),
        (Enterprise { industry: "5265", ..firm }, false),
        (Enterprise { violation: true, ..firm }, false),
        (Enterprise { abnormal: true, ..firm }, false),
    ] {
        assert_eq!(policy.matches(&enterprise), wanted, "{enterprise:?}");
    }
    let open = Policy { industries: &[], staff_max: None, staff_min: None, revenue_max: None, ..policy };
    assert!(open.matches(&Enterprise::default()));
    let mild = Policy { no_violation: false, no_abnormal: false, ..open };
    assert!(mild.matches(&Enterprise { violation: true, abnormal: true, ..Enterprise::default() }));
}
