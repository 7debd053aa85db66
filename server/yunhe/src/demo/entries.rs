//! Catalogue entries for what the demo's organisations offer, after the guide of 2017, published one by one.

use super::install::{REVIEW, read};
use super::people::{CITY_CATALOGUER, PROVIDER_CATALOGUER, Seat};
use super::stage::Stage;
use crate::exit::file_problem;
use serde_json::{Value, json};
use vocabulary::Problem;

/// A column as an entry names it: both titles and the type.
type Column = (&'static str, &'static str, &'static str);

/// What is told of an offer.
struct Told {
    by: Seat,
    pack: &'static str,
    entry: &'static str,
    code: &'static str,
    class: &'static str,
    theme: &'static str,
    title: (&'static str, &'static str),
    provider: (&'static str, &'static str),
    description: (&'static str, &'static str),
    items: &'static [Column],
    conditional: bool,
    cycle: &'static str,
    grade: &'static str,
    synthetic: bool,
}

const SCJG: (&str, &str) = ("省市场监督管理局", "Provincial administration for market regulation");
const NANJING: (&str, &str) = ("南京市数据局", "Nanjing Data Administration");
const CODE: Column = ("统一社会信用代码", "Credit code", "text");

const TOLD: [Told; 4] = [
    Told {
        by: PROVIDER_CATALOGUER,
        pack: "legal-persons",
        entry: "legal-person-base",
        code: "102001001/000101",
        class: "base",
        theme: "legal-persons",
        title: ("法人基础信息", "Base facts of legal persons"),
        provider: SCJG,
        description: (
            "法人的代码、名称、类型、成立日期、行业、资本、状态、登记机关和区划",
            "Code, name, type, founding, industry, capital, status, registrar and division",
        ),
        items: &[
            CODE,
            ("名称", "Name", "text"),
            ("成立日期", "Date of founding", "date"),
            ("注册资本", "Capital", "money"),
        ],
        conditional: false,
        cycle: "daily",
        grade: "一般/1",
        synthetic: true,
    },
    Told {
        by: PROVIDER_CATALOGUER,
        pack: "legal-persons",
        entry: "legal-person-operation",
        code: "204001001/000102",
        class: "theme",
        theme: "credit",
        title: ("法人经营与信用信息", "Operation and credit of legal persons"),
        provider: SCJG,
        description: (
            "法人从业人数、营业收入、异常名录和联系电话",
            "Staff, revenue, listings and telephone of legal persons",
        ),
        items: &[
            CODE,
            ("从业人数", "Staff", "number"),
            ("营业收入", "Revenue", "money"),
            ("联系电话", "Telephone", "text"),
        ],
        conditional: true,
        cycle: "monthly",
        grade: "一般/3",
        synthetic: true,
    },
    Told {
        by: CITY_CATALOGUER,
        pack: "air-quality",
        entry: "air-quality-hour",
        code: "315001001/000103",
        class: "department",
        theme: "environment",
        title: ("大气自动监测小时值", "Hourly values of air monitoring"),
        provider: NANJING,
        description: (
            "监测站点每小时的细颗粒物、二氧化硫、臭氧和气象",
            "PM2.5, SO2, ozone and weather of each station every hour",
        ),
        items: &[("站点", "Station", "text"), ("时间", "Time", "instant"), ("细颗粒物", "PM2.5", "number")],
        conditional: false,
        cycle: "realtime",
        grade: "一般/1",
        synthetic: false,
    },
    Told {
        by: CITY_CATALOGUER,
        pack: "service-items",
        entry: "service-item",
        code: "306001001/000104",
        class: "department",
        theme: "public-services",
        title: ("区级办事项目", "Items of service of a district"),
        provider: NANJING,
        description: (
            "区级部门办事项目的名称、部门和区划",
            "Name, department and division of a district's items of service",
        ),
        items: &[("项目代码", "Item code", "text"), ("部门", "Department", "text")],
        conditional: false,
        cycle: "irregular",
        grade: "一般/1",
        synthetic: false,
    },
];

fn pair((zh, en): (&str, &str)) -> Value {
    json!({"zh": zh, "en": en})
}

fn entry(told: &Told) -> Value {
    let items: Vec<Value> =
        told.items.iter().map(|(zh, en, kind)| json!({"title": pair((zh, en)), "type": kind})).collect();
    let mut entry = json!({
        "entry": told.entry, "title": pair(told.title), "code": told.code, "class": told.class, "theme": told.theme,
        "provider": pair(told.provider), "description": pair(told.description), "formats": ["csv", "parquet", "arrow"],
        "items": items, "share": if told.conditional { "conditional" } else { "unconditional" }, "method": "platform",
        "open": false, "cycle": told.cycle, "published": "2026-11-24", "grade": told.grade, "offer": told.entry,
        "synthetic": told.synthetic,
    });
    if told.conditional {
        entry["condition"] =
            pair(("仅限市、县部门用于惠企政策匹配", "For departments of cities and counties, for matching policies"));
    }
    entry
}

/// Publishes those that no pack has.
///
/// # Errors
/// What the node says.
pub async fn publish(stage: &mut Stage) -> Result<(), Problem> {
    let mut published = 0;
    for told in &TOLD {
        if !stage.packs.join(told.pack).is_dir() {
            continue;
        }
        if read(&stage.packs, told.pack)?.entries.iter().any(|it| it.entry.as_str() == told.entry) {
            continue;
        }
        let path = stage.folder.join(format!("{}.entry.json", told.entry));
        std::fs::write(&path, entry(told).to_string()).map_err(|it| file_problem(&path, &it))?;
        let path = path.display().to_string();
        let mut arguments = vec!["catalog", "publish", path.as_str()];
        arguments.extend(REVIEW);
        stage.ask(told.by, &arguments).await?;
        published += 1;
    }
    stage.say(&format!("另发布目录条目 {published} 条"), &format!("{published} more catalogue entries are published"));
    Ok(())
}
