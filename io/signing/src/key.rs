//! Secret and public keys of every suite, and the trait that a key in hardware implements too.
//!
//! Ed25519 is computed by aws-lc, which TLS brings along and which takes half of ed25519-dalek's time to sign. Dalek
//! reads and writes keys, and is the model that the tests hold aws-lc to. SM2 stands in `shangmi`.

use crate::{
    Purpose,
    drawn::drawn,
    shangmi::{self, Point},
};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use curve25519_dalek::constants::EIGHT_TORSION;
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, KeypairBytes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    fmt,
    str::FromStr,
    sync::{Arc, LazyLock},
};
use vocabulary::{Kind, Problem, Signature, Suite, canonical_bytes, ensure, hash};
use zeroize::Zeroizing;

/// No raw public key is longer; a little more than one.
const KEY_BYTES_MAX: usize = 66;

/// Whatever can sign: a key in memory, or one behind PKCS#11 that never leaves its token.
pub trait Signer: Send + Sync {
    /// The key that verifies.
    fn public(&self) -> PublicKey;

    /// Signs bytes as they are: only for formats that fix their bytes (RFC 9421, C2SP notes). All else is signed
    /// through [`Sign::sign_canonical`].
    ///
    /// # Errors
    /// `signing.unavailable` when the token that holds the key does not answer.
    fn sign_bytes(&self, bytes: &[u8]) -> Result<Signature, Problem>;

    /// The key of this moment, held, where keys change while the node runs: for what names its key before it is signed.
    fn hold(&self) -> Option<Arc<dyn Signer>> {
        None
    }
}

/// Signing values, for every [`Signer`].
pub trait Sign {
    /// Signs `yunhe/v1/<purpose>\n` and the canonical bytes of `value`.
    ///
    /// # Errors
    /// `format.canonical` when `value` is no JSON, and what [`Signer::sign_bytes`] says.
    fn sign_canonical<T: Serialize + ?Sized>(&self, purpose: Purpose, value: &T) -> Result<Signature, Problem>;
}

impl<S: Signer + ?Sized> Sign for S {
    fn sign_canonical<T: Serialize + ?Sized>(&self, purpose: Purpose, value: &T) -> Result<Signature, Problem> {
        self.sign_bytes(&purpose.wrap(&canonical_bytes(value)?))
    }
}

/// A secret key in memory; wiped when dropped, prints only its public half.
#[derive(Clone)]
pub struct SigningKey(Secret);

#[derive(Clone)]
enum Secret {
    Ed25519 { key: Box<ed25519_dalek::SigningKey>, signs: Arc<Ed25519KeyPair> },
    Sm2(Arc<shangmi::Secret>),
}

/// So often a number is drawn until it is an SM2 key; one in four thousand million is none.
const DRAWS_MAX: usize = 16;

impl From<ed25519_dalek::SigningKey> for SigningKey {
    fn from(key: ed25519_dalek::SigningKey) -> Self {
        let signs = Ed25519KeyPair::from_seed_unchecked(key.as_bytes()).expect("any 32 bytes are a seed");
        Self(Secret::Ed25519 { key: Box::new(key), signs: Arc::new(signs) })
    }
}

impl SigningKey {
    /// Draws a key from the system's randomness.
    ///
    /// # Errors
    /// `signing.entropy` when the system gives none.
    pub fn generate(suite: Suite) -> Result<Self, Problem> {
        match suite {
            Suite::Ed25519Sha256 => Ok(Self::from_seed(suite, &*drawn()?)),
            Suite::Sm2Sm3 => {
                for _ in 0..DRAWS_MAX {
                    if let Some(key) = shangmi::Secret::from_bytes(&*drawn()?) {
                        return Ok(Self(Secret::Sm2(Arc::new(key))));
                    }
                }
                Err(bad_secret())
            }
        }
    }

    /// The key of a seed: for tests and simulations, and for keys that are derived elsewhere. A seed that is no SM2 key
    /// is hashed until it is one.
    pub fn from_seed(suite: Suite, seed: &[u8; 32]) -> Self {
        match suite {
            Suite::Ed25519Sha256 => ed25519_dalek::SigningKey::from_bytes(seed).into(),
            Suite::Sm2Sm3 => {
                let mut number = Zeroizing::new(*seed);
                loop {
                    if let Some(key) = shangmi::Secret::from_bytes(&number) {
                        return Self(Secret::Sm2(Arc::new(key)));
                    }
                    *number = hash(suite, &*number);
                }
            }
        }
    }

