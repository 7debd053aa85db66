//! Letters and corrections on both databases, with time that moves: whoever was being answered is told, and nobody who
//! does not answer stands in another's way. Rulings and escalations of others are believed as far as they hold.

use crate::{
    correction::{self, Told},
    store::{AGREEMENT_SPEND, CORRECTION_ADD, LETTER_COUNT},
    tests::{key, store_at},
    *,
};
use ::store::{Store, args, transact};
use policy::{Principal, Terms};
use rule::Filter;
use schema::{Field, FieldName, FieldType, RecordType, Value};
use std::collections::{BTreeMap, BTreeSet};
use vocabulary::{
    Bilingual, Date, Digest, FederationName, Kind, OrganisationId, Problem, ResourceId, Timestamp, micros, uuid::Uuid,
};

fn hour(hour: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + 3_600 * hour).unwrap()
}

fn minute(hours: i64, minutes: i64) -> Timestamp {
    hour(hours) + jiff::SignedDuration::from_mins(minutes)
}

fn org(id: &str) -> OrganisationId {
    OrganisationId::new(id).unwrap()
}

fn resource(id: &str) -> ResourceId {
    ResourceId::new(id).unwrap()
}

async fn stores(name: &str) -> (Vec<Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = vec![store_at(&format!("sqlite:{}", folder.path().join("t.db").display()), name).await];
    if let Ok(url) = std::env::var("YUNHE_TEST_POSTGRES") {
        stores.push(store_at(&url, name).await);
    }
    (stores, folder)
}

fn agreement_id(number: u128) -> AgreementId {
    AgreementId::from_uuid(Uuid::from_u128(number))
}

/// A live agreement at its provider.
async fn agree(store: &Store, number: u128, consumer: &str) -> String {
    let agreement = Agreement {
        format: "yunhe-agreement/1".to_owned(),
        id: agreement_id(number),
        revision: 1,
        federation: FederationName::new("jiangsu").unwrap(),
        provider: org("js-scjg"),
        consumer: org(consumer),
        system: "系统".to_owned(),
        request: RequestId::from_uuid(Uuid::from_u128(number)),
        request_digest: Digest::of(b"request"),
        offer: resource("legal-person"),
        basis: LegalBasis { law: "办法".to_owned(), article: "第一条".to_owned() },
        terms: Terms {
            service: None,
            record: resource("legal-person"),
            columns: [name("uscc"), name("status")].into(),
            rows: Filter::always(),
            masks: BTreeMap::new(),
            purpose: "试".to_owned(),
            quota: None,
            until: Date::constant(2099, 12, 31),
        },
        travel: policy::Travel::Direct,
        numbers: Vec::new(),
        at: hour(0),
    };
    let id = agreement.id.to_string();
    let document = serde_json::to_string(&Signed::sign(agreement, &key(1)).unwrap()).unwrap();
    let add = "
        INSERT INTO exchange_agreement (id, side, peer, offer, state, revision, until, day, day_rows, open, digest,
                                        document, at)
        VALUES ($1, 'provider', $2, 'legal-person', 'live', 1, '2099-12-31', '', 0, 0, $4, $3, 0)";
    let digest = Digest::of(b"agreement").to_string();
    transact!(store, None, |tx| tx.execute(add, args![&id, consumer, &document, &digest]).await).unwrap();
    id
}

/// A delivery is noted that was asked for then, as issuing one does.
async fn deliver(store: &Store, agreement: &str, asked: Timestamp) {
    let spent = transact!(store, None, |tx| {
        tx.execute(AGREEMENT_SPEND, args![agreement, 1, "2026-10-01", 1, 1_000_000, micros(asked)]).await
    });
    assert_eq!(spent.unwrap(), 1);
}

fn name(text: &str) -> FieldName {
    FieldName::new(text).unwrap()
}

fn record() -> RecordType {
    let fields = ["uscc", "status"].map(|it| (name(it), Field::new(&name(it), FieldType::Text { max: 20 })));
    let title = Bilingual::new("法人", "Firms");
    RecordType::new(resource("legal-person"), title, vec![name("uscc")], fields.into_iter().collect()).unwrap()
}

