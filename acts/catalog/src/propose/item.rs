//! One column as an item: Chinese name, type, grade, where its values come from first.
//!
//! Pure.

use super::{
    ColumnShape, Confidence, Known, List, Meaning, Reasons,
    detect::{Found, detect},
    term::{self, Term},
};
use crate::{Item, ItemType};
use schema::Grade;
use vocabulary::Bilingual;

/// The name in a comment: up to its first bracket, colon or stop.
pub(crate) fn of_comment(comment: Option<&str>) -> Option<String> {
    let ends =
        |it: char| matches!(it, '（' | '(' | ':' | '：' | ',' | '，' | '。' | ';' | '；' | '\n' | '[' | '【' | '/');
    let name = comment?.split(ends).next()?.trim();
    let chinese = name.chars().any(|it| ('\u{4e00}'..='\u{9fff}').contains(&it));
    (chinese && name.chars().count() <= 40).then(|| name.to_owned())
}

/// What is proposed for a column.
pub(crate) fn propose(
    at: usize,
    column: &ColumnShape,
    known: &Known,
    reasons: &mut Reasons,
) -> (Item, Option<Meaning>) {
    let found = detect(&column.samples);
    let (title, term) = title(at, column, found, reasons);
    let list = known.lists.iter().find(|(_, codes)| of_list(column, codes));
    let (kind, length) = kind(at, column, (found, term, list), reasons);
    let personal = term.is_some_and(|it| it.personal) || found.is_some_and(Found::personal);
    let grade = grade(at, (found, term), reasons);
    let meaning = source(at, &title, term, known, reasons);
    (Item { title, kind, field: None, length, unit: None, grade: Some(grade), personal }, meaning)
}

fn of_list(column: &ColumnShape, codes: &std::collections::BTreeSet<String>) -> bool {
    let values: Vec<&String> = column.samples.iter().filter(|it| !it.trim().is_empty()).collect();
    values.len() >= 3 && values.iter().all(|it| codes.contains(it.trim()))
}

fn title(
    at: usize,
    column: &ColumnShape,
    found: Option<Found>,
    reasons: &mut Reasons,
) -> (Bilingual, Option<&'static Term>) {
    let part = format!("/items/{at}/title");
    if let Some(zh) = of_comment(column.comment.as_deref()) {
        let term = term::term_of_title(&zh);
        reasons.say(part, &zh, ("取自列的注释", "from the column's comment"), Confidence::Certain);
        let en = term.map_or_else(|| column.name.replace('_', " "), |it| it.en.to_owned());
        return (Bilingual::new(zh, en), term);
    }
    if !column.name.is_ascii() {
        let term = term::term_of_title(&column.name);
        reasons.say(part, &column.name, ("列名即中文", "the column's name is Chinese"), Confidence::Certain);
        let en = term.map_or(column.name.as_str(), |it| it.en);
        return (Bilingual::new(&*column.name, en), term);
    }
    let by_values = found.and_then(Found::term);
    if let Some(term) = term::term_of_name(&column.name) {
        // The name and the values say the same: then it is certain.
        let sure = if by_values.is_some_and(|it| it.zh == term.zh) { Confidence::Certain } else { Confidence::Likely };
        let (zh, en) = ("列名是常用缩写或英文词", "its name is a usual abbreviation or an English word");
        reasons.say(part, term.zh, (zh, en), sure);
        return (Bilingual::new(term.zh, term.en), Some(term));
    }
    if let Some(term) = by_values {
        reasons.say(part, term.zh, ("按取值的校验位判断", "by the check digits of its values"), Confidence::Likely);
        return (Bilingual::new(term.zh, term.en), Some(term));
    }
    let (zh, en, confidence) = term::read_name(&column.name);
    match zh {
        Some(zh) => {
            reasons.say(part, &zh, ("由缩写逐段拼成，请核对", "put together from parts: check it"), confidence);
            (Bilingual::new(zh, en), None)
        }
        None => {
            reasons.say(
                part,
                &column.name,
                ("无注释且未能读懂，请改写", "no comment and not read: write it"),
                Confidence::Guess,
            );
            (Bilingual::new(&*column.name, &*column.name), None)
        }
    }
}

