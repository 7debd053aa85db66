//! The digest over rows against the text of its format, and rows in JSON.

use crate::tests::{ask, at, everyone, everything, installed, load, numbers, permit, simple, world};
use crate::*;
use ::store::transact;
use schema::{AnyCode, RecordType};
use serde_json::{Map, Value as Json, json};
use vocabulary::{Digest, uuid::Uuid};

fn object(row: Json) -> Map<String, Json> {
    row.as_object().unwrap().clone()
}

async fn put(store: &::store::Store, record: &RecordType, number: u128, row: Json) {
    let values = row_values(record, &object(row), &AnyCode).unwrap();
    let first = RowId::from_uuid(Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0000 + (number << 32)));
    let permit = permit(Write { record: record.name.clone(), rows: vec![values], first, why: "test".into() });
    transact!(store, None, |tx| write(tx, &permit, at(1)).await).unwrap();
}

/// Every type of field; rows come in another order than their keys'. What is hashed is written out here by hand, and
/// the digest at the end was computed by another program (Python's hashlib), so that a change of the format is seen.
#[tokio::test]
async fn the_digest_is_what_its_format_says() {
    for store in &world().await.stores {
        let record = installed(store, everything("rows-digest")).await;
        put(store, &record, 1, json!({"place": "320102", "day": "2026-01-02", "name": "乙", "rate": "-0.5"})).await;
        put(
            store,
            &record,
            2,
            json!({
                "place": "320101", "day": "2026-11-24", "name": "甲\"", "count": -7, "rate": "12.340", "sum": "3.50",
                "yes": false, "moment": "2026-11-24T08:00:00.25+08:00", "kind": "k1",
            }),
        )
        .await;
        store.sequence(at(2)).await.unwrap();
        let hash = |parts: &[&[u8]]| Digest::of(&parts.concat()).hash;
        let mut chain = hash(&[br#"{"format":"yunhe-rows/1","record":"rows-digest"}"#]);
        for row in [
            "{\"count\":-7,\"day\":\"2026-11-24\",\"kind\":\"k1\",\"moment\":\"2026-11-24T00:00:00.25Z\",\
             \"name\":\"甲\\\"\",\"place\":\"320101\",\"rate\":\"12.340\",\"sum\":\"3.50\",\"yes\":false}",
            r#"{"day":"2026-01-02","name":"乙","place":"320102","rate":"-0.500"}"#,
        ] {
            chain = hash(&[&chain, &hash(&[row.as_bytes()])]);
        }
        let told = digest(store, &record, 3).await.unwrap();
        assert_eq!((told.rows, told.digest.hash), (2, chain));
        assert_eq!(told.digest.hex(), "d21d8ebb0748776410222b822658dba438a26f5af04703639456f3a30d134c84");
        let earlier = digest(store, &record, 1).await.unwrap();
        assert_eq!(
            (earlier.rows, earlier.digest.hash),
            (0, hash(&[br#"{"format":"yunhe-rows/1","record":"rows-digest"}"#]))
        );
    }
}

/// What a row of JSON lacks or has too much is told, and of a value about a person only that it does not fit.
#[test]
fn a_row_of_json_is_read_whole_or_refused_with_every_flaw() {
    let record = simple("json-rows");
    let read = |row: Json| row_values(&record, &object(row), &AnyCode);
    let values = read(json!({"id": "a", "size": 3})).unwrap();
    assert_eq!(values.len(), record.fields.len(), "a field that is left out is there as null");
    assert!(values[2].is_null());
    let phone = "138".repeat(20);
    let problem = read(json!({"size": "many", "phone": phone, "fax": 1})).unwrap_err();
    assert_eq!(problem.code, "registry.row");
    let flaws = problem.more["flaws"].as_array().unwrap();
    let told: Vec<_> = flaws.iter().map(|it| it["field"].as_str().unwrap()).collect();
    assert_eq!(told, ["/row/fax", "/row/id", "/row/size", "/row/phone"]);
    let all = serde_json::to_string(&problem).unwrap();
    assert!(!all.contains("138") && problem.detail.en.contains("id: a mandatory field is empty"), "{all}");
    for (why, fits) in [("", false), (" \n", false), ("改", true), (&"长".repeat(WHY_CHARS_MAX + 1), false)] {
        assert_eq!(check_why(why).is_ok(), fits, "{why:?}");
    }
}

/// Where one step ends and the next begins no row is left out and none counted twice.
#[tokio::test]
async fn the_digest_goes_over_all_steps() {
    for store in &world().await.stores {
        let record = installed(store, simple("rows-steps")).await;
        let file = numbers(12_000);
        load(store, ask(&record), std::io::Cursor::new(file)).await.unwrap();
        while store.sequence(at(2)).await.unwrap().entries > 0 {}
        let head = store.read().await.unwrap().feed_head(FEED).await.unwrap().unwrap().position;
        let rows = everyone(store, &record, None).await;
        let hash = |parts: &[&[u8]]| Digest::of(&parts.concat()).hash;
        let mut chain = hash(&[br#"{"format":"yunhe-rows/1","record":"rows-steps"}"#]);
        for row in &rows {
            let (id, size) = (record.fields["id"].kind.render(&row[0]), record.fields["size"].kind.render(&row[1]));
            chain = hash(&[&chain, &hash(&[format!(r#"{{"id":"{id}","size":{size}}}"#).as_bytes()])]);
        }
        let told = digest(store, &record, head).await.unwrap();
        assert!(rows.len() > 10_000);
        assert_eq!((told.rows, told.digest.hash), (rows.len() as u64, chain));
    }
}
