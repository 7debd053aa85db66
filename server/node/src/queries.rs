//! Queries between nodes: asked with a signed message, answered with exactly what is permitted, receipted.

use crate::{
    Incoming, Organisation, Outcome, Packs, Page, draw_salt,
    live::LiveAsk,
    organisation::fault,
    pulls::revoked,
    receipts::{Answered, other},
    records::{PAGE_ROWS, PAGE_ROWS_MAX, condition, key_filter, key_texts, key_values, row_json},
    requests::{from_json, to_json},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use evidence::BEHIND_LEAVES_MAX;
use exchange::{AgreementId, Deliver, Issue, NewCall, NewPage, Query, Receipt, ReceiptBody, Side};
use jiff::ToSpan as _;
use pack::Source;
use peer::Call;
use policy::{AgreementFacts, AgreementState, Permit, Principal};
use registry::Selection;
use rule::Filter;
use schema::{FieldName, RecordType, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use store::transact;
use vocabulary::{Digest, Kind, Problem, Timestamp, ensure};

/// Receipts promise their leaf within this time; they are grouped by tens of seconds so that one signature serves many.
const INTEGRATE_SECONDS: i64 = 60;

/// A query as our own people and programs put it.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryAsk {
    /// Under which agreement.
    pub agreement: AgreementId,
    /// For what; left out: the agreed purpose.
    #[serde(default)]
    pub purpose: Option<String>,
    /// Which columns; none named: all agreed ones.
    #[serde(default)]
    pub columns: Vec<FieldName>,
    /// The natural key of one row.
    #[serde(default)]
    pub key: Option<Vec<String>>,
    /// A condition in CEL.
    #[serde(default)]
    pub rows: Option<String>,
    /// The key of the last row of the page before.
    #[serde(default)]
    pub after: Option<Vec<String>>,
    /// Rows per page.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// What came back.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct QueryAnswer {
    /// The rows.
    pub rows: Vec<Map<String, Json>>,
    /// The key to go on behind.
    pub next: Option<Vec<String>>,
    /// The receipt.
    pub receipt: Receipt,
}

/// By when a leaf written at `now` is promised to be in the log.
pub(crate) fn integrate_by(now: Timestamp) -> Timestamp {
    let second = (now.as_second() + INTEGRATE_SECONDS).div_euclid(10) * 10 + 10;
    Timestamp::from_second(second).unwrap_or(now)
}

/// What is read for an answer, and how it is shown.
struct Reading<'a> {
    record: &'a RecordType,
    permit: &'a Permit<Deliver>,
    query: &'a Query,
}

