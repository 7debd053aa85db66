//! Services of others shared as calls 服务接口: what may be called, per method and path.
//!
//! Pure. Invariants, each with a property test:
//! - what no operation declares matches nothing: no other method, path, parameter or field;
//! - whatever came, the target that is made of a match has the segments of its template, each parameter one segment,
//!   and reading it again gives the same match;
//! - of two operations that match one path, the one that names more of it literally is meant.

mod parameter;
mod path;

pub use parameter::{Parameter, ParameterType};
pub use path::{PathTemplate, Segment};

use parameter::{encoded, pairs};
use path::decoded_path;
use schema::FieldName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vocabulary::{Bilingual, Kind, OperationName, Problem, ResourceId, ensure};

/// Operations of one service at most.
pub const OPERATIONS_MAX: usize = 100;
/// Media types, fields or parameters of one operation at most.
pub const DECLARED_MAX: usize = 32;
/// A body that is sent to a service has at most this many bytes: with its head it fits a message between nodes.
pub const BODY_BYTES_MAX: u32 = 1_000_000;
/// An answer of a service has at most this many bytes.
pub const ANSWER_BYTES_MAX: u32 = 8 << 20;
/// The same where the answer is kept for whoever asks again: of an operation that may not be repeated.
pub const KEPT_BYTES_MAX: u32 = 1 << 20;
/// A service has at most this long to answer; nodes wait for each other a little longer.
pub const TIMEOUT_SECONDS_MAX: u16 = 20;
/// What an answer may be long where nothing is said.
const ANSWER_BYTES: u32 = 1 << 20;
/// What a body may be long where nothing is said.
const BODY_BYTES: u32 = 64 << 10;
/// How long a service may take where nothing is said.
const TIMEOUT_SECONDS: u16 = 10;

/// Fields that belong to one connection, to HTTP itself, to the node or to credentials: they pass in neither direction.
pub const FIELDS_WITHHELD: [&str; 27] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "idempotency-key",
    "keep-alive",
    "location",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "server",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
];

/// HTTP methods that can be declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// Reads.
    Get,
    /// Reads the head alone.
    Head,
    /// Acts.
    Post,
    /// Puts in place.
    Put,
    /// Changes in part.
    Patch,
    /// Takes away.
    Delete,
}

impl HttpMethod {
    /// The method of that word; none for one that cannot be declared.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete]
            .into_iter()
            .find(|it| it.word() == word)
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What a body may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Its media types, without parameters (`application/json`).
    pub media: Vec<String>,
    /// How many bytes it may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u32>,
}

/// One thing that a service does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Its title.
    pub title: Bilingual,
    /// The method.
    pub method: HttpMethod,
    /// The path behind the service's base, `{name}` for a parameter: `/enterprises/{uscc}`.
    pub path: PathTemplate,
    /// What the parameters of the path may be; left out: a text of at most 200 characters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<FieldName, Parameter>,
    /// The parameters that may stand in the query.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, Parameter>,
    /// The fields of a request that reach the service, in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// What a request's body may be; left out: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Content>,
    /// What an answer may be.
    pub answer: Content,
    /// The fields of an answer that come back, in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer_headers: Vec<String>,
    /// How long the service may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u16>,
    /// Whether asking twice does no more than asking once: then a call whose answer was lost may be made again. Left
    /// out: GET and HEAD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safe: Option<bool>,
}

impl Operation {
    /// Whether it may be repeated when nothing is known of an answer.
    pub fn is_safe(&self) -> bool {
        self.safe.unwrap_or(matches!(self.method, HttpMethod::Get | HttpMethod::Head))
    }

    /// How many bytes an answer may have.
    pub fn answer_bytes(&self) -> u32 {
        self.answer.bytes.unwrap_or(ANSWER_BYTES)
    }

    /// How long the service may take, in seconds.
    pub fn timeout_seconds(&self) -> u16 {
        self.timeout_seconds.unwrap_or(TIMEOUT_SECONDS)
    }

    /// Whether it is called in the same way: all that is agreed on, but for its title and its time.
    pub fn same_call(&self, other: &Self) -> bool {
        let bare = |it: &Self| Self { title: self.title.clone(), timeout_seconds: None, ..it.clone() };
        bare(self) == bare(other)
    }

    /// Checks the body of a request before it goes anywhere.
    ///
    /// # Errors
    /// `exchange.call_body` for one that is not declared, `exchange.call_media`, `web.too_large`.
    pub fn check_body(&self, media: Option<&str>, body: &[u8]) -> Result<(), Problem> {
        if body.is_empty() && media.is_none() {
            return Ok(());
        }
        let Some(content) = &self.body else {
            return if body.is_empty() { Ok(()) } else { Err(no_body()) };
        };
        let given = media.map(essence).unwrap_or_default();
        ensure!(content.media.contains(&given), other_media(&given, &content.media));
        let most = content.bytes.unwrap_or(BODY_BYTES) as usize;
        ensure!(body.len() <= most, long_body(body.len(), most));
        if given == "application/json" {
            let whole = serde_json::from_slice::<serde::de::IgnoredAny>(body);
            ensure!(whole.is_ok(), no_json());
        }
        Ok(())
    }

    /// Whether an answer of this media type is one that was declared. What says that something went wrong there may be
    /// plain text or a problem document as well.
    pub fn takes_answer(&self, status: u16, media: Option<&str>, empty: bool) -> bool {
        let given = media.map(essence).unwrap_or_default();
        let explains = ["application/problem+json", "application/json", "text/plain"].contains(&given.as_str());
        (empty && given.is_empty()) || self.answer.media.contains(&given) || (status >= 400 && explains)
    }
}

