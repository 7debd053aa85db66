//! Restore 恢复: puts a backup back as the beginning of a new life. The log goes on under a later epoch and a new key,
//! whose first leaf names the old log as the backup knew it; every feed gets a new epoch; what others hold of the lost
//! time is fetched back (`reclaim`) before anything is delivered again.
//!
//! Invariants:
//! - the log of a restored organisation never goes on under the name that the lost life used: nothing is issued before
//!   the membership log names the new log and its key;
//! - no consumer gets a delivery before it has told which receipts of ours it holds, so no quota begins anew;
//! - no message that was signed before the restore is taken, since its nonce may have been used in the lost time.

use crate::{
    Clock, Organisation, OrganisationConfig,
    backup::{Manifest, broken, copy_tree, kind_of, sealed_keys, verify_backup, write_synced},
    make_card,
    organisation::{database_url, origin},
    store::{RECLAIMED, RECLAIMED_ADD, RECLAIMED_DROP, RESTORE, RESTORE_ADD, RESTORE_DONE},
};
use exchange::Nonce;
use jiff::ToSpan as _;
use policy::Principal;
use signing::{KeyRing, PublicKey};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::PoisonError,
};
use store::{Reader, Store, args, transact};
use vocabulary::{FederationName, Kind, OrganisationId, Problem, Timestamp, ensure, micros, timestamp_from_micros};

/// A backup older than this is not put back unless it is said so: what was erased since would be there again.
pub const BACKUP_DAYS_MAX: i64 = 90;
/// What others hold is asked for from this long before the backup on: clocks differ.
const MARGIN_HOURS: i64 = 1;
/// A signature is good this long before and after its time, and its nonce is kept twice as long.
const NONCE_SECONDS: i64 = 600;
/// While this file is there, a restore is under way or died.
const RESTORING: &str = "restoring";

/// What is to be put back, and where.
#[derive(Clone, Debug)]
pub struct RestoreAsk<'a> {
    /// The backup of one organisation.
    pub backup: &'a Path,
    /// The organisation's folder, where nothing is but perhaps its keys.
    pub home: &'a Path,
    /// Its configuration; the epoch is that of the last life, as far as is known.
    pub config: OrganisationConfig,
    /// Where it is dialled.
    pub addresses: Vec<String>,
    /// Opens the sealed keys, where the folder has none.
    pub passphrase: Option<&'a str>,
    /// Whether a backup that is older than [`BACKUP_DAYS_MAX`] may be put back.
    pub allow_old: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The configuration from now on: with the new epoch.
    pub config: OrganisationConfig,
    /// The card with the new log, for the founders.
    pub card: crate::Card,
    /// What was put back.
    pub manifest: Manifest,
}

/// Where an organisation stands after a restore.
#[derive(Clone, Debug)]
pub(crate) struct AfterRestore {
    /// When it was restored.
    pub at: Timestamp,
    /// From when on others are asked.
    pub since: Timestamp,
    /// Who has told what it holds.
    pub told: BTreeSet<OrganisationId>,
    /// Whether everybody has.
    pub done: bool,
}

/// Puts the backup of one organisation back.
///
/// # Errors
/// `backup.…` when the backup does not hold, is another organisation's or too old; `backup.keys` when there are no
/// keys; `store.occupied` when there are data already.
pub async fn restore(ask: RestoreAsk<'_>, federation: &FederationName, clock: &dyn Clock) -> Result<Restored, Problem> {
    let (manifest, signer) = verify_backup(ask.backup).await?;
    let now = clock.now();
    check(&manifest, &ask, federation, now)?;
    fs::create_dir_all(ask.home).map_err(|it| broken(ask.home, &it))?;
    let marker = ask.home.join(RESTORING);
    put_keys(&ask, &signer)?;
    write_synced(&marker, manifest.at.to_string().as_bytes())?;
    let mut config = ask.config.clone();
    config.epoch = config.epoch.max(manifest.log.origin.epoch) + 1;
    let (url, schema) = database_url(ask.home, &config);
    Store::load(&url, &schema, &ask.backup.join("database")).await?;
    copy_tree(&ask.backup.join("blob"), &ask.home.join("blob"), &mut Vec::new())?;
    // A new key: a log of the same epoch that an earlier restore began must not be gone on with by this one.
    let ring = KeyRing::renew_log(&ask.home.join("keys"), manifest.log.origin.epoch)?;
    let store = Store::open(&url, &schema).await?;
    crate::organisation::migrate(&store).await?;
    let (next, salt) = (origin(federation, &config)?, crate::draw_salt()?);
    let since = manifest.at.saturating_sub(MARGIN_HOURS.hours()).unwrap_or(Timestamp::MIN);
    let (principal, of_act) = (Principal::job(config.id.clone(), "machine", []), crate::draw_salt()?);
    let about = serde_json::json!({
        "backup": manifest.at, "log": manifest.log.origin, "size": manifest.log.size, "next": next,
    });
    transact!(store, None, |tx| {
        tx.renew_feeds(now).await?;
        tx.execute(RESTORE_ADD, args![micros(since), micros(now)]).await?;
        tx.execute(RECLAIMED_DROP, args![]).await?;
        evidence::open(tx, &next, salt, now).await?;
        crate::audit::leave(tx, &principal, ("node.restore", about.clone()), of_act, now).await?;
        Ok(())
    })?;
    // Once there is a list of what was erased, it is applied here, before anything of this life is served.
    store.close().await;
    let card = make_card(federation, &config, &ring, ask.addresses)?;
    let text = serde_json::to_vec_pretty(&card).map_err(|it| broken(ask.home, &it))?;
    write_synced(&ask.home.join("card.json"), &text)?;
    fs::remove_file(&marker).map_err(|it| broken(&marker, &it))?;
    Ok(Restored { config, card, manifest })
}

