//! Two organisations in one process: nothing of the one is seen with the other's token, connection or database.

use serde_json::json;
use testkit::{Hostile, World, story};

story! {
    /// The neighbour's people see their own empty shelves, whatever they ask for by name.
    async fn neighbours_see_nothing_of_each_other(world: World) {
        world.province(300).await;
        let agreement = world.agree_operation("2026-12-31").await;
        let answer = world.query(&agreement, json!({"limit": 5})).await.expect_status(200);
        let receipt = answer["receipt"]["body"]["id"].as_str().unwrap();
        let request = &agreement.replace("agr_", "req_");
        // By token: each id that exists next door is unknown here, and the lists are empty.
        let steward = world.as_("nj-data", "requester");
        for (path, code) in [
            (format!("/v1/agreements/{agreement}"), "exchange.agreement_missing"),
            (format!("/v1/requests/{request}"), "exchange.request_missing"),
            (format!("/v1/receipts/{receipt}"), "exchange.receipt_missing"),
        ] {
            steward.get(&path).await.expect_problem(code, 404);
        }
        for path in ["/v1/agreements", "/v1/requests", "/v1/receipts", "/v1/packs", "/v1/records"] {
            assert_eq!(steward.get(path).await.expect_status(200), json!([]), "{path}");
        }
        let body = json!({"agreement": agreement, "limit": 5});
        steward.post("/v1/queries", body).await.expect_problem("exchange.agreement_missing", 404);
        // A token of the one is none of the other's.
        let token = world.token("nj-data", "requester").await;
        let crossed = world.with_token("nj-gxj", token).get("/v1/agreements").await;
        assert_eq!(crossed.status, 401);
        // By connection: one that was opened for nj-data carries no message to nj-gxj, though they share the port.
        let provider = Hostile::member(&world, "js-scjg");
        let line = provider.dial(&world, "nj-data").await.unwrap();
        let letter = provider.write_bytes("GET", &world.host("nj-gxj"), &format!("/peer/v1/requests/{request}"), "");
        line.send(letter).await.unwrap().expect_problem("peer.host", 403);
        // Not even signed for the right host: another consumer's request is unknown to whoever asks.
        let neighbour = Hostile::member(&world, "nj-data");
        let host = world.host("js-scjg");
        for path in [format!("/peer/v1/requests/{request}"), format!("/peer/v1/requests/{request}/agreement")] {
            let reply = neighbour.send(&world, "js-scjg", neighbour.write_bytes("GET", &host, &path, "")).await;
            assert_eq!(reply.status, 404, "{}", reply.text());
        }
        // Nor is another's batch handed out.
        let ask = json!({"agreement": agreement, "format": "csv"});
        let pull = world.application().post("/v1/pulls", ask).await.expect_status(200);
        let pull = pull["id"].as_str().unwrap();
        let path = format!("/v1/pulls/{pull}");
        let state = async || world.application().get(&path).await.expect_status(200)["state"].clone();
        world.until("the pull", || async { state().await == "done" }).await;
        let part = json!({"purpose": testkit::PURPOSE, "actor": "application:other"});
        let letter = neighbour.write(&host, &format!("/peer/v1/parcels/{pull}/parts/0"), &part);
        neighbour.send(&world, "js-scjg", letter).await.expect_problem("exchange.parcel_missing", 404);
        steward.get(&format!("/v1/pulls/{pull}")).await.expect_problem("exchange.pull_missing", 404);
        // By database: not a byte of what nj-gxj received, nor of who asked, stands in nj-data's tables.
        let traces = [agreement.trim_start_matches("agr_").to_owned(), receipt.to_owned()];
        assert!(holds(&world, "nj-gxj", &traces).await, "the search finds what is there");
        assert!(!holds(&world, "nj-data", &traces).await);
    }
}

/// Whether any text in any table of that organisation contains one of `traces`.
async fn holds(world: &World, id: &str, traces: &[String]) -> bool {
    let traces = traces.to_vec();
    world
        .on(id, async move |org| {
            let store = org.store();
            let mut reader = store.read().await.unwrap();
            let sql = match store.dialect() {
                store::Dialect::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'table'",
                store::Dialect::Postgres => {
                    "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = current_schema()"
                }
            };
            for table in reader.rows(sql, vec![]).await.unwrap() {
                let table = table.text("name").unwrap();
                let whole = match store.dialect() {
                    store::Dialect::Sqlite => format!("SELECT * FROM \"{table}\""),
                    store::Dialect::Postgres => format!("SELECT t::text AS row FROM \"{table}\" AS t"),
                };
                for row in reader.rows(store::Statement::built(whole), vec![]).await.unwrap() {
                    let text = format!("{row:?}");
                    if traces.iter().any(|it| text.contains(it)) {
                        return true;
                    }
                }
            }
            false
        })
        .await
}
