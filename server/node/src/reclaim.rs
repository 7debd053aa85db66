//! Reclaiming 取回, between nodes: after a restore every member is asked for the agreements, requests and receipts that
//! it shares with us. Each carries both sides' signatures and is taken over only when they hold; so nobody can talk a
//! restored node into something that it never signed.

use crate::{Incoming, Organisation, Outcome, draw_salt, receipts::other, requests::from_json};
use exchange::{Held, HeldAgreement, Keys, Receipt, RequestView, Side};
use jiff::Timestamp;
use peer::Call;
use policy::MemberRole;
use serde::de::DeserializeOwned;
use signing::PublicKey;
use store::transact;
use vocabulary::{Kind, OrganisationId, Problem, ensure, micros, timestamp_from_micros};

/// What was taken back from one member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Agreements that were missing, or became live or revoked.
    pub agreements: usize,
    /// Requests that were missing, or whose story became longer.
    pub requests: usize,
    /// Receipts that were missing.
    pub receipts: usize,
    /// Things whose signatures do not hold, or that are not ours.
    pub refused: usize,
}

impl Organisation {
    /// Tells a member what we hold of what it shares with us: `agreements`, `requests` or `receipts`, behind an id.
    ///
    /// # Errors
    /// `web.route` for another kind; those of the store.
    pub async fn tell_held(
        &self,
        incoming: &Incoming,
        kind: &str,
        since: i64,
        after: &str,
    ) -> Result<Outcome, Problem> {
        let peer = &incoming.member.organisation;
        let mut reader = self.store.read().await?;
        match kind {
            "agreements" => Outcome::json(&exchange::held_agreements(&mut reader, &peer.id, after).await?),
            "requests" => {
                let all = peer.roles.contains(&MemberRole::Authority);
                let mut page = exchange::held_requests(&mut reader, &peer.id, all, after).await?;
                // Of levels each authority hears of what goes by it alone.
                page.held.retain(|it| {
                    let passage = exchange::passage(&it.request.body);
                    passage.is_empty() || passage.contains(&&peer.id)
                });
                Outcome::json(&page)
            }
            "receipts" => {
                let since = timestamp_from_micros(since)?;
                Outcome::json(&exchange::held_receipts(&mut reader, &peer.id, since, after).await?)
            }
            _ => Err(Problem::new(Kind::Missing, "web.route", "没有这个接口", "there is no such route")),
        }
    }

