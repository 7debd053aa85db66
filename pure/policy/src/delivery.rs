//! Deliveries under an agreement: is it live, is the purpose the agreed one, is the quota left, and what may be shown.

use crate::{CallQuota, Mask, Quota, Restriction, ServiceTerms};
use rule::Filter;
use schema::FieldName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vocabulary::{Date, Kind, OperationName, OrganisationId, Problem, ResourceId, Timestamp, date_in_shanghai, ensure};

/// What both sides signed: everything that a delivery is measured by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The record type.
    pub record: ResourceId,
    /// The columns, in order.
    pub columns: Vec<FieldName>,
    /// The rows, bound to the consumer.
    pub rows: Filter,
    /// What is masked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub masks: BTreeMap<FieldName, Mask>,
    /// For what.
    pub purpose: String,
    /// How much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// What may be called, where `record` names a service; there are no columns and no rows then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceTerms>,
    /// The last day, in Asia/Shanghai.
    #[schemars(with = "String")]
    pub until: Date,
}

/// Where an agreement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AgreementState {
    /// One side has signed.
    Proposed,
    /// Both have signed.
    Live,
    /// One side has taken it back.
    Revoked,
}

/// What is known of the agreement that a delivery names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementFacts {
    /// With whom it was made.
    pub consumer: OrganisationId,
    /// Where it stands.
    pub state: AgreementState,
    /// What was agreed.
    pub terms: Terms,
    /// Rows delivered under it on the legal day of `now`; of a service, calls.
    pub rows_today: u64,
}

/// What a delivery asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryNeed<'a> {
    /// Which organisation asks.
    pub consumer: &'a OrganisationId,
    /// For what.
    pub purpose: &'a str,
    /// Which columns; none named: all agreed ones.
    pub columns: &'a [FieldName],
    /// Which of the permitted rows.
    pub filter: &'a Filter,
    /// Which operation of a service, where it is a call.
    pub operation: Option<&'a OperationName>,
}

fn refused(code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Problem {
    Problem::new(Kind::Refused, code, zh, en)
}

/// Decides a delivery: the first thing that does not hold is the answer.
pub(crate) fn judge(
    need: &DeliveryNeed<'_>,
    facts: Option<&AgreementFacts>,
    now: Timestamp,
) -> Result<Restriction, Problem> {
    let agreement = facts.filter(|it| it.consumer == *need.consumer && it.state != AgreementState::Proposed);
    let agreement = agreement.ok_or_else(no_agreement)?;
    let terms = &agreement.terms;
    ensure!(agreement.state == AgreementState::Live, revoked());
    ensure!(date_in_shanghai(now) <= terms.until, expired(terms.until));
    ensure!(need.purpose == terms.purpose, other_purpose(&terms.purpose));
    if let Some(quota) = terms.quota {
        ensure!(agreement.rows_today < quota.rows_per_day, quota_spent(quota));
    }
    call(need.operation, terms, agreement.rows_today)?;
    let outside = need.columns.iter().find(|it| !terms.columns.contains(it));
    if let Some(column) = outside {
        return Err(restriction(column, "不在协议列内", "is not among the agreed columns").field("/columns"));
    }
    for field in need.filter.fields() {
        ensure!(
            terms.columns.contains(&field),
            restriction(
                &field,
                "不在协议列内，不能作筛选条件",
                "is not among the agreed columns and cannot be filtered by"
            )
        );
        ensure!(
            !terms.masks.contains_key(&field),
            restriction(&field, "已脱敏，不能作筛选条件", "is masked and cannot be filtered by")
        );
    }
    let columns = if need.columns.is_empty() { terms.columns.clone() } else { need.columns.to_vec() };
    let masks = terms.masks.iter().filter(|(it, _)| columns.contains(it)).map(|(it, mask)| (it.clone(), *mask));
    Ok(Restriction { masks: masks.collect(), filter: terms.rows.clone().and(need.filter.clone()), columns })
}

/// A call needs an agreement over a service with its operation and calls left; anything else needs one over records.
fn call(operation: Option<&OperationName>, terms: &Terms, calls_today: u64) -> Result<(), Problem> {
    let (Some(operation), Some(service)) = (operation, &terms.service) else {
        ensure!(operation.is_none() && terms.service.is_none(), other_kind(terms));
        return Ok(());
    };
    ensure!(service.operations.contains_key(operation), not_agreed(operation, service));
    match service.calls {
        Some(quota) if quota.per_day.is_some_and(|it| calls_today >= it) => Err(quota.spent()),
        _ => Ok(()),
    }
}

fn other_kind(terms: &Terms) -> Problem {
    let record = &terms.record;
    let (zh, en) = match terms.service {
        Some(_) => ("服务接口；请调用（yunhe call）", "a service: call it (yunhe call)"),
        None => ("数据，不是服务接口；请查询（yunhe query）", "records and no service: query them (yunhe query)"),
    };
    refused(
        "exchange.service",
        format!("协议所共享的 {record} 是{zh}"),
        format!("{record}, which was agreed on, is {en}"),
    )
}

fn not_agreed(operation: &OperationName, service: &ServiceTerms) -> Problem {
    let all = service.operations.keys().map(OperationName::as_str).collect::<Vec<_>>().join(", ");
    refused(
        "exchange.restriction",
        format!("操作 {operation} 不在协议内；协议许可：{all}"),
        format!("operation {operation} is not among those agreed on: {all}"),
    )
}

impl CallQuota {
    /// The problem of whoever calls past it.
    pub fn spent(self) -> Problem {
        let most = self.per_day.unwrap_or(u64::MAX);
        Problem::new(
            Kind::TooMany,
            "exchange.quota",
            format!("今日配额 {most} 次调用已用完；明日零时（北京时间）恢复"),
            format!("today's quota of {most} calls is spent; it is renewed at midnight in Shanghai"),
        )
        .with("calls_per_day", most)
    }
}

fn no_agreement() -> Problem {
    refused(
        "exchange.no_agreement",
        "没有与贵单位生效的协议；请先申请（yunhe request）",
        "there is no agreement with your organisation; ask for one first (yunhe request)",
    )
}

fn revoked() -> Problem {
    refused(
        "exchange.revoked",
        "协议已撤销；如仍需要，请重新申请",
        "the agreement was revoked; if you still need the data, ask anew",
    )
}

fn expired(until: Date) -> Problem {
    refused(
        "exchange.expired",
        format!("协议已于 {until} 到期；请申请续期"),
        format!("the agreement ended on {until}; ask for a renewal"),
    )
    .with("until", until.to_string())
}

fn other_purpose(agreed: &str) -> Problem {
    refused(
        "exchange.purpose",
        format!("用途与协议不符；协议用途为“{agreed}”"),
        format!("the purpose is not the agreed one, which is {agreed:?}"),
    )
    .field("/purpose")
}

/// The refusal of a spent quota, also used by the guard in the store.
fn quota_spent(quota: Quota) -> Problem {
    Problem::new(
        Kind::TooMany,
        "exchange.quota",
        format!("今日配额 {} 行已用完；明日零时（北京时间）恢复", quota.rows_per_day),
        format!("today's quota of {} rows is spent; it is renewed at midnight in Shanghai", quota.rows_per_day),
    )
    .with("rows_per_day", quota.rows_per_day)
}

impl Quota {
    /// The problem of whoever asks past it.
    pub fn spent(self) -> Problem {
        quota_spent(self)
    }
}

fn restriction(field: &FieldName, zh: &str, en: &str) -> Problem {
    let name = field.as_str();
    refused("exchange.restriction", format!("列 {name} {zh}"), format!("column {name} {en}"))
}
