//! `cargo xtask simulate`: many seeds, or one with its trace.

use clap::Parser;
use simulation::{Report, Stage, run};
use std::{
    ops::Range,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    thread::{available_parallelism, scope},
    time::Instant,
};

/// Three nodes exchange under agreements, and everything that can go wrong does.
#[derive(Parser)]
struct Arguments {
    /// So many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// From this one on.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// This seed alone, with its trace.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let begun = Instant::now();
    let stage = Stage::set_up(None);
    let seeds = arguments.seed.map_or(arguments.from..arguments.from.saturating_add(arguments.seeds), |it| it..it + 1);
    let count = seeds.end - seeds.start;
    let broken = match arguments.seed {
        Some(seed) => told(&run(&stage, seed, true)),
        None => all(&stage, seeds),
    };
    let wall = begun.elapsed().as_secs_f64();
    println!("{count} 个种子 seeds, {broken} 个有问题 with findings, {wall:.1} s");
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs all of them, as many at once as there are processors; says how many have findings.
fn all(stage: &Stage, seeds: Range<u64>) -> u64 {
    let next = AtomicU64::new(seeds.start);
    let broken = AtomicU64::new(0);
    scope(|threads| {
        for _ in 0..available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    broken.fetch_add(told(&run(stage, seed, false)), Ordering::Relaxed);
                }
            });
        }
    });
    broken.into_inner()
}

/// Prints what came of a run; 1 where it has findings.
fn told(report: &Report) -> u64 {
    for line in &report.trace {
        println!("{line}");
    }
    for finding in &report.findings {
        println!("种子 seed {}: {finding}", report.seed);
    }
    if !report.trace.is_empty() {
        println!("轨迹摘要 digest of the trace: {}", report.digest);
    }
    u64::from(!report.findings.is_empty())
}
