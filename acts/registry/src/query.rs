//! Reads: pages and streams of current rows, any past state, the history of one row.
//!
//! Rows come in the order of their natural keys, so a page goes on behind the last key of the one before. What may be
//! seen is decided elsewhere: a [`Selection`] for someone is made of his restriction.

use crate::{
    cell,
    change::{Announcement, Cause, Origin, read},
    decide, fault,
    id::{RowId, Run},
    rows::stored_id,
    sql::Table,
};
use rule::Filter;
use schema::{FieldName, RecordType, Value};
use store::{Arg, Reader, args};
use vocabulary::{Kind, Problem, Timestamp, ensure, timestamp_from_micros};

/// Rows in one page at most.
pub const PAGE_ROWS_MAX: u32 = 10_000;

/// What to read.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// Which columns, in order.
    pub columns: Vec<FieldName>,
    /// Which rows.
    pub filter: Filter,
    /// Only rows behind this key.
    pub after: Option<Vec<Value>>,
    /// The state at this position of the feed rather than the current one.
    pub as_of: Option<i64>,
}

impl Selection {
    /// All columns of all current rows.
    pub fn all(record: &RecordType) -> Self {
        let columns = record.fields.keys().cloned().collect();
        Self { columns, filter: Filter::always(), after: None, as_of: None }
    }

    fn check(&self, record: &RecordType) -> Result<(), Problem> {
        if let Some(name) = self.columns.iter().find(|it| !record.fields.contains_key(*it)) {
            return Err(Problem::new(
                Kind::Unprocessable,
                "registry.column",
                format!("{} 没有字段 {name}", record.name),
                format!("{} has no field {name}", record.name),
            )
            .field(format!("/{name}")));
        }
        self.filter.check(record)?;
        self.after.as_ref().map_or(Ok(()), |it| decide::check_key(record, it))
    }
}

/// A row with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub id: RowId,
    /// The change that wrote this version.
    pub change: i64,
    /// Its values, in the order of the selected columns.
    pub values: Vec<Value>,
}

fn stored<'a>(row: store::Row, fields: impl IntoIterator<Item = &'a schema::Field>) -> Result<Stored, Problem> {
    let mut cells = row.into_cells().into_iter();
    let id = stored_id(&cells.next().unwrap_or(Arg::Null))?;
    let Some(Arg::Int(change)) = cells.next() else { return Err(fault::internal("change", &"is no number")) };
    Ok(Stored { id, change, values: cell::values(fields, cells)? })
}

/// Streams every row of `selection` through `take`, in the order of the keys; `take` may stop it with an error.
///
/// # Errors
/// `registry.column`, `rule.field`, `registry.key`, or what `take` said.
pub async fn select(
    reader: &mut Reader,
    record: &RecordType,
    selection: &Selection,
    mut take: impl FnMut(Stored) -> Result<(), Problem>,
) -> Result<(), Problem> {
    selection.check(record)?;
    let (sql, args) = Table::new(record, reader.dialect()).select(selection, None);
    let fields: Vec<_> = selection.columns.iter().filter_map(|it| record.field(it.as_str())).collect();
    reader.each(sql, args, |row| take(stored(row, fields.iter().copied())?)).await
}

/// The first `limit` rows of `selection`; the next page is behind the key of the last one.
///
/// # Errors
/// As [`select`]; `registry.page` for a limit above [`PAGE_ROWS_MAX`].
pub async fn page(
    reader: &mut Reader,
    record: &RecordType,
    selection: &Selection,
    limit: u32,
) -> Result<Vec<Stored>, Problem> {
    selection.check(record)?;
    ensure!(
        limit <= PAGE_ROWS_MAX,
        Problem::new(
            Kind::TooLarge,
            "registry.page",
            format!("每页至多 {PAGE_ROWS_MAX} 行，请求了 {limit} 行"),
            format!("a page has at most {PAGE_ROWS_MAX} rows, {limit} were asked for"),
        )
        .field("/limit")
        .with("limit", PAGE_ROWS_MAX)
    );
    let (sql, args) = Table::new(record, reader.dialect()).select(selection, Some(limit));
    let fields: Vec<_> = selection.columns.iter().filter_map(|it| record.field(it.as_str())).collect();
    let mut rows = Vec::new();
    reader
        .each(sql, args, |row| {
            rows.push(stored(row, fields.iter().copied())?);
            Ok(())
        })
        .await?;
    Ok(rows)
}

/// How many rows `selection` has.
///
/// # Errors
/// As [`select`].
pub async fn count(reader: &mut Reader, record: &RecordType, selection: &Selection) -> Result<u64, Problem> {
    selection.check(record)?;
    let (sql, args) = Table::new(record, reader.dialect()).count(selection);
    let row = reader.row(sql, args).await?.ok_or_else(|| fault::internal("count", &"no row"))?;
    Ok(row.int("n")?.unsigned_abs())
}

