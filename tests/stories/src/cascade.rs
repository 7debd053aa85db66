//! Levels 级联: county, city, province, and a stand-in for the national platform, over HTTP. Catalogues are reported up
//! and what each level said comes down; a request goes up and down again, answered by every authority on its way.

use crate::faults::{Faults, leaves, succeeded, until_done};
use crate::faults_of_setup::{done_before, entry, publication, started_again};
use exchange::{AccessRequest, Signed};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use testkit::{Hostile, LEVELS, Reply, World, story_of_levels};
use uuid::Uuid;

const UP: [&str; 3] = ["jn-data", "nj-data", "js-data"];

/// Every node asks its neighbours on other levels, from the bottom up, and from the top down.
async fn follow(world: &World) {
    let up = ["jn-gxj", "jn-data", "nj-data", "sz-scjg", "sz-data", "js-scjg", "js-data", "cn-data"];
    for id in up.into_iter().chain(up.into_iter().rev()).filter(|it| world.runs(it)) {
        world.number_all(id).await;
        drop(world.on(id, async move |org| org.follow_levels().await).await);
        world.number_all(id).await;
    }
}

/// Every node tells what it has to tell, often enough for the longest way there and back.
async fn carry(world: &World) {
    for _ in 0..6 {
        for id in LEVELS.iter().copied().flatten().copied().filter(|it| world.runs(it)) {
            drop(world.on(id, async move |org| org.tell_letters().await).await);
        }
    }
}

async fn report(world: &World, at: &str, name: &str) -> Value {
    let path = format!("/v1/catalog/reports/jn-gxj/{name}");
    world.as_(at, "cataloguer").get(&path).await.expect_status(200)
}

/// What each level said of an entry, as somebody sees it.
fn said(view: &Value, field: &str) -> BTreeMap<String, String> {
    let rulings = view["rulings"].as_array().unwrap().iter().map(|it| &it["body"]);
    let word = |it: &Value| it[field].as_str().map(str::to_owned);
    rulings.filter_map(|it| Some((it["by"].as_str().unwrap().to_owned(), word(it)?))).collect()
}

/// How many entries bear that number's code.
async fn found(world: &World, at: &str, number: u32) -> usize {
    let reply = world.as_(at, "requester").get(&format!("/v1/catalog/102001001%2F{number:06}")).await;
    if reply.status == 404 { 0 } else { reply.expect_status(200).as_array().unwrap().len() }
}

/// City, province and nation each give the entry a number, once; everybody finds it by each of them.
async fn each_level_numbers(world: &World) {
    let acts = "/v1/catalog/reports/jn-gxj/kiln/acts";
    for (at, number) in [("nj-data", "320100-M-7"), ("js-data", "320000-M-7"), ("cn-data", "国-目-0007")] {
        let approver = world.as_(at, "approver");
        let act = json!({"act": "number", "number": number});
        approver.post(acts, act.clone()).await.expect_status(200);
        approver.post(acts, act).await.expect_status(200);
        let other = json!({"act": "number", "number": "X"});
        approver.post(acts, other).await.expect_problem("number.rewritten", 409);
        world
            .as_(at, "cataloguer")
            .post(acts, json!({"act": "number", "number": "X"}))
            .await
            .expect_problem("policy.role", 403);
    }
    follow(world).await;
    follow(world).await;
    for at in ["jn-gxj", "jn-data", "nj-data", "js-data", "cn-data"] {
        let numbers = said(&report(world, at, "kiln").await, "number");
        assert_eq!(numbers.len(), 3, "at {at}: {numbers:?}");
        let found = world.as_(at, "requester").get("/v1/numbers?number=320000-M-7").await.expect_status(200);
        assert_eq!(found["entries"][0]["entry"], "kiln", "at {at}: {found}");
    }
}

/// One node after another is killed and started without its jobs.
async fn back(world: &mut World, id: &str) {
    world.start(id).await;
    world.rest().await;
}

