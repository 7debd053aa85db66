//! `yunhe restore`: puts a backup back as the beginning of a new epoch, and says what is to be done next.

use super::backup::passphrase;
use crate::context::Context;
use crate::exit::{Failure, file_problem};
use crate::output::{cell, table};
use clap::Args;
use node::{NodeConfig, RestoreAsk, SystemClock};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use vocabulary::{Kind, Problem, ensure};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe restore /backup/2026-11-24 --data ./node                       （./node 中留有 yunhe.toml 与 keys）
  yunhe restore /backup/2026-11-24 --data ./new --passphrase-file ./passphrase

恢复之后 Then:
  1. 公布新日志 announce the new log:
     yunhe federation rotate ./node/<id>/card.json --log members.json --out entry.json
     各创始单位 each founder: yunhe federation sign entry.json --data …
     枢纽 at the hub: yunhe federation submit entry.json
  2. yunhe serve --data ./node    其他成员所持的协议、申请、回执自动取回；在此之前不交付
     what other members hold is fetched back by itself; nothing is delivered before that";

/// 从备份恢复：开始新的日志纪元；已有数据不会覆盖。
/// Put a backup back: a new epoch of the log begins; nothing that is there is written over.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Restore {
    /// 备份目录 The backup
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    /// 打开密封的密钥 Opens the sealed keys, where the folder has none
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// 数据库地址（PostgreSQL 备份、配置中没有时） The database, where no configuration names it
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// 备份过旧也恢复 Though the backup is old
    #[arg(long)]
    allow_old: bool,
}

impl Restore {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let folder = context.global().data.clone().ok_or_else(no_folder)?;
        let mut config = self.config(&folder)?;
        let passphrase = self.passphrase_file.as_deref().map(passphrase).transpose()?;
        let mut done = Vec::new();
        for at in 0..config.organisation.len() {
            let one = config.organisation[at].clone();
            if context.global().org.as_ref().is_some_and(|it| it != one.id.as_str()) {
                continue;
            }
            let ask = RestoreAsk {
                backup: &self.backup.join(one.id.as_str()),
                home: &folder.join(one.id.as_str()),
                addresses: config.peer.iter().map(ToString::to_string).collect(),
                passphrase: passphrase.as_deref(),
                allow_old: self.allow_old,
                config: one,
            };
            let restored = node::restore(ask, &config.federation, &SystemClock).await?;
            config.organisation[at] = restored.config.clone();
            // After each one, so that none loses its epoch if the next one fails.
            config.write(&folder)?;
            done.push(restored);
        }
        let value = Value::from_iter(done.iter().map(|it| {
            json!({"organisation": it.config.id, "from": it.manifest.at, "log": it.card.keys.log.origin,
                   "before": it.manifest.log.origin, "size": it.manifest.log.size,
                   "card": folder.join(it.config.id.as_str()).join("card.json").display().to_string()})
        }));
        let voice = context.voice();
        voice.answer(&value, || {
            let row = |it: &Value| {
                ["/organisation", "/from", "/before", "/size", "/log", "/card"]
                    .iter()
                    .map(|at| cell::at(voice, it, at))
                    .collect()
            };
            let rows: Vec<Vec<String>> = cell::list(&value, "").iter().map(row).collect();
            let titles = [
                ("单位", "Organisation"),
                ("备份时刻", "Backup of"),
                ("原日志", "Log before"),
                ("叶数", "Leaves"),
                ("新日志", "Log now"),
                ("名片", "Card"),
            ];
            let next = voice.pick(
                "下一步：由创始成员公布新日志（yunhe federation rotate 名片 …），然后 yunhe serve",
                "next: the founders announce the new log (yunhe federation rotate CARD …), then yunhe serve",
            );
            format!("{}{next}\n", table(voice, &titles, &rows))
        });
        Ok(())
    }

    /// The configuration in the folder, or the backup's.
    fn config(&self, folder: &Path) -> Result<NodeConfig, Problem> {
        let there = folder.join("yunhe.toml").is_file();
        let mut config = NodeConfig::read(if there { folder } else { &self.backup })?;
        if let Some(url) = &self.database {
            config.organisation.iter_mut().for_each(|it| it.database.clone_from(url));
        }
        let named = config.organisation.iter().all(|it| it.database != "postgres");
        ensure!(named, no_database());
        fs::create_dir_all(folder).map_err(|it| file_problem(folder, &it))?;
        Ok(config)
    }
}

fn no_folder() -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "cli.folder",
        "请用 --data 指明要恢复到的目录",
        "name the folder to restore into by --data",
    )
}

fn no_database() -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "backup.database",
        "备份来自 PostgreSQL；请用 --database postgres://… 指明恢复到哪个数据库",
        "the backup is of PostgreSQL; name the database to restore into by --database postgres://…",
    )
}
