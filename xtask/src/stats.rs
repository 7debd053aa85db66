//! `cargo xtask stats`: how large each crate is, so that growth is seen before it hurts.

use crate::failure::Failure;
use crate::place;
use std::collections::BTreeMap;
use std::fs;

/// What `--help` prints.
pub const HELP: &str = "\
用法 usage: cargo xtask stats

每个 crate 的文件数、行数、测试行数与最长的文件。
Files, lines, lines of tests and the longest file of each crate.
";

#[derive(Default)]
struct Size {
    files: usize,
    lines: usize,
    test_lines: usize,
    longest: (usize, String),
}

/// Prints the table.
///
/// # Errors
/// Where a file cannot be read.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    if let Some(argument) = arguments.first() {
        return Err(Failure::unknown(argument, "stats"));
    }
    let sources = crate::tidy::sources()?;
    let crates: Vec<String> =
        sources.iter().filter_map(|it| it.strip_suffix("/Cargo.toml")).map(str::to_owned).collect();
    let mut sizes: BTreeMap<&str, Size> = BTreeMap::new();
    for path in sources.iter().filter(|it| it.ends_with(".rs")) {
        let Some(owner) = crates.iter().find(|it| path.starts_with(&format!("{it}/"))) else {
            continue;
        };
        let text = fs::read_to_string(place::root().join(path)).map_err(|error| Failure::io(path, error))?;
        let lines = text.lines().count();
        let size = sizes.entry(owner).or_default();
        size.files += 1;
        size.lines += lines;
        size.test_lines += if path.contains("tests") { lines } else { 0 };
        size.longest = size.longest.clone().max((lines, path.rsplit('/').next().unwrap_or_default().to_owned()));
    }
    println!("{:<22} {:>6} {:>7} {:>7}  最长 longest", "crate", "files", "lines", "tests");
    for (name, Size { files, lines, test_lines, longest }) in &sizes {
        println!("{name:<22} {files:>6} {lines:>7} {test_lines:>7}  {} {}", longest.0, longest.1);
    }
    let total: usize = sizes.values().map(|it| it.lines).sum();
    println!("{:<22} {:>6} {total:>7}", "total", sizes.values().map(|it| it.files).sum::<usize>());
    Ok(())
}
