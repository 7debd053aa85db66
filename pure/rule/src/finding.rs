//! Findings: what is wrong with a source, where, and what would be right, in both languages.

use std::fmt;
use vocabulary::{Bilingual, Kind, Problem};

/// One thing that is wrong with a source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Stable, dotted: `rule.unknown_field`.
    pub code: &'static str,
    /// What is wrong.
    pub fact: Bilingual,
    /// What would be right.
    pub remedy: Bilingual,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {} → {} [{}]", self.line, self.column, self.fact, self.remedy, self.code)
    }
}

/// A place in a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub line: u32,
    pub column: u32,
}

impl Place {
    pub const START: Self = Self { line: 1, column: 1 };

    /// The place after a character that stands here.
    pub fn after(self, character: char) -> Self {
        match character {
            '\n' => Self { line: self.line + 1, column: 1 },
            _ => Self { column: self.column + 1, ..self },
        }
    }
}

/// A text in Chinese and English while a finding is being made.
pub(crate) type Said<'a> = (&'a str, &'a str);

impl Finding {
    /// A finding at a place; `fact` and `remedy` are (Chinese, English).
    pub(crate) fn new(place: Place, code: &'static str, fact: Said<'_>, remedy: Said<'_>) -> Self {
        Self {
            line: place.line,
            column: place.column,
            code,
            fact: Bilingual::new(fact.0, fact.1),
            remedy: Bilingual::new(remedy.0, remedy.1),
        }
    }
}

/// All findings of one source as one problem `rule.source`; each is also a member of `findings`.
pub fn problem(findings: &[Finding]) -> Problem {
    let told = |text: fn(&Bilingual) -> &str, stop: &str| {
        let lines = findings.iter().map(|it| {
            let (line, column) = (it.line, it.column);
            format!("{line}:{column} {}{stop}{}", text(&it.fact), text(&it.remedy))
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let list = findings.iter().map(|it| {
        serde_json::json!({
            "line": it.line, "column": it.column, "code": it.code,
            "fact": it.fact, "remedy": it.remedy,
        })
    });
    Problem::new(Kind::Unprocessable, "rule.source", told(|it| &it.zh, "；"), told(|it| &it.en, "; "))
        .with("findings", list.collect::<Vec<_>>())
}
