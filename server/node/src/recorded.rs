//! The hub and what it sees of deliveries, between nodes: it reads the log of each provider behind a position, checks
//! that the log has only grown and that what it is told is signed by both sides, and keeps that. It never sees a row.

use crate::{Incoming, Organisation, Outcome, requests::from_json};
use evidence::{Checkpoint, merkle};
use exchange::{
    AgreementId, HubRecord, Keys, Placed, ReadRecords, RecordPage, RecordView, Recorder, Signed, TakeRecords,
};
use federation::Member;
use peer::Call;
use policy::{MemberRole, Principal, Travel};
use signing::PublicKey;
use std::sync::Arc;
use store::transact;
use vocabulary::{Hash, Kind, OrganisationId, Problem, ensure};

/// Pages of one provider in one step at most; the rest comes with the next.
const PAGES_MAX: usize = 100;

impl Organisation {
    /// Tells the hub what of our log concerns it, from index `from` on; it knew the log when it had `known` leaves.
    ///
    /// # Errors
    /// `exchange.hub` for anybody else; `evidence.index` when it claims to know more than there is.
    pub async fn tell_records(&self, incoming: &Incoming, from: u64, known: u64) -> Result<Outcome, Problem> {
        let hub = &incoming.member.organisation;
        ensure!(hub.roles.contains(&MemberRole::Hub), not_hub(&hub.id));
        let (origin, mut reader) = (self.origin()?, self.store.read().await?);
        let checkpoint = evidence::checkpoint(&mut reader).await?;
        let size = match &checkpoint {
            Some(note) => Checkpoint::open(note, &self.member(self.id())?.log_keys()?)?.size,
            None => 0,
        };
        let consistency = if known == 0 { Vec::new() } else { evidence::consistency(&mut reader, known, size).await? };
        let consistency = consistency.iter().map(hex).collect();
        let (upto, records) = exchange::records(&mut reader, from, size).await?;
        Outcome::json(&RecordPage { origin, from, upto, checkpoint, consistency, records })
    }

    /// At the hub: reads what every provider has to tell; says how much was new. One that does not answer is asked
    /// another time.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn follow_records(&self) -> Result<usize, Problem> {
        let Ok(view) = self.members() else { return Ok(0) };
        if !self.config.roles.contains(&MemberRole::Hub) || view.fresh(self.now()).is_err() {
            return Ok(0);
        }
        let mut new = 0;
        for member in view.members().filter(|it| it.organisation.id != *self.id()) {
            match self.records_of(member).await {
                Ok(some) => new += some,
                Err(problem) if problem.kind == Kind::Internal => return Err(problem),
                Err(problem) => {
                    let provider = &member.organisation.id;
                    tracing::info!(%provider, %problem, "what a provider has to tell the hub is asked another time");
                }
            }
        }
        Ok(new)
    }

    async fn records_of(&self, member: &Arc<Member>) -> Result<usize, Problem> {
        let (provider, mut new) = (&member.organisation.id, 0);
        for _ in 0..PAGES_MAX {
            let known = exchange::recorder(&mut self.store.read().await?, provider).await?;
            let log = member.organisation.keys.log.origin.to_string();
            let known = known.filter(|it| it.origin == log);
            let (from, size) = known.as_ref().map_or((0, 0), |it| (it.upto, it.size));
            let call = Call::get(format!("/peer/v1/records?from={from}&known={size}"));
            let answer = self.client.send(&self.peer(provider)?, &call, self.now()).await?;
            let mut page: RecordPage = from_json(&answer.body)?;
            let size = check_log(member, &page, known.as_ref())?;
            let (over, before) = (page.upto <= from || page.upto >= size, page.records.len());
            page.records.retain(|it| self.record_holds(provider, it));
            if page.records.len() < before {
                tracing::warn!(%provider, refused = before - page.records.len(), "the hub was told what does not hold");
            }
            if page.upto <= from && known.is_some_and(|it| it.size == size) {
                break;
            }
            let ask = TakeRecords { provider: provider.clone(), page, size };
            let (permit, now) = (self.permit(&self.job("records", []), ask)?, self.now());
            new += transact!(self.store, None, |tx| exchange::take_records(tx, &permit, now).await)?;
            if over {
                break;
            }
        }
        Ok(new)
    }

    /// Whether a record is the provider's to tell and bears the signatures that it must.
    fn record_holds(&self, provider: &OrganisationId, placed: &Placed) -> bool {
        let checked = self.check_record(provider, &placed.record);
        if let Err(problem) = &checked {
            tracing::warn!(%provider, index = placed.index, %problem, "a record does not hold");
        }
        checked.is_ok()
    }

    fn check_record(&self, provider: &OrganisationId, record: &HubRecord) -> Result<(), Problem> {
        let keys = |id: &OrganisationId| -> Result<Vec<PublicKey>, Problem> { self.keys_ever(id) };
        match record {
            HubRecord::Digest { consumer, .. } => keys(consumer).map(|_| ()),
            HubRecord::Agreement { agreement, request } => {
                let Signed { body, .. } = &**agreement;
                let asked = &request.request.body;
                let same = body.provider == *provider
                    && body.travel == Travel::HubRecorded
                    && (body.request, body.request_digest) == (asked.id, request.request.digest()?)
                    && (&asked.consumer, &asked.provider) == (&body.consumer, &body.provider);
                ensure!(same, foreign());
                for id in [&body.provider, &body.consumer] {
                    agreement.check(&keys(id)?)?;
                }
                self.check_story(request).map(|_| ())
            }
            HubRecord::Revocation { revocation } => revocation.check(&keys(&revocation.body.by)?),
            HubRecord::Receipt { receipt } => {
                let body = &receipt.body;
                ensure!(body.provider == *provider && body.federation == self.federation, foreign());
                let (provider, consumer) = (keys(&body.provider)?, keys(&body.consumer)?);
                let keys = Keys { provider: &provider, consumer: &consumer, log: &[] };
                exchange::verify(receipt, &keys).map(|_| ())
            }
        }
    }

    /// What was recorded here of deliveries, newest first.
    ///
    /// # Errors
    /// `policy.role`.
    pub async fn recorded(
        &self,
        principal: &Principal,
        agreement: Option<AgreementId>,
    ) -> Result<Vec<RecordView>, Problem> {
        let permit = self.permit(principal, ReadRecords)?;
        exchange::recorded(&mut self.store.read().await?, &permit, agreement).await
    }
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|it| format!("{it:02x}")).collect()
}

