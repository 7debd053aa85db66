//! Writes: what rows do to the current state, in one unit of work, with one entry in the feed.
//!
//! The order is what keeps two writers apart on PostgreSQL: read the current rows, announce, copy the superseded
//! versions into the past and take just these out (fewer than read: someone else was faster, run again), put the new
//! ones in (a key is there: run again). So a version's change always has a greater id than the change it supersedes.

use crate::{
    ask::{Remove, Write},
    cell,
    change::{Announcement, Cause, Origin, announce},
    decide::{self, Current, Fate, Incoming},
    fault,
    id::{ImportId, RowId, Run},
    sql::Table,
    types::record_type,
};
use policy::Permit;
use schema::{RecordType, Value};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use store::{Arg, Dialect, Tx, args};
use vocabulary::{Kind, Problem, Timestamp, ensure};

/// Rows in one write at most; more is an import.
pub const WRITE_ROWS_MAX: usize = 5_000;
/// From so many rows on `COPY` is faster than `INSERT` (PostgreSQL).
const COPY_ROWS_MIN: usize = 50;

/// What a write did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The change that the rows carry; none when all was so already.
    pub change: Option<i64>,
    /// How many keys are new.
    pub added: u64,
    /// How many rows took another's place.
    pub changed: u64,
    /// How many were so already.
    pub same: u64,
    /// How many are no longer current.
    pub removed: u64,
}

impl Written {
    /// Counts what another write did as well.
    pub(crate) fn add(&mut self, other: &Self) {
        self.change = other.change.or(self.change);
        self.added += other.added;
        self.changed += other.changed;
        self.same += other.same;
        self.removed += other.removed;
    }
}

/// Writes rows by their keys.
///
/// # Errors
/// `registry.type`, `registry.row` for values that do not fit, `registry.duplicate_key` for a key given twice,
/// `registry.too_many_rows`.
pub async fn write(tx: &mut Tx, permit: &Permit<Write>, now: Timestamp) -> Result<Written, Problem> {
    let ask = permit.ask();
    ensure!(ask.rows.len() <= WRITE_ROWS_MAX, too_many(ask.rows.len()));
    let record = record_type(tx, &ask.record).await?.record;
    let mut rows = Vec::with_capacity(ask.rows.len());
    for (at, values) in (0..).zip(&ask.rows) {
        decide::check_row(&record, values)?;
        rows.push(Incoming { id: ask.first.plus(at), line: None, values: values.clone() });
    }
    let cause = Cause::new(permit.principal(), &ask.why, now);
    let applied = apply(tx, &record, &rows, Change { cause, import: None, keep: &[] }).await?;
    ensure!(!applied.fates.iter().any(|it| matches!(it, Fate::Duplicate(_))), duplicate());
    Ok(applied.written)
}

fn too_many(rows: usize) -> Problem {
    Problem::new(
        Kind::TooLarge,
        "registry.too_many_rows",
        format!("一次写入 {rows} 行，至多 {WRITE_ROWS_MAX} 行；更多请用导入"),
        format!("{rows} rows in one write, at most {WRITE_ROWS_MAX}; import more"),
    )
}

pub(crate) fn duplicate() -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "registry.duplicate_key",
        "同一次写入中有两行主键相同；请只留一行",
        "two rows of one write have the same key; keep one",
    )
}

/// Takes rows out of the current state. A key that is not there is no error: `removed` says how many were.
///
/// # Errors
/// `registry.type`, `registry.key`, `registry.too_many_rows`.
pub async fn remove(tx: &mut Tx, permit: &Permit<Remove>, now: Timestamp) -> Result<Written, Problem> {
    let ask = permit.ask();
    ensure!(ask.keys.len() <= WRITE_ROWS_MAX, too_many(ask.keys.len()));
    let record = record_type(tx, &ask.record).await?.record;
    for key in &ask.keys {
        decide::check_key(&record, key)?;
    }
    let table = Table::new(&record, tx.dialect());
    let keys = cell::keys_json(&record, ask.keys.iter().map(|it| it.iter().collect()));
    let found = tx.rows(table.named(), args![keys]).await?;
    let ids: Result<Vec<RowId>, Problem> = found.iter().map(|it| stored_id(it.value(0))).collect();
    let cause = Cause::new(permit.principal(), &ask.why, now);
    take_out(tx, &record, ids?, &cause).await
}

/// Takes the rows of those names out of the current state, with one entry in the feed.
pub(crate) async fn take_out(
    tx: &mut Tx,
    record: &RecordType,
    mut ids: Vec<RowId>,
    cause: &Cause,
) -> Result<Written, Problem> {
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(Written::default());
    }
    let announcement = Announcement::Rows {
        record: record.name.clone(),
        cause: cause.clone(),
        origin: None,
        added: vec![],
        changed: vec![],
        removed: Run::fold(ids.iter().copied()),
    };
    let change = announce(tx, &announcement).await?;
    end(tx, &Table::new(record, tx.dialect()), &ids, change).await?;
    Ok(Written { change: Some(change), removed: ids.len() as u64, ..Written::default() })
}

pub(crate) fn stored_id(cell: &Arg) -> Result<RowId, Problem> {
    match cell {
        Arg::Bytes(it) => RowId::stored(it),
        other => Err(fault::internal("row id", &format!("{other:?}"))),
    }
}

/// Who changes what and why, and the import whose earlier rows count.
pub(crate) struct Change<'a> {
    pub(crate) cause: Cause,
    pub(crate) import: Option<(ImportId, &'a Origin)>,
    /// Fields that are not written: they keep what the current row of the key holds.
    pub(crate) keep: &'a [usize],
}

