//! The binary `yunhe`: everything it does is in the library of the same name, so that tests can start it as a process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    yunhe::run().await
}
