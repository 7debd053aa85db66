//! The fault table of what sets a node up: packs, catalogue, accounts, tokens, sessions, membership. Each write fails
//! at each of its commits, once without effect and once with, and is tried again; then the node is killed and started,
//! and what it knows is what was asked for, once.
//!
//! The last test holds every writing route against the tables.

use crate::faults::{Faults, leaves, succeeded, until_done};
use federation::{Change, Keys};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use store::Fault;
use testkit::{Database, Desk, FIRST_PASSWORD, PASSWORD, Reply, World, story};
use web::{Method, ROUTES};

const PROVIDER: &str = "js-scjg";

/// The node forgets everything but what it has written.
pub(crate) async fn started_again(world: &mut World, id: &str) {
    world.kill(id).await;
    world.start(id).await;
    world.rest().await;
}

/// Done now, or by the try before: then it is told by this code.
pub(crate) fn done_before(code: &'static str) -> impl Fn(&Reply) -> bool {
    move |reply| succeeded(reply) || reply.code() == code
}

async fn list(desk: &Desk, path: &str) -> Vec<Value> {
    desk.get(path).await.expect_status(200).as_array().unwrap().clone()
}

fn count(list: &[Value], field: &str, value: &str) -> usize {
    list.iter().filter(|it| it[field] == value).count()
}

pub(crate) fn entry(name: &str, number: u32, description: &str) -> Value {
    json!({
        "entry": name, "title": {"zh": "试", "en": "Trial"}, "code": code(number), "class": "base",
        "theme": "legal-persons", "provider": {"zh": "试", "en": "Trial"},
        "description": {"zh": description, "en": description}, "formats": ["csv"],
        "items": [{"title": {"zh": "号", "en": "Number"}, "type": "number"}], "share": "unconditional",
        "method": "platform", "open": false, "cycle": "daily", "published": "2026-11-24", "grade": "一般/1",
    })
}

fn code(number: u32) -> String {
    format!("102001001/{number:06}")
}

fn review() -> Value {
    json!({"number": "密审-1", "by": "保密办", "on": "2026-11-23"})
}

pub(crate) fn publication(entry: Value) -> Value {
    json!({"entry": entry, "review": review()})
}

/// How many entries bear that number's code.
async fn entries(desk: &Desk, number: u32) -> usize {
    let reply = desk.get(&format!("/v1/catalog/{}", code(number).replace('/', "%2F"))).await;
    if reply.status == 404 { 0 } else { reply.expect_status(200).as_array().unwrap().len() }
}

/// A pack of one record type and one catalogue entry.
fn pack(number: u32) -> Value {
    let about = "title: {zh: 试, en: Trial}\ndescription: {zh: 试, en: Trial}\n";
    let record = format!(
        "record: thing{number}\n{about}duty: {{zh: 试, en: Trial}}\ntheme: other\ncycle: daily\nkey: [id]\nfields:\n  \
         id: {{type: integer, title: {{zh: 号, en: Number}}, grade: 一般/1}}\n"
    );
    let files = BTreeMap::from([
        ("pack.yaml".to_owned(), format!("pack: trial{number}\n{about}owner: {{zh: 试, en: Trial}}\nversion: \"1\"\n")),
        (format!("records/thing{number}.yaml"), record),
        (
            format!("data/catalogue/thing{number}.yaml"),
            json!({"entries": [entry(&format!("thing{number}"), number, "试")]}).to_string(),
        ),
    ]);
    json!({"files": files, "review": review()})
}

story! {
    /// A pack is installed once, with its table and its entry.
    async fn a_pack(mut world: World) {
        world.rest().await;
        let admin = world.as_(PROVIDER, "administrator").desk().await;
        let steward = world.as_(PROVIDER, "data-steward").desk().await;
        let (mut faults, mut number) = (Faults::at(PROVIDER), 0);
        while let Some(what) = faults.next() {
            number += 1;
            faults.set(&world);
            until_done(&what, || admin.post("/v1/packs", pack(number)), succeeded).await;
            faults.lift(&world);
            for again in [false, true] {
                if again {
                    started_again(&mut world, PROVIDER).await;
                }
                let what = format!("{what}, started again: {again}");
                assert_eq!(count(&list(&admin, "/v1/packs").await, "id", &format!("trial{number}")), 1, "{what}");
                let thing = format!("thing{number}");
                assert_eq!(count(&list(&steward, "/v1/records").await, "name", &thing), 1, "{what}");
                assert_eq!(entries(&admin, number).await, 1, "{what}");
                assert_eq!(leaves(&world, PROVIDER, "catalog.publish", &thing).await, 1, "{what}");
            }
        }
        assert!(faults.met_any());
    }
}

