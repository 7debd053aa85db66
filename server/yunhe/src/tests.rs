use crate::cli::{Cli, Command};
use clap::{CommandFactory as _, Parser as _};
use policy::Role;
use std::path::Path;
use web::ROUTES;

#[test]
fn the_command_line_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn a_missing_command_is_a_usage_error() {
    assert_eq!(Cli::try_parse_from(["yunhe"]).unwrap_err().exit_code(), 2);
}

/// Commands that ask no node, or ask without a token, or as whoever is named.
const WITHOUT_A_TOKEN: &[&[&str]] = &[
    &["init"],
    &["serve"],
    &["appoint"],
    &["backup"],
    &["restore"],
    &["doctor"],
    &["key"],
    &["schemas"],
    &["openapi"],
    &["demo"],
    &["log"],
    &["pack", "check"],
    &["receipt", "verify"],
    &["audit", "verify"],
    &["federation", "card"],
    &["federation", "genesis"],
    &["federation", "propose"],
    &["federation", "rotate"],
    &["federation", "sign"],
    &["federation", "export"],
    &["federation", "show"],
    &["user", "change-password"],
    &["user", "sign-in"],
    &["user", "enrol"],
    &["user", "confirm"],
];
/// Commands that the system administrator gives, by the route that they call: `--as` need not be said.
const THE_SYSTEM_ADMINISTRATORS: &[(&[&str], &str)] = &[
    (&["pack", "install"], "installPack"),
    (&["pack", "list"], "packs"),
    (&["federation", "join"], "joinFederation"),
    (&["federation", "submit"], "adoptEntries"),
    (&["user", "add"], "createUser"),
    (&["user", "reset-password"], "resetPassword"),
    (&["application"], "registerApplication"),
    (&["offer", "list"], "offers"),
    (&["catalog", "search"], "searchCatalog"),
    (&["catalog", "show"], "catalogEntry"),
];

/// The words of a command line as a shell sees them; what stands behind a comment, a bracket for people or an operator
/// of the shell is left out.
fn words(line: &str) -> Vec<String> {
    let line = line.split("    （").next().unwrap_or_default();
    // Aligned remarks stand behind a gap.
    let line = line.trim().split("   ").next().unwrap_or_default();
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for letter in line.chars().chain([' ']) {
        match (quote, letter) {
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            (None, '（' | '；') => break,
            (None, '#' | '<' | '>' | '|' | '&') if word.is_empty() => break,
            (None, ' ') if word.is_empty() => {}
            (None, ' ') => words.push(std::mem::take(&mut word)),
            _ => word.push(letter),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The lines of a text that begin with `yunhe`, with those that go on behind a backslash.
fn lines(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", "\n\u{1}");
    let mut lines: Vec<String> = Vec::new();
    for line in joined.lines() {
        match line.strip_prefix('\u{1}') {
            Some(more) if lines.last().is_some_and(|it| it.ends_with(' ')) => {
                if let Some(last) = lines.last_mut() {
                    last.push_str(&format!("{} ", more.trim()));
                }
            }
            _ => lines.push(format!("{} ", line.trim())),
        }
    }
    lines.retain(|it| it.starts_with("yunhe "));
    lines
}

fn helps(command: &clap::Command, into: &mut Vec<(String, String)>) {
    if let Some(help) = command.get_after_help() {
        into.push((format!("--help of {}", command.get_name()), help.to_string()));
    }
    for one in command.get_subcommands() {
        helps(one, into);
    }
}

fn documents(folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents(&path, into);
        } else if path.extension().is_some_and(|it| it == "md") {
            into.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Every command that stands in our documents and helps is one, and is given as somebody who may give it.
#[test]
fn every_command_that_we_show_can_be_given() {
    let mut texts = Vec::new();
    helps(&Cli::command(), &mut texts);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for folder in ["howto", "operate"] {
        documents(&docs.join(folder), &mut texts);
    }
    let (mut seen, mut wrong) = (0, Vec::new());
    for (place, text) in texts {
        for line in lines(&text) {
            let words = words(&line);
            // `yunhe init … --suite sm2-sm3` leaves out what stands elsewhere, `ed25519-sha256:…` the key itself.
            if words.iter().any(|it| it == "…" || it.ends_with(":…")) {
                continue;
            }
            seen += 1;
            if let Err(why) = Cli::try_parse_from(&words) {
                wrong.push(format!("{place}: {line}: {why}"));
            } else if !may_be_given(&words) {
                wrong.push(format!("{place}: {line}: as whom?"));
            }
        }
    }
    assert!(seen > 100, "{seen} commands");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn may_be_given(words: &[String]) -> bool {
    let is = |path: &[&str]| words.iter().skip(1).zip(path).filter(|(word, one)| word == *one).count() == path.len();
    let of_system = |name: &str| {
        let route = ROUTES.iter().find(|it| it.name == name).unwrap_or_else(|| panic!("{name} is no route"));
        route.administrators.contains(&Role::SystemAdministrator)
    };
    words.iter().any(|it| it == "--as" || it == "--token")
        || WITHOUT_A_TOKEN.iter().any(|it| is(it))
        || THE_SYSTEM_ADMINISTRATORS.iter().any(|(path, route)| is(path) && of_system(route))
}

#[test]
fn a_value_without_its_column_is_a_usage_error() {
    let line = |set: &str| {
        Cli::try_parse_from(["yunhe", "objection", "decide", "obj_1", "--verdict", "correct", "--set", set])
    };
    assert_eq!(line("status").unwrap_err().exit_code(), 2);
    assert!(matches!(line("listed=true").unwrap().command, Command::Objection(_)));
}
