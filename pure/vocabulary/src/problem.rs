//! The one error shape: an RFC 9457 problem with a stable code, the field, and what to do next in both languages.

use crate::Bilingual;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// What sort of problem; the edge turns it into an HTTP status, the command line into an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 400: the message cannot be read.
    Malformed,
    /// 401: who asks is not known.
    Unauthenticated,
    /// 403: who asks may not.
    Refused,
    /// 404: there is no such thing.
    Missing,
    /// 409: it clashes with what is there.
    Conflict,
    /// 413: more than the named bound.
    TooLarge,
    /// 422: readable, but its values are wrong.
    Unprocessable,
    /// 429: too often, or a quota is spent.
    TooMany,
    /// 500: our fault; shown as a reference number.
    Internal,
    /// 502: another node did not answer rightly.
    Peer,
    /// 503: for the moment; try again.
    Unavailable,
}

impl Kind {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Unauthenticated => 401,
            Self::Refused => 403,
            Self::Missing => 404,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::Unprocessable => 422,
            Self::TooMany => 429,
            Self::Internal => 500,
            Self::Peer => 502,
            Self::Unavailable => 503,
        }
    }

    /// The kind that stands for `status`; an unknown one counts as a peer's fault.
    pub fn from_status(status: u16) -> Self {
        match status {
            400 => Self::Malformed,
            401 => Self::Unauthenticated,
            403 => Self::Refused,
            404 => Self::Missing,
            409 => Self::Conflict,
            413 => Self::TooLarge,
            422 => Self::Unprocessable,
            429 => Self::TooMany,
            500 => Self::Internal,
            503 => Self::Unavailable,
            _ => Self::Peer,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Malformed => "无法读懂 malformed",
            Self::Unauthenticated => "未认证 unauthenticated",
            Self::Refused => "不允许 refused",
            Self::Missing => "不存在 not found",
            Self::Conflict => "冲突 conflict",
            Self::TooLarge => "过大 too large",
            Self::Unprocessable => "内容有误 unprocessable",
            Self::TooMany => "过多 too many",
            Self::Internal => "内部故障 internal fault",
            Self::Peer => "对端故障 peer fault",
            Self::Unavailable => "暂不可用 unavailable",
        }
    }
}

/// One problem as a caller sees it.
#[derive(Clone, PartialEq)]
pub struct Problem {
    /// What sort.
    pub kind: Kind,
    /// Stable, dotted, named in the documentation: `exchange.no_agreement`.
    pub code: Cow<'static, str>,
    /// The fact with its value, and what to do next.
    pub detail: Bilingual,
    /// JSON pointer to the field at fault.
    pub field: Option<String>,
    /// Further members a program may use (`offset_ms`, `limit`).
    pub more: BTreeMap<String, serde_json::Value>,
}

impl Problem {
    /// A problem with its code and its detail in both languages.
    pub fn new(kind: Kind, code: impl Into<Cow<'static, str>>, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { kind, code: code.into(), detail: Bilingual::new(zh, en), field: None, more: BTreeMap::new() }
    }

    /// Names the field at fault by JSON pointer.
    #[must_use]
    pub fn field(mut self, pointer: impl Into<String>) -> Self {
        self.field = Some(pointer.into());
        self
    }

    /// Adds a member for programs.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Problem({} {} {:?})", self.kind.status(), self.code, self.detail.en)
    }
}

impl std::error::Error for Problem {}

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    code: String,
    detail: String,
    detail_en: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(flatten)]
    more: BTreeMap<String, serde_json::Value>,
}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire {
            kind: format!("urn:yunhe:problem:{}", self.code),
            title: self.kind.title().to_owned(),
            status: self.kind.status(),
            code: self.code.to_string(),
            detail: self.detail.zh.clone(),
            detail_en: self.detail.en.clone(),
            field: self.field.clone(),
            more: self.more.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Problem {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        Ok(Self {
            kind: Kind::from_status(wire.status),
            code: wire.code.into(),
            detail: Bilingual::new(wire.detail, wire.detail_en),
            field: wire.field,
            more: wire.more,
        })
    }
}