/// A media type without its parameters, in lower case.
pub fn essence(media: &str) -> String {
    media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// How often may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallQuota {
    /// Calls per legal day (Asia/Shanghai).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u64>,
    /// Calls in one second, counted by each of the provider's processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
}

/// What was agreed on a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceTerms {
    /// What may be called, as it was declared when it was agreed.
    pub operations: BTreeMap<OperationName, Operation>,
    /// How often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<CallQuota>,
}

/// A service as a pack declares it. Where it stands says the connection; a pack knows no address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name.
    pub service: ResourceId,
    /// Its title.
    pub title: Bilingual,
    /// The connection of `yunhe.toml` through which it is reached.
    pub connection: ResourceId,
    /// Whether it tells about natural persons.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub personal: bool,
    /// What it does.
    pub operations: BTreeMap<OperationName, Operation>,
}

/// An operation that a request means, with what stands in its path and query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched<'a> {
    /// Which operation.
    pub name: &'a OperationName,
    /// As it is declared.
    pub operation: &'a Operation,
    segments: Vec<String>,
    query: Vec<(String, String)>,
}

impl Matched<'_> {
    /// Path and query as they go to the service: every segment and value encoded anew, so that none is more than one.
    pub fn target(&self) -> String {
        let mut target = String::new();
        for segment in &self.segments {
            target.push('/');
            target.push_str(&encoded(segment));
        }
        for (at, (name, value)) in self.query.iter().enumerate() {
            target.push(if at == 0 { '?' } else { '&' });
            target.push_str(&encoded(name));
            target.push('=');
            target.push_str(&encoded(value));
        }
        target
    }
}

/// The operation that `method`, `path` and `query` mean, as they came: percent-encoded, with nothing taken for granted.
///
/// # Errors
/// `exchange.call_path` for what cannot be read as one path, `exchange.operation` where nothing of it is declared,
/// `exchange.call_parameter` for a parameter that is not declared or does not fit.
pub fn find<'a>(
    operations: &'a BTreeMap<OperationName, Operation>,
    method: &str,
    path: &str,
    query: &str,
) -> Result<Matched<'a>, Problem> {
    let segments = decoded_path(path)?;
    let word = HttpMethod::of(method);
    let fitting = operations.iter().filter(|(_, it)| Some(it.method) == word && it.path.matches(&segments));
    // A path fits two templates only where one of them has a parameter: the literal stands first.
    let meant = fitting.min_by(|(_, a), (_, b)| a.path.rank().cmp(&b.path.rank()));
    let (name, operation) = meant.ok_or_else(|| undeclared(method, operations))?;
    for (parameter, value) in operation.path.values(&segments) {
        let declared = operation.parameters.get(parameter).cloned().unwrap_or_default();
        ensure!(declared.fits(value), unfit(parameter.as_str(), &declared));
    }
    let query = pairs(query)?;
    for (at, (given, value)) in query.iter().enumerate() {
        let declared = operation.query.get(given).ok_or_else(|| unknown_parameter(given, operation))?;
        let again = query[..at].iter().any(|it| it.0 == *given);
        ensure!(declared.fits(value) && (declared.many || !again), unfit(given, declared));
    }
    Ok(Matched { name, operation, segments, query })
}

fn undeclared(method: &str, operations: &BTreeMap<OperationName, Operation>) -> Problem {
    let all = operations.values().map(|it| format!("{} {}", it.method.word(), it.path));
    let all = all.collect::<Vec<_>>().join(", ");
    let method: String = method.chars().take(16).collect();
    Problem::new(
        Kind::Refused,
        "exchange.operation",
        format!("该服务没有登记这一 {method} 调用，未发出；可调用：{all}"),
        format!("no operation of this service declares that {method}, and nothing was sent; there are: {all}"),
    )
}

fn unknown_parameter(given: &str, operation: &Operation) -> Problem {
    let (given, all) = (excerpt(given), operation.query.keys().map(String::as_str).collect::<Vec<_>>().join(", "));
    Problem::new(
        Kind::Refused,
        "exchange.call_parameter",
        format!("查询参数 {given} 没有登记，未发出；可用：{all}"),
        format!("query parameter {given} is not declared, and nothing was sent; there are: {all}"),
    )
}

fn unfit(name: &str, declared: &Parameter) -> Problem {
    let (zh, en) = declared.words();
    Problem::new(
        Kind::Unprocessable,
        "exchange.call_parameter",
        format!("参数 {name} 的值不合登记，未发出；应为{zh}"),
        format!("the value of parameter {name} is not as declared, and nothing was sent; it should be {en}"),
    )
    .with("parameter", name)
}

fn excerpt(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(40).collect()
}

fn no_body() -> Problem {
    let (zh, en) = ("该操作没有登记请求正文，未发出；请去掉正文", "this operation takes no body, and nothing was sent");
    Problem::new(Kind::Unprocessable, "exchange.call_body", zh, en)
}

fn no_json() -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "exchange.call_body",
        "请求正文不是 JSON，未发出；请核对后重试",
        "the body is no JSON, and nothing was sent; correct it and try again",
    )
}

fn other_media(given: &str, declared: &[String]) -> Problem {
    let (given, all) = (excerpt(given), declared.join(", "));
    Problem::new(
        Kind::Unprocessable,
        "exchange.call_media",
        format!("请求正文的类型为“{given}”，未发出；应为 {all}"),
        format!("the body's media type is {given:?}, and nothing was sent; it should be {all}"),
    )
}

fn long_body(bytes: usize, most: usize) -> Problem {
    Problem::new(
        Kind::TooLarge,
        "web.too_large",
        format!("请求正文有 {bytes} 字节，超过登记的上限 {most}，未发出"),
        format!("the body has {bytes} bytes, more than the declared {most}, and nothing was sent"),
    )
    .with("bytes_max", most)
}

#[cfg(test)]
mod tests;
