//! The stage: the nodes, the folder, what the steps have learned, and the checks that hold or do not.

use super::people::Seat;
use super::process::{Place, Process};
use super::sample::Sample;
use super::{Demo, Step};
use crate::context::Context;
use crate::exit::file_problem;
use crate::output::{Voice, print};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use vocabulary::{Kind, Problem, ensure};

/// Checks that held, and the names of those that did not.
#[derive(Debug, Default)]
pub struct Checks {
    held: u32,
    failed: Vec<Problem>,
}

impl Checks {
    /// Notes what did not hold, or went wrong.
    pub fn fail(&mut self, voice: Voice, problem: Problem) {
        if !voice.json {
            print(&format!("  ✗ {}\n", voice.pick(&problem.detail.zh, &problem.detail.en)));
        }
        self.failed.push(problem);
    }

    /// Whether one did not hold.
    pub fn any_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Prints how many held; the problem when one did not.
    pub fn summary(&self, voice: Voice) -> Option<Problem> {
        let held = self.held;
        if self.failed.is_empty() {
            let value = serde_json::json!({"checks": held, "failed": []});
            voice.answer(&value, || {
                voice.pick(&format!("\n全部 {held} 项核验通过。"), &format!("\nAll {held} checks held.")).to_owned()
            });
            return None;
        }
        Some(super::failed(&self.failed, held))
    }
}

/// What steps hand on to later ones.
#[derive(Debug, Default)]
pub struct Learned {
    /// What is in the generated file.
    pub sample: Option<Sample>,
    /// The request for 法人基础信息.
    pub base_request: Option<String>,
    /// The request for 法人经营与信用信息.
    pub operation_request: Option<String>,
    /// A second one, agreed in part.
    pub part_request: Option<String>,
    /// The agreements that came of them.
    pub base: Option<String>,
    /// Of the second.
    pub operation: Option<String>,
    /// Of the third.
    pub part: Option<String>,
    /// The receipt of the query by key, as it was issued.
    pub receipt: Option<Value>,
    /// Where the parts of 法人基础信息 were received.
    pub base_parts: Option<PathBuf>,
    /// Where the parts of 法人经营与信用信息 were received.
    pub operation_parts: Option<PathBuf>,
}

/// Everything that a step needs.
pub struct Stage {
    /// The options.
    pub options: Demo,
    /// How to speak.
    pub voice: Voice,
    /// Where everything is.
    pub folder: PathBuf,
    /// The packs.
    pub packs: PathBuf,
    /// The checks.
    pub checks: Checks,
    /// What was learned.
    pub learned: Learned,
    program: PathBuf,
    given: bool,
    hub: Process,
    provider: Process,
    city: Process,
    stranger: Process,
    begun: Instant,
    scene: Instant,
}

/// A free port of each loopback address; another program could take it before we do, and then the node says so. Members
/// dial in this order: the provider is reached by IPv6, the others by IPv4.
fn addresses(ipv6_first: bool) -> Result<(SocketAddr, Vec<SocketAddr>), Problem> {
    let hold = |address: IpAddr| TcpListener::bind((address, 0));
    let fault = |it: std::io::Error| {
        Problem::new(Kind::Unavailable, "demo.port", format!("没有可用端口：{it}"), format!("no free port: {it}"))
    };
    // All are held while they are drawn, so that no two are one.
    let client = hold(Ipv4Addr::LOCALHOST.into()).map_err(fault)?;
    let mut peers = vec![hold(Ipv4Addr::LOCALHOST.into()).map_err(fault)?];
    // A machine without IPv6 runs the demo on IPv4 alone.
    peers.extend(hold(Ipv6Addr::LOCALHOST.into()));
    let address = |it: &TcpListener| it.local_addr().map_err(fault);
    let (client, mut peers) = (address(&client)?, peers.iter().map(address).collect::<Result<Vec<_>, _>>()?);
    if ipv6_first {
        peers.reverse();
    }
    Ok((client, peers))
}

/// The folder of packs: named, here, or above the program.
fn packs(named: Option<&Path>) -> Result<PathBuf, Problem> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let program = std::env::current_exe().unwrap_or_default();
    let mut folders = vec![PathBuf::from(".")];
    folders.extend(program.ancestors().skip(1).map(Path::to_path_buf));
    // While we develop, the workspace that the program was built from.
    folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let found = folders.into_iter().map(|it| it.join("packs")).find(|it| it.join("legal-persons").is_dir());
    found.ok_or_else(|| {
        Problem::new(
            Kind::Unprocessable,
            "demo.packs",
            "找不到数据包目录；请用 --packs 指明",
            "the folder of packs is not found; name it by --packs",
        )
    })
}

