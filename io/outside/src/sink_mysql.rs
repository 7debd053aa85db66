//! Tables of ours in MySQL and MariaDB: rows come as `INSERT`s of many rows each into a temporary table, and from there
//! into the table, in one transaction with the mark.
//!
//! A whole set is merged like a page: `RENAME TABLE` would be faster, but it commits what is open, so that rows and
//! mark were two steps, and it would lose the columns, keys and triggers that are somebody's own. Nothing in a
//! transaction here commits by itself: temporary tables are made before it begins.
//!
//! Moments are `DATETIME(6)` in Chinese time, as they are read here elsewhere and as people there expect them; a
//! `TIMESTAMP(6)` that is there already holds the same moments.

use crate::{
    Name, SinkColumn, SinkDone, SinkKind, SinkMark, SinkRows, SinkTable,
    driver::{CONNECT_MAX, trouble},
    mysql::limit,
    problem::Trouble,
    sink::{Texts, own},
    sink_mysql_shape::{TYPES, create, describe, engine_flaws, key_flaws, keyed},
    sink_shape::{Prepared, flaws},
};
use futures::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, Row as _, SqlSafeStr as _,
    mysql::{MySqlConnectOptions, MySqlRow},
};
use std::time::Duration;
use tokio::time::timeout;

/// The database ends a statement so much sooner than we give up the call.
const SOONER: Duration = Duration::from_secs(5);
/// The table that says which delivery fills which table, and how far each is. It stands in the database of those.
const MARKS: &str = "yunhe_delivery_mark";
/// Temporary tables with what comes and what goes.
const PUT: &str = "`yunhe_put`";
const GONE: &str = "`yunhe_gone`";
/// One `INSERT` has one of these numbers of rows, so that few statements are prepared.
const INSERT_ROWS: [usize; 4] = [512, 64, 8, 1];
/// Parameters of one statement at most.
const PARAMETERS_MAX: usize = 65_535;
/// Bytes of one statement at most, where the server takes so many.
const INSERT_BYTES_MAX: usize = 4 << 20;

pub(crate) type Done<T> = Result<T, Trouble>;

/// A connection, and the database and name of the table there.
pub(crate) struct Session {
    connection: MySqlConnection,
    schema: String,
    table: String,
    bytes_max: usize,
}

