//! `cargo xtask layers`: refuses every dependency that the architecture does not draw. The folder is the layer.
//!
//! [`graph`] reads `cargo metadata`; [`rules`] decides, knowing nothing of cargo, and is tested on made-up graphs.

mod graph;
mod rules;

use crate::failure::Failure;
use crate::finding;

/// What `--help` prints.
pub const HELP: &str = "\
用法 usage: cargo xtask layers

读取 `cargo metadata`，凡是 docs/ARCHITECTURE.md 没有画出的依赖一律拒绝，并说明怎样改。
Reads `cargo metadata` and refuses every dependency that docs/ARCHITECTURE.md does not draw, with the remedy.

  yunhe → protocols → web → node → acts → io → rule, schema, vocabulary
  acts → pure (pack 除外 but pack); node → pack; engines → engine
  pure:  pack → case → policy → rule → schema → vocabulary; engine → schema
  acts:  → evidence; catalog → registry; compute → registry
  io:    peer → signing
  tests/*, bench → 一切 everything; 只有 bench、tests、xtask 可依赖 tests/* only they may use tests/*
  pure 不得见 never sees tokio, sqlx, axum, reqwest, datafusion, rand, getrandom …
  sqlx, rusqlite: store, outside · tantivy: catalog · axum: web, protocols, testkit
  datafusion, deltalake: lake, compute
";

/// Checks the workspace's dependencies.
///
/// # Errors
/// Where any is forbidden, or `cargo metadata` fails.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    if let Some(argument) = arguments.first() {
        return Err(Failure::unknown(argument, "layers"));
    }
    let graph = graph::read()?;
    let findings = rules::check(&graph);
    let arrows: usize = graph.members.iter().map(|it| it.uses.len()).sum();
    finding::report("layers", findings, &format!("{} crates, {arrows} dependencies, all as drawn", graph.members.len()))
}

#[cfg(test)]
mod tests;
