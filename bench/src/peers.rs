//! `query --peers`: two public servers with the same rows, asked for the same keys: `datasette` and `roapi`.
//!
//! They speak HTTP/1.1 without TLS, know no agreement and prove nothing; they are what one would otherwise put before a
//! file. Each is started as a child that dies with us, and gets as many connections as we had requests at once.

use crate::{
    line::Line,
    load::{Generator, closed},
    pair::{PROVIDER, Pair},
    query::{AT_ONCE, LONG},
    report::{Bound, Figure, Report, Unit},
};
use bytes::Bytes;
use http::Request;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::process::{Child, Command};

const NAME: &str = "query";
/// What is installed.
const PACKAGES: [&str; 2] = ["datasette==0.65.5", "roapi==0.12.7"];
/// Installing them may take this long.
const INSTALL_MAX: Duration = Duration::from_secs(600);
/// A server must have read a million rows and answer within this.
const START_MAX: Duration = Duration::from_secs(300);
/// How often one looks whether it does.
const LOOK: Duration = Duration::from_millis(200);
/// Requests drawn up for a peer; a run ends when they are used up.
const REQUESTS: usize = 200_000;
/// Keys follow one another in this stride.
const STRIDE: usize = 7_919;

const COLUMNS: [&str; 9] =
    ["uscc", "name", "kind", "founded", "industry", "capital", "status", "authority", "division"];
const ROWS: &str = "
    SELECT uscc, name, kind, founded, industry, capital, status, authority, division
      FROM rec_legal_person ORDER BY uscc";
/// Makes datasette's file: the same columns, keyed like ours.
const LOAD: &str = "
import csv, sqlite3, sys
rows = csv.reader(open(sys.argv[1], encoding='utf-8', newline=''))
names = next(rows)
file = sqlite3.connect(sys.argv[2])
file.execute('CREATE TABLE legal_person (' + ', '.join(names) + ', PRIMARY KEY (uscc)) WITHOUT ROWID')
file.executemany('INSERT INTO legal_person VALUES (' + ', '.join('?' * len(names)) + ')', rows)
file.commit()
file.execute('ANALYZE')
file.close()
";

/// Why a peer was not measured: the step and what it said.
struct Missing {
    zh: String,
    en: String,
}

fn missing(zh: impl Into<String>, en: impl Into<String>) -> Missing {
    Missing { zh: zh.into(), en: en.into() }
}

/// Measures both and tells how often faster `ours` (answers a second) is.
pub async fn compare(report: &mut Report, generator: &Generator, pair: &Pair, codes: &[String], ours: f64) {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("legal_person.csv");
    write_rows(pair, &table).await;
    let programs = match install().await {
        Ok(programs) => programs,
        Err(missing) => return report.fail(NAME, &missing.zh, &missing.en),
    };
    let measured = datasette(generator, &programs, &table, codes).await;
    tell(report, "datasette 0.65.5", measured, ours, |it| it.gate(Bound::AtLeast(5.0)));
    match roapi(generator, &programs, &table, codes).await {
        Err(missing) => report.skip(NAME, &missing.zh, &missing.en),
        measured => tell(report, "roapi 0.12.7", measured, ours, |it| it.goal(Bound::AtLeast(20.0))),
    }
}

fn tell(
    report: &mut Report,
    name: &str,
    measured: Result<(f64, String), Missing>,
    ours: f64,
    bound: impl FnOnce(Figure) -> Figure,
) {
    match measured {
        Ok((theirs, note)) => {
            report.tell(&Figure::new(NAME, name, theirs, Unit::PerSecond).note(note));
            report.tell(&bound(Figure::new(NAME, format!("receipted query to {name}"), ours / theirs, Unit::Ratio)));
        }
        Err(missing) => report.fail(NAME, &missing.zh, &missing.en),
    }
}

/// The rows as our store has them, so that all have the same.
async fn write_rows(pair: &Pair, path: &Path) {
    let mut out = csv::Writer::from_path(path).unwrap();
    out.write_record(COLUMNS).unwrap();
    let mut reader = pair.world.organisation(PROVIDER).store().read().await.unwrap();
    let take = |row: store::Row| {
        let fen = row.opt_int("capital")?;
        let money = fen.map_or_else(String::new, |it| format!("{}.{:02}", it / 100, it % 100));
        let cells = COLUMNS.map(|name| if name == "capital" { &money } else { row.text(name).unwrap() });
        out.write_record(cells).unwrap();
        Ok(())
    };
    reader.each(ROWS, Vec::new(), take).await.unwrap();
    out.flush().unwrap();
}

