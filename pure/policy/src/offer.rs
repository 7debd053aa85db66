//! Offers: which part of a record type is shared, with whom, for what, and who answers a request.

use crate::{CallQuota, Mask};
use rule::{AskType, AskValues, Filter, Finding, Scope, compile};
use schema::{FieldName, FieldType, RecordType, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vocabulary::{Bilingual, Date, OperationName, OrganisationId, Problem, ResourceId};

/// How a resource is shared (共享类型); independent of its grade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// 无条件共享: policy answers at once.
    Unconditional,
    /// 有条件共享: people answer in turn.
    Conditional,
    /// 不予共享: refused, with the legal basis in the catalogue.
    Refused,
}

/// What a member is in its federation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MemberRole {
    /// Keeps the common catalogue.
    Hub,
    /// The authority in charge (主管部门).
    Authority,
    /// A government department.
    Department,
    /// A company or another organisation.
    Enterprise,
}

/// The administrative level of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// 国家.
    Nation,
    /// 省.
    Province,
    /// 市.
    City,
    /// 县.
    County,
}

/// How a delivery travels, and what the hub sees of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Travel {
    /// From provider to consumer; proofs go to the hub.
    #[default]
    Direct,
    /// From provider to consumer; the hub sees request and receipt.
    HubRecorded,
    /// Through the hub, sealed for the receiver.
    ViaHub,
}

impl Travel {
    /// Whether it is how a delivery travels where nothing is said.
    pub fn is_direct(&self) -> bool {
        *self == Self::Direct
    }
}

/// What policy knows about a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberFacts {
    /// Its name.
    pub id: OrganisationId,
    /// Where it is: a division code.
    pub division: String,
    /// On which level.
    pub level: Level,
    /// What it is.
    pub roles: Vec<MemberRole>,
}

/// For whom an offer is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// The member's role.
    pub role: MemberRole,
    /// Its levels; none named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub level: Vec<Level>,
}

/// How much may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Rows per legal day (Asia/Shanghai).
    pub rows_per_day: u64,
}

/// Who answers a request, in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerStep {
    /// 本部门: the asker's own department checks before it leaves.
    OwnDepartment,
    /// 主管部门: the authority in charge.
    Authority,
    /// 提供方: the provider.
    Provider,
}

/// An offer as a pack declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Its name.
    pub offer: ResourceId,
    /// The record type it shows, or the service that may be called.
    pub of: ResourceId,
    /// Its title; left out, it is the record type's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Bilingual>,
    /// How it is shared.
    pub share: Sharing,
    /// For whom; left out: any member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Who>,
    /// For what; none named: any lawful purpose that the request states.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purpose: Vec<String>,
    /// Which rows, in CEL; left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<String>,
    /// Which columns; of a service, none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<FieldName>,
    /// Which operations of a service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationName>,
    /// How often a service may be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<CallQuota>,
    /// What is masked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mask: BTreeMap<FieldName, Mask>,
    /// How much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// The last day on which an agreement under it may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Date>,
    /// Who answers, in turn; nobody: policy alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer: Vec<AnswerStep>,
    /// How its deliveries travel; left out: as the federation says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub travel: Option<Travel>,
}

/// The paths that `ask.` has in an offer's rows.
pub(crate) fn ask_type() -> AskType {
    let text = FieldType::Text { max: 64 };
    AskType::new()
        .with("organisation.id", text.clone())
        .with("organisation.division", FieldType::Division)
        .with("organisation.level", text.clone())
        .with("purpose", text)
}

fn level_word(level: Level) -> &'static str {
    match level {
        Level::Nation => "nation",
        Level::Province => "province",
        Level::City => "city",
        Level::County => "county",
    }
}

impl Offer {
    /// The rows' condition, compiled against the record type.
    ///
    /// # Errors
    /// All findings at once.
    pub fn rule(&self, record: &RecordType) -> Result<Option<rule::Rule>, Vec<Finding>> {
        let ask = ask_type();
        self.rows.as_deref().map(|source| compile(source, &Scope { row: record, ask: &ask })).transpose()
    }

    /// The rows that `asker` may see for `purpose`; `zones` are the functional zones that `under` knows.
    ///
    /// # Errors
    /// `rule.…` when the condition does not compile or bind.
    pub fn rows_for(
        &self,
        record: &RecordType,
        asker: &MemberFacts,
        purpose: &str,
        zones: &schema::division::Zones,
    ) -> Result<Filter, Problem> {
        let Some(rule) = self.rule(record).map_err(|it| rule::problem(&it))? else { return Ok(Filter::always()) };
        let values = AskValues::new()
            .with("organisation.id", Value::Text(asker.id.to_string()))
            .with("organisation.division", Value::Text(asker.division.clone()))
            .with("organisation.level", Value::Text(level_word(asker.level).to_owned()))
            .with("purpose", Value::Text(purpose.to_owned()))
            .zones(zones.clone());
        rule.bind(&values)
    }

    /// Whether what it shares is a service.
    pub fn is_service(&self) -> bool {
        !self.operations.is_empty()
    }

    /// Whether the offer is meant for `asker`.
    pub fn is_for(&self, asker: &MemberFacts) -> bool {
        self.who.as_ref().is_none_or(|who| {
            asker.roles.contains(&who.role) && (who.level.is_empty() || who.level.contains(&asker.level))
        })
    }

    /// Whether it may be asked for `purpose`.
    pub fn allows_purpose(&self, purpose: &str) -> bool {
        self.purpose.is_empty() || self.purpose.iter().any(|it| it == purpose)
    }
}
