//! The membership log in SQL. SQL keeps the signed entries; the view is replayed from them, signatures and all.

use crate::ask::{Adopt, Confirm, Endorse, Pin, Propose};
use crate::{Entry, EntryBody, Genesis, View, decide};
use evidence::{NewLeaf, Salt};
use policy::Permit;
use serde_json::json;
use store::{Reader, Row, Store, Tx, args};
use vocabulary::{Digest, FederationName, Kind, Problem, Signature, Timestamp, ensure, micros, timestamp_from_micros};

/// The migrations of this crate's tables.
pub const MIGRATIONS: &[&str] = &[include_str!("../migrations/001.sql")];
/// The feed of adopted entries.
pub const FEED: &str = "federation";
/// The kind of an entry's leaf.
pub const LEAF: &str = "federation.entry";
/// A page of entries is at most this long, and as many may be adopted at once.
pub const PAGE_MAX: u32 = 1_000;
/// Proposals for one place in the log at most.
const PROPOSALS_MAX: i64 = 64;
/// A head may be confirmed for this long ahead of our clock, not longer.
const AHEAD_SECONDS_MAX: i64 = 300;

const PIN: &str = "
    INSERT INTO federation_genesis (federation, digest, body, pinned_at, confirmed_at) VALUES ($1, $2, $3, $4, $4)
    ON CONFLICT (federation) DO NOTHING";
const GENESIS: &str = "SELECT digest, body, confirmed_at FROM federation_genesis WHERE federation = $1";
const FEDERATIONS: &str = "SELECT federation FROM federation_genesis ORDER BY federation";
const CONFIRM: &str = "
    UPDATE federation_genesis SET confirmed_at = $2 WHERE federation = $1 AND confirmed_at < $2";
const ADOPT: &str = "
    INSERT INTO federation_entry (federation, number, digest, body, adopted_at) VALUES ($1, $2, $3, $4, $5)";
const ENTRIES: &str = "
    SELECT number, digest, body FROM federation_entry WHERE federation = $1 AND number > $2 ORDER BY number LIMIT $3";
const ENTRY_DIGEST: &str = "SELECT digest FROM federation_entry WHERE federation = $1 AND number = $2";
const PROPOSE: &str = "
    INSERT INTO federation_proposal (digest, federation, number, body, proposed_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (digest) DO NOTHING";
const PROPOSALS: &str = "
    SELECT digest, body FROM federation_proposal WHERE federation = $1 AND number = $2 ORDER BY digest";
const PROPOSALS_COUNT: &str = "
    SELECT COUNT(*) AS count FROM federation_proposal WHERE federation = $1 AND number = $2";
const PROPOSAL: &str = "SELECT body FROM federation_proposal WHERE federation = $1 AND digest = $2";
const ENDORSE: &str = "
    INSERT INTO federation_endorsement (proposal, key, signature, endorsed_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (proposal, key) DO NOTHING";
const ENDORSEMENTS: &str = "SELECT signature FROM federation_endorsement WHERE proposal = $1 ORDER BY key";
const FORGET_ENDORSEMENTS: &str = "
    DELETE FROM federation_endorsement WHERE proposal IN
      (SELECT digest FROM federation_proposal WHERE federation = $1 AND number <= $2)";
const FORGET_PROPOSALS: &str = "DELETE FROM federation_proposal WHERE federation = $1 AND number <= $2";

#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, usize)] = &[
    (PIN, 4),
    (GENESIS, 1),
    (FEDERATIONS, 0),
    (CONFIRM, 2),
    (ADOPT, 5),
    (ENTRIES, 3),
    (ENTRY_DIGEST, 2),
    (PROPOSE, 5),
    (PROPOSALS, 2),
    (PROPOSALS_COUNT, 2),
    (PROPOSAL, 2),
    (ENDORSE, 4),
    (ENDORSEMENTS, 1),
    (FORGET_ENDORSEMENTS, 2),
    (FORGET_PROPOSALS, 2),
];

/// A change that waits for founders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Its digest, which founders name.
    pub digest: Digest,
    /// What it would change, and who has signed.
    pub entry: Entry,
    /// How many founders must still sign.
    pub missing: u32,
}

