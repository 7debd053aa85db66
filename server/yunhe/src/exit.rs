//! Exit codes with a meaning, so that scripts can decide without reading text.

use std::process::ExitCode;
use vocabulary::{Kind, Problem};

/// What the process says when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Refused, or something asked for is wrong.
    Refused = 1,
    /// The node, or a peer behind it, does not answer.
    Silent = 3,
    /// A verification failed: a receipt, a log, a check of the demo.
    Unproven = 4,
    /// A fault of ours.
    Fault = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A problem, and how the process ends with it.
#[derive(Debug)]
pub struct Failure {
    /// What is told.
    pub problem: Problem,
    /// The exit code.
    pub exit: Exit,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let exit = match problem.kind {
            Kind::Peer | Kind::Unavailable => Exit::Silent,
            Kind::Internal => Exit::Fault,
            _ => Exit::Refused,
        };
        Self { problem, exit }
    }
}

impl Failure {
    /// A proof that does not hold.
    pub fn unproven(problem: Problem) -> Self {
        Self { problem, exit: Exit::Unproven }
    }
}

/// A local file or folder that cannot be used.
pub fn file_problem(path: &std::path::Path, why: &dyn std::fmt::Display) -> Problem {
    let path = path.display();
    Problem::new(
        Kind::Unprocessable,
        "cli.file",
        format!("无法使用文件 {path}：{why}"),
        format!("{path} cannot be used: {why}"),
    )
}

/// A text that is not the JSON expected.
pub fn json_problem(what: &str, why: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "cli.json",
        format!("{what} 不是所需的 JSON：{why}"),
        format!("{what} is not the JSON that is needed: {why}"),
    )
}
