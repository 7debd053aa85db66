//! Time: instants in UTC microseconds, legal days in Asia/Shanghai (UTC+8 all year).

use crate::{Kind, Problem};

/// An instant, handed in as `now` wherever one is needed.
pub type Timestamp = jiff::Timestamp;
/// A day in the calendar.
pub type Date = jiff::civil::Date;

/// The offset of legal time in China.
pub const SHANGHAI: jiff::tz::Offset = jiff::tz::Offset::constant(8);

/// The day that an instant falls on in Asia/Shanghai.
pub fn date_in_shanghai(at: Timestamp) -> Date {
    SHANGHAI.to_datetime(at).date()
}

/// Microseconds since 1970 in UTC: how instants are stored.
pub fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// The instant of a stored number of microseconds.
///
/// # Errors
/// `format.timestamp` outside the years -9999 to 9999.
pub fn timestamp_from_micros(micros: i64) -> Result<Timestamp, Problem> {
    Timestamp::from_microsecond(micros).map_err(|_| {
        Problem::new(
            Kind::Malformed,
            "format.timestamp",
            format!("时间戳 {micros} 微秒超出可表示范围"),
            format!("timestamp {micros} µs is outside the range that can be written"),
        )
    })
}
