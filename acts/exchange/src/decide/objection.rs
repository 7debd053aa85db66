//! Objections (异议校核): what a ruling does, whom a correction must reach, and when all have heard and confirmed.
//!
//! Pure: `(case, event) -> (case, effects)`; what is still owed follows from the case alone. Invariants, each with a
//! property against a naive model:
//! - a case is ruled on once for good; a correction is carried out once;
//! - nobody is asked to confirm who is no past recipient, and no past recipient is forgotten;
//! - an event that comes twice, or late, changes nothing;
//! - it is closed when it was ruled on and everybody whom it reached has confirmed, and not before;
//! - at every moment at most one organisation may rule: the provider, whoever it was passed to, or, of those that
//!   passed it on, the last one that has not carried out what its source corrected.

use crate::{AgreementId, Objection, Ruling, RulingVerdict};
use policy::Terms;
use schema::{FieldName, RecordType, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vocabulary::{Kind, OrganisationId, Problem, Timestamp, ensure};

/// Where an objection stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectionStage {
    /// 待处理: nobody has looked at it.
    #[default]
    Open,
    /// 已受理: it is being checked.
    Accepted,
    /// 已更正.
    Corrected,
    /// 维持: the value is right.
    Unfounded,
    /// 已转源头部门: not ours, passed on.
    PassedOn,
}

/// How far a correction is with one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Telling {
    /// It has not reached its node.
    Untold,
    /// It has; nobody there has confirmed it.
    Told,
    /// It is confirmed.
    Confirmed,
}

/// An objection as its provider follows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// Where it stands.
    pub stage: ObjectionStage,
    /// Whom the correction must reach, by agreement.
    pub tellings: BTreeMap<AgreementId, Telling>,
}

/// What happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The provider ruled.
    Ruled(RulingVerdict),
    /// These past recipients were found.
    Found(Vec<AgreementId>),
    /// A recipient's node has taken the notice in.
    Heard(AgreementId),
    /// A recipient has confirmed.
    Confirmed(AgreementId),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duty {
    /// Tell whoever objected.
    TellObjector,
    /// Give the matter to the source department.
    PassOn,
    /// Tell a past recipient.
    Tell(AgreementId),
    /// Ask a past recipient to confirm.
    Ask(AgreementId),
}

impl Case {
    /// What happens next to it.
    ///
    /// # Errors
    /// `objection.ruled` for a second ruling, `objection.not_told` for a confirmation of somebody who was not asked.
    pub fn step(mut self, happening: &Happening) -> Result<(Self, Vec<Duty>), Problem> {
        let mut duties = Vec::new();
        match happening {
            Happening::Ruled(verdict) => {
                ensure!(matches!(self.stage, ObjectionStage::Open | ObjectionStage::Accepted), ruled_already());
                ensure!(*verdict != RulingVerdict::Accept || self.stage == ObjectionStage::Open, ruled_already());
                self.stage = match verdict {
                    RulingVerdict::Accept => ObjectionStage::Accepted,
                    RulingVerdict::Correct => ObjectionStage::Corrected,
                    RulingVerdict::Unfounded => ObjectionStage::Unfounded,
                    RulingVerdict::PassOn => ObjectionStage::PassedOn,
                };
                duties.push(Duty::TellObjector);
                if *verdict == RulingVerdict::PassOn {
                    duties.push(Duty::PassOn);
                }
            }
            Happening::Found(agreements) => {
                ensure!(self.stage == ObjectionStage::Corrected, not_told());
                for agreement in agreements {
                    self.tellings.entry(*agreement).or_insert_with(|| {
                        duties.push(Duty::Tell(*agreement));
                        Telling::Untold
                    });
                }
            }
            Happening::Heard(agreement) => {
                let telling = self.tellings.get_mut(agreement).ok_or_else(not_told)?;
                if *telling == Telling::Untold {
                    *telling = Telling::Told;
                    duties.push(Duty::Ask(*agreement));
                }
            }
            // It may come before we noted that the notice was heard: the answer to it was lost.
            Happening::Confirmed(agreement) => {
                *self.tellings.get_mut(agreement).ok_or_else(not_told)? = Telling::Confirmed;
            }
        }
        Ok((self, duties))
    }

    /// What recipients still owe or are owed.
    pub fn owed(&self) -> Vec<Duty> {
        let owed = |(agreement, telling): (&AgreementId, &Telling)| match telling {
            Telling::Untold => Some(Duty::Tell(*agreement)),
            Telling::Told => Some(Duty::Ask(*agreement)),
            Telling::Confirmed => None,
        };
        self.tellings.iter().filter_map(owed).collect()
    }

    /// Whether nothing is left to do.
    pub fn is_closed(&self) -> bool {
        !matches!(self.stage, ObjectionStage::Open | ObjectionStage::Accepted) && self.owed().is_empty()
    }
}

/// How far the rulings on an objection have brought it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Where it stands.
    pub stage: ObjectionStage,
    /// Whoever may or might have ruled: the provider, and those to whom it was passed, one after another.
    pub judges: Vec<OrganisationId>,
    /// Who rules next; nobody when it is over.
    pub next: Option<OrganisationId>,
}

