//! Exchange 交换: request, agreement, delivery, receipt.
//!
//! Invariants:
//! - nothing is issued without a live agreement at its revision, quota left, and a nonce never seen before: the guards
//!   stand in the statements of the transaction that writes the leaf;
//! - an agreement is live only with both signatures; its digest is a leaf in both logs;
//! - a part of a batch has one receipt, however often it is fetched.

mod agree;
mod changes;
mod decide;
mod deliver;
mod flow;
mod follow;
mod format;
mod plan;
mod pull;
mod receipt;
mod reclaim;
mod request;
mod schedule;
mod store;
mod verify;

pub use agree::{Accept, AgreementView, Countersign, Offerer, Revoke, RevokeByPeer};
pub use agree::{
    Untold, accept, agreement, agreement_facts, agreements, countersigned, forget_untold, propose, providers, revoke,
    revoked_by_peer, tell, untold,
};
pub use changes::{REMOVED, RowChange, Shown, Tally, changes, fits, from_rows, page_type, shape, to_rows};
pub use decide::{Event, Ground, Standing, admissible, agreement as draft_agreement, standing};
pub use deliver::{
    Deliver, Issue, Nonce, Parcel, Part, RECEIPTS_OPEN_MAX, Side, claim, forget_nonces, issue, keep_parts, open_parcel,
    parcel, part_receipt,
};
pub use flow::{Act, Follow, Input, Mark, Mode, Stage, Turn, step, turn};
pub use follow::{NewPage, Page, follow, page, pass};
pub use format::*;
pub use plan::{
    Keep, Plan, PlanState, PlanView, Progress, Reconciliation, Run, RunOutcome, Steer, Steering, Target, Waiting,
    due_plans, end_plan, keep_plan, mark, mark_filled, mark_merged, plan, plans, plans_under, runs, save_plan,
    save_progress, save_run, steer,
};
pub use pull::{OpenPull, Pull, PullState, open_pull, pull, pulled_part, pulled_parts, pulls_under_way, save_pull};
pub use receipt::{
    Acknowledge, Due, ReceiptState, ReceiptView, acknowledge, acknowledged, due, open_receipts, proofless, receipt,
    receipts, save_proofs, take, take_missed,
};
pub use reclaim::{
    Held, HeldAgreement, held_agreements, held_receipts, held_requests, reclaim_agreement, reclaim_issued,
    reclaim_request, reclaim_taken,
};
pub use request::{
    AnswerAsk, Receive, RequestView, Submit, SupplementAsk, answer, merge, receive, request, requests, submit,
    supplement,
};
pub use schedule::{Days, NextRun, Schedule, WorkingDays, next_run};
pub use store::MIGRATIONS;
pub use verify::{Keys, Proven, content_digest, read, verify};

#[cfg(test)]
mod flow_tests;
#[cfg(test)]
mod schedule_tests;
#[cfg(test)]
mod tests;
