//! Single rows as the organisation's own people and programs write them, and the digest over all rows.

use crate::{
    Organisation, draw_uuid,
    records::{ReadRecords, key_texts, key_values, row_json},
};
use policy::Principal;
use registry::{Remove, RowId, RowsDigest, Write};
use schema::FieldName;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use store::{Key, transact};
use vocabulary::{Digest, Kind, Problem, ResourceId, Timestamp, canonical_bytes, ensure};

/// An idempotency key is at most this long.
const KEY_CHARS_MAX: usize = 100;

/// One row to write.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PutAsk {
    /// Its fields; those left out are empty.
    pub row: Map<String, Json>,
    /// Why it is written: it stands in the history and the change feed.
    pub why: String,
    /// Drawn by the caller; the same ask with it again gets the same answer and writes nothing.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Its key is new.
    Added,
    /// It took another version's place, which is history now.
    Changed,
    /// It was so already.
    Same,
}

/// What writing a row came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PutReport {
    /// What became of it.
    pub outcome: Outcome,
    /// Its key, as texts.
    pub key: Vec<String>,
    /// The row as it is kept.
    pub row: Map<String, Json>,
}

/// Which row to take out, and why.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveAsk {
    /// Its natural key, given once per field of the key.
    pub key: Vec<String>,
    /// Why: it stands in the history and the change feed.
    pub why: String,
}

/// At which moment; left out: now.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DigestAsk {
    /// At that position of the change feed.
    #[serde(default)]
    pub position: Option<i64>,
    /// At that time.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub as_of: Option<Timestamp>,
}

impl Organisation {
    /// Writes one row. The same row again changes nothing.
    ///
    /// # Errors
    /// `registry.type`, `registry.row` with every flaw, `registry.why`, `store.key_reused`, `policy.role`.
    pub async fn put_row(&self, principal: &Principal, name: &ResourceId, ask: PutAsk) -> Result<PutReport, Problem> {
        registry::check_why(&ask.why)?;
        let packs = self.packs();
        let record = packs.record(name)?;
        let values = registry::row_values(record, &ask.row, &*packs.codes())?;
        let now = self.now();
        let id = ask.idempotency_key.as_deref().map(|it| idempotency(name, it)).transpose()?;
        let digest = Digest::of(&canonical_bytes(&json!({"record": name, "row": ask.row, "why": ask.why}))?);
        let key = id.map(|id| Key { id, ask: digest, at: now });
        let rows = vec![values.clone()];
        let first = RowId::from_uuid(draw_uuid(now));
        let permit = self.permit(principal, Write { record: name.clone(), rows, first, why: ask.why })?;
        let written = transact!(self.store, key.clone(), |tx| registry::write(tx, &permit, now).await)?;
        let outcome = match (written.added, written.changed) {
            (0, 0) => Outcome::Same,
            (0, _) => Outcome::Changed,
            _ => Outcome::Added,
        };
        let columns: Vec<FieldName> = record.fields.keys().cloned().collect();
        let key = key_texts(record, &columns, &values).unwrap_or_default();
        Ok(PutReport { outcome, key, row: row_json(record, &columns, &values) })
    }

    /// Takes one row out of the current state; its history stays.
    ///
    /// # Errors
    /// `registry.type`, `registry.key`, `registry.no_row`, `registry.why`, `policy.role`.
    pub async fn remove_row(&self, principal: &Principal, name: &ResourceId, ask: RemoveAsk) -> Result<(), Problem> {
        registry::check_why(&ask.why)?;
        let packs = self.packs();
        let record = packs.record(name)?;
        let keys = vec![key_values(record, &ask.key)?];
        let permit = self.permit(principal, Remove { record: name.clone(), keys, why: ask.why })?;
        let now = self.now();
        let removed = transact!(self.store, None, |tx| registry::remove(tx, &permit, now).await)?.removed;
        ensure!(
            removed > 0,
            Problem::new(
                Kind::Missing,
                "registry.no_row",
                format!("{name} 现无此主键的记录；其历史见 yunhe record history"),
                format!("{name} has no row with this key now; yunhe record history shows earlier ones"),
            )
            .field("/key")
        );
        Ok(())
    }

    /// The digest over all rows of a record type, now or at an earlier moment.
    ///
    /// # Errors
    /// `registry.type`, `registry.position`, `policy.role`.
    pub async fn rows_digest(
        &self,
        principal: &Principal,
        name: &ResourceId,
        ask: DigestAsk,
    ) -> Result<RowsDigest, Problem> {
        self.permit(principal, ReadRecords)?;
        let packs = self.packs();
        let record = packs.record(name)?;
        self.sequence_once().await?;
        let mut reader = self.store.read().await?;
        let head = reader.feed_head(registry::FEED).await?.map_or(0, |it| it.position);
        let position = match (ask.position, ask.as_of) {
            (Some(position), None) => position,
            (None, Some(at)) => reader.feed_position_at(registry::FEED, at).await?,
            (None, None) => head,
            (Some(_), Some(_)) => return Err(moment(head)),
        };
        drop(reader);
        ensure!((0..=head).contains(&position), moment(head));
        registry::digest(&self.store, record, position).await
    }
}

fn moment(head: i64) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "registry.position",
        format!("请只给 position 与 as_of 之一；position 为 0 至 {head}"),
        format!("give one of position and as_of; a position is from 0 to {head}"),
    )
    .field("/position")
}

fn idempotency(record: &ResourceId, key: &str) -> Result<String, Problem> {
    let fits = (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|it| it.is_ascii_graphic());
    ensure!(
        fits,
        Problem::new(
            Kind::Unprocessable,
            "registry.idempotency_key",
            format!("幂等键应为 1 至 {KEY_CHARS_MAX} 个可见 ASCII 字符"),
            format!("an idempotency key has 1 to {KEY_CHARS_MAX} visible ASCII characters"),
        )
        .field("/idempotency_key")
    );
    Ok(format!("registry.put/{record}/{key}"))
}
