//! The membership that a log amounts to, and what may be asked of it.
//!
//! Pure. A view is only ever made by replaying entries that [`crate::decide::check`] passed.

use crate::{Founders, Genesis, LogKey, Organisation, decide};
use evidence::VerifierKey;
use signing::{Pin, PublicKey};
use std::collections::BTreeMap;
use std::sync::Arc;
use vocabulary::{Bilingual, Digest, Kind, OrganisationId, Problem, Suite, Timestamp, ensure};

/// A member, and the keys it had before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// As it is.
    pub organisation: Organisation,
    /// When it joined.
    pub since: Timestamp,
    /// Message keys that it used once: proofs of that time still verify, messages of today do not.
    pub former_messages: Vec<(PublicKey, Timestamp)>,
    /// Logs that it kept once, and until when.
    pub former_logs: Vec<(LogKey, Timestamp)>,
}

impl Member {
    /// What its logs' checkpoints are verified with, today's and those of before: the log's own key, and beside it each
    /// SM2 key that it signs or signed messages with.
    ///
    /// # Errors
    /// Never for a member of a view.
    pub fn log_keys(&self) -> Result<Vec<VerifierKey>, Problem> {
        let keys = &self.organisation.keys;
        let former = self.former_messages.iter().map(|(key, _)| key);
        let beside: Vec<_> = keys.messages.iter().chain(former).filter(|it| it.suite() == Suite::Sm2Sm3).collect();
        let logs = std::iter::once(&keys.log).chain(self.former_logs.iter().map(|(log, _)| log));
        let all = logs.flat_map(|log| std::iter::once(&log.key).chain(beside.iter().copied()).map(move |it| (log, it)));
        all.map(|(log, key)| VerifierKey::new(log.origin.to_string(), *key).map_err(Problem::from)).collect()
    }
}

/// Who was a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expelled {
    /// As it was.
    pub member: Arc<Member>,
    /// Since when it is one no more.
    pub at: Timestamp,
    /// Why.
    pub reason: Bilingual,
}

/// Membership as of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) head: Digest,
    pub(crate) number: u32,
    pub(crate) at: Timestamp,
    pub(crate) founders: Founders,
    pub(crate) members: BTreeMap<OrganisationId, Arc<Member>>,
    pub(crate) expelled: BTreeMap<OrganisationId, Vec<Expelled>>,
    pub(crate) by_host: BTreeMap<String, OrganisationId>,
    pub(crate) by_tls: BTreeMap<Pin, OrganisationId>,
    /// By the text of the key: a `keyid` is looked up at every request, and reading a point costs as much as a tenth of
    /// verifying.
    pub(crate) by_message: BTreeMap<String, (PublicKey, OrganisationId)>,
    /// Every message and log key that anyone ever had, and since when: none comes back under another name.
    pub(crate) used_keys: BTreeMap<PublicKey, (OrganisationId, Timestamp)>,
    pub(crate) used_pins: BTreeMap<Pin, OrganisationId>,
    pub(crate) confirmed_at: Timestamp,
}

impl View {
    /// The view before any entry.
    ///
    /// # Errors
    /// `federation.genesis` when the genesis does not hold: no founders, a quorum past them, a key twice.
    pub fn new(genesis: Genesis) -> Result<Self, Problem> {
        decide::check_genesis(&genesis)?;
        Ok(Self {
            head: genesis.digest()?,
            number: 0,
            at: genesis.founded_at,
            founders: genesis.founders.clone(),
            members: BTreeMap::new(),
            expelled: BTreeMap::new(),
            by_host: BTreeMap::new(),
            by_tls: BTreeMap::new(),
            by_message: BTreeMap::new(),
            used_keys: BTreeMap::new(),
            used_pins: BTreeMap::new(),
            confirmed_at: genesis.founded_at,
            genesis: Arc::new(genesis),
        })
    }

    /// The genesis.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The digest of the last entry.
    pub fn head(&self) -> Digest {
        self.head
    }

    /// The number of the last entry; 0 before any.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Who may sign the next entry.
    pub fn founders(&self) -> &Founders {
        &self.founders
    }

