//! The guide's Excel template in and out, and the lists that the law asks for.

use crate::{Organisation, catalogs::Look, draw_salt, organisation::fault};
use catalog::{
    Class, ENTRIES_PAGE_MAX, Publication,
    compile::{self, DOSSIERS_PAGE_MAX, Draft, Links, Listing, State},
    propose::SecondSource,
    template::{self, ENTRIES_MAX, ImportTemplate, Imported},
};
use policy::{Principal, Sharing};
use schema::{Cycle, Grade};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use store::{Reader, transact};
use vocabulary::{Bilingual, Kind, OrganisationId, Problem, ResourceId, date_in_shanghai, ensure};

/// Lines of a list in a page when nothing else is asked for.
const LINES: u32 = 100;
/// Pages of the catalogue that one page of a list looks through at most.
const SCANS_MAX: u32 = 20;

/// What the entries of a file have in common.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateAsk {
    /// The duty of those that name none.
    #[serde(default)]
    pub duty: Option<ResourceId>,
    /// The information system of those that name none.
    #[serde(default)]
    pub system: Option<ResourceId>,
}

/// Which entries are written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportAsk {
    /// Those of this department alone, by its Chinese name.
    #[serde(default)]
    pub owner: Option<String>,
    /// The heading alone.
    #[serde(default)]
    pub blank: bool,
}

/// A list that the law asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LegalList {
    /// 供给清单（责任清单）: what each department has to share.
    Supply,
    /// 负面清单: what is not shared, each with the law, regulation or decision that says so.
    Negative,
}

/// Which lines of a list.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListAsk {
    /// Of base (基础), theme (主题) or department (部门) catalogues alone.
    #[serde(default)]
    pub class: Option<Class>,
    /// Of this department alone, by its Chinese name.
    #[serde(default)]
    pub provider: Option<String>,
    /// Behind this line: `organisation/entry`.
    #[serde(default)]
    pub after: Option<String>,
    /// At most so many.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// A line of a list.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ListLine {
    /// Whose catalogue it stands in.
    pub organisation: OrganisationId,
    /// Its name there.
    pub entry: ResourceId,
    /// Its code.
    pub code: String,
    /// Its title.
    pub title: Bilingual,
    /// The department that keeps the data.
    pub provider: Bilingual,
    /// 基础, 主题 or 部门.
    pub class: Class,
    /// How it is shared.
    pub share: Sharing,
    /// Under which condition, or by which law not.
    pub basis: Option<Bilingual>,
    /// How often it is renewed.
    pub cycle: Cycle,
    /// Its grade.
    pub grade: Grade,
    /// Whether it is open to the public.
    pub open: bool,
}

/// A page of a list.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ListPage {
    /// The lines.
    pub lines: Vec<ListLine>,
    /// What to go on behind; none when there is no more.
    pub next: Option<String>,
}

impl From<Publication> for ListLine {
    fn from(it: Publication) -> Self {
        let entry = it.entry;
        Self {
            organisation: it.organisation,
            entry: entry.entry,
            code: entry.code,
            title: entry.title,
            provider: entry.provider,
            class: entry.class,
            share: entry.share,
            basis: entry.condition,
            cycle: entry.cycle,
            grade: entry.grade,
            open: entry.open,
        }
    }
}

