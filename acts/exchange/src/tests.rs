use crate::*;
use policy::{AnswerStep, Level, MemberFacts, MemberRole, Offer, Sharing};
use proptest::prelude::*;
use schema::{FieldName, FieldType, RecordType};
use signing::{Purpose, SigningKey};
use vocabulary::{Bilingual, Date, Digest, FederationName, OrganisationId, ResourceId, Suite, Timestamp, uuid::Uuid};

const STEPS: [AnswerStep; 3] = [AnswerStep::OwnDepartment, AnswerStep::Authority, AnswerStep::Provider];

pub(crate) fn at() -> Timestamp {
    "2026-11-24T04:00:00Z".parse().unwrap()
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(Suite::default(), &[seed; 32])
}

fn name(text: &str) -> FieldName {
    FieldName::new(text).unwrap()
}

pub(crate) fn request() -> AccessRequest {
    AccessRequest {
        format: "yunhe-request/1".to_owned(),
        id: RequestId::from_uuid(Uuid::from_u128(1)),
        federation: FederationName::new("jiangsu").unwrap(),
        consumer: OrganisationId::new("nj-gxj").unwrap(),
        provider: OrganisationId::new("js-scjg").unwrap(),
        offer: ResourceId::new("legal-person-operation").unwrap(),
        columns: ["uscc", "staff", "telephone"].map(name).to_vec(),
        operations: Vec::new(),
        purpose: "惠企政策匹配".to_owned(),
        basis: LegalBasis { law: "江苏省公共数据管理办法".to_owned(), article: "第二十条".to_owned() },
        matter: "惠企政策兑现".to_owned(),
        system: "惠企政策平台".to_owned(),
        frequency: "daily".to_owned(),
        until: Date::constant(2027, 6, 30),
        in_charge: "政策法规处".to_owned(),
        attachments: Vec::new(),
        way: Vec::new(),
        numbers: Vec::new(),
        at: at(),
    }
}

fn offer() -> Offer {
    Offer {
        offer: request().offer,
        of: ResourceId::new("legal-person-operation").unwrap(),
        title: None,
        share: Sharing::Conditional,
        who: None,
        purpose: vec!["惠企政策匹配".to_owned()],
        rows: None,
        columns: ["uscc", "staff", "revenue", "telephone"].map(name).to_vec(),
        operations: Vec::new(),
        calls: None,
        mask: Default::default(),
        quota: None,
        until: Some(Date::constant(2027, 3, 31)),
        answer: STEPS.to_vec(),
        travel: None,
    }
}

fn asker() -> MemberFacts {
    MemberFacts {
        id: request().consumer,
        division: "320100".to_owned(),
        level: Level::City,
        roles: vec![MemberRole::Department],
    }
}

fn answered(step: AnswerStep, verdict: Verdict, reason: Option<&str>, columns: Option<Vec<FieldName>>) -> Event {
    let answer = Answer {
        format: "yunhe-answer/1".to_owned(),
        request: request().id,
        request_digest: Digest::of(b"request"),
        step,
        by: request().provider,
        verdict,
        reason: reason.map(str::to_owned),
        columns,
        operations: None,
        numbers: Vec::new(),
        at: at(),
    };
    Event::Answered(Box::new(Signed::sign(answer, &key(1)).unwrap()))
}

fn supplemented() -> Event {
    let note = Supplement {
        format: "yunhe-supplement/1".to_owned(),
        request: request().id,
        request_digest: Digest::of(b"request"),
        note: "附件".to_owned(),
        attachments: Vec::new(),
        at: at(),
    };
    Event::Supplemented(Signed::sign(note, &key(2)).unwrap())
}

fn any_event() -> impl Strategy<Value = Event> {
    let step = prop::sample::select(STEPS.to_vec());
    let verdict = prop::sample::select(vec![
        Verdict::Accept,
        Verdict::Supplement,
        Verdict::Return,
        Verdict::Agree,
        Verdict::Agree,
        Verdict::AgreeInPart,
        Verdict::Refuse,
    ]);
    let columns = prop::option::of(prop::sample::subsequence(vec!["uscc", "staff", "telephone", "revenue"], 0..4));
    let reason = prop::option::of("理由| ");
    let answer = (step, verdict, reason, columns).prop_map(|(step, verdict, reason, columns)| {
        answered(step, verdict, reason.as_deref(), columns.map(|all| all.into_iter().map(name).collect()))
    });
    prop_oneof![4 => answer, 1 => Just(supplemented())]
}

