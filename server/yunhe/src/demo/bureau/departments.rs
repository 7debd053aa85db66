//! The systems of a department: a table each, made and filled by the databases' own client programs, as the department
//! itself would. The node only ever reads them.

use super::super::stage::Stage;
use crate::exit::file_problem;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use vocabulary::{Kind, Problem, ensure};

/// The database of food licences, in MariaDB.
pub const LICENCES: &str = "yunhe_demo_licences";
/// The database of special equipment, in PostgreSQL.
pub const EQUIPMENT: &str = "yunhe_demo_equipment";
/// The consumer's own database, in PostgreSQL.
pub const COPIES: &str = "yunhe_demo_copies";
/// Licences in it.
pub const LICENCE_ROWS: usize = 60_000;
/// Pieces of equipment.
const EQUIPMENT_ROWS: usize = 5_000;
/// Kinds of food business.
const KINDS: [&str; 3] = ["sale", "catering", "canteen"];
/// Districts of Nanjing, Wuxi and Suzhou.
const DIVISIONS: [&str; 7] = ["320102", "320104", "320105", "320106", "320111", "320205", "320506"];
/// Rows that one statement writes.
const STATEMENT_ROWS: usize = 1_000;
/// A licence of Nanjing, which later proves wrong.
pub const WRONG: &str = "JY13201000000007";

const LICENCE_TABLE: &str = "
    CREATE TABLE SPJY_XKZ (
        XKZBH VARCHAR(20) NOT NULL PRIMARY KEY COMMENT '许可证编号',
        TYSHXYDM CHAR(18) NOT NULL COMMENT '统一社会信用代码',
        JYZMC VARCHAR(100) NOT NULL COMMENT '经营者名称',
        ZTYT VARCHAR(20) NOT NULL COMMENT '主体业态',
        ZT VARCHAR(20) NOT NULL COMMENT '许可证状态',
        FZRQ DATE NOT NULL COMMENT '发证日期',
        YXQZ DATE NOT NULL COMMENT '有效期至',
        XZQH CHAR(6) NOT NULL COMMENT '行政区划代码',
        GXSJ DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6) COMMENT '更新时间',
        KEY (GXSJ)
    ) CHARACTER SET utf8mb4 COMMENT '食品经营许可证信息';
";
const EQUIPMENT_TABLE: &str = "
    CREATE TABLE tzsb_sydj (
        sydjbh varchar(20) PRIMARY KEY, tyshxydm char(18) NOT NULL, sbzl varchar(2) NOT NULL, xcjyrq date NOT NULL,
        xzqh char(6) NOT NULL);
    COMMENT ON TABLE tzsb_sydj IS '特种设备使用登记';
    COMMENT ON COLUMN tzsb_sydj.sydjbh IS '使用登记编号';
    COMMENT ON COLUMN tzsb_sydj.tyshxydm IS '统一社会信用代码';
    COMMENT ON COLUMN tzsb_sydj.sbzl IS '设备种类';
    COMMENT ON COLUMN tzsb_sydj.xcjyrq IS '下次检验日期';
    COMMENT ON COLUMN tzsb_sydj.xzqh IS '行政区划代码';
";

/// A server's address with another database.
pub fn named(server: &str, database: &str) -> String {
    let (front, rest) = server.split_once("://").unwrap_or((server, ""));
    format!("{front}://{}/{database}", rest.split('/').next().unwrap_or_default())
}

fn servers(stage: &Stage) -> Result<(String, String), Problem> {
    let servers = stage.options.systems.servers()?;
    let (mariadb, postgres) = servers.unwrap_or_default();
    Ok((mariadb.to_owned(), postgres.to_owned()))
}

/// One of a list, in turn.
fn of<T: AsRef<str>>(list: &[T], at: usize) -> &str {
    list[at % list.len()].as_ref()
}

/// User, host and port of an address.
fn parts(url: &str) -> Result<(String, String, String), Problem> {
    let authority = url.split_once("://").map_or("", |it| it.1).split('/').next().unwrap_or_default();
    let parts = authority.split_once('@').and_then(|(user, at)| {
        let (host, port) = at.rsplit_once(':')?;
        Some((user.to_owned(), host.to_owned(), port.to_owned()))
    });
    parts.ok_or_else(|| {
        Problem::new(
            Kind::Unprocessable,
            "demo.address",
            "数据库地址应为 scheme://用户@主机:端口/",
            "an address is scheme://user@host:port/",
        )
    })
}

