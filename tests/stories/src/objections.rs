//! Objections: a value that is found wrong is put right where it comes from, and everybody who had it hears of it and
//! says so, however long that takes.

use crate::faults::{Faults, leaves, succeeded, until_done};
use jiff::SignedDuration;
use serde_json::{Value, json};
use testkit::{Province, Relay, Reply, World, own_loopback, story};
use uuid::Uuid;

/// An agreement on the base facts between the provider and any member.
async fn agree(world: &World, consumer: &str) -> String {
    let requester = world.as_(consumer, "requester");
    let asked = requester.post("/v1/requests", World::draft("legal-person-base", "2026-12-31")).await;
    let id = asked.expect_status(200)["request"]["body"]["id"].as_str().unwrap().to_owned();
    let signed = requester.post(&format!("/v1/requests/{id}/agreement"), json!({})).await.expect_status(200);
    signed["agreement"]["body"]["id"].as_str().unwrap().to_owned()
}

async fn query(world: &World, consumer: &str, agreement: &str, key: &str) -> Value {
    let ask = json!({"agreement": agreement, "key": [key]});
    let answer = world.as_(consumer, "application").post("/v1/queries", ask).await.expect_status(200);
    answer["rows"][0].clone()
}

async fn tell(world: &World, organisation: &str) {
    world.on(organisation, async move |org| while org.tell_letters().await.unwrap() > 0 {}).await;
}

/// Every version of the row at the provider.
async fn history(world: &World, key: &str) -> Vec<Value> {
    let steward = world.as_("js-scjg", "data-steward");
    let history = steward.post("/v1/records/legal-person/history", json!({"key": [key]})).await.expect_status(200);
    history["versions"].as_array().unwrap().clone()
}

/// The row's status as it is, and another one.
fn statuses(province: &Province, key: &str) -> (String, String) {
    let row = province.lines.iter().find(|it| it["uscc"] == key).unwrap();
    let now = row["status"].clone();
    let other = if now == "deregistered" { "active" } else { "deregistered" };
    (now, other.to_owned())
}

fn keys(province: &Province) -> Vec<String> {
    let base = ["uscc", "name", "kind", "founded", "industry", "capital", "status", "authority", "division"];
    province.sound(&base).into_keys().collect()
}

fn telling<'a>(view: &'a Value, consumer: &str) -> &'a Value {
    let all = view["corrections"].as_array().map_or(&[][..], Vec::as_slice);
    all.iter().find(|it| it["correction"]["body"]["consumer"] == consumer).map_or(&Value::Null, |it| &it["telling"])
}

async fn kinds_of_notices(world: &World, organisation: &str, role: &str) -> Vec<String> {
    let notices = world.as_(organisation, role).get("/v1/notices").await.expect_status(200);
    notices.as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap().to_owned()).collect()
}

