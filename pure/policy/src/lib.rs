//! May they? `decide(facts, ask)` gives a [`Permit`] with its [`Restriction`], or a problem with the reason.
//!
//! Pure. Invariants, each with a test:
//! - only [`decide`] makes a permit; it is neither cloned nor stored, and carries what was asked;
//! - a delivery's restriction never shows a column, a row or an unmasked value beyond the agreement's terms;
//! - nobody acts as two of the three administrators, and what is not an administrator's no administrator does;
//! - a call under an agreement is of an operation that was agreed, and nothing else is asked under such an agreement;
//! - a condition of the asker may look only at columns it may see as they are: never at a masked or withheld one.

mod decide;
mod delivery;
mod mask;
mod offer;
mod principal;
mod restriction;
mod service;

pub use decide::{Ask, Facts, Need, Permit, decide};
pub use delivery::{AgreementFacts, AgreementState, DeliveryNeed, Terms};
pub use mask::Mask;
pub use offer::{AnswerStep, Level, MemberFacts, MemberRole, Offer, Quota, Sharing, Travel, Who};
pub use principal::{ADMINISTRATORS, Actor, Principal, Role};
pub use restriction::Restriction;
pub use service::{
    ANSWER_BYTES_MAX, BODY_BYTES_MAX, CallQuota, Content, DECLARED_MAX, FIELDS_WITHHELD, HttpMethod, KEPT_BYTES_MAX,
    Matched, OPERATIONS_MAX, Operation, Parameter, ParameterType, PathTemplate, Segment, Service, ServiceTerms,
    TIMEOUT_SECONDS_MAX, essence, find as find_operation,
};

#[cfg(test)]
mod tests;
