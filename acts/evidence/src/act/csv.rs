//! Acts as a table for people (RFC 4180). Pure.
//!
//! A cell that a spreadsheet would run as a formula gets an apostrophe in front: names and texts are other people's.

use super::ActBody;

/// The first line, behind the mark by which spreadsheets know UTF-8.
pub const CSV_HEAD: &str =
    "\u{feff}序号 number,时间 at,操作者 by,角色 roles,操作 act,结果 outcome,原因 code,对象 about\r\n";

/// The line of an act.
pub fn csv_line(body: &ActBody) -> String {
    let number = body.number.to_string();
    let (at, about) = (body.at.to_string(), body.about.to_string());
    let roles = body.roles.join(" ");
    let code = body.code.as_deref().unwrap_or_default();
    let cells = [&number, &at, &body.by, &roles, &body.act, body.outcome.word(), code, &about];
    let cells = cells.map(cell).join(",");
    cells + "\r\n"
}

fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
