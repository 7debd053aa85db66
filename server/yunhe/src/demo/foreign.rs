//! Real catalogues of others, where their files are: a pack is made of them, installed at the provider, harvested by
//! the hub and found there. Nothing of them is committed; what they are and whose is said.

use super::find::harvest;
use super::install::{REVIEW, read, word};
use super::people::{HUB_CATALOGUER, PROVIDER_ADMIN, PROVIDER_CATALOGUER, Seat};
use super::stage::{Stage, seconds};
use crate::exit::file_problem;
use crate::output::cell;
use pack::Entry;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;
use vocabulary::Problem;

/// The pack's name.
const PACK: &str = "foreign-catalogues";
/// Serial numbers of codes begin here, past those of the demo's own entries.
const SERIAL_FIRST: u32 = 100_001;
/// Entries in one file of the pack: a file is at most 1 MiB.
const FILE_ENTRIES: usize = 100;

/// A file of `catalogues/`, what its entries are named by, and where it is truly from.
struct Origin {
    file: &'static str,
    prefix: &'static str,
    zh: &'static str,
    en: &'static str,
}

const SOCRATA_ZH: &str = "GitHub simonw/scrape-open-data（Socrata 目录接口，2022-07）";
const SOCRATA_EN: &str = "GitHub simonw/scrape-open-data (Socrata discovery API, 2022-07)";

const ORIGINS: [Origin; 8] = [
    Origin {
        file: "firstdata-sources.jsonl",
        prefix: "fd",
        zh: "GitHub MLT-OSS/FirstData（MIT）：官方数据源，中英文",
        en: "GitHub MLT-OSS/FirstData (MIT): official sources of data, in Chinese and English",
    },
    Origin {
        file: "datacatalogs-ckan-packages.jsonl",
        prefix: "ckan",
        zh: "GitHub okfn/dataportals.org（ODC-PDDL 1.0）：各国数据门户",
        en: "GitHub okfn/dataportals.org (ODC-PDDL 1.0): data portals of the world",
    },
    Origin { file: "socrata-data-cdc-gov.jsonl", prefix: "cdc", zh: "data.cdc.gov", en: "data.cdc.gov" },
    Origin {
        file: "socrata-data-cityofnewyork-us.jsonl",
        prefix: "nyc",
        zh: "data.cityofnewyork.us",
        en: "data.cityofnewyork.us",
    },
    Origin {
        file: "socrata-data-energystar-gov.jsonl",
        prefix: "es",
        zh: "data.energystar.gov",
        en: "data.energystar.gov",
    },
    Origin { file: "socrata-data-usaid-gov.jsonl", prefix: "usaid", zh: "data.usaid.gov", en: "data.usaid.gov" },
    Origin { file: "socrata-datahub-va-gov.jsonl", prefix: "va", zh: "datahub.va.gov", en: "datahub.va.gov" },
    Origin { file: "socrata-healthdata-gov.jsonl", prefix: "hd", zh: "healthdata.gov", en: "healthdata.gov" },
];

impl Origin {
    fn told(&self) -> (String, String) {
        if self.file.starts_with("socrata-") {
            return (format!("{}，经 {SOCRATA_ZH}", self.zh), format!("{} by way of {SOCRATA_EN}", self.en));
        }
        (self.zh.to_owned(), self.en.to_owned())
    }
}

/// Plays this part of step 3; without the files there is none.
///
/// # Errors
/// What goes wrong; `demo.check`.
pub async fn take(stage: &mut Stage) -> Result<(), Problem> {
    let folder = stage.options.real.as_ref().map(|it| it.join("catalogues")).filter(|it| it.is_dir());
    let Some(folder) = folder.filter(|_| stage.packs.join("catalogue-samples").is_dir()) else { return Ok(()) };
    let read = entries(stage, &folder)?;
    if read.is_empty() {
        return Ok(());
    }
    let pack = write(stage, &read)?;
    let before = total(stage, HUB_CATALOGUER).await?;
    let begun = Instant::now();
    let pack = pack.display().to_string();
    let mut install = vec!["pack", "install", pack.as_str()];
    install.extend(REVIEW);
    stage.ask(PROVIDER_ADMIN, &install).await?;
    let published = seconds(begun.elapsed());
    let begun = Instant::now();
    let taken = harvest(stage, "js-scjg").await?;
    let (harvested, all) = (seconds(begun.elapsed()), read.len() as u64);
    stage.say(
        &format!("发布 {published}，汇聚 {harvested}"),
        &format!("published in {published}, harvested in {harvested}"),
    );
    let after = total(stage, HUB_CATALOGUER).await?;
    stage.check(
        &format!("真实目录条目 {all} 条：省市场监管局发布，省数据局汇聚 {taken} 条，目录增至 {after} 条"),
        &format!("{all} real entries: published at the provider, {taken} taken over by the hub, now {after} in all"),
        taken == all && after == before + all,
    )?;
    found(stage, &read).await
}

