//! Keys are changed while the nodes run and calls go on: nothing is lost, and whoever shows the old key afterwards
//! hears whose it was.

use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::json;
use signing::KeyRing;
use std::collections::BTreeSet;
use testkit::{Hostile, World, story};

/// Queries under way while keys change.
const BUSY: usize = 60;
/// Queries before, between and after the steps.
const QUERIES: usize = 8;

async fn queries(world: &World, agreement: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for _ in 0..QUERIES {
        let answer = world.query(agreement, json!({"limit": 1})).await.expect_status(200);
        keys.insert(answer["receipt"]["batch"]["signature"]["key"].as_str().unwrap().to_owned());
    }
    keys
}

async fn follow(world: &World, id: &str) -> bool {
    world.on(id, async |org| org.follow_keys().await).await.unwrap()
}

story! {
    /// Messages and TLS of the provider, then of the consumer.
    async fn of_both_sides(mut world: World) {
        world.province(60).await;
        let agreement = world.agree_base().await;
        for id in ["js-scjg", "nj-gxj"] {
            let before = world.keys(id);
            let old = Hostile::member(&world, id);
            let folder = world.folder(id).join("keys");
            KeyRing::prepare_messages(&folder, None).unwrap();
            KeyRing::prepare_tls(&folder).unwrap();
            let messages = KeyRing::next_messages(&folder).unwrap().unwrap().public();
            let tls = KeyRing::next_tls(&folder).unwrap().unwrap().pin().unwrap();
            // Not before membership names both, and not before members have had time to hear of it.
            assert!(!follow(&world, id).await);
            let mut keys = {
                let view = world.organisation("js-data").members().unwrap();
                view.member(&id.parse().unwrap()).unwrap().organisation.keys.clone()
            };
            keys.messages.push(messages);
            keys.tls.push(tls);
            world.rotate(id, &keys).await;
            follow(&world, id).await;
            let signed = queries(&world, &agreement).await;
            world.advance(SignedDuration::from_secs(599));
            assert_eq!(world.keys(id).messages.public(), before.messages.public());
            world.advance(SignedDuration::from_secs(1));
            // The node's own job may be quicker than we are. Whoever asks in that very moment is answered.
            let asks = (0..BUSY).map(|_| world.query(&agreement, json!({"limit": 1})));
            let (answers, _) = tokio::join!(join_all(asks), follow(&world, id));
            for answer in answers {
                answer.expect_status(200);
            }
            assert_eq!(world.keys(id).messages.public(), messages);
            let after = queries(&world, &agreement).await;
            assert_eq!(after == signed, id == "nj-gxj", "receipts bear the provider's key of the moment");
            // The old keys are given up: whoever shows them hears whose they were.
            (keys.messages, keys.tls) = (vec![messages], vec![tls]);
            world.rotate(id, &keys).await;
            queries(&world, &agreement).await;
            let letter = old.write(&world.host("js-data"), "/peer/v1/federation", &json!({}));
            let ended = match old.dial(&world, "js-data").await {
                Ok(line) => line.send(letter).await.is_err(),
                Err(_) => true,
            };
            assert!(ended, "its connection ends in a TLS alert");
            let view = world.organisation("js-data").members().unwrap();
            let problem = view.by_message_key(&before.messages.public()).unwrap_err();
            assert_eq!((problem.code.as_ref(), &problem.more["former_of"]), ("peer.not_member", &json!(id)));
        }
        world.until("all is countersigned", || async {
            let all = world.as_("js-scjg", "auditor").get("/v1/receipts").await.expect_status(200);
            all.as_array().unwrap().iter().all(|it| it["state"] == "acknowledged")
        })
        .await;
    }
}

story! {
    /// A certificate is renewed before its end, with the same key, while connections go on.
    async fn of_a_certificate(mut world: World) {
        world.rest().await;
        let pin = world.organisation("js-scjg").tls().1.pin;
        assert!(!follow(&world, "js-scjg").await);
        let days = world.organisation("js-scjg").certificate_days();
        world.advance(SignedDuration::from_hours((days - 20) * 24));
        assert!(world.organisation("js-scjg").certificate_days() < 30);
        assert!(follow(&world, "js-scjg").await);
        let org = world.organisation("js-scjg");
        assert!(org.certificate_days() > 3_000 && org.tls().1.pin == pin);
        assert!(!follow(&world, "js-scjg").await);
    }
}

story! {
    /// A key that cannot be put to use, for the disk is full or a file is gone, stands in the log once all the same.
    async fn a_key_that_fails_again_and_again_is_noted_once(mut world: World) {
        let id = "js-scjg";
        world.rest().await;
        let folder = world.folder(id).join("keys");
        KeyRing::prepare_messages(&folder, None).unwrap();
        let mut keys = {
            let view = world.organisation("js-data").members().unwrap();
            view.member(&id.parse().unwrap()).unwrap().organisation.keys.clone()
        };
        keys.messages.push(KeyRing::next_messages(&folder).unwrap().unwrap().public());
        world.rotate(id, &keys).await;
        let (key, aside) = (folder.join("messages.pem"), folder.join("aside"));
        std::fs::rename(&key, &aside).unwrap();
        for _ in 0..3 {
            assert!(!follow(&world, id).await);
            world.advance(SignedDuration::from_secs(600));
            world.on(id, async |org| org.follow_keys().await).await.unwrap_err();
        }
        std::fs::rename(&aside, &key).unwrap();
        assert!(!follow(&world, id).await);
        world.advance(SignedDuration::from_secs(600));
        assert!(follow(&world, id).await);
        let used = world.as_(id, "auditor").get("/v1/audit?act=key.use").await.expect_status(200);
        assert_eq!(used["acts"].as_array().unwrap().len(), 1, "{used}");
    }
}
