//! Domain separation: what a signature is for stands in front of what is signed.

use serde::Serialize;
use vocabulary::{Problem, canonical_bytes};

/// What a signature is for. HTTP messages are not in the list: RFC 9421 fixes their bytes, which begin with a quoted
/// component name, as those of a C2SP note begin with a log's origin; neither can begin with `yunhe/v1/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A consumer's request for a delivery, or for access.
    Request,
    /// One answer in the chain own department, authority, provider.
    Answer,
    /// An agreement, signed by both sides.
    Agreement,
    /// A receipt, or the root of a batch of receipts.
    Receipt,
    /// The countersignature of a receipt.
    Acknowledgement,
    /// A revocation.
    Revocation,
    /// An entry of a membership log, or its genesis.
    Membership,
    /// A pack.
    Pack,
    /// An entry of a catalogue that travels between nodes.
    Catalogue,
    /// What a level says of an entry that was reported up to it.
    Report,
    /// What a backup holds.
    Backup,
    /// An objection to what was delivered.
    Objection,
    /// A ruling on an objection.
    Ruling,
    /// What a past recipient is told of a correction.
    Correction,
    /// A past recipient's confirmation of it.
    Confirmation,
    /// A delay that is told to the authority in charge.
    Escalation,
    /// A signed note, by a key of SM2; C2SP fixes what Ed25519 signs there.
    Note,
}

impl Purpose {
    /// The word as it stands in front of what is signed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Answer => "answer",
            Self::Agreement => "agreement",
            Self::Receipt => "receipt",
            Self::Acknowledgement => "acknowledgement",
            Self::Revocation => "revocation",
            Self::Membership => "membership",
            Self::Pack => "pack",
            Self::Catalogue => "catalogue",
            Self::Report => "report",
            Self::Backup => "backup",
            Self::Objection => "objection",
            Self::Ruling => "ruling",
            Self::Correction => "correction",
            Self::Confirmation => "confirmation",
            Self::Escalation => "escalation",
            Self::Note => "note",
        }
    }

    /// The bytes that are signed: `yunhe/v1/<purpose>\n` and then the RFC 8785 bytes of `value`.
    ///
    /// # Errors
    /// As [`canonical_bytes`].
    pub fn bytes<T: Serialize + ?Sized>(self, value: &T) -> Result<Vec<u8>, Problem> {
        Ok(self.wrap(&canonical_bytes(value)?))
    }

    /// The bytes that are signed, for a body whose canonical bytes are at hand (or a note's text).
    pub fn wrap(self, canonical: &[u8]) -> Vec<u8> {
        let word = self.word();
        let mut bytes = Vec::with_capacity(10 + word.len() + canonical.len());
        bytes.extend_from_slice(b"yunhe/v1/");
        bytes.extend_from_slice(word.as_bytes());
        bytes.push(b'\n');
        bytes.extend_from_slice(canonical);
        bytes
    }
}
