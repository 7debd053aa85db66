//! Receipts on both sides: checked when they come, countersigned in batches, shown with their proof.

use crate::{
    Incoming, Organisation, Outcome, draw_salt, draw_uuid,
    organisation::fault,
    queries::promise_is_near,
    requests::{from_json, to_json},
};
use evidence::VerifierKey;
use exchange::{
    Acknowledge, Acknowledgement, AgreementId, AgreementView, DeliveryId, Due, Keys, PullState, Receipt, ReceiptBody,
    ReceiptId, ReceiptView, Side, Signed,
};
use jiff::SignedDuration;
use peer::Call;
use std::collections::BTreeMap;
use store::transact;
use vocabulary::{Digest, Kind, OrganisationId, Problem, Suite, Timestamp, ensure};

/// An answer is under way no longer than this after its receipt; past it, an open receipt is one whose answer was lost.
const UNDER_WAY_MAX: SignedDuration = SignedDuration::from_secs(120);

pub(crate) fn other() -> Problem {
    Problem::new(
        Kind::Peer,
        "receipt.other",
        "回执与请求或答复不符，未采用",
        "the receipt is not about this request and this answer; nothing was used",
    )
}

/// What goes out under an agreement: what a receipt says of it.
pub(crate) struct Answered<'a> {
    /// The agreement, as it stands.
    pub view: &'a AgreementView,
    /// For what, as the consumer says.
    pub purpose: String,
    /// Who acts at the consumer, as it says.
    pub actor: String,
    /// Which part of which batch.
    pub place: Option<(DeliveryId, u32)>,
    /// The digest of the bytes, how many there are, and how many rows are in them.
    pub answer: Digest,
    /// See above.
    pub bytes: u64,
    /// See above.
    pub rows: u64,
}

impl Organisation {
    /// What the receipt of an answer to `incoming` states.
    pub(crate) fn receipt_of(&self, incoming: &Incoming, answered: Answered<'_>) -> ReceiptBody {
        let agreement = &answered.view.agreement.body;
        let (delivery, part) = answered.place.unzip();
        ReceiptBody {
            format: "yunhe-receipt/1".to_owned(),
            id: ReceiptId::from_uuid(draw_uuid(incoming.now)),
            federation: self.federation.clone(),
            provider: self.id().clone(),
            consumer: incoming.member.organisation.id.clone(),
            actor: answered.actor,
            agreement: agreement.id,
            agreement_digest: answered.view.digest,
            record: agreement.terms.record.clone(),
            called: None,
            purpose: answered.purpose,
            delivery,
            part,
            request: incoming.digest(),
            answer: answered.answer,
            rows: answered.rows,
            bytes: answered.bytes,
            numbers: agreement.numbers.clone(),
            at: incoming.now,
        }
    }

    /// Checks a receipt before what it covers is used: its parts, and that it is about our request and these bytes.
    pub(crate) fn check_receipt(
        &self,
        receipt: &Receipt,
        request: &[u8],
        answer: &[u8],
        view: &AgreementView,
    ) -> Result<(), Problem> {
        let body = &receipt.body;
        let fits = body.request.fits(request) && body.answer.fits(answer) && body.bytes == answer.len() as u64;
        ensure!(fits && self.is_ours(receipt, view), other());
        let known = &self.member(&body.provider)?.organisation.keys.log.origin;
        let log = &receipt.log.origin;
        ensure!(log == known || log.follows(known), given_up(log, known));
        ensure!(promise_is_near(receipt.log.integrate_by, self.now()), far_promise());
        self.check_parts(receipt)
    }

    /// Whether a receipt states a delivery to us under that agreement.
    fn is_ours(&self, receipt: &Receipt, view: &AgreementView) -> bool {
        let (body, agreement) = (&receipt.body, &view.agreement.body);
        view.side == Side::Consumer
            && body.agreement == agreement.id
            && body.agreement_digest == view.digest
            && body.provider == agreement.provider
            && body.consumer == *self.id()
            && body.federation == self.federation
            && body.record == agreement.terms.record
            && body.called.is_some() == agreement.terms.service.is_some()
            && body.purpose == agreement.terms.purpose
    }

    fn check_parts(&self, receipt: &Receipt) -> Result<(), Problem> {
        let at = receipt.body.at;
        let (provider, consumer) = (self.keys_at(&receipt.body.provider, at)?, self.own_keys_at(at));
        exchange::verify(receipt, &Keys { provider: &provider, consumer: &consumer, log: &[] }).map(|_| ())
    }

