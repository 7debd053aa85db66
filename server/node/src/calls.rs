//! Calls of services between nodes 服务接口调用: asked at the consumer's own node, made once by the provider's, receipted.
//!
//! Both sides match method, path and query against what was agreed, so that nothing undeclared leaves either node. What
//! the service answers goes back as it is, whatever its status; what goes wrong between us is a problem of ours.

use crate::{
    Incoming, Organisation, Outcome, draw_salt, draw_uuid,
    organisation::fault,
    pulls::revoked,
    queries::{Consume, not_ours, read_receipt},
    receipts::{Answered, other},
    requests::to_json,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use evidence::BEHIND_LEAVES_MAX;
use exchange::{
    AgreementId, AgreementView, AnswerHead, CallHead, Called, Deliver, NewCall, Pace, Receipt, ReceiptId, Reserved,
    Side,
};
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use outside::{HttpAnswer, HttpCall, HttpFailure};
use peer::Call;
use policy::{AgreementState, Matched, Operation, Permit, Principal, Service};
use rule::Filter;
use std::{collections::BTreeMap, sync::PoisonError, time::Duration};
use store::transact;
use vocabulary::{Digest, Kind, OperationName, Problem, ensure};

/// The media type of a call and of its answer between nodes.
const MEDIA: &str = "application/vnd.yunhe.call";
/// The format of a call.
const FORMAT: &str = "yunhe-call/1";
/// The field that names a call which must not be made twice.
const KEY_FIELD: &str = "idempotency-key";
/// Agreements whose pace is kept in mind at once; past it all begin anew.
const PACES_MAX: usize = 10_000;

/// A call as an application system of ours makes it.
#[derive(Clone, Debug)]
pub struct CallAsk {
    /// Under which agreement.
    pub agreement: AgreementId,
    /// The method.
    pub method: http::Method,
    /// The path behind the service's base, as it came.
    pub path: String,
    /// The query, as it came.
    pub query: String,
    /// The fields; those that are not declared go no further.
    pub fields: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// What the service answered.
#[derive(Clone, Debug)]
pub struct CallAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its fields: the declared ones, and its media type.
    pub fields: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// The receipt.
    pub receipt: ReceiptId,
    /// By what the same call is known when it comes again; of one that may be repeated, none.
    pub key: Option<String>,
}

/// A call that is permitted and checked, about to be made.
struct Making<'a> {
    incoming: &'a Incoming,
    permit: &'a Permit<Deliver>,
    view: &'a AgreementView,
    head: &'a CallHead,
    found: &'a Matched<'a>,
    service: &'a outside::Service,
}

