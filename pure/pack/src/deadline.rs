//! Statutory terms in working days, as data: law changes, code should not.

use policy::AnswerStep;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Bilingual, ResourceId};

/// The terms within which a request for shared data is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deadlines {
    /// Their name.
    pub deadlines: ResourceId,
    /// Their title.
    pub title: Bilingual,
    /// The calendar that counts working days.
    pub calendar: ResourceId,
    /// One term a step.
    pub terms: Vec<Term>,
}

/// One term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// Who must answer.
    pub step: AnswerStep,
    /// Within how many working days.
    pub working_days: u16,
    /// The legal basis, or the rule of the platform where law says nothing.
    pub basis: Bilingual,
}

impl Deadlines {
    /// The term of a step.
    pub fn term(&self, step: AnswerStep) -> Option<&Term> {
        self.terms.iter().find(|it| it.step == step)
    }
}