proptest! {
    /// Whatever happens in whatever order: it is agreed only after each step agreed in its turn, with columns that were
    /// asked for, and a request that was refused or sent back takes nothing more.
    #[test]
    fn nobody_is_skipped(events in prop::collection::vec(any_event(), 0..12)) {
        let mut story: Vec<Event> = Vec::new();
        for event in events {
            story.push(event);
            if standing(&request(), &STEPS, &story).is_err() {
                story.pop();
            }
        }
        let agreed: Vec<AnswerStep> = story.iter().filter_map(|it| match it {
            Event::Answered(it) if [Verdict::Agree, Verdict::AgreeInPart].contains(&it.body.verdict) => {
                Some(it.body.step)
            }
            _ => None,
        }).collect();
        match standing(&request(), &STEPS, &story).unwrap() {
            Standing::Agreed { columns, .. } => {
                prop_assert_eq!(&agreed[..], &STEPS[..]);
                prop_assert!(!columns.is_empty());
                prop_assert!(columns.iter().all(|it| request().columns.contains(it)));
            }
            Standing::Waiting { step, .. } => prop_assert_eq!(Some(&step), STEPS.get(agreed.len())),
            Standing::Refused { .. } | Standing::Returned { .. } => {
                for more in [answered(AnswerStep::Provider, Verdict::Agree, None, None), supplemented()] {
                    let mut longer = story.clone();
                    longer.push(more);
                    prop_assert_eq!(standing(&request(), &STEPS, &longer).unwrap_err().code, "exchange.turn");
                }
            }
            Standing::Supplement { step, reason, .. } => {
                prop_assert_eq!(Some(&step), STEPS.get(agreed.len()));
                prop_assert!(!reason.trim().is_empty());
            }
        }
    }
}

#[test]
fn a_request_without_steps_is_agreed_at_once() {
    assert_eq!(standing(&request(), &[], &[]).unwrap(), agreed(request().columns));
}

#[test]
fn a_request_goes_its_way_with_a_supplement_and_fewer_columns() {
    use AnswerStep::{Authority, OwnDepartment, Provider};
    let part = vec![name("telephone"), name("uscc")];
    let story = [
        (answered(OwnDepartment, Verdict::Accept, None, None), waiting(OwnDepartment, true)),
        (
            answered(OwnDepartment, Verdict::Supplement, Some("缺附件"), None),
            Standing::Supplement { step: OwnDepartment, level: 0, reason: "缺附件".to_owned() },
        ),
        (supplemented(), waiting(OwnDepartment, true)),
        (answered(OwnDepartment, Verdict::Agree, None, None), waiting(Authority, false)),
        (answered(Authority, Verdict::AgreeInPart, Some("人数无关"), Some(part)), waiting(Provider, false)),
        (answered(Provider, Verdict::Agree, None, None), agreed(["uscc", "telephone"].map(name).to_vec())),
    ];
    let events: Vec<Event> = story.iter().map(|(event, _)| event.clone()).collect();
    for (number, (_, wanted)) in story.iter().enumerate() {
        assert_eq!(standing(&request(), &STEPS, &events[..=number]).unwrap(), *wanted, "{number}");
    }
}

fn agreed(columns: Vec<FieldName>) -> Standing {
    Standing::Agreed { columns, operations: Vec::new() }
}

fn waiting(step: AnswerStep, accepted: bool) -> Standing {
    Standing::Waiting { step, accepted, level: 0 }
}