impl Stage {
    /// Sets the stage; nothing runs yet.
    ///
    /// # Errors
    /// `demo.packs`, `demo.port`, `cli.file`.
    pub fn set(mut options: Demo, context: &Context) -> Result<Self, Problem> {
        let program = std::env::current_exe().map_err(|it| file_problem(Path::new("yunhe"), &it))?;
        let given = context.global().data.clone();
        let folder =
            given.clone().unwrap_or_else(|| std::env::temp_dir().join(format!("yunhe-demo-{}", std::process::id())));
        ensure!(
            !folder.join("js-data").exists(),
            Problem::new(
                Kind::Conflict,
                "demo.folder",
                format!("{} 中已有演示节点；请换一个目录", folder.display()),
                format!("{} holds nodes of a demo already; name another folder", folder.display()),
            )
        );
        std::fs::create_dir_all(&folder).map_err(|it| file_problem(&folder, &it))?;
        let folder = folder.canonicalize().map_err(|it| file_problem(&folder, &it))?;
        let node = |name: &str| -> Result<Process, Problem> {
            let (client, peers) = addresses(name == "js-scjg")?;
            Ok(Process::new(program.clone(), folder.join(name), client, peers))
        };
        let packs = packs(options.packs.as_deref())?;
        // Commands run in a folder of their own: paths must not hang on where we are.
        let packs = packs.canonicalize().map_err(|it| file_problem(&packs, &it))?;
        options.real = options.real.and_then(|it| it.canonicalize().ok());
        Ok(Self {
            packs,
            hub: node("js-data")?,
            provider: node("js-scjg")?,
            city: node("nanjing")?,
            stranger: node("stranger")?,
            voice: context.voice(),
            checks: Checks::default(),
            learned: Learned::default(),
            given: given.is_some(),
            begun: Instant::now(),
            scene: Instant::now(),
            options,
            folder,
            program,
        })
    }

    /// A node.
    pub fn process(&self, place: Place) -> &Process {
        match place {
            Place::Hub => &self.hub,
            Place::Provider => &self.provider,
            Place::City => &self.city,
            Place::Stranger => &self.stranger,
        }
    }

    /// A node, to start or kill it.
    pub fn process_mut(&mut self, place: Place) -> &mut Process {
        match place {
            Place::Hub => &mut self.hub,
            Place::Provider => &mut self.provider,
            Place::City => &mut self.city,
            Place::Stranger => &mut self.stranger,
        }
    }

    /// Whether this step is to be broken.
    pub fn sabotages(&self, step: Step) -> bool {
        self.options.sabotage == Some(step)
    }

    /// Begins a step.
    pub fn scene(&mut self, number: &str, title: &str) {
        self.scene = Instant::now();
        if !self.voice.json {
            print(&format!("\n━━ {number} {title} ━━\n"));
        }
    }

    /// Ends a step.
    pub fn curtain(&self) {
        self.say(
            &format!("用时 {}", seconds(self.scene.elapsed())),
            &format!("took {}", seconds(self.scene.elapsed())),
        );
    }

    /// Says a line that is no check.
    pub fn say(&self, zh: &str, en: &str) {
        if !self.voice.json {
            print(&format!("  · {}\n", self.voice.pick(zh, en)));
        }
    }

    /// Checks a claim; one that does not hold ends the job.
    ///
    /// # Errors
    /// `demo.check` with the claim.
    pub fn check(&mut self, zh: &str, en: &str, holds: bool) -> Result<(), Problem> {
        ensure!(
            holds,
            Problem::new(Kind::Refused, "demo.check", format!("不成立：{zh}"), format!("does not hold: {en}"))
        );
        self.checks.held += 1;
        if !self.voice.json {
            print(&format!("  ✓ {}\n", self.voice.pick(zh, en)));
        }
        Ok(())
    }

    /// Runs this program as a newcomer would, without a seat, and answers its JSON.
    ///
    /// # Errors
    /// The problem that the command ended with.
    pub async fn command(&self, arguments: &[&str]) -> Result<Value, Problem> {
        self.command_told(arguments, &[]).await
    }

