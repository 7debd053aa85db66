//! Agreements between nodes: proposed, signed by both, revoked by either.

use crate::{
    Incoming, Organisation, Outcome, draw_salt,
    requests::{from_json, to_json},
};
use exchange::{
    Accept, Agreement, AgreementId, AgreementView, Countersign, Ground, Offerer, RequestId, RequestView, Revocation,
    Revoke, RevokeByPeer, Shared, Signed, Standing, Untold,
};
use peer::Call;
use policy::{Principal, Role};
use store::transact;
use vocabulary::{Kind, OrganisationId, Problem, ensure};

impl Organisation {
    /// Proposes the agreement of an agreed request: once, under the request's own uuid.
    pub(crate) async fn propose(&self, view: &RequestView) -> Result<(), Problem> {
        let packs = self.packs();
        let request = &view.request.body;
        let offer = packs.offer(&request.offer)?;
        let asker = self.member(&request.consumer)?.organisation.facts();
        let numbers = exchange::numbers(request, &view.events)?;
        let shared = if offer.is_service() {
            Shared::Service(packs.service(&offer.of)?)
        } else {
            Shared::Records(packs.record(&offer.of)?)
        };
        let ground = Ground {
            request,
            request_digest: view.request.digest()?,
            offer,
            shared,
            asker: &asker,
            zones: &packs.zones,
            travel: self.members()?.genesis().travel,
            numbers: &numbers,
        };
        let (id, now) = (AgreementId::from_uuid(request.id.uuid()), self.now());
        let agreement = exchange::draft_agreement(&ground, &view.standing, id, now)?;
        let agreement = Signed::sign(agreement, &*self.message_key())?;
        let permit = self.permit(&self.job("propose", [Role::ProviderOfficer]), Offerer { agreement })?;
        transact!(self.store, None, |tx| exchange::propose(tx, &permit, now).await)
    }

    /// Gives the consumer the agreement that its request led to.
    ///
    /// # Errors
    /// `exchange.agreement_missing`, also for another's.
    pub async fn tell_agreement(&self, incoming: &Incoming, id: RequestId) -> Result<Outcome, Problem> {
        let consumer = &incoming.member.organisation.id;
        self.propose_missing(consumer, id).await?;
        let id = AgreementId::from_uuid(id.uuid());
        let view = exchange::agreement(&mut self.store.read().await?, id).await?;
        ensure!(view.agreement.body.consumer == *consumer, missing(id));
        Outcome::json(&view.agreement)
    }

    /// An answer may have been kept and the node died before it proposed: then it proposes now.
    async fn propose_missing(&self, consumer: &OrganisationId, id: RequestId) -> Result<(), Problem> {
        let mut reader = self.store.read().await?;
        let there = exchange::agreement(&mut reader, AgreementId::from_uuid(id.uuid())).await;
        match there {
            Err(problem) if problem.code == "exchange.agreement_missing" => {}
            other => return other.map(|_| ()),
        }
        let request = exchange::request(&mut reader, id).await?;
        drop(reader);
        let body = &request.request.body;
        let due = body.consumer == *consumer
            && body.provider == *self.id()
            && matches!(request.standing, Standing::Agreed { .. });
        if due { self.propose(&request).await } else { Ok(()) }
    }

    /// At the consumer: fetches the provider's proposal, checks it against our request, signs it, sends it back.
    ///
    /// # Errors
    /// `exchange.turn` before it is agreed; `exchange.terms` when the proposal is not what we asked for.
    pub async fn agree(&self, principal: &Principal, id: RequestId) -> Result<AgreementView, Problem> {
        let request = self.followed(id).await?;
        let provider = self.peer(&request.request.body.provider)?;
        ensure!(matches!(request.standing, Standing::Agreed { .. }), not_agreed(&request.standing));
        let call = Call::get(format!("/peer/v1/requests/{id}/agreement"));
        let answer = self.client.send(&provider, &call, self.now()).await?;
        let mut agreement: Signed<Agreement> = from_json(&answer.body)?;
        agreement.check(&provider.keys)?;
        check_terms(&request, &agreement.body)?;
        agreement.signatures.truncate(1);
        agreement.countersign(&*self.message_key())?;
        let agreement_id = agreement.body.id;
        let permit = self.permit(principal, Accept { agreement: agreement.clone() })?;
        let (salt, now) = (draw_salt()?, self.now());
        let accepted = transact!(self.store, None, |tx| exchange::accept(tx, &permit, salt, now).await);
        let agreement = match accepted {
            Ok(()) => agreement,
            // Signed before, and perhaps the provider never heard: send what we signed then.
            Err(problem) if problem.code == "exchange.agreement_exists" => {
                exchange::agreement(&mut self.store.read().await?, agreement_id).await?.agreement
            }
            Err(problem) => return Err(problem),
        };
        let call = Call::post("/peer/v1/agreements", to_json(&agreement)?);
        self.client.send(&provider, &call, self.now()).await?;
        exchange::agreement(&mut self.store.read().await?, agreement_id).await
    }

