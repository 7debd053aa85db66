//! Text into values, strictly: what is accepted is exactly what is kept, nothing is rounded, guessed or trimmed.

use crate::{CodeLists, Field, FieldType, Value, division, org_code};
use std::borrow::Cow;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use vocabulary::{Bilingual, Date, Timestamp};

/// Digits of a decimal or of an amount of money in all; so that each fits a 64-bit integer and NUMERIC(18, s).
pub const DIGITS_MAX: u8 = 18;

/// Why a text is no value of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Stable name for programs and reject files: `value.check_digit`.
    pub code: &'static str,
    /// The fact and what would be right.
    pub reason: Bilingual,
}

impl Fault {
    /// A fault with its reason in both languages.
    pub fn new(code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code, reason: Bilingual::new(zh, en) }
    }

    fn shape(text: &str, zh: &str, en: &str) -> Self {
        let text = excerpt(text);
        Self::new("value.shape", format!("“{text}”应为{zh}"), format!("{text:?} should be {en}"))
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.reason)
    }
}

impl std::error::Error for Fault {}

/// A reason quotes at most this many characters of a value, so that a cell of 10 MB does not fill the reject file.
const EXCERPT_CHARS_MAX: usize = 40;

fn excerpt(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(EXCERPT_CHARS_MAX) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

impl Field {
    /// The value that `text` writes; empty text is `Null`, and only for an optional field.
    ///
    /// # Errors
    /// The [`Fault`] that a reject file shows.
    pub fn parse(&self, text: &str, codes: &dyn CodeLists) -> Result<Value, Fault> {
        self.fits(self.kind.parse(text, codes)?)
    }

    /// The value that `json` writes; `null` only for an optional field.
    ///
    /// # Errors
    /// The [`Fault`] that a caller sees.
    pub fn from_json(&self, json: &serde_json::Value, codes: &dyn CodeLists) -> Result<Value, Fault> {
        self.fits(self.kind.from_json(json, codes)?)
    }

    /// What the field asks beyond its type: present unless optional, and not below its least value.
    ///
    /// # Errors
    /// `value.missing` or `value.too_small`.
    pub fn fits(&self, value: Value) -> Result<Value, Fault> {
        if value.is_null() && !self.optional {
            return Err(Fault::new("value.missing", "必填信息项为空", "a mandatory field is empty"));
        }
        let (Some(min), Value::Integer(number) | Value::Scaled(number)) = (self.min, &value) else { return Ok(value) };
        let scaled = i128::from(min) * 10_i128.pow(u32::from(self.kind.scale()));
        if i128::from(*number) < scaled {
            let shown = self.kind.render(&value);
            return Err(Fault::new(
                "value.too_small",
                format!("{shown} 小于最小值 {min}"),
                format!("{shown} is below the least value {min}"),
            ));
        }
        Ok(value)
    }
}

impl FieldType {
    /// The value that `text` writes; empty text is `Null`.
    ///
    /// # Errors
    /// The [`Fault`] says what would be right. Values of personal fields stand in it: a caller that must not show them
    /// shows its code alone.
    pub fn parse(&self, text: &str, codes: &dyn CodeLists) -> Result<Value, Fault> {
        if text.is_empty() {
            return Ok(Value::Null);
        }
        if let Self::Text { max } = self {
            return parse_text(text, *max);
        }
        refuse_foreign(text)?;
        match self {
            Self::Text { max } => parse_text(text, *max),
            Self::Integer => parse_integer(text),
            Self::Decimal { precision, scale } => Ok(Value::Scaled(parse_fixed(text, *precision, *scale)?)),
            Self::Money => Ok(Value::Scaled(parse_fixed(text, DIGITS_MAX, 2)?)),
            Self::Boolean => parse_boolean(text),
            Self::Date => Ok(Value::Date(parse_date(text)?)),
            Self::Timestamp => Ok(Value::Timestamp(parse_timestamp(text)?)),
            Self::Code { list } if codes.has(list, text, None) => Ok(Value::Text(text.to_owned())),
            Self::Code { list } => Err(Fault::new(
                "value.code",
                format!("代码表 {list} 中没有“{}”", excerpt(text)),
                format!("code list {list} has no {:?}", excerpt(text)),
            )),
            Self::OrgCode { .. } => org_code::check_uscc(text).map(|()| Value::Text(text.to_owned())),
            Self::Division => {
                division::check(text)?;
                if codes.has_division(text, None) {
                    Ok(Value::Text(text.to_owned()))
                } else {
                    let zh = format!("没有行政区划“{text}”");
                    Err(Fault::new("value.division", zh, format!("there is no administrative division {text:?}")))
                }
            }
        }
    }
}

fn parse_text(text: &str, max: u32) -> Result<Value, Fault> {
    if text.contains('\0') {
        return Err(Fault::new("value.nul", "文本含空字符 U+0000", "the text holds U+0000"));
    }
    let text: Cow<'_, str> = match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        _ => Cow::Owned(text.nfc().collect()),
    };
    // Bytes first: a character has at least one, so most texts need no counting.
    let most = max as usize;
    let count = text.as_bytes().get(most).map_or(0, |_| text.chars().count());
    if count > most {
        return Err(Fault::new(
            "value.too_long",
            format!("文本有 {count} 个字符，至多 {max} 个"),
            format!("the text has {count} characters, at most {max} fit"),
        ));
    }
    Ok(Value::Text(text.into_owned()))
}

