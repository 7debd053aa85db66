//! Tables of others queried where they stand: the filter in their SQL, and what a consumer gets of them.

use crate::{
    filters::{any_filter, any_row, record},
    sources::{all_databases, pack, quoted, table},
};
use outside::{Address, Connection, ConnectionConfig, Name, PAGE_ROWS_MAX, Read, Rows, System, Table, Where};
use proptest::prelude::*;
use rule::Filter;
use schema::{FieldName, FieldType, RecordType, Value};
use serde_json::{Value as Json, json};
use testkit::{Outside, World, story};
use vocabulary::ResourceId;

/// Rows and filters of one case.
const ROWS: usize = 30;
const FILTERS: usize = 30;
const CASES: u32 = 16;
const PROVIDER: &str = "js-scjg";

/// A column for a field in the words of a database: moments stand as wall clocks in one and as moments in the other.
fn column(system: System, name: &str, kind: &FieldType) -> &'static str {
    match (system, kind) {
        (_, FieldType::Integer) => "bigint",
        (_, FieldType::Decimal { scale: 18, .. }) => "decimal(18,18)",
        (_, FieldType::Decimal { .. } | FieldType::Money) => "decimal(20,2)",
        (System::MySql, FieldType::Boolean) => "tinyint(1)",
        (_, FieldType::Boolean) => "boolean",
        (_, FieldType::Date) => "date",
        (System::MySql, FieldType::Timestamp) => "datetime(6)",
        (System::Postgres, FieldType::Timestamp) if name == "loaded" => "timestamptz",
        (_, FieldType::Timestamp) => "timestamp",
        _ => "varchar(200)",
    }
}

fn literal(system: System, name: &str, kind: &FieldType, value: &Value) -> String {
    let hex = |text: &str| hex::encode(text);
    match (system, value) {
        (_, Value::Null) => "NULL".to_owned(),
        (System::MySql, Value::Text(it)) => format!("CONVERT(X'{}' USING utf8mb4)", hex(it)),
        (System::Postgres, Value::Text(it)) => format!("convert_from('\\x{}', 'UTF8')", hex(it)),
        (System::Sqlite, Value::Text(it)) => format!("CAST(X'{}' AS TEXT)", hex(it)),
        (System::Postgres, Value::Boolean(it)) => it.to_string(),
        (_, Value::Boolean(it)) => i64::from(*it).to_string(),
        (System::Postgres, Value::Timestamp(it)) if name == "loaded" => format!("'{it}'"),
        (_, Value::Timestamp(it)) => {
            let clock = jiff::tz::Offset::constant(8).to_datetime(*it);
            format!("'{}'", clock.strftime("%Y-%m-%d %H:%M:%S%.6f"))
        }
        (_, Value::Date(it)) => format!("'{it}'"),
        _ => kind.render(value),
    }
}

/// What a database of others cannot hold, or a file could not bring in: money of nineteen digits, the first centuries.
fn held(value: Value) -> Value {
    match value {
        Value::Scaled(it) if it.unsigned_abs() >= 10_u64.pow(17) => Value::Null,
        Value::Timestamp(it) if !(1_001..9_998).contains(&jiff::tz::Offset::UTC.to_datetime(it).year()) => Value::Null,
        // An empty cell holds nothing.
        Value::Text(it) if it.is_empty() => Value::Null,
        other => other,
    }
}

struct Foreign {
    database: Outside,
    connection: Connection,
    record: RecordType,
    columns: Vec<(FieldName, Name)>,
}

