//! The acts of compilation in one unit of work each: the dossier, its history, the catalogue and the leaf.

use super::{
    Act, Compilation, Draft, Effect, State, Who, chain_flaws,
    demands::{cited, keep_demand, settle},
    step,
    store::{self as rows, Dossier, ENTRY, Turn},
};
use crate::{
    Compile, Entry, decide,
    propose::{SecondSource, second_source},
    store,
};
use ::store::{Reader, Tx};
use evidence::Salt;
use policy::{Permit, Principal};
use schema::Flaw;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use vocabulary::{Date, Kind, OrganisationId, Problem, ResourceId, Timestamp, date_in_shanghai, ensure};

/// What an act came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Compiled {
    /// The entry.
    pub entry: ResourceId,
    /// Its code, drawn where none was given.
    pub code: String,
    /// The version of its dossier now.
    pub version: i64,
    /// Where it is now.
    pub state: State,
    /// The revision that stands in the catalogue, when it was just published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
}

/// Does something to the compilation of an entry. A draft that says what is there already changes nothing. `due` tells
/// the day that lies so many working days ahead, where a calendar is installed.
///
/// # Errors
/// `catalog.turn` when it is not what comes next, `catalog.own_check`, `catalog.reason`, `catalog.not_compiled`,
/// `catalog.not_live`, `catalog.entry` with every flaw, `catalog.code_taken`, `catalog.concurrent`, `policy.role`.
pub async fn compile(
    tx: &mut Tx,
    permit: &Permit<Compile>,
    due: impl Fn(u16) -> Option<Date>,
    salts: [Salt; 2],
    now: Timestamp,
) -> Result<Compiled, Problem> {
    let Compile { entry: name, act } = permit.ask();
    let principal = permit.principal();
    let mut found = rows::compilation(tx, name).await?;
    if found.is_none() && matches!(act, Act::Change(_) | Act::Revoke { .. }) {
        found = published_before(tx, &principal.organisation, name, now).await?;
    }
    let act = coded(tx, name, act, found.as_ref().map(|it| &it.body)).await?;
    if let (Act::Publish { .. }, Some(it)) = (&act, &mut found) {
        it.body.draft.entry.published = date_in_shanghai(now);
    }
    let version = found.as_ref().map_or(0, |it| it.version);
    let before = found.as_ref().map(|it| &it.body);
    let passed_on = matches!(act, Act::Submit | Act::Check | Act::Publish { .. });
    let flaws = match before.filter(|_| passed_on) {
        Some(it) => flaws_now(tx, &it.draft, now).await?,
        None => Vec::new(),
    };
    let who = Who { actor: principal.actor.to_string(), roles: principal.roles.clone() };
    let (next, effect) = step(name, before, &act, &who, &flaws)?;
    let done = |version, revision| Compiled {
        entry: name.clone(),
        code: next.draft.entry.code.clone(),
        version,
        state: next.state,
        revision,
    };
    if before == Some(&next) && effect.is_none() {
        return Ok(done(version, None));
    }
    let [salt, of_effect] = salts;
    if matches!(act, Act::Check) {
        grounded(tx, &next.draft).await?;
    }
    let turn = turn(name, version + 1, (&next, &act), &who.actor);
    let body = json!({"entry": name, "version": version + 1, "step": act.word(), "reason": act.reason()});
    rows::save(tx, turn, &next, now).await?;
    store::leave(tx, principal, ("catalog.compile", body), salt, now).await?;
    let revision = carried_out(tx, principal, (&next, &act, effect), due, of_effect, now).await?;
    Ok(done(version + 1, revision))
}

/// A datum that another department is the source of is collected again on a ground alone.
async fn grounded(tx: &mut Tx, draft: &Draft) -> Result<(), Problem> {
    let second = rows::second_sources_of(tx, &draft.entry.entry, draft).await?;
    let groundless: Vec<_> = second.into_iter().filter(|it| it.ground.is_none()).collect();
    ensure!(groundless.is_empty(), second_source(&groundless));
    Ok(())
}

/// What is written of an act.
pub(crate) fn turn<'a>(
    name: &'a ResourceId,
    version: i64,
    (next, act): (&'a Compilation, &'a Act),
    actor: &'a str,
) -> Turn<'a> {
    Turn {
        kind: ENTRY,
        name,
        version,
        state: next.state.word(),
        owner: &next.draft.entry.provider.zh,
        act: act.word(),
        actor,
        why: act.reason(),
        links: rows::links(next),
    }
}