impl Organisation {
    /// Asks a provider and keeps the receipt.
    ///
    /// # Errors
    /// What the provider refuses with; `receipt.…` when its receipt does not hold.
    pub async fn query(&self, principal: &Principal, ask: QueryAsk) -> Result<QueryAnswer, Problem> {
        self.permit(principal, Consume)?;
        let view = self.agreement(ask.agreement).await?;
        ensure!(view.side == Side::Consumer, not_ours(ask.agreement));
        ensure!(view.state != AgreementState::Revoked, revoked(ask.agreement));
        let agreement = &view.agreement.body;
        let query = Query {
            agreement: ask.agreement,
            purpose: ask.purpose.unwrap_or_else(|| agreement.terms.purpose.clone()),
            actor: principal.actor.to_string(),
            columns: ask.columns,
            key: ask.key,
            rows: ask.rows,
            after: ask.after,
            limit: ask.limit,
        };
        let call = Call::post("/peer/v1/query", to_json(&query)?);
        let answer = self.client.send(&self.peer(&agreement.provider)?, &call, self.now()).await?;
        let receipt = read_receipt(answer.fields.get("yunhe-receipt"))?;
        self.check_receipt(&receipt, &call.body, &answer.body, &view)?;
        let page: Page = from_json(&answer.body)?;
        ensure!(receipt.body.rows == page.rows.len() as u64, other());
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| exchange::take(tx, &receipt, salt, now).await)?;
        Ok(QueryAnswer { rows: page.rows, next: page.next, receipt })
    }

    /// Answers a query of another member.
    ///
    /// # Errors
    /// The refusal table of `docs/refusals.md`.
    pub async fn answer_query(&self, incoming: &Incoming) -> Result<Outcome, Problem> {
        let query: Query = incoming.json()?;
        let packs = self.packs();
        let mut reader = self.store.read().await?;
        let found = exchange::agreement_facts(&mut reader, query.agreement, incoming.now).await?;
        let (facts, view) = found.unzip();
        let record = match &facts {
            Some(it) if it.terms.service.is_none() => packs.record(&it.terms.record)?,
            // Refused for want of an agreement, or of one over records; no record type is looked at then.
            _ => return Err(self.refuse_query(incoming, &query, facts)),
        };
        let filter = asked_filter(record, &query)?;
        let revision = view.as_ref().map_or(0, |it| it.agreement.body.revision);
        let deliver = Deliver {
            agreement: query.agreement,
            revision,
            consumer: incoming.member.organisation.id.clone(),
            purpose: query.purpose.clone(),
            columns: query.columns.clone(),
            filter,
            operation: None,
        };
        let permit = self.permit_with(incoming.principal(), facts, deliver)?;
        let reading = Reading { record, permit: &permit, query: &query };
        let page = match packs.live(&record.name) {
            None => {
                let page = read(&mut reader, &reading).await?;
                drop(reader);
                page
            }
            Some(source) => {
                // Others' databases are waited for without holding a connection to ours.
                drop(reader);
                self.read_live(&packs, source, &reading).await?
            }
        };
        ensure!(!(page.rows.is_empty() && query.key.is_some()), outside());
        let body = to_json(&page)?;
        let view = view.ok_or_else(|| fault("agreement", &"vanished"))?;
        let receipt = self.receipt_of(
            incoming,
            Answered {
                view: &view,
                purpose: query.purpose.clone(),
                actor: query.actor.clone(),
                place: None,
                answer: Digest::by(self.suite(), &body),
                bytes: body.len() as u64,
                rows: page.rows.len() as u64,
            },
        );
        let receipt = self.issue(incoming, &permit, receipt).await?;
        let receipt = Some(STANDARD.encode(to_json(&receipt)?));
        Ok(Outcome { body: body.into(), media: "application/json", receipt })
    }

    /// Reads and shows the permitted rows of a table of others, where it stands.
    async fn read_live(&self, packs: &Packs, source: &Source, reading: &Reading<'_>) -> Result<Page, Problem> {
        let Reading { record, permit, query } = reading;
        let restriction = permit.restriction();
        let after = query.after.as_deref().map(|it| key_values(record, it)).transpose()?;
        let limit = query.limit.unwrap_or(PAGE_ROWS);
        ensure!(limit <= PAGE_ROWS_MAX, too_many(limit));
        let (columns, filter) = (&restriction.columns, &restriction.filter);
        let ask = LiveAsk { columns, filter, after, limit: limit as usize };
        let (rows, next) = self.live_page(packs, source, ask).await?;
        let plain = record.key.iter().all(|it| columns.contains(it) && !restriction.masks.contains_key(it));
        let rows = rows.into_iter().map(|it| shown(reading, it));
        Ok(Page { rows: rows.collect(), next: next.filter(|_| plain) })
    }

    /// Issues a receipt: the transaction with its guards, then the batch signature. Not while the log is too far
    /// behind: the leaf is promised for a certain time.
    pub(crate) async fn issue(
        &self,
        incoming: &Incoming,
        permit: &Permit<Deliver>,
        body: ReceiptBody,
    ) -> Result<Receipt, Problem> {
        self.issue_as(incoming, permit, body, (None, None)).await
    }

    /// Issues a receipt, for a page where it is one of changes, or for a call that was noted before it was made.
    pub(crate) async fn issue_as(
        &self,
        incoming: &Incoming,
        permit: &Permit<Deliver>,
        body: ReceiptBody,
        (page, call): (Option<NewPage>, Option<(NewCall, Vec<u8>)>),
    ) -> Result<Receipt, Problem> {
        self.may_issue(&body.consumer)?;
        let issue = Issue {
            body,
            salt: draw_salt()?,
            asked: incoming.asked(),
            nonce: incoming.nonce(),
            origin: self.origin()?,
            integrate_by: integrate_by(incoming.now),
            page,
            call,
        };
        let (now, behind) = (incoming.now, self.log_behind());
        ensure!(behind < BEHIND_LEAVES_MAX, evidence::Fault::Behind(behind));
        let log = transact!(self.store, None, |tx| exchange::issue(tx, permit, &issue, now).await)?;
        let batch = self.signer.sign(issue.body.id, log.clone()).await?;
        let Issue { body, salt, asked, .. } = issue;
        Ok(Receipt { body, salt: hex::encode(salt.0), log, batch, asked, acknowledgement: None, log_proof: None })
    }

    /// The answer to a query under an agreement that we do not have with that member, or that is over a service.
    fn refuse_query(&self, incoming: &Incoming, query: &Query, facts: Option<AgreementFacts>) -> Problem {
        let deliver = Deliver {
            agreement: query.agreement,
            revision: 0,
            consumer: incoming.member.organisation.id.clone(),
            purpose: query.purpose.clone(),
            columns: Vec::new(),
            filter: Filter::never(),
            operation: None,
        };
        match self.permit_with(incoming.principal(), facts, deliver) {
            Err(problem) => problem,
            Ok(_) => fault("policy", &"a query without an agreement over records was permitted"),
        }
    }
}

