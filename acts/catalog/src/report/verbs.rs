//! Taking reports and rulings, returning an entry, giving it a number, looking at where entries stand.

use super::{
    REASON_CHARS_MAX, RULING_FORMAT, Report, ReportPage, ReportState, ReportView, Ruling, RulingBody, RulingPage,
    Verdict,
    decide::{self, Held, Take, Told},
    store::{self as rows, Direction, Filter, Kept},
};
use crate::{
    Change, decide as entries,
    harvest::broken,
    store::{self as catalogue, leave},
};
use evidence::Salt;
use jiff::SignedDuration;
use policy::{Ask, Need, Permit, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use signing::Signer;
use store::{Reader, Tx};
use vocabulary::{Date, Digest, FederationName, Kind, OrganisationId, Problem, ResourceId, Timestamp, ensure};

/// Words of one level on one entry lie so far apart at least.
const TICK: SignedDuration = SignedDuration::from_micros(1);
/// Entries that are listed at once at most.
const LIST_MAX: u32 = 200;
/// Entries that a restored neighbour does not tell of any more are withdrawn so many at once.
const SWEEP_MAX: u32 = 500;

/// What a page came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// Changes taken over.
    pub taken: i64,
    /// Changes that said nothing new here.
    pub ignored: i64,
    /// Entries that are not in order or not signed as they should be.
    pub refused: i64,
    /// How far the neighbour has been read.
    pub position: i64,
}

impl Reported {
    /// Adds what another page came to.
    pub fn add(&mut self, other: &Self) {
        self.taken += other.taken;
        self.ignored += other.ignored;
        self.refused += other.refused;
        self.position = other.position;
    }
}

/// Takes over a page of a subordinate's reports. A job of the node asks for it, as [`Role::Cataloguer`].
#[derive(Clone, Debug)]
pub struct TakeReports {
    /// Whose.
    pub from: OrganisationId,
    /// Within which federation.
    pub federation: FederationName,
    /// What it said; every signature in it is checked.
    pub page: ReportPage,
    /// How many reports were left out because they are not signed as they should be.
    pub refused: i64,
}

/// Takes over a page of the superior's rulings. A job of the node asks for it, as [`Role::Cataloguer`].
#[derive(Clone, Debug)]
pub struct TakeRulings {
    /// Whose.
    pub from: OrganisationId,
    /// What it said; every signature in it is checked.
    pub page: RulingPage,
    /// How many rulings were left out because they are not signed as they should be.
    pub refused: i64,
}

/// Reads a neighbour's reports and rulings from their beginning once more: after a key was learnt too late, for
/// instance.
#[derive(Clone, Debug)]
pub struct ReadAnew {
    /// Whose.
    pub from: OrganisationId,
}

/// Sends an entry that was reported back to where it came from.
#[derive(Clone, Debug)]
pub struct ReturnEntry {
    /// Within which federation.
    pub federation: FederationName,
    /// Whose entry.
    pub organisation: OrganisationId,
    /// Which.
    pub entry: ResourceId,
    /// Why.
    pub reason: String,
}

/// Gives an entry that was reported this level's own number (目录代码).
#[derive(Clone, Debug)]
pub struct NumberEntry {
    /// Within which federation.
    pub federation: FederationName,
    /// Whose entry.
    pub organisation: OrganisationId,
    /// Which.
    pub entry: ResourceId,
    /// The number.
    pub number: String,
}

macro_rules! roles {
    ($($ask:ty: $role:ident;)*) => {
        $(impl Ask for $ask {
            fn need(&self) -> Need<'_> {
                Need::Role(&[Role::$role])
            }
        })*
    };
}

roles! {
    TakeReports: Cataloguer;
    TakeRulings: Cataloguer;
    ReadAnew: Approver;
    ReturnEntry: Approver;
    NumberEntry: Approver;
}

