//! Records as the organisation's own people read them.

use crate::Organisation;
use policy::Principal;
use registry::Selection;
use rule::{By, Filter, Scope};
use schema::{FieldName, RecordType, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use vocabulary::{Bilingual, Kind, Problem, ResourceId, Timestamp};

/// Rows in a page when nothing else is asked for.
pub(crate) const PAGE_ROWS: u32 = 100;
/// Rows in a page at most.
pub(crate) const PAGE_ROWS_MAX: u32 = 1_000;

/// What to read.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageAsk {
    /// A natural key.
    #[serde(default)]
    pub key: Vec<String>,
    /// A condition in CEL.
    #[serde(default)]
    pub r#where: Option<String>,
    /// The key of the last row of the page before.
    #[serde(default)]
    pub after: Vec<String>,
    /// Rows per page.
    #[serde(default)]
    pub limit: Option<u32>,
    /// The state at that time.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub as_of: Option<Timestamp>,
}

/// A page of rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Map<String, Json>>,
    /// The key to go on behind; none when there is no more.
    pub next: Option<Vec<String>>,
}

/// A record type with how much it holds.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct TypeView {
    /// Its name.
    pub name: ResourceId,
    /// Its title.
    pub title: Bilingual,
    /// Its revision.
    pub revision: i64,
    /// Its rows now.
    pub rows: u64,
    /// Its grade.
    pub grade: String,
}

/// The key's values from their texts.
pub(crate) fn key_values(record: &RecordType, texts: &[String]) -> Result<Vec<Value>, Problem> {
    let bad = |zh: String, en: String| Problem::new(Kind::Unprocessable, "registry.key", zh, en).field("/key");
    if texts.len() != record.key.len() {
        let names: Vec<&str> = record.key.iter().map(FieldName::as_str).collect();
        let names = names.join(", ");
        return Err(bad(format!("主键应依次给出：{names}"), format!("a key gives, in this order: {names}")));
    }
    let fields = record.key.iter().filter_map(|it| record.field(it.as_str()));
    fields
        .zip(texts)
        .map(|(field, text)| field.parse(text, &schema::AnyCode).map_err(|it| bad(it.reason.zh, it.reason.en)))
        .collect()
}

/// The key as a filter.
pub(crate) fn key_filter(record: &RecordType, texts: &[String]) -> Result<Filter, Problem> {
    let values = key_values(record, texts)?;
    let mut all = Vec::new();
    for (name, value) in record.key.iter().zip(&values) {
        if let Some(field) = record.field(name.as_str()) {
            all.push(Filter::compare(name, &field.kind, By::Eq, value)?);
        }
    }
    Ok(Filter::all(all))
}

/// A condition in CEL on rows alone.
pub(crate) fn condition(record: &RecordType, source: &str) -> Result<Filter, Problem> {
    let ask = rule::AskType::new();
    let rule = rule::compile(source, &Scope { row: record, ask: &ask }).map_err(|it| rule::problem(&it))?;
    rule.bind(&rule::AskValues::new())
}

/// A row as JSON.
pub(crate) fn row_json(record: &RecordType, columns: &[FieldName], values: &[Value]) -> Map<String, Json> {
    let cells = columns.iter().zip(values).filter_map(|(name, value)| {
        record.field(name.as_str()).map(|field| (name.as_str().to_owned(), field.kind.json(value)))
    });
    cells.collect()
}

/// The key of a row as texts.
pub(crate) fn key_texts(record: &RecordType, columns: &[FieldName], values: &[Value]) -> Option<Vec<String>> {
    let text = |name: &FieldName| {
        let at = columns.iter().position(|it| it == name)?;
        Some(record.field(name.as_str())?.kind.render(values.get(at)?))
    };
    record.key.iter().map(text).collect()
}

