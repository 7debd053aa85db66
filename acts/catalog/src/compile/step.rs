//! The way of an entry into the catalogue: 编制 → 部门审核 → 主管部门审核 → 发布 → 变更 → 撤销.
//!
//! Pure. Invariants, each a property beside a naive model in `tests.rs`:
//! - nothing is published that two others than its compilers have not passed, or that has a flaw;
//! - what is published stays in the catalogue, word for word, until the next revision is published or it is revoked;
//! - a refusal leaves everything as it was.

use super::{Act, Compilation, Draft, State};
use crate::{SecrecyReview, decide};
use policy::Role;
use schema::Flaw;
use std::collections::BTreeSet;
use vocabulary::{Kind, Problem, ResourceId, ensure};

/// A reason has at most this many characters.
pub const REASON_CHARS_MAX: usize = 500;

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The actor, as the history names him: `person:wang`.
    pub actor: String,
    /// What his account may do.
    pub roles: BTreeSet<Role>,
}

/// What is to happen in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The draft is published.
    Publish(SecrecyReview),
    /// The entry is taken out.
    Withdraw,
}

/// Why an act is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such compilation.
    Missing(ResourceId),
    /// The act is not what comes next.
    Turn(ResourceId, State, &'static str),
    /// Who wrote or passed it may not pass it on.
    OwnCheck(ResourceId, String),
    /// The check that is due is another role's.
    Role(State),
    /// No reason, or a very long one.
    Reason,
    /// There is nothing in the catalogue that could be changed or revoked.
    NotLive(ResourceId),
    /// What is written is not in order.
    Flaws(Box<Draft>, Vec<Flaw>),
}

/// Says what `act` makes of a compilation and of the catalogue. `flaws` are those of the draft that is passed on; they
/// matter from the submission on, for a draft may be unfinished.
///
/// # Errors
/// The first [`Refusal`] that holds.
pub fn step(
    name: &ResourceId,
    before: Option<&Compilation>,
    act: &Act,
    who: &Who,
    flaws: &[Flaw],
) -> Result<(Compilation, Option<Effect>), Refusal> {
    if let Act::Return { reason } | Act::Revoke { reason } | Act::Discard { reason } = act {
        let chars = reason.trim().chars().count();
        ensure!((1..=REASON_CHARS_MAX).contains(&chars), Refusal::Reason);
    }
    if let Act::Draft(draft) = act {
        return drafted(name, before, draft, who).map(|it| (it, None));
    }
    let before = before.ok_or_else(|| Refusal::Missing(name.clone()))?;
    let in_order = || {
        let all_is_well = flaws.is_empty();
        ensure!(all_is_well, Refusal::Flaws(Box::new(before.draft.clone()), flaws.to_vec()));
        Ok(())
    };
    let on = |state| Compilation { state, ..before.clone() };
    match (act, before.state) {
        (Act::Submit, State::Draft) => {
            in_order()?;
            let mut next = Compilation { returned: None, ..on(State::DepartmentCheck) };
            next.compilers.insert(who.actor.clone());
            Ok((next, None))
        }
        (Act::Check, State::DepartmentCheck) => {
            own_check(name, before, who)?;
            in_order()?;
            Ok((Compilation { checker: Some(who.actor.clone()), ..on(State::AuthorityCheck) }, None))
        }
        (Act::Return { reason }, State::DepartmentCheck | State::AuthorityCheck) => {
            let due = if before.state == State::DepartmentCheck { Role::Checker } else { Role::Approver };
            ensure!(who.roles.contains(&due), Refusal::Role(before.state));
            Ok((Compilation { checker: None, returned: Some(reason.clone()), ..on(State::Draft) }, None))
        }
        (Act::Publish { review }, State::AuthorityCheck) => {
            own_check(name, before, who)?;
            in_order()?;
            let live = Some(Box::new(before.draft.clone()));
            Ok((Compilation { live, ..on(State::Published) }, Some(Effect::Publish(review.clone()))))
        }
        (Act::Change(draft), State::Published) => {
            let draft = draft.as_deref().unwrap_or(&before.draft).clone();
            let compilers = BTreeSet::from([who.actor.clone()]);
            let live = before.live.clone();
            Ok((Compilation { state: State::Draft, draft, compilers, checker: None, returned: None, live }, None))
        }
        (Act::Revoke { .. }, State::Revoked) => Err(Refusal::Turn(name.clone(), before.state, "revoke")),
        (Act::Revoke { .. }, _) => {
            ensure!(before.live.is_some(), Refusal::NotLive(name.clone()));
            let draft = before.live.as_deref().cloned().unwrap_or_else(|| before.draft.clone());
            Ok((Compilation { live: None, draft, ..on(State::Revoked) }, Some(Effect::Withdraw)))
        }
        (Act::Discard { .. }, State::Draft) => Ok((given_up(before), None)),
        _ => Err(Refusal::Turn(name.clone(), before.state, act.word())),
    }
}

