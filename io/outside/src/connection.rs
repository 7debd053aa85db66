//! One system of others, guarded: a few connections, a bounded queue before them, a deadline, a breaker.

use crate::{
    Name, Service, Table, TableName,
    address::{ConnectionConfig, unfit},
    driver::{Ask, Driver, Rows},
    gate::{Lane, Lanes},
    mysql, postgres,
    problem::Trouble,
    sqlite::Files,
};
use serde::Serialize;
use sqlx::{mysql::MySqlConnectOptions, postgres::PgConnectOptions};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use vocabulary::{Kind, Problem, ResourceId, ensure};

/// A whole call may take this long, whatever the system itself promises.
const CALL_MAX: Duration = Duration::from_secs(30);
/// What a table looks like is remembered for this long.
const SHAPE_MAX: Duration = Duration::from_secs(60);
/// Shapes remembered at once.
const SHAPES_MAX: usize = 256;

/// What sort of system it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum System {
    /// PostgreSQL, and what speaks its protocol.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    /// A file of SQLite.
    Sqlite,
}

/// How to connect for writing; it holds the password, and is never printed.
#[derive(Clone)]
pub(crate) enum Target {
    /// PostgreSQL.
    Postgres(PgConnectOptions),
    /// MySQL and MariaDB.
    MySql(MySqlConnectOptions),
}

/// A system of others by its name. Cheap to clone.
#[derive(Clone)]
pub struct Connection {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) name: ResourceId,
    pub(crate) system: System,
    driver: Driver,
    /// Whether deliveries may write there.
    pub(crate) writes: bool,
    /// How to connect for writing, where that can be done.
    pub(crate) target: Option<Target>,
    lanes: Lanes,
    pub(crate) shapes: Mutex<HashMap<TableName, (Instant, Arc<Table>)>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connection {
    /// Makes ready what `config` declares; nothing is connected before it is used.
    ///
    /// # Errors
    /// `source.connection` for an address or a password file that cannot serve.
    pub fn open(config: &ConnectionConfig) -> Result<Self, Problem> {
        let password = config.password()?;
        let (url, name) = (config.url.open(), &config.name);
        let wrong =
            || unfit(name, "url 有误；应如 mysql://user@host:3306/db", "its url is not like mysql://user@host:3306/db");
        let (system, driver, target) = match config.url.scheme() {
            "postgres" | "postgresql" => {
                let options = postgres::options(url, password.as_deref()).ok_or_else(wrong)?;
                let pool = Driver::Postgres(postgres::pool(options.clone()));
                (System::Postgres, pool, Some(Target::Postgres(options)))
            }
            "mysql" | "mariadb" => {
                let options = mysql::options(url, password.as_deref()).ok_or_else(wrong)?;
                (System::MySql, Driver::MySql(mysql::pool(options.clone())), Some(Target::MySql(options)))
            }
            "sqlite" => (System::Sqlite, Driver::Sqlite(Files::new(config.url.path().to_owned())), None),
            _ => {
                return Err(unfit(
                    name,
                    "url 应以 postgres://、mysql:// 或 sqlite: 开头",
                    "its url begins with postgres://, mysql:// or sqlite:",
                ));
            }
        };
        Ok(Self {
            inner: Arc::new(Inner {
                name: name.clone(),
                system,
                driver,
                writes: config.writes,
                target,
                lanes: Lanes::new(name.clone()),
                shapes: Mutex::default(),
            }),
        })
    }

    /// What packs call it.
    pub fn name(&self) -> &ResourceId {
        &self.inner.name
    }

    /// What sort of system it is.
    pub fn system(&self) -> System {
        self.inner.system
    }

    /// Whether it is asked at present: `closed`, `open`, `half-open`.
    pub fn state(&self) -> &'static str {
        self.inner.lanes.state()
    }

    /// Ends its connections.
    pub async fn close(&self) {
        self.inner.driver.close().await;
    }

    /// Runs one statement, guarded.
    pub(crate) async fn rows(&self, ask: Ask) -> Result<Rows, Problem> {
        // Boxed: what is beneath it is deep, and is no part of the callers' futures then.
        self.guard(Lane::Read, CALL_MAX, Box::pin(self.inner.driver.rows(ask))).await
    }

    /// Makes a call with a place of its lane, within its time, where the breaker lets it through.
    pub(crate) async fn guard<T>(
        &self,
        lane: Lane,
        most: Duration,
        call: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Problem> {
        self.inner.lanes.guard(lane, most, call).await
    }

    /// What `table` looks like; remembered for a minute.
    ///
    /// # Errors
    /// `source.missing`, and those of asking the system.
    pub async fn table(&self, table: &TableName) -> Result<Arc<Table>, Problem> {
        let remembered = held(&self.inner.shapes).get(table).cloned();
        if let Some((at, shape)) = remembered
            && at.elapsed() < SHAPE_MAX
        {
            return Ok(shape);
        }
        let shape = Arc::new(self.describe_one(table).await?);
        let mut shapes = held(&self.inner.shapes);
        if shapes.len() >= SHAPES_MAX {
            shapes.clear();
        }
        shapes.insert(table.clone(), (Instant::now(), shape.clone()));
        Ok(shape)
    }

    /// The columns of `table` by name, refused where one is not there.
    pub(crate) fn check(&self, table: &Table, columns: &[Name]) -> Result<(), Problem> {
        match columns.iter().find(|it| table.column(it.as_str()).is_none()) {
            Some(absent) => Err(crate::problem::missing(self.name(), &format!("{}.{absent}", table.name))),
            None => Ok(()),
        }
    }

    pub(crate) fn trouble(&self, trouble: Trouble) -> Problem {
        trouble.problem(self.name())
    }
}

