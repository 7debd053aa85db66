//! The problems of the registry that several of its verbs share.

use vocabulary::{Kind, Problem, ResourceId};

/// A bug of ours: the log names the cause.
pub(crate) fn internal(what: &str, cause: &dyn std::fmt::Display) -> Problem {
    tracing::error!(what, %cause, "registry fault");
    Problem::new(
        Kind::Internal,
        "registry.fault",
        format!("登记内部故障（{what}）；请查看节点日志"),
        format!("a fault inside the registry ({what}); see the node's log"),
    )
}

pub(crate) fn unknown(name: &ResourceId) -> Problem {
    Problem::new(
        Kind::Missing,
        "registry.type",
        format!("没有记录类型 {name}；请先安装声明它的包"),
        format!("there is no record type {name}; install the pack that declares it"),
    )
}

/// Another unit of work changed the same rows; the store runs this one again.
pub(crate) fn again() -> Problem {
    Problem::new(Kind::Unavailable, "store.retry", "并发冲突，请重试", "a concurrent change; try again")
}