story_of_levels! {
    /// An entry of a county's department is found at city, province and nation with its owner's signature; each level
    /// gives its own number and none rewrites another's; the province returns it, and the county hears why; withdrawn
    /// below it is withdrawn everywhere. A city that is away for days is caught up with.
    async fn a_county_entry_reaches_the_nation(mut world: World) {
        world.rest().await;
        let cataloguer = world.as_("jn-gxj", "cataloguer").desk().await;
        let published = cataloguer.post("/v1/catalog", publication(entry("kiln", 1, "窑炉清单"))).await.expect_status(200);
        world.number_all("jn-gxj").await;
        let waiting = cataloguer.get("/v1/catalog/reports?state=waiting").await.expect_status(200);
        assert_eq!(waiting[0]["state"], "waiting", "{waiting}");
        follow(&world).await;
        for at in ["jn-data", "nj-data", "js-data", "cn-data"] {
            let view = report(&world, at, "kiln").await;
            assert_eq!((&view["state"], &view["digest"]), (&json!("taken"), &published["digest"]), "at {at}: {view}");
            assert_eq!(found(&world, at, 1).await, 1, "at {at}");
        }
        // Another city is no matter of this one's.
        assert_eq!(found(&world, "sz-data", 1).await, 0);
        let view = report(&world, "jn-gxj", "kiln").await;
        let all = ["cn-data", "jn-data", "js-data", "nj-data"];
        assert_eq!(said(&view, "verdict"), all.map(|it| (it.to_owned(), "taken".to_owned())).into(), "{view}");
        assert_eq!(cataloguer.get("/v1/catalog/reports?state=waiting").await.expect_status(200), json!([]));

        each_level_numbers(&world).await;
        let acts = "/v1/catalog/reports/jn-gxj/kiln/acts";

        // Returned by the province: not there, not above; below it stays, and its owner is told.
        let approver = world.as_("js-data", "approver");
        approver.post(acts, json!({"act": "return", "reason": " "})).await.expect_problem("catalog.report_reason", 422);
        let returned = json!({"act": "return", "reason": "信息项不完整"});
        assert_eq!(approver.post(acts, returned.clone()).await.expect_status(200)["state"], "returned");
        approver.post(acts, returned).await.expect_problem("catalog.report_state", 409);
        follow(&world).await;
        for (at, hits) in [("jn-data", 1), ("nj-data", 1), ("js-data", 0), ("cn-data", 0)] {
            assert_eq!(found(&world, at, 1).await, hits, "at {at}");
        }
        let view = report(&world, "jn-gxj", "kiln").await;
        assert_eq!(said(&view, "reason")["js-data"], "信息项不完整", "{view}");
        let notices = cataloguer.get("/v1/notices").await.expect_status(200);
        let of_return = |it: &&Value| it["kind"] == "entry-returned-js-data-1";
        assert_eq!(notices.as_array().unwrap().iter().filter(of_return).count(), 1, "{notices}");

        // The city is away for three days; what was changed and withdrawn meanwhile arrives when it is back.
        world.kill("nj-data").await;
        cataloguer.post("/v1/catalog", publication(entry("kiln", 1, "窑炉清单（补全）"))).await.expect_status(200);
        cataloguer.post("/v1/catalog", publication(entry("dye", 2, "染料清单"))).await.expect_status(200);
        follow(&world).await;
        world.advance(SignedDuration::from_hours(72));
        follow(&world).await;
        assert_eq!(found(&world, "js-data", 2).await, 0);
        back(&mut world, "nj-data").await;
        follow(&world).await;
        assert_eq!(found(&world, "cn-data", 2).await, 1);
        assert_eq!(report(&world, "js-data", "kiln").await["state"], "taken");
        let cataloguer = world.as_("jn-gxj", "cataloguer").desk().await;
        cataloguer.call("DELETE", "/v1/catalog/dye").await.expect_status(200);
        follow(&world).await;
        for at in ["jn-data", "nj-data", "js-data", "cn-data"] {
            assert_eq!(found(&world, at, 2).await, 0, "at {at}");
            assert_eq!(report(&world, at, "dye").await["state"], "withdrawn", "at {at}");
        }
        assert_eq!(report(&world, "jn-gxj", "dye").await["state"], "withdrawn");
        // Read once more from the beginning, nothing changes.
        let anew = world.as_("js-data", "approver").post("/v1/catalog/levels", json!({"anew": true})).await;
        let anew = anew.expect_status(200);
        assert_eq!((&anew["taken"], &anew["refused"]), (&json!(0), &json!(0)), "{anew}");
        assert_eq!(report(&world, "js-data", "kiln").await["state"], "taken");
    }
}

