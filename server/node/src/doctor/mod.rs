//! The doctor: what is wrong with a machine and how to mend it. Facts are collected beside the node, whether it runs or
//! not; what they mean is decided by a pure function, so that every finding has a test.

mod check;
mod facts;
mod machine;
#[cfg(test)]
mod tests;

pub use check::{Finding, Severity, examine};
pub use facts::{Facts, collect};
pub use machine::{Machine, Place};
