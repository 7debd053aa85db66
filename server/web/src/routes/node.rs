//! About the node itself.

use super::Answer;
use crate::{Failure, Tenants, tenant::Tenant};
use axum::{Json, extract::State, response::IntoResponse};
use http::header;
use peer::Refusals;
use serde_json::{Value, json};
use std::{fmt::Write as _, sync::Arc};

/// `GET /health`: whether it serves and its databases answer.
pub(crate) async fn health(State(tenants): State<Tenants>) -> Answer<Value> {
    for org in tenants.all() {
        org.store().read().await?;
    }
    Ok(Json(json!({"status": "ok", "api": "/api"})))
}

/// `GET /openapi.json`: what can be asked here.
pub(crate) async fn openapi() -> Json<Value> {
    Json(crate::openapi())
}

/// `GET /v1/node`: whose node this is.
pub(crate) async fn about(Tenant(org): Tenant) -> Answer<Value> {
    let view = org.members().ok();
    Ok(Json(json!({
        "organisation": org.id(), "title": org.config().title, "federation": org.federation(),
        "version": env!("CARGO_PKG_VERSION"), "members": view.as_ref().map_or(0, |it| it.members().count()),
        "view_age_seconds": view.as_ref().map(|it| it.age_seconds(org.now())),
    })))
}

/// `GET /metrics`: figures in the text format of Prometheus.
pub(crate) async fn metrics(
    State((tenants, refusals)): State<(Tenants, Arc<Refusals>)>,
) -> Result<impl IntoResponse, Failure> {
    let mut text = String::new();
    let counts = refusals.counts();
    let named = [
        ("unknown-key", counts.unknown_key),
        ("unknown-host", counts.unknown_host),
        ("handshake", counts.handshake),
        ("too-many", counts.too_many),
        ("slow", counts.slow),
    ];
    for (name, count) in named {
        writeln!(text, "yunhe_peer_refused_total{{reason=\"{name}\"}} {count}").ok();
    }
    for org in tenants.all() {
        let id = org.id();
        let log = org.log().await?;
        writeln!(text, "yunhe_log_size{{organisation=\"{id}\"}} {}", log["size"]).ok();
        writeln!(text, "yunhe_log_behind{{organisation=\"{id}\"}} {}", org.log_behind()).ok();
        for kind in org.types().await? {
            writeln!(text, "yunhe_records{{organisation=\"{id}\",record=\"{}\"}} {}", kind.name, kind.rows).ok();
        }
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
