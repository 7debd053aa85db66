//! What an entry must be, the catalogue in SQL, and harvesting. Search has its own tests in `search_tests.rs`.

use crate::decide::{Known, code_is_formed, code_parts, flaws, takes_over};
use crate::*;
use ::store::{Store, transact};
use policy::{Actor, Ask, Facts, Permit, Principal, Role, Sharing, decide};
use proptest::prelude::*;
use schema::Grade;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};
use vocabulary::{Bilingual, Date, OrganisationId, Problem, ResourceId, Timestamp, date_in_shanghai};

static NUMBER: AtomicU32 = AtomicU32::new(0);

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn today() -> Date {
    date_in_shanghai(at(0))
}

pub(crate) fn salt() -> evidence::Salt {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    evidence::Salt(bytes)
}

pub(crate) fn organisation(name: &str) -> OrganisationId {
    OrganisationId::new(name).unwrap()
}

pub(crate) fn resource(name: &str) -> ResourceId {
    ResourceId::new(name).unwrap()
}

/// The entries of the pack that shows search.
static SAMPLES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    #[derive(serde::Deserialize)]
    struct File {
        entries: Vec<Entry>,
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packs/catalogue-samples/data/catalogue/province.yaml");
    let file: File = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file.entries
});

pub(crate) fn samples() -> Vec<Entry> {
    SAMPLES.clone()
}

fn sample() -> Entry {
    samples().swap_remove(0)
}

pub(crate) fn permit<A: Ask>(own: &str, ask: A) -> Permit<A> {
    let own = organisation(own);
    let actor = Actor::Person("wang".to_owned());
    let principal = Principal { organisation: own.clone(), actor, roles: BTreeSet::from([Role::Cataloguer]) };
    decide(&Facts { organisation: own, principal, now: at(0), agreement: None }, ask).unwrap()
}

fn review() -> Option<SecrecyReview> {
    Some(SecrecyReview { number: "密审〔2026〕1号".to_owned(), by: "保密办".to_owned(), on: today() })
}

async fn prepare(store: &Store) {
    evidence::migrate(store).await.unwrap();
    migrate(store).await.unwrap();
}

pub(crate) async fn stores() -> (Vec<Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let mut stores = vec![Store::open(&format!("sqlite:{}", path.display()), "t").await.unwrap()];
    if let Ok(url) = std::env::var("YUNHE_TEST_POSTGRES") {
        let schema = format!("catalog_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        stores.push(Store::open(&url, &schema).await.unwrap());
    }
    for store in &stores {
        prepare(store).await;
    }
    (stores, folder)
}

/// A second node beside `stores()`, on SQLite.
async fn beside(folder: &tempfile::TempDir) -> Store {
    let path = folder.path().join(format!("{}.db", NUMBER.fetch_add(1, Ordering::Relaxed)));
    let store = Store::open(&format!("sqlite:{}", path.display()), "t").await.unwrap();
    prepare(&store).await;
    store
}

pub(crate) async fn put(store: &Store, own: &str, entry: Entry) -> Result<Published, Problem> {
    put_at(store, own, entry, 0).await
}

/// Publishes at a moment; the first one names the epoch of the feed.
pub(crate) async fn put_at(store: &Store, own: &str, entry: Entry, second: i64) -> Result<Published, Problem> {
    let permit = permit(own, Publish { entry, review: review() });
    let done = transact!(store, None, |tx| publish(tx, &permit, salt(), at(second)).await);
    store.sequence(at(second)).await.unwrap();
    done
}

pub(crate) async fn take_out(store: &Store, own: &str, entry: &str) -> Result<(), Problem> {
    let permit = permit(own, Withdraw { entry: resource(entry), reason: "机构改革".to_owned() });
    let done = transact!(store, None, |tx| withdraw(tx, &permit, salt(), at(1)).await);
    store.sequence(at(1)).await.unwrap();
    done
}

async fn read(store: &Store, own: &str, name: &str) -> Option<Publication> {
    entry(&mut store.read().await.unwrap(), &organisation(own), &resource(name)).await.unwrap()
}

#[tokio::test]
async fn what_is_published_is_there_at_its_revision() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let first = put(&store, "a", sample()).await.unwrap();
        assert_eq!((first.revision, first.changed), (1, true));
        let again = put(&store, "a", sample()).await.unwrap();
        assert_eq!(again, Published { changed: false, ..first.clone() });
        let other = Entry { keywords: vec!["企业".to_owned()], ..sample() };
        let second = put(&store, "a", other.clone()).await.unwrap();
        assert_eq!((second.revision, second.changed), (2, true));
        let there = read(&store, "a", "enterprise-base").await.unwrap();
        assert_eq!(
            there,
            Publication { format: FORMAT.to_owned(), organisation: organisation("a"), revision: 2, entry: other }
        );
        assert_eq!(there.digest().unwrap(), second.digest);
        take_out(&store, "a", "enterprise-base").await.unwrap();
        assert_eq!(read(&store, "a", "enterprise-base").await, None);
        assert_eq!(take_out(&store, "a", "enterprise-base").await.unwrap_err().code, "catalog.no_entry");
        let back = put(&store, "a", sample()).await.unwrap();
        assert_eq!(back.revision, 4);
        let page = changes(&mut store.read().await.unwrap(), 0, 100).await.unwrap();
        let told: Vec<_> = page.changes.iter().map(|it| (it.position, it.change.about().2)).collect();
        assert_eq!(told, [(1, 1), (2, 2), (3, 3), (4, 4)]);
    }
}

