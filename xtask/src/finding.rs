//! What a check found: where, what, and what would be right.

use crate::failure::Failure;
use std::fmt;

/// One finding of a check.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path from the workspace's root.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// The fact.
    pub what: String,
    /// What to do, Chinese first.
    pub remedy: String,
}

impl Finding {
    /// A finding at `line` of `file`.
    pub fn new(file: &str, line: usize, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}\n    → {}", self.file, self.line, self.what, self.remedy)
    }
}

/// Prints all findings, then says `fine` if there were none.
///
/// # Errors
/// Where there is any finding.
pub fn report(check: &str, mut findings: Vec<Finding>, fine: &str) -> Result<(), Failure> {
    if findings.is_empty() {
        println!("{check}: {fine}");
        return Ok(());
    }
    findings.sort();
    for finding in &findings {
        eprintln!("{finding}");
    }
    let count = findings.len();
    Err(Failure::new(
        format!("{check}：发现 {count} 处不合规"),
        format!("{check}: {count} finding{}", if count == 1 { "" } else { "s" }),
    ))
}
