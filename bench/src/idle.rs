//! `idle`: the real program with the demo's packs: how long until it serves, and how much of it is resident while
//! nobody asks; fresh, after it was used, and started again.

use crate::report::{Bound, Figure, Report, Unit};
use federation::Change;
use node::{Clock as _, NodeConfig, OrganisationConfig, SystemClock};
use policy::{Level, MemberRole};
use serde_json::{Value, json};
use std::{fs, path::PathBuf, time::Duration};
use testkit::{
    Desk, Founding, Province, enter_administrators, free_addresses, import_path, install_cryptography, open_account,
    own_loopback, own_token, pack_files,
};
use vocabulary::{Bilingual, FederationName};
use yunhe::Process;

const NAME: &str = "idle";
/// Packs that the demo's provider installs, but for its catalogue.
const PACKS: [&str; 5] = ["calendar-cn", "exchange-deadlines", "divisions", "legal-persons", "listed-companies"];
/// Its entries are indexed, and for that the Chinese dictionary is loaded (some 45 MB).
const CATALOGUE: &str = "catalogue-samples";
/// Rows that are imported when it is used.
const ROWS: u64 = 20_000;
/// Nobody asks for this long before memory is looked at.
const REST: Duration = Duration::from_secs(3);
const START_SECONDS: Bound = Bound::Below(1.0);
const RESIDENT_MEGABYTES: Bound = Bound::Below(80.0);
const ORGANISATION: &str = "js-scjg";

fn config() -> NodeConfig {
    let [client, peer] = free_addresses(own_loopback());
    let organisation = OrganisationConfig {
        id: ORGANISATION.parse().unwrap(),
        title: Bilingual::new("江苏省市场监督管理局", "Jiangsu Administration for Market Regulation"),
        host: format!("{ORGANISATION}.yunhe.internal"),
        division: "320000".to_owned(),
        level: Level::Province,
        roles: vec![MemberRole::Hub, MemberRole::Authority, MemberRole::Department],
        superior: None,
        database: "sqlite".to_owned(),
        epoch: 1,
        part_rows: node::PART_ROWS,
        connection: Vec::new(),
    };
    let federation = FederationName::new("jiangsu").unwrap();
    NodeConfig { federation, client, peer: vec![peer], organisation: vec![organisation] }
}

fn review() -> Value {
    json!({"number": "bench", "by": "reviewer", "on": "2026-11-23"})
}

/// The program and its administrators; the program is killed when this is dropped.
struct Node {
    process: Process,
    admin: Desk,
    security: Desk,
}

impl Node {
    async fn start(&mut self, report: &mut Report, when: &str) {
        let took = self.process.start().await.unwrap();
        let figure = Figure::new(NAME, format!("start until it serves, {when}"), took.as_secs_f64(), Unit::Seconds);
        report.tell(&figure.gate(START_SECONDS));
    }

    async fn rest(&self) -> f64 {
        tokio::time::sleep(REST).await;
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id().unwrap())).unwrap();
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1_024.0 / 1e6
    }

    async fn tell(&self, report: &mut Report, when: &str) {
        let figure = Figure::new(NAME, format!("resident, {when}"), self.rest().await, Unit::Megabytes);
        report.tell(&figure.gate(RESIDENT_MEGABYTES));
    }

    /// Founds a federation of one, installs the packs, imports, reads.
    async fn use_it(&self, card: node::Card) {
        let now = SystemClock.now();
        let mut founding = Founding::new(&FederationName::new("jiangsu").unwrap(), now);
        founding.enter(Change::Join { organisation: Box::new(card) }, now);
        let genesis = json!({"genesis": founding.genesis, "digest": founding.digest()});
        self.admin.post("/v1/federation", genesis).await.expect_status(200);
        let entries = json!({"entries": founding.entries});
        self.admin.post("/v1/federation/entries", entries).await.expect_status(200);
        for pack in PACKS {
            self.install(pack).await;
        }
        let steward = self.somebody("data-steward").await;
        let province = Province::draw(ROWS);
        steward.upload(&import_path("legal-person"), province.csv).await.expect_status(200);
        steward.get("/v1/records/legal-person").await.expect_status(200);
    }

    async fn install(&self, pack: &str) {
        let body = json!({"files": pack_files(pack), "review": review()});
        self.admin.post("/v1/packs", body).await.expect_status(200);
    }

    /// Publishes entries and finds one.
    async fn search(&self) {
        self.install(CATALOGUE).await;
        let title = json!({"zh": "法人基础信息", "en": "Base facts of legal persons"});
        let entry = json!({
            "entry": "legal-person-base", "title": title, "code": "102001001/000101", "class": "base",
            "theme": "legal-persons", "provider": title, "description": title, "formats": ["csv"],
            "items": [{"title": {"zh": "名称", "en": "Name"}, "type": "text"}], "share": "unconditional",
            "method": "platform", "open": false, "cycle": "daily", "published": "2026-11-24", "grade": "一般/1",
        });
        let body = json!({"entry": entry, "review": review()});
        let cataloguer = self.somebody("cataloguer").await;
        cataloguer.post("/v1/catalog", body).await.expect_status(200);
        let found = cataloguer.get("/v1/catalog?q=%E6%B3%95%E4%BA%BA").await.expect_status(200);
        assert!(found["total"].as_u64() >= Some(1), "{found}");
    }

    async fn somebody(&self, role: &str) -> Desk {
        open_account(&self.admin, &self.security, role, &[role]).await;
        let token = own_token(&Desk::new(self.process.client, ORGANISATION, None), role, &[]).await;
        self.admin.showing(&token)
    }
}

/// Measures and tells.
pub async fn run(report: &mut Report) {
    let Some(program) = std::env::var_os("YUNHE_PROGRAM").map(PathBuf::from).filter(|it| it.is_file()) else {
        let en = "YUNHE_PROGRAM must name the program `yunhe`; `cargo xtask bench` builds it and sets it";
        return report.fail(NAME, "须以 YUNHE_PROGRAM 指明程序 yunhe；`cargo xtask bench` 会编译并设好", en);
    };
    install_cryptography();
    let folder = tempfile::tempdir().unwrap();
    let config = config();
    let (_, card) = node::init(folder.path(), &config, vocabulary::Suite::default()).await.unwrap().remove(0);
    enter_administrators(folder.path(), &config).await;
    let desk = |name: &str| {
        let token = fs::read_to_string(folder.path().join(ORGANISATION).join("tokens").join(name)).unwrap();
        Desk::new(config.client, ORGANISATION, Some(token))
    };
    let (admin, security) = (desk("sysadmin"), desk("secadmin"));
    let process = Process::new(program, folder.path().to_owned(), config.client, config.peer);
    let mut node = Node { process, admin, security };
    node.start(report, "fresh").await;
    node.tell(report, "fresh").await;
    node.use_it(card).await;
    node.tell(report, "after packs, an import and a page of rows").await;
    node.search().await;
    let figure = Figure::new(NAME, "resident, after a search besides", node.rest().await, Unit::Megabytes);
    report.tell(&figure.note("no gate: dictionaries and index are loaded on use"));
    assert!(node.process.stop().await, "the node did not stop in order");
    node.start(report, "with packs and rows").await;
    node.tell(report, "started again with packs and rows").await;
    assert!(node.process.stop().await, "the node did not stop in order");
}
