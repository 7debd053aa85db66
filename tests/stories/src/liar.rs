//! A provider that lies: whatever is wrong with its answer is found before anything of it is used, and named.

use exchange::Receipt;
use jiff::SignedDuration;
use serde_json::{Value, json};
use signing::{KeyRing, SigningKey};
use testkit::{Forged, Impostor, Lie, World, story};
use vocabulary::{Digest, Hash, Suite, canonical_bytes};

const QUERY: &str = "/peer/v1/query";
const LIST: &str = "/peer/v1/parcels";
const PART: &str = "/parts/0";

/// What is wrong, how it is told, and its code and status.
type Case = (&'static str, Lie, &'static str, u16);

/// What the consumer has taken over: receipts, and leaves about them.
async fn taken(world: &World) -> (usize, usize) {
    // An account leaves a leaf as well, when it is made.
    world.token("nj-gxj", "application").await;
    let receipts = world.as_("nj-gxj", "auditor").get("/v1/receipts").await.expect_status(200);
    let leaves = async |org: std::sync::Arc<node::Organisation>| {
        while org.sequence_once().await.unwrap() {}
        evidence::leaves(&mut org.store().read().await.unwrap(), 0, 1_000).await.unwrap().len()
    };
    (receipts.as_array().unwrap().len(), world.on("nj-gxj", leaves).await)
}

/// A receipt made anew around what it now says, signed with `key`.
fn made_anew(mut receipt: Receipt, key: &SigningKey) -> Receipt {
    let salt: Hash = hex::decode(&receipt.salt).unwrap().try_into().unwrap();
    let body = canonical_bytes(&receipt.body).unwrap();
    receipt.log.leaf = evidence::leaf_digest(Suite::default(), &evidence::Salt(salt), &body);
    let log = &receipt.log;
    receipt.batch = evidence::batch::sign(key, &log.origin, log.integrate_by, &[log.leaf]).unwrap().remove(0);
    receipt
}

/// Changes the receipt of an answer.
fn receipt(change: impl Fn(&mut Receipt) + Send + Sync + 'static) -> impl Fn(&mut Forged) + Send + Sync + 'static {
    move |answer| {
        let mut receipt = answer.receipt();
        change(&mut receipt);
        answer.bring(&receipt);
    }
}

/// Changes the first row of a page, as somebody would who wants another one to be believed.
fn other_row(answer: &mut Forged) {
    let mut page: Value = serde_json::from_slice(&answer.body).unwrap();
    page["rows"][0]["name"] = "另一企业".into();
    answer.body = page.to_string().into();
}

/// The receipt says what the changed body is.
fn about(receipt: &mut Receipt, body: &[u8]) {
    receipt.body.answer = Digest::of(body);
    receipt.body.bytes = body.len() as u64;
}

fn changed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    bytes
}

/// Lies in the answer and its signature.
fn about_the_answer(own: &SigningKey, other: &SigningKey) -> Vec<Case> {
    vec![
        ("another body, the old signature", Lie::after_signing(QUERY, other_row), "peer.answer", 502),
        ("another body, signed anew", Lie::signed(own.clone(), QUERY, other_row), "receipt.other", 502),
        ("a body without end", Lie::endless(QUERY), "peer.answer", 502),
        (
            "a body that says it is packed",
            Lie::signed(own.clone(), QUERY, |it| {
                it.head.headers.insert("content-encoding", "gzip".parse().unwrap());
            }),
            "peer.answer",
            502,
        ),
        (
            "a way to somewhere else",
            Lie::signed(own.clone(), QUERY, |it| it.redirect("https://elsewhere.internal/")),
            "peer.answer",
            502,
        ),
        ("signed by another member", Lie::signed(other.clone(), QUERY, |_| {}), "peer.answer", 502),
        ("no receipt", Lie::after_signing(QUERY, Forged::bring_none), "receipt.missing", 502),
        (
            "a receipt that cannot be read",
            Lie::after_signing(QUERY, |it| {
                it.head.headers.insert("yunhe-receipt", "e30=".parse().unwrap());
            }),
            "peer.answer",
            502,
        ),
    ]
}

