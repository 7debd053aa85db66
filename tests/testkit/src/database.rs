//! Where a world keeps its rows: SQLite files in its folder, or a PostgreSQL database of its own, dropped at the end.

use crate::Relay;
use std::{
    net::IpAddr,
    sync::atomic::{AtomicU32, Ordering},
};
use store::{Statement, Store};

/// Which database a world runs on.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file per organisation.
    Sqlite,
    /// A database of the server at this address, with a schema per organisation.
    Postgres(String),
}

impl Database {
    /// The server that `YUNHE_TEST_POSTGRES` names, if it names one.
    pub fn postgres() -> Option<Self> {
        std::env::var("YUNHE_TEST_POSTGRES").ok().filter(|it| !it.is_empty()).map(Self::Postgres)
    }
}

/// Distinguishes the worlds of one process; processes are told apart by their ids.
pub(crate) fn draw_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A world's own database.
pub(crate) enum Home {
    Sqlite,
    Postgres {
        /// Where tests reach it.
        server: String,
        /// Where the world's nodes do.
        address: String,
        name: String,
    },
}

impl Home {
    pub async fn make(database: Database, number: u32) -> Self {
        let Database::Postgres(server) = database else { return Self::Sqlite };
        let name = format!("yunhe_story_{}_{number}", std::process::id());
        let create = format!("CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'");
        on_server(&server, &name, vec![create]).await;
        let (front, _) = server.rsplit_once('/').unwrap();
        let address = format!("{front}/{name}");
        Self::Postgres { server, address, name }
    }

    /// From now on nodes reach it through a relay.
    pub async fn through_a_relay(&mut self, on: IpAddr) -> Relay {
        let Self::Postgres { address, .. } = self else { panic!("nothing lies between a node and its file") };
        let (front, place) = address.rsplit_once('@').expect("postgres://user@host:port/…");
        let (place, name) = place.split_once('/').unwrap();
        let target = tokio::net::lookup_host(place).await.unwrap().next().unwrap();
        let relay = Relay::start(on, target).await;
        *address = format!("{front}@{}/{name}", relay.address());
        relay
    }

    /// The address for an organisation's configuration.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite => "sqlite".to_owned(),
            Self::Postgres { address, .. } => address.clone(),
        }
    }
}

impl Home {
    /// Takes an organisation's schema away, as a disaster does; says whether there was one to take.
    pub async fn destroy(&self, schema: &str) -> bool {
        let Self::Postgres { address, .. } = self else { return false };
        let place = format!("meanwhile_{}", draw_number());
        on_server(address, &place, vec![format!("DROP SCHEMA \"{schema}\" CASCADE")]).await;
        true
    }

    /// Ends all connections to the database and lets no new one in; or lets them in again.
    pub async fn cut(&self, away: bool) {
        let Self::Postgres { server, name, .. } = self else { panic!("a file cannot be away") };
        let allow = format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS {}", !away);
        let end = format!("SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE datname = '{name}'");
        on_server(server, name, if away { vec![allow, end] } else { vec![allow] }).await;
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let Self::Postgres { server, name, .. } = self else { return };
        let (server, name) = (server.clone(), name.clone());
        let drop_it = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let sql = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
            runtime.block_on(on_server(&server, &name, vec![sql]));
        };
        // Best effort: what a crashed test leaves behind goes with its cluster.
        drop(std::thread::spawn(drop_it).join());
    }
}

/// Runs statements outside a transaction, through a schema that is there only meanwhile.
async fn on_server(server: &str, schema: &str, statements: Vec<String>) {
    let store = Store::open(server, schema).await.unwrap();
    let mut reader = store.read().await.unwrap();
    for sql in statements {
        reader.rows(Statement::built(sql), vec![]).await.unwrap();
    }
    reader.rows(Statement::built(format!("DROP SCHEMA \"{schema}\" CASCADE")), vec![]).await.unwrap();
    drop(reader);
    store.close().await;
}
