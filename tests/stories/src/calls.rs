//! Services of others called under agreements: through both nodes, receipted, at most once where that matters; what
//! goes wrong there and what goes wrong here kept apart.

use crate::{
    faults::{Faults, until_done},
    proof::{Known, finished},
};
use exchange::{Receipt, verify};
use outside::{Address, ConnectionConfig};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt as _};
use store::Fault;
use testkit::{Reply, TestService, World, story};
use vocabulary::ResourceId;

const PROVIDER: &str = "js-scjg";
const CONSUMER: &str = "nj-gxj";
/// Commits at which a node is killed during one call at most.
const COMMITS: u32 = 8;

const SERVICE: &str = r"
title: {zh: 企业查询服务, en: Enterprise service}
operations:
  get-enterprise:
    title: {zh: 查询企业, en: Get one enterprise}
    method: GET
    path: /enterprises/{code}
    parameters: {code: {type: word, max: 18}}
    query: {fields: {max: 100}}
    headers: [accept-language]
    answer: {media: [application/json], bytes: 65536}
    timeout_seconds: 5
  declare:
    title: {zh: 申报, en: Declare}
    method: POST
    path: /declarations
    headers: [accept-language]
    body: {media: [application/json], bytes: 1000}
    answer: {media: [application/json], bytes: 65536}
    answer_headers: [etag]
  status: {title: {zh: 状态, en: Status}, method: GET, path: '/status/{code}', answer: {media: [application/json]}}
  problem: {title: {zh: 问题, en: Problem}, method: GET, path: '/problem/{code}', answer: {media: [application/json]}}
  slow: {title: {zh: 慢, en: Slow}, method: GET, path: /slow, answer: {media: [application/json]}, timeout_seconds: 1}
  slow-act:
    {title: {zh: 慢办, en: Act}, method: POST, path: /slow/act, answer: {media: [application/json]}, timeout_seconds: 1}
  slow-put:
    {title: {zh: 慢改, en: Put}, method: PUT, path: /slow/put, answer: {media: [application/json]}, timeout_seconds: 20}
  huge: {title: {zh: 大, en: Huge}, method: GET, path: /huge, answer: {media: [application/json], bytes: 100000}}
  chunked:
    {title: {zh: 块, en: Chunks}, method: GET, path: '/chunked/{n}', answer: {media: [application/json], bytes: 100000}}
  hangup: {title: {zh: 中断, en: Hang up}, method: GET, path: /hangup, answer: {media: [application/json]}}
  hangup-act: {title: {zh: 中断办, en: Hang up act}, method: POST, path: /hangup, answer: {media: [application/json]}}
  html: {title: {zh: 网页, en: Page}, method: GET, path: /html, answer: {media: [application/json]}}
  redirect: {title: {zh: 转向, en: Redirect}, method: GET, path: /redirect, answer: {media: [application/json]}}
  packed: {title: {zh: 压缩, en: Packed}, method: GET, path: /packed, answer: {media: [application/json]}}
  remove: {title: {zh: 删除, en: Remove}, method: DELETE, path: /empty, answer: {media: [application/json]}, safe: true}
";

/// A pack with a service behind `connection` and an offer of all that it does.
fn pack(name: &str, connection: &str, more: &str) -> Value {
    let service = format!("service: {name}\nconnection: {connection}{SERVICE}");
    let names = SERVICE.lines().filter_map(|it| it.strip_prefix("  ").filter(|it| !it.starts_with(' ')));
    let names: Vec<&str> = names.filter_map(|it| Some(it.split_once(':')?.0)).collect();
    let offer = format!("offer: {name}-calls\nof: {name}\noperations: [{}]\n{more}", names.join(", "));
    json!({"files": {
        "pack.yaml": format!(
            "pack: {name}\ntitle: {{zh: 服务, en: Services}}\ndescription: {{zh: 服务, en: Services}}\n\
             owner: {{zh: 市监局, en: Market}}\nversion: 0.1.0\n"
        ),
        (format!("services/{name}.yaml")): service,
        (format!("offers/{name}-calls.yaml")): offer,
    }})
}