#[tokio::test]
async fn publishing_asks_for_the_secrecy_review_and_leaves_a_leaf() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let bare = permit("a", Publish { entry: sample(), review: None });
        let refused = transact!(store, None, |tx| publish(tx, &bare, salt(), at(0)).await).unwrap_err();
        assert_eq!((refused.code.as_ref(), refused.kind.status()), ("catalog.secrecy_review", 403));
        let origin = "jiangsu/a/1".parse().unwrap();
        transact!(store, None, |tx| evidence::open(tx, &origin, salt(), at(0)).await).unwrap();
        put(&store, "a", sample()).await.unwrap();
        let key = signing::SigningKey::from_seed(vocabulary::Suite::default(), &[5; 32]);
        evidence::sequence(&store, &key, at(1)).await.unwrap();
        let leaves = evidence::leaves(&mut store.read().await.unwrap(), 0, 10).await.unwrap();
        assert_eq!(leaves.len(), 1);
        assert_eq!(leaves[0].kind, "catalog.publish");
        assert!(leaves[0].body.as_ref().unwrap().contains("密审〔2026〕1号"));
    }
}

#[tokio::test]
async fn a_code_stands_on_one_entry_of_an_organisation() {
    let (stores, _folder) = stores().await;
    for store in stores {
        put(&store, "a", sample()).await.unwrap();
        let twin = Entry { entry: resource("twin"), ..sample() };
        let taken = put(&store, "a", twin.clone()).await.unwrap_err();
        assert_eq!((taken.code.as_ref(), taken.field.as_deref()), ("catalog.code_taken", Some("/code")));
        take_out(&store, "a", "enterprise-base").await.unwrap();
        put(&store, "a", twin).await.unwrap();
        let found = by_code(&mut store.read().await.unwrap(), "102001001/000001").await.unwrap();
        assert_eq!(found.len(), 1);
    }
}

#[tokio::test]
async fn entries_come_in_pages() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let mut names: Vec<_> = samples().into_iter().take(7).map(|it| it.entry).collect();
        for entry in samples().into_iter().take(7) {
            put(&store, "a", entry).await.unwrap();
        }
        names.sort();
        let mut reader = store.read().await.unwrap();
        let mut seen: Vec<ResourceId> = Vec::new();
        loop {
            let own = organisation("a");
            let page = entries(&mut reader, seen.last().map(|it| (&own, it)), 3).await.unwrap();
            if page.is_empty() {
                break;
            }
            seen.extend(page.into_iter().map(|it| it.entry.entry));
        }
        assert_eq!(seen, names);
        assert_eq!(count(&mut reader).await.unwrap(), 7);
    }
}

