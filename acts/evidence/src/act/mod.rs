//! Acts 操作记录: what administrators did, were refused and looked at, as leaves that nobody can edit unseen.
//!
//! An act's body holds its number and the digest of the act before it, counted and chained in the act's own
//! transaction. Nothing in the log tells the kind of a leaf; the chain does: whoever holds two acts knows whether any
//! stands between them, so that of an export nothing can be left out without a gap ([`export`]).
//!
//! Invariants, each tested on both databases:
//! - numbers are dense and begin at one; each act names the digest of the one before it;
//! - body and salt of an act stay for [`ACTS_KEPT_DAYS`] at least: [`crate::erase`] passes them over until then.

mod csv;
pub mod export;
mod store;

pub use csv::{CSV_HEAD, csv_line};
pub(crate) use store::STEP;

use crate::Salt;
use ::store::{Reader, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vocabulary::{Digest, Kind, OrganisationId, Problem, Timestamp, canonical_text, ensure};

/// Bodies of acts are kept so many days at least: six months, with a day to spare.
pub const ACTS_KEPT_DAYS: i64 = 185;
/// Acts in one page at most.
pub const ACTS_PAGE_MAX: u32 = 500;
/// What an act is about takes so many bytes at most; what is longer stands there as its digest.
pub const ABOUT_BYTES_MAX: usize = 4_096;
/// What an act's body says of its form.
pub const FORMAT: &str = "yunhe-act/1";

/// How an act ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not.
    Refused,
}

impl Outcome {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// An act to be recorded.
#[derive(Clone, Debug)]
pub struct NewAct<'a> {
    /// What was done: `identity.set_roles`.
    pub act: &'static str,
    /// Who did it: `person:li`.
    pub by: String,
    /// The roles in which it was done.
    pub roles: Vec<String>,
    /// Whose node it was.
    pub organisation: &'a OrganisationId,
    /// What it was done to.
    pub about: Value,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was refused: the problem's code.
    pub code: Option<String>,
}

/// What is committed to: the body of an act's leaf.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActBody {
    /// `yunhe-act/1`.
    pub format: String,
    /// Which act of this organisation, from one.
    pub number: u64,
    /// The digest of the act before it.
    pub previous: Option<Digest>,
    /// What was done.
    pub act: String,
    /// Who did it.
    pub by: String,
    /// The roles in which it was done.
    pub roles: Vec<String>,
    /// Whose node it was.
    pub organisation: OrganisationId,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What it was done to.
    pub about: Value,
}

/// An act that was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its number.
    pub number: u64,
    /// Its leaf.
    pub digest: Digest,
}

/// An act as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredAct {
    /// Its number.
    pub number: u64,
    /// Its leaf.
    pub digest: Digest,
    /// The body's text; none when the row is gone.
    pub text: Option<String>,
    /// The salt.
    pub salt: Option<Salt>,
    /// The epoch of its log and its index there, once it is numbered.
    pub place: Option<(u32, u64)>,
}

impl StoredAct {
    /// The body, where it can be read.
    pub fn body(&self) -> Option<ActBody> {
        self.text.as_deref().and_then(|it| serde_json::from_str(it).ok())
    }
}

/// Which acts; an empty text and no time are any.
#[derive(Clone, Debug, Default)]
pub struct ActFilter {
    /// By whom: `person:li`.
    pub by: String,
    /// Of which kind: `identity.set_roles`.
    pub act: String,
    /// With which outcome.
    pub outcome: Option<Outcome>,
    /// From when on.
    pub from: Option<Timestamp>,
    /// Until when, itself included.
    pub to: Option<Timestamp>,
}

/// Records an act: its leaf, and its place among all acts. It is the last thing that a unit of work does, since acts
/// wait for one another.
///
/// # Errors
/// What the store says.
pub async fn record(tx: &mut Tx, act: NewAct<'_>, salt: Salt, now: Timestamp) -> Result<Recorded, Problem> {
    let (number, previous) = store::next(tx).await?;
    let body = ActBody {
        format: FORMAT.to_owned(),
        number,
        previous,
        act: act.act.to_owned(),
        by: act.by,
        roles: act.roles,
        organisation: act.organisation.clone(),
        at: now,
        outcome: act.outcome,
        code: act.code,
        about: bounded(act.about)?,
    };
    let leaf = crate::NewLeaf { kind: act.act, body: canonical_text(&body)?, salt };
    let digest = crate::append(tx, &leaf, now).await?;
    store::put(tx, &body, &digest).await?;
    Ok(Recorded { number, digest })
}