/// The rows whose key is `key` within `selection`: one or none.
///
/// # Errors
/// As [`select`].
pub async fn by_key(
    reader: &mut Reader,
    record: &RecordType,
    key: &[Value],
    selection: &Selection,
) -> Result<Option<Stored>, Problem> {
    decide::check_key(record, key)?;
    let mut filter = selection.filter.clone();
    for (name, value) in record.key.iter().zip(key) {
        let kind = &record.fields[name].kind;
        filter = filter.and(Filter::compare(name, kind, rule::By::Eq, value)?);
    }
    let selection = Selection { filter, ..selection.clone() };
    Ok(page(reader, record, &selection, 1).await?.pop())
}

/// The rows of a change's runs that are still current, whole: what a follower reads when it sees the change.
///
/// # Errors
/// As [`Reader::rows`], or what `take` said.
pub async fn by_runs(
    reader: &mut Reader,
    record: &RecordType,
    runs: &[Run],
    mut take: impl FnMut(Stored) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let table = Table::new(record, reader.dialect());
    for run in runs {
        let last = run.from.plus(run.count.saturating_sub(1));
        let bounds = args![run.from.bytes(), last.bytes()];
        reader.each(table.run(), bounds, |row| take(stored(row, record.fields.values())?)).await?;
    }
    Ok(())
}

/// Of the rows that changes name in their runs, those within `selection`, which names a position: as they were then,
/// whatever has become of them since.
///
/// # Errors
/// As [`select`], or what `take` said.
pub async fn touched(
    reader: &mut Reader,
    record: &RecordType,
    runs: &[Run],
    selection: &Selection,
    mut take: impl FnMut(Stored) -> Result<(), Problem>,
) -> Result<(), Problem> {
    selection.check(record)?;
    let fields: Vec<_> = selection.columns.iter().filter_map(|it| record.field(it.as_str())).collect();
    let ids: Vec<String> = runs.iter().flat_map(|it| it.ids()).map(|it| it.uuid().simple().to_string()).collect();
    let mut seen = std::collections::HashSet::with_capacity(ids.len());
    let ids: Vec<&String> = ids.iter().filter(|it| seen.insert(*it)).collect();
    for some in ids.chunks(crate::rows::WRITE_ROWS_MAX) {
        let list = serde_json::to_string(some).map_err(|it| fault::internal("ids", &it))?;
        let (sql, args) = Table::new(record, reader.dialect()).touched(selection, list);
        reader.each(sql, args, |row| take(stored(row, fields.iter().copied())?)).await?;
    }
    Ok(())
}

/// When and by whom a version began or ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamp {
    /// Its position in the feed and the time of that; none until it is numbered, a moment later.
    pub numbered: Option<(i64, Timestamp)>,
    /// Who, when and why.
    pub cause: Cause,
    /// From which file.
    pub origin: Option<Origin>,
}

/// One version of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// The row's name; another one after it was removed and came back.
    pub id: RowId,
    /// The line of the imported file that it came from.
    pub line: Option<i64>,
    /// Its beginning.
    pub from: Stamp,
    /// Its end; none for the current version.
    pub until: Option<Stamp>,
    /// Its values in the order of the type's fields.
    pub values: Vec<Value>,
}

/// Every version of the row with `key`, the oldest first.
///
/// # Errors
/// `registry.key`.
pub async fn history(reader: &mut Reader, record: &RecordType, key: &[Value]) -> Result<Vec<Version>, Problem> {
    decide::check_key(record, key)?;
    let (sql, args) = Table::new(record, reader.dialect()).versions(key);
    let mut versions = Vec::new();
    reader
        .each(sql, args, |row| {
            let mut cells = row.into_cells().into_iter();
            let mut next = || cells.next().unwrap_or(Arg::Null);
            let id = stored_id(&next())?;
            let line = if let Arg::Int(line) = next() { Some(line) } else { None };
            let from = stamp([next(), next(), next()])?.ok_or_else(|| fault::internal("change", &"is missing"))?;
            let until = stamp([next(), next(), next()])?;
            versions.push(Version { id, line, from, until, values: cell::values(record.fields.values(), cells)? });
            Ok(())
        })
        .await?;
    Ok(versions)
}

fn stamp([position, at, body]: [Arg; 3]) -> Result<Option<Stamp>, Problem> {
    let Arg::Text(body) = body else { return Ok(None) };
    let body = serde_json::from_str(&body).map_err(|it| fault::internal("change", &it))?;
    let Announcement::Rows { cause, origin, .. } = read(body)? else {
        return Err(fault::internal("change", &"is not about rows"));
    };
    let numbered = match (position, at) {
        (Arg::Int(position), Arg::Int(at)) => Some((position, timestamp_from_micros(at)?)),
        _ => None,
    };
    Ok(Some(Stamp { numbered, cause, origin }))
}
