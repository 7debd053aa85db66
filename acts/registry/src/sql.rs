//! All SQL that is made at run time: statements over the tables of one record type.
//!
//! Closed: only the functions below make statements, only from [`Name`]s, which are checked, and from what
//! `rule::sql` makes of a field or a filter; values are always parameters.
//!
//! Of a type `t` the table `rec_t` holds the current rows, `past_t` the superseded ones:
//! `_id` names the row, `_change` is the change that wrote the version (the store's id), `_line` its line in the
//! imported file, `_until` (past only) the change that ended it.

use crate::query::Selection;
use rule::Dialect;
use rule::sql::{column_type, parameter, quote, select};
use schema::{Field, FieldName, FieldType, RecordType, Value};
use store::{Arg, Statement};
use vocabulary::{Kind, Problem, ensure};

/// A record type's name is at most this long: PostgreSQL cuts identifiers at 63 bytes.
const TYPE_NAME_CHARS_MAX: usize = 48;
/// SQLite takes at most this many parameters in one statement.
const PARAMETERS_MAX: usize = 32_000;
/// Rows in one `INSERT` at most: beyond some hundred a longer statement gains nothing.
const INSERT_ROWS_MAX: usize = 250;

/// Which of the registry's own tables takes many rows at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bulk {
    /// Rows of an atomic import.
    Staged,
    /// Rows that an import found to be so already.
    Seen,
    /// Rejected rows.
    Reject,
}

impl Bulk {
    /// Rows in one statement at most.
    pub(crate) const ROWS_MAX: usize = 500;

    fn columns(self) -> (&'static str, &'static str, usize) {
        match self {
            Self::Staged => ("registry_import_staged (import, line, row_id, cells)", "", 4),
            Self::Seen => {
                ("registry_import_seen (import, row_id, line)", " ON CONFLICT (import, row_id) DO NOTHING", 3)
            }
            Self::Reject => ("registry_import_reject (import, number, line, field, code, zh, en)", "", 7),
        }
    }
}

/// Inserts so many rows into one of the registry's own tables.
pub(crate) fn bulk(into: Bulk, rows: usize, dialect: store::Dialect) -> Statement {
    let (table, end, width) = into.columns();
    let place = |n: usize| match dialect {
        store::Dialect::Sqlite => NEXT.to_owned(),
        store::Dialect::Postgres => format!("${n}"),
    };
    let row = |at: usize| {
        let places = (0..width).map(|it| place(at * width + it + 1)).collect::<Vec<_>>();
        format!("({})", places.join(", "))
    };
    let rows = (0..rows).map(row).collect::<Vec<_>>().join(", ");
    Statement::built(format!("INSERT INTO {table} VALUES {rows}{end}"))
}

/// SQLite's next parameter. `$1` is a name there, looked up in a list that grows with the statement; this is not.
const NEXT: &str = "?";

/// An identifier in quotes, checked: it comes from a field, a type or this module.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name(String);

impl Name {
    fn field(name: &FieldName) -> Self {
        Self(quote(name.as_str()))
    }

    /// `-` becomes `_`, which no type's name has: so no two types share a table.
    fn table(prefix: &str, record: &RecordType) -> Self {
        Self(quote(&format!("{prefix}{}", record.name.as_str().replace('-', "_"))))
    }

    fn index(kind: &str, number: i64, of: &str) -> Self {
        Self(quote(&format!("{kind}_{number}_{of}")))
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The two tables of a record type.
pub(crate) struct Table<'a> {
    record: &'a RecordType,
    dialect: Dialect,
    main: Name,
    past: Name,
}

/// A statement and its arguments.
type Parts = (Statement, Vec<Arg>);

impl<'a> Table<'a> {
    pub(crate) fn new(record: &'a RecordType, dialect: store::Dialect) -> Self {
        let dialect = match dialect {
            store::Dialect::Sqlite => Dialect::Sqlite,
            store::Dialect::Postgres => Dialect::Postgres,
        };
        Self { record, dialect, main: Name::table("rec_", record), past: Name::table("past_", record) }
    }

