//! Calls of services at one local address: whatever stands behind the agreement is the service's own path.

use crate::{
    Failure,
    caller::{Caller, read_body},
};
use ::exchange::AgreementId;
use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, Uri, header};
use node::{CallAnswer, CallAsk};
use vocabulary::{Kind, Problem};

/// Who answered: `service`, or `node` where it is a problem of ours.
const ORIGIN: &str = "yunhe-origin";

/// Whether an answer is a service's own.
pub(crate) fn of_service(response: &Response) -> bool {
    response.headers().get(ORIGIN).is_some_and(|it| it == "service")
}

/// `… /v1/call/{agreement}/{path}`: calls a service.
pub(crate) async fn call(caller: Caller, request: Request) -> Response {
    match called(caller, request).await {
        Ok(answer) => answered(answer),
        Err(problem) => {
            let mut response = Failure(problem).into_response();
            response.headers_mut().insert(ORIGIN, HeaderValue::from_static("node"));
            response
        }
    }
}

async fn called(caller: Caller, request: Request) -> Result<CallAnswer, Problem> {
    let (parts, body) = request.into_parts();
    let (agreement, path) = target(&parts.uri)?;
    let body = read_body(body, policy::BODY_BYTES_MAX as usize).await?;
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let ask = CallAsk { agreement, method: parts.method, path, query, fields: parts.headers, body };
    caller.org.call(&caller.principal, ask).await
}

/// The agreement and the service's path, as it came: nothing of it is decoded here.
fn target(uri: &Uri) -> Result<(AgreementId, String), Problem> {
    let rest = uri.path().strip_prefix("/v1/call/").unwrap_or_default();
    let (agreement, path) = rest.split_once('/').unwrap_or((rest, ""));
    let agreement = agreement.parse().map_err(|it: vocabulary::IdError| {
        Problem::new(
            Kind::Unprocessable,
            "web.path",
            format!("地址中的标识有误：{it}"),
            format!("an id in the path is wrong: {it}"),
        )
    })?;
    Ok((agreement, format!("/{path}")))
}

fn answered(answer: CallAnswer) -> Response {
    let CallAnswer { status, fields, body, receipt, key } = answer;
    let mut response = (status, fields, Body::from(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(ORIGIN, HeaderValue::from_static("service"));
    let own = [("yunhe-receipt", Some(receipt.to_string())), ("idempotency-key", key)];
    for (name, value) in own {
        if let Some(value) = value.and_then(|it| HeaderValue::try_from(it).ok()) {
            headers.insert(name, value);
        }
    }
    // It comes from elsewhere: no browser takes it for a page of this node.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    response
}
