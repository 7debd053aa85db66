//! Receipts: issued, acknowledged, in the log, and verified by anybody with nothing but the membership log at hand.

use evidence::VerifierKey;
use exchange::{Keys, Receipt, verify};
use serde_json::{Value, json};
use testkit::{World, story};
use vocabulary::{OrganisationId, Problem};

/// The keys of provider and consumer, from the membership log alone.
pub(crate) struct Known {
    provider: Vec<signing::PublicKey>,
    consumer: Vec<signing::PublicKey>,
    log: Vec<VerifierKey>,
}

impl Known {
    pub(crate) fn of(world: &World) -> Self {
        let (genesis, entries) = world.membership();
        let view = federation::decide::replay(genesis.clone(), entries).unwrap();
        let keys = |id: &str| view.member(&OrganisationId::new(id).unwrap()).unwrap().organisation.keys.clone();
        let (provider, consumer) = (keys("js-scjg"), keys("nj-gxj"));
        let log = VerifierKey::new(provider.log.origin.to_string(), provider.log.key).unwrap();
        Self { provider: provider.messages, consumer: consumer.messages, log: vec![log] }
    }

    pub(crate) fn keys(&self) -> Keys<'_> {
        Keys { provider: &self.provider, consumer: &self.consumer, log: &self.log }
    }
}

/// The receipt's file as one side gives it, once it is acknowledged and in the log.
pub(crate) async fn finished(world: &World, organisation: &str, id: &str) -> String {
    let path = format!("/v1/receipts/{id}");
    let file = async || world.as_(organisation, "auditor").get(&path).await;
    let whole = |it: &Value| it["acknowledgement"].is_object() && it["log_proof"].is_string();
    world.until("the receipt is acknowledged and logged", || async { whole(&file().await.expect_status(200)) }).await;
    file().await.text()
}

story! {
    /// A receipt is proof from its first moment; later it is countersigned and in the log, on both sides the same file.
    async fn a_receipt_is_issued_then_acknowledged_and_logged(world: World) {
        world.province(300).await;
        let agreement = world.agree_operation("2026-12-31").await;
        let answer = world.query(&agreement, json!({"limit": 5})).await.expect_status(200);
        let issued: Receipt = serde_json::from_value(answer["receipt"].clone()).unwrap();
        let known = Known::of(&world);
        let proven = verify(&issued, &known.keys()).unwrap();
        assert_eq!((proven.acknowledged, proven.logged), (false, false));
        let id = issued.body.id.to_string();
        let [theirs, ours] = [finished(&world, "js-scjg", &id).await, finished(&world, "nj-gxj", &id).await];
        let [theirs, ours]: [Receipt; 2] = [theirs, ours].map(|it| serde_json::from_str(&it).unwrap());
        for file in [&theirs, &ours] {
            let proven = verify(file, &known.keys()).unwrap();
            assert!(proven.acknowledged && proven.logged);
            assert!(proven.words.en.contains("5 rows") && proven.words.zh.contains("5 行"), "{}", proven.words.en);
            assert_eq!(file.body, issued.body);
        }
        let open = async || {
            let path = format!("/v1/agreements/{agreement}");
            world.as_("js-scjg", "auditor").get(&path).await.expect_status(200)["open_receipts"].clone()
        };
        assert_eq!(open().await, json!(0));
        let listed = world.as_("nj-gxj", "auditor").get(&format!("/v1/receipts?agreement={agreement}")).await;
        let listed = listed.expect_status(200);
        let states = listed.as_array().unwrap().iter().map(|it| json!([it["side"], it["state"]]));
        assert_eq!(states.collect::<Vec<_>>(), [json!(["consumer", "acknowledged"])]);
    }
}

/// Reads and verifies a file.
fn check(file: &[u8], keys: &Keys<'_>) -> Result<Receipt, String> {
    let receipt: Receipt = serde_json::from_slice(file).map_err(|it| it.to_string())?;
    verify(&receipt, keys).map_err(|it: Problem| it.code.to_string())?;
    Ok(receipt)
}

/// Whichever byte of a finished receipt is changed, the file is refused with a reason, or it says the very same.
#[tokio::test]
async fn a_changed_byte_is_found_and_named() {
    let world = World::new(testkit::Database::Sqlite).await;
    world.province(300).await;
    let agreement = world.agree_operation("2026-12-31").await;
    let answer = world.query(&agreement, json!({"limit": 5})).await.expect_status(200);
    let file = finished(&world, "nj-gxj", answer["receipt"]["body"]["id"].as_str().unwrap()).await.into_bytes();
    let known = Known::of(&world);
    let whole = check(&file, &known.keys()).unwrap();
    let mut codes = std::collections::BTreeMap::<String, usize>::new();
    for at in 0..file.len() {
        for bit in [0x01, 0x20] {
            let mut changed = file.clone();
            changed[at] ^= bit;
            match check(&changed, &known.keys()) {
                // Another spelling of the same: a letter of a date, an exponent.
                Ok(same) => assert_eq!(same, whole, "byte {at} ^ {bit:#x}"),
                Err(why) if why.contains(' ') => *codes.entry("unreadable".to_owned()).or_default() += 1,
                Err(code) => *codes.entry(code).or_default() += 1,
            }
        }
    }
    for part in ["receipt.leaf", "receipt.consumer", "receipt.acknowledgement"] {
        assert!(codes.contains_key(part), "{part} among {codes:?}");
    }
    assert!(codes.keys().all(|it| it == "unreadable" || it.contains('.')), "{codes:?}");
}
