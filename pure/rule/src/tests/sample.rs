//! A record type with every kind of field, rows, and conditions over it.

use crate::{AskType, AskValues, By, Constant};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use schema::{Field, FieldName, FieldType, Holder, RecordType, Value, division::Zones};
use unicode_normalization::UnicodeNormalization;
use vocabulary::{Bilingual, Date, ResourceId, timestamp_from_micros};

pub const BYS: [(By, &str); 6] =
    [(By::Eq, "=="), (By::Ne, "!="), (By::Lt, "<"), (By::Le, "<="), (By::Gt, ">"), (By::Ge, ">=")];

pub fn field(name: &str) -> FieldName {
    FieldName::new(name).unwrap()
}

pub fn text(it: &str) -> Constant {
    Constant::text(it).unwrap()
}

fn kinds() -> Vec<(&'static str, FieldType)> {
    let list = |it: &str| FieldType::Code { list: ResourceId::new(it).unwrap() };
    vec![
        ("name", FieldType::Text { max: 100 }),
        ("note", FieldType::Text { max: 200 }),
        ("staff", FieldType::Integer),
        ("other", FieldType::Integer),
        ("ratio", FieldType::Decimal { precision: 8, scale: 2 }),
        ("share", FieldType::Decimal { precision: 9, scale: 2 }),
        ("fine", FieldType::Decimal { precision: 18, scale: 4 }),
        ("capital", FieldType::Money),
        ("revenue", FieldType::Money),
        ("violation", FieldType::Boolean),
        ("active", FieldType::Boolean),
        ("founded", FieldType::Date),
        ("seen", FieldType::Date),
        ("updated", FieldType::Timestamp),
        ("loaded", FieldType::Timestamp),
        ("status", list("status")),
        ("state", list("status")),
        ("other_status", list("other-status")),
        ("uscc", FieldType::OrgCode { of: Holder::LegalPerson }),
        ("division", FieldType::Division),
        ("home", FieldType::Division),
    ]
}

pub fn record() -> RecordType {
    let fields = kinds().into_iter().map(|(name, kind)| {
        let name = field(name);
        let optional = name.as_str() != "uscc";
        (name.clone(), Field { optional, ..Field::new(&name, kind) })
    });
    let title = Bilingual::new("样例", "sample");
    RecordType::new(ResourceId::new("sample").unwrap(), title, vec![field("uscc")], fields.collect()).unwrap()
}

pub fn ask_type() -> AskType {
    AskType::new()
        .with("organisation.division", FieldType::Division)
        .with("organisation.uscc", FieldType::OrgCode { of: Holder::LegalPerson })
        .with("purpose", FieldType::Text { max: 100 })
        .with("limit", FieldType::Decimal { precision: 18, scale: 4 })
        .with("whole", FieldType::Decimal { precision: 18, scale: 0 })
        .with("trusted", FieldType::Boolean)
        .with("staff", FieldType::Integer)
}

pub fn asks() -> AskValues {
    AskValues::new()
        .with("organisation.division", Value::Text("3201".to_owned()))
        .with("organisation.uscc", Value::Text("91320000".to_owned()))
        .with("purpose", Value::Text("惠企政策匹配".to_owned()))
        .with("limit", Value::Scaled(15_001))
        .with("whole", Value::Scaled(1))
        .with("trusted", Value::Boolean(true))
        .with("staff", Value::Null)
}

pub fn one_of_each() -> Vec<(&'static str, Value)> {
    let at = timestamp_from_micros(-1).unwrap();
    vec![
        ("name", Value::Text("南京".to_owned())),
        ("staff", Value::Integer(i64::MIN)),
        ("ratio", Value::Scaled(-150)),
        ("capital", Value::Scaled(1)),
        ("violation", Value::Boolean(true)),
        ("active", Value::Boolean(false)),
        ("founded", Value::Date(Date::new(1, 1, 1).unwrap())),
        ("updated", Value::Timestamp(at)),
        ("division", Value::Text("32".to_owned())),
    ]
}

/// Pieces that databases, patterns and encodings stumble over.
const PIECES: [&str; 18] = [
    "a",
    "b",
    "A",
    "%",
    "_",
    "\\",
    "'",
    "\"",
    "南",
    "京",
    "\u{20000}",
    "\u{2a6d6}",
    "\u{301}",
    "e\u{301}",
    "\u{10ffff}",
    "\u{d7ff}",
    "\u{e000}",
    "\n",
];

pub fn any_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(select(&PIECES[..]), 0..4).prop_map(|it| it.concat().nfc().collect())
}

pub fn any_division() -> impl Strategy<Value = String> {
    let codes =
        ["32", "3201", "3202", "320102", "320171", "320100", "320000", "320171001", "320102001003", "41", "419001"];
    select(codes.map(str::to_owned).to_vec())
}