story_of_levels! {
    /// Reports and rulings go between a superior and its subordinate alone, whoever else asks.
    async fn levels_are_told_to_neighbours_alone(mut world: World) {
        world.rest().await;
        let paths = ["/peer/v1/catalog/reports?after=0", "/peer/v1/catalog/rulings?after=0"];
        for (who, allowed) in [("js-data", [true, false]), ("jn-data", [false, true]), ("sz-data", [false; 2]),
                               ("cn-data", [false; 2])] {
            let member = Hostile::member(&world, who);
            for (path, allowed) in paths.into_iter().zip(allowed) {
                let letter = member.write_bytes("GET", &world.host("nj-data"), path, "");
                let reply = member.send(&world, "nj-data", letter).await;
                if allowed {
                    reply.expect_status(200);
                } else {
                    reply.expect_problem("catalog.superior", 403);
                }
            }
        }
        // A story is brought by a neighbour on its way; another member is refused, even with every signature right.
        let asked = ask(&world, "js-scjg", json!([])).await;
        answer(&world, "jn-gxj", "own-department", &asked, json!({"verdict": "agree"})).await.expect_status(200);
        let view = requester(&world).get(&format!("/v1/requests/{}", id_of(&asked))).await.expect_status(200);
        let story = strip(&view);
        for who in ["sz-data", "cn-data", "nj-data"] {
            let member = Hostile::member(&world, who);
            let letter = member.write(&world.host("js-data"), "/peer/v1/letters", &json!({"story": story}));
            let reply = member.send(&world, "js-data", letter).await;
            if who == "nj-data" {
                reply.expect_status(200);
            } else {
                reply.expect_problem("exchange.way", 403);
            }
        }
        // Another way than superiors make is refused as well, though the consumer signed it.
        let mut request: AccessRequest = serde_json::from_value(story["request"]["body"].clone()).unwrap();
        request.way.remove(1);
        request.id = exchange::RequestId::from_uuid(Uuid::from_u128(7 << 64));
        let mut other = story.clone();
        other["request"] = json!(Signed::sign(request, &world.keys("jn-gxj").messages).unwrap());
        other["events"] = json!([]);
        let member = Hostile::member(&world, "jn-gxj");
        let letter = member.write(&world.host("jn-data"), "/peer/v1/letters", &json!({"story": other}));
        member.send(&world, "jn-data", letter).await.expect_problem("exchange.way", 409);
        // What somebody on the way has changed in it bears no signature of the consumer's any more.
        let mut altered = story.clone();
        altered["request"]["body"]["purpose"] = json!("营销");
        let member = Hostile::member(&world, "nj-data");
        let letter = member.write(&world.host("js-data"), "/peer/v1/letters", &json!({"story": altered}));
        member.send(&world, "js-data", letter).await.expect_problem("exchange.signature", 403);
    }
}

fn requester(world: &World) -> testkit::Caller<'_> {
    world.as_("jn-gxj", "requester")
}

/// The county's department asks `provider` for operation and credit.
async fn ask(world: &World, provider: &str, numbers: Value) -> Value {
    ask_as(world, provider, numbers, None).await.expect_status(200)
}

async fn ask_as(world: &World, provider: &str, numbers: Value, id: Option<String>) -> Reply {
    if world.as_(provider, "requester").get("/v1/offers").await.json() == json!([]) {
        for pack in ["divisions", "calendar-cn", "exchange-deadlines", "legal-persons"] {
            world.install(provider, pack, |_, text| text).await;
        }
    }
    let mut draft = World::draft("legal-person-operation", "2026-12-31");
    draft["provider"] = provider.into();
    draft["numbers"] = numbers;
    if let Some(id) = id {
        draft["id"] = id.into();
    }
    requester(world).post("/v1/requests", draft).await
}

