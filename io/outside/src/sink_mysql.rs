//! Tables of ours in MySQL and MariaDB: rows come as `INSERT`s of many rows each into a temporary table, and from there
//! into the table, in one transaction with the mark.
//!
//! A whole set is merged like a page: `RENAME TABLE` would be faster, but it commits what is open, so that rows and mark
//! were two steps, and it would lose the columns, keys and triggers that are somebody's own. Nothing in a transaction
//! here commits by itself: temporary tables are made before it begins.
//!
//! Moments are `DATETIME(6)` in Chinese time, as they are read here elsewhere and as people there expect them; a
//! `TIMESTAMP(6)` that is there already holds the same moments.

use crate::{
    Name, SinkColumn, SinkDone, SinkKind, SinkMark, SinkRows, SinkTable,
    driver::{CONNECT_MAX, trouble},
    mysql::limit,
    problem::Trouble,
    sink::{Texts, own},
    sink_shape::{Prepared, There, Types, flaws},
};
use futures::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, Row as _, SqlSafeStr as _,
    mysql::{MySqlConnectOptions, MySqlRow},
};
use std::{collections::BTreeMap, time::Duration};
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
/// An index takes keys of so many bytes.
const KEY_BYTES_MAX: u32 = 3_072;
/// A character has at most so many bytes.
const CHAR_BYTES: u32 = 4;
/// Texts of so many characters are kept within their row; longer ones beside it.
const ROW_CHARS_MAX: u32 = 255;
/// What `TEXT` takes.
const TEXT_BYTES_MAX: u32 = 65_535;
/// A row with more bytes of short texts than this has them beside it too: it takes 65,535 in all.
const ROW_BYTES_MAX: u32 = 48_000;
/// A comment has at most so many characters.
const COMMENT_CHARS_MAX: usize = 500;
/// Orders that tell every two texts apart, the best first: the last one takes spaces at the end for nothing.
const ORDERS: [&str; 3] = ["utf8mb4_0900_bin", "utf8mb4_nopad_bin", "utf8mb4_bin"];

const TYPES: Types = Types { kind, holds };

type Done<T> = Result<T, Trouble>;