#[tokio::test]
async fn every_statement_prepares_on_both_databases() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let all = crate::store::STATEMENTS.iter().chain(crate::compile::store::STATEMENTS);
        for (sql, count) in all.chain(crate::report::store::STATEMENTS) {
            let explain = ::store::Statement::built(format!("EXPLAIN {sql}"));
            let values = vec![::store::Arg::Null; *count];
            let done = transact!(store, None, |tx| tx.execute(explain.clone(), values.clone()).await);
            assert!(done.is_ok(), "{sql}: {done:?}");
        }
    }
}

/// A peer that answers from its store, and can be cut after some pages.
struct Neighbour {
    store: Store,
    pages_left: std::sync::atomic::AtomicI32,
}

impl Neighbour {
    fn of(store: &Store) -> Self {
        Self { store: store.clone(), pages_left: 1_000.into() }
    }
}

impl Peer for Neighbour {
    async fn catalog_page(&self, after: i64, limit: u32) -> Result<Page, Problem> {
        if self.pages_left.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return Err(Problem::new(vocabulary::Kind::Peer, "peer.away", "断开", "cut"));
        }
        // Small pages, so that a harvest takes several.
        changes(&mut self.store.read().await?, after, limit.min(3)).await
    }
}

async fn gather(store: &Store, own: &'static str, from: &str, peer: &Neighbour) -> Result<Harvested, Problem> {
    let done = harvest_from(store, &organisation(from), peer, |ask| Ok(permit(own, ask)), at(2)).await;
    store.sequence(at(2)).await.unwrap();
    done
}

async fn all(store: &Store) -> BTreeMap<(String, String), i64> {
    let page = entries(&mut store.read().await.unwrap(), None, 1_000).await.unwrap();
    page.into_iter().map(|it| ((it.organisation.to_string(), it.entry.entry.to_string()), it.revision)).collect()
}

#[tokio::test]
async fn a_harvest_takes_each_change_once_and_withdrawn_entries_disappear() {
    let (stores, folder) = stores().await;
    for hub in stores {
        let store = beside(&folder).await;
        for entry in samples().into_iter().take(8) {
            put(&store, "a", entry).await.unwrap();
        }
        let peer = Neighbour::of(&store);
        peer.pages_left.store(2, Ordering::Relaxed);
        assert_eq!(gather(&hub, "hub", "a", &peer).await.unwrap_err().code, "peer.away");
        assert_eq!(all(&hub).await.len(), 6);
        peer.pages_left.store(100, Ordering::Relaxed);
        let rest = gather(&hub, "hub", "a", &peer).await.unwrap();
        assert_eq!((rest.taken, rest.position), (2, 8));
        assert_eq!(all(&hub).await, all(&store).await);
        assert_eq!(gather(&hub, "hub", "a", &peer).await.unwrap().taken, 0);
        take_out(&store, "a", "enterprise-base").await.unwrap();
        put(&store, "a", Entry { keywords: vec![], ..samples().swap_remove(1) }).await.unwrap();
        gather(&hub, "hub", "a", &peer).await.unwrap();
        assert_eq!(all(&hub).await, all(&store).await);
        assert_eq!(all(&hub).await.len(), 7);
        let known = sources(&mut hub.read().await.unwrap()).await.unwrap();
        assert_eq!((known[0].0.as_str(), known[0].1.position), ("a", 10));
    }
}

#[tokio::test]
async fn a_page_may_come_twice_and_one_with_a_gap_is_refused() {
    let (stores, folder) = stores().await;
    for hub in stores {
        let store = beside(&folder).await;
        for entry in samples().into_iter().take(5) {
            put(&store, "a", entry).await.unwrap();
        }
        let page = |after| {
            let store = store.clone();
            async move { changes(&mut store.read().await.unwrap(), after, 3).await.unwrap() }
        };
        let take = |page| {
            let hub = hub.clone();
            async move {
                let permit = permit("hub", Harvest { from: organisation("a"), page });
                transact!(hub, None, |tx| harvest(tx, &permit, at(1)).await)
            }
        };
        assert_eq!(take(page(0).await).await.unwrap().taken, 3);
        assert_eq!(take(page(0).await).await.unwrap(), Harvested { position: 3, ..Harvested::default() });
        let gap = take(page(4).await).await.unwrap_err();
        assert_eq!((gap.code.as_ref(), &gap.more["position"]), ("catalog.harvest_gap", &serde_json::json!(3)));
        assert_eq!(take(page(2).await).await.unwrap().taken, 2);
        let own = permit("a", Harvest { from: organisation("a"), page: page(0).await });
        let oneself = transact!(hub, None, |tx| harvest(tx, &own, at(1)).await).unwrap_err();
        assert_eq!(oneself.code, "catalog.harvest_oneself");
    }
}

