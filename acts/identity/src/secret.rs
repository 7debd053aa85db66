//! Secrets that programs and sessions show: drawn by the caller, seen once, kept only as SHA-256.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use std::fmt;
use vocabulary::{Kind, Problem};

/// How a token begins, so that scanners of source code find one that was left behind.
const PREFIX: &str = "yht_";
/// Base64 of 32 bytes without padding.
const SECRET_CHARS: usize = 43;

/// The secret of a token. It prints as a dot; [`TokenSecret::reveal`] shows it to its holder, once.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret([u8; 32]);

impl TokenSecret {
    /// Wraps 32 bytes that the edge has drawn from the system's random source.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads what a caller showed.
    ///
    /// # Errors
    /// `identity.token` when it has not the form of a token; what was shown is not repeated.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let bytes = text.strip_prefix(PREFIX).filter(|it| it.len() == SECRET_CHARS);
        let bytes = bytes.and_then(|it| URL_SAFE_NO_PAD.decode(it).ok()).and_then(|it| it.try_into().ok());
        bytes.map(Self).ok_or_else(|| {
            Problem::new(
                Kind::Unauthenticated,
                "identity.token",
                format!("令牌格式不对：应为 {PREFIX} 加 {SECRET_CHARS} 个字符；请重新登录或申请令牌"),
                format!("a token is {PREFIX} and {SECRET_CHARS} characters; sign in again or ask for one"),
            )
        })
    }

    /// The text that its holder keeps.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0))
    }

    /// What we keep of it.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•")
    }
}

/// SHA-256 of a token's 32 bytes. They are random, so no salt and no slow hash is needed; and looking it up by an
/// index tells an attacker nothing about a secret that has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub(crate) fn bytes(self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenDigest({}…)", hex::encode(&self.0[..4]))
    }
}
