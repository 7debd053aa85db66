//! Levels 级联: who is above whom, and by whom a request goes from its consumer to its provider.
//!
//! Pure. Invariants, each with a property test:
//! - a line of superiors ends, and names nobody twice;
//! - a way names nobody twice, each on it is the superior or a subordinate of the next (but between two tops), and the
//!   way back is the same one backwards.

use crate::{Member, View};
use policy::MemberRole;
use std::sync::Arc;
use vocabulary::OrganisationId;

/// A line of superiors has at most this many members, the lowest counted.
pub const LEVELS_MAX: usize = 8;

impl View {
    /// The superior of a member, as long as it is an authority among the members.
    pub fn superior(&self, id: &OrganisationId) -> Option<&OrganisationId> {
        let superior = self.members.get(id)?.organisation.superior.as_ref()?;
        let above = self.members.get(superior)?;
        above.organisation.roles.contains(&MemberRole::Authority).then_some(&above.organisation.id)
    }

    /// Those whose superior this member is.
    pub fn subordinates<'a>(&'a self, id: &'a OrganisationId) -> impl Iterator<Item = &'a Arc<Member>> {
        self.members().filter(move |it| self.superior(&it.organisation.id) == Some(id))
    }

    /// A member and those above it, lowest first.
    pub(crate) fn line<'a>(&'a self, id: &'a OrganisationId) -> Vec<&'a OrganisationId> {
        let mut line = vec![id];
        while let Some(above) = line.last().and_then(|it| self.superior(it)).filter(|it| !line.contains(it)) {
            if line.len() == LEVELS_MAX {
                break;
            }
            line.push(above);
        }
        line
    }

    /// Whether `above` is a superior of `id`, on whatever level.
    pub fn is_under(&self, id: &OrganisationId, above: &OrganisationId) -> bool {
        self.line(id)[1..].contains(&above)
    }

    /// The authorities by whom a request goes from `consumer` to `provider`, in turn: up to the first that both are
    /// under, and down. Where that is one of the two itself and nobody stands between, it is named all the same. Empty
    /// where neither has a superior.
    pub fn way(&self, consumer: &OrganisationId, provider: &OrganisationId) -> Vec<OrganisationId> {
        let (up, down) = (self.line(consumer), self.line(provider));
        if up.len() == 1 && down.len() == 1 {
            return Vec::new();
        }
        let meeting = up.iter().find_map(|it| down.iter().position(|other| other == it).map(|place| (*it, place)));
        let mut way: Vec<&OrganisationId> = match meeting {
            Some((top, place)) => {
                let up = up.iter().take_while(|it| **it != top);
                up.chain([&top]).chain(down[..place].iter().rev()).copied().collect()
            }
            None => up.iter().chain(down.iter().rev()).copied().collect(),
        };
        way.retain(|it| *it != consumer && *it != provider);
        if way.is_empty() {
            way.extend(meeting.map(|(top, _)| top));
        }
        way.into_iter().cloned().collect()
    }
}
