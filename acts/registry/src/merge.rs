//! Rows that another organisation delivers into a record type of ours: some of its columns, upserts and removals, or
//! all of them at once in place of what is there.
//!
//! Columns that are not delivered are ours: they keep what they hold. A whole set is staged first, in as many units of
//! work as it takes, and then takes the place of what is there in one.

use crate::{
    ask::{Merge, Replace},
    cell,
    change::Cause,
    decide::{self, Fate, Incoming},
    fault,
    id::RowId,
    import::many,
    query::{PAGE_ROWS_MAX, Selection, page},
    rows::{self, WRITE_ROWS_MAX, Written, apply, duplicate, stored_id, take_out},
    sql::{Bulk, Table},
    store as sql,
    types::record_type,
};
use policy::Permit;
use rule::Filter;
use schema::{FieldName, RecordType, Value};
use std::collections::HashSet;
use store::{Arg, Tx, args};
use vocabulary::{Problem, Suite, Timestamp, ensure, hash};

/// Where the delivered columns and the kept ones stand among a type's fields.
struct Places {
    given: Vec<usize>,
    kept: Vec<usize>,
}

impl Places {
    fn of(record: &RecordType, columns: &[FieldName]) -> Result<Self, Problem> {
        let at = |it: &FieldName| record.index_of(it.as_str());
        let given: Option<Vec<usize>> = columns.iter().map(at).collect();
        let given = given.ok_or_else(|| fault::internal("merge", &"a column that the type does not have"))?;
        let keyed = record.key_indexes().iter().all(|it| given.contains(it));
        ensure!(keyed, fault::internal("merge", &"a delivery without the key"));
        let kept = (0..record.fields.len()).filter(|it| !given.contains(it)).collect();
        Ok(Self { given, kept })
    }

    /// A row of the type, with nothing where our own columns are.
    fn spread(&self, record: &RecordType, values: &[Value]) -> Result<Vec<Value>, Problem> {
        ensure!(values.len() == self.given.len(), fault::internal("merge", &"a row of another width"));
        let mut row = vec![Value::Null; record.fields.len()];
        for (at, value) in self.given.iter().zip(values) {
            row[*at] = value.clone();
        }
        decide::check_row(record, &row)?;
        Ok(row)
    }
}

/// Brings upserts and removals in. A row that is as it was, or a key that is not there, changes nothing.
///
/// # Errors
/// `registry.type`, `registry.row`, `registry.key`, `registry.too_many_rows`.
pub async fn merge(tx: &mut Tx, permit: &Permit<Merge>, now: Timestamp) -> Result<Written, Problem> {
    let ask = permit.ask();
    let record = record_type(tx, &ask.record).await?.record;
    let places = Places::of(&record, &ask.columns)?;
    let cause = Cause::new(permit.principal(), &ask.why, now);
    let mut written = Written::default();
    for (at, some) in (0..).zip(ask.rows.chunks(WRITE_ROWS_MAX)) {
        let first = ask.first.plus(at * WRITE_ROWS_MAX as u64);
        let rows = some.iter().zip(0..).map(|(values, at)| {
            Ok(Incoming { id: first.plus(at), line: None, values: places.spread(&record, values)? })
        });
        let rows = rows.collect::<Result<Vec<_>, Problem>>()?;
        let change = rows::Change { cause: cause.clone(), import: None, keep: &places.kept };
        let applied = apply(tx, &record, &rows, change).await?;
        ensure!(!applied.fates.iter().any(|it| matches!(it, Fate::Duplicate(_))), duplicate());
        written.add(&applied.written);
    }
    for some in ask.removed.chunks(WRITE_ROWS_MAX) {
        for key in some {
            decide::check_key(&record, key)?;
        }
        let table = Table::new(&record, tx.dialect());
        let keys = cell::keys_json(&record, some.iter().map(|it| it.iter().collect()));
        let found = tx.rows(table.named(), args![keys]).await?;
        let ids = found.iter().map(|it| stored_id(it.value(0))).collect::<Result<Vec<_>, _>>()?;
        written.add(&take_out(tx, &record, ids, &cause).await?);
    }
    Ok(written)
}