fn kind(
    at: usize,
    column: &ColumnShape,
    (found, term, list): (Option<Found>, Option<&Term>, Option<&List>),
    reasons: &mut Reasons,
) -> (ItemType, Option<u32>) {
    let part = format!("/items/{at}/type");
    let length = column.native.split(['(', ',', ')']).nth(1).and_then(|it| it.trim().parse().ok());
    if let Some((title, _)) = list {
        let why = (format!("取值都在代码表“{}”中", title.zh), format!("all its values are of the list {}", title.en));
        reasons.say(part, "字符型C", (&why.0, &why.1), Confidence::Certain);
        return (ItemType::Text, length);
    }
    if let Some(kind) = of_native(&column.native) {
        // Texts of a database may well be dates.
        let kind = match found {
            Some(it) if kind == ItemType::Text => it.kind(),
            _ => kind,
        };
        let why = ("按数据源的列类型和取值", "by the column's type in its source, and its values");
        reasons.say(part, kind.letter().to_string(), why, Confidence::Certain);
        return (kind, length.filter(|_| matches!(kind, ItemType::Text | ItemType::Number)));
    }
    if let Some(found) = found {
        reasons.say(part, found.kind().letter().to_string(), ("按取值", "by its values"), Confidence::Likely);
        return (found.kind(), None);
    }
    let kind = term.map_or(ItemType::Text, |it| it.kind);
    reasons.say(part, kind.letter().to_string(), ("无类型可依", "nothing says its type"), Confidence::Guess);
    (kind, None)
}

/// Types of databases by their first word, without the number of bytes or version behind it: `int4`, `varchar2`.
const NATIVE: [(&[&str], ItemType); 7] = [
    (&["timestamp", "timestamptz", "datetime", "smalldatetime", "datetimeoffset"], ItemType::Instant),
    (&["date"], ItemType::Date),
    (&["bool", "boolean"], ItemType::Boolean),
    (&["money", "smallmoney"], ItemType::Money),
    (
        &[
            "int",
            "integer",
            "tinyint",
            "smallint",
            "mediumint",
            "bigint",
            "uint",
            "serial",
            "smallserial",
            "bigserial",
            "numeric",
            "decimal",
            "dec",
            "number",
            "real",
            "double",
            "float",
            "binary_float",
            "binary_double",
            "year",
        ],
        ItemType::Number,
    ),
    (
        &["blob", "tinyblob", "mediumblob", "longblob", "bytea", "binary", "varbinary", "image", "raw", "bfile"],
        ItemType::File,
    ),
    (
        &[
            "char",
            "character",
            "nchar",
            "varchar",
            "nvarchar",
            "bpchar",
            "text",
            "tinytext",
            "mediumtext",
            "longtext",
            "ntext",
            "clob",
            "nclob",
            "string",
            "uuid",
            "uniqueidentifier",
            "enum",
            "set",
            "json",
            "jsonb",
            "xml",
            "inet",
            "time",
            "timetz",
        ],
        ItemType::Text,
    ),
];

/// The type that a database's own word says; none where it is no word that we know (`interval`, `point`).
fn of_native(native: &str) -> Option<ItemType> {
    let native = native.to_lowercase();
    if ["bit(1)", "tinyint(1)"].iter().any(|it| native.starts_with(it)) {
        return Some(ItemType::Boolean);
    }
    let words = native.split('(').next().unwrap_or_default().split_whitespace();
    let words: Vec<&str> = words.map(|it| it.trim_end_matches(|it: char| it.is_ascii_digit())).collect();
    NATIVE.into_iter().find(|(known, _)| words.iter().any(|it| known.contains(it))).map(|it| it.1)
}

fn grade(at: usize, (found, term): (Option<Found>, Option<&Term>), reasons: &mut Reasons) -> Grade {
    let part = format!("/items/{at}/grade");
    let by_values = found.map(Found::grade);
    let by_name = term.map(|it| it.grade);
    let grade = by_values.max(by_name).unwrap_or(Grade::General1);
    let why = match grade {
        Grade::General1 => ("一般数据", "ordinary data"),
        _ if by_values == Some(grade) => ("取值是个人信息，从高", "its values are about persons: higher"),
        _ => ("此类信息项属个人信息或敏感信息，从高", "an item of this kind is personal or sensitive: higher"),
    };
    let confidence = if term.is_some() || found.is_some() { Confidence::Likely } else { Confidence::Guess };
    reasons.say(part, grade.as_str(), why, confidence);
    grade
}

/// 一数一源: whose values they are first, where the term says so and this department is another.
fn source(at: usize, title: &Bilingual, term: Option<&Term>, known: &Known, reasons: &mut Reasons) -> Option<Meaning> {
    let (source, words) = term?.source?;
    if words.iter().any(|it| known.department.zh.contains(it)) {
        return None;
    }
    let why = (format!("一数一源：通常由{source}采集"), format!("one source: {source} collects it"));
    reasons.say(format!("/items/{at}/source"), source, (&why.0, &why.1), Confidence::Likely);
    Some(Meaning { item: title.zh.clone(), element: None, taken_from: Some(source.to_owned()), ground: None })
}
