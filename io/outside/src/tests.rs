//! The laws of the pure parts. Real databases are read in `tests/stories`.

use crate::{
    Address, Admission, Breaker, Column, Connection, ConnectionConfig, Connections, FAILURES_MAX, Name, Native, System,
    Table, TableName, sql::Writer,
};
use proptest::{collection::vec, prelude::*};
use std::{os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};
use vocabulary::ResourceId;

fn config(url: &str, password_file: Option<PathBuf>) -> ConnectionConfig {
    let name = ResourceId::new("market-db").unwrap();
    ConnectionConfig { url: Address::new(url), password_file, ..ConnectionConfig::new(name) }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn column(text: &str, kind: Native) -> Column {
    Column { name: name(text), native: String::new(), kind, nullable: false, comment: None, samples: vec![] }
}

/// Whatever is printed of a connection, user, host and password are not in it.
#[tokio::test]
async fn an_address_is_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("market.password");
    std::fs::write(&file, "S3cret\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = config("mysql://reader@127.0.0.1:1/market", Some(file));
    assert_eq!(config.password().unwrap().as_deref(), Some("S3cret"));
    let connection = Connection::open(&config).unwrap();
    let away = connection.table(&"ENT_BASE".parse().unwrap()).await.unwrap_err();
    assert_eq!(away.code, "source.away");
    assert_eq!(away.more["connection"], "market-db");
    let said = [
        format!("{config:?}"),
        format!("{} {:?}", config.url, config.url),
        format!("{connection:?} {:?}", Connections::open(std::slice::from_ref(&config))),
        format!("{away} {away:?} {}", serde_json::to_string(&away).unwrap()),
    ];
    for text in said {
        for secret in ["reader", "127.0.0.1", "S3cret", "/market\""] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

/// A password belongs into a file that its owner alone reads.
#[test]
fn a_password_that_others_may_read_is_refused() {
    for url in ["mysql://reader:S3cret@db/market", "postgres://db/market?user=a&password=S3cret"] {
        let problem = Connection::open(&config(url, None)).unwrap_err();
        assert_eq!(problem.code, "source.connection");
        assert!(!problem.to_string().contains("S3cret"), "{problem}");
        assert!(problem.to_string().contains("password_file"));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("market.password");
    std::fs::write(&file, "S3cret").unwrap();
    for mode in [0o640, 0o604, 0o644] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let problem = Connection::open(&config("mysql://reader@db/market", Some(file.clone()))).unwrap_err();
        assert!(problem.to_string().contains("chmod 600"), "{mode:o} {problem}");
    }
    let gone = Connection::open(&config("mysql://reader@db/market", Some(folder.path().join("gone")))).unwrap_err();
    assert_eq!(gone.code, "source.connection");
    let other = Connection::open(&config("oracle://reader@db/market", None)).unwrap_err();
    assert!(other.to_string().contains("postgres://"), "{other}");
}

/// One connection that cannot serve keeps no other from serving.
#[tokio::test]
async fn connections_stand_alone() {
    let mut good = config("sqlite:/nowhere/at-all.db", None);
    good.name = ResourceId::new("good").unwrap();
    let all = Connections::open(&[config("nonsense", None), good.clone()]);
    assert_eq!(all.iter().count(), 1);
    assert_eq!(all.get(&good.name).unwrap().system(), System::Sqlite);
    assert_eq!(all.get(&ResourceId::new("market-db").unwrap()).unwrap_err().code, "source.connection");
    assert_eq!(all.get(&ResourceId::new("other").unwrap()).unwrap_err().code, "source.no_connection");
    assert_eq!(Connections::check(&[good.clone(), good]).unwrap_err().code, "source.connection");
}

/// What is only read is never written to, and what cannot be written to says so.
#[tokio::test]
async fn a_connection_is_written_to_only_where_that_is_said() {
    let mut config = config("postgres://writer@127.0.0.1:1/market", None);
    let problem = Connection::open(&config).unwrap().sink().unwrap_err();
    assert!(problem.code == "source.connection" && problem.to_string().contains("writes = true"), "{problem}");
    config.writes = true;
    let sink = Connection::open(&config).unwrap().sink().unwrap();
    assert!(!format!("{sink:?}").contains("writer"));
    config.url = Address::new("sqlite:/nowhere/at-all.db");
    assert!(Connection::open(&config).unwrap().sink().unwrap_err().to_string().contains("postgres://"));
}

#[test]
fn names_are_checked_and_quoted() {
    for bad in ["", "a\u{0}b", "a\nb", &"x".repeat(257)] {
        assert_eq!(Name::new(bad).unwrap_err().code, "source.name");
    }
    let nasty = name("a\"b`c; DROP TABLE x --");
    assert_eq!(Writer::new(System::Postgres).name(&nasty), "\"a\"\"b`c; DROP TABLE x --\"");
    assert_eq!(Writer::new(System::Sqlite).name(&nasty), "\"a\"\"b`c; DROP TABLE x --\"");
    assert_eq!(Writer::new(System::MySql).name(&nasty), "`a\"b``c; DROP TABLE x --`");
    let table: TableName = "市场.企业基本信息".parse().unwrap();
    assert_eq!(Writer::new(System::MySql).table(&table), "`市场`.`企业基本信息`");
    assert_eq!(table.to_string(), "市场.企业基本信息");
}

/// The text of a page's condition; every value is a parameter, in the order in which it stands.
#[test]
fn a_page_goes_on_behind_its_key() {
    let (a, b) = (column("a", Native::Integer), column("b", Native::Text));
    let key = [&a, &b];
    let after = ["1".to_owned(), "x' OR 1=1".to_owned()];
    let mut writer = Writer::new(System::MySql);
    assert_eq!(
        writer.behind(&key, true, &after),
        "(`a` >= CAST(? AS SIGNED) AND ((`a` > CAST(? AS SIGNED)) OR (`a` = CAST(? AS SIGNED) AND `b` > ?)))"
    );
    assert_eq!(writer.args, ["1", "1", "1", "x' OR 1=1"]);
    let mut writer = Writer::new(System::Postgres);
    assert_eq!(
        writer.among(&key[1..], false, &[vec!["x".to_owned()], vec!["y".to_owned()]]),
        "CAST(\"b\" AS text) COLLATE \"C\" IN (CAST($1 AS text), CAST($2 AS text))"
    );
}

/// What a database orders otherwise than it reads is compared as it reads, its own key or not.
#[test]
fn a_key_is_compared_as_it_is_read() {
    let native = |kind, native: &str| Column { native: native.to_owned(), ..column("a", kind) };
    let page = |system, about: &Column| {
        let mut writer = Writer::new(system);
        format!("{} > {}", writer.column(about, true), writer.value(about, true, "x"))
    };
    let binary = native(Native::Bytes, "binary(16)");
    assert_eq!(
        page(System::MySql, &binary),
        "CAST(CAST(LOWER(HEX(`a`)) AS CHAR CHARACTER SET utf8mb4) AS BINARY) > CAST(? AS BINARY)"
    );
    let listed = native(Native::Text, "enum('b','a')");
    assert_eq!(
        page(System::MySql, &listed),
        "CAST(CAST(`a` AS CHAR CHARACTER SET utf8mb4) AS BINARY) > CAST(? AS BINARY)"
    );
    assert_eq!(page(System::MySql, &native(Native::Integer, "bigint(20) unsigned")), "`a` > CAST(? AS DECIMAL(65))");
    assert_eq!(page(System::Sqlite, &native(Native::Integer, "INT")), "\"a\" > ?1");
    assert!(page(System::Sqlite, &native(Native::Other, "")).starts_with("(CASE typeof(\"a\")"));
    assert_eq!(page(System::Sqlite, &native(Native::Text, "TEXT")), "\"a\" > ?1");
}

#[test]
fn days_and_moments_take_one_form() {
    let (wall, moment, text) = (column("a", Native::DateTime), column("a", Native::Instant), column("a", Native::Text));
    assert_eq!(wall.plain("2026-01-02 03:04:05.5"), "2026-01-02T03:04:05.5+08:00");
    assert_eq!(wall.plain("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05Z");
    assert_eq!(moment.plain("2026-01-02 03:04:05"), "2026-01-02T03:04:05Z", "MySQL, in UTC");
    assert_eq!(moment.plain("2026-01-02 03:04:05.25+00"), "2026-01-02T03:04:05.25Z", "PostgreSQL, in UTC");
    assert_eq!(text.plain("2026-01-02 03:04:05"), "2026-01-02 03:04:05");
    assert_eq!(wall.plain("0000-00-00 nonsense"), "0000-00-00 nonsense");
    assert_eq!(wall.plain("2026-01-02"), "2026-01-02");
    assert_eq!(wall.plain("二〇二六年一月二日零时"), "二〇二六年一月二日零时");
    assert_eq!(wall.day("2026-01-02 00:00:00.000"), "2026-01-02");
    assert_eq!(wall.day("2026-01-02 00:00:01"), "2026-01-02T00:00:01+08:00", "turned away later");
    assert_eq!(wall.raw("2026-01-01T19:04:05.5Z"), "2026-01-02 03:04:05.5");
    assert_eq!(moment.raw("2026-01-01T19:04:05Z"), "2026-01-01 19:04:05");
    assert_eq!(text.raw("2026-01-01T19:04:05Z"), "2026-01-01T19:04:05Z");
    assert_eq!(column("a", Native::Date).day("2026-01-02"), "2026-01-02");
    let now = "2026-01-02T16:00:00Z".parse().unwrap();
    let latest = |column: &Column, cell: &str| column.not_ahead(cell.to_owned(), now);
    assert_eq!(latest(&wall, "2026-01-02 23:59:59.5"), "2026-01-02 23:59:59.5");
    assert_eq!(latest(&wall, "2099-01-01 00:00:00"), "2026-01-03 00:00:00");
    assert_eq!(latest(&moment, "2026-01-02 17:00:00+00"), "2026-01-02 16:00:00+00");
    assert_eq!(latest(&moment, "2026-01-02 15:00:00"), "2026-01-02 15:00:00");
    assert_eq!(latest(&moment, "infinity"), "2026-01-02 16:00:00");
    assert_eq!(latest(&wall, "20260-01-01 00:00:00"), "2026-01-03 00:00:00");
    assert_eq!(latest(&column("a", Native::Date), "2026-01-04"), "2026-01-03");
    assert_eq!(latest(&column("a", Native::Integer), "9999999999"), "9999999999", "a counter");
}

#[test]
fn what_is_unique_and_filled_is_a_key() {
    let mut table = Table {
        name: "t".parse().unwrap(),
        comment: None,
        view: false,
        rows: None,
        columns: vec![column("a", Native::Text), column("b", Native::Text), column("c", Native::Text)],
        primary: vec![name("a")],
        unique: vec![vec![name("b"), name("c")]],
    };
    assert!(table.is_key(&[name("a")]) && table.is_key(&[name("b"), name("c")]));
    assert!(table.is_key(&[name("b"), name("a")]), "more than a key is one");
    assert!(!table.is_key(&[name("b")]) && !table.is_key(&[name("d"), name("a")]));
    table.columns[2].nullable = true;
    assert!(!table.is_key(&[name("b"), name("c")]));
}

/// What happens to a breaker: it is asked, or an answer comes, after so many seconds.
fn any_step() -> impl Strategy<Value = (u64, Option<bool>)> {
    (0_u64..70, prop_oneof![Just(None), Just(Some(false)), Just(Some(false)), Just(Some(true))])
}

proptest! {
    /// It opens after so many failures in a row and no sooner; open, it lets nobody through before its rest is over; a
    /// success closes it.
    #[test]
    fn a_breaker_keeps_its_word(steps in vec(any_step(), 0..60)) {
        let (mut breaker, mut now, mut failures) = (Breaker::default(), Duration::ZERO, 0_u32);
        for (seconds, step) in steps {
            now += Duration::from_secs(seconds);
            let before = breaker;
            match step {
                None => {
                    let (admission, next) = breaker.ask(now);
                    let resting = matches!((before, admission), (Breaker::Open { .. }, Admission::Rest(_)));
                    prop_assert_eq!(breaker.rests(now).is_some(), resting);
                    if let (Breaker::Open { until, .. }, Admission::Go) = (before, admission) {
                        prop_assert!(now >= until);
                        let (second, _) = next.ask(now);
                        prop_assert!(matches!(second, Admission::Rest(_)), "one at a time");
                    }
                    if matches!(before, Breaker::Closed { .. }) {
                        prop_assert_eq!(admission, Admission::Go);
                    }
                    breaker = next;
                }
                Some(answered) => {
                    let closed = matches!(before, Breaker::Closed { .. });
                    failures = if answered { 0 } else { failures + 1 };
                    breaker = breaker.heard(answered, now);
                    if closed && failures >= FAILURES_MAX {
                        prop_assert!(matches!(breaker, Breaker::Open { .. }), "{:?} after {}", breaker, failures);
                    }
                    if answered {
                        prop_assert_eq!(breaker, Breaker::default());
                    }
                    if failures < FAILURES_MAX {
                        prop_assert!(matches!(breaker, Breaker::Closed { .. }), "{:?} after {}", breaker, failures);
                    }
                }
            }
        }
        // However it was left, in two minutes somebody is let through.
        let (admission, _) = breaker.ask(now + Duration::from_secs(120));
        prop_assert_eq!(admission, Admission::Go);
    }
}
