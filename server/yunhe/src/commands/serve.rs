//! `yunhe serve`: runs the node until it is told to stop.

use crate::context::Context;
use crate::exit::Failure;
use clap::Args;

/// 运行节点。Run a node.
#[derive(Args, Debug)]
pub struct Serve {}

impl Serve {
    /// Runs it.
    pub async fn run(self, _: &Context) -> Result<(), Failure> {
        Ok(())
    }
}
