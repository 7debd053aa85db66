//! `yunhe duty | matter | system`: the chain behind the catalogue: duties, matters, information systems.

use super::compile::{Page, json_file};
use crate::client::encoded;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Voice, cell, facts, table};
use catalog::compile::ThingKind;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;

const EXAMPLES: &str = "\
示例 Examples:
  yunhe duty put duties.json --why 三定规定 --data ./node --as cataloguer
  yunhe system list --data ./node --as cataloguer
  yunhe system list --sleeping --days 90 --data ./node --as cataloguer
  yunhe system show enterprise-register --data ./node --as cataloguer
  yunhe system close enterprise-register --why 系统整合 --data ./node --as cataloguer";

/// 职责、事项或信息系统：登记、查看、关闭。Duties, matters or information systems.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Chain {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 登记或更改，全部成功或全部不动 Register or change them, all or none
    Put {
        /// 文件（JSON）：一个或一列 The file: one, or a list
        file: PathBuf,
        /// 原因，记入历史 Why, for the history
        #[arg(long)]
        why: String,
    },
    /// 清单 List them
    List {
        /// 只看此状态：open、closed Only in this state
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        page: Page,
        /// 信息系统：只看未接入的 Systems that are not connected
        #[arg(long, conflicts_with = "sleeping")]
        unconnected: bool,
        /// 信息系统：只看沉睡的（已接入而久无交付） Systems that are connected, and nothing is fetched from them
        #[arg(long)]
        sleeping: bool,
        /// 信息系统：多少天无交付为沉睡 After how many days without a delivery a system sleeps
        #[arg(long, default_value_t = node::SLEEPING_DAYS)]
        days: u16,
    },
    /// 一项及其支撑的条目与经过 One, with what it feeds and its history
    Show {
        /// 名称 Its name
        name: String,
        /// 截至某时刻 As of an instant
        #[arg(long, value_name = "TIMESTAMP")]
        as_of: Option<String>,
    },
    /// 关闭；仍支撑已发布条目时拒绝 Close it; refused while it feeds published entries
    Close {
        /// 名称 Its name
        name: String,
        /// 原因，记入历史 Why, for the history
        #[arg(long)]
        why: String,
        /// 虽仍支撑条目，亦关闭 Although it still feeds entries
        #[arg(long)]
        even_so: bool,
    },
}

impl Chain {
    /// Runs it for one kind of thing.
    pub async fn run(self, kind: ThingKind, context: &Context) -> Result<(), Failure> {
        let (client, voice) = (context.client()?, context.voice());
        match self.act {
            Act::Put { file, why } => {
                let mut things = match json_file(&file)? {
                    Value::Array(things) => things,
                    one => vec![one],
                };
                for thing in things.iter_mut().filter(|it| it.is_object() && it.get("kind").is_none()) {
                    thing["kind"] = json!(kind);
                }
                let value = client.post("/v1/chain", &json!({"things": things, "why": why})).await?;
                voice.answer(&value, || {
                    let (changed, same) = (cell::at(voice, &value, "/changed"), cell::at(voice, &value, "/same"));
                    let zh = format!("新增或更改 {changed} 项，未变 {same} 项");
                    voice.pick(&zh, &format!("{changed} new or changed, {same} as before")).to_owned()
                });
            }
            Act::List { state: None, page, unconnected, sleeping, days } if kind == ThingKind::System => {
                let wanted = match (unconnected, sleeping) {
                    (true, _) => Some("unconnected"),
                    (_, true) => Some("sleeping"),
                    _ => None,
                };
                let days = days.to_string();
                let value = page.of(&client, "/v1/systems", &[("connection", wanted), ("days", Some(&days))]).await?;
                voice.answer(&value, || systems(voice, &value));
            }
            Act::List { state, page, .. } => {
                let path = format!("/v1/chain/{}", kind.word());
                let value = page.of(&client, &path, &[("state", state.as_deref())]).await?;
                voice.answer(&value, || listed(voice, &value));
            }
            Act::Show { name, as_of } => {
                let query: Vec<_> = as_of.iter().map(|it| ("as_of", it.as_str())).collect();
                let value = client.get(&format!("/v1/chain/{}/{}", kind.word(), encoded(&name)), &query).await?;
                voice.answer(&value, || shown(voice, &value));
            }
            Act::Close { name, why, even_so } => {
                let even_so = if even_so { "true" } else { "false" };
                let path = format!("/v1/chain/{}/{}", kind.word(), encoded(&name));
                let value = client.delete(&path, &[("why", &why), ("even_so", even_so)]).await?;
                voice.answer(&value, || {
                    let fed = cell::list(&value, "/feeds").len();
                    let zh = format!("已关闭；仍指向它的有 {fed} 项");
                    voice.pick(&zh, &format!("closed; {fed} still lead to it")).to_owned()
                });
            }
        }
        Ok(())
    }
}

