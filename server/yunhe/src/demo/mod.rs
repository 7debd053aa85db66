//! `yunhe demo`: the main job from nothing. Three nodes as three processes of this very program, with their own
//! folders, keys and certificates; eight steps; each claim is read again from another node through the public command
//! line.
//!
//! A step ends at its first check that does not hold, and so does the job: what follows would stand on sand.

mod agree;
mod bureau;
mod deliver;
mod enter;
mod entries;
mod find;
mod foreign;
mod import;
mod install;
mod matching;
mod people;
mod process;
mod prove;
mod received;
mod refuse;
mod request;
mod sample;
mod stage;
mod world;

pub use process::Process;

use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Voice, print};
use clap::{Args, ValueEnum};
use stage::Stage;
use std::path::PathBuf;
use vocabulary::{Kind, Problem};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe demo                               做完后节点继续运行 the nodes go on running afterwards
  yunhe demo --once --rows 10000           做完即止 end after the job
  yunhe demo --once --sabotage prove       故意破坏一步，应以 4 退出 break a step on purpose; must end with 4
  YUNHE_DATA=../shared/data yunhe demo     另用真实公开数据 with real public data as well";
/// Legal persons in the sample.
const ROWS: u64 = 1_000_000;

/// 演示：三个节点、八个步骤，逐项核验。The demo: three nodes, eight steps, every claim checked.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Demo {
    /// 做完即退出，每项核验通过才为 0 End after the job; 0 only if every check held
    #[arg(long)]
    pub once: bool,
    /// 样本法人数 Legal persons in the sample
    #[arg(long, default_value_t = ROWS)]
    pub rows: u64,
    /// 数据包目录 The folder of packs [packs/ beside the program or here]
    #[arg(long, value_name = "DIR")]
    pub packs: Option<PathBuf>,
    /// 真实数据目录 The folder of real data
    #[arg(long, value_name = "DIR", env = "YUNHE_DATA")]
    pub real: Option<PathBuf>,
    /// 故意破坏一步 Break a step on purpose
    #[arg(long, value_enum, value_name = "STEP")]
    pub sabotage: Option<Step>,
    /// 用 PostgreSQL（须为空库）代替 SQLite Use PostgreSQL, an empty database, instead of SQLite
    #[arg(long, value_name = "URL")]
    pub postgres: Option<String>,
    #[command(flatten)]
    pub systems: bureau::Systems,
}

/// The steps, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// 安装
    Install,
    /// 导入
    Import,
    /// 发现
    Find,
    /// 申请
    Request,
    /// 签约
    Agree,
    /// 交付
    Deliver,
    /// 证明
    Prove,
    /// 拒绝
    Refuse,
}

impl Step {
    const ALL: [Self; 8] =
        [Self::Install, Self::Import, Self::Find, Self::Request, Self::Agree, Self::Deliver, Self::Prove, Self::Refuse];

    fn title(self) -> &'static str {
        match self {
            Self::Install => "安装数据包 Install packs",
            Self::Import => "导入 Import",
            Self::Find => "发现 Find",
            Self::Request => "申请 Request",
            Self::Agree => "签约 Agree",
            Self::Deliver => "交付 Deliver",
            Self::Prove => "证明 Prove",
            Self::Refuse => "拒绝 Refuse",
        }
    }

    async fn take(self, stage: &mut Stage) -> Result<(), Problem> {
        match self {
            Self::Install => install::take(stage).await,
            Self::Import => import::take(stage).await,
            Self::Find => find::take(stage).await,
            Self::Request => request::take(stage).await,
            Self::Agree => agree::take(stage).await,
            Self::Deliver => deliver::take(stage).await,
            Self::Prove => prove::take(stage).await,
            Self::Refuse => refuse::take(stage).await,
        }
    }
}

impl Demo {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let once = self.once;
        let voice = context.voice();
        // Before anything is made: whether both systems of a department are there.
        self.systems.servers()?;
        let mut stage = Stage::set(self, context)?;
        let done = tokio::select! {
            done = play(&mut stage) => done,
            _ = tokio::signal::ctrl_c() => Err(interrupted()),
        };
        if let Err(problem) = done {
            stage.checks.fail(voice, problem);
        }
        if once && !stage.checks.any_failed() && !stage.stopped().await {
            stage.checks.fail(voice, disorderly());
        }
        let failed = stage.checks.summary(voice);
        if failed.is_none() && !once {
            linger(&stage).await;
        }
        stage.strike(failed.is_none() && once).await;
        match failed {
            Some(problem) => Err(Failure::unproven(problem)),
            None => Ok(()),
        }
    }
}

/// Plays everything up to the first check that does not hold.
async fn play(stage: &mut Stage) -> Result<(), Problem> {
    stage.scene("0", "搭建三个节点 Set up three nodes");
    world::build(stage).await?;
    stage.curtain();
    for (at, step) in Step::ALL.into_iter().enumerate() {
        stage.scene(&(at + 1).to_string(), step.title());
        step.take(stage).await?;
        stage.curtain();
        if stage.checks.any_failed() {
            return Ok(());
        }
    }
    stage.scene("✦", "为了什么 What it was for");
    matching::take(stage).await?;
    stage.curtain();
    if stage.options.systems.bureau {
        bureau::take(stage).await?;
    }
    Ok(())
}

/// Says what can be tried, and waits for Ctrl-C.
async fn linger(stage: &Stage) {
    print(&next_commands(stage, stage.voice));
    let _ = tokio::signal::ctrl_c().await;
}

fn next_commands(stage: &Stage, voice: Voice) -> String {
    let folder = |place| stage.process(place).folder.display().to_string();
    let (hub, provider, city) =
        (folder(process::Place::Hub), folder(process::Place::Provider), folder(process::Place::City));
    let agreement = stage.learned.operation.as_deref().unwrap_or("agr_…");
    let key = stage.learned.sample.as_ref().map_or("…", |it| it.inside.uscc.as_str());
    format!(
        "\n{}\n  yunhe catalog search 法人 --data {hub} --as cataloguer\n  \
         yunhe request list --data {city} --org nj-gxj --as requester\n  \
         yunhe query {agreement} --key {key} --data {city} --org nj-gxj --as platform\n  \
         yunhe receipt list --data {provider} --as officer\n  \
         yunhe log checkpoint --data {provider}\n  \
         yunhe federation show --data {hub}\n{}\n",
        voice.pick("三个节点仍在运行，可以试试：", "The three nodes go on running; try:"),
        voice.pick("Ctrl-C 结束。", "Ctrl-C ends it."),
    )
}

/// A node that was told to stop and did not do so in order.
fn disorderly() -> Problem {
    let (zh, en) = ("有节点收到 SIGTERM 后未有序停止", "a node did not end in order after SIGTERM");
    Problem::new(Kind::Internal, "demo.stop", zh, en)
}

/// Ctrl-C in the middle; the nodes are stopped in order all the same.
fn interrupted() -> Problem {
    Problem::new(Kind::Refused, "demo.interrupted", "演示被中断", "the demo was interrupted")
}

/// The problem that a failed demo ends with.
fn failed(problems: &[Problem], held: u32) -> Problem {
    let all = |text: fn(&Problem) -> &str| {
        problems.iter().map(|it| format!("{} {}", it.code, text(it))).collect::<Vec<_>>().join("; ")
    };
    let (zh, en) = (all(|it| &it.detail.zh), all(|it| &it.detail.en));
    Problem::new(
        Kind::Refused,
        "demo.failed",
        format!("{held} 项核验通过，随后未通过：{zh}"),
        format!("{held} checks held, then this did not: {en}"),
    )
}
