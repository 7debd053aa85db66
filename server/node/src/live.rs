//! Queries that read a table of others where it stands: the permitted filter goes into its SQL, each row is read as its
//! record type says, evaluated again, and left out where it does not fit.

use crate::{Organisation, Packs, records::key_texts, sources::table_of, taking::Feed};
use outside::{Name, Read, Rows, Where};
use pack::Source;
use rule::Filter;
use schema::{FieldName, RecordType, Value};
use std::collections::BTreeSet;
use vocabulary::{Kind, Problem, ResourceId, ensure};

/// Pages of the table read for one answer at most: where few rows of many are to be shown, an answer is short and says
/// how it goes on, or that it cannot.
const PAGES_MAX: usize = 8;
/// Rows of each of them at least: where the whole condition is put to the table, the first is enough.
const PAGE_ROWS_MIN: u32 = 1_000;

/// What an answer may hold.
pub(crate) struct LiveAsk<'a> {
    /// Which columns, in order.
    pub(crate) columns: &'a [FieldName],
    /// Which rows.
    pub(crate) filter: &'a Filter,
    /// Only rows behind this key.
    pub(crate) after: Option<Vec<Value>>,
    /// So many at most.
    pub(crate) limit: usize,
}

/// Rows of the asked columns, and the key to go on behind.
pub(crate) type LivePage = (Vec<Vec<Value>>, Option<Vec<String>>);

impl Packs {
    /// The live source of a record type, if it has one.
    pub fn live(&self, record: &ResourceId) -> Option<&Source> {
        let mut sources = self.all.iter().flat_map(|it| it.sources.values());
        sources.find(|it| it.record == *record && it.from.as_ref().is_some_and(|it| it.live))
    }
}

/// A record type whose rows are not here cannot be delivered whole.
pub(crate) fn not_whole(record: &ResourceId) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "source.live",
        format!("{record} 由对方的表实时提供，不作批量交付；请按主键或条件查询（yunhe query）"),
        format!("{record} is read live where it stands and is not delivered as a batch; query it (yunhe query)"),
    )
}

/// What is read of a row: the fields in the record type's order, with their columns.
struct Wanted<'a> {
    record: &'a RecordType,
    fields: Vec<(FieldName, Name)>,
    names: Vec<Name>,
}

impl<'a> Wanted<'a> {
    fn new(record: &'a RecordType, source: &Source, ask: &LiveAsk<'_>) -> Result<Self, Problem> {
        let filtered = ask.filter.fields();
        let mut needed: BTreeSet<&FieldName> = ask.columns.iter().chain(&record.key).collect();
        needed.extend(&filtered);
        let mut fields = Vec::new();
        for (column, field) in &source.columns {
            if needed.contains(field) {
                fields.push((field.clone(), Name::new(column.as_str())?));
            }
        }
        let names = fields.iter().map(|it| it.1.clone()).collect();
        Ok(Self { record, fields, names })
    }

    /// A whole row of the record type, empty where nothing was read; `None` where a value does not fit.
    fn row(&self, feed: &Feed<'_>, packs: &Packs, cells: &[Option<String>]) -> Option<Vec<Value>> {
        let mut row = vec![Value::Null; self.record.fields.len()];
        for ((field, name), cell) in self.fields.iter().zip(cells) {
            let about = self.record.field(field.as_str())?;
            let text = cell.as_deref().map(|it| feed.text(name, it)).unwrap_or_default();
            let value = about.parse(&text, &*packs.lists).ok()?;
            // Text that is not in its one form would be found by another text than it is shown with.
            if let Value::Text(kept) = &value
                && *kept != text
            {
                return None;
            }
            row[self.record.index_of(field.as_str())?] = value;
        }
        Some(row)
    }
}

impl Organisation {
    /// Rows of live sources that did not fit their record type and were left out, since this process began.
    pub fn unfit_rows(&self) -> u64 {
        self.unfit.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// A page of a live source.
    ///
    /// # Errors
    /// Those of asking the system: `source.away`, `source.slow`, `source.busy`, `source.refused`, `source.missing`.
    pub(crate) async fn live_page(
        &self,
        packs: &Packs,
        source: &Source,
        ask: LiveAsk<'_>,
    ) -> Result<LivePage, Problem> {
        let feed = Feed::open(self, packs, source, table_of(source)?).await?;
        let record = packs.record(&source.record)?;
        let wanted = Wanted::new(record, source, &ask)?;
        let all: Vec<FieldName> = record.fields.keys().cloned().collect();
        let most = u32::try_from(ask.limit).unwrap_or(u32::MAX).min(outside::PAGE_ROWS_MAX);
        let shown: Vec<usize> = ask.columns.iter().filter_map(|it| record.index_of(it.as_str())).collect();
        let (mut rows, mut unfit) = (Vec::new(), 0_u64);
        let mut after = ask.after.as_ref().map(|it| feed.raw_key(it));
        // The key of the last row that is shown, never of one that the restriction or the condition leaves out.
        let (mut last, mut more) = (None, false);
        let mut limit = most;
        for _ in 0..PAGES_MAX {
            let read = Read {
                table: &feed.table,
                columns: &wanted.names,
                key: &feed.key,
                rows: Rows::All,
                filter: Some(Where { filter: ask.filter, record, columns: &wanted.fields }),
                after: after.clone(),
                limit,
            };
            let page = feed.connection.read(&read).await?;
            after = page.next;
            more = after.is_some();
            for cells in &page.rows {
                let Some(row) = wanted.row(&feed, packs, cells) else {
                    unfit += 1;
                    continue;
                };
                if !ask.filter.matches(record, &row) {
                    continue;
                }
                if rows.len() == ask.limit {
                    more = true;
                    break;
                }
                last = key_texts(record, &all, &row);
                rows.push(shown.iter().map(|it| row[*it].clone()).collect());
            }
            if !more || rows.len() >= ask.limit {
                break;
            }
            limit = most.max(PAGE_ROWS_MIN);
        }
        if unfit > 0 {
            tracing::warn!(source = %source.source, unfit, "rows of a live source do not fit their record type");
            self.unfit.fetch_add(unfit, std::sync::atomic::Ordering::Relaxed);
        }
        ensure!(!more || last.is_some(), nothing_found(source));
        Ok((rows, last.filter(|_| more)))
    }
}

fn nothing_found(source: &Source) -> Problem {
    let name = &source.source;
    Problem::new(
        Kind::Peer,
        "source.unfit",
        format!("数据源 {name} 中连续多行不合条件或不合记录类型，查找已中止；请按主键查询或缩小条件，或联系提供方"),
        format!(
            "many rows of source {name} in a row are not asked for or do not fit their record type, and the search was \
             given up; ask by key, narrow the condition, or tell the provider"
        ),
    )
}