/// Using what others deliver.
#[derive(Debug)]
pub(crate) struct Consume;

impl policy::Ask for Consume {
    fn need(&self) -> policy::Need<'_> {
        policy::Need::Role(&[policy::Role::Requester, policy::Role::Application])
    }
}

fn asked_filter(record: &RecordType, query: &Query) -> Result<Filter, Problem> {
    let mut filter = match &query.rows {
        Some(source) => condition(record, source)?,
        None => Filter::always(),
    };
    if let Some(key) = &query.key {
        filter = filter.and(key_filter(record, key)?);
    }
    Ok(filter)
}

/// Reads and shows the permitted rows: only permitted columns are read, the restriction is part of the statement, and
/// masks come before anything is written.
async fn read(reader: &mut store::Reader, reading: &Reading<'_>) -> Result<Page, Problem> {
    let Reading { record, permit, query } = reading;
    let restriction = permit.restriction();
    let after = query.after.as_deref().map(|it| key_values(record, it)).transpose()?;
    let selection =
        Selection { columns: restriction.columns.clone(), filter: restriction.filter.clone(), after, as_of: None };
    let limit = query.limit.unwrap_or(PAGE_ROWS);
    ensure!(limit <= PAGE_ROWS_MAX, too_many(limit));
    let stored = registry::page(reader, record, &selection, limit).await?;
    let full = stored.len() as u64 == u64::from(limit);
    let next = stored.last().filter(|_| full).and_then(|it| {
        let plain = record.key.iter().all(|it| !restriction.masks.contains_key(it));
        if plain { key_texts(record, &restriction.columns, &it.values) } else { None }
    });
    let rows = stored.into_iter().map(|it| shown(reading, it.values));
    Ok(Page { rows: rows.collect(), next })
}

/// A row as it is shown: masks come before anything is written.
fn shown(reading: &Reading<'_>, values: Vec<Value>) -> Map<String, Json> {
    let restriction = reading.permit.restriction();
    let columns = &restriction.columns;
    let values: Vec<Value> = columns.iter().zip(values).map(|(name, value)| restriction.mask(name, value)).collect();
    row_json(reading.record, columns, &values)
}

fn outside() -> Problem {
    Problem::new(
        Kind::Refused,
        "exchange.restriction",
        "协议许可的范围内没有这一行",
        "there is no such row within what was agreed",
    )
    .field("/key")
}

fn too_many(limit: u32) -> Problem {
    Problem::new(
        Kind::TooLarge,
        "web.too_large",
        format!("每页至多 {PAGE_ROWS_MAX} 行，请求了 {limit} 行；大量数据请用批量交付（yunhe pull）"),
        format!("a page has at most {PAGE_ROWS_MAX} rows, {limit} were asked for; use a batch for more (yunhe pull)"),
    )
    .field("/limit")
}

pub(crate) fn not_ours(id: AgreementId) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "exchange.side",
        format!("协议 {id} 中本单位不是消费方；请核对协议号（yunhe agree list）"),
        format!("we are not the consumer of agreement {id}; look it up (yunhe agree list)"),
    )
}

/// The receipt in an answer's field.
pub(crate) fn read_receipt(field: Option<&http::HeaderValue>) -> Result<Receipt, Problem> {
    let bytes = field.and_then(|it| STANDARD.decode(it.as_bytes()).ok()).ok_or_else(|| {
        Problem::new(
            Kind::Peer,
            "receipt.missing",
            "答复没有回执，未采用",
            "the answer has no receipt and was not used",
        )
    })?;
    from_json(&bytes)
}

/// A promise must not lie further ahead than this.
pub(crate) fn promise_is_near(by: Timestamp, now: Timestamp) -> bool {
    by <= now.saturating_add(10.minutes()).unwrap_or(Timestamp::MAX)
}
