//! Keys and signatures behind one trait, key rings on disk, certificates and pins.
//!
//! Every key and every signature names its suite: Ed25519 with SHA-256, or SM2 with SM3. Invariants:
//! - what is signed for one [`Purpose`] never passes for another;
//! - verification is strict: one signature per key and message, keys and points of low order refused;
//! - secret bytes are wiped when dropped, never printed, and stored in files that only their owner reads.

mod certificate;
mod drawn;
mod key;
mod pepper;
mod purpose;
mod ring;
mod sealed;
mod shangmi;

pub use certificate::{Certificate, Pin, TlsKey};
pub use key::{PublicKey, Sign, Signer, SigningKey};
pub use pepper::{PEPPER_BYTES, PEPPERS_MAX, PepperPurpose, Peppers};
pub use purpose::Purpose;
pub use ring::{KeyRing, Rotated};
pub use sealed::{PASSPHRASE_CHARS_MIN, Sealed};
pub use shangmi::SM2_IDENTITY;

#[cfg(test)]
mod tests;