impl Organisation {
    /// Calls a service through its provider and keeps the receipt.
    ///
    /// # Errors
    /// What is not declared, before anything leaves; what the provider refuses with; `exchange.call_unheard` where it
    /// is not known whether the service was asked; `receipt.…` when the receipt does not hold.
    pub async fn call(&self, principal: &Principal, ask: CallAsk) -> Result<CallAnswer, Problem> {
        self.permit(principal, Consume)?;
        let view = self.agreement(ask.agreement).await?;
        ensure!(view.side == Side::Consumer, not_ours(ask.agreement));
        ensure!(view.state != AgreementState::Revoked, revoked(ask.agreement));
        let terms = &view.agreement.body.terms;
        let service = terms.service.as_ref().ok_or_else(|| no_service(ask.agreement))?;
        let found = policy::find_operation(&service.operations, ask.method.as_str(), &ask.path, &ask.query)?;
        let media = text_of(&ask.fields, header::CONTENT_TYPE.as_str())?;
        found.operation.check_body(media.as_deref(), &ask.body)?;
        let key = self.key_of(found.operation, &ask.fields)?;
        let head = CallHead {
            format: FORMAT.to_owned(),
            agreement: ask.agreement,
            purpose: terms.purpose.clone(),
            actor: principal.actor.to_string(),
            method: ask.method.to_string(),
            target: found.target(),
            media,
            headers: passing(&found.operation.headers, &ask.fields)?,
            key: key.clone(),
        };
        let mut call = Call::post("/peer/v1/calls", exchange::frame(&head, &ask.body)?);
        call.fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA));
        if let Some(key) = &key {
            // The provider knows it again, so that asking it once more asks the service no second time.
            call = call.idempotent(key)?;
        }
        let provider = self.peer(&view.agreement.body.provider)?;
        let answer =
            self.client.send(&provider, &call, self.now()).await.map_err(|it| maybe_made(it, key.as_deref()))?;
        let receipt = read_receipt(answer.fields.get("yunhe-receipt"))?;
        self.check_receipt(&receipt, &call.body, &answer.body, &view)?;
        let (head, begins): (AnswerHead, usize) = exchange::unframe(&answer.body)?;
        ensure!(receipt.body.called.as_ref() == Some(&called(&found, head.status)), other());
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| exchange::take(tx, &receipt, salt, now).await)?;
        let body = answer.body.slice(begins..);
        ensure!(found.operation.takes_answer(head.status, head.media.as_deref(), body.is_empty()), other());
        Ok(CallAnswer {
            status: StatusCode::from_u16(head.status).map_err(|_| other())?,
            fields: answered_fields(found.operation, &head)?,
            body,
            receipt: receipt.body.id,
            key,
        })
    }

    /// The key of a call that must not be made twice: the caller's, or one that we draw.
    fn key_of(&self, operation: &Operation, fields: &HeaderMap) -> Result<Option<String>, Problem> {
        if operation.is_safe() {
            return Ok(None);
        }
        let key = text_of(fields, KEY_FIELD)?.unwrap_or_else(|| draw_uuid(self.now()).simple().to_string());
        exchange::check_key(&key)?;
        Ok(Some(key))
    }

    /// Makes a call of another member's, once.
    ///
    /// # Errors
    /// The refusal table of `docs/refusals.md`; `service.…` for what goes wrong between us and the service.
    pub async fn answer_call(&self, incoming: &Incoming) -> Result<Outcome, Problem> {
        let (head, begins): (CallHead, usize) = exchange::unframe(&incoming.body)?;
        ensure!(head.format == FORMAT, other_format(&head.format));
        let consumer = &incoming.member.organisation.id;
        let packs = self.packs();
        let found = exchange::agreement_facts(&mut self.store.read().await?, head.agreement, incoming.now).await?;
        let (facts, view) = found.filter(|(facts, _)| facts.consumer == *consumer).unzip();
        let terms = facts.as_ref().map(|it| it.terms.clone());
        let agreed = terms.as_ref().and_then(|it| Some((&it.record, it.service.as_ref()?)));
        let (Some((record, agreed)), Some(view)) = (agreed, view.as_ref()) else {
            return Err(self.refuse_call(incoming, &head, facts));
        };
        let declared = packs.service(record)?;
        let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
        let found = policy::find_operation(&declared.operations, &head.method, path, query)?;
        let deliver = deliver(incoming, &head, Some(view), found.name.clone());
        let permit = self.permit_with(incoming.principal(), facts, deliver)?;
        let body = incoming.body.slice(begins..);
        check(&head, &found, agreed, &body)?;
        self.may_issue(consumer)?;
        exchange::receipts_few(view.open_receipts)?;
        ensure!(self.log_behind() < BEHIND_LEAVES_MAX, evidence::Fault::Behind(self.log_behind()));
        self.keep_pace(head.agreement, agreed.calls.and_then(|it| it.per_second), incoming)?;
        let service = self.outside.service(&declared.connection)?;
        let call = outgoing(&head, &found, incoming, body)?;
        let making = Making { incoming, permit: &permit, view, head: &head, found: &found, service };
        let (message, receipt) = match &head.key {
            Some(key) if !found.operation.is_safe() => {
                // Boxed: too deep a type otherwise for whoever serves it.
                let made: BoxFuture<'_, _> = Box::pin(self.call_once(&making, call, key));
                made.await?
            }
            _ => {
                let answer = service.call(call).await.map_err(|it| it.problem)?;
                let message = message(&found, answer)?;
                let receipt = self.issue_call(&making, &message, None).await?;
                (message.bytes, receipt)
            }
        };
        let receipt = Some(STANDARD.encode(to_json(&receipt)?));
        Ok(Outcome { body: message.into(), media: MEDIA, receipt })
    }

    /// Calls a service that must not be asked twice: noted before, kept after; asked again it gives what it gave.
    async fn call_once(&self, making: &Making<'_>, call: HttpCall, key: &str) -> Result<(Vec<u8>, Receipt), Problem> {
        let Making { incoming, permit, found, .. } = making;
        let (digest, nonce, now) = (incoming.digest(), incoming.nonce(), incoming.now);
        let new = NewCall { key: key.to_owned(), digest, nonce };
        match transact!(self.store, None, |tx| exchange::reserve(tx, permit, &new, now).await) {
            Ok(Reserved::New) => {}
            Ok(Reserved::Done { receipt, answer }) => return self.told_again(receipt, answer).await,
            Err(problem) => {
                if in_doubt(&problem) {
                    // Nothing was sent: whoever asks again begins anew.
                    self.release(permit, &new, now).await;
                }
                return Err(problem);
            }
        }
        let answered = match making.service.call(call).await {
            Ok(answer) => message(found, answer),
            Err(HttpFailure { problem, sent: false }) => {
                self.release(permit, &new, now).await;
                return Err(problem);
            }
            Err(HttpFailure { problem, .. }) => Err(problem),
        };
        let message = match answered {
            Ok(message) => message,
            Err(cause) => {
                self.lose(permit, &new).await;
                return Err(exchange::unknown(key).with("cause", cause.code.as_ref()));
            }
        };
        self.issue_once(making, message, new).await
    }

    /// Issues the receipt of a call that was made. Where the commit is in doubt it is looked for, and tried once more.
    async fn issue_once(
        &self,
        making: &Making<'_>,
        message: Message,
        new: NewCall,
    ) -> Result<(Vec<u8>, Receipt), Problem> {
        let kept = Some((new, message.bytes.clone()));
        let (agreement, now) = (making.head.agreement, making.incoming.now);
        let mut issued = self.issue_call(making, &message, kept.clone()).await;
        let Some((new, _)) = &kept else { return issued.map(|it| (message.bytes, it)) };
        if issued.as_ref().is_err_and(in_doubt) {
            let known = exchange::call_done(&mut self.store.read().await?, agreement, new, now).await?;
            match known {
                Some(Reserved::Done { receipt, answer }) => return self.told_again(receipt, answer).await,
                _ => issued = self.issue_call(making, &message, kept.clone()).await,
            }
        }
        if issued.is_err() {
            self.lose(making.permit, new).await;
        }
        issued.map(|it| (message.bytes, it))
    }

    /// What a call led to before, with its receipt.
    async fn told_again(&self, receipt: ReceiptId, answer: Vec<u8>) -> Result<(Vec<u8>, Receipt), Problem> {
        Ok((answer, Receipt { log_proof: None, ..self.receipt(receipt).await? }))
    }

    async fn issue_call(
        &self,
        making: &Making<'_>,
        message: &Message,
        call: Option<(NewCall, Vec<u8>)>,
    ) -> Result<Receipt, Problem> {
        let Making { incoming, permit, view, head, found, .. } = making;
        let answered = Answered {
            view,
            purpose: head.purpose.clone(),
            actor: head.actor.clone(),
            place: None,
            answer: Digest::by(self.suite(), &message.bytes),
            bytes: message.bytes.len() as u64,
            rows: 0,
        };
        let mut body = self.receipt_of(incoming, answered);
        body.called = Some(called(found, message.status));
        self.issue_as(incoming, permit, body, (None, call)).await
    }

    /// Takes back what was not sent. What cannot be taken back now counts, and is told as unknown.
    async fn release(&self, permit: &Permit<Deliver>, new: &NewCall, now: vocabulary::Timestamp) {
        let done = transact!(self.store, None, |tx| exchange::release(tx, permit, new, now).await);
        if let Err(problem) = done {
            let agreement = permit.ask().agreement;
            tracing::warn!(%agreement, %problem, "a call that was not sent was not taken back");
        }
    }

    async fn lose(&self, permit: &Permit<Deliver>, new: &NewCall) {
        let done = transact!(self.store, None, |tx| exchange::lose(tx, permit, new).await);
        if let Err(problem) = done {
            // It stands as sent, and after its time that means the same.
            tracing::warn!(agreement = %permit.ask().agreement, %problem, "a lost call was not marked as lost");
        }
    }

    /// Counts a call against the pace of its agreement.
    fn keep_pace(&self, agreement: AgreementId, most: Option<u32>, incoming: &Incoming) -> Result<(), Problem> {
        let Some(most) = most else { return Ok(()) };
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        if paces.len() >= PACES_MAX && !paces.contains_key(&agreement) {
            paces.clear();
        }
        let pace: &mut Pace = paces.entry(agreement).or_default();
        *pace = pace.next(most, incoming.now).ok_or_else(|| exchange::too_fast(most))?;
        Ok(())
    }

    /// The answer to a call under an agreement that we do not have with that member, or that is over records.
    fn refuse_call(&self, incoming: &Incoming, head: &CallHead, facts: Option<policy::AgreementFacts>) -> Problem {
        let operation = match OperationName::new("call") {
            Ok(name) => name,
            Err(problem) => return problem,
        };
        match self.permit_with(incoming.principal(), facts, deliver(incoming, head, None, operation)) {
            Err(problem) => problem,
            Ok(_) => fault("policy", &"a call without a service was permitted"),
        }
    }
}

