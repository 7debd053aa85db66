//! How answers look: JSON for programs; for people aligned text, Chinese characters counted as the two columns that
//! they take.

pub mod cell;
pub mod problem;
pub mod progress;
mod table;

pub use table::{facts, table};

use crate::cli::Language;
use serde_json::Value;
use std::io::{self, Write as _};

/// How to speak to the caller.
#[derive(Clone, Copy, Debug)]
pub struct Voice {
    /// Which language comes first.
    pub language: Language,
    /// Whether a program listens.
    pub json: bool,
}

impl Voice {
    /// The text in the caller's language.
    pub fn pick<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self.language {
            Language::Zh => zh,
            Language::En => en,
        }
    }

    /// Prints an answer: the whole `value` for programs, what `human` makes of it for people.
    pub fn answer(self, value: &Value, human: impl FnOnce() -> String) {
        if self.json {
            print(&format!("{value:#}\n"));
        } else {
            let mut text = human();
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            print(&text);
        }
    }
}

/// Writes to standard output; a reader that has gone away (`| head`) is no fault.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
