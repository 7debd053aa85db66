//! What the tests need beside Rust: as root on Debian it is installed, elsewhere the caller hears what to install.

use crate::cluster;
use crate::failure::Failure;
use crate::mariadb;
use crate::place;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The variable that tests read: the address of a PostgreSQL in which they may create databases and schemas.
pub const ADDRESS: &str = "YUNHE_TEST_POSTGRES";

/// The variable that tests read: the address of a MariaDB in which they may create databases.
pub const MARIADB_ADDRESS: &str = "YUNHE_TEST_MARIADB";

/// The Python packages of independent clients, one a line with its version.
const REQUIREMENTS: &str = "tests/conformance/requirements.txt";
/// The private Python of those clients; the tests call its `bin/python`.
const PYTHON: &str = "tests/conformance/.venv";

/// A Debian package that tests need, and how to see that it is there.
struct Need {
    package: &'static str,
    present: fn() -> bool,
}

const POSTGRES: Need = Need { package: "postgresql", present: || cluster::programs().is_some() };

const MARIADB: Need = Need { package: "mariadb-server", present: || mariadb::programs().is_some() };

/// Independent clients verify receipts and logs: Go's own tlog and note, and a Python Merkle tree. Node runs the
/// generated client.
const CLIENTS: [Need; 6] = [
    Need { package: "golang-go", present: || answers("go", &["version"]) },
    Need {
        package: "golang-golang-x-mod-dev",
        present: || Path::new("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog").is_dir(),
    },
    Need { package: "python3-venv", present: || answers("python3", &["-c", "import venv, ensurepip"]) },
    Need { package: "nodejs", present: || answers("node", &["--version"]) },
    Need { package: "npm", present: || answers("npm", &["--version"]) },
    // It verifies our SM2 signatures, and makes some for us to verify.
    Need { package: "openssl", present: || answers("openssl", &["version"]) },
];

/// PostgreSQL's programs, installed first where we may.
///
/// # Errors
/// Where they are missing and cannot be installed.
pub fn postgres() -> Result<PathBuf, Failure> {
    provide(&[&POSTGRES])?;
    cluster::programs().ok_or_else(|| missing(&["postgresql"]))
}

/// MariaDB's programs, installed first where we may: the database of others that sources read.
///
/// # Errors
/// Where they are missing and cannot be installed.
pub fn mariadb() -> Result<mariadb::Programs, Failure> {
    provide(&[&MARIADB])?;
    mariadb::programs().ok_or_else(|| missing(&["mariadb-server"]))
}

/// The independent clients, with their private Python.
///
/// # Errors
/// Where they are missing and cannot be installed.
pub fn clients() -> Result<(), Failure> {
    let requirements = place::root().join(REQUIREMENTS);
    let python = place::root().join(PYTHON);
    provide(&CLIENTS.each_ref())?;
    if !requirements.is_file() || installed(&python, &requirements) {
        return Ok(());
    }
    place::finished(Command::new("python3").args(["-m", "venv"]).arg(&python), "python3 -m venv")?;
    let mut pip = Command::new(python.join("bin").join("pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&requirements);
    place::finished(&mut pip, "pip install")?;
    std::fs::copy(&requirements, python.join("installed.txt"))
        .map_err(|error| Failure::io(&format!("{PYTHON}/installed.txt"), error))?;
    Ok(())
}

/// Whether the private Python holds what is asked for: a copy of the list is put into it last.
fn installed(python: &Path, requirements: &Path) -> bool {
    let texts = (std::fs::read(python.join("installed.txt")), std::fs::read(requirements));
    python.join("bin/python").exists() && matches!(texts, (Ok(there), Ok(asked)) if there == asked)
}

fn provide(needs: &[&Need]) -> Result<(), Failure> {
    let absent: Vec<&str> = needs.iter().filter(|it| !(it.present)()).map(|it| it.package).collect();
    if absent.is_empty() {
        return Ok(());
    }
    if !cluster::are_root() || !answers("apt-get", &["--version"]) {
        return Err(missing(&absent));
    }
    println!("安装 Debian 软件包 installing Debian's packages: {}", absent.join(" "));
    let install = [&["install", "-y", "--no-install-recommends"], absent.as_slice()].concat();
    if apt(&install).is_err() {
        apt(&["update"])?; // a fresh image knows no packages
        apt(&install)?;
    }
    let still: Vec<&str> = needs.iter().filter(|it| !(it.present)()).map(|it| it.package).collect();
    if still.is_empty() { Ok(()) } else { Err(missing(&still)) }
}

fn apt(arguments: &[&str]) -> Result<(), Failure> {
    let mut apt = Command::new("apt-get");
    apt.arg("-q").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    place::finished(&mut apt, &format!("apt-get {}", arguments.join(" ")))
}

fn answers(program: &str, arguments: &[&str]) -> bool {
    let mut ask = Command::new(program);
    ask.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    ask.status().is_ok_and(|it| it.success())
}

fn missing(packages: &[&str]) -> Failure {
    let list = packages.join(" ");
    let mut failure = Failure::new(
        format!(
            "缺少：{list}。任选其一：\n  sudo apt-get install {list}，然后重试；\n  以 root 运行本命令，由它安装。"
        ),
        format!(
            "missing: {list}. Either\n  run `sudo apt-get install {list}` and try again;\n  \
             or run this command as root, and it installs them."
        ),
    );
    if packages.contains(&POSTGRES.package) {
        failure.zh += &format!(
            "\nPostgreSQL 应在 /usr/lib/postgresql/*/bin 或 PATH 中（initdb、pg_ctl、postgres）；\
             也可设 {ADDRESS}=postgres://用户@主机:端口/库（须有建库建模式的权限）。"
        );
        failure.en += &format!(
            "\nPostgreSQL is looked for in /usr/lib/postgresql/*/bin and on PATH (initdb, pg_ctl, postgres); \
             {ADDRESS}=postgres://user@host:port/database (a role that may create databases and schemas) serves too."
        );
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_command_that_helps() {
        let failure = missing(&["postgresql", "golang-go"]);
        for text in [&failure.zh, &failure.en] {
            assert!(text.contains("sudo apt-get install postgresql golang-go"), "{text}");
            assert!(text.contains(ADDRESS), "{text}");
        }
        assert!(!missing(&["golang-go"]).en.contains(ADDRESS));
    }

    #[test]
    fn a_private_python_is_current_while_its_list_is() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (python, requirements) = (folder.path().join("venv"), folder.path().join("requirements.txt"));
        std::fs::create_dir_all(python.join("bin")).expect("a folder");
        std::fs::write(python.join("bin/python"), "").expect("a file");
        std::fs::write(&requirements, "a==1\n").expect("a file");
        assert!(!installed(&python, &requirements));
        std::fs::copy(&requirements, python.join("installed.txt")).expect("a copy");
        assert!(installed(&python, &requirements));
        std::fs::write(&requirements, "a==2\n").expect("a file");
        assert!(!installed(&python, &requirements));
    }
}