/// Who says something of entries, and with which key.
struct Level<'a> {
    own: &'a OrganisationId,
    federation: &'a FederationName,
    signer: &'a dyn Signer,
    now: Timestamp,
}

/// What is said of an entry.
struct Word<'a> {
    verdict: Verdict,
    reason: Option<String>,
    number: Option<&'a str>,
}

impl Word<'_> {
    fn of(verdict: Verdict) -> Self {
        Self { verdict, reason: None, number: None }
    }
}

impl Level<'_> {
    /// Signs and keeps what this level says of an entry now; its number stays.
    async fn say(&self, tx: &mut Tx, kept: &Kept, word: Word<'_>) -> Result<(), Problem> {
        let before = rows::ruled(tx, &kept.organisation, &kept.entry, self.own).await?;
        let before = before.as_ref().map(|it| &it.body);
        let number = decide::number(before.and_then(|it| it.number.as_deref()), word.number)?;
        let body = RulingBody {
            format: RULING_FORMAT.to_owned(),
            federation: self.federation.clone(),
            organisation: kept.organisation.clone(),
            entry: kept.entry.clone(),
            revision: kept.held.revision,
            digest: kept.held.digest,
            by: self.own.clone(),
            verdict: word.verdict,
            reason: word.reason,
            number,
            // Of two words the newer one is later, whatever the clock says.
            at: before.map_or(self.now, |it| self.now.max(it.at.checked_add(TICK).unwrap_or(it.at))),
        };
        rows::rule(tx, &Ruling::sign(body, self.signer)?, true).await
    }

    /// Takes an entry out of the catalogue here, if it came from elsewhere and stands in it.
    async fn remove(&self, tx: &mut Tx, kept: &Kept) -> Result<(), Problem> {
        let known = catalogue::known(tx, &kept.organisation, &kept.entry).await?;
        if known.is_some_and(|it| it.via.is_some() && !it.withdrawn) {
            let revision = kept.held.revision;
            catalogue::remove(tx, &kept.organisation, &kept.entry, revision, self.now).await?;
        }
        Ok(())
    }

    /// What was withdrawn below is withdrawn here.
    async fn withdraw(&self, tx: &mut Tx, mut kept: Kept, revision: i64) -> Result<(), Problem> {
        if kept.held.verdict == Verdict::Taken {
            self.remove(tx, &kept).await?;
        }
        (kept.held.verdict, kept.held.revision) = (Verdict::Withdrawn, revision);
        rows::keep(tx, &kept, self.now).await?;
        self.say(tx, &kept, Word::of(Verdict::Withdrawn)).await
    }
}

/// Takes over a page of a subordinate's reports, each entry once; this level's ruling on it is signed in the same unit
/// of work. What was taken before is skipped by its position, so a page may come twice.
///
/// # Errors
/// `catalog.report_gap` when the page does not continue where the last one ended.
pub async fn take_reports(
    tx: &mut Tx,
    permit: &Permit<TakeReports>,
    signer: &dyn Signer,
    now: Timestamp,
) -> Result<Reported, Problem> {
    let TakeReports { from, federation, page, refused } = permit.ask();
    let level = Level { own: &permit.principal().organisation, federation, signer, now };
    if page.epoch.is_empty() {
        return Ok(Reported::default());
    }
    let (epoch, position) = rows::take_level(tx, from, Direction::Up, &page.epoch, now).await?;
    let mut done = Reported { refused: *refused, ..Reported::default() };
    done.position = if epoch == page.epoch { position } else { 0 };
    ensure!(page.after <= done.position, gap(from, done.position, page.after));
    for report in page.reports.iter().filter(|it| it.position > position || epoch != page.epoch) {
        take_one(tx, &level, (from, &page.epoch), report, &mut done).await?;
    }
    done.position = done.position.max(page.upto);
    rows::set_level(tx, from, Direction::Up, (&page.epoch, done.position), now).await?;
    if done.position >= page.head {
        for kept in rows::untold(tx, from, &page.epoch, SWEEP_MAX).await? {
            let revision = kept.held.revision;
            level.withdraw(tx, Kept { epoch: page.epoch.clone(), ..kept }, revision).await?;
            done.taken += 1;
        }
    }
    Ok(done)
}

