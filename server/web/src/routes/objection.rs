//! Objections, rulings, corrections, notices.

use super::Answer;
use crate::caller::{Caller, Json as Body, Params, Path};
use ::exchange::{CorrectionId, CorrectionView, Notice, ObjectionId, ObjectionView};
use axum::Json;
use node::{ConfirmationDraft, ObjectionDraft, ObjectionsAsk, RulingDraft};
use serde::Deserialize;

/// `POST /v1/objections`: marks a row, a cell or a column as wrong.
pub(crate) async fn raise(caller: Caller, Body(draft): Body<ObjectionDraft>) -> Answer<ObjectionView> {
    Ok(Json(caller.org.raise_objection(&caller.principal, draft).await?))
}

/// `GET /v1/objections`: raised by us and to us.
pub(crate) async fn objections(caller: Caller, Params(ask): Params<ObjectionsAsk>) -> Answer<Vec<ObjectionView>> {
    Ok(Json(caller.org.objections(&caller.principal, &ask).await?))
}

/// `GET /v1/objections/{id}`: one of them, with whom its correction reached.
pub(crate) async fn objection(caller: Caller, Path(id): Path<ObjectionId>) -> Answer<ObjectionView> {
    Ok(Json(caller.org.objection_for(&caller.principal, id).await?))
}

/// `POST /v1/objections/{id}/rulings`: takes up, corrects, finds right or passes on.
pub(crate) async fn rule(
    caller: Caller,
    Path(id): Path<ObjectionId>,
    Body(draft): Body<RulingDraft>,
) -> Answer<ObjectionView> {
    Ok(Json(caller.org.rule_on(&caller.principal, id, draft).await?))
}

/// Which corrections.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CorrectionsAsk {
    /// Only those that wait for our confirmation.
    #[serde(default)]
    waiting: bool,
}

/// `GET /v1/corrections`: told by us and to us.
pub(crate) async fn corrections(caller: Caller, Params(ask): Params<CorrectionsAsk>) -> Answer<Vec<CorrectionView>> {
    Ok(Json(caller.org.corrections(&caller.principal, ask.waiting).await?))
}

/// `POST /v1/corrections/{id}/confirmation`: what had been received was put right here.
pub(crate) async fn confirm(
    caller: Caller,
    Path(id): Path<CorrectionId>,
    Body(draft): Body<ConfirmationDraft>,
) -> Answer<CorrectionView> {
    Ok(Json(caller.org.confirm_correction(&caller.principal, id, draft).await?))
}

/// `GET /v1/notices`: what the caller's roles should know.
pub(crate) async fn notices(caller: Caller) -> Answer<Vec<Notice>> {
    Ok(Json(caller.org.notices(&caller.principal).await?))
}