#[test]
fn an_agreement_holds_what_is_left_of_the_request_under_the_offer() {
    let (offer, request, asker) = (
        Offer {
            rows: Some("row.division.under(ask.organisation.division)".to_owned()),
            mask: [("telephone", policy::Mask::Middle4), ("revenue", policy::Mask::All)]
                .map(|(field, mask)| (name(field), mask))
                .into(),
            quota: Some(policy::Quota { rows_per_day: 10 }),
            ..offer()
        },
        request(),
        asker(),
    );
    let kinds = ["uscc", "staff", "revenue", "telephone"].map(|it| (it, FieldType::Text { max: 20 }));
    let fields = kinds.into_iter().chain([("division", FieldType::Division)]);
    let fields = fields.map(|(field, kind)| (name(field), schema::Field::new(&name(field), kind))).collect();
    let record =
        RecordType::new(offer.of.clone(), Bilingual::new("法人", "Firms"), vec![name("uscc")], fields).unwrap();
    let zones = schema::division::Zones::default();
    let ground = Ground {
        request: &request,
        request_digest: Digest::of(b"request"),
        offer: &offer,
        shared: Shared::Records(&record),
        asker: &asker,
        zones: &zones,
        travel: policy::Travel::Direct,
        numbers: &[],
    };
    let id = AgreementId::from_uuid(Uuid::from_u128(2));
    let agreed = agreed(["telephone", "uscc"].map(name).to_vec());
    let terms = decide::agreement(&ground, &agreed, id, at()).unwrap().terms;
    assert_eq!(terms.columns, ["uscc", "telephone"].map(name), "in the order of the offer");
    assert_eq!(terms.masks, [(name("telephone"), policy::Mask::Middle4)].into());
    assert_eq!((terms.quota, terms.until), (offer.quota, Date::constant(2027, 3, 31)));
    assert_eq!(terms.rows, offer.rows_for(&record, &asker, &request.purpose, &zones).unwrap());
    let code =
        |ground: &Ground<'_>, standing| decide::agreement(ground, standing, id, at()).unwrap_err().code.into_owned();
    let pending = waiting(AnswerStep::Provider, true);
    assert_eq!(code(&ground, &pending), "exchange.turn");
    let withdrawn = Offer { share: Sharing::Refused, ..offer.clone() };
    assert_eq!(code(&Ground { offer: &withdrawn, ..ground }, &agreed), "exchange.not_shared");
}

#[test]
fn an_answer_out_of_turn_without_reason_or_with_foreign_columns_is_refused() {
    let code = |events: &[Event]| standing(&request(), &STEPS, events).unwrap_err().code.into_owned();
    let own = |verdict, reason, columns| answered(AnswerStep::OwnDepartment, verdict, reason, columns);
    assert_eq!(code(&[answered(AnswerStep::Provider, Verdict::Agree, None, None)]), "exchange.turn");
    let early = standing(&request(), &STEPS, &[supplemented()]).unwrap_err();
    assert_eq!((&*early.code, &*early.detail.en), ("exchange.turn", "it is the turn of OwnDepartment"));
    for verdict in [Verdict::Refuse, Verdict::Return, Verdict::Supplement, Verdict::AgreeInPart] {
        assert_eq!(code(&[own(verdict, None, Some(vec![name("uscc")]))]), "exchange.reason");
        assert_eq!(code(&[own(verdict, Some("  "), Some(vec![name("uscc")]))]), "exchange.reason");
    }
    assert_eq!(code(&[own(Verdict::AgreeInPart, Some("因"), None)]), "exchange.columns");
    assert_eq!(code(&[own(Verdict::AgreeInPart, Some("因"), Some(vec![]))]), "exchange.columns");
    assert_eq!(code(&[own(Verdict::AgreeInPart, Some("因"), Some(vec![name("revenue")]))]), "exchange.columns");
    assert_eq!(code(&[own(Verdict::Agree, None, Some(vec![name("uscc")]))]), "exchange.columns");
}

