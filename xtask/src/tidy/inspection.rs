//! The inspection table cites what exists: tests, files, commands, routes, codes. Whoever renames one of them mends the
//! table in the same change. Pure.

use super::files::Source;
use crate::finding::Finding;

/// The table.
pub const TABLE: &str = "docs/operate/inspection.md";
/// Where a test's package stands.
const PACKAGES: [(&str, &str); 12] = [
    ("conformance", "tests/conformance/"),
    ("evidence", "acts/evidence/"),
    ("exchange", "acts/exchange/"),
    ("federation", "acts/federation/"),
    ("identity", "acts/identity/"),
    ("node", "server/node/"),
    ("peer", "io/peer/"),
    ("policy", "pure/policy/"),
    ("processes", "server/yunhe/tests/processes/"),
    ("signing", "io/signing/"),
    ("stories", "tests/stories/"),
    ("yunhe", "server/yunhe/"),
];

/// Findings on the citations of the table.
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let Some(table) = sources.iter().find(|it| it.path == TABLE) else { return Vec::new() };
    let mut findings = Vec::new();
    for (at, line) in table.text.lines().enumerate() {
        for cited in citations(line) {
            if let Err(what) = exists(cited, sources) {
                let remedy = "改正引用，或补上所引之物 mend the citation, or add what it cites";
                findings.push(Finding::new(TABLE, at + 1, format!("`{cited}`: {what}"), remedy));
            }
        }
    }
    findings
}

/// What stands between backticks.
fn citations(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn exists(cited: &str, sources: &[Source]) -> Result<(), &'static str> {
    let words: Vec<&str> = cited.split_whitespace().collect();
    match words[..] {
        ["yunhe", command, ..] => has_command(command, words.get(2).copied(), sources),
        ["cargo", "xtask", name, ..] => {
            let named = format!("name: \"{name}\"");
            found(sources, "xtask/src/main.rs", &named).ok_or("there is no such command of the workspace")
        }
        [method @ ("GET" | "POST" | "DELETE"), path] => {
            let row = format!("{}(\"{path}\"", method.to_lowercase());
            let table = sources.iter().find(|it| it.path == "server/web/src/table.rs");
            let text = table.map(|it| it.text.split_whitespace().collect::<String>()).unwrap_or_default();
            text.contains(&row).then_some(()).ok_or("there is no such route")
        }
        [test] if test.contains("::") => is_test(test, sources),
        [path] if path.contains('/') => {
            let folder = format!("{}/", path.trim_end_matches('/'));
            let there = sources.iter().any(|it| it.path == path || it.path.starts_with(&folder));
            there.then_some(()).ok_or("there is no such file")
        }
        [code] if code.contains('.') => {
            let quoted = format!("\"{code}\"");
            let mut code = sources.iter().filter(|it| it.has_extension("rs"));
            code.any(|it| it.text.contains(&quoted)).then_some(()).ok_or("no code of a problem or act is called so")
        }
        _ => Err("neither test, file, command, route nor code"),
    }
}

fn found(sources: &[Source], path: &str, text: &str) -> Option<()> {
    sources.iter().find(|it| it.path == path)?.text.contains(text).then_some(())
}

fn is_test(cited: &str, sources: &[Source]) -> Result<(), &'static str> {
    let (package, name) = cited.split_once("::").unwrap_or_default();
    let name = name.rsplit("::").next().unwrap_or_default();
    let folder = PACKAGES.iter().find(|it| it.0 == package).ok_or("there is no such package of tests")?.1;
    let function = format!("fn {name}(");
    let mut files = sources.iter().filter(|it| it.path.starts_with(folder) && it.has_extension("rs"));
    files.any(|it| it.text.contains(&function)).then_some(()).ok_or("there is no such test")
}

fn has_command(command: &str, act: Option<&str>, sources: &[Source]) -> Result<(), &'static str> {
    let missing = "there is no such command";
    found(sources, "server/yunhe/src/cli.rs", &format!("    {}(", variant(command))).ok_or(missing)?;
    let Some(act) = act.filter(|it| it.starts_with(|it: char| it.is_ascii_lowercase())) else { return Ok(()) };
    let folder = format!("server/yunhe/src/commands/{command}");
    let mut files = sources.iter().filter(|it| it.path.starts_with(&folder));
    let is_there =
        |it: &Source| [" {", "(", ","].iter().any(|end| it.text.contains(&format!("    {}{end}", variant(act))));
    files.any(is_there).then_some(()).ok_or(missing)
}

/// `reset-password` as its variant is written.
fn variant(word: &str) -> String {
    let capital = |it: &str| {
        let mut letters = it.chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect::<String>()
    };
    word.split('-').map(capital).collect()
}
