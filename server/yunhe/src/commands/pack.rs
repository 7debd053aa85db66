//! `yunhe pack`: check a pack's folder without a node, install it, list what is installed.

use crate::context::Context;
use crate::exit::{Failure, file_problem};
use crate::output::{cell, table};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use vocabulary::{Problem, ensure};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe pack check packs/legal-persons packs/divisions
  yunhe pack install packs/divisions packs/legal-persons --data ./node
  yunhe pack install packs/catalogue-samples --review 2026-017 --reviewed-by 办公室 --reviewed-on 2026-11-24 --data ./node
  yunhe pack list --data ./node";

/// 数据包：检查、安装、列出。Packs: check, install, list.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Pack {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 检查数据包，一次列出全部问题（无需节点） Check packs and name all findings at once; needs no node
    Check {
        /// 数据包目录，可多个；所依赖的包须一并给出 The packs' folders; with those that they need
        #[arg(required = true, value_name = "DIR")]
        folders: Vec<PathBuf>,
    },
    /// 安装数据包 Install packs, in this order
    Install {
        /// 数据包目录 The packs' folders
        #[arg(required = true, value_name = "DIR")]
        folders: Vec<PathBuf>,
        #[command(flatten)]
        review: Review,
    },
    /// 列出已安装的数据包 List the installed packs
    List,
}

/// The secrecy review (保密审查) without which nothing is published in a catalogue.
#[derive(Args, Debug)]
pub struct Review {
    /// 保密审查表编号；不给出则目录条目不发布 Number of the secrecy review; without it no catalogue entry is published
    #[arg(long, value_name = "NUMBER", requires_all = ["reviewed_by", "reviewed_on"])]
    review: Option<String>,
    /// 审查单位 The office that reviewed
    #[arg(long, value_name = "OFFICE")]
    reviewed_by: Option<String>,
    /// 审查日期 When
    #[arg(long, value_name = "DATE")]
    reviewed_on: Option<String>,
}

impl Review {
    /// As the interface wants it; nothing without a number.
    pub fn json(&self) -> Value {
        match &self.review {
            Some(number) => json!({"number": number, "by": self.reviewed_by, "on": self.reviewed_on}),
            None => Value::Null,
        }
    }
}

impl Pack {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.act {
            Act::Check { folders } => check(context, &folders),
            Act::Install { folders, review } => install(context, &folders, &review).await,
            Act::List => list(context).await,
        }
    }
}

/// The files of a pack's folder: path within it, with `/`, and text.
///
/// # Errors
/// `cli.file` for what cannot be read, or is too much for a pack.
pub fn files(folder: &Path) -> Result<BTreeMap<String, String>, Problem> {
    let mut files = BTreeMap::new();
    collect(folder, folder, &mut files)?;
    ensure!(files.contains_key("pack.yaml"), file_problem(&folder.join("pack.yaml"), &"no such file"));
    Ok(files)
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) -> Result<(), Problem> {
    for entry in fs::read_dir(folder).map_err(|it| file_problem(folder, &it))? {
        let path = entry.map_err(|it| file_problem(folder, &it))?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
            continue;
        }
        ensure!(files.len() < pack::FILES_MAX, file_problem(root, &"too many files"));
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        files.insert(name, fs::read_to_string(&path).map_err(|it| file_problem(&path, &it))?);
    }
    Ok(())
}

fn check(context: &Context, folders: &[PathBuf]) -> Result<(), Failure> {
    let mut all = BTreeMap::new();
    for folder in folders {
        all.insert(name(folder), files(folder)?);
    }
    let packs = pack::read_all(&all).map_err(|it| pack::problem(&it))?;
    let told: Vec<Value> = packs
        .iter()
        .map(|it| {
            json!({"id": it.id(), "title": it.manifest.title, "records": it.records.len(), "offers": it.offers.len(),
                   "entries": it.entries.len()})
        })
        .collect();
    let value = json!({ "packs": told });
    context.voice().answer(&value, || shown(context, cell::list(&value, "/packs")));
    Ok(())
}

fn name(folder: &Path) -> String {
    let full = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    full.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default()
}

async fn install(context: &Context, folders: &[PathBuf], review: &Review) -> Result<(), Failure> {
    let client = context.client()?;
    let mut installed = Vec::new();
    for folder in folders {
        installed.push(client.post("/v1/packs", &json!({"files": files(folder)?, "review": review.json()})).await?);
    }
    let value = Value::from(installed);
    context.voice().answer(&value, || shown(context, cell::list(&value, "")));
    Ok(())
}

async fn list(context: &Context) -> Result<(), Failure> {
    let value = context.client()?.get("/v1/packs", &[]).await?;
    context.voice().answer(&value, || shown(context, items(&value, "packs")));
    Ok(())
}

/// The list that an answer is, or that it holds under `name`.
pub fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.as_array().or_else(|| value.get(name)?.as_array()).map_or(&[], Vec::as_slice)
}

fn shown(context: &Context, packs: &[Value]) -> String {
    let voice = context.voice();
    let count = |it: &Value| it.as_array().map_or_else(|| cell::text(voice, it), |it| it.len().to_string());
    let rows: Vec<Vec<String>> = packs
        .iter()
        .map(|it| {
            let number = |name: &str| it.get(name).map(count).unwrap_or_default();
            vec![
                cell::at(voice, it, "/id"),
                cell::at(voice, it, "/title"),
                number("records"),
                number("offers"),
                number("entries"),
            ]
        })
        .collect();
    let titles = [
        ("数据包", "Pack"),
        ("名称", "Title"),
        ("记录类型", "Records"),
        ("共享条件", "Offers"),
        ("目录条目", "Entries"),
    ];
    table(voice, &titles, &rows)
}
