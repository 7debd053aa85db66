//! Dossiers in SQL: one row for what holds, one for every version that ever held, and what leads where.

use super::{Compilation, Draft, State, Thing, ThingKind, chain::Known};
use crate::{
    harvest::broken,
    propose::{SecondSource, collected},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use store::{Reader, Row, Tx, args};
use vocabulary::{Kind, Problem, ResourceId, Timestamp, ensure, micros, timestamp_from_micros};

/// A page of dossiers is at most this long.
pub const DOSSIERS_PAGE_MAX: u32 = 500;
/// At most this many versions of a dossier are shown, the newest first.
const VERSIONS_MAX: u32 = 200;
/// At most this many users of a thing are named.
const USERS_MAX: u32 = 100;
/// Codes of one front that are looked through when it is drawn from for the first time.
const CODES_MAX: u32 = 1_000_000;

/// The kind of a compilation's dossier.
pub(crate) const ENTRY: &str = "entry";

const LOAD: &str = "SELECT version, state, body, at FROM catalog_dossier WHERE kind = $1 AND name = $2";
const BEGIN: &str = "
    INSERT INTO catalog_dossier (kind, name, version, state, owner, body, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (kind, name) DO NOTHING";
/// The guard on the version lets one of two that act at once lose.
const TURN: &str = "
    UPDATE catalog_dossier SET version = $3, state = $4, owner = $5, body = $6, at = $7
     WHERE kind = $1 AND name = $2 AND version = $3 - 1";
const PAST: &str = "
    INSERT INTO catalog_dossier_past (kind, name, version, state, act, actor, why, body, at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
/// A code that an entry ever had stays its own.
const UNLINK: &str = "DELETE FROM catalog_dossier_link WHERE kind = $1 AND name = $2 AND to_kind <> 'code'";
const LINK: &str = "
    INSERT INTO catalog_dossier_link (kind, name, to_kind, to_name) VALUES ($1, $2, $3, $4)
        ON CONFLICT (kind, name, to_kind, to_name) DO NOTHING";
const LIST: &str = "
    SELECT name, version, state, body, at FROM catalog_dossier
     WHERE kind = $1 AND name > $2 AND ($3 = '' OR state = $3) AND ($4 = '' OR owner = $4) ORDER BY name LIMIT $5";
const HISTORY: &str = "
    SELECT version, state, act, actor, why, at FROM catalog_dossier_past WHERE kind = $1 AND name = $2
     ORDER BY version DESC LIMIT $3";
const AS_OF: &str = "
    SELECT version, state, body, at FROM catalog_dossier_past WHERE kind = $1 AND name = $2 AND at <= $3
     ORDER BY version DESC LIMIT 1";
const USERS: &str = "
    SELECT d.kind AS kind, d.name AS name, d.state AS state, d.body AS body
      FROM catalog_dossier_link l JOIN catalog_dossier d ON d.kind = l.kind AND d.name = l.name
     WHERE l.to_kind = $1 AND l.to_name = $2 ORDER BY d.kind, d.name LIMIT $3";
const CODE_TAKEN: &str = "
    SELECT name FROM catalog_dossier_link WHERE to_kind = 'code' AND to_name = $1 AND name <> $2
     UNION SELECT entry AS name FROM catalog_entry WHERE code = $1 AND via IS NULL AND entry <> $2 LIMIT 1";
const DRAW: &str = "UPDATE catalog_front SET next = next + 1 WHERE front = $1 RETURNING next";
const FRONT: &str = "
    INSERT INTO catalog_front (front, next) VALUES ($1, $2)
        ON CONFLICT (front) DO UPDATE SET next = catalog_front.next + 1 RETURNING next";
const PASS: &str = "UPDATE catalog_front SET next = $2 WHERE front = $1 AND next <= $2";
const CODES: &str = "
    SELECT code FROM catalog_entry WHERE via IS NULL AND code > $1 AND code < $2
     UNION SELECT to_name AS code FROM catalog_dossier_link WHERE to_kind = 'code' AND to_name > $1 AND to_name < $2
     LIMIT $3";

const LEADS: &str = "
    SELECT name FROM catalog_dossier_link WHERE kind = 'entry' AND to_kind = $1 AND to_name = $2 ORDER BY name LIMIT 1";
/// The first that publishes an element is its source; the same entry may go on.
const CLAIM: &str = "
    INSERT INTO catalog_element (element, owner, entry, at) VALUES ($1, $2, $3, $4) ON CONFLICT (element) DO NOTHING";
const RELEASE: &str = "DELETE FROM catalog_element WHERE entry = $1";
const SOURCE_OF: &str = "SELECT owner, entry FROM catalog_element WHERE element = $1";
const SECOND: &str = "
    SELECT d.name AS name, d.owner AS owner, d.body AS body
      FROM catalog_dossier_link l
      JOIN catalog_dossier d ON d.kind = l.kind AND d.name = l.name
      JOIN catalog_element e ON e.element = l.to_name
     WHERE l.kind = 'entry' AND l.to_kind = 'element' AND d.owner <> e.owner
     GROUP BY d.name, d.owner, d.body ORDER BY d.name LIMIT $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, usize)] = &[
    (LOAD, 2),
    (BEGIN, 7),
    (TURN, 7),
    (PAST, 9),
    (UNLINK, 2),
    (LINK, 4),
    (LIST, 5),
    (HISTORY, 3),
    (AS_OF, 3),
    (USERS, 3),
    (CODE_TAKEN, 2),
    (DRAW, 1),
    (FRONT, 2),
    (PASS, 2),
    (CODES, 3),
    (LEADS, 2),
    (CLAIM, 4),
    (RELEASE, 1),
    (SOURCE_OF, 1),
    (SECOND, 1),
];

/// A dossier as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dossier<T> {
    /// Its name.
    pub name: ResourceId,
    /// From 1, one more at each act.
    pub version: i64,
    /// The word for its state.
    pub state: String,
    /// Since when it stands so.
    pub at: Timestamp,
    /// What it says.
    pub body: T,
}

