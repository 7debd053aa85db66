//! `yunhe`: one binary, and everything a person or a script does with a node.
//!
//! A command is a thin client of the node's own HTTP interface; what needs no node (`receipt verify`, `pack check`,
//! `schemas`, `federation sign`) works offline. Exit codes have a meaning ([`exit`]); `--json` gives programs the
//! whole answer on standard output and a problem as one JSON object on standard error.

mod cli;
mod client;
mod commands;
mod context;
mod demo;
pub mod exit;
mod output;
mod target;
mod telemetry;

#[cfg(test)]
mod tests;

pub use demo::Process;

use clap::Parser;
use std::process::ExitCode;

/// Does what the command line says.
pub async fn run() -> ExitCode {
    // The one cryptographic provider of the process; a second call finds it set and changes nothing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = cli::Cli::parse();
    let context = context::Context::new(cli.global);
    match commands::run(cli.command, &context).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::problem::print(&failure.problem, context.voice());
            failure.exit.into()
        }
    }
}
