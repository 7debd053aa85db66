//! What becomes of a report, beside a naive model; and four levels in SQL on both databases.

use super::{decide::*, *};
use crate::tests::{at, organisation, put_at, resource, salt, samples, stores, take_out};
use crate::{Entry, Publication};
use ::store::{Store, transact};
use policy::{Actor, Ask, Facts, Permit, Principal, Role, decide as judge};
use proptest::prelude::*;
use signing::SigningKey;
use std::collections::{BTreeMap, BTreeSet};
use vocabulary::Suite;

/// From the bottom up.
const LEVELS: [&str; 4] = ["county", "city", "province", "nation"];

fn federation() -> FederationName {
    FederationName::new("jiangsu").unwrap()
}

fn key(own: &str) -> SigningKey {
    let seed = LEVELS.iter().position(|it| *it == own).map_or(9, |it| it + 1);
    SigningKey::from_seed(Suite::default(), &[u8::try_from(seed).unwrap(); 32])
}

fn keys(id: &OrganisationId) -> Result<Vec<PublicKey>, Problem> {
    Ok(vec![key(id.as_str()).public()])
}

fn above(one: &OrganisationId, other: &OrganisationId) -> bool {
    let place = |it: &OrganisationId| LEVELS.iter().position(|level| *level == it.as_str());
    place(one) > place(other)
}

fn permit<A: Ask>(own: &str, ask: A) -> Permit<A> {
    let own = organisation(own);
    let roles = BTreeSet::from([Role::Cataloguer, Role::Approver]);
    let principal = Principal { organisation: own.clone(), actor: Actor::Person("wang".to_owned()), roles };
    judge(&Facts { organisation: own, principal, now: at(0), agreement: None }, ask).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    /// The owner publishes something, one of three texts.
    Publish(u8),
    Withdraw,
    /// Behind a position that may lie back, so many changes are read.
    Read(usize, usize),
    Return,
    /// The feed has another history: everything is told anew.
    Restore,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_u8).prop_map(Step::Publish),
        1 => Just(Step::Withdraw),
        4 => (0..3_usize, 1..4_usize).prop_map(|(back, count)| Step::Read(back, count)),
        1 => Just(Step::Return),
        1 => Just(Step::Restore),
    ]
}

proptest! {
    /// Whatever is published, withdrawn, returned and read in whatever pages: once all is read, what stands above is
    /// what stands below, but for exactly what was returned; and what was returned never stands.
    #[test]
    fn above_is_what_is_below(steps in prop::collection::vec(any_step(), 0..60)) {
        let (mut feed, mut revision) = (Vec::new(), 0_i64);
        let (mut held, mut read, mut returned): (Option<Held>, usize, Option<Digest>) = (None, 0, None);
        let digest = |text: u8| Digest::of(&[text]);
        let take_one = |held: &mut Option<Held>, (revision, published): (i64, Option<u8>)| {
            let told = Told { revision, digest: published.map(digest), path: &[] };
            let done = take(held.as_ref(), &told);
            let said = |verdict, digest| Held { revision, digest, verdict, path: Vec::new(), current: true };
            match (done, published, held.clone()) {
                (Take::Put, Some(text), _) => *held = Some(said(Verdict::Taken, digest(text))),
                (Take::Remove, _, Some(it)) => *held = Some(said(Verdict::Withdrawn, it.digest)),
                (Take::Stay, _, Some(it)) => *held = Some(Held { revision, current: true, ..it }),
                _ => {}
            }
        };
        let all = steps.into_iter().chain([Step::Read(0, usize::MAX)]);
        for step in all {
            match step {
                Step::Publish(text) => {
                    revision += 1;
                    feed.push((revision, Some(text)));
                }
                Step::Withdraw if feed.last().is_some_and(|it: &(i64, Option<u8>)| it.1.is_some()) => {
                    revision += 1;
                    feed.push((revision, None));
                }
                Step::Read(back, count) => {
                    // A page that begins before what was read is skipped up to there, as positions have it.
                    let from = read.saturating_sub(back);
                    let upto = from.saturating_add(count).min(feed.len());
                    for change in feed.iter().take(upto).skip(read) {
                        take_one(&mut held, *change);
                    }
                    read = read.max(upto);
                }
                Step::Return => if let Some(it) = held.as_mut().filter(|it| it.verdict == Verdict::Taken) {
                    it.verdict = Verdict::Returned;
                    returned = Some(it.digest);
                }
                Step::Restore => {
                    read = 0;
                    if let Some(it) = &mut held { it.current = false; }
                }
                Step::Withdraw => {}
            }
            let stands = held.as_ref().filter(|it| it.verdict == Verdict::Returned);
            prop_assert!(stands.is_none_or(|it| Some(it.digest) == returned));
        }
        let below = feed.last().and_then(|it| it.1).map(digest);
        let above = held.as_ref().filter(|it| it.verdict == Verdict::Taken).map(|it| it.digest);
        let sent_back = held.as_ref().filter(|it| it.verdict == Verdict::Returned).map(|it| it.digest);
        prop_assert!(above == below || sent_back == below, "{:?} {:?} {:?}", below, above, sent_back);
    }

    /// Whatever is wanted in whatever order, a level's number is the first that it gave.
    #[test]
    fn a_number_stays(wanted in prop::collection::vec(prop::option::of("[AB ]{0,2}"), 0..12)) {
        let (mut given, mut first): (Option<String>, Option<String>) = (None, None);
        for wanted in wanted {
            let formed = wanted.as_deref().is_none_or(|it| !it.trim().is_empty());
            let fits = wanted.is_none() || first.is_none() || first == wanted;
            match number(given.as_deref(), wanted.as_deref()) {
                Ok(it) => {
                    prop_assert!(formed && fits);
                    first = first.or(wanted);
                    given = it;
                }
                Err(problem) => {
                    let code = if formed { "number.rewritten" } else { "number.form" };
                    prop_assert_eq!(&*problem.code, code);
                    prop_assert!(!formed || !fits);
                }
            }
            prop_assert_eq!(&given, &first);
        }
    }
}

