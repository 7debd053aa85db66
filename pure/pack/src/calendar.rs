//! Working days: weekdays, but for the days off and the days made up that the State Council announces each year.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vocabulary::{Bilingual, Date, Kind, Problem, ResourceId, ensure};

/// Working days are counted over at most this many days ahead.
const DAYS_AHEAD_MAX: usize = 1_000;

/// A calendar of working days as a pack declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Its name.
    pub calendar: ResourceId,
    /// Its title.
    pub title: Bilingual,
    /// The years that it knows.
    pub years: BTreeMap<String, Year>,
}

/// One year of a calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Year {
    /// The notice that announced it.
    pub notice: String,
    /// Days off, each with the festival.
    #[schemars(with = "BTreeMap<String, String>")]
    pub off: BTreeMap<Date, String>,
    /// Saturdays and Sundays that are worked.
    #[schemars(with = "Vec<String>")]
    pub worked: Vec<Date>,
}

impl Calendar {
    /// Whether `day` is a working day.
    ///
    /// # Errors
    /// `calendar.unknown_year` for a year that it does not know: guessing would shift legal terms.
    pub fn is_working(&self, day: Date) -> Result<bool, Problem> {
        let year = self.years.get(&format!("{:04}", day.year())).ok_or_else(|| self.unknown_year(day.year()))?;
        let weekend = matches!(day.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday);
        Ok(year.worked.contains(&day) || (!weekend && !year.off.contains_key(&day)))
    }

    /// The last day of a term of `days` working days that begins on the day after `from`, as terms do in law.
    ///
    /// # Errors
    /// `calendar.unknown_year` when the term leaves the years that it knows.
    pub fn after(&self, from: Date, days: u16) -> Result<Date, Problem> {
        let mut left = days;
        let mut day = from;
        for _ in 0..DAYS_AHEAD_MAX {
            if left == 0 {
                return Ok(day);
            }
            day = day.tomorrow().map_err(|_| self.unknown_year(day.year()))?;
            if self.is_working(day)? {
                left -= 1;
            }
        }
        Err(self.unknown_year(day.year()))
    }

    /// The number of working days after `from` up to and with `to`; none when `to` is not later.
    ///
    /// # Errors
    /// `calendar.unknown_year`, or `calendar.too_far` beyond a few years.
    pub fn between(&self, from: Date, to: Date) -> Result<u16, Problem> {
        let mut count = 0;
        let mut day = from;
        for _ in 0..DAYS_AHEAD_MAX {
            if day >= to {
                return Ok(count);
            }
            day = day.tomorrow().map_err(|_| self.unknown_year(day.year()))?;
            count += u16::from(self.is_working(day)?);
        }
        ensure!(
            day >= to,
            Problem::new(
                Kind::Unprocessable,
                "calendar.too_far",
                format!("{from} 与 {to} 相隔超过 {DAYS_AHEAD_MAX} 天"),
                format!("{from} and {to} are more than {DAYS_AHEAD_MAX} days apart"),
            )
        );
        Ok(count)
    }

    fn unknown_year(&self, year: i16) -> Problem {
        let known = self.years.keys().cloned().collect::<Vec<_>>().join(", ");
        Problem::new(
            Kind::Unprocessable,
            "calendar.unknown_year",
            format!("日历 {} 不含 {year} 年（已有：{known}）；请装入该年放假安排", self.calendar),
            format!("calendar {} does not know {year} (known: {known}); install that year's notice", self.calendar),
        )
    }
}
