//! Exports of acts, and their check without asking anybody. Pure.
//!
//! An export holds every act of a period, in the order of their numbers, with the act before the period, the one after
//! it, and the act that began the export. Each line is the body's very bytes, so that it leads to its leaf; each leaf
//! is proved by a signed checkpoint; and each names the digest of the one before. So a line that is changed, left out,
//! put in or moved is found, at the edges too: the neighbours lie outside the period.

use super::{ActBody, FORMAT};
use crate::{Checkpoint, Salt, VerifierKey, checkpoint::parse_hash, leaf_digest, merkle, merkle_leaf};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vocabulary::{Bilingual, Digest, Hash, OrganisationId, Timestamp, ensure};

/// The act that begins an export.
pub const BEGAN: &str = "audit.export";
/// What a manifest says of its form.
pub const MANIFEST: &str = "yunhe-audit-export/1";
/// Acts in one export at most; a longer period is exported in parts.
pub const EXPORT_ACTS_MAX: u64 = 1_000_000;

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// From when on.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// Until when, itself included.
    #[schemars(with = "String")]
    pub to: Timestamp,
    /// The first act's number.
    pub first: u64,
    /// The last one's; one less than the first where there is none.
    pub last: u64,
}

impl Period {
    /// The numbers of the neighbours, between which all of it lies.
    pub fn edges(&self) -> (u64, u64) {
        (self.first.saturating_sub(1).max(1), self.last.saturating_add(1))
    }

    /// Whether it can be one that the act numbered `export` began: an empty one ends just before it begins, and all of
    /// it comes before that act.
    fn is_before(&self, export: u64) -> bool {
        self.first >= 1 && self.first - 1 <= self.last && self.last < export && self.from <= self.to
    }

    fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at <= self.to
    }
}

/// Where an act stands in its log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The act's number.
    pub number: u64,
    /// Its leaf.
    pub digest: Digest,
    /// What hides it, in hex.
    pub salt: Option<String>,
    /// The epoch of its log.
    pub epoch: Option<u32>,
    /// Its index there.
    pub index: Option<u64>,
    /// From the leaf's sibling up to the checkpoint's root, in base64.
    pub path: Option<Vec<String>>,
}

/// An act with its proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its number.
    pub number: u64,
    /// The body's very text; none when it is gone.
    pub text: Option<String>,
    /// Its proof.
    pub proof: Proof,
}

/// A page of an export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// The act that began it.
    pub export: u64,
    /// What is exported.
    pub period: Period,
    /// The signed checkpoints, one of each log; the first is that of the act that began it.
    pub checkpoints: Vec<String>,
    /// The acts.
    pub acts: Vec<Line>,
    /// Ask again for what comes after this number; none at the end.
    pub next: Option<u64>,
}

/// The proof that a log goes on from what it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Continued {
    /// The epoch of the log.
    pub epoch: u32,
    /// Its size before.
    pub from: u64,
    /// The consistency path, in base64.
    pub path: Vec<String>,
    /// What it leads to.
    pub checkpoint: String,
}

/// The earlier export that this one goes on from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    /// The signed checkpoint that it was proved by.
    pub checkpoint: String,
    /// The consistency path from there; none when the log knows less now.
    pub path: Option<Vec<String>>,
}

/// What an export's folder says of itself. What matters of it stands in the log as well, with the act that began it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `yunhe-audit-export/1`.
    pub format: String,
    /// Whose acts.
    pub organisation: OrganisationId,
    /// The act that began it.
    pub export: u64,
    /// What is exported.
    pub period: Period,
    /// The signed checkpoints.
    pub checkpoints: Vec<String>,
    /// The earlier export that it goes on from.
    pub earlier: Option<Earlier>,
}

/// The line of a file that holds a body: its very bytes where they are one line of JSON, as a JSON text otherwise.
pub fn written(text: Option<&str>) -> String {
    match text {
        Some(text) if text.starts_with('{') && !text.contains(['\n', '\r']) => text.to_owned(),
        text => serde_json::to_string(&text).unwrap_or_default(),
    }
}

/// The body in such a line.
fn read(line: &str) -> Option<String> {
    if line.starts_with('{') { Some(line.to_owned()) } else { serde_json::from_str(line).ok().flatten() }
}

fn flaw(zh: impl Into<String>, en: impl Into<String>) -> Bilingual {
    Bilingual::new(zh, en)
}