/// Goes through the rulings on an objection, in order. One that passes it on names a department that has not had it;
/// once its source has corrected it, those that passed it on carry that out, the last one first.
///
/// # Errors
/// `exchange.signature` for a ruling of somebody whose turn it is not, or that passes it where it cannot go;
/// `objection.ruled` as [`Case::step`].
pub fn judged<'a>(objection: &Objection, rulings: impl IntoIterator<Item = &'a Ruling>) -> Result<Judged, Problem> {
    let mut case = Case::default();
    let mut judges = vec![objection.provider.clone()];
    // Whose turn it is, among the judges.
    let mut turn = Some(0);
    for ruling in rulings {
        let at = turn.filter(|it| judges.get(*it) == Some(&ruling.by)).ok_or_else(foreign_ruling)?;
        let passes = ruling.verdict == RulingVerdict::PassOn;
        ensure!(passes == ruling.passed_to.is_some(), foreign_ruling());
        if case.stage == ObjectionStage::Corrected {
            ensure!(ruling.verdict == RulingVerdict::Correct, ruled_already());
        } else {
            let happening = Happening::Ruled(ruling.verdict);
            let stage = if case.stage == ObjectionStage::PassedOn { ObjectionStage::Open } else { case.stage };
            case = Case { stage, ..Case::default() }.step(&happening)?.0;
        }
        turn = match (&ruling.passed_to, ruling.verdict) {
            (Some(next), _) => {
                ensure!(*next != objection.consumer && !judges.contains(next), foreign_ruling());
                judges.push(next.clone());
                Some(at + 1)
            }
            (None, RulingVerdict::Correct) => at.checked_sub(1),
            (None, RulingVerdict::Unfounded) => None,
            (None, _) => Some(at),
        };
    }
    let next = turn.and_then(|it| judges.get(it)).cloned();
    Ok(Judged { stage: case.stage, judges, next })
}

/// A ruling is not one that may stand on this objection.
pub(crate) fn foreign_ruling() -> Problem {
    Problem::new(
        Kind::Refused,
        "exchange.signature",
        "处理意见不属于该异议，或不该由该单位在此时作出",
        "a ruling does not belong to this objection, or is not that organisation's to give now",
    )
}

fn ruled_already() -> Problem {
    Problem::new(
        Kind::Conflict,
        "objection.ruled",
        "该异议此前已作出处理意见；请刷新后查看",
        "this objection was ruled on before; look again",
    )
}

fn not_told() -> Problem {
    Problem::new(
        Kind::Missing,
        "objection.not_told",
        "没有发给该单位的更正通知；请在异议详情中查看通知了哪些单位",
        "no correction was told to that organisation; the objection shows who was told",
    )
}

/// What was wrong, and since when.
#[derive(Clone, Debug)]
pub struct Wrong<'a> {
    /// In which record type.
    pub record: &'a RecordType,
    /// Which columns, each with the time from which on it was wrong.
    pub columns: BTreeMap<FieldName, Timestamp>,
    /// The row's versions that were wrong, values in the order of the type's fields; none: any row.
    pub versions: Vec<Vec<Value>>,
}

/// An agreement under which something may have been delivered.
#[derive(Clone, Debug)]
pub struct Reach {
    /// Which.
    pub agreement: AgreementId,
    /// To whom.
    pub consumer: OrganisationId,
    /// What it lets through.
    pub terms: Terms,
    /// The last delivery, or batch that was made.
    pub delivered: Option<Timestamp>,
}

/// Somebody who got what was wrong, or may be getting it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Under which agreement.
    pub agreement: AgreementId,
    /// Who.
    pub consumer: OrganisationId,
    /// Which of the wrong columns it sees.
    pub columns: Vec<FieldName>,
    /// Whether it knows the row by its key.
    pub knows_key: bool,
    /// From when on what it got was wrong.
    pub since: Timestamp,
    /// Whether it had a delivery since then.
    pub reached: bool,
}

/// The agreements that let what was wrong through: of those that had a delivery since, each is a past recipient.
pub fn recipients(wrong: &Wrong<'_>, held: &[Reach]) -> Vec<Recipient> {
    let covered = |held: &Reach| {
        let terms = &held.terms;
        let seen = wrong.columns.iter().filter(|(it, _)| terms.columns.contains(it));
        let since = seen.clone().map(|(_, since)| *since).min()?;
        let let_through = |row: &Vec<Value>| terms.rows.matches(wrong.record, row);
        let covers =
            terms.record == wrong.record.name && (wrong.versions.is_empty() || wrong.versions.iter().any(let_through));
        let plain = |it: &FieldName| terms.columns.contains(it) && !terms.masks.contains_key(it);
        covers.then(|| Recipient {
            agreement: held.agreement,
            consumer: held.consumer.clone(),
            columns: seen.map(|(it, _)| it.clone()).collect(),
            knows_key: wrong.record.key.iter().all(plain),
            since,
            reached: held.delivered.is_some_and(|it| it >= since),
        })
    };
    held.iter().filter_map(covered).collect()
}
