//! The handle that everything of an organisation hangs on.

use crate::{
    Clock, OrganisationConfig, Packs,
    batch::BatchSigner,
    draw_salt,
    keys::{LiveSigner, LiveTls},
    restore::AfterRestore,
};
use blob::Blobs;
use evidence::Origin;
use exchange::{AgreementId, DeliveryId, Pace, RequestId};
use federation::{Member, View};
use peer::{Carrier, ClientLimits, Peer, PeerClient, PinSet};
use policy::{Principal, Role};
use signing::{Certificate, KeyRing, Signer};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, atomic::AtomicU64},
};
use store::{Store, transact};
use vocabulary::{FederationName, Kind, OrganisationId, Problem, ResourceId, Timestamp};

/// A certificate lives this long; membership pins keys, so its end is housekeeping only.
pub(crate) const CERTIFICATE_DAYS: u32 = 3_650;

/// A fault of ours: the cause is logged, never shown.
pub(crate) fn fault(what: &str, cause: &dyn std::fmt::Display) -> Problem {
    tracing::error!(what, %cause, "node fault");
    Problem::new(
        Kind::Internal,
        "node.fault",
        format!("节点内部故障（{what}）；请查看节点日志"),
        format!("a fault inside the node ({what}); see its log"),
    )
}

/// One organisation: its database, log, keys, blobs, members and packs.
pub struct Organisation {
    pub(crate) config: OrganisationConfig,
    pub(crate) federation: FederationName,
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) keys: KeyRing,
    pub(crate) client: PeerClient,
    pub(crate) outside: outside::Connections,
    /// How often agreements over services are called in this second.
    pub(crate) paces: Mutex<BTreeMap<AgreementId, Pace>>,
    /// Rows of live sources that did not fit their record type since this process began.
    pub(crate) unfit: std::sync::atomic::AtomicU64,
    /// Runs that this process carries.
    pub(crate) carried: crate::taking::Carried,
    pub(crate) signer: BatchSigner,
    pub(crate) catalog: crate::catalogs::Search,
    /// Leaves that waited for the sequencer when this process last looked; zero while it keeps up.
    pub(crate) behind: AtomicU64,
    /// A letter that came has to go on to the next neighbour.
    pub(crate) passing: std::sync::atomic::AtomicBool,
    /// Batches being made by this process.
    pub(crate) making: Mutex<BTreeSet<DeliveryId>>,
    /// Deliveries into tables that have a turn at this moment.
    pub(crate) carrying: Mutex<BTreeSet<ResourceId>>,
    /// Wakes the jobs that carry deliveries.
    pub(crate) wakes: crate::jobs::Wakes,
    /// Batches being fetched that rest after a fault of their provider's.
    pub(crate) resting: Mutex<BTreeMap<DeliveryId, crate::pulls::Rest>>,
    /// What signs messages now.
    pub(crate) messages: Arc<LiveSigner>,
    /// What proves connections now.
    pub(crate) tls: LiveTls,
    /// Since when membership has named keys that wait, by their names.
    pub(crate) seen: Mutex<BTreeMap<&'static str, Timestamp>>,
    /// How the jobs fare.
    pub(crate) jobs: Mutex<BTreeMap<&'static str, crate::jobs::JobState>>,
    /// Calls of administrators that were written down lately.
    pub(crate) noted: Mutex<crate::audit::Noted>,
    /// When news of requests that are late was asked for last.
    pub(crate) asked: Mutex<BTreeMap<RequestId, Timestamp>>,
    /// Digests over what a consumer should hold are made one at a time.
    pub(crate) tallying: tokio::sync::Semaphore,
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    pins: Arc<PinSet>,
    members: RwLock<Option<Arc<View>>>,
    packs: RwLock<Arc<Packs>>,
    /// The last restore from a backup.
    pub(crate) restored: RwLock<Option<AfterRestore>>,
}

/// Where it meets the world.
struct Edge {
    clock: Arc<dyn Clock>,
    /// Over TLS where there is none.
    carrier: Option<Arc<dyn Carrier>>,
}

impl std::fmt::Debug for Organisation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Organisation").field("id", &self.config.id).finish_non_exhaustive()
    }
}

