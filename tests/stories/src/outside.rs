//! Systems of others, read where they stand: real MariaDB, PostgreSQL and SQLite.

use outside::{
    Address, Connection, ConnectionConfig, Describe, Name, Native, PAGE_ROWS_MAX, Page, Read, Rows, Table, TableName,
};
use std::{net::Ipv4Addr, sync::Arc};
use testkit::{Outside, Relay};
use vocabulary::ResourceId;

fn connect(url: &str) -> Connection {
    let name = ResourceId::new("market-db").unwrap();
    Connection::open(&ConnectionConfig { url: Address::new(url), ..ConnectionConfig::new(name) }).unwrap()
}

fn names(names: &[&str]) -> Vec<Name> {
    names.iter().map(|it| Name::new(*it).unwrap()).collect()
}

async fn all_databases() -> Vec<Outside> {
    let all = [Outside::mariadb().await, Outside::postgres().await, Outside::sqlite().await];
    all.into_iter().flatten().collect()
}

/// The same table in the words of each database.
fn create(database: &Outside) -> String {
    let comments = match database.url().split_once(':').unwrap().0 {
        "mysql" => ("COMMENT '统一社会信用代码'", "COMMENT '企业名称'", "COMMENT='企业基本信息'"),
        _ => ("", "", ""),
    };
    let mut sql = format!(
        "CREATE TABLE \"ENT_BASE\" (\"TYSHXYDM\" varchar(18) NOT NULL PRIMARY KEY {}, \"QYMC\" varchar(200) {}, \
         \"ZCZB\" decimal(18,2), \"CLRQ\" date, \"UPDATED_AT\" timestamp(3) NULL, \"备注\" text) {};",
        comments.0, comments.1, comments.2
    );
    if database.url().starts_with("mysql") {
        sql = sql.replace('"', "`");
    }
    if database.url().starts_with("postgres") {
        sql += "COMMENT ON TABLE \"ENT_BASE\" IS '企业基本信息'; \
                COMMENT ON COLUMN \"ENT_BASE\".\"TYSHXYDM\" IS '统一社会信用代码'; \
                COMMENT ON COLUMN \"ENT_BASE\".\"QYMC\" IS '企业名称';";
    }
    sql
}

fn insert(database: &Outside, rows: std::ops::Range<usize>) -> String {
    let rows: Vec<String> = rows
        .map(|it| format!("('K{it:05}', '企业{it}', {it}.5, '2026-01-02', '2026-01-02 03:04:05.678', NULL)"))
        .collect();
    let sql = format!("INSERT INTO \"ENT_BASE\" VALUES {}", rows.join(", "));
    if database.url().starts_with("mysql") { sql.replace('"', "`") } else { sql }
}

async fn page(connection: &Connection, table: &Table, after: Option<Vec<String>>, limit: u32) -> Page {
    let (columns, key) = (names(&["TYSHXYDM", "ZCZB"]), names(&["TYSHXYDM"]));
    connection
        .read(&Read { table, columns: &columns, key: &key, rows: Rows::All, filter: None, after, limit })
        .await
        .unwrap()
}

/// Tables are described with their Chinese comments, their key and some values.
#[tokio::test]
async fn a_table_is_described() {
    for database in all_databases().await {
        database.run(&create(&database)).await;
        database.run(&insert(&database, 0..30)).await;
        let connection = connect(&database.url());
        let tables = connection.describe(&Describe { tables: 10, samples: 5 }).await.unwrap();
        assert_eq!(tables.len(), 1);
        let table = &tables[0];
        assert_eq!(table.name.to_string(), "ENT_BASE");
        assert_eq!(table.primary, names(&["TYSHXYDM"]));
        assert_eq!(table.columns.len(), 6);
        let kinds: Vec<Native> = table.columns.iter().map(|it| it.kind).collect();
        let moment = if database.url().starts_with("mysql") { Native::Instant } else { Native::DateTime };
        assert_eq!(kinds, [Native::Text, Native::Text, Native::Decimal, Native::Date, moment, Native::Text]);
        assert!(!table.columns[0].nullable && table.columns[1].nullable);
        assert_eq!(table.columns[0].samples.len(), 5);
        assert!(table.columns[0].samples[0].open().starts_with('K'));
        assert!(!format!("{table:?}").contains("K0000"), "samples are not printed");
        if !database.url().starts_with("sqlite") {
            assert_eq!(table.comment.as_deref(), Some("企业基本信息"));
            assert_eq!(table.columns[0].comment.as_deref(), Some("统一社会信用代码"));
        }
        let missing = connection.table(&"ENT_GONE".parse().unwrap()).await.unwrap_err();
        assert_eq!(missing.code, "source.missing");
        connection.close().await;
    }
}

