//! How an entry comes into the catalogue: compiled by one, checked by another, published by a third, found the whole
//! time, and the chain behind it.

use serde_json::{Value, json};
use testkit::{World, story};

pub(crate) const AT: &str = "js-scjg";

pub(crate) fn duty(name: &str) -> Value {
    json!({"kind": "duty", "name": name, "title": {"zh": "市场主体登记", "en": "Registration of market entities"},
           "owner": {"zh": "江苏省市场监督管理局", "en": "SAMR Jiangsu"}, "basis": "《市场主体登记管理条例》第五条"})
}

fn system(name: &str) -> Value {
    json!({"kind": "system", "name": name, "title": {"zh": "登记注册系统", "en": "Registration system"},
           "owner": {"zh": "江苏省市场监督管理局", "en": "SAMR Jiangsu"}, "duty": "registration", "cloud": "省政务云",
           "protection": 3})
}

pub(crate) fn draft(text: &str) -> Value {
    json!({"act": "draft", "links": {"duty": "registration"}, "entry": {
        "title": {"zh": text, "en": "Enterprises"}, "code": "102001001", "class": "base", "theme": "legal-persons",
        "description": {"zh": "企业登记基本信息", "en": "Basic registration"}, "formats": ["csv"],
        "items": [{"title": {"zh": "统一社会信用代码", "en": "Credit code"}, "type": "text", "grade": "一般/1"}],
        "share": "unconditional", "method": "platform", "open": false, "cycle": "daily",
    }})
}

pub(crate) fn publish() -> Value {
    json!({"act": "publish", "review": {"number": "密审-1", "by": "保密办", "on": "2026-11-23"}})
}

pub(crate) fn acts(name: &str) -> String {
    format!("/v1/compilations/{name}/acts")
}

