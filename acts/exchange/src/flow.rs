//! How a delivery goes into a table of the consumer's: the whole set once, then the changes behind it, page by page.
//!
//! Pure: [`step`] says what comes next; `node` carries it out and says what came of it. What the table holds is told
//! by the [`Mark`] that stands beside it and was written in the same transaction, never by what we remember. So a node
//! that dies anywhere goes on where the table is.
//!
//! Properties in `flow_tests.rs`: after any sequence of changes, crashes and repeats the table is the provider's
//! restricted table at some moment, and in the end at the last; nothing is merged twice, no page is left out.

use crate::DeliveryId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is carried over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// 全量: the whole set on every run.
    Full,
    /// 增量: the whole set once, then what has changed.
    Incremental,
}

/// How far a table is: written beside it, in the transaction that changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The batch that the table was filled from.
    pub parcel: DeliveryId,
    /// The number of the page that comes next: pages go on where the parts of the batch end.
    pub next: u32,
}

/// Where a delivery stands between two steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Nothing was begun.
    #[default]
    New,
    /// A whole set comes in, or is being put into the table.
    Filling {
        /// The batch.
        parcel: DeliveryId,
    },
    /// The table is filled, and follows the changes.
    Following {
        /// The batch that it was filled from.
        parcel: DeliveryId,
    },
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A run begins. `draw` names the batch, should one be needed.
    Begin {
        /// What stands beside the table.
        mark: Option<Mark>,
        /// A new name.
        draw: DeliveryId,
        /// The whole set is wanted, whatever is there.
        anew: bool,
    },
    /// All parts of the batch are here.
    Here,
    /// The table holds the set, and the mark says so.
    Filled(Mark),
    /// A page is here.
    Page(u32),
    /// A page is in the table, and the mark says so.
    Merged(Mark),
    /// The provider has nothing more now.
    Current(Mark),
    /// The provider cannot go on behind what we have: its feed began anew, or the terms are others.
    Gone {
        /// A new name.
        draw: DeliveryId,
    },
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Fetch the whole set.
    Fetch(DeliveryId),
    /// Put it into the table, in place of what is there.
    Fill(DeliveryId),
    /// Ask for the page.
    Ask(Mark),
    /// Put the page into the table.
    Merge(Mark),
    /// Compare with the provider, and rest.
    Compare(Mark),
}

/// What comes next, and where the delivery stands then; none where the input does not belong to the stage: it is a
/// repeat of something that is over.
pub fn step(mode: Mode, stage: Stage, input: Input) -> Option<(Stage, Act)> {
    let fetch = |parcel| Some((Stage::Filling { parcel }, Act::Fetch(parcel)));
    match (stage, input) {
        (Stage::New, Input::Begin { draw, .. }) => fetch(draw),
        // The set may be in the table already, and we died before we noted it.
        (Stage::Filling { parcel }, Input::Begin { mark: Some(mark), draw, .. }) if mark.parcel == parcel => match mode
        {
            Mode::Full => fetch(draw),
            Mode::Incremental => Some((Stage::Following { parcel }, Act::Ask(mark))),
        },
        (Stage::Filling { parcel }, Input::Begin { .. }) => fetch(parcel),
        (Stage::Following { parcel }, Input::Begin { mark: Some(mark), anew: false, .. })
            if mark.parcel == parcel && mode == Mode::Incremental =>
        {
            Some((stage, Act::Ask(mark)))
        }
        // A full run, one on demand, or a table that was restored or made anew.
        (Stage::Following { .. }, Input::Begin { draw, .. }) => fetch(draw),
        (Stage::Filling { parcel }, Input::Here) => Some((stage, Act::Fill(parcel))),
        (Stage::Filling { parcel }, Input::Filled(mark)) if mark.parcel == parcel => {
            let act = if mode == Mode::Full { Act::Compare(mark) } else { Act::Ask(mark) };
            Some((Stage::Following { parcel }, act))
        }
        (Stage::Following { parcel }, Input::Page(next)) => Some((stage, Act::Merge(Mark { parcel, next }))),
        (Stage::Following { parcel }, Input::Merged(mark)) if mark.parcel == parcel => Some((stage, Act::Ask(mark))),
        (Stage::Following { parcel }, Input::Current(mark)) if mark.parcel == parcel => {
            Some((stage, Act::Compare(mark)))
        }
        (Stage::Filling { .. } | Stage::Following { .. }, Input::Gone { draw }) => fetch(draw),
        _ => None,
    }
}

/// Where a provider stands with the pages of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// The epoch of the feed at which it began; none: the feed was empty.
    pub epoch: Option<String>,
    /// Up to which position of the feed its consumer has heard.
    pub position: i64,
    /// The number of the page that comes next.
    pub next: u32,
}

/// What a provider does about an ask for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The page was given before: the same again.
    Again,
    /// It comes next: what has changed since.
    Next,
    /// It cannot come: the feed began anew, or we have forgotten pages that the consumer has.
    Gone,
}

/// What a provider does about an ask for page `number`, whose feed is in `epoch` now.
pub fn turn(follow: &Follow, epoch: Option<&str>, number: u32) -> Turn {
    let same = follow.epoch.as_deref().is_none_or(|it| Some(it) == epoch);
    match number.cmp(&follow.next) {
        _ if !same => Turn::Gone,
        std::cmp::Ordering::Less => Turn::Again,
        std::cmp::Ordering::Equal => Turn::Next,
        std::cmp::Ordering::Greater => Turn::Gone,
    }
}
