//! Harvest 归集: the catalogues of other members, page by page from their feeds, each change once.

use crate::{
    Change, ForgetSource, Harvest,
    decide::{self, Known},
    store::{self as rows, FEED},
};
use policy::Permit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::future::Future;
use store::{Reader, Store, Tx, transact};
use vocabulary::{Date, Kind, OrganisationId, Problem, Timestamp, ensure};

/// A page has at most this many changes.
pub const PAGE_MAX: u32 = 500;
/// A page carries at most this many bytes of changes, or one change.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// One call of [`harvest_from`] takes at most this many pages; the rest comes with the next.
const PAGES_MAX: u32 = 200;

/// A page of a catalogue feed, as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// The feed's epoch: another one means a restored backup, and everything is taken anew.
    pub epoch: String,
    /// The last position of the feed when the page was made.
    pub head: i64,
    /// Numbered changes, dense, in order.
    pub changes: Vec<PeerChange>,
}

/// A numbered change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerChange {
    /// Dense, from 1.
    pub position: i64,
    /// What changed.
    pub change: Change,
}

/// What a harvest did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harvested {
    /// Changes taken over.
    pub taken: i64,
    /// Changes that said nothing new here.
    pub ignored: i64,
    /// Entries that are not in order, and stay out.
    pub refused: i64,
    /// How far the source has been read.
    pub position: i64,
}

/// Another member's node. `node` adapts `peer` to it.
pub trait Peer {
    /// The page of its catalogue feed behind `after`, at most `limit` changes.
    fn catalog_page(&self, after: i64, limit: u32) -> impl Future<Output = Result<Page, Problem>> + Send;
}

/// The page of the own feed behind `after`, at most `limit` ([`PAGE_MAX`] at most): what peers harvest.
///
/// # Errors
/// As the store's.
pub async fn changes(reader: &mut Reader, after: i64, limit: u32) -> Result<Page, Problem> {
    let Some(head) = reader.feed_head(FEED).await? else {
        return Ok(Page { epoch: String::new(), head: 0, changes: Vec::new() });
    };
    let entries = reader.feed(FEED, after, limit.min(PAGE_MAX)).await?;
    let mut changes = Vec::with_capacity(entries.len());
    let mut bytes = 0;
    for entry in entries {
        bytes += entry.body.to_string().len();
        if bytes > PAGE_BYTES_MAX && !changes.is_empty() {
            break;
        }
        let change = serde_json::from_value(entry.body).map_err(|cause| broken(&cause))?;
        changes.push(PeerChange { position: entry.position, change });
    }
    Ok(Page { epoch: head.epoch, head: head.position, changes })
}

/// Takes over a page of a peer's feed. What was taken before is skipped by its position, so a page may come twice.
///
/// # Errors
/// `catalog.harvest_gap` when the page does not continue where the last one ended: ask again behind `position`.
pub async fn harvest(tx: &mut Tx, permit: &Permit<Harvest>, now: Timestamp) -> Result<Harvested, Problem> {
    let Harvest { from, page } = permit.ask();
    let own = &permit.principal().organisation;
    ensure!(from != own, oneself(own));
    ensure!(page.changes.len() <= PAGE_MAX as usize, too_long(page.changes.len()));
    if page.epoch.is_empty() && page.changes.is_empty() {
        return Ok(Harvested::default());
    }
    let before = rows::take_source(tx, from, &page.epoch, now).await?;
    if before.epoch != page.epoch {
        forget(tx, from, now).await?;
    }
    let start = if before.epoch == page.epoch { before.position } else { 0 };
    let mut done = Harvested { position: start, ..Harvested::default() };
    for PeerChange { position, change } in &page.changes {
        if *position <= done.position {
            continue;
        }
        ensure!(*position == done.position + 1, gap(from, done.position, *position));
        take_over(tx, own, from, change, now, &mut done).await?;
        done.position = *position;
    }
    rows::set_source(tx, from, &page.epoch, done.position, now).await?;
    Ok(done)
}

