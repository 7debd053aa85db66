//! The keys of one organisation on disk: one PEM file each, readable by its owner alone; and its peppers, 32 bytes in
//! base64 each.

use crate::{PEPPER_BYTES, PEPPERS_MAX, Peppers, SigningKey, TlsKey, drawn::drawn};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use vocabulary::{Kind, Problem, Suite, ensure};
use zeroize::Zeroizing;

/// A key file is at most this long; a longer one is something else.
const PEM_BYTES_MAX: u64 = 16 * 1024;

const TLS: &str = "tls.pem";
const MESSAGES: &str = "messages.pem";
const LOG: &str = "log.pem";
const PACKS: &str = "packs.pem";

/// A key that is changed while the node runs, old and new side by side for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// What proves connections.
    Tls,
    /// What signs messages.
    Messages,
}

impl Rotated {
    /// How its files begin.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Messages => "messages",
        }
    }
}

fn pepper_file(version: u32) -> String {
    format!("pepper-{version}.key")
}

/// The four keys and the peppers of an organisation. They are separate, so that losing one does not lose the others,
/// and so that each can live where it must (the log's in hardware, the packs' offline).
#[derive(Clone, Debug)]
pub struct KeyRing {
    /// Proves the connection.
    pub tls: TlsKey,
    /// Signs HTTP messages, requests, agreements, receipts.
    pub messages: SigningKey,
    /// Signs checkpoints of the organisation's log.
    pub log: SigningKey,
    /// Signs packs.
    pub packs: SigningKey,
    /// Stands before stored passwords.
    pub peppers: Peppers,
}

impl KeyRing {
    /// Draws four keys, in memory only: those of messages and packs of `suite`, the log's always of Ed25519, which
    /// C2SP asks for.
    ///
    /// # Errors
    /// `signing.entropy`.
    pub fn generate(suite: Suite) -> Result<Self, Problem> {
        Ok(Self {
            tls: TlsKey::generate()?,
            messages: SigningKey::generate(suite)?,
            log: SigningKey::generate(Suite::default())?,
            packs: SigningKey::generate(suite)?,
            peppers: Peppers::new(*drawn()?),
        })
    }

    /// Draws four keys as [`KeyRing::generate`] and writes them into `folder`, which is made when it is not there.
    /// They are on disk when this returns. A key file that is there already is never written over.
    ///
    /// # Errors
    /// `signing.exists`, `signing.folder`, `signing.entropy`.
    pub fn create(folder: &Path, suite: Suite) -> Result<Self, Problem> {
        for name in [TLS, MESSAGES, LOG, PACKS] {
            let path = folder.join(name);
            ensure!(!path.exists(), exists(&path));
        }
        let mut ring = Self::generate(suite)?;
        make_private_folder(folder).map_err(|it| unusable(folder, &it))?;
        write(&folder.join(TLS), &ring.tls.to_pem())?;
        write(&folder.join(MESSAGES), &ring.messages.to_pem())?;
        write(&folder.join(LOG), &ring.log.to_pem())?;
        write(&folder.join(PACKS), &ring.packs.to_pem())?;
        ring.peppers = open_peppers(folder)?;
        File::open(folder).and_then(|it| it.sync_all()).map_err(|it| unusable(folder, &it))?;
        Ok(ring)
    }

    /// Draws a new log key in place of the one in `folder`, which is kept beside it as `log.EPOCH.retired.pem`; gives
    /// back the ring as it is now.
    ///
    /// # Errors
    /// As [`KeyRing::open`] and [`KeyRing::create`].
    pub fn renew_log(folder: &Path, epoch: u32) -> Result<Self, Problem> {
        let (path, next) = (folder.join(LOG), folder.join("log.next.pem"));
        let retired = folder.join(format!("log.{epoch}.retired.pem"));
        if next.exists() {
            // Of a run that died before it was used.
            fs::remove_file(&next).map_err(|it| unusable(&next, &it))?;
        }
        write(&next, &SigningKey::generate(Suite::default())?.to_pem())?;
        if path.exists() && !retired.exists() {
            fs::hard_link(&path, &retired).map_err(|it| unusable(&retired, &it))?;
        }
        fs::rename(&next, &path).map_err(|it| unusable(&path, &it))?;
        File::open(folder).and_then(|it| it.sync_all()).map_err(|it| unusable(folder, &it))?;
        Self::open(folder)
    }

