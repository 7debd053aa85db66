//! A private PostgreSQL for one test run: its own folder, a free port on loopback, gone afterwards.
//!
//! Whatever ends us (an error, Ctrl-C, `kill -9`), the cluster stops and its folder goes: a watchdog process waits for
//! its input to close, which the kernel does when we end. PostgreSQL refuses to run as root, so root hands everything
//! to the system's user `postgres`.

use crate::failure::Failure;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs, process};

/// How often a port that somebody else took in between is drawn anew.
pub(crate) const PORT_ATTEMPTS_MAX: usize = 5;
/// How many folders of earlier runs with our process id are stepped over.
const FOLDER_ATTEMPTS_MAX: usize = 100;

/// Where files lie in memory.
const MEMORY: &str = "/dev/shm";
/// Where a server's folder is made: in the first that is there and fits.
const FOLDERS: [&str; 3] = [MEMORY, "/var/tmp", "/tmp"];
/// So much must be free in memory.
const MEMORY_KIB_MIN: u64 = 8 << 20;

/// What the watchdog does once its input closes; `$0` is the folder of programs, `$1` the cluster's own.
const WATCHDOG: &str = "cat >/dev/null; \"$0/pg_ctl\" -D \"$1/data\" -m immediate -w -t 20 stop >/dev/null 2>&1; \
                        rm -rf \"$1\"";

/// A running cluster; dropping it stops it and removes its folder.
pub struct Cluster {
    url: String,
    watchdog: Child,
}

/// Who owns the cluster's files and processes.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    user: u32,
    group: u32,
}

impl Cluster {
    /// Starts one, with the server's programs from `programs`. Without `fsync` it is faster, and safe enough for tests.
    ///
    /// # Errors
    /// Where the folder cannot be made or a program of PostgreSQL fails; its last words are in the message.
    pub fn start(programs: &Path, fsync: bool) -> Result<Self, Failure> {
        let owner = owner("postgres", "postgresql")?;
        let folder = folder("yunhe-pg", owner, !fsync)?;
        let watchdog = watchdog(WATCHDOG, programs, &folder, owner)?;
        let mut cluster = Self { url: String::new(), watchdog };
        let initdb = ["-D", "data", "-U", "postgres", "-A", "trust", "--locale=C.UTF-8", "-E", "UTF8", "--no-sync"];
        owned(programs.join("initdb"), &folder, owner).args(initdb).said("initdb")?;
        let settings = folder.join("data").join("postgresql.conf");
        let given = fs::read_to_string(&settings).map_err(|error| Failure::io("postgresql.conf", error))?;
        for attempt in 1.. {
            let port = free_port()?;
            fs::write(&settings, format!("{given}\n{}", lines(port, fsync, &folder)))
                .map_err(|error| Failure::io("postgresql.conf", error))?;
            let start = ["-D", "data", "-l", "log", "-w", "-t", "60", "start"];
            match owned(programs.join("pg_ctl"), &folder, owner).args(start).said("pg_ctl start") {
                Ok(()) => {
                    cluster.url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
                    break;
                }
                Err(_) if attempt < PORT_ATTEMPTS_MAX => {}
                Err(failure) => return Err(with_log(failure, &folder)),
            }
        }
        Ok(cluster)
    }

    /// Where a client connects, as the cluster's superuser.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        // The folder may outlive us by a moment where waiting fails; nothing depends on it.
        let _ = self.watchdog.wait();
    }
}

/// The folder with `initdb` and `pg_ctl`: the newest that Debian installed, else what `PATH` knows.
pub fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let numbered =
        versions.filter_map(|it| Some((it.file_name().to_str()?.parse::<u32>().ok()?, it.path().join("bin"))));
    let mut found: Vec<(u32, PathBuf)> = numbered.filter(|(_, bin)| complete(bin)).collect();
    found.sort();
    if let Some((_, bin)) = found.pop() {
        return Some(bin);
    }
    env::split_paths(&env::var_os("PATH")?).find(|it| complete(it))
}

fn complete(bin: &Path) -> bool {
    ["initdb", "pg_ctl", "postgres"].iter().all(|it| bin.join(it).is_file())
}

/// Whether we run as root.
pub fn are_root() -> bool {
    number(&["-u"]) == Some(0)
}

/// The system's user `name` where we are root, for a database server runs as root nowhere; else we ourselves (no
/// change).
pub(crate) fn owner(name: &str, package: &str) -> Result<Option<Owner>, Failure> {
    if !are_root() {
        return Ok(None);
    }
    match (number(&["-u", name]), number(&["-g", name])) {
        (Some(user), Some(group)) => Ok(Some(Owner { user, group })),
        _ => Err(Failure::new(
            format!(
                "没有系统用户 {name}，而数据库不能以 root 运行；请安装 Debian 的 {package}，或先执行 useradd -r {name}"
            ),
            format!(
                "there is no system user `{name}`, and a database does not run as root; install Debian's {package}, \
                 or run `useradd -r {name}` first"
            ),
        )),
    }
}

