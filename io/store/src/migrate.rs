//! Migrations: numbered steps per owner, each run once, in one unit of work. One text serves both databases.

use crate::{Dialect, Statement, Store, args, transact};
use vocabulary::Problem;

/// The store's own tables.
pub(crate) const STORE: &[&str] = &["
    CREATE TABLE store_idempotency (
        key $TEXT NOT NULL PRIMARY KEY, ask $TEXT NOT NULL, answer $TEXT NOT NULL, at $INT NOT NULL);
    CREATE INDEX store_idempotency_at ON store_idempotency (at);
    CREATE TABLE store_change (
        id $SERIAL, feed $TEXT NOT NULL, body $TEXT NOT NULL, position $INT, at $INT);
    CREATE UNIQUE INDEX store_change_position ON store_change (feed, position);
    CREATE INDEX store_change_pending ON store_change (feed, id) WHERE position IS NULL;
    CREATE TABLE store_feed (
        feed $TEXT NOT NULL PRIMARY KEY, epoch $TEXT NOT NULL, next $INT NOT NULL, at $INT NOT NULL)"];

const CREATE_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS store_migration (
        owner $TEXT NOT NULL, step $INT NOT NULL, PRIMARY KEY (owner, step))";
const DONE: &str = "SELECT COALESCE(MAX(step), 0) AS step FROM store_migration WHERE owner = $1";
const RECORD: &str = "INSERT INTO store_migration (owner, step) VALUES ($1, $2)";

/// Replaces the portable words of a migration by the dialect's.
pub(crate) fn translate(sql: &str, dialect: Dialect) -> String {
    let words = match dialect {
        Dialect::Sqlite => [
            ("$SERIAL", "INTEGER PRIMARY KEY AUTOINCREMENT"),
            ("$BYTES", "BLOB"),
            ("$TEXT", "TEXT"),
            ("$INT", "INTEGER"),
            // The table is its primary key's tree, without row ids beside it: for short rows.
            ("$CLUSTERED", "WITHOUT ROWID"),
        ],
        Dialect::Postgres => [
            ("$SERIAL", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
            ("$BYTES", "BYTEA"),
            ("$TEXT", "TEXT COLLATE \"C\""),
            ("$INT", "BIGINT"),
            ("$CLUSTERED", ""),
        ],
    };
    words.iter().fold(sql.to_owned(), |text, (word, by)| text.replace(word, by))
}

impl Store {
    /// Brings the tables of `owner` up to date: runs the steps that were not run yet, in order.
    ///
    /// # Errors
    /// `store.fault` when a step does not run; the steps before it stay.
    pub async fn migrate(&self, owner: &'static str, steps: &[&'static str]) -> Result<(), Problem> {
        let dialect = self.dialect();
        transact!(self, None, |tx| {
            tx.execute(Statement::schema(translate(CREATE_TABLE, dialect)), vec![]).await?;
            Ok(())
        })
        .or_else(|it| if it.code == "store.duplicate" { Ok(()) } else { Err(it) })?;
        for (number, step) in (1_i64..).zip(steps) {
            transact!(self, None, |tx| {
                let done = tx.row(DONE, args![owner]).await?.map_or(Ok(0), |it| it.int("step"))?;
                if done >= number {
                    return Ok(());
                }
                // Recorded first: of two nodes migrating at once, the second waits here and then sees it done.
                tx.execute(RECORD, args![owner, number]).await?;
                for statement in translate(step, dialect).split(";\n") {
                    if !statement.trim().is_empty() {
                        tx.execute(Statement::schema(statement.to_owned()), vec![]).await?;
                    }
                }
                Ok(())
            })
            .or_else(|it| if it.code == "store.duplicate" { Ok(()) } else { Err(it) })?;
        }
        Ok(())
    }
}
