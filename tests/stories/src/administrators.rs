//! The three administrators: what each may call, that nobody is two of them, and how one comes in.

use jiff::SignedDuration;
use policy::{ADMINISTRATORS, Role};
use serde_json::{Value, json};
use testkit::{Database, PASSWORD, World, story};
use web::{Method, Port, ROUTES};

const ORGANISATION: &str = "js-scjg";

fn word(role: Role) -> String {
    serde_json::to_value(role).unwrap().as_str().unwrap().to_owned()
}

fn method(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}

/// Every route with each of the three: whoever the table does not name hears `policy.role`, whoever it names does not
/// hear it from the gate. The audit administrator only looks; and whatever is done is one administrator's to do.
#[tokio::test]
async fn each_route_is_for_those_that_its_row_names() {
    let world = World::new(Database::Sqlite).await;
    // Everybody may end the own session; what follows would be asked without one.
    let others = ROUTES.iter().filter(|it| it.port == Port::Token && it.path != "/v1/sessions");
    for route in others {
        let named = format!("{} {}", method(route.method), route.path);
        let acts = route.method != Method::Get && !route.looks;
        assert!(!acts || route.administrators.len() <= 1, "{named} is done by several");
        // To export what it sees is all that the audit administrator does, and it changes nothing but the log.
        let exports = route.path == "/v1/audit/exports";
        let audits = route.administrators.contains(&Role::AuditAdministrator);
        assert!(!acts || exports || !audits, "{named} is done by who audits");
        for role in ADMINISTRATORS {
            let desk = world.as_(ORGANISATION, &word(role)).desk().await;
            let reply = desk.call(method(route.method), &crate::routes::path(route.path)).await;
            let what = format!("{named} by {role:?}: {}", reply.text());
            if route.administrators.contains(&role) {
                assert!(reply.status != 401 && reply.code() != "policy.role", "{what}");
            } else {
                assert_eq!((reply.code().as_str(), reply.status), ("policy.role", 403), "{what}");
            }
        }
    }
}

story! {
    /// Creating an account, giving it roles and reading what was done take three people, whichever one begins; two of
    /// the three, or one beside any other role, are given to nobody.
    async fn three_acts_take_three_people(world: World) {
        let [system, security, audit] = ["administrator", "security-administrator", "auditor"];
        let open = json!({"name": "zhang", "password": testkit::FIRST_PASSWORD});
        let roles = json!({"roles": ["requester"]});
        for (path, body, by) in [("/v1/users", &open, system), ("/v1/users/zhang/roles", &roles, security)] {
            for role in [system, security, audit].into_iter().filter(|it| *it != by) {
                world.as_(ORGANISATION, role).post(path, body.clone()).await.expect_problem("policy.role", 403);
            }
            world.as_(ORGANISATION, by).post(path, body.clone()).await.expect_status(200);
        }
        for (role, may) in [(system, false), (security, false), (audit, true)] {
            let status = world.as_(ORGANISATION, role).get("/v1/receipts").await.status;
            assert_eq!(status == 200, may, "{role}");
        }
        let by = world.as_(ORGANISATION, security).desk().await;
        for one in ADMINISTRATORS {
            for other in identity::ROLES.into_iter().filter(|it| *it != one && *it != Role::Application) {
                let both = json!({"roles": [word(one), word(other)]});
                by.post("/v1/users/zhang/roles", both).await.expect_problem("identity.apart", 403);
            }
        }
        let all = by.get("/v1/users").await.expect_status(200);
        let it = all.as_array().unwrap().iter().find(|it| it["name"] == "zhang").unwrap().clone();
        assert_eq!(it["roles"], json!(["requester"]), "nothing of it was given");
        // Nobody gives oneself anything.
        let own = by.post("/v1/users/security-administrator/roles", json!({"roles": []})).await;
        own.expect_problem("identity.oneself", 403);
    }
}

story! {
    /// An account of an administrator opens by password and code alone, after the first password was changed; its
    /// session ends when nothing is asked by it, and a code opens once.
    async fn an_administrator_comes_in(world: World) {
        let system = world.as_(ORGANISATION, "administrator").desk().await;
        let security = world.as_(ORGANISATION, "security-administrator").desk().await;
        let stranger = world.stranger(ORGANISATION).desk().await;
        let opened = system.post("/v1/users", json!({"name": "zhang"})).await.expect_status(200);
        let first = opened["first_password"].as_str().unwrap().to_owned();
        security.post("/v1/users/zhang/roles", json!({"roles": ["audit-administrator"]})).await.expect_status(200);
        let with = |password: &str, more: Value| {
            let mut body = json!({"name": "zhang", "password": password});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        let enter = async |body: Value| stranger.post("/v1/sessions", body).await;
        enter(with(&first, json!({}))).await.expect_problem("identity.change_first", 403);
        stranger.post("/v1/passwords", with(&first, json!({"new": PASSWORD}))).await.expect_status(200);
        enter(with(PASSWORD, json!({}))).await.expect_problem("identity.enrol_first", 403);
        let begun = stranger.post("/v1/second-factors", with(PASSWORD, json!({}))).await.expect_status(200);
        let secret = identity::totp::from_base32(begun["secret"].as_str().unwrap()).unwrap();
        let code = |at| identity::totp::code(&secret, at);
        let confirm = with(PASSWORD, json!({"code": code(world.now())}));
        let told = stranger.post("/v1/second-factors/confirmation", confirm.clone()).await.expect_status(200);
        let recovery = told["recovery_codes"].as_array().unwrap().clone();
        assert_eq!(recovery.len(), identity::RECOVERY_CODES);
        enter(with(PASSWORD, json!({}))).await.expect_problem("identity.code_needed", 401);
        enter(confirm).await.expect_problem("identity.code", 401);
        world.advance(SignedDuration::from_secs(60));
        let session = enter(with(PASSWORD, json!({"code": code(world.now())}))).await.expect_status(200);
        let own = stranger.showing(session["token"].as_str().unwrap());
        own.get("/v1/receipts").await.expect_status(200);
        own.post("/v1/tokens", json!({"user": "zhang", "days": 1})).await.expect_problem("policy.role", 403);
        world.advance(SignedDuration::from_mins(identity::decide::IDLE_MINUTES_MAX));
        own.get("/v1/receipts").await.expect_problem("identity.idle", 401);
        for (times, code) in [(1, ""), (2, "identity.code")] {
            let reply = enter(with(PASSWORD, json!({"code": recovery[0]}))).await;
            assert_eq!(reply.code(), code, "time {times}");
        }
    }
}
