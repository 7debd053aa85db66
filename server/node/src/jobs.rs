//! The node's own work: numbering, publishing, countersigning, fetching, forgetting. Each job is a loop with a bounded
//! step; it ends when the node stops.

use crate::Organisation;
use exchange::Lane;
use signing::Signer;
use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};
use store::transact;
use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use vocabulary::{Problem, Suite};

/// The sequencer rests this long when nothing waits.
const SEQUENCE_REST: Duration = Duration::from_millis(100);
/// Pulls, countersignatures and harvests rest this long.
const WORK_REST: Duration = Duration::from_millis(300);
/// Providers are asked this often which receipts are still open, and whoever has not heard of a revocation is told.
const SETTLE_REST: Duration = Duration::from_secs(60);
/// The hub is asked for news of membership this often.
const MEMBERS_REST: Duration = Duration::from_secs(60);
/// Neighbours on other levels are asked this often for reports and rulings.
const LEVELS_REST: Duration = Duration::from_secs(15);
/// Keys that wait, and the certificate's end, are looked at this often.
const KEYS_REST: Duration = Duration::from_secs(30);
/// After a restore, members that have not told what they hold are asked this often.
const RECLAIM_REST: Duration = Duration::from_secs(5);
/// What is forgotten is looked at this often.
const FORGET_REST: Duration = Duration::from_secs(600);
/// After a failure a job rests longer, up to this.
const FAILURE_REST_MAX: Duration = Duration::from_secs(30);

/// What the jobs of a delivery tell one another: there is something to do now, the rest need not be over.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    /// A batch is to be fetched.
    pub(crate) pull: Notify,
    /// A whole set is there.
    pub(crate) fill: Notify,
}

/// What wakes a job before its rest is over.
type Waker = fn(&Organisation) -> &Notify;

/// Jobs that wait for other members one after another; each unit of work of theirs is whole, and so they end anywhere
/// when the node stops.
const TALKS: [&str; 2] = ["letters", "remind"];

/// One bounded step; says whether it found work.
type Step = fn(Arc<Organisation>) -> Pin<Box<dyn Future<Output = Result<bool, Problem>> + Send>>;

/// The jobs of one organisation.
pub struct Jobs {
    organisation: Arc<Organisation>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Jobs {
    /// Starts them.
    pub fn start(organisation: &Arc<Organisation>) -> Self {
        let stop = CancellationToken::new();
        let tasks = vec![
            run(organisation, &stop, SEQUENCE_REST, "sequence", |it| Box::pin(async move { it.sequence_once().await })),
            run_woken(organisation, &stop, WORK_REST, "pull", Some(|it| &it.wakes.pull), |it| {
                Box::pin(async move { it.carry_pulls().await })
            }),
            run(organisation, &stop, WORK_REST, "deliver", |it| {
                Box::pin(async move { it.carry_lane(Lane::Following).await })
            }),
            run_woken(organisation, &stop, WORK_REST, "fill", Some(|it| &it.wakes.fill), |it| {
                Box::pin(async move { it.carry_lane(Lane::Whole).await })
            }),
            run(organisation, &stop, WORK_REST, "acknowledge", |it| {
                Box::pin(async move { Ok(!it.acknowledge_due().await?.is_empty()) })
            }),
            run(organisation, &stop, SETTLE_REST, "settle", |it| {
                Box::pin(async move { Ok(it.settle_missed().await? > 0) })
            }),
            run(organisation, &stop, SETTLE_REST, "tell", |it| {
                Box::pin(async move { Ok(it.tell_revocations().await? > 0) })
            }),
            run(organisation, &stop, SETTLE_REST, "letters", |it| {
                Box::pin(async move {
                    // What keeps one from being done keeps nobody from hearing.
                    let (followed, told) = (it.follow_corrections().await, it.tell_letters().await);
                    Ok(followed? + told? > 0)
                })
            }),
            run(organisation, &stop, WORK_REST, "pass-on", |it| Box::pin(async move { it.pass_on().await })),
            run(organisation, &stop, SETTLE_REST, "remind", |it| {
                Box::pin(async move { it.remind().await.map(|_| false) })
            }),
            run(organisation, &stop, WORK_REST, "sources", |it| Box::pin(async move { it.carry_sources().await })),
            run(organisation, &stop, WORK_REST, "index", |it| Box::pin(async move { it.follow_catalog().await })),
            run(organisation, &stop, MEMBERS_REST, "membership", |it| {
                Box::pin(async move { it.follow_membership().await })
            }),
            run(organisation, &stop, LEVELS_REST, "levels", |it| {
                Box::pin(async move { Ok(it.follow_levels().await?.taken > 0) })
            }),
            run(organisation, &stop, SETTLE_REST, "records", |it| {
                Box::pin(async move { Ok(it.follow_records().await? > 0) })
            }),
            run(organisation, &stop, KEYS_REST, "keys", |it| Box::pin(async move { it.follow_keys().await })),
            run(organisation, &stop, RECLAIM_REST, "reclaim", |it| Box::pin(async move { it.reclaim_once().await })),
            run(organisation, &stop, FORGET_REST, "forget", |it| Box::pin(async move { it.forget_once().await })),
        ];
        Self { organisation: Arc::clone(organisation), stop, tasks }
    }

    /// Stops them and waits for the steps under way, but for those that wait for other members.
    pub async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            drop(task.await);
        }
        self.organisation.carried.stop();
    }
}

