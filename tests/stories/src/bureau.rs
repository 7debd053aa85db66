//! What a bureau lives by: what waits and is late, who is reminded, and the month's accounts with their proofs.

use jiff::SignedDuration;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::{World, story};

async fn list(world: &World, organisation: &str, role: &str, query: &str) -> BTreeSet<String> {
    let path = format!("/v1/requests?{query}");
    let all = world.as_(organisation, role).get(&path).await.expect_status(200);
    all.as_array().unwrap().iter().map(|it| it["request"]["body"]["id"].as_str().unwrap().to_owned()).collect()
}

/// A conditional request that waits for this step; its id.
async fn waiting_for(world: &World, step: &str) -> String {
    let asked = world.ask("legal-person-operation", "2026-12-31").await;
    let id = asked["request"]["body"]["id"].as_str().unwrap().to_owned();
    for before in ["own-department", "authority"].into_iter().take_while(|it| *it != step) {
        world.answer(&id, before, json!({"verdict": "agree"})).await.expect_status(200);
        world.news(&id).await;
    }
    id
}

fn set<'a>(ids: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    ids.into_iter().cloned().collect()
}

story! {
    /// What waits for a role is exactly what it has to do, at the organisation where it has to: nothing else, and
    /// nothing of it is missing.
    async fn what_waits_for_me_is_exact(world: World) {
        world.province(40).await;
        let checker = waiting_for(&world, "own-department").await;
        let approver = waiting_for(&world, "authority").await;
        let officer = waiting_for(&world, "provider").await;
        let signer = world.ask("legal-person-base", "2026-12-31").await;
        let signer = signer["request"]["body"]["id"].as_str().unwrap().to_owned();
        let supplement = waiting_for(&world, "authority").await;
        let reason = json!({"verdict": "supplement", "reason": "请说明用途"});
        world.answer(&supplement, "authority", reason).await.expect_status(200);
        world.news(&supplement).await;
        for (organisation, role, wanted) in [
            ("nj-gxj", "checker", set([&checker])),
            ("nj-gxj", "requester", set([&signer, &supplement])),
            ("nj-gxj", "approver", set([])),
            ("js-data", "approver", set([&approver])),
            ("js-scjg", "provider-officer", set([&officer])),
            ("js-data", "provider-officer", set([])),
        ] {
            let asked = list(&world, organisation, role, &format!("waiting_for={role}")).await;
            assert_eq!(asked, wanted, "{role} of {organisation}");
            assert_eq!(list(&world, organisation, role, "mine=true").await, wanted, "{role} of {organisation}");
        }
        world.sign(&signer).await;
        assert_eq!(list(&world, "nj-gxj", "requester", "mine=true").await, set([&supplement]));
        assert_eq!(list(&world, "nj-gxj", "requester", "overdue=true").await, set([]));
        let nobody = world.as_("nj-gxj", "requester").get("/v1/requests?waiting_for=nobody").await;
        nobody.expect_problem("web.parameter", 422);
    }
}

async fn remind(world: &World, organisation: &str) -> usize {
    world.on(organisation, async move |org| org.remind().await.unwrap()).await
}

async fn kinds(world: &World, organisation: &str, role: &str) -> Vec<String> {
    let notices = world.as_(organisation, role).get("/v1/notices").await.expect_status(200);
    let mut kinds: Vec<String> =
        notices.as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap().to_owned()).collect();
    kinds.sort();
    kinds
}

/// So many days pass, and everybody is reminded each morning, twice.
async fn days(world: &mut World, count: u32) {
    for _ in 0..count {
        world.advance(SignedDuration::from_hours(24));
        world.refresh().await;
        for _ in 0..2 {
            for organisation in ["nj-gxj", "js-scjg", "js-data"] {
                remind(world, organisation).await;
            }
        }
    }
}

