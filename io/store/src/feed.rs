//! The change feed and its sequencer: entries are appended unnumbered in a unit of work, and numbered after it
//! committed.
//!
//! One sequencer numbers a feed at a time: it first takes the feed's row, so of two only one goes on until its commit.

use crate::{Reader, Statement, Store, Tx, args, transact};
use vocabulary::{Problem, Timestamp, micros, timestamp_from_micros};

/// Entries numbered in one step at most.
const SEQUENCE_ENTRIES_MAX: i64 = 10_000;
/// Entries handed out in one page at most.
const FEED_PAGE_MAX: u32 = 1_000;

const APPEND: &str = "INSERT INTO store_change (feed, body) VALUES ($1, $2) RETURNING id";
const OPEN_FEED: &str = "
    INSERT INTO store_feed (feed, epoch, next, at) VALUES ($1, $2, 1, 0) ON CONFLICT (feed) DO NOTHING";
const PENDING: &str = "SELECT DISTINCT feed FROM store_change WHERE position IS NULL";
const TAKE: &str = "
    UPDATE store_feed SET at = CASE WHEN at < $2 THEN $2 ELSE at END WHERE feed = $1 RETURNING next, at";
const NUMBER: &str = "
    UPDATE store_change SET position = $2 + numbered.n - 1, at = $3
      FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS n FROM store_change
             WHERE feed = $1 AND position IS NULL ORDER BY id LIMIT $4) AS numbered
     WHERE store_change.id = numbered.id";
const ADVANCE: &str = "UPDATE store_feed SET next = next + $2 WHERE feed = $1";
const PAGE: &str = "
    SELECT id, position, at, body FROM store_change
     WHERE feed = $1 AND position > $2 ORDER BY position LIMIT $3";
const HEAD: &str = "SELECT epoch, next, at FROM store_feed WHERE feed = $1";
const UNNUMBERED: &str = "SELECT COUNT(*) AS count FROM store_change WHERE position IS NULL";
const FEEDS: &str = "SELECT feed FROM store_feed ORDER BY feed";
const RENEW: &str = "UPDATE store_feed SET epoch = $1";
const AS_OF: &str = "
    SELECT COALESCE(MAX(position), 0) AS position
      FROM store_change WHERE feed = $1 AND position IS NOT NULL AND at <= $2";

/// A numbered entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The id that [`Tx::announce`] returned; no order.
    pub id: i64,
    /// Dense, from 1.
    pub position: i64,
    /// When it was numbered; never earlier than the entry before.
    pub at: Timestamp,
    /// What changed.
    pub body: serde_json::Value,
}

/// Where a feed stands.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedHead {
    /// Changed by a restore.
    pub epoch: String,
    /// The last position given out; 0 when there is none.
    pub position: i64,
    /// Its time.
    pub at: Timestamp,
}

/// What one step of the sequencer did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequenced {
    /// How many entries were numbered, over all feeds.
    pub entries: i64,
}

impl Tx {
    /// Appends one entry to `feed`, unnumbered; returns its id. Whoever follows sees it once it is numbered.
    ///
    /// # Errors
    /// As [`Reader::rows`].
    pub async fn announce(&mut self, feed: &'static str, body: &serde_json::Value) -> Result<i64, Problem> {
        let row = self.row(APPEND, args![feed, body.to_string()]).await?;
        row.ok_or_else(|| crate::fault::internal("announce", &feed))?.int("id")
    }

    /// Gives every feed a new epoch, after a restore: whoever follows begins anew, since what stood behind some
    /// position may be another history.
    ///
    /// # Errors
    /// As [`Reader::rows`].
    pub async fn renew_feeds(&mut self, now: Timestamp) -> Result<(), Problem> {
        self.execute(RENEW, args![format!("{:016x}", micros(now))]).await.map(|_| ())
    }
}

impl Reader {
    /// The entries of `feed` behind `after`, at most `limit` (1,000 at most).
    ///
    /// # Errors
    /// As [`Reader::rows`].
    pub async fn feed(&mut self, feed: &str, after: i64, limit: u32) -> Result<Vec<Entry>, Problem> {
        let rows = self.rows(PAGE, args![feed, after, limit.min(FEED_PAGE_MAX)]).await?;
        rows.iter()
            .map(|it| {
                Ok(Entry {
                    id: it.int("id")?,
                    position: it.int("position")?,
                    at: timestamp_from_micros(it.int("at")?)?,
                    body: it.json("body")?,
                })
            })
            .collect()
    }

    /// Every feed by name.
    ///
    /// # Errors
    /// As [`Reader::rows`].
    pub async fn feeds(&mut self) -> Result<Vec<String>, Problem> {
        let rows = self.rows(FEEDS, vec![]).await?;
        rows.iter().map(|it| it.text("feed").map(str::to_owned)).collect()
    }

    /// How many entries wait for their number, over all feeds: the sequencer's backlog.
    ///
    /// # Errors
    /// As [`Reader::rows`].
    pub async fn unnumbered(&mut self) -> Result<i64, Problem> {
        self.row(Statement::long(UNNUMBERED), vec![]).await?.map_or(Ok(0), |it| it.int("count"))
    }

    /// Where `feed` stands; `None` before its first entry is numbered.
    ///
    /// # Errors
    /// As [`Reader::rows`].
    pub async fn feed_head(&mut self, feed: &str) -> Result<Option<FeedHead>, Problem> {
        let Some(row) = self.row(HEAD, args![feed]).await? else { return Ok(None) };
        Ok(Some(FeedHead {
            epoch: row.text("epoch")?.to_owned(),
            position: row.int("next")? - 1,
            at: timestamp_from_micros(row.int("at")?)?,
        }))
    }

    /// The position that "as of `at`" means.
    ///
    /// # Errors
    /// As [`Reader::rows`].
    pub async fn feed_position_at(&mut self, feed: &str, at: Timestamp) -> Result<i64, Problem> {
        self.row(AS_OF, args![feed, micros(at)]).await?.map_or(Ok(0), |it| it.int("position"))
    }
}

impl Store {
    /// Numbers what has been committed, one bounded step per feed; `entries` is 0 when nothing waits.
    ///
    /// # Errors
    /// As [`Store::transact`]; nothing is then numbered.
    pub async fn sequence(&self, now: Timestamp) -> Result<Sequenced, Problem> {
        let waiting = self.read().await?.rows(PENDING, vec![]).await?;
        let mut done = Sequenced::default();
        for row in &waiting {
            let feed = row.text("feed")?;
            done.entries += transact!(self, None, |tx| number(tx, feed, now).await)?;
        }
        Ok(done)
    }
}

async fn number(tx: &mut Tx, feed: &str, now: Timestamp) -> Result<i64, Problem> {
    let epoch = format!("{:016x}", micros(now));
    tx.execute(OPEN_FEED, args![feed, epoch]).await?;
    let head = tx.row(TAKE, args![feed, micros(now)]).await?;
    let head = head.ok_or_else(|| crate::fault::internal("feed row", &feed))?;
    let (next, at) = (head.int("next")?, head.int("at")?);
    let numbered = tx.execute(Statement::long(NUMBER), args![feed, next, at, SEQUENCE_ENTRIES_MAX]).await?;
    let numbered = i64::try_from(numbered).unwrap_or(i64::MAX);
    tx.execute(ADVANCE, args![feed, numbered]).await?;
    Ok(numbered)
}
