//! Figures of an organisation for whoever watches the node: what waits, how old things are. Never a value of a record.

use crate::Organisation;
use vocabulary::Problem;

/// What waits, and how old things are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Leaves that wait for the sequencer.
    pub log_behind: u64,
    /// Entries of feeds without a number.
    pub feed_waiting: i64,
    /// Receipts that are committed and not signed.
    pub receipts_unsigned: u64,
    /// Batches that are being fetched.
    pub pulls_under_way: u64,
    /// Revocations that the other side has not confirmed.
    pub revocations_untold: u64,
    /// Seconds since membership was confirmed; none before a federation was joined.
    pub view_age_seconds: Option<i64>,
    /// Whether a restore waits for what members hold.
    pub reclaiming: bool,
}

impl Organisation {
    /// What waits now.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn figures(&self) -> Result<Figures, Problem> {
        let mut reader = self.store.read().await?;
        Ok(Figures {
            log_behind: evidence::behind(&mut reader).await?,
            feed_waiting: reader.unnumbered().await?,
            receipts_unsigned: exchange::proofless(&mut reader).await?.len() as u64,
            pulls_under_way: exchange::pulls_under_way(&mut reader).await?.len() as u64,
            revocations_untold: exchange::untold(&mut reader).await?.len() as u64,
            view_age_seconds: self.members().ok().map(|it| it.age_seconds(self.now())),
            reclaiming: self.after_restore().is_some_and(|it| !it.done),
        })
    }
}
