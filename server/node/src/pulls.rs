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
use policy::{AgreementState, Principal};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use store::transact;
use tokio::time::Instant;
use vocabulary::{Kind, Problem, date_in_shanghai, ensure};

/// A part is at most this long.
pub(crate) const PART_BYTES_MAX: usize = 256 << 20;

/// What to fetch.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
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

/// A pull rests this long after a first fault of the provider's, twice as long after the next, up to the bound below.
const FAULT_REST: Duration = Duration::from_millis(500);
/// It rests no longer than this.
const FAULT_REST_MAX: Duration = Duration::from_secs(600);
/// After more faults in a row, which take some four hours, it has failed.
const FAULTS_MAX: u32 = 32;

fn spent(problem: &Problem) -> bool {
    problem.code == "exchange.quota"
}

/// What is so only for the moment: nobody answers, our countersignatures are still on their way, or a clock is off.
const PASSES: [&str; 3] = ["exchange.receipt_due", "peer.clock", "receipt.promise"];

pub(crate) fn passes(problem: &Problem) -> bool {
    [502, 503].contains(&problem.kind.status()) || PASSES.contains(&problem.code.as_ref())
}

pub(crate) fn revoked(id: AgreementId) -> Problem {
    Problem::new(
        Kind::Refused,
        "exchange.revoked",
        format!("协议 {id} 已撤销；如仍需要请重新申请"),
        format!("agreement {id} was revoked; request anew if the data are still needed"),
    )
}

/// How often carrying a pull on met a fault of the provider's, in a row, and when it is tried again.
pub(crate) struct Rest {
    faults: u32,
    until: Instant,
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

pub(crate) fn part_name(id: DeliveryId, number: u32) -> String {
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
        let id = ask.id.unwrap_or_else(|| DeliveryId::from_uuid(draw_uuid(now)));
        let pull = Pull::begin(id, &view.agreement.body, principal.actor.to_string(), ask.format);
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
        let today = date_in_shanghai(self.now());
        for mut pull in under_way {
            if pull.resumes.is_some_and(|it| today < it) || self.rests(pull.id) {
                continue;
            }
            let before = pull.clone();
            match self.carry(&mut pull).await {
                Ok(()) => self.rested(pull.id),
                // For the moment: the next round tries again.
                Err(problem) if passes(&problem) => {
                    tracing::info!(pull = %pull.id, %problem, "a pull waits");
                    pull.problem = Some(problem);
                }
                // Tomorrow there is a new quota; unless it has just begun and does not do for one part.
                Err(problem) if spent(&problem) && (before.resumes != Some(today) || pull.done > before.done) => {
                    tracing::info!(pull = %pull.id, %problem, "a pull waits for the next day");
                    pull.resumes = Some(today.tomorrow().unwrap_or(today));
                    pull.problem = Some(problem);
                }
                Err(problem) if problem.kind.status() == 500 && self.rest_after_fault(pull.id) => {
                    tracing::warn!(pull = %pull.id, %problem, "the provider has a fault; a pull rests");
                    pull.problem = Some(problem);
                }
                Err(problem) => {
                    self.rested(pull.id);
                    pull.state = PullState::Failed;
                    pull.problem = Some(problem);
                }
            }
            if pull != before {
                moved = true;
                transact!(self.store, None, |tx| exchange::save_pull(tx, &pull).await)?;
                self.wakes.fill.notify_one();
            }
        }
        Ok(moved)
    }

    fn rests(&self, id: DeliveryId) -> bool {
        self.resting.lock().is_ok_and(|it| it.get(&id).is_some_and(|it| Instant::now() < it.until))
    }

    fn rested(&self, id: DeliveryId) {
        if let Ok(mut resting) = self.resting.lock() {
            resting.remove(&id);
        }
    }

    /// Lets a pull rest after a fault of the provider's, longer each time; says no once there were too many in a row.
    fn rest_after_fault(&self, id: DeliveryId) -> bool {
        let Ok(mut resting) = self.resting.lock() else { return false };
        let rest = resting.entry(id).or_insert(Rest { faults: 0, until: Instant::now() });
        rest.faults += 1;
        rest.until = Instant::now() + FAULT_REST.saturating_mul(1 << rest.faults.min(16)).min(FAULT_REST_MAX);
        rest.faults <= FAULTS_MAX
    }

    async fn carry(&self, pull: &mut Pull) -> Result<(), Problem> {
        // Whether or not the provider has heard of a revocation of ours, we ask for nothing more.
        let state = self.agreement(pull.agreement).await?.state;
        ensure!(state != AgreementState::Revoked, revoked(pull.agreement));
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
        let mut here = exchange::pulled_parts(&mut self.store.read().await?, pull.id).await?;
        if self.after_restore().is_some() {
            // A receipt may have come back without its bytes: they are fetched again, under the same receipt.
            let mut whole = Vec::with_capacity(here.len());
            for number in here {
                if self.blobs.contains(&part_name(pull.id, number)).await? {
                    whole.push(number);
                }
            }
            here = whole;
        }
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
        let call = Call::post(format!("/peer/v1/parcels/{}/parts/{}", pull.id, part.number), body);
        let download = self.client.open(&self.peer(&pull.provider)?, &call, self.now()).await?;
        let answer = download.whole(usize::try_from(part.bytes).unwrap_or(usize::MAX).min(PART_BYTES_MAX)).await?;
        ensure!(part.digest.fits(&answer.body), differs("a part", pull.id));
        let receipt = read_receipt(answer.fields.get("yunhe-receipt"))?;
        self.check_receipt(&receipt, &call.body, &answer.body, &view)?;
        let (body, this) = (&receipt.body, (Some(pull.id), Some(part.number), part.rows));
        ensure!((body.delivery, body.part, body.rows) == this, differs("a receipt", pull.id));
        self.blobs.put(&part_name(pull.id, part.number), answer.body).await?;
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| exchange::take(tx, &receipt, salt, now).await)
    }
}