async fn take_over(
    tx: &mut Tx,
    own: &OrganisationId,
    from: &OrganisationId,
    change: &Change,
    now: Timestamp,
    done: &mut Harvested,
) -> Result<(), Problem> {
    let (owner, entry, revision) = change.about();
    let known: Option<Known> = rows::known(tx, owner, entry).await?;
    if !decide::takes_over(own, owner, from, known.as_ref()) {
        done.ignored += 1;
        return Ok(());
    }
    match change {
        // Whether the peer's day has begun here is no matter: no date is after the last.
        Change::Published(it) if !decide::flaws(&it.entry, Date::MAX).is_empty() || rows::body(it).is_err() => {
            tracing::warn!(%from, %owner, %entry, "harvested entry not in order");
            done.refused += 1;
            return Ok(());
        }
        Change::Published(it) => rows::put(tx, it, Some(from), now).await?,
        Change::Withdrawn { .. } if known.as_ref().is_none_or(|it| it.withdrawn) => {
            done.ignored += 1;
            return Ok(());
        }
        Change::Withdrawn { .. } => rows::remove(tx, owner, entry, revision, now).await?,
    }
    done.taken += 1;
    Ok(())
}

/// Drops everything that came through a peer.
///
/// # Errors
/// As the store's.
pub async fn forget_source(tx: &mut Tx, permit: &Permit<ForgetSource>, now: Timestamp) -> Result<i64, Problem> {
    let from = &permit.ask().from;
    let count = forget(tx, from, now).await?;
    rows::drop_source(tx, from).await?;
    Ok(count)
}

async fn forget(tx: &mut Tx, from: &OrganisationId, now: Timestamp) -> Result<i64, Problem> {
    let gone = rows::via(tx, from).await?;
    for (owner, entry, revision) in &gone {
        rows::remove(tx, owner, entry, *revision, now).await?;
    }
    rows::forget_via(tx, from).await?;
    Ok(gone.len() as i64)
}

/// Harvests a peer until nothing new is there or the bound on pages is met; `permit` gives leave for each page.
///
/// # Errors
/// What the peer, the permit or [`harvest`] says; what was taken before stays.
pub async fn harvest_from<P: Peer>(
    store: &Store,
    from: &OrganisationId,
    peer: &P,
    permit: impl Fn(Harvest) -> Result<Permit<Harvest>, Problem>,
    now: Timestamp,
) -> Result<Harvested, Problem> {
    let mut sum = Harvested::default();
    let mut after = rows::source(&mut store.read().await?, from).await?.map_or(0, |it| it.position);
    for _ in 0..PAGES_MAX {
        let page = peer.catalog_page(after, PAGE_MAX).await?;
        let known = rows::source(&mut store.read().await?, from).await?;
        if known.as_ref().is_some_and(|it| it.epoch != page.epoch) && after > 0 {
            // A restored backup: what stands behind `after` there is another history.
            after = 0;
            let reset = permit(Harvest { from: from.clone(), page: Page { changes: Vec::new(), ..page } })?;
            transact!(store, None, |tx| harvest(tx, &reset, now).await)?;
            continue;
        }
        let (empty, head) = (page.changes.is_empty(), page.head);
        let leave = permit(Harvest { from: from.clone(), page })?;
        let done = transact!(store, None, |tx| harvest(tx, &leave, now).await)?;
        sum.taken += done.taken;
        sum.ignored += done.ignored;
        sum.refused += done.refused;
        sum.position = done.position;
        after = done.position;
        if empty || after >= head {
            break;
        }
    }
    tracing::info!(%from, taken = sum.taken, refused = sum.refused, "catalogue harvested");
    Ok(sum)
}

fn gap(from: &OrganisationId, position: i64, got: i64) -> Problem {
    Problem::new(
        Kind::Conflict,
        "catalog.harvest_gap",
        format!("{from} 的目录变更应从第 {} 条续取，却收到第 {got} 条；请自第 {position} 条之后重取", position + 1),
        format!("the changes of {from} go on at {}, not at {got}; ask again behind {position}", position + 1),
    )
    .with("position", position)
}

fn oneself(own: &OrganisationId) -> Problem {
    let en = format!("{own} does not harvest itself");
    Problem::new(Kind::Unprocessable, "catalog.harvest_oneself", format!("{own} 不归集自己的目录"), en)
}

fn too_long(count: usize) -> Problem {
    Problem::new(
        Kind::TooLarge,
        "catalog.harvest_page",
        format!("一页 {count} 条变更，至多 {PAGE_MAX} 条"),
        format!("a page of {count} changes; at most {PAGE_MAX}"),
    )
}

pub(crate) fn broken(cause: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%cause, "catalogue feed");
    Problem::new(
        Kind::Internal,
        "catalog.fault",
        "目录数据无法读取；请查看节点日志",
        "stored catalogue data cannot be read; see the node's log",
    )
}
