//! Duties, matters and information systems in units of work: registered together, closed one by one.

use super::{
    Dossier, Listing, Past, THINGS_MAX, Thing, ThingKind, User,
    chain::{in_use, no_thing, thing_flaws, things_problem},
    store::{self as rows, Turn, thing_state},
};
use crate::{CloseThing, PutThings, compile::Refusal, compile::step::REASON_CHARS_MAX, store};
use ::store::{Reader, Tx};
use evidence::Salt;
use policy::Permit;
use serde_json::json;
use vocabulary::{Kind, Problem, ResourceId, Timestamp, ensure};

fn check_why(why: &str) -> Result<(), Problem> {
    let chars = why.trim().chars().count();
    ensure!((1..=REASON_CHARS_MAX).contains(&chars), Refusal::Reason);
    Ok(())
}

/// Registers duties, matters and systems, or changes them, all or none; says how many are new or say something else.
///
/// # Errors
/// `catalog.chain` with every flaw, `catalog.reason`, `catalog.things_many`, `catalog.concurrent`.
pub async fn put_things(tx: &mut Tx, permit: &Permit<PutThings>, salt: Salt, now: Timestamp) -> Result<usize, Problem> {
    let PutThings { things, why } = permit.ask();
    check_why(why)?;
    ensure!((1..=THINGS_MAX).contains(&things.len()), too_many(things.len()));
    let mut named: Vec<(ThingKind, ResourceId)> = things.iter().map(|it| (it.kind, it.name.clone())).collect();
    for thing in things {
        named.extend(thing.links().map(|(_, kind, name)| (kind, name.clone())));
    }
    let mut known = rows::known(tx, named).await?;
    for thing in things {
        known.insert((thing.kind, thing.name.clone()), (thing.clone(), true));
    }
    let flaws: Vec<_> = things.iter().enumerate().flat_map(|(at, it)| thing_flaws(at, it, &known)).collect();
    ensure!(flaws.is_empty(), things_problem(&flaws));
    let mut changed = Vec::new();
    for thing in things {
        let before = rows::load::<Thing>(tx, thing.kind.word(), &thing.name).await?;
        if before.as_ref().is_some_and(|it| it.body == *thing && it.state == thing_state(true)) {
            continue;
        }
        let turn = Turn {
            kind: thing.kind.word(),
            name: &thing.name,
            version: before.map_or(0, |it| it.version) + 1,
            state: thing_state(true),
            owner: &thing.owner.zh,
            act: "put",
            actor: &permit.principal().actor.to_string(),
            why,
            links: thing.links().map(|(_, kind, name)| (kind.word(), name.to_string())).collect(),
        };
        changed.push(json!({"kind": thing.kind, "name": thing.name, "version": turn.version}));
        rows::save(tx, turn, thing, now).await?;
    }
    let count = changed.len();
    if count > 0 {
        let body = json!({"things": changed, "why": why});
        store::leave(tx, permit.principal(), ("catalog.chain", body), salt, now).await?;
    }
    Ok(count)
}

/// Closes a duty, a matter or a system; says what still leads to it.
///
/// # Errors
/// `catalog.no_thing`, `catalog.in_use` while open things or published entries lead to it, unless it is closed even
/// so; `catalog.reason`.
pub async fn close_thing(
    tx: &mut Tx,
    permit: &Permit<CloseThing>,
    salt: Salt,
    now: Timestamp,
) -> Result<Vec<User>, Problem> {
    let CloseThing { kind, name, why, even_so } = permit.ask();
    check_why(why)?;
    let before = rows::load::<Thing>(tx, kind.word(), name).await?.filter(|it| it.state == thing_state(true));
    let before = before.ok_or_else(|| no_thing(*kind, name))?;
    let users = rows::users(tx, kind.word(), name.as_str()).await?;
    let users: Vec<User> = users.into_iter().filter(|it| it.published || it.state == thing_state(true)).collect();
    let names: Vec<String> = users.iter().map(|it| format!("{}/{}", it.kind, it.name)).collect();
    ensure!(users.is_empty() || *even_so, in_use(*kind, name, &names));
    let turn = Turn {
        kind: kind.word(),
        name,
        version: before.version + 1,
        state: thing_state(false),
        owner: &before.body.owner.zh,
        act: "close",
        actor: &permit.principal().actor.to_string(),
        why,
        links: Vec::new(),
    };
    rows::save(tx, turn, &before.body, now).await?;
    let body = json!({"kind": kind, "name": name, "closed": true, "why": why, "feeds": names});
    store::leave(tx, permit.principal(), ("catalog.chain", body), salt, now).await?;
    Ok(users)
}

/// A thing as it stands, or stood at a moment.
///
/// # Errors
/// `catalog.no_thing`.
pub async fn thing(
    reader: &mut Reader,
    kind: ThingKind,
    name: &ResourceId,
    as_of: Option<Timestamp>,
) -> Result<Dossier<Thing>, Problem> {
    let found = match as_of {
        None => rows::load(reader, kind.word(), name).await?,
        Some(at) => rows::load_as_of(reader, kind.word(), name, at).await?,
    };
    found.ok_or_else(|| no_thing(kind, name))
}

/// A page of things by name.
///
/// # Errors
/// As the store's.
pub async fn things(reader: &mut Reader, kind: ThingKind, what: &Listing) -> Result<Vec<Dossier<Thing>>, Problem> {
    rows::list(reader, kind.word(), what).await
}

/// What was done to a thing, the newest first.
///
/// # Errors
/// As the store's.
pub async fn thing_history(reader: &mut Reader, kind: ThingKind, name: &ResourceId) -> Result<Vec<Past>, Problem> {
    rows::history(reader, kind.word(), name).await
}

/// What leads to a thing.
///
/// # Errors
/// As the store's.
pub async fn thing_users(reader: &mut Reader, kind: ThingKind, name: &ResourceId) -> Result<Vec<User>, Problem> {
    rows::users(reader, kind.word(), name.as_str()).await
}

fn too_many(count: usize) -> Problem {
    Problem::new(
        Kind::TooLarge,
        "catalog.things_many",
        format!("一次 {count} 项；每次登记 1–{THINGS_MAX} 项"),
        format!("{count} at once; register 1 to {THINGS_MAX}"),
    )
}