    /// Takes in the consumer's signature.
    ///
    /// # Errors
    /// `exchange.signature`, `exchange.agreement_missing`.
    pub async fn countersigned(&self, incoming: &Incoming) -> Result<Outcome, Problem> {
        let agreement: Signed<Agreement> = incoming.json()?;
        let keys = &incoming.member.organisation.keys.messages;
        agreement.check(keys)?;
        agreement.check(&self.member(self.id())?.organisation.keys.messages)?;
        let permit = self.permit_with(incoming.principal(), None, Countersign { agreement })?;
        let (salt, now, nonce) = (draw_salt()?, incoming.now, incoming.nonce());
        let view = transact!(self.store, None, |tx| {
            exchange::claim(tx, &nonce).await?;
            exchange::countersigned(tx, &permit, salt, now).await
        })?;
        Outcome::json(&view.agreement)
    }

    /// One agreement.
    ///
    /// # Errors
    /// `exchange.agreement_missing`.
    pub async fn agreement(&self, id: AgreementId) -> Result<AgreementView, Problem> {
        exchange::agreement(&mut self.store.read().await?, id).await
    }

    /// The agreements, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn agreements(&self) -> Result<Vec<AgreementView>, Problem> {
        exchange::agreements(&mut self.store.read().await?).await
    }

    /// Revokes an agreement, effective at once here, and tells the other side.
    ///
    /// # Errors
    /// `exchange.revoked`, `policy.role`.
    pub async fn revoke(
        &self,
        principal: &Principal,
        id: AgreementId,
        reason: String,
    ) -> Result<AgreementView, Problem> {
        let permit = self.permit(principal, Revoke { agreement: id, by: self.id().clone(), reason })?;
        let (salt, now) = (draw_salt()?, self.now());
        let untold =
            transact!(self.store, None, |tx| exchange::revoke(tx, &permit, &*self.message_key(), salt, now).await)?;
        // It holds whatever becomes of this; they are told until they have heard.
        if let Err(problem) = self.tell_revocation(&untold).await {
            tracing::warn!(agreement = %id, %problem, "it was not noted whether the other side heard of a revocation");
        }
        self.agreement(id).await
    }

    /// Tells the other sides of revocations that they have not confirmed; says of how many they heard.
    ///
    /// # Errors
    /// Those of the store; a side that does not answer is told another time.
    pub async fn tell_revocations(&self) -> Result<usize, Problem> {
        let untold = exchange::untold(&mut self.store.read().await?).await?;
        let mut heard = 0;
        for one in untold {
            heard += usize::from(self.tell_revocation(&one).await?);
        }
        Ok(heard)
    }

    async fn tell_revocation(&self, untold: &Untold) -> Result<bool, Problem> {
        let Untold { peer, revocation } = untold;
        let id = revocation.body.agreement;
        let call = Call::post("/peer/v1/revocations", to_json(revocation)?);
        let sent = async { self.client.send(&self.peer(peer)?, &call, self.now()).await }.await;
        if let Err(problem) = &sent {
            tracing::info!(agreement = %id, %peer, %problem, "the other side was not told of a revocation yet");
        }
        let now = self.now();
        transact!(self.store, None, |tx| exchange::tell(tx, id, sent.is_ok(), now).await)?;
        Ok(sent.is_ok())
    }

    /// Takes in the other side's revocation.
    ///
    /// # Errors
    /// `exchange.signature`, `exchange.agreement_missing`.
    pub async fn revoked(&self, incoming: &Incoming) -> Result<Outcome, Problem> {
        let revocation: Signed<Revocation> = incoming.json()?;
        revocation.check(&incoming.member.organisation.keys.messages)?;
        let permit = self.permit_with(incoming.principal(), None, RevokeByPeer { revocation })?;
        let (salt, now, nonce) = (draw_salt()?, incoming.now, incoming.nonce());
        transact!(self.store, None, |tx| {
            exchange::claim(tx, &nonce).await?;
            exchange::revoked_by_peer(tx, &permit, salt, now).await
        })?;
        Outcome::json(&serde_json::json!({}))
    }
}

fn missing(id: AgreementId) -> Problem {
    Problem::new(
        Kind::Missing,
        "exchange.agreement_missing",
        format!("没有协议 {id}"),
        format!("there is no agreement {id}"),
    )
}

fn not_agreed(standing: &Standing) -> Problem {
    Problem::new(Kind::Conflict, "exchange.turn", "申请尚未获同意", "the request is not agreed yet")
        .with("standing", serde_json::json!(standing))
}

/// We sign only what we asked for, or less.
fn check_terms(request: &RequestView, agreement: &Agreement) -> Result<(), Problem> {
    let asked = &request.request.body;
    let fits = agreement.request == asked.id
        && agreement.request_digest == request.request.digest()?
        && agreement.consumer == asked.consumer
        && agreement.provider == asked.provider
        && agreement.federation == asked.federation
        && agreement.terms.purpose == asked.purpose
        && agreement.terms.until <= asked.until
        && agreement.terms.columns.iter().all(|it| asked.columns.contains(it))
        && agreement.numbers == exchange::numbers(asked, &request.events)?
        && agreement.terms.service.is_some() != asked.operations.is_empty()
        && agreement.terms.service.iter().flat_map(|it| it.operations.keys()).all(|it| asked.operations.contains(it));
    ensure!(
        fits,
        Problem::new(
            Kind::Refused,
            "exchange.terms",
            "提供方的协议超出或不同于我方申请，未签署",
            "the provider's agreement is more than, or other than, what we asked for; it was not signed",
        )
    );
    Ok(())
}
