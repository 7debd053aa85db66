//! What we promise, measured: ratios within one run against the bare machine. `cargo xtask bench [NAME…]`.
//!
//! - `query`: a query by key, signed, permitted, masked where agreed, receipted and logged with `synchronous=FULL`,
//!   against a bare handler with the same SQL and JSON over the same mutual TLS and HTTP/2. Gate: 0.2 of it. The load
//!   generator runs in the same process, so it takes the same two cores from both.
//! - `fsync`: how often a second this disk makes 4 KiB durable; stands beside every other figure.
#![expect(clippy::print_stdout, reason = "a bench tells its figures")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

mod line;
mod query;

use std::{
    io::Write as _,
    process::ExitCode,
    time::{Duration, Instant},
};

fn fsyncs_per_second() -> f64 {
    let path = std::env::temp_dir().join(format!("yunhe-bench-{}", std::process::id()));
    let mut file = std::fs::File::create(&path).unwrap();
    let (begin, mut count) = (Instant::now(), 0_u32);
    while begin.elapsed() < Duration::from_secs(1) {
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    std::fs::remove_file(&path).unwrap();
    f64::from(count) / begin.elapsed().as_secs_f64()
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

#[tokio::main]
async fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|it| it == name);
    println!("fsync  {:.0} a second; load {}", fsyncs_per_second(), load());
    let mut held = true;
    if wanted("query") {
        held &= query::run().await;
    }
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
