//! `cargo xtask test`: sets everything up and runs every test of the workspace.

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::mariadb::MariaDb;
use crate::place;
use crate::setup::{self, ADDRESS, MARIADB_ADDRESS};
use std::env;
use std::process::{Command, Stdio};

/// What `--help` prints.
pub const HELP: &str = "\
用法 usage: cargo xtask test [--fsync] [--ci] [-- 参数 arguments of nextest]

自备一切，运行整个工作区的测试（有 cargo-nextest 就用它，否则用 cargo test）。
Sets everything up and runs all tests of the workspace (with cargo-nextest where present, else with cargo test).

PostgreSQL：若设了 YUNHE_TEST_POSTGRES（超级用户的 postgres:// 地址）就用它；否则在空闲端口起一个临时的，结束即删。
MariaDB：同样，变量为 YUNHE_TEST_MARIADB（mysql:// 地址）。
独立客户端（Debian 的 golang-go、golang-golang-x-mod-dev、nodejs、npm，PyPI 与 npm 的若干包）核验日志、回执与生成的客户端，
仅在测试整个工作区时需要。
root 下缺什么就用 apt-get 安装；其他用户会被告知缺什么。
PostgreSQL: YUNHE_TEST_POSTGRES (a superuser's postgres:// address) is used where set; otherwise a private cluster runs
on a free port and is removed afterwards. MariaDB: the same, by YUNHE_TEST_MARIADB (a mysql:// address).
Independent clients (Debian's golang-go, golang-golang-x-mod-dev, nodejs and npm, packages from PyPI and npm) verify
logs, receipts and the generated client; they are needed only for the whole workspace. As root, what is missing is
installed by apt-get; anyone else is told what is missing.

  --fsync   临时 PostgreSQL 打开 fsync（慢） the private PostgreSQL forces its writes (slow)
  --ci      使用 nextest 的 ci 配置 use nextest's profile `ci`

例 examples:
  cargo xtask test -- -p registry
  cargo xtask test -- -E 'rdeps(rule)'
";

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    fsync: bool,
    ci: bool,
    rest: Vec<String>,
}

/// Runs the tests; cargo's exit code becomes ours.
///
/// # Errors
/// Where something is missing that cannot be set up, or a test fails.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let asked = asked(arguments)?;
    if asked.needs_clients() {
        setup::clients()?;
    }
    let given = env::var(ADDRESS).ok().filter(|it| !it.is_empty());
    let (cluster, address) = match given {
        Some(address) => (None, address),
        None => {
            let cluster = Cluster::start(&setup::postgres()?, asked.fsync)?;
            let address = cluster.url().to_owned();
            (Some(cluster), address)
        }
    };
    println!("PostgreSQL: {address}");
    let given = env::var(MARIADB_ADDRESS).ok().filter(|it| !it.is_empty());
    let (mariadb, mariadb_address) = match given {
        Some(address) => (None, address),
        None => {
            let server = MariaDb::start(&setup::mariadb()?)?;
            let address = server.url().to_owned();
            (Some(server), address)
        }
    };
    println!("MariaDB: {mariadb_address}");
    let mut tests = command(&asked, has_nextest());
    if asked.needs_clients() {
        // What is still missing then is installed by the clients' own scripts, and what cannot be is a failure.
        tests.env("CI", "true");
    }
    tests.env(ADDRESS, &address).env(MARIADB_ADDRESS, &mariadb_address);
    let outcome = place::finished(&mut tests, "cargo test");
    drop((cluster, mariadb));
    outcome
}

impl Asked {
    /// Packages named with `-p`; none: the whole workspace.
    fn names_packages(&self) -> bool {
        self.rest.iter().any(|it| it.starts_with("-p") || it.starts_with("--package"))
    }

    /// Whether tests run in which independent clients verify.
    fn needs_clients(&self) -> bool {
        !self.names_packages() || self.rest.iter().any(|it| it.contains("conformance"))
    }
}

fn asked(arguments: &[String]) -> Result<Asked, Failure> {
    let mut asked = Asked::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--fsync" => asked.fsync = true,
            "--ci" => asked.ci = true,
            "--" => asked.rest = arguments.by_ref().cloned().collect(),
            other => return Err(Failure::unknown(other, "test")),
        }
    }
    Ok(asked)
}

fn command(asked: &Asked, nextest: bool) -> Command {
    let mut command = place::cargo();
    command.args(test_arguments(asked, nextest));
    command
}

fn test_arguments(asked: &Asked, nextest: bool) -> Vec<String> {
    let mut arguments: Vec<&str> = if nextest { vec!["nextest", "run"] } else { vec!["test"] };
    if !asked.names_packages() && !asked.rest.iter().any(|it| it == "--workspace") {
        arguments.push("--workspace");
    }
    if asked.ci && nextest {
        arguments.extend(["--profile", "ci"]);
    }
    arguments.extend(asked.rest.iter().map(String::as_str));
    arguments.into_iter().map(str::to_owned).collect()
}

fn has_nextest() -> bool {
    let mut ask = place::cargo();
    ask.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    ask.status().is_ok_and(|it| it.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_follows_the_dashes_goes_to_the_runner() {
        let asked = asked(&words("--fsync -- -p rule --fsync")).expect("sound arguments");
        assert_eq!(asked, Asked { fsync: true, ci: false, rest: words("-p rule --fsync") });
        assert_eq!(test_arguments(&asked, true), words("nextest run -p rule --fsync"));
    }

    #[test]
    fn the_whole_workspace_unless_a_package_is_named() {
        let asked = asked(&words("--ci")).expect("sound arguments");
        assert_eq!(test_arguments(&asked, true), words("nextest run --workspace --profile ci"));
        assert_eq!(test_arguments(&asked, false), words("test --workspace"), "cargo's own profiles are something else");
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        assert_eq!(asked(&words("--fast")).expect_err("unknown").exit, 2);
    }
}