/// A key of numbers is read in the order of numbers: 9 before 10, in each page and over them.
async fn numbers_are_in_their_order(database: &Outside, connection: &Connection) {
    let rows: Vec<String> = (0..120).map(|it| format!("({it})")).collect();
    database
        .run(&format!("CREATE TABLE numbers (id integer PRIMARY KEY); INSERT INTO numbers VALUES {}", rows.join(", ")))
        .await;
    let (table, key) = (connection.table(&"numbers".parse().unwrap()).await.unwrap(), names(&["id"]));
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let read = Read { table: &table, columns: &key, key: &key, rows: Rows::All, filter: None, after, limit: 7 };
        let page = connection.read(&read).await.unwrap();
        seen.extend(page.rows.into_iter().map(|it| it[0].clone().unwrap()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..120).map(|it| it.to_string()).collect::<Vec<_>>(), "{}", database.url());
    assert_eq!(connection.greatest(&table, &key[0]).await.unwrap().as_deref(), Some("119"));
}

/// Pages together are the table, each row once, whatever their size.
#[tokio::test]
async fn pages_are_the_table() {
    for database in all_databases().await {
        database.run(&create(&database)).await;
        database.run(&insert(&database, 0..257)).await;
        let connection = connect(&database.url());
        let table = connection.table(&"ENT_BASE".parse().unwrap()).await.unwrap();
        for limit in [1, 7, 256, 257, 258, PAGE_ROWS_MAX] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = page(&connection, &table, after, limit).await;
                assert!(page.rows.len() <= limit as usize);
                seen.extend(page.rows.iter().map(|it| it[0].clone().unwrap()));
                let Some(next) = page.next else { break };
                after = Some(next);
            }
            let expected: Vec<String> = (0..257).map(|it| format!("K{it:05}")).collect();
            assert_eq!(seen, expected, "{} by {limit}", database.url());
        }
        numbers_are_in_their_order(&database, &connection).await;
        let (columns, key) = (names(&["TYSHXYDM", "UPDATED_AT", "CLRQ", "ZCZB"]), names(&["TYSHXYDM"]));
        let keys = vec![vec!["K00003".to_owned()], vec!["nobody".to_owned()], vec!["K00007".to_owned()]];
        let read = Read {
            table: &table,
            columns: &columns,
            key: &key,
            rows: Rows::Keys(keys),
            filter: None,
            after: None,
            limit: 10,
        };
        let some = connection.read(&read).await.unwrap();
        let plain = |row: &[Option<String>], at: usize| {
            table.column(columns[at].as_str()).unwrap().plain(row[at].as_deref().unwrap())
        };
        assert_eq!(some.rows.len(), 2);
        assert_eq!(plain(&some.rows[0], 2), "2026-01-02");
        let moment = plain(&some.rows[0], 1);
        assert!(moment.starts_with("2026-01-02T03:04:05.678"), "{moment}");
        let since = Rows::Since(names(&["TYSHXYDM"])[0].clone(), "K00250".to_owned());
        let read =
            Read { table: &table, columns: &columns, key: &key, rows: since, filter: None, after: None, limit: 100 };
        assert_eq!(connection.read(&read).await.unwrap().rows.len(), 7);
        connection.close().await;
    }
}

async fn all(connection: &Connection, table: &str, key: &[&str]) -> Vec<Vec<String>> {
    let (table, key) = (connection.table(&table.parse().unwrap()).await.unwrap(), names(key));
    let (mut seen, mut after) = (Vec::new(), None);
    for _ in 0..1_000 {
        let read = Read { table: &table, columns: &key, key: &key, rows: Rows::All, filter: None, after, limit: 3 };
        let page = connection.read(&read).await.unwrap();
        seen.extend(page.rows.into_iter().map(|it| it.into_iter().flatten().collect::<Vec<_>>()));
        after = page.next;
        if after.is_none() {
            return seen;
        }
    }
    panic!("{} is read without end", table.name);
}

