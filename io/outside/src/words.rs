//! A filter put to a table of others. It may let more rows through than it should, never fewer: whoever reads evaluates
//! it again on each row that fits its record type. Exact wherever types meet that the database compares as we do.

use crate::{Column, Name, Native, System, Table, sql::Writer};
use rule::{Filter, sql::Words};
use schema::{FieldName, FieldType, RecordType, Value};

/// A filter with what it needs to be said there.
#[derive(Clone, Copy, Debug)]
pub struct Where<'a> {
    /// The filter.
    pub filter: &'a Filter,
    /// The record type that it is about.
    pub record: &'a RecordType,
    /// Which column each field is.
    pub columns: &'a [(FieldName, Name)],
}

/// How a field's values are compared there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// Byte by byte, as the very text that is read.
    Text,
    /// As numbers; the parameter is cast so.
    Number(Native),
    /// As truth.
    Truth,
    /// As days.
    Day,
    /// As days, where the column holds midnights.
    Midnight,
    /// As moments, where the column holds moments.
    Moment,
    /// As moments, where the column holds Chinese wall clocks.
    Clock,
}

/// The same fields in the words of one table.
pub(crate) struct Foreign<'a> {
    pub(crate) system: System,
    pub(crate) table: &'a Table,
    pub(crate) asked: Where<'a>,
    pub(crate) writer: &'a mut Writer,
}

impl Foreign<'_> {
    fn find(&self, field: &FieldName) -> Option<(&Column, &FieldType, Said)> {
        let (_, name) = self.asked.columns.iter().find(|it| it.0 == *field)?;
        let column = self.table.column(name.as_str())?;
        let kind = &self.asked.record.field(field.as_str())?.kind;
        Some((column, kind, self.said(kind, column.kind)?))
    }

    /// SQLite keeps what it is given, whatever a column says: only texts and whole numbers compare there as they read.
    fn said(&self, kind: &FieldType, native: Native) -> Option<Said> {
        let typed = self.system != System::Sqlite;
        match (kind, native) {
            (kind, Native::Text | Native::Integer | Native::Decimal | Native::Other) if kind.is_text() => {
                Some(Said::Text)
            }
            (FieldType::Integer, Native::Integer) => Some(Said::Number(native)),
            (FieldType::Integer, Native::Decimal) if typed => Some(Said::Number(native)),
            (FieldType::Decimal { .. } | FieldType::Money, Native::Decimal | Native::Integer) if typed => {
                Some(Said::Number(Native::Decimal))
            }
            (FieldType::Boolean, Native::Boolean | Native::Integer) if typed => Some(Said::Truth),
            (FieldType::Date, Native::Date) if typed => Some(Said::Day),
            (FieldType::Date, Native::DateTime) if typed => Some(Said::Midnight),
            (FieldType::Timestamp, Native::Instant) if typed => Some(Said::Moment),
            (FieldType::Timestamp, Native::DateTime) if typed => Some(Said::Clock),
            _ => None,
        }
    }
}

impl Words for Foreign<'_> {
    fn column(&self, field: &FieldName) -> Option<String> {
        let (column, _, said) = self.find(field)?;
        let (name, writer) = (self.writer.name(&column.name), &self.writer);
        Some(match (self.system, said) {
            // MySQL takes spaces for nothing where it compares texts, and not where it compares bytes.
            (System::MySql, Said::Text) => format!("NULLIF({}, '')", writer.bytes(&writer.text(column))),
            (_, Said::Text) => writer.bytes(&format!("NULLIF({}, '')", writer.text(column))),
            (System::Sqlite, Said::Number(_)) => format!("CAST(NULLIF({name}, '') AS INTEGER)"),
            (System::MySql, Said::Clock) => format!("({name} - INTERVAL 8 HOUR)"),
            (System::Postgres, Said::Clock) => format!("({name} AT TIME ZONE INTERVAL '+08:00')"),
            _ => name,
        })
    }

    fn value(&mut self, field: &FieldName, value: Value) -> String {
        let found = self.find(field).map(|(column, kind, said)| (column.clone(), kind.render(&value), said));
        // The column was asked for first: without one no value is.
        let Some((column, text, said)) = found else { return self.writer.place("") };
        let as_native = |native| Column { kind: native, ..column.clone() };
        match said {
            Said::Text => {
                let place = self.writer.place(&text);
                self.writer.bytes(&place)
            }
            Said::Number(native) => self.writer.value(&as_native(native), false, &text),
            Said::Truth => {
                let number = if text == "true" { "1" } else { "0" };
                self.writer.value(&column, false, number)
            }
            Said::Day => self.writer.value(&column, false, &text),
            Said::Midnight => self.writer.value(&as_native(Native::DateTime), false, &format!("{text} 00:00:00")),
            Said::Moment | Said::Clock => {
                let moment = as_native(Native::Instant);
                let raw = moment.raw(&text);
                let raw = if self.system == System::Postgres { format!("{raw}+00") } else { raw };
                self.writer.value(&moment, false, &raw)
            }
        }
    }

    fn end(&self, column: &str, text: &str) -> String {
        match self.system {
            // Of bytes, for such the column is.
            System::MySql => format!("RIGHT({column}, {})", text.len()),
            System::Postgres => format!("right({column}, {})", text.chars().count()),
            System::Sqlite => format!("substr({column}, -{})", text.chars().count()),
        }
    }

    fn place(&self, column: &str, parameter: &str) -> String {
        let call = if self.system == System::Postgres { "strpos" } else { "instr" };
        format!("{call}({column}, {parameter})")
    }

    /// The column's own comparison, by its index, finds at least the equal bytes.
    fn equal(&mut self, field: &FieldName, column: &str, value: Value) -> String {
        let native = self.find(field).filter(|it| it.2 == Said::Text && it.0.kind == Native::Text);
        let own = native.map(|(about, kind, _)| (about.clone(), kind.render(&value)));
        let by_index = own.map(|(about, text)| {
            format!("{} = {}", self.writer.column(&about, true), self.writer.value(&about, true, &text))
        });
        let exact = format!("{column} = {}", self.value(field, value));
        by_index.map_or(exact.clone(), |it| format!("({it} AND {exact})"))
    }
}