#[test]
fn policy_lets_in_only_what_is_offered() {
    let code = |request: &AccessRequest, offer: &Offer| {
        admissible(request, offer, &asker(), at()).unwrap_err().code.into_owned()
    };
    assert!(admissible(&request(), &offer(), &asker(), at()).is_ok());
    assert_eq!(code(&request(), &Offer { share: Sharing::Refused, ..offer() }), "exchange.not_shared");
    let who = policy::Who { role: MemberRole::Enterprise, level: vec![] };
    assert_eq!(code(&request(), &Offer { who: Some(who), ..offer() }), "exchange.who");
    assert_eq!(code(&AccessRequest { purpose: "营销".to_owned(), ..request() }, &offer()), "exchange.purpose");
    assert_eq!(code(&AccessRequest { columns: vec![], ..request() }, &offer()), "exchange.columns");
    assert_eq!(code(&AccessRequest { columns: vec![name("capital")], ..request() }, &offer()), "exchange.restriction");
    assert_eq!(code(&AccessRequest { until: Date::constant(2026, 11, 23), ..request() }, &offer()), "exchange.until");
    assert!(
        admissible(&AccessRequest { until: Date::constant(2026, 11, 24), ..request() }, &offer(), &asker(), at())
            .is_ok()
    );
}

#[test]
fn a_signature_of_one_kind_never_passes_for_another() {
    let signed = Signed::sign(request(), &key(1)).unwrap();
    assert!(signed.check(&[key(2).public(), key(1).public()]).is_ok());
    assert_eq!(signed.check(&[key(2).public()]).unwrap_err().code, "exchange.signature");
    let mut other = signed.clone();
    other.body.purpose.push('。');
    assert_eq!(other.check(&[key(1).public()]).unwrap_err().code, "exchange.signature");
    let mut old = signed.clone();
    old.body.format = "yunhe-request/0".to_owned();
    assert_eq!(old.check(&[key(1).public()]).unwrap_err().code, "exchange.format");
    let wrong = signed.signatures[0].clone();
    assert!(key(1).public().verify_canonical(Purpose::Answer, &signed.body, &wrong).is_err());
}

/// A receipt as a provider issues it, with its keys.
fn receipt() -> Receipt {
    let agreement = AgreementId::from_uuid(Uuid::from_u128(2));
    let base = format!(
        "\"@method\": POST\n\"content-digest\": sha-256=:{}:\n\"@signature-params\": ()",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, Digest::of(b"query").hash)
    );
    let body = ReceiptBody {
        format: "yunhe-receipt/1".to_owned(),
        id: ReceiptId::from_uuid(Uuid::from_u128(3)),
        federation: request().federation,
        provider: request().provider,
        consumer: request().consumer,
        actor: "application:huiqi".to_owned(),
        agreement,
        agreement_digest: Digest::of(b"agreement"),
        record: request().offer,
        called: None,
        purpose: request().purpose,
        delivery: None,
        part: None,
        request: Digest::of(b"query"),
        answer: Digest::of(b"answer"),
        rows: 3,
        bytes: 6,
        numbers: Vec::new(),
        at: at(),
    };
    let salt = evidence::Salt([7; 32]);
    let bytes = vocabulary::canonical_bytes(&body).unwrap();
    let log = evidence::LogPromise {
        origin: "jiangsu/js-scjg/1".parse().unwrap(),
        leaf: evidence::leaf_digest(Suite::default(), &salt, &bytes),
        integrate_by: at(),
    };
    let others = [Digest::of(b"a"), log.leaf, Digest::of(b"b")];
    let batch = evidence::batch::sign(&key(1), &log.origin, log.integrate_by, &others).unwrap().remove(1);
    let asked = Asked { signature: key(2).sign(base.as_bytes()), base };
    let acknowledgement = Acknowledgement {
        format: "yunhe-acknowledgement/1".to_owned(),
        unreceived: Vec::new(),
        leaves: vec![log.leaf],
        by: body.consumer.clone(),
        at: at(),
    };
    let acknowledgement = Some(Signed::sign(acknowledgement, &key(2)).unwrap());
    Receipt { body, salt: hex::encode(salt.0), log, batch, asked, acknowledgement, log_proof: None }
}

fn check(receipt: &Receipt) -> Result<Proven, vocabulary::Problem> {
    let (provider, consumer) = ([key(1).public()], [key(2).public()]);
    verify(receipt, &Keys { provider: &provider, consumer: &consumer, log: &[] })
}