    /// Reads PKCS#8 PEM (`BEGIN PRIVATE KEY`), as `openssl genpkey -algorithm ed25519` and `-algorithm SM2` write it
    /// too. The key says of which suite it is.
    ///
    /// # Errors
    /// `signing.key` when it is none, or of another algorithm.
    pub fn from_pem(pem: &str) -> Result<Self, Problem> {
        if let Ok(key) = ed25519_dalek::SigningKey::from_pkcs8_pem(pem) {
            return Ok(key.into());
        }
        shangmi::Secret::from_pem(pem).map(|it| Self(Secret::Sm2(Arc::new(it)))).ok_or_else(bad_secret)
    }

    /// Writes PKCS#8 PEM; of Ed25519 in version 1, since OpenSSL 3.0 does not read the version with the public key
    /// inside.
    pub fn to_pem(&self) -> Zeroizing<String> {
        match &self.0 {
            Secret::Ed25519 { key, .. } => KeypairBytes { secret_key: key.to_bytes(), public_key: None }
                .to_pkcs8_pem(Default::default())
                .expect("32 bytes always fit a PKCS#8 document"),
            Secret::Sm2(key) => key.to_pem(),
        }
    }

    /// The key that verifies.
    pub fn public(&self) -> PublicKey {
        match &self.0 {
            Secret::Ed25519 { key, .. } => PublicKey(Public::Ed25519(key.verifying_key())),
            Secret::Sm2(key) => PublicKey(Public::Sm2(key.public())),
        }
    }

    /// Signs bytes as they are; see [`Signer::sign_bytes`] for when that is right.
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        let value = match &self.0 {
            Secret::Ed25519 { signs, .. } => STANDARD.encode(signs.sign(bytes)),
            Secret::Sm2(key) => STANDARD.encode(key.sign(bytes)),
        };
        let public = self.public();
        Signature { suite: public.suite(), key: public.base64(), value }
    }
}

impl Signer for SigningKey {
    fn public(&self) -> PublicKey {
        SigningKey::public(self)
    }

    fn sign_bytes(&self, bytes: &[u8]) -> Result<Signature, Problem> {
        Ok(self.sign(bytes))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.public())
    }
}

/// A public key with its suite; prints and parses as `<suite>:<base64 of the raw key>`. Ready to verify: parse once,
/// keep it.
#[derive(Clone, Copy)]
pub struct PublicKey(Public);

#[derive(Clone, Copy)]
enum Public {
    Ed25519(VerifyingKey),
    Sm2(Point),
}

impl PublicKey {
    /// The key of raw bytes: 32 of Ed25519, 65 of SM2.
    ///
    /// # Errors
    /// `signing.public_key` when they are no point, are not written canonically, or the point is of low order.
    pub fn from_bytes(suite: Suite, bytes: &[u8]) -> Result<Self, Problem> {
        match suite {
            Suite::Ed25519Sha256 => {
                let bytes = bytes.try_into().map_err(|_| bad_key("not 32 bytes long"))?;
                let key = VerifyingKey::from_bytes(bytes).map_err(|_| bad_key("no point of the curve"))?;
                ensure!(key.to_edwards().compress().to_bytes() == *bytes, bad_key("not written canonically"));
                ensure!(!key.is_weak(), bad_key("of low order"));
                Ok(Self(Public::Ed25519(key)))
            }
            Suite::Sm2Sm3 => {
                let point = Point::from_bytes(bytes).ok_or_else(|| bad_key("no point of the curve"))?;
                Ok(Self(Public::Sm2(point)))
            }
        }
    }

    /// The key of `text`, the base64 of raw bytes: as a [`Signature`] names it.
    ///
    /// # Errors
    /// `signing.public_key`, as [`PublicKey::from_bytes`].
    pub fn from_base64(suite: Suite, text: &str) -> Result<Self, Problem> {
        let mut bytes = [0; KEY_BYTES_MAX];
        let length = STANDARD.decode_slice(text, &mut bytes).map_err(|_| bad_key("not the base64 of a raw key"))?;
        Self::from_bytes(suite, &bytes[..length])
    }

    /// The key that a signature says it was made with; whether that key may sign is another question.
    ///
    /// # Errors
    /// `signing.public_key`, as [`PublicKey::from_bytes`].
    pub fn of(signature: &Signature) -> Result<Self, Problem> {
        Self::from_base64(signature.suite, &signature.key)
    }

    /// Reads SPKI PEM (`BEGIN PUBLIC KEY`), as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// `signing.public_key` when it is none, or of another algorithm.
    pub fn from_pem(pem: &str) -> Result<Self, Problem> {
        if let Ok(key) = VerifyingKey::from_public_key_pem(pem) {
            return Self::from_bytes(Suite::Ed25519Sha256, key.as_bytes());
        }
        Point::from_pem(pem).map(|it| Self(Public::Sm2(it))).ok_or_else(|| bad_key("no SPKI PEM"))
    }

