//! Mutual TLS 1.3 with pinned keys: no authorities, no resumption, one configuration per served host.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig};
use rustls::{SignatureScheme, client::Resumption, server::NoServerSessionStorage};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use signing::{Certificate, Pin, TlsKey};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use vocabulary::{Kind, Problem, ensure};

/// A process serves at most this many hosts (organisations).
const HOSTS_MAX: usize = 4096;

/// The TLS keys that may connect, swapped whole while connections run. During a rotation it holds old and new.
#[derive(Debug, Default)]
pub struct PinSet(RwLock<Arc<BTreeSet<Pin>>>);

impl PinSet {
    /// A set of `pins`.
    pub fn new(pins: impl IntoIterator<Item = Pin>) -> Arc<Self> {
        let set = Self::default();
        set.replace(pins);
        Arc::new(set)
    }

    /// Takes `pins` in place of all that were there. Connections that stand are judged by membership, not cut.
    pub fn replace(&self, pins: impl IntoIterator<Item = Pin>) {
        let pins = Arc::new(pins.into_iter().collect());
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = pins;
    }

    /// Whether the holder of `pin` may connect.
    pub fn contains(&self, pin: &Pin) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(pin)
    }
}

/// How often a connection was refused, and why.
#[derive(Debug, Default)]
pub struct Refusals {
    unknown_key: AtomicU64,
    unknown_host: AtomicU64,
    handshake: AtomicU64,
    too_many: AtomicU64,
    slow: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusalCounts {
    /// Clients whose key is not pinned: each got a TLS alert.
    pub unknown_key: u64,
    /// Clients that asked for a host that is not served here, or for none.
    pub unknown_host: u64,
    /// Handshakes that failed otherwise, without a client certificate for example, or took too long.
    pub handshake: u64,
    /// Connections past the bound.
    pub too_many: u64,
    /// Connections cut because the client took its answer too slowly.
    pub slow: u64,
}

impl Refusals {
    /// The counts now.
    pub fn counts(&self) -> RefusalCounts {
        let load = |it: &AtomicU64| it.load(Ordering::Relaxed);
        RefusalCounts {
            unknown_key: load(&self.unknown_key),
            unknown_host: load(&self.unknown_host),
            handshake: load(&self.handshake),
            too_many: load(&self.too_many),
            slow: load(&self.slow),
        }
    }

    pub(crate) fn count(&self, which: Refusal) {
        let counter = match which {
            Refusal::UnknownKey => &self.unknown_key,
            Refusal::UnknownHost => &self.unknown_host,
            Refusal::Handshake => &self.handshake,
            Refusal::TooMany => &self.too_many,
            Refusal::Slow => &self.slow,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    UnknownKey,
    UnknownHost,
    Handshake,
    TooMany,
    Slow,
}

/// The hosts that a process serves, each with its own certificate and its own set of keys that may connect: two
/// organisations in one process share a port and nothing else.
#[derive(Debug, Default)]
pub struct Hosts {
    served: RwLock<Arc<BTreeMap<String, Served>>>,
    refusals: Arc<Refusals>,
}

#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub host: Arc<str>,
    pub config: Arc<ServerConfig>,
}

impl Hosts {
    /// No host yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Serves `host` from the next connection on, in place of what was served under that name.
    ///
    /// # Errors
    /// `peer.host` when `host` is no DNS name, `peer.hosts` past the bound, `peer.tls` when key and certificate do not
    /// belong together.
    pub fn serve(
        &self,
        host: &str,
        key: &TlsKey,
        certificate: &Certificate,
        clients: Arc<PinSet>,
    ) -> Result<(), Problem> {
        dns_name(host)?;
        let verifier = ClientKeys { clients, provider: provider() };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|it| bad_tls(&it))?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_single_cert(vec![certificate.der.clone()], key.der())
            .map_err(|it| bad_tls(&it))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let host = host.to_ascii_lowercase();
        let served = Served { host: host.as_str().into(), config: Arc::new(config) };
        let mut guard = self.served.write().unwrap_or_else(PoisonError::into_inner);
        ensure!(guard.len() < HOSTS_MAX || guard.contains_key(&host), too_many_hosts());
        Arc::make_mut(&mut guard).insert(host, served);
        Ok(())
    }

    /// Serves `host` no more; connections that stand go on.
    pub fn remove(&self, host: &str) {
        let mut guard = self.served.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut guard).remove(&host.to_ascii_lowercase());
    }

    /// What was refused so far.
    pub fn refusals(&self) -> &Arc<Refusals> {
        &self.refusals
    }

    pub(crate) fn find(&self, name: Option<&str>) -> Option<Served> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        served.get(&name?.to_ascii_lowercase()).cloned()
    }
}

/// A client configuration that shows `own` and accepts a server that holds one of `servers`.
pub(crate) fn client_config(
    own: &(TlsKey, Certificate),
    servers: &BTreeSet<Pin>,
) -> Result<Arc<ClientConfig>, Problem> {
    let verifier = ServerKeys { servers: servers.clone(), provider: provider() };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|it| bad_tls(&it))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(vec![own.1.der.clone()], own.0.der())
        .map_err(|it| bad_tls(&it))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// `host` as the name that TLS asks for.
pub(crate) fn dns_name(host: &str) -> Result<ServerName<'static>, Problem> {
    let name = ServerName::try_from(host.to_owned()).ok().filter(|it| matches!(it, ServerName::DnsName(_)));
    name.ok_or_else(|| {
        Problem::new(
            Kind::Unprocessable,
            "peer.host",
            format!("“{host}”不是主机名；组织按主机名选取，请写作如 nj-gxj.nj.yunhe.internal"),
            format!(
                "{host:?} is no host name; organisations are chosen by host name, write e.g. nj-gxj.nj.yunhe.internal"
            ),
        )
    })
}

/// Judges clients by the key of their certificate alone: names and dates in it mean nothing, membership says them.
#[derive(Debug)]
struct ClientKeys {
    clients: Arc<PinSet>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for ClientKeys {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.clients.contains(&pin(end_entity)?) {
            return Ok(ClientCertVerified::assertion());
        }
        Err(unknown_key())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(old_protocol())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Judges the server that was dialled by the keys that membership says for it.
#[derive(Debug)]
struct ServerKeys {
    servers: BTreeSet<Pin>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ServerKeys {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.servers.contains(&pin(end_entity)?) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(unknown_key())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(old_protocol())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn pin(certificate: &CertificateDer<'_>) -> Result<Pin, Error> {
    Pin::of_certificate(certificate).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))
}

/// Becomes the alert `access_denied`.
fn unknown_key() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

/// Whether a handshake failed because the other end's key is not pinned.
pub(crate) fn is_unknown_key(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
    inner.is_some_and(|it| *it == unknown_key())
}

fn old_protocol() -> Error {
    Error::General("only TLS 1.3 is spoken between nodes".to_owned())
}

fn bad_tls(why: &Error) -> Problem {
    Problem::new(
        Kind::Internal,
        "peer.tls",
        format!("TLS 密钥与证书无法使用：{why}"),
        format!("TLS key and certificate cannot be used: {why}"),
    )
}

fn too_many_hosts() -> Problem {
    Problem::new(
        Kind::TooLarge,
        "peer.hosts",
        format!("一个进程最多服务 {HOSTS_MAX} 个主机名"),
        format!("one process serves at most {HOSTS_MAX} host names"),
    )
}
