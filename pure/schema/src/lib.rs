//! Record types: fields, units, code lists, class and grade; values against their types; types as Arrow.
//!
//! Pure. A [`RecordType`] is what a pack declares; a [`Value`] is what a row holds, in the order of its fields.

pub mod arrow;
mod code_list;
pub mod division;
mod field;
mod flaw;
mod grade;
pub mod org_code;
mod parse;
mod raw;
mod record;
mod render;
mod value;

pub use code_list::{AnyCode, CODE_CHARS_MAX, CodeBook, CodeEntry, CodeList, CodeLists, ENTRIES_MAX};
pub use field::{FIELD_NAME_CHARS_MAX, Field, FieldName, FieldType, Holder, TEXT_CHARS_MAX};
pub use flaw::{Flaw, TITLE_CHARS_MAX, problem as flaws_problem};
pub use grade::Grade;
pub use parse::{DIGITS_MAX, Fault};
pub use record::{About, Cycle, FIELDS_MAX, KEY_FIELDS_MAX, RecordType};
pub use value::Value;

#[cfg(test)]
mod tests;