/// What a step means for the catalogue; the revision that was published, if one was.
async fn carried_out(
    tx: &mut Tx,
    principal: &Principal,
    (next, act, effect): (&Compilation, &Act, Option<Effect>),
    due: impl Fn(u16) -> Option<Date>,
    salt: Salt,
    now: Timestamp,
) -> Result<Option<i64>, Problem> {
    let entry = &next.draft.entry;
    match effect {
        Some(Effect::Publish(review)) => {
            let done = store::publish_entry(tx, principal, (entry, &review), salt, now).await?;
            // Of two that publish one datum at once, the claim lets one be its source; the other reads so here.
            rows::claim_elements(tx, &next.draft, now).await?;
            grounded(tx, &next.draft).await?;
            settle(tx, &next.draft, true, due, now).await?;
            Ok(Some(done.revision))
        }
        Some(Effect::Withdraw) => {
            store::withdraw_entry(tx, principal, (&entry.entry, act.reason()), salt, now).await?;
            rows::release_elements(tx, &entry.entry).await?;
            Ok(None)
        }
        None => {
            if matches!(act, Act::Discard { .. }) && next.state == State::Revoked {
                settle(tx, &next.draft, false, due, now).await?;
            }
            Ok(None)
        }
    }
}

/// An entry that was published without a compilation (with a pack, or directly) gets one when it is changed or revoked.
pub(crate) async fn published_before(
    tx: &mut Tx,
    own: &OrganisationId,
    name: &ResourceId,
    now: Timestamp,
) -> Result<Option<Dossier<Compilation>>, Problem> {
    let Some(publication) = store::entry(tx, own, name).await? else { return Ok(None) };
    let draft = Draft { entry: publication.entry, links: super::Links::default() };
    let body = Compilation {
        state: State::Published,
        live: Some(Box::new(draft.clone())),
        draft,
        compilers: BTreeSet::new(),
        checker: None,
        returned: None,
    };
    Ok(Some(Dossier { name: name.clone(), version: 0, state: State::Published.word().to_owned(), at: now, body }))
}

/// The act with the code that its draft will bear: the one it has, the next of the front that is given, or the one
/// that somebody chose, if it is free.
async fn coded(tx: &mut Tx, name: &ResourceId, act: &Act, before: Option<&Compilation>) -> Result<Act, Problem> {
    let (Act::Draft(draft) | Act::Change(Some(draft))) = act else { return Ok(act.clone()) };
    ensure!(draft.entry.entry == *name, other_name(name, &draft.entry.entry));
    let mut draft = draft.clone();
    keep_demand(&mut draft, before);
    cited(tx, &draft).await?;
    let had = before.map_or("", |it| it.draft.entry.code.as_str());
    draft.entry.code = coded_as(tx, name, &draft.entry, had).await?;
    Ok(match act {
        Act::Draft(_) => Act::Draft(draft),
        _ => Act::Change(Some(draft)),
    })
}

async fn coded_as(tx: &mut Tx, name: &ResourceId, entry: &Entry, had: &str) -> Result<String, Problem> {
    let wanted = entry.code.as_str();
    let front_had = had.split_once('/').map_or("", |it| it.0);
    if wanted == had || wanted.is_empty() || wanted == front_had {
        return Ok(had.to_owned());
    }
    // A front is a code without its serial number.
    if decide::code_is_formed(&format!("{wanted}/1")) {
        return rows::draw_code(tx, wanted, name).await;
    }
    ensure!(rows::code_is_free(tx, wanted, name).await?, store::code_taken(wanted));
    rows::pass_code(tx, wanted).await?;
    Ok(wanted.to_owned())
}

/// Everything that stands in the way of passing a draft on: flaws of the entry and of its chain.
///
/// # Errors
/// As the store's.
pub async fn flaws_now(reader: &mut Reader, draft: &Draft, now: Timestamp) -> Result<Vec<Flaw>, Problem> {
    let mut flaws = decide::flaws(&draft.entry, date_in_shanghai(now));
    let named = draft.links.things().map(|(_, kind, name)| (kind, name.clone())).collect();
    let known = rows::known(reader, named).await?;
    flaws.extend(chain_flaws(&draft.links, &known));
    Ok(flaws)
}

/// What is collected a second time: by a draft, or by all compilations (一数一源的冲突清单).
///
/// # Errors
/// As the store's.
pub async fn second_sources(
    reader: &mut Reader,
    of: Option<(&ResourceId, &Draft)>,
) -> Result<Vec<SecondSource>, Problem> {
    match of {
        Some((name, draft)) => rows::second_sources_of(reader, name, draft).await,
        None => rows::second_sources(reader).await,
    }
}

fn other_name(path: &ResourceId, body: &ResourceId) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "catalog.name",
        format!("地址中的条目是 {path}，正文中是 {body}；二者应一致"),
        format!("the address names entry {path}, the body {body}; they must be the same"),
    )
    .field("/entry/entry")
}
