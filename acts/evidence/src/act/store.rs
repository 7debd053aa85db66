//! Acts in SQL. The chain's one row is taken by every act, so that of two at once one waits and then goes on from what
//! the other left.

use super::{ActBody, ActFilter, StoredAct, export};
use crate::{
    Fault, Origin, Salt, digest_of_entry, entry,
    store::{LogRow, log_of, natural, no_log, proof_hashes},
    tile::Plan,
};
use std::collections::BTreeMap;
use store::{Arg, Reader, Row, Statement, Tx, args};
use vocabulary::{Digest, Problem, Timestamp, micros};

/// The tables.
pub(crate) const STEP: &str = "
    CREATE TABLE evidence_chain (id $INT NOT NULL PRIMARY KEY, number $INT NOT NULL, head $BYTES);
    INSERT INTO evidence_chain (id, number) VALUES (1, 0);
    CREATE TABLE evidence_act (
        number $INT NOT NULL PRIMARY KEY, entry $BYTES NOT NULL, act $TEXT NOT NULL, actor $TEXT NOT NULL,
        outcome $TEXT NOT NULL, at $INT NOT NULL);
    CREATE UNIQUE INDEX evidence_act_entry ON evidence_act (entry);
    CREATE INDEX evidence_act_at ON evidence_act (at, number)";

const NEXT: &str = "UPDATE evidence_chain SET number = number + 1 WHERE id = 1 RETURNING number, head";
/// Takes the chain: no act is numbered elsewhere until the unit of work is over.
const HOLD: &str = "UPDATE evidence_chain SET head = head WHERE id = 1";
const HEAD: &str = "UPDATE evidence_chain SET head = $1 WHERE id = 1";
const PUT: &str = "
    INSERT INTO evidence_act (number, entry, act, actor, outcome, at) VALUES ($1, $2, $3, $4, $5, $6)";
const ACT: &str = "
    SELECT number, evidence_act.entry AS entry, body, salt, log, position FROM evidence_act
      LEFT JOIN evidence_leaf ON evidence_leaf.entry = evidence_act.entry
     WHERE number = $1";
const RANGE: &str = "
    SELECT number, evidence_act.entry AS entry, body, salt, log, position FROM evidence_act
      LEFT JOIN evidence_leaf ON evidence_leaf.entry = evidence_act.entry
     WHERE number >= $1 AND number <= $2 ORDER BY number LIMIT $3";
const ACTS: &str = "
    SELECT number, evidence_act.entry AS entry, body, salt, log, position FROM evidence_act
      LEFT JOIN evidence_leaf ON evidence_leaf.entry = evidence_act.entry
     WHERE number < $1 AND ($2 = '' OR actor = $2) AND ($3 = '' OR act = $3) AND ($4 = '' OR outcome = $4)
           AND evidence_act.at >= $5 AND evidence_act.at <= $6
     ORDER BY number DESC LIMIT $7";
const PERIOD: &str = "
    SELECT COALESCE(MIN(number), 0) AS first, COALESCE(MAX(number), 0) AS last FROM evidence_act
     WHERE at >= $1 AND at <= $2";
const BEFORE: &str = "SELECT COALESCE(MAX(number), 0) AS last FROM evidence_act WHERE at < $1";
const LOG_OF_EPOCH: &str = "SELECT id FROM evidence_log WHERE origin = $1";
/// The first checkpoint in which a leaf stands: the same whenever it is asked for.
const CHECKPOINT_OF: &str = "
    SELECT size, note FROM evidence_checkpoint WHERE log = $1 AND size > $2 ORDER BY size LIMIT 1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, usize)] = &[
    (NEXT, 0),
    (HOLD, 0),
    (HEAD, 1),
    (PUT, 6),
    (ACT, 1),
    (RANGE, 3),
    (ACTS, 7),
    (PERIOD, 2),
    (BEFORE, 1),
    (LOG_OF_EPOCH, 1),
    (CHECKPOINT_OF, 2),
];

/// Takes the next number, with the digest of the act before it.
pub(super) async fn next(tx: &mut Tx) -> Result<(u64, Option<Digest>), Problem> {
    let row = tx.row(NEXT, args![]).await?.ok_or_else(no_log)?;
    let previous = row.opt_bytes("head")?.map(digest_of_entry).transpose()?;
    Ok((natural(row.int("number")?)?, previous))
}

pub(super) async fn put(tx: &mut Tx, body: &ActBody, digest: &Digest) -> Result<(), Problem> {
    let entry = entry(digest).to_vec();
    let values = args![int(body.number), entry.clone(), &body.act, &body.by, body.outcome.word(), micros(body.at)];
    tx.execute(PUT, values).await?;
    tx.execute(HEAD, args![entry]).await?;
    Ok(())
}

/// No number is beyond this.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn stored(row: &Row, epoch: Option<u32>) -> Result<StoredAct, Problem> {
    let index = row.opt_int("position")?.map(natural).transpose()?;
    Ok(StoredAct {
        number: natural(row.int("number")?)?,
        digest: digest_of_entry(row.bytes("entry")?)?,
        text: row.opt_text("body")?.map(str::to_owned),
        // A salt that somebody changed is told as gone: whoever verifies will see.
        salt: row.opt_bytes("salt")?.and_then(|it| it.try_into().ok()).map(Salt),
        place: epoch.zip(index),
    })
}

/// Acts with the epochs of their logs, of which there is one for each restore.
async fn placed(reader: &mut Reader, rows: Vec<Row>) -> Result<Vec<StoredAct>, Problem> {
    let mut epochs = BTreeMap::new();
    let mut all = Vec::new();
    for row in &rows {
        let log = row.opt_int("log")?;
        if let Some(log) = log.filter(|it| !epochs.contains_key(it)) {
            epochs.insert(log, log_of(reader, log).await?.map(|it| it.head.origin.epoch));
        }
        all.push(stored(row, log.and_then(|it| epochs.get(&it).copied().flatten()))?);
    }
    Ok(all)
}

