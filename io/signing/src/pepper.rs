//! Peppers: secrets of an organisation that stand in its key folder and never in its database, so that whoever takes
//! the database alone can neither try passwords nor make one-time codes.
//!
//! A pepper is keyed SM3 (HMAC, GB/T 15852.2). Versions are counted: the newest makes, all of them check. A new version
//! is a new file `pepper-<n>.key`; older ones stay until nothing names them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sm3::Sm3;
use std::{collections::BTreeMap, fmt};
use zeroize::Zeroizing;

/// Bytes of a pepper.
pub const PEPPER_BYTES: usize = 32;
/// Versions that are kept at once.
pub const PEPPERS_MAX: usize = 64;

/// What a pepper is used for: what is made for one purpose is nothing to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PepperPurpose {
    /// Before a password is hashed.
    Password,
    /// Secrets of second factors.
    SecondFactor,
}

impl PepperPurpose {
    fn word(self) -> &'static [u8] {
        match self {
            Self::Password => b"yunhe/v1/password\n",
            Self::SecondFactor => b"yunhe/v1/second-factor\n",
        }
    }
}

/// All versions of an organisation's pepper; wiped when dropped, never printed.
#[derive(Clone)]
pub struct Peppers {
    newest: u32,
    all: BTreeMap<u32, Zeroizing<[u8; PEPPER_BYTES]>>,
}

impl Peppers {
    /// The first version with its secret.
    pub fn new(first: [u8; PEPPER_BYTES]) -> Self {
        Self { newest: 1, all: BTreeMap::from([(1, Zeroizing::new(first))]) }
    }

    /// These with one more version.
    #[must_use]
    pub fn and(mut self, version: u32, secret: [u8; PEPPER_BYTES]) -> Self {
        self.newest = self.newest.max(version);
        self.all.insert(version, Zeroizing::new(secret));
        self
    }

    /// The version that makes.
    pub fn newest(&self) -> u32 {
        self.newest
    }

    /// HMAC-SM3 over the purpose and `bytes` by that version; none where the version is not known.
    pub fn mac(&self, version: u32, purpose: PepperPurpose, bytes: &[&[u8]]) -> Option<[u8; 32]> {
        let secret = self.all.get(&version)?;
        let mut mac = Hmac::<Sm3>::new_from_slice(secret.as_slice()).ok()?;
        mac.update(purpose.word());
        for one in bytes {
            // Each with its length before it: two ways to cut the same bytes are two messages.
            mac.update(&u64::try_from(one.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(one);
        }
        Some(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Peppers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peppers(• newest {})", self.newest)
    }
}
