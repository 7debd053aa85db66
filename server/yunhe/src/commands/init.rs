//! `yunhe init`: a node's data folder, for one organisation by options or for several by a configuration file.

use crate::context::Context;
use crate::exit::{Failure, file_problem, json_problem};
use crate::output::{cell, table};
use clap::{Args, ValueEnum};
use node::{NodeConfig, OrganisationConfig};
use policy::{Level, MemberRole};
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use vocabulary::{Bilingual, Problem, Suite};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe init ./node --federation jiangsu --id js-scjg --title-zh 江苏省市场监督管理局 \\
        --title-en 'Jiangsu Administration for Market Regulation' --host scjg.js.yunhe.internal \\
        --division 320000 --level province
  yunhe init … --suite sm2-sm3               （以 SM2/SM3 签名 signatures of SM2 with SM3）
  yunhe init ./node --config yunhe.toml      （一个节点上有多个单位时 several organisations in one node）

随后 Then: yunhe serve --data ./node；名片 the card: ./node/<id>/card.json；三名管理员的初始密码 first passwords: ./node/<id>/first/
各由本人 Each by the person: yunhe user change-password NAME；user enrol NAME；user confirm NAME；
  user sign-in NAME --save NAME";

/// 新建节点：配置、密钥、名片、三名管理员；已有的不会覆盖。
/// Make a node: configuration, keys, card, three administrators; what is there is never written over.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Init {
    /// 数据目录 The data folder
    folder: PathBuf,
    /// 配置文件，含一个或多个单位 A configuration with one organisation or several
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// 联邦名 The federation's name
    #[arg(long, required_unless_present = "config", conflicts_with = "config")]
    federation: Option<String>,
    /// 单位标识（小写字母、数字、连字符） The organisation's id
    #[arg(long, required_unless_present = "config", conflicts_with = "config")]
    id: Option<String>,
    /// 中文名称 Its title in Chinese
    #[arg(long, required_unless_present = "config", conflicts_with = "config")]
    title_zh: Option<String>,
    /// 英文名称，不写则同标识 Its title in English; its id when left out
    #[arg(long)]
    title_en: Option<String>,
    /// 主机名，节点之间以此区分单位 The host name by which other nodes choose it
    #[arg(long, required_unless_present = "config", conflicts_with = "config")]
    host: Option<String>,
    /// 行政区划代码 Its division
    #[arg(long, default_value = "320000")]
    division: String,
    /// 层级 Its level
    #[arg(long, value_enum, default_value_t = LevelName::City)]
    level: LevelName,
    /// 在联邦中的身份，以逗号分隔 What it is in the federation
    #[arg(long, value_enum, value_delimiter = ',', default_value = "department")]
    roles: Vec<RoleName>,
    /// 上级主管部门的标识：目录向其上报，申请经其转办 The authority in charge of it, by its id
    #[arg(long, value_name = "MEMBER")]
    superior: Option<String>,
    /// 本单位人员和程序的入口 Where its people and programs connect
    #[arg(long, default_value = "127.0.0.1:8400")]
    client: SocketAddr,
    /// 其他节点的入口，可多个 Where other nodes connect
    #[arg(long, default_values = ["127.0.0.1:8401", "[::1]:8401"])]
    peer: Vec<SocketAddr>,
    /// 签名算法套件：ed25519-sha256，或商用密码 sm2-sm3；写在密钥里，别处不再写
    /// The suite of its signatures: ed25519-sha256, or sm2-sm3. The keys say it, and nothing else does
    #[arg(long, default_value_t = Suite::default(), value_name = "SUITE")]
    suite: Suite,
    /// 数据库 The database: sqlite, or postgres://…
    #[arg(long, default_value = "sqlite")]
    database: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LevelName {
    /// 国家
    Nation,
    /// 省
    Province,
    /// 市
    City,
    /// 县
    County,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    /// 枢纽 keeps the common catalogue
    Hub,
    /// 主管部门 authority in charge
    Authority,
    /// 政务部门 government department
    Department,
    /// 企业等 company or other organisation
    Enterprise,
}

impl Init {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = match &self.config {
            Some(path) => read(path)?,
            None => self.one()?,
        };
        let cards = node::init(&self.folder, &config, self.suite).await?;
        let value = Value::from_iter(cards.iter().map(|(path, card)| {
            let first = self.folder.join(card.id.as_str()).join("first");
            json!({"organisation": card.id, "title": card.title, "card": path.display().to_string(),
                   "key": card.keys.messages.first(), "first_passwords": first.display().to_string()})
        }));
        let voice = context.voice();
        voice.answer(&value, || {
            let rows: Vec<Vec<String>> = cell::list(&value, "")
                .iter()
                .map(|it| {
                    ["/organisation", "/title", "/card", "/first_passwords"]
                        .iter()
                        .map(|at| cell::at(voice, it, at))
                        .collect()
                })
                .collect();
            let titles = [
                ("单位", "Organisation"),
                ("名称", "Title"),
                ("名片", "Card"),
                ("三名管理员的初始密码", "First passwords of the three administrators"),
            ];
            let next = format!("yunhe serve --data {}", self.folder.display());
            format!("{}{} {next}\n", table(voice, &titles, &rows), voice.pick("启动节点：", "run it:"))
        });
        Ok(())
    }

    fn one(&self) -> Result<NodeConfig, Problem> {
        let id = self.id.clone().unwrap_or_default();
        let title = Bilingual::new(
            self.title_zh.clone().unwrap_or_else(|| id.clone()),
            self.title_en.clone().unwrap_or_else(|| id.clone()),
        );
        let level = match self.level {
            LevelName::Nation => Level::Nation,
            LevelName::Province => Level::Province,
            LevelName::City => Level::City,
            LevelName::County => Level::County,
        };
        let role = |it: &RoleName| match it {
            RoleName::Hub => MemberRole::Hub,
            RoleName::Authority => MemberRole::Authority,
            RoleName::Department => MemberRole::Department,
            RoleName::Enterprise => MemberRole::Enterprise,
        };
        let organisation = OrganisationConfig {
            id: id.parse()?,
            title,
            host: self.host.clone().unwrap_or_default(),
            division: self.division.clone(),
            level,
            roles: self.roles.iter().map(role).collect(),
            superior: self.superior.as_deref().map(str::parse).transpose()?,
            database: self.database.clone(),
            epoch: 1,
            part_rows: node::PART_ROWS,
            connection: Vec::new(),
        };
        Ok(NodeConfig {
            federation: self.federation.clone().unwrap_or_default().parse()?,
            client: self.client,
            peer: self.peer.clone(),
            organisation: vec![organisation],
        })
    }
}

fn read(path: &Path) -> Result<NodeConfig, Problem> {
    let text = fs::read_to_string(path).map_err(|it| file_problem(path, &it))?;
    toml::from_str(&text).map_err(|it| json_problem(&path.display().to_string(), &it))
}