impl Session {
    async fn open(options: &MySqlConnectOptions, most: Duration, table: &SinkTable) -> Done<Self> {
        let connecting = timeout(CONNECT_MAX, MySqlConnection::connect_with(options)).await;
        let connection = connecting.map_err(|_| Trouble::Away("no connection came about in time"))?.map_err(told)?;
        let name = table.name.name.as_str().to_owned();
        let mut session = Self { connection, schema: String::new(), table: name.clone(), bytes_max: 0 };
        session
            .run(
                "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION',
                     time_zone = '+08:00', lock_wait_timeout = 20, innodb_lock_wait_timeout = 20"
                    .to_owned(),
            )
            .await?;
        limit(&mut session.connection, most.saturating_sub(SOONER)).await.map_err(told)?;
        let named = table.name.schema.as_ref().map_or("", Name::as_str).to_owned();
        let place = "SELECT CAST(COALESCE(NULLIF(?, ''), DATABASE()) AS CHAR), CAST(@@max_allowed_packet AS CHAR),
                            CASE @@lower_case_table_names WHEN 0 THEN 'as' ELSE 'low' END";
        let found = session.texts(place, &[named]).await?.pop().unwrap_or_default();
        let [Some(schema), Some(packet), case] = <[Option<String>; 3]>::try_from(found).unwrap_or_default() else {
            return Err(Trouble::Refused("1046".to_owned()));
        };
        // Temporary tables stand in it as well.
        session.run(format!("USE {}", quoted(&schema))).await?;
        session.schema = schema;
        session.bytes_max = packet.parse().map_or(INSERT_BYTES_MAX, |it: usize| (it / 2).min(INSERT_BYTES_MAX));
        if case.as_deref() == Some("low") {
            // However it is written, it is the same table there.
            session.table = name.to_lowercase();
        }
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

    /// Rows whose columns are all texts.
    pub(crate) async fn texts(&mut self, sql: &str, args: &[String]) -> Done<Vec<Vec<Option<String>>>> {
        let mut query = sqlx::query(AssertSqlSafe(sql.to_owned()).into_sql_str()).persistent(false);
        for arg in args {
            query = query.bind(arg.clone());
        }
        let rows = query.fetch_all(&mut self.connection).await.map_err(told)?;
        rows.iter().map(|row| (0..row.len()).map(|it| row.try_get(it).map_err(told)).collect()).collect()
    }

    /// A table in the database of the one that is filled.
    fn beside(&self, name: &str) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(name))
    }

    pub(crate) fn whole(&self) -> String {
        self.beside(&self.table)
    }

    /// What is asked about the table: its database and its name.
    pub(crate) fn place(&self) -> [String; 2] {
        [self.schema.clone(), self.table.clone()]
    }

    /// An empty temporary table with some columns of the one that is filled.
    async fn make(&mut self, name: &str, columns: &[&SinkColumn], key: &[Name]) -> Done<()> {
        let columns = list(columns.iter().map(|it| &it.name), "");
        let sql = format!(
            "CREATE TEMPORARY TABLE {name} (PRIMARY KEY ({})) ENGINE = InnoDB AS SELECT {columns} FROM {} LIMIT 0",
            list(key.iter(), ""),
            self.whole()
        );
        self.run(sql).await
    }

    /// Puts rows into a temporary table, as many at once as the server takes.
    async fn insert(&mut self, into: &str, columns: &[&SinkColumn], rows: &dyn SinkRows) -> Done<()> {
        let fitting = PARAMETERS_MAX / columns.len().max(1);
        let mut row = 0;
        while row < rows.count() {
            let (mut cells, mut bytes) = (Vec::new(), 0);
            let from = row;
            while row < rows.count() && row - from < INSERT_ROWS[0].min(fitting) {
                let more: Vec<Option<String>> =
                    columns.iter().enumerate().map(|(at, it)| said(it, own(rows, row, at))).collect();
                let length: usize = more.iter().flatten().map(String::len).sum();
                if length > self.bytes_max {
                    return Err(Trouble::TooLarge);
                }
                if row > from && bytes + length > self.bytes_max {
                    break;
                }
                bytes += length;
                cells.extend(more);
                row += 1;
            }
            self.insert_some(into, columns, cells).await?;
        }
        Ok(())
    }

    async fn insert_some(&mut self, into: &str, columns: &[&SinkColumn], cells: Vec<Option<String>>) -> Done<()> {
        let width = columns.len();
        let mut rest = cells.as_slice();
        while !rest.is_empty() {
            let fits = |it: &usize| it * width <= rest.len();
            let rows = INSERT_ROWS.into_iter().find(fits).unwrap_or(1);
            let place = format!("({})", vec!["?"; width].join(", "));
            let sql = format!(
                "INSERT INTO {into} ({}) VALUES {}",
                list(columns.iter().map(|it| &it.name), ""),
                vec![place.as_str(); rows].join(", ")
            );
            let (now, later) = rest.split_at((rows * width).min(rest.len()));
            let mut query = sqlx::query(AssertSqlSafe(sql).into_sql_str());
            for cell in now {
                query = query.bind(cell.as_deref());
            }
            query.execute(&mut self.connection).await.map_err(told)?;
            rest = later;
        }
        Ok(())
    }

    /// Brings the rows that lie aside in: those that differ are changed, those that are not there added.
    async fn bring(&mut self, table: &SinkTable) -> Done<u64> {
        let name = self.whole();
        let others: Vec<&SinkColumn> = table.columns.iter().filter(|it| !table.key.contains(&it.name)).collect();
        let mut changed = 0;
        if !others.is_empty() {
            let set = others.iter().map(|it| format!("t.{0} = s.{0}", quoted(it.name.as_str()))).collect::<Vec<_>>();
            let same = others.iter().map(|it| same(it)).collect::<Vec<_>>();
            let update = format!(
                "UPDATE {name} AS t JOIN {PUT} AS s ON {} SET {} WHERE NOT ({})",
                same_key(table),
                set.join(", "),
                same.join(" AND ")
            );
            changed = self.changed(update, &[]).await?;
        }
        let columns: Vec<&SinkColumn> = table.columns.iter().collect();
        let insert = format!(
            "INSERT INTO {name} ({}) SELECT {} FROM {PUT} AS s LEFT JOIN {name} AS t ON {} WHERE {} IS NULL",
            list(columns.iter().map(|it| &it.name), ""),
            list(columns.iter().map(|it| &it.name), "s."),
            same_key(table),
            first_key(table, "t.")
        );
        Ok(changed + self.changed(insert, &[]).await?)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn told(error: sqlx::Error) -> Trouble {
    trouble(&error)
}

pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", text.replace('`', "``"))
}

pub(crate) fn list<'a>(names: impl Iterator<Item = &'a Name>, of: &str) -> String {
    names.map(|it| format!("{of}{}", quoted(it.as_str()))).collect::<Vec<_>>().join(", ")
}

fn same_key(table: &SinkTable) -> String {
    let pairs = table.key.iter().map(|it| format!("t.{0} = s.{0}", quoted(it.as_str())));
    pairs.collect::<Vec<_>>().join(" AND ")
}

