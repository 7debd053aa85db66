//! What the feed says: that a record type has a revision, or which rows a write or an import batch touched. Never a
//! value.

use crate::{ImportId, Run};
use schema::RecordType;
use serde::{Deserialize, Serialize};
use store::{Reader, Tx};
use vocabulary::{Digest, Problem, ResourceId, Timestamp};

/// The feed of the registry: types and rows of every type on one line of positions, so "as of" means one moment for
/// all.
pub const FEED: &str = "registry";

/// One entry of the feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Announcement {
    /// A record type was installed or revised: other nodes read it anew.
    Type {
        /// The revision, from 1.
        revision: i64,
        /// What it says now.
        definition: Box<RecordType>,
        /// Who did it, and when.
        #[serde(flatten)]
        cause: Cause,
    },
    /// Rows were added, changed or removed.
    Rows {
        /// Of which type.
        record: ResourceId,
        /// Who did it, when and why.
        #[serde(flatten)]
        cause: Cause,
        /// Where the values came from, if from a file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
        /// New rows.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        added: Vec<Run>,
        /// Rows whose earlier version is now history.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        changed: Vec<Run>,
        /// Rows that are no longer current.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removed: Vec<Run>,
    },
}

/// Who changed something, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The organisation and the actor: `js-scjg/person:wang`.
    pub by: String,
    /// In words.
    pub why: String,
    /// By the clock of the node that wrote it.
    pub at: Timestamp,
}

impl Cause {
    pub(crate) fn new(principal: &policy::Principal, why: &str, now: Timestamp) -> Self {
        let by = format!("{}/{}", principal.organisation, principal.actor);
        Self { by, why: why.to_owned(), at: now }
    }
}

/// The part of a file that a chunk came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The import.
    pub import: ImportId,
    /// What the importer called the file.
    pub source: String,
    /// Digest of the file up to the end of this chunk.
    pub digest: Digest,
    /// The chunk's first line.
    pub from_line: u64,
    /// Its last line.
    pub to_line: u64,
}

/// A numbered entry of the feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The id that rows carry; no order.
    pub id: i64,
    /// Dense, from 1.
    pub position: i64,
    /// When it was numbered: what "as of" a time goes by.
    pub at: Timestamp,
    /// What it says.
    pub announcement: Announcement,
}

/// Appends an entry; returns the id that rows carry.
pub(crate) async fn announce(tx: &mut Tx, announcement: &Announcement) -> Result<i64, Problem> {
    let body = serde_json::to_value(announcement).map_err(|it| crate::fault::internal("announcement", &it))?;
    tx.announce(FEED, &body).await
}

pub(crate) fn read(body: serde_json::Value) -> Result<Announcement, Problem> {
    serde_json::from_value(body).map_err(|it| crate::fault::internal("announcement", &it))
}

/// The changes behind position `after`, at most `limit` (the store bounds it).
///
/// # Errors
/// As [`Reader::feed`].
pub async fn changes(reader: &mut Reader, after: i64, limit: u32) -> Result<Vec<Change>, Problem> {
    let entries = reader.feed(FEED, after, limit).await?;
    let change =
        |it: store::Entry| Ok(Change { id: it.id, position: it.position, at: it.at, announcement: read(it.body)? });
    entries.into_iter().map(change).collect()
}