fn bounded(about: Value) -> Result<Value, Problem> {
    let text = canonical_text(&about)?;
    if text.len() <= ABOUT_BYTES_MAX {
        return Ok(about);
    }
    Ok(serde_json::json!({"bytes": text.len(), "digest": Digest::of(text.as_bytes())}))
}

/// Acts below number `before`, newest first, at most `limit` (500 at most).
///
/// # Errors
/// What the store says.
pub async fn acts(
    reader: &mut Reader,
    filter: &ActFilter,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<StoredAct>, Problem> {
    store::acts(reader, filter, before, limit.min(ACTS_PAGE_MAX)).await
}

/// The numbers of the first and the last act from `from` to `to`; where there is none, the last is the one before and
/// the first the one after. An act that is being written is waited for, and none is numbered before the unit of work
/// ends: the act that begins an export is the next one.
///
/// # Errors
/// What the store says.
pub async fn period(tx: &mut Tx, from: Timestamp, to: Timestamp) -> Result<(u64, u64), Problem> {
    store::period(tx, from, to).await
}

/// A page of the export that the act `number` began: acts above `after` with their proofs, all of them against the
/// same checkpoints, however often it is asked for.
///
/// # Errors
/// `audit.export` when that act began none; `audit.waiting` (503) while its leaf is not in the published log.
pub async fn export_page(reader: &mut Reader, number: u64, after: u64) -> Result<export::Page, Problem> {
    let began = store::act(reader, number).await?.ok_or_else(|| no_export(number))?;
    let body = began.body().filter(|it| it.act == export::BEGAN).ok_or_else(|| no_export(number))?;
    let about: export::Period = serde_json::from_value(body.about).map_err(|_| no_export(number))?;
    let ended = store::end(reader, &began).await?.ok_or_else(waiting)?;
    let (low, high) = about.edges();
    let mut lines = store::range(reader, low.max(after.saturating_add(1)), high, ACTS_PAGE_MAX).await?;
    let full = lines.len() >= ACTS_PAGE_MAX as usize;
    if !full && number > high && after < number {
        lines.push(began);
    }
    let next = if full { lines.last().map(|it| it.number) } else { None };
    let mut logs = store::Logs::new(ended);
    let mut page = export::Page { export: number, period: about, checkpoints: Vec::new(), acts: Vec::new(), next };
    for line in lines {
        page.acts.push(logs.prove(reader, line).await?);
    }
    page.checkpoints = logs.checkpoints();
    Ok(page)
}

/// The proof that the log of `epoch` at the size that the export `number` is proved by begins with what it was at size
/// `from`; none where the log of that epoch is shorter, since a restored backup knew less.
///
/// # Errors
/// As [`export_page`].
pub async fn continued(
    reader: &mut Reader,
    number: u64,
    (epoch, from): (u32, u64),
) -> Result<Option<export::Continued>, Problem> {
    let began = store::act(reader, number).await?.ok_or_else(|| no_export(number))?;
    let ended = store::end(reader, &began).await?.ok_or_else(waiting)?;
    store::Logs::new(ended).continued(reader, epoch, from).await
}

fn no_export(number: u64) -> Problem {
    Problem::new(
        Kind::Missing,
        "audit.export",
        format!("第 {number} 号操作不是导出；请先开始导出（yunhe audit export）"),
        format!("act {number} began no export; begin one first (yunhe audit export)"),
    )
}

fn waiting() -> Problem {
    Problem::new(
        Kind::Unavailable,
        "audit.waiting",
        "导出操作尚未编入存证日志；请稍候几秒再取",
        "the act that began this export is not in the published log yet; ask again in a few seconds",
    )
    .with("retry_after_seconds", 1)
}

/// Checks a period that is asked for.
///
/// # Errors
/// `audit.period` when it ends before it begins.
pub fn check_period(from: Timestamp, to: Timestamp) -> Result<(), Problem> {
    ensure!(
        from <= to,
        Problem::new(
            Kind::Unprocessable,
            "audit.period",
            format!("时段应先始后终：{from} 晚于 {to}"),
            format!("a period begins before it ends: {from} is after {to}"),
        )
        .field("/from")
    );
    Ok(())
}

#[cfg(test)]
mod tests;
