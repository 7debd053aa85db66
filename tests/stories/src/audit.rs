//! Acts of administrators: each is written down once, with who, when, what and how it ended; a refused one too; and an
//! export shows whatever was changed behind the node's back.

use evidence::{
    Origin, VerifierKey,
    act::{
        ACTS_KEPT_DAYS, ACTS_PAGE_MAX,
        export::{Check, MANIFEST, Manifest, Page, written},
    },
};
use jiff::SignedDuration;
use node::ActsAsk;
use policy::{Principal, Role};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use store::{args, transact};
use testkit::{Desk, FIRST_PASSWORD, World, story};
use web::{Method, Port, ROUTES};

const ORGANISATION: &str = "js-scjg";
/// A page of an export is at most so long: five hundred acts with their proofs.
const PAGE_BYTES_MAX: usize = 2 << 20;

/// All acts of that kind by that account, newest first.
async fn acts(auditor: &Desk, act: &str, by: &str) -> Vec<Value> {
    let page = auditor.get(&format!("/v1/audit?act={act}&by={by}&limit=500")).await.expect_status(200);
    page["acts"].as_array().unwrap().clone()
}

/// Begins an export of everything and gathers it; the number of its pages, and the longest of them in bytes.
async fn export(
    world: &World,
    auditor: &Desk,
) -> (Manifest, Vec<(String, evidence::act::export::Proof)>, usize, usize) {
    let ask = json!({"from": "2020-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z"});
    let begun = auditor.post("/v1/audit/exports", ask).await.expect_status(200);
    world.on(ORGANISATION, async |org| while org.sequence_once().await.unwrap() {}).await;
    let (mut lines, mut checkpoints, mut after) = (Vec::new(), Vec::new(), Some(0));
    let (mut pages, mut longest, mut period) = (0, 0, None);
    while let Some(number) = after {
        let path = format!("/v1/audit/exports/{}?after={number}", begun["export"]);
        let reply = auditor.get(&path).await;
        (pages, longest) = (pages + 1, longest.max(reply.body.len()));
        let mut page = reply.expect_status(200);
        assert_eq!(page.as_object_mut().unwrap().remove("continued"), Some(Value::Null));
        let page: Page = serde_json::from_value(page).unwrap();
        assert!(page.acts.len() <= ACTS_PAGE_MAX as usize);
        (period, after) = (Some(page.period), page.next);
        checkpoints = if checkpoints.is_empty() { page.checkpoints } else { checkpoints };
        lines.extend(page.acts.into_iter().map(|it| (written(it.text.as_deref()), it.proof)));
    }
    let manifest = Manifest {
        format: MANIFEST.to_owned(),
        organisation: ORGANISATION.parse().unwrap(),
        export: begun["export"].as_u64().unwrap(),
        period: period.unwrap(),
        checkpoints,
        earlier: None,
    };
    (manifest, lines, pages, longest)
}

/// Verifies an export with nothing but the membership's word for the log's key; how many acts it holds.
async fn verify(world: &World, auditor: &Desk) -> Result<u64, String> {
    let (manifest, lines, _, _) = export(world, auditor).await;
    verify_export(world, manifest, &lines)
}

/// As [`verify`], of an export that is there.
fn verify_export(
    world: &World,
    manifest: Manifest,
    lines: &[(String, evidence::act::export::Proof)],
) -> Result<u64, String> {
    let members = world.organisation(ORGANISATION).members().unwrap();
    let log = &members.member(&ORGANISATION.parse().unwrap()).unwrap().organisation.keys.log;
    let origin: &Origin = &log.origin;
    let known = [VerifierKey::new(origin.to_string(), log.key).unwrap()];
    let mut check = Check::begin(manifest, &known).map_err(|it| it.en)?;
    for (line, proof) in lines {
        check.line(line, proof).map_err(|it| it.en)?;
    }
    check.end().map(|it| it.acts).map_err(|it| it.en)
}

