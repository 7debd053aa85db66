//! What may use what.
//!
//! Pure. Invariants:
//! - an arrow that is not drawn here is refused, also one from or to a crate that has no place yet;
//! - what only tests see (dev-dependencies) may besides reach `tests/*`; for a pure crate only as far as no io comes
//!   along.

use super::graph::{Graph, Member, Use};
use crate::finding::Finding;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Pure crates from the lowest up: each may use those before it.
const PURE_CHAIN: &[&str] = &["vocabulary", "calendar", "schema", "rule", "policy", "case", "pack"];

/// Pure crates beside the chain, and what they may use.
const PURE_BESIDE: &[(&str, &[&str])] =
    &[("engine", &["schema", "vocabulary"]), ("sample", &["pack", "policy", "rule", "schema", "vocabulary"])];

/// Arrows between acts, besides the one that all have to `evidence`.
const ACT_TO_ACT: &[(&str, &str)] = &[("catalog", "registry"), ("compute", "registry")];

/// Arrows between crates of `io/`.
const IO_TO_IO: &[(&str, &str)] = &[("peer", "signing")];

/// What the whole tree below a pure crate may not hold.
const IMPURE: &[&str] = &[
    "tokio",
    "sqlx",
    "axum",
    "reqwest",
    "hyper",
    "datafusion",
    "deltalake",
    "object_store",
    "tantivy",
    "rand",
    "getrandom",
];

/// Crates below which randomness is known and harmless: what comes through them does not count.
const HARMLESS: &[(&str, &str)] = &[
    ("uuid", "its `v7` feature draws; `Uuid::now_v7` is forbidden by clippy.toml, so that libraries only carry ids"),
    ("ahash", "seeds of hash maps inside arrow; nothing iterates over them into a result"),
    (
        "crypto-common",
        "names traits of `rand_core` 0.10, which has no source; this graph does not tell it from 0.9, which has",
    ),
];

/// Heavy crates and who alone may name them.
const DOORS: &[(&str, &[&str])] = &[
    ("sqlx", &["io/store", "io/outside"]),
    ("rusqlite", &["io/store", "io/outside"]),
    ("tantivy", &["acts/catalog"]),
    ("tantivy-jieba", &["acts/catalog"]),
    ("axum", &["server/web", "protocols/"]),
    ("utoipa-axum", &["server/web", "protocols/"]),
    ("datafusion", &["io/lake", "acts/compute"]),
    ("deltalake", &["io/lake", "acts/compute"]),
];

