//! Constants of a filter: typed, exact, and written one way only, so that equal filters have equal digests.

use jiff::tz::Offset;
use schema::{FieldType, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use unicode_normalization::UnicodeNormalization;
use vocabulary::{Date, Timestamp, micros, timestamp_from_micros};

/// A decimal has at most this many digits behind the point.
const SCALE_MAX: usize = 18;
/// Digits behind the point of an amount of money.
const MONEY_SCALE: u8 = 2;
/// Years that both databases write with four digits.
const YEARS: std::ops::RangeInclusive<i16> = 1..=9999;

/// A value that a field is compared with. On the wire each is text in its only form: `{"decimal": "1.50"}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Wire", into = "Wire")]
#[schemars(with = "Wire")]
pub enum Constant {
    /// Text, NFC without U+0000; for every textual field.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// `unscaled` · 10^-`scale`, at the scale of its field.
    Decimal {
        /// All digits as one number.
        unscaled: i64,
        /// Digits behind the point.
        scale: u8,
    },
    /// Fen.
    Money(i64),
    /// True or false.
    Boolean(bool),
    /// A day, years 1 to 9999.
    Date(Date),
    /// An instant in whole microseconds, years 1 to 9999 in UTC.
    Timestamp(Timestamp),
}

impl Constant {
    /// Text brought into NFC; `None` with a U+0000, which no database of ours holds.
    pub fn text(text: &str) -> Option<Self> {
        (!text.contains('\0')).then(|| Self::Text(text.nfc().collect()))
    }

    /// A day; `None` outside the years 1 to 9999.
    pub fn date(date: Date) -> Option<Self> {
        YEARS.contains(&date.year()).then_some(Self::Date(date))
    }

    /// An instant; `None` outside the years 1 to 9999 or finer than microseconds.
    pub fn timestamp(at: Timestamp) -> Option<Self> {
        let whole = timestamp_from_micros(micros(at)).is_ok_and(|it| it == at);
        let year = Offset::UTC.to_datetime(at).year();
        (whole && YEARS.contains(&year)).then_some(Self::Timestamp(at))
    }

    /// `value` as a constant for a field of `kind`: `Ok(None)` for null.
    ///
    /// # Errors
    /// When the value is none that a field of the kind may hold.
    pub fn of(kind: &FieldType, value: &Value) -> Result<Option<Self>, Unfit> {
        let constant = match (kind, value) {
            (_, Value::Null) => return Ok(None),
            (kind, Value::Text(text)) if kind.is_text() => Self::text(text),
            (FieldType::Integer, Value::Integer(it)) => Some(Self::Integer(*it)),
            (FieldType::Decimal { scale, .. }, Value::Scaled(it)) => {
                Some(Self::Decimal { unscaled: *it, scale: *scale })
            }
            (FieldType::Money, Value::Scaled(it)) => Some(Self::Money(*it)),
            (FieldType::Boolean, Value::Boolean(it)) => Some(Self::Boolean(*it)),
            (FieldType::Date, Value::Date(it)) => Self::date(*it),
            (FieldType::Timestamp, Value::Timestamp(it)) => Self::timestamp(*it),
            _ => None,
        };
        constant.map(Some).ok_or(Unfit)
    }

    /// The value as a row would hold it.
    pub fn value(&self) -> Value {
        match self {
            Self::Text(it) => Value::Text(it.clone()),
            Self::Integer(it) => Value::Integer(*it),
            Self::Decimal { unscaled, .. } => Value::Scaled(*unscaled),
            Self::Money(it) => Value::Scaled(*it),
            Self::Boolean(it) => Value::Boolean(*it),
            Self::Date(it) => Value::Date(*it),
            Self::Timestamp(it) => Value::Timestamp(*it),
        }
    }

    /// How a cell stands to it: `Some(None)` for null, `None` for a cell of another type.
    pub(crate) fn order_of(&self, cell: &Value) -> Option<Option<Ordering>> {
        Some(match (cell, self) {
            (Value::Null, _) => None,
            (Value::Text(cell), Self::Text(it)) => Some(cell.cmp(it)),
            (Value::Integer(cell), Self::Integer(it)) => Some(cell.cmp(it)),
            (Value::Scaled(cell), Self::Decimal { unscaled: it, .. } | Self::Money(it)) => Some(cell.cmp(it)),
            (Value::Boolean(cell), Self::Boolean(it)) => Some(cell.cmp(it)),
            (Value::Date(cell), Self::Date(it)) => Some(cell.cmp(it)),
            (Value::Timestamp(cell), Self::Timestamp(it)) => Some(cell.cmp(it)),
            _ => return None,
        })
    }

    /// Whether a field of `kind` may be compared with it.
    pub fn suits(&self, kind: &FieldType) -> bool {
        match (self, kind) {
            (Self::Text(_), kind) => kind.is_text(),
            (Self::Decimal { scale, .. }, FieldType::Decimal { scale: of, .. }) => scale == of,
            (Self::Integer(_), FieldType::Integer)
            | (Self::Money(_), FieldType::Money)
            | (Self::Boolean(_), FieldType::Boolean)
            | (Self::Date(_), FieldType::Date)
            | (Self::Timestamp(_), FieldType::Timestamp) => true,
            _ => false,
        }
    }
}

/// A value that no field of the kind may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit;

/// A decimal as written, digit by digit: `-12.50` is (-1250, 2); `None` where its digits are no `i64`, and in any other
/// shape.
pub(crate) fn decimal(text: &str) -> Option<(i64, u8)> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let numeric = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    let sound = numeric(whole) && numeric(fraction) && !whole.is_empty() && (digits == whole || !fraction.is_empty());
    if !sound || fraction.len() > SCALE_MAX {
        return None;
    }
    let unscaled = format!("{sign}{whole}{fraction}").parse().ok()?;
    Some((unscaled, u8::try_from(fraction.len()).ok()?))
}

