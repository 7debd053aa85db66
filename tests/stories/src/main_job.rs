//! The main job: records in, asked for, agreed, delivered, proved.

use crate::proof::Known;
use arrow::{array::RecordBatch, ipc::reader::FileReader, util::display::array_value_to_string};
use exchange::{Receipt, verify};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use testkit::{Province, World, story};

const ROWS: u64 = 2_000;
/// What the operation import reads; defects elsewhere do not concern it.
const OPERATION: [&str; 7] = ["uscc", "division", "staff", "revenue", "abnormal", "violation", "telephone"];
/// What the conditional offer shows.
const SHOWN: [&str; 6] = ["uscc", "staff", "revenue", "abnormal", "violation", "telephone"];

type Row = BTreeMap<String, Option<String>>;

fn masked(telephone: &str) -> String {
    // Eleven digits: three, four stars, four.
    format!("{}****{}", &telephone[..3], &telephone[7..])
}

/// What the consumer may see of the conditional offer, from the file itself: rows under 3201 and of its zone, the
/// telephone masked.
fn expected(province: &Province) -> BTreeMap<String, Row> {
    let sound = province.sound(&OPERATION);
    let ours = sound.into_iter().filter(|(_, row)| row["division"].starts_with("3201"));
    ours.map(|(uscc, row)| {
        let shown = SHOWN.iter().map(|name| {
            let text = row[*name].as_str();
            let text = if *name == "telephone" && !text.is_empty() { masked(text) } else { text.to_owned() };
            ((*name).to_owned(), Some(text).filter(|it| !it.is_empty()))
        });
        (uscc, shown.collect())
    })
    .collect()
}

/// A row of a JSON answer as texts.
fn texts(row: &Value) -> Row {
    let cells = row.as_object().unwrap().iter();
    cells
        .map(|(name, cell)| {
            let text = match cell {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            };
            (name.clone(), text)
        })
        .collect()
}

fn by_code(rows: impl IntoIterator<Item = Row>) -> BTreeMap<String, Row> {
    rows.into_iter().map(|it| (it["uscc"].clone().unwrap(), it)).collect()
}

fn cells(batch: &RecordBatch) -> Vec<Row> {
    let schema = batch.schema();
    let row = |at: usize| {
        let columns = schema.fields().iter().zip(batch.columns());
        let cell = |(field, column): (&std::sync::Arc<arrow::datatypes::Field>, &arrow::array::ArrayRef)| {
            let text = (!column.is_null(at)).then(|| array_value_to_string(column, at).unwrap());
            (field.name().clone(), text)
        };
        columns.map(cell).collect()
    };
    (0..batch.num_rows()).map(row).collect()
}

fn read_part(format: &str, bytes: bytes::Bytes) -> Vec<Row> {
    match format {
        "arrow" => {
            let reader = FileReader::try_new(std::io::Cursor::new(bytes), None).unwrap();
            reader.flat_map(|it| cells(&it.unwrap())).collect()
        }
        "parquet" => {
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
            reader.flat_map(|it| cells(&it.unwrap())).collect()
        }
        _ => {
            let mut reader = csv::Reader::from_reader(bytes.as_ref());
            let rows = reader.deserialize::<BTreeMap<String, String>>().map(Result::unwrap);
            rows.map(|it| it.into_iter().map(|(name, text)| (name, Some(text).filter(|it| !it.is_empty()))).collect())
                .collect()
        }
    }
}

/// Pulls a whole batch and reads it.
async fn pulled(world: &World, agreement: &str, format: &str) -> Vec<Row> {
    let ask = json!({"agreement": agreement, "format": format});
    let pull = world.application().post("/v1/pulls", ask).await.expect_status(200);
    let path = format!("/v1/pulls/{}", pull["id"].as_str().unwrap());
    let state = async || world.application().get(&path).await.expect_status(200);
    world
        .until("the pull is over", || async { ["done", "failed"].contains(&state().await["state"].as_str().unwrap()) })
        .await;
    let end = state().await;
    assert_eq!(end["state"], "done", "{end}");
    let mut rows = Vec::new();
    for number in 0..end["parts"].as_u64().unwrap() {
        let part = world.application().get(&format!("{path}/parts/{number}")).await;
        assert_eq!(part.status, 200);
        rows.extend(read_part(format, part.body));
    }
    assert_eq!(end["rows"], json!(rows.len()));
    rows
}

