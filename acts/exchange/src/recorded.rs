//! What the hub sees of deliveries that it does not carry: in a federation, or under an offer, that travels `direct`
//! the digest of each agreement and the checkpoints of the provider's log, which cover its receipts; `hub-recorded`
//! request, agreement, revocation and every receipt as well. Never a row.
//!
//! The hub reads it behind a position of the provider's log, page by page: nothing is lost while it is away, and
//! nothing stands there twice.

use crate::{
    Agreement, AgreementId, AgreementView, Receipt, ReceiptBody, RequestId, RequestView, Revocation, Side, Signed,
    agree::agreement,
    receipt::{ISSUED, receipt},
    request::request,
    store::{
        cascade::{RECORD_ADD, RECORD_LIST, RECORDER_GET, RECORDER_SET, RECORDER_TAKE},
        text,
    },
};
use ::store::{Reader, Row, Tx, args};
use evidence::Origin;
use policy::{Ask, Need, Permit, Role, Travel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Digest, Kind, OrganisationId, Problem, Timestamp, ensure, micros, timestamp_from_micros};

/// A page looks at so many leaves of the log at most.
const PAGE_LEAVES: u32 = 500;
/// A page carries at most this many bytes of records, or one record.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Records listed at once at most.
const LIST_MAX: u32 = 500;

/// One thing that the hub sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum HubRecord {
    /// An agreement that travels direct: that there is one, and what its digest is.
    Digest {
        /// Which.
        agreement: AgreementId,
        /// Its digest.
        digest: Digest,
        /// Whose it is besides the provider.
        consumer: OrganisationId,
    },
    /// An agreement whose deliveries are recorded, with the request that led to it.
    Agreement {
        /// As both signed it.
        agreement: Box<Signed<Agreement>>,
        /// With every answer to it.
        request: Box<RequestView>,
    },
    /// The end of an agreement.
    Revocation {
        /// As it was signed.
        revocation: Box<Signed<Revocation>>,
    },
    /// A delivery under an agreement whose deliveries are recorded.
    Receipt {
        /// With the provider's signature and the consumer's signed request.
        receipt: Box<Receipt>,
    },
}

impl HubRecord {
    /// The agreement that it is about.
    pub fn agreement(&self) -> AgreementId {
        match self {
            Self::Digest { agreement, .. } => *agreement,
            Self::Agreement { agreement, .. } => agreement.body.id,
            Self::Revocation { revocation } => revocation.body.agreement,
            Self::Receipt { receipt } => receipt.body.agreement,
        }
    }

    /// Its kind in a word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Digest { .. } => "digest",
            Self::Agreement { .. } => "agreement",
            Self::Revocation { .. } => "revocation",
            Self::Receipt { .. } => "receipt",
        }
    }
}

/// A record at its place in the provider's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// The index of its leaf.
    pub index: u64,
    /// What it is.
    pub record: HubRecord,
}

/// What a provider tells the hub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordPage {
    /// Of which log.
    pub origin: Origin,
    /// From which index it was asked.
    pub from: u64,
    /// Up to which index it goes, itself not counted.
    pub upto: u64,
    /// The log's checkpoint: a signed note. None before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// That the log has only grown since the size that the hub knew, in hex.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consistency: Vec<String>,
    /// In the order of the log.
    pub records: Vec<Placed>,
}

/// Takes in what a provider tells the hub. A job of the node asks for it.
#[derive(Debug)]
pub struct TakeRecords {
    /// Who tells it.
    pub provider: OrganisationId,
    /// What it says; signatures, checkpoint and consistency are checked.
    pub page: RecordPage,
    /// The size of the log by its checkpoint.
    pub size: u64,
}

impl Ask for TakeRecords {
    fn need(&self) -> Need<'_> {
        Need::Job
    }
}

/// Looking at what was recorded.
#[derive(Debug)]
pub struct ReadRecords;

impl Ask for ReadRecords {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::Approver, Role::AuditAdministrator])
    }
}

