//! Every route with a stranger, who is refused.

use testkit::{Database, Hostile, World};
use web::{Method, Port, ROUTES};

/// The routes between nodes, as `server/web/src/peers.rs` mounts them.
const PEER_ROUTES: [(&str, &str); 24] = [
    ("GET", "/peer/v1/offers"),
    ("POST", "/peer/v1/requests"),
    ("GET", "/peer/v1/requests/{request}"),
    ("GET", "/peer/v1/requests/{request}/attachments/{number}"),
    ("GET", "/peer/v1/requests/{request}/agreement"),
    ("POST", "/peer/v1/agreements"),
    ("GET", "/peer/v1/agreements/{agreement}/shape"),
    ("POST", "/peer/v1/revocations"),
    ("POST", "/peer/v1/query"),
    ("POST", "/peer/v1/calls"),
    ("GET", "/peer/v1/receipts/open"),
    ("POST", "/peer/v1/parcels"),
    ("GET", "/peer/v1/parcels/{delivery}"),
    ("POST", "/peer/v1/parcels/{delivery}/parts/{number}"),
    ("POST", "/peer/v1/parcels/{delivery}/standing"),
    ("POST", "/peer/v1/letters"),
    ("POST", "/peer/v1/acknowledgements"),
    ("GET", "/peer/v1/held/{kind}"),
    ("GET", "/peer/v1/log/proof/{leaf}"),
    ("GET", "/peer/v1/catalog"),
    ("GET", "/peer/v1/catalog/reports"),
    ("GET", "/peer/v1/catalog/rulings"),
    ("GET", "/peer/v1/records"),
    ("GET", "/peer/v1/federation"),
];

fn method(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}

