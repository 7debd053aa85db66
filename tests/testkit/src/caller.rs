//! People and programs of an organisation, over its client port.

use crate::World;
use bytes::Bytes;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// Somebody of an organisation, in one role; the account and its token are made at the first call.
pub struct Caller<'a> {
    pub(crate) world: &'a World,
    pub(crate) organisation: &'a str,
    pub(crate) token: Token<'a>,
}

/// What a caller shows.
pub(crate) enum Token<'a> {
    OfRole(&'a str),
    Given(String),
    None,
}

impl Caller<'_> {
    async fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let base = self.world.client_port(self.organisation);
        let request = self.world.http.request(method, format!("http://{base}{path}"));
        let request = request.header("yunhe-organisation", self.organisation);
        match &self.token {
            Token::OfRole(role) => request.bearer_auth(self.world.token(self.organisation, role).await),
            Token::Given(token) => request.bearer_auth(token),
            Token::None => request,
        }
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Reply {
        Reply::of(format!("GET {path}"), self.request(Method::GET, path).await).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.upload(path, body.to_string()).await
    }

    /// `POST` of bytes.
    pub async fn upload(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        let request = self.request(Method::POST, path).await.body(body.into());
        Reply::of(format!("POST {path}"), request).await
    }

    /// Any method that HTTP has, with an empty JSON body.
    pub async fn call(&self, method: &str, path: &str) -> Reply {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        Reply::of(format!("{method} {path}"), self.request(method, path).await.body("{}")).await
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
    pub(crate) what: String,
}

impl Reply {
    async fn of(what: String, request: RequestBuilder) -> Self {
        let answer = request.send().await.unwrap_or_else(|it| panic!("{what}: {it:?}"));
        let status = answer.status().as_u16();
        Self { status, body: answer.bytes().await.unwrap(), what }
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|it| panic!("{}: {it}: {}", self.what, self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The problem's code; empty for an answer that is none.
    pub fn code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        if self.status >= 400 { body["code"].as_str().unwrap_or_default().to_owned() } else { String::new() }
    }

    /// The JSON of an answer that must have this status.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.what, self.text());
        self.json()
    }

    /// The problem that must have come.
    #[track_caller]
    pub fn expect_problem(self, code: &str, status: u16) -> Value {
        assert_eq!((self.code().as_str(), self.status), (code, status), "{}: {}", self.what, self.text());
        self.json()
    }
}