fn number(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// A new folder that its owner alone enters. Not below a home folder, which another user may not enter. In `memory`
/// where there is plenty: a database for each test makes and removes thousands of files, and on ext4 a fifth of all
/// processor time went into finding them new inodes.
pub(crate) fn folder(prefix: &str, owner: Option<Owner>, memory: bool) -> Result<PathBuf, Failure> {
    let fits = |it: &&&str| Path::new(it).is_dir() && (**it != MEMORY || (memory && roomy(MEMORY)));
    let base = FOLDERS.iter().find(fits).map_or_else(env::temp_dir, PathBuf::from);
    for attempt in 0..FOLDER_ATTEMPTS_MAX {
        let folder = base.join(format!("{prefix}-{}-{attempt}", process::id()));
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Failure::io(&folder.display().to_string(), error)),
            Ok(()) => {
                let closed = fs::set_permissions(&folder, fs::Permissions::from_mode(0o700));
                let given = closed.and_then(|()| match owner {
                    Some(it) => chown(&folder, Some(it.user), Some(it.group)),
                    None => Ok(()),
                });
                given.map_err(|error| Failure::io(&folder.display().to_string(), error))?;
                return Ok(folder);
            }
        }
    }
    let base = base.display();
    Err(Failure::new(
        format!("{base} 中旧的 {prefix}-* 目录太多，请删除"),
        format!("too many old folders {prefix}-* in {base}; remove them"),
    ))
}

/// Whether a file system has room for what a whole test run leaves in its databases.
fn roomy(folder: &str) -> bool {
    let told = Command::new("df").args(["-Pk", folder]).output().ok();
    let told = told.map(|it| String::from_utf8_lossy(&it.stdout).into_owned()).unwrap_or_default();
    let free = told.lines().nth(1).and_then(|it| it.split_whitespace().nth(3)).and_then(|it| it.parse::<u64>().ok());
    free.is_some_and(|it| it >= MEMORY_KIB_MIN)
}

/// A process that runs `script` once we end, with `$0` the folder of programs and `$1` the server's own.
pub(crate) fn watchdog(script: &str, programs: &Path, folder: &Path, owner: Option<Owner>) -> Result<Child, Failure> {
    let mut shell = owned(PathBuf::from("/bin/sh"), Path::new("/"), owner);
    shell.args(["-c", script]).arg(programs).arg(folder).process_group(0); // Ctrl-C must not reach it
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.spawn().map_err(|error| Failure::io("无法启动 cannot start /bin/sh", error))
}

pub(crate) fn owned(program: PathBuf, folder: &Path, owner: Option<Owner>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    if let Some(owner) = owner {
        command.uid(owner.user).gid(owner.group);
    }
    command
}

pub(crate) fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    listener.map(|it| it.port()).map_err(|error| Failure::io("没有空闲端口 no free port on 127.0.0.1", error))
}

fn lines(port: u16, fsync: bool, folder: &Path) -> String {
    let safe = if fsync { "on" } else { "off" };
    format!(
        "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nmax_connections = 200\n\
         fsync = {safe}\nfull_page_writes = {safe}\nlc_messages = 'C'\nlog_min_messages = warning\n\
         max_wal_size = 512MB\nautovacuum_naptime = 10min\n",
        folder.display()
    )
}

/// The failure with the last words of the server's log.
pub(crate) fn with_log(mut failure: Failure, folder: &Path) -> Failure {
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    let last: Vec<&str> = log.lines().rev().take(5).collect();
    for line in last.into_iter().rev() {
        failure.en += &format!("\n  {line}");
    }
    failure
}

pub(crate) trait Said {
    /// Runs to the end, quietly; what it said goes into the failure.
    fn said(&mut self, name: &str) -> Result<(), Failure>;
}

impl Said for Command {
    fn said(&mut self, name: &str) -> Result<(), Failure> {
        let output = self.output().map_err(|error| Failure::io(&format!("无法启动 cannot start {name}"), error))?;
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Failure::new(format!("{name} 未成功"), format!("{name} did not succeed: {words}")))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn settings_say_whether_writes_are_forced() {
        assert!(lines(5, true, Path::new("/f")).contains("fsync = on\nfull_page_writes = on"));
        assert!(lines(5, false, Path::new("/f")).contains("fsync = off"));
        assert!(lines(5, false, Path::new("/f")).contains("unix_socket_directories = '/f'"));
    }

    /// Where PostgreSQL is installed: a cluster answers while it is held, and leaves nothing behind.
    #[test]
    fn a_cluster_leaves_nothing_behind() {
        let Some(programs) = programs() else {
            return;
        };
        let cluster = Cluster::start(&programs, false).expect("a cluster");
        let port = cluster.url().rsplit(':').next().and_then(|it| it.split('/').next()).expect("a port").to_owned();
        let connect = || std::net::TcpStream::connect(format!("127.0.0.1:{port}"));
        assert!(connect().is_ok());
        drop(cluster);
        // Its folder goes when it has ended; its port may be another's a moment later.
        assert_eq!(left_behind("yunhe-pg"), 0);
    }

    /// Folders of ours that are still there.
    pub(crate) fn left_behind(prefix: &str) -> usize {
        let prefix = format!("{prefix}-{}-", process::id());
        let all = FOLDERS.iter().flat_map(|it| fs::read_dir(it).into_iter().flatten().flatten());
        all.filter(|it| it.file_name().to_string_lossy().starts_with(&prefix)).count()
    }
}
