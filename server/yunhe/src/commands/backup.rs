//! `yunhe backup`: a backup of the node, made beside it while it runs, and checked without one.

use crate::context::Context;
use crate::exit::{Failure, file_problem};
use crate::output::{Voice, cell, facts, table};
use clap::{Args, Subcommand};
use node::{Manifest, NodeConfig, SystemClock};
use serde_json::{Value, json};
use signing::PublicKey;
use std::fs;
use std::path::{Path, PathBuf};
use vocabulary::{Kind, Problem};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe backup /backup/2026-11-24 --data ./node
  yunhe backup /backup/2026-11-24 --data ./node --passphrase-file ./passphrase    （密钥一并密封 keys too, sealed）
  yunhe backup verify /backup/2026-11-24                                           （离线 offline）

备份含个人数据，请存放在加密磁盘上。Backups hold what the database holds: keep them on an encrypted disk.
恢复 To put one back: yunhe restore --help";

/// 备份节点：数据库、文件，可选密钥；节点可照常运行。
/// Back the node up: database, files, keys if wanted; the node may go on.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Backup {
    #[command(subcommand)]
    act: Option<Act>,
    /// 写入此目录（新建） The folder to make
    #[arg(required = true, value_name = "DIR")]
    out: Option<PathBuf>,
    /// 连同密钥与令牌，以此文件中的口令密封 With keys and tokens, sealed under the passphrase in this file
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// 离线核验备份：文件、摘要、签名 Check a backup without a node: files, digests, signature
    Verify {
        /// 备份目录 The backup
        #[arg(value_name = "DIR")]
        backup: PathBuf,
        /// 签名须出自此公钥 The key that must have signed (ed25519-sha256:…)
        #[arg(long, value_name = "KEY")]
        key: Option<PublicKey>,
    },
}

impl Backup {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let voice = context.voice();
        match (self.act, self.out) {
            (Some(Act::Verify { backup, key }), _) => verify(voice, &backup, key).await,
            (None, Some(out)) => {
                let folder = context.folder()?;
                let config = NodeConfig::read(&folder)?;
                let passphrase = self.passphrase_file.as_deref().map(passphrase).transpose()?;
                let made = node::back_up(&folder, &config, &out, passphrase.as_deref(), &SystemClock).await?;
                show(voice, &out, &made.iter().map(|it| (it, None)).collect::<Vec<_>>());
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }
}

/// The first line of a file that only its owner reads.
pub(super) fn passphrase(path: &Path) -> Result<String, Problem> {
    let text = fs::read_to_string(path).map_err(|it| file_problem(path, &it))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

async fn verify(voice: Voice, backup: &Path, wanted: Option<PublicKey>) -> Result<(), Failure> {
    let mut all = Vec::new();
    for one in node::organisations_in(backup)? {
        let (manifest, key) = node::verify_backup(&one).await.map_err(Failure::unproven)?;
        if wanted.is_some_and(|it| it != key) {
            return Err(Failure::unproven(other_key(&key)));
        }
        all.push((manifest, key));
    }
    show(voice, backup, &all.iter().map(|(manifest, key)| (manifest, Some(*key))).collect::<Vec<_>>());
    Ok(())
}

fn other_key(key: &PublicKey) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "backup.signature",
        format!("备份由 {key} 签名，不是指定的公钥"),
        format!("the backup was signed by {key}, which is not the key that was named"),
    )
}

fn show(voice: Voice, folder: &Path, all: &[(&Manifest, Option<PublicKey>)]) {
    let value = Value::from_iter(all.iter().map(|(it, key)| {
        let bytes: u64 = it.files.values().map(|it| it.bytes).sum();
        json!({"organisation": it.organisation, "at": it.at, "database": it.database, "log": it.log.origin,
               "size": it.log.size, "root": it.log.root, "waiting": it.log.waiting, "files": it.files.len(),
               "bytes": bytes, "keys": it.keys, "version": it.version, "signed_by": key})
    }));
    voice.answer(&value, || {
        let row = |it: &Value| {
            let at = |pointer: &str| cell::at(voice, it, pointer);
            let bytes = cell::number(it, "/bytes").map(cell::bytes).unwrap_or_default();
            vec![at("/organisation"), at("/at"), at("/database"), at("/size"), at("/files"), bytes, at("/keys")]
        };
        let rows: Vec<Vec<String>> = cell::list(&value, "").iter().map(row).collect();
        let titles = [
            ("单位", "Organisation"),
            ("时刻", "Moment"),
            ("数据库", "Database"),
            ("日志叶数", "Leaves"),
            ("文件", "Files"),
            ("大小", "Size"),
            ("含密钥", "Keys"),
        ];
        let place = facts(voice, &[("备份", "Backup", folder.display().to_string())]);
        format!("{}{place}", table(voice, &titles, &rows))
    });
}