fn listed(voice: Voice, value: &Value) -> String {
    let row = |it: &Value| {
        let at = |pointer| cell::at(voice, it, pointer);
        vec![at("/thing/name"), at("/thing/title"), at("/thing/owner"), at("/thing/duty"), at("/state"), at("/since")]
    };
    let titles = [
        ("名称", "Name"),
        ("题名", "Title"),
        ("所属部门", "Owner"),
        ("职责", "Duty"),
        ("状态", "State"),
        ("自", "Since"),
    ];
    table(voice, &titles, &cell::list(value, "").iter().map(row).collect::<Vec<_>>())
}

fn systems(voice: Voice, value: &Value) -> String {
    let row = |it: &Value| {
        let at = |pointer| cell::at(voice, it, pointer);
        let connection = match at("/connection").as_str() {
            "unconnected" => voice.pick("未接入", "unconnected"),
            "sleeping" => voice.pick("沉睡", "sleeping"),
            _ => voice.pick("在用", "connected"),
        };
        let facts = ["/thing/name", "/thing/title", "/thing/owner", "/thing/cloud", "/thing/protection"].map(at);
        let rest = [connection.to_owned(), at("/entries"), at("/delivered")];
        facts.into_iter().chain(rest).collect()
    };
    let titles = [
        ("名称", "Name"),
        ("题名", "Title"),
        ("所属部门", "Owner"),
        ("所在云", "Cloud"),
        ("等保", "Protection"),
        ("接入", "Connection"),
        ("支撑条目", "Feeds"),
        ("最近交付", "Delivered"),
    ];
    table(voice, &titles, &cell::list(value, "").iter().map(row).collect::<Vec<_>>())
}

fn shown(voice: Voice, value: &Value) -> String {
    let at = |pointer: &str| cell::at(voice, value, pointer);
    let thing = |field: &str| at(&format!("/thing/{field}"));
    let text = facts(
        voice,
        &[
            ("名称", "Name", thing("name")),
            ("题名", "Title", thing("title")),
            ("所属部门", "Owner", thing("owner")),
            ("部门代码", "Owner's code", thing("owner_code")),
            ("依据", "Basis", thing("basis")),
            ("编码", "Code", thing("code")),
            ("职责", "Duty", thing("duty")),
            ("事项", "Matters", thing("matters")),
            ("所在云", "Cloud", thing("cloud")),
            ("保护等级", "Protection", thing("protection")),
            ("接入共享平台", "Connected", thing("connected")),
            ("状态", "State", at("/state")),
        ],
    );
    let user = |it: &Value| ["/kind", "/name", "/state", "/published"].map(|at| cell::at(voice, it, at)).to_vec();
    let users: Vec<Vec<String>> = cell::list(value, "/users").iter().map(user).collect();
    let titles = [("指向它的", "Led by"), ("名称", "Name"), ("状态", "State"), ("在目录中", "Published")];
    let past = |it: &Value| ["/version", "/act", "/actor", "/at", "/why"].map(|at| cell::at(voice, it, at)).to_vec();
    let history: Vec<Vec<String>> = cell::list(value, "/history").iter().map(past).collect();
    let acts = [("版", "Version"), ("动作", "Act"), ("何人", "By"), ("何时", "At"), ("原因", "Why")];
    format!("{text}{}{}", table(voice, &titles, &users), table(voice, &acts, &history))
}
