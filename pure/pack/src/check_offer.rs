//! Offers against their record types: columns, masks, rows, answers.

use crate::check::{Scope, choice};
use crate::check_service;
use crate::finding::{Place, Report};
use crate::read::Part;
use policy::{Offer, Sharing};
use schema::RecordType;

/// A purpose is at most this many characters.
const PURPOSE_CHARS_MAX: usize = 200;

/// Checks one offer.
pub(crate) fn check(part: &Part<Offer>, scope: &Scope<'_>, report: &mut Report<'_>) {
    answers(part, report);
    purposes(part, report);
    quota(part, report);
    let offer = &part.value;
    if offer.is_service() || offer.calls.is_some() || scope.service(&offer.of).is_some() {
        return check_service::offer(part, scope, report);
    }
    match scope.record(&offer.of) {
        Some(record) => {
            columns(part, record, report);
            masks(part, record, report);
            personal(part, record, report);
            rows(part, record, report);
        }
        None if scope.complete => {
            let fact = (format!("没有记录类型 {}", offer.of), format!("there is no record type {}", offer.of));
            let remedy = choice(offer.of.as_str(), &scope.record_names());
            report.add(part.node.place_of("/of"), "pack.unknown_record", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
        }
        None => {}
    }
}

fn columns(part: &Part<Offer>, record: &RecordType, report: &mut Report<'_>) {
    let offer = &part.value;
    let known: Vec<&str> = record.fields.keys().map(schema::FieldName::as_str).collect();
    for (at, column) in offer.columns.iter().enumerate() {
        let place = part.node.place_of(&format!("/columns/{at}"));
        if record.field(column.as_str()).is_none() {
            let fact =
                (format!("{} 没有信息项 {column}", record.name), format!("{} has no field {column}", record.name));
            let remedy = choice(column.as_str(), &known);
            report.add(place, "pack.unknown_column", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
        }
        if offer.columns[..at].contains(column) {
            let fact = (format!("列 {column} 重复"), format!("column {column} stands twice"));
            report.add(place, "pack.twice", (&fact.0, &fact.1), ("删去一个", "remove one"));
        }
    }
    if offer.columns.is_empty() {
        let remedy = ("列出共享哪些列", "name the columns that are shared");
        report.add(part.node.place, "pack.columns", ("没有 columns", "there are no columns"), remedy);
        return;
    }
    for key in record.key.iter().filter(|it| !offer.columns.contains(it)) {
        let fact = (format!("缺少主键列 {key}"), format!("key column {key} is missing"));
        let remedy = (
            "主键列全部写入 columns：没有它，收方无法对应行",
            "name all key columns: without them rows cannot be told apart",
        );
        report.add(part.node.place_of("/columns"), "pack.key_column", (&fact.0, &fact.1), remedy);
    }
}

fn masks(part: &Part<Offer>, record: &RecordType, report: &mut Report<'_>) {
    for column in part.value.mask.keys() {
        let place = part.node.place_of(&format!("/mask/{column}"));
        let text = record.field(column.as_str()).is_some_and(|it| it.kind.is_text());
        if !part.value.columns.contains(column) || !text || record.key.contains(column) {
            let fact = (format!("列 {column} 不能脱敏"), format!("column {column} cannot be masked"));
            let remedy = (
                "只脱敏 columns 中的文本列，主键列除外；数值与日期列请不列入 columns",
                "mask text columns that the offer names, key columns excepted; leave numbers and dates out instead",
            );
            report.add(place, "pack.mask", (&fact.0, &fact.1), remedy);
        }
    }
}

fn personal(part: &Part<Offer>, record: &RecordType, report: &mut Report<'_>) {
    let offer = &part.value;
    if offer.share != Sharing::Unconditional {
        return;
    }
    for (at, column) in offer.columns.iter().enumerate() {
        let about_people = record.field(column.as_str()).is_some_and(|it| it.personal);
        if about_people && !offer.mask.contains_key(column) {
            let place = part.node.place_of(&format!("/columns/{at}"));
            let fact = (
                format!("个人信息列 {column} 无条件共享且未脱敏"),
                format!("column {column} is about people, shared without condition and not masked"),
            );
            let remedy = ("脱敏、去掉此列，或改为 conditional", "mask it, leave it out, or share it conditionally");
            report.add(place, "pack.personal", (&fact.0, &fact.1), remedy);
        }
    }
}

/// Findings of the condition, moved to where it stands in the file.
fn rows(part: &Part<Offer>, record: &RecordType, report: &mut Report<'_>) {
    let Err(findings) = part.value.rule(record) else { return };
    let start = part.node.get("rows").map_or(Place::START, |it| it.place);
    for finding in findings {
        // Lines of a text in several lines begin below its key; their columns are the source's own.
        let place = match finding.line {
            1 => Place { line: start.line, column: start.column + finding.column - 1 },
            line => Place { line: start.line + line - 1, column: finding.column },
        };
        let (fact, remedy) = (&finding.fact, &finding.remedy);
        report.add(place, finding.code, (&fact.zh, &fact.en), (&remedy.zh, &remedy.en));
    }
}

fn answers(part: &Part<Offer>, report: &mut Report<'_>) {
    let offer = &part.value;
    let remedy = match (offer.share, offer.answer.is_empty()) {
        (Sharing::Conditional, true) => Some((
            "有条件共享须写 answer：[own-department, authority, provider] 中由谁答复",
            "sharing under conditions names in answer who decides: own-department, authority, provider",
        )),
        (Sharing::Unconditional | Sharing::Refused, false) => Some((
            "无条件共享和不予共享不经人答复，删去 answer",
            "nobody answers where sharing is unconditional or refused: drop answer",
        )),
        _ if !offer.answer.is_sorted_by(|a, b| a < b) => Some((
            "每一环节至多一次，次序为 own-department、authority、provider",
            "each step at most once, in the order own-department, authority, provider",
        )),
        _ => None,
    };
    if let Some(remedy) = remedy {
        let place = part.node.place_of(if offer.answer.is_empty() { "/share" } else { "/answer" });
        report.add(place, "pack.answer", ("answer 与 share 不合", "answer and share do not go together"), remedy);
    }
}

fn purposes(part: &Part<Offer>, report: &mut Report<'_>) {
    for (at, purpose) in part.value.purpose.iter().enumerate() {
        let length = purpose.chars().count();
        let fits = (1..=PURPOSE_CHARS_MAX).contains(&length) && purpose.trim() == purpose;
        if !fits || part.value.purpose[..at].contains(purpose) {
            let place = part.node.place_of(&format!("/purpose/{at}"));
            let fact = (
                format!("用途“{purpose}”为空、过长、带空白或重复"),
                format!("purpose {purpose:?} is empty, too long, padded or repeated"),
            );
            let remedy = format!("写 1–{PURPOSE_CHARS_MAX} 个字符，各不相同");
            let remedy_en = format!("write 1 to {PURPOSE_CHARS_MAX} characters, each once");
            report.add(place, "pack.purpose", (&fact.0, &fact.1), (&remedy, &remedy_en));
        }
    }
}

fn quota(part: &Part<Offer>, report: &mut Report<'_>) {
    if part.value.quota.is_some_and(|it| it.rows_per_day == 0) {
        let place = part.node.place_of("/quota/rows_per_day");
        let remedy = ("写至少 1，或以 share: refused 表示不予共享", "write at least 1, or share: refused");
        report.add(place, "pack.quota", ("配额为 0 行", "the quota is no rows"), remedy);
    }
}