    /// Writes SPKI PEM, for other programs.
    pub fn to_pem(&self) -> String {
        match self.0 {
            Public::Ed25519(key) => key.to_public_key_pem(Default::default()).expect("32 bytes always fit SPKI"),
            Public::Sm2(point) => point.to_pem(),
        }
    }

    /// The suite.
    pub fn suite(&self) -> Suite {
        match self.0 {
            Public::Ed25519(_) => Suite::Ed25519Sha256,
            Public::Sm2(_) => Suite::Sm2Sm3,
        }
    }

    /// The raw key: 32 bytes of Ed25519, 65 of SM2 (`04 ‖ x ‖ y`).
    pub fn raw(&self) -> &[u8] {
        match &self.0 {
            Public::Ed25519(key) => key.as_bytes(),
            Public::Sm2(point) => point.raw(),
        }
    }

    /// The raw key in base64, as it stands in a [`Signature`].
    pub fn base64(&self) -> String {
        STANDARD.encode(self.raw())
    }

    /// Checks that `signature` was made with this key over `bytes`.
    ///
    /// # Errors
    /// `signing.mismatch` when the suite, the key, the bytes or the signature differ in one bit.
    pub fn verify(&self, bytes: &[u8], signature: &Signature) -> Result<(), Problem> {
        let mut value = [0; 64];
        let read = STANDARD.decode_slice(&signature.value, &mut value);
        ensure!(signature.suite == self.suite() && signature.key == self.base64(), mismatch(self));
        ensure!(read == Ok(64), mismatch(self));
        self.verify_raw(bytes, &value)
    }

    /// Checks a bare signature of 64 bytes, for formats that carry no suite.
    ///
    /// # Errors
    /// As [`PublicKey::verify`].
    pub fn verify_raw(&self, bytes: &[u8], signature: &[u8; 64]) -> Result<(), Problem> {
        let fits = match &self.0 {
            Public::Ed25519(key) => {
                let low = LOW_ORDER.iter().any(|it| *it == signature[..32]);
                !low && UnparsedPublicKey::new(&ED25519, key.as_bytes()).verify(bytes, signature).is_ok()
            }
            Public::Sm2(point) => point.verify(bytes, signature),
        };
        ensure!(fits, mismatch(self));
        Ok(())
    }

    /// Checks what [`Sign::sign_canonical`] made.
    ///
    /// # Errors
    /// As [`PublicKey::verify`].
    pub fn verify_canonical<T>(&self, purpose: Purpose, value: &T, signature: &Signature) -> Result<(), Problem>
    where
        T: Serialize + ?Sized,
    {
        self.verify(&purpose.bytes(value)?, signature)
    }
}

/// The points of low order as they are written. With one of them a signature could be made to fit several messages;
/// aws-lc takes them.
static LOW_ORDER: LazyLock<[[u8; 32]; 8]> = LazyLock::new(|| EIGHT_TORSION.map(|it| it.compress().to_bytes()));

fn bad_key(why: &'static str) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "signing.public_key",
        format!("公钥不可用（{why}）；应为原始公钥的 base64：Ed25519 为 32 字节，SM2 为 65 字节（04‖x‖y）"),
        format!("this public key is {why}; it should be the base64 of 32 bytes of Ed25519, or 65 of SM2 (04 ‖ x ‖ y)"),
    )
}

fn bad_secret() -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "signing.key",
        "不是 PKCS#8 PEM 格式的 Ed25519 或 SM2 私钥；可用 yunhe init 或 openssl genpkey 生成",
        "this is no Ed25519 or SM2 private key in PKCS#8 PEM; yunhe init or openssl genpkey makes one",
    )
}

fn mismatch(key: &PublicKey) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "signing.mismatch",
        format!("签名与公钥 {key} 及所签内容不符"),
        format!("the signature is not one of key {key} over this content"),
    )
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.suite(), self.base64())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.raw() == other.raw()
    }
}

impl Eq for PublicKey {}

impl std::hash::Hash for PublicKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.raw().hash(state);
    }
}

impl Ord for PublicKey {
    // Keys of two suites are of different lengths, so their bytes tell them apart.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.raw().cmp(other.raw())
    }
}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for PublicKey {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let (suite, key) = text.split_once(':').ok_or_else(|| bad_key("without its suite"))?;
        Self::from_base64(suite.parse()?, key)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|it: Problem| serde::de::Error::custom(it.detail.en))
    }
}

impl JsonSchema for PublicKey {
    fn schema_name() -> Cow<'static, str> {
        "PublicKey".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(ed25519-sha256:[A-Za-z0-9+/]{43}|sm2-sm3:[A-Za-z0-9+/]{87})=$",
        })
    }
}