/// The status was wrong since `since`, and is corrected at `now`; says how many were told at once.
async fn correct(store: &Store, about: &str, since: Timestamp, now: Timestamp) -> usize {
    let record = record();
    let wrong = || Wrong {
        record: &record,
        columns: [(name("status"), since)].into(),
        versions: vec![vec![Value::Text("91".to_owned()), Value::Text("active".to_owned())]],
    };
    transact!(store, None, |tx| {
        let fixed = Fixed { cause: CorrectionCause::Corrected, wrong: wrong(), key: vec!["91".to_owned()] };
        let told = Told { about, objection: None, reason: Some("核实") };
        correction::tell_all(tx, &told, &fixed, &key(1), now).await
    })
    .unwrap()
}

async fn under_way(store: &Store, now: Timestamp) -> usize {
    transact!(store, None, |tx| tell_under_way(tx, &key(1), now).await).unwrap()
}

async fn told(store: &Store) -> BTreeSet<String> {
    let all = corrections(&mut store.read().await.unwrap()).await.unwrap();
    all.iter().map(|it| it.correction.body.consumer.to_string()).collect()
}

fn set<const N: usize>(all: [&str; N]) -> BTreeSet<String> {
    all.map(str::to_owned).into()
}

/// An answer is noted with the time at which it was asked for: before the correction, though it is noted behind it.
#[tokio::test]
async fn whoever_was_being_answered_is_found_though_time_goes_on() {
    let (stores, _folder) = stores("answered").await;
    for store in stores {
        let mut ids = Vec::new();
        for (number, consumer) in (1..).zip(["before", "asked", "batch", "both", "never", "long-ago"]) {
            ids.push(agree(&store, number, consumer).await);
        }
        deliver(&store, &ids[0], hour(11)).await;
        deliver(&store, &ids[5], hour(9)).await;
        // Wrong since ten o'clock, corrected at twelve.
        assert_eq!(correct(&store, "obj_1", hour(10), hour(12)).await, 1);
        assert_eq!(told(&store).await, set(["before"]));
        assert_eq!(under_way(&store, minute(12, 1)).await, 0);
        // These were asked for a minute before and are noted behind it.
        deliver(&store, &ids[1], minute(11, 59)).await;
        let parcel = "
            INSERT INTO exchange_parcel (id, agreement, peer, format, state, document, at)
            VALUES ('del_1', $1, 'batch', 'csv', 'making', '{}', $2)";
        transact!(store, None, |tx| tx.execute(parcel, args![&ids[2], micros(minute(11, 59))]).await).unwrap();
        // And of this one a later delivery hides that.
        deliver(&store, &ids[3], minute(11, 59)).await;
        deliver(&store, &ids[3], minute(12, 11)).await;
        assert_eq!(under_way(&store, minute(12, 12)).await, 3);
        assert_eq!(told(&store).await, set(["before", "asked", "batch", "both"]));
        // What came later had the right value, and the minutes are over.
        deliver(&store, &ids[4], hour(13)).await;
        assert_eq!(under_way(&store, hour(13)).await, 0);
    }
}

/// Of two answers the one that was asked for last counts, in whatever order they are noted.
#[tokio::test]
async fn the_last_delivery_never_goes_back() {
    let (stores, _folder) = stores("delivered").await;
    for store in stores {
        let id = agree(&store, 1, "nj-gxj").await;
        for asked in [hour(5), hour(3), hour(7), hour(6)] {
            deliver(&store, &id, asked).await;
        }
        let mut reader = store.read().await.unwrap();
        let row = reader.row("SELECT delivered FROM exchange_agreement", args![]).await.unwrap().unwrap();
        assert_eq!(row.int("delivered").unwrap(), micros(hour(7)));
    }
}

fn letter_to(peer: &str, number: u128) -> Letter {
    let confirmation = Confirmation {
        format: "yunhe-confirmation/1".to_owned(),
        correction: CorrectionId::from_uuid(Uuid::from_u128(number)),
        correction_digest: Digest::of(b"correction"),
        by: org(peer),
        note: "已更新".to_owned(),
        at: hour(0),
    };
    Letter::Confirmation(Signed::sign(confirmation, &key(1)).unwrap())
}

async fn post(store: &Store, peer: &str, number: u128, now: Timestamp) {
    let letter = letter_to(peer, number);
    let about = format!("cor_{number}");
    transact!(store, None, |tx| crate::letter::send(tx, &about, &org(peer), &letter, now).await).unwrap();
}

