//! What we promise, measured: ratios within one run against the bare machine. `cargo xtask bench [NAME…]`.
//!
//! A gate that is missed makes the run fail; a goal is only reported. How often a second this disk makes 4 KiB durable
//! stands first, the load of the machine beside every figure.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench tells its figures")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

mod batch;
mod call;
mod cpu;
mod deliver;
mod evidence;
mod idle;
mod import;
mod line;
mod load;
mod pair;
mod peers;
mod query;
mod report;
mod search;

use report::{Figure, Report, Unit};
use std::{
    io::Write as _,
    process::ExitCode,
    time::{Duration, Instant},
};
use store::{Statement, Store};

/// What can be measured, in this order.
const NAMES: &[&str] = &[
    "query",
    "call",
    "batch",
    "idle",
    "evidence",
    "search",
    "import",
    deliver::TABLE,
    deliver::CHANGES,
    deliver::PLANS,
];

/// The PostgreSQL server to measure on, where one is named.
fn postgres() -> Option<String> {
    std::env::var("YUNHE_TEST_POSTGRES").ok().filter(|it| !it.is_empty())
}

/// Leaves nothing behind on that server.
async fn drop_schema(server: &str, schema: &str) {
    let store = Store::open(server, schema).await.unwrap();
    let drop = Statement::built(format!("DROP SCHEMA \"{schema}\" CASCADE"));
    store.read().await.unwrap().rows(drop, Vec::new()).await.unwrap();
    store.close().await;
}

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

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    peers: bool,
    json: bool,
    names: Vec<String>,
}

fn asked(arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked::default();
    for argument in arguments {
        match argument.as_str() {
            "--peers" => asked.peers = true,
            "--json" => asked.json = true,
            deliver::ALL => asked.names.extend(deliver::PARTS.map(str::to_owned)),
            name if NAMES.contains(&name) => asked.names.push(argument),
            _ => return Err(argument),
        }
    }
    if asked.names.is_empty() {
        asked.names = NAMES.iter().map(|it| (*it).to_owned()).collect();
    }
    Ok(asked)
}

/// Exit codes: 0 every gate held, 1 one was missed, 2 the command line was not understood.
#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [import::ONCE, file, url, schema] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        println!("{}", import::once(file, url, schema).await);
        return ExitCode::SUCCESS;
    }
    if let [deliver::ONCE, plans] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        println!("{}", deliver::once(plans.parse().unwrap()).await);
        return ExitCode::SUCCESS;
    }
    let asked = match asked(arguments.into_iter()) {
        Ok(asked) => asked,
        Err(argument) => {
            let names = NAMES.join(", ");
            eprintln!("不认识的参数 `{argument}`；可测量：{names}；选项 --peers、--json");
            eprintln!("argument `{argument}` is not known; there are {names}, and --peers, --json");
            return ExitCode::from(2);
        }
    };
    let mut report = Report::new(asked.json);
    report.tell(&Figure::new("fsync", "4 KiB made durable", fsyncs_per_second(), Unit::PerSecond));
    let mut scene = None;
    for name in &asked.names {
        match name.as_str() {
            "query" => query::run(&mut report, asked.peers).await,
            "call" => call::run(&mut report).await,
            "batch" => batch::run(&mut report).await,
            "idle" => idle::run(&mut report).await,
            "evidence" => evidence::run(&mut report).await,
            "search" => search::run(&mut report).await,
            deliver::TABLE => deliver::table(&mut report, &mut scene).await,
            deliver::CHANGES => deliver::changes(&mut report, &mut scene).await,
            deliver::PLANS => deliver::plans(&mut report).await,
            _ => import::run(&mut report).await,
        }
    }
    if report.held() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Asked, String> {
        asked(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn without_a_name_everything_is_measured() {
        assert_eq!(words("--json").unwrap().names, NAMES);
        assert_eq!(words("query --peers").unwrap(), Asked { peers: true, json: false, names: vec!["query".into()] });
        assert_eq!(words("deliver").unwrap().names, deliver::PARTS);
        assert_eq!(words("qeury"), Err("qeury".to_owned()));
    }
}
