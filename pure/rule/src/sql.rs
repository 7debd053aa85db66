//! A filter as SQL for SQLite and PostgreSQL, and the one place that knows how values are stored in either.
//!
//! Values are parameters, never text. Positive tests are plain comparisons, so that indexes serve; a negated test
//! lets null in. The text belongs into a `WHERE`, where null counts as false: to negate, negate the [`Filter`].

use crate::{By, Filter, Test};
use schema::{FieldName, FieldType, RecordType, Value};
use vocabulary::{Date, Kind, Problem, micros, timestamp_from_micros};

pub use vocabulary::Dialect;

/// A value as it goes to a driver and comes back from it: nothing else does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// NULL.
    Null,
    /// A 64-bit integer: integers, scaled decimals, fen, 0 and 1, microseconds.
    Int(i64),
    /// Text; days as `2026-01-01`.
    Text(String),
}

/// The value as a parameter.
pub fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Text(it) => Cell::Text(it.clone()),
        Value::Integer(it) | Value::Scaled(it) => Cell::Int(*it),
        Value::Boolean(it) => Cell::Int(i64::from(*it)),
        Value::Date(it) => Cell::Text(it.to_string()),
        Value::Timestamp(it) => Cell::Int(micros(*it)),
    }
}

/// The value of a column of `kind` that was read by [`select`].
///
/// # Errors
/// `rule.stored` when the database holds what the type cannot be.
pub fn value(kind: &FieldType, cell: Cell) -> Result<Value, Problem> {
    Ok(match (kind, cell) {
        (_, Cell::Null) => Value::Null,
        (FieldType::Integer, Cell::Int(it)) => Value::Integer(it),
        (FieldType::Decimal { .. } | FieldType::Money, Cell::Int(it)) => Value::Scaled(it),
        (FieldType::Boolean, Cell::Int(it @ (0 | 1))) => Value::Boolean(it == 1),
        (FieldType::Timestamp, Cell::Int(it)) => Value::Timestamp(timestamp_from_micros(it)?),
        (FieldType::Date, Cell::Text(it)) => Value::Date(it.parse::<Date>().map_err(|_| stored(kind))?),
        (kind, Cell::Text(it)) if kind.is_text() => Value::Text(it),
        (kind, _) => return Err(stored(kind)),
    })
}

fn stored(kind: &FieldType) -> Problem {
    let (zh, en) = crate::kind::name(kind);
    Problem::new(
        Kind::Internal,
        "rule.stored",
        format!("数据库中的值不是{zh}；请检查该表是否被其他程序改写"),
        format!("a stored value is not of type {en}; see whether another program wrote to the table"),
    )
}

/// An identifier in quotes.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The type of a column in DDL.
pub fn column_type(kind: &FieldType, dialect: Dialect) -> String {
    match (dialect, kind) {
        (Dialect::Sqlite, FieldType::Date) => "TEXT".to_owned(),
        (Dialect::Sqlite, kind) if kind.is_text() => "TEXT".to_owned(),
        (Dialect::Sqlite, _) => "INTEGER".to_owned(),
        (Dialect::Postgres, FieldType::Integer | FieldType::Money) => "BIGINT".to_owned(),
        (Dialect::Postgres, FieldType::Decimal { precision, scale }) => format!("NUMERIC({precision},{scale})"),
        (Dialect::Postgres, FieldType::Boolean) => "BOOLEAN".to_owned(),
        (Dialect::Postgres, FieldType::Date) => "DATE".to_owned(),
        (Dialect::Postgres, FieldType::Timestamp) => "TIMESTAMPTZ".to_owned(),
        (Dialect::Postgres, _) => "TEXT COLLATE \"C\"".to_owned(),
    }
}

/// The expression that makes the parameter `$n` (a [`Cell`]) a value of a column of `kind`: to insert, or to compare.
///
/// PostgreSQL reads a null of whatever type the driver gives it: hence the inner casts.
pub fn parameter(kind: &FieldType, dialect: Dialect, n: usize) -> String {
    if dialect == Dialect::Sqlite {
        return format!("${n}");
    }
    match kind {
        FieldType::Integer | FieldType::Money => format!("CAST(${n} AS bigint)"),
        // A product is exact at any scale; a quotient of numerics is rounded.
        FieldType::Decimal { scale, .. } => format!("(CAST(${n} AS bigint) * {})", step(*scale)),
        FieldType::Boolean => format!("(CAST(${n} AS bigint) <> 0)"),
        FieldType::Date => format!("CAST(CAST(${n} AS text) AS date)"),
        // An interval times a number goes through a double: hours and the rest of an hour are both exact there.
        FieldType::Timestamp => format!(
            "(TIMESTAMPTZ '1970-01-01 00:00:00+00' + (CAST(${n} AS bigint) / 3600000000) * INTERVAL '1 hour' \
             + (CAST(${n} AS bigint) % 3600000000) * INTERVAL '1 microsecond')"
        ),
        _ => format!("CAST(${n} AS text)"),
    }
}

