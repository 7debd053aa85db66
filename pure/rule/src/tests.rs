//! Laws of rules and filters. `oracle` holds what the crate `cel` says about the same sources.

mod oracle;
mod sample;

use crate::*;
use proptest::prelude::*;
use sample::{any_condition, any_row, ask_type, asks, field, record, text};
use schema::{FieldType, Value, division::Zones};
use std::collections::BTreeSet;

fn compiled(source: &str) -> Rule {
    let (record, ask) = (record(), ask_type());
    compile(source, &Scope { row: &record, ask: &ask }).unwrap_or_else(|it| panic!("{source}: {it:#?}"))
}

fn bound(source: &str) -> Filter {
    compiled(source).bind(&asks()).unwrap()
}

fn findings(source: &str) -> Vec<Finding> {
    let (record, ask) = (record(), ask_type());
    compile(source, &Scope { row: &record, ask: &ask }).err().unwrap_or_default()
}

/// The findings of a source as `line:column code`.
fn found(source: &str) -> Vec<String> {
    findings(source).iter().map(|it| format!("{}:{} {}", it.line, it.column, it.code)).collect()
}

fn json(filter: &Filter) -> String {
    String::from_utf8(vocabulary::canonical_bytes(filter).unwrap()).unwrap()
}

fn parsed(json: &str) -> Result<Filter, String> {
    serde_json::from_str(json).map_err(|it| it.to_string())
}

/// A row of nulls but for one field.
fn row_with(name: &str, value: Value) -> Vec<Value> {
    let record = record();
    let mut row = vec![Value::Null; record.fields.len()];
    row[record.index_of(name).unwrap()] = value;
    row
}

fn holds(source: &str, name: &str, value: Value) -> bool {
    bound(source).matches(&record(), &row_with(name, value))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Negation is exact on rows that suit, null or not; `and` and `or` are what they say.
    #[test]
    fn connectives_mean_what_they_say(a in any_condition(), b in any_condition(), row in any_row()) {
        let (record, a, b) = (record(), bound(&a.source()), bound(&b.source()));
        let says = |it: &Filter| it.matches(&record, &row);
        let (x, y) = (says(&a), says(&b));
        prop_assert_eq!(says(&a.clone().not()), !x);
        prop_assert_eq!(says(&a.clone().and(b.clone())), x && y);
        prop_assert_eq!(says(&a.clone().or(b.clone())), x || y);
        prop_assert_eq!(a.clone().not().not(), a.clone());
        prop_assert_eq!(a.clone().and(b.clone()), b.clone().and(a.clone()));
        prop_assert_eq!(a.clone().and(a.clone()), a.clone());
        prop_assert_eq!(a.clone().or(b.clone()), b.or(a));
    }

    /// A filter comes back from its canonical bytes as it went, and names the fields that its rule names, or fewer.
    #[test]
    fn a_filter_travels_unchanged(condition in any_condition()) {
        let rule = compiled(&condition.source());
        let filter = rule.bind(&asks()).unwrap();
        prop_assert_eq!(parsed(&json(&filter)), Ok(filter.clone()));
        prop_assert_eq!(filter.canonical(), filter.clone());
        prop_assert!(filter.fields().is_subset(&rule.fields()));
        prop_assert!(filter.check(&record()).is_ok());
        prop_assert_eq!(serde_json::to_value(&rule).unwrap(), serde_json::json!(condition.source()));
        for text in [filter.sql(&record(), Dialect::Sqlite, 3), filter.sql(&record(), Dialect::Postgres, 3)] {
            prop_assert_eq!(text.1.len(), (3..).take_while(|it| text.0.contains(&format!("${it}"))).count());
            prop_assert!(!text.0.contains("$2"));
        }
    }

    /// Whatever is typed, there is an answer, and each finding lies in the source (or one behind its end).
    #[test]
    fn any_text_is_answered(source in ".{0,60}") {
        check_findings(&source)?;
    }

    /// The same for texts that look like conditions.
    #[test]
    fn any_tokens_are_answered(tokens in proptest::collection::vec(sample::token(), 0..24)) {
        check_findings(&tokens.join(" "))?;
        check_findings(&tokens.concat())?;
    }

    /// The same for conditions with a piece cut out and another put in.
    #[test]
    fn any_slip_is_answered(condition in any_condition(), from in 0.0..1.0, cut in 0_usize..6, put in sample::token()) {
        let mut chars: Vec<char> = condition.source().chars().collect();
        let at = (chars.len() as f64 * from) as usize;
        chars.splice(at..(at + cut).min(chars.len()), put.chars());
        check_findings(&chars.into_iter().collect::<String>())?;
    }

    /// Binding ends with a filter or a problem whatever the values are, and wants every value it looks at.
    #[test]
    fn binding_is_total(condition in any_condition(), values in proptest::collection::vec(sample::any_value(), 8)) {
        let rule = compiled(&condition.source());
        let strange = ask_type().paths().zip(values).fold(AskValues::new(), |it, (path, value)| it.with(path, value));
        if let Ok(filter) = rule.bind(&strange) {
            prop_assert_eq!(parsed(&json(&filter)), Ok(filter));
        }
        prop_assert_eq!(rule.bind(&AskValues::new()).is_ok(), rule.asks().is_empty());
    }

    /// A text begins with a prefix exactly where it lies between the prefix and `after` it.
    #[test]
    fn a_prefix_is_a_range(prefix in sample::any_text(), rest in sample::any_text(), other in sample::any_text()) {
        for text in [format!("{prefix}{rest}"), other] {
            let within = text >= prefix && sql::after(&prefix).is_none_or(|it| text < it);
            prop_assert_eq!(within, text.starts_with(&prefix), "{:?} {:?}", text, prefix);
        }
    }

    /// A decimal of any scale is compared with a field of another by its value: scale 2 with 4, and 4 with none.
    #[test]
    fn decimals_meet_at_any_scale(cell in -2_000_i64..2_000, near in -150_i64..150, wild in any::<i64>()) {
        let record = record();
        for (field, ask_path, row_factor, ask_factor) in [("ratio", "limit", 100, 1), ("fine", "whole", 1, 10_000)] {
            let null = row_with(field, Value::Null);
            let row = row_with(field, Value::Scaled(cell));
            let rule = |sign| compiled(&format!("row.{field} {sign} ask.{ask_path}"));
            let rules: Vec<_> = sample::BYS.map(|(by, sign)| (by, rule(sign))).into();
            let member = compiled(&format!("row.{field} in [ask.{ask_path}]"));
            let exact = cell * row_factor / ask_factor;
            for unscaled in [exact, exact + near, wild, i64::MAX, i64::MIN] {
                let ask = asks().with(ask_path, Value::Scaled(unscaled));
                let left = i128::from(cell) * i128::from(row_factor);
                let right = i128::from(unscaled) * i128::from(ask_factor);
                let order = left.cmp(&right);
                for (by, rule) in &rules {
                    let filter = rule.bind(&ask).unwrap();
                    prop_assert_eq!(filter.matches(&record, &row), by.holds(order), "{} {}", rule.source(), unscaled);
                    prop_assert!(!filter.matches(&record, &null));
                }
                prop_assert_eq!(member.bind(&ask).unwrap().matches(&record, &row), order.is_eq());
            }
        }
    }

    /// `under` is what the code data say, zones included, and holds for no null.
    #[test]
    fn under_follows_the_zones(
        code in sample::any_division(), above in sample::any_division(), zones in sample::any_zones(),
    ) {
        let ask = asks().with("organisation.division", Value::Text(above.clone())).zones(zones.clone());
        let filter = compiled("row.division.under(ask.organisation.division)").bind(&ask).unwrap();
        let wanted = zones.prefixes(&above).iter().any(|it| code.starts_with(it.as_str()));
        prop_assert_eq!(filter.matches(&record(), &row_with("division", Value::Text(code.clone()))), wanted);
        let known = compiled(&format!("ask.organisation.division.under(\"{above}\")"))
            .bind(&asks().with("organisation.division", Value::Text(code)).zones(zones)).unwrap();
        prop_assert_eq!(known, if wanted { Filter::always() } else { Filter::never() });
    }
}

