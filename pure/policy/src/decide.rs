//! The one door: facts and an ask in, a permit or the reason out.

use crate::{AgreementFacts, DeliveryNeed, Principal, Restriction, Role, delivery};
use rule::Filter;
use std::collections::BTreeMap;
use vocabulary::{Kind, OrganisationId, Problem, Timestamp, ensure};

/// What an act wants to do. Each act defines its asks; an ask says what it needs, it never decides.
pub trait Ask {
    /// What must hold for it.
    fn need(&self) -> Need<'_>;
}

/// What must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need<'a> {
    /// The principal belongs to this node's organisation and holds one of these roles.
    Role(&'static [Role]),
    /// The principal is that member's node (its messages are signed with a key of the membership).
    Member(&'a OrganisationId),
    /// A delivery under an agreement.
    Delivery(DeliveryNeed<'a>),
}

/// What is known when something is asked.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Whose node this is.
    pub organisation: OrganisationId,
    /// Who asks.
    pub principal: Principal,
    /// When.
    pub now: Timestamp,
    /// The agreement that the ask names, if there is one.
    pub agreement: Option<AgreementFacts>,
}

/// Leave to do exactly what was asked. Made by [`decide`] alone, neither cloned nor stored.
#[derive(Debug)]
pub struct Permit<A> {
    ask: A,
    principal: Principal,
    restriction: Restriction,
}

impl<A> Permit<A> {
    /// What was asked.
    pub fn ask(&self) -> &A {
        &self.ask
    }

    /// Who asked.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What may be shown; empty for an ask that shows nothing.
    pub fn restriction(&self) -> &Restriction {
        &self.restriction
    }
}

/// Decides `ask` on `facts`.
///
/// # Errors
/// `policy.role`, `policy.organisation`, or the first `exchange.…` reason that holds.
pub fn decide<A: Ask>(facts: &Facts, ask: A) -> Result<Permit<A>, Problem> {
    let nothing = || Restriction { columns: Vec::new(), filter: Filter::never(), masks: BTreeMap::new() };
    let restriction = match ask.need() {
        Need::Role(roles) => {
            ensure!(facts.principal.organisation == facts.organisation, other_organisation(&facts.organisation));
            ensure!(roles.iter().any(|it| facts.principal.roles.contains(it)), missing_role(roles));
            nothing()
        }
        Need::Member(member) => {
            ensure!(facts.principal.organisation == *member, other_organisation(member));
            nothing()
        }
        Need::Delivery(need) => {
            ensure!(facts.principal.organisation == *need.consumer, other_organisation(need.consumer));
            delivery::judge(&need, facts.agreement.as_ref(), facts.now)?
        }
    };
    Ok(Permit { principal: facts.principal.clone(), restriction, ask })
}

fn other_organisation(expected: &OrganisationId) -> Problem {
    Problem::new(
        Kind::Refused,
        "policy.organisation",
        format!("此操作只能由 {expected} 进行"),
        format!("only {expected} may do this"),
    )
}

fn missing_role(roles: &[Role]) -> Problem {
    let words: Vec<String> = roles.iter().filter_map(|it| serde_role(*it)).collect();
    let words = words.join(", ");
    Problem::new(
        Kind::Refused,
        "policy.role",
        format!("需要以下角色之一：{words}；请向系统管理员申请"),
        format!("one of these roles is needed: {words}; ask your administrator"),
    )
}

fn serde_role(role: Role) -> Option<String> {
    let mut word = String::new();
    for letter in format!("{role:?}").chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.push(letter.to_ascii_lowercase());
    }
    Some(word)
}
