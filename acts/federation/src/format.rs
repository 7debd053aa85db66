//! The membership log as it travels: a genesis file and signed entries, JSON with a schema and a version.
//!
//! Pure. A reader takes canonical bytes (RFC 8785) and nothing else, so that no byte of an entry can change unnoticed.

use evidence::Origin;
use policy::{Level, MemberFacts, MemberRole, Travel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use signing::{Pin, PublicKey, Purpose, Sign as _, Signer};
use std::collections::BTreeSet;
use vocabulary::{
    Bilingual, Digest, FederationName, Kind, OrganisationId, Problem, Signature, Suite, Timestamp, canonical_bytes,
    canonical_digest, ensure,
};

/// A genesis or an entry is at most this long.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// A federation has at most this many founders.
pub const FOUNDERS_MAX: usize = 32;
/// A member has at most this many addresses, message keys and TLS keys each: old and new overlap, no more.
pub const KEYS_MAX: usize = 8;

/// The version of both documents; another one is refused, never guessed.
pub const VERSION: u32 = 1;

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Format {
    /// The first document of a federation.
    #[serde(rename = "yunhe-federation-genesis")]
    Genesis,
    /// A change of membership.
    #[serde(rename = "yunhe-federation-entry")]
    Entry,
}

/// Who may sign changes of membership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Founder {
    /// Its name, for people.
    pub title: Bilingual,
    /// Its key.
    pub key: PublicKey,
}

/// The founders, and how many of them must sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Founders {
    /// All of them, by key in ascending order.
    pub keys: Vec<Founder>,
    /// How many must sign.
    pub quorum: u32,
}

/// The beginning of a federation. Its digest is what `init` pins; whoever has another one is in another federation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// What this is.
    pub format: Format,
    /// In which version.
    pub version: u32,
    /// The federation's name; part of every log's origin.
    pub federation: FederationName,
    /// Its title.
    pub title: Bilingual,
    /// The suite of its digests: `ed25519-sha256`. Each founder's key says by which suite it signs.
    pub suite: Suite,
    /// When it was founded.
    #[schemars(with = "String")]
    pub founded_at: Timestamp,
    /// Who may change it.
    pub founders: Founders,
    /// How a delivery travels.
    pub travel: Travel,
    /// A member acts on a view that was confirmed at most this long ago.
    pub view_hours_max: u32,
}

/// The log that an organisation keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogKey {
    /// Which log.
    pub origin: Origin,
    /// Whose signature its checkpoints carry.
    pub key: PublicKey,
}

/// The keys of an organisation. The first of each list is the one in use; others overlap with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// What it signs messages, requests, agreements and receipts with.
    pub messages: Vec<PublicKey>,
    /// What its connections prove.
    pub tls: Vec<Pin>,
    /// Its log.
    pub log: LogKey,
}

/// An organisation as a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    /// Its name within the federation.
    pub id: OrganisationId,
    /// Its title.
    pub title: Bilingual,
    /// Its unified social credit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uscc: Option<String>,
    /// Where it is: a division code of 2, 4, 6, 9 or 12 digits.
    pub division: String,
    /// On which level.
    pub level: Level,
    /// The authority in charge of it (上级): its catalogue is reported there, and its requests go that way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superior: Option<OrganisationId>,
    /// What it is.
    pub roles: BTreeSet<MemberRole>,
    /// The host name that chooses it in a node, in TLS and in requests.
    pub host: String,
    /// Where to dial, in this order: `[2001:db8::1]:8443`, `node.example:443`.
    pub addresses: Vec<String>,
    /// Its keys.
    pub keys: Keys,
}

impl Organisation {
    /// What policy knows of it.
    pub fn facts(&self) -> MemberFacts {
        MemberFacts {
            id: self.id.clone(),
            division: self.division.clone(),
            level: self.level,
            roles: self.roles.iter().copied().collect(),
        }
    }
}

