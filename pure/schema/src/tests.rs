//! Laws of values, codes, code lists, declarations and Arrow batches.

use crate::*;
use proptest::prelude::*;
use vocabulary::{Bilingual, Date, ResourceId, timestamp_from_micros};

const OPERATION: &str = r#"
record: legal-person-operation
title: {zh: 法人经营与信用信息, en: Operation and credit of legal persons}
key: [uscc]
fields:
  uscc:      {type: org-code, of: legal-person, title: {zh: 统一社会信用代码, en: Credit code}, grade: 一般/1}
  division:  {type: division, title: {zh: 登记区划, en: Registration division}, grade: 一般/1}
  staff:     {type: integer, min: 0, unit: "{person}", optional: true, grade: 一般/2}
  revenue:   {type: money, optional: true, grade: 一般/3}
  abnormal:  {type: code, list: abnormal-operation, optional: true, grade: 一般/1}
  violation: {type: boolean, grade: 一般/1}
  rate:      {type: decimal, precision: 6, scale: 3, optional: true, grade: 一般/1}
  founded:   {type: date, optional: true, grade: 一般/1}
  updated:   {type: timestamp, optional: true, grade: 一般/1}
  telephone: {type: text, max: 20, personal: true, optional: true, grade: 一般/3}
"#;

fn operation() -> RecordType {
    serde_saphyr::from_str(OPERATION).unwrap()
}

fn id(text: &str) -> ResourceId {
    ResourceId::new(text).unwrap()
}

fn flaws(yaml: &str) -> Vec<String> {
    let json: serde_json::Value = serde_saphyr::from_str(yaml).unwrap();
    match RecordType::read(json) {
        Ok(_) => Vec::new(),
        Err(Ok(flaws)) => flaws.into_iter().map(|it| it.pointer).collect(),
        Err(Err(it)) => panic!("serde could not read it: {it}"),
    }
}

// ---- declarations ----

#[test]
fn the_example_of_the_issue_is_read() {
    let record = operation();
    assert_eq!(record.fields.len(), 10);
    assert_eq!(record.grade(), Grade::General3);
    assert!(record.personal());
    let staff = record.field("staff").unwrap();
    assert_eq!((staff.unit.as_deref(), &staff.title), (Some("{person}"), &Bilingual::new("staff", "staff")));
    assert_eq!(record.field("telephone").unwrap().kind, FieldType::Text { max: 20 });
    assert_eq!(record.field("abnormal").unwrap().kind, FieldType::Code { list: id("abnormal-operation") });
    assert_eq!(record.index_of("revenue"), Some(3));
    assert_eq!(record.key_indexes(), [0]);
}

#[test]
fn yaml_and_json_give_the_same_record_type_back() {
    let mut record = operation();
    record.about.cycle = Some(Cycle::Monthly);
    record.about.synthetic = true;
    record.about.theme = Some(id("credit"));
    let yaml = serde_saphyr::to_string(&record).unwrap();
    assert_eq!(serde_saphyr::from_str::<RecordType>(&yaml).unwrap(), record, "{yaml}");
    let json = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<RecordType>(&json).unwrap(), record);
}

/// What goes without saying is not written: neither `false` nor a title that is the name.
#[test]
fn a_record_type_is_written_as_briefly_as_it_may_be() {
    let mut record = operation();
    record.fields.get_mut("rate").unwrap().title.en = "Rate".to_owned();
    let json = serde_json::to_value(&record).unwrap();
    assert_eq!(json["fields"]["violation"], serde_json::json!({"type": "boolean", "grade": "一般/1"}));
    assert_eq!(json["fields"]["rate"]["title"], serde_json::json!({"zh": "rate", "en": "Rate"}));
    assert_eq!(json["fields"]["telephone"]["personal"], true);
    assert!(json.get("synthetic").is_none(), "{json}");
}

#[test]
fn a_record_type_without_persons_says_so() {
    let mut record = operation();
    record.fields.get_mut("telephone").unwrap().personal = false;
    assert!(!record.personal());
}

#[test]
fn a_flaw_names_the_type_and_what_there_is() {
    let told = |yaml: &str| {
        let json: serde_json::Value = serde_saphyr::from_str(yaml).unwrap();
        let flaw = RecordType::read(json).unwrap_err().unwrap().remove(0);
        (flaw.what.en, flaw.remedy.en)
    };
    let said = |what: &str, remedy: &str| (what.to_owned(), remedy.to_owned());
    for (field, what, remedy) in [
        ("type: text", "a text field lacks max", "add max"),
        ("type: decimal, precision: 3", "a decimal field lacks scale", "add scale"),
        ("type: org-code", "a org-code field lacks of", "add of"),
        ("type: date, max: 3", "a date field takes no max", "remove max"),
    ] {
        assert_eq!(told(&with_field(field)), said(what, remedy));
    }
    let lost = with_field("type: date").replace("key: [k]", "key: [l]");
    assert_eq!(told(&lost), said("key field l is not among the fields", "use one of: f, k"));
}

#[test]
fn unknown_keys_and_unknown_words_are_refused() {
    for (from, to) in [
        ("personal: true", "personel: true"),
        ("type: money", "type: euro"),
        ("grade: 一般/3", "grade: 一般/9"),
        ("grade: 一般/2}", "}"),
        ("revenue:", "_revenue:"),
        ("of: legal-person", "of: natural-person"),
        ("record:", "cord: x\nrecord:"),
    ] {
        let yaml = OPERATION.replacen(from, to, 1);
        assert!(serde_saphyr::from_str::<RecordType>(&yaml).is_err(), "{to}");
    }
}

