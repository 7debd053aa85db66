//! Acts of administrators, for the audit administrator.

use super::Answer;
use crate::caller::{Caller, Json as Body, Params, Path};
use axum::Json;
use node::{ActsAsk, ActsPage, ExportActsAsk, ExportBegun, Exported, ExportedAsk};

/// `GET /v1/audit`: a page of acts, newest first.
pub(crate) async fn acts(caller: Caller, Params(ask): Params<ActsAsk>) -> Answer<ActsPage> {
    Ok(Json(caller.org.acts(&caller.principal, ask).await?))
}

/// `POST /v1/audit/exports`: begins an export of a period, which is an act itself.
pub(crate) async fn begin_export(caller: Caller, Body(ask): Body<ExportActsAsk>) -> Answer<ExportBegun> {
    Ok(Json(caller.org.export_acts(&caller.principal, ask).await?))
}

/// `GET /v1/audit/exports/{number}`: a page of it, each act with its proof.
pub(crate) async fn exported(
    caller: Caller,
    Path(number): Path<u64>,
    Params(ask): Params<ExportedAsk>,
) -> Answer<Exported> {
    Ok(Json(caller.org.exported_acts(&caller.principal, number, ask).await?))
}
