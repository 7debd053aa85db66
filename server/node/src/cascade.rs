//! Levels 级联, between nodes: stories of requests go on to the next neighbour; catalogues are reported up, and what each
//! level said of them is fetched back down.

use crate::{Incoming, Organisation, Outcome, draw_salt, requests::from_json};
use catalog::report::{
    LevelPeer, NumberEntry, PAGES_MAX, ReadAnew, Report, ReportPage, ReportView, Reported, ReportsAsk, ReturnEntry,
    RulingBody, RulingPage, TakeReports, TakeRulings, Verdict,
};
use exchange::{AnswerAsk, Notice, RequestView, Verdict as AnswerVerdict};
use federation::View;
use peer::Call;
use policy::{AnswerStep, Ask, Need, Permit, Principal, Role};
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;
use store::transact;
use vocabulary::{Bilingual, Kind, OrganisationId, PlatformNumber, Problem, ResourceId, Timestamp, ensure};

/// What is done about an entry that was reported up to this level.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ReportAct {
    /// 退回.
    Return {
        /// Why.
        reason: String,
    },
    /// This level's own number of it (目录代码).
    Number {
        /// The number.
        number: String,
    },
}

/// Asking neighbours on other levels for news now.
#[derive(Debug)]
struct FollowLevels;

impl Ask for FollowLevels {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::Cataloguer, Role::Approver])
    }
}

/// How the levels are followed.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LevelsAsk {
    /// From their beginning once more: what was left out because a key was not known yet is taken then.
    #[serde(default)]
    pub anew: bool,
}

/// What following the levels came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Followed {
    /// Entries and rulings that were news.
    pub taken: i64,
    /// What was not in order, or not signed as it should be.
    pub refused: i64,
    /// Neighbours that did not answer; they are asked another time.
    pub silent: Vec<OrganisationId>,
}

impl Followed {
    fn add(&mut self, one: &Reported) {
        self.taken += one.taken;
        self.refused += one.refused;
    }
}

impl Organisation {
    /// What has just come may have to go on; the job does it, so that who brought it does not wait for the whole way.
    pub(crate) fn pass_on_soon(&self) {
        self.passing.store(true, Ordering::Relaxed);
    }

    /// Tells what waits, if something has come since the last step; says whether anything was heard.
    ///
    /// # Errors
    /// As [`Organisation::tell_letters`].
    pub(crate) async fn pass_on(&self) -> Result<bool, Problem> {
        Ok(self.passing.swap(false, Ordering::Relaxed) && self.tell_letters().await? > 0)
    }

    /// Over levels nobody waits for our answer to a message: what the offer does not take is sent back by an answer.
    pub(crate) async fn return_unfit(&self, view: RequestView, problem: &Problem) -> Result<RequestView, Problem> {
        let ask = AnswerAsk {
            request: view.request.body.id,
            step: AnswerStep::Provider,
            by: self.id().clone(),
            verdict: AnswerVerdict::Return,
            reason: Some(format!("{} / {}", problem.detail.zh, problem.detail.en)),
            columns: None,
            operations: None,
            numbers: Vec::new(),
        };
        let permit = self.permit(&self.job("return", [Role::ProviderOfficer]), ask)?;
        let now = self.now();
        let view = transact!(self.store, None, |tx| exchange::answer(tx, &permit, &*self.message_key(), now).await)?;
        self.pass_on_soon();
        Ok(view)
    }

    /// Each member gives its own numbers; what a platform outside the federation gave is passed on by whoever has it.
    pub(crate) fn check_givers(&self, numbers: &[PlatformNumber], who: &OrganisationId) -> Result<(), Problem> {
        let members = self.members()?;
        let foreign = numbers.iter().find(|it| it.by != *who && members.member(&it.by).is_ok());
        ensure!(foreign.is_none(), others_number(foreign.map(|it| &it.by), who));
        Ok(())
    }

