//! The catalogue of this organisation: published with packs or one by one, harvested from members, searched.

use crate::{Organisation, Outcome, draw_salt, organisation::fault, requests::from_json};
use catalog::{
    Entry, Harvest, Page, Publish, SecrecyReview, Withdraw,
    search::{Facet, Found, Query},
};
use pack::Pack;
use peer::Call;
use policy::{Ask, Need, Principal, Role};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};
use store::transact;
use tokio::sync::Semaphore;
use vocabulary::{Kind, OrganisationId, Problem, ResourceId};

/// Searches of one organisation at once: each takes a thread that may block, for some milliseconds.
const SEARCHES_MAX: usize = 64;

/// The search index; opened on first use.
pub(crate) struct Search {
    index: Arc<catalog::search::Search>,
    free: Arc<Semaphore>,
}

impl Search {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { index: Arc::new(catalog::search::Search::at(folder)), free: Arc::new(Semaphore::new(SEARCHES_MAX)) }
    }

    /// Searches on a thread that may block, for the index is read from disk.
    async fn search(&self, query: Query) -> Result<Found, Problem> {
        let place = self.free.clone().try_acquire_owned().map_err(|_| {
            Problem::new(
                Kind::Unavailable,
                "catalog.busy",
                format!("同时检索已达 {SEARCHES_MAX} 个；请稍后再试"),
                format!("{SEARCHES_MAX} searches are under way; try again in a moment"),
            )
            .with("retry_after_seconds", 1)
        })?;
        let index = Arc::clone(&self.index);
        let search = move || {
            let found = index.search(&query);
            drop(place);
            found
        };
        tokio::task::spawn_blocking(search).await.map_err(|it| fault("search", &it))?
    }
}

/// What to look for, and where.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchAsk {
    /// Words in Chinese or English, or a code; none: everything.
    #[serde(default)]
    pub q: String,
    /// The member whose node keeps it.
    #[serde(default)]
    pub owner: Option<String>,
    /// A theme.
    #[serde(default)]
    pub theme: Option<String>,
    /// A class.
    #[serde(default)]
    pub class: Option<String>,
    /// A grade.
    #[serde(default)]
    pub grade: Option<String>,
    /// A sharing type.
    #[serde(default)]
    pub sharing: Option<String>,
    /// An update cycle.
    #[serde(default)]
    pub cycle: Option<String>,
    /// Hits per page.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Hits to skip.
    #[serde(default)]
    pub offset: Option<u32>,
}

/// Publishes an entry.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishBody {
    entry: Entry,
    #[serde(default)]
    review: Option<SecrecyReview>,
}

/// Looking into the catalogue: every account may.
#[derive(Debug)]
pub(crate) struct Look;

impl Ask for Look {
    fn need(&self) -> Need<'_> {
        Need::Role(&identity::ROLES)
    }
}

/// A pack's entry as the catalogue's: the same fields, linked to the offer of the same name.
fn entry_of(entry: &pack::Entry, pack: &Pack) -> Result<Entry, Problem> {
    let mut value = serde_json::to_value(entry).map_err(|it| fault("entry", &it))?;
    let offer = pack.offers.get(&entry.entry);
    if let Some(offer) = offer {
        value["offer"] = json!(offer.offer);
        if offer.is_service() {
            value["method"] = json!("service");
        }
        if let Some(record) = pack.records.get(&offer.of) {
            value["synthetic"] = json!(record.about.synthetic);
        }
    }
    serde_json::from_value(value).map_err(|it| fault("entry", &it))
}

impl Organisation {
    /// Publishes the entries of a pack that its installer has had reviewed; says how many are in the catalogue now.
    pub(crate) async fn publish_entries(&self, pack: &Pack, review: &SecrecyReview) -> Result<usize, Problem> {
        let principal = self.job("install", [Role::Cataloguer]);
        for entry in &pack.entries {
            let publish = Publish { entry: entry_of(entry, pack)?, review: Some(review.clone()) };
            let permit = self.permit(&principal, publish)?;
            let (salt, now) = (draw_salt()?, self.now());
            transact!(self.store, None, |tx| {
                catalog::publish(tx, &permit, salt, now).await?;
                Ok(())
            })?;
        }
        Ok(pack.entries.len())
    }

