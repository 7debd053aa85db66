//! Pages of changes behind a batch, at the provider: each comes to be with its receipt, in one transaction, and is
//! given again as it was however often it is asked for.

use crate::{
    DeliveryId, Follow, Parcel, ReceiptBody, ReceiptId,
    deliver::count,
    receipt,
    store::{FOLLOW_GET, FOLLOW_NEXT, FOLLOW_OPEN, FOLLOW_PASS, PAGE_ADD, PAGE_GET},
};
use ::store::{Reader, Tx, args};
use vocabulary::{Digest, Kind, Problem, Timestamp, ensure, micros, timestamp_from_micros};

/// A page that is about to be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPage {
    /// Behind which batch.
    pub parcel: DeliveryId,
    /// Its number: that of the batch's parts goes on.
    pub number: u32,
    /// It has the changes behind this position of the feed …
    pub behind: i64,
    /// … up to this one.
    pub upto: i64,
    /// The time of the last change in it.
    pub as_of: Timestamp,
}

/// A page that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// It has the changes behind this position of the feed …
    pub behind: i64,
    /// … up to this one.
    pub upto: i64,
    /// The time of the last change in it.
    pub as_of: Timestamp,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its rows.
    pub rows: u64,
    /// Its receipt.
    pub receipt: ReceiptId,
}

/// Where the pages behind `parcel` stand; they begin where it ended.
///
/// # Errors
/// Those of the store.
pub async fn follow(tx: &mut Tx, parcel: &Parcel) -> Result<Follow, Problem> {
    let parts = u32::try_from(parcel.parts.len()).unwrap_or(u32::MAX);
    let args = args![parcel.id.to_string(), parcel.epoch.clone(), parcel.position, parts];
    tx.execute(FOLLOW_OPEN, args).await?;
    let row = tx.row(FOLLOW_GET, args![parcel.id.to_string()]).await?;
    let row = row.ok_or_else(|| Problem::new(Kind::Internal, "exchange.fault", "内部故障", "a follower vanished"))?;
    Ok(Follow {
        epoch: row.opt_text("epoch")?.map(str::to_owned),
        position: row.int("position")?,
        next: u32::try_from(row.int("next")?).unwrap_or(u32::MAX),
    })
}

/// Passes over changes that are none of the consumer's business.
///
/// # Errors
/// Those of the store.
pub async fn pass(tx: &mut Tx, parcel: DeliveryId, behind: i64, upto: i64) -> Result<(), Problem> {
    tx.execute(FOLLOW_PASS, args![parcel.to_string(), behind, upto]).await.map(|_| ())
}

pub(crate) async fn add_page(tx: &mut Tx, page: &NewPage, body: &ReceiptBody) -> Result<(), Problem> {
    let parcel = page.parcel.to_string();
    let moved = tx.execute(FOLLOW_NEXT, args![&parcel, page.behind, page.number, page.upto]).await?;
    ensure!(moved == 1, Problem::new(Kind::Conflict, "exchange.part_issued", "该变更页已签发", "the page was issued"));
    let args = args![
        &parcel,
        page.number,
        page.behind,
        page.upto,
        body.answer.to_string(),
        count(body.rows),
        body.id.to_string(),
        micros(page.as_of)
    ];
    tx.execute(PAGE_ADD, args).await.map(|_| ())
}

/// A page that was issued; none where it was not.
///
/// # Errors
/// Those of the store.
pub async fn page(reader: &mut Reader, parcel: DeliveryId, number: u32) -> Result<Option<Page>, Problem> {
    let row = reader.row(PAGE_GET, args![parcel.to_string(), number]).await?;
    row.map(|row| {
        Ok(Page {
            behind: row.int("behind")?,
            upto: row.int("upto")?,
            as_of: timestamp_from_micros(row.int("as_of")?)?,
            digest: row.text("digest")?.parse()?,
            rows: row.int("rows")?.unsigned_abs(),
            receipt: receipt::id(row.text("receipt")?)?,
        })
    })
    .transpose()
}
