//! Packs on this organisation: installed as texts, read into checked parts, kept at hand.

use crate::{
    Organisation, draw_salt,
    organisation::fault,
    store::{PACK_LIST, PACK_SET},
};
use pack::{Files, Pack, Source};
use policy::{Offer, Principal};
use schema::{CodeBook, CodeLists, RecordType, division::Zones};
use serde::Serialize;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};
use store::{args, transact};
use vocabulary::{Date, Digest, Kind, PackId, Problem, ResourceId, micros};

/// All installed packs, joined.
#[derive(Default)]
pub struct Packs {
    /// One by one.
    pub all: Vec<Pack>,
    /// The code lists of all.
    pub lists: Arc<CodeBook>,
    /// The functional zones of all.
    pub zones: Zones,
    files: BTreeMap<String, Files>,
}

/// What an installed pack brought.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct InstalledPack {
    /// Its name.
    pub id: PackId,
    /// Its title.
    pub title: vocabulary::Bilingual,
    /// Its version.
    pub version: String,
    /// Its record types.
    pub records: Vec<ResourceId>,
    /// Its offers.
    pub offers: Vec<ResourceId>,
    /// Its services.
    pub services: Vec<ResourceId>,
    /// How many catalogue entries it has.
    pub entries: usize,
    /// How many of them this installation published: none without the secrecy review's confirmation.
    pub published: usize,
}

impl From<&Pack> for InstalledPack {
    fn from(pack: &Pack) -> Self {
        Self {
            id: pack.id().clone(),
            title: pack.manifest.title.clone(),
            version: pack.manifest.version.clone(),
            records: pack.records.keys().cloned().collect(),
            offers: pack.offers.keys().cloned().collect(),
            services: pack.services.keys().cloned().collect(),
            entries: pack.entries.len(),
            published: 0,
        }
    }
}

impl Packs {
    fn of(files: BTreeMap<String, Files>) -> Result<Self, Problem> {
        let all = pack::read_all(&files).map_err(|it| pack::problem(&it))?;
        let mut lists = CodeBook::default();
        for list in all.iter().flat_map(|it| it.lists.iter()) {
            lists.insert(list.clone());
        }
        let pairs =
            all.iter().flat_map(|it| it.zones.iter()).map(|(zone, parent)| (zone.to_owned(), parent.to_owned()));
        let zones = Zones::new(pairs).map_err(|it| fault("zones", &it.reason.en))?;
        Ok(Self { all, lists: Arc::new(lists), zones, files })
    }

    /// The code lists, for checking values.
    pub fn codes(&self) -> Arc<dyn CodeLists + Send + Sync> {
        self.lists.clone()
    }

    /// An offer.
    ///
    /// # Errors
    /// `exchange.offer_missing`.
    pub fn offer(&self, name: &ResourceId) -> Result<&Offer, Problem> {
        self.all.iter().find_map(|it| it.offers.get(name)).ok_or_else(|| {
            Problem::new(
                Kind::Missing,
                "exchange.offer_missing",
                format!("没有提供 {name}；可用 yunhe offer list 查看"),
                format!("{name} is not offered; see yunhe offer list"),
            )
        })
    }

    /// A record type as declared.
    ///
    /// # Errors
    /// `registry.type`.
    pub fn record(&self, name: &ResourceId) -> Result<&RecordType, Problem> {
        self.all.iter().find_map(|it| it.records.get(name)).ok_or_else(|| {
            Problem::new(
                Kind::Missing,
                "registry.type",
                format!("没有记录类型 {name}；请先安装其数据包（yunhe pack install）"),
                format!("there is no record type {name}; install its pack first (yunhe pack install)"),
            )
        })
    }

    /// All offers.
    pub fn offers(&self) -> impl Iterator<Item = &Offer> {
        self.all.iter().flat_map(|it| it.offers.values())
    }

    /// A source.
    ///
    /// # Errors
    /// `registry.source`.
    pub fn source(&self, name: &ResourceId) -> Result<&Source, Problem> {
        self.all.iter().find_map(|it| it.sources.get(name)).ok_or_else(|| {
            Problem::new(
                Kind::Missing,
                "registry.source",
                format!("没有数据源 {name}"),
                format!("there is no source {name}"),
            )
        })
    }

    /// The day that lies so many working days behind `from`; `None` where no calendar is installed.
    pub fn working_days_after(&self, from: Date, days: u16) -> Option<Date> {
        let calendar = self.all.iter().flat_map(|it| &it.calendars).next()?;
        Some(calendar.due(from, days).day)
    }
}

/// Installing packs.
#[derive(Debug)]
struct InstallPack;

impl policy::Ask for InstallPack {
    fn need(&self) -> policy::Need<'_> {
        policy::Need::Role(&[policy::Role::SystemAdministrator])
    }
}

impl Organisation {
    pub(crate) async fn reload_packs(&self) -> Result<(), Problem> {
        let mut files = BTreeMap::new();
        for row in self.store.read().await?.rows(PACK_LIST, vec![]).await? {
            files.insert(row.text("id")?.to_owned(), row.json("files")?);
        }
        // A pack that was right when it was installed and is not today must not keep the node from starting.
        match Packs::of(files) {
            Ok(packs) => self.set_packs(packs),
            Err(problem) => tracing::error!(%problem, "installed packs no longer check"),
        }
        Ok(())
    }

    /// Installs a pack, or a later version of it: its record types become tables; its entries stand in the catalogue if
    /// their secrecy review is confirmed.
    ///
    /// # Errors
    /// `pack.findings` with all of them; `registry.revision`; `policy.role`.
    pub async fn install_pack(
        &self,
        principal: &Principal,
        files: Files,
        review: Option<catalog::SecrecyReview>,
    ) -> Result<InstalledPack, Problem> {
        let pack = pack::read(&files).map_err(|it| pack::problem(&it))?;
        let mut together = self.packs().files.clone();
        together.insert(pack.id().to_string(), files.clone());
        let packs = Packs::of(together)?;
        // A pack without record types installs nothing that asks for leave by itself.
        self.permit(principal, InstallPack)?;
        let text = serde_json::to_string(&files).map_err(|it| fault("pack files", &it))?;
        let (id, digest, now) = (pack.id().clone(), Digest::of(text.as_bytes()), self.now());
        let installs = pack
            .records
            .values()
            .map(|it| self.permit(principal, registry::Install { record: it.clone() }))
            .collect::<Result<Vec<_>, _>>()?;
        let things = self.things_of(&pack)?;
        let salt = draw_salt()?;
        let about = json!({"pack": id, "version": pack.manifest.version, "files": digest, "review": review.is_some()});
        let done = transact!(self.store, None, |tx| {
            for install in &installs {
                registry::install(tx, install, now).await?;
            }
            for (permit, salt) in &things {
                catalog::compile::put_things(tx, permit, *salt, now).await?;
            }
            tx.execute(PACK_SET, args![id.as_str(), digest.to_string(), &text, micros(now)]).await?;
            crate::audit::leave(tx, principal, ("pack.install", about.clone()), salt, now).await?;
            Ok(())
        });
        if let Err(problem) = done {
            // It may stand in the database for all that: what stands there holds from now on.
            drop(self.reload_packs().await);
            return Err(problem);
        }
        self.set_packs(packs);
        let published = match &review {
            Some(review) => self.publish_entries(&pack, review).await?,
            None => 0,
        };
        Ok(InstalledPack { published, ..InstalledPack::from(&pack) })
    }
}