story! {
    /// A wrong value is objected to and corrected in one unit of work with its reason; the objector hears of it. Of
    /// three members with an agreement the two that had the row are told and confirm, one of them after a week away;
    /// the third, which had nothing, is not bothered.
    async fn a_correction_reaches_everybody_who_had_the_row(mut world: World) {
        let province = world.province(60).await;
        let relay = Relay::start(own_loopback(), world.peer_port("js-data")).await;
        world.readdress("js-data", relay.address()).await;
        let key = keys(&province).swap_remove(0);
        let (seen, right) = statuses(&province, &key);
        let [first, other] = [agree(&world, "nj-gxj").await, agree(&world, "js-data").await];
        let agreements = [first, other, agree(&world, "nj-data").await];
        for (consumer, agreement) in ["nj-gxj", "js-data"].into_iter().zip(&agreements) {
            assert_eq!(query(&world, consumer, agreement, &key).await["status"], seen);
        }
        world.token("nj-gxj", "requester").await;
        world.token("js-data", "requester").await;
        world.token("js-scjg", "provider-officer").await;
        world.rest().await;
        let draft = json!({
            "agreement": agreements[0], "key": [key], "columns": ["status"], "seen": {"status": seen},
            "right": {"status": right}, "reason": "该企业已办理注销，见登记机关公告",
        });
        let raised = world.as_("nj-gxj", "requester").post("/v1/objections", draft).await.expect_status(200);
        let id = raised["objection"]["body"]["id"].as_str().unwrap().to_owned();
        assert_eq!((&raised["stage"], &raised["undelivered"]), (&json!("open"), &Value::Null), "{raised}");

        let officer = world.as_("js-scjg", "provider-officer").desk().await;
        let waiting = officer.get("/v1/objections?waiting=true").await.expect_status(200);
        // Ten working days from a Tuesday.
        assert_eq!(waiting[0]["clocks"][0]["reading"]["due"]["day"], "2026-12-08", "{waiting}");
        assert_eq!(kinds_of_notices(&world, "js-scjg", "provider-officer").await, ["objection-received"]);
        let path = format!("/v1/objections/{id}");
        let rulings = format!("{path}/rulings");
        officer.post(&rulings, json!({"verdict": "accept"})).await.expect_status(200);
        officer.post(&rulings, json!({"verdict": "correct"})).await.expect_problem("exchange.reason", 422);
        let same = json!({"verdict": "correct", "reason": "核实", "row": {"status": seen}});
        officer.post(&rulings, same).await.expect_problem("registry.nothing_wrong", 409);

        relay.cut();
        let correct = json!({"verdict": "correct", "reason": "经核实已注销", "row": {"status": right}});
        let ruled = officer.post(&rulings, correct.clone()).await.expect_status(200);
        assert_eq!((&ruled["stage"], &ruled["closed"]), (&json!("corrected"), &json!(false)), "{ruled}");
        assert_eq!((telling(&ruled, "nj-gxj"), telling(&ruled, "js-data")), (&json!("told"), &json!("untold")));
        assert_eq!(telling(&ruled, "nj-data"), &Value::Null);
        officer.post(&rulings, correct).await.expect_problem("objection.ruled", 409);
        let history = history(&world, &key).await;
        let last = history.last().unwrap();
        assert_eq!(last["row"]["status"], json!(right));
        assert_eq!(last["from"]["why"], "经核实已注销");

        // The objector hears, fetches again, and confirms.
        let objector = world.as_("nj-gxj", "requester");
        assert_eq!(objector.get(&path).await.expect_status(200)["stage"], "corrected");
        assert!(kinds_of_notices(&world, "nj-gxj", "requester").await.contains(&"correction-received".to_owned()));
        assert_eq!(query(&world, "nj-gxj", &agreements[0], &key).await["status"], right);
        confirm(&world, "nj-gxj").await;
        let view = officer.get(&path).await.expect_status(200);
        assert_eq!(telling(&view, "nj-gxj"), &json!("confirmed"), "{view}");

        // A week later the other one is back.
        for _ in 0..7 {
            world.advance(SignedDuration::from_hours(24));
            world.refresh().await;
            tell(&world, "js-scjg").await;
        }
        let view = officer.get(&path).await.expect_status(200);
        assert_eq!(telling(&view, "js-data"), &json!("untold"), "{view}");
        assert_eq!(view["undelivered"][0]["to"], "js-data", "{view}");
        relay.mend();
        world.until("who was away hears", || async {
            tell(&world, "js-scjg").await;
            telling(&officer.get(&path).await.expect_status(200), "js-data") == &json!("told")
        }).await;
        confirm(&world, "js-data").await;
        let view = officer.get(&path).await.expect_status(200);
        assert_eq!((telling(&view, "js-data"), &view["closed"]), (&json!("confirmed"), &json!(true)), "{view}");
        for (kind, count) in [("objection", 1), ("ruling", 2), ("confirmation", 2)] {
            let named = if kind == "confirmation" { "cor_" } else { &id };
            assert_eq!(leaves(&world, "js-scjg", kind, named).await, count, "{kind}");
        }
    }
}

