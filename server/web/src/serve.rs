//! Serving: the client port and the peer ports of a process, from start to graceful stop.

use crate::{Tenants, peers, routes};
use node::{Jobs, NodeConfig};
use peer::{Hosts, Limits, Server, Stopped, Transport};
use std::net::SocketAddr;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vocabulary::Problem;

/// A process that serves.
pub struct Served {
    /// Where programs and people connect.
    pub client: SocketAddr,
    /// Where other nodes connect.
    pub peers: Vec<SocketAddr>,
    tenants: Tenants,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<Stopped>>,
    jobs: Vec<Jobs>,
}

/// Binds the ports of `config` and serves `tenants` on them.
///
/// # Errors
/// `peer.bind` when a port is taken; then nothing is served.
pub async fn serve(config: &NodeConfig, tenants: Tenants) -> Result<Served, Problem> {
    let hosts = Hosts::new();
    for org in tenants.all() {
        org.serve_on(&hosts)?;
    }
    let client = Server::bind(config.client, Transport::Plain, Limits::default()).await?;
    let mut peer_servers = Vec::new();
    for address in &config.peer {
        peer_servers.push(Server::bind(*address, Transport::Mutual(hosts.clone()), Limits::default()).await?);
    }
    let stop = CancellationToken::new();
    let client_address = client.address();
    let peers = peer_servers.iter().map(Server::address).collect();
    let refusals = hosts.refusals().clone();
    let mut tasks =
        vec![tokio::spawn(client.serve(routes::router(tenants.clone(), refusals), stop.clone().cancelled_owned()))];
    for server in peer_servers {
        tasks.push(tokio::spawn(server.serve(peers::router(tenants.clone()), stop.clone().cancelled_owned())));
    }
    let jobs = tenants.all().map(Jobs::start).collect();
    Ok(Served { client: client_address, peers, tenants, stop, tasks, jobs })
}

impl Served {
    /// The organisations that are served.
    pub fn tenants(&self) -> &Tenants {
        &self.tenants
    }

    /// Ends the jobs and goes on serving: for maintenance, and for whoever does their steps himself.
    pub async fn stop_jobs(&mut self) {
        for jobs in self.jobs.drain(..) {
            jobs.stop().await;
        }
    }

    /// Stops: no new connections, requests under way end, jobs finish their step, databases close.
    pub async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            drop(task.await);
        }
        for jobs in self.jobs {
            jobs.stop().await;
        }
        for org in self.tenants.all() {
            org.close().await;
        }
    }
}