/// The provider has the service, and the consumer an agreement over all that it does.
pub(crate) async fn agreed(world: &mut World, service: &TestService, more: &str) -> String {
    world.install_packs(|_, text| text).await;
    world.connect(PROVIDER, "market-api", &service.url()).await;
    agree_on(world, "market", "market-api", more).await
}

async fn agree_on(world: &World, name: &str, connection: &str, more: &str) -> String {
    let more = if more.contains("share:") { more.to_owned() } else { format!("share: unconditional\n{more}") };
    let installed = world.as_(PROVIDER, "administrator").post("/v1/packs", pack(name, connection, &more)).await;
    installed.expect_status(200);
    let (requester, draft) =
        (world.as_(CONSUMER, "requester").desk().await, World::draft(&format!("{name}-calls"), "2026-12-31"));
    // Its node has begun anew, and who asks it meanwhile asks again in a moment.
    let heard = || async { requester.post("/v1/requests", draft.clone()).await.status == 200 };
    world.until("the provider is heard again", heard).await;
    let asked = requester.post("/v1/requests", draft.clone()).await.expect_status(200);
    world.sign(asked["request"]["body"]["id"].as_str().unwrap()).await
}

pub(crate) async fn call(world: &World, agreement: &str, method: &str, path: &str) -> Reply {
    send(world, agreement, (method, path), &[], "").await
}

pub(crate) async fn send(
    world: &World,
    agreement: &str,
    what: (&str, &str),
    fields: &[(&str, &str)],
    body: &str,
) -> Reply {
    world.application().send(what.0, &format!("/v1/call/{agreement}{}", what.1), fields, body).await
}

pub(crate) async fn declare(world: &World, agreement: &str, key: &str, body: &str) -> Reply {
    let fields = [("content-type", "application/json"), ("idempotency-key", key)];
    let fields = if key.is_empty() { &fields[..1] } else { &fields[..] };
    send(world, agreement, ("POST", "/declarations"), fields, body).await
}

/// The answer is the service's own, with this status.
#[track_caller]
fn theirs(reply: &Reply, status: u16) -> String {
    assert_eq!((reply.status, reply.field("yunhe-origin")), (status, Some("service")), "{}", reply.text());
    reply.field("yunhe-receipt").unwrap().to_owned()
}

/// The answer is a problem of ours.
#[track_caller]
fn ours(reply: Reply, code: &str, status: u16) -> Value {
    assert_eq!(reply.field("yunhe-origin"), Some("node"), "{}", reply.text());
    assert_eq!(reply.field("yunhe-receipt"), None);
    reply.expect_problem(code, status)
}

