//! Proposals: from the description of a table or a file to a draft of its entry, each part with a reason and a
//! confidence in words. Nothing is published by it: a person ticks.
//!
//! Pure.

mod detect;
mod element;
mod item;
mod term;

pub use detect::{Found, detect};
pub(crate) use element::second_source;
pub use element::{Meaning, SecondSource, collected};
pub use term::{Term, term_of_title};

use crate::{
    Class, Entry, Item, Method,
    compile::{Attached, AttachedKind, Draft, Links},
};
use policy::Sharing;
use schema::{Cycle, Grade};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Bilingual, Date, ResourceId};

/// At most this many tables are proposed at once.
pub const TABLES_MAX: usize = 500;

/// A table, a view or a file as its source describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableShape {
    /// Its name there.
    pub name: String,
    /// What is written about it there: often its Chinese name.
    #[serde(default)]
    pub comment: Option<String>,
    /// Its format where it is a file: csv, xlsx; else it is a table.
    #[serde(default)]
    pub format: Option<String>,
    /// Its columns, in their order.
    pub columns: Vec<ColumnShape>,
}

/// A column as its source describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnShape {
    /// Its name there.
    pub name: String,
    /// Its type in the source's own words; empty for a file.
    #[serde(default)]
    pub native: String,
    /// Whether it may hold nothing.
    #[serde(default)]
    pub nullable: bool,
    /// Whether it is of the primary key.
    #[serde(default)]
    pub key: bool,
    /// What is written about it there.
    #[serde(default)]
    pub comment: Option<String>,
    /// Some of its different values. They are looked at and never shown.
    #[serde(default)]
    pub samples: Vec<String>,
}

/// A code list: its title and its codes.
pub type List = (Bilingual, std::collections::BTreeSet<String>);

/// What is known beside the shape.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The department whose source it is.
    pub department: Bilingual,
    /// Its credit code.
    pub department_code: Option<String>,
    /// The front of the code that the entry shall have, if somebody chose it.
    pub front: Option<String>,
    /// The duty and the system behind the source, if somebody named them.
    pub links: Links,
    /// Code lists that are installed: title and codes.
    pub lists: Vec<List>,
}

/// How sure a proposal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// 猜测: to be looked at.
    Guess,
    /// 较可能.
    Likely,
    /// 确定: by check digits, or written in the source.
    Certain,
}

impl Confidence {
    /// In words.
    pub fn title(self) -> Bilingual {
        match self {
            Self::Guess => Bilingual::new("猜测", "a guess"),
            Self::Likely => Bilingual::new("较可能", "likely"),
            Self::Certain => Bilingual::new("确定", "certain"),
        }
    }
}

/// Why a part of a draft is as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// The part, by JSON pointer into the entry: `/title`, `/items/3/grade`.
    pub part: String,
    /// The value in words.
    pub value: String,
    /// Why.
    pub why: Bilingual,
    /// How sure.
    pub confidence: Confidence,
}

/// A draft with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proposal {
    /// Its number among those proposed together, from 1: what a person ticks.
    pub number: usize,
    /// The table or file.
    pub table: String,
    /// What would be drafted.
    pub draft: Draft,
    /// Why, part by part.
    pub reasons: Vec<Reason>,
    /// The least confidence among them.
    pub confidence: Confidence,
}

/// Collects reasons.
pub(crate) struct Reasons(Vec<Reason>);

impl Reasons {
    pub(crate) fn say(&mut self, part: String, value: impl Into<String>, why: (&str, &str), confidence: Confidence) {
        let why = Bilingual::new(why.0, why.1);
        self.0.push(Reason { part, value: value.into(), why, confidence });
    }
}

/// Proposes an entry for each table, numbered in their order.
pub fn propose(shapes: &[TableShape], known: &Known, today: Date) -> Vec<Proposal> {
    let one = |(at, shape): (usize, &TableShape)| proposal(at + 1, shape, known, today);
    shapes.iter().take(TABLES_MAX).enumerate().map(one).collect()
}

