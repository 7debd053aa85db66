//! A tree against its JSON Schema: every unknown key, missing key and wrong value at once, each with its place.
//!
//! The schemas are the ones that editors complete by, generated from the Rust types; so what an editor accepts and what
//! a check accepts is one thing. Of JSON Schema only what `schemars` writes for our types is understood; a test fails
//! when a type brings more.

use crate::finding::{Place, Report};
use crate::node::{Kind, Node};
use serde_json::Value as Json;
use vocabulary::ResourceId;

/// Patterns that our types declare, each with the check that explains it.
const NAME: &str = "^[a-z][a-z0-9-]{0,63}$";
const FIELD: &str = "^[a-z][a-z0-9_]{0,47}$";

/// What JSON Schema words the check understands, or may pass over since they tell and do not judge.
#[cfg(test)]
pub(crate) const WORDS: [&str; 24] = [
    "$ref",
    "$defs",
    "$schema",
    "type",
    "properties",
    "patternProperties",
    "additionalProperties",
    "required",
    "items",
    "enum",
    "const",
    "oneOf",
    "anyOf",
    "pattern",
    "minimum",
    "maximum",
    "uniqueItems",
    "title",
    "description",
    "default",
    "format",
    "propertyNames",
    "examples",
    "allOf",
];

/// Checks `node` against the root schema `schema`.
pub(crate) fn check(node: &Node, schema: &Json, report: &mut Report<'_>) {
    Checker { defs: &schema["$defs"] }.check(node, schema, report);
}

struct Checker<'a> {
    defs: &'a Json,
}

impl<'a> Checker<'a> {
    fn resolve(&self, schema: &'a Json) -> &'a Json {
        match schema["$ref"].as_str().and_then(|it| it.strip_prefix("#/$defs/")) {
            Some(name) => &self.defs[name],
            None => schema,
        }
    }

    fn check(&self, node: &Node, schema: &'a Json, report: &mut Report<'_>) {
        let schema = self.resolve(schema);
        if let Some(choices) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
            return self.choice(node, choices, report);
        }
        if !self.has_type(node, schema, report) {
            return;
        }
        let words = words(schema);
        if !words.is_empty() {
            return word(node, &words, report);
        }
        match &node.kind {
            Kind::Text(text) => pattern(text, schema, node.place, report),
            Kind::Integer(number) => range(*number, schema, node.place, report),
            Kind::List(items) => items.iter().for_each(|it| self.check(it, &schema["items"], report)),
            Kind::Map(_) => self.mapping(node, schema, report),
            Kind::Null | Kind::Bool(_) | Kind::Float(_) => {}
        }
    }

    /// An optional value, or one of several words.
    fn choice(&self, node: &Node, choices: &'a [Json], report: &mut Report<'_>) {
        let (null, rest): (Vec<_>, Vec<_>) = choices.iter().partition(|it| it["type"] == "null");
        if node.kind == Kind::Null && !null.is_empty() {
            return;
        }
        if let [only] = rest.as_slice() {
            return self.check(node, only, report);
        }
        word(node, &rest.iter().flat_map(|it| words(it)).collect::<Vec<_>>(), report);
    }

