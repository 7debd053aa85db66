//! Problems as HTTP answers (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use vocabulary::Problem;

/// A problem on its way out. `?` turns any [`Problem`] into one.
#[derive(Debug)]
pub struct Failure(pub Problem);

/// The code of the problem that an answer tells, for whoever writes it down.
#[derive(Clone)]
pub(crate) struct Code(pub(crate) String);

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let code = Code(self.0.code.to_string());
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        response.extensions_mut().insert(code);
        if let Some(seconds) = self.0.more.get("retry_after_seconds").and_then(serde_json::Value::as_u64) {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
