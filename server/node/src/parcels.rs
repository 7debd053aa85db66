//! Batches at the provider: all permitted rows of one moment, made into parts once, then handed out with a receipt
//! each.
//!
//! A part is bytes in a blob with a digest in SQL. Making starts over after a crash and gives the same parts, for it
//! reads the state at a fixed position of the feed.

use crate::{
    Incoming, Organisation, Outcome,
    encode::{Format, encode},
    organisation::fault,
    receipts::Answered,
    requests::to_json,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use exchange::{AgreementId, Deliver, DeliveryId, Parcel, Part, Receipt, ReceiptId, Tally};
use policy::{Permit, Restriction};
use registry::Selection;
use rule::Filter;
use schema::{RecordType, Value};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, PoisonError};
use store::transact;
use vocabulary::{Digest, Kind, Problem, ensure};

/// Rows in a part where the configuration says nothing else.
pub const PART_ROWS: usize = 50_000;

/// Opens a batch, as it travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ParcelAsk {
    /// Drawn by the consumer.
    pub id: DeliveryId,
    /// Under which agreement.
    pub agreement: AgreementId,
    /// For what.
    pub purpose: String,
    /// Who acts at the consumer.
    pub actor: String,
    /// `arrow`, `parquet` or `csv`.
    pub format: String,
}

/// Fetches a part, as it travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartAsk {
    /// For what.
    pub purpose: String,
    /// Who acts at the consumer.
    pub actor: String,
}

fn part_name(id: DeliveryId, number: u32) -> String {
    format!("parcel/{id}/{number}")
}

impl Organisation {
    /// The permit of a batch, decided on what is there now. What was `paid` for is not refused for a spent quota: it
    /// was counted when it was issued.
    pub(crate) async fn batch_permit(
        &self,
        incoming: &Incoming,
        agreement: AgreementId,
        purpose: &str,
        paid: bool,
    ) -> Result<(Permit<Deliver>, exchange::AgreementView), Problem> {
        let mut reader = self.store.read().await?;
        let (mut facts, view) = exchange::agreement_facts(&mut reader, agreement, incoming.now).await?.unzip();
        if let Some(facts) = facts.as_mut().filter(|_| paid) {
            facts.rows_today = 0;
        }
        let deliver = Deliver {
            agreement,
            revision: view.as_ref().map_or(0, |it| it.agreement.body.revision),
            consumer: incoming.member.organisation.id.clone(),
            purpose: purpose.to_owned(),
            columns: Vec::new(),
            filter: Filter::always(),
            operation: None,
        };
        let permit = self.permit_with(incoming.principal(), facts, deliver)?;
        Ok((permit, view.ok_or_else(|| fault("agreement", &"vanished"))?))
    }

    /// Opens a batch and begins to make its parts; opening it again under the same id goes on.
    ///
    /// # Errors
    /// The refusal table; `exchange.format`.
    pub async fn open_parcel(self: &Arc<Self>, incoming: &Incoming) -> Result<Outcome, Problem> {
        let ask: ParcelAsk = incoming.json()?;
        Format::parse(&ask.format)?;
        let again = self.parcel_of(incoming, ask.id).await.is_ok();
        let (permit, view) = self.batch_permit(incoming, ask.agreement, &ask.purpose, again).await?;
        let head = self.store.read().await?.feed_head(registry::FEED).await?;
        let position = head.as_ref().map_or(0, |it| it.position);
        let terms = &view.agreement.body.terms;
        ensure!(self.packs().live(&terms.record).is_none(), crate::live::not_whole(&terms.record));
        let parcel = Parcel {
            id: ask.id,
            agreement: ask.agreement,
            record: terms.record.clone(),
            format: ask.format,
            columns: permit.restriction().columns.clone(),
            position,
            epoch: head.map(|it| it.epoch),
            revision: view.agreement.body.revision.into(),
            tally: None,
            ready: false,
            parts: Vec::new(),
        };
        let (nonce, now) = (incoming.nonce(), incoming.now);
        let opened = transact!(self.store, None, |tx| exchange::open_parcel(tx, &permit, &parcel, &nonce, now).await)?;
        let ours = self.parcel_of(incoming, ask.id).await?;
        ensure!(ours.agreement == parcel.agreement && ours.format == parcel.format, other_parcel(ask.id));
        if opened || !ours.ready {
            self.make_in_background(ours.clone(), permit.restriction().clone());
        }
        Outcome::json(&ours.told())
    }

