//! One node: a process in all but name, with a runtime of its own that a story can kill.

use node::{Clock, ManualClock, NodeConfig, Organisation};
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::runtime::{Builder, Runtime};
use vocabulary::Problem;
use web::{Served, Tenants};

/// What was running must have let go of its threads within this.
const SHUTDOWN_MAX: Duration = Duration::from_secs(20);

struct Running {
    runtime: Runtime,
    served: Served,
}

pub(crate) struct Node {
    pub config: NodeConfig,
    pub folder: PathBuf,
    clock: Arc<ManualClock>,
    running: Option<Running>,
}

impl Node {
    pub fn new(config: NodeConfig, folder: PathBuf, clock: Arc<ManualClock>) -> Self {
        Self { config, folder, clock, running: None }
    }

    /// Starts; the first time the ports are drawn, later they are the same again.
    pub async fn start(&mut self) {
        assert!(self.running.is_none(), "the node runs already");
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (config, folder, clock) = (self.config.clone(), self.folder.clone(), self.clock.clone());
        let served = runtime.spawn(async move {
            let mut all = Vec::new();
            for one in &config.organisation {
                let clock: Arc<dyn Clock> = clock.clone();
                all.push(Organisation::open(&folder.join(one.id.as_str()), &config.federation, one, clock).await?);
            }
            web::serve(&config, Tenants::new(all)).await
        });
        let served: Result<Served, Problem> = served.await.unwrap();
        let served = served.unwrap();
        self.config.client = served.client;
        self.config.peer = served.peers.clone();
        self.running = Some(Running { runtime, served });
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the story started this node")
    }

    pub fn runs(&self) -> bool {
        self.running.is_some()
    }

    pub fn client(&self) -> SocketAddr {
        self.running().served.client
    }

    pub fn organisation(&self, id: &str) -> Option<Arc<Organisation>> {
        self.running().served.tenants().all().find(|it| it.id().as_str() == id).cloned()
    }

    pub fn runtime(&self) -> &Runtime {
        &self.running().runtime
    }

    /// Ends the node's jobs; the story does their steps itself.
    pub async fn rest(&mut self) {
        let Running { runtime, mut served } = self.running.take().unwrap();
        let served = runtime.spawn(async move {
            served.stop_jobs().await;
            served
        });
        let served = served.await.unwrap();
        self.running = Some(Running { runtime, served });
    }

    /// Ends every task where it stands and closes nothing, as `kill -9` does.
    pub async fn kill(&mut self) {
        let Some(Running { runtime, served }) = self.running.take() else { return };
        let end = move || {
            runtime.shutdown_timeout(SHUTDOWN_MAX);
            drop(served);
        };
        tokio::task::spawn_blocking(end).await.unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(Running { runtime, served }) = self.running.take() {
            // From a thread of its own: a runtime may not be waited for inside another.
            let end = move || {
                runtime.shutdown_timeout(SHUTDOWN_MAX);
                drop(served);
            };
            drop(std::thread::spawn(end).join());
        }
    }
}
