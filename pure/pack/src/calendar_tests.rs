//! The calendar of the pack, day by day over twenty years: against a library that others keep, against the State
//! Council's notices where their file is, and terms against a plain list of working days.

use crate::{
    Calendar, read_all,
    tests::{folders, real_data},
};
use std::fs;
use vocabulary::Date;

const ORACLE: &str = include_str!("../oracle/working-days.txt");
/// Terms that are tried from every day.
const TERMS: [u16; 9] = [0, 1, 2, 3, 5, 10, 15, 20, 60];

fn calendar() -> Calendar {
    let packs = read_all(&folders()).unwrap();
    packs.into_iter().flat_map(|it| it.calendars).next().unwrap()
}

/// Every day of the oracle, and whether it is worked.
fn days() -> Vec<(Date, bool)> {
    let mut days = Vec::new();
    for line in ORACLE.lines().filter(|it| !it.starts_with('#')) {
        let (year, bits) = line.split_once(' ').unwrap();
        let first = Date::constant(year.parse().unwrap(), 1, 1);
        for at in 0..first.days_in_year() {
            let digit = bits[usize::try_from(at / 4).unwrap()..].chars().next().unwrap().to_digit(16).unwrap();
            let day = first.checked_add(jiff::Span::new().days(at)).unwrap();
            days.push((day, digit >> (3 - at % 4) & 1 == 1));
        }
    }
    days
}

#[test]
fn every_day_of_twenty_years_is_what_an_independent_library_says() {
    let (calendar, days) = (calendar(), days());
    assert_eq!(days.len(), 7_305);
    for (day, working) in days {
        assert_eq!(calendar.on(day).working, working, "{day}");
        // Of the last days of 2026 the next notice has the last word.
        assert_eq!(calendar.on(day).estimated, day >= Date::constant(2026, 12, 28), "{day}");
    }
}

/// Terms from every day, against the list of working days: the nth behind it.
#[test]
fn every_term_from_every_day_ends_on_the_nth_working_day() {
    let (calendar, days) = (calendar(), days());
    let worked: Vec<Date> = days.iter().filter(|it| it.1).map(|it| it.0).collect();
    for (day, _) in &days {
        let behind = worked.partition_point(|it| it <= day);
        for term in TERMS {
            let nth = if term == 0 { Some(day) } else { worked.get(behind + usize::from(term) - 1) };
            let Some(nth) = nth else { continue };
            let due = calendar.due(*day, term);
            assert_eq!(
                (due.day, due.estimated),
                (*nth, *nth >= Date::constant(2026, 12, 28) && term > 0),
                "{day}+{term}"
            );
            assert_eq!(calendar.between(*day, *nth).days, term, "{day}+{term}");
        }
    }
}

/// The notices themselves, where the folder of real data is.
#[test]
fn every_day_is_what_the_notices_say() {
    let Some(data) = real_data() else { return };
    let text = fs::read(data.join("government/holidays.csv")).unwrap();
    let calendar = calendar();
    let mut named = 0;
    for row in csv::Reader::from_reader(text.as_slice()).records() {
        let row = row.unwrap();
        let day: Date = row[1].parse().unwrap();
        assert_eq!(calendar.on(day).working, &row[3] == "0", "{day}");
        named += 1;
    }
    assert!(named > 500, "{named}");
}

#[test]
fn a_year_without_notice_is_estimated_until_it_comes() {
    let whole = calendar();
    let mut without = whole.clone();
    let notice = without.years.remove("2026").unwrap();
    let day = |month, day| Date::constant(2026, month, day);
    // Festivals of a fixed date are known; the Spring Festival is not.
    assert!(!without.on(day(10, 1)).working && without.on(day(2, 16)).working && without.on(day(2, 16)).estimated);
    let due = without.due(day(2, 13), 3);
    assert_eq!((due.day, due.estimated), (day(2, 18), true));
    without.years.insert("2026".to_owned(), notice);
    let due = without.due(day(2, 13), 3);
    assert_eq!((due.day, due.estimated), (day(2, 25), false), "14 February is worked, 15 to 23 are off");
    assert_eq!(whole.due(day(2, 13), 3), due);
}
