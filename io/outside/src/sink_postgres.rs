//! Tables of ours in PostgreSQL: a whole set comes by `COPY`, a page of changes as arrays of one statement each.

use crate::{
    Name, SinkColumn, SinkDone, SinkKind, SinkMark, SinkRows, SinkTable, TableName,
    driver::{CONNECT_MAX, trouble},
    problem::Trouble,
    sink::{Texts, own},
    sink_shape::{Prepared, There, Types, flaws},
};
use futures::TryStreamExt as _;
use rule::copy;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _, SqlSafeStr as _,
    postgres::{PgConnectOptions, PgRow},
};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::timeout;

/// The database ends a statement so much sooner than we give up the call.
const SOONER: Duration = Duration::from_secs(5);
/// The table that says which delivery fills which table, and how far each is. It stands in the schema of those.
const MARKS: &str = "yunhe_delivery_mark";
/// Where rows of a whole set lie until they are put into a table that holds some.
const STAGE: &str = "yunhe_stage";
/// `COPY` is sent in pieces of this many bytes.
const COPY_BYTES: usize = 256 << 10;

const TYPES: Types = Types { kind: |it, _| kind(it), holds };

type Done<T> = Result<T, Trouble>;

/// A connection, and the schema that the table stands in.
struct Session {
    connection: PgConnection,
    schema: String,
}

impl Session {
    async fn open(options: &PgConnectOptions, most: Duration, table: &SinkTable) -> Done<Self> {
        let connecting = timeout(CONNECT_MAX, PgConnection::connect_with(options)).await;
        let connection = connecting.map_err(|_| Trouble::Away("no connection came about in time"))?.map_err(told)?;
        let mut session = Self { connection, schema: String::new() };
        let settings = format!(
            "SET statement_timeout = {}; SET lock_timeout = 20000; SET DateStyle = 'ISO, YMD'; SET TimeZone = 'UTC'; \
             SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; SET synchronous_commit = on",
            most.saturating_sub(SOONER).as_millis()
        );
        session.run(settings).await?;
        // Where the table is, or where it would be made: every name of it means the same from here on.
        let place =
            "SELECT CAST(COALESCE((SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                                            WHERE c.oid = to_regclass($1)), NULLIF($2, ''), current_schema()) AS text)";
        let named = table.name.schema.as_ref().map_or("", Name::as_str).to_owned();
        let found = session.rows(place.to_owned(), &[quoted_name(&table.name), named]).await?;
        let schema: Option<String> = found.first().map_or(Ok(None), |it| it.try_get(0)).map_err(told)?;
        session.schema = schema.ok_or_else(|| Trouble::Refused("3F000".to_owned()))?;
        Ok(session)
    }

    async fn run(&mut self, sql: String) -> Done<()> {
        self.connection.execute(sqlx::raw_sql(AssertSqlSafe(sql).into_sql_str())).await.map(|_| ()).map_err(told)
    }

    async fn changed(&mut self, sql: String, args: &[String]) -> Done<u64> {
        let mut query = sqlx::query(AssertSqlSafe(sql).into_sql_str()).persistent(false);
        for arg in args {
            query = query.bind(arg.clone());
        }
        query.execute(&mut self.connection).await.map(|it| it.rows_affected()).map_err(told)
    }

    /// A statement whose arguments are the columns of rows, each as an array of texts.
    async fn changed_by(&mut self, sql: String, rows: &dyn SinkRows, width: usize) -> Done<u64> {
        if rows.count() == 0 {
            return Ok(0);
        }
        let mut query = sqlx::query(AssertSqlSafe(sql).into_sql_str()).persistent(false);
        for column in 0..width {
            query = query.bind((0..rows.count()).map(|row| own(rows, row, column)).collect::<Vec<Option<String>>>());
        }
        query.execute(&mut self.connection).await.map(|it| it.rows_affected()).map_err(told)
    }

    async fn rows(&mut self, sql: String, args: &[String]) -> Done<Vec<PgRow>> {
        let mut query = sqlx::query(AssertSqlSafe(sql).into_sql_str()).persistent(false);
        for arg in args {
            query = query.bind(arg.clone());
        }
        query.fetch_all(&mut self.connection).await.map_err(told)
    }

    /// A table in the schema of the one that is filled.
    fn beside(&self, name: &str) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(name))
    }

    fn whole(&self, table: &SinkTable) -> String {
        self.beside(table.name.name.as_str())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn told(error: sqlx::Error) -> Trouble {
    trouble(&error)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn quoted_name(name: &TableName) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", quoted(schema.as_str()), quoted(name.name.as_str())),
        None => quoted(name.name.as_str()),
    }
}

