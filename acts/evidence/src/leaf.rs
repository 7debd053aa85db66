//! Leaves: what is committed to, and what the log shows of it.
//!
//! Pure. A leaf's digest is `H(salt ‖ body)` with 32 bytes of salt, so that nobody can guess a body from its digest.
//! The log's *entry* is the 33 bytes `suite code ‖ digest`: the suite stands in the entry because a log outlives a
//! suite. Body and salt are in SQL alone; erasing them leaves the log, its tiles and its proofs as they are.

use crate::{Fault, merkle};
use std::fmt;
use vocabulary::{Digest, Hash, Suite, hash_all};

/// An entry of a log has this many bytes.
pub const ENTRY_BYTES: usize = 33;

/// Random bytes that hide a body behind its digest. The edge draws them; they are as secret as the body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 32]);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(•)")
    }
}

/// The digest of a leaf: `H(salt ‖ body)`.
pub fn leaf_digest(suite: Suite, salt: &Salt, body: &[u8]) -> Digest {
    Digest { suite, hash: hash_all(suite, &[&salt.0, body]) }
}

/// The log's entry for the leaf with `digest`: suite code, then hash.
pub fn entry(digest: &Digest) -> [u8; ENTRY_BYTES] {
    let mut bytes = [0; ENTRY_BYTES];
    bytes[0] = code(digest.suite);
    bytes[1..].copy_from_slice(&digest.hash);
    bytes
}

/// The digest in an entry; the inverse of [`entry`].
///
/// # Errors
/// [`Fault::Proof`] when the length or the suite code is unknown.
pub fn digest_of_entry(bytes: &[u8]) -> Result<Digest, Fault> {
    let (suite, hash) = match bytes {
        [1, hash @ ..] => (Suite::Ed25519Sha256, hash),
        [2, hash @ ..] => (Suite::Sm2Sm3, hash),
        _ => return Err(Fault::Proof("an entry begins with a known suite code")),
    };
    Ok(Digest { suite, hash: hash.try_into().map_err(|_| Fault::Proof("an entry has 33 bytes"))? })
}

/// The Merkle leaf hash of the leaf with `digest`.
pub fn merkle_leaf(digest: &Digest) -> Hash {
    merkle::leaf_hash(&entry(digest))
}

/// Suite codes in entries: 1 is `ed25519-sha256`, 2 is `sm2-sm3`.
fn code(suite: Suite) -> u8 {
    match suite {
        Suite::Ed25519Sha256 => 1,
        Suite::Sm2Sm3 => 2,
    }
}
