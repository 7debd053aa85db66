//! Reading: files into parts, each with its tree so that later checks can name lines.

use crate::finding::{Finding, Place, Report};
use crate::list_file::{ListFile, read_csv};
use crate::node::Node;
use crate::pack::{FILES_MAX, PACK_BYTES_MAX};
use crate::schemas::{ChainFile, EntriesFile, FileKind, ZonesFile};
use crate::{Calendar, Deadlines, Entry, Files, Manifest, Pack, Source, check, shape};
use policy::{Offer, Service};
use schema::{CodeList, Flaw, RecordType};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A part of a pack with the file that declares it.
pub(crate) struct Part<T> {
    pub file: String,
    pub node: Node,
    pub value: T,
}

/// What was read, before the parts are checked against one another.
#[derive(Default)]
pub(crate) struct Draft {
    pub manifest: Option<Part<Manifest>>,
    pub records: Vec<Part<RecordType>>,
    pub offers: Vec<Part<Offer>>,
    pub sources: Vec<Part<Source>>,
    pub services: Vec<Part<Service>>,
    pub lists: Vec<Part<CodeList>>,
    pub zones: Vec<Part<ZonesFile>>,
    pub calendars: Vec<Part<Calendar>>,
    pub deadlines: Vec<Part<Deadlines>>,
    pub entries: Vec<Part<Vec<Entry>>>,
    pub chain: Vec<Part<ChainFile>>,
    /// Whether some file has findings: then what is not there may only be unread, and references to it are let pass.
    pub broken: bool,
}

/// Reads one pack by itself. What it needs of other packs is taken for granted; [`read_all`] checks that too.
///
/// # Errors
/// All findings at once, in the order of files and lines.
pub fn read(files: &Files) -> Result<Pack, Vec<Finding>> {
    let mut findings = Vec::new();
    let draft = draft(files, &mut findings);
    check::check(&draft, check::Around::Unknown, &mut findings);
    finish(draft, findings)
}

/// Reads packs together, by the names of their folders: what one needs of others must be there. They come in an order
/// in which each stands behind those that it needs.
///
/// # Errors
/// All findings of all packs at once; the file of each begins with the pack's folder.
pub fn read_all(folders: &BTreeMap<String, Files>) -> Result<Vec<Pack>, Vec<Finding>> {
    let mut findings = Vec::new();
    let mut drafts = Vec::new();
    for (folder, files) in folders {
        let mut own = Vec::new();
        drafts.push((folder.as_str(), draft(files, &mut own)));
        findings.extend(own.into_iter().map(|it| in_folder(folder, it)));
    }
    let order = check::order(&drafts, &mut findings);
    check::across(&drafts, &mut findings);
    for (folder, draft) in &drafts {
        let mut own = Vec::new();
        check::check(draft, check::Around::Known(&drafts), &mut own);
        check::folder(folder, draft, &mut own);
        findings.extend(own.into_iter().map(|it| in_folder(folder, it)));
    }
    if !findings.is_empty() {
        findings.sort();
        findings.dedup();
        return Err(findings);
    }
    let mut packs: BTreeMap<&str, Pack> = BTreeMap::new();
    for (folder, draft) in drafts {
        packs.insert(folder, finish(draft, Vec::new())?);
    }
    Ok(order.iter().filter_map(|it| packs.remove(it.as_str())).collect())
}

fn in_folder(folder: &str, mut finding: Finding) -> Finding {
    finding.file = format!("{folder}/{}", finding.file);
    finding
}

fn finish(draft: Draft, mut findings: Vec<Finding>) -> Result<Pack, Vec<Finding>> {
    if !findings.is_empty() {
        findings.sort();
        findings.dedup();
        return Err(findings);
    }
    let Some(manifest) = draft.manifest else { return Err(vec![no_manifest()]) };
    let pairs = draft.zones.into_iter().flat_map(|it| it.value.zones);
    let zones = schema::division::Zones::new(pairs).unwrap_or_default();
    Ok(Pack {
        manifest: manifest.value,
        records: draft.records.into_iter().map(|it| (it.value.name.clone(), it.value)).collect(),
        offers: draft.offers.into_iter().map(|it| (it.value.offer.clone(), it.value)).collect(),
        sources: draft.sources.into_iter().map(|it| (it.value.source.clone(), it.value)).collect(),
        services: draft.services.into_iter().map(|it| (it.value.service.clone(), it.value)).collect(),
        lists: draft.lists.into_iter().map(|it| it.value).collect(),
        zones,
        things: draft.chain.into_iter().flat_map(|it| it.value.things).collect(),
        entries: draft.entries.into_iter().flat_map(|it| it.value).collect(),
        calendars: draft.calendars.into_iter().map(|it| it.value).collect(),
        deadlines: draft.deadlines.into_iter().map(|it| it.value).collect(),
    })
}