#[test]
fn a_receipt_proves_itself_in_words() {
    let proven = check(&receipt()).unwrap();
    assert!(proven.acknowledged && !proven.logged);
    assert!(proven.words.zh.contains("js-scjg") && proven.words.zh.contains("3 行"), "{}", proven.words);
    assert_ne!(proven.words, Bilingual::default());
}

/// Every byte of a receipt, flipped in turn: the file no longer reads, or some part of it is named as wrong.
#[test]
fn no_byte_of_a_receipt_can_change_unnoticed() {
    let receipt = receipt();
    let text = serde_json::to_vec(&receipt).unwrap();
    for at in 0..text.len() {
        for bit in [0x01, 0x20] {
            let mut bytes = text.clone();
            bytes[at] ^= bit;
            let Ok(changed) = read(&bytes) else { continue };
            let problem = check(&changed).expect_err(&format!("byte {at} {:?}", String::from_utf8_lossy(&bytes)));
            assert!(problem.code.contains('.'), "{problem}");
        }
    }
}

#[test]
fn a_receipt_of_other_keys_or_another_request_is_refused() {
    let code = |receipt: &Receipt| check(receipt).unwrap_err().code.into_owned();
    let swapped = [key(2).public()];
    let proven = verify(&receipt(), &Keys { provider: &swapped, consumer: &swapped, log: &[] });
    assert_eq!(proven.unwrap_err().code, "receipt.provider");
    let mut other = receipt();
    other.asked = Asked { base: "\"content-digest\": sha-256=:AAAA:".to_owned(), ..other.asked };
    other.asked.signature = key(2).sign(other.asked.base.as_bytes());
    assert_eq!(code(&other), "receipt.request");
    let mut other = receipt();
    if let Some(it) = &mut other.acknowledgement {
        it.body.leaves.clear();
        *it = Signed::sign(it.body.clone(), &key(2)).unwrap();
    }
    assert_eq!(code(&other), "receipt.acknowledgement");
}

#[test]
fn a_base_with_two_digests_has_none() {
    let line = "\"content-digest\": sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
    assert_eq!(content_digest(line), Some(Digest::of(b"abc")));
    assert_eq!(content_digest(&format!("{line}\n{line}")), None);
    assert_eq!(content_digest("\"@method\": GET"), None);
    let sm3 = "\"content-digest\": sm3=:Zsfw9GLu7dnR8tRr3BDk4kFnxIdc8veiKX2gK49LqOA=:";
    assert_eq!(content_digest(sm3), Some(Digest::by(Suite::Sm2Sm3, b"abc")));
    for none in [sm3.replace("sm3=", "sha-512="), sm3.replace("sm3=:", "sm3="), format!("{sm3}\n{line}")] {
        assert_eq!(content_digest(&none), None, "{none}");
    }
}

#[tokio::test]
async fn every_statement_prepares_on_both_databases() {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = vec![store_at(&format!("sqlite:{}", folder.path().join("t.db").display()), "all").await];
    if let Ok(url) = std::env::var("YUNHE_TEST_POSTGRES") {
        stores.push(store_at(&url, "all").await);
    }
    for store in stores {
        let word = if store.dialect() == vocabulary::Dialect::Sqlite { "EXPLAIN " } else { "" };
        let built = crate::store::PROOFS_AT_ONCE
            .into_iter()
            .flat_map(|it| [crate::store::receipt_proofs(it), crate::store::receipts_signed(it)])
            .map(|it| it.as_str().to_owned());
        let all = crate::store::ALL.iter().chain(crate::store::cascade::ALL).map(|it| (*it).to_owned()).chain(built);
        for (number, sql) in all.enumerate() {
            let statement =
                if word.is_empty() { format!("PREPARE s{number} AS {sql}") } else { format!("{word}{sql}") };
            let done = store.read().await.unwrap().rows(::store::Statement::built(statement), vec![]).await;
            assert!(done.is_ok(), "{sql}: {done:?}");
        }
    }
}