/// Stages rows of a whole set behind those that are staged already; the first of a set, `behind` 0, takes the place of
/// whatever was staged under the same name. Says how many are staged then.
///
/// # Errors
/// `registry.type`, `registry.row`.
pub async fn stage(tx: &mut Tx, permit: &Permit<Replace>, rows: &[Vec<Value>], behind: u64) -> Result<u64, Problem> {
    let ask = permit.ask();
    let record = record_type(tx, &ask.record).await?.record;
    let places = Places::of(&record, &ask.columns)?;
    if behind == 0 {
        tx.execute(store::Statement::long(sql::STAGED_FORGET), args![&ask.run]).await?;
    }
    let mut line = behind;
    let mut lines: Vec<Vec<Arg>> = Vec::with_capacity(rows.len());
    for values in rows {
        let row = places.spread(&record, values)?;
        line += 1;
        let number = i64::try_from(line).unwrap_or(i64::MAX);
        lines.push(args![&ask.run, number, ask.first.plus(line).bytes(), cell::row_json(&row)]);
    }
    many(tx, Bulk::Staged, lines).await?;
    Ok(line)
}

/// Puts the staged set in place of what is there: its rows are written, all others are taken out, in one unit of work.
///
/// # Errors
/// `registry.type`, `registry.duplicate_key` for a set with a key twice.
pub async fn replace(tx: &mut Tx, permit: &Permit<Replace>, now: Timestamp) -> Result<Written, Problem> {
    let ask = permit.ask();
    let record = record_type(tx, &ask.record).await?.record;
    let places = Places::of(&record, &ask.columns)?;
    let cause = Cause::new(permit.principal(), &ask.why, now);
    let mut written = Written::default();
    // Sixteen bytes of each key's hash: a million keys take some 40 MB.
    let mut keys: HashSet<[u8; 16]> = HashSet::new();
    let mut behind = 0;
    loop {
        let rows = staged(tx, &record, &ask.run, behind, WRITE_ROWS_MAX as u64).await?;
        let Some(last) = rows.last() else { break };
        behind = last.line.unwrap_or_default();
        for row in &rows {
            ensure!(keys.insert(short(&record, &decide::key(&record, &row.values))), duplicate());
        }
        let rows: Vec<Incoming> = rows.into_iter().map(|it| Incoming { line: None, ..it }).collect();
        let change = rows::Change { cause: cause.clone(), import: None, keep: &places.kept };
        written.add(&apply(tx, &record, &rows, change).await?.written);
    }
    written.removed += drop_others(tx, &record, &keys, &cause).await?;
    tx.execute(store::Statement::long(sql::STAGED_FORGET), args![&ask.run]).await?;
    Ok(written)
}

fn short(record: &RecordType, key: &[Value]) -> [u8; 16] {
    let json = cell::keys_json(record, std::iter::once(key.iter().collect()));
    let whole = hash(Suite::default(), json.as_bytes());
    let mut short = [0; 16];
    short.copy_from_slice(&whole[..16]);
    short
}

async fn drop_others(
    tx: &mut Tx,
    record: &RecordType,
    keys: &HashSet<[u8; 16]>,
    cause: &Cause,
) -> Result<u64, Problem> {
    let mut selection = Selection { columns: record.key.clone(), filter: Filter::always(), after: None, as_of: None };
    let mut removed = 0;
    loop {
        let some = page(tx, record, &selection, PAGE_ROWS_MAX).await?;
        let others: Vec<RowId> =
            some.iter().filter(|it| !keys.contains(&short(record, &it.values))).map(|it| it.id).collect();
        for ids in others.chunks(WRITE_ROWS_MAX) {
            removed += take_out(tx, record, ids.to_vec(), cause).await?.removed;
        }
        if some.len() < PAGE_ROWS_MAX as usize {
            return Ok(removed);
        }
        selection.after = some.last().map(|it| it.values.clone());
    }
}

/// The next `most` rows that are staged under a name, behind a line.
pub(crate) async fn staged(
    tx: &mut Tx,
    record: &RecordType,
    run: &str,
    behind: i64,
    most: u64,
) -> Result<Vec<Incoming>, Problem> {
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = Vec::new();
    tx.each(sql::STAGED, args![run, behind, limit], |row| {
        let values = cell::row_values(record, row.text("cells")?)?;
        let id = stored_id(&Arg::Bytes(row.bytes("row_id")?.to_vec()))?;
        rows.push(Incoming { id, line: Some(row.int("line")?), values });
        Ok(())
    })
    .await?;
    Ok(rows)
}
