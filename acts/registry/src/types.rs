//! Record types: installed as tables, revised by addition, read back.

use crate::{
    ask::Install,
    change::{Announcement, Cause, announce},
    decide, fault,
    sql::Table,
    store as sql,
};
use policy::Permit;
use schema::RecordType;
use store::{Reader, Store, Tx, args};
use vocabulary::{Problem, ResourceId, Timestamp, ensure, micros};

/// A record type as it is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The revision, from 1.
    pub revision: i64,
    /// What it says.
    pub record: RecordType,
}

/// Brings the registry's own tables up to date.
///
/// # Errors
/// As [`Store::migrate`].
pub async fn migrate(store: &Store) -> Result<(), Problem> {
    store.migrate("registry", sql::STEPS).await
}

/// Makes a record type a table, or adds to its table what a later revision adds; says the revision then in force. A
/// declaration that is in force already changes nothing.
///
/// # Errors
/// `registry.name` for a name too long for a table, `registry.revision` for what is not an addition,
/// `schema.flaws` for a declaration that is flawed in itself.
pub async fn install(tx: &mut Tx, permit: &Permit<Install>, now: Timestamp) -> Result<i64, Problem> {
    let record = &permit.ask().record;
    Table::check_name(record)?;
    let flaws = record.flaws();
    ensure!(flaws.is_empty(), schema::flaws_problem(&flaws));
    let definition = serde_json::to_string(record).map_err(|it| fault::internal("definition", &it))?;
    let dialect = tx.dialect();
    let row = tx.row(sql::TYPE_READ, args![record.name.as_str()]).await?;
    let (revision, statements) = match row {
        None => {
            let added = tx.row(sql::TYPE_ADD, args![record.name.as_str(), definition, micros(now)]).await;
            let added = added.map_err(raced)?.ok_or_else(|| fault::internal("type", &"no number"))?;
            (1, Table::new(record, dialect).create(added.int("number")?))
        }
        Some(row) => {
            let (revision, old) = (row.int("revision")?, row.json::<RecordType>("definition")?);
            if old == *record {
                return Ok(revision);
            }
            decide::check_revision(&old, record)?;
            let revised = tx.execute(sql::TYPE_REVISE, args![record.name.as_str(), revision, definition, micros(now)]);
            ensure!(revised.await? == 1, fault::again());
            (revision + 1, Table::new(record, dialect).extend(row.int("number")?, &old))
        }
    };
    for statement in statements {
        tx.execute(statement, vec![]).await?;
    }
    let cause = Cause::new(permit.principal(), "install", now);
    announce(tx, &Announcement::Type { revision, definition: Box::new(record.clone()), cause }).await?;
    Ok(revision)
}

/// Two nodes installing the same type at once: the second reads what the first has done.
fn raced(problem: Problem) -> Problem {
    if problem.code == "store.duplicate" { fault::again() } else { problem }
}

/// All record types, by name.
///
/// # Errors
/// As [`Reader::rows`].
pub async fn types(reader: &mut Reader) -> Result<Vec<Installed>, Problem> {
    let rows = reader.rows(sql::TYPE_LIST, vec![]).await?;
    rows.iter().map(|it| Ok(Installed { revision: it.int("revision")?, record: it.json("definition")? })).collect()
}

/// The record type of that name.
///
/// # Errors
/// `registry.type` when there is none.
pub async fn record_type(reader: &mut Reader, name: &ResourceId) -> Result<Installed, Problem> {
    let row = reader.row(sql::TYPE_READ, args![name.as_str()]).await?.ok_or_else(|| fault::unknown(name))?;
    Ok(Installed { revision: row.int("revision")?, record: row.json("definition")? })
}