fn check_findings(source: &str) -> Result<(), TestCaseError> {
    let found = findings(source);
    let lines: Vec<_> = source.split('\n').collect();
    for it in &found {
        let line = lines.get(it.line as usize - 1).map(|it| it.chars().count());
        prop_assert!(line.is_some_and(|columns| it.column as usize <= columns + 1), "{:?} {}", source, it);
        prop_assert!(it.column >= 1 && it.line >= 1 && !it.fact.zh.is_empty() && !it.remedy.en.is_empty());
    }
    // Whatever the scanner lets through, `cel` cuts into the same tokens: its lexer has nothing to say.
    prop_assert!(!found.iter().any(|it| it.fact.en.contains("token recognition")), "{:?} {:?}", source, found);
    Ok(())
}

#[test]
fn null_makes_a_comparison_false_before_not_applies() {
    let null = || Value::Null;
    assert!(!holds("row.staff > 3", "staff", null()));
    assert!(holds("!(row.staff > 3)", "staff", null()));
    assert!(!holds("row.staff != 3", "staff", null()));
    assert!(holds("!(row.staff != 3)", "staff", null()));
    assert!(!holds("row.violation", "violation", null()));
    assert!(holds("!row.violation", "violation", null()));
    assert!(!holds("row.staff in [3]", "staff", null()));
    assert!(holds("!(row.staff in [3])", "staff", null()));
    assert!(!holds("row.name.contains(\"\")", "name", null()));
    assert!(holds("!row.name.startsWith(\"\")", "name", null()));
    assert!(holds("row.staff == null && !has(row.staff) && !(row.staff != null)", "staff", null()));
    assert!(holds("null != row.staff && has(row.staff)", "staff", Value::Integer(0)));
    assert!(!holds("row.staff == row.staff || row.staff <= row.other", "staff", null()));
}

#[test]
fn a_null_among_what_is_asked_is_like_a_null_in_the_row() {
    let ask = asks().with("organisation.division", Value::Null).with("limit", Value::Null);
    let say = |source: &str| compiled(source).bind(&ask).unwrap();
    assert_eq!(say("row.division.under(ask.organisation.division)"), Filter::never());
    assert_eq!(say("row.ratio == ask.limit || row.ratio != ask.limit || ask.limit < row.ratio"), Filter::never());
    assert_eq!(say("!(row.ratio == ask.limit)"), Filter::always());
    assert_eq!(say("row.ratio in [ask.limit]"), Filter::never());
    assert_eq!(say("ask.limit in [decimal(\"1\")]"), Filter::never());
    assert_eq!(say("ask.limit == null && !has(ask.limit)"), Filter::always());
    assert_eq!(say("row.name.contains(ask.organisation.division)"), Filter::never());
}