fn id_of(view: &Value) -> &str {
    view["request"]["body"]["id"].as_str().unwrap()
}

/// A view as it travels.
fn strip(view: &Value) -> Value {
    let mut view = view.clone();
    for made in ["due", "clocks", "undelivered"] {
        view.as_object_mut().unwrap().remove(made);
    }
    view
}

async fn answer(world: &World, at: &str, step: &str, asked: &Value, verdict: Value) -> Reply {
    let role = match step {
        "own-department" => "checker",
        "authority" => "approver",
        _ => "provider-officer",
    };
    let mut body = verdict;
    body["step"] = step.into();
    world.as_(at, role).post(&format!("/v1/requests/{}/answers", id_of(asked)), body).await
}

async fn seen(world: &World, at: &str, asked: &Value) -> Reply {
    world.as_(at, "auditor").get(&format!("/v1/requests/{}", id_of(asked))).await
}

story_of_levels! {
    /// A county's request for the province's data: own department, county, city and province answer in turn, one of
    /// them wants a supplement; every answer reaches everybody behind; numbers of platforms stand in agreement and
    /// receipt and are found; the agreement is signed between consumer and provider.
    async fn a_request_goes_up_and_its_answers_come_down(mut world: World) {
        world.province(2_000).await;
        for pack in ["calendar-cn", "exchange-deadlines"] {
            world.install("nj-data", pack, |_, text| text).await;
        }
        world.rest().await;
        let catalogue = json!([{"kind": "catalogue", "by": "cn-data", "number": "国-目-0042"}]);
        let asked = ask(&world, "js-scjg", catalogue).await;
        assert_eq!(asked["request"]["body"]["way"], json!(UP), "{asked}");
        seen(&world, "jn-data", &asked).await.expect_problem("exchange.request_missing", 404);
        answer(&world, "jn-gxj", "own-department", &asked, json!({"verdict": "agree"})).await.expect_status(200);
        carry(&world).await;
        // Each in its turn, nobody in another's.
        answer(&world, "nj-data", "authority", &asked, json!({"verdict": "agree"})).await
            .expect_problem("exchange.request_missing", 404);
        for at in ["jn-data", "nj-data"] {
            let mine = world.as_(at, "approver").get("/v1/requests?mine=true").await.expect_status(200);
            assert_eq!(mine.as_array().unwrap().len(), 1, "at {at}: {mine}");
            let number = json!([{"kind": "request", "by": at, "number": format!("申-{at}")}]);
            let agree = json!({"verdict": "agree", "numbers": number});
            answer(&world, at, "authority", &asked, agree).await.expect_status(200);
            let again = answer(&world, at, "authority", &asked, json!({"verdict": "agree"})).await;
            again.expect_problem("exchange.turn", 403);
            carry(&world).await;
        }
        // Its own packs say the city by when; the province's clock runs.
        let city = seen(&world, "nj-data", &asked).await.expect_status(200);
        let clocks = city["clocks"].as_array().unwrap();
        assert!(clocks.iter().any(|it| it["who"] == "nj-data" && it["reading"]["in_time"] == true), "{city}");
        assert!(clocks.iter().any(|it| it["who"] == "js-data" && it["reading"]["in_time"].is_null()), "{city}");

        let wanting = json!({"verdict": "supplement", "reason": "请说明保存期限"});
        answer(&world, "js-data", "authority", &asked, wanting).await.expect_status(200);
        carry(&world).await;
        let news = requester(&world).get(&format!("/v1/requests/{}", id_of(&asked))).await.expect_status(200);
        assert_eq!(news["standing"]["supplement"]["level"], 2, "{news}");
        let note = json!({"note": "保存一年", "attachments": [{"name": "说明.txt", "content": "5L+d5a2Y"}]});
        let path = format!("/v1/requests/{}/supplements", id_of(&asked));
        requester(&world).post(&path, note).await.expect_status(200);
        carry(&world).await;
        // A file comes along the way.
        let file = world.as_("js-data", "approver").get(&format!("/v1/requests/{}/attachments/0", id_of(&asked))).await;
        assert_eq!((file.status, &file.body[..]), (200, "保存".as_bytes()));
        // Nobody gives a number in another's name.
        let stolen = json!({"verdict": "agree", "numbers": [{"kind": "request", "by": "nj-data", "number": "X"}]});
        answer(&world, "js-data", "authority", &asked, stolen).await.expect_problem("number.giver", 403);
        let given = json!([{"kind": "authorisation", "by": "js-data", "number": "授-0099"},
                           {"kind": "request", "by": "gjpt", "number": "国申-1"}]);
        let agree = json!({"verdict": "agree", "numbers": given});
        answer(&world, "js-data", "authority", &asked, agree).await.expect_status(200);
        carry(&world).await;
        let part = json!({"verdict": "agree-in-part", "reason": "收入不予共享", "columns": ["uscc", "staff"]});
        answer(&world, "js-scjg", "provider", &asked, part).await.expect_status(200);
        carry(&world).await;
        for at in ["jn-gxj", "jn-data", "nj-data", "js-data", "js-scjg"] {
            let view = seen(&world, at, &asked).await.expect_status(200);
            assert_eq!(view["standing"]["agreed"]["columns"], json!(["uscc", "staff"]), "at {at}: {view}");
            assert_eq!(view["events"].as_array().unwrap().len(), 7, "at {at}: {view}");
            assert_eq!(view["undelivered"], Value::Null, "at {at}: {view}");
        }

        agreed_and_delivered(&world, &asked).await;
    }
}

