//! When a delivery runs: every so often, or at times of day, on all days or on working days.
//!
//! Pure: what a working day is comes from a calendar that the caller hands in. Times are those of Asia/Shanghai.
//! Written as people say it: `every 5m`, `every 10s working-days`, `at 08:30`, `at 08:30,13:00 working-days`.

use jiff::{SignedDuration, civil::Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use vocabulary::{Date, Kind, Problem, SHANGHAI, Timestamp, date_in_shanghai};

/// No delivery runs more often.
pub const EVERY_SECONDS_MIN: i64 = 1;
/// Nor less often, if it says every so often: 31 days.
pub const EVERY_SECONDS_MAX: i64 = 31 * 86_400;
/// Times of day in one schedule at most.
const TIMES_MAX: usize = 24;
/// The longest row of days off that a next run is looked for behind; the longest there was has nine.
const DAYS_OFF_MAX: usize = 60;

/// Says which days are worked.
pub trait WorkingDays {
    /// Whether `day` is a working day; none where the calendar does not know its year.
    fn is_working(&self, day: Date) -> Option<bool>;
}

/// On which days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Days {
    /// On all.
    All,
    /// On working days.
    Working,
}

/// When a delivery runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Every so many seconds.
    Every(i64, Days),
    /// At these times of day, in order.
    At(Vec<Time>, Days),
}

/// The next run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextRun {
    /// When.
    pub at: Timestamp,
    /// Whether the calendar did not know the year, and weekdays were taken for working days.
    pub estimated: bool,
}

/// Whether a day is worked, and whether that was estimated.
fn worked(days: Days, calendar: &dyn WorkingDays, day: Date) -> (bool, bool) {
    use jiff::civil::Weekday::{Saturday, Sunday};
    match days {
        Days::All => (true, false),
        Days::Working => match calendar.is_working(day) {
            Some(it) => (it, false),
            None => (!matches!(day.weekday(), Saturday | Sunday), true),
        },
    }
}

/// The next run after `now`; none where no working day is near. `last` is when the run before was due.
pub fn next_run(
    schedule: &Schedule,
    calendar: &dyn WorkingDays,
    last: Option<Timestamp>,
    now: Timestamp,
) -> Option<NextRun> {
    match schedule {
        Schedule::Every(seconds, days) => {
            let at = stepped(*seconds, last, now)?;
            let (works, estimated) = worked(*days, calendar, date_in_shanghai(at));
            if works {
                return Some(NextRun { at, estimated });
            }
            first_of_day(*days, calendar, date_in_shanghai(at).tomorrow().ok()?, &[Time::midnight()], now)
        }
        Schedule::At(times, days) => first_of_day(*days, calendar, date_in_shanghai(now), times, now),
    }
}

/// The first step of so many seconds behind `last` that is after `now`: runs that were missed are not made up.
fn stepped(seconds: i64, last: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let from = last.unwrap_or(now);
    let behind = now.duration_since(from).as_secs().max(0);
    let steps = behind / seconds + 1;
    from.checked_add(SignedDuration::from_secs(steps.checked_mul(seconds)?)).ok()
}

fn first_of_day(days: Days, calendar: &dyn WorkingDays, from: Date, times: &[Time], now: Timestamp) -> Option<NextRun> {
    let mut day = from;
    for _ in 0..DAYS_OFF_MAX {
        let (works, estimated) = worked(days, calendar, day);
        if works {
            for time in times {
                let at = SHANGHAI.to_timestamp(day.to_datetime(*time)).ok()?;
                if at > now {
                    return Some(NextRun { at, estimated });
                }
            }
        }
        day = day.tomorrow().ok()?;
    }
    None
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = match self {
            Self::Every(seconds, days) => {
                let (number, unit) = match seconds {
                    it if it % 86_400 == 0 => (it / 86_400, "d"),
                    it if it % 3_600 == 0 => (it / 3_600, "h"),
                    it if it % 60 == 0 => (it / 60, "m"),
                    it => (*it, "s"),
                };
                write!(f, "every {number}{unit}")?;
                days
            }
            Self::At(times, days) => {
                let times: Vec<String> = times.iter().map(|it| it.strftime("%H:%M").to_string()).collect();
                write!(f, "at {}", times.join(","))?;
                days
            }
        };
        if *days == Days::Working { f.write_str(" working-days") } else { Ok(()) }
    }
}

fn unreadable(text: &str) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "exchange.schedule",
        format!("时间安排“{text}”无法读懂；请写作 every 5m、every 1h working-days、at 08:30,13:00 working-days"),
        format!("schedule {text:?} cannot be read; write every 5m, every 1h working-days, at 08:30,13:00 working-days"),
    )
    .field("/schedule")
}

fn span(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = number.checked_mul(match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    })?;
    (EVERY_SECONDS_MIN..=EVERY_SECONDS_MAX).contains(&seconds).then_some(seconds)
}

fn times(text: &str) -> Option<Vec<Time>> {
    let time = |it: &str| {
        let (hour, minute) = it.split_once(':')?;
        let plain = hour.len() == 2 && minute.len() == 2;
        plain.then(|| Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()).flatten()
    };
    let mut times = text.split(',').map(time).collect::<Option<Vec<_>>>()?;
    times.sort_unstable();
    times.dedup();
    (times.len() <= TIMES_MAX).then_some(times)
}

impl FromStr for Schedule {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let days = match words.get(2) {
            None => Days::All,
            Some(&"working-days") if words.len() == 3 => Days::Working,
            Some(_) => return Err(unreadable(text)),
        };
        let schedule = match words.as_slice() {
            ["every", it, ..] => span(it).map(|it| Self::Every(it, days)),
            ["at", it, ..] => times(it).map(|it| Self::At(it, days)),
            _ => None,
        };
        schedule.ok_or_else(|| unreadable(text))
    }
}

impl Serialize for Schedule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|it: Problem| serde::de::Error::custom(it.detail))
    }
}

impl JsonSchema for Schedule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Schedule".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "every 5m | every 1h working-days | at 08:30 | at 08:30,13:00 working-days",
        })
    }
}