async fn take_one(
    tx: &mut Tx,
    level: &Level<'_>,
    (from, epoch): (&OrganisationId, &str),
    report: &Report,
    done: &mut Reported,
) -> Result<(), Problem> {
    let (owner, entry, revision) = report.change.about();
    let mut kept = rows::report(tx, owner, entry, Some(epoch)).await?;
    let elsewhere = kept.as_ref().is_some_and(|it| it.source != *from);
    // Between others the first that told goes on telling; an owner speaks for itself.
    let others = elsewhere && owner != from && kept.as_ref().is_some_and(|it| it.held.verdict == Verdict::Taken);
    if owner == level.own || others {
        done.ignored += 1;
        return Ok(());
    }
    if let Some(kept) = &mut kept {
        kept.held.current &= !elsewhere;
    }
    if !path_holds(tx, report).await? {
        tracing::warn!(%from, %owner, %entry, "a level below gave an entry another number than before");
        done.refused += 1;
        return Ok(());
    }
    let digest = match &report.change {
        Change::Published(it) => Some(it.digest()?),
        Change::Withdrawn { .. } => None,
    };
    let told = Told { revision, digest, path: &report.path };
    let take = decide::take(kept.as_ref().map(|it| &it.held), &told);
    done.taken += i64::from(matches!(take, Take::Put | Take::Path | Take::Remove));
    done.ignored += i64::from(matches!(take, Take::Stay | Take::Nothing));
    match (take, kept, digest) {
        (Take::Put, _, Some(digest)) => put(tx, level, (from, epoch), (report, digest)).await,
        (Take::Path, Some(kept), _) => {
            let held = Held { path: report.path.clone(), revision, ..kept.held };
            rows::keep(tx, &Kept { epoch: epoch.to_owned(), held, ..kept }, level.now).await?;
            below(tx, report).await?;
            // What is said below goes on up.
            catalogue::announce(tx, &report.change).await
        }
        (Take::Remove, Some(kept), _) => level.withdraw(tx, Kept { epoch: epoch.to_owned(), ..kept }, revision).await,
        (Take::Stay, Some(kept), _) if kept.epoch != epoch || kept.held.revision != revision => {
            let held = Held { revision, ..kept.held };
            rows::keep(tx, &Kept { epoch: epoch.to_owned(), held, ..kept }, level.now).await
        }
        _ => Ok(()),
    }
}

/// An entry stands here from now on; one that is not in order is sent back with what is wrong.
async fn put(
    tx: &mut Tx,
    level: &Level<'_>,
    (from, epoch): (&OrganisationId, &str),
    (report, digest): (&Report, Digest),
) -> Result<(), Problem> {
    let (Change::Published(publication), Some(origin)) = (&report.change, &report.origin) else { return Ok(()) };
    // Whether the owner's day has begun here is no matter: no date is after the last.
    let mut reason = entries::flaws(&publication.entry, Date::MAX).first().map(|_| {
        let problem = entries::problem(&publication.entry, &entries::flaws(&publication.entry, Date::MAX));
        format!("{} / {}", problem.detail.zh, problem.detail.en)
    });
    if let (None, Err(problem)) = (&reason, catalogue::body(publication)) {
        reason = Some(format!("{} / {}", problem.detail.zh, problem.detail.en));
    }
    let verdict = if reason.is_some() { Verdict::Returned } else { Verdict::Taken };
    let held = Held { revision: publication.revision, digest, verdict, path: report.path.clone(), current: true };
    let (organisation, entry) = (publication.organisation.clone(), publication.entry.entry.clone());
    let kept =
        Kept { organisation, entry, source: from.clone(), epoch: epoch.to_owned(), origin: origin.clone(), held };
    rows::keep(tx, &kept, level.now).await?;
    below(tx, report).await?;
    let known = catalogue::known(tx, &kept.organisation, &kept.entry).await?;
    if verdict == Verdict::Returned {
        level.remove(tx, &kept).await?;
    } else if entries::takes_over(level.own, &kept.organisation, from, known.as_ref()) {
        catalogue::put(tx, publication, Some(from), level.now).await?;
    }
    let reason = reason.map(|it| it.chars().take(REASON_CHARS_MAX).collect());
    level.say(tx, &kept, Word { reason, ..Word::of(verdict) }).await
}

