//! Data files: zones, calendars, terms and catalogue entries.

use crate::check::{Scope, choice, theme};
use crate::entry::{Class, Entry, Method, code_is_formed};
use crate::finding::{Finding, Report};
use crate::read::Part;
use crate::schemas::ZonesFile;
use crate::{Calendar, Deadlines};
use policy::Sharing;
use schema::division;
use vocabulary::ResourceId;

/// A term is at most this many working days.
const TERM_DAYS_MAX: u16 = 120;

/// Checks all data files of a pack.
pub(crate) fn check(scope: &Scope<'_>, findings: &mut Vec<Finding>) {
    for part in &scope.own.zones {
        zones(part, scope, &mut Report::new(&part.file, findings));
    }
    for part in &scope.own.calendars {
        calendar(part, &mut Report::new(&part.file, findings));
    }
    for part in &scope.own.deadlines {
        deadlines(part, scope, &mut Report::new(&part.file, findings));
    }
    crate::thing::check(&scope.own.chain, findings);
    let names: Vec<&ResourceId> = scope.own.entries.iter().flat_map(|it| &it.value).map(|it| &it.entry).collect();
    let codes: Vec<&str> = scope.own.entries.iter().flat_map(|it| &it.value).map(|it| it.code.as_str()).collect();
    let mut before = 0;
    for part in &scope.own.entries {
        let mut report = Report::new(&part.file, findings);
        for (at, entry) in part.value.iter().enumerate() {
            let position = before + at;
            let twice = names[..position].contains(&&entry.entry) || codes[..position].contains(&entry.code.as_str());
            if twice {
                let place = part.node.place_of(&format!("/entries/{at}"));
                let id = &entry.entry;
                let fact =
                    (format!("目录条目 {id} 的名字或代码已用过"), format!("name or code of entry {id} is taken"));
                report.add(place, "pack.twice", (&fact.0, &fact.1), ("改名或改代码", "give it another name or code"));
            }
            self::entry(part, at, entry, &names, scope, &mut report);
        }
        before += part.value.len();
    }
}

fn zones(part: &Part<ZonesFile>, scope: &Scope<'_>, report: &mut Report<'_>) {
    for (zone, parent) in &part.value.zones {
        let place = part.node.place_of(&format!("/zones/{zone}"));
        let unknown = |code: &str| scope.list(division::LIST).is_some_and(|it| !it.knows_division(code, None));
        for code in [zone, parent] {
            if let Err(fault) = division::check(code) {
                report.add(
                    place,
                    "pack.division",
                    (&fault.reason.zh, &fault.reason.en),
                    ("改正代码", "correct the code"),
                );
            } else if unknown(code) {
                let fact = (format!("没有行政区划 {code}"), format!("there is no division {code}"));
                let remedy = ("先写入代码表 divisions", "enter it in the code list divisions first");
                report.add(place, "pack.division", (&fact.0, &fact.1), remedy);
            }
        }
        if division::significant(parent).len() >= division::significant(zone).len() {
            let fact = (format!("{parent} 不在 {zone} 之上"), format!("{parent} is not above {zone}"));
            report.add(place, "pack.division", (&fact.0, &fact.1), ("写上级区划", "name a division of a higher level"));
        }
    }
}

fn calendar(part: &Part<Calendar>, report: &mut Report<'_>) {
    let weekend =
        |day: &vocabulary::Date| matches!(day.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday);
    for (name, year) in &part.value.years {
        let number = name.parse::<i16>().ok().filter(|_| name.len() == 4);
        // A notice may bridge New Year's Day with days of the December before.
        let own = |day: &vocabulary::Date| {
            Some(day.year()) == number || (day.month() == 12 && day.year().checked_add(1) == number)
        };
        for day in year.off.keys().filter(|it| !own(it) || year.worked.contains(it)) {
            let place = part.node.place_of(&format!("/years/{name}/off/{day}"));
            let fact = (
                format!("{day} 不在 {name} 年，或又列为上班日"),
                format!("{day} is not in {name}, or is also a day worked"),
            );
            report.add(place, "pack.calendar", (&fact.0, &fact.1), ("改正日期", "correct the date"));
        }
        for (at, day) in year.worked.iter().enumerate().filter(|(_, it)| !own(it) || !weekend(it)) {
            let place = part.node.place_of(&format!("/years/{name}/worked/{at}"));
            let fact = (format!("{day} 不是 {name} 年的周末"), format!("{day} is no weekend day of {name}"));
            let remedy = ("worked 只列要上班的周末", "list in worked only the weekend days that are worked");
            report.add(place, "pack.calendar", (&fact.0, &fact.1), remedy);
        }
    }
    for day in part.value.fixed.keys().filter(|it| !is_month_and_day(it)) {
        let place = part.node.place_of(&format!("/fixed/{day}"));
        let fact = (format!("{day} 不是月-日"), format!("{day} is no month and day"));
        report.add(place, "pack.calendar", (&fact.0, &fact.1), ("写 05-01 的样子", "write it like 05-01"));
    }
}

