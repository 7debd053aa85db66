//! Backup 备份: everything of an organisation as of one moment, in a folder that can be checked without a node.
//!
//! The database is copied in one transaction while the node goes on; blobs follow, since a blob is there before the
//! row that names it. Keys are copied only on demand, and sealed. The manifest names every file with its digest, says
//! where the log and the feeds stood, and is signed by the organisation's message key.
//!
//! A backup appears whole or not at all: it is written beside its place and renamed.

use crate::{Clock, NodeConfig, OrganisationConfig, organisation::database_url};
use evidence::{Checkpoint, Note, Origin};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use signing::{KeyRing, PublicKey, Purpose, Sealed, Sign as _};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::{Component, Path, PathBuf},
};
use store::{Reader, Store};
use vocabulary::{
    Digest, FederationName, Kind, OrganisationId, Problem, Signature, Suite, Timestamp, canonical_bytes, ensure,
};

const FORMAT: &str = "yunhe-backup/1";
const MANIFEST: &str = "manifest.json";
const DATABASE: &str = "database";
const BLOB: &str = "blob";
/// Says in the organisation's folder when the last backup was made.
pub(crate) const LAST: &str = "last-backup";
const KEYS: &str = "keys.sealed";
/// A manifest is at most this long.
const MANIFEST_BYTES_MAX: u64 = 256 << 20;
/// Files are read by pieces of so many bytes.
const PIECE_BYTES: usize = 1 << 20;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `yunhe-backup/1`.
    pub format: String,
    /// Which version made it.
    pub version: String,
    /// Of which federation.
    pub federation: FederationName,
    /// Whose.
    pub organisation: OrganisationId,
    /// `sqlite` or `postgres`.
    pub database: String,
    /// The moment.
    pub at: Timestamp,
    /// Where the log stood.
    pub log: LogState,
    /// Where each feed stood.
    pub feeds: Vec<FeedState>,
    /// Whether the keys are there, sealed.
    pub keys: bool,
    /// Every file, by its path from here.
    pub files: BTreeMap<String, FileState>,
}

/// Where a log stood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogState {
    /// Which log.
    pub origin: Origin,
    /// Leaves that were published.
    pub size: u64,
    /// The root over them.
    pub root: Option<Digest>,
    /// The signed checkpoint.
    pub checkpoint: Option<String>,
    /// Leaves that were committed and not published yet.
    pub waiting: u64,
}

/// Where a feed stood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedState {
    /// Its name.
    pub feed: String,
    /// Its epoch.
    pub epoch: String,
    /// The last position.
    pub position: i64,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileState {
    /// How long.
    pub bytes: u64,
    /// Its SHA-256.
    pub digest: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedManifest {
    body: Manifest,
    signature: Signature,
}

/// Backs up every organisation of the node in `folder`, whether or not it runs, into `out`, which is made. With a
/// passphrase the keys and tokens come along, sealed.
///
/// # Errors
/// `backup.exists` when `out` is there; `backup.file` when a file cannot be read or written; `store.…`.
pub async fn back_up(
    folder: &Path,
    config: &NodeConfig,
    out: &Path,
    passphrase: Option<&str>,
    clock: &dyn Clock,
) -> Result<Vec<Manifest>, Problem> {
    ensure!(!out.exists(), exists(out));
    let aside = out.with_extension("partial");
    if aside.exists() {
        // Of a run that died.
        fs::remove_dir_all(&aside).map_err(|it| broken(&aside, &it))?;
    }
    fs::create_dir_all(&aside).map_err(|it| broken(&aside, &it))?;
    let mut manifests = Vec::new();
    for one in &config.organisation {
        let backup = Backup { home: &folder.join(one.id.as_str()), out: &aside.join(one.id.as_str()), passphrase };
        manifests.push(backup.make(&config.federation, one, clock).await?);
    }
    let mut plain = config.clone();
    for one in &mut plain.organisation {
        // An address may hold a password.
        one.database = kind_of(one).to_owned();
    }
    plain.write(&aside)?;
    sync_folder(&aside)?;
    fs::rename(&aside, out).map_err(|it| broken(out, &it))?;
    for one in &manifests {
        // For the doctor, who says when the last one was made; without it he says that none was.
        write_synced(&folder.join(one.organisation.as_str()).join(LAST), one.at.to_string().as_bytes())?;
    }
    Ok(manifests)
}

/// What kind of database an organisation has.
pub(crate) fn kind_of(config: &OrganisationConfig) -> &'static str {
    if config.database == "sqlite" { "sqlite" } else { "postgres" }
}

