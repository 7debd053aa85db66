//! What happens next, drawn from the seed: operations, crashes, cuts, faults at commits, clocks that jump; and at the
//! end the healing, after which everything must come to rest.

use crate::{
    Sabotage, Who,
    offer::Offer,
    work::{Job, Step, Work},
    world::World,
};
use exchange::{PullState, RequestId};
use node::Organisation;
use std::sync::Arc;
use store::{Fault, args, transact};

/// Operations under way at once at most.
const OPERATIONS_MAX: usize = 6;
/// Batches in a run at most.
pub(crate) const PULLS_MAX: usize = 5;
/// A new agreement is begun in these steps.
const STORIES_AT: [(u32, Offer); 2] = [(40, Offer::Open), (90, Offer::Full)];
/// No agreement is taken back before this step.
const REVOCATIONS_FROM: u32 = 120;
/// After so many turns of the jobs a healed world's next day comes.
const TURNS_A_DAY: u32 = 4;
const DAY_MICROS: i64 = 86_400_000_000;
/// Turns of the jobs after which a healed world must have come to rest.
const QUIET_TURNS_MAX: u32 = 60;

/// A request on its way to an agreement.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub id: RequestId,
    pub offer: Offer,
    pub asked: bool,
    pub signed: bool,
}

const STEPS: [Step; 8] =
    [Step::Ask, Step::OwnDepartment, Step::News, Step::Authority, Step::News, Step::Provider, Step::News, Step::Sign];

impl World {
    /// So many steps of it.
    pub fn live(&mut self, steps: u32) {
        self.calm(false);
        for step in 0..steps {
            self.rise();
            self.disturb(step, steps);
            if self.ops.len() < OPERATIONS_MAX {
                self.act(step);
            }
            for _ in 0..self.draw.between(1, 4) {
                self.round();
            }
            let micros = self.draw.between(200_000, 4_000_000);
            self.time.advance(micros);
        }
    }

    /// Nodes whose time has come start again.
    fn rise(&mut self) {
        for who in Who::ALL {
            if self.running(who).is_none() && self.home(who).starts <= self.net.round() {
                self.start_node(who);
            }
        }
    }

    fn act(&mut self, step: u32) {
        if let Some((_, offer)) = STORIES_AT.into_iter().find(|it| it.0 == step) {
            let id = RequestId::from_uuid(self.draw.uuid());
            self.stories.push(Story { id, offer, asked: false, signed: false });
        }
        let who = self.draw.of(&Who::ALL);
        match self.draw.below(100) {
            0..24 => self.begin_query(),
            24..46 => self.begin_job(Who::Consumer, Job::Pull),
            46..60 => self.begin_job(who, Job::Sequence),
            60..66 => self.begin_job(Who::Consumer, Job::Acknowledge),
            66..67 => self.begin_job(Who::Consumer, Job::Settle),
            67..68 => self.begin_job(who, Job::Tell),
            68..73 if self.model.pulls.len() < PULLS_MAX => self.begin_pull(),
            73..79 => self.begin_import(),
            79..88 => self.step_a_story(),
            88..90 => self.begin_job(who, Job::Membership),
            90..92 => self.begin_job(who, Job::Forget),
            92..94 => self.begin_job(Who::Hub, Job::Harvest),
            94..96 => self.begin_publishing(),
            96..98 => self.begin_look(who),
            98..100 if step >= REVOCATIONS_FROM => self.revoke(),
            _ => {}
        }
    }

    fn step_a_story(&mut self) {
        let open: Vec<usize> = (0..self.stories.len()).filter(|it| !self.stories[*it].signed).collect();
        if open.is_empty() {
            return;
        }
        let number = self.draw.of(&open);
        if self.ops.iter().any(|it| matches!(it.work, Work::Story(other, _) if other == number)) {
            return;
        }
        let step = match (self.stories[number].asked, self.stories[number].offer) {
            (false, _) => Step::Ask,
            (true, Offer::Open) => self.draw.of(&[Step::News, Step::Sign, Step::Sign]),
            (true, Offer::Full) => self.draw.of(&STEPS[1..]),
        };
        self.begin_step(number, step);
    }

    /// One of the agreements that are not over; one always stays.
    fn revoke(&mut self) {
        let agreements = self.model.agreements.iter().enumerate();
        let live: Vec<usize> = agreements.filter(|(_, it)| !it.is_over()).map(|(at, _)| at).collect();
        if live.len() > 1 {
            let number = self.draw.of(&live);
            let who = self.draw.of(&[Who::Provider, Who::Provider, Who::Consumer]);
            self.begin_revocation(number, who);
        }
    }

    fn disturb(&mut self, step: u32, steps: u32) {
        if self.sabotage == Some(Sabotage::CommitsForgotten) {
            self.sabotage_commits(step, steps);
        }
        let who = self.draw.of(&Who::ALL);
        match self.draw.below(100) {
            0..3 => self.jump(who),
            3..6 => {
                let rounds = self.draw.between(1, 30).unsigned_abs();
                let other = self.draw.of(&Who::ALL);
                self.net.note(format!("{} cut {} {}", self.net.round(), who.id(), other.id()));
                self.net.cut(who, other, rounds);
            }
            6..13 => self.arm(who),
            13..16 if self.running(who).is_some() => {
                let rounds = self.draw.between(1, 60).unsigned_abs();
                self.kill(who);
                self.home_mut(who).starts = self.net.round() + rounds;
            }
            _ => {}
        }
    }

