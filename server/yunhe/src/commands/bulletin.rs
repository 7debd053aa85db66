//! `yunhe bulletin`: the accounts of a month as a bulletin that a director signs, in Markdown or as a workbook. Every
//! figure names where exactly those stand that it was counted from.

use crate::context::Context;
use crate::exit::{Failure, file_problem};
use crate::output::Voice;
use clap::Args;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

const EXAMPLES: &str = "\
示例 Examples:
  yunhe bulletin 2026-11 --data ./hub --as auditadmin
  yunhe bulletin 2026-11 --xlsx 月报.xlsx --data ./hub --as auditadmin";

/// A title in both languages.
type Title = (&'static str, &'static str);

/// The columns of the table by department: figure, title.
const COLUMNS: [(&str, Title); 13] = [
    ("entries-compiled", ("编制目录", "Entries compiled")),
    ("entries-attached", ("挂接资源", "Entries attached")),
    ("entries-sleeping", ("休眠目录", "Entries asleep")),
    ("requests-received", ("收到申请", "Requests received")),
    ("requests-answered", ("答复申请", "Requests answered")),
    ("requests-in-time", ("按时答复", "Answered in time")),
    ("objections-received", ("收到异议", "Objections received")),
    ("objections-ruled", ("办结异议", "Objections ruled on")),
    ("objections-in-time", ("按时办结", "Ruled on in time")),
    ("objections-corrected", ("更正", "Corrected")),
    ("corrections-told", ("收到更正通知", "Corrections told")),
    ("corrections-confirmed", ("确认更正", "Corrections confirmed")),
    ("calls", ("调用次数", "Calls")),
];
/// The titles of the rates that the node counts, in its order.
const RATES: [Title; node::RATES.len()] = [
    ("挂接率", "Attached, rate"),
    ("按时答复率", "Answered in time, rate"),
    ("异议按时办结率", "Ruled on in time, rate"),
    ("异议更正率", "Corrected, rate"),
    ("更正确认率", "Confirmed, rate"),
];

/// The word of a figure.
fn figure_word(name: node::FigureName) -> String {
    json!(name).as_str().unwrap_or_default().to_owned()
}

/// 月报：一个月的账，每个数字都能追到所计的件。The bulletin of a month.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Bulletin {
    /// 月份，如 2026-11 The month, like 2026-11
    month: String,
    /// 写成 XLSX 工作簿 Write a workbook [Markdown on standard output]
    #[arg(long, value_name = "FILE")]
    xlsx: Option<PathBuf>,
    /// 写成 Markdown 文件 Write Markdown into a file
    #[arg(long, value_name = "FILE", conflicts_with = "xlsx")]
    markdown: Option<PathBuf>,
}

impl Bulletin {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let accounts = client.get("/v1/accounts", &[("month", &self.month)]).await?;
        let members = client.get("/v1/federation", &[]).await?;
        let overdue = client.get("/v1/requests", &[("overdue", "true")]).await?;
        let voice = context.voice();
        let told = Told { accounts, titles: titles(&members, voice), overdue, voice };
        if let Some(path) = &self.xlsx {
            let bytes = workbook(&told).map_err(|it| file_problem(path, &it))?;
            std::fs::write(path, bytes).map_err(|it| file_problem(path, &it))?;
            voice.answer(&json!({ "file": path.display().to_string() }), || path.display().to_string());
            return Ok(());
        }
        let text = markdown(&told);
        match &self.markdown {
            Some(path) => {
                std::fs::write(path, text).map_err(|it| file_problem(path, &it))?;
                voice.answer(&json!({ "file": path.display().to_string() }), || path.display().to_string());
            }
            None => voice.answer(&told.accounts, || text.clone()),
        }
        Ok(())
    }
}

/// How is counted.
const HOW: Title = (
    "口径：目录按统计时间的状态计，只列入未结束的月份；申请、异议按受理或答复所在月计，以环节责任单位归集；调用按有回执的交付计；比率以当月答复、办结数为分母；以本节点所知为限。",
    "How it is counted: entries as they stand when counted, in months that are not over; requests and objections in \
     the month in which they were received or answered, for the department whose turn it was; calls are deliveries \
     with a receipt; rates are of what was answered or ruled on in the month; as far as this node knows.",
);