/// One in the last digit of a scale: `0.01`.
fn step(scale: u8) -> String {
    match scale {
        0 => "1".to_owned(),
        scale => format!("0.{:0>width$}", 1, width = usize::from(scale)),
    }
}

/// The expression that reads a column back as a [`Cell`], exactly.
pub fn select(name: &str, kind: &FieldType, dialect: Dialect) -> String {
    let column = quote(name);
    match (dialect, kind) {
        (Dialect::Postgres, FieldType::Decimal { scale, .. }) => {
            format!("CAST({column} * {} AS bigint)", 10_i64.pow(u32::from(*scale)))
        }
        (Dialect::Postgres, FieldType::Boolean) => format!("CAST(CAST({column} AS integer) AS bigint)"),
        (Dialect::Postgres, FieldType::Date) => format!("to_char({column}, 'YYYY-MM-DD')"),
        (Dialect::Postgres, FieldType::Timestamp) => {
            format!("CAST(EXTRACT(EPOCH FROM {column}) * 1000000 AS bigint)")
        }
        _ => column,
    }
}

/// The first text that is greater than every text that begins with `prefix`, in the order of code points, which is
/// that of UTF-8 bytes; `None` when there is none.
pub(crate) fn after(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // Steps over the surrogates; past U+10FFFF the character before it is stepped.
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

impl Filter {
    /// The filter for a `WHERE`, as one operand in brackets where it needs them, and the values of its parameters
    /// `$first_parameter`, …, in order.
    pub fn sql(&self, record: &RecordType, dialect: Dialect, first_parameter: usize) -> (String, Vec<Value>) {
        let mut words = Own { record, dialect, first_parameter, values: Vec::new() };
        let text = self.sql_in(record, &mut words);
        (text, words.values)
    }

    /// The filter for a `WHERE` over a table that is not ours, in its own words. Where these have no word for a field
    /// the test on it lets every row in: the text then lets in more rows than the filter, and never fewer.
    pub fn sql_in(&self, record: &RecordType, words: &mut dyn Words) -> String {
        Writer { record, words }.filter(self)
    }
}

/// How the fields of a record type stand in a table, and what a database calls the few things that are done with them.
///
/// A column reads as null exactly where the field holds nothing, and never fails; texts compare byte by byte.
pub trait Words {
    /// The column of a field as it is compared; `None` where that cannot be said.
    fn column(&self, field: &FieldName) -> Option<String>;
    /// The next parameter, which holds `value`, to compare with the column of `field`.
    fn value(&mut self, field: &FieldName, value: Value) -> String;
    /// The end of a text column, as long as `text`.
    fn end(&self, column: &str, text: &str) -> String;
    /// Where in a text column a parameter stands first, from 1; 0: nowhere.
    fn place(&self, column: &str, parameter: &str) -> String;
    /// `column = parameter`, where an index can find it by more than that.
    fn equal(&mut self, field: &FieldName, column: &str, value: Value) -> String {
        let parameter = self.value(field, value);
        format!("{column} = {parameter}")
    }
}

const NEVER: &str = "1 = 0";
const ALWAYS: &str = "1 = 1";

/// The words of our own tables.
struct Own<'a> {
    record: &'a RecordType,
    dialect: Dialect,
    first_parameter: usize,
    values: Vec<Value>,
}

impl Words for Own<'_> {
    fn column(&self, field: &FieldName) -> Option<String> {
        Some(quote(field.as_str()))
    }

    fn value(&mut self, field: &FieldName, value: Value) -> String {
        let n = self.first_parameter + self.values.len();
        self.values.push(value);
        match self.record.fields.get(field.as_str()) {
            Some(it) => parameter(&it.kind, self.dialect, n),
            None => format!("${n}"),
        }
    }

    fn end(&self, column: &str, text: &str) -> String {
        let length = text.chars().count();
        match self.dialect {
            Dialect::Sqlite => format!("substr({column}, -{length})"),
            Dialect::Postgres => format!("right({column}, {length})"),
        }
    }

    fn place(&self, column: &str, parameter: &str) -> String {
        let call = match self.dialect {
            Dialect::Sqlite => "instr",
            Dialect::Postgres => "strpos",
        };
        format!("{call}({column}, {parameter})")
    }
}