story! {
    /// What nobody needs to answer is agreed at once; a query by key gives that row and no other, with its receipt.
    async fn what_is_shared_without_condition_is_answered_at_once(world: World) {
        let province = world.province(ROWS).await;
        let asked = world.ask("legal-person-base", "2026-12-31").await;
        assert!(asked["standing"]["agreed"].is_object(), "{asked}");
        let agreement = world.agree_base().await;
        let base = ["uscc", "name", "kind", "founded", "industry", "capital", "status", "authority", "division"];
        let sound = province.sound(&base);
        let (uscc, row) = sound.iter().next().unwrap();
        let answer = world.query(&agreement, json!({"key": [uscc]})).await.expect_status(200);
        assert_eq!(answer["rows"].as_array().unwrap().len(), 1);
        for name in base {
            let expected = Some(row[name].clone()).filter(|it| !it.is_empty());
            assert_eq!(texts(&answer["rows"][0])[name], expected, "{name}");
        }
        let receipt: Receipt = serde_json::from_value(answer["receipt"].clone()).unwrap();
        assert_eq!((receipt.body.rows, receipt.body.consumer.as_str()), (1, "nj-gxj"));
        verify(&receipt, &Known::of(&world).keys()).unwrap();
    }
}

story! {
    /// 受理, 补正, 部分同意: whoever's turn it is answers, nobody else, and what is agreed is what all have left.
    async fn a_conditional_request_goes_its_way(world: World) {
        world.install_packs(|_, text| text).await;
        let asked = world.ask("legal-person-operation", "2026-12-31").await;
        let id = asked["request"]["body"]["id"].as_str().unwrap();
        assert_eq!(asked["standing"]["waiting"]["step"], "own-department");
        // Not signed before it is agreed; not answered out of turn.
        let sign = format!("/v1/requests/{id}/agreement");
        world.as_("nj-gxj", "requester").post(&sign, json!({})).await.expect_problem("exchange.turn", 409);
        let early = world.answer(id, "authority", json!({"verdict": "agree"})).await;
        early.expect_problem("exchange.request_missing", 404);
        world.as_("nj-gxj", "requester").post(&format!("/v1/requests/{id}/answers"),
            json!({"step": "own-department", "verdict": "agree"})).await.expect_problem("policy.role", 403);
        world.answer(id, "own-department", json!({"verdict": "agree"})).await.expect_status(200);
        world.answer(id, "authority", json!({"verdict": "accept"})).await.expect_status(200);
        world.answer(id, "authority", json!({"verdict": "supplement"})).await.expect_problem("exchange.reason", 422);
        let reason = json!({"verdict": "supplement", "reason": "请说明使用频次的依据"});
        world.answer(id, "authority", reason).await.expect_status(200);
        let news = world.news(id).await;
        assert_eq!(news["standing"]["supplement"]["step"], "authority", "{news}");
        let note = json!({"note": "每日核对一次申报企业"});
        let path = format!("/v1/requests/{id}/supplements");
        world.as_("nj-gxj", "requester").post(&path, note).await.expect_status(200);
        world.answer(id, "authority", json!({"verdict": "agree"})).await.expect_status(200);
        world.news(id).await;
        let part = json!({"verdict": "agree-in-part", "reason": "收入数据不予共享",
            "columns": ["uscc", "staff", "violation", "telephone"]});
        let answered = world.answer(id, "provider", part).await.expect_status(200);
        // Ten working days from a Tuesday.
        assert_eq!(answered["due"]["provider"], "2026-12-08", "{answered}");
        let clocks = answered["clocks"].as_array().unwrap().iter();
        let clocks: Vec<_> = clocks.filter(|it| it["step"] == "provider").collect();
        assert_eq!(clocks.len(), 2, "{answered}");
        assert_eq!(clocks[1]["kind"], "promised");
        assert_eq!(clocks[1]["reading"]["due"]["day"], "2026-12-01");
        assert!(clocks.iter().all(|it| it["reading"]["in_time"] == true), "{answered}");
        let news = world.news(id).await;
        assert_eq!(news["standing"]["agreed"]["columns"], json!(["uscc", "staff", "violation", "telephone"]), "{news}");
        let agreement = world.sign(id).await;
        world.query(&agreement, json!({"columns": ["revenue"]})).await.expect_problem("exchange.restriction", 403);
        // The same digest stands in both logs.
        let digests = digests_of(&world, &agreement).await;
        assert_eq!(digests[0], digests[1]);
        assert_eq!(digests[0].len(), 1);
    }
}

