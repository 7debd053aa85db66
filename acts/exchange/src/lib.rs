//! Exchange 交换: request, agreement, delivery, receipt.
//!
//! Invariants:
//! - nothing is issued without a live agreement at its revision, quota left, and a nonce never seen before: the guards
//!   stand in the statements of the transaction that writes the leaf;
//! - an agreement is live only with both signatures; its digest is a leaf in both logs;
//! - a part of a batch has one receipt, however often it is fetched.

mod agree;
mod decide;
mod deliver;
mod format;
mod pull;
mod request;
mod store;
mod verify;

pub use agree::{Accept, AgreementView, Countersign, Offerer, Revoke, RevokeByPeer};
pub use agree::{accept, agreement, agreement_facts, agreements, countersigned, propose, revoke, revoked_by_peer};
pub use decide::{Event, Ground, Standing, admissible, agreement as draft_agreement, standing};
pub use deliver::{
    Acknowledge, Deliver, Issue, Nonce, Parcel, Part, RECEIPTS_OPEN_MAX, ReceiptState, ReceiptView, Side, acknowledge,
    acknowledged, claim, due, forget_nonces, issue, keep_parts, open_parcel, parcel, part_receipt, proofless, receipt,
    receipts, save_proofs, take,
};
pub use format::*;
pub use pull::{OpenPull, Pull, PullState, open_pull, pull, pulled_parts, pulls_under_way, save_pull};
pub use request::{
    AnswerAsk, Receive, RequestView, Submit, SupplementAsk, answer, merge, receive, request, requests, submit,
    supplement,
};
pub use store::MIGRATIONS;
pub use verify::{Keys, Proven, content_digest, read, verify};

#[cfg(test)]
mod tests;
