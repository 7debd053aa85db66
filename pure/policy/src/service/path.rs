//! Path templates, and paths as they come: split, decoded once, refused where they could mean something else later.

use percent_encoding::percent_decode_str;
use schema::FieldName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use unicode_normalization::UnicodeNormalization as _;
use vocabulary::{Kind, Problem, ensure};

/// Segments of a path at most.
const SEGMENTS_MAX: usize = 16;
/// A template, or a path as it comes, is at most this long.
const PATH_BYTES_MAX: usize = 4_096;

/// One segment of a template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// These very characters. It stands before a parameter.
    Literal(String),
    /// Any one segment that fits.
    Parameter(FieldName),
}

/// A path with parameters: `/enterprises/{uscc}/licences`.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(transparent)]
pub struct PathTemplate(#[schemars(with = "String")] Vec<Segment>);

impl PathTemplate {
    /// Its segments.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Whether a decoded path has its form.
    pub(crate) fn matches(&self, path: &[String]) -> bool {
        self.0.len() == path.len()
            && self.0.iter().zip(path).all(|(segment, given)| match segment {
                Segment::Literal(text) => text == given,
                Segment::Parameter(_) => true,
            })
    }

    /// By which of two that match one path the one is meant that names more of it, from the left.
    pub(crate) fn rank(&self) -> Vec<bool> {
        self.0.iter().map(|it| matches!(it, Segment::Parameter(_))).collect()
    }

    /// Whether both have the same form but for the names of parameters: no path could tell them apart.
    pub fn same_form(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).all(|pair| match pair {
                (Segment::Parameter(_), Segment::Parameter(_)) => true,
                (a, b) => a == b,
            })
    }

    /// Its parameters with what stands in their places.
    pub(crate) fn values<'a>(&'a self, path: &'a [String]) -> impl Iterator<Item = (&'a FieldName, &'a str)> {
        self.0.iter().zip(path).filter_map(|(segment, given)| match segment {
            Segment::Parameter(name) => Some((name, given.as_str())),
            Segment::Literal(_) => None,
        })
    }
}

impl FromStr for PathTemplate {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let rest = text.strip_prefix('/').filter(|_| text.len() <= PATH_BYTES_MAX).ok_or_else(|| no_template(text))?;
        let segments = rest.split('/').map(|it| segment(it).ok_or_else(|| no_template(text)));
        let segments = segments.collect::<Result<Vec<_>, _>>()?;
        let twice =
            |at: usize| matches!(&segments[at], Segment::Parameter(_)) && segments[..at].contains(&segments[at]);
        ensure!(segments.len() <= SEGMENTS_MAX && !(0..segments.len()).any(twice), no_template(text));
        Ok(Self(segments))
    }
}

fn segment(text: &str) -> Option<Segment> {
    if let Some(name) = text.strip_prefix('{') {
        return FieldName::new(name.strip_suffix('}')?).ok().map(Segment::Parameter);
    }
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-._~".contains(&it);
    let fine = !text.is_empty() && text != "." && text != ".." && text.bytes().all(plain);
    fine.then(|| Segment::Literal(text.to_owned()))
}

fn no_template(text: &str) -> Problem {
    Problem::new(
        Kind::Malformed,
        "format.path",
        format!("“{text}”不是路径模板；应如 /enterprises/{{uscc}}，每段为字母、数字、-._~ 或一个参数"),
        format!("{text:?} is no path template; write /enterprises/{{uscc}}: letters, digits, -._~ or one parameter"),
    )
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|it| match it {
            Segment::Literal(text) => write!(f, "/{text}"),
            Segment::Parameter(name) => write!(f, "/{{{name}}}"),
        })
    }
}

impl Serialize for PathTemplate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PathTemplate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|it: Problem| serde::de::Error::custom(it.detail.en))
    }
}

/// The text that an encoded one stands for, where every `%` begins an octet and the whole is UTF-8.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let sound = bytes.iter().enumerate().all(|(at, it)| *it != b'%' || (hex(at + 1) && hex(at + 2)));
    let text = sound.then(|| percent_decode_str(text).decode_utf8().ok()).flatten()?;
    (!text.chars().any(char::is_control)).then(|| text.into_owned())
}

/// A path in segments, each decoded once. What could be more than one segment to somebody who decodes again, folds
/// characters or resolves dots is refused.
pub(crate) fn decoded_path(path: &str) -> Result<Vec<String>, Problem> {
    let rest = path.strip_prefix('/').filter(|_| path.len() <= PATH_BYTES_MAX).ok_or_else(no_path)?;
    let segments =
        rest.split('/').take(SEGMENTS_MAX + 1).map(|it| decoded(it).filter(|it| is_one(it)).ok_or_else(no_path));
    let segments = segments.collect::<Result<Vec<_>, _>>()?;
    ensure!(segments.len() <= SEGMENTS_MAX, no_path());
    Ok(segments)
}

/// Whether a decoded segment stays one, whatever reads it.
fn is_one(text: &str) -> bool {
    let folded: String = text.nfkc().collect();
    [text, folded.as_str()].iter().all(|it| {
        !it.is_empty() && !it.bytes().all(|byte| byte == b'.') && !it.contains(['/', '\\', '%', '?', '#', ';'])
    })
}

fn no_path() -> Problem {
    Problem::new(
        Kind::Malformed,
        "exchange.call_path",
        "路径有误，未发出：每段须为正确的百分号编码（UTF-8），不得为空，不得含编码的 / \\ % ? # ; 或点段",
        "the path is not sound, and nothing was sent: each segment is percent-encoded UTF-8, not empty, without \
         encoded / \\ % ? # ; and no segment of dots",
    )
}
