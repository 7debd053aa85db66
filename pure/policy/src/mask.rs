//! Masks: what is left of a value that may not be shown whole. A mask never fails and never shows more than it names.

use schema::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a text is masked. Characters are counted as Unicode scalar values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mask {
    /// The middle four characters become `*`: `138****5678`. Up to eight characters: all but the first.
    Middle4,
    /// Only the last four characters stay; a shorter text is wholly masked.
    Last4,
    /// Only the first character stays: `张**`.
    First1,
    /// Nothing stays: every text becomes `***`.
    All,
}

fn stars(count: usize) -> String {
    "*".repeat(count)
}

impl Mask {
    /// What is shown of `value`. Null stays null; whatever is no text becomes null.
    pub fn apply(self, value: &Value) -> Value {
        match value {
            Value::Text(text) => Value::Text(self.text(text)),
            _ => Value::Null,
        }
    }

    fn text(self, text: &str) -> String {
        let letters: Vec<char> = text.chars().collect();
        let count = letters.len();
        let keep = |from: usize, to: usize| letters[from..to].iter().collect::<String>();
        match self {
            Self::Middle4 if count > 8 => {
                let start = (count - 4) / 2;
                keep(0, start) + "****" + &keep(start + 4, count)
            }
            Self::Middle4 | Self::First1 => keep(0, count.min(1)) + &stars(count.saturating_sub(1)),
            Self::Last4 if count > 4 => stars(count - 4) + &keep(count - 4, count),
            Self::Last4 => stars(count),
            Self::All => "***".to_owned(),
        }
    }
}
