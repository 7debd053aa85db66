//! Fifty seeds hold, one seed is one run, and a guard that is taken away is missed within the fifty.

use crate::{Report, Sabotage, Stage, run};
use std::ops::Range;

/// The seeds of every build.
const SEEDS: u64 = 50;

fn hold(seeds: Range<u64>) {
    let stage = Stage::set_up(None);
    let broken: Vec<Report> = seeds.map(|it| run(&stage, it, false)).filter(|it| !it.findings.is_empty()).collect();
    let told: Vec<String> =
        broken.iter().map(|it| format!("seed {}:\n  {}", it.seed, it.findings.join("\n  "))).collect();
    assert!(broken.is_empty(), "{}\ncargo xtask simulate --seed N repeats one with its trace", told.join("\n"));
}

#[test]
fn seeds_0_to_9_hold() {
    hold(0..10);
}

#[test]
fn seeds_10_to_19_hold() {
    hold(10..20);
}

#[test]
fn seeds_20_to_29_hold() {
    hold(20..30);
}

#[test]
fn seeds_30_to_39_hold() {
    hold(30..40);
}

#[test]
fn seeds_40_to_49_hold() {
    hold(40..SEEDS);
}

/// The same seed twice, on stages with other keys.
#[test]
fn one_seed_is_one_run() {
    let traces = [(); 2].map(|()| run(&Stage::set_up(None), 3, true));
    let [one, other] = &traces;
    let differ = one.trace.iter().zip(&other.trace).find(|(one, other)| one != other);
    assert_eq!(differ, None);
    assert_eq!(one.digest, other.digest);
}

/// The first seed at which the loss of a guard is found, and what is found.
fn found(sabotage: Sabotage) -> Report {
    let stage = Stage::set_up(Some(sabotage));
    let found = (0..SEEDS).map(|it| run(&stage, it, false)).find(|it| !it.findings.is_empty());
    let found = found.unwrap_or_else(|| panic!("{sabotage:?} is not found within {SEEDS} seeds"));
    println!("{sabotage:?} is found at seed {}: {}", found.seed, found.findings.join("; "));
    found
}

#[test]
fn replays_that_pass_are_found() {
    found(Sabotage::ReplaysAccepted);
}

#[test]
fn commits_that_are_forgotten_are_found() {
    found(Sabotage::CommitsForgotten);
}

#[test]
fn a_receipt_that_is_dropped_is_found() {
    found(Sabotage::ReceiptDropped);
}

#[test]
fn rows_beyond_the_agreement_are_found() {
    found(Sabotage::RowsUnrestricted);
}

#[test]
fn a_quota_that_is_forgotten_is_found() {
    found(Sabotage::QuotaForgotten);
}
