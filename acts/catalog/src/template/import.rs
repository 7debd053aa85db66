//! A file of the template becomes drafts and changes, all of them or none.

use super::{CellFlaw, Column, TemplateRow, file_problem, read::placeholder};
use crate::{
    compile::{self, Act, Compilation, Dossier, NO_DEMAND, State, Who, store as rows},
    store,
};
use ::store::Tx;
use evidence::Salt;
use policy::{Ask, Need, Permit, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use vocabulary::{Bilingual, OrganisationId, Problem, ResourceId, Timestamp, ensure};

/// Takes a file of the template in.
#[derive(Clone, Debug)]
pub struct ImportTemplate {
    /// What [`super::read`] made of it.
    pub rows: Vec<TemplateRow>,
    /// The duty of those that name none.
    pub duty: Option<ResourceId>,
    /// The information system of those that name none.
    pub system: Option<ResourceId>,
}

impl Ask for ImportTemplate {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::Cataloguer])
    }
}

/// What became of one entry of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Imported {
    /// Its name here.
    pub entry: ResourceId,
    /// Its code.
    pub code: String,
    /// Its title.
    pub title: String,
    /// `new`, `changed` or `same`.
    pub outcome: String,
}

/// Takes the entries of a file in: a new one becomes a draft, one that is published a change, one that says nothing
/// new stays.
///
/// # Errors
/// `catalog.template_cells` with every entry that cannot be taken now, `catalog.concurrent`.
pub async fn import(
    tx: &mut Tx,
    permit: &Permit<ImportTemplate>,
    salt: Salt,
    now: Timestamp,
) -> Result<Vec<Imported>, Problem> {
    let ImportTemplate { rows: given, duty, system } = permit.ask();
    let own = &permit.principal().organisation;
    let mut given = given.clone();
    let mut flaws = Vec::new();
    let mut by_code: BTreeMap<String, ResourceId> = BTreeMap::new();
    for row in &mut given {
        name(tx, own, row).await?;
        lay_over_held(tx, own, row, now).await?;
        let links = &mut row.draft.links;
        links.duty = links.duty.take().or_else(|| duty.clone());
        links.system = links.system.take().or_else(|| system.clone());
        let (entry, code) = (&row.draft.entry.entry, &row.draft.entry.code);
        // Those without a code have none in common.
        if !code.is_empty() && by_code.insert(code.clone(), entry.clone()).is_some() {
            flaws.push(row.place.flaw(
                Column::Code,
                0,
                Bilingual::new(format!("代码 {code} 在文件中出现两次"), format!("the code {code} stands there twice")),
                Bilingual::new(
                    "每个条目一个代码；留空则自动取号",
                    "one code for each; leave it empty to have it drawn",
                ),
            ));
        }
    }
    for row in &mut given {
        relate(tx, own, row, &by_code, &mut flaws).await?;
    }
    ensure!(flaws.is_empty(), file_problem(&flaws));
    let mut done = Vec::new();
    for row in &given {
        match take(tx, permit, row, now).await? {
            Ok(it) => done.push(it),
            Err(flaw) => flaws.push(flaw),
        }
    }
    ensure!(flaws.is_empty(), file_problem(&flaws));
    let news: Vec<_> = done.iter().filter(|it| it.outcome != "same").map(|it| json!([it.entry, it.outcome])).collect();
    if !news.is_empty() {
        store::leave(tx, permit.principal(), ("catalog.template", json!({"entries": news})), salt, now).await?;
    }
    Ok(done)
}

/// Gives an entry its code and its name: those that it has here, by its code or, where the file gives none, by provider
/// and title; else a code that is drawn, and a name after it.
async fn name(tx: &mut Tx, own: &OrganisationId, row: &mut TemplateRow) -> Result<(), Problem> {
    let entry = &mut row.draft.entry;
    let has_code = entry.code.contains('/');
    let known = if has_code {
        holder(tx, own, &entry.code).await?
    } else {
        rows::titled(tx, &entry.provider.zh, &entry.title.zh).await?
    };
    if let Some(known) = known {
        if !has_code && let Some(it) = rows::compilation(tx, &known).await? {
            entry.code = it.body.draft.entry.code;
        }
        entry.entry = known;
        return Ok(());
    }
    if !has_code && !entry.code.is_empty() {
        entry.code = rows::draw_code(tx, &entry.code.clone(), &placeholder()).await?;
    }
    // Another's name for another entry: ours of that name stays what it is.
    let taken = row.named
        && (rows::is_compiled(tx, &entry.entry).await? || store::entry(tx, own, &entry.entry).await?.is_some());
    if !row.named || taken || entry.entry == placeholder() {
        let name = entry.code.replace('/', "-");
        let name = if name.is_empty() {
            rows::draw_code(tx, "draft", &placeholder()).await?.replace('/', "-")
        } else {
            format!("e-{name}")
        };
        entry.entry = ResourceId::new(name)?;
    }
    Ok(())
}

