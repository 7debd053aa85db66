//! A private MariaDB for one test run, like the private PostgreSQL: its own folder, a free port on loopback, gone
//! afterwards, stopped by the same kind of watchdog.

use crate::cluster::{Owner, PORT_ATTEMPTS_MAX, Said as _, folder, free_port, owned, owner, watchdog, with_log};
use crate::failure::Failure;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// What the watchdog does once its input closes; `$1` is the server's own folder.
const WATCHDOG: &str = "cat >/dev/null; pid=$(cat \"$1/pid\" 2>/dev/null); \
                        if [ -n \"$pid\" ]; then kill \"$pid\" 2>/dev/null; n=0; \
                        while kill -0 \"$pid\" 2>/dev/null && [ $n -lt 200 ]; do sleep 0.1; n=$((n+1)); done; \
                        kill -9 \"$pid\" 2>/dev/null; fi; rm -rf \"$1\"";
/// The server answers after this long, or it does not start at all.
const START_MAX: Duration = Duration::from_secs(60);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// A running server; dropping it stops it and removes its folder.
pub struct MariaDb {
    url: String,
    watchdog: Child,
    server: Option<Child>,
}

/// `mariadbd` and `mariadb-install-db`.
pub struct Programs {
    server: PathBuf,
    install: PathBuf,
}

/// Where Debian puts them.
pub fn programs() -> Option<Programs> {
    let server = ["/usr/sbin/mariadbd", "/usr/sbin/mysqld"].map(PathBuf::from).into_iter().find(|it| it.is_file());
    let install = ["/usr/bin/mariadb-install-db", "/usr/bin/mysql_install_db"].map(PathBuf::from);
    Some(Programs { server: server?, install: install.into_iter().find(|it| it.is_file())? })
}

impl MariaDb {
    /// Starts one. Its writes are not forced: it is for tests.
    ///
    /// # Errors
    /// Where the folder cannot be made or a program of MariaDB fails; its last words are in the message.
    pub fn start(programs: &Programs) -> Result<Self, Failure> {
        let owner = owner("mysql", "mariadb-server")?;
        let folder = folder("yunhe-my", owner, true)?;
        let watchdog = watchdog(WATCHDOG, Path::new("/"), &folder, owner)?;
        let mut started = Self { url: String::new(), watchdog, server: None };
        let data = format!("--datadir={}", folder.join("data").display());
        let install = ["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", &data];
        owned(programs.install.clone(), &folder, owner).args(install).said("mariadb-install-db")?;
        for _ in 0..PORT_ATTEMPTS_MAX {
            let port = free_port()?;
            let mut server = serve(programs, &folder, owner, port)?;
            if answers(&mut server, port) {
                started.server = Some(server);
                started.url = format!("mysql://root@127.0.0.1:{port}/");
                return Ok(started);
            }
            // It ended by itself or is ended here; the next one draws another port.
            let _ = server.kill();
            let _ = server.wait();
        }
        Err(with_log(Failure::new("mariadbd 未能启动", "mariadbd did not start"), &folder))
    }

    /// Where a client connects, as the server's superuser.
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn serve(programs: &Programs, folder: &Path, owner: Option<Owner>, port: u16) -> Result<Child, Failure> {
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log"));
    let log = log.map_err(|error| Failure::io("log", error))?;
    let within = |name: &str| folder.join(name).display().to_string();
    let mut command = owned(programs.server.clone(), folder, owner);
    command.arg("--no-defaults").args([
        format!("--datadir={}", within("data")),
        format!("--pid-file={}", within("pid")),
        format!("--socket={}", within("socket")),
        format!("--port={port}"),
    ]);
    command.args([
        "--bind-address=127.0.0.1",
        "--character-set-server=utf8mb4",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-buffer-pool-size=64M",
        "--skip-log-bin",
        "--skip-name-resolve",
        "--max-connections=300",
    ]);
    command.stdout(Stdio::null()).stderr(log);
    // Ctrl-C must not reach it: the watchdog ends it.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().map_err(|error| Failure::io("无法启动 cannot start mariadbd", error))
}

fn answers(server: &mut Child, port: u16) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < START_MAX {
        if !matches!(server.try_wait(), Ok(None)) {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        thread::sleep(LOOK);
    }
    false
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        if let Some(server) = &mut self.server {
            let _ = server.wait();
        }
        // The folder may outlive us by a moment where waiting fails; nothing depends on it.
        let _ = self.watchdog.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where MariaDB is installed: a server answers while it is held, and leaves nothing behind.
    #[test]
    fn a_server_leaves_nothing_behind() {
        let Some(programs) = programs() else {
            return;
        };
        let server = MariaDb::start(&programs).expect("a server");
        let port: u16 =
            server.url().trim_end_matches('/').rsplit(':').next().expect("a port").parse().expect("a number");
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        // Its port may be another's a moment later; the process is gone or is no MariaDB.
        let name = format!("/proc/{}/comm", server.server.as_ref().expect("a process").id());
        let runs = || fs::read_to_string(&name).is_ok_and(|it| it.starts_with("m"));
        assert!(runs(), "{name}");
        drop(server);
        assert!(!runs(), "{name}");
        assert_eq!(crate::cluster::tests::left_behind("yunhe-my"), 0);
    }
}
