//! Each act leaves a leaf in the same unit of work, the administrator's too: nobody stands above the audit.

use crate::role_word;
use evidence::{
    Salt,
    act::{NewAct, Outcome},
};
use policy::Principal;
use serde_json::Value;
use store::Tx;
use vocabulary::{Problem, Timestamp};

/// Leaves the trace of the act `kind` by `principal`.
pub(crate) async fn leave(
    tx: &mut Tx,
    principal: &Principal,
    (act, about): (&'static str, Value),
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let done = NewAct {
        act,
        by: principal.actor.to_string(),
        roles: principal.roles.iter().map(|it| role_word(*it).to_owned()).collect(),
        organisation: &principal.organisation,
        about,
        outcome: Outcome::Done,
        code: None,
    };
    evidence::act::record(tx, done, salt, now).await.map(|_| ())
}

/// Leaves the trace of an attempt that was refused by the problem `code`.
pub(crate) async fn leave_refused(
    tx: &mut Tx,
    principal: &Principal,
    (act, about, code): (&'static str, Value, &str),
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let refused = NewAct {
        act,
        by: principal.actor.to_string(),
        roles: Vec::new(),
        organisation: &principal.organisation,
        about,
        outcome: Outcome::Refused,
        code: Some(code.to_owned()),
    };
    evidence::act::record(tx, refused, salt, now).await.map(|_| ())
}
