//! What is wrong with what comes in is named, with its place and its remedy, and nothing is lost or let through.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use testkit::{Province, World, import_path, story};

const HEADER: &str = "uscc,name,kind,founded,industry,capital,status,authority,division";

/// A sound row of the sample, as a line of the narrow file.
fn sound(world: &Province, at: usize) -> String {
    let columns: Vec<&str> = HEADER.split(',').collect();
    let rows = world.sound(&columns);
    let row = rows.values().nth(at).unwrap();
    columns.iter().map(|it| row[*it].as_str()).collect::<Vec<_>>().join(",")
}

async fn import(world: &World, file: Vec<u8>) -> (Value, String) {
    // Without the sample's source: each field from the column of its name.
    let path = import_path("legal-person").replace("&source=legal-persons-sample", "");
    let steward = world.as_("js-scjg", "data-steward");
    let report = steward.upload(&path, file).await.expect_status(200);
    let rejects = steward.get(&format!("/v1/imports/{}/rejects", report["id"].as_str().unwrap())).await;
    assert_eq!(rejects.status, 200);
    let sum = report["loaded"].as_u64().unwrap() + report["rejected"].as_u64().unwrap();
    assert_eq!(report["read"], json!(sum), "{report}");
    (report, rejects.text())
}

story! {
    /// Ragged rows, NULs, open quotes, huge cells, mixed encodings, wrong check digits, duplicate keys: each row that
    /// is wrong is turned away with its line and a code, and every other row of the file is loaded.
    async fn a_dirty_file(world: World) {
        world.install_packs(|_, text| text).await;
        let province = Province::draw(100);
        let good: Vec<String> = (0..9).map(|it| sound(&province, it)).collect();
        let mut lines: Vec<Vec<u8>> = vec![HEADER.into()];
        let mut expected = BTreeMap::new();
        let mut add = |line: Vec<u8>, code: Option<&'static str>| {
            lines.push(line);
            if let Some(code) = code {
                expected.insert(lines.len(), code);
            }
        };
        add(good[0].clone().into(), None);
        add(format!("{},too,many", good[1]).into(), Some("csv.ragged"));
        add(b"too,few".to_vec(), Some("csv.ragged"));
        add(good[2].replace("限", "限\u{0}").into(), Some("csv.nul"));
        add(good[3].replacen(',', ",\"open\"x", 1).into(), Some("csv.quote"));
        add(good[4].replacen(',', &format!(",{}", "长".repeat(4 << 20)), 1).into(), Some("csv.cell_too_large"));
        add([&good[5].as_bytes()[..19], b"\xff\xfe", &good[5].as_bytes()[19..]].concat(), Some("csv.encoding"));
        let digit = if &good[6][17..18] == "7" { "8" } else { "7" };
        add(format!("{}{digit}{}", &good[6][..17], &good[6][18..]).into(), Some("value.check_digit"));
        add(good[0].clone().into(), Some("registry.duplicate_key"));
        add(good[7].clone().into(), None);
        let (report, rejects) = import(&world, lines.join(&b'\n')).await;
        assert_eq!(report["loaded"], 2, "{rejects}");
        let mut reader = csv::Reader::from_reader(rejects.as_bytes());
        let told = reader.deserialize::<BTreeMap<String, String>>().map(Result::unwrap);
        let told: BTreeMap<usize, String> = told.map(|it| (it["line"].parse().unwrap(), it["code"].clone())).collect();
        let expected: BTreeMap<usize, String> = expected.into_iter().map(|(line, it)| (line, it.to_owned())).collect();
        assert_eq!(told, expected, "{rejects}");
    }
}

/// A pack with one file changed.
async fn install(world: &World, path: &str, text: &str) -> testkit::Reply {
    let mut files = BTreeMap::from([
        (
            "pack.yaml",
            "pack: trial\ntitle: {zh: 试, en: Trial}\ndescription: {zh: 试, en: Trial}\nowner: {zh: 试, en: Trial}\n\
             version: \"1\"\n",
        ),
        ("records/thing.yaml", THING),
    ]);
    files.insert(path, text);
    world.as_("js-scjg", "administrator").post("/v1/packs", json!({"files": files})).await
}

const THING: &str = "record: thing
title: {zh: 事物, en: Thing}
description: {zh: 事物, en: Thing}
duty: {zh: 试, en: Trial}
theme: other
cycle: daily
key: [id]
fields:
  id:   {type: integer, title: {zh: 号, en: Number}, grade: 一般/1}
  name: {type: text, max: 50, title: {zh: 名, en: Name}, grade: 一般/1}
