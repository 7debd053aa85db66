//! What the hub sees of deliveries: of those that travel direct digests and checkpoints, of recorded ones request,
//! agreement and receipts as well, and never a row.

use jiff::SignedDuration;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path};
use testkit::{Hostile, Province, World, story};

/// The base facts are recorded at the hub, operation and credit travel as the federation says: direct.
async fn province(world: &World) -> Province {
    let recorded = |path: &str, text: String| match path {
        "offers/legal-person-base.yaml" => format!("{text}\ntravel: hub-recorded\n"),
        _ => text,
    };
    world.install_packs(recorded).await;
    let province = Province::draw(60);
    for record in ["legal-person", "legal-person-operation"] {
        world.import(record, &province.csv).await;
    }
    province
}

async fn follow(world: &World) -> usize {
    world.number_all("js-scjg").await;
    world.on("js-data", async move |org| org.follow_records().await).await.unwrap()
}

/// What the hub has, by kind, oldest first.
async fn recorded(world: &World, agreement: &str) -> Vec<Value> {
    let path = format!("/v1/recorded?agreement={agreement}");
    let mut all = world.as_("js-data", "approver").get(&path).await.expect_status(200).as_array().unwrap().clone();
    all.sort_by_key(|it| it["index"].as_u64());
    all
}

fn kinds(all: &[Value]) -> Vec<&str> {
    all.iter().map(|it| it["record"]["kind"].as_str().unwrap()).collect()
}

/// Every byte in the files of a folder.
fn bytes_under(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            all.extend(bytes_under(&entry.path()));
        } else {
            all.extend(fs::read(entry.path()).unwrap());
        }
    }
    all
}

story! {
    /// Recorded deliveries are at the hub with both sides' signatures, each once, also after the hub was away for days;
    /// of direct ones it has the digest of the agreement. No name that was delivered stands in anything that it keeps.
    async fn the_hub_sees_what_travels_and_no_row(mut world: World) {
        let province = province(&world).await;
        let recorded_one = world.agree_base().await;
        let direct_one = world.agree_operation("2026-12-31").await;
        world.rest().await;
        let base = ["uscc", "name", "kind", "founded", "industry", "capital", "status", "authority", "division"];
        let sound = province.sound(&base);
        let mut names = Vec::new();
        let mut keys = sound.iter();
        for _ in 0..2 {
            let (key, row) = keys.next().unwrap();
            world.query(&recorded_one, json!({"key": [key]})).await.expect_status(200);
            names.push(row["name"].clone());
        }
        world.query(&direct_one, json!({"limit": 3})).await.expect_status(200);
        assert_eq!(follow(&world).await, 4);
        assert_eq!(follow(&world).await, 0, "read again nothing is new");
        let all = recorded(&world, &recorded_one).await;
        assert_eq!(kinds(&all), ["agreement", "receipt", "receipt"], "{all:?}");
        assert_eq!(all[0]["record"]["agreement"]["signatures"].as_array().unwrap().len(), 2);
        assert_eq!(all[0]["record"]["request"]["request"]["body"]["consumer"], "nj-gxj");
        assert_eq!(all[1]["record"]["receipt"]["body"]["rows"], 1);
        let direct = recorded(&world, &direct_one).await;
        assert_eq!(kinds(&direct), ["digest"]);
        let view = world.as_("js-scjg", "auditor").get(&format!("/v1/agreements/{direct_one}")).await;
        let view = view.expect_status(200);
        assert_eq!(direct[0]["record"]["digest"], view["digest"]);
        assert_eq!(view["agreement"]["body"]["travel"], Value::Null, "as agreements always were");

        // The hub is away for three days, and hears of what happened meanwhile when it is back.
        world.kill("js-data").await;
        for _ in 0..2 {
            let (key, row) = keys.next().unwrap();
            world.query(&recorded_one, json!({"key": [key]})).await.expect_status(200);
            names.push(row["name"].clone());
        }
        let path = format!("/v1/agreements/{recorded_one}/revocation");
        world.as_("js-scjg", "provider-officer").post(&path, json!({"reason": "用毕"})).await.expect_status(200);
        world.advance(SignedDuration::from_hours(72));
        world.start("js-data").await;
        world.rest().await;
        assert_eq!(follow(&world).await, 3);
        let all = recorded(&world, &recorded_one).await;
        assert_eq!(kinds(&all), ["agreement", "receipt", "receipt", "receipt", "receipt", "revocation"]);

        let kept = [bytes_under(&world.folder("js-data")), recorded_text(&world).await].concat();
        for name in &names {
            let found = kept.windows(name.len()).any(|it| it == name.as_bytes());
            assert!(!found, "{name} was delivered and stands at the hub");
        }
        // Whoever is no hub is told nothing, and not everybody at the hub looks.
        let member = Hostile::member(&world, "nj-gxj");
        let letter = member.write_bytes("GET", &world.host("js-scjg"), "/peer/v1/records?from=0&known=0", "");
        member.send(&world, "js-scjg", letter).await.expect_problem("exchange.hub", 403);
        world.as_("js-data", "requester").get("/v1/recorded").await.expect_problem("policy.role", 403);
    }
}

async fn recorded_text(world: &World) -> Vec<u8> {
    world.as_("js-data", "approver").get("/v1/recorded").await.text().into_bytes()
}

story! {
    /// An offer that has to travel through the hub is refused in words before anything is signed: nothing goes another
    /// way than was said.
    async fn what_cannot_travel_so_is_not_agreed(world: World) {
        let sealed = |path: &str, text: String| match path {
            "offers/legal-person-base.yaml" => format!("{text}\ntravel: via-hub\n"),
            _ => text,
        };
        world.install_packs(sealed).await;
        let draft = World::draft("legal-person-base", "2026-12-31");
        let reply = world.as_("nj-gxj", "requester").post("/v1/requests", draft).await;
        let answers = BTreeMap::from([("code", reply.code())]);
        assert_eq!(answers["code"], "exchange.travel", "{}", reply.text());
    }
}
