//! What is offered, said twice: as the pack declares it, and as the model understands it.

use crate::draw::Draw;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt::Write as _};

use crate::model::CANARY;

/// Rows of the first import.
const ROWS_FIRST: usize = 40;
/// Rows of a later import at most.
const ROWS_LATER_MAX: usize = 6;
/// Codes there are.
const CODES: usize = 60;

/// The purpose of every agreement.
pub(crate) const PURPOSE: &str = "惠企政策匹配";

/// A row of the provider's table; its key stands beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub town: &'static str,
    pub name: String,
    pub staff: Option<i64>,
    pub telephone: Option<String>,
    pub secret: String,
}

/// The provider's table by its key.
pub(crate) type Table = BTreeMap<String, Row>;
/// A row as a consumer sees it: the key first.
pub(crate) type Shown = Vec<Option<String>>;

/// The two offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// At once, three columns.
    Open,
    /// After three answers, with masks and further rows left out.
    Full,
}

impl Offer {
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "works-open",
            Self::Full => "works-full",
        }
    }

    pub fn quota(self) -> u64 {
        match self {
            Self::Open => 110,
            Self::Full => 60,
        }
    }

    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Open => &["code", "name", "staff"],
            Self::Full => &["code", "name", "staff", "telephone"],
        }
    }

    fn permits(self, row: &Row) -> bool {
        row.town == "宁" && (self == Self::Open || row.staff.is_some_and(|it| it >= 3))
    }

    /// All that it shows of `table`, in the order of the keys.
    pub fn rows(self, table: &Table) -> Vec<Shown> {
        let permitted = table.iter().filter(|(_, row)| self.permits(row));
        permitted
            .map(|(code, row)| {
                let mut shown = vec![Some(code.clone()), Some(row.name.clone()), row.staff.map(|it| it.to_string())];
                if self == Self::Full {
                    shown.push(row.telephone.as_deref().map(masked));
                }
                shown
            })
            .collect()
    }
}

/// Eleven digits, the middle four hidden.
fn masked(telephone: &str) -> String {
    format!("{}****{}", &telephone[..3], &telephone[7..])
}

/// A row of an answer.
pub(crate) fn shown_json(row: &Map<String, Value>, offer: Offer) -> Option<Shown> {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let shown: Option<Shown> = offer.columns().iter().map(|it| row.get(*it).map(text)).collect();
    shown.filter(|_| row.len() == offer.columns().len())
}

/// Rows of a file, and the table as it is then.
pub(crate) fn draw_file(draw: &mut Draw, table: &Table) -> (Vec<u8>, Table) {
    let mut after = table.clone();
    let mut csv = "code,town,name,staff,telephone,secret\n".to_owned();
    let first = table.is_empty();
    let count = if first { ROWS_FIRST } else { 1 + draw.below(ROWS_LATER_MAX) };
    let mut told = BTreeMap::new();
    for at in 0..count {
        let code = if first { at } else { draw.below(CODES) };
        let version = draw.below(1_000_000);
        told.insert(format!("W{code:04}"), draw_row(draw, code, version));
    }
    for (code, row) in told {
        let staff = row.staff.map(|it| it.to_string()).unwrap_or_default();
        let telephone = row.telephone.clone().unwrap_or_default();
        let line = writeln!(csv, "{code},{},{},{staff},{telephone},{}", row.town, row.name, row.secret);
        line.expect("a string takes whatever is written");
        after.insert(code, row);
    }
    (csv.into_bytes(), after)
}

fn draw_row(draw: &mut Draw, code: usize, version: usize) -> Row {
    let town = draw.of(&["宁", "宁", "宁", "苏"]);
    let outside = if town == "宁" { "works" } else { CANARY };
    Row {
        town,
        name: format!("{outside}-{code}-{version}"),
        staff: (!draw.chance(10)).then(|| draw.between(0, 12)),
        telephone: (!draw.chance(20)).then(|| format!("138{:08}", draw.below(100_000_000))),
        secret: format!("{CANARY}-{version}"),
    }
}

/// The pack of the provider.
pub(crate) fn pack() -> BTreeMap<String, String> {
    let offer = |offer: Offer, more: &str| {
        format!(
            "offer: {}\nof: works\npurpose: [{PURPOSE}]\ncolumns: [{}]\nquota: {{rows_per_day: {}}}\n{more}",
            offer.name(),
            offer.columns().join(", "),
            offer.quota()
        )
    };
    let open = offer(Offer::Open, "share: unconditional\nrows: row.town == \"宁\"\n");
    let full = offer(
        Offer::Full,
        "share: conditional\nrows: row.town == \"宁\" && row.staff >= 3\nmask: {telephone: middle4}\n\
         answer: [own-department, authority, provider]\n",
    );
    let files = [
        ("pack.yaml", PACK.to_owned()),
        ("records/works.yaml", RECORD.to_owned()),
        ("offers/works-open.yaml", open),
        ("offers/works-full.yaml", full),
    ];
    files.map(|(path, text)| (path.to_owned(), text)).into()
}

const PACK: &str = "\
pack: works
title: {zh: 工厂, en: Works}
description: {zh: 仿真所用的工厂, en: Works of the simulation}
owner: {zh: 省市场监督管理局, en: Provincial administration for market regulation}
version: \"1\"
systems: [S39]
";

const RECORD: &str = "\
record: works
title: {zh: 工厂, en: Works}
description: {zh: 仿真所用的工厂, en: Works of the simulation}
duty: {zh: 仿真, en: Simulation}
theme: legal-persons
cycle: daily
key: [code]
fields:
  code:      {type: text, max: 20, title: {zh: 代码, en: Code}, grade: 一般/1}
  town:      {type: text, max: 20, title: {zh: 城市, en: Town}, grade: 一般/1}
  name:      {type: text, max: 60, title: {zh: 名称, en: Name}, grade: 一般/1}
  staff:     {type: integer, min: 0, unit: \"{person}\", optional: true, title: {zh: 人数, en: Staff}, grade: 一般/2}
  telephone: {type: text, max: 20, personal: true, optional: true, title: {zh: 电话, en: Telephone}, grade: 一般/3}
  secret:    {type: text, max: 60, title: {zh: 密, en: Secret}, grade: 一般/4}
";
