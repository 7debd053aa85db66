//! Three nodes, one federation, and everybody's account.

use super::enter;
use super::people::{BUREAU_ADMIN, CITY_ADMIN, HUB_ADMIN, PEOPLE, PROVIDER_ADMIN, Person, Seat};
use super::process::Place;
use super::stage::{Stage, seconds};
use crate::exit::file_problem;
use crate::output::cell;
use node::{NodeConfig, OrganisationConfig};
use policy::{Level, MemberRole};
use serde_json::Value;
use std::path::{Path, PathBuf};
use vocabulary::{Bilingual, Problem};

/// An organisation of the demo.
struct Organisation {
    id: &'static str,
    zh: &'static str,
    en: &'static str,
    division: &'static str,
    level: Level,
    roles: &'static [MemberRole],
}

const HUB: Organisation = Organisation {
    id: "js-data",
    zh: "江苏省数据局",
    en: "Jiangsu Data Administration",
    division: "320000",
    level: Level::Province,
    roles: &[MemberRole::Hub, MemberRole::Authority, MemberRole::Department],
};
const PROVIDER: Organisation = Organisation {
    id: "js-scjg",
    zh: "江苏省市场监督管理局",
    en: "Jiangsu Administration for Market Regulation",
    division: "320000",
    level: Level::Province,
    roles: &[MemberRole::Department],
};
const CITY: Organisation = Organisation {
    id: "nj-data",
    zh: "南京市数据局",
    en: "Nanjing Data Administration",
    division: "320100",
    level: Level::City,
    roles: &[MemberRole::Department],
};
const BUREAU: Organisation = Organisation {
    id: "nj-gxj",
    zh: "南京市工业和信息化局",
    en: "Nanjing Bureau of Industry and Information Technology",
    division: "320100",
    level: Level::City,
    roles: &[MemberRole::Department],
};
const STRANGER: Organisation = Organisation {
    id: "wx-stranger",
    zh: "无锡某单位",
    en: "An organisation in Wuxi",
    division: "320200",
    level: Level::City,
    roles: &[MemberRole::Department],
};

/// The administrators of the members, in the order in which they join.
pub const MEMBERS: [Seat; 4] = [HUB_ADMIN, PROVIDER_ADMIN, CITY_ADMIN, BUREAU_ADMIN];

/// Sets everything up.
///
/// # Errors
/// What goes wrong; `demo.check`.
pub async fn build(stage: &mut Stage) -> Result<(), Problem> {
    let nodes: [(Place, &[Organisation], &str); 3] = [
        (Place::Hub, &[HUB], "枢纽、主管部门 hub, authority in charge"),
        (Place::Provider, &[PROVIDER], "提供方 provider"),
        (Place::City, &[CITY, BUREAU], "使用方 consumer"),
    ];
    for (place, organisations, role) in nodes {
        init(stage, place, organisations).await?;
        let took = stage.process_mut(place).start().await?;
        let node = stage.process(place);
        let names = organisations.iter().map(|it| stage.voice.pick(it.zh, it.en)).collect::<Vec<_>>().join(" + ");
        let peers = node.peers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let line = format!("{names}（{role}） http://{} · mTLS {peers} · {}", node.client, seconds(took));
        stage.say(&line, &line);
    }
    for seat in MEMBERS {
        enter::administrators(stage, seat).await?;
    }
    stage.say(
        "每个单位三员分设：系统、安全、审计管理员各改初始密码、绑定动态口令、登录",
        "each organisation has three administrators: each changed the first password, enrolled a code and signed in",
    );
    found(stage).await?;
    accounts(stage).await
}

async fn init(stage: &Stage, place: Place, organisations: &[Organisation]) -> Result<(), Problem> {
    let node = stage.process(place);
    let database = stage.options.postgres.clone().unwrap_or_else(|| "sqlite".to_owned());
    let organisation = |it: &Organisation| -> Result<OrganisationConfig, Problem> {
        Ok(OrganisationConfig {
            id: it.id.parse()?,
            title: Bilingual::new(it.zh, it.en),
            host: format!("{}.yunhe.internal", it.id),
            division: it.division.to_owned(),
            level: it.level,
            roles: it.roles.to_vec(),
            superior: None,
            database: database.clone(),
            epoch: 1,
            part_rows: node::PART_ROWS,
            connection: stage.options.systems.connections(it.id)?,
        })
    };
    let config = NodeConfig {
        federation: "jiangsu".parse()?,
        client: node.client,
        peer: node.peers.clone(),
        organisation: organisations.iter().map(organisation).collect::<Result<_, _>>()?,
    };
    let path = stage.folder.join(format!("{}.toml", organisations.first().map_or("node", |it| it.id)));
    let text = toml::to_string_pretty(&config).map_err(|it| crate::exit::json_problem("yunhe.toml", &it))?;
    std::fs::write(&path, text).map_err(|it| file_problem(&path, &it))?;
    let folder = node.folder.display().to_string();
    stage.command(&["init", &folder, "--config", &path.display().to_string()]).await?;
    Ok(())
}

