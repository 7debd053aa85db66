//! Our HTTP: the client port for programs, people and the command line, and the peer port for other nodes.
//!
//! Handlers translate and nothing else. Which organisation is meant is decided before routing; who asks is decided by
//! an extractor; what may be is decided in `policy`, far below.
// A handler that calls another node, which calls a service, is one future of many layers.
#![recursion_limit = "256"]

mod caller;
mod noted;
mod openapi;
mod peers;
mod problem;
mod route;
mod routes;
mod serve;
mod table;
mod tenant;
mod throttle;
mod trace;

pub use openapi::openapi;
pub use peers::router as peer_router;
pub use problem::Failure;
pub use route::{Method, Port, Route};
pub use serve::{Served, serve};
pub use table::ROUTES;
pub use tenant::Tenants;
pub use trace::TRACED;

/// A JSON body is at most this long.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// A request with its files, which come in base64, is at most this long.
pub const FILES_BYTES_MAX: usize = 28 << 20;
/// The files of a pack together are at most this long.
pub const PACK_BYTES_MAX: usize = 16 << 20;
/// A file to import is at most this long.
pub const IMPORT_BYTES_MAX: usize = 64 << 30;
