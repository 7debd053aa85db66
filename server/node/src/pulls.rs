//! Batches at the consumer: opened, fetched part by part, resumed after any end.
//!
//! A part is done when its receipt is taken over, and that happens after its bytes are safe; so a node that dies in
//! between fetches the part again, gets the same receipt, and takes it over once.

use crate::{
    Organisation, draw_salt, draw_uuid,
    parcels::{ParcelAsk, PartAsk},
    queries::{Consume, not_ours, read_receipt},
    requests::{from_json, to_json},
};
use bytes::Bytes;
use exchange::{AgreementId, DeliveryId, OpenPull, Parcel, Part, Pull, PullState, Side};
use peer::Call;
use policy::Principal;
use serde::Deserialize;
use std::sync::Arc;
use store::transact;
use vocabulary::{Digest, Kind, Problem, ensure};

/// A part is at most this long.
const PART_BYTES_MAX: usize = 256 << 20;

/// What to fetch.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullAsk {
    /// Under which agreement.
    pub agreement: AgreementId,
    /// `arrow`, `parquet` or `csv`.
    pub format: String,
    /// To begin the same pull again after an answer that was lost.
    #[serde(default)]
    pub id: Option<DeliveryId>,
}

/// What is so only for the moment: nobody answers, or our countersignatures are still on their way.
fn passes(problem: &Problem) -> bool {
    [502, 503].contains(&problem.kind.status()) || problem.code == "exchange.receipt_due"
}

/// Whether what the provider lists is the batch that we opened, with its parts in order.
fn is_ours(parcel: &Parcel, pull: &Pull) -> bool {
    let in_order = parcel.parts.iter().zip(0..).all(|(part, number)| part.number == number);
    in_order && (parcel.id, parcel.agreement, &parcel.format) == (pull.id, pull.agreement, &pull.format)
}

fn differs(what: &str, id: DeliveryId) -> Problem {
    Problem::new(
        Kind::Peer,
        "exchange.batch_differs",
        format!("批次 {id} 的内容前后不符（{what}），未采用；请联系提供方"),
        format!("{what} of batch {id} does not fit what its provider said of it and was not used; tell the provider"),
    )
}

fn part_name(id: DeliveryId, number: u32) -> String {
    format!("pull/{id}/{number}")
}

impl Organisation {
    /// Begins a pull; a job of the node carries it on.
    ///
    /// # Errors
    /// `exchange.agreement_missing`, `exchange.side`, `exchange.format`, `policy.role`.
    pub async fn pull(self: &Arc<Self>, principal: &Principal, ask: PullAsk) -> Result<Pull, Problem> {
        crate::encode::Format::parse(&ask.format)?;
        let view = self.agreement(ask.agreement).await?;
        ensure!(view.side == Side::Consumer, not_ours(ask.agreement));
        let now = self.now();
        let agreement = &view.agreement.body;
        let pull = Pull {
            id: ask.id.unwrap_or_else(|| DeliveryId::from_uuid(draw_uuid(now))),
            agreement: ask.agreement,
            provider: agreement.provider.clone(),
            purpose: agreement.terms.purpose.clone(),
            actor: principal.actor.to_string(),
            format: ask.format,
            state: PullState::Making,
            parts: 0,
            done: 0,
            rows: 0,
            bytes: 0,
            problem: None,
        };
        let id = pull.id;
        let permit = self.permit(principal, OpenPull { pull })?;
        transact!(self.store, None, |tx| exchange::open_pull(tx, &permit, now).await)?;
        self.pull_state(id).await
    }

    /// How a pull stands.
    ///
    /// # Errors
    /// `exchange.pull_missing`.
    pub async fn pull_state(&self, id: DeliveryId) -> Result<Pull, Problem> {
        exchange::pull(&mut self.store.read().await?, id).await
    }

