//! What administrators are refused, and what the audit administrator looks at, is written down: one place for every
//! route, so that none is forgotten.

use crate::{Route, problem::Code};
use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use http::Method;
use node::{Called, Organisation};
use policy::{Principal, Role};
use std::sync::{Arc, OnceLock};

/// Who called, once an extractor has learnt it.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<OnceLock<(Arc<Organisation>, Principal)>>);

impl Heard {
    pub(crate) fn of(&self, org: &Arc<Organisation>, principal: &Principal) {
        // Told twice where two extractors stand in one handler; it is the same caller.
        let _ = self.0.set((org.clone(), principal.clone()));
    }
}

pub(crate) async fn noted(mut request: Request, next: Next) -> Response {
    let heard = Heard::default();
    request.extensions_mut().insert(heard.clone());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    // As the table of routes and the description of the interface write it.
    let matched =
        request.extensions().get::<MatchedPath>().map_or_else(String::new, |it| it.as_str().replace("{*", "{"));
    let response = next.run(request).await;
    let Some((org, principal)) = heard.0.get().cloned() else { return response };
    let looks = method == Method::GET || Route::find(&method, &matched).is_some_and(|it| it.looks);
    let status = response.status().as_u16();
    let refused = response.extensions().get::<Code>().map(|it| it.0.clone());
    // Somebody who looks for what is not there was refused nothing.
    let is_refused = if looks { status == 403 } else { (400..500).contains(&status) };
    let is_read = looks && status < 300 && principal.roles.contains(&Role::AuditAdministrator);
    if principal.roles.iter().any(|it| it.administers()) && (is_refused || is_read) {
        let refused = is_refused.then(|| refused.unwrap_or_default());
        // What stands in the path of a call may be about somebody.
        let path = if matched.starts_with("/v1/call/") { matched.clone() } else { path };
        let called = Called { method: method.to_string(), route: matched, path, refused };
        // Whoever goes away meanwhile is written down as well.
        drop(tokio::spawn(async move { org.note_call(&principal, called).await }).await);
    }
    response
}