/// Keys that a database orders otherwise than they read lose no row and are not read twice; a key of which a part is
/// the beginning of a column is none.
#[tokio::test]
async fn odd_keys_lose_no_row() {
    let Some(database) = Outside::mariadb().await else { return };
    database
        .run(
            "CREATE TABLE `blobs` (`id` binary(2) PRIMARY KEY);
             INSERT INTO `blobs` VALUES (x'0001'), (x'10ff'), (x'41ff'), (x'6162'), (x'7a00'), (x'80aa'), (x'ffff');
             CREATE TABLE `listed` (`kind` enum('b','a') NOT NULL, `id` int NOT NULL, PRIMARY KEY (`kind`, `id`));
             INSERT INTO `listed` VALUES ('b',1),('b',2),('b',3),('b',4),('b',5),('a',1),('a',2),('a',3),('a',4);
             CREATE TABLE `large` (`id` bigint unsigned PRIMARY KEY);
             INSERT INTO `large` VALUES (1),(2),(3),(9223372036854775807),(9223372036854775808),(18446744073709551615);
             CREATE TABLE `fronts` (`a` int NOT NULL, `b` varchar(40) NOT NULL, UNIQUE (`a`, `b`(2)))",
        )
        .await;
    let connection = connect(&database.url());
    let texts = |texts: &[&str]| texts.iter().map(|it| vec![(*it).to_owned()]).collect::<Vec<_>>();
    let blobs = ["0001", "10ff", "41ff", "6162", "7a00", "80aa", "ffff"];
    assert_eq!(all(&connection, "blobs", &["id"]).await, texts(&blobs));
    let table = connection.table(&"blobs".parse().unwrap()).await.unwrap();
    let rows = Rows::Keys(texts(&["6162", "6163"]));
    let id = names(&["id"]);
    let read = Read { table: &table, columns: &id, key: &id, rows, filter: None, after: None, limit: 9 };
    assert_eq!(connection.read(&read).await.unwrap().rows, [[Some("6162".to_owned())]]);
    let listed = all(&connection, "listed", &["kind", "id"]).await;
    assert_eq!(listed.len(), 9, "{listed:?}");
    let large = ["1", "2", "3", "9223372036854775807", "9223372036854775808", "18446744073709551615"];
    assert_eq!(all(&connection, "large", &["id"]).await, texts(&large));
    let fronts = connection.table(&"fronts".parse().unwrap()).await.unwrap();
    assert!(!fronts.is_key(&names(&["a"])) && !fronts.is_key(&names(&["a", "b"])), "{:?}", fronts.unique);
    connection.close().await;
}

/// SQLite keeps what it is given, whatever a column says; and a file may be replaced by another.
#[tokio::test]
async fn a_file_of_sqlite_is_read_as_it_is_now() {
    let database = Outside::sqlite().await.unwrap();
    database
        .run(
            "CREATE TABLE whole (id INT PRIMARY KEY NOT NULL);
             INSERT INTO whole VALUES (1), (2), (10), ('abc'), ('abd'), ('abe'), ('abf');
             CREATE TABLE free (k NOT NULL PRIMARY KEY);
             INSERT INTO free VALUES (5), ('5x'), ('6'), (7), ('8'), ('x')",
        )
        .await;
    let connection = connect(&database.url());
    let whole = all(&connection, "whole", &["id"]).await.concat();
    assert_eq!(whole, ["1", "2", "10", "abc", "abd", "abe", "abf"]);
    assert_eq!(all(&connection, "free", &["k"]).await.concat(), ["5", "5x", "6", "7", "8", "x"]);
    let other = Outside::sqlite().await.unwrap();
    other.run("CREATE TABLE whole (id INT PRIMARY KEY NOT NULL); INSERT INTO whole VALUES (77)").await;
    let path = |it: &Outside| it.url().strip_prefix("sqlite:").unwrap().to_owned();
    std::fs::rename(path(&other), path(&database)).unwrap();
    assert_eq!(all(&connection, "whole", &["id"]).await.concat(), ["77"]);
    connection.close().await;
}

/// A key that names two rows is refused rather than read wrong; rows without a key are read apart.
#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    for database in all_databases().await {
        let mysql = database.url().starts_with("mysql");
        database.run("CREATE TABLE notes (name varchar(20), body varchar(20))").await;
        database.run("INSERT INTO notes VALUES ('a', '1'), ('A', '2'), (NULL, '3'), ('b', '4'), ('é', '5')").await;
        let connection = connect(&database.url());
        let table = connection.table(&"notes".parse().unwrap()).await.unwrap();
        let (columns, key) = (names(&["body"]), names(&["name"]));
        let read =
            |rows, after| Read { table: &table, columns: &columns, key: &key, rows, filter: None, after, limit: 2 };
        // In the order of bytes, also where the database itself does not tell `a` from `A`.
        let first = connection.read(&read(Rows::All, None)).await.unwrap();
        assert_eq!(first.rows, [[Some("2".to_owned())], [Some("1".to_owned())]], "{mysql}");
        let second = connection.read(&read(Rows::All, first.next)).await.unwrap();
        assert_eq!(second.rows, [[Some("4".to_owned())], [Some("5".to_owned())]]);
        assert_eq!(second.next, None);
        let keyless = connection.read(&read(Rows::Keyless, None)).await.unwrap();
        assert_eq!(keyless.rows, [[Some("3".to_owned())]]);
        database.run("INSERT INTO notes VALUES ('b', '6')").await;
        let problem = connection.read(&read(Rows::All, Some(vec!["a".to_owned()]))).await.unwrap_err();
        assert_eq!(problem.code, "source.key");
        connection.close().await;
    }
}