/// Refuses what is never part of a value other than text, with a reason that names it.
fn refuse_foreign(text: &str) -> Result<(), Fault> {
    if text.is_ascii() && !text.starts_with(' ') && !text.ends_with(' ') && !text.contains('\0') {
        return Ok(());
    }
    let shown = excerpt(text);
    if text.contains('\0') {
        return Err(Fault::new("value.nul", "值含空字符 U+0000", "the value holds U+0000"));
    }
    if let Some(wide) = text.chars().find(|it| ('\u{ff01}'..='\u{ff5e}').contains(it)) {
        return Err(Fault::new(
            "value.full_width",
            format!("“{shown}”含全角字符“{wide}”，应用半角"),
            format!("{shown:?} holds the full-width character {wide:?}; use ASCII"),
        ));
    }
    if text.trim().len() != text.len() {
        return Err(Fault::new(
            "value.space",
            format!("“{shown}”前后有空白，应删去"),
            format!("{shown:?} begins or ends with white space; remove it"),
        ));
    }
    // Codes of a list may hold any character (是, 否, 已注销); the list decides.
    Ok(())
}

fn parse_integer(text: &str) -> Result<Value, Fault> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    check_digits(text, digits)?;
    text.parse().map(Value::Integer).map_err(|_| {
        Fault::new("value.too_large", format!("{text} 超出 64 位整数"), format!("{text} is beyond 64 bits"))
    })
}

/// Digits in front of the point: at least one, no leading zero (that would be a code, not a number).
fn check_digits(text: &str, digits: &str) -> Result<(), Fault> {
    let plain = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    if plain && (digits.len() == 1 || !digits.starts_with('0')) {
        return Ok(());
    }
    let shown = excerpt(text);
    Err(match () {
        () if plain => Fault::new(
            "value.leading_zero",
            format!("“{shown}”以 0 开头，像是代码而不是数"),
            format!("{shown:?} begins with 0 and looks like a code, not a number"),
        ),
        () if text.contains(',') => Fault::new(
            "value.separator",
            format!("“{shown}”含千分位逗号，应删去"),
            format!("{shown:?} holds thousands separators; remove them"),
        ),
        () if text.contains(['e', 'E']) => Fault::new(
            "value.exponent",
            format!("“{shown}”为科学计数法，可能已失精度，应写出全部数字"),
            format!("{shown:?} is in scientific notation and may have lost digits; write all of them"),
        ),
        () => Fault::shape(text, "数字", "a number in digits"),
    })
}

/// A number with at most `scale` digits behind the point, as an integer scaled by it. Never rounded.
pub(crate) fn parse_fixed(text: &str, precision: u8, scale: u8) -> Result<i64, Fault> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    check_digits(text, whole)?;
    if fraction.is_empty() || !fraction.bytes().all(|it| it.is_ascii_digit()) {
        check_digits(text, fraction)?;
    }
    let fraction = fraction.trim_end_matches('0');
    let (precision, scale) = (usize::from(precision.min(DIGITS_MAX)), usize::from(scale));
    if fraction.len() > scale {
        return Err(Fault::new(
            "value.rounding",
            format!("“{}”的小数位多于 {scale} 位，不作舍入", excerpt(text)),
            format!("{:?} has more than {scale} digits behind the point and is not rounded", excerpt(text)),
        ));
    }
    let whole_digits = if whole == "0" { 0 } else { whole.len() };
    if whole_digits + scale > precision {
        let most = precision - scale.min(precision);
        return Err(Fault::new(
            "value.too_large",
            format!("“{}”的整数部分多于 {most} 位", excerpt(text)),
            format!("{:?} has more than {most} digits before the point", excerpt(text)),
        ));
    }
    let padded = fraction.bytes().chain(std::iter::repeat(b'0')).take(scale);
    let number = whole.bytes().chain(padded).fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Ok(if text.starts_with('-') { -number } else { number })
}

