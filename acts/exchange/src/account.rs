//! What accounts are counted from: requests with when they were heard, objections, corrections, deliveries of a time.

use crate::{
    CorrectionView, Heard, ObjectionView, ReceiptId, RequestId, RequestView, correction, heard,
    store::{
        ACCOUNT_AGREEMENTS, ACCOUNT_CALLS, ACCOUNT_CORRECTIONS, ACCOUNT_OBJECTIONS, ACCOUNT_RECEIPTS, ACCOUNT_REQUESTS,
    },
};
use ::store::{Reader, Statement, args};
use policy::{Ask, Need, Role};
use std::collections::BTreeMap;
use vocabulary::{OrganisationId, Problem, ResourceId, Timestamp, micros};

/// Rows read at once.
const PAGE: u32 = 500;
/// Receipts listed as proof at once at most.
pub const PROOF_PAGE: u32 = 1_000;

/// Reading the accounts.
#[derive(Debug)]
pub struct ReadAccounts;

impl Ask for ReadAccounts {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::AuditAdministrator, Role::Approver, Role::ProviderOfficer, Role::Cataloguer])
    }
}

/// Every request made before `until`, with when this node heard of its events, oldest first.
///
/// # Errors
/// Those of the store, or what `take` said.
pub async fn each_request(
    reader: &mut Reader,
    until: Timestamp,
    mut take: impl FnMut(RequestView, Heard) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut behind = String::new();
    loop {
        let rows = reader.rows(ACCOUNT_REQUESTS, args![&behind, micros(until), PAGE]).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        behind = last.text("id")?.to_owned();
        for row in &rows {
            let view: RequestView = row.json("document")?;
            let id: RequestId = view.request.body.id;
            let heard = heard(reader, id).await?;
            take(view, heard)?;
        }
    }
}

/// Every objection that this node had before `until`.
///
/// # Errors
/// Those of the store, or what `take` said.
pub async fn each_objection(
    reader: &mut Reader,
    until: Timestamp,
    mut take: impl FnMut(ObjectionView) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut behind = String::new();
    loop {
        let rows = reader.rows(ACCOUNT_OBJECTIONS, args![&behind, micros(until), PAGE]).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        behind = last.text("id")?.to_owned();
        rows.iter().try_for_each(|it| take(it.json("document")?))?;
    }
}

/// Every correction that we told before `until`.
///
/// # Errors
/// Those of the store, or what `take` said.
pub async fn each_correction(
    reader: &mut Reader,
    until: Timestamp,
    mut take: impl FnMut(CorrectionView) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut behind = String::new();
    loop {
        let rows = reader.rows(ACCOUNT_CORRECTIONS, args![&behind, micros(until), PAGE]).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        behind = last.text("id")?.to_owned();
        rows.iter().try_for_each(|it| take(correction::view(it)?))?;
    }
}

/// How many deliveries there were to each consumer under each offer, from `from` until before `until`.
///
/// # Errors
/// Those of the store.
pub async fn calls(
    reader: &mut Reader,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<(OrganisationId, ResourceId, u64)>, Problem> {
    let mut offers: BTreeMap<String, ResourceId> = BTreeMap::new();
    for row in reader.rows(ACCOUNT_AGREEMENTS, args![]).await? {
        offers.insert(row.text("id")?.to_owned(), ResourceId::new(row.text("offer")?)?);
    }
    let rows = reader.rows(Statement::long(ACCOUNT_CALLS), args![micros(from), micros(until)]).await?;
    let mut calls = Vec::new();
    for row in &rows {
        if let Some(offer) = offers.get(row.text("agreement")?) {
            let number = u64::try_from(row.int("n")?).unwrap_or(0);
            calls.push((OrganisationId::new(row.text("peer")?)?, offer.clone(), number));
        }
    }
    Ok(calls)
}

/// The receipts of deliveries to a consumer from `from` until before `until`, behind `after`, at most 1,000.
///
/// # Errors
/// Those of the store.
pub async fn receipts_between(
    reader: &mut Reader,
    consumer: &OrganisationId,
    (from, until): (Timestamp, Timestamp),
    after: Option<ReceiptId>,
) -> Result<Vec<String>, Problem> {
    let after = after.map(|it| it.to_string()).unwrap_or_default();
    let args = args![consumer.as_str(), micros(from), micros(until), after, PROOF_PAGE];
    let rows = reader.rows(Statement::long(ACCOUNT_RECEIPTS), args).await?;
    rows.iter().map(|it| it.text("id").map(str::to_owned)).collect()
}