/// How far a provider's log has been read here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recorder {
    /// Of which log.
    pub origin: String,
    /// Up to which index.
    pub upto: u64,
    /// The log's size by the newest checkpoint that is kept.
    pub size: u64,
    /// That checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
}

/// A record as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordView {
    /// In which log.
    pub origin: String,
    /// At which index.
    pub index: u64,
    /// Who told it.
    pub provider: OrganisationId,
    /// What it is.
    pub record: HubRecord,
    /// When it was taken in.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// What leaves of our log concern the hub, from index `from` on. It stops before a receipt that is not signed yet.
///
/// # Errors
/// Those of the store.
pub async fn records(reader: &mut Reader, from: u64, size: u64) -> Result<(u64, Vec<Placed>), Problem> {
    let (mut upto, mut bytes, mut all) = (from, 0, Vec::new());
    for leaf in evidence::leaves(reader, from, PAGE_LEAVES).await? {
        let Some(index) = leaf.position.filter(|it| *it < size) else { break };
        let body = leaf.body.as_deref().unwrap_or_default();
        let found = match leaf.kind.as_str() {
            "agreement" => of_agreement(reader, body).await?,
            "revocation" => of_revocation(reader, body).await?,
            ISSUED => match of_receipt(reader, body).await? {
                Found::Later => break,
                found => found,
            },
            _ => Found::Nothing,
        };
        if let Found::One(record) = found {
            bytes += text(&record)?.len();
            if bytes > PAGE_BYTES_MAX && !all.is_empty() {
                break;
            }
            all.push(Placed { index, record: *record });
        }
        upto = index + 1;
    }
    Ok((upto, all))
}

/// What a leaf is to the hub.
enum Found {
    Nothing,
    One(Box<HubRecord>),
    /// It is there and cannot be told yet.
    Later,
}

/// Our own agreement of that name, where we deliver.
async fn provided(reader: &mut Reader, id: AgreementId) -> Result<Option<AgreementView>, Problem> {
    match agreement(reader, id).await {
        Ok(view) => Ok(Some(view).filter(|it| it.side == Side::Provider)),
        Err(problem) if problem.code == "exchange.agreement_missing" => Ok(None),
        Err(problem) => Err(problem),
    }
}

fn is_recorded(view: &AgreementView) -> bool {
    view.agreement.body.travel == Travel::HubRecorded
}

async fn of_agreement(reader: &mut Reader, body: &str) -> Result<Found, Problem> {
    let Ok(body) = serde_json::from_str::<Agreement>(body) else { return Ok(Found::Nothing) };
    let Some(view) = provided(reader, body.id).await? else { return Ok(Found::Nothing) };
    if !is_recorded(&view) {
        let (digest, consumer) = (view.digest, body.consumer);
        return Ok(Found::One(Box::new(HubRecord::Digest { agreement: body.id, digest, consumer })));
    }
    let request = request(reader, RequestId::from_uuid(body.request.uuid())).await?;
    Ok(Found::One(Box::new(HubRecord::Agreement { agreement: Box::new(view.agreement), request: Box::new(request) })))
}

async fn of_revocation(reader: &mut Reader, body: &str) -> Result<Found, Problem> {
    let Ok(body) = serde_json::from_str::<Revocation>(body) else { return Ok(Found::Nothing) };
    let view = provided(reader, body.agreement).await?.filter(is_recorded);
    let Some(revocation) = view.and_then(|it| it.revocation) else { return Ok(Found::Nothing) };
    Ok(Found::One(Box::new(HubRecord::Revocation { revocation: Box::new(revocation) })))
}

async fn of_receipt(reader: &mut Reader, body: &str) -> Result<Found, Problem> {
    let Ok(body) = serde_json::from_str::<ReceiptBody>(body) else { return Ok(Found::Nothing) };
    if provided(reader, body.agreement).await?.filter(is_recorded).is_none() {
        return Ok(Found::Nothing);
    }
    let Some(mut file) = receipt(reader, body.id).await?.file else { return Ok(Found::Later) };
    // What comes later is no part of what was recorded, so that told twice it is the same.
    (file.acknowledgement, file.log_proof) = (None, None);
    Ok(Found::One(Box::new(HubRecord::Receipt { receipt: Box::new(file) })))
}

