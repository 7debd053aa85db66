//! The parts of a pack against one another, and packs against those that they need.

use crate::finding::{Finding, Place, Report};
use crate::read::{Draft, Part};
use crate::shape::nearest;
use crate::{Calendar, check_data, check_offer, check_service, check_source};
use policy::Service;
use schema::{CodeList, FieldType, RecordType};
use std::collections::BTreeMap;
use vocabulary::{PackId, ResourceId};

/// The code list of themes, where some pack has it.
pub(crate) const THEMES: &str = "catalogue-themes";

/// What is known of the other packs.
#[derive(Clone, Copy)]
pub(crate) enum Around<'a> {
    /// Nothing: what a needed pack may have is taken for granted.
    Unknown,
    /// All packs that are read together, by their folders.
    Known(&'a [(&'a str, Draft)]),
}

/// A pack and those that it needs, directly or through others.
pub(crate) struct Scope<'a> {
    pub own: &'a Draft,
    needed: Vec<&'a Draft>,
    /// Whether nothing else can be there.
    pub complete: bool,
}

impl<'a> Scope<'a> {
    fn new(own: &'a Draft, around: Around<'a>) -> Self {
        let needs = needs(own);
        let Around::Known(drafts) = around else {
            return Self { own, needed: Vec::new(), complete: needs.is_empty() && !own.broken };
        };
        let find = |id: &PackId| drafts.iter().map(|(_, it)| it).find(|it| id_of(it) == Some(id));
        let mut names: Vec<&PackId> = needs.iter().collect();
        let mut needed: Vec<&Draft> = Vec::new();
        let mut at = 0;
        while let Some(name) = names.get(at) {
            at += 1;
            let Some(draft) = find(name) else { continue };
            needed.push(draft);
            let further = self::needs(draft).iter().filter(|it| !names.contains(it)).collect::<Vec<_>>();
            names.extend(further);
        }
        let complete = !own.broken && needed.iter().all(|it| !it.broken);
        Self { own, needed, complete }
    }

    fn all(&self) -> impl Iterator<Item = &'a Draft> {
        std::iter::once(self.own).chain(self.needed.iter().copied())
    }

    /// The code list of that name.
    pub fn list(&self, name: &str) -> Option<&'a CodeList> {
        self.all().flat_map(|it| &it.lists).map(|it| &it.value).find(|it| it.list().as_str() == name)
    }

    /// The record type of that name.
    pub fn record(&self, name: &ResourceId) -> Option<&'a RecordType> {
        self.all().flat_map(|it| &it.records).map(|it| &it.value).find(|it| it.name == *name)
    }

    /// The service of that name.
    pub fn service(&self, name: &ResourceId) -> Option<&'a Service> {
        self.all().flat_map(|it| &it.services).map(|it| &it.value).find(|it| it.service == *name)
    }

    /// Names of services to choose from, in a finding.
    pub fn service_names(&self) -> Vec<&'a str> {
        self.all().flat_map(|it| &it.services).map(|it| it.value.service.as_str()).collect()
    }

    /// The calendar of that name.
    pub fn calendar(&self, name: &ResourceId) -> Option<&'a Calendar> {
        self.all().flat_map(|it| &it.calendars).map(|it| &it.value).find(|it| it.calendar == *name)
    }

    /// Names to choose from, in a finding.
    pub fn record_names(&self) -> Vec<&'a str> {
        self.all().flat_map(|it| &it.records).map(|it| it.value.name.as_str()).collect()
    }
}

fn needs(draft: &Draft) -> &[PackId] {
    draft.manifest.as_ref().map_or(&[], |it| &it.value.needs)
}

fn id_of(draft: &Draft) -> Option<&PackId> {
    draft.manifest.as_ref().map(|it| &it.value.pack)
}

/// Checks everything that one file alone does not show.
pub(crate) fn check(draft: &Draft, around: Around<'_>, findings: &mut Vec<Finding>) {
    let scope = Scope::new(draft, around);
    manifest(draft, around, findings);
    twins(&draft.records, "record", |it| &it.name, findings);
    twins(&draft.offers, "offer", |it| &it.offer, findings);
    twins(&draft.sources, "source", |it| &it.source, findings);
    twins(&draft.services, "service", |it| &it.service, findings);
    twins(&draft.lists, "list", CodeList::list, findings);
    twins(&draft.calendars, "calendar", |it| &it.calendar, findings);
    twins(&draft.deadlines, "deadlines", |it| &it.deadlines, findings);
    file_names(&draft.records, "record", |it| &it.name, findings);
    file_names(&draft.offers, "offer", |it| &it.offer, findings);
    file_names(&draft.sources, "source", |it| &it.source, findings);
    file_names(&draft.services, "service", |it| &it.service, findings);
    for part in &draft.services {
        check_service::check(part, &scope, &mut Report::new(&part.file, findings));
    }
    for part in &draft.records {
        record(part, &scope, &mut Report::new(&part.file, findings));
    }
    for part in &draft.offers {
        check_offer::check(part, &scope, &mut Report::new(&part.file, findings));
    }
    for part in &draft.sources {
        check_source::check(part, &scope, &mut Report::new(&part.file, findings));
    }
    check_data::check(&scope, findings);
}

