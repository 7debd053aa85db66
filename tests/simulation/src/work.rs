//! What a node may be doing, and what comes of it.

use crate::Who;
use node::QueryAnswer;
use std::{fmt, pin::Pin};
use vocabulary::{Hash, Problem};

/// What came of an operation.
pub(crate) enum Done {
    Nothing,
    Answer(Box<QueryAnswer>),
    /// Size and root of a log, once it has a checkpoint.
    Log(Option<(u64, Hash)>),
}

pub(crate) type Outcome = Result<Done, Problem>;

/// An operation under way on a node.
pub(crate) struct Op {
    pub who: Who,
    pub work: Work,
    pub future: Pin<Box<dyn Future<Output = Outcome> + Send>>,
}

/// One of a node's own jobs; at most one of each is under way on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    Sequence,
    Pull,
    Acknowledge,
    Settle,
    Tell,
    Membership,
    Forget,
    Harvest,
}

/// A step on the way to an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Ask,
    News,
    OwnDepartment,
    Authority,
    Provider,
    Sign,
}

/// What an operation is, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Query(usize),
    Pull(usize),
    Import(usize),
    Story(usize, Step),
    Revoke(usize, Who),
    Publish(usize),
    Look(Who),
    Job(Job),
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revoke(number, who) => write!(f, "revocation of {number} by {}", who.id()),
            other => write!(f, "{other:?}"),
        }
    }
}
