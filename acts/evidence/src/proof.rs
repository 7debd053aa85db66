//! Log proofs (C2SP tlog-proof): one entry's place in a signed checkpoint, as a text that verifies offline.
//!
//! Pure. The optional `extra` line is not authenticated by the format, so ours refuse it.

use crate::{Checkpoint, Fault, Note, Origin, VerifierKey, checkpoint, leaf, merkle};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{collections::BTreeSet, fmt};
use vocabulary::{Digest, Hash, Suite, ensure};

/// The first line.
const MAGIC: &str = "c2sp.org/tlog-proof@v1";

/// Where a leaf stands, with the checkpoint that commits to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogProof {
    /// The leaf's index in the log.
    pub index: u64,
    /// The inclusion path, from the leaf's sibling up.
    pub path: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
}

impl LogProof {
    /// Parses a proof.
    ///
    /// # Errors
    /// [`Fault::Proof`].
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(Fault::Proof("an empty line ends the path"))?;
        let mut lines = head.split('\n');
        ensure!(lines.next() == Some(MAGIC), Fault::Proof("its first line is c2sp.org/tlog-proof@v1"));
        let index = lines.next().and_then(|it| it.strip_prefix("index ")).and_then(checkpoint::decimal);
        let index = index.ok_or(Fault::Proof("its second line is the index; extra data is not accepted"))?;
        let path = lines.map(checkpoint::parse_hash).collect::<Option<Vec<_>>>();
        let path = path.ok_or(Fault::Proof("each line of the path is 32 bytes in base64"))?;
        Ok(Self { index, path, checkpoint: checkpoint.to_owned() })
    }

    /// The log that its checkpoint names; whether that signed it, [`LogProof::verify`] says.
    ///
    /// # Errors
    /// [`Fault::Note`], [`Fault::Checkpoint`].
    pub fn origin(&self) -> Result<Origin, Fault> {
        Ok(Checkpoint::parse(Note::parse(&self.checkpoint)?.text())?.origin)
    }

    /// Verifies that the leaf with `digest` is in the log called `origin`, whose key is among `known`; returns what
    /// that log said.
    ///
    /// # Errors
    /// What is wrong first: the checkpoint's form, origin or signature, the index, the path.
    pub fn verify(&self, origin: &Origin, digest: &Digest, known: &[VerifierKey]) -> Result<Checkpoint, Fault> {
        let checkpoint = Checkpoint::open(&self.checkpoint, known)?;
        let (expected, got) = (origin.to_string(), checkpoint.origin.to_string());
        ensure!(expected == got, Fault::Origin { expected, got });
        let leaf = leaf::merkle_leaf(digest);
        merkle::verify_inclusion(&leaf, self.index, checkpoint.size, &self.path, &checkpoint.root)?;
        Ok(checkpoint)
    }

    /// Of which suites the signatures under its checkpoint are, by `known` keys.
    ///
    /// # Errors
    /// [`Fault::Note`], and as [`Note::verify`].
    pub fn suites(&self, known: &[VerifierKey]) -> Result<BTreeSet<Suite>, Fault> {
        Ok(Note::parse(&self.checkpoint)?.verify(known)?.into_iter().map(|it| it.key().suite()).collect())
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MAGIC}\nindex {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", STANDARD.encode(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
