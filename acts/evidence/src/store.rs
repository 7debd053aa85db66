//! The log in SQL: leaves, numbering, tiles, checkpoints. One text for SQLite and PostgreSQL.
//!
//! A leaf has no log and no position until it is numbered; its row is the truth, tiles follow from it. Statements over
//! many rows are built from constants and a number of placeholders, nothing else.

use crate::{
    Checkpoint, ENTRY_BYTES, Fault, Origin, Salt,
    decide::{Head, Pending, Publication},
    digest_of_entry, entry, merkle,
    sequence::LogStore,
    tile::{Edge, Plan, TilePath, Tiles},
};
use store::{Arg, Reader, Row, Statement, Store, Tx, args, transact};
use vocabulary::{Digest, Kind, Problem, Timestamp, ensure, micros, timestamp_from_micros};

/// The tables.
pub(crate) const STEPS: &[&str] = &[
    "
    CREATE TABLE evidence_log (
        id $SERIAL, origin $TEXT NOT NULL UNIQUE, numbered $INT NOT NULL, size $INT NOT NULL, root $BYTES NOT NULL,
        checkpoint $TEXT, at $INT NOT NULL);
    CREATE TABLE evidence_leaf (
        id $SERIAL, log $INT, position $INT, entry $BYTES NOT NULL, kind $TEXT NOT NULL, body $TEXT, salt $BYTES,
        at $INT NOT NULL);
    CREATE UNIQUE INDEX evidence_leaf_entry ON evidence_leaf (entry);
    CREATE UNIQUE INDEX evidence_leaf_position ON evidence_leaf (log, position) WHERE position IS NOT NULL;
    CREATE INDEX evidence_leaf_pending ON evidence_leaf (id) WHERE position IS NULL;
    CREATE TABLE evidence_tile (
        log $INT NOT NULL, path $TEXT NOT NULL, bytes $BYTES NOT NULL, PRIMARY KEY (log, path));
    CREATE TABLE evidence_checkpoint (
        log $INT NOT NULL, size $INT NOT NULL, note $TEXT NOT NULL, at $INT NOT NULL, PRIMARY KEY (log, size))",
    crate::act::STEP,
];

/// Leaves per inserting statement, largest first: few texts, so that each stays prepared.
const LEAF_ROWS: [usize; 3] = [64, 8, 1];
const DAY_MICROS: i64 = 86_400_000_000;
/// Tiles per statement.
const TILE_ROWS: usize = 16;

const CURRENT: &str = "SELECT id, origin, numbered, size, root, checkpoint FROM evidence_log ORDER BY id DESC LIMIT 1";
const NEW_LOG: &str = "
    INSERT INTO evidence_log (origin, numbered, size, root, at) VALUES ($1, $2, 0, $3, $4)
     ON CONFLICT (origin) DO NOTHING RETURNING id";
/// What was numbered and not published when its log was given up stands in the next one.
const RELEASE: &str = "UPDATE evidence_leaf SET log = NULL, position = NULL WHERE log = $1 AND position >= $2";
const FIRST_LEAF: &str = "
    INSERT INTO evidence_leaf (log, position, entry, kind, body, salt, at) VALUES ($1, 0, $2, $3, $4, $5, $6)";
/// From the oldest leaf that waits to the newest of all: two looks into indices, where counting would walk one.
const BEHIND: &str = "
    SELECT COALESCE((SELECT MAX(id) FROM evidence_leaf)
                  - (SELECT id FROM evidence_leaf WHERE position IS NULL ORDER BY id LIMIT 1) + 1, 0) AS behind";
const UNNUMBERED: &str = "SELECT COUNT(*) AS count FROM evidence_leaf WHERE position IS NULL";
const WAITING: &str = "SELECT id FROM evidence_leaf WHERE position IS NULL ORDER BY id LIMIT 1";
/// Takes the log's row, so that of two numbering at once one waits and then sees what the other did.
const TAKE: &str = "
    UPDATE evidence_log SET numbered = numbered WHERE id = (SELECT MAX(id) FROM evidence_log) RETURNING id, numbered";
