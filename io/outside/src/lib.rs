//! The systems of others (外部系统), read where they stand: databases by name, their tables described and paged; HTTP
//! services called at one address.
//!
//! Decides nothing: what may be read is said by those who call. Invariants, each with a test:
//! - an address with its user and password is never printed, in no message and no log;
//! - identifiers come from a checked [`Name`] and are quoted, values are parameters: no SQL text comes from a caller;
//! - every call is bounded in time, rows and bytes, and by a few connections of its own; what is slow or away is
//!   refused at once for a while ([`Breaker`]), so that it harms no other.

mod address;
mod breaker;
mod connection;
mod describe;
mod driver;
mod gate;
mod lent;
mod mysql;
mod name;
mod postgres;
mod problem;
mod read;
mod service;
mod service_problem;
mod shape;
mod sink;
mod sink_mysql;
mod sink_mysql_shape;
mod sink_postgres;
mod sink_shape;
mod sql;
mod sqlite;
mod words;

pub use address::{Address, ConnectionConfig};
pub use breaker::{Admission, Breaker, FAILURES_MAX};
pub use connection::{Connection, Connections, System};
pub use describe::{Describe, SAMPLE_CHARS_MAX, SAMPLES_MAX, TABLES_MAX};
pub use name::{Name, TableName};
pub use read::{KEYS_MAX, PAGE_BYTES_MAX, PAGE_ROWS_MAX, Page, Read, Rows};
pub use service::{HttpAnswer, HttpCall, HttpFailure, Service};
pub use shape::{Column, Native, Table};
pub use sink::{Sink, SinkColumn, SinkDone, SinkFilling, SinkKind, SinkMark, SinkRows, SinkTable};
pub use words::Where;

#[cfg(test)]
mod tests;
