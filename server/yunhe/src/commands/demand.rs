//! `yunhe demand`: asks for data that is in no catalogue, and sees it claimed, compiled, published.

use crate::client::encoded;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Voice, cell, facts, table};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;

const EXAMPLES: &str = "\
示例 Examples:
  yunhe demand ask water-use --file demand.json --data ./node --as requester
  yunhe demand assign water-use --duty water --data ./node --as approver
  yunhe demand accept water-use --entry water-use --code 307010001 --data ./node --as cataloguer
  yunhe demand list --unheard --data ./node --as requester";

/// 需求：目录中没有的数据，提出、交办、认领。Demands for data that are in no catalogue.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Demand {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 提出需求 Ask for data
    Ask {
        /// 需求名称（小写字母、数字、连字符） Its name
        name: String,
        /// 文件（JSON）：{"title": {"zh": …, "en": …}, "items": […], "basis": …} The file
        #[arg(long)]
        file: PathBuf,
    },
    /// 交办给职责所属部门（主管部门） Assign it to the department that holds the duty
    Assign {
        /// 需求 Its name
        name: String,
        /// 职责 The duty
        #[arg(long)]
        duty: String,
    },
    /// 认领：开始编制条目 Take it: an entry is begun
    Accept {
        /// 需求 Its name
        name: String,
        /// 条目名称 The entry
        #[arg(long)]
        entry: String,
        /// 代码前段 The front of its code
        #[arg(long, value_name = "FRONT")]
        code: Option<String>,
    },
    /// 拒绝 Refuse it
    Refuse {
        /// 需求 Its name
        name: String,
        /// 理由 Why
        #[arg(long)]
        reason: String,
    },
    /// 标为已知悉（提出人） Mark how it ended as heard
    Hear {
        /// 需求 Its name
        name: String,
    },
    /// 需求清单 List them
    List {
        /// 只看此状态：asked、assigned、accepted、fulfilled、refused Only in this state
        #[arg(long)]
        state: Option<String>,
        /// 只看此部门（中文名称） Only of this department
        #[arg(long)]
        owner: Option<String>,
        /// 我提出的、已办结而尚未知悉的 Mine that ended, not yet heard
        #[arg(long)]
        unheard: bool,
        /// 从此名称之后（上一页的最后一项） Behind this name, the last of the page before
        #[arg(long, value_name = "NAME")]
        after: Option<String>,
        /// 条数 At most so many
        #[arg(long)]
        limit: Option<u32>,
    },
    /// 一项需求及其经过 One, with its history
    Show {
        /// 需求 Its name
        name: String,
    },
}

impl Demand {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, voice) = (context.client()?, context.voice());
        let (name, body) = match self.act {
            Act::List { state, owner, unheard, after, limit } => {
                let unheard = if unheard { "true" } else { "false" };
                let mut query = vec![("unheard", unheard)];
                let limit = limit.map(|it| it.to_string());
                let asked = [("state", &state), ("owner", &owner), ("after", &after), ("limit", &limit)];
                query.extend(asked.iter().filter_map(|(name, it)| Some((*name, it.as_deref()?))));
                let value = client.get("/v1/demands", &query).await?;
                voice.answer(&value, || listed(voice, &value));
                return Ok(());
            }
            Act::Show { name } => {
                let value = client.get(&format!("/v1/demands/{}", encoded(&name)), &[]).await?;
                voice.answer(&value, || shown(voice, &value));
                return Ok(());
            }
            Act::Ask { name, file } => (name, json!({"act": "ask", "wanted": super::compile::json_file(&file)?})),
            Act::Assign { name, duty } => (name, json!({"act": "assign", "duty": duty})),
            Act::Accept { name, entry, code } => (name, json!({"act": "accept", "entry": entry, "front": code})),
            Act::Refuse { name, reason } => (name, json!({"act": "refuse", "reason": reason})),
            Act::Hear { name } => (name, json!({"act": "hear"})),
        };
        let value = client.post(&format!("/v1/demands/{}/acts", encoded(&name)), &body).await?;
        voice.answer(&value, || shown(voice, &value));
        Ok(())
    }
}

fn state_title(voice: Voice, word: &str) -> String {
    let known = catalog::compile::DemandState::ALL.into_iter().find(|it| it.word() == word);
    known.map_or_else(
        || word.to_owned(),
        |it| {
            let title = it.title();
            voice.pick(&title.zh, &title.en).to_owned()
        },
    )
}

fn listed(voice: Voice, value: &Value) -> String {
    let row = |it: &Value| {
        let at = |pointer| cell::at(voice, it, pointer);
        let late = if at("/overdue") == "true" { voice.pick(" 超期", " overdue") } else { "" };
        let state = state_title(voice, &at("/demand/state"));
        vec![
            at("/name"),
            at("/demand/wanted/title"),
            state,
            at("/demand/department"),
            format!("{}{late}", at("/demand/due")),
        ]
    };
    let titles = [("需求", "Demand"), ("名称", "Title"), ("状态", "State"), ("部门", "Department"), ("限于", "Due")];
    table(voice, &titles, &cell::list(value, "").iter().map(row).collect::<Vec<_>>())
}

fn shown(voice: Voice, value: &Value) -> String {
    let at = |pointer: &str| cell::at(voice, value, pointer);
    let text = facts(
        voice,
        &[
            ("需求", "Demand", at("/name")),
            ("名称", "Title", at("/demand/wanted/title")),
            ("信息项", "Items", at("/demand/wanted/items")),
            ("依据", "Basis", at("/demand/wanted/basis")),
            ("状态", "State", state_title(voice, &at("/demand/state"))),
            ("职责", "Duty", at("/demand/duty")),
            ("部门", "Department", at("/demand/department")),
            ("条目", "Entry", at("/demand/entry")),
            ("拒绝理由", "Refused", at("/demand/refused")),
            ("限于", "Due", at("/demand/due")),
        ],
    );
    let row = |it: &Value| ["/version", "/act", "/actor", "/at", "/why"].map(|at| cell::at(voice, it, at)).to_vec();
    let rows: Vec<Vec<String>> = cell::list(value, "/history").iter().map(row).collect();
    if rows.is_empty() {
        return text;
    }
    let titles = [("版", "Version"), ("动作", "Act"), ("何人", "By"), ("何时", "At"), ("理由", "Why")];
    format!("{text}{}", table(voice, &titles, &rows))
}
