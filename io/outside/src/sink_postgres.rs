//! Tables of ours in PostgreSQL: `COPY` into a table beside, and one statement that merges.

use crate::{
    Name, SinkColumn, SinkDone, SinkKind, SinkMark, SinkRow, SinkTable,
    driver::{CONNECT_MAX, trouble},
    problem::Trouble,
    sink::SINK_PAGE_ROWS_MAX,
};
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _, SqlSafeStr as _,
    postgres::{PgConnectOptions, PgRow},
};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::timeout;
use vocabulary::Digest;

/// The database ends a statement so much sooner than we give up the call.
const SOONER: Duration = Duration::from_secs(5);
/// The table that says how far each delivery is. It stands in the schema of the table that is filled.
const MARKS: &str = "yunhe_delivery_mark";
/// `COPY` is sent in pieces of this many bytes.
const COPY_BYTES: usize = 1 << 20;

type Done<T> = Result<T, Trouble>;

async fn connect(options: &PgConnectOptions, most: Duration) -> Done<PgConnection> {
    let connecting = timeout(CONNECT_MAX, PgConnection::connect_with(options)).await;
    let mut connection = connecting.map_err(|_| Trouble::Away("no connection came about in time"))?.map_err(told)?;
    let settings = format!(
        "SET statement_timeout = {}; SET lock_timeout = 20000; SET DateStyle = 'ISO, YMD'; SET TimeZone = 'UTC'; \
         SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; SET synchronous_commit = on",
        most.saturating_sub(SOONER).as_millis()
    );
    run(&mut connection, settings).await?;
    Ok(connection)
}

#[expect(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn told(error: sqlx::Error) -> Trouble {
    trouble(&error)
}

async fn run(connection: &mut PgConnection, sql: String) -> Done<()> {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql).into_sql_str())).await.map(|_| ()).map_err(told)
}

async fn changed(connection: &mut PgConnection, sql: String, args: &[String]) -> Done<u64> {
    let mut query = sqlx::query(AssertSqlSafe(sql).into_sql_str()).persistent(false);
    for arg in args {
        query = query.bind(arg.clone());
    }
    query.execute(connection).await.map(|it| it.rows_affected()).map_err(told)
}

async fn rows(connection: &mut PgConnection, sql: String, args: &[String]) -> Done<Vec<PgRow>> {
    let mut query = sqlx::query(AssertSqlSafe(sql).into_sql_str()).persistent(false);
    for arg in args {
        query = query.bind(arg.clone());
    }
    query.fetch_all(connection).await.map_err(told)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A title as a literal: what a peer calls its columns may hold anything.
fn literal(text: &str) -> String {
    let text: String = text.chars().filter(|it| !it.is_control()).collect();
    format!("'{}'", text.replace('\'', "''"))
}

/// A table beside the one that is filled, in its schema.
fn beside(table: &SinkTable, name: &str) -> String {
    match &table.name.schema {
        Some(schema) => format!("{}.{}", quoted(schema.as_str()), quoted(name)),
        None => quoted(name),
    }
}

fn whole(table: &SinkTable) -> String {
    beside(table, table.name.name.as_str())
}

/// Where rows of a whole set lie until they are put into the table.
fn staged(table: &SinkTable) -> String {
    let digest = Digest::of(table.delivery.as_bytes());
    beside(
        table,
        &format!("yunhe_stage_{}", digest.hash.iter().take(8).map(|it| format!("{it:02x}")).collect::<String>()),
    )
}

fn list<'a>(names: impl Iterator<Item = &'a Name>, of: &str) -> String {
    names.map(|it| format!("{of}{}", quoted(it.as_str()))).collect::<Vec<_>>().join(", ")
}

fn names(table: &SinkTable) -> impl Iterator<Item = &Name> {
    table.columns.iter().map(|it| &it.name)
}

fn same_key(table: &SinkTable, one: &str, other: &str) -> String {
    let pairs = table.key.iter().map(|it| format!("{one}{0} = {other}{0}", quoted(it.as_str())));
    pairs.collect::<Vec<_>>().join(" AND ")
}

