//! Catalogue entries in SQL: the organisation's own, and those of others with the member that told us.
//!
//! A withdrawn entry keeps its row without a body, so that its revisions go on counting.

use crate::{
    Change, Entry, FORMAT, Publication, Publish, SecrecyReview, Withdraw, compile,
    decide::{self, ENTRY_BYTES_MAX, Known},
    harvest::broken,
};
use evidence::{NewLeaf, Salt};
use policy::{Permit, Principal};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Reader, Row, Store, Tx, args};
use vocabulary::{
    Digest, Kind, OrganisationId, Problem, ResourceId, Timestamp, canonical_bytes, date_in_shanghai, ensure, micros,
    timestamp_from_micros,
};

/// The feed of changes to the catalogue, harvested ones too: whoever follows it has the whole.
pub const FEED: &str = "catalog";
/// A page of entries is at most this long.
pub const ENTRIES_PAGE_MAX: u32 = 1_000;

const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/001.sql"),
    include_str!("../migrations/002.sql"),
    include_str!("../migrations/003.sql"),
    include_str!("../migrations/004.sql"),
    include_str!("../migrations/005.sql"),
];

const KNOWN: &str = "
    SELECT revision, digest, via, CASE WHEN body IS NULL THEN 1 ELSE 0 END AS withdrawn
      FROM catalog_entry WHERE organisation = $1 AND entry = $2";
/// The guard on the revision lets one of two that publish at once lose.
const PUT: &str = "
    INSERT INTO catalog_entry (organisation, entry, code, revision, digest, body, via, at, open)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (organisation, entry) DO UPDATE
       SET code = excluded.code, revision = excluded.revision, digest = excluded.digest, body = excluded.body,
           via = excluded.via, at = excluded.at, open = excluded.open
     WHERE excluded.via IS NOT NULL OR catalog_entry.revision < excluded.revision";
const REMOVE: &str = "
    UPDATE catalog_entry SET body = NULL, revision = $3, at = $4
     WHERE organisation = $1 AND entry = $2 AND body IS NOT NULL";
const ENTRY: &str = "SELECT body FROM catalog_entry WHERE organisation = $1 AND entry = $2 AND body IS NOT NULL";
const BY_CODE: &str = "
    SELECT body FROM catalog_entry WHERE code = $1 AND body IS NOT NULL ORDER BY organisation, entry LIMIT $2";
const ENTRIES: &str = "
    SELECT body FROM catalog_entry WHERE (organisation > $1 OR organisation = $1 AND entry > $2) AND body IS NOT NULL
     ORDER BY organisation, entry LIMIT $3";
const OPEN_ENTRIES: &str = "
    SELECT body FROM catalog_entry
     WHERE (organisation > $1 OR organisation = $1 AND entry > $2) AND open = 1 AND body IS NOT NULL
     ORDER BY organisation, entry LIMIT $3";
const COUNT: &str = "SELECT COUNT(*) AS count FROM catalog_entry WHERE body IS NOT NULL";
const VIA: &str = "SELECT organisation, entry, revision FROM catalog_entry WHERE via = $1 AND body IS NOT NULL";
const FORGET_VIA: &str = "DELETE FROM catalog_entry WHERE via = $1";
/// Takes the source's row, so that of two that harvest one peer the second waits and then sees what the first took.
const TAKE_SOURCE: &str = "
    INSERT INTO catalog_source (organisation, epoch, position, at) VALUES ($1, $2, 0, $3)
        ON CONFLICT (organisation) DO UPDATE SET at = $3 RETURNING epoch, position, at";
