//! Requests between nodes: drafted and signed at the consumer, taken from turn to turn, answered where the turn is.
//!
//! Without levels the consumer's node carries the story; the authority and the provider each keep the copy they were
//! told and what they added to it. Over levels it goes from neighbour to neighbour by letter. Whoever receives it
//! checks every signature in it.

use crate::{AttachmentDraft, Incoming, Organisation, Outcome, cascade::other_way, draw_uuid};
use exchange::{
    AccessRequest, AnswerAsk, Event, LegalBasis, Receive, RequestId, RequestView, Signed, Standing, Submit,
    SupplementAsk, Verdict,
};
use federation::View;
use peer::Call;
use policy::{AnswerStep, MemberRole, Offer, Operation, Principal};
use schema::{FieldName, RecordType};
use serde::{Deserialize, Serialize};
use signing::PublicKey;
use std::collections::BTreeMap;
use store::transact;
use vocabulary::{
    Bilingual, Date, Kind, OperationName, OrganisationId, PlatformNumber, Problem, ResourceId, Timestamp,
    canonical_bytes, ensure,
};

/// What a person or program fills in.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestDraft {
    /// Who holds the data.
    pub provider: OrganisationId,
    /// Which offer.
    pub offer: ResourceId,
    /// Which columns; none named: all offered ones.
    #[serde(default)]
    pub columns: Vec<FieldName>,
    /// Which operations of a service; none named: all offered ones.
    #[serde(default)]
    pub operations: Vec<OperationName>,
    /// For what.
    pub purpose: String,
    /// By what right.
    pub basis: LegalBasis,
    /// For which matter.
    pub matter: String,
    /// By which application system.
    pub system: String,
    /// How often.
    pub frequency: String,
    /// Until when.
    #[schemars(with = "String")]
    pub until: Date,
    /// Which office answers for the use.
    pub in_charge: String,
    /// Files that belong to it.
    #[serde(default)]
    pub attachments: Vec<AttachmentDraft>,
    /// Numbers that platforms gave so far: of the catalogue entry, of the resource, of the request itself.
    #[serde(default)]
    pub numbers: Vec<PlatformNumber>,
    /// To ask the same again after an answer that was lost.
    #[serde(default)]
    pub id: Option<RequestId>,
}

/// An answer as it is filled in.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerDraft {
    /// As which step.
    pub step: AnswerStep,
    /// What it says.
    pub verdict: Verdict,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// Which columns stay.
    #[serde(default)]
    pub columns: Option<Vec<FieldName>>,
    /// Numbers that we give it, or that a platform outside the federation gave.
    #[serde(default)]
    pub numbers: Vec<PlatformNumber>,
    /// Which operations of a service stay.
    #[serde(default)]
    pub operations: Option<Vec<OperationName>>,
}

/// An offer with what it shares, as it is told to members.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OfferView {
    /// The offer.
    pub offer: Offer,
    /// The record type, only with the columns that are offered and its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordType>,
    /// The service, only with the operations that are offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceView>,
}

/// A service as members see it: what may be called, not where it stands.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ServiceView {
    /// Its title.
    pub title: Bilingual,
    /// Whether it tells about natural persons.
    pub personal: bool,
    /// What may be called.
    pub operations: BTreeMap<OperationName, Operation>,
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(|it| crate::organisation::fault("json", &it))
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|it| {
        Problem::new(
            Kind::Peer,
            "peer.answer",
            format!("对端答复无法读懂：{it}"),
            format!("the peer's answer cannot be read: {it}"),
        )
    })
}

impl Organisation {
    /// The offers of this organisation, as told to members.
    pub fn offers(&self) -> Vec<OfferView> {
        let packs = self.packs();
        let views = packs.offers().filter_map(|offer| {
            if offer.is_service() {
                let service = packs.service(&offer.of).ok()?;
                let mut operations = service.operations.clone();
                operations.retain(|it, _| offer.operations.contains(it));
                let service = ServiceView { title: service.title.clone(), personal: service.personal, operations };
                return Some(OfferView { offer: offer.clone(), record: None, service: Some(service) });
            }
            let record = packs.record(&offer.of).ok()?;
            let mut record = record.clone();
            let key = record.key.clone();
            record.fields.retain(|it, _| offer.columns.contains(it) || key.contains(it));
            Some(OfferView { offer: offer.clone(), record: Some(record), service: None })
        });
        views.collect()
    }