/// Makes or updates the tables.
///
/// # Errors
/// What the store says.
pub async fn migrate(store: &Store) -> Result<(), Problem> {
    store.migrate("federation", MIGRATIONS).await
}

/// Pins a federation. Safe to repeat with the same genesis.
///
/// # Errors
/// `federation.genesis` when it does not hold, `federation.pinned` when it has another digest, or another one is pinned
/// under that name.
pub async fn pin(tx: &mut Tx, permit: &Permit<Pin>, now: Timestamp) -> Result<View, Problem> {
    let Pin { genesis, digest } = permit.ask();
    let federation = &genesis.federation;
    let view = View::new(genesis.clone())?;
    ensure!(view.head() == *digest, pinned(federation, &view.head()));
    let body = text(genesis.to_bytes()?);
    tx.execute(PIN, args![federation.as_str(), digest.to_string(), body, micros(now)]).await?;
    let row = tx.row(GENESIS, args![federation.as_str()]).await?.ok_or_else(|| unknown(federation))?;
    ensure!(row.text("digest")? == digest.to_string(), pinned(federation, digest));
    self::view(tx, federation).await
}

/// Takes over entries, each with its leaf and its feed entry, and says the view after them.
///
/// # Errors
/// `federation.fork` when one contradicts an entry that is there; else the first reason of [`decide::check`].
pub async fn adopt(tx: &mut Tx, permit: &Permit<Adopt>, now: Timestamp) -> Result<View, Problem> {
    let Adopt { federation, entries, salt } = permit.ask();
    ensure!(entries.len() <= usize::try_from(PAGE_MAX).unwrap_or(usize::MAX), too_many(entries.len()));
    let mut view = view(tx, federation).await?;
    for entry in entries {
        view = adopt_one(tx, view, entry, *salt, now).await?;
    }
    Ok(view)
}

async fn adopt_one(tx: &mut Tx, view: View, entry: &Entry, salt: Salt, now: Timestamp) -> Result<View, Problem> {
    let federation = &view.genesis().federation;
    let number = entry.body.number;
    if number <= view.number() {
        let known = tx.row(ENTRY_DIGEST, args![federation.as_str(), number]).await?;
        let known = known.map(|it| it.text("digest").map(str::to_owned)).transpose()?;
        let digest = entry.body.digest()?;
        ensure!(known.as_deref() == Some(&digest.to_string()), fork(number, known.as_deref(), &digest));
        return Ok(view);
    }
    let next = decide::apply(&view, entry)?;
    let digest = next.head().to_string();
    let body = text(entry.to_bytes()?);
    tx.execute(ADOPT, args![federation.as_str(), number, digest.as_str(), body, micros(now)]).await?;
    tx.execute(FORGET_ENDORSEMENTS, args![federation.as_str(), number]).await?;
    tx.execute(FORGET_PROPOSALS, args![federation.as_str(), number]).await?;
    let leaf = NewLeaf { kind: LEAF, body: text(vocabulary::canonical_bytes(&entry.body)?), salt };
    evidence::append(tx, &leaf, now).await?;
    tx.announce(FEED, &json!({"federation": federation, "number": number, "digest": digest})).await?;
    Ok(next)
}

/// Notes that the view is the newest. A time ahead of our clock counts as now.
///
/// # Errors
/// `federation.behind` (409) when the head is another one: fetch and adopt the missing entries first. `peer.clock` when
/// `at` is far ahead.
pub async fn confirm(tx: &mut Tx, permit: &Permit<Confirm>, now: Timestamp) -> Result<View, Problem> {
    let Confirm { federation, head, at } = permit.ask();
    let view = view(tx, federation).await?;
    ensure!(view.head() == *head, behind(&view, head));
    ensure!(at.as_second() <= now.as_second() + AHEAD_SECONDS_MAX, ahead(*at, now));
    let at = (*at).min(now);
    tx.execute(CONFIRM, args![federation.as_str(), micros(at)]).await?;
    Ok(view.confirmed(at))
}

