//! Values on their way to the database and back: arguments, JSON lists of keys, lines of `COPY`.

use crate::fault;
use rule::sql::Cell;
use schema::{Field, FieldType, RecordType, Value};
use std::io::Write as _;
use store::Arg;
use vocabulary::{Problem, micros};

/// A value as an argument; `rule::sql::parameter` makes a column's value of it.
pub(crate) fn arg(value: &Value) -> Arg {
    match rule::sql::cell(value) {
        Cell::Null => Arg::Null,
        Cell::Int(it) => Arg::Int(it),
        Cell::Text(it) => Arg::Text(it),
    }
}

/// The value that was read by `rule::sql::select`.
pub(crate) fn value(kind: &FieldType, arg: Arg) -> Result<Value, Problem> {
    let cell = match arg {
        Arg::Null => Cell::Null,
        Arg::Int(it) => Cell::Int(it),
        Arg::Text(it) => Cell::Text(it),
        Arg::Bytes(_) => return Err(fault::internal("cell", &"bytes in a field")),
    };
    rule::sql::value(kind, cell)
}

/// The values of `fields` from the cells of a row.
pub(crate) fn values<'a>(
    fields: impl IntoIterator<Item = &'a Field>,
    cells: impl IntoIterator<Item = Arg>,
) -> Result<Vec<Value>, Problem> {
    fields.into_iter().zip(cells).map(|(field, cell)| value(&field.kind, cell)).collect()
}

/// Keys as the JSON that [`crate::sql::Table::matched`] takes: bare values for a key of one field, arrays otherwise.
pub(crate) fn keys_json<'a>(record: &RecordType, keys: impl Iterator<Item = Vec<&'a Value>>) -> String {
    let alone = record.key.len() == 1;
    let keys = keys.map(|key| {
        let mut values = key.into_iter().map(json);
        if alone { values.next().unwrap_or_default() } else { values.collect() }
    });
    serde_json::Value::Array(keys.collect()).to_string()
}

fn json(value: &Value) -> serde_json::Value {
    match rule::sql::cell(value) {
        Cell::Null => serde_json::Value::Null,
        Cell::Int(it) => it.into(),
        Cell::Text(it) => it.into(),
    }
}

/// A row as it waits in the staging table.
pub(crate) fn row_json(values: &[Value]) -> String {
    serde_json::Value::Array(values.iter().map(json).collect()).to_string()
}

/// A row from the staging table.
pub(crate) fn row_values(record: &RecordType, json: &str) -> Result<Vec<Value>, Problem> {
    let cells: Vec<serde_json::Value> = serde_json::from_str(json).map_err(|it| fault::internal("staged row", &it))?;
    let arg = |cell| match cell {
        serde_json::Value::Null => Ok(Arg::Null),
        serde_json::Value::String(it) => Ok(Arg::Text(it)),
        other => other.as_i64().map(Arg::Int).ok_or_else(|| fault::internal("staged cell", &other)),
    };
    let cells = cells.into_iter().map(arg).collect::<Result<Vec<_>, _>>()?;
    values(record.fields.values(), cells)
}

/// One cell of `COPY … FROM STDIN` in its text format.
pub(crate) fn copy(kind: &FieldType, value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(rule::copy::NOTHING),
        Value::Text(text) => rule::copy::write(text, out),
        Value::Integer(it) => number(*it, out),
        Value::Scaled(it) if *kind == FieldType::Money => number(*it, out),
        Value::Scaled(_) => out.extend_from_slice(kind.render(value).as_bytes()),
        Value::Boolean(it) => out.push(if *it { b't' } else { b'f' }),
        Value::Date(it) => {
            let done = write!(out, "{:04}-{:02}-{:02}", it.year(), it.month(), it.day());
            done.expect("a Vec takes all bytes");
        }
        Value::Timestamp(it) => {
            debug_assert!(micros(*it) % 1_000_000 == 0 || it.subsec_nanosecond() % 1_000 == 0);
            out.extend_from_slice(it.to_string().as_bytes());
        }
    }
}

pub(crate) fn number(it: i64, out: &mut Vec<u8>) {
    write!(out, "{it}").expect("a Vec takes all bytes");
}

/// Bytes for a `BYTEA` column of `COPY`.
pub(crate) fn copy_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\\\x");
    for byte in bytes {
        write!(out, "{byte:02x}").expect("a Vec takes all bytes");
    }
}