    /// Draws the TLS key that is to follow the one in use, as `tls.next.pem` beside it; one that waits there stays.
    ///
    /// # Errors
    /// As [`KeyRing::create`].
    pub fn prepare_tls(folder: &Path) -> Result<(), Problem> {
        let path = folder.join("tls.next.pem");
        if path.exists() {
            return Ok(());
        }
        write(&path, &TlsKey::generate()?.to_pem())?;
        File::open(folder).and_then(|it| it.sync_all()).map_err(|it| unusable(folder, &it))
    }

    /// Draws the message key that is to follow the one in use, as `messages.next.pem` beside it; one that waits there
    /// stays. `suite` is that of the key in use unless it is said: so an organisation goes over to another suite.
    ///
    /// # Errors
    /// `signing.waiting` when the one that waits is of another suite; as [`KeyRing::create`].
    pub fn prepare_messages(folder: &Path, suite: Option<Suite>) -> Result<(), Problem> {
        let path = folder.join("messages.next.pem");
        if let Some(waits) = Self::next_messages(folder)? {
            let waits = waits.public().suite();
            ensure!(suite.is_none_or(|it| it == waits), waiting(&path, waits));
            return Ok(());
        }
        let suite = match suite {
            Some(suite) => suite,
            None => SigningKey::from_pem(&read(&folder.join(MESSAGES))?)?.public().suite(),
        };
        write(&path, &SigningKey::generate(suite)?.to_pem())?;
        File::open(folder).and_then(|it| it.sync_all()).map_err(|it| unusable(folder, &it))
    }

    /// The TLS key that waits to follow, if one does.
    ///
    /// # Errors
    /// As [`KeyRing::open`].
    pub fn next_tls(folder: &Path) -> Result<Option<TlsKey>, Problem> {
        let path = folder.join("tls.next.pem");
        if path.exists() { TlsKey::from_pem(&read(&path)?).map(Some) } else { Ok(None) }
    }

    /// The message key that waits to follow, if one does.
    ///
    /// # Errors
    /// As [`KeyRing::open`].
    pub fn next_messages(folder: &Path) -> Result<Option<SigningKey>, Problem> {
        let path = folder.join("messages.next.pem");
        if path.exists() { SigningKey::from_pem(&read(&path)?).map(Some) } else { Ok(None) }
    }

    /// Puts the key that waits in the place of the one in use, which is kept as `NAME.STAMP.retired.pem`.
    ///
    /// # Errors
    /// As [`KeyRing::create`].
    pub fn promote(folder: &Path, which: Rotated, stamp: &str) -> Result<(), Problem> {
        let word = which.word();
        let (path, next) = (folder.join(format!("{word}.pem")), folder.join(format!("{word}.next.pem")));
        let retired = folder.join(format!("{word}.{stamp}.retired.pem"));
        if !retired.exists() {
            fs::hard_link(&path, &retired).map_err(|it| unusable(&retired, &it))?;
        }
        fs::rename(&next, &path).map_err(|it| unusable(&path, &it))?;
        File::open(folder).and_then(|it| it.sync_all()).map_err(|it| unusable(folder, &it))
    }

