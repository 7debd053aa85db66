//! Objections between nodes: raised at the consumer, ruled on at the provider, and every past recipient told until all
//! have confirmed.

use crate::{
    Incoming, Organisation, Outcome, clocks::Ran, draw_salt, draw_uuid, records::key_values, requests::to_json,
};
use calendar::{Reading, Run};
use exchange::{
    AgreementId, Case, ClockKind, Confirm, CorrectionCause, CorrectionId, CorrectionView, Fixed, Happening, Letter,
    Notice, Objection, ObjectionClock, ObjectionId, ObjectionSide, ObjectionView, Outgoing, Raise, ReadObjections,
    ReceiptId, Referral, Rule, Ruling, RulingVerdict, Seal, Signed, TakeConfirmation, TakeCorrection, TakeEscalation,
    TakeObjection, TakeRulings, Wrong,
};
use peer::Call;
use policy::{MemberRole, Principal};
use registry::{Correct, Corrected, Fix, RowId};
use schema::{FieldName, RecordType};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::{collections::BTreeSet, time::Duration};
use store::transact;
use vocabulary::{Kind, OrganisationId, Problem, Timestamp, ensure};

/// Whoever rules waits so long for those who are to hear of it; the job tells the rest.
const TELL_NOW: Duration = Duration::from_secs(5);

/// An objection as it is filled in.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectionDraft {
    /// Under which agreement it was delivered.
    pub agreement: AgreementId,
    /// By which delivery.
    #[serde(default)]
    pub receipt: Option<ReceiptId>,
    /// The key of the row; none: the columns as such.
    #[serde(default)]
    pub key: Vec<String>,
    /// Which columns; none: the row as such.
    #[serde(default)]
    pub columns: Vec<FieldName>,
    /// What was delivered, by column.
    #[serde(default)]
    pub seen: Map<String, Json>,
    /// What would be right, by column.
    #[serde(default)]
    pub right: Map<String, Json>,
    /// Why it is thought wrong.
    pub reason: String,
    /// To say the same again after an answer that was lost.
    #[serde(default)]
    pub id: Option<ObjectionId>,
}

/// A ruling as it is filled in.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RulingDraft {
    /// What it says.
    pub verdict: RulingVerdict,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// To correct: the right values, by column. Neither these nor `remove`: it was corrected at its source already.
    #[serde(default)]
    pub row: Map<String, Json>,
    /// To correct: the row is taken out.
    #[serde(default)]
    pub remove: bool,
    /// To pass on: the source department.
    #[serde(default)]
    pub passed_to: Option<OrganisationId>,
}

/// A confirmation as it is filled in.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmationDraft {
    /// What was done with what had been received.
    pub note: String,
}

/// Which objections.
#[derive(Clone, Debug, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectionsAsk {
    /// Only those that wait for a ruling of ours.
    #[serde(default)]
    pub waiting: bool,
    /// Only those whose term is over.
    #[serde(default)]
    pub overdue: bool,
}

/// How a row is corrected, decided before the unit of work.
enum Plan {
    /// In our registry, in the same unit of work.
    Here(policy::Permit<Correct>),
    /// The row was corrected elsewhere; recipients follow from what we hold of it.
    Elsewhere { record: RecordType, key: Vec<schema::Value> },
    /// Whole columns.
    Columns { record: RecordType },
    /// A record type that we do not hold, or a ruling that corrects nothing.
    Nothing,
}

impl Organisation {
    /// Raises an objection: signed, kept, and told to the provider until it has heard.
    ///
    /// # Errors
    /// `exchange.agreement_missing`, `objection.…`, `exchange.reason`, `policy.role`.
    pub async fn raise_objection(
        &self,
        principal: &Principal,
        draft: ObjectionDraft,
    ) -> Result<ObjectionView, Problem> {
        let agreement = self.agreement(draft.agreement).await?.agreement.body;
        if let Some(view) = self.raised_before(&draft).await? {
            return Ok(view);
        }
        let now = self.now();
        let objection = Objection {
            format: "yunhe-objection/1".to_owned(),
            id: draft.id.unwrap_or_else(|| ObjectionId::from_uuid(draw_uuid(now))),
            federation: self.federation.clone(),
            consumer: self.id().clone(),
            provider: agreement.provider,
            agreement: draft.agreement,
            receipt: draft.receipt,
            record: agreement.terms.record,
            key: draft.key,
            columns: draft.columns,
            seen: draft.seen,
            right: draft.right,
            reason: draft.reason,
            at: now,
        };
        let objection = Signed::sign(objection, &*self.message_key())?;
        let id = objection.body.id;
        let permit = self.permit(principal, Raise { objection })?;
        let salt = draw_salt()?;
        transact!(self.store, None, |tx| exchange::raise(tx, &permit, salt, now).await)?;
        self.tell_letters_now(&id.to_string()).await;
        self.objection(id).await
    }