fn card(stage: &Stage, seat: Seat) -> String {
    stage.process(seat.place).folder.join(seat.organisation).join("card.json").display().to_string()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Three founders, two of whom must sign; four members.
async fn found(stage: &mut Stage) -> Result<(), Problem> {
    let genesis = text(&stage.folder.join("genesis.json"));
    let (hub, provider, city) = (card(stage, HUB_ADMIN), card(stage, PROVIDER_ADMIN), card(stage, CITY_ADMIN));
    let made = stage
        .command(&[
            "federation",
            "genesis",
            "--name",
            "jiangsu",
            "--title-zh",
            "江苏省数据共享联邦",
            "--title-en",
            "Data sharing federation of Jiangsu",
            "--founder",
            &hub,
            "--founder",
            &provider,
            "--founder",
            &city,
            "--quorum",
            "2",
            "--out",
            &genesis,
        ])
        .await?;
    for seat in MEMBERS {
        stage.ask(seat, &["federation", "join", &genesis]).await?;
    }
    let mut entries = Vec::new();
    for (number, seat) in MEMBERS.into_iter().enumerate() {
        let log = if number == 0 { genesis.clone() } else { export(stage, HUB_ADMIN).await? };
        let entry = text(&stage.folder.join(format!("entry-{}.json", number + 1)));
        propose(stage, &["federation", "propose", &card(stage, seat), "--log", &log, "--out", &entry], &entry).await?;
        stage.ask(HUB_ADMIN, &["federation", "submit", &entry]).await?;
        entries.push(entry);
    }
    for seat in &MEMBERS[1..] {
        let mut arguments = vec!["federation", "submit"];
        arguments.extend(entries.iter().map(String::as_str));
        stage.ask(*seat, &arguments).await?;
    }
    let digest = cell::at(stage.voice, &made, "/digest");
    stage.say(
        &format!("联邦 jiangsu 创世 {digest}，三家创始、两家签署生效"),
        &format!("federation jiangsu, genesis {digest}; two of three founders must sign"),
    );
    let here = stage.ask(HUB_ADMIN, &["federation", "show"]).await?;
    let there = stage.ask(BUREAU_ADMIN, &["federation", "show"]).await?;
    let same = cell::list(&here, "/members").len() == MEMBERS.len() && here["members"] == there["members"];
    stage.check(
        "四个成员，省数据局与市工信局看到的一致",
        "four members, and the hub and the bureau in Nanjing see the same",
        same && here["head"] == there["head"],
    )
}

/// Drafts an entry and has two founders sign it.
///
/// # Errors
/// What goes wrong.
pub async fn propose(stage: &Stage, draft: &[&str], entry: &str) -> Result<(), Problem> {
    stage.command(draft).await?;
    stage.ask(HUB_ADMIN, &["federation", "sign", entry]).await?;
    stage.ask(PROVIDER_ADMIN, &["federation", "sign", entry]).await?;
    Ok(())
}

/// Exports the member log and says where it is.
///
/// # Errors
/// What goes wrong.
pub async fn export(stage: &Stage, seat: Seat) -> Result<String, Problem> {
    let path: PathBuf = stage.folder.join("members.json");
    let path = text(&path);
    stage.ask(seat, &["federation", "export", "--out", &path]).await?;
    Ok(path)
}

/// A node whose organisation is no member.
///
/// # Errors
/// What goes wrong.
pub async fn stranger(stage: &mut Stage) -> Result<String, Problem> {
    init(stage, Place::Stranger, &[STRANGER]).await?;
    stage.process_mut(Place::Stranger).start().await?;
    enter::administrators(stage, super::people::STRANGER_ADMIN).await?;
    Ok(card(stage, super::people::STRANGER_ADMIN))
}

/// Opens an account, gives it its roles, and lets its holder come in.
///
/// # Errors
/// What goes wrong.
pub async fn person(stage: &Stage, it: &Person) -> Result<(), Problem> {
    let opened = stage.ask(it.by, &["user", "add", it.name, "--person", it.person]).await?;
    stage.ask(it.by.security(), &["user", "grant", it.name, "--roles", it.roles]).await?;
    enter::person(stage, it.by.with(it.name), &cell::at(stage.voice, &opened, "/first_password")).await
}

async fn accounts(stage: &mut Stage) -> Result<(), Problem> {
    for it in &PEOPLE {
        person(stage, it).await?;
    }
    let platform = ["application", "add", "huiqi", "--title-zh", "惠企政策平台", "--title-en", "Policy platform"];
    stage.ask(BUREAU_ADMIN, &platform).await?;
    let token = ["token", "new", "--application", "huiqi", "--save", "platform"];
    stage.ask(BUREAU_ADMIN.security(), &token).await?;
    let accounts: Value = stage.ask(BUREAU_ADMIN, &["user", "list"]).await?;
    stage.check(
        "各岗位账号分设，应用系统惠企政策平台有自己的令牌",
        "every post has its own account, the policy platform its own token",
        crate::commands::pack::items(&accounts, "users").len() == 5,
    )?;
    let alone = stage.ask(BUREAU_ADMIN, &["user", "grant", "checker", "--roles", "checker,requester"]).await;
    stage.judge_refusal(alone, "policy.role", ("系统管理员自行授予角色", "the system administrator grants roles alone"))
}
