//! `yunhe audit verify`: an export checked line by line, with nothing but the keys that one trusts. Lines are read one
//! at a time, so that an export of any length needs no memory.

use super::{ACTS, LINE_BYTES_MAX, MANIFEST, MANIFEST_BYTES_MAX, PROOFS, TABLE, flaw};
use crate::commands::receipt;
use crate::exit::{Failure, file_problem, json_problem};
use crate::output::{Voice, facts};
use clap::Args;
use evidence::act::export::{Check, Manifest, Proof, Verified};
use evidence::act::{CSV_HEAD, csv_line};
use evidence::{Checkpoint, Note, VerifierKey};
use serde_json::json;
use signing::PublicKey;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use vocabulary::{Bilingual, Kind, Problem, ensure};

/// Flaws that are told; more are counted.
const FLAWS_MAX: usize = 20;

#[derive(Args, Debug)]
pub struct Verify {
    /// 导出目录 The export
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// 成员日志文件（yunhe federation export），或创世文件 The member log, or the genesis file alone
    #[arg(long, value_name = "FILE", required_unless_present = "key", conflicts_with = "key")]
    members: Option<PathBuf>,
    /// 所信任的创世摘要 The digest of the genesis that you trust
    #[arg(long, value_name = "DIGEST", requires = "members")]
    genesis: Option<String>,
    /// 所信任的日志公钥，可多次 The log's key that you trust; again for the logs before a restore
    #[arg(long, value_name = "KEY")]
    key: Vec<PublicKey>,
    /// 上次的导出：核对本次由其延续而来 The earlier export that this one must go on from
    #[arg(long, value_name = "DIR")]
    earlier: Option<PathBuf>,
}

/// The manifest of an export.
pub(super) fn manifest(folder: &Path) -> Result<Manifest, Problem> {
    let path = folder.join(MANIFEST);
    let file = File::open(&path).map_err(|it| file_problem(&path, &it))?;
    let mut text = String::new();
    file.take(MANIFEST_BYTES_MAX).read_to_string(&mut text).map_err(|it| file_problem(&path, &it))?;
    serde_json::from_str(&text).map_err(|it| json_problem(MANIFEST, &it))
}

/// A file by its lines.
struct Lines {
    name: &'static str,
    number: u64,
    file: BufReader<File>,
}

impl Lines {
    fn open(folder: &Path, name: &'static str) -> Result<Self, Problem> {
        let path = folder.join(name);
        let file = File::open(&path).map_err(|it| file_problem(&path, &it))?;
        Ok(Self { name, number: 0, file: BufReader::new(file) })
    }

    /// The next line without its end; none at the end of the file.
    fn next(&mut self, end: &str) -> Result<Option<String>, Problem> {
        let mut line = Vec::new();
        let read = (&mut self.file).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        read.map_err(|it| file_problem(Path::new(self.name), &it))?;
        if line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let text = String::from_utf8(line).ok().and_then(|it| it.strip_suffix(end).map(str::to_owned));
        let broken = || Bilingual::new("此行不完整、过长或不是 UTF-8", "the line is cut, too long or no UTF-8");
        text.map(Some).ok_or_else(|| self.flaw(&broken()))
    }

    fn flaw(&self, what: &Bilingual) -> Problem {
        flaw(self.name, Some(self.number), what)
    }
}

impl Verify {
    /// Runs it.
    pub fn run(self, voice: Voice) -> Result<(), Failure> {
        let manifest = manifest(&self.folder)?;
        let known = self.known(&manifest)?;
        if let Some(earlier) = &self.earlier {
            follows(&manifest, earlier).map_err(Failure::unproven)?;
        }
        let (checked, proved_by) = check(&self.folder, manifest.clone(), &known).map_err(Failure::unproven)?;
        let value = json!({
            "verified": true, "organisation": manifest.organisation, "period": manifest.period,
            "acts": checked.acts, "refused": checked.refused, "log": proved_by.origin, "size": proved_by.size,
            "goes_on": manifest.earlier.is_some(),
        });
        voice.answer(&value, || told(voice, &manifest, checked, &proved_by));
        Ok(())
    }

    /// The keys of the export's logs, as far as they are trusted.
    fn known(&self, manifest: &Manifest) -> Result<Vec<VerifierKey>, Problem> {
        if let Some(members) = &self.members {
            return receipt::logs_of(members, self.genesis.as_deref(), &manifest.organisation);
        }
        let mut known = Vec::new();
        let earlier = manifest.earlier.iter().map(|it| &it.checkpoint);
        for note in manifest.checkpoints.iter().chain(earlier) {
            let origin = Checkpoint::parse(Note::parse(note)?.text())?.origin;
            for key in &self.key {
                known.push(VerifierKey::new(origin.to_string(), *key)?);
            }
        }
        Ok(known)
    }
}

