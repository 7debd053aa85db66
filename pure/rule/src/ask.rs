//! What a condition may look at: the row's fields, and what is known about who asks.

use schema::{FieldType, RecordType, Value, division::Zones};
use std::collections::BTreeMap;

/// What `row.` and `ask.` mean while a source is compiled.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The type of the rows.
    pub row: &'a RecordType,
    /// What `ask.` may name.
    pub ask: &'a AskType,
}

/// The paths that `ask.` may name, each with its type: `organisation.division` is a division.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskType(BTreeMap<String, FieldType>);

impl AskType {
    /// Nothing may be asked about: a condition on rows alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a path without its leading `ask.`.
    #[must_use]
    pub fn with(mut self, path: &str, kind: FieldType) -> Self {
        self.0.insert(path.to_owned(), kind);
        self
    }

    /// The type of a path.
    pub fn get(&self, path: &str) -> Option<&FieldType> {
        self.0.get(path)
    }

    /// All paths in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// The values that stand behind the paths of `ask.` when a rule is bound, and the functional zones that `under` knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskValues {
    values: BTreeMap<String, Value>,
    pub(crate) zones: Zones,
}

impl AskValues {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value of a path without its leading `ask.`; null is a value.
    #[must_use]
    pub fn with(mut self, path: &str, value: Value) -> Self {
        self.values.insert(path.to_owned(), value);
        self
    }

    /// The value of a path.
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.values.get(path)
    }

    /// Sets the functional zones with their legal parents.
    #[must_use]
    pub fn zones(mut self, zones: Zones) -> Self {
        self.zones = zones;
        self
    }
}
