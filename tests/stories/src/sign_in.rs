//! Signing in, what a token may be used for, and how often one address may be refused.

use jiff::SignedDuration;
use serde_json::{Value, json};
use testkit::{Desk, PASSWORD, World, own_token, story};
use web::{Method, Port, ROUTES};

fn credentials(name: &str, password: &str) -> Value {
    json!({"name": name, "password": password})
}

async fn signed_in(world: &World, id: &str, name: &str) -> Desk {
    let reply = world.stranger(id).post("/v1/sessions", credentials(name, PASSWORD)).await.expect_status(200);
    world.with_token(id, reply["token"].as_str().unwrap()).desk().await
}

story! {
    /// A person signs in with a password, works with the roles of the account for some hours, and signs out; a changed
    /// password ends what was there before.
    async fn a_person_signs_in(world: World) {
        world.account("js-scjg", "zhang", "data-steward").await;
        let stranger = world.stranger("js-scjg").desk().await;
        stranger.post("/v1/sessions", credentials("zhang", "wrong")).await.expect_problem("identity.credentials", 401);
        stranger.post("/v1/sessions", credentials("nobody", PASSWORD)).await
            .expect_problem("identity.credentials", 401);
        // Not at the neighbour, who has no such account.
        world.stranger("nj-gxj").post("/v1/sessions", credentials("zhang", PASSWORD)).await
            .expect_problem("identity.credentials", 401);
        let session = signed_in(&world, "js-scjg", "zhang").await;
        session.get("/v1/records").await.expect_status(200);
        session.get("/v1/users").await.expect_problem("policy.role", 403);
        session.call("DELETE", "/v1/sessions").await.expect_status(200);
        session.get("/v1/records").await.expect_problem("identity.token_revoked", 401);
        // It ends by itself.
        let session = signed_in(&world, "js-scjg", "zhang").await;
        world.advance(SignedDuration::from_hours(identity_hours()));
        session.get("/v1/records").await.expect_problem("identity.token_expired", 401);
        // Its holder changes the password.
        let session = signed_in(&world, "js-scjg", "zhang").await;
        let mut change = credentials("zhang", PASSWORD);
        change["new"] = "short".into();
        stranger.post("/v1/passwords", change.clone()).await.expect_problem("identity.password_weak", 422);
        change["new"] = "another river to the sea".into();
        stranger.post("/v1/passwords", change).await.expect_status(200);
        session.get("/v1/records").await.expect_problem("identity.token_revoked", 401);
        stranger.post("/v1/sessions", credentials("zhang", PASSWORD)).await.expect_problem("identity.credentials", 401);
        let new = credentials("zhang", "another river to the sea");
        stranger.post("/v1/sessions", new).await.expect_status(200);
        // Only the system administrator gives somebody else a password.
        let checker = world.as_("js-scjg", "checker");
        let body = json!({"password": PASSWORD});
        checker.post("/v1/users/zhang/password", body).await.expect_problem("policy.role", 403);
    }
}

/// A session lasts so long.
fn identity_hours() -> i64 {
    identity::decide::SESSION_HOURS_MAX
}

story! {
    /// Five wrong passwords lock a name for a quarter of an hour, the right one included; an unknown name looks the
    /// same.
    async fn a_name_is_locked(world: World) {
        world.account("js-scjg", "zhang", "requester").await;
        let stranger = world.stranger("js-scjg").desk().await;
        for name in ["zhang", "nobody"] {
            for _ in 0..5 {
                let reply = stranger.post("/v1/sessions", credentials(name, "wrong")).await;
                reply.expect_problem("identity.credentials", 401);
            }
            let locked = stranger.post("/v1/sessions", credentials(name, PASSWORD)).await;
            assert!(locked.expect_problem("identity.locked", 429)["until"].is_string());
        }
        world.advance(SignedDuration::from_mins(identity::decide::LOCK_MINUTES));
        stranger.post("/v1/sessions", credentials("zhang", PASSWORD)).await.expect_status(200);
    }
}

story! {
    /// An address that has failed to sign in twenty times within a minute waits until it is over, whatever names it
    /// tries and however right the password; tokens pass all the same.
    async fn an_address_is_told_to_wait(world: World) {
        world.account("js-scjg", "zhang", "requester").await;
        let stranger = world.stranger("js-scjg").desk().await;
        world.token("js-scjg", "auditor").await;
        for number in 0..20 {
            let reply = stranger.post("/v1/sessions", credentials(&format!("name{number}"), "wrong")).await;
            reply.expect_problem("identity.credentials", 401);
        }
        let leaves = async || world.as_("js-scjg", "auditor").get("/v1/log").await.expect_status(200);
        world.number_all("js-scjg").await;
        let before = leaves().await["size"].clone();
        world.advance(SignedDuration::from_secs(20));
        for path in ["/v1/sessions", "/v1/passwords"] {
            let reply = stranger.post(path, credentials("zhang", PASSWORD)).await;
            assert_eq!(reply.field("retry-after"), Some("40"));
            assert_eq!(reply.expect_problem("web.too_many", 429)["retry_after_seconds"], 40);
        }
        // What is not looked at leaves no trace.
        world.number_all("js-scjg").await;
        assert_eq!(leaves().await["size"], before);
        world.advance(SignedDuration::from_secs(40));
        stranger.post("/v1/sessions", credentials("zhang", PASSWORD)).await.expect_status(200);
    }
}

