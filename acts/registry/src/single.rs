//! A row as a person or program writes it in JSON, against its record type. Pure.

use schema::{CodeLists, FieldName, RecordType, Value};
use serde_json::{Map, Value as Json, json};
use vocabulary::{Bilingual, Kind, Problem, ensure};

/// A reason is at most this long.
pub const WHY_CHARS_MAX: usize = 500;

/// The values of a row, in the order of the type's fields. A field that is left out is `null`.
///
/// # Errors
/// `registry.row` with everything that is wrong in it; a value about a person is not repeated.
pub fn row_values(record: &RecordType, row: &Map<String, Json>, codes: &dyn CodeLists) -> Result<Vec<Value>, Problem> {
    let mut flaws: Vec<(String, &'static str, Bilingual)> = Vec::new();
    let names = record.fields.keys().map(FieldName::as_str).collect::<Vec<_>>().join(", ");
    for name in row.keys().filter(|it| record.field(it).is_none()) {
        let reason = Bilingual::new(
            format!("{} 没有此信息项；有：{names}", record.name),
            format!("{} has no such field; it has: {names}", record.name),
        );
        flaws.push((name.clone(), "value.unknown_field", reason));
    }
    let mut values = Vec::with_capacity(record.fields.len());
    for (name, field) in &record.fields {
        match field.from_json(row.get(name.as_str()).unwrap_or(&Json::Null), codes) {
            Ok(value) if value.is_null() && record.key.contains(name) => {
                let reason = Bilingual::new("主键信息项不可为空", "a field of the key cannot be empty");
                flaws.push((name.to_string(), "value.missing", reason));
            }
            Ok(value) => values.push(value),
            Err(fault) if field.personal && fault.code != "value.missing" => {
                let reason = Bilingual::new("值不合信息项的要求", "the value does not fit the field");
                flaws.push((name.to_string(), fault.code, reason));
            }
            Err(fault) => flaws.push((name.to_string(), fault.code, fault.reason)),
        }
    }
    let Some((first, ..)) = flaws.first() else { return Ok(values) };
    let zh: Vec<String> = flaws.iter().map(|(name, _, reason)| format!("{name}：{}", reason.zh)).collect();
    let en: Vec<String> = flaws.iter().map(|(name, _, reason)| format!("{name}: {}", reason.en)).collect();
    let flaw = |(name, code, reason): &(String, &str, Bilingual)| {
        let field = format!("/row/{name}");
        json!({"field": field, "code": code, "detail": reason.zh, "detail_en": reason.en})
    };
    Err(Problem::new(Kind::Unprocessable, "registry.row", zh.join("；"), en.join("; "))
        .field(format!("/row/{first}"))
        .with("flaws", flaws.iter().map(flaw).collect::<Vec<_>>()))
}

/// Checks that a reason is given.
///
/// # Errors
/// `registry.why`.
pub fn check_why(why: &str) -> Result<(), Problem> {
    let length = why.trim().chars().count();
    ensure!(
        (1..=WHY_CHARS_MAX).contains(&length),
        Problem::new(
            Kind::Unprocessable,
            "registry.why",
            format!("请写明更改原因（why），1 至 {WHY_CHARS_MAX} 字"),
            format!("say why it is changed (why), in 1 to {WHY_CHARS_MAX} characters"),
        )
        .field("/why")
    );
    Ok(())
}
