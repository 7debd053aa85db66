//! Databases of others, for stories: MariaDB and PostgreSQL by their servers, SQLite as a file; each test has its own.

use crate::database::draw_number;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqlSafeStr as _};
use std::path::PathBuf;
use tempfile::TempDir;

/// A database that is not ours.
pub struct Outside {
    place: Place,
    name: String,
}

enum Place {
    /// The server's address without a database.
    MariaDb(String),
    Postgres(String),
    Sqlite(TempDir),
}

/// The address in `variable`; where CI runs it must be there.
fn server(variable: &str) -> Option<String> {
    let given = std::env::var(variable).ok().filter(|it| !it.is_empty());
    let must = std::env::var("CI").is_ok_and(|it| !it.is_empty());
    assert!(given.is_some() || !must, "{variable} is not set; cargo xtask test sets it");
    given
}

impl Outside {
    /// An empty database on the MariaDB that `YUNHE_TEST_MARIADB` names, if it names one.
    pub async fn mariadb() -> Option<Self> {
        let server = server("YUNHE_TEST_MARIADB")?;
        let place = Place::MariaDb(server.trim_end_matches('/').to_owned());
        Some(Self::make(place, " CHARACTER SET utf8mb4").await)
    }

    /// An empty database on the PostgreSQL that `YUNHE_TEST_POSTGRES` names, if it names one.
    pub async fn postgres() -> Option<Self> {
        let server = server("YUNHE_TEST_POSTGRES")?;
        let (front, _) = server.rsplit_once('/').unwrap();
        Some(Self::make(Place::Postgres(front.to_owned()), " TEMPLATE template0 ENCODING 'UTF8'").await)
    }

    /// An empty file.
    pub async fn sqlite() -> Option<Self> {
        Some(Self { place: Place::Sqlite(tempfile::tempdir().unwrap()), name: "outside.db".to_owned() })
    }

    async fn make(place: Place, how: &str) -> Self {
        let name = format!("yunhe_outside_{}_{}", std::process::id(), draw_number());
        let made = Self { place, name };
        // A process that was killed may have borne our number.
        made.on_server(&made.dropping()).await;
        made.on_server(&format!("CREATE DATABASE {}{how}", made.name)).await;
        made
    }

    /// What takes it away again, if it is there.
    fn dropping(&self) -> String {
        let force = if matches!(self.place, Place::Postgres(_)) { " WITH (FORCE)" } else { "" };
        format!("DROP DATABASE IF EXISTS {}{force}", self.name)
    }

    async fn on_server(&self, sql: &str) {
        if let Some(url) = self.server() {
            run(&url, sql).await;
        }
    }

    /// The server's address, with the database from which others are made.
    fn server(&self) -> Option<String> {
        match &self.place {
            Place::MariaDb(server) => Some(server.clone()),
            Place::Postgres(front) => Some(format!("{front}/postgres")),
            Place::Sqlite(_) => None,
        }
    }

    fn file(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Sqlite(folder) => Some(folder.path().join(&self.name)),
            _ => None,
        }
    }

    /// Its address for `yunhe.toml`.
    pub fn url(&self) -> String {
        match &self.place {
            Place::MariaDb(server) => format!("{server}/{}", self.name),
            Place::Postgres(front) => format!("{front}/{}", self.name),
            Place::Sqlite(_) => format!("sqlite:{}", self.file().unwrap().display()),
        }
    }

    /// Its host and port; a file has none.
    pub fn address(&self) -> Option<String> {
        let url = self.url();
        let rest = url.split_once('@')?.1.to_owned();
        Some(rest.split('/').next()?.to_owned())
    }

    /// Whether it is a MariaDB, whose words differ.
    pub fn is_mariadb(&self) -> bool {
        matches!(self.place, Place::MariaDb(_))
    }

    /// Its name on its server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fails where the condition does not hold in it.
    pub async fn holds(&self, condition: &str) {
        let sql = if self.is_mariadb() {
            // One row too many is an error there.
            format!("SELECT IF(({condition}), 1, (SELECT 1 UNION SELECT 2)) /* in vain: {condition} */")
        } else {
            let said = condition.replace('\'', "''").replace('%', "%%");
            format!("DO $$ BEGIN IF ({condition}) IS NOT TRUE THEN RAISE EXCEPTION 'in vain: {said}'; END IF; END $$")
        };
        self.run(&sql).await;
    }

    /// Runs statements in it, as its owner.
    pub async fn run(&self, sql: &str) {
        match self.file() {
            Some(file) => rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap(),
            None => run(&self.url(), sql).await,
        }
    }
}

async fn run(url: &str, sql: &str) {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()).into_sql_str());
    if url.starts_with("postgres") {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        connection.execute(sql).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = sqlx::MySqlConnection::connect(url).await.unwrap();
        connection.execute(sql).await.unwrap();
        connection.close().await.unwrap();
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let (Some(url), sql) = (self.server(), self.dropping()) else { return };
        let drop_it = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(&url, &sql));
        };
        // Best effort: what a crashed test leaves behind goes with its server.
        drop(std::thread::spawn(drop_it).join());
    }
}
