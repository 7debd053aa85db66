//! Node to node: HTTP/2 (and 1.1) over mutual TLS with pinned keys, and signed messages.
//!
//! TLS proves that the other end holds a key that some member has pinned; whether that member may ask is judged in the
//! layer above. Invariants:
//! - a connection whose key is not pinned ends in a TLS alert and a count, before a byte of HTTP is read;
//! - no session is resumed, so a key that is taken out of the set is refused from the next connection on;
//! - what a peer answered is used only after status, digest and signature were checked.

mod activity;
mod client;
pub mod message;
mod pace;
mod server;
mod tls;

pub use client::{Answer, Call, CarriedBody, Carrier, Carrying, ClientLimits, Download, Peer, PeerClient, Upload};
pub use pace::{RequestBody, SlowBody};
pub use server::{Limits, PeerKey, RemoteAddress, ServedHost, Server, Service, Stopped, Transport};
pub use tls::{Hosts, PinSet, RefusalCounts, Refusals};

#[cfg(test)]
mod tests;