story! {
    /// Who lets a request lie is reminded once at each stage; when it is late, whoever waits sees it in its list, and
    /// the authority in charge hears of it once.
    async fn a_clock_reminds_once_a_stage(mut world: World) {
        world.province(40).await;
        for organisation in ["nj-gxj", "js-data"] {
            for pack in ["calendar-cn", "exchange-deadlines"] {
                world.install(organisation, pack, |_, text| text).await;
            }
        }
        world.rest().await;
        let id = waiting_for(&world, "provider").await;
        // In on Tuesday 24 November, ten working days: Tuesday 8 December.
        days(&mut world, 8).await;
        assert_eq!(kinds(&world, "js-scjg", "provider-officer").await, [""; 0]);
        days(&mut world, 1).await;
        assert_eq!(kinds(&world, "js-scjg", "provider-officer").await, ["clock-yellow-provider"]);
        days(&mut world, 4).await;
        let stages = ["clock-red-provider", "clock-yellow-provider"];
        assert_eq!(kinds(&world, "js-scjg", "provider-officer").await, stages);
        assert_eq!(list(&world, "nj-gxj", "requester", "overdue=true").await, set([]));
        days(&mut world, 2).await;
        assert_eq!(list(&world, "nj-gxj", "requester", "overdue=true").await, set([&id]));
        assert_eq!(list(&world, "js-scjg", "provider-officer", "overdue=true&mine=true").await, set([&id]));
        assert_eq!(kinds(&world, "js-data", "approver").await, [""; 0]);
        days(&mut world, 3).await;
        let all = ["clock-escalated-provider", "clock-overdue-provider", "clock-red-provider", "clock-yellow-provider"];
        assert_eq!(kinds(&world, "js-scjg", "provider-officer").await, all);
        assert_eq!(kinds(&world, "js-data", "approver").await, ["escalated-provider"]);
        assert_eq!(kinds(&world, "nj-gxj", "requester").await, ["escalated-provider"]);
        // It answers, late; nobody is reminded any more.
        world.answer(&id, "provider", json!({"verdict": "agree"})).await.expect_status(200);
        days(&mut world, 2).await;
        assert_eq!(kinds(&world, "js-scjg", "provider-officer").await, all);
        assert_eq!(list(&world, "nj-gxj", "requester", "overdue=true").await, set([]));
    }
}

story! {
    /// An objection that was passed on waits for whoever has it: when that one lets it lie, whoever objected sees it as
    /// overdue, and the authority hears of it once.
    async fn what_was_passed_on_is_late_too(mut world: World) {
        let province = world.province(40).await;
        for pack in ["calendar-cn", "exchange-deadlines"] {
            world.install("nj-gxj", pack, |_, text| text).await;
        }
        let base = world.agree_base().await;
        world.rest().await;
        let draft = json!({"agreement": base, "key": [province.lines[0]["uscc"]], "reason": "名称有误"});
        let raised = world.as_("nj-gxj", "requester").post("/v1/objections", draft).await.expect_status(200);
        let id = raised["objection"]["body"]["id"].as_str().unwrap().to_owned();
        days(&mut world, 8).await;
        let on = json!({"verdict": "pass-on", "reason": "名称由南京维护", "passed_to": "nj-data"});
        let rulings = format!("/v1/objections/{id}/rulings");
        world.as_("js-scjg", "provider-officer").post(&rulings, on).await.expect_status(200);
        let overdue = async |world: &World| {
            let all = world.as_("nj-gxj", "requester").get("/v1/objections?overdue=true").await.expect_status(200);
            all.as_array().unwrap().iter().map(|it| it["objection"]["body"]["id"].clone()).collect::<Vec<_>>()
        };
        // The term of the department that has it now begins when it was passed on.
        days(&mut world, 12).await;
        assert_eq!((overdue(&world).await, kinds(&world, "nj-gxj", "requester").await.len()), (vec![], 1));
        days(&mut world, 6).await;
        assert_eq!(overdue(&world).await, [json!(id)]);
        assert_eq!(kinds(&world, "nj-gxj", "requester").await, ["escalated-source", "objection-ruled-1"]);
        assert_eq!(kinds(&world, "js-data", "approver").await, ["escalated-source"]);
    }
}

