//! What the provider holds: the repository's packs, and a small sample of the province whose every row is known.

use crate::World;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The purpose that the conditional offer names.
pub const PURPOSE: &str = "惠企政策匹配";
/// The seed of every world's sample.
const SEED: u64 = 20_261_124;

/// The provider's rows, as the file had them.
pub struct Province {
    /// The file.
    pub csv: Vec<u8>,
    /// Every row of the file, by column; the first is line 2.
    pub lines: Vec<BTreeMap<String, String>>,
    /// The planted defects.
    pub answers: sample::Answers,
}

impl Province {
    /// Draws it.
    pub fn draw(rows: u64) -> Self {
        Self::draw_from(SEED, rows)
    }

    /// Draws another one.
    pub fn draw_from(seed: u64, rows: u64) -> Self {
        let mut csv = Vec::new();
        let answers = sample::legal_persons(seed, rows, &mut csv).unwrap();
        let mut reader = csv::Reader::from_reader(csv.as_slice());
        let lines = reader.deserialize().collect::<Result<Vec<_>, _>>().unwrap();
        Self { csv, lines, answers }
    }

    /// The rows that an import of these columns must take, by credit code.
    pub fn sound(&self, columns: &[&str]) -> BTreeMap<String, &BTreeMap<String, String>> {
        let rejected: BTreeSet<u64> = self.answers.rejected(columns).map(|it| it.line).collect();
        let lines = self.lines.iter().zip(2..).filter(|(_, line)| !rejected.contains(line));
        lines.map(|(row, _)| (row["uscc"].clone(), row)).collect()
    }
}

/// The files of a pack of the repository.
pub fn pack_files(name: &str) -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs").join(name);
    let mut files = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

impl World {
    /// Installs a pack of the repository at `organisation`, each file as `change` leaves it.
    pub async fn install(&self, organisation: &str, pack: &str, change: impl Fn(&str, String) -> String) -> Value {
        let files = pack_files(pack).into_iter().map(|(path, text)| {
            let text = change(&path, text);
            (path, text)
        });
        let files: BTreeMap<String, String> = files.collect();
        self.as_(organisation, "administrator").post("/v1/packs", json!({"files": files})).await.expect_status(200)
    }

    /// Imports a file of the sample at the provider.
    pub async fn import(&self, record: &str, csv: &[u8]) -> Value {
        let path = import_path(record);
        self.as_("js-scjg", "data-steward").upload(&path, csv.to_vec()).await.expect_status(200)
    }

    /// The provider's packs are installed and so many legal persons imported, base facts and operation.
    pub async fn province(&self, rows: u64) -> Province {
        self.province_with(rows, |_, text| text).await
    }

    /// As [`World::province`], with a quota of so many rows a day on the conditional offer.
    pub async fn province_with_quota(&self, rows: u64, rows_per_day: u64) -> Province {
        let quota = format!("rows_per_day: {rows_per_day}");
        self.province_with(rows, |_, text| text.replace("rows_per_day: 1_000_000", &quota)).await
    }

    async fn province_with(&self, rows: u64, change: impl Fn(&str, String) -> String) -> Province {
        self.install_packs(change).await;
        let province = Province::draw(rows);
        for record in ["legal-person", "legal-person-operation"] {
            let report = self.import(record, &province.csv).await;
            assert_eq!(report["read"], json!(rows), "{report}");
        }
        self.number_all("js-scjg").await;
        province
    }

    /// Installs what the provider needs.
    pub async fn install_packs(&self, change: impl Fn(&str, String) -> String) {
        for pack in ["divisions", "calendar-cn", "exchange-deadlines", "legal-persons"] {
            self.install("js-scjg", pack, &change).await;
        }
    }

    /// Numbers everything that waits in an organisation's feeds and log.
    pub async fn number_all(&self, organisation: &str) {
        self.on(organisation, async move |org| while org.sequence_once().await.unwrap() {}).await;
    }
}

/// Where a file of the sample is imported into `record`.
pub fn import_path(record: &str) -> String {
    let source = match record {
        "legal-person" => "legal-persons-sample",
        _ => "legal-persons-operation-sample",
    };
    format!("/v1/imports?record={record}&source={source}&name=sample.csv&reviewed_by=reviewer&reviewed_on=2026-11-23")
}