/// A draft that is begun, gone on with, or taken up again after a revocation.
fn drafted(name: &ResourceId, before: Option<&Compilation>, draft: &Draft, who: &Who) -> Result<Compilation, Refusal> {
    let fresh = || Compilation {
        state: State::Draft,
        draft: draft.clone(),
        compilers: BTreeSet::from([who.actor.clone()]),
        checker: None,
        returned: None,
        live: None,
    };
    match before {
        None => Ok(fresh()),
        Some(it) if it.state == State::Revoked => Ok(fresh()),
        Some(it) if it.state == State::Draft => {
            let mut next = Compilation { draft: draft.clone(), ..it.clone() };
            next.compilers.insert(who.actor.clone());
            Ok(next)
        }
        Some(it) => Err(Refusal::Turn(name.clone(), it.state, "draft")),
    }
}

/// A change that is given up: what is published stays; a draft that never was is laid aside.
fn given_up(before: &Compilation) -> Compilation {
    match &before.live {
        Some(live) => Compilation {
            state: State::Published,
            draft: (**live).clone(),
            compilers: BTreeSet::new(),
            checker: None,
            returned: None,
            live: before.live.clone(),
        },
        None => Compilation { state: State::Revoked, ..before.clone() },
    }
}

fn own_check(name: &ResourceId, before: &Compilation, who: &Who) -> Result<(), Refusal> {
    let own = before.compilers.contains(&who.actor) || before.checker.as_ref() == Some(&who.actor);
    ensure!(!own, Refusal::OwnCheck(name.clone(), who.actor.clone()));
    Ok(())
}

/// What may be done in a state, for whoever came at the wrong time.
pub fn next_acts(state: State) -> (&'static str, &'static str) {
    match state {
        State::Draft => {
            ("编制人修改（draft）、提交（submit）或放弃（discard）", "draft, submit or discard by its cataloguer")
        }
        State::DepartmentCheck => ("部门审核人通过（check）或退回（return）", "check or return by the checker"),
        State::AuthorityCheck => ("主管部门审批人发布（publish）或退回（return）", "publish or return by the approver"),
        State::Published => {
            ("编制人变更（change）或主管部门撤销（revoke）", "change by a cataloguer, revoke by the approver")
        }
        State::Revoked => ("编制人重新编制（draft）", "draft, which begins anew"),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing(name) => missing(&name),
            Refusal::Turn(name, state, act) => {
                let (zh, en) = next_acts(state);
                let title = state.title();
                Self::new(
                    Kind::Conflict,
                    "catalog.turn",
                    format!("条目 {name} 现为“{}”，不能 {act}；可由{zh}", title.zh),
                    format!("entry {name} is at {:?} and takes no {act}; what may be done: {en}", title.en),
                )
                .with("state", state.word())
            }
            Refusal::OwnCheck(name, actor) => Self::new(
                Kind::Refused,
                "catalog.own_check",
                format!("{actor} 编制或审核过条目 {name}，不得再审核；请由他人审核"),
                format!("{actor} wrote or passed entry {name} and may not pass it again; let somebody else check it"),
            ),
            Refusal::Role(state) => {
                let (zh, en) = match state {
                    State::DepartmentCheck => ("本部门审核人（checker）", "the department's checker"),
                    _ => ("主管部门审批人（approver）", "the authority's approver"),
                };
                Self::new(
                    Kind::Refused,
                    "policy.role",
                    format!("条目在“{}”，只有{zh}可退回", state.title().zh),
                    format!("the entry is at {}: only {en} may return it", state.title().en),
                )
            }
            Refusal::Reason => Self::new(
                Kind::Unprocessable,
                "catalog.reason",
                format!("请写明理由，1–{REASON_CHARS_MAX} 个字符"),
                format!("say why, in 1 to {REASON_CHARS_MAX} characters"),
            )
            .field("/reason"),
            Refusal::NotLive(name) => Self::new(
                Kind::Conflict,
                "catalog.not_live",
                format!("条目 {name} 不在目录中，无从变更或撤销；放弃草稿请用 discard"),
                format!("entry {name} is not in the catalogue; to give a draft up, discard it"),
            ),
            Refusal::Flaws(draft, flaws) => decide::problem(&draft.entry, &flaws),
        }
    }
}

/// That there is no such compilation.
pub fn missing(name: &ResourceId) -> Problem {
    Problem::new(
        Kind::Missing,
        "catalog.not_compiled",
        format!("没有编制中的条目 {name}；请用 yunhe catalog draft 编制"),
        format!("no compilation {name}; yunhe catalog draft begins one"),
    )
}
