//! What is left of nonces that are forgotten: how young the youngest of them was. A clock that ran ahead and was set back
//! finds requests in their window again whose nonces are gone; none of those may pass once more.

use crate::store::NONCE_NOTE;
use ::store::{Tx, args};
use vocabulary::{Problem, Timestamp, micros};

/// Notes what [`crate::forget_nonces`] is about to forget; in the same unit of work.
///
/// # Errors
/// Those of the store.
pub async fn note_forgotten(tx: &mut Tx, now: Timestamp) -> Result<(), Problem> {
    tx.execute(NONCE_NOTE, args![micros(now)]).await.map(|_| ())
}
