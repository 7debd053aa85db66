//! A thin client of a node's HTTP interface: JSON in, JSON out, a [`Problem`] for everything that goes wrong.

use crate::target::Target;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Body, Method, RequestBuilder, Response};
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;
use vocabulary::{Kind, Problem};

/// A node that does not take the connection within this time is not there.
const CONNECT_SECONDS_MAX: u64 = 5;
/// An answer that begins later than this is not waited for; imports answer only at their end.
const ANSWER_SECONDS_MAX: u64 = 3_600;

/// Calls one node as one caller.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    target: Target,
}

/// What a service answered.
#[derive(Clone, Debug)]
pub struct Called {
    /// Its status.
    pub status: u16,
    /// Its fields, and those of the node.
    pub fields: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Client {
    /// A client of `target`.
    ///
    /// # Errors
    /// `cli.client` when no connection could ever be made from here.
    pub fn new(target: Target) -> Result<Self, Problem> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
            .timeout(Duration::from_secs(ANSWER_SECONDS_MAX))
            .build()
            .map_err(|it| {
                Problem::new(Kind::Internal, "cli.client", format!("无法建立客户端：{it}"), it.to_string())
            })?;
        Ok(Self { http, target })
    }

    fn request(&self, method: Method, path: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}{}", self.target.base, query_text(query)));
        if let Some(token) = &self.target.token {
            request = request.bearer_auth(token);
        }
        if let Some(organisation) = &self.target.organisation {
            request = request.header("yunhe-organisation", organisation);
        }
        request
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Problem> {
        let response = request.send().await.map_err(|it| self.silent(&it))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|it| self.silent(&it))?;
        Err(serde_json::from_slice(&body).unwrap_or_else(|_| unknown(status, &body)))
    }

    fn silent(&self, why: &reqwest::Error) -> Problem {
        let base = &self.target.base;
        let mut cause: &dyn std::error::Error = why;
        while let Some(next) = cause.source() {
            cause = next;
        }
        Problem::new(
            Kind::Unavailable,
            "cli.no_answer",
            format!("节点 {base} 无应答（{cause}）；请确认它在运行：yunhe serve"),
            format!("node {base} does not answer ({cause}); see that it runs: yunhe serve"),
        )
    }

    async fn json(&self, request: RequestBuilder) -> Result<Value, Problem> {
        let body = self.send(request).await?.bytes().await.map_err(|it| self.silent(&it))?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(|it| crate::exit::json_problem("应答 the answer", &it))
    }

    /// `GET`, as JSON.
    ///
    /// # Errors
    /// What the node says; `cli.no_answer`.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Problem> {
        self.json(self.request(Method::GET, path, query)).await
    }

    /// `POST` of JSON, answered by JSON.
    ///
    /// # Errors
    /// What the node says; `cli.no_answer`.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Problem> {
        self.json(self.request(Method::POST, path, &[]).json(body)).await
    }

    /// `DELETE`, answered by JSON.
    ///
    /// # Errors
    /// What the node says; `cli.no_answer`.
    pub async fn delete(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Problem> {
        self.json(self.request(Method::DELETE, path, query)).await
    }

    /// `POST` of a body that is streamed.
    ///
    /// # Errors
    /// What the node says; `cli.no_answer`.
    pub async fn stream(&self, path: &str, query: &[(&str, &str)], body: Body) -> Result<Value, Problem> {
        let request = self.request(Method::POST, path, query).header("content-type", "application/octet-stream");
        self.json(request.body(body)).await
    }

    /// Any method on a service behind an agreement: what the service answered, whatever its status.
    ///
    /// # Errors
    /// What the node says, where it is not the service that answered; `cli.no_answer`.
    pub async fn call(&self, method: Method, path: &str, fields: HeaderMap, body: Bytes) -> Result<Called, Problem> {
        let request = self.request(method, path, &[]).headers(fields).body(body);
        let response = request.send().await.map_err(|it| self.silent(&it))?;
        let (status, fields) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.map_err(|it| self.silent(&it))?;
        if fields.get("yunhe-origin").is_none_or(|it| it != "service") {
            return Err(serde_json::from_slice(&body).unwrap_or_else(|_| unknown(status, &body)));
        }
        Ok(Called { status, fields, body })
    }

    /// `GET`, as it comes.
    ///
    /// # Errors
    /// What the node says; `cli.no_answer`.
    pub async fn bytes(&self, path: &str) -> Result<Bytes, Problem> {
        let response = self.send(self.request(Method::GET, path, &[])).await?;
        response.bytes().await.map_err(|it| self.silent(&it))
    }
}

/// `?a=b&c=d`, percent-encoded; empty without parameters.
fn query_text(query: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in query {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.push_str(&encoded(value));
    }
    text
}

/// Percent-encodes all but the unreserved characters of RFC 3986; for a path segment as well.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// An answer that is no problem of ours: some proxy, or another program on that port.
fn unknown(status: u16, body: &[u8]) -> Problem {
    let text: String = String::from_utf8_lossy(body).chars().take(200).collect();
    Problem::new(
        Kind::from_status(status),
        "cli.answer",
        format!("应答状态 {status}，内容不是问题说明：{text}"),
        format!("answered {status} with something that is no problem document: {text}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_unreserved_characters_is_encoded() {
        assert_eq!(query_text(&[("q", "法人 a&b=c"), ("limit", "3")]), "?q=%E6%B3%95%E4%BA%BA%20a%26b%3Dc&limit=3");
        assert_eq!(encoded("../x"), "..%2Fx");
    }

    #[test]
    fn an_answer_that_is_no_problem_document_is_shown_in_part() {
        let problem = unknown(404, "<html>".repeat(100).as_bytes());
        assert_eq!((problem.kind, problem.code.as_ref()), (Kind::Missing, "cli.answer"));
        assert!(problem.detail.en.len() < 300);
    }
}
