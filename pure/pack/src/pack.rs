//! A checked pack.

use crate::{Calendar, Deadlines, Entry, Source, Thing};
use indexmap::IndexMap;
use policy::{Offer, Service};
use schema::{CodeBook, RecordType, division::Zones};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vocabulary::{Bilingual, PackId, ResourceId};

/// A pack has at most this many files.
pub const FILES_MAX: usize = 500;
/// The files of a pack have at most this many bytes together.
pub const PACK_BYTES_MAX: usize = 64 << 20;

/// The files of a pack's folder: path within it, with `/`, and text.
pub type Files = BTreeMap<String, String>;

/// `pack.yaml`: what a pack is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name: that of its folder.
    pub pack: PackId,
    /// Its title.
    pub title: Bilingual,
    /// What it does.
    pub description: Bilingual,
    /// Whose it is.
    pub owner: Bilingual,
    /// Its version.
    pub version: String,
    /// Packs that must be installed with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<PackId>,
    /// The systems of the province that it makes work (S01 to S99).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub systems: Vec<String>,
}

/// A checked pack.
#[derive(Clone, Debug, PartialEq)]
pub struct Pack {
    /// What it is.
    pub manifest: Manifest,
    /// Record types by name.
    pub records: IndexMap<ResourceId, RecordType>,
    /// Offers by name.
    pub offers: IndexMap<ResourceId, Offer>,
    /// Sources by name.
    pub sources: IndexMap<ResourceId, Source>,
    /// Services by name.
    pub services: IndexMap<ResourceId, Service>,
    /// Code lists.
    pub lists: CodeBook,
    /// Functional zones.
    pub zones: Zones,
    /// Catalogue entries.
    pub entries: Vec<Entry>,
    /// Duties, matters and information systems.
    pub things: Vec<Thing>,
    /// Calendars of working days.
    pub calendars: Vec<Calendar>,
    /// Statutory terms.
    pub deadlines: Vec<Deadlines>,
}

/// The code lists of packs together.
pub fn codes<'a>(packs: impl IntoIterator<Item = &'a Pack>) -> CodeBook {
    packs.into_iter().flat_map(|it| it.lists.iter().cloned()).collect()
}

/// The functional zones of packs together.
pub fn zones<'a>(packs: impl IntoIterator<Item = &'a Pack>) -> Zones {
    let pairs = packs.into_iter().flat_map(|it| it.zones.iter());
    // Each pack's zones were checked when it was read.
    Zones::new(pairs.map(|(zone, parent)| (zone.to_owned(), parent.to_owned()))).unwrap_or_default()
}

impl Pack {
    /// Its name.
    pub fn id(&self) -> &PackId {
        &self.manifest.pack
    }
}
