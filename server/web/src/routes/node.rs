//! About the node itself.

use super::Answer;
use crate::{Failure, Tenants, tenant::Tenant};
use axum::{Json, extract::State, response::IntoResponse};
use http::header;
use node::Organisation;
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

/// What waits in an organisation, and how its jobs fare.
async fn waiting(text: &mut String, org: &Organisation) -> Result<(), Failure> {
    let (id, it) = (org.id(), org.figures().await?);
    let figures: [(&str, i128); 6] = [
        ("log_behind", it.log_behind.into()),
        ("feed_waiting", it.feed_waiting.into()),
        ("receipts_unsigned", it.receipts_unsigned.into()),
        ("pulls_under_way", it.pulls_under_way.into()),
        ("revocations_untold", it.revocations_untold.into()),
        ("reclaiming", it.reclaiming.into()),
    ];
    for (name, value) in figures {
        writeln!(text, "yunhe_{name}{{organisation=\"{id}\"}} {value}").ok();
    }
    writeln!(text, "yunhe_certificate_days{{organisation=\"{id}\"}} {}", org.certificate_days()).ok();
    if let Some(age) = it.view_age_seconds {
        writeln!(text, "yunhe_membership_age_seconds{{organisation=\"{id}\"}} {age}").ok();
    }
    for (job, state) in org.job_states() {
        writeln!(text, "yunhe_job_failures_total{{organisation=\"{id}\",job=\"{job}\"}} {}", state.failures).ok();
        writeln!(text, "yunhe_job_failing{{organisation=\"{id}\",job=\"{job}\"}} {}", state.failing).ok();
    }
    Ok(())
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
        waiting(&mut text, org).await?;
        writeln!(text, "yunhe_source_unfit_total{{organisation=\"{id}\"}} {}", org.unfit_rows()).ok();
        for kind in org.types().await? {
            writeln!(text, "yunhe_records{{organisation=\"{id}\",record=\"{}\"}} {}", kind.name, kind.rows).ok();
        }
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
