//! Values into text and JSON, and JSON into values.

use crate::{CodeLists, Fault, FieldType, Value};
use serde_json::Value as Json;
use std::fmt;

/// JSON numbers beyond this are read as floats by JavaScript and lose digits; they travel as text.
const JSON_INTEGER_MAX: i64 = (1 << 53) - 1;

impl FieldType {
    /// As it stands in CSV; `Null` is empty. [`FieldType::parse`] reads it back.
    pub fn render(&self, value: &Value) -> String {
        let mut text = String::new();
        self.write(value, &mut text);
        text
    }

    /// What [`FieldType::render`] says, put behind what is in `out` already: for many values in one buffer.
    pub fn write(&self, value: &Value, out: &mut impl fmt::Write) {
        let written = match value {
            Value::Null => Ok(()),
            Value::Text(text) => out.write_str(text),
            Value::Integer(number) => write!(out, "{number}"),
            Value::Scaled(number) => write_fixed(*number, self.scale(), out),
            Value::Boolean(it) => out.write_str(if *it { "true" } else { "false" }),
            Value::Date(date) => write!(out, "{date}"),
            Value::Timestamp(at) => write!(out, "{at}"),
        };
        written.expect("a buffer in memory takes everything");
    }

    /// As it stands in JSON: money, decimals and integers beyond 2^53 as text, so that no reader loses a digit.
    pub fn json(&self, value: &Value) -> Json {
        match value {
            Value::Null => Json::Null,
            Value::Integer(number) if number.unsigned_abs() <= JSON_INTEGER_MAX.unsigned_abs() => (*number).into(),
            Value::Boolean(it) => (*it).into(),
            other => Json::String(self.render(other)),
        }
    }

    /// The value that `json` writes: what [`FieldType::json`] makes, and whole numbers for any number type.
    ///
    /// # Errors
    /// A [`Fault`] as in [`FieldType::parse`]; a JSON number with a point is one, since readers round it.
    pub fn from_json(&self, json: &Json, codes: &dyn CodeLists) -> Result<Value, Fault> {
        match (self, json) {
            (_, Json::Null) => Ok(Value::Null),
            (Self::Boolean, Json::Bool(it)) => Ok(Value::Boolean(*it)),
            (Self::Boolean, _) => Err(kind_fault("true 或 false", "true or false", json)),
            (_, Json::String(text)) => self.parse(text, codes),
            (kind, Json::Number(number)) if kind.is_number() && !number.is_f64() => {
                self.parse(&number.to_string(), codes)
            }
            (kind, _) if kind.is_number() => {
                Err(kind_fault("整数或写成文本的数", "a whole number, or a number written as text", json))
            }
            _ => Err(kind_fault("文本", "text", json)),
        }
    }
}

fn kind_fault(zh: &str, en: &str, json: &Json) -> Fault {
    let kind = match json {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "text",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    Fault::new("value.json", format!("JSON 类型为 {kind}，应为{zh}"), format!("JSON holds a {kind}, should be {en}"))
}

fn write_fixed(number: i64, scale: u8, out: &mut impl fmt::Write) -> fmt::Result {
    if scale == 0 {
        return write!(out, "{number}");
    }
    let sign = if number < 0 { "-" } else { "" };
    let unit = 10_u64.saturating_pow(u32::from(scale));
    let (whole, fraction) = (number.unsigned_abs() / unit, number.unsigned_abs() % unit);
    write!(out, "{sign}{whole}.{fraction:0width$}", width = usize::from(scale))
}