/// The export names the checkpoint of `earlier` as the one that it goes on from.
fn follows(manifest: &Manifest, earlier: &Path) -> Result<(), Problem> {
    let before = self::manifest(earlier)?;
    let named = manifest.earlier.as_ref().map(|it| &it.checkpoint);
    let same = named.is_some() && named == before.checkpoints.first();
    let what = Bilingual::new(
        "清单未证明由所指的上次导出延续而来；请以 --earlier 重新导出",
        "it does not prove that it goes on from that earlier export; export again with --earlier",
    );
    ensure!(same, flaw(MANIFEST, None, &what));
    Ok(())
}

fn check(folder: &Path, manifest: Manifest, known: &[VerifierKey]) -> Result<(Verified, Checkpoint), Problem> {
    let mut check = Check::begin(manifest, known).map_err(|it| flaw(MANIFEST, None, &it))?;
    let (mut acts, mut proofs) = (Lines::open(folder, ACTS)?, Lines::open(folder, PROOFS)?);
    let mut table = Lines::open(folder, TABLE)?;
    let mut flaws = Vec::new();
    let head = table.next("\r\n")?;
    if head.as_deref() != CSV_HEAD.strip_suffix("\r\n") {
        flaws.push(table.flaw(&Bilingual::new("表头不符", "the head of the table differs")));
    }
    while flaws.len() < FLAWS_MAX {
        let (Some(line), proof) = (acts.next("\n")?, proofs.next("\n")?) else { break };
        match checked(&mut check, &line, proof.as_deref()) {
            Err(what) => flaws.push(acts.flaw(&what)),
            Ok(None) => {}
            Ok(Some(row)) => {
                if table.next("\r\n")?.map(|it| it + "\r\n") != Some(row) {
                    flaws.push(table.flaw(&Bilingual::new("与操作正文不符", "the row is not what the act says")));
                }
            }
        }
    }
    for lines in [&mut proofs, &mut table] {
        // After a flaw the files no longer go side by side.
        if flaws.is_empty() && lines.next("\n")?.is_some() {
            flaws.push(lines.flaw(&Bilingual::new("多出此行", "there is a line too many")));
        }
    }
    let epoch = check.manifest().checkpoints.first().and_then(|it| Note::parse(it).ok());
    let proved_by = epoch.and_then(|it| Checkpoint::parse(it.text()).ok());
    let ended = check.end().map_err(|it| acts.flaw(&it));
    match (flaws.is_empty(), ended, proved_by) {
        (true, Ok(verified), Some(checkpoint)) => Ok((verified, checkpoint)),
        (true, Err(problem), _) => Err(problem),
        _ => Err(all(flaws)),
    }
}

/// Checks a line of acts with its proof; gives its row of the table where it has one.
fn checked(check: &mut Check, line: &str, proof: Option<&str>) -> Result<Option<String>, Bilingual> {
    let proof = proof.ok_or_else(|| Bilingual::new("缺少证明行", "its line of proofs is missing"))?;
    let proof: Proof = serde_json::from_str(proof)
        .map_err(|it| Bilingual::new(format!("证明行有误：{it}"), format!("its line of proofs is wrong: {it}")))?;
    Ok(check.line(line, &proof)?.as_ref().map(csv_line))
}

/// The first flaw, and all of them as findings.
fn all(flaws: Vec<Problem>) -> Problem {
    let findings: Vec<_> = flaws
        .iter()
        .map(|it| {
            json!({"file": it.more.get("file"), "line": it.more.get("line"), "zh": it.detail.zh, "en": it.detail.en})
        })
        .collect();
    let first = flaws.into_iter().next();
    let none = || Problem::new(Kind::Unprocessable, "audit.flaw", "导出没有检查点", "the export has no checkpoint");
    first.unwrap_or_else(none).with("findings", findings)
}

fn told(voice: Voice, manifest: &Manifest, checked: Verified, proved_by: &Checkpoint) -> String {
    let period = &manifest.period;
    let mut text = format!(
        "{}\n",
        voice.pick("✓ 核验通过：逐行完整、未改、无缺", "✓ verified: whole, unchanged, nothing missing")
    );
    let goes_on =
        if manifest.earlier.is_some() { voice.pick("是", "yes") } else { voice.pick("未要求", "not asked") };
    text.push_str(&facts(
        voice,
        &[
            ("单位", "Organisation", manifest.organisation.to_string()),
            ("时段", "Period", format!("{} – {}", period.from, period.to)),
            ("操作", "Acts", checked.acts.to_string()),
            ("其中被拒", "Of them refused", checked.refused.to_string()),
            ("存证日志", "Log", format!("{} ({})", proved_by.origin, proved_by.size)),
            ("由上次导出延续", "Goes on from the earlier export", goes_on.to_owned()),
        ],
    ));
    text
}
