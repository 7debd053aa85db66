//! One span for each request, for whoever collects traces. Its fields are the method, the route as it stands in the
//! table, and the status: never the path that was asked for, nor anything from a query, a field or a body.

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use tracing::{Instrument as _, Level, field::Empty};

/// The spans' target: whoever collects them asks for it, nobody else pays for them.
pub const TRACED: &str = "yunhe::request";

pub(crate) async fn traced(request: Request, next: Next) -> Response {
    if !tracing::enabled!(target: TRACED, Level::DEBUG) {
        return next.run(request).await;
    }
    let route = request.extensions().get::<MatchedPath>().map_or("-", |it| it.as_str());
    let span = tracing::debug_span!(target: TRACED, "request", method = %request.method(), route, status = Empty);
    let response = next.run(request).instrument(span.clone()).await;
    span.record("status", response.status().as_u16());
    response
}