pub(crate) async fn store_at(url: &str, name: &str) -> ::store::Store {
    let store = ::store::Store::open(url, &format!("exchange_{name}_{}", std::process::id())).await.unwrap();
    store.migrate("exchange", MIGRATIONS).await.unwrap();
    store
}

/// What stood in the tables before the third step is there after it, and reads the same.
#[tokio::test]
async fn what_was_kept_before_a_migration_is_kept_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite:{}", folder.path().join("t.db").display());
    let mut urls = vec![sqlite];
    urls.extend(std::env::var("YUNHE_TEST_POSTGRES"));
    for url in urls {
        let schema = format!("exchange_before_{}", std::process::id());
        let store = ::store::Store::open(&url, &schema).await.unwrap();
        store.migrate("exchange", &MIGRATIONS[..2]).await.unwrap();
        let old = [
            "INSERT INTO exchange_nonce (key, nonce, keep_until) VALUES ('k', 'n', 7)",
            "INSERT INTO exchange_receipt (id, side, agreement, peer, leaf, body, salt, log, asked, proof,
                                           acknowledgement, delivery, part, at, missed)
             VALUES ('r1', 'consumer', 'a', 'p', 'l1', 'b1', '', '{}', '{}', 'proof', 'thanks', 'd', 3, 5, 1),
                    ('r2', 'provider', 'a', 'p', 'l2', 'b2', '', '{}', '{}', NULL, NULL, NULL, NULL, 6, NULL)",
        ];
        for sql in old {
            ::store::transact!(store, None, |tx| tx.execute(sql, vec![]).await).unwrap();
        }
        store.migrate("exchange", MIGRATIONS).await.unwrap();
        let mut reader = store.read().await.unwrap();
        let rows = reader.rows(crate::store::RECEIPT_LIST, ::store::args!["", 10]).await.unwrap();
        let told: Vec<_> = rows
            .iter()
            .map(|it| ["body", "proof", "acknowledgement"].map(|name| it.opt_text(name).unwrap().unwrap_or("")))
            .collect();
        assert_eq!(told, [["b2", "", ""], ["b1", "proof", "thanks"]]);
        let unsigned = reader.rows(crate::store::UNSIGNED_LIST, ::store::args![10]).await.unwrap();
        assert_eq!(unsigned.iter().map(|it| it.text("id").unwrap()).collect::<Vec<_>>(), ["r2"]);
        let parts = reader.rows(crate::store::PULL_PARTS, ::store::args!["d"]).await.unwrap();
        assert_eq!(parts[0].int("part").unwrap(), 3);
        let again = ::store::args![7, "k", "n"];
        assert_eq!(
            ::store::transact!(store, None, |tx| tx.execute(crate::store::NONCE_CLAIM, again.clone()).await).unwrap(),
            0
        );
        drop(reader);
        store.close().await;
    }
}

/// The story that any events leave: what may not happen is left out.
fn story_of(events: Vec<Event>) -> Vec<Event> {
    let mut story: Vec<Event> = Vec::new();
    for event in events {
        story.push(event);
        if standing(&request(), &STEPS, &story).is_err() {
            story.pop();
        }
    }
    story
}

/// An event an hour behind the one before.
fn timed(events: &[Event]) -> Vec<Event> {
    let hour = |it: usize| at() + jiff::SignedDuration::from_hours(i64::try_from(it + 1).unwrap());
    let mut events = events.to_vec();
    events.iter_mut().enumerate().for_each(|(number, event)| set_time(event, hour(number)));
    events
}

fn set_time(event: &mut Event, at: Timestamp) {
    match event {
        Event::Answered(it) => it.body.at = at,
        Event::Supplemented(it) => it.body.at = at,
    }
}