story! {
    /// What stands in the database after a commit of which nobody heard is known at once, without another try.
    async fn what_persisted_is_known(mut world: World) {
        world.rest().await;
        let admin = world.as_(PROVIDER, "administrator").desk().await;
        let store = world.organisation(PROVIDER).store().clone();
        store.inject(Fault::Persisted);
        admin.post("/v1/packs", pack(1)).await.expect_problem("store.commit_unknown", 503);
        assert_eq!(count(&list(&admin, "/v1/packs").await, "id", "trial1"), 1);
        let before = admin.get("/v1/federation").await.expect_status(200)["entries"].as_u64().unwrap();
        let entry = world.enter(readdressed(&world, "127.0.0.1:9"));
        for fault in [Fault::Persisted, Fault::Lost] {
            store.inject(fault);
            let body = json!({"entries": [entry]});
            admin.post("/v1/federation/entries", body).await.expect_problem("store.commit_unknown", 503);
            assert_eq!(admin.get("/v1/federation").await.expect_status(200)["entries"], before + 1, "{fault:?}");
        }
    }
}

story! {
    /// An entry is published, changed and withdrawn once each.
    async fn an_entry(mut world: World) {
        world.rest().await;
        let cataloguer = world.as_(PROVIDER, "cataloguer").desk().await;
        let mut number = 0;
        for step in ["publish", "change", "withdraw"] {
            let mut faults = Faults::at(PROVIDER);
            while let Some(what) = faults.next() {
                number += 1;
                let name = format!("thing{number}");
                let publish = |text: &str| publication(entry(&name, number, text));
                let path = format!("/v1/catalog/{name}");
                if step != "publish" {
                    cataloguer.post("/v1/catalog", publish("先")).await.expect_status(200);
                }
                faults.set(&world);
                let reply = match step {
                    "withdraw" => {
                        let withdraw = || cataloguer.call("DELETE", &path);
                        until_done(&what, withdraw, done_before("catalog.no_entry")).await
                    }
                    _ => until_done(&what, || cataloguer.post("/v1/catalog", publish("后")), succeeded).await,
                };
                faults.lift(&world);
                started_again(&mut world, PROVIDER).await;
                let (revision, there, published, withdrawn) = match step {
                    "publish" => (json!(1), 1, 1, 0),
                    "change" => (json!(2), 1, 2, 0),
                    _ => (Value::Null, 0, 1, 1),
                };
                assert_eq!(reply.json()["revision"], revision, "{step}: {what}");
                assert_eq!(entries(&cataloguer, number).await, there, "{step}: {what}");
                let quoted = format!("\"{name}\"");
                let left = async |kind| leaves(&world, PROVIDER, kind, &quoted).await;
                let left = (left("catalog.publish").await, left("catalog.withdraw").await);
                assert_eq!(left, (published, withdrawn), "{step}: {what}");
            }
            assert!(faults.met_any(), "{step}");
        }
    }
}

story! {
    /// Each act of a compilation is done once, whichever commit failed.
    async fn a_compilation(mut world: World) {
        use crate::compilation::{acts, draft, duty, publish};
        world.rest().await;
        let cataloguer = world.as_(PROVIDER, "cataloguer").desk().await;
        let (checker, approver) =
            (world.as_(PROVIDER, "checker").desk().await, world.as_(PROVIDER, "approver").desk().await);
        let chain = |name: &str| json!({"things": [duty(name)], "why": "三定规定"});
        cataloguer.post("/v1/chain", chain("registration")).await.expect_status(200);
        let act = |act: &str| json!({"act": act, "reason": "误"});
        let plain = |act: &str| json!({"act": act});
        let way = [
            (&cataloguer, draft("企业登记")), (&cataloguer, plain("submit")), (&checker, act("return")),
            (&cataloguer, plain("submit")), (&checker, plain("check")), (&approver, publish()),
            (&cataloguer, plain("change")), (&cataloguer, act("discard")), (&approver, act("revoke")),
        ];
        let mut number = 0;
        for at in 0..way.len() {
            let mut faults = Faults::at(PROVIDER);
            while let Some(what) = faults.next() {
                number += 1;
                let name = format!("thing{number}");
                let path = acts(&name);
                for (desk, body) in &way[..at] {
                    desk.post(&path, body.clone()).await.expect_status(200);
                }
                let (desk, body) = &way[at];
                faults.set(&world);
                until_done(&what, || desk.post(&path, body.clone()), done_before("catalog.turn")).await;
                faults.lift(&world);
                let view = cataloguer.get(&format!("/v1/compilations/{name}")).await.expect_status(200);
                let history = view["history"].as_array().unwrap();
                assert_eq!(history.len(), at + 1, "{what}: {}", body["act"]);
                assert_eq!(history[0]["act"], body["act"], "{what}");
                let quoted = format!("\"{name}\"");
                assert_eq!(leaves(&world, PROVIDER, "catalog.compile", &quoted).await, at + 1, "{what}");
                let there = usize::from((5..8).contains(&at));
                let code = view["compilation"]["draft"]["entry"]["code"].as_str().unwrap().replace('/', "%2F");
                let found = cataloguer.get(&format!("/v1/catalog/{code}")).await;
                assert_eq!(usize::from(found.status == 200), there, "{what}: {}", body["act"]);
            }
            assert!(faults.met_any());
        }
    }
}

