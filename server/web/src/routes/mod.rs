//! The client port's routes, by act.

mod audit;
pub(crate) mod call;
pub(crate) mod catalog;
pub(crate) mod compilation;
mod delivery;
pub(crate) mod demand;
pub(crate) mod exchange;
pub(crate) mod federation;
pub(crate) mod identity;
pub(crate) mod log;
mod node;
pub(crate) mod objection;
mod page;
pub(crate) mod registry;
mod sources;
pub(crate) mod template;

use crate::{
    Failure, Tenants,
    throttle::{Throttle, guard},
};
use ::peer::Refusals;
use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    routing::{delete, get, post, put},
};
use std::sync::Arc;
use vocabulary::{Kind, Problem};

/// What every handler gives back.
pub(crate) type Answer<T> = Result<axum::Json<T>, Failure>;

/// The router of the client port.
pub(crate) fn router(tenants: Tenants, refusals: Arc<Refusals>) -> Router {
    Router::new()
        .route("/", get(page::home))
        .route("/api", get(page::api))
        .route("/api/{file}", get(page::file))
        .route("/health", get(node::health))
        .route("/openapi.json", get(node::openapi))
        .route("/v1/node", get(node::about))
        .route("/v1/packs", get(registry::packs).post(registry::install))
        .route("/v1/imports", post(registry::import))
        .route("/v1/imports/{id}", get(registry::import_progress))
        .route("/v1/imports/{id}/rejects", get(registry::import_rejects))
        .route("/v1/records", get(registry::types))
        .route("/v1/records/{name}", get(registry::first).post(registry::put))
        .route("/v1/records/{name}/pages", post(registry::page))
        .route("/v1/records/{name}/removals", post(registry::remove))
        .route("/v1/records/{name}/digest", get(registry::digest))
        .route("/v1/records/{name}/history", post(registry::history))
        .route("/v1/sources", get(sources::list))
        .route("/v1/sources/{name}/check", get(sources::check))
        .route("/v1/sources/{name}/runs", get(sources::runs).post(sources::take))
        .route("/v1/changes", get(registry::changes))
        .route("/v1/offers", get(exchange::offers))
        .route("/v1/members/{id}/offers", get(exchange::offers_of))
        .route("/v1/requests", get(exchange::requests).post(exchange::request))
        .route("/v1/requests/{id}", get(exchange::request_view))
        .route("/v1/requests/{id}/answers", post(exchange::answer))
        .route("/v1/requests/{id}/supplements", post(exchange::supplement))
        .route("/v1/requests/{id}/attachments/{number}", get(exchange::attachment))
        .route("/v1/requests/{id}/agreement", post(exchange::agree))
        .route("/v1/agreements", get(exchange::agreements))
        .route("/v1/agreements/{id}", get(exchange::agreement))
        .route("/v1/agreements/{id}/revocation", post(exchange::revoke))
        .route("/v1/queries", post(exchange::query))
        .route("/v1/call/{agreement}/{*path}", get(call::call).post(call::call))
        .route("/v1/call/{agreement}/{*path}", put(call::call).patch(call::call).delete(call::call))
        .route("/v1/pulls", post(exchange::pull))
        .route("/v1/pulls/{id}", get(exchange::pull_state))
        .route("/v1/pulls/{id}/parts/{number}", get(exchange::pulled_part))
        .route("/v1/deliveries", get(delivery::list).post(delivery::plan))
        .route("/v1/deliveries/{name}", get(delivery::show))
        .route("/v1/deliveries/{name}/run", post(delivery::run))
        .route("/v1/deliveries/{name}/pause", post(delivery::pause))
        .route("/v1/deliveries/{name}/resume", post(delivery::resume))
        .route("/v1/deliveries/{name}/end", post(delivery::end))
        .route("/v1/receipts", get(log::receipts))
        .route("/v1/receipts/acknowledge", post(log::acknowledge))
        .route("/v1/receipts/{id}", get(log::receipt))
        .route("/v1/log", get(log::log))
        .route("/log/{*path}", get(log::file))
        .route("/v1/federation", get(federation::about).post(federation::join))
        .route("/v1/federation/log", get(federation::log))
        .route("/v1/federation/entries", post(federation::adopt))
        .route("/v1/audit", get(audit::acts))
        .route("/v1/audit/exports", post(audit::begin_export))
        .route("/v1/audit/exports/{number}", get(audit::exported))
        .merge(people())
        .merge(catalogue())
        .merge(bureau())
        // A layer lies over what was added before it alone: every route stands above this line.
        .route_layer(from_fn(crate::noted::noted))
        .route_layer(from_fn(crate::trace::traced))
        .fallback(unknown)
        .with_state(tenants.clone())
        .merge(Router::new().route("/metrics", get(node::metrics)).with_state((tenants.clone(), refusals)))
        .layer(from_fn_with_state(Throttle::new(tenants), guard))
}