    /// A node's clock jumps: mostly within what the others bear, sometimes beyond.
    fn jump(&mut self, who: Who) {
        let off = match self.draw.below(10) {
            0..6 => self.draw.between(-120, 120),
            6..9 => self.draw.between(-280, 280),
            _ => self.draw.between(-1_500, 1_500),
        };
        self.net.note(format!("{} clock of {} off by {off} s", self.net.round(), who.id()));
        self.home(who).clock.set_off(off);
    }

    /// One of the next commits of a node goes wrong.
    fn arm(&mut self, who: Who) {
        let fault = self.draw.of(&[Fault::Lost, Fault::Persisted, Fault::KilledBefore, Fault::KilledAfter]);
        let units = u32::try_from(self.draw.between(0, 8)).unwrap_or(0);
        let home = self.home_mut(who);
        let Some(running) = home.running.as_ref().filter(|_| home.doomed.is_none()) else { return };
        running.org.store().inject_after(units, fault);
        home.doomed = Some(fault);
        self.net.note(format!("{} {fault:?} after {units} commits of {}", self.net.round(), who.id()));
    }

    fn sabotage_commits(&mut self, step: u32, steps: u32) {
        if step == steps / 2 {
            self.keep_a_copy();
        }
        if step == steps * 3 / 4 {
            self.kill(Who::Provider);
        }
    }

    /// Everything is mended, and the jobs run until nothing moves any more.
    pub fn heal(&mut self) {
        self.calm(true);
        for who in Who::ALL {
            let home = self.home_mut(who);
            home.clock.set_off(0);
            let met = home.running.as_ref().is_some_and(|it| !it.org.store().withdraw_fault());
            if !met {
                home.doomed = None;
            }
        }
        // What met a deadly fault dies on the way.
        for _ in 0..Who::ALL.len() {
            self.drain_or_find();
            for who in Who::ALL {
                self.home_mut(who).starts = 0;
            }
            self.rise();
        }
        while self.model.import.is_some() && self.model.findings.is_empty() {
            self.begin_import();
            self.drain_or_find();
        }
        for number in 0..self.stories.len() {
            self.finish_story(number);
        }
        self.run_jobs_until_quiet();
        if self.sabotage == Some(Sabotage::ReceiptDropped) {
            self.drop_a_receipt();
        }
    }

    fn drain_or_find(&mut self) {
        if !self.drain() {
            let stuck: Vec<String> = self.ops.iter().map(|it| it.work.to_string()).collect();
            self.model.find(format!("never done: {}", stuck.join(", ")));
            self.ops.clear();
        }
    }

    fn finish_story(&mut self, number: usize) {
        for step in STEPS {
            if !self.stories[number].signed {
                self.begin_step(number, step);
                self.drain_or_find();
            }
        }
        if !self.stories[number].signed {
            self.model.find(format!("request {number} never became an agreement"));
        }
    }

    fn run_jobs_until_quiet(&mut self) {
        for turn in 1..=QUIET_TURNS_MAX {
            if turn % TURNS_A_DAY == 0 {
                // What waits for the next day's quota goes on.
                self.time.advance(DAY_MICROS);
            }
            for who in Who::ALL {
                self.begin_job(who, Job::Sequence);
                self.begin_job(who, Job::Membership);
                self.begin_job(who, Job::Forget);
                self.begin_job(who, Job::Tell);
            }
            self.begin_job(Who::Consumer, Job::Pull);
            self.drain_or_find();
            self.begin_job(Who::Consumer, Job::Settle);
            self.drain_or_find();
            self.begin_job(Who::Consumer, Job::Acknowledge);
            self.begin_job(Who::Hub, Job::Harvest);
            self.drain_or_find();
            if self.is_quiet() {
                // What the last turn wrote is numbered too.
                for who in Who::ALL {
                    self.perform(who, async |org| org.sequence_once().await);
                    self.begin_look(who);
                }
                return self.drain_or_find();
            }
        }
        self.model.find("the healed world never comes to rest".to_owned());
    }

    /// No batch is under way, no countersignature is due, no receipt is open, every revocation was heard.
    fn is_quiet(&mut self) -> bool {
        let agreements = self.perform(Who::Provider, async |org| org.agreements().await);
        if agreements.iter().any(|it| it.open_receipts > 0) {
            return false;
        }
        for who in [Who::Provider, Who::Consumer] {
            let told =
                async |org: Arc<Organisation>| Ok(exchange::untold(&mut org.store().read().await?).await?.is_empty());
            if !self.attempt(who, told).unwrap_or(false) {
                return false;
            }
        }
        let quiet = self.attempt(Who::Consumer, async |org| {
            let mut reader = org.store().read().await?;
            let under_way = exchange::pulls_under_way(&mut reader).await?;
            let moving = under_way.iter().any(|it| matches!(it.state, PullState::Making | PullState::Fetching));
            Ok(!moving && exchange::due(&mut reader).await?.is_empty())
        });
        quiet.unwrap_or(false)
    }

    /// The sabotage: the consumer's table has one receipt less.
    fn drop_a_receipt(&mut self) {
        let dropped = self.attempt(Who::Consumer, async |org| {
            let drop = "DELETE FROM exchange_receipt WHERE id = (SELECT MIN(id) FROM exchange_receipt)";
            transact!(org.store(), None, |tx| tx.execute(drop, args![]).await)
        });
        assert!(dropped.is_ok_and(|it| it == 1), "the sabotage needs a receipt");
    }
}