story! {
    /// Each act on a demand is done once, whichever commit failed.
    async fn a_demand(mut world: World) {
        world.rest().await;
        let cataloguer = world.as_(PROVIDER, "cataloguer").desk().await;
        let (requester, approver) =
            (world.as_(PROVIDER, "requester").desk().await, world.as_(PROVIDER, "approver").desk().await);
        let chain = json!({"things": [crate::compilation::duty("registration")], "why": "三定规定"});
        cataloguer.post("/v1/chain", chain).await.expect_status(200);
        let wanted = json!({"title": {"zh": "试", "en": "Trial"}, "items": ["名称"], "basis": "《水法》第一条"});
        let mut number = 0;
        for at in 0..3 {
            let mut faults = Faults::at(PROVIDER);
            while let Some(what) = faults.next() {
                number += 1;
                let name = format!("demand{number}");
                let path = format!("/v1/demands/{name}/acts");
                let way = [
                    (&requester, json!({"act": "ask", "wanted": wanted})),
                    (&approver, json!({"act": "assign", "duty": "registration"})),
                    (&cataloguer, json!({"act": "accept", "entry": name})),
                ];
                for (desk, body) in &way[..at] {
                    desk.post(&path, body.clone()).await.expect_status(200);
                }
                let (desk, body) = &way[at];
                faults.set(&world);
                until_done(&what, || desk.post(&path, body.clone()), done_before("catalog.demand_turn")).await;
                faults.lift(&world);
                let view = requester.get(&format!("/v1/demands/{name}")).await.expect_status(200);
                assert_eq!(view["history"].as_array().unwrap().len(), at + 1, "{what}: {}", body["act"]);
                let begun = cataloguer.get(&format!("/v1/compilations/{name}")).await;
                assert_eq!(begun.status == 200, at == 2, "{what}");
            }
            assert!(faults.met_any());
        }
    }
}

story! {
    /// A file of the template is taken in once, whichever commit failed: a second try finds what the first made.
    async fn a_template(mut world: World) {
        use crate::compilation::{acts, draft};
        world.rest().await;
        let cataloguer = world.as_(PROVIDER, "cataloguer").desk().await;
        cataloguer.post(&acts("seed"), draft("企业登记")).await.expect_status(200);
        let file = cataloguer.get("/v1/template").await;
        assert_eq!(file.status, 200);
        let discard = json!({"act": "discard", "reason": "误"});
        let mut faults = Faults::at(PROVIDER);
        while let Some(what) = faults.next() {
            cataloguer.post(&acts("seed"), discard.clone()).await.expect_status(200);
            faults.set(&world);
            let reply =
                until_done(&what, || cataloguer.upload("/v1/template", file.body.clone()), succeeded).await.json();
            faults.lift(&world);
            assert_eq!(reply.as_array().unwrap().len(), 1, "{what}");
            assert_eq!((&reply[0]["entry"], &reply[0]["code"]), (&json!("seed"), &json!("102001001/000001")), "{what}");
            let view = cataloguer.get("/v1/compilations/seed").await.expect_status(200);
            assert_eq!((&view["compilation"]["state"], &view["history"][0]["act"]), (&json!("draft"), &json!("draft")));
            let all = cataloguer.get("/v1/compilations").await.expect_status(200);
            assert_eq!(all.as_array().unwrap().len(), 1, "{what}");
        }
        assert!(faults.met_any());
    }
}

story! {
    /// A duty is registered once and closed once, whichever commit failed.
    async fn a_thing_of_the_chain(mut world: World) {
        world.rest().await;
        let cataloguer = world.as_(PROVIDER, "cataloguer").desk().await;
        let mut number = 0;
        for step in ["put", "close"] {
            let mut faults = Faults::at(PROVIDER);
            while let Some(what) = faults.next() {
                number += 1;
                let name = format!("duty{number}");
                let put = json!({"things": [crate::compilation::duty(&name)], "why": "三定规定"});
                let path = format!("/v1/chain/duty/{name}");
                let close = format!("{path}?why=机构改革");
                if step == "close" {
                    cataloguer.post("/v1/chain", put.clone()).await.expect_status(200);
                }
                faults.set(&world);
                match step {
                    "put" => until_done(&what, || cataloguer.post("/v1/chain", put.clone()), succeeded).await,
                    _ => {
                        let close = || cataloguer.call("DELETE", &close);
                        until_done(&what, close, done_before("catalog.no_thing")).await
                    }
                };
                faults.lift(&world);
                let view = cataloguer.get(&path).await.expect_status(200);
                let (state, versions) = if step == "put" { ("open", 1) } else { ("closed", 2) };
                assert_eq!(view["state"], state, "{what}");
                assert_eq!(view["history"].as_array().unwrap().len(), versions, "{step}: {what}");
            }
            assert!(faults.met_any());
        }
    }
}

