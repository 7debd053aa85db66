//! `yunhe catalog`: find what data exist, in Chinese or English, and gather the catalogues of members. How an entry
//! comes into the catalogue stands in `compile`.

use super::{compile, propose, report, template};
use crate::client::encoded;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Voice, cell, facts, table};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe catalog search 法人 --sharing conditional --data ./hub
  yunhe catalog search 'air quality' --lang en --data ./hub
  yunhe catalog show 102001001/000001 --data ./hub
  yunhe catalog draft entry.json --data ./node --as cataloguer
  yunhe catalog submit enterprise-base --data ./node --as cataloguer
  yunhe catalog check enterprise-base --data ./node --as checker
  yunhe catalog publish enterprise-base --review 密审1号 --reviewed-by 保密办 --reviewed-on 2026-11-23 \\
        --data ./node --as approver
  yunhe catalog propose ./exports --code 307010001 --duty transport --data ./node --as cataloguer
  yunhe catalog template import 目录.xlsx --duty transport --data ./node --as cataloguer
  yunhe catalog harvest js-scjg --data ./hub --as cataloguer
  yunhe catalog reports --state returned --data ./node --as cataloguer
  yunhe catalog send-back jn-gxj/enterprise-base --reason 摘要不完整 --data ./city --as approver
  yunhe catalog number jn-gxj/enterprise-base 320000-M-0017 --data ./hub --as approver";

/// 目录：编制、检索、查看、汇聚。The catalogue: compile, search, show, harvest.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Catalog {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 检索，并按各方面计数 Search, with counts by facet
    Search(Search),
    /// 查看一个条目：目录代码查目录，条目名称查编制 One entry: by code as published, by name as compiled
    Show {
        /// 目录代码或条目名称 Its code, or its name
        which: String,
    },
    #[command(flatten)]
    Compile(compile::Act),
    #[command(flatten)]
    Report(report::Act),
    /// 指南的 Excel 模板 The guide's Excel template
    #[command(subcommand, after_help = template::EXAMPLES)]
    Template(template::Act),
    /// 由 CSV 文件、目录或 yunhe.toml 中的连接建议条目；人勾选后成草稿 Propose entries from a CSV file, a folder of them or a
    /// connection in yunhe.toml; what is ticked is drafted
    Propose(propose::Propose),
    /// 法定清单：供给、负面 Lists kept by law: supply, negative
    Lists(template::Lists),
    /// 一数多源的冲突清单 What is collected a second time
    Conflicts,
    /// 撤下本单位的条目 Withdraw an entry of our own
    Withdraw {
        /// 条目名称 Its name
        entry: String,
    },
    /// 汇聚成员的目录 Take over a member's catalogue
    Harvest {
        /// 成员 The member
        member: String,
    },
}

#[derive(Args, Debug)]
struct Search {
    /// 检索词 The words
    #[arg(default_value = "")]
    words: String,
    /// 提供方 The provider
    #[arg(long)]
    owner: Option<String>,
    /// 主题 The theme
    #[arg(long)]
    theme: Option<String>,
    /// 类 The class
    #[arg(long)]
    class: Option<String>,
    /// 级别 The grade
    #[arg(long)]
    grade: Option<String>,
    /// 共享类型 The sharing type
    #[arg(long)]
    sharing: Option<String>,
    /// 更新周期 The update cycle
    #[arg(long)]
    cycle: Option<String>,
    /// 条数 Hits at most
    #[arg(long, default_value_t = 10)]
    limit: u32,
    /// 跳过 Hits to skip
    #[arg(long, default_value_t = 0)]
    offset: u32,
}

impl Catalog {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let voice = context.voice();
        match self.act {
            Act::Search(it) => {
                let (limit, offset) = (it.limit.to_string(), it.offset.to_string());
                let mut query = vec![("q", it.words.as_str()), ("limit", &limit), ("offset", &offset)];
                let facets = [
                    ("owner", &it.owner),
                    ("theme", &it.theme),
                    ("class", &it.class),
                    ("grade", &it.grade),
                    ("sharing", &it.sharing),
                    ("cycle", &it.cycle),
                ];
                query.extend(facets.iter().filter_map(|(name, it)| Some((*name, it.as_deref()?))));
                let value = client.get("/v1/catalog", &query).await?;
                voice.answer(&value, || found(voice, &value));
            }
            // A code begins with a digit, a name with a letter.
            Act::Show { which } if which.starts_with(|it: char| it.is_ascii_alphabetic()) => {
                let value = client.get(&format!("/v1/compilations/{}", encoded(&which)), &[]).await?;
                voice.answer(&value, || compile::shown(voice, &value));
            }
            Act::Show { which } => {
                let value = client.get(&format!("/v1/catalog/{}", encoded(&which)), &[]).await?;
                voice.answer(&value, || {
                    entry_lines(voice, super::pack::items(&value, "entries").first().unwrap_or(&value))
                });
            }
            Act::Compile(act) => return act.run(context).await,
            Act::Report(act) => return act.run(context).await,
            Act::Template(act) => return act.run(context).await,
            Act::Propose(it) => return it.run(context).await,
            Act::Lists(it) => return it.run(context).await,
            Act::Conflicts => return template::conflicts(context).await,
            Act::Withdraw { entry } => {
                let value = client.delete(&format!("/v1/catalog/{}", encoded(&entry)), &[]).await?;
                voice.answer(&value, || voice.pick("条目已撤下", "the entry is withdrawn").to_owned());
            }
            Act::Harvest { member } => {
                let value = client.post("/v1/catalog/harvest", &json!({ "member": member })).await?;
                voice.answer(&value, || {
                    let taken = cell::at(voice, &value, "/taken");
                    voice
                        .pick(
                            &format!("已从 {member} 汇聚 {taken} 条"),
                            &format!("took {taken} entries over from {member}"),
                        )
                        .to_owned()
                });
            }
        }
        Ok(())
    }
}

fn found(voice: Voice, value: &Value) -> String {
    let rows: Vec<Vec<String>> = cell::list(value, "/hits")
        .iter()
        .map(|it| {
            ["/code", "/title", "/provider", "/share", "/grade", "/cycle"]
                .iter()
                .map(|at| cell::at(voice, it, at))
                .collect()
        })
        .collect();
    let titles = [
        ("代码", "Code"),
        ("名称", "Name"),
        ("提供方", "Provider"),
        ("共享类型", "Sharing"),
        ("级别", "Grade"),
        ("更新周期", "Cycle"),
    ];
    let total = cell::number(value, "/total").map(cell::grouped).unwrap_or_default();
    let mut text = format!("{} {total}\n{}", voice.pick("命中", "hits:"), table(voice, &titles, &rows));
    for (facet, counts) in value.get("facets").and_then(Value::as_object).into_iter().flatten() {
        let pair = |it: &Value| format!("{} {}", cell::at(voice, it, "/0"), cell::at(voice, it, "/1"));
        let counts: Vec<String> = cell::list(counts, "").iter().map(pair).collect();
        text.push_str(&format!("{facet}: {}\n", counts.join(" · ")));
    }
    text
}

/// All members of an object, one a line; what is nested stays JSON.
fn entry_lines(voice: Voice, value: &Value) -> String {
    let value = value.get("entry").filter(|it| it.is_object()).unwrap_or(value);
    let pairs: Vec<(&str, &str, String)> = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, it)| (name.as_str(), name.as_str(), cell::text(voice, it)))
        .collect();
    facts(voice, &pairs)
}
