//! Where a system of others is reached, and the secret with which: from `yunhe.toml` and a password file, never from a
//! pack, and never printed.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use vocabulary::{Kind, Problem, ResourceId, ensure};

/// A password file has at most this many bytes.
const PASSWORD_BYTES_MAX: u64 = 4_096;

/// A connection as `yunhe.toml` declares it:
///
/// ```toml
/// [[organisation.connection]]
/// name = "market-db"
/// url = "mysql://reader@db.example/market"
/// password_file = "/etc/yunhe/market-db.password"
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionConfig {
    /// What packs call it.
    pub name: ResourceId,
    /// Where it is.
    pub url: Address,
    /// The file with its password and nothing else, which its owner alone may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Whether deliveries may write tables there; left out: it is only read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub writes: bool,
    /// Of an HTTP service: the field in which the password goes along; left out, user and password are shown as Basic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Of an HTTPS service: a file with the certificates (PEM) that vouch for it; left out: those of this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<PathBuf>,
}

/// An address. It prints as its scheme alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

impl Address {
    /// Wraps an address; whether it is a sound one is seen when it is opened.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The word before the colon.
    pub fn scheme(&self) -> &str {
        self.0.split_once(':').map_or("", |it| it.0)
    }

    /// What is behind `sqlite:`, with or without slashes for show.
    pub(crate) fn path(&self) -> &Path {
        let rest = self.0.split_once(':').map_or("", |it| it.1);
        Path::new(rest.strip_prefix("//").unwrap_or(rest))
    }

    /// The whole: for a driver, and for nothing that is shown.
    pub(crate) fn open(&self) -> &str {
        &self.0
    }

    /// Whether a password stands in it, where backups and screens would show it.
    fn holds_password(&self) -> bool {
        let behind = self.0.split_once("://").map_or("", |it| it.1);
        let authority = behind.split(['/', '?', '#']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map_or("", |it| it.0);
        user.contains(':') || behind.contains("password=")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:•", self.scheme())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:•", self.scheme())
    }
}

/// A declaration that cannot serve; the address is not in it.
pub(crate) fn unfit(name: &ResourceId, zh: &str, en: &str) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "source.connection",
        format!("连接 {name}：{zh}（见 yunhe.toml 的 [[organisation.connection]]）"),
        format!("connection {name}: {en} (see [[organisation.connection]] in yunhe.toml)"),
    )
    .with("connection", name.as_str())
}

impl ConnectionConfig {
    /// A connection of that name, with nothing said of it yet.
    pub fn new(name: ResourceId) -> Self {
        let url = Address::new("");
        Self { name, url, password_file: None, writes: false, header: None, certificates: None }
    }

    /// Whether it is an HTTP service, and no database.
    pub fn is_service(&self) -> bool {
        ["http", "https"].contains(&self.url.scheme())
    }

    /// The password, where one is declared.
    ///
    /// # Errors
    /// `source.connection` when the address itself holds one, or the file is missing or open to others.
    pub(crate) fn password(&self) -> Result<Option<String>, Problem> {
        ensure!(
            !self.url.holds_password(),
            unfit(
                &self.name,
                "url 中不得写口令；请写入仅属主可读的文件，并以 password_file 指明",
                "no password belongs into url; put it into a file that only its owner reads, named by password_file",
            )
        );
        self.password_file.as_deref().map(|it| self.read_password(it)).transpose()
    }

    fn read_password(&self, path: &Path) -> Result<String, Problem> {
        let shown = path.display();
        let missing = |why: &std::io::Error| {
            unfit(
                &self.name,
                &format!("口令文件 {shown} 无法读取（{why}）"),
                &format!("password file {shown} cannot be read ({why})"),
            )
        };
        let about = std::fs::metadata(path).map_err(|it| missing(&it))?;
        ensure!(
            about.permissions().mode().trailing_zeros() >= 6,
            unfit(
                &self.name,
                &format!("口令文件 {shown} 可被他人读取；请执行 chmod 600 {shown}"),
                &format!("others may read password file {shown}; run chmod 600 {shown}"),
            )
        );
        ensure!(
            about.is_file() && about.len() <= PASSWORD_BYTES_MAX,
            unfit(
                &self.name,
                &format!("口令文件 {shown} 应为不大于 {PASSWORD_BYTES_MAX} 字节的文件"),
                &format!("password file {shown} should be a file of at most {PASSWORD_BYTES_MAX} bytes"),
            )
        );
        let text = std::fs::read_to_string(path).map_err(|it| missing(&it))?;
        Ok(text.trim_end_matches(['\n', '\r']).to_owned())
    }
}
