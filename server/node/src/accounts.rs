//! The accounts that a bureau lives by: counted by department, city and month from what is kept here, each figure with
//! exactly the requests, objections, receipts or entries that it was counted from.

use crate::{Organisation, clocks::Ran};
use calendar::Run;
use exchange::{ObjectionSide, ReadAccounts, ReceiptId, RulingVerdict, Telling};
use policy::Principal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use vocabulary::{Date, Kind, OrganisationId, Problem, ResourceId, SHANGHAI, Timestamp};

/// Entries read at once.
const ENTRIES_PAGE: u32 = 500;
/// Ids of a proof at once at most.
const PROOF_MAX: usize = 1_000;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FigureName {
    /// 编制: entries in the catalogue when counted (按统计时间计); none are told of a month that is over.
    EntriesCompiled,
    /// 挂接: of them those that something can be had through.
    EntriesAttached,
    /// 休眠: of our own attached entries those that nobody used in the month.
    EntriesSleeping,
    /// 收到申请: turns that began in the month.
    RequestsReceived,
    /// 答复申请: turns that ended in the month.
    RequestsAnswered,
    /// 按时答复: of them those within the statutory term.
    RequestsInTime,
    /// 收到异议.
    ObjectionsReceived,
    /// 办结异议: ruled on for good in the month.
    ObjectionsRuled,
    /// 按时办结异议.
    ObjectionsInTime,
    /// 更正: of them those that led to a correction.
    ObjectionsCorrected,
    /// 更正通知: past recipients that were told of corrections of the month.
    CorrectionsTold,
    /// 更正确认: of them those that have confirmed by now.
    CorrectionsConfirmed,
    /// 调用: deliveries with a receipt.
    Calls,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// What is counted.
    pub name: FigureName,
    /// Of whom: who holds the entries, had to answer, or took the deliveries.
    pub department: OrganisationId,
    /// The division of that department: its city, or the province.
    pub city: String,
    /// How many.
    pub count: u64,
    /// Where exactly those stand that were counted.
    pub proof: String,
}

/// One part of a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// The part.
    pub part: FigureName,
    /// The whole.
    pub whole: FigureName,
    /// Of whom.
    pub department: OrganisationId,
    /// How many of ten thousand.
    pub per_10000: u64,
}

/// The accounts of a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Accounts {
    /// The month, `2026-11`.
    pub month: String,
    /// Whose accounts.
    pub organisation: OrganisationId,
    /// When they were counted.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Whether the month is not over.
    pub unfinished: bool,
    /// Whether a term was counted without the year's notice.
    pub estimated: bool,
    /// The figures.
    pub figures: Vec<Figure>,
    /// The rates that follow from them.
    pub rates: Vec<Rate>,
}

/// Which month.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountsAsk {
    /// `2026-11`.
    pub month: String,
}

/// Which figure's proof.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofAsk {
    /// `2026-11`.
    pub month: String,
    /// The figure.
    pub figure: FigureName,
    /// Of whom.
    pub department: OrganisationId,
    /// Behind this id of the page before.
    #[serde(default)]
    pub after: Option<String>,
}

/// What a figure was counted from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// The ids, in order; as many as the figure, over all pages.
    pub ids: Vec<String>,
    /// The id to go on behind; none when there is no more.
    pub next: Option<String>,
}

/// A month in Asia/Shanghai, half open.
struct Month {
    from: Timestamp,
    until: Timestamp,
}

impl Month {
    fn of(text: &str) -> Result<Self, Problem> {
        let first = format!("{text}-01").parse::<Date>().ok().filter(|_| text.len() == 7);
        let month = first.and_then(|first| {
            let next = first.last_of_month().tomorrow().ok()?;
            let start = |day: Date| SHANGHAI.to_timestamp(day.at(0, 0, 0, 0)).ok();
            Some(Self { from: start(first)?, until: start(next)? })
        });
        month.ok_or_else(|| {
            Problem::new(
                Kind::Unprocessable,
                "accounts.month",
                format!("月份“{text}”应写作 2026-11 的样子"),
                format!("write the month {text:?} like 2026-11"),
            )
            .field("/month")
        })
    }

