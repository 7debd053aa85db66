//! Rules on plain text: sizes, widths, names, marks, paths, hosts.

use super::files::Source;
use crate::finding::Finding;

/// The most lines of a file.
const FILE_LINES_MAX: usize = 600;
/// The most lines of a file of tests.
const TEST_LINES_MAX: usize = 1_000;
/// The most characters of a line of code.
const COLUMNS_MAX: usize = 120;
/// The most bytes of any file: larger data is fetched or generated, never committed.
const BYTES_MAX: u64 = 1 << 20;

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "manager"];

/// Folders of one machine.
const MACHINE_PATHS: &[&str] = &[concat!("/ro", "ot/"), concat!("/wo", "rk/"), "/home/", "/Users/"];

/// Where packages come from is each user's own setting.
const REGISTRIES: &[&str] = &[
    "index.crates.io",
    "static.crates.io",
    "rsproxy.cn",
    "pypi.org/simple",
    "files.pythonhosted.org",
    "registry.npmjs.org",
    "registry.npmmirror.com",
    "proxy.golang.org",
    "goproxy.",
    "deb.debian.org",
    "mirrors.",
];

/// This file and its tests name what they look for.
const OURSELVES: &str = "xtask/src/tidy";

/// All findings in one file's name, size and text.
pub fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(size(source));
    if source.path.ends_with(".lock") || source.path.ends_with("package-lock.json") {
        findings.extend(locked(source));
        return findings;
    }
    if source.is_code() {
        findings.extend(name(source));
        findings.extend(length(source));
        findings.extend(width(source));
    }
    if !source.path.starts_with(OURSELVES) {
        findings.extend(marks(source));
        findings.extend(places(source));
    }
    findings
}

fn size(source: &Source) -> Option<Finding> {
    let locked = source.path.ends_with("Cargo.lock") || source.path.ends_with("package-lock.json");
    (source.bytes > BYTES_MAX && !locked).then(|| {
        Finding::new(
            &source.path,
            1,
            format!("{} bytes, the most is {BYTES_MAX}", source.bytes),
            "大文件不入库：由程序生成，或经 YUNHE_DATA 提供 keep it out: generate it, or have it come by YUNHE_DATA",
        )
    })
}

fn name(source: &Source) -> Option<Finding> {
    let mut parts = source.path.split(['/', '.']);
    let empty = parts.find(|it| EMPTY_NAMES.contains(it))?;
    let what = format!("the name `{empty}` says nothing");
    Some(Finding::new(&source.path, 1, what, "以内容命名 name it after what it holds"))
}

fn length(source: &Source) -> Option<Finding> {
    let most = if source.is_test() { TEST_LINES_MAX } else { FILE_LINES_MAX };
    let lines = source.lines();
    (lines > most).then(|| {
        Finding::new(
            &source.path,
            most + 1,
            format!("{lines} lines, the most is {most}"),
            "按职责拆成有名字的模块 split it by purpose into named modules",
        )
    })
}

fn width(source: &Source) -> Vec<Finding> {
    let wide = |line: &str| line.chars().count() > COLUMNS_MAX && !only_a_link(line);
    let lines = source.text.lines().enumerate().filter(|(_, line)| wide(line));
    lines
        .map(|(at, line)| {
            let what = format!("{} columns, the most is {COLUMNS_MAX}", line.chars().count());
            Finding::new(
                &source.path,
                at + 1,
                what,
                "折行，字符串可用 `\\` 续行 break the line; text goes on after `\\`",
            )
        })
        .collect()
}

/// A link cannot be broken.
fn only_a_link(line: &str) -> bool {
    let line = line.trim_start().trim_start_matches(['/', '!', '#', '*', '-', ' ', '<']);
    (line.starts_with("https://") || line.starts_with("http://")) && !line.contains(' ')
}

fn marks(source: &Source) -> Vec<Finding> {
    let mark = concat!("TO", "DO");
    let lines = source.text.lines().enumerate();
    let open = lines.filter(|(_, line)| source.is_code() && unnamed(line, mark));
    open.map(|(at, _)| {
        let what = format!("{mark} without an issue");
        Finding::new(&source.path, at + 1, what, format!("写明问题号，如 name the issue: {mark}(#12)"))
    })
    .collect()
}

/// Whether `mark` stands in `line` as a word, in capitals, without `#` and a number behind it.
fn unnamed(line: &str, mark: &str) -> bool {
    let mut from = 0;
    while let Some(found) = line[from..].find(mark) {
        let (start, end) = (from + found, from + found + mark.len());
        let word = |it: char| it.is_alphanumeric() || it == '_' || it == '"';
        let whole = !line[..start].ends_with(word) && !line[end..].starts_with(word);
        let after = line[end..].trim_start_matches(['(', ' ', ':']);
        let named = after.strip_prefix('#').is_some_and(|it| it.starts_with(|it: char| it.is_ascii_digit()));
        if whole && !named {
            return true;
        }
        from = end;
    }
    false
}

fn places(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        if let Some(path) = MACHINE_PATHS.iter().find(|it| names_path(line, it)) {
            let what = format!("a path of one machine: `{path}`");
            findings.push(Finding::new(
                &source.path,
                at + 1,
                what,
                "用相对路径或环境变量 use a relative path or an environment variable",
            ));
        }
        if let Some(host) = REGISTRIES.iter().find(|it| line.contains(**it)) {
            let what = format!("a package registry's address: `{host}`");
            findings.push(Finding::new(
                &source.path,
                at + 1,
                what,
                "由使用者自行配置 leave it to each user's settings",
            ));
        }
    }
    findings
}

/// Whether `line` names the absolute `path`, not the middle of another path or address.
fn names_path(line: &str, path: &str) -> bool {
    let inside = |it: char| it.is_alphanumeric() || "._-~}*/".contains(it);
    line.match_indices(path).any(|(start, _)| !line[..start].ends_with(inside))
}

/// A lock file names the public registry only.
fn locked(source: &Source) -> Vec<Finding> {
    let (key, public) = if source.has_extension("json") {
        ("\"resolved\": \"", "https://registry.npmjs.org/")
    } else {
        ("source = \"", "registry+https://github.com/rust-lang/crates.io-index")
    };
    let lines = source.text.lines().enumerate();
    let foreign =
        lines.filter(|(_, line)| line.trim_start().strip_prefix(key).is_some_and(|it| !it.starts_with(public)));
    foreign
        .map(|(at, line)| {
            let what = format!("locked to another source: {}", line.trim());
            Finding::new(&source.path, at + 1, what, "只锁定公共仓库 lock to the public registry only")
        })
        .collect()
}