/// A change of membership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// An organisation becomes a member.
    Join {
        /// Which.
        organisation: Box<Organisation>,
    },
    /// A member's titles, division, level, roles, host or addresses change; its keys do not.
    Update {
        /// As it is from now on.
        organisation: Box<Organisation>,
    },
    /// A member's keys change.
    Rotate {
        /// Whose.
        id: OrganisationId,
        /// All of them from now on; of messages and TLS at least one stays, unless the old ones are lost.
        keys: Box<Keys>,
        /// Whether the old keys are lost or stolen: then none of them stays.
        emergency: bool,
    },
    /// A member is one no more.
    Expel {
        /// Which.
        id: OrganisationId,
        /// Why, for people.
        reason: Bilingual,
        /// The digest of what proves the ground (two heads of one log, for example).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<Digest>,
    },
    /// Other founders, or another quorum.
    Founders {
        /// From now on.
        founders: Founders,
    },
}

/// What an entry says; its canonical digest is the entry's name and the next one's `previous`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryBody {
    /// What this is.
    pub format: Format,
    /// In which version.
    pub version: u32,
    /// Of which federation.
    pub federation: FederationName,
    /// Its place: 1 for the first.
    pub number: u32,
    /// The digest of the entry before; of the genesis for the first.
    pub previous: Digest,
    /// When it was drawn up; never before the entry before.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What changes.
    pub change: Change,
}

impl EntryBody {
    /// Its digest.
    ///
    /// # Errors
    /// Never for a body that was read or built from checked parts.
    pub fn digest(&self) -> Result<Digest, Problem> {
        canonical_digest(Suite::default(), self)
    }

    /// A founder's signature over it.
    ///
    /// # Errors
    /// What the signer says.
    pub fn sign(&self, founder: &dyn Signer) -> Result<Signature, Problem> {
        founder.sign_canonical(Purpose::Membership, self)
    }
}

/// An entry with the signatures that make it count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What it says.
    pub body: EntryBody,
    /// Of distinct founders, by key in ascending order of its base64.
    pub signatures: Vec<Signature>,
}

impl Entry {
    /// An entry of `body` and `signatures`, which are put in order.
    pub fn new(body: EntryBody, mut signatures: Vec<Signature>) -> Self {
        signatures.sort_by(|one, other| one.key.cmp(&other.key));
        signatures.dedup_by(|one, other| one.key == other.key);
        Self { body, signatures }
    }

    /// Its canonical bytes.
    ///
    /// # Errors
    /// As [`EntryBody::digest`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, Problem> {
        canonical_bytes(self)
    }

    /// Reads canonical bytes; whether the entry holds is [`crate::decide::check`]'s to say.
    ///
    /// # Errors
    /// `federation.format` when they are not the canonical bytes of an entry of this version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Problem> {
        let entry: Self = read(bytes)?;
        ensure!(
            entry.body.format == Format::Entry && entry.body.version == VERSION,
            bad_format("yunhe-federation-entry/1")
        );
        Ok(entry)
    }
}

impl Genesis {
    /// Its canonical bytes.
    ///
    /// # Errors
    /// As [`EntryBody::digest`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, Problem> {
        canonical_bytes(self)
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// `federation.format`, as [`Entry::from_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Problem> {
        read(bytes)
    }

    /// Its digest, which `init` pins.
    ///
    /// # Errors
    /// As [`EntryBody::digest`].
    pub fn digest(&self) -> Result<Digest, Problem> {
        canonical_digest(Suite::default(), self)
    }
}

fn read<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, Problem> {
    ensure!(bytes.len() <= DOCUMENT_BYTES_MAX, bad_format(&format!("at most {DOCUMENT_BYTES_MAX} bytes")));
    let value: T = serde_json::from_slice(bytes).map_err(|it| bad_format(&it.to_string()))?;
    ensure!(canonical_bytes(&value)? == bytes, bad_format("canonical JSON (RFC 8785)"));
    Ok(value)
}

/// The JSON Schemas of genesis and entry.
pub fn schemas() -> [(&'static str, schemars::Schema); 2] {
    [("federation-genesis-1", schemars::schema_for!(Genesis)), ("federation-entry-1", schemars::schema_for!(Entry))]
}

fn bad_format(why: &str) -> Problem {
    Problem::new(
        Kind::Malformed,
        "federation.format",
        format!("成员日志文件格式不符：{why}"),
        format!("this is no document of a membership log: {why}"),
    )
}
