//! The three nodes, the network and the time, moved on round by round on one thread.
//!
//! A round: every operation under way is polled once in a drawn order, every node goes on with what it was asked, and
//! each runtime does whatever waits in it. Nothing else moves; so one seed is one run.

use crate::{
    Sabotage, Stage, Who,
    draw::Draw,
    home::{Home, Running},
    model::Model,
    net::Net,
    scheduler::Story,
    stage::{self, copy_folder},
    time::{NodeClock, WorldTime},
    trace::Trace,
    work::{Done, Op, Outcome, Work},
};
use node::Organisation;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};
use store::Fault;
use vocabulary::{FederationName, Hash, Problem};

/// What is driven alone must be done after so many rounds.
const ROUNDS_ALONE_MAX: u32 = 20_000;
/// So much time passes with each round, beside what the scheduler adds.
const ROUND_MICROS: i64 = 1_000;
/// A node that met a deadly fault is killed so many rounds later: what the fault let through is on disk by then.
const DYING_ROUNDS: u32 = 3;

/// Everything.
pub(crate) struct World {
    pub homes: Vec<Home>,
    pub net: Arc<Net>,
    pub time: Arc<WorldTime>,
    pub draw: Draw,
    pub ops: Vec<Op>,
    pub model: Model,
    /// Checkpoints that somebody has seen, by log.
    pub seen: BTreeMap<Who, BTreeSet<(u64, Hash)>>,
    /// Agreements on their way.
    pub stories: Vec<Story>,
    pub federation: FederationName,
    pub sabotage: Option<Sabotage>,
    /// A copy of the provider's database, for a disk that forgets.
    kept: Option<tempfile::TempDir>,
}

impl World {
    /// Opens the world that stands in `folder`.
    pub fn open(stage: &Stage, folder: PathBuf, seed: u64, trace: bool) -> Self {
        let time = WorldTime::new(stage::dusk());
        let homes: Vec<Home> = Who::ALL
            .into_iter()
            .map(|who| Home::new(stage::home_config(who), who, folder.join(who.id()), NodeClock::new(&time)))
            .collect();
        let keys = homes.iter().map(|it| {
            let keys = it.keys();
            (it.who, (keys.tls.pin().expect("the stage made the keys"), keys))
        });
        let net = Net::new(Draw::new(seed, 1), keys.collect(), stage.sabotage, Trace::new(trace));
        let mut world = Self {
            homes,
            net,
            time,
            draw: Draw::new(seed, 2),
            ops: Vec::new(),
            model: Model::new(),
            seen: BTreeMap::new(),
            stories: Vec::new(),
            federation: stage.federation.clone(),
            sabotage: stage.sabotage,
            kept: None,
        };
        for who in Who::ALL {
            world.start_node(who);
        }
        world
    }

    pub fn home(&self, who: Who) -> &Home {
        &self.homes[who.index()]
    }

    pub fn home_mut(&mut self, who: Who) -> &mut Home {
        &mut self.homes[who.index()]
    }

    pub fn running(&self, who: Who) -> Option<&Running> {
        self.home(who).running.as_ref()
    }

    /// From now on nothing goes wrong on the network, or it may again.
    pub fn calm(&mut self, calm: bool) {
        self.net.calm(calm);
    }

    /// Opens a node on its folder.
    pub fn start_node(&mut self, who: Who) {
        let runtime = Home::runtime();
        let mut opening = pin!(self.home(who).opening(&self.federation, &self.net));
        let mut opened = None;
        for _ in 0..ROUNDS_ALONE_MAX {
            let inside = runtime.enter();
            let polled = opening.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            drop(inside);
            if let Poll::Ready(result) = polled {
                opened = Some(result);
                break;
            }
            Home::settle_runtime(&runtime);
        }
        let opened = opened.expect("a node opens within its rounds");
        let net = Arc::clone(&self.net);
        net.note(format!("{} {} runs", net.round(), who.id()));
        match opened {
            Ok(org) => self.home_mut(who).run(org, runtime, &net),
            Err(problem) => self.model.find(format!("{} does not start: {problem}", who.id())),
        }
    }

    /// Kills a node: whatever it was doing ends where it stands.
    pub fn kill(&mut self, who: Who) {
        self.net.note(format!("{} {} is killed", self.net.round(), who.id()));
        let ops = std::mem::take(&mut self.ops);
        let (its, others): (Vec<Op>, Vec<Op>) = ops.into_iter().partition(|it| it.who == who);
        self.ops = others;
        for op in its {
            let Op { work, future, .. } = op;
            let inside = self.running(who).map(|it| it.runtime.enter());
            drop(future);
            drop(inside);
            self.finished(who, work, None);
        }
        let net = Arc::clone(&self.net);
        self.home_mut(who).kill(&net);
        if who == Who::Provider {
            self.forget_commits();
        }
    }

    /// The sabotage: the provider's disk comes back as it was some time ago.
    fn forget_commits(&mut self) {
        let Some(kept) = self.kept.take() else { return };
        let folder = self.home(Who::Provider).folder.clone();
        for name in ["yunhe.db", "yunhe.db-wal", "yunhe.db-shm"] {
            drop(std::fs::remove_file(folder.join(name)));
            drop(std::fs::copy(kept.path().join(name), folder.join(name)));
        }
    }

