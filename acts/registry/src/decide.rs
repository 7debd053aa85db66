//! Decides what rows do to the current state, and whether a record type may take another's place. Pure.
//!
//! Invariants, each with a property test:
//! - every row has exactly one fate;
//! - of rows with the same key in one file the first counts, and the others name its line;
//! - a row that says what is there already changes nothing.

use crate::RowId;
use schema::{AnyCode, FieldType, RecordType, Value};
use std::collections::HashMap;
use vocabulary::{Kind, Problem, ensure};

/// A row on its way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Its name, should it be new.
    pub id: RowId,
    /// Its line in the file.
    pub line: Option<i64>,
    /// Values in the order of the type's fields.
    pub values: Vec<Value>,
}

/// The current row of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// Its name.
    pub id: RowId,
    /// The line by which this very import has already spoken about the key.
    pub seen: Option<i64>,
    /// Its values.
    pub values: Vec<Value>,
}

/// What becomes of an incoming row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A new key.
    Added,
    /// It takes the place of the row of that name.
    Changed(RowId),
    /// The row of that name says the same.
    Same(RowId),
    /// An earlier line has the same key.
    Duplicate(Option<i64>),
}

/// Values of a key, in the key's order.
pub fn key(record: &RecordType, values: &[Value]) -> Vec<Value> {
    record.key_indexes().into_iter().filter_map(|it| values.get(it).cloned()).collect()
}

/// The rows with what the current row of their key holds in the fields `keep`.
pub fn keeping(
    record: &RecordType,
    rows: &[Incoming],
    current: &HashMap<Vec<Value>, Current>,
    keep: &[usize],
) -> Vec<Incoming> {
    let kept = |row: &Incoming| {
        let mut row = row.clone();
        if let Some(current) = current.get(&key(record, &row.values)) {
            for at in keep {
                row.values[*at] = current.values[*at].clone();
            }
        }
        row
    };
    rows.iter().map(kept).collect()
}

/// The fate of each row, in order, against the current rows of their keys.
pub fn fates(record: &RecordType, rows: &[Incoming], current: &HashMap<Vec<Value>, Current>) -> Vec<Fate> {
    let indexes = record.key_indexes();
    let mut spoken: HashMap<Vec<&Value>, Option<i64>> = HashMap::with_capacity(rows.len());
    let fate = |row: &Incoming, key: Vec<Value>| match current.get(&key) {
        Some(Current { seen: Some(line), .. }) => Fate::Duplicate(Some(*line)),
        Some(it) if it.values == row.values => Fate::Same(it.id),
        Some(it) => Fate::Changed(it.id),
        None => Fate::Added,
    };
    let mut fates = Vec::with_capacity(rows.len());
    for row in rows {
        let borrowed: Vec<&Value> = indexes.iter().filter_map(|it| row.values.get(*it)).collect();
        if let Some(first) = spoken.get(&borrowed) {
            fates.push(Fate::Duplicate(*first));
            continue;
        }
        fates.push(fate(row, borrowed.iter().map(|it| (*it).clone()).collect()));
        spoken.insert(borrowed, row.line);
    }
    fates
}

/// Checks that `values` are a row of `record`: as many as fields, of their types, none missing.
///
/// # Errors
/// `registry.row` that names the field.
pub fn check_row(record: &RecordType, values: &[Value]) -> Result<(), Problem> {
    ensure!(
        values.len() == record.fields.len(),
        Problem::new(
            Kind::Unprocessable,
            "registry.row",
            format!("一行有 {} 个值，{} 有 {} 个字段", values.len(), record.name, record.fields.len()),
            format!("a row has {} values, {} has {} fields", values.len(), record.name, record.fields.len()),
        )
    );
    for ((name, field), value) in record.fields.iter().zip(values) {
        let again = field.parse(&field.kind.render(value), &AnyCode);
        let reason = match again {
            Ok(it) if it == *value => continue,
            Ok(_) => vocabulary::Bilingual::new("值与字段类型不符", "the value is not of the field's type"),
            Err(_) if field.personal => vocabulary::Bilingual::new("值不合要求", "the value does not fit the field"),
            Err(fault) => fault.reason,
        };
        let zh = format!("字段 {name}：{}", reason.zh);
        return Err(Problem::new(Kind::Unprocessable, "registry.row", zh, format!("field {name}: {}", reason.en))
            .field(format!("/{name}")));
    }
    Ok(())
}

/// Checks that `values` are a key of `record`.
///
/// # Errors
/// `registry.key`.
pub fn check_key(record: &RecordType, values: &[Value]) -> Result<(), Problem> {
    let kinds = record.key.iter().filter_map(|it| record.field(it.as_str()));
    let fits = values.len() == record.key.len()
        && kinds.zip(values).all(|(field, value)| {
            field.kind.parse(&field.kind.render(value), &AnyCode).is_ok_and(|it| it == *value && !it.is_null())
        });
    let names = record.key.iter().map(schema::FieldName::as_str).collect::<Vec<_>>().join(", ");
    ensure!(
        fits,
        Problem::new(
            Kind::Unprocessable,
            "registry.key",
            format!("主键应给出以下字段的值：{names}"),
            format!("a key gives a value for each of: {names}"),
        )
    );
    Ok(())
}

/// Whether `new` may take the place of `old`: it may add optional fields, lengthen texts, lower least values, make
/// fields optional and change whatever is only said about them; rows of either then fit both.
///
/// # Errors
/// `registry.revision` with everything that is not additive.
pub fn check_revision(old: &RecordType, new: &RecordType) -> Result<(), Problem> {
    let mut flaws: Vec<(String, String)> = Vec::new();
    if old.key != new.key {
        flaws.push(("主键不可改变".to_owned(), "the key cannot change".to_owned()));
    }
    for (name, before) in &old.fields {
        match new.field(name.as_str()) {
            None => flaws.push((format!("字段 {name} 不可删除"), format!("field {name} cannot go"))),
            Some(after) => {
                if !widens(&before.kind, &after.kind) {
                    flaws.push((
                        format!("字段 {name} 的类型不可改变"),
                        format!("the type of field {name} cannot change"),
                    ));
                }
                if after.min > before.min {
                    flaws.push((
                        format!("字段 {name} 的最小值不可提高"),
                        format!("the least value of field {name} cannot rise"),
                    ));
                }
                if before.optional && !after.optional {
                    flaws.push((format!("字段 {name} 不可改为必填"), format!("field {name} cannot become mandatory")));
                }
            }
        }
    }
    for (name, field) in &new.fields {
        if !old.fields.contains_key(name) && !field.optional {
            flaws.push((format!("新字段 {name} 应为 optional"), format!("the new field {name} must be optional")));
        }
    }
    let zh: Vec<_> = flaws.iter().map(|it| it.0.as_str()).collect();
    let en: Vec<_> = flaws.iter().map(|it| it.1.as_str()).collect();
    ensure!(
        flaws.is_empty(),
        Problem::new(
            Kind::Conflict,
            "registry.revision",
            format!("{} 的修订应只作增补：{}；或另立新类型", new.name, zh.join("；")),
            format!("a revision of {} may only add: {}; or declare a new type", new.name, en.join("; ")),
        )
    );
    Ok(())
}

fn widens(before: &FieldType, after: &FieldType) -> bool {
    match (before, after) {
        (FieldType::Text { max }, FieldType::Text { max: more }) => more >= max,
        (before, after) => before == after,
    }
}