/// Somebody of the organisation confirms the one correction that waits for it.
async fn confirm(world: &World, organisation: &str) {
    let requester = world.as_(organisation, "requester");
    let waiting = requester.get("/v1/corrections?waiting=true").await.expect_status(200);
    assert_eq!(waiting.as_array().unwrap().len(), 1, "{waiting}");
    let id = waiting[0]["correction"]["body"]["id"].as_str().unwrap();
    let path = format!("/v1/corrections/{id}/confirmation");
    requester.post(&path, json!({"note": ""})).await.expect_problem("exchange.reason", 422);
    requester.post(&path, json!({"note": "已重新获取并更新"})).await.expect_status(200);
    requester.post(&path, json!({"note": "再次"})).await.expect_problem("objection.confirmed", 409);
    assert_eq!(requester.get("/v1/corrections?waiting=true").await.expect_status(200), json!([]));
}

story! {
    /// Of what was not ours the source department hears, and its ruling reaches whoever objected and whoever passed it
    /// on; a value that is right stays, and everybody hears why.
    async fn an_objection_is_passed_on_to_its_source(mut world: World) {
        let province = world.province(60).await;
        let key = keys(&province).swap_remove(0);
        let agreement = agree(&world, "nj-gxj").await;
        world.rest().await;
        let requester = world.as_("nj-gxj", "requester");
        let officer = world.as_("js-scjg", "provider-officer");
        let draft = json!({"agreement": agreement, "key": [key], "reason": "区划与实际不符"});
        let raised = requester.post("/v1/objections", draft).await.expect_status(200);
        let path = format!("/v1/objections/{}", raised["objection"]["body"]["id"].as_str().unwrap());
        let rulings = format!("{path}/rulings");
        officer.post(&rulings, json!({"verdict": "accept"})).await.expect_status(200);
        let on = |to: Value| json!({"verdict": "pass-on", "reason": "区划由数据局维护", "passed_to": to});
        officer.post(&rulings, on(Value::Null)).await.expect_problem("objection.passed_to", 422);
        officer.post(&rulings, on(json!("nobody"))).await.expect_problem("peer.not_member", 403);
        officer.post(&rulings, on(json!("js-data"))).await.expect_status(200);
        assert_eq!(requester.get(&path).await.expect_status(200)["stage"], "passed-on");

        let source = world.as_("js-data", "provider-officer");
        assert_eq!(source.get(&path).await.expect_status(200)["passed_by"], "js-scjg");
        let right = json!({"verdict": "unfounded", "reason": "与民政部门公布的区划一致"});
        source.post(&rulings, right).await.expect_status(200);
        for view in [requester.get(&path).await, officer.get(&path).await] {
            let view = view.expect_status(200);
            assert_eq!(view["rulings"].as_array().unwrap().len(), 3, "{view}");
            assert_eq!(view["rulings"][2]["body"]["by"], "js-data", "{view}");
        }
        assert_eq!(requester.get(&path).await.expect_status(200)["stage"], "unfounded");
        // Nobody else may rule or object in another's name.
        let stranger = world.as_("nj-data", "provider-officer");
        stranger.post(&rulings, json!({"verdict": "accept"})).await.expect_problem("objection.missing", 404);
        let draft = json!({"agreement": agreement, "key": [key], "reason": "试"});
        let other = world.as_("nj-data", "requester").post("/v1/objections", draft.clone()).await;
        other.expect_problem("exchange.agreement_missing", 404);
        world.as_("nj-gxj", "auditor").post("/v1/objections", draft).await.expect_problem("policy.role", 403);
        for (change, code) in [
            (json!({"key": [], "columns": []}), "objection.target"),
            (json!({"columns": ["telephone"]}), "objection.column"),
            (json!({"reason": " "}), "exchange.reason"),
            (json!({"reason": "长".repeat(2_001)}), "exchange.reason"),
            (json!({"seen": {"status": "x".repeat(70_000)}}), "objection.too_large"),
        ] {
            let mut draft = json!({"agreement": agreement, "key": [key], "reason": "试"});
            draft.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            assert_eq!(requester.post("/v1/objections", draft).await.code(), code);
        }
    }
}