fn no_manifest() -> Finding {
    let mut findings = Vec::new();
    Report::new("pack.yaml", &mut findings).add(
        Place::START,
        "pack.no_manifest",
        ("缺少 pack.yaml", "there is no pack.yaml"),
        ("写明 pack、title、description、owner、version", "write pack, title, description, owner and version in it"),
    );
    findings.remove(0)
}

/// Reads every file by itself.
fn draft(files: &Files, findings: &mut Vec<Finding>) -> Draft {
    let mut draft = Draft::default();
    let bytes: usize = files.values().map(String::len).sum();
    if files.len() > FILES_MAX || bytes > PACK_BYTES_MAX {
        let count = files.len();
        let (zh, en) = (format!("有 {count} 个文件、{bytes} 字节"), format!("has {count} files, {bytes} bytes"));
        let remedy = (
            format!("至多 {FILES_MAX} 个文件、{PACK_BYTES_MAX} 字节"),
            format!("keep it within {FILES_MAX} files and {PACK_BYTES_MAX} bytes"),
        );
        Report::new("", findings).add(Place::START, "pack.too_large", (&zh, &en), (&remedy.0, &remedy.1));
        return draft;
    }
    if !files.contains_key("pack.yaml") {
        findings.push(no_manifest());
    }
    let mut tables = Vec::new();
    for (file, text) in files {
        let mut report = Report::new(file, findings);
        match file.split('/').collect::<Vec<_>>().as_slice() {
            ["pack.yaml"] => draft.manifest = part(FileKind::Manifest, text, &mut report),
            ["README.md" | "README.zh.md" | "scenario.hurl"] => {}
            ["records", name] if yaml(name) => draft.records.extend(record(text, &mut report)),
            ["offers", name] if yaml(name) => draft.offers.extend(part(FileKind::Offer, text, &mut report)),
            ["sources", name] if yaml(name) => draft.sources.extend(part(FileKind::Source, text, &mut report)),
            ["services", name] if yaml(name) => draft.services.extend(part(FileKind::Service, text, &mut report)),
            ["data", "catalogue", name] if yaml(name) => {
                let entries = part::<EntriesFile>(FileKind::Entries, text, &mut report);
                draft.entries.extend(entries.map(|it| Part { file: it.file, node: it.node, value: it.value.entries }));
            }
            ["data", "chain", name] if yaml(name) => draft.chain.extend(part(FileKind::Chain, text, &mut report)),
            ["data", name] if yaml(name) => data(file, text, files, &mut draft, findings, &mut tables),
            ["data", name] if name.ends_with(".csv") => {}
            _ => unknown_file(&mut report),
        }
    }
    for file in files.keys().filter(|it| it.ends_with(".csv") && it.starts_with("data/") && !tables.contains(it)) {
        Report::new(file, findings).add(
            Place::START,
            "pack.unknown_file",
            ("没有代码表用到此文件", "no code list uses this file"),
            (
                "在 data/*.yaml 的代码表中以 file 指明，或删去",
                "name it by file in a code list of data/*.yaml, or remove it",
            ),
        );
    }
    draft.broken = findings.iter().any(|it| it.code != "pack.unknown_file");
    draft
}

fn yaml(name: &str) -> bool {
    name.strip_suffix(".yaml").is_some_and(|it| !it.is_empty() && !it.starts_with('.'))
}

fn unknown_file(report: &mut Report<'_>) {
    report.add(
        Place::START,
        "pack.unknown_file",
        ("业务包中没有这样的文件", "a pack has no such file"),
        (
            "可用：pack.yaml，records、offers、sources、services、data、data/catalogue、data/chain 下的 *.yaml，data/*.csv，\
             README.md，scenario.hurl",
            "known: pack.yaml; *.yaml in records, offers, sources, services, data, data/catalogue and data/chain; \
             data/*.csv; README.md; scenario.hurl",
        ),
    );
}

/// The tree of a file when its shape is right.
fn tree(kind: FileKind, text: &str, report: &mut Report<'_>) -> Option<Node> {
    let mut own = Vec::new();
    let mut inner = Report::new(report.file, &mut own);
    let node = Node::parse(text, &mut inner);
    if let Some(node) = &node {
        shape::check(node, kind.schema(), &mut inner);
    }
    let fine = own.is_empty();
    report.take(own);
    node.filter(|_| fine)
}

fn part<T: DeserializeOwned>(kind: FileKind, text: &str, report: &mut Report<'_>) -> Option<Part<T>> {
    let node = tree(kind, text, report)?;
    match T::deserialize(&node) {
        Ok(value) => Some(Part { file: report.file.to_owned(), node, value }),
        Err(misfit) => {
            misfits(&node, misfit, report);
            None
        }
    }
}

/// What the schema let pass and serde did not: a wrong date, an entry of a list against another.
fn misfits(node: &Node, misfit: crate::typed::Misfit, report: &mut Report<'_>) {
    let fact =
        (format!("此处的值不合要求：{}", misfit.message), format!("the value here does not fit: {}", misfit.message));
    let place = misfit.place.unwrap_or(node.place);
    report.add(place, "pack.value", (&fact.0, &fact.1), ("按所述改正", "correct it as said"));
}

