//! Reports and rulings in SQL.

use super::{Ruling, Verdict, decide::Held};
use crate::harvest::broken;
use store::{Reader, Row, Tx, args};
use vocabulary::{Digest, OrganisationId, Problem, ResourceId, Signature, Timestamp, micros};

/// The feed of rulings, ours and those of levels above.
pub(crate) const RULINGS: &str = "catalog-rulings";

const REPORT: &str = "
    SELECT organisation, entry, revision, digest, source, epoch, state, origin, path FROM catalog_report
     WHERE organisation = $1 AND entry = $2";
const KEEP: &str = "
    INSERT INTO catalog_report (organisation, entry, revision, digest, source, epoch, state, origin, path, at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (organisation, entry) DO UPDATE
       SET revision = excluded.revision, digest = excluded.digest, source = excluded.source, epoch = excluded.epoch,
           state = excluded.state, origin = excluded.origin, path = excluded.path, at = excluded.at";
/// What a neighbour has not told again since its history became another one.
const UNTOLD: &str = "
    SELECT organisation, entry, revision, digest, source, epoch, state, origin, path FROM catalog_report
     WHERE source = $1 AND epoch <> $2 AND state <> 'withdrawn' ORDER BY organisation, entry LIMIT $3";
const RULE: &str = "
    INSERT INTO catalog_ruling (organisation, entry, giver, revision, verdict, number, document, at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (organisation, entry, giver) DO UPDATE
       SET revision = excluded.revision, verdict = excluded.verdict, number = excluded.number,
           document = excluded.document, at = excluded.at";
const RULED: &str = "
    SELECT document FROM catalog_ruling WHERE organisation = $1 AND entry = $2 AND giver = $3";
const ALL_RULED: &str = "
    SELECT document FROM catalog_ruling WHERE organisation = $1 AND entry = $2 ORDER BY at, giver";
/// Entries on which a level has said something, by state and number, behind one.
const LIST: &str = "
    SELECT DISTINCT organisation, entry FROM catalog_ruling AS r
     WHERE (organisation > $1 OR organisation = $1 AND entry > $2) AND ($3 = '' OR number = $3)
       AND ($4 = '' OR EXISTS (SELECT 1 FROM catalog_report AS c
                                WHERE c.organisation = r.organisation AND c.entry = r.entry AND c.state = $4)
            OR organisation = $5 AND giver = $6 AND verdict = $4)
     ORDER BY organisation, entry LIMIT $7";
/// Our own entries whose revision the superior has said nothing of.
const WAITING: &str = "
    SELECT organisation, entry FROM catalog_entry AS e
     WHERE organisation = $1 AND entry > $2 AND via IS NULL AND body IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM catalog_ruling AS r
                        WHERE r.organisation = e.organisation AND r.entry = e.entry AND r.giver = $3
                          AND r.revision = e.revision)
     ORDER BY entry LIMIT $4";
/// Takes the row, so that of two that read one neighbour the second waits and then sees what the first took.
const TAKE_LEVEL: &str = "
    INSERT INTO catalog_level (peer, direction, epoch, position, at) VALUES ($1, $2, $3, 0, $4)
        ON CONFLICT (peer, direction) DO UPDATE SET at = $4 RETURNING epoch, position";
const SET_LEVEL: &str = "
    UPDATE catalog_level SET epoch = $3, position = $4, at = $5 WHERE peer = $1 AND direction = $2";
const ANEW: &str = "UPDATE catalog_level SET position = 0 WHERE peer = $1 AND direction = $2";
const LEVEL: &str = "SELECT epoch, position FROM catalog_level WHERE peer = $1 AND direction = $2";

#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, usize)] = &[
    (REPORT, 2),
    (KEEP, 10),
    (UNTOLD, 3),
    (RULE, 8),
    (RULED, 3),
    (ALL_RULED, 2),
    (LIST, 7),
    (WAITING, 4),
    (TAKE_LEVEL, 4),
    (SET_LEVEL, 5),
    (LEVEL, 2),
    (ANEW, 2),
];

/// Whether reports come up or rulings come down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// An entry that was reported, as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub organisation: OrganisationId,
    pub entry: ResourceId,
    pub source: OrganisationId,
    pub epoch: String,
    pub origin: Signature,
    pub held: Held,
}

pub(crate) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Taken => "taken",
        Verdict::Returned => "returned",
        Verdict::Withdrawn => "withdrawn",
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(|it| broken(&it))
}

fn kept(row: &Row, epoch: Option<&str>) -> Result<Kept, Problem> {
    let verdict = match row.text("state")? {
        "taken" => Verdict::Taken,
        "returned" => Verdict::Returned,
        _ => Verdict::Withdrawn,
    };
    let told = row.text("epoch")?.to_owned();
    let held = Held {
        revision: row.int("revision")?,
        digest: row.text("digest")?.parse::<Digest>()?,
        verdict,
        path: row.json("path")?,
        current: epoch.is_none_or(|it| it == told),
    };
    Ok(Kept {
        organisation: OrganisationId::new(row.text("organisation")?)?,
        entry: ResourceId::new(row.text("entry")?)?,
        source: OrganisationId::new(row.text("source")?)?,
        epoch: told,
        origin: row.json("origin")?,
        held,
    })
}