#[test]
fn text_is_composed_and_compared_byte_by_byte() {
    let composed = Value::Text("caf\u{e9}".to_owned());
    assert!(holds("row.name == \"cafe\u{301}\"", "name", composed.clone()));
    assert!(holds("row.name.endsWith(\"e\u{301}\")", "name", composed.clone()));
    assert!(holds("row.name in [\"cafe\u{301}\"]", "name", composed.clone()));
    assert!(!holds("row.name == \"Caf\u{e9}\"", "name", composed));
    for (source, text, wanted) in [
        ("row.name.contains(\"%\")", "100", false),
        ("row.name.contains(\"_\")", "a_b", true),
        ("row.name.startsWith(\"\u{20000}\")", "\u{20000}\u{20001}", true),
        ("row.name.endsWith(\"\")", "南京", true),
        (r#"row.name == "a\"b\\c\n\u5357\x41\101""#, "a\"b\\c\n南AA", true),
        ("row.name == 'a\"b'", "a\"b", true),
    ] {
        assert_eq!(holds(source, "name", Value::Text(text.to_owned())), wanted, "{source}");
    }
}

#[test]
fn every_type_compares_with_its_literals() {
    for source in [
        "row.ratio >= decimal(\"1.5\") && row.fine < decimal(\"-0.0001\")",
        "row.capital > money(\"1000000\") || row.capital == money(\"0.5\") || row.capital <= row.revenue",
        "row.founded >= date(\"2026-01-01\") && date(\"2026-12-31\") >= row.founded && row.founded < row.seen",
        "row.updated < timestamp(\"2026-01-01T00:00:00+08:00\")",
        "row.status in [\"1\", \"2\", ask.purpose] && row.status != \"3\" && row.status == row.state",
        "row.uscc == ask.organisation.uscc && row.uscc.startsWith(\"91\")",
        "row.division.under(\"3201\") || row.division == \"320102\" || row.division == row.home",
        "row.violation == false || row.violation != row.active || ask.trusted",
        "row.staff == -5 || row.staff in [1, 2, 3] || row.staff > row.other",
        "true || false // the rest of a line is a comment: \"(\n",
    ] {
        let rule = compiled(source);
        assert_eq!(rule.source(), source);
        rule.bind(&asks()).unwrap();
    }
}

/// Sources that are refused, with where and why.
const REFUSALS: &[(&str, &str)] = &[
    ("row.staff + 1 > 3", "1:1 rule.arithmetic"),
    ("row.staff > -row.other", "1:13 rule.arithmetic"),
    ("row.violation ? true : false", "1:1 rule.ternary"),
    ("[1, 2].exists(x, x == row.staff)", "1:1 rule.macro"),
    ("row.name.matches(\"a.*\")", "1:1 rule.regex"),
    ("row.name.size() > 3", "1:1 rule.unknown_function"),
    ("size(row.name) > 3", "1:1 rule.unknown_function"),
    ("row[\"name\"] == \"a\"", "1:1 rule.index"),
    ("row.staff > 1.5", "1:13 rule.float"),
    ("row.staff > 1u", "1:13 rule.unsigned"),
    ("row.name == {}", "1:13 rule.unsupported"),
    ("row.name == [\"a\"]", "1:13 rule.list"),
    ("row.nam == \"a\"", "1:1 rule.unknown_field"),
    ("ask.nobody == \"a\"", "1:1 rule.unknown_ask"),
    ("name == \"a\"", "1:1 rule.unknown_name"),
    ("row == \"a\"", "1:1 rule.unknown_name"),
    ("ask == \"a\"", "1:1 rule.unknown_name"),
    ("row.name.first == \"a\"", "1:1 rule.unknown_name"),
    ("row.name > \"a\"", "1:1 rule.order"),
    ("row.violation >= true", "1:1 rule.order"),
    ("row.staff > \"3\"", "1:1 rule.types"),
    ("row.staff == row.name", "1:1 rule.types"),
    ("row.ratio == row.fine", "1:1 rule.types"),
    ("row.status == row.other_status", "1:1 rule.types"),
    ("row.founded == row.updated", "1:1 rule.types"),
    ("row.ratio > 5", "1:1 rule.types"),
    ("row.capital > decimal(\"5\")", "1:1 rule.types"),
    ("row.ratio > decimal(\"1.555\")", "1:1 rule.scale"),
    ("row.staff in [1, \"2\"]", "1:18 rule.types"),
    ("row.staff in [null]", "1:15 rule.null"),
    ("row.staff in [row.other]", "1:15 rule.list"),
    ("row.staff in row.other", "1:14 rule.list"),
    ("row.staff > null", "1:1 rule.null"),
    ("null == null", "1:1 rule.constant"),
    ("1 == 1", "1:1 rule.constant"),
    ("1 == null", "1:1 rule.constant"),
    ("1 in [1]", "1:1 rule.constant"),
    ("\"a\".contains(\"a\")", "1:1 rule.constant"),
    ("\"32\".under(\"32\")", "1:1 rule.constant"),
    ("row.staff", "1:1 rule.no_condition"),
    ("\"text\"", "1:1 rule.no_condition"),
    ("null", "1:1 rule.null"),
    ("row.staff.contains(\"1\")", "1:1 rule.types"),
    ("row.name.contains(1)", "1:19 rule.types"),
    ("row.name.contains(row.note)", "1:19 rule.needle"),
    ("row.name.under(\"32\")", "1:1 rule.types"),
    ("row.division.under(\"\")", "1:20 rule.division"),
    ("row.division.under(\"321\")", "1:20 rule.division"),
    ("row.division.under(row.home)", "1:20 rule.needle"),
    ("row.founded > date(\"2026-02-30\")", "1:20 rule.literal"),
    ("row.founded > date(\"20260101\")", "1:20 rule.literal"),
    ("row.founded > date(\"0000-01-01\")", "1:20 rule.literal"),
    ("row.founded > date(row.name)", "1:20 rule.literal"),
    ("row.founded > row.date(\"2026-01-01\")", "1:15 rule.literal"),
    ("row.founded > date(\"2026-01-01\", 2)", "1:15 rule.literal"),
    ("date(\"2026-01-01\")", "1:1 rule.literal"),
    ("row.updated > timestamp(\"2026-01-01T00:00:00.0000001Z\")", "1:25 rule.literal"),
    ("row.updated > timestamp(\"2026-01-01T00:00:00\")", "1:25 rule.literal"),
    ("row.capital > money(\"1.005\")", "1:21 rule.literal"),
    ("row.ratio > decimal(\"1e5\")", "1:21 rule.literal"),
    ("row.ratio > decimal(\"9223372036854775808\")", "1:21 rule.literal"),
    ("row.name == \"a\\x00\"", "1:13 rule.character"),
    ("(row.staff > 1) == true", "1:2 rule.condition_as_value"),
    ("has(row.name) == true", "1:1 rule.condition_as_value"),
    ("has(row)", "1:5 rule.unknown_name"),
    ("row.name == \"南京\" && has(row) && has(1)", "1:25 rule.unknown_name 1:37 rule.unsupported"),
    ("has(row.name, row.note)", "1:1 rule.has"),
    ("row.name == all(1)", "1:13 rule.macro"),
    ("row.name.startsWith(\"a\", \"b\")", "1:1 rule.call"),
    ("row.staff >", "1:12 rule.syntax"),
    ("", "1:1 rule.syntax"),
    ("row.updated > timestamp(\"0000-12-31T23:59:59Z\")", "1:25 rule.literal"),
    ("row.is == 1 || row.and == 1", "1:1 rule.unknown_field 1:16 rule.unknown_field"),
    ("row.name = \"a\"", "1:10 rule.character"),
    ("row.staff == 1 & row.other == 2", "1:16 rule.character"),
    ("row.staff == 1 and row.other == 2", "1:16 rule.sql_word"),
    ("row.name LIKE 'a%'", "1:10 rule.sql_word"),
    ("row.name == “南京”", "1:13 rule.character 1:14 rule.character 1:15 rule.character 1:16 rule.character"),
    ("（row.violation）", "1:1 rule.character 1:15 rule.character"),
    ("row.name == \"a", "1:13 rule.quote"),
    ("row.name == r\"a\"", "1:14 rule.quote"),
    ("row.name == \"\"\"a\"\"\"", "1:13 rule.quote"),
    ("row.name == \"\\d\"", "1:14 rule.escape"),
    ("row.`name` == \"a\"", "1:5 rule.character 1:10 rule.character"),
    ("(row.violation", "1:1 rule.bracket"),
    ("row.violation)", "1:14 rule.bracket"),
    ("(row.staff in [1)]", "1:17 rule.bracket 1:18 rule.bracket"),
];

#[test]
fn refusals_say_where() {
    for (source, wanted) in REFUSALS {
        assert_eq!(found(source).join(" "), *wanted, "{source}: {:#?}", findings(source));
    }
}

/// What an input method puts for ASCII is met with the ASCII; for a wide form that is what NFKC says of it.
#[test]
fn foreign_characters_are_met_with_what_they_stood_for() {
    use unicode_normalization::UnicodeNormalization;
    let table = [
        ("“”„‟«»「」", '"'),
        ("‘’", '\''),
        ("。", '.'),
        ("、", ','),
        ("【", '['),
        ("】", ']'),
        ("《≤", '<'),
        ("》≥", '>'),
        ("\u{3000}\u{a0}", ' '),
    ];
    let listed = table.iter().flat_map(|(foreign, meant)| foreign.chars().map(|it| (it, *meant)));
    let wide = ('\u{ff01}'..='\u{ff5e}').map(|it| (it, it.nfkc().next().unwrap()));
    for (foreign, meant) in listed.chain(wide) {
        let finding = findings(&format!("row.active {foreign}")).remove(0);
        assert_eq!((finding.column, finding.code), (12, "rule.character"), "{foreign}");
        assert_eq!(finding.remedy.en, format!("write the ASCII {meant}"));
    }
    assert_eq!(findings("row.active 或").remove(0).remedy.en, "remove it, or put it into \"…\"");
}

#[test]
fn words_of_sql_are_met_with_those_of_cel() {
    for (word, meant) in [
        ("and", "&&"),
        ("OR", "||"),
        ("Not", "!"),
        ("is", "== null"),
        ("like", ".startsWith() .endsWith() .contains()"),
        ("between", ">= … && <= …"),
    ] {
        let finding = findings(&format!("row.active {word} true")).remove(0);
        assert_eq!((finding.column, finding.code), (12, "rule.sql_word"), "{word}");
        assert_eq!(finding.remedy.en, format!("write {meant}"));
    }
}

/// An escape is read or refused where it stands, wherever the source breaks off.
#[test]
fn an_escape_has_all_its_digits() {
    for (whole, digit) in [(r"\x4a", 'g'), (r"\X4a", 'g'), (r"\u004a", 'g'), (r"\U0000004a", 'g'), (r"\112", '8')] {
        assert!(holds(&format!("row.name == \"{whole}\""), "name", Value::Text("J".to_owned())), "{whole}");
        for end in 2..whole.len() {
            let cut = &whole[..end];
            assert_eq!(found(&format!("row.name == \"{cut}\"")), ["1:14 rule.escape"], "{cut}");
            assert_eq!(found(&format!("row.name == \"{cut}")), ["1:13 rule.quote", "1:14 rule.escape"], "{cut}");
            let wrong = format!("{cut}{digit}{}", &whole[end + 1..]);
            assert_eq!(found(&format!("row.name == \"{wrong}\"")), ["1:14 rule.escape"], "{wrong}");
        }
    }
    assert_eq!(found("row.name == \"\\"), ["1:13 rule.quote", "1:14 rule.escape"]);
}

/// Each type has a name of its own in both languages, and the example that a finding gives compiles when it is taken.
#[test]
fn a_finding_names_the_type_and_an_example_that_compiles() {
    let record = record();
    let mut names = std::collections::BTreeMap::new();
    for (name, field) in record.fields.iter().filter(|(_, it)| it.kind != FieldType::Boolean) {
        let source = format!("row.{name}");
        let [finding] = <[Finding; 1]>::try_from(findings(&source)).unwrap();
        let (zh, en) = (finding.fact.zh, finding.fact.en);
        let (_, example) = finding.remedy.en.split_once(" … == ").unwrap();
        assert!(finding.remedy.zh.ends_with(example), "{}", finding.remedy.zh);
        bound(&format!("{source} == {example}"));
        let kind = std::mem::discriminant(&field.kind);
        assert_eq!(*names.entry(zh).or_insert(kind), kind, "{source}");
        assert_eq!(*names.entry(en).or_insert(kind), kind, "{source}");
    }
    let told = |source: &str| findings(source).remove(0).remedy.en;
    assert_eq!(told("row.ratio == row.fine"), "both fields need the same code list or scale");
    assert_eq!(told("row.founded == row.updated"), "write a value like date(\"2026-01-01\")");
    assert_eq!(told("5 < row.ratio"), "write a value like decimal(\"1.50\")");
    assert_eq!(told("row.name == 5"), "write a value like \"…\"");
}

#[test]
fn all_findings_come_at_once_with_their_places() {
    let source = "row.名字 == \"a\"";
    assert!(!found(source).is_empty());
    let first = "// 第一行\nrow.name == \"𠀀𠀁\" && row.nam == \"a\"\n";
    let source = &format!("{first}  || row.staff > \"南京\" || row.ratio > 1.5 && !(row.founded)");
    assert_eq!(
        found(source),
        ["2:21 rule.unknown_field", "3:6 rule.types", "3:38 rule.float", "3:47 rule.no_condition"]
    );
    let problem = problem(&findings(source));
    assert_eq!(problem.code, "rule.source");
    assert_eq!(problem.detail.zh.lines().count(), 4);
    assert!(problem.detail.en.starts_with("2:21 there is no field nam; fields: name, note"), "{}", problem.detail.en);
    assert_eq!(problem.more["findings"][3]["column"], 47);
}

/// As deep as allowed parses on a small stack, debug build; one deeper is a finding, not a crash.
#[test]
fn depth_is_bounded() {
    let brackets = |depth: usize| format!("{}row.violation{}", "(".repeat(depth), ")".repeat(depth));
    let chain = |links: usize| format!("row.violation{}", " == true".repeat(links));
    let nots = |count: usize| format!("{}row.violation", "!".repeat(count));
    let ternary = |count: usize| format!("{}true", "row.violation ? true && true : ".repeat(count));
    let mixed = format!("{}1{}", "((((1 < 1 < (".repeat(3), ")))))".repeat(3));
    let deep = |source: &str| found(source).iter().any(|it| it.ends_with("rule.too_deep"));
    std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(move || {
            assert_eq!(found(&brackets(SOURCE_BRACKETS_MAX)), [""; 0]);
            assert!(deep(&brackets(SOURCE_BRACKETS_MAX + 1)));
            assert_eq!(found(&nots(SOURCE_DEPTH_MAX - 1)), [""; 0]);
            assert!(deep(&nots(SOURCE_DEPTH_MAX)));
            assert_eq!(found(&chain(SOURCE_DEPTH_MAX - 1)), ["1:1 rule.condition_as_value"]);
            assert!(deep(&chain(SOURCE_DEPTH_MAX)));
            assert!(deep(&ternary(SOURCE_DEPTH_MAX + 1)));
            assert!(deep(&format!("1{}", " in 1".repeat(SOURCE_DEPTH_MAX + 1))));
            assert!(deep(&format!("row.x{}", "[0]".repeat(SOURCE_DEPTH_MAX))));
            assert!(deep(&format!("row{}", ".x".repeat(SOURCE_DEPTH_MAX + 1))));
            assert!(deep(&mixed));
            assert!(deep(&"(".repeat(SOURCE_BYTES_MAX)));
            let flat = vec!["row.violation"; RULE_TESTS_MAX].join(" || (true) && ");
            assert_eq!(found(&flat), [""; 0]);
        })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn size_is_bounded() {
    let tests = |count: usize| (0..count).map(|it| format!("row.staff == {it}")).collect::<Vec<_>>().join(" || ");
    assert_eq!(found(&tests(RULE_TESTS_MAX)), [""; 0]);
    assert_eq!(found(&tests(RULE_TESTS_MAX + 1)), ["1:1 rule.too_large"]);
    for test in [
        "row.active",
        "has(row.name)",
        "row.staff in [1]",
        "row.name.contains(\"a\")",
        "row.home.under(\"32\")",
        "row.name == null",
    ] {
        let repeated = |count: usize| vec![test; count].join(" || ");
        assert_eq!(found(&repeated(RULE_TESTS_MAX)), [""; 0], "{test}");
        assert_eq!(found(&repeated(RULE_TESTS_MAX + 1)), ["1:1 rule.too_large"], "{test}");
    }
    let list =
        |count: usize| format!("row.staff in [{}]", (0..count).map(|it| it.to_string()).collect::<Vec<_>>().join(","));
    assert_eq!(found(&list(LIST_MAX)), [""; 0]);
    assert_eq!(found(&list(LIST_MAX + 1)), ["1:14 rule.too_large"]);
    assert_eq!(found(&" ".repeat(SOURCE_BYTES_MAX + 1)), ["1:1 rule.too_large"]);
    let padded = format!("true{}", " ".repeat(SOURCE_BYTES_MAX - 4));
    assert_eq!(found(&padded), [""; 0]);
    assert_eq!(found(&"。".repeat(FINDINGS_MAX + 9)).len(), FINDINGS_MAX);
}

#[test]
fn binding_is_bounded() {
    let zones = (0..=FILTER_TESTS_MAX).map(|it| (format!("41{it:04}"), "3201".to_owned()));
    let ask = asks().zones(Zones::new(zones).unwrap());
    let rule = compiled("row.division.under(\"3201\")");
    assert_eq!(rule.bind(&ask).unwrap_err().code, "rule.too_large");
}

#[test]
fn a_value_of_another_type_binds_nothing() {
    let rule = compiled("row.division.under(ask.organisation.division)");
    for value in [Value::Integer(32), Value::Text("a\0".to_owned()), Value::Boolean(true)] {
        let problem = rule.bind(&asks().with("organisation.division", value)).unwrap_err();
        assert_eq!((&*problem.code, problem.field.as_deref()), ("rule.ask", Some("/organisation/division")));
    }
    for nowhere in ["", "3", "nowhere", "0000"] {
        let ask = asks().with("organisation.division", Value::Text(nowhere.to_owned()));
        assert_eq!(rule.bind(&ask).unwrap(), Filter::never(), "{nowhere:?}");
    }
}

#[test]
fn what_does_not_suit_holds_in_neither_form() {
    let record = record();
    let compare = |name: &str, value| Filter::Is(Test::Compare { field: field(name), by: By::Gt, value });
    let unsuited = [
        compare("nowhere", Constant::Integer(1)),
        compare("staff", Constant::Money(1)),
        compare("ratio", Constant::Decimal { unscaled: 1, scale: 3 }),
        compare("name", text("a")),
        Filter::Is(Test::Fields { field: field("ratio"), by: By::Eq, other: field("fine") }),
        Filter::Is(Test::Fields { field: field("name"), by: By::Lt, other: field("note") }),
        Filter::Is(Test::Contains { field: field("staff"), text: "1".to_owned() }),
        Filter::Is(Test::In { field: field("staff"), values: vec![Constant::Integer(1), text("a")] }),
        Filter::Is(Test::Null { field: field("nowhere") }),
    ];
    let row = vec![Value::Null; record.fields.len()];
    for filter in unsuited {
        for filter in [filter.clone(), filter.not()] {
            assert!(!filter.matches(&record, &row), "{filter:?}");
            assert_eq!(filter.check(&record).unwrap_err().code, "rule.field");
            assert_eq!(filter.sql(&record, Dialect::Postgres, 1), ("1 = 0".to_owned(), vec![]));
        }
    }
    let suited = compare("staff", Constant::Integer(1));
    for row in [vec![], row_with("staff", Value::Text("2".to_owned()))] {
        assert!(!suited.matches(&record, &row) && !suited.clone().not().matches(&record, &row));
    }
}

#[test]
fn a_filter_has_one_form_on_the_wire() {
    let source =
        "row.staff in [3, 1, 3] && !(row.ratio > decimal(\"1.5\") || row.name == \"南京\") && row.staff in [2]";
    let wire = concat!(
        r#"{"all":[{"is":{"compare":{"by":"eq","field":"staff","value":{"integer":"2"}}}},"#,
        r#"{"is":{"in":{"field":"staff","values":[{"integer":"1"},{"integer":"3"}]}}},"#,
        r#"{"not":{"compare":{"by":"eq","field":"name","value":{"text":"南京"}}}},"#,
        r#"{"not":{"compare":{"by":"gt","field":"ratio","value":{"decimal":"1.50"}}}}]}"#
    );
    assert_eq!(json(&bound(source)), wire);
    assert_eq!(parsed(wire), Ok(bound(source)));
    assert_eq!(json(&Filter::always()), r#"{"all":[]}"#);
    assert_eq!(json(&Filter::never()), r#"{"any":[]}"#);
    assert_eq!(bound("!(row.name == \"a\" || true)"), Filter::never());
    assert_eq!(bound("!(row.name == \"a\" && false)"), Filter::always());
}

#[test]
fn no_other_form_is_read() {
    let is = |value: &str| format!(r#"{{"is":{{"compare":{{"field":"staff","by":"eq","value":{value}}}}}}}"#);
    assert!(parsed(&is(r#"{"integer":"-3"}"#)).is_ok());
    let (one, two) = (is(r#"{"integer":"1"}"#), is(r#"{"integer":"2"}"#));
    let starts = |text: &str| format!(r#"{{"is":{{"starts_with":{{"field":"name","text":"{text}"}}}}}}"#);
    assert!(parsed(&starts("a")).is_ok());
    let list = |count: usize| {
        let values: BTreeSet<_> = (0..count).map(|it| format!(r#"{{"text":"{it:05}"}}"#)).collect();
        let values = values.into_iter().collect::<Vec<_>>().join(",");
        format!(r#"{{"is":{{"in":{{"field":"name","values":[{values}]}}}}}}"#)
    };
    assert!(parsed(&list(LIST_MAX)).is_ok());
    let many = |count: usize| {
        let tests = (0..count).map(|it| starts(&format!("{it:05}"))).collect::<Vec<_>>().join(",");
        format!(r#"{{"all":[{tests}]}}"#)
    };
    assert!(parsed(&many(FILTER_TESTS_MAX)).is_ok());
    let refused = [
        is(r#"{"integer":3}"#),
        is(r#"{"integer":"+3"}"#),
        is(r#"{"integer":"03"}"#),
        is(r#"{"integer":"-0"}"#),
        is(r#"{"decimal":"-0.0"}"#),
        is(r#"{"decimal":"1."}"#),
        is(r#"{"decimal":"01.5"}"#),
        is(r#"{"decimal":"1.5e3"}"#),
        is(r#"{"money":"1"}"#),
        is(r#"{"date":"2026-1-1"}"#),
        is(r#"{"date":"-000001-01-01"}"#),
        is(r#"{"timestamp":"2026-01-01T08:00:00+08:00"}"#),
        is(r#"{"timestamp":"2026-01-01T00:00:00.0000001Z"}"#),
        is(r#"{"text":"e\u0301"}"#),
        is(r#"{"text":"a\u0000"}"#),
        is(r#"{"text":"a","more":1}"#),
        starts(""),
        starts("e\\u0301"),
        starts("a\\u0000"),
        format!(r#"{{"all":[{one}]}}"#),
        format!(r#"{{"all":[{two},{one}]}}"#),
        format!(r#"{{"all":[{one},{one}]}}"#),
        format!(r#"{{"all":[{one},{{"all":[{one},{two}]}}]}}"#),
        format!(r#"{{"any":[{one},{{"all":[]}}]}}"#),
        r#"{"is":{"in":{"field":"staff","values":[{"integer":"1"}]}}}"#.to_owned(),
        r#"{"is":{"in":{"field":"staff","values":[{"integer":"2"},{"integer":"1"}]}}}"#.to_owned(),
        r#"{"is":{"fields":{"field":"staff","by":"lt","other":"other"}}}"#.to_owned(),
        r#"{"is":{"null":{"field":"staff","more":1}}}"#.to_owned(),
        r#"{"is":{"null":{"field":"Staff\""}}}"#.to_owned(),
        r#"{"maybe":[]}"#.to_owned(),
        list(LIST_MAX + 1),
        many(FILTER_TESTS_MAX + 1),
    ];
    for it in refused {
        assert!(parsed(&it).is_err(), "{it}");
    }
    let nested = |depth: usize| {
        (0..depth).fold(two.clone(), |inner, level| {
            let part = starts(&format!("{level:05}"));
            let parts = if level == 0 { format!("{inner},{part}") } else { format!("{part},{inner}") };
            let parts = if parts.starts_with(r#"{"is"#) { parts } else { format!("{inner},{part}") };
            format!(r#"{{"{}":[{parts}]}}"#, if level % 2 == 0 { "all" } else { "any" })
        })
    };
    let deep = |levels: usize| {
        (0..levels).fold(Filter::Is(Test::Null { field: field("name") }), |inner, level| {
            let Filter::Is(part) = parsed(&starts(&format!("{level:05}"))).unwrap() else { unreachable!() };
            if level % 2 == 0 { inner.and(Filter::Is(part)) } else { inner.or(Filter::Is(part)) }
        })
    };
    assert!(parsed(&json(&deep(FILTER_DEPTH_MAX))).is_ok());
    assert!(parsed(&json(&deep(FILTER_DEPTH_MAX + 1))).is_err());
    assert!(parsed(&nested(400)).is_err(), "serde_json refuses before our bound does");
}

#[test]
fn filters_are_made_by_hand_too() {
    let (staff, name) = (field("staff"), field("name"));
    let made = Filter::compare(&staff, &FieldType::Integer, By::Ge, &Value::Integer(3)).unwrap();
    assert_eq!(made, bound("row.staff >= 3"));
    assert_eq!(Filter::compare(&staff, &FieldType::Integer, By::Ge, &Value::Null).unwrap(), Filter::never());
    let wrong = Filter::compare(&staff, &FieldType::Integer, By::Eq, &Value::Text("3".to_owned())).unwrap_err();
    assert_eq!((&*wrong.code, wrong.field.as_deref()), ("rule.value", Some("/staff")));
    let kind = FieldType::Text { max: 9 };
    assert!(Filter::compare(&name, &kind, By::Lt, &Value::Text("3".to_owned())).is_err());
    assert!(
        Filter::compare(&name, &kind, By::Eq, &Value::Text("e\u{301}".to_owned())).unwrap()
            == bound("row.name == \"\u{e9}\"")
    );
}

/// A field is pinned exactly where every row that holds has the same value in it.
#[test]
fn a_pinned_field_has_one_value() {
    for (source, pinned) in [
        ("row.staff == 3", true),
        ("row.staff == 3 && row.name == \"a\"", true),
        ("row.name == \"a\" && (row.violation || row.active)", false),
        ("row.staff != 3", false),
        ("row.staff >= 3", false),
        ("row.staff == row.other", false),
        ("row.staff in [3, 4]", false),
        ("row.staff == 3 || row.staff == 4", false),
        ("row.staff == 3 || row.active", false),
        ("true", false),
        ("false", true),
    ] {
        assert_eq!(bound(source).pins(&field("staff")), pinned, "{source}");
    }
}

#[test]
fn a_filter_names_every_field_it_looks_at() {
    let source = "row.staff == row.other && !(row.name in [\"a\", \"b\"] || row.active) && row.home.under(\"32\")";
    let names: Vec<_> = bound(source).fields().into_iter().map(|it| it.to_string()).collect();
    assert_eq!(names, ["active", "home", "name", "other", "staff"]);
}

/// Each type makes its own round through a filter by hand: what was put in is found, by its equal and by nothing else.
#[test]
fn every_value_is_found_by_its_equal() {
    let record = record();
    for (name, value) in sample::one_of_each() {
        let kind = &record.fields[name].kind;
        let filter = |by| Filter::compare(&field(name), kind, by, &value).unwrap();
        assert!(filter(By::Eq).matches(&record, &row_with(name, value.clone())), "{name}");
        assert!(!filter(By::Ne).matches(&record, &row_with(name, value.clone())), "{name}");
        assert_eq!(parsed(&json(&filter(By::Eq))), Ok(filter(By::Eq)), "{name}");
        for (other, strange) in sample::one_of_each() {
            let suits = record.fields[other].kind == *kind || (record.fields[other].kind.is_text() && kind.is_text());
            let scaled = matches!((&value, &strange), (Value::Scaled(_), Value::Scaled(_)));
            let made = Filter::compare(&field(name), kind, By::Eq, &strange);
            assert_eq!(made.is_ok(), suits || scaled, "{name} {other}");
        }
    }
}

#[test]
fn what_is_asked_is_compared_while_binding() {
    let decided = |source: &str| match bound(source) {
        it if it == Filter::always() => true,
        it if it == Filter::never() => false,
        it => panic!("{source}: {it:?}"),
    };
    for (source, wanted) in [
        ("ask.limit == decimal(\"1.5001\")", true),
        ("ask.limit == decimal(\"1.50010\") && ask.limit in [decimal(\"7\"), decimal(\"1.5001\")]", false),
        ("ask.limit > decimal(\"1.5\") && ask.limit < decimal(\"2\") && ask.limit != ask.whole", true),
        ("decimal(\"1.5\") >= ask.limit || ask.whole > ask.limit", false),
        ("ask.whole == decimal(\"1\") && ask.whole >= ask.whole", true),
        ("ask.purpose.startsWith(\"惠企\") && ask.purpose.endsWith(\"匹配\") && ask.purpose.contains(\"政策\")", true),
        ("ask.purpose.startsWith(\"政策\") || ask.purpose.endsWith(\"政策\") || ask.purpose.contains(\"x\")", false),
        ("ask.purpose in [\"a\", \"惠企政策匹配\"] && ask.trusted && !(ask.purpose == \"a\")", true),
        ("ask.staff == 1 || ask.staff != 1 || ask.staff in [1] || ask.staff < 1", false),
        ("has(ask.purpose) && ask.purpose != null && ask.staff == null && !has(ask.staff)", true),
        ("ask.purpose == null || has(ask.staff)", false),
    ] {
        let refused = findings(source);
        if refused.is_empty() {
            assert_eq!(decided(source), wanted, "{source}");
        } else {
            assert!(!wanted && refused.iter().all(|it| it.code == "rule.scale"), "{source}: {refused:#?}");
        }
    }
}

#[test]
fn numbers_are_written_one_way() {
    let decimals: [(&str, Option<(i64, u8)>); 15] = [
        ("1.50", Some((150, 2))),
        ("-0.5", Some((-5, 1))),
        ("007", Some((7, 0))),
        ("999999999999999999", Some((999_999_999_999_999_999, 0))),
        ("0.000000000000000001", Some((1, 18))),
        ("0.0000000000000000001", None),
        ("-9223372036854775808", Some((i64::MIN, 0))),
        ("9223372036854775808", None),
        ("1.", None),
        (".5", None),
        ("-", None),
        ("", None),
        ("--1", None),
        ("1.a", None),
        ("a.1", None),
    ];
    for (text, wanted) in decimals {
        assert_eq!(constant::decimal(text), wanted, "{text:?}");
    }
    for (unscaled, scale) in [(i64::MIN, 0), (i64::MAX, 18), (i64::MIN, 18), (-1, 2)] {
        let constants = [Constant::Decimal { unscaled, scale }, Constant::Money(unscaled)];
        for value in constants {
            let filter = Filter::Is(Test::Compare { field: field("fine"), by: By::Ne, value });
            assert_eq!(parsed(&json(&filter)), Ok(filter));
        }
    }
    let amounts = [("100", Some(10_000)), ("100.5", Some(10_050)), ("-0.01", Some(-1)), ("1.005", None)];
    for (text, wanted) in amounts {
        assert_eq!(constant::money(text), wanted, "{text:?}");
    }
    assert_eq!(constant::money("999999999999999999"), None, "overflows");
}

/// Years that one database writes with other digits than the other are no constants.
#[test]
fn years_have_four_digits() {
    let day = |year| Value::Date(vocabulary::Date::new(year, 1, 1).unwrap());
    let at = |second| Value::Timestamp(vocabulary::Timestamp::from_second(second).unwrap());
    let year_one = -62_135_596_800;
    for (name, value, fits) in [
        ("founded", day(1), true),
        ("founded", day(0), false),
        ("founded", day(-1), false),
        ("updated", at(year_one), true),
        ("updated", at(year_one - 1), false),
    ] {
        let made = Filter::compare(&field(name), &record().fields[name].kind, By::Eq, &value);
        assert_eq!(made.is_ok(), fits, "{value:?}");
    }
}

#[test]
fn sql_is_plain_where_it_may_be() {
    let both = |source: &str| {
        let filter = bound(source);
        [Dialect::Sqlite, Dialect::Postgres].map(|it| filter.sql(&record(), it, 1).0)
    };
    assert_eq!(both("row.name == \"a\""), [r#""name" = $1"#, r#""name" = CAST($1 AS text)"#]);
    assert_eq!(
        both("!(row.staff > 3)"),
        [r#"("staff" IS NULL OR "staff" <= $1)"#, r#"("staff" IS NULL OR "staff" <= CAST($1 AS bigint))"#]
    );
    assert_eq!(both("row.division.under(\"3201\")")[0], r#"("division" >= $1 AND "division" < $2)"#);
    assert_eq!(
        both("!row.name.startsWith(\"\u{10ffff}\") && !(row.staff == row.other)")[0],
        r#"(("other" IS NULL OR "staff" IS NULL OR "other" <> "staff") AND ("name" IS NULL OR "name" < $1))"#
    );
    assert_eq!(
        both("row.name.endsWith(\"南京\") || row.name.contains(\"a\")"),
        [
            r#"(substr("name", -2) = $1 OR instr("name", $2) > 0)"#,
            r#"(right("name", 2) = CAST($1 AS text) OR strpos("name", CAST($2 AS text)) > 0)"#
        ]
    );
    assert_eq!(both("row.ratio < decimal(\"1.5\")")[1], r#""ratio" < (CAST($1 AS bigint) * 0.01)"#);
    assert_eq!(both("row.founded < date(\"2026-01-01\")")[1], r#""founded" < CAST(CAST($1 AS text) AS date)"#);
    assert_eq!(both("row.violation")[1], r#""violation" = (CAST($1 AS bigint) <> 0)"#);
    assert_eq!(both("true || row.violation")[0], "1 = 1");
    assert_eq!(both("false")[0], "1 = 0");
    assert_eq!(both("row.staff in [3, 1]")[0], r#""staff" IN ($1, $2)"#);
    assert_eq!(both("!(row.staff in [3, 1])")[0], r#"("staff" IS NULL OR "staff" NOT IN ($1, $2))"#);
}

/// A filter in a form of its own, which nobody but a caller in Rust can make, says in SQL what it says of rows: nothing
/// is in an empty list, and every text begins and ends with the empty one.
#[test]
fn an_empty_list_and_an_empty_text_have_sql_too() {
    let (field, text) = (field("name"), String::new);
    let none = Test::In { field: field.clone(), values: vec![] };
    let every = [
        Test::StartsWith { field: field.clone(), text: text() },
        Test::EndsWith { field: field.clone(), text: text() },
        Test::Contains { field, text: text() },
    ];
    let expected = [(none, "1 = 0", r#"("name" IS NULL OR 1 = 1)"#)].into_iter();
    let every = every.map(|it| (it, r#""name" IS NOT NULL"#, r#"("name" IS NULL OR 1 = 0)"#));
    for (test, is, not) in expected.chain(every) {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            assert_eq!(Filter::Is(test.clone()).sql(&record(), dialect, 1), (is.to_owned(), vec![]));
            assert_eq!(Filter::Not(test.clone()).sql(&record(), dialect, 1), (not.to_owned(), vec![]));
        }
        for value in [Value::Null, Value::Text(text()), Value::Text("a".to_owned())] {
            let holds = |filter: Filter| filter.matches(&record(), &row_with("name", value.clone()));
            assert_eq!(holds(Filter::Is(test.clone())), is != "1 = 0" && value != Value::Null);
            assert_eq!(holds(Filter::Not(test.clone())), is == "1 = 0" || value == Value::Null);
        }
    }
}

/// How each type is stored, and read back exactly. Tables of yesterday were made so: a changed line needs a migration.
#[test]
fn each_type_is_stored_as_it_was() {
    let instant = "(TIMESTAMPTZ '1970-01-01 00:00:00+00' + (CAST($7 AS bigint) / 3600000000) * INTERVAL '1 hour' \
                   + (CAST($7 AS bigint) % 3600000000) * INTERVAL '1 microsecond')";
    let text = r#"TEXT COLLATE "C""#;
    for (name, sqlite, postgres, parameter, select) in [
        ("name", "TEXT", text, "CAST($7 AS text)", r#""name""#),
        ("status", "TEXT", text, "CAST($7 AS text)", r#""status""#),
        ("uscc", "TEXT", text, "CAST($7 AS text)", r#""uscc""#),
        ("home", "TEXT", text, "CAST($7 AS text)", r#""home""#),
        ("staff", "INTEGER", "BIGINT", "CAST($7 AS bigint)", r#""staff""#),
        ("capital", "INTEGER", "BIGINT", "CAST($7 AS bigint)", r#""capital""#),
        ("ratio", "INTEGER", "NUMERIC(8,2)", "(CAST($7 AS bigint) * 0.01)", r#"CAST("ratio" * 100 AS bigint)"#),
        ("active", "INTEGER", "BOOLEAN", "(CAST($7 AS bigint) <> 0)", r#"CAST(CAST("active" AS integer) AS bigint)"#),
        ("seen", "TEXT", "DATE", "CAST(CAST($7 AS text) AS date)", r#"to_char("seen", 'YYYY-MM-DD')"#),
        ("loaded", "INTEGER", "TIMESTAMPTZ", instant, r#"CAST(EXTRACT(EPOCH FROM "loaded") * 1000000 AS bigint)"#),
    ] {
        let kind = &record().fields[name].kind;
        assert_eq!(sql::column_type(kind, Dialect::Sqlite), sqlite, "{name}");
        assert_eq!(sql::column_type(kind, Dialect::Postgres), postgres, "{name}");
        assert_eq!(sql::parameter(kind, Dialect::Postgres, 7), parameter, "{name}");
        assert_eq!(sql::parameter(kind, Dialect::Sqlite, 7), "$7", "{name}");
        assert_eq!(sql::select(name, kind, Dialect::Postgres), select, "{name}");
        assert_eq!(sql::select(name, kind, Dialect::Sqlite), sql::quote(name));
    }
    let whole = FieldType::Decimal { precision: 18, scale: 0 };
    assert_eq!(sql::parameter(&whole, Dialect::Postgres, 1), "(CAST($1 AS bigint) * 1)");
}

#[test]
fn a_stored_cell_comes_back() {
    for (name, value) in sample::one_of_each() {
        let kind = &record().fields[name].kind;
        assert_eq!(sql::value(kind, sql::cell(&value)).unwrap(), value, "{name}");
        assert_eq!(sql::value(kind, sql::Cell::Null).unwrap(), Value::Null);
    }
    let wrong = [
        (FieldType::Boolean, sql::Cell::Int(2)),
        (FieldType::Date, sql::Cell::Text("soon".to_owned())),
        (FieldType::Date, sql::Cell::Int(1)),
        (FieldType::Integer, sql::Cell::Text("1".to_owned())),
        (FieldType::Division, sql::Cell::Int(32)),
    ];
    for (kind, cell) in wrong {
        assert_eq!(sql::value(&kind, cell).unwrap_err().code, "rule.stored");
    }
    assert_eq!(sql::quote("a\"b"), "\"a\"\"b\"");
}

#[test]
fn a_filter_has_a_schema() {
    let schema = serde_json::to_string(&schemars::schema_for!(Filter)).unwrap();
    for word in ["\"all\"", "\"any\"", "\"is\"", "\"not\"", "starts_with", "\"decimal\""] {
        assert!(schema.contains(word), "{word} {schema}");
    }
}