fn proposal(number: usize, shape: &TableShape, known: &Known, today: Date) -> Proposal {
    let mut reasons = Reasons(Vec::new());
    let title = title(shape, &mut reasons);
    let mut links = known.links.clone();
    let mut items = Vec::new();
    for (at, column) in shape.columns.iter().enumerate() {
        let (item, meaning) = item::propose(at, column, known, &mut reasons);
        items.push(item);
        links.means.extend(meaning);
    }
    let kind = if shape.format.is_some() { AttachedKind::File } else { AttachedKind::Table };
    links.resource.get_or_insert(Attached { kind, name: shape.name.clone() });
    let grade = items.iter().filter_map(|it| it.grade).max().unwrap_or(Grade::General1);
    let highest = items.iter().find(|it| it.grade == Some(grade)).map_or("", |it| it.title.zh.as_str());
    reasons.say(
        "/grade".to_owned(),
        grade.as_str(),
        (&format!("就高从严：最高的信息项是“{highest}”"), &format!("the highest of its items: {highest}")),
        Confidence::Likely,
    );
    let (share, condition) = sharing(&items, grade, &mut reasons);
    let department = &known.department;
    let who = ("数据源属于本部门", "the source is this department's");
    reasons.say("/provider".to_owned(), &department.zh, who, Confidence::Likely);
    let names = items.iter().map(|it| it.title.zh.as_str()).take(30).collect::<Vec<_>>().join("、");
    let english = items.iter().map(|it| it.title.en.as_str()).take(30).collect::<Vec<_>>().join(", ");
    let entry = Entry {
        entry: name(number, shape),
        code: known.front.clone().unwrap_or_default(),
        class: Class::Department,
        theme: theme(&title.zh, &items, &mut reasons),
        provider: department.clone(),
        provider_code: known.department_code.clone(),
        description: Bilingual::new(format!("{}，包括：{names}", title.zh), format!("{}: {english}", title.en)),
        title,
        formats: vec![shape.format.clone().unwrap_or_else(|| "database".to_owned())],
        share,
        condition,
        method: Method::Platform,
        open: false,
        open_condition: None,
        cycle: Cycle::Irregular,
        published: today,
        related: Vec::new(),
        grade,
        keywords: Vec::new(),
        offer: None,
        synthetic: false,
        items,
    };
    for (part, value, zh, en) in [
        ("/open", "否", "默认不向社会开放，由人决定", "not open unless a person says so"),
        ("/cycle", "不定期", "数据源未说明更新周期，请改写", "the source does not say; write it"),
        ("/class", "部门信息资源", "未说明为基础或主题信息资源", "nothing says that it is a base or theme resource"),
    ] {
        reasons.say(part.to_owned(), value, (zh, en), Confidence::Guess);
    }
    let weighty = reasons.0.iter().filter(|it| it.part == "/title" || it.part.ends_with("/title"));
    let confidence = weighty.map(|it| it.confidence).min().unwrap_or(Confidence::Guess);
    Proposal { number, table: shape.name.clone(), draft: Draft { entry, links }, reasons: reasons.0, confidence }
}

/// The name of an entry: the table's own, in letters that a name may have.
fn name(number: usize, shape: &TableShape) -> ResourceId {
    let stem = shape.name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = stem.rsplit_once('.').map_or(stem, |it| if it.0.is_empty() { stem } else { it.0 });
    let letters = stem.to_lowercase();
    let dashed: String = letters.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '-' }).collect();
    let parts: Vec<&str> = dashed.split('-').filter(|it| !it.is_empty()).collect();
    let mut name = parts.join("-");
    if !name.starts_with(|it: char| it.is_ascii_lowercase()) {
        name = format!("table{number}-{name}");
    }
    name.truncate(60);
    let name = name.trim_end_matches('-').to_owned();
    ResourceId::new(name).unwrap_or_else(|_| ResourceId::new("table").expect("letters are a name"))
}

