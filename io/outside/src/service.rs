//! An HTTP service of others (服务接口): called at one base address and nowhere else.
//!
//! What may be called is decided by those who call. Invariants, each with a test:
//! - a call goes to the declared base: no redirect is followed, no proxy of the environment is used, and a target that
//!   a URL parser reads otherwise than it is written is refused;
//! - address and credential are printed nowhere;
//! - each service has its own places, queue, deadlines and breaker; an answer is read up to its bound and no further;
//! - a failure says whether the service can have been asked.

use crate::{
    address::{ConnectionConfig, unfit},
    gate::{Gate, Places, Shut},
    service_problem::{Trouble, problem},
};
use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use reqwest::{Certificate, Client, Url, redirect};
use std::{sync::Arc, time::Duration};
use vocabulary::{Problem, ResourceId, ensure};

/// Calls of one service under way at once.
const CALLS_MAX: usize = 64;
/// Calls of one service that wait or are under way; whoever comes then hears `service.busy`.
const WAITING_MAX: usize = 256;
/// A service that does not take a connection within this time is away.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// Connections to one service that are kept when nobody needs them, and for how long.
const IDLE_MAX: usize = 32;
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);
/// A file of certificates is at most this long.
const CERTIFICATES_BYTES_MAX: u64 = 1 << 20;

/// One call.
#[derive(Clone, Debug)]
pub struct HttpCall {
    /// The method.
    pub method: Method,
    /// Path and query behind the base, encoded.
    pub target: String,
    /// Fields.
    pub fields: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How long the service may take for all of its answer.
    pub time: Duration,
    /// How many bytes the answer may have.
    pub answer_bytes_max: usize,
}

/// What a service answered.
#[derive(Clone, Debug)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The fields.
    pub fields: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub struct HttpFailure {
    /// The problem.
    pub problem: Problem,
    /// Whether the service can have been asked: what it did then nobody knows.
    pub sent: bool,
}

/// A service by its name. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    name: ResourceId,
    base: String,
    credential: Option<(HeaderName, HeaderValue)>,
    http: Client,
    gate: Gate,
    places: Places,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

impl Service {
    /// Makes ready what `config` declares; nothing is connected before it is called.
    ///
    /// # Errors
    /// `source.connection` for an address, a password file or certificates that cannot serve.
    pub fn open(config: &ConnectionConfig) -> Result<Self, Problem> {
        let password = config.password()?;
        let name = &config.name;
        let wrong =
            || unfit(name, "url 有误；应如 https://host/base，不带查询串", "its url is not like https://host/base");
        let mut url = Url::parse(config.url.open()).map_err(|_| wrong())?;
        ensure!(url.has_host() && url.query().is_none() && url.fragment().is_none(), wrong());
        ensure!(!config.writes, unfit(name, "writes 只用于数据库", "writes is for databases"));
        let user = url.username().to_owned();
        let credential = credential(config, &user, password.as_deref())?;
        url.set_username("").map_err(|()| wrong())?;
        let http = client(config, url.scheme() == "https")?;
        Ok(Self {
            inner: Arc::new(Inner {
                name: name.clone(),
                base: url.as_str().trim_end_matches('/').to_owned(),
                credential,
                http,
                gate: Gate::new(),
                places: Places::new(CALLS_MAX, WAITING_MAX),
            }),
        })
    }

    /// What packs call it.
    pub fn name(&self) -> &ResourceId {
        &self.inner.name
    }

    /// Whether it is asked at present: `closed`, `open`, `half-open`.
    pub fn state(&self) -> &'static str {
        self.inner.gate.state()
    }

    /// Calls it, once.
    ///
    /// # Errors
    /// `service.away`, `service.busy`, `service.slow`, `service.broken`, `service.too_large`, `service.redirect`,
    /// `service.target`.
    pub async fn call(&self, call: HttpCall) -> Result<HttpAnswer, HttpFailure> {
        let inner = &*self.inner;
        let told = |trouble: Trouble| HttpFailure { sent: trouble.sent(), problem: problem(&inner.name, &trouble) };
        let url = self.url(&call.target).ok_or_else(|| told(Trouble::Target))?;
        let most = call.time;
        // Boxed: what an HTTP client is made of is too deep a type for whoever builds on it.
        let exchange: BoxFuture<'_, _> = Box::pin(self.exchange(url, call));
        match inner.gate.pass(&inner.places, most, exchange, Trouble::answered).await {
            Ok(Some(got)) => got.map_err(told),
            Ok(None) => Err(told(Trouble::Slow)),
            Err(Shut::Busy) => Err(told(Trouble::Busy)),
            Err(Shut::Resting(rest)) => Err(told(Trouble::Resting(rest))),
        }
    }

    /// The whole address, where it is read as it is written.
    fn url(&self, target: &str) -> Option<Url> {
        let text = format!("{}{target}", self.inner.base);
        Url::parse(&text).ok().filter(|it| it.as_str() == text && it.fragment().is_none() && target.starts_with('/'))
    }

    async fn exchange(&self, url: Url, call: HttpCall) -> Result<HttpAnswer, Trouble> {
        let inner = &*self.inner;
        let mut fields = call.fields;
        fields.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some((name, value)) = &inner.credential {
            fields.insert(name, value.clone());
        }
        let mut request = inner.http.request(call.method, url).headers(fields);
        if !call.body.is_empty() {
            request = request.body(call.body);
        }
        let answer =
            request.send().await.map_err(|it| if it.is_connect() { Trouble::Away } else { Trouble::Broken })?;
        let (status, fields) = (answer.status(), answer.headers().clone());
        if status.is_redirection() && status != http::StatusCode::NOT_MODIFIED {
            return Err(Trouble::Redirect(status.as_u16()));
        }
        let encoding = fields.get(header::CONTENT_ENCODING).filter(|it| *it != "identity");
        if encoding.is_some() {
            return Err(Trouble::Encoded);
        }
        let body = read(answer, call.answer_bytes_max).await?;
        Ok(HttpAnswer { status: status.as_u16(), fields, body })
    }
}

