//! `yunhe catalog draft | submit | check | return | publish | change | revoke | discard | list`: an entry's way into
//! the catalogue.

use super::pack::Review;
use crate::client::{Client, encoded};
use crate::context::Context;
use crate::exit::{Failure, file_problem, json_problem};
use crate::output::{Voice, cell, facts, table};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use vocabulary::{Kind, Problem};

#[derive(Debug, Subcommand)]
pub enum Act {
    /// 编制条目，或修改草稿 Draft an entry, or go on with it
    Draft {
        /// 条目文件（JSON）：{"entry": {…}, "links": {"duty": …}} The file: entry and links
        file: PathBuf,
    },
    /// 提交部门审核 Submit a draft to the department's check
    Submit {
        /// 条目名称 Its name
        entry: String,
    },
    /// 部门审核通过 Pass it on to the authority, as the department's checker
    Check {
        /// 条目名称 Its name
        entry: String,
    },
    /// 退回编制人 Return it to its cataloguer
    Return {
        /// 条目名称 Its name
        entry: String,
        /// 退回理由 What is to be mended
        #[arg(long)]
        reason: String,
    },
    /// 主管部门审核通过并发布；给出文件则直接发布未经编制流程的条目 Publish what was checked, as the authority; a file is published directly
    Publish {
        /// 条目名称，或条目文件（JSON） The entry's name, or its file
        target: String,
        #[command(flatten)]
        review: Review,
    },
    /// 变更已发布的条目；原条目在新版发布前仍可查到 Open the next revision of what is published; the old one stays found
    Change {
        /// 条目名称 Its name
        entry: String,
        /// 新内容（JSON，同 draft） The new text, as for draft
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// 撤销已发布的条目（主管部门） Take it out of the catalogue, as the authority
    Revoke {
        /// 条目名称 Its name
        entry: String,
        /// 撤销理由 Why
        #[arg(long)]
        reason: String,
    },
    /// 放弃草稿 Give a draft up
    Discard {
        /// 条目名称 Its name
        entry: String,
        /// 放弃理由 Why
        #[arg(long)]
        reason: String,
    },
    /// 编制中的条目 Entries on their way
    List {
        /// 只看此状态：draft、department-check、authority-check、published、revoked Only in this state
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        page: Page,
    },
}

/// Which of a list.
#[derive(Args, Debug)]
pub struct Page {
    /// 只看此部门（中文名称） Only of this department, by its Chinese name
    #[arg(long)]
    owner: Option<String>,
    /// 从此名称之后 Behind this name
    #[arg(long)]
    after: Option<String>,
    /// 条数 At most
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

impl Page {
    /// Asks for it, and for what else is given.
    pub async fn of(&self, client: &Client, path: &str, more: &[(&str, Option<&str>)]) -> Result<Value, Problem> {
        let limit = self.limit.to_string();
        let mut query = vec![("limit", limit.as_str())];
        let own = [("owner", self.owner.as_deref()), ("after", self.after.as_deref())];
        let asked = own.into_iter().chain(more.iter().copied());
        query.extend(asked.into_iter().filter_map(|(name, it)| Some((name, it?))));
        client.get(path, &query).await
    }
}

/// Reads JSON from a file.
pub fn json_file(path: &Path) -> Result<Value, Problem> {
    let bytes = std::fs::read(path).map_err(|it| file_problem(path, &it))?;
    serde_json::from_slice(&bytes).map_err(|it| json_problem(&path.display().to_string(), &it))
}

impl Act {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, voice) = (context.client()?, context.voice());
        let (entry, body) = match self {
            Self::List { state, page } => {
                let value = page.of(&client, "/v1/compilations", &[("state", state.as_deref())]).await?;
                voice.answer(&value, || listed(voice, &value));
                return Ok(());
            }
            Self::Publish { target, review } if Path::new(&target).is_file() => {
                let body = json!({"entry": json_file(Path::new(&target))?, "review": review.json()});
                let value = client.post("/v1/catalog", &body).await?;
                voice.answer(&value, || voice.pick("条目已发布", "the entry is published").to_owned());
                return Ok(());
            }
            Self::Draft { file } => drafted(&file)?,
            Self::Submit { entry } => (entry, json!({"act": "submit"})),
            Self::Check { entry } => (entry, json!({"act": "check"})),
            Self::Return { entry, reason } => (entry, json!({"act": "return", "reason": reason})),
            Self::Publish { target, review } => (target, json!({"act": "publish", "review": review.json()})),
            Self::Change { entry, file } => {
                let mut body = file.map_or(Ok(json!({})), |it| json_file(&it))?;
                body["act"] = json!("change");
                (entry, body)
            }
            Self::Revoke { entry, reason } => (entry, json!({"act": "revoke", "reason": reason})),
            Self::Discard { entry, reason } => (entry, json!({"act": "discard", "reason": reason})),
        };
        let value = client.post(&format!("/v1/compilations/{}/acts", encoded(&entry)), &body).await?;
        voice.answer(&value, || done(voice, &value));
        Ok(())
    }
}

