//! Every kind of finding has its test; the real packs have none.

use crate::*;
use std::collections::BTreeMap;
use std::path::Path;
use vocabulary::{Date, ResourceId};

/// The files of a folder, as the edge hands them over.
fn folder(path: &Path) -> Files {
    fn walk(root: &Path, path: &Path, files: &mut Files) {
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
    let mut files = Files::new();
    walk(path, path, &mut files);
    files
}

/// The real packs of the project.
pub(crate) fn folders() -> BTreeMap<String, Files> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs");
    let entries = std::fs::read_dir(root).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_dir());
    entries.map(|it| (it.file_name().unwrap().to_str().unwrap().to_owned(), folder(&it))).collect()
}

fn told(findings: &[Finding]) -> String {
    findings.iter().map(|it| format!("{it}\n")).collect()
}

fn id(text: &str) -> ResourceId {
    ResourceId::new(text).unwrap()
}

const PACK: &str = "\
pack: sample
title: {zh: 示例, en: Sample}
description: {zh: 示例, en: Sample}
owner: {zh: 省数据局, en: Data administration}
version: \"1\"
systems: [S39]
";
const RECORD: &str = "\
record: firm
title: {zh: 企业, en: Firm}
key: [uscc]
fields:
  uscc: {type: org-code, of: legal-person, grade: 一般/1}
  division: {type: division, grade: 一般/1}
  kind: {type: code, list: kinds, grade: 一般/1}
  staff: {type: integer, optional: true, grade: 一般/2}
  telephone: {type: text, max: 20, personal: true, optional: true, grade: 一般/3}