    pub(crate) async fn parcel_of(&self, incoming: &Incoming, id: DeliveryId) -> Result<Parcel, Problem> {
        exchange::parcel(&mut self.store.read().await?, id, &incoming.member.organisation.id).await
    }

    fn make_in_background(self: &Arc<Self>, parcel: Parcel, restriction: Restriction) {
        // One maker at a time here; one in another process writes the same bytes.
        if !self.making.lock().unwrap_or_else(PoisonError::into_inner).insert(parcel.id) {
            return;
        }
        let organisation = Arc::clone(self);
        // Ends by itself; where it fails or dies, the consumer's next look sets another to work.
        tokio::spawn(async move {
            let id = parcel.id;
            if let Err(problem) = organisation.make_parts(&parcel, &restriction).await {
                tracing::error!(parcel = %id, %problem, "a batch could not be made");
            }
            organisation.making.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        });
    }

    /// Reads once through the permitted rows and writes a blob per part.
    async fn make_parts(&self, parcel: &Parcel, restriction: &Restriction) -> Result<(), Problem> {
        let packs = self.packs();
        let record = packs.record(&parcel.record)?.clone();
        let format = Format::parse(&parcel.format)?;
        let selection = Selection {
            columns: parcel.columns.clone(),
            filter: restriction.filter.clone(),
            after: None,
            as_of: Some(parcel.position),
        };
        // One part is made while the next is read: rows cross a bounded channel, and a thread that may wait for room
        // reads. (So it goes on a runtime of one thread too.)
        let (send, mut chunks) = tokio::sync::mpsc::channel::<Vec<Vec<Value>>>(1);
        let mut reader = self.store.snapshot().await?;
        let (columns, masks) = (parcel.columns.clone(), restriction.clone());
        let part_rows = self.config.part_rows.max(1);
        let reading = {
            let record = record.clone();
            tokio::task::spawn_blocking(move || {
                let mut rows: Vec<Vec<Value>> = Vec::with_capacity(part_rows);
                futures::executor::block_on(registry::select(&mut reader, &record, &selection, |it| {
                    let shown = columns.iter().zip(it.values).map(|(name, value)| masks.mask(name, value));
                    rows.push(shown.collect());
                    if rows.len() == part_rows {
                        let full = std::mem::replace(&mut rows, Vec::with_capacity(part_rows));
                        send.blocking_send(full).map_err(|it| fault("batch", &it))?;
                    }
                    Ok(())
                }))?;
                if !rows.is_empty() {
                    send.blocking_send(rows).map_err(|it| fault("batch", &it))?;
                }
                Ok::<(), Problem>(())
            })
        };
        let mut parts = Vec::new();
        let mut tally = self.tally_of(parcel, &record).await?;
        while let Some(rows) = chunks.recv().await {
            let number = u32::try_from(parts.len()).unwrap_or(u32::MAX);
            let (record, columns) = (record.clone(), parcel.columns.clone());
            let count = rows.len() as u64;
            let mut all = tally.take();
            let encoding = tokio::task::spawn_blocking(move || {
                if let Some((shape, tally)) = &mut all {
                    rows.iter().for_each(|it| tally.add(shape, it));
                }
                encode(format, &record, &columns, &rows).map(|it| (it, all))
            });
            let (bytes, all) = encoding.await.map_err(|it| fault("encode", &it))??;
            tally = all;
            let part =
                Part { number, digest: Digest::by(self.suite(), &bytes), rows: count, bytes: bytes.len() as u64 };
            self.blobs.put(&part_name(parcel.id, number), bytes.into()).await?;
            parts.push(part);
        }
        reading.await.map_err(|it| fault("batch", &it))??;
        let parcel = Parcel { tally: tally.map(|it| it.1.end()), ..parcel.clone() };
        transact!(self.store, None, |tx| exchange::keep_parts(tx, &parcel, &parts).await)
    }

    /// What is counted while a batch is made, so that nobody reads it all once more to compare: none where its rows
    /// could not be told apart, or changes do not follow it.
    async fn tally_of(&self, parcel: &Parcel, record: &RecordType) -> Result<Option<(RecordType, Tally)>, Problem> {
        let view = self.agreement(parcel.agreement).await?;
        let terms = &view.agreement.body.terms;
        let same = parcel.revision == Some(view.agreement.body.revision) && terms.columns == parcel.columns;
        match exchange::shape(record, terms) {
            Ok(shape) if same && parcel.format == "arrow" => {
                let tally = Tally::begin(&view.digest, &shape)?;
                Ok(Some((shape, tally)))
            }
            _ => Ok(None),
        }
    }

