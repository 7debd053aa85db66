//! Who asks on the client port, and JSON bodies that say what is wrong with them.

use crate::{BODY_BYTES_MAX, Failure, Route, Tenants, noted::Heard, tenant::Tenant};
use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, MatchedPath, Query, Request},
};
use http::{header, request::Parts};
use http_body_util::{BodyExt as _, Limited};
use node::Organisation;
use peer::SlowBody;
use policy::{Principal, Role};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use vocabulary::{Kind, Problem};

/// A caller with a valid token, and the organisation that it is an account of.
pub(crate) struct Caller {
    pub(crate) org: Arc<Organisation>,
    pub(crate) principal: Principal,
}

impl FromRequestParts<Tenants> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, tenants: &Tenants) -> Result<Self, Failure> {
        let Tenant(org) = Tenant::from_request_parts(parts, tenants).await?;
        let token = shown(parts)?;
        // A route that stands in no table is covered by `all` alone.
        let path = parts.extensions.get::<MatchedPath>();
        let route = path.and_then(|it| Route::find(&parts.method, it.as_str()));
        let principal = org.caller(token, &route.map(Route::scopes).unwrap_or_default()).await?;
        if let Some(heard) = parts.extensions.get::<Heard>() {
            heard.of(&org, &principal);
        }
        org.permit(&principal, Call { administrators: route.map(|it| it.administrators).unwrap_or_default() })?;
        Ok(Self { org, principal })
    }
}

/// Calling a route at all; what is done there asks for leave by itself.
#[derive(Debug)]
struct Call {
    administrators: &'static [Role],
}

impl policy::Ask for Call {
    fn need(&self) -> policy::Need<'_> {
        policy::Need::Anyone { administrators: self.administrators }
    }
}

/// Anybody; with a token that is shown, its holder. A token that is not valid is refused, not taken for none.
pub(crate) struct Anyone {
    pub(crate) org: Arc<Organisation>,
    pub(crate) principal: Option<Principal>,
}

impl FromRequestParts<Tenants> for Anyone {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, tenants: &Tenants) -> Result<Self, Failure> {
        if parts.headers.contains_key(header::AUTHORIZATION) {
            let Caller { org, principal } = Caller::from_request_parts(parts, tenants).await?;
            return Ok(Self { org, principal: Some(principal) });
        }
        let Tenant(org) = Tenant::from_request_parts(parts, tenants).await?;
        Ok(Self { org, principal: None })
    }
}

/// The token that a caller shows.
pub(crate) fn shown(parts: &Parts) -> Result<&str, Problem> {
    let token = parts.headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
    token.and_then(|it| it.strip_prefix("Bearer ")).ok_or_else(|| {
        Problem::new(
            Kind::Unauthenticated,
            "identity.token",
            "请出示令牌：Authorization: Bearer yht_…（yunhe token new 可签发）",
            "show a token: Authorization: Bearer yht_… (yunhe token new issues one)",
        )
    })
}

/// The token that is to end, whatever it may be used for, and the organisation that it is of.
pub(crate) struct Leaving {
    pub(crate) org: Arc<Organisation>,
    pub(crate) token: String,
}

impl FromRequestParts<Tenants> for Leaving {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, tenants: &Tenants) -> Result<Self, Failure> {
        let Tenant(org) = Tenant::from_request_parts(parts, tenants).await?;
        Ok(Self { org, token: shown(parts)?.to_owned() })
    }
}

fn body_problem(why: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "web.body",
        format!("正文无法读懂：{why}"),
        format!("the body cannot be read: {why}"),
    )
}

fn too_slow(slow: SlowBody) -> Problem {
    let seconds = slow.waited.as_secs();
    Problem::new(
        Kind::Malformed,
        "web.slow",
        format!("{seconds} 秒内收到的正文过少，未作任何更改；请检查网络后重试"),
        format!("too little of the body came in {seconds} s and nothing was changed; check the network and try again"),
    )
}

pub(crate) fn too_large(max: usize) -> Problem {
    Problem::new(
        Kind::TooLarge,
        "web.too_large",
        format!("正文超过上限 {max} 字节"),
        format!("the body is longer than the bound of {max} bytes"),
    )
    .with("bytes_max", max)
}

/// Reads a body up to a bound.
pub(crate) async fn read_body(body: Body, max: usize) -> Result<bytes::Bytes, Problem> {
    match Limited::new(body, max).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large(max)),
        Err(error) => Err(SlowBody::cause_of(&*error).map_or_else(|| body_problem(&error), too_slow)),
    }
}

/// A JSON body of at most `MAX` bytes.
pub(crate) struct Json<T, const MAX: usize = BODY_BYTES_MAX>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync, const MAX: usize> FromRequest<S> for Json<T, MAX> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let bytes = read_body(request.into_body(), MAX).await?;
        // An empty body is an empty object: the endpoints without parameters need none.
        let bytes = if bytes.is_empty() { bytes::Bytes::from_static(b"{}") } else { bytes };
        Ok(Self(serde_json::from_slice(&bytes).map_err(|it| body_problem(&it))?))
    }
}

/// Parameters in the path; one that cannot be read is a problem like any other.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(params)) => Ok(Self(params)),
            Err(error) => Err(Failure(Problem::new(
                Kind::Unprocessable,
                "web.path",
                format!("地址中的标识有误：{}", error.body_text()),
                format!("an id in the path is wrong: {}", error.body_text()),
            ))),
        }
    }
}

/// Parameters in the query part of the address.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(error) => Err(Failure(Problem::new(
                Kind::Unprocessable,
                "web.parameter",
                format!("地址参数有误：{error}"),
                format!("a parameter is wrong: {error}"),
            ))),
        }
    }
}