    /// All members, by name.
    pub fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.values()
    }

    /// Who was expelled, by name and time; some may be members again.
    pub fn expelled(&self) -> impl Iterator<Item = &Expelled> {
        self.expelled.values().flatten()
    }

    /// The member of that name.
    ///
    /// # Errors
    /// `peer.not_member` (403).
    pub fn member(&self, id: &OrganisationId) -> Result<&Arc<Member>, Problem> {
        self.members.get(id).ok_or_else(|| self.not_member(&id.to_string(), Some(id)))
    }

    /// The member whose connections prove that key.
    ///
    /// # Errors
    /// `peer.not_member` (403).
    pub fn by_tls_pin(&self, pin: &Pin) -> Result<&Arc<Member>, Problem> {
        let id = self.by_tls.get(pin).ok_or_else(|| self.not_member(&pin.to_string(), self.used_pins.get(pin)))?;
        self.member(id)
    }

    /// The member whose messages that key signs.
    ///
    /// # Errors
    /// `peer.not_member` (403).
    pub fn by_message_key(&self, key: &PublicKey) -> Result<&Arc<Member>, Problem> {
        self.by_key_id(&key.to_string()).map(|(_, member)| member)
    }

    /// The member and the ready key of an RFC 9421 `keyid`.
    ///
    /// # Errors
    /// `peer.not_member` (403).
    pub fn by_key_id(&self, key_id: &str) -> Result<(PublicKey, &Arc<Member>), Problem> {
        let (key, id) = self.by_message.get(key_id).ok_or_else(|| {
            let was = key_id.parse().ok().and_then(|key: PublicKey| self.used_keys.get(&key));
            self.not_member(&shown(key_id), was.map(|(id, _)| id))
        })?;
        Ok((*key, self.member(id)?))
    }

    /// Who signed with that key at `at`, members of then included: for proofs of the past.
    ///
    /// # Errors
    /// `peer.not_member` (403).
    pub fn signer_at(&self, key: &PublicKey, at: Timestamp) -> Result<&Arc<Member>, Problem> {
        let (id, since) = self.used_keys.get(key).ok_or_else(|| self.not_member(&key.to_string(), None))?;
        let gone = self.expelled.get(id).into_iter().flatten().filter(|it| at < it.at).map(|it| &it.member);
        let signed = |it: &&Arc<Member>| {
            let current = it.organisation.keys.messages.contains(key);
            let former = it.former_messages.iter().any(|(former, until)| former == key && at < *until);
            at >= it.since && at >= *since && (current || former)
        };
        let member = self.members.get(id).into_iter().chain(gone).find(signed);
        member.ok_or_else(|| self.not_member(&key.to_string(), Some(id)))
    }

    /// All TLS keys of members: those that may connect.
    pub fn tls_pins(&self) -> impl Iterator<Item = Pin> {
        self.by_tls.keys().copied()
    }

    /// When the view was last known to be the newest.
    pub fn confirmed_at(&self) -> Timestamp {
        self.confirmed_at
    }

    /// The view, known to be the newest at `at`.
    #[must_use]
    pub fn confirmed(mut self, at: Timestamp) -> Self {
        self.confirmed_at = self.confirmed_at.max(at);
        self
    }

    /// Seconds since the view was last known to be the newest.
    pub fn age_seconds(&self, now: Timestamp) -> i64 {
        (now.as_second() - self.confirmed_at.as_second()).max(0)
    }

    /// Checks that the view is young enough to act on.
    ///
    /// # Errors
    /// `federation.stale` (503) with `age_seconds`.
    pub fn fresh(&self, now: Timestamp) -> Result<(), Problem> {
        let (age, hours) = (self.age_seconds(now), self.genesis.view_hours_max);
        ensure!(
            age <= i64::from(hours) * 3600,
            Problem::new(
                Kind::Unavailable,
                "federation.stale",
                format!("成员视图已 {} 小时未确认，超过 {hours} 小时；请先与枢纽同步成员日志", age / 3600),
                format!(
                    "the membership view was last confirmed {} h ago, more than {hours} h; sync it with the hub first",
                    age / 3600
                ),
            )
            .with("age_seconds", age)
        );
        Ok(())
    }

    /// Why `who` is refused; `was` is the organisation that it is the name or a key of, if it was ever known.
    fn not_member(&self, who: &str, was: Option<&OrganisationId>) -> Problem {
        let federation = &self.genesis.federation;
        let gone = was.filter(|it| !self.members.contains_key(*it)).and_then(|it| self.expelled.get(it)?.last());
        if let Some(Expelled { member, at, reason }) = gone {
            let (id, number) = (&member.organisation.id, self.number);
            let (zh, en) = (&reason.zh, &reason.en);
            return Problem::new(
                Kind::Refused,
                "peer.not_member",
                format!(
                    "{id} 已于 {at} 被联邦 {federation} 除名，原因：{zh}（成员日志第 {number} 条）；\
                     须由创始成员重新接纳后方可往来"
                ),
                format!(
                    "{id} was expelled from federation {federation} at {at}: {en} (as of entry {number}); \
                     it has to be admitted anew by the founders"
                ),
            )
            .with("expelled", id.as_str())
            .with("expelled_at", at.to_string());
        }
        if let Some(id) = was.filter(|it| self.members.contains_key(*it)) {
            return Problem::new(
                Kind::Refused,
                "peer.not_member",
                format!(
                    "密钥 {who} 不是（或不再是）{id} 的现行密钥（联邦 {federation} 成员日志第 {} 条）；\
                     请改用其现行密钥，或先取回最新成员日志",
                    self.number
                ),
                format!(
                    "{who} is not, or no more, a key of {id} as of entry {} of federation {federation}; \
                     use its key of today, or fetch the membership log first",
                    self.number
                ),
            )
            .with("former_of", id.as_str());
        }
        Problem::new(
            Kind::Refused,
            "peer.not_member",
            format!("{who} 不是联邦 {federation} 的成员（成员日志第 {} 条）；请先办理加入", self.number),
            format!("{who} is not a member of federation {federation} as of entry {}; join it first", self.number),
        )
    }
}

/// What a stranger calls itself goes into an answer and a log: at most so much of it.
fn shown(key_id: &str) -> String {
    key_id.chars().filter(|it| it.is_ascii_graphic()).take(80).collect()
}
