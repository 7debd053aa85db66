//! What goes wrong between us and a service of others, as problems of ours that name the connection and no address.

use std::time::Duration;
use vocabulary::{Kind, Problem, ResourceId};

/// What went wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No connection came about.
    Away,
    /// It failed several times and rests.
    Resting(Duration),
    /// As many as may are calling it already.
    Busy,
    /// It took too long.
    Slow,
    /// The connection was lost before the answer was whole.
    Broken,
    /// The answer is longer than this.
    TooLarge(usize),
    /// It sends elsewhere.
    Redirect(u16),
    /// The answer is encoded, which was not asked for.
    Encoded,
    /// The target cannot stand in a URL as it is.
    Target,
}

impl Trouble {
    /// Whether the service answered at all.
    pub(crate) fn answered(&self) -> bool {
        matches!(self, Self::TooLarge(_) | Self::Redirect(_) | Self::Encoded)
    }

    /// Whether it can have been asked.
    pub(crate) fn sent(self) -> bool {
        !matches!(self, Self::Away | Self::Resting(_) | Self::Busy | Self::Target)
    }
}

pub(crate) fn problem(name: &ResourceId, trouble: &Trouble) -> Problem {
    if !matches!(trouble, Trouble::Resting(_) | Trouble::Busy | Trouble::Target) {
        tracing::warn!(connection = %name, trouble = ?trouble, "a call of a service failed");
    }
    let (kind, code, zh, en) = words(trouble);
    let problem =
        Problem::new(kind, code, format!("服务连接 {name}：{zh}"), format!("service connection {name}: {en}"));
    let problem = problem.with("connection", name.as_str());
    match trouble {
        Trouble::Resting(rest) => problem.with("retry_after_seconds", rest.as_secs() + 1),
        Trouble::TooLarge(most) => problem.with("bytes_max", *most),
        Trouble::Redirect(status) => problem.with("service_status", *status),
        _ => problem,
    }
}

fn words(trouble: &Trouble) -> (Kind, &'static str, String, String) {
    let (kind, code, zh, en) = match trouble {
        Trouble::Away => (
            Kind::Unavailable,
            "service.away",
            "无法连接，未发出；请检查该服务与网络，稍后重试",
            "it cannot be reached and nothing was sent; look at that service and the network, then try again",
        ),
        Trouble::Resting(_) => (
            Kind::Unavailable,
            "service.away",
            "连续失败，暂停调用，未发出；请稍后重试",
            "it failed several times and rests, and nothing was sent; try again later",
        ),
        Trouble::Busy => (
            Kind::Unavailable,
            "service.busy",
            "并发调用已达上限，未发出；请稍后重试",
            "as many as may are calling it already, and nothing was sent; try again in a moment",
        ),
        Trouble::Slow => (
            Kind::Unavailable,
            "service.slow",
            "在登记的时限内没有答复；请稍后重试，或请提供方检查该服务",
            "it did not answer within its declared time; try again later, or have the provider look at the service",
        ),
        Trouble::Broken => (
            Kind::Peer,
            "service.broken",
            "答复未完整即中断；请稍后重试，或请提供方检查该服务",
            "the connection was lost before the answer was whole; try again, or have the provider look at the service",
        ),
        Trouble::TooLarge(most) => {
            let zh = format!("答复超过登记的上限 {most} 字节，未采用；请缩小条件，或请提供方调整登记");
            let en = format!(
                "the answer is longer than the declared {most} bytes and was not used; ask for less, or have the \
                 provider declare more"
            );
            return (Kind::Peer, "service.too_large", zh, en);
        }
        Trouble::Redirect(status) => {
            let zh = format!("答复状态 {status} 指向他处，未跟随；请提供方登记正确的路径");
            let en = format!(
                "it answered with status {status} and sends elsewhere, which is not followed; have the provider \
                 declare the right path"
            );
            return (Kind::Peer, "service.redirect", zh, en);
        }
        Trouble::Encoded => (
            Kind::Peer,
            "service.media",
            "答复经压缩编码，未采用；请提供方关闭对本节点的压缩",
            "the answer is compressed, which was not asked for, and was not used; have the provider turn that off",
        ),
        Trouble::Target => (
            Kind::Malformed,
            "service.target",
            "路径不能原样成为地址，未发出",
            "the path cannot stand in an address as it is, and nothing was sent",
        ),
    };
    (kind, code, zh.to_owned(), en.to_owned())
}
