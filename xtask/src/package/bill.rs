//! The bill of materials: every crate that the program is built from, with its version, digest and licence.

use super::{copy, failed, write};
use crate::failure::Failure;
use crate::place;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// For which machine.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// How files with a licence begin.
const LICENCE_FILES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];

/// What the program is built from.
pub struct Bill {
    metadata: Metadata,
    parts: BTreeSet<PackageId>,
    /// SHA-256 of each crate as the registry has it, by name and version.
    digests: BTreeMap<(String, String), String>,
}

impl Bill {
    /// Reads `cargo metadata` and `Cargo.lock`.
    ///
    /// # Errors
    /// Where cargo does not answer.
    pub fn read() -> Result<Self, Failure> {
        let root = place::root();
        let mut ask = MetadataCommand::new();
        ask.current_dir(&root).other_options(["--locked", "--filter-platform", TARGET].map(str::to_owned));
        let metadata = ask.exec().map_err(|error| Failure::io("cargo metadata", error))?;
        let lock = root.join("Cargo.lock");
        let lock = fs::read_to_string(&lock).map_err(failed(&lock))?;
        let parts = parts(&metadata)?;
        Ok(Self { metadata, parts, digests: digests(&lock) })
    }

    fn packages(&self) -> impl Iterator<Item = &Package> {
        let mut all: Vec<&Package> = self.metadata.packages.iter().filter(|it| self.parts.contains(&it.id)).collect();
        all.sort_by_key(|it| (it.name.to_string(), it.version.clone()));
        all.into_iter()
    }

    /// The program's version.
    pub fn version(&self) -> String {
        self.packages().find(|it| it.name.as_str() == "yunhe").map_or_else(String::new, |it| it.version.to_string())
    }

    /// As CycloneDX 1.6, the same text for the same lock file.
    pub fn cyclonedx(&self) -> String {
        let component = |it: &Package| {
            let (name, version) = (it.name.to_string(), it.version.to_string());
            let purl = format!("pkg:cargo/{name}@{version}");
            let mut component =
                json!({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl});
            if let Some(licence) = &it.license {
                component["licenses"] = json!([{"expression": licence.replace('/', " OR ")}]);
            }
            if let Some(digest) = self.digests.get(&(name, version)) {
                component["hashes"] = json!([{"alg": "SHA-256", "content": digest}]);
            }
            component
        };
        let ours = |it: &&Package| it.source.is_none();
        let components: Vec<Value> = self.packages().filter(|it| !ours(it)).map(component).collect();
        let program = json!({"type": "application", "name": "yunhe", "version": self.version(),
                             "licenses": [{"expression": "Apache-2.0"}]});
        let bill = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
                          "metadata": {"component": program}, "components": components});
        format!("{bill:#}\n")
    }

    /// A folder per crate with what it says of its licence, and a list of all.
    ///
    /// # Errors
    /// Where a file cannot be copied.
    pub fn licences(&self, folder: &Path) -> Result<(), Failure> {
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let mut list = String::new();
        for package in self.packages() {
            let name = format!("{}-{}", package.name, package.version);
            let licence = package.license.as_deref().unwrap_or("see its files");
            list.push_str(&format!("{name}\t{licence}\n"));
            let Some(from) = package.manifest_path.parent().filter(|_| package.source.is_some()) else { continue };
            for entry in fs::read_dir(from).map_err(failed(from.as_std_path()))? {
                let entry = entry.map_err(failed(from.as_std_path()))?;
                let file = entry.file_name().to_string_lossy().into_owned();
                let upper = file.to_uppercase();
                if entry.path().is_file() && LICENCE_FILES.iter().any(|it| upper.starts_with(it)) {
                    copy(&entry.path(), &folder.join(&name).join(file))?;
                }
            }
        }
        write(&folder.join("LIST.tsv"), &list)
    }
}

/// Everything below the program but what only tests and builds see.
fn parts(metadata: &Metadata) -> Result<BTreeSet<PackageId>, Failure> {
    let root = metadata.packages.iter().find(|it| it.name.as_str() == "yunhe" && it.source.is_none());
    let root = root.ok_or_else(|| Failure::new("没有 yunhe 包", "there is no package yunhe"))?;
    let graph = metadata.resolve.as_ref().ok_or_else(|| Failure::new("没有依赖图", "no dependency graph"))?;
    let nodes: BTreeMap<&PackageId, _> = graph.nodes.iter().map(|it| (&it.id, it)).collect();
    let (mut seen, mut next) = (BTreeSet::new(), vec![root.id.clone()]);
    while let Some(id) = next.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let deps = nodes.get(&id).into_iter().flat_map(|it| &it.deps);
        let normal = |it: &&cargo_metadata::NodeDep| it.dep_kinds.iter().any(|it| it.kind == DependencyKind::Normal);
        next.extend(deps.filter(normal).map(|it| it.pkg.clone()));
    }
    Ok(seen)
}

fn digests(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |block: &str, name: &str| {
        let start = format!("{name} = \"");
        let line = block.lines().find_map(|it| it.strip_prefix(&start))?;
        line.strip_suffix('"').map(str::to_owned)
    };
    let blocks = lock.split("[[package]]").skip(1);
    blocks.filter_map(|it| Some(((value(it, "name")?, value(it, "version")?), value(it, "checksum")?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_names_what_the_program_is_built_from_with_version_digest_and_licence() {
        let bill = Bill::read().expect("cargo metadata");
        let value: Value = serde_json::from_str(&bill.cyclonedx()).expect("JSON");
        let all = value["components"].as_array().expect("components");
        let find = |name: &str| all.iter().find(|it| it["name"] == name);
        let tokio = find("tokio").expect("tokio is below the program");
        assert_eq!(tokio["licenses"][0]["expression"], "MIT");
        assert_eq!(tokio["hashes"][0]["content"].as_str().map(str::len), Some(64));
        assert!(find("proptest").is_none(), "what only tests see is not shipped");
        assert!(find("cargo_metadata").is_none());
        assert_eq!(value["metadata"]["component"]["version"], bill.version());
        assert!(all.iter().all(|it| it["licenses"].is_array()), "every crate says its licence");
    }
}
