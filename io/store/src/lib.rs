//! SQL on SQLite or PostgreSQL behind one door: units of work, idempotency, migrations, the change feed and its
//! sequencer.
//!
//! This is the only crate that knows the drivers: sqlx for PostgreSQL, rusqlite for SQLite. Callers write one SQL text
//! for both databases and hand in [`Arg`]s.
//!
//! Invariants:
//! - what [`transact!`] returned `Ok` is durable; what it returned `Err` left no trace, save a lost commit, which
//!   says so (`store.commit_unknown`);
//! - an idempotency key gives the same answer for the same ask, and a refusal for another ask;
//! - feed positions are dense, begin at 1, and their time never runs backwards.

mod arg;
mod arg_null;
mod checkpoint;
mod connection;
mod describe;
mod dump;
mod fault;
mod feed;
mod migrate;
mod open;
mod postgres;
mod row;
mod sqlite;
mod statement;
mod transact;

pub use arg::Arg;
pub use connection::{Reader, Tx};
pub use feed::{Entry, FeedHead, Sequenced};
pub use open::Store;
pub use row::Row;
pub use statement::Statement;
pub use transact::{Fault, Key, Unit};
pub use vocabulary::Dialect;
#[doc(hidden)]
pub use vocabulary::Problem;

#[cfg(test)]
mod tests;
