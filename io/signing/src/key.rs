//! Secret and public keys of every suite, and the trait that a key in hardware implements too.
//!
//! Ed25519 is computed by aws-lc, which TLS brings along and which takes half of ed25519-dalek's time to sign. Dalek
//! reads and writes keys, and is the model that the tests hold aws-lc to.

use crate::{Purpose, drawn::drawn};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use curve25519_dalek::constants::EIGHT_TORSION;
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    fmt,
    str::FromStr,
    sync::{Arc, LazyLock},
};
use vocabulary::{Kind, Problem, Signature, Suite, canonical_bytes, ensure};
use zeroize::Zeroizing;

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
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    signs: Arc<Ed25519KeyPair>,
}

impl From<ed25519_dalek::SigningKey> for SigningKey {
    fn from(key: ed25519_dalek::SigningKey) -> Self {
        let signs = Ed25519KeyPair::from_seed_unchecked(key.as_bytes()).expect("any 32 bytes are a seed");
        Self { key, signs: Arc::new(signs) }
    }
}

impl SigningKey {
    /// Draws a key from the system's randomness.
    ///
    /// # Errors
    /// `signing.entropy` when the system gives none.
    pub fn generate(suite: Suite) -> Result<Self, Problem> {
        Ok(Self::from_seed(suite, &*drawn()?))
    }

    /// The key of a seed: for tests and simulations, and for keys that are derived elsewhere.
    pub fn from_seed(suite: Suite, seed: &[u8; 32]) -> Self {
        match suite {
            Suite::Ed25519Sha256 => ed25519_dalek::SigningKey::from_bytes(seed).into(),
        }
    }

    /// Reads PKCS#8 PEM (`BEGIN PRIVATE KEY`), as `openssl genpkey -algorithm ed25519` writes it too.
    ///
    /// # Errors
    /// `signing.key` when it is none, or of another algorithm.
    pub fn from_pem(pem: &str) -> Result<Self, Problem> {
        ed25519_dalek::SigningKey::from_pkcs8_pem(pem).map(Self::from).map_err(|it| {
            Problem::new(
                Kind::Unprocessable,
                "signing.key",
                format!("不是 PKCS#8 PEM 格式的 Ed25519 私钥：{it}"),
                format!("this is no Ed25519 private key in PKCS#8 PEM: {it}"),
            )
        })
    }

    /// Writes PKCS#8 PEM, version 1: OpenSSL 3.0 does not read the version with the public key inside.
    pub fn to_pem(&self) -> Zeroizing<String> {
        KeypairBytes { secret_key: self.key.to_bytes(), public_key: None }
            .to_pkcs8_pem(Default::default())
            .expect("32 bytes always fit a PKCS#8 document")
    }

    /// The key that verifies.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.key.verifying_key())
    }

    /// Signs bytes as they are; see [`Signer::sign_bytes`] for when that is right.
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        let value = STANDARD.encode(self.signs.sign(bytes));
        Signature { suite: Suite::Ed25519Sha256, key: self.public().base64(), value }
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

/// A public key with its suite; prints and parses as `ed25519-sha256:<base64 of 32 bytes>`. Ready to verify: parse
/// once, keep it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The key of 32 raw bytes.
    ///
    /// # Errors
    /// `signing.public_key` when they are no point, are not written canonically, or the point is of low order.
    pub fn from_bytes(suite: Suite, bytes: &[u8; 32]) -> Result<Self, Problem> {
        match suite {
            Suite::Ed25519Sha256 => {
                let key = VerifyingKey::from_bytes(bytes).map_err(|_| bad_key("no point of the curve"))?;
                ensure!(key.to_edwards().compress().to_bytes() == *bytes, bad_key("not written canonically"));
                ensure!(!key.is_weak(), bad_key("of low order"));
                Ok(Self(key))
            }
        }
    }

    /// The key of `text`, the base64 of 32 raw bytes: as a [`Signature`] names it.
    ///
    /// # Errors
    /// `signing.public_key`, as [`PublicKey::from_bytes`].
    pub fn from_base64(suite: Suite, text: &str) -> Result<Self, Problem> {
        let mut bytes = [0; 32];
        let length = STANDARD.decode_slice(text, &mut bytes).map_err(|_| bad_key("not the base64 of 32 bytes"))?;
        ensure!(length == 32, bad_key("not the base64 of 32 bytes"));
        Self::from_bytes(suite, &bytes)
    }

    /// The key that a signature says it was made with; whether that key may sign is another question.
    ///
    /// # Errors
    /// `signing.public_key`, as [`PublicKey::from_bytes`].
    pub fn of(signature: &Signature) -> Result<Self, Problem> {
        Self::from_base64(signature.suite, &signature.key)
    }

    /// The suite.
    pub fn suite(&self) -> Suite {
        Suite::Ed25519Sha256
    }

    /// The raw key.
    pub fn raw(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The raw key in base64, as it stands in a [`Signature`].
    pub fn base64(&self) -> String {
        STANDARD.encode(self.0.as_bytes())
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
        let (point, _) = signature.split_at(32);
        ensure!(!LOW_ORDER.iter().any(|it| it == point), mismatch(self));
        UnparsedPublicKey::new(&ED25519, self.0.as_bytes()).verify(bytes, signature).map_err(|_| mismatch(self))
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
        format!("公钥不可用（{why}）；应为 Ed25519 公钥 32 字节的 base64"),
        format!("this public key is {why}; it should be the base64 of an Ed25519 key's 32 bytes"),
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

impl std::hash::Hash for PublicKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.as_bytes().hash(state);
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.as_bytes().cmp(other.0.as_bytes())
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
        schemars::json_schema!({"type": "string", "pattern": "^ed25519-sha256:[A-Za-z0-9+/]{43}=$"})
    }
}
