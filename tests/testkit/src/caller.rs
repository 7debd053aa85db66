//! People and programs of an organisation, over its client port.

use crate::World;
use bytes::Bytes;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use std::net::SocketAddr;

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
    /// Where it asks, and with which token.
    pub async fn desk(&self) -> Desk {
        let token = match &self.token {
            Token::OfRole(role) => Some(self.world.token(self.organisation, role).await),
            Token::Given(token) => Some(token.clone()),
            Token::None => None,
        };
        let address = self.world.client_port(self.organisation);
        Desk { http: self.world.http.clone(), address, organisation: self.organisation.to_owned(), token }
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Reply {
        self.desk().await.get(path).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.desk().await.post(path, body).await
    }

    /// `POST` of bytes.
    pub async fn upload(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.desk().await.upload(path, body).await
    }

    /// Any method with these fields and this body.
    pub async fn send(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Reply {
        self.desk().await.send(method, path, fields, body).await
    }

    /// Any method that HTTP has, with an empty JSON body.
    pub async fn call(&self, method: &str, path: &str) -> Reply {
        self.desk().await.call(method, path).await
    }
}

/// The client port of a node, seen by whoever shows this token: for nodes of a world, and for processes.
#[derive(Clone, Debug)]
pub struct Desk {
    http: Client,
    address: SocketAddr,
    organisation: String,
    token: Option<String>,
}

impl Desk {
    /// Asks an organisation at `address`, with a token or none.
    pub fn new(address: SocketAddr, organisation: &str, token: Option<String>) -> Self {
        Self { http: http_client(), address, organisation: organisation.to_owned(), token }
    }

    /// The same desk, showing another token.
    #[must_use]
    pub fn showing(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("http://{}{path}", self.address));
        let request = request.header("yunhe-organisation", &self.organisation);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Reply {
        Reply::of(format!("GET {path}"), self.request(Method::GET, path)).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.upload(path, body.to_string()).await
    }

    /// `POST` of bytes.
    pub async fn upload(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        Reply::of(format!("POST {path}"), self.request(Method::POST, path).body(body.into())).await
    }

    /// Any method with these fields and this body.
    pub async fn send(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Reply {
        let name = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.request(name, path);
        for (field, value) in fields {
            request = request.header(*field, *value);
        }
        if !body.is_empty() {
            request = request.body(body.to_owned());
        }
        Reply::of(format!("{method} {path}"), request).await
    }

    /// Any method that HTTP has, with an empty JSON body.
    pub async fn call(&self, method: &str, path: &str) -> Reply {
        let name = Method::from_bytes(method.as_bytes()).unwrap();
        Reply::of(format!("{method} {path}"), self.request(name, path).body("{}")).await
    }
}

/// A client that opens a connection for every call, so that none outlives the node it was for.
pub(crate) fn http_client() -> Client {
    install_cryptography();
    Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap()
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
    pub(crate) fields: reqwest::header::HeaderMap,
    pub(crate) what: String,
}

impl Reply {
    async fn of(what: String, request: RequestBuilder) -> Self {
        let answer = request.send().await.unwrap_or_else(|it| panic!("{what}: {it:?}"));
        let (status, fields) = (answer.status().as_u16(), answer.headers().clone());
        Self { status, body: answer.bytes().await.unwrap(), fields, what }
    }

    /// A field of its head.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.to_str().ok()
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

/// Sets the cryptographic provider of this process, which every client and server of it needs.
pub fn install_cryptography() {
    // Fails only where it is installed already.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}