const NUMBER: &str = "
    UPDATE evidence_leaf SET log = $1, position = $2 + waiting.n - 1
      FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS n FROM evidence_leaf
             WHERE position IS NULL ORDER BY id LIMIT $3) AS waiting
     WHERE evidence_leaf.id = waiting.id";
const NUMBERED: &str = "UPDATE evidence_log SET numbered = $3 WHERE id = $1 AND numbered = $2";
const ENTRIES: &str = "
    SELECT entry FROM evidence_leaf
     WHERE log = $1 AND position IS NOT NULL AND position >= $2 AND position < $3 ORDER BY position";
const SWAP: &str = "
    UPDATE evidence_log SET size = $3, root = $4, checkpoint = $5, at = $6
     WHERE origin = $1 AND size = $2 AND numbered >= $3 AND (size < $3 OR checkpoint IS NULL) RETURNING id";
const KEEP_CHECKPOINT: &str = "INSERT INTO evidence_checkpoint (log, size, note, at) VALUES ($1, $2, $3, $4)";
const DROP_PARTIAL: &str = "DELETE FROM evidence_tile WHERE log = $1 AND path > $2 AND path < $3";
const DROP_TILES: &str = "DELETE FROM evidence_tile WHERE log = $1";
const TILES: &str = "
    SELECT path, bytes FROM evidence_tile WHERE log = $1 AND path IN
      ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
const CHECKPOINT_AT: &str = "SELECT note FROM evidence_checkpoint WHERE log = $1 AND size = $2";
const LEAF: &str = "
    SELECT entry, kind, body, salt, at, position, log FROM evidence_leaf WHERE entry = $1";
const LEAVES: &str = "
    SELECT entry, kind, body, salt, at, position, log FROM evidence_leaf
     WHERE log = $1 AND position IS NOT NULL AND position >= $2 ORDER BY position LIMIT $3";
/// An act stays until its time is over.
const ERASE: &str = "
    UPDATE evidence_leaf SET body = NULL, salt = NULL
     WHERE entry = $1 AND salt IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM evidence_act WHERE evidence_act.entry = $1 AND evidence_act.at > $2)";
const LOG_OF: &str = "SELECT id, origin, numbered, size, root, checkpoint FROM evidence_log WHERE id = $1";

/// A leaf to be appended.
#[derive(Clone, Debug)]
pub struct NewLeaf {
    /// What sort of body: `exchange.receipt`.
    pub kind: &'static str,
    /// What is committed to, as canonical JSON.
    pub body: String,
    /// What hides it.
    pub salt: Salt,
}

impl NewLeaf {
    /// Its digest.
    pub fn digest(&self) -> Digest {
        crate::leaf_digest(vocabulary::Suite::default(), &self.salt, self.body.as_bytes())
    }
}

/// A leaf as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLeaf {
    /// `H(salt ‖ body)`.
    pub digest: Digest,
    /// What sort of body.
    pub kind: String,
    /// The body, until it is erased.
    pub body: Option<String>,
    /// The salt, until it is erased.
    pub salt: Option<Salt>,
    /// When it was appended.
    pub at: Timestamp,
    /// Its index in its log, once it is numbered.
    pub position: Option<u64>,
}

/// A log's row.
pub(crate) struct LogRow {
    pub(crate) id: i64,
    pub(crate) numbered: u64,
    pub(crate) head: Head,
    pub(crate) checkpoint: Option<String>,
}

fn log_row(row: &Row) -> Result<LogRow, Problem> {
    let checkpoint = row.opt_text("checkpoint")?.map(str::to_owned);
    let root = row.bytes("root")?.try_into().map_err(|_| broken("root"))?;
    let head = Head {
        origin: row.text("origin")?.parse::<Origin>()?,
        size: natural(row.int("size")?)?,
        root,
        signed: checkpoint.is_some(),
    };
    Ok(LogRow { id: row.int("id")?, numbered: natural(row.int("numbered")?)?, head, checkpoint })
}

fn leaf_row(row: &Row) -> Result<StoredLeaf, Problem> {
    let salt = row.opt_bytes("salt")?.map(TryInto::try_into).transpose().map_err(|_| broken("salt"))?;
    Ok(StoredLeaf {
        digest: digest_of_entry(row.bytes("entry")?)?,
        kind: row.text("kind")?.to_owned(),
        body: row.opt_text("body")?.map(str::to_owned),
        salt: salt.map(Salt),
        at: timestamp_from_micros(row.int("at")?)?,
        position: row.opt_int("position")?.map(natural).transpose()?,
    })
}

