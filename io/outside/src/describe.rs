//! What is there: tables with their columns, types, keys, comments, estimated rows and some values.

use crate::{
    Column, Connection, Name, Native, System, Table, TableName,
    driver::{Ask, Cells},
    problem,
    sql::Writer,
};
use std::collections::BTreeMap;
use vocabulary::{Personal, Problem};

/// Tables described at once at most.
pub const TABLES_MAX: u32 = 500;
/// Different values shown of a column at most.
pub const SAMPLES_MAX: usize = 20;
/// Of a value so many characters are shown.
pub const SAMPLE_CHARS_MAX: usize = 60;
/// The samples are drawn from so many rows.
const SAMPLED_ROWS: usize = 500;
/// Columns of a table read at most.
const COLUMNS_MAX: usize = 1_000;
/// Bytes of one answer about what is there.
const BYTES_MAX: usize = 8 << 20;

/// How much is described.
#[derive(Clone, Copy, Debug)]
pub struct Describe {
    /// So many tables at most, in the order of their names.
    pub tables: u32,
    /// So many different values of each column at most; zero: no row is read.
    pub samples: usize,
}

/// Tables: schema where it is not the connection's own, name, `v` for a view, estimated rows, comment.
const POSTGRES_TABLES: &str = "
    SELECT CASE WHEN pg_table_is_visible(c.oid) THEN '' ELSE CAST(n.nspname AS text) END, CAST(c.relname AS text),
           CASE WHEN c.relkind IN ('v', 'm') THEN 'v' ELSE 't' END,
           CASE WHEN c.reltuples >= 0 AND c.relkind <> 'v' THEN CAST(CAST(c.reltuples AS bigint) AS text) END,
           obj_description(c.oid, 'pg_class')
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
       AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND left(CAST(n.nspname AS text), 3) <> 'pg_'
       AND has_schema_privilege(n.oid, 'USAGE')
       AND (has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT'))
       AND (CAST($1 AS text) = '' OR CAST(n.nspname AS text) = CAST($1 AS text))
       AND (CAST($2 AS text) = '' OR CAST(c.relname AS text) = CAST($2 AS text))
       AND (CAST($1 AS text) <> '' OR CAST($2 AS text) = '' OR pg_table_is_visible(c.oid))
     ORDER BY 1, 2 LIMIT ";
const MYSQL_TABLES: &str = "
    SELECT CAST(CASE WHEN table_schema = DATABASE() THEN '' ELSE table_schema END AS CHAR), CAST(table_name AS CHAR),
           CASE WHEN table_type LIKE '%VIEW' THEN 'v' ELSE 't' END, CAST(table_rows AS CHAR),
           CAST(CASE WHEN table_type LIKE '%VIEW' THEN NULL ELSE table_comment END AS CHAR)
      FROM information_schema.tables
     WHERE table_schema NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')
       AND (table_schema = CASE WHEN ? = '' THEN COALESCE(DATABASE(), table_schema) ELSE ? END)
       AND (? = '' OR BINARY table_name = ?)
     ORDER BY 1, 2 LIMIT ";
const SQLITE_TABLES: &str = "
    SELECT '', name, CASE type WHEN 'view' THEN 'v' ELSE 't' END, NULL, NULL FROM sqlite_schema
     WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' AND ?1 = '' AND (?2 = '' OR name = ?2)
     ORDER BY 2 LIMIT ";

/// Columns: name, type in words, base type, `1` where it may hold nothing, comment.
const POSTGRES_COLUMNS: &str = "
    SELECT CAST(a.attname AS text), format_type(a.atttypid, a.atttypmod),
           format_type(COALESCE(NULLIF(t.typbasetype, 0), a.atttypid), NULL),
           CASE WHEN a.attnotnull THEN '0' ELSE '1' END, col_description(a.attrelid, a.attnum)
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_type t ON t.oid = a.atttypid
     WHERE a.attnum > 0 AND NOT a.attisdropped AND has_column_privilege(c.oid, a.attnum, 'SELECT')
       AND (CAST(n.nspname AS text) = CAST($1 AS text) OR (CAST($1 AS text) = '' AND pg_table_is_visible(c.oid)))
       AND CAST(c.relname AS text) = CAST($2 AS text)
     ORDER BY a.attnum LIMIT ";
const MYSQL_COLUMNS: &str = "
    SELECT CAST(column_name AS CHAR), CAST(column_type AS CHAR), CAST(data_type AS CHAR),
           CASE is_nullable WHEN 'YES' THEN '1' ELSE '0' END, CAST(column_comment AS CHAR)
      FROM information_schema.columns
     WHERE table_schema = CASE WHEN ? = '' THEN DATABASE() ELSE ? END AND BINARY table_name = ? AND ? <> ''
     ORDER BY ordinal_position LIMIT ";
const SQLITE_COLUMNS: &str = "
    SELECT name, type, type,
           CASE WHEN \"notnull\" <> 0 OR pk = 1 AND upper(type) = 'INTEGER' THEN '0' ELSE '1' END, NULL
      FROM pragma_table_info(?2) WHERE ?1 = '' ORDER BY cid LIMIT ";

/// Keys: name of the index (the primary key's comes first), its column, in the order within it; no column where a part
/// is an expression or the beginning of a column, for then it says nothing about whole values.
const POSTGRES_KEYS: &str = "
    SELECT CASE WHEN i.indisprimary THEN '' ELSE CAST(k.relname AS text) END, CAST(a.attname AS text)
      FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_class k ON k.oid = i.indexrelid
      JOIN LATERAL unnest(CAST(i.indkey AS smallint[])) WITH ORDINALITY AS u (attnum, place) ON u.place <= i.indnkeyatts
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.attnum
     WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
       AND (CAST(n.nspname AS text) = CAST($1 AS text) OR (CAST($1 AS text) = '' AND pg_table_is_visible(c.oid)))
       AND CAST(c.relname AS text) = CAST($2 AS text)
     ORDER BY 1, u.place LIMIT ";
const MYSQL_KEYS: &str = "
    SELECT CAST(CASE index_name WHEN 'PRIMARY' THEN '' ELSE index_name END AS CHAR),
           CAST(CASE WHEN sub_part IS NULL THEN column_name END AS CHAR)
      FROM information_schema.statistics
     WHERE non_unique = 0
       AND table_schema = CASE WHEN ? = '' THEN DATABASE() ELSE ? END AND BINARY table_name = ? AND ? <> ''
     ORDER BY 1, seq_in_index LIMIT ";
const SQLITE_KEYS: &str = "
    SELECT '', name FROM (SELECT name, pk FROM pragma_table_info(?2) WHERE pk > 0 AND ?1 = '' ORDER BY pk)
     UNION ALL
    SELECT name, of FROM (
        SELECT l.name AS name, i.name AS of FROM pragma_index_list(?2) AS l, pragma_index_info(l.name) AS i
         WHERE l.\"unique\" = 1 AND l.origin <> 'pk' AND l.partial = 0 AND ?1 = ''
         ORDER BY l.name, i.seqno)
     LIMIT ";

impl Connection {
    /// Everything that may be read there, with samples.
    ///
    /// # Errors
    /// `source.away`, `source.slow`, `source.busy`, `source.refused`.
    pub async fn describe(&self, how: &Describe) -> Result<Vec<Table>, Problem> {
        let mut tables = Vec::new();
        for cells in self.list(None, how.tables.min(TABLES_MAX)).await? {
            let mut table = self.filled(cells).await?;
            if how.samples > 0 && !table.columns.is_empty() {
                // A view that fails, a table locked for long: the others are told for all that.
                if let Err(problem) = self.sample(&mut table, how.samples.min(SAMPLES_MAX)).await {
                    tracing::warn!(connection = %self.name(), table = %table.name, %problem, "no samples");
                }
            }
            tables.push(table);
        }
        Ok(tables)
    }

    /// One table, without samples.
    pub(crate) async fn describe_one(&self, name: &TableName) -> Result<Table, Problem> {
        let cells = self.list(Some(name), 1).await?.pop();
        let cells = cells.ok_or_else(|| problem::missing(self.name(), &name.to_string()))?;
        let table = self.filled(cells).await?;
        vocabulary::ensure!(!table.columns.is_empty(), problem::missing(self.name(), &name.to_string()));
        Ok(Table { name: name.clone(), ..table })
    }

    async fn list(&self, only: Option<&TableName>, limit: u32) -> Result<Vec<Cells>, Problem> {
        let schema = only.and_then(|it| it.schema.as_ref()).map_or("", Name::as_str);
        let name = only.map_or("", |it| it.name.as_str());
        let (sql, args) = match self.system() {
            System::Postgres => (POSTGRES_TABLES, vec![schema, name]),
            System::MySql => (MYSQL_TABLES, vec![schema, schema, name, name]),
            System::Sqlite => (SQLITE_TABLES, vec![schema, name]),
        };
        self.about(sql, args, limit as usize).await
    }

    async fn about(&self, sql: &str, args: Vec<&str>, limit: usize) -> Result<Vec<Cells>, Problem> {
        let args = args.into_iter().map(str::to_owned).collect();
        Ok(self.rows(Ask { sql: format!("{sql}{limit}"), args, rows_max: limit, bytes_max: BYTES_MAX }).await?.rows)
    }

    /// A table from its line in the list.
    async fn filled(&self, cells: Cells) -> Result<Table, Problem> {
        let [schema, name, view, rows, comment]: [Option<String>; 5] =
            cells.try_into().map_err(|_| self.trouble(problem::Trouble::Unreadable))?;
        let schema = schema.filter(|it| !it.is_empty()).map(Name::new).transpose()?;
        let name = TableName { schema, name: Name::new(name.unwrap_or_default())? };
        let (in_schema, of) = (name.schema.as_ref().map_or("", Name::as_str), name.name.as_str());
        let (columns, keys) = match self.system() {
            System::Postgres => ((POSTGRES_COLUMNS, vec![in_schema, of]), (POSTGRES_KEYS, vec![in_schema, of])),
            System::MySql => {
                let args = vec![in_schema, in_schema, of, of];
                ((MYSQL_COLUMNS, args.clone()), (MYSQL_KEYS, args))
            }
            System::Sqlite => ((SQLITE_COLUMNS, vec![in_schema, of]), (SQLITE_KEYS, vec![in_schema, of])),
        };
        let columns = self.about(columns.0, columns.1, COLUMNS_MAX).await?;
        let (primary, unique) = split(self.about(keys.0, keys.1, COLUMNS_MAX).await?);
        Ok(Table {
            comment: comment.filter(|it| !it.is_empty()),
            view: view.as_deref() == Some("v"),
            rows: rows.and_then(|it| it.parse().ok()),
            // A name that is none for us (control characters) is left out, and cannot be read.
            columns: columns.into_iter().filter_map(|it| column(self.system(), it, &primary)).collect(),
            primary,
            unique,
            name,
        })
    }

    async fn sample(&self, table: &mut Table, most: usize) -> Result<(), Problem> {
        let writer = Writer::new(self.system());
        let columns: Vec<&Column> = table.columns.iter().collect();
        let sql = format!("{} LIMIT ", writer.select(table, &columns));
        let rows = self.about(&sql, vec![], SAMPLED_ROWS).await?;
        for (at, column) in table.columns.iter_mut().enumerate() {
            for value in rows.iter().filter_map(|it| it.get(at)?.as_deref()).filter(|it| !it.is_empty()) {
                let shown = Personal::new(value.chars().take(SAMPLE_CHARS_MAX).collect::<String>());
                if column.samples.len() < most && !column.samples.contains(&shown) {
                    column.samples.push(shown);
                }
            }
        }
        Ok(())
    }
}

/// The primary key, and what else is unique. Without one of its parts a key is none.
fn split(cells: Vec<Cells>) -> (Vec<Name>, Vec<Vec<Name>>) {
    let mut keys: BTreeMap<String, Option<Vec<Name>>> = BTreeMap::new();
    // What the bound of the list may have cut in two is left out.
    let cut = (cells.len() >= COLUMNS_MAX).then(|| cells.last().and_then(|it| it.first().cloned().flatten())).flatten();
    for row in cells {
        let [Some(key), column] = row.as_slice() else { continue };
        let parts = keys.entry(key.clone()).or_insert_with(|| Some(Vec::new()));
        let column = column.as_ref().and_then(|it| Name::new(it.as_str()).ok()).filter(|_| cut.as_ref() != Some(key));
        *parts = parts.take().zip(column).map(|(mut parts, column)| {
            parts.push(column);
            parts
        });
    }
    let primary = keys.remove("").flatten().unwrap_or_default();
    (primary, keys.into_values().flatten().collect())
}

fn column(system: System, cells: Cells, primary: &[Name]) -> Option<Column> {
    let [name, native, base, nullable, comment]: [Option<String>; 5] = cells.try_into().ok()?;
    let (name, native, base) = (Name::new(name?).ok()?, native.unwrap_or_default(), base.unwrap_or_default());
    // SQLite lets a primary key of its own hold nothing unless told otherwise; elsewhere it never does.
    let nullable = nullable.as_deref() == Some("1") && (system == System::Sqlite || !primary.contains(&name));
    let comment = comment.filter(|it| !it.is_empty());
    Some(Column { kind: kind(system, &base, &native), name, native, nullable, comment, samples: Vec::new() })
}

/// What a type's values are.
fn kind(system: System, base: &str, native: &str) -> Native {
    let base = base.to_lowercase();
    match system {
        System::Postgres => match base.as_str() {
            "smallint" | "integer" | "bigint" => Native::Integer,
            "numeric" => Native::Decimal,
            "real" | "double precision" => Native::Float,
            "boolean" => Native::Boolean,
            "date" => Native::Date,
            "timestamp without time zone" => Native::DateTime,
            "timestamp with time zone" => Native::Instant,
            "bytea" => Native::Bytes,
            "text" | "character varying" | "character" => Native::Text,
            other if other.starts_with("time ") => Native::Time,
            _ => Native::Other,
        },
        System::MySql => match base.as_str() {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" => Native::Integer,
            "decimal" => Native::Decimal,
            "float" | "double" => Native::Float,
            "bit" if native == "bit(1)" => Native::Boolean,
            "date" => Native::Date,
            "datetime" => Native::DateTime,
            "timestamp" => Native::Instant,
            "time" => Native::Time,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => Native::Text,
            "bit" | "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Native::Bytes,
            _ => Native::Other,
        },
        System::Sqlite => sqlite_kind(&base),
    }
}

/// SQLite's rules of affinity, with the words for days and times before them.
fn sqlite_kind(declared: &str) -> Native {
    let has = |words: &[&str]| words.iter().any(|it| declared.contains(it));
    match () {
        () if has(&["datetime", "timestamp"]) => Native::DateTime,
        () if has(&["date"]) => Native::Date,
        () if has(&["bool"]) => Native::Boolean,
        () if has(&["int"]) => Native::Integer,
        () if declared.is_empty() => Native::Other,
        () if has(&["char", "clob", "text"]) => Native::Text,
        () if has(&["blob"]) => Native::Bytes,
        () if has(&["real", "floa", "doub"]) => Native::Float,
        () => Native::Decimal,
    }
}