story! {
    /// A member's catalogue is taken over once.
    async fn a_harvest(mut world: World) {
        world.rest().await;
        let cataloguer = world.as_(PROVIDER, "cataloguer").desk().await;
        let hub = world.as_("js-data", "cataloguer").desk().await;
        for side in ["js-data", PROVIDER] {
            let mut faults = Faults::at(side);
            let mut number = if side == PROVIDER { 100 } else { 0 };
            while let Some(what) = faults.next() {
                number += 1;
                let body = publication(entry(&format!("thing{number}"), number, "试"));
                cataloguer.post("/v1/catalog", body).await.expect_status(200);
                world.number_all(PROVIDER).await;
                faults.set(&world);
                let ask = json!({"member": PROVIDER});
                let end = until_done(&what, || hub.post("/v1/catalog/harvest", ask.clone()), succeeded).await.json();
                faults.lift(&world);
                started_again(&mut world, "js-data").await;
                assert_eq!(entries(&hub, number).await, 1, "{what}");
                let again = hub.post("/v1/catalog/harvest", ask).await.expect_status(200);
                assert_eq!((&again["position"], &again["taken"]), (&end["position"], &json!(0)), "{what}");
            }
            assert!(faults.met_any() || side == PROVIDER, "a provider that is harvested writes nothing");
        }
    }
}

story! {
    /// An account is opened once, has the roles it was given, is disabled and enabled, and a password is its password.
    async fn an_account(mut world: World) {
        world.rest().await;
        let admin = world.as_(PROVIDER, "administrator").desk().await;
        let security = world.as_(PROVIDER, "security-administrator").desk().await;
        let stranger = world.stranger(PROVIDER).desk().await;
        let (mut faults, mut number) = (Faults::at(PROVIDER), 0);
        while let Some(what) = faults.next() {
            number += 1;
            let name = format!("zhang{number}");
            faults.set(&world);
            let ask = json!({"name": name, "password": FIRST_PASSWORD});
            let open = || admin.post("/v1/users", ask.clone());
            until_done(&what, open, done_before("identity.account_exists")).await;
            faults.lift(&world);
            started_again(&mut world, PROVIDER).await;
            assert_eq!(count(&list(&admin, "/v1/users").await, "name", &name), 1, "{what}");
            assert_eq!(leaves(&world, PROVIDER, "identity.create_account", &format!("\"{name}\"")).await, 1, "{what}");
        }
        assert!(faults.met_any());
        for (what, body) in [("roles", json!({"roles": ["requester"]})), ("state", json!({"enabled": true}))] {
            let by = if what == "roles" { &security } else { &admin };
            let path = format!("/v1/users/zhang1/{what}");
            let mut faults = Faults::at(PROVIDER);
            while let Some(fault) = faults.next() {
                faults.set(&world);
                until_done(&fault, || by.post(&path, body.clone()), succeeded).await;
                faults.lift(&world);
                started_again(&mut world, PROVIDER).await;
                let (all, roles) = (list(&admin, "/v1/users").await, json!(["requester"]));
                let it = all.iter().find(|it| it["name"] == "zhang1").unwrap();
                assert_eq!((&it["roles"], &it["enabled"]), (&roles, &json!(true)), "{what}: {fault}");
            }
            assert!(faults.met_any(), "{what}");
        }
        let sign_in = async |password: &str| {
            stranger.post("/v1/sessions", json!({"name": "zhang1", "password": password})).await.code()
        };
        for step in ["reset", "unlock", "change"] {
            let mut faults = Faults::at(PROVIDER);
            while let Some(what) = faults.next() {
                let (old, new) = (format!("{PASSWORD} old"), format!("{PASSWORD} new {}", faults.number()));
                let reset = json!({"password": old});
                let (path, unlock) = ("/v1/users/zhang1/password", "/v1/users/zhang1/unlock");
                if step != "reset" {
                    admin.post(path, reset.clone()).await.expect_status(200);
                }
                if step == "change" {
                    security.post(unlock, json!({})).await.expect_status(200);
                }
                faults.set(&world);
                match step {
                    "reset" => until_done(&what, || admin.post(path, reset.clone()), succeeded).await,
                    "unlock" => until_done(&what, || security.post(unlock, json!({})), succeeded).await,
                    _ => {
                        let ask = json!({"name": "zhang1", "password": old, "new": new});
                        let change = || stranger.post("/v1/passwords", ask.clone());
                        // Changed by the try before, the old one is wrong.
                        until_done(&what, change, done_before("identity.credentials")).await
                    }
                };
                faults.lift(&world);
                started_again(&mut world, PROVIDER).await;
                let told = match step {
                    "reset" => (sign_in(&old).await, "identity.awaits_unlock"),
                    "unlock" => (sign_in(&old).await, "identity.change_first"),
                    _ => (sign_in(&new).await, ""),
                };
                assert_eq!(told.0, told.1, "{step}: {what}");
                security.post(unlock, json!({})).await.expect_status(200);
            }
            assert!(faults.met_any(), "{step}");
        }
    }
}