proptest! {
    /// The clock of a step runs exactly while the request waits for it: at every hour, one clock runs where one step is
    /// waited for, and none where none is.
    #[test]
    fn a_clock_runs_while_its_step_is_waited_for(events in prop::collection::vec(any_event(), 0..12)) {
        let story = timed(&story_of(events));
        for count in 0..=story.len() {
            let turns = turns(&request(), &STEPS, &story[..count], |_| None).unwrap();
            let runs = |it: &AnswerTurn| it.runs.last().is_some_and(|it| it.until.is_none());
            let running = |it: &AnswerTurn| it.answered.is_none() && runs(it);
            let running: Vec<AnswerStep> = turns.iter().filter(|it| running(it)).map(|it| it.step).collect();
            let waited = match standing(&request(), &STEPS, &story[..count]).unwrap() {
                Standing::Waiting { step, .. } => vec![step],
                _ => vec![],
            };
            prop_assert_eq!(running, waited);
            let steps: Vec<AnswerStep> = turns.iter().map(|it| it.step).collect();
            prop_assert_eq!(&steps[..], &STEPS[..steps.len()]);
            for pair in turns.windows(2) {
                prop_assert!(pair[0].answered.unwrap() <= pair[1].runs[0].from);
            }
            for turn in &turns {
                for run in &turn.runs {
                    prop_assert!(run.until.is_none_or(|it| it >= run.from));
                }
            }
        }
    }

    /// When this node heard of an event counts before the time that stands in it.
    #[test]
    fn what_was_heard_counts(events in prop::collection::vec(any_event(), 0..8)) {
        let story = timed(&story_of(events));
        let late = |it: usize| Some(at() + jiff::SignedDuration::from_hours(100 + i64::try_from(it).unwrap()));
        for turn in turns(&request(), &STEPS, &story, late).unwrap() {
            for run in &turn.runs {
                prop_assert!(run.from >= late(0).unwrap());
            }
        }
    }

    /// Whatever times stand in the events and whenever they were heard, no run ends before it began, no turn begins
    /// before the one ahead of it was answered, and nothing lies behind what this node has heard.
    #[test]
    fn no_run_ends_before_it_began(
        events in prop::collection::vec(any_event(), 0..12),
        said in prop::collection::vec(any_time(), 13),
        heard in prop::collection::vec(prop::option::of(0..400_i64), 13),
    ) {
        let mut story = story_of(events);
        story.iter_mut().zip(&said).for_each(|(event, said)| set_time(event, *said));
        let asked = AccessRequest { at: said[12], ..request() };
        let heard = |it: usize| heard[it].map(|it| at() + jiff::SignedDuration::from_hours(it));
        let turns = turns(&asked, &STEPS, &story, heard).unwrap();
        let last = heard(story.len()).map(|last| (0..=story.len()).filter_map(heard).fold(last, Timestamp::max));
        let mut behind = Timestamp::MIN;
        for turn in &turns {
            for run in &turn.runs {
                prop_assert!(run.from >= behind);
                behind = run.until.unwrap_or(run.from);
                prop_assert!(behind >= run.from);
                prop_assert!(last.is_none_or(|it| behind <= it));
            }
            behind = turn.answered.unwrap_or(behind).max(behind);
            prop_assert!(turn.answered.is_none_or(|it| it == behind));
        }
    }
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    let near = (0..400_i64).prop_map(|it| at() + jiff::SignedDuration::from_hours(it));
    prop_oneof![4 => near, 1 => Just(Timestamp::UNIX_EPOCH), 1 => Just(Timestamp::MAX), 1 => Just(Timestamp::MIN)]
}

/// An answer that is dated long before it was heard does not come in time by that.
#[test]
fn an_answer_that_is_dated_back_counts_from_when_it_was_heard() {
    let hour = |it: i64| at() + jiff::SignedDuration::from_hours(it);
    let ended = |said: Timestamp, heard: Option<Timestamp>| {
        let mut event = answered(AnswerStep::OwnDepartment, Verdict::Agree, None, None);
        set_time(&mut event, said);
        let heard = |it: usize| if it == 0 { None } else { heard };
        turns(&request(), &STEPS, &[event], heard).unwrap()[0].answered.unwrap()
    };
    assert_eq!(ended(hour(5), Some(hour(29))), hour(5), "it was under way for a day");
    assert_eq!(ended(hour(5), Some(hour(30))), hour(30));
    assert_eq!(ended(Timestamp::UNIX_EPOCH, Some(hour(400))), hour(400));
    assert_eq!(ended(Timestamp::UNIX_EPOCH, None), at(), "not before it was asked");
    assert_eq!(ended(hour(9_999), Some(hour(7))), hour(7), "nothing is heard before it happens");
}

