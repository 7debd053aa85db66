//! `cargo xtask simulate`: many seeds, or one with its trace.

use clap::Parser;
use simulation::{Stage, run};
use std::{process::ExitCode, time::Instant};

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
    let seeds = arguments.seed.map_or(arguments.from..arguments.from + arguments.seeds, |it| it..it + 1);
    let mut broken = 0;
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let report = run(&stage, seed, arguments.seed.is_some());
        for line in &report.trace {
            println!("{line}");
        }
        for finding in &report.findings {
            println!("种子 seed {seed}: {finding}");
        }
        broken += u64::from(!report.findings.is_empty());
        if arguments.seed.is_some() {
            println!("轨迹摘要 digest of the trace: {}", report.digest);
        }
    }
    let wall = begun.elapsed().as_secs_f64();
    println!("{count} 个种子 seeds, {broken} 个有问题 with findings, {wall:.1} s");
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