story! {
    /// A second factor that was confirmed is in force, whichever commit failed; one that was taken away is not. A
    /// confirmation that nobody heard of is told as done, and its recovery codes are nobody's: the factor is reset
    /// then.
    async fn a_second_factor(mut world: World) {
        world.rest().await;
        world.account(PROVIDER, "zhang", "requester").await;
        let security = world.as_(PROVIDER, "security-administrator").desk().await;
        let stranger = world.stranger(PROVIDER).desk().await;
        let with = json!({"name": "zhang", "password": PASSWORD});
        for step in ["begun", "confirmed", "reset"] {
            let mut faults = Faults::at(PROVIDER);
            while let Some(what) = faults.next() {
                let begin = || stranger.post("/v1/second-factors", with.clone());
                let mut secret = None;
                if step != "begun" {
                    secret = Some(begin().await.expect_status(200)["secret"].as_str().unwrap().to_owned());
                }
                let confirm = |secret: &str, world: &World| {
                    let mut body = with.clone();
                    let secret = identity::totp::from_base32(secret).unwrap();
                    body["code"] = identity::totp::code(&secret, world.now()).into();
                    body
                };
                if step == "reset" {
                    let body = confirm(secret.as_deref().unwrap(), &world);
                    stranger.post("/v1/second-factors/confirmation", body).await.expect_status(200);
                }
                let path = "/v1/users/zhang/second-factor";
                faults.set(&world);
                match step {
                    "begun" => {
                        until_done(&what, begin, succeeded).await;
                    }
                    "confirmed" => {
                        let body = confirm(secret.as_deref().unwrap(), &world);
                        let post = || stranger.post("/v1/second-factors/confirmation", body.clone());
                        until_done(&what, post, done_before("identity.not_enrolling")).await;
                    }
                    _ => {
                        until_done(&what, || security.call("DELETE", path), succeeded).await;
                    }
                }
                faults.lift(&world);
                started_again(&mut world, PROVIDER).await;
                let needed = stranger.post("/v1/sessions", with.clone()).await.code();
                let expected = if step == "confirmed" { "identity.code_needed" } else { "" };
                assert_eq!(needed, expected, "{step}: {what}");
                security.call("DELETE", path).await.expect_status(200);
                security.post("/v1/users/zhang/unlock", json!({})).await.expect_status(200);
            }
            assert!(faults.met_any(), "{step}");
        }
    }
}

/// Whether a token is good.
async fn good(world: &World, token: &str) -> bool {
    world.with_token(PROVIDER, token).get("/v1/receipts").await.status == 200
}

story! {
    /// An application system is registered once, and retired once.
    async fn an_application(mut world: World) {
        world.rest().await;
        let admin = world.as_(PROVIDER, "administrator").desk().await;
        let mut number = 0;
        for step in ["registered", "retired"] {
            let mut faults = Faults::at(PROVIDER);
            while let Some(what) = faults.next() {
                number += 1;
                let name = format!("program{number}");
                let register = || admin.post("/v1/applications", json!({"name": name}));
                let path = format!("/v1/applications/{name}");
                if step == "retired" {
                    register().await.expect_status(200);
                }
                faults.set(&world);
                if step == "retired" {
                    until_done(&what, || admin.call("DELETE", &path), succeeded).await;
                } else {
                    until_done(&what, register, done_before("identity.application_exists")).await;
                }
                faults.lift(&world);
                started_again(&mut world, PROVIDER).await;
                let all = list(&admin, "/v1/applications").await;
                let it = all.iter().find(|it| it["name"] == *name).unwrap();
                assert_eq!(it["retired"], step == "retired", "{step}: {what}");
                let left = leaves(&world, PROVIDER, "identity.register_application", &format!("\"{name}\"")).await;
                assert_eq!(left, 1, "{step}: {what}");
            }
            assert!(faults.met_any(), "{step}");
        }
    }
}

