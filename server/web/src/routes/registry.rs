//! Packs, imports, records.

use super::Answer;
use crate::{
    Failure, IMPORT_BYTES_MAX, PACK_BYTES_MAX,
    caller::{Caller, Json as Body, Params, Path},
};
use ::registry::{ImportId, RowsDigest};
use axum::{Json, extract::Request, response::IntoResponse};
use catalog::SecrecyReview;
use futures::TryStreamExt as _;
use http::header;
use http_body_util::{BodyExt as _, Limited};
use node::{DigestAsk, ImportAsk, ImportReport, InstalledPack, Page, PageAsk, PutAsk, PutReport, RemoveAsk, TypeView};
use pack::Files;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::io::{StreamReader, SyncIoBridge};
use vocabulary::{ResourceId, Timestamp};

/// The files of a pack.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackFiles {
    files: Files,
    /// The secrecy review of its catalogue entries; without it they are not published.
    #[serde(default)]
    review: Option<SecrecyReview>,
}

/// `GET /v1/packs`: the installed packs.
pub(crate) async fn packs(caller: Caller) -> Json<Vec<InstalledPack>> {
    Json(caller.org.packs().all.iter().map(InstalledPack::from).collect())
}

/// `POST /v1/packs`: installs a pack.
pub(crate) async fn install(caller: Caller, Body(pack): Body<PackFiles, PACK_BYTES_MAX>) -> Answer<InstalledPack> {
    Ok(Json(caller.org.install_pack(&caller.principal, pack.files, pack.review).await?))
}

/// `POST /v1/imports?record=…`: the body is the file.
pub(crate) async fn import(caller: Caller, Params(ask): Params<ImportAsk>, request: Request) -> Answer<ImportReport> {
    let body = Limited::new(request.into_body(), IMPORT_BYTES_MAX).into_data_stream();
    let reader = StreamReader::new(body.map_err(std::io::Error::other));
    let file = Box::new(SyncIoBridge::new(Box::pin(reader)));
    Ok(Json(caller.org.import(&caller.principal, ask, file).await?))
}

/// `GET /v1/imports/{id}`: how far an import is.
pub(crate) async fn import_progress(caller: Caller, Path(id): Path<ImportId>) -> Answer<ImportReport> {
    Ok(Json(caller.org.import_progress(id).await?))
}

/// `GET /v1/imports/{id}/rejects`: the rows turned away, as CSV.
pub(crate) async fn import_rejects(caller: Caller, Path(id): Path<ImportId>) -> Result<impl IntoResponse, Failure> {
    let csv = caller.org.import_rejects(&caller.principal, id).await?;
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], csv))
}

/// `GET /v1/records`: the record types.
pub(crate) async fn types(caller: Caller) -> Answer<Vec<TypeView>> {
    Ok(Json(caller.org.types().await?))
}

/// The first rows; what names rows (a key, a condition, where a page ended) stands in no URL: ask for a page.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FirstAsk {
    /// Rows at most.
    limit: Option<u32>,
    /// The state at that time.
    #[schemars(with = "Option<String>")]
    as_of: Option<Timestamp>,
}

/// Which row.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyAsk {
    /// Its natural key, one text per field of the key.
    key: Vec<String>,
}

/// `GET /v1/records/{name}`: the first rows, now or as of a time.
pub(crate) async fn first(caller: Caller, Path(name): Path<ResourceId>, Params(ask): Params<FirstAsk>) -> Answer<Page> {
    let ask = PageAsk { limit: ask.limit, as_of: ask.as_of, ..PageAsk::default() };
    Ok(Json(caller.org.page(&caller.principal, &name, ask).await?))
}

/// `POST /v1/records/{name}/pages`: a page of rows by key, condition and where the last ended.
pub(crate) async fn page(caller: Caller, Path(name): Path<ResourceId>, Body(ask): Body<PageAsk>) -> Answer<Page> {
    Ok(Json(caller.org.page(&caller.principal, &name, ask).await?))
}

/// `POST /v1/records/{name}`: writes one row.
pub(crate) async fn put(caller: Caller, Path(name): Path<ResourceId>, Body(ask): Body<PutAsk>) -> Answer<PutReport> {
    Ok(Json(caller.org.put_row(&caller.principal, &name, ask).await?))
}

/// `POST /v1/records/{name}/removals`: takes one row out; its history stays.
pub(crate) async fn remove(caller: Caller, Path(name): Path<ResourceId>, Body(ask): Body<RemoveAsk>) -> Answer<Value> {
    caller.org.remove_row(&caller.principal, &name, ask).await?;
    Ok(Json(json!({"removed": 1})))
}

/// `GET /v1/records/{name}/digest`: count and digest of all rows.
pub(crate) async fn digest(
    caller: Caller,
    Path(name): Path<ResourceId>,
    Params(ask): Params<DigestAsk>,
) -> Answer<RowsDigest> {
    Ok(Json(caller.org.rows_digest(&caller.principal, &name, ask).await?))
}

/// `POST /v1/records/{name}/history`: every version of a row.
pub(crate) async fn history(caller: Caller, Path(name): Path<ResourceId>, Body(ask): Body<KeyAsk>) -> Answer<Value> {
    Ok(Json(json!({"versions": caller.org.history(&caller.principal, &name, &ask.key).await?})))
}

/// Which part of a feed.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeedAsk {
    feed: Option<String>,
    #[serde(default)]
    after: i64,
    limit: Option<u32>,
}

/// `GET /v1/changes?feed=registry`: a page of a feed.
pub(crate) async fn changes(caller: Caller, Params(ask): Params<FeedAsk>) -> Answer<Value> {
    let feed = ask.feed.as_deref().unwrap_or("registry");
    Ok(Json(caller.org.feed(&caller.principal, feed, ask.after, ask.limit.unwrap_or(100)).await?))
}
