//! Two processes of one federation: the provider's, with the hub beside it, and the consumer's. What the consumer
//! asks of the provider goes through a relay that the test holds.

use federation::Change;
use jiff::ToSpan as _;
use node::{Clock as _, NodeConfig, OrganisationConfig, SystemClock};
use policy::{Level, MemberRole};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use testkit::{
    Desk, Founding, PURPOSE, Province, Relay, enter_administrators, free_addresses, import_path, install_cryptography,
    open_account, own_loopback, own_token, pack_files,
};
use vocabulary::{Bilingual, FederationName, OrganisationId, date_in_shanghai};
use yunhe::Process;

/// Small parts, so that a small sample makes many.
const PART_ROWS: usize = 16;
/// The story waits for the nodes' own jobs this long at most.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);
/// An agreement holds this long.
const DAYS: i64 = 30;

/// The provider's process (`js-data`, `js-scjg`) and the consumer's (`nj-gxj`).
pub struct Town {
    pub provider: Process,
    pub consumer: Process,
    /// Between the consumer and the provider's peer port.
    pub relay: Relay,
    /// The consumer's application system.
    pub application: Desk,
    /// The provider's officer.
    pub officer: Desk,
    pub agreement: String,
    founding: Founding,
}

/// A process that is to be killed.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    Provider,
    Consumer,
}

pub fn organisation(id: &str, roles: &[MemberRole]) -> OrganisationConfig {
    OrganisationConfig {
        id: OrganisationId::new(id).unwrap(),
        title: Bilingual::new(id, id),
        host: format!("{id}.js.yunhe.internal"),
        division: "320100".to_owned(),
        level: Level::City,
        roles: roles.to_vec(),
        superior: None,
        database: "sqlite".to_owned(),
        epoch: 1,
        part_rows: PART_ROWS,
        connection: Vec::new(),
    }
}

/// A node's folder, and its process, which does not run yet; with the cards of its organisations.
pub async fn init(folder: &Path, all: &[(&str, &[MemberRole])]) -> (Process, Vec<node::Card>) {
    install_cryptography();
    let [client, peer] = free_addresses(own_loopback());
    let config = NodeConfig {
        federation: FederationName::new("jiangsu").unwrap(),
        client,
        peer: vec![peer],
        organisation: all.iter().map(|(id, roles)| organisation(id, roles)).collect(),
    };
    let cards = node::init(folder, &config, vocabulary::Suite::default())
        .await
        .unwrap()
        .into_iter()
        .map(|(_, card)| card)
        .collect();
    enter_administrators(folder, &config).await;
    let program = PathBuf::from(env!("CARGO_BIN_EXE_yunhe"));
    (Process::new(program, folder.to_owned(), config.client, config.peer), cards)
}

/// The system administrator of an organisation.
pub fn administrator(process: &Process, id: &str) -> Desk {
    seated(process, id, "sysadmin")
}

/// The security administrator of an organisation.
pub fn security(process: &Process, id: &str) -> Desk {
    seated(process, id, "secadmin")
}

/// The audit administrator of an organisation.
pub fn auditor(process: &Process, id: &str) -> Desk {
    seated(process, id, "auditadmin")
}

fn seated(process: &Process, id: &str, name: &str) -> Desk {
    let token = fs::read_to_string(process.folder.join(id).join("tokens").join(name)).unwrap();
    Desk::new(process.client, id, Some(token.trim().to_owned()))
}

/// Somebody else of it, with an account of that role; for `application` a program.
pub async fn somebody(process: &Process, id: &str, role: &str) -> Desk {
    let (system, security) = (administrator(process, id), security(process, id));
    if role == "application" {
        let name = "policy-platform";
        system.post("/v1/applications", json!({"name": name})).await.expect_status(200);
        let token = security.post("/v1/tokens", json!({"application": name, "days": 90})).await.expect_status(200);
        return system.showing(token["token"].as_str().unwrap());
    }
    open_account(&system, &security, role, &[role]).await;
    let token = own_token(&Desk::new(process.client, id, None), role, &[]).await;
    system.showing(&token)
}

/// Waits until the nodes' own jobs have made it so, a bounded time.
pub async fn until<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    let waiting = async {
        while !so().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "in vain: {what}");
}

impl Town {
    /// Both run in folders within `home` and know each other; so many legal persons are at the provider, and an
    /// agreement is live.
    pub async fn build(home: &Path, rows: u64) -> Self {
        Self::build_at([&home.join("provider"), &home.join("consumer")], rows).await
    }

