//! A member that does not keep the rules: it has keys of its own, or none that anybody knows, and may change a message
//! after it was signed, send it again, sign it by another clock, or make it too long.

use crate::{Reply, World};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::SignedDuration;
use peer::message::{Nonce, sign_request};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::Value;
use signing::{Certificate, KeyRing, SigningKey, TlsKey};
use std::{net::SocketAddr, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use vocabulary::{Digest, Timestamp};

/// Somebody with keys.
pub struct Hostile {
    tls: Arc<ClientConfig>,
    messages: SigningKey,
    now: Timestamp,
}

/// A signed message that can still be tampered with.
pub type Letter = Request<Bytes>;

/// A connection to somebody's node.
pub struct Line {
    sender: SendRequest<Full<Bytes>>,
}

impl Hostile {
    /// Whoever holds that organisation's keys.
    pub fn member(world: &World, id: &str) -> Self {
        Self::of(world.keys(id), world.now())
    }

    /// Whoever holds these keys.
    pub fn of(keys: KeyRing, now: Timestamp) -> Self {
        Self::with(&keys.tls, keys.messages, now)
    }

    /// Somebody whom nobody knows.
    pub fn stranger(world: &World) -> Self {
        let messages = SigningKey::generate(vocabulary::Suite::default()).unwrap();
        Self::with(&TlsKey::generate().unwrap(), messages, world.now())
    }

    /// A connection by these keys, with messages signed by that organisation's.
    #[must_use]
    pub fn signing_as(mut self, world: &World, id: &str) -> Self {
        self.messages = world.keys(id).messages;
        self
    }

    /// A connection by these keys, with messages signed by a key that nobody knows.
    #[must_use]
    pub fn signing_as_nobody(mut self) -> Self {
        self.messages = SigningKey::generate(vocabulary::Suite::default()).unwrap();
        self
    }

    fn with(tls: &TlsKey, messages: SigningKey, now: Timestamp) -> Self {
        let certificate = Certificate::self_signed(tls, &["hostile.internal".to_owned()], now, 30).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyServer))
            .with_client_auth_cert(vec![certificate.der.clone()], tls.der())
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self { tls: Arc::new(config), messages, now }
    }

    /// Its clock is off.
    #[must_use]
    pub fn off_by(mut self, offset: SignedDuration) -> Self {
        self.now += offset;
        self
    }

    /// A signed message to `host`.
    pub fn write(&self, host: &str, path: &str, body: &Value) -> Letter {
        self.write_bytes("POST", host, path, body.to_string())
    }

    /// A signed message of any method and bytes.
    pub fn write_bytes(&self, method: &str, host: &str, path: &str, body: impl Into<Bytes>) -> Letter {
        let body = body.into();
        let (mut parts, body) = unsigned(method, host, path, body).into_parts();
        sign_request(&mut parts, &Digest::of(&body), &self.messages, Nonce::draw(self.now).unwrap(), self.now).unwrap();
        Request::from_parts(parts, body)
    }

    /// Connects to the node of `id`.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn dial(&self, world: &World, id: &str) -> Result<Line, std::io::Error> {
        self.dial_at(world.peer_port(id), &world.host(id)).await
    }

    /// Connects to whoever serves `host` at `address`.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn dial_at(&self, address: SocketAddr, host: &str) -> Result<Line, std::io::Error> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?;
        let made = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
        let (sender, connection) = made;
        tokio::spawn(connection);
        Ok(Line { sender })
    }

    /// Connects, sends one message and hears the answer.
    pub async fn send(&self, world: &World, id: &str, letter: Letter) -> Reply {
        self.dial(world, id).await.unwrap().send(letter).await.unwrap()
    }
}

/// A message without a signature.
pub(crate) fn unsigned(method: &str, host: &str, path: &str, body: Bytes) -> Letter {
    let request = Request::builder().method(method).uri(format!("https://{host}{path}"));
    request.header(header::CONTENT_TYPE, "application/json").body(body).unwrap()
}

impl Line {
    /// Sends one message and hears the answer.
    ///
    /// # Errors
    /// When the other side ended the connection.
    pub async fn send(&self, letter: Letter) -> Result<Reply, std::io::Error> {
        let what = format!("hostile {} {}", letter.method(), letter.uri());
        let (parts, body) = self.whole(letter).await?.into_parts();
        Ok(Reply { status: parts.status.as_u16(), body, fields: parts.headers, what })
    }

    /// Sends one message and hears the whole answer, with its head.
    pub(crate) async fn whole(&self, letter: Letter) -> Result<http::Response<Bytes>, std::io::Error> {
        let mut sender = self.sender.clone();
        sender.ready().await.map_err(std::io::Error::other)?;
        let answer = sender.send_request(letter.map(Full::new)).await.map_err(std::io::Error::other)?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
        Ok(http::Response::from_parts(parts, body))
    }

    /// Sends a message without a signature.
    ///
    /// # Errors
    /// When the other side ended the connection.
    pub async fn send_unsigned(&self, method: &str, host: &str, path: &str) -> Result<Reply, std::io::Error> {
        self.send(unsigned(method, host, path, Bytes::from_static(b"{}"))).await
    }
}

/// Takes whoever answers: for clients that measure or attack, and ask nobody who they are.
#[derive(Debug)]
pub struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