pub(crate) async fn current(reader: &mut Reader) -> Result<Option<LogRow>, Problem> {
    reader.row(CURRENT, args![]).await?.as_ref().map(log_row).transpose()
}

/// Lets go of the leaves that a log numbered and did not publish: the next log numbers them.
pub(crate) async fn release(tx: &mut Tx, log: &LogRow) -> Result<u64, Problem> {
    tx.execute(Statement::long(RELEASE), args![log.id, integer(log.head.size)?]).await
}

/// How many leaves wait to be numbered, and how many to be published.
pub(crate) async fn waiting(reader: &mut Reader) -> Result<u64, Problem> {
    let unnumbered = reader.row(Statement::long(UNNUMBERED), args![]).await?.map_or(Ok(0), |it| it.int("count"))?;
    let unpublished = current(reader).await?.map_or(0, |it| it.numbered - it.head.size);
    Ok(natural(unnumbered)? + unpublished)
}

/// Makes the row of a new log; with a first leaf that is numbered at once. Says false when it was there already.
pub(crate) async fn new_log(
    tx: &mut Tx,
    origin: &Origin,
    first: Option<&NewLeaf>,
    now: Timestamp,
) -> Result<bool, Problem> {
    let root = merkle::empty_root();
    let row = tx.row(NEW_LOG, args![origin.to_string(), first.is_some(), root, micros(now)]).await?;
    let Some(row) = row else { return Ok(false) };
    if let Some(leaf) = first {
        let bytes = entry(&leaf.digest()).to_vec();
        let args = args![row.int("id")?, bytes, leaf.kind, &leaf.body, leaf.salt.0, micros(now)];
        tx.execute(FIRST_LEAF, args).await?;
    }
    Ok(true)
}

/// `($1, $2), ($3, $4)`: `rows` groups of `columns` placeholders.
fn placeholders(rows: usize, columns: usize) -> String {
    let group = |row: usize| {
        let names = (1..=columns).map(|it| format!("${}", row * columns + it)).collect::<Vec<_>>();
        format!("({})", names.join(", "))
    };
    (0..rows).map(group).collect::<Vec<_>>().join(", ")
}

fn insert_leaves(rows: usize) -> Statement {
    let values = placeholders(rows, 5);
    Statement::built(format!("INSERT INTO evidence_leaf (entry, kind, body, salt, at) VALUES {values}")).brief()
}

fn insert_tiles(rows: usize) -> Statement {
    let values = placeholders(rows, 3);
    Statement::built(format!(
        "INSERT INTO evidence_tile (log, path, bytes) VALUES {values} ON CONFLICT (log, path) DO NOTHING"
    ))
    .brief()
}

/// How many leaves wait for the sequencer, at most: ids of transactions that were given up count along.
pub(crate) async fn behind(reader: &mut Reader) -> Result<u64, Problem> {
    let row = reader.row(BEHIND, args![]).await?;
    row.map_or(Ok(0), |it| natural(it.int("behind")?))
}

pub(crate) async fn insert(tx: &mut Tx, leaves: &[NewLeaf], now: Timestamp) -> Result<Vec<Digest>, Problem> {
    let digests = leaves.iter().map(NewLeaf::digest).collect::<Vec<_>>();
    let mut rest = leaves.iter().zip(&digests).collect::<Vec<_>>();
    while let Some(rows) = LEAF_ROWS.into_iter().find(|it| *it <= rest.len()) {
        let args = rest
            .drain(..rows)
            .flat_map(|(leaf, digest)| args![entry(digest).to_vec(), leaf.kind, &leaf.body, leaf.salt.0, micros(now)]);
        let args = args.collect();
        tx.execute(insert_leaves(rows), args).await?;
    }
    Ok(digests)
}