struct Backup<'a> {
    home: &'a Path,
    out: &'a Path,
    passphrase: Option<&'a str>,
}

impl Backup<'_> {
    async fn make(
        &self,
        federation: &FederationName,
        config: &OrganisationConfig,
        clock: &dyn Clock,
    ) -> Result<Manifest, Problem> {
        let ring = KeyRing::open(&self.home.join("keys"))?;
        // Before the copy, so that the backup knows of itself.
        let about = serde_json::json!({"keys": self.passphrase.is_some(), "log": config.epoch});
        crate::leave_on_machine(self.home, config, ("node.backup", about), clock.now()).await;
        let database = self.out.join(DATABASE);
        fs::create_dir_all(&database).map_err(|it| broken(&database, &it))?;
        let (url, schema) = database_url(self.home, config);
        let store = Store::attend(&url, &schema).await?;
        // Taken before the copy: whatever is committed later than this may be missing.
        let at = clock.now();
        let mut moment = store.dump(&database).await?;
        let log = log_state(&mut moment).await?;
        let feeds = feed_states(&mut moment).await?;
        drop(moment);
        store.close().await;
        let mut copied = Vec::new();
        copy_tree(&self.home.join(BLOB), &self.out.join(BLOB), &mut copied)?;
        self.copy_keys()?;
        let body = Manifest {
            format: FORMAT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            federation: federation.clone(),
            organisation: config.id.clone(),
            database: kind_of(config).to_owned(),
            at,
            log,
            feeds,
            keys: self.passphrase.is_some(),
            files: files_below(self.out)?,
        };
        let signature = ring.messages.sign_canonical(Purpose::Backup, &body)?;
        let text = canonical_bytes(&SignedManifest { body: body.clone(), signature })?;
        write_synced(&self.out.join(MANIFEST), &text)?;
        sync_folder(self.out)?;
        Ok(body)
    }

    /// Keys and tokens in one sealed file.
    fn copy_keys(&self) -> Result<(), Problem> {
        let Some(passphrase) = self.passphrase else { return Ok(()) };
        let mut secrets: BTreeMap<String, String> = BTreeMap::new();
        for folder in ["keys", "tokens"] {
            let Ok(all) = fs::read_dir(self.home.join(folder)) else { continue };
            for entry in all {
                let path = entry.map_err(|it| broken(self.home, &it))?.path();
                let Some(name) = path.file_name().and_then(|it| it.to_str()).filter(|_| path.is_file()) else {
                    continue;
                };
                let text = fs::read_to_string(&path).map_err(|it| broken(&path, &it))?;
                secrets.insert(format!("{folder}/{name}"), text);
            }
        }
        let text = zeroize(serde_json::to_vec(&secrets).map_err(|it| broken(self.home, &it))?);
        let sealed = Sealed::seal(passphrase, &text)?;
        let text = serde_json::to_vec_pretty(&sealed).map_err(|it| broken(self.home, &it))?;
        write_synced(&self.out.join(KEYS), &text)
    }
}

fn zeroize(bytes: Vec<u8>) -> zeroize::Zeroizing<Vec<u8>> {
    zeroize::Zeroizing::new(bytes)
}

/// Keys and tokens of a backup, by their paths within the organisation's folder.
///
/// # Errors
/// `signing.passphrase`; `backup.file`.
pub(crate) fn sealed_keys(backup: &Path, passphrase: &str) -> Result<BTreeMap<String, String>, Problem> {
    let path = backup.join(KEYS);
    let text = fs::read(&path).map_err(|it| broken(&path, &it))?;
    let sealed: Sealed = serde_json::from_slice(&text).map_err(|it| broken(&path, &it))?;
    let secrets: BTreeMap<String, String> =
        serde_json::from_slice(&sealed.open(passphrase)?).map_err(|it| broken(&path, &it))?;
    ensure!(secrets.keys().all(|it| is_plain(it)), broken(&path, &"a path leads out of the folder"));
    Ok(secrets)
}