fn check(
    manifest: &Manifest,
    ask: &RestoreAsk<'_>,
    federation: &FederationName,
    now: Timestamp,
) -> Result<(), Problem> {
    let ours = manifest.organisation == ask.config.id && manifest.federation == *federation;
    ensure!(ours, another(manifest));
    ensure!(manifest.database == kind_of(&ask.config), other_database(manifest));
    let oldest = now.saturating_sub((BACKUP_DAYS_MAX * 24).hours()).unwrap_or(Timestamp::MIN);
    ensure!(ask.allow_old || manifest.at >= oldest, too_old(manifest));
    ensure!(!ask.home.join("yunhe.db").exists(), occupied(ask.home));
    Ok(())
}

/// Keys that are there stay; else the sealed ones are put in place. Either way they must be whose backup it is.
fn put_keys(ask: &RestoreAsk<'_>, signer: &PublicKey) -> Result<(), Problem> {
    let folder = ask.home.join("keys");
    if !folder.join("messages.pem").exists() {
        let passphrase = ask.passphrase.ok_or_else(|| no_keys(&folder))?;
        put_secrets(ask.home, &sealed_keys(ask.backup, passphrase)?)?;
    }
    let ring = KeyRing::open(&folder)?;
    ensure!(ring.messages.public() == *signer, other_keys(&folder));
    Ok(())
}

fn put_secrets(home: &Path, secrets: &BTreeMap<String, String>) -> Result<(), Problem> {
    for (name, text) in secrets {
        let path = home.join(name);
        let folder = path.parent().unwrap_or(home);
        fs::create_dir_all(folder).map_err(|it| broken(folder, &it))?;
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
        written.map_err(|it| broken(&path, &it))?;
    }
    Ok(())
}

/// Refuses an organisation whose restore has not come to its end.
pub(crate) fn check_folder(home: &Path) -> Result<(), Problem> {
    ensure!(!home.join(RESTORING).exists(), unfinished(home));
    Ok(())
}

/// The last restore, if there was one.
pub(crate) async fn after_restore(reader: &mut Reader) -> Result<Option<AfterRestore>, Problem> {
    let Some(row) = reader.row(RESTORE, args![]).await? else { return Ok(None) };
    let told = reader.rows(RECLAIMED, args![]).await?;
    Ok(Some(AfterRestore {
        at: timestamp_from_micros(row.int("at")?)?,
        since: timestamp_from_micros(row.int("since")?)?,
        told: told.iter().map(|it| OrganisationId::new(it.text("peer")?)).collect::<Result<_, _>>()?,
        done: row.flag("done")?,
    }))
}