#[test]
fn all_flaws_are_named_at_once() {
    let yaml = r#"
record: r
title: {zh: "", en: x}
key: [a, a, missing, b]
fields:
  a: {type: text, grade: 一般/1}
  b: {type: text, max: 900, optional: true, grade: 一般/1}
  c: {type: integer, max: 3, scale: 2, list: x, of: legal-person, grade: 一般/1}
  d: {type: decimal, precision: 19, scale: 2, grade: 一般/1}
  e: {type: code, grade: 一般/1}
  f: {type: text, max: 0, min: 1, unit: m, grade: 一般/1}
"#;
    let expected = [
        "/fields/a",
        "/fields/c/max",
        "/fields/c/scale",
        "/fields/c/list",
        "/fields/c/of",
        "/fields/e",
        "/title",
        "/key/1",
        "/key/2",
        "/key/3",
        "/key/3",
        "/fields/d/precision",
        "/fields/f/max",
        "/fields/f/min",
        "/fields/f/unit",
    ];
    assert_eq!(flaws(yaml), expected);
    assert_eq!(flaws("{record: r, title: {zh: 甲, en: x}, key: [], fields: {}}"), ["/fields", "/key"]);
    assert_eq!(flaws(OPERATION), [] as [&str; 0]);
}

#[test]
fn too_many_fields_are_a_flaw() {
    let record = |count: usize| {
        let fields = (0..count).map(|it| {
            let name = FieldName::new(format!("f{it}")).unwrap();
            (name.clone(), Field::new(&name, FieldType::Boolean))
        });
        let key = vec![FieldName::new("f0").unwrap()];
        RecordType::new(id("r"), Bilingual::new("甲", "a"), key, fields.collect())
    };
    assert!(record(FIELDS_MAX).is_ok());
    assert_eq!(record(FIELDS_MAX + 1).unwrap_err()[0].pointer, "/fields");
}

#[test]
fn field_names_are_safe_identifiers() {
    for good in ["a", "uscc", "pm2_5", "a_", &"x".repeat(48)] {
        assert!(FieldName::new(good).is_ok(), "{good}");
    }
    for bad in ["", "_a", "1a", "A", "a-b", "a b", "a\"", "名", "a\0", &"x".repeat(49)] {
        assert!(FieldName::new(bad).is_err(), "{bad}");
        assert!(serde_json::from_value::<FieldName>(bad.into()).is_err(), "{bad}");
    }
}

#[test]
fn grades_are_ordered_and_written_as_in_the_standard() {
    assert!(Grade::ALL.is_sorted());
    for grade in Grade::ALL {
        assert_eq!(grade.as_str().parse::<Grade>().unwrap(), grade);
        assert_eq!(serde_json::to_value(grade).unwrap(), grade.as_str());
    }
    assert!("一般".parse::<Grade>().is_err());
}

/// The record type of one key field and one field declared by `text`.
fn with_field(text: &str) -> String {
    let field = format!("f: {{{text}, grade: 一般/1}}");
    format!("{{record: r, title: {{zh: 甲, en: x}}, key: [k], fields: {{k: {{type: date, grade: 一般/1}}, {field}}}}}")
}

#[test]
fn bounds_of_declarations_hold_exactly() {
    for (good, bad, pointer) in [
        ("type: text, max: 100000", "type: text, max: 100001", "/fields/f/max"),
        ("type: text, max: 1", "type: text, max: 0", "/fields/f/max"),
        ("type: decimal, precision: 18, scale: 18", "type: decimal, precision: 18, scale: 19", "/fields/f/precision"),
        ("type: decimal, precision: 1, scale: 0", "type: decimal, precision: 0, scale: 0", "/fields/f/precision"),
        ("type: integer, min: -1", "type: boolean, min: 1", "/fields/f/min"),
        ("type: money, unit: CNY", "type: date, unit: CNY", "/fields/f/unit"),
        ("type: integer, unit: m", "type: integer, unit: 米", "/fields/f/unit"),
        ("type: integer, unit: \"{person}\"", "type: integer, unit: \"\"", "/fields/f/unit"),
        ("type: boolean, title: {zh: 甲, en: a}", "type: boolean, title: {zh: 甲, en: \" \"}", "/fields/f/title"),
    ] {
        assert_eq!(flaws(&with_field(good)), [] as [&str; 0], "{good}");
        assert_eq!(flaws(&with_field(bad)), [pointer], "{bad}");
    }
    let unit = |count| with_field(&format!("type: integer, unit: {}", "m".repeat(count)));
    assert_eq!((flaws(&unit(32)).len(), flaws(&unit(33)).len()), (0, 1));
    let title = |count| with_field(&format!("type: boolean, title: {{zh: {}, en: a}}", "字".repeat(count)));
    assert_eq!((flaws(&title(TITLE_CHARS_MAX)).len(), flaws(&title(TITLE_CHARS_MAX + 1)).len()), (0, 1));
    let key = |max| with_field(&format!("type: text, max: {max}")).replace("key: [k]", "key: [f, k]");
    assert_eq!((flaws(&key(500)).len(), flaws(&key(501)).len()), (0, 1));
    let record: RecordType = serde_saphyr::from_str(&key(500)).unwrap();
    assert_eq!(record.key_indexes(), [1, 0]);
    let keys = |count: usize| {
        let names: Vec<_> = (0..count).map(|it| FieldName::new(format!("f{it}")).unwrap()).collect();
        let fields = names.iter().map(|it| (it.clone(), Field::new(it, FieldType::Date))).collect();
        RecordType::new(id("r"), Bilingual::new("甲", "a"), names, fields).is_ok()
    };
    assert!(keys(KEY_FIELDS_MAX) && !keys(KEY_FIELDS_MAX + 1));
}

