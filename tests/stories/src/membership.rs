//! Membership travels by the hub, and nobody acts on what is too old.

use jiff::SignedDuration;
use serde_json::json;
use testkit::{Hostile, PURPOSE, World, story};

story! {
    /// An expulsion that the hub alone was told reaches the provider at its next look, and holds from then on.
    async fn an_expulsion_travels_by_the_hub(mut world: World) {
        world.province(60).await;
        let agreement = world.agree_base().await;
        world.expel_at_the_hub("nj-gxj").await;
        let hostile = Hostile::member(&world, "nj-gxj");
        let actor = "application:policy-platform";
        let body = json!({"agreement": agreement, "purpose": PURPOSE, "actor": actor, "limit": 1});
        let letter = || hostile.write(&world.host("js-scjg"), "/peer/v1/query", &body);
        hostile.send(&world, "js-scjg", letter()).await.expect_status(200);
        assert!(world.on("js-scjg", async |org| org.follow_membership().await).await.unwrap());
        let problem = hostile.send(&world, "js-scjg", letter()).await.expect_problem("peer.not_member", 403);
        assert_eq!(problem["expelled"], "nj-gxj");
        assert!(problem["detail"].as_str().unwrap().contains("除名"), "{problem}");
        assert!(problem["detail_en"].as_str().unwrap().starts_with("nj-gxj was expelled from federation"), "{problem}");
        assert!(!world.on("js-scjg", async |org| org.follow_membership().await).await.unwrap());
    }
}

story! {
    /// While the hub is away the others go on for as long as the federation allows, then they stop; when it is back,
    /// they go on by themselves.
    async fn an_old_view_is_not_acted_on(mut world: World) {
        world.province(60).await;
        let agreement = world.agree_base().await;
        world.kill("js-data").await;
        world.advance(SignedDuration::from_hours(168));
        world.query(&agreement, json!({"limit": 1})).await.expect_status(200);
        world.advance(SignedDuration::from_secs(1));
        let problem = world.query(&agreement, json!({"limit": 1})).await.expect_problem("federation.stale", 503);
        assert_eq!(problem["age_seconds"], 168 * 3600 + 1);
        // A provider whose view is old answers nobody, however good the caller's is.
        let hostile = Hostile::member(&world, "nj-gxj");
        let letter = hostile.write(&world.host("js-scjg"), "/peer/v1/query", &json!({}));
        hostile.send(&world, "js-scjg", letter).await.expect_problem("federation.stale", 503);
        world.start("js-data").await;
        world.until("the hub trusts its own view again", || async {
            world.organisation("js-data").members().unwrap().age_seconds(world.now()) == 0
        }).await;
        for id in ["js-scjg", "nj-gxj"] {
            world.on(id, async |org| org.follow_membership().await).await.unwrap();
        }
        world.query(&agreement, json!({"limit": 1})).await.expect_status(200);
    }
}
