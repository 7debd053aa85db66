//! `cargo xtask demo`: builds the binary and lets it run the main job; what the job is, `yunhe demo` knows.

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::mariadb::MariaDb;
use crate::{place, setup};
use std::process::Command;

/// What `--help` prints.
pub const HELP: &str = "\
用法 usage: cargo xtask demo [--once] [--sabotage STEP] [--rows N] …

编译 `yunhe`（fast 配置）并运行 `yunhe demo`，参数原样传给它。
Builds `yunhe` with the `fast` profile and runs `yunhe demo`; all arguments are passed on to it.

  --once            做完即退出，仅当每一步都核验通过时退出码为 0
                    end after the job; exit code 0 only if every step verified
  --sabotage STEP   故意破坏这一步，必须以非零退出
                    break that step on purpose; must exit non-zero
  --rows N          样本法人数（默认一百万） legal persons in the sample (a million by default)
  --bureau          其后再做一个数据局的日常：编目、入表、校核、月报；另启动私有的 MariaDB 与 PostgreSQL 充当部门业务库
                    then a bureau's daily work: compile, deliver, correct, account; a private MariaDB and PostgreSQL
                    are started as the systems of a department

真实数据目录取自 YUNHE_DATA，否则取旁边的 ../shared/data；都没有时只用自造样本。
Real files come from YUNHE_DATA, else from ../shared/data beside the workspace; without either, from the sample alone.
";

/// Runs the demo; its exit code becomes ours.
///
/// # Errors
/// Where the build fails, or the demo does.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let programs = place::build(&["yunhe"], "fast")?;
    let mut yunhe = Command::new(programs.join("yunhe"));
    yunhe.current_dir(place::root()).arg("demo").args(arguments);
    if let Some(data) = place::data() {
        yunhe.env("YUNHE_DATA", data);
    }
    let systems = match arguments.iter().any(|it| it == "--bureau") {
        true => Some((MariaDb::start(&setup::mariadb()?)?, Cluster::start(&setup::postgres()?, false)?)),
        false => None,
    };
    if let Some((mariadb, postgres)) = &systems {
        yunhe.env("YUNHE_DEMO_MARIADB", mariadb.url()).env("YUNHE_DEMO_POSTGRES", postgres.url());
    }
    let outcome = place::finished(&mut yunhe, "yunhe demo");
    drop(systems);
    outcome
}