    /// The offers of a member, asked from its node.
    ///
    /// # Errors
    /// `peer.not_member`, `peer.unreachable`.
    pub async fn offers_of(&self, member: &OrganisationId) -> Result<Vec<OfferView>, Problem> {
        if member == self.id() {
            return Ok(self.offers());
        }
        let answer = self.client.send(&self.peer(member)?, &Call::get("/peer/v1/offers"), self.now()).await?;
        from_json(&answer.body)
    }

    /// Drafts, signs and keeps a request, and takes it to whoever's turn it is.
    ///
    /// # Errors
    /// `exchange.offer_missing` and the reasons of [`exchange::admissible`]; `policy.role`.
    pub async fn request(&self, principal: &Principal, draft: RequestDraft) -> Result<RequestView, Problem> {
        let offers = self.offers_of(&draft.provider).await?;
        let offer = offers.into_iter().map(|it| it.offer).find(|it| it.offer == draft.offer).ok_or_else(|| {
            Problem::new(
                Kind::Missing,
                "exchange.offer_missing",
                format!("{} 没有提供 {}", draft.provider, draft.offer),
                format!("{} does not offer {}", draft.provider, draft.offer),
            )
        })?;
        if let Some(view) = self.asked_before(&draft).await? {
            return self.with_clocks(self.take_along(view).await?).await;
        }
        let now = self.now();
        let files = self.files(draft.attachments).await?;
        let columns = if draft.columns.is_empty() { offer.columns.clone() } else { draft.columns };
        let way = self.members()?.way(self.id(), &draft.provider);
        let operations = if draft.operations.is_empty() { offer.operations.clone() } else { draft.operations };
        let request = AccessRequest {
            format: "yunhe-request/1".to_owned(),
            id: draft.id.unwrap_or_else(|| RequestId::from_uuid(draw_uuid(now))),
            federation: self.federation.clone(),
            consumer: self.id().clone(),
            provider: draft.provider,
            offer: draft.offer,
            columns,
            operations,
            purpose: draft.purpose,
            basis: draft.basis,
            matter: draft.matter,
            system: draft.system,
            frequency: draft.frequency,
            until: draft.until,
            in_charge: draft.in_charge,
            attachments: files.listed(),
            way,
            numbers: draft.numbers,
            at: now,
        };
        exchange::numbers(&request, &[])?;
        let me = self.member(self.id())?;
        exchange::admissible(&request, &offer, &me.organisation.facts(), now)?;
        let request = Signed::sign(request, &*self.message_key())?;
        let permit = self.permit(principal, Submit { request, steps: offer.answer })?;
        self.keep(&files).await?;
        let view = transact!(self.store, None, |tx| exchange::submit(tx, &permit, now).await)?;
        self.with_clocks(self.take_along(view).await?).await
    }

    /// The request that was made under the draft's id, if one was.
    async fn asked_before(&self, draft: &RequestDraft) -> Result<Option<RequestView>, Problem> {
        let Some(id) = draft.id else { return Ok(None) };
        let view = match exchange::request(&mut self.store.read().await?, id).await {
            Ok(view) => view,
            Err(problem) if problem.code == "exchange.request_missing" => return Ok(None),
            Err(problem) => return Err(problem),
        };
        let body = &view.request.body;
        let same = body.consumer == *self.id()
            && (&body.provider, &body.offer, &body.purpose) == (&draft.provider, &draft.offer, &draft.purpose)
            && (&body.system, &body.matter, body.until) == (&draft.system, &draft.matter, draft.until);
        ensure!(
            same,
            Problem::new(
                Kind::Conflict,
                "exchange.request_exists",
                format!("标识 {id} 已用于另一申请；请换用新的标识"),
                format!("{id} names another request; draw a new id"),
            )
        );
        Ok(Some(view))
    }

    /// Takes a request to the node whose turn it is, as long as that is not us.
    async fn take_along(&self, view: RequestView) -> Result<RequestView, Problem> {
        if !view.request.body.way.is_empty() {
            self.tell_letters_now(&view.request.body.id.to_string()).await;
            return Ok(view);
        }
        let Some(next) = self.whose_turn(&view)? else { return Ok(view) };
        if next == *self.id() || view.request.body.consumer != *self.id() {
            return Ok(view);
        }
        let call = Call::post("/peer/v1/requests", to_json(&view)?);
        let answer = self.client.send(&self.peer(&next)?, &call, self.now()).await?;
        let told: RequestView = from_json(&answer.body)?;
        self.check_story(&told)?;
        let now = self.now();
        transact!(self.store, None, |tx| exchange::merge(tx, &told, now).await)
    }