/// Reads tiles, or the full ones of the same places.
pub(crate) async fn tiles(
    reader: &mut Reader,
    log: i64,
    paths: impl IntoIterator<Item = TilePath>,
) -> Result<Tiles, Problem> {
    let wanted = paths.into_iter().flat_map(|it| [it, it.full()]).collect::<std::collections::BTreeSet<_>>();
    let wanted = wanted.into_iter().collect::<Vec<_>>();
    let mut found = Tiles::new();
    for chunk in wanted.chunks(TILE_ROWS) {
        let mut args = args![log];
        args.extend(chunk.iter().map(|it| Arg::Text(it.to_string())));
        args.resize(TILE_ROWS + 1, Arg::Text(String::new()));
        for row in reader.rows(TILES, args).await? {
            found.insert(row.text("path")?.parse()?, row.bytes("bytes")?.to_vec());
        }
    }
    Ok(found)
}

pub(crate) async fn put_tiles(tx: &mut Tx, log: i64, tiles: &[(TilePath, Vec<u8>)]) -> Result<(), Problem> {
    let mut rest = tiles;
    while !rest.is_empty() {
        let rows = if rest.len() < TILE_ROWS { 1 } else { TILE_ROWS };
        let (now, later) = rest.split_at(rows);
        let args = now.iter().flat_map(|(path, bytes)| args![log, path.to_string(), bytes.as_slice()]).collect();
        tx.execute(insert_tiles(rows), args).await?;
        rest = later;
    }
    Ok(())
}

/// Drops all tiles of a log and makes them again from its leaves, in pages.
pub(crate) async fn rebuild(tx: &mut Tx, page: u64) -> Result<u64, Problem> {
    let log = current(tx).await?.ok_or_else(no_log)?;
    tx.execute(Statement::long(DROP_TILES), args![log.id]).await?;
    let mut edge = Edge::default();
    while edge.size() < log.head.size {
        let to = log.head.size.min(edge.size() + page);
        let entries = entries(tx, log.id, edge.size(), to).await?;
        let mut tiles = edge.append(&entries);
        tiles.retain(|(path, _)| path.is_full() || to == log.head.size);
        put_tiles(tx, log.id, &tiles).await?;
    }
    ensure!(edge.root() == log.head.root, Fault::RootDiffers);
    Ok(log.head.size)
}

async fn entries(reader: &mut Reader, log: i64, from: u64, to: u64) -> Result<Vec<[u8; ENTRY_BYTES]>, Problem> {
    let rows = reader.rows(Statement::long(ENTRIES), args![log, integer(from)?, integer(to)?]).await?;
    ensure!(u64::try_from(rows.len()) == Ok(to - from), broken("positions"));
    rows.iter().map(|it| it.bytes("entry")?.try_into().map_err(|_| broken("entry"))).collect()
}

pub(crate) async fn proof_hashes(
    reader: &mut Reader,
    log: &LogRow,
    plan: Plan,
) -> Result<Vec<vocabulary::Hash>, Problem> {
    let plan = plan.from_tiles_of(log.head.size);
    let tiles = tiles(reader, log.id, plan.tiles()).await?;
    Ok(plan.hashes(&tiles)?)
}

pub(crate) async fn leaf(
    reader: &mut Reader,
    digest: &Digest,
) -> Result<Option<(StoredLeaf, Option<LogRow>)>, Problem> {
    let Some(row) = reader.row(LEAF, args![entry(digest).to_vec()]).await? else { return Ok(None) };
    let leaf = leaf_row(&row)?;
    let Some(log) = row.opt_int("log")? else { return Ok(Some((leaf, None))) };
    Ok(Some((leaf, log_of(reader, log).await?)))
}

pub(crate) async fn log_of(reader: &mut Reader, id: i64) -> Result<Option<LogRow>, Problem> {
    reader.row(LOG_OF, args![id]).await?.as_ref().map(log_row).transpose()
}

pub(crate) async fn leaves(reader: &mut Reader, from: u64, limit: u32) -> Result<Vec<StoredLeaf>, Problem> {
    let Some(log) = current(reader).await? else { return Ok(Vec::new()) };
    reader.rows(Statement::long(LEAVES), args![log.id, integer(from)?, limit]).await?.iter().map(leaf_row).collect()
}

