//! What goes wrong between us and a system of others, as problems that name the connection. What a driver said may hold
//! values and addresses: of it only a code is told.

use std::time::Duration;
use vocabulary::{Kind, Problem, ResourceId};

/// What went wrong with one call.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It cannot be reached, or went away. The word is ours.
    Away(&'static str),
    /// It took too long.
    Slow,
    /// It answered with an error of this code.
    Refused(String),
    /// More came than we take.
    TooLarge,
    /// A value that we cannot read as text.
    Unreadable,
}

impl Trouble {
    /// Whether the system answered at all.
    pub(crate) fn answered(&self) -> bool {
        !matches!(self, Self::Away(_) | Self::Slow)
    }

    pub(crate) fn problem(self, name: &ResourceId) -> Problem {
        match self {
            Self::Away(why) => {
                tracing::warn!(connection = %name, why, "a source is away");
                away(name, None)
            }
            Self::Slow => {
                tracing::warn!(connection = %name, "a source is slow");
                slow(name)
            }
            Self::Refused(code) => {
                tracing::warn!(connection = %name, code, "a source refused a statement");
                refused(name, &code)
            }
            Self::TooLarge => too_large(name),
            Self::Unreadable => unreadable(name),
        }
    }
}

fn problem(kind: Kind, code: &'static str, name: &ResourceId, zh: &str, en: &str) -> Problem {
    let (zh, en) = (format!("数据源连接 {name}：{zh}"), format!("source connection {name}: {en}"));
    Problem::new(kind, code, zh, en).with("connection", name.as_str())
}

pub(crate) fn away(name: &ResourceId, again: Option<Duration>) -> Problem {
    let seconds = again.map_or(0, |it| it.as_secs() + 1);
    let (zh, en) = match again {
        Some(_) => (
            format!("连续失败，暂停访问；请在 {seconds} 秒后重试"),
            format!("it failed several times and rests; try again in {seconds} s"),
        ),
        None => (
            "无法连接；请检查该系统、网络与账户，稍后重试".to_owned(),
            "it cannot be reached; look at that system, the network and the account, then try again".to_owned(),
        ),
    };
    problem(Kind::Unavailable, "source.away", name, &zh, &en).with("retry_after_s", seconds)
}

pub(crate) fn slow(name: &ResourceId) -> Problem {
    problem(
        Kind::Unavailable,
        "source.slow",
        name,
        "在限定时间内没有答复；请稍后重试，或请该系统为主键与更新时间建立索引",
        "it did not answer in time; try again later, or have that system index the key and the watched column",
    )
}

pub(crate) fn busy(name: &ResourceId) -> Problem {
    problem(
        Kind::Unavailable,
        "source.busy",
        name,
        "并发访问已达上限；请稍后重试",
        "as many as may are asking it already; try again in a moment",
    )
}

fn refused(name: &ResourceId, code: &str) -> Problem {
    problem(
        Kind::Peer,
        "source.refused",
        name,
        &format!("该系统以代码 {code} 拒绝；请检查账户的权限与表结构"),
        &format!("that system refused with code {code}; look at the account's rights and at the table"),
    )
    .with("source_code", code)
}

fn too_large(name: &ResourceId) -> Problem {
    problem(
        Kind::TooLarge,
        "source.too_large",
        name,
        "一行超过可读取的字节数；请在数据源中不取该列",
        "a row has more bytes than are read; leave the large column out of the source",
    )
}

fn unreadable(name: &ResourceId) -> Problem {
    problem(
        Kind::Peer,
        "source.unreadable",
        name,
        "有值不是可读的文字；请在数据源中不取该列",
        "a value cannot be read as text; leave that column out of the source",
    )
}

pub(crate) fn missing(name: &ResourceId, what: &str) -> Problem {
    problem(
        Kind::Missing,
        "source.missing",
        name,
        &format!("没有表或列 {what}，或账户无权读取；请核对名称（区分大小写）"),
        &format!("there is no table or column {what}, or the account may not read it; see its name (case counts)"),
    )
    .with("missing", what)
}
