//! All SQL that is made at run time: from checked names of a described table, never from a caller's text; every value
//! is a parameter. What the three databases say differently stands here and nowhere else.

use crate::{Column, Name, Native, System, Table, TableName};

/// What the table that is read is called within a statement.
const FROM: &str = "yunhe_from";

/// A statement in the making.
pub(crate) struct Writer {
    system: System,
    pub(crate) args: Vec<String>,
}

impl Writer {
    pub(crate) fn new(system: System) -> Self {
        Self { system, args: Vec::new() }
    }

    /// An identifier in quotes.
    pub(crate) fn name(&self, name: &Name) -> String {
        match self.system {
            System::MySql => format!("`{}`", name.as_str().replace('`', "``")),
            System::Postgres | System::Sqlite => format!("\"{}\"", name.as_str().replace('"', "\"\"")),
        }
    }

    pub(crate) fn table(&self, table: &TableName) -> String {
        match &table.schema {
            Some(schema) => format!("{}.{}", self.name(schema), self.name(&table.name)),
            None => self.name(&table.name),
        }
    }

    /// The next parameter.
    pub(crate) fn place(&mut self, value: &str) -> String {
        self.args.push(value.to_owned());
        match self.system {
            System::MySql => "?".to_owned(),
            System::Postgres => format!("CAST(${} AS text)", self.args.len()),
            System::Sqlite => format!("?{}", self.args.len()),
        }
    }

    /// A text that compares byte by byte.
    pub(crate) fn bytes(&self, text: &str) -> String {
        match self.system {
            System::Postgres => format!("({text}) COLLATE \"C\""),
            System::MySql => format!("CAST({text} AS BINARY)"),
            System::Sqlite => format!("({text}) COLLATE BINARY"),
        }
    }

    /// A column's values as text.
    pub(crate) fn text(&self, column: &Column) -> String {
        let name = self.name(&column.name);
        match (self.system, column.kind) {
            (System::Postgres, Native::Bytes) => format!("encode({name}, 'hex')"),
            (System::Postgres, _) => format!("CAST({name} AS text)"),
            (System::MySql, Native::Bytes) => format!("CAST(LOWER(HEX({name})) AS CHAR CHARACTER SET utf8mb4)"),
            (System::MySql, Native::Boolean) => format!("CAST({name} + 0 AS CHAR CHARACTER SET utf8mb4)"),
            (System::MySql, _) => format!("CAST({name} AS CHAR CHARACTER SET utf8mb4)"),
            (System::Sqlite, _) => {
                format!("CASE typeof({name}) WHEN 'blob' THEN lower(hex({name})) ELSE CAST({name} AS TEXT) END")
            }
        }
    }

    /// Whether the database would compare the column's values otherwise than the text that they are read as: bytes
    /// against their digits, `ENUM` by its index, a column without a type by the type of each value.
    fn reads_otherwise(&self, column: &Column) -> bool {
        match self.system {
            System::Postgres => matches!(column.kind, Native::Other | Native::Bytes | Native::Time),
            System::MySql => {
                let listed = ["enum(", "set("].iter().any(|it| column.native.to_lowercase().starts_with(it));
                matches!(column.kind, Native::Other | Native::Bytes) || listed
            }
            System::Sqlite => matches!(column.kind, Native::Other | Native::Bytes),
        }
    }

    /// A column as it is compared: by its own index where it is unique by its own rules, else byte by byte.
    pub(crate) fn column(&self, column: &Column, own: bool) -> String {
        let name = self.name(&column.name);
        let own = own && !self.reads_otherwise(column);
        match (self.system, column.kind) {
            (System::Postgres, Native::Other | Native::Bytes | Native::Time) => self.text(column),
            (System::Postgres, Native::Text) if !own => format!("CAST({name} AS text) COLLATE \"C\""),
            (System::MySql, Native::Text | Native::Other | Native::Time | Native::Bytes) if !own => {
                format!("CAST({} AS BINARY)", self.text(column))
            }
            (System::Sqlite, Native::Text) if !own => format!("CAST({name} AS TEXT) COLLATE BINARY"),
            (System::Sqlite, Native::Other | Native::Bytes) => self.bytes(&self.text(column)),
            _ => name,
        }
    }