#[tokio::test]
async fn a_restored_peer_is_taken_anew_and_one_that_left_is_forgotten() {
    let (stores, folder) = stores().await;
    for hub in stores {
        let (old, restored) = (beside(&folder).await, beside(&folder).await);
        for entry in samples().into_iter().take(4) {
            put(&old, "a", entry).await.unwrap();
        }
        gather(&hub, "hub", "a", &Neighbour::of(&old)).await.unwrap();
        put_at(&restored, "a", samples().swap_remove(9), 60).await.unwrap();
        gather(&hub, "hub", "a", &Neighbour::of(&restored)).await.unwrap();
        assert_eq!(all(&hub).await, all(&restored).await);
        let leave = permit("hub", ForgetSource { from: organisation("a") });
        assert_eq!(transact!(hub, None, |tx| forget_source(tx, &leave, at(3)).await).unwrap(), 1);
        assert!(all(&hub).await.is_empty());
    }
}

#[tokio::test]
async fn catalogues_cascade_and_each_speaks_for_itself() {
    let (stores, folder) = stores().await;
    for hub in stores {
        let (county, city) = (beside(&folder).await, beside(&folder).await);
        put(&county, "county", sample()).await.unwrap();
        put(&city, "city", samples().swap_remove(1)).await.unwrap();
        gather(&city, "city", "county", &Neighbour::of(&county)).await.unwrap();
        gather(&hub, "hub", "city", &Neighbour::of(&city)).await.unwrap();
        assert_eq!(all(&hub).await.len(), 2);
        // The county goes on; the hub hears it from itself, and the city's older word no longer counts.
        put(&county, "county", Entry { keywords: vec![], ..sample() }).await.unwrap();
        gather(&hub, "hub", "county", &Neighbour::of(&county)).await.unwrap();
        assert_eq!(all(&hub).await[&("county".to_owned(), "enterprise-base".to_owned())], 2);
        take_out(&city, "city", "individual-business").await.unwrap();
        gather(&hub, "hub", "city", &Neighbour::of(&city)).await.unwrap();
        assert_eq!(all(&hub).await.len(), 1);
        // And the county does not take its own entry from the hub.
        let back = gather(&county, "county", "hub", &Neighbour::of(&hub)).await.unwrap();
        assert_eq!(read(&county, "county", "enterprise-base").await.unwrap().revision, 2);
        assert_eq!(back.refused, 0);
    }
}

#[tokio::test]
async fn a_harvested_entry_that_is_not_in_order_stays_out() {
    let (stores, _folder) = stores().await;
    for hub in stores {
        let bad = Entry { items: vec![], ..sample() };
        let change = |position, entry| PeerChange {
            position,
            change: Change::Published(Box::new(Publication {
                format: FORMAT.to_owned(),
                organisation: organisation("a"),
                revision: 1,
                entry,
            })),
        };
        let mut huge = sample();
        huge.items =
            vec![Item { title: Bilingual::new("长".repeat(200), "l".repeat(200)), ..huge.items.swap_remove(0) }; 500];
        assert_eq!(flaws(&huge, today()), []);
        let mut large = Entry { entry: resource("large"), code: "102001001/7".to_owned(), ..huge.clone() };
        large.items.truncate(150);
        let changes = vec![change(1, bad), change(2, sample()), change(3, huge), change(4, large)];
        let page = Page { epoch: "e".to_owned(), head: 4, changes };
        let permit = permit("hub", Harvest { from: organisation("a"), page });
        let done = transact!(hub, None, |tx| harvest(tx, &permit, at(1)).await).unwrap();
        assert_eq!(done, Harvested { taken: 2, ignored: 0, refused: 2, position: 4 });
    }
}

