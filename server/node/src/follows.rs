//! Changes behind a batch, at the provider: what a consumer's table needs to follow ours, page by page, and what it
//! compares itself with.
//!
//! A page has what has changed within the restriction between two positions of the feed. The consumer is told the
//! page's number, never a position: positions count changes that are none of its business. Whatever lies outside the
//! restriction before and after is passed over without a page.

use crate::{
    Incoming, Organisation, Outcome,
    encode::encode_page,
    organisation::fault,
    parcels::{PartAsk, issued_meanwhile},
    receipts::Answered,
    requests::to_json,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use exchange::{
    AgreementId, AgreementView, Deliver, DeliveryId, Follow, NewPage, Page, Parcel, Shown, Tally, Turn, Waiting,
    changes, page_type, shape, to_rows, turn,
};
use policy::{Permit, Restriction};
use registry::{Announcement, Run, Selection};
use schema::{RecordType, Value};
use serde::{Deserialize, Serialize};
use store::{Reader, transact};
use vocabulary::{Digest, Kind, Problem, Timestamp, ensure};

/// A page ends with the change that brings it to so many rows or more; an import writes 5,000 in one.
const PAGE_ROWS: u64 = 10_000;
/// A page of several changes that is longer than this is cut again.
const PAGE_BYTES_MAX: usize = 8 << 20;
/// Entries of the feed that are read at once.
const ENTRIES: u32 = 1_000;

/// How a consumer stands with a batch and the pages behind it, as it travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StandingAsk {
    /// For what.
    pub purpose: String,
    /// Who acts at the consumer.
    pub actor: String,
    /// The number of the page that it has not got yet.
    pub next: u32,
    /// Whether it wants rows and digest of what it should hold.
    pub tally: bool,
}

/// What it is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// Changes that wait for it.
    pub waiting: Waiting,
    /// How many rows it should hold, and their digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tally: Option<(u64, Digest)>,
}

/// Nothing has changed for the consumer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Nothing {
    /// Until then.
    pub as_of: Timestamp,
}

/// What rows are read by: the agreed columns in order, the rows, the masks.
struct Look<'a> {
    record: &'a RecordType,
    shape: &'a RecordType,
    restriction: &'a Restriction,
}

/// A stretch of the feed.
struct Window {
    upto: i64,
    at: Timestamp,
    runs: Vec<Run>,
    entries: usize,
    /// Whether it reaches the feed's end.
    whole: bool,
}

impl Look<'_> {
    fn selection(&self, at: i64) -> Selection {
        Selection {
            columns: self.shape.fields.keys().cloned().collect(),
            filter: self.restriction.filter.clone(),
            after: None,
            as_of: Some(at),
        }
    }

    fn shown(&self, values: Vec<Value>) -> Vec<Value> {
        self.shape.fields.keys().zip(values).map(|(name, value)| self.restriction.mask(name, value)).collect()
    }

    /// The next stretch behind a position: whole changes, until their rows are `most` or more.
    async fn window(&self, reader: &mut Reader, behind: i64, most: u64, now: Timestamp) -> Result<Window, Problem> {
        let mut window = Window { upto: behind, at: now, runs: Vec::new(), entries: 0, whole: false };
        let mut rows = 0;
        loop {
            let entries = registry::changes(reader, window.upto, ENTRIES).await?;
            let last = entries.len() < ENTRIES as usize;
            for entry in entries {
                (window.upto, window.at) = (entry.position, entry.at);
                let Announcement::Rows { record, added, changed, removed, .. } = entry.announcement else { continue };
                if record != self.record.name {
                    continue;
                }
                let runs = added.into_iter().chain(changed).chain(removed);
                window.runs.extend(runs.inspect(|it| rows += it.count));
                window.entries += 1;
                if rows >= most {
                    return Ok(window);
                }
            }
            if last {
                window.whole = true;
                return Ok(window);
            }
        }
    }

    /// What is shown of the rows that changed, as of a position.
    async fn rows(&self, reader: &mut Reader, runs: &[Run], at: i64) -> Result<Shown, Problem> {
        let places = self.shape.key_indexes();
        let mut shown = Shown::new();
        registry::touched(reader, self.record, runs, &self.selection(at), |it| {
            let row = self.shown(it.values);
            shown.insert(places.iter().map(|it| row[*it].clone()).collect(), row);
            Ok(())
        })
        .await?;
        Ok(shown)
    }

    /// What has changed for the consumer within a window.
    async fn changes(
        &self,
        reader: &mut Reader,
        runs: &[Run],
        behind: i64,
        upto: i64,
    ) -> Result<Vec<exchange::RowChange>, Problem> {
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let before = self.rows(reader, runs, behind).await?;
        let after = self.rows(reader, runs, upto).await?;
        Ok(changes(&before, &after))
    }

    /// The bytes of a page, and how many rows it has.
    fn bytes(&self, changes: &[exchange::RowChange], as_of: Timestamp) -> Result<(Vec<u8>, u64), Problem> {
        let rows = to_rows(self.shape, changes);
        Ok((encode_page(&page_type(self.shape)?, &rows, as_of)?, rows.len() as u64))
    }
}

