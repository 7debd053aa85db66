//! `yunhe key`: the keys of an organisation, and how they are changed; offline, on the node's folder.

use crate::client::Client;
use crate::context::Context;
use crate::exit::{Failure, file_problem, json_problem};
use crate::output::table;
use clap::{Args, Subcommand, ValueEnum};
use federation::Organisation;
use node::{Clock as _, NodeConfig, SystemClock};
use serde_json::{Value, json};
use signing::KeyRing;
use std::fs;
use std::path::Path;
use vocabulary::{Kind, Problem, Suite, ensure};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe key list --data ./node
  yunhe key rotate tls --data ./node         （先备好新密钥与名片 the next key is drawn, and a card that names both）
  yunhe key rotate messages --suite sm2-sm3 --data ./node    （改用 SM2/SM3 over to SM2 with SM3）
  yunhe federation rotate ./node/ID/card.next.json --log members.json --out entry.json     （创始成员签署并提交）
  …节点自行启用新密钥 the node uses the next key by itself, ten minutes after it has heard of the entry…
  yunhe key retire --data ./node             （名片只列现行密钥，再办一次 a card of the keys in use; another entry）
  yunhe key rotate log --data ./node         （节点须停止 the node must be stopped: a new log begins）";

/// 密钥：查看、更换、停用。Keys: look at them, change them, give old ones up.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Key {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 列出密钥（只列公钥） List the keys, public halves only
    List,
    /// 更换：备好新密钥，新旧并存 Change one: old and new side by side
    Rotate {
        /// 哪一把 Which
        #[arg(value_enum)]
        which: Which,
        /// 新消息密钥的套件；不写则同现行密钥 The suite of the next message key; that of the one in use if left out
        #[arg(long, value_name = "SUITE")]
        suite: Option<Suite>,
    },
    /// 停用旧密钥：写出只列现行密钥的名片 Give old ones up: a card of those in use
    Retire,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// 证明连接 proves connections
    Tls,
    /// 签署消息与凭据 signs messages and documents
    Messages,
    /// 签署存证日志 signs the log
    Log,
}

impl Key {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let home = context.home()?;
        match self.act {
            Act::List => list(context, &home),
            Act::Rotate { which, suite } => {
                ensure!(suite.is_none() || which == Which::Messages, only_messages());
                match which {
                    Which::Log => return rotate_log(context, &home).await,
                    Which::Tls => KeyRing::prepare_tls(&home.join("keys"))?,
                    Which::Messages => KeyRing::prepare_messages(&home.join("keys"), suite)?,
                }
                let key = if which == Which::Tls { "tls" } else { "messages" };
                note(context, &home, ("key.prepare", json!({ "key": key }))).await?;
                card(context, &home, true)
            }
            Act::Retire => {
                note(context, &home, ("key.retire", json!({}))).await?;
                card(context, &home, false)
            }
        }
    }
}