fn hash_of(text: &str) -> Result<Hash, Problem> {
    let byte = |at: usize| text.get(2 * at..2 * at + 2).and_then(|it| u8::from_str_radix(it, 16).ok());
    let mut hash = Hash::default();
    for (at, place) in hash.iter_mut().enumerate() {
        *place = byte(at).filter(|_| text.len() == 64).ok_or_else(foreign)?;
    }
    Ok(hash)
}

/// The log that is told is the member's, its checkpoint is signed, and it has only grown since it was known; its size.
fn check_log(member: &Member, page: &RecordPage, known: Option<&Recorder>) -> Result<u64, Problem> {
    let keys = member.log_keys()?;
    ensure!(page.origin == member.organisation.keys.log.origin, foreign());
    let Some(note) = &page.checkpoint else {
        ensure!(page.records.is_empty() && known.is_none_or(|it| it.size == 0), rewritten(member));
        return Ok(0);
    };
    let now = Checkpoint::open(note, &keys)?;
    ensure!(now.origin == page.origin && page.upto <= now.size.max(page.from), foreign());
    if let Some(before) = known.and_then(|it| it.checkpoint.as_deref()) {
        let before = Checkpoint::open(before, &keys)?;
        let path = page.consistency.iter().map(|it| hash_of(it)).collect::<Result<Vec<_>, _>>()?;
        let grown = merkle::verify_consistency((before.size, &before.root), (now.size, &now.root), &path);
        ensure!(grown.is_ok(), rewritten(member));
    }
    Ok(now.size)
}

fn not_hub(who: &OrganisationId) -> Problem {
    Problem::new(
        Kind::Refused,
        "exchange.hub",
        format!("{who} 不是枢纽；请求与回执的存证只报枢纽"),
        format!("{who} is no hub; what is recorded of requests and receipts is told to the hub alone"),
    )
}

fn foreign() -> Problem {
    Problem::new(
        Kind::Refused,
        "exchange.record",
        "所报存证不属于该提供方，或签名与内容不符",
        "what is told is not that provider's, or its signatures do not fit",
    )
}

fn rewritten(member: &Member) -> Problem {
    let id = &member.organisation.id;
    Problem::new(
        Kind::Refused,
        "exchange.log_rewritten",
        format!("{id} 的存证日志与此前的检查点不一致；请保留两份检查点并报创始成员"),
        format!("the log of {id} does not continue what it was; keep both checkpoints and tell the founders"),
    )
}
