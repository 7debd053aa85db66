//! The guide's Excel template, proposals from sources, and the lists that the law asks for.

use super::Answer;
use crate::{
    Failure,
    caller::{Caller, Json as Body, Params, Path, read_body},
    table::XLSX,
};
use axum::{Json, extract::Request, response::IntoResponse};
use catalog::{
    propose::{Proposal, SecondSource},
    template::{BOOK_BYTES_MAX, Imported},
};
use http::header;
use node::{ExportAsk, LegalList, ListAsk, ListPage, ProposeAsk, TemplateAsk};

/// `GET /v1/template`: our entries in the guide's template.
pub(crate) async fn export(caller: Caller, Params(ask): Params<ExportAsk>) -> Result<impl IntoResponse, Failure> {
    let file = caller.org.export_template(&caller.principal, ask).await?;
    let named = "attachment; filename=\"catalogue.xlsx\"";
    Ok(([(header::CONTENT_TYPE, XLSX), (header::CONTENT_DISPOSITION, named)], file))
}

/// `POST /v1/template`: the body is the file.
pub(crate) async fn import(
    caller: Caller,
    Params(ask): Params<TemplateAsk>,
    request: Request,
) -> Answer<Vec<Imported>> {
    let file = read_body(request.into_body(), BOOK_BYTES_MAX).await?;
    Ok(Json(caller.org.import_template(&caller.principal, ask, file.to_vec()).await?))
}

/// `POST /v1/proposals`: proposes entries; nothing is drafted by it.
pub(crate) async fn propose(caller: Caller, Body(ask): Body<ProposeAsk, BOOK_BYTES_MAX>) -> Answer<Vec<Proposal>> {
    Ok(Json(caller.org.propose_entries(&caller.principal, ask).await?))
}

/// `GET /v1/lists/{list}`: a list that the law asks for.
pub(crate) async fn list(
    caller: Caller,
    Path(list): Path<LegalList>,
    Params(ask): Params<ListAsk>,
) -> Answer<ListPage> {
    Ok(Json(caller.org.legal_list(&caller.principal, list, ask).await?))
}

/// `GET /v1/second-sources`: what is collected a second time.
pub(crate) async fn second_sources(caller: Caller) -> Answer<Vec<SecondSource>> {
    Ok(Json(caller.org.second_sources(&caller.principal).await?))
}
