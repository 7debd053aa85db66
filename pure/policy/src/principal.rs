//! Who asks: a person, a program, a job or another organisation, always on behalf of one organisation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};
use vocabulary::OrganisationId;

/// What an account of an organisation may do there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// 系统管理员: which accounts there are, packs, connections, settings; no data, no roles, no logs.
    SystemAdministrator,
    /// 安全管理员: roles, scopes of tokens, unlocking; no accounts, no settings, no data.
    SecurityAdministrator,
    /// 审计管理员: reads every log and changes nothing.
    AuditAdministrator,
    /// 数据管理员: imports and corrects records.
    DataSteward,
    /// 目录编制人: catalogue entries.
    Cataloguer,
    /// 申请人: asks other organisations for data.
    Requester,
    /// 本部门审核人: checks a request before it leaves.
    Checker,
    /// 主管部门审批人: answers for the authority in charge.
    Approver,
    /// 提供方经办人: answers for the provider, signs and revokes agreements.
    ProviderOfficer,
    /// 应用系统: queries under agreements.
    Application,
}

/// Who acts within the organisation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Actor {
    /// A person, by account name.
    Person(String),
    /// A program, by its application system's name.
    Application(String),
    /// A job of the node itself.
    Job(String),
    /// The organisation speaking through its node.
    Node,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(name) => write!(f, "person:{name}"),
            Self::Application(name) => write!(f, "application:{name}"),
            Self::Job(name) => write!(f, "job:{name}"),
            Self::Node => f.write_str("node"),
        }
    }
}

/// Who asks, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The organisation that answers for the act.
    pub organisation: OrganisationId,
    /// Who acts there.
    pub actor: Actor,
    /// What the account may do there; empty for another organisation's node.
    pub roles: BTreeSet<Role>,
}

/// The three administrators (三员): who decides that an account exists, who decides what it may do, and who looks at what
/// both did are three people.
pub const ADMINISTRATORS: [Role; 3] =
    [Role::SystemAdministrator, Role::SecurityAdministrator, Role::AuditAdministrator];

impl Role {
    /// Whether it is one of the three administrators.
    pub fn administers(self) -> bool {
        ADMINISTRATORS.contains(&self)
    }
}

impl Principal {
    /// A job of the organisation's own node; it holds just the roles it was started with.
    pub fn job(organisation: OrganisationId, name: &str, roles: impl IntoIterator<Item = Role>) -> Self {
        Self { organisation, actor: Actor::Job(name.to_owned()), roles: roles.into_iter().collect() }
    }

    /// Another member's node, known by its keys.
    pub fn member(organisation: OrganisationId) -> Self {
        Self { organisation, actor: Actor::Node, roles: BTreeSet::new() }
    }
}
