//! What may be asked of the catalogue, and what each ask needs.

use crate::{Entry, Page};
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
    ForgetSource: Cataloguer, Administrator;
}