    /// What was raised under the draft's id, if something was.
    async fn raised_before(&self, draft: &ObjectionDraft) -> Result<Option<ObjectionView>, Problem> {
        let Some(id) = draft.id else { return Ok(None) };
        let view = match self.objection(id).await {
            Ok(view) => view,
            Err(problem) if problem.code == "objection.missing" => return Ok(None),
            Err(problem) => return Err(problem),
        };
        let body = &view.objection.body;
        let same = (&body.key, &body.columns, &body.reason) == (&draft.key, &draft.columns, &draft.reason);
        ensure!(
            view.side == ObjectionSide::Raised && body.agreement == draft.agreement && same,
            Problem::new(
                Kind::Conflict,
                "objection.exists",
                format!("标识 {id} 已用于另一异议；请换用新的标识"),
                format!("{id} names another objection; draw a new id"),
            )
        );
        Ok(Some(view))
    }

    /// One objection, with its corrections and clocks.
    ///
    /// # Errors
    /// `objection.missing`.
    pub async fn objection(&self, id: ObjectionId) -> Result<ObjectionView, Problem> {
        let view = exchange::objection(&mut self.store.read().await?, id).await?;
        Ok(self.objection_clocked(view))
    }

    /// One objection, for whoever may look at it.
    ///
    /// # Errors
    /// `objection.missing`, `policy.role`.
    pub async fn objection_for(&self, principal: &Principal, id: ObjectionId) -> Result<ObjectionView, Problem> {
        self.permit(principal, ReadObjections)?;
        self.objection(id).await
    }

    /// The objections: the newest, or all that wait for us.
    ///
    /// # Errors
    /// `policy.role`.
    pub async fn objections(&self, principal: &Principal, ask: &ObjectionsAsk) -> Result<Vec<ObjectionView>, Problem> {
        self.permit(principal, ReadObjections)?;
        let mut reader = self.store.read().await?;
        let mut views = if ask.waiting || ask.overdue {
            exchange::objections_waiting(&mut reader).await?
        } else {
            exchange::objections(&mut reader).await?
        };
        if ask.overdue && !ask.waiting {
            views.extend(exchange::objections_unruled(&mut reader).await?);
        }
        drop(reader);
        let views = views.into_iter().map(|it| self.objection_clocked(it));
        let late =
            |it: &ObjectionView| it.clocks.iter().any(|it| it.kind == ClockKind::Statutory && is_late(&it.reading));
        Ok(views.filter(|it| !ask.overdue || late(it)).collect())
    }

    /// An objection with its clocks as they are now: ours, or that of the department which has it.
    pub(crate) fn objection_clocked(&self, mut view: ObjectionView) -> ObjectionView {
        let (packs, now) = (self.packs(), self.now());
        let Some(allowed) = packs.deadlines().and_then(|(it, _)| it.objection.clone()) else { return view };
        let (judge, from) = match view.side {
            ObjectionSide::Received => (self.id(), view.at),
            ObjectionSide::Raised => view.judge(),
        };
        let runs = [Run { from, until: None }];
        let ran = Ran { runs: &runs, answered: view.ruled(judge).map(|it| it.max(from)) };
        let statutory = (ClockKind::Statutory, allowed.working_days);
        let promised = allowed.promised.map(|it| (ClockKind::Promised, it));
        for (kind, working_days) in [Some(statutory), promised].into_iter().flatten() {
            if let Some(reading) = packs.reading(working_days, &ran, now) {
                view.clocks.push(ObjectionClock { kind, working_days, basis: allowed.basis.clone(), reading });
            }
        }
        view
    }

