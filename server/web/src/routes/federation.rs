//! The federation and its membership log.

use super::Answer;
use crate::{
    caller::{Caller, Json as Body},
    tenant::Tenant,
};
use ::federation::{Entry, Genesis};
use axum::Json;
use serde::Deserialize;
use serde_json::{Value, json};
use vocabulary::Digest;

/// `GET /v1/federation`: the members as we know them.
pub(crate) async fn about(Tenant(org): Tenant) -> Answer<Value> {
    let view = org.members()?;
    let members: Vec<Value> = view
        .members()
        .map(|it| {
            let it = &it.organisation;
            json!({
                "id": it.id, "title": it.title, "roles": it.roles, "level": it.level, "division": it.division,
                "superior": view.superior(&it.id),
                "host": it.host, "addresses": it.addresses,
            })
        })
        .collect();
    Ok(Json(json!({
        "name": org.federation(), "age_seconds": view.age_seconds(org.now()), "entries": view.number(),
        "head": view.head(), "members": members,
    })))
}

/// `GET /v1/federation/log`: genesis and entries, for whoever wants to check.
pub(crate) async fn log(Tenant(org): Tenant) -> Answer<Value> {
    Ok(Json(org.membership_log().await?))
}

/// A genesis with the digest that was told by another way.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Join {
    genesis: Genesis,
    digest: Digest,
}

/// `POST /v1/federation`: pins the federation.
pub(crate) async fn join(caller: Caller, Body(join): Body<Join>) -> Answer<Value> {
    caller.org.join(&caller.principal, join.genesis, join.digest).await?;
    Ok(Json(json!({"federation": caller.org.federation()})))
}

/// Entries of the membership log.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entries {
    entries: Vec<Entry>,
}

/// `POST /v1/federation/entries`: takes over entries.
pub(crate) async fn adopt(caller: Caller, Body(body): Body<Entries>) -> Answer<Value> {
    caller.org.adopt(&caller.principal, body.entries).await?;
    Ok(Json(json!({"entries": caller.org.members()?.number()})))
}
