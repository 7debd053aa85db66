//! A province of legal persons as CSV: one seed, one size, the same bytes.

use crate::defect::{Answers, Defect, Kind};
use crate::random::{Random, Weights};
use crate::words::{self, County, FIRST, SECOND, THIRD, Trade};
use schema::org_code;
use std::fmt::Write as _;
use std::io::{self, Write};

/// The columns of the file.
pub const COLUMNS: [&str; 14] = [
    "uscc",
    "name",
    "kind",
    "founded",
    "industry",
    "capital",
    "status",
    "authority",
    "division",
    "staff",
    "revenue",
    "abnormal",
    "violation",
    "telephone",
];
/// One row in this many has a planted defect.
const ONE_DEFECT_IN: u64 = 100;
/// Characters of organisation codes; their number is prime.
const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
/// As many bodies of eight characters as there are.
const BODIES: u64 = 31_u64.pow(8);
/// Coprime to [`BODIES`], so that rows get distinct codes that do not look like a sequence.
const STRIDE: u64 = 618_033_988_757;
/// Columns by position, as far as defects and names need them.
const USCC: usize = 0;
const NAME: usize = 1;
const FOUNDED: usize = 3;
const INDUSTRY: usize = 4;
const CAPITAL: usize = 5;
const STATUS: usize = 6;
const DIVISION: usize = 8;
const STAFF: usize = 9;
const REVENUE: usize = 10;
const VIOLATION: usize = 12;

/// Writes `rows` legal persons of the province under `seed` as CSV with a header (UTF-8, LF), one in a hundred with a
/// planted defect. Credit codes lie in the never-issued area 3299xx, telephones in an unassigned prefix.
///
/// # Errors
/// When `out` cannot be written.
pub fn legal_persons(seed: u64, rows: u64, out: &mut impl Write) -> io::Result<Answers> {
    let mut province = Province::new(seed);
    let mut answers = Answers { rows, defects: Vec::new() };
    let mut line = COLUMNS.join(",") + "\n";
    let mut row = Row::default();
    let mut clean = Row::default();
    for at in 0..rows {
        out.write_all(line.as_bytes())?;
        province.fill(at, &mut row);
        if province.random.below(ONE_DEFECT_IN) == 0 && at > 0 {
            let kind = Kind::ALL[province.random.index(Kind::ALL.len())];
            if province.spoil(kind, &mut row, &clean) {
                answers.defects.push(Defect { line: at + 2, kind });
            }
        } else {
            clean.0[USCC].clone_from(&row.0[USCC]);
            clean.0[NAME].clone_from(&row.0[NAME]);
        }
        row.write(&mut line);
    }
    out.write_all(line.as_bytes())?;
    Ok(answers)
}

/// One row; its texts are used again for the next one.
#[derive(Default)]
struct Row([String; COLUMNS.len()]);

impl Row {
    fn set(&mut self, column: usize, text: &str) {
        self.0[column].clear();
        self.0[column].push_str(text);
    }

    fn write(&self, line: &mut String) {
        line.clear();
        for (at, cell) in self.0.iter().enumerate() {
            if at > 0 {
                line.push(',');
            }
            if cell.contains(',') {
                // No cell of ours holds a quotation mark.
                line.extend(["\"", cell, "\""]);
            } else {
                line.push_str(cell);
            }
        }
        line.push('\n');
    }
}

/// Everything that is drawn from.
struct Province {
    random: Random,
    offset: u64,
    trades: Vec<Trade>,
    trade_weights: Weights,
    counties: Vec<County>,
    county_weights: Weights,
}

