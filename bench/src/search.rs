//! `search`: a million generated entries, harvested and indexed as a node does it, and the same questions in Chinese
//! and English over and over, without and with the counts of all facets.

mod entries;

use crate::{
    load::percentile,
    report::{Bound, Figure, Report, Unit},
};
use catalog::{
    Change, Harvest, Page, PeerChange, Publication,
    search::{Query, Search},
};
use entries::{Random, make, queries};
use policy::{Facts, Permit, Principal, Role};
use std::time::{Duration, Instant};
use store::{Store, transact};
use vocabulary::{OrganisationId, Timestamp};

const NAME: &str = "search";
const ENTRIES: usize = 1_000_000;
/// The seed of the catalogue.
const SEED: u64 = 20_170_630;
/// Every question is asked so often; once more before that, untimed.
const ROUNDS: usize = 40;
/// Entries harvested at a time.
const CHUNK: usize = 500;

fn leave(ask: Harvest) -> Permit<Harvest> {
    let own = OrganisationId::new("hub").unwrap();
    let principal = Principal::job(own.clone(), "harvest", [Role::Cataloguer]);
    let facts = Facts { organisation: own, principal, now: Timestamp::UNIX_EPOCH, agreement: None };
    policy::decide(&facts, ask).unwrap()
}

fn page(from: usize, chunk: Vec<Publication>) -> Page {
    let position = |it: usize| i64::try_from(it).unwrap();
    let changes = chunk
        .into_iter()
        .enumerate()
        .map(|(at, it)| PeerChange { position: position(from + at + 1), change: Change::Published(Box::new(it)) });
    Page { epoch: "bench".to_owned(), head: position(ENTRIES), changes: changes.collect() }
}

/// How long each search took, the shortest first.
fn ask_all(search: &Search, facets: bool) -> Vec<Duration> {
    let mut times = Vec::new();
    for round in 0..=ROUNDS {
        for text in queries() {
            let begun = Instant::now();
            let found = search.search(&Query { facets, ..Query::words(&text) }).unwrap();
            let took = begun.elapsed();
            assert!(found.total > 0, "nothing was found for {text}");
            if round > 0 {
                times.push(took);
            }
        }
    }
    times.sort_unstable();
    times
}

/// Measures and tells.
pub async fn run(report: &mut Report) {
    let folder = tempfile::tempdir().unwrap();
    let search = Search::at(folder.path().join("index"));
    let store = Store::open(&format!("sqlite:{}", folder.path().join("catalog.db").display()), "bench").await.unwrap();
    catalog::migrate(&store).await.unwrap();
    let mut random = Random(SEED);
    let peer = OrganisationId::new("province").unwrap();
    let begun = Instant::now();
    for from in (0..ENTRIES).step_by(CHUNK) {
        let chunk: Vec<_> = (from..ENTRIES.min(from + CHUNK)).map(|it| make(it, &mut random)).collect();
        let permit = leave(Harvest { from: peer.clone(), page: page(from, chunk) });
        transact!(store, None, |tx| catalog::harvest(tx, &permit, Timestamp::UNIX_EPOCH).await).unwrap();
    }
    let harvested = begun.elapsed().as_secs_f64();
    let note = format!("{ENTRIES} entries");
    report.tell(&Figure::new(NAME, "generated and harvested", harvested, Unit::Seconds).note(&note));
    let begun = Instant::now();
    search.follow(&store).await.unwrap();
    report.tell(&Figure::new(NAME, "index built", begun.elapsed().as_secs_f64(), Unit::Seconds).note(&note));
    for (facets, name) in [(false, "without facets"), (true, "with all facet counts")] {
        let times = ask_all(&search, facets);
        let at = |share: f64| percentile(&times, share);
        let (p50, p99) = (at(0.5), at(0.99));
        let note = format!("{} searches, p50 {p50:.2?}, p99 {p99:.2?}, slowest {:.2?}", times.len(), at(1.0));
        let p95 = at(0.95).as_secs_f64() * 1e3;
        let figure = Figure::new(NAME, format!("p95 of a search, {name}"), p95, Unit::Millis);
        report.tell(&figure.gate(Bound::Below(10.0)).note(note));
    }
}