/// Writes down what is done with the keys, where the audit administrator sees it.
async fn note(context: &Context, home: &Path, act: (&'static str, Value)) -> Result<(), Failure> {
    let config = NodeConfig::read(&context.folder()?)?;
    if let Some(one) = config.organisation.iter().find(|it| home.ends_with(it.id.as_str())) {
        node::leave_on_machine(home, one, act, SystemClock.now()).await;
    }
    Ok(())
}

fn list(context: &Context, home: &Path) -> Result<(), Failure> {
    let folder = home.join("keys");
    let ring = KeyRing::open(&folder)?;
    let mut rows = vec![
        ("tls", "in-use", ring.tls.pin()?.to_string()),
        ("messages", "in-use", ring.messages.public().to_string()),
        ("log", "in-use", ring.log.public().to_string()),
        ("packs", "in-use", ring.packs.public().to_string()),
    ];
    if let Some(next) = KeyRing::next_tls(&folder)? {
        rows.push(("tls", "next", next.pin()?.to_string()));
    }
    if let Some(next) = KeyRing::next_messages(&folder)? {
        rows.push(("messages", "next", next.public().to_string()));
    }
    let value =
        Value::from_iter(rows.iter().map(|(key, state, public)| json!({"key": key, "state": state, "public": public})));
    let voice = context.voice();
    voice.answer(&value, || {
        let state = |it: &str| voice.pick(if it == "next" { "备用" } else { "现行" }, it).to_owned();
        let rows: Vec<Vec<String>> =
            rows.iter().map(|(key, it, public)| vec![(*key).to_owned(), state(it), public.clone()]).collect();
        table(voice, &[("密钥", "Key"), ("状态", "State"), ("公钥或其摘要", "Public key, or its pin")], &rows)
    });
    Ok(())
}

fn read(path: &Path) -> Result<Organisation, Problem> {
    let text = fs::read(path).map_err(|it| file_problem(path, &it))?;
    serde_json::from_slice(&text).map_err(|it| json_problem(&path.display().to_string(), &it))
}

fn write(path: &Path, card: &Organisation) -> Result<(), Problem> {
    let text = serde_json::to_vec_pretty(card).map_err(|it| json_problem("card", &it))?;
    fs::write(path, text).map_err(|it| file_problem(path, &it))
}

/// The card for the founders: the keys in use, with those that wait or without.
fn card(context: &Context, home: &Path, with_next: bool) -> Result<(), Failure> {
    let folder = home.join("keys");
    let ring = KeyRing::open(&folder)?;
    let mut card = read(&home.join("card.json"))?;
    (card.keys.messages, card.keys.tls) = (vec![ring.messages.public()], vec![ring.tls.pin()?]);
    if with_next {
        card.keys.messages.extend(KeyRing::next_messages(&folder)?.map(|it| it.public()));
        if let Some(next) = KeyRing::next_tls(&folder)? {
            card.keys.tls.push(next.pin()?);
        }
    }
    let path = home.join("card.next.json");
    write(&path, &card)?;
    told(context, &path, &card);
    Ok(())
}

fn told(context: &Context, path: &Path, card: &Organisation) {
    let voice = context.voice();
    let value = json!({"card": path.display().to_string(), "keys": card.keys});
    voice.answer(&value, || {
        let path = path.display();
        voice
            .pick(
                &format!(
                    "名片已写入 {path}；下一步：yunhe federation rotate {path} --log members.json --out entry.json"
                ),
                &format!(
                    "the card is in {path}; next: yunhe federation rotate {path} --log members.json --out entry.json"
                ),
            )
            .to_owned()
    });
}

/// Another log key means another log: the next epoch, whose first leaf names this one.
async fn rotate_log(context: &Context, home: &Path) -> Result<(), Failure> {
    let runs = Client::new(crate::target::Target::without_token(context.global())?)?.get("/health", &[]).await.is_ok();
    ensure!(!runs, running());
    note(context, home, ("key.prepare", json!({"key": "log"}))).await?;
    let data = context.folder()?;
    let mut config = NodeConfig::read(&data)?;
    let id = home.file_name().and_then(|it| it.to_str()).unwrap_or_default().to_owned();
    let one = config.organisation.iter_mut().find(|it| it.id.as_str() == id).ok_or_else(running)?;
    let ring = KeyRing::renew_log(&home.join("keys"), one.epoch)?;
    one.epoch += 1;
    let mut card = read(&home.join("card.json"))?;
    card.keys.log.origin.epoch = one.epoch;
    card.keys.log.key = ring.log.public();
    config.write(&data)?;
    let path = home.join("card.json");
    write(&path, &card)?;
    told(context, &path, &card);
    Ok(())
}

fn only_messages() -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "key.suite",
        "只有消息密钥可选套件：yunhe key rotate messages --suite sm2-sm3；连接与日志密钥不变",
        "only message keys have a suite to choose: yunhe key rotate messages --suite sm2-sm3; TLS and log keep theirs",
    )
}

fn running() -> Problem {
    Problem::new(
        Kind::Conflict,
        "key.running",
        "节点正在运行；更换日志密钥前请先停止：systemctl stop yunhe",
        "the node runs; stop it before its log is changed: systemctl stop yunhe",
    )
}