    /// Runs this program as somebody without a token, and tells it these lines.
    ///
    /// # Errors
    /// The problem that the command ended with.
    pub async fn tell(&self, seat: Seat, arguments: &[&str], lines: &[&str]) -> Result<Value, Problem> {
        let folder = self.process(seat.place).folder.display().to_string();
        let mut all = vec!["--data", folder.as_str(), "--org", seat.organisation];
        all.extend(arguments);
        self.command_told(&all, lines).await
    }

    async fn command_told(&self, arguments: &[&str], lines: &[&str]) -> Result<Value, Problem> {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("YUNHE_")) {
            command.env_remove(name);
        }
        // Away from any data folder: what is said to work offline has nothing to fall back on.
        command.current_dir(&self.folder).arg("--json").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|it| file_problem(&self.program, &it))?;
        let text = lines.iter().map(|it| format!("{it}\n")).collect::<String>();
        if let Some(mut input) = child.stdin.take() {
            // A command that asks for nothing may have ended already.
            let _ = input.write_all(text.as_bytes()).await;
        }
        let output = child.wait_with_output().await.map_err(|it| file_problem(&self.program, &it))?;
        if output.status.success() {
            return Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let problem = said.lines().rev().find_map(|it| serde_json::from_str::<Problem>(it).ok());
        let problem = problem.unwrap_or_else(|| {
            Problem::new(
                Kind::Internal,
                "demo.command",
                format!("{arguments:?}：{said}"),
                format!("{arguments:?}: {said}"),
            )
        });
        let code = output.status.code().unwrap_or(-1);
        Err(problem.with("exit", code))
    }

    /// Runs this program as somebody.
    ///
    /// # Errors
    /// The problem that the command ended with.
    pub async fn ask(&self, seat: Seat, arguments: &[&str]) -> Result<Value, Problem> {
        let folder = self.process(seat.place).folder.display().to_string();
        let mut all = vec!["--data", folder.as_str(), "--org", seat.organisation, "--as", seat.token];
        all.extend(arguments);
        self.command(&all).await
    }

    /// Checks that a command is refused with `code`, and shows what it says.
    ///
    /// # Errors
    /// `demo.check` when it is not.
    pub async fn refused(
        &mut self,
        seat: Seat,
        arguments: &[&str],
        code: &str,
        why: (&str, &str),
    ) -> Result<(), Problem> {
        let answer = self.ask(seat, arguments).await;
        self.judge_refusal(answer, code, why)
    }

    /// Checks that an answer is a refusal with `code`.
    ///
    /// # Errors
    /// `demo.check` when it is not.
    pub fn judge_refusal(
        &mut self,
        answer: Result<Value, Problem>,
        code: &str,
        why: (&str, &str),
    ) -> Result<(), Problem> {
        let (said_zh, said_en, holds) = match answer {
            Ok(_) => ("被允许".to_owned(), "was allowed".to_owned(), false),
            Err(it) if it.code == code => (it.detail.zh, it.detail.en, true),
            Err(it) => (format!("{} {}", it.code, it.detail.zh), format!("{} {}", it.code, it.detail.en), false),
        };
        self.check(&format!("{} → {code}：{said_zh}", why.0), &format!("{} → {code}: {said_en}", why.1), holds)
    }

    /// Tells all nodes to stop; says whether each ended in order, and counts that as a check.
    pub async fn stopped(&mut self) -> bool {
        let mut orderly = true;
        for place in [Place::City, Place::Stranger, Place::Provider, Place::Hub] {
            orderly &= self.process_mut(place).stop().await;
        }
        orderly && self.check("节点收到 SIGTERM 后都有序停止", "told to stop, every node ended in order", true).is_ok()
    }

    /// Stops all nodes; takes the folder away when it was ours and everything held.
    pub async fn strike(&mut self, clean: bool) {
        for place in [Place::City, Place::Stranger, Place::Provider, Place::Hub] {
            self.process_mut(place).stop().await;
        }
        let total = seconds(self.begun.elapsed());
        if clean && !self.given {
            let _ = std::fs::remove_dir_all(&self.folder);
            self.say(
                &format!("总用时 {total}；临时目录已删除"),
                &format!("{total} in all; the temporary folder is gone"),
            );
        } else {
            let folder = self.folder.display();
            self.say(
                &format!("总用时 {total}；数据留在 {folder}"),
                &format!("{total} in all; the data stay in {folder}"),
            );
        }
    }
}

/// A duration for people.
pub fn seconds(time: Duration) -> String {
    format!("{}.{:02} s", time.as_secs(), time.subsec_millis() / 10)
}
