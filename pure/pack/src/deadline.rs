//! Terms in working days, as data: law changes, code should not.

use calendar::Signals;
use policy::AnswerStep;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Bilingual, ResourceId};

/// The terms within which a request for shared data is answered, and an objection checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deadlines {
    /// Their name.
    pub deadlines: ResourceId,
    /// Their title.
    pub title: Bilingual,
    /// The calendar that counts working days.
    pub calendar: ResourceId,
    /// When a clock turns yellow and red, and when the authority in charge hears of a delay.
    #[serde(default)]
    pub signals: Signals,
    /// One term a step.
    pub terms: Vec<Term>,
    /// The term for checking an objection (异议校核).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objection: Option<Allowed>,
}

/// One term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// Who must answer.
    pub step: AnswerStep,
    /// Within how many working days.
    pub working_days: u16,
    /// Within how many the platform promises it; never more than the term.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promised: Option<u16>,
    /// The legal basis, or the rule of the platform where law says nothing.
    pub basis: Bilingual,
}

/// How long something may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// Within how many working days.
    pub working_days: u16,
    /// Within how many the platform promises it; never more than the term.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promised: Option<u16>,
    /// The legal basis, or the rule of the platform where law says nothing.
    pub basis: Bilingual,
}

impl Deadlines {
    /// The term of a step.
    pub fn term(&self, step: AnswerStep) -> Option<&Term> {
        self.terms.iter().find(|it| it.step == step)
    }
}
