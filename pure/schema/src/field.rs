//! Fields of a record type.

use crate::{Flaw, Grade, record::KEY_TEXT_CHARS_MAX};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use vocabulary::{Bilingual, Kind, Problem, ResourceId, ensure};

/// A field name is at most this long: PostgreSQL cuts identifiers at 63 bytes, and history tables add a few.
pub const FIELD_NAME_CHARS_MAX: usize = 48;
/// A text has at most this many characters; longer things are files.
pub const TEXT_CHARS_MAX: u32 = 100_000;
/// A UCUM unit is at most this long.
const UNIT_BYTES_MAX: usize = 32;

/// The name of a field: `[a-z][a-z0-9_]{0,47}`, never beginning with `_`; a column in SQL, Arrow and CSV.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct FieldName(#[schemars(regex(pattern = "^[a-z][a-z0-9_]{0,47}$"))] String);

impl FieldName {
    /// Checks and wraps a name.
    ///
    /// # Errors
    /// `format.field_name` when it is empty, too long, or has other characters.
    pub fn new(text: impl Into<String>) -> Result<Self, Problem> {
        let text = text.into();
        let ok = text.len() <= FIELD_NAME_CHARS_MAX
            && text.starts_with(|it: char| it.is_ascii_lowercase())
            && text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_');
        let most = FIELD_NAME_CHARS_MAX;
        ensure!(
            ok,
            Problem::new(
                Kind::Malformed,
                "format.field_name",
                format!("信息项名“{text}”应为 1–{most} 个小写字母、数字或下划线，以字母开头"),
                format!("field name {text:?} should be 1 to {most} of a-z, 0-9 and '_', beginning with a letter"),
            )
        );
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FieldName {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Self::new(text)
    }
}

impl std::borrow::Borrow<str> for FieldName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for FieldName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(|it| serde::de::Error::custom(it.detail.en))
    }
}

/// Whom an organisation code names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Holder {
    /// 法人和其他组织 with a unified social credit code (GB 32100).
    LegalPerson,
}

/// What a field may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text of at most `max` characters.
    Text {
        /// The most characters.
        max: u32,
    },
    /// A whole number of 64 bits, with an optional UCUM unit (on the field).
    Integer,
    /// A decimal of at most 18 digits, `scale` of them behind the point.
    Decimal {
        /// All digits.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// An amount in CNY, kept in fen.
    Money,
    /// True or false.
    Boolean,
    /// A day.
    Date,
    /// An instant in microseconds.
    Timestamp,
    /// An entry of a code list.
    Code {
        /// The list's name.
        list: ResourceId,
    },
    /// A code of an organisation with its check digits.
    OrgCode {
        /// Of whom.
        of: Holder,
    },
    /// An administrative division of 2, 4, 6, 9 or 12 digits.
    Division,
}

impl FieldType {
    /// The word for it in a pack.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Integer => "integer",
            Self::Decimal { .. } => "decimal",
            Self::Money => "money",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Code { .. } => "code",
            Self::OrgCode { .. } => "org-code",
            Self::Division => "division",
        }
    }

    /// Whether its values are numbers, and may carry a unit.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Integer | Self::Decimal { .. } | Self::Money)
    }

    /// Whether its values are kept as text.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text { .. } | Self::Code { .. } | Self::OrgCode { .. } | Self::Division)
    }

    /// Digits behind the point of a [`crate::Value::Scaled`].
    pub fn scale(&self) -> u8 {
        match self {
            Self::Decimal { scale, .. } => *scale,
            Self::Money => 2,
            _ => 0,
        }
    }
}

/// One field. Its YAML form stands in [`crate::RecordType`]: alone it has no name, and thus no default title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// What it may hold.
    pub kind: FieldType,
    /// Its title.
    pub title: Bilingual,
    /// Its grade.
    pub grade: Grade,
    /// Whether it may be absent.
    pub optional: bool,
    /// Whether its values are about a natural person.
    pub personal: bool,
    /// Its UCUM unit.
    pub unit: Option<String>,
    /// The least value of a number, in whole units.
    pub min: Option<i64>,
}

impl Field {
    /// A mandatory field of the lowest grade, its title its name: a start for literals in tests and built-in types.
    pub fn new(name: &FieldName, kind: FieldType) -> Self {
        Self {
            kind,
            title: Bilingual::new(name.as_str(), name.as_str()),
            grade: Grade::General1,
            optional: false,
            personal: false,
            unit: None,
            min: None,
        }
    }

    pub(crate) fn flaws(&self, pointer: &str, flaws: &mut Vec<Flaw>) {
        flaws.extend(Flaw::title(&format!("{pointer}/title"), &self.title));
        match self.kind {
            FieldType::Text { max } if max == 0 || max > TEXT_CHARS_MAX => flaws.push(Flaw::new(
                &format!("{pointer}/max"),
                format!("最大字符数为 {max}"),
                format!("max is {max}"),
                format!("取 1–{TEXT_CHARS_MAX}"),
                format!("use 1 to {TEXT_CHARS_MAX}"),
            )),
            FieldType::Decimal { precision, scale } if !(1..=18).contains(&precision) || scale > precision => {
                flaws.push(Flaw::new(
                    &format!("{pointer}/precision"),
                    format!("精度 {precision}、小数位 {scale}"),
                    format!("precision is {precision}, scale is {scale}"),
                    "精度取 1–18，小数位不大于精度",
                    "use a precision of 1 to 18 and a scale not above it",
                ));
            }
            _ => {}
        }
        if self.min.is_some() && !self.kind.is_number() {
            flaws.push(Flaw::new(
                &format!("{pointer}/min"),
                format!("{} 信息项带有 min", self.kind.word()),
                format!("a {} field has a min", self.kind.word()),
                "仅 integer、decimal、money 可带 min",
                "only numbers have a least value",
            ));
        }
        if let Some(unit) = &self.unit {
            let fits = self.kind.is_number() && !unit.is_empty() && unit.len() <= UNIT_BYTES_MAX && unit.is_ascii();
            if !fits {
                flaws.push(Flaw::new(
                    &format!("{pointer}/unit"),
                    format!("{} 信息项的单位为“{unit}”", self.kind.word()),
                    format!("a {} field has the unit {unit:?}", self.kind.word()),
                    format!("仅 integer、decimal、money 可带单位，写 UCUM 代码（ASCII，至多 {UNIT_BYTES_MAX} 字节）"),
                    format!("only numbers carry a unit: a UCUM code of at most {UNIT_BYTES_MAX} ASCII characters"),
                ));
            }
        }
    }

    pub(crate) fn key_flaws(&self, pointer: &str, name: &FieldName, flaws: &mut Vec<Flaw>) {
        if self.optional {
            flaws.push(Flaw::new(
                pointer,
                format!("主键信息项“{name}”可为空"),
                format!("key field {name} is optional"),
                "去掉该信息项的 optional: true，或换一个主键信息项",
                "drop optional: true from the field, or choose another key field",
            ));
        }
        if let FieldType::Text { max } = self.kind
            && max > KEY_TEXT_CHARS_MAX
        {
            flaws.push(Flaw::new(
                pointer,
                format!("主键信息项“{name}”长达 {max} 个字符"),
                format!("key field {name} is up to {max} characters long"),
                format!("主键文本至多 {KEY_TEXT_CHARS_MAX} 个字符"),
                format!("a text in a key has at most {KEY_TEXT_CHARS_MAX} characters"),
            ));
        }
    }
}
