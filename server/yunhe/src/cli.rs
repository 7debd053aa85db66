//! The command line: global options and the list of commands. Each command's own options stand with it.

use crate::commands::{
    agree, answer, application, appoint, audit, backup, bulletin, call, catalog, chain, deliver, demand, doctor,
    federation, import, init, key, log, notice, objection, offer, openapi, pack, pull, query, receipt, record, report,
    request, restore, revoke, schemas, serve, source, token, user,
};
use crate::demo;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXAMPLES: &str = "\
示例 Examples:
  yunhe demo                                    三个节点演示全过程 the whole job with three nodes
  yunhe init ./node --federation jiangsu --id js-scjg --title-zh 江苏省市场监督管理局 \\
        --host scjg.js.yunhe.internal --division 320000 --level province
  yunhe serve --data ./node
  yunhe catalog search 法人 --data ./node
  yunhe receipt verify receipt.json --members members.json

退出码 Exit codes:
  0 完成 done · 1 被拒绝或有误 refused or wrong · 2 用法 usage · 3 节点或对方无应答 no answer from node or peer
  4 核验未通过 verification failed · 5 本方故障 our fault";

/// 云禾：单位之间依协议交换数据，并留下可独立核验的凭据。
/// Yunhe: organisations exchange data under agreements, with proof that anyone can verify.
#[derive(Debug, Parser)]
#[command(name = "yunhe", version, after_help = EXAMPLES, max_term_width = 120)]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// In which language messages come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// 中文
    #[default]
    Zh,
    /// English
    En,
}

/// Options of all commands.
#[derive(Args, Debug)]
#[command(next_help_heading = "通用选项 Global options")]
pub struct Global {
    /// 节点数据目录，地址与令牌取自其中 The node's data folder: address and tokens come from there
    #[arg(long, global = true, value_name = "DIR", env = "YUNHE_HOME")]
    pub data: Option<PathBuf>,
    /// 节点地址，先于 --data The node's address, before --data [http://127.0.0.1:8400]
    #[arg(long, global = true, value_name = "URL", env = "YUNHE_NODE")]
    pub node: Option<String>,
    /// 令牌 The token to show
    #[arg(long, global = true, value_name = "TOKEN", env = "YUNHE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// 用 DIR/<单位>/tokens/NAME 中的令牌 Use the token of that name in the data folder
    #[arg(long = "as", global = true, value_name = "NAME", default_value = "sysadmin")]
    pub role: String,
    /// 节点上的哪个单位 Which organisation of the node
    #[arg(long, global = true, value_name = "ID", env = "YUNHE_ORG")]
    pub org: Option<String>,
    /// 以 JSON 输出 Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// 先用哪种语言 Which language comes first
    #[arg(long, global = true, value_enum, default_value_t, env = "YUNHE_LANG")]
    pub lang: Language,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 新建节点：配置、密钥、名片、三名管理员 Make a node: configuration, keys, card, three administrators
    Init(Box<init::Init>),
    /// 运行节点 Run a node
    Serve(serve::Serve),
    /// 数据包：检查、安装、列出 Packs: check, install, list
    Pack(pack::Pack),
    /// 导入文件 Import a file
    Import(import::Import),
    /// 数据源：对方的表，检查并取数 Sources: tables of others, checked and taken over
    Source(source::Source),
    /// 查看本单位的记录 Look at our own records
    Record(record::Record),
    /// 目录：编制、检索、查看、汇聚 The catalogue: compile, search, show, harvest
    Catalog(catalog::Catalog),
    /// 需求：目录中没有的数据 Demands for data that are in no catalogue
    Demand(demand::Demand),
    /// 职责（三定、权责清单） Duties
    Duty(chain::Chain),
    /// 事项 Matters that carry duties out
    Matter(chain::Chain),
    /// 政务信息系统台账 The register of information systems
    System(chain::Chain),
    /// 查看共享条件 Look at offers
    Offer(offer::Offer),
    /// 共享申请：提出、查看、补正 Requests for access: make, look at, supplement
    Request(request::Request),
    /// 答复申请 Answer a request
    Answer(answer::Answer),
    /// 签署并查看共享协议 Sign agreements, and look at them
    Agree(agree::Agree),
    /// 撤销协议 Take an agreement back
    Revoke(revoke::Revoke),
    /// 依协议查询 Query under an agreement
    Query(query::Query),
    /// 依协议调用服务接口 Call a service under an agreement
    Call(call::Call),
    /// 依协议批量获取 Fetch all permitted rows under an agreement
    Pull(pull::Pull),
    /// 入表交付：依协议持续写入本单位的表 Deliveries into tables of our own
    Deliver(deliver::Deliver),
    /// 回执：列出、取出、核验、确认 Receipts: list, take out, verify, acknowledge
    Receipt(receipt::Receipt),
    /// 异议校核：提出、处理、确认更正 Objections: raise, rule, confirm corrections
    Objection(objection::Objection),
    /// 月报：一个月的账 The bulletin of a month
    Bulletin(bulletin::Bulletin),
    /// 通知 Notices
    Notice(notice::Notice),
    /// 按平台编号查找 Find what bears a platform's number
    Number(report::Number),
    /// 存证日志 The log of evidence
    Log(log::Log),
    /// 备份：运行中制作、离线核验 Backups: made while the node runs, checked offline
    Backup(backup::Backup),
    /// 从备份恢复 Put a backup back
    Restore(restore::Restore),
    /// 体检：哪里有问题、如何处理 What is wrong with this machine, and how to mend it
    Doctor(doctor::Doctor),
    /// 密钥：查看、更换、停用 Keys: look at them, change them, give old ones up
    Key(key::Key),
    /// 联邦成员 The federation and its members
    Federation(federation::Federation),
    /// 账号 Accounts
    User(user::User),
    /// 令牌 Tokens
    Token(token::Token),
    /// 应用系统 Application systems
    Application(application::Application),
    /// 在本机任命管理员，仅当无人在任 Appoint an administrator on this machine, while there is none
    Appoint(appoint::Appoint),
    /// 管理员操作记录：查询、导出、离线核验 Acts of administrators: list, export, verify offline
    Audit(audit::Audit),
    /// 演示：三个节点、八个步骤 The demo: three nodes, eight steps
    Demo(demo::Demo),
    /// 写出各格式的 JSON Schema Write the JSON schemas of all formats
    Schemas(schemas::Schemas),
    /// 打印接口描述 Print the description of the HTTP interface (OpenAPI)
    Openapi(openapi::Openapi),
}