const SET_SOURCE: &str = "UPDATE catalog_source SET epoch = $2, position = $3, at = $4 WHERE organisation = $1";
const DROP_SOURCE: &str = "DELETE FROM catalog_source WHERE organisation = $1";
const SOURCE: &str = "SELECT epoch, position, at FROM catalog_source WHERE organisation = $1";
const SOURCES: &str = "SELECT organisation, epoch, position, at FROM catalog_source ORDER BY organisation LIMIT $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, usize)] = &[
    (KNOWN, 2),
    (PUT, 9),
    (REMOVE, 4),
    (ENTRY, 2),
    (BY_CODE, 2),
    (ENTRIES, 3),
    (OPEN_ENTRIES, 3),
    (COUNT, 0),
    (VIA, 1),
    (FORGET_VIA, 1),
    (TAKE_SOURCE, 3),
    (SET_SOURCE, 4),
    (DROP_SOURCE, 1),
    (SOURCE, 1),
    (SOURCES, 1),
];

/// Makes or updates the tables.
///
/// # Errors
/// What the store says.
pub async fn migrate(store: &Store) -> Result<(), Problem> {
    store.migrate("catalog", MIGRATIONS).await
}

/// What publishing came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The entry's revision now.
    pub revision: i64,
    /// The digest of the publication.
    pub digest: Digest,
    /// False when the catalogue said just this already.
    pub changed: bool,
}

/// How far a peer's feed has been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Of which history.
    pub epoch: String,
    /// To where.
    pub position: i64,
    /// When last.
    pub at: Timestamp,
}

/// Publishes an entry of the own organisation, or changes it. The same again changes nothing.
///
/// # Errors
/// `catalog.secrecy_review` without its confirmation, `catalog.entry` with every flaw, `catalog.code_taken`,
/// `catalog.compiled` when it has a compilation of its own, `catalog.concurrent` when somebody else changed it at the
/// same time.
pub async fn publish(tx: &mut Tx, permit: &Permit<Publish>, salt: Salt, now: Timestamp) -> Result<Published, Problem> {
    let Publish { entry, review } = permit.ask();
    let review = review.as_ref().ok_or_else(|| unreviewed(&entry.entry))?;
    let flaws = decide::flaws(entry, date_in_shanghai(now));
    ensure!(flaws.is_empty(), decide::problem(entry, &flaws));
    let compiled = compile::store::is_compiled(tx, &entry.entry).await?;
    let done = publish_entry(tx, permit.principal(), (entry, review), salt, now).await?;
    ensure!(!done.changed || !compiled, compile_instead(&entry.entry));
    Ok(done)
}

/// Publishes what was judged before.
pub(crate) async fn publish_entry(
    tx: &mut Tx,
    principal: &Principal,
    (entry, review): (&Entry, &SecrecyReview),
    salt: Salt,
    now: Timestamp,
) -> Result<Published, Problem> {
    let own = &principal.organisation;
    let row = tx.row(KNOWN, args![own.as_str(), entry.entry.as_str()]).await?;
    let (before, digest_before, withdrawn) = match &row {
        Some(row) => (row.int("revision")?, Some(row.text("digest")?.parse::<Digest>()?), row.flag("withdrawn")?),
        None => (0, None, true),
    };
    let publication = |revision| Publication {
        format: FORMAT.to_owned(),
        organisation: own.clone(),
        revision,
        entry: Entry::clone(entry),
    };
    let same = publication(before).digest()?;
    if !withdrawn && digest_before == Some(same) {
        return Ok(Published { revision: before, digest: same, changed: false });
    }
    let publication = publication(before + 1);
    let digest = publication.digest()?;
    put(tx, &publication, None, now).await.map_err(|it| taken(it, &entry.code))?;
    compile::store::pass_code(tx, &entry.code).await?;
    let body = json!({"entry": entry.entry, "revision": publication.revision, "digest": digest, "review": review});
    leave(tx, principal, ("catalog.publish", body), salt, now).await?;
    Ok(Published { revision: publication.revision, digest, changed: true })
}