/// One act in a dossier's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Past {
    /// The version that it made.
    pub version: i64,
    /// The state that it led to.
    pub state: String,
    /// What was done.
    pub act: String,
    /// By whom.
    pub actor: String,
    /// Why, where a reason was given.
    pub why: String,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// What is written of one act.
pub(crate) struct Turn<'a> {
    pub kind: &'static str,
    pub name: &'a ResourceId,
    pub version: i64,
    pub state: &'a str,
    pub owner: &'a str,
    pub act: &'a str,
    pub actor: &'a str,
    pub why: &'a str,
    pub links: Vec<(&'static str, String)>,
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Behind this name.
    pub after: String,
    /// In this state alone, unless empty.
    pub state: String,
    /// Of this department alone, unless empty.
    pub owner: String,
    /// At most so many ([`DOSSIERS_PAGE_MAX`] at most).
    pub limit: u32,
}

fn dossier<T: DeserializeOwned>(name: &ResourceId, row: &Row) -> Result<Dossier<T>, Problem> {
    Ok(Dossier {
        name: name.clone(),
        version: row.int("version")?,
        state: row.text("state")?.to_owned(),
        at: timestamp_from_micros(row.int("at")?)?,
        body: row.json("body")?,
    })
}

pub(crate) async fn load<T: DeserializeOwned>(
    reader: &mut Reader,
    kind: &str,
    name: &ResourceId,
) -> Result<Option<Dossier<T>>, Problem> {
    reader.row(LOAD, args![kind, name.as_str()]).await?.map(|it| dossier(name, &it)).transpose()
}

pub(crate) async fn load_as_of<T: DeserializeOwned>(
    reader: &mut Reader,
    kind: &str,
    name: &ResourceId,
    at: Timestamp,
) -> Result<Option<Dossier<T>>, Problem> {
    reader.row(AS_OF, args![kind, name.as_str(), micros(at)]).await?.map(|it| dossier(name, &it)).transpose()
}

/// Writes what an act made of a dossier, with its place in the history.
pub(crate) async fn save<T: Serialize>(tx: &mut Tx, turn: Turn<'_>, body: &T, now: Timestamp) -> Result<(), Problem> {
    let body = serde_json::to_string(body).map_err(|it| broken(&it))?;
    let Turn { kind, name, version, state, owner, act, actor, why, links } = turn;
    ensure!(body.len() <= crate::decide::ENTRY_BYTES_MAX * 2, too_large(name, body.len()));
    let statement = if version == 1 { BEGIN } else { TURN };
    let values = args![kind, name.as_str(), version, state, owner, &body, micros(now)];
    ensure!(tx.execute(statement, values).await? == 1, crate::store::concurrent(name));
    let values = args![kind, name.as_str(), version, state, act, actor, why, body, micros(now)];
    tx.execute(PAST, values).await?;
    tx.execute(UNLINK, args![kind, name.as_str()]).await?;
    for (to_kind, to_name) in links {
        tx.execute(LINK, args![kind, name.as_str(), to_kind, to_name]).await?;
    }
    Ok(())
}

pub(crate) async fn list<T: DeserializeOwned>(
    reader: &mut Reader,
    kind: &str,
    what: &Listing,
) -> Result<Vec<Dossier<T>>, Problem> {
    let limit = what.limit.min(DOSSIERS_PAGE_MAX);
    let rows = reader.rows(LIST, args![kind, &what.after, &what.state, &what.owner, limit]).await?;
    rows.iter().map(|it| dossier(&ResourceId::new(it.text("name")?)?, it)).collect()
}