impl Province {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let offset = random.below(BODIES);
        let (trades, trade_weights) = words::trades();
        let (counties, county_weights) = words::counties();
        Self { random, offset, trades, trade_weights, counties, county_weights }
    }

    fn fill(&mut self, at: u64, row: &mut Row) {
        let trade = self.trade_weights.draw(&mut self.random);
        let county = self.county_weights.draw(&mut self.random);
        let farming = self.trades[trade].class.starts_with("01");
        let kind = self.kind(farming);
        let code = self.code(at, kind == "cooperative");
        row.set(USCC, &code);
        self.name(trade, county, kind, &mut row.0[NAME]);
        row.set(2, kind);
        self.founded(&mut row.0[FOUNDED]);
        row.set(INDUSTRY, self.trades[trade].class);
        self.capital(&mut row.0[CAPITAL]);
        let status = self.status();
        row.set(STATUS, status);
        let authority = if self.random.chance(300) { &self.counties[county].city } else { self.counties[county].code };
        row.set(7, authority);
        row.set(DIVISION, self.counties[county].code);
        let staff = self.staff(&mut row.0[STAFF]);
        self.revenue(staff, &mut row.0[REVENUE]);
        let grounds = ["annual-report", "annual-report", "unreachable", "ordered-information", "false-information"];
        let abnormal = if self.random.chance(30) { self.random.pick(&grounds) } else { "" };
        row.set(11, abnormal);
        row.set(VIOLATION, if self.random.chance(5) { "true" } else { "false" });
        row.0[13].clear();
        if self.random.chance(600) {
            // Nobody has a mobile number that begins with 129.
            let _ = write!(row.0[13], "129{:08}", self.random.below(100_000_000));
        }
    }

    fn code(&mut self, at: u64, cooperative: bool) -> String {
        let mut number = (u128::from(at) * u128::from(STRIDE) + u128::from(self.offset)) % u128::from(BODIES);
        let mut body = [b'0'; 8];
        for place in body.iter_mut().rev() {
            *place = ALPHABET[(number % 31) as usize];
            number /= 31;
        }
        let body = std::str::from_utf8(&body).unwrap_or("00000000");
        let division = 329_900 + 1 + self.random.below(99);
        let prefix = if cooperative { "93" } else { "91" };
        org_code::make_uscc(prefix, &division.to_string(), body).unwrap_or_default()
    }

    fn kind(&mut self, farming: bool) -> &'static str {
        match self.random.below(1_000) {
            0..500 if farming => "cooperative",
            0..820 => "limited-company",
            820..850 => "joint-stock-company",
            850..890 => "partnership",
            890..950 => "sole-proprietorship",
            _ => "branch",
        }
    }

    fn name(&mut self, trade: usize, county: usize, kind: &str, name: &mut String) {
        name.clear();
        let place = if self.random.chance(80) { "江苏" } else { self.random.pick(&self.counties[county].short) };
        name.push_str(place);
        name.push_str(self.random.pick(&FIRST));
        name.push_str(self.random.pick(&SECOND));
        if self.random.chance(350) {
            name.push_str(self.random.pick(&THIRD));
        }
        name.push_str(self.random.pick(&self.trades[trade].words));
        name.push_str(match kind {
            "limited-company" => "有限公司",
            "joint-stock-company" => "股份有限公司",
            "partnership" => "合伙企业（有限合伙）",
            "sole-proprietorship" => self.random.pick(&["中心", "工作室", "经营部"]),
            "cooperative" => "农民专业合作社",
            _ => "有限公司分公司",
        });
    }

    /// Later years are likelier; the first is 1985.
    fn founded(&mut self, text: &mut String) {
        let deep = self.random.below(1_000).max(self.random.below(1_000));
        let year = 1985 + deep * 41 / 1_000;
        let (month, day) = (1 + self.random.below(12), 1 + self.random.below(28));
        text.clear();
        let _ = write!(text, "{year}-{month:02}-{day:02}");
    }

    /// Round amounts, small ones likelier; a few are not recorded.
    fn capital(&mut self, text: &mut String) {
        const YUAN: [u64; 12] = [
            30_000,
            100_000,
            100_000,
            500_000,
            500_000,
            1_000_000,
            1_000_000,
            2_000_000,
            5_000_000,
            10_000_000,
            50_000_000,
            200_000_000,
        ];
        text.clear();
        if !self.random.chance(30) {
            let yuan = YUAN[self.random.index(YUAN.len())] * (1 + self.random.below(3));
            let _ = write!(text, "{yuan}.00");
        }
    }

    fn status(&mut self) -> &'static str {
        match self.random.below(1_000) {
            0..720 => "active",
            720..730 => "dormant",
            730..750 => "revoked",
            _ => "deregistered",
        }
    }

    /// A power law: most have a handful, a few tens of thousands.
    fn staff(&mut self, text: &mut String) -> u64 {
        text.clear();
        let draw = 1 + self.random.below(1_000_000);
        let staff = (1_000_000 / draw).min(60_000) + self.random.below(12);
        if !self.random.chance(50) {
            let _ = write!(text, "{staff}");
        }
        staff
    }

    /// Between 50,000 and a million yuan a head.
    fn revenue(&mut self, staff: u64, text: &mut String) {
        text.clear();
        if !self.random.chance(80) {
            let fen = staff * (5_000_000 + self.random.below(95_000_000)) + self.random.below(100);
            let _ = write!(text, "{}.{:02}", fen / 100, fen % 100);
        }
    }

    /// Plants a defect; false when the row cannot carry it.
    fn spoil(&mut self, kind: Kind, row: &mut Row, clean: &Row) -> bool {
        match kind {
            Kind::CheckDigit => {
                let code = &mut row.0[USCC];
                let right = code.pop();
                code.push(if right == Some('7') { '8' } else { '7' });
            }
            Kind::DuplicateKey if clean.0[USCC].is_empty() => return false,
            Kind::DuplicateKey => {
                row.set(USCC, &clean.0[USCC]);
                let mut changed = clean.0[NAME].clone();
                changed.pop();
                changed.push('厂');
                row.set(NAME, &changed);
            }
            Kind::ImpossibleDate => {
                let day = self.random.pick(&["02-30", "04-31", "13-01", "00-10", "11-00", "06-31"]);
                row.0[FOUNDED].truncate(5);
                row.0[FOUNDED].push_str(day);
            }
            Kind::UnknownDivision => {
                let county = 329_900 + self.random.below(100);
                row.set(DIVISION, &county.to_string());
            }
            Kind::FullWidth => {
                let wide = |it: u8| char::from_u32(0xff10 + u32::from(it - b'0')).unwrap_or('０');
                let number = 1 + self.random.below(500);
                row.0[STAFF] = number.to_string().bytes().map(wide).collect();
            }
            Kind::TooLong => {
                let name = row.0[NAME].clone();
                while row.0[NAME].chars().count() <= 100 {
                    row.0[NAME].push_str(&name);
                }
            }
            Kind::Negative => row.0[STAFF] = format!("-{}", 1 + self.random.below(500)),
            Kind::Missing => row.0[STATUS].clear(),
            Kind::UnknownCode => row.set(INDUSTRY, "9999"),
            Kind::Separator => {
                row.0[REVENUE] = format!("{},{:03}.00", 1 + self.random.below(900), self.random.below(1_000))
            }
            Kind::NotBoolean => row.set(VIOLATION, "maybe"),
            Kind::Rounding => row.0[CAPITAL] = format!("{}.005", 1 + self.random.below(1_000_000)),
        }
        true
    }
}