impl Organisation {
    /// In which shape rows come under an agreement: for whoever makes a table for them.
    ///
    /// # Errors
    /// `exchange.no_agreement`, also for another's; `exchange.table_key`.
    pub async fn tell_shape(&self, incoming: &Incoming, id: AgreementId) -> Result<Outcome, Problem> {
        let view = exchange::agreement(&mut self.store.read().await?, id).await?;
        let terms = &view.agreement.body.terms;
        self.batch_permit(incoming, id, &terms.purpose, true).await?;
        Outcome::json(&shape(self.packs().record(&terms.record)?, terms)?)
    }

    /// The next page behind a batch with its receipt, or one that was given before; or that there is nothing new.
    pub(crate) async fn hand_out_page(
        &self,
        incoming: &Incoming,
        parcel: &Parcel,
        number: u32,
        ask: PartAsk,
    ) -> Result<Outcome, Problem> {
        ensure!(parcel.format == "arrow", not_followed(parcel.id));
        let given = exchange::page(&mut self.store.read().await?, parcel.id, number).await?;
        let (permit, view) = self.batch_permit(incoming, parcel.agreement, &ask.purpose, given.is_some()).await?;
        ensure!(parcel.revision == Some(view.agreement.body.revision), gone(parcel.id));
        let follow = self.follow(parcel).await?;
        let packs = self.packs();
        let record = packs.record(&parcel.record)?;
        let shape = shape(record, &view.agreement.body.terms)?;
        let look = Look { record, shape: &shape, restriction: permit.restriction() };
        match (self.turn_of(&follow, number).await?, given) {
            (Turn::Again, Some(page)) => self.page_again(incoming, &look, &page).await,
            (Turn::Next, None) => {
                let made = self.next_page(incoming, &look, (parcel, &follow), (&permit, &view), &ask).await;
                match made {
                    // Another message asked for the same page in the same moment: it has its receipt.
                    Err(problem) if issued_meanwhile(&problem) => {
                        let given = exchange::page(&mut self.store.read().await?, parcel.id, number).await?;
                        self.page_again(incoming, &look, &given.ok_or(problem)?).await
                    }
                    made => made,
                }
            }
            _ => Err(gone(parcel.id)),
        }
    }

    async fn follow(&self, parcel: &Parcel) -> Result<Follow, Problem> {
        transact!(self.store, None, |tx| exchange::follow(tx, parcel).await)
    }

    async fn turn_of(&self, follow: &Follow, number: u32) -> Result<Turn, Problem> {
        let head = self.store.read().await?.feed_head(registry::FEED).await?;
        Ok(turn(follow, head.as_ref().map(|it| it.epoch.as_str()), number))
    }