fn first_key(table: &SinkTable, of: &str) -> String {
    list(table.key.iter().take(1), of)
}

/// Whether a column is in both as it is, byte by byte: what order the column has is somebody's own.
fn same(column: &SinkColumn) -> String {
    let name = quoted(column.name.as_str());
    match column.kind {
        SinkKind::Text { .. } => format!("CAST(t.{name} AS BINARY) <=> CAST(s.{name} AS BINARY)"),
        _ => format!("t.{name} <=> s.{name}"),
    }
}

/// A cell as it is said there.
fn said(column: &SinkColumn, cell: Option<String>) -> Option<String> {
    let text = cell?;
    Some(match column.kind {
        SinkKind::Boolean => if text == "true" { "1" } else { "0" }.to_owned(),
        SinkKind::Instant => match text.parse::<jiff::Timestamp>() {
            Ok(it) => jiff::tz::Offset::constant(8).to_datetime(it).strftime("%Y-%m-%d %H:%M:%S%.6f").to_string(),
            Err(_) => text,
        },
        _ => text,
    })
}

pub(crate) async fn prepare(
    options: &MySqlConnectOptions,
    most: Duration,
    table: &SinkTable,
    takes_over: bool,
) -> Done<Prepared> {
    let mut session = Session::open(options, most, table).await?;
    let marks = session.beside(MARKS);
    let text = |width: u32| format!("VARCHAR({width}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL");
    let make = format!(
        "CREATE TABLE IF NOT EXISTS {marks} (delivery {0} PRIMARY KEY, target {0} UNIQUE, source {0},
           next BIGINT NOT NULL) ENGINE = InnoDB",
        text(191)
    );
    session.run(make).await?;
    let there = describe(&mut session).await?;
    let mut wrong = key_flaws(table);
    if !there.is_empty() {
        wrong = flaws(table, &there, keyed(&mut session, table).await?, &TYPES);
        wrong.extend(engine_flaws(&mut session).await?);
    }
    if !wrong.is_empty() {
        return Ok(Prepared::Flaws(wrong));
    }
    let args = [table.delivery.clone(), session.table.clone()];
    if takes_over {
        let free = format!("DELETE FROM {marks} WHERE delivery <> ? AND target = ?");
        session.changed(free, &args).await?;
    }
    let claim = format!("INSERT IGNORE INTO {marks} (delivery, target, source, next) VALUES (?, ?, '', 0)");
    session.changed(claim, &args).await?;
    let whose = session.texts(&format!("SELECT delivery FROM {marks} WHERE target = ?"), &args[1..]).await?;
    match whose.into_iter().flatten().next().flatten() {
        Some(whose) if whose != table.delivery => return Ok(Prepared::Taken(whose)),
        _ => {}
    }
    if there.is_empty() {
        let create = create(&mut session, table).await?;
        session.run(create).await?;
        return Ok(Prepared::Rows(0));
    }
    let count = session.texts(&format!("SELECT CAST(COUNT(*) AS CHAR) FROM {}", session.whole()), &[]).await?;
    let count = count.into_iter().flatten().next().flatten().and_then(|it| it.parse().ok());
    count.map(Prepared::Rows).ok_or(Trouble::Unreadable)
}

pub(crate) async fn mark(options: &MySqlConnectOptions, most: Duration, table: &SinkTable) -> Done<Option<SinkMark>> {
    noted(&mut Session::open(options, most, table).await?, table).await
}

/// The mark; none as well where a database made anew has no table for it.
async fn noted(session: &mut Session, table: &SinkTable) -> Done<Option<SinkMark>> {
    let there = "SELECT 'y' FROM information_schema.tables WHERE table_schema = ? AND table_name = ?";
    let args = [session.schema.clone(), MARKS.to_owned()];
    if session.texts(there, &args).await?.is_empty() {
        return Ok(None);
    }
    let sql =
        format!("SELECT source, CAST(next AS CHAR) FROM {} WHERE delivery = ? AND target = ?", session.beside(MARKS));
    let args = [table.delivery.clone(), session.table.clone()];
    let found = session.texts(&sql, &args).await?.pop().unwrap_or_default();
    let [source, next] = <[Option<String>; 2]>::try_from(found).unwrap_or_default();
    let next = next.and_then(|it| it.parse().ok());
    Ok(source.zip(next).map(|(source, next)| SinkMark { source, next }))
}

/// A whole set on its way: it lies aside in a temporary table.
pub(crate) struct Filling(Session);

impl Filling {
    pub(crate) async fn begin(options: &MySqlConnectOptions, most: Duration, table: &SinkTable) -> Done<Self> {
        let mut session = Session::open(options, most, table).await?;
        let columns: Vec<&SinkColumn> = table.columns.iter().collect();
        session.make(PUT, &columns, &table.key).await?;
        session.run("START TRANSACTION".to_owned()).await?;
        Ok(Self(session))
    }

