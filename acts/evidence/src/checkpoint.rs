//! Checkpoints (C2SP tlog-checkpoint): a log's origin, size and root, signed as a note.
//!
//! Pure. Parsing is stricter than the specification: the origin has our form and there are no extension lines, since
//! nothing audits those.

use crate::{Fault, Note, VerifierKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use signing::Signer;
use std::{fmt, str::FromStr};
use vocabulary::{FederationName, Hash, OrganisationId, Problem, Suite, ensure};

/// Names a log: `<federation>/<organisation>/<epoch>`. A restored backup begins the next epoch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The federation.
    pub federation: FederationName,
    /// Whose log it is.
    pub organisation: OrganisationId,
    /// Which of its logs, from one.
    pub epoch: u32,
}

impl Origin {
    /// Whether this is a later log of the same organisation.
    pub fn follows(&self, earlier: &Self) -> bool {
        let whose = (&self.federation, &self.organisation) == (&earlier.federation, &earlier.organisation);
        whose && self.epoch > earlier.epoch
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.federation, self.organisation, self.epoch)
    }
}

impl FromStr for Origin {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let bad = Fault::Checkpoint("an origin is federation/organisation/epoch");
        let parts = text.split('/').collect::<Vec<_>>();
        let [federation, organisation, epoch] = parts[..] else { return Err(bad) };
        let epoch = decimal(epoch).and_then(|it| u32::try_from(it).ok()).filter(|it| *it > 0).ok_or(bad.clone())?;
        let federation = FederationName::new(federation).map_err(|_| bad.clone())?;
        let organisation = OrganisationId::new(organisation).map_err(|_| bad)?;
        Ok(Self { federation, organisation, epoch })
    }
}

impl Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Origin {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Origin".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[a-z][a-z0-9-]{0,63}/[a-z][a-z0-9-]{0,63}/[1-9][0-9]{0,9}$",
        })
    }
}

/// What a log says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// How many leaves it has.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Signs it with the log's key, under the name that is its origin.
    ///
    /// # Errors
    /// What the signer says.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Note, Problem> {
        Note::sign(self.text(), &self.origin.to_string(), signer)
    }

    /// Parses the text of a note, signed or not.
    ///
    /// # Errors
    /// [`Fault::Checkpoint`].
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let body = text.strip_suffix('\n').ok_or(Fault::Checkpoint("it ends in a newline"))?;
        let lines = body.split('\n').collect::<Vec<_>>();
        let [origin, size, root] = lines[..] else {
            return Err(Fault::Checkpoint("it has three lines: origin, size, root"));
        };
        let size = decimal(size).ok_or(Fault::Checkpoint("its size is a decimal without leading zeros"))?;
        let root = parse_hash(root).ok_or(Fault::Checkpoint("its root is 32 bytes in base64"))?;
        Ok(Self { origin: origin.parse()?, size, root })
    }

    /// Parses a signed checkpoint and believes it only when the Ed25519 key named like its origin, among `known`, has
    /// signed. An SM2 key stands beside that one and not in its place; where it is known and signed, it must fit.
    ///
    /// # Errors
    /// [`Fault::Note`], [`Fault::Checkpoint`], [`Fault::Unsigned`], [`Fault::Signature`].
    pub fn open(note: &str, known: &[VerifierKey]) -> Result<Self, Fault> {
        let note = Note::parse(note)?;
        let checkpoint = Self::parse(note.text())?;
        let origin = checkpoint.origin.to_string();
        let signers = note.verify(known)?;
        ensure!(
            signers.iter().any(|it| it.name() == origin && it.key().suite() == Suite::default()),
            Fault::Unsigned(origin)
        );
        Ok(checkpoint)
    }
}

/// A decimal as C2SP writes it: digits without leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|it| it.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// The base64 of a hash.
pub(crate) fn hash_text(hash: &Hash) -> String {
    STANDARD.encode(hash)
}

/// A hash in base64.
pub(crate) fn parse_hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}
