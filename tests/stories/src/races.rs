//! Many at once: the guards stand in the statements, so of those that race exactly as many win as may.

use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};
use store::transact;
use testkit::{Hostile, PURPOSE, Reply, World, story};

/// How many answers there were of each kind; a success has no code.
fn tally(replies: impl IntoIterator<Item = Reply>) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for reply in replies {
        *tally.entry(reply.code()).or_default() += 1;
    }
    tally
}

fn counts<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.map(|(code, count)| (code.to_owned(), count)).into()
}

story! {
    /// Twenty queries of one row at once, of a quota of ten: ten rows go out.
    async fn a_quota_is_not_overdrawn(world: World) {
        world.province_with_quota(200, 10).await;
        let agreement = world.agree_operation("2026-12-31").await;
        let body = json!({"agreement": agreement, "purpose": PURPOSE, "actor": "application:trial", "limit": 1});
        let hostile = Hostile::member(&world, "nj-gxj");
        let line = hostile.dial(&world, "js-scjg").await.unwrap();
        let host = world.host("js-scjg");
        let asks = (0..20).map(|_| line.send(hostile.write(&host, "/peer/v1/query", &body)));
        let replies = join_all(asks).await.into_iter().map(Result::unwrap);
        assert_eq!(tally(replies), counts([("", 10), ("exchange.quota", 10)]));
        let path = format!("/v1/agreements/{agreement}");
        let view = world.as_("js-scjg", "auditor").get(&path).await.expect_status(200);
        assert_eq!((&view["day_rows"], &view["open_receipts"]), (&json!(10), &json!(10)));
    }
}

story! {
    /// Past a bound of leaves that wait for the sequencer nothing is delivered, whatever else goes on; once it has
    /// caught up, the same query is answered.
    async fn a_log_that_falls_behind_slows_deliveries_down(mut world: World) {
        world.province(60).await;
        let agreement = world.agree_base().await;
        world.token("nj-gxj", "application").await;
        world.rest().await;
        world.number_all("js-scjg").await;
        let flood = |org: Arc<node::Organisation>| async move {
            let many = evidence::BEHIND_LEAVES_MAX + evidence::SEQUENCE_LEAVES_MAX;
            let leaf = |it: u64| evidence::NewLeaf {
                kind: "test.flood",
                body: format!("{{\"number\":{it}}}"),
                salt: evidence::Salt([7; 32]),
            };
            let leaves: Vec<_> = (0..many).map(leaf).collect();
            let now = org.now();
            transact!(org.store(), None, |tx| evidence::append_all(tx, &leaves, now).await)?;
            org.sequence_once().await
        };
        assert!(world.on("js-scjg", flood).await.unwrap());
        world.query(&agreement, json!({"limit": 1})).await.expect_problem("evidence.behind", 503);
        world.number_all("js-scjg").await;
        world.query(&agreement, json!({"limit": 1})).await.expect_status(200);
    }
}

story! {
    /// Answers that never came do not block an agreement: the consumer fetches their receipts, finds its own signed
    /// requests in them, and countersigns that it did not receive them.
    async fn lost_answers_are_settled(mut world: World) {
        world.province(60).await;
        let agreement = world.agree_base().await;
        for (organisation, role) in [("js-scjg", "auditor"), ("nj-gxj", "auditor")] {
            world.token(organisation, role).await;
        }
        world.rest().await;
        let body = json!({"agreement": agreement, "purpose": PURPOSE, "actor": "application:trial", "limit": 1});
        // Asked with the consumer's keys; the consumer's node never sees the answers.
        let hostile = Hostile::member(&world, "nj-gxj");
        let line = hostile.dial(&world, "js-scjg").await.unwrap();
        for _ in 0..3 {
            line.send(hostile.write(&world.host("js-scjg"), "/peer/v1/query", &body)).await.unwrap().expect_status(200);
        }
        let kept = world.query(&agreement, json!({"limit": 1})).await.expect_status(200);
        let states = async |organisation: &str| {
            let all = world.as_(organisation, "auditor").get("/v1/receipts").await.expect_status(200);
            let mut states = BTreeMap::new();
            for receipt in all.as_array().unwrap() {
                *states.entry(receipt["state"].as_str().unwrap().to_owned()).or_insert(0) += 1;
            }
            states
        };
        let acknowledge = async || {
            world.application().post("/v1/receipts/acknowledge", json!({})).await.expect_status(200)
        };
        acknowledge().await;
        // They might still be under way. A signature is kept behind its answer: until then it is shown as committed.
        let expected = counts([("issued", 3), ("acknowledged", 1)]);
        world.until("the signatures are kept", || async { states("js-scjg").await == expected }).await;
        world.advance(SignedDuration::from_secs(121));
        assert_eq!(acknowledge().await["acknowledged"]["js-scjg"], 3);
        let end = counts([("unreceived", 3), ("acknowledged", 1)]);
        assert_eq!((states("js-scjg").await, states("nj-gxj").await), (end.clone(), end));
        let view = world.as_("js-scjg", "auditor").get(&format!("/v1/agreements/{agreement}")).await.expect_status(200);
        assert_eq!(view["open_receipts"], 0);
        assert_eq!(acknowledge().await["acknowledged"], json!({}), "once");
        for side in ["js-scjg", "nj-gxj"] {
            let count = "SELECT COUNT(*) AS n FROM exchange_acknowledgement";
            let mut reader = world.organisation(side).store().read().await.unwrap();
            let kept = reader.row(count, vec![]).await.unwrap().unwrap().int("n").unwrap();
            assert_eq!(kept, 2, "{side} keeps a countersignature once, of however many receipts");
        }
        let of_it = &kept["receipt"]["body"]["id"];
        let all = world.as_("nj-gxj", "auditor").get("/v1/receipts").await.expect_status(200);
        let missed = all.as_array().unwrap().iter().find(|it| it["body"]["id"] != *of_it).unwrap();
        let receipt: exchange::Receipt = serde_json::from_value(missed["file"].clone()).unwrap();
        let [provider, consumer] = ["js-scjg", "nj-gxj"].map(|it| [world.keys(it).messages.public()]);
        let keys = exchange::Keys { provider: &provider, consumer: &consumer, log: &[] };
        let proven = exchange::verify(&receipt, &keys).unwrap();
        assert!(proven.acknowledged && proven.unreceived && proven.words.en.contains("never came"), "{proven:?}");
    }
}