#[test]
fn the_sample_entries_are_in_order() {
    for entry in samples() {
        let found = flaws(&entry, today());
        assert!(found.is_empty(), "{}: {found:?}", entry.entry);
    }
    assert!(samples().len() >= 50);
}

#[test]
fn each_flaw_is_told_with_its_place() {
    let law = Bilingual::new("《测绘法》第二十六条", "Surveying Act, article 26");
    let set = |change: fn(&mut Entry)| {
        let mut entry = sample();
        change(&mut entry);
        entry
    };
    for (entry, place) in [
        (set(|it| it.code = "402001001/1".to_owned()), "/code"),
        (set(|it| it.code = "202001001/000001".to_owned()), "/code"),
        (set(|it| it.title.en = " ".to_owned()), "/title"),
        (set(|it| it.title.zh = "机密★1年".to_owned()), "/title"),
        (set(|it| it.description.zh = "长".repeat(2_001)), "/description"),
        (set(|it| it.provider_code = Some("91320000000000000X".to_owned())), "/provider_code"),
        (set(|it| it.items.clear()), "/items"),
        (set(|it| it.formats = vec!["CSV".to_owned()]), "/formats"),
        (set(|it| it.keywords = vec![String::new()]), "/keywords"),
        (set(|it| it.related = vec![it.entry.clone()]), "/related"),
        (set(|it| it.condition = Some(Bilingual::new("条件", "condition"))), "/condition"),
        (set(|it| it.share = Sharing::Conditional), "/condition"),
        (set(|it| it.method = Method::None), "/method"),
        (set(|it| it.items[0].grade = Some(Grade::General3)), "/grade"),
        (set(|it| it.grade = Grade::General4), "/open"),
        (set(|it| it.published = Date::constant(2999, 1, 1)), "/published"),
    ] {
        let found = flaws(&entry, today());
        assert!(found.iter().any(|it| it.pointer == place), "{place}: {found:?}");
        let problem = crate::decide::problem(&entry, &found);
        assert_eq!(
            (problem.code.as_ref(), problem.more["flaws"].as_array().unwrap().len()),
            ("catalog.entry", found.len())
        );
    }
    let refused = set(|it| {
        it.share = Sharing::Refused;
        it.method = Method::None;
        it.open = false;
    });
    let places: Vec<_> = flaws(&refused, today()).into_iter().map(|it| it.pointer).collect();
    assert_eq!(places, ["/condition", "/share"], "no legal basis, and a base resource");
    let told = Entry { condition: Some(law), code: "302001001/1".to_owned(), class: Class::Department, ..refused };
    assert_eq!(flaws(&told, today()), []);
}

fn changed(change: impl FnOnce(&mut Entry)) -> Entry {
    let mut entry = sample();
    change(&mut entry);
    entry
}

fn words(count: usize, chars: usize) -> Vec<String> {
    vec!["x".repeat(chars); count]
}

fn related(count: usize) -> Vec<ResourceId> {
    (0..count).map(|it| resource(&format!("other-{it}"))).collect()
}

