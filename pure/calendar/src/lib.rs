//! Working days and terms counted in them: weekdays, but for the days off and the days made up that the State Council
//! announces each year.
//!
//! Pure: today is an argument. How a term is counted:
//! - the day on which something comes in does not count; the first day of the term is the next working day;
//! - it is due at the end of the last day, midnight in Asia/Shanghai: what comes before that instant is in time;
//! - a year whose notice is not here is estimated from weekends and the festivals of a fixed date, and says so; the
//!   answer is counted anew each time it is asked, so it is exact as soon as the notice is installed.
//!
//! Invariants, each with a test over every day of 2007 to 2026 or a property: what is due is never earlier than what
//! came in; a later start is never due earlier; a clock that stood still is never due earlier than one that ran on.

mod clock;

pub use clock::{Clock, Light, Reading, Run, Signals, read};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vocabulary::{Bilingual, Date, ResourceId, SHANGHAI, Timestamp};

/// Working days are counted over at most this many days ahead: times may be such as somebody else wrote, and whatever
/// they are, a clock is read.
const DAYS_AHEAD_MAX: usize = 1_000;
/// From this day of December on, the notice of the year after may move a day: New Year's Day is bridged with it.
const NEXT_NOTICE_FROM: i8 = 28;

/// A calendar of working days as a pack declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Its name.
    pub calendar: ResourceId,
    /// Its title.
    pub title: Bilingual,
    /// Festivals whose date is fixed (`05-01`), by which a year without notice is estimated.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fixed: BTreeMap<String, String>,
    /// The years that it knows.
    pub years: BTreeMap<String, Year>,
}

/// One year of a calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Year {
    /// The notice that announced it.
    pub notice: String,
    /// Days off, each with the festival; in the year, or in the December before.
    #[schemars(with = "BTreeMap<String, String>")]
    pub off: BTreeMap<Date, String>,
    /// Saturdays and Sundays that are worked; in the year, or in the December before.
    #[schemars(with = "Vec<String>")]
    pub worked: Vec<Date>,
}

/// What a day is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Whether it is worked.
    pub working: bool,
    /// Whether that is an estimate, for want of the notice that says.
    pub estimated: bool,
}

/// The last day of a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Due {
    /// The day; the term is over at its end.
    #[schemars(with = "String")]
    pub day: Date,
    /// Whether a day on the way there was estimated.
    pub estimated: bool,
}

/// So many working days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// How many.
    pub days: u16,
    /// Whether one of the days between was estimated.
    pub estimated: bool,
}

/// The instant at which a day is over in Asia/Shanghai: the first one that is late.
pub fn end_of(day: Date) -> Timestamp {
    let next = day.tomorrow().unwrap_or(day);
    SHANGHAI.to_timestamp(next.at(0, 0, 0, 0)).unwrap_or(Timestamp::MAX)
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday)
}

impl Calendar {
    fn year(&self, year: i16) -> Option<&Year> {
        self.years.get(&format!("{year:04}"))
    }

    /// What `day` is.
    pub fn on(&self, day: Date) -> Day {
        let (own, next) = (self.year(day.year()), self.year(day.year().saturating_add(1)));
        let december = day.month() == 12;
        // The later notice has the last word.
        for notice in next.filter(|_| december).into_iter().chain(own) {
            if notice.worked.contains(&day) {
                return Day { working: true, estimated: false };
            }
            if notice.off.contains_key(&day) {
                return Day { working: false, estimated: false };
            }
        }
        let sure = own.is_some() && !(december && day.day() >= NEXT_NOTICE_FROM && next.is_none());
        let festival = own.is_none() && self.fixed.contains_key(&format!("{:02}-{:02}", day.month(), day.day()));
        Day { working: !is_weekend(day) && !festival, estimated: !sure }
    }

    /// The last day of a term of `days` working days that begins on the day after `from`, as terms do in law. A term
    /// that lies further ahead than is counted ends with the last day counted, and is an estimate.
    pub fn due(&self, from: Date, days: u16) -> Due {
        let mut due = Due { day: from, estimated: false };
        let mut left = days;
        for _ in 0..DAYS_AHEAD_MAX {
            let Some(next) = due.day.tomorrow().ok().filter(|_| left > 0) else { break };
            due.day = next;
            let day = self.on(due.day);
            due.estimated |= day.estimated;
            left -= u16::from(day.working);
        }
        due.estimated |= left > 0;
        due
    }

    /// The number of working days after `from` up to and with `to`; none when `to` is not later. Days that lie further
    /// apart than is counted are counted up to there, and that is an estimate.
    pub fn between(&self, from: Date, to: Date) -> Span {
        let mut span = Span { days: 0, estimated: false };
        let mut at = from;
        for _ in 0..DAYS_AHEAD_MAX {
            let Some(next) = at.tomorrow().ok().filter(|_| at < to) else { break };
            at = next;
            let day = self.on(at);
            span.days += u16::from(day.working);
            span.estimated |= day.estimated;
        }
        span.estimated |= at < to;
        span
    }
}

#[cfg(test)]
mod tests;
