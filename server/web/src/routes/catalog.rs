//! The catalogue.

use super::Answer;
use crate::caller::{Caller, Json as Body, Params, Path};
use axum::Json;
use node::SearchAsk;
use serde::Deserialize;
use serde_json::{Value, json};
use vocabulary::OrganisationId;

/// `GET /v1/catalog?q=…`: finds entries.
pub(crate) async fn search(caller: Caller, Params(ask): Params<SearchAsk>) -> Answer<Value> {
    Ok(Json(caller.org.search(&caller.principal, ask).await?))
}

/// `GET /v1/catalog/{code}`: one entry.
pub(crate) async fn entry(caller: Caller, Path(code): Path<String>) -> Answer<Value> {
    Ok(Json(caller.org.catalog_entry(&code).await?))
}

/// `POST /v1/catalog`: publishes an entry.
pub(crate) async fn publish(caller: Caller, Body(body): Body<Value>) -> Answer<Value> {
    Ok(Json(caller.org.publish_entry(&caller.principal, body).await?))
}

/// `DELETE /v1/catalog/{code}`: withdraws an entry of our own.
pub(crate) async fn withdraw(caller: Caller, Path(name): Path<String>) -> Answer<Value> {
    caller.org.withdraw_entry(&caller.principal, &name).await?;
    Ok(Json(json!({})))
}

/// Whose catalogue.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HarvestAsk {
    member: OrganisationId,
}

/// `POST /v1/catalog/harvest`: takes over a member's catalogue.
pub(crate) async fn harvest(caller: Caller, Body(ask): Body<HarvestAsk>) -> Answer<Value> {
    Ok(Json(caller.org.harvest(&caller.principal, &ask.member).await?))
}
