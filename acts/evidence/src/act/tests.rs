//! Acts on both databases: numbered, chained, kept; and every change of an export found.

use super::{
    export::{Check, MANIFEST, Manifest, Page, Proof},
    *,
};
use crate::{
    Checkpoint,
    act::store::STATEMENTS,
    store_tests::{at, logs},
    tests::{key, origin, verifier},
};
use ::store::{Store, args, transact};
use proptest::prelude::*;
use vocabulary::Bilingual;

fn new(by: &str, about: Value) -> NewAct<'static> {
    static ORGANISATION: std::sync::LazyLock<OrganisationId> = std::sync::LazyLock::new(|| origin().organisation);
    NewAct {
        act: "identity.set_roles",
        by: by.to_owned(),
        roles: vec!["security-administrator".to_owned()],
        organisation: &ORGANISATION,
        about,
        outcome: Outcome::Done,
        code: None,
    }
}

async fn act(store: &Store, by: &str, second: i64) -> Recorded {
    let salt = Salt([u8::try_from(second % 250).unwrap(); 32]);
    let about = serde_json::json!({"account": "zhang", "second": second});
    transact!(store, None, |tx| record(tx, new(by, about.clone()), salt, at(second)).await).unwrap()
}

async fn begin(store: &Store, from: i64, to: i64, second: i64) -> u64 {
    let began = transact!(store, None, |tx| {
        let (first, last) = period(tx, at(from), at(to)).await?;
        let about = export::Period { from: at(from), to: at(to), first, last };
        let about = serde_json::to_value(about).unwrap();
        let act = NewAct { act: export::BEGAN, ..new("person:auditor", about) };
        record(tx, act, Salt([251; 32]), at(second)).await
    })
    .unwrap();
    assert_eq!(export_page(&mut store.read().await.unwrap(), began.number, 0).await.unwrap_err().code, "audit.waiting");
    crate::sequence(store, &key(1), at(second)).await.unwrap();
    began.number
}

/// An export as its lines, made over all its pages.
#[derive(Clone, Debug)]
struct Export {
    manifest: Manifest,
    lines: Vec<(String, Proof)>,
}

async fn export(store: &Store, number: u64) -> Export {
    let mut reader = store.read().await.unwrap();
    let (mut lines, mut after, mut notes) = (Vec::new(), 0, Vec::new());
    loop {
        let Page { acts, next, checkpoints, period, .. } = export_page(&mut reader, number, after).await.unwrap();
        lines.extend(acts.into_iter().map(|it| (export::written(it.text.as_deref()), it.proof)));
        notes = if notes.is_empty() { checkpoints } else { notes };
        let Some(last) = next else {
            let organisation = origin().organisation;
            let format = MANIFEST.to_owned();
            let manifest = Manifest { format, organisation, export: number, period, checkpoints: notes, earlier: None };
            return Export { manifest, lines };
        };
        after = last;
    }
}

fn check(export: &Export) -> Result<export::Verified, Bilingual> {
    let mut check = Check::begin(export.manifest.clone(), &[verifier(&origin().to_string(), 1)])?;
    for (line, proof) in &export.lines {
        check.line(line, proof)?;
    }
    check.end()
}

#[tokio::test]
async fn every_statement_prepares() {
    let (stores, _folder) = logs().await;
    for store in stores {
        for (sql, count) in STATEMENTS {
            let explain = ::store::Statement::built(format!("EXPLAIN {sql}"));
            let values = vec![::store::Arg::Null; *count];
            let done = transact!(store, None, |tx| tx.execute(explain.clone(), values.clone()).await);
            assert!(done.is_ok(), "{sql}: {done:?}");
        }
    }
}

