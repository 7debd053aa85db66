//! `cargo xtask bench`: builds and runs the crate `bench`, which knows the figures, gates and goals.

use crate::failure::Failure;
use crate::place;
use std::process::Command;

/// What `--help` prints.
pub const HELP: &str = "\
用法 usage: cargo xtask bench [--peers] [NAME…]

以 fast 配置编译并运行 `bench`，参数原样传给它；不写名字就全部测量。达不到门槛（gate）退出码为 1，目标（goal）只报告。
Builds `bench` with the `fast` profile and runs it; all arguments are passed on. Without names everything is measured.
A missed gate exits with 1; goals are only reported.

  --peers   另从 PyPI 安装 datasette 与 roapi 作比较 also install datasette and roapi from PyPI and compare
";

/// Runs the measurements; their exit code becomes ours.
///
/// # Errors
/// Where the build fails, or a gate is missed.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let programs = place::build(&["yunhe", "bench"], "fast")?;
    let mut bench = Command::new(programs.join("bench"));
    bench.current_dir(place::root()).args(arguments).env("YUNHE_PROGRAM", programs.join("yunhe"));
    if let Some(data) = place::data() {
        bench.env("YUNHE_DATA", data);
    }
    place::finished(&mut bench, "bench")
}
