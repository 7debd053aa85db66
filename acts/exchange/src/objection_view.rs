//! An objection as it is kept and shown.

use crate::{
    ClockKind, CorrectionView, Objection, ObjectionId, Ruling, RulingVerdict, Signed, Undelivered,
    decide::objection::ObjectionStage,
};
use calendar::Reading;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Bilingual, OrganisationId, Timestamp};

/// Which side of an objection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectionSide {
    /// We raised it.
    Raised,
    /// It is ours to rule on.
    Received,
}

impl ObjectionSide {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Received => "received",
        }
    }
}

/// A clock on an objection as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectionClock {
    /// Of what.
    pub kind: ClockKind,
    /// The term.
    pub working_days: u16,
    /// The legal basis, or the rule.
    pub basis: Bilingual,
    /// What it shows.
    pub reading: Reading,
}

/// An objection with its whole story.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectionView {
    /// Which side we are.
    pub side: ObjectionSide,
    /// Who passed it to us, if it is not the provider's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_by: Option<OrganisationId>,
    /// As the consumer signed it.
    pub objection: Signed<Objection>,
    /// The rulings on it, in order; those of a source department follow the one that passed it on.
    pub rulings: Vec<Signed<Ruling>>,
    /// Where it stands.
    pub stage: ObjectionStage,
    /// When this node had it.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Who is told of the correction, and how far that is. Made when it is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<CorrectionView>,
    /// What has not reached its node yet. Made when it is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undelivered: Vec<Undelivered>,
    /// Its clocks. Made when it is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<ObjectionClock>,
    /// Whether it was ruled on and everybody who was told has confirmed. Made when it is shown.
    #[serde(default)]
    pub closed: bool,
}

impl ObjectionView {
    pub(crate) fn new(side: ObjectionSide, objection: Signed<Objection>, at: Timestamp) -> Self {
        let (rulings, corrections, undelivered, clocks) = Default::default();
        let stage = ObjectionStage::Open;
        let (passed_by, closed) = (None, false);
        Self { side, passed_by, objection, rulings, stage, at, corrections, undelivered, clocks, closed }
    }

    pub(crate) fn id(&self) -> ObjectionId {
        self.objection.body.id
    }

    /// When `by` ruled on it for good.
    pub fn ruled(&self, by: &OrganisationId) -> Option<Timestamp> {
        let last = |it: &&Signed<Ruling>| it.body.by == *by && it.body.verdict != RulingVerdict::Accept;
        self.rulings.iter().find(last).map(|it| it.body.at)
    }

    /// Whoever may rule on it: the provider, and those to whom it was passed, one after another.
    pub fn judges(&self) -> Vec<&OrganisationId> {
        let passed = self.rulings.iter().filter_map(|it| it.body.passed_to.as_ref());
        std::iter::once(&self.objection.body.provider).chain(passed).collect()
    }

    /// Who has it now, or had it last, and since when: the provider, or the department that it was passed to.
    pub fn judge(&self) -> (&OrganisationId, Timestamp) {
        let passed = self.rulings.iter().rev().find_map(|it| Some((it.body.passed_to.as_ref()?, it.body.at)));
        passed.map_or((&self.objection.body.provider, self.at), |(to, at)| (to, at.max(self.at)))
    }
}

/// What a ruling says, in words.
pub(crate) fn ruled_title(ruling: &Ruling) -> Bilingual {
    let (zh, en) = match ruling.verdict {
        RulingVerdict::Accept => ("已受理，正在校核", "is checking it"),
        RulingVerdict::Correct => ("已更正", "has corrected it"),
        RulingVerdict::Unfounded => ("核实无误，维持原值", "found the value right"),
        RulingVerdict::PassOn => ("已转源头部门", "has passed it to its source"),
    };
    Bilingual::new(format!("异议：{} {zh}", ruling.by), format!("objection: {} {en}", ruling.by))
}