    /// Fetches what subordinates report and what the superior said; one that does not answer holds nobody up.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn follow_levels(&self) -> Result<Followed, Problem> {
        let Ok(view) = self.members() else { return Ok(Followed::default()) };
        let mut followed = Followed::default();
        if view.fresh(self.now()).is_err() {
            return Ok(followed);
        }
        for member in view.subordinates(self.id()) {
            let from = &member.organisation.id;
            let done = self.take_from(&view, from).await;
            self.note_followed(from, done, &mut followed)?;
        }
        if let Some(superior) = view.superior(self.id()) {
            let done = self.hear_from(&view, superior).await;
            self.note_followed(superior, done, &mut followed)?;
        }
        Ok(followed)
    }

    fn note_followed(
        &self,
        peer: &OrganisationId,
        done: Result<Reported, Problem>,
        followed: &mut Followed,
    ) -> Result<(), Problem> {
        match done {
            Ok(done) => followed.add(&done),
            Err(problem) if problem.kind == Kind::Internal => return Err(problem),
            Err(problem) => {
                let organisation = self.id();
                tracing::info!(%organisation, %peer, %problem, "a neighbour of another level is asked another time");
                followed.silent.push(peer.clone());
            }
        }
        Ok(())
    }

    async fn take_from(&self, view: &View, from: &OrganisationId) -> Result<Reported, Problem> {
        let (peer, key) = (Neighbour { organisation: self, member: from }, self.message_key());
        let job = self.job("levels", [Role::Cataloguer]);
        let permit = |page: ReportPage| self.reports_permit(view, &job, from, page);
        catalog::report::take_from(&self.store, from, &peer, permit, (&*key, self.now())).await
    }

    /// Leaves out what is not signed as it should be, and gives leave for the rest.
    fn reports_permit(
        &self,
        view: &View,
        job: &Principal,
        from: &OrganisationId,
        mut page: ReportPage,
    ) -> Result<Permit<TakeReports>, Problem> {
        let before = page.reports.len();
        page.reports.retain(|it| self.holds(view, from, it));
        let refused = i64::try_from(before - page.reports.len()).unwrap_or(i64::MAX);
        let ask = TakeReports { from: from.clone(), federation: self.federation.clone(), page, refused };
        self.permit(job, ask)
    }

    fn holds(&self, view: &View, from: &OrganisationId, report: &Report) -> bool {
        let checked = report.check(from, |id| self.keys_ever(id), |above, id| view.is_under(id, above));
        if let Err(problem) = &checked {
            tracing::warn!(%from, position = report.position, %problem, "a report that does not hold was left out");
        }
        checked.is_ok()
    }

    /// Fetches what the superior and those above it said, page by page; whoever writes our catalogue hears of a return
    /// in the same unit of work.
    async fn hear_from(&self, view: &View, superior: &OrganisationId) -> Result<Reported, Problem> {
        let (mut sum, job) = (Reported::default(), self.job("levels", [Role::Cataloguer]));
        let (mut epoch, mut after) = catalog::report::heard(&self.store, superior).await?;
        for _ in 0..PAGES_MAX {
            let call = Call::get(format!("/peer/v1/catalog/rulings?after={after}"));
            let answer = self.client.send(&self.peer(superior)?, &call, self.now()).await?;
            let page: RulingPage = from_json(&answer.body)?;
            if page.epoch != epoch && after > 0 {
                // A restored backup: what stands behind `after` there is another history.
                (epoch, after) = (page.epoch, 0);
                continue;
            }
            let over = page.upto >= page.head || page.upto <= after;
            (epoch, after) = (page.epoch.clone(), page.upto);
            let (permit, now) = (self.rulings_permit(view, &job, superior, page)?, self.now());
            let done = transact!(self.store, None, |tx| {
                let (done, news) = catalog::report::take_rulings(tx, &permit, now).await?;
                for notice in news.iter().filter_map(|it| returned(&it.body, now)) {
                    exchange::notify(tx, &notice).await?;
                }
                Ok(done)
            })?;
            sum.add(&done);
            if over {
                break;
            }
        }
        Ok(sum)
    }

    /// Leaves out what is not said by a level above, and gives leave for the rest.
    fn rulings_permit(
        &self,
        view: &View,
        job: &Principal,
        superior: &OrganisationId,
        mut page: RulingPage,
    ) -> Result<Permit<TakeRulings>, Problem> {
        let before = page.rulings.len();
        page.rulings.retain(|it| {
            let (by, owner) = (&it.body.by, &it.body.organisation);
            let above = view.is_under(self.id(), by) && (owner == self.id() || view.is_under(owner, self.id()));
            above && self.keys_ever(by).and_then(|keys| it.check(&keys)).is_ok()
        });
        let refused = i64::try_from(before - page.rulings.len()).unwrap_or(i64::MAX);
        self.permit(job, TakeRulings { from: superior.clone(), page, refused })
    }

    /// Tells our superior what stands in our catalogue: our own, and what came up to us.
    ///
    /// # Errors
    /// `catalog.superior` for anybody else.
    pub async fn tell_reports(&self, incoming: &Incoming, after: i64) -> Result<Outcome, Problem> {
        let (view, asks) = (self.members()?, &incoming.member.organisation.id);
        ensure!(view.superior(self.id()) == Some(asks), not_superior(asks));
        let key = self.message_key();
        let page = catalog::report::reports(&mut self.store.read().await?, self.id(), &*key, after).await?;
        Outcome::json(&page)
    }

    /// Tells a subordinate what levels said of its entries, and of those below it.
    ///
    /// # Errors
    /// `catalog.superior` for anybody else.
    pub async fn tell_levels(&self, incoming: &Incoming, after: i64) -> Result<Outcome, Problem> {
        let (view, asks) = (self.members()?, &incoming.member.organisation.id);
        ensure!(view.superior(asks) == Some(self.id()), not_superior(asks));
        let theirs = |owner: &OrganisationId| owner == asks || view.is_under(owner, asks);
        let page = catalog::report::rulings(&mut self.store.read().await?, theirs, after).await?;
        Outcome::json(&page)
    }

    /// Where entries stand that were reported, ours and those that came up.
    ///
    /// # Errors
    /// `policy.role`.
    pub async fn reports(&self, principal: &Principal, ask: &ReportsAsk) -> Result<Vec<ReportView>, Problem> {
        self.permit(principal, crate::catalogs::Look)?;
        let view = self.members()?;
        let place = (self.id(), view.superior(self.id()));
        catalog::report::report_views(&mut self.store.read().await?, ask, place).await
    }

    /// Where one entry stands.
    ///
    /// # Errors
    /// `catalog.report_missing`, `policy.role`.
    pub async fn report(
        &self,
        principal: &Principal,
        (owner, entry): (&OrganisationId, &ResourceId),
    ) -> Result<ReportView, Problem> {
        self.permit(principal, crate::catalogs::Look)?;
        let view = self.members()?;
        let place = (self.id(), view.superior(self.id()));
        catalog::report::report_view(&mut self.store.read().await?, place, owner, entry).await
    }

    /// Returns an entry that was reported, or gives it our number.
    ///
    /// # Errors
    /// `catalog.report_missing`, `catalog.report_state`, `catalog.report_reason`, `number.rewritten`, `policy.role`.
    pub async fn act_on_report(
        &self,
        principal: &Principal,
        (organisation, entry): (OrganisationId, ResourceId),
        act: ReportAct,
    ) -> Result<ReportView, Problem> {
        let (federation, key) = (self.federation.clone(), self.message_key());
        let (salt, now) = (draw_salt()?, self.now());
        let named = (organisation.clone(), entry.clone());
        match act {
            ReportAct::Return { reason } => {
                let permit = self.permit(principal, ReturnEntry { federation, organisation, entry, reason })?;
                transact!(self.store, None, |tx| catalog::report::return_entry(tx, &permit, (&*key, salt), now).await)?;
            }
            ReportAct::Number { number } => {
                let permit = self.permit(principal, NumberEntry { federation, organisation, entry, number })?;
                transact!(self.store, None, |tx| catalog::report::number_entry(tx, &permit, (&*key, salt), now).await)?;
            }
        }
        self.report(principal, (&named.0, &named.1)).await
    }

    /// Follows the levels now, as the job does every while; `anew`: from their beginning once more.
    ///
    /// # Errors
    /// `policy.role`; those of the store.
    pub async fn follow_levels_now(&self, principal: &Principal, ask: &LevelsAsk) -> Result<Followed, Problem> {
        self.permit(principal, FollowLevels)?;
        if ask.anew {
            let view = self.members()?;
            let below = view.subordinates(self.id()).map(|it| &it.organisation.id);
            for from in below.chain(view.superior(self.id())) {
                let permit = self.permit(principal, ReadAnew { from: from.clone() })?;
                transact!(self.store, None, |tx| catalog::report::read_anew(tx, &permit).await)?;
            }
        }
        self.sequence_once().await?;
        self.follow_levels().await
    }
}