    /// The bytes of a part that is here.
    ///
    /// # Errors
    /// `blob.missing`, `policy.role`.
    pub async fn pulled_part(&self, principal: &Principal, id: DeliveryId, number: u32) -> Result<Bytes, Problem> {
        self.permit(principal, Consume)?;
        self.blobs.get(&part_name(id, number)).await
    }

    /// Carries every pull on by as much as can be done now; says whether anything moved.
    ///
    /// # Errors
    /// Those of the store; what a peer says is kept with its pull.
    pub async fn carry_pulls(&self) -> Result<bool, Problem> {
        let mut moved = false;
        let under_way = exchange::pulls_under_way(&mut self.store.read().await?).await?;
        for mut pull in under_way {
            let before = pull.clone();
            match self.carry(&mut pull).await {
                Ok(()) => {}
                // For the moment: the next round tries again.
                Err(problem) if passes(&problem) => {
                    tracing::info!(pull = %pull.id, %problem, "a pull waits");
                    pull.problem = Some(problem);
                }
                Err(problem) => {
                    pull.state = PullState::Failed;
                    pull.problem = Some(problem);
                }
            }
            if pull != before {
                moved = true;
                transact!(self.store, None, |tx| exchange::save_pull(tx, &pull).await)?;
            }
        }
        Ok(moved)
    }

    async fn carry(&self, pull: &mut Pull) -> Result<(), Problem> {
        let peer = self.peer(&pull.provider)?;
        let ask = ParcelAsk {
            id: pull.id,
            agreement: pull.agreement,
            purpose: pull.purpose.clone(),
            actor: pull.actor.clone(),
            format: pull.format.clone(),
        };
        // Opening again is the same as asking how it stands, and sets a dead maker to work.
        let call = Call::post("/peer/v1/parcels", to_json(&ask)?);
        let parcel: Parcel = from_json(&self.client.send(&peer, &call, self.now()).await?.body)?;
        ensure!(is_ours(&parcel, pull), differs("the list", pull.id));
        pull.problem = None;
        if !parcel.ready {
            return Ok(());
        }
        pull.state = PullState::Fetching;
        pull.parts = u32::try_from(parcel.parts.len()).unwrap_or(u32::MAX);
        let here = exchange::pulled_parts(&mut self.store.read().await?, pull.id).await?;
        (pull.done, pull.rows, pull.bytes) = (0, 0, 0);
        for part in &parcel.parts {
            if !here.contains(&part.number) {
                self.fetch(pull, part).await?;
            }
            pull.done += 1;
            pull.rows += part.rows;
            pull.bytes += part.bytes;
            transact!(self.store, None, |tx| exchange::save_pull(tx, pull).await)?;
        }
        pull.state = PullState::Done;
        Ok(())
    }

    async fn fetch(&self, pull: &Pull, part: &Part) -> Result<(), Problem> {
        let view = self.agreement(pull.agreement).await?;
        let body = to_json(&PartAsk { purpose: pull.purpose.clone(), actor: pull.actor.clone() })?;
        let request = Digest::of(&body);
        let call = Call::post(format!("/peer/v1/parcels/{}/parts/{}", pull.id, part.number), body);
        let download = self.client.open(&self.peer(&pull.provider)?, &call, self.now()).await?;
        let answer = download.whole(usize::try_from(part.bytes).unwrap_or(usize::MAX).min(PART_BYTES_MAX)).await?;
        ensure!(Digest::of(&answer.body) == part.digest, differs("a part", pull.id));
        let receipt = read_receipt(answer.fields.get("yunhe-receipt"))?;
        self.check_receipt(&receipt, request, &answer.body, &view)?;
        let (body, this) = (&receipt.body, (Some(pull.id), Some(part.number), part.rows));
        ensure!((body.delivery, body.part, body.rows) == this, differs("a receipt", pull.id));
        self.blobs.put(&part_name(pull.id, part.number), answer.body).await?;
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| exchange::take(tx, &receipt, salt, now).await)
    }
}
