//! Demands for data that is in no catalogue.

use super::Answer;
use crate::caller::{Caller, Json as Body, Params, Path};
use axum::Json;
use catalog::compile::DemandAct;
use node::{DemandView, DossiersAsk};
use serde::Deserialize;
use vocabulary::ResourceId;

/// Which demands.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DemandsAsk {
    /// In this state alone.
    #[serde(default)]
    state: Option<String>,
    /// Assigned to this department alone, by its Chinese name.
    #[serde(default)]
    owner: Option<String>,
    /// Behind this name.
    #[serde(default)]
    after: Option<String>,
    /// At most so many.
    #[serde(default)]
    limit: Option<u32>,
    /// The caller's own that ended, and that he has not marked as heard.
    #[serde(default)]
    unheard: bool,
}

/// `GET /v1/demands?state=…`: lists them.
pub(crate) async fn list(caller: Caller, Params(ask): Params<DemandsAsk>) -> Answer<Vec<DemandView>> {
    let DemandsAsk { state, owner, after, limit, unheard } = ask;
    let which = DossiersAsk { state, owner, after, limit };
    Ok(Json(caller.org.demands(&caller.principal, which, unheard).await?))
}

/// `GET /v1/demands/{name}`: one with its history.
pub(crate) async fn view(caller: Caller, Path(name): Path<ResourceId>) -> Answer<DemandView> {
    Ok(Json(caller.org.demand(&caller.principal, &name).await?))
}

/// `POST /v1/demands/{name}/acts`: does the next thing to one.
pub(crate) async fn act(
    caller: Caller,
    Path(name): Path<ResourceId>,
    Body(act): Body<DemandAct>,
) -> Answer<DemandView> {
    Ok(Json(caller.org.do_demand(&caller.principal, &name, act).await?))
}
