//! Values as rows hold them: total equality and order, no floats.

use vocabulary::{Date, Timestamp};

/// One cell. Text is NFC without U+0000 and never empty (that is `Null`); decimals and money are integers scaled by
/// their field's type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Not there.
    Null,
    /// `text`, `code`, `org-code`, `division`.
    Text(String),
    /// `integer`.
    Integer(i64),
    /// `decimal` (scaled by the field's scale) and `money` (fen, scale 2).
    Scaled(i64),
    /// `boolean`.
    Boolean(bool),
    /// `date`, legal days in Asia/Shanghai.
    Date(Date),
    /// `timestamp`, whole microseconds.
    Timestamp(Timestamp),
}

impl Value {
    /// Whether nothing is there.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}