    /// Keeps a copy of the provider's database, which it comes back with after its next crash.
    pub fn keep_a_copy(&mut self) {
        let kept = stage::folder();
        copy_folder(&self.home(Who::Provider).folder, kept.path()).expect("a folder can be copied");
        self.kept = Some(kept);
    }

    /// Begins an operation, if the node runs.
    pub fn begin<F>(&mut self, who: Who, work: Work, act: impl FnOnce(Arc<Organisation>) -> F)
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let Some(running) = self.running(who) else { return };
        let inside = running.runtime.enter();
        let future = Box::pin(act(Arc::clone(&running.org)));
        drop(inside);
        self.net.note(format!("{} {} begins {work}", self.net.round(), who.id()));
        self.ops.push(Op { who, work, future });
    }

    /// One round.
    pub fn round(&mut self) {
        self.time.advance(ROUND_MICROS);
        self.net.next_round();
        let gates: Vec<_> = self.homes.iter().map(Home::hold_back).collect();
        self.poll_operations();
        self.net.serve();
        for (home, gate) in self.homes.iter().zip(gates) {
            home.settle(gate);
        }
        let round = self.net.round();
        for heard in self.net.take_heard() {
            self.model.hear(&heard, round);
        }
        self.bury();
        self.net.set_imports(self.model.imports());
    }

    fn poll_operations(&mut self) {
        let mut turn: Vec<Op> = std::mem::take(&mut self.ops);
        let mut still = Vec::with_capacity(turn.len());
        while !turn.is_empty() {
            let mut op = turn.swap_remove(self.draw.below(turn.len()));
            let Some(running) = self.running(op.who) else { continue };
            let inside = running.runtime.enter();
            let polled = op.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            match polled {
                Poll::Pending => {
                    drop(inside);
                    still.push(op);
                }
                Poll::Ready(outcome) => {
                    let Op { who, work, future } = op;
                    drop(future);
                    drop(inside);
                    self.finished(who, work, Some(outcome));
                }
            }
        }
        self.ops.append(&mut still);
    }

    /// Nodes that met a deadly fault die.
    fn bury(&mut self) {
        for who in Who::ALL {
            let home = self.home_mut(who);
            let deadly = home.doomed.is_some_and(|it| matches!(it, Fault::KilledBefore | Fault::KilledAfter));
            let met = home.running.as_ref().is_some_and(|it| !it.org.store().awaits_fault());
            if !(home.doomed.is_some() && met) {
                continue;
            }
            if !deadly {
                home.doomed = None;
                continue;
            }
            home.dying += 1;
            if home.dying > DYING_ROUNDS {
                let until = self.net.round() + u64::try_from(self.draw.between(1, 30)).unwrap_or(1);
                self.kill(who);
                self.home_mut(who).starts = until;
            }
        }
    }

    /// Does one thing alone, on a network that loses nothing, and must succeed.
    pub fn perform<T, F>(&mut self, who: Who, act: impl FnOnce(Arc<Organisation>) -> F) -> T
    where
        F: Future<Output = Result<T, Problem>>,
    {
        match self.attempt(who, act) {
            Ok(done) => done,
            Err(problem) => panic!("{}: {problem} {}", who.id(), problem.code),
        }
    }

    /// Does one thing alone.
    pub fn attempt<T, F>(&mut self, who: Who, act: impl FnOnce(Arc<Organisation>) -> F) -> Result<T, Problem>
    where
        F: Future<Output = Result<T, Problem>>,
    {
        let running = self.running(who).expect("the node runs");
        let handle = running.runtime.handle().clone();
        let inside = handle.enter();
        let mut future = Box::pin(act(Arc::clone(&running.org)));
        drop(inside);
        for _ in 0..ROUNDS_ALONE_MAX {
            let gate = self.home(who).hold_back();
            let inside = handle.enter();
            let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            drop(gate);
            if let Poll::Ready(result) = polled {
                drop(future);
                drop(inside);
                return result;
            }
            drop(inside);
            self.round();
        }
        panic!("{} is not done within its rounds", who.id());
    }

    /// Rounds until nothing is under way any more; false when that does not come.
    pub fn drain(&mut self) -> bool {
        for _ in 0..ROUNDS_ALONE_MAX {
            if self.ops.is_empty() && self.net.under_way() == 0 {
                return true;
            }
            self.round();
        }
        false
    }

    /// Closes all nodes properly.
    pub fn close(mut self) {
        for who in Who::ALL {
            self.perform(who, async |org| {
                org.close().await;
                Ok(())
            });
            self.kill(who);
        }
    }

    /// What came of an operation; `None` when its node was killed meanwhile.
    fn finished(&mut self, who: Who, work: Work, outcome: Option<Outcome>) {
        let told = match &outcome {
            None => "killed".to_owned(),
            Some(Ok(Done::Answer(answer))) => format!("{} rows", answer.rows.len()),
            Some(Ok(Done::Log(log))) => format!("size {:?}", log.map(|it| it.0)),
            Some(Ok(_)) => "done".to_owned(),
            Some(Err(problem)) => problem.code.to_string(),
        };
        self.net.note(format!("{} {} ended {work}: {told}", self.net.round(), who.id()));
        self.settle_work(work, outcome);
    }
}
