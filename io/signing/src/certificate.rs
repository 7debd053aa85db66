//! TLS keys, self-signed certificates and pins. Nodes pin keys, not authorities: a certificate only carries its key.
//!
//! TLS keys are ECDSA P-256: every TLS stack and browser takes it, and its handshakes cost least.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, SanType};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr, str::FromStr};
use vocabulary::{Date, Digest, Kind, Problem, Timestamp};
use zeroize::Zeroizing;

/// The SHA-256 of a key's SubjectPublicKeyInfo: how a TLS key is known in a federation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Pin(pub Digest);

impl Pin {
    /// The pin of the key in a certificate (DER).
    ///
    /// # Errors
    /// `signing.certificate` when the bytes are no X.509 certificate.
    pub fn of_certificate(der: &[u8]) -> Result<Self, Problem> {
        let (rest, parsed) = x509_parser::parse_x509_certificate(der).map_err(|it| bad_certificate(&it.to_string()))?;
        vocabulary::ensure!(rest.is_empty(), bad_certificate("bytes after the certificate"));
        Ok(Self(Digest::of(parsed.tbs_certificate.subject_pki.raw)))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({})", self.0)
    }
}

impl FromStr for Pin {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        text.parse().map(Self)
    }
}

/// The secret key of a TLS end; wiped when dropped.
#[derive(Clone)]
pub struct TlsKey(Zeroizing<Vec<u8>>);

impl TlsKey {
    /// Draws a P-256 key.
    ///
    /// # Errors
    /// `signing.entropy` when the system gives no randomness.
    pub fn generate() -> Result<Self, Problem> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|it| {
            Problem::new(
                Kind::Internal,
                "signing.entropy",
                format!("无法生成 TLS 密钥：{it}"),
                format!("a TLS key could not be drawn: {it}"),
            )
        })?;
        Ok(Self(Zeroizing::new(key.serialize_der())))
    }

    /// Reads PKCS#8 PEM; any algorithm that rustls and rcgen know will do.
    ///
    /// # Errors
    /// `signing.key` when it is none.
    pub fn from_pem(pem: &str) -> Result<Self, Problem> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|it| bad_key(&it.to_string()))?;
        let key = Self(Zeroizing::new(der.secret_pkcs8_der().to_vec()));
        key.pair().map(|_| key.clone())
    }

    /// Writes PKCS#8 PEM.
    pub fn to_pem(&self) -> Zeroizing<String> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let text = Zeroizing::new(STANDARD.encode(&*self.0));
        let mut pem = Zeroizing::new(String::with_capacity(text.len() + 64));
        pem.push_str("-----BEGIN PRIVATE KEY-----\n");
        for line in text.as_bytes().chunks(64) {
            pem.extend(line.iter().map(|it| char::from(*it)));
            pem.push('\n');
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        pem
    }

    /// The key as rustls takes it.
    pub fn der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.0.to_vec()))
    }

    /// The pin of its public half.
    ///
    /// # Errors
    /// `signing.key` never happens for a key that was generated or read.
    pub fn pin(&self) -> Result<Pin, Problem> {
        use rcgen::PublicKeyData as _;
        Ok(Pin(Digest::of(&self.pair()?.subject_public_key_info())))
    }

    fn pair(&self) -> Result<KeyPair, Problem> {
        KeyPair::try_from(&self.der()).map_err(|it| bad_key(&it.to_string()))
    }
}

impl fmt::Debug for TlsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsKey(•)")
    }
}

/// No certificate is good for longer than this: a hundred years.
const DAYS_MAX: u32 = 36_500;

/// A certificate and its pin.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// The pin of its key.
    pub pin: Pin,
    /// It is good until the beginning of this day, UTC.
    pub until: Date,
}

impl Certificate {
    /// Signs a certificate for `key` itself, good from the day before `now` for `days`. `hosts` are DNS names and IP
    /// addresses (`::1` too); the first is the common name. A new certificate of the same key has the same pin.
    ///
    /// # Errors
    /// `signing.host` when a host is neither, or there is none.
    pub fn self_signed(key: &TlsKey, hosts: &[String], now: Timestamp, days: u32) -> Result<Self, Problem> {
        let first = hosts.first().ok_or_else(|| bad_host(""))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, first.as_str());
        params.subject_alt_names = hosts.iter().map(|it| subject(it)).collect::<Result<_, _>>()?;
        let today = jiff::tz::Offset::UTC.to_datetime(now).date();
        let day = |days: i64| {
            let date = today.saturating_add(jiff::Span::new().days(days));
            rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
        };
        params.not_before = day(-1);
        let days = i64::from(days.min(DAYS_MAX));
        params.not_after = day(days);
        let until = today.saturating_add(jiff::Span::new().days(days));
        let signed = params.self_signed(&key.pair()?).map_err(|it| bad_certificate(&it.to_string()))?;
        Ok(Self { pin: Pin::of_certificate(signed.der())?, der: signed.der().clone(), until })
    }
}

fn subject(host: &str) -> Result<SanType, Problem> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    rustls_pki_types::DnsName::try_from(host).map_err(|_| bad_host(host))?;
    Ok(SanType::DnsName(host.try_into().map_err(|_| bad_host(host))?))
}

fn bad_host(host: &str) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "signing.host",
        format!("“{host}”既不是主机名也不是 IP 地址"),
        format!("{host:?} is neither a host name nor an IP address"),
    )
}

fn bad_key(why: &str) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "signing.key",
        format!("不是可用的 PKCS#8 TLS 私钥：{why}"),
        format!("this is no TLS private key in PKCS#8: {why}"),
    )
}

fn bad_certificate(why: &str) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "signing.certificate",
        format!("不是可用的 X.509 证书：{why}"),
        format!("this is no usable X.509 certificate: {why}"),
    )
}
