//! SM2 signatures with SM3: GB/T 32918.2 on the curve that GB/T 32918.5 recommends, under the identity that GM/T 0009
//! gives to whoever has none of its own.
//!
//! A signature is `r ‖ s`, 64 bytes; a public key `04 ‖ x ‖ y`, 65 bytes; neither is ever DER here. The number `k` of a
//! signature comes from key and message (RFC 6979 with HMAC-SM3), so that a key signs the same bytes alike, and a
//! machine that has just started with little randomness does not give its key away.

use sm2::SecretKey;
use sm2::dsa::{
    Signature, SigningKey, VerifyingKey,
    signature::{Signer as _, Verifier as _},
};
use sm2::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use std::{hint::black_box, sync::LazyLock};
use zeroize::Zeroizing;

/// Who signs, as SM2 hashes it together with the key.
pub const SM2_IDENTITY: &str = "1234567812345678";
/// Bytes of a public key.
const POINT_BYTES: usize = 65;
/// The first byte of a point that is not compressed.
const UNCOMPRESSED: u8 = 4;

/// A secret key; written over when dropped.
pub(crate) struct Secret(SigningKey);

/// What is written over a secret key: the key whose secret is one.
static BLANK: LazyLock<SigningKey> = LazyLock::new(|| {
    let mut one = [0; 32];
    one[31] = 1;
    SigningKey::from_slice(SM2_IDENTITY, &one).expect("one is a secret key")
});

impl Drop for Secret {
    fn drop(&mut self) {
        // The crate wipes its `SecretKey`, but not its `SigningKey`. Whoever looks at what is written must find it
        // there, so the writing is not left out.
        self.0 = BLANK.clone();
        black_box(&self.0);
    }
}

impl Secret {
    /// The key of a secret number; none where the number is not within `1..=n-2`.
    pub(crate) fn from_bytes(number: &[u8; 32]) -> Option<Self> {
        SecretKey::from_slice(number).ok().and_then(|it| Self::checked(&it))
    }

    pub(crate) fn from_pem(pem: &str) -> Option<Self> {
        SecretKey::from_pkcs8_pem(pem).ok().and_then(|it| Self::checked(&it))
    }

    /// A key is taken only when what it signs verifies: that of `n-1` cannot sign.
    fn checked(key: &SecretKey) -> Option<Self> {
        const PROBE: &[u8] = b"yunhe/v1/probe\n";
        let key = Self(SigningKey::new(SM2_IDENTITY, key).ok()?);
        let signature = key.0.try_sign(PROBE).ok()?;
        key.0.verifying_key().verify(PROBE, &signature).is_ok().then_some(key)
    }

    pub(crate) fn to_pem(&self) -> Zeroizing<String> {
        SecretKey::from(self.0.as_nonzero_scalar())
            .to_pkcs8_pem(Default::default())
            .expect("a key always fits a PKCS#8 document")
    }

    pub(crate) fn public(&self) -> Point {
        Point::of(self.0.verifying_key().into())
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        // It fails for one message in 2²⁵⁵: where `r`, `s` or `r + k` is zero.
        let signature = self.0.try_sign(bytes).expect("a key that was checked signs");
        signature.to_bytes().into()
    }
}

/// A public key: a point of the curve, other than its zero. Every one has the same large order.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    key: sm2::PublicKey,
    raw: [u8; POINT_BYTES],
}

impl Point {
    fn of(key: sm2::PublicKey) -> Self {
        let raw = key.to_sec1_bytes();
        let raw = raw.as_ref().try_into().expect("a point is written in 65 bytes, uncompressed");
        Self { key, raw }
    }

    /// The point of `04 ‖ x ‖ y`, where `x` and `y` are below the field's prime and fit the curve.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let written = bytes.len() == POINT_BYTES && bytes.first() == Some(&UNCOMPRESSED);
        let point = written.then(|| sm2::PublicKey::from_sec1_bytes(bytes).ok()).flatten().map(Self::of)?;
        (point.raw.as_slice() == bytes).then_some(point)
    }

    pub(crate) fn from_pem(pem: &str) -> Option<Self> {
        sm2::PublicKey::from_public_key_pem(pem).ok().map(Self::of)
    }

    pub(crate) fn to_pem(self) -> String {
        self.key.to_public_key_pem(Default::default()).expect("a point always fits an SPKI document")
    }

    pub(crate) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Whether `signature` is `r ‖ s` with both within `1..n`, their sum not `n`, and fits key and bytes.
    pub(crate) fn verify(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        let Ok(signature) = Signature::from_slice(signature) else { return false };
        VerifyingKey::new(SM2_IDENTITY, self.key).is_ok_and(|it| it.verify(bytes, &signature).is_ok())
    }
}

#[cfg(test)]
mod tests;