";
const OFFER: &str = "\
offer: firm
of: firm
share: conditional
purpose: [匹配]
rows: row.division.under(ask.organisation.division)
columns: [uscc, division, kind, staff, telephone]
mask: {telephone: middle4}
quota: {rows_per_day: 1_000}
until: 2027-12-31
answer: [own-department, authority, provider]
";
const SOURCE: &str = "\
source: firms
record: firm
title: {zh: 企业, en: Firms}
origin: {zh: 自造, en: made here}
files: [enterprises/firms.csv]
format: csv
nulls: [NA]
columns: {Code: uscc, Area: division}
constants: {kind: a}
templates: {telephone: \"{prefix}-{number:08}\"}
ignore: [No]
";
const KINDS: &str = "\
list: kinds
title: {zh: 类型, en: Kinds}
version: \"1\"
file: kinds.csv
";
const KINDS_CSV: &str = "code,zh,en,parent\na,甲,A,\nb,乙,B,a\n";
const ZONES: &str = "zones: {\"320171\": \"3201\"}\n";
const CALENDAR: &str = "\
calendar: days
title: {zh: 日历, en: Calendar}
years:
  \"2026\":
    notice: 通知
    off: {2026-01-01: 元旦}
    worked: [2026-01-04]
";
const DEADLINES: &str = "\
deadlines: terms
title: {zh: 时限, en: Terms}
calendar: days
terms:
  - {step: authority, working_days: 2, basis: {zh: 规则, en: rule}}
  - {step: provider, working_days: 10, basis: {zh: 规则, en: rule}}
";
const ENTRIES: &str = "\
entries:
  - entry: firms
    title: {zh: 企业, en: Firms}
    code: \"102001001/000001\"
    class: base
    theme: credit
    provider: {zh: 局, en: Bureau}
    description: {zh: 企业, en: Firms}
    formats: [csv]
    items: [{title: {zh: 代码, en: Code}, type: text}]
    share: conditional
    condition: {zh: 须有职责, en: needs a duty}
    method: platform
    open: true
    cycle: daily
    published: 2026-01-02
    grade: 一般/1
";
const THEMES: &str = "\
list: catalogue-themes
title: {zh: 主题, en: Themes}
version: \"1\"
entries: [{code: credit, zh: 信用, en: Credit}]
";
const README: &str = "# A pack";

/// A small pack with one part of each kind and no findings.
fn small() -> Files {
    let files = [
        ("pack.yaml", PACK),
        ("README.md", README),
        ("records/firm.yaml", RECORD),
        ("offers/firm.yaml", OFFER),
        ("sources/firms.yaml", SOURCE),
        ("data/kinds.yaml", KINDS),
        ("data/kinds.csv", KINDS_CSV),
        ("data/zones.yaml", ZONES),
        ("data/calendar.yaml", CALENDAR),
        ("data/terms.yaml", DEADLINES),
        ("data/themes.yaml", THEMES),
        ("data/catalogue/firms.yaml", ENTRIES),
    ];
    files.into_iter().map(|(file, text)| (file.to_owned(), text.to_owned())).collect()
}

/// The findings after one text of one file was replaced, as `code file:line:column`.
fn after(file: &str, from: &str, to: &str) -> Vec<String> {
    let mut files = small();
    let text = files.get_mut(file).unwrap();
    assert!(text.contains(from), "{file} has no {from:?}");
    *text = text.replacen(from, to, 1);
    codes(read(&files))
}

fn codes(result: Result<Pack, Vec<Finding>>) -> Vec<String> {
    let findings = result.map_or_else(|it| it, |_| Vec::new());
    for finding in &findings {
        assert!(!finding.fact.zh.is_empty() && !finding.remedy.en.is_empty(), "{finding}");
    }
    findings.iter().map(|it| format!("{} {}:{}:{}", it.code, it.file, it.line, it.column)).collect()
}

#[test]
fn a_small_pack_is_read_whole() {
    let pack = read(&small()).unwrap_or_else(|it| panic!("{}", told(&it)));
    assert_eq!(pack.id().as_str(), "sample");
    let fields: Vec<&str> = pack.records[&id("firm")].fields.keys().map(schema::FieldName::as_str).collect();
    assert_eq!(fields, ["uscc", "division", "kind", "staff", "telephone"], "fields keep the order of the file");
    assert_eq!(pack.offers[&id("firm")].quota.unwrap().rows_per_day, 1_000);
    assert_eq!(pack.sources[&id("firms")].nulls, ["NA"]);
    assert!(pack.lists.get(&id("kinds")).unwrap().has("b", None));
    assert!(pack.zones.under("320171", "3201"));
    assert_eq!(pack.calendars[0].due(Date::constant(2026, 1, 1), 1).day, Date::constant(2026, 1, 2));
    assert_eq!(pack.deadlines[0].term(policy::AnswerStep::Provider).unwrap().working_days, 10);
    assert_eq!(pack.entries[0].theme, id("credit"));
}

#[test]
fn the_packs_of_the_project_have_no_findings() {
    let packs = read_all(&folders()).unwrap_or_else(|it| panic!("{}", told(&it)));
    let ids: Vec<&str> = packs.iter().map(|it| it.id().as_str()).collect();
    for (at, pack) in packs.iter().enumerate() {
        assert!(pack.manifest.needs.iter().all(|need| ids[..at].contains(&need.as_str())), "{ids:?}");
        read(&folders()[pack.id().as_str()]).unwrap_or_else(|it| panic!("{}", told(&it)));
    }
    for wanted in
        ["legal-persons", "divisions", "listed-companies", "air-quality", "catalogue-samples", "government-systems"]
    {
        assert!(ids.contains(&wanted), "{wanted}");
    }
}

#[test]
fn a_chain_leads_to_what_is_there() {
    let chain = "things:\n  - \
                 {kind: system, name: register, title: {zh: 试, en: T}, owner: {zh: 试, en: T}, duty: d}\n  - \
                 {kind: duty, name: d, title: {zh: 试, en: T}, owner: {zh: 试, en: T}, basis: 三定}\n";
    let with = |text: &str| {
        let mut files = small();
        files.insert("data/chain/systems.yaml".to_owned(), text.to_owned());
        read(&files)
    };
    assert_eq!(with(chain).unwrap().things.len(), 2);
    let stray = chain.replace("duty: d}", "duty: e}");
    assert_eq!(codes(with(&stray)), ["pack.unknown_thing data/chain/systems.yaml:2:5"]);
    let twice = chain.replace("system, name: register", "duty, name: d").replace(", duty: d}", "}");
    assert_eq!(codes(with(&twice)), ["pack.twice data/chain/systems.yaml:3:5"]);
}

#[test]
fn yaml_that_is_none_is_one_finding_with_its_line() {
    assert_eq!(after("offers/firm.yaml", "columns: [uscc", "columns: [[uscc"), ["pack.yaml offers/firm.yaml:7:1"]);
    assert_eq!(after("records/firm.yaml", "key: [uscc]", "key: !tag [uscc]").len(), 1);
    assert_eq!(after("pack.yaml", "systems: [S39]", "systems: [S39]\n---\nx: 1").len(), 1);
}

#[test]
fn bombs_anchors_and_cycles_are_refused_at_once() {
    let mut bomb = String::from("list: bomb\na: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for at in 1..26 {
        let (this, last) = (char::from(b'a' + at), char::from(b'a' + at - 1));
        bomb += &format!("{this}: &{this} [*{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}]\n");
    }
    let cases = [
        ("bomb", bomb),
        ("cycle", "list: &a [*a]\n".to_owned()),
        ("merge", "list: x\n<<: {title: {zh: a, en: b}}\n".to_owned()),
        ("deep", format!("list: {}{}\n", "[".repeat(5_000), "]".repeat(5_000))),
        ("many", format!("list: [{}]\n", "x,".repeat(200_000))),
    ];
    for (name, text) in cases {
        let mut files = small();
        files.insert("data/x.yaml".to_owned(), text);
        let found = codes(read(&files));
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        let bound = if ["merge", "deep"].contains(&name) { "pack.yaml " } else { "pack.yaml_bound " };
        assert!(found[0].starts_with(bound), "{name}: {found:?}");
    }
    let mut files = small();
    files.insert("data/x.yaml".to_owned(), format!("list: {}\n", "x".repeat(YAML_BYTES_MAX)));
    assert_eq!(codes(read(&files)), ["pack.too_large data/x.yaml:1:1"]);
}

#[test]
fn unknown_and_missing_keys_name_their_lines_and_what_is_known() {
    let mut files = small();
    let record = RECORD.replace("optional: true, grade: 一般/2", "optionel: true, grade: 一般/2");
    files.insert("records/firm.yaml".to_owned(), record.replace("title: {zh: 企业", "titel: {zh: 企业"));
    let findings = read(&files).unwrap_err();
    let found: Vec<_> = findings.iter().map(|it| (it.line, it.code)).collect();
    assert_eq!(found, [(1, "pack.missing_key"), (2, "pack.unknown_key"), (8, "pack.unknown_key")]);
    assert!(findings[2].remedy.en.contains("did you mean optional?"), "{}", findings[2]);
    assert!(findings[1].remedy.zh.contains("title"), "{}", findings[1]);
}

#[test]
fn twins_are_found_in_one_mapping_and_across_files() {
    assert_eq!(
        after("records/firm.yaml", "key: [uscc]", "key: [uscc]\nkey: [uscc]"),
        ["pack.twice records/firm.yaml:4:1"]
    );
    let listed = after("data/terms.yaml", "{step: provider, ", "{step: provider, step: provider, ");
    assert_eq!(listed, ["pack.twice data/terms.yaml:6:22"]);
    let twice = after("records/firm.yaml", "  staff:", "  kind: {type: boolean, grade: 一般/1}\n  staff:");
    assert_eq!(twice, ["pack.twice records/firm.yaml:8:3"]);
    let mut files = small();
    files.insert("offers/twin.yaml".to_owned(), OFFER.to_owned());
    assert_eq!(codes(read(&files)), ["pack.file_name offers/twin.yaml:1:1", "pack.twice offers/twin.yaml:1:1"]);
}

#[test]
fn values_of_another_type_word_or_range_are_found() {
    for (file, from, to, expected) in [
        ("records/firm.yaml", "max: 20", "max: twenty", "pack.type records/firm.yaml:9:32"),
        ("records/firm.yaml", "max: 20", "max: -1", "pack.range records/firm.yaml:9:32"),
        ("records/firm.yaml", "grade: 一般/2", "grade: 一般/9", "pack.word records/firm.yaml:8:49"),
        ("records/firm.yaml", "type: division", "type: devision", "pack.word records/firm.yaml:6:20"),
        ("records/firm.yaml", "record: firm", "record: Firm_1", "pack.name records/firm.yaml:1:9"),
        ("records/firm.yaml", "  staff:", "  _staff:", "pack.name records/firm.yaml:8:3"),
        ("records/firm.yaml", "optional: true", "optional: yes", "pack.type records/firm.yaml:8:36"),
        ("pack.yaml", "version: \"1\"", "version: 1", "pack.type pack.yaml:5:10"),
        ("pack.yaml", "title: {zh: 示例, en: Sample}", "title: 示例", "pack.type pack.yaml:2:8"),
        ("offers/firm.yaml", "share: conditional", "share: maybe", "pack.word offers/firm.yaml:3:8"),
        ("offers/firm.yaml", "until: 2027-12-31", "until: 2027-02-30", "pack.value offers/firm.yaml:9:8"),
        ("data/kinds.yaml", "list: kinds", "list: [kinds]", "pack.type data/kinds.yaml:1:7"),
        ("records/firm.yaml", "max: 20", "max: 4294967296", "pack.value records/firm.yaml:9:32"),
        ("records/firm.yaml", "max: 20", "max: 4294967295", "pack.declaration records/firm.yaml:9:27"),
        ("offers/firm.yaml", "quota: {rows_per_day: 1_000}", "quota: 5", "pack.type offers/firm.yaml:8:8"),
        ("offers/firm.yaml", "share: conditional", "share: null", "pack.word offers/firm.yaml:3:8"),
    ] {
        let found = after(file, from, to);
        assert!(found.contains(&expected.to_owned()), "{to}: {found:?}");
    }
}

/// What stands there and what should are named in both languages; quotes help only where text is wanted.
#[test]
fn a_value_of_another_type_is_named() {
    let told = |file: &str, from: &str, to: &str| {
        let mut files = small();
        let text = files.get_mut(file).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        *text = text.replacen(from, to, 1);
        let finding = read(&files).unwrap_err().into_iter().find(|it| it.code == "pack.type").unwrap();
        [finding.fact.zh, finding.fact.en, finding.remedy.zh, finding.remedy.en]
    };
    let version = |to: &str| told("pack.yaml", "version: \"1\"", &format!("version: {to}"));
    let quotes = ["应为文本；写在引号里", "should be text; put it in quotes"];
    for (value, zh, en) in [
        ("null", "此处是空值", "here stands nothing"),
        ("true", "此处是真假值", "here stands true or false"),
        ("1", "此处是整数", "here stands a whole number"),
        ("1.5", "此处是小数", "here stands a number with a point"),
    ] {
        assert_eq!(version(value), [zh, en, quotes[0], quotes[1]], "{value}");
    }
    assert_eq!(version("[a]"), ["此处是列表", "here stands a list", "应为文本", "should be text"]);
    assert_eq!(version("{a: b}"), ["此处是映射", "here stands a mapping", "应为文本", "should be text"]);
    for (file, from, to, zh, en) in [
        ("records/firm.yaml", "optional: true", "optional: 是", "应为真假值", "should be true or false"),
        ("records/firm.yaml", "max: 20", "max: 二十", "应为整数", "should be a whole number"),
        ("records/firm.yaml", "key: [uscc]", "key: uscc", "应为列表", "should be a list"),
        ("offers/firm.yaml", "quota: {rows_per_day: 1_000}", "quota: 一千", "应为映射", "should be a mapping"),
    ] {
        assert_eq!(told(file, from, to), ["此处是文本", "here stands text", zh, en], "{to}");
    }
    assert_eq!(after("offers/firm.yaml", "quota: {rows_per_day: 1_000}", "quota: null"), [""; 0]);
}

/// A line that cannot be read is the only finding of its list: what follows from it is not told as well.
#[test]
fn a_broken_line_hides_what_follows_from_it() {
    assert_eq!(after("data/kinds.csv", "a,甲,A,", "a,甲,A"), ["pack.csv data/kinds.csv:2:1"]);
}

#[test]
fn bounds_of_files_hold_exactly() {
    let padded = |file: &str, bytes: usize, pad: &str| {
        let mut files = small();
        let text = files.get_mut(file).unwrap();
        text.push_str(&pad.repeat((bytes - text.len()) / pad.len()));
        codes(read(&files))
    };
    let line = format!("# {}\n", "x".repeat(61));
    let yaml = |more: usize| {
        let rest = (YAML_BYTES_MAX - KINDS.len()) % 64;
        let mut files = small();
        let text = KINDS.to_owned() + &line.repeat((YAML_BYTES_MAX - KINDS.len()) / 64) + &"\n".repeat(rest + more);
        files.insert("data/kinds.yaml".to_owned(), text);
        codes(read(&files))
    };
    assert_eq!(yaml(0), [""; 0]);
    assert_eq!(yaml(1), ["pack.unknown_file data/kinds.csv:1:1", "pack.too_large data/kinds.yaml:1:1"]);
    assert_eq!(padded("data/kinds.csv", LIST_BYTES_MAX, "\n"), [""; 0]);
    assert_eq!(padded("data/kinds.csv", LIST_BYTES_MAX + 1, "\n"), ["pack.too_large data/kinds.csv:1:1"]);
    let rest: usize = small().values().map(String::len).sum::<usize>() - README.len();
    assert_eq!(padded("README.md", PACK_BYTES_MAX - rest, "x"), [""; 0]);
    assert_eq!(padded("README.md", PACK_BYTES_MAX - rest + 1, "x"), ["pack.too_large :1:1"]);
    let mut files = small();
    files.extend((files.len()..FILES_MAX).map(|it| (format!("other/{it}"), String::new())));
    assert!(codes(read(&files)).iter().all(|it| it.starts_with("pack.unknown_file other/")));
}

#[test]
fn packs_together_have_the_lists_and_zones_of_all() {
    let packs = read_all(&folders()).unwrap();
    let lists = crate::codes(&packs);
    assert!(lists.get(&id("divisions")).is_some() && lists.get(&id("catalogue-themes")).is_some());
    let pack = read(&small()).unwrap();
    assert!(zones([&pack]).under("320171", "3201") && !zones([]).under("320171", "3205"));
    assert_eq!(zones([&pack]).iter().collect::<Vec<_>>(), [("320171", "3201")]);
}

#[test]
fn declarations_against_themselves_are_found() {
    for (file, from, to, expected) in [
        ("records/firm.yaml", "key: [uscc]", "key: [code]", "pack.declaration records/firm.yaml:3:7"),
        ("records/firm.yaml", "key: [uscc]", "key: [staff]", "pack.declaration records/firm.yaml:3:7"),
        ("records/firm.yaml", "max: 20, ", "", "pack.declaration records/firm.yaml:9:3"),
        ("records/firm.yaml", "type: integer", "type: integer, max: 3", "pack.declaration records/firm.yaml:8:26"),
        ("data/kinds.csv", "b,乙", "a,乙", "pack.declaration data/kinds.csv:3:1"),
        ("data/kinds.csv", "B,a", "B,c", "pack.declaration data/kinds.csv:3:1"),
        ("data/kinds.csv", "code,zh", "kode,zh", "pack.csv_header data/kinds.csv:1:1"),
        ("data/kinds.csv", "zh,en,parent", "zh,parent", "pack.csv_header data/kinds.csv:1:1"),
        ("data/kinds.csv", "en,parent", "en,more", "pack.csv_header data/kinds.csv:1:1"),
        ("data/kinds.csv", "en,parent", "en,en", "pack.csv_header data/kinds.csv:1:1"),
        ("data/kinds.csv", "B,a", "B", "pack.csv data/kinds.csv:3:1"),
        ("data/kinds.csv", "code,zh,en,parent", "code,zh,en,valid_from", "pack.date data/kinds.csv:3:1"),
        ("data/kinds.yaml", "kinds.csv", "none.csv", "pack.no_file data/kinds.yaml:4:1"),
        ("data/kinds.yaml", "file: kinds.csv", "", "pack.entries data/kinds.yaml:1:1"),
    ] {
        let found = after(file, from, to);
        assert!(found.contains(&expected.to_owned()), "{to}: {found:?}");
    }
}

#[test]
fn offers_against_their_record_types_are_found() {
    for (from, to, expected) in [
        ("of: firm", "of: form", "pack.unknown_record offers/firm.yaml:2:1"),
        ("kind, staff", "kind, stuff", "pack.unknown_column offers/firm.yaml:6:33"),
        ("kind, staff", "staff, staff", "pack.twice offers/firm.yaml:6:34"),
        ("[uscc, division", "[division", "pack.key_column offers/firm.yaml:6:1"),
        ("mask: {telephone", "mask: {staff", "pack.mask offers/firm.yaml:7:8"),
        ("mask: {telephone", "mask: {uscc", "pack.mask offers/firm.yaml:7:8"),
        ("staff, telephone]", "staff]", "pack.mask offers/firm.yaml:7:8"),
        ("middle4", "middle5", "pack.word offers/firm.yaml:7:19"),
        ("purpose: [匹配]", "purpose: [匹配, 匹配]", "pack.purpose offers/firm.yaml:4:15"),
        ("purpose: [匹配]", "purpose: [\" \"]", "pack.purpose offers/firm.yaml:4:11"),
        ("1_000", "0", "pack.quota offers/firm.yaml:8:9"),
        ("answer: [own-department, authority, provider]", "", "pack.answer offers/firm.yaml:3:1"),
        ("[own-department, authority, provider]", "[provider, authority]", "pack.answer offers/firm.yaml:10:1"),
        ("[own-department, authority, provider]", "[provider, provider]", "pack.answer offers/firm.yaml:10:1"),
        ("share: conditional", "share: unconditional", "pack.answer offers/firm.yaml:10:1"),
        ("row.division", "row.region", "rule.unknown_field offers/firm.yaml:5:7"),
    ] {
        let found = after("offers/firm.yaml", from, to);
        assert!(found.contains(&expected.to_owned()), "{to}: {found:?}");
    }
    let open = OFFER.replace("conditional", "unconditional").replace("mask: {telephone: middle4}\n", "");
    let mut files = small();
    files.insert("offers/firm.yaml".to_owned(), open.split("answer:").next().unwrap().to_owned());
    assert_eq!(codes(read(&files)), ["pack.personal offers/firm.yaml:6:40"]);
}

#[test]
fn a_condition_in_several_lines_names_its_own_line() {
    let rows = "rows: |\n  row.staff > 3 &&\n  row.size > 3";
    let found = after("offers/firm.yaml", "rows: row.division.under(ask.organisation.division)", rows);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("rule.unknown_field offers/firm.yaml:7:"), "{found:?}");
}

