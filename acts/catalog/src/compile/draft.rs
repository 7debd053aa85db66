//! What is compiled: an entry as it shall stand in the catalogue, with what lies behind it.
//!
//! Pure. The entry travels between nodes once it is published; what is in [`Links`] stays with its organisation.

use crate::{Entry, SecrecyReview, propose::Meaning, template::Cells};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use vocabulary::{Bilingual, ResourceId};

/// 稿: an entry and its chain, as the cataloguer wrote them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// The entry.
    pub entry: Entry,
    /// What lies behind it.
    #[serde(default)]
    pub links: Links,
}

/// The chain behind an entry: 职责 → 事项 → 信息系统 → (entry) → 挂接资源.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Links {
    /// 职责: the duty for which the data are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duty: Option<ResourceId>,
    /// 事项: in which matters of that duty they come about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matters: Vec<ResourceId>,
    /// 信息系统: in which system they lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<ResourceId>,
    /// 挂接: where the data themselves are, once they are attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Attached>,
    /// 需求: the demand for which it is compiled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demand: Option<ResourceId>,
    /// 一数一源: what items mean, and whose they are first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub means: Vec<Meaning>,
    /// Cells of the guide's template that came in other words than ours.
    #[serde(default, skip_serializing_if = "Cells::is_empty")]
    pub cells: Cells,
}

/// 挂接资源: what an entry is attached to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attached {
    /// What it is.
    pub kind: AttachedKind,
    /// Its name there: a record type, a table, a path, an address. Never with a password.
    pub name: String,
}

/// Kinds of attached resources (库表、文件、服务接口) and our own record types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttachedKind {
    /// 记录类型 of this node.
    Record,
    /// 库表.
    Table,
    /// 文件.
    File,
    /// 服务接口.
    Service,
}

/// Where an entry is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// 编制.
    Draft,
    /// 部门审核.
    DepartmentCheck,
    /// 主管部门审核.
    AuthorityCheck,
    /// 已发布.
    Published,
    /// 已撤销: published once and taken out, or given up before.
    Revoked,
}

impl State {
    /// Every state, in the order of the way.
    pub const ALL: [Self; 5] =
        [Self::Draft, Self::DepartmentCheck, Self::AuthorityCheck, Self::Published, Self::Revoked];

    /// Its word in the database and in formats.
    pub fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::DepartmentCheck => "department-check",
            Self::AuthorityCheck => "authority-check",
            Self::Published => "published",
            Self::Revoked => "revoked",
        }
    }

    /// Its title.
    pub fn title(self) -> Bilingual {
        match self {
            Self::Draft => Bilingual::new("编制", "draft"),
            Self::DepartmentCheck => Bilingual::new("部门审核", "department check"),
            Self::AuthorityCheck => Bilingual::new("主管部门审核", "authority check"),
            Self::Published => Bilingual::new("已发布", "published"),
            Self::Revoked => Bilingual::new("已撤销", "revoked"),
        }
    }
}

/// One entry's compilation: the text that is worked on, and the one that stands in the catalogue meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compilation {
    /// Where it is.
    pub state: State,
    /// What is worked on; when published, what stands in the catalogue.
    pub draft: Draft,
    /// Who wrote this revision: none of them may check it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub compilers: BTreeSet<String>,
    /// Who of the department passed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checker: Option<String>,
    /// Why it was returned last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<String>,
    /// What stands in the catalogue while a change is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Box<Draft>>,
}

/// What somebody does to a compilation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// 编制: begins it, or goes on with it.
    Draft(Box<Draft>),
    /// 提交部门审核.
    Submit,
    /// 部门审核通过.
    Check,
    /// 退回, from either check.
    Return {
        /// What is to be mended.
        reason: String,
    },
    /// 主管部门审核通过并发布.
    Publish {
        /// That it holds no state secret.
        review: SecrecyReview,
    },
    /// 变更: opens the next revision of what is published; the old one stays found.
    Change(Option<Box<Draft>>),
    /// 撤销: takes it out of the catalogue.
    Revoke {
        /// Why.
        reason: String,
    },
    /// 放弃: gives up a draft; what is published stays.
    Discard {
        /// Why.
        reason: String,
    },
}

impl Act {
    /// Its word in the history.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Draft(_) => "draft",
            Self::Submit => "submit",
            Self::Check => "check",
            Self::Return { .. } => "return",
            Self::Publish { .. } => "publish",
            Self::Change(_) => "change",
            Self::Revoke { .. } => "revoke",
            Self::Discard { .. } => "discard",
        }
    }

    /// Its title.
    pub fn title(&self) -> Bilingual {
        let (zh, en) = match self {
            Self::Draft(_) => ("编制", "draft"),
            Self::Submit => ("提交", "submit"),
            Self::Check => ("部门审核", "check"),
            Self::Return { .. } => ("退回", "return"),
            Self::Publish { .. } => ("发布", "publish"),
            Self::Change(_) => ("变更", "change"),
            Self::Revoke { .. } => ("撤销", "revoke"),
            Self::Discard { .. } => ("放弃", "discard"),
        };
        Bilingual::new(zh, en)
    }

    /// The reason that was given; none where none is asked for.
    pub fn reason(&self) -> &str {
        match self {
            Self::Return { reason } | Self::Revoke { reason } | Self::Discard { reason } => reason,
            _ => "",
        }
    }
}
