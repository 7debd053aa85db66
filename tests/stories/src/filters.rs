//! One filter, one meaning: SQLite, PostgreSQL and `Filter::matches` choose the same rows, and rows come back from
//! either database exactly as they went in.
//!
//! PostgreSQL takes part where `YUNHE_TEST_POSTGRES` names a server; `cargo xtask test` sees to it.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use rule::{By, Constant, Dialect, Filter, Test, sql};
use schema::{Field, FieldName, FieldType, Holder, RecordType, Value};
use std::sync::atomic::{AtomicU32, Ordering};
use store::{Arg, Statement, Store, Tx, transact};
use vocabulary::{Bilingual, Date, Problem, ResourceId, Timestamp, timestamp_from_micros};

/// Rows and filters of one case; each filter meets each row in each database.
const ROWS: usize = 30;
const FILTERS: usize = 30;
const CASES: u32 = 24;

fn kinds() -> Vec<(&'static str, FieldType)> {
    let list = ResourceId::new("status").unwrap();
    vec![
        ("id", FieldType::Integer),
        ("name", FieldType::Text { max: 100 }),
        ("note", FieldType::Text { max: 100 }),
        ("staff", FieldType::Integer),
        ("other", FieldType::Integer),
        ("ratio", FieldType::Decimal { precision: 8, scale: 2 }),
        ("share", FieldType::Decimal { precision: 9, scale: 2 }),
        ("whole", FieldType::Decimal { precision: 18, scale: 0 }),
        ("fine", FieldType::Decimal { precision: 18, scale: 18 }),
        ("capital", FieldType::Money),
        ("revenue", FieldType::Money),
        ("violation", FieldType::Boolean),
        ("active", FieldType::Boolean),
        ("founded", FieldType::Date),
        ("seen", FieldType::Date),
        ("updated", FieldType::Timestamp),
        ("loaded", FieldType::Timestamp),
        ("status", FieldType::Code { list }),
        ("uscc", FieldType::OrgCode { of: Holder::LegalPerson }),
        ("division", FieldType::Division),
        ("order", FieldType::Text { max: 10 }),
    ]
}

pub(crate) fn record() -> RecordType {
    let fields = kinds().into_iter().map(|(name, kind)| {
        let name = FieldName::new(name).unwrap();
        (name.clone(), Field { optional: name.as_str() != "id", ..Field::new(&name, kind) })
    });
    let key = vec![FieldName::new("id").unwrap()];
    let title = Bilingual::new("样例", "sample");
    RecordType::new(ResourceId::new("sample").unwrap(), title, key, fields.collect()).unwrap()
}

/// Pieces that databases, patterns and encodings stumble over; none changes when composed with what stands before it
/// but for the combining accent, which `Constant::text` sees to.
const PIECES: [&str; 20] = [
    "a",
    "b",
    "A",
    "%",
    "_",
    "\\",
    "'",
    "\"",
    "$1",
    "?",
    "南",
    "京",
    "\u{20000}",
    "\u{2a6d6}",
    "\u{301}",
    "e",
    "\u{10ffff}",
    "\u{d7ff}",
    "\u{e000}",
    "\n",
];

fn any_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(select(&PIECES[..]), 0..4).prop_map(|it| match Constant::text(&it.concat()) {
        Some(Constant::Text(it)) => it,
        _ => String::new(),
    })
}

fn near_or(wild: impl Strategy<Value = i64> + 'static) -> BoxedStrategy<i64> {
    prop_oneof![3 => -3_i64..4, 1 => wild].boxed()
}

fn any_of(kind: &FieldType) -> BoxedStrategy<Value> {
    let texts = |all: &[&str]| select(all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()).prop_map(Value::Text);
    match kind {
        FieldType::Text { .. } => any_text().prop_map(Value::Text).boxed(),
        FieldType::Integer => near_or(any::<i64>()).prop_map(Value::Integer).boxed(),
        FieldType::Money => near_or(any::<i64>()).prop_map(Value::Scaled).boxed(),
        FieldType::Decimal { precision, .. } => {
            let most = 10_i64.pow(u32::from(*precision)) - 1;
            near_or(prop_oneof![Just(most), Just(-most), -most..=most]).prop_map(Value::Scaled).boxed()
        }
        FieldType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        FieldType::Date => {
            let days = [(1, 1, 1), (1582, 10, 10), (1969, 12, 31), (2024, 2, 29), (2026, 1, 1), (9999, 12, 31)];
            select(days.to_vec()).prop_map(|(y, m, d)| Value::Date(Date::new(y, m, d).unwrap())).boxed()
        }
        FieldType::Timestamp => {
            // The last instant that jiff makes of microseconds: its own maximum, without the fraction.
            let last = Timestamp::MAX.as_second() * 1_000_000;
            let micros = vec![-62_135_596_800_000_000, -1, 0, 1, 3_599_999_999, 1_767_196_800_000_000, last - 1, last];
            let any = prop_oneof![2 => select(micros), 1 => -62_135_596_800_000_000..=last];
            any.prop_map(|it| Value::Timestamp(timestamp_from_micros(it).unwrap())).boxed()
        }
        FieldType::Code { .. } => texts(&["1", "2", "03"]).boxed(),
        FieldType::OrgCode { .. } => texts(&["91320000", "9132", "12"]).boxed(),
        FieldType::Division => texts(&["32", "3201", "320102", "320171", "320102001003", "41"]).boxed(),
    }
}

