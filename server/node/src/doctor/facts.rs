//! Collecting the facts: from the disk, the database, the running node's figures, and members that are asked.

use super::machine::{Machine, Place};
use crate::{
    Clock, NodeConfig, OrganisationConfig,
    organisation::{CERTIFICATE_DAYS, database_url, dialled, origin},
    restore::after_restore,
    store::PACK_LIST,
};
use federation::View;
use peer::{Call, ClientLimits, PeerClient};
use signing::{Certificate, KeyRing};
use std::{
    collections::BTreeMap,
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::Arc,
    time::Duration,
};
use store::Store;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use vocabulary::{FederationName, Problem, Timestamp};

/// A port or a member is waited for so long.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// An answer of our own node is at most this long.
const FIGURES_BYTES_MAX: u64 = 4 << 20;
/// So many members are asked for the time at most.
const MEMBERS_ASKED_MAX: usize = 8;

/// The first pepper's file.
pub(super) const PEPPER: &str = "pepper-1.key";

/// What was found on a machine.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Now.
    pub now: Timestamp,
    /// The machine.
    pub machine: Machine,
    /// The disk.
    pub place: Place,
    /// The node's own figures, where it runs.
    pub figures: Option<BTreeMap<String, f64>>,
    /// Configured ports, and why nobody can listen there.
    pub ports: Vec<(SocketAddr, Option<String>)>,
    /// One by one.
    pub organisations: Vec<OrganisationFacts>,
}

/// What was found of one organisation.
#[derive(Clone, Debug, Default)]
pub struct OrganisationFacts {
    /// Its name.
    pub id: String,
    /// Key files with their modes; none where one is missing.
    pub keys: BTreeMap<String, Option<u32>>,
    /// Why the keys cannot be used.
    pub keys_problem: Option<Problem>,
    /// The database's version and settings, or why it cannot be reached.
    pub database: Option<Result<BTreeMap<String, String>, Problem>>,
    /// Leaves that wait for their place in the log.
    pub waiting: u64,
    /// Entries of feeds that wait for their number.
    pub unnumbered: i64,
    /// Hours since membership was confirmed, and how many it may be; none where no federation was joined.
    pub view_hours: Option<(i64, i64)>,
    /// Whether membership names our log as it is.
    pub log_announced: bool,
    /// How many members have not told yet what they hold, after a restore.
    pub untold: Option<usize>,
    /// When the last backup was made.
    pub backup_at: Option<Timestamp>,
    /// What is wrong with installed packs.
    pub packs: Vec<String>,
    /// Members that were asked: how many milliseconds their clock is ahead of ours, or why they did not answer.
    pub members: BTreeMap<String, Result<i64, Problem>>,
}

/// Collects everything; what cannot be learnt is a fact as well.
pub async fn collect(folder: &Path, config: &NodeConfig, clock: &dyn Clock) -> Facts {
    let figures = figures(config.client).await;
    let runs = figures.is_some();
    let ports = std::iter::once(config.client).chain(config.peer.iter().copied());
    let mut organisations = Vec::new();
    for one in &config.organisation {
        organisations.push(organisation(&folder.join(one.id.as_str()), &config.federation, one, clock).await);
    }
    Facts {
        now: clock.now(),
        machine: Machine::look(),
        place: Place::look(folder),
        figures,
        ports: ports.map(|it| (it, if runs { None } else { free(it).err() })).collect(),
        organisations,
    }
}

fn free(address: SocketAddr) -> Result<(), String> {
    TcpListener::bind(address).map(|_| ()).map_err(|it| it.to_string())
}

/// What the node says of itself, if it is ours that answers there.
async fn figures(address: SocketAddr) -> Option<BTreeMap<String, f64>> {
    let asked = async {
        let mut line = TcpStream::connect(address).await.ok()?;
        let ask = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        line.write_all(ask.as_bytes()).await.ok()?;
        let mut text = Vec::new();
        line.take(FIGURES_BYTES_MAX).read_to_end(&mut text).await.ok()?;
        Some(String::from_utf8_lossy(&text).into_owned())
    };
    let text = timeout(ANSWER_MAX, asked).await.ok()??;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let ours = head.starts_with("HTTP/1.1 200") && body.contains("yunhe_");
    let figure = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    ours.then(|| body.lines().filter_map(figure).collect())
}

