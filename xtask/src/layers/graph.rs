//! The workspace as `cargo metadata` tells it, cut down to what the rules ask.

use crate::failure::Failure;
use crate::place;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// All members, and what every crate of the build needs.
#[derive(Debug, Default)]
pub struct Graph {
    /// The workspace's crates.
    pub members: Vec<Member>,
    /// Per crate name: the crates it is built from (neither dev-dependencies nor build scripts).
    pub needs: BTreeMap<String, BTreeSet<String>>,
}

/// A crate of the workspace.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its folder, from the workspace's root: `pure/rule`.
    pub folder: String,
    /// What its manifest names.
    pub uses: Vec<Use>,
}

/// One dependency in a manifest.
#[derive(Debug)]
pub struct Use {
    /// The crate.
    pub name: String,
    /// Whether only its tests see it.
    pub dev: bool,
}

/// Asks cargo for the graph, as built on this machine's platform.
///
/// # Errors
/// Where `cargo metadata` fails.
pub fn read() -> Result<Graph, Failure> {
    let mut command = MetadataCommand::new();
    command.manifest_path(place::root().join("Cargo.toml"));
    if let Some(platform) = platform() {
        command.other_options(["--filter-platform".to_owned(), platform]);
    }
    let metadata = command.exec().map_err(|error| Failure::io("cargo metadata", error))?;
    Ok(graph(&metadata))
}

/// The platform's name, such as `x86_64-unknown-linux-gnu`: without it cargo would fetch crates of every platform.
fn platform() -> Option<String> {
    let output = Command::new("rustc").arg("-vV").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}

fn graph(metadata: &Metadata) -> Graph {
    let names: BTreeMap<&PackageId, &str> = metadata.packages.iter().map(|it| (&it.id, it.name.as_str())).collect();
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in metadata.resolve.iter().flat_map(|it| &it.nodes) {
        let built_from = node
            .deps
            .iter()
            .filter(|dep| dep.dep_kinds.is_empty() || dep.dep_kinds.iter().any(|it| it.kind == DependencyKind::Normal));
        let entry = needs.entry(names[&node.id].to_owned()).or_default();
        entry.extend(built_from.map(|dep| names[&dep.pkg].to_owned()));
    }
    let root = metadata.workspace_root.as_str();
    let members = metadata.workspace_packages().into_iter().map(|package| member(package, root)).collect();
    Graph { members, needs }
}

fn member(package: &Package, root: &str) -> Member {
    let folder = package.manifest_path.parent().map_or("", |it| it.as_str());
    let folder = folder.strip_prefix(root).unwrap_or(folder).trim_start_matches('/').to_owned();
    let uses = package.dependencies.iter();
    let uses = uses.map(|it| Use { name: it.name.clone(), dev: it.kind == DependencyKind::Development }).collect();
    Member { name: package.name.to_string(), folder, uses }
}