#[test]
fn each_type_has_its_word_and_its_nature() {
    let record = operation();
    let json = serde_json::to_value(&record).unwrap();
    for (name, field) in &record.fields {
        assert_eq!(json["fields"][name.as_str()]["type"], field.kind.word());
        let (number, text) = match name.as_str() {
            "staff" | "revenue" | "rate" => (true, false),
            "uscc" | "division" | "abnormal" | "telephone" => (false, true),
            _ => (false, false),
        };
        assert_eq!((field.kind.is_number(), field.kind.is_text()), (number, text), "{name}");
    }
    assert_eq!(record.fields.values().map(|it| it.kind.scale()).collect::<Vec<_>>(), [0, 0, 0, 2, 0, 0, 3, 0, 0, 0]);
    assert!(Value::Null.is_null() && !Value::Boolean(false).is_null());
}

#[test]
fn cycles_have_titles_of_their_own() {
    let words = ["realtime", "daily", "weekly", "monthly", "quarterly", "half-yearly", "yearly", "irregular"];
    let cycles = words.map(|it| serde_json::from_value::<Cycle>(it.into()).unwrap());
    let titles: std::collections::BTreeSet<_> = cycles.map(Cycle::title).into_iter().collect();
    assert_eq!((titles.len(), cycles[5].title().zh.as_str()), (8, "每半年"));
}

#[test]
fn flaws_make_one_problem_that_points_at_the_first() {
    let flaw = |pointer| Flaw::new(pointer, "甲", "a", "乙", "b");
    let problem = flaws_problem(&[flaw("/x"), flaw("/y")]);
    assert_eq!((problem.code.as_ref(), problem.field.as_deref()), ("schema.flaws", Some("/x")));
    assert_eq!(problem.detail, Bilingual::new("/x：甲，乙；/y：甲，乙", "/x: a: b; /y: a: b"));
    assert_eq!(flaws_problem(&[]).field, None);
}

// ---- values ----

fn fault(kind: &FieldType, text: &str) -> &'static str {
    match kind.parse(text, &AnyCode) {
        Ok(value) => panic!("{text:?} was taken as {value:?}"),
        Err(fault) => fault.code,
    }
}

#[test]
fn wrong_values_are_refused_with_their_reason() {
    let decimal = FieldType::Decimal { precision: 5, scale: 2 };
    let code = FieldType::OrgCode { of: Holder::LegalPerson };
    for (kind, text, expected) in [
        (FieldType::Integer, "１２", "value.full_width"),
        (FieldType::Integer, " 12", "value.space"),
        (FieldType::Integer, "12 ", "value.space"),
        (FieldType::Integer, "12\0", "value.nul"),
        (FieldType::Integer, "1,200", "value.separator"),
        (FieldType::Integer, "1e3", "value.exponent"),
        (FieldType::Integer, "007", "value.leading_zero"),
        (FieldType::Integer, "+7", "value.shape"),
        (FieldType::Integer, "-", "value.shape"),
        (FieldType::Integer, "十二", "value.shape"),
        (FieldType::Integer, "1.0", "value.shape"),
        (FieldType::Integer, "9223372036854775808", "value.too_large"),
        (decimal.clone(), "1.005", "value.rounding"),
        (decimal.clone(), "1000.00", "value.too_large"),
        (decimal.clone(), ".5", "value.shape"),
        (decimal.clone(), "5.", "value.shape"),
        (decimal.clone(), "1.-5", "value.shape"),
        (decimal, "NA", "value.shape"),
        (FieldType::Money, "0.001", "value.rounding"),
        (FieldType::Money, "10000000000000000", "value.too_large"),
        (FieldType::Boolean, "yes", "value.shape"),
        (FieldType::Boolean, "TRUE", "value.shape"),
        (FieldType::Date, "2026-02-29", "value.date"),
        (FieldType::Date, "2026-13-01", "value.date"),
        (FieldType::Date, "0000-01-01", "value.date"),
        (FieldType::Date, "2026-2-9", "value.shape"),
        (FieldType::Date, "20260209", "value.shape"),
        (FieldType::Date, "2026/02-09", "value.shape"),
        (FieldType::Date, "2026-02/09", "value.shape"),
        (FieldType::Date, "２０２６-02-09", "value.full_width"),
        (FieldType::Timestamp, "2026-02-09T08:00:00", "value.shape"),
        (FieldType::Timestamp, "2026-02-09T24:00:00Z", "value.timestamp"),
        (FieldType::Timestamp, "2026-02-09T08:00:60Z", "value.timestamp"),
        (FieldType::Timestamp, "2026-02-09T08:00:00.0000001Z", "value.rounding"),
        (FieldType::Timestamp, "2026-02-09T08:00:00+0800", "value.shape"),
        (FieldType::Text { max: 3 }, "一二三四", "value.too_long"),
        (FieldType::Text { max: 3 }, "a\0", "value.nul"),
        (FieldType::Division, "32010", "value.shape"),
        (FieldType::Division, "3２0100", "value.full_width"),
        (code.clone(), "91350100M000100Y42", "value.check_digit"),
        (code.clone(), "91350100m000100y43", "value.shape"),
        (code.clone(), "91350100I000100Y43", "value.shape"),
        (code.clone(), "9135010XM000100Y43", "value.shape"),
        (code, "91350100M000100Y4", "value.shape"),
    ] {
        assert_eq!(fault(&kind, text), expected, "{kind:?} {text:?}");
    }
}