    /// How a batch stands; opening it again sets a new maker to work where the first one died.
    ///
    /// # Errors
    /// `exchange.parcel_missing`.
    pub async fn tell_parcel(self: &Arc<Self>, incoming: &Incoming, id: DeliveryId) -> Result<Outcome, Problem> {
        Outcome::json(&self.parcel_of(incoming, id).await?.told())
    }

    /// Hands out a part with its receipt: issued the first time, the same one ever after.
    ///
    /// # Errors
    /// The refusal table; `exchange.part_missing`.
    pub async fn hand_out(
        self: &Arc<Self>,
        incoming: &Incoming,
        id: DeliveryId,
        number: u32,
    ) -> Result<Outcome, Problem> {
        let ask: PartAsk = incoming.json()?;
        let parcel = self.parcel_of(incoming, id).await?;
        ensure!(parcel.ready, being_made());
        let Some(part) = parcel.parts.iter().find(|it| it.number == number) else {
            ensure!(parcel.format == "arrow", no_part(number));
            return self.hand_out_page(incoming, &parcel, number, ask).await;
        };
        let known = exchange::part_receipt(&mut self.store.read().await?, id, number).await?;
        let (permit, view) = self.batch_permit(incoming, parcel.agreement, &ask.purpose, known.is_some()).await?;
        let bytes = self.blobs.get(&part_name(id, number)).await?;
        ensure!(part.digest.fits(&bytes), fault("part", &"bytes on disk are not those that were made"));
        let receipt = match known {
            Some(known) => self.issued_before(incoming, known).await?,
            None => {
                let body = self.receipt_of(
                    incoming,
                    Answered {
                        view: &view,
                        purpose: ask.purpose,
                        actor: ask.actor,
                        place: Some((id, number)),
                        answer: part.digest,
                        bytes: part.bytes,
                        rows: part.rows,
                    },
                );
                match self.issue(incoming, &permit, body).await {
                    // The same part was fetched by another message in the same moment: its receipt is the part's.
                    Err(problem) if issued_meanwhile(&problem) => {
                        let known = exchange::part_receipt(&mut self.store.read().await?, id, number).await?;
                        self.issued_before(incoming, known.ok_or(problem)?).await?
                    }
                    issued => issued?,
                }
            }
        };
        let receipt = Some(STANDARD.encode(to_json(&receipt)?));
        let media = Format::parse(&parcel.format)?.media();
        Ok(Outcome { body: bytes, media, receipt })
    }

    pub(crate) async fn issued_before(&self, incoming: &Incoming, id: ReceiptId) -> Result<Receipt, Problem> {
        let nonce = incoming.nonce();
        transact!(self.store, None, |tx| exchange::claim(tx, &nonce).await)?;
        let view = exchange::receipt(&mut self.store.read().await?, id).await?;
        match view.file {
            Some(receipt) => Ok(receipt),
            None => {
                // Committed, not signed yet: signed again alone, which proves the same.
                self.finish_receipts().await?;
                exchange::receipt(&mut self.store.read().await?, id).await?.file.ok_or_else(being_made)
            }
        }
    }
}

/// Whether a receipt was refused because its part has one.
pub(crate) fn issued_meanwhile(problem: &Problem) -> bool {
    ["store.duplicate", "exchange.part_issued"].contains(&problem.code.as_ref())
}

fn being_made() -> Problem {
    Problem::new(
        Kind::Unavailable,
        "exchange.parcel_making",
        "批次正在生成，请稍候",
        "the batch is being made; ask again in a moment",
    )
}

fn other_parcel(id: DeliveryId) -> Problem {
    Problem::new(
        Kind::Conflict,
        "exchange.parcel_exists",
        format!("批次 {id} 已用于另一协议或格式；请换用新的标识"),
        format!("batch {id} was opened under another agreement or format; draw a new id"),
    )
}

fn no_part(number: u32) -> Problem {
    Problem::new(
        Kind::Missing,
        "exchange.part_missing",
        format!("批次没有第 {number} 分片"),
        format!("the batch has no part {number}"),
    )
}