    async fn page_again(&self, incoming: &Incoming, look: &Look<'_>, page: &Page) -> Result<Outcome, Problem> {
        let mut reader = self.store.read().await?;
        let window = registry_runs(&mut reader, look, page.behind, page.upto).await?;
        let changes = look.changes(&mut reader, &window, page.behind, page.upto).await?;
        drop(reader);
        let (bytes, _) = look.bytes(&changes, page.as_of)?;
        // What it was made from may have been erased since.
        ensure!(page.digest.fits(&bytes), gone_page());
        let receipt = self.issued_before(incoming, page.receipt).await?;
        Ok(Outcome { body: bytes.into(), media: PAGE_MEDIA, receipt: Some(STANDARD.encode(to_json(&receipt)?)) })
    }

    async fn next_page(
        &self,
        incoming: &Incoming,
        look: &Look<'_>,
        (parcel, follow): (&Parcel, &Follow),
        (permit, view): (&Permit<Deliver>, &AgreementView),
        ask: &PartAsk,
    ) -> Result<Outcome, Problem> {
        let mut most = PAGE_ROWS.min(rows_left(view, incoming.now));
        let mut behind = follow.position;
        loop {
            let mut reader = self.store.read().await?;
            let window = look.window(&mut reader, behind, most, incoming.now).await?;
            let changes = look.changes(&mut reader, &window.runs, behind, window.upto).await?;
            drop(reader);
            if changes.is_empty() {
                if window.upto > behind {
                    let upto = window.upto;
                    transact!(self.store, None, |tx| exchange::pass(tx, parcel.id, behind, upto).await)?;
                    behind = upto;
                }
                if window.whole {
                    return Outcome::json(&Nothing { as_of: incoming.now });
                }
                continue;
            }
            let as_of = if window.whole { incoming.now } else { window.at };
            let (bytes, rows) = look.bytes(&changes, as_of)?;
            if bytes.len() > PAGE_BYTES_MAX && window.entries > 1 {
                most = (most / 4).max(1);
                continue;
            }
            let body = self.receipt_of(
                incoming,
                Answered {
                    view,
                    purpose: ask.purpose.clone(),
                    actor: ask.actor.clone(),
                    place: Some((parcel.id, follow.next)),
                    answer: Digest::by(self.suite(), &bytes),
                    bytes: bytes.len() as u64,
                    rows,
                },
            );
            let page = NewPage { parcel: parcel.id, number: follow.next, behind, upto: window.upto, as_of };
            let receipt = self.issue_as(incoming, permit, body, (Some(page), None)).await?;
            let receipt = Some(STANDARD.encode(to_json(&receipt)?));
            return Ok(Outcome { body: bytes.into(), media: PAGE_MEDIA, receipt });
        }
    }

    /// How a consumer stands: what waits for it, and what it should hold.
    ///
    /// # Errors
    /// The refusal table; `exchange.page_gone`.
    pub async fn tell_standing(&self, incoming: &Incoming, id: DeliveryId) -> Result<Outcome, Problem> {
        let ask: StandingAsk = incoming.json()?;
        let parcel = self.parcel_of(incoming, id).await?;
        let (permit, view) = self.batch_permit(incoming, parcel.agreement, &ask.purpose, true).await?;
        ensure!(parcel.ready && parcel.revision == Some(view.agreement.body.revision), gone(id));
        let follow = self.follow(&parcel).await?;
        ensure!(self.turn_of(&follow, ask.next).await? != Turn::Gone, gone(id));
        let packs = self.packs();
        let record = packs.record(&parcel.record)?;
        let shape = shape(record, &view.agreement.body.terms)?;
        let look = Look { record, shape: &shape, restriction: permit.restriction() };
        let mut reader = self.store.read().await?;
        let behind = match ask.next.checked_sub(1) {
            Some(before) => exchange::page(&mut reader, id, before).await?.map_or(parcel.position, |it| it.upto),
            None => parcel.position,
        };
        let from = if ask.next == follow.next { follow.position } else { behind };
        let window = look.window(&mut reader, from, PAGE_ROWS, incoming.now).await?;
        let rows = look.changes(&mut reader, &window.runs, from, window.upto).await?.len() as u64;
        drop(reader);
        let tally = match parcel.tally {
            _ if !ask.tally => None,
            // Nothing was given behind it: it is what was counted when it was made.
            Some(tally) if behind == parcel.position => Some(tally),
            _ => Some(self.tally_at(&look, &view.digest, behind).await?),
        };
        Outcome::json(&Standing { waiting: Waiting { rows, more: !window.whole }, tally })
    }