    /// Reads the keys from `folder`. A folder from before there were peppers is given its first one.
    ///
    /// # Errors
    /// `signing.folder` when a file is missing, `signing.exposed` when others may read it, `signing.key` when it is no
    /// key.
    pub fn open(folder: &Path) -> Result<Self, Problem> {
        Ok(Self {
            tls: TlsKey::from_pem(&read(&folder.join(TLS))?)?,
            messages: SigningKey::from_pem(&read(&folder.join(MESSAGES))?)?,
            log: SigningKey::from_pem(&read(&folder.join(LOG))?)?,
            packs: SigningKey::from_pem(&read(&folder.join(PACKS))?)?,
            peppers: open_peppers(folder)?,
        })
    }
}

fn open_peppers(folder: &Path) -> Result<Peppers, Problem> {
    let first = folder.join(pepper_file(1));
    if !first.exists() {
        match write(&first, &Zeroizing::new(STANDARD.encode(*drawn::<PEPPER_BYTES>()?))) {
            // Two processes that open the folder for the first time: the one that came first has drawn it.
            Err(problem) if problem.code == "signing.exists" => {}
            done => done?,
        }
    }
    let mut peppers = Peppers::new(read_pepper(&first)?);
    for version in 2..=u32::try_from(PEPPERS_MAX).unwrap_or(u32::MAX) {
        let path = folder.join(pepper_file(version));
        if !path.exists() {
            break;
        }
        peppers = peppers.and(version, read_pepper(&path)?);
    }
    Ok(peppers)
}

fn read_pepper(path: &Path) -> Result<[u8; PEPPER_BYTES], Problem> {
    let text = read(path)?;
    let mut secret = [0; PEPPER_BYTES];
    let length = STANDARD.decode_slice(text.trim(), &mut secret);
    ensure!(length == Ok(PEPPER_BYTES), unusable(path, &"not the base64 of 32 bytes"));
    Ok(secret)
}

fn write(path: &Path, pem: &str) -> Result<(), Problem> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|it| match it.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => unusable(path, &it),
    })?;
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(|it| unusable(path, &it))
}

fn read(path: &Path) -> Result<Zeroizing<String>, Problem> {
    let about = fs::metadata(path).map_err(|it| unusable(path, &it))?;
    ensure!(about.len() <= PEM_BYTES_MAX, unusable(path, &"too long for a key"));
    ensure!(!others_may_read(&about), exposed(path));
    fs::read_to_string(path).map(Zeroizing::new).map_err(|it| unusable(path, &it))
}

/// A group may read: mounted secrets come so.
#[cfg(unix)]
fn others_may_read(about: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o007 != 0
}

#[cfg(not(unix))]
fn others_may_read(_: &fs::Metadata) -> bool {
    false
}

fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn exists(path: &Path) -> Problem {
    let path = path.display();
    Problem::new(
        Kind::Conflict,
        "signing.exists",
        format!("密钥文件 {path} 已存在，不会覆盖；请先移走"),
        format!("key file {path} is there already and is never written over; move it away first"),
    )
}

fn waiting(path: &Path, suite: Suite) -> Problem {
    let path = path.display();
    Problem::new(
        Kind::Conflict,
        "signing.waiting",
        format!("{path} 中已有一把 {suite} 备用密钥；要换套件，请先移走它（成员日志中若已登记，请先办完这次更换）"),
        format!(
            "a key of {suite} waits in {path}; to change to another suite move it away first (if membership names it \
             already, finish this change first)"
        ),
    )
}

fn exposed(path: &Path) -> Problem {
    let path = path.display();
    Problem::new(
        Kind::Refused,
        "signing.exposed",
        format!("密钥文件 {path} 可被其他用户读取；请执行 chmod 600 {path}，并考虑更换密钥"),
        format!("other users may read key file {path}; run chmod 600 {path}, and consider a new key"),
    )
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Problem {
    let path = path.display();
    Problem::new(
        Kind::Unprocessable,
        "signing.folder",
        format!("无法使用密钥路径 {path}：{why}"),
        format!("key path {path} cannot be used: {why}"),
    )
}