#[test]
fn right_values_are_taken_exactly() {
    let decimal = FieldType::Decimal { precision: 5, scale: 2 };
    for (kind, text, expected) in [
        (&FieldType::Integer, "-9223372036854775808", Value::Integer(i64::MIN)),
        (&decimal, "999.99", Value::Scaled(99_999)),
        (&decimal, "-1.5", Value::Scaled(-150)),
        (&decimal, "1.500", Value::Scaled(150)),
        (&decimal, "0", Value::Scaled(0)),
        (&FieldType::Decimal { precision: 2, scale: 2 }, "0.07", Value::Scaled(7)),
        (&FieldType::Money, "9999999999999999.99", Value::Scaled(999_999_999_999_999_999)),
        (&FieldType::Boolean, "是", Value::Boolean(true)),
        (&FieldType::Date, "2024-02-29", Value::Date(Date::constant(2024, 2, 29))),
        (&FieldType::Text { max: 3 }, "𠮷野家", Value::Text("𠮷野家".into())),
        (&FieldType::Text { max: 1 }, "e\u{301}", Value::Text("é".into())),
        (&FieldType::Text { max: 4 }, " １２ ", Value::Text(" １２ ".into())),
        (&FieldType::Integer, "", Value::Null),
    ] {
        assert_eq!(kind.parse(text, &AnyCode).unwrap(), expected, "{text:?}");
    }
    for (fen, text) in [(0, "0.00"), (-5, "-0.05"), (5, "0.05"), (-100, "-1.00")] {
        assert_eq!(FieldType::Money.render(&Value::Scaled(fen)), text);
    }
    let at = |text| FieldType::Timestamp.parse(text, &AnyCode).unwrap();
    assert_eq!(at("2026-02-28T08:00:00+08:00"), at("2026-02-28T00:00:00Z"));
    assert_eq!(at("2026-02-27 22:30:00.000000-01:30"), at("2026-02-28T00:00:00Z"));
}

#[test]
fn days_and_instants_end_where_they_can_be_written() {
    let instant = |text| FieldType::Timestamp.parse(text, &AnyCode).map_err(|it| it.code);
    assert!(instant("9999-12-30T21:59:59.999999Z").is_ok() && instant("0001-01-01T00:00:00Z").is_ok());
    assert_eq!(instant("0001-01-01T00:00:00+08:00"), Err("value.timestamp"));
    assert_eq!(instant("9999-12-31T23:59:59-08:00"), Err("value.timestamp"));
    for bad in [
        "2026-02-09T08:00:00+24:00",
        "2026-02-09T08:00:00+08:60",
        "2026-02-09T08:00:00.Z",
        "2026-02-09T08:00:00*08:00",
        "2026-02-09X08:00:00Z",
        "2026-02-09T08-00:00Z",
        "2026-02-09T08:00-00Z",
        "2026-02-09T0a:00:00Z",
        "2026-02-09T08:00:00.0000000001Z",
        "2026-02-09T08:00:00+08:00x",
        "2026-02-09T08:00Z",
    ] {
        assert_eq!(instant(bad), Err("value.shape"), "{bad}");
    }
    assert_eq!(instant("2026-02-09T08:00:00.5Z"), instant("2026-02-09T08:00:00.500000000Z"));
    assert_eq!(instant("2026-02-09T08:00:00-00:30"), instant("2026-02-09T08:30:00Z"));
    assert_eq!(instant("2026-02-09T23:59:00+23:59"), instant("2026-02-09T00:00:00Z"));
    assert!(FieldType::Date.parse("9999-12-31", &AnyCode).is_ok());
    assert_eq!(fault(&FieldType::Date, "2026/02/09"), "value.shape");
    assert_eq!(fault(&FieldType::Date, "2026-02-0x"), "value.shape");
}

#[test]
fn mandatory_fields_are_present() {
    let record = operation();
    let violation = record.field("violation").unwrap();
    assert_eq!(violation.parse("", &AnyCode).unwrap_err().code, "value.missing");
    assert_eq!(violation.from_json(&serde_json::Value::Null, &AnyCode).unwrap_err().code, "value.missing");
    assert_eq!(record.field("staff").unwrap().parse("", &AnyCode).unwrap(), Value::Null);
}

#[test]
fn numbers_are_not_below_their_least_value() {
    let record = operation();
    let mut field = record.field("staff").unwrap().clone();
    assert_eq!(field.parse("-1", &AnyCode).unwrap_err().code, "value.too_small");
    assert_eq!(field.parse("0", &AnyCode).unwrap(), Value::Integer(0));
    (field.kind, field.min) = (FieldType::Decimal { precision: 18, scale: 18 }, Some(i64::MIN));
    assert!(field.parse("-0.5", &AnyCode).is_ok());
    field.min = Some(1);
    assert_eq!(field.from_json(&"0.999999999999999999".into(), &AnyCode).unwrap_err().code, "value.too_small");
}

#[test]
fn json_numbers_that_lose_digits_travel_as_text() {
    let integer = FieldType::Integer;
    assert_eq!(integer.json(&Value::Integer(9_007_199_254_740_991)), 9_007_199_254_740_991_i64);
    assert_eq!(integer.json(&Value::Integer(9_007_199_254_740_992)), "9007199254740992");
    assert_eq!(FieldType::Money.json(&Value::Scaled(-5)), "-0.05");
    assert_eq!(FieldType::Money.from_json(&12.into(), &AnyCode).unwrap(), Value::Scaled(1_200));
    for wrong in [serde_json::json!(0.1), serde_json::json!(true), serde_json::json!([1])] {
        assert_eq!(FieldType::Money.from_json(&wrong, &AnyCode).unwrap_err().code, "value.json");
    }
    assert_eq!(FieldType::Boolean.from_json(&"true".into(), &AnyCode).unwrap_err().code, "value.json");
    assert_eq!(FieldType::Date.from_json(&2026.into(), &AnyCode).unwrap_err().code, "value.json");
}