story! {
    /// What its source corrected comes back to whoever passed it on, is carried out there, and everybody who had the
    /// row from there hears of it: whoever objected, and a third who did not.
    async fn what_its_source_corrected_reaches_the_recipients_of_whoever_passed_it_on(mut world: World) {
        let province = world.province(60).await;
        let key = keys(&province).swap_remove(0);
        let (seen, right) = statuses(&province, &key);
        let [objector, third] = [agree(&world, "nj-gxj").await, agree(&world, "nj-data").await];
        for (consumer, agreement) in [("nj-gxj", &objector), ("nj-data", &third)] {
            assert_eq!(query(&world, consumer, agreement, &key).await["status"], seen);
        }
        world.rest().await;
        let draft = json!({"agreement": objector, "key": [key], "columns": ["status"], "reason": "已注销"});
        let raised = world.as_("nj-gxj", "requester").post("/v1/objections", draft).await.expect_status(200);
        let path = format!("/v1/objections/{}", raised["objection"]["body"]["id"].as_str().unwrap());
        let rulings = format!("{path}/rulings");
        let officer = world.as_("js-scjg", "provider-officer");
        let on = |to: &str| json!({"verdict": "pass-on", "reason": "状态由数据局维护", "passed_to": to});
        officer.post(&rulings, on("nj-gxj")).await.expect_problem("objection.passed_to", 422);
        officer.post(&rulings, on("js-data")).await.expect_status(200);
        assert_eq!(officer.get("/v1/objections?waiting=true").await.expect_status(200), json!([]));
        let source = world.as_("js-data", "provider-officer");
        source.post(&rulings, on("js-scjg")).await.expect_problem("objection.passed_to", 422);
        let correct = json!({"verdict": "correct", "reason": "源头已更正"});
        source.post(&rulings, correct.clone()).await.expect_status(200);
        assert_eq!(world.as_("nj-gxj", "requester").get(&path).await.expect_status(200)["stage"], "corrected");

        // It is a task of the one that passed it on, and only to be carried out.
        let waiting = officer.get("/v1/objections?waiting=true").await.expect_status(200);
        assert_eq!((waiting.as_array().unwrap().len(), &waiting[0]["stage"]), (1, &json!("accepted")), "{waiting}");
        let kinds = kinds_of_notices(&world, "js-scjg", "provider-officer").await;
        assert!(kinds.contains(&"objection-ruled-2".to_owned()), "{kinds:?}");
        let unfounded = json!({"verdict": "unfounded", "reason": "维持"});
        officer.post(&rulings, unfounded).await.expect_problem("objection.ruled", 409);
        let here = json!({"verdict": "correct", "reason": "随源头更正", "row": {"status": right}});
        let view = officer.post(&rulings, here.clone()).await.expect_status(200);
        assert_eq!((telling(&view, "nj-gxj"), telling(&view, "nj-data")), (&json!("told"), &json!("told")), "{view}");
        assert_eq!(view["stage"], "corrected");
        officer.post(&rulings, here).await.expect_problem("objection.ruled", 409);
        for (consumer, agreement) in [("nj-gxj", &objector), ("nj-data", &third)] {
            assert_eq!(query(&world, consumer, agreement, &key).await["status"], right);
            confirm(&world, consumer).await;
        }
        let all = [("nj-gxj", "requester"), ("js-scjg", "provider-officer"), ("js-data", "provider-officer")];
        for (organisation, role) in all {
            let view = world.as_(organisation, role).get(&path).await.expect_status(200);
            assert_eq!(view["rulings"].as_array().unwrap().len(), 3, "{organisation}: {view}");
            assert_eq!((&view["closed"], &view["undelivered"]), (&json!(true), &Value::Null), "{organisation}: {view}");
        }
    }
}