#[tokio::test]
async fn acts_are_numbered_chained_and_listed() {
    let (stores, _folder) = logs().await;
    for store in stores {
        for second in 1..=30 {
            act(&store, if second % 3 == 0 { "person:li" } else { "person:zhang" }, second).await;
        }
        let mut reader = store.read().await.unwrap();
        let all = acts(&mut reader, &ActFilter::default(), None, 500).await.unwrap();
        assert_eq!(all.iter().map(|it| it.number).collect::<Vec<_>>(), (1..=30).rev().collect::<Vec<_>>());
        for pair in all.windows(2) {
            assert_eq!(pair[0].body().unwrap().previous, Some(pair[1].digest));
        }
        let li = ActFilter { by: "person:li".to_owned(), from: Some(at(6)), to: Some(at(12)), ..Default::default() };
        let found = acts(&mut reader, &li, None, 500).await.unwrap();
        assert_eq!(found.iter().map(|it| it.number).collect::<Vec<_>>(), [12, 9, 6]);
        let page = acts(&mut reader, &ActFilter::default(), Some(8), 3).await.unwrap();
        assert_eq!(page.iter().map(|it| it.number).collect::<Vec<_>>(), [7, 6, 5]);
        let refused = ActFilter { outcome: Some(Outcome::Refused), ..Default::default() };
        assert_eq!(acts(&mut reader, &refused, None, 500).await.unwrap(), []);
        assert_eq!(export_page(&mut reader, 3, 0).await.unwrap_err().code, "audit.export");
    }
}

/// Two at once take two numbers, and one names the other.
#[tokio::test]
async fn acts_that_meet_wait_for_one_another() {
    let (stores, _folder) = logs().await;
    for store in stores {
        let tasks = (1..=40).map(|second| {
            let store = store.clone();
            tokio::spawn(async move { act(&store, "person:li", second).await.number })
        });
        let mut numbers = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            numbers.push(task.await.unwrap());
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
        let export = export(&store, begin(&store, 0, 100, 200).await).await;
        assert_eq!(check(&export).unwrap().acts, 40);
    }
}

/// An act that is being written while an export begins is waited for, and is in it.
#[tokio::test]
async fn an_act_under_way_is_in_the_export() {
    let (stores, _folder) = logs().await;
    for store in stores {
        act(&store, "person:li", 1).await;
        let (written, seen) = tokio::sync::oneshot::channel();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let other = store.clone();
        let (mut written, mut gone) = (Some(written), Some(gone));
        let under_way = tokio::spawn(async move {
            transact!(other, None, |tx| {
                let act = new("person:wang", Value::Null);
                let done = record(tx, act, Salt([9; 32]), at(2)).await?;
                if let (Some(written), Some(gone)) = (written.take(), gone.take()) {
                    written.send(()).unwrap();
                    gone.await.unwrap();
                }
                Ok(done)
            })
            .unwrap()
        });
        seen.await.unwrap();
        let beginning = {
            let store = store.clone();
            tokio::spawn(async move { begin(&store, 0, 100, 200).await })
        };
        // The beginning comes as far as it gets while the act is held open.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        go.send(()).unwrap();
        under_way.await.unwrap();
        let export = export(&store, beginning.await.unwrap()).await;
        assert_eq!(check(&export).unwrap().acts, 2);
    }
}

#[tokio::test]
async fn an_act_is_erased_only_after_its_time() {
    let (stores, _folder) = logs().await;
    for store in stores {
        let digest = act(&store, "person:li", 5).await.digest;
        let days = |days: i64| at(5 + days * 86_400);
        let erase = async |now| transact!(store, None, |tx| crate::erase(tx, &[digest], now).await).unwrap();
        assert_eq!(erase(at(6)).await, 0);
        assert_eq!(erase(days(ACTS_KEPT_DAYS).checked_sub(jiff::SignedDuration::from_secs(1)).unwrap()).await, 0);
        assert_eq!(erase(days(ACTS_KEPT_DAYS)).await, 1);
    }
}

#[tokio::test]
async fn what_an_act_is_about_is_bounded() {
    let (stores, _folder) = logs().await;
    for store in stores {
        let long = || new("person:li", Value::String("字".repeat(ABOUT_BYTES_MAX)));
        transact!(store, None, |tx| record(tx, long(), Salt([1; 32]), at(1)).await).unwrap();
        let all = acts(&mut store.read().await.unwrap(), &ActFilter::default(), None, 1).await.unwrap();
        let about = all[0].body().unwrap().about;
        assert_eq!(about["bytes"], 3 * ABOUT_BYTES_MAX + 2, "{about}");
    }
}