story! {
    /// From the duty to the catalogue, through the hands of three; changed, revoked, and refused on every wrong turn.
    async fn an_entry_is_compiled(world: World) {
        let cataloguer = world.as_(AT, "cataloguer").desk().await;
        let checker = world.as_(AT, "checker").desk().await;
        let approver = world.as_(AT, "approver").desk().await;
        let path = acts("enterprise-base");
        let drafted = cataloguer.post(&path, draft("企业登记信息")).await.expect_status(200);
        assert_eq!((&drafted["code"], &drafted["state"]), (&json!("102001001/000001"), &json!("draft")));
        // Its duty is not registered yet; what is wrong is told before and at the submission.
        let view = cataloguer.get("/v1/compilations/enterprise-base").await.expect_status(200);
        assert_eq!(view["flaws"][0]["pointer"], "/links/duty");
        assert_eq!(view["compilation"]["draft"]["entry"]["provider"]["zh"], "江苏省市场监督管理局", "known to the node");
        cataloguer.post(&path, json!({"act": "submit"})).await.expect_problem("catalog.entry", 422);
        let chain = json!({"things": [system("register"), duty("registration")], "why": "三定规定"});
        cataloguer.post("/v1/chain", chain).await.expect_status(200);
        let mut fed = draft("企业登记信息");
        fed["links"]["system"] = json!("register");
        cataloguer.post(&path, fed).await.expect_status(200);
        checker.post(&path, json!({"act": "check"})).await.expect_problem("catalog.turn", 409);
        cataloguer.post(&path, json!({"act": "submit"})).await.expect_status(200);
        cataloguer.post(&path, json!({"act": "check"})).await.expect_problem("policy.role", 403);
        approver.post(&path, publish()).await.expect_problem("catalog.turn", 409);
        checker.post(&path, json!({"act": "return", "reason": ""})).await.expect_problem("catalog.reason", 422);
        checker.post(&path, json!({"act": "return", "reason": "摘要过简"})).await.expect_status(200);
        let view = cataloguer.get("/v1/compilations/enterprise-base").await.expect_status(200);
        assert_eq!(view["compilation"]["returned"], "摘要过简");
        cataloguer.post(&path, json!({"act": "submit"})).await.expect_status(200);
        checker.post(&path, json!({"act": "check"})).await.expect_status(200);
        let waiting = approver.get("/v1/compilations?state=authority-check").await.expect_status(200);
        assert_eq!(waiting[0]["entry"], "enterprise-base");
        approver.post(&path, json!({"act": "publish"})).await.expect_problem("web.body", 422);
        let published = approver.post(&path, publish()).await.expect_status(200);
        assert_eq!((&published["state"], &published["revision"]), (&json!("published"), &json!(1)));
        let found = async |words: &str| cataloguer.get(&format!("/v1/catalog?q={words}")).await.expect_status(200);
        assert_eq!(found("企业登记").await["total"], 1);
        // A change goes the same way; until its end the old text is found.
        let mut change = draft("市场主体登记信息");
        change["act"] = json!("change");
        cataloguer.post(&path, change).await.expect_status(200);
        let by_code = "/v1/catalog/102001001%2F000001";
        let entry = async || cataloguer.get(by_code).await.expect_status(200)[0].clone();
        assert_eq!(entry().await["entry"]["title"]["zh"], "企业登记信息");
        cataloguer.post(&path, json!({"act": "submit"})).await.expect_status(200);
        checker.post(&path, json!({"act": "check"})).await.expect_status(200);
        approver.post(&path, publish()).await.expect_status(200);
        let changed = entry().await;
        assert_eq!((&changed["revision"], &changed["entry"]["title"]["zh"]), (&json!(2), &json!("市场主体登记信息")));
        // Not past its compilation.
        cataloguer.call("DELETE", "/v1/catalog/enterprise-base").await.expect_problem("catalog.compiled", 409);
        cataloguer.post(&path, json!({"act": "revoke", "reason": "重复"})).await.expect_problem("policy.role", 403);
        approver.post(&path, json!({"act": "revoke", "reason": "与国家目录重复"})).await.expect_status(200);
        cataloguer.get(by_code).await.expect_problem("catalog.no_entry", 404);
        let view = cataloguer.get("/v1/compilations/enterprise-base").await.expect_status(200);
        let acts: Vec<_> = view["history"].as_array().unwrap().iter().map(|it| it["act"].as_str().unwrap()).collect();
        assert_eq!(acts.len(), 12, "{acts:?}");
        assert_eq!(view["history"][0]["why"], "与国家目录重复");
        assert_eq!(view["history"][0]["actor"], "person:approver");
        cataloguer.get("/v1/compilations/nothing").await.expect_problem("catalog.not_compiled", 404);
        cataloguer.get("/v1/compilations?state=nothing").await.expect_problem("catalog.state", 422);
    }
}

story! {
    /// A system that feeds a published entry is closed only by somebody who says that he knows; as of before, it is
    /// open.
    async fn a_system_is_closed(world: World) {
        let cataloguer = world.as_(AT, "cataloguer").desk().await;
        let chain = json!({"things": [duty("registration"), system("register")], "why": "三定规定"});
        assert_eq!(cataloguer.post("/v1/chain", chain.clone()).await.expect_status(200)["changed"], 2);
        assert_eq!(cataloguer.post("/v1/chain", chain.clone()).await.expect_status(200)["changed"], 0);
        let mut stray = duty("registration");
        stray["basis"] = Value::Null;
        let stray = json!({"things": [stray], "why": "试"});
        let problem = cataloguer.post("/v1/chain", stray).await.expect_problem("catalog.chain", 422);
        assert_eq!(problem["field"], "/things/0/basis");
        world.as_(AT, "requester").post("/v1/chain", chain).await.expect_problem("policy.role", 403);
        let mut fed = draft("企业登记信息");
        fed["links"]["system"] = json!("register");
        cataloguer.post(&acts("base"), fed).await.expect_status(200);
        cataloguer.post(&acts("base"), json!({"act": "submit"})).await.expect_status(200);
        world.as_(AT, "checker").post(&acts("base"), json!({"act": "check"})).await.expect_status(200);
        world.as_(AT, "approver").post(&acts("base"), publish()).await.expect_status(200);
        let before = world.now();
        world.advance(jiff::SignedDuration::from_secs(60));
        let path = "/v1/chain/system/register";
        let close = format!("{path}?why=系统整合");
        let problem = cataloguer.call("DELETE", &close).await.expect_problem("catalog.in_use", 409);
        assert_eq!(problem["feeds"], json!(["entry/base"]));
        let closed = cataloguer.call("DELETE", &format!("{close}&even_so=true")).await.expect_status(200);
        assert_eq!(closed["feeds"][0]["name"], "base");
        let view = cataloguer.get(path).await.expect_status(200);
        assert_eq!((&view["state"], &view["users"][0]["published"]), (&json!("closed"), &json!(true)));
        let view = cataloguer.get(&format!("{path}?as_of={before}")).await.expect_status(200);
        assert_eq!(view["state"], "open");
        let closed = cataloguer.get("/v1/chain/system?state=closed").await.expect_status(200);
        assert_eq!(closed[0]["thing"]["name"], "register");
        cataloguer.call("DELETE", &close).await.expect_problem("catalog.no_thing", 404);
        cataloguer.get("/v1/chain/nothing").await.expect_problem("web.path", 422);
    }
}

