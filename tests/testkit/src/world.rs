//! The world: who is in it, and what a story may do to it.

use crate::{
    caller::{Caller, Token, http_client},
    database::{Database, Home, draw_number},
    founding::Founding,
    node::Node,
    people::{Held, again, principal, somebody},
    relay::Relay,
};
use federation::Change;
use jiff::SignedDuration;
use node::{ManualClock, NodeConfig, Organisation, OrganisationConfig};
use outside::{Address, ConnectionConfig};
use policy::{Level, MemberRole, Principal, Role};
use signing::KeyRing;
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::sync::Mutex;
use vocabulary::{Bilingual, FederationName, OrganisationId, ResourceId, Suite, Timestamp};

/// Who is in the world, node by node: the hub and authority in charge, the provider, and a node with two tenants.
pub const ORGANISATIONS: &[&[&str]] = &[&["js-data"], &["js-scjg"], &["nj-data", "nj-gxj"]];
/// Who is in a world of levels, from the top down: a stand-in for the national platform, the province and a department
/// of it, a city, a county of it with a department, and another city with a department.
pub const LEVELS: &[&[&str]] =
    &[&["cn-data"], &["js-data", "js-scjg"], &["nj-data"], &["jn-data", "jn-gxj"], &["sz-data", "sz-scjg"]];

/// Small parts, so that a small sample makes many.
const PART_ROWS: usize = 16;
/// A story waits for the world's own jobs this long at most.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);

/// When every world begins: ten in the morning in Shanghai.
pub fn noon() -> Timestamp {
    "2026-11-24T02:00:00Z".parse().unwrap()
}

