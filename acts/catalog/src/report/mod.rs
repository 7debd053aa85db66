//! Reporting up 上报: what subordinates have in their catalogues stands in their superior's as well, and what each level
//! said of it comes back down.
//!
//! Up goes an entry with its owner's signature and the ruling of every level that took it; down go the rulings. Both
//! are feeds that the other side reads behind a position, so that nothing is lost while one is away, and nothing comes
//! twice.

pub mod decide;
mod page;
pub(crate) mod store;
#[cfg(test)]
mod tests;
mod verbs;

use crate::{Change, Publication};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use signing::{PublicKey, Purpose, Sign as _, Signer};
use vocabulary::{
    Bilingual, Digest, FederationName, Kind, OrganisationId, Problem, ResourceId, Signature, Timestamp, ensure,
};

pub use page::{LevelPeer, PAGES_MAX, ReportPage, RulingPage, heard, reports, rulings, take_from};
pub use verbs::{
    NumberEntry, ReadAnew, Reported, ReportsAsk, ReturnEntry, TakeReports, TakeRulings, number_entry, read_anew,
    report_view, report_views, return_entry, take_reports, take_rulings,
};

/// The format of [`Ruling`].
pub const RULING_FORMAT: &str = "yunhe-catalogue-ruling/1";
/// Why something is returned, in characters at most.
pub const REASON_CHARS_MAX: usize = 2_000;

/// What a level says of an entry that came up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// 接收: it stands in this level's catalogue.
    Taken,
    /// 退回: sent back, with a reason; its next revision is taken again.
    Returned,
    /// 撤销: withdrawn below, and here too.
    Withdrawn,
}

/// What a level says of an entry, as it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RulingBody {
    /// [`RULING_FORMAT`].
    pub format: String,
    /// Within which federation.
    pub federation: FederationName,
    /// Whose entry.
    pub organisation: OrganisationId,
    /// Which.
    pub entry: ResourceId,
    /// At which revision.
    pub revision: i64,
    /// The digest of the publication that it is about.
    pub digest: Digest,
    /// Which level says it.
    pub by: OrganisationId,
    /// What.
    pub verdict: Verdict,
    /// Why it is returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The level's own number of the entry (目录代码); once given it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// A ruling with its level's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ruling {
    /// What is signed.
    pub body: RulingBody,
    /// By the level.
    pub signature: Signature,
}

impl Ruling {
    /// Signs a ruling.
    ///
    /// # Errors
    /// What the signer says.
    pub fn sign(body: RulingBody, signer: &dyn Signer) -> Result<Self, Problem> {
        let signature = signer.sign_canonical(Purpose::Report, &body)?;
        Ok(Self { body, signature })
    }

    /// Checks that one of `keys` has signed it, in the format that we read.
    ///
    /// # Errors
    /// `catalog.report_signature`.
    pub fn check(&self, keys: &[PublicKey]) -> Result<(), Problem> {
        let held = |it: &PublicKey| it.verify_canonical(Purpose::Report, &self.body, &self.signature).is_ok();
        ensure!(self.body.format == RULING_FORMAT && keys.iter().any(held), unsigned(&self.body.by));
        Ok(())
    }
}

/// An entry as it goes up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Its place in the teller's feed.
    pub position: i64,
    /// What changed.
    pub change: Change,
    /// The owner's signature over the publication; none for a withdrawal, which is the teller's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Signature>,
    /// The rulings of the levels that took it so far, lowest first, the teller's last; none of the owner's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Ruling>,
}

/// The owner's signature over what it publishes.
pub(crate) fn sign_origin(publication: &Publication, signer: &dyn Signer) -> Result<Signature, Problem> {
    signer.sign_canonical(Purpose::Catalogue, publication)
}

impl Report {
    /// Checks what it carries: the owner's signature, and each level's over this very publication, each once. `keys`
    /// says every key that a member has or had; `above` whether one member is above another.
    ///
    /// # Errors
    /// `catalog.report_signature`, or why the keys of somebody are not known.
    pub fn check(
        &self,
        from: &OrganisationId,
        keys: impl Fn(&OrganisationId) -> Result<Vec<PublicKey>, Problem>,
        above: impl Fn(&OrganisationId, &OrganisationId) -> bool,
    ) -> Result<(), Problem> {
        let (owner, entry, _) = self.change.about();
        ensure!(owner == from || above(from, owner), unsigned(owner));
        let Change::Published(publication) = &self.change else { return Ok(()) };
        let signature = self.origin.as_ref().ok_or_else(|| unsigned(owner))?;
        let held = |it: &PublicKey| it.verify_canonical(Purpose::Catalogue, publication, signature).is_ok();
        ensure!(keys(owner)?.iter().any(held), unsigned(owner));
        let digest = publication.digest()?;
        let mut last = owner;
        for ruling in &self.path {
            let body = &ruling.body;
            let about = (&body.organisation, &body.entry, body.digest, body.verdict);
            ensure!(about == (owner, entry, digest, Verdict::Taken) && above(&body.by, last), unsigned(&body.by));
            ruling.check(&keys(&body.by)?)?;
            last = &body.by;
        }
        ensure!(last == from, unsigned(from));
        Ok(())
    }
}

/// Where an entry stands at this level, or at the next one for one of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReportState {
    /// 待接收: ours, and the superior has not taken this revision yet.
    Waiting,
    /// 已接收.
    Taken,
    /// 已退回.
    Returned,
    /// 已撤销.
    Withdrawn,
}

impl From<Verdict> for ReportState {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Taken => Self::Taken,
            Verdict::Returned => Self::Returned,
            Verdict::Withdrawn => Self::Withdrawn,
        }
    }
}

/// An entry with everything that levels said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportView {
    /// Whose.
    pub organisation: OrganisationId,
    /// Which.
    pub entry: ResourceId,
    /// At which revision.
    pub revision: i64,
    /// Where it stands.
    pub state: ReportState,
    /// Its title, while it stands in this catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Bilingual>,
    /// The owner's own code of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The digest of the publication.
    pub digest: Digest,
    /// Through whom it came; none: it is our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<OrganisationId>,
    /// The owner's signature over the publication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Signature>,
    /// The last word of each level, oldest first.
    pub rulings: Vec<Ruling>,
}

fn unsigned(by: &OrganisationId) -> Problem {
    Problem::new(
        Kind::Refused,
        "catalog.report_signature",
        format!("上报的条目没有 {by} 的有效签名，或各级签名与内容、上下级不符"),
        format!("what is reported is not signed by {by} as it stands, or not by the levels in their order"),
    )
}
