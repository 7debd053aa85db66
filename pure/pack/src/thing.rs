//! Duties, matters and information systems that a pack brings: the chain behind a catalogue.

use crate::finding::Report;
use crate::read::Part;
use crate::schemas::ChainFile;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Bilingual, ResourceId};

/// What a link of the chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ThingKind {
    /// 职责.
    Duty,
    /// 事项.
    Matter,
    /// 信息系统.
    System,
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
    /// 所属部门.
    pub owner: Bilingual,
    /// 依据: what gives a duty or a matter.
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
    /// 所在云.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// 网络安全保护等级, 1 to 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<u8>,
    /// Whether a system is connected to the sharing platform.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub connected: bool,
    /// Whether it was made up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic: bool,
}

/// Things lead to things of the same pack, and no two have one name.
pub(crate) fn check(parts: &[Part<ChainFile>], findings: &mut Vec<crate::Finding>) {
    let all: Vec<&Thing> = parts.iter().flat_map(|it| &it.value.things).collect();
    let mut seen: Vec<(ThingKind, &ResourceId)> = Vec::new();
    for part in parts {
        let mut report = Report::new(&part.file, findings);
        for (at, thing) in part.value.things.iter().enumerate() {
            let place = part.node.place_of(&format!("/things/{at}"));
            let name = &thing.name;
            if seen.contains(&(thing.kind, name)) {
                let fact = (format!("{name} 已用过"), format!("the name {name} is taken"));
                report.add(place, "pack.twice", (&fact.0, &fact.1), ("改名", "give it another name"));
            }
            seen.push((thing.kind, name));
            let duties = thing.duty.iter().map(|it| (ThingKind::Duty, it));
            for (kind, wanted) in duties.chain(thing.matters.iter().map(|it| (ThingKind::Matter, it))) {
                if !all.iter().any(|it| it.kind == kind && it.name == *wanted) {
                    let fact = (
                        format!("{name} 所指的 {wanted} 不在包中"),
                        format!("{name} leads to {wanted}, which is not here"),
                    );
                    let remedy = ("在 data/chain 中登记它，或改名", "declare it in data/chain, or correct the name");
                    report.add(place, "pack.unknown_thing", (&fact.0, &fact.1), remedy);
                }
            }
        }
    }
}