    /// Rules on an objection. A correction is written, signed and put on its way to every past recipient in one unit of
    /// work.
    ///
    /// # Errors
    /// `objection.ruled`, `exchange.reason`, `registry.…` for a correction that does not fit, `policy.role`.
    pub async fn rule_on(
        &self,
        principal: &Principal,
        id: ObjectionId,
        draft: RulingDraft,
    ) -> Result<ObjectionView, Problem> {
        let view = self.objection(id).await?;
        let case = Case { stage: view.stage, ..Case::default() };
        case.step(&Happening::Ruled(draft.verdict))?;
        if let Some(next) = &draft.passed_to {
            self.member(next)?;
        }
        let plan = self.plan(principal, &view, &draft)?;
        let cause = if draft.remove { CorrectionCause::Removed } else { CorrectionCause::Corrected };
        let RulingDraft { verdict, reason, passed_to, .. } = draft;
        let rule = Rule { objection: id, by: self.id().clone(), verdict, reason, passed_to };
        let permit = self.permit(principal, rule)?;
        let (signer, salt) = (self.message_key(), draw_salt()?);
        let seal = Seal { signer: &*signer, salt };
        let (now, key) = (self.now(), &view.objection.body.key);
        let (columns, found_at) = (&view.objection.body.columns, view.at);
        transact!(self.store, None, |tx| {
            let found = match &plan {
                Plan::Here(correct) => Some(registry::correct(tx, correct, now).await?),
                Plan::Elsewhere { record, key } => Some(registry::held(tx, record, key, columns, found_at).await?),
                Plan::Columns { record } => Some(whole_columns(record, columns)),
                Plan::Nothing => None,
            };
            let fixed = found.as_ref().map(|it| Fixed { cause, wrong: wrong(it), key: key.clone() });
            exchange::rule(tx, &permit, fixed.as_ref(), &seal, now).await.map(|_| ())
        })?;
        self.tell_letters_now(&id.to_string()).await;
        self.objection(id).await
    }

    /// How a ruling's correction is carried out.
    fn plan(&self, principal: &Principal, view: &ObjectionView, draft: &RulingDraft) -> Result<Plan, Problem> {
        let body = &view.objection.body;
        let corrects = draft.verdict == RulingVerdict::Correct;
        let writes = draft.remove || !draft.row.is_empty();
        ensure!(
            !writes || (corrects && !body.key.is_empty()),
            Problem::new(
                Kind::Unprocessable,
                "objection.row",
                "只有对某一行的异议、并以更正作出意见时，才给出 row 或 remove",
                "row and remove are given only to correct an objection to one row",
            )
            .field("/row")
        );
        if !corrects {
            return Ok(Plan::Nothing);
        }
        let packs = self.packs();
        let record = match packs.record(&body.record) {
            Ok(record) => record,
            Err(problem) if writes => return Err(problem),
            // Not ours to hold: whoever passed it to us tells its own recipients.
            Err(_) => return Ok(Plan::Nothing),
        };
        if body.key.is_empty() {
            return Ok(Plan::Columns { record: record.clone() });
        }
        let key = key_values(record, &body.key)?;
        if !writes {
            return Ok(Plan::Elsewhere { record: record.clone(), key });
        }
        let codes = packs.codes();
        let fix = if draft.remove { Fix::Remove } else { Fix::Values(patch(record, &draft.row, &*codes)?) };
        let why = draft.reason.clone().unwrap_or_default();
        registry::check_why(&why).map_err(|it| it.field("/reason"))?;
        let first = RowId::from_uuid(draw_uuid(self.now()));
        let correct = Correct { record: record.name.clone(), key, fix, first, why };
        self.permit(principal, correct).map(Plan::Here)
    }

    /// The corrections, told by us and to us, newest first; or those that wait for our confirmation.
    ///
    /// # Errors
    /// `policy.role`.
    pub async fn corrections(&self, principal: &Principal, waiting: bool) -> Result<Vec<CorrectionView>, Problem> {
        self.permit(principal, ReadObjections)?;
        let mut reader = self.store.read().await?;
        if waiting {
            exchange::corrections_to_confirm(&mut reader).await
        } else {
            exchange::corrections(&mut reader).await
        }
    }

    /// Confirms a correction that we were told of.
    ///
    /// # Errors
    /// `objection.correction_missing`, `objection.confirmed`, `exchange.reason`, `policy.role`.
    pub async fn confirm_correction(
        &self,
        principal: &Principal,
        correction: CorrectionId,
        draft: ConfirmationDraft,
    ) -> Result<CorrectionView, Problem> {
        let permit = self.permit(principal, Confirm { correction, by: self.id().clone(), note: draft.note })?;
        let (salt, now) = (draw_salt()?, self.now());
        let view =
            transact!(self.store, None, |tx| exchange::confirm(tx, &permit, &*self.message_key(), salt, now).await)?;
        self.tell_letters_now(&correction.to_string()).await;
        Ok(view)
    }