fn is_month_and_day(text: &str) -> bool {
    text.len() == 5 && format!("2024-{text}").parse::<vocabulary::Date>().is_ok()
}

fn deadlines(part: &Part<Deadlines>, scope: &Scope<'_>, report: &mut Report<'_>) {
    let name = &part.value.calendar;
    if scope.complete && scope.calendar(name).is_none() {
        let fact = (format!("没有日历 {name}"), format!("there is no calendar {name}"));
        let remedy = ("在 needs 中写明有此日历的业务包", "name the pack that has it in needs");
        report.add(part.node.place_of("/calendar"), "pack.unknown_calendar", (&fact.0, &fact.1), remedy);
    }
    let fits = |days: u16, promised: Option<u16>| {
        (1..=TERM_DAYS_MAX).contains(&days) && promised.is_none_or(|it| (1..=days).contains(&it))
    };
    if let Some(objection) = part.value.objection.as_ref().filter(|it| !fits(it.working_days, it.promised)) {
        let fact = (
            format!("异议时限 {} 不合范围", objection.working_days),
            format!("the term {} for objections is out of range", objection.working_days),
        );
        let remedy = (
            format!("1–{TERM_DAYS_MAX} 个工作日，承诺不长于法定"),
            format!("1 to {TERM_DAYS_MAX} working days, what is promised no longer than that"),
        );
        let place = part.node.place_of("/objection/working_days");
        report.add(place, "pack.term", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
    }
    for (at, term) in part.value.terms.iter().enumerate() {
        let place = part.node.place_of(&format!("/terms/{at}"));
        let twice = part.value.terms[..at].iter().any(|it| it.step == term.step);
        if twice || !fits(term.working_days, term.promised) {
            let fact = ("环节重复，或时限不合范围", "the step stands twice, or its term is out of range");
            let remedy = format!("每一环节一条，1–{TERM_DAYS_MAX} 个工作日");
            let remedy_en = format!("one term a step, 1 to {TERM_DAYS_MAX} working days");
            report.add(place, "pack.term", fact, (&remedy, &remedy_en));
        }
    }
}

fn entry(
    part: &Part<Vec<Entry>>,
    at: usize,
    entry: &Entry,
    names: &[&ResourceId],
    scope: &Scope<'_>,
    report: &mut Report<'_>,
) {
    let place = |word: &str| part.node.place_of(&format!("/entries/{at}/{word}"));
    let id = &entry.entry;
    if !code_is_formed(&entry.code) || !entry.code.starts_with(entry.class.digit()) {
        let fact = (
            format!("{id} 的代码“{}”不合结构", entry.code),
            format!("the code {:?} of {id} is not formed", entry.code),
        );
        let digit = entry.class.digit();
        let remedy = (
            format!("写 类（{digit}）、项 2 位、目 3 位、细目 1–5 位，“/”，顺序号，如 {digit}010101/000001"),
            format!(
                "class ({digit}), item (2), subject (3), detail (1 to 5 digits), '/', serial: {digit}010101/000001"
            ),
        );
        report.add(place("code"), "pack.entry_code", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
    }
    theme(&entry.theme, place("theme"), scope, report);
    for (number, other) in entry.related.iter().enumerate() {
        if !names.contains(&other) || other == id {
            let fact = (format!("没有关联条目 {other}"), format!("there is no related entry {other}"));
            let known: Vec<&str> = names.iter().map(|it| it.as_str()).collect();
            let remedy = choice(other.as_str(), &known);
            let place = place(&format!("related/{number}"));
            report.add(place, "pack.unknown_entry", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
        }
    }
    let told = entry.condition.is_some();
    let right = match entry.share {
        Sharing::Unconditional => !told && entry.method != Method::None,
        Sharing::Conditional => told && entry.method != Method::None,
        Sharing::Refused => told && entry.method == Method::None,
    };
    if !right {
        let fact = (
            format!("{id} 的共享类型、条件和方式不合"),
            format!("sharing, condition and method of {id} do not go together"),
        );
        let remedy = (
            "无条件：不写 condition；有条件：写 condition；不予共享：condition 写法律依据，method 写 none",
            "unconditional: no condition; conditional: a condition; refused: the legal basis as condition, method none",
        );
        report.add(place("share"), "pack.entry_share", (&fact.0, &fact.1), remedy);
    }
    if entry.items.is_empty() || entry.formats.is_empty() {
        let fact = (format!("{id} 没有信息项或格式"), format!("{id} has no items or no formats"));
        report.add(
            place("items"),
            "pack.entry_items",
            (&fact.0, &fact.1),
            ("各写至少一个", "write at least one of each"),
        );
    }
    if entry.class == Class::Base && entry.share == Sharing::Refused {
        let fact = (format!("基础信息资源 {id} 不予共享"), format!("base resource {id} is refused"));
        let remedy = ("基础信息资源应共享（2017 指南）", "base resources are to be shared (guide of 2017)");
        report.add(place("share"), "pack.entry_share", (&fact.0, &fact.1), remedy);
    }
}
