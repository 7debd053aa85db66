//! What others deliver into a type of ours: some columns, and a column of ours that nobody else touches.

use crate::tests::{at, installed, permit, simple, world};
use crate::*;
use ::store::{Store, transact};
use proptest::prelude::*;
use rule::Filter;
use schema::{FieldName, RecordType, Value};
use std::collections::BTreeMap;
use vocabulary::uuid::Uuid;

/// Key to delivered size and own phone.
type Model = BTreeMap<String, (i64, Option<String>)>;

#[derive(Clone, Debug)]
enum Step {
    Merge(BTreeMap<String, Option<i64>>),
    Replace(BTreeMap<String, i64>),
    Own(String, String),
}

fn any_step() -> impl Strategy<Value = Step> {
    let key = || prop::sample::select(vec!["a", "b", "c", "d", "e"]).prop_map(str::to_owned);
    let some = prop::option::weighted(0.7, 0..3_i64);
    prop_oneof![
        3 => prop::collection::btree_map(key(), some, 0..5).prop_map(Step::Merge),
        1 => prop::collection::btree_map(key(), 0..3_i64, 0..5).prop_map(Step::Replace),
        2 => (key(), "[0-9]{1,4}").prop_map(|(key, phone)| Step::Own(key, phone)),
    ]
}

fn columns() -> Vec<FieldName> {
    ["size", "id"].map(|it| FieldName::new(it).unwrap()).to_vec()
}

fn row_id(number: u64) -> RowId {
    RowId::from_uuid(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0000 + (u128::from(number) << 32)))
}

fn text(it: &str) -> Value {
    Value::Text(it.to_owned())
}

async fn done(store: &Store, record: &RecordType, step: &Step, model: &mut Model, number: u64) {
    match step {
        Step::Merge(changes) => {
            let mut ask = Merge {
                record: record.name.clone(),
                columns: columns(),
                rows: vec![],
                removed: vec![],
                first: row_id(number),
                why: "test".into(),
            };
            for (key, size) in changes {
                match size {
                    Some(size) => ask.rows.push(vec![Value::Integer(*size), text(key)]),
                    None => ask.removed.push(vec![text(key)]),
                }
            }
            let permit = permit(ask);
            transact!(store, None, |tx| merge(tx, &permit, at(2)).await).unwrap();
            for (key, size) in changes {
                match size {
                    Some(size) => model.entry(key.clone()).or_default().0 = *size,
                    None => drop(model.remove(key)),
                }
            }
        }
        Step::Replace(set) => {
            let ask = Replace {
                record: record.name.clone(),
                columns: columns(),
                run: "test".into(),
                first: row_id(number),
                why: "test".into(),
            };
            let permit = permit(ask);
            let rows: Vec<Vec<Value>> = set.iter().map(|(key, size)| vec![Value::Integer(*size), text(key)]).collect();
            // A node that died while it staged begins again.
            transact!(store, None, |tx| stage(tx, &permit, &rows, 0).await).unwrap();
            let (one, two) = rows.split_at(rows.len() / 2);
            let behind = transact!(store, None, |tx| stage(tx, &permit, one, 0).await).unwrap();
            transact!(store, None, |tx| stage(tx, &permit, two, behind).await).unwrap();
            transact!(store, None, |tx| replace(tx, &permit, at(3)).await).unwrap();
            model.retain(|it, _| set.contains_key(it));
            for (key, size) in set {
                model.entry(key.clone()).or_default().0 = *size;
            }
        }
        Step::Own(key, phone) => {
            let Some(there) = model.get_mut(key) else { return };
            there.1 = Some(phone.clone());
            let rows = vec![vec![text(key), Value::Integer(there.0), text(phone)]];
            let permit = permit(Write { record: record.name.clone(), rows, first: row_id(number), why: "test".into() });
            transact!(store, None, |tx| write(tx, &permit, at(4)).await).unwrap();
        }
    }
}