    fn has_type(&self, node: &Node, schema: &Json, report: &mut Report<'_>) -> bool {
        let allowed: Vec<&str> = match &schema["type"] {
            Json::String(it) => vec![it],
            Json::Array(list) => list.iter().filter_map(Json::as_str).collect(),
            _ => return true,
        };
        let fits = allowed.iter().any(|it| {
            matches!(
                (*it, &node.kind),
                ("null", Kind::Null)
                    | ("boolean", Kind::Bool(_))
                    | ("integer" | "number", Kind::Integer(_))
                    | ("number", Kind::Float(_))
                    | ("string", Kind::Text(_))
                    | ("array", Kind::List(_))
                    | ("object", Kind::Map(_))
            )
        });
        if !fits {
            let (found_zh, found_en) = name_of(&node.kind);
            let (zh, en) = type_names(&allowed);
            let fact = (format!("此处是{found_zh}"), format!("here stands {found_en}"));
            let quoted = allowed.contains(&"string") && !matches!(node.kind, Kind::List(_) | Kind::Map(_));
            let remedy = if quoted {
                (format!("应为{zh}；写在引号里"), format!("should be {en}; put it in quotes"))
            } else {
                (format!("应为{zh}"), format!("should be {en}"))
            };
            report.add(node.place, "pack.type", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
        }
        fits
    }

    fn mapping(&self, node: &Node, schema: &'a Json, report: &mut Report<'_>) {
        let Kind::Map(entries) = &node.kind else { return };
        let properties = schema["properties"].as_object();
        let pattern_schema = schema["patternProperties"].as_object().and_then(|it| it.iter().next());
        for (key, value) in entries {
            if let Some(schema) = properties.and_then(|it| it.get(&key.text)) {
                self.check(value, schema, report);
            } else if let Some((regex, schema)) = pattern_schema {
                explain(regex, &key.text, key.place, report);
                self.check(value, schema, report);
            } else if schema["additionalProperties"].is_object() {
                self.check(value, &schema["additionalProperties"], report);
            } else if schema["additionalProperties"] == false {
                let known: Vec<&str> = properties.into_iter().flatten().map(|(it, _)| it.as_str()).collect();
                unknown_key(&key.text, key.place, &known, report);
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            if node.get(name).is_none() {
                let fact = (format!("缺少 {name}"), format!("{name} is missing"));
                let told =
                    properties.and_then(|it| it.get(name)).and_then(|it| self.resolve(it)["description"].as_str());
                let told = told.map(|it| format!(": {it}")).unwrap_or_default();
                let remedy = (format!("写上 {name}"), format!("add {name}{told}"));
                report.add(node.place, "pack.missing_key", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
            }
        }
    }
}

/// The words that a schema allows.
fn words(schema: &Json) -> Vec<&str> {
    let many = schema["enum"].as_array().into_iter().flatten();
    schema["const"].as_str().into_iter().chain(many.filter_map(Json::as_str)).collect()
}

fn unknown_key(key: &str, place: Place, known: &[&str], report: &mut Report<'_>) {
    let fact = (format!("不认识的键“{key}”"), format!("unknown key {key:?}"));
    let all = known.join(", ");
    let remedy = match nearest(key, known) {
        Some(near) => (format!("是否为 {near}？可用：{all}"), format!("did you mean {near}? Known: {all}")),
        None => (format!("可用：{all}"), format!("known: {all}")),
    };
    report.add(place, "pack.unknown_key", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
}

fn word(node: &Node, words: &[&str], report: &mut Report<'_>) {
    let found = node.text();
    if found.is_some_and(|it| words.contains(&it)) {
        return;
    }
    let shown = found.map_or_else(|| name_of(&node.kind).1.to_owned(), |it| format!("{it:?}"));
    let fact = (format!("不认识的词 {shown}"), format!("unknown word {shown}"));
    let all = words.join(", ");
    let remedy = match found.and_then(|it| nearest(it, words)) {
        Some(near) => (format!("是否为 {near}？可用：{all}"), format!("did you mean {near}? One of: {all}")),
        None => (format!("取下列之一：{all}"), format!("one of: {all}")),
    };
    report.add(node.place, "pack.word", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
}

fn pattern(text: &str, schema: &Json, place: Place, report: &mut Report<'_>) {
    if let Some(regex) = schema["pattern"].as_str() {
        explain(regex, text, place, report);
    }
}

/// Says why `text` does not match one of our patterns.
fn explain(regex: &str, text: &str, place: Place, report: &mut Report<'_>) {
    let refused = match regex {
        NAME => ResourceId::new(text).err(),
        FIELD => schema::FieldName::new(text).err(),
        _ => None,
    };
    if let Some(problem) = refused {
        let remedy = ("改用这样的名字", "use such a name");
        report.add(place, "pack.name", (&problem.detail.zh, &problem.detail.en), remedy);
    }
}

/// Whether [`explain`] knows a pattern.
#[cfg(test)]
pub(crate) fn explains(regex: &str) -> bool {
    [NAME, FIELD].contains(&regex)
}

fn range(number: i64, schema: &Json, place: Place, report: &mut Report<'_>) {
    // Bounds of the integer types stand in the schema as numbers that a double may have rounded; i64 has them all.
    let bound = |word: &str| schema[word].as_i64();
    let (min, max) = (bound("minimum"), bound("maximum"));
    if min.is_some_and(|it| number < it) || max.is_some_and(|it| number > it) {
        let (min, max) = (min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX));
        let fact = (format!("数 {number} 超出范围"), format!("the number {number} is out of range"));
        let remedy = (format!("取 {min} 至 {max}"), format!("use {min} to {max}"));
        report.add(place, "pack.range", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
    }
}

fn name_of(kind: &Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Null => ("空值", "nothing"),
        Kind::Bool(_) => ("真假值", "true or false"),
        Kind::Integer(_) => ("整数", "a whole number"),
        Kind::Float(_) => ("小数", "a number with a point"),
        Kind::Text(_) => ("文本", "text"),
        Kind::List(_) => ("列表", "a list"),
        Kind::Map(_) => ("映射", "a mapping"),
    }
}

fn type_names(allowed: &[&str]) -> (String, String) {
    let names = allowed.iter().filter(|it| **it != "null").map(|it| match *it {
        "boolean" => ("真假值", "true or false"),
        "integer" => ("整数", "a whole number"),
        "number" => ("数", "a number"),
        "string" => ("文本", "text"),
        "array" => ("列表", "a list"),
        _ => ("映射", "a mapping"),
    });
    let (zh, en): (Vec<_>, Vec<_>) = names.unzip();
    (zh.join("或"), en.join(" or "))
}

/// The known word that is at most two slips away.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|it| (distance(word, it), *it)).filter(|(slips, _)| *slips <= 2);
    near.min_by_key(|(slips, _)| *slips).map(|(_, it)| it)
}

/// Slips between two words, by Levenshtein; words beyond 64 characters are never near.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(65).collect(), b.chars().take(65).collect());
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (to, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[to + 1];
            row[to + 1] = replaced.min(row[to] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
