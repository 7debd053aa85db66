//! `yunhe openapi`: the description of the node's HTTP interface, as the node itself serves it.

use crate::context::Context;
use crate::exit::Failure;
use crate::output::print;
use clap::Args;

/// 打印接口描述（OpenAPI 3.1）。Print the description of the HTTP interface.
#[derive(Args, Debug)]
#[command(after_help = "示例 Example:\n  yunhe openapi > openapi.json")]
pub struct Openapi {}

impl Openapi {
    /// Runs it.
    pub fn run(self, _: &Context) -> Result<(), Failure> {
        print(&format!("{:#}\n", web::openapi()));
        Ok(())
    }
}
