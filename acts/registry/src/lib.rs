//! Records: typed rows with their whole history, imported from files, read at any past position.
//!
//! Verbs take a unit of work and a permit; reads take a reader. [`import()`] opens its units of work itself, one per
//! chunk, so that it can be killed and go on.
//!
//! Invariants, each with a property or a fault test in `tests.rs`:
//! - any sequence of writes, removals and imports gives the rows, the histories and the past states of a naive model;
//! - every row of a file is loaded or rejected with its reason: read = loaded + rejected;
//! - an import that is killed anywhere and resumed gives what an undisturbed one gives.

mod ask;
mod cell;
mod change;
mod correct;
mod decide;
mod digest;
mod fault;
mod id;
mod import;
mod merge;
mod query;
mod rows;
mod single;
mod sql;
mod store;
mod taking;
#[cfg(test)]
mod taking_tests;
mod types;

pub use ask::{Correct, Fix, Import, Install, Merge, Remove, Replace, SecrecyReview, Write};
pub use change::{Announcement, Cause, Change, FEED, Origin, changes};
pub use correct::{Corrected, correct, held};
pub use digest::{ROWS_FORMAT, RowsDigest, digest};
pub use id::{ImportId, RowId, Run, TakingId};
pub use import::*;
pub use merge::{merge, replace, stage};
pub use query::{
    PAGE_ROWS_MAX, Selection, Stamp, Stored, Version, by_key, by_runs, count, history, page, select, touched,
};
pub use rows::{WRITE_ROWS_MAX, Written, remove, write};
pub use single::{WHY_CHARS_MAX, check_why, row_values};
pub use taking::{
    Counts, Mode, Phase, Plan, TAKINGS_MAX, TakeOver, Taking, move_taking, open_taking, open_takings, take_over,
    takings,
};
pub use types::{Installed, install, migrate, record_type, types};

#[cfg(test)]
mod correct_tests;
#[cfg(test)]
mod digest_tests;
#[cfg(test)]
mod merge_tests;
#[cfg(test)]
mod tests;
