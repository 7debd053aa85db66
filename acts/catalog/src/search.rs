//! Search over the catalogue in Chinese and English: an index on disk that follows the feed, and queries to it.

pub(crate) mod analyse;
mod index;
mod query;
mod tally;

pub use index::{Followed, Hit, Search, SharedSearch};
pub use query::{Found, OFFSET_MAX, PAGE_MAX, Query, SUGGESTIONS_MAX};
pub use tally::{Counts, Facet};