    /// A parameter to compare with [`Writer::column`].
    pub(crate) fn value(&mut self, column: &Column, own: bool, value: &str) -> String {
        let place = self.place(value);
        let own = own && !self.reads_otherwise(column);
        let cast = match (self.system, column.kind) {
            (System::Postgres, Native::Integer) => "bigint",
            (System::Postgres, Native::Decimal | Native::Float) => "numeric",
            (System::Postgres, Native::Boolean) => "boolean",
            (System::Postgres, Native::Date) => "date",
            (System::Postgres, Native::DateTime) => "timestamp",
            (System::Postgres, Native::Instant) => "timestamptz",
            (System::Postgres, Native::Text) if own && column.native.starts_with("character(") => "bpchar",
            (System::MySql, Native::Integer) if column.native.contains("unsigned") => "DECIMAL(65)",
            (System::MySql, Native::Integer) => "SIGNED",
            (System::MySql, Native::Decimal) => "DECIMAL(65,30)",
            (System::MySql, Native::Float) => "DOUBLE",
            (System::MySql, Native::Boolean) => "UNSIGNED",
            (System::MySql, Native::Date) => "DATE",
            (System::MySql, Native::DateTime | Native::Instant) => "DATETIME(6)",
            (System::MySql, Native::Text | Native::Other | Native::Time | Native::Bytes) if !own => "BINARY",
            // SQLite gives the parameter the column's affinity, and a text that is no number stays one.
            _ => return place,
        };
        format!("CAST({place} AS {cast})")
    }

    /// The rows behind `values` in the order of `columns`, with a plain bound on the first of them for its index.
    pub(crate) fn behind(&mut self, columns: &[&Column], own: bool, values: &[String]) -> String {
        let (Some(first), Some(value)) = (columns.first(), values.first()) else { return "1 = 1".to_owned() };
        let bound = format!("{} >= {}", self.column(first, own), self.value(first, own, value));
        let mut all = Vec::new();
        for at in 0..columns.len().min(values.len()) {
            let mut parts = Vec::new();
            for (column, value) in columns.iter().zip(values).take(at) {
                parts.push(format!("{} = {}", self.column(column, own), self.value(column, own, value)));
            }
            let (column, value) = (columns[at], &values[at]);
            parts.push(format!("{} > {}", self.column(column, own), self.value(column, own, value)));
            all.push(format!("({})", parts.join(" AND ")));
        }
        format!("({bound} AND ({}))", all.join(" OR "))
    }

    /// The rows whose `columns` have one of these values.
    pub(crate) fn among(&mut self, columns: &[&Column], own: bool, keys: &[Vec<String>]) -> String {
        if let [column] = columns {
            let list: Vec<_> = keys.iter().flatten().map(|it| self.value(column, own, it)).collect();
            return format!("{} IN ({})", self.column(column, own), list.join(", "));
        }
        let mut all = Vec::new();
        for key in keys {
            let pairs = columns.iter().zip(key);
            let parts: Vec<_> =
                pairs.map(|(it, value)| format!("{} = {}", self.column(it, own), self.value(it, own, value))).collect();
            all.push(format!("({})", parts.join(" AND ")));
        }
        format!("({})", all.join(" OR "))
    }

    /// `SELECT … FROM table`, every column as text.
    pub(crate) fn select(&self, table: &Table, columns: &[&Column]) -> String {
        let list: Vec<_> = columns.iter().map(|it| self.text(it)).collect();
        format!("SELECT {} FROM {} AS {FROM}", list.join(", "), self.table(&table.name))
    }

    /// A column as rows are ordered by it. PostgreSQL takes a bare name for the text that is selected under it, and
    /// would put 10 before 9.
    pub(crate) fn order(&self, column: &Column, own: bool) -> String {
        let (name, text) = (self.name(&column.name), self.column(column, own));
        if text == name { format!("{FROM}.{name}") } else { text }
    }
}
