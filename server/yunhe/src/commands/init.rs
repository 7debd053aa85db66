//! `yunhe init`: a node's data folder, for one organisation by options or for several by a configuration file.

use crate::context::Context;
use crate::exit::Failure;
use clap::Args;
use std::path::PathBuf;

/// 新建节点。Make a node.
#[derive(Args, Debug)]
pub struct Init {
    /// 数据目录 The data folder
    folder: PathBuf,
}

impl Init {
    /// Runs it.
    pub async fn run(self, _: &Context) -> Result<(), Failure> {
        let _ = self.folder;
        Ok(())
    }
}