pub fn any_zones() -> impl Strategy<Value = Zones> {
    proptest::collection::vec((any_division(), any_division()), 0..3).prop_map(|it| Zones::new(it).unwrap())
}

fn any_of(kind: &FieldType) -> BoxedStrategy<Value> {
    match kind {
        FieldType::Text { .. } => any_text().prop_map(Value::Text).boxed(),
        FieldType::Integer => prop_oneof![4 => -3_i64..4, 1 => any::<i64>()].prop_map(Value::Integer).boxed(),
        FieldType::Decimal { .. } => {
            prop_oneof![4 => -3_i64..4, 1 => -99_999_999_i64..99_999_999].prop_map(Value::Scaled).boxed()
        }
        FieldType::Money => prop_oneof![4 => -3_i64..4, 1 => any::<i64>()].prop_map(Value::Scaled).boxed(),
        FieldType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        FieldType::Date => {
            let days = [(1, 1, 1), (1969, 12, 31), (1970, 1, 1), (2024, 2, 29), (2026, 1, 1), (9999, 12, 31)];
            select(days.to_vec()).prop_map(|(y, m, d)| Value::Date(Date::new(y, m, d).unwrap())).boxed()
        }
        FieldType::Timestamp => {
            let micros = [-62_135_596_800_000_000, -1, 0, 1, 1_767_196_800_000_000, 253_370_764_800_000_001];
            select(micros.to_vec()).prop_map(|it| Value::Timestamp(timestamp_from_micros(it).unwrap())).boxed()
        }
        FieldType::Code { .. } => select(vec!["1", "2", "03"]).prop_map(|it| Value::Text(it.to_owned())).boxed(),
        FieldType::OrgCode { .. } => {
            select(vec!["91320000", "9132", "12"]).prop_map(|it| Value::Text(it.to_owned())).boxed()
        }
        FieldType::Division => any_division().prop_map(Value::Text).boxed(),
    }
}

/// A value of any type, null included.
pub fn any_value() -> BoxedStrategy<Value> {
    let kinds: Vec<_> = kinds().into_iter().map(|(_, kind)| any_of(&kind)).collect();
    prop_oneof![1 => Just(Value::Null), 6 => proptest::strategy::Union::new(kinds)].boxed()
}

pub fn any_row() -> impl Strategy<Value = Vec<Value>> {
    let cells = kinds().into_iter().map(|(_, kind)| prop_oneof![1 => Just(Value::Null), 4 => any_of(&kind)]);
    cells.collect::<Vec<_>>()
}

/// A condition as text, once as our sources say it and once with each test guarded, so that `cel` never meets a null.
#[derive(Clone, Debug)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// A test, and the `row.` and `ask.` references that it looks at.
    Test(String, Vec<String>),
    /// A test of null, and what `cel` calls it where null is absence.
    Null(String, String),
}

impl Condition {
    pub fn source(&self) -> String {
        self.told(&|test, _| test.to_owned(), &|ours, _| ours.to_owned())
    }

    /// The same for `cel`, which fails on absent things: each is looked for first.
    pub fn guarded(&self) -> String {
        let guard = |test: &str, names: &[String]| {
            let has: String = names.iter().map(|it| format!("has({it}) && ")).collect();
            format!("({has}{test})")
        };
        self.told(&guard, &|_, theirs| theirs.to_owned())
    }

    fn told(&self, test: &dyn Fn(&str, &[String]) -> String, null: &dyn Fn(&str, &str) -> String) -> String {
        let join = |parts: &[Self], with: &str| {
            let parts: Vec<_> = parts.iter().map(|it| it.told(test, null)).collect();
            format!("({})", parts.join(with))
        };
        match self {
            Self::All(parts) => join(parts, " && "),
            Self::Any(parts) => join(parts, " || "),
            Self::Not(part) => format!("!({})", part.told(test, null)),
            Self::Test(it, names) => test(it, names),
            Self::Null(ours, theirs) => null(ours, theirs),
        }
    }

    /// Every reference that it makes.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::names).collect(),
            Self::Not(part) => part.names(),
            Self::Test(_, names) => names.clone(),
            Self::Null(_, theirs) => {
                vec![theirs.trim_start_matches("!has(").trim_start_matches("has(").trim_end_matches(')').to_owned()]
            }
        }
    }
}

