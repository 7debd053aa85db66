//! A connection of the load generator: mutual TLS 1.3 and HTTP/2, as nodes have between them, or HTTP/1.1 kept alive,
//! as other servers speak it on loopback.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, crypto::aws_lc_rs};
use rustls_pki_types::ServerName;
use signing::{Certificate, TlsKey};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use testkit::AnyServer;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Whoever does not answer within this is broken.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// A connection.
pub enum Line {
    /// HTTP/2: many requests at once.
    Shared(http2::SendRequest<Full<Bytes>>),
    /// HTTP/1.1: one request after the other.
    Own(http1::SendRequest<Full<Bytes>>),
}

impl Line {
    /// Dials `address` for `host`, showing `certificate`.
    pub async fn dial(address: SocketAddr, host: &str, key: &TlsKey, certificate: &Certificate) -> Self {
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyServer))
            .with_client_auth_cert(vec![certificate.der.clone()], key.der())
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self::Shared(sender)
    }

    /// Dials `address` without TLS.
    ///
    /// # Errors
    /// Why nobody is there.
    pub async fn dial_plain(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self::Own(sender))
    }

    /// The same connection once more.
    pub fn another(&self) -> Self {
        match self {
            Self::Shared(sender) => Self::Shared(sender.clone()),
            Self::Own(_) => unreachable!("an HTTP/1.1 connection has one user"),
        }
    }

    /// Sends one request and hears the whole answer.
    ///
    /// # Errors
    /// When the other side ended the connection, or took too long.
    pub async fn send(&mut self, request: Request<Bytes>) -> Result<(u16, Bytes), String> {
        let request = request.map(Full::new);
        let whole = async {
            let answer = match self {
                Self::Shared(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await?
                }
                Self::Own(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await?
                }
            };
            let status = answer.status().as_u16();
            Ok((status, answer.into_body().collect().await?.to_bytes()))
        };
        let timed = tokio::time::timeout(ANSWER_MAX, whole).await;
        timed.map_err(|it| it.to_string())?.map_err(|it: hyper::Error| it.to_string())
    }

    /// Sends one request that must be answered with 200; how long the answer was.
    pub async fn answered(&mut self, request: Request<Bytes>) -> usize {
        let (status, body) = self.send(request).await.unwrap();
        assert_eq!(status, 200, "a request was refused: {}", String::from_utf8_lossy(&body));
        body.len()
    }
}
