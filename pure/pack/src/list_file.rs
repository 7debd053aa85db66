//! Code lists in packs: a head in YAML, entries beside it or in a CSV file.

use crate::finding::{Place, Report};
use schema::{CodeEntry, CodeList, Flaw};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Bilingual, Date, ResourceId};

/// A CSV file of entries is at most this long.
pub const LIST_BYTES_MAX: usize = 16 << 20;
/// The columns of such a file; those after the third may be left out.
const COLUMNS: [&str; 7] = ["code", "zh", "en", "parent", "valid_from", "valid_until", "successor"];

/// A code list: what it is, and either its entries or the CSV file beside it that has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CodeList")]
pub(crate) struct ListFile {
    /// Its name.
    pub list: ResourceId,
    /// Its title.
    pub title: Bilingual,
    /// The standard or decision that defines it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard: Option<String>,
    /// Its version: the standard's year, or a date.
    pub version: String,
    /// Its entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<Vec<CodeEntry>>,
    /// A CSV file beside this one with the columns code, zh, en, parent, valid_from, valid_until, successor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl ListFile {
    /// The checked list of these entries.
    ///
    /// # Errors
    /// Every flaw; pointers into entries are `/entries/<at>`.
    pub fn list(self, entries: Vec<CodeEntry>) -> Result<CodeList, Vec<Flaw>> {
        CodeList::new(self.list, self.title, self.standard, self.version, entries)
    }
}

/// Reads the entries of a CSV file, each with its line; what is wrong goes to the report.
pub(crate) fn read_csv(text: &str, report: &mut Report<'_>) -> (Vec<CodeEntry>, Vec<u32>) {
    if text.len() > LIST_BYTES_MAX {
        let (zh, en) = (format!("文件有 {} 字节", text.len()), format!("the file has {} bytes", text.len()));
        let to = (format!("至多 {LIST_BYTES_MAX} 字节"), format!("keep it within {LIST_BYTES_MAX} bytes"));
        report.add(Place::START, "pack.too_large", (&zh, &en), (&to.0, &to.1));
        return (Vec::new(), Vec::new());
    }
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_owned).collect(),
        Err(error) => {
            report_csv(&error, report);
            return (Vec::new(), Vec::new());
        }
    };
    if !check_header(&header, report) {
        return (Vec::new(), Vec::new());
    }
    let mut entries = Vec::new();
    let mut lines = Vec::new();
    for row in reader.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                report_csv(&error, report);
                continue;
            }
        };
        let line = row.position().map_or(1, |it| u32::try_from(it.line()).unwrap_or(u32::MAX));
        let place = Place { line, column: 1 };
        if row.len() != header.len() {
            let (found, expected) = (row.len(), header.len());
            let fact = (
                format!("此行有 {found} 列，应有 {expected} 列"),
                format!("the line has {found} cells, not {expected}"),
            );
            report.add(place, "pack.csv", (&fact.0, &fact.1), ("补齐或删去多余的列", "fill it up or cut it down"));
            continue;
        }
        let cell = |name: &str| header.iter().position(|it| it == name).and_then(|at| row.get(at)).unwrap_or("");
        let some = |name: &str| Some(cell(name).to_owned()).filter(|it| !it.is_empty());
        entries.push(CodeEntry {
            code: cell("code").to_owned(),
            zh: cell("zh").to_owned(),
            en: cell("en").to_owned(),
            parent: some("parent"),
            valid_from: date(cell("valid_from"), place, report),
            valid_until: date(cell("valid_until"), place, report),
            successor: some("successor"),
        });
        lines.push(line);
    }
    (entries, lines)
}

fn check_header(header: &[String], report: &mut Report<'_>) -> bool {
    let missing: Vec<&str> = COLUMNS[..3].iter().filter(|it| !header.iter().any(|has| has == *it)).copied().collect();
    let unknown: Vec<&str> = header.iter().map(String::as_str).filter(|it| !COLUMNS.contains(it)).collect();
    let twice = header.iter().enumerate().any(|(at, it)| header[..at].contains(it));
    if missing.is_empty() && unknown.is_empty() && !twice {
        return true;
    }
    let found = header.join(",");
    let fact = (format!("首行为“{found}”"), format!("the first line is {found:?}"));
    let all = COLUMNS.join(",");
    let remedy =
        (format!("首行写 {all}（第四列起可省）"), format!("write {all}; those after the third may be left out"));
    report.add(Place::START, "pack.csv_header", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
    false
}

fn date(text: &str, place: Place, report: &mut Report<'_>) -> Option<Date> {
    if text.is_empty() {
        return None;
    }
    let date = text.parse().ok();
    if date.is_none() {
        let fact = (format!("“{text}”不是日期"), format!("{text:?} is no date"));
        report.add(place, "pack.date", (&fact.0, &fact.1), ("写作 2026-02-28", "write it like 2026-02-28"));
    }
    date
}

fn report_csv(error: &csv::Error, report: &mut Report<'_>) {
    let line = error.position().map_or(1, |it| u32::try_from(it.line()).unwrap_or(u32::MAX));
    let fact = (format!("不是合用的 CSV：{error}"), format!("this is not plain CSV: {error}"));
    let place = Place { line, column: 1 };
    report.add(place, "pack.csv", (&fact.0, &fact.1), ("用 UTF-8，引号成对", "use UTF-8 and close every quote"));
}
