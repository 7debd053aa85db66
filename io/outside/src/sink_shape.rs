//! Whether a table that is there can take what is delivered: everything that does not fit is said at once. What the
//! databases call their types stands with each of them.

use crate::{Name, SinkKind, SinkTable};
use std::collections::BTreeMap;

/// What stands where rows are to go.
pub(crate) enum Prepared {
    /// A table that fits, with so many rows; it is this delivery's now.
    Rows(u64),
    /// One that does not, and why.
    Flaws(Vec<(String, String)>),
    /// One that another delivery fills.
    Taken(String),
}

/// A column of a table that is there.
#[derive(Clone, Debug)]
pub(crate) struct There {
    /// Its type, as the database writes it.
    pub(crate) native: String,
    /// Whether it must hold something.
    pub(crate) mandatory: bool,
    /// Whether the database gives what nobody gives.
    pub(crate) defaulted: bool,
    /// The order by which the database takes different texts for the same; none where it does not.
    pub(crate) blurs: Option<String>,
}

/// How one database calls and holds what is delivered.
pub(crate) struct Types {
    /// The type of a column that is made; the key's are told apart.
    pub(crate) kind: fn(SinkKind, bool) -> String,
    /// Whether a column of the database's type holds the kind exactly.
    pub(crate) holds: fn(&str, SinkKind) -> bool,
}

/// What is wrong with a table: a column a line, in Chinese and English. `keyed`: the key's columns, and no others, are
/// unique in it.
pub(crate) fn flaws(
    table: &SinkTable,
    there: &BTreeMap<String, There>,
    keyed: bool,
    types: &Types,
) -> Vec<(String, String)> {
    let mut flaws = Vec::new();
    if !keyed {
        let key = table.key.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
        flaws
            .push((format!("({key}) 上没有主键或唯一约束"), format!("no primary key or unique constraint on ({key})")));
    }
    for column in &table.columns {
        let in_key = table.key.contains(&column.name);
        let (name, wanted) = (&column.name, (types.kind)(column.kind, in_key));
        match there.get(name.as_str()) {
            None => flaws.push((format!("缺少列 {name}（{wanted}）"), format!("column {name} ({wanted}) is missing"))),
            Some(it) if !(types.holds)(&it.native, column.kind) => flaws.push((
                format!("列 {name} 的类型 {} 应为 {wanted}", it.native),
                format!("column {name} is of type {}, should be {wanted}", it.native),
            )),
            Some(it) if it.mandatory && column.nullable => {
                flaws.push((format!("列 {name} 应可为空"), format!("column {name} must be nullable")));
            }
            Some(There { blurs: Some(order), .. }) if in_key => flaws.push((
                format!("主键列 {name} 的排序规则 {order} 会把不同的值视为相同，应为二进制规则（{wanted}）"),
                format!(
                    "key column {name} is ordered by {order}, which takes different values for the same; should \
                         be {wanted}"
                ),
            )),
            Some(_) => {}
        }
    }
    let given = |it: &str| table.columns.iter().any(|column| column.name.as_str() == it);
    for (name, _) in there.iter().filter(|(name, it)| !given(name) && it.mandatory && !it.defaulted) {
        flaws.push((
            format!("自有列 {name} 应可为空或有缺省值"),
            format!("column {name} is not delivered and must be nullable or have a default"),
        ));
    }
    flaws
}
