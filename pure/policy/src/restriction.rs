//! What a permit leaves visible. It goes into the plan: what may not leave is never read into an answer.

use crate::Mask;
use rule::Filter;
use schema::{FieldName, RecordType, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Columns, rows and masks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restriction {
    /// The columns that may be shown, in order.
    pub columns: Vec<FieldName>,
    /// The rows that may be shown.
    pub filter: Filter,
    /// What is masked before it is shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub masks: BTreeMap<FieldName, Mask>,
}

impl Restriction {
    /// No restriction within `record`: what the organisation's own people may see of it.
    pub fn whole(record: &RecordType) -> Self {
        Self { columns: record.fields.keys().cloned().collect(), filter: Filter::always(), masks: BTreeMap::new() }
    }

    /// Masks one shown value of `field`.
    pub fn mask(&self, field: &FieldName, value: Value) -> Value {
        match self.masks.get(field) {
            Some(mask) => mask.apply(&value),
            None => value,
        }
    }
}
