//! Pages of a table, in the order of a key: each goes on behind the last row of the one before, so that any number of
//! rows is read without holding a transaction open in somebody else's database.

use crate::{
    Column, Connection, Name, Table,
    driver::{Ask, Cells},
    problem,
    sql::Writer,
    words::{Foreign, Where},
};
use vocabulary::{Kind, Problem, ensure};

/// Rows in a page at most.
pub const PAGE_ROWS_MAX: u32 = 5_000;
/// Bytes in a page at most; a page ends sooner where rows are large.
pub const PAGE_BYTES_MAX: usize = 4 << 20;
/// Keys asked for at once at most.
pub const KEYS_MAX: usize = 500;

/// Which rows.
#[derive(Clone, Debug, Default)]
pub enum Rows {
    /// All that have a key.
    #[default]
    All,
    /// Only those whose column has this value or a greater one.
    Since(Name, String),
    /// Only those with one of these keys.
    Keys(Vec<Vec<String>>),
    /// Only those that have no key, because a column of it holds nothing; in no order.
    Keyless,
}

/// What to read.
#[derive(Clone, Debug)]
pub struct Read<'a> {
    /// From which table.
    pub table: &'a Table,
    /// Which columns.
    pub columns: &'a [Name],
    /// The order, and what names a row.
    pub key: &'a [Name],
    /// Which rows.
    pub rows: Rows,
    /// Of those, which; more may come than it holds for, never fewer.
    pub filter: Option<Where<'a>>,
    /// Only rows behind this one: its key as the page before gave it.
    pub after: Option<Vec<String>>,
    /// So many rows at most.
    pub limit: u32,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The rows: of each the asked columns, as text.
    pub rows: Vec<Cells>,
    /// The key to go on behind; none where this is the end.
    pub next: Option<Vec<String>>,
}

impl Connection {
    /// Reads a page.
    ///
    /// # Errors
    /// `source.missing` for a column that is not there, `source.key` for a key that names two rows,
    /// `source.page` for a limit above [`PAGE_ROWS_MAX`]; `source.away`, `source.slow`, `source.busy`,
    /// `source.refused`, `source.too_large`.
    pub async fn read(&self, read: &Read<'_>) -> Result<Page, Problem> {
        self.check(read.table, read.columns)?;
        self.check(read.table, read.key)?;
        self.bounds(read)?;
        let (statement, width) = self.statement(read)?;
        let limit = read.limit as usize;
        let got = self.rows(statement).await?;
        let mut rows = got.rows;
        let more = got.cut || rows.len() > limit;
        let keyed = !matches!(read.rows, Rows::Keyless);
        if keyed {
            let twice = rows.windows(2).any(|it| it[0][width..] == it[1][width..]);
            ensure!(!twice, self.ambiguous(read));
        }
        rows.truncate(limit);
        let next: Option<Vec<String>> =
            rows.last().filter(|_| more && keyed).and_then(|it| it[width..].iter().cloned().collect());
        // What does not compare as it reads (a float that is rounded) would be read for ever.
        ensure!(next.is_none() || next != read.after, self.ambiguous(read));
        for row in &mut rows {
            row.truncate(width);
        }
        Ok(Page { rows, next })
    }

    /// The greatest value of a column; none where the table is empty.
    ///
    /// # Errors
    /// As [`Connection::read`].
    pub async fn greatest(&self, table: &Table, column: &Name) -> Result<Option<String>, Problem> {
        let about = table.column(column.as_str());
        let about = about.ok_or_else(|| problem::missing(self.name(), &format!("{}.{column}", table.name)))?;
        let writer = Writer::new(self.system());
        let (select, name, order) = (writer.select(table, &[about]), writer.name(column), writer.order(about, true));
        let sql = format!("{select} WHERE {name} IS NOT NULL ORDER BY {order} DESC LIMIT 1");
        let got = self.rows(Ask { sql, args: vec![], rows_max: 1, bytes_max: PAGE_BYTES_MAX }).await?;
        Ok(got.rows.into_iter().next().and_then(|it| it.into_iter().next()).flatten())
    }