/// A job: `step` again and again, at once while it finds work.
fn run(
    organisation: &Arc<Organisation>,
    stop: &CancellationToken,
    rest: Duration,
    name: &'static str,
    step: Step,
) -> JoinHandle<()> {
    run_woken(organisation, stop, rest, name, None, step)
}

/// A job whose rest ends when `woken` says so.
fn run_woken(
    organisation: &Arc<Organisation>,
    stop: &CancellationToken,
    rest: Duration,
    name: &'static str,
    woken: Option<Waker>,
    step: Step,
) -> JoinHandle<()> {
    let (organisation, stop) = (Arc::clone(organisation), stop.clone());
    tokio::spawn(async move {
        let mut wait = rest;
        while !stop.is_cancelled() {
            let work = step(Arc::clone(&organisation));
            let done = if TALKS.contains(&name) {
                tokio::select! {
                    done = work => done,
                    () = stop.cancelled() => return,
                }
            } else {
                work.await
            };
            organisation.note_job(name, done.is_ok());
            match done {
                Ok(true) => {
                    wait = rest;
                    continue;
                }
                Ok(false) => wait = rest,
                Err(problem) => {
                    wait = (wait * 2).min(FAILURE_REST_MAX.max(rest));
                    let organisation = organisation.id();
                    tracing::warn!(job = name, %organisation, %problem, "a job failed, it will go on");
                }
            }
            let wake = async {
                match woken {
                    Some(woken) => woken(&organisation).notified().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
                () = wake => {}
            }
        }
    })
}

/// How a job fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobState {
    /// Steps that failed since the node started.
    pub failures: u64,
    /// Steps that failed in a row until now.
    pub failing: u64,
}

impl Organisation {
    fn note_job(&self, name: &'static str, well: bool) {
        let mut all = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let state = all.entry(name).or_default();
        state.failing = if well { 0 } else { state.failing + 1 };
        state.failures += u64::from(!well);
    }

    /// How the jobs fare, by their names.
    pub fn job_states(&self) -> BTreeMap<&'static str, JobState> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One step of the sequencers: the feeds and the log; says whether anything waited.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn sequence_once(&self) -> Result<bool, Problem> {
        let now = self.now();
        let entries = self.store.sequence(now).await?.entries;
        let messages = self.message_key();
        let beside = (messages.public().suite() == Suite::Sm2Sm3).then_some(&*messages as &dyn Signer);
        let leaves = evidence::sequence_beside(&self.store, &self.keys.log, beside, now).await?;
        // A step that was not full has taken all there was.
        let behind = if leaves.is_full() { evidence::behind(&mut self.store.read().await?).await? } else { 0 };
        self.behind.store(behind, Ordering::Relaxed);
        Ok(entries > 0 || leaves.from < leaves.to)
    }

    /// How many leaves wait for the sequencer, as this process last saw it: zero while it keeps up.
    pub(crate) fn log_behind(&self) -> u64 {
        self.behind.load(Ordering::Relaxed)
    }

    /// Forgets nonces, revocations that nobody wants to hear, notices of years ago, calls and idempotency keys whose
    /// time is over, and signs
    /// receipts whose signature was not kept.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn forget_once(&self) -> Result<bool, Problem> {
        let now = self.now();
        transact!(self.store, None, |tx| exchange::forget_nonces(tx, now).await)?;
        transact!(self.store, None, |tx| exchange::forget_untold(tx, now).await)?;
        transact!(self.store, None, |tx| exchange::forget_notices(tx, now).await)?;
        transact!(self.store, None, |tx| exchange::forget_calls(tx, now).await)?;
        self.store.forget_keys(now).await?;
        // Not a matter of forgetting, but as seldom: signatures that were made and whose commit was lost.
        self.finish_receipts().await?;
        Ok(false)
    }
}
