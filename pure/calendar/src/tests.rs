use crate::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn day(year: i16, month: i8, day: i8) -> Date {
    Date::constant(year, month, day)
}

/// 2026 with its notices of October, and nothing about other years.
fn calendar() -> Calendar {
    let off = (1..=7).map(|it| (day(2026, 10, it), "国庆节".to_owned())).collect();
    let year = Year { notice: "通知".to_owned(), off, worked: vec![day(2026, 9, 20), day(2026, 10, 10)] };
    Calendar {
        calendar: ResourceId::new("days").unwrap(),
        title: Bilingual::new("日历", "Calendar"),
        fixed: BTreeMap::from([("05-01".to_owned(), "劳动节".to_owned())]),
        years: BTreeMap::from([("2026".to_owned(), year)]),
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Ten in the morning in Shanghai.
fn morning(day: Date) -> Timestamp {
    SHANGHAI.to_timestamp(day.at(10, 0, 0, 0)).unwrap()
}

fn clock(working_days: u16, runs: &[Run]) -> Clock<'_> {
    Clock { working_days, runs, answered: None, signals: Signals { yellow: 3, red: 1, escalate: 2 } }
}

#[test]
fn a_day_ends_at_midnight_in_shanghai() {
    assert_eq!(end_of(day(2026, 11, 24)), at("2026-11-24T16:00:00Z"));
}

#[test]
fn terms_are_counted_over_so_many_days_and_estimated_beyond() {
    let monday = day(2024, 1, 1);
    let later = |days: i64| monday.checked_add(jiff::Span::new().days(days)).unwrap();
    let years = (2024..=2026)
        .map(|it| (it.to_string(), Year { notice: "通知".to_owned(), off: BTreeMap::new(), worked: Vec::new() }));
    let calendar = Calendar { fixed: BTreeMap::new(), years: years.collect(), ..calendar() };
    assert_eq!(calendar.between(monday, later(1_000)), Span { days: 714, estimated: false });
    assert_eq!(calendar.between(monday, later(1_001)), Span { days: 714, estimated: true });
    assert!(calendar.between(Date::MIN, Date::MAX).estimated);
    assert_eq!(calendar.due(monday, 714), Due { day: later(998), estimated: false });
    assert_eq!(calendar.due(monday, 717), Due { day: later(1_000), estimated: true });
    assert_eq!(calendar.due(Date::MAX, 3), Due { day: Date::MAX, estimated: true });
    assert_eq!(calendar.between(day(2026, 10, 10), day(2026, 9, 1)).days, 0);
}

/// Times that others wrote may be any: an answer of long ago, one that was waited for through years, the end of time.
#[test]
fn a_clock_is_read_whatever_its_times_are() {
    let monday = morning(day(2026, 11, 9));
    let runs = [Run { from: monday, until: None }];
    let backdated = Clock { answered: Some(Timestamp::UNIX_EPOCH), ..clock(10, &runs) };
    assert_eq!(read(&calendar(), &backdated, monday).light, Light::Green);
    let years = monday + jiff::SignedDuration::from_hours(24 * 1_500);
    let shown = read(&calendar(), &clock(10, &runs), years);
    assert_eq!((shown.light, shown.left), (Light::Escalated, 0));
    let ever = [Timestamp::MIN, Timestamp::UNIX_EPOCH, monday, Timestamp::MAX];
    for (from, until, answered) in ever.iter().flat_map(|a| ever.iter().flat_map(move |b| ever.map(|c| (*a, *b, c)))) {
        for until in [None, Some(until)] {
            let runs = [Run { from, until }, Run { from: monday, until: None }];
            read(&calendar(), &Clock { answered: Some(answered), ..clock(10, &runs) }, monday);
            read(&calendar(), &clock(10, &runs), answered);
        }
    }
}

#[test]
fn the_next_notice_has_the_last_word_on_december() {
    let mut calendar = calendar();
    assert_eq!(calendar.on(day(2026, 12, 27)), Day { working: false, estimated: false });
    assert_eq!(calendar.on(day(2026, 12, 28)), Day { working: true, estimated: true });
    let off = BTreeMap::from([(day(2026, 12, 28), "元旦".to_owned())]);
    let next = Year { notice: "通知".to_owned(), off, worked: vec![day(2026, 12, 26)] };
    calendar.years.insert("2027".to_owned(), next);
    assert_eq!(calendar.on(day(2026, 12, 28)), Day { working: false, estimated: false });
    assert_eq!(calendar.on(day(2026, 12, 26)), Day { working: true, estimated: false });
    assert_eq!(calendar.on(day(2027, 5, 1)), Day { working: false, estimated: false }, "a Saturday");
    // A festival of a fixed date estimates only a year that has no notice.
    assert_eq!(calendar.on(day(2028, 5, 1)), Day { working: false, estimated: true });
    assert_eq!(calendar.on(day(2026, 5, 1)), Day { working: true, estimated: false });
}

#[test]
fn a_clock_turns_yellow_red_and_overdue() {
    // In on Monday 9 November, ten working days: Monday the 23rd.
    let runs = [Run { from: morning(day(2026, 11, 9)), until: None }];
    let shown = |at: Timestamp| read(&calendar(), &clock(10, &runs), at);
    let light = |month, date| shown(morning(day(2026, month, date))).light;
    let first = shown(morning(day(2026, 11, 9)));
    assert_eq!((first.due, first.left), (Some(Due { day: day(2026, 11, 23), estimated: false }), 10));
    assert_eq!(light(11, 17), Light::Green);
    assert_eq!(light(11, 18), Light::Yellow);
    assert_eq!(light(11, 20), Light::Red);
    assert_eq!(light(11, 23), Light::Red);
    assert_eq!(shown(at("2026-11-23T15:59:59.999999Z")).light, Light::Red);
    assert_eq!(shown(at("2026-11-23T16:00:00Z")).light, Light::Overdue);
    assert_eq!((light(11, 25), light(11, 26)), (Light::Overdue, Light::Escalated));
    let answered = |at| read(&calendar(), &Clock { answered: Some(at), ..clock(10, &runs) }, morning(day(2027, 1, 4)));
    assert_eq!(answered(at("2026-11-23T15:59:59Z")).in_time, Some(true));
    let late = answered(at("2026-11-23T16:00:00Z"));
    assert_eq!((late.in_time, late.late, late.light), (Some(false), 1, Light::Overdue));
}

#[test]
fn a_clock_stands_still_while_the_asker_supplements() {
    let (monday, wednesday) = (morning(day(2026, 11, 9)), morning(day(2026, 11, 11)));
    let stopped = [Run { from: monday, until: Some(wednesday) }];
    let shown = read(&calendar(), &clock(5, &stopped), morning(day(2026, 11, 30)));
    assert_eq!((shown.due, shown.left, shown.stopped, shown.light), (None, 3, true, Light::Yellow));
    let on = [stopped[0], Run { from: morning(day(2026, 11, 30)), until: None }];
    let shown = read(&calendar(), &clock(5, &on), morning(day(2026, 11, 30)));
    assert_eq!(shown.due.unwrap().day, day(2026, 12, 3));
    // It had run out before: a question asked too late saves nothing.
    let late = [Run { from: monday, until: Some(morning(day(2026, 11, 20))) }, on[1]];
    let shown = read(&calendar(), &clock(5, &late), morning(day(2026, 11, 30)));
    assert_eq!((shown.due.unwrap().day, shown.light), (day(2026, 11, 16), Light::Escalated));
}

fn any_day() -> impl Strategy<Value = Date> {
    (0_i64..1_000).prop_map(|it| day(2025, 6, 1).checked_add(jiff::Span::new().days(it)).unwrap())
}

proptest! {
    /// What is due is a working day behind what came in, and so many working days away; who starts later is not due
    /// earlier.
    #[test]
    fn a_term_is_its_working_days(from in any_day(), later in 0_i64..60, days in 0_u16..120) {
        let calendar = calendar();
        let due = calendar.due(from, days);
        prop_assert!(due.day >= from && (days == 0 || calendar.on(due.day).working));
        prop_assert_eq!(calendar.between(from, due.day).days, days);
        let after = calendar.due(from.checked_add(jiff::Span::new().days(later)).unwrap(), days);
        prop_assert!(after.day >= due.day);
    }

    /// A stop never makes an answer due earlier, nor by more than it lasted, counted in working days.
    #[test]
    fn a_stop_gives_no_more_than_it_took(from in any_day(), ran in 0_i64..40, stood in 0_i64..40, days in 1_u16..40) {
        let calendar = calendar();
        let day = |it: i64| from.checked_add(jiff::Span::new().days(it)).unwrap();
        let (stop, go) = (day(ran), day(ran + stood));
        let one = [Run { from: morning(from), until: None }];
        let two = [Run { from: morning(from), until: Some(morning(stop)) }, Run { from: morning(go), until: None }];
        let plain = read(&calendar, &clock(days, &one), morning(go)).due.unwrap().day;
        let due = read(&calendar, &clock(days, &two), morning(go)).due.unwrap().day;
        prop_assert!(due >= plain);
        let stood = calendar.between(stop, go).days;
        prop_assert!(calendar.between(plain, due).days <= stood);
    }

    /// A clock only ever goes from green to red and past it.
    #[test]
    fn lights_never_go_back(from in any_day(), days in 1_u16..40, first in 0_i64..90, more in 0_i64..30) {
        let runs = [Run { from: morning(from), until: None }];
        let shown = |it: i64| {
            let now = morning(from.checked_add(jiff::Span::new().days(it)).unwrap());
            read(&calendar(), &clock(days, &runs), now).light
        };
        prop_assert!(shown(first) <= shown(first + more));
    }
}
