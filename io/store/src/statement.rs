//! SQL texts: constants, or built by a closed syntax tree; never from what a caller typed.

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// A statement to run.
#[derive(Clone, Debug)]
pub struct Statement {
    text: Text,
    /// It may read or write many rows, so SQLite runs it aside.
    long: bool,
    /// It makes tables or indexes.
    schema: bool,
}

#[derive(Clone, Debug)]
enum Text {
    Fixed(&'static str),
    Built(String),
}

impl Statement {
    /// A statement made at run time. Only the one module per act that builds SQL from checked identifiers calls this.
    /// It is taken for a long one; see [`Statement::brief`].
    pub fn built(sql: String) -> Self {
        Self { text: Text::Built(sql), long: true, schema: false }
    }

    /// A constant statement that may read or write thousands of rows.
    pub fn long(sql: &'static str) -> Self {
        Self { text: Text::Fixed(sql), long: true, schema: false }
    }

    /// A statement made at run time that makes or changes a table or an index, which may take minutes.
    pub fn schema(sql: String) -> Self {
        Self { text: Text::Built(sql), long: true, schema: true }
    }

    /// Says that this statement reads or writes a few rows only, by an index.
    #[must_use]
    pub fn brief(self) -> Self {
        Self { long: false, ..self }
    }

    pub(crate) fn is_schema(&self) -> bool {
        self.schema
    }

    pub(crate) fn is_long(&self) -> bool {
        self.long
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        match &self.text {
            Text::Fixed(sql) => sql,
            Text::Built(sql) => sql,
        }
    }

    pub(crate) fn sql(self) -> SqlStr {
        match self.text {
            Text::Fixed(sql) => sql.into_sql_str(),
            Text::Built(sql) => AssertSqlSafe(sql).into_sql_str(),
        }
    }
}

impl From<&'static str> for Statement {
    fn from(sql: &'static str) -> Self {
        Self { text: Text::Fixed(sql), long: false, schema: false }
    }
}
