//! Corrections: one row is put right or taken out with a reason, and it is said what was wrong since when.

use crate::{
    ask::{Correct, Fix},
    change::Cause,
    decide::{self, Incoming},
    fault,
    query::{Version, history},
    rows::{Change, apply, take_out},
    types::record_type,
};
use policy::Permit;
use schema::{FieldName, RecordType, Value};
use std::collections::BTreeMap;
use store::Tx;
use vocabulary::{Kind, Problem, Timestamp, ensure};

/// What was wrong, and since when.
#[derive(Clone, Debug, PartialEq)]
pub struct Corrected {
    /// The record type.
    pub record: RecordType,
    /// The columns that were wrong, each with the time from which on it held the wrong value.
    pub columns: BTreeMap<FieldName, Timestamp>,
    /// The versions that held one of them.
    pub versions: Vec<Vec<Value>>,
}

/// Corrects a row.
///
/// # Errors
/// `registry.type`, `registry.key`, `registry.no_row`; `registry.row` for a value that does not fit or a key that would
/// change; `registry.nothing_wrong` when the row is so already.
pub async fn correct(tx: &mut Tx, permit: &Permit<Correct>, now: Timestamp) -> Result<Corrected, Problem> {
    let Correct { record: name, key, fix, first, why } = permit.ask();
    let record = record_type(tx, name).await?.record;
    let versions = history(tx, &record, key).await?;
    let current = versions.last().filter(|it| it.until.is_none()).ok_or_else(|| no_row(name.as_str()))?;
    let cause = Cause::new(permit.principal(), why, now);
    let columns = match fix {
        Fix::Remove => {
            take_out(tx, &record, vec![current.id], &cause).await?;
            let after = history(tx, &record, key).await?;
            let by_us = after.last().and_then(|it| it.until.as_ref()).is_some_and(|it| it.cause == cause);
            ensure!(after.len() == versions.len() && by_us, fault::again());
            record.fields.keys().cloned().collect()
        }
        Fix::Values(values) => {
            let row = patched(&record, &current.values, values)?;
            decide::check_row(&record, &row)?;
            let wrong: Vec<FieldName> = changed(&record, &current.values, &row);
            ensure!(!wrong.is_empty(), nothing_wrong());
            let row = Incoming { id: *first, line: None, values: row };
            apply(tx, &record, &[row], Change { cause, import: None, keep: &[] }).await?;
            // Someone may have written the row since it was read: what was put in would undo that.
            let after = history(tx, &record, key).await?;
            ensure!(after.len() == versions.len() + 1, fault::again());
            wrong
        }
    };
    Ok(wrong_since(record, &versions, columns))
}

/// The row with the values put in.
fn patched(record: &RecordType, row: &[Value], values: &[(FieldName, Value)]) -> Result<Vec<Value>, Problem> {
    let mut row = row.to_vec();
    for (name, value) in values {
        let at = record.fields.get_index_of(name).filter(|_| !record.key.contains(name));
        let cell = at.and_then(|it| row.get_mut(it)).ok_or_else(|| {
            Problem::new(
                Kind::Unprocessable,
                "registry.row",
                format!("信息项 {name} 不存在或属主键，不能更正；主键有误请移除该行后重新登记"),
                format!("{name} is no field, or one of the key, and cannot be corrected; take the row out instead"),
            )
            .field(format!("/row/{name}"))
        })?;
        cell.clone_from(value);
    }
    Ok(row)
}

fn changed(record: &RecordType, before: &[Value], after: &[Value]) -> Vec<FieldName> {
    let cells = record.fields.keys().zip(before.iter().zip(after));
    cells.filter(|(_, (before, after))| before != after).map(|(name, _)| name.clone()).collect()
}

/// From when on each column held the value that it has in the last version, and the versions from then on.
pub(crate) fn wrong_since(record: RecordType, versions: &[Version], columns: Vec<FieldName>) -> Corrected {
    let mut since = BTreeMap::new();
    let mut first = versions.len();
    if let Some(last) = versions.last() {
        for name in columns {
            let Some(at) = record.fields.get_index_of(&name) else { continue };
            let same = |it: &&Version| it.id == last.id && it.values.get(at) == last.values.get(at);
            let held = versions.iter().rev().take_while(same).count();
            let begin = versions.len() - held;
            first = first.min(begin);
            since.insert(name, versions[begin].from.cause.at);
        }
    }
    let versions = versions[first..].iter().map(|it| it.values.clone()).collect();
    Corrected { record, columns: since, versions }
}

/// What is known of a row that was corrected before or elsewhere: of the version that was there at `at`, everything, or
/// the columns named.
///
/// # Errors
/// `registry.type`, `registry.key`, `registry.no_row`.
pub async fn held(
    reader: &mut store::Reader,
    record: &RecordType,
    key: &[Value],
    columns: &[FieldName],
    at: Timestamp,
) -> Result<Corrected, Problem> {
    let mut versions = history(reader, record, key).await?;
    let then = versions.iter().filter(|it| it.from.cause.at <= at).count();
    versions.truncate(then.max(1));
    ensure!(!versions.is_empty(), no_row(record.name.as_str()));
    let named = |it: &&FieldName| columns.is_empty() || columns.contains(it);
    let columns = record.fields.keys().filter(named).cloned().collect();
    Ok(wrong_since(record.clone(), &versions, columns))
}

fn no_row(name: &str) -> Problem {
    Problem::new(
        Kind::Missing,
        "registry.no_row",
        format!("{name} 现无此主键的记录；其历史见 yunhe record history"),
        format!("{name} has no row with this key now; yunhe record history shows earlier ones"),
    )
    .field("/key")
}

fn nothing_wrong() -> Problem {
    Problem::new(
        Kind::Conflict,
        "registry.nothing_wrong",
        "所给的值与现值相同，无可更正；若核实无误请选择维持",
        "the values given are those of the row: nothing to correct; if it was right, say so instead",
    )
    .field("/row")
}
