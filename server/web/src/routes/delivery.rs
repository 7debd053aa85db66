//! Deliveries into tables of our own.

use super::Answer;
use crate::caller::{Caller, Json as Body, Path};
use ::exchange::{PlanView, Steering};
use axum::Json;
use node::{PlanAsk, RunAsk};
use vocabulary::ResourceId;

/// `POST /v1/deliveries`: plans a delivery.
pub(crate) async fn plan(caller: Caller, Body(ask): Body<PlanAsk>) -> Answer<PlanView> {
    Ok(Json(caller.org.plan_delivery(&caller.principal, ask).await?))
}

/// `GET /v1/deliveries`: all of them.
pub(crate) async fn list(caller: Caller) -> Answer<Vec<PlanView>> {
    Ok(Json(caller.org.deliveries().await?))
}

/// `GET /v1/deliveries/{name}`: one, with its last runs.
pub(crate) async fn show(caller: Caller, Path(name): Path<ResourceId>) -> Answer<PlanView> {
    Ok(Json(caller.org.delivery(&name).await?))
}

async fn steer(caller: Caller, name: ResourceId, steering: Steering) -> Answer<PlanView> {
    Ok(Json(caller.org.steer_delivery(&caller.principal, name, steering).await?))
}

/// `POST /v1/deliveries/{name}/run`: runs it now.
pub(crate) async fn run(
    caller: Caller,
    Path(name): Path<ResourceId>,
    Body(RunAsk { anew }): Body<RunAsk>,
) -> Answer<PlanView> {
    steer(caller, name, Steering::Run { anew }).await
}

/// `POST /v1/deliveries/{name}/pause`: lets it rest.
pub(crate) async fn pause(caller: Caller, Path(name): Path<ResourceId>) -> Answer<PlanView> {
    steer(caller, name, Steering::Pause).await
}

/// `POST /v1/deliveries/{name}/resume`: lets it go on.
pub(crate) async fn resume(caller: Caller, Path(name): Path<ResourceId>) -> Answer<PlanView> {
    steer(caller, name, Steering::Resume).await
}

/// `POST /v1/deliveries/{name}/end`: ends it; the table stays as it is.
pub(crate) async fn end(caller: Caller, Path(name): Path<ResourceId>) -> Answer<PlanView> {
    steer(caller, name, Steering::End).await
}