story! {
    /// A row that should not be there is taken out; of a row that was put right before the ruling the version that was
    /// objected to counts; of a whole column everybody who ever had it is told.
    async fn rows_are_taken_out_and_columns_are_wrong(mut world: World) {
        let province = world.province(60).await;
        let all = keys(&province);
        let agreement = agree(&world, "nj-gxj").await;
        query(&world, "nj-gxj", &agreement, &all[0]).await;
        world.rest().await;
        world.advance(SignedDuration::from_mins(1));
        let requester = world.as_("nj-gxj", "requester");
        let officer = world.as_("js-scjg", "provider-officer");
        let ruled = async |target: Value, ruling: Value| {
            let mut draft = json!({"agreement": agreement, "reason": "有误"});
            draft.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
            let raised = requester.post("/v1/objections", draft).await.expect_status(200);
            let id = raised["objection"]["body"]["id"].as_str().unwrap().to_owned();
            world.advance(SignedDuration::from_mins(1));
            if let Some(row) = ruling.get("before") {
                let put = json!({"row": row, "why": "先行更正"});
                world.as_("js-scjg", "data-steward").post("/v1/records/legal-person", put).await.expect_status(200);
            }
            let mut body = json!({"verdict": "correct", "reason": "已核实"});
            body["remove"] = ruling.get("remove").cloned().unwrap_or(json!(false));
            world.advance(SignedDuration::from_mins(1));
            let path = format!("/v1/objections/{id}/rulings");
            let view = officer.post(&path, body).await.expect_status(200);
            view["corrections"][0]["correction"]["body"].clone()
        };
        let removed = ruled(json!({"key": [all[0]]}), json!({"remove": true})).await;
        assert_eq!((&removed["cause"], &removed["key"]), (&json!("removed"), &json!([all[0]])), "{removed}");
        assert!(!history(&world, &all[0]).await.last().unwrap()["until"].is_null());

        let mut row = history(&world, &all[1]).await.pop().unwrap()["row"].clone();
        row["status"] = statuses(&province, &all[1]).1.into();
        let target = json!({"key": [all[1]], "columns": ["status"]});
        let before = ruled(target, json!({"before": row})).await;
        assert_eq!((&before["cause"], &before["columns"]), (&json!("corrected"), &json!(["status"])), "{before}");
        let column = ruled(json!({"columns": ["industry"]}), json!({})).await;
        assert_eq!((&column["key"], &column["columns"]), (&Value::Null, &json!(["industry"])), "{column}");
        let auditor = world.as_("nj-gxj", "auditor").get("/v1/corrections").await.expect_status(200);
        assert_eq!(auditor.as_array().unwrap().len(), 3, "{auditor}");
        let administrator = world.as_("nj-gxj", "administrator");
        administrator.get("/v1/objections").await.expect_problem("policy.role", 403);
        administrator.get("/v1/corrections").await.expect_problem("policy.role", 403);
    }
}

story! {
    /// Whatever goes out while a row is being corrected is found in the minutes after, and its recipient told too.
    async fn whoever_was_being_answered_is_told_too(mut world: World) {
        let province = world.province(60).await;
        let key = keys(&province).swap_remove(0);
        let (_, right) = statuses(&province, &key);
        let (objector, other) = (agree(&world, "nj-gxj").await, agree(&world, "nj-data").await);
        query(&world, "nj-gxj", &objector, &key).await;
        world.rest().await;
        let draft = json!({"agreement": objector, "key": [key], "columns": ["status"], "reason": "已注销"});
        let raised = world.as_("nj-gxj", "requester").post("/v1/objections", draft).await.expect_status(200);
        let path = format!("/v1/objections/{}", raised["objection"]["body"]["id"].as_str().unwrap());
        let officer = world.as_("js-scjg", "provider-officer");
        let correct = json!({"verdict": "correct", "reason": "已核实", "row": {"status": right}});
        let ruled = officer.post(&format!("{path}/rulings"), correct).await.expect_status(200);
        assert_eq!(telling(&ruled, "nj-data"), &Value::Null);
        // As far as anybody can tell this answer was read before.
        query(&world, "nj-data", &other, &key).await;
        let found = world.on("js-scjg", async move |org| org.follow_corrections().await.unwrap()).await;
        assert_eq!(found, 1);
        tell(&world, "js-scjg").await;
        let view = officer.get(&path).await.expect_status(200);
        assert_eq!(telling(&view, "nj-data"), &json!("told"), "{view}");
        // Who heard and does not confirm is asked again a day later, and told once all the same.
        world.advance(SignedDuration::from_hours(25));
        world.refresh().await;
        let asked = world.on("js-scjg", async move |org| org.follow_corrections().await.unwrap()).await;
        assert_eq!(asked, 2);
        tell(&world, "js-scjg").await;
        let waiting = world.as_("nj-data", "requester").get("/v1/corrections?waiting=true").await.expect_status(200);
        assert_eq!(waiting.as_array().unwrap().len(), 1, "{waiting}");
    }
}

