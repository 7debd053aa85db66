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