/// Takes an entry of the own organisation out of the catalogue.
///
/// # Errors
/// `catalog.no_entry`, `catalog.compiled` when it has a compilation of its own.
pub async fn withdraw(tx: &mut Tx, permit: &Permit<Withdraw>, salt: Salt, now: Timestamp) -> Result<(), Problem> {
    let Withdraw { entry, reason } = permit.ask();
    withdraw_entry(tx, permit.principal(), (entry, reason), salt, now).await?;
    ensure!(!compile::store::is_compiled(tx, entry).await?, compile_instead(entry));
    Ok(())
}

/// Takes out what was judged before.
pub(crate) async fn withdraw_entry(
    tx: &mut Tx,
    principal: &Principal,
    (entry, reason): (&ResourceId, &str),
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let own = &principal.organisation;
    let known = known(tx, own, entry).await?.filter(|it| !it.withdrawn);
    let revision = known.ok_or_else(|| no_entry(own, entry))?.revision + 1;
    remove(tx, own, entry, revision, now).await?;
    let body = json!({"entry": entry, "revision": revision, "reason": reason});
    leave(tx, principal, ("catalog.withdraw", body), salt, now).await
}

pub(crate) async fn leave(
    tx: &mut Tx,
    principal: &Principal,
    (kind, about): (&'static str, serde_json::Value),
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let body = json!({
        "format": "yunhe-catalogue-act/1",
        "act": kind,
        "by": principal.actor.to_string(),
        "organisation": principal.organisation,
        "at": now,
        "about": about,
    });
    let body = String::from_utf8(canonical_bytes(&body)?).unwrap_or_default();
    evidence::append(tx, &NewLeaf { kind, body, salt }, now).await.map(|_| ())
}

/// The entry, unless it is withdrawn or was never there.
///
/// # Errors
/// As the store's.
pub async fn entry(
    reader: &mut Reader,
    organisation: &OrganisationId,
    entry: &ResourceId,
) -> Result<Option<Publication>, Problem> {
    reader.row(ENTRY, args![organisation.as_str(), entry.as_str()]).await?.map(|it| it.json("body")).transpose()
}

/// The entries that carry `code`: several organisations may give out the same one.
///
/// # Errors
/// As the store's.
pub async fn by_code(reader: &mut Reader, code: &str) -> Result<Vec<Publication>, Problem> {
    reader.rows(BY_CODE, args![code, ENTRIES_PAGE_MAX]).await?.iter().map(|it| it.json("body")).collect()
}

/// The entries behind `after` by organisation and name, at most `limit` ([`ENTRIES_PAGE_MAX`] at most).
///
/// # Errors
/// As the store's.
pub async fn entries(
    reader: &mut Reader,
    after: Option<(&OrganisationId, &ResourceId)>,
    limit: u32,
) -> Result<Vec<Publication>, Problem> {
    page(reader, ENTRIES, after.map(|(one, other)| (one, Some(other))), limit).await
}

/// The entries of one organisation behind `after` by name, from the first on where nothing is given; at most `limit`
/// ([`ENTRIES_PAGE_MAX`] at most).
///
/// # Errors
/// As the store's.
pub async fn entries_of(
    reader: &mut Reader,
    organisation: &OrganisationId,
    after: Option<&ResourceId>,
    limit: u32,
) -> Result<Vec<Publication>, Problem> {
    let mut found = page(reader, ENTRIES, Some((organisation, after)), limit).await?;
    found.retain(|it| it.organisation == *organisation);
    Ok(found)
}

/// As [`entries`], but only those that are open to the public (开放属性).
///
/// # Errors
/// As the store's.
pub async fn open_entries(
    reader: &mut Reader,
    after: Option<(&OrganisationId, &ResourceId)>,
    limit: u32,
) -> Result<Vec<Publication>, Problem> {
    page(reader, OPEN_ENTRIES, after.map(|(one, other)| (one, Some(other))), limit).await
}

async fn page(
    reader: &mut Reader,
    statement: &'static str,
    after: Option<(&OrganisationId, Option<&ResourceId>)>,
    limit: u32,
) -> Result<Vec<Publication>, Problem> {
    let (organisation, entry) =
        after.map_or(("", ""), |(one, other)| (one.as_str(), other.map_or("", ResourceId::as_str)));
    let rows = reader.rows(statement, args![organisation, entry, limit.min(ENTRIES_PAGE_MAX)]).await?;
    rows.iter().map(|it| it.json("body")).collect()
}

/// How many entries there are.
///
/// # Errors
/// As the store's.
pub async fn count(reader: &mut Reader) -> Result<i64, Problem> {
    reader.row(COUNT, args![]).await?.map_or(Ok(0), |it| it.int("count"))
}

/// How far each peer's feed has been read.
///
/// # Errors
/// As the store's.
pub async fn sources(reader: &mut Reader) -> Result<Vec<(OrganisationId, Source)>, Problem> {
    let rows = reader.rows(SOURCES, args![ENTRIES_PAGE_MAX]).await?;
    rows.iter().map(|it| Ok((OrganisationId::new(it.text("organisation")?)?, source_of(it)?))).collect()
}

pub(crate) async fn source(reader: &mut Reader, from: &OrganisationId) -> Result<Option<Source>, Problem> {
    reader.row(SOURCE, args![from.as_str()]).await?.as_ref().map(source_of).transpose()
}

pub(crate) async fn take_source(
    tx: &mut Tx,
    from: &OrganisationId,
    epoch: &str,
    now: Timestamp,
) -> Result<Source, Problem> {
    let row = tx.row(TAKE_SOURCE, args![from.as_str(), epoch, micros(now)]).await?;
    source_of(&row.ok_or_else(|| broken(&"source"))?)
}

pub(crate) async fn set_source(
    tx: &mut Tx,
    from: &OrganisationId,
    epoch: &str,
    position: i64,
    now: Timestamp,
) -> Result<(), Problem> {
    tx.execute(SET_SOURCE, args![from.as_str(), epoch, position, micros(now)]).await.map(|_| ())
}

pub(crate) async fn drop_source(tx: &mut Tx, from: &OrganisationId) -> Result<(), Problem> {
    tx.execute(DROP_SOURCE, args![from.as_str()]).await.map(|_| ())
}

pub(crate) async fn known(
    reader: &mut Reader,
    owner: &OrganisationId,
    entry: &ResourceId,
) -> Result<Option<Known>, Problem> {
    let Some(row) = reader.row(KNOWN, args![owner.as_str(), entry.as_str()]).await? else { return Ok(None) };
    let via = row.opt_text("via")?.map(OrganisationId::new).transpose()?;
    Ok(Some(Known { via, revision: row.int("revision")?, withdrawn: row.flag("withdrawn")? }))
}

/// What is stored of a publication, if it is not too long.
pub(crate) fn body(publication: &Publication) -> Result<String, Problem> {
    let body = serde_json::to_string(publication).map_err(|it| broken(&it))?;
    ensure!(body.len() <= ENTRY_BYTES_MAX, too_large(body.len()));
    Ok(body)
}

/// Writes an entry and announces it.
pub(crate) async fn put(
    tx: &mut Tx,
    publication: &Publication,
    via: Option<&OrganisationId>,
    now: Timestamp,
) -> Result<(), Problem> {
    let body = body(publication)?;
    let entry = &publication.entry;
    let values = args![
        publication.organisation.as_str(),
        entry.entry.as_str(),
        &entry.code,
        publication.revision,
        publication.digest()?.to_string(),
        body,
        via.map(OrganisationId::as_str),
        micros(now),
        i64::from(entry.open)
    ];
    ensure!(tx.execute(PUT, values).await? == 1, concurrent(&entry.entry));
    announce(tx, &Change::Published(Box::new(publication.clone()))).await
}

/// Takes an entry out and announces it.
pub(crate) async fn remove(
    tx: &mut Tx,
    owner: &OrganisationId,
    entry: &ResourceId,
    revision: i64,
    now: Timestamp,
) -> Result<(), Problem> {
    let gone = tx.execute(REMOVE, args![owner.as_str(), entry.as_str(), revision, micros(now)]).await?;
    ensure!(gone == 1, concurrent(entry));
    announce(tx, &Change::Withdrawn { organisation: owner.clone(), entry: entry.clone(), revision }).await
}

/// Tells of a change on the feed.
pub(crate) async fn announce(tx: &mut Tx, change: &Change) -> Result<(), Problem> {
    let body = serde_json::to_value(change).map_err(|it| broken(&it))?;
    tx.announce(FEED, &body).await.map(|_| ())
}

pub(crate) async fn via(
    reader: &mut Reader,
    from: &OrganisationId,
) -> Result<Vec<(OrganisationId, ResourceId, i64)>, Problem> {
    let rows = reader.rows(VIA, args![from.as_str()]).await?;
    rows.iter()
        .map(|it| {
            let owner = OrganisationId::new(it.text("organisation")?)?;
            Ok((owner, ResourceId::new(it.text("entry")?)?, it.int("revision")? + 1))
        })
        .collect()
}

pub(crate) async fn forget_via(tx: &mut Tx, from: &OrganisationId) -> Result<(), Problem> {
    tx.execute(FORGET_VIA, args![from.as_str()]).await.map(|_| ())
}

fn source_of(row: &Row) -> Result<Source, Problem> {
    Ok(Source {
        epoch: row.text("epoch")?.to_owned(),
        position: row.int("position")?,
        at: timestamp_from_micros(row.int("at")?)?,
    })
}

fn unreviewed(entry: &ResourceId) -> Problem {
    Problem::new(
        Kind::Refused,
        "catalog.secrecy_review",
        format!("目录条目 {entry} 未经保密审查确认；请附审查单号、审查机构和日期"),
        format!("the secrecy review of entry {entry} is not confirmed; add its number, office and day"),
    )
    .field("/review")
}

fn no_entry(organisation: &OrganisationId, entry: &ResourceId) -> Problem {
    let en = format!("{organisation} has no entry {entry} in the catalogue");
    Problem::new(Kind::Missing, "catalog.no_entry", format!("目录中没有 {organisation} 的条目 {entry}"), en)
}

fn taken(problem: Problem, code: &str) -> Problem {
    if problem.code == "store.duplicate" { code_taken(code) } else { problem }
}

pub(crate) fn code_taken(code: &str) -> Problem {
    Problem::new(
        Kind::Conflict,
        "catalog.code_taken",
        format!("信息资源代码 {code} 已用于另一条目；请换一个顺序号"),
        format!("the code {code} stands on another entry; choose another serial number"),
    )
    .field("/code")
}

fn compile_instead(entry: &ResourceId) -> Problem {
    Problem::new(
        Kind::Conflict,
        "catalog.compiled",
        format!(
            "条目 {entry} 经编制、审核后发布；请用 yunhe catalog change 变更，或由主管部门 yunhe catalog revoke 撤销"
        ),
        format!("entry {entry} goes the way of its compilation: yunhe catalog change, or revoke by the authority"),
    )
}

pub(crate) fn concurrent(entry: &ResourceId) -> Problem {
    Problem::new(
        Kind::Conflict,
        "catalog.concurrent",
        format!("条目 {entry} 同时被他人更改；请重新读取后再试"),
        format!("somebody else changed entry {entry} at the same time; read it again and retry"),
    )
}

fn too_large(bytes: usize) -> Problem {
    Problem::new(
        Kind::TooLarge,
        "catalog.entry_size",
        format!("条目有 {bytes} 字节，至多 {ENTRY_BYTES_MAX} 字节"),
        format!("the entry has {bytes} bytes; at most {ENTRY_BYTES_MAX}"),
    )
}
