//! Keys that change while the node runs 密钥更换. What signs messages and what proves connections are changed in three
//! steps: the next key is drawn and lies beside the one in use; membership names both; then, once members have had time
//! to hear of that, the node uses the next one. Calls and connections under way end on the old one, which membership
//! still names. A certificate only carries its key, and is renewed before its end.

use crate::{Organisation, organisation::CERTIFICATE_DAYS};
use evidence::act::{self, ActFilter, StoredAct};
use jiff::SignedDuration;
use peer::Hosts;
use signing::{Certificate, KeyRing, PublicKey, Rotated, Signer, SigningKey, TlsKey};
use std::sync::{Arc, PoisonError, RwLock};
use store::transact;
use vocabulary::{OrganisationId, Problem, Signature, Timestamp};

/// Members hear of an entry within a minute where the hub can be reached; the next key is used only after this.
pub const SPREAD: SignedDuration = SignedDuration::from_secs(600);
/// The act of putting a key to use.
const USED: &str = "key.use";
/// So many of the latest such acts tell whether a key stands in the log: of each kind of key one is under way.
const LOOKED_AT: u32 = 8;
/// A certificate is renewed so many days before its end.
const RENEW_DAYS: i32 = 30;

/// The message key in use: whoever holds this signs with the key of the moment.
pub(crate) struct LiveSigner(RwLock<Arc<SigningKey>>);

impl LiveSigner {
    pub(crate) fn new(key: SigningKey) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Arc::new(key))))
    }

    /// The key of this moment.
    pub(crate) fn key(&self) -> Arc<SigningKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn use_now(&self, key: SigningKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }
}

impl Signer for LiveSigner {
    fn public(&self) -> PublicKey {
        self.key().public()
    }

    fn sign_bytes(&self, bytes: &[u8]) -> Result<Signature, Problem> {
        self.key().sign_bytes(bytes)
    }

    fn hold(&self) -> Option<Arc<dyn Signer>> {
        Some(self.key())
    }
}

/// What connections are proved with, and where they are served.
pub(crate) struct LiveTls {
    pub own: RwLock<(TlsKey, Certificate)>,
    pub hosts: RwLock<Option<Arc<Hosts>>>,
}

impl Organisation {
    /// Serves this organisation's host on `hosts`, now and with whatever key or certificate comes later.
    ///
    /// # Errors
    /// `peer.host` and its kin.
    pub fn serve_on(&self, hosts: &Arc<Hosts>) -> Result<(), Problem> {
        *self.tls.hosts.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(hosts));
        let (key, certificate, pins) = self.tls();
        hosts.serve(&self.config.host, &key, &certificate, pins)
    }

    /// Days until the certificate ends.
    pub fn certificate_days(&self) -> i64 {
        let (_, certificate, _) = self.tls();
        let today = jiff::tz::Offset::UTC.to_datetime(self.now()).date();
        certificate.until.duration_since(today).as_hours() / 24
    }

    fn show(&self, key: TlsKey) -> Result<(), Problem> {
        let hosts = std::slice::from_ref(&self.config.host);
        let certificate = Certificate::self_signed(&key, hosts, self.now(), CERTIFICATE_DAYS)?;
        *self.tls.own.write().unwrap_or_else(PoisonError::into_inner) = (key.clone(), certificate.clone());
        let served = self.tls.hosts.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(served) = served {
            served.serve(&self.config.host, &key, &certificate, self.tls().2)?;
        }
        self.client.show(key, certificate);
        Ok(())
    }

    /// Uses the keys that wait once membership has named them for long enough, and renews the certificate before its
    /// end. Says whether anything changed.
    ///
    /// # Errors
    /// `signing.…` when a key file cannot be used.
    pub async fn follow_keys(&self) -> Result<bool, Problem> {
        let folder = self.folder().join("keys");
        let mut changed = false;
        if self.certificate_days() < i64::from(RENEW_DAYS) {
            self.show(self.tls().0)?;
            changed = true;
        }
        let Ok(member) = self.members().and_then(|it| it.member(self.id()).cloned()) else { return Ok(changed) };
        let named = &member.organisation.keys;
        let stamp = self.now().as_second().to_string();
        if let Some(next) = KeyRing::next_messages(&folder)?.filter(|it| named.messages.contains(&it.public()))
            && self.spread(Rotated::Messages)
        {
            self.note_key(Rotated::Messages, &next.public().to_string()).await?;
            KeyRing::promote(&folder, Rotated::Messages, &stamp)?;
            self.messages.use_now(next);
            tracing::warn!("messages are signed with the next key from now on");
            changed = true;
        }
        if let Some(next) = KeyRing::next_tls(&folder)?
            && named.tls.contains(&next.pin()?)
            && self.spread(Rotated::Tls)
        {
            self.note_key(Rotated::Tls, &next.pin()?.to_string()).await?;
            KeyRing::promote(&folder, Rotated::Tls, &stamp)?;
            self.show(next)?;
            tracing::warn!("connections are proved with the next key from now on");
            changed = true;
        }
        Ok(changed)
    }

    /// No key is put to use unless it stands in the log; once, however often putting it to use fails behind that.
    async fn note_key(&self, which: Rotated, public: &str) -> Result<(), Problem> {
        let (principal, salt, now) = (self.job("keys", []), crate::draw_salt()?, self.now());
        let about = serde_json::json!({"key": which.word(), "public": public});
        transact!(self.store, None, |tx| {
            let of_keys = ActFilter { act: USED.to_owned(), ..ActFilter::default() };
            let latest = act::acts(tx, &of_keys, None, LOOKED_AT).await?;
            if latest.iter().filter_map(StoredAct::body).any(|it| it.about == about) {
                return Ok(());
            }
            crate::audit::leave(tx, &principal, (USED, about.clone()), salt, now).await.map(drop)
        })
    }

    /// Whether we have known for long enough that membership names the next key.
    fn spread(&self, which: Rotated) -> bool {
        let now = self.now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *seen.entry(which.word()).or_insert(now);
        let long = now.duration_since(since) >= SPREAD;
        if long {
            seen.remove(which.word());
        }
        long
    }

    /// The message keys with which `id` may have signed at `at`: those of today, and those given up since.
    pub(crate) fn keys_at(&self, id: &OrganisationId, at: Timestamp) -> Result<Vec<PublicKey>, Problem> {
        let member = self.member(id)?;
        let former = member.former_messages.iter().filter(|(_, until)| at < *until).map(|(key, _)| *key);
        Ok(member.organisation.keys.messages.iter().copied().chain(former).collect())
    }

    /// Our own message keys at `at`, the one in use first.
    pub(crate) fn own_keys_at(&self, at: Timestamp) -> Vec<PublicKey> {
        let known = self.keys_at(self.id(), at).unwrap_or_default();
        std::iter::once(self.messages.public()).chain(known).collect()
    }
}
