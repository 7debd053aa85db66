//! Ten thousand connections to the peer port that say nothing: the node's memory stays within a bound for each, others
//! are answered meanwhile, and those that never began TLS are closed at their limit. (That members' idle connections
//! are closed at theirs, with a shorter limit, is a test of `peer`.)

use crate::town::{auditor, found, init, organisation};
use futures::future::join_all;
use node::{Clock as _, SystemClock};
use policy::MemberRole;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signing::KeyRing;
use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};
use testkit::{Desk, Hostile};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};
use vocabulary::FederationName;

/// A member's, with mutual TLS and HTTP/2.
const MEMBERS: usize = 9_000;
/// Bare TCP of somebody who never begins TLS.
const BARE: usize = 1_000;
/// So many at once.
const AT_ONCE: usize = 100;
/// Whoever asks meanwhile is answered within this.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// A node needs at most this for a member's idle connection, on average.
const MEMBER_KIB_MAX: u64 = 48;
/// And this for one that never began.
const BARE_KIB_MAX: u64 = 16;
/// A handshake must be done in ten seconds; the bare connections are closed by then, and a little.
const BARE_CLOSED_WITHIN: Duration = Duration::from_secs(25);

/// Memory of a process that is in use.
fn resident_kib(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> (T, Duration) {
    let begun = Instant::now();
    let done = timeout(ANSWER_WITHIN, work).await.unwrap_or_else(|_| panic!("{what}: no answer in time"));
    (done, begun.elapsed())
}

/// Somebody asks on the client port, and a member on a new connection to the peer port.
async fn others_are_answered(desk: &Desk, member: &Hostile, peer: SocketAddr) {
    let (reply, here) = in_time("the client port", desk.get("/v1/receipts")).await;
    reply.expect_status(200);
    let asked = async {
        let line = member.dial_at(peer, HOST).await.unwrap();
        line.send(member.write_bytes("GET", HOST, "/peer/v1/offers", "")).await.unwrap()
    };
    let (reply, there) = in_time("the peer port", asked).await;
    reply.expect_status(200);
    println!("answered on the client port in {here:?}, on the peer port in {there:?}");
}

const HOST: &str = "js-scjg.js.yunhe.internal";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    if maximum.is_some_and(|it| it < (MEMBERS + BARE) as u64 + 500) {
        println!("skipped: at most {maximum:?} files may be open here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let department: &[MemberRole] = &[MemberRole::Department];
    let (mut node, mut cards) = init(&folder.path().join("node"), &[("js-scjg", department)]).await;
    let keys = KeyRing::create(&folder.path().join("member"), vocabulary::Suite::default()).unwrap();
    let federation = FederationName::new("jiangsu").unwrap();
    // Nobody dials it.
    let addresses = vec!["127.0.0.1:9".to_owned()];
    cards.push(node::make_card(&federation, &organisation("nj-gxj", department), &keys, addresses).unwrap());
    node.start().await.unwrap();
    found(cards, &[(&node, "js-scjg")]).await;
    let (desk, peer, id) = (auditor(&node, "js-scjg"), node.peers[0], node.id().unwrap());
    let member = Hostile::of(keys, SystemClock.now());
    others_are_answered(&desk, &member, peer).await;

    let (before, begun) = (resident_kib(id), Instant::now());
    let mut members = Vec::new();
    while members.len() < MEMBERS {
        let more = join_all((0..AT_ONCE).map(|_| member.dial_at(peer, HOST))).await;
        members.extend(more.into_iter().map(Result::unwrap));
    }
    let (with_members, took) = (resident_kib(id), begun.elapsed());
    let mut bare = Vec::new();
    while bare.len() < BARE {
        let more = join_all((0..AT_ONCE).map(|_| TcpStream::connect(peer))).await;
        bare.extend(more.into_iter().map(Result::unwrap));
    }
    others_are_answered(&desk, &member, peer).await;
    let with_all = resident_kib(id);
    println!(
        "{MEMBERS} members' in {took:?}, {BARE} bare; resident {before} KiB, then {with_members}, then {with_all}"
    );
    let each = |more: u64, less: u64, count: usize| more.saturating_sub(less) / count as u64;
    assert!(each(with_members, before, MEMBERS) <= MEMBER_KIB_MAX, "{before}, then {with_members} KiB");
    assert!(each(with_all, with_members, BARE) <= BARE_KIB_MAX, "{with_members}, then {with_all} KiB");
    let closed = join_all(bare.into_iter().map(|mut it| async move { it.read_to_end(&mut Vec::new()).await }));
    assert!(timeout(BARE_CLOSED_WITHIN, closed).await.is_ok(), "bare connections stay open");
    // The members' stand and are good still.
    let line = members.last().unwrap();
    let letter = member.write_bytes("GET", HOST, "/peer/v1/offers", "");
    line.send(letter).await.unwrap().expect_status(200);
    others_are_answered(&desk, &member, peer).await;
}
