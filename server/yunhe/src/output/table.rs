//! Aligned text.

use super::Voice;
use unicode_width::UnicodeWidthStr;

/// A column is at most this wide on a terminal; the rest of a cell is left out, and JSON has it whole.
const COLUMN_WIDTH_MAX: usize = 48;
/// Between columns.
const GAP: &str = "  ";

/// A table: titles in the caller's language, then rows. Columns of numbers are set to the right.
pub fn table(voice: Voice, titles: &[(&str, &str)], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return voice.pick("（无）", "(none)").to_owned();
    }
    let titles: Vec<String> = titles.iter().map(|(zh, en)| voice.pick(zh, en).to_owned()).collect();
    let numeric: Vec<bool> =
        (0..titles.len()).map(|at| rows.iter().all(|it| it.get(at).is_none_or(|it| is_number(it)))).collect();
    let widths: Vec<usize> = titles
        .iter()
        .enumerate()
        .map(|(at, title)| {
            let cells = rows.iter().filter_map(|it| it.get(at)).map(|it| it.width());
            cells.chain([title.width()]).max().unwrap_or(0).min(COLUMN_WIDTH_MAX)
        })
        .collect();
    let mut text = String::new();
    push_line(&mut text, &titles, &widths, &numeric);
    push_line(&mut text, &widths.iter().map(|it| "─".repeat(*it)).collect::<Vec<_>>(), &widths, &numeric);
    for row in rows {
        push_line(&mut text, row, &widths, &numeric);
    }
    text
}

fn is_number(text: &str) -> bool {
    text.is_empty()
        || (text.bytes().any(|it| it.is_ascii_digit()) && text.bytes().all(|it| b"0123456789.,-".contains(&it)))
}

fn push_line(text: &mut String, cells: &[String], widths: &[usize], numeric: &[bool]) {
    let mut line = String::new();
    for ((cell, width), right) in cells.iter().zip(widths).zip(numeric) {
        if !line.is_empty() {
            line.push_str(GAP);
        }
        let cell = shortened(&cell.replace(['\n', '\r', '\t'], " "), *width);
        let fill = " ".repeat(width.saturating_sub(cell.width()));
        if *right {
            line.push_str(&fill);
            line.push_str(&cell);
        } else {
            line.push_str(&cell);
            line.push_str(&fill);
        }
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    for character in text.chars() {
        let next = unicode_width::UnicodeWidthChar::width(character).unwrap_or(0);
        if out.width() + next + 1 > width {
            break;
        }
        out.push(character);
    }
    out.push('…');
    out
}

/// Labels and values, one a line, the values aligned; empty values are left out.
pub fn facts(voice: Voice, pairs: &[(&str, &str, String)]) -> String {
    let shown: Vec<(&str, &String)> =
        pairs.iter().filter(|it| !it.2.is_empty()).map(|(zh, en, value)| (voice.pick(zh, en), value)).collect();
    let width = shown.iter().map(|it| it.0.width()).max().unwrap_or(0);
    let mut text = String::new();
    for (label, value) in shown {
        let fill = " ".repeat(width - label.width());
        text.push_str(&format!("{label}{fill}  {}\n", value.replace('\n', &format!("\n{}", " ".repeat(width + 2)))));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Language;

    const ZH: Voice = Voice { language: Language::Zh, json: false };

    #[test]
    fn chinese_counts_two_columns() {
        let rows = [vec!["南京".to_owned(), "9".to_owned()], vec!["a".to_owned(), "10".to_owned()]];
        let text = table(ZH, &[("名称", "Name"), ("数", "Count")], &rows);
        assert_eq!(text, "名称  数\n────  ──\n南京   9\na     10\n");
    }

    #[test]
    fn a_cell_is_cut_between_characters_and_says_so() {
        assert_eq!(shortened("南京市工业", 6), "南京…");
        assert_eq!(shortened("南京市", 6), "南京市");
    }

    #[test]
    fn values_stand_under_one_another() {
        let text = facts(
            ZH,
            &[("代码", "Code", "a".into()), ("主管部门", "Authority", "b\nc".into()), ("空", "-", String::new())],
        );
        assert_eq!(text, "代码      a\n主管部门  b\n          c\n");
    }
}
