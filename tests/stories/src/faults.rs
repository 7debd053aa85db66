//! The fault table: every write fails at every one of its commits, once without effect and once with, and is tried
//! again; afterwards it has happened exactly once.
//!
//! The nodes' own jobs rest meanwhile, so that the fault meets the write it was meant for.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::Fault;
use testkit::{Province, Reply, World, import_path, story};
use uuid::Uuid;

/// What the import of base facts reads.
const BASE: [&str; 9] = ["uscc", "name", "kind", "founded", "industry", "capital", "status", "authority", "division"];
/// No write has more commits on one side than this.
const UNITS_MAX: u32 = 12;

/// Every place at which a fault can meet a write of `organisation`'s.
pub(crate) struct Faults<'a> {
    organisation: &'a str,
    next: u32,
    fault: Fault,
    missed: Option<bool>,
}

impl<'a> Faults<'a> {
    pub(crate) fn at(organisation: &'a str) -> Self {
        Self { organisation, next: 0, fault: Fault::Lost, missed: None }
    }

    /// The next fault; none once a write went through without meeting it.
    pub(crate) fn next(&mut self) -> Option<String> {
        match (self.missed.take(), self.fault) {
            (None, _) => {}
            (Some(true), _) => return None,
            (Some(false), Fault::Lost) => self.fault = Fault::Persisted,
            (Some(false), _) => (self.fault, self.next) = (Fault::Lost, self.next + 1),
        }
        assert!(self.next < UNITS_MAX, "a write without end");
        Some(format!("{:?} at commit {} of {}", self.fault, self.next, self.organisation))
    }

    /// The write begins.
    pub(crate) fn set(&self, world: &World) {
        world.organisation(self.organisation).store().inject_after(self.next, self.fault);
    }

    /// The write has been done; says whether it met the fault.
    pub(crate) fn lift(&mut self, world: &World) -> bool {
        let missed = world.organisation(self.organisation).store().withdraw_fault();
        self.missed = Some(missed);
        !missed
    }

    /// A number of its own for each fault of a walk.
    pub(crate) fn number(&self) -> u32 {
        2 * self.next + u32::from(matches!(self.fault, Fault::Persisted))
    }

    pub(crate) fn met_any(&self) -> bool {
        self.next > 0
    }
}

/// Tries until it is done: the fault, then at most what `patience` more tries say.
pub(crate) async fn until_done<F: Future<Output = Reply>>(
    what: &str,
    mut attempt: impl FnMut() -> F,
    done: impl Fn(&Reply) -> bool,
) -> Reply {
    let mut heard = Vec::new();
    for _ in 0..4 {
        let reply = attempt().await;
        if done(&reply) {
            return reply;
        }
        assert_eq!((reply.code().as_str(), reply.status), ("store.commit_unknown", 503), "{what}: {}", reply.text());
        heard.push(reply.code());
    }
    panic!("{what}: not done after {heard:?}");
}

pub(crate) fn succeeded(reply: &Reply) -> bool {
    reply.status == 200
}

story! {
    /// An import loads each row once, whichever of its commits failed.
    async fn an_import(mut world: World) {
        world.rest().await;
        world.install_packs(|_, text| text).await;
        let steward = world.as_("js-scjg", "data-steward");
        world.token("js-scjg", "data-steward").await;
        let mut faults = Faults::at("js-scjg");
        let mut seed = 1_u128;
        let mut before = 0;
        while let Some(what) = faults.next() {
            seed += 1;
            let province = Province::draw_from(u64::try_from(seed).unwrap(), 60);
            let path = format!("{}&id=imp_{}", import_path("legal-person"), Uuid::from_u128(seed << 64).simple());
            faults.set(&world);
            let report = until_done(&what, || steward.upload(&path, province.csv.clone()), succeeded).await.json();
            faults.lift(&world);
            let sound = province.sound(&BASE);
            assert_eq!(
                (&report["read"], &report["loaded"], &report["rejected"]),
                (&json!(60), &json!(sound.len()), &json!(60 - sound.len())),
                "{what}"
            );
            let types = steward.get("/v1/records").await.expect_status(200);
            let person = types.as_array().unwrap().iter().find(|it| it["name"] == "legal-person").unwrap();
            let rows = person["rows"].clone();
            before += sound.len();
            assert_eq!(rows, json!(before), "{what}");
            // Not even a version twice.
            let key = sound.keys().next_back().unwrap();
            let path = "/v1/records/legal-person/history";
            let history = steward.post(path, json!({"key": [key]})).await.expect_status(200);
            assert_eq!(history["versions"].as_array().unwrap().len(), 1, "{what}: {history}");
        }
        assert!(faults.met_any());
    }
}

