//! The release before this one. What it wrote is read; and once this release has made its tables of it, every statement
//! of that release still runs, so that one can go back without a backup and both can stand side by side meanwhile.
//!
//! `previous/yunhe.db` was made by the program of release 0.1 (packs, accounts, membership, three rows), its statements
//! were taken from its sources. At the next release both are made anew.

use node::{Organisation, OrganisationConfig, SystemClock};
use policy::{Level, MemberRole};
use std::{fs, path::Path, sync::Arc};
use store::{Dialect, Statement, Store, transact};
use testkit::Database;
use vocabulary::{Bilingual, FederationName, OrganisationId};

const DATABASE: &[u8] = include_bytes!("../previous/yunhe.db");
const STATEMENTS: &str = include_str!("../previous/statements.txt");

async fn open(home: &Path, database: String) -> Arc<Organisation> {
    signing::KeyRing::create(&home.join("keys"), vocabulary::Suite::default()).unwrap();
    let config = OrganisationConfig {
        id: OrganisationId::new("js-scjg").unwrap(),
        title: Bilingual::new("江苏省市场监督管理局", "js-scjg"),
        host: "scjg.js.yunhe.internal".to_owned(),
        division: "320000".to_owned(),
        level: Level::City,
        roles: vec![MemberRole::Hub, MemberRole::Authority],
        superior: None,
        database,
        epoch: 1,
        part_rows: 100,
        connection: Vec::new(),
    };
    let federation = FederationName::new("jiangsu").unwrap();
    Organisation::open(home, &federation, &config, Arc::new(SystemClock)).await.unwrap()
}

/// Every statement of the release before is understood by the tables as they are.
async fn understands(store: &Store) {
    let mut count = 0;
    for line in STATEMENTS.lines().filter(|it| it.starts_with("/*")) {
        let sql = line.trim_end_matches(';');
        count += 1;
        let understood = match store.dialect() {
            Dialect::Sqlite => {
                let explained = Statement::built(format!("EXPLAIN {sql}"));
                store.read().await.unwrap().rows(explained, vec![]).await.map(|_| ())
            }
            Dialect::Postgres => {
                let statements = [format!("PREPARE previous AS {sql}"), "DEALLOCATE previous".to_owned()];
                transact!(store, None, |tx| {
                    for sql in &statements {
                        tx.execute(Statement::built(sql.clone()), vec![]).await?;
                    }
                    Ok(())
                })
            }
        };
        assert!(understood.is_ok(), "{sql}: {understood:?}");
    }
    assert!(count > 100, "{count}");
}

/// A database of the release before is opened, read and gone on with.
#[tokio::test]
async fn the_previous_release_is_read_and_could_go_on() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("yunhe.db"), DATABASE).unwrap();
    let org = open(folder.path(), "sqlite".to_owned()).await;
    assert_eq!(org.packs().all.len(), 4);
    let types = org.types().await.unwrap();
    assert_eq!(types.iter().find(|it| it.name.as_str() == "division").map(|it| it.rows), Some(3));
    assert_eq!(org.members().unwrap().number(), 1);
    let before = org.log().await.unwrap_or_default();
    assert!(before.is_null() || before["size"] == 5, "its checkpoint bears the key of then: {before}");
    while org.sequence_once().await.unwrap() {}
    understands(org.store()).await;
    org.close().await;
}

/// The same on PostgreSQL, on the tables that this release makes.
#[tokio::test]
async fn the_previous_release_could_go_on_with_postgres() {
    let Some(Database::Postgres(server)) = Database::postgres() else { return };
    // A schema of its own beside those of other tests.
    let schema = format!("previous_{}", std::process::id());
    let store = Store::open(&server, &schema).await.unwrap();
    node::make_tables(&store).await.unwrap();
    understands(&store).await;
    let gone = format!("DROP SCHEMA \"{schema}\" CASCADE");
    transact!(store, None, |tx| tx.execute(Statement::schema(gone.clone()), vec![]).await).unwrap();
    store.close().await;
}
