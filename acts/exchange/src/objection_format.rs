//! The documents of an objection, frozen like those of an exchange: what travels, is signed and stays.

use crate::{AgreementId, Document, ReceiptId, Signed};
use schema::FieldName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use signing::Purpose;
use vocabulary::{Date, Digest, FederationName, OrganisationId, ResourceId, Timestamp, id};

id!(
    /// Names an objection.
    ObjectionId, "obj"
);
id!(
    /// Names a correction as one past recipient is told of it.
    CorrectionId, "cor"
);

/// An objection (异议): a consumer marks a row, a cell or a column as wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Objection {
    /// `yunhe-objection/1`.
    pub format: String,
    /// Its name.
    pub id: ObjectionId,
    /// Within which federation.
    pub federation: FederationName,
    /// Who objects.
    pub consumer: OrganisationId,
    /// Who delivered.
    pub provider: OrganisationId,
    /// Under which agreement.
    pub agreement: AgreementId,
    /// By which delivery, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptId>,
    /// In which record type.
    pub record: ResourceId,
    /// The natural key of the row, as texts in the key's order; none: the columns as such.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// Which columns; none: the row as such.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<FieldName>,
    /// What was delivered, by column.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub seen: Map<String, Json>,
    /// What would be right, by column.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub right: Map<String, Json>,
    /// Why it is thought wrong.
    pub reason: String,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// What a ruling says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RulingVerdict {
    /// 受理: it is being checked.
    Accept,
    /// 更正: it was wrong, and is corrected.
    Correct,
    /// 维持: it is right, say why.
    Unfounded,
    /// 转办: not ours, passed to the source department.
    PassOn,
}

/// A ruling on an objection (处理意见).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ruling {
    /// `yunhe-ruling/1`.
    pub format: String,
    /// On which objection.
    pub objection: ObjectionId,
    /// Its digest.
    pub objection_digest: Digest,
    /// By which organisation.
    pub by: OrganisationId,
    /// What it says.
    pub verdict: RulingVerdict,
    /// Why; needed for all but accept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// To which department it is passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_to: Option<OrganisationId>,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// Why past recipients are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CorrectionCause {
    /// 更正: a value was wrong.
    Corrected,
    /// 移除: the row should not have been there.
    Removed,
}

/// What a past recipient is told (更正通知): what was wrong, since when, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Correction {
    /// `yunhe-correction/1`.
    pub format: String,
    /// Its name.
    pub id: CorrectionId,
    /// Within which federation.
    pub federation: FederationName,
    /// Who corrected.
    pub provider: OrganisationId,
    /// Whom it tells.
    pub consumer: OrganisationId,
    /// Under which agreement it had the row.
    pub agreement: AgreementId,
    /// In which record type.
    pub record: ResourceId,
    /// The row's natural key, where the agreement shows it; none: any row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// Which of the agreed columns were wrong.
    pub columns: Vec<FieldName>,
    /// What was done.
    pub cause: CorrectionCause,
    /// After which objection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objection: Option<ObjectionId>,
    /// Why.
    pub reason: String,
    /// What was delivered since then was wrong.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// When it was corrected.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// A past recipient's confirmation (更正确认).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// `yunhe-confirmation/1`.
    pub format: String,
    /// Of which correction.
    pub correction: CorrectionId,
    /// Its digest.
    pub correction_digest: Digest,
    /// By which organisation.
    pub by: OrganisationId,
    /// What was done with what had been received.
    pub note: String,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// A delay that whoever waits tells the authority in charge (督办).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// `yunhe-escalation/1`.
    pub format: String,
    /// The request or the objection.
    pub about: String,
    /// The step that is late: `authority`, `provider`, `objection`, or `source` of an objection that was passed on.
    pub step: String,
    /// Who is late.
    pub who: OrganisationId,
    /// Who waits.
    pub by: OrganisationId,
    /// The last day of the term.
    #[schemars(with = "String")]
    pub due: Date,
    /// How many working days past it.
    pub late: u16,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

macro_rules! document {
    ($name:ident, $format:literal) => {
        impl Document for $name {
            const PURPOSE: Purpose = Purpose::$name;
            const FORMAT: &'static str = $format;

            fn format(&self) -> &str {
                &self.format
            }
        }
    };
}
document!(Objection, "yunhe-objection/1");
document!(Ruling, "yunhe-ruling/1");
document!(Correction, "yunhe-correction/1");
document!(Confirmation, "yunhe-confirmation/1");
document!(Escalation, "yunhe-escalation/1");

/// What one node tells another until it is heard: signed documents of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Letter {
    /// A consumer objects.
    Objection(Signed<Objection>),
    /// All rulings on an objection so far, in order.
    Rulings(Vec<Signed<Ruling>>),
    /// An objection that is passed to its source department, with the rulings so far.
    Referral(Box<Referral>),
    /// A past recipient is told of a correction.
    Correction(Signed<Correction>),
    /// A past recipient confirms one.
    Confirmation(Signed<Confirmation>),
    /// Somebody waits for another past the term.
    Escalation(Signed<Escalation>),
    /// How a request stands, for a neighbour on its way over the levels.
    Story(Box<crate::RequestView>),
}

/// An objection that is passed on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Referral {
    /// As the consumer signed it.
    pub objection: Signed<Objection>,
    /// The rulings so far; the last one passes it on.
    pub rulings: Vec<Signed<Ruling>>,
}

impl Letter {
    /// Its kind in a word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Objection(_) => "objection",
            Self::Rulings(_) => "rulings",
            Self::Referral(_) => "referral",
            Self::Correction(_) => "correction",
            Self::Confirmation(_) => "confirmation",
            Self::Escalation(_) => "escalation",
            Self::Story(_) => "story",
        }
    }
}