fn title(shape: &TableShape, reasons: &mut Reasons) -> Bilingual {
    let part = || "/title".to_owned();
    if let Some(title) = item::of_comment(shape.comment.as_deref()) {
        let en = shape.name.replace('_', " ");
        reasons.say(part(), &title, ("取自表的注释", "from the table's comment"), Confidence::Certain);
        return Bilingual::new(title, en);
    }
    let stem = shape.name.rsplit(['/', '\\', '.']).find(|it| !["csv", "xlsx", "xls"].contains(it)).unwrap_or_default();
    if !stem.is_ascii() {
        reasons.say(part(), stem, ("取自表名或文件名", "from its name"), Confidence::Likely);
        return Bilingual::new(stem, stem);
    }
    let (zh, en, confidence) = term::read_name(stem.trim_start_matches("t_").trim_start_matches("T_"));
    match zh {
        Some(zh) => {
            reasons.say(part(), &zh, ("由表名的缩写或英文推得", "read from the abbreviations in its name"), confidence);
            Bilingual::new(zh, en)
        }
        None => {
            reasons.say(
                part(),
                stem,
                ("表无注释，名称未能读懂", "no comment, and its name says nothing"),
                Confidence::Guess,
            );
            Bilingual::new(stem, stem)
        }
    }
}

fn sharing(items: &[Item], grade: Grade, reasons: &mut Reasons) -> (Sharing, Option<Bilingual>) {
    let personal = items.iter().any(|it| it.personal);
    if personal || grade >= Grade::General3 {
        let why =
            if personal { ("含个人信息", "it is about persons") } else { ("级别较高", "its grade is high") };
        reasons.say("/share".to_owned(), "有条件共享", why, Confidence::Likely);
        let zh = "仅限依法履行职责，按申请的用途和范围使用，不得另作他用";
        let en = "for statutory duties alone, for the use and within the scope that were asked for";
        return (Sharing::Conditional, Some(Bilingual::new(zh, en)));
    }
    let why = ("无个人信息，级别低；以共享为原则", "nothing about persons, a low grade: sharing is the rule");
    reasons.say("/share".to_owned(), "无条件共享", why, Confidence::Likely);
    (Sharing::Unconditional, None)
}

/// Themes of the code list `catalogue-themes`, with words that speak for them.
const THEMES: [(&str, &[&str]); 9] = [
    ("credit", &["信用", "失信", "处罚", "异常"]),
    ("legal-persons", &["企业", "法人", "市场主体", "工商", "商户"]),
    ("population", &["人口", "户籍", "居民", "常住"]),
    ("licences", &["证照", "许可证", "执照"]),
    ("environment", &["环境", "空气", "排污", "水质"]),
    ("transport", &["交通", "公路", "车辆", "道路", "公交"]),
    ("education", &["教育", "学校", "学生"]),
    ("health", &["卫生", "医疗", "医院", "疾病"]),
    ("social-security", &["社保", "参保", "养老", "就业"]),
];

fn theme(title: &str, items: &[Item], reasons: &mut Reasons) -> ResourceId {
    let text: String = [title].into_iter().chain(items.iter().map(|it| it.title.zh.as_str())).collect();
    let in_title = THEMES.iter().find(|(_, words)| words.iter().any(|it| title.contains(it)));
    let found = in_title.or_else(|| THEMES.iter().find(|(_, words)| words.iter().any(|it| text.contains(it))));
    let confidence = if in_title.is_some() { Confidence::Likely } else { Confidence::Guess };
    let theme = found.map_or("other", |it| it.0);
    reasons.say("/theme".to_owned(), theme, ("按名称和信息项中的词", "by words in its title and items"), confidence);
    ResourceId::new(theme).unwrap_or_else(|_| ResourceId::new("other").expect("letters are a name"))
}

#[cfg(test)]
mod tests;