/// The entries of all files that are there; each file is told with its origin.
fn entries(stage: &mut Stage, folder: &Path) -> Result<Vec<Entry>, Problem> {
    let themes = read(&stage.packs, "catalogue-samples")?;
    let themes: Vec<String> = themes
        .lists
        .iter()
        .filter(|it| it.list().as_str() == "catalogue-themes")
        .flat_map(|it| it.entries().iter().map(|it| it.code.to_string()))
        .collect();
    let themes: Vec<&str> = themes.iter().map(String::as_str).collect();
    let mut all: Vec<Entry> = Vec::new();
    for origin in &ORIGINS {
        let path = folder.join(origin.file);
        if !path.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|it| file_problem(&path, &it))?;
        let lines = text.lines().filter(|it| !it.trim().is_empty()).count();
        let first = SERIAL_FIRST + u32::try_from(all.len()).unwrap_or(u32::MAX - SERIAL_FIRST);
        let got = pack::foreign(origin.prefix, first, &themes, &text);
        let (zh, en) = origin.told();
        stage.say(&format!("来源：{}，{zh}", origin.file), &format!("origin: {}, {en}", origin.file));
        let (made, unread) = (got.entries.len(), got.unread.len());
        stage.check(
            &format!("{}：{lines} 行 = {made} 条目录 + {unread} 行未取（重复或无标题）", origin.file),
            &format!(
                "{}: {lines} lines = {made} entries + {unread} lines left out (repeated or untitled)",
                origin.file
            ),
            lines == made + unread && made > 0,
        )?;
        all.extend(got.entries);
    }
    Ok(all)
}

/// Writes the pack's folder.
fn write(stage: &Stage, entries: &[Entry]) -> Result<PathBuf, Problem> {
    let folder = stage.folder.join(PACK);
    let manifest = json!({
        "pack": PACK, "version": "1", "systems": ["S11"], "needs": ["catalogue-samples"],
        "title": {"zh": "他方开放目录（真实）", "en": "Open catalogues of others (real)"},
        "description": {
            "zh": "他方开放数据目录中的真实条目，提供方见各条目；文件不属于本项目。",
            "en": "Real entries from open catalogues of others; each names its provider. The files are not ours.",
        },
        "owner": {"zh": "见各条目", "en": "see each entry"},
    });
    put(&folder.join("pack.yaml"), &manifest)?;
    for (number, some) in entries.chunks(FILE_ENTRIES).enumerate() {
        put(&folder.join(format!("data/catalogue/part-{number:03}.yaml")), &json!({"entries": some}))?;
    }
    Ok(folder)
}

/// JSON is YAML.
fn put(path: &Path, value: &Value) -> Result<(), Problem> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(|it| file_problem(folder, &it))?;
    std::fs::write(path, value.to_string()).map_err(|it| file_problem(path, &it))
}

async fn total(stage: &Stage, seat: Seat) -> Result<u64, Problem> {
    let all = stage.ask(seat, &["catalog", "search"]).await?;
    Ok(cell::number(&all, "/total").unwrap_or(0))
}

/// One entry of each file, asked for by its title at the hub and by its code at both nodes.
async fn found(stage: &mut Stage, entries: &[Entry]) -> Result<(), Problem> {
    let (mut asked, mut wrong) = (0, Vec::new());
    for origin in &ORIGINS {
        let prefix = format!("{}-", origin.prefix);
        let Some(entry) = entries.iter().find(|it| it.entry.as_str().starts_with(&prefix)) else { continue };
        let found = stage.ask(HUB_CATALOGUER, &["catalog", "search", &entry.title.zh, "--limit", "1"]).await?;
        let here = stage.ask(HUB_CATALOGUER, &["catalog", "show", &entry.code]).await?;
        let there = stage.ask(PROVIDER_CATALOGUER, &["catalog", "show", &entry.code]).await?;
        asked += 1;
        let first = word(&found, "/hits/0/title/zh");
        if first != entry.title.zh || here != there || !here.to_string().contains(entry.entry.as_str()) {
            wrong.push(format!("{} → {first}", entry.title.zh));
        }
    }
    let wrong = if wrong.is_empty() { String::new() } else { format!("（{}）", wrong.join("；")) };
    stage.check(
        &format!("各文件任取一条，共 {asked} 条：按标题检索居首，两处内容一致{wrong}"),
        &format!("one entry of each file, {asked} in all: first by its title, the same at both nodes {wrong}"),
        asked > 0 && wrong.is_empty(),
    )
}
