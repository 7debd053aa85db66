//! What may be asked of federation, and what each ask needs.

use crate::{Entry, EntryBody, Genesis};
use evidence::Salt;
use policy::{Ask, Need, Role};
use vocabulary::{Digest, FederationName, Signature, Timestamp};

/// Pins a federation by its genesis: once, at `init`.
#[derive(Clone, Debug)]
pub struct Pin {
    /// The genesis.
    pub genesis: Genesis,
    /// Its digest, as the operator was told by another way.
    pub digest: Digest,
}

/// Takes over entries that another node gave; they carry their own proof.
#[derive(Clone, Debug)]
pub struct Adopt {
    /// Of which federation.
    pub federation: FederationName,
    /// In order; those that are known already do no harm.
    pub entries: Vec<Entry>,
    /// Hides their leaves.
    pub salt: Salt,
}

/// Notes that the hub said at `at` that `head` is the newest entry.
#[derive(Clone, Debug)]
pub struct Confirm {
    /// Of which federation.
    pub federation: FederationName,
    /// The newest entry.
    pub head: Digest,
    /// When the hub said so.
    pub at: Timestamp,
}

/// Puts a change before the founders.
#[derive(Clone, Debug)]
pub struct Propose {
    /// The entry without signatures.
    pub body: EntryBody,
}

/// Adds a founder's signature to a proposal; with the last one missing, the entry is adopted.
#[derive(Clone, Debug)]
pub struct Endorse {
    /// Of which federation.
    pub federation: FederationName,
    /// Which proposal.
    pub proposal: Digest,
    /// The founder's signature over it.
    pub signature: Signature,
    /// Hides the entry's leaf.
    pub salt: Salt,
}

macro_rules! administrators {
    ($($ask:ty),*) => {$(
        impl Ask for $ask {
            fn need(&self) -> Need<'_> {
                Need::Role(&[Role::SystemAdministrator])
            }
        }
    )*};
}

administrators!(Pin, Adopt, Confirm, Propose, Endorse);