/// The agreement is signed between the two ends, and bears every number; so do receipts, and all is found by one.
async fn agreed_and_delivered(world: &World, asked: &Value) {
    let path = format!("/v1/requests/{}/agreement", id_of(asked));
    let signed = requester(world).post(&path, json!({})).await.expect_status(200);
    let agreement = signed["agreement"]["body"].clone();
    let numbers: Vec<_> = agreement["numbers"].as_array().unwrap().iter().map(|it| &it["number"]).collect();
    assert_eq!(json!(numbers), json!(["国-目-0042", "申-jn-data", "申-nj-data", "授-0099", "国申-1"]));
    assert_eq!(signed["agreement"]["signatures"].as_array().unwrap().len(), 2);
    let query = json!({"agreement": agreement["id"], "limit": 5});
    let delivered = world.as_("jn-gxj", "application").post("/v1/queries", query).await.expect_status(200);
    assert!(!delivered["rows"].as_array().unwrap().is_empty(), "{delivered}");
    assert_eq!(delivered["receipt"]["body"]["numbers"], agreement["numbers"]);
    for at in ["jn-gxj", "js-scjg"] {
        let found = world.as_(at, "auditor").get("/v1/numbers?number=%E6%8E%88-0099").await.expect_status(200);
        for (kind, count) in [("requests", 1), ("agreements", 1), ("receipts", 1)] {
            assert_eq!(found[kind].as_array().unwrap().len(), count, "{kind} at {at}: {found}");
        }
        assert_eq!(leaves(world, at, "agreement", agreement["id"].as_str().unwrap()).await, 1);
    }
}