/// Every period, the empty ones too, is exported with its neighbours and verifies; pages make one export.
#[tokio::test]
async fn every_period_is_exported_whole() {
    let (stores, _folder) = logs().await;
    for store in stores {
        for second in 1..=1_100 {
            act(&store, "person:li", 10 * second).await;
        }
        // Other leaves stand between.
        for (from, to, acts) in [(0, 90_000, 1_100), (15, 18, 0), (0, 5, 0), (100, 200, 11), (11_000, 90_000, 1)] {
            let number = begin(&store, from, to, 100_000).await;
            let export = export(&store, number).await;
            assert_eq!(check(&export).unwrap().acts, acts, "{from}..{to}");
            assert_eq!(export.lines.last().unwrap().1.number, number);
            let again = self::export(&store, number).await;
            assert_eq!((again.manifest, again.lines), (export.manifest, export.lines), "asked again it is the same");
        }
    }
}

/// A row that somebody changed, emptied or took away in the database is seen by whoever verifies, and named.
#[tokio::test]
async fn an_edited_row_is_seen() {
    for edit in [
        "UPDATE evidence_leaf SET body = REPLACE(body, 'zhang', 'wang!') WHERE position = 4",
        "UPDATE evidence_leaf SET body = NULL, salt = NULL WHERE position = 4",
        "UPDATE evidence_leaf SET position = 40 WHERE position = 4",
        "DELETE FROM evidence_leaf WHERE position = 4",
        "DELETE FROM evidence_act WHERE number = 5",
    ] {
        let (stores, _folder) = logs().await;
        for store in stores {
            for second in 1..=9 {
                act(&store, "person:li", second).await;
            }
            let number = begin(&store, 0, 50, 60).await;
            check(&export(&store, number).await).unwrap();
            transact!(store, None, |tx| tx.execute(edit, args![]).await).unwrap();
            let flaw = check(&export(&store, number).await).unwrap_err();
            assert!(flaw.zh.contains('5') && flaw.en.contains('5'), "{edit}: {flaw}");
        }
    }
}

/// The same chain written anew, with every digest right, contradicts the earlier export.
#[tokio::test]
async fn a_rewritten_history_contradicts_the_earlier_export() {
    let (stores, _folder) = logs().await;
    for store in stores {
        act(&store, "person:li", 1).await;
        let first = begin(&store, 0, 50, 60).await;
        let before = export(&store, first).await.manifest.checkpoints.remove(0);
        act(&store, "person:li", 61).await;
        let second = begin(&store, 0, 70, 80).await;
        let mut export = export(&store, second).await;
        let from = Checkpoint::open(&before, &[verifier(&origin().to_string(), 1)]).unwrap();
        let mut reader = store.read().await.unwrap();
        let going_on = continued(&mut reader, second, (1, from.size)).await.unwrap().unwrap();
        let with = |checkpoint: String, path| Some(export::Earlier { checkpoint, path });
        export.manifest.earlier = with(before, Some(going_on.path.clone()));
        check(&export).unwrap();
        let other = Checkpoint { root: [7; 32], ..from.clone() }.sign(&key(1)).unwrap().to_string();
        export.manifest.earlier = with(other.clone(), Some(going_on.path));
        assert!(check(&export).unwrap_err().en.contains("rewritten"));
        export.manifest.earlier = with(other, None);
        assert!(check(&export).unwrap_err().en.contains("shorter"));
        assert!(continued(&mut reader, second, (1, 4_000)).await.unwrap().is_none());
    }
}

async fn sample() -> Export {
    let (stores, _folder) = logs().await;
    let store = &stores[0];
    for second in 1..=12 {
        act(store, "person:li", second).await;
    }
    export(store, begin(store, 3, 9, 60).await).await
}

