//! The peer port: every message is verified before a handler sees it, every answer to a verified one is signed.

use crate::{
    BODY_BYTES_MAX, Failure, Tenants,
    caller::{Path, read_body},
};
use axum::{
    Router,
    extract::{Request, State},
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use exchange::{AgreementId, DeliveryId, RequestId};
use http::{HeaderValue, StatusCode, header};
use node::{Incoming, Organisation, Outcome};
use peer::{
    PeerKey, ServedHost,
    message::{sign_answer, verify_head},
};
use std::sync::Arc;
use vocabulary::{Digest, Kind, Problem};

/// The routes between nodes, for whoever brings requests of connections that are proved: each carries [`PeerKey`] and
/// [`ServedHost`] among its extensions, where no sender can put anything.
pub fn router(tenants: Tenants) -> Router {
    Router::new()
        .route("/peer/v1/offers", get(offers))
        .route("/peer/v1/requests", post(receive_request))
        .route("/peer/v1/requests/{id}", get(tell_request))
        .route("/peer/v1/requests/{id}/attachments/{number}", get(tell_attachment))
        .route("/peer/v1/requests/{id}/agreement", get(tell_agreement))
        .route("/peer/v1/agreements", post(countersigned))
        .route("/peer/v1/agreements/{id}/shape", get(tell_shape))
        .route("/peer/v1/revocations", post(revoked))
        .route("/peer/v1/query", post(query))
        .route("/peer/v1/calls", post(call))
        .route("/peer/v1/parcels", post(open_parcel))
        .route("/peer/v1/parcels/{id}", get(tell_parcel))
        .route("/peer/v1/parcels/{id}/parts/{number}", post(hand_out))
        .route("/peer/v1/parcels/{id}/standing", post(tell_standing))
        .route("/peer/v1/letters", post(letter))
        .route("/peer/v1/acknowledgements", post(acknowledged))
        .route("/peer/v1/receipts/open", get(open_receipts))
        .route("/peer/v1/held/{kind}", get(held))
        .route("/peer/v1/log/proof/{leaf}", get(log_proof))
        .route("/peer/v1/catalog", get(catalog))
        .route("/peer/v1/catalog/reports", get(catalog_reports))
        .route("/peer/v1/catalog/rulings", get(catalog_rulings))
        .route("/peer/v1/records", get(records))
        .route("/peer/v1/federation", get(federation))
        .route_layer(from_fn(crate::trace::traced))
        .fallback(unknown)
        .with_state(tenants)
}

async fn unknown() -> Failure {
    Failure(Problem::new(Kind::Missing, "web.route", "没有这个接口", "there is no such route"))
}

/// Verifies the message, lets `act` answer it, signs the answer.
async fn judged<F, Fut>(tenants: &Tenants, request: Request, act: F) -> Response
where
    F: FnOnce(Arc<Organisation>, Incoming) -> Fut,
    Fut: Future<Output = Result<Outcome, Problem>>,
{
    match verify(tenants, request).await {
        Err(problem) => Failure(problem).into_response(),
        Ok((org, incoming)) => {
            let sent = incoming.verified.sent.clone();
            let outcome = act(Arc::clone(&org), incoming).await;
            let (mut parts, body) = answer(outcome);
            let key = org.message_key();
            let digest = Digest::by(key.public().suite(), &body);
            match sign_answer(&mut parts, &digest, &sent, &*key, org.now()) {
                Ok(()) => Response::from_parts(parts, body.into()),
                Err(problem) => Failure(problem).into_response(),
            }
        }
    }
}

fn answer(outcome: Result<Outcome, Problem>) -> (http::response::Parts, bytes::Bytes) {
    let (status, media, body, receipt) = match outcome {
        Ok(it) => (StatusCode::OK, it.media, it.body, it.receipt),
        Err(problem) => {
            let status = StatusCode::from_u16(problem.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body = serde_json::to_vec(&problem).unwrap_or_default();
            (status, "application/problem+json", body.into(), None)
        }
    };
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = status;
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    if let Some(receipt) = receipt.and_then(|it| HeaderValue::try_from(it).ok()) {
        parts.headers.insert("yunhe-receipt", receipt);
    }
    (parts, body)
}

async fn verify(tenants: &Tenants, request: Request) -> Result<(Arc<Organisation>, Incoming), Problem> {
    let (parts, body) = request.into_parts();
    let connection = (parts.extensions.get::<ServedHost>(), parts.extensions.get::<PeerKey>());
    let (Some(host), Some(PeerKey(pin))) = connection else {
        return Err(Problem::new(Kind::Refused, "peer.tls", "须经双向 TLS 连接", "mutual TLS is needed"));
    };
    host.check(&parts)?;
    let org = tenants.by_host(&host.0).ok_or_else(|| {
        Problem::new(Kind::Missing, "web.organisation", "此处没有该机构", "there is no such organisation here")
    })?;
    let members = org.members()?;
    let now = org.now();
    members.fresh(now)?;
    let by_tls = Arc::clone(members.by_tls_pin(pin)?);
    let verified = verify_head(&parts, |id| members.by_key_id(id).map(|(key, _)| key), now)?;
    let member = Arc::clone(members.by_message_key(&verified.key)?);
    vocabulary::ensure!(
        member.organisation.id == by_tls.organisation.id,
        Problem::new(
            Kind::Refused,
            "peer.signature",
            "消息签名与连接不属同一成员",
            "the message's key and the connection's key belong to two members",
        )
    );
    let body = read_body(body, BODY_BYTES_MAX).await?;
    verified.check_body(&body)?;
    let incoming = Incoming { member, verified, body, now };
    org.check_age(&incoming.nonce())?;
    Ok((org, incoming))
}

/// `GET /peer/v1/offers`: what a member may ask for.
async fn offers(State(tenants): State<Tenants>, request: Request) -> Response {
    judged(&tenants, request, |org, _| async move { Outcome::json(&org.offers()) }).await
}

/// `POST /peer/v1/requests`: takes in a request with its story.
async fn receive_request(State(tenants): State<Tenants>, request: Request) -> Response {
    judged(&tenants, request, |org, it| async move { org.receive_request(&it).await }).await
}

/// `GET /peer/v1/requests/{id}`: how a request stands.
async fn tell_request(State(tenants): State<Tenants>, Path(id): Path<RequestId>, request: Request) -> Response {
    judged(&tenants, request, |org, it| async move { org.tell_request(&it, id).await }).await
}

/// `GET /peer/v1/requests/{id}/attachments/{number}`: a file of our request, for who answers it.
async fn tell_attachment(
    State(tenants): State<Tenants>,
    Path((id, number)): Path<(RequestId, usize)>,
    request: Request,
) -> Response {
    judged(&tenants, request, |org, it| async move { org.tell_attachment(&it, id, number).await }).await
}

/// `GET /peer/v1/requests/{id}/agreement`: the provider's proposal.
async fn tell_agreement(State(tenants): State<Tenants>, Path(id): Path<RequestId>, request: Request) -> Response {
    judged(&tenants, request, |org, it| async move { org.tell_agreement(&it, id).await }).await
}

/// `POST /peer/v1/agreements`: the consumer's signature.
async fn countersigned(State(tenants): State<Tenants>, request: Request) -> Response {
    judged(&tenants, request, |org, it| async move { org.countersigned(&it).await }).await
}

/// `POST /peer/v1/revocations`: the other side's revocation.
async fn revoked(State(tenants): State<Tenants>, request: Request) -> Response {
    judged(&tenants, request, |org, it| async move { org.revoked(&it).await }).await
}

/// `POST /peer/v1/query`: one receipted query.
async fn query(State(tenants): State<Tenants>, request: Request) -> Response {
    judged(&tenants, request, |org, it| async move { org.answer_query(&it).await }).await
}

/// `POST /peer/v1/calls`: one receipted call of a service.
async fn call(State(tenants): State<Tenants>, request: Request) -> Response {
    judged(&tenants, request, |org, it| async move { org.answer_call(&it).await }).await
}

/// `POST /peer/v1/parcels`: opens a batch, or says how it stands.
async fn open_parcel(State(tenants): State<Tenants>, request: Request) -> Response {
    judged(&tenants, request, |org, it| async move { org.open_parcel(&it).await }).await
}

/// `GET /peer/v1/parcels/{id}`: how a batch stands.
async fn tell_parcel(State(tenants): State<Tenants>, Path(id): Path<DeliveryId>, request: Request) -> Response {
    judged(&tenants, request, |org, it| async move { org.tell_parcel(&it, id).await }).await
}

/// `POST /peer/v1/parcels/{id}/parts/{number}`: a part with its receipt.
async fn hand_out(
    State(tenants): State<Tenants>,
    Path((id, number)): Path<(DeliveryId, u32)>,
    request: Request,
) -> Response {
    judged(&tenants, request, |org, it| async move { org.hand_out(&it, id, number).await }).await
}

/// `GET /peer/v1/agreements/{id}/shape`: in which shape rows come under an agreement.
async fn tell_shape(State(tenants): State<Tenants>, Path(id): Path<AgreementId>, request: Request) -> Response {
    judged(&tenants, request, |org, it| async move { org.tell_shape(&it, id).await }).await
}

/// `POST /peer/v1/parcels/{id}/standing`: what waits behind a batch, and what its consumer should hold.
async fn tell_standing(State(tenants): State<Tenants>, Path(id): Path<DeliveryId>, request: Request) -> Response {
    judged(&tenants, request, |org, it| async move { org.tell_standing(&it, id).await }).await
}

/// `POST /peer/v1/acknowledgements`: countersignatures of receipts.
async fn acknowledged(State(tenants): State<Tenants>, request: Request) -> Response {
    judged(&tenants, request, |org, it| async move { org.acknowledged(&it).await }).await
}

/// `POST /peer/v1/letters`: an objection, rulings on one, a correction, or its confirmation.
async fn letter(State(tenants): State<Tenants>, request: Request) -> Response {
    judged(&tenants, request, |org, it| async move { org.receive_letter(&it).await }).await
}

/// `GET /peer/v1/receipts/open`: which receipts the caller has not countersigned.
async fn open_receipts(State(tenants): State<Tenants>, request: Request) -> Response {
    judged(&tenants, request, |org, it| async move { org.tell_open(&it).await }).await
}

/// `GET /peer/v1/held/{kind}?since=&after=`: what we hold of what the caller shares with us, for one that was restored.
async fn held(State(tenants): State<Tenants>, Path(kind): Path<String>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let (since, after) = (part(query, "since").parse().unwrap_or(0), part(query, "after"));
    judged(&tenants, request, |org, it| async move { org.tell_held(&it, &kind, since, &after).await }).await
}

/// A parameter of a query that needs no decoding: ids and numbers.
fn part(query: &str, name: &str) -> String {
    let value = query.split('&').find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_default().to_owned()
}

/// `GET /peer/v1/log/proof/{leaf}`: the proof that a leaf is in the log.
async fn log_proof(State(tenants): State<Tenants>, Path(leaf): Path<Digest>, request: Request) -> Response {
    judged(&tenants, request, |org, _| async move { org.tell_proof(leaf).await }).await
}

/// `GET /peer/v1/catalog?after=`: a page of catalogue changes.
async fn catalog(State(tenants): State<Tenants>, request: Request) -> Response {
    let after = request.uri().query().and_then(|it| it.strip_prefix("after=")?.parse().ok()).unwrap_or(0);
    judged(&tenants, request, |org, _| async move { org.tell_catalog(after).await }).await
}

/// `GET /peer/v1/catalog/reports?after=`: what we report up, for our superior.
async fn catalog_reports(State(tenants): State<Tenants>, request: Request) -> Response {
    let after = part(request.uri().query().unwrap_or_default(), "after").parse().unwrap_or(0);
    judged(&tenants, request, |org, it| async move { org.tell_reports(&it, after).await }).await
}

/// `GET /peer/v1/catalog/rulings?after=`: what levels said of a subordinate's entries.
async fn catalog_rulings(State(tenants): State<Tenants>, request: Request) -> Response {
    let after = part(request.uri().query().unwrap_or_default(), "after").parse().unwrap_or(0);
    judged(&tenants, request, |org, it| async move { org.tell_levels(&it, after).await }).await
}

/// `GET /peer/v1/records?from=&known=`: what the hub sees of our deliveries.
async fn records(State(tenants): State<Tenants>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let (from, known) = (part(query, "from").parse().unwrap_or(0), part(query, "known").parse().unwrap_or(0));
    judged(&tenants, request, |org, it| async move { org.tell_records(&it, from, known).await }).await
}

/// `GET /peer/v1/federation`: the membership log.
async fn federation(State(tenants): State<Tenants>, request: Request) -> Response {
    judged(&tenants, request, |org, _| async move { Outcome::json(&org.membership_log().await?) }).await
}