    /// Publishes one entry.
    ///
    /// # Errors
    /// `catalog.secrecy_review`, `catalog.entry` with every flaw, `policy.role`.
    pub async fn publish_entry(&self, principal: &Principal, body: Value) -> Result<Value, Problem> {
        let PublishBody { entry, review } = serde_json::from_value(body).map_err(|it| {
            Problem::new(Kind::Unprocessable, "web.body", format!("目录条目有误：{it}"), format!("the entry: {it}"))
        })?;
        let permit = self.permit(principal, Publish { entry, review })?;
        let (salt, now) = (draw_salt()?, self.now());
        let (revision, digest) = transact!(self.store, None, |tx| {
            let done = catalog::publish(tx, &permit, salt, now).await?;
            Ok((done.revision, done.digest))
        })?;
        Ok(json!({"revision": revision, "digest": digest}))
    }

    /// Withdraws an entry of our own.
    ///
    /// # Errors
    /// `catalog.no_entry`, `policy.role`.
    pub async fn withdraw_entry(&self, principal: &Principal, name: &str) -> Result<(), Problem> {
        let entry = ResourceId::new(name)?;
        let permit = self.permit(principal, Withdraw { entry, reason: "withdrawn".to_owned() })?;
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| catalog::withdraw(tx, &permit, salt, now).await)
    }

    /// Brings the search index up to the feed; says whether there was news.
    pub(crate) async fn follow_catalog(&self) -> Result<bool, Problem> {
        Ok(self.catalog.index.follow(&self.store).await?.changes > 0)
    }

    /// Searches.
    ///
    /// # Errors
    /// `catalog.query`, `policy.role`.
    pub async fn search(&self, principal: &Principal, ask: SearchAsk) -> Result<Value, Problem> {
        self.permit(principal, Look)?;
        self.sequence_once().await?;
        self.catalog.index.follow(&self.store).await?;
        let mut filters: BTreeMap<Facet, BTreeSet<String>> = BTreeMap::new();
        let asked = [
            (Facet::Organisation, ask.owner),
            (Facet::Theme, ask.theme),
            (Facet::Class, ask.class),
            (Facet::Grade, ask.grade),
            (Facet::Share, ask.sharing),
            (Facet::Cycle, ask.cycle),
        ];
        for (facet, value) in asked {
            if let Some(value) = value {
                filters.entry(facet).or_default().insert(value);
            }
        }
        let query = Query {
            text: ask.q,
            filters,
            offset: ask.offset.unwrap_or(0),
            limit: ask.limit.unwrap_or(20),
            facets: true,
        };
        let found = self.catalog.search(query).await?;
        serde_json::to_value(&found).map_err(|it| fault("hits", &it))
    }

    /// The entries with a code.
    ///
    /// # Errors
    /// `catalog.no_entry`.
    pub async fn catalog_entry(&self, code: &str) -> Result<Value, Problem> {
        let found = catalog::by_code(&mut self.store.read().await?, code).await?;
        vocabulary::ensure!(
            !found.is_empty(),
            Problem::new(
                Kind::Missing,
                "catalog.no_entry",
                format!("目录中没有代码 {code}"),
                format!("no catalogue entry has the code {code}"),
            )
        );
        serde_json::to_value(found).map_err(|it| fault("entries", &it))
    }

    /// A page of our catalogue's changes, for a member.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn tell_catalog(&self, after: i64) -> Result<Outcome, Problem> {
        let page = catalog::changes(&mut self.store.read().await?, after, 500).await?;
        Outcome::json(&page)
    }

    /// Takes over a member's catalogue.
    ///
    /// # Errors
    /// `peer.unreachable`, `catalog.harvest_gap`, `policy.role`.
    pub async fn harvest(&self, principal: &Principal, member: &OrganisationId) -> Result<Value, Problem> {
        let source = CatalogOf { organisation: self, member };
        let permit = |ask: Harvest| self.permit(principal, ask);
        let done = catalog::harvest_from(&self.store, member, &source, permit, self.now()).await?;
        Ok(json!({
            "member": member, "taken": done.taken, "ignored": done.ignored, "refused": done.refused,
            "position": done.position,
        }))
    }
}

/// A member's node as the catalogue sees it.
struct CatalogOf<'a> {
    organisation: &'a Organisation,
    member: &'a OrganisationId,
}

impl catalog::Peer for CatalogOf<'_> {
    async fn catalog_page(&self, after: i64, _: u32) -> Result<Page, Problem> {
        let org = self.organisation;
        let call = Call::get(format!("/peer/v1/catalog?after={after}"));
        from_json(&org.client.send(&org.peer(self.member)?, &call, org.now()).await?.body)
    }
}
