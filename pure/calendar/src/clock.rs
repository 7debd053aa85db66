//! A clock of working days: when an answer is due, and how near that is. It stands still while the asker supplements.
//!
//! A clock is never stored. It is read from when something came in, stood still and went on, each time anew; so a
//! notice that is installed later makes an estimated day exact.

use crate::{Calendar, Due, end_of};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Bilingual, Timestamp, date_in_shanghai};

/// When the signals of a clock come on, in working days before the last day, and when its delay is told upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signals {
    /// Yellow from so many working days before the last day on.
    pub yellow: u16,
    /// Red from so many working days before the last day on.
    pub red: u16,
    /// The authority in charge hears of it so many working days after the last day.
    pub escalate: u16,
}

impl Default for Signals {
    fn default() -> Self {
        Self { yellow: 3, red: 1, escalate: 1 }
    }
}

/// A stretch in which the clock runs: from when the matter came in, until it was sent back for a supplement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The day of this instant does not count.
    pub from: Timestamp,
    /// The day of this instant still counts; none while it runs.
    pub until: Option<Timestamp>,
}

/// What a clock counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock<'a> {
    /// The term.
    pub working_days: u16,
    /// When it ran, in order.
    pub runs: &'a [Run],
    /// When the answer was given.
    pub answered: Option<Timestamp>,
    /// When its signals come on.
    pub signals: Signals,
}

/// How near the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Light {
    /// Time enough.
    Green,
    /// Soon.
    Yellow,
    /// Now.
    Red,
    /// Past the last day.
    Overdue,
    /// So long past it that the authority in charge hears of it.
    Escalated,
}

impl Light {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
            Self::Overdue => "overdue",
            Self::Escalated => "escalated",
        }
    }

    /// Its title.
    pub fn title(self) -> Bilingual {
        let (zh, en) = match self {
            Self::Green => ("正常", "in time"),
            Self::Yellow => ("黄灯", "yellow: due soon"),
            Self::Red => ("红灯", "red: due now"),
            Self::Overdue => ("逾期", "overdue"),
            Self::Escalated => ("逾期督办", "overdue, the authority is told"),
        };
        Bilingual::new(zh, en)
    }
}

/// What a clock shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The last day; none while the clock stands still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Due>,
    /// Working days that are left after today, or were left when the clock stopped or the answer came.
    pub left: u16,
    /// Working days past the last day.
    pub late: u16,
    /// How near the end is; of an answered matter, how near it was.
    pub light: Light,
    /// Whether it stands still.
    pub stopped: bool,
    /// Whether an answer came in time; none before there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_time: Option<bool>,
}

/// What `clock` shows at `now`. Whatever its times are, it shows something: distances are counted as far as
/// [`Calendar::between`] counts.
pub fn read(calendar: &Calendar, clock: &Clock<'_>, now: Timestamp) -> Reading {
    let mut left = clock.working_days;
    let mut due = None;
    for run in clock.runs {
        let from = date_in_shanghai(run.from);
        let ends = calendar.due(from, left);
        let Some(until) = run.until.map(date_in_shanghai) else {
            due = Some(ends);
            break;
        };
        if until > ends.day {
            // It ran out before it was stopped: nothing brings that back.
            due = Some(ends);
            break;
        }
        left -= calendar.between(from, until).days.min(left);
    }
    let at = clock.answered.unwrap_or(now);
    let Some(due) = due else {
        let light = light_before(left, clock.signals);
        return Reading { due: None, left, late: 0, light, stopped: true, in_time: None };
    };
    let today = date_in_shanghai(at);
    let overdue = at >= end_of(due.day);
    let (left, late) =
        if overdue { (0, calendar.between(due.day, today).days) } else { (calendar.between(today, due.day).days, 0) };
    let light = match overdue {
        true if late > clock.signals.escalate => Light::Escalated,
        true => Light::Overdue,
        false => light_before(left, clock.signals),
    };
    let in_time = clock.answered.map(|_| !overdue);
    Reading { due: Some(due), left, late, light, stopped: false, in_time }
}

fn light_before(left: u16, signals: Signals) -> Light {
    if left <= signals.red {
        Light::Red
    } else if left <= signals.yellow {
        Light::Yellow
    } else {
        Light::Green
    }
}
