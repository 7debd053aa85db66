//! Step 8: refuse. What may not be, from the table of refusals, as far as an honest client can provoke it; what takes a
//! hostile one (changed bodies, replays, a clock that is off) stands in the stories.

use super::Step;
use super::install::{REVIEW, word};
use super::people::{
    BUREAU_REQUESTER, CITY_CATALOGUER, HUB_ADMIN, HUB_REQUESTER, PLATFORM, PROVIDER_ADMIN, PROVIDER_OFFICER,
    PROVIDER_STEWARD, STRANGER_ADMIN, Seat,
};
use super::process::Place;
use super::stage::Stage;
use super::world::{MEMBERS, export, propose, stranger};
use crate::client::Client;
use crate::exit::file_problem;
use crate::target::Target;
use serde_json::json;
use std::path::Path;
use vocabulary::{Kind, Problem};

/// Longer than any JSON body may be.
const TOO_LARGE_BYTES: usize = 3 << 20;

/// A case: who asks for what, the code that must come, and the case in Chinese and English.
type Case<'a> = (Seat, Vec<&'a str>, &'a str, (&'a str, &'a str));

/// Plays the step.
///
/// # Errors
/// What goes wrong; `demo.check`.
pub async fn take(stage: &mut Stage) -> Result<(), Problem> {
    let (operation, part) =
        (stage.learned.operation.clone().unwrap_or_default(), stage.learned.part.clone().unwrap_or_default());
    purpose_and_columns(stage, &operation, &part).await?;
    people(stage).await?;
    quota(stage).await?;
    too_large(stage).await?;
    if !stage.sabotages(Step::Refuse) {
        stage.ask(PROVIDER_OFFICER, &["revoke", &part, "--reason", "用途变更"]).await?;
    }
    let key = stage.learned.sample.as_ref().map(|it| it.inside.uscc.clone()).unwrap_or_default();
    stage
        .refused(
            PLATFORM,
            &["query", &part, "--key", &key],
            "exchange.revoked",
            ("刚刚撤销的协议", "an agreement revoked a moment ago"),
        )
        .await?;
    let view = stage.ask(PLATFORM, &["agree", "show", &part]).await?;
    stage.check(
        "使用方也看到协议已撤销及理由",
        "the consumer sees the revocation and why",
        word(&view, "/revocation/body/reason") == "用途变更",
    )?;
    strangers(stage).await
}

async fn purpose_and_columns(stage: &mut Stage, operation: &str, part: &str) -> Result<(), Problem> {
    let unknown = format!("agr_{}", "0".repeat(32));
    let key = stage.learned.sample.as_ref().map(|it| it.inside.uscc.clone()).unwrap_or_default();
    let outside = "exchange.restriction";
    let cases: [(&[&str], &str, (&str, &str)); 6] = [
        (&[&unknown, "--key", &key], "exchange.agreement_missing", ("没有的协议", "an agreement that is not there")),
        (&[operation, "--key", &key, "--purpose", "商业营销"], "exchange.purpose", ("其他用途", "another purpose")),
        (&[part, "--key", &key, "--columns", "uscc,telephone"], outside, ("协议外的列", "a column outside")),
        (
            &[part, "--rows", "row.violation == true", "--limit", "1"],
            outside,
            ("按协议外的列筛选", "filtering by one outside"),
        ),
        (
            &[operation, "--rows", "row.telephone.startsWith(\"1\")", "--limit", "1"],
            outside,
            ("按已脱敏的列筛选", "filtering by a masked column"),
        ),
        (&[operation, "--limit", "5000"], "web.too_large", ("一页过大", "a page that is too large")),
    ];
    for (query, code, why) in cases {
        let arguments = [&["query"], query].concat();
        stage.refused(PLATFORM, &arguments, code, why).await?;
    }
    Ok(())
}

/// The arguments of a request that is as good as these parts of it.
fn request<'a>(offer: &'a str, purpose: &'a str, until: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["request", "new", "--provider", "js-scjg", "--offer", offer];
    arguments.extend(["--purpose", purpose, "--until", until, "--law", "示例", "--article", "示例"]);
    arguments.extend([
        "--matter",
        "演示",
        "--system",
        "惠企政策平台",
        "--frequency",
        "每日",
        "--in-charge",
        "企业服务处",
    ]);
    arguments
}