/// Bounds hold exactly: what stands at one is in order, what is one past it has that flaw alone.
#[test]
fn each_bound_is_met_and_not_passed() {
    let long = |count: usize| Bilingual::new("长".repeat(count), "l".repeat(count));
    for entry in [
        changed(|it| it.published = today()),
        changed(|it| (it.provider, it.description) = (long(200), long(2_000))),
        changed(|it| it.items = vec![it.items[0].clone(); 500]),
        changed(|it| it.formats = words(30, 16)),
        changed(|it| it.formats = vec!["mp4".to_owned()]),
        changed(|it| it.keywords = words(30, 40)),
        changed(|it| it.related = related(30)),
        changed(|it| it.provider_code = Some("91350100M000100Y43".to_owned())),
    ] {
        assert_eq!(flaws(&entry, today()), []);
    }
    type Change = fn(&mut Entry);
    let cases: [(&str, Change); 24] = [
        ("/published", |it| it.published = today().tomorrow().unwrap()),
        ("/provider", |it| it.provider.zh = " ".to_owned()),
        ("/provider", |it| it.provider.en = String::new()),
        ("/provider", |it| it.provider.zh = "长".repeat(201)),
        ("/provider", |it| it.provider.en = "l".repeat(201)),
        ("/description", |it| it.description.en = "l".repeat(2_001)),
        ("/title", |it| it.description.zh = "绝密★长期".to_owned()),
        ("/title", |it| it.title.zh = "秘密★".to_owned()),
        ("/items", |it| it.items = vec![it.items[0].clone(); 501]),
        ("/items/1/title", |it| it.items[1].title.en = String::new()),
        ("/formats", |it| it.formats.clear()),
        ("/formats", |it| it.formats = words(31, 3)),
        ("/formats", |it| it.formats = vec!["csv".to_owned(), String::new()]),
        ("/formats", |it| it.formats = words(1, 17)),
        ("/formats", |it| it.formats = vec!["geo-json".to_owned()]),
        ("/keywords", |it| it.keywords = words(31, 3)),
        ("/keywords", |it| it.keywords = vec!["企业".to_owned(), " ".to_owned()]),
        ("/keywords", |it| it.keywords = words(1, 41)),
        ("/related", |it| it.related = related(31)),
        ("/related", |it| it.related.push(it.entry.clone())),
        ("/code", |it| it.code = "02001001/000001".to_owned()),
        ("/code", |it| it.code = "302001001/000001".to_owned()),
        ("/provider_code", |it| it.provider_code = Some("91350100M000100Y42".to_owned())),
        ("/provider_code", |it| it.provider_code = Some("91350100M000100Y4".to_owned())),
    ];
    for (place, change) in cases {
        let found: Vec<_> = flaws(&changed(change), today()).into_iter().map(|it| it.pointer).collect();
        assert_eq!(found, [place]);
    }
}

/// Sharing, openness and grade: each rule speaks by itself.
#[test]
fn each_rule_of_sharing_speaks_by_itself() {
    let both = |text: &str| Some(Bilingual::new(text, "text"));
    let shut = |share, condition: Option<Bilingual>, method| {
        let (class, code) = (Class::Theme, "202001001/1".to_owned());
        Entry { share, condition, method, class, code, open: false, ..sample() }
    };
    let refused = |text: &str| shut(Sharing::Refused, both(text), Method::None);
    let conditional = |condition| shut(Sharing::Conditional, condition, Method::Platform);
    let graded = |grade, items: [Option<Grade>; 2]| {
        changed(|it| {
            it.grade = grade;
            it.items.truncate(2);
            it.items.iter_mut().zip(items).for_each(|(item, grade)| item.grade = grade);
        })
    };
    use Grade::{General1, General2, General3, General4};
    let cases: [(Entry, &[&str]); 24] = [
        (conditional(both("惠企")), &[]),
        (conditional(None), &["/condition"]),
        (conditional(both(" ")), &["/condition"]),
        (conditional(Some(Bilingual::new("惠企", ""))), &["/condition"]),
        (shut(Sharing::Conditional, both("惠企"), Method::None), &["/method"]),
        (shut(Sharing::Unconditional, None, Method::Platform), &[]),
        (shut(Sharing::Unconditional, both("惠企"), Method::Platform), &["/condition"]),
        (refused("《测绘法》第二十六条"), &[]),
        (refused("国发〔2016〕51号"), &[]),
        (refused("领导要求"), &["/condition"]),
        (shut(Sharing::Refused, both("《测绘法》"), Method::Mail), &["/method"]),
        (Entry { class: Class::Base, code: sample().code, ..refused("《测绘法》") }, &["/share"]),
        (Entry { class: Class::Base, code: sample().code, ..conditional(both("惠企")) }, &[]),
        (Entry { open: true, ..refused("《测绘法》") }, &["/open"]),
        (Entry { open: true, ..conditional(both("惠企")) }, &[]),
        (changed(|it| it.items[0].personal = true), &["/open"]),
        (changed(|it| it.grade = General4), &["/open"]),
        (changed(|it| it.grade = General3), &[]),
        (graded(General2, [Some(General1), Some(General2)]), &[]),
        (graded(General1, [Some(General1), Some(General2)]), &["/grade"]),
        (graded(General3, [Some(General1), Some(General2)]), &["/grade"]),
        (graded(General3, [None, Some(General2)]), &[]),
        (graded(General2, [None, Some(General2)]), &[]),
        (graded(General1, [None, Some(General2)]), &["/grade"]),
    ];
    for (number, (entry, places)) in cases.into_iter().enumerate() {
        let found: Vec<_> = flaws(&entry, today()).into_iter().map(|it| it.pointer).collect();
        assert_eq!(found, places, "{number}");
    }
}