/// Accounts, programs, sessions and tokens.
fn people() -> Router<Tenants> {
    Router::new()
        .route("/v1/users", get(identity::users).post(identity::create_user))
        .route("/v1/users/{name}/roles", post(identity::set_roles))
        .route("/v1/users/{name}/state", post(identity::set_state))
        .route("/v1/users/{name}/password", post(identity::reset_password))
        .route("/v1/users/{name}/unlock", post(identity::unlock))
        .route("/v1/users/{name}/second-factor", delete(identity::reset_factor))
        .route("/v1/second-factors", post(identity::enrol))
        .route("/v1/second-factors/confirmation", post(identity::confirm))
        .route("/v1/applications", get(identity::applications).post(identity::register_application))
        .route("/v1/applications/{name}", delete(identity::retire_application))
        .route("/v1/sessions", post(identity::sign_in).delete(identity::sign_out))
        .route("/v1/passwords", post(identity::change_password))
        .route("/v1/tokens", get(identity::tokens).post(identity::create_token))
        .route("/v1/tokens/{id}", delete(identity::revoke_token))
}

/// The catalogue: found, compiled, and what stands behind it.
fn catalogue() -> Router<Tenants> {
    Router::new()
        .route("/v1/catalog", get(catalog::search).post(catalog::publish))
        .route("/v1/catalog/{code}", get(catalog::entry).delete(catalog::withdraw))
        .route("/v1/catalog/dcat", get(catalog::dcat))
        .route("/v1/catalog/harvest", post(catalog::harvest))
        .route("/v1/catalog/levels", post(catalog::follow_levels))
        .route("/v1/catalog/reports", get(catalog::reports))
        .route("/v1/catalog/reports/{organisation}/{entry}", get(catalog::report))
        .route("/v1/catalog/reports/{organisation}/{entry}/acts", post(catalog::act_on_report))
        .route("/v1/compilations", get(compilation::list))
        .route("/v1/compilations/{name}", get(compilation::view))
        .route("/v1/compilations/{name}/acts", post(compilation::act))
        .route("/v1/chain", post(compilation::put_things))
        .route("/v1/chain/{kind}", get(compilation::things))
        .route("/v1/chain/{kind}/{name}", get(compilation::thing).delete(compilation::close_thing))
        .route("/v1/systems", get(compilation::systems))
        .route("/v1/demands", get(demand::list))
        .route("/v1/demands/{name}", get(demand::view))
        .route("/v1/demands/{name}/acts", post(demand::act))
        .route("/v1/template", get(template::export).post(template::import))
        .route("/v1/proposals", post(template::propose))
        .route("/v1/lists/{list}", get(template::list))
        .route("/v1/second-sources", get(template::second_sources))
}

/// What a bureau does about what was delivered, and how it accounts for it.
fn bureau() -> Router<Tenants> {
    Router::new()
        .route("/v1/objections", get(objection::objections).post(objection::raise))
        .route("/v1/objections/{id}", get(objection::objection))
        .route("/v1/objections/{id}/rulings", post(objection::rule))
        .route("/v1/corrections", get(objection::corrections))
        .route("/v1/corrections/{id}/confirmation", post(objection::confirm))
        .route("/v1/notices", get(objection::notices))
        .route("/v1/numbers", get(log::numbered))
        .route("/v1/recorded", get(log::recorded))
        .route("/v1/accounts", get(log::accounts))
        .route("/v1/accounts/proof", get(log::account_proof))
}

async fn unknown() -> Failure {
    Failure(Problem::new(
        Kind::Missing,
        "web.route",
        "没有这个接口；接口清单见 /api（页面）或 /openapi.json",
        "there is no such route; /api (a page) and /openapi.json list them",
    ))
}