fn in_doubt(problem: &Problem) -> bool {
    problem.code == "store.commit_unknown"
}

fn deliver(incoming: &Incoming, head: &CallHead, view: Option<&AgreementView>, operation: OperationName) -> Deliver {
    Deliver {
        agreement: head.agreement,
        revision: view.map_or(0, |it| it.agreement.body.revision),
        consumer: incoming.member.organisation.id.clone(),
        purpose: head.purpose.clone(),
        columns: Vec::new(),
        filter: Filter::always(),
        operation: Some(operation),
    }
}

/// What was called, for the receipt.
fn called(found: &Matched<'_>, status: u16) -> Called {
    Called {
        operation: found.name.clone(),
        method: found.operation.method.word().to_owned(),
        path: found.operation.path.to_string(),
        status,
    }
}

/// A call is as it was agreed and as it is declared now, and what it brings is declared.
fn check(head: &CallHead, found: &Matched<'_>, agreed: &policy::ServiceTerms, body: &[u8]) -> Result<(), Problem> {
    let operation = found.operation;
    let same = agreed.operations.get(found.name).is_some_and(|it| it.same_call(operation));
    ensure!(same, declared_otherwise(found.name));
    operation.check_body(head.media.as_deref(), body)?;
    if let Some(foreign) = head.headers.keys().find(|it| !operation.headers.contains(it)) {
        return Err(undeclared_field(foreign));
    }
    match &head.key {
        Some(key) => exchange::check_key(key),
        None if operation.is_safe() => Ok(()),
        None => exchange::check_key(""),
    }
}

