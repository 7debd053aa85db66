//! The one door: facts and an ask in, a permit or the reason out.

use crate::{Actor, AgreementFacts, DeliveryNeed, Principal, Restriction, Role, delivery};
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
    /// The principal belongs to this node's organisation; of the three administrators only these may.
    Anyone {
        /// Which administrators.
        administrators: &'static [Role],
    },
    /// The principal is the person with this account of this node's organisation.
    Oneself(&'a str),
    /// The principal is a job of this node itself: whoever runs a command on the machine.
    Job,
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
/// `policy.crossed`, `policy.role`, `policy.oneself`, `policy.job`, `policy.organisation`, or the first `exchange.…`
/// reason that holds.
pub fn decide<A: Ask>(facts: &Facts, ask: A) -> Result<Permit<A>, Problem> {
    let nothing = || Restriction { columns: Vec::new(), filter: Filter::never(), masks: BTreeMap::new() };
    let principal = &facts.principal;
    let at_home = principal.organisation == facts.organisation;
    let administers = || principal.roles.iter().copied().filter(|it| it.administers());
    // Whoever granted it, and however: two of the three in one hand open nothing at all.
    ensure!(administers().count() <= 1, crossed());
    let restriction = match ask.need() {
        Need::Role(roles) => {
            ensure!(at_home, other_organisation(&facts.organisation));
            ensure!(roles.iter().any(|it| principal.roles.contains(it)), missing_role(roles));
            nothing()
        }
        Need::Anyone { administrators } => {
            ensure!(at_home, other_organisation(&facts.organisation));
            ensure!(administers().all(|it| administrators.contains(&it)), not_for(administrators));
            nothing()
        }
        Need::Oneself(account) => {
            ensure!(at_home, other_organisation(&facts.organisation));
            ensure!(matches!(&principal.actor, Actor::Person(it) if it == account), not_oneself(account));
            nothing()
        }
        Need::Job => {
            ensure!(at_home, other_organisation(&facts.organisation));
            ensure!(matches!(principal.actor, Actor::Job(_)), no_job());
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

fn crossed() -> Problem {
    Problem::new(
        Kind::Refused,
        "policy.crossed",
        "系统、安全、审计三类管理员不得由同一账号兼任；请安全管理员收回多余角色",
        "nobody acts as two of the three administrators; have the security administrator take one role away",
    )
}

fn not_for(administrators: &[Role]) -> Problem {
    let words = words(administrators);
    if words.is_empty() {
        return Problem::new(
            Kind::Refused,
            "policy.role",
            "管理员不办理业务、不查看业务数据；请由业务岗位的账号办理",
            "administrators do no business and see none of it; use the account of whoever does",
        );
    }
    Problem::new(
        Kind::Refused,
        "policy.role",
        format!("此项不属于您的管理职责；管理员中仅限：{words}"),
        format!("this is not yours to administer; of the administrators only: {words}"),
    )
}

fn not_oneself(account: &str) -> Problem {
    Problem::new(
        Kind::Refused,
        "policy.oneself",
        format!("只有 {account} 本人可以办理；请其登录后自行办理"),
        format!("only {account} may do this, signed in as such"),
    )
}

fn no_job() -> Problem {
    Problem::new(
        Kind::Refused,
        "policy.job",
        "此项只能在节点所在机器上用命令办理",
        "this is done by a command on the node's own machine alone",
    )
}

fn missing_role(roles: &[Role]) -> Problem {
    let words = words(roles);
    Problem::new(
        Kind::Refused,
        "policy.role",
        format!("需要以下角色之一：{words}；请向安全管理员申请"),
        format!("one of these roles is needed: {words}; ask the security administrator"),
    )
}

fn words(roles: &[Role]) -> String {
    roles.iter().map(|it| word(*it)).collect::<Vec<_>>().join(", ")
}

fn word(role: Role) -> String {
    let mut word = String::new();
    for letter in format!("{role:?}").chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}
