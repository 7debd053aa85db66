//! Requests: whose turn it is, what an answer does, and the agreement that comes of it.
//!
//! Pure. Invariants, each with a property test:
//! - a request is agreed only after every step of the offer has agreed, in order, and of the step of the authorities
//!   each on the request's way;
//! - the agreed columns are among those asked for, offered, and left by every step;
//! - after a refusal or a return nothing more is taken.

pub(crate) mod objection;
pub(crate) mod turn;

use crate::cascade::{authority_at, numbers};
use crate::check_attachments;
use crate::{AccessRequest, Agreement, AgreementId, Answer, Signed, Supplement, Verdict};
use policy::{AnswerStep, MemberFacts, Offer, Service, ServiceTerms, Sharing, Terms, Travel};
use rule::Filter;
use schema::{FieldName, RecordType, division::Zones};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Date, Digest, Kind, OperationName, PlatformNumber, Problem, Timestamp, date_in_shanghai, ensure};

/// Where a request stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Standing {
    /// It is this step's turn.
    Waiting {
        /// Whose turn.
        step: AnswerStep,
        /// Whether that step has taken it up.
        accepted: bool,
        /// The how-many-eth authority on the request's way, from 0.
        #[serde(default, skip_serializing_if = "is_first")]
        level: u16,
    },
    /// The asker has to supplement it.
    Supplement {
        /// Who wants it.
        step: AnswerStep,
        /// The how-many-eth authority on the request's way, from 0.
        #[serde(default, skip_serializing_if = "is_first")]
        level: u16,
        /// What is missing.
        reason: String,
    },
    /// Sent back.
    Returned {
        /// By whom.
        step: AnswerStep,
        /// The how-many-eth authority on the request's way, from 0.
        #[serde(default, skip_serializing_if = "is_first")]
        level: u16,
        /// Why.
        reason: String,
    },
    /// Refused.
    Refused {
        /// By whom; nobody: by policy.
        step: Option<AnswerStep>,
        /// The how-many-eth authority on the request's way, from 0.
        #[serde(default, skip_serializing_if = "is_first")]
        level: u16,
        /// Why.
        reason: String,
    },
    /// Agreed by all.
    Agreed {
        /// With which columns.
        columns: Vec<FieldName>,
        /// With which operations of a service.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        operations: Vec<OperationName>,
    },
}

/// The first authority on a way is not counted, so that what was written before there were levels reads the same.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_first(level: &u16) -> bool {
    *level == 0
}

/// What has happened to a request, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Somebody answered.
    Answered(Box<Signed<Answer>>),
    /// The asker supplemented.
    Supplemented(Signed<Supplement>),
}

/// What is left of a request: columns, or operations of a service.
#[derive(Clone)]
struct Left {
    columns: Vec<FieldName>,
    operations: Vec<OperationName>,
}

impl Left {
    fn of(request: &AccessRequest) -> Self {
        Self { columns: request.columns.clone(), operations: request.operations.clone() }
    }

    fn agreed(&self) -> Standing {
        Standing::Agreed { columns: self.columns.clone(), operations: self.operations.clone() }
    }

    /// Keeps what an answer names: something of the sort that was asked for, and all of it asked for.
    fn keep(&mut self, answer: &Answer) -> Result<(), Problem> {
        match (&answer.columns, &answer.operations) {
            (Some(columns), None) => retain(&mut self.columns, columns),
            (None, Some(operations)) => retain(&mut self.operations, operations),
            _ => Err(part_only()),
        }
    }
}

fn retain<T: PartialEq>(all: &mut Vec<T>, part: &[T]) -> Result<(), Problem> {
    ensure!(!part.is_empty() && part.iter().all(|it| all.contains(it)), part_only());
    all.retain(|it| part.contains(it));
    Ok(())
}

