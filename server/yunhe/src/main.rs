//! The binary `yunhe`: everything it does is in the library of the same name, so that tests can start it as a process.

use mimalloc::MiMalloc;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    yunhe::run().await
}
