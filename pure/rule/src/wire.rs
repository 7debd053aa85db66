//! A filter as JSON: it travels between nodes and is digested, so it is read in its canonical form only, and bounded.

use crate::{FILTER_DEPTH_MAX, FILTER_TESTS_MAX, Filter, LIST_MAX, Test};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let filter = Self::deserialize(deserializer)?;
        filter.sound().map_err(D::Error::custom)?;
        Ok(filter)
    }
}

impl Filter {
    /// Whether it is in its only form and within its bounds; else why not.
    fn sound(&self) -> Result<(), String> {
        if self.tests() > FILTER_TESTS_MAX {
            return Err(format!("a filter has {} tests, more than {FILTER_TESTS_MAX}", self.tests()));
        }
        if self.depth() > FILTER_DEPTH_MAX {
            return Err(format!("a filter is nested deeper than {FILTER_DEPTH_MAX}"));
        }
        let (mut lists, mut texts) = (true, true);
        self.each_test(&mut |test| match test {
            Test::In { values, .. } => lists &= values.len() <= LIST_MAX,
            Test::StartsWith { text, .. } | Test::EndsWith { text, .. } | Test::Contains { text, .. } => {
                texts &= crate::Constant::text(text) == Some(crate::Constant::Text(text.clone()));
            }
            _ => {}
        });
        if !lists {
            return Err(format!("a list of a filter has more than {LIST_MAX} values"));
        }
        if !texts {
            return Err("a text of a filter is not NFC or has U+0000".to_owned());
        }
        if self.canonical() != *self {
            return Err("a filter is not in its canonical form".to_owned());
        }
        Ok(())
    }
}
