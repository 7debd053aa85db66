//! Lengths, parameters and module names of Rust code, read from its tokens, so that macro bodies count too.

use super::files::Source;
use crate::finding::Finding;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::collections::BTreeSet;

/// The most lines of code in a function's body, as clippy counts: neither blank lines nor comments.
const FUNCTION_LINES_MAX: usize = 70;
/// The most parameters of a function, `self` among them.
const PARAMETERS_MAX: usize = 6;

/// One function as its tokens show it.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its name.
    pub line: usize,
    /// How many parameters it takes.
    pub parameters: usize,
    /// How many lines of its body hold code.
    pub lines: usize,
}

/// Findings on the functions of one Rust file.
pub fn check(source: &Source) -> Vec<Finding> {
    if source.is_generated() {
        return Vec::new();
    }
    let Ok(tokens) = source.text.parse::<TokenStream>() else {
        let remedy = "先让它能编译 make it compile first";
        return vec![Finding::new(&source.path, 1, "this is not Rust that can be read", remedy)];
    };
    let mut functions = Vec::new();
    collect(tokens, &mut functions);
    functions.iter().flat_map(|it| judge(source, it)).collect()
}

fn judge(source: &Source, function: &Function) -> Vec<Finding> {
    let Function { name, line, parameters, lines } = function;
    let mut findings = Vec::new();
    if *lines > FUNCTION_LINES_MAX {
        let what = format!("function `{name}` has {lines} lines, the most is {FUNCTION_LINES_MAX}");
        let remedy = "把一步提成有名字的函数 give one step its own named function";
        findings.push(Finding::new(&source.path, *line, what, remedy));
    }
    if *parameters > PARAMETERS_MAX {
        let what = format!("function `{name}` takes {parameters} parameters, the most is {PARAMETERS_MAX}");
        let remedy = "把同行的参数并成一个类型 make a type of those that travel together";
        findings.push(Finding::new(&source.path, *line, what, remedy));
    }
    findings
}

/// All functions in `tokens`, at any depth.
pub fn collect(tokens: TokenStream, found: &mut Vec<Function>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Ident(word) if word == "fn" => found.extend(function(&trees[at + 1..])),
            TokenTree::Group(group) => collect(group.stream(), found),
            _ => {}
        }
    }
}

/// Reads what follows the word `fn`; nothing for a function's type, which has no name.
fn function(rest: &[TokenTree]) -> Option<Function> {
    let Some(TokenTree::Ident(name)) = rest.first() else {
        return None;
    };
    let mut depth = 0_usize;
    let mut parameters = None;
    for (at, tree) in rest.iter().enumerate().skip(1) {
        match tree {
            TokenTree::Punct(it) if it.as_char() == '<' => depth += 1,
            TokenTree::Punct(it) if it.as_char() == '>' && !after_dash(rest, at) => depth = depth.saturating_sub(1),
            TokenTree::Punct(it) if it.as_char() == ';' => break,
            TokenTree::Group(it) if it.delimiter() == Delimiter::Parenthesis && depth == 0 && parameters.is_none() => {
                parameters = Some(count(it.stream()));
            }
            TokenTree::Group(it) if it.delimiter() == Delimiter::Brace && depth == 0 => {
                return Some(made(name, parameters?, code_lines(it)));
            }
            _ => {}
        }
    }
    Some(made(name, parameters?, 0))
}

fn made(name: &proc_macro2::Ident, parameters: usize, lines: usize) -> Function {
    Function { name: name.to_string(), line: name.span().start().line, parameters, lines }
}

/// Whether the token at `at` ends an arrow, `->`.
fn after_dash(trees: &[TokenTree], at: usize) -> bool {
    let before = at.checked_sub(1).map(|it| &trees[it]);
    matches!(before, Some(TokenTree::Punct(it)) if it.as_char() == '-' || it.as_char() == '=')
}

/// Parameters between the parentheses: parts between commas that hold anything.
fn count(tokens: TokenStream) -> usize {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let (mut depth, mut parameters, mut anything) = (0_usize, 0, false);
    for (at, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Punct(it) if it.as_char() == ',' && depth == 0 => {
                parameters += usize::from(anything);
                anything = false;
                continue;
            }
            TokenTree::Punct(it) if it.as_char() == '<' => depth += 1,
            TokenTree::Punct(it) if it.as_char() == '>' && !after_dash(&trees, at) => depth = depth.saturating_sub(1),
            _ => {}
        }
        anything = true;
    }
    parameters + usize::from(anything)
}

/// Lines inside the braces that hold a token.
fn code_lines(body: &Group) -> usize {
    let mut lines = BTreeSet::new();
    mark(body.stream(), &mut lines);
    lines.len()
}

fn mark(tokens: TokenStream, lines: &mut BTreeSet<usize>) {
    for tree in tokens {
        if let TokenTree::Group(group) = &tree {
            lines.insert(group.span_open().start().line);
            lines.insert(group.span_close().end().line);
            mark(group.stream(), lines);
        } else {
            lines.extend(tree.span().start().line..=tree.span().end().line);
        }
    }
}
