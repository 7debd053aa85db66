//! `yunhe federation`: begin a federation, join it, change its members with the signatures of k founders, look at it.
//!
//! Genesis and entries are made and signed offline, in files that founders hand from one to the next; a node takes in
//! nothing that the founders' signatures do not prove.

use crate::context::Context;
use crate::exit::{Failure, file_problem, json_problem};
use crate::output::{Voice, cell, facts, table};
use clap::{Args, Subcommand, ValueEnum};
use federation::{Change, Entry, EntryBody, Format, Founder, Founders, Genesis, Organisation, Travel, VERSION, View};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use signing::KeyRing;
use std::fs;
use std::path::{Path, PathBuf};
use vocabulary::{Bilingual, FederationName, Problem, Timestamp};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe federation card --data ./hub > hub.json
  yunhe federation genesis --name jiangsu --title-zh 江苏 --title-en Jiangsu --founder hub.json --founder scjg.json \\
        --quorum 2 --out genesis.json
  yunhe federation join genesis.json --data ./hub
  yunhe federation propose nj.json --log members.json --out entry.json
  yunhe federation sign entry.json --data ./hub && yunhe federation sign entry.json --data ./scjg
  yunhe federation submit entry.json --data ./hub
  yunhe federation show --data ./hub
  yunhe federation export --out members.json --data ./hub";
/// A view is good for this many hours unless the genesis says otherwise.
const VIEW_HOURS: u32 = 24;