/// The call as it goes to the service.
fn outgoing(head: &CallHead, found: &Matched<'_>, incoming: &Incoming, body: Bytes) -> Result<HttpCall, Problem> {
    let operation = found.operation;
    let mut fields = HeaderMap::new();
    let agreement = head.agreement.to_string();
    let own = [
        (header::ACCEPT.as_str(), Some(operation.answer.media.join(", "))),
        (header::CONTENT_TYPE.as_str(), head.media.clone()),
        (KEY_FIELD, head.key.clone()),
        ("yunhe-agreement", Some(agreement)),
        ("yunhe-consumer", Some(incoming.member.organisation.id.to_string())),
    ];
    let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    for (name, value) in head.headers.clone().into_iter().chain(own) {
        insert(&mut fields, &name, &value)?;
    }
    Ok(HttpCall {
        method: http::Method::from_bytes(head.method.as_bytes()).map_err(|_| bad_field("method"))?,
        target: found.target(),
        fields,
        body,
        time: Duration::from_secs(operation.timeout_seconds().into()),
        answer_bytes_max: operation.answer_bytes() as usize,
    })
}

/// What goes back.
struct Message {
    status: u16,
    bytes: Vec<u8>,
}

/// What a service answered as it travels, where it is of a declared sort.
fn message(found: &Matched<'_>, answer: HttpAnswer) -> Result<Message, Problem> {
    let HttpAnswer { status, fields, body } = answer;
    let media = fields.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).map(str::to_owned);
    let taken = found.operation.takes_answer(status, media.as_deref(), body.is_empty());
    ensure!(taken, other_media(status, media.as_deref(), found.operation));
    // What cannot be told as text is left out: it is no more than a field.
    let told = |name: &String| Some((name.clone(), fields.get(name)?.to_str().ok()?.to_owned()));
    let headers = found.operation.answer_headers.iter().filter_map(told).collect();
    let head = AnswerHead { format: "yunhe-call-answer/1".to_owned(), status, media, headers };
    Ok(Message { status, bytes: exchange::frame(&head, &body)? })
}

/// The fields of an answer that reach the caller.
fn answered_fields(operation: &Operation, head: &AnswerHead) -> Result<HeaderMap, Problem> {
    let mut fields = HeaderMap::new();
    for (name, value) in head.headers.iter().filter(|(name, _)| operation.answer_headers.contains(name)) {
        insert(&mut fields, name, value)?;
    }
    if let Some(media) = &head.media {
        insert(&mut fields, header::CONTENT_TYPE.as_str(), media)?;
    }
    Ok(fields)
}