async fn log_state(moment: &mut Reader) -> Result<LogState, Problem> {
    let origin = evidence::origin(moment).await?.ok_or_else(no_log)?;
    let checkpoint = evidence::checkpoint(moment).await?;
    let head = checkpoint.as_deref().map(|it| Checkpoint::parse(Note::parse(it)?.text())).transpose()?;
    Ok(LogState {
        size: head.as_ref().map_or(0, |it| it.size),
        root: head.as_ref().map(|it| Digest { suite: Suite::default(), hash: it.root }),
        waiting: evidence::waiting(moment).await?,
        checkpoint,
        origin,
    })
}

async fn feed_states(moment: &mut Reader) -> Result<Vec<FeedState>, Problem> {
    let mut all = Vec::new();
    for feed in moment.feeds().await? {
        if let Some(head) = moment.feed_head(&feed).await? {
            all.push(FeedState { feed, epoch: head.epoch, position: head.position });
        }
    }
    Ok(all)
}

/// The organisations whose backups stand in `backup`.
///
/// # Errors
/// `backup.file` when there is none.
pub fn organisations_in(backup: &Path) -> Result<Vec<PathBuf>, Problem> {
    let all = fs::read_dir(backup).map_err(|it| broken(backup, &it))?;
    let mut found: Vec<PathBuf> =
        all.filter_map(|it| it.ok().map(|it| it.path())).filter(|it| it.join(MANIFEST).is_file()).collect();
    found.sort();
    ensure!(!found.is_empty(), broken(backup, &"no manifest.json below it"));
    Ok(found)
}

/// Checks the backup of one organisation without a node: every file is there and as it was, nothing else stands
/// beside, the signature holds, and SQLite's pages are sound. Gives back who signed; whether that is the
/// organisation's key is the caller's to judge.
///
/// # Errors
/// `backup.file`, `backup.changed`, `backup.signature`, `store.dump`.
pub async fn verify_backup(backup: &Path) -> Result<(Manifest, PublicKey), Problem> {
    let path = backup.join(MANIFEST);
    let length = fs::metadata(&path).map_err(|it| broken(&path, &it))?.len();
    ensure!(length <= MANIFEST_BYTES_MAX, broken(&path, &"too long"));
    let text = fs::read(&path).map_err(|it| broken(&path, &it))?;
    let SignedManifest { body, signature } = serde_json::from_slice(&text).map_err(|it| broken(&path, &it))?;
    ensure!(body.format == FORMAT, broken(&path, &body.format));
    let key = PublicKey::of(&signature)?;
    key.verify_canonical(Purpose::Backup, &body, &signature).map_err(|_| unsigned(&path))?;
    ensure!(body.files.keys().all(|it| is_plain(it)), broken(&path, &"a path leads out of the folder"));
    for (name, state) in &body.files {
        let file = backup.join(name);
        let found = state_of(&file)?;
        ensure!(found == *state, changed(&file));
    }
    let there = names_below(backup)?;
    if let Some(more) = there.iter().find(|it| it.as_str() != MANIFEST && !body.files.contains_key(*it)) {
        return Err(changed(&backup.join(more)));
    }
    Store::look_into(&backup.join(DATABASE)).await?;
    Ok((body, key))
}

fn is_plain(path: &str) -> bool {
    let mut parts = Path::new(path).components().peekable();
    parts.peek().is_some() && parts.all(|it| matches!(it, Component::Normal(_)))
}