fn kind(kind: SinkKind) -> String {
    match kind {
        SinkKind::Text => "TEXT COLLATE \"C\"".to_owned(),
        SinkKind::Integer => "BIGINT".to_owned(),
        SinkKind::Decimal { precision, scale } => format!("NUMERIC({precision},{scale})"),
        SinkKind::Boolean => "BOOLEAN".to_owned(),
        SinkKind::Date => "DATE".to_owned(),
        SinkKind::Instant => "TIMESTAMPTZ".to_owned(),
    }
}

/// Whether a column of the database's type holds the kind exactly.
fn holds(native: &str, wanted: SinkKind) -> bool {
    match wanted {
        SinkKind::Text => native == "text" || native.starts_with("character varying"),
        SinkKind::Integer => native == "bigint",
        SinkKind::Decimal { precision, scale } => {
            let inner = native.strip_prefix("numeric(").and_then(|it| it.strip_suffix(')'));
            let parts = inner.and_then(|it| it.split_once(','));
            parts.is_some_and(|(all, behind)| {
                all.parse::<u16>().is_ok_and(|it| it >= u16::from(precision)) && behind.parse() == Ok(scale)
            })
        }
        SinkKind::Boolean => native == "boolean",
        SinkKind::Date => native == "date",
        SinkKind::Instant => native == "timestamp with time zone" || native == "timestamp(6) with time zone",
    }
}

/// A column of a table that is there: its type, whether it must hold something that nobody gives.
struct There {
    native: String,
    mandatory: bool,
    defaulted: bool,
}

/// What stands where rows are to go.
pub(crate) enum Prepared {
    /// A table that fits, with so many rows.
    Rows(u64),
    /// One that does not, and why.
    Flaws(Vec<(String, String)>),
}

pub(crate) async fn prepare(options: &PgConnectOptions, most: Duration, table: &SinkTable) -> Done<Prepared> {
    let mut connection = connect(options, most).await?;
    let marks = format!(
        "CREATE TABLE IF NOT EXISTS {} (delivery TEXT PRIMARY KEY, source TEXT NOT NULL, next BIGINT NOT NULL)",
        beside(table, MARKS)
    );
    run(&mut connection, marks).await?;
    let there = describe(&mut connection, table).await?;
    if there.is_empty() {
        run(&mut connection, create(table)).await?;
        return Ok(Prepared::Rows(0));
    }
    let flaws = flaws(table, &there, keyed(&mut connection, table).await?);
    if !flaws.is_empty() {
        return Ok(Prepared::Flaws(flaws));
    }
    count(&mut connection, &whole(table)).await.map(Prepared::Rows)
}

async fn count(connection: &mut PgConnection, name: &str) -> Done<u64> {
    let held = rows(connection, format!("SELECT COUNT(*) FROM {name}"), &[]).await?;
    let count: i64 = held.first().map_or(Ok(0), |it| it.try_get(0)).map_err(told)?;
    Ok(count.unsigned_abs())
}

/// Holds what lies aside to ourselves; refused where it is not what we laid there.
async fn hold(connection: &mut PgConnection, table: &SinkTable, staged: u64) -> Done<()> {
    let stage = self::staged(table);
    run(connection, format!("LOCK TABLE {stage} IN EXCLUSIVE MODE")).await?;
    match count(connection, &stage).await? == staged {
        true => Ok(()),
        false => Err(Trouble::Refused("staged".to_owned())),
    }
}

async fn describe(connection: &mut PgConnection, table: &SinkTable) -> Done<BTreeMap<String, There>> {
    let sql = "
        SELECT CAST(a.attname AS text), format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef
          FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped";
    let mut there = BTreeMap::new();
    for row in rows(connection, sql.to_owned(), &[whole(table)]).await? {
        let about = There {
            native: row.try_get(1).map_err(told)?,
            mandatory: row.try_get(2).map_err(told)?,
            defaulted: row.try_get(3).map_err(told)?,
        };
        there.insert(row.try_get(0).map_err(told)?, about);
    }
    Ok(there)
}