/// Puts a change before the founders. Safe to repeat.
///
/// # Errors
/// The first reason of [`decide::check_body`]; `federation.proposals` past the bound.
pub async fn propose(tx: &mut Tx, permit: &Permit<Propose>, now: Timestamp) -> Result<Digest, Problem> {
    let body = &permit.ask().body;
    let federation = body.federation.as_str();
    let view = view(tx, &body.federation).await?;
    let digest = decide::check_body(&view, body)?;
    let count = tx.row(PROPOSALS_COUNT, args![federation, body.number]).await?.map_or(Ok(0), |it| it.int("count"))?;
    ensure!(count < PROPOSALS_MAX, too_many_proposals());
    let text = text(vocabulary::canonical_bytes(body)?);
    tx.execute(PROPOSE, args![digest.to_string(), federation, body.number, text, micros(now)]).await?;
    Ok(digest)
}

/// Adds a founder's signature; when it completes the quorum the entry is adopted and given back.
///
/// # Errors
/// `federation.proposal` (404) when there is none of that digest; `federation.signature`.
pub async fn endorse(tx: &mut Tx, permit: &Permit<Endorse>, now: Timestamp) -> Result<Option<Entry>, Problem> {
    let Endorse { federation, proposal, signature, salt } = permit.ask();
    let view = view(tx, federation).await?;
    let row = tx.row(PROPOSAL, args![federation.as_str(), proposal.to_string()]).await?;
    let body: EntryBody = row.ok_or_else(|| no_proposal(proposal))?.json("body")?;
    let alone = Entry::new(body.clone(), vec![signature.clone()]);
    decide::missing(view.founders(), &alone)?;
    let text = text(vocabulary::canonical_bytes(signature)?);
    tx.execute(ENDORSE, args![proposal.to_string(), signature.key.as_str(), text, micros(now)]).await?;
    let entry = Entry::new(body, endorsements(tx, proposal).await?);
    if decide::missing(view.founders(), &entry)? > 0 {
        return Ok(None);
    }
    adopt_one(tx, view, &entry, *salt, now).await?;
    Ok(Some(entry))
}

/// The proposals for the next place in the log.
///
/// # Errors
/// As [`view`].
pub async fn proposals(reader: &mut Reader, federation: &FederationName) -> Result<Vec<Proposal>, Problem> {
    let view = view(reader, federation).await?;
    let next = i64::from(view.number()) + 1;
    let mut proposals = Vec::new();
    for row in reader.rows(PROPOSALS, args![federation.as_str(), next]).await? {
        let digest: Digest = row.text("digest")?.parse()?;
        let entry = Entry::new(row.json("body")?, endorsements(reader, &digest).await?);
        let missing = decide::missing(view.founders(), &entry)?;
        proposals.push(Proposal { digest, entry, missing });
    }
    Ok(proposals)
}

async fn endorsements(reader: &mut Reader, proposal: &Digest) -> Result<Vec<Signature>, Problem> {
    let rows = reader.rows(ENDORSEMENTS, args![proposal.to_string()]).await?;
    rows.iter().map(|it| it.json("signature")).collect()
}

/// The federations that are pinned here.
///
/// # Errors
/// What the store says.
pub async fn federations(reader: &mut Reader) -> Result<Vec<FederationName>, Problem> {
    let rows = reader.rows(FEDERATIONS, args![]).await?;
    rows.iter().map(|it| FederationName::new(it.text("federation")?)).collect()
}

/// The genesis.
///
/// # Errors
/// `federation.unknown` (404) when none is pinned under that name.
pub async fn genesis(reader: &mut Reader, federation: &FederationName) -> Result<Genesis, Problem> {
    let row = genesis_row(reader, federation).await?;
    Genesis::from_bytes(row.text("body")?.as_bytes())
}

/// The entries after `after`, at most [`PAGE_MAX`]: what another node asks for.
///
/// # Errors
/// What the store says.
pub async fn entries(
    reader: &mut Reader,
    federation: &FederationName,
    after: u32,
    limit: u32,
) -> Result<Vec<Entry>, Problem> {
    let rows = reader.rows(ENTRIES, args![federation.as_str(), after, limit.min(PAGE_MAX)]).await?;
    rows.iter().map(|it| Entry::from_bytes(it.text("body")?.as_bytes())).collect()
}