/// The draft in a file, and the entry's name that it holds.
fn drafted(file: &Path) -> Result<(String, Value), Problem> {
    let mut body = json_file(file)?;
    let name = body.pointer("/entry/entry").and_then(Value::as_str).unwrap_or_default().to_owned();
    vocabulary::ensure!(
        !name.is_empty(),
        Problem::new(
            Kind::Unprocessable,
            "cli.entry",
            format!(
                "{} 中没有 entry.entry；请写条目名称，如 {{\"entry\": {{\"entry\": \"enterprise-base\"}}}}",
                file.display()
            ),
            format!("{} has no entry.entry: name the entry there", file.display()),
        )
    );
    body["act"] = json!("draft");
    Ok((name, body))
}

/// The word for a state as people read it.
fn state_title(voice: Voice, word: &str) -> String {
    let known = catalog::compile::State::ALL.into_iter().find(|it| it.word() == word);
    known.map_or_else(
        || word.to_owned(),
        |it| {
            let title = it.title();
            voice.pick(&title.zh, &title.en).to_owned()
        },
    )
}

fn done(voice: Voice, value: &Value) -> String {
    let state = state_title(voice, &cell::at(voice, value, "/state"));
    facts(
        voice,
        &[
            ("条目", "Entry", cell::at(voice, value, "/entry")),
            ("代码", "Code", cell::at(voice, value, "/code")),
            ("状态", "State", state),
            ("目录版次", "Revision", cell::at(voice, value, "/revision")),
        ],
    )
}

fn listed(voice: Voice, value: &Value) -> String {
    let row = |it: &Value| {
        let at = |pointer| cell::at(voice, it, pointer);
        vec![at("/entry"), at("/code"), at("/title"), at("/provider"), state_title(voice, &at("/state")), at("/since")]
    };
    let titles = [
        ("条目", "Entry"),
        ("代码", "Code"),
        ("名称", "Name"),
        ("提供方", "Provider"),
        ("状态", "State"),
        ("自", "Since"),
    ];
    table(voice, &titles, &cell::list(value, "").iter().map(row).collect::<Vec<_>>())
}

/// One compilation, with what stands in its way and its history.
pub fn shown(voice: Voice, value: &Value) -> String {
    let at = |pointer| cell::at(voice, value, pointer);
    let mut text = facts(
        voice,
        &[
            ("条目", "Entry", at("/entry")),
            ("代码", "Code", at("/compilation/draft/entry/code")),
            ("名称", "Name", at("/compilation/draft/entry/title")),
            ("提供方", "Provider", at("/compilation/draft/entry/provider")),
            ("状态", "State", state_title(voice, &at("/compilation/state"))),
            ("职责", "Duty", at("/compilation/draft/links/duty")),
            ("事项", "Matters", at("/compilation/draft/links/matters")),
            ("信息系统", "System", at("/compilation/draft/links/system")),
            ("挂接资源", "Resource", at("/compilation/draft/links/resource/name")),
            ("退回理由", "Returned", at("/compilation/returned")),
        ],
    );
    for flaw in cell::list(value, "/flaws") {
        let (place, what, remedy) = ("/pointer", "/what", "/remedy");
        let at = |pointer| cell::at(voice, flaw, pointer);
        text.push_str(&format!("{} {}: {}; {}\n", voice.pick("待改", "to mend"), at(place), at(what), at(remedy)));
    }
    for second in cell::list(value, "/second_sources") {
        let at = |pointer| cell::at(voice, second, pointer);
        let (source, entry, ground) = (at("/source"), at("/source_entry"), at("/ground"));
        let what = format!("{} ← {source} ({entry}) {ground}", at("/element"));
        text.push_str(&format!("{} {what}\n", voice.pick("一数多源", "second source")));
    }
    let row = |it: &Value| {
        let at = |pointer| cell::at(voice, it, pointer);
        vec![at("/version"), at("/act"), state_title(voice, &at("/state")), at("/actor"), at("/at"), at("/why")]
    };
    let titles = [("版", "Version"), ("动作", "Act"), ("至", "State"), ("何人", "By"), ("何时", "At"), ("理由", "Why")];
    let rows: Vec<Vec<String>> = cell::list(value, "/history").iter().map(row).collect();
    format!("{text}{}", table(voice, &titles, &rows))
}