/// The report of an entry; `epoch` is that of its teller's feed today, where that is asked.
pub(crate) async fn report(
    reader: &mut Reader,
    owner: &OrganisationId,
    entry: &ResourceId,
    epoch: Option<&str>,
) -> Result<Option<Kept>, Problem> {
    let row = reader.row(REPORT, args![owner.as_str(), entry.as_str()]).await?;
    row.map(|it| kept(&it, epoch)).transpose()
}

pub(crate) async fn keep(tx: &mut Tx, kept: &Kept, now: Timestamp) -> Result<(), Problem> {
    let Held { revision, digest, verdict, path, .. } = &kept.held;
    let args = args![
        kept.organisation.as_str(),
        kept.entry.as_str(),
        *revision,
        digest.to_string(),
        kept.source.as_str(),
        &kept.epoch,
        word(*verdict),
        json(&kept.origin)?,
        json(path)?,
        micros(now)
    ];
    tx.execute(KEEP, args).await.map(|_| ())
}

pub(crate) async fn untold(
    reader: &mut Reader,
    source: &OrganisationId,
    epoch: &str,
    limit: u32,
) -> Result<Vec<Kept>, Problem> {
    let rows = reader.rows(UNTOLD, args![source.as_str(), epoch, limit]).await?;
    rows.iter().map(|it| kept(it, Some(epoch))).collect()
}

/// Keeps a level's last word; `tell` puts it on the feed that subordinates read.
pub(crate) async fn rule(tx: &mut Tx, ruling: &Ruling, tell: bool) -> Result<(), Problem> {
    let body = &ruling.body;
    let args = args![
        body.organisation.as_str(),
        body.entry.as_str(),
        body.by.as_str(),
        body.revision,
        word(body.verdict),
        body.number.as_deref(),
        json(ruling)?,
        micros(body.at)
    ];
    tx.execute(RULE, args).await?;
    if tell {
        let body = serde_json::to_value(ruling).map_err(|it| broken(&it))?;
        tx.announce(RULINGS, &body).await?;
    }
    Ok(())
}

pub(crate) async fn ruled(
    reader: &mut Reader,
    owner: &OrganisationId,
    entry: &ResourceId,
    by: &OrganisationId,
) -> Result<Option<Ruling>, Problem> {
    let row = reader.row(RULED, args![owner.as_str(), entry.as_str(), by.as_str()]).await?;
    row.map(|it| it.json("document")).transpose()
}

pub(crate) async fn all_ruled(
    reader: &mut Reader,
    owner: &OrganisationId,
    entry: &ResourceId,
) -> Result<Vec<Ruling>, Problem> {
    let rows = reader.rows(ALL_RULED, args![owner.as_str(), entry.as_str()]).await?;
    rows.iter().map(|it| it.json("document")).collect()
}

fn named(rows: &[Row]) -> Result<Vec<(OrganisationId, ResourceId)>, Problem> {
    let name = |it: &Row| Ok((OrganisationId::new(it.text("organisation")?)?, ResourceId::new(it.text("entry")?)?));
    rows.iter().map(name).collect()
}

/// Which entries are listed.
pub(crate) struct Filter<'a> {
    pub after: (&'a str, &'a str),
    pub number: &'a str,
    pub state: &'a str,
    pub own: &'a OrganisationId,
    /// Empty where there is none.
    pub superior: &'a str,
    pub limit: u32,
}

pub(crate) async fn list(
    reader: &mut Reader,
    filter: &Filter<'_>,
) -> Result<Vec<(OrganisationId, ResourceId)>, Problem> {
    let Filter { after: (owner, entry), number, state, own, superior, limit } = filter;
    let rows = reader.rows(LIST, args![*owner, *entry, *number, *state, own.as_str(), *superior, *limit]).await?;
    named(&rows)
}

pub(crate) async fn waiting(
    reader: &mut Reader,
    filter: &Filter<'_>,
) -> Result<Vec<(OrganisationId, ResourceId)>, Problem> {
    let args = args![filter.own.as_str(), filter.after.1, filter.superior, filter.limit];
    named(&reader.rows(WAITING, args).await?)
}

pub(crate) async fn take_level(
    tx: &mut Tx,
    peer: &OrganisationId,
    direction: Direction,
    epoch: &str,
    now: Timestamp,
) -> Result<(String, i64), Problem> {
    let row = tx.row(TAKE_LEVEL, args![peer.as_str(), direction.word(), epoch, micros(now)]).await?;
    let row = row.ok_or_else(|| broken(&"level"))?;
    Ok((row.text("epoch")?.to_owned(), row.int("position")?))
}

pub(crate) async fn set_level(
    tx: &mut Tx,
    peer: &OrganisationId,
    direction: Direction,
    (epoch, position): (&str, i64),
    now: Timestamp,
) -> Result<(), Problem> {
    tx.execute(SET_LEVEL, args![peer.as_str(), direction.word(), epoch, position, micros(now)]).await.map(|_| ())
}

pub(crate) async fn anew(tx: &mut Tx, peer: &OrganisationId, direction: Direction) -> Result<(), Problem> {
    tx.execute(ANEW, args![peer.as_str(), direction.word()]).await.map(|_| ())
}

pub(crate) async fn level(
    reader: &mut Reader,
    peer: &OrganisationId,
    direction: Direction,
) -> Result<Option<(String, i64)>, Problem> {
    let row = reader.row(LEVEL, args![peer.as_str(), direction.word()]).await?;
    row.map(|it| Ok((it.text("epoch")?.to_owned(), it.int("position")?))).transpose()
}