/// Four organisations in three nodes.
pub struct World {
    /// The clock of every node.
    pub clock: Arc<ManualClock>,
    pub(crate) http: reqwest::Client,
    nodes: Vec<Node>,
    founding: Founding,
    federation: FederationName,
    shape: &'static [&'static [&'static str]],
    tokens: Mutex<BTreeMap<(String, String), Held>>,
    // Dropped in this order, after the nodes.
    pub(crate) home: Home,
    folder: TempDir,
}

fn organisation(id: &str, database: String, part_rows: usize) -> OrganisationConfig {
    let (zh, en, division, level, roles) = match id {
        "js-data" => {
            let roles = vec![MemberRole::Hub, MemberRole::Authority];
            ("江苏省数据局", "Jiangsu Data Administration", "320000", Level::Province, roles)
        }
        "js-scjg" => {
            let title = "Jiangsu Administration for Market Regulation";
            ("江苏省市场监督管理局", title, "320000", Level::Province, vec![MemberRole::Department])
        }
        "nj-data" => ("南京市数据局", "Nanjing Data Bureau", "320100", Level::City, vec![MemberRole::Department]),
        "cn-data" => ("国家数据共享平台（演练）", "National platform (stand-in)", "00", Level::Nation, authority()),
        "jn-data" => ("江宁区数据局", "Jiangning Data Bureau", "320115", Level::County, authority()),
        "jn-gxj" => ("江宁区工业和信息化局", "Jiangning Industry Bureau", "320115", Level::County, department()),
        "sz-data" => ("苏州市数据局", "Suzhou Data Bureau", "320500", Level::City, authority()),
        "sz-scjg" => ("苏州市市场监督管理局", "Suzhou Market Regulation", "320500", Level::City, department()),
        _ => {
            let title = "Nanjing Bureau of Industry and Information Technology";
            ("南京市工业和信息化局", title, "320100", Level::City, vec![MemberRole::Department])
        }
    };
    OrganisationConfig {
        id: OrganisationId::new(id).unwrap(),
        title: Bilingual::new(zh, en),
        host: format!("{id}.js.yunhe.internal"),
        division: division.to_owned(),
        level,
        roles,
        superior: None,
        database,
        epoch: 1,
        part_rows,
        connection: Vec::new(),
    }
}

fn authority() -> Vec<MemberRole> {
    vec![MemberRole::Authority]
}

fn department() -> Vec<MemberRole> {
    vec![MemberRole::Department]
}

/// As [`organisation`], with its superior.
fn on_its_level(id: &str, database: String, part_rows: usize) -> OrganisationConfig {
    let superior = match id {
        "js-data" => Some("cn-data"),
        "js-scjg" | "nj-data" | "sz-data" => Some("js-data"),
        "jn-data" => Some("nj-data"),
        "jn-gxj" => Some("jn-data"),
        "sz-scjg" => Some("sz-data"),
        _ => None,
    };
    let mut config = organisation(id, database, part_rows);
    config.superior = superior.map(|it| OrganisationId::new(it).unwrap());
    if id == "nj-data" {
        config.roles = authority();
    }
    config
}

/// A loopback address of this test's own, so that a node that starts again finds its ports free.
pub fn own_loopback() -> IpAddr {
    loopback(draw_number())
}

/// Addresses on which nobody listens, each another: all are held while they are drawn.
pub fn free_addresses<const N: usize>(on: IpAddr) -> [SocketAddr; N] {
    let held = [(); N].map(|()| std::net::TcpListener::bind((on, 0)).unwrap());
    held.each_ref().map(|it| it.local_addr().unwrap())
}

fn loopback(number: u32) -> IpAddr {
    let [_, b, c, d] = std::process::id().wrapping_mul(16).wrapping_add(number % 16).to_be_bytes();
    Ipv4Addr::new(127, 1 + (b & 0x7f), c, d).into()
}

/// Who is in a world node by node, how each is set up, and rows in a part.
type Shape = (&'static [&'static [&'static str]], fn(&str, String, usize) -> OrganisationConfig, usize);

impl World {
    /// A world in which everybody runs and knows everybody, and nothing is installed.
    pub async fn new(database: Database) -> Self {
        Self::with_part_rows(database, PART_ROWS).await
    }

    /// As [`World::new`], where batches come in parts of so many rows.
    pub async fn with_part_rows(database: Database, part_rows: usize) -> Self {
        Self::made(database, part_rows, &[]).await
    }

    /// As [`World::new`], where these organisations sign by these suites.
    pub async fn of_suites(database: Database, suites: &[(&str, Suite)]) -> Self {
        Self::made(database, PART_ROWS, suites).await
    }

    async fn made(database: Database, part_rows: usize, suites: &[(&str, Suite)]) -> Self {
        let number = draw_number();
        let home = Home::make(database, number).await;
        let mut world = Self::build(home, number, (ORGANISATIONS, organisation, part_rows), suites).await;
        world.found().await;
        world
    }

    /// A world of levels: county, city, province, and a stand-in for the national platform.
    pub async fn of_levels(database: Database) -> Self {
        let number = draw_number();
        let home = Home::make(database, number).await;
        let mut world = Self::build(home, number, (LEVELS, on_its_level, PART_ROWS), &[]).await;
        world.found().await;
        world
    }

    /// A world in which nobody has pinned the federation yet.
    pub async fn unfounded(database: Database) -> Self {
        let number = draw_number();
        let home = Home::make(database, number).await;
        Self::build(home, number, (ORGANISATIONS, organisation, PART_ROWS), &[]).await
    }

    /// A world whose nodes reach their PostgreSQL through a relay.
    pub async fn behind_a_relay(database: Database) -> (Self, Relay) {
        let number = draw_number();
        let mut home = Home::make(database, number).await;
        let relay = home.through_a_relay(loopback(number)).await;
        let mut world = Self::build(home, number, (ORGANISATIONS, organisation, PART_ROWS), &[]).await;
        world.found().await;
        (world, relay)
    }

    async fn build(home: Home, number: u32, (shape, config_of, part_rows): Shape, suites: &[(&str, Suite)]) -> Self {
        let http = http_client();
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(noon()));
        let federation = FederationName::new("jiangsu").unwrap();
        let any_port = SocketAddr::new(loopback(number), 0);
        let mut nodes = Vec::new();
        for ids in shape {
            let home_of_node = folder.path().join(ids[0]);
            for id in *ids {
                let suite = suites.iter().find(|it| it.0 == *id).map_or(Suite::default(), |it| it.1);
                KeyRing::create(&home_of_node.join(id).join("keys"), suite).unwrap();
            }
            let config = NodeConfig {
                federation: federation.clone(),
                client: any_port,
                peer: vec![any_port],
                organisation: ids.iter().map(|id| config_of(id, home.url(), part_rows)).collect(),
            };
            let mut node = Node::new(config, home_of_node, clock.clone());
            node.start().await;
            nodes.push(node);
        }
        let founding = Founding::new(&federation, noon());
        let tokens = Mutex::default();
        Self { clock, http, nodes, founding, federation, shape, tokens, home, folder }
    }

    /// Everybody joins, and hears of it.
    async fn found(&mut self) {
        let cards: Vec<_> = self
            .nodes
            .iter()
            .flat_map(|node| {
                let addresses: Vec<String> = node.config.peer.iter().map(ToString::to_string).collect();
                let card = move |one: &OrganisationConfig| {
                    let keys = KeyRing::open(&node.folder.join(one.id.as_str()).join("keys")).unwrap();
                    node::make_card(&node.config.federation, one, &keys, addresses.clone()).unwrap()
                };
                node.config.organisation.iter().map(card).collect::<Vec<_>>()
            })
            .collect();
        let (genesis, digest) = (self.founding.genesis.clone(), self.founding.digest());
        for id in self.ids() {
            let genesis = genesis.clone();
            self.on(id, async move |org| org.join(&administrator(&org), genesis, digest).await).await.unwrap();
        }
        for card in cards {
            self.founding.enter(Change::Join { organisation: Box::new(card) }, noon());
        }
        let entries = self.founding.entries.clone();
        for id in self.ids() {
            let entries = entries.clone();
            self.on(id, async move |org| org.adopt(&administrator(&org), entries).await).await.unwrap();
        }
    }

    /// Everybody.
    pub fn ids(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.shape.iter().copied().flatten().copied()
    }

    /// The federation's name.
    pub fn federation(&self) -> &FederationName {
        &self.federation
    }

    /// The founders' genesis and what they have signed since.
    pub fn membership(&self) -> (&federation::Genesis, &[federation::Entry]) {
        (&self.founding.genesis, &self.founding.entries)
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        node::Clock::now(&*self.clock)
    }

    /// Moves everybody's clock.
    pub fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
    }

    /// Moves everybody's clock to `at`.
    pub fn advance_to(&self, at: Timestamp) {
        self.clock.advance(at.duration_since(self.now()));
    }

    pub(crate) fn node(&self, id: &str) -> &Node {
        self.nodes.iter().find(|it| it.config.organisation.iter().any(|it| it.id.as_str() == id)).unwrap()
    }

    pub(crate) fn node_mut(&mut self, id: &str) -> &mut Node {
        self.nodes.iter_mut().find(|it| it.config.organisation.iter().any(|it| it.id.as_str() == id)).unwrap()
    }

    /// Where an organisation's people and programs connect.
    pub fn client_port(&self, id: &str) -> SocketAddr {
        self.node(id).client()
    }

    /// Where an organisation's peers connect.
    pub fn peer_port(&self, id: &str) -> SocketAddr {
        self.node(id).config.peer[0]
    }

    /// The host name that chooses an organisation.
    pub fn host(&self, id: &str) -> String {
        organisation(id, String::new(), PART_ROWS).host
    }

    /// An organisation's keys, from its folder: for whoever plays it.
    pub fn keys(&self, id: &str) -> KeyRing {
        KeyRing::open(&self.node(id).folder.join(id).join("keys")).unwrap()
    }

    /// An organisation's folder.
    pub fn folder(&self, id: &str) -> std::path::PathBuf {
        self.folder.path().join(self.node(id).config.organisation[0].id.as_str()).join(id)
    }

    /// An organisation, for what has no route. What it does runs in the test's runtime; see [`World::on`].
    pub fn organisation(&self, id: &str) -> Arc<Organisation> {
        self.node(id).organisation(id).unwrap()
    }

    /// Does something with an organisation inside its node.
    pub async fn on<T, F>(&self, id: &str, act: impl FnOnce(Arc<Organisation>) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let node = self.node(id);
        let future = act(node.organisation(id).unwrap());
        node.runtime().spawn(future).await.unwrap()
    }

    /// Somebody of `organisation`, in that role (`requester`, `checker`, …).
    pub fn as_<'a>(&'a self, organisation: &'a str, role: &'a str) -> Caller<'a> {
        Caller { world: self, organisation, token: Token::OfRole(role) }
    }

    /// Somebody who shows this token to `organisation`.
    pub fn with_token<'a>(&'a self, organisation: &'a str, token: impl Into<String>) -> Caller<'a> {
        Caller { world: self, organisation, token: Token::Given(token.into()) }
    }

    /// Somebody who shows nothing.
    pub fn stranger<'a>(&'a self, organisation: &'a str) -> Caller<'a> {
        Caller { world: self, organisation, token: Token::None }
    }

    /// The token of a role's account; made, and used once, at the first call. An administrator's is a session, which is
    /// begun anew when it has ended.
    pub async fn token(&self, id: &str, role: &str) -> String {
        let name = (id.to_owned(), role.to_owned());
        let mut tokens = self.tokens.lock().await;
        let held = tokens.get(&name).cloned();
        let made = {
            let role = role.to_owned();
            self.on(id, async move |org| match held {
                Some(held) => again(&org, &role, &held).await,
                None => {
                    let held = somebody(&org, &role).await?;
                    org.caller(&held.token, &[]).await.map(|_| held)
                }
            })
        };
        let held = made.await.unwrap();
        let token = held.token.clone();
        tokens.insert(name, held);
        token
    }

    /// Ends the jobs of all nodes; the story does their steps itself, so that nothing happens by chance.
    pub async fn rest(&mut self) {
        for node in &mut self.nodes {
            node.rest().await;
        }
    }

    /// Cuts everybody off from the world's PostgreSQL database, or lets them in again.
    pub async fn database_away(&self, away: bool) {
        self.home.cut(away).await;
    }

    /// Whether the node of that organisation runs.
    pub fn runs(&self, id: &str) -> bool {
        self.node(id).runs()
    }

    /// Kills the node of that organisation: every task ends where it stands, nothing is closed.
    pub async fn kill(&mut self, id: &str) {
        self.node_mut(id).kill().await;
    }

    /// Starts a killed node on its folder and its ports.
    pub async fn start(&mut self, id: &str) {
        self.node_mut(id).start().await;
    }

    /// Gives an organisation a connection to a system of others; its node starts anew for it.
    pub async fn connect(&mut self, id: &str, name: &str, url: &str) {
        let name = ResourceId::new(name).unwrap();
        let config = ConnectionConfig { url: Address::new(url), ..ConnectionConfig::new(name) };
        self.declare(id, config).await;
    }

    /// As [`World::connect`], where deliveries may write as well.
    pub async fn connect_to_write(&mut self, id: &str, name: &str, url: &str) {
        let name = ResourceId::new(name).unwrap();
        let config = ConnectionConfig { url: Address::new(url), writes: true, ..ConnectionConfig::new(name) };
        self.declare(id, config).await;
    }

    /// Gives an organisation a connection with everything that it may say; its node starts anew for it.
    pub async fn connect_as(&mut self, id: &str, config: ConnectionConfig) {
        self.declare(id, config).await;
    }

    async fn declare(&mut self, id: &str, connection: ConnectionConfig) {
        let node = self.node_mut(id);
        node.kill().await;
        let config = node.config.organisation.iter_mut().find(|it| it.id.as_str() == id).unwrap();
        config.connection.retain(|it| it.name != connection.name);
        config.connection.push(connection);
        node.start().await;
    }

    /// The founders expel a member, and everybody else hears of it.
    pub async fn expel(&mut self, id: &str) {
        let entry = self.expulsion(id);
        self.tell(&entry, |it| it != id).await;
    }

    /// The founders expel a member, and the hub alone hears of it.
    pub async fn expel_at_the_hub(&mut self, id: &str) {
        let entry = self.expulsion(id);
        self.tell(&entry, |it| it == "js-data").await;
    }

    fn expulsion(&mut self, id: &str) -> federation::Entry {
        let reason = Bilingual::new("测试：除名", "a story: expelled");
        let change = Change::Expel { id: OrganisationId::new(id).unwrap(), reason, evidence: None };
        self.founding.enter(change, self.now())
    }

    /// The founders sign an entry and tell nobody.
    pub fn enter(&mut self, change: Change) -> federation::Entry {
        self.founding.enter(change, self.now())
    }

    /// The founders confirm membership, so that everybody's view is young again.
    pub async fn refresh(&mut self) {
        self.update("js-data", |_| {}).await;
    }

    /// The founders say that a member is to be dialled elsewhere.
    pub async fn readdress(&mut self, id: &str, address: SocketAddr) {
        self.update(id, |it| it.addresses = vec![address.to_string()]).await;
    }

    /// The founders sign that a member's keys or log are others from now on, and everybody hears of it.
    pub async fn rotate(&mut self, id: &str, keys: &federation::Keys) {
        let id = OrganisationId::new(id).unwrap();
        let change = Change::Rotate { id, keys: Box::new(keys.clone()), emergency: false };
        let entry = self.founding.enter(change, self.now());
        self.tell(&entry, |_| true).await;
    }

    async fn update(&mut self, id: &str, change: impl FnOnce(&mut node::Card)) {
        let mut organisation = {
            let view = self.organisation("js-data").members().unwrap();
            view.member(&OrganisationId::new(id).unwrap()).unwrap().organisation.clone()
        };
        change(&mut organisation);
        let entry = self.founding.enter(Change::Update { organisation: Box::new(organisation) }, self.now());
        self.tell(&entry, |_| true).await;
    }

    async fn tell(&self, entry: &federation::Entry, whom: impl Fn(&str) -> bool) {
        for id in self.ids().filter(|it| whom(it)) {
            let entries = vec![entry.clone()];
            self.on(id, async move |org| org.adopt(&administrator(&org), entries).await).await.unwrap();
        }
    }

    /// Waits until the world's own jobs have made it so, a bounded time.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, mut so: impl FnMut() -> F) {
        let waiting = async {
            while !so().await {
                tokio::time::sleep(LOOK).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "in vain: {what}");
    }
}

fn administrator(org: &Organisation) -> Principal {
    principal(org, Role::SystemAdministrator)
}