story! {
    /// A token that was told is good, and none is good any more once it was taken back. One that was issued and not
    /// told is nobody's, and stands in the list.
    async fn a_token(mut world: World) {
        world.rest().await;
        let admin = world.as_(PROVIDER, "administrator").desk().await;
        let security = world.as_(PROVIDER, "security-administrator").desk().await;
        let own = world.as_(PROVIDER, "requester").desk().await;
        admin.post("/v1/applications", json!({"name": "program"})).await.expect_status(200);
        for step in ["of a person", "of a program", "back"] {
            let mut faults = Faults::at(PROVIDER);
            while let Some(what) = faults.next() {
                let (by, ask) = match step {
                    "of a program" => (&security, json!({"application": "program", "days": 1})),
                    _ => (&own, json!({"user": "requester", "days": 1})),
                };
                let issue = || by.post("/v1/tokens", ask.clone());
                let before = list(&security, "/v1/tokens").await.len();
                let mut issued = None;
                if step == "back" {
                    issued = Some(issue().await.expect_status(200));
                }
                faults.set(&world);
                let issued = match issued {
                    None => until_done(&what, issue, succeeded).await.json(),
                    Some(issued) => {
                        let path = format!("/v1/tokens/{}", issued["id"].as_str().unwrap());
                        let back = || security.call("DELETE", &path);
                        until_done(&what, back, done_before("identity.no_token")).await;
                        issued
                    }
                };
                let met = faults.lift(&world);
                started_again(&mut world, PROVIDER).await;
                assert_eq!(good(&world, issued["token"].as_str().unwrap()).await, step != "back", "{step}: {what}");
                let all = list(&security, "/v1/tokens").await;
                let untold = usize::from(met && step != "back" && all.len() > before + 1);
                assert_eq!(all.len(), before + 1 + untold, "{step}: {what}");
            }
            assert!(faults.met_any(), "{step}");
        }
    }
}

story! {
    /// Signing in gives a session that is good; signing out ends it.
    async fn a_session(mut world: World) {
        world.rest().await;
        world.account(PROVIDER, "zhang", "requester").await;
        let stranger = world.stranger(PROVIDER).desk().await;
        for step in ["in", "out"] {
            let mut faults = Faults::at(PROVIDER);
            while let Some(what) = faults.next() {
                let sign_in = || stranger.post("/v1/sessions", json!({"name": "zhang", "password": PASSWORD}));
                let mut session = None;
                if step == "out" {
                    let told = sign_in().await.expect_status(200)["token"].as_str().unwrap().to_owned();
                    assert!(good(&world, &told).await, "its first use is noted");
                    session = Some(told);
                }
                faults.set(&world);
                let session = match session {
                    None => {
                        let told = until_done(&what, sign_in, succeeded).await.json();
                        told["token"].as_str().unwrap().to_owned()
                    }
                    Some(session) => {
                        let own = world.with_token(PROVIDER, session.clone()).desk().await;
                        let out = || own.call("DELETE", "/v1/sessions");
                        until_done(&what, out, done_before("identity.token_revoked")).await;
                        session
                    }
                };
                faults.lift(&world);
                started_again(&mut world, PROVIDER).await;
                assert_eq!(good(&world, &session).await, step == "in", "{step}: {what}");
            }
            assert!(faults.met_any(), "{step}");
        }
    }
}

/// A change of the provider's address.
fn readdressed(world: &World, address: &str) -> Change {
    let view = world.organisation("js-data").members().unwrap();
    let mut card = view.member(&PROVIDER.parse().unwrap()).unwrap().organisation.clone();
    card.addresses = vec![address.to_owned()];
    Change::Update { organisation: Box::new(card) }
}

/// A change of the provider's keys: one more of messages.
fn rotated(world: &World, number: u8) -> Change {
    let keys = &world.keys(PROVIDER);
    let view = world.organisation("js-data").members().unwrap();
    let card = &view.member(&PROVIDER.parse().unwrap()).unwrap().organisation;
    let new = signing::SigningKey::from_seed(vocabulary::Suite::default(), &[number; 32]);
    let messages = vec![keys.messages.public(), new.public()];
    Change::Rotate { id: card.id.clone(), keys: Box::new(Keys { messages, ..card.keys.clone() }), emergency: false }
}

story! {
    /// A member that changes or rotates its keys does so once at whoever hears of it.
    async fn an_entry_of_the_membership_log(mut world: World) {
        world.rest().await;
        let admin = world.as_("nj-gxj", "administrator").desk().await;
        // The hub hears of each first, so that the next is made on what it says.
        let hub = world.as_("js-data", "administrator").desk().await;
        let mut number = 100;
        for step in ["update", "rotate"] {
            let mut faults = Faults::at("nj-gxj");
            while let Some(what) = faults.next() {
                number += 1;
                let change = match step {
                    "update" => readdressed(&world, &format!("127.0.0.1:{number}")),
                    _ => rotated(&world, number),
                };
                let entry = world.enter(change);
                let body = json!({"entries": [entry]});
                hub.post("/v1/federation/entries", body.clone()).await.expect_status(200);
                faults.set(&world);
                until_done(&what, || admin.post("/v1/federation/entries", body.clone()), succeeded).await;
                faults.lift(&world);
                for again in [false, true] {
                    if again {
                        started_again(&mut world, "nj-gxj").await;
                    }
                    let view = world.organisation("nj-gxj").members().unwrap();
                    assert_eq!(view.number(), entry.body.number, "{step}: {what}");
                    assert_eq!(view.age_seconds(world.now()), 0, "{step}: {what}");
                    assert_eq!(view.head(), entry.body.digest().unwrap(), "{step}: {what}");
                }
                let digest = format!("\"number\":{},", entry.body.number);
                assert_eq!(leaves(&world, "nj-gxj", "federation.entry", &digest).await, 1, "{step}: {what}");
            }
            assert!(faults.met_any(), "{step}");
        }
    }
}