    /// Checks what [`Name`] relies on and the type itself does not promise.
    pub(crate) fn check_name(record: &RecordType) -> Result<(), Problem> {
        let name = record.name.as_str();
        ensure!(
            name.len() <= TYPE_NAME_CHARS_MAX,
            Problem::new(
                Kind::Unprocessable,
                "registry.name",
                format!("记录类型名 {name} 过长，至多 {TYPE_NAME_CHARS_MAX} 个字符"),
                format!("record type name {name} is too long, at most {TYPE_NAME_CHARS_MAX} characters"),
            )
        );
        Ok(())
    }

    fn word(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self.dialect {
            Dialect::Sqlite => sqlite,
            Dialect::Postgres => postgres,
        }
    }

    /// Both tables and their indexes. `number` is the type's own, for names of indexes.
    pub(crate) fn create(&self, number: i64) -> Vec<Statement> {
        let (int, bytes) = (self.word("INTEGER", "BIGINT"), self.word("BLOB", "BYTEA"));
        let columns: String = self.record.fields.iter().map(|(name, field)| self.declare(name, field)).collect();
        let key = self.key_list("");
        let mut all = vec![
            format!(
                "CREATE TABLE {} (_id {bytes} NOT NULL PRIMARY KEY, _change {int} NOT NULL, _line {int}{columns})",
                self.main
            ),
            format!(
                "CREATE TABLE {} (_id {bytes} NOT NULL, _change {int} NOT NULL, _line {int},
                 _until {int} NOT NULL{columns})",
                self.past
            ),
            format!("CREATE UNIQUE INDEX {} ON {} ({key})", Name::index("rec", number, "key"), self.main),
            format!("CREATE INDEX {} ON {} ({key}, _change)", Name::index("past", number, "key"), self.past),
            format!("CREATE INDEX {} ON {} (_id)", Name::index("past", number, "id"), self.past),
        ];
        all.extend(self.record.fields.iter().filter_map(|(name, field)| self.field_index(number, name, field)));
        all.into_iter().map(Statement::schema).collect()
    }

    /// Adds the fields that `old` does not have.
    pub(crate) fn extend(&self, number: i64, old: &RecordType) -> Vec<Statement> {
        let mut all = Vec::new();
        for (name, field) in self.record.fields.iter().filter(|(name, _)| !old.fields.contains_key(*name)) {
            for table in [&self.main, &self.past] {
                let kind = column_type(&field.kind, self.dialect);
                all.push(format!("ALTER TABLE {table} ADD COLUMN {} {kind}", Name::field(name)));
            }
            all.extend(self.field_index(number, name, field));
        }
        all.into_iter().map(Statement::schema).collect()
    }

    fn declare(&self, name: &FieldName, field: &Field) -> String {
        let null = if self.record.key.contains(name) { " NOT NULL" } else { "" };
        format!(", {} {}{null}", Name::field(name), column_type(&field.kind, self.dialect))
    }

    /// Divisions and codes are what people narrow down by.
    fn field_index(&self, number: i64, name: &FieldName, field: &Field) -> Option<String> {
        let narrows = matches!(field.kind, FieldType::Division | FieldType::Code { .. });
        // The key's own index serves its first field.
        if !narrows || self.record.key.first() == Some(name) {
            return None;
        }
        let index = Name::index("rec", number, &format!("by_{name}"));
        Some(format!("CREATE INDEX {index} ON {} ({})", self.main, Name::field(name)))
    }

    fn key_list(&self, of: &str) -> String {
        self.record.key.iter().map(|it| format!("{of}{}", Name::field(it))).collect::<Vec<_>>().join(", ")
    }

    /// Every field behind a comma; `of` is the table's short name with its point.
    fn field_list(&self, of: &str) -> String {
        self.record.fields.keys().map(|it| format!(", {of}{}", Name::field(it))).collect()
    }