    /// As [`Town::build`], with the provider's folder and the consumer's.
    pub async fn build_at(homes: [&Path; 2], rows: u64) -> Self {
        let hub: &[MemberRole] = &[MemberRole::Hub, MemberRole::Authority];
        let department: &[MemberRole] = &[MemberRole::Department];
        let (mut provider, mut cards) = init(homes[0], &[("js-data", hub), ("js-scjg", department)]).await;
        let (mut consumer, theirs) = init(homes[1], &[("nj-gxj", department)]).await;
        let relay = Relay::start(own_loopback(), provider.peers[0]).await;
        for card in &mut cards {
            card.addresses = vec![relay.address().to_string()];
        }
        cards.extend(theirs);
        provider.start().await.unwrap();
        consumer.start().await.unwrap();
        let members = [(&provider, "js-data"), (&provider, "js-scjg"), (&consumer, "nj-gxj")];
        let founding = found(cards, &members).await;
        fill(&provider, rows).await;
        let agreement = agree(&somebody(&consumer, "nj-gxj", "requester").await).await;
        Self {
            application: somebody(&consumer, "nj-gxj", "application").await,
            officer: somebody(&provider, "js-scjg", "provider-officer").await,
            provider,
            consumer,
            relay,
            agreement,
            founding,
        }
    }

    pub fn process(&mut self, side: Side) -> &mut Process {
        match side {
            Side::Provider => &mut self.provider,
            Side::Consumer => &mut self.consumer,
        }
    }

    /// `kill -9`, and the connections end, as the kernel sees to.
    pub async fn kill(&mut self, side: Side) {
        self.process(side).kill().await;
        self.relay.cut();
    }

    /// The killed process runs again.
    pub async fn start(&mut self, side: Side) {
        self.relay.mend();
        self.process(side).start().await.unwrap();
    }

    /// The founders sign that a member's keys or log are others from now on, and everybody hears of it.
    pub async fn rotate(&mut self, card: &node::Card) {
        let change = Change::Rotate { id: card.id.clone(), keys: Box::new(card.keys.clone()), emergency: false };
        let entry = self.founding.enter(change, SystemClock.now());
        for (process, id) in [(&self.provider, "js-data"), (&self.provider, "js-scjg"), (&self.consumer, "nj-gxj")] {
            let entries = json!({"entries": [entry]});
            administrator(process, id).post("/v1/federation/entries", entries).await.expect_status(200);
        }
    }

    /// Begins a batch; its id.
    pub async fn begin(&self) -> String {
        let ask = json!({"agreement": self.agreement, "format": "csv"});
        let pull = self.application.post("/v1/pulls", ask).await.expect_status(200);
        pull["id"].as_str().unwrap().to_owned()
    }

    /// How a batch stands; it has not failed.
    pub async fn state(&self, pull: &str) -> Value {
        let state = testkit::pull_state(&self.application, pull).await;
        assert_ne!(state["state"], "failed", "{state}");
        state
    }

    /// Waits until a batch is done.
    pub async fn done(&self, pull: &str) {
        until("the batch ends", || async { self.state(pull).await["state"] == "done" }).await;
    }
}

/// All pin the federation and hear who is in it.
pub async fn found(cards: Vec<node::Card>, members: &[(&Process, &str)]) -> Founding {
    let now = SystemClock.now();
    let mut founding = Founding::new(&FederationName::new("jiangsu").unwrap(), now);
    for card in cards {
        founding.enter(Change::Join { organisation: Box::new(card) }, now);
    }
    let genesis = json!({"genesis": founding.genesis, "digest": founding.digest()});
    let entries = json!({"entries": founding.entries});
    for (process, id) in members {
        let admin = administrator(process, id);
        admin.post("/v1/federation", genesis.clone()).await.expect_status(200);
        admin.post("/v1/federation/entries", entries.clone()).await.expect_status(200);
    }
    founding
}

/// Installs what the provider needs, and imports base facts.
async fn fill(provider: &Process, rows: u64) {
    let admin = administrator(provider, "js-scjg");
    for pack in ["divisions", "calendar-cn", "exchange-deadlines", "legal-persons"] {
        let files: BTreeMap<String, String> = pack_files(pack);
        admin.post("/v1/packs", json!({"files": files})).await.expect_status(200);
    }
    let steward = somebody(provider, "js-scjg", "data-steward").await;
    let province = Province::draw(rows);
    steward.upload(&import_path("legal-person"), province.csv).await.expect_status(200);
    until("the import is numbered", || async {
        let changes = steward.get("/v1/changes?feed=registry").await.expect_status(200);
        changes["entries"].as_array().is_some_and(|it| !it.is_empty())
    })
    .await;
}

/// An agreement on the base facts, which need nobody's answer.
async fn agree(requester: &Desk) -> String {
    let until = date_in_shanghai(SystemClock.now()).checked_add(DAYS.days()).unwrap();
    let draft = json!({
        "provider": "js-scjg", "offer": "legal-person-base", "purpose": PURPOSE,
        "basis": {"law": "《政务数据共享条例》", "article": "第二十一条"}, "matter": "惠企政策兑现",
        "system": "惠企政策平台", "frequency": "daily", "until": until, "in_charge": "产业政策处",
    });
    let asked = requester.post("/v1/requests", draft).await.expect_status(200);
    let path = format!("/v1/requests/{}/agreement", asked["request"]["body"]["id"].as_str().unwrap());
    let view = requester.post(&path, json!({})).await.expect_status(200);
    view["agreement"]["body"]["id"].as_str().unwrap().to_owned()
}
