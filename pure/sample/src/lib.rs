//! Synthetic data for demo, tests and bench: a province of legal persons with planted defects, and policies for them.
//!
//! Deterministic: a seed gives the same bytes on every machine. Nothing here names a real person or firm: credit codes
//! lie in the never-issued area 3299xx, telephones in an unassigned prefix, brands are drawn from word lists of ours.

mod defect;
mod legal_persons;
mod policies;
mod random;
mod words;

pub use defect::{Answers, Defect, Kind};
pub use legal_persons::{COLUMNS, legal_persons};
pub use policies::{Enterprise, Policy, policies, policies_csv};

#[cfg(test)]
mod tests;
