//! The catalogue as DCAT-AP 3: whole for accounts, open entries for anybody, page after page.

use serde_json::{Value, json};
use testkit::{Desk, Reply, World, pack_files, story};

/// Follows the pages from `path` to the end; the datasets of all.
async fn datasets(desk: &Desk, path: &str) -> Vec<Value> {
    let (mut all, mut next) = (Vec::new(), Some(path.to_owned()));
    while let Some(path) = next {
        let reply = desk.get(&path).await;
        next = link(&reply);
        let page = reply.expect_status(200);
        let graph = page["@graph"].as_array().unwrap();
        assert_eq!(graph[0]["@type"], "dcat:Catalog");
        assert_eq!(graph[0]["hydra:view"]["hydra:next"]["@id"].as_str(), next.as_deref(), "both say how it goes on");
        assert!(graph.len() <= 8, "a page is at most as long as was asked");
        all.extend(graph[1..].iter().cloned());
    }
    all
}

fn link(reply: &Reply) -> Option<String> {
    let link = reply.field("link")?;
    Some(link.strip_prefix('<').unwrap().split_once(">; rel=\"next\"").unwrap().0.to_owned())
}

story! {
    /// A harvester without a token reads every entry that is open to the public and no other; an account reads all. A
    /// token that is not valid is refused, not taken for none.
    async fn a_harvester_reads_dcat(world: World) {
        let review = json!({"number": "密审-1", "by": "保密办", "on": "2026-11-23"});
        let body = json!({"files": pack_files("catalogue-samples"), "review": review});
        let installed = world.as_("js-data", "administrator").post("/v1/packs", body).await.expect_status(200);
        let entries = installed["published"].as_u64().unwrap();
        let harvester = world.stranger("js-data").desk().await;
        let (open, all) = (
            datasets(&harvester, "/v1/catalog/dcat?limit=7").await,
            datasets(&world.as_("js-data", "requester").desk().await, "/v1/catalog/dcat?limit=7").await,
        );
        assert_eq!(all.len() as u64, entries);
        let is_open = |it: &&Value| it["yunhe:openToPublic"] == true;
        assert_eq!(open, all.iter().filter(is_open).cloned().collect::<Vec<_>>());
        assert!(!open.is_empty() && open.len() < all.len(), "{} of {}", open.len(), all.len());
        assert!(open.iter().all(|it| it["dcterms:accessRights"]["@id"].as_str().unwrap().ends_with("/PUBLIC")));

        // What was withdrawn is gone from the next reading.
        let gone = open[0]["@id"].as_str().unwrap().rsplit('/').next().unwrap();
        let withdraw = format!("/v1/catalog/{gone}");
        world.as_("js-data", "cataloguer").call("DELETE", &withdraw).await.expect_status(200);
        assert_eq!(datasets(&harvester, "/v1/catalog/dcat?limit=7").await, open[1..]);

        let reply = harvester.get("/v1/catalog/dcat").await;
        assert_eq!(reply.field("content-type"), Some("application/ld+json"));
        let forged = world.with_token("js-data", format!("yht_{}", "A".repeat(43)));
        assert_eq!(forged.get("/v1/catalog/dcat").await.status, 401);
        for wrong in ["after=x", "after=x/Y", "limit=0", "limit=1001"] {
            let problem = harvester.get(&format!("/v1/catalog/dcat?{wrong}")).await.expect_problem("catalog.page", 422);
            assert!(problem["detail"].is_string() && problem["detail_en"].is_string());
        }
    }
}
