//! The workspace's own commands: `cargo xtask demo | test | bench | simulate | mutants | package | tidy | layers |
//! codegen | stats`.
//!
//! Kept light (a few small crates, no async runtime), because everyone builds it first. A command either does all
//! its set-up itself or says exactly what is missing, in Chinese and English.

mod bench;
mod cluster;
mod codegen;
mod demo;
mod failure;
mod finding;
mod layers;
mod mariadb;
mod mutants;
mod package;
mod place;
mod setup;
mod simulate;
mod stats;
mod suite;
mod tidy;

use failure::Failure;
use std::process::ExitCode;

/// One command: its name, its line in the overview, its help, what it does with the arguments behind its name.
struct Command {
    name: &'static str,
    about: &'static str,
    help: &'static str,
    run: fn(&[String]) -> Result<(), Failure>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "demo",
        about: "三个节点走完一次真实的数据交换 three nodes run one real exchange",
        help: demo::HELP,
        run: demo::run,
    },
    Command {
        name: "test",
        about: "自备一切并运行全部测试 set everything up and run every test",
        help: suite::HELP,
        run: suite::run,
    },
    Command {
        name: "bench", about: "量一量我们的承诺 measure what we promise", help: bench::HELP, run: bench::run
    },
    Command {
        name: "simulate",
        about: "按种子仿真三个节点的故障 simulate three nodes and what goes wrong, by seeds",
        help: simulate::HELP,
        run: simulate::run,
    },
    Command {
        name: "mutants",
        about: "逐一拿掉判断，看测试是否发现 take guards away and see whether a test notices",
        help: mutants::HELP,
        run: mutants::run,
    },
    Command {
        name: "package",
        about: "制作签名的离线安装包 make the signed archive for machines without a network",
        help: package::HELP,
        run: package::run,
    },
    Command {
        name: "tidy",
        about: "检查篇幅、命名与整洁 check sizes, names and tidiness",
        help: tidy::HELP,
        run: tidy::run,
    },
    Command {
        name: "layers",
        about: "检查目录之间的依赖方向 check which folder may use which",
        help: layers::HELP,
        run: layers::run,
    },
    Command {
        name: "codegen",
        about: "生成 JSON Schema 与 OpenAPI generate schemas and OpenAPI",
        help: codegen::HELP,
        run: codegen::run,
    },
    Command { name: "stats", about: "各 crate 的篇幅 how large each crate is", help: stats::HELP, run: stats::run },
];

/// Exit codes: 0 all well, 1 the check or the job failed, 2 the command line was not understood.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        print!("{}", overview());
        return ExitCode::from(2);
    };
    if ["help", "--help", "-h"].contains(&name.as_str()) {
        print!("{}", overview());
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|it| it.name == name) else {
        eprint!("没有命令 `{name}` no such command\n\n{}", overview());
        return ExitCode::from(2);
    };
    let ours = rest.iter().take_while(|it| *it != "--");
    if ours.into_iter().any(|it| it == "--help" || it == "-h") {
        print!("{}", command.help);
        return ExitCode::SUCCESS;
    }
    match (command.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.exit)
        }
    }
}

fn overview() -> String {
    let mut text = "用法 usage: cargo xtask <命令 command> [--help]\n\n".to_owned();
    for command in COMMANDS {
        text += &format!("  {:<8} {}\n", command.name, command.about);
    }
    text
}