/// Whether no level below gives another number than it gave.
async fn path_holds(reader: &mut Reader, report: &Report) -> Result<bool, Problem> {
    for ruling in &report.path {
        let body = &ruling.body;
        let before = rows::ruled(reader, &body.organisation, &body.entry, &body.by).await?;
        if decide::replaces(before.as_ref().map(|it| &it.body), body).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Keeps what levels below said, so that it is found here; they need not hear it.
async fn below(tx: &mut Tx, report: &Report) -> Result<(), Problem> {
    for ruling in &report.path {
        let body = &ruling.body;
        let before = rows::ruled(tx, &body.organisation, &body.entry, &body.by).await?;
        if decide::replaces(before.as_ref().map(|it| &it.body), body)? {
            rows::rule(tx, ruling, false).await?;
        }
    }
    Ok(())
}

/// Takes over a page of the superior's rulings; they go on to our own subordinates. Says which are news about entries
/// of our own.
///
/// # Errors
/// `catalog.report_gap` when the page does not continue where the last one ended.
pub async fn take_rulings(
    tx: &mut Tx,
    permit: &Permit<TakeRulings>,
    now: Timestamp,
) -> Result<(Reported, Vec<Ruling>), Problem> {
    let TakeRulings { from, page, refused } = permit.ask();
    let (own, mut news) = (&permit.principal().organisation, Vec::new());
    if page.epoch.is_empty() {
        return Ok((Reported::default(), news));
    }
    let (epoch, position) = rows::take_level(tx, from, Direction::Down, &page.epoch, now).await?;
    let mut done = Reported { refused: *refused, ..Reported::default() };
    done.position = if epoch == page.epoch { position } else { 0 };
    ensure!(page.after <= done.position, gap(from, done.position, page.after));
    for ruling in &page.rulings {
        let body = &ruling.body;
        let before = rows::ruled(tx, &body.organisation, &body.entry, &body.by).await?;
        match decide::replaces(before.as_ref().map(|it| &it.body), body) {
            Ok(true) => {
                rows::rule(tx, ruling, true).await?;
                done.taken += 1;
                if body.organisation == *own {
                    news.push(ruling.clone());
                }
            }
            Ok(false) => done.ignored += 1,
            Err(problem) => {
                tracing::warn!(%from, entry = %body.entry, %problem, "a ruling that rewrites a number");
                done.refused += 1;
            }
        }
    }
    done.position = done.position.max(page.upto);
    rows::set_level(tx, from, Direction::Down, (&page.epoch, done.position), now).await?;
    Ok((done, news))
}

/// From now on a neighbour is read from its beginning; what was taken before changes nothing.
///
/// # Errors
/// As the store's.
pub async fn read_anew(tx: &mut Tx, permit: &Permit<ReadAnew>) -> Result<(), Problem> {
    for direction in [Direction::Up, Direction::Down] {
        rows::anew(tx, &permit.ask().from, direction).await?;
    }
    Ok(())
}

/// The report of an entry that stands here.
async fn standing(reader: &mut Reader, owner: &OrganisationId, entry: &ResourceId) -> Result<Kept, Problem> {
    let kept = rows::report(reader, owner, entry, None).await?.ok_or_else(|| missing(owner, entry))?;
    ensure!(kept.held.verdict == Verdict::Taken, over(&kept));
    Ok(kept)
}

/// Sends an entry that was reported back: it stands here no more, nor above, and its owner hears why.
///
/// # Errors
/// `catalog.report_missing`, `catalog.report_state`, `catalog.report_reason`.
pub async fn return_entry(
    tx: &mut Tx,
    permit: &Permit<ReturnEntry>,
    (signer, salt): (&dyn Signer, Salt),
    now: Timestamp,
) -> Result<(), Problem> {
    let ReturnEntry { federation, organisation, entry, reason } = permit.ask();
    let length = reason.trim().chars().count();
    ensure!((1..=REASON_CHARS_MAX).contains(&length), unreasoned(length));
    let level = Level { own: &permit.principal().organisation, federation, signer, now };
    let mut kept = standing(tx, organisation, entry).await?;
    level.remove(tx, &kept).await?;
    kept.held.verdict = Verdict::Returned;
    rows::keep(tx, &kept, now).await?;
    level.say(tx, &kept, Word { reason: Some(reason.trim().to_owned()), ..Word::of(Verdict::Returned) }).await?;
    let about = json!({"organisation": organisation, "entry": entry, "revision": kept.held.revision, "reason": reason});
    leave(tx, permit.principal(), ("catalog.return", about), salt, now).await
}

/// Gives an entry that was reported this level's own number; those of other levels stay beside it. The same again
/// changes nothing.
///
/// # Errors
/// `catalog.report_missing`, `catalog.report_state`, `number.form`, `number.rewritten`.
pub async fn number_entry(
    tx: &mut Tx,
    permit: &Permit<NumberEntry>,
    (signer, salt): (&dyn Signer, Salt),
    now: Timestamp,
) -> Result<(), Problem> {
    let NumberEntry { federation, organisation, entry, number } = permit.ask();
    let level = Level { own: &permit.principal().organisation, federation, signer, now };
    let kept = standing(tx, organisation, entry).await?;
    let before = rows::ruled(tx, organisation, entry, level.own).await?;
    if before.is_some_and(|it| it.body.number.as_ref() == Some(number) && it.body.digest == kept.held.digest) {
        return Ok(());
    }
    level.say(tx, &kept, Word { number: Some(number), ..Word::of(Verdict::Taken) }).await?;
    if let Some(publication) = catalogue::entry(tx, organisation, entry).await? {
        catalogue::announce(tx, &Change::Published(Box::new(publication))).await?;
    }
    let about = json!({"organisation": organisation, "entry": entry, "number": number});
    leave(tx, permit.principal(), ("catalog.number", about), salt, now).await
}

/// Which reported entries are looked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportsAsk {
    /// Those that stand so; `waiting`: ours that the superior has not taken yet.
    #[serde(default)]
    pub state: Option<ReportState>,
    /// Those that bear this number of some level's.
    #[serde(default)]
    pub number: Option<String>,
    /// Those behind this one: `organisation/entry`.
    #[serde(default)]
    pub after: Option<String>,
    /// So many at most, and 200 at most.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// The entries that levels have said something of, ours and those that came up, by owner and name.
///
/// # Errors
/// As the store's.
pub async fn report_views(
    reader: &mut Reader,
    ask: &ReportsAsk,
    (own, superior): (&OrganisationId, Option<&OrganisationId>),
) -> Result<Vec<ReportView>, Problem> {
    let word = ask.state.map(|it| serde_json::to_value(it).map_err(|it| broken(&it))).transpose()?;
    let state = word.as_ref().and_then(|it| it.as_str()).unwrap_or_default();
    let filter = Filter {
        after: ask.after.as_deref().and_then(|it| it.split_once('/')).unwrap_or_default(),
        number: ask.number.as_deref().unwrap_or_default(),
        state,
        own,
        superior: superior.map_or("", OrganisationId::as_str),
        limit: ask.limit.unwrap_or(LIST_MAX).min(LIST_MAX),
    };
    let named = match ask.state {
        Some(ReportState::Waiting) => rows::waiting(reader, &filter).await?,
        _ => rows::list(reader, &filter).await?,
    };
    let mut views = Vec::with_capacity(named.len());
    for (owner, entry) in &named {
        views.push(report_view(reader, (own, superior), owner, entry).await?);
    }
    Ok(views)
}

/// Where one entry stands, with what every level said of it.
///
/// # Errors
/// `catalog.report_missing`.
pub async fn report_view(
    reader: &mut Reader,
    (own, superior): (&OrganisationId, Option<&OrganisationId>),
    owner: &OrganisationId,
    entry: &ResourceId,
) -> Result<ReportView, Problem> {
    let kept = rows::report(reader, owner, entry, None).await?.filter(|_| owner != own);
    let publication = catalogue::entry(reader, owner, entry).await?;
    let rulings = rows::all_ruled(reader, owner, entry).await?;
    let (title, code) = publication.as_ref().map(|it| (it.entry.title.clone(), it.entry.code.clone())).unzip();
    let (organisation, entry) = (owner.clone(), entry.clone());
    if let Some(Kept { source, origin, held, .. }) = kept {
        let Held { revision, digest, verdict, .. } = held;
        let (source, origin, state) = (Some(source), Some(origin), verdict.into());
        return Ok(ReportView { organisation, entry, revision, state, title, code, digest, source, origin, rulings });
    }
    let said = rulings.iter().map(|it| &it.body).find(|it| superior == Some(&it.by));
    let (revision, digest) = match (&publication, said) {
        (Some(it), _) if owner == own => (it.revision, it.digest()?),
        (None, Some(it)) if owner == own => (it.revision, it.digest),
        _ => return Err(missing(owner, &entry)),
    };
    let state = match (&publication, said) {
        (None, Some(it)) if it.verdict == Verdict::Returned => ReportState::Returned,
        (None, _) => ReportState::Withdrawn,
        (Some(_), Some(it)) if it.revision == revision => it.verdict.into(),
        (Some(_), _) => ReportState::Waiting,
    };
    Ok(ReportView { organisation, entry, revision, state, title, code, digest, source: None, origin: None, rulings })
}

fn missing(owner: &OrganisationId, entry: &ResourceId) -> Problem {
    Problem::new(
        Kind::Missing,
        "catalog.report_missing",
        format!("没有 {owner} 上报的条目 {entry}；yunhe catalog reports 列出全部"),
        format!("no entry {entry} of {owner} was reported here; yunhe catalog reports lists them"),
    )
}

fn over(kept: &Kept) -> Problem {
    let (owner, entry, word) = (&kept.organisation, &kept.entry, rows::word(kept.held.verdict));
    Problem::new(
        Kind::Conflict,
        "catalog.report_state",
        format!("{owner} 的条目 {entry} 现为 {word}，不在本级目录中；待其再次上报"),
        format!("entry {entry} of {owner} is {word} and not in this catalogue; wait until it is reported again"),
    )
}

fn unreasoned(length: usize) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "catalog.report_reason",
        format!("退回理由有 {length} 个字符；请写 1–{REASON_CHARS_MAX} 个"),
        format!("the reason has {length} characters; write 1 to {REASON_CHARS_MAX}"),
    )
    .field("/reason")
}

fn gap(from: &OrganisationId, position: i64, after: i64) -> Problem {
    Problem::new(
        Kind::Conflict,
        "catalog.report_gap",
        format!("{from} 的上报应从第 {position} 条之后续取，却收到第 {after} 条之后的一页；请重取"),
        format!("the reports of {from} go on behind {position}, not behind {after}; ask again"),
    )
    .with("position", position)
}