    /// Countersigns what we owe, in one message per provider; says how many.
    ///
    /// # Errors
    /// The first that failed; the others are done.
    pub async fn acknowledge_due(&self) -> Result<BTreeMap<OrganisationId, usize>, Problem> {
        let due = exchange::due(&mut self.store.read().await?).await?;
        let mut done = BTreeMap::new();
        for Due { provider, leaves, unreceived } in due {
            let body = Acknowledgement {
                format: "yunhe-acknowledgement/1".to_owned(),
                leaves,
                unreceived,
                by: self.id().clone(),
                at: self.now(),
            };
            let signed = Signed::sign(body, &*self.message_key())?;
            let call = Call::post("/peer/v1/acknowledgements", to_json(&signed)?);
            self.client.send(&self.peer(&provider)?, &call, self.now()).await?;
            transact!(self.store, None, |tx| exchange::acknowledge(tx, &provider, &signed).await)?;
            done.insert(provider, signed.body.leaves.len() + signed.body.unreceived.len());
        }
        Ok(done)
    }

    /// Asks every provider what is still open there, and takes over the receipts whose answers never came to us: a
    /// connection broke, or we died. They are countersigned as such, so that no lost answer blocks an agreement. Says
    /// how many.
    ///
    /// # Errors
    /// Those of the store; a provider that does not answer is asked another time.
    pub async fn settle_missed(&self) -> Result<usize, Problem> {
        let providers = exchange::providers(&mut self.store.read().await?).await?;
        let mut taken = 0;
        let restored = self.after_restore().filter(|it| !it.done);
        // After a restore it is first told what we had countersigned before.
        let waits = |it: &OrganisationId| restored.as_ref().is_some_and(|all| !all.told.contains(it));
        for provider in providers.into_iter().filter(|it| !waits(it)) {
            match self.missed_at(&provider).await {
                Ok(number) => taken += number,
                Err(problem) => tracing::info!(%provider, %problem, "open receipts are asked for another time"),
            }
        }
        Ok(taken)
    }

    async fn missed_at(&self, provider: &OrganisationId) -> Result<usize, Problem> {
        let call = Call::get("/peer/v1/receipts/open");
        let answer = self.client.send(&self.peer(provider)?, &call, self.now()).await?;
        let open: Vec<Receipt> = from_json(&answer.body)?;
        let mut taken = 0;
        for receipt in open {
            match self.take_missed(&receipt, provider).await {
                Ok(new) => taken += usize::from(new),
                Err(problem) => tracing::warn!(receipt = %receipt.body.id, %problem, "an open receipt is refused"),
            }
        }
        Ok(taken)
    }