impl Foreign {
    async fn make(database: Outside) -> Self {
        let name = ResourceId::new("foreign").unwrap();
        let config = ConnectionConfig { url: Address::new(database.url()), ..ConnectionConfig::new(name) };
        let connection = Connection::open(&config).unwrap();
        let (record, system) = (record(), connection.system());
        let columns = record.fields.iter().map(|(name, field)| {
            let key = if name.as_str() == "id" { " NOT NULL PRIMARY KEY" } else { " NULL" };
            format!("\"{name}\" {}{key}", column(system, name.as_str(), &field.kind))
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        database.run(&quoted(&database, &format!("CREATE TABLE filtered ({columns})"))).await;
        let columns = record.fields.keys().map(|it| (it.clone(), Name::new(it.as_str()).unwrap())).collect();
        Self { database, connection, record, columns }
    }

    async fn fill(&self, rows: &[Vec<Value>]) {
        let system = self.connection.system();
        let rows: Vec<String> = rows
            .iter()
            .map(|row| {
                let cells = self.record.fields.iter().zip(row);
                let cells = cells.map(|((name, field), it)| literal(system, name.as_str(), &field.kind, it));
                format!("({})", cells.collect::<Vec<_>>().join(", "))
            })
            .collect();
        self.database.run(&format!("DELETE FROM filtered; INSERT INTO filtered VALUES {}", rows.join(", "))).await;
    }

    async fn chosen(&self, table: &Table, filter: &Filter) -> Vec<usize> {
        let id = [Name::new("id").unwrap()];
        let asked = Where { filter, record: &self.record, columns: &self.columns };
        let (rows, filter, limit) = (Rows::All, Some(asked), PAGE_ROWS_MAX);
        let read = Read { table, columns: &id, key: &id, rows, filter, after: None, limit };
        let page = self.connection.read(&read).await.unwrap_or_else(|it| panic!("{it} {filter:?}"));
        page.rows.iter().map(|it| it[0].as_deref().unwrap().parse().unwrap()).collect()
    }
}

/// MariaDB and PostgreSQL choose the very rows that the row evaluator chooses, from columns that are not ours; SQLite,
/// where a column holds whatever it was given, never fewer.
#[test]
fn databases_of_others_choose_the_same_rows() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let all = runtime.block_on(async {
        let mut all = Vec::new();
        for database in all_databases().await {
            let foreign = Foreign::make(database).await;
            let table = foreign.connection.table(&"filtered".parse().unwrap()).await.unwrap();
            all.push((foreign, table));
        }
        all
    });
    let rows = proptest::collection::vec(any_row(), ROWS);
    let filters = proptest::collection::vec(any_filter(), FILTERS);
    proptest!(ProptestConfig::with_cases(CASES), |(rows in rows, filters in filters)| {
        let mut rows: Vec<Vec<Value>> = rows.into_iter().map(|row| row.into_iter().map(held).collect()).collect();
        for (id, row) in (0_i64..).zip(&mut rows) {
            row[0] = Value::Integer(id);
        }
        for (foreign, table) in &all {
            runtime.block_on(foreign.fill(&rows));
            for filter in &filters {
                let chosen = runtime.block_on(foreign.chosen(table, filter));
                let holds = |it: &usize| filter.matches(&foreign.record, &rows[*it]);
                let wanted: Vec<usize> = (0..rows.len()).filter(holds).collect();
                let system = foreign.connection.system();
                if system == System::Sqlite {
                    let left: Vec<usize> = chosen.into_iter().filter(holds).collect();
                    prop_assert_eq!(left, wanted, "{:?}", filter);
                } else {
                    prop_assert_eq!(chosen, wanted, "{:?} {:?}", system, filter);
                }
            }
        }
    });
    runtime.block_on(async {
        for (foreign, _) in &all {
            foreign.connection.close().await;
        }
    });
}

fn live_pack() -> Json {
    let mut pack = pack("  live: true\n");
    let offer = "offer: ent-base\nof: ent-base\nshare: unconditional\nrows: row.code.startsWith(\"K000\")\n\
                 columns: [code, name, capital, founded]\n";
    pack["files"]["offers/ent-base.yaml"] = json!(offer);
    let small = "offer: ent-small\nof: ent-base\nshare: unconditional\nrows: row.capital < money(\"100.00\")\n\
                 columns: [code, name]\n";
    pack["files"]["offers/ent-small.yaml"] = json!(small);
    pack
}

/// A consumer gets from the table itself what was agreed and no more; what does not fit is left out and counted; when
/// the table is away it hears so, and other offers go on.
async fn is_queried_where_it_stands(mut world: World, database: Option<Outside>) {
    let Some(database) = database else { return };
    world.province(20).await;
    let base = world.agree_base().await;
    table(&database, 0..300).await;
    let long = "UPDATE \"ENT_BASE\" SET \"QYMC\" = '很长很长很长很长很长很长很长很长很长很长很长的名称' WHERE \"TYSHXYDM\" = 'K00007'";
    database.run(&quoted(&database, long)).await;
    world.connect(PROVIDER, "market-db", &database.url()).await;
    world.as_(PROVIDER, "administrator").post("/v1/packs", live_pack()).await.expect_status(200);
    // Its node has begun anew, and who asked it meanwhile looks again in a moment.
    let requester = world.as_("nj-gxj", "requester").desk().await;
    let draft = World::draft("ent-base", "2026-12-31");
    let heard = || async { requester.post("/v1/requests", draft.clone()).await.status == 200 };
    world.until("the provider is heard again", heard).await;
    let asked = world.ask("ent-base", "2026-12-31").await;
    let agreement = world.sign(asked["request"]["body"]["id"].as_str().unwrap()).await;

    let one = world.query(&agreement, json!({"key": ["K00042"]})).await.expect_status(200);
    let row = json!({"code": "K00042", "name": "企业, \"42\"", "capital": "42.50", "founded": "2026-01-02"});
    assert_eq!(one["rows"], json!([row]));
    assert_eq!(one["receipt"]["body"]["rows"], 1);
    world.query(&agreement, json!({"key": ["K00142"]})).await.expect_problem("exchange.restriction", 403);
    world.query(&agreement, json!({"key": ["k00042"]})).await.expect_problem("exchange.restriction", 403);
    let expected = pages_hold_what_was_agreed(&world, &agreement, &database).await;
    a_condition_that_it_cannot_be_asked(&world, &expected, &database).await;
    the_rest_of_it(&world, &agreement).await;

    world.connect(PROVIDER, "market-db", "mysql://nobody@127.0.0.1:1/none").await;
    let away = world.query(&agreement, json!({"key": ["K00042"]})).await.expect_problem("source.away", 503);
    assert!(!away.to_string().contains("nobody"), "{away}");
    world.query(&base, json!({"limit": 1})).await.expect_status(200);
}

/// Page by page the rows that were agreed, without the one that does not fit.
async fn pages_hold_what_was_agreed(world: &World, agreement: &str, database: &Outside) -> Vec<String> {
    let (mut seen, mut after) = (Vec::new(), Json::Null);
    loop {
        let mut ask = json!({"limit": 30});
        if !after.is_null() {
            ask["after"] = after;
        }
        let page = world.query(agreement, ask).await.expect_status(200);
        seen.extend(page["rows"].as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap().to_owned()));
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    let expected: Vec<String> = (0..100).filter(|it| *it != 7).map(|it| format!("K{it:05}")).collect();
    assert_eq!(seen, expected, "{}", database.url());
    expected
}

/// A condition that SQLite cannot be asked: no row outside of it is told, not even as where to go on.
async fn a_condition_that_it_cannot_be_asked(world: &World, expected: &[String], database: &Outside) {
    let asked = world.ask("ent-small", "2026-12-31").await;
    let small = world.sign(asked["request"]["body"]["id"].as_str().unwrap()).await;
    let (mut found, mut after) = (0, Json::Null);
    loop {
        let mut ask = json!({"limit": 30});
        if !after.is_null() {
            ask["after"] = after;
        }
        let page = world.query(&small, ask).await.expect_status(200);
        found += page["rows"].as_array().unwrap().len();
        after = page["next"].clone();
        let Some(next) = after.get(0) else { break };
        assert!(expected.iter().any(|it| next == it), "{next} is none of the consumer's: {}", database.url());
    }
    assert_eq!(found, expected.len());
}

/// Conditions of a caller's own, what is counted, and no batches.
async fn the_rest_of_it(world: &World, agreement: &str) {
    let rows = "row.name.endsWith(\"9\\\"\") && row.capital > money(\"50.00\")";
    let few = world.query(agreement, json!({"rows": rows})).await;
    assert_eq!(few.expect_status(200)["rows"].as_array().unwrap().len(), 5);
    let metrics = world.as_(PROVIDER, "auditor").get("/metrics").await.text();
    assert!(metrics.contains("yunhe_source_unfit_total{organisation=\"js-scjg\"} 2"), "{metrics}");

    let pull = world.application().post("/v1/pulls", json!({"agreement": agreement, "format": "csv"})).await;
    let pull = pull.expect_status(200)["id"].as_str().unwrap().to_owned();
    let state = || async { world.application().get(&format!("/v1/pulls/{pull}")).await.expect_status(200) };
    world.until("the batch is refused", || async { state().await["state"] == "failed" }).await;
    assert_eq!(state().await["problem"]["code"], "source.live");
}

story! {
    /// A table of MariaDB; see [`is_queried_where_it_stands`].
    async fn a_table_of_mariadb_is_queried_where_it_stands(world: World) {
        is_queried_where_it_stands(world, Outside::mariadb().await).await;
    }
}

story! {
    /// A table of PostgreSQL; see [`is_queried_where_it_stands`].
    async fn a_table_of_postgres_is_queried_where_it_stands(world: World) {
        is_queried_where_it_stands(world, Outside::postgres().await).await;
    }
}

story! {
    /// A table of SQLite; see [`is_queried_where_it_stands`].
    async fn a_table_of_sqlite_is_queried_where_it_stands(world: World) {
        is_queried_where_it_stands(world, Outside::sqlite().await).await;
    }
}