/// The administrators' calls, each with who makes it, the act that it is, and what it is done to.
fn calls() -> Vec<(&'static str, &'static str, &'static str, Value, &'static str, &'static str)> {
    let (system, security) = ("administrator", "security-administrator");
    let user = json!({"name": "zhang", "password": FIRST_PASSWORD});
    let pack = json!({"files": {"pack.yaml": "pack: trial\ntitle: {zh: 试, en: Trial}\nowner: {zh: 试, en: Trial}\n\
                                              description: {zh: 试, en: Trial}\nversion: \"1\"\n"}});
    let token = json!({"application": "board", "days": 30});
    vec![
        (system, "POST", "/v1/users", user, "identity.create_account", "zhang"),
        (security, "POST", "/v1/users/zhang/roles", json!({"roles": ["requester"]}), "identity.set_roles", "zhang"),
        (system, "POST", "/v1/users/zhang/state", json!({"enabled": false}), "identity.set_enabled", "zhang"),
        (
            system,
            "POST",
            "/v1/users/zhang/password",
            json!({"password": FIRST_PASSWORD}),
            "identity.reset_password",
            "zhang",
        ),
        (security, "POST", "/v1/users/zhang/unlock", json!({}), "identity.unlock", "zhang"),
        (system, "POST", "/v1/applications", json!({"name": "board"}), "identity.register_application", "board"),
        (security, "POST", "/v1/tokens", token, "identity.issue_token", "board"),
        (system, "POST", "/v1/packs", pack, "pack.install", "trial"),
        (system, "DELETE", "/v1/applications/board", json!({}), "identity.retire_application", "board"),
    ]
}