    async fn take_missed(&self, receipt: &Receipt, from: &OrganisationId) -> Result<bool, Problem> {
        let view = self.agreement(receipt.body.agreement).await?;
        ensure!(receipt.body.provider == *from && self.is_ours(receipt, &view), other());
        self.check_parts(receipt)?;
        if let Some(pull) = receipt.body.delivery {
            // A part of a batch under way is fetched again, under the same receipt.
            let state = exchange::pull(&mut self.store.read().await?, pull).await.map(|it| it.state);
            if matches!(state, Ok(PullState::Making | PullState::Fetching)) {
                return Ok(false);
            }
        }
        if self.will_ask(&receipt.body).await? {
            return Ok(false);
        }
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| exchange::take_missed(tx, receipt, salt, now).await)
    }

    /// Tells a consumer which receipts it has not countersigned, once their answers can no longer be under way.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn tell_open(&self, incoming: &Incoming) -> Result<Outcome, Problem> {
        let before = incoming.now.saturating_sub(UNDER_WAY_MAX).unwrap_or(Timestamp::MIN);
        let consumer = &incoming.member.organisation.id;
        Outcome::json(&exchange::open_receipts(&mut self.store.read().await?, consumer, before).await?)
    }

    /// Takes in a consumer's countersignatures.
    ///
    /// # Errors
    /// `exchange.signature`.
    pub async fn acknowledged(&self, incoming: &Incoming) -> Result<Outcome, Problem> {
        let signed: Signed<Acknowledgement> = incoming.json()?;
        signed.check(&incoming.member.organisation.keys.messages)?;
        let permit = self.permit_with(incoming.principal(), None, Acknowledge { signed })?;
        let (salt, now, nonce) = (draw_salt()?, incoming.now, incoming.nonce());
        let closed = transact!(self.store, None, |tx| {
            exchange::claim(tx, &nonce).await?;
            exchange::acknowledged(tx, &permit, salt, now).await
        })?;
        Outcome::json(&serde_json::json!({"closed": closed}))
    }

    /// Receipts that were committed but not signed when the node died are signed now.
    pub(crate) async fn finish_receipts(&self) -> Result<(), Problem> {
        loop {
            let open = exchange::proofless(&mut self.store.read().await?).await?;
            if open.is_empty() {
                return Ok(());
            }
            let mut proofs = Vec::new();
            for (id, promise) in open {
                // Alone: they promised different times, and there are few.
                let signed = evidence::batch::sign(
                    &*self.message_key(),
                    &promise.origin,
                    promise.integrate_by,
                    &[promise.leaf],
                )?;
                let proof = signed.into_iter().next().ok_or_else(|| fault("batch", &"no proof"))?;
                proofs.push((id, proof));
            }
            transact!(self.store, None, |tx| exchange::save_proofs(tx, &proofs).await)?;
        }
    }

    /// The receipts, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn receipts(&self, agreement: Option<AgreementId>) -> Result<Vec<ReceiptView>, Problem> {
        exchange::receipts(&mut self.store.read().await?, agreement).await
    }

    /// A receipt as a file, with the proof of its place in the log once that is there.
    ///
    /// # Errors
    /// `exchange.receipt_missing`, `exchange.receipt_unsigned` in the moment before it is signed.
    pub async fn receipt(&self, id: ReceiptId) -> Result<Receipt, Problem> {
        let mut reader = self.store.read().await?;
        let mut view = exchange::receipt(&mut reader, id).await?;
        if view.file.is_none() {
            drop(reader);
            // Its signature was made and not kept, or is just being made: another one proves the same.
            self.finish_receipts().await?;
            reader = self.store.read().await?;
            view = exchange::receipt(&mut reader, id).await?;
        }
        let mut receipt = view.file.ok_or_else(|| {
            Problem::new(
                Kind::Unavailable,
                "exchange.receipt_unsigned",
                "回执正在签名，请稍候再取",
                "the receipt is being signed; ask again in a moment",
            )
        })?;
        if receipt.body.provider == *self.id() {
            receipt.log_proof = evidence::inclusion(&mut reader, &receipt.log.leaf).await?.map(|it| it.to_string());
            return Ok(receipt);
        }
        drop(reader);
        let call = Call::get(format!("/peer/v1/log/proof/{}", receipt.log.leaf));
        let provider = self.peer(&receipt.body.provider)?;
        // Without the provider the receipt is proof all the same; the log's proof is one more.
        match self.client.send(&provider, &call, self.now()).await {
            Ok(answer) => receipt.log_proof = String::from_utf8(answer.body.to_vec()).ok(),
            Err(problem) => tracing::info!(receipt = %id, %problem, "no log proof yet"),
        }
        Ok(receipt)
    }

    /// The proof that a leaf of ours is in the log.
    ///
    /// # Errors
    /// `evidence.not_yet`.
    pub async fn tell_proof(&self, leaf: Digest) -> Result<Outcome, Problem> {
        let proof = evidence::inclusion(&mut self.store.read().await?, &leaf).await?.ok_or_else(|| {
            Problem::new(Kind::Missing, "evidence.not_yet", "该叶尚未入日志", "the leaf is not in the log yet")
        })?;
        Ok(Outcome { body: proof.to_string().into(), media: "text/plain; charset=utf-8", receipt: None })
    }

    /// Where our log stands.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn log(&self) -> Result<serde_json::Value, Problem> {
        let mut reader = self.store.read().await?;
        let note = evidence::checkpoint(&mut reader).await?;
        let key = VerifierKey::new(self.origin()?.to_string(), self.keys.log.public())?;
        let head = note.as_deref().map(|it| evidence::Checkpoint::open(it, std::slice::from_ref(&key))).transpose()?;
        let messages = self.message_key().public();
        let beside = (messages.suite() == Suite::Sm2Sm3).then(|| VerifierKey::new(key.name(), messages)).transpose()?;
        Ok(serde_json::json!({
            "origin": self.origin()?, "size": head.as_ref().map_or(0, |it| it.size),
            "root": head.as_ref().map(|it| Digest { suite: Suite::default(), hash: it.root }),
            "checkpoint": note, "key": key.to_string(), "beside": beside.map(|it| it.to_string()),
        }))
    }

    /// A file of the log as C2SP names it: `checkpoint` or `tile/…`.
    ///
    /// # Errors
    /// `evidence.no_tile`.
    pub async fn log_file(&self, path: &str) -> Result<Vec<u8>, Problem> {
        let mut reader = self.store.read().await?;
        let found = if path == "checkpoint" {
            evidence::checkpoint(&mut reader).await?.map(String::into_bytes)
        } else {
            match path.parse() {
                Ok(path) => evidence::tile(&mut reader, path).await?,
                Err(_) => None,
            }
        };
        found.ok_or_else(|| {
            Problem::new(
                Kind::Missing,
                "evidence.no_tile",
                format!("日志没有文件 {path}"),
                format!("the log has no file {path}"),
            )
        })
    }
}

/// A provider that promises a place in a log that it gave up runs on old data.
fn given_up(log: &evidence::Origin, known: &evidence::Origin) -> Problem {
    Problem::new(
        Kind::Peer,
        "receipt.log",
        format!("回执承诺入日志 {log}，而成员日志所载为 {known}，未采用；请通知提供方核查是否运行了旧数据"),
        format!(
            "the receipt promises a place in {log}, but membership names {known}; nothing was used, tell the provider \
             to see whether it runs on old data"
        ),
    )
}

/// A promise that lies far ahead is none; as a rule one of the two clocks is off.
fn far_promise() -> Problem {
    Problem::new(
        Kind::Peer,
        "receipt.promise",
        "回执承诺入日志的时间离现在过远，未采用；请核对双方时钟后重试",
        "the receipt promises its place in the log for a time too far from now; nothing was used, compare both clocks \
         and try again",
    )
}