    /// The key's fields against what stands in the JSON array `j.value`.
    fn key_join(&self, of: &str) -> String {
        let alone = self.record.key.len() == 1;
        let same = self.record.key.iter().enumerate().map(|(at, name)| {
            let element = match (self.dialect, alone) {
                (Dialect::Sqlite, true) => "j.value".to_owned(),
                (Dialect::Sqlite, false) => format!("json_extract(j.value, '$[{at}]')"),
                (Dialect::Postgres, true) => "(j.value #>> '{}')".to_owned(),
                (Dialect::Postgres, false) => format!("(j.value ->> {at})"),
            };
            let field = &self.record.fields[name];
            let value = parameter(&field.kind, self.dialect, 1).replace("$1", &element);
            format!("{of}{} = {value}", Name::field(name))
        });
        same.collect::<Vec<_>>().join(" AND ")
    }

    /// `FROM` the keys that `$1` lists, joined with what follows. SQLite has to be told that the list is the shorter
    /// side: its `CROSS JOIN` keeps the order.
    fn keys(&self) -> &'static str {
        self.word("json_each($1) AS j CROSS JOIN", "json_array_elements(CAST($1 AS json)) AS j (value) JOIN")
    }

    /// Membership in the ids that `$1` lists in hex.
    fn ids(&self) -> &'static str {
        self.word(
            "_id IN (SELECT unhex(value) FROM json_each($1))",
            "_id IN (SELECT decode(value, 'hex') FROM json_array_elements_text(CAST($1 AS json)) AS j (value))",
        )
    }

    /// The current rows whose keys `$1` lists: `_id`, then the line by which import `$2` has spoken, then the fields.
    pub(crate) fn matched(&self) -> Statement {
        let fields: Vec<_> = self.record.fields.iter().map(|(name, field)| self.read(name, field, "")).collect();
        Statement::built(format!(
            "SELECT _id, _seen, {} FROM (SELECT m.*,
                CASE WHEN EXISTS (SELECT 1 FROM registry_import_change AS c
                                   WHERE c.import = $2 AND c.change = m._change)
                     THEN m._line
                     ELSE (SELECT s.line FROM registry_import_seen AS s
                            WHERE s.import = $2 AND s.row_id = m._id) END AS _seen
              FROM {} {} AS m ON {}) AS t",
            fields.join(", "),
            self.keys(),
            self.main,
            self.key_join("m."),
        ))
    }

    /// The names of the current rows whose keys `$1` lists.
    pub(crate) fn named(&self) -> Statement {
        Statement::built(format!("SELECT m._id FROM {} {} AS m ON {}", self.keys(), self.main, self.key_join("m.")))
    }

    /// Copies the rows that `$1` lists into the past; change `$2` ended them. A version that a later change wrote is
    /// not copied: its writer was faster, and the count tells.
    pub(crate) fn supersede(&self) -> Statement {
        let fields = self.field_list("");
        let until = parameter(&FieldType::Integer, self.dialect, 2);
        Statement::built(format!(
            "INSERT INTO {} (_id, _change, _line, _until{fields})
             SELECT _id, _change, _line, {until}{fields} FROM {} WHERE {} AND _change < {until}",
            self.past,
            self.main,
            self.ids(),
        ))
    }

    /// Takes the rows that `$1` lists out of the current state: exactly the versions that change `$2` made past.
    pub(crate) fn delete(&self) -> Statement {
        let (main, past) = (&self.main, &self.past);
        let until = parameter(&FieldType::Integer, self.dialect, 2);
        Statement::built(format!(
            "DELETE FROM {main} WHERE {} AND EXISTS (SELECT 1 FROM {past} AS p
               WHERE p._id = {main}._id AND p._change = {main}._change AND p._until = {until})",
            self.ids()
        ))
    }

    /// How many rows one [`Table::insert`] takes.
    pub(crate) fn insert_rows(&self) -> usize {
        (PARAMETERS_MAX / (self.record.fields.len() + 3)).clamp(1, INSERT_ROWS_MAX)
    }

    /// Inserts so many rows: `_id`, `_change`, `_line` and the fields of each.
    pub(crate) fn insert(&self, rows: usize) -> Statement {
        let width = self.record.fields.len() + 3;
        let row = |at: usize| {
            let first = at * width + 1;
            let int = |n: usize| parameter(&FieldType::Integer, self.dialect, n);
            let fields = self.record.fields.values().enumerate();
            let fields: String =
                fields.map(|(n, it)| format!(", {}", parameter(&it.kind, self.dialect, first + 3 + n))).collect();
            format!("(${first}, {}, {}{fields})", int(first + 1), int(first + 2))
        };
        let values = match self.dialect {
            Dialect::Sqlite => vec![format!("({})", vec![NEXT; width].join(", ")); rows],
            Dialect::Postgres => (0..rows).map(row).collect(),
        };
        let values = values.join(", ");
        Statement::built(format!(
            "INSERT INTO {} (_id, _change, _line{}) VALUES {values}",
            self.main,
            self.field_list("")
        ))
    }

    /// `COPY` of the same columns (PostgreSQL).
    pub(crate) fn copy(&self) -> Statement {
        Statement::built(format!("COPY {} (_id, _change, _line{}) FROM STDIN", self.main, self.field_list("")))
    }

    /// A column as it is read back, with its table's name in front.
    fn read(&self, name: &FieldName, field: &Field, of: &str) -> String {
        let column = quote(name.as_str());
        select(name.as_str(), &field.kind, self.dialect).replace(&column, &format!("{of}{column}"))
    }

    /// Where rows are read from: the current state, or that of position `as_of`, given as parameter `n`.
    fn source(&self, as_of: Option<i64>, n: usize) -> String {
        if as_of.is_none() {
            return self.main.to_string();
        }
        let (m, p) = (self.field_list("m."), self.field_list("p."));
        let at = parameter(&FieldType::Integer, self.dialect, n);
        // A change without a position has not happened yet for whoever reads by position.
        format!(
            "(SELECT m._id, m._change, m._line{m} FROM {main} AS m JOIN store_change AS c ON c.id = m._change
               WHERE c.position <= {at}
              UNION ALL
              SELECT p._id, p._change, p._line{p} FROM {past} AS p JOIN store_change AS c ON c.id = p._change
                JOIN store_change AS u ON u.id = p._until
               WHERE c.position <= {at} AND (u.position IS NULL OR u.position > {at}))",
            main = self.main,
            past = self.past,
        )
    }

    /// Of the rows whose ids `$1` lists in hex, those of a selection at its position: `_id`, `_change`, its columns.
    pub(crate) fn touched(&self, selection: &Selection, ids: String) -> Parts {
        let (m, p) = (self.field_list("m."), self.field_list("p."));
        let at = parameter(&FieldType::Integer, self.dialect, 2);
        let mut args = vec![Arg::Text(ids), Arg::Int(selection.as_of.unwrap_or(i64::MAX))];
        let (filter, values) = selection.filter.sql(self.record, self.dialect, args.len() + 1);
        args.extend(values.iter().map(crate::cell::arg));
        let columns = selection.columns.iter().filter_map(|name| Some((name, self.record.field(name.as_str())?)));
        let columns: String = columns.map(|(name, field)| format!(", {}", self.read(name, field, "t."))).collect();
        let sql = format!(
            "SELECT t._id, t._change{columns} FROM
              (SELECT m._id, m._change{m} FROM {main} AS m JOIN store_change AS c ON c.id = m._change
                WHERE m.{ids} AND c.position <= {at}
               UNION ALL
               SELECT p._id, p._change{p} FROM {past} AS p JOIN store_change AS c ON c.id = p._change
                 JOIN store_change AS u ON u.id = p._until
                WHERE p.{ids} AND c.position <= {at} AND (u.position IS NULL OR u.position > {at})) AS t
              WHERE {filter}",
            main = self.main,
            past = self.past,
            ids = self.ids(),
        );
        (Statement::built(sql), args)
    }

    /// `FROM … WHERE …` of a selection and its arguments.
    fn from(&self, selection: &Selection) -> (String, Vec<Arg>) {
        let mut args: Vec<Arg> = selection.as_of.map(Arg::Int).into_iter().collect();
        let source = self.source(selection.as_of, 1);
        let (filter, values) = selection.filter.sql(self.record, self.dialect, args.len() + 1);
        args.extend(values.iter().map(crate::cell::arg));
        let mut sql = format!("FROM {source} AS t WHERE {filter}");
        if let Some(after) = &selection.after {
            let first = args.len() + 1;
            let bounds = self.record.key.iter().enumerate();
            let bounds = bounds.map(|(at, it)| parameter(&self.record.fields[it].kind, self.dialect, first + at));
            let bounds = bounds.collect::<Vec<_>>().join(", ");
            sql.push_str(&format!(" AND ({}) > ({bounds})", self.key_list("t.")));
            args.extend(after.iter().map(crate::cell::arg));
        }
        (sql, args)
    }

    /// The rows of a selection in the order of their keys: `_id`, `_change`, the selected columns.
    pub(crate) fn select(&self, selection: &Selection, limit: Option<u32>) -> Parts {
        let (from, mut args) = self.from(selection);
        let columns = selection.columns.iter().filter_map(|name| Some((name, self.record.field(name.as_str())?)));
        let columns: String = columns.map(|(name, field)| format!(", {}", self.read(name, field, "t."))).collect();
        let mut sql = format!("SELECT t._id, t._change{columns} {from} ORDER BY {}", self.key_list("t."));
        if let Some(limit) = limit {
            args.push(Arg::Int(limit.into()));
            sql.push_str(&format!(" LIMIT {}", parameter(&FieldType::Integer, self.dialect, args.len())));
        }
        let statement = Statement::built(sql);
        // With its whole key given there is one such row, and an index leads to it.
        let one = selection.as_of.is_none() && self.record.key.iter().all(|it| selection.filter.pins(it));
        (if one { statement.brief() } else { statement }, args)
    }

    /// How many rows a selection has.
    pub(crate) fn count(&self, selection: &Selection) -> Parts {
        let (from, args) = self.from(selection);
        (Statement::built(format!("SELECT COUNT(*) AS n {from}")), args)
    }

    /// The current rows from id `$1` to `$2`.
    pub(crate) fn run(&self) -> Statement {
        let columns: String =
            self.record.fields.iter().map(|(name, field)| format!(", {}", self.read(name, field, "t."))).collect();
        Statement::built(format!(
            "SELECT t._id, t._change{columns} FROM {} AS t WHERE t._id >= $1 AND t._id <= $2 ORDER BY t._id",
            self.main
        ))
    }

    /// Every version of the row with a key, in the order of their changes: `_id`, `_line`, beginning and end (position,
    /// time and body of the change), the fields.
    pub(crate) fn versions(&self, key: &[Value]) -> Parts {
        let fields = self.field_list("");
        let columns: String =
            self.record.fields.iter().map(|(name, field)| format!(", {}", self.read(name, field, "t."))).collect();
        let bounds = self.record.key.iter().enumerate().map(|(at, it)| {
            format!("{} = {}", Name::field(it), parameter(&self.record.fields[it].kind, self.dialect, at + 1))
        });
        let bounds = bounds.collect::<Vec<_>>().join(" AND ");
        let int = self.word("INTEGER", "BIGINT");
        let sql = format!(
            "SELECT t._id, t._line, c.position, c.at, c.body, u.position, u.at, u.body{columns}
               FROM (SELECT _id, _change, _line, CAST(NULL AS {int}) AS _until{fields} FROM {main} WHERE {bounds}
                     UNION ALL
                     SELECT _id, _change, _line, _until{fields} FROM {past} WHERE {bounds}) AS t
               JOIN store_change AS c ON c.id = t._change LEFT JOIN store_change AS u ON u.id = t._until
              ORDER BY t._change",
            main = self.main,
            past = self.past,
        );
        (Statement::built(sql).brief(), key.iter().map(crate::cell::arg).collect())
    }
}