/// The folder with the programs, in a virtual environment in the user's cache.
async fn install() -> Result<PathBuf, Missing> {
    let folder = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|it| it.join(".cache")));
    let cache = cache.ok_or_else(|| missing("须设 HOME 或 XDG_CACHE_HOME", "set HOME or XDG_CACHE_HOME"))?;
    let home = cache.join("yunhe").join("bench-peers");
    let (list, programs) = (home.join("installed.txt"), home.join("bin"));
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&list).is_ok_and(|it| it == wanted) {
        return Ok(programs);
    }
    fs::create_dir_all(&home).unwrap();
    let steps: [(&Path, Vec<&str>); 2] = [
        (Path::new("python3"), vec!["-m", "venv", "--clear", home.to_str().unwrap()]),
        (&programs.join("pip"), [&["install", "--quiet", "--disable-pip-version-check"], PACKAGES.as_slice()].concat()),
    ];
    for (program, arguments) in steps {
        done(Command::new(program).args(&arguments)).await.map_err(|why| {
            let packages = PACKAGES.join(" ");
            missing(
                format!("未能安装 {packages}：{why}；须有 python3-venv 与 PyPI（或其镜像）"),
                format!("{packages} were not installed: {why}; python3-venv and PyPI (or a mirror of it) are needed"),
            )
        })?;
    }
    fs::write(&list, wanted).unwrap();
    Ok(programs)
}

/// Runs a program to its end, a bounded time.
async fn done(command: &mut Command) -> Result<(), String> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
    let child = child.map_err(|it| it.to_string())?;
    let end = tokio::time::timeout(INSTALL_MAX, child.wait_with_output()).await;
    let end = end.map_err(|it| it.to_string())?.map_err(|it| it.to_string())?;
    let said = String::from_utf8_lossy(&end.stderr);
    let last = said.lines().last().unwrap_or_default();
    if end.status.success() { Ok(()) } else { Err(format!("{}: {last}", end.status)) }
}

/// A port that was free a moment ago.
fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// Starts a server that ends with us: dropped it is killed, and where we are killed the kernel kills it.
fn serve(program: &Path, arguments: &[&str]) -> std::io::Result<Child> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(arguments).env("RUST_LOG", "warn");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn()
}

async fn datasette(
    generator: &Generator,
    programs: &Path,
    table: &Path,
    codes: &[String],
) -> Result<(f64, String), Missing> {
    let file = table.with_file_name("legal.db");
    let failed = |why: String| missing(format!("datasette：{why}"), format!("datasette: {why}"));
    let mut load = Command::new(programs.join("python"));
    done(load.args(["-c", LOAD]).arg(table).arg(&file)).await.map_err(failed)?;
    let (address, path) = (free(), file.to_str().unwrap());
    let port = address.port().to_string();
    let arguments = ["serve", "-i", path, "--host", "127.0.0.1", "--port", &port];
    let child = serve(&programs.join("datasette"), &arguments).map_err(|it| failed(it.to_string()))?;
    drive(generator, child, address, codes, |code| format!("/legal/legal_person/{code}.json?_shape=array"))
        .await
        .map_err(failed)
}

async fn roapi(
    generator: &Generator,
    programs: &Path,
    table: &Path,
    codes: &[String],
) -> Result<(f64, String), Missing> {
    let failed = |why: String| missing(format!("roapi：{why}"), format!("roapi: {why}"));
    let address = free();
    let ports = [address, free(), free()].map(|it| it.to_string());
    let table = format!("legal_person={}", table.display());
    let [http, postgres, flight] = &ports;
    let arguments =
        ["--addr-http", http, "--addr-postgres", postgres, "--addr-flight-sql", flight, "--table", table.as_str()];
    let child = serve(&programs.join("roapi"), &arguments).map_err(|it| failed(it.to_string()))?;
    drive(generator, child, address, codes, |code| format!("/api/tables/legal_person?filter%5Buscc%5D=%27{code}%27"))
        .await
        .map_err(failed)
}

/// Waits until `child` answers with the right row, then asks for one key after the other.
async fn drive(
    generator: &Generator,
    mut child: Child,
    address: SocketAddr,
    codes: &[String],
    path: impl Fn(&str) -> String,
) -> Result<(f64, String), String> {
    let ask = |code: &str| {
        let request = Request::builder().uri(path(code)).header("host", address.to_string());
        request.body(Bytes::new()).unwrap()
    };
    let begin = Instant::now();
    loop {
        let (request, code) = (ask(&codes[0]), codes[0].clone());
        let right = generator.run(async move {
            let (status, body) = Line::dial_plain(address).await.ok()?.send(request).await.ok()?;
            (status == 200 && String::from_utf8_lossy(&body).contains(&code)).then_some(())
        });
        if right.await.is_some() {
            break;
        }
        if let Some(status) = child.try_wait().map_err(|it| it.to_string())? {
            return Err(format!("ended: {status}"));
        }
        if begin.elapsed() > START_MAX {
            return Err(format!("did not answer with its row within {START_MAX:?}"));
        }
        tokio::time::sleep(LOOK).await;
    }
    let started = begin.elapsed();
    let mut lines = Vec::new();
    for _ in 0..AT_ONCE {
        lines.push(generator.run(Line::dial_plain(address)).await.map_err(|it| it.to_string())?);
    }
    let requests = (1..=REQUESTS).map(|at| ask(&codes[at * STRIDE % codes.len()])).collect();
    let run = closed(generator, lines, requests, LONG).await;
    let note = format!(
        "{AT_ONCE} connections, p50 {:.1?}, p99 {:.1?}; answered {started:.1?} after its start",
        run.within(0.5),
        run.within(0.99)
    );
    drop(child.kill().await);
    Ok((run.per_second(), note))
}
