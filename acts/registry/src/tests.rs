//! Laws of the registry, each on SQLite and, where `YUNHE_TEST_POSTGRES` names a server, on PostgreSQL.

use crate::decide::{Current, Fate, Incoming};
use crate::{sql::Table, *};
use ::store::{Fault, Reader, Store, transact};
use policy::{Facts, Permit, Principal, Role, decide};
use proptest::prelude::*;
use rule::{By, Filter};
use schema::{AnyCode, FieldName, RecordType, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use vocabulary::{OrganisationId, Problem, ResourceId, Timestamp, uuid::Uuid};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A name nobody else has in this run.
pub(crate) fn fresh(prefix: &str) -> String {
    format!("{prefix}-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

pub(crate) struct World {
    pub(crate) stores: Vec<Store>,
    /// Addresses and schemas of the stores.
    places: Vec<(String, String)>,
    _folder: tempfile::TempDir,
}

impl World {
    /// What another process would see after a kill.
    async fn reopened(&self, at: usize) -> Store {
        Store::open(&self.places[at].0, &self.places[at].1).await.unwrap()
    }
}

pub(crate) async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let mut places = vec![(format!("sqlite:{}", path.display()), "t".to_owned())];
    if let Ok(url) = std::env::var("YUNHE_TEST_POSTGRES") {
        places.push((url, format!("registry_{}_{}", std::process::id(), fresh("s").replace('-', "_"))));
    }
    let mut stores = Vec::new();
    for (url, schema) in &places {
        let store = Store::open(url, schema).await.unwrap();
        migrate(&store).await.unwrap();
        stores.push(store);
    }
    World { stores, places, _folder: folder }
}

pub(crate) fn permit<A: policy::Ask>(ask: A) -> Permit<A> {
    let organisation = OrganisationId::new("js-scjg").unwrap();
    let principal = Principal::job(organisation.clone(), "test", [Role::SystemAdministrator, Role::DataSteward]);
    decide(&Facts { organisation, principal, now: at(0), agreement: None }, ask).unwrap()
}

pub(crate) fn yaml(text: &str) -> RecordType {
    serde_saphyr::from_str(text).unwrap()
}

/// Every kind of field; the key has two.
pub(crate) fn everything(name: &str) -> RecordType {
    yaml(&format!(
        r#"
record: {name}
title: {{zh: 万物, en: Everything}}
key: [place, day]
fields:
  place:     {{type: division, grade: 一般/1}}
  day:       {{type: date, grade: 一般/1}}
  name:      {{type: text, max: 40, optional: true, grade: 一般/1}}
  count:     {{type: integer, optional: true, grade: 一般/1}}
  rate:      {{type: decimal, precision: 6, scale: 3, optional: true, grade: 一般/1}}
  sum:       {{type: money, optional: true, grade: 一般/1}}
  yes:       {{type: boolean, optional: true, grade: 一般/1}}
  moment:    {{type: timestamp, optional: true, grade: 一般/1}}
  kind:      {{type: code, list: kinds, optional: true, grade: 一般/1}}
"#
    ))
}

/// One key field, one value field: what a model can follow.
pub(crate) fn simple(name: &str) -> RecordType {
    yaml(&format!(
        r#"
record: {name}
title: {{zh: 简单, en: Simple}}
key: [id]
fields:
  id:    {{type: text, max: 40, grade: 一般/1}}
  size:  {{type: integer, optional: true, grade: 一般/1}}
  phone: {{type: text, max: 20, personal: true, optional: true, grade: 一般/3}}
"#
    ))
}

pub(crate) async fn installed(store: &Store, record: RecordType) -> RecordType {
    let permit = permit(Install { record: record.clone() });
    transact!(store, None, |tx| install(tx, &permit, at(0)).await).unwrap();
    record
}

fn row_id(number: u32) -> RowId {
    RowId::from_uuid(Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0000 + (u128::from(number) << 32)))
}

pub(crate) fn import_id() -> ImportId {
    ImportId::from_uuid(row_id(NUMBER.fetch_add(1, Ordering::Relaxed)).uuid())
}

async fn put(store: &Store, record: &RecordType, rows: Vec<Vec<Value>>) -> Result<Written, Problem> {
    let first = row_id(NUMBER.fetch_add(1, Ordering::Relaxed));
    let permit = permit(Write { record: record.name.clone(), rows, first, why: "test".into() });
    transact!(store, None, |tx| write(tx, &permit, at(1)).await)
}

async fn take(store: &Store, record: &RecordType, keys: Vec<Vec<Value>>) -> Result<Written, Problem> {
    let permit = permit(Remove { record: record.name.clone(), keys, why: "test".into() });
    transact!(store, None, |tx| remove(tx, &permit, at(1)).await)
}

pub(crate) fn ask(record: &RecordType) -> Import {
    let review = SecrecyReview { by: "李四".into(), on: vocabulary::Date::constant(2026, 11, 1) };
    Import {
        id: import_id(),
        record: record.name.clone(),
        mapping: Mapping::by_name(record),
        source: "test.csv".into(),
        why: "test".into(),
        secrecy_review: Some(review),
        atomic: false,
    }
}

pub(crate) fn now() -> Timestamp {
    at(2)
}

pub(crate) async fn load(store: &Store, ask: Import, source: impl Read + Send + 'static) -> Result<Progress, Problem> {
    let intake = Intake { source: Box::new(source), codes: Arc::new(AnyCode), clock: &now };
    import(store, &permit(ask), intake, &mut |_| {}).await
}

pub(crate) async fn everyone(store: &Store, record: &RecordType, as_of: Option<i64>) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    let selection = Selection { as_of, ..Selection::all(record) };
    let mut reader = store.read().await.unwrap();
    select(&mut reader, record, &selection, |it| {
        rows.push(it.values);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(count(&mut reader, record, &selection).await.unwrap(), rows.len() as u64);
    rows
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.into())
}

async fn position(reader: &mut Reader) -> i64 {
    reader.feed_head(FEED).await.unwrap().map_or(0, |it| it.position)
}

// ---- constants and types ----

#[tokio::test]
async fn every_constant_statement_is_sql_on_both_databases() {
    let world = world().await;
    for store in &world.stores {
        let explain = |sql: &str| match store.dialect() {
            ::store::Dialect::Sqlite => format!("EXPLAIN {sql}"),
            // Prepared without values: PostgreSQL then checks names and types.
            ::store::Dialect::Postgres => format!("PREPARE p{} AS {sql}", fresh("").replace('-', "")),
        };
        for sql in crate::store::ALL {
            let places = match store.dialect() {
                ::store::Dialect::Sqlite => (1..).take_while(|it| sql.contains(&format!("${it}"))).count(),
                ::store::Dialect::Postgres => 0,
            };
            let statement = ::store::Statement::built(explain(sql));
            let args = vec![::store::Arg::Null; places];
            let done = transact!(store, None, |tx| tx.execute(statement.clone(), args.clone()).await);
            assert!(done.is_ok(), "{sql}: {done:?}");
        }
    }
}

#[tokio::test]
async fn a_type_is_installed_once_and_revised_by_addition() {
    let world = world().await;
    for store in &world.stores {
        let old = installed(store, simple("growing-thing")).await;
        put(store, &old, vec![vec![text("a"), Value::Integer(1), Value::Null]]).await.unwrap();
        let same = permit(Install { record: old.clone() });
        assert_eq!(transact!(store, None, |tx| install(tx, &same, at(0)).await).unwrap(), 1);
        let mut new = old.clone();
        let place = FieldName::new("place").unwrap();
        let field = schema::Field { optional: true, ..schema::Field::new(&place, schema::FieldType::Division) };
        new.fields.insert(place, field);
        let more = permit(Install { record: new.clone() });
        assert_eq!(transact!(store, None, |tx| install(tx, &more, at(0)).await).unwrap(), 2);
        put(store, &new, vec![vec![text("b"), Value::Null, Value::Null, text("3201")]]).await.unwrap();
        put(store, &new, vec![vec![text("a"), Value::Null, Value::Null, text("3202")]]).await.unwrap();
        let mut reader = store.read().await.unwrap();
        let found = record_type(&mut reader, &new.name).await.unwrap();
        assert_eq!((found.revision, &found.record), (2, &new));
        assert_eq!(types(&mut reader).await.unwrap(), [found]);
        assert_eq!(everyone(store, &new, None).await.len(), 2);
        let past = history(&mut reader, &new, &[text("a")]).await.unwrap();
        assert_eq!(past[0].values, [text("a"), Value::Integer(1), Value::Null, Value::Null]);
        let missing = record_type(&mut reader, &ResourceId::new("nothing").unwrap()).await.unwrap_err();
        assert_eq!(missing.code, "registry.type");
    }
}

/// Of each field: what may become of it, and what may not.
#[test]
fn a_revision_only_widens() {
    let record = |field: &str, rest: &str| {
        yaml(&format!(
            "record: r\ntitle: {{zh: 类, en: Type}}\nkey: [id]\nfields:\n  \
             id: {{type: text, max: 9, grade: 一般/1}}\n  {field}: {{{rest}, grade: 一般/1}}\n"
        ))
    };
    let judged =
        |old: &RecordType, new: &RecordType| crate::decide::check_revision(old, new).map_err(|it| it.detail.en);
    let said = |what: &str| Err(format!("a revision of r may only add: {what}; or declare a new type"));
    for (old, new, wanted) in [
        ("type: integer, min: 3", "type: integer, min: 3", Ok(())),
        ("type: integer, min: 3", "type: integer, min: 2", Ok(())),
        ("type: integer, min: 3", "type: integer", Ok(())),
        ("type: integer, min: 3", "type: integer, min: 4", said("the least value of field n cannot rise")),
        ("type: integer", "type: integer, min: 4", said("the least value of field n cannot rise")),
        ("type: text, max: 9", "type: text, max: 9", Ok(())),
        ("type: text, max: 9", "type: text, max: 10", Ok(())),
        ("type: text, max: 9", "type: text, max: 8", said("the type of field n cannot change")),
        ("type: text, max: 9", "type: integer", said("the type of field n cannot change")),
        ("type: integer", "type: integer, optional: true", Ok(())),
        ("type: integer, optional: true", "type: integer, optional: true", Ok(())),
        ("type: integer, optional: true", "type: integer", said("field n cannot become mandatory")),
    ] {
        assert_eq!(judged(&record("n", old), &record("n", new)), wanted, "{old} → {new}");
    }
    let (plain, more) = (record("n", "type: integer"), |rest: &str| {
        let mut more = record("n", "type: integer");
        more.fields.extend(record("m", rest).fields);
        more
    });
    assert_eq!(judged(&plain, &more("type: integer, optional: true")), Ok(()));
    assert_eq!(judged(&plain, &more("type: integer")), said("the new field m must be optional"));
    assert_eq!(judged(&more("type: integer, optional: true"), &plain), said("field m cannot go"));
}

/// A row by hand is judged field by field; about a person's value it is not said what was wrong with it.
#[test]
fn a_row_by_hand_is_of_its_type() {
    let record = simple("by-hand");
    let text = |it: &str| Value::Text(it.to_owned());
    let judged = |values: &[Value]| {
        crate::decide::check_row(&record, values).map_err(|it| (it.field.unwrap_or_default(), it.detail.en))
    };
    let fault = |field: &str, en: &str| Err((format!("/{field}"), format!("field {field}: {en}")));
    assert_eq!(judged(&[text("a"), Value::Integer(1), text("139")]), Ok(()));
    assert_eq!(judged(&[text("a"), Value::Null, Value::Null]), Ok(()));
    let short = judged(&[text("a"), Value::Null]).unwrap_err();
    assert_eq!(short, (String::new(), "a row has 2 values, by-hand has 3 fields".to_owned()));
    let odd = "the value is not of the field's type";
    assert_eq!(judged(&[text("a"), text("1"), Value::Null]), fault("size", odd));
    let long = text(&"1".repeat(21));
    assert_eq!(judged(&[text("a"), Value::Null, long]), fault("phone", "the value does not fit the field"));
    let (field, en) = judged(&[text(&"a".repeat(41)), Value::Null, Value::Null]).unwrap_err();
    assert!(field == "/id" && en.contains("41"), "{en}");
}

#[test]
fn a_key_by_hand_is_whole_and_of_its_types() {
    let record = everything("keyed");
    let judged = |values: &[Value]| crate::decide::check_key(&record, values).map_err(|it| it.code.into_owned());
    let (place, day) = (Value::Text("3201".to_owned()), Value::Date(vocabulary::Date::constant(2026, 11, 24)));
    assert_eq!(judged(&[place.clone(), day.clone()]), Ok(()));
    for wrong in [
        vec![],
        vec![place.clone()],
        vec![place.clone(), day.clone(), day.clone()],
        vec![place.clone(), Value::Null],
        vec![place.clone(), Value::Text("2026-11-24".to_owned())],
        vec![day, place],
    ] {
        assert_eq!(judged(&wrong), Err("registry.key".to_owned()), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_revision_that_is_no_addition_is_refused_with_every_reason() {
    let world = world().await;
    let old = simple("stubborn-thing");
    let mut new = old.clone();
    new.fields.shift_remove("phone");
    new.fields.get_mut("size").unwrap().kind = schema::FieldType::Money;
    let mut long = simple(&"x".repeat(49));
    for store in &world.stores {
        installed(store, old.clone()).await;
        let ask = permit(Install { record: new.clone() });
        let refused = transact!(store, None, |tx| install(tx, &ask, at(0)).await).unwrap_err();
        assert_eq!(refused.code, "registry.revision");
        assert!(refused.detail.en.contains("phone") && refused.detail.en.contains("size"), "{refused}");
        let ask = permit(Install { record: long.clone() });
        assert_eq!(transact!(store, None, |tx| install(tx, &ask, at(0)).await).unwrap_err().code, "registry.name");
        long.key.clear();
    }
}

// ---- values ----

#[tokio::test]
async fn values_of_every_type_come_back_as_they_were_by_insert_and_by_import() {
    let world = world().await;
    let moment = |micros| Value::Timestamp(vocabulary::timestamp_from_micros(micros).unwrap());
    let date = |year, month, day| Value::Date(vocabulary::Date::constant(year, month, day));
    let some = |n: i64| {
        let number = Value::Scaled((-1_i64).pow((n % 2) as u32) * n);
        vec![
            text(&format!("32{:04}", n)),
            date(1 + (n as i16) * 70, 2, 28),
            text("𠀀é\\\t\n\"'=1+1, %_\u{2028}"),
            Value::Integer(i64::MAX - n),
            number.clone(),
            number,
            Value::Boolean(n % 2 == 0),
            moment(-62_135_596_800_000_000 + n * 2_222_222_222_222_221),
            text("是"),
        ]
    };
    let nothing = |n: i64| {
        let mut row = vec![text(&format!("33{:04}", n)), date(9999, 12, 31)];
        row.resize(9, Value::Null);
        row
    };
    let rows: Vec<_> = (0..120).map(some).chain((0..3).map(nothing)).collect();
    for store in &world.stores {
        let record = installed(store, everything(&fresh("every"))).await;
        put(store, &record, rows.clone()).await.unwrap();
        assert_eq!(everyone(store, &record, None).await, rows);
        for row in &rows {
            let single = vec![row.clone()];
            assert_eq!(put(store, &record, single).await.unwrap(), Written { same: 1, ..Written::default() });
        }
        let other = installed(store, everything(&fresh("every"))).await;
        let mut out = csv::Writer::from_writer(Vec::new());
        out.write_record(other.fields.keys().map(FieldName::as_str)).unwrap();
        for row in &rows {
            out.write_record(other.fields.values().zip(row).map(|(field, value)| field.kind.render(value))).unwrap();
        }
        let file = out.into_inner().unwrap();
        let atomic = Import { atomic: true, ..ask(&other) };
        let done = load(store, atomic, std::io::Cursor::new(file)).await.unwrap();
        assert_eq!((done.loaded, done.rejected), (123, 0), "{:?}", faults(store, done.id).await);
        assert_eq!(everyone(store, &other, None).await, rows);
    }
}

pub(crate) async fn faults(store: &Store, id: ImportId) -> Vec<(i64, String, String)> {
    let mut all = Vec::new();
    rejects(&mut store.read().await.unwrap(), id, |it| {
        all.push((it.line, it.field, it.code));
        Ok(())
    })
    .await
    .unwrap();
    all
}

#[tokio::test]
async fn rows_that_do_not_fit_are_refused_whole() {
    let world = world().await;
    for store in &world.stores {
        let record = installed(store, simple(&fresh("fit"))).await;
        let good = vec![text("a"), Value::Integer(1), Value::Null];
        let bad = [
            vec![text("a")],
            vec![Value::Null, Value::Null, Value::Null],
            vec![text("a"), text("1"), Value::Null],
            vec![text("a"), Value::Null, text("012345678901234567890")],
        ];
        for row in bad {
            let refused = put(store, &record, vec![good.clone(), row]).await.unwrap_err();
            assert_eq!(refused.code, "registry.row");
            assert!(!refused.detail.en.contains("0123"), "a value about a person shows: {refused}");
        }
        let twice = put(store, &record, vec![good.clone(), good.clone()]).await.unwrap_err();
        assert_eq!(twice.code, "registry.duplicate_key");
        let many = put(store, &record, vec![good.clone(); WRITE_ROWS_MAX + 1]).await.unwrap_err();
        assert_eq!(many.code, "registry.too_many_rows");
        assert_eq!(take(store, &record, vec![vec![Value::Null]]).await.unwrap_err().code, "registry.key");
        assert!(everyone(store, &record, None).await.is_empty());
    }
}

// ---- the model ----

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(u8, i64)>),
    Remove(Vec<u8>),
    Import(Vec<(u8, i64)>, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let rows = || prop::collection::vec((0_u8..6, 0_i64..3), 1..6);
    prop_oneof![
        3 => rows().prop_map(Step::Write),
        2 => prop::collection::vec(0_u8..6, 1..4).prop_map(Step::Remove),
        3 => (rows(), any::<bool>()).prop_map(|(rows, atomic)| Step::Import(rows, atomic)),
    ]
}

/// What the registry should say: current values, every version of each key, the state at each position.
#[derive(Default)]
struct Model {
    current: BTreeMap<u8, i64>,
    /// Values of each key's versions; whether the last one is current.
    versions: BTreeMap<u8, Vec<i64>>,
    states: Vec<(i64, BTreeMap<u8, i64>)>,
}

impl Model {
    fn set(&mut self, key: u8, value: i64) {
        if self.current.insert(key, value) != Some(value) {
            self.versions.entry(key).or_default().push(value);
        }
    }
}

fn name(key: u8) -> Value {
    text(&format!("k{key}"))
}

async fn run(store: &Store, record: &RecordType, step: &Step, model: &mut Model) {
    match step {
        Step::Write(rows) => {
            let unique: BTreeMap<u8, i64> = rows.iter().copied().collect();
            let rows = unique.iter().map(|(key, value)| vec![name(*key), Value::Integer(*value), Value::Null]);
            put(store, record, rows.collect()).await.unwrap();
            unique.into_iter().for_each(|(key, value)| model.set(key, value));
        }
        Step::Remove(keys) => {
            let there = keys.iter().collect::<BTreeSet<_>>().into_iter().filter(|it| model.current.contains_key(it));
            let there = there.count() as u64;
            let done = take(store, record, keys.iter().map(|it| vec![name(*it)]).collect()).await.unwrap();
            assert_eq!(done.removed, there);
            model.current.retain(|key, _| !keys.contains(key));
        }
        Step::Import(rows, atomic) => {
            let mut file = "id,size\n".to_owned();
            rows.iter().for_each(|(key, value)| file.push_str(&format!("k{key},{value}\n")));
            let mapping = Mapping {
                fields: vec![
                    (FieldName::new("id").unwrap(), Fill::Column("id".into())),
                    (FieldName::new("size").unwrap(), Fill::Column("size".into())),
                ],
                ..Mapping::default()
            };
            let ask = Import { mapping, atomic: *atomic, ..ask(record) };
            let done = load(store, ask, std::io::Cursor::new(file)).await.unwrap();
            let first: BTreeMap<u8, i64> = rows.iter().rev().copied().collect();
            assert_eq!((done.loaded, done.read), (first.len() as u64, rows.len() as u64));
            assert_eq!(done.read, done.loaded + done.rejected);
            first.into_iter().for_each(|(key, value)| model.set(key, value));
        }
    }
}

async fn agree(store: &Store, record: &RecordType, model: &Model) {
    let rows = |state: &BTreeMap<u8, i64>| {
        state.iter().map(|(key, value)| vec![name(*key), Value::Integer(*value), Value::Null]).collect::<Vec<_>>()
    };
    assert_eq!(everyone(store, record, None).await, rows(&model.current));
    for (position, state) in &model.states {
        assert_eq!(everyone(store, record, Some(*position)).await, rows(state), "as of {position}");
    }
    let mut reader = store.read().await.unwrap();
    for key in 0..6 {
        let found = history(&mut reader, record, &[name(key)]).await.unwrap();
        let values: Vec<_> = found.iter().map(|it| it.values[1].clone()).collect();
        let expected = model.versions.get(&key).cloned().unwrap_or_default();
        assert_eq!(values, expected.into_iter().map(Value::Integer).collect::<Vec<_>>());
        assert_eq!(found.last().is_some_and(|it| it.until.is_none()), model.current.contains_key(&key));
        assert!(found.iter().rev().skip(1).all(|it| it.until.is_some()));
        for (before, after) in found.iter().zip(found.iter().skip(1)) {
            let end = before.until.as_ref().unwrap().numbered.unwrap().0;
            assert!(end <= after.from.numbered.unwrap().0 && before.from.numbered.unwrap().0 < end);
        }
        let one = by_key(&mut reader, record, &[name(key)], &Selection::all(record)).await.unwrap();
        assert_eq!(one.map(|it| it.values[1].clone()), model.current.get(&key).map(|it| Value::Integer(*it)));
    }
}

/// Whatever is written, removed and imported in whatever order: rows, histories and past states are those of the model.
#[test]
fn any_sequence_of_changes_gives_what_the_model_gives() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let world = runtime.block_on(world());
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(steps in prop::collection::vec(step(), 1..8))| {
        for store in &world.stores {
            runtime.block_on(async {
                let record = installed(store, simple(&fresh("model"))).await;
                let mut model = Model::default();
                for step in &steps {
                    run(store, &record, step, &mut model).await;
                    store.sequence(at(5)).await.unwrap();
                    let position = position(&mut store.read().await.unwrap()).await;
                    model.states.push((position, model.current.clone()));
                }
                agree(store, &record, &model).await;
            });
        }
    });
}

proptest! {
    /// Every row has one fate, by the first row of its key and what is there.
    #[test]
    fn the_first_row_of_a_key_counts(
        rows in prop::collection::vec((0_u8..5, 0_i64..3), 0..12),
        there in prop::collection::btree_map(0_u8..5, (0_i64..3, prop::option::of(1_i64..9)), 0..5),
    ) {
        let record = simple("fates");
        let values = |key: u8, value: i64| vec![name(key), Value::Integer(value), Value::Null];
        let rows: Vec<_> = (10..).zip(&rows).map(|(line, (key, value))| Incoming {
            id: row_id(line),
            line: Some(line.into()),
            values: values(*key, *value),
        }).collect();
        let current = there.iter().map(|(key, (value, seen))| {
            (vec![name(*key)], Current { id: row_id((*key).into()), seen: *seen, values: values(*key, *value) })
        }).collect();
        let fates = crate::decide::fates(&record, &rows, &current);
        prop_assert_eq!(fates.len(), rows.len());
        for (at, (row, fate)) in rows.iter().zip(&fates).enumerate() {
            let first = rows[..at].iter().find(|it| it.values[0] == row.values[0]);
            let now = current.get(&row.values[..1]);
            let expected = match (first, now) {
                (Some(first), _) => Fate::Duplicate(first.line),
                (None, None) => Fate::Added,
                (None, Some(Current { seen: Some(line), .. })) => Fate::Duplicate(Some(*line)),
                (None, Some(it)) if it.values == row.values => Fate::Same(it.id),
                (None, Some(it)) => Fate::Changed(it.id),
            };
            prop_assert_eq!(*fate, expected);
        }
    }

    /// Runs are the ids that were folded, also where the random bits wrap around.
    #[test]
    fn runs_unfold_to_their_ids(starts in prop::collection::vec((any::<u64>(), 1_u64..5), 0..6)) {
        let zero = row_id(0).uuid().as_u128();
        let id = |bits: u64| RowId::from_uuid(Uuid::from_u128(zero | u128::from(bits >> 2)));
        let starts = starts.into_iter().chain([(u64::MAX, 3)]);
        let ids: Vec<_> = starts.flat_map(|(bits, count)| (0..count).map(move |it| id(bits).plus(it))).collect();
        prop_assert!(ids.iter().all(|it| it.uuid().get_version_num() == 7));
        let runs = Run::fold(ids.iter().copied());
        prop_assert_eq!(runs.iter().flat_map(|it| it.ids()).collect::<Vec<_>>(), ids);
    }
}

/// Whoever draws ids of imports may draw them side by side: their rows' ids are far apart all the same.
#[test]
fn imports_with_neighbouring_ids_share_no_row() {
    let first = import_id().uuid().as_u128();
    let bounds = (0..200).map(|it| ImportId::from_uuid(Uuid::from_u128(first + it)));
    let mut bounds: Vec<_> = bounds.map(|it| (it.row(0), it.row(100_000_000))).collect();
    bounds.sort_unstable();
    assert!(bounds.iter().all(|(from, to)| from < to && from.uuid().get_version_num() == 7));
    assert!(bounds.windows(2).all(|it| it[0].1 < it[1].0));
}

// ---- reads ----

#[tokio::test]
async fn pages_go_on_behind_the_last_key_and_filters_narrow() {
    let world = world().await;
    for store in &world.stores {
        let record = installed(store, everything(&fresh("pages"))).await;
        let day = |day| Value::Date(vocabulary::Date::constant(2026, 1, day));
        let row = |place: &str, d: i8| {
            let mut row = vec![text(place), day(d), Value::Null, Value::Integer(i64::from(d))];
            row.resize(9, Value::Null);
            row
        };
        let all: Vec<_> = ["3201", "3202", "320201"].iter().flat_map(|it| (1..=5).map(|d| row(it, d))).collect();
        put(store, &record, all.clone()).await.unwrap();
        let mut reader = store.read().await.unwrap();
        let mut selection = Selection::all(&record);
        let mut seen = Vec::new();
        loop {
            let found = page(&mut reader, &record, &selection, 4).await.unwrap();
            let Some(last) = found.last() else { break };
            selection.after = Some(vec![last.values[0].clone(), last.values[1].clone()]);
            seen.extend(found.into_iter().map(|it| it.values));
        }
        let mut sorted = all.clone();
        sorted.sort();
        assert_eq!(seen, sorted);
        let columns = vec![FieldName::new("count").unwrap()];
        let kind = schema::FieldType::Integer;
        let filter = Filter::compare(&columns[0], &kind, By::Ge, &Value::Integer(4)).unwrap();
        let few = Selection { columns, filter, after: Some(vec![text("3201"), day(4)]), as_of: None };
        let found = page(&mut reader, &record, &few, 100).await.unwrap();
        assert_eq!(
            found.iter().map(|it| it.values.clone()).collect::<Vec<_>>(),
            [5, 4, 5, 4, 5].map(|it| vec![Value::Integer(it)])
        );
        let wrong = Selection { columns: vec![FieldName::new("secret").unwrap()], ..Selection::all(&record) };
        assert_eq!(page(&mut reader, &record, &wrong, 1).await.unwrap_err().code, "registry.column");
        let most = PAGE_ROWS_MAX + 1;
        assert_eq!(page(&mut reader, &record, &Selection::all(&record), most).await.unwrap_err().code, "registry.page");
    }
}

#[tokio::test]
async fn the_feed_lists_rows_by_name_and_never_a_value() {
    let world = world().await;
    for store in &world.stores {
        let record = installed(store, simple(&fresh("feed"))).await;
        let row = |id: &str, size| vec![text(id), Value::Integer(size), text("13900000000")];
        put(store, &record, vec![row("amber", 1), row("birch", 1), row("cedar", 1)]).await.unwrap();
        put(store, &record, vec![row("amber", 2)]).await.unwrap();
        take(store, &record, vec![vec![text("birch")]]).await.unwrap();
        store.sequence(at(9)).await.unwrap();
        let mut reader = store.read().await.unwrap();
        let found = changes(&mut reader, 0, 100).await.unwrap();
        let rows: Vec<_> = found
            .iter()
            .filter_map(|it| match &it.announcement {
                Announcement::Rows { record: of, added, changed, removed, cause, .. } if *of == record.name => {
                    assert_eq!((cause.by.as_str(), cause.why.as_str()), ("js-scjg/job:test", "test"));
                    Some((added.clone(), changed.clone(), removed.clone()))
                }
                _ => None,
            })
            .collect();
        let [(added, ..), (_, changed, _), (_, _, removed)] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((added.len(), added[0].count), (1, 3));
        assert_eq!(changed[0].from, added[0].from);
        assert_eq!(removed[0].from, added[0].from.plus(1));
        let mut now = Vec::new();
        by_runs(&mut reader, &record, added, |it| {
            now.push(it.values[0].clone());
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(now, [text("amber"), text("cedar")]);
        let raw =
            reader.rows("SELECT body FROM store_change WHERE body NOT LIKE '%definition%'", vec![]).await.unwrap();
        for row in raw {
            let body = row.text("body").unwrap().to_owned();
            assert!(!body.contains("139") && !body.contains("amber") && !body.contains("birch"), "{body}");
        }
        let type_entry = &found.iter().find(|it| matches!(it.announcement, Announcement::Type { .. }));
        assert!(type_entry.is_some());
    }
}

/// Writers of the same keys at once: every write takes effect in some order, and none is lost from the history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_once_lose_nothing() {
    let world = world().await;
    for store in &world.stores {
        let record = Arc::new(installed(store, simple(&fresh("rush"))).await);
        let tasks: Vec<_> = (0..40_i64)
            .map(|number| {
                let (store, record) = (store.clone(), record.clone());
                tokio::spawn(async move {
                    let keys = [number % 3, (number + 1) % 3];
                    let rows = keys.map(|it| vec![text(&format!("k{it}")), Value::Integer(number), Value::Null]);
                    let mut tries = 0;
                    // The store runs a clash again eight times; under this rush a caller may have to, too.
                    while let Err(problem) = put(&store, &record, rows.to_vec()).await {
                        assert_eq!(problem.code, "store.retry");
                        tries += 1;
                        assert!(tries < 50);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        store.sequence(at(9)).await.unwrap();
        let mut reader = store.read().await.unwrap();
        let mut versions = 0;
        for key in 0..3 {
            let found = history(&mut reader, &record, &[text(&format!("k{key}"))]).await.unwrap();
            versions += found.len();
            assert_eq!(found.iter().filter(|it| it.until.is_none()).count(), 1);
            let bounds: Vec<_> = found
                .iter()
                .map(|it| (it.from.numbered.unwrap().0, it.until.as_ref().map(|it| it.numbered.unwrap().0)))
                .collect();
            for pair in bounds.windows(2) {
                assert_eq!(pair[0].1, Some(pair[1].0), "{bounds:?}");
            }
        }
        assert_eq!(versions, 80);
    }
}

// ---- faults ----

pub(crate) fn numbers(rows: u32) -> String {
    let mut file = "id,size,phone\n".to_owned();
    for row in 0..rows {
        // Every hundredth row is bad, every thousandth repeats a key of an earlier batch.
        let id = if row % 1_000 == 999 { row - 999 } else { row };
        let size = if row % 100 == 50 { "x".to_owned() } else { row.to_string() };
        file.push_str(&format!("n{id:07},{size},\n"));
    }
    file
}

async fn check_numbers(store: &Store, record: &RecordType, done: &Progress, rows: u32) {
    let (bad, twice) = ((rows + 49) / 100, rows / 1_000);
    assert_eq!(done.state, State::Done);
    assert_eq!((done.read, done.rejected), (rows.into(), (bad + twice).into()));
    assert_eq!(done.read, done.loaded + done.rejected);
    let all = everyone(store, record, None).await;
    assert_eq!(all.len() as u64, done.loaded);
    assert!(all.iter().all(|it| it[0] == text(&format!("n{:07}", if let Value::Integer(n) = it[1] { n } else { -1 }))));
    let rejected = faults(store, done.id).await;
    assert_eq!(rejected.len() as u64, done.rejected);
    assert_eq!(rejected.iter().filter(|it| it.2 == "registry.duplicate_key").count() as u32, twice);
    assert_eq!(import_progress(&mut store.read().await.unwrap(), done.id).await.unwrap().as_ref(), Some(done));
}

/// A source that breaks off after so many bytes.
struct Breaking(std::io::Cursor<String>, usize);

impl Read for Breaking {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let most = to.len().min(self.1);
        if most == 0 {
            return Err(std::io::Error::other("cable pulled"));
        }
        let read = self.0.read(&mut to[..most])?;
        self.1 -= read;
        Ok(read)
    }
}

#[tokio::test]
async fn an_import_that_breaks_off_goes_on_where_it_stopped() {
    let world = world().await;
    let file = numbers(50_000);
    for store in &world.stores {
        for atomic in [false, true] {
            let record = installed(store, simple(&fresh("resume"))).await;
            let ask = Import { atomic, ..ask(&record) };
            let mut before = 0;
            for part in [2, 3] {
                let broken = Breaking(std::io::Cursor::new(file.clone()), file.len() - file.len() / part);
                let stopped = load(store, ask.clone(), broken).await.unwrap_err();
                assert_eq!(stopped.code, "registry.source");
                let there = import_progress(&mut store.read().await.unwrap(), ask.id).await.unwrap().unwrap();
                assert!(there.read >= before && there.state == State::Open);
                before = there.read;
            }
            let other = load(store, ask.clone(), std::io::Cursor::new(file.replace("n0000001,1", "n0000001,7"))).await;
            assert_eq!(other.unwrap_err().code, "registry.import_source");
            let changed = Import { atomic: !atomic, ..ask.clone() };
            let changed = load(store, changed, std::io::Cursor::new(file.clone())).await;
            assert_eq!(changed.unwrap_err().code, "registry.import_other");
            let done = load(store, ask.clone(), std::io::Cursor::new(file.clone())).await.unwrap();
            check_numbers(store, &record, &done, 50_000).await;
            // Once more changes nothing.
            assert_eq!(load(store, ask, std::io::Cursor::new(file.clone())).await.unwrap(), done);
        }
    }
}

/// Fault table: a commit that fails without effect, and one that fails but persisted, at every batch; the import
/// finishes as if nothing had been, or says so and goes on.
#[tokio::test]
async fn a_commit_that_goes_wrong_at_any_batch_loses_and_doubles_nothing() {
    let world = world().await;
    let file = numbers(12_345);
    for store in &world.stores {
        for (atomic, batches) in [(false, 3), (true, 4)] {
            for fault in [Fault::Lost, Fault::Persisted] {
                for batch in 0..batches {
                    let record = installed(store, simple(&fresh("fault"))).await;
                    let permit = permit(Import { atomic, ..ask(&record) });
                    let intake = || Intake {
                        source: Box::new(std::io::Cursor::new(file.clone())),
                        codes: Arc::new(AnyCode),
                        clock: &now,
                    };
                    let mut heard = 0;
                    if batch == 0 {
                        store.inject(fault);
                    }
                    let mut report = |_: &Progress| {
                        heard += 1;
                        if heard == batch {
                            store.inject(fault);
                        }
                    };
                    let done = match import(store, &permit, intake(), &mut report).await {
                        Ok(done) => done,
                        // Only the very beginning is not looked up by itself.
                        Err(problem) => {
                            assert_eq!((problem.code.as_ref(), batch), ("store.commit_unknown", 0));
                            import(store, &permit, intake(), &mut |_| {}).await.unwrap()
                        }
                    };
                    check_numbers(store, &record, &done, 12_345).await;
                }
            }
        }
    }
}

/// `kill`: the future is dropped at whatever point it has reached.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_dropped_anywhere_goes_on() {
    let world = world().await;
    let file = numbers(12_345);
    for (place, store) in world.stores.iter().enumerate() {
        let record = installed(store, simple(&fresh("kill"))).await;
        let ask = ask(&record);
        for milliseconds in [1, 3, 9, 27, 50, 80] {
            let store = world.reopened(place).await;
            let half = load(&store, ask.clone(), std::io::Cursor::new(file.clone()));
            drop(tokio::time::timeout(std::time::Duration::from_millis(milliseconds), half).await);
        }
        let store = world.reopened(place).await;
        let done = load(&store, ask, std::io::Cursor::new(file.clone())).await.unwrap();
        check_numbers(&store, &record, &done, 12_345).await;
    }
}

#[tokio::test]
async fn a_full_disk_stops_an_import_and_space_lets_it_go_on() {
    let world = world().await;
    let store = &world.stores[0];
    let file = numbers(12_345);
    let record = installed(store, simple(&fresh("full"))).await;
    let ask = ask(&record);
    let pages = async |most: &'static str| {
        transact!(store, None, |tx| {
            tx.rows(most, vec![]).await?;
            Ok(())
        })
        .unwrap();
    };
    pages("PRAGMA max_page_count = 260").await;
    let full = load(store, ask.clone(), std::io::Cursor::new(file.clone())).await.unwrap_err();
    assert_eq!(full.code, "store.full");
    let there = import_progress(&mut store.read().await.unwrap(), ask.id).await.unwrap().unwrap();
    assert_eq!(there.loaded, everyone(store, &record, None).await.len() as u64);
    pages("PRAGMA max_page_count = 1000000").await;
    let done = load(store, ask, std::io::Cursor::new(file)).await.unwrap();
    check_numbers(store, &record, &done, 12_345).await;
}

#[tokio::test]
async fn atomic_rows_become_visible_together() {
    let world = world().await;
    let file = numbers(12_345);
    for store in &world.stores {
        let record = installed(store, simple(&fresh("atomic"))).await;
        let permit = permit(Import { atomic: true, ..ask(&record) });
        let intake =
            Intake { source: Box::new(std::io::Cursor::new(file.clone())), codes: Arc::new(AnyCode), clock: &now };
        let mut states = Vec::new();
        let done = import(store, &permit, intake, &mut |it| states.push(it.state)).await.unwrap();
        assert_eq!(states, [State::Open, State::Open, State::Staged, State::Done]);
        check_numbers(store, &record, &done, 12_345).await;
        store.sequence(at(7)).await.unwrap();
        let mut reader = store.read().await.unwrap();
        let found = changes(&mut reader, 0, 1_000).await.unwrap();
        let times: BTreeSet<_> = found
            .iter()
            .filter(|it| matches!(&it.announcement, Announcement::Rows { record: of, .. } if *of == record.name))
            .map(|it| it.at)
            .collect();
        assert_eq!(times.len(), 1, "no time shows a part");
        let left = reader.row("SELECT COUNT(*) AS n FROM registry_import_staged", vec![]).await.unwrap().unwrap();
        assert_eq!(left.int("n").unwrap(), 0);
    }
}

#[tokio::test]
async fn nothing_is_loaded_without_a_secrecy_review() {
    let world = world().await;
    let store = &world.stores[0];
    let record = installed(store, simple(&fresh("secret"))).await;
    let unreviewed = Import { secrecy_review: None, ..ask(&record) };
    let refused = load(store, unreviewed, std::io::Cursor::new(numbers(3))).await.unwrap_err();
    assert_eq!(refused.code, "registry.secrecy_review");
    assert!(everyone(store, &record, None).await.is_empty());
}

#[test]
fn table_names_are_checked() {
    assert!(Table::check_name(&simple(&"x".repeat(48))).is_ok());
    assert_eq!(Table::check_name(&simple(&"x".repeat(49))).unwrap_err().code, "registry.name");
}
