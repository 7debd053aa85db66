//! How the columns of a file become the fields of a record type. A pack's sources are turned into these.

use super::{
    reject::Fault,
    text::{Encoding, Texts},
};
use schema::{CodeLists, Field, FieldName, RecordType, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use vocabulary::{Bilingual, Kind, Problem, ensure};

/// How to read a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Where each field comes from; a field that is not named stays empty.
    pub fields: Vec<(FieldName, Fill)>,
    /// Cells that mean "nothing": `NA`, `-`, `无`.
    #[serde(default)]
    pub null: Vec<String>,
    /// What parts the columns.
    #[serde(default)]
    pub delimiter: Delimiter,
    /// The encoding, where the file's own bytes should not decide.
    #[serde(default)]
    pub encoding: Option<Encoding>,
}

/// What parts the columns.
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

impl Delimiter {
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
        }
    }
}

/// Where a field's text comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// The column with this title in the first line.
    Column(String),
    /// The same text for every row.
    Constant(String),
    /// Text with columns in it: `{year}-{month:02}-{day:02}T{hour:02}:00:00+08:00`; `:02` fills up with zeros to two
    /// digits. Empty where one of its columns is.
    Template(String),
}

impl Mapping {
    /// Each field from the column of its own name.
    pub fn by_name(record: &RecordType) -> Self {
        let fields = record.fields.keys().map(|it| (it.clone(), Fill::Column(it.as_str().to_owned())));
        Self { fields: fields.collect(), ..Self::default() }
    }
}

/// A piece of a template.
enum Piece {
    Text(String),
    Cell { at: usize, digits: usize },
}

enum Plan {
    Nothing,
    Cell(usize),
    Constant(String),
    Template(Vec<Piece>),
}

/// A mapping made ready for one file: columns are positions now.
pub(crate) struct Ready<'a> {
    record: &'a RecordType,
    /// One per field.
    plans: Vec<Plan>,
    null: &'a [String],
    /// How many cells a row must have.
    width: usize,
}

fn bad_header(zh: String, en: String) -> Problem {
    Problem::new(Kind::Unprocessable, "registry.header", zh, en)
}

fn bad_mapping(zh: String, en: String) -> Problem {
    Problem::new(Kind::Unprocessable, "registry.mapping", zh, en)
}

impl<'a> Ready<'a> {
    /// Finds the mapping's columns in the file's first line.
    pub(crate) fn new(record: &'a RecordType, mapping: &'a Mapping, header: &Texts<'_>) -> Result<Self, Problem> {
        let titles: Vec<&str> = (0..header.len()).map(|it| header.get(it).trim()).collect();
        let find = |title: &str| {
            let mut found = titles.iter().enumerate().filter(|(_, it)| **it == title);
            let first = found.next().ok_or_else(|| {
                let all = titles.join(", ");
                bad_header(
                    format!("文件首行没有列“{title}”；现有：{all}"),
                    format!("the file's first line has no column {title:?}; it has: {all}"),
                )
            })?;
            ensure!(
                found.next().is_none(),
                bad_header(format!("列“{title}”出现两次"), format!("column {title:?} stands twice"))
            );
            Ok::<usize, Problem>(first.0)
        };
        let mut plans: Vec<Plan> = record.fields.keys().map(|_| Plan::Nothing).collect();
        for (name, fill) in &mapping.fields {
            let at = record.index_of(name.as_str()).ok_or_else(|| {
                bad_mapping(format!("{} 没有字段 {name}", record.name), format!("{} has no field {name}", record.name))
            })?;
            plans[at] = match fill {
                Fill::Column(title) => Plan::Cell(find(title)?),
                Fill::Constant(text) => Plan::Constant(text.clone()),
                Fill::Template(text) => Plan::Template(template(text, find)?),
            };
        }
        for ((name, field), plan) in record.fields.iter().zip(&plans) {
            ensure!(
                field.optional || !matches!(plan, Plan::Nothing),
                bad_mapping(
                    format!("必填字段 {name} 未对应任何列"),
                    format!("nothing is mapped to the mandatory field {name}"),
                )
            );
        }
        Ok(Self { record, plans, null: &mapping.null, width: titles.len() })
    }

    /// The values of a row, or everything that is wrong with it.
    pub(crate) fn row(&self, texts: &Texts<'_>, codes: &dyn CodeLists) -> Result<Vec<Value>, Vec<Fault>> {
        if texts.len() != self.width {
            return Err(vec![Fault::ragged(texts.len(), self.width)]);
        }
        let mut values = Vec::with_capacity(self.plans.len());
        let mut faults = Vec::new();
        for ((name, field), plan) in self.record.fields.iter().zip(&self.plans) {
            let text = self.text(plan, texts);
            match field.parse(&text, codes) {
                Ok(value) => values.push(value),
                Err(fault) => faults.push(Fault::cell(name.as_str(), reason(field, fault))),
            }
        }
        if faults.is_empty() { Ok(values) } else { Err(faults) }
    }

    fn cell<'t>(&self, at: usize, texts: &'t Texts<'_>) -> &'t str {
        let text = texts.get(at);
        if self.null.iter().any(|it| it == text) { "" } else { text }
    }

    fn text<'t>(&'t self, plan: &'t Plan, texts: &'t Texts<'_>) -> Cow<'t, str> {
        match plan {
            Plan::Nothing => Cow::Borrowed(""),
            Plan::Cell(at) => Cow::Borrowed(self.cell(*at, texts)),
            Plan::Constant(text) => Cow::Borrowed(text),
            Plan::Template(pieces) => {
                let mut whole = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => whole.push_str(text),
                        Piece::Cell { at, digits } => {
                            let text = self.cell(*at, texts);
                            if text.is_empty() {
                                return Cow::Borrowed("");
                            }
                            whole.extend(std::iter::repeat_n('0', digits.saturating_sub(text.len())));
                            whole.push_str(text);
                        }
                    }
                }
                Cow::Owned(whole)
            }
        }
    }
}

/// The reason as it may be kept: a value about a person is not quoted.
fn reason(field: &Field, fault: schema::Fault) -> schema::Fault {
    if !field.personal || fault.code == "value.missing" {
        return fault;
    }
    let hidden =
        Bilingual::new("个人信息字段的值不合要求（值不显示）", "a value about a person does not fit (it is not shown)");
    schema::Fault { code: fault.code, reason: hidden }
}

fn template(text: &str, find: impl Fn(&str) -> Result<usize, Problem>) -> Result<Vec<Piece>, Problem> {
    let bad =
        || bad_mapping(format!("模板“{text}”中花括号不成对"), format!("braces do not pair up in template {text:?}"));
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, behind) = after.split_once('}').ok_or_else(bad)?;
        pieces.push(Piece::Text(before.to_owned()));
        let (title, digits) = match inside.rsplit_once(":0") {
            Some((title, digits)) => (title, digits.parse::<usize>().ok().filter(|it| *it <= 18).ok_or_else(bad)?),
            None => (inside, 0),
        };
        pieces.push(Piece::Cell { at: find(title)?, digits });
        rest = behind;
    }
    ensure!(!rest.contains('}'), bad());
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}
