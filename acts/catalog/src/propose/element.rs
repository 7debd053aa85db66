//! One source department for each datum (一数一源): what an item means, and who collects it.
//!
//! Pure. An item's meaning (data element) is the one that its entry states, or a standard term that its title is. The
//! first department that publishes an entry collecting it is its source.

use super::term::term_of_title;
use crate::compile::Draft;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Kind, Problem};

/// What is said about an item's meaning, by its Chinese title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Meaning {
    /// The item's Chinese title.
    pub item: String,
    /// 数据元: the element that it means, where its title is not a standard term.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// 来源部门: the department that it is taken from; it is not collected here then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_from: Option<String>,
    /// 依据: why it is collected a second time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<String>,
}

/// An element that an entry collects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Collected {
    /// The item.
    pub item: String,
    /// What it means.
    pub element: String,
    /// Why a second time, if somebody said so.
    pub ground: Option<String>,
}

/// A datum that is collected a second time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecondSource {
    /// The entry that collects it again.
    pub entry: String,
    /// Its department.
    pub department: String,
    /// What is collected.
    pub element: String,
    /// The department that is its source.
    pub source: String,
    /// The source's entry.
    pub source_entry: String,
    /// Why a second time, if somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<String>,
}

/// The elements that an entry collects, each once.
pub fn collected(draft: &Draft) -> Vec<Collected> {
    let mut all: Vec<Collected> = Vec::new();
    for item in &draft.entry.items {
        let said = draft.links.means.iter().find(|it| it.item == item.title.zh);
        if said.is_some_and(|it| it.taken_from.is_some()) {
            continue;
        }
        let stated = said.and_then(|it| it.element.clone());
        let element = stated.or_else(|| term_of_title(&item.title.zh).map(|it| it.zh.to_owned()));
        let Some(element) = element else { continue };
        if !all.iter().any(|it| it.element == element) {
            all.push(Collected { item: item.title.zh.clone(), element, ground: said.and_then(|it| it.ground.clone()) });
        }
    }
    all
}

/// That an entry collects what others are the source of, without a ground.
pub(crate) fn second_source(found: &[SecondSource]) -> Problem {
    let line = |it: &SecondSource| format!("“{}”的来源部门是{}（条目 {}）", it.element, it.source, it.source_entry);
    let zh = found.iter().map(line).collect::<Vec<_>>().join("；");
    let en = found.iter().map(|it| format!("{} comes from {} ({})", it.element, it.source, it.source_entry));
    let en = en.collect::<Vec<_>>().join("; ");
    Problem::new(
        Kind::Conflict,
        "catalog.second_source",
        format!("一数一源：{zh}；请退回，由编制人写明 taken_from，或写明重复采集的依据 ground"),
        format!("one source for each datum: {en}; return it, so that taken_from or a ground is written"),
    )
    .with("second_sources", serde_json::to_value(found).unwrap_or_default())
    .field("/links/means")
}