pub(crate) fn any_row() -> impl Strategy<Value = Vec<Value>> {
    let cells = kinds().into_iter().map(|(_, kind)| prop_oneof![1 => Just(Value::Null), 5 => any_of(&kind)]);
    cells.collect::<Vec<_>>()
}

fn any_by() -> impl Strategy<Value = By> {
    select(vec![By::Eq, By::Ne, By::Lt, By::Le, By::Gt, By::Ge])
}

/// A test of any field, whether its type knows such a test or not: what does not suit must hold nowhere, too.
fn any_test() -> impl Strategy<Value = Filter> {
    (select(kinds()), any::<Index>(), any::<Index>(), any_by(), any::<Index>(), any_text()).prop_flat_map(
        |((name, kind), shape, other, by, pick, text)| {
            proptest::collection::vec(any_of(&kind), 1..4).prop_map(move |values| {
                let field = FieldName::new(name).unwrap();
                let constant = |it: &Value| Constant::of(&kind, it).ok().flatten().unwrap();
                let text = match &values[pick.index(values.len())] {
                    // Often a real part of a text that may stand in a row.
                    Value::Text(it) if shape.index(2) == 0 => it.chars().skip(other.index(2)).collect(),
                    _ => text.clone(),
                };
                Filter::test(match shape.index(9) {
                    0 => Test::Null { field },
                    1 => Test::In { field, values: values.iter().map(constant).collect() },
                    2 => {
                        let alike: Vec<_> = kinds().into_iter().filter(|(_, it)| it == &kind).collect();
                        let any = kinds();
                        let from = if pick.index(8) == 0 { &any } else { &alike };
                        Test::Fields { field, by, other: FieldName::new(from[other.index(from.len())].0).unwrap() }
                    }
                    3 => Test::StartsWith { field, text },
                    4 => Test::EndsWith { field, text },
                    5 => Test::Contains { field, text },
                    6 => Test::Compare { field, by: By::Eq, value: constant(&values[0]) },
                    _ => Test::Compare { field, by, value: constant(&values[0]) },
                })
            })
        },
    )
}

pub(crate) fn any_filter() -> impl Strategy<Value = Filter> {
    any_test().prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::all),
            1 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::any),
            2 => inner.prop_map(Filter::not),
        ]
    })
}

fn arg(value: &Value) -> Arg {
    match sql::cell(value) {
        sql::Cell::Null => Arg::Null,
        sql::Cell::Int(it) => Arg::Int(it),
        sql::Cell::Text(it) => Arg::Text(it),
    }
}

fn read(kind: &FieldType, arg: Arg) -> Value {
    let cell = match arg {
        Arg::Null => sql::Cell::Null,
        Arg::Int(it) => sql::Cell::Int(it),
        Arg::Text(it) => sql::Cell::Text(it),
        Arg::Bytes(it) => panic!("bytes in a typed column: {it:?}"),
    };
    sql::value(kind, cell).unwrap()
}

/// The SQL around the filters: made for a record type as `registry` does it.
struct Table {
    name: String,
    record: RecordType,
    dialect: Dialect,
}

