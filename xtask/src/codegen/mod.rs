//! `cargo xtask codegen`: what is generated from the Rust types and committed: JSON Schemas, the API's description, and
//! from that a client in TypeScript.
//!
//! The binary itself writes the first two (`yunhe schemas`, `yunhe openapi`); this puts all into place or compares.

mod typescript;

use crate::failure::Failure;
use crate::finding::{self, Finding};
use crate::place;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// What `--help` prints.
pub const HELP: &str = "\
用法 usage: cargo xtask codegen [--check]

由 Rust 类型生成 docs/schemas/*.json（`yunhe schemas --out DIR`）与 docs/openapi.json（`yunhe openapi`），
再由后者生成 TypeScript 客户端 clients/typescript/yunhe.ts。
Generates docs/schemas/*.json (`yunhe schemas --out DIR`) and docs/openapi.json (`yunhe openapi`) from the Rust types,
and from the latter the TypeScript client clients/typescript/yunhe.ts.

  --check   只比较，不一致即失败 only compare; fails where they differ
";

/// Single files, besides the schemas.
const OPENAPI: &str = "docs/openapi.json";
const CLIENT: &str = "clients/typescript/yunhe.ts";

const REMEDY: &str = "运行 run `cargo xtask codegen`";

/// Files by their path from the workspace's root.
type Files = BTreeMap<String, Vec<u8>>;

/// Generates, or with `--check` compares.
///
/// # Errors
/// Where the build or the binary fails, or a committed file differs.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let check = match arguments {
        [] => false,
        [only] if only == "--check" => true,
        [first, ..] => return Err(Failure::unknown(first, "codegen")),
    };
    let programs = place::build_as_tested("processes")?;
    let made = generated(&programs.join("yunhe"))?;
    let committed = committed(&place::root()).map_err(|error| Failure::io("docs", error))?;
    if check {
        let fine = format!("{} generated files, all current", made.len());
        return finding::report("codegen", differences(&made, &committed), &fine);
    }
    write(&place::root(), &made, &committed).map_err(|error| Failure::io("docs", error))?;
    println!("codegen: {} files", made.len());
    Ok(())
}

fn generated(yunhe: &Path) -> Result<Files, Failure> {
    let folder = place::target().join("codegen");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Failure::io(&folder.display().to_string(), error));
        }
        _ => fs::create_dir_all(&folder).map_err(|error| Failure::io(&folder.display().to_string(), error))?,
    }
    place::finished(Command::new(yunhe).args(["schemas", "--out"]).arg(&folder), "yunhe schemas")?;
    let mut files = below(&folder, "docs/schemas").map_err(|error| Failure::io("yunhe schemas", error))?;
    let openapi = Command::new(yunhe).arg("openapi").output().map_err(|error| Failure::io("yunhe openapi", error))?;
    if !openapi.status.success() {
        return Err(Failure::io("yunhe openapi", String::from_utf8_lossy(&openapi.stderr)));
    }
    let document = serde_json::from_slice(&openapi.stdout).map_err(|error| Failure::io("yunhe openapi", error))?;
    files.insert(CLIENT.to_owned(), typescript::client(&document).into_bytes());
    files.insert(OPENAPI.to_owned(), openapi.stdout);
    Ok(files)
}

fn committed(root: &Path) -> io::Result<Files> {
    let mut files = below(&root.join("docs/schemas"), "docs/schemas")?;
    for path in [OPENAPI, CLIENT] {
        match fs::read(root.join(path)) {
            Ok(text) => drop(files.insert(path.to_owned(), text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

/// The `.json` files in `folder`, named below `prefix`.
fn below(folder: &Path, prefix: &str) -> io::Result<Files> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Files::new()),
        other => other?,
    };
    let mut files = Files::new();
    for entry in entries {
        let path: PathBuf = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".json") {
            files.insert(format!("{prefix}/{name}"), fs::read(&path)?);
        }
    }
    Ok(files)
}

fn differences(made: &Files, committed: &Files) -> Vec<Finding> {
    let missing_or_old = made.iter().filter_map(|(path, text)| match committed.get(path) {
        None => Some(Finding::new(path, 1, "is not there", REMEDY)),
        Some(old) if old != text => Some(Finding::new(path, first_difference(old, text), "is not current", REMEDY)),
        Some(_) => None,
    });
    let left_over = committed.keys().filter(|it| !made.contains_key(*it));
    missing_or_old.chain(left_over.map(|it| Finding::new(it, 1, "is no longer generated", REMEDY))).collect()
}

fn first_difference(old: &[u8], new: &[u8]) -> usize {
    let same = old.split(|it| *it == b'\n').zip(new.split(|it| *it == b'\n')).take_while(|(old, new)| old == new);
    same.count() + 1
}

fn write(root: &Path, made: &Files, committed: &Files) -> io::Result<()> {
    for path in committed.keys().filter(|it| !made.contains_key(*it)) {
        fs::remove_file(root.join(path))?;
    }
    for folder in ["docs/schemas", "clients/typescript"] {
        fs::create_dir_all(root.join(folder))?;
    }
    for (path, text) in made.iter().filter(|(path, text)| committed.get(*path) != Some(*text)) {
        fs::write(root.join(path), text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Files {
        list.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn what_is_missing_old_or_left_over_is_found() {
        let made = files(&[("a", "1\n2\n"), ("b", "1"), ("c", "1")]);
        let committed = files(&[("a", "1\n3\n"), ("b", "1"), ("d", "1")]);
        let found = differences(&made, &committed);
        let found: Vec<_> = found.iter().map(|it| (it.file.as_str(), it.line, it.what.as_str())).collect();
        assert_eq!(found, [("a", 2, "is not current"), ("c", 1, "is not there"), ("d", 1, "is no longer generated")]);
    }

    #[test]
    fn what_was_written_compares_equal() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let made = files(&[("docs/schemas/a.json", "{}\n"), ("docs/openapi.json", "{}\n")]);
        let stale = files(&[("docs/schemas/old.json", "{}\n")]);
        write(root.path(), &stale, &Files::new()).expect("written");
        write(root.path(), &made, &committed(root.path()).expect("read")).expect("written");
        assert_eq!(committed(root.path()).expect("read"), made);
    }
}
