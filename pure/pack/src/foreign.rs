//! Entries from other catalogues' records, one JSON object a line: firstdata, Socrata and CKAN.
//!
//! What such a record does not say is filled in with the mildest true statement: it is open, on the web, renewed now
//! and then. Where it has no Chinese text, the English one stands for both: nothing is translated by guessing.

use crate::entry::{Class, Entry, Item, ItemType, Method};
use policy::Sharing;
use schema::{Cycle, Grade};
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use std::collections::HashSet;
use vocabulary::{Bilingual, Date, ResourceId};

/// A foreign title or provider is cut to this many characters.
const TITLE_CHARS_MAX: usize = 200;
/// A foreign abstract is cut to this many characters.
const DESCRIPTION_CHARS_MAX: usize = 1_000;
/// Of a foreign record at most this many items are taken.
const ITEMS_MAX: usize = 100;
/// Of a foreign record at most this many keywords are taken, none longer than [`WORD_CHARS_MAX`].
const WORDS_MAX: usize = 20;
/// A longer keyword is left out.
const WORD_CHARS_MAX: usize = 40;

/// What was read of a foreign catalogue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Foreign {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Lines that hold no record of a known shape, from 1.
    pub unread: Vec<usize>,
}

/// Reads a foreign catalogue, one JSON object a line. `prefix` begins the name of each entry; serial numbers of their
/// codes begin at `first`. `themes` are the codes of `catalogue-themes` in their order.
pub fn foreign(prefix: &str, first: u32, themes: &[&str], lines: &str) -> Foreign {
    let mut read = Foreign::default();
    let mut names = HashSet::new();
    for (at, line) in lines.lines().enumerate().filter(|(_, it)| !it.trim().is_empty()) {
        let record = serde_json::from_str::<Map<String, Json>>(line).ok().and_then(Record::of);
        let serial = first.saturating_add(u32::try_from(read.entries.len()).unwrap_or(u32::MAX));
        match record.and_then(|it| it.entry(prefix, serial, themes)).filter(|it| names.insert(it.entry.clone())) {
            Some(entry) => read.entries.push(entry),
            None => read.unread.push(at + 1),
        }
    }
    read
}

/// What the three shapes have in common.
#[derive(Default)]
struct Record {
    id: String,
    title: (String, String),
    description: (String, String),
    provider: String,
    cycle: String,
    published: String,
    words: Vec<String>,
    items: Vec<(String, String, ItemType)>,
}

/// A text in one or two languages.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Two {
    zh: Option<String>,
    en: Option<String>,
}

/// Items in one or two languages.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TwoLists {
    zh: Option<Vec<String>>,
    en: Option<Vec<String>>,
}

/// The part of `record` under `key`, as far as it has the expected form.
fn part<T: for<'de> Deserialize<'de> + Default>(record: &Map<String, Json>, key: &str) -> T {
    record.get(key).and_then(|it| T::deserialize(it).ok()).unwrap_or_default()
}

impl Record {
    fn of(record: Map<String, Json>) -> Option<Self> {
        if record.get("resource").is_some_and(Json::is_object) {
            return Some(Self::socrata(&record));
        }
        if record.contains_key("notes") && record.contains_key("title") {
            return Some(Self::ckan(&record));
        }
        (record.contains_key("id") && record.get("name").is_some_and(Json::is_object)).then(|| Self::firstdata(&record))
    }

    fn firstdata(record: &Map<String, Json>) -> Self {
        let title: Two = part(record, "name");
        let description: Two = part(record, "description");
        let contents: TwoLists = part(record, "data_content");
        let (zh, en) = (contents.zh.unwrap_or_default(), contents.en.unwrap_or_default());
        let items =
            en.iter().enumerate().map(|(at, en)| (zh.get(at).unwrap_or(en).clone(), en.clone(), ItemType::File));
        let website: String = part(record, "website");
        let host = website.split('/').nth(2).unwrap_or("").to_owned();
        Self {
            id: part(record, "id"),
            title: (title.zh.unwrap_or_default(), title.en.unwrap_or_default()),
            description: (description.zh.unwrap_or_default(), description.en.unwrap_or_default()),
            provider: host,
            cycle: part(record, "update_frequency"),
            published: String::new(),
            words: part::<Vec<String>>(record, "domains")
                .into_iter()
                .chain(part::<Vec<String>>(record, "tags"))
                .collect(),
            items: items.collect(),
        }
    }

    fn socrata(record: &Map<String, Json>) -> Self {
        let resource: Map<String, Json> = part(record, "resource");
        let classes: Map<String, Json> = part(record, "classification");
        let metadata: Map<String, Json> = part(record, "metadata");
        let names: Vec<String> = part(&resource, "columns_name");
        let types: Vec<String> = part(&resource, "columns_datatype");
        let items = names.into_iter().enumerate().map(|(at, name)| {
            let kind = match types.get(at).map_or("", String::as_str) {
                "Number" | "Percent" => ItemType::Number,
                "Money" => ItemType::Money,
                "Calendar date" | "Date" => ItemType::Instant,
                "Checkbox" => ItemType::Boolean,
                _ => ItemType::Text,
            };
            (name.clone(), name, kind)
        });
        let domain: String = part(&classes, "domain_category");
        let words = [domain].into_iter().chain(part::<Vec<String>>(&classes, "domain_tags"));
        let published: String = part(&resource, "publication_date");
        let (title, description): (String, String) = (part(&resource, "name"), part(&resource, "description"));
        Self {
            id: part(&resource, "id"),
            title: (String::new(), title),
            description: (String::new(), description),
            provider: part(&metadata, "domain"),
            cycle: String::new(),
            published,
            words: words.chain(part::<Vec<String>>(&classes, "categories")).collect(),
            items: items.collect(),
        }
    }