pub(super) async fn act(reader: &mut Reader, number: u64) -> Result<Option<StoredAct>, Problem> {
    let rows = reader.rows(ACT, args![int(number)]).await?;
    Ok(placed(reader, rows).await?.pop())
}

pub(super) async fn range(reader: &mut Reader, low: u64, high: u64, limit: u32) -> Result<Vec<StoredAct>, Problem> {
    let rows = reader.rows(Statement::long(RANGE), args![int(low), int(high), limit]).await?;
    placed(reader, rows).await
}

pub(super) async fn acts(
    reader: &mut Reader,
    filter: &ActFilter,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<StoredAct>, Problem> {
    let outcome = filter.outcome.map_or("", super::Outcome::word);
    let (from, to) = (filter.from.map_or(i64::MIN, micros), filter.to.map_or(i64::MAX, micros));
    let before = before.map_or(i64::MAX, int);
    let mut values = args![before, &filter.by, &filter.act, outcome, from, to];
    values.push(Arg::from(limit));
    let rows = reader.rows(Statement::long(ACTS), values).await?;
    placed(reader, rows).await
}

pub(super) async fn period(tx: &mut Tx, from: Timestamp, to: Timestamp) -> Result<(u64, u64), Problem> {
    tx.execute(HOLD, args![]).await?;
    let row = tx.row(Statement::long(PERIOD), args![micros(from), micros(to)]).await?.ok_or_else(no_log)?;
    let (first, last) = (natural(row.int("first")?)?, natural(row.int("last")?)?);
    if first > 0 {
        return Ok((first, last));
    }
    let row = tx.row(Statement::long(BEFORE), args![micros(from)]).await?.ok_or_else(no_log)?;
    let last = natural(row.int("last")?)?;
    Ok((last + 1, last))
}

/// A log with the checkpoint that an export is proved by.
pub(super) struct Ended {
    log: LogRow,
    size: u64,
    note: String,
}

/// The checkpoint that the export which `began` so is proved by; none while its leaf is not published.
pub(super) async fn end(reader: &mut Reader, began: &StoredAct) -> Result<Option<Ended>, Problem> {
    let Some((epoch, index)) = began.place else { return Ok(None) };
    let Some(log) = of_epoch(reader, epoch).await? else { return Ok(None) };
    let Some(row) = reader.row(CHECKPOINT_OF, args![log.id, int(index)]).await? else { return Ok(None) };
    let (size, note) = (natural(row.int("size")?)?, row.text("note")?.to_owned());
    Ok(Some(Ended { log, size, note }))
}

async fn of_epoch(reader: &mut Reader, epoch: u32) -> Result<Option<LogRow>, Problem> {
    let Some(current) = crate::store::current(reader).await? else { return Ok(None) };
    let origin = Origin { epoch, ..current.head.origin };
    let Some(row) = reader.row(LOG_OF_EPOCH, args![origin.to_string()]).await? else { return Ok(None) };
    log_of(reader, row.int("id")?).await
}

/// The logs in which the acts of an export stand, each with the checkpoint it is proved by.
pub(super) struct Logs(Vec<Ended>);

impl Logs {
    pub(super) fn new(ended: Ended) -> Self {
        Self(vec![ended])
    }

    async fn of(&mut self, reader: &mut Reader, epoch: u32) -> Result<Option<&Ended>, Problem> {
        let known = |it: &Ended| it.log.head.origin.epoch == epoch;
        if !self.0.iter().any(known)
            && let Some(log) = of_epoch(reader, epoch).await?
            && let Some(note) = log.checkpoint.clone()
        {
            // A log that was given up ends where it ends.
            self.0.push(Ended { size: log.head.size, note, log });
        }
        Ok(self.0.iter().find(|it| known(it)))
    }

    /// The line of an act with its proof. What cannot be proved goes without one.
    pub(super) async fn prove(&mut self, reader: &mut Reader, act: StoredAct) -> Result<export::Line, Problem> {
        let mut path = None;
        if let Some((epoch, index)) = act.place
            && let Some(Ended { log, size, .. }) = self.of(reader, epoch).await?
            && index < *size
        {
            let hashes = match Plan::inclusion(index, *size) {
                Ok(plan) => proof_hashes(reader, log, plan).await,
                Err(fault) => Err(fault.into()),
            };
            path = Some(hashes?.iter().map(crate::checkpoint::hash_text).collect());
        }
        let (epoch, index) = act.place.unzip();
        Ok(export::Line {
            number: act.number,
            text: act.text,
            proof: export::Proof {
                number: act.number,
                digest: act.digest,
                salt: act.salt.map(|it| hex::encode(it.0)),
                epoch,
                index,
                path,
            },
        })
    }

    pub(super) async fn continued(
        &mut self,
        reader: &mut Reader,
        epoch: u32,
        from: u64,
    ) -> Result<Option<export::Continued>, Problem> {
        let Some(Ended { log, size, note }) = self.of(reader, epoch).await? else { return Ok(None) };
        if from > *size {
            return Ok(None);
        }
        let plan = Plan::consistency(from, *size).map_err(|it: Fault| Problem::from(it))?;
        let path = proof_hashes(reader, log, plan).await?;
        let path = path.iter().map(crate::checkpoint::hash_text).collect();
        Ok(Some(export::Continued { epoch, from, path, checkpoint: note.clone() }))
    }

    pub(super) fn checkpoints(&self) -> Vec<String> {
        self.0.iter().map(|it| it.note.clone()).collect()
    }
}
