//! What happened, line by line, without anything that is drawn outside the seed: no salt, no nonce, no id, no key.

use sha2::{Digest as _, Sha256};

/// The lines of a run, as a digest, and in full where asked for.
pub(crate) struct Trace {
    digest: Sha256,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub fn new(keep: bool) -> Self {
        Self { digest: Sha256::new(), lines: keep.then(Vec::new) }
    }

    pub fn note(&mut self, line: String) {
        self.digest.update(line.as_bytes());
        self.digest.update(b"\n");
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    pub fn digest(&self) -> String {
        hex::encode(self.digest.clone().finalize())
    }

    pub fn take(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }
}
