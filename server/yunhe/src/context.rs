//! What every command is handed: how to speak, and how to reach the node.

use crate::cli::Global;
use crate::client::Client;
use crate::output::Voice;
use crate::target::Target;
use std::path::{Path, PathBuf};
use vocabulary::Problem;

/// The global options, ready to use.
#[derive(Debug)]
pub struct Context {
    global: Global,
    voice: Voice,
}

impl Context {
    /// Takes the global options.
    pub fn new(global: Global) -> Self {
        let voice = Voice { language: global.lang, json: global.json };
        Self { global, voice }
    }

    /// How to speak.
    pub fn voice(&self) -> Voice {
        self.voice
    }

    /// The global options.
    pub fn global(&self) -> &Global {
        &self.global
    }

    /// The node's data folder: named, or the current one where it holds a configuration.
    ///
    /// # Errors
    /// `cli.folder` when there is none.
    pub fn folder(&self) -> Result<PathBuf, Problem> {
        crate::target::folder(self.global.data.as_deref())
    }

    /// A client of the node with the caller's token.
    ///
    /// # Errors
    /// `cli.folder`, `cli.organisation`, `cli.token` when node, organisation or token cannot be told.
    pub fn client(&self) -> Result<Client, Problem> {
        Client::new(Target::find(&self.global)?)
    }

    /// A client of the node that shows no token: for whoever has none yet.
    ///
    /// # Errors
    /// `cli.folder`, `cli.organisation` when node or organisation cannot be told.
    pub fn stranger(&self) -> Result<Client, Problem> {
        Client::new(Target::without_token(&self.global)?)
    }

    /// The folder of the organisation in the data folder.
    ///
    /// # Errors
    /// As [`Context::client`].
    pub fn home(&self) -> Result<PathBuf, Problem> {
        let folder = self.folder()?;
        let organisation = crate::target::organisation(&folder, self.global.org.as_deref())?;
        Ok(Path::new(&folder).join(organisation))
    }
}
