//! The chain behind an entry: duties (职责), the matters (事项) that carry them out, the information systems (信息系统)
//! in which those run. Each has an owner.
//!
//! Pure. Invariants, with tests:
//! - a link leads to a thing that is there and open, or it is told;
//! - a system that feeds published entries is not closed unless whoever closes it says that he knows.

use super::Links;
use schema::Flaw;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vocabulary::{Bilingual, Kind, Problem, ResourceId};

/// At most this many things come at once.
pub const THINGS_MAX: usize = 500;
/// A system serves at most this many matters, and an entry comes about in as many.
pub const MATTERS_MAX: usize = 100;
/// A text of a thing has at most this many characters.
const TEXT_CHARS_MAX: usize = 500;

/// What a link of the chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ThingKind {
    /// 职责, from 三定 or the list of powers and duties (权责清单).
    Duty,
    /// 事项.
    Matter,
    /// 信息系统.
    System,
}

impl ThingKind {
    /// Every kind, from the duty down.
    pub const ALL: [Self; 3] = [Self::Duty, Self::Matter, Self::System];

    /// Its word in the database, in addresses and formats.
    pub fn word(self) -> &'static str {
        match self {
            Self::Duty => "duty",
            Self::Matter => "matter",
            Self::System => "system",
        }
    }

    /// Its title.
    pub fn title(self) -> Bilingual {
        match self {
            Self::Duty => Bilingual::new("职责", "duty"),
            Self::Matter => Bilingual::new("事项", "matter"),
            Self::System => Bilingual::new("信息系统", "information system"),
        }
    }
}

/// A duty, a matter or an information system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Thing {
    /// What it is.
    pub kind: ThingKind,
    /// Its name.
    pub name: ResourceId,
    /// Its title.
    pub title: Bilingual,
    /// 所属部门: the department that answers for it.
    pub owner: Bilingual,
    /// That department's unified social credit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_code: Option<String>,
    /// 依据: the 三定 provision, the law or the list that gives a duty or a matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<String>,
    /// 事项编码, or the number of a system in its register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The duty that a matter carries out, or a system serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duty: Option<ResourceId>,
    /// The matters that run in a system.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matters: Vec<ResourceId>,
    /// 所在云: where a system runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// 网络安全保护等级 of a system, 1 to 4 (GB/T 22239).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<u8>,
    /// Whether a system is connected to the sharing platform (接入共享平台).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub connected: bool,
    /// Whether it was made up: such a thing may never pass for real.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic: bool,
}

/// Things by kind and name, with whether each is still open.
pub type Known = BTreeMap<(ThingKind, ResourceId), (Thing, bool)>;

/// What is wrong with a thing that stands at `at` of its list, as far as `known` tells, which holds the list as well.
pub fn thing_flaws(at: usize, thing: &Thing, known: &Known) -> Vec<Flaw> {
    let pointer = |field: &str| format!("/things/{at}/{field}");
    let mut flaws: Vec<Flaw> = Vec::new();
    flaws.extend(Flaw::title(&pointer("title"), &thing.title));
    flaws.extend(Flaw::title(&pointer("owner"), &thing.owner));
    if let Some(code) = &thing.owner_code
        && schema::org_code::check_uscc(code).is_err()
    {
        flaws.push(Flaw::new(
            &pointer("owner_code"),
            format!("“{code}”不是统一社会信用代码"),
            format!("{code:?} is no unified social credit code"),
            "写 18 位统一社会信用代码（GB 32100），校验位须正确",
            "write the 18 characters of GB 32100 with the right check character",
        ));
    }
    for (field, text) in [("basis", &thing.basis), ("code", &thing.code), ("cloud", &thing.cloud)] {
        let fits = |it: &String| (1..=TEXT_CHARS_MAX).contains(&it.trim().chars().count());
        if !text.as_ref().is_none_or(fits) {
            flaws.push(Flaw::new(
                &pointer(field),
                "文字为空或过长",
                "the text is empty or too long",
                format!("写 1–{TEXT_CHARS_MAX} 个字符，或不写"),
                format!("write 1 to {TEXT_CHARS_MAX} characters, or leave it out"),
            ));
        }
    }
    shape(thing, &pointer, &mut flaws);
    for (field, kind, name) in thing.links() {
        flaws.extend(link(&pointer(field), kind, name, known));
    }
    flaws
}

/// What each kind has, and what it has not.
fn shape(thing: &Thing, pointer: &dyn Fn(&str) -> String, flaws: &mut Vec<Flaw>) {
    let mut wrong = |field: &str, zh: &str, en: &str| {
        let remedy = format!("{}：{zh}", thing.kind.title().zh);
        flaws.push(Flaw::new(&pointer(field), "与种类不符", "does not fit the kind", remedy, en.to_owned()));
    };
    let system = thing.kind == ThingKind::System;
    if thing.kind == ThingKind::Duty && thing.basis.is_none() {
        wrong("basis", "写明三定规定或权责清单依据", "a duty names the provision that gives it");
    }
    if thing.kind == ThingKind::Duty && thing.duty.is_some() {
        wrong("duty", "职责不再隶属职责", "a duty belongs to no other");
    }
    if thing.kind == ThingKind::Matter && thing.duty.is_none() {
        wrong("duty", "写明所属职责", "a matter names the duty that it carries out");
    }
    if !system && (thing.cloud.is_some() || thing.protection.is_some() || thing.connected) {
        wrong("cloud", "cloud、protection、connected 只属信息系统", "cloud, protection and connected are a system's");
    }
    if !system && !thing.matters.is_empty() {
        wrong("matters", "matters 只属信息系统", "matters are a system's");
    }
    if thing.matters.len() > MATTERS_MAX {
        wrong("matters", "事项至多 100 个", "at most 100 matters");
    }
    if thing.protection.is_some_and(|it| !(1..=4).contains(&it)) {
        wrong("protection", "保护等级写 1–4", "a protection level is from 1 to 4");
    }
}