#[test]
fn the_first_that_told_goes_on_telling() {
    let taken = |peer: &str, via: &str, withdrawn| {
        let known = Known { via: Some(organisation(via)), revision: 1, withdrawn };
        takes_over(&organisation("own"), &organisation("a"), &organisation(peer), Some(&known))
    };
    assert!(taken("b", "b", false) && taken("b", "b", true) && taken("a", "b", false));
    assert!(!taken("c", "b", false), "another does not talk over the first");
    assert!(taken("c", "b", true), "but may tell of what the first withdrew");
    assert!(!taken("c", "a", true), "and not of what the owner itself withdrew");
}

#[test]
fn a_code_has_its_parts() {
    assert_eq!(code_parts("102001001/000001"), Some(["1", "02", "001", "001", "000001"]));
    for bad in [
        "",
        "102001/1",
        "102001001",
        "102001001/",
        "102001001/123456789",
        "10200100x/1",
        "1020010011111/1",
        "１02001001/1",
        "402001001/1",
        "002001001/1",
        "102001001/1x",
        "102001001/１",
        "102001001111/1",
    ] {
        assert!(!code_is_formed(bad), "{bad}");
        assert_eq!(code_parts(bad), None);
    }
}

#[test]
fn the_wire_form_is_frozen() {
    let entry = Entry { provider_code: None, ..sample() };
    let publication = Publication { format: FORMAT.to_owned(), organisation: organisation("a"), revision: 1, entry };
    let json = serde_json::to_value(&publication).unwrap();
    assert_eq!(json["format"], "yunhe-catalogue-entry/1");
    assert_eq!(json["entry"]["share"], "unconditional");
    assert_eq!(json["entry"]["grade"], "一般/1");
    assert_eq!(serde_json::from_value::<Publication>(json.clone()).unwrap(), publication);
    let mut more = json;
    more["entry"]["secret"] = true.into();
    assert!(serde_json::from_value::<Publication>(more).is_err());
    let schema = publication_schema().to_string();
    assert!(schema.contains("信息资源名称"), "the published schema explains the fields");
}

fn any_organisation() -> impl Strategy<Value = OrganisationId> {
    prop::sample::select(vec!["own", "a", "b", "c"]).prop_map(organisation)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_organisation_speaks_for_itself(
        owner in any_organisation(), peer in any_organisation(), via in prop::option::of(any_organisation()),
        withdrawn: bool, revision in 1_i64..5,
    ) {
        let own = organisation("own");
        let known = Known { via: via.clone(), revision, withdrawn };
        let taken = takes_over(&own, &owner, &peer, Some(&known));
        prop_assert!(!(taken && owner == own), "nobody speaks for us");
        prop_assert!(!(taken && via.is_none()), "what we said stays");
        if owner != own && owner == peer && via.is_some() {
            prop_assert!(taken, "its own word counts");
        }
        if via.as_ref() == Some(&owner) && peer != owner {
            prop_assert!(!taken, "nobody overrides an owner's own word");
        }
        prop_assert_eq!(takes_over(&own, &owner, &peer, None), owner != own);
    }

    /// A formed code is exactly what its parts make again.
    #[test]
    fn codes_read_back(
        class in 1_u8..4, item in 0_u8..100, subject in 0_u16..1000, detail in 0_u32..100_000,
        serial in 0_u32..100_000_000,
    ) {
        let code = format!("{class}{item:02}{subject:03}{detail}/{serial}");
        let [a, b, c, d, e] = code_parts(&code).unwrap();
        prop_assert_eq!(format!("{a}{b}{c}{d}/{e}"), code);
    }

    /// Grade and sharing type say nothing about each other.
    #[test]
    fn grade_and_sharing_are_independent(grade in prop::sample::select(Grade::ALL.to_vec()), share in 0..3) {
        let condition = Some(Bilingual::new("《统计法》第九条", "Statistics Act, article 9"));
        let (share, condition, method) = match share {
            0 => (Sharing::Unconditional, None, Method::Platform),
            1 => (Sharing::Conditional, condition, Method::Platform),
            _ => (Sharing::Refused, condition, Method::None),
        };
        let code = "304001001/1".to_owned();
        let entry = Entry { share, condition, method, grade, class: Class::Department, code, open: false, ..sample() };
        prop_assert_eq!(flaws(&entry, today()), []);
    }
}