/// What was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Acts of the period.
    pub acts: u64,
    /// Those that were refused.
    pub refused: u64,
}

/// A check under way: lines are handed in one by one, so that an export of any length needs no memory.
pub struct Check {
    manifest: Manifest,
    checkpoints: BTreeMap<u32, Checkpoint>,
    last: Option<(u64, Digest)>,
    verified: Verified,
}

impl Check {
    /// Begins with the manifest: its checkpoints must be signed by `known` keys, and go on from the earlier one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn begin(manifest: Manifest, known: &[VerifierKey]) -> Result<Self, Bilingual> {
        ensure!(manifest.format == MANIFEST, flaw("清单格式不识", "the manifest has an unknown format"));
        let Period { first, last, .. } = manifest.period;
        let en = format!("the manifest's numbers {first} to {last}, or its times, are no period of this export");
        ensure!(
            manifest.period.is_before(manifest.export),
            flaw(format!("清单所记序号 {first} 至 {last} 或起止时间不成时段"), en)
        );
        let mut checkpoints = BTreeMap::new();
        for note in &manifest.checkpoints {
            let checkpoint = opened(note, known)?;
            let ours = checkpoint.origin.organisation == manifest.organisation;
            ensure!(ours, flaw("检查点属于另一机构", "a checkpoint is another organisation's"));
            checkpoints.insert(checkpoint.origin.epoch, checkpoint);
        }
        let check = Self { manifest, checkpoints, last: None, verified: Verified { acts: 0, refused: 0 } };
        check.goes_on(known)?;
        Ok(check)
    }

    fn goes_on(&self, known: &[VerifierKey]) -> Result<(), Bilingual> {
        let Some(Earlier { checkpoint, path }) = &self.manifest.earlier else { return Ok(()) };
        let before = opened(checkpoint, known)?;
        let shorter = || {
            flaw(
                "日志比上次导出时更短：其后恢复过旧备份，丢失了操作记录",
                "the log is shorter than at the earlier export: an older backup was restored and acts are lost",
            )
        };
        let (now, path) = (self.checkpoints.get(&before.origin.epoch), path.as_ref().ok_or_else(shorter)?);
        let now =
            now.ok_or_else(|| flaw("缺少上次导出所在日志的检查点", "the earlier export's log has no checkpoint"))?;
        let hashes = hashes(path)?;
        merkle::verify_consistency((before.size, &before.root), (now.size, &now.root), &hashes).map_err(|it| {
            flaw(
                format!("日志与上次导出不一致，历史被改写：{it}"),
                format!("the log contradicts the earlier export, its history was rewritten: {it}"),
            )
        })
    }

    /// The signed checkpoint of the log of `epoch`.
    pub fn checkpoint(&self, epoch: u32) -> Option<&Checkpoint> {
        self.checkpoints.get(&epoch)
    }

    /// What is checked.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn expected(&self) -> u64 {
        let (low, high) = self.manifest.period.edges();
        match self.last {
            None => low,
            Some((last, _)) if last < high => last + 1,
            Some(_) => self.manifest.export,
        }
    }

    /// Checks the next line of acts with its line of proofs; gives the body where the act is of the period.
    ///
    /// # Errors
    /// The first thing that is wrong with it. The next line can be checked all the same.
    pub fn line(&mut self, line: &str, proof: &Proof) -> Result<Option<ActBody>, Bilingual> {
        let (expected, number, before) = (self.expected(), proof.number, self.last);
        let ended = before.is_some_and(|it| it.0 == self.manifest.export);
        ensure!(!ended, flaw("导出操作之后不应再有行", "nothing comes after the export itself"));
        self.last = Some((number, proof.digest));
        ensure!(
            number == expected,
            flaw(
                format!("应为第 {expected} 号操作，却是第 {number} 号：有行缺失、多出或移位"),
                format!("act {expected} is expected here and {number} stands here: a line is missing, added or moved"),
            )
        );
        let body = self.body(line, proof)?;
        if let Some((last, digest)) = before.filter(|it| it.0.checked_add(1) == Some(number)) {
            let en = format!("the act does not name act {last} as the one before it");
            ensure!(body.previous == Some(digest), flaw(format!("所记前一操作并非第 {last} 号"), en));
        }
        ensure!(number > 1 || body.previous.is_none(), flaw("第 1 号之前不应有操作", "nothing comes before act 1"));
        self.proved(proof)?;
        self.edge(&body)?;
        let period = &self.manifest.period;
        if number < period.first || number > period.last {
            return Ok(None);
        }
        self.verified.acts += 1;
        self.verified.refused += u64::from(body.outcome == super::Outcome::Refused);
        Ok(Some(body))
    }

    fn body(&self, line: &str, proof: &Proof) -> Result<ActBody, Bilingual> {
        let number = proof.number;
        let gone = || flaw(format!("第 {number} 号操作的正文已不存在"), format!("the body of act {number} is gone"));
        let text = read(line).ok_or_else(gone)?;
        let salt = proof.salt.as_deref().and_then(|it| hex::decode(it).ok()?.try_into().ok()).ok_or_else(gone)?;
        let digest = leaf_digest(proof.digest.suite, &Salt(salt), text.as_bytes());
        ensure!(
            digest == proof.digest,
            flaw(
                format!("第 {number} 号操作的正文与其日志摘要不符，已被改动"),
                format!("the text of act {number} does not lead to its leaf: it was changed"),
            )
        );
        let body: ActBody = serde_json::from_str(&text)
            .map_err(|it| flaw(format!("不是操作正文：{it}"), format!("this is no body of an act: {it}")))?;
        let ours = body.format == FORMAT && body.organisation == self.manifest.organisation;
        ensure!(ours, flaw("操作属于另一机构或格式不识", "the act is another organisation's, or of another form"));
        ensure!(body.number == number, flaw("正文中的序号不同", "the body holds another number"));
        Ok(body)
    }

    fn proved(&self, proof: &Proof) -> Result<(), Bilingual> {
        let number = proof.number;
        let none = || {
            let en = format!("act {number} has no proof that it is in the log");
            flaw(format!("第 {number} 号操作没有日志包含证明"), en)
        };
        let (epoch, index) = (proof.epoch.ok_or_else(none)?, proof.index.ok_or_else(none)?);
        let checkpoint = self.checkpoints.get(&epoch).ok_or_else(none)?;
        let path = hashes(proof.path.as_ref().ok_or_else(none)?)?;
        let leaf = merkle_leaf(&proof.digest);
        merkle::verify_inclusion(&leaf, index, checkpoint.size, &path, &checkpoint.root).map_err(|it| {
            flaw(
                format!("第 {number} 号操作不在已签名的日志之中：{it}"),
                format!("act {number} is not in the signed log: {it}"),
            )
        })
    }

    /// The neighbours lie outside the period, and the act that began the export says the same as the manifest.
    fn edge(&self, body: &ActBody) -> Result<(), Bilingual> {
        let (number, period) = (body.number, &self.manifest.period);
        if number == self.manifest.export {
            let told: Option<Period> = serde_json::from_value(body.about.clone()).ok();
            let same = body.act == BEGAN && told.as_ref() == Some(period);
            return if same {
                Ok(())
            } else {
                Err(flaw("清单与日志中的导出操作不符", "the manifest is not what the log says of this export"))
            };
        }
        let beside = number.checked_add(1) == Some(period.first) || period.last.checked_add(1) == Some(number);
        ensure!(
            !(beside && period.holds(body.at)),
            flaw(
                format!("第 {number} 号操作属于所选时段却列于其外"),
                format!("act {number} is of the period and stands outside it"),
            )
        );
        Ok(())
    }

    /// Ends: every line must have come.
    ///
    /// # Errors
    /// Which act is missing.
    pub fn end(self) -> Result<Verified, Bilingual> {
        let export = self.manifest.export;
        let last = self.last.map_or(0, |it| it.0);
        ensure!(
            last == export,
            flaw(
                format!("止于第 {last} 号操作，缺少直至导出操作（第 {export} 号）的各行"),
                format!("it ends with act {last}; the lines up to the export itself (act {export}) are missing"),
            )
        );
        Ok(self.verified)
    }
}

fn opened(note: &str, known: &[VerifierKey]) -> Result<Checkpoint, Bilingual> {
    Checkpoint::open(note, known).map_err(|it| {
        let problem = vocabulary::Problem::from(it);
        flaw(format!("检查点：{}", problem.detail.zh), format!("checkpoint: {}", problem.detail.en))
    })
}

fn hashes(path: &[String]) -> Result<Vec<Hash>, Bilingual> {
    let all = path.iter().map(|it| parse_hash(it)).collect::<Option<Vec<_>>>();
    all.ok_or_else(|| flaw("证明路径不是 base64 的哈希", "the path is no list of hashes in base64"))
}
