//! Members' manifests: a version and a crate's features stand once, in the workspace's own.

use super::files::Source;
use crate::finding::Finding;

/// Findings in one `Cargo.toml`; the workspace's own is free.
pub fn check(source: &Source) -> Vec<Finding> {
    if source.path == "Cargo.toml" {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let (mut section, mut lints) = (String::new(), false);
    for (at, line) in source.text.lines().enumerate() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if let Some(name) = line.strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut section);
            if section == "features" {
                let remedy = "本仓库的 crate 不设特性 our crates have no features: split, or make it a setting";
                findings.push(Finding::new(&source.path, at + 1, "a crate with features", remedy));
            }
        } else if section == "lints" {
            lints |= line == "workspace = true";
        } else if section.ends_with("dependencies") && !inherits(line) {
            let what = format!("`{line}` names its own version or features");
            let remedy =
                "写进根 Cargo.toml，成员只写 put it in the root Cargo.toml; members write `x.workspace = true`";
            findings.push(Finding::new(&source.path, at + 1, what, remedy));
        }
    }
    if !lints {
        let remedy = "加上 add `[lints]` `workspace = true`";
        findings.push(Finding::new(&source.path, 1, "the workspace's lints are not switched on", remedy));
    }
    findings
}

fn inherits(line: &str) -> bool {
    line.is_empty()
        || line.starts_with('#')
        || line
            .split_once('=')
            .is_some_and(|(name, value)| name.trim_end().ends_with(".workspace") && value.trim() == "true")
}