/// Every connection of one organisation. One that cannot serve says so when it is asked for, and keeps no other from
/// serving.
#[derive(Debug, Default)]
pub struct Connections {
    databases: BTreeMap<ResourceId, Result<Connection, Problem>>,
    services: BTreeMap<ResourceId, Result<Service, Problem>>,
}

impl Connections {
    /// Makes all of them ready.
    pub fn open(configs: &[ConnectionConfig]) -> Self {
        let mut all = Self::default();
        for config in configs {
            let name = config.name.clone();
            let problem = if config.is_service() {
                all.services.entry(name).or_insert_with(|| Service::open(config)).as_ref().err()
            } else {
                all.databases.entry(name).or_insert_with(|| Connection::open(config)).as_ref().err()
            };
            if let Some(problem) = problem {
                tracing::error!(connection = %config.name, %problem, "a declared connection cannot serve");
            }
        }
        all
    }

    /// The databases that can serve.
    pub fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.databases.values().flatten()
    }

    /// The HTTP services that can.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values().flatten()
    }

    /// The one of that name.
    ///
    /// # Errors
    /// `source.no_connection`, or why it cannot serve.
    pub fn get(&self, name: &ResourceId) -> Result<&Connection, Problem> {
        match self.databases.get(name) {
            Some(Ok(connection)) => Ok(connection),
            Some(Err(problem)) => Err(problem.clone()),
            None if self.services.contains_key(name) => Err(other_sort(name)),
            None => Err(undeclared(name)),
        }
    }

    /// The HTTP service of that name.
    ///
    /// # Errors
    /// `source.no_connection`, or why it cannot serve.
    pub fn service(&self, name: &ResourceId) -> Result<&Service, Problem> {
        match self.services.get(name) {
            Some(Ok(service)) => Ok(service),
            Some(Err(problem)) => Err(problem.clone()),
            None if self.databases.contains_key(name) => Err(other_sort(name)),
            None => Err(undeclared(name)),
        }
    }

    /// Checks that no two have one name.
    ///
    /// # Errors
    /// `source.connection`.
    pub fn check(configs: &[ConnectionConfig]) -> Result<(), Problem> {
        for (at, config) in configs.iter().enumerate() {
            let twice = configs[..at].iter().any(|it| it.name == config.name);
            ensure!(!twice, unfit(&config.name, "声明了两次", "it is declared twice"));
        }
        Ok(())
    }
}

fn undeclared(name: &ResourceId) -> Problem {
    Problem::new(
        Kind::Missing,
        "source.no_connection",
        format!("没有连接 {name}；请在 yunhe.toml 以 [[organisation.connection]] 声明后重启"),
        format!("there is no connection {name}; declare it in yunhe.toml as [[organisation.connection]], then restart"),
    )
    .with("connection", name.as_str())
}

fn other_sort(name: &ResourceId) -> Problem {
    unfit(
        name,
        "数据库以 postgres://、mysql:// 或 sqlite: 声明，服务以 http:// 或 https:// 声明，二者不能互换",
        "postgres://, mysql:// or sqlite: declares a database, http:// or https:// a service; neither is the other",
    )
}