";

story! {
    /// A pack that is a bomb, names files outside itself, has unknown keys, or rules that try SQL, is refused whole.
    async fn a_bad_pack(world: World) {
        install(&world, "records/thing.yaml", THING).await.expect_status(200);
        let bomb = format!("a: &a [x, x]\n{}", (0..40).map(|it| {
            let (one, two) = (char::from(b'a' + it % 26), it);
            format!("b{two}: &{one}{two} [*a, *a, *a, *a, *a, *a, *a, *a]\n")
        }).collect::<String>());
        let offer = |rows: &str| {
            format!("offer: thing\nof: thing\nshare: unconditional\ncolumns: [id]\nrows: {rows}\n")
        };
        for (path, text) in [
            ("records/bomb.yaml", bomb),
            ("records/thing.yaml", THING.replace("key: [id]", "key: [id]\nkye: [id]")),
            ("records/thing.yaml", THING.replace("key: [id]", "key: [other]")),
            ("../outside.yaml", "x: 1".to_owned()),
            ("records/../../outside.yaml", "x: 1".to_owned()),
            ("/etc/outside.yaml", "x: 1".to_owned()),
            ("offers/thing.yaml", offer("\"row.name == 'x'; DROP TABLE thing\"")),
            ("offers/thing.yaml", offer("\"row.name.matches('.*')\"")),
            ("offers/thing.yaml", offer("\"1 == 1 UNION SELECT 1\"")),
        ] {
            let problem = install(&world, path, &text).await.expect_problem("pack.findings", 422);
            let findings = problem["findings"].as_array().unwrap();
            assert!(!findings.is_empty() && findings.iter().all(|it| it["file"].is_string()), "{path}: {problem}");
        }
    }
}

story! {
    /// Filters that try SQL are filters that do not compile; names that try SQL are names of nothing.
    async fn a_filter_that_tries_sql(world: World) {
        world.province(100).await;
        let agreement = world.agree_base().await;
        let tries =
            ["row.name == 'x'; DROP TABLE legal_person", "1 == 1 OR 1", "row.uscc in (SELECT uscc)", "row.name == '"];
        for rows in tries {
            let reply = world.query(&agreement, json!({"rows": rows})).await;
            assert!(reply.status == 422 && reply.code().starts_with("rule."), "{rows}: {}", reply.text());
        }
        // In a literal it is text like any other, and finds nothing.
        let harmless = json!({"rows": "row.name == \"'; DROP TABLE legal_person; --\""});
        let answer = world.query(&agreement, harmless).await.expect_status(200);
        assert_eq!(answer["rows"], json!([]));
        let steward = world.as_("js-scjg", "data-steward");
        for name in ["legal-person%22;--", "..%2F..%2Fetc", "legal-person%00"] {
            let reply = steward.get(&format!("/v1/records/{name}")).await;
            assert!([404, 422].contains(&reply.status) && !reply.code().is_empty(), "{name}: {}", reply.text());
        }
        let paths =
            ["/log/../yunhe.db", "/log/tile/..%2F..%2Fkeys/log.pem", "/log/tile/0/x00", "/v1/pulls/..%2F/parts/0"];
        for path in paths {
            let reply = steward.get(path).await;
            assert!([401, 403, 404, 422].contains(&reply.status), "{path}: {}", reply.text());
            assert!(!reply.code().is_empty(), "{path}: {}", reply.text());
        }
    }
}

story! {
    /// A text that a spreadsheet would run comes out of a batch as text.
    async fn a_formula_is_disarmed_in_csv(world: World) {
        world.install_packs(|_, text| text).await;
        let province = Province::draw(100);
        let row = sound(&province, 0);
        let name = row.split(',').nth(1).unwrap();
        let file = format!("{HEADER}\n{}\n", row.replacen(name, "=cmd|' /C calc'!A0", 1));
        let (report, rejects) = import(&world, file.into()).await;
        assert_eq!(report["loaded"], 1, "{rejects}");
        world.number_all("js-scjg").await;
        let agreement = world.agree_base().await;
        let ask = json!({"agreement": agreement, "format": "csv"});
        let pull = world.application().post("/v1/pulls", ask).await.expect_status(200);
        let path = format!("/v1/pulls/{}", pull["id"].as_str().unwrap());
        let state = async || world.application().get(&path).await.expect_status(200)["state"].clone();
        world.until("the pull", || async { state().await == "done" }).await;
        let part = world.application().get(&format!("{path}/parts/0")).await.text();
        assert!(part.contains("'=cmd|") && !part.contains(",=cmd"), "{part}");
    }
}