#[test]
fn dcat_says_how_it_is_shared() {
    let about = dcat::About {
        address: "https://data.example/catalogue".to_owned(),
        title: Bilingual::new("江苏省政务信息资源目录", "Catalogue of Jiangsu"),
        description: Bilingual::new("示例", "an example"),
        publisher: Bilingual::new("江苏省数据局", "Jiangsu Data Administration"),
    };
    let publications: Vec<_> = samples()
        .into_iter()
        .map(|entry| Publication { format: FORMAT.to_owned(), organisation: organisation("a"), revision: 1, entry })
        .collect();
    let document = dcat::catalogue(&about, &publications);
    let graph = document["@graph"].as_array().unwrap();
    // DCAT-AP 3: a catalogue has title, description, publisher; a dataset title and description; a distribution
    // accessURL. Every dataset that the catalogue names is there.
    for property in ["dcterms:title", "dcterms:description", "dcterms:publisher", "dcat:dataset"] {
        assert!(!graph[0][property].is_null(), "{property}");
    }
    let named: Vec<_> = graph[0]["dcat:dataset"].as_array().unwrap().iter().map(|it| &it["@id"]).collect();
    assert_eq!(named, graph[1..].iter().map(|it| &it["@id"]).collect::<Vec<_>>());
    for dataset in &graph[1..] {
        for property in ["dcterms:title", "dcterms:description", "dcterms:publisher", "dcterms:accessRights"] {
            assert!(!dataset[property].is_null(), "{property}");
        }
        for distribution in dataset["dcat:distribution"].as_array().unwrap() {
            assert!(distribution["dcat:accessURL"]["@id"].as_str().unwrap().starts_with("https://"));
        }
    }
    let of = |name: &str| graph.iter().find(|it| it["@id"].as_str().unwrap().ends_with(&format!("/{name}"))).unwrap();
    let right =
        |name: &str| of(name)["dcterms:accessRights"]["@id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert_eq!(right("enterprise-base"), "PUBLIC");
    assert_eq!(right("population-base"), "RESTRICTED");
    assert_eq!(right("classified-maps"), "NON_PUBLIC");
    assert_eq!(of("population-base")["yunhe:sharingType"], "conditional");
    assert!(of("classified-maps")["odrl:hasPolicy"]["odrl:prohibition"].is_object());
    assert!(of("population-base")["odrl:hasPolicy"]["odrl:permission"]["odrl:duty"].is_object());
}

/// An organisation's entries begin with its first, whatever it is called, and end with its last.
#[tokio::test]
async fn entries_of_one_organisation_are_all_of_its_own() {
    let (stores, _folder) = stores().await;
    for store in stores {
        for (own, name, code) in [("js-aaa", "z", 1), ("js-scjg", "a", 2), ("js-scjg", "b", 3), ("js-zzz", "a", 4)] {
            let mut entry = sample();
            (entry.entry, entry.code) = (resource(name), format!("{}02001001/{code:06}", entry.class.digit()));
            put(&store, own, entry).await.unwrap();
        }
        let mut reader = store.read().await.unwrap();
        let own = organisation("js-scjg");
        let mut names = Vec::new();
        for after in [None, Some(resource("a")), Some(resource("b"))] {
            let page = crate::entries_of(&mut reader, &own, after.as_ref(), 1).await.unwrap();
            names.extend(page.into_iter().map(|it| it.entry.entry.to_string()));
        }
        assert_eq!(names, ["a", "b"]);
    }
}