    /// Which member acts next on a request without levels; nobody when it is over or the asker's.
    fn whose_turn(&self, view: &RequestView) -> Result<Option<OrganisationId>, Problem> {
        let body = &view.request.body;
        Ok(match &view.standing {
            Standing::Waiting { step: AnswerStep::OwnDepartment, .. } | Standing::Supplement { .. } => {
                Some(body.consumer.clone())
            }
            Standing::Waiting { step: AnswerStep::Authority, .. } => Some(authority(&*self.members()?)?),
            Standing::Waiting { step: AnswerStep::Provider, .. } | Standing::Agreed { .. } => {
                Some(body.provider.clone())
            }
            Standing::Returned { .. } | Standing::Refused { .. } => None,
        })
    }

    /// One request; at the consumer, after asking the node whose turn it is for news, and taking it on.
    ///
    /// # Errors
    /// `exchange.request_missing`, `peer.unreachable`.
    pub async fn request_view(&self, id: RequestId) -> Result<RequestView, Problem> {
        self.with_clocks(self.followed(id).await?).await
    }

    /// A request after asking for news.
    pub(crate) async fn followed(&self, id: RequestId) -> Result<RequestView, Problem> {
        let mut view = exchange::request(&mut self.store.read().await?, id).await?;
        if view.request.body.consumer != *self.id() || !view.request.body.way.is_empty() {
            return Ok(view);
        }
        // Each turn moves at most once around: bounded by the steps there are.
        for _ in 0..=view.steps.len() {
            let Some(next) = self.whose_turn(&view)?.filter(|it| it != self.id()) else { break };
            let before = view.events.len();
            let call = Call::get(format!("/peer/v1/requests/{id}"));
            view = match self.client.send(&self.peer(&next)?, &call, self.now()).await {
                Ok(answer) => {
                    let told: RequestView = from_json(&answer.body)?;
                    self.check_story(&told)?;
                    // What we did meanwhile did not reach it: it is told again.
                    let behind = told.events.len() < before;
                    let now = self.now();
                    let view = transact!(self.store, None, |tx| exchange::merge(tx, &told, now).await)?;
                    if behind { self.take_along(view).await? } else { view }
                }
                // It has not been told yet: tell it now.
                Err(problem) if problem.code == "exchange.request_missing" => self.take_along(view).await?,
                Err(problem) => return Err(problem),
            };
            if view.events.len() == before {
                break;
            }
            view = self.take_along(view).await?;
        }
        Ok(view)
    }

