//! `yunhe.toml`: one file, one data folder, nothing else is needed.

use outside::ConnectionConfig;
use policy::{Level, MemberRole};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, path::Path};
use vocabulary::{Bilingual, FederationName, Kind, OrganisationId, Problem, ensure};

/// A node's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Within which federation.
    pub federation: FederationName,
    /// Where programs and people connect.
    pub client: SocketAddr,
    /// Where other nodes connect, by mutual TLS.
    pub peer: Vec<SocketAddr>,
    /// Whose node this is.
    pub organisation: Vec<OrganisationConfig>,
}

/// One organisation of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganisationConfig {
    /// Its name within the federation.
    pub id: OrganisationId,
    /// Its title.
    pub title: Bilingual,
    /// The host name that chooses it.
    pub host: String,
    /// Where it is.
    pub division: String,
    /// On which level.
    pub level: Level,
    /// What it is.
    pub roles: Vec<MemberRole>,
    /// The authority in charge of it (上级), as its card names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superior: Option<OrganisationId>,
    /// `sqlite`, or `postgres://…`.
    #[serde(default = "sqlite")]
    pub database: String,
    /// Counts restores: the epoch of its log's origin.
    #[serde(default = "first_epoch")]
    pub epoch: u32,
    /// Rows in a part of a batch that it delivers.
    #[serde(default = "part_rows")]
    pub part_rows: usize,
    /// Systems of others that its sources read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connection: Vec<ConnectionConfig>,
}

fn sqlite() -> String {
    "sqlite".to_owned()
}

fn first_epoch() -> u32 {
    1
}

fn part_rows() -> usize {
    crate::PART_ROWS
}

impl NodeConfig {
    /// Reads `yunhe.toml` in `folder`.
    ///
    /// # Errors
    /// `node.config` with what is wrong and where.
    pub fn read(folder: &Path) -> Result<Self, Problem> {
        let path = folder.join("yunhe.toml");
        let text = std::fs::read_to_string(&path).map_err(|it| bad(&path, &it.to_string()))?;
        let config: Self = toml::from_str(&text).map_err(|it| bad(&path, &unread(&text, &it)))?;
        for organisation in &config.organisation {
            outside::Connections::check(&organisation.connection)?;
        }
        let count = config.organisation.len();
        ensure!((1..=crate::ORGANISATIONS_MAX).contains(&count), bad(&path, "between 1 and 256 organisations"));
        Ok(config)
    }

    /// Writes `yunhe.toml` into `folder`.
    ///
    /// # Errors
    /// `node.config` when it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Problem> {
        let path = folder.join("yunhe.toml");
        let text = toml::to_string_pretty(self).map_err(|it| bad(&path, &it.to_string()))?;
        std::fs::write(&path, text).map_err(|it| bad(&path, &it.to_string()))
    }
}

/// What is wrong and where, without the line itself: it may be an address that nobody should see.
fn unread(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|it| text.get(..it.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message())
}

fn bad(path: &Path, why: &str) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "node.config",
        format!("配置文件 {} 有误：{why}；可用 yunhe init 新建", path.display()),
        format!("configuration {}: {why}; yunhe init makes a new one", path.display()),
    )
}
