//! `deliver`: deliveries into a table of a PostgreSQL outside: provider's registry (PostgreSQL) → provider's node →
//! consumer's node → table. Nodes, jobs, signatures, receipts and reconciliation are all in it; everything runs on
//! this machine, over loopback, with the database's `fsync` as the server has it (said beside each figure).
//!
//! - `deliver-table`: a million rows into an absent table, from "run it" until rows and mark are committed and the
//!   reconciliation has read the table back and found it the same; against `COPY … TO STDOUT | COPY … FROM STDIN` of
//!   the same rows and columns from the same registry table into an equal table with the same key.
//! - `deliver-changes`: a second's ten thousand rows written to the registry, a hundredth at a time, while the delivery
//!   follows; from the beginning of each write until it is read in the table outside.
//! - `deliver-plans`: a thousand deliveries on a schedule, all nodes in one process: its memory.

mod changes;
mod plans;
mod scene;
mod table;

use crate::report::Report;
pub use plans::once;
use scene::Scene;

/// All three parts.
pub const ALL: &str = "deliver";
/// A whole set.
pub const TABLE: &str = "deliver-table";
/// Changes as they come.
pub const CHANGES: &str = "deliver-changes";
/// Many deliveries.
pub const PLANS: &str = "deliver-plans";
/// The parts.
pub const PARTS: [&str; 3] = [TABLE, CHANGES, PLANS];
/// The hidden name under which this program carries so many deliveries and says how much memory that took.
pub const ONCE: &str = "deliver-once";

/// Rows in the provider's registry.
const ROWS: u64 = 1_000_000;

/// A world with its rows, made for the first part that needs one; none where no server is named.
async fn ready<'a>(report: &mut Report, part: &'static str, scene: &'a mut Option<Scene>) -> Option<&'a Scene> {
    if crate::postgres().is_none() {
        let en = "YUNHE_TEST_POSTGRES names no server; cargo xtask bench deliver starts one";
        report.fail(part, "未设 YUNHE_TEST_POSTGRES；`cargo xtask bench deliver` 会自备", en);
        return None;
    }
    if scene.is_none() {
        *scene = Some(Scene::with_rows(ROWS).await);
    }
    scene.as_ref()
}

/// Measures a whole set and tells.
pub async fn table(report: &mut Report, scene: &mut Option<Scene>) {
    if let Some(scene) = ready(report, TABLE, scene).await {
        table::run(report, scene).await;
    }
}

/// Measures changes and tells.
pub async fn changes(report: &mut Report, scene: &mut Option<Scene>) {
    if let Some(scene) = ready(report, CHANGES, scene).await {
        changes::run(report, scene).await;
    }
}

/// Measures many deliveries and tells.
pub async fn plans(report: &mut Report) {
    if crate::postgres().is_none() {
        let en = "YUNHE_TEST_POSTGRES names no server; cargo xtask bench deliver starts one";
        return report.fail(PLANS, "未设 YUNHE_TEST_POSTGRES；`cargo xtask bench deliver` 会自备", en);
    }
    plans::run(report).await;
}
