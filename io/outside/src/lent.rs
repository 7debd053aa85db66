//! Rows through a pool of sqlx, whichever database it is of.

use crate::{
    driver::{Ask, Rows, trouble},
    problem::Trouble,
};
use futures::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, ColumnIndex, Database, Decode, Encode, Executor, IntoArguments, Pool, Row as _, SqlSafeStr as _,
    Type, pool::PoolConnection,
};

/// A connection that does not go back to the pool in the middle of an answer.
struct Lent<DB: Database> {
    connection: PoolConnection<DB>,
    whole: bool,
}

impl<DB: Database> Drop for Lent<DB> {
    fn drop(&mut self) {
        if !self.whole {
            self.connection.close_on_drop();
        }
    }
}

/// The rows that a statement gives.
pub(crate) async fn rows<DB>(pool: &Pool<DB>, ask: Ask) -> Result<Rows, Trouble>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
    for<'r> String: Decode<'r, DB>,
    usize: ColumnIndex<DB::Row>,
{
    let connection = pool.acquire().await.map_err(|it| trouble(&it))?;
    let mut lent = Lent { connection, whole: false };
    let got = async {
        let mut query = sqlx::query(AssertSqlSafe(ask.sql.clone()).into_sql_str());
        for arg in &ask.args {
            query = query.bind(arg.clone());
        }
        let (mut found, mut rows) = (Rows::default(), query.fetch(&mut *lent.connection));
        while let Some(row) = rows.try_next().await.map_err(|it| trouble(&it))? {
            let cells: Result<Vec<Option<String>>, _> = (0..row.len()).map(|at| row.try_get(at)).collect();
            if !found.take(cells.map_err(|it| trouble(&it))?, &ask)? {
                break;
            }
        }
        Ok(found)
    }
    .await;
    lent.whole = match &got {
        Ok(rows) => !rows.cut,
        Err(it) => matches!(it, Trouble::Refused(_)),
    };
    got
}