story! {
    /// A row is written once and taken out once, whichever commit failed: no version stands in its history twice.
    async fn a_row(mut world: World) {
        world.rest().await;
        world.install_packs(|_, text| text).await;
        let steward = world.as_("js-scjg", "data-steward");
        world.token("js-scjg", "data-steward").await;
        let province = Province::draw(1_000);
        let mut rows = province.sound(&BASE).into_values();
        for step in ["put", "put with a key", "delete"] {
            let mut faults = Faults::at("js-scjg");
            while let Some(what) = faults.next() {
                let row = rows.next().unwrap();
                let row: BTreeMap<&str, &str> = BASE.iter().map(|it| (*it, row[*it].as_str())).collect();
                let key = row["uscc"];
                let mut body = json!({"row": row, "why": "试"});
                if step == "put with a key" {
                    body["idempotency_key"] = json!(key);
                }
                let path = "/v1/records/legal-person";
                let gone = json!({"key": [key], "why": "误录"});
                if step == "delete" {
                    steward.post(path, body.clone()).await.expect_status(200);
                }
                faults.set(&world);
                let reply = match step {
                    "delete" => {
                        let done = |it: &Reply| succeeded(it) || it.code() == "registry.no_row";
                        let removals = format!("{path}/removals");
                        until_done(&what, || steward.post(&removals, gone.clone()), done).await
                    }
                    _ => until_done(&what, || steward.post(path, body.clone()), succeeded).await,
                };
                faults.lift(&world);
                if step == "put with a key" {
                    assert_eq!(reply.json()["outcome"], "added", "{what}: the answer is that of the first time");
                }
                let history = steward.post(&format!("{path}/history"), json!({"key": [key]})).await.expect_status(200);
                let versions = history["versions"].as_array().unwrap();
                assert_eq!(versions.len(), 1, "{step}: {what}");
                assert_eq!(versions[0]["until"].is_null(), step != "delete", "{step}: {what}");
            }
            assert!(faults.met_any(), "{step}");
        }
    }
}

story! {
    /// A request is asked once and agreed once, whichever commit at either side failed.
    async fn a_request(mut world: World) {
        world.rest().await;
        world.install_packs(|_, text| text).await;
        let requester = world.as_("nj-gxj", "requester");
        world.token("nj-gxj", "requester").await;
        let mut number = 0_u128;
        for side in ["nj-gxj", "js-scjg"] {
            let mut faults = Faults::at(side);
            while let Some(what) = faults.next() {
                number += 1;
                let mut draft = World::draft("legal-person-base", "2026-12-31");
                draft["id"] = format!("req_{}", Uuid::from_u128(number).simple()).into();
                faults.set(&world);
                let view = until_done(&what, || requester.post("/v1/requests", draft.clone()), succeeded).await.json();
                faults.lift(&world);
                assert_eq!(view["request"]["body"]["id"], draft["id"], "{what}");
                assert!(world.news(draft["id"].as_str().unwrap()).await["standing"]["agreed"].is_object(), "{what}");
                for id in ["nj-gxj", "js-scjg"] {
                    let all = world.as_(id, "requester").get("/v1/requests").await.expect_status(200);
                    assert_eq!(all.as_array().unwrap().len() as u128, number, "{what}: at {id}");
                }
            }
            assert!(faults.met_any());
        }
    }
}

/// Whether an answer has been given: now, or by the try before.
fn answered(reply: &Reply) -> bool {
    succeeded(reply) || reply.code() == "exchange.turn"
}