/// A title as a literal: what a peer calls its columns may hold anything.
fn literal(text: &str) -> String {
    let text: String = text.chars().filter(|it| !it.is_control()).collect();
    format!("'{}'", text.replace('\'', "''"))
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
        SinkKind::Text { .. } => "TEXT COLLATE \"C\"".to_owned(),
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
        SinkKind::Text { .. } => native == "text" || native.starts_with("character varying"),
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

pub(crate) async fn prepare(
    options: &PgConnectOptions,
    most: Duration,
    table: &SinkTable,
    takes_over: bool,
) -> Done<Prepared> {
    let mut session = Session::open(options, most, table).await?;
    let marks = session.beside(MARKS);
    let make = format!(
        "CREATE TABLE IF NOT EXISTS {marks}
           (delivery TEXT PRIMARY KEY, target TEXT NOT NULL UNIQUE, source TEXT NOT NULL, next BIGINT NOT NULL)"
    );
    session.run(make).await?;
    let there = describe(&mut session, table).await?;
    if !there.is_empty() {
        let flaws = flaws(table, &there, keyed(&mut session, table).await?, &TYPES);
        if !flaws.is_empty() {
            return Ok(Prepared::Flaws(flaws));
        }
    }
    let target = table.name.name.as_str().to_owned();
    let args = [table.delivery.clone(), target];
    if takes_over {
        let free = format!("DELETE FROM {marks} WHERE target = $2 AND delivery <> $1");
        session.changed(free, &args).await?;
    }
    // Claimed under another name before, it is so under this one now; its mark stays.
    let claim =
        format!("INSERT INTO {marks} (delivery, target, source, next) VALUES ($1, $2, '', 0) ON CONFLICT DO NOTHING");
    session.changed(claim, &args).await?;
    let whose = session.rows(format!("SELECT delivery FROM {marks} WHERE target = $1"), &args[1..]).await?;
    let whose: Option<String> = whose.first().map(|it| it.try_get(0)).transpose().map_err(told)?;
    match whose {
        Some(whose) if whose != table.delivery => return Ok(Prepared::Taken(whose)),
        _ => {}
    }
    if there.is_empty() {
        session.run(create(&session, table)).await?;
        return Ok(Prepared::Rows(0));
    }
    let held = session.rows(format!("SELECT COUNT(*) FROM {}", session.whole(table)), &[]).await?;
    let count: i64 = held.first().map_or(Ok(0), |it| it.try_get(0)).map_err(told)?;
    Ok(Prepared::Rows(count.unsigned_abs()))
}

async fn describe(session: &mut Session, table: &SinkTable) -> Done<BTreeMap<String, There>> {
    // An order that is not deterministic takes different texts for the same.
    let sql = "
        SELECT CAST(a.attname AS text), format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef,
               (SELECT CAST(o.collname AS text) FROM pg_collation o
                 WHERE o.oid = a.attcollation AND NOT o.collisdeterministic)
          FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped";
    let mut there = BTreeMap::new();
    for row in session.rows(sql.to_owned(), &[session.whole(table)]).await? {
        let about = There {
            native: row.try_get(1).map_err(told)?,
            mandatory: row.try_get(2).map_err(told)?,
            defaulted: row.try_get(3).map_err(told)?,
            blurs: row.try_get(4).map_err(told)?,
        };
        there.insert(row.try_get(0).map_err(told)?, about);
    }
    Ok(there)
}

/// Whether the key's columns, and no others, are unique in the table.
async fn keyed(session: &mut Session, table: &SinkTable) -> Done<bool> {
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
    let found = session.rows(sql.to_owned(), &[session.whole(table)]).await?;
    Ok(found.iter().any(|it| it.try_get::<String, _>(0).is_ok_and(|it| it == key)))
}

fn create(session: &Session, table: &SinkTable) -> String {
    // The key alone must hold something: the provider's type may make any other field optional later.
    let column = |it: &SinkColumn| format!("{} {}", quoted(it.name.as_str()), kind(it.kind));
    let columns = table.columns.iter().map(column).collect::<Vec<_>>().join(", ");
    let name = session.whole(table);
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
    noted(&mut Session::open(options, most, table).await?, table).await
}

/// The mark; none as well where a database made anew has no table for it.
async fn noted(session: &mut Session, table: &SinkTable) -> Done<Option<SinkMark>> {
    let marks = session.beside(MARKS);
    let there = session.rows("SELECT to_regclass($1) IS NOT NULL".to_owned(), std::slice::from_ref(&marks)).await?;
    if !there.first().is_some_and(|it| it.try_get(0).unwrap_or(false)) {
        return Ok(None);
    }
    let sql = format!("SELECT source, next FROM {marks} WHERE delivery = $1 AND target = $2");
    let found = session.rows(sql, &[table.delivery.clone(), table.name.name.as_str().to_owned()]).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let next: i64 = row.try_get(1).map_err(told)?;
    Ok(Some(SinkMark { source: row.try_get(0).map_err(told)?, next: u32::try_from(next).unwrap_or(u32::MAX) }))
}

/// A whole set on its way: into the table itself where that is empty, else into one beside it.
pub(crate) struct Filling {
    session: Session,
    straight: bool,
}

impl Filling {
    pub(crate) async fn begin(options: &PgConnectOptions, most: Duration, table: &SinkTable) -> Done<Self> {
        let mut session = Session::open(options, most, table).await?;
        let name = session.whole(table);
        session.run("BEGIN".to_owned()).await?;
        let empty = format!("SELECT NOT EXISTS (SELECT 1 FROM {name})");
        if is_so(&session.rows(empty.clone(), &[]).await?) {
            // Whoever writes meanwhile waits; readers do not.
            session.run(format!("LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE")).await?;
            if is_so(&session.rows(empty, &[]).await?) {
                return Ok(Self { session, straight: true });
            }
        }
        let columns = list(names(table), "");
        let beside =
            format!("CREATE TEMPORARY TABLE {STAGE} ON COMMIT DROP AS SELECT {columns} FROM {name} WITH NO DATA");
        session.run(beside).await?;
        Ok(Self { session, straight: false })
    }

    pub(crate) async fn put(&mut self, table: &SinkTable, rows: &dyn SinkRows) -> Done<()> {
        let into = if self.straight { self.session.whole(table) } else { STAGE.to_owned() };
        let sql = format!("COPY {into} ({}) FROM STDIN", list(names(table), ""));
        let mut into = self.session.connection.copy_in_raw(&sql).await.map_err(told)?;
        let (mut piece, mut text) = (Vec::with_capacity(COPY_BYTES + 4_096), String::new());
        for row in 0..rows.count() {
            for column in 0..table.columns.len() {
                if column > 0 {
                    piece.push(b'\t');
                }
                text.clear();
                match rows.cell(row, column, &mut text) {
                    true => copy::write(&text, &mut piece),
                    false => piece.extend_from_slice(copy::NOTHING),
                }
            }
            piece.push(b'\n');
            if piece.len() >= COPY_BYTES {
                into.send(piece.as_slice()).await.map_err(told)?;
                piece.clear();
            }
        }
        into.send(piece.as_slice()).await.map_err(told)?;
        into.finish().await.map(|_| ()).map_err(told)
    }

    pub(crate) async fn end(mut self, table: &SinkTable, mark: &SinkMark, rows: u64) -> Done<SinkDone> {
        let session = &mut self.session;
        let mut done = SinkDone { put: rows, removed: 0 };
        if !self.straight {
            session.run(format!("ANALYZE {STAGE}")).await?;
            let gone = format!(
                "DELETE FROM {} AS t WHERE NOT EXISTS (SELECT 1 FROM {STAGE} AS s WHERE {})",
                session.whole(table),
                same_key(table, "s.", "t.")
            );
            done.removed = session.changed(gone, &[]).await?;
            done.put = session.changed(upsert(session, table, STAGE), &[]).await?;
        }
        let set = format!(
            "INSERT INTO {} (delivery, target, source, next) VALUES ($1, $2, $3, CAST($4 AS bigint))
             ON CONFLICT (delivery) DO UPDATE
                SET target = excluded.target, source = excluded.source, next = excluded.next",
            session.beside(MARKS)
        );
        let target = table.name.name.as_str().to_owned();
        let args = [table.delivery.clone(), target, mark.source.clone(), mark.next.to_string()];
        session.changed(set, &args).await?;
        session.run("COMMIT".to_owned()).await?;
        Ok(done)
    }
}

fn is_so(rows: &[PgRow]) -> bool {
    rows.first().is_some_and(|it| it.try_get(0).unwrap_or(false))
}

/// Brings rows from elsewhere in; those that are as they were are not written.
fn upsert(session: &Session, table: &SinkTable, from: &str) -> String {
    let columns = list(names(table), "");
    let others: Vec<&Name> = names(table).filter(|it| !table.key.contains(it)).collect();
    let into = format!(
        "INSERT INTO {} AS t ({columns}) SELECT {columns} FROM {from} ON CONFLICT ({})",
        session.whole(table),
        list(table.key.iter(), "")
    );
    if others.is_empty() {
        return format!("{into} DO NOTHING");
    }
    let set = others.iter().map(|it| format!("{0} = excluded.{0}", quoted(it.as_str()))).collect::<Vec<_>>().join(", ");
    let (old, new) = (list(others.iter().copied(), "t."), list(others.iter().copied(), "excluded."));
    format!("{into} DO UPDATE SET {set} WHERE ({old}) IS DISTINCT FROM ({new})")
}

/// Rows whose columns are parameters, each an array of texts.
fn given(columns: &[&SinkColumn]) -> String {
    let name = |it: &&SinkColumn| quoted(it.name.as_str());
    let arrays = (1..=columns.len()).map(|it| format!("CAST(${it} AS text[])")).collect::<Vec<_>>().join(", ");
    let names = columns.iter().map(name).collect::<Vec<_>>().join(", ");
    let cast = |it: &&SinkColumn| match it.kind {
        SinkKind::Text { .. } => name(it),
        SinkKind::Decimal { .. } => format!("CAST({0} AS numeric) AS {0}", name(it)),
        other => format!("CAST({0} AS {1}) AS {0}", name(it), kind(other)),
    };
    let casts = columns.iter().map(cast).collect::<Vec<_>>().join(", ");
    format!("(SELECT {casts} FROM unnest({arrays}) AS u ({names})) AS s")
}

pub(crate) async fn merge(
    options: &PgConnectOptions,
    most: Duration,
    table: &SinkTable,
    (page, put, gone): (&SinkMark, &dyn SinkRows, &dyn SinkRows),
) -> Done<Option<SinkDone>> {
    let mut session = Session::open(options, most, table).await?;
    session.run("BEGIN".to_owned()).await?;
    let next = format!(
        "UPDATE {} SET next = next + 1
          WHERE delivery = $1 AND target = $2 AND source = $3 AND next = CAST($4 AS bigint)",
        session.beside(MARKS)
    );
    let target = table.name.name.as_str().to_owned();
    let args = [table.delivery.clone(), target, page.source.clone(), page.next.to_string()];
    if session.changed(next, &args).await? == 0 {
        session.run("ROLLBACK".to_owned()).await?;
        let behind = noted(&mut session, table).await?;
        let is_in = behind.is_some_and(|it| it.source == page.source && it.next > page.next);
        return Ok(is_in.then(SinkDone::default));
    }
    let all: Vec<&SinkColumn> = table.columns.iter().collect();
    let key: Vec<&SinkColumn> = table.places().into_iter().map(|it| all[it]).collect();
    let delete = format!(
        "DELETE FROM {} AS t USING {} WHERE {}",
        session.whole(table),
        given(&key),
        same_key(table, "t.", "s.")
    );
    let removed = session.changed_by(delete, gone, key.len()).await?;
    let put = session.changed_by(upsert(&session, table, &given(&all)), put, all.len()).await?;
    session.run("COMMIT".to_owned()).await?;
    Ok(Some(SinkDone { put, removed }))
}

/// A column as text, in the form in which it was given; an instant with all six digits of its fraction.
fn shown(column: &SinkColumn) -> String {
    let name = quoted(column.name.as_str());
    match column.kind {
        SinkKind::Instant => format!("to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"),
        SinkKind::Date => format!("to_char({name}, 'YYYY-MM-DD')"),
        SinkKind::Boolean => format!("CAST({name} AS text)"),
        _ => name,
    }
}

pub(crate) async fn read(
    options: &PgConnectOptions,
    most: Duration,
    table: &SinkTable,
    take: &mut (dyn FnMut(&[Option<&str>]) + Send),
) -> Done<()> {
    let mut session = Session::open(options, most, table).await?;
    let columns = table.columns.iter().map(shown).collect::<Vec<_>>().join(", ");
    let sql = format!("COPY (SELECT {columns} FROM {}) TO STDOUT", session.whole(table));
    let mut pieces = session.connection.copy_out_raw(&sql).await.map_err(told)?;
    let (texts, mut line) = (Texts::of(table), copy::Line::default());
    // A line comes as a piece of its own as a rule; what is not whole waits for the rest.
    let mut rest: Vec<u8> = Vec::new();
    while let Some(piece) = pieces.try_next().await.map_err(told)? {
        rest.extend_from_slice(&piece);
        let mut from = 0;
        while let Some(length) = rest[from..].iter().position(|it| *it == b'\n') {
            line.read(&rest[from..from + length]);
            texts.give(&line.cells().ok_or(Trouble::Unreadable)?, take)?;
            from += length + 1;
        }
        rest.drain(..from);
    }
    if rest.is_empty() { Ok(()) } else { Err(Trouble::Unreadable) }
}
