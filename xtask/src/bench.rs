//! `cargo xtask bench`: builds and runs the crate `bench`, which knows the figures, gates and goals.

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::place;
use crate::setup::{self, ADDRESS};
use std::env;
use std::process::Command;

/// What `--help` prints.
pub const HELP: &str = "\
用法 usage: cargo xtask bench [--peers] [--json] [NAME…]

以 fast 配置编译并运行 `bench`，参数原样传给它；不写名字就全部测量。达不到门槛（gate）退出码为 1，目标（goal）只报告。
每个数一行，旁注机器负载。
Builds `bench` with the `fast` profile and runs it; all arguments are passed on. Without names everything is measured.
A missed gate exits with 1; goals are only reported. A line per figure, with the machine's load beside.

  query     按键查询（签名、许可、回执）与同一服务上只读一行的处理之比；半峰值时的延迟
            a query by key, signed, permitted and receipted, against a bare handler; latency at half the peak
  call      服务接口经两个节点调用与直接调用之差（每秒 500 次，中位数）
            a service called through both nodes against calling it directly, at 500 a second
  batch     整批数据的分片与相同内容的静态文件之比 parts of a batch against static files of the same bytes
  idle      启动时间与空闲内存 how long a node takes to serve, and its memory while nobody asks
  evidence  每秒落盘的存证条数，多久可出证明 durable leaves a second, and how soon they can be proved
  search    百万条目录的检索 searching a million catalogue entries
  import    百万行 CSV 入库与数据库自带装载之比 a million rows of CSV against the database's own loader
  deliver   入表交付三项 the three of deliveries into tables:
            deliver-table    百万行 PostgreSQL → 节点 → 节点 → PostgreSQL 与两库间 COPY 之比
                             a million rows through two nodes against COPY between the two databases
            deliver-changes  每秒一万条变更时的滞后 the lag at ten thousand changes a second
            deliver-plans    一千个定时交付的内存 the memory of a thousand scheduled deliveries

  --peers   `query` 另从 PyPI 安装 datasette 与 roapi，以同样的百万行作比较
            `query` also installs datasette and roapi from PyPI and compares with the same million rows
  --json    每个数一个 JSON 对象 a JSON object a figure

`deliver` 用 YUNHE_TEST_POSTGRES 所指的 PostgreSQL；未设则自备一个临时的（打开 fsync，须有 psql），结束即删。
`deliver` uses the PostgreSQL that YUNHE_TEST_POSTGRES names; else a private one with fsync on (psql is needed), gone
afterwards.
`import` 须有 sqlite3；设了 YUNHE_TEST_POSTGRES 时 `evidence` 与 `import` 也测 PostgreSQL（须有 psql）。
`import` needs sqlite3; where YUNHE_TEST_POSTGRES is set, `evidence` and `import` measure PostgreSQL too (with psql).
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
    let given = env::var_os(ADDRESS).is_some_and(|it| !it.is_empty());
    let cluster = match arguments.iter().any(|it| it.starts_with("deliver")) && !given {
        true => Some(Cluster::start(&setup::postgres()?, true)?),
        false => None,
    };
    if let Some(cluster) = &cluster {
        bench.env(ADDRESS, cluster.url());
    }
    let outcome = place::finished(&mut bench, "bench");
    drop(cluster);
    outcome
}