fn flaws(node: &Node, flaws: Vec<Flaw>, report: &mut Report<'_>) {
    for flaw in flaws {
        let (what, remedy) = (&flaw.what, &flaw.remedy);
        let place = node.place_of(&flaw.pointer);
        report.add(place, "pack.declaration", (&what.zh, &what.en), (&remedy.zh, &remedy.en));
    }
}

fn record(text: &str, report: &mut Report<'_>) -> Option<Part<RecordType>> {
    let node = tree(FileKind::Record, text, report)?;
    match RecordType::read(&node) {
        Ok(value) => return Some(Part { file: report.file.to_owned(), node, value }),
        Err(Ok(list)) => flaws(&node, list, report),
        Err(Err(misfit)) => misfits(&node, misfit, report),
    }
    None
}

/// A file of `data/` says by its first known key what it is.
fn data<'a>(
    file: &'a str,
    text: &str,
    files: &'a Files,
    draft: &mut Draft,
    findings: &mut Vec<Finding>,
    tables: &mut Vec<&'a String>,
) {
    let mut unread = Vec::new();
    let node = Node::parse(text, &mut Report::new(file, &mut unread));
    let has = |key: &str| node.as_ref().is_some_and(|it| it.get(key).is_some());
    let mut report = Report::new(file, findings);
    if has("list") {
        draft.lists.extend(list(file, text, files, findings, tables));
    } else if has("zones") {
        draft.zones.extend(part(FileKind::Zones, text, &mut report));
    } else if has("calendar") && has("years") {
        draft.calendars.extend(part(FileKind::Calendar, text, &mut report));
    } else if has("deadlines") {
        draft.deadlines.extend(part(FileKind::Deadlines, text, &mut report));
    } else if unread.is_empty() {
        report.add(
            Place::START,
            "pack.unknown_data",
            ("看不出此文件是什么", "it does not show what this file is"),
            (
                "以 list、zones、calendar（与 years）或 deadlines 为键",
                "give it the key list, zones, calendar (with years) or deadlines",
            ),
        );
    } else {
        report.take(unread);
    }
}

fn list<'a>(
    file: &'a str,
    text: &str,
    files: &'a Files,
    findings: &mut Vec<Finding>,
    tables: &mut Vec<&'a String>,
) -> Option<Part<CodeList>> {
    let mut head = part::<ListFile>(FileKind::List, text, &mut Report::new(file, findings))?;
    let named = head.value.file.take().map(|it| format!("data/{it}"));
    let (entries, table, lines) = match (head.value.entries.take(), named) {
        (Some(entries), None) => (entries, None, Vec::new()),
        (None, Some(path)) => {
            let Some((path, text)) = files.get_key_value(&path) else {
                let fact = (format!("没有文件 {path}"), format!("there is no file {path}"));
                let place = head.node.place_of("/file");
                let remedy = ("写 data/ 中 CSV 文件的名字", "name a CSV file of data/");
                Report::new(file, findings).add(place, "pack.no_file", (&fact.0, &fact.1), remedy);
                return None;
            };
            tables.push(path);
            let before = findings.len();
            let (entries, lines) = read_csv(text, &mut Report::new(path, findings));
            if findings.len() > before {
                return None;
            }
            (entries, Some(path), lines)
        }
        _ => {
            Report::new(file, findings).add(
                head.node.place,
                "pack.entries",
                ("entries 与 file 应恰有一个", "there should be exactly one of entries and file"),
                ("条目少写 entries，多写 file", "write entries for a few, file for many"),
            );
            return None;
        }
    };
    match head.value.list(entries) {
        Ok(value) => Some(Part { file: head.file, node: head.node, value }),
        Err(list) => {
            list_flaws(&head.node, file, table.map(|it| (it.as_str(), lines.as_slice())), list, findings);
            None
        }
    }
}

/// Flaws of entries stand in the CSV file, by their lines; the others in the head.
fn list_flaws(node: &Node, file: &str, table: Option<(&str, &[u32])>, list: Vec<Flaw>, findings: &mut Vec<Finding>) {
    let line_of = |flaw: &Flaw, lines: &[u32]| {
        let at = flaw.pointer.strip_prefix("/entries/")?.split('/').next()?.parse::<usize>().ok()?;
        lines.get(at).copied()
    };
    for flaw in list {
        match table.and_then(|(path, lines)| Some((path, line_of(&flaw, lines)?))) {
            Some((path, line)) => {
                let place = Place { line, column: 1 };
                let (what, remedy) = (&flaw.what, &flaw.remedy);
                let mut report = Report::new(path, findings);
                report.add(place, "pack.declaration", (&what.zh, &what.en), (&remedy.zh, &remedy.en));
            }
            None => flaws(node, vec![flaw], &mut Report::new(file, findings)),
        }
    }
}
