//! `import`: a million rows of CSV checked and recorded with their history, against the database's own loader filling
//! an equal table (same columns, same indexes) with the rows that came out: `sqlite3`'s `.import`, and `\copy` of
//! `psql` where `YUNHE_TEST_POSTGRES` names a server.
//!
//! The import runs in a child process (this program again), so that its memory is its own.

use crate::report::{Bound, Figure, Report, Unit};
use policy::{Facts, Permit, Principal, Role, decide};
use registry::{Import, ImportId, Install, Intake, Mapping, SecrecyReview};
use schema::{AnyCode, RecordType};
use serde_json::{Value, json};
use std::{
    fs::File,
    io::BufWriter,
    path::Path,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};
use store::{Store, transact};
use tokio::process::Command;
use vocabulary::{Date, OrganisationId, Timestamp, uuid::Uuid};

const NAME: &str = "import";
/// The hidden name under which this program imports once: file, address of the database, schema.
pub const ONCE: &str = "import-once";
const ROWS: u64 = 1_000_000;
/// The seed of the file.
const SEED: u64 = 7;
/// Nothing here may take longer.
const LONG: Duration = Duration::from_secs(600);
const TIMES_AS_LONG: [Bound; 2] = [Bound::Below(8.0), Bound::Below(4.0)];
const RESIDENT_MEGABYTES: Bound = Bound::Below(400.0);

fn now() -> Timestamp {
    Timestamp::constant(1_790_000_000, 0)
}

fn permit<A: policy::Ask>(ask: A) -> Permit<A> {
    let organisation = OrganisationId::new("js-scjg").unwrap();
    let principal = Principal::job(organisation.clone(), "bench", [Role::SystemAdministrator, Role::DataSteward]);
    decide(&Facts { organisation, principal, now: now(), agreement: None }, ask).unwrap()
}

/// Imports `file` into a fresh database and says as JSON how that went.
pub async fn once(file: &str, url: &str, schema: &str) -> Value {
    let yaml = &testkit::pack_files("legal-persons")["records/legal-person.yaml"];
    let record: RecordType = serde_saphyr::from_str(yaml).unwrap();
    let store = Store::open(url, schema).await.unwrap();
    registry::migrate(&store).await.unwrap();
    let ask = permit(Install { record: record.clone() });
    transact!(store, None, |tx| registry::install(tx, &ask, now()).await).unwrap();
    let ask = permit(Import {
        id: ImportId::from_uuid(Uuid::from_u128((0x0197_u128 << 112) | 7 << 76 | 2 << 62)),
        record: record.name.clone(),
        mapping: Mapping::by_name(&record),
        source: "sample.csv".to_owned(),
        why: "bench".to_owned(),
        secrecy_review: Some(SecrecyReview { by: "bench".to_owned(), on: Date::constant(2026, 11, 1) }),
        atomic: false,
    });
    let intake = Intake { source: Box::new(File::open(file).unwrap()), codes: Arc::new(AnyCode), clock: &now };
    let begun = Instant::now();
    let done = registry::import(&store, &ask, intake, &mut |_| {}).await.unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    store.close().await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let most = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: f64 = most.trim().trim_end_matches(" kB").parse().unwrap();
    json!({
        "read": done.read, "loaded": done.loaded, "rejected": done.rejected, "seconds": seconds,
        "megabytes": kilobytes * 1_024.0 / 1e6,
    })
}

/// Runs a program a bounded time; what it printed, or why it failed.
pub async fn output(command: &mut Command) -> Result<String, String> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
    let end = tokio::time::timeout(LONG, child.map_err(|it| it.to_string())?.wait_with_output()).await;
    let end = end.map_err(|it| it.to_string())?.map_err(|it| it.to_string())?;
    if end.status.success() && end.stderr.is_empty() {
        return Ok(String::from_utf8_lossy(&end.stdout).into_owned());
    }
    Err(format!("{}: {}", end.status, String::from_utf8_lossy(&end.stderr)))
}

/// Imports in a child and tells; how long it took.
async fn ours(report: &mut Report, database: &str, file: &Path, url: &str, schema: &str) -> f64 {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let said = output(child.arg(ONCE).arg(file).args([url, schema])).await.unwrap();
    let done: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(done["read"], ROWS, "{done}");
    let figure = |name: &str, value: &Value, unit| {
        Figure::new(NAME, format!("{database}: {name}"), value.as_f64().unwrap(), unit)
    };
    let note = format!("{} read, {} loaded, {} rejected", done["read"], done["loaded"], done["rejected"]);
    report.tell(&figure("import", &done["seconds"], Unit::Seconds).note(note));
    report.tell(&figure("most resident memory", &done["megabytes"], Unit::Megabytes).gate(RESIDENT_MEGABYTES));
    done["seconds"].as_f64().unwrap()
}