    fn ckan(record: &Map<String, Json>) -> Self {
        let url: String = part(record, "url");
        Self {
            id: part(record, "name"),
            title: (String::new(), part(record, "title")),
            description: (String::new(), part(record, "notes")),
            provider: url.split('/').nth(2).unwrap_or("").to_owned(),
            cycle: String::new(),
            published: part(record, "metadata_created"),
            words: part(record, "tags"),
            items: vec![("目录".to_owned(), "Catalogue".to_owned(), ItemType::File)],
        }
    }

    fn entry(self, prefix: &str, serial: u32, themes: &[&str]) -> Option<Entry> {
        let title = both(self.title, TITLE_CHARS_MAX)?;
        let description = both(self.description, DESCRIPTION_CHARS_MAX).unwrap_or_else(|| title.clone());
        let provider = both((String::new(), self.provider), TITLE_CHARS_MAX);
        let theme = theme(&self.words, &title.en, themes)?;
        let number = themes.iter().position(|it| *it == theme)? + 1;
        let items = self
            .items
            .into_iter()
            .filter_map(|(zh, en, kind)| Some(Item { title: both((zh, en), TITLE_CHARS_MAX)?, kind }));
        let mut items: Vec<Item> = items.take(ITEMS_MAX).collect();
        if items.is_empty() {
            items.push(Item { title: Bilingual::new("数据", "Data"), kind: ItemType::File });
        }
        let words = self.words.iter().map(|it| it.trim()).filter(|it| !it.is_empty());
        let words = words.filter(|it| it.chars().count() <= WORD_CHARS_MAX).take(WORDS_MAX);
        Some(Entry {
            entry: name(prefix, &self.id)?,
            title,
            code: format!("2{number:02}001001/{serial:06}"),
            class: Class::Theme,
            theme: ResourceId::new(theme).ok()?,
            provider: provider.unwrap_or_else(|| Bilingual::new("未注明", "not stated")),
            description,
            formats: vec!["csv".to_owned(), "json".to_owned()],
            items,
            share: Sharing::Unconditional,
            condition: None,
            method: Method::Platform,
            open: true,
            cycle: cycle(&self.cycle),
            published: self.published.get(..10).and_then(|it| it.parse().ok()).unwrap_or(Date::constant(2020, 1, 1)),
            related: Vec::new(),
            grade: Grade::General1,
            keywords: words.map(str::to_owned).collect(),
        })
    }
}

/// A name after our rules of what other catalogues call a record.
fn name(prefix: &str, id: &str) -> Option<ResourceId> {
    let safe = |it: char| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '-' };
    let text: String = prefix.chars().chain(['-']).chain(id.chars().map(safe)).take(64).collect();
    ResourceId::new(text.trim_end_matches('-')).ok().filter(|_| !id.is_empty())
}

/// Both languages, each standing in for the other, without markup and cut to a length.
fn both((zh, en): (String, String), most: usize) -> Option<Bilingual> {
    let (zh, en) = (plain(&zh, most), plain(&en, most));
    match (zh.is_empty(), en.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Bilingual::new(en.clone(), en)),
        (false, true) => Some(Bilingual::new(zh.clone(), zh)),
        (false, false) => Some(Bilingual::new(zh, en)),
    }
}

/// Text without tags, white space drawn together.
fn plain(text: &str, most: usize) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for letter in text.chars() {
        match letter {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                kept.push(' ');
            }
            _ if inside => {}
            it => kept.push(if it.is_control() { ' ' } else { it }),
        }
    }
    let kept = kept.split_whitespace().collect::<Vec<_>>().join(" ");
    match kept.char_indices().nth(most) {
        Some((end, _)) => kept[..end].trim_end().to_owned(),
        None => kept,
    }
}

fn cycle(word: &str) -> Cycle {
    match word {
        "real-time" | "realtime" | "continuous" => Cycle::Realtime,
        "daily" => Cycle::Daily,
        "weekly" => Cycle::Weekly,
        "monthly" => Cycle::Monthly,
        "quarterly" => Cycle::Quarterly,
        "semi-annual" | "biannual" => Cycle::HalfYearly,
        "annual" | "yearly" | "annually" => Cycle::Yearly,
        _ => Cycle::Irregular,
    }
}

/// Words that tell a theme; the first that comes wins.
const SIGNS: [(&str, &str); 26] = [
    ("health", "health"),
    ("medic", "health"),
    ("genom", "health"),
    ("disease", "health"),
    ("covid", "health"),
    ("school", "education"),
    ("educat", "education"),
    ("transport", "transport"),
    ("traffic", "transport"),
    ("energy", "energy"),
    ("environment", "environment"),
    ("climate", "environment"),
    ("water", "environment"),
    ("agricult", "agriculture"),
    ("food", "food-and-drugs"),
    ("finance", "finance"),
    ("econom", "finance"),
    ("trade", "finance"),
    ("housing", "construction"),
    ("building", "construction"),
    ("geograph", "geography"),
    ("geospatial", "geography"),
    ("population", "population"),
    ("demograph", "population"),
    ("science", "science"),
    ("safety", "work-safety"),
];

fn theme<'a>(words: &[String], title: &str, themes: &[&'a str]) -> Option<&'a str> {
    let text = words.iter().map(String::as_str).chain([title]).collect::<Vec<_>>().join(" ").to_lowercase();
    let found = SIGNS.iter().find(|(sign, _)| text.contains(sign)).map_or("public-services", |(_, theme)| theme);
    themes.iter().find(|it| **it == found).or_else(|| themes.first()).copied()
}