/// 联邦成员。The federation and its members.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Federation {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 打印本单位名片（公钥与地址） Print our card: public keys and addresses
    Card,
    /// 制作创世文件 Make the genesis file of a federation
    Genesis(NewGenesis),
    /// 本节点加入联邦：固定其创世文件，并取回成员日志 Join: pin the genesis, and take the member log over
    Join {
        /// 创世文件 The genesis file
        genesis: PathBuf,
        /// 成员日志（已有成员时） The member log so far
        #[arg(long, value_name = "FILE")]
        log: Option<PathBuf>,
    },
    /// 起草条目：接纳成员 Draft an entry that makes an organisation a member
    Propose {
        /// 其名片 Its card
        card: PathBuf,
        /// 现有成员日志或创世文件 The member log so far, or the genesis
        #[arg(long, value_name = "FILE")]
        log: PathBuf,
        /// 写入文件 Where to write the entry
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// 起草条目：指定成员的上级主管部门；不写上级则取消 Draft an entry that names a member's superior, or none
    Superior {
        /// 成员 The member
        member: String,
        /// 上级主管部门 Its superior
        superior: Option<String>,
        /// 现有成员日志 The member log so far
        #[arg(long, value_name = "FILE")]
        log: PathBuf,
        /// 写入文件 Where to write the entry
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// 起草条目：成员更换密钥或日志 Draft an entry by which a member's keys or log change
    Rotate {
        /// 其新名片 Its card as it is from now on
        card: PathBuf,
        /// 现有成员日志 The member log so far
        #[arg(long, value_name = "FILE")]
        log: PathBuf,
        /// 写入文件 Where to write the entry
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// 旧密钥遗失或失窃：全部换新 The old keys are lost or stolen: none of them stays
        #[arg(long)]
        emergency: bool,
    },
    /// 起草条目：除名 Draft an entry that ends a membership
    Expel {
        /// 成员 The member
        member: String,
        /// 理由 Why, in Chinese
        #[arg(long)]
        reason_zh: String,
        /// 英文理由 Why, in English
        #[arg(long)]
        reason_en: String,
        /// 现有成员日志 The member log so far
        #[arg(long, value_name = "FILE")]
        log: PathBuf,
        /// 写入文件 Where to write the entry
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// 以创始单位密钥签署条目（离线） Sign an entry with our key as a founder; offline
    Sign {
        /// 条目文件，签名加在其中 The entry's file; the signature is added to it
        entry: PathBuf,
    },
    /// 提交条目 Hand an entry to our node
    Submit {
        /// 条目文件，可多个 Entries, in order
        #[arg(required = true)]
        entries: Vec<PathBuf>,
    },
    /// 查看成员 The members
    Show,
    /// 导出成员日志（核验回执用） Export the member log, for verifying receipts
    #[command(visible_alias = "log")]
    Export {
        /// 写入文件 Where to write it [standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
struct NewGenesis {
    /// 联邦名（小写字母、数字、连字符） Its name
    #[arg(long)]
    name: String,
    /// 中文名称 Its title in Chinese
    #[arg(long)]
    title_zh: String,
    /// 英文名称 Its title in English
    #[arg(long)]
    title_en: String,
    /// 创始单位名片，可多个 The founders' cards
    #[arg(long = "founder", required = true, value_name = "CARD")]
    founders: Vec<PathBuf>,
    /// 须几位创始单位签名 How many founders must sign a change
    #[arg(long)]
    quorum: u32,
    /// 成员视图有效小时数 For how many hours a view of the members is good
    #[arg(long, default_value_t = VIEW_HOURS)]
    view_hours: u32,
    /// 交付方式：direct 直达、hub-recorded 枢纽留痕 How deliveries travel: direct, or seen by the hub
    #[arg(long, value_enum, default_value_t = TravelName::Direct)]
    travel: TravelName,
    /// 写入文件 Where to write it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TravelName {
    /// 提供方直达使用方；枢纽只见摘要和检查点 From provider to consumer; the hub sees digests and checkpoints
    Direct,
    /// 枢纽另见申请、协议和回执，不见数据 The hub sees request, agreement and receipt as well, never data
    HubRecorded,
}

impl Federation {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.act {
            Act::Card => card(context),
            Act::Genesis(it) => genesis(context, &it),
            Act::Join { genesis, log } => join(context, &genesis, log.as_deref()).await,
            Act::Propose { card, log, out } => {
                let organisation: Organisation = read(&card)?;
                propose(context, Change::Join { organisation: Box::new(organisation) }, &log, &out)
            }
            Act::Superior { member, superior, log, out } => {
                let MemberLog { genesis, entries } = member_log(&log)?;
                let view: View = federation::decide::replay(genesis, &entries)?;
                let mut organisation = view.member(&member.parse()?)?.organisation.clone();
                organisation.superior = superior.as_deref().map(str::parse).transpose()?;
                propose(context, Change::Update { organisation: Box::new(organisation) }, &log, &out)
            }
            Act::Rotate { card, log, out, emergency } => {
                let Organisation { id, keys, .. } = read(&card)?;
                propose(context, Change::Rotate { id, keys: Box::new(keys), emergency }, &log, &out)
            }
            Act::Expel { member, reason_zh, reason_en, log, out } => {
                let reason = Bilingual::new(reason_zh, reason_en);
                propose(context, Change::Expel { id: member.parse()?, reason, evidence: None }, &log, &out)
            }
            Act::Sign { entry } => sign(context, &entry),
            Act::Submit { entries } => submit(context, &entries).await,
            Act::Show => {
                let value = context.client()?.get("/v1/federation", &[]).await?;
                context.voice().answer(&value, || shown(context.voice(), &value));
                Ok(())
            }
            Act::Export { out } => export(context, out.as_deref()).await,
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Problem> {
    let bytes = fs::read(path).map_err(|it| file_problem(path, &it))?;
    serde_json::from_slice(&bytes).map_err(|it| json_problem(&path.display().to_string(), &it))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    fs::write(path, bytes).map_err(|it| file_problem(path, &it))
}

fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the command line is an edge: it asks the system what time it is")]
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

fn card(context: &Context) -> Result<(), Failure> {
    let value: Value = read(&context.home()?.join("card.json"))?;
    context.voice().answer(&value, || format!("{value:#}"));
    Ok(())
}

fn genesis(context: &Context, new: &NewGenesis) -> Result<(), Failure> {
    let mut keys = Vec::new();
    for path in &new.founders {
        let card: Organisation = read(path)?;
        keys.extend(card.keys.messages.first().map(|key| Founder { title: card.title.clone(), key: *key }));
    }
    keys.sort_by_key(|it| it.key);
    let genesis = Genesis {
        format: Format::Genesis,
        version: VERSION,
        federation: FederationName::new(&new.name)?,
        title: Bilingual::new(&new.title_zh, &new.title_en),
        suite: vocabulary::Suite::default(),
        founded_at: now(),
        founders: Founders { keys, quorum: new.quorum },
        travel: match new.travel {
            TravelName::Direct => Travel::Direct,
            TravelName::HubRecorded => Travel::HubRecorded,
        },
        view_hours_max: new.view_hours,
    };
    federation::decide::check_genesis(&genesis)?;
    write(&new.out, &genesis.to_bytes()?)?;
    let digest = genesis.digest()?;
    let voice = context.voice();
    let value = json!({"file": new.out.display().to_string(), "digest": digest, "quorum": new.quorum});
    voice.answer(&value, || {
        facts(
            voice,
            &[
                ("文件", "File", new.out.display().to_string()),
                ("摘要（各方须核对）", "Digest, to be compared", digest.to_string()),
            ],
        )
    });
    Ok(())
}

/// A member log, or the genesis that it begins with.
#[derive(Deserialize)]
struct MemberLog {
    genesis: Genesis,
    entries: Vec<Entry>,
}

fn member_log(path: &Path) -> Result<MemberLog, Problem> {
    let value: Value = read(path)?;
    let bad = |it: serde_json::Error| json_problem(&path.display().to_string(), &it);
    if value.get("genesis").is_some() {
        return serde_json::from_value(value).map_err(bad);
    }
    Ok(MemberLog { genesis: serde_json::from_value(value).map_err(bad)?, entries: Vec::new() })
}

async fn join(context: &Context, genesis: &Path, log: Option<&Path>) -> Result<(), Failure> {
    let client = context.client()?;
    let genesis: Genesis = read(genesis)?;
    let digest = genesis.digest()?;
    let mut value = client.post("/v1/federation", &json!({"genesis": genesis, "digest": digest})).await?;
    if let Some(log) = log {
        let entries = member_log(log)?.entries;
        value = client.post("/v1/federation/entries", &json!({ "entries": entries })).await?;
    }
    let voice = context.voice();
    voice.answer(&value, || {
        let name = &genesis.federation;
        voice
            .pick(&format!("已加入联邦 {name}（创世摘要 {digest}）"), &format!("joined {name} (genesis {digest})"))
            .to_owned()
    });
    Ok(())
}

fn propose(context: &Context, change: Change, log: &Path, out: &Path) -> Result<(), Failure> {
    let log = member_log(log)?;
    let view: View = federation::decide::replay(log.genesis, &log.entries)?;
    let last = log.entries.last().map_or(view.genesis().founded_at, |it| it.body.at);
    let body = EntryBody {
        format: Format::Entry,
        version: VERSION,
        federation: view.genesis().federation.clone(),
        number: view.number() + 1,
        previous: view.head(),
        at: now().max(last),
        change,
    };
    let digest = federation::decide::check_body(&view, &body)?;
    write(out, &Entry::new(body, Vec::new()).to_bytes()?)?;
    let quorum = view.founders().quorum;
    let voice = context.voice();
    voice.answer(&json!({"file": out.display().to_string(), "digest": digest, "quorum": quorum}), || {
        let (file, next) = (out.display(), "yunhe federation sign");
        voice
            .pick(
                &format!("{file} 已起草，须 {quorum} 位创始单位签署：{next} {file}"),
                &format!("{file} is drafted; {quorum} founders sign it: {next} {file}"),
            )
            .to_owned()
    });
    Ok(())
}

fn sign(context: &Context, path: &Path) -> Result<(), Failure> {
    let entry: Entry = read(path)?;
    let keys = KeyRing::open(&context.home()?.join("keys"))?;
    let mut signatures = entry.signatures;
    signatures.push(entry.body.sign(&keys.messages)?);
    let entry = Entry::new(entry.body, signatures);
    write(path, &entry.to_bytes()?)?;
    let (voice, count) = (context.voice(), entry.signatures.len());
    let key = keys.messages.public();
    voice.answer(&json!({"file": path.display().to_string(), "signatures": count, "key": key}), || {
        voice.pick(&format!("已签署，共 {count} 个签名"), &format!("signed; {count} signatures now")).to_owned()
    });
    Ok(())
}

async fn submit(context: &Context, entries: &[PathBuf]) -> Result<(), Failure> {
    let client = context.client()?;
    let entries = entries.iter().map(|it| read(it)).collect::<Result<Vec<Entry>, Problem>>()?;
    client.post("/v1/federation/entries", &json!({ "entries": entries })).await?;
    let (voice, count) = (context.voice(), entries.len());
    voice.answer(&json!({"submitted": count}), || {
        voice.pick(&format!("已提交 {count} 个条目"), &format!("{count} entries taken in")).to_owned()
    });
    Ok(())
}

async fn export(context: &Context, out: Option<&Path>) -> Result<(), Failure> {
    let value = context.client()?.get("/v1/federation/log", &[]).await?;
    match out {
        Some(path) => write(path, value.to_string().as_bytes())?,
        None => context.voice().answer(&value, || format!("{value:#}")),
    }
    Ok(())
}

fn shown(voice: Voice, value: &Value) -> String {
    let rows: Vec<Vec<String>> = cell::list(value, "/members")
        .iter()
        .map(|it| {
            ["/id", "/title", "/roles", "/level", "/superior", "/division", "/addresses"]
                .iter()
                .map(|at| cell::at(voice, it, at))
                .collect()
        })
        .collect();
    let titles = [
        ("成员", "Member"),
        ("名称", "Title"),
        ("角色", "Roles"),
        ("层级", "Level"),
        ("上级", "Superior"),
        ("区划", "Division"),
        ("地址", "Addresses"),
    ];
    let at = |pointer| cell::at(voice, value, pointer);
    let head = format!(
        "{} {} · {} {} · {} {} s\n",
        voice.pick("联邦", "federation"),
        at("/name"),
        voice.pick("成员日志条数", "entries"),
        at("/entries"),
        voice.pick("视图年龄", "view age"),
        at("/age_seconds")
    );
    format!("{head}{}", table(voice, &titles, &rows))
}