/// A level's node: its store, and who it is.
struct Node<'a> {
    store: &'a Store,
    own: &'static str,
    /// Whether somebody between changes what it tells.
    lies: bool,
}

impl LevelPeer for Node<'_> {
    async fn report_page(&self, after: i64) -> Result<ReportPage, Problem> {
        let mut page = reports(&mut self.store.read().await?, &organisation(self.own), &key(self.own), after).await?;
        if self.lies {
            for report in &mut page.reports {
                if let Change::Published(it) = &mut report.change {
                    it.entry.title.zh.push('！');
                }
            }
        }
        Ok(page)
    }
}

/// `stores` from the bottom up; each level takes what the one below reports and hears what the one above said.
async fn follow(stores: &[Store]) -> Vec<Reported> {
    let mut all = Vec::new();
    for (place, own) in LEVELS.iter().enumerate().skip(1) {
        all.push(take_of(stores, place, own, false).await);
    }
    for place in (0..3).rev() {
        let (own, superior) = (LEVELS[place], organisation(LEVELS[place + 1]));
        let (epoch, after) = heard(&stores[place], &superior).await.unwrap();
        let theirs = |owner: &OrganisationId| owner.as_str() == own || above(&organisation(own), owner);
        let page = rulings(&mut stores[place + 1].read().await.unwrap(), theirs, after).await.unwrap();
        assert!(page.epoch == epoch || epoch.is_empty());
        for ruling in &page.rulings {
            ruling.check(&keys(&ruling.body.by).unwrap()).unwrap();
        }
        let ask = permit(own, TakeRulings { from: superior, page, refused: 0 });
        transact!(stores[place], None, |tx| take_rulings(tx, &ask, at(5)).await).unwrap();
        stores[place].sequence(at(5)).await.unwrap();
    }
    all
}

async fn take_of(stores: &[Store], place: usize, own: &'static str, lies: bool) -> Reported {
    let from = organisation(LEVELS[place - 1]);
    let peer = Node { store: &stores[place - 1], own: LEVELS[place - 1], lies };
    let leave = |mut page: ReportPage| {
        let before = page.reports.len();
        page.reports.retain(|it| it.check(&from, keys, above).is_ok());
        let refused = i64::try_from(before - page.reports.len()).unwrap();
        Ok(permit(own, TakeReports { from: from.clone(), federation: federation(), page, refused }))
    };
    let done = take_from(&stores[place], &from, &peer, leave, (&key(own), at(4))).await.unwrap();
    stores[place].sequence(at(4)).await.unwrap();
    done
}