#[test]
fn of_a_service_operations_are_asked_for_granted_and_agreed() {
    let operation = |text: &str| vocabulary::OperationName::new(text).unwrap();
    let declared = |path: &str| {
        let it = serde_json::json!({
            "title": {"zh": "甲", "en": "A"}, "method": "GET", "path": path, "answer": {"media": ["application/json"]},
        });
        serde_json::from_value::<policy::Operation>(it).unwrap()
    };
    let service = policy::Service {
        service: ResourceId::new("firm-service").unwrap(),
        title: Bilingual::new("服务", "Service"),
        connection: ResourceId::new("market-api").unwrap(),
        personal: false,
        operations: [("get", "/firms/{code}"), ("list", "/firms")]
            .map(|(name, it)| (operation(name), declared(it)))
            .into(),
    };
    let calls = Some(policy::CallQuota { per_day: Some(5), per_second: None });
    let names = vec![operation("get"), operation("list")];
    let offer = Offer { of: service.service.clone(), columns: vec![], operations: names.clone(), calls, ..offer() };
    let asked = AccessRequest { columns: vec![], operations: names, ..request() };
    let code = |it: &AccessRequest| admissible(it, &offer, &asker(), at()).unwrap_err().code.into_owned();
    assert!(admissible(&asked, &offer, &asker(), at()).is_ok());
    assert_eq!(code(&request()), "exchange.restriction", "columns of a service");
    assert_eq!(code(&AccessRequest { operations: vec![], ..asked.clone() }), "exchange.operations");
    assert_eq!(code(&AccessRequest { operations: vec![operation("other")], ..asked.clone() }), "exchange.restriction");

    let part = |columns, operations| {
        let mut event = answered(AnswerStep::OwnDepartment, Verdict::AgreeInPart, Some("因"), columns);
        if let Event::Answered(answer) = &mut event {
            answer.body.operations = operations;
        }
        event
    };
    let after = |event| standing(&asked, &[AnswerStep::OwnDepartment], &[event]);
    let agreed = after(part(None, Some(vec![operation("get")]))).unwrap();
    assert_eq!(agreed, Standing::Agreed { columns: vec![], operations: vec![operation("get")] });
    for wrong in [
        part(None, Some(vec![])),
        part(None, Some(vec![operation("other")])),
        part(Some(vec![name("uscc")]), None),
        part(Some(vec![]), Some(vec![operation("get")])),
    ] {
        assert_eq!(after(wrong).unwrap_err().code, "exchange.columns");
    }

    let zones = schema::division::Zones::default();
    let asker = asker();
    let ground = |service| Ground {
        request: &asked,
        request_digest: Digest::of(b"request"),
        offer: &offer,
        shared: Shared::Service(service),
        asker: &asker,
        zones: &zones,
        travel: policy::Travel::Direct,
        numbers: &[],
    };
    let id = AgreementId::from_uuid(Uuid::from_u128(2));
    let terms = decide::agreement(&ground(&service), &agreed, id, at()).unwrap().terms;
    let agreed_on = terms.service.unwrap();
    assert_eq!((agreed_on.calls, terms.columns.len(), terms.rows), (calls, 0, rule::Filter::never()));
    assert_eq!(agreed_on.operations.keys().collect::<Vec<_>>(), [&operation("get")]);
    let gone = policy::Service { operations: Default::default(), ..service.clone() };
    assert_eq!(decide::agreement(&ground(&gone), &agreed, id, at()).unwrap_err().code, "exchange.operations");
}

#[test]
fn a_receipt_of_a_call_counts_once_and_says_what_was_called() {
    let mut receipt = receipt();
    assert_eq!(receipt.body.counts(), 3);
    let called = Called {
        operation: vocabulary::OperationName::new("get").unwrap(),
        method: "GET".to_owned(),
        path: "/firms/{code}".to_owned(),
        status: 404,
    };
    receipt.body.called = Some(called);
    assert_eq!(receipt.body.counts(), 1);
}