async fn read(mut answer: reqwest::Response, most: usize) -> Result<Bytes, Trouble> {
    if answer.content_length().is_some_and(|it| it > most as u64) {
        return Err(Trouble::TooLarge(most));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| Trouble::Broken)? {
        if body.len() + chunk.len() > most {
            return Err(Trouble::TooLarge(most));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// With what a call shows who we are: a field of its own, or user and password.
fn credential(
    config: &ConnectionConfig,
    user: &str,
    password: Option<&str>,
) -> Result<Option<(HeaderName, HeaderValue)>, Problem> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let name = &config.name;
    let (field, text) = match (&config.header, user, password) {
        (None, "", None) => return Ok(None),
        (Some(field), "", Some(secret)) => (field.as_str(), secret.to_owned()),
        (None, user, Some(secret)) if !user.is_empty() => {
            ("authorization", format!("Basic {}", STANDARD.encode(format!("{user}:{secret}"))))
        }
        _ => {
            return Err(unfit(
                name,
                "凭据有误：写 password_file，并以 url 中的用户名（Basic）或 header（首部字段名）之一说明如何出示",
                "its credential is incomplete: name a password_file, and either a user in url (Basic) or a header",
            ));
        }
    };
    let field = HeaderName::from_bytes(field.as_bytes())
        .map_err(|_| unfit(name, "header 不是首部字段名", "its header is no name of a field"))?;
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        unfit(name, "口令文件含有不能写入首部的字符", "its secret has characters that no field can hold")
    })?;
    value.set_sensitive(true);
    Ok(Some((field, value)))
}

fn client(config: &ConnectionConfig, secure: bool) -> Result<Client, Problem> {
    let name = &config.name;
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT_MAX)
        .pool_max_idle_per_host(IDLE_MAX)
        .pool_idle_timeout(IDLE_TIME_MAX)
        .tcp_nodelay(true)
        .user_agent(concat!("yunhe/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = &config.certificates {
        let shown = path.display();
        let wrong = || {
            unfit(
                name,
                &format!("证书文件 {shown} 无法读取或不是 PEM"),
                &format!("certificates {shown} cannot be read or are no PEM"),
            )
        };
        let about = std::fs::metadata(path).map_err(|_| wrong())?;
        ensure!(about.is_file() && about.len() <= CERTIFICATES_BYTES_MAX, wrong());
        let pem = std::fs::read(path).map_err(|_| wrong())?;
        let all = Certificate::from_pem_bundle(&pem).map_err(|_| wrong())?;
        ensure!(!all.is_empty(), wrong());
        builder = builder.tls_certs_only(all);
    } else if !secure {
        // Nothing is verified where nothing is encrypted: the machine's certificates need not be there.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|it| {
        tracing::error!(connection = %name, cause = %it, "a client of a service cannot be made");
        unfit(
            name,
            "无法建立 HTTPS 客户端；请检查本机根证书，或以 certificates 指明",
            "no client can be made: see this machine's certificates, or name some by certificates",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;

    fn service(url: &str) -> Result<Service, Problem> {
        // Fails only where another test has done it.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let name = ResourceId::new("market-api").unwrap();
        Service::open(&ConnectionConfig { url: Address::new(url), ..ConnectionConfig::new(name) })
    }

    #[tokio::test]
    async fn a_target_is_read_as_it_is_written_or_refused() {
        let service = service("http://127.0.0.1:1/base/").unwrap();
        for target in ["/", "/a", "/a/b?c=d", "/%E4%B8%AD?x=%20"] {
            assert_eq!(service.url(target).unwrap().as_str(), format!("http://127.0.0.1:1/base{target}"));
        }
        for target in ["", "a", "@other/", "/..", "/a/../b", "/%2e%2e/x", "/a\\b", "/a b", "/a#b", "/\n", "/中"] {
            assert!(service.url(target).is_none(), "{target}");
        }
        let call = HttpCall {
            method: Method::GET,
            target: "/../admin".to_owned(),
            fields: HeaderMap::new(),
            body: Bytes::new(),
            time: Duration::from_secs(1),
            answer_bytes_max: 1,
        };
        let failure = service.call(call).await.unwrap_err();
        assert_eq!((failure.problem.code.as_ref(), failure.sent), ("service.target", false));
    }

    #[test]
    fn what_cannot_serve_is_refused_without_its_address() {
        for url in ["http://", "ftp//x", "http://secret-host/a?b", "http://secret-host/#a", "http://user@secret-host/"]
        {
            let problem = service(url).unwrap_err();
            assert_eq!(problem.code, "source.connection", "{url}");
            assert!(!problem.to_string().contains("secret-host"), "{problem}");
        }
    }
}
