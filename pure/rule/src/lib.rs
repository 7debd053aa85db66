//! Row conditions: CEL text, typed and lowered once to a closed, total, two-valued [`Filter`]; its SQL, its evaluator.
//!
//! Pure. Text is parsed by the crate `cel`; what a condition may say and what it means is decided here:
//! - a comparison with null is false, before `!` applies; `== null`, `!= null` and `has()` look at null itself;
//! - text is NFC and compared byte by byte; only equality, membership, starts, ends and contains, never a pattern;
//! - decimals are scaled integers, time is UTC microseconds, a division lies under another by its code;
//! - in a [`Filter`] only leaves are negated, and a leaf that does not suit its record type holds for no row.
//!
//! Properties in `tests.rs`: the crate `cel` and [`Filter::matches`] agree. In `tests/stories`: SQLite, PostgreSQL and
//! [`Filter::matches`] agree.

mod ask;
mod bind;
mod constant;
pub mod copy;
mod filter;
mod finding;
mod kind;
mod lower;
mod refuse;
mod rule;
mod scan;
pub mod sql;
mod wire;

pub use ask::{AskType, AskValues, Scope};
pub use constant::Constant;
pub use filter::{By, Filter, Test};
pub use finding::{Finding, problem};
pub use rule::{Rule, compile};
pub use sql::Dialect;

/// A source is at most this many bytes.
pub const SOURCE_BYTES_MAX: usize = 16_384;
/// Brackets, operators and dots within one another at most; bounds every recursion, `cel`'s included.
pub const SOURCE_DEPTH_MAX: usize = 32;
/// Brackets within one another at most.
pub const SOURCE_BRACKETS_MAX: usize = 12;
/// A source makes at most this many tests (comparisons, memberships, …).
pub const RULE_TESTS_MAX: usize = 200;
/// The list after `in` has at most this many elements.
pub const LIST_MAX: usize = 1_000;
/// A filter, as bound or as read from another node, has at most this many tests: SQLite refuses deeper expressions.
pub const FILTER_TESTS_MAX: usize = 800;
/// A filter alternates between `all` and `any` at most this often: more than any source can, less than JSON may nest.
pub const FILTER_DEPTH_MAX: usize = 32;
/// At most this many findings are listed for one source.
pub const FINDINGS_MAX: usize = 50;

#[cfg(test)]
mod tests;
