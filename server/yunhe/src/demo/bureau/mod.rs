//! `yunhe demo --bureau`: sharing as a bureau practises it, behind the eight steps. Two operational systems of a
//! department, in MariaDB and PostgreSQL, are compiled into a catalogue by proposal and tick; one of them is requested
//! through three roles, delivered into the consumer's own table, objected to, corrected on both sides, and the month
//! is accounted for. In each of these steps a node dies by `kill -9` and goes on.

mod catalogue;
mod correction;
mod departments;
mod month;
mod sharing;

use super::people::{BUREAU_ADMIN, BUREAU_STEWARD, PROVIDER_ADMIN, PROVIDER_APPROVER, PROVIDER_CHECKER, Person};
use super::process::Place;
use super::stage::{Stage, seconds};
use super::world;
use outside::{Address, ConnectionConfig};
use vocabulary::{Kind, Problem, ensure};

/// Where the two systems stand.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Systems {
    /// 另做一个数据局的日常：编目、入表、校核、月报（须有两个业务库） Then a bureau's daily work, with two systems of a department
    #[arg(long)]
    pub bureau: bool,
    /// 业务库所在 MariaDB（可建库的账户） A MariaDB where a database may be made: mysql://root@127.0.0.1:3306/
    #[arg(long, value_name = "URL", env = "YUNHE_DEMO_MARIADB", hide_env_values = true)]
    pub mariadb: Option<String>,
    /// 业务库所在 PostgreSQL A PostgreSQL where a database may be made: postgres://postgres@127.0.0.1:5432/postgres
    #[arg(long, value_name = "URL", env = "YUNHE_DEMO_POSTGRES", hide_env_values = true)]
    pub department_postgres: Option<String>,
}

impl Systems {
    /// Both addresses, where they are asked for.
    ///
    /// # Errors
    /// `demo.systems` when one is missing.
    pub fn servers(&self) -> Result<Option<(&str, &str)>, Problem> {
        if !self.bureau {
            return Ok(None);
        }
        let both = self.mariadb.as_deref().zip(self.department_postgres.as_deref());
        ensure!(both.is_some(), missing());
        Ok(both)
    }

    /// What an organisation's `yunhe.toml` declares: the provider its two systems, the consumer its warehouse.
    ///
    /// # Errors
    /// `demo.systems`.
    pub fn connections(&self, organisation: &str) -> Result<Vec<ConnectionConfig>, Problem> {
        let Some((mariadb, postgres)) = self.servers()? else { return Ok(Vec::new()) };
        let at = |name: &str, server: &str, database: &str| -> Result<ConnectionConfig, Problem> {
            let url = Address::new(departments::named(server, database));
            Ok(ConnectionConfig { url, writes: name == sharing::WAREHOUSE, ..ConnectionConfig::new(name.parse()?) })
        };
        match organisation {
            "js-scjg" => Ok(vec![
                at("licence-db", mariadb, departments::LICENCES)?,
                at("equipment-db", postgres, departments::EQUIPMENT)?,
            ]),
            "nj-gxj" => Ok(vec![at(sharing::WAREHOUSE, postgres, departments::COPIES)?]),
            _ => Ok(Vec::new()),
        }
    }
}

fn missing() -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "demo.systems",
        "--bureau 须有 MariaDB 与 PostgreSQL：用 --mariadb、--department-postgres 指明，\
         或运行 cargo xtask demo --bureau，它会启动两者",
        "--bureau needs a MariaDB and a PostgreSQL: name them by --mariadb and --department-postgres, \
         or run cargo xtask demo --bureau, which starts both",
    )
}

/// Whom the bureau's daily work needs beside those of the main job; the names are invented.
const PEOPLE: [Person; 3] = [
    Person { by: PROVIDER_ADMIN, name: PROVIDER_CHECKER.token, person: "处室负责人甲", roles: "checker" },
    Person { by: PROVIDER_ADMIN, name: PROVIDER_APPROVER.token, person: "数据局审批人甲", roles: "approver" },
    Person { by: BUREAU_ADMIN, name: BUREAU_STEWARD.token, person: "数据管理员丙", roles: "data-steward" },
];

/// What the steps hand on.
#[derive(Debug, Default)]
pub struct Bureau {
    /// The agreement about food licences.
    pub agreement: String,
    /// The month in which the steps began.
    pub month: String,
}

/// Plays the five steps.
///
/// # Errors
/// What goes wrong; `demo.check`.
pub async fn take(stage: &mut Stage) -> Result<(), Problem> {
    let mut bureau = Bureau { month: month::now(), ..Bureau::default() };
    stage.scene("B1", "部门系统 Systems of a department");
    departments::fill(stage).await?;
    for it in PEOPLE {
        world::person(stage, &it).await?;
    }
    stage.curtain();
    stage.scene("B2", "编目 Compile");
    catalogue::take(stage).await?;
    stage.curtain();
    stage.scene("B3", "申请入表 Request and deliver");
    sharing::take(stage, &mut bureau).await?;
    stage.curtain();
    stage.scene("B4", "异议更正 Object and correct");
    correction::take(stage, &bureau).await?;
    stage.curtain();
    stage.scene("B5", "月报 The month's bulletin");
    month::take(stage, &bureau).await?;
    stage.curtain();
    departments::drop_all(stage).await
}

/// `kill -9` of a node, and its start.
///
/// # Errors
/// `demo.node`.
async fn killed(stage: &mut Stage, place: Place, zh: &str, en: &str) -> Result<(), Problem> {
    stage.process_mut(place).kill().await;
    let again = seconds(stage.process_mut(place).start().await?);
    stage.say(&format!("kill -9 {zh}，{again} 后重新运行"), &format!("kill -9 of {en}; it runs again after {again}"));
    Ok(())
}