fn unprocessable(code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Problem {
    Problem::new(Kind::Unprocessable, code, zh, en)
}

/// Whose turn it is: a step, and which authority of it.
#[derive(Clone, Copy)]
struct At {
    step: AnswerStep,
    level: u16,
}

/// Where `request` stands before anybody has answered.
pub fn start(request: &AccessRequest, steps: &[AnswerStep]) -> Standing {
    match steps.first() {
        Some(step) => Standing::Waiting { step: *step, accepted: false, level: 0 },
        None => Left::of(request).agreed(),
    }
}

/// Where `request` stands after `events`.
///
/// # Errors
/// The first event that may not happen: `exchange.turn`, `exchange.reason`, `exchange.columns`, `number.rewritten`.
pub fn standing(request: &AccessRequest, steps: &[AnswerStep], events: &[Event]) -> Result<Standing, Problem> {
    numbers(request, events)?;
    let mut left = Left::of(request);
    let mut now = start(request, steps);
    for event in events {
        now = step(&now, (request, steps), &mut left, event)?;
    }
    Ok(now)
}

fn step(
    now: &Standing,
    way: (&AccessRequest, &[AnswerStep]),
    left: &mut Left,
    event: &Event,
) -> Result<Standing, Problem> {
    match (now, event) {
        (Standing::Supplement { step, level, .. }, Event::Supplemented(_)) => {
            Ok(Standing::Waiting { step: *step, accepted: true, level: *level })
        }
        (Standing::Waiting { step: turn, level, .. }, Event::Answered(answer)) => {
            ensure!(answer.body.step == *turn, not_your_turn(*turn));
            let who = authority_at(way.0, *level).filter(|_| *turn == AnswerStep::Authority);
            ensure!(who.is_none_or(|it| *it == answer.body.by), not_your_turn(*turn));
            answered(At { step: *turn, level: *level }, way, left, &answer.body)
        }
        (Standing::Waiting { step, .. }, Event::Supplemented(_)) => Err(not_your_turn(*step)),
        _ => Err(Problem::new(
            Kind::Conflict,
            "exchange.turn",
            "该申请此时不接受这一操作",
            "the request does not take this now",
        )),
    }
}

fn answered(
    at: At,
    way: (&AccessRequest, &[AnswerStep]),
    left: &mut Left,
    answer: &Answer,
) -> Result<Standing, Problem> {
    let reason = || {
        let given = answer.reason.as_deref().map(str::trim).filter(|it| !it.is_empty());
        given
            .map(str::to_owned)
            .ok_or_else(|| unprocessable("exchange.reason", "请写明理由", "say why").field("/reason"))
    };
    let At { step, level } = at;
    match answer.verdict {
        Verdict::Accept => Ok(Standing::Waiting { step, accepted: true, level }),
        Verdict::Supplement => Ok(Standing::Supplement { step, level, reason: reason()? }),
        Verdict::Return => Ok(Standing::Returned { step, level, reason: reason()? }),
        Verdict::Refuse => Ok(Standing::Refused { step: Some(step), level, reason: reason()? }),
        Verdict::Agree => {
            ensure!(answer.columns.is_none() && answer.operations.is_none(), part_only());
            Ok(next(at, way, left))
        }
        Verdict::AgreeInPart => {
            reason()?;
            left.keep(answer)?;
            Ok(next(at, way, left))
        }
    }
}

/// The next authority on the way, or else the next step.
fn next(At { step, level }: At, (request, steps): (&AccessRequest, &[AnswerStep]), left: &Left) -> Standing {
    if step == AnswerStep::Authority && authority_at(request, level + 1).is_some() {
        return Standing::Waiting { step, accepted: false, level: level + 1 };
    }
    let after = steps.iter().skip_while(|it| **it != step).nth(1);
    match after {
        Some(step) => Standing::Waiting { step: *step, accepted: false, level: 0 },
        None => left.agreed(),
    }
}

fn not_your_turn(turn: AnswerStep) -> Problem {
    Problem::new(
        Kind::Conflict,
        "exchange.turn",
        format!("现在轮到 {turn:?} 答复"),
        format!("it is the turn of {turn:?}"),
    )
}

fn part_only() -> Problem {
    unprocessable(
        "exchange.columns",
        "部分同意须列出保留的列（服务则为操作），且只能是申请过的；同意则不列",
        "agreeing in part names the columns, or of a service the operations, that stay, all of them asked for; \
         agreeing names none",
    )
    .field("/columns")
}

/// Whether policy lets `request` in at all; people answer afterwards.
///
/// # Errors
/// `exchange.not_shared`, `exchange.who`, `exchange.purpose`, `exchange.restriction`, `exchange.until`.
pub fn admissible(request: &AccessRequest, offer: &Offer, asker: &MemberFacts, now: Timestamp) -> Result<(), Problem> {
    let refused = |code: &'static str, zh: String, en: String| Problem::new(Kind::Refused, code, zh, en);
    ensure!(
        offer.share != Sharing::Refused,
        refused(
            "exchange.not_shared",
            format!("{} 属不予共享；依据见目录", offer.offer),
            format!("{} is not shared; the catalogue names the legal basis", offer.offer),
        )
    );
    ensure!(
        offer.is_for(asker),
        refused(
            "exchange.who",
            format!("{} 不面向 {}", offer.offer, asker.id),
            format!("{} is not meant for {}", offer.offer, asker.id),
        )
    );
    ensure!(
        offer.allows_purpose(&request.purpose),
        refused(
            "exchange.purpose",
            format!("用途“{}”不在许可范围：{}", request.purpose, offer.purpose.join("、")),
            format!("purpose {:?} is not among: {}", request.purpose, offer.purpose.join(", ")),
        )
        .field("/purpose")
    );
    chosen(request, offer)?;
    check_attachments(&request.attachments)?;
    let last = last_day(request, offer);
    ensure!(
        last >= date_in_shanghai(now),
        unprocessable("exchange.until", format!("期限 {last} 已过"), format!("{last} has passed")).field("/until")
    );
    Ok(())
}

/// What a request names is offered, and something of the sort that is.
fn chosen(request: &AccessRequest, offer: &Offer) -> Result<(), Problem> {
    let foreign = |zh: String, en: String, field: &'static str| {
        Problem::new(Kind::Refused, "exchange.restriction", zh, en).field(field)
    };
    if let Some(it) = request.columns.iter().find(|it| !offer.columns.contains(it)) {
        return Err(foreign(format!("列 {it} 不在可共享范围"), format!("column {it} is not offered"), "/columns"));
    }
    if let Some(it) = request.operations.iter().find(|it| !offer.operations.contains(it)) {
        return Err(foreign(
            format!("操作 {it} 不在可共享范围"),
            format!("operation {it} is not offered"),
            "/operations",
        ));
    }
    if offer.is_service() {
        let none = || unprocessable("exchange.operations", "请至少选一项操作", "name an operation");
        ensure!(!request.operations.is_empty(), none().field("/operations"));
    } else {
        let none = || unprocessable("exchange.columns", "请至少选一列", "name a column");
        ensure!(!request.columns.is_empty(), none().field("/columns"));
    }
    Ok(())
}

