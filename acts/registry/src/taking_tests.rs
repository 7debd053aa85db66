//! The laws of a run, against a table that is a list of pages, with kills between any two steps.

use crate::{Counts, ImportId, Mode, Phase, Plan, SecrecyReview, TakeOver, Taking, TakingId};
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeMap;
use vocabulary::{ResourceId, Timestamp, uuid::Uuid};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn ask(mode: Mode) -> TakeOver {
    TakeOver {
        id: TakingId::from_uuid(Uuid::from_u128(1)),
        source: ResourceId::new("ent-base").unwrap(),
        record: ResourceId::new("legal-person").unwrap(),
        mode,
        overlap_minutes: 10,
        may_shrink: false,
        review: SecrecyReview { by: "保密办".to_owned(), on: "2026-11-23".parse().unwrap() },
    }
}

/// One step of whoever runs it: reads a page, plans it, imports it, tells. `stop` says where it is killed.
struct World {
    /// Of each page the rows: how many are new, unchanged, wrong.
    pages: Vec<(u64, u64, u64)>,
    imported: BTreeMap<ImportId, Counts>,
    /// How often each page was imported whole.
    taken: Vec<u32>,
    drawn: u128,
}

impl World {
    fn step(&mut self, stored: &mut Taking, stop: u8) {
        match stored.phase {
            Phase::Begin => *stored = stored.looked(Some("2026-01-02 00:05:00.5".to_owned())),
            Phase::Keyless => {
                let import = self.draw();
                *stored = stored.planned(Plan { import, next: None });
                *stored = stored.took(Counts::default(), NOW);
            }
            Phase::Rows => self.rows(stored, stop),
            Phase::Gone => {
                let at: usize = stored.after.as_ref().map_or(0, |it| it[0].parse().unwrap());
                let next = (at < 2).then(|| vec![(at + 1).to_string()]);
                *stored = stored.compared(1, next, NOW);
            }
            Phase::Done | Phase::Dropped => {}
        }
    }

    fn rows(&mut self, stored: &mut Taking, stop: u8) {
        let done = stored.plan.as_ref().and_then(|it| self.imported.get(&it.import));
        if let Some(counts) = done {
            *stored = stored.took(*counts, NOW);
            return;
        }
        if stop == 0 {
            return;
        }
        let at: usize = stored.after.as_ref().map_or(0, |it| it[0].parse().unwrap());
        let next = (at + 1 < self.pages.len()).then(|| vec![(at + 1).to_string()]);
        let plan = Plan { import: self.draw(), next };
        *stored = stored.planned(plan.clone());
        if stop == 1 {
            return;
        }
        let (loaded, unchanged, rejected) = self.pages[at];
        let counts = Counts { read: loaded + unchanged + rejected, loaded, unchanged, rejected };
        self.imported.insert(plan.import, counts);
        self.taken[at] += 1;
        if stop == 2 {
            return;
        }
        *stored = stored.took(counts, NOW);
    }

    fn draw(&mut self) -> ImportId {
        self.drawn += 1;
        ImportId::from_uuid(Uuid::from_u128(self.drawn))
    }
}

proptest! {
    /// Killed anywhere, a run takes each page exactly once, and its counts add up at every moment.
    #[test]
    fn a_run_takes_every_page_once(
        pages in vec((0_u64..50, 0_u64..50, 0_u64..3), 1..12),
        stops in vec(0_u8..4, 0..60),
        full in any::<bool>(),
    ) {
        let mode = if full { Mode::Full } else { Mode::Changes };
        let mut stored = Taking::begin(&ask(mode), "person:zhang".to_owned(), None, NOW);
        let taken = vec![0; pages.len()];
        let mut world = World { pages: pages.clone(), imported: BTreeMap::new(), taken, drawn: 0 };
        let mut stops = stops.into_iter();
        for _ in 0..400 {
            world.step(&mut stored, stops.next().unwrap_or(3));
            prop_assert_eq!(stored.read, stored.loaded + stored.unchanged + stored.rejected);
            prop_assert_eq!(stored.ended.is_some(), stored.phase == Phase::Done);
        }
        prop_assert_eq!(stored.phase, Phase::Done);
        prop_assert!(world.taken.iter().all(|it| *it == 1), "{:?}", world.taken);
        prop_assert_eq!(stored.read, pages.iter().map(|it| it.0 + it.1 + it.2).sum::<u64>());
        prop_assert_eq!(stored.removed, if full { 3 } else { 0 });
        let next = Taking::begin(&ask(Mode::Changes), "job:sources".to_owned(), stored.seen, NOW);
        prop_assert_eq!(next.since.as_deref(), Some("2026-01-01 23:55:00.500000"));
    }
}

/// The overlap, in the forms in which databases write days, moments and counters.
#[test]
fn a_run_goes_back_by_the_overlap() {
    let since =
        |seen: &str| Taking::begin(&ask(Mode::Changes), String::new(), Some(seen.to_owned()), NOW).since.unwrap();
    assert_eq!(since("2026-03-01 00:05:00"), "2026-02-28 23:55:00.000000");
    assert_eq!(since("2026-03-01 00:05:00.25+00"), "2026-02-28 23:55:00.250000+00");
    assert_eq!(since("2026-03-01"), "2026-02-28");
    assert_eq!(since("20260301"), "20260301", "a counter");
    assert_eq!(since("1234567890"), "1234567890", "a counter of ten digits");
    assert_eq!(Taking::begin(&ask(Mode::Full), String::new(), Some("1".to_owned()), NOW).since, None);
}

/// What a run was stuck for is not told of it any more once it has gone on.
#[test]
fn a_run_that_went_on_is_not_stuck() {
    let why = vocabulary::Bilingual::new("连接不上", "cannot connect");
    let begun = Taking::begin(&ask(Mode::Changes), String::new(), None, NOW).looked(None);
    let plan = Plan { import: ImportId::from_uuid(Uuid::from_u128(7)), next: None };
    let stuck = begun.planned(plan).stuck(why.clone());
    let done = stuck.took(Counts::default(), NOW);
    assert_eq!((done.phase, done.stuck), (Phase::Done, None));
    let dropped = stuck.dropped(why.clone(), NOW);
    assert_eq!((dropped.phase, dropped.ended, dropped.stuck), (Phase::Dropped, Some(NOW), Some(why)));
}