pub(crate) async fn history(reader: &mut Reader, kind: &str, name: &ResourceId) -> Result<Vec<Past>, Problem> {
    let rows = reader.rows(HISTORY, args![kind, name.as_str(), VERSIONS_MAX]).await?;
    let past = |it: &Row| {
        Ok(Past {
            version: it.int("version")?,
            state: it.text("state")?.to_owned(),
            act: it.text("act")?.to_owned(),
            actor: it.text("actor")?.to_owned(),
            why: it.text("why")?.to_owned(),
            at: timestamp_from_micros(it.int("at")?)?,
        })
    };
    rows.iter().map(past).collect()
}

/// What leads to a thing: open things above it, and entries whose published text or draft names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// `matter`, `system` or `entry`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The word for its state.
    pub state: String,
    /// Whether it is an entry that stands in the catalogue.
    pub published: bool,
}

pub(crate) async fn users(reader: &mut Reader, kind: &str, name: &str) -> Result<Vec<User>, Problem> {
    let rows = reader.rows(USERS, args![kind, name, USERS_MAX]).await?;
    let user = |it: &Row| {
        let (kind, state) = (it.text("kind")?.to_owned(), it.text("state")?.to_owned());
        let published = kind == ENTRY && it.json::<Compilation>("body")?.live.is_some();
        Ok(User { kind, name: it.text("name")?.to_owned(), state, published })
    };
    rows.iter().map(user).collect()
}

/// The things that are named, as far as they are known.
pub(crate) async fn known(reader: &mut Reader, named: Vec<(ThingKind, ResourceId)>) -> Result<Known, Problem> {
    let mut known = Known::new();
    for (kind, name) in named {
        if known.contains_key(&(kind, name.clone())) {
            continue;
        }
        if let Some(it) = load::<Thing>(reader, kind.word(), &name).await? {
            known.insert((kind, name), (it.body, it.state == "open"));
        }
    }
    Ok(known)
}

/// The compilation of that name.
///
/// # Errors
/// As the store's.
pub async fn compilation(reader: &mut Reader, name: &ResourceId) -> Result<Option<Dossier<Compilation>>, Problem> {
    load(reader, ENTRY, name).await
}

/// A page of compilations by name.
///
/// # Errors
/// As the store's.
pub async fn compilations(reader: &mut Reader, what: &Listing) -> Result<Vec<Dossier<Compilation>>, Problem> {
    list(reader, ENTRY, what).await
}

/// What was done to a compilation, the newest first.
///
/// # Errors
/// As the store's.
pub async fn compilation_history(reader: &mut Reader, name: &ResourceId) -> Result<Vec<Past>, Problem> {
    history(reader, ENTRY, name).await
}

/// Whether an entry is under compilation, in whichever state.
pub(crate) async fn is_compiled(reader: &mut Reader, name: &ResourceId) -> Result<bool, Problem> {
    Ok(reader.row(LOAD, args![ENTRY, name.as_str()]).await?.is_some())
}

/// A code is free for an entry when no other entry of ours has it, or ever had it here.
pub(crate) async fn code_is_free(reader: &mut Reader, code: &str, entry: &ResourceId) -> Result<bool, Problem> {
    Ok(reader.row(CODE_TAKEN, args![code, entry.as_str()]).await?.is_none())
}

/// Draws the next code of a front. A number that was drawn is spent, whatever becomes of it.
pub(crate) async fn draw_code(tx: &mut Tx, front: &str, entry: &ResourceId) -> Result<String, Problem> {
    loop {
        let serial = match tx.row(DRAW, args![front]).await? {
            Some(row) => row.int("next")? - 1,
            None => {
                let highest = highest_serial(tx, front).await?;
                let row = tx.row(FRONT, args![front, highest + 2]).await?.ok_or_else(|| broken(&"front"))?;
                row.int("next")? - 1
            }
        };
        ensure!(serial < 100_000_000, spent(front));
        let code = format!("{front}/{serial:06}");
        if code_is_free(tx, &code, entry).await? {
            return Ok(code);
        }
    }
}

async fn highest_serial(tx: &mut Tx, front: &str) -> Result<i64, Problem> {
    // `0` is the character behind the slash.
    let rows = tx.rows(CODES, args![format!("{front}/"), format!("{front}0"), CODES_MAX]).await?;
    let serial = |it: &Row| Ok(it.text("code")?.split_once('/').and_then(|it| it.1.parse().ok()).unwrap_or(0));
    let serials = rows.iter().map(serial).collect::<Result<Vec<i64>, Problem>>()?;
    Ok(serials.into_iter().max().unwrap_or(0))
}