/// Lies in the receipt, about an answer that is true.
fn about_the_receipt(own: &SigningKey, other: &SigningKey) -> Vec<Case> {
    let lie = |change: fn(&mut Receipt)| Lie::after_signing(QUERY, receipt(change));
    let anew = |key: &SigningKey, change: fn(&mut Receipt)| {
        let key = key.clone();
        let make = move |it: &mut Receipt| {
            change(it);
            *it = made_anew(it.clone(), &key);
        };
        Lie::after_signing(QUERY, receipt(make))
    };
    let forged_rows = {
        let own = own.clone();
        Lie::signed(own.clone(), QUERY, move |it| {
            other_row(it);
            let mut receipt = it.receipt();
            about(&mut receipt, &it.body);
            it.bring(&receipt);
        })
    };
    let zero = Digest { suite: Suite::default(), hash: [0; 32] };
    vec![
        ("a receipt for other rows, the old leaf", forged_rows, "receipt.leaf", 422),
        ("more rows than were sent", lie(|it| it.body.rows += 1), "receipt.leaf", 422),
        ("another salt", lie(|it| it.salt = "0".repeat(64)), "receipt.leaf", 422),
        ("another leaf", Lie::after_signing(QUERY, receipt(move |it| it.log.leaf = zero)), "receipt.leaf", 422),
        (
            "a path too long",
            Lie::after_signing(QUERY, receipt(move |it| it.batch.path.push(zero))),
            "evidence.path",
            422,
        ),
        ("another root", Lie::after_signing(QUERY, receipt(move |it| it.batch.root = zero)), "evidence.root", 422),
        ("a place outside the batch", lie(|it| it.batch.index = it.batch.size), "evidence.index", 422),
        ("another log", lie(|it| it.log.origin.epoch += 1), "evidence.signature", 422),
        ("signed by another member", anew(other, |_| {}), "receipt.provider", 422),
        (
            "a promise far ahead",
            anew(own, |it| it.log.integrate_by += SignedDuration::from_hours(1)),
            "receipt.promise",
            502,
        ),
        ("another record", anew(own, |it| it.body.record = "divisions".parse().unwrap()), "receipt.other", 502),
        ("another purpose", anew(own, |it| it.body.purpose = "营销".to_owned()), "receipt.other", 502),
        ("a request never made", anew(own, |it| it.asked.base.push(' ')), "receipt.consumer", 422),
    ]
}

story! {
    /// A query whose answer or receipt is not what it should be is refused with its code; no row is shown, no receipt
    /// kept. Told the truth again, the same consumer goes on.
    async fn a_query_is_answered_with_a_lie(mut world: World) {
        world.province(60).await;
        let agreement = world.agree_base().await;
        world.rest().await;
        let impostor = Impostor::of(&mut world, "js-scjg", "nj-gxj", None).await;
        let (own, other) = (world.keys("js-scjg").messages, world.keys("nj-data").messages);
        let ask = || world.query(&agreement, json!({"limit": 3}));
        ask().await.expect_status(200);
        let old = impostor.last();
        let mut before = taken(&world).await;
        let old_receipt = old.receipt();
        let repeats: Vec<Case> = vec![
            ("an old answer again", Lie::after_signing(QUERY, move |it| *it = old.clone()), "peer.answer", 502),
            (
                "the receipt of another query",
                Lie::after_signing(QUERY, move |it| it.bring(&Receipt {
                    body: exchange::ReceiptBody { request: Digest::of(b"another"), ..old_receipt.body.clone() },
                    ..old_receipt.clone()
                })),
                "receipt.other",
                502,
            ),
        ];
        let cases = about_the_answer(&own, &other).into_iter().chain(about_the_receipt(&own, &other)).chain(repeats);
        for (what, lie, code, status) in cases {
            impostor.lie(Some(lie));
            let reply = ask().await;
            assert_eq!((reply.code().as_str(), reply.status), (code, status), "{what}: {}", reply.text());
            assert!(reply.json()["rows"].is_null(), "{what}: {}", reply.text());
            assert_eq!(taken(&world).await, before, "{what}");
        }
        impostor.lie(None);
        ask().await.expect_status(200);
        before.0 += 1;
        assert_eq!(taken(&world).await.0, before.0);
    }
}

story! {
    /// Somebody with another TLS key is not even asked.
    async fn another_members_key(mut world: World) {
        world.province(60).await;
        let agreement = world.agree_base().await;
        world.rest().await;
        let keys: KeyRing = world.keys("nj-data");
        let _impostor = Impostor::of(&mut world, "js-scjg", "nj-gxj", Some(keys)).await;
        let before = taken(&world).await;
        let problem = world.query(&agreement, json!({"limit": 3})).await.expect_problem("peer.tls", 502);
        assert_eq!(problem["reason"], "key_unknown_here");
        assert_eq!(taken(&world).await, before);
    }
}