/// A path with something plausible for each parameter.
pub(crate) fn path(pattern: &str) -> String {
    let uuid = "00000000000070008000000000000000";
    let value = |pattern: &str, name: &str| match (pattern.split('/').nth(2).unwrap_or_default(), name) {
        (_, "number") => "0".to_owned(),
        (_, "file") => "page.js".to_owned(),
        (_, "path") => "checkpoint".to_owned(),
        (_, "code") => "307010001".to_owned(),
        (_, "organisation") => "js-data".to_owned(),
        (_, "entry") => "enterprise-base".to_owned(),
        (_, "list") => "supply".to_owned(),
        ("chain", "kind") => "system".to_owned(),
        ("users", "name") => "zhang".to_owned(),
        (_, "name") => "legal-person".to_owned(),
        (_, "kind") => "receipts".to_owned(),
        (_, "leaf") => format!("ed25519-sha256:{}", "0".repeat(64)),
        (_, "agreement") => format!("agr_{uuid}"),
        (_, "request") | ("requests", _) => format!("req_{uuid}"),
        (_, "delivery") | ("pulls", _) => format!("dlv_{uuid}"),
        ("agreements", _) => format!("agr_{uuid}"),
        ("objections", _) => format!("obj_{uuid}"),
        ("corrections", _) => format!("cor_{uuid}"),
        ("receipts", _) => format!("rcp_{uuid}"),
        ("imports", _) => format!("imp_{uuid}"),
        ("tokens", _) => format!("tok_{uuid}"),
        ("members", _) => "js-scjg".to_owned(),
        (other, name) => panic!("{other}: a value for {{{name}}}?"),
    };
    let parts = pattern.split('/').map(|it| match it.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
        Some(name) => value(pattern, name),
        None => it.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Nobody gets anything from a route for token holders without a token of this very organisation; what is public
/// answers anybody; and every route of the table is there.
#[tokio::test]
async fn a_stranger_is_refused_on_every_route() {
    let world = World::new(Database::Sqlite).await;
    world.install_packs(|_, text| text).await;
    let neighbour = world.token("nj-data", "data-steward").await;
    let made_up = format!("yht_{}", "A".repeat(43));
    for route in ROUTES {
        let (method, path) = (method(route.method), path(route.path));
        let named = format!("{method} {path}");
        // nj-gxj and nj-data live in one process.
        let callers = [
            ("no token", world.stranger("nj-gxj")),
            ("a made-up token", world.with_token("nj-gxj", &made_up)),
            ("no token at all", world.with_token("nj-gxj", "")),
            ("the neighbour's token", world.with_token("nj-gxj", &neighbour)),
        ];
        for (what, caller) in callers {
            let reply = caller.call(method, &path).await;
            assert_ne!(reply.code(), "web.route", "{named}: it stands in ROUTES and not in the router");
            assert_ne!(reply.status, 405, "{named}");
            match route.port {
                Port::Token => {
                    assert_eq!((reply.status, &reply.code()[..14]), (401, "identity.token"), "{named} with {what}")
                }
                Port::Either => {
                    assert_eq!(reply.status, if what == "no token" { 200 } else { 401 }, "{named} with {what}")
                }
                // A log without its first checkpoint has no file yet; who signs in shows a password, here none.
                Port::Public => {
                    assert!([200, 404, 422].contains(&reply.status), "{named} with {what}: {}", reply.text());
                }
            }
        }
    }
}

/// An id that cannot be one is a problem document as well, and names what was expected.
#[tokio::test]
async fn an_id_that_is_none_is_named() {
    let world = World::new(Database::Sqlite).await;
    let problem = world.as_("nj-gxj", "requester").get("/v1/agreements/abc").await.expect_problem("web.path", 422);
    assert!(problem["detail_en"].as_str().unwrap().contains("agr_"), "{problem}");
}

/// What the router mounts stands in `ROUTES`: the sources are read, for a router does not tell.
#[test]
fn every_mounted_route_stands_in_the_table() {
    let mounted = |file: &str| {
        let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../server/web/src").join(file);
        let source = std::fs::read_to_string(source).unwrap();
        let mut routes = Vec::new();
        for line in source.lines().filter_map(|it| it.split_once(".route(\"")).map(|(_, it)| it) {
            let (path, handlers) = line.split_once('"').unwrap();
            for method in ["get", "post", "delete", "put", "patch"] {
                if handlers.contains(&format!("{method}(")) {
                    routes.push((method.to_uppercase(), path.replace("{*", "{")));
                }
            }
        }
        assert!(routes.len() > 10, "{file} mounts routes in a way that this test does not see");
        routes.sort();
        routes
    };
    let mut table: Vec<_> = ROUTES.iter().map(|it| (method(it.method).to_owned(), it.path.to_owned())).collect();
    table.sort();
    assert_eq!(mounted("routes/mod.rs"), table);
    let shape = |path: &str| {
        let parts = path.split('/').map(|it| if it.starts_with('{') { "{}" } else { it });
        parts.collect::<Vec<_>>().join("/")
    };
    let mut peer: Vec<_> = PEER_ROUTES.iter().map(|(method, path)| ((*method).to_owned(), shape(path))).collect();
    peer.sort();
    let mut mounted: Vec<_> = mounted("peers.rs").into_iter().map(|(method, path)| (method, shape(&path))).collect();
    mounted.sort();
    assert_eq!(mounted, peer);
}

/// Between nodes nothing is answered that was not signed by a member.
#[tokio::test]
async fn an_unsigned_message_is_refused_on_every_peer_route() {
    let world = World::new(Database::Sqlite).await;
    let host = world.host("js-scjg");
    let member = Hostile::member(&world, "nj-gxj");
    let line = member.dial(&world, "js-scjg").await.unwrap();
    // The connection is a member's, the signature by a key that nobody knows.
    let forged = Hostile::member(&world, "nj-gxj").signing_as_nobody();
    for (method, pattern) in PEER_ROUTES {
        let path = path(&pattern.replace("/peer/v1", "/v1")).replacen("/v1", "/peer/v1", 1);
        line.send_unsigned(method, &host, &path).await.unwrap().expect_problem("peer.signature", 401);
        let letter = forged.write_bytes(method, &host, &path, "{}");
        line.send(letter).await.unwrap().expect_problem("peer.not_member", 403);
    }
    let letter = member.write_bytes("GET", &host, "/peer/v1/nothing", "");
    line.send(letter).await.unwrap().expect_problem("web.route", 404);
}
