//! What ends a batch before its time, and what exactly it may take.

use jiff::SignedDuration;
use serde_json::{Value, json};
use store::Fault;
use testkit::{Province, World, story};

const ROWS: u64 = 400;
/// Of the world's provider.
const PART_ROWS: u64 = 16;

async fn begin(world: &World, agreement: &str) -> String {
    let ask = json!({"agreement": agreement, "format": "parquet"});
    let pull = world.application().post("/v1/pulls", ask).await.expect_status(200);
    pull["id"].as_str().unwrap().to_owned()
}

async fn state(world: &World, pull: &str) -> Value {
    world.application().get(&format!("/v1/pulls/{pull}")).await.expect_status(200)
}

async fn ended(world: &World, pull: &str) -> Value {
    let over = async || ["done", "failed"].contains(&state(world, pull).await["state"].as_str().unwrap());
    world.until("the batch is over", || async { over().await }).await;
    state(world, pull).await
}

/// Rows and receipts that the provider has issued for a batch.
async fn issued(world: &World, pull: &str) -> (u64, usize) {
    let all = world.as_("js-scjg", "auditor").get("/v1/receipts").await.expect_status(200);
    let of_it = all.as_array().unwrap().iter().filter(|it| it["body"]["delivery"] == pull);
    let rows: Vec<u64> = of_it.map(|it| it["body"]["rows"].as_u64().unwrap()).collect();
    (rows.iter().sum(), rows.len())
}

/// An agreement on the conditional offer whose quota is `short_by` rows less than what the consumer may see, and how
/// much that is.
async fn with_quota(world: &World, short_by: u64) -> (String, u64) {
    let columns = ["uscc", "division", "staff", "revenue", "abnormal", "violation", "telephone"];
    let province = Province::draw(ROWS);
    let ours = province.sound(&columns).into_values().filter(|it| it["division"].starts_with("3201")).count() as u64;
    world.province_with_quota(ROWS, ours - short_by).await;
    (world.agree_operation("2026-12-31").await, ours)
}

story! {
    /// A batch of exactly the quota goes through, and nothing more that day.
    async fn a_batch_may_take_the_whole_quota(world: World) {
        let (agreement, ours) = with_quota(&world, 0).await;
        let pull = begin(&world, &agreement).await;
        let end = ended(&world, &pull).await;
        assert_eq!((&end["state"], &end["rows"]), (&json!("done"), &json!(ours)), "{end}");
        world.query(&agreement, json!({"limit": 1})).await.expect_problem("exchange.quota", 429);
    }
}

story! {
    /// A part that was issued and did not arrive is handed out again, though nothing is left of the quota: it was
    /// counted when it was issued.
    async fn what_was_issued_comes_though_the_quota_is_spent(mut world: World) {
        let (agreement, ours) = with_quota(&world, 0).await;
        world.token("nj-gxj", "application").await;
        world.token("js-scjg", "auditor").await;
        world.rest().await;
        let pull = begin(&world, &agreement).await;
        // Each part takes two commits at the consumer; the first of the last one fails.
        let last = u32::try_from(ours.div_ceil(PART_ROWS)).unwrap() - 1;
        let store = world.organisation("nj-gxj").store().clone();
        store.inject_after(2 * last, Fault::Lost);
        let step = async || drop(world.on("nj-gxj", async |org| org.carry_pulls().await).await);
        let over = async || ["done", "failed"].contains(&state(&world, &pull).await["state"].as_str().unwrap());
        world.until("the batch is over", || async { step().await; over().await }).await;
        assert!(!store.awaits_fault(), "the fault met the take-over");
        let end = state(&world, &pull).await;
        assert_eq!((&end["state"], &end["rows"]), (&json!("done"), &json!(ours)), "{end}");
        assert_eq!(issued(&world, &pull).await, (ours, last as usize + 1));
    }
}

story! {
    /// A batch of one row more than the quota stops before the part that would be too much, says why, and goes on the
    /// next day.
    async fn a_batch_past_the_quota_goes_on_the_next_day(mut world: World) {
        let (agreement, ours) = with_quota(&world, 1).await;
        world.token("js-scjg", "auditor").await;
        world.rest().await;
        let step = async || drop(world.on("nj-gxj", async |org| org.carry_pulls().await).await);
        let pull = begin(&world, &agreement).await;
        let waits = || async { step().await; state(&world, &pull).await["resumes"] == "2026-11-25" };
        world.until("the quota is spent", waits).await;
        let now = state(&world, &pull).await;
        assert_eq!((&now["state"], &now["problem"]["code"]), (&json!("fetching"), &json!("exchange.quota")), "{now}");
        let (rows, parts) = issued(&world, &pull).await;
        assert!(rows < ours && parts as u64 == now["parts"].as_u64().unwrap() - 1, "{rows} in {parts}: {now}");
        world.advance(SignedDuration::from_hours(13));
        step().await;
        assert_eq!(issued(&world, &pull).await, (rows, parts), "eleven at night is the same day");
        world.advance(SignedDuration::from_hours(2));
        step().await;
        let end = state(&world, &pull).await;
        assert_eq!((&end["state"], &end["rows"]), (&json!("done"), &json!(ours)), "{end}");
        assert_eq!(issued(&world, &pull).await, (ours, parts + 1));
    }
}

story! {
    /// A quota that does not do for one part is waited for once; then the batch has failed, and says why.
    async fn a_quota_below_one_part_fails_the_batch(mut world: World) {
        world.province_with_quota(ROWS, 3).await;
        let agreement = world.agree_operation("2026-12-31").await;
        world.rest().await;
        let step = async || drop(world.on("nj-gxj", async |org| org.carry_pulls().await).await);
        let pull = begin(&world, &agreement).await;
        let waits = || async { step().await; state(&world, &pull).await["resumes"] == "2026-11-25" };
        world.until("the quota is spent", waits).await;
        world.advance(SignedDuration::from_hours(24));
        step().await;
        let end = state(&world, &pull).await;
        assert_eq!((&end["state"], &end["problem"]["code"]), (&json!("failed"), &json!("exchange.quota")), "{end}");
    }
}

story! {
    /// A revocation ends a batch under way: what was delivered stays receipted, nothing further is issued.
    async fn a_revocation_ends_a_batch(mut world: World) {
        world.province(100).await;
        let agreement = world.agree_base().await;
        world.token("js-scjg", "provider-officer").await;
        world.rest().await;
        let pull = begin(&world, &agreement).await;
        let step = async || drop(world.on("nj-gxj", async |org| org.carry_pulls().await).await);
        step().await;
        let path = format!("/v1/agreements/{agreement}/revocation");
        let body = json!({"reason": "依据变更"});
        world.as_("js-scjg", "provider-officer").post(&path, body).await.expect_status(200);
        let before = issued(&world, &pull).await;
        world.until("it hears of it", || async { step().await; state(&world, &pull).await["state"] == "failed" }).await;
        assert_eq!(state(&world, &pull).await["problem"]["code"], "exchange.revoked");
        assert_eq!(issued(&world, &pull).await, before);
    }
}