impl Organisation {
    /// A page of a record type.
    ///
    /// # Errors
    /// `registry.type`, `registry.key`, `rule.…`, `policy.role`.
    pub async fn page(&self, principal: &Principal, name: &ResourceId, ask: PageAsk) -> Result<Page, Problem> {
        self.permit(principal, ReadRecords)?;
        let packs = self.packs();
        let record = packs.record(name)?;
        let mut filter = if ask.key.is_empty() { Filter::always() } else { key_filter(record, &ask.key)? };
        if let Some(source) = &ask.r#where {
            filter = filter.and(condition(record, source)?);
        }
        let mut reader = self.store.read().await?;
        let as_of = match ask.as_of {
            Some(at) => Some(reader.feed_position_at(registry::FEED, at).await?),
            None => None,
        };
        let after = if ask.after.is_empty() { None } else { Some(key_values(record, &ask.after)?) };
        let columns: Vec<FieldName> = record.fields.keys().cloned().collect();
        let selection = Selection { columns: columns.clone(), filter, after, as_of };
        let limit = ask.limit.unwrap_or(PAGE_ROWS).min(PAGE_ROWS_MAX);
        let rows = registry::page(&mut reader, record, &selection, limit).await?;
        let full = u32::try_from(rows.len()).unwrap_or(u32::MAX) == limit;
        let next = rows.last().filter(|_| full).and_then(|it| key_texts(record, &columns, &it.values));
        Ok(Page { rows: rows.iter().map(|it| row_json(record, &columns, &it.values)).collect(), next })
    }

    /// The record types with their counts.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn types(&self) -> Result<Vec<TypeView>, Problem> {
        let mut reader = self.store.read().await?;
        let mut all = Vec::new();
        for installed in registry::types(&mut reader).await? {
            let record = installed.record;
            let rows = registry::count(&mut reader, &record, &Selection::all(&record)).await?;
            let (name, title, grade) = (record.name.clone(), record.title.clone(), record.grade().to_string());
            all.push(TypeView { name, title, revision: installed.revision, rows, grade });
        }
        Ok(all)
    }

    /// The versions of one row, oldest first.
    ///
    /// # Errors
    /// `registry.type`, `registry.key`, `policy.role`.
    pub async fn history(
        &self,
        principal: &Principal,
        name: &ResourceId,
        key: &[String],
    ) -> Result<Vec<Json>, Problem> {
        self.permit(principal, ReadRecords)?;
        let packs = self.packs();
        let record = packs.record(name)?;
        let columns: Vec<FieldName> = record.fields.keys().cloned().collect();
        let versions = registry::history(&mut self.store.read().await?, record, &key_values(record, key)?).await?;
        Ok(versions
            .iter()
            .map(|it| {
                serde_json::json!({
                    "row": row_json(record, &columns, &it.values),
                    "from": stamp(Some(&it.from)), "until": stamp(it.until.as_ref()),
                })
            })
            .collect())
    }

    /// A page of a feed.
    ///
    /// # Errors
    /// `policy.role`.
    pub async fn feed(&self, principal: &Principal, feed: &str, after: i64, limit: u32) -> Result<Json, Problem> {
        self.permit(principal, ReadRecords)?;
        let mut reader = self.store.read().await?;
        let head = reader.feed_head(feed).await?;
        let entries = reader.feed(feed, after, limit).await?;
        let entries: Vec<Json> = entries
            .into_iter()
            .map(|it| serde_json::json!({"position": it.position, "at": it.at, "body": it.body}))
            .collect();
        Ok(serde_json::json!({
            "epoch": head.as_ref().map(|it| &it.epoch), "position": head.as_ref().map_or(0, |it| it.position),
            "entries": entries,
        }))
    }
}

fn stamp(stamp: Option<&registry::Stamp>) -> Json {
    stamp.map_or(Json::Null, |it| {
        let position = it.numbered.map(|(position, _)| position);
        let source = it.origin.as_ref().map(|it| &it.source);
        serde_json::json!({
            "position": position, "at": it.cause.at, "by": it.cause.by, "why": it.cause.why, "source": source,
        })
    })
}

/// Reading the organisation's own records.
#[derive(Debug)]
pub(crate) struct ReadRecords;

impl policy::Ask for ReadRecords {
    fn need(&self) -> policy::Need<'_> {
        policy::Need::Role(&[policy::Role::DataSteward, policy::Role::AuditAdministrator])
    }
}