impl Thing {
    /// What it leads to: field, kind and name.
    pub fn links(&self) -> impl Iterator<Item = (&'static str, ThingKind, &ResourceId)> {
        let duty = self.duty.iter().map(|it| ("duty", ThingKind::Duty, it));
        duty.chain(self.matters.iter().map(|it| ("matters", ThingKind::Matter, it)))
    }
}

impl Links {
    /// What an entry leads to: field, kind and name.
    pub fn things(&self) -> impl Iterator<Item = (&'static str, ThingKind, &ResourceId)> {
        let duty = self.duty.iter().map(|it| ("duty", ThingKind::Duty, it));
        let matters = self.matters.iter().map(|it| ("matters", ThingKind::Matter, it));
        duty.chain(matters).chain(self.system.iter().map(|it| ("system", ThingKind::System, it)))
    }
}

fn link(pointer: &str, kind: ThingKind, name: &ResourceId, known: &Known) -> Option<Flaw> {
    let title = kind.title();
    let told = match known.get(&(kind, name.clone())) {
        Some((_, true)) => return None,
        Some((_, false)) => ("已关闭", "is closed"),
        None => ("未登记", "is not registered"),
    };
    Some(Flaw::new(
        pointer,
        format!("{} {name} {}", title.zh, told.0),
        format!("the {} {name} {}", title.en, told.1),
        format!("写一个在用的{}，清单见 yunhe {}", title.zh, list_command(kind)),
        format!("name an open one; yunhe {} lists them", list_command(kind)),
    ))
}

fn list_command(kind: ThingKind) -> &'static str {
    match kind {
        ThingKind::Duty => "duty list",
        ThingKind::Matter => "matter list",
        ThingKind::System => "system list",
    }
}

/// What is wrong with the chain behind an entry that is submitted.
pub fn chain_flaws(links: &Links, known: &Known) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if links.duty.is_none() {
        flaws.push(Flaw::new(
            "/links/duty",
            "未写明职责",
            "no duty is named",
            "写明数据因何职责产生（三定或权责清单），如 duty: market-registration",
            "name the duty for which the data are kept",
        ));
    }
    if links.matters.len() > MATTERS_MAX {
        flaws.push(Flaw::new(
            "/links/matters",
            format!("有 {} 个事项", links.matters.len()),
            format!("has {} matters", links.matters.len()),
            format!("至多 {MATTERS_MAX} 个"),
            format!("at most {MATTERS_MAX}"),
        ));
    }
    for (field, kind, name) in links.things() {
        flaws.extend(link(&format!("/links/{field}"), kind, name, known));
    }
    for name in &links.matters {
        let of = known.get(&(ThingKind::Matter, name.clone())).and_then(|it| it.0.duty.as_ref());
        if of.is_some() && of != links.duty.as_ref() {
            flaws.push(Flaw::new(
                "/links/matters",
                format!("事项 {name} 不属于所写的职责"),
                format!("the matter {name} carries out another duty"),
                "改写职责，或删去该事项",
                "name its duty, or leave the matter out",
            ));
        }
    }
    flaws
}

/// All flaws of a list of things as one problem.
pub(crate) fn things_problem(flaws: &[Flaw]) -> Problem {
    let all = schema::flaws_problem(flaws);
    let problem = Problem::new(Kind::Unprocessable, "catalog.chain", all.detail.zh, all.detail.en)
        .with("flaws", serde_json::json!(flaws));
    match flaws.first() {
        Some(first) => problem.field(first.pointer.clone()),
        None => problem,
    }
}

/// That something leads to it still.
pub(crate) fn in_use(kind: ThingKind, name: &ResourceId, users: &[String]) -> Problem {
    let (title, list) = (kind.title(), users.join(", "));
    Problem::new(
        Kind::Conflict,
        "catalog.in_use",
        format!("{} {name} 仍支撑：{list}；请先变更它们，或确认后以 even_so 关闭", title.zh),
        format!("the {} {name} still feeds: {list}; change those first, or close it even so", title.en),
    )
    .with("feeds", users.to_vec())
}

/// That there is no such thing.
pub(crate) fn no_thing(kind: ThingKind, name: &ResourceId) -> Problem {
    let (title, list) = (kind.title(), list_command(kind));
    Problem::new(
        Kind::Missing,
        "catalog.no_thing",
        format!("没有{} {name}；清单见 yunhe {list}", title.zh),
        format!("there is no {} {name}; yunhe {list} shows all", title.en),
    )
}