    /// The requests we know of, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn requests(&self) -> Result<Vec<RequestView>, Problem> {
        let views = exchange::requests(&mut self.store.read().await?).await?;
        self.all_with_clocks(views).await
    }

    /// Requests that an earlier version kept are noted with for whom they wait.
    pub(crate) async fn note_waits(&self) -> Result<(), Problem> {
        while transact!(self.store, None, |tx| exchange::note_waits(tx).await)? > 0 {}
        Ok(())
    }

    /// Answers a request where it is our turn; an agreed one gets its agreement proposed at once.
    ///
    /// # Errors
    /// `exchange.turn`, `exchange.reason`, `exchange.columns`, `policy.role`.
    pub async fn answer(
        &self,
        principal: &Principal,
        id: RequestId,
        draft: AnswerDraft,
    ) -> Result<RequestView, Problem> {
        let view = exchange::request(&mut self.store.read().await?, id).await?;
        self.check_step(&view, draft.step)?;
        let AnswerDraft { step, verdict, reason, columns, operations, numbers } = draft;
        self.check_givers(&numbers, self.id())?;
        let ask = AnswerAsk { request: id, step, by: self.id().clone(), verdict, reason, columns, operations, numbers };
        let permit = self.permit(principal, ask)?;
        let now = self.now();
        let view = transact!(self.store, None, |tx| exchange::answer(tx, &permit, &*self.message_key(), now).await)?;
        if matches!(view.standing, Standing::Agreed { .. }) && view.request.body.provider == *self.id() {
            self.propose(&view).await?;
        }
        self.with_clocks(self.take_along(view).await?).await
    }

    /// The step must be ours: own department at the consumer, provider at the provider, authority at an authority.
    fn check_step(&self, view: &RequestView, step: AnswerStep) -> Result<(), Problem> {
        let ours = match step {
            AnswerStep::OwnDepartment => view.request.body.consumer == *self.id(),
            AnswerStep::Provider => view.request.body.provider == *self.id(),
            AnswerStep::Authority => self.is_authority_of(view),
        };
        ensure!(
            ours,
            Problem::new(Kind::Refused, "exchange.turn", "此环节不由本单位答复", "this step is not ours to answer")
        );
        Ok(())
    }

    /// Supplements a request after 补正 and takes it back to whoever asked for it.
    ///
    /// # Errors
    /// `exchange.turn`, `policy.role`.
    pub async fn supplement(
        &self,
        principal: &Principal,
        id: RequestId,
        (note, files): (String, Vec<AttachmentDraft>),
    ) -> Result<RequestView, Problem> {
        let view = exchange::request(&mut self.store.read().await?, id).await?;
        let files = self.files(files).await?;
        let permit = self.permit(principal, SupplementAsk { request: id, note, attachments: files.listed() })?;
        // What is refused keeps no files here.
        ensure!(
            matches!(view.standing, Standing::Supplement { .. }) && view.request.body.consumer == *self.id(),
            not_to_supplement()
        );
        self.keep(&files).await?;
        let now = self.now();
        let view =
            transact!(self.store, None, |tx| exchange::supplement(tx, &permit, &*self.message_key(), now).await)?;
        self.with_clocks(self.take_along(view).await?).await
    }

    /// Whether the authority whose turn it is, or was, is this organisation.
    pub(crate) fn is_authority_of(&self, view: &RequestView) -> bool {
        let level = match &view.standing {
            Standing::Waiting { step: AnswerStep::Authority, level, .. } => *level,
            _ => 0,
        };
        let here = self.config.roles.contains(&MemberRole::Authority);
        here && exchange::authority_at(&view.request.body, level).is_none_or(|it| it == self.id())
    }

    /// Takes in a request that the consumer's node brings.
    ///
    /// # Errors
    /// `exchange.signature`, `exchange.story`, the reasons of [`exchange::admissible`].
    pub async fn receive_request(&self, incoming: &Incoming) -> Result<Outcome, Problem> {
        Outcome::json(&self.receive_story(incoming, incoming.json()?).await?)
    }

    /// Takes in how a request stands, from its consumer or from a neighbour on its way.
    pub(crate) async fn receive_story(&self, incoming: &Incoming, told: RequestView) -> Result<RequestView, Problem> {
        let standing = self.check_story(&told)?;
        let body = &told.request.body;
        let provider = body.provider == *self.id();
        if !self.knows_request(body.id).await? {
            let way = self.members()?.way(&body.consumer, &body.provider);
            ensure!(way == body.way, other_way(&way));
        }
        let unfit = if provider { self.unfit(&told, incoming.now).err() } else { None };
        let ours = provider || exchange::passage(body).contains(&self.id());
        // Where it is not our turn an answer cannot say so.
        let returns = !body.way.is_empty() && matches!(standing, Standing::Waiting { step: AnswerStep::Provider, .. });
        if let Some(problem) = unfit.as_ref().filter(|_| !returns) {
            return Err(problem.clone());
        }
        ensure!(
            ours || told.steps.contains(&AnswerStep::Authority) && self.config.roles.contains(&MemberRole::Authority),
            Problem::new(Kind::Refused, "exchange.turn", "此申请与本单位无关", "this request is not for us")
        );
        let (from, own) = (incoming.member.organisation.id.clone(), self.id().clone());
        let permit = self.permit_with(incoming.principal(), None, Receive { view: told, from, own })?;
        let (now, nonce) = (incoming.now, incoming.nonce());
        let view = transact!(self.store, None, |tx| {
            exchange::claim(tx, &nonce).await?;
            exchange::receive(tx, &permit, now).await
        })?;
        self.pass_on_soon();
        match (unfit, &view.standing) {
            (Some(problem), Standing::Waiting { step: AnswerStep::Provider, .. }) if provider => {
                self.return_unfit(view, &problem).await
            }
            (None, Standing::Agreed { .. }) if provider => {
                self.propose(&view).await?;
                Ok(view)
            }
            _ => Ok(view),
        }
    }

    async fn knows_request(&self, id: RequestId) -> Result<bool, Problem> {
        match exchange::request(&mut self.store.read().await?, id).await {
            Ok(_) => Ok(true),
            Err(problem) if problem.code == "exchange.request_missing" => Ok(false),
            Err(problem) => Err(problem),
        }
    }

    /// Whether the offer as it is now takes the request.
    fn unfit(&self, told: &RequestView, now: Timestamp) -> Result<(), Problem> {
        let body = &told.request.body;
        let packs = self.packs();
        let offer = packs.offer(&body.offer)?;
        exchange::admissible(body, offer, &self.member(&body.consumer)?.organisation.facts(), now)?;
        ensure!(told.steps == offer.answer, steps_differ(&offer.answer));
        Ok(())
    }

    /// Tells the consumer how its request stands.
    ///
    /// # Errors
    /// `exchange.request_missing`, also for another's request.
    pub async fn tell_request(&self, incoming: &Incoming, id: RequestId) -> Result<Outcome, Problem> {
        let view = exchange::request(&mut self.store.read().await?, id).await?;
        ensure!(view.request.body.consumer == incoming.member.organisation.id, exchange::no_request(id));
        Outcome::json(&view)
    }

    /// Checks every signature of a story: the consumer's, and each answer's by the member whose step it is. Says where
    /// the request stands by it, whatever it says itself.
    pub(crate) fn check_story(&self, view: &RequestView) -> Result<Standing, Problem> {
        let members = self.members()?;
        let body = &view.request.body;
        let bytes = canonical_bytes(view)?.len();
        ensure!(
            bytes <= 256 << 10 && view.events.len() <= 100,
            Problem::new(Kind::TooLarge, "exchange.story", "申请经过过长", "the request's story is too long")
        );
        // A story is older than the keys of today may be.
        let keys = |id: &OrganisationId| -> Result<Vec<PublicKey>, Problem> { self.keys_ever(id) };
        exchange::check_attachments(&body.attachments)?;
        view.request.check(&keys(&body.consumer)?)?;
        let digest = view.request.digest()?;
        for event in &view.events {
            match event {
                Event::Answered(answer) => {
                    let by = match answer.body.step {
                        AnswerStep::OwnDepartment => body.consumer.clone(),
                        AnswerStep::Authority if body.way.contains(&answer.body.by) => answer.body.by.clone(),
                        AnswerStep::Authority => authority(&members)?,
                        AnswerStep::Provider => body.provider.clone(),
                    };
                    self.check_givers(&answer.body.numbers, &by)?;
                    ensure!(answer.body.by == by && answer.body.request_digest == digest, foreign_answer());
                    answer.check(&keys(&by)?)?;
                }
                Event::Supplemented(note) => {
                    exchange::check_attachments(&note.body.attachments)?;
                    ensure!(note.body.request_digest == digest, foreign_answer());
                    note.check(&keys(&body.consumer)?)?;
                }
            }
        }
        exchange::standing(body, &view.steps, &view.events)
    }
}