    pub(crate) async fn put(&mut self, table: &SinkTable, rows: &dyn SinkRows) -> Done<()> {
        let columns: Vec<&SinkColumn> = table.columns.iter().collect();
        self.0.insert(PUT, &columns, rows).await
    }

    pub(crate) async fn end(self, table: &SinkTable, mark: &SinkMark, _rows: u64) -> Done<SinkDone> {
        let mut session = self.0;
        let gone = format!(
            "DELETE t FROM {} AS t LEFT JOIN {PUT} AS s ON {} WHERE {} IS NULL",
            session.whole(),
            same_key(table),
            first_key(table, "s.")
        );
        let removed = session.changed(gone, &[]).await?;
        let put = session.bring(table).await?;
        let set = format!(
            "INSERT INTO {} (delivery, target, source, next) VALUES (?, ?, ?, ?)
             ON DUPLICATE KEY UPDATE target = VALUES(target), source = VALUES(source), next = VALUES(next)",
            session.beside(MARKS)
        );
        let args = [table.delivery.clone(), session.table.clone(), mark.source.clone(), mark.next.to_string()];
        session.changed(set, &args).await?;
        session.run("COMMIT".to_owned()).await?;
        Ok(SinkDone { put, removed })
    }
}

pub(crate) async fn merge(
    options: &MySqlConnectOptions,
    most: Duration,
    table: &SinkTable,
    (page, put, gone): (&SinkMark, &dyn SinkRows, &dyn SinkRows),
) -> Done<Option<SinkDone>> {
    let mut session = Session::open(options, most, table).await?;
    let all: Vec<&SinkColumn> = table.columns.iter().collect();
    let key: Vec<&SinkColumn> = table.places().into_iter().map(|it| all[it]).collect();
    session.make(PUT, &all, &table.key).await?;
    session.make(GONE, &key, &table.key).await?;
    session.run("START TRANSACTION".to_owned()).await?;
    let next = format!(
        "UPDATE {} SET next = next + 1 WHERE delivery = ? AND target = ? AND source = ? AND next = ?",
        session.beside(MARKS)
    );
    let args = [table.delivery.clone(), session.table.clone(), page.source.clone(), page.next.to_string()];
    if session.changed(next, &args).await? == 0 {
        session.run("ROLLBACK".to_owned()).await?;
        let behind = noted(&mut session, table).await?;
        let is_in = behind.is_some_and(|it| it.source == page.source && it.next > page.next);
        return Ok(is_in.then(SinkDone::default));
    }
    session.insert(PUT, &all, put).await?;
    session.insert(GONE, &key, gone).await?;
    let delete = format!("DELETE t FROM {} AS t JOIN {GONE} AS s ON {}", session.whole(), same_key(table));
    let removed = session.changed(delete, &[]).await?;
    let put = session.bring(table).await?;
    session.run("COMMIT".to_owned()).await?;
    Ok(Some(SinkDone { put, removed }))
}

/// A column as text, in the form in which it was given; an instant with all six digits of its fraction.
fn shown(column: &SinkColumn) -> String {
    let name = quoted(column.name.as_str());
    match column.kind {
        SinkKind::Text { .. } => name,
        SinkKind::Boolean => {
            format!("CASE {name} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE CAST({name} AS CHAR) END")
        }
        SinkKind::Date => format!("DATE_FORMAT({name}, '%Y-%m-%d')"),
        SinkKind::Instant => format!("DATE_FORMAT({name} - INTERVAL 8 HOUR, '%Y-%m-%dT%H:%i:%s.%f')"),
        _ => format!("CAST({name} AS CHAR)"),
    }
}

pub(crate) async fn read(
    options: &MySqlConnectOptions,
    most: Duration,
    table: &SinkTable,
    take: &mut (dyn FnMut(&[Option<&str>]) + Send),
) -> Done<()> {
    let mut session = Session::open(options, most, table).await?;
    let columns = table.columns.iter().map(shown).collect::<Vec<_>>().join(", ");
    let sql = format!("SELECT {columns} FROM {}", session.whole());
    let texts = Texts::of(table);
    let mut rows = sqlx::query(AssertSqlSafe(sql).into_sql_str()).persistent(false).fetch(&mut session.connection);
    while let Some(row) = rows.try_next().await.map_err(told)? {
        texts.give(&cells(&row)?, take)?;
    }
    Ok(())
}

fn cells(row: &MySqlRow) -> Done<Vec<Option<&str>>> {
    (0..row.len()).map(|it| row.try_get(it).map_err(told)).collect()
}
