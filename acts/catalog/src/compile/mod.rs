//! Compilation 目录编制: how an entry comes into the catalogue, and what stands behind it.
//!
//! The chain is duty (职责) → matter (事项) → information system (信息系统) → entry (目录条目) → attached resource (挂接)
//! → item (信息项). Everything but the items is a dossier (案卷) with all its versions: who, when, why. The entry goes
//! 编制 → 部门审核 → 主管部门审核 → 发布 → 变更 → 撤销 by a pure [`step`]; publishing is the last of it.

mod chain;
mod demand;
mod demands;
mod draft;
pub(crate) mod step;
pub(crate) mod store;
mod things;
mod verbs;

pub use chain::{Known, MATTERS_MAX, THINGS_MAX, Thing, ThingKind, chain_flaws, thing_flaws};
pub(crate) use demand::NO_DEMAND;
pub use demand::{CLOCKS, Demand, DemandAct, DemandState, WANTED_MAX, WAY, Wanted, demand_step};
pub(crate) use demands::{cited, keep_demand};
pub use demands::{demand, demands, do_demand};
pub use draft::{Act, Attached, AttachedKind, Compilation, Draft, Links, State};
pub use step::missing;
pub use step::{Effect, REASON_CHARS_MAX, Refusal, Who, next_acts, step};
pub use store::{DOSSIERS_PAGE_MAX, Dossier, Listing, Past, User, compilation, compilation_history, compilations};
pub use things::{close_thing, put_things, thing, thing_history, thing_users, things};
pub use verbs::{Compiled, compile, flaws_now, second_sources};
pub(crate) use verbs::{published_before, turn};

#[cfg(test)]
mod tests;