fn not_to_supplement() -> Problem {
    Problem::new(
        Kind::Conflict,
        "exchange.turn",
        "该申请此时不待本单位补正；请刷新后查看其状态",
        "this request waits for no supplement of ours; look at how it stands",
    )
}

fn foreign_answer() -> Problem {
    Problem::new(
        Kind::Refused,
        "exchange.signature",
        "答复不属于该申请或该环节",
        "an answer does not belong to this request or this step",
    )
}

fn steps_differ(steps: &[AnswerStep]) -> Problem {
    Problem::new(
        Kind::Conflict,
        "exchange.steps",
        "答复环节与提供方现行规定不符；请重新申请",
        "the answering steps are not those of the offer as it is now; ask anew",
    )
    .with("steps", serde_json::json!(steps))
}

/// The authority in charge of `id`: its superior, or else the member with that role.
pub(crate) fn in_charge(members: &View, id: &OrganisationId) -> Result<OrganisationId, Problem> {
    members.superior(id).map_or_else(|| authority(members), |it| Ok(it.clone()))
}

/// The authority in charge without levels: the member with that role.
pub(crate) fn authority(members: &View) -> Result<OrganisationId, Problem> {
    let mut all = members.members().filter(|it| it.organisation.roles.contains(&MemberRole::Authority));
    all.next().map(|it| it.organisation.id.clone()).ok_or_else(|| {
        Problem::new(
            Kind::Unavailable,
            "exchange.no_authority",
            "联邦内没有主管部门",
            "the federation has no authority in charge",
        )
    })
}