/// Nothing is written there, whatever a statement says.
#[tokio::test]
async fn a_connection_only_reads() {
    for database in all_databases().await {
        database.run("CREATE TABLE t (a integer PRIMARY KEY)").await;
        let writes = "CREATE VIEW v AS SELECT a FROM t";
        database.run(writes).await;
        let connection = connect(&database.url());
        let hostile = "t\" ; DROP TABLE t; --";
        let problem = connection.table(&TableName { schema: None, name: Name::new(hostile).unwrap() }).await;
        assert_eq!(problem.unwrap_err().code, "source.missing");
        let table = connection.table(&"v".parse().unwrap()).await.unwrap();
        assert!(table.view && table.primary.is_empty());
        connection.close().await;
    }
}

/// A view of theirs that writes is refused by its own database, which also ends by itself what takes long.
#[tokio::test]
async fn a_view_that_writes_is_refused() {
    for database in [Outside::mariadb().await, Outside::postgres().await].into_iter().flatten() {
        let mysql = database.url().starts_with("mysql");
        let functions = match mysql {
            true => [
                "CREATE FUNCTION writes() RETURNS integer MODIFIES SQL DATA \
                 BEGIN INSERT INTO t VALUES (99); RETURN 1; END",
                "CREATE FUNCTION most() RETURNS varchar(40) READS SQL DATA RETURN @@SESSION.max_statement_time",
            ],
            false => [
                "CREATE FUNCTION writes() RETURNS integer LANGUAGE sql AS 'INSERT INTO t VALUES (99) RETURNING a'",
                "CREATE FUNCTION most() RETURNS text LANGUAGE sql AS 'SELECT current_setting(''statement_timeout'')'",
            ],
        };
        let views = ["CREATE VIEW hostile AS SELECT writes() AS a", "CREATE VIEW bound AS SELECT 1 AS a, most() AS b"];
        for sql in ["CREATE TABLE t (a integer PRIMARY KEY)"].iter().chain(&functions).chain(&views) {
            database.run(sql).await;
        }
        let connection = connect(&database.url());
        let read = async |table: &str, column: &str| {
            let (table, key, columns) =
                (connection.table(&table.parse().unwrap()).await?, names(&["a"]), names(&[column]));
            let rows = Rows::All;
            let read = Read { table: &table, columns: &columns, key: &key, rows, filter: None, after: None, limit: 9 };
            connection.read(&read).await.map(|it| it.rows)
        };
        // MariaDB does not even say what columns such a view has.
        let refused = if mysql { "source.missing" } else { "source.refused" };
        assert_eq!(read("hostile", "a").await.unwrap_err().code, refused);
        assert!(read("t", "a").await.unwrap().is_empty(), "nothing was written");
        let most = read("bound", "b").await.unwrap()[0][0].clone().unwrap();
        assert!(most == "20s" || most.parse() == Ok(20.0), "{most}");
        connection.close().await;
    }
}

/// A source that stands still is told so within the bound, rests after three times, and holds up no other.
#[tokio::test]
async fn a_source_that_stands_still_harms_no_other() {
    let (Some(stalls), Some(serves)) = (Outside::mariadb().await, Outside::sqlite().await) else { return };
    for database in [&stalls, &serves] {
        database.run("CREATE TABLE t (a integer PRIMARY KEY)").await;
    }
    let target = tokio::net::lookup_host(stalls.address().unwrap()).await.unwrap().next().unwrap();
    let relay = Relay::start(Ipv4Addr::LOCALHOST.into(), target).await;
    let url = stalls.url().replace(&stalls.address().unwrap(), &relay.address().to_string());
    let (slow, fast) = (Arc::new(connect(&url)), connect(&serves.url()));
    let name: TableName = "t".parse().unwrap();
    slow.table(&name).await.unwrap();
    relay.stop_after(0);
    let asked: Vec<_> = (0..100)
        .map(|_| {
            let slow = slow.clone();
            tokio::spawn(async move { slow.describe(&Describe { tables: 1, samples: 0 }).await.unwrap_err().code })
        })
        .collect();
    fast.table(&name).await.unwrap();
    assert!(asked.iter().any(|it| !it.is_finished()), "the other was not held up by those that wait");
    let mut codes: Vec<String> = Vec::new();
    for task in asked {
        codes.push(task.await.unwrap().into_owned());
    }
    assert!(codes.iter().filter(|it| *it == "source.busy").count() >= 36, "{codes:?}");
    assert!(codes.iter().any(|it| it == "source.slow" || it == "source.away"), "{codes:?}");
    assert_eq!(slow.state(), "open");
    let rests = slow.describe(&Describe { tables: 1, samples: 0 }).await.unwrap_err();
    assert_eq!(rests.code, "source.away");
    assert!(rests.more["retry_after_s"].as_u64().unwrap() > 0);
}
