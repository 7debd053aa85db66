//! Exchange 交换: request, agreement, delivery, receipt.
//!
//! Invariants:
//! - nothing is issued without a live agreement at its revision, quota left, and a nonce never seen before: the guards
//!   stand in the statements of the transaction that writes the leaf;
//! - an agreement is live only with both signatures; its digest is a leaf in both logs;
//! - a call that may not be repeated is sent at most once, whatever becomes of its answer;
//! - a part of a batch has one receipt, however often it is fetched.

mod account;
mod agree;
mod attachment;
mod call;
mod cascade;
mod changes;
mod correction;
mod decide;
mod deliver;
mod escalation;
mod flow;
mod follow;
mod format;
mod letter;
mod objection;
mod objection_format;
mod objection_view;
mod plan;
mod pull;
mod receipt;
mod reclaim;
mod recorded;
mod request;
mod schedule;
mod store;
mod verify;

pub use account::{ReadAccounts, calls, each_correction, each_objection, each_request, receipts_between};
pub use agree::{Accept, AgreementView, Countersign, Offerer, Revoke, RevokeByPeer};
pub use agree::{
    Untold, accept, agreement, agreement_facts, agreements, countersigned, forget_untold, propose, providers, revoke,
    revoked_by_peer, tell, untold,
};
pub use attachment::{
    ATTACHMENT_BYTES_MAX, ATTACHMENT_NAME_CHARS_MAX, ATTACHMENTS_MAX, Attachment, ReadAttachment, attachments,
    check_attachments, no_attachment, other_attachment,
};
pub use call::{
    AnswerHead, CALL_HEAD_BYTES_MAX, CALL_KEY_CHARS_MAX, CallHead, Called, NewCall, Pace, Reserved, call_done,
    check_key, forget_calls, frame, lose, release, reserve, too_fast, unframe, unknown,
};
pub use cascade::{authority_at, before, numbered, numbers, passage, to_tell};
pub use changes::{REMOVED, RowChange, Shown, Tally, changes, fits, from_rows, page_type, shape, to_rows};
pub use correction::{
    Confirm, CorrectionView, TakeConfirmation, TakeCorrection, ask_again, confirm, corrections, corrections_to_confirm,
    take_confirmation, take_correction, tell_under_way,
};
pub use decide::objection::{
    Case, Duty, Happening, Judged, ObjectionStage, Reach, Recipient, Telling, Wrong, judged, recipients,
};
pub use decide::turn::{AnswerTurn, ClockKind, StepClock, turns};
pub use decide::{Event, Ground, Shared, Standing, admissible, agreement as draft_agreement, standing};
pub use deliver::{
    Deliver, Issue, Nonce, Parcel, Part, RECEIPTS_OPEN_MAX, Side, claim, forget_nonces, issue, keep_parts, open_parcel,
    parcel, part_receipt, receipts_few,
};
pub use escalation::{Escalate, TakeEscalation, escalate, noticed, objections_unruled, take_escalation, told};
pub use flow::{Act, Follow, Input, Mark, Mode, Stage, Turn, step, turn};
pub use follow::{NewPage, Page, follow, page, pass};
pub use format::*;
pub use letter::{
    Notice, Outgoing, Undelivered, forget_notices, letter_failed, letters, letters_about, notices, notify, undelivered,
};
pub use objection::{
    Fixed, REASON_CHARS_MAX, Raise, ReadObjections, Rule, Seal, TakeObjection, TakeRulings, letter_heard, objection,
    objections, objections_waiting, raise, rule, take_objection, take_rulings,
};
pub use objection_format::*;
pub use objection_view::{ObjectionClock, ObjectionSide, ObjectionView};
pub use plan::{
    Keep, Lane, Plan, PlanState, PlanView, Progress, Reconciliation, Run, RunOutcome, Steer, Steering, Target, Waiting,
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
pub use recorded::{
    HubRecord, Placed, ReadRecords, RecordPage, RecordView, Recorder, TakeRecords, recorded, recorder, records,
    take_records,
};
pub use request::{
    AnswerAsk, Heard, Receive, RequestView, Submit, SupplementAsk, Waits, answer, heard, merge, no_request, note_waits,
    receive, request, requests, submit, supplement, waiting,
};
pub use schedule::{Days, NextRun, Schedule, WorkingDays, next_run};
pub use store::MIGRATIONS;
pub use verify::{Keys, Proven, content_digest, read, verify};

#[cfg(test)]
mod cascade_tests;
#[cfg(test)]
mod flow_tests;
#[cfg(test)]
mod letter_tests;
#[cfg(test)]
mod objection_tests;
#[cfg(test)]
mod schedule_tests;
#[cfg(test)]
mod tests;
