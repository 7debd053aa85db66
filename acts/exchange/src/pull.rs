//! Pulls: batches that we fetch as a consumer, part by part. What is done follows from the receipts taken over, so a
//! node that is killed anywhere goes on where it was.

use crate::{
    Agreement, AgreementId, DeliveryId,
    store::{PULL_ADD, PULL_GET, PULL_PART, PULL_PARTS, PULL_SET, PULL_UNDER_WAY, text},
};
use ::store::{Reader, Tx, args};
use policy::{Ask, Need, Permit, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Date, Kind, OrganisationId, Problem, Timestamp, micros};

/// Pulls under way at once at most; further ones wait their turn.
const UNDER_WAY_MAX: u32 = 16;

/// Where a pull stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PullState {
    /// The provider makes the parts.
    Making,
    /// Parts come in.
    Fetching,
    /// All parts are here.
    Done,
    /// It ended with a problem.
    Failed,
}

/// A batch that we fetch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pull {
    /// Its name, drawn by us.
    pub id: DeliveryId,
    /// Under which agreement.
    pub agreement: AgreementId,
    /// From whom.
    pub provider: OrganisationId,
    /// For what.
    pub purpose: String,
    /// Who acts.
    pub actor: String,
    /// `arrow`, `parquet` or `csv`.
    pub format: String,
    /// Where it stands.
    pub state: PullState,
    /// How many parts there are, once that is known.
    pub parts: u32,
    /// How many are here.
    pub done: u32,
    /// Rows here.
    pub rows: u64,
    /// Bytes here.
    pub bytes: u64,
    /// Parts that are still to come are not asked for before this day: the quota of the day before is spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub resumes: Option<Date>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub problem: Option<Problem>,
}

impl Pull {
    /// One that begins: of everything under `agreement`, in `format`.
    pub fn begin(id: DeliveryId, agreement: &Agreement, actor: String, format: String) -> Self {
        Self {
            id,
            agreement: agreement.id,
            provider: agreement.provider.clone(),
            purpose: agreement.terms.purpose.clone(),
            actor,
            format,
            state: PullState::Making,
            parts: 0,
            done: 0,
            rows: 0,
            bytes: 0,
            resumes: None,
            problem: None,
        }
    }
}

/// Begins a pull.
#[derive(Debug)]
pub struct OpenPull {
    /// The pull.
    pub pull: Pull,
}

impl Ask for OpenPull {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::Requester, Role::Application])
    }
}

fn word(state: PullState) -> &'static str {
    match state {
        PullState::Making => "making",
        PullState::Fetching => "fetching",
        PullState::Done => "done",
        PullState::Failed => "failed",
    }
}

/// Begins a pull; beginning it again under the same id changes nothing.
///
/// # Errors
/// Those of the store.
pub async fn open_pull(tx: &mut Tx, permit: &Permit<OpenPull>, now: Timestamp) -> Result<(), Problem> {
    let pull = &permit.ask().pull;
    tx.execute(PULL_ADD, args![pull.id.to_string(), word(pull.state), text(pull)?, micros(now)]).await.map(|_| ())
}

/// Keeps how far a pull has come.
///
/// # Errors
/// Those of the store.
pub async fn save_pull(tx: &mut Tx, pull: &Pull) -> Result<(), Problem> {
    tx.execute(PULL_SET, args![pull.id.to_string(), word(pull.state), text(pull)?]).await.map(|_| ())
}

/// One pull.
///
/// # Errors
/// `exchange.pull_missing`.
pub async fn pull(reader: &mut Reader, id: DeliveryId) -> Result<Pull, Problem> {
    let row = reader.row(PULL_GET, args![id.to_string()]).await?;
    let row = row.ok_or_else(|| {
        Problem::new(Kind::Missing, "exchange.pull_missing", format!("没有批次 {id}"), format!("there is no pull {id}"))
    })?;
    row.json("document")
}

/// Pulls that are not over, oldest first.
///
/// # Errors
/// Those of the store.
pub async fn pulls_under_way(reader: &mut Reader) -> Result<Vec<Pull>, Problem> {
    reader.rows(PULL_UNDER_WAY, args![UNDER_WAY_MAX]).await?.iter().map(|it| it.json("document")).collect()
}

/// The numbers of the parts whose receipts we have taken over.
///
/// # Errors
/// Those of the store.
pub async fn pulled_parts(reader: &mut Reader, id: DeliveryId) -> Result<Vec<u32>, Problem> {
    let rows = reader.rows(PULL_PARTS, args![id.to_string()]).await?;
    rows.iter().map(|it| Ok(u32::try_from(it.int("part")?).unwrap_or(u32::MAX))).collect()
}

/// Whether we have taken over the receipt of a part or page.
///
/// # Errors
/// Those of the store.
pub async fn pulled_part(reader: &mut Reader, id: DeliveryId, part: u32) -> Result<bool, Problem> {
    Ok(reader.row(PULL_PART, args![id.to_string(), part]).await?.is_some())
}
