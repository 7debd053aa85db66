//! Canonical bytes (RFC 8785 JSON): what is signed and digested.

use crate::{Digest, Kind, Problem, Suite, hash};
use serde::Serialize;

/// The RFC 8785 bytes of `value`. Numbers above 2^53 would lose digits there, so formats carry them as text.
///
/// # Errors
/// `format.canonical` when the value cannot be written as JSON (a map key that is no text, a number that is not
/// finite).
pub fn canonical_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Problem> {
    serde_json_canonicalizer::to_vec(&value).map_err(|it| {
        Problem::new(Kind::Malformed, "format.canonical", format!("内容无法写成规范 JSON：{it}"), it.to_string())
    })
}

/// The canonical bytes as the text they are.
///
/// # Errors
/// As [`canonical_bytes`].
pub fn canonical_text<T: Serialize + ?Sized>(value: &T) -> Result<String, Problem> {
    serde_json_canonicalizer::to_string(&value).map_err(|it| {
        Problem::new(Kind::Malformed, "format.canonical", format!("内容无法写成规范 JSON：{it}"), it.to_string())
    })
}

/// The digest of the canonical bytes of `value`.
///
/// # Errors
/// As [`canonical_bytes`].
pub fn canonical_digest<T: Serialize + ?Sized>(suite: Suite, value: &T) -> Result<Digest, Problem> {
    Ok(Digest { suite, hash: hash(suite, &canonical_bytes(value)?) })
}
