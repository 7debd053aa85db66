//! `yunhe catalog template | lists | conflicts`: the guide's Excel template, the lists kept by law, data collected
//! twice.

use crate::client::encoded;
use crate::context::Context;
use crate::exit::{Failure, file_problem};
use crate::output::{Voice, cell, table};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Examples of both.
pub const EXAMPLES: &str = "\
示例 Examples:
  yunhe catalog template export --blank --out 模板.xlsx --data ./node --as cataloguer
  yunhe catalog template import 填好的.xlsx --duty market-registration --data ./node --as cataloguer
  yunhe catalog template export --owner 省交通运输厅 --out 目录.xlsx --data ./node --as cataloguer";
const EXAMPLES_OF_LISTS: &str = "\
示例 Examples:
  yunhe catalog lists supply --class base --data ./node --as cataloguer
  yunhe catalog lists negative --data ./node --as cataloguer";

/// The template in and out.
#[derive(Debug, Subcommand)]
pub enum Act {
    /// 导入填好的模板：全部成为草稿或变更，有一处不对则一条不导 Import a filled file: all of it, or none
    #[command(after_help = EXAMPLES)]
    Import {
        /// 文件（.xlsx） The file
        file: PathBuf,
        /// 未写职责的条目所属的职责 The duty of those that name none
        #[arg(long)]
        duty: Option<String>,
        /// 未写信息系统的条目所在的系统 The information system of those that name none
        #[arg(long)]
        system: Option<String>,
    },
    /// 导出本单位的条目 Export our entries
    #[command(after_help = EXAMPLES)]
    Export {
        /// 写入此文件 Into this file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// 只导出此提供方（中文名称） Of this department alone, by its Chinese name
        #[arg(long)]
        owner: Option<String>,
        /// 只要空白模板 The heading alone
        #[arg(long)]
        blank: bool,
    },
}

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum List {
    /// 供给（责任）清单
    Supply,
    /// 负面清单：不予共享及其依据
    Negative,
}

/// A list that the law asks for.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_OF_LISTS)]
pub struct Lists {
    /// 清单 Which
    #[arg(value_enum)]
    list: List,
    /// 只看基础、主题或部门目录：base、theme、department Of one class alone
    #[arg(long)]
    class: Option<String>,
    /// 只看此提供方（中文名称） Of this department alone, by its Chinese name
    #[arg(long)]
    provider: Option<String>,
    /// 从此行之后（上一页的 next） Behind this line
    #[arg(long)]
    after: Option<String>,
    /// 条数 Lines at most
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

impl Act {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, voice) = (context.client()?, context.voice());
        match self {
            Self::Import { file, duty, system } => {
                let bytes = tokio::fs::read(&file).await.map_err(|it| file_problem(&file, &it))?;
                let asked = [("duty", &duty), ("system", &system)];
                let query: Vec<_> = asked.iter().filter_map(|(name, it)| Some((*name, it.as_deref()?))).collect();
                let value = client.stream("/v1/template", &query, bytes.into()).await.inspect_err(|problem| {
                    // Each flaw on a line of its own: a sheet is mended cell by cell.
                    let flaws = problem.more.get("flaws").cloned().unwrap_or_default();
                    if !voice.json && cell::list(&flaws, "").len() > 1 {
                        crate::output::print(&flaw_table(voice, &flaws));
                    }
                })?;
                voice.answer(&value, || imported(voice, &value));
            }
            Self::Export { out, owner, blank } => {
                let owner = owner.map_or(String::new(), |it| format!("&owner={}", encoded(&it)));
                let file = client.bytes(&format!("/v1/template?blank={blank}{owner}")).await?;
                tokio::fs::write(&out, &file).await.map_err(|it| file_problem(&out, &it))?;
                let value = json!({"file": out.display().to_string(), "bytes": file.len()});
                voice.answer(&value, || format!("{} {}", voice.pick("已写入", "written:"), out.display()));
            }
        }
        Ok(())
    }
}

fn rows(voice: Voice, value: &Value, pointers: &[&str]) -> Vec<Vec<String>> {
    let row = |it: &Value| pointers.iter().map(|at| cell::at(voice, it, at)).collect();
    cell::list(value, "").iter().map(row).collect()
}

fn flaw_table(voice: Voice, flaws: &Value) -> String {
    let titles = [("工作表", "Sheet"), ("单元格", "Cell"), ("问题", "What"), ("应为", "Expected")];
    table(voice, &titles, &rows(voice, flaws, &["/sheet", "/cell", "/what", "/expected"]))
}

fn imported(voice: Voice, value: &Value) -> String {
    let titles = [("条目", "Entry"), ("代码", "Code"), ("名称", "Name"), ("结果", "Outcome")];
    let mut rows = rows(voice, value, &["/entry", "/code", "/title", "/outcome"]);
    for row in &mut rows {
        row[3] = match row[3].as_str() {
            "new" => voice.pick("新建草稿", "new draft"),
            "changed" => voice.pick("已更改", "changed"),
            _ => voice.pick("未变", "same"),
        }
        .to_owned();
    }
    table(voice, &titles, &rows)
}

impl Lists {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, voice) = (context.client()?, context.voice());
        let limit = self.limit.to_string();
        let mut query = vec![("limit", limit.as_str())];
        let asked = [("class", &self.class), ("provider", &self.provider), ("after", &self.after)];
        query.extend(asked.iter().filter_map(|(name, it)| Some((*name, it.as_deref()?))));
        let path = if self.list == List::Supply { "/v1/lists/supply" } else { "/v1/lists/negative" };
        let value = client.get(path, &query).await?;
        voice.answer(&value, || {
            let titles = [
                ("提供方", "Provider"),
                ("代码", "Code"),
                ("名称", "Name"),
                ("类", "Class"),
                ("共享类型", "Sharing"),
                ("条件或依据", "Condition or basis"),
                ("周期", "Cycle"),
            ];
            let lines = value.get("lines").cloned().unwrap_or_default();
            let pointers = ["/provider", "/code", "/title", "/class", "/share", "/basis", "/cycle"];
            let next = cell::at(voice, &value, "/next");
            let more = if next.is_empty() { String::new() } else { format!("--after {next}\n") };
            format!("{}{more}", table(voice, &titles, &rows(voice, &lines, &pointers)))
        });
        Ok(())
    }
}

/// What is collected a second time.
pub async fn conflicts(context: &Context) -> Result<(), Failure> {
    let (client, voice) = (context.client()?, context.voice());
    let value = client.get("/v1/second-sources", &[]).await?;
    voice.answer(&value, || {
        let titles = [
            ("数据元", "Element"),
            ("来源部门", "Source"),
            ("其条目", "Its entry"),
            ("重复采集", "Collected again by"),
            ("条目", "Entry"),
            ("依据", "Ground"),
        ];
        let pointers = ["/element", "/source", "/source_entry", "/department", "/entry", "/ground"];
        table(voice, &titles, &rows(voice, &value, &pointers))
    });
    Ok(())
}