fn parse_boolean(text: &str) -> Result<Value, Fault> {
    match text {
        "true" | "1" | "是" => Ok(Value::Boolean(true)),
        "false" | "0" | "否" => Ok(Value::Boolean(false)),
        _ => Err(Fault::shape(text, " true、false、1、0、是 或 否", "one of true, false, 1, 0, 是, 否")),
    }
}

/// The digits of `text[range]` as a number.
fn number(text: &[u8], range: std::ops::Range<usize>) -> Option<i16> {
    let digits = text.get(range)?;
    digits.iter().all(u8::is_ascii_digit).then(|| digits.iter().fold(0, |sum, it| sum * 10 + i16::from(it - b'0')))
}

/// A real day of the years 1 to 9999, written `2026-02-28`.
fn parse_date(text: &str) -> Result<Date, Fault> {
    let bytes = text.as_bytes();
    let shape = || Fault::shape(text, "形如 2026-02-28 的日期", "a date like 2026-02-28");
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return Err(shape());
    }
    let year = number(bytes, 0..4).ok_or_else(shape)?;
    let month = number(bytes, 5..7).ok_or_else(shape)?;
    let day = number(bytes, 8..10).ok_or_else(shape)?;
    let real = if year == 0 { None } else { Date::new(year, narrow(month), narrow(day)).ok() };
    real.ok_or_else(|| Fault::new("value.date", format!("没有“{text}”这一天"), format!("there is no day {text}")))
}

/// Two digits always fit.
fn narrow(two_digits: i16) -> i8 {
    i8::try_from(two_digits).unwrap_or(0)
}

/// An instant with its offset, written `2026-02-28T08:00:00+08:00`, to the microsecond at most.
fn parse_timestamp(text: &str) -> Result<Timestamp, Fault> {
    let shape = || {
        Fault::shape(
            text,
            "带时区的时刻，如 2026-02-28T08:00:00+08:00",
            "an instant with its offset, like 2026-02-28T08:00:00+08:00",
        )
    };
    let bytes = text.as_bytes();
    if bytes.len() < 20
        || !text.is_ascii()
        || !matches!(bytes[10], b'T' | b' ')
        || bytes[13] != b':'
        || bytes[16] != b':'
    {
        return Err(shape());
    }
    let date = parse_date(&text[..10])?;
    let hour = number(bytes, 11..13).ok_or_else(shape)?;
    let minute = number(bytes, 14..16).ok_or_else(shape)?;
    let second = number(bytes, 17..19).ok_or_else(shape)?;
    let (nanos, offset) = parse_fraction(&text[19..]).ok_or_else(shape)?;
    if nanos % 1_000 != 0 {
        return Err(Fault::new(
            "value.rounding",
            format!("“{text}”细于微秒，不作舍入"),
            format!("{text:?} is finer than a microsecond and is not rounded"),
        ));
    }
    let offset = parse_offset(offset).ok_or_else(shape)?;
    let time = jiff::civil::Time::new(narrow(hour), narrow(minute), narrow(second), nanos);
    let instant = time.ok().and_then(|time| offset.to_timestamp(date.to_datetime(time)).ok());
    let in_range = instant.filter(|it| (1..=9999).contains(&jiff::tz::Offset::UTC.to_datetime(*it).year()));
    in_range.ok_or_else(|| {
        Fault::new("value.timestamp", format!("没有“{text}”这一时刻"), format!("there is no instant {text}"))
    })
}

/// Nanoseconds behind the point, if there is one, and what follows them.
fn parse_fraction(rest: &str) -> Option<(i32, &str)> {
    let Some(fraction) = rest.strip_prefix('.') else { return Some((0, rest)) };
    let end = fraction.bytes().position(|it| !it.is_ascii_digit())?;
    let (digits, offset) = fraction.split_at(end);
    if !(1..=9).contains(&digits.len()) {
        return None;
    }
    let padded = digits.bytes().chain(std::iter::repeat(b'0')).take(9);
    Some((padded.fold(0, |sum, it| sum * 10 + i32::from(it - b'0')), offset))
}

fn parse_offset(text: &str) -> Option<jiff::tz::Offset> {
    if text == "Z" {
        return Some(jiff::tz::Offset::UTC);
    }
    let bytes = text.as_bytes();
    if bytes.len() != 6 || bytes[3] != b':' {
        return None;
    }
    let (hours, minutes) = (number(bytes, 1..3)?, number(bytes, 4..6)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = (i32::from(hours) * 60 + i32::from(minutes)) * 60;
    match bytes[0] {
        b'+' => jiff::tz::Offset::from_seconds(seconds).ok(),
        b'-' => jiff::tz::Offset::from_seconds(-seconds).ok(),
        _ => None,
    }
}