/// Whether the key's columns, and no others, are unique in the table.
async fn keyed(connection: &mut PgConnection, table: &SinkTable) -> Done<bool> {
    let sql = "
        SELECT (SELECT string_agg(CAST(a.attname AS text), chr(1) ORDER BY CAST(a.attname AS text) COLLATE \"C\")
                  FROM unnest(CAST(i.indkey AS smallint[])) WITH ORDINALITY AS u (attnum, place)
                  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
                 WHERE u.place <= i.indnkeyatts)
          FROM pg_index i
         WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid AND i.indimmediate
           AND i.indpred IS NULL AND i.indexprs IS NULL";
    let mut key: Vec<&str> = table.key.iter().map(Name::as_str).collect();
    key.sort_unstable();
    let key = key.join("\u{1}");
    let found = rows(connection, sql.to_owned(), &[whole(table)]).await?;
    Ok(found.iter().any(|it| it.try_get::<String, _>(0).is_ok_and(|it| it == key)))
}

fn flaws(table: &SinkTable, there: &BTreeMap<String, There>, keyed: bool) -> Vec<(String, String)> {
    let mut flaws = Vec::new();
    if !keyed {
        let key = table.key.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
        flaws
            .push((format!("({key}) 上没有主键或唯一约束"), format!("no primary key or unique constraint on ({key})")));
    }
    for column in &table.columns {
        let (name, wanted) = (&column.name, kind(column.kind));
        match there.get(name.as_str()) {
            None => flaws.push((format!("缺少列 {name}（{wanted}）"), format!("column {name} ({wanted}) is missing"))),
            Some(it) if !holds(&it.native, column.kind) => flaws.push((
                format!("列 {name} 的类型 {} 应为 {wanted}", it.native),
                format!("column {name} is of type {}, should be {wanted}", it.native),
            )),
            Some(it) if it.mandatory && column.nullable => {
                flaws.push((format!("列 {name} 应可为空"), format!("column {name} must be nullable")));
            }
            Some(_) => {}
        }
    }
    let given = |it: &str| table.columns.iter().any(|column| column.name.as_str() == it);
    for (name, _) in there.iter().filter(|(name, it)| !given(name) && it.mandatory && !it.defaulted) {
        flaws.push((
            format!("自有列 {name} 应可为空或有缺省值"),
            format!("column {name} is not delivered and must be nullable or have a default"),
        ));
    }
    flaws
}

fn create(table: &SinkTable) -> String {
    // The key alone must hold something: the provider's type may make any other field optional later.
    let column = |it: &SinkColumn| format!("{} {}", quoted(it.name.as_str()), kind(it.kind));
    let columns = table.columns.iter().map(column).collect::<Vec<_>>().join(", ");
    let name = whole(table);
    let mut sql = format!(
        "BEGIN; CREATE TABLE {name} ({columns}, PRIMARY KEY ({})); COMMENT ON TABLE {name} IS {};",
        list(table.key.iter(), ""),
        literal(&table.title)
    );
    for column in &table.columns {
        let title = literal(&column.title);
        sql.push_str(&format!(" COMMENT ON COLUMN {name}.{} IS {title};", quoted(column.name.as_str())));
    }
    sql + " COMMIT"
}

pub(crate) async fn mark(options: &PgConnectOptions, most: Duration, table: &SinkTable) -> Done<Option<SinkMark>> {
    noted(&mut connect(options, most).await?, table).await
}

/// The mark; none as well where a database made anew has no table for it.
async fn noted(connection: &mut PgConnection, table: &SinkTable) -> Done<Option<SinkMark>> {
    let marks = beside(table, MARKS);
    let there = rows(connection, "SELECT to_regclass($1) IS NOT NULL".to_owned(), std::slice::from_ref(&marks)).await?;
    if !there.first().is_some_and(|it| it.try_get(0).unwrap_or(false)) {
        return Ok(None);
    }
    let sql = format!("SELECT source, next FROM {marks} WHERE delivery = $1");
    let found = rows(connection, sql, std::slice::from_ref(&table.delivery)).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let next: i64 = row.try_get(1).map_err(told)?;
    Ok(Some(SinkMark { source: row.try_get(0).map_err(told)?, next: u32::try_from(next).unwrap_or(u32::MAX) }))
}

/// Rows in the text format of `COPY`, sent in pieces.
async fn copy(connection: &mut PgConnection, into: &str, rows: &[SinkRow]) -> Done<()> {
    let mut copy = connection.copy_in_raw(&format!("COPY {into} FROM STDIN")).await.map_err(told)?;
    let mut piece = Vec::with_capacity(COPY_BYTES + 4_096);
    for row in rows {
        line(row, &mut piece);
        if piece.len() >= COPY_BYTES {
            copy.send(piece.as_slice()).await.map_err(told)?;
            piece.clear();
        }
    }
    copy.send(piece.as_slice()).await.map_err(told)?;
    copy.finish().await.map(|_| ()).map_err(told)
}

fn line(row: &SinkRow, out: &mut Vec<u8>) {
    for (at, cell) in row.iter().enumerate() {
        if at > 0 {
            out.push(b'\t');
        }
        let Some(text) = cell else {
            out.extend_from_slice(b"\\N");
            continue;
        };
        for byte in text.bytes() {
            match byte {
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                other => out.push(other),
            }
        }
    }
    out.push(b'\n');
}

pub(crate) async fn stage(
    options: &PgConnectOptions,
    most: Duration,
    table: &SinkTable,
    (rows, behind): (&[SinkRow], u64),
) -> Done<u64> {
    let mut connection = connect(options, most).await?;
    let (stage, columns) = (staged(table), list(names(table), ""));
    run(&mut connection, "BEGIN".to_owned()).await?;
    if behind == 0 {
        let anew = format!(
            "DROP TABLE IF EXISTS {stage}; CREATE UNLOGGED TABLE {stage} AS SELECT {columns} FROM {} WITH NO DATA",
            whole(table)
        );
        run(&mut connection, anew).await?;
    } else {
        hold(&mut connection, table, behind).await?;
    }
    copy(&mut connection, &format!("{stage} ({columns})"), rows).await?;
    run(&mut connection, "COMMIT".to_owned()).await?;
    Ok(behind + rows.len() as u64)
}

/// Brings the rows of another table in; rows that are as they were are not written.
fn upsert(table: &SinkTable, from: &str) -> String {
    let columns = list(names(table), "");
    let others: Vec<&Name> = names(table).filter(|it| !table.key.contains(it)).collect();
    let into = format!(
        "INSERT INTO {} AS t ({columns}) SELECT {columns} FROM {from} ON CONFLICT ({})",
        whole(table),
        list(table.key.iter(), "")
    );
    if others.is_empty() {
        return format!("{into} DO NOTHING");
    }
    let set = others.iter().map(|it| format!("{0} = excluded.{0}", quoted(it.as_str()))).collect::<Vec<_>>().join(", ");
    let (old, new) = (list(others.iter().copied(), "t."), list(others.iter().copied(), "excluded."));
    format!("{into} DO UPDATE SET {set} WHERE ({old}) IS DISTINCT FROM ({new})")
}

pub(crate) async fn fill(
    options: &PgConnectOptions,
    most: Duration,
    table: &SinkTable,
    (mark, staged): (&SinkMark, u64),
) -> Done<SinkDone> {
    let mut connection = connect(options, most).await?;
    let (stage, name) = (self::staged(table), whole(table));
    run(&mut connection, format!("ANALYZE {stage}")).await?;
    run(&mut connection, "BEGIN".to_owned()).await?;
    hold(&mut connection, table, staged).await?;
    let gone = format!(
        "DELETE FROM {name} AS t WHERE NOT EXISTS (SELECT 1 FROM {stage} AS s WHERE {})",
        same_key(table, "s.", "t.")
    );
    let removed = changed(&mut connection, gone, &[]).await?;
    let put = changed(&mut connection, upsert(table, &stage), &[]).await?;
    let set = format!(
        "INSERT INTO {} (delivery, source, next) VALUES ($1, $2, CAST($3 AS bigint))
         ON CONFLICT (delivery) DO UPDATE SET source = excluded.source, next = excluded.next",
        beside(table, MARKS)
    );
    let args = [table.delivery.clone(), mark.source.clone(), mark.next.to_string()];
    changed(&mut connection, set, &args).await?;
    run(&mut connection, format!("DROP TABLE {stage}")).await?;
    run(&mut connection, "COMMIT".to_owned()).await?;
    Ok(SinkDone { put, removed })
}

pub(crate) async fn merge(
    options: &PgConnectOptions,
    most: Duration,
    table: &SinkTable,
    (page, put, gone): (&SinkMark, &[SinkRow], &[SinkRow]),
) -> Done<Option<SinkDone>> {
    let mut connection = connect(options, most).await?;
    run(&mut connection, "BEGIN".to_owned()).await?;
    let next = format!(
        "UPDATE {} SET next = next + 1 WHERE delivery = $1 AND source = $2 AND next = CAST($3 AS bigint)",
        beside(table, MARKS)
    );
    let args = [table.delivery.clone(), page.source.clone(), page.next.to_string()];
    if changed(&mut connection, next, &args).await? == 0 {
        run(&mut connection, "ROLLBACK".to_owned()).await?;
        let behind = noted(&mut connection, table).await?;
        let is_in = behind.is_some_and(|it| it.source == page.source && it.next > page.next);
        return Ok(is_in.then(SinkDone::default));
    }
    let (columns, key) = (list(names(table), ""), list(table.key.iter(), ""));
    let name = whole(table);
    let beside = format!(
        "CREATE TEMPORARY TABLE yunhe_put ON COMMIT DROP AS SELECT {columns} FROM {name} WITH NO DATA;
         CREATE TEMPORARY TABLE yunhe_gone ON COMMIT DROP AS SELECT {key} FROM {name} WITH NO DATA"
    );
    run(&mut connection, beside).await?;
    copy(&mut connection, &format!("yunhe_put ({columns})"), put).await?;
    copy(&mut connection, &format!("yunhe_gone ({key})"), gone).await?;
    run(&mut connection, "ANALYZE yunhe_put; ANALYZE yunhe_gone".to_owned()).await?;
    let delete = format!("DELETE FROM {name} AS t USING yunhe_gone AS g WHERE {}", same_key(table, "t.", "g."));
    let removed = changed(&mut connection, delete, &[]).await?;
    let put = changed(&mut connection, upsert(table, "yunhe_put"), &[]).await?;
    run(&mut connection, "COMMIT".to_owned()).await?;
    Ok(Some(SinkDone { put, removed }))
}

/// A column as text, in the form in which it was given.
fn shown(column: &SinkColumn) -> String {
    let name = quoted(column.name.as_str());
    match column.kind {
        SinkKind::Instant => format!("to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"),
        SinkKind::Date => format!("to_char({name}, 'YYYY-MM-DD')"),
        _ => format!("CAST({name} AS text)"),
    }
}

/// A column as it is ordered by: text by its bytes.
fn ordered(column: &SinkColumn) -> String {
    let name = quoted(column.name.as_str());
    if column.kind == SinkKind::Text { format!("{name} COLLATE \"C\"") } else { name }
}

/// A parameter that is compared with the column.
fn parameter(column: &SinkColumn, number: usize) -> String {
    match column.kind {
        SinkKind::Text => format!("CAST(${number} AS text)"),
        SinkKind::Decimal { .. } => format!("CAST(CAST(${number} AS text) AS numeric)"),
        other => format!("CAST(CAST(${number} AS text) AS {})", kind(other)),
    }
}

pub(crate) async fn page(
    options: &PgConnectOptions,
    most: Duration,
    table: &SinkTable,
    after: Option<&[String]>,
) -> Done<Vec<SinkRow>> {
    let mut connection = connect(options, most).await?;
    let key: Vec<&SinkColumn> = table.places().into_iter().map(|it| &table.columns[it]).collect();
    let columns = table.columns.iter().map(shown).collect::<Vec<_>>().join(", ");
    let order = key.iter().map(|it| ordered(it)).collect::<Vec<_>>().join(", ");
    let behind = match after {
        None => String::new(),
        Some(_) => {
            let bounds = key.iter().zip(1..).map(|(it, at)| parameter(it, at)).collect::<Vec<_>>().join(", ");
            format!(" WHERE ({order}) > ({bounds})")
        }
    };
    let sql = format!("SELECT {columns} FROM {}{behind} ORDER BY {order} LIMIT {SINK_PAGE_ROWS_MAX}", whole(table));
    let found = rows(&mut connection, sql, after.unwrap_or_default()).await?;
    found.iter().map(|row| (0..table.columns.len()).map(|it| row.try_get(it).map_err(told)).collect()).collect()
}