impl Organisation {
    pub(crate) fn after_restore(&self) -> Option<AfterRestore> {
        self.restored.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn reload_restore(&self) -> Result<(), Problem> {
        let state = after_restore(&mut self.store.read().await?).await?;
        *self.restored.write().unwrap_or_else(PoisonError::into_inner) = state;
        Ok(())
    }

    /// Notes that a member has told everything that it holds.
    pub(crate) async fn note_told(&self, peer: &OrganisationId) -> Result<(), Problem> {
        let now = self.now();
        transact!(self.store, None, |tx| tx.execute(RECLAIMED_ADD, args![peer.as_str(), micros(now)]).await)?;
        self.reload_restore().await
    }

    /// Notes that everybody has told.
    pub(crate) async fn note_all_told(&self) -> Result<(), Problem> {
        transact!(self.store, None, |tx| tx.execute(RESTORE_DONE, args![]).await)?;
        self.reload_restore().await
    }

    /// Whether receipts may be issued to `consumer`: the membership log names our log as it is, and, after a restore,
    /// the consumer has told which receipts it holds.
    ///
    /// # Errors
    /// `federation.log_unannounced`, `exchange.reclaiming` (503).
    pub(crate) fn may_issue(&self, consumer: &OrganisationId) -> Result<(), Problem> {
        let told = &self.member(self.id())?.organisation.keys.log;
        let origin = self.origin()?;
        let announced = told.origin == origin && told.key == self.keys.log.public();
        ensure!(announced, unannounced(&origin, &told.origin));
        let waits = self.restored.read().unwrap_or_else(PoisonError::into_inner);
        let waits = waits.as_ref().is_some_and(|it| !it.done && !it.told.contains(consumer));
        ensure!(!waits, reclaiming(consumer));
        Ok(())
    }

    /// Refuses a message that was signed before this organisation was restored.
    ///
    /// # Errors
    /// `peer.replay`.
    pub fn check_age(&self, nonce: &Nonce) -> Result<(), Problem> {
        let restored = self.restored.read().unwrap_or_else(PoisonError::into_inner);
        let Some(restored) = restored.as_ref() else { return Ok(()) };
        let first = restored.at.saturating_add(NONCE_SECONDS.seconds()).unwrap_or(Timestamp::MAX);
        ensure!(nonce.keep_until >= first, before_restore(restored.at));
        Ok(())
    }
}

fn unannounced(ours: &evidence::Origin, told: &evidence::Origin) -> Problem {
    Problem::new(
        Kind::Unavailable,
        "federation.log_unannounced",
        format!(
            "本单位的存证日志 {ours} 与成员日志所载（{told}）不是同一部，暂不交付；\
             请由创始成员签署其公布条目（yunhe federation rotate card.json）"
        ),
        format!(
            "our log {ours} is not the one that membership names ({told}): nothing is delivered until the founders \
             have signed the entry that announces it (yunhe federation rotate card.json)"
        ),
    )
}

fn reclaiming(consumer: &OrganisationId) -> Problem {
    Problem::new(
        Kind::Unavailable,
        "exchange.reclaiming",
        format!("本节点刚从备份恢复，正向 {consumer} 取回已签发的回执，随后即可交付；请稍候重试"),
        format!("this node was restored and first fetches back from {consumer} what was issued; try again in a moment"),
    )
}

fn before_restore(at: Timestamp) -> Problem {
    Problem::new(
        Kind::Conflict,
        "peer.replay",
        format!("此请求签署于本节点恢复（{at}）之前，可能已用过；请重新签名后再发"),
        format!("this request was signed before this node was restored ({at}) and may have been used; sign anew"),
    )
}

fn refused(code: &'static str, zh: String, en: String) -> Problem {
    Problem::new(Kind::Conflict, code, zh, en)
}

fn another(manifest: &Manifest) -> Problem {
    let (organisation, federation) = (&manifest.organisation, &manifest.federation);
    let en = format!("this is the backup of {organisation} in federation {federation}; choose the right one by --org");
    refused("backup.another", format!("这是联邦 {federation} 中 {organisation} 的备份；请用 --org 指明"), en)
}

fn other_database(manifest: &Manifest) -> Problem {
    let kind = &manifest.database;
    let en = format!("this backup was made from {kind}; name a database of that kind by --database");
    refused("backup.database", format!("此备份来自 {kind}；请用 --database 指明同类数据库"), en)
}

fn too_old(manifest: &Manifest) -> Problem {
    let at = manifest.at;
    refused(
        "backup.old",
        format!("备份作于 {at}，已逾 {BACKUP_DAYS_MAX} 天，其后删除的内容会重现；确需恢复请加 --allow-old"),
        format!(
            "the backup is of {at}, more than {BACKUP_DAYS_MAX} days ago; what was erased since would be there again: \
             say --allow-old if you must"
        ),
    )
}

fn occupied(home: &Path) -> Problem {
    let home = home.display();
    let en = format!("{home} holds a database already; move it away first, nothing is written over");
    refused("store.occupied", format!("{home} 中已有数据库；请先移走，不会覆盖"), en)
}

fn no_keys(folder: &Path) -> Problem {
    let folder = folder.display();
    refused(
        "backup.keys",
        format!("{folder} 中没有密钥；请放回密钥，或用 --passphrase-file 打开备份中密封的密钥"),
        format!("no keys in {folder}; put them there, or open the sealed ones with --passphrase-file"),
    )
}

fn other_keys(folder: &Path) -> Problem {
    let folder = folder.display();
    refused(
        "backup.keys",
        format!("{folder} 中的消息密钥不是签署此备份的密钥；请核对备份与密钥"),
        format!("the message key in {folder} is not the one that signed this backup; check both"),
    )
}

fn unfinished(home: &Path) -> Problem {
    let home = home.display();
    refused(
        "backup.unfinished",
        format!("{home} 的恢复未完成；请移走其中除 keys 以外的内容（PostgreSQL 还须清空模式），再次运行 yunhe restore"),
        format!(
            "the restore of {home} did not end; move away all but keys (drop the schema) and run yunhe restore again"
        ),
    )
}