/// A connection, and the database and name of the table there.
struct Session {
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
    async fn texts(&mut self, sql: &str, args: &[String]) -> Done<Vec<Vec<Option<String>>>> {
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

    fn whole(&self) -> String {
        self.beside(&self.table)
    }

    /// What is asked about the table: its database and its name.
    fn place(&self) -> [String; 2] {
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

fn quoted(text: &str) -> String {
    format!("`{}`", text.replace('`', "``"))
}

/// A title as a literal: what a peer calls its columns may hold anything.
fn literal(text: &str) -> String {
    let text: String = text.chars().filter(|it| !it.is_control()).take(COMMENT_CHARS_MAX).collect();
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn list<'a>(names: impl Iterator<Item = &'a Name>, of: &str) -> String {
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

fn kind(kind: SinkKind, in_key: bool) -> String {
    match kind {
        SinkKind::Text { chars } if in_key || chars <= ROW_CHARS_MAX => {
            let order = if in_key { " COLLATE utf8mb4_bin" } else { "" };
            format!("VARCHAR({chars}) CHARACTER SET utf8mb4{order}")
        }
        SinkKind::Text { chars } if chars.saturating_mul(CHAR_BYTES) <= TEXT_BYTES_MAX => {
            "TEXT CHARACTER SET utf8mb4".to_owned()
        }
        SinkKind::Text { .. } => "LONGTEXT CHARACTER SET utf8mb4".to_owned(),
        SinkKind::Integer => "BIGINT".to_owned(),
        SinkKind::Decimal { precision, scale } => format!("DECIMAL({precision},{scale})"),
        SinkKind::Boolean => "TINYINT(1)".to_owned(),
        SinkKind::Date => "DATE".to_owned(),
        SinkKind::Instant => "DATETIME(6)".to_owned(),
    }
}

/// Whether a column of the database's type holds the kind exactly. Of a text in another character set that stands
/// behind its type.
fn holds(native: &str, wanted: SinkKind) -> bool {
    let inner = |word: &str| native.strip_prefix(word)?.strip_prefix('(')?.strip_suffix(')');
    match wanted {
        SinkKind::Text { chars } => {
            // A text that is too long for the column is refused by the database; nothing is cut off.
            let bytes = chars.saturating_mul(CHAR_BYTES);
            inner("varchar").is_some()
                || native == "longtext"
                || (native == "mediumtext" && bytes < 1 << 24)
                || (native == "text" && bytes <= TEXT_BYTES_MAX)
        }
        SinkKind::Integer => native == "bigint" || inner("bigint").is_some(),
        SinkKind::Decimal { precision, scale } => {
            inner("decimal").and_then(|it| it.split_once(',')).is_some_and(|(all, behind)| {
                all.parse::<u8>().is_ok_and(|it| it >= precision) && behind.parse() == Ok(scale)
            })
        }
        SinkKind::Boolean => native == "tinyint(1)",
        SinkKind::Date => native == "date",
        SinkKind::Instant => native == "datetime(6)" || native == "timestamp(6)",
    }
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

/// A key that no index takes.
fn key_flaws(table: &SinkTable) -> Vec<(String, String)> {
    let chars = |it: usize| match table.columns[it].kind {
        SinkKind::Text { chars } => chars,
        _ => 0,
    };
    let bytes = table.places().into_iter().map(chars).fold(0, u32::saturating_add).saturating_mul(CHAR_BYTES);
    if bytes <= KEY_BYTES_MAX {
        return Vec::new();
    }
    vec![(
        format!("主键的文本至多 {bytes} 字节，该库的索引至多 {KEY_BYTES_MAX} 字节"),
        format!("the key's texts may have {bytes} bytes, an index of that database takes {KEY_BYTES_MAX}"),
    )]
}

/// A table whose engine takes nothing back.
async fn engine_flaws(session: &mut Session) -> Done<Vec<(String, String)>> {
    let sql = "SELECT CAST(t.engine AS CHAR), CAST(e.transactions AS CHAR)
                 FROM information_schema.tables AS t LEFT JOIN information_schema.engines AS e ON e.engine = t.engine
                WHERE t.table_schema = ? AND BINARY t.table_name = ?";
    let place = session.place();
    let found = session.texts(sql, &place).await?.pop().unwrap_or_default();
    let [engine, transactions] = <[Option<String>; 2]>::try_from(found).unwrap_or_default();
    if transactions.as_deref() == Some("YES") {
        return Ok(Vec::new());
    }
    let engine: String = engine.unwrap_or_else(|| "VIEW".to_owned());
    Ok(vec![(
        format!("存储引擎 {engine} 不支持事务，应为 InnoDB"),
        format!("engine {engine} has no transactions; should be InnoDB"),
    )])
}

async fn describe(session: &mut Session) -> Done<BTreeMap<String, There>> {
    let sql = "
        SELECT CAST(column_name AS CHAR),
               CAST(CONCAT(column_type, CASE WHEN COALESCE(character_set_name, 'utf8mb4') = 'utf8mb4' THEN ''
                                             ELSE CONCAT(' CHARACTER SET ', character_set_name) END) AS CHAR),
               CAST(is_nullable AS CHAR),
               CASE WHEN column_default IS NOT NULL OR extra LIKE '%auto_increment%' OR extra LIKE '%GENERATED%'
                    THEN 'y' ELSE 'n' END,
               CAST(CASE WHEN collation_name LIKE '%\\_bin' THEN NULL ELSE collation_name END AS CHAR)
          FROM information_schema.columns WHERE table_schema = ? AND BINARY table_name = ?";
    let place = session.place();
    let mut there = BTreeMap::new();
    for row in session.texts(sql, &place).await? {
        let [Some(name), Some(native), nullable, defaulted, blurs] =
            <[Option<String>; 5]>::try_from(row).unwrap_or_default()
        else {
            return Err(Trouble::Unreadable);
        };
        let about = There {
            native,
            mandatory: nullable.as_deref() == Some("NO"),
            defaulted: defaulted.as_deref() == Some("y"),
            blurs,
        };
        there.insert(name, about);
    }
    Ok(there)
}

/// Whether the key's columns, and no others, are unique in the table.
async fn keyed(session: &mut Session, table: &SinkTable) -> Done<bool> {
    let sql = "
        SELECT CAST(index_name AS CHAR), CAST(column_name AS CHAR), CASE WHEN sub_part IS NULL THEN 'whole' END
          FROM information_schema.statistics
         WHERE non_unique = 0 AND table_schema = ? AND BINARY table_name = ?";
    let place = session.place();
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in session.texts(sql, &place).await? {
        let [Some(index), column, whole] = <[Option<String>; 3]>::try_from(row).unwrap_or_default() else { continue };
        // A part of a column, or an expression, is not the column.
        keys.entry(index).or_default().push(whole.and(column).unwrap_or_default());
    }
    let mut key: Vec<&str> = table.key.iter().map(Name::as_str).collect();
    key.sort_unstable();
    Ok(keys.into_values().any(|mut it| {
        it.sort_unstable();
        it == key
    }))
}

async fn create(session: &mut Session, table: &SinkTable) -> Done<String> {
    let orders = format!(
        "SELECT CAST(collation_name AS CHAR) FROM information_schema.collations WHERE collation_name IN ('{}')",
        ORDERS.join("', '")
    );
    let known: Vec<String> = session.texts(&orders, &[]).await?.into_iter().flatten().flatten().collect();
    let order = ORDERS.into_iter().find(|it| known.iter().any(|one| one == it)).unwrap_or("utf8mb4_bin");
    let bytes = |it: &SinkColumn| match it.kind {
        SinkKind::Text { chars } if chars <= ROW_CHARS_MAX => chars * CHAR_BYTES,
        _ => 16,
    };
    let wide = table.columns.iter().map(bytes).fold(0, u32::saturating_add) > ROW_BYTES_MAX;
    // The key alone must hold something: the provider's type may make any other field optional later.
    let column = |it: &SinkColumn| {
        let in_key = table.key.contains(&it.name);
        let kind = match it.kind {
            SinkKind::Text { .. } if wide && !in_key => "TEXT CHARACTER SET utf8mb4".to_owned(),
            other => kind(other, in_key),
        };
        let kind = kind.replace(" COLLATE utf8mb4_bin", "");
        let order = if matches!(it.kind, SinkKind::Text { .. }) { format!(" COLLATE {order}") } else { String::new() };
        let null = if in_key { "NOT NULL" } else { "NULL" };
        format!("{} {kind}{order} {null} COMMENT {}", quoted(it.name.as_str()), literal(&it.title))
    };
    let columns = table.columns.iter().map(column).collect::<Vec<_>>().join(", ");
    Ok(format!(
        "CREATE TABLE {} ({columns}, PRIMARY KEY ({})) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {order}
           COMMENT = {}",
        session.whole(),
        list(table.key.iter(), ""),
        literal(&table.title)
    ))
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