/// The view as of the last adopted entry, replayed with every signature checked. Keep it, and [`advance`] it.
///
/// # Errors
/// `federation.unknown` (404); the first reason of [`decide::check`] when the table was tampered with.
pub async fn view(reader: &mut Reader, federation: &FederationName) -> Result<View, Problem> {
    let row = genesis_row(reader, federation).await?;
    let genesis = Genesis::from_bytes(row.text("body")?.as_bytes())?;
    let view = View::new(genesis)?;
    ensure!(view.head().to_string() == row.text("digest")?, pinned(federation, &view.head()));
    advance(reader, view).await
}

/// `view` with the entries and confirmations that came since.
///
/// # Errors
/// As [`view`].
pub async fn advance(reader: &mut Reader, mut view: View) -> Result<View, Problem> {
    let federation = view.genesis().federation.clone();
    loop {
        let page = entries(reader, &federation, view.number(), PAGE_MAX).await?;
        if page.is_empty() {
            break;
        }
        view = decide::extend(view, &page)?;
    }
    let row = genesis_row(reader, &federation).await?;
    Ok(view.confirmed(timestamp_from_micros(row.int("confirmed_at")?)?))
}

async fn genesis_row(reader: &mut Reader, federation: &FederationName) -> Result<Row, Problem> {
    reader.row(GENESIS, args![federation.as_str()]).await?.ok_or_else(|| unknown(federation))
}

fn text(canonical: Vec<u8>) -> String {
    String::from_utf8(canonical).expect("canonical JSON is UTF-8")
}

fn unknown(federation: &FederationName) -> Problem {
    Problem::new(
        Kind::Missing,
        "federation.unknown",
        format!("本节点未加入联邦 {federation}；请先以其创始文件初始化"),
        format!("this node has pinned no federation {federation}; init it with its genesis file first"),
    )
}

fn pinned(federation: &FederationName, digest: &Digest) -> Problem {
    Problem::new(
        Kind::Conflict,
        "federation.pinned",
        format!("联邦 {federation} 的创始文件摘要为 {digest}，与约定的不符；请向联邦核对"),
        format!("the genesis of {federation} has digest {digest}, which is not the pinned one; ask the federation"),
    )
}

fn fork(number: u32, known: Option<&str>, other: &Digest) -> Problem {
    let known = known.unwrap_or("-");
    Problem::new(
        Kind::Conflict,
        "federation.fork",
        format!("成员日志第 {number} 条有两个版本：{known} 与 {other}；请保留两者并报告联邦"),
        format!("entry {number} of the log exists twice: {known} and {other}; keep both and report them"),
    )
    .with("number", number)
}

fn behind(view: &View, head: &Digest) -> Problem {
    Problem::new(
        Kind::Conflict,
        "federation.behind",
        format!("最新条目为 {head}，本地仅到第 {} 条（{}）；请先取回并采纳", view.number(), view.head()),
        format!("the newest entry is {head}, ours is {} ({}); fetch and adopt first", view.number(), view.head()),
    )
    .with("number", view.number())
}

fn ahead(at: Timestamp, now: Timestamp) -> Problem {
    let offset_ms = at.as_millisecond() - now.as_millisecond();
    Problem::new(
        Kind::Unauthenticated,
        "peer.clock",
        format!("确认时间 {at} 比本机时间超前 {offset_ms} 毫秒；请校准时钟"),
        format!("confirmed at {at}, {offset_ms} ms ahead of our clock; set the clocks"),
    )
    .with("offset_ms", offset_ms)
}

fn no_proposal(digest: &Digest) -> Problem {
    Problem::new(
        Kind::Missing,
        "federation.proposal",
        format!("没有待签的提案 {digest}；可能已采纳或已过时"),
        format!("there is no proposal {digest}; it may have been adopted or overtaken"),
    )
}

fn too_many(number: usize) -> Problem {
    Problem::new(
        Kind::TooLarge,
        "federation.page",
        format!("一次最多采纳 {PAGE_MAX} 条，收到 {number} 条；请分批"),
        format!("at most {PAGE_MAX} entries at once, not {number}; send them in pages"),
    )
}

fn too_many_proposals() -> Problem {
    Problem::new(
        Kind::TooMany,
        "federation.proposals",
        format!("下一条的提案已有 {PROPOSALS_MAX} 件；请先签署其一"),
        format!("there are {PROPOSALS_MAX} proposals for the next entry; sign one of them first"),
    )
}