story! {
    /// Each act of each administrator appears once, with who, when, in which role, what, to what, and its outcome; and
    /// it stands in the export, which verifies.
    async fn each_act_of_an_administrator_appears_once(world: World) {
        let auditor = world.as_(ORGANISATION, "auditor").desk().await;
        for (by, method, path, body, act, what) in calls() {
            world.advance(SignedDuration::from_secs(1));
            let desk = world.as_(ORGANISATION, by).desk().await;
            let reply = if method == "POST" { desk.post(path, body).await } else { desk.call(method, path).await };
            reply.expect_status(200);
            let found = acts(&auditor, act, by).await;
            assert_eq!(found.len(), 1, "{act}: {found:?}");
            let body = &found[0]["body"];
            let told = [&body["act"], &body["by"], &body["at"], &body["outcome"], &body["about"]["password"]];
            let by = format!("person:{by}");
            assert_eq!(told, [&json!(act), &json!(by), &json!(world.now()), &json!("done"), &Value::Null], "{body}");
            assert!(body["about"].to_string().contains(what) && body["roles"].as_array().unwrap().len() == 1, "{body}");
            assert!(found[0]["title"]["zh"].is_string(), "{act} has no title");
        }
        // Retiring the application took its token along; another one is taken back.
        let system = world.as_(ORGANISATION, "administrator").desk().await;
        let security = world.as_(ORGANISATION, "security-administrator").desk().await;
        system.post("/v1/applications", json!({"name": "screen"})).await.expect_status(200);
        let token = json!({"application": "screen", "days": 30});
        let token = security.post("/v1/tokens", token).await.expect_status(200)["id"].clone();
        security.call("DELETE", &format!("/v1/tokens/{}", token.as_str().unwrap())).await.expect_status(200);
        assert_eq!(acts(&auditor, "identity.revoke_token", "security-administrator").await.len(), 1);
        // Signing in, out, and what somebody does with the own factor are acts as well; all are kinds that are known.
        for act in ["sign_in", "change_password", "enrol", "confirm_factor"] {
            assert_eq!(acts(&auditor, &format!("identity.{act}"), "auditor").await.len(), 1, "{act}");
        }
        auditor.get("/v1/audit?act=identity.nothing").await.expect_problem("audit.act", 422);
        let all = auditor.get("/v1/audit?limit=500").await.expect_status(200)["acts"].as_array().unwrap().clone();
        let known = |it: &Value| node::ACTS.iter().any(|(word, _, _)| it["body"]["act"] == *word);
        assert!(all.iter().all(known), "{all:?}");
        let numbers: Vec<u64> = all.iter().rev().map(|it| it["number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "no number is missing");
        assert!(verify(&world, &auditor).await.unwrap() >= numbers.len() as u64);
    }
}

story! {
    /// What an administrator is refused appears with the reason; repeated a hundred times it is written down once in a
    /// window, and the next window tells how often it came. So is what the audit administrator looks at.
    async fn a_refused_act_appears(world: World) {
        let auditor = world.as_(ORGANISATION, "auditor").desk().await;
        let refused = async |by: &str| acts(&auditor, "access.refused", by).await;
        let own = json!({"roles": []});
        let both = json!({"roles": ["system-administrator", "requester"]});
        let system = world.as_(ORGANISATION, "administrator").desk().await;
        let security = world.as_(ORGANISATION, "security-administrator").desk().await;
        for _ in 0..30 {
            system.post("/v1/users/zhang/roles", own.clone()).await.expect_problem("policy.role", 403);
        }
        security.post("/v1/users/security-administrator/roles", own).await.expect_problem("identity.oneself", 403);
        security.post("/v1/users/administrator/roles", both).await.expect_problem("identity.apart", 403);
        security.post("/v1/users/nobody/unlock", json!({})).await.expect_problem("identity.no_account", 404);
        system.get("/v1/receipts").await.expect_problem("policy.role", 403);
        let found = refused("administrator").await;
        let told: Vec<_> = found.iter().map(|it| (&it["body"]["code"], &it["body"]["about"]["path"])).collect();
        let code = json!("policy.role");
        assert_eq!(told, [(&code, &json!("/v1/receipts")), (&code, &json!("/v1/users/zhang/roles"))]);
        assert!(found.iter().all(|it| it["body"]["outcome"] == "refused"));
        let found = refused("security-administrator").await;
        let codes: Vec<_> = found.iter().map(|it| it["body"]["code"].clone()).collect();
        assert_eq!(codes, [json!("identity.no_account"), json!("identity.apart"), json!("identity.oneself")]);
        let page = auditor.get("/v1/audit?outcome=refused&act=access.refused").await.expect_status(200);
        assert_eq!(page["acts"].as_array().unwrap().len(), 5);
        world.advance(SignedDuration::from_mins(node::NOTE_MINUTES));
        system.post("/v1/users/zhang/roles", json!({"roles": []})).await.expect_problem("policy.role", 403);
        let found = refused("administrator").await;
        assert_eq!((found.len(), &found[0]["body"]["about"]["in_last_window"]), (3, &json!(30)));
        // What the audit administrator looked at: each route once a window.
        auditor.get("/v1/receipts").await.expect_status(200);
        auditor.get("/v1/receipts").await.expect_status(200);
        let read: Vec<_> = acts(&auditor, "access.read", "auditor").await;
        let receipts = read.iter().filter(|it| it["body"]["about"]["route"] == "/v1/receipts").count();
        assert_eq!(receipts, 1, "{read:?}");
        assert!(read.iter().any(|it| it["body"]["about"]["route"] == "/v1/audit"));
        // Others look at business every day; no leaf of theirs.
        assert_eq!(acts(&auditor, "access.read", "administrator").await.len(), 0);
    }
}

story! {
    /// Whichever route it is, wherever it is mounted: what an administrator is refused there appears, and what the
    /// audit administrator looks at there.
    async fn no_route_is_left_out(world: World) {
        let auditor = world.as_(ORGANISATION, "auditor").desk().await;
        let security = world.as_(ORGANISATION, "security-administrator").desk().await;
        let (mut refused, mut read) = (BTreeSet::new(), BTreeSet::new());
        for route in ROUTES.iter().filter(|it| it.method == Method::Get && it.port != Port::Public) {
            let path = crate::routes::path(route.path);
            if !route.administrators.contains(&Role::SecurityAdministrator) {
                security.get(&path).await.expect_problem("policy.role", 403);
                refused.insert(route.path.to_owned());
            }
            if route.administrators.contains(&Role::AuditAdministrator) && auditor.get(&path).await.status < 300 {
                read.insert(route.path.to_owned());
            }
        }
        assert!(refused.len() > 40 && read.len() > 15, "{} and {}", refused.len(), read.len());
        let noted = async |act: &str, by: &str| -> BTreeSet<String> {
            let found = acts(&auditor, act, by).await;
            found.iter().map(|it| it["body"]["about"]["route"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(noted("access.refused", "security-administrator").await, refused);
        // Asking for the former was a look as well.
        let seen = noted("access.read", "auditor").await;
        assert_eq!(read.difference(&seen).collect::<Vec<_>>(), Vec::<&String>::new());
    }
}

story! {
    /// Nobody but the audit administrator sees acts or exports them, and nobody can edit or erase one by any route.
    async fn acts_are_the_auditors_to_see(world: World) {
        let period = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-12-31T00:00:00Z"});
        for role in ["administrator", "security-administrator", "data-steward", "requester", "application"] {
            let desk = world.as_(ORGANISATION, role).desk().await;
            desk.get("/v1/audit").await.expect_problem("policy.role", 403);
            desk.post("/v1/audit/exports", period.clone()).await.expect_problem("policy.role", 403);
            desk.get("/v1/audit/exports/1").await.expect_problem("policy.role", 403);
        }
        let touching = web::ROUTES.iter().filter(|it| it.path.starts_with("/v1/audit"));
        let methods: Vec<_> = touching.map(|it| (it.method, it.path)).collect();
        let acting = methods.iter().filter(|it| it.0 != web::Method::Get).count();
        assert_eq!(acting, 1, "only an export begins: {methods:?}");
        let auditor = world.as_(ORGANISATION, "auditor").desk().await;
        let backwards = json!({"from": "2026-12-31T00:00:00Z", "to": "2026-01-01T00:00:00Z"});
        auditor.post("/v1/audit/exports", backwards).await.expect_problem("audit.period", 422);
        auditor.post("/v1/audit/exports", json!({"from": "soon"})).await.expect_problem("web.body", 422);
        auditor.get("/v1/audit/exports/1").await.expect_problem("audit.export", 404);
        auditor.get("/v1/audit/exports/abc").await.expect_problem("web.path", 422);
        auditor.get("/v1/audit?limit=many").await.expect_problem("web.parameter", 422);
        auditor.get("/v1/audit?who=me").await.expect_problem("web.parameter", 422);
    }
}

story! {
    /// A row that somebody edits in the database is seen by whoever verifies the next export.
    async fn an_edited_row_of_the_database_is_seen(mut world: World) {
        let auditor = world.as_(ORGANISATION, "auditor").desk().await;
        world.rest().await;
        verify(&world, &auditor).await.unwrap();
        world
            .on(ORGANISATION, async |org| {
                const EDIT: &str = "UPDATE evidence_leaf SET body = REPLACE(body, 'sysadmin', 'nobody')
                                     WHERE kind = 'identity.set_roles' OR kind = 'identity.create_account'";
                let edit = EDIT.replace("sysadmin", "auditor");
                let edit = store::Statement::built(edit);
                transact!(org.store(), None, |tx| tx.execute(edit.clone(), args![]).await).unwrap()
            })
            .await;
        let told = verify(&world, &auditor).await.unwrap_err();
        assert!(told.contains("was changed"), "{told}");
    }
}

story! {
    /// Whatever the node's own jobs forget, and whatever erasing takes away, an act's body stays six months at least.
    async fn acts_stay_for_six_months(mut world: World) {
        let auditor = world.as_(ORGANISATION, "auditor").desk().await;
        world.rest().await;
        let before = verify(&world, &auditor).await.unwrap();
        world.advance(SignedDuration::from_hours(24 * (ACTS_KEPT_DAYS - 1)));
        let kept = world.on(ORGANISATION, async |org| {
            org.forget_once().await.unwrap();
            while org.sequence_once().await.unwrap() {}
            let all = evidence::leaves(&mut org.store().read().await.unwrap(), 0, 1_000).await.unwrap();
            let acts = all.iter().filter(|it| node::ACTS.iter().any(|act| act.0 == it.kind));
            let digests: Vec<_> = acts.map(|it| it.digest).collect();
            let now = org.now();
            let erased = transact!(org.store(), None, |tx| evidence::erase(tx, &digests, now).await).unwrap();
            assert_eq!(erased, 0);
            let by = Principal::job(org.id().clone(), "story", [Role::AuditAdministrator]);
            org.acts(&by, ActsAsk { limit: Some(500), ..ActsAsk::default() }).await.unwrap().acts
        });
        let kept = kept.await;
        assert!(kept.len() as u64 > before && kept.iter().all(|it| it.body.is_some()));
    }
}

story! {
    /// Ten thousand acts are exported in pages that are bounded in number and length, and verify line by line.
    async fn an_export_of_ten_thousand_acts_stays_within_bounds(mut world: World) {
        const ACTS: u64 = 10_000;
        let auditor = world.as_(ORGANISATION, "auditor").desk().await;
        world.rest().await;
        world
            .on(ORGANISATION, async |org| {
                for batch in 0..20 {
                    transact!(org.store(), None, |tx| {
                        for number in 0..ACTS / 20 {
                            let act = evidence::act::NewAct {
                                act: "identity.unlock",
                                by: "person:security-administrator".to_owned(),
                                roles: vec!["security-administrator".to_owned()],
                                organisation: org.id(),
                                about: json!({"account": format!("user-{batch}-{number}")}),
                                outcome: evidence::act::Outcome::Done,
                                code: None,
                            };
                            let salt = evidence::Salt([u8::try_from(number % 256).unwrap(); 32]);
                            evidence::act::record(tx, act, salt, org.now()).await?;
                        }
                        Ok(())
                    })
                    .unwrap();
                }
            })
            .await;
        let (manifest, lines, pages, longest) = export(&world, &auditor).await;
        assert!(lines.len() as u64 > ACTS && manifest.period.last + 1 == manifest.export);
        assert_eq!(pages, lines.len().div_ceil(ACTS_PAGE_MAX as usize));
        assert!(longest < PAGE_BYTES_MAX, "{longest} bytes");
        assert!(verify_export(&world, manifest, &lines).unwrap() > ACTS);
    }
}
