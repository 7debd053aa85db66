//! Names of tables and columns of others: checked once, quoted wherever they stand in SQL.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use vocabulary::{Kind, Problem, ensure};

/// A name has at most this many bytes: the most that any of the databases takes (MySQL: 64 characters of 4 bytes).
const NAME_BYTES_MAX: usize = 256;

/// A table's or a column's name as its database knows it, with its case; Chinese is common.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// Checks and wraps a name.
    ///
    /// # Errors
    /// `source.name` when it is empty, too long, or holds control characters.
    pub fn new(text: impl Into<String>) -> Result<Self, Problem> {
        let text = text.into();
        let fits = !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control);
        ensure!(
            fits,
            Problem::new(
                Kind::Unprocessable,
                "source.name",
                format!("表名或列名“{}”应为 1–{NAME_BYTES_MAX} 字节，不含控制字符", text.escape_debug()),
                format!(
                    "table or column name {text:?} should be 1 to {NAME_BYTES_MAX} bytes without control characters"
                ),
            )
        );
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(|it| serde::de::Error::custom(it.detail.en))
    }
}

/// A table, with the schema it is in where that is not the connection's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TableName {
    /// Its schema (PostgreSQL) or database (MySQL), where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Name>,
    /// Its name.
    pub name: Name,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

impl FromStr for TableName {
    type Err = Problem;

    /// `ENT_BASE`, or `market.ENT_BASE`.
    fn from_str(text: &str) -> Result<Self, Problem> {
        Ok(match text.split_once('.') {
            Some((schema, name)) => Self { schema: Some(Name::new(schema)?), name: Name::new(name)? },
            None => Self { schema: None, name: Name::new(text)? },
        })
    }
}