/// What became of the rows.
pub(crate) struct Applied {
    pub(crate) written: Written,
    /// One per row, in order.
    pub(crate) fates: Vec<Fate>,
}

/// Brings `rows` into the current state. Duplicates are left out; the caller decides what they mean.
pub(crate) async fn apply(
    tx: &mut Tx,
    record: &RecordType,
    rows: &[Incoming],
    change: Change<'_>,
) -> Result<Applied, Problem> {
    let table = Table::new(record, tx.dialect());
    let current = current(tx, &table, record, rows, change.import.map(|it| it.0)).await?;
    let kept;
    let rows = if change.keep.is_empty() {
        rows
    } else {
        kept = decide::keeping(record, rows, &current, change.keep);
        &kept
    };
    let fates = decide::fates(record, rows, &current);
    let mut written = Written::default();
    let (mut into, mut added, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for (row, fate) in rows.iter().zip(&fates) {
        match fate {
            Fate::Added => {
                added.push(row.id);
                into.push((row.id, row));
            }
            Fate::Changed(id) => {
                changed.push(*id);
                into.push((*id, row));
            }
            Fate::Same(_) => written.same += 1,
            Fate::Duplicate(_) => {}
        }
    }
    (written.added, written.changed) = (added.len() as u64, changed.len() as u64);
    if !into.is_empty() {
        let announcement = Announcement::Rows {
            record: record.name.clone(),
            cause: change.cause,
            origin: change.import.map(|it| it.1.clone()),
            added: Run::fold(added),
            changed: Run::fold(changed.iter().copied()),
            removed: vec![],
        };
        let number = announce(tx, &announcement).await?;
        end(tx, &table, &changed, number).await?;
        insert(tx, &table, record, &into, number).await?;
        written.change = Some(number);
    }
    Ok(Applied { written, fates })
}

/// The current rows of the keys of `rows`.
async fn current(
    tx: &mut Tx,
    table: &Table<'_>,
    record: &RecordType,
    rows: &[Incoming],
    import: Option<ImportId>,
) -> Result<HashMap<Vec<Value>, Current>, Problem> {
    let indexes = record.key_indexes();
    let keys = rows.iter().map(|row| indexes.iter().filter_map(|it| row.values.get(*it)).collect());
    let keys = cell::keys_json(record, keys);
    let import = import.map(|it| it.to_string()).unwrap_or_default();
    let mut current = HashMap::new();
    tx.each(table.matched(), args![keys, import], |row| {
        let mut cells = row.into_cells().into_iter();
        let id = stored_id(&cells.next().unwrap_or(Arg::Null))?;
        let seen = match cells.next() {
            Some(Arg::Int(line)) => Some(line),
            _ => None,
        };
        let values = cell::values(record.fields.values(), cells)?;
        current.insert(decide::key(record, &values), Current { id, seen, values });
        Ok(())
    })
    .await?;
    Ok(current)
}

/// Makes the rows `ids` history that change `number` ended.
async fn end(tx: &mut Tx, table: &Table<'_>, ids: &[RowId], number: i64) -> Result<(), Problem> {
    if ids.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = ids.iter().map(|it| it.uuid().simple().to_string()).collect();
    let list = serde_json::to_string(&list).map_err(|it| fault::internal("ids", &it))?;
    let kept = tx.execute(table.supersede(), args![&list, number]).await?;
    let gone = tx.execute(table.delete(), args![list, number]).await?;
    ensure!(kept == ids.len() as u64 && gone == kept, fault::again());
    Ok(())
}

async fn insert(
    tx: &mut Tx,
    table: &Table<'_>,
    record: &RecordType,
    rows: &[(RowId, &Incoming)],
    number: i64,
) -> Result<(), Problem> {
    let done = if tx.dialect() == Dialect::Postgres && rows.len() >= COPY_ROWS_MIN {
        let lines = copy_lines(record, rows, number);
        tx.copy_in(&table.copy(), &lines).await.map(|_| ())
    } else {
        insert_values(tx, table, rows, number).await
    };
    // The key was not there when it was looked for: another writer has added it since.
    done.map_err(|it| if it.code == "store.duplicate" { fault::again() } else { it })
}

async fn insert_values(
    tx: &mut Tx,
    table: &Table<'_>,
    rows: &[(RowId, &Incoming)],
    number: i64,
) -> Result<(), Problem> {
    // Few lengths of statement, so that each stays prepared: full ones, then powers of two.
    let mut rest = rows;
    let most = table.insert_rows();
    while !rest.is_empty() {
        let fit = rest.len().min(most);
        let size = if fit == most { most } else { 1 << fit.ilog2() };
        let (part, after) = rest.split_at(size);
        let mut args = Vec::new();
        for (id, row) in part {
            args.extend(args![id.bytes(), number, row.line]);
            args.extend(row.values.iter().map(cell::arg));
        }
        tx.execute(table.insert(size), args).await?;
        rest = after;
    }
    Ok(())
}

fn copy_lines(record: &RecordType, rows: &[(RowId, &Incoming)], number: i64) -> Vec<u8> {
    let mut lines = Vec::with_capacity(rows.len() * 160);
    for (id, row) in rows {
        cell::copy_bytes(id.uuid().as_bytes(), &mut lines);
        lines.push(b'\t');
        cell::number(number, &mut lines);
        lines.push(b'\t');
        match row.line {
            Some(line) => cell::number(line, &mut lines),
            None => lines.extend_from_slice(rule::copy::NOTHING),
        }
        for (field, value) in record.fields.values().zip(&row.values) {
            lines.push(b'\t');
            cell::copy(&field.kind, value, &mut lines);
        }
        lines.push(b'\n');
    }
    lines
}