/// The declared ones of the fields that came.
fn passing(declared: &[String], fields: &HeaderMap) -> Result<BTreeMap<String, String>, Problem> {
    let mut passing = BTreeMap::new();
    for name in declared {
        if let Some(value) = text_of(fields, name)? {
            passing.insert(name.clone(), value);
        }
    }
    Ok(passing)
}

/// A field as text; several of one name, as HTTP joins them.
fn text_of(fields: &HeaderMap, name: &str) -> Result<Option<String>, Problem> {
    let texts = fields.get_all(name).iter().map(|it| it.to_str().map_err(|_| bad_field(name)));
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    Ok((!texts.is_empty()).then(|| texts.join(", ")))
}

fn insert(fields: &mut HeaderMap, name: &str, value: &str) -> Result<(), Problem> {
    let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad_field(name))?;
    fields.insert(field, HeaderValue::from_str(value).map_err(|_| bad_field(name))?);
    Ok(())
}

/// A call whose fate we do not know: of one that must not be made twice it is said so, with its key.
fn maybe_made(problem: Problem, key: Option<&str>) -> Problem {
    let Some(key) = key else { return problem };
    if problem.code != "peer.unreachable" && problem.code != "peer.answer" {
        return problem;
    }
    Problem::new(
        Kind::Unavailable,
        "exchange.call_unheard",
        format!("提供方节点没有答复，调用是否已办理不明；请以同一幂等键 {key} 重试，不会重复办理"),
        format!(
            "the provider's node did not answer, and whether the call was made is not known; ask again with the same \
             idempotency key {key}: it is not made twice"
        ),
    )
    .with("idempotency_key", key)
    .with("cause", problem.code.as_ref())
}

fn no_service(id: AgreementId) -> Problem {
    Problem::new(
        Kind::Refused,
        "exchange.service",
        format!("协议 {id} 所共享的是数据，不是服务接口；请查询（yunhe query）"),
        format!("agreement {id} is over records and no service: query them (yunhe query)"),
    )
}

fn other_format(format: &str) -> Problem {
    let format: String = format.chars().take(40).collect();
    Problem::new(
        Kind::Unprocessable,
        "exchange.format",
        format!("调用的格式为 {format}，应为 {FORMAT}"),
        format!("the call's format is {format}, {FORMAT} was expected"),
    )
}

fn declared_otherwise(name: &OperationName) -> Problem {
    Problem::new(
        Kind::Conflict,
        "exchange.operation_changed",
        format!("操作 {name} 的登记在签协议之后已改变，未发出；请重新申请"),
        format!("operation {name} is declared otherwise than when it was agreed, and nothing was sent; ask anew"),
    )
}

fn undeclared_field(name: &str) -> Problem {
    let name: String = name.chars().take(64).collect();
    Problem::new(
        Kind::Refused,
        "exchange.call_field",
        format!("首部字段 {name} 没有登记，未发出"),
        format!("field {name} is not declared, and nothing was sent"),
    )
}

fn bad_field(name: &str) -> Problem {
    let name: String = name.chars().take(64).collect();
    Problem::new(
        Kind::Malformed,
        "exchange.call_field",
        format!("首部字段 {name} 的值不是可见 ASCII 文字，未发出"),
        format!("the value of field {name} is no visible ASCII text, and nothing was sent"),
    )
}

fn other_media(status: u16, media: Option<&str>, operation: &Operation) -> Problem {
    let given: String = media.unwrap_or_default().chars().filter(|it| it.is_ascii_graphic()).take(64).collect();
    let all = operation.answer.media.join(", ");
    tracing::warn!(status, media = given, "a service answered with what is not declared");
    Problem::new(
        Kind::Peer,
        "service.media",
        format!("服务答复（状态 {status}）的类型“{given}”没有登记，未采用；登记的是 {all}"),
        format!(
            "the service answered (status {status}) with media type {given:?}, which is not declared, and it was not \
             used; declared: {all}"
        ),
    )
    .with("service_status", status)
}

impl crate::Packs {
    /// A service.
    ///
    /// # Errors
    /// `exchange.service_gone`.
    pub fn service(&self, name: &vocabulary::ResourceId) -> Result<&Service, Problem> {
        self.all.iter().find_map(|it| it.services.get(name)).ok_or_else(|| {
            Problem::new(
                Kind::Missing,
                "exchange.service_gone",
                format!("服务 {name} 已不再登记；请联系提供方"),
                format!("service {name} is not declared any more; ask the provider"),
            )
        })
    }
}
