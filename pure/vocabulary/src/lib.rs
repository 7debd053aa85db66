//! The words that every crate shares: ids, names, digests, canonical bytes, time, money, bilingual text, problems.
//!
//! Pure: no I/O, no clock, no randomness. At most 1,500 lines in all (`cargo xtask tidy` counts): what only one act
//! needs belongs to that act.

mod bilingual;
mod canonical;
mod dialect;
mod digest;
mod id;
mod money;
mod name;
mod number;
mod personal;
mod problem;
mod time;

pub use bilingual::Bilingual;
pub use canonical::{canonical_bytes, canonical_digest, canonical_text};
pub use dialect::Dialect;
pub use digest::{Digest, Hash, Hasher, Signature, Suite, hash, hash_all};
pub use id::IdError;
pub use money::{Currency, Money};
pub use name::{FederationName, OperationName, OrganisationId, PackId, ResourceId};
pub use number::{NUMBER_CHARS_MAX, NUMBERS_MAX, NumberKind, PlatformNumber, add_numbers};
pub use personal::Personal;
pub use problem::{Kind, Problem};
pub use time::{Date, SHANGHAI, Timestamp, date_in_shanghai, micros, timestamp_from_micros};

#[doc(hidden)]
pub use {schemars, serde, uuid};

/// Returns early with `Err($error.into())` unless `$condition` holds: conditions are written positively.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $error:expr $(,)?) => {
        if !$condition {
            return Err($error.into());
        }
    };
}

#[cfg(test)]
mod tests;