#[test]
fn sources_against_their_record_types_are_found() {
    for (from, to, expected) in [
        ("record: firm", "record: form", "pack.unknown_record sources/firms.yaml:2:1"),
        ("Area: division", "Area: region", "pack.unknown_column sources/firms.yaml:8:23"),
        ("Area: division", "Area: uscc", "pack.twice sources/firms.yaml:8:23"),
        (", Area: division", "", "pack.unfilled sources/firms.yaml:8:1"),
        ("{prefix}", "{prefix", "pack.template sources/firms.yaml:10:13"),
        ("{number:08}", "{number:0x}", "pack.template sources/firms.yaml:10:13"),
        ("ignore: [No]", "ignore: [No, Code]", "pack.twice sources/firms.yaml:11:14"),
        ("ignore: [No]", "ignore: [No, prefix]", "pack.twice sources/firms.yaml:11:14"),
        ("enterprises/firms.csv", "../firms.csv", "pack.path sources/firms.yaml:5:9"),
        ("enterprises/firms.csv", "/etc/passwd", "pack.path sources/firms.yaml:5:9"),
        ("enterprises/firms.csv", "'a\\..\\b'", "pack.path sources/firms.yaml:5:9"),
        ("format: csv", "format: xlsx", "pack.word sources/firms.yaml:6:9"),
    ] {
        let found = after("sources/firms.yaml", from, to);
        assert!(found.contains(&expected.to_owned()), "{to}: {found:?}");
    }
}