/// A literal of a value, as a source writes it.
pub fn literal(kind: &FieldType, value: &Value) -> String {
    let scaled = |it: i64, scale: u32| {
        let (whole, rest) = (it.unsigned_abs() / 10_u64.pow(scale), it.unsigned_abs() % 10_u64.pow(scale));
        format!("{}{whole}.{rest:0width$}", if it < 0 { "-" } else { "" }, width = scale as usize)
    };
    match (kind, value) {
        (_, Value::Text(it)) => {
            let escaped = it.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("\"{escaped}\"")
        }
        (_, Value::Integer(it)) => it.to_string(),
        (FieldType::Decimal { scale, .. }, Value::Scaled(it)) => {
            format!("decimal(\"{}\")", scaled(*it, u32::from(*scale)))
        }
        (_, Value::Scaled(it)) => format!("money(\"{}\")", scaled(*it, 2)),
        (_, Value::Boolean(it)) => it.to_string(),
        (_, Value::Date(it)) => format!("date(\"{it}\")"),
        (_, Value::Timestamp(it)) => format!("timestamp(\"{it}\")"),
        (_, Value::Null) => "null".to_owned(),
    }
}

fn any_test() -> impl Strategy<Value = Condition> {
    let fields = kinds();
    (select(fields), any::<Index>(), any::<Index>(), any::<Index>()).prop_flat_map(
        |((name, kind), shape, by, other)| {
            proptest::collection::vec(any_of(&kind), 1..4).prop_map(move |values| {
                let row = format!("row.{name}");
                let ordered = !kind.is_text() && kind != FieldType::Boolean;
                let sign = BYS[by.index(if ordered { 6 } else { 2 })].1;
                // Cap money at what its notation holds: 18 digits.
                let values: Vec<_> = values
                    .iter()
                    .map(|it| match it {
                        Value::Scaled(it) => Value::Scaled(it % 1_000_000_000_000),
                        it => it.clone(),
                    })
                    .collect();
                let first = literal(&kind, &values[0]);
                let one = |test: String| Condition::Test(test, vec![row.clone()]);
                let two = |test: String, other: String| Condition::Test(test, vec![row.clone(), other]);
                match shape.index(10) {
                    0 => Condition::Null(format!("{row} == null"), format!("!has({row})")),
                    1 => Condition::Null(format!("{row} != null"), format!("has({row})")),
                    2 => Condition::Null(format!("has({row})"), format!("has({row})")),
                    3 => {
                        let list: Vec<_> = values.iter().map(|it| literal(&kind, it)).collect();
                        one(format!("{row} in [{}]", list.join(", ")))
                    }
                    4 => one(format!("{first} {sign} {row}")),
                    5 | 6 if kind.is_text() => {
                        let how = ["startsWith", "endsWith", "contains"][by.index(3)];
                        one(format!("{row}.{how}({first})"))
                    }
                    5 | 6 => {
                        let alike = kinds()
                            .into_iter()
                            .filter(|(_, it)| crate::kind::alike_stored(it, &kind))
                            .collect::<Vec<_>>();
                        let other = format!("row.{}", alike[other.index(alike.len())].0);
                        two(format!("{row} {sign} {other}"), other)
                    }
                    7 => match kind {
                        FieldType::Division if by.index(2) == 0 => one(format!("{row}.under({first})")),
                        FieldType::Division => two(
                            format!("{row}.under(ask.organisation.division)"),
                            "ask.organisation.division".to_owned(),
                        ),
                        FieldType::Boolean => one(row.clone()),
                        FieldType::Integer => two(format!("{row} {sign} ask.staff"), "ask.staff".to_owned()),
                        FieldType::Decimal { .. } => two(format!("ask.limit {sign} {row}"), "ask.limit".to_owned()),
                        _ => one(format!("{row} {sign} {first}")),
                    },
                    8 if kind == FieldType::Boolean => {
                        Condition::Test("ask.trusted".to_owned(), vec!["ask.trusted".to_owned()])
                    }
                    _ => one(format!("{row} {sign} {first}")),
                }
            })
        },
    )
}

/// A condition of a few tests.
pub fn any_condition() -> impl Strategy<Value = Condition> {
    any_test().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Condition::All),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Condition::Any),
            inner.prop_map(|it| Condition::Not(Box::new(it))),
        ]
    })
}

/// A piece of a source, right or wrong.
pub fn token() -> impl Strategy<Value = String> {
    let tokens = [
        "row.name",
        "row",
        "ask.limit",
        ".",
        "name",
        "==",
        "!=",
        "<",
        "&&",
        "||",
        "!",
        "in",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        ",",
        "?",
        ":",
        "-",
        "+",
        "*",
        "/",
        "%",
        "1",
        "1.5",
        ".5",
        "1e5",
        "0x1f",
        "2u",
        "\"a\"",
        "'b'",
        "\"",
        "'",
        "\"\"",
        "\\",
        "`",
        "r",
        "b",
        "rb'a'",
        "null",
        "true",
        "has(row.name)",
        "date(\"2026-01-01\")",
        ".all(x, true)",
        ".under(\"32\")",
        "//",
        "\n",
        "“",
        "，",
        "南京",
        "\u{20000}",
        "\u{0}",
        "=",
        "&",
        "and",
        "as",
        "@",
        "#",
        "[?",
        ".?x",
    ];
    select(tokens.map(str::to_owned).to_vec())
}