pub(crate) async fn checkpoint_at(reader: &mut Reader, size: u64) -> Result<Option<String>, Problem> {
    let Some(log) = current(reader).await? else { return Ok(None) };
    let row = reader.row(CHECKPOINT_AT, args![log.id, integer(size)?]).await?;
    row.map(|it| it.text("note").map(str::to_owned)).transpose()
}

pub(crate) async fn erase(tx: &mut Tx, digests: &[Digest], now: Timestamp) -> Result<u64, Problem> {
    let (mut erased, kept_from) = (0, micros(now) - crate::act::ACTS_KEPT_DAYS * DAY_MICROS);
    for digest in digests {
        erased += tx.execute(ERASE, args![entry(digest).to_vec(), kept_from]).await?;
    }
    Ok(erased)
}

/// The sequencer's steps on a database.
pub(crate) struct SqlLog {
    pub(crate) store: Store,
}

impl LogStore for SqlLog {
    async fn number(&mut self, at_most: u64) -> Result<(), Problem> {
        if self.store.read().await?.row(WAITING, args![]).await?.is_none() {
            return Ok(());
        }
        transact!(self.store, None, |tx| number(tx, at_most).await)
    }

    async fn pending(&mut self, at_most: u64) -> Result<Pending, Problem> {
        let mut reader = self.store.snapshot().await?;
        let log = current(&mut reader).await?.ok_or_else(no_log)?;
        let to = log.numbered.min(log.head.size + at_most);
        let entries = entries(&mut reader, log.id, log.head.size, to).await?;
        let edge = if entries.is_empty() && log.head.signed { Vec::new() } else { Edge::paths(log.head.size) };
        let edge = tiles(&mut reader, log.id, edge).await?;
        Ok(Pending { head: log.head, edge, entries })
    }

    async fn publish(&mut self, next: &Publication, now: Timestamp) -> Result<bool, Problem> {
        transact!(self.store, None, |tx| publish(tx, next, now).await)
    }
}

async fn number(tx: &mut Tx, at_most: u64) -> Result<(), Problem> {
    let log = tx.row(TAKE, args![]).await?.ok_or_else(no_log)?;
    let (id, numbered) = (log.int("id")?, log.int("numbered")?);
    let added = tx.execute(Statement::long(NUMBER), args![id, numbered, integer(at_most)?]).await?;
    let changed = tx.execute(NUMBERED, args![id, numbered, numbered + integer(added)?]).await?;
    ensure!(changed == 1, broken("numbered"));
    Ok(())
}

async fn publish(tx: &mut Tx, next: &Publication, now: Timestamp) -> Result<bool, Problem> {
    let Checkpoint { origin, size, root } = &next.checkpoint;
    let (size, at) = (integer(*size)?, micros(now));
    let args = args![origin.to_string(), integer(next.from)?, size, *root, &next.note, at];
    let Some(row) = tx.row(SWAP, args).await? else { return Ok(false) };
    let log = row.int("id")?;
    tx.execute(KEEP_CHECKPOINT, args![log, size, &next.note, at]).await?;
    put_tiles(tx, log, &next.tiles).await?;
    for path in &next.filled {
        // Between `….p/` and `….p0`: all its partial forerunners, since `0` follows `/`.
        tx.execute(Statement::long(DROP_PARTIAL), args![log, format!("{path}.p/"), format!("{path}.p0")]).await?;
    }
    Ok(true)
}

fn integer(number: u64) -> Result<i64, Problem> {
    i64::try_from(number).map_err(|_| broken("size"))
}

pub(crate) fn natural(number: i64) -> Result<u64, Problem> {
    u64::try_from(number).map_err(|_| broken("position"))
}

pub(crate) fn no_log() -> Problem {
    Problem::new(
        Kind::Unavailable,
        "evidence.no_log",
        "本机构尚无日志；请先初始化节点（yunhe init）",
        "this organisation has no log yet; initialise the node first (yunhe init)",
    )
}

fn broken(what: &'static str) -> Problem {
    tracing::error!(what, "the log's rows contradict one another");
    Problem::new(
        Kind::Internal,
        "evidence.broken",
        format!("日志数据自相矛盾（{what}），未签发新检查点；请从备份恢复"),
        format!("the log's rows contradict one another ({what}); nothing was signed; restore from a backup"),
    )
}
