//! Stories about the real program: `yunhe serve` as processes that are killed, whose disks fill up, and that are
//! crowded.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod audit;
mod crowd;
mod disk;
mod drill;
mod full;
mod killed;
mod people;
mod town;