fn manifest(draft: &Draft, around: Around<'_>, findings: &mut Vec<Finding>) {
    let Some(part) = &draft.manifest else { return };
    let mut report = Report::new(&part.file, findings);
    for (at, system) in part.value.systems.iter().enumerate() {
        let formed =
            system.strip_prefix('S').is_some_and(|it| it.len() == 2 && it.bytes().all(|it| it.is_ascii_digit()));
        if !formed {
            let place = part.node.place_of(&format!("/systems/{at}"));
            let fact = (format!("没有系统“{system}”"), format!("there is no system {system:?}"));
            report.add(place, "pack.system", (&fact.0, &fact.1), ("写 S01 至 S99", "write S01 to S99"));
        }
    }
    for (at, need) in part.value.needs.iter().enumerate() {
        let place = part.node.place_of(&format!("/needs/{at}"));
        if *need == part.value.pack || part.value.needs[..at].contains(need) {
            let fact = (
                format!("needs 中的 {need} 是它自己或已列出"),
                format!("need {need} is the pack itself or stands twice"),
            );
            report.add(place, "pack.needs", (&fact.0, &fact.1), ("删去", "remove it"));
        }
        if let Around::Known(drafts) = around
            && !drafts.iter().any(|(_, it)| id_of(it) == Some(need))
        {
            let fact = (format!("没有业务包 {need}"), format!("there is no pack {need}"));
            let known: Vec<&str> = drafts.iter().map(|(it, _)| *it).collect();
            let all = known.join(", ");
            let remedy = (format!("现有：{all}"), format!("there are: {all}"));
            report.add(place, "pack.needs", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
        }
    }
}

/// A pack stands in the folder of its name.
pub(crate) fn folder(folder: &str, draft: &Draft, findings: &mut Vec<Finding>) {
    if let Some(part) = &draft.manifest
        && part.value.pack.as_str() != folder
    {
        let id = &part.value.pack;
        let fact =
            (format!("文件夹 {folder} 中的业务包名为 {id}"), format!("the pack in folder {folder} is called {id}"));
        let place = part.node.place_of("/pack");
        let remedy = ("文件夹与 pack 同名", "give folder and pack the same name");
        Report::new(&part.file, findings).add(place, "pack.file_name", (&fact.0, &fact.1), remedy);
    }
}

/// Folders in an order in which each pack stands behind those that it needs; a circle is a finding.
pub(crate) fn order(drafts: &[(&str, Draft)], findings: &mut Vec<Finding>) -> Vec<String> {
    let mut left: BTreeMap<&str, &Draft> = drafts.iter().map(|(folder, it)| (*folder, it)).collect();
    let mut order = Vec::new();
    loop {
        let waits = |draft: &Draft| {
            needs(draft).iter().any(|need| left.values().any(|it| id_of(it) == Some(need) && !std::ptr::eq(*it, draft)))
        };
        let ready: Vec<&str> = left.iter().filter(|(_, it)| !waits(it)).map(|(folder, _)| *folder).collect();
        if ready.is_empty() {
            break;
        }
        for folder in ready {
            left.remove(folder);
            order.push(folder.to_owned());
        }
    }
    for (folder, draft) in left {
        let Some(part) = &draft.manifest else { continue };
        let file = format!("{folder}/{}", part.file);
        let remedy = ("去掉环中的一个 needs", "drop one of the needs in the circle");
        let place = part.node.place_of("/needs");
        Report::new(&file, findings).add(place, "pack.needs", ("needs 成环", "needs go round in a circle"), remedy);
    }
    order
}

/// Names that two packs give: a record type is a table, and an organisation has one table of a name.
pub(crate) fn across(drafts: &[(&str, Draft)], findings: &mut Vec<Finding>) {
    let mut taken: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (folder, draft) in drafts {
        let named = |key, id, file, node| (key, id, file, node);
        let records = draft.records.iter().map(|it| named("record", it.value.name.as_str(), &it.file, &it.node));
        let offers = draft.offers.iter().map(|it| named("offer", it.value.offer.as_str(), &it.file, &it.node));
        let sources = draft.sources.iter().map(|it| named("source", it.value.source.as_str(), &it.file, &it.node));
        let services = draft.services.iter().map(|it| named("service", it.value.service.as_str(), &it.file, &it.node));
        let lists = draft.lists.iter().map(|it| named("list", it.value.list().as_str(), &it.file, &it.node));
        for (key, id, file, node) in records.chain(offers).chain(sources).chain(services).chain(lists) {
            let first = *taken.entry((key, id)).or_insert(folder);
            if first != *folder {
                let fact = (
                    format!("{key} {id} 在业务包 {first} 中已有"),
                    format!("{key} {id} stands in pack {first} already"),
                );
                let place = node.place_of(&format!("/{key}"));
                let remedy = ("改名，或以 needs 引用那一个", "rename it, or need that pack and use its own");
                let file = format!("{folder}/{file}");
                Report::new(&file, findings).add(place, "pack.twice", (&fact.0, &fact.1), remedy);
            }
        }
    }
}

/// Names that two files give.
fn twins<T>(parts: &[Part<T>], key: &str, name: fn(&T) -> &ResourceId, findings: &mut Vec<Finding>) {
    for (at, part) in parts.iter().enumerate() {
        if let Some(first) = parts[..at].iter().find(|it| name(&it.value) == name(&part.value)) {
            let (id, file) = (name(&part.value), &first.file);
            let fact = (format!("{key} {id} 在 {file} 中已有"), format!("{key} {id} stands in {file} already"));
            let place = part.node.place_of(&format!("/{key}"));
            let remedy = ("改名或删去一个", "rename or remove one");
            Report::new(&part.file, findings).add(place, "pack.twice", (&fact.0, &fact.1), remedy);
        }
    }
}

/// A file carries the name of what it declares, so that it is found.
fn file_names<T>(parts: &[Part<T>], key: &str, name: fn(&T) -> &ResourceId, findings: &mut Vec<Finding>) {
    for part in parts {
        let stem = part.file.rsplit('/').next().and_then(|it| it.strip_suffix(".yaml")).unwrap_or("");
        let id = name(&part.value);
        if stem != id.as_str() {
            let fact =
                (format!("文件名为 {stem}，声明的是 {id}"), format!("the file is called {stem} and declares {id}"));
            let remedy = (format!("文件改名为 {id}.yaml"), format!("call the file {id}.yaml"));
            let place = part.node.place_of(&format!("/{key}"));
            let mut report = Report::new(&part.file, findings);
            report.add(place, "pack.file_name", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
        }
    }
}

fn record(part: &Part<RecordType>, scope: &Scope<'_>, report: &mut Report<'_>) {
    for (name, field) in &part.value.fields {
        let FieldType::Code { list } = &field.kind else { continue };
        if scope.complete && scope.list(list.as_str()).is_none() {
            unknown_list(list, part.node.place_of(&format!("/fields/{name}/list")), scope, report);
        }
    }
    if let Some(theme) = &part.value.about.theme {
        self::theme(theme, part.node.place_of("/theme"), scope, report);
    }
}

fn unknown_list(list: &ResourceId, place: Place, scope: &Scope<'_>, report: &mut Report<'_>) {
    let known: Vec<&str> = scope.all().flat_map(|it| &it.lists).map(|it| it.value.list().as_str()).collect();
    let fact = (format!("没有代码表 {list}"), format!("there is no code list {list}"));
    let remedy = choice(list.as_str(), &known);
    report.add(place, "pack.unknown_list", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
}

/// A theme is an entry of the list of themes, where there is one.
pub(crate) fn theme(theme: &ResourceId, place: Place, scope: &Scope<'_>, report: &mut Report<'_>) {
    if let Some(themes) = scope.list(THEMES)
        && !themes.has(theme.as_str(), None)
    {
        let known: Vec<&str> = themes.entries().iter().map(|it| it.code.as_str()).collect();
        let fact = (format!("没有主题 {theme}"), format!("there is no theme {theme}"));
        let remedy = choice(theme.as_str(), &known);
        report.add(place, "pack.unknown_theme", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
    }
}

/// A remedy that names the nearest of what is known, or all of it.
pub(crate) fn choice(word: &str, known: &[&str]) -> (String, String) {
    let all = if known.is_empty() { "—".to_owned() } else { known.join(", ") };
    match nearest(word, known) {
        Some(near) => (format!("是否为 {near}？现有：{all}"), format!("did you mean {near}? There are: {all}")),
        None => (format!("现有：{all}"), format!("there are: {all}")),
    }
}
