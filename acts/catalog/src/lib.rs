//! Find 目录: what data exists, whose duty it is, what it means, how it is shared; found in Chinese and English.
//!
//! An entry is compiled ([`mod@compile`]), published by its organisation ([`publish()`]), announced on the feed
//! [`FEED`], reported up to superiors ([`mod@report`]), harvested by others ([`harvest()`]), and searched
//! ([`search::Search`]). The feed carries metadata and ids, never values.

mod ask;
pub mod compile;
pub mod dcat;
pub mod decide;
mod entry;
mod harvest;
pub mod propose;
pub mod report;
pub mod search;
mod store;
pub mod template;

pub use crate::store::{
    ENTRIES_PAGE_MAX, FEED, Published, Source, by_code, count, entries, entries_of, entry, migrate, open_entries,
    publish, sources, withdraw,
};
pub use ask::{CloseThing, Compile, DoDemand, ForgetSource, Harvest, Publish, PutThings, SecrecyReview, Withdraw};
pub use entry::{Change, Class, Entry, FORMAT, Item, ItemType, Method, Publication, format_class, publication_schema};
pub use harvest::{Harvested, Page, Peer, PeerChange, changes, forget_source, harvest, harvest_from};

#[cfg(test)]
mod search_tests;
#[cfg(test)]
mod tests;
