//! The ways to an agreement between the consumer (`nj-gxj`) and the provider (`js-scjg`), as people go them.

use crate::{Caller, World, province::PURPOSE};
use serde_json::{Value, json};

impl World {
    /// The consumer's application system.
    pub fn application(&self) -> Caller<'_> {
        self.as_("nj-gxj", "application")
    }

    /// A request for an offer as the consumer fills it in.
    pub fn draft(offer: &str, until: &str) -> Value {
        json!({
            "provider": "js-scjg", "offer": offer, "purpose": PURPOSE,
            "basis": {"law": "《政务数据共享条例》", "article": "第二十一条"},
            "matter": "惠企政策兑现", "system": "惠企政策平台", "frequency": "daily", "until": until,
            "in_charge": "产业政策处",
        })
    }

    /// Asks, as the consumer's requester.
    pub async fn ask(&self, offer: &str, until: &str) -> Value {
        self.as_("nj-gxj", "requester").post("/v1/requests", Self::draft(offer, until)).await.expect_status(200)
    }

    /// One step answers.
    pub async fn answer(&self, request: &str, step: &str, verdict: Value) -> crate::Reply {
        let (organisation, role) = match step {
            "own-department" => ("nj-gxj", "checker"),
            "authority" => ("js-data", "approver"),
            _ => ("js-scjg", "provider-officer"),
        };
        let mut body = verdict;
        body["step"] = step.into();
        self.as_(organisation, role).post(&format!("/v1/requests/{request}/answers"), body).await
    }

    /// The consumer hears how its request stands.
    pub async fn news(&self, request: &str) -> Value {
        self.as_("nj-gxj", "requester").get(&format!("/v1/requests/{request}")).await.expect_status(200)
    }

    /// The consumer signs; the agreement's id.
    pub async fn sign(&self, request: &str) -> String {
        let path = format!("/v1/requests/{request}/agreement");
        let view = self.as_("nj-gxj", "requester").post(&path, json!({})).await.expect_status(200);
        view["agreement"]["body"]["id"].as_str().unwrap().to_owned()
    }

    /// An agreement on the base facts, which need nobody's answer.
    pub async fn agree_base(&self) -> String {
        let asked = self.ask("legal-person-base", "2026-12-31").await;
        self.sign(request_id(&asked)).await
    }

    /// An agreement on operation and credit, after all three have agreed.
    pub async fn agree_operation(&self, until: &str) -> String {
        let asked = self.ask("legal-person-operation", until).await;
        let request = request_id(&asked);
        for step in ["own-department", "authority", "provider"] {
            self.answer(request, step, json!({"verdict": "agree"})).await.expect_status(200);
            self.news(request).await;
        }
        self.sign(request).await
    }

    /// Queries as the consumer's application system.
    pub async fn query(&self, agreement: &str, more: Value) -> crate::Reply {
        let mut body = more;
        body["agreement"] = agreement.into();
        self.application().post("/v1/queries", body).await
    }
}

/// The id of a request view.
pub(crate) fn request_id(view: &Value) -> &str {
    view["request"]["body"]["id"].as_str().unwrap()
}
