use crate::{Days, NextRun, Schedule, WorkingDays, next_run};
use jiff::{ToSpan as _, civil::Weekday};
use proptest::prelude::*;
use vocabulary::{Date, Timestamp, date_in_shanghai};

/// Weekdays are worked but for October's first seven days; 2030 is not known.
struct Calendar;

impl WorkingDays for Calendar {
    fn is_working(&self, day: Date) -> Option<bool> {
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        let off = day.month() == 10 && day.day() <= 7;
        (day.year() != 2030).then_some(!weekend && !off)
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn next(schedule: &str, last: Option<&str>, now: &str) -> String {
    let next = next_run(&schedule.parse().unwrap(), &Calendar, last.map(at), at(now)).unwrap();
    format!("{}{}", next.at, if next.estimated { " estimated" } else { "" })
}

#[test]
fn a_run_is_due_at_its_time() {
    // Half past eight in Shanghai is half past midnight in UTC.
    assert_eq!(next("at 08:30", None, "2026-11-24T00:29:59Z"), "2026-11-24T00:30:00Z");
    assert_eq!(next("at 08:30", None, "2026-11-24T00:30:00Z"), "2026-11-25T00:30:00Z");
    assert_eq!(next("at 13:00,08:30", None, "2026-11-24T00:30:00Z"), "2026-11-24T05:00:00Z");
    // From Wednesday, the last of September, over seven days off to Thursday, the eighth.
    assert_eq!(next("at 08:30 working-days", None, "2026-09-30T01:00:00Z"), "2026-10-08T00:30:00Z");
    assert_eq!(next("every 5m", None, "2026-11-24T00:00:00Z"), "2026-11-24T00:05:00Z");
    // What was missed is not made up, and the rhythm stays.
    assert_eq!(next("every 5m", Some("2026-11-24T00:01:00Z"), "2026-11-24T01:00:00Z"), "2026-11-24T01:01:00Z");
    // On days off it waits for the first minute of the next working day.
    assert_eq!(
        next("every 1h working-days", Some("2026-09-30T15:30:00Z"), "2026-09-30T15:30:00Z"),
        "2026-10-07T16:00:00Z"
    );
    assert_eq!(next("at 08:30 working-days", None, "2030-01-04T01:00:00Z"), "2030-01-07T00:30:00Z estimated");
}

#[test]
fn what_is_no_schedule_is_refused() {
    let bad = [
        "",
        "5m",
        "every 5",
        "every 0s",
        "every 32d",
        "every 5m workdays",
        "every 5m working-days x",
        "at 8:30",
        "at 24:00",
        "at 08:30 08:40",
        "at",
        "every -5m",
        "每5分钟",
        "every m",
        "at 08:30,",
    ];
    for text in bad {
        assert_eq!(text.parse::<Schedule>().unwrap_err().code, "exchange.schedule", "{text:?}");
    }
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let days = prop::sample::select(vec![Days::All, Days::Working]);
    let times = prop::collection::btree_set((0..24_i8, 0..60_i8), 1..5)
        .prop_map(|all| all.into_iter().map(|(hour, minute)| jiff::civil::time(hour, minute, 0, 0)).collect());
    let what = prop_oneof![(1..=2_678_400_i64).prop_map(Err), times.prop_map(Ok)];
    (what, days).prop_map(|(what, days)| match what {
        Ok(times) => Schedule::At(times, days),
        Err(seconds) => Schedule::Every(seconds, days),
    })
}

proptest! {
    /// The next run is after now, on a day that is worked where it says so, and none lies between.
    #[test]
    fn the_next_run_is_the_next(schedule in any_schedule(), now in 1_000_000_000..1_890_000_000_i64) {
        let now = Timestamp::from_second(now).unwrap();
        let NextRun { at, estimated } = next_run(&schedule, &Calendar, None, now).unwrap();
        prop_assert!(at > now && !estimated);
        let day = date_in_shanghai(at);
        let (Schedule::Every(_, days) | Schedule::At(_, days)) = &schedule;
        prop_assert!(*days == Days::All || Calendar.is_working(day).unwrap());
        if let Schedule::At(times, _) = &schedule {
            let mut between = date_in_shanghai(now);
            while between < day {
                let later = times.iter().any(|it| {
                    vocabulary::SHANGHAI.to_timestamp(between.to_datetime(*it)).unwrap() > now
                });
                prop_assert!(!later || (*days == Days::Working && !Calendar.is_working(between).unwrap()));
                between = between.saturating_add(1.day());
            }
        }
        prop_assert_eq!(schedule.to_string().parse::<Schedule>().unwrap(), schedule);
    }
}