/// Sees to it that a code that somebody chose is not drawn later.
pub(crate) async fn pass_code(tx: &mut Tx, code: &str) -> Result<(), Problem> {
    if let Some((front, serial)) = code.split_once('/')
        && let Ok(serial) = serial.parse::<i64>()
    {
        tx.execute(PASS, args![front, serial + 1]).await?;
    }
    Ok(())
}

/// The word for a thing's state.
pub(crate) fn thing_state(open: bool) -> &'static str {
    if open { "open" } else { "closed" }
}

/// What a compilation leads to: as it is worked on, and as it is published.
pub(crate) fn links(compilation: &Compilation) -> Vec<(&'static str, String)> {
    let mut links: Vec<(&'static str, String)> = vec![("code", compilation.draft.entry.code.clone())];
    let current = (compilation.state != State::Revoked).then_some(&compilation.draft);
    for draft in compilation.live.as_deref().into_iter().chain(current) {
        links.push(("code", draft.entry.code.clone()));
        links.extend(draft.links.things().map(|(_, kind, name)| (kind.word(), name.to_string())));
        links.extend(collected(draft).into_iter().map(|it| ("element", it.element)));
        links.push(("title", titled_as(&draft.entry.provider.zh, &draft.entry.title.zh)));
    }
    links.sort();
    links.dedup();
    links.retain(|it| !it.1.is_empty());
    links
}

fn titled_as(provider: &str, title: &str) -> String {
    format!("{provider}|{title}")
}

/// The entry of ours that has a code here, or had it.
pub(crate) async fn holder(reader: &mut Reader, code: &str) -> Result<Option<ResourceId>, Problem> {
    leads(reader, "code", code).await
}

/// The entry of that department with that title.
pub(crate) async fn titled(reader: &mut Reader, provider: &str, title: &str) -> Result<Option<ResourceId>, Problem> {
    leads(reader, "title", &titled_as(provider, title)).await
}

async fn leads(reader: &mut Reader, kind: &str, name: &str) -> Result<Option<ResourceId>, Problem> {
    let row = reader.row(LEADS, args![kind, name]).await?;
    row.map(|it| ResourceId::new(it.text("name")?)).transpose()
}

/// What an entry collects is its department's from now on, where it is nobody's yet; what it no longer collects is
/// free.
pub(crate) async fn claim_elements(tx: &mut Tx, draft: &Draft, now: Timestamp) -> Result<(), Problem> {
    let entry = &draft.entry;
    release_elements(tx, &entry.entry).await?;
    for it in collected(draft) {
        let values = args![it.element, &entry.provider.zh, entry.entry.as_str(), micros(now)];
        tx.execute(CLAIM, values).await?;
    }
    Ok(())
}

pub(crate) async fn release_elements(tx: &mut Tx, entry: &ResourceId) -> Result<(), Problem> {
    tx.execute(RELEASE, args![entry.as_str()]).await.map(|_| ())
}

/// What a draft collects although another department is its source.
pub(crate) async fn second_sources_of(
    reader: &mut Reader,
    name: &ResourceId,
    draft: &Draft,
) -> Result<Vec<SecondSource>, Problem> {
    let mut found = Vec::new();
    for it in collected(draft) {
        let Some(row) = reader.row(SOURCE_OF, args![&it.element]).await? else { continue };
        let source = row.text("owner")?;
        if source != draft.entry.provider.zh {
            found.push(SecondSource {
                entry: name.to_string(),
                department: draft.entry.provider.zh.clone(),
                element: it.element,
                source: source.to_owned(),
                source_entry: row.text("entry")?.to_owned(),
                ground: it.ground,
            });
        }
    }
    Ok(found)
}

/// Every datum that is collected a second time, entry by entry; at most a page of entries.
pub(crate) async fn second_sources(reader: &mut Reader) -> Result<Vec<SecondSource>, Problem> {
    let rows = reader.rows(SECOND, args![DOSSIERS_PAGE_MAX]).await?;
    let mut found = Vec::new();
    for row in rows {
        let (name, compilation) = (ResourceId::new(row.text("name")?)?, row.json::<Compilation>("body")?);
        found.extend(second_sources_of(reader, &name, &compilation.draft).await?);
    }
    Ok(found)
}

fn too_large(name: &ResourceId, bytes: usize) -> Problem {
    let max = crate::decide::ENTRY_BYTES_MAX * 2;
    Problem::new(
        Kind::TooLarge,
        "catalog.entry_size",
        format!("{name} 有 {bytes} 字节，至多 {max} 字节"),
        format!("{name} has {bytes} bytes; at most {max}"),
    )
}

fn spent(front: &str) -> Problem {
    Problem::new(
        Kind::Conflict,
        "catalog.code_spent",
        format!("{front} 的顺序号已用完；请换一个细目"),
        format!("the serial numbers of {front} are spent; choose another detail"),
    )
}
