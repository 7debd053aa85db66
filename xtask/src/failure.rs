//! Why a command stopped, in both languages, and with which exit code.

use std::fmt;

/// A command's failure: the fact and the remedy, Chinese first.
#[derive(Debug)]
pub struct Failure {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// The exit code.
    pub exit: u8,
}

impl Failure {
    /// The check or the job failed: exit code 1.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into(), exit: 1 }
    }

    /// The command line was not understood: exit code 2.
    pub fn usage(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into(), exit: 2 }
    }

    /// An argument that the command does not know.
    pub fn unknown(argument: &str, command: &str) -> Self {
        Self::usage(
            format!("不认识的参数 `{argument}`；见 `cargo xtask {command} --help`"),
            format!("argument `{argument}` is not known; see `cargo xtask {command} --help`"),
        )
    }

    /// A file, folder or program that did not answer as it must.
    pub fn io(what: &str, error: impl fmt::Display) -> Self {
        Self::new(format!("{what}：{error}"), format!("{what}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.zh == self.en {
            return f.write_str(&self.en);
        }
        write!(f, "{}\n{}", self.zh, self.en)
    }
}
