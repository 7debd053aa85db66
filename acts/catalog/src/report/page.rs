//! The two feeds between neighbours: what is told of them, and how they are read to their end.

use super::{
    Report, Ruling, Verdict, sign_origin,
    store::{self as rows, Direction, RULINGS},
    verbs::{Reported, TakeReports, take_reports},
};
use crate::{Change, FEED, harvest::broken};
use policy::Permit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use signing::Signer;
use std::future::Future;
use store::{Reader, Store, transact};
use vocabulary::{OrganisationId, Problem, Timestamp};

/// A page looks at this many feed entries at most.
const PAGE_MAX: u32 = 200;
/// A page carries at most this many bytes, or one report.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// One call takes at most this many pages; the rest comes with the next.
pub const PAGES_MAX: u32 = 500;

/// What a subordinate tells of its catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportPage {
    /// The feed's epoch: another one means a restored backup, and everything is told anew.
    pub epoch: String,
    /// The feed's last position.
    pub head: i64,
    /// Behind which position it was asked.
    pub after: i64,
    /// To which position it goes; what is not told between concerns no superior.
    pub upto: i64,
    /// In the order of their positions.
    pub reports: Vec<Report>,
}

/// What a superior tells of what it and the levels above it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RulingPage {
    /// The feed's epoch.
    pub epoch: String,
    /// The feed's last position.
    pub head: i64,
    /// Behind which position it was asked.
    pub after: i64,
    /// To which position it goes.
    pub upto: i64,
    /// In the order of their positions.
    pub rulings: Vec<Ruling>,
}

/// A subordinate's node. `node` adapts `peer` to it.
pub trait LevelPeer {
    /// The page of its reports behind `after`.
    fn report_page(&self, after: i64) -> impl Future<Output = Result<ReportPage, Problem>> + Send;
}

/// What our superior is told: our own entries, signed now, and what subordinates reported.
///
/// # Errors
/// As the store's; what the signer says.
pub async fn reports(
    reader: &mut Reader,
    own: &OrganisationId,
    signer: &dyn Signer,
    after: i64,
) -> Result<ReportPage, Problem> {
    let mut page = ReportPage { epoch: String::new(), head: 0, after, upto: after, reports: Vec::new() };
    let Some(head) = reader.feed_head(FEED).await? else { return Ok(page) };
    (page.epoch, page.head) = (head.epoch, head.position);
    let mut bytes = 0;
    for entry in reader.feed(FEED, after, PAGE_MAX).await? {
        let change: Change = serde_json::from_value(entry.body).map_err(|it| broken(&it))?;
        let report = report_of(reader, (own, signer), entry.position, change).await?;
        if let Some(report) = report {
            bytes += serde_json::to_vec(&report).map_err(|it| broken(&it))?.len();
            if bytes > PAGE_BYTES_MAX && !page.reports.is_empty() {
                break;
            }
            page.reports.push(report);
        }
        page.upto = entry.position;
    }
    Ok(page)
}

/// A change as it is reported; none where it is no matter of our superior's.
async fn report_of(
    reader: &mut Reader,
    (own, signer): (&OrganisationId, &dyn Signer),
    position: i64,
    change: Change,
) -> Result<Option<Report>, Problem> {
    let (owner, entry, _) = change.about();
    let (mut origin, mut path) = (None, Vec::new());
    match &change {
        Change::Published(it) if owner == own => origin = Some(sign_origin(it, signer)?),
        Change::Published(it) => {
            let Some(kept) = rows::report(reader, owner, entry, None).await? else { return Ok(None) };
            let own = rows::ruled(reader, owner, entry, own).await?;
            let digest = it.digest()?;
            let taken = own.filter(|it| it.body.verdict == Verdict::Taken && it.body.digest == digest);
            // What stands here otherwise by now is told by a later change.
            let Some(taken) = taken.filter(|_| kept.held.digest == digest) else { return Ok(None) };
            origin = Some(kept.origin);
            path = kept.held.path;
            path.push(taken);
        }
        Change::Withdrawn { .. } if owner == own => {}
        Change::Withdrawn { .. } => {
            if rows::report(reader, owner, entry, None).await?.is_none() {
                return Ok(None);
            }
        }
    }
    Ok(Some(Report { position, change, origin, path }))
}

/// What a subordinate is told: rulings on entries of owners that are `theirs`.
///
/// # Errors
/// As the store's.
pub async fn rulings(
    reader: &mut Reader,
    theirs: impl Fn(&OrganisationId) -> bool,
    after: i64,
) -> Result<RulingPage, Problem> {
    let mut page = RulingPage { epoch: String::new(), head: 0, after, upto: after, rulings: Vec::new() };
    let Some(head) = reader.feed_head(RULINGS).await? else { return Ok(page) };
    (page.epoch, page.head) = (head.epoch, head.position);
    for entry in reader.feed(RULINGS, after, PAGE_MAX).await? {
        let ruling: Ruling = serde_json::from_value(entry.body).map_err(|it| broken(&it))?;
        page.upto = entry.position;
        if theirs(&ruling.body.organisation) {
            page.rulings.push(ruling);
        }
    }
    Ok(page)
}

/// From where a neighbour's feed is read on.
async fn start(store: &Store, from: &OrganisationId, direction: Direction) -> Result<(String, i64), Problem> {
    let known = rows::level(&mut store.read().await?, from, direction).await?;
    Ok(known.unwrap_or_default())
}

/// Reads what a subordinate reports to its end, or to the bound on pages; `permit` checks each page and gives leave.
///
/// # Errors
/// What the peer, the permit or the store says; what was taken before stays.
pub async fn take_from<P: LevelPeer>(
    store: &Store,
    from: &OrganisationId,
    peer: &P,
    permit: impl Fn(ReportPage) -> Result<Permit<TakeReports>, Problem>,
    (signer, now): (&dyn Signer, Timestamp),
) -> Result<Reported, Problem> {
    let mut sum = Reported::default();
    let (mut epoch, mut after) = start(store, from, Direction::Up).await?;
    for _ in 0..PAGES_MAX {
        let page = peer.report_page(after).await?;
        if page.epoch != epoch && after > 0 {
            // A restored backup: what stands behind `after` there is another history.
            (epoch, after) = (page.epoch, 0);
            continue;
        }
        let (last, upto) = (page.upto >= page.head, page.upto);
        let stuck = upto <= after && !last;
        epoch.clone_from(&page.epoch);
        let leave = permit(page)?;
        let done = transact!(store, None, |tx| take_reports(tx, &leave, signer, now).await)?;
        sum.add(&done);
        after = upto;
        if last || stuck {
            break;
        }
    }
    Ok(sum)
}

/// Up to where the superior's rulings have been read: the feed's epoch, and the position.
///
/// # Errors
/// As the store's.
pub async fn heard(store: &Store, from: &OrganisationId) -> Result<(String, i64), Problem> {
    start(store, from, Direction::Down).await
}
