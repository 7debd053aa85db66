//! The catalogue as DCAT-AP 3, a page at a time: all of it for our accounts, what is open to the public for anybody.

use crate::{Organisation, catalogs::Look};
use catalog::{ENTRIES_PAGE_MAX, dcat::About};
use policy::Principal;
use serde::Deserialize;
use serde_json::{Value, json};
use vocabulary::{Bilingual, Kind, OrganisationId, Problem, ResourceId, ensure};

/// Datasets in a page when nothing else is asked for.
const PAGE: u32 = 100;

/// Where the route lies; pages link to one another with it.
pub const DCAT_PATH: &str = "/v1/catalog/dcat";

/// Which page.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DcatAsk {
    /// The last dataset of the page before, as `organisation/entry`.
    #[serde(default)]
    pub after: Option<String>,
    /// Datasets per page, at most 1000.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// A page of the catalogue as JSON-LD.
pub struct DcatPage {
    /// The document.
    pub document: Value,
    /// The address of the page behind it.
    pub next: Option<String>,
}

fn place(after: &str) -> Result<(OrganisationId, ResourceId), Problem> {
    let wrong = || {
        Problem::new(
            Kind::Unprocessable,
            "catalog.page",
            format!("after={after} 有误；请照上一页 hydra:next 或 Link 中的地址续取"),
            format!("after={after} names no dataset; go on with the address in hydra:next or Link of the page before"),
        )
        .field("/after")
    };
    let (organisation, entry) = after.split_once('/').ok_or_else(wrong)?;
    Ok((OrganisationId::new(organisation).map_err(|_| wrong())?, ResourceId::new(entry).map_err(|_| wrong())?))
}

fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    let limit = asked.unwrap_or(PAGE);
    ensure!(
        (1..=ENTRIES_PAGE_MAX).contains(&limit),
        Problem::new(
            Kind::Unprocessable,
            "catalog.page",
            format!("每页 {limit} 条；请写 1 至 {ENTRIES_PAGE_MAX}"),
            format!("{limit} datasets a page; ask for 1 to {ENTRIES_PAGE_MAX}"),
        )
        .field("/limit")
    );
    Ok(limit)
}

impl Organisation {
    fn about_catalog(&self) -> About {
        let Bilingual { zh, en } = &self.config().title;
        About {
            address: format!("https://{}/catalogue", self.config().host),
            title: Bilingual::new(format!("{zh}数据目录"), format!("Catalogue of {en}")),
            description: Bilingual::new(
                format!("{zh}节点所存的目录条目"),
                format!("the entries that the node of {en} keeps"),
            ),
            publisher: self.config().title.clone(),
        }
    }

    /// A page of the catalogue as DCAT-AP 3: every entry for an account, those open to the public for a stranger.
    ///
    /// # Errors
    /// `catalog.page`, `policy.role`.
    pub async fn dcat(&self, principal: Option<&Principal>, ask: DcatAsk) -> Result<DcatPage, Problem> {
        let limit = limit(ask.limit)?;
        let after = ask.after.as_deref().map(place).transpose()?;
        let after = after.as_ref().map(|(organisation, entry)| (organisation, entry));
        let found = match principal {
            Some(principal) => {
                self.permit(principal, Look)?;
                catalog::entries(&mut self.store.read().await?, after, limit).await?
            }
            None => catalog::open_entries(&mut self.store.read().await?, after, limit).await?,
        };
        let mut document = catalog::dcat::catalogue(&self.about_catalog(), &found);
        let last = found.last().filter(|_| found.len() == limit as usize);
        let next = last.map(|it| format!("{DCAT_PATH}?limit={limit}&after={}/{}", it.organisation, it.entry.entry));
        if let Some(next) = &next {
            document["@context"]["hydra"] = json!("http://www.w3.org/ns/hydra/core#");
            let view = json!({"@type": "hydra:PartialCollectionView", "hydra:next": {"@id": next}});
            document["@graph"][0]["hydra:view"] = view;
        }
        Ok(DcatPage { document, next })
    }
}