    fn bounds(&self, read: &Read<'_>) -> Result<(), Problem> {
        let keys = if let Rows::Keys(keys) = &read.rows { keys.len() } else { 0 };
        let fits = read.limit <= PAGE_ROWS_MAX && keys <= KEYS_MAX && !read.key.is_empty();
        ensure!(
            fits,
            Problem::new(
                Kind::TooLarge,
                "source.page",
                format!("每页至多 {PAGE_ROWS_MAX} 行、{KEYS_MAX} 个主键，且须有主键"),
                format!("a page has at most {PAGE_ROWS_MAX} rows and {KEYS_MAX} keys, and needs a key"),
            )
        );
        Ok(())
    }

    /// The statement, and how many of its columns were asked for: behind them stand those of the key.
    fn statement(&self, read: &Read<'_>) -> Result<(Ask, usize), Problem> {
        let find =
            |names: &[Name]| -> Vec<&Column> { names.iter().filter_map(|it| read.table.column(it.as_str())).collect() };
        let (columns, key) = (find(read.columns), find(read.key));
        let own = read.table.is_key(read.key);
        let mut writer = Writer::new(self.system());
        let all: Vec<&Column> = columns.iter().chain(&key).copied().collect();
        let select = writer.select(read.table, &all);
        let mut conditions = Vec::new();
        let absent: Vec<String> =
            key.iter().filter(|it| it.nullable).map(|it| format!("{} IS NULL", writer.name(&it.name))).collect();
        match &read.rows {
            Rows::Keyless if absent.is_empty() => conditions.push("1 = 0".to_owned()),
            Rows::Keyless => conditions.push(format!("({})", absent.join(" OR "))),
            _ if absent.is_empty() => {}
            _ => conditions.push(format!("NOT ({})", absent.join(" OR "))),
        }
        if let Rows::Since(name, value) = &read.rows {
            let column = read.table.column(name.as_str());
            let column = column.ok_or_else(|| problem::missing(self.name(), &format!("{}.{name}", read.table.name)))?;
            let (left, right) = (writer.column(column, true), writer.value(column, true, value));
            conditions.push(format!("{left} >= {right}"));
        }
        if let Rows::Keys(keys) = &read.rows {
            conditions.push(if keys.is_empty() { "1 = 0".to_owned() } else { writer.among(&key, own, keys) });
        }
        if let Some(asked) = read.filter {
            let mut words = Foreign { system: self.system(), table: read.table, asked, writer: &mut writer };
            conditions.push(asked.filter.sql_in(asked.record, &mut words));
        }
        if let Some(after) = &read.after {
            conditions.push(writer.behind(&key, own, after));
        }
        let order: Vec<_> = key.iter().map(|it| writer.order(it, own)).collect();
        let condition = if conditions.is_empty() { "1 = 1".to_owned() } else { conditions.join(" AND ") };
        let limit = u64::from(read.limit) + 1;
        let sql = format!("{select} WHERE {condition} ORDER BY {} LIMIT {limit}", order.join(", "));
        let rows_max = read.limit as usize + 1;
        Ok((Ask { sql, args: writer.args, rows_max, bytes_max: PAGE_BYTES_MAX }, columns.len()))
    }

    fn ambiguous(&self, read: &Read<'_>) -> Problem {
        let key: Vec<&str> = read.key.iter().map(Name::as_str).collect();
        let (table, key) = (&read.table.name, key.join(", "));
        Problem::new(
            Kind::Unprocessable,
            "source.key",
            format!("连接 {}：表 {table} 的 {key} 不能区分各行，不能作主键；请在数据源中另指 key", self.name()),
            format!(
                "connection {}: {key} does not tell the rows of {table} apart; name another key in the source",
                self.name()
            ),
        )
        .with("connection", self.name().as_str())
    }
}