async fn view(store: &Store, own: &str, name: &str) -> ReportView {
    let place = LEVELS.iter().position(|it| *it == own).unwrap();
    let superior = LEVELS.get(place + 1).map(|it| organisation(it));
    let mut reader = store.read().await.unwrap();
    let own = organisation(own);
    report_view(&mut reader, (&own, superior.as_ref()), &organisation("county"), &resource(name)).await.unwrap()
}

async fn stands(stores: &[Store], name: &str) -> Vec<bool> {
    let mut all = Vec::new();
    for store in stores {
        let mut reader = store.read().await.unwrap();
        all.push(crate::entry(&mut reader, &organisation("county"), &resource(name)).await.unwrap().is_some());
    }
    all
}

/// Four stores of each database at hand.
async fn columns() -> (Vec<Vec<Store>>, Vec<tempfile::TempDir>) {
    let (mut columns, mut folders): (Vec<Vec<Store>>, _) = (Vec::new(), Vec::new());
    for _ in LEVELS {
        let (stores, folder) = stores().await;
        folders.push(folder);
        columns.resize_with(stores.len().max(columns.len()), Vec::new);
        for (column, store) in columns.iter_mut().zip(stores) {
            column.push(store);
        }
    }
    (columns, folders)
}

fn sample() -> Entry {
    samples().swap_remove(0)
}

/// Each level gives its own number, once.
async fn numbered(stores: &[Store], name: &str) {
    for (place, own) in [(1, "city"), (2, "province")] {
        let ask = |number: &str| NumberEntry {
            federation: federation(),
            organisation: organisation("county"),
            entry: resource(name),
            number: number.to_owned(),
        };
        for (number, code) in [(own, ""), ("another", "number.rewritten"), (" ", "number.form")] {
            let ask = permit(own, ask(number));
            let done = transact!(stores[place], None, |tx| number_entry(tx, &ask, (&key(own), salt()), at(3)).await);
            assert_eq!(done.err().map(|it| it.code.into_owned()).unwrap_or_default(), code);
        }
        stores[place].sequence(at(3)).await.unwrap();
    }
    follow(stores).await;
    follow(stores).await;
    for (place, own) in LEVELS.iter().enumerate() {
        let numbers: BTreeMap<_, _> = view(&stores[place], own, name)
            .await
            .rulings
            .into_iter()
            .filter_map(|it| Some((it.body.by.as_str().to_owned(), it.body.number?)))
            .collect();
        let wanted = [("city", "city"), ("province", "province")].map(|(by, it)| (by.to_owned(), it.to_owned()));
        assert_eq!(numbers, wanted.into(), "at {own}");
        let ask = ReportsAsk { number: Some("city".to_owned()), ..ReportsAsk::default() };
        let mut reader = stores[place].read().await.unwrap();
        let found = report_views(&mut reader, &ask, (&organisation(own), None)).await;
        assert_eq!(found.map(|it| it.len()).ok(), Some(1), "at {own}");
    }
}