/// What the bulletin is written from.
struct Told {
    accounts: Value,
    titles: BTreeMap<String, String>,
    overdue: Value,
    /// In which language.
    voice: Voice,
}

/// A table of texts and numbers.
struct Table {
    title: String,
    /// The name of its sheet: the title without its number.
    sheet: String,
    head: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Text(String),
    Count(u64),
    /// Of ten thousand; none where the whole is empty.
    Rate(Option<u64>),
}

impl Cell {
    fn shown(&self) -> String {
        match self {
            // A bar would end the cell.
            Self::Text(text) => text.replace('|', "\\|").replace('\n', " "),
            Self::Count(count) => count.to_string(),
            Self::Rate(None) => "—".to_owned(),
            Self::Rate(Some(rate)) => format!("{}.{:02}%", rate / 100, rate % 100),
        }
    }
}

/// Every member's title.
fn titles(members: &Value, voice: Voice) -> BTreeMap<String, String> {
    let all = members["members"].as_array().map_or(&[][..], Vec::as_slice);
    let language = voice.pick("zh", "en");
    let title = |it: &Value| {
        let text = |at: &str| it.pointer(at).and_then(Value::as_str).map(str::to_owned);
        let title = text(&format!("/title/{language}")).or_else(|| text(&format!("/titles/{language}")));
        Some((text("/id")?, title?))
    };
    all.iter().filter_map(title).collect()
}

impl Told {
    fn pick(&self, (zh, en): Title) -> String {
        self.voice.pick(zh, en).to_owned()
    }

    /// A table without rows: its number, its title, the titles of its columns.
    fn table(&self, number: Title, title: Title, head: &[Title]) -> Table {
        let (number, sheet) = (self.pick(number), self.pick(title));
        let head = head.iter().map(|it| self.pick(*it)).collect();
        Table { title: format!("{number}{sheet}"), sheet, head, rows: Vec::new() }
    }

    /// Whether a figure is there in these accounts: how the catalogue stood at the end of a month that is over is not
    /// known, and what is not known is no zero.
    fn tells(&self, figure: &str) -> bool {
        self.accounts["unfinished"] == true || !figure.starts_with("entries-")
    }

