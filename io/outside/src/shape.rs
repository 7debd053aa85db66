//! What a table of others looks like.

use crate::{Name, TableName};
use serde::Serialize;
use vocabulary::Personal;

/// What a column's values are, as far as it matters for reading them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Native {
    /// Text.
    Text,
    /// Whole numbers.
    Integer,
    /// Exact decimals.
    Decimal,
    /// Floats.
    Float,
    /// True and false.
    Boolean,
    /// Days.
    Date,
    /// Day and time of a wall clock, taken as Chinese time.
    DateTime,
    /// Moments.
    Instant,
    /// Times of day.
    Time,
    /// Bytes; read as hexadecimal digits.
    Bytes,
    /// Anything else that can be read as text.
    Other,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: Name,
    /// Its type in the database's own words.
    pub native: String,
    /// What its values are.
    pub kind: Native,
    /// Whether it may hold nothing.
    pub nullable: bool,
    /// What is written about it there: often its Chinese name.
    pub comment: Option<String>,
    /// Some of its different values.
    pub samples: Vec<Personal<String>>,
}

/// A table or a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Its name.
    pub name: TableName,
    /// What is written about it there.
    pub comment: Option<String>,
    /// Whether it is a view.
    pub view: bool,
    /// How many rows it has, about.
    pub rows: Option<u64>,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// Its primary key.
    pub primary: Vec<Name>,
    /// What else is unique in it.
    pub unique: Vec<Vec<Name>>,
}

impl Table {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|it| it.name.as_str() == name)
    }

    /// Whether no two rows have the same values in all of `columns`, and none has nothing there.
    pub fn is_key(&self, columns: &[Name]) -> bool {
        let covers = |key: &Vec<Name>| !key.is_empty() && key.iter().all(|it| columns.contains(it));
        let filled = columns.iter().all(|it| self.column(it.as_str()).is_some_and(|it| !it.nullable));
        filled && (covers(&self.primary) || self.unique.iter().any(covers))
    }
}

impl Column {
    /// A cell as registries take it: days and moments in the one form, with Chinese time where none is said.
    pub fn plain(&self, cell: &str) -> String {
        let (Some(day), Some(rest)) = (cell.get(..10), cell.get(10..)) else { return cell.to_owned() };
        let time = rest.strip_prefix([' ', 'T']).filter(|it| it.len() >= 8 && it.as_bytes()[2] == b':');
        let zone = match (self.kind, time) {
            (Native::DateTime, Some(time)) if !time.contains(['+', '-', 'Z']) => "+08:00",
            (Native::Instant, Some(time)) if !time.contains(['+', '-', 'Z']) => "Z",
            (Native::Instant, Some(time)) if time.ends_with("+00") => {
                return format!("{day}T{}Z", &time[..time.len() - 3]);
            }
            _ => return cell.to_owned(),
        };
        format!("{day}T{}{zone}", time.unwrap_or_default())
    }

    /// The cell that [`Column::plain`] shows as `text`: a moment becomes a wall clock's time, in China or in UTC.
    pub fn raw(&self, text: &str) -> String {
        let offset = match self.kind {
            Native::DateTime => jiff::tz::Offset::constant(8),
            Native::Instant => jiff::tz::Offset::UTC,
            _ => return text.to_owned(),
        };
        match text.parse::<jiff::Timestamp>() {
            Ok(moment) => offset.to_datetime(moment).strftime("%Y-%m-%d %H:%M:%S%.f").to_string(),
            Err(_) => text.to_owned(),
        }
    }

    /// A watched value, or `now` where it lies ahead: one row dated years ahead must not hide all that comes before it.
    pub fn not_ahead(&self, cell: String, now: jiff::Timestamp) -> String {
        let now = match self.kind {
            Native::DateTime => self.raw(&now.to_string()),
            Native::Instant if cell.ends_with("+00") => format!("{}+00", self.raw(&now.to_string())),
            Native::Instant => self.raw(&now.to_string()),
            Native::Date => jiff::tz::Offset::constant(8).to_datetime(now).date().to_string(),
            _ => return cell,
        };
        // Years of five digits, and `infinity`, lie ahead whatever their letters say.
        let dated = cell.as_bytes().first().is_some_and(u8::is_ascii_digit) && cell.as_bytes().get(4) == Some(&b'-');
        if dated && cell.replace('T', " ") <= now { cell } else { now }
    }

    /// A cell for a field of days: a wall clock at midnight is its day, any other time stays and is turned away later.
    pub fn day(&self, cell: &str) -> String {
        let midnight = |time: &str| {
            let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
            time == "00:00:00" && fraction.bytes().all(|it| it == b'0')
        };
        match (self.kind, cell.get(..10), cell.get(11..)) {
            (Native::DateTime, Some(day), Some(time)) if midnight(time) => day.to_owned(),
            _ => self.plain(cell),
        }
    }
}