    /// After a restore: asks whoever has not told yet. Says whether anybody has now; one that does not answer is asked
    /// another time.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn reclaim_once(&self) -> Result<bool, Problem> {
        let Some(state) = self.after_restore().filter(|it| !it.done) else { return Ok(false) };
        let Ok(view) = self.members() else { return Ok(false) };
        if view.fresh(self.now()).is_err() {
            return Ok(false);
        }
        let (mut any, mut all) = (false, true);
        let others = view.members().map(|it| &it.organisation.id).filter(|it| *it != self.id());
        for peer in others.filter(|it| !state.told.contains(*it)) {
            match self.reclaim_from(peer, state.since).await {
                Ok(done) => {
                    tracing::warn!(%peer, ?done, "what a member held of the lost time was taken back");
                    self.note_told(peer).await?;
                    any = true;
                }
                Err(problem) => {
                    tracing::info!(%peer, %problem, "a member is asked for what it holds another time");
                    all = false;
                }
            }
        }
        if all {
            self.note_all_told().await?;
        }
        Ok(any)
    }

    async fn reclaim_from(&self, peer: &OrganisationId, since: Timestamp) -> Result<Reclaimed, Problem> {
        let mut done = Reclaimed::default();
        let mut after = Some(String::new());
        while let Some(from) = after {
            let page = self.held(peer, "agreements", since, &from).await?;
            self.take_agreements(peer, page.held, &mut done).await?;
            after = page.next;
        }
        after = Some(String::new());
        while let Some(from) = after {
            let page = self.held(peer, "requests", since, &from).await?;
            self.take_requests(page.held, &mut done).await?;
            after = page.next;
        }
        after = Some(String::new());
        while let Some(from) = after {
            let page = self.held(peer, "receipts", since, &from).await?;
            self.take_receipts(peer, page.held, &mut done).await?;
            after = page.next;
        }
        Ok(done)
    }

    /// A page of what a member holds; each goes on behind the one before, so they come to an end.
    async fn held<T: DeserializeOwned>(
        &self,
        peer: &OrganisationId,
        kind: &str,
        since: Timestamp,
        after: &str,
    ) -> Result<Held<T>, Problem> {
        let call = Call::get(format!("/peer/v1/held/{kind}?since={}&after={after}", micros(since)));
        let page: Held<T> = match self.client.send(&self.peer(peer)?, &call, self.now()).await {
            Ok(answer) => from_json(&answer.body)?,
            // A node of the release before ours keeps what it holds to itself.
            Err(problem) if problem.code == "web.route" => {
                tracing::warn!(%peer, "this member cannot tell what it holds");
                Held { held: Vec::new(), next: None }
            }
            Err(problem) => return Err(problem),
        };
        ensure!(page.next.as_deref().is_none_or(|it| it > after), other());
        Ok(page)
    }

    /// Every message key that an organisation has or had, ours included.
    pub(crate) fn keys_ever(&self, id: &OrganisationId) -> Result<Vec<PublicKey>, Problem> {
        let member = self.member(id)?;
        let former = member.former_messages.iter().map(|(key, _)| *key);
        Ok(member.organisation.keys.messages.iter().copied().chain(former).collect())
    }

    /// Which side of something between these two we are, when the other one tells it.
    fn side(&self, provider: &OrganisationId, consumer: &OrganisationId, peer: &OrganisationId) -> Option<Side> {
        if (provider, consumer) == (self.id(), peer) {
            Some(Side::Provider)
        } else {
            ((provider, consumer) == (peer, self.id())).then_some(Side::Consumer)
        }
    }

    fn check_agreement(&self, held: &HeldAgreement, peer: &OrganisationId) -> Result<Side, Problem> {
        let body = &held.agreement.body;
        let side = self.side(&body.provider, &body.consumer, peer).ok_or_else(other)?;
        for id in [self.id(), peer] {
            held.agreement.check(&self.keys_ever(id)?)?;
        }
        if let Some(revocation) = &held.revocation {
            let by = &revocation.body.by;
            ensure!(revocation.body.agreement == body.id && (by == self.id() || by == peer), other());
            ensure!(revocation.body.agreement_digest == held.agreement.digest()?, other());
            revocation.check(&self.keys_ever(by)?)?;
        }
        Ok(side)
    }

    async fn take_agreements(
        &self,
        peer: &OrganisationId,
        all: Vec<HeldAgreement>,
        done: &mut Reclaimed,
    ) -> Result<(), Problem> {
        for held in all {
            let side = match self.check_agreement(&held, peer) {
                Ok(side) => side,
                Err(problem) => {
                    refuse(peer, &held.agreement.body.id, &problem, done);
                    continue;
                }
            };
            let (salts, now) = ([draw_salt()?, draw_salt()?], self.now());
            let new = transact!(self.store, None, |tx| exchange::reclaim_agreement(tx, &held, side, salts, now).await)?;
            done.agreements += usize::from(new);
        }
        Ok(())
    }

    async fn take_requests(&self, all: Vec<RequestView>, done: &mut Reclaimed) -> Result<(), Problem> {
        for told in all {
            let body = &told.request.body;
            let ours = body.consumer == *self.id()
                || body.provider == *self.id()
                || self.config.roles.contains(&MemberRole::Authority);
            let taken = match self.check_story(&told) {
                Ok(_) if ours => {
                    let now = self.now();
                    transact!(self.store, None, |tx| exchange::reclaim_request(tx, &told, now).await)
                }
                Ok(_) => Err(other()),
                Err(problem) => Err(problem),
            };
            match taken {
                Ok(new) => done.requests += usize::from(new),
                Err(problem) if problem.kind.status() >= 500 => return Err(problem),
                Err(problem) => refuse(&body.consumer, &body.id, &problem, done),
            }
        }
        Ok(())
    }

    fn check_held(&self, receipt: &Receipt, peer: &OrganisationId) -> Result<Side, Problem> {
        let body = &receipt.body;
        let side = self.side(&body.provider, &body.consumer, peer).ok_or_else(other)?;
        let origin = &receipt.log.origin;
        ensure!(body.federation == self.federation && origin.organisation == body.provider, other());
        let (provider, consumer) = (self.keys_ever(&body.provider)?, self.keys_ever(&body.consumer)?);
        exchange::verify(receipt, &Keys { provider: &provider, consumer: &consumer, log: &[] })?;
        Ok(side)
    }

    async fn take_receipts(
        &self,
        peer: &OrganisationId,
        all: Vec<Receipt>,
        done: &mut Reclaimed,
    ) -> Result<(), Problem> {
        for receipt in all {
            let taken = match self.check_held(&receipt, peer) {
                Ok(side) => {
                    let (salt, now) = (draw_salt()?, self.now());
                    transact!(self.store, None, |tx| match side {
                        Side::Provider => exchange::reclaim_issued(tx, &receipt, now).await,
                        Side::Consumer => exchange::reclaim_taken(tx, &receipt, salt, now).await,
                    })
                }
                Err(problem) => Err(problem),
            };
            match taken {
                Ok(new) => done.receipts += usize::from(new),
                Err(problem) if problem.kind.status() >= 500 => return Err(problem),
                Err(problem) => refuse(peer, &receipt.body.id, &problem, done),
            }
        }
        Ok(())
    }
}

fn refuse(peer: &OrganisationId, what: &dyn std::fmt::Display, problem: &Problem, done: &mut Reclaimed) {
    tracing::warn!(%peer, %what, %problem, "what a member says it holds is refused");
    done.refused += 1;
}