#[test]
fn a_reason_quotes_little_of_a_huge_cell() {
    let huge = "9".repeat(10_000_000);
    let fault = FieldType::Boolean.parse(&huge, &AnyCode).unwrap_err();
    assert!(fault.reason.en.len() < 400);
    let said = |kind: FieldType, text: &str| kind.parse(text, &AnyCode).unwrap_err().reason.en;
    let (whole, cut) = ("x".repeat(40), "x".repeat(41));
    assert_eq!(said(FieldType::Integer, &whole), format!("{whole:?} should be a number in digits"));
    assert_eq!(said(FieldType::Integer, &cut), format!("\"{whole}…\" should be a number in digits"));
    let decimal = FieldType::Decimal { precision: 5, scale: 2 };
    assert_eq!(said(decimal, "1000.00"), "\"1000.00\" has more than 3 digits before the point");
}

fn uscc() -> impl Strategy<Value = String> {
    ("9[123]", "32[0-9]{4}", "[0-9A-HJ-NPQRTUWXY]{8}")
        .prop_map(|(prefix, division, body)| org_code::make_uscc(&prefix, &division, &body).unwrap())
}

/// A type with one of its values, nulls and extremes among them.
fn typed_value() -> impl Strategy<Value = (FieldType, Value)> {
    let text = prop_oneof!["\\PC{1,12}", "[\u{4e00}-\u{9fff}𠀀-𠀿%_\\\\'\",\n]{1,8}"];
    let decimal = (1_u8..=18, 0_u8..=18).prop_filter("scale fits", |(p, s)| s <= p).prop_flat_map(|(p, s)| {
        let most = 10_i64.pow(u32::from(p)) - 1;
        (-most..=most).prop_map(move |it| (FieldType::Decimal { precision: p, scale: s }, Value::Scaled(it)))
    });
    let some = prop_oneof![
        text.prop_map(|it| {
            let kind = FieldType::Text { max: 40 };
            let value = kind.parse(&it, &AnyCode).unwrap();
            (kind, value)
        }),
        any::<i64>().prop_map(|it| (FieldType::Integer, Value::Integer(it))),
        decimal,
        (-999_999_999_999_999_999_i64..=999_999_999_999_999_999).prop_map(|it| (FieldType::Money, Value::Scaled(it))),
        any::<bool>().prop_map(|it| (FieldType::Boolean, Value::Boolean(it))),
        (1_i16..=9999, 1_i8..=12, 1_i8..=28)
            .prop_map(|(y, m, d)| (FieldType::Date, Value::Date(Date::constant(y, m, d)))),
        (-62_135_596_800_000_000_i64..=253_402_207_200_000_000)
            .prop_map(|it| (FieldType::Timestamp, Value::Timestamp(timestamp_from_micros(it).unwrap()))),
        "[0-9A-Z是否.]{1,8}".prop_map(|it| (FieldType::Code { list: id("x") }, Value::Text(it))),
        uscc().prop_map(|it| (FieldType::OrgCode { of: Holder::LegalPerson }, Value::Text(it))),
        "[1-9][0-9]|[1-9][0-9]{3}|[1-9][0-9]{5}|[1-9][0-9]{8}|[1-9][0-9]{11}"
            .prop_map(|it| (FieldType::Division, Value::Text(it))),
    ];
    (some, prop::bool::weighted(0.1)).prop_map(|((kind, value), null)| (kind, if null { Value::Null } else { value }))
}

proptest! {
    /// What is written is read back as it was, through CSV text and through JSON.
    #[test]
    fn render_and_parse_are_inverse((kind, value) in typed_value()) {
        prop_assert_eq!(kind.parse(&kind.render(&value), &AnyCode), Ok(value.clone()));
        prop_assert_eq!(kind.from_json(&kind.json(&value), &AnyCode), Ok(value));
    }

    /// Any text at all gives a value or a fault, and what was taken is written and read as the same value.
    #[test]
    fn any_text_is_answered(text in "\\PC{0,24}|[-0-9.eE:TZ+ ]{0,24}", (kind, _) in typed_value()) {
        if let Ok(value) = kind.parse(&text, &AnyCode) {
            prop_assert_eq!(kind.parse(&kind.render(&value), &AnyCode), Ok(value));
        }
    }

    /// Decimals agree with integer arithmetic on their digits.
    #[test]
    fn decimals_are_their_digits(whole in 0_i64..1_000_000, fraction in 0_i64..1_000, negative: bool) {
        let sign = if negative { "-" } else { "" };
        let text = format!("{sign}{whole}.{fraction:03}");
        let value = FieldType::Decimal { precision: 9, scale: 3 }.parse(&text, &AnyCode);
        let number = whole * 1_000 + fraction;
        prop_assert_eq!(value, Ok(Value::Scaled(if negative { -number } else { number })));
    }

    /// Every change of one character in a credit code is found.
    #[test]
    fn check_character_finds_every_single_change(code in uscc(), at in 0_usize..18, to in "[0-9A-Z]") {
        prop_assert!(org_code::check_uscc(&code).is_ok());
        prop_assert!(org_code::inner_agrees(&code));
        let mut changed = code.clone();
        changed.replace_range(at..=at, &to);
        prop_assert_eq!(org_code::check_uscc(&changed).is_ok(), changed == code);
    }

    /// Every swap of two neighbours in a credit code is found.
    #[test]
    fn check_character_finds_every_swap(code in uscc(), at in 0_usize..17) {
        let mut bytes = code.clone().into_bytes();
        bytes.swap(at, at + 1);
        let swapped = String::from_utf8(bytes).unwrap();
        prop_assert_eq!(org_code::check_uscc(&swapped).is_ok(), swapped == code);
    }

    /// Every change of one digit in an organisation code is found.
    #[test]
    fn inner_check_finds_every_change_of_a_digit(body in "[0-9]{8}", at in 0_usize..8, to in "[0-9]") {
        let code = org_code::make_inner(&body).unwrap();
        let mut changed = code.clone();
        changed.replace_range(at..=at, &to);
        prop_assert_eq!(org_code::check_inner(&changed).is_ok(), changed == code);
    }

    /// Rows that went into a batch come out of it.
    #[test]
    fn arrow_batches_give_their_rows_back(rows in prop::collection::vec(row(), 0..20)) {
        let record = operation();
        let columns: Vec<_> = record.fields.keys().cloned().collect();
        let batch = arrow::batch(&record, &columns, &rows).unwrap();
        prop_assert_eq!(batch.num_rows(), rows.len());
        prop_assert_eq!(arrow::rows(&record, &batch).unwrap(), rows);
    }

    /// `under` through prefixes is `under` itself, with zones and without.
    #[test]
    fn zone_prefixes_mean_under(code in division_code(), above in division_code(), zones in zones()) {
        let by_prefix = zones.prefixes(&above).iter().any(|it| code.starts_with(it));
        prop_assert_eq!(by_prefix, zones.under(&code, &above));
        prop_assert_eq!(division::Zones::default().under(&code, &above), division::under(&code, &above));
        prop_assert!(division::under(&code, &code));
        if let Some(parent) = division::parent(&code) {
            prop_assert!(division::under(&code, parent) && !division::under(parent, &code));
        }
    }
}