/// Fen as written in yuan: `100`, `100.5` and `100.50` are the same.
pub(crate) fn money(text: &str) -> Option<i64> {
    let (unscaled, scale) = decimal(text)?;
    let missing = MONEY_SCALE.checked_sub(scale)?;
    unscaled.checked_mul(10_i64.pow(u32::from(missing)))
}

/// A day as `2026-01-01` and in no other shape.
pub(crate) fn day(text: &str) -> Option<Date> {
    text.parse::<Date>().ok().filter(|it| it.to_string() == text && YEARS.contains(&it.year()))
}

fn written(unscaled: i64, scale: u8) -> String {
    let (sign, scale) = (if unscaled < 0 { "-" } else { "" }, usize::from(scale));
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// The constant on the wire. Numbers are text: canonical JSON keeps no more than 53 bits.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Wire {
    Text(String),
    Integer(String),
    Decimal(String),
    Money(String),
    Boolean(bool),
    Date(String),
    Timestamp(String),
}

impl From<Constant> for Wire {
    fn from(constant: Constant) -> Self {
        match constant {
            Constant::Text(it) => Self::Text(it),
            Constant::Integer(it) => Self::Integer(it.to_string()),
            Constant::Decimal { unscaled, scale } => Self::Decimal(written(unscaled, scale)),
            Constant::Money(it) => Self::Money(written(it, MONEY_SCALE)),
            Constant::Boolean(it) => Self::Boolean(it),
            Constant::Date(it) => Self::Date(it.to_string()),
            Constant::Timestamp(it) => Self::Timestamp(it.to_string()),
        }
    }
}

impl TryFrom<Wire> for Constant {
    type Error = &'static str;

    /// Reads a constant and refuses every form but the one in which it is written.
    fn try_from(wire: Wire) -> Result<Self, &'static str> {
        let (read, given) = match wire {
            Wire::Boolean(it) => return Ok(Self::Boolean(it)),
            Wire::Text(it) => (Self::text(&it), it),
            Wire::Integer(it) => (it.parse().ok().map(Self::Integer), it),
            Wire::Decimal(it) => (decimal(&it).map(|(unscaled, scale)| Self::Decimal { unscaled, scale }), it),
            Wire::Money(it) => (money(&it).map(Self::Money), it),
            Wire::Date(it) => (day(&it).map(Self::Date), it),
            Wire::Timestamp(it) => (it.parse().ok().and_then(Self::timestamp), it),
        };
        let constant = read.ok_or("a constant is not of its type")?;
        let again = match Wire::from(constant.clone()) {
            Wire::Boolean(_) => return Err("a constant is not of its type"),
            Wire::Text(it)
            | Wire::Integer(it)
            | Wire::Decimal(it)
            | Wire::Money(it)
            | Wire::Date(it)
            | Wire::Timestamp(it) => it,
        };
        if again == given { Ok(constant) } else { Err("a constant is not in its canonical form") }
    }
}
