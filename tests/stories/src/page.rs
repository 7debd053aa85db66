//! The page of the API: it comes wholly from the node, and nothing else may run in it.

use testkit::{Database, World};

/// What `html` refers to by `attribute`.
fn references<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!("{attribute}=\"");
    html.split(start.as_str()).skip(1).filter_map(|it| it.split('"').next()).collect()
}

#[tokio::test]
async fn the_page_of_the_api_comes_from_the_node_alone() {
    let world = World::new(Database::Sqlite).await;
    let stranger = world.stranger("js-scjg");
    let home = stranger.get("/").await;
    assert_eq!(home.field("content-type"), Some("text/html; charset=utf-8"), "the root leads to the page");
    let page = stranger.get("/api").await;
    assert_eq!(page.body, home.body);
    let policy = page.field("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; ") && !policy.contains("unsafe"), "{policy}");
    let html = page.text();
    assert!(!html.contains("http") && !html.contains("<script>") && !html.contains("style="), "nothing inline: {html}");
    for path in [references(&html, "src"), references(&html, "href")].concat() {
        let file = stranger.get(path).await;
        assert_eq!(file.status, 200, "{path}");
        if path.starts_with("/api/swagger-ui") {
            assert_eq!((file.field("content-encoding"), &file.body[..2]), (Some("gzip"), &[0x1f, 0x8b][..]), "{path}");
        }
    }
    assert_eq!(stranger.get("/health").await.expect_status(200)["api"], "/api");
    stranger.get("/api/nothing.js").await.expect_problem("web.file", 404);
}