#[test]
fn data_files_are_checked() {
    for (file, from, to, expected) in [
        ("records/firm.yaml", "list: kinds", "list: kind", "pack.unknown_list records/firm.yaml:7:22"),
        ("data/zones.yaml", "320171", "32017", "pack.division data/zones.yaml:1:9"),
        ("data/zones.yaml", "\"3201\"", "\"320102\"", "pack.division data/zones.yaml:1:9"),
        ("data/calendar.yaml", "off: {2026-01-01", "off: {2025-01-01", "pack.calendar data/calendar.yaml:6:11"),
        ("data/calendar.yaml", "[2026-01-04]", "[2026-01-05]", "pack.calendar data/calendar.yaml:7:14"),
        ("data/calendar.yaml", "2026-01-01", "2026-02-30", "pack.value data/calendar.yaml:6:11"),
        ("data/terms.yaml", "calendar: days", "calendar: nights", "pack.unknown_calendar data/terms.yaml:3:1"),
        ("data/terms.yaml", "working_days: 10", "working_days: 0", "pack.term data/terms.yaml:6:5"),
        ("data/terms.yaml", "step: authority", "step: provider", "pack.term data/terms.yaml:6:5"),
        ("data/themes.yaml", "list:", "lists:", "pack.unknown_data data/themes.yaml:1:1"),
        (
            "data/catalogue/firms.yaml",
            "theme: credit",
            "theme: credits",
            "pack.unknown_theme data/catalogue/firms.yaml:6:5",
        ),
        ("data/catalogue/firms.yaml", "1020", "2020", "pack.entry_code data/catalogue/firms.yaml:4:5"),
        (
            "data/catalogue/firms.yaml",
            "method: platform",
            "method: none",
            "pack.entry_share data/catalogue/firms.yaml:11:5",
        ),
        (
            "data/catalogue/firms.yaml",
            "formats: [csv]",
            "formats: []",
            "pack.entry_items data/catalogue/firms.yaml:10:5",
        ),
        (
            "data/catalogue/firms.yaml",
            "    open: true",
            "    related: [nothing]\n    open: true",
            "pack.unknown_entry data/catalogue/firms.yaml:14:15",
        ),
        ("pack.yaml", "S39", "S3", "pack.system pack.yaml:6:11"),
        ("pack.yaml", "systems:", "needs: [sample]\nsystems:", "pack.needs pack.yaml:6:9"),
    ] {
        let found = after(file, from, to);
        assert!(found.contains(&expected.to_owned()), "{to}: {found:?}");
    }
    let twice = ENTRIES.to_owned() + &ENTRIES.replace("entries:\n", "");
    let mut files = small();
    files.insert("data/catalogue/firms.yaml".to_owned(), twice);
    assert_eq!(codes(read(&files)), ["pack.twice data/catalogue/firms.yaml:18:5"]);
    files.insert("data/catalogue/firms.yaml".to_owned(), ENTRIES.to_owned());
    files.insert("data/catalogue/more.yaml".to_owned(), ENTRIES.to_owned());
    assert_eq!(codes(read(&files)), ["pack.twice data/catalogue/more.yaml:2:5"]);
    files.remove("data/catalogue/more.yaml");
    // The same code under another name is taken as well, and the same name with another code.
    for (from, to) in [("entry: firms", "entry: shops"), ("/000001", "/000002")] {
        let twin = ENTRIES.replace("entries:\n", "").replace(from, to);
        files.insert("data/catalogue/firms.yaml".to_owned(), ENTRIES.to_owned() + &twin);
        assert_eq!(codes(read(&files)), ["pack.twice data/catalogue/firms.yaml:18:5"]);
    }
}

