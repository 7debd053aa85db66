//! Bytes under a passphrase, for keys that leave the machine in a backup: Argon2id makes the key, ChaCha20-Poly1305
//! seals. The text says how it was made, so that the cost can grow.

use crate::drawn::drawn;
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use vocabulary::{Kind, Problem, ensure};
use zeroize::Zeroizing;

/// The format and version; it is authenticated with the text.
const FORMAT: &str = "yunhe-sealed/1";
/// Memory of one derivation: 64 MiB.
const MEMORY_KIB: u32 = 64 * 1024;
/// Passes over it.
const PASSES: u32 = 3;
/// A text that asks for more memory or more passes is not opened.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// See [`MEMORY_KIB_MAX`].
const PASSES_MAX: u32 = 16;
/// A passphrase has at least this many characters.
pub const PASSPHRASE_CHARS_MIN: usize = 12;
const SALT_BYTES: usize = 16;
const KEY_BYTES: usize = 32;

/// A sealed text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    format: String,
    memory_kib: u32,
    passes: u32,
    salt: String,
    nonce: String,
    text: String,
}

impl Sealed {
    /// Seals `bytes` under `passphrase`.
    ///
    /// # Errors
    /// `signing.passphrase` when it is too short; `signing.entropy`.
    pub fn seal(passphrase: &str, bytes: &[u8]) -> Result<Self, Problem> {
        ensure!(passphrase.chars().count() >= PASSPHRASE_CHARS_MIN, short());
        let (salt, nonce) = (*drawn::<SALT_BYTES>()?, *drawn::<NONCE_LEN>()?);
        let key = key(passphrase, &salt, MEMORY_KIB, PASSES)?;
        let mut text = bytes.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(FORMAT), &mut text)
            .map_err(|_| closed())?;
        Ok(Self {
            format: FORMAT.to_owned(),
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            salt: STANDARD.encode(salt),
            nonce: STANDARD.encode(nonce),
            text: STANDARD.encode(text),
        })
    }

    /// What was sealed.
    ///
    /// # Errors
    /// `signing.passphrase` when the passphrase is another one, or a byte was changed.
    pub fn open(&self, passphrase: &str) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let bounded = self.memory_kib <= MEMORY_KIB_MAX && self.passes <= PASSES_MAX;
        ensure!(self.format == FORMAT && bounded, closed());
        let decoded = |text: &str| STANDARD.decode(text).map_err(|_| closed());
        let nonce: [u8; NONCE_LEN] = decoded(&self.nonce)?.try_into().map_err(|_| closed())?;
        let key = key(passphrase, &decoded(&self.salt)?, self.memory_kib, self.passes)?;
        let mut text = Zeroizing::new(decoded(&self.text)?);
        let length = key
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(FORMAT), &mut text)
            .map_err(|_| closed())?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

fn key(passphrase: &str, salt: &[u8], memory_kib: u32, passes: u32) -> Result<LessSafeKey, Problem> {
    let params = Params::new(memory_kib, passes, 1, Some(KEY_BYTES)).map_err(|_| closed())?;
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, bytes.as_mut())
        .map_err(|_| closed())?;
    UnboundKey::new(&CHACHA20_POLY1305, bytes.as_ref()).map(LessSafeKey::new).map_err(|_| closed())
}

fn short() -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "signing.passphrase",
        format!("口令至少 {PASSPHRASE_CHARS_MIN} 个字符"),
        format!("a passphrase has at least {PASSPHRASE_CHARS_MIN} characters"),
    )
}

fn closed() -> Problem {
    Problem::new(
        Kind::Refused,
        "signing.passphrase",
        "口令不符，或密封内容已被改动",
        "the passphrase is another one, or what was sealed has been changed",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_passphrase_opens_and_only_what_was_sealed() {
        let sealed = Sealed::seal("correct horse battery", b"secret").unwrap();
        assert_eq!(sealed.open("correct horse battery").unwrap().as_slice(), b"secret");
        assert_eq!(sealed.open("correct horse batterx").unwrap_err().code, "signing.passphrase");
        let mut text = STANDARD.decode(&sealed.text).unwrap();
        for at in 0..text.len() {
            text[at] ^= 1;
            let changed = Sealed { text: STANDARD.encode(&text), passes: 1, memory_kib: 8, ..sealed.clone() };
            assert!(changed.open("correct horse battery").is_err());
            text[at] ^= 1;
        }
        assert!(Sealed { memory_kib: u32::MAX, ..sealed.clone() }.open("correct horse battery").is_err());
        assert_eq!(Sealed::seal("short", b"").unwrap_err().code, "signing.passphrase");
    }
}
