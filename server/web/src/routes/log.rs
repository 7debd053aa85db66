//! Receipts and the log.

use super::Answer;
use crate::{
    Failure,
    caller::{Caller, Params, Path},
    tenant::Tenant,
};
use ::exchange::{AgreementId, Receipt, ReceiptId, ReceiptView, RecordView};
use axum::{Json, response::IntoResponse};
use http::header;
use node::{Accounts, AccountsAsk, NumberAsk, Numbered, Proof, ProofAsk};
use serde::Deserialize;
use serde_json::{Value, json};

/// Which receipts.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReceiptsAsk {
    agreement: Option<AgreementId>,
}

/// `GET /v1/receipts`: the newest receipts.
pub(crate) async fn receipts(caller: Caller, Params(ask): Params<ReceiptsAsk>) -> Answer<Vec<ReceiptView>> {
    Ok(Json(caller.org.receipts(ask.agreement).await?))
}

/// `GET /v1/numbers?number=`: what bears a platform's number.
pub(crate) async fn numbered(caller: Caller, Params(ask): Params<NumberAsk>) -> Answer<Numbered> {
    Ok(Json(caller.org.numbered(&caller.principal, &ask.number).await?))
}

/// `GET /v1/recorded`: what was recorded here of deliveries, at the hub.
pub(crate) async fn recorded(caller: Caller, Params(ask): Params<ReceiptsAsk>) -> Answer<Vec<RecordView>> {
    Ok(Json(caller.org.recorded(&caller.principal, ask.agreement).await?))
}

/// `GET /v1/receipts/{id}`: a receipt as a file.
pub(crate) async fn receipt(caller: Caller, Path(id): Path<ReceiptId>) -> Answer<Receipt> {
    Ok(Json(caller.org.receipt(id).await?))
}

/// `POST /v1/receipts/acknowledge`: countersigns what is due now.
pub(crate) async fn acknowledge(caller: Caller) -> Answer<Value> {
    caller.org.settle_missed().await?;
    Ok(Json(json!({"acknowledged": caller.org.acknowledge_due().await?})))
}

/// `GET /v1/accounts`: the accounts of a month.
pub(crate) async fn accounts(caller: Caller, Params(ask): Params<AccountsAsk>) -> Answer<Accounts> {
    Ok(Json(caller.org.accounts(&caller.principal, &ask).await?))
}

/// `GET /v1/accounts/proof`: what a figure was counted from.
pub(crate) async fn account_proof(caller: Caller, Params(ask): Params<ProofAsk>) -> Answer<Proof> {
    Ok(Json(caller.org.account_proof(&caller.principal, &ask).await?))
}

/// `GET /v1/log`: where our log stands.
pub(crate) async fn log(Tenant(org): Tenant) -> Answer<Value> {
    Ok(Json(org.log().await?))
}

/// `GET /log/checkpoint`, `GET /log/tile/…`: the log for anyone (C2SP tlog-tiles).
pub(crate) async fn file(Tenant(org): Tenant, Path(path): Path<String>) -> Result<impl IntoResponse, Failure> {
    let media = if path == "checkpoint" { "text/plain; charset=utf-8" } else { "application/octet-stream" };
    Ok(([(header::CONTENT_TYPE, media)], org.log_file(&path).await?))
}