#[test]
fn sharing_condition_and_method_go_together() {
    let condition = "    condition: {zh: 须有职责, en: needs a duty}\n";
    for (share, told, method, fits) in [
        ("unconditional", false, "platform", true),
        ("unconditional", true, "platform", false),
        ("unconditional", false, "none", false),
        ("conditional", true, "disk", true),
        ("conditional", false, "disk", false),
        ("conditional", true, "none", false),
        ("refused", true, "none", true),
        ("refused", false, "none", false),
        ("refused", true, "platform", false),
    ] {
        let text = ENTRIES.replace("1020", "2020").replace("class: base", "class: theme");
        let text = text.replace("share: conditional", &format!("share: {share}"));
        let text = text.replace("method: platform", &format!("method: {method}"));
        let mut files = small();
        files.insert("data/catalogue/firms.yaml".to_owned(), if told { text } else { text.replace(condition, "") });
        let expected = if fits { vec![] } else { vec!["pack.entry_share data/catalogue/firms.yaml:11:5".to_owned()] };
        assert_eq!(codes(read(&files)), expected, "{share} {told} {method}");
    }
    let base = ENTRIES.replace("conditional", "refused").replace("platform", "none");
    let mut files = small();
    files.insert("data/catalogue/firms.yaml".to_owned(), base);
    assert_eq!(codes(read(&files)), ["pack.entry_share data/catalogue/firms.yaml:11:5"]);
}

#[test]
fn a_code_has_the_structure_of_the_guide() {
    for good in ["1020010/1", "30200112345/12345678"] {
        assert!(code_is_formed(good), "{good}");
    }
    for bad in [
        "",
        "102001/1",
        "102001123456/1",
        "0020010/1",
        "4020010/1",
        "102001x/1",
        "1020010",
        "1020010/",
        "1020010/123456789",
        "1020010/1x",
    ] {
        assert!(!code_is_formed(bad), "{bad}");
    }
}

/// A file of the wrong form does not list every line, and takes no other file's place.
#[test]
fn findings_of_one_file_are_bounded() {
    let mut files = small();
    let purposes = vec!["\" \""; 60].join(", ");
    files.insert("offers/firm.yaml".to_owned(), OFFER.replace("[匹配]", &format!("[{purposes}]")));
    files.insert("data/catalogue/firms.yaml".to_owned(), ENTRIES.replace("1020", "2020"));
    let found = codes(read(&files));
    let of = |file: &str| found.iter().filter(|it| it.contains(file)).count();
    assert_eq!((of("offers/firm.yaml"), of("data/catalogue/firms.yaml")), (50, 1));
}

/// What was meant is named, and all that there is, in both languages.
#[test]
fn a_remedy_names_what_there_is() {
    let remedy = |to: &str| {
        let mut files = small();
        files.insert("offers/firm.yaml".to_owned(), OFFER.replacen("of: firm", to, 1));
        let finding = read(&files).unwrap_err().into_iter().find(|it| it.code == "pack.unknown_record").unwrap();
        (finding.remedy.zh, finding.remedy.en)
    };
    let said = |zh: &str, en: &str| (zh.to_owned(), en.to_owned());
    assert_eq!(remedy("of: frim"), said("是否为 firm？现有：firm", "did you mean firm? There are: firm"));
    assert_eq!(remedy("of: something-else"), said("现有：firm", "there are: firm"));
}

