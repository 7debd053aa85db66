//! Flaws of a declaration: all of them at once, each with its place and its remedy.

use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;
use vocabulary::{Bilingual, Kind, Problem};

/// A title is at most this long.
pub const TITLE_CHARS_MAX: usize = 200;

/// One thing wrong with a declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Flaw {
    /// JSON pointer into the declaration.
    pub pointer: String,
    /// The fact, with its value.
    pub what: Bilingual,
    /// What would be right.
    pub remedy: Bilingual,
}

impl Flaw {
    /// A flaw at `pointer`: the fact and the remedy, each in Chinese and English.
    pub fn new(
        pointer: &str,
        zh: impl Into<String>,
        en: impl Into<String>,
        remedy_zh: impl Into<String>,
        remedy_en: impl Into<String>,
    ) -> Self {
        Self { pointer: pointer.to_owned(), what: Bilingual::new(zh, en), remedy: Bilingual::new(remedy_zh, remedy_en) }
    }

    /// What is wrong with a title, if anything.
    pub fn title(pointer: &str, title: &Bilingual) -> Option<Self> {
        let fits = |text: &str| !text.trim().is_empty() && text.chars().count() <= TITLE_CHARS_MAX;
        (!fits(&title.zh) || !fits(&title.en)).then(|| {
            Self::new(
                pointer,
                "标题为空或过长",
                "the title is empty or too long",
                format!("中英文各写 1–{TITLE_CHARS_MAX} 个字符"),
                format!("write 1 to {TITLE_CHARS_MAX} characters in each language"),
            )
        })
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.pointer, self.what.en, self.remedy.en)
    }
}

/// All flaws as one English sentence, for readers that can carry only one text.
pub(crate) fn sentence(flaws: &[Flaw]) -> String {
    flaws.iter().map(Flaw::to_string).collect::<Vec<_>>().join("; ")
}

/// All flaws as one problem `schema.flaws` that points at the first.
pub fn problem(flaws: &[Flaw]) -> Problem {
    let zh = flaws.iter().map(|it| format!("{}：{}，{}", it.pointer, it.what.zh, it.remedy.zh));
    let zh = zh.collect::<Vec<_>>().join("；");
    let problem = Problem::new(Kind::Unprocessable, "schema.flaws", zh, sentence(flaws));
    match flaws.first() {
        Some(first) => problem.field(first.pointer.clone()),
        None => problem,
    }
}
