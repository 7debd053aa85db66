//! The guide's columns: what their cells say, in our words and in those of others.
//!
//! Pure. `parse(render(x)) = x` for each column, but for blanks around a text, which a cell does not keep; what
//! `render(parse(cell))` does not give back is kept as it is ([`Cells`]).

use crate::{Class, Entry, Item, ItemType, Method};
use policy::Sharing;
use schema::Cycle;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vocabulary::{Bilingual, Date};

/// A column of the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Column {
    /// 信息资源分类.
    Class,
    /// 信息资源名称.
    Title,
    /// 信息资源代码.
    Code,
    /// 信息资源提供方.
    Provider,
    /// 信息资源提供方代码.
    ProviderCode,
    /// 信息资源摘要.
    Description,
    /// 信息资源格式.
    Formats,
    /// 信息项名称.
    ItemTitle,
    /// 数据类型.
    ItemType,
    /// 共享类型.
    Share,
    /// 共享条件.
    Condition,
    /// 共享方式.
    Method,
    /// 是否向社会开放.
    Open,
    /// 开放条件.
    OpenCondition,
    /// 更新周期.
    Cycle,
    /// 发布日期.
    Published,
    /// 关联资源代码.
    Related,
}

/// Cells whose words are not ours, by column and, for an item's, its number: they are written as they came as long as
/// they mean what the entry says.
pub type Cells = BTreeMap<String, String>;

/// What a cell should say, in Chinese and English.
pub(crate) type Expected = (&'static str, &'static str);

/// Between several values in one cell.
const BETWEEN: &str = "、";

impl Column {
    /// Every column, in the guide's order.
    pub const ALL: [Self; 17] = [
        Self::Class,
        Self::Title,
        Self::Code,
        Self::Provider,
        Self::ProviderCode,
        Self::Description,
        Self::Formats,
        Self::ItemTitle,
        Self::ItemType,
        Self::Share,
        Self::Condition,
        Self::Method,
        Self::Open,
        Self::OpenCondition,
        Self::Cycle,
        Self::Published,
        Self::Related,
    ];

    /// Its heading, and the group that it stands in, if in one.
    pub fn heading(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Class => ("信息资源分类", None),
            Self::Title => ("信息资源名称", None),
            Self::Code => ("信息资源代码", None),
            Self::Provider => ("信息资源提供方", None),
            Self::ProviderCode => ("信息资源提供方代码", None),
            Self::Description => ("信息资源摘要", None),
            Self::Formats => ("信息资源格式", None),
            Self::ItemTitle => ("信息项名称", Some("信息项信息")),
            Self::ItemType => ("数据类型", Some("信息项信息")),
            Self::Share => ("共享类型", Some("共享属性")),
            Self::Condition => ("共享条件", Some("共享属性")),
            Self::Method => ("共享方式", Some("共享属性")),
            Self::Open => ("是否向社会开放", Some("开放属性")),
            Self::OpenCondition => ("开放条件", Some("开放属性")),
            Self::Cycle => ("更新周期", None),
            Self::Published => ("发布日期", None),
            Self::Related => ("关联资源代码", None),
        }
    }

    /// The column with that heading; the guide's “信息资源” before it may be left out.
    pub(crate) fn of_heading(text: &str) -> Option<Self> {
        let bare = |it: &str| it.trim().trim_start_matches("信息资源").trim_start_matches("政务").to_owned();
        let text = bare(&text.split_whitespace().collect::<String>());
        Self::ALL.into_iter().find(|it| bare(it.heading().0) == text)
    }

    /// Whether each item has a cell of its own here.
    pub fn of_items(self) -> bool {
        matches!(self, Self::ItemTitle | Self::ItemType)
    }

    /// Its name among [`Cells`]; an item's has its number.
    pub(crate) fn key(self, item: usize) -> String {
        let name = self.heading().0;
        if self.of_items() { format!("{name}#{item}") } else { name.to_owned() }
    }

    /// The flaws of an entry that are told at this column, by pointer.
    pub(crate) fn of_pointer(pointer: &str) -> (Self, Option<usize>) {
        let mut parts = pointer.trim_start_matches('/').split('/');
        let (field, rest) = (parts.next().unwrap_or_default(), parts.next());
        let column = match field {
            "class" => Self::Class,
            "code" => Self::Code,
            "provider" => Self::Provider,
            "provider_code" => Self::ProviderCode,
            "description" => Self::Description,
            "formats" => Self::Formats,
            "items" => Self::ItemTitle,
            "share" => Self::Share,
            "condition" => Self::Condition,
            "method" => Self::Method,
            "open" | "grade" => Self::Open,
            "open_condition" => Self::OpenCondition,
            "cycle" => Self::Cycle,
            "published" => Self::Published,
            "related" => Self::Related,
            _ => Self::Title,
        };
        (column, rest.and_then(|it| it.parse().ok()).filter(|_| column.of_items()))
    }
}

