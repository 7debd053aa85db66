//! What tables of ours are in MySQL and MariaDB: types, orders, keys and engines; how one is made, and what one is that
//! is there.

use crate::{
    Name, SinkColumn, SinkKind, SinkTable,
    problem::Trouble,
    sink_mysql::{Done, Session, list, quoted},
    sink_shape::{There, Types},
};
use std::collections::BTreeMap;

/// An index takes keys of so many bytes.
const KEY_BYTES_MAX: u32 = 3_072;
/// A character has at most so many bytes.
const CHAR_BYTES: u32 = 4;
/// Texts of so many characters are kept within their row; longer ones beside it.
const ROW_CHARS_MAX: u32 = 255;
/// What `TEXT` takes.
const TEXT_BYTES_MAX: u32 = 65_535;
/// A row with more bytes of short texts than this has them beside it too: it takes 65,535 in all.
const ROW_BYTES_MAX: u32 = 48_000;
/// A comment has at most so many characters.
const COMMENT_CHARS_MAX: usize = 500;
/// Orders that tell every two texts apart, the best first: the last one takes spaces at the end for nothing.
const ORDERS: [&str; 3] = ["utf8mb4_0900_bin", "utf8mb4_nopad_bin", "utf8mb4_bin"];

pub(crate) const TYPES: Types = Types { kind, holds };

