//! Progress bars: on a terminal only, never in the way of a script.

use super::Voice;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal as _};

fn shown(voice: Voice) -> bool {
    !voice.json && io::stderr().is_terminal()
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A bar over bytes.
pub fn bytes(voice: Voice, total: u64) -> ProgressBar {
    if !shown(voice) {
        return ProgressBar::hidden();
    }
    ProgressBar::new(total).with_style(style("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}"))
}

/// A bar over things.
pub fn count(voice: Voice, total: u64) -> ProgressBar {
    if !shown(voice) {
        return ProgressBar::hidden();
    }
    ProgressBar::new(total).with_style(style("{bar:40} {pos}/{len} {msg} {eta}"))
}
