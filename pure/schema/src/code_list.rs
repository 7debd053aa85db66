//! Code lists: versioned entries with validity and successors. Codes are not stable, and an old one stays readable.

use crate::{Flaw, division};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use vocabulary::{Bilingual, Date, ResourceId};

/// A code list has at most this many entries (the villages of a province are 22,000, HS codes 7,000).
pub const ENTRIES_MAX: usize = 200_000;
/// A code is at most this long.
pub const CODE_CHARS_MAX: usize = 64;

/// What the parser asks about codes.
pub trait CodeLists {
    /// Whether `list` has `code` on that day; without a day, whether it ever had.
    fn has(&self, list: &ResourceId, code: &str, on: Option<Date>) -> bool;

    /// Whether there is such an administrative division; `code` is well-formed.
    fn has_division(&self, _code: &str, _on: Option<Date>) -> bool {
        true
    }
}

/// Takes every code for known: for tests, and for values that were checked when they came in.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyCode;

impl CodeLists for AnyCode {
    fn has(&self, _: &ResourceId, _: &str, _: Option<Date>) -> bool {
        true
    }
}

/// One entry of a code list: also one line of its CSV file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeEntry {
    /// The code.
    pub code: String,
    /// Its Chinese title.
    pub zh: String,
    /// Its English title.
    pub en: String,
    /// The code above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The first day on which it is valid; left out: always was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub valid_from: Option<Date>,
    /// The first day on which it is no longer valid; left out: still is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub valid_until: Option<Date>,
    /// The code that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
}

impl CodeEntry {
    /// Whether it is valid on that day.
    pub fn valid(&self, on: Date) -> bool {
        self.valid_from.is_none_or(|it| it <= on) && self.valid_until.is_none_or(|it| on < it)
    }

    /// Its title.
    pub fn title(&self) -> Bilingual {
        Bilingual::new(&self.zh, &self.en)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let before = |a: Option<Date>, b: Option<Date>| matches!((a, b), (Some(a), Some(b)) if a <= b);
        !before(self.valid_until, other.valid_from) && !before(other.valid_until, self.valid_from)
    }
}

/// The file form of a code list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CodeList")]
struct RawCodeList {
    /// Its name.
    list: ResourceId,
    /// Its title.
    title: Bilingual,
    /// The standard or decision that defines it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    standard: Option<String>,
    /// Its version: the standard's year, or a date.
    version: String,
    /// Its entries.
    entries: Vec<CodeEntry>,
}

/// A code list: what it is, and its entries with an index by code.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "RawCodeList", into = "RawCodeList")]
pub struct CodeList {
    raw: RawCodeList,
    /// Positions of each code's entries: one code may have had several periods.
    index: HashMap<String, Vec<usize>>,
    /// Codes in order, to ask what lies under a prefix.
    ordered: Vec<usize>,
}

impl PartialEq for CodeList {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for CodeList {}

impl JsonSchema for CodeList {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CodeList".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        RawCodeList::json_schema(generator)
    }
}

impl From<CodeList> for RawCodeList {
    fn from(list: CodeList) -> Self {
        list.raw
    }
}

impl TryFrom<RawCodeList> for CodeList {
    type Error = String;

    fn try_from(raw: RawCodeList) -> Result<Self, String> {
        Self::checked(raw).map_err(|flaws| crate::flaw::sentence(&flaws))
    }
}

impl CodeList {
    /// A code list of checked parts.
    ///
    /// # Errors
    /// Every [`Flaw`] at once: empty or overlong codes, periods that overlap or are empty, parents and successors
    /// that are not in the list.
    pub fn new(
        list: ResourceId,
        title: Bilingual,
        standard: Option<String>,
        version: String,
        entries: Vec<CodeEntry>,
    ) -> Result<Self, Vec<Flaw>> {
        Self::checked(RawCodeList { list, title, standard, version, entries })
    }

    fn checked(raw: RawCodeList) -> Result<Self, Vec<Flaw>> {
        let mut index: HashMap<String, Vec<usize>> = HashMap::with_capacity(raw.entries.len());
        for (at, entry) in raw.entries.iter().enumerate() {
            index.entry(entry.code.clone()).or_default().push(at);
        }
        let mut flaws = Vec::new();
        flaws.extend(Flaw::title("/title", &raw.title));
        if raw.entries.is_empty() || raw.entries.len() > ENTRIES_MAX {
            let count = raw.entries.len();
            flaws.push(Flaw::new(
                "/entries",
                format!("有 {count} 个条目"),
                format!("has {count} entries"),
                format!("写 1–{ENTRIES_MAX} 个条目"),
                format!("write 1 to {ENTRIES_MAX} entries"),
            ));
        }
        for (at, entry) in raw.entries.iter().enumerate() {
            entry_flaws(at, entry, &raw.entries, &index, &mut flaws);
        }
        if !flaws.is_empty() {
            return Err(flaws);
        }
        let mut ordered: Vec<usize> = (0..raw.entries.len()).collect();
        ordered.sort_by(|a, b| raw.entries[*a].code.cmp(&raw.entries[*b].code));
        Ok(Self { raw, index, ordered })
    }

    /// Its name.
    pub fn list(&self) -> &ResourceId {
        &self.raw.list
    }

    /// Its title.
    pub fn title(&self) -> &Bilingual {
        &self.raw.title
    }

    /// The standard or decision that defines it.
    pub fn standard(&self) -> Option<&str> {
        self.raw.standard.as_deref()
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.raw.version
    }

    /// Its entries in the order of the file.
    pub fn entries(&self) -> &[CodeEntry] {
        &self.raw.entries
    }

