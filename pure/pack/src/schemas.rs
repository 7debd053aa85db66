//! JSON Schemas of the files of a pack, made from the Rust types: for editors, and for the check of shape.

use crate::list_file::ListFile;
use crate::{Calendar, Deadlines, Entry, Manifest, Source, Thing};
use policy::{Offer, Service};
use schema::RecordType;
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// `data/catalogue/*.yaml`: entries of a catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntriesFile {
    /// The entries.
    pub entries: Vec<Entry>,
}

/// `data/chain/*.yaml`: duties, matters and information systems.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChainFile {
    /// The things, in any order.
    pub things: Vec<Thing>,
}

/// `data/*.yaml` with functional zones: each with the division in whose territory the law sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ZonesFile {
    /// The zones by code.
    pub zones: BTreeMap<String, String>,
}

/// Which file a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum FileKind {
    Manifest,
    Record,
    Offer,
    Source,
    Service,
    List,
    Zones,
    Calendar,
    Deadlines,
    Entries,
    Chain,
}

impl FileKind {
    const ALL: [Self; 11] = [
        Self::Manifest,
        Self::Record,
        Self::Offer,
        Self::Source,
        Self::Service,
        Self::List,
        Self::Zones,
        Self::Calendar,
        Self::Deadlines,
        Self::Entries,
        Self::Chain,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Manifest => "pack",
            Self::Record => "record",
            Self::Offer => "offer",
            Self::Source => "source",
            Self::Service => "service",
            Self::List => "code-list",
            Self::Zones => "zones",
            Self::Calendar => "calendar",
            Self::Deadlines => "deadlines",
            Self::Entries => "catalogue",
            Self::Chain => "chain",
        }
    }

    fn generate(self) -> Json {
        fn root<T: JsonSchema>() -> Json {
            SchemaGenerator::default().into_root_schema_for::<T>().to_value()
        }
        match self {
            Self::Manifest => root::<Manifest>(),
            Self::Record => root::<RecordType>(),
            Self::Offer => root::<Offer>(),
            Self::Source => root::<Source>(),
            Self::Service => root::<Service>(),
            Self::List => root::<ListFile>(),
            Self::Zones => root::<ZonesFile>(),
            Self::Calendar => root::<Calendar>(),
            Self::Deadlines => root::<Deadlines>(),
            Self::Entries => root::<EntriesFile>(),
            Self::Chain => root::<ChainFile>(),
        }
    }

    /// Its JSON Schema, made once.
    pub fn schema(self) -> &'static Json {
        static SCHEMAS: OnceLock<Vec<Json>> = OnceLock::new();
        &SCHEMAS.get_or_init(|| Self::ALL.map(Self::generate).into())[self as usize]
    }
}

/// The JSON Schemas of all files of a pack, each with its name (`record` for `records/*.yaml`).
pub fn json_schemas() -> Vec<(&'static str, Json)> {
    FileKind::ALL.map(|it| (it.name(), it.schema().clone())).into()
}