fn last_day(request: &AccessRequest, offer: &Offer) -> Date {
    offer.until.map_or(request.until, |it| it.min(request.until))
}

/// What an offer shares, as it is now.
#[derive(Clone, Copy)]
pub enum Shared<'a> {
    /// Rows of a record type.
    Records(&'a RecordType),
    /// Calls of a service.
    Service(&'a Service),
}

/// What an agreement is made from.
pub struct Ground<'a> {
    /// The request.
    pub request: &'a AccessRequest,
    /// Its digest.
    pub request_digest: Digest,
    /// The offer as it is now.
    pub offer: &'a Offer,
    /// What it shares.
    pub shared: Shared<'a>,
    /// The consumer.
    pub asker: &'a MemberFacts,
    /// The functional zones that `under` knows.
    pub zones: &'a Zones,
    /// How a delivery travels in the federation; the offer may say otherwise.
    pub travel: Travel,
    /// What platforms call it, from the request and the answers to it.
    pub numbers: &'a [PlatformNumber],
}

fn not_carried() -> Problem {
    Problem::new(
        Kind::Unavailable,
        "exchange.travel",
        "该提供须经枢纽密封转送（via-hub），本版尚不支持；请提供方改为 direct 或 hub-recorded",
        "the offer travels via-hub, which this version does not carry; let the provider say direct or hub-recorded",
    )
}

/// The agreement that an agreed request leads to.
///
/// # Errors
/// As [`admissible`]; `exchange.turn` when it is not agreed; `rule.…` when the offer's condition does not bind.
pub fn agreement(
    ground: &Ground<'_>,
    standing: &Standing,
    id: AgreementId,
    now: Timestamp,
) -> Result<Agreement, Problem> {
    let Ground { request, request_digest, offer, shared, asker, zones, travel, numbers } = ground;
    admissible(request, offer, asker, now)?;
    let travel = offer.travel.unwrap_or(*travel);
    ensure!(travel != Travel::ViaHub, not_carried());
    let Standing::Agreed { columns, operations } = standing else {
        return Err(Problem::new(Kind::Conflict, "exchange.turn", "申请尚未获同意", "the request is not agreed yet"));
    };
    let (rows, service) = match shared {
        Shared::Records(record) => (offer.rows_for(record, asker, &request.purpose, zones)?, None),
        Shared::Service(service) => (Filter::never(), Some(service_terms(service, operations, offer)?)),
    };
    let masks = offer.mask.iter().filter(|(it, _)| columns.contains(it)).map(|(it, mask)| (it.clone(), *mask));
    let terms = Terms {
        record: offer.of.clone(),
        columns: offer.columns.iter().filter(|it| columns.contains(it)).cloned().collect(),
        rows,
        service,
        masks: masks.collect(),
        purpose: request.purpose.clone(),
        quota: offer.quota,
        until: last_day(request, offer),
    };
    Ok(Agreement {
        format: "yunhe-agreement/1".to_owned(),
        id,
        revision: 1,
        federation: request.federation.clone(),
        provider: request.provider.clone(),
        consumer: request.consumer.clone(),
        system: request.system.clone(),
        request: request.id,
        request_digest: *request_digest,
        offer: offer.offer.clone(),
        basis: request.basis.clone(),
        terms,
        travel,
        numbers: numbers.to_vec(),
        at: now,
    })
}

/// The agreed operations as they are declared now.
fn service_terms(service: &Service, agreed: &[OperationName], offer: &Offer) -> Result<ServiceTerms, Problem> {
    let declared = |it: &OperationName| {
        let operation = service.operations.get(it).ok_or_else(|| {
            Problem::new(
                Kind::Conflict,
                "exchange.operations",
                format!("服务 {} 已没有操作 {it}；请重新申请", service.service),
                format!("service {} has no operation {it} any more; ask anew", service.service),
            )
        })?;
        Ok((it.clone(), operation.clone()))
    };
    let operations = agreed.iter().map(declared).collect::<Result<_, Problem>>()?;
    Ok(ServiceTerms { operations, calls: offer.calls })
}