/// A crate's place, read from its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place<'a> {
    Pure(&'a str),
    Io(&'a str),
    Act(&'a str),
    Engine,
    Protocol,
    Node,
    Web,
    Binary,
    Tests,
    Bench,
    Xtask,
}

fn place(folder: &str) -> Option<Place<'_>> {
    Some(match folder.split_once('/') {
        Some(("pure", name)) => Place::Pure(name),
        Some(("io", name)) => Place::Io(name),
        Some(("acts", name)) => Place::Act(name),
        Some(("engines", _)) => Place::Engine,
        Some(("protocols", _)) => Place::Protocol,
        Some(("server", "node")) => Place::Node,
        Some(("server", "web")) => Place::Web,
        Some(("server", "yunhe")) => Place::Binary,
        Some(("tests", _)) => Place::Tests,
        None if folder == "bench" => Place::Bench,
        None if folder == "xtask" => Place::Xtask,
        _ => return None,
    })
}

/// All findings of the graph.
pub fn check(graph: &Graph) -> Vec<Finding> {
    let by_name: BTreeMap<&str, &Member> = graph.members.iter().map(|it| (it.name.as_str(), it)).collect();
    let mut findings = Vec::new();
    for member in &graph.members {
        let Some(from) = place(&member.folder) else {
            findings.push(homeless(member));
            continue;
        };
        if member.folder.rsplit('/').next() != Some(member.name.as_str()) {
            findings.push(misnamed(member));
        }
        for used in &member.uses {
            let target = by_name.get(used.name.as_str());
            findings.extend(match target.map(|it| (it, place(&it.folder))) {
                Some((target, Some(to))) => arrow(member, from, target, to, used),
                Some((_, None)) => None, // reported once, where that crate stands
                None => door(member, from, used),
            });
        }
        if matches!(from, Place::Pure(_)) {
            findings.extend(purity(graph, &by_name, member));
            findings.extend(pure_tests(graph, &by_name, member));
        }
    }
    findings
}

fn arrow(member: &Member, from: Place<'_>, target: &Member, to: Place<'_>, used: &Use) -> Option<Finding> {
    let for_tests = used.dev && matches!(to, Place::Tests);
    if member.name == target.name || for_tests || drawn(from, to) {
        return None;
    }
    Some(finding(member, format!("{} → {}: not drawn", member.folder, target.folder), remedy(from, to)))
}

/// Whether the architecture draws an arrow from `from` to `to`.
fn drawn(from: Place<'_>, to: Place<'_>) -> bool {
    use Place::{Act, Bench, Binary, Engine, Io, Node, Protocol, Pure, Tests, Web, Xtask};
    match (from, to) {
        (Tests | Bench, to) => !matches!(to, Bench | Xtask),
        (Xtask, to) => matches!(to, Tests),
        (_, Tests | Bench | Xtask | Binary) => false,
        (Pure(from), Pure(to)) => pure_drawn(from, to),
        (Pure(_), _) => false,
        (Engine, to) => to == Pure("engine"),
        (_, Engine) => false,
        (Io(from), Io(to)) => IO_TO_IO.contains(&(from, to)),
        (Io(_), to) => matches!(to, Pure("rule" | "schema" | "vocabulary")),
        (Act(from), Act(to)) => to == "evidence" || ACT_TO_ACT.contains(&(from, to)),
        (Act(_), to) => matches!(to, Io(_) | Pure(_)) && to != Pure("pack"),
        (Node, to) => matches!(to, Act(_) | Io(_) | Pure(_)),
        (Web, to) => matches!(to, Node | Act(_) | Io(_) | Pure(_)),
        (Protocol, to) => matches!(to, Web | Node | Act(_) | Io(_) | Pure(_)),
        (Binary, to) => matches!(to, Protocol | Web | Node | Act(_) | Io(_) | Pure(_)),
    }
}

fn pure_drawn(from: &str, to: &str) -> bool {
    if let Some((_, allowed)) = PURE_BESIDE.iter().find(|(name, _)| *name == from) {
        return allowed.contains(&to);
    }
    let height = |name: &str| PURE_CHAIN.iter().position(|it| *it == name);
    matches!((height(from), height(to)), (Some(from), Some(to)) if to < from)
}

fn remedy(from: Place<'_>, to: Place<'_>) -> &'static str {
    match (from, to) {
        (_, Place::Tests | Place::Bench | Place::Xtask) => {
            "只有 tests、bench、xtask 可依赖它；程序代码不得依赖 only tests, bench and xtask may use it, product code may not"
        }
        (Place::Pure(_), Place::Pure(_)) => {
            "把定义放到下层，或让上层来调用 move the definition down, or let the upper crate call"
        }
        (Place::Pure(_), _) => {
            "纯函数只收参数：由外壳读取后传入 pure code takes arguments: the shell reads, then passes the value in"
        }
        (Place::Act(_), Place::Act(_)) => {
            "在本 act 定义一个小 trait，由 node 适配 define a small trait in this act and let `node` adapt it"
        }
        (Place::Act(_), Place::Pure(_)) => {
            "定义归运行它的 pure crate，pack 只读取 the definition belongs to the pure crate that runs it; `pack` only reads"
        }
        (Place::Io(_), _) => {
            "io 不作决定：把决定移到 act 或 pure io decides nothing: move the decision to an act or to pure/"
        }
        _ => "箭头只能向下；见 docs/ARCHITECTURE.md arrows point down only; see docs/ARCHITECTURE.md",
    }
}