/// Runs statements and says what came out.
async fn run(mut command: Command, program: &str, sql: &str) -> Result<String, Problem> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|it| file_problem(Path::new(program), &it))?;
    if let Some(mut input) = child.stdin.take() {
        // A client that ended early says why below.
        let _ = input.write_all(sql.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(|it| file_problem(Path::new(program), &it))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        Problem::new(Kind::Unavailable, "demo.system", format!("{program}：{said}"), format!("{program}: {said}"))
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs statements in the MariaDB, with its own client.
async fn mariadb(stage: &Stage, database: Option<&str>, sql: &str) -> Result<(), Problem> {
    let (user, host, port) = parts(&servers(stage)?.0)?;
    let mut command = Command::new("mariadb");
    command.args(["--no-defaults", "--protocol=tcp", "--default-character-set=utf8mb4"]);
    command.args(["-u", &user, "-h", &host, "-P", &port]).args(database);
    run(command, "mariadb", sql).await.map(|_| ())
}

/// Runs statements in the PostgreSQL, with its own client.
async fn postgres(stage: &Stage, database: &str, sql: &str) -> Result<String, Problem> {
    let (user, host, port) = parts(&servers(stage)?.1)?;
    let mut command = Command::new("psql");
    command.args([
        "-X",
        "-q",
        "-A",
        "-t",
        "-v",
        "ON_ERROR_STOP=1",
        "-U",
        &user,
        "-h",
        &host,
        "-p",
        &port,
        "-d",
        database,
    ]);
    run(command, "psql", sql).await
}

/// Rows of `INSERT INTO table VALUES`, some to a statement.
fn inserts(table: &str, rows: &[String]) -> String {
    let mut sql = String::new();
    for some in rows.chunks(STATEMENT_ROWS) {
        let _ = writeln!(sql, "INSERT INTO {table} VALUES {};", some.join(","));
    }
    sql
}

/// Makes both systems and fills them.
///
/// # Errors
/// `demo.system` with what the database said.
pub async fn fill(stage: &mut Stage) -> Result<(), Problem> {
    let codes = credit_codes(stage)?;
    let licence = |it: usize| {
        let (code, kind, division) = (of(&codes, it), of(&KINDS, it), of(&DIVISIONS, it / 3));
        let (year, month) = (2021 + it % 5, 1 + it % 12);
        format!(
            "('JY13201{it:09}','{code}','经营户{it}','{kind}','valid','{year}-{month:02}-15','{}-{month:02}-14',\
             '{division}','2026-10-01 00:00:00')",
            year + 5
        )
    };
    let equipment = |it: usize| {
        let (code, kind, division) = (of(&codes, it), of(&["10", "20", "30", "40"], it), of(&DIVISIONS, it / 4));
        format!("('TS{it:08}','{code}','{kind}','2027-{:02}-01','{division}')", 1 + it % 12)
    };
    let licences: Vec<String> = (0..LICENCE_ROWS).map(licence).collect();
    let equipment: Vec<String> = (0..EQUIPMENT_ROWS).map(equipment).collect();
    mariadb(stage, None, &format!("DROP DATABASE IF EXISTS {LICENCES}; CREATE DATABASE {LICENCES};")).await?;
    mariadb(stage, Some(LICENCES), &format!("{LICENCE_TABLE}{}", inserts("SPJY_XKZ", &licences))).await?;
    for database in [EQUIPMENT, COPIES] {
        postgres(stage, "postgres", &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE);")).await?;
        let create = format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8';");
        postgres(stage, "postgres", &create).await?;
    }
    postgres(stage, EQUIPMENT, &format!("{EQUIPMENT_TABLE}{}", inserts("tzsb_sydj", &equipment))).await?;
    stage.say(
        &format!("MariaDB 食品经营许可 {LICENCE_ROWS} 行；PostgreSQL 特种设备 {EQUIPMENT_ROWS} 行，均在部门自己的库中"),
        &format!("MariaDB holds {LICENCE_ROWS} food licences, PostgreSQL {EQUIPMENT_ROWS} pieces of equipment"),
    );
    Ok(())
}

/// What a clerk of the department writes into its own system: the licence is cancelled.
///
/// # Errors
/// `demo.system`.
pub async fn cancel(stage: &Stage, licence: &str) -> Result<(), Problem> {
    let sql = format!("UPDATE SPJY_XKZ SET ZT = 'cancelled' WHERE XKZBH = '{licence}';");
    mariadb(stage, Some(LICENCES), &sql).await
}

/// What happens there meanwhile: licences are issued, renewed and struck off.
///
/// # Errors
/// `demo.system`.
pub async fn business(stage: &Stage) -> Result<(), Problem> {
    let sql = "UPDATE SPJY_XKZ SET YXQZ = '2031-12-31' WHERE XZQH = '320102' AND XKZBH < 'JY13201000000400';
               DELETE FROM SPJY_XKZ WHERE XZQH = '320104' AND XKZBH < 'JY13201000000400';";
    mariadb(stage, Some(LICENCES), sql).await
}

/// What the consumer's own database answers to its own people.
///
/// # Errors
/// `demo.system`.
pub async fn copies(stage: &Stage, sql: &str) -> Result<String, Problem> {
    postgres(stage, COPIES, sql).await
}

/// All three databases go.
///
/// # Errors
/// `demo.system`.
pub async fn drop_all(stage: &Stage) -> Result<(), Problem> {
    mariadb(stage, None, &format!("DROP DATABASE IF EXISTS {LICENCES};")).await?;
    for database in [EQUIPMENT, COPIES] {
        postgres(stage, "postgres", &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE);")).await?;
    }
    Ok(())
}

/// Credit codes of the generated file, without those that are wrong on purpose.
fn credit_codes(stage: &Stage) -> Result<Vec<String>, Problem> {
    let Some(sample) = &stage.learned.sample else { return Ok(Vec::new()) };
    let mut reader = csv::Reader::from_path(&sample.file).map_err(|it| file_problem(&sample.file, &it))?;
    let rows = reader.records().take(LICENCE_ROWS).filter_map(Result::ok);
    let codes = rows.filter_map(|it| it.get(0).map(str::to_owned));
    let codes: Vec<String> = codes.filter(|it| schema::org_code::check_uscc(it).is_ok()).collect();
    ensure!(!codes.is_empty(), file_problem(&sample.file, &"no credit code"));
    Ok(codes)
}
