//! One node: its folder, its clock, and while it runs a runtime of its own, so that a crash ends whatever it had begun.

use crate::{
    gate::Gate,
    net::{Net, Port, Wire},
    scheduler::PULLS_MAX,
    time::NodeClock,
};
use axum::Router;
use node::{Organisation, OrganisationConfig};
use paused_tokio::{
    runtime::{Builder, Runtime},
    task::yield_now,
    time::sleep,
};
use signing::KeyRing;
use std::{path::PathBuf, sync::Arc, time::Duration};
use store::Fault;
use vocabulary::{FederationName, Problem};

/// In each round a node's timers move on by this much, and everything that it can do without them is done.
const ROUND: Duration = Duration::from_millis(10);
/// Threads for blocking work: each batch that is being made holds one that reads, and one more must go on.
const BLOCKING_THREADS: usize = PULLS_MAX + 1;
/// What is ready in a runtime has run after so many turns of it.
const TURNS: u32 = 24;

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// Hub and authority in charge.
    Hub,
    /// Delivers.
    Provider,
    /// Receives.
    Consumer,
}

impl Who {
    /// Everybody.
    pub const ALL: [Self; 3] = [Self::Hub, Self::Provider, Self::Consumer];

    /// Its name in the federation.
    pub fn id(self) -> &'static str {
        match self {
            Self::Hub => "js-data",
            Self::Provider => "js-scjg",
            Self::Consumer => "nj-gxj",
        }
    }

    pub(crate) fn host(self) -> String {
        format!("{}.js.yunhe.internal", self.id())
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// A node while it runs.
pub(crate) struct Running {
    pub org: Arc<Organisation>,
    pub runtime: Runtime,
}

/// A node, running or not.
pub(crate) struct Home {
    pub who: Who,
    pub folder: PathBuf,
    pub config: OrganisationConfig,
    pub clock: Arc<NodeClock>,
    pub running: Option<Running>,
    /// It starts again in this round.
    pub starts: u64,
    /// A fault waits in its store, after which it is killed.
    pub doomed: Option<Fault>,
    /// Rounds since that fault was met.
    pub dying: u32,
}

impl Home {
    pub fn new(config: OrganisationConfig, who: Who, folder: PathBuf, clock: Arc<NodeClock>) -> Self {
        Self { who, folder, config, clock, running: None, starts: 0, doomed: None, dying: 0 }
    }

    /// A runtime of one thread whose time moves only when it is told to.
    pub fn runtime() -> Runtime {
        let mut builder = Builder::new_current_thread();
        builder.enable_all().start_paused(true).max_blocking_threads(BLOCKING_THREADS);
        builder.build().expect("a runtime of one thread needs nothing but memory")
    }

    /// What it takes to open the organisation; to be driven inside its new runtime.
    pub fn opening(
        &self,
        federation: &FederationName,
        net: &Arc<Net>,
    ) -> impl Future<Output = Result<Arc<Organisation>, Problem>> + Send + use<> {
        let (folder, federation, config) = (self.folder.clone(), federation.clone(), self.config.clone());
        let (clock, wire) = (Arc::clone(&self.clock), Arc::new(Wire::new(net, self.who)));
        async move { Organisation::open_over(&folder, &federation, &config, clock, wire).await }
    }

    /// Runs from now on.
    pub fn run(&mut self, org: Arc<Organisation>, runtime: Runtime, net: &Net) {
        let router: Router = web::peer_router(web::Tenants::new([Arc::clone(&org)]));
        net.plug(self.who, Port { router, runtime: runtime.handle().clone() });
        self.running = Some(Running { org, runtime });
        (self.doomed, self.dying) = (None, 0);
    }

    /// Lets go of everything at once, as `kill -9` does: its tasks end where they stand, nothing is closed.
    pub fn kill(&mut self, net: &Net) {
        net.unplug(self.who);
        if let Some(Running { org, runtime }) = self.running.take() {
            let inside = runtime.enter();
            drop(org);
            drop(inside);
            drop(runtime);
        }
        (self.doomed, self.dying) = (None, 0);
    }

    /// Holds back its blocking work, so that it never matters how fast a thread is.
    pub fn hold_back(&self) -> Option<Gate> {
        self.running.as_ref().map(|it| Gate::close(&it.runtime, BLOCKING_THREADS))
    }

    /// Does whatever waits in its runtime, then its blocking work and what comes of that.
    pub fn settle(&self, gate: Option<Gate>) {
        if let Some(running) = &self.running {
            running.runtime.block_on(async {
                for _ in 0..TURNS {
                    yield_now().await;
                }
            });
            drop(gate);
            Self::settle_runtime(&running.runtime);
        }
    }

    pub fn settle_runtime(runtime: &Runtime) {
        runtime.block_on(async { sleep(ROUND).await });
    }

    pub fn keys(&self) -> KeyRing {
        KeyRing::open(&self.folder.join("keys")).expect("the stage made the keys")
    }
}