fn division_code() -> impl Strategy<Value = String> {
    "3[12](0[0-2]((0|7)[0-2](00[0-2])?)?)?".prop_map(|it| it)
}

fn zones() -> impl Strategy<Value = division::Zones> {
    prop::collection::vec(("3[12]0[0-2]7[0-2]", "3[12]0[0-2]"), 0..3).prop_map(|it| division::Zones::new(it).unwrap())
}

fn row() -> impl Strategy<Value = Vec<Value>> {
    let null_or = |it: BoxedStrategy<Value>| prop_oneof![1 => Just(Value::Null), 3 => it];
    (
        uscc().prop_map(Value::Text),
        null_or(division_code().prop_map(Value::Text).boxed()),
        null_or(any::<i64>().prop_map(Value::Integer).boxed()),
        null_or((-999_999_999_999_999_999_i64..=999_999_999_999_999_999).prop_map(Value::Scaled).boxed()),
        null_or("\\PC{1,8}".prop_map(Value::Text).boxed()),
        null_or(any::<bool>().prop_map(Value::Boolean).boxed()),
        null_or((-999_999_i64..=999_999).prop_map(Value::Scaled).boxed()),
        null_or((1_i16..=9999, 1_i8..=12).prop_map(|(y, m)| Value::Date(Date::constant(y, m, 28))).boxed()),
        null_or(
            (0_i64..=253_402_207_200_000_000)
                .prop_map(|it| Value::Timestamp(timestamp_from_micros(it).unwrap()))
                .boxed(),
        ),
        null_or("[0-9*-]{1,20}".prop_map(Value::Text).boxed()),
    )
        .prop_map(|(a, b, c, d, e, f, g, h, i, j)| vec![a, b, c, d, e, f, g, h, i, j])
}

// ---- codes ----

#[test]
fn printed_examples_of_the_standards_pass() {
    // GB 32100-2015 prints this code; GB 11714-1997 prints D2143569-X.
    org_code::check_uscc("91350100M000100Y43").unwrap();
    assert!(org_code::inner_agrees("91350100M000100Y43"));
    assert!(!org_code::inner_agrees("91350100M000100Y53") && !org_code::inner_agrees("91350100M000100Y"));
    org_code::check_inner("D2143569-X").unwrap();
    org_code::check_inner("D2143569X").unwrap();
    assert_eq!(org_code::check_inner("D2143569-1").unwrap_err().code, "value.check_digit");
    assert_eq!(org_code::check_inner("D214356-X").unwrap_err().code, "value.shape");
    // Codes that public bodies print on their pages.
    for code in ["11511300008778693M", "11511300MB1A21304N", "1151130100877801XA"] {
        org_code::check_uscc(code).unwrap();
    }
}

/// Every code of the public bodies in the folder of real data passes, where that folder is.
#[test]
fn codes_of_real_public_bodies_pass() {
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("YUNHE_DATA").map_or(beside, Into::into);
    let Ok(table) = std::fs::read_to_string(folder.join("government/uscc-of-public-bodies.csv")) else { return };
    let codes: Vec<&str> = table.lines().skip(1).map(|it| it.split(',').next().unwrap()).collect();
    assert!(codes.len() >= 40);
    for code in codes {
        assert_eq!(org_code::check_uscc(code), Ok(()), "{code}");
        assert!(org_code::inner_agrees(code), "{code}");
    }
}

#[test]
fn makers_refuse_what_cannot_be_a_code() {
    assert_eq!(org_code::make_uscc("91", "32990", "00000001"), None);
    assert_eq!(org_code::make_uscc("91", "329901", "0000000"), None);
    assert_eq!(org_code::make_uscc("9I", "329901", "00000001"), None);
    let code = org_code::make_uscc("91", "329901", "00000001").unwrap();
    assert_eq!(org_code::uscc_check_character(&code[..17]), code.chars().last());
    assert_eq!(org_code::uscc_check_character("9132"), None);
}