story! {
    /// A revocation that the other side could not hear is told again, until it has heard; then no more.
    async fn a_revocation_is_told_until_it_is_heard(mut world: World) {
        world.province(60).await;
        let agreement = world.agree_base().await;
        world.rest().await;
        let path = format!("/v1/agreements/{agreement}");
        world.token("js-scjg", "provider-officer").await;
        world.token("nj-gxj", "auditor").await;
        world.kill("nj-gxj").await;
        let officer = world.as_("js-scjg", "provider-officer");
        officer.post(&format!("{path}/revocation"), json!({"reason": "依据变更"})).await.expect_status(200);
        let tell = async |world: &World| world.organisation("js-scjg").tell_revocations().await.unwrap();
        assert_eq!(tell(&world).await, 0, "nobody is there to hear");
        world.start("nj-gxj").await;
        world.rest().await;
        let state = async |world: &World| {
            world.as_("nj-gxj", "auditor").get(&path).await.expect_status(200)["state"].clone()
        };
        assert_eq!(state(&world).await, "live");
        // A peer that was not there a moment ago is not dialled at once.
        world.until("it is heard", || async { tell(&world).await == 1 }).await;
        assert_eq!(state(&world).await, "revoked");
        assert_eq!(tell(&world).await, 0, "once");
    }
}

story! {
    /// One signed message sent ten times at once is answered once.
    async fn a_message_passes_once(world: World) {
        world.province(60).await;
        let agreement = world.agree_base().await;
        let body = json!({"agreement": agreement, "purpose": PURPOSE, "actor": "application:trial", "limit": 1});
        let hostile = Hostile::member(&world, "nj-gxj");
        let letter = hostile.write(&world.host("js-scjg"), "/peer/v1/query", &body);
        let line = hostile.dial(&world, "js-scjg").await.unwrap();
        let replies = join_all((0..10).map(|_| line.send(letter.clone()))).await.into_iter().map(Result::unwrap);
        assert_eq!(tally(replies), counts([("", 1), ("peer.replay", 9)]));
    }
}

story! {
    /// Of two answers at once one counts, and of many signatures there is one agreement.
    async fn a_step_answers_once_and_an_agreement_is_one(world: World) {
        world.install_packs(|_, text| text).await;
        world.token("nj-gxj", "checker").await;
        let asked = world.ask("legal-person-operation", "2026-12-31").await;
        let id = asked["request"]["body"]["id"].as_str().unwrap();
        let agree = || world.answer(id, "own-department", json!({"verdict": "agree"}));
        let replies = join_all((0..4).map(|_| agree())).await;
        assert_eq!(tally(replies), counts([("", 1), ("exchange.turn", 3)]));
        let base = world.ask("legal-person-base", "2026-12-31").await;
        let id = base["request"]["body"]["id"].as_str().unwrap();
        let signed = join_all((0..4).map(|_| world.sign(id))).await;
        assert!(signed.iter().all(|it| *it == signed[0]), "{signed:?}");
        for organisation in ["js-scjg", "nj-gxj"] {
            let all = world.as_(organisation, "auditor").get("/v1/agreements").await.expect_status(200);
            assert_eq!(all.as_array().unwrap().len(), 1, "{all}");
        }
    }
}

story! {
    /// The same import begun four times at once loads each row once; who comes too late hears so.
    async fn an_import_is_done_once(world: World) {
        world.install_packs(|_, text| text).await;
        let province = testkit::Province::draw(200);
        let id = uuid::Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001).simple();
        let path = format!("{}&id=imp_{id}", testkit::import_path("legal-person"));
        world.token("js-scjg", "data-steward").await;
        let steward = world.as_("js-scjg", "data-steward");
        let replies = join_all((0..4).map(|_| steward.upload(&path, province.csv.clone()))).await;
        let tally = tally(replies);
        assert!(tally.get("").is_some_and(|it| *it >= 1), "{tally:?}");
        let allowed = ["", "registry.import_moved", "store.retry"];
        assert!(tally.keys().all(|it| allowed.contains(&it.as_str())), "{tally:?}");
        let base = ["uscc", "name", "kind", "founded", "industry", "capital", "status", "authority", "division"];
        let sound = province.sound(&base);
        let types = steward.get("/v1/records").await.expect_status(200);
        let kind = types.as_array().unwrap().iter().find(|it| it["name"] == "legal-person").unwrap();
        assert_eq!(kind["rows"], json!(sound.len()));
        for key in sound.keys().take(5) {
            let path = "/v1/records/legal-person/history";
            let history = steward.post(path, json!({"key": [key]})).await.expect_status(200);
            assert_eq!(history["versions"].as_array().unwrap().len(), 1, "{history}");
        }
    }
}
