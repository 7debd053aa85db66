//! Laws of the arrows, on made-up workspaces.

use super::graph::{Graph, Member, Use};
use super::rules::check;

/// `folder: used, used; dev: used` per line; an outside crate's line starts with `=`.
fn graph(text: &str) -> Graph {
    let mut graph = Graph::default();
    for line in text.lines().map(str::trim).filter(|it| !it.is_empty()) {
        let (folder, uses) = line.split_once(':').expect("a line has a colon");
        let (normal, dev) = uses.split_once("; dev:").unwrap_or((uses, ""));
        let names = |list: &str| -> Vec<String> {
            list.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect()
        };
        let name = folder.trim_start_matches('=').rsplit('/').next().expect("a folder has a name").to_owned();
        graph.needs.insert(name.clone(), names(normal).into_iter().collect());
        if !folder.starts_with('=') {
            let normal = names(normal).into_iter().map(|name| Use { name, dev: false });
            let uses = normal.chain(names(dev).into_iter().map(|name| Use { name, dev: true })).collect();
            graph.members.push(Member { name, folder: folder.to_owned(), uses });
        }
    }
    graph
}

/// What the check finds, one line each.
fn found(text: &str) -> Vec<String> {
    check(&graph(text)).into_iter().map(|it| it.what).collect()
}

/// A workspace with every layer, drawn as the architecture says.
const SOUND: &str = "
    pure/vocabulary: serde
    pure/schema: vocabulary
    pure/rule: schema, vocabulary
    pure/policy: rule, schema, vocabulary
    pure/case: policy, vocabulary
    pure/engine: schema, vocabulary
    pure/pack: case, policy, rule, schema, vocabulary
    io/store: rule, schema, vocabulary, sqlx, tokio; dev: testkit
    io/signing: vocabulary
    io/peer: signing, vocabulary, tokio
    acts/evidence: store, signing, vocabulary
    acts/registry: evidence, store, policy, schema
    acts/catalog: evidence, registry, store, tantivy
    acts/exchange: evidence, policy, store; dev: testkit, sample
    engines/routing: engine
    server/node: exchange, catalog, registry, pack, store
    server/web: node, exchange, vocabulary, axum
    protocols/ckan: web, node, catalog, axum
    server/yunhe: ckan, web, node, pack, signing
    tests/sample: schema, vocabulary
    tests/testkit: web, node, store, axum
    tests/stories: testkit, yunhe, sample
    bench: yunhe, testkit, axum, sqlx
    xtask: cargo_metadata; dev: tempfile
    =sqlx: tokio
    =axum: tokio
    =tokio:
    =serde:
";

/// `SOUND` with one line replaced.
fn with(folder: &str, uses: &str) -> Vec<String> {
    let kept: Vec<&str> = SOUND.lines().filter(|it| !it.trim_start().starts_with(&format!("{folder}:"))).collect();
    found(&format!("{}\n{folder}: {uses}", kept.join("\n")))
}

#[test]
fn what_is_drawn_is_accepted() {
    assert_eq!(found(SOUND), Vec::<String>::new());
}

#[test]
fn arrows_point_down() {
    for (folder, uses) in [
        ("pure/vocabulary", "schema"),
        ("pure/schema", "rule"),
        ("pure/rule", "policy"),
        ("pure/engine", "rule"),
        ("io/store", "policy"),
        ("io/store", "signing"),
        ("io/signing", "peer"),
        ("io/store", "registry"),
        ("acts/registry", "node"),
        ("engines/routing", "schema"),
        ("server/node", "web"),
        ("server/web", "ckan"),
        ("server/web", "yunhe"),
        ("protocols/ckan", "yunhe"),
    ] {
        let found = with(folder, uses);
        assert!(found.iter().any(|it| it.starts_with(&format!("{folder} → "))), "{folder} → {uses}: {found:?}");
    }
}

#[test]
fn acts_stand_side_by_side() {
    assert_eq!(with("acts/exchange", "catalog"), ["acts/exchange → acts/catalog: not drawn"]);
    assert_eq!(with("acts/registry", "catalog"), ["acts/registry → acts/catalog: not drawn"]);
    assert_eq!(with("acts/evidence", "registry"), ["acts/evidence → acts/registry: not drawn"]);
    assert_eq!(with("acts/exchange", "store; dev: registry"), ["acts/exchange → acts/registry: not drawn"]);
    assert_eq!(with("acts/exchange", "pack"), ["acts/exchange → pure/pack: not drawn"]);
}

#[test]
fn only_tests_and_bench_use_test_crates() {
    assert_eq!(with("server/yunhe", "sample"), ["server/yunhe → tests/sample: not drawn"]);
    assert_eq!(with("acts/exchange", "testkit"), ["acts/exchange → tests/testkit: not drawn"]);
    assert_eq!(with("bench", "sample, testkit"), Vec::<String>::new());
    assert_eq!(with("xtask", "sample"), Vec::<String>::new());
    assert_eq!(with("xtask", "store"), ["xtask → io/store: not drawn"]);
}

#[test]
fn pure_trees_hold_nothing_impure_however_deep() {
    assert_eq!(with("pure/rule", "cel\n=cel: chrono\n=chrono: getrandom").len(), 1, "said once, where it enters");
    assert_eq!(
        with("pure/pack", "reader\n=reader: tokio"),
        ["pure/pack → reader → tokio: pure crates do no I/O and draw nothing"]
    );
    assert_eq!(with("pure/pack", "vocabulary; dev: proptest\n=proptest: rand"), Vec::<String>::new());
    assert_eq!(with("pure/pack", "uuid\n=uuid: getrandom"), Vec::<String>::new(), "a known, harmless way");
    assert_eq!(with("pure/pack", "uuid, getrandom\n=uuid: getrandom").len(), 1, "but not by itself");
}

#[test]
fn tests_of_pure_crates_bring_no_io() {
    assert_eq!(with("pure/pack", "schema; dev: sample"), Vec::<String>::new());
    let found = with("pure/pack", "schema; dev: testkit");
    assert!(found.iter().any(|it| it.contains("testkit → store")), "{found:?}");
}

#[test]
fn heavy_crates_have_one_door() {
    assert_eq!(
        with("acts/registry", "sqlx"),
        ["acts/registry → sqlx: only io/store, io/outside may name this heavy crate"]
    );
    assert_eq!(
        with("server/node", "axum"),
        ["server/node → axum: only server/web, protocols/ may name this heavy crate"]
    );
    assert_eq!(with("tests/stories", "axum, sqlx, testkit"), Vec::<String>::new());
}

#[test]
fn a_crate_stands_in_a_layer_under_its_own_name() {
    assert_eq!(
        found("misc/things:"),
        ["crate `things` stands in `misc`, which is no layer"].map(|it| it.replace("`misc`", "`misc/things`"))
    );
    let mut graph = graph("io/store:");
    graph.members[0].name = "storage".into();
    assert_eq!(check(&graph)[0].what, "crate `storage` stands in folder `io/store`");
}
