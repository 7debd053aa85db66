//! What may be asked of the catalogue, and what each ask needs.

use crate::{
    Entry, Page,
    compile::{Act, DemandAct, Thing, ThingKind},
};
use policy::{Ask, Need, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Date, OrganisationId, ResourceId};

/// The confirmation of the secrecy review (保密审查): nothing is published without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecrecyReview {
    /// The number of the review's form.
    pub number: String,
    /// The office that reviewed.
    pub by: String,
    /// When.
    #[schemars(with = "String")]
    pub on: Date,
}

/// Puts an entry of the own organisation into the catalogue, or changes it.
#[derive(Clone, Debug)]
pub struct Publish {
    /// What it says.
    pub entry: Entry,
    /// That it was reviewed; `None` is refused with `catalog.secrecy_review`.
    pub review: Option<SecrecyReview>,
}

/// Takes an entry of the own organisation out of the catalogue.
#[derive(Clone, Debug)]
pub struct Withdraw {
    /// Which.
    pub entry: ResourceId,
    /// Why, for the audit.
    pub reason: String,
}

/// Takes over a page of a peer's catalogue feed. A job of the node asks for it, as [`Role::Cataloguer`].
#[derive(Clone, Debug)]
pub struct Harvest {
    /// Whose feed.
    pub from: OrganisationId,
    /// What it said.
    pub page: Page,
}

/// Drops everything that came through a peer: it left the federation.
#[derive(Clone, Debug)]
pub struct ForgetSource {
    /// Which.
    pub from: OrganisationId,
}

/// Does something to the compilation of an entry.
#[derive(Clone, Debug)]
pub struct Compile {
    /// Which entry.
    pub entry: ResourceId,
    /// What.
    pub act: Act,
}

impl Ask for Compile {
    fn need(&self) -> Need<'_> {
        Need::Role(match &self.act {
            Act::Draft(_) | Act::Submit | Act::Change(_) | Act::Discard { .. } => &[Role::Cataloguer],
            Act::Check => &[Role::Checker],
            Act::Return { .. } => &[Role::Checker, Role::Approver],
            Act::Publish { .. } | Act::Revoke { .. } => &[Role::Approver],
        })
    }
}

/// Registers duties, matters and information systems, or changes them: all of them or none.
#[derive(Clone, Debug)]
pub struct PutThings {
    /// What they say.
    pub things: Vec<Thing>,
    /// Why, for the history.
    pub why: String,
}

/// Closes a duty, a matter or an information system.
#[derive(Clone, Debug)]
pub struct CloseThing {
    /// What it is.
    pub kind: ThingKind,
    /// Its name.
    pub name: ResourceId,
    /// Why, for the history.
    pub why: String,
    /// Although something still leads to it.
    pub even_so: bool,
}

/// Does something to a demand for data that is in no catalogue.
#[derive(Clone, Debug)]
pub struct DoDemand {
    /// Which.
    pub name: ResourceId,
    /// What.
    pub act: DemandAct,
}

macro_rules! roles {
    ($($ask:ty: $($role:ident),+;)*) => {
        $(impl Ask for $ask {
            fn need(&self) -> Need<'_> {
                Need::Role(&[$(Role::$role),+])
            }
        })*
    };
}

roles! {
    Publish: Cataloguer, DataSteward;
    Withdraw: Cataloguer, DataSteward;
    Harvest: Cataloguer;
    PutThings: Cataloguer;
    CloseThing: Cataloguer;
    // Which of them a step needs is decided by the step.
    DoDemand: Requester, Approver, Cataloguer;
    ForgetSource: Cataloguer, SystemAdministrator;
}
