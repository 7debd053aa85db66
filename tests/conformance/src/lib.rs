//! Conformance: our formats as committed vectors, and programs that share no code with us checking what we serve.
//!
//! [`sample`] makes a log with proofs and receipts from fixed keys, always the same bytes; [`vectors`] the small files.
//! `cargo nextest run -p conformance` compares them with `vectors/` (`YUNHE_BLESS=1` writes them anew) and lets
//! `run.sh` (Go's x/mod, PyPI's pymerkle) verify and refuse.

pub mod sample;
pub mod vectors;

use std::collections::BTreeMap;

/// Files by their path within a folder.
pub type Files = BTreeMap<String, Vec<u8>>;

#[cfg(test)]
mod client_tests;
#[cfg(test)]
mod sm2_tests;
#[cfg(test)]
mod tests;