    /// The notices to the caller's roles, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn notices(&self, principal: &Principal) -> Result<Vec<Notice>, Problem> {
        exchange::notices(&mut self.store.read().await?, principal.roles.iter().copied()).await
    }

    /// What was put on its way about a matter is told at once where that goes, for a few seconds; the job tells the
    /// rest, and everything else.
    pub(crate) async fn tell_letters_now(&self, about: &str) {
        let told = async {
            let letters = exchange::letters_about(&mut self.store.read().await?, about).await?;
            self.tell_each(letters).await
        };
        match tokio::time::timeout(TELL_NOW, told).await {
            Ok(Ok(_)) => {}
            Ok(Err(problem)) => tracing::warn!(%problem, "letters wait for the next step of their job"),
            Err(_) => tracing::info!(about, "letters wait for the next step of their job: a member is slow"),
        }
    }

    /// Tells what waits to be told; says how many letters were heard.
    ///
    /// # Errors
    /// Those of the store; a member that does not answer is told another time.
    pub async fn tell_letters(&self) -> Result<usize, Problem> {
        let letters = exchange::letters(&mut self.store.read().await?).await?;
        self.tell_each(letters).await
    }

    async fn tell_each(&self, letters: Vec<Outgoing>) -> Result<usize, Problem> {
        let mut silent = BTreeSet::new();
        let mut heard = 0;
        for letter in letters {
            // One that does not answer does not hold the others up.
            if !silent.contains(&letter.peer) {
                match self.tell_letter(&letter).await? {
                    Ok(()) => heard += 1,
                    Err(problem) if problem.kind == Kind::Unavailable => drop(silent.insert(letter.peer.clone())),
                    Err(_) => {}
                }
            }
        }
        Ok(heard)
    }

    /// Asks those again that heard of a correction and have not confirmed it, and finds whoever was being answered
    /// while something was corrected; says how many there were.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn follow_corrections(&self) -> Result<usize, Problem> {
        let now = self.now();
        let found = transact!(self.store, None, |tx| exchange::tell_under_way(tx, &*self.message_key(), now).await)?;
        let asked = transact!(self.store, None, |tx| exchange::ask_again(tx, now).await)?;
        Ok(found + asked)
    }

    async fn tell_letter(&self, letter: &Outgoing) -> Result<Result<(), Problem>, Problem> {
        let call = Call::post("/peer/v1/letters", to_json(&letter.letter)?);
        let sent = async { self.client.send(&self.peer(&letter.peer)?, &call, self.now()).await.map(|_| ()) }.await;
        let now = self.now();
        match &sent {
            Ok(()) => transact!(self.store, None, |tx| exchange::letter_heard(tx, letter, now).await)?,
            Err(problem) => {
                tracing::info!(letter = %letter.id, %problem, "a letter has not arrived yet");
                transact!(self.store, None, |tx| exchange::letter_failed(tx, letter, problem, now).await)?;
            }
        }
        Ok(sent)
    }

    /// Takes in a letter of another member's.
    ///
    /// # Errors
    /// `exchange.signature`; the reasons of what the letter is about.
    pub async fn receive_letter(&self, incoming: &Incoming) -> Result<Outcome, Problem> {
        let letter: Letter = incoming.json()?;
        match letter {
            Letter::Objection(objection) => self.receive_objection(incoming, objection, Vec::new()).await?,
            Letter::Referral(it) => {
                let Referral { objection, rulings } = *it;
                self.check_rulings(&rulings)?;
                let to_us = rulings.last().is_some_and(|it| it.body.passed_to.as_ref() == Some(self.id()));
                ensure!(to_us, foreign());
                self.receive_objection(incoming, objection, rulings).await?;
            }
            Letter::Rulings(rulings) => {
                self.check_rulings(&rulings)?;
                let from = incoming.member.organisation.id.clone();
                let permit =
                    self.permit_with(incoming.principal(), None, TakeRulings { us: self.id().clone(), from, rulings })?;
                let (salt, now, nonce) = (draw_salt()?, incoming.now, incoming.nonce());
                transact!(self.store, None, |tx| {
                    exchange::claim(tx, &nonce).await?;
                    exchange::take_rulings(tx, &permit, salt, now).await
                })?;
            }
            Letter::Correction(correction) => {
                // It may have waited for us while the other side changed its keys.
                correction.check(&self.keys_at(&correction.body.provider, correction.body.at)?)?;
                let permit = self.permit_with(incoming.principal(), None, TakeCorrection { correction })?;
                let (salt, now, nonce) = (draw_salt()?, incoming.now, incoming.nonce());
                transact!(self.store, None, |tx| {
                    exchange::claim(tx, &nonce).await?;
                    exchange::take_correction(tx, &permit, salt, now).await
                })?;
            }
            Letter::Confirmation(confirmation) => {
                confirmation.check(&self.keys_at(&confirmation.body.by, confirmation.body.at)?)?;
                let permit = self.permit_with(incoming.principal(), None, TakeConfirmation { confirmation })?;
                let (salt, now, nonce) = (draw_salt()?, incoming.now, incoming.nonce());
                transact!(self.store, None, |tx| {
                    exchange::claim(tx, &nonce).await?;
                    exchange::take_confirmation(tx, &permit, salt, now).await
                })?;
            }
            Letter::Story(told) => drop(self.receive_story(incoming, *told).await?),
            Letter::Escalation(escalation) => {
                escalation.check(&self.keys_at(&escalation.body.by, escalation.body.at)?)?;
                ensure!(self.config.roles.contains(&MemberRole::Authority), foreign());
                self.member(&escalation.body.who)?;
                let permit = self.permit_with(incoming.principal(), None, TakeEscalation { escalation })?;
                let (salt, now, nonce) = (draw_salt()?, incoming.now, incoming.nonce());
                transact!(self.store, None, |tx| {
                    exchange::claim(tx, &nonce).await?;
                    exchange::take_escalation(tx, &permit, salt, now).await
                })?;
            }
        }
        Outcome::json(&serde_json::json!({}))
    }

    async fn receive_objection(
        &self,
        incoming: &Incoming,
        objection: Signed<Objection>,
        passed: Vec<Signed<Ruling>>,
    ) -> Result<(), Problem> {
        objection.check(&self.keys_at(&objection.body.consumer, objection.body.at)?)?;
        ensure!(objection.body.federation == self.federation, foreign());
        if passed.is_empty() {
            ensure!(objection.body.provider == *self.id(), foreign());
        }
        let permit = self.permit_with(incoming.principal(), None, TakeObjection { objection, passed })?;
        let (salt, now, nonce) = (draw_salt()?, incoming.now, incoming.nonce());
        transact!(self.store, None, |tx| {
            exchange::claim(tx, &nonce).await?;
            exchange::take_objection(tx, &permit, salt, now).await
        })
    }

    /// Every ruling bears a signature of the member that it says it is by.
    fn check_rulings(&self, rulings: &[Signed<Ruling>]) -> Result<(), Problem> {
        ensure!(!rulings.is_empty(), foreign());
        rulings.iter().try_for_each(|it| it.check(&self.keys_at(&it.body.by, it.body.at)?))
    }
}