/// An entry's whole way, by three people.
async fn published(world: &World, name: &str, draft: Value) {
    let path = acts(name);
    world.as_(AT, "cataloguer").post(&path, draft).await.expect_status(200);
    world.as_(AT, "cataloguer").post(&path, json!({"act": "submit"})).await.expect_status(200);
    world.as_(AT, "checker").post(&path, json!({"act": "check"})).await.expect_status(200);
    world.as_(AT, "approver").post(&path, publish()).await.expect_status(200);
}

async fn register(world: &World) {
    let chain = json!({"things": [duty("registration"), system("register")], "why": "三定规定"});
    world.as_(AT, "cataloguer").post("/v1/chain", chain).await.expect_status(200);
}

story! {
    /// The catalogue goes out as the guide's file and comes in again: the same changes nothing, another organisation
    /// gets drafts, a file with one wrong cell changes nothing at all.
    async fn the_template_goes_out_and_in(world: World) {
        register(&world).await;
        published(&world, "base", draft("=企业登记信息")).await;
        let cataloguer = world.as_(AT, "cataloguer").desk().await;
        cataloguer.post(&acts("second"), draft("个体工商户登记信息")).await.expect_status(200);
        let file = cataloguer.get("/v1/template").await;
        assert_eq!(file.status, 200);
        assert!(file.field("content-type").unwrap().contains("spreadsheetml"));
        let outcomes = |reply: &Value| {
            reply.as_array().unwrap().iter().map(|it| it["outcome"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let again = cataloguer.upload("/v1/template", file.body.clone()).await.expect_status(200);
        assert_eq!(outcomes(&again), ["same", "same"]);
        let other = world.as_("nj-gxj", "cataloguer").desk().await;
        let taken = other.upload("/v1/template?duty=industry", file.body.clone()).await.expect_status(200);
        assert_eq!(outcomes(&taken), ["new", "new"]);
        let view = other.get("/v1/compilations/base").await.expect_status(200);
        assert_eq!(view["compilation"]["draft"]["entry"]["title"]["zh"], "=企业登记信息");
        assert_eq!(view["compilation"]["state"], "draft", "nothing is published by a file");
        // What is checked just now is not overwritten: one such entry and nothing of the file is taken.
        cataloguer.post(&acts("second"), json!({"act": "submit"})).await.expect_status(200);
        other.post(&acts("second"), draft("个体工商户信息")).await.expect_status(200);
        let theirs = other.get("/v1/template").await;
        let before = cataloguer.get("/v1/compilations").await.expect_status(200);
        let problem = cataloguer.upload("/v1/template", theirs.body.clone()).await;
        let problem = problem.expect_problem("catalog.template_cells", 422);
        assert_eq!(problem["flaws"][0]["cell"], "B4", "{problem}");
        assert_eq!(cataloguer.get("/v1/compilations").await.expect_status(200), before);
        cataloguer.upload("/v1/template", "no file").await.expect_problem("catalog.template", 422);
        world.as_(AT, "requester").upload("/v1/template", theirs.body).await.expect_problem("policy.role", 403);
        let blank = cataloguer.get("/v1/template?blank=true").await;
        cataloguer.upload("/v1/template", blank.body).await.expect_problem("catalog.template_heading", 422);
    }
}

story! {
    /// Proposals carry reasons and publish nothing; what is ticked is drafted and goes the usual way.
    async fn entries_are_proposed(world: World) {
        register(&world).await;
        let cataloguer = world.as_(AT, "cataloguer").desk().await;
        let tables = json!([{"name": "T_QYXX", "comment": "企业信息表", "columns": [
            {"name": "TYSHXYDM", "native": "varchar(18)", "key": true},
            {"name": "SJH", "native": "varchar(11)", "samples": ["13900000001", "13900000002", "13900000003"]},
        ]}]);
        let ask = json!({"tables": tables, "front": "307010001", "links": {"duty": "registration"}});
        let proposals = cataloguer.post("/v1/proposals", ask.clone()).await.expect_status(200);
        let proposal = &proposals[0];
        assert_eq!(proposal["draft"]["entry"]["title"]["zh"], "企业信息表");
        assert_eq!(proposal["draft"]["entry"]["items"][0]["title"]["zh"], "统一社会信用代码");
        assert_eq!(proposal["draft"]["entry"]["share"], "conditional");
        let reasons = proposal["reasons"].as_array().unwrap();
        assert!(reasons.iter().all(|it| it["why"]["zh"].is_string() && it["confidence"].is_string()));
        assert!(!proposal.to_string().contains("1390000000"), "values are looked at and never shown");
        assert_eq!(cataloguer.get("/v1/compilations").await.expect_status(200), json!([]));
        let mut ticked = proposal["draft"].clone();
        ticked["act"] = json!("draft");
        let name = ticked["entry"]["entry"].as_str().unwrap().to_owned();
        let drafted = cataloguer.post(&acts(&name), ticked).await.expect_status(200);
        assert_eq!(drafted["code"], "307010001/000001");
        cataloguer.post(&acts(&name), json!({"act": "submit"})).await.expect_status(200);
        let none = json!({"tables": []});
        cataloguer.post("/v1/proposals", none).await.expect_problem("catalog.tables_many", 413);
        world.as_(AT, "auditor").post("/v1/proposals", ask).await.expect_problem("policy.role", 403);
    }
}

story! {
    /// A second department that collects what another is the source of is told at the check, and passes with a ground
    /// or by saying whose the values are; the list of conflicts knows it meanwhile. What is not shared is on the
    /// negative list with its law.
    async fn a_datum_has_one_source(world: World) {
        register(&world).await;
        published(&world, "base", draft("企业登记信息")).await;
        let mut second = draft("企业用水信息");
        second["entry"]["provider"] = json!({"zh": "江苏省水利厅", "en": "Water"});
        let path = acts("water");
        let cataloguer = world.as_(AT, "cataloguer").desk().await;
        let checker = world.as_(AT, "checker").desk().await;
        let submitted = async |draft: Value| {
            cataloguer.post(&path, draft).await.expect_status(200);
            cataloguer.post(&path, json!({"act": "submit"})).await.expect_status(200);
        };
        submitted(second.clone()).await;
        let problem = checker.post(&path, json!({"act": "check"})).await.expect_problem("catalog.second_source", 409);
        assert_eq!(problem["second_sources"][0]["source"], "江苏省市场监督管理局");
        let view = checker.get("/v1/compilations/water").await.expect_status(200);
        assert_eq!(view["second_sources"][0]["element"], "统一社会信用代码");
        let conflicts = async || checker.get("/v1/second-sources").await.expect_status(200);
        assert_eq!(conflicts().await[0]["entry"], "water");
        checker.post(&path, json!({"act": "return", "reason": "写明来源部门"})).await.expect_status(200);
        let item = "统一社会信用代码";
        second["links"]["means"] = json!([{"item": item, "ground": "《取水许可和水资源费征收管理条例》要求另行核验"}]);
        submitted(second.clone()).await;
        assert!(conflicts().await[0]["ground"].is_string(), "with its ground it stays on the list");
        checker.post(&path, json!({"act": "return", "reason": "应取自来源部门"})).await.expect_status(200);
        second["links"]["means"] = json!([{"item": item, "taken_from": "市场监督管理部门"}]);
        second["entry"]["share"] = json!("refused");
        second["entry"]["method"] = json!("none");
        second["entry"]["class"] = json!("department");
        second["entry"]["code"] = json!("301001001");
        cataloguer.post(&path, second.clone()).await.expect_status(200);
        cataloguer.post(&path, json!({"act": "submit"})).await.expect_problem("catalog.entry", 422);
        second["entry"]["condition"] = json!({"zh": "《中华人民共和国水法》第五十二条", "en": "Water Law, art. 52"});
        submitted(second).await;
        assert_eq!(conflicts().await, json!([]));
        checker.post(&path, json!({"act": "check"})).await.expect_status(200);
        world.as_(AT, "approver").post(&path, publish()).await.expect_status(200);
        let negative = checker.get("/v1/lists/negative").await.expect_status(200);
        assert_eq!(negative["lines"].as_array().unwrap().len(), 1);
        assert_eq!(negative["lines"][0]["basis"]["zh"], "《中华人民共和国水法》第五十二条");
        let supply = async |ask: &str| checker.get(&format!("/v1/lists/supply?{ask}")).await.expect_status(200);
        assert_eq!(supply("").await["lines"].as_array().unwrap().len(), 2);
        assert_eq!(supply("class=department").await["lines"][0]["entry"], "water");
        let page = supply("limit=1").await;
        let next = page["next"].as_str().unwrap();
        assert_eq!(supply(&format!("after={next}")).await["lines"][0]["entry"], "water");
        checker.get("/v1/lists/supply?after=x").await.expect_problem("catalog.page", 422);
    }
}

story! {
    /// What is in no catalogue is asked for, assigned by duty, claimed, compiled, published; its asker hears of it.
    async fn a_demand_is_claimed(world: World) {
        register(&world).await;
        world.install_packs(|_, text| text).await;
        let requester = world.as_(AT, "requester").desk().await;
        let approver = world.as_(AT, "approver").desk().await;
        let cataloguer = world.as_(AT, "cataloguer").desk().await;
        let path = "/v1/demands/branches/acts";
        let wanted = json!({"title": {"zh": "分支机构信息", "en": "Branches"}, "items": ["名称", "隶属企业代码"],
                            "basis": "《江苏省公共数据管理办法》第二十三条"});
        let asked = requester.post(path, json!({"act": "ask", "wanted": wanted})).await.expect_status(200);
        assert_eq!((&asked["demand"]["state"], &asked["demand"]["due"]), (&json!("asked"), &json!("2026-11-26")));
        requester.post(path, json!({"act": "assign", "duty": "registration"})).await.expect_problem("policy.role", 403);
        let early = json!({"act": "accept", "entry": "branches"});
        cataloguer.post(path, early).await.expect_problem("catalog.demand_turn", 409);
        approver.post(path, json!({"act": "assign", "duty": "nothing"})).await.expect_problem("catalog.no_thing", 404);
        let assigned = approver.post(path, json!({"act": "assign", "duty": "registration"})).await.expect_status(200);
        assert_eq!(assigned["demand"]["department"]["zh"], "江苏省市场监督管理局");
        // Five working days later it is overdue, and stands on the list so.
        world.advance(jiff::SignedDuration::from_hours(24 * 10));
        let waiting = cataloguer.get("/v1/demands?state=assigned").await.expect_status(200);
        assert_eq!(waiting[0]["overdue"], true);
        let accept = json!({"act": "accept", "entry": "branches", "front": "102001001"});
        cataloguer.post(path, accept).await.expect_status(200);
        let mut text = draft("分支机构信息");
        text["links"]["demand"] = json!("branches");
        text["entry"]["code"] = json!("");
        published(&world, "branches", text).await;
        // One that is under way stands before it, and takes no place of the page.
        let before = json!({"act": "ask", "wanted": wanted});
        requester.post("/v1/demands/accounts/acts", before).await.expect_status(200);
        let unheard = requester.get("/v1/demands?unheard=true&limit=1").await.expect_status(200);
        assert_eq!((&unheard[0]["name"], &unheard[0]["demand"]["state"]), (&json!("branches"), &json!("fulfilled")));
        assert_eq!(cataloguer.get("/v1/demands?unheard=true").await.expect_status(200), json!([]), "not his");
        requester.post(path, json!({"act": "hear"})).await.expect_status(200);
        assert_eq!(requester.get("/v1/demands?unheard=true").await.expect_status(200), json!([]));
        let view = requester.get("/v1/demands/branches").await.expect_status(200);
        let acts: Vec<_> = view["history"].as_array().unwrap().iter().map(|it| it["act"].as_str().unwrap()).collect();
        assert_eq!(acts, ["hear", "fulfil", "accept", "assign", "ask"]);
        requester.get("/v1/demands/nothing").await.expect_problem("catalog.no_demand", 404);
        requester.post(path, json!({"act": "ask", "wanted": {"title": {"zh": "", "en": ""}, "items": [], "basis": ""}}))
            .await
            .expect_problem("catalog.demand", 422);
    }
}

story! {
    /// A system is unconnected until somebody says that it is connected; connected, it sleeps when nothing of it was
    /// delivered for days; a delivery under its entry's offer wakes it.
    async fn a_system_sleeps(mut world: World) {
        world.province(60).await;
        register(&world).await;
        let cataloguer = world.as_(AT, "cataloguer").desk().await;
        let mut connected = system("register");
        connected["connected"] = json!(true);
        let chain = json!({"things": [connected, system("archive")], "why": "接入共享平台"});
        cataloguer.post("/v1/chain", chain).await.expect_status(200);
        let mut fed = draft("法人基础信息");
        fed["links"]["system"] = json!("register");
        fed["entry"]["offer"] = json!("legal-person-base");
        published(&world, "legal-persons", fed).await;
        let of = async |connection: &str, days: u16| {
            let path = format!("/v1/systems?connection={connection}&days={days}");
            let all = cataloguer.get(&path).await.expect_status(200);
            let name = |it: &Value| it["thing"]["name"].as_str().unwrap().to_owned();
            all.as_array().unwrap().iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(of("unconnected", 30).await, ["archive"]);
        assert_eq!(of("connected", 30).await, ["register"]);
        let one = cataloguer.get("/v1/systems?connection=connected&limit=1").await.expect_status(200);
        assert_eq!(one[0]["thing"]["name"], "register", "what is not wanted takes no place of the page");
        assert!(of("sleeping", 30).await.is_empty(), "connected today, it had no time to be used");
        let agreement = world.agree_base().await;
        world.advance(jiff::SignedDuration::from_hours(24 * 20));
        world.refresh().await;
        world.query(&agreement, json!({"limit": 1})).await.expect_status(200);
        world.advance(jiff::SignedDuration::from_hours(24 * 20));
        world.refresh().await;
        assert_eq!(of("connected", 30).await, ["register"], "delivered twenty days ago");
        assert_eq!(of("sleeping", 15).await, ["register"]);
        let all = cataloguer.get("/v1/systems").await.expect_status(200);
        let line = all.as_array().unwrap().iter().find(|it| it["thing"]["name"] == "register").unwrap();
        assert_eq!((&line["delivered"], &line["entries"]), (&json!("2026-12-14"), &json!(["legal-persons"])));
    }
}

story! {
    /// A pack brings duties, matters and systems; installed again it changes nothing.
    async fn a_pack_brings_a_register(world: World) {
        let admin = world.as_(AT, "administrator").desk().await;
        for _ in 0..2 {
            let body = json!({"files": testkit::pack_files("government-systems")});
            admin.post("/v1/packs", body).await.expect_status(200);
        }
        let cataloguer = world.as_(AT, "cataloguer").desk().await;
        let unconnected = cataloguer.get("/v1/systems?connection=unconnected").await.expect_status(200);
        let names: Vec<_> = unconnected.as_array().unwrap().iter().map(|it| it["thing"]["name"].clone()).collect();
        assert_eq!(names, ["vehicle-archive", "water-system"]);
        assert!(unconnected.as_array().unwrap().iter().all(|it| it["thing"]["synthetic"] == true));
        let view = cataloguer.get("/v1/chain/duty/road-transport").await.expect_status(200);
        assert_eq!(view["history"].as_array().unwrap().len(), 1);
        let users = view["users"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap());
        assert_eq!(users.collect::<Vec<_>>(), ["road-permit", "transport-system", "vehicle-archive"]);
    }
}