    fn has(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

/// What each figure is counted from.
#[derive(Default)]
struct Tally {
    ids: BTreeMap<(FigureName, OrganisationId), BTreeSet<String>>,
    estimated: bool,
}

impl Tally {
    fn add(&mut self, name: FigureName, department: &OrganisationId, id: String) {
        self.ids.entry((name, department.clone())).or_default().insert(id);
    }
}

impl Organisation {
    /// The accounts of a month.
    ///
    /// # Errors
    /// `accounts.month`, `policy.role`.
    pub async fn accounts(&self, principal: &Principal, ask: &AccountsAsk) -> Result<Accounts, Problem> {
        self.permit(principal, ReadAccounts)?;
        let month = Month::of(&ask.month)?;
        let tally = self.tally(&month).await?;
        let mut counts: BTreeMap<(FigureName, OrganisationId), u64> =
            tally.ids.iter().map(|(key, ids)| (key.clone(), ids.len() as u64)).collect();
        for (consumer, _, number) in exchange::calls(&mut self.store.read().await?, month.from, month.until).await? {
            *counts.entry((FigureName::Calls, consumer)).or_default() += number;
        }
        let figures = counts.iter().map(|((name, department), count)| {
            let word = serde_json::to_value(name).ok().and_then(|it| it.as_str().map(str::to_owned));
            let figure = word.unwrap_or_default();
            let proof = format!("/v1/accounts/proof?month={}&figure={figure}&department={department}", ask.month);
            Figure { name: *name, department: department.clone(), city: self.city(department), count: *count, proof }
        });
        let figures = figures.collect();
        let (at, rates) = (self.now(), rates(&counts));
        Ok(Accounts {
            month: ask.month.clone(),
            organisation: self.id().clone(),
            at,
            unfinished: at < month.until,
            estimated: tally.estimated,
            figures,
            rates,
        })
    }

    /// Exactly what a figure was counted from, in pages.
    ///
    /// # Errors
    /// `accounts.month`, `accounts.after`, `policy.role`.
    pub async fn account_proof(&self, principal: &Principal, ask: &ProofAsk) -> Result<Proof, Problem> {
        self.permit(principal, ReadAccounts)?;
        let month = Month::of(&ask.month)?;
        let ids: Vec<String> = if ask.figure == FigureName::Calls {
            let after = ask.after.as_deref().map(|it| it.parse::<ReceiptId>().map_err(|_| bad_after())).transpose()?;
            let span = (month.from, month.until);
            exchange::receipts_between(&mut self.store.read().await?, &ask.department, span, after).await?
        } else {
            let tally = self.tally(&month).await?;
            let ids = tally.ids.get(&(ask.figure, ask.department.clone())).cloned().unwrap_or_default();
            let behind = ask.after.clone().unwrap_or_default();
            ids.into_iter().filter(|it| *it > behind).take(PROOF_MAX).collect()
        };
        let next = ids.last().filter(|_| ids.len() == PROOF_MAX).cloned();
        Ok(Proof { ids, next })
    }

    /// Where a department is: its city, or the province.
    fn city(&self, department: &OrganisationId) -> String {
        let division = self.member(department).map(|it| it.organisation.division.clone());
        let division = division.map(|it| it.to_string()).unwrap_or_default();
        match division.get(..4) {
            Some(city) if !city.ends_with("00") => city.to_owned(),
            _ => division.get(..2).unwrap_or_default().to_owned(),
        }
    }

    async fn tally(&self, month: &Month) -> Result<Tally, Problem> {
        let mut tally = Tally::default();
        self.tally_requests(month, &mut tally).await?;
        self.tally_objections(month, &mut tally).await?;
        if self.now() < month.until {
            self.tally_entries(month, &mut tally).await?;
        }
        Ok(tally)
    }

    /// Turns of requests: begun and ended in the month, by whose turn it was.
    async fn tally_requests(&self, month: &Month, tally: &mut Tally) -> Result<(), Problem> {
        let (packs, now) = (self.packs(), self.now());
        let mut reader = self.store.read().await?;
        exchange::each_request(&mut reader, month.until, |view, heard| {
            let body = &view.request.body;
            let turns = exchange::turns(body, &view.steps, &view.events, |it| heard.of(it))?;
            for turn in turns {
                let Some(who) = self.who_answers(body, &turn) else { continue };
                let id = format!("{}/{}", body.id, exchange::Waits::Step(turn.step).word());
                if turn.runs.first().is_some_and(|it| month.has(it.from)) {
                    tally.add(FigureName::RequestsReceived, &who, id.clone());
                }
                let Some(answered) = turn.answered.filter(|it| month.has(*it)) else { continue };
                tally.add(FigureName::RequestsAnswered, &who, id.clone());
                let Some(term) = packs.deadlines().and_then(|(it, _)| it.term(turn.step)) else { continue };
                let ran = Ran { runs: &turn.runs, answered: Some(answered) };
                let Some(reading) = packs.reading(term.working_days, &ran, now) else { continue };
                tally.estimated |= reading.due.is_some_and(|it| it.estimated);
                if reading.in_time == Some(true) {
                    tally.add(FigureName::RequestsInTime, &who, id);
                }
            }
            Ok(())
        })
        .await
    }

    /// Objections and corrections of the month that are ours to answer for.
    async fn tally_objections(&self, month: &Month, tally: &mut Tally) -> Result<(), Problem> {
        let (packs, now, me) = (self.packs(), self.now(), self.id());
        let allowed = packs.deadlines().and_then(|(it, _)| it.objection.clone());
        let mut reader = self.store.read().await?;
        let mut corrected = BTreeSet::new();
        exchange::each_objection(&mut reader, month.until, |view| {
            if view.side != ObjectionSide::Received {
                return Ok(());
            }
            let id = view.objection.body.id.to_string();
            if month.has(view.at) {
                tally.add(FigureName::ObjectionsReceived, me, id.clone());
            }
            let Some(ruled) = view.ruled(me).filter(|it| month.has(*it)) else { return Ok(()) };
            tally.add(FigureName::ObjectionsRuled, me, id.clone());
            if view.rulings.iter().any(|it| it.body.by == *me && it.body.verdict == RulingVerdict::Correct) {
                corrected.insert(view.objection.body.id);
                tally.add(FigureName::ObjectionsCorrected, me, id.clone());
            }
            let Some(allowed) = &allowed else { return Ok(()) };
            let ran = Ran { runs: &[Run { from: view.at, until: None }], answered: Some(ruled) };
            let Some(reading) = packs.reading(allowed.working_days, &ran, now) else { return Ok(()) };
            tally.estimated |= reading.due.is_some_and(|it| it.estimated);
            if reading.in_time == Some(true) {
                tally.add(FigureName::ObjectionsInTime, me, id);
            }
            Ok(())
        })
        .await?;
        exchange::each_correction(&mut reader, month.until, |view| {
            let body = &view.correction.body;
            if month.has(body.at) && view.telling != Telling::Untold {
                tally.add(FigureName::CorrectionsTold, &body.consumer, body.id.to_string());
                if view.telling == Telling::Confirmed {
                    tally.add(FigureName::CorrectionsConfirmed, &body.consumer, body.id.to_string());
                }
            }
            Ok(())
        })
        .await
    }

    /// Entries of the catalogue that is kept here, as it is now.
    async fn tally_entries(&self, month: &Month, tally: &mut Tally) -> Result<(), Problem> {
        let mut reader = self.store.read().await?;
        let calls = exchange::calls(&mut reader, month.from, month.until).await?;
        let used: BTreeSet<ResourceId> = calls.into_iter().map(|(_, offer, _)| offer).collect();
        let mut after: Option<(OrganisationId, ResourceId)> = None;
        loop {
            let behind = after.as_ref().map(|(one, other)| (one, other));
            let page = catalog::entries(&mut reader, behind, ENTRIES_PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some((last.organisation.clone(), last.entry.entry.clone()));
            for it in &page {
                let (owner, id) = (&it.organisation, format!("{}/{}", it.organisation, it.entry.entry));
                tally.add(FigureName::EntriesCompiled, owner, id.clone());
                let Some(offer) = &it.entry.offer else { continue };
                tally.add(FigureName::EntriesAttached, owner, id.clone());
                if owner == self.id() && !used.contains(offer) {
                    tally.add(FigureName::EntriesSleeping, owner, id);
                }
            }
        }
    }
}

fn bad_after() -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "accounts.after",
        "after 应是上一页最后一个标识",
        "after is the last id of the page before",
    )
    .field("/after")
}

/// The rates that people look at: part and whole.
pub const RATES: [(FigureName, FigureName); 5] = [
    (FigureName::EntriesAttached, FigureName::EntriesCompiled),
    (FigureName::RequestsInTime, FigureName::RequestsAnswered),
    (FigureName::ObjectionsInTime, FigureName::ObjectionsRuled),
    (FigureName::ObjectionsCorrected, FigureName::ObjectionsRuled),
    (FigureName::CorrectionsConfirmed, FigureName::CorrectionsTold),
];

fn rates(counts: &BTreeMap<(FigureName, OrganisationId), u64>) -> Vec<Rate> {
    let rate = |((whole, department), of): (&(FigureName, OrganisationId), &u64)| {
        let rates = RATES.iter().filter(|it| it.1 == *whole && *of > 0).map(|(part, whole)| {
            let count = counts.get(&(*part, department.clone())).copied().unwrap_or(0);
            Rate { part: *part, whole: *whole, department: department.clone(), per_10000: count * 10_000 / of }
        });
        rates.collect::<Vec<_>>()
    };
    counts.iter().flat_map(rate).collect()
}
