//! The crate `cel` as oracle: the same source, run by its interpreter over the same row, says the same.
//!
//! What `cel` lacks is lent to it: days are numbers of days, decimals numbers at scale 4, money fen, `under` a prefix
//! without zones. Excluded: zones (a law of their own in `tests.rs`); and null, which `cel` knows as a value that fails
//! in `<`. Null is absence there, and either each test is guarded by `has()`, or only rows without null are looked at.

use super::sample::{Condition, any_condition, any_row, asks, record};
use super::{ask_type, compiled};
use cel::{Context, Program, Value as Cel, extractors::This};
use proptest::prelude::*;
use schema::{FieldType, Value};
use std::collections::HashMap;
use std::sync::Arc;
use vocabulary::Date;

/// The scale at which all decimals meet.
const SCALE: u8 = 4;

fn days(it: Date) -> i64 {
    let epoch = Date::new(1970, 1, 1).unwrap();
    i64::from(epoch.until(it).unwrap().get_days())
}

fn theirs(kind: &FieldType, value: &Value) -> Option<Cel> {
    Some(match (kind, value) {
        (_, Value::Null) => return None,
        (_, Value::Text(it)) => Cel::String(Arc::new(it.clone())),
        (_, Value::Integer(it)) => Cel::Int(*it),
        (FieldType::Decimal { scale, .. }, Value::Scaled(it)) => Cel::Int(it * 10_i64.pow(u32::from(SCALE - scale))),
        (_, Value::Scaled(it)) => Cel::Int(*it),
        (_, Value::Boolean(it)) => Cel::Bool(*it),
        (_, Value::Date(it)) => Cel::Int(days(*it)),
        (_, Value::Timestamp(it)) => {
            let source = format!("timestamp(\"{it}\")");
            Program::compile(&source).unwrap().execute(&Context::default()).unwrap()
        }
    })
}

fn fixed(text: &str, scale: usize) -> i64 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<scale$}").parse().unwrap()
}

fn context(row: &[Value]) -> Context<'static, 'static> {
    let mut context = Context::default();
    let record = record();
    let fields = record.fields.iter().zip(row);
    let map: HashMap<String, Cel> =
        fields.filter_map(|((name, field), it)| Some((name.to_string(), theirs(&field.kind, it)?))).collect();
    context.add_variable_from_value("row", map);
    let mut ask: HashMap<String, Cel> = HashMap::new();
    let mut organisation: HashMap<String, Cel> = HashMap::new();
    for path in ask_type().paths() {
        let Some(value) = theirs(ask_type().get(path).unwrap(), asks().get(path).unwrap()) else { continue };
        match path.strip_prefix("organisation.") {
            Some(rest) => organisation.insert(rest.to_owned(), value),
            None => ask.insert(path.to_owned(), value),
        };
    }
    ask.insert("organisation".to_owned(), organisation.into());
    context.add_variable_from_value("ask", ask);
    context.add_function("date", |it: Arc<String>| days(it.parse().unwrap())).unwrap();
    context.add_function("decimal", |it: Arc<String>| fixed(&it, usize::from(SCALE))).unwrap();
    context.add_function("money", |it: Arc<String>| fixed(&it, 2)).unwrap();
    let under = |This(code): This<Arc<String>>, above: Arc<String>| {
        let above = above.trim_end_matches("00");
        code.starts_with(above)
    };
    context.add_function("under", under).unwrap();
    context
}

fn said(source: &str, row: &[Value]) -> Cel {
    let program = Program::compile(source).unwrap();
    program.execute(&context(row)).unwrap_or_else(|it| panic!("{source}: {it}"))
}

/// Whether the row and the ask have everything that the condition names.
fn complete(condition: &Condition, row: &[Value]) -> bool {
    condition.names().iter().all(|name| match name.split_once('.') {
        Some(("row", name)) => row[record().index_of(name).unwrap()] != Value::Null,
        Some((_, path)) => asks().get(path) != Some(&Value::Null),
        None => false,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn cel_agrees(condition in any_condition(), rows in proptest::collection::vec(any_row(), 1..4)) {
        let (source, guarded) = (condition.source(), condition.guarded());
        let filter = compiled(&source).bind(&asks()).unwrap();
        for row in rows {
            let ours = Cel::Bool(filter.matches(&record(), &row));
            prop_assert_eq!(&said(&guarded, &row), &ours, "{} {:?}", guarded, filter);
            if complete(&condition, &row) && !source.contains("null") {
                prop_assert_eq!(&said(&source, &row), &ours, "{} {:?}", source, filter);
            }
        }
    }
}

/// The property above is not empty: without nulls, `cel` runs the very source.
#[test]
fn cel_runs_the_very_source() {
    let row: Vec<Value> = record()
        .fields
        .values()
        .map(|it| match it.kind {
            FieldType::Integer => Value::Integer(3),
            FieldType::Decimal { .. } | FieldType::Money => Value::Scaled(150),
            FieldType::Boolean => Value::Boolean(true),
            FieldType::Date => Value::Date(Date::new(2026, 1, 1).unwrap()),
            FieldType::Timestamp => Value::Timestamp(vocabulary::timestamp_from_micros(0).unwrap()),
            _ => Value::Text("3201".to_owned()),
        })
        .collect();
    for (source, wanted) in [
        ("row.staff == 3 && row.ratio == decimal(\"1.5\") && row.capital == money(\"1.50\")", true),
        ("row.founded < date(\"2026-01-01\")", false),
        (
            "row.division.under(ask.organisation.division) && row.updated <= timestamp(\"1970-01-01T08:00:00+08:00\")",
            true,
        ),
        ("row.ratio > ask.limit", false),
    ] {
        assert_eq!(said(source, &row), Cel::Bool(wanted), "{source}");
        assert_eq!(compiled(source).bind(&asks()).unwrap().matches(&record(), &row), wanted, "{source}");
    }
}
