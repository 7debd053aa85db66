//! Sources: how the columns of an existing file or table become the fields of a record type, and where the data truly
//! are from.

use indexmap::IndexMap;
use schema::{FieldName, RecordType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Bilingual, ResourceId};

/// A source as a pack declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name.
    pub source: ResourceId,
    /// The record type that it feeds.
    pub record: ResourceId,
    /// Its title.
    pub title: Bilingual,
    /// Where the data truly come from, with the licence.
    pub origin: Bilingual,
    /// Whether a generator made the data.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic: bool,
    /// Files that have this form, relative to the folder of real data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// A table of others that it reads, in place of files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<OutsideTable>,
    /// The format of its files.
    #[serde(default)]
    pub format: Format,
    /// The encoding, where the file's own bytes should not decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// What parts the columns.
    #[serde(default)]
    pub delimiter: Delimiter,
    /// Cells that mean "nothing".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nulls: Vec<String>,
    /// Columns of the file, each with the field that it becomes.
    pub columns: IndexMap<String, FieldName>,
    /// Fields that have the same text in every row.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub constants: IndexMap<FieldName, String>,
    /// Fields made of several columns: `{year}-{month:02}-{day:02}T{hour:02}:00:00+08:00`, where `:02` fills up with
    /// zeros; empty where one of the columns is.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub templates: IndexMap<FieldName, String>,
    /// Columns of the file that are left out on purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
}

/// A table of others, read where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutsideTable {
    /// The connection, by the name that `yunhe.toml` gives it.
    pub connection: ResourceId,
    /// The table or view with its case, `schema.TABLE` where it is not in the connection's own schema.
    pub table: String,
    /// The column that says when a row was last written; without one every run reads all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Watch>,
    /// So often the node itself takes over what changed, in minutes; left out: only when somebody says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 44640))]
    pub every_minutes: Option<u32>,
    /// Nothing is taken over: queries read the table itself, within what was agreed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live: bool,
}

/// The column by which changes are found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// Its name.
    pub column: String,
    /// A run goes back this far behind the latest value that the run before saw: a row that is written early and
    /// committed late must not be missed.
    #[serde(default = "overlap")]
    #[schemars(range(max = 44640))]
    pub overlap_minutes: u32,
}

fn overlap() -> u32 {
    10
}

/// The format of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Comma-separated values after RFC 4180 with a header line.
    #[default]
    Csv,
}

/// The encoding of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Encoding {
    /// UTF-8, with a byte order mark or without.
    #[serde(rename = "utf-8")]
    Utf8,
    /// GB 18030, which includes GBK and GB 2312.
    #[serde(rename = "gb18030")]
    Gb18030,
}

/// What parts the columns of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Delimiter {
    /// `,`
    #[default]
    Comma,
    /// `;`
    Semicolon,
    /// A tab.
    Tab,
}

impl Source {
    /// The columns that fill the key of `record`, in its order; `None` where one of its fields comes from elsewhere.
    pub fn key_columns(&self, record: &RecordType) -> Option<Vec<&str>> {
        let column = |field: &FieldName| self.columns.iter().find(|(_, it)| *it == field).map(|(it, _)| it.as_str());
        record.key.iter().map(column).collect()
    }

    /// The fields that it fills, in no order that matters.
    pub fn fields(&self) -> impl Iterator<Item = &FieldName> {
        self.columns.values().chain(self.constants.keys()).chain(self.templates.keys())
    }
}

/// The columns that a template names, or `None` when its braces do not pair up.
pub fn template_columns(template: &str) -> Option<Vec<&str>> {
    let mut columns = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, behind) = after.split_once('}')?;
        let (column, digits) = inside.rsplit_once(":0").map_or((inside, "1"), |it| it);
        let digits_fit = digits.parse::<u8>().is_ok_and(|it| (1..=18).contains(&it));
        if before.contains('}') || column.is_empty() || column.contains('{') || !digits_fit {
            return None;
        }
        columns.push(column);
        rest = behind;
    }
    (!rest.contains('}') && !columns.is_empty()).then_some(columns)
}
