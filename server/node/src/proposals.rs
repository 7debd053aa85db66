//! Proposals of entries from the description of a source.

use crate::Organisation;
use catalog::{
    compile::Links,
    propose::{self, ColumnShape, Known, Proposal, TABLES_MAX, TableShape},
};
use outside::{Describe, SAMPLES_MAX};
use policy::{Ask, Need, Principal, Role};
use schemars::JsonSchema;
use serde::Deserialize;
use vocabulary::{Kind, Problem, ResourceId, date_in_shanghai, ensure};

/// A table has at most this many columns to propose from.
const COLUMNS_MAX: usize = 500;
/// A name of a table or a column, and a type, has at most this many characters.
const NAME_CHARS_MAX: usize = 255;
/// Code lists with more entries than this are not compared with values.
const LIST_ENTRIES_MAX: usize = 5_000;

/// Tables or files to propose entries for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposeAsk {
    /// What their source says of them.
    #[serde(default)]
    pub tables: Vec<TableShape>,
    /// A connection of ours whose tables are meant: they are described where they stand.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub connection: Option<ResourceId>,
    /// The front of their codes: class, item, subject, detail; the serial numbers are drawn when they are drafted.
    #[serde(default)]
    pub front: Option<String>,
    /// The duty, the matters and the system behind all of them.
    #[serde(default)]
    pub links: Links,
}

/// Having entries proposed: it reads nothing of ours but code lists.
#[derive(Debug)]
struct Propose;

impl Ask for Propose {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::Cataloguer])
    }
}

impl Organisation {
    /// Proposes an entry for each table, with reasons; drafts nothing.
    ///
    /// # Errors
    /// `catalog.tables_many`, `catalog.table_name`, `policy.role`; `source.no_connection` and those of asking the
    /// system.
    pub async fn propose_entries(&self, principal: &Principal, ask: ProposeAsk) -> Result<Vec<Proposal>, Problem> {
        self.permit(principal, Propose)?;
        let mut tables = ask.tables;
        if let Some(connection) = &ask.connection {
            let most = u32::try_from(TABLES_MAX).unwrap_or(u32::MAX);
            let found =
                self.outside.get(connection)?.describe(&Describe { tables: most, samples: SAMPLES_MAX }).await?;
            tables.extend(found.into_iter().map(shape));
        }
        let columns = tables.iter().map(|it| it.columns.len()).max().unwrap_or(0);
        ensure!((1..=TABLES_MAX).contains(&tables.len()) && columns <= COLUMNS_MAX, too_many(tables.len()));
        let names = tables.iter().flat_map(|it| {
            let columns = it.columns.iter().flat_map(|it| [&it.name, &it.native]);
            std::iter::once(&it.name).chain(columns)
        });
        let longest = names.map(|it| it.chars().count()).max().unwrap_or(0);
        ensure!(longest <= NAME_CHARS_MAX, too_long(longest));
        let packs = self.packs();
        let lists = packs.all.iter().flat_map(|it| it.lists.iter());
        let small = lists.filter(|it| it.entries().len() <= LIST_ENTRIES_MAX);
        let lists = small.map(|it| (it.title().clone(), it.entries().iter().map(|it| it.code.clone()).collect()));
        let known = Known {
            department: self.config.title.clone(),
            department_code: None,
            front: ask.front,
            links: ask.links,
            lists: lists.collect(),
        };
        Ok(propose::propose(&tables, &known, date_in_shanghai(self.now())))
    }
}

/// A table of others as proposals look at it.
fn shape(table: outside::Table) -> TableShape {
    let primary = table.primary;
    let column = |it: outside::Column| ColumnShape {
        key: primary.contains(&it.name),
        name: it.name.to_string(),
        native: it.native,
        nullable: it.nullable,
        comment: it.comment,
        // Looked at beside the code lists and check digits; a proposal shows none.
        samples: it.samples.iter().map(|it| it.open().clone()).collect(),
    };
    TableShape {
        name: table.name.to_string(),
        comment: table.comment,
        format: None,
        columns: table.columns.into_iter().map(column).collect(),
    }
}

fn too_many(count: usize) -> Problem {
    Problem::new(
        Kind::TooLarge,
        "catalog.tables_many",
        format!("有 {count} 张表；每次 1–{TABLES_MAX} 张，每张至多 {COLUMNS_MAX} 列"),
        format!("{count} tables; 1 to {TABLES_MAX} at once, of at most {COLUMNS_MAX} columns each"),
    )
}

fn too_long(chars: usize) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "catalog.table_name",
        format!("有名称或类型长 {chars} 个字符，至多 {NAME_CHARS_MAX} 个；请核对表名、列名和类型"),
        format!("a name or a type has {chars} characters, at most {NAME_CHARS_MAX}: check tables, columns and types"),
    )
    .field("/tables")
}