async fn people(stage: &mut Stage) -> Result<(), Problem> {
    let (offer, agreed, day) = ("legal-person-operation", "惠企政策匹配", "2027-06-30");
    let cases: [Case<'_>; 4] = [
        (CITY_CATALOGUER, vec!["user", "list"], "policy.role", ("岗位无权之事", "what a post may not do")),
        (
            HUB_REQUESTER,
            request(offer, agreed, day),
            "exchange.who",
            ("省级部门申请只面向市县的数据", "an offer for others"),
        ),
        (
            BUREAU_REQUESTER,
            request(offer, "商业营销", day),
            "exchange.purpose",
            ("为许可以外的用途申请", "a purpose not offered"),
        ),
        (
            BUREAU_REQUESTER,
            request(offer, agreed, "2020-01-01"),
            "exchange.until",
            ("期限已过的申请", "a day that has passed"),
        ),
    ];
    for (seat, arguments, code, why) in cases {
        stage.refused(seat, &arguments, code, why).await?;
    }
    walls(stage).await?;
    let nowhere = stage.command(&["federation", "show", "--node", "http://127.0.0.1:9"]).await;
    stage.judge_refusal(nowhere, "cli.no_answer", ("没有节点的地址", "an address without a node"))
}

/// Two organisations in one process: neither the other's token nor the other's agreements serve here.
async fn walls(stage: &mut Stage) -> Result<(), Problem> {
    let seen = stage.ask(CITY_CATALOGUER, &["agree", "list"]).await?;
    let none = crate::commands::pack::items(&seen, "agreements").is_empty();
    stage.check(
        "同一进程中的市数据局看不到市工信局的协议",
        "its neighbour in the process sees none of its agreements",
        none,
    )?;
    let path = stage.process(Place::City).folder.join("nj-gxj/tokens/platform");
    let token = std::fs::read_to_string(&path).map_err(|it| file_problem(&path, &it))?;
    let theirs = Seat { organisation: "nj-data", ..PLATFORM };
    let answer = stage.ask(theirs, &["agree", "list", "--token", &token]).await;
    stage.judge_refusal(answer, "identity.token", ("用市工信局的令牌访问市数据局", "a token of the neighbour's"))
}

/// A pack of the demo's own with a quota of three rows a day: a system more, and no code.
async fn quota(stage: &mut Stage) -> Result<(), Problem> {
    let folder = stage.folder.join("demo-notices");
    let file = stage.folder.join("notices.csv");
    write(&folder.join("pack.yaml"), PACK)?;
    write(&folder.join("records/demo-notice.yaml"), RECORD)?;
    write(&folder.join("offers/demo-notice.yaml"), OFFER)?;
    write(&file, "id,title\nn1,一\nn2,二\nn3,三\nn4,四\n")?;
    let folder = folder.display().to_string();
    let mut install = vec!["pack", "install", folder.as_str()];
    install.extend(REVIEW);
    stage.ask(PROVIDER_ADMIN, &install).await?;
    let file = file.display().to_string();
    let import =
        ["import", &file, "--record", "demo-notice", "--reviewed-by", "保密办公室", "--reviewed-on", "2026-11-24"];
    stage.ask(PROVIDER_STEWARD, &import).await?;
    let new = request("demo-notice", "演示配额", "2027-06-30");
    let view = stage.ask(BUREAU_REQUESTER, &new).await?;
    let view = stage.ask(BUREAU_REQUESTER, &["agree", &word(&view, "/request/body/id")]).await?;
    let agreement = word(&view, "/agreement/body/id");
    stage.ask(PLATFORM, &["query", &agreement, "--limit", "3"]).await?;
    stage
        .refused(
            PLATFORM,
            &["query", &agreement, "--limit", "3"],
            "exchange.quota",
            ("当日配额用完", "the day's quota is spent"),
        )
        .await
}

fn write(path: &Path, text: &str) -> Result<(), Problem> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|it| file_problem(parent, &it))?;
    }
    std::fs::write(path, text).map_err(|it| file_problem(path, &it))
}