/// What the cell of a column says of an entry, or of one of its items. `related` are the codes of its relations.
pub(crate) fn render(column: Column, entry: &Entry, item: usize, related: &[String]) -> String {
    let optional = |it: &Option<Bilingual>| it.as_ref().map_or(String::new(), |it| it.zh.clone());
    match column {
        Column::Class => entry.class.title().zh,
        Column::Title => entry.title.zh.clone(),
        Column::Code => entry.code.clone(),
        Column::Provider => entry.provider.zh.clone(),
        Column::ProviderCode => entry.provider_code.clone().unwrap_or_default(),
        Column::Description => entry.description.zh.clone(),
        Column::Formats => entry.formats.join(BETWEEN),
        Column::ItemTitle => entry.items.get(item).map_or(String::new(), |it| it.title.zh.clone()),
        Column::ItemType => entry.items.get(item).map_or(String::new(), item_type),
        Column::Share => share_title(entry.share).to_owned(),
        Column::Condition => optional(&entry.condition),
        Column::Method => method_title(entry.method).to_owned(),
        Column::Open => if entry.open { "是" } else { "否" }.to_owned(),
        Column::OpenCondition => optional(&entry.open_condition),
        Column::Cycle => entry.cycle.title().zh,
        Column::Published => entry.published.to_string(),
        Column::Related => related.join(BETWEEN),
    }
}

fn type_title(kind: ItemType) -> &'static str {
    match kind {
        ItemType::Text => "字符型C",
        ItemType::Number => "数值型N",
        ItemType::Money => "货币型Y",
        ItemType::Date => "日期型D",
        ItemType::Instant => "日期时间型T",
        ItemType::Boolean => "逻辑型L",
        ItemType::File => "备注型M",
    }
}

fn item_type(item: &Item) -> String {
    let title = type_title(item.kind);
    item.length.map_or_else(|| title.to_owned(), |it| format!("{title}({it})"))
}

fn share_title(share: Sharing) -> &'static str {
    match share {
        Sharing::Unconditional => "无条件共享",
        Sharing::Conditional => "有条件共享",
        Sharing::Refused => "不予共享",
    }
}

fn method_title(method: Method) -> &'static str {
    match method {
        Method::Platform => "共享平台方式",
        Method::Service => "服务接口方式",
        Method::Mail => "邮件方式",
        Method::Disk => "拷盘方式",
        Method::Medium => "介质交换方式",
        Method::None => "",
    }
}

