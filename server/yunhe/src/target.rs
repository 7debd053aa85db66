//! Which node, which organisation, which token: from a data folder, or as the options say.

use crate::cli::Global;
use crate::exit::file_problem;
use serde::Deserialize;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use vocabulary::{Kind, Problem, ensure};

/// Where a node listens for its own people and programs, when nothing says otherwise.
const NODE: &str = "http://127.0.0.1:8400";

/// Whom to call, and as whom.
#[derive(Clone, Debug)]
pub struct Target {
    /// `http://host:port`.
    pub base: String,
    /// The organisation, where the node hosts several.
    pub organisation: Option<String>,
    /// The token.
    pub token: Option<String>,
}

/// What a client needs of `yunhe.toml`; the node reads it whole.
#[derive(Deserialize)]
struct Config {
    client: SocketAddr,
    organisation: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

fn read(folder: &Path) -> Result<Config, Problem> {
    let path = folder.join("yunhe.toml");
    let text = fs::read_to_string(&path).map_err(|it| file_problem(&path, &it))?;
    toml::from_str(&text).map_err(|it| file_problem(&path, &it))
}

/// The data folder: named, or the current one where it holds a configuration.
///
/// # Errors
/// `cli.folder` when there is none.
pub fn folder(named: Option<&Path>) -> Result<PathBuf, Problem> {
    let folder = named.map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    ensure!(
        folder.join("yunhe.toml").is_file(),
        Problem::new(
            Kind::Unprocessable,
            "cli.folder",
            format!("{} 中没有 yunhe.toml；请用 --data 指明节点数据目录，或用 yunhe init 新建", folder.display()),
            format!(
                "no yunhe.toml in {}; name the node's folder by --data, or make one with yunhe init",
                folder.display()
            ),
        )
    );
    Ok(folder)
}

/// The organisation of the node in `folder`: the named one, or the only one.
///
/// # Errors
/// `cli.organisation` when there are several and none is named, or the named one is not there.
pub fn organisation(folder: &Path, named: Option<&str>) -> Result<String, Problem> {
    one_of(&read(folder)?, named)
}

fn one_of(config: &Config, named: Option<&str>) -> Result<String, Problem> {
    let ids: Vec<&str> = config.organisation.iter().map(|it| it.id.as_str()).collect();
    let found = match named {
        Some(named) => ids.iter().find(|it| **it == named),
        None => ids.first().filter(|_| ids.len() == 1),
    };
    found.map(|it| (*it).to_owned()).ok_or_else(|| {
        let ids = ids.join(", ");
        Problem::new(
            Kind::Unprocessable,
            "cli.organisation",
            format!("请用 --org 指明单位；该节点有：{ids}"),
            format!("name the organisation by --org; this node has: {ids}"),
        )
    })
}

/// Whether the node is found by its data folder.
fn is_local(global: &Global) -> bool {
    global.node.is_none() && (global.data.is_some() || Path::new("yunhe.toml").is_file())
}

impl Target {
    /// Finds the node, the organisation and the token.
    ///
    /// # Errors
    /// `cli.folder`, `cli.organisation`, `cli.token`.
    pub fn find(global: &Global) -> Result<Self, Problem> {
        let target = Self::without_token(global)?;
        let token = match (&global.token, is_local(global), &target.organisation) {
            (None, true, Some(organisation)) => {
                let folder = folder(global.data.as_deref())?;
                Some(token(&folder.join(organisation).join("tokens"), &global.role)?)
            }
            (given, ..) => given.clone(),
        };
        Ok(Self { token, ..target })
    }

    /// Finds the node and the organisation.
    ///
    /// # Errors
    /// `cli.folder`, `cli.organisation`.
    pub fn without_token(global: &Global) -> Result<Self, Problem> {
        if !is_local(global) {
            let base = global.node.as_deref().unwrap_or(NODE).trim_end_matches('/').to_owned();
            return Ok(Self { base, organisation: global.org.clone(), token: None });
        }
        let folder = folder(global.data.as_deref())?;
        let config = read(&folder)?;
        let organisation = one_of(&config, global.org.as_deref())?;
        Ok(Self { base: format!("http://{}", config.client), organisation: Some(organisation), token: None })
    }
}

fn token(folder: &Path, name: &str) -> Result<String, Problem> {
    let path = folder.join(name);
    fs::read_to_string(&path).map(|it| it.trim().to_owned()).map_err(|it| {
        Problem::new(
            Kind::Unauthenticated,
            "cli.token",
            format!(
                "没有令牌 {}（{it}）；请用 --as 指明已有的，或用 yunhe token new --save {name} 新发",
                path.display()
            ),
            format!(
                "no token {} ({it}); name one that is there by --as, or issue it: yunhe token new --save {name}",
                path.display()
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_organisation_needs_no_name_and_of_several_one_is_named() {
        let config = |ids: &[&str]| Config {
            client: ([127, 0, 0, 1], 8400).into(),
            organisation: ids.iter().map(|it| Named { id: (*it).to_owned() }).collect(),
        };
        assert_eq!(one_of(&config(&["a"]), None).unwrap(), "a");
        assert_eq!(one_of(&config(&["a", "b"]), Some("b")).unwrap(), "b");
        assert_eq!(one_of(&config(&["a", "b"]), None).unwrap_err().code, "cli.organisation");
        assert_eq!(one_of(&config(&["a"]), Some("b")).unwrap_err().code, "cli.organisation");
    }
}