/// Whether it is late and nobody has answered.
pub(crate) fn is_late(reading: &Reading) -> bool {
    reading.late > 0 && reading.in_time.is_none()
}

fn foreign() -> Problem {
    Problem::new(
        Kind::Refused,
        "exchange.signature",
        "此件不属于本单位，或签名与所述单位不符",
        "this is not for us, or not signed by whom it names",
    )
}

fn wrong(found: &Corrected) -> Wrong<'_> {
    Wrong { record: &found.record, columns: found.columns.clone(), versions: found.versions.clone() }
}

/// Columns as such were wrong: since ever, in any row.
fn whole_columns(record: &RecordType, columns: &[FieldName]) -> Corrected {
    let columns = columns.iter().map(|it| (it.clone(), Timestamp::UNIX_EPOCH)).collect();
    Corrected { record: record.clone(), columns, versions: Vec::new() }
}

/// The right values, by column.
fn patch(
    record: &RecordType,
    row: &Map<String, Json>,
    codes: &dyn schema::CodeLists,
) -> Result<Vec<(FieldName, schema::Value)>, Problem> {
    let value = |(name, value): (&String, &Json)| {
        let bad = |zh: String, en: String| {
            Problem::new(Kind::Unprocessable, "registry.row", zh, en).field(format!("/row/{name}"))
        };
        let (field_name, field) = record.fields.get_key_value(name.as_str()).ok_or_else(|| {
            bad(format!("{} 没有信息项 {name}", record.name), format!("{} has no field {name}", record.name))
        })?;
        let value = field.from_json(value, codes).map_err(|it| match field.personal {
            true => bad("值不合信息项的要求".to_owned(), "the value does not fit the field".to_owned()),
            false => bad(it.reason.zh, it.reason.en),
        })?;
        Ok((field_name.clone(), value))
    };
    row.iter().map(value).collect()
}
