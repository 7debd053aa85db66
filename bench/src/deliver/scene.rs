//! A provider with rows on PostgreSQL, a consumer with a database outside, and an agreement on all columns.

use crate::pair::{CONSUMER, PROVIDER, run_clock};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use store::Statement;
use testkit::{Database, Outside, World};

/// The seed of the provider's rows.
const SEED: u64 = 7;
/// A delivery must be done within this.
const LONG: Duration = Duration::from_secs(300);
/// How often one looks how it stands.
const LOOK: Duration = Duration::from_millis(20);
/// The connection to the database outside.
const CONNECTION: &str = "warehouse";

/// Who is measured.
pub struct Scene {
    /// The nodes.
    pub world: World,
    /// The consumer's database.
    pub outside: Outside,
    /// The agreement.
    pub agreement: String,
    /// How the database forces its writes, for a figure's note.
    pub fsync: String,
    /// The address of the provider's own database.
    pub source: String,
}

/// How long a delivery took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// Until rows and mark were there.
    pub filled: Duration,
    /// Until they were compared.
    pub compared: Duration,
}

impl Scene {
    /// With so many legal persons at the provider, less those with a planted defect.
    pub async fn with_rows(rows: u64) -> Self {
        let outside = Outside::postgres().await.unwrap();
        let mut world = World::with_part_rows(Database::postgres().unwrap(), node::PART_ROWS).await;
        run_clock(&world);
        world.connect_to_write(CONSUMER, CONNECTION, &outside.url()).await;
        world.install_packs(|_, text| text).await;
        let mut csv = Vec::new();
        sample::legal_persons(SEED, rows, &mut csv).unwrap();
        let report = world.import("legal-person", &csv).await;
        assert_eq!(report["read"], rows, "{report}");
        world.number_all(PROVIDER).await;
        let agreement = world.agree_base().await;
        let store = world.organisation(PROVIDER).store().clone();
        let ask = |sql: &str| {
            let (store, sql) = (store.clone(), sql.to_owned());
            async move {
                let row = store.read().await.unwrap().row(Statement::built(sql), vec![]).await.unwrap().unwrap();
                row.text("it").unwrap().to_owned()
            }
        };
        let name = ask("SELECT CAST(current_database() AS text) AS it").await;
        let fsync = format!("fsync {}", ask("SELECT current_setting('fsync') AS it").await);
        let server = crate::postgres().unwrap();
        let source = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
        outside.run("ANALYZE").await;
        Self { world, outside, agreement, fsync, source }
    }

    /// Plans a delivery into the table of the same name.
    pub async fn plan(&self, name: &str, agreement: &str, schedule: Option<&str>) {
        let target = json!({"table": {"connection": CONNECTION, "table": name.replace('-', "_")}});
        let mut ask = json!({"name": name, "agreement": agreement, "target": target, "mode": "incremental"});
        if let Some(schedule) = schedule {
            ask["schedule"] = schedule.into();
        }
        self.world.as_(CONSUMER, "data-steward").post("/v1/deliveries", ask).await.expect_status(200);
    }

    /// How a delivery stands.
    pub async fn shown(&self, name: &str) -> Value {
        self.world.as_(CONSUMER, "data-steward").get(&format!("/v1/deliveries/{name}")).await.expect_status(200)
    }

    /// Runs a delivery, and waits until it is done and compared.
    pub async fn run(&self, name: &str) -> Took {
        let runs = self.shown(name).await["progress"]["runs"].as_u64();
        let begun = Instant::now();
        let path = format!("/v1/deliveries/{name}/run");
        self.world.as_(CONSUMER, "data-steward").post(&path, json!({})).await.expect_status(200);
        let mut filled = None;
        loop {
            let now = self.shown(name).await;
            let progress = &now["progress"];
            if filled.is_none() && progress["stage"]["following"].is_object() {
                filled = Some(begun.elapsed());
            }
            if progress["runs"].as_u64() > runs {
                let compared = begun.elapsed();
                assert_eq!(progress["reconciled"]["same"], true, "{now}");
                assert_eq!(now["runs"][0]["outcome"], "done", "{now}");
                return Took { filled: filled.unwrap_or(compared), compared };
            }
            assert!(begun.elapsed() < LONG, "the delivery was not done in time: {now}");
            tokio::time::sleep(LOOK).await;
        }
    }
}