story! {
    /// An objection is raised, ruled on, corrected and confirmed once, whichever commit at either side failed.
    async fn an_objection(mut world: World) {
        world.rest().await;
        let province = world.province(60).await;
        let agreement = agree(&world, "nj-gxj").await;
        let mut rows = keys(&province).into_iter();
        world.token("nj-gxj", "requester").await;
        world.token("nj-gxj", "application").await;
        world.token("js-scjg", "provider-officer").await;
        let mut number = 0_u128;
        for side in ["nj-gxj", "js-scjg"] {
            let mut faults = Faults::at(side);
            while let Some(what) = faults.next() {
                let key = rows.next().unwrap();
                let (seen, right) = statuses(&province, &key);
                assert_eq!(query(&world, "nj-gxj", &agreement, &key).await["status"], seen);
                number += 1;
                let id = format!("obj_{}", Uuid::from_u128(number << 64).simple());
                let draft = json!({
                    "agreement": agreement, "key": [key], "columns": ["status"], "reason": "已注销", "id": id,
                });
                let (requester, officer) = (world.as_("nj-gxj", "requester"), world.as_("js-scjg", "provider-officer"));
                let path = format!("/v1/objections/{id}");
                faults.set(&world);
                until_done(&what, || requester.post("/v1/objections", draft.clone()), succeeded).await;
                settle(&world).await;
                let rulings = format!("{path}/rulings");
                let correct = json!({"verdict": "correct", "reason": "已核实", "row": {"status": right}});
                let ruled = |it: &Reply| succeeded(it) || it.code() == "objection.ruled"
                    || it.code() == "registry.nothing_wrong";
                until_done(&what, || officer.post(&rulings, correct.clone()), ruled).await;
                settle(&world).await;
                let waiting = requester.get("/v1/corrections?waiting=true").await.expect_status(200);
                let correction = waiting[0]["correction"]["body"]["id"].as_str().unwrap().to_owned();
                let confirmation = format!("/v1/corrections/{correction}/confirmation");
                let confirmed = |it: &Reply| succeeded(it) || it.code() == "objection.confirmed";
                until_done(&what, || requester.post(&confirmation, json!({"note": "已更新"})), confirmed).await;
                settle(&world).await;
                faults.lift(&world);
                let view = officer.get(&path).await.expect_status(200);
                assert_eq!((&view["closed"], &view["undelivered"]), (&json!(true), &Value::Null), "{what}: {view}");
                assert_eq!(requester.get(&path).await.expect_status(200)["stage"], "corrected", "{what}");
                for (at, kind) in [("nj-gxj", "objection"), ("js-scjg", "objection"), ("nj-gxj", "ruling")] {
                    assert_eq!(leaves(&world, at, kind, &id).await, 1, "{what}: {kind} at {at}");
                }
                for at in ["nj-gxj", "js-scjg"] {
                    assert_eq!(leaves(&world, at, "confirmation", &correction).await, 1, "{what}: at {at}");
                }
                assert_eq!(history(&world, &key).await.len(), 2, "{what}");
            }
            assert!(faults.met_any());
        }
    }
}

/// Both sides tell what they have to tell; a fault may meet that too.
async fn settle(world: &World) {
    for _ in 0..3 {
        for organisation in ["nj-gxj", "js-scjg"] {
            drop(world.on(organisation, async move |org| org.tell_letters().await).await);
        }
    }
}