    /// Rows and digest of what may be shown as of a position. One of these at a time, and each row once: of a past
    /// state every page would sort all that is left.
    async fn tally_at(&self, look: &Look<'_>, agreement: &Digest, at: i64) -> Result<(u64, Digest), Problem> {
        let _one = self.tallying.acquire().await.map_err(|it| fault("tally", &it))?;
        let mut reader = self.store.snapshot().await?;
        let mut tally = Tally::begin(agreement, look.shape)?;
        let selection = look.selection(at);
        let (record, shape, restriction) = (look.record.clone(), look.shape.clone(), look.restriction.clone());
        // A thread that may wait reads, as for the parts of a batch.
        let reading = move || -> Result<(u64, Digest), Problem> {
            let look = Look { record: &record, shape: &shape, restriction: &restriction };
            futures::executor::block_on(registry::select(&mut reader, &record, &selection, |it| {
                tally.add(&shape, &look.shown(it.values));
                Ok(())
            }))?;
            Ok(tally.end())
        };
        tokio::task::spawn_blocking(reading).await.map_err(|it| fault("tally", &it))?
    }
}

const PAGE_MEDIA: &str = "application/vnd.apache.arrow.file";

/// The rows that changes between two positions touched.
async fn registry_runs(reader: &mut Reader, look: &Look<'_>, behind: i64, upto: i64) -> Result<Vec<Run>, Problem> {
    let mut runs = Vec::new();
    let mut at = behind;
    while at < upto {
        let entries = registry::changes(reader, at, ENTRIES).await?;
        let Some(last) = entries.last() else { break };
        at = last.position;
        for entry in entries.into_iter().filter(|it| it.position <= upto) {
            match entry.announcement {
                Announcement::Rows { record, added, changed, removed, .. } if record == look.record.name => {
                    runs.extend(added.into_iter().chain(changed).chain(removed));
                }
                _ => {}
            }
        }
    }
    Ok(runs)
}

/// What is left of the day's quota.
fn rows_left(view: &AgreementView, now: Timestamp) -> u64 {
    let Some(quota) = view.agreement.body.terms.quota else { return u64::MAX };
    let today = view.day >= vocabulary::date_in_shanghai(now).to_string();
    quota.rows_per_day.saturating_sub(if today { view.day_rows } else { 0 }).max(1)
}

fn not_followed(id: DeliveryId) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "exchange.format",
        format!("批次 {id} 不是 arrow 格式，其后的变更无法逐页交付"),
        format!("batch {id} is not in the format arrow; changes behind it are not delivered"),
    )
}

fn gone(id: DeliveryId) -> Problem {
    Problem::new(
        Kind::Conflict,
        "exchange.page_gone",
        format!("批次 {id} 之后的变更已接续不上（提供方曾恢复备份或协议已修订）；请重新全量交付"),
        format!(
            "changes behind batch {id} cannot go on: a backup was restored, or the agreement was revised; fetch the \
             whole set anew"
        ),
    )
}

fn gone_page() -> Problem {
    Problem::new(
        Kind::Conflict,
        "exchange.page_gone",
        "该变更页所依据的数据已被删除；请重新全量交付",
        "what the page was made from was erased since; fetch the whole set anew",
    )
}