/// Reported up over four levels with the owner's signature and each level's; numbers of each beside the others;
/// returned with a reason that comes down; its next revision is taken again; withdrawn everywhere. Reading again
/// changes nothing.
#[tokio::test]
async fn an_entry_goes_up_and_what_is_said_comes_down() {
    let (columns, _folders) = columns().await;
    for stores in &columns {
        let name = sample().entry.as_str().to_owned();
        put_at(&stores[0], "county", sample(), 1).await.unwrap();
        follow(stores).await;
        assert_eq!(stands(stores, &name).await, [true; 4]);
        let there = view(&stores[3], "nation", &name).await;
        assert_eq!((there.state, there.source), (ReportState::Taken, Some(organisation("province"))));
        let publication =
            crate::entry(&mut stores[3].read().await.unwrap(), &organisation("county"), &resource(&name)).await;
        let publication: Publication = publication.unwrap().unwrap();
        assert_eq!(there.digest, publication.digest().unwrap());
        let origin = there.origin.clone().unwrap();
        key("county").public().verify_canonical(Purpose::Catalogue, &publication, &origin).unwrap();
        let by: Vec<_> = there.rulings.iter().map(|it| it.body.by.as_str()).collect();
        assert_eq!(BTreeSet::from_iter(by), BTreeSet::from(["city", "province", "nation"]));
        assert_eq!(view(&stores[0], "county", &name).await.state, ReportState::Taken);
        let again = follow(stores).await;
        assert!(again.iter().all(|it| it.taken == 0), "{again:?}");

        numbered(stores, &name).await;

        // The province returns it: it stands below, not there and not above; the county reads why.
        let ask = |reason: &str| ReturnEntry {
            federation: federation(),
            organisation: organisation("county"),
            entry: resource(&name),
            reason: reason.to_owned(),
        };
        for (reason, code) in [("", "catalog.report_reason"), ("摘要不完整", ""), ("再次", "catalog.report_state")]
        {
            let ask = permit("province", ask(reason));
            let done = transact!(stores[2], None, |tx| return_entry(tx, &ask, (&key("province"), salt()), at(6)).await);
            assert_eq!(done.err().map(|it| it.code.into_owned()).unwrap_or_default(), code);
        }
        stores[2].sequence(at(6)).await.unwrap();
        follow(stores).await;
        assert_eq!(stands(stores, &name).await, [true, true, false, false]);
        assert_eq!(view(&stores[3], "nation", &name).await.state, ReportState::Withdrawn);
        let heard = view(&stores[0], "county", &name).await;
        assert_eq!(heard.state, ReportState::Taken, "by the city");
        let said = heard.rulings.iter().find(|it| it.body.by.as_str() == "province").unwrap();
        assert_eq!((said.body.verdict, said.body.reason.as_deref()), (Verdict::Returned, Some("摘要不完整")));

        let better = Entry { keywords: vec!["企业".to_owned()], ..sample() };
        put_at(&stores[0], "county", better, 7).await.unwrap();
        follow(stores).await;
        assert_eq!(stands(stores, &name).await, [true; 4]);
        take_out(&stores[0], "county", &name).await.unwrap();
        follow(stores).await;
        assert_eq!(stands(stores, &name).await, [false; 4]);
        assert_eq!(view(&stores[0], "county", &name).await.state, ReportState::Withdrawn);
        assert_eq!(view(&stores[3], "nation", &name).await.state, ReportState::Withdrawn);
    }
}

/// What somebody between has changed, or says of another's entries without being above them, is left out; the rest goes
/// on.
#[tokio::test]
async fn what_is_not_signed_so_is_left_out() {
    let (columns, _folders) = columns().await;
    for stores in &columns {
        let name = sample().entry.as_str().to_owned();
        put_at(&stores[0], "county", sample(), 1).await.unwrap();
        let done = take_of(stores, 1, "city", true).await;
        assert_eq!((done.taken, done.refused), (0, 1));
        assert_eq!(stands(stores, &name).await, [true, false, false, false]);
        // It is told again with the next revision.
        put_at(&stores[0], "county", Entry { keywords: vec!["企业".to_owned()], ..sample() }, 2).await.unwrap();
        let done = take_of(stores, 1, "city", false).await;
        assert_eq!((done.taken, done.refused), (1, 0));
        let page = reports(&mut stores[1].read().await.unwrap(), &organisation("city"), &key("city"), 0).await.unwrap();
        let report = page.reports.last().unwrap().clone();
        let city = organisation("city");
        report.check(&city, keys, above).unwrap();
        let refused = |report: &Report, from: &str| {
            report.check(&organisation(from), keys, above).unwrap_err().code == "catalog.report_signature"
        };
        assert!(refused(&report, "province"), "told by another than its last level");
        assert!(refused(&Report { path: Vec::new(), ..report.clone() }, "city"), "a level is missing");
        assert!(refused(&Report { origin: None, ..report.clone() }, "city"), "without its owner's signature");
        let twice = [report.path.clone(), report.path.clone()].concat();
        assert!(refused(&Report { path: twice, ..report.clone() }, "city"), "a level stands there twice");
        let mut other = report.clone();
        other.path[0].body.number = Some("made up".to_owned());
        assert!(refused(&other, "city"), "a number that nobody gave");
    }
}