async fn organisation(
    home: &Path,
    federation: &FederationName,
    config: &OrganisationConfig,
    clock: &dyn Clock,
) -> OrganisationFacts {
    let mut facts = OrganisationFacts { id: config.id.to_string(), log_announced: true, ..Default::default() };
    for name in ["tls.pem", "messages.pem", "log.pem", "packs.pem", PEPPER] {
        let mode = fs::metadata(home.join("keys").join(name)).ok().map(|it| it.permissions().mode() & 0o777);
        facts.keys.insert(name.to_owned(), mode);
    }
    // Opening a folder without a pepper would make one: looking changes nothing.
    let keys = match facts.keys[PEPPER].map(|_| KeyRing::open(&home.join("keys"))) {
        Some(Ok(keys)) => Some(keys),
        Some(Err(problem)) => {
            facts.keys_problem = Some(problem);
            None
        }
        None => None,
    };
    facts.backup_at = fs::read_to_string(home.join(crate::backup::LAST)).ok().and_then(|it| it.trim().parse().ok());
    let (url, schema) = database_url(home, config);
    let store = match Store::attend(&url, &schema).await {
        Ok(store) => store,
        Err(problem) => {
            facts.database = Some(Err(problem));
            return facts;
        }
    };
    facts.database = Some(store.describe().await);
    let now = clock.now();
    match look(&store, federation, &mut facts, now).await {
        Ok(Some(view)) => {
            if let Some(keys) = keys {
                let log = view.member(&config.id).map(|it| it.organisation.keys.log.clone()).ok();
                let ours = origin(federation, config).ok();
                facts.log_announced = log.is_some_and(|it| Some(it.origin) == ours && it.key == keys.log.public());
                ask_members(&view, config, keys, &mut facts, clock).await;
            }
        }
        Ok(None) => {}
        Err(problem) => facts.database = Some(Err(problem)),
    }
    store.close().await;
    facts
}

/// What the tables say.
async fn look(
    store: &Store,
    federation: &FederationName,
    facts: &mut OrganisationFacts,
    now: Timestamp,
) -> Result<Option<View>, Problem> {
    let mut reader = store.read().await?;
    facts.waiting = evidence::waiting(&mut reader).await?;
    facts.unnumbered = reader.unnumbered().await?;
    let mut files = BTreeMap::new();
    for row in reader.rows(PACK_LIST, vec![]).await? {
        files.insert(row.text("id")?.to_owned(), row.json("files")?);
    }
    if let Err(findings) = pack::read_all(&files) {
        facts.packs = findings.iter().map(ToString::to_string).collect();
    }
    if !federation::federations(&mut reader).await?.contains(federation) {
        return Ok(None);
    }
    let view = federation::view(&mut reader, federation).await?;
    let hours = i64::from(view.genesis().view_hours_max);
    facts.view_hours = Some((view.age_seconds(now) / 3_600, hours));
    if let Some(state) = after_restore(&mut reader).await?.filter(|it| !it.done) {
        facts.untold = Some(view.members().count().saturating_sub(1 + state.told.len()));
    }
    Ok(Some(view))
}

/// Asks some members for something small: the signature of their answer says what time it is there.
async fn ask_members(
    view: &View,
    config: &OrganisationConfig,
    keys: KeyRing,
    facts: &mut OrganisationFacts,
    clock: &dyn Clock,
) {
    let hosts = std::slice::from_ref(&config.host);
    let Ok(certificate) = Certificate::self_signed(&keys.tls, hosts, clock.now(), CERTIFICATE_DAYS) else { return };
    let limits = ClientLimits { connect: ANSWER_MAX, answer: ANSWER_MAX, tries: 1, ..ClientLimits::default() };
    let client = PeerClient::new(keys.tls.clone(), certificate, Arc::new(keys.messages), limits);
    let others = view.members().filter(|it| it.organisation.id != config.id).take(MEMBERS_ASKED_MAX);
    for member in others {
        let call = Call::get("/peer/v1/federation");
        let asked = client.send(&dialled(member), &call, clock.now()).await;
        let offset = match asked {
            Ok(answer) => {
                answered_at(&answer.fields).map(|it| (it - clock.now().as_second()) * 1_000).ok_or_else(silent)
            }
            Err(problem) => match problem.more.get("offset_ms").and_then(serde_json::Value::as_i64) {
                Some(offset) => Ok(-offset),
                None => Err(problem),
            },
        };
        facts.members.insert(member.organisation.id.to_string(), offset);
    }
}

fn answered_at(fields: &http::HeaderMap) -> Option<i64> {
    let input = fields.get("signature-input")?.to_str().ok()?;
    let digits = input.split(';').find_map(|it| it.trim().strip_prefix("created="))?;
    digits.parse().ok()
}

fn silent() -> Problem {
    Problem::new(
        vocabulary::Kind::Peer,
        "peer.answer",
        "对端答复没有签名时间",
        "the peer's answer has no time of signature",
    )
}