/// One step as a node takes it: of a member that does not answer no more letters are tried in it.
async fn step(store: &Store, dead: &str, now: Timestamp) -> usize {
    let gone = Problem::new(Kind::Unavailable, "peer.unreachable", "不通", "gone");
    let (mut heard, mut silent) = (0, false);
    for letter in letters(&mut store.read().await.unwrap()).await.unwrap() {
        if letter.peer.as_str() != dead {
            heard += usize::from(transact!(store, None, |tx| crate::letter::heard(tx, &letter).await).unwrap());
        } else if !silent {
            transact!(store, None, |tx| letter_failed(tx, &letter, &gone, now).await).unwrap();
            silent = true;
        }
    }
    heard
}

/// However many letters wait for a member that does not answer, those to others are heard.
#[tokio::test]
async fn a_silent_member_holds_nobody_up() {
    let (stores, _folder) = stores("silent").await;
    for store in stores {
        for number in 0..150 {
            post(&store, "dead", number, hour(1)).await;
        }
        post(&store, "living", 1_000, hour(2)).await;
        let first = step(&store, "dead", hour(3)).await;
        assert_eq!(first + step(&store, "dead", minute(3, 1)).await, 1);
        let waiting = undelivered(&mut store.read().await.unwrap(), "cor_149").await.unwrap();
        assert_eq!(waiting[0].problem.as_deref(), Some("peer.unreachable"));
        let about = letters_about(&mut store.read().await.unwrap(), "cor_7").await.unwrap();
        assert_eq!(about.len(), 1, "only those about this");
    }
}

/// Where too many letters wait for one member, a correction is told to all the others, and to that one later.
#[tokio::test]
async fn a_member_whose_letters_are_full_keeps_nobody_from_hearing() {
    let (stores, _folder) = stores("full").await;
    for store in stores {
        for (number, consumer) in (1..).zip(["full", "other"]) {
            let id = agree(&store, number, consumer).await;
            deliver(&store, &id, hour(11)).await;
        }
        let fill = "
            INSERT INTO exchange_letter (id, about, peer, kind, digest, letter, at, tried)
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
            SELECT 'x' || i, 'x', 'full', 'x', 'x', '{}', 0, 0 FROM n";
        transact!(store, None, |tx| tx.execute(fill, args![]).await).unwrap();
        assert_eq!(correct(&store, "obj_1", hour(10), hour(12)).await, 2);
        assert_eq!(told(&store).await, set(["full", "other"]));
        let count = async |peer: &str| {
            let row = store.read().await.unwrap().row(LETTER_COUNT, args![peer]).await.unwrap().unwrap();
            row.int("n").unwrap()
        };
        assert_eq!((count("full").await, count("other").await), (100_000, 1));
        let ask = async |now| transact!(store, None, |tx| ask_again(tx, now).await).unwrap();
        assert_eq!(ask(hour(37)).await, 1, "the other one's letter is on its way");
        let empty = "DELETE FROM exchange_letter WHERE about = 'x'";
        transact!(store, None, |tx| tx.execute(empty, args![]).await).unwrap();
        assert_eq!(ask(hour(50)).await, 0);
        assert_eq!(ask(hour(62)).await, 1);
        assert_eq!((count("full").await, count("other").await), (1, 1));
    }
}

/// Notices of years ago are forgotten; what still waits then is told anew.
#[tokio::test]
async fn notices_are_forgotten_after_years() {
    let (stores, _folder) = stores("notices").await;
    for store in stores {
        let notice = |at| Notice {
            about: "obj_1".to_owned(),
            kind: "objection-received".to_owned(),
            role: policy::Role::ProviderOfficer,
            title: Bilingual::new("异议", "an objection"),
            due: None,
            at,
        };
        let give = async |at| transact!(store, None, |tx| notify(tx, &notice(at)).await).unwrap();
        let forget = async |now| transact!(store, None, |tx| forget_notices(tx, now).await).unwrap();
        assert!(give(hour(0)).await && !give(hour(1)).await);
        assert_eq!((forget(hour(24 * 731)).await, forget(hour(24 * 732)).await), (0, 1));
        assert!(give(hour(24 * 732)).await);
    }
}

fn objection_of(provider: &str, consumer: &str) -> Objection {
    Objection {
        format: "yunhe-objection/1".to_owned(),
        id: ObjectionId::from_uuid(Uuid::from_u128(1)),
        federation: FederationName::new("jiangsu").unwrap(),
        consumer: org(consumer),
        provider: org(provider),
        agreement: agreement_id(1),
        receipt: None,
        record: resource("legal-person"),
        key: vec!["91".to_owned()],
        columns: Vec::new(),
        seen: serde_json::Map::new(),
        right: serde_json::Map::new(),
        reason: "有误".to_owned(),
        at: hour(0),
    }
}