/// Several values of one cell.
pub(crate) fn several(text: &str) -> Vec<String> {
    let ends = |it: char| matches!(it, '、' | ',' | '，' | ';' | '；' | '\n' | '\r' | '|') || it.is_whitespace();
    text.split(ends).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

/// Reads the cell of a column into an entry; relations are read elsewhere, for they need the catalogue. A text that is
/// what the entry says already changes nothing, so that what a cell cannot hold (English, say) stays.
pub(crate) fn parse(column: Column, text: &str, entry: &mut Entry, item: usize) -> Result<(), Expected> {
    if render(column, entry, item, &[]) == text && column != Column::Related {
        return Ok(());
    }
    let text = text.trim();
    let both = || Bilingual::new(text, text);
    let optional = || (!text.is_empty()).then(both);
    match column {
        Column::Title => entry.title = both(),
        Column::Code => entry.code = text.to_owned(),
        Column::Provider => entry.provider = both(),
        Column::ProviderCode => entry.provider_code = (!text.is_empty()).then(|| text.to_owned()),
        Column::Description => entry.description = both(),
        Column::Formats => entry.formats = formats(text),
        Column::ItemTitle => items_to(entry, item).title = both(),
        Column::Condition => entry.condition = optional(),
        Column::OpenCondition => entry.open_condition = optional(),
        Column::Class => entry.class = class(text)?,
        Column::ItemType => {
            let (kind, length) = kind(text)?;
            let item = items_to(entry, item);
            (item.kind, item.length) = (kind, length);
        }
        Column::Share => entry.share = share(text)?,
        Column::Method => entry.method = method(text)?,
        Column::Open => entry.open = open(text)?,
        Column::Cycle => entry.cycle = cycle(text)?,
        Column::Published => {
            entry.published = day(text).ok_or(("写日期，如 2026-11-24", "a day such as 2026-11-24"))?
        }
        Column::Related => {}
    }
    Ok(())
}

/// The item of that number; those before it that are not there yet are made.
pub(crate) fn items_to(entry: &mut Entry, item: usize) -> &mut Item {
    while entry.items.len() <= item {
        entry.items.push(Item {
            title: Bilingual::new("", ""),
            kind: ItemType::Text,
            field: None,
            length: None,
            unit: None,
            grade: None,
            personal: false,
        });
    }
    &mut entry.items[item]
}

fn class(text: &str) -> Result<Class, Expected> {
    let found = [("基础", Class::Base), ("主题", Class::Theme), ("部门", Class::Department)];
    let found = found.into_iter().filter_map(|(word, class)| Some((text.find(word)?, class)));
    // The first word counts: a department's own resource may well be “部门/…/主题”.
    let found = found.min_by_key(|it| it.0).map(|it| it.1);
    let expected = ("写基础信息资源、主题信息资源或部门信息资源", "基础, 主题 or 部门信息资源");
    found.ok_or(expected)
}

fn formats(text: &str) -> Vec<String> {
    let words = text.split('/').flat_map(several).map(|it| it.trim_start_matches('.').to_lowercase());
    let all: Vec<String> = words.collect();
    let named: Vec<String> = all.iter().filter(|it| it.is_ascii()).cloned().collect();
    if !named.is_empty() {
        return named;
    }
    let class = |it: &String| match it.as_str() {
        "电子文件" => "doc",
        "电子表格" => "xls",
        "数据库" => "database",
        "图形图像" => "image",
        "流媒体" => "media",
        _ => "other",
    };
    all.iter().map(|it| class(it).to_owned()).collect()
}

fn kind(text: &str) -> Result<(ItemType, Option<u32>), Expected> {
    let (word, length) = text.split_once(['(', '（', ' ', '.']).map_or((text, ""), |it| it);
    let length = length.trim_matches(|it: char| !it.is_ascii_digit()).split(|it: char| !it.is_ascii_digit()).next();
    let length = length.and_then(|it| it.parse().ok());
    let letter = word.trim().chars().next_back().map(|it| it.to_ascii_uppercase());
    let by_word = [
        ("日期时间", 'T'),
        ("日期", 'D'),
        ("字符", 'C'),
        ("货币", 'Y'),
        ("逻辑", 'L'),
        ("备注", 'M'),
        ("通用", 'G'),
        ("双精度", 'B'),
        ("整型", 'I'),
        ("整数", 'I'),
        ("浮点", 'F'),
        ("数值", 'N'),
    ];
    let letter = letter.filter(char::is_ascii_uppercase);
    let letter = letter.or_else(|| by_word.into_iter().find(|(name, _)| word.contains(name)).map(|it| it.1));
    let kind = match letter {
        Some('C') => ItemType::Text,
        Some('N' | 'B' | 'I' | 'F') => ItemType::Number,
        Some('Y') => ItemType::Money,
        Some('D') => ItemType::Date,
        Some('T') => ItemType::Instant,
        Some('L') => ItemType::Boolean,
        Some('M' | 'G') => ItemType::File,
        _ => {
            return Err((
                "写指南的类型，如 字符型C、数值型N、日期型D",
                "a type of the guide, such as 字符型C, 数值型N, 日期型D",
            ));
        }
    };
    Ok((kind, length))
}

fn share(text: &str) -> Result<Sharing, Expected> {
    match text {
        "无条件共享" | "无条件" | "1" => Ok(Sharing::Unconditional),
        "有条件共享" | "有条件" | "2" => Ok(Sharing::Conditional),
        "不予共享" | "不共享" | "3" => Ok(Sharing::Refused),
        _ => Err(("写无条件共享、有条件共享或不予共享", "无条件共享, 有条件共享 or 不予共享")),
    }
}

fn method(text: &str) -> Result<Method, Expected> {
    let known = [
        ("服务接口", Method::Service),
        ("平台", Method::Platform),
        ("接口", Method::Platform),
        ("库表", Method::Platform),
        ("文件", Method::Platform),
        ("邮件", Method::Mail),
        ("拷盘", Method::Disk),
        ("介质", Method::Medium),
    ];
    if matches!(text, "" | "无" | "不共享" | "不予共享") {
        return Ok(Method::None);
    }
    let found = known.into_iter().find(|(word, _)| text.contains(word)).map(|it| it.1);
    found.ok_or((
        "写共享平台方式、服务接口方式、邮件方式、拷盘方式或介质交换方式",
        "共享平台方式, 服务接口方式, 邮件方式, 拷盘方式 or 介质交换方式",
    ))
}

fn open(text: &str) -> Result<bool, Expected> {
    match text {
        "是" | "1" | "开放" | "无条件开放" | "有条件开放" => Ok(true),
        "否" | "0" | "不开放" | "不予开放" => Ok(false),
        _ => Err(("写是或否", "是 or 否")),
    }
}

fn cycle(text: &str) -> Result<Cycle, Expected> {
    let known = [
        ("实时", Cycle::Realtime),
        ("每日", Cycle::Daily),
        ("每天", Cycle::Daily),
        ("日", Cycle::Daily),
        ("每周", Cycle::Weekly),
        ("每月", Cycle::Monthly),
        ("月", Cycle::Monthly),
        ("每季度", Cycle::Quarterly),
        ("季度", Cycle::Quarterly),
        ("每半年", Cycle::HalfYearly),
        ("半年", Cycle::HalfYearly),
        ("每年", Cycle::Yearly),
        ("年", Cycle::Yearly),
        ("不定期", Cycle::Irregular),
        ("按需更新", Cycle::Irregular),
    ];
    let found = known.into_iter().find(|(word, _)| *word == text).map(|it| it.1);
    found.ok_or((
        "写实时、每日、每周、每月、每季度、每半年、每年或不定期",
        "实时, 每日, 每周, 每月, 每季度, 每半年, 每年 or 不定期",
    ))
}

/// `2026-11-24`, `2026/11/24`, `2026.11.24`, `20261124` or `2026年11月24日`.
pub(crate) fn day(text: &str) -> Option<Date> {
    let parts: Vec<&str> = text.split(|it: char| !it.is_ascii_digit()).filter(|it| !it.is_empty()).collect();
    let (year, month, day) = match parts[..] {
        [year, month, day, ..] => (year, month, day),
        [whole] if whole.len() == 8 => (&whole[..4], &whole[4..6], &whole[6..]),
        _ => return None,
    };
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}
