//! Links between documents lead somewhere.

use super::files::Source;
use crate::finding::Finding;
use std::collections::BTreeSet;

/// Findings on relative links of all Markdown files.
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut there: BTreeSet<&str> = BTreeSet::new();
    for source in sources {
        there.insert(&source.path);
        there.extend(source.path.match_indices('/').map(|(end, _)| &source.path[..end]));
    }
    let documents = sources.iter().filter(|it| it.has_extension("md"));
    documents.flat_map(|it| broken(it, &there)).collect()
}

fn broken(source: &Source, there: &BTreeSet<&str>) -> Vec<Finding> {
    let lines = source.text.lines().enumerate();
    let links = lines.flat_map(|(at, line)| targets(line).map(move |it| (at, it)));
    let lost = links.filter(|(_, target)| !resolve(&source.path, target).is_some_and(|it| there.contains(it.as_str())));
    lost.map(|(at, target)| {
        let remedy = "改正链接，或加上该文件 mend the link, or add the file";
        Finding::new(&source.path, at + 1, format!("the link `{target}` leads nowhere"), remedy)
    })
    .collect()
}

/// The relative targets of `[text](target)` in a line, without their fragments.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let behind = line.split("](").skip(1).filter_map(|it| it.split_once(')').map(|(target, _)| target));
    let paths = behind.map(|it| it.split('#').next().unwrap_or_default());
    paths.filter(|it| !it.is_empty() && !it.contains("://") && !it.starts_with("mailto:"))
}

/// `target` seen from `file`, as a path from the root; nothing if it leaves the repository.
fn resolve(file: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in target.split('/').filter(|it| !it.is_empty() && *it != ".") {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    Some(parts.join("/"))
}
