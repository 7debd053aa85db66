//! Compilation of the catalogue, and the chain behind its entries.

use super::Answer;
use crate::caller::{Caller, Json as Body, Params, Path};
use axum::Json;
use catalog::compile::{Compiled, ThingKind};
use node::{
    CloseAsk, CompilationLine, CompilationView, CompileAsk, DossiersAsk, MomentAsk, SystemLine, SystemsAsk, ThingLine,
    ThingView, ThingsAsk,
};
use serde_json::Value;
use vocabulary::ResourceId;

/// `GET /v1/compilations?state=…`: entries on their way.
pub(crate) async fn list(caller: Caller, Params(ask): Params<DossiersAsk>) -> Answer<Vec<CompilationLine>> {
    Ok(Json(caller.org.compilations(&caller.principal, ask).await?))
}

/// `GET /v1/compilations/{name}`: one with its history.
pub(crate) async fn view(caller: Caller, Path(name): Path<ResourceId>) -> Answer<CompilationView> {
    Ok(Json(caller.org.compilation(&caller.principal, &name).await?))
}

/// `POST /v1/compilations/{name}/acts`: does the next thing to one.
pub(crate) async fn act(caller: Caller, Path(name): Path<ResourceId>, Body(ask): Body<CompileAsk>) -> Answer<Compiled> {
    Ok(Json(caller.org.compile(&caller.principal, &name, ask).await?))
}

/// `POST /v1/chain`: registers duties, matters, systems.
pub(crate) async fn put_things(caller: Caller, Body(ask): Body<ThingsAsk>) -> Answer<Value> {
    Ok(Json(caller.org.put_things(&caller.principal, ask).await?))
}

/// `GET /v1/chain/{kind}`: lists them.
pub(crate) async fn things(
    caller: Caller,
    Path(kind): Path<ThingKind>,
    Params(ask): Params<DossiersAsk>,
) -> Answer<Vec<ThingLine>> {
    Ok(Json(caller.org.things(&caller.principal, kind, ask).await?))
}

/// `GET /v1/chain/{kind}/{name}`: one of them, now or as of a time.
pub(crate) async fn thing(
    caller: Caller,
    Path((kind, name)): Path<(ThingKind, ResourceId)>,
    Params(ask): Params<MomentAsk>,
) -> Answer<ThingView> {
    Ok(Json(caller.org.thing(&caller.principal, (kind, &name), ask).await?))
}

/// `DELETE /v1/chain/{kind}/{name}`: closes one.
pub(crate) async fn close_thing(
    caller: Caller,
    Path(which): Path<(ThingKind, ResourceId)>,
    Params(ask): Params<CloseAsk>,
) -> Answer<Value> {
    Ok(Json(caller.org.close_thing(&caller.principal, which, ask).await?))
}

/// `GET /v1/systems?connection=sleeping`: the register of information systems.
pub(crate) async fn systems(caller: Caller, Params(ask): Params<SystemsAsk>) -> Answer<Vec<SystemLine>> {
    Ok(Json(caller.org.systems(&caller.principal, ask).await?))
}