const PACK: &str = "\
pack: demo-notices
title: {zh: 演示公告, en: Notices of the demo}
description: {zh: 每日只许取三行, en: Three rows a day and no more}
owner: {zh: 省市场监督管理局, en: Provincial administration for market regulation}
version: \"1\"
systems: [S39]
";
const RECORD: &str = "\
record: demo-notice
title: {zh: 演示公告, en: Notice of the demo}
description: {zh: 演示用, en: For the demo}
duty: {zh: 演示, en: Demo}
theme: legal-persons
cycle: irregular
synthetic: true
key: [id]
fields:
  id: {type: text, max: 12, title: {zh: 编号, en: Number}, grade: 一般/1}
  title: {type: text, max: 60, title: {zh: 标题, en: Title}, grade: 一般/1}
";
const OFFER: &str = "\
offer: demo-notice
of: demo-notice
share: unconditional
columns: [id, title]
quota: {rows_per_day: 3}
";

async fn too_large(stage: &mut Stage) -> Result<(), Problem> {
    let node = stage.process(Place::City);
    let token = node.folder.join("nj-gxj/tokens/platform");
    let token = std::fs::read_to_string(&token).map_err(|it| file_problem(&token, &it))?;
    let target =
        Target { base: format!("http://{}", node.client), organisation: Some("nj-gxj".to_owned()), token: Some(token) };
    let body = json!({"agreement": stage.learned.operation, "rows": "x".repeat(TOO_LARGE_BYTES)});
    let answer = Client::new(target)?.post("/v1/queries", &body).await;
    stage.judge_refusal(answer, "web.too_large", ("过大的请求", "a request that is too large"))
}

/// A node with a key that nobody knows; then a member; then one that was expelled.
async fn strangers(stage: &mut Stage) -> Result<(), Problem> {
    let card = stranger(stage).await?;
    let genesis = stage.folder.join("genesis.json").display().to_string();
    let log = export(stage, HUB_ADMIN).await?;
    stage.ask(STRANGER_ADMIN, &["federation", "join", &genesis, "--log", &log]).await?;
    let before = unknown_keys(stage).await?;
    let call = ["offer", "list", "--member", "js-scjg"];
    let answer = stage.ask(STRANGER_ADMIN, &call).await;
    let refused =
        answer.as_ref().err().is_some_and(|it| matches!(it.kind, Kind::Peer | Kind::Unavailable | Kind::Refused));
    let code = answer.err().map(|it| it.code.to_string()).unwrap_or_default();
    let counted = unknown_keys(stage).await? > before;
    stage.check(
        &format!("未知密钥：TLS 握手即断（{code}），提供方计数加一"),
        &format!("an unknown key: the TLS handshake ends ({code}), the provider counts it"),
        refused && counted,
    )?;
    let entry = stage.folder.join("entry-stranger.json").display().to_string();
    propose(stage, &["federation", "propose", &card, "--log", &log, "--out", &entry], &entry).await?;
    for seat in MEMBERS.into_iter().chain([STRANGER_ADMIN]) {
        stage.ask(seat, &["federation", "submit", &entry]).await?;
    }
    let offers = stage.ask(STRANGER_ADMIN, &call).await?;
    let some = !crate::commands::pack::items(&offers, "offers").is_empty();
    stage.check(
        "两家创始单位签署接纳后，即可连接（无须重启）",
        "once two founders have signed it in, it is served; nothing restarts",
        some,
    )?;
    let log = export(stage, HUB_ADMIN).await?;
    let entry = stage.folder.join("entry-expelled.json").display().to_string();
    let draft = [
        "federation",
        "expel",
        "wx-stranger",
        "--reason-zh",
        "演示结束",
        "--reason-en",
        "the demo is over",
        "--log",
        &log,
        "--out",
        &entry,
    ];
    propose(stage, &draft, &entry).await?;
    for seat in MEMBERS {
        stage.ask(seat, &["federation", "submit", &entry]).await?;
    }
    stage
        .refused(STRANGER_ADMIN, &call, "peer.not_member", ("已除名的单位", "an organisation that was expelled"))
        .await?;
    stage.process_mut(Place::Stranger).stop().await;
    Ok(())
}

/// How many connections with unknown keys the provider has turned away, as its public figures say.
async fn unknown_keys(stage: &Stage) -> Result<u64, Problem> {
    let base = format!("http://{}", stage.process(Place::Provider).client);
    let bytes = Client::new(Target { base, organisation: None, token: None })?.bytes("/metrics").await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let line = text.lines().find_map(|it| it.strip_prefix("yunhe_peer_refused_total{reason=\"unknown-key\"} "));
    Ok(line.and_then(|it| it.trim().parse().ok()).unwrap_or(0))
}