async fn rows(store: &Store, record: &RecordType, as_of: Option<i64>) -> Model {
    let mut found = Model::new();
    let selection = Selection { as_of, ..Selection::all(record) };
    select(&mut store.read().await.unwrap(), record, &selection, |it| {
        let [Value::Text(key), Value::Integer(size), phone] = &it.values[..] else { panic!("{:?}", it.values) };
        let phone = if let Value::Text(phone) = phone { Some(phone.clone()) } else { None };
        found.insert(key.clone(), (*size, phone));
        Ok(())
    })
    .await
    .unwrap();
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Merges, whole sets and writes of our own give what a naive model has; our own column stays as it is; and of the
    /// rows that the feed names between two positions those read back are all that differ.
    #[test]
    fn deliveries_give_what_a_model_has(steps in prop::collection::vec(any_step(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = world().await;
            for store in &world.stores {
                let record = installed(store, simple("delivered")).await;
                let mut model = Model::new();
                let mut states = vec![];
                for (step, number) in steps.iter().zip(1..) {
                    done(store, &record, step, &mut model, number).await;
                    assert_eq!(rows(store, &record, None).await, model, "{step:?}");
                    while store.sequence(at(5)).await.unwrap().entries > 0 {}
                    let head = store.read().await.unwrap().feed_head(FEED).await.unwrap().unwrap();
                    states.push((head.position, model.clone()));
                }
                for pair in states.windows(2) {
                    between(store, &record, &pair[0], &pair[1]).await;
                }
                between(store, &record, &states[0], states.last().unwrap()).await;
            }
        });
    }
}

/// Whatever differs between two positions is among the rows that were touched, as they were at either.
async fn between(store: &Store, record: &RecordType, from: &(i64, Model), to: &(i64, Model)) {
    let mut reader = store.read().await.unwrap();
    let mut runs = vec![];
    for entry in changes(&mut reader, from.0, 1_000).await.unwrap() {
        let Announcement::Rows { added, changed, removed, .. } = entry.announcement else { continue };
        if entry.position <= to.0 {
            runs.extend(added.into_iter().chain(changed).chain(removed));
        }
    }
    let mut found = [Model::new(), Model::new()];
    for (found, (position, _)) in found.iter_mut().zip([from, to]) {
        let selection = Selection { as_of: Some(*position), ..Selection::all(record) };
        touched(&mut reader, record, &runs, &selection, |it| {
            let [Value::Text(key), Value::Integer(size), phone] = &it.values[..] else { panic!("{:?}", it.values) };
            let phone = if let Value::Text(phone) = phone { Some(phone.clone()) } else { None };
            assert!(found.insert(key.clone(), (*size, phone)).is_none(), "a key has one row at a position");
            Ok(())
        })
        .await
        .unwrap();
    }
    let [before, after] = found;
    assert!(before.iter().all(|(key, row)| from.1.get(key) == Some(row)));
    assert!(after.iter().all(|(key, row)| to.1.get(key) == Some(row)));
    for key in from.1.keys().chain(to.1.keys()) {
        if from.1.get(key) != to.1.get(key) {
            assert!(before.get(key) == from.1.get(key) && after.get(key) == to.1.get(key), "{key}");
        }
    }
    // Within a filter nothing else is read.
    let never = Selection { filter: Filter::never(), as_of: Some(to.0), ..Selection::all(record) };
    touched(&mut reader, record, &runs, &never, |_| panic!("nothing is asked for")).await.unwrap();
}

/// A set with a key twice is refused whole, and so is a row that does not fit.
#[tokio::test]
async fn a_set_with_a_key_twice_is_refused() {
    let world = world().await;
    for store in &world.stores {
        let record = installed(store, simple("delivered")).await;
        let ask = || Replace {
            record: record.name.clone(),
            columns: columns(),
            run: "test".into(),
            first: row_id(1),
            why: "test".into(),
        };
        let permit = permit(ask());
        let twice = vec![vec![Value::Integer(1), text("a")], vec![Value::Integer(2), text("a")]];
        transact!(store, None, |tx| stage(tx, &permit, &twice, 0).await).unwrap();
        let refused = transact!(store, None, |tx| replace(tx, &permit, at(2)).await).unwrap_err();
        assert_eq!(refused.code, "registry.duplicate_key");
        assert!(rows(store, &record, None).await.is_empty());
        let long = vec![vec![Value::Integer(1), text(&"x".repeat(41))]];
        let refused = transact!(store, None, |tx| stage(tx, &permit, &long, 0).await).unwrap_err();
        assert_eq!(refused.code, "registry.row");
    }
}