/// An organisation joins once; each can do so only once, so each meets another fault.
async fn joining(database: Database) {
    let mut world = World::unfounded(database).await;
    world.rest().await;
    let (genesis, _) = world.membership();
    let body = json!({"genesis": genesis, "digest": genesis.digest().unwrap()});
    let faults = [("js-data", 0, Fault::Lost), (PROVIDER, 0, Fault::Persisted), ("nj-data", 1, Fault::Lost)];
    for (id, units, fault) in faults {
        let admin = world.as_(id, "administrator").desk().await;
        let store = world.organisation(id).store().clone();
        store.inject_after(units, fault);
        let what = format!("{fault:?} at commit {units} of {id}");
        until_done(&what, || admin.post("/v1/federation", body.clone()), succeeded).await;
        assert_eq!(store.withdraw_fault(), units == 1, "{what}: joining is one commit");
        for again in [false, true] {
            if again {
                started_again(&mut world, id).await;
            }
            let about = admin.get("/v1/federation").await.expect_status(200);
            assert_eq!((&about["name"], &about["entries"]), (&json!("jiangsu"), &json!(0)), "{what}");
        }
    }
}

mod a_member_joins {
    use super::*;

    #[tokio::test]
    async fn on_sqlite() {
        joining(Database::Sqlite).await;
    }

    #[tokio::test]
    async fn on_postgres() {
        if let Some(database) = Database::postgres() {
            joining(database).await;
        }
    }
}

story! {
    /// A delivery into a table is planned once and steered once, whichever commit failed.
    async fn a_delivery_plan(mut world: World) {
        crate::deliver::table(&world, 40).await;
        let agreement = world.agree_operation("2026-12-31").await;
        let steward = world.as_("nj-gxj", "data-steward").desk().await;
        world.rest().await;
        let mut number = 0;
        for step in ["create", "run", "pause", "resume", "end"] {
            let mut faults = Faults::at("nj-gxj");
            while let Some(what) = faults.next() {
                number += 1;
                let path = format!("/v1/deliveries/plan-{number}");
                let target = json!({"record": "operation-copy"});
                let name = format!("plan-{number}");
                let ask = json!({"name": name, "agreement": agreement, "target": target, "mode": "full"});
                if step != "create" {
                    steward.post("/v1/deliveries", ask.clone()).await.expect_status(200);
                }
                if step == "resume" {
                    steward.post(&format!("{path}/pause"), json!({})).await.expect_status(200);
                }
                faults.set(&world);
                let (route, body) = match step {
                    "create" => ("/v1/deliveries".to_owned(), ask),
                    _ => (format!("{path}/{step}"), json!({})),
                };
                until_done(&what, || steward.post(&route, body.clone()), succeeded).await;
                faults.lift(&world);
                let now = steward.get(&path).await.expect_status(200);
                let state = match step {
                    "pause" => "paused",
                    "end" => "ended",
                    _ => "active",
                };
                let found = (&now["state"], now["next_run"].is_string());
                assert_eq!(found, (&json!(state), step == "run"), "{step}: {what}");
                steward.post(&format!("{path}/end"), json!({})).await.expect_status(200);
            }
            assert!(faults.met_any(), "{step}");
        }
        let all = steward.get("/v1/deliveries").await.expect_status(200);
        assert_eq!(all.as_array().unwrap().len(), number);
    }
}

story! {
    /// An export begins, and whoever did not hear of it begins another: both are written down, and each is whole.
    async fn an_export_of_acts(mut world: World) {
        world.rest().await;
        let auditor = world.as_(PROVIDER, "auditor").desk().await;
        let ask = json!({"from": "2020-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z"});
        let (mut faults, mut begun) = (Faults::at(PROVIDER), 0);
        while let Some(what) = faults.next() {
            faults.set(&world);
            let told = until_done(&what, || auditor.post("/v1/audit/exports", ask.clone()), succeeded).await;
            let met = faults.lift(&world);
            begun += 1 + usize::from(met && what.starts_with("Persisted"));
            let export = told.expect_status(200)["export"].as_u64().unwrap();
            assert_eq!(leaves(&world, PROVIDER, "audit.export", "").await, begun, "{what}");
            let page = auditor.get(&format!("/v1/audit/exports/{export}")).await.expect_status(200);
            let last = page["acts"].as_array().unwrap().last().unwrap().clone();
            assert_eq!((&last["number"], last["proof"]["path"].is_array()), (&json!(export), true), "{what}");
        }
        assert!(faults.met_any());
    }
}