#[test]
fn files_that_no_pack_has_are_found() {
    let mut files = small();
    files.insert("records/x.yml".to_owned(), String::new());
    files.insert("records/../x.yaml".to_owned(), String::new());
    let strange = ["offers/x.txt", "sources/x.txt", "data/catalogue/x.txt", "data/x.txt", "records/.yaml"];
    let strange = [&strange[..], &["records/.x.yaml", "data/"]].concat();
    files.extend(strange.iter().map(|it| ((*it).to_owned(), String::new())));
    files.insert("data/unused.csv".to_owned(), String::new());
    files.remove("pack.yaml");
    let expected = [
        "pack.no_manifest pack.yaml:1:1",
        "pack.unknown_file data/unused.csv:1:1",
        "pack.unknown_file records/../x.yaml:1:1",
        "pack.unknown_file records/x.yml:1:1",
    ];
    let mut expected = expected.map(str::to_owned).to_vec();
    expected.extend(strange.iter().map(|it| format!("pack.unknown_file {it}:1:1")));
    let mut found = codes(read(&files));
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    let many = (0..=FILES_MAX).map(|it| (format!("records/r{it}.yaml"), String::new())).collect();
    assert_eq!(codes(read(&many)), ["pack.too_large :1:1"]);
}

#[test]
fn packs_together_must_have_what_they_need() {
    let other = |needs: &str| {
        let manifest = PACK.replace("pack: sample", "pack: other") + needs;
        Files::from([
            ("pack.yaml".to_owned(), manifest),
            ("records/shop.yaml".to_owned(), RECORD.replace("record: firm", "record: shop")),
        ])
    };
    let both = |needs: &str, first: &str| {
        let mut small = small();
        small.get_mut("pack.yaml").unwrap().push_str(first);
        let folders = BTreeMap::from([("sample".to_owned(), small), ("other".to_owned(), other(needs))]);
        read_all(&folders)
            .map(|it| it.iter().map(|it| it.id().to_string()).collect::<Vec<_>>())
            .map_err(|it| it.iter().map(|it| format!("{} {}:{}", it.code, it.file, it.line)).collect::<Vec<_>>())
    };
    assert_eq!(both("needs: [sample]\n", "").unwrap(), ["sample", "other"]);
    assert_eq!(both("", "").unwrap_err(), ["pack.unknown_list other/records/shop.yaml:7"]);
    let gone = both("needs: [gone, sample]\n", "").unwrap_err();
    assert_eq!(gone, ["pack.needs other/pack.yaml:7"]);
    let circle = both("needs: [sample]\n", "needs: [other]\n").unwrap_err();
    assert_eq!(circle, ["pack.needs other/pack.yaml:7", "pack.needs sample/pack.yaml:7"]);
    let folders = BTreeMap::from([("other".to_owned(), small()), ("sample".to_owned(), small())]);
    let same = codes(read_all(&folders).map(|mut it| it.remove(0)));
    assert!(same.contains(&"pack.twice sample/records/firm.yaml:1:1".to_owned()), "{same:?}");
    let misplaced = read_all(&BTreeMap::from([("elsewhere".to_owned(), small())])).unwrap_err();
    assert_eq!(codes(Err(misplaced)), ["pack.file_name elsewhere/pack.yaml:1:1"]);
    // Alone, a pack is taken at its word about what it needs.
    assert!(read(&other("needs: [sample]\n")).is_ok());
    assert!(read(&other("")).is_err());
}

#[test]
fn findings_make_one_problem() {
    let findings = read(&Files::new()).unwrap_err();
    let problem = problem(&findings);
    assert_eq!(problem.code, "pack.findings");
    assert_eq!(problem.more["findings"][0]["file"], "pack.yaml");
}

/// What slips into a file: marks that YAML gives a meaning, or anything.
const SLIP: &str = "[\\[\\]{}:,&*!#|>'\"%@ a1\n\t-]{0,4}|\\PC{0,3}";

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(400))]

    /// Whatever slip is made in a file, the answer is a pack, or findings in files that are there, at places that are.
    #[test]
    fn any_slip_is_answered(file in 0_usize..12, from in 0.0..1.0, cut in 0_usize..12, put in SLIP) {
        let mut files = small();
        let text = files.values_mut().nth(file).unwrap();
        let letters: Vec<char> = text.chars().collect();
        let at = (letters.len() as f64 * from) as usize;
        let rest = letters.iter().skip(at + cut).copied();
        *text = letters[..at].iter().copied().chain(put.chars()).chain(rest).collect();
        for finding in read(&files).err().unwrap_or_default() {
            let lines = files.get(&finding.file).map_or(0, |it| it.lines().count());
            proptest::prop_assert!((1..=lines + 1).contains(&(finding.line as usize)), "{}", finding);
        }
    }
}

/// The check of shape understands every word and pattern that our types write into their schemas.
#[test]
fn schemas_have_no_words_that_the_check_does_not_know() {
    fn walk(json: &serde_json::Value, name: &str, names: bool) {
        match json {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    assert!(names || crate::shape::WORDS.contains(&key.as_str()), "{name}: {key}");
                    if key == "pattern" && !names {
                        assert!(crate::shape::explains(value.as_str().unwrap()), "{name}: {value}");
                    }
                    if key == "patternProperties" {
                        assert!(
                            value.as_object().unwrap().keys().all(|it| crate::shape::explains(it)),
                            "{name}: {value}"
                        );
                    }
                    let inner = ["properties", "patternProperties", "$defs"].contains(&key.as_str());
                    if key != "default" && key != "examples" {
                        walk(value, name, inner && !names);
                    }
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|it| walk(it, name, false)),
            _ => {}
        }
    }
    let schemas = json_schemas();
    let names: Vec<&str> = schemas.iter().map(|(name, _)| *name).collect();
    let files = [
        "pack",
        "record",
        "offer",
        "source",
        "service",
        "code-list",
        "zones",
        "calendar",
        "deadlines",
        "catalogue",
        "chain",
    ];
    assert_eq!(names, files, "as docs/schemas has them");
    for (name, schema) in &schemas {
        walk(schema, name, false);
    }
}

#[test]
fn templates_name_their_columns() {
    assert_eq!(template_columns("{year}-{month:02}"), Some(vec!["year", "month"]));
    for bad in ["", "year", "{year", "year}", "{}", "{{year}}", "{year:0}", "{year:0x}", "{year:099}"] {
        assert_eq!(template_columns(bad), None, "{bad}");
    }
}

// ---- real data, where it is ----

/// The folder of real data: `YUNHE_DATA`, or `shared/data` beside the project; `None` where neither is.
pub(crate) fn real_data() -> Option<std::path::PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("YUNHE_DATA").map_or(beside, Into::into);
    folder.is_dir().then_some(folder)
}