/// Every id that a figure was counted from, over all pages.
async fn proof(world: &World, organisation: &str, figure: &Value) -> Vec<String> {
    let path = figure["proof"].as_str().unwrap();
    let proof = world.as_(organisation, "auditor").get(path).await.expect_status(200);
    assert_eq!(proof["next"], Value::Null, "{proof}");
    proof["ids"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
}

fn figure<'a>(accounts: &'a Value, name: &str, department: &str) -> Option<&'a Value> {
    let figures = accounts["figures"].as_array().unwrap();
    figures.iter().find(|it| it["name"] == name && it["department"] == department)
}

story! {
    /// Each figure of a month is counted from exactly what its proof names, and a recount by hand gives the same;
    /// another month has none of it.
    async fn every_figure_of_a_month_leads_to_what_it_is_counted_from(world: World) {
        let province = world.province(40).await;
        let base = world.agree_base().await;
        let key = province.lines[0]["uscc"].clone();
        for _ in 0..3 {
            world.query(&base, json!({"limit": 2})).await.expect_status(200);
        }
        let operation = waiting_for(&world, "provider").await;
        world.answer(&operation, "provider", json!({"verdict": "agree"})).await.expect_status(200);
        let open = waiting_for(&world, "provider").await;
        let draft = json!({"agreement": base, "key": [key], "reason": "名称有误"});
        let raised = world.as_("nj-gxj", "requester").post("/v1/objections", draft).await.expect_status(200);
        let objection = raised["objection"]["body"]["id"].as_str().unwrap().to_owned();
        let right = json!({"verdict": "unfounded", "reason": "核实无误"});
        let path = format!("/v1/objections/{objection}/rulings");
        world.as_("js-scjg", "provider-officer").post(&path, right).await.expect_status(200);

        let auditor = world.as_("js-scjg", "auditor");
        let accounts = auditor.get("/v1/accounts?month=2026-11").await.expect_status(200);
        for figure in accounts["figures"].as_array().unwrap() {
            let ids = proof(&world, "js-scjg", figure).await;
            assert_eq!(json!(ids.len()), figure["count"], "{figure}");
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{figure}");
        }
        let ids = async |name: &str, department: &str| match figure(&accounts, name, department) {
            Some(it) => proof(&world, "js-scjg", it).await.into_iter().collect(),
            None => BTreeSet::new(),
        };
        let provider = |id: &String| format!("{id}/provider");
        assert_eq!(ids("requests-received", "js-scjg").await, set([&provider(&operation), &provider(&open)]));
        assert_eq!(ids("requests-answered", "js-scjg").await, set([&provider(&operation)]));
        assert_eq!(ids("requests-in-time", "js-scjg").await, set([&provider(&operation)]));
        assert_eq!(ids("objections-received", "js-scjg").await, set([&objection]));
        assert_eq!(ids("objections-in-time", "js-scjg").await, set([&objection]));
        assert_eq!(ids("objections-corrected", "js-scjg").await, set([]));
        let receipts = auditor.get("/v1/receipts").await.expect_status(200);
        let issued = receipts.as_array().unwrap().iter().map(|it| it["body"]["id"].as_str().unwrap().to_owned());
        assert_eq!(ids("calls", "nj-gxj").await, issued.collect());
        assert_eq!(figure(&accounts, "calls", "nj-gxj").unwrap()["city"], "3201", "{accounts}");
        let rate = accounts["rates"].as_array().unwrap().iter().find(|it| it["part"] == "requests-in-time").unwrap();
        assert_eq!(rate["per_10000"], 10_000, "{accounts}");
        let other = auditor.get("/v1/accounts?month=2026-10").await.expect_status(200);
        assert_eq!((&other["figures"], &other["unfinished"]), (&json!([]), &json!(false)), "no month's end is kept");
        auditor.get("/v1/accounts?month=2026-13").await.expect_problem("accounts.month", 422);
        world.as_("js-scjg", "requester").get("/v1/accounts?month=2026-11").await.expect_problem("policy.role", 403);
    }
}