#[test]
fn divisions_lie_under_one_another() {
    assert!(
        division::under("320102", "3201") && division::under("320102", "320100") && division::under("320102", "32")
    );
    assert!(division::under("320102002001", "320102002000") && division::under("320100", "3201"));
    assert!(!division::under("3201", "320102") && !division::under("320102", "3202") && !division::under("320102", ""));
    assert_eq!(division::significant("320000000000"), "32");
    assert_eq!(division::significant("320102000000"), "320102");
    assert_eq!(division::significant("320110"), "320110");
    let zones = division::Zones::new([("320171".into(), "320100".into()), ("321371".into(), "3203".into())]).unwrap();
    assert!(zones.under("320171", "3201") && zones.under("321371001", "3203") && !zones.under("321372", "3203"));
    assert!(zones.under("321371", "3213"));
    assert_eq!(zones.prefixes("320300"), ["3203", "321371"]);
    assert!(division::Zones::new([("32x".into(), "32".into())]).is_err());
    assert!(division::Zones::new([("321371".into(), "3".into())]).is_err());
    assert_eq!(zones.iter().collect::<Vec<_>>(), [("320171", "3201"), ("321371", "3203")]);
    assert!(!zones.is_empty() && division::Zones::default().is_empty());
    assert_eq!(
        (zones.parent_of("321371002"), zones.parent_of("321372"), zones.parent_of("31")),
        (Some("3203"), None, None)
    );
    for (code, good) in
        [("32", true), ("3201", true), ("320102002001", true), ("02", false), ("320", false), ("3a", false)]
    {
        assert_eq!(division::check(code).is_ok(), good, "{code}");
    }
}

fn list(yaml: &str) -> CodeList {
    serde_saphyr::from_str(yaml).unwrap()
}

#[test]
fn codes_have_periods_and_successors() {
    let counties = list(
        r#"
list: divisions
title: {zh: 行政区划, en: Divisions}
standard: GB/T 2260
version: "2026"
entries:
  - {code: "31", zh: 上海市, en: Shanghai}
  - {code: "32", zh: 江苏省, en: Jiangsu}
  - {code: "3206", zh: 南通市, en: Nantong, parent: "32"}
  - {code: "320602", zh: 崇川区, en: Chongchuan, parent: "3206"}
  - {code: "320611", zh: 港闸区, en: Gangzha, parent: "3206", valid_until: 2020-07-16, successor: "320602"}
"#,
    );
    let (before, after) = (Date::constant(2020, 7, 15), Date::constant(2020, 7, 16));
    assert!(
        counties.has("320611", Some(before)) && !counties.has("320611", Some(after)) && counties.has("320611", None)
    );
    assert_eq!(counties.current("320611", after), Some("320602"));
    assert_eq!(counties.current("320611", before), Some("320611"));
    assert_eq!(counties.current("320699", after), None);
    for known in ["32", "320000", "320600", "320602", "320602001", "320602001002", "31", "310101"] {
        assert!(counties.knows_division(known, None), "{known}");
    }
    for unknown in ["33", "320699", "3299", "329901", "320699001"] {
        assert!(!counties.knows_division(unknown, None), "{unknown}");
    }
    let book: CodeBook = [counties].into_iter().collect();
    assert_eq!(FieldType::Division.parse("320699", &book).unwrap_err().code, "value.division");
    assert_eq!(FieldType::Code { list: id("nothing") }.parse("1", &book).unwrap_err().code, "value.code");
    assert!(FieldType::Division.parse("320699", &CodeBook::default()).is_ok());
    let again: CodeList = serde_json::from_value(serde_json::to_value(book.iter().next().unwrap()).unwrap()).unwrap();
    assert_eq!(Some(&again), book.get(division::list()));
}

#[test]
fn a_code_list_says_what_it_is() {
    let yaml = "{list: l, title: {zh: 甲, en: a}, standard: GB/T 1, version: \"2\", entries: [{code: x, zh: 乙, en: b, \
                valid_from: 2020-01-01}]}";
    let one = list(yaml);
    assert_eq!((one.list().as_str(), one.version(), one.standard()), ("l", "2", Some("GB/T 1")));
    assert_eq!((one.title(), one.entries().len()), (&Bilingual::new("甲", "a"), 1));
    let entry = one.entry("x", None).unwrap();
    assert_eq!(entry.title(), Bilingual::new("乙", "b"));
    assert!(entry.valid(Date::constant(2020, 1, 1)) && !entry.valid(Date::constant(2019, 12, 31)));
    assert_eq!(one, list(yaml));
    assert_ne!(one, list(&yaml.replace("GB/T 1", "GB/T 2")));
    let book: CodeBook = [one].into_iter().collect();
    assert!(book.has(&id("l"), "x", None) && !book.has(&id("l"), "y", None));
}