struct Writer<'a, 'w> {
    record: &'a RecordType,
    words: &'w mut dyn Words,
}

impl Writer<'_, '_> {
    fn filter(&mut self, filter: &Filter) -> String {
        match filter {
            Filter::All(parts) => self.joined(parts, " AND ", ALWAYS),
            Filter::Any(parts) => self.joined(parts, " OR ", NEVER),
            // What does not suit the record type holds in neither form, as in `Filter::matches`.
            Filter::Is(test) | Filter::Not(test) if !test.suits(self.record) => NEVER.to_owned(),
            Filter::Is(test) => self.test(test, true).unwrap_or_else(|| ALWAYS.to_owned()),
            Filter::Not(test) => self.negated(test).unwrap_or_else(|| ALWAYS.to_owned()),
        }
    }

    fn negated(&mut self, test: &Test) -> Option<String> {
        if let Test::Null { field } = test {
            return Some(format!("{} IS NOT NULL", self.words.column(field)?));
        }
        let mut nulls = String::new();
        for field in test.fields().into_iter().flatten() {
            nulls += &format!("{} IS NULL OR ", self.words.column(field)?);
        }
        Some(format!("({nulls}{})", self.test(test, false)?))
    }

    fn joined(&mut self, parts: &[Filter], with: &str, empty: &str) -> String {
        let parts: Vec<_> = parts.iter().map(|it| self.filter(it)).collect();
        if parts.is_empty() { empty.to_owned() } else { format!("({})", parts.join(with)) }
    }

    /// The test, or what holds where it does not, for fields that are not null; `None` where there is no word for one.
    fn test(&mut self, test: &Test, positive: bool) -> Option<String> {
        Some(match test {
            Test::Compare { field, by, value } => {
                let column = self.words.column(field)?;
                if positive && *by == By::Eq {
                    return Some(self.words.equal(field, &column, value.value()));
                }
                let by = operator(if positive { *by } else { by.inverse() });
                let parameter = self.words.value(field, value.value());
                format!("{column} {by} {parameter}")
            }
            Test::Fields { field, by, other } => {
                let by = operator(if positive { *by } else { by.inverse() });
                format!("{} {by} {}", self.words.column(field)?, self.words.column(other)?)
            }
            Test::In { values, .. } if values.is_empty() => (if positive { NEVER } else { ALWAYS }).to_owned(),
            Test::In { field, values } => {
                let column = self.words.column(field)?;
                let list: Vec<_> = values.iter().map(|it| self.words.value(field, it.value())).collect();
                let not = if positive { "" } else { "NOT " };
                format!("{column} {not}IN ({})", list.join(", "))
            }
            Test::StartsWith { text, field } | Test::EndsWith { text, field } | Test::Contains { text, field }
                if text.is_empty() =>
            {
                if positive {
                    format!("{} IS NOT NULL", self.words.column(field)?)
                } else {
                    NEVER.to_owned()
                }
            }
            Test::StartsWith { field, text } => self.starts(field, text, positive)?,
            Test::EndsWith { field, text } => {
                let end = self.words.end(&self.words.column(field)?, text);
                let parameter = self.words.value(field, Value::Text(text.clone()));
                format!("{end} {} {parameter}", operator(if positive { By::Eq } else { By::Ne }))
            }
            Test::Contains { field, text } => {
                let column = self.words.column(field)?;
                let parameter = self.words.value(field, Value::Text(text.clone()));
                format!("{} {} 0", self.words.place(&column, &parameter), if positive { ">" } else { "=" })
            }
            Test::Null { field } => {
                format!("{} IS {}NULL", self.words.column(field)?, if positive { "" } else { "NOT " })
            }
        })
    }

    /// A range of the index: from the prefix up to the first text after all that begin with it.
    fn starts(&mut self, field: &FieldName, text: &str, positive: bool) -> Option<String> {
        let column = self.words.column(field)?;
        let from = self.words.value(field, Value::Text(text.to_owned()));
        let to = after(text).map(|it| self.words.value(field, Value::Text(it)));
        Some(match (to, positive) {
            (Some(to), true) => format!("({column} >= {from} AND {column} < {to})"),
            (Some(to), false) => format!("({column} < {from} OR {column} >= {to})"),
            (None, true) => format!("{column} >= {from}"),
            (None, false) => format!("{column} < {from}"),
        })
    }
}

fn operator(by: By) -> &'static str {
    match by {
        By::Eq => "=",
        By::Ne => "<>",
        By::Lt => "<",
        By::Le => "<=",
        By::Gt => ">",
        By::Ge => ">=",
    }
}