story_of_levels! {
    /// The city is away for three days: the request waits before it, and whoever looks sees where; then it goes on,
    /// once. Another city's department refuses, and that comes back over both cities. What an offer does not take is
    /// returned by an answer; what the province returns the provider never hears of.
    async fn nothing_is_lost_while_a_level_is_away(mut world: World) {
        world.rest().await;
        let asked = ask(&world, "sz-scjg", json!([])).await;
        assert_eq!(asked["request"]["body"]["way"], json!(["jn-data", "nj-data", "js-data", "sz-data"]), "{asked}");
        world.kill("nj-data").await;
        answer(&world, "jn-gxj", "own-department", &asked, json!({"verdict": "agree"})).await.expect_status(200);
        for _ in 0..2 {
            world_tells(&world, &["jn-gxj", "jn-data"]).await;
        }
        answer(&world, "jn-data", "authority", &asked, json!({"verdict": "agree"})).await.expect_status(200);
        for day in 0..3 {
            world_tells(&world, &["jn-gxj", "jn-data"]).await;
            let waiting = seen(&world, "jn-data", &asked).await.expect_status(200);
            assert_eq!(waiting["undelivered"][0]["to"], "nj-data", "day {day}: {waiting}");
            world.advance(SignedDuration::from_hours(24));
        }
        back(&mut world, "nj-data").await;
        world.until("the city hears", || async {
            carry(&world).await;
            seen(&world, "nj-data", &asked).await.status == 200
        }).await;
        for at in ["nj-data", "js-data", "sz-data"] {
            answer(&world, at, "authority", &asked, json!({"verdict": "agree"})).await.expect_status(200);
            carry(&world).await;
            carry(&world).await;
        }
        let refuse = json!({"verdict": "refuse", "reason": "依《统计法》第九条"});
        answer(&world, "sz-scjg", "provider", &asked, refuse).await.expect_status(200);
        carry(&world).await;
        for at in ["jn-gxj", "jn-data", "nj-data", "js-data", "sz-data", "sz-scjg"] {
            let view = seen(&world, at, &asked).await.expect_status(200);
            assert_eq!(view["standing"]["refused"]["step"], "provider", "at {at}: {view}");
            assert_eq!(view["events"].as_array().unwrap().len(), 6, "at {at}: {view}");
        }

        let asked = ask(&world, "sz-scjg", json!([])).await;
        answer(&world, "jn-gxj", "own-department", &asked, json!({"verdict": "agree"})).await.expect_status(200);
        for at in ["jn-data", "nj-data"] {
            carry(&world).await;
            answer(&world, at, "authority", &asked, json!({"verdict": "agree"})).await.expect_status(200);
        }
        carry(&world).await;
        let back = json!({"verdict": "return", "reason": "请向本省汇聚库申请"});
        answer(&world, "js-data", "authority", &asked, back).await.expect_status(200);
        carry(&world).await;
        let view = seen(&world, "jn-gxj", &asked).await.expect_status(200);
        assert_eq!(view["standing"]["returned"], json!({"step": "authority", "level": 2, "reason": "请向本省汇聚库申请"}));
        for at in ["sz-data", "sz-scjg"] {
            seen(&world, at, &asked).await.expect_problem("exchange.request_missing", 404);
        }

        // The offer changes under way: the provider's node sends it back by itself.
        let asked = ask(&world, "js-scjg", json!([])).await;
        answer(&world, "jn-gxj", "own-department", &asked, json!({"verdict": "agree"})).await.expect_status(200);
        world.install("js-scjg", "legal-persons", |_, text| {
            text.replace("purpose: [惠企政策匹配]", "purpose: [信用监管]").replace("version: \"1\"", "version: \"2\"")
        }).await;
        for at in UP {
            carry(&world).await;
            answer(&world, at, "authority", &asked, json!({"verdict": "agree"})).await.expect_status(200);
        }
        carry(&world).await;
        let view = seen(&world, "jn-gxj", &asked).await.expect_status(200);
        let reason = view["standing"]["returned"]["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("信用监管"), "{view}");
    }
}

async fn world_tells(world: &World, ids: &[&'static str]) {
    for id in ids {
        drop(world.on(id, async move |org| org.tell_letters().await).await);
    }
}

story_of_levels! {
    /// Over levels a request and every answer are there once at every node, whichever commit of whichever node failed.
    async fn a_story_over_levels(mut world: World) {
        world.rest().await;
        ask(&world, "js-scjg", json!([])).await;
        for (at, role) in [("jn-gxj", "checker"), ("jn-gxj", "auditor"), ("js-scjg", "provider-officer"),
                           ("js-scjg", "auditor"), ("nj-data", "auditor")] {
            world.token(at, role).await;
        }
        for at in UP {
            world.token(at, "approver").await;
        }
        let answered = done_before("exchange.turn");
        for side in ["jn-gxj", "nj-data", "js-scjg"] {
            let mut faults = Faults::at(side);
            while let Some(what) = faults.next() {
                let number = LEVELS.iter().position(|it| it.contains(&side)).unwrap() as u128 * 100;
                let id = format!("req_{}", Uuid::from_u128((number + u128::from(faults.number()) + 1) << 64).simple());
                faults.set(&world);
                let asked = until_done(&what, || ask_as(&world, "js-scjg", json!([]), Some(id.clone())), succeeded);
                let asked = asked.await.json();
                let agree = json!({"verdict": "agree"});
                let own = || answer(&world, "jn-gxj", "own-department", &asked, agree.clone());
                until_done(&what, own, &answered).await;
                carry(&world).await;
                for at in UP {
                    until_done(&what, || answer(&world, at, "authority", &asked, agree.clone()), &answered).await;
                    carry(&world).await;
                }
                until_done(&what, || answer(&world, "js-scjg", "provider", &asked, agree.clone()), &answered).await;
                carry(&world).await;
                faults.lift(&world);
                carry(&world).await;
                for at in ["jn-gxj", "nj-data", "js-scjg"] {
                    let view = seen(&world, at, &asked).await.expect_status(200);
                    assert!(view["standing"]["agreed"].is_object(), "{what}: at {at}: {view}");
                    assert_eq!(view["events"].as_array().unwrap().len(), 5, "{what}: at {at}: {view}");
                    assert_eq!(view["undelivered"], Value::Null, "{what}: at {at}: {view}");
                }
            }
            assert!(faults.met_any());
        }
    }
}

story_of_levels! {
    /// An entry is taken, numbered and returned once, whichever commit failed.
    async fn a_report(mut world: World) {
        world.rest().await;
        let below = world.as_("jn-data", "cataloguer").desk().await;
        let approver = world.as_("nj-data", "approver").desk().await;
        let mut number = 0;
        for step in ["levels", "number", "return"] {
            let mut faults = Faults::at("nj-data");
            while let Some(what) = faults.next() {
                number += 1;
                let name = format!("thing{number}");
                below.post("/v1/catalog", publication(entry(&name, number, "试"))).await.expect_status(200);
                world.number_all("jn-data").await;
                let take = || approver.post("/v1/catalog/levels", json!({}));
                let acts = format!("/v1/catalog/reports/jn-data/{name}/acts");
                let act = match step {
                    "number" => json!({"act": "number", "number": format!("N-{number}")}),
                    _ => json!({"act": "return", "reason": "不全"}),
                };
                if step != "levels" {
                    take().await.expect_status(200);
                }
                faults.set(&world);
                match step {
                    "levels" => drop(until_done(&what, take, succeeded).await),
                    "number" => drop(until_done(&what, || approver.post(&acts, act.clone()), succeeded).await),
                    _ => {
                        let again = done_before("catalog.report_state");
                        drop(until_done(&what, || approver.post(&acts, act.clone()), again).await);
                    }
                }
                faults.lift(&world);
                take().await.expect_status(200);
                started_again(&mut world, "nj-data").await;
                let view = world.as_("nj-data", "auditor").get(&format!("/v1/catalog/reports/jn-data/{name}")).await;
                let view = view.expect_status(200);
                let state = if step == "return" { "returned" } else { "taken" };
                assert_eq!((&view["state"], &view["revision"]), (&json!(state), &json!(1)), "{what}: {view}");
                let given = view["rulings"][0]["body"]["number"].as_str().is_some();
                assert_eq!(given, step == "number", "{what}: {view}");
                if step != "levels" {
                    let kind = if step == "number" { "catalog.number" } else { "catalog.return" };
                    let left = leaves(&world, "nj-data", kind, &name).await;
                    assert!(left >= 1 && (step == "number" || left == 1), "{what}: {left} leaves");
                }
                let there = approver.get(&format!("/v1/catalog/102001001%2F{number:06}")).await;
                assert_eq!(there.status, if step == "return" { 404 } else { 200 }, "{what}");
            }
            assert!(faults.met_any());
        }
    }
}