impl Table {
    fn create(&self) -> Vec<Statement> {
        let columns = self.record.fields.iter().map(|(name, field)| {
            format!("{} {}", sql::quote(name.as_str()), sql::column_type(&field.kind, self.dialect))
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        let indexed = ["name", "division", "staff", "updated"].map(|it| {
            format!("CREATE INDEX {} ON {} ({})", sql::quote(&format!("{}_{it}", self.name)), self.name, sql::quote(it))
        });
        let table = format!("CREATE TABLE {} ({columns})", self.name);
        std::iter::once(table).chain(indexed).map(Statement::built).collect()
    }

    fn insert(&self) -> Statement {
        let places = self.record.fields.values().enumerate();
        let places: Vec<_> = places.map(|(at, it)| sql::parameter(&it.kind, self.dialect, at + 1)).collect();
        Statement::built(format!("INSERT INTO {} VALUES ({})", self.name, places.join(", ")))
    }

    fn select_all(&self) -> Statement {
        let fields = self.record.fields.iter();
        let columns: Vec<_> = fields.map(|(name, it)| sql::select(name.as_str(), &it.kind, self.dialect)).collect();
        Statement::built(format!("SELECT {} FROM {} ORDER BY \"id\"", columns.join(", "), self.name))
    }

    /// The filter stands behind another parameter, as it does in a query for a page.
    fn select(&self, filter: &Filter) -> (Statement, Vec<Arg>) {
        let (text, values) = filter.sql(&self.record, self.dialect, 2);
        let text =
            format!("SELECT \"id\" FROM {} WHERE \"id\" >= CAST($1 AS bigint) AND {text} ORDER BY \"id\"", self.name);
        (Statement::built(text), std::iter::once(Arg::Int(0)).chain(values.iter().map(arg)).collect())
    }
}

async fn stores() -> (Vec<Store>, tempfile::TempDir) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let folder = tempfile::tempdir().unwrap();
    let mut stores =
        vec![Store::open(&format!("sqlite:{}", folder.path().join("filters.db").display()), "f").await.unwrap()];
    if let Ok(url) = std::env::var("YUNHE_TEST_POSTGRES") {
        let schema = format!("filters_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        stores.push(Store::open(&url, &schema).await.unwrap());
    }
    (stores, folder)
}

async fn fill(tx: &mut Tx, table: &Table, rows: &[Vec<Value>]) -> Result<(), Problem> {
    tx.execute(Statement::built(format!("DELETE FROM {}", table.name)), vec![]).await?;
    for row in rows {
        tx.execute(table.insert(), row.iter().map(arg).collect()).await?;
    }
    Ok(())
}

/// Compares one database with `Filter::matches`.
async fn agrees(store: &Store, table: &Table, rows: &[Vec<Value>], filters: &[Filter]) -> Result<(), TestCaseError> {
    let done: Result<(), Problem> = transact!(store, None, |tx| fill(tx, table, rows).await);
    done.unwrap();
    let mut reader = store.read().await.unwrap();
    let stored = reader.rows(table.select_all(), vec![]).await.unwrap();
    for (row, wanted) in stored.into_iter().zip(rows) {
        let kinds = table.record.fields.values().map(|it| &it.kind);
        let back: Vec<_> = kinds.zip(row.into_cells()).map(|(kind, cell)| read(kind, cell)).collect();
        prop_assert_eq!(&back, wanted, "{:?}", table.dialect);
    }
    for filter in filters {
        let (statement, args) = table.select(filter);
        let text = statement.as_str().to_owned();
        let found = reader.rows(statement, args.clone()).await.unwrap_or_else(|it| panic!("{text} {args:?}: {it}"));
        let found: Vec<i64> = found.iter().map(|it| it.int("id").unwrap()).collect();
        let wanted = (0_i64..).zip(rows).filter(|(_, row)| filter.matches(&table.record, row));
        let wanted: Vec<i64> = wanted.map(|(id, _)| id).collect();
        prop_assert_eq!(found, wanted, "{:?} {} {:?}", filter, text, args);
    }
    Ok(())
}

/// The property. Tables are made once; each case fills them anew.
#[test]
fn databases_and_evaluator_choose_the_same_rows() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (stores, _folder) = runtime.block_on(stores());
    let tables: Vec<_> = stores
        .iter()
        .map(|it| Table { name: "filtered".to_owned(), record: record(), dialect: it.dialect() })
        .collect();
    for (store, table) in stores.iter().zip(&tables) {
        for statement in table.create() {
            let made: Result<u64, Problem> =
                runtime.block_on(async { transact!(store, None, |tx| tx.execute(statement.clone(), vec![]).await) });
            made.unwrap();
        }
    }
    let rows = proptest::collection::vec(any_row(), ROWS);
    let filters = proptest::collection::vec(any_filter(), FILTERS);
    proptest!(ProptestConfig::with_cases(CASES), |(mut rows in rows, filters in filters)| {
        for (id, row) in (0_i64..).zip(&mut rows) {
            row[0] = Value::Integer(id);
        }
        for (store, table) in stores.iter().zip(&tables) {
            runtime.block_on(agrees(store, table, &rows, &filters))?;
        }
    });
    runtime.block_on(async {
        for store in &stores {
            store.close().await;
        }
    });
}

/// A prefix, and with it `under`, is a range of an index, not a scan.
#[tokio::test]
async fn a_prefix_uses_the_index() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let table = Table { name: "planned".to_owned(), record: record(), dialect: store.dialect() };
        for statement in table.create() {
            let made: Result<u64, Problem> = transact!(store, None, |tx| tx.execute(statement.clone(), vec![]).await);
            made.unwrap();
        }
        let field = FieldName::new("division").unwrap();
        let filter = Filter::test(Test::StartsWith { field, text: "3201".to_owned() });
        let (text, values) = filter.sql(&table.record, table.dialect, 1);
        let (explain, index) = match table.dialect {
            Dialect::Sqlite => ("EXPLAIN QUERY PLAN", "USING INDEX planned_division (division>? AND division<?)"),
            Dialect::Postgres => ("EXPLAIN", "planned_division"),
        };
        let text = Statement::built(format!("{explain} SELECT \"name\" FROM planned WHERE {text}"));
        let plan = store.read().await.unwrap().rows(text, values.iter().map(arg).collect()).await.unwrap();
        assert!(format!("{plan:?}").contains(index), "{plan:?}");
    }
}
