//! What kind of database this is and how it is set, for whoever looks after it.

use crate::{Dialect, Statement, Store};
use std::collections::BTreeMap;
use vocabulary::Problem;

const SQLITE: &str = "
    SELECT 'version' AS name, sqlite_version() AS setting
    UNION ALL SELECT 'journal_mode', journal_mode FROM pragma_journal_mode
    UNION ALL SELECT 'encoding', encoding FROM pragma_encoding";
const POSTGRES: &str = "
    SELECT CASE name WHEN 'server_version' THEN 'version' WHEN 'server_encoding' THEN 'encoding' ELSE name END AS name,
           setting
      FROM pg_settings
     WHERE name IN ('server_version', 'server_version_num', 'server_encoding', 'fsync', 'full_page_writes', 'wal_level',
                    'max_connections', 'synchronous_commit', 'data_checksums')";

impl Store {
    /// Its version and the settings that durability hangs on, by name.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn describe(&self) -> Result<BTreeMap<String, String>, Problem> {
        let sql = match self.dialect() {
            Dialect::Sqlite => SQLITE,
            Dialect::Postgres => POSTGRES,
        };
        let rows = self.read().await?.rows(Statement::long(sql), vec![]).await?;
        rows.iter().map(|it| Ok((it.text("name")?.to_owned(), it.text("setting")?.to_owned()))).collect()
    }
}