/// A call whose path no client library has made sound before it goes out.
async fn raw(world: &World, agreement: &str, path: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let token = world.token(CONSUMER, "application").await;
    let mut line = tokio::net::TcpStream::connect(world.client_port(CONSUMER)).await.unwrap();
    let request = format!(
        "GET /v1/call/{agreement}{path} HTTP/1.1\r\nhost: node\r\nauthorization: Bearer {token}\r\n\
         yunhe-organisation: {CONSUMER}\r\nconnection: close\r\n\r\n"
    );
    line.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

async fn receipt(world: &World, organisation: &str, id: &str) -> Value {
    world.as_(organisation, "auditor").get(&format!("/v1/receipts/{id}")).await.expect_status(200)
}

async fn used(world: &World, agreement: &str) -> u64 {
    let view = world.as_(PROVIDER, "provider-officer").get(&format!("/v1/agreements/{agreement}")).await;
    view.expect_status(200)["day_rows"].as_u64().unwrap()
}

story! {
    /// A consumer's application system calls the service at one local address; what is declared passes, each way and no
    /// further, and both sides hold the receipt that says in words what was called.
    async fn a_service_is_called_through_both_nodes(mut world: World) {
        let service = TestService::start().await;
        let agreement = agreed(&mut world, &service, "").await;
        let offers = world.as_(CONSUMER, "requester").get("/v1/members/js-scjg/offers").await.expect_status(200);
        let offer = offers.as_array().unwrap().iter().find(|it| it["offer"]["offer"] == "market-calls").unwrap();
        assert_eq!(offer["service"]["operations"]["get-enterprise"]["path"], "/enterprises/{code}");
        assert!(!offers.to_string().contains(&service.address().to_string()), "members are not told where it stands");

        let fields = [("accept-language", "zh"), ("x-secret", "s"), ("cookie", "a=b"), ("connection", "x-secret")];
        let reply = send(&world, &agreement, ("GET", "/enterprises/91320?fields=name,%E4%B8%AD"), &fields, "").await;
        let id = theirs(&reply, 200);
        assert_eq!(reply.json(), json!({"code": "91320", "query": "fields=name%2C%E4%B8%AD"}));
        assert_eq!(reply.field("content-type"), Some("application/json"));
        let seen = service.seen().pop().unwrap();
        assert_eq!(seen.line, "GET /base/enterprises/91320?fields=name%2C%E4%B8%AD");
        assert_eq!((seen.field("accept-language"), seen.field("accept")), (Some("zh"), Some("application/json")));
        let named = (seen.field("yunhe-consumer"), seen.field("yunhe-agreement"));
        assert_eq!(named, (Some(CONSUMER), Some(agreement.as_str())));
        for hidden in ["x-secret", "cookie", "authorization", "yunhe-organisation"] {
            assert_eq!(seen.field(hidden), None, "{hidden}");
        }

        let posted = declare(&world, &agreement, "k-1", r#"{"a": 1}"#).await;
        theirs(&posted, 201);
        assert_eq!((posted.field("etag"), posted.field("idempotency-key")), (Some("\"1\""), Some("k-1")));
        assert_eq!((posted.field("x-internal"), posted.field("set-cookie")), (None, None));
        assert_eq!(service.seen().pop().unwrap().field("idempotency-key"), Some("k-1"));
        theirs(&call(&world, &agreement, "DELETE", "/empty").await, 204);
        theirs(&call(&world, &agreement, "GET", "/enterprises/9").await, 200);

        let mine: Receipt = serde_json::from_value(receipt(&world, CONSUMER, &id).await).unwrap();
        let known = Known::of(&world);
        let proven = verify(&mine, &known.keys()).unwrap();
        let words = ["get-enterprise", "GET /enterprises/{code}", "200", CONSUMER, "market"];
        for word in words {
            assert!(proven.words.zh.contains(word) && proven.words.en.contains(word), "{word}: {}", proven.words.en);
        }
        assert!(!proven.words.en.contains("91320"), "what stood in the path is in no receipt");
        let [theirs, ours] = [finished(&world, PROVIDER, &id).await, finished(&world, CONSUMER, &id).await];
        let [theirs, ours]: [Receipt; 2] = [theirs, ours].map(|it| serde_json::from_str(&it).unwrap());
        for file in [&theirs, &ours] {
            let proven = verify(file, &known.keys()).unwrap();
            assert!(proven.acknowledged && proven.logged);
            assert_eq!(file.body, mine.body);
        }
    }
}

story! {
    /// What is not declared, or does not fit, is refused before a byte leaves; what was not agreed as well.
    async fn nothing_undeclared_reaches_the_service(mut world: World) {
        let service = TestService::start().await;
        let agreement = agreed(&mut world, &service, "").await;
        let at = |method: &'static str, path: &'static str| call(&world, &agreement, method, path);
        for (method, path) in [
            ("GET", "/admin"), ("PUT", "/enterprises/9"), ("DELETE", "/enterprises/9"), ("GET", "/enterprises"),
            ("PATCH", "/declarations"), ("GET", "/base/enterprises/9"),
        ] {
            ours(at(method, path).await, "exchange.operation", 403);
        }
        for path in [
            "/enterprises/%2e%2e", "/enterprises/a%2fb", "/enterprises/%252e%252e%252fx", "/enterprises/%ff",
            "/enterprises/", "/enterprises//9", "/enterprises/9/", "/enterprises/a%5cb",
            "/enterprises/%EF%BC%8E%EF%BC%8E", "//other/enterprises/9",
        ] {
            assert_eq!(raw(&world, &agreement, path).await, (400, "exchange.call_path".to_owned()), "{path}");
        }
        ours(at("GET", "/enterprises/9?admin=1").await, "exchange.call_parameter", 403);
        ours(at("GET", "/enterprises/9%20x").await, "exchange.call_parameter", 422);
        ours(declare(&world, &agreement, "k", "{").await, "exchange.call_body", 422);
        ours(declare(&world, &agreement, "k", &format!("[{}1]", "1,".repeat(600))).await, "web.too_large", 413);
        ours(declare(&world, &agreement, &"k".repeat(129), "{}").await, "exchange.call_key", 422);
        let xml = send(&world, &agreement, ("POST", "/declarations"), &[("content-type", "text/xml")], "<a/>").await;
        ours(xml, "exchange.call_media", 422);
        ours(send(&world, &agreement, ("GET", "/enterprises/9"), &[], "body").await, "exchange.call_body", 422);
        let large = "1".repeat(policy::BODY_BYTES_MAX as usize + 1);
        ours(declare(&world, &agreement, "k", &large).await, "web.too_large", 413);
        assert_eq!((service.seen().len(), used(&world, &agreement).await), (0, 0));

        // A service is called and not queried, records are queried and not called; a reading token does neither.
        world.query(&agreement, json!({"limit": 1})).await.expect_problem("exchange.service", 403);
        let pull = world.application().post("/v1/pulls", json!({"agreement": agreement, "format": "csv"})).await;
        assert_eq!(pull.status, 200);
        world.province(20).await;
        let base = world.agree_base().await;
        ours(call(&world, &base, "GET", "/enterprises/9").await, "exchange.service", 403);
        let none = format!("agr_{}", uuid::Uuid::nil().simple());
        ours(call(&world, &none, "GET", "/enterprises/9").await, "exchange.agreement_missing", 404);
        ours(call(&world, "nonsense", "GET", "/enterprises/9").await, "web.path", 422);

        let path = format!("/v1/agreements/{agreement}/revocation");
        let officer = world.as_(PROVIDER, "provider-officer");
        officer.post(&path, json!({"reason": "依据变更"})).await.expect_status(200);
        ours(call(&world, &agreement, "GET", "/enterprises/9").await, "exchange.revoked", 403);
        assert_eq!(service.seen().len(), 0);
    }
}

story! {
    /// Of a service under conditions the operations go the way that columns go: asked for, granted in part by three.
    async fn operations_are_granted_in_part(mut world: World) {
        let service = TestService::start().await;
        world.install_packs(|_, text| text).await;
        world.connect(PROVIDER, "market-api", &service.url()).await;
        let more = "share: conditional\nanswer: [own-department, authority, provider]\n";
        let pack = pack("market", "market-api", more);
        world.as_(PROVIDER, "administrator").post("/v1/packs", pack).await.expect_status(200);
        let requester = world.as_(CONSUMER, "requester").desk().await;
        let mut draft = World::draft("market-calls", "2026-12-31");
        draft["operations"] = json!(["get-enterprise", "nothing"]);
        world.until("the provider is heard again", || async {
            requester.post("/v1/requests", draft.clone()).await.code() == "exchange.restriction"
        }).await;
        draft["operations"] = json!(["get-enterprise", "declare", "status"]);
        let asked = requester.post("/v1/requests", draft).await.expect_status(200);
        let request = asked["request"]["body"]["id"].as_str().unwrap();
        let part = |operations: Value| json!({"verdict": "agree-in-part", "reason": "与事项无关", "operations": operations});
        world.answer(request, "own-department", part(json!(["remove"]))).await.expect_problem("exchange.columns", 422);
        world.answer(request, "own-department", json!({"verdict": "agree"})).await.expect_status(200);
        world.news(request).await;
        world.answer(request, "authority", part(json!(["get-enterprise", "status"]))).await.expect_status(200);
        world.news(request).await;
        let columns = json!({"verdict": "agree-in-part", "reason": "r", "columns": ["uscc"]});
        world.answer(request, "provider", columns).await.expect_problem("exchange.columns", 422);
        world.answer(request, "provider", part(json!(["get-enterprise"]))).await.expect_status(200);
        world.news(request).await;
        let agreement = world.sign(request).await;
        theirs(&call(&world, &agreement, "GET", "/enterprises/9").await, 200);
        ours(call(&world, &agreement, "GET", "/status/200").await, "exchange.operation", 403);
        // A consumer that does not match itself hears it from the provider.
        let member = testkit::Hostile::member(&world, CONSUMER);
        let head = |target: &str| json!({
            "format": "yunhe-call/1", "agreement": agreement, "purpose": testkit::PURPOSE, "actor": "application:x",
            "method": "GET", "target": target,
        });
        let (host, path) = (world.host(PROVIDER), "/peer/v1/calls");
        let wire = |head: Value| member.write_bytes("POST", &host, path, format!("{head}\n"));
        let reply = member.send(&world, PROVIDER, wire(head("/status/200"))).await;
        reply.expect_problem("exchange.restriction", 403);
        member.send(&world, PROVIDER, wire(head("/admin"))).await.expect_problem("exchange.operation", 403);
        member.send(&world, PROVIDER, wire(json!({"format": "x"}))).await.expect_problem("exchange.call_head", 422);
        let mut foreign = head("/enterprises/9");
        foreign["headers"] = json!({"cookie": "a=b"});
        member.send(&world, PROVIDER, wire(foreign)).await.expect_problem("exchange.call_field", 403);
        let other = testkit::Hostile::member(&world, "nj-data");
        let letter = other.write_bytes("POST", &host, path, format!("{}\n", head("/admin")));
        other.send(&world, PROVIDER, letter).await.expect_problem("exchange.no_agreement", 403);
        assert_eq!(service.seen().len(), 1);
    }
}

story! {
    /// What the service answers passes as it is, errors too, each with its receipt; what goes wrong on the way to it is
    /// a problem of ours with a code of its own, and costs nothing.
    async fn their_errors_are_kept_apart_from_ours(mut world: World) {
        let service = TestService::start().await;
        let agreement = agreed(&mut world, &service, "").await;
        for status in [400, 401, 403, 404, 409, 422, 429, 500, 502, 503] {
            let reply = call(&world, &agreement, "GET", &format!("/status/{status}")).await;
            let id = theirs(&reply, status);
            assert_eq!(reply.json(), json!({"error": "theirs"}));
            assert_eq!(receipt(&world, PROVIDER, &id).await["body"]["called"]["status"], status);
            let explained = call(&world, &agreement, "GET", &format!("/problem/{status}")).await;
            theirs(&explained, status);
            assert_eq!(explained.field("content-type"), Some("application/problem+json"));
        }
        // It answered each time: errors of its own do not make it rest.
        let before = used(&world, &agreement).await;
        for (path, code, status) in [
            ("/hangup", "service.broken", 502), ("/huge", "service.too_large", 502),
            ("/chunked/100", "service.too_large", 502),
            ("/redirect", "service.redirect", 502), ("/html", "service.media", 502), ("/packed", "service.media", 502),
            ("/slow", "service.slow", 503),
        ] {
            let problem = ours(call(&world, &agreement, "GET", path).await, code, status);
            assert!(!problem.to_string().contains(&service.address().to_string()), "{problem}");
        }
        theirs(&call(&world, &agreement, "GET", "/chunked/10").await, 200);
        assert_eq!(used(&world, &agreement).await, before + 1);

        let address = service.address();
        service.stop().await;
        // A connection that was kept may be lost under the first call.
        world.until("it rests", || async {
            let reply = call(&world, &agreement, "GET", "/enterprises/9").await;
            assert!(["service.away", "service.broken"].contains(&reply.code().as_str()), "{}", reply.text());
            reply.json()["retry_after_seconds"].as_u64() > Some(0)
        }).await;
        // It is back, and once its rest is over it is called again.
        let service = TestService::start_at(address).await;
        world.until("the service is called again", || async {
            call(&world, &agreement, "GET", "/enterprises/9").await.status == 200
        }).await;
        assert_eq!(service.count("GET /base/enterprises/9"), 1);
    }
}

story! {
    /// A service that hangs takes only its own places: another goes on meanwhile, and so does a query.
    async fn a_slow_service_harms_no_other(mut world: World) {
        let (slow, quick) = (TestService::start().await, TestService::start().await);
        let agreement = agreed(&mut world, &slow, "").await;
        world.connect(PROVIDER, "other-api", &quick.url()).await;
        let other = agree_on(&world, "other", "other-api", "").await;
        let desk = world.application().desk().await;
        let hanging: Vec<_> = (0..20).map(|number| {
            let (desk, path) = (desk.clone(), format!("/v1/call/{agreement}/slow/put"));
            let key = format!("k-{number}");
            tokio::spawn(async move { desk.send("PUT", &path, &[("idempotency-key", &key)], "").await })
        }).collect();
        world.until("all hang", || async { slow.count("PUT /base/slow/put") == 20 }).await;
        for _ in 0..5 {
            theirs(&call(&world, &other, "GET", "/enterprises/9").await, 200);
        }
        slow.release();
        for one in hanging {
            theirs(&one.await.unwrap(), 200);
        }
    }
}

story! {
    /// A call that must not be made twice is made once: asked again with its key it gives what it gave, and where its
    /// answer was lost it says that nobody knows.
    async fn a_call_is_made_once(mut world: World) {
        let service = TestService::start().await;
        let agreement = agreed(&mut world, &service, "").await;
        let first = declare(&world, &agreement, "k-1", r#"{"a": 1}"#).await;
        let again = declare(&world, &agreement, "k-1", r#"{"a": 1}"#).await;
        assert_eq!(theirs(&first, 201), theirs(&again, 201), "one receipt");
        assert_eq!((first.json(), service.count("POST /base/declarations")), (again.json(), 1));
        assert_eq!(used(&world, &agreement).await, 1);
        ours(declare(&world, &agreement, "k-1", r#"{"a": 2}"#).await, "exchange.call_key", 409);
        // Without a key each call is its own, and its name is told.
        let drawn = declare(&world, &agreement, "", r#"{"a": 1}"#).await;
        theirs(&drawn, 201);
        assert_eq!(drawn.field("idempotency-key").map(str::len), Some(32));
        assert_eq!(service.count("POST /base/declarations"), 2);

        let lost = async |key: &'static str| {
            send(&world, &agreement, ("POST", "/hangup"), &[("idempotency-key", key)], "").await
        };
        let problem = ours(lost("k-2").await, "exchange.call_unknown", 409);
        assert_eq!((&problem["idempotency_key"], &problem["cause"]), (&json!("k-2"), &json!("service.broken")));
        ours(lost("k-2").await, "exchange.call_unknown", 409);
        assert_eq!(service.count("POST /base/hangup"), 1, "it is not sent again");
        let slow = send(&world, &agreement, ("POST", "/slow/act"), &[("idempotency-key", "k-3")], "").await;
        assert_eq!(ours(slow, "exchange.call_unknown", 409)["cause"], "service.slow");
        assert_eq!(used(&world, &agreement).await, 4, "what may have been done counts");
        // What may be repeated is; a good answer between, or it would rest.
        theirs(&call(&world, &agreement, "GET", "/enterprises/9").await, 200);
        ours(call(&world, &agreement, "GET", "/hangup").await, "service.broken", 502);
        ours(call(&world, &agreement, "GET", "/hangup").await, "service.broken", 502);
        assert_eq!(service.count("GET /base/hangup"), 2);

        // Of what was never sent nothing is left: the same key makes the call once the service is back.
        let address = service.address();
        service.stop().await;
        world.until("it is away", || async {
            call(&world, &agreement, "GET", "/enterprises/9").await.code() == "service.away"
        }).await;
        ours(declare(&world, &agreement, "k-4", "{}").await, "service.away", 503);
        assert_eq!(used(&world, &agreement).await, 5);
        let service = TestService::start_at(address).await;
        let made = || async { declare(&world, &agreement, "k-4", "{}").await.status == 201 };
        world.until("the call is made", made).await;
        assert_eq!(service.count("POST /base/declarations"), 1);
        // After 30 days a key is forgotten.
        world.advance(jiff::SignedDuration::from_hours(24 * 31));
        world.refresh().await;
        world.on(PROVIDER, async move |org| org.forget_once().await).await.unwrap();
        theirs(&declare(&world, &agreement, "k-4", "{}").await, 201);
        assert_eq!(service.count("POST /base/declarations"), 2);
    }
}

story! {
    /// A day's calls and a second's calls are counted, by many at once too; what is refused counts nothing.
    async fn calls_are_counted(mut world: World) {
        let service = TestService::start().await;
        world.rest().await;
        let agreement = agreed(&mut world, &service, "calls: {per_day: 6, per_second: 4}\n").await;
        world.rest().await;
        let desk = world.application().desk().await;
        let path = format!("/v1/call/{agreement}/enterprises/9");
        let many = (0..10).map(|_| {
            let (desk, path) = (desk.clone(), path.clone());
            tokio::spawn(async move { desk.send("GET", &path, &[], "").await })
        });
        let mut codes: Vec<(String, u16)> = Vec::new();
        for one in many.collect::<Vec<_>>() {
            let reply = one.await.unwrap();
            codes.push((reply.code(), reply.status));
        }
        let of = |code: &str| codes.iter().filter(|it| it.0 == code).count();
        assert_eq!((of(""), of("exchange.pace")), (4, 6), "{codes:?}");
        world.advance(jiff::SignedDuration::from_secs(1));
        theirs(&declare(&world, &agreement, "k-1", "{}").await, 201);
        theirs(&call(&world, &agreement, "GET", "/enterprises/9").await, 200);
        let spent = ours(call(&world, &agreement, "GET", "/enterprises/9").await, "exchange.quota", 429);
        assert_eq!(spent["calls_per_day"], 6);
        ours(declare(&world, &agreement, "k-2", "{}").await, "exchange.quota", 429);
        assert_eq!(service.seen().len(), 6, "what is past the quota does not reach the service");
        assert_eq!(used(&world, &agreement).await, 6);
        world.advance(jiff::SignedDuration::from_hours(24));
        world.refresh().await;
        theirs(&call(&world, &agreement, "GET", "/enterprises/9").await, 200);
        assert_eq!(used(&world, &agreement).await, 1);
    }
}

story! {
    /// Credentials stand in a file that only its owner reads; they reach the service and nobody else.
    async fn credentials_reach_the_service_alone(mut world: World) {
        let service = TestService::start().await;
        world.install_packs(|_, text| text).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("market-api.password");
        fs::write(&file, "s3cret-word\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let name = ResourceId::new("market-api").unwrap();
        let with = |url: String, header: Option<&str>| ConnectionConfig {
            url: Address::new(url), password_file: Some(file.clone()), header: header.map(str::to_owned),
            ..ConnectionConfig::new(name.clone())
        };
        world.connect_as(PROVIDER, with(service.url(), Some("x-api-key"))).await;
        let agreement = agree_on(&world, "market", "market-api", "").await;
        let fields = [("x-api-key", "forged"), ("accept-language", "zh")];
        let reply = send(&world, &agreement, ("GET", "/enterprises/9"), &fields, "").await;
        let id = theirs(&reply, 200);
        assert_eq!(service.seen().pop().unwrap().field("x-api-key"), Some("s3cret-word"));
        assert!(!receipt(&world, PROVIDER, &id).await.to_string().contains("s3cret"));

        let basic = service.url().replace("http://", "http://reader@");
        world.connect_as(PROVIDER, with(basic, None)).await;
        world.until("the provider is heard again", || async {
            call(&world, &agreement, "GET", "/enterprises/9").await.status == 200
        }).await;
        let seen = service.seen().pop().unwrap();
        assert_eq!(seen.field("authorization"), Some("Basic cmVhZGVyOnMzY3JldC13b3Jk"));

        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        world.connect_as(PROVIDER, with(service.url(), Some("x-api-key"))).await;
        world.until("the open file is refused", || async {
            call(&world, &agreement, "GET", "/enterprises/9").await.code() == "source.connection"
        }).await;
        assert!(!call(&world, &agreement, "GET", "/enterprises/9").await.text().contains("s3cret"));
        // A database is no service.
        let database = ConnectionConfig { url: Address::new("sqlite:/nowhere"), ..ConnectionConfig::new(name.clone()) };
        world.connect_as(PROVIDER, database).await;
        world.until("a database is refused", || async {
            call(&world, &agreement, "GET", "/enterprises/9").await.text().contains("http://")
        }).await;
    }
}

story! {
    /// The provider is killed before and after each of its commits during a call: the service is never asked twice
    /// under one key, and who asks again hears what it answered, or that nobody knows.
    async fn the_provider_is_killed_at_each_commit_of_a_call(mut world: World) {
        let service = TestService::start().await;
        world.rest().await;
        let agreement = agreed(&mut world, &service, "").await;
        world.rest().await;
        let mut kills = 0;
        'commits: for commit in 0..COMMITS {
            for fault in [Fault::KilledBefore, Fault::KilledAfter] {
                let (key, what) = (format!("k-{commit}-{fault:?}"), format!("{fault:?} at commit {commit}"));
                let body = json!({"call": key}).to_string();
                let store = world.organisation(PROVIDER).store().clone();
                store.inject_after(commit, fault);
                let (desk, path) = (world.application().desk().await, format!("/v1/call/{agreement}/declarations"));
                let (named, sent) = (key.clone(), body.clone());
                let calling = tokio::spawn(async move {
                    let fields = [("content-type", "application/json"), ("idempotency-key", named.as_str())];
                    desk.send("POST", &path, &fields, &sent).await
                });
                world.until(&what, || async { !store.awaits_fault() || calling.is_finished() }).await;
                if store.withdraw_fault() {
                    theirs(&calling.await.unwrap(), 201);
                    break 'commits;
                }
                drop(store);
                world.kill(PROVIDER).await;
                world.start(PROVIDER).await;
                world.rest().await;
                kills += 1;
                drop(calling.await.unwrap());
                // Whoever does not know asks again, once what was under way cannot be any more.
                world.advance(jiff::SignedDuration::from_secs(61));
                let asked = || service.seen().iter().filter(|it| it.body == body.as_bytes()).count();
                world.until(&what, || async {
                    let reply = declare(&world, &agreement, &key, &body).await;
                    let known = reply.status == 201 || reply.code() == "exchange.call_unknown";
                    assert!(reply.status != 201 || asked() == 1, "{what}: {}", reply.text());
                    known
                }).await;
                assert!(asked() <= 1, "{what}: the service was asked {} times", asked());
            }
        }
        assert!(kills >= 4, "{kills} kills");
    }
}

story! {
    /// Whichever commit of a call fails, on either side, asking again with its key makes it once; where the answer was
    /// lost on the way nobody pretends to know. A call that may be repeated is answered in the end.
    async fn a_call(mut world: World) {
        let service = TestService::start().await;
        let agreement = agreed(&mut world, &service, "").await;
        world.rest().await;
        world.token(CONSUMER, "application").await;
        for side in [CONSUMER, PROVIDER] {
            let mut faults = Faults::at(side);
            while let Some(what) = faults.next() {
                let key = format!("k-{side}-{}", faults.number());
                let body = json!({"call": key}).to_string();
                faults.set(&world);
                let done = |it: &Reply| it.status == 201 || it.code() == "exchange.call_unknown";
                let reply = until_done(&what, || declare(&world, &agreement, &key, &body), done).await;
                faults.lift(&world);
                let asked = service.seen().iter().filter(|it| it.body == body.as_bytes()).count();
                assert_eq!((reply.status, asked), (201, 1), "{what}: {}", reply.text());
                let again = declare(&world, &agreement, &key, &body).await;
                assert_eq!(theirs(&again, 201), theirs(&reply, 201), "{what}");
            }
            assert!(faults.met_any());
            let mut faults = Faults::at(side);
            while let Some(what) = faults.next() {
                faults.set(&world);
                let ask = || call(&world, &agreement, "GET", "/enterprises/9");
                let reply = until_done(&what, ask, |it| it.status == 200).await;
                faults.lift(&world);
                theirs(&reply, 200);
            }
            assert!(faults.met_any());
        }
    }
}