#[test]
fn bounds_of_code_lists_hold_exactly() {
    let entry = |code: String| CodeEntry {
        zh: code.clone(),
        en: code.clone(),
        code,
        parent: None,
        valid_from: None,
        valid_until: None,
        successor: None,
    };
    let make = |entries| CodeList::new(id("l"), Bilingual::new("甲", "a"), None, "1".into(), entries).is_ok();
    let many = |count: usize| (0..count).map(|it| entry(it.to_string())).collect::<Vec<_>>();
    assert!(make(many(ENTRIES_MAX)) && !make(many(ENTRIES_MAX + 1)));
    assert!(make(vec![entry("x".repeat(CODE_CHARS_MAX))]) && !make(vec![entry("x".repeat(CODE_CHARS_MAX + 1))]));
    assert!(!make(vec![entry("a\0".into())]) && !make(vec![entry(String::new())]));
    assert!(!make(vec![CodeEntry { en: " ".into(), ..entry("a".into()) }]));
    let same_day = Some(Date::constant(2020, 1, 1));
    assert!(!make(vec![CodeEntry { valid_from: same_day, valid_until: same_day, ..entry("a".into()) }]));
    let periods = |until: i16, from: i16| {
        let (until, from) = (Some(Date::constant(until, 1, 1)), Some(Date::constant(from, 1, 1)));
        let earlier = CodeEntry { valid_until: until, ..entry("a".into()) };
        let later = CodeEntry { valid_from: from, ..entry("a".into()) };
        (make(vec![earlier.clone(), later.clone()]), make(vec![later, earlier]))
    };
    assert_eq!(periods(2020, 2020), (true, true));
    assert_eq!(periods(2020, 2021), (true, true));
    assert_eq!(periods(2021, 2020), (false, false));
}

#[test]
fn flawed_code_lists_are_refused_with_every_flaw() {
    let entry = |code: &str| CodeEntry {
        code: code.into(),
        zh: "甲".into(),
        en: "a".into(),
        parent: None,
        valid_from: None,
        valid_until: None,
        successor: None,
    };
    let (early, late) = (Some(Date::constant(2020, 1, 1)), Some(Date::constant(2021, 1, 1)));
    let make = |entries| CodeList::new(id("l"), Bilingual::new("甲", "a"), None, "1".into(), entries);
    let entries = vec![
        entry("1"),
        entry("1"),
        entry(" 2"),
        CodeEntry { zh: String::new(), ..entry("3") },
        CodeEntry { valid_from: late, valid_until: early, ..entry("4") },
        CodeEntry { parent: Some("9".into()), successor: Some("5".into()), ..entry("5") },
    ];
    let pointers: Vec<_> = make(entries).unwrap_err().into_iter().map(|it| it.pointer).collect();
    let expected =
        ["/entries/1", "/entries/2", "/entries/3", "/entries/4", "/entries/5/parent", "/entries/5/successor"];
    assert_eq!(pointers, expected);
    assert_eq!(make(vec![]).unwrap_err()[0].pointer, "/entries");
    let twice = vec![CodeEntry { valid_until: early, ..entry("1") }, CodeEntry { valid_from: early, ..entry("1") }];
    assert!(make(twice).is_ok());
    let circle = vec![
        CodeEntry { valid_until: early, successor: Some("2".into()), ..entry("1") },
        CodeEntry { valid_until: early, successor: Some("1".into()), ..entry("2") },
    ];
    assert_eq!(make(circle).unwrap().current("1", Date::constant(2024, 1, 1)), None);
}

#[test]
fn division_list_has_a_name() {
    assert_eq!(division::list().as_str(), division::LIST);
}

// ---- Arrow ----

#[test]
fn arrow_schema_carries_titles_units_and_grades() {
    let record = operation();
    let columns = ["uscc", "staff", "revenue"].map(|it| FieldName::new(it).unwrap());
    let schema = arrow::schema(&record, &columns).unwrap();
    let staff = schema.field(1);
    assert_eq!((staff.metadata()["unit"].as_str(), staff.metadata()["grade"].as_str()), ("{person}", "一般/2"));
    assert_eq!(schema.field(0).metadata()["title.zh"], "统一社会信用代码");
    assert!(!schema.field(0).is_nullable() && staff.is_nullable());
    assert_eq!(schema.field(2).data_type().to_string(), "Decimal128(18, 2)");
    assert_eq!(schema.metadata()["record"], "legal-person-operation");
    let others = ["abnormal", "telephone", "rate"].map(|it| FieldName::new(it).unwrap());
    let others = arrow::schema(&record, &others).unwrap();
    assert_eq!(others.field(0).metadata()["list"], "abnormal-operation");
    assert_eq!(others.field(1).metadata()["personal"], "true");
    assert!(!others.field(0).metadata().contains_key("personal") && !others.field(1).metadata().contains_key("unit"));
    assert_eq!(others.field(2).data_type().to_string(), "Decimal128(6, 3)");
    let unknown = [FieldName::new("salary").unwrap()];
    assert_eq!(arrow::schema(&record, &unknown).unwrap_err().code, "schema.column");
}

#[test]
fn arrow_refuses_values_of_another_type_and_rows_of_another_width() {
    let record = operation();
    let columns = ["uscc", "staff"].map(|it| FieldName::new(it).unwrap());
    let wrong = [vec![Value::Text("x".into()), Value::Boolean(true)]];
    assert_eq!(arrow::batch(&record, &columns, &wrong).unwrap_err().code, "schema.row");
    let short = [vec![Value::Text("x".into())]];
    assert_eq!(arrow::batch(&record, &columns, &short).unwrap_err().code, "schema.row");
    let empty: [Vec<Value>; 2] = [vec![], vec![]];
    assert_eq!(arrow::batch(&record, &[], &empty).unwrap().num_rows(), 2);
    let without_key = [vec![Value::Null, Value::Null]];
    assert_eq!(arrow::batch(&record, &columns, &without_key).unwrap_err().code, "schema.row");
    let batch = arrow::batch(&record, &columns, &[vec![Value::Text("x".into()), Value::Integer(1)]]).unwrap();
    let mut other = record.clone();
    other.fields.get_mut("staff").unwrap().kind = FieldType::Money;
    assert_eq!(arrow::rows(&other, &batch).unwrap_err().code, "schema.arrow");
}