    /// The entry of `code` valid on that day; without a day, the latest it ever had.
    pub fn entry(&self, code: &str, on: Option<Date>) -> Option<&CodeEntry> {
        let mut periods = self.index.get(code)?.iter().map(|at| &self.raw.entries[*at]);
        match on {
            Some(on) => periods.find(|it| it.valid(on)),
            None => periods.max_by_key(|it| it.valid_from),
        }
    }

    /// Whether it has `code` on that day; without a day, whether it ever had.
    pub fn has(&self, code: &str, on: Option<Date>) -> bool {
        self.entry(code, on).is_some()
    }

    /// The code in force on that day for one that may have been replaced, following successors.
    pub fn current<'a>(&'a self, code: &'a str, on: Date) -> Option<&'a str> {
        let mut code = code;
        // A chain of successors visits each entry at most once; a circle ends here.
        for _ in 0..=self.raw.entries.len() {
            if self.has(code, Some(on)) {
                return Some(code);
            }
            code = self.entry(code, None)?.successor.as_deref()?;
        }
        None
    }

    /// Whether some code of the list begins with `prefix` and is longer.
    pub fn has_below(&self, prefix: &str) -> bool {
        let code = |at: &usize| self.raw.entries[*at].code.as_str();
        let from = self.ordered.partition_point(|it| code(it) <= prefix);
        self.ordered.get(from).is_some_and(|it| code(it).starts_with(prefix))
    }

    /// For a list of administrative divisions: whether it knows `code`, or knows no detail where `code` lies.
    ///
    /// A list may hold all provinces but the counties of one alone; then any county of another is let through, and a
    /// county that this one lacks is not.
    pub fn knows_division(&self, code: &str, on: Option<Date>) -> bool {
        let mut above = division::significant(code);
        loop {
            if self.has(above, on) {
                return above == division::significant(code) || !self.has_below(above);
            }
            match division::parent(above) {
                Some(parent) => above = parent,
                None => return false,
            }
        }
    }
}

fn entry_flaws(
    at: usize,
    entry: &CodeEntry,
    entries: &[CodeEntry],
    index: &HashMap<String, Vec<usize>>,
    flaws: &mut Vec<Flaw>,
) {
    let pointer = format!("/entries/{at}");
    let code = &entry.code;
    let length = code.chars().count();
    if length == 0 || length > CODE_CHARS_MAX || code.trim() != code || code.contains('\0') {
        flaws.push(Flaw::new(
            &pointer,
            format!("代码“{code}”为空、过长或前后有空白"),
            format!("code {code:?} is empty, too long, or has white space around it"),
            format!("写 1–{CODE_CHARS_MAX} 个字符"),
            format!("write 1 to {CODE_CHARS_MAX} characters"),
        ));
    }
    if entry.zh.trim().is_empty() || entry.en.trim().is_empty() {
        flaws.push(Flaw::new(
            &pointer,
            format!("代码 {code} 缺少中文或英文名称"),
            format!("code {code} lacks its Chinese or English title"),
            "中英文名称都写上",
            "write both titles",
        ));
    }
    if matches!((entry.valid_from, entry.valid_until), (Some(from), Some(until)) if until <= from) {
        flaws.push(Flaw::new(
            &pointer,
            format!("代码 {code} 的有效期为空"),
            format!("code {code} is valid on no day"),
            "valid_until 是失效的第一天，应晚于 valid_from",
            "valid_until is the first day without it, and comes after valid_from",
        ));
    }
    let earlier = index.get(code).into_iter().flatten().filter(|it| **it < at);
    if earlier.into_iter().any(|it| entries[*it].overlaps(entry)) {
        flaws.push(Flaw::new(
            &pointer,
            format!("代码 {code} 重复，有效期重叠"),
            format!("code {code} stands twice with periods that overlap"),
            "删去一个，或写明不重叠的有效期",
            "remove one, or give them periods that do not overlap",
        ));
    }
    for (word, other) in [("parent", &entry.parent), ("successor", &entry.successor)] {
        if let Some(other) = other
            && (other == code || !index.contains_key(other))
        {
            flaws.push(Flaw::new(
                &format!("{pointer}/{word}"),
                format!("代码 {code} 的 {word}“{other}”不在表中或是它自己"),
                format!("the {word} {other:?} of code {code} is not in the list or is itself"),
                "写表中另一代码",
                "name another code of the list",
            ));
        }
    }
}

/// The code lists of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeBook {
    lists: BTreeMap<ResourceId, CodeList>,
}

impl CodeBook {
    /// Takes a list in; one of the same name gives way.
    pub fn insert(&mut self, list: CodeList) {
        self.lists.insert(list.list().clone(), list);
    }

    /// The list of that name.
    pub fn get(&self, list: &ResourceId) -> Option<&CodeList> {
        self.lists.get(list)
    }

    /// All lists by name.
    pub fn iter(&self) -> impl Iterator<Item = &CodeList> {
        self.lists.values()
    }
}

impl FromIterator<CodeList> for CodeBook {
    fn from_iter<I: IntoIterator<Item = CodeList>>(lists: I) -> Self {
        let mut book = Self::default();
        lists.into_iter().for_each(|it| book.insert(it));
        book
    }
}

impl CodeLists for CodeBook {
    fn has(&self, list: &ResourceId, code: &str, on: Option<Date>) -> bool {
        self.lists.get(list).is_some_and(|it| it.has(code, on))
    }

    /// By the list [`division::LIST`]; without it, any well-formed code is one.
    fn has_division(&self, code: &str, on: Option<Date>) -> bool {
        self.lists.get(division::list()).is_none_or(|it| it.knows_division(code, on))
    }
}
