//! demo
use crate::context::Context;
use crate::exit::Failure;
use clap::Args;

/// 演示。Demo.
#[derive(Args, Debug)]
pub struct Demo {}

impl Demo {
    /// Runs it.
    pub async fn run(self, _: &Context) -> Result<(), Failure> {
        Ok(())
    }
}