/// How far a provider's log has been read.
///
/// # Errors
/// Those of the store.
pub async fn recorder(reader: &mut Reader, provider: &OrganisationId) -> Result<Option<Recorder>, Problem> {
    reader.row(RECORDER_GET, args![provider.as_str()]).await?.as_ref().map(recorder_of).transpose()
}

fn recorder_of(row: &Row) -> Result<Recorder, Problem> {
    Ok(Recorder {
        origin: row.text("origin")?.to_owned(),
        upto: u64::try_from(row.int("upto")?).unwrap_or(0),
        size: u64::try_from(row.int("size")?).unwrap_or(0),
        checkpoint: row.opt_text("checkpoint")?.map(str::to_owned),
    })
}

/// Keeps a page of what a provider tells; what was kept before is skipped by its index. Says how many were new.
///
/// # Errors
/// `exchange.record_gap` when the page does not go on where the last one ended.
pub async fn take_records(tx: &mut Tx, permit: &Permit<TakeRecords>, now: Timestamp) -> Result<usize, Problem> {
    let TakeRecords { provider, page, size } = permit.ask();
    let origin = page.origin.to_string();
    let row = tx.row(RECORDER_TAKE, args![provider.as_str(), &origin]).await?;
    let before = row.as_ref().map(recorder_of).transpose()?.filter(|it| it.origin == origin);
    let known = before.as_ref().map_or(0, |it| it.upto);
    ensure!(page.from <= known, gap(provider, known, page.from));
    let mut new = 0;
    for Placed { index, record } in page.records.iter().filter(|it| it.index >= known) {
        let index = i64::try_from(*index).unwrap_or(i64::MAX);
        let agreement = record.agreement().to_string();
        let args = args![&origin, index, provider.as_str(), agreement, record.word(), text(record)?, micros(now)];
        new += usize::from(tx.execute(RECORD_ADD, args).await? == 1);
    }
    let upto = i64::try_from(known.max(page.upto)).unwrap_or(i64::MAX);
    let older = before.filter(|it| it.size > *size);
    let (size, checkpoint) = match older {
        Some(it) => (it.size, it.checkpoint),
        None => (*size, page.checkpoint.clone()),
    };
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    tx.execute(RECORDER_SET, args![provider.as_str(), &origin, upto, size, checkpoint, micros(now)]).await?;
    Ok(new)
}

/// What was recorded, newest first, at most 500: of one agreement, or of all.
///
/// # Errors
/// Those of the store.
pub async fn recorded(
    reader: &mut Reader,
    permit: &Permit<ReadRecords>,
    agreement: Option<AgreementId>,
) -> Result<Vec<RecordView>, Problem> {
    let ReadRecords = permit.ask();
    let about = agreement.map(|it| it.to_string()).unwrap_or_default();
    let rows = reader.rows(RECORD_LIST, args![about, LIST_MAX]).await?;
    let view = |it: &Row| {
        Ok(RecordView {
            origin: it.text("origin")?.to_owned(),
            index: u64::try_from(it.int("position")?).unwrap_or(0),
            provider: OrganisationId::new(it.text("provider")?)?,
            record: it.json("document")?,
            at: timestamp_from_micros(it.int("at")?)?,
        })
    };
    rows.iter().map(view).collect()
}

fn gap(provider: &OrganisationId, known: u64, from: u64) -> Problem {
    Problem::new(
        Kind::Conflict,
        "exchange.record_gap",
        format!("{provider} 的存证应从第 {known} 叶续取，却收到自第 {from} 叶起的一页；请重取"),
        format!("what {provider} tells goes on at leaf {known}, not at {from}; ask again"),
    )
}