/// A subordinate's node as the catalogue sees it.
struct Neighbour<'a> {
    organisation: &'a Organisation,
    member: &'a OrganisationId,
}

impl LevelPeer for Neighbour<'_> {
    async fn report_page(&self, after: i64) -> Result<ReportPage, Problem> {
        let (org, call) = (self.organisation, Call::get(format!("/peer/v1/catalog/reports?after={after}")));
        from_json(&org.client.send(&org.peer(self.member)?, &call, org.now()).await?.body)
    }
}

/// The notice that an entry of ours was returned.
fn returned(body: &RulingBody, at: Timestamp) -> Option<Notice> {
    let RulingBody { by, entry, revision, reason, .. } = body;
    let reason = reason.as_deref().filter(|_| body.verdict == Verdict::Returned)?;
    let title = Bilingual::new(
        format!("{by} 退回目录条目 {entry}（第 {revision} 版）：{reason}"),
        format!("{by} returned catalogue entry {entry}, revision {revision}: {reason}"),
    );
    let (about, kind) = (format!("catalogue/{entry}"), format!("entry-returned-{by}-{revision}"));
    Some(Notice { about, kind, role: Role::Cataloguer, title, due: None, at })
}

fn not_superior(who: &OrganisationId) -> Problem {
    Problem::new(
        Kind::Refused,
        "catalog.superior",
        format!("{who} 与本单位不是直接上下级；上报和退回只在直接上下级之间"),
        format!("{who} is neither our superior nor our subordinate; reports go between those alone"),
    )
}

pub(crate) fn other_way(way: &[OrganisationId]) -> Problem {
    Problem::new(
        Kind::Conflict,
        "exchange.way",
        "申请的流转路径与成员日志中的上下级不符；请重新申请",
        "the way of the request is not the one that superiors make; ask anew",
    )
    .with("way", serde_json::json!(way))
}

fn others_number(by: Option<&OrganisationId>, who: &OrganisationId) -> Problem {
    let by = by.map(ToString::to_string).unwrap_or_default();
    Problem::new(
        Kind::Refused,
        "number.giver",
        format!("编号写明由 {by} 给出，{who} 不得代给；各级只添加自己的编号"),
        format!("the number is said to be given by {by}; {who} gives its own only"),
    )
    .field("/numbers")
}
