//! `cargo xtask simulate`: builds and runs the crate `simulation`, which knows the nodes, the model and the laws.

use crate::failure::Failure;
use crate::place;
use std::process::Command;

/// What `--help` prints.
pub const HELP: &str = "\
用法 usage: cargo xtask simulate [--seeds N] [--from N] [--seed N]

三个节点按种子在崩溃、断线、丢包、重放和时钟跳变中交换数据，之后逐条核对：无一笔交付丢失、重复或缺回执。
Three nodes exchange by a seed while they crash, are cut off, lose and repeat messages and their clocks jump; then it
is checked that no delivery is lost, doubled or unreceipted.

  --seeds N   运行的种子数，默认 1000  so many seeds, 1000 unless said
  --from N    从此种子起，默认 0      from this one on, 0 unless said
  --seed N    只重放一个种子并打印轨迹 this seed alone, with its trace
";

/// Runs the seeds; the exit code becomes ours: 1 where something does not hold.
///
/// # Errors
/// Where the build fails, or a law does not hold.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    // With the profile of the tests, which run the same seeds: what they have built serves here too.
    let programs = place::build(&["simulation"], "dev")?;
    place::finished(Command::new(programs.join("simulation")).current_dir(place::root()).args(arguments), "simulate")
}
