//! SQL texts: constants, or built by a closed syntax tree; never from what a caller typed.

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// A statement to run.
#[derive(Clone, Debug)]
pub struct Statement(Text);

#[derive(Clone, Debug)]
enum Text {
    Fixed(&'static str),
    Built(String),
}

impl Statement {
    /// A statement made at run time. Only the one module per act that builds SQL from checked identifiers calls this.
    pub fn built(sql: String) -> Self {
        Self(Text::Built(sql))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Fixed(sql) => sql,
            Text::Built(sql) => sql,
        }
    }

    pub(crate) fn sql(self) -> SqlStr {
        match self.0 {
            Text::Fixed(sql) => sql.into_sql_str(),
            Text::Built(sql) => AssertSqlSafe(sql).into_sql_str(),
        }
    }
}

impl From<&'static str> for Statement {
    fn from(sql: &'static str) -> Self {
        Self(Text::Fixed(sql))
    }
}
