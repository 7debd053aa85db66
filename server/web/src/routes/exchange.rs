//! Offers, requests, agreements, deliveries.

use super::Answer;
use crate::{
    FILES_BYTES_MAX, Failure,
    caller::{Caller, Json as Body, Params, Path},
};
use ::exchange::{AgreementId, AgreementView, DeliveryId, Pull, RequestId, RequestView};
use axum::{Json, response::IntoResponse};
use http::header;
use node::{AnswerDraft, AttachmentDraft, OfferView, PullAsk, QueryAnswer, QueryAsk, RequestDraft, RequestsAsk};
use serde::Deserialize;
use vocabulary::OrganisationId;

/// `GET /v1/offers`: what this organisation offers.
pub(crate) async fn offers(caller: Caller) -> Json<Vec<OfferView>> {
    Json(caller.org.offers())
}

/// `GET /v1/members/{id}/offers`: what a member offers.
pub(crate) async fn offers_of(caller: Caller, Path(id): Path<OrganisationId>) -> Answer<Vec<OfferView>> {
    Ok(Json(caller.org.offers_of(&id).await?))
}

/// `POST /v1/requests`: asks for access.
pub(crate) async fn request(caller: Caller, Body(draft): Body<RequestDraft, FILES_BYTES_MAX>) -> Answer<RequestView> {
    Ok(Json(caller.org.request(&caller.principal, draft).await?))
}

/// `GET /v1/requests`: the requests known here.
pub(crate) async fn requests(caller: Caller, Params(ask): Params<RequestsAsk>) -> Answer<Vec<RequestView>> {
    Ok(Json(caller.org.requests_asked(&caller.principal, &ask).await?))
}

/// `GET /v1/requests/{id}`: one request, with the latest news.
pub(crate) async fn request_view(caller: Caller, Path(id): Path<RequestId>) -> Answer<RequestView> {
    Ok(Json(caller.org.request_view(id).await?))
}

/// `POST /v1/requests/{id}/answers`: answers on one step.
pub(crate) async fn answer(
    caller: Caller,
    Path(id): Path<RequestId>,
    Body(draft): Body<AnswerDraft>,
) -> Answer<RequestView> {
    Ok(Json(caller.org.answer(&caller.principal, id, draft).await?))
}

/// What was missing.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    note: String,
    /// Files that were.
    #[serde(default)]
    attachments: Vec<AttachmentDraft>,
}

/// `POST /v1/requests/{id}/supplements`: adds what was missing.
pub(crate) async fn supplement(
    caller: Caller,
    Path(id): Path<RequestId>,
    Body(note): Body<Note, FILES_BYTES_MAX>,
) -> Answer<RequestView> {
    Ok(Json(caller.org.supplement(&caller.principal, id, (note.note, note.attachments)).await?))
}

/// `GET /v1/requests/{id}/attachments/{number}`: a file of a request, never shown as a page.
pub(crate) async fn attachment(
    caller: Caller,
    Path((id, number)): Path<(RequestId, usize)>,
) -> Result<impl IntoResponse, Failure> {
    let (_, bytes) = caller.org.attachment(&caller.principal, id, number).await?;
    let fields = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((fields, bytes))
}

/// `POST /v1/requests/{id}/agreement`: signs the agreement that the request led to.
pub(crate) async fn agree(caller: Caller, Path(id): Path<RequestId>) -> Answer<AgreementView> {
    Ok(Json(caller.org.agree(&caller.principal, id).await?))
}

/// `GET /v1/agreements`.
pub(crate) async fn agreements(caller: Caller) -> Answer<Vec<AgreementView>> {
    Ok(Json(caller.org.agreements().await?))
}

/// `GET /v1/agreements/{id}`.
pub(crate) async fn agreement(caller: Caller, Path(id): Path<AgreementId>) -> Answer<AgreementView> {
    Ok(Json(caller.org.agreement(id).await?))
}

/// Why.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    reason: String,
}

/// `POST /v1/agreements/{id}/revocation`: takes an agreement back at once.
pub(crate) async fn revoke(
    caller: Caller,
    Path(id): Path<AgreementId>,
    Body(body): Body<Reason>,
) -> Answer<AgreementView> {
    Ok(Json(caller.org.revoke(&caller.principal, id, body.reason).await?))
}

/// `POST /v1/queries`: one receipted query.
pub(crate) async fn query(caller: Caller, Body(ask): Body<QueryAsk>) -> Answer<QueryAnswer> {
    Ok(Json(caller.org.query(&caller.principal, ask).await?))
}

/// `POST /v1/pulls`: begins to fetch a batch.
pub(crate) async fn pull(caller: Caller, Body(ask): Body<PullAsk>) -> Answer<Pull> {
    Ok(Json(caller.org.pull(&caller.principal, ask).await?))
}

/// `GET /v1/pulls/{id}`: how far it is.
pub(crate) async fn pull_state(caller: Caller, Path(id): Path<DeliveryId>) -> Answer<Pull> {
    Ok(Json(caller.org.pull_state(id).await?))
}

/// `GET /v1/pulls/{id}/parts/{number}`: a part that is here.
pub(crate) async fn pulled_part(
    caller: Caller,
    Path((id, number)): Path<(DeliveryId, u32)>,
) -> Result<impl IntoResponse, Failure> {
    let bytes = caller.org.pulled_part(&caller.principal, id, number).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes))
}