/// The bodies of the leaves about an agreement, in the provider's log and in the consumer's.
async fn digests_of(world: &World, agreement: &str) -> [Vec<String>; 2] {
    let mut found = [Vec::new(), Vec::new()];
    for (at, id) in ["js-scjg", "nj-gxj"].into_iter().enumerate() {
        world.number_all(id).await;
        let leaves = world
            .on(id, async move |org| evidence::leaves(&mut org.store().read().await?, 0, 1_000).await)
            .await
            .unwrap();
        for leaf in leaves {
            let body: Value = leaf.body.as_deref().and_then(|it| serde_json::from_str(it).ok()).unwrap_or_default();
            if body["format"] == "yunhe-agreement/1" && body["id"] == agreement {
                let digest = vocabulary::canonical_digest(vocabulary::Suite::default(), &body).unwrap();
                found[at].push(digest.to_string());
            }
        }
    }
    found
}

story! {
    /// Of the conditional offer come exactly the consumer's rows, with exactly the agreed columns, the telephone
    /// masked: by key, page by page, and as a batch in each format.
    async fn only_what_was_agreed_is_delivered(world: World) {
        let province = world.province(ROWS).await;
        let expected = expected(&province);
        let zone = province.sound(&OPERATION).into_iter().filter(|(_, row)| row["division"] == "320171");
        let zone: Vec<String> = zone.map(|(uscc, _)| uscc).collect();
        assert!(expected.len() > 100 && !zone.is_empty(), "the sample has rows to tell apart");
        let agreement = world.agree_operation("2026-12-31").await;
        // By key: one of the city, one of its zone; none of elsewhere.
        for uscc in [expected.keys().next().unwrap(), &zone[0]] {
            let answer = world.query(&agreement, json!({"key": [uscc]})).await.expect_status(200);
            assert_eq!(texts(&answer["rows"][0]), expected[uscc]);
        }
        let elsewhere = province.sound(&OPERATION).into_keys().find(|it| !expected.contains_key(it)).unwrap();
        world.query(&agreement, json!({"key": [elsewhere]})).await.expect_problem("exchange.restriction", 403);
        // Page by page.
        let mut paged = Vec::new();
        let mut after = Value::Null;
        loop {
            let mut ask = json!({"limit": 50});
            if !after.is_null() {
                ask["after"] = after;
            }
            let answer = world.query(&agreement, ask).await.expect_status(200);
            paged.extend(answer["rows"].as_array().unwrap().iter().map(texts));
            after = answer["next"].clone();
            if after.is_null() {
                break;
            }
        }
        assert_eq!(paged.len(), expected.len());
        assert_eq!(by_code(paged), expected);
        // A filtered page.
        let ask = json!({"rows": "row.staff >= 100 && row.violation == false", "limit": 1000});
        let answer = world.query(&agreement, ask).await.expect_status(200);
        let large = expected.iter().filter(|(_, row)| {
            let staff = row["staff"].as_ref().map(|it| it.parse::<u64>().unwrap());
            row["violation"].as_deref() == Some("false") && staff >= Some(100)
        });
        let large: BTreeMap<_, _> = large.map(|(uscc, row)| (uscc.clone(), row.clone())).collect();
        assert_eq!(by_code(answer["rows"].as_array().unwrap().iter().map(texts)), large);
        // As a batch.
        for format in ["csv", "arrow", "parquet"] {
            let rows = pulled(&world, &agreement, format).await;
            assert_eq!(rows.len(), expected.len(), "{format}");
            assert_eq!(by_code(rows), expected, "{format}");
        }
    }
}