    /// A department by its title; a province or city by its whole code, of which accounts hold the front.
    fn title(&self, name: &str) -> String {
        if !name.is_empty() && name.bytes().all(|it| it.is_ascii_digit()) {
            return format!("{name:0<6}");
        }
        self.titles.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    /// Counts by whatever `by` names, and figure.
    fn counts(&self, by: &str) -> BTreeMap<String, BTreeMap<String, u64>> {
        let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for figure in self.accounts["figures"].as_array().map_or(&[][..], Vec::as_slice) {
            let text = |at: &str| figure[at].as_str().unwrap_or_default().to_owned();
            let count = figure["count"].as_u64().unwrap_or(0);
            *counts.entry(text(by)).or_default().entry(text("name")).or_default() += count;
        }
        counts
    }

    /// One row per department or city, and the sum of all.
    fn tables(&self) -> Vec<Table> {
        let mut tables = Vec::new();
        let columns: Vec<_> = COLUMNS.iter().filter(|it| self.tells(it.0)).collect();
        let rates = node::RATES.map(|(part, whole)| (figure_word(part), figure_word(whole)));
        let rates: Vec<_> = rates.iter().zip(RATES).filter(|((_, whole), _)| self.tells(whole)).collect();
        let kinds = [
            ("department", ("一、", "1. "), ("分部门", "By department"), ("部门", "Department")),
            ("city", ("二、", "2. "), ("分市", "By city"), ("行政区划", "Division")),
        ];
        for (by, number, title, first) in kinds {
            let counts = self.counts(by);
            let mut total: BTreeMap<String, u64> = BTreeMap::new();
            for (name, count) in counts.values().flatten() {
                *total.entry(name.clone()).or_default() += count;
            }
            let row = |name: String, counts: &BTreeMap<String, u64>| {
                let count = |it: &str| counts.get(it).copied().unwrap_or(0);
                let figures = columns.iter().map(|(figure, _)| Cell::Count(count(figure)));
                let rates = rates.iter().map(|((part, whole), _)| {
                    let (part, whole) = (count(part), count(whole));
                    Cell::Rate(Some(whole).filter(|it| *it > 0).map(|it| part * 10_000 / it))
                });
                [Cell::Text(name)].into_iter().chain(figures).chain(rates).collect()
            };
            let mut rows: Vec<Vec<Cell>> = counts.iter().map(|(name, it)| row(self.title(name), it)).collect();
            rows.push(row(self.pick(("合计", "Total")), &total));
            let head = [first].into_iter().chain(columns.iter().map(|it| it.1)).chain(rates.iter().map(|it| it.1));
            tables.push(Table { rows, ..self.table(number, title, &head.collect::<Vec<_>>()) });
        }
        tables.push(self.late());
        tables
    }

    /// What is overdue now, by department and step.
    fn late(&self) -> Table {
        let mut rows = BTreeSet::new();
        for view in self.overdue.as_array().map_or(&[][..], Vec::as_slice) {
            let clocks = view["clocks"].as_array().map_or(&[][..], Vec::as_slice);
            let running = clocks.iter().rev();
            let mut running = running.filter(|it| it["kind"] == "statutory" && it["reading"]["in_time"].is_null());
            let Some(clock) = running.next() else { continue };
            let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
            let step = match clock["step"].as_str().unwrap_or_default() {
                "own-department" => ("本部门审核", "own department"),
                "authority" => ("主管部门审核", "authority in charge"),
                _ => ("提供方答复", "provider"),
            };
            let who = self.title(&text(&clock["who"]));
            let due = text(&clock["reading"]["due"]["day"]);
            let late = clock["reading"]["late"].as_u64().unwrap_or(0);
            rows.insert((who, self.pick(step), text(&view["request"]["body"]["id"]), due, late));
        }
        let rows = rows.into_iter().map(|(who, step, id, due, late)| {
            vec![Cell::Text(who), Cell::Text(step), Cell::Text(id), Cell::Text(due), Cell::Count(late)]
        });
        let head = [
            ("部门", "Department"),
            ("环节", "Step"),
            ("申请", "Request"),
            ("期限", "Due"),
            ("逾期工作日", "Working days late"),
        ];
        let table = self.table(("三、", "3. "), ("当前逾期未办", "Overdue now"), &head);
        Table { rows: rows.collect(), ..table }
    }

    /// What every figure was counted from.
    fn proofs(&self) -> Table {
        let figures = self.accounts["figures"].as_array().map_or(&[][..], Vec::as_slice);
        let title = |name: &str| {
            let known = COLUMNS.iter().find(|it| it.0 == name);
            known.map_or_else(|| name.to_owned(), |it| self.pick(it.1))
        };
        let row = |it: &Value| {
            let text = |at: &str| it[at].as_str().unwrap_or_default().to_owned();
            let count = Cell::Count(it["count"].as_u64().unwrap_or(0));
            let (department, name) = (self.title(&text("department")), title(&text("name")));
            vec![Cell::Text(department), Cell::Text(name), count, Cell::Text(text("proof"))]
        };
        let head = [("部门", "Department"), ("数字", "Figure"), ("数", "Count"), ("依据（GET）", "Counted from (GET)")];
        let table = self.table(("四、", "4. "), ("各数依据", "Proofs"), &head);
        Table { rows: figures.iter().map(row).collect(), ..table }
    }

    fn heading(&self) -> (String, String) {
        let month = self.accounts["month"].as_str().unwrap_or_default();
        let (year, number) = month.split_once('-').unwrap_or((month, ""));
        let number = number.trim_start_matches('0');
        let issuer = self.title(self.accounts["organisation"].as_str().unwrap_or_default());
        let (zh, en) = (format!("数据共享月报（{year}年{number}月）"), format!("Bulletin of data sharing, {month}"));
        (self.voice.pick(&zh, &en).to_owned(), issuer)
    }

    fn notes(&self) -> Vec<String> {
        let at = self.accounts["at"].as_str().unwrap_or_default();
        let mut notes = vec![
            self.pick(HOW),
            self.voice.pick(&format!("统计时间：{at}。"), &format!("Counted at {at}.")).to_owned(),
        ];
        if self.accounts["unfinished"] == true {
            let zh = "本月尚未结束，数字为截至统计时间的数。";
            notes.push(self.pick((zh, "The month is not over; the figures are those of the time of counting.")));
        }
        if self.accounts["estimated"] == true {
            let zh = "部分期限所在年份的放假安排尚未公布，按估算计，公布后重算。";
            notes.push(self.pick((zh, "Some terms lie in a year without notice of holidays and are estimated.")));
        }
        notes
    }

    /// Where a director signs.
    fn signature(&self) -> String {
        self.pick(("签发人：　　　　　　　　　　日期：", "Signed by:                              Date:"))
    }
}

fn markdown(told: &Told) -> String {
    let (title, issuer) = told.heading();
    let mut text = format!("# {title}\n\n{issuer}\n\n");
    for table in told.tables().iter().chain([&told.proofs()]) {
        text.push_str(&format!("## {}\n\n", table.title));
        if table.rows.is_empty() {
            text.push_str(&format!("{}\n\n", told.pick(("无。", "None."))));
            continue;
        }
        text.push_str(&format!("| {} |\n", table.head.join(" | ")));
        let rule = |at: usize| if at == 0 { "---" } else { "---:" };
        let rules: Vec<&str> = (0..table.head.len()).map(rule).collect();
        text.push_str(&format!("| {} |\n", rules.join(" | ")));
        for row in &table.rows {
            let cells: Vec<String> = row.iter().map(Cell::shown).collect();
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        text.push('\n');
    }
    for note in told.notes() {
        text.push_str(&format!("- {note}\n"));
    }
    text.push_str(&format!("\n{}\n", told.signature()));
    text
}

/// The same tables as sheets. Texts stay texts, whatever they begin with.
fn workbook(told: &Told) -> Result<Vec<u8>, rust_xlsxwriter::XlsxError> {
    use rust_xlsxwriter::{Format, FormatAlign, FormatBorder, Workbook};
    let (title, issuer) = told.heading();
    let heading = Format::new().set_bold().set_font_size(16).set_align(FormatAlign::Left);
    let head = Format::new().set_bold().set_border(FormatBorder::Thin).set_text_wrap();
    let (plain, rate) = (Format::new().set_border(FormatBorder::Thin), Format::new().set_border(FormatBorder::Thin));
    let rate = rate.set_num_format("0.00%");
    let mut book = Workbook::new();
    for table in told.tables().iter().chain([&told.proofs()]) {
        let sheet = book.add_worksheet();
        sheet.set_name(&table.sheet)?;
        sheet.write_string_with_format(0, 0, &title, &heading)?;
        sheet.write_string(1, 0, &issuer)?;
        for (column, text) in (0..).zip(&table.head) {
            sheet.write_string_with_format(3, column, text, &head)?;
            sheet.set_column_width(column, if column == 0 { 28 } else { 14 })?;
        }
        let mut line = 4;
        for row in &table.rows {
            for (column, cell) in (0..).zip(row) {
                match cell {
                    Cell::Text(text) => sheet.write_string_with_format(line, column, text, &plain)?,
                    Cell::Count(count) => sheet.write_number_with_format(line, column, *count as f64, &plain)?,
                    Cell::Rate(Some(it)) => {
                        sheet.write_number_with_format(line, column, *it as f64 / 10_000.0, &rate)?
                    }
                    Cell::Rate(None) => sheet.write_string_with_format(line, column, "—", &plain)?,
                };
            }
            line += 1;
        }
        sheet.set_freeze_panes(4, 1)?;
        for note in told.notes() {
            line += 1;
            sheet.write_string(line, 0, &note)?;
        }
        sheet.write_string(line + 2, 0, told.signature())?;
    }
    book.save_to_buffer()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Language;

    fn told(language: Language) -> Told {
        let figure = |name: &str, department: &str, city: &str, count: u64| {
            let (at, proof) = (city, "/v1/accounts/proof");
            json!({"name": name, "department": department, "city": at, "count": count, "proof": proof})
        };
        let accounts = json!({
            "month": "2026-11", "organisation": "js-data", "at": "2026-12-01T01:00:00Z", "unfinished": false,
            "estimated": true,
            "figures": [
                figure("requests-answered", "js-scjg", "32", 4), figure("requests-in-time", "js-scjg", "32", 3),
                figure("calls", "nj-gxj", "3201", 7),
            ],
        });
        let titles = BTreeMap::from([("js-scjg".to_owned(), "=省|局".to_owned())]);
        let clock = json!({"kind": "statutory", "step": "provider", "who": "js-scjg",
            "reading": {"due": {"day": "2026-11-20", "estimated": false}, "late": 6}});
        let overdue = json!([{"request": {"body": {"id": "req_1"}}, "clocks": [clock]}]);
        Told { accounts, titles, overdue, voice: Voice { language, json: false } }
    }

    #[test]
    fn a_bulletin_has_every_figure_its_rate_and_its_sum() {
        let text = markdown(&told(Language::Zh));
        assert!(text.starts_with("# 数据共享月报（2026年11月）\n\njs-data\n"), "{text}");
        let line = text.lines().find(|it| it.starts_with("| =省\\|局")).unwrap();
        assert!(line.contains("| 4 | 3 |") && line.contains("75.00%") && line.contains("—"), "{line}");
        assert!(text.contains("| 320000 | ") && text.contains("| 320100 | "), "whole codes: {text}");
        let total = text.lines().find(|it| it.starts_with("| 合计")).unwrap();
        assert!(total.contains("| 4 | 3 |") && total.contains("| 7 |"), "{total}");
        assert!(text.contains("| =省\\|局 | 提供方答复 | req_1 | 2026-11-20 | 6 |"), "{text}");
        assert!(!text.contains("编制目录") && !text.contains("挂接率"), "the month is over: {text}");
        let mut current = told(Language::Zh);
        current.accounts["unfinished"] = json!(true);
        assert!(markdown(&current).contains("编制目录") && markdown(&current).contains("挂接率"));
        assert!(text.contains("放假安排尚未公布") && text.contains("签发人"), "{text}");
    }

    #[test]
    fn in_english_no_chinese_stands_but_names() {
        let text = markdown(&told(Language::En)).replace("=省\\|局", "");
        assert!(text.starts_with("# Bulletin of data sharing, 2026-11\n"), "{text}");
        assert!(!text.chars().any(|it| ('\u{3000}'..='\u{9fff}').contains(&it)), "{text}");
    }

    /// Whoever opens the workbook finds the same tables, texts as texts and numbers as numbers.
    #[test]
    fn a_workbook_is_made_of_the_same_tables() {
        use calamine::{Data, Reader as _, Xlsx};
        for language in [Language::Zh, Language::En] {
            let told = told(language);
            let bytes = workbook(&told).unwrap();
            let mut book: Xlsx<_> = Xlsx::new(std::io::Cursor::new(bytes)).unwrap();
            let tables: Vec<Table> = told.tables().into_iter().chain([told.proofs()]).collect();
            assert_eq!(book.sheet_names(), tables.iter().map(|it| it.sheet.clone()).collect::<Vec<_>>());
            for table in &tables {
                let range = book.worksheet_range(&table.sheet).unwrap();
                let at = |row: usize, column: usize| {
                    let place = (u32::try_from(row).unwrap(), u32::try_from(column).unwrap());
                    range.get_value(place).cloned().unwrap_or(Data::Empty)
                };
                for (column, head) in table.head.iter().enumerate() {
                    assert_eq!(at(3, column), Data::String(head.clone()), "{}", table.title);
                }
                for (row, cells) in table.rows.iter().enumerate() {
                    for (column, cell) in cells.iter().enumerate() {
                        let expected = match cell {
                            Cell::Text(text) => Data::String(text.clone()),
                            Cell::Count(count) => Data::Float(*count as f64),
                            Cell::Rate(Some(rate)) => Data::Float(*rate as f64 / 10_000.0),
                            Cell::Rate(None) => Data::String("—".to_owned()),
                        };
                        assert_eq!(at(4 + row, column), expected, "{} {row} {column}", table.title);
                    }
                }
            }
        }
    }
}
