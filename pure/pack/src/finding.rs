//! Findings: everything that is wrong with a pack, each with its file, its line, and what would be right.

use std::fmt;
use vocabulary::{Bilingual, Kind, Problem};

/// One thing that is wrong with a pack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the pack's folder; empty for the pack as a whole.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// Stable, dotted: `pack.unknown_key`.
    pub code: &'static str,
    /// What is wrong, with its value.
    pub fact: Bilingual,
    /// What would be right.
    pub remedy: Bilingual,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, code, fact, remedy } = self;
        write!(f, "{file}:{line}:{column}: {fact} → {remedy} [{code}]")
    }
}

/// All findings of a pack as one problem `pack.findings`; each is also a member of `findings`.
pub fn problem(findings: &[Finding]) -> Problem {
    let told = |text: fn(&Bilingual) -> &str, stop: &str| {
        let lines = findings
            .iter()
            .map(|it| format!("{}:{}:{} {}{stop}{}", it.file, it.line, it.column, text(&it.fact), text(&it.remedy)));
        lines.collect::<Vec<_>>().join("\n")
    };
    let list = findings.iter().map(|it| {
        serde_json::json!({
            "file": it.file, "line": it.line, "column": it.column, "code": it.code,
            "fact": it.fact, "remedy": it.remedy,
        })
    });
    Problem::new(Kind::Unprocessable, "pack.findings", told(|it| &it.zh, "；"), told(|it| &it.en, "; "))
        .with("findings", list.collect::<Vec<_>>())
}

/// A place in a file, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub line: u32,
    pub column: u32,
}

impl Place {
    pub const START: Self = Self { line: 1, column: 1 };
}

/// A text in Chinese and English while a finding is being made.
pub(crate) type Said<'a> = (&'a str, &'a str);

/// Collects findings of one file; past a bound it only counts.
pub(crate) struct Report<'a> {
    pub file: &'a str,
    findings: &'a mut Vec<Finding>,
}

/// At most this many findings are listed for one file, so that a wrong format does not list every line.
const FINDINGS_MAX: usize = 50;

impl<'a> Report<'a> {
    pub fn new(file: &'a str, findings: &'a mut Vec<Finding>) -> Self {
        Self { file, findings }
    }

    /// Takes over findings that were collected apart.
    pub fn take(&mut self, findings: Vec<Finding>) {
        self.findings.extend(findings);
    }

    /// A finding at a place; `fact` and `remedy` are (Chinese, English).
    pub fn add(&mut self, place: Place, code: &'static str, fact: Said<'_>, remedy: Said<'_>) {
        if self.findings.iter().filter(|it| it.file == self.file).count() < FINDINGS_MAX {
            self.findings.push(Finding {
                file: self.file.to_owned(),
                line: place.line,
                column: place.column,
                code,
                fact: Bilingual::new(fact.0, fact.1),
                remedy: Bilingual::new(remedy.0, remedy.1),
            });
        }
    }
}