/// A title as a literal: what a peer calls its columns may hold anything.
fn literal(text: &str) -> String {
    let text: String = text.chars().filter(|it| !it.is_control()).take(COMMENT_CHARS_MAX).collect();
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn kind(kind: SinkKind, in_key: bool) -> String {
    match kind {
        SinkKind::Text { chars } if in_key || chars <= ROW_CHARS_MAX => {
            let order = if in_key { " COLLATE utf8mb4_bin" } else { "" };
            format!("VARCHAR({chars}) CHARACTER SET utf8mb4{order}")
        }
        SinkKind::Text { chars } if chars.saturating_mul(CHAR_BYTES) <= TEXT_BYTES_MAX => {
            "TEXT CHARACTER SET utf8mb4".to_owned()
        }
        SinkKind::Text { .. } => "LONGTEXT CHARACTER SET utf8mb4".to_owned(),
        SinkKind::Integer => "BIGINT".to_owned(),
        SinkKind::Decimal { precision, scale } => format!("DECIMAL({precision},{scale})"),
        SinkKind::Boolean => "TINYINT(1)".to_owned(),
        SinkKind::Date => "DATE".to_owned(),
        SinkKind::Instant => "DATETIME(6)".to_owned(),
    }
}

/// Whether a column of the database's type holds the kind exactly. Of a text in another character set that stands
/// behind its type.
fn holds(native: &str, wanted: SinkKind) -> bool {
    let inner = |word: &str| native.strip_prefix(word)?.strip_prefix('(')?.strip_suffix(')');
    match wanted {
        SinkKind::Text { chars } => {
            // A text that is too long for the column is refused by the database; nothing is cut off.
            let bytes = chars.saturating_mul(CHAR_BYTES);
            inner("varchar").is_some()
                || native == "longtext"
                || (native == "mediumtext" && bytes < 1 << 24)
                || (native == "text" && bytes <= TEXT_BYTES_MAX)
        }
        SinkKind::Integer => native == "bigint" || inner("bigint").is_some(),
        SinkKind::Decimal { precision, scale } => {
            inner("decimal").and_then(|it| it.split_once(',')).is_some_and(|(all, behind)| {
                all.parse::<u8>().is_ok_and(|it| it >= precision) && behind.parse() == Ok(scale)
            })
        }
        SinkKind::Boolean => native == "tinyint(1)",
        SinkKind::Date => native == "date",
        SinkKind::Instant => native == "datetime(6)" || native == "timestamp(6)",
    }
}

/// A key that no index takes.
pub(crate) fn key_flaws(table: &SinkTable) -> Vec<(String, String)> {
    let chars = |it: usize| match table.columns[it].kind {
        SinkKind::Text { chars } => chars,
        _ => 0,
    };
    let bytes = table.places().into_iter().map(chars).fold(0, u32::saturating_add).saturating_mul(CHAR_BYTES);
    if bytes <= KEY_BYTES_MAX {
        return Vec::new();
    }
    vec![(
        format!("主键的文本至多 {bytes} 字节，该库的索引至多 {KEY_BYTES_MAX} 字节"),
        format!("the key's texts may have {bytes} bytes, an index of that database takes {KEY_BYTES_MAX}"),
    )]
}

/// A table whose engine takes nothing back.
pub(crate) async fn engine_flaws(session: &mut Session) -> Done<Vec<(String, String)>> {
    let sql = "SELECT CAST(t.engine AS CHAR), CAST(e.transactions AS CHAR)
                 FROM information_schema.tables AS t LEFT JOIN information_schema.engines AS e ON e.engine = t.engine
                WHERE t.table_schema = ? AND BINARY t.table_name = ?";
    let place = session.place();
    let found = session.texts(sql, &place).await?.pop().unwrap_or_default();
    let [engine, transactions] = <[Option<String>; 2]>::try_from(found).unwrap_or_default();
    if transactions.as_deref() == Some("YES") {
        return Ok(Vec::new());
    }
    let engine: String = engine.unwrap_or_else(|| "VIEW".to_owned());
    Ok(vec![(
        format!("存储引擎 {engine} 不支持事务，应为 InnoDB"),
        format!("engine {engine} has no transactions; should be InnoDB"),
    )])
}

pub(crate) async fn describe(session: &mut Session) -> Done<BTreeMap<String, There>> {
    let sql = "
        SELECT CAST(column_name AS CHAR),
               CAST(CONCAT(column_type, CASE WHEN COALESCE(character_set_name, 'utf8mb4') = 'utf8mb4' THEN ''
                                             ELSE CONCAT(' CHARACTER SET ', character_set_name) END) AS CHAR),
               CAST(is_nullable AS CHAR),
               CASE WHEN column_default IS NOT NULL OR extra LIKE '%auto_increment%' OR extra LIKE '%GENERATED%'
                    THEN 'y' ELSE 'n' END,
               CAST(CASE WHEN collation_name LIKE '%\\_bin' THEN NULL ELSE collation_name END AS CHAR)
          FROM information_schema.columns WHERE table_schema = ? AND BINARY table_name = ?";
    let place = session.place();
    let mut there = BTreeMap::new();
    for row in session.texts(sql, &place).await? {
        let [Some(name), Some(native), nullable, defaulted, blurs] =
            <[Option<String>; 5]>::try_from(row).unwrap_or_default()
        else {
            return Err(Trouble::Unreadable);
        };
        let about = There {
            native,
            mandatory: nullable.as_deref() == Some("NO"),
            defaulted: defaulted.as_deref() == Some("y"),
            blurs,
        };
        there.insert(name, about);
    }
    Ok(there)
}

/// Whether the key's columns, and no others, are unique in the table.
pub(crate) async fn keyed(session: &mut Session, table: &SinkTable) -> Done<bool> {
    let sql = "
        SELECT CAST(index_name AS CHAR), CAST(column_name AS CHAR), CASE WHEN sub_part IS NULL THEN 'whole' END
          FROM information_schema.statistics
         WHERE non_unique = 0 AND table_schema = ? AND BINARY table_name = ?";
    let place = session.place();
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in session.texts(sql, &place).await? {
        let [Some(index), column, whole] = <[Option<String>; 3]>::try_from(row).unwrap_or_default() else { continue };
        // A part of a column, or an expression, is not the column.
        keys.entry(index).or_default().push(whole.and(column).unwrap_or_default());
    }
    let mut key: Vec<&str> = table.key.iter().map(Name::as_str).collect();
    key.sort_unstable();
    Ok(keys.into_values().any(|mut it| {
        it.sort_unstable();
        it == key
    }))
}

pub(crate) async fn create(session: &mut Session, table: &SinkTable) -> Done<String> {
    let orders = format!(
        "SELECT CAST(collation_name AS CHAR) FROM information_schema.collations WHERE collation_name IN ('{}')",
        ORDERS.join("', '")
    );
    let known: Vec<String> = session.texts(&orders, &[]).await?.into_iter().flatten().flatten().collect();
    let order = ORDERS.into_iter().find(|it| known.iter().any(|one| one == it)).unwrap_or("utf8mb4_bin");
    let bytes = |it: &SinkColumn| match it.kind {
        SinkKind::Text { chars } if chars <= ROW_CHARS_MAX => chars * CHAR_BYTES,
        _ => 16,
    };
    let wide = table.columns.iter().map(bytes).fold(0, u32::saturating_add) > ROW_BYTES_MAX;
    // The key alone must hold something: the provider's type may make any other field optional later.
    let column = |it: &SinkColumn| {
        let in_key = table.key.contains(&it.name);
        let kind = match it.kind {
            SinkKind::Text { .. } if wide && !in_key => "TEXT CHARACTER SET utf8mb4".to_owned(),
            other => kind(other, in_key),
        };
        let kind = kind.replace(" COLLATE utf8mb4_bin", "");
        let order = if matches!(it.kind, SinkKind::Text { .. }) { format!(" COLLATE {order}") } else { String::new() };
        let null = if in_key { "NOT NULL" } else { "NULL" };
        format!("{} {kind}{order} {null} COMMENT {}", quoted(it.name.as_str()), literal(&it.title))
    };
    let columns = table.columns.iter().map(column).collect::<Vec<_>>().join(", ");
    Ok(format!(
        "CREATE TABLE {} ({columns}, PRIMARY KEY ({})) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {order}
           COMMENT = {}",
        session.whole(),
        list(table.key.iter(), ""),
        literal(&table.title)
    ))
}