/// Which story walks the faults of which writing route.
const WALKED: [(&str, &str, &str); 53] = [
    ("POST", "/v1/packs", "a_pack"),
    ("POST", "/v1/imports", "an_import"),
    ("POST", "/v1/records/{name}", "a_row"),
    ("POST", "/v1/records/{name}/removals", "a_row"),
    ("POST", "/v1/sources/{name}/runs", "a_run_is_begun_once"),
    ("POST", "/v1/catalog", "an_entry"),
    ("DELETE", "/v1/catalog/{code}", "an_entry"),
    ("POST", "/v1/catalog/harvest", "a_harvest"),
    ("POST", "/v1/catalog/levels", "a_report"),
    ("POST", "/v1/catalog/reports/{organisation}/{entry}/acts", "a_report"),
    ("POST", "/v1/compilations/{name}/acts", "a_compilation"),
    ("POST", "/v1/template", "a_template"),
    ("POST", "/v1/demands/{name}/acts", "a_demand"),
    ("POST", "/v1/chain", "a_thing_of_the_chain"),
    ("DELETE", "/v1/chain/{kind}/{name}", "a_thing_of_the_chain"),
    ("POST", "/v1/requests", "a_request"),
    ("POST", "/v1/requests/{id}/answers", "an_answer_and_an_agreement"),
    ("POST", "/v1/requests/{id}/supplements", "a_supplement"),
    ("POST", "/v1/requests/{id}/agreement", "an_answer_and_an_agreement"),
    ("POST", "/v1/agreements/{id}/revocation", "a_revocation"),
    ("POST", "/v1/objections", "an_objection"),
    ("POST", "/v1/objections/{id}/rulings", "an_objection"),
    ("POST", "/v1/corrections/{id}/confirmation", "an_objection"),
    ("POST", "/v1/queries", "a_query_and_its_acknowledgement"),
    ("POST", "/v1/call/{agreement}/{path}", "a_call"),
    ("PUT", "/v1/call/{agreement}/{path}", "a_call"),
    ("PATCH", "/v1/call/{agreement}/{path}", "a_call"),
    ("DELETE", "/v1/call/{agreement}/{path}", "a_call"),
    ("POST", "/v1/pulls", "a_batch"),
    ("POST", "/v1/deliveries", "a_delivery_plan"),
    ("POST", "/v1/deliveries/{name}/run", "a_delivery_plan"),
    ("POST", "/v1/deliveries/{name}/pause", "a_delivery_plan"),
    ("POST", "/v1/deliveries/{name}/resume", "a_delivery_plan"),
    ("POST", "/v1/deliveries/{name}/end", "a_delivery_plan"),
    ("POST", "/v1/receipts/acknowledge", "a_query_and_its_acknowledgement"),
    ("POST", "/v1/federation", "joining"),
    ("POST", "/v1/federation/entries", "an_entry_of_the_membership_log"),
    ("POST", "/v1/audit/exports", "an_export_of_acts"),
    ("POST", "/v1/users", "an_account"),
    ("POST", "/v1/users/{name}/roles", "an_account"),
    ("POST", "/v1/users/{name}/state", "an_account"),
    ("POST", "/v1/users/{name}/password", "an_account"),
    ("POST", "/v1/users/{name}/unlock", "an_account"),
    ("DELETE", "/v1/users/{name}/second-factor", "a_second_factor"),
    ("POST", "/v1/second-factors", "a_second_factor"),
    ("POST", "/v1/second-factors/confirmation", "a_second_factor"),
    ("POST", "/v1/applications", "an_application"),
    ("DELETE", "/v1/applications/{name}", "an_application"),
    ("POST", "/v1/passwords", "an_account"),
    ("POST", "/v1/sessions", "a_session"),
    ("DELETE", "/v1/sessions", "a_session"),
    ("POST", "/v1/tokens", "a_token"),
    ("DELETE", "/v1/tokens/{id}", "a_token"),
];

/// Routes that write and have no table, with the reason.
const EXCUSED: [(&str, &str, &str); 1] = [("POST", "/v1/proposals", "it proposes and writes nothing")];

/// A route that writes stands in a table, or among the reasons; the table's story is there.
#[test]
fn every_writing_route_has_a_fault_table() {
    let stories = concat!(
        include_str!("calls.rs"),
        include_str!("cascade.rs"),
        include_str!("faults.rs"),
        include_str!("faults_of_setup.rs"),
        include_str!("objections.rs"),
        include_str!("sources.rs")
    );
    for (_, path, story) in WALKED {
        assert!(stories.contains(&format!("async fn {story}(")), "{path}: where is the story {story}?");
    }
    let known: BTreeSet<_> = WALKED.iter().chain(&EXCUSED).map(|(method, path, _)| (*method, *path)).collect();
    for route in ROUTES {
        let method = match route.method {
            Method::Get => continue,
            Method::Post if route.looks => continue,
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        };
        assert!(known.contains(&(method, route.path)), "{method} {} is in no fault table", route.path);
    }
}
