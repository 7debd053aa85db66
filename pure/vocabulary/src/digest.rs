//! Digests and signatures, each with its suite id from the first byte, so that suites stand side by side.

use crate::{Kind, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sm3::Sm3;
use std::{borrow::Cow, fmt, str::FromStr};

/// A signature and hash algorithm pair. A key says of which suite it is; whoever verifies knows both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Suite {
    /// Ed25519 (RFC 8032) with SHA-256 (FIPS 180-4).
    #[default]
    #[serde(rename = "ed25519-sha256")]
    Ed25519Sha256,
    /// SM2 (GB/T 32918.2, recommended curve, identity `1234567812345678`) with SM3 (GB/T 32905).
    #[serde(rename = "sm2-sm3")]
    Sm2Sm3,
}

impl Suite {
    /// All that there are.
    pub const ALL: [Self; 2] = [Self::Ed25519Sha256, Self::Sm2Sm3];

    /// The id as it stands in formats.
    pub fn id(self) -> &'static str {
        match self {
            Self::Ed25519Sha256 => "ed25519-sha256",
            Self::Sm2Sm3 => "sm2-sm3",
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Suite {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Self::ALL.into_iter().find(|it| it.id() == text).ok_or_else(|| {
            Problem::new(
                Kind::Unprocessable,
                "format.suite",
                format!("未知算法套件 {text}；可用：ed25519-sha256、sm2-sm3"),
                format!("suite {text} is unknown; known: ed25519-sha256, sm2-sm3"),
            )
        })
    }
}

/// The bare output of a suite's hash: 32 bytes in both suites.
pub type Hash = [u8; 32];

/// Hashes `bytes`.
pub fn hash(suite: Suite, bytes: &[u8]) -> Hash {
    hash_all(suite, &[bytes])
}

/// Hashes the concatenation of `parts`.
pub fn hash_all(suite: Suite, parts: &[&[u8]]) -> Hash {
    let mut hasher = Hasher::new(suite);
    for part in parts {
        hasher.update(part);
    }
    hasher.digest().hash
}

/// A digest in the making, for bytes that come in pieces.
#[derive(Clone, Debug)]
pub enum Hasher {
    /// SHA-256.
    Sha256(Sha256),
    /// SM3.
    Sm3(Sm3),
}

impl Hasher {
    /// One that has seen nothing.
    pub fn new(suite: Suite) -> Self {
        match suite {
            Suite::Ed25519Sha256 => Self::Sha256(Sha256::new()),
            Suite::Sm2Sm3 => Self::Sm3(Sm3::new()),
        }
    }

    /// Adds `bytes` to what it has seen.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(it) => it.update(bytes),
            Self::Sm3(it) => it.update(bytes),
        }
    }

    /// The digest of all that it has seen.
    pub fn digest(self) -> Digest {
        match self {
            Self::Sha256(it) => Digest { suite: Suite::Ed25519Sha256, hash: it.finalize().into() },
            Self::Sm3(it) => Digest { suite: Suite::Sm2Sm3, hash: it.finalize().into() },
        }
    }
}

/// A digest that says by which suite it was made; prints and parses as `<suite>:<64 hex>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    /// Who hashed.
    pub suite: Suite,
    /// What came out.
    pub hash: Hash,
}

impl Digest {
    /// The digest of `bytes` by the default suite.
    pub fn of(bytes: &[u8]) -> Self {
        Self::by(Suite::default(), bytes)
    }

    /// The digest of `bytes` by `suite`.
    pub fn by(suite: Suite, bytes: &[u8]) -> Self {
        Self { suite, hash: hash(suite, bytes) }
    }

    /// Whether it is the digest of `bytes`, by its own suite.
    pub fn fits(&self, bytes: &[u8]) -> bool {
        *self == Self::by(self.suite, bytes)
    }

    /// The hash as hex, without the suite.
    pub fn hex(&self) -> String {
        hex::encode(self.hash)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.suite, self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let bad = || {
            Problem::new(
                Kind::Malformed,
                "format.digest",
                format!("摘要“{text}”应为 算法套件:64 位小写十六进制"),
                format!("digest {text:?} should be suite:64 lower-case hex digits"),
            )
        };
        let (suite, digits) = text.split_once(':').ok_or_else(bad)?;
        let suite = suite.parse()?;
        crate::ensure!(!digits.bytes().any(|it| it.is_ascii_uppercase()), bad());
        let hash = hex::decode(digits).ok().and_then(|it| it.try_into().ok()).ok_or_else(bad)?;
        Ok(Self { suite, hash })
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|it: Problem| serde::de::Error::custom(it.detail.en))
    }
}

impl JsonSchema for Digest {
    fn schema_name() -> Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^(ed25519-sha256|sm2-sm3):[0-9a-f]{64}$"})
    }
}

/// A signature over canonical bytes; who may sign with `key` is decided by membership, not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// How it was made.
    pub suite: Suite,
    /// The signer's public key: the raw key in base64: 32 bytes of Ed25519, or 65 of SM2 (`04 ‖ x ‖ y`).
    pub key: String,
    /// The signature in base64, 64 bytes: of Ed25519 as RFC 8032 writes it, of SM2 `r ‖ s`.
    pub value: String,
}