fn compare(report: &mut Report, database: &str, loader: &str, ours: f64, theirs: f64) {
    report.tell(&Figure::new(NAME, format!("{database}: {loader}, equal table"), theirs, Unit::Seconds));
    let figure = Figure::new(NAME, format!("{database}: import as a multiple of {loader}"), ours / theirs, Unit::Ratio);
    let [gate, goal] = TIMES_AS_LONG;
    report.tell(&figure.gate(gate).goal(goal));
}

/// Seconds that `sqlite3` takes to fill an equal table, just as durably, with the rows that our import left.
async fn sqlite_loader(folder: &Path) -> Result<f64, String> {
    let (from, to, rows) = (folder.join("ours.db"), folder.join("theirs.db"), folder.join("rows.csv"));
    let sqlite = || Command::new("sqlite3");
    let tables = "SELECT sql || ';' FROM sqlite_master WHERE tbl_name = 'rec_legal_person' AND sql IS NOT NULL";
    let tables = output(sqlite().arg(&from).arg(tables)).await?;
    let columns = "SELECT hex(_id), _change, _line, uscc, name, kind, founded, industry, capital, status, authority,
                          division FROM rec_legal_person ORDER BY _line";
    let write = [".mode csv".to_owned(), format!(".once '{}'", rows.display())];
    let mut shown = sqlite();
    shown.arg(&from).args(write).arg(columns);
    output(&mut shown).await?;
    output(sqlite().arg(&to).args(["PRAGMA journal_mode = WAL", &tables])).await?;
    let begun = Instant::now();
    let import = format!(".import --csv '{}' rec_legal_person", rows.display());
    output(sqlite().arg(&to).args(["PRAGMA synchronous = FULL", &import])).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let count = "SELECT count(*) FROM rec_legal_person";
    same(&output(sqlite().arg(&from).arg(count)).await?, &output(sqlite().arg(&to).arg(count)).await?)?;
    Ok(seconds)
}

/// Seconds that `\copy` takes to do the same within one PostgreSQL schema.
async fn postgres_loader(folder: &Path, url: &str, schema: &str) -> Result<f64, String> {
    let rows = folder.join("rows-postgres.csv");
    let psql = || {
        let mut psql = Command::new("psql");
        psql.args([url, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        psql.args(["-c".to_owned(), format!("SET search_path = {schema}")]);
        psql
    };
    let out = format!("\\copy rec_legal_person TO '{}' CSV", rows.display());
    let equal = "CREATE TABLE equal_table (LIKE rec_legal_person INCLUDING ALL)";
    output(psql().args(["-c", &out, "-c", equal])).await?;
    let begun = Instant::now();
    output(psql().args(["-c".to_owned(), format!("\\copy equal_table FROM '{}' CSV", rows.display())])).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let count = |table: &str| format!("SELECT count(*) FROM {table}");
    let counts = [output(psql().args(["-c".to_owned(), count("rec_legal_person")])).await?];
    same(&counts[0], &output(psql().args(["-c".to_owned(), count("equal_table")])).await?)?;
    Ok(seconds)
}

fn same(ours: &str, theirs: &str) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{} rows instead of {}", theirs.trim(), ours.trim())) }
}

/// Measures and tells.
pub async fn run(report: &mut Report) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sample.csv");
    sample::legal_persons(SEED, ROWS, &mut BufWriter::new(File::create(&file).unwrap())).unwrap();
    let url = format!("sqlite:{}", folder.path().join("ours.db").display());
    let took = ours(report, "SQLite", &file, &url, "bench").await;
    match sqlite_loader(folder.path()).await {
        Ok(theirs) => compare(report, "SQLite", ".import", took, theirs),
        Err(why) => report.fail(
            NAME,
            &format!("未能与 sqlite3 比较：{why}；须有程序 sqlite3（apt-get install sqlite3）"),
            &format!("not compared with sqlite3: {why}; the program sqlite3 is needed (apt-get install sqlite3)"),
        ),
    }
    let Some(server) = crate::postgres() else {
        let en = "PostgreSQL: YUNHE_TEST_POSTGRES names no server (postgres://user@host:port/database)";
        return report.skip(NAME, "PostgreSQL：未设 YUNHE_TEST_POSTGRES（postgres://用户@主机:端口/库）", en);
    };
    let schema = format!("bench_import_{}", std::process::id());
    let took = ours(report, "PostgreSQL", &file, &server, &schema).await;
    match postgres_loader(folder.path(), &server, &schema).await {
        Ok(theirs) => compare(report, "PostgreSQL", "\\copy", took, theirs),
        Err(why) => report.fail(
            NAME,
            &format!("未能与 psql 比较：{why}；须有程序 psql（apt-get install postgresql-client）"),
            &format!("not compared with psql: {why}; the program psql is needed (apt-get install postgresql-client)"),
        ),
    }
    crate::drop_schema(&server, &schema).await;
}