fn ruling(objection: &Signed<Objection>, by: &str, verdict: RulingVerdict, to: Option<&str>) -> Signed<Ruling> {
    let ruling = Ruling {
        format: "yunhe-ruling/1".to_owned(),
        objection: objection.body.id,
        objection_digest: objection.digest().unwrap(),
        by: org(by),
        verdict,
        reason: Some("核实".to_owned()),
        passed_to: to.map(org),
        at: hour(1),
    };
    Signed::sign(ruling, &key(1)).unwrap()
}

fn by_member<A: policy::Ask>(member: &str, ask: A) -> policy::Permit<A> {
    let principal = Principal::member(org(member));
    let facts = policy::Facts { organisation: org("us"), principal, now: hour(2), agreement: None };
    policy::decide(&facts, ask).unwrap()
}

/// Nobody brings an objection as passed on but whoever it was passed to, one after another, from its provider on.
#[tokio::test]
async fn a_referral_that_was_not_passed_on_so_is_refused() {
    use RulingVerdict::{Accept, Correct, PassOn, Unfounded};
    let (stores, _folder) = stores("referral").await;
    let signed = |it: Objection| Signed::sign(it, &key(1)).unwrap();
    let good = signed(objection_of("b", "a"));
    let long = signed(Objection { reason: "长".repeat(2_001), ..good.body.clone() });
    let nothing = signed(Objection { key: Vec::new(), ..good.body.clone() });
    let own = signed(objection_of("a", "a"));
    let mut large = good.body.clone();
    large.seen.insert("status".to_owned(), "x".repeat(70_000).into());
    let large = signed(large);
    let pass = |by: &'static str, to: &'static str| (by, PassOn, Some(to));
    let cases = [
        (&good, vec![pass("m", "us")], "exchange.signature"),
        (&good, vec![pass("b", "c"), pass("m", "us")], "exchange.signature"),
        (&good, vec![pass("b", "c"), pass("c", "b"), pass("b", "us")], "exchange.signature"),
        (&good, vec![pass("b", "a"), pass("a", "us")], "exchange.signature"),
        (&good, vec![("b", Unfounded, None), pass("b", "us")], "exchange.signature"),
        (&good, vec![("b", Correct, None), pass("b", "us")], "exchange.signature"),
        (&good, vec![("b", Accept, None), ("b", Accept, None), pass("b", "us")], "objection.ruled"),
        (&good, vec![("b", PassOn, None)], "exchange.signature"),
        (&good, vec![("b", Accept, Some("us"))], "exchange.signature"),
        (&own, vec![pass("a", "us")], "exchange.signature"),
        (&long, vec![pass("b", "us")], "exchange.reason"),
        (&nothing, vec![pass("b", "us")], "objection.target"),
        (&large, vec![pass("b", "us")], "objection.too_large"),
    ];
    for (objection, rulings, code) in cases {
        let passed: Vec<_> = rulings.iter().map(|(by, verdict, to)| ruling(objection, by, *verdict, *to)).collect();
        let from = rulings.last().unwrap().0;
        let permit = by_member(from, TakeObjection { objection: objection.clone(), passed });
        let salt = || evidence::Salt([1; 32]);
        let refused = transact!(stores[0], None, |tx| take_objection(tx, &permit, salt(), hour(2)).await);
        assert_eq!(refused.unwrap_err().code, code, "{rulings:?}");
    }
}

