//! Sources that are tables of others.

use super::Answer;
use crate::caller::{Caller, Json as Body, Path};
use axum::Json;
use node::{SourceCheck, SourceView, TakeAsk, TakingView};
use vocabulary::ResourceId;

/// `GET /v1/sources`: the sources with their latest runs.
pub(crate) async fn list(caller: Caller) -> Answer<Vec<SourceView>> {
    Ok(Json(caller.org.sources(&caller.principal).await?))
}

/// `GET /v1/sources/{name}/check`: whether it can be read and its rows fit.
pub(crate) async fn check(caller: Caller, Path(name): Path<ResourceId>) -> Answer<SourceCheck> {
    Ok(Json(caller.org.check_source(&caller.principal, &name).await?))
}

/// `GET /v1/sources/{name}/runs`: its runs, the newest first.
pub(crate) async fn runs(caller: Caller, Path(name): Path<ResourceId>) -> Answer<Vec<TakingView>> {
    Ok(Json(caller.org.source_runs(&caller.principal, &name).await?))
}

/// `POST /v1/sources/{name}/runs`: begins a run, or goes on with the open one.
pub(crate) async fn take(caller: Caller, Path(name): Path<ResourceId>, Body(ask): Body<TakeAsk>) -> Answer<TakingView> {
    Ok(Json(caller.org.take_source(&caller.principal, &name, ask).await?))
}
