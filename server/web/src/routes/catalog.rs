//! The catalogue.

use super::Answer;
use crate::{
    Failure,
    caller::{Anyone, Caller, Json as Body, Params, Path},
};
use ::catalog::report::{ReportView, ReportsAsk};
use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, header};
use node::{DcatAsk, Followed, LevelsAsk, ReportAct, SearchAsk};
use serde::Deserialize;
use serde_json::{Value, json};
use vocabulary::{OrganisationId, ResourceId};

/// `GET /v1/catalog?q=…`: finds entries.
pub(crate) async fn search(caller: Caller, Params(ask): Params<SearchAsk>) -> Answer<Value> {
    Ok(Json(caller.org.search(&caller.principal, ask).await?))
}

/// `GET /v1/catalog/{code}`: one entry.
pub(crate) async fn entry(caller: Caller, Path(code): Path<String>) -> Answer<Value> {
    Ok(Json(caller.org.catalog_entry(&code).await?))
}

/// JSON-LD, unless plain JSON is all that is taken.
fn media(fields: &HeaderMap) -> &'static str {
    let accept = fields.get(header::ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let takes = |media: &str| accept.split(',').any(|it| it.split(';').next().unwrap_or_default().trim() == media);
    let plain = takes("application/json") && !takes("application/ld+json");
    if plain { "application/json" } else { "application/ld+json" }
}

/// `GET /v1/catalog/dcat`: a page of the catalogue as DCAT-AP 3; strangers see what is open to the public.
pub(crate) async fn dcat(
    Anyone { org, principal }: Anyone,
    fields: HeaderMap,
    Params(ask): Params<DcatAsk>,
) -> Result<Response, Failure> {
    let page = org.dcat(principal.as_ref(), ask).await?;
    let mut response = Json(page.document).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media(&fields)));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept, authorization"));
    if let Some(link) = page.next.and_then(|it| HeaderValue::try_from(format!("<{it}>; rel=\"next\"")).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// `GET /v1/catalog/reports`: where entries stand that were reported up.
pub(crate) async fn reports(caller: Caller, Params(ask): Params<ReportsAsk>) -> Answer<Vec<ReportView>> {
    Ok(Json(caller.org.reports(&caller.principal, &ask).await?))
}

/// `GET /v1/catalog/reports/{organisation}/{entry}`: where one entry stands, with what every level said of it.
pub(crate) async fn report(
    caller: Caller,
    Path((organisation, entry)): Path<(OrganisationId, ResourceId)>,
) -> Answer<ReportView> {
    Ok(Json(caller.org.report(&caller.principal, (&organisation, &entry)).await?))
}

/// `POST /v1/catalog/reports/{organisation}/{entry}/acts`: returns an entry, or gives it this level's number.
pub(crate) async fn act_on_report(
    caller: Caller,
    Path(named): Path<(OrganisationId, ResourceId)>,
    Body(act): Body<ReportAct>,
) -> Answer<ReportView> {
    Ok(Json(caller.org.act_on_report(&caller.principal, named, act).await?))
}

/// `POST /v1/catalog/levels`: asks the neighbours on other levels for news now.
pub(crate) async fn follow_levels(caller: Caller, Body(ask): Body<LevelsAsk>) -> Answer<Followed> {
    Ok(Json(caller.org.follow_levels_now(&caller.principal, &ask).await?))
}

/// `POST /v1/catalog`: publishes an entry.
pub(crate) async fn publish(caller: Caller, Body(body): Body<Value>) -> Answer<Value> {
    Ok(Json(caller.org.publish_entry(&caller.principal, body).await?))
}

/// `DELETE /v1/catalog/{code}`: withdraws an entry of our own.
pub(crate) async fn withdraw(caller: Caller, Path(name): Path<String>) -> Answer<Value> {
    caller.org.withdraw_entry(&caller.principal, &name).await?;
    Ok(Json(json!({})))
}

/// Whose catalogue.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HarvestAsk {
    member: OrganisationId,
}

/// `POST /v1/catalog/harvest`: takes over a member's catalogue.
pub(crate) async fn harvest(caller: Caller, Body(ask): Body<HarvestAsk>) -> Answer<Value> {
    Ok(Json(caller.org.harvest(&caller.principal, &ask.member).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_ld_is_given_unless_plain_json_is_all_that_is_taken() {
        let of = |accept: Option<&'static str>| {
            let fields = accept.map(|it| (header::ACCEPT, HeaderValue::from_static(it)));
            media(&fields.into_iter().collect())
        };
        for accept in [None, Some("*/*"), Some("application/json, application/ld+json;q=0.5"), Some("text/html")] {
            assert_eq!(of(accept), "application/ld+json", "{accept:?}");
        }
        assert_eq!(of(Some("application/json;q=0.9, */*;q=0.1")), "application/json");
    }
}
