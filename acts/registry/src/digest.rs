//! One digest over all rows of a record type, the same on every database that holds the same rows
//! (docs/howto/compare-rows.md).
//!
//! Format `yunhe-rows/1`. `H` is the suite's hash, canonical bytes are RFC 8785:
//! - `d0 = H(canonical {"format":"yunhe-rows/1","record":NAME})`;
//! - for each row in ascending order of its key (field by field; text by its UTF-8 bytes, numbers and times by value):
//!   `d = H(d ‖ H(canonical row))`, where a row is the object of its fields as the API writes them, without those that
//!   are null. A field that a revision adds therefore changes nothing until it has values.

use crate::query::{PAGE_ROWS_MAX, Selection, page};
use schema::{RecordType, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use store::Store;
use vocabulary::{Digest, Problem, ResourceId, Suite, canonical_bytes, hash, hash_all};

/// The format's name, which the digest binds.
pub const ROWS_FORMAT: &str = "yunhe-rows/1";
/// Rows that are read at once.
const STEP: u32 = 10_000;
const _: () = assert!(STEP <= PAGE_ROWS_MAX);

/// What a record type held at a position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RowsDigest {
    /// Which type.
    pub record: ResourceId,
    /// `yunhe-rows/1`.
    pub format: String,
    /// At which position of this node's feed.
    pub position: i64,
    /// How many rows.
    pub rows: u64,
    /// Their digest.
    pub digest: Digest,
}

/// The digest of all rows of `record` at `position`. Reads some at a time, so that nobody waits long for it.
///
/// # Errors
/// As the store's.
pub async fn digest(store: &Store, record: &RecordType, position: i64) -> Result<RowsDigest, Problem> {
    let suite = Suite::default();
    let begin = canonical_bytes(&json!({"format": ROWS_FORMAT, "record": record.name}))?;
    let mut chain = hash(suite, &begin);
    let mut selection = Selection { as_of: Some(position), ..Selection::all(record) };
    let mut rows = 0;
    loop {
        let some = page(&mut store.read().await?, record, &selection, STEP).await?;
        for row in &some {
            let row = hash(suite, &canonical_bytes(&canonical_row(record, &row.values))?);
            chain = hash_all(suite, &[&chain, &row]);
        }
        rows += some.len() as u64;
        selection.after = some.last().map(|it| crate::decide::key(record, &it.values));
        if some.len() < STEP as usize {
            break;
        }
        tokio::task::yield_now().await;
    }
    let digest = Digest { suite, hash: chain };
    Ok(RowsDigest { record: record.name.clone(), format: ROWS_FORMAT.to_owned(), position, rows, digest })
}

fn canonical_row(record: &RecordType, values: &[Value]) -> Map<String, Json> {
    let cells = record.fields.iter().zip(values).filter(|(_, value)| !value.is_null());
    cells.map(|((name, field), value)| (name.as_str().to_owned(), field.kind.json(value))).collect()
}
