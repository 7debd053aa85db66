//! Federation 联邦: who is a member, with which keys and roles, by a log that a quorum of founders signs.
//!
//! A federation begins with a [`Genesis`] that `init` pins by its digest. Each [`Entry`] names the digest of the one
//! before and carries the signatures of k founders, so a node may take entries from anyone. What a log amounts to is a
//! [`View`]; it says who may connect, whose message that is, and how old it is. Nothing needs a restart: keys overlap
//! while they rotate, and an expulsion is an entry like any other.

pub mod ask;
pub mod decide;
mod format;
mod levels;
mod store;
mod view;

pub use format::{
    Change, DOCUMENT_BYTES_MAX, Entry, EntryBody, FOUNDERS_MAX, Format, Founder, Founders, Genesis, KEYS_MAX, Keys,
    LogKey, Organisation, VERSION, schemas,
};
pub use levels::LEVELS_MAX;
pub use policy::Travel;
pub use store::{
    FEED, LEAF, MIGRATIONS, PAGE_MAX, Proposal, adopt, advance, confirm, endorse, entries, federations, genesis,
    migrate, pin, proposals, propose, view,
};
pub use view::{Expelled, Member, View};

#[cfg(test)]
mod tests;