story! {
    /// An address whose calls were refused too often hears that instead of why; a token that is good passes all the
    /// same, and after the minute everything is as before.
    async fn a_refused_address_is_told_to_wait(world: World) {
        let auditor = world.as_("js-scjg", "auditor").desk().await;
        let wrong = world.with_token("js-scjg", format!("yht_{}", "A".repeat(43))).desk().await;
        let calls = (0..600).map(|_| wrong.get("/v1/receipts"));
        for reply in futures::future::join_all(calls).await {
            reply.expect_problem("identity.token", 401);
        }
        let reply = wrong.get("/v1/receipts").await;
        assert_eq!(reply.field("retry-after"), Some("60"));
        reply.expect_problem("web.too_many", 429);
        auditor.get("/v1/receipts").await.expect_status(200);
        auditor.get("/v1/users/none").await.expect_problem("web.route", 404);
        world.advance(SignedDuration::from_secs(60));
        wrong.get("/v1/receipts").await.expect_problem("identity.token", 401);
    }
}

/// A token of these scopes of an own account with that role.
async fn scoped(world: &World, id: &str, role: &str, scopes: &[&str]) -> Desk {
    let name = format!("{role}-{}", scopes.join("-"));
    world.account(id, &name, role).await;
    let stranger = world.stranger(id).desk().await;
    stranger.showing(&own_token(&stranger, &name, scopes).await)
}

story! {
    /// A token does what its scopes say and its holder's roles allow, and nothing beyond either.
    async fn a_token_is_held_to_its_scopes(world: World) {
        world.province(60).await;
        let agreement = world.agree_base().await;
        let ask = json!({"application": "board", "days": 1, "scopes": ["exchange"]});
        let admin = world.as_("nj-gxj", "administrator");
        admin.post("/v1/applications", json!({"name": "board"})).await.expect_status(200);
        let security = world.as_("nj-gxj", "security-administrator");
        let issued = security.post("/v1/tokens", ask).await.expect_status(200);
        let exchange = world.with_token("nj-gxj", issued["token"].as_str().unwrap()).desk().await;
        exchange.post("/v1/queries", json!({"agreement": agreement, "limit": 1})).await.expect_status(200);
        let refused = exchange.get("/v1/records").await.expect_problem("identity.scope", 403);
        assert_eq!(refused["scopes"], "record, read");
        let read = scoped(&world, "nj-gxj", "requester", &["read"]).await;
        read.get("/v1/agreements").await.expect_status(200);
        read.post("/v1/queries", json!({"agreement": agreement})).await.expect_problem("identity.scope", 403);
        let record = scoped(&world, "js-scjg", "data-steward", &["record"]).await;
        record.get("/v1/records").await.expect_status(200);
        record.get("/v1/agreements").await.expect_problem("identity.scope", 403);
        // The scope is there, the role is not.
        let steward = scoped(&world, "js-scjg", "data-steward", &["read", "exchange"]).await;
        let draft = World::draft("legal-person-base", "2026-12-31");
        steward.post("/v1/requests", draft).await.expect_problem("policy.role", 403);
        // No token makes one that may do more than it, and nobody makes one for somebody else.
        let wider = json!({"user": "data-steward-record", "days": 1, "scopes": ["all"]});
        record.post("/v1/tokens", wider.clone()).await.expect_problem("identity.scope", 403);
        for role in ["data-steward", "security-administrator"] {
            world.as_("js-scjg", role).post("/v1/tokens", wider.clone()).await.expect_problem("policy.oneself", 403);
        }
        let unknown = json!({"user": "data-steward", "days": 1, "scopes": ["everything"]});
        let problem = world.as_("js-scjg", "data-steward").post("/v1/tokens", unknown).await;
        assert_eq!(problem.expect_problem("identity.no_scope", 422)["field"], "/scopes");
        let listed = world.as_("js-scjg", "auditor").get("/v1/tokens").await.expect_status(200);
        let scopes: Vec<_> = listed.as_array().unwrap().iter().map(|it| it["scopes"].clone()).collect();
        assert!(scopes.contains(&json!(["all"])) && scopes.contains(&json!(["record"])), "{listed}");
        assert!(!listed.to_string().contains("yht_"), "{listed}");
    }
}

/// A token that covers nothing of a route is refused there, whatever its holder's roles; one that covers it is not.
#[tokio::test]
async fn every_route_asks_for_its_scope() {
    let world = World::new(testkit::Database::Sqlite).await;
    let tokens = ["read", "exchange", "record"].map(|it| (it, scoped_of_requester(&world, it)));
    for (scope, token) in tokens {
        let desk = token.await;
        for route in ROUTES.iter().filter(|it| it.port == Port::Token) {
            let covered = route.scopes().iter().any(|it| it.word() == scope);
            let method = match route.method {
                Method::Get => "GET",
                Method::Post => "POST",
                Method::Put => "PUT",
                Method::Patch => "PATCH",
                Method::Delete => "DELETE",
            };
            // One's own session ends whatever the token may be used for, and then no further call is made with it.
            if (method, route.path) == ("DELETE", "/v1/sessions") {
                continue;
            }
            let reply = desk.call(method, &crate::routes::path(route.path)).await;
            assert_eq!(
                reply.code() != "identity.scope",
                covered,
                "{method} {} with {scope}: {}",
                route.path,
                reply.text()
            );
        }
    }
}

async fn scoped_of_requester(world: &World, scope: &str) -> Desk {
    scoped(world, "nj-gxj", "requester", &[scope]).await
}