/// An organisation's database and the schema in it.
pub(crate) fn database_url(folder: &Path, config: &OrganisationConfig) -> (String, String) {
    let url = if config.database == "sqlite" {
        format!("sqlite:{}", folder.join("yunhe.db").display())
    } else {
        config.database.clone()
    };
    (url, config.id.as_str().replace('-', "_"))
}

pub(crate) async fn open_store(folder: &Path, config: &OrganisationConfig) -> Result<Store, Problem> {
    let (url, schema) = database_url(folder, config);
    let store = Store::open(&url, &schema).await?;
    migrate(&store).await?;
    Ok(store)
}

/// Brings the tables of every act up to date.
///
/// # Errors
/// As [`Store::migrate`].
pub async fn migrate(store: &Store) -> Result<(), Problem> {
    evidence::migrate(store).await?;
    registry::migrate(store).await?;
    identity::migrate(store).await?;
    federation::migrate(store).await?;
    catalog::migrate(store).await?;
    store.migrate("exchange", exchange::MIGRATIONS).await?;
    store.migrate("node", crate::store::MIGRATIONS).await
}

impl Organisation {
    /// Opens the organisation whose data are in `folder`.
    ///
    /// # Errors
    /// `signing.folder` and its kin when keys are missing, `store.…`, `evidence.epoch`.
    pub async fn open(
        folder: &Path,
        federation: &FederationName,
        config: &OrganisationConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, Problem> {
        Self::open_at(folder, federation, config, Edge { clock, carrier: None }).await
    }

    /// Opens it with a carrier of its signed messages in place of TLS, for a simulation of the network.
    ///
    /// # Errors
    /// As [`Organisation::open`].
    pub async fn open_over(
        folder: &Path,
        federation: &FederationName,
        config: &OrganisationConfig,
        clock: Arc<dyn Clock>,
        carrier: Arc<dyn Carrier>,
    ) -> Result<Arc<Self>, Problem> {
        Self::open_at(folder, federation, config, Edge { clock, carrier: Some(carrier) }).await
    }

    async fn open_at(
        folder: &Path,
        federation: &FederationName,
        config: &OrganisationConfig,
        Edge { clock, carrier }: Edge,
    ) -> Result<Arc<Self>, Problem> {
        crate::restore::check_folder(folder)?;
        let keys = KeyRing::open(&folder.join("keys"))?;
        let store = open_store(folder, config).await?;
        let now = clock.now();
        let origin = origin(federation, config)?;
        let salt = draw_salt()?;
        transact!(store, None, |tx| evidence::open(tx, &origin, salt, now).await)?;
        crate::settings::follow(&store, config, now).await?;
        let certificate =
            Certificate::self_signed(&keys.tls, std::slice::from_ref(&config.host), now, CERTIFICATE_DAYS)?;
        let restored = crate::restore::after_restore(&mut store.read().await?).await?;
        let messages = LiveSigner::new(keys.messages.clone());
        let signer: Arc<dyn Signer> = messages.clone();
        let limits = ClientLimits::default();
        let client = match carrier {
            None => PeerClient::new(keys.tls.clone(), certificate.clone(), signer.clone(), limits),
            Some(carrier) => PeerClient::over(carrier, signer.clone(), limits),
        };
        let organisation = Self {
            signer: BatchSigner::start(store.clone(), signer),
            blobs: Blobs::folder(&folder.join("blob"))?,
            catalog: crate::catalogs::Search::new(folder.join("search")),
            outside: outside::Connections::open(&config.connection),
            carried: crate::taking::Carried::default(),
            unfit: std::sync::atomic::AtomicU64::default(),
            paces: Mutex::default(),
            config: config.clone(),
            behind: AtomicU64::new(0),
            passing: std::sync::atomic::AtomicBool::default(),
            making: Mutex::default(),
            carrying: Mutex::default(),
            wakes: crate::jobs::Wakes::default(),
            jobs: Mutex::default(),
            seen: Mutex::default(),
            messages,
            tls: LiveTls { own: RwLock::new((keys.tls.clone(), certificate)), hosts: RwLock::default() },
            resting: Mutex::default(),
            noted: Mutex::default(),
            asked: Mutex::default(),
            tallying: tokio::sync::Semaphore::new(1),
            federation: federation.clone(),
            store,
            keys,
            client,
            folder: folder.to_owned(),
            clock,
            pins: PinSet::new([]),
            members: RwLock::new(None),
            packs: RwLock::default(),
            restored: RwLock::new(restored),
        };
        organisation.reload_members().await?;
        organisation.reload_packs().await?;
        organisation.finish_receipts().await?;
        organisation.note_waits().await?;
        Ok(Arc::new(organisation))
    }

    /// Its name.
    pub fn id(&self) -> &OrganisationId {
        &self.config.id
    }

    /// Its configuration.
    pub fn config(&self) -> &OrganisationConfig {
        &self.config
    }

    /// The federation it is in.
    pub fn federation(&self) -> &FederationName {
        &self.federation
    }

    /// Its data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its database, for those that follow a feed.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The systems of others that it may read.
    pub fn outside(&self) -> &outside::Connections {
        &self.outside
    }

    /// Now, by its clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What it proves its connections with.
    pub fn tls(&self) -> (signing::TlsKey, Certificate, Arc<PinSet>) {
        let (key, certificate) = self.tls.own.read().unwrap_or_else(PoisonError::into_inner).clone();
        (key, certificate, self.pins.clone())
    }

    /// What it signs answers with: the key of this moment.
    pub fn message_key(&self) -> Arc<signing::SigningKey> {
        self.messages.key()
    }

    /// Its suite: that of the key it signs with.
    pub fn suite(&self) -> vocabulary::Suite {
        self.message_key().public().suite()
    }

    /// Its log's origin.
    ///
    /// # Errors
    /// Those of the configuration.
    pub fn origin(&self) -> Result<Origin, Problem> {
        origin(&self.federation, &self.config)
    }

    /// A job of its own, with the roles it needs.
    pub(crate) fn job(&self, name: &str, roles: impl IntoIterator<Item = Role>) -> Principal {
        Principal::job(self.id().clone(), name, roles)
    }

    /// The membership as we know it.
    ///
    /// # Errors
    /// `federation.none` before a genesis was pinned.
    pub fn members(&self) -> Result<Arc<View>, Problem> {
        let view = self.members.read().unwrap_or_else(PoisonError::into_inner).clone();
        view.ok_or_else(|| {
            Problem::new(
                Kind::Unavailable,
                "federation.none",
                "尚未加入联邦；请用 yunhe federation join GENESIS",
                "no federation was joined yet; use yunhe federation join GENESIS",
            )
        })
    }

    pub(crate) fn set_members(&self, view: View) {
        // Members that were expelled keep their connection and hear a 403; unknown keys end in a TLS alert.
        let gone: Vec<_> = view.expelled().flat_map(|it| it.member.organisation.keys.tls.clone()).collect();
        self.pins.replace(view.tls_pins().chain(gone));
        *self.members.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(view));
    }