impl Organisation {
    /// Takes a file of the guide's template in: all of its entries become drafts or changes, or none.
    ///
    /// # Errors
    /// As [`catalog::template::read`] and [`catalog::template::import`].
    pub async fn import_template(
        &self,
        principal: &Principal,
        ask: TemplateAsk,
        file: Vec<u8>,
    ) -> Result<Vec<Imported>, Problem> {
        let today = date_in_shanghai(self.now());
        // May he at all? Before a file of megabytes is looked at.
        let TemplateAsk { duty, system } = ask;
        let empty = ImportTemplate { rows: Vec::new(), duty: duty.clone(), system: system.clone() };
        self.permit(principal, empty)?;
        let read = tokio::task::spawn_blocking(move || template::read(&file, today));
        let rows = read.await.map_err(|it| fault("template", &it))??;
        let permit = self.permit(principal, ImportTemplate { rows, duty, system })?;
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| template::import(tx, &permit, salt, now).await)
    }

    /// Our entries as a file of the guide's template: those under compilation as they are worked on, those published
    /// otherwise as they stand.
    ///
    /// # Errors
    /// `catalog.template_many`, `policy.role`.
    pub async fn export_template(&self, principal: &Principal, ask: ExportAsk) -> Result<Vec<u8>, Problem> {
        self.permit(principal, Look)?;
        let mut drafts = Vec::new();
        if !ask.blank {
            let mut reader = self.store.read().await?;
            drafts = self.compiled(&mut reader).await?;
            drafts.retain(|it| ask.owner.as_ref().is_none_or(|owner| it.entry.provider.zh == *owner));
            ensure!(drafts.len() <= ENTRIES_MAX, too_many(drafts.len()));
        }
        let codes: BTreeMap<_, _> = drafts.iter().map(|it| (it.entry.entry.clone(), it.entry.code.clone())).collect();
        let written = tokio::task::spawn_blocking(move || template::write(&drafts, &codes));
        written.await.map_err(|it| fault("template", &it))?
    }

    async fn compiled(&self, reader: &mut Reader) -> Result<Vec<Draft>, Problem> {
        let (mut drafts, mut seen, mut after) = (Vec::new(), BTreeSet::new(), String::new());
        loop {
            let what = Listing { after: after.clone(), limit: DOSSIERS_PAGE_MAX, ..Listing::default() };
            let page = compile::compilations(reader, &what).await?;
            let Some(last) = page.last() else { break };
            after = last.name.to_string();
            for it in page {
                seen.insert(it.name);
                if it.body.state != State::Revoked {
                    drafts.push(it.body.draft);
                }
            }
            ensure!(drafts.len() <= ENTRIES_MAX * 10, too_many(drafts.len()));
        }
        let mut after: Option<ResourceId> = None;
        let own = self.id();
        loop {
            let page = catalog::entries_of(reader, own, after.as_ref(), ENTRIES_PAGE_MAX).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.entry.entry.clone());
            let others = page.into_iter().filter(|it| !seen.contains(&it.entry.entry));
            drafts.extend(others.map(|it| Draft { entry: it.entry, links: Links::default() }));
            ensure!(drafts.len() <= ENTRIES_MAX * 10, too_many(drafts.len()));
        }
        Ok(drafts)
    }

    /// A page of a list that the law asks for.
    ///
    /// # Errors
    /// `catalog.page`, `policy.role`.
    pub async fn legal_list(&self, principal: &Principal, list: LegalList, ask: ListAsk) -> Result<ListPage, Problem> {
        self.permit(principal, Look)?;
        let limit = ask.limit.unwrap_or(LINES).clamp(1, 1_000) as usize;
        let mut after = ask.after.as_deref().map(place).transpose()?;
        let mut reader = self.store.read().await?;
        let mut lines = Vec::new();
        for _ in 0..SCANS_MAX {
            let behind = after.as_ref().map(|(one, other)| (one, other));
            let page = catalog::entries(&mut reader, behind, 1_000).await?;
            if page.is_empty() {
                return Ok(ListPage { lines, next: None });
            }
            for it in page {
                after = Some((it.organisation.clone(), it.entry.entry.clone()));
                let on_it = list == LegalList::Supply || it.entry.share == Sharing::Refused;
                let wanted = ask.class.is_none_or(|class| it.entry.class == class)
                    && ask.provider.as_ref().is_none_or(|provider| it.entry.provider.zh == *provider);
                if on_it && wanted {
                    lines.push(ListLine::from(it));
                }
                if lines.len() == limit {
                    break;
                }
            }
            if lines.len() == limit {
                break;
            }
        }
        let next = after.map(|(organisation, entry)| format!("{organisation}/{entry}"));
        Ok(ListPage { lines, next })
    }

    /// What is collected a second time (一数一源的冲突清单).
    ///
    /// # Errors
    /// `policy.role`.
    pub async fn second_sources(&self, principal: &Principal) -> Result<Vec<SecondSource>, Problem> {
        self.permit(principal, Look)?;
        compile::second_sources(&mut self.store.read().await?, None).await
    }
}

fn place(text: &str) -> Result<(OrganisationId, ResourceId), Problem> {
    let wrong = || {
        Problem::new(
            Kind::Unprocessable,
            "catalog.page",
            format!("after={text} 应为 机构/条目，取自上一页的 next"),
            format!("after={text} should be organisation/entry, as the page before says in `next`"),
        )
        .field("/after")
    };
    let (organisation, entry) = text.split_once('/').ok_or_else(wrong)?;
    Ok((OrganisationId::new(organisation).map_err(|_| wrong())?, ResourceId::new(entry).map_err(|_| wrong())?))
}

fn too_many(count: usize) -> Problem {
    Problem::new(
        Kind::TooLarge,
        "catalog.template_many",
        format!("有 {count} 个条目，一个文件至多 {ENTRIES_MAX} 个；请以 owner 按部门导出"),
        format!("{count} entries; a file has at most {ENTRIES_MAX}: export by department, with owner"),
    )
}
