//! Digests and signatures, each with its suite id from the first byte, so that SM2/SM3 is a setting later.

use crate::{Kind, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{borrow::Cow, fmt, str::FromStr};

/// A signature and hash algorithm pair. `sm2-sm3` is planned: its name is reserved and refused until it is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Suite {
    /// Ed25519 (RFC 8032) with SHA-256 (FIPS 180-4).
    #[default]
    #[serde(rename = "ed25519-sha256")]
    Ed25519Sha256,
}

impl Suite {
    /// The id as it stands in formats.
    pub fn id(self) -> &'static str {
        match self {
            Self::Ed25519Sha256 => "ed25519-sha256",
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
        match text {
            "ed25519-sha256" => Ok(Self::Ed25519Sha256),
            "sm2-sm3" => Err(Problem::new(
                Kind::Unprocessable,
                "format.suite_planned",
                "算法套件 sm2-sm3 已预留，尚未实现；请用 ed25519-sha256",
                "suite sm2-sm3 is reserved and not built yet; use ed25519-sha256",
            )),
            other => Err(Problem::new(
                Kind::Unprocessable,
                "format.suite",
                format!("未知算法套件 {other}；可用：ed25519-sha256"),
                format!("suite {other} is unknown; known: ed25519-sha256"),
            )),
        }
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
    match suite {
        Suite::Ed25519Sha256 => {
            let mut hasher = Sha256::new();
            for part in parts {
                hasher.update(part);
            }
            hasher.finalize().into()
        }
    }
}

/// A digest that says by which suite it was made; prints and parses as `ed25519-sha256:<64 hex>`.
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
        let suite = Suite::default();
        Self { suite, hash: hash(suite, bytes) }
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
        schemars::json_schema!({"type": "string", "pattern": "^ed25519-sha256:[0-9a-f]{64}$"})
    }
}

/// A signature over canonical bytes; who may sign with `key` is decided by membership, not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// How it was made.
    pub suite: Suite,
    /// The signer's public key: the raw key in base64 (32 bytes for Ed25519).
    pub key: String,
    /// The signature in base64.
    pub value: String,
}
