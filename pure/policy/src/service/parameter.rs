//! Parameters of paths and queries: what a value may be, and how a query is read.

use super::path::decoded;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schema::{AnyCode, FieldType, Holder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Kind, Problem, ensure};

/// Parameters in one query at most.
const PAIRS_MAX: usize = 64;
/// A query is at most this long.
const QUERY_BYTES_MAX: usize = 8_192;
/// A text is at most this long where nothing is said.
const TEXT_CHARS: u32 = 200;
/// All but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What sort of value a parameter has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ParameterType {
    /// A text.
    #[default]
    Text,
    /// Letters, digits, `-` and `_` of ASCII.
    Word,
    /// A whole number of 64 bits.
    Integer,
    /// A day: `2026-11-24`.
    Date,
    /// `true` or `false`.
    Boolean,
    /// A unified social credit code with its check digits.
    OrgCode,
}

/// What a parameter may be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Of what sort.
    #[serde(default, rename = "type", skip_serializing_if = "is_default")]
    pub kind: ParameterType,
    /// Characters of a text or word at most; left out: 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// One of these alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<String>,
    /// Whether it may stand several times in one query.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub many: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Parameter {
    fn max(&self) -> u32 {
        self.max.unwrap_or(TEXT_CHARS)
    }

    /// Whether a value is as declared.
    pub(crate) fn fits(&self, value: &str) -> bool {
        let word = |it: u8| it.is_ascii_alphanumeric() || b"-_".contains(&it);
        let parses = |kind: FieldType| !value.is_empty() && kind.parse(value, &AnyCode).is_ok();
        let sort = match self.kind {
            ParameterType::Text => true,
            ParameterType::Word => !value.is_empty() && value.bytes().all(word),
            ParameterType::Integer => parses(FieldType::Integer),
            ParameterType::Date => parses(FieldType::Date),
            ParameterType::Boolean => ["true", "false"].contains(&value),
            ParameterType::OrgCode => parses(FieldType::OrgCode { of: Holder::LegalPerson }),
        };
        let chosen = self.one_of.is_empty() || self.one_of.iter().any(|it| it == value);
        sort && chosen && value.chars().count() <= self.max() as usize
    }

    /// What it should be, in words.
    pub(crate) fn words(&self) -> (String, String) {
        let max = self.max();
        if !self.one_of.is_empty() {
            let all = self.one_of.join(", ");
            return (format!("以下之一：{all}"), format!("one of {all}"));
        }
        let (zh, en) = match self.kind {
            ParameterType::Text => ("文本", "a text"),
            ParameterType::Word => ("字母、数字、- 或 _", "letters, digits, - or _"),
            ParameterType::Integer => ("整数", "a whole number"),
            ParameterType::Date => ("日期（2026-11-24）", "a day (2026-11-24)"),
            ParameterType::Boolean => ("true 或 false", "true or false"),
            ParameterType::OrgCode => {
                ("统一社会信用代码（校验位正确）", "a unified social credit code with its check digit")
            }
        };
        let once = if self.many { ("", "") } else { ("，至多一次", ", at most once") };
        (format!("{zh}，至多 {max} 个字符{}", once.0), format!("{en} of at most {max} characters{}", once.1))
    }
}

/// Percent-encodes all but unreserved characters: what comes out is one segment, one name, or one value.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// A query in pairs, as forms write it: `+` is a space.
pub(crate) fn pairs(query: &str) -> Result<Vec<(String, String)>, Problem> {
    ensure!(query.len() <= QUERY_BYTES_MAX, no_query());
    let parts = query.split('&').filter(|it| !it.is_empty()).take(PAIRS_MAX + 1);
    let pairs = parts.map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let text = |it: &str| decoded(&it.replace('+', " ")).ok_or_else(no_query);
        Ok((text(name)?, text(value)?))
    });
    let pairs = pairs.collect::<Result<Vec<_>, Problem>>()?;
    ensure!(pairs.len() <= PAIRS_MAX, no_query());
    Ok(pairs)
}

fn no_query() -> Problem {
    Problem::new(
        Kind::Malformed,
        "exchange.call_path",
        format!("查询串有误，未发出：须为正确的百分号编码（UTF-8），至多 {PAIRS_MAX} 项、{QUERY_BYTES_MAX} 字节"),
        format!(
            "the query is not sound, and nothing was sent: percent-encoded UTF-8, at most {PAIRS_MAX} pairs and \
             {QUERY_BYTES_MAX} bytes"
        ),
    )
}