    /// A member.
    ///
    /// # Errors
    /// `peer.not_member`.
    pub fn member(&self, id: &OrganisationId) -> Result<Arc<Member>, Problem> {
        Ok(self.members()?.member(id)?.clone())
    }

    /// How to call a member.
    ///
    /// # Errors
    /// `peer.not_member`, `federation.stale`.
    pub(crate) fn peer(&self, id: &OrganisationId) -> Result<Peer, Problem> {
        let view = self.members()?;
        view.fresh(self.now())?;
        Ok(dialled(view.member(id)?))
    }

    /// The installed packs.
    pub fn packs(&self) -> Arc<Packs> {
        self.packs.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_packs(&self, packs: Packs) {
        *self.packs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(packs);
    }

    /// Stops cleanly: what was promised is signed, connections are closed.
    pub async fn close(&self) {
        self.signer.stop().await;
        self.store.close().await;
    }
}

/// A member as it is called.
pub(crate) fn dialled(member: &Member) -> Peer {
    let member = &member.organisation;
    Peer {
        host: member.host.as_str().into(),
        addresses: member.addresses.clone(),
        pins: member.keys.tls.iter().copied().collect(),
        keys: member.keys.messages.clone(),
    }
}

pub(crate) fn origin(federation: &FederationName, config: &OrganisationConfig) -> Result<Origin, Problem> {
    Ok(Origin { federation: federation.clone(), organisation: config.id.clone(), epoch: config.epoch })
}