/// No line can be left out, put in, moved or changed, at the edges neither; every byte of a body counts.
#[tokio::test]
async fn no_line_can_be_touched_unseen() {
    let whole = sample().await;
    assert_eq!(check(&whole).unwrap().acts, 7);
    assert_eq!(whole.lines.len(), 10, "seven, the one before, the one after, and the export itself");
    for at in 0..whole.lines.len() {
        let mut less = whole.clone();
        less.lines.remove(at);
        assert!(check(&less).is_err(), "line {at} was left out");
        let mut twice = whole.clone();
        twice.lines.insert(at, whole.lines[at].clone());
        assert!(check(&twice).is_err(), "line {at} stands twice");
        for byte in 0..whole.lines[at].0.len() {
            let mut changed = whole.lines[at].0.clone().into_bytes();
            changed[byte] ^= 1;
            let mut other = whole.clone();
            other.lines[at].0 = String::from_utf8_lossy(&changed).into_owned();
            assert!(check(&other).is_err(), "byte {byte} of line {at}");
        }
    }
    for (one, other) in (1..whole.lines.len()).map(|it| (it - 1, it)) {
        let mut moved = whole.clone();
        moved.lines.swap(one, other);
        assert!(check(&moved).is_err(), "{one} and {other}");
    }
    let narrower = |change: fn(&mut export::Period)| {
        let mut other = whole.clone();
        change(&mut other.manifest.period);
        check(&other).is_err()
    };
    assert!(narrower(|it| it.first += 1) && narrower(|it| it.last -= 1) && narrower(|it| it.to = it.from));
    let number = whole.manifest.export;
    for (first, last) in [(10, 5), (0, 0), (0, 3), (1, u64::MAX), (3, u64::MAX), (1, number), (u64::MAX, u64::MAX - 1)]
    {
        let mut none = whole.clone();
        (none.manifest.period.first, none.manifest.period.last) = (first, last);
        assert!(check(&none).is_err(), "{first} to {last}");
    }
    let mut stranger = whole.clone();
    stranger.manifest.organisation = OrganisationId::new("other").unwrap();
    assert!(check(&stranger).is_err());
    let unknown = Check::begin(whole.manifest, &[verifier(&origin().to_string(), 2)]);
    assert!(unknown.is_err(), "another key");
}

/// Whoever keeps the log may write any period into the act that begins an export, and sign it: one that is none hides
/// nothing.
#[tokio::test]
async fn a_period_that_is_none_hides_no_acts() {
    for (first, last) in [(10, 5), (5, 1), (0, 0), (1, 7), (1, 9), (9, 8)] {
        let (stores, _folder) = logs().await;
        let store = &stores[0];
        for second in 1..=6 {
            act(store, "person:li", second).await;
        }
        let about = serde_json::to_value(export::Period { from: at(0), to: at(50), first, last }).unwrap();
        let began = transact!(store, None, |tx| {
            let act = NewAct { act: export::BEGAN, ..new("person:auditor", about.clone()) };
            record(tx, act, Salt([251; 32]), at(60)).await
        });
        let number = began.unwrap().number;
        crate::sequence(store, &key(1), at(60)).await.unwrap();
        let hostile = export(store, number).await;
        assert!(check(&hostile).is_err(), "{first} to {last}");
    }
}

fn body(by: String, about: String) -> ActBody {
    let about = serde_json::json!({ "title": about });
    let act = new(&by, about);
    ActBody {
        format: FORMAT.to_owned(),
        number: 1,
        previous: None,
        act: act.act.to_owned(),
        by,
        roles: act.roles,
        organisation: origin().organisation,
        at: at(1),
        outcome: Outcome::Done,
        code: None,
        about: act.about,
    }
}

proptest! {
    /// A reader of tables finds eight cells, none of which a spreadsheet would run.
    #[test]
    fn a_line_of_the_table_is_read_as_it_was_meant(by in "[=+@,\"\r\n\ta-z-]{0,12}", about in ".{0,20}") {
        let line = csv_line(&body(by.clone(), about));
        let mut reader = csv_cells(&line);
        prop_assert_eq!(reader.len(), 8);
        for cell in &reader {
            prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{}", cell);
        }
        let told = reader.remove(2);
        prop_assert_eq!(told.strip_prefix('\'').unwrap_or(&told), by.strip_prefix('\'').unwrap_or(&by));
    }
}

/// RFC 4180, read by hand.
fn csv_cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut rest = line.strip_suffix("\r\n").unwrap().chars().peekable();
    while let Some(it) = rest.next() {
        match (it, quoted) {
            ('"', true) if rest.peek() == Some(&'"') => {
                rest.next();
                cell.push('"');
            }
            ('"', _) => quoted = !quoted,
            (',', false) => cells.push(std::mem::take(&mut cell)),
            (it, _) => cell.push(it),
        }
    }
    cells.push(cell);
    cells
}
