//! What the values of a column are, by check digits and shapes.
//!
//! Pure. A column is what all of at least [`VALUES_MIN`] different values are.

use super::term::{Term, term_of_title};
use crate::ItemType;
use schema::Grade;
use vocabulary::Date;

/// Fewer values than this prove nothing.
pub const VALUES_MIN: usize = 3;

/// What has more digits than this is a code, not a number.
const NUMBER_CHARS_MAX: usize = 15;

/// What values turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// 统一社会信用代码, with its check characters.
    Uscc,
    /// 公民身份号码, with its check digit.
    CitizenId,
    /// 手机号码.
    Mobile,
    /// 电子邮箱.
    Email,
    /// 行政区划代码, of 6, 9 or 12 digits.
    Division,
    /// 日期.
    Date,
    /// 日期时间.
    Instant,
    /// 是/否.
    Boolean,
    /// A number.
    Number,
}

impl Found {
    /// Its data type.
    pub fn kind(self) -> ItemType {
        match self {
            Self::Date => ItemType::Date,
            Self::Instant => ItemType::Instant,
            Self::Boolean => ItemType::Boolean,
            Self::Number => ItemType::Number,
            _ => ItemType::Text,
        }
    }

    /// Whether it is about a natural person.
    pub fn personal(self) -> bool {
        matches!(self, Self::CitizenId | Self::Mobile | Self::Email)
    }

    /// The grade that it calls for.
    pub fn grade(self) -> Grade {
        match self {
            Self::CitizenId => Grade::General4,
            Self::Mobile | Self::Email => Grade::General3,
            _ => Grade::General1,
        }
    }

    /// The standard term that it is, if it is one.
    pub(crate) fn term(self) -> Option<&'static Term> {
        let title = match self {
            Self::Uscc => "统一社会信用代码",
            Self::CitizenId => "公民身份号码",
            Self::Mobile => "手机号码",
            Self::Email => "电子邮箱",
            Self::Division => "行政区划代码",
            _ => return None,
        };
        term_of_title(title)
    }
}

/// What all of the values are; none when they are few or differ.
pub fn detect(values: &[String]) -> Option<Found> {
    let values: Vec<&str> = values.iter().map(|it| it.trim()).filter(|it| !it.is_empty()).collect();
    if values.len() < VALUES_MIN {
        return None;
    }
    type Is = fn(&str) -> bool;
    let kinds: [(Found, Is); 9] = [
        (Found::Uscc, |it| schema::org_code::check_uscc(it).is_ok()),
        (Found::CitizenId, is_citizen_id),
        (Found::Mobile, is_mobile),
        (Found::Email, is_email),
        (Found::Date, is_date),
        (Found::Division, is_division),
        (Found::Instant, is_instant),
        (Found::Boolean, is_boolean),
        (Found::Number, is_number),
    ];
    kinds.into_iter().find(|(_, is)| values.iter().all(|it| is(it))).map(|it| it.0)
}

fn digits(text: &str) -> bool {
    text.bytes().all(|it| it.is_ascii_digit())
}

/// GB 11643: seventeen digits and the check digit by modulus 11.
pub(crate) fn is_citizen_id(text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let bytes = text.as_bytes();
    if bytes.len() != 18 || !text.is_ascii() || !digits(&text[..17]) || day(&text[6..14]).is_none() {
        return false;
    }
    let sum: u32 = bytes.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    b"10X98765432"[(sum % 11) as usize] == bytes[17].to_ascii_uppercase()
}

fn is_mobile(text: &str) -> bool {
    text.len() == 11 && digits(text) && text.starts_with('1') && matches!(text.as_bytes()[1], b'3'..=b'9')
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'))
}

/// The digits of a province, then pairs; `schema::division` knows the lengths.
fn is_division(text: &str) -> bool {
    let province = text.get(..2).and_then(|it| it.parse::<u32>().ok());
    let known = province.is_some_and(|it| matches!(it, 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65));
    known && matches!(text.len(), 6 | 9 | 12) && digits(text)
}

/// The eight digits of a birthday.
fn day(text: &str) -> Option<Date> {
    crate::template::day(text).filter(|it| (1800..=2200).contains(&it.year()))
}

fn is_date(text: &str) -> bool {
    let shape = text.chars().all(|it| it.is_ascii_digit() || matches!(it, '-' | '/' | '.' | '年' | '月' | '日'));
    shape && text.chars().count() <= 11 && day(text).is_some()
}

fn is_instant(text: &str) -> bool {
    text.split_once(['T', ' ']).is_some_and(|(date, time)| {
        is_date(date) && time.contains(':') && time.bytes().all(|it| it.is_ascii_digit() || b":.+-Z".contains(&it))
    })
}

fn is_boolean(text: &str) -> bool {
    matches!(text, "是" | "否" | "Y" | "N" | "y" | "n" | "true" | "false" | "TRUE" | "FALSE")
}

fn is_number(text: &str) -> bool {
    let bare = text.strip_prefix('-').unwrap_or(text);
    let leading = bare.len() > 1 && bare.starts_with('0') && !bare.starts_with("0.");
    let points = bare.bytes().filter(|it| *it == b'.').count();
    let shape = bare.bytes().all(|it| it.is_ascii_digit() || it == b'.') && bare.bytes().any(|it| it.is_ascii_digit());
    !leading && bare.len() <= NUMBER_CHARS_MAX && points <= 1 && shape
}