/// Copies a folder with all below it; what is not there is an empty folder. Unfinished files are left out.
pub(crate) fn copy_tree(from: &Path, to: &Path, copied: &mut Vec<PathBuf>) -> Result<(), Problem> {
    fs::create_dir_all(to).map_err(|it| broken(to, &it))?;
    let Ok(all) = fs::read_dir(from) else { return Ok(()) };
    for entry in all {
        let path = entry.map_err(|it| broken(from, &it))?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy_tree(&path, &to.join(name), copied)?;
        } else if !name.to_string_lossy().contains('#') {
            let target = to.join(name);
            match fs::copy(&path, &target).and_then(|_| File::open(&target)?.sync_all()) {
                Ok(()) => copied.push(target),
                // Deleted since the folder was read: the copy of the database does not need it any more than we do.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(broken(&path, &error)),
            }
        }
    }
    Ok(())
}

fn names_below(folder: &Path) -> Result<Vec<String>, Problem> {
    fn walk(root: &Path, folder: &Path, names: &mut Vec<String>) -> Result<(), Problem> {
        for entry in fs::read_dir(folder).map_err(|it| broken(folder, &it))? {
            let path = entry.map_err(|it| broken(folder, &it))?.path();
            if path.is_dir() {
                walk(root, &path, names)?;
            } else {
                let name = path.strip_prefix(root).ok().and_then(Path::to_str);
                names.push(name.ok_or_else(|| broken(&path, &"its name is not UTF-8"))?.to_owned());
            }
        }
        Ok(())
    }
    let mut names = Vec::new();
    walk(folder, folder, &mut names)?;
    names.sort();
    Ok(names)
}

fn files_below(folder: &Path) -> Result<BTreeMap<String, FileState>, Problem> {
    let names = names_below(folder)?;
    names.into_iter().map(|name| state_of(&folder.join(&name)).map(|state| (name, state))).collect()
}

fn state_of(path: &Path) -> Result<FileState, Problem> {
    let mut file = File::open(path).map_err(|it| broken(path, &it))?;
    let (mut hasher, mut piece, mut bytes) = (Sha256::new(), vec![0; PIECE_BYTES], 0);
    loop {
        let read = file.read(&mut piece).map_err(|it| broken(path, &it))?;
        if read == 0 {
            break;
        }
        hasher.update(&piece[..read]);
        bytes += read as u64;
    }
    Ok(FileState { bytes, digest: Digest { suite: Suite::Ed25519Sha256, hash: hasher.finalize().into() } })
}

pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    let written = fs::write(path, bytes).and_then(|()| File::open(path)?.sync_all());
    written.map_err(|it| broken(path, &it))
}

fn sync_folder(path: &Path) -> Result<(), Problem> {
    File::open(path).and_then(|it| it.sync_all()).map_err(|it| broken(path, &it))
}

pub(crate) fn broken(path: &Path, why: &dyn std::fmt::Display) -> Problem {
    let path = path.display();
    Problem::new(
        Kind::Unprocessable,
        "backup.file",
        format!("备份所需的 {path} 不可用：{why}；请检查路径、权限与空间"),
        format!("{path}, needed for the backup, cannot be used: {why}; look at path, permissions and free space"),
    )
}

fn exists(path: &Path) -> Problem {
    let path = path.display();
    Problem::new(
        Kind::Conflict,
        "backup.exists",
        format!("{path} 已存在，不会覆盖；请换一个名称"),
        format!("{path} is there already and is never written over; choose another name"),
    )
}

fn changed(path: &Path) -> Problem {
    let path = path.display();
    Problem::new(
        Kind::Unprocessable,
        "backup.changed",
        format!("{path} 与清单不符：已被改动、截断或多出；请换用另一份备份"),
        format!("{path} is not what the manifest says: changed, cut or added; take another backup"),
    )
}

fn unsigned(path: &Path) -> Problem {
    let path = path.display();
    Problem::new(
        Kind::Unprocessable,
        "backup.signature",
        format!("{path} 的签名与内容不符；请换用另一份备份"),
        format!("the signature of {path} does not fit what it says; take another backup"),
    )
}

fn no_log() -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "backup.empty",
        "该单位尚无存证日志，没有可备份的内容；请先运行 yunhe serve",
        "this organisation has no log yet and nothing to back up; run yunhe serve first",
    )
}