story! {
    /// Each step answers once; the agreement is proposed, signed and live once, whichever commit failed.
    async fn an_answer_and_an_agreement(mut world: World) {
        world.rest().await;
        world.install_packs(|_, text| text).await;
        world.token("nj-gxj", "requester").await;
        for (id, role) in [("nj-gxj", "checker"), ("js-data", "approver"), ("js-scjg", "provider-officer")] {
            world.token(id, role).await;
        }
        for side in ["nj-gxj", "js-data", "js-scjg"] {
            let mut faults = Faults::at(side);
            while let Some(what) = faults.next() {
                let asked = world.ask("legal-person-operation", "2026-12-31").await;
                let id = asked["request"]["body"]["id"].as_str().unwrap();
                // From the first answer to the signature: the fault meets whatever it meets.
                faults.set(&world);
                for step in ["own-department", "authority", "provider"] {
                    let verdict = json!({"verdict": "agree"});
                    until_done(&what, || world.answer(id, step, verdict.clone()), answered).await;
                    let path = format!("/v1/requests/{id}");
                    let requester = world.as_("nj-gxj", "requester");
                    until_done(&what, || requester.get(&path), succeeded).await;
                }
                let path = format!("/v1/requests/{id}/agreement");
                let requester = world.as_("nj-gxj", "requester");
                let view = until_done(&what, || requester.post(&path, json!({})), succeeded).await.json();
                faults.lift(&world);
                let story = world.news(id).await;
                assert_eq!(story["events"].as_array().unwrap().len(), 3, "{what}");
                let agreement = view["agreement"]["body"]["id"].as_str().unwrap();
                for at in ["nj-gxj", "js-scjg"] {
                    let theirs = world.as_(at, "auditor").get(&format!("/v1/agreements/{agreement}")).await;
                    let theirs = theirs.expect_status(200);
                    assert_eq!(theirs["state"], "live", "{what}: at {at}");
                    assert_eq!(theirs["agreement"]["signatures"].as_array().unwrap().len(), 2, "{what}: at {at}");
                    assert_eq!(leaves(&world, at, "agreement", agreement).await, 1, "{what}: leaves at {at}");
                }
            }
            assert!(faults.met_any());
        }
    }
}

story! {
    /// A request is supplemented once, whichever commit at any side failed.
    async fn a_supplement(mut world: World) {
        world.rest().await;
        world.install_packs(|_, text| text).await;
        world.token("nj-gxj", "requester").await;
        for (id, role) in [("nj-gxj", "checker"), ("js-data", "approver")] {
            world.token(id, role).await;
        }
        for side in ["nj-gxj", "js-data", "js-scjg"] {
            let mut faults = Faults::at(side);
            while let Some(what) = faults.next() {
                let asked = world.ask("legal-person-operation", "2026-12-31").await;
                let id = asked["request"]["body"]["id"].as_str().unwrap();
                world.answer(id, "own-department", json!({"verdict": "agree"})).await.expect_status(200);
                let reason = json!({"verdict": "supplement", "reason": "请说明使用频次的依据"});
                world.answer(id, "authority", reason).await.expect_status(200);
                world.news(id).await;
                let path = format!("/v1/requests/{id}/supplements");
                let requester = world.as_("nj-gxj", "requester");
                faults.set(&world);
                until_done(&what, || requester.post(&path, json!({"note": "每日核对"})), answered).await;
                let news = format!("/v1/requests/{id}");
                until_done(&what, || requester.get(&news), succeeded).await;
                faults.lift(&world);
                // The authority has heard of it, and it is its turn again.
                world.answer(id, "authority", json!({"verdict": "agree"})).await.expect_status(200);
                let story = world.news(id).await;
                let events = story["events"].as_array().unwrap().iter();
                let supplements = events.filter(|it| it.to_string().contains("每日核对")).count();
                assert_eq!(supplements, 1, "{what}: {story}");
            }
            assert!(faults.met_any() || side == "js-scjg");
        }
    }
}

story! {
    /// A revocation holds once, whichever commit failed, and from the moment on at which it was tried.
    async fn a_revocation(mut world: World) {
        world.rest().await;
        world.province(60).await;
        world.token("nj-gxj", "application").await;
        world.token("js-scjg", "provider-officer").await;
        for side in ["js-scjg", "nj-gxj"] {
            let mut faults = Faults::at(side);
            while let Some(what) = faults.next() {
                let agreement = world.agree_base().await;
                let path = format!("/v1/agreements/{agreement}/revocation");
                let officer = world.as_("js-scjg", "provider-officer");
                faults.set(&world);
                let revoke = || officer.post(&path, json!({"reason": "依据变更"}));
                until_done(&what, revoke, |it| succeeded(it) || it.code() == "exchange.revoked").await;
                faults.lift(&world);
                world.query(&agreement, json!({"limit": 1})).await.expect_problem("exchange.revoked", 403);
                assert_eq!(leaves(&world, "js-scjg", "revocation", &agreement).await, 1, "{what}");
            }
            assert!(faults.met_any());
        }
    }
}

/// How many leaves of that kind name `id` in an organisation's log.
pub(crate) async fn leaves(world: &World, organisation: &str, kind: &'static str, id: &str) -> usize {
    let id = id.to_owned();
    let all = async move |org: std::sync::Arc<node::Organisation>| {
        while org.sequence_once().await? {}
        evidence::leaves(&mut org.store().read().await?, 0, 1_000).await
    };
    let all = world.on(organisation, all).await.unwrap();
    all.iter().filter(|it| it.kind == kind && it.body.as_deref().is_some_and(|it| it.contains(&id))).count()
}

