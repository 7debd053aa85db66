//! Each act leaves a leaf in the same unit of work, the administrator's too: nobody stands above the audit.

use evidence::{NewLeaf, Salt};
use policy::Principal;
use serde_json::Value;
use store::Tx;
use vocabulary::{Problem, Timestamp, canonical_bytes};

/// Leaves the trace of the act `kind` by `principal`.
pub(crate) async fn leave(
    tx: &mut Tx,
    principal: &Principal,
    (kind, about): (&'static str, Value),
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let body = serde_json::json!({
        "format": "yunhe-identity-act/1",
        "act": kind,
        "by": principal.actor.to_string(),
        "organisation": principal.organisation,
        "at": now,
        "about": about,
    });
    let body = String::from_utf8(canonical_bytes(&body)?).unwrap_or_default();
    evidence::append(tx, &NewLeaf { kind, body, salt }, now).await.map(|_| ())
}