/// At every moment one organisation may rule; what its source corrected comes back to those that passed it on, the last
/// one first, and each of them only carries it out.
#[test]
fn what_was_passed_on_comes_back_corrected() {
    use RulingVerdict::{Accept, Correct, PassOn, Unfounded};
    let objection = Signed::sign(objection_of("b", "a"), &key(1)).unwrap();
    let rulings = [
        ("b", Accept, None),
        ("b", PassOn, Some("c")),
        ("c", Accept, None),
        ("c", PassOn, Some("d")),
        ("d", Correct, None),
        ("c", Correct, None),
        ("b", Correct, None),
    ];
    let rulings = rulings.map(|(by, verdict, to)| ruling(&objection, by, verdict, to).body);
    let stages = [
        ObjectionStage::Open,
        ObjectionStage::Accepted,
        ObjectionStage::PassedOn,
        ObjectionStage::Accepted,
        ObjectionStage::PassedOn,
        ObjectionStage::Corrected,
        ObjectionStage::Corrected,
        ObjectionStage::Corrected,
    ];
    let next = ["b", "b", "c", "c", "d", "c", "b"].map(Some).into_iter().chain([None]);
    for (count, (stage, next)) in stages.into_iter().zip(next).enumerate() {
        let judged = judged(&objection.body, &rulings[..count]).unwrap();
        assert_eq!((judged.stage, judged.next), (stage, next.map(org)), "{count}");
        // Nobody else may rule, and of what was corrected nothing else may be said.
        for by in ["a", "b", "c", "d", "e"] {
            for verdict in [Accept, Correct, Unfounded] {
                let more = ruling(&objection, by, verdict, None).body;
                let taken = crate::judged(&objection.body, rulings[..count].iter().chain([&more])).is_ok();
                let open = stage != ObjectionStage::Corrected || verdict == Correct;
                let first = verdict != Accept || stage != ObjectionStage::Accepted;
                assert_eq!(taken, next == Some(by) && open && first, "{count} {by} {verdict:?}");
            }
        }
    }
}

/// An escalation is about a step of a request or of an objection, each by its name, and is bounded by that.
#[tokio::test]
async fn an_escalation_about_nothing_is_refused() {
    let (stores, _folder) = stores("escalation").await;
    let request = RequestId::from_uuid(Uuid::from_u128(1)).to_string();
    let objection = ObjectionId::from_uuid(Uuid::from_u128(1)).to_string();
    for (about, step) in [
        (request.as_str(), "objection"),
        (&request, "own-department"),
        (&request, ""),
        (&objection, "provider"),
        ("obj_", "objection"),
        (&"x".repeat(100_000), "provider"),
    ] {
        let escalation = Escalation {
            format: "yunhe-escalation/1".to_owned(),
            about: about.to_owned(),
            step: step.to_owned(),
            who: org("b"),
            by: org("a"),
            due: Date::constant(2026, 11, 24),
            late: 3,
            at: hour(0),
        };
        let escalation = Signed::sign(escalation, &key(1)).unwrap();
        let permit = by_member("a", TakeEscalation { escalation });
        let salt = || evidence::Salt([1; 32]);
        let refused = transact!(stores[0], None, |tx| take_escalation(tx, &permit, salt(), hour(2)).await);
        assert_eq!(refused.unwrap_err().code, "exchange.escalation", "{step}");
    }
}

/// A correction under a known name that says something else is no repeat: whoever brings it hears so.
#[tokio::test]
async fn another_correction_under_a_known_name_is_refused() {
    let (stores, _folder) = stores("corrected").await;
    for store in stores {
        agree(&store, 1, "us").await;
        let ours = "UPDATE exchange_agreement SET side = 'consumer'";
        transact!(store, None, |tx| tx.execute(ours, args![]).await).unwrap();
        let first = Correction {
            format: "yunhe-correction/1".to_owned(),
            id: CorrectionId::from_uuid(Uuid::from_u128(1)),
            federation: FederationName::new("jiangsu").unwrap(),
            provider: org("js-scjg"),
            consumer: org("us"),
            agreement: agreement_id(1),
            record: resource("legal-person"),
            key: vec!["91".to_owned()],
            columns: vec![name("status")],
            cause: CorrectionCause::Corrected,
            objection: None,
            reason: "核实".to_owned(),
            since: hour(1),
            at: hour(2),
        };
        let document = serde_json::to_string(&Signed::sign(first.clone(), &key(1)).unwrap()).unwrap();
        let (id, agreement) = (first.id.to_string(), first.agreement.to_string());
        let known = args![id, "consumer", "js-scjg", agreement, "", "told", document, 0];
        transact!(store, None, |tx| tx.execute(CORRECTION_ADD, known.clone()).await).unwrap();
        let take = async |body: Correction| {
            let permit = by_member("js-scjg", TakeCorrection { correction: Signed::sign(body, &key(1)).unwrap() });
            let salt = || evidence::Salt([1; 32]);
            transact!(store, None, |tx| take_correction(tx, &permit, salt(), hour(3)).await)
        };
        take(first.clone()).await.unwrap();
        let other = Correction { reason: "另有原因".to_owned(), ..first };
        assert_eq!(take(other).await.unwrap_err().code, "objection.correction_exists");
    }
}