/// A crate from outside that only some may name.
fn door(member: &Member, from: Place<'_>, used: &Use) -> Option<Finding> {
    let (_, keepers) = DOORS.iter().find(|(name, _)| *name == used.name)?;
    let keeper = keepers.iter().any(|it| member.folder == *it || (it.ends_with('/') && member.folder.starts_with(it)));
    if keeper || matches!(from, Place::Tests | Place::Bench) {
        return None;
    }
    let what = format!("{} → {}: only {} may name this heavy crate", member.folder, used.name, keepers.join(", "));
    Some(finding(member, what, "改用该 crate 提供的接口 use what that crate offers instead"))
}

/// What a pure crate is built from, to the bottom; what a crate of ours or an impure one brings is said where it
/// enters.
fn purity(graph: &Graph, by_name: &BTreeMap<&str, &Member>, member: &Member) -> Vec<Finding> {
    let roots = member.uses.iter().filter(|it| !it.dev).map(|it| it.name.as_str());
    let paths = below(graph, roots.collect());
    let said_elsewhere = |it: &&str| by_name.contains_key(*it) || IMPURE.contains(it);
    let impure = IMPURE.iter().filter_map(|name| paths.get(name));
    let entering = impure.filter(|path| !path[..path.len() - 1].iter().any(said_elsewhere));
    entering
        .map(|path| {
            let what = format!("{} → {}: pure crates do no I/O and draw nothing", member.folder, path.join(" → "));
            finding(
                member,
                what,
                "去掉这一依赖或其特性；时间、随机与读写都作参数传入 \
                 drop it or its feature; time, randomness and I/O come in as arguments",
            )
        })
        .collect()
}

/// What the tests of a pure crate bring along: anything but our own crates that touch the world.
fn pure_tests(graph: &Graph, by_name: &BTreeMap<&str, &Member>, member: &Member) -> Vec<Finding> {
    let dev: Vec<&str> = member.uses.iter().filter(|it| it.dev).map(|it| it.name.as_str()).collect();
    let mut findings = Vec::new();
    for (name, path) in below(graph, dev) {
        let world = by_name.get(name).and_then(|it| place(&it.folder));
        if matches!(world, Some(Place::Io(_) | Place::Act(_) | Place::Node | Place::Web | Place::Binary)) {
            let what =
                format!("{} (tests) → {}: tests of pure crates stay free of io", member.folder, path.join(" → "));
            findings.push(finding(
                member,
                what,
                "把测试移到 tests/stories 或该 act move the test to tests/stories or to the act",
            ));
        }
    }
    findings
}

/// Every crate that `roots` are built from, each with one shortest path to it; harmless ones are not entered.
fn below<'a>(graph: &'a Graph, roots: Vec<&'a str>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut paths: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut queue: VecDeque<(&str, Vec<&str>)> = roots.into_iter().map(|it| (it, vec![it])).collect();
    while let Some((name, path)) = queue.pop_front() {
        if !seen.insert(name) {
            continue;
        }
        if !HARMLESS.iter().any(|(it, _)| *it == name) {
            for next in graph.needs.get(name).into_iter().flatten() {
                let mut longer = path.clone();
                longer.push(next);
                queue.push_back((next, longer));
            }
        }
        paths.insert(name, path);
    }
    paths
}

fn homeless(member: &Member) -> Finding {
    let what = format!("crate `{}` stands in `{}`, which is no layer", member.name, member.folder);
    finding(
        member,
        what,
        "移入 pure、io、acts、engines、protocols、server、tests 之一，或在 xtask/src/layers/rules.rs 中写明 \
         move it into a layer's folder, or give it a place in xtask/src/layers/rules.rs",
    )
}

fn misnamed(member: &Member) -> Finding {
    let what = format!("crate `{}` stands in folder `{}`", member.name, member.folder);
    finding(member, what, "目录与 crate 同名 folder and crate carry one name")
}

fn finding(member: &Member, what: String, remedy: &str) -> Finding {
    Finding::new(&format!("{}/Cargo.toml", member.folder), 1, what, remedy)
}
