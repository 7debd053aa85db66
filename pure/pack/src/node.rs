//! A YAML file as a tree with places: bounded, without anchors, merge keys or a second document.

use crate::finding::{Place, Report};
use serde::de::{self, Deserialize, Deserializer};
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// A YAML file is at most this long.
pub const YAML_BYTES_MAX: usize = 1 << 20;
/// Mappings and lists within one another at most.
pub const YAML_DEPTH_MAX: usize = 24;
/// Values in a file at most.
pub const YAML_NODES_MAX: usize = 100_000;

/// One value with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub place: Place,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// The key of a mapping with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub place: Place,
    pub text: String,
}

impl Node {
    /// Parses a file; what is wrong with it as YAML goes to the report.
    pub fn parse(text: &str, report: &mut Report<'_>) -> Option<Self> {
        if text.len() > YAML_BYTES_MAX {
            let (zh, en) = (format!("文件有 {} 字节", text.len()), format!("the file has {} bytes", text.len()));
            let (to_zh, to_en) =
                (format!("至多 {YAML_BYTES_MAX} 字节"), format!("keep it within {YAML_BYTES_MAX} bytes"));
            report.add(Place::START, "pack.too_large", (&zh, &en), (&to_zh, &to_en));
            return None;
        }
        let parsed = serde_saphyr::from_str_with_options::<Spanned<Kind>>(text, options());
        match parsed {
            Ok(root) => {
                let node = Self::of(root);
                node.report_twins(report);
                Some(node)
            }
            Err(error) => {
                report_yaml(&error, report);
                None
            }
        }
    }

    fn of(spanned: Spanned<Kind>) -> Self {
        Self { place: place(&spanned.referenced), kind: spanned.value }
    }

    /// Keys that stand twice in one mapping: both places are named, the second is the finding.
    fn report_twins(&self, report: &mut Report<'_>) {
        match &self.kind {
            Kind::List(items) => items.iter().for_each(|it| it.report_twins(report)),
            Kind::Map(entries) => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    if let Some((first, _)) = entries[..at].iter().find(|(it, _)| it.text == key.text) {
                        let (text, line) = (&key.text, first.place.line);
                        let fact = (
                            format!("键“{text}”重复，第 {line} 行已有"),
                            format!("key {text:?} stands twice, first in line {line}"),
                        );
                        report.add(key.place, "pack.twice", (&fact.0, &fact.1), ("删去一个", "remove one of them"));
                    }
                    value.report_twins(report);
                }
            }
            _ => {}
        }
    }

    /// The value under `key` of a mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|(it, _)| it.text == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The place that a JSON pointer names: the key of the last part that is there, or the item itself.
    pub fn place_of(&self, pointer: &str) -> Place {
        let mut node = self;
        let mut place = self.place;
        for part in pointer.split('/').skip(1) {
            match &node.kind {
                Kind::Map(entries) => match entries.iter().find(|(it, _)| it.text == part) {
                    Some((key, value)) => (place, node) = (key.place, value),
                    None => return place,
                },
                Kind::List(items) => match part.parse::<usize>().ok().and_then(|at| items.get(at)) {
                    Some(item) => (place, node) = (item.place, item),
                    None => return place,
                },
                _ => return place,
            }
        }
        place
    }
}

fn place(location: &Location) -> Place {
    let number = |it: u64| u32::try_from(it).unwrap_or(u32::MAX).max(1);
    Place { line: number(location.line()), column: number(location.column()) }
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_anchors: 0,
            max_aliases: 0,
            max_merge_keys: 0,
            max_depth: YAML_DEPTH_MAX,
            flow_nesting_limit: YAML_DEPTH_MAX,
            max_nodes: YAML_NODES_MAX,
            max_events: 4 * YAML_NODES_MAX,
            max_total_scalar_bytes: YAML_BYTES_MAX,
        },
        // Twins are found in the tree, all of them at once.
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        strict_booleans: true,
        strict_indentation: true,
        leading_zero_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn report_yaml(error: &serde_saphyr::Error, report: &mut Report<'_>) {
    use serde_saphyr::Error;
    let at = error.location().map_or(Place::START, |it| place(&it));
    let text = error.to_string();
    match error.without_snippet() {
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::RecursiveReferencesRequireWeakTypes { .. } => {
            let fact = (format!("超出限度：{text}"), format!("beyond a bound: {text}"));
            let remedy_zh =
                format!("不用锚点、别名和合并键，至多 {YAML_DEPTH_MAX} 层、{YAML_NODES_MAX} 个值、一个文档");
            let remedy_en = format!(
                "use no anchors, aliases or merge keys, one document, at most {YAML_DEPTH_MAX} levels and \
                 {YAML_NODES_MAX} values"
            );
            report.add(at, "pack.yaml_bound", (&fact.0, &fact.1), (&remedy_zh, &remedy_en));
        }
        _ => {
            let fact = (format!("不是合用的 YAML：{text}"), format!("this is not plain YAML: {text}"));
            report.add(at, "pack.yaml", (&fact.0, &fact.1), ("按 YAML 1.2 改正此处", "write plain YAML 1.2 here"));
        }
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Kind, E> {
        Ok(Kind::Integer(it))
    }

    fn visit_u64<E: de::Error>(self, it: u64) -> Result<Kind, E> {
        i64::try_from(it).map(Kind::Integer).map_err(|_| E::custom(format!("{it} is beyond 64 bits")))
    }

    fn visit_f64<E>(self, it: f64) -> Result<Kind, E> {
        Ok(Kind::Float(it))
    }

    fn visit_str<E>(self, it: &str) -> Result<Kind, E> {
        Ok(Kind::Text(it.to_owned()))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Kind>>()? {
            list.push(Node::of(item));
        }
        Ok(Kind::List(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Kind, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let value = entries.next_value::<Spanned<Kind>>()?;
            map.push((Key { place: place(&key.referenced), text: key.value }, Node::of(value)));
        }
        Ok(Kind::Map(map))
    }
}
