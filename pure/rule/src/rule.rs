//! A rule: a source that was parsed, typed and found to be in the subset; `ask.` is still open.

use crate::finding::{Finding, Place};
use crate::lower::Lowering;
use crate::scan::scan;
use crate::{By, Constant, FINDINGS_MAX, Scope};
use schema::{FieldName, FieldType};
use serde::{Serialize, Serializer};
use std::collections::BTreeSet;

/// A row condition that may be bound to whoever asks. It is written as its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    source: String,
    pub(crate) root: Node,
}

/// The typed tree. Unlike a filter it may negate any part, and name what is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Compare { left: Operand, by: By, right: Operand },
    In { left: Operand, list: Vec<Operand> },
    Text { left: Operand, how: TextTest, needle: Operand },
    Under { left: Operand, above: Operand },
    Null(Operand),
}

/// The three looks at a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextTest {
    Starts,
    Ends,
    Contains,
}

/// What stands on a side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    Field(FieldName, FieldType),
    Ask(String, FieldType),
    Literal(Constant),
}

impl Rule {
    /// The source, as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The fields it looks at.
    pub fn fields(&self) -> BTreeSet<FieldName> {
        let mut fields = BTreeSet::new();
        self.root.each_operand(&mut |it| {
            if let Operand::Field(name, _) = it {
                fields.insert(name.clone());
            }
        });
        fields
    }

    /// The paths of `ask.` that it looks at: [`Rule::bind`] wants a value for each.
    pub fn asks(&self) -> BTreeSet<String> {
        let mut paths = BTreeSet::new();
        self.root.each_operand(&mut |it| {
            if let Operand::Ask(path, _) = it {
                paths.insert(path.clone());
            }
        });
        paths
    }
}

impl Node {
    fn each_operand(&self, see: &mut impl FnMut(&Operand)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|it| it.each_operand(see)),
            Self::Not(part) => part.each_operand(see),
            Self::Compare { left, right: other, .. }
            | Self::Text { left, needle: other, .. }
            | Self::Under { left, above: other } => {
                see(left);
                see(other);
            }
            Self::In { left, list } => {
                see(left);
                list.iter().for_each(see);
            }
            Self::Null(operand) => see(operand),
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

/// Parses, types and lowers `source`.
///
/// # Errors
/// Everything that is wrong with it, in the order of the source: unreadable characters first, then what `cel` cannot
/// parse, then what the subset or the types refuse.
pub fn compile(source: &str, scope: &Scope<'_>) -> Result<Rule, Vec<Finding>> {
    let unreadable = scan(source);
    if !unreadable.is_empty() {
        return Err(sorted(unreadable));
    }
    // The environment without macros: what it does not expand, keeps its place.
    let parsed = cel::Env::default().parser().parse_with_source_info(source);
    let (tree, info) = parsed.map_err(|errors| sorted(errors.errors.iter().map(unparsed).collect()))?;
    let mut lowering = Lowering::new(source, &info, scope);
    match lowering.rule(&tree) {
        Some(root) if lowering.findings.is_empty() => Ok(Rule { source: source.to_owned(), root }),
        _ => Err(sorted(lowering.findings)),
    }
}

fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort();
    findings.dedup();
    findings.truncate(FINDINGS_MAX);
    findings
}

fn unparsed(error: &cel::ParseError) -> Finding {
    let whole = |it: isize| u32::try_from(it).unwrap_or(1).max(1);
    let place = Place { line: whole(error.pos.0), column: whole(error.pos.1) };
    let said = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg);
    let (zh, en) = (format!("语法不通：{said}"), format!("does not parse: {said}"));
    let remedy = ("请检查此处的运算符、括号和引号", "look at the operators, brackets and quotes here");
    Finding::new(place, "rule.syntax", (&zh, &en), remedy)
}