/// A sheet that has the guide's columns alone says nothing of themes, grades and links: those of the entry that we hold
/// stay.
async fn lay_over_held(
    tx: &mut Tx,
    own: &OrganisationId,
    row: &mut TemplateRow,
    now: Timestamp,
) -> Result<(), Problem> {
    let (name, code) = (row.draft.entry.entry.clone(), row.draft.entry.code.clone());
    if row.named {
        return Ok(());
    }
    if let Some(held) = held(tx, own, &name, now).await?.filter(|it| it.body.state != State::Revoked) {
        row.lay_over(held.body.draft);
        (row.draft.entry.entry, row.draft.entry.code) = (name, code);
    }
    Ok(())
}

/// The compilation of an entry that we have, published without one as well.
async fn held(
    tx: &mut Tx,
    own: &OrganisationId,
    name: &ResourceId,
    now: Timestamp,
) -> Result<Option<Dossier<Compilation>>, Problem> {
    match rows::compilation(tx, name).await? {
        None => compile::published_before(tx, own, name, now).await,
        found => Ok(found),
    }
}

/// Which entry of ours has a code.
async fn holder(tx: &mut Tx, own: &OrganisationId, code: &str) -> Result<Option<ResourceId>, Problem> {
    if let Some(name) = rows::holder(tx, code).await? {
        return Ok(Some(name));
    }
    let found = store::by_code(tx, code).await?;
    Ok(found.into_iter().find(|it| it.organisation == *own).map(|it| it.entry.entry))
}

/// The relations of an entry, whose codes stand in the file or in the catalogue.
async fn relate(
    tx: &mut Tx,
    own: &OrganisationId,
    row: &mut TemplateRow,
    by_code: &BTreeMap<String, ResourceId>,
    flaws: &mut Vec<CellFlaw>,
) -> Result<(), Problem> {
    for code in row.related.clone() {
        let here = match by_code.get(&code) {
            Some(name) => Some(name.clone()),
            None => holder(tx, own, &code).await?,
        };
        match here {
            Some(name) => row.draft.entry.related.push(name),
            None => flaws.push(row.place.flaw(
                Column::Related,
                0,
                Bilingual::new(
                    format!("关联资源代码 {code} 不在本机构目录和本文件中"),
                    format!("the code {code} is neither in our catalogue nor in this file"),
                ),
                Bilingual::new("写已有条目的完整代码，或删去", "write the whole code of an entry, or take it out"),
            )),
        }
    }
    Ok(())
}

/// Takes one entry in, or says where it cannot be taken.
async fn take(
    tx: &mut Tx,
    permit: &Permit<ImportTemplate>,
    row: &TemplateRow,
    now: Timestamp,
) -> Result<Result<Imported, CellFlaw>, Problem> {
    let (principal, name) = (permit.principal(), &row.draft.entry.entry);
    let found = held(tx, &principal.organisation, name, now).await?;
    let told = |outcome: &str| Imported {
        entry: name.clone(),
        code: row.draft.entry.code.clone(),
        title: row.draft.entry.title.zh.clone(),
        outcome: outcome.to_owned(),
    };
    let before = found.as_ref().map(|it| &it.body);
    let mut draft = row.draft.clone();
    compile::keep_demand(&mut draft, before);
    // A day of publication that the node wrote is no change.
    let same = |it: &Compilation| {
        let mut draft = draft.clone();
        draft.entry.published = it.draft.entry.published;
        it.draft == draft
    };
    if before.is_some_and(|it| it.state != State::Revoked && same(it)) {
        return Ok(Ok(told("same")));
    }
    if let Err(why) = compile::cited(tx, &draft).await {
        ensure!(why.code == NO_DEMAND, why);
        let expected = Bilingual::new(
            "在第二张表中去掉 demand，或写为该条目认领的需求",
            "take demand out of the second sheet, or name the one that was accepted for it",
        );
        return Ok(Err(row.place.flaw(Column::Title, 0, why.detail, expected)));
    }
    let draft = Box::new(draft);
    let act = match before.map(|it| it.state) {
        Some(State::Published) => Act::Change(Some(draft)),
        _ => Act::Draft(draft),
    };
    let who = Who { actor: principal.actor.to_string(), roles: principal.roles.clone() };
    let next = match compile::step(name, before, &act, &who, &[]) {
        Ok((next, _)) => next,
        Err(refusal) => {
            let why: Problem = refusal.into();
            let expected =
                Bilingual::new("先办完或退回该条目，或从文件中删去", "finish or return it first, or take it out");
            return Ok(Err(row.place.flaw(Column::Title, 0, why.detail, expected)));
        }
    };
    if !next.draft.entry.code.is_empty() {
        rows::pass_code(tx, &next.draft.entry.code).await?;
    }
    let version = found.map_or(0, |it| it.version) + 1;
    let turn = compile::turn(name, version, (&next, &act), &who.actor);
    rows::save(tx, turn, &next, now).await?;
    Ok(Ok(told(if version == 1 { "new" } else { "changed" })))
}
