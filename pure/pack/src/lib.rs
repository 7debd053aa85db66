//! Packs: the systems of a province as text, read into checked parts.
//!
//! Pure: the caller hands over the files of a folder by name. All findings come at once, each with its file, its line
//! and what would be right; a pack with findings is no pack. Order of checks: the YAML, its shape (the JSON Schemas
//! that editors use too), each part by itself, then the parts against one another.

mod check;
mod check_data;
mod check_offer;
mod check_service;
mod check_source;
mod deadline;
mod entry;
mod finding;
mod foreign;
mod list_file;
mod node;
mod pack;
mod read;
mod schemas;
mod shape;
mod source;
mod thing;
mod typed;

pub use calendar::{Calendar, Signals, Year};
pub use deadline::{Allowed, Deadlines, Term};
pub use entry::{Class, Entry, Item, ItemType, Method, code_is_formed};
pub use finding::{Finding, problem};
pub use foreign::{Foreign, foreign};
pub use list_file::LIST_BYTES_MAX;
pub use node::{YAML_BYTES_MAX, YAML_DEPTH_MAX, YAML_NODES_MAX};
pub use pack::{FILES_MAX, Files, Manifest, PACK_BYTES_MAX, Pack, codes, zones};
pub use read::{read, read_all};
pub use schemas::json_schemas;
pub use source::{Delimiter, Encoding, Format, OutsideTable, Source, Watch, template_columns};
pub use thing::{Thing, ThingKind};

#[cfg(test)]
mod calendar_tests;
#[cfg(test)]
mod tests;
