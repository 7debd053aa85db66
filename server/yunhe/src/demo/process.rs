//! One node as a child process.

use crate::exit::file_problem;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use vocabulary::{Kind, Problem};

/// A node that does not serve within this time is broken.
const START_SECONDS_MAX: u64 = 60;
/// Between two looks at whether it serves.
const LOOK_MILLIS: u64 = 20;
/// A node that was told to stop and has not within this time is killed.
const STOP_SECONDS_MAX: u64 = 30;

/// Which node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// 江苏省数据局: hub and authority in charge.
    Hub,
    /// 江苏省市场监督管理局: provider.
    Provider,
    /// 南京市数据局, which hosts 南京市工业和信息化局: consumer.
    City,
    /// Somebody who is no member, at first.
    Stranger,
}

/// A node: its folder, and its process while it runs.
#[derive(Debug)]
pub struct Process {
    /// Its data folder.
    pub folder: PathBuf,
    /// Where people and programs connect.
    pub client: SocketAddr,
    /// Where other nodes connect: IPv4 and IPv6.
    pub peers: Vec<SocketAddr>,
    program: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// A node that does not run yet.
    pub fn new(program: PathBuf, folder: PathBuf, client: SocketAddr, peers: Vec<SocketAddr>) -> Self {
        Self { folder, client, peers, program, child: None }
    }

    /// Starts it and waits until it serves; says how long that took.
    ///
    /// # Errors
    /// `demo.node` when it ends or does not serve in time; its log is named.
    pub async fn start(&mut self) -> Result<Duration, Problem> {
        let begun = Instant::now();
        let log = self.folder.join("serve.log");
        let file = File::options().create(true).append(true).open(&log).map_err(|it| file_problem(&log, &it))?;
        let mut command = Command::new(&self.program);
        command.arg("serve").arg("--data").arg(&self.folder).args(["--log-level", "info"]);
        // Its own group: Ctrl-C at the terminal reaches the demo alone, which then stops it in order.
        #[cfg(unix)]
        command.process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).kill_on_drop(true);
        self.child = Some(command.spawn().map_err(|it| file_problem(&self.program, &it))?);
        while begun.elapsed() < Duration::from_secs(START_SECONDS_MAX) {
            if self.healthy().await {
                return Ok(begun.elapsed());
            }
            let ended = self.child.as_mut().and_then(|it| it.try_wait().ok().flatten());
            if let Some(status) = ended {
                return Err(self.broken(&status.to_string()));
            }
            tokio::time::sleep(Duration::from_millis(LOOK_MILLIS)).await;
        }
        Err(self.broken("no answer in time"))
    }

    async fn healthy(&self) -> bool {
        let Ok(http) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build() else {
            return false;
        };
        http.get(format!("http://{}/health", self.client)).send().await.is_ok_and(|it| it.status().is_success())
    }

    fn broken(&self, why: &str) -> Problem {
        let log = self.folder.join("serve.log");
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let last: Vec<&str> = text.lines().rev().take(5).collect();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
        Problem::new(
            Kind::Internal,
            "demo.node",
            format!("节点未能启动（{why}）；日志 {}：\n{last}", log.display()),
            format!("the node did not start ({why}); its log {}:\n{last}", log.display()),
        )
    }

    /// Its process, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref()?.id()
    }

    /// `kill -9`.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill().await;
        }
    }

    /// SIGTERM, and waits for its end; says whether it ended in order.
    pub async fn stop(&mut self) -> bool {
        let Some(mut child) = self.child.take() else { return true };
        let Some(id) = child.id() else { return false };
        let told = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
        if told.is_ok_and(|it| it.success()) {
            let end = tokio::time::timeout(Duration::from_secs(STOP_SECONDS_MAX), child.wait()).await;
            if let Ok(Ok(status)) = end {
                return status.success();
            }
        }
        let _ = child.kill().await;
        false
    }
}