async fn receipts(world: &World, organisation: &str) -> Vec<Value> {
    world.as_(organisation, "auditor").get("/v1/receipts").await.expect_status(200).as_array().unwrap().clone()
}

story! {
    /// A query answers once and is taken over once; what the provider issued and the consumer never got is
    /// countersigned by nobody. Countersigning twice closes once.
    async fn a_query_and_its_acknowledgement(mut world: World) {
        world.rest().await;
        world.province(60).await;
        let agreement = world.agree_base().await;
        world.token("nj-gxj", "application").await;
        let mut asked = 0;
        for side in ["nj-gxj", "js-scjg"] {
            let mut faults = Faults::at(side);
            while let Some(what) = faults.next() {
                let query = || world.query(&agreement, json!({"limit": 3}));
                faults.set(&world);
                let answer = until_done(&what, query, succeeded).await.json();
                let met = faults.lift(&world);
                assert_eq!(answer["rows"].as_array().unwrap().len(), 3);
                asked += 1;
                let taken = receipts(&world, "nj-gxj").await;
                // A persisted take-over whose caller heard of a failure is one more, used by nobody.
                let persisted = side == "nj-gxj" && what.starts_with("Persisted");
                asked += usize::from(persisted && met);
                assert_eq!(taken.len(), asked, "{what}");
            }
            assert!(faults.met_any());
        }
        let path = "/v1/receipts/acknowledge";
        for side in ["nj-gxj", "js-scjg"] {
            let mut faults = Faults::at(side);
            while let Some(what) = faults.next() {
                world.query(&agreement, json!({"limit": 1})).await.expect_status(200);
                let before = open(&world, &agreement).await;
                faults.set(&world);
                let due = receipts(&world, "nj-gxj").await.iter().filter(|it| it["state"] == "issued").count();
                let application = world.application();
                until_done(&what, || application.post(path, json!({})), succeeded).await;
                faults.lift(&world);
                assert_eq!(open(&world, &agreement).await, before - due, "{what}");
                assert!(receipts(&world, "nj-gxj").await.iter().all(|it| it["state"] == "acknowledged"), "{what}");
            }
            assert!(faults.met_any());
        }
    }
}

async fn open(world: &World, agreement: &str) -> usize {
    let path = format!("/v1/agreements/{agreement}");
    let view = world.as_("js-scjg", "auditor").get(&path).await.expect_status(200);
    usize::try_from(view["open_receipts"].as_u64().unwrap()).unwrap()
}

story! {
    /// Each part of a batch is issued once and taken over once, whichever commit at either side failed.
    async fn a_batch(mut world: World) {
        world.rest().await;
        world.province(100).await;
        let agreement = world.agree_base().await;
        world.token("nj-gxj", "application").await;
        let mut number = 0_u128;
        for side in ["nj-gxj", "js-scjg"] {
            let mut faults = Faults::at(side);
            while let Some(what) = faults.next() {
                // The consumer draws the id, so that beginning again is beginning the same.
                number += 1;
                let id = format!("dlv_{}", Uuid::from_u128(number << 64).simple());
                let ask = json!({"agreement": agreement, "format": "csv", "id": id});
                let path = format!("/v1/pulls/{id}");
                let application = world.application();
                faults.set(&world);
                let pull = until_done(&what, || application.post("/v1/pulls", ask.clone()), succeeded).await.json();
                world.until(&what, || async {
                    // The fault may meet the job's own note of how far it is: it goes on at its next turn.
                    drop(world.on("nj-gxj", async move |org| org.carry_pulls().await).await);
                    world.application().get(&path).await.expect_status(200)["state"] == "done"
                }).await;
                faults.lift(&world);
                let end = world.application().get(&path).await.expect_status(200);
                for at in ["nj-gxj", "js-scjg"] {
                    let mut parts: Vec<u64> = receipts(&world, at).await.iter()
                        .filter(|it| it["body"]["delivery"] == pull["id"])
                        .map(|it| it["body"]["part"].as_u64().unwrap())
                        .collect();
                    parts.sort_unstable();
                    let all: Vec<u64> = (0..end["parts"].as_u64().unwrap()).collect();
                    assert!(all.len() > 3);
                    assert_eq!(parts, all, "{what}: at {at}");
                }
                if faults.next > 7 {
                    break;
                }
            }
            assert!(faults.met_any());
        }
    }
}