#[test]
fn real_files_have_the_columns_that_sources_name() {
    let Some(data) = real_data() else { return };
    let packs = read_all(&folders()).unwrap();
    let mut files = 0;
    for source in packs.iter().flat_map(|it| it.sources.values()) {
        let templates = source.templates.values().flat_map(|it| template_columns(it).unwrap());
        let named = source.columns.keys().map(String::as_str).chain(templates);
        let named: Vec<&str> = named.chain(source.ignore.iter().map(String::as_str)).collect();
        for file in &source.files {
            let mut reader = csv::Reader::from_path(data.join(file)).unwrap();
            let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
            for column in &named {
                assert!(header.iter().any(|it| it == column), "{file} lacks {column}");
            }
            for column in &header {
                assert!(named.contains(&column.as_str()), "{} forgets {column} of {file}", source.source);
            }
            files += 1;
        }
    }
    assert!(files >= 7, "{files}");
}

#[test]
fn real_rows_fit_their_record_types_but_for_known_dirt() {
    let Some(data) = real_data() else { return };
    let packs = read_all(&folders()).unwrap();
    let codes: schema::CodeBook = packs.iter().flat_map(|it| it.lists.iter().cloned()).collect();
    for (pack, source) in packs.iter().flat_map(|pack| pack.sources.values().map(move |it| (pack, it))) {
        let record = &pack.records[&source.record];
        for file in &source.files {
            let mut reader = csv::Reader::from_path(data.join(file)).unwrap();
            let header = reader.headers().unwrap().clone();
            let columns = source
                .columns
                .iter()
                .map(|(column, field)| (header.iter().position(|it| it == column).unwrap(), &record.fields[field]));
            let columns: Vec<_> = columns.collect();
            let (mut rows, mut bad) = (0_u32, 0_u32);
            for row in reader.records().map(Result::unwrap) {
                let text = |at: usize| if source.nulls.iter().any(|it| it == &row[at]) { "" } else { &row[at] };
                rows += 1;
                bad += u32::from(!columns.iter().all(|(at, field)| field.parse(text(*at), &codes).is_ok()));
            }
            assert!(rows > 900 && bad * 100 < rows, "{file}: {bad} of {rows} rejected");
        }
    }
}

#[test]
fn foreign_catalogues_become_entries_that_a_pack_would_accept() {
    let packs = read_all(&folders()).unwrap();
    let themes = packs.iter().find_map(|it| it.lists.get(&id("catalogue-themes"))).unwrap();
    let themes: Vec<&str> = themes.entries().iter().map(|it| it.code.as_str()).collect();
    let lines = concat!(
        r#"{"id": "ena", "name": {"en": "Nucleotide Archive", "zh": "核苷酸档案库"}, "description": {"en": "x"},"#,
        r#" "website": "https://www.ebi.ac.uk", "update_frequency": "daily", "domains": ["genomics"],"#,
        r#" "data_content": {"en": ["Raw reads"], "zh": ["原始读数"]}}"#,
        "\n",
        r#"{"resource": {"name": "Jobs", "id": "ic3t-wcy2", "description": "<p>All <b>jobs</b></p>","#,
        r#" "columns_name": ["Lot"], "columns_datatype": ["Number"], "publication_date": "2022-07-22T13:47:51.000Z"},"#,
        r#" "classification": {"domain_category": "Housing"}, "metadata": {"domain": "data.example.us"}}"#,
        "\n",
        r#"{"name": "africa_open", "title": "Africa Open Data", "notes": null, "url": "http://africa.example/"}"#,
        "\nnot json\n{}\n",
        r#"{"name": "africa_open", "title": "Twin", "notes": "x"}"#,
    );
    let read = foreign("web", 7, &themes, lines);
    assert_eq!(read.unread, [4, 5, 6]);
    let [ena, jobs, africa] = read.entries.as_slice() else { panic!("{:?}", read.entries) };
    assert_eq!((ena.entry.as_str(), ena.title.zh.as_str(), ena.theme.as_str()), ("web-ena", "核苷酸档案库", "health"));
    assert_eq!((ena.cycle, ena.items[0].title.zh.as_str()), (schema::Cycle::Daily, "原始读数"));
    assert_eq!((jobs.description.zh.as_str(), jobs.items[0].kind), ("All jobs", ItemType::Number));
    assert_eq!((jobs.published, jobs.theme.as_str()), (Date::constant(2022, 7, 22), "construction"));
    assert_eq!((africa.provider.en.as_str(), africa.description.en.as_str()), ("africa.example", "Africa Open Data"));
    assert!(read.entries.iter().all(|it| code_is_formed(&it.code)));
    assert!(africa.code.ends_with("/000009"), "{}", africa.code);
    let Some(data) = real_data() else { return };
    for (file, least) in
        [("firstdata-sources", 600), ("socrata-data-cityofnewyork-us", 900), ("datacatalogs-ckan-packages", 350)]
    {
        let lines = std::fs::read_to_string(data.join(format!("catalogues/{file}.jsonl"))).unwrap();
        let read = foreign("web", 1, &themes, &lines);
        assert!(read.entries.len() >= least, "{file}: {} entries, {:?} unread", read.entries.len(), read.unread);
    }
}

