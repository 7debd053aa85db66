//! `cargo xtask tidy`: sizes, names, marks and paths, each finding with file, line and remedy.
//!
//! [`files`] lists what belongs to the repository; the other modules are pure: text in, findings out. What clippy and
//! rustfmt already check (docs on public items, `unwrap`, formatting) is left to them; functions are counted here too,
//! because clippy does not look into macros such as `proptest!`.

mod files;
mod functions;
mod inspection;
mod links;
mod manifest;
mod text;

use crate::failure::Failure;
use crate::finding::{self, Finding};
use crate::place;
use files::Source;

/// What `--help` prints.
pub const HELP: &str = "\
用法 usage: cargo xtask tidy

检查仓库内每个文件（由 git 列出），不合规处给出文件、行号与改法。
Checks every file of the repository (as git lists them) and names file, line and remedy of each finding.

  函数 functions ≤ 70 行 lines, ≤ 6 参数 parameters（含宏内 also inside macros）
  文件 files ≤ 600 行 lines；测试 tests ≤ 1,000；pure/vocabulary ≤ 1,500 in all
  代码 code ≤ 120 列 columns
  不得命名为 no utils, helpers, common, manager
  TODO 必须写明问题号 names an issue: `TODO(#12)`
  无本机路径、包仓库地址 no machine paths, no registry hosts；单个文件 no file over 1 MiB
  检查表所引之物 docs/operate/inspection.md cites tests, files, commands, routes, codes that exist
  文档间链接 links between documents lead somewhere
  成员清单 manifests: `x.workspace = true`, 无 no [features]
标有 `@generated` 的文件与 docs/schemas、docs/openapi.json 不计篇幅。
Files marked `@generated`, docs/schemas and docs/openapi.json are not measured.
";

/// The most lines of all files of `pure/vocabulary` together.
const VOCABULARY_LINES_MAX: usize = 1_500;

/// Checks the repository.
///
/// # Errors
/// Where anything is found, or the files cannot be listed.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    if let Some(argument) = arguments.first() {
        return Err(Failure::unknown(argument, "tidy"));
    }
    let sources = files::list(&place::root())?;
    if sources.is_empty() {
        return Err(Failure::new("没有找到任何文件，什么也没有检查", "no file was found, so nothing was checked"));
    }
    let findings = check(&sources);
    let lines: usize = sources.iter().filter(|it| it.is_code()).map(Source::lines).sum();
    finding::report("tidy", findings, &format!("{} files, {lines} lines of code, all tidy", sources.len()))
}

/// Paths of all files that belong to the repository.
///
/// # Errors
/// Where they cannot be listed.
pub fn sources() -> Result<Vec<String>, Failure> {
    Ok(files::list(&place::root())?.into_iter().map(|it| it.path).collect())
}

fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        findings.extend(text::check(source));
        if source.has_extension("rs") {
            findings.extend(functions::check(source));
        }
        if source.path.ends_with("Cargo.toml") {
            findings.extend(manifest::check(source));
        }
    }
    findings.extend(vocabulary(sources));
    findings.extend(links::check(sources));
    findings.extend(inspection::check(sources));
    findings
}

/// The words all share stay few.
fn vocabulary(sources: &[Source]) -> Option<Finding> {
    let words = sources.iter().filter(|it| it.path.starts_with("pure/vocabulary/src/"));
    let lines: usize = words.map(Source::lines).sum();
    (lines > VOCABULARY_LINES_MAX).then(|| {
        Finding::new(
            "pure/vocabulary/src/lib.rs",
            1,
            format!("vocabulary has {lines} lines, the most is {VOCABULARY_LINES_MAX}"),
            "只有一个 act 用到的词移到那个 act move words that one act alone needs to that act",
        )
    })
}

#[cfg(test)]
mod tests;