async fn begin(world: &World, agreement: &str) -> String {
    let ask = json!({"agreement": agreement, "format": "csv"});
    let pull = world.application().post("/v1/pulls", ask).await.expect_status(200);
    pull["id"].as_str().unwrap().to_owned()
}

/// Carries pulls on until this one is as it should be; says how it stands.
async fn carried(world: &World, pull: &str, so: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/v1/pulls/{pull}");
    let state = || async { world.application().get(&path).await.expect_status(200) };
    world
        .until("the batch comes to it", || async {
            world.on("nj-gxj", async |org| org.carry_pulls().await).await.unwrap();
            so(&state().await)
        })
        .await;
    state().await
}

/// Changes the list of a batch.
fn list(change: fn(&mut Value)) -> impl Fn(&mut Forged) + Send + Sync + 'static {
    move |answer| {
        let mut list: Value = serde_json::from_slice(&answer.body).unwrap();
        if list["ready"] == true {
            change(&mut list);
        }
        answer.body = list.to_string().into();
    }
}

/// Lies about a batch; `old` is the receipt of the first part of another batch of the same rows.
fn about_the_batch(own: &SigningKey, old: Receipt) -> Vec<Case> {
    type Change = Box<dyn Fn(&mut Forged) + Send + Sync>;
    let signed = |path, change: Change| Lie::signed(own.clone(), path, change);
    let differs = "exchange.batch_differs";
    let other_digest = |it: &mut Value| it["parts"][0]["digest"] = Digest::of(b"other").to_string().into();
    vec![
        ("a part that is not the one listed", signed(LIST, Box::new(list(other_digest))), differs, 502),
        ("more rows listed", signed(LIST, Box::new(list(|it| it["parts"][0]["rows"] = 999.into()))), differs, 502),
        ("parts out of order", signed(LIST, Box::new(list(|it| it["parts"][0]["number"] = 1.into()))), differs, 502),
        ("another batch", signed(LIST, Box::new(list(|it| it["format"] = "arrow".into()))), differs, 502),
        (
            "a changed part, signed anew",
            signed(PART, Box::new(|it: &mut Forged| it.body = changed(&it.body).into())),
            differs,
            502,
        ),
        (
            "a changed part, the old signature",
            Lie::after_signing(PART, |it| it.body = changed(&it.body).into()),
            "peer.answer",
            502,
        ),
        ("a part without end", Lie::endless(PART), "peer.answer", 502),
        (
            "the receipt of another batch, of the very same bytes",
            Lie::after_signing(PART, move |it| it.bring(&old)),
            differs,
            502,
        ),
    ]
}

story! {
    /// A part that is not what was listed, or whose receipt is another's, is not kept; once the truth is told the batch
    /// goes on to its end.
    async fn a_batch_is_delivered_with_a_lie(mut world: World) {
        world.province(40).await;
        let agreement = world.agree_base().await;
        world.rest().await;
        let impostor = Impostor::of(&mut world, "js-scjg", "nj-gxj", None).await;
        let own = world.keys("js-scjg").messages;
        // An honest batch first.
        let first = begin(&world, &agreement).await;
        carried(&world, &first, |it| it["state"] == "done").await;
        let auditor = world.as_("nj-gxj", "auditor");
        let receipts = auditor.get("/v1/receipts").await.expect_status(200);
        let old = receipts.as_array().unwrap().iter().find(|it| it["body"]["part"] == 0).unwrap();
        let path = format!("/v1/receipts/{}", old["body"]["id"].as_str().unwrap());
        let old: Receipt = serde_json::from_value(auditor.get(&path).await.expect_status(200)).unwrap();
        let old = Receipt { log_proof: None, ..old };
        for (what, lie, code, _) in about_the_batch(&own, old) {
            impostor.lie(None);
            let before = taken(&world).await;
            let pull = begin(&world, &agreement).await;
            impostor.lie(Some(lie));
            let state = carried(&world, &pull, |it| it["problem"].is_object()).await;
            assert_eq!(state["problem"]["code"], code, "{what}: {state}");
            assert_eq!(taken(&world).await, before, "{what}");
            let path = format!("/v1/pulls/{pull}/parts/0");
            world.application().get(&path).await.expect_problem("blob.missing", 404);
            impostor.lie(None);
            carried(&world, &pull, |it| it["state"] == "done").await;
        }
    }
}