/// Whatever other catalogues write is cut to what our entries may hold, and sorted by what it says.
#[test]
fn foreign_records_are_cut_and_sorted() {
    let themes = ["credit", "health", "transport", "public-services"];
    let one = |line: serde_json::Value| {
        let read = foreign("web", 1, &themes, &line.to_string());
        assert_eq!(read.unread.is_empty(), read.entries.len() == 1);
        read.entries.into_iter().next()
    };
    let data = |rest: serde_json::Value| {
        let mut line = serde_json::json!({"id": "a b", "name": {"en": "Data"}});
        line.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        one(line).unwrap()
    };
    for (word, cycle) in [
        ("real-time", schema::Cycle::Realtime),
        ("daily", schema::Cycle::Daily),
        ("weekly", schema::Cycle::Weekly),
        ("monthly", schema::Cycle::Monthly),
        ("quarterly", schema::Cycle::Quarterly),
        ("semi-annual", schema::Cycle::HalfYearly),
        ("annual", schema::Cycle::Yearly),
        ("ad hoc", schema::Cycle::Irregular),
    ] {
        assert_eq!(data(serde_json::json!({ "update_frequency": word })).cycle, cycle, "{word}");
    }
    for (tag, theme, class) in
        [("Medicine", "health", "2"), ("traffic", "transport", "3"), ("x", "public-services", "4")]
    {
        let entry = data(serde_json::json!({"domains": ["other"], "tags": [tag]}));
        assert_eq!((entry.theme.as_str(), &entry.code[..]), (theme, &format!("20{class}001001/000001")[..]));
    }
    let (long, longer) = ("w".repeat(40), "w".repeat(41));
    let many = vec!["k"; 30];
    let words = data(serde_json::json!({"domains": [" ", long, longer], "tags": many})).keywords;
    assert_eq!((words.len(), words[0] == long, words[1].as_str()), (20, true, "k"));
    let items = data(serde_json::json!({"data_content": {"zh": ["甲"], "en": vec!["a"; 101]}})).items;
    assert_eq!((items.len(), items[0].title.zh.as_str(), items[1].title.zh.as_str()), (100, "甲", "a"));
    let bare = data(serde_json::json!({"website": "https://data.example/x"}));
    assert_eq!((bare.items[0].title.en.as_str(), bare.provider.en.as_str()), ("Data", "data.example"));
    assert_eq!((bare.entry.as_str(), bare.published), ("web-a-b", Date::constant(2020, 1, 1)));
    assert_eq!(data(serde_json::json!({})).provider.zh, "未注明");
    let title = |zh: &str, en: &str| {
        let two = one(serde_json::json!({"id": "x", "name": {"zh": zh, "en": en}}))?.title;
        Some((two.zh, two.en))
    };
    let said = |zh: &str, en: &str| Some((zh.to_owned(), en.to_owned()));
    assert_eq!(title("<b>甲</b>乙\n", "a > b"), said("甲 乙", "a > b"));
    assert_eq!(title("甲", ""), said("甲", "甲"));
    assert_eq!(title("<i>", " "), None);
    assert_eq!(title(&"甲".repeat(201), "a"), said(&"甲".repeat(200), "a"));
    assert_eq!(one(serde_json::json!({"id": "", "name": {"en": "Data"}})), None, "no name");
    assert_eq!(one(serde_json::json!({"id": "x", "name": "Data"})), None, "of no known shape");
    assert_eq!(one(serde_json::json!({"name": "x", "notes": "y"})), None, "of no known shape");
    assert_eq!(one(serde_json::json!({"name": "x", "title": "y"})), None, "of no known shape");
    let types = ["Number", "Percent", "Money", "Calendar date", "Date", "Checkbox", "URL"];
    let table = one(serde_json::json!({
        "resource": {"name": "T", "id": "t", "columns_name": types, "columns_datatype": types},
        "classification": {"domain_category": "x", "domain_tags": ["y"], "categories": ["z"]},
    }));
    let table = table.unwrap();
    let kinds: Vec<ItemType> = table.items.iter().map(|it| it.kind).collect();
    use ItemType::{Boolean, Instant, Money, Number, Text};
    assert_eq!(kinds, [Number, Number, Money, Instant, Instant, Boolean, Text]);
    assert_eq!(table.keywords, ["x", "y", "z"]);
}

const SERVICE: &str = r"
service: firm-service
title: {zh: 企业查询服务, en: Firm service}
connection: market-api
operations:
  get-firm:
    title: {zh: 查询, en: Get}
    method: GET
    path: /firms/{code}
    parameters: {code: {type: word, max: 18}}
    query: {fields: {}}
    headers: [accept-language]
    answer: {media: [application/json], bytes: 65536}
    timeout_seconds: 5
  declare:
    title: {zh: 申报, en: Declare}
    method: POST
    path: /declarations
    body: {media: [application/json], bytes: 10000}
    answer: {media: [application/json]}
";
const SERVICE_OFFER: &str = r"
offer: firm-calls
of: firm-service
share: conditional
operations: [get-firm, declare]
calls: {per_day: 1000, per_second: 20}
answer: [provider]
";

#[test]
fn a_service_and_its_offer_are_checked() {
    let with = |file: &str, from: &str, to: &str| {
        let mut files = small();
        for (name, text) in [("services/firm-service.yaml", SERVICE), ("offers/firm-calls.yaml", SERVICE_OFFER)] {
            let mut text = text.trim_start().to_owned();
            if name.starts_with(file) {
                assert!(text.contains(from), "{from}");
                text = text.replacen(from, to, 1);
            }
            files.insert(name.to_owned(), text);
        }
        codes(read(&files)).into_iter().map(|it| it.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(with("services", "GET", "GET"), [""; 0]);
    let wrong = [
        ("services", "method: GET", "method: TRACE", "pack.word"),
        ("services", "/firms/{code}", "/firms/../{code}", "pack.value"),
        ("services", "/firms/{code}", "/firms", "pack.parameter"),
        ("services", "path: /declarations", "path: '/firms/{x}'", ""),
        ("services", "method: POST\n    path: /declarations", "method: GET\n    path: '/firms/{x}'", "pack.twice"),
        ("services", "accept-language", "authorization", "pack.header"),
        ("services", "accept-language", "Accept-Language", "pack.header"),
        ("services", "accept-language", "yunhe-consumer", "pack.header"),
        ("services", "fields: {}", "'a b': {}", "pack.parameter"),
        ("services", "[application/json], bytes: 65536", "['*/*']", "pack.media"),
        ("services", "bytes: 65536", "bytes: 99999999", "pack.range"),
        ("services", "timeout_seconds: 5", "timeout_seconds: 60", "pack.range"),
        ("services", "service: firm-service", "service: firm", "pack.twice"),
        ("services", "get-firm", "Get-Firm", "pack.name"),
        ("offers", "[get-firm, declare]", "[get-frim]", "pack.unknown_operation"),
        ("offers", "[get-firm, declare]", "[get-firm, get-firm]", "pack.twice"),
        ("offers", "operations: [get-firm, declare]\n", "", "pack.operations"),
        ("offers", "of: firm-service", "of: firm-servize", "pack.unknown_service"),
        ("offers", "per_day: 1000", "per_day: 0", "pack.quota"),
        ("offers", "calls:", "quota: {rows_per_day: 5}\ncalls:", "pack.service"),
        ("offers", "calls:", "columns: [uscc]\ncalls:", "pack.service"),
    ];
    for (file, from, to, code) in wrong {
        let found = with(file, from, to);
        assert!(if code.is_empty() { found.is_empty() } else { found.iter().any(|it| it == code) }, "{to}: {found:?}");
    }
}
