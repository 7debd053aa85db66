use crate::ask::{Adopt, Confirm, Endorse, Pin, Propose};
use crate::levels::LEVELS_MAX;
use crate::store::STATEMENTS;
use crate::*;
use ::store::{Store, args, transact};
use evidence::{Origin, Salt};
use policy::{Ask, Facts, Level, MemberRole, Permit, Principal, Role};
use proptest::prelude::*;
use signing::{PublicKey, SigningKey};
use std::sync::atomic::{AtomicU32, Ordering};
use vocabulary::{Bilingual, Digest, FederationName, OrganisationId, Problem, Suite, Timestamp};

static NUMBER: AtomicU32 = AtomicU32::new(0);
const SALT: Salt = Salt([5; 32]);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn key(number: u16) -> SigningKey {
    let [high, low] = number.to_be_bytes();
    let mut seed = [3; 32];
    (seed[0], seed[1]) = (high, low);
    SigningKey::from_seed(Suite::default(), &seed)
}

fn jiangsu() -> FederationName {
    FederationName::new("jiangsu").unwrap()
}

fn title(text: &str) -> Bilingual {
    Bilingual::new(text, text)
}

fn founders(numbers: &[u16], quorum: u32) -> Founders {
    let mut keys: Vec<_> = numbers.iter().map(|it| Founder { title: title("创始"), key: key(*it).public() }).collect();
    keys.sort_by_key(|it| it.key);
    Founders { keys, quorum }
}

/// Founders 1, 2 and 3; two of them must sign.
fn founding() -> Genesis {
    Genesis {
        format: Format::Genesis,
        version: VERSION,
        federation: jiangsu(),
        title: title("江苏"),
        suite: Suite::default(),
        founded_at: at(0),
        founders: founders(&[1, 2, 3], 2),
        travel: Travel::Direct,
        view_hours_max: 24,
    }
}

fn pin_of(number: u16) -> signing::Pin {
    signing::Pin(Digest::of(&number.to_be_bytes()))
}

fn id(number: u16) -> OrganisationId {
    OrganisationId::new(format!("org-{number}")).unwrap()
}

/// The keys of organisation `number` in its `turn`.
fn keys(number: u16, turn: u16) -> Keys {
    let base = number * 100 + turn * 10;
    Keys {
        messages: vec![key(base).public()],
        tls: vec![pin_of(base)],
        log: LogKey {
            origin: Origin { federation: jiangsu(), organisation: id(number), epoch: u32::from(turn) + 1 },
            key: key(base + 1).public(),
        },
    }
}

fn organisation(number: u16) -> Organisation {
    Organisation {
        id: id(number),
        title: title("南京市工业和信息化局"),
        uscc: Some("11320100MB1234567X".into()),
        division: "320100".into(),
        level: Level::City,
        superior: None,
        roles: [MemberRole::Department].into(),
        host: format!("org-{number}.nj.yunhe.internal"),
        addresses: vec!["[::1]:8443".into(), "node.example:443".into()],
        keys: keys(number, 0),
    }
}

fn join(number: u16) -> Change {
    Change::Join { organisation: Box::new(organisation(number)) }
}

fn expel(number: u16) -> Change {
    Change::Expel { id: id(number), reason: title("日志分叉"), evidence: Some(Digest::of(b"fork")) }
}

fn rotate(number: u16, keys: Keys, emergency: bool) -> Change {
    Change::Rotate { id: id(number), keys: Box::new(keys), emergency }
}

fn body(view: &View, change: Change) -> EntryBody {
    EntryBody {
        format: Format::Entry,
        version: VERSION,
        federation: jiangsu(),
        number: view.number() + 1,
        previous: view.head(),
        at: at(i64::from(view.number()) + 1),
        change,
    }
}

fn signed(body: EntryBody, by: &[u16]) -> Entry {
    let signatures = by.iter().map(|it| body.sign(&key(*it)).unwrap()).collect();
    Entry::new(body, signatures)
}

fn after(view: &View, change: Change) -> Result<View, Problem> {
    decide::apply(view, &signed(body(view, change), &[1, 3]))
}

fn code<T: std::fmt::Debug>(result: Result<T, Problem>) -> String {
    result.unwrap_err().code.into_owned()
}

fn empty() -> View {
    View::new(founding()).unwrap()
}

/// Founders and members of both suites stand side by side; each signature is judged by the suite of its key.
#[test]
fn suites_stand_side_by_side() {
    let sm = |number: u8| SigningKey::from_seed(Suite::Sm2Sm3, &[number; 32]);
    let mut genesis = founding();
    let third = genesis.founders.keys.len() - 1;
    genesis.founders.keys[third].key = sm(3).public();
    genesis.founders.keys.sort_by_key(|it| it.key);
    let view = View::new(genesis.clone()).unwrap();
    genesis.suite = Suite::Sm2Sm3;
    assert_eq!(code(View::new(genesis)), "federation.genesis");

    let mut joining = join(7);
    let Change::Join { organisation } = &mut joining else { unreachable!() };
    organisation.keys.messages = vec![sm(7).public()];
    let mut with_such_a_log = organisation.clone();
    with_such_a_log.keys.log.key = sm(8).public();
    let refused = decide::check_body(&view, &body(&view, Change::Join { organisation: with_such_a_log }));
    assert_eq!(code(refused), "federation.organisation");
    let mine = body(&view, joining);
    let by_ed25519 = view.founders().keys.iter().map(|it| it.key);
    let by_ed25519 = (1..9).map(key).find(|it| by_ed25519.clone().any(|key| key == it.public())).unwrap();
    let signatures = vec![mine.sign(&by_ed25519).unwrap(), mine.sign(&sm(3)).unwrap()];
    let entry = Entry::new(mine, signatures);
    let joined = decide::apply(&view, &Entry::from_bytes(&entry.to_bytes().unwrap()).unwrap()).unwrap();
    let member = joined.by_message_key(&sm(7).public()).unwrap();
    assert_eq!(
        member.log_keys().unwrap().iter().map(|it| it.key()).collect::<Vec<_>>(),
        [member.organisation.keys.log.key, sm(7).public()]
    );
    for at in 0..2 {
        let mut renamed = entry.clone();
        let suite = &mut renamed.signatures[at].suite;
        *suite = if *suite == Suite::Sm2Sm3 { Suite::default() } else { Suite::Sm2Sm3 };
        assert_eq!(code(decide::apply(&view, &renamed)), "federation.signature");
    }
}

#[test]
fn a_member_is_found_by_name_key_and_pin_until_it_is_expelled() {
    let view = after(&empty(), join(7)).unwrap();
    let facts = view.member(&id(7)).unwrap().organisation.facts();
    assert_eq!((facts.division.as_str(), facts.level), ("320100", Level::City));
    assert_eq!(view.by_tls_pin(&pin_of(700)).unwrap().organisation.id, id(7));
    let (found, member) = view.by_key_id(&key(700).public().to_string()).unwrap();
    assert_eq!((found, &member.organisation.id), (key(700).public(), &id(7)));
    assert_eq!(view.tls_pins().collect::<Vec<_>>(), [pin_of(700)]);
    let gone = after(&view, expel(7)).unwrap();
    for problem in [
        gone.member(&id(7)).unwrap_err(),
        gone.by_tls_pin(&pin_of(700)).unwrap_err(),
        gone.by_message_key(&key(700).public()).unwrap_err(),
        gone.by_key_id("nonsense").unwrap_err(),
    ] {
        assert_eq!((problem.code.as_ref(), problem.kind.status()), ("peer.not_member", 403));
    }
    // Whoever it shows itself by, it hears of the expulsion; a stranger hears that it is no member.
    for problem in [
        gone.member(&id(7)).unwrap_err(),
        gone.by_tls_pin(&pin_of(700)).unwrap_err(),
        gone.by_message_key(&key(700).public()).unwrap_err(),
    ] {
        let Expelled { at, reason, .. } = gone.expelled().next().unwrap();
        assert!(problem.detail.en.starts_with(&format!("{} was expelled", id(7))), "{}", problem.detail.en);
        assert!(problem.detail.en.contains(&reason.en) && problem.detail.zh.contains(&reason.zh));
        assert_eq!(problem.more["expelled_at"], at.to_string());
    }
    for problem in [gone.by_tls_pin(&pin_of(701)).unwrap_err(), gone.by_key_id("nonsense").unwrap_err()] {
        assert!(problem.detail.en.contains("is not a member") && problem.more.is_empty(), "{}", problem.detail.en);
    }
    assert_eq!(gone.tls_pins().count(), 0);
    assert_eq!(gone.expelled().count(), 1);
    // What it signed as a member still verifies.
    assert_eq!(gone.signer_at(&key(700).public(), at(1)).unwrap().organisation.id, id(7));
    assert_eq!(code(gone.signer_at(&key(700).public(), at(2))), "peer.not_member");
    assert_eq!(code(gone.signer_at(&key(700).public(), at(0))), "peer.not_member");
}

#[test]
fn an_expulsion_is_of_a_member_and_says_why_in_both_languages() {
    let view = after(&empty(), join(7)).unwrap();
    let expelled = |reason| after(&view, Change::Expel { id: id(7), reason, evidence: None });
    for reason in [Bilingual::new(" ", "a fork"), Bilingual::new("日志分叉", "")] {
        let problem = expelled(reason).unwrap_err();
        assert_eq!(
            (&*problem.code, problem.field.as_deref()),
            ("federation.organisation", Some("/change/organisation/reason"))
        );
    }
    expelled(title("日志分叉")).unwrap();
    assert_eq!(code(after(&view, expel(8))), "peer.not_member");
}

#[test]
fn keys_overlap_while_they_rotate_and_never_come_back() {
    let joined = after(&empty(), join(7)).unwrap();
    let (old, new) = (keys(7, 0), keys(7, 1));
    let both = Keys {
        messages: vec![new.messages[0], old.messages[0]],
        tls: vec![new.tls[0], old.tls[0]],
        log: old.log.clone(),
    };
    assert_eq!(code(after(&joined, rotate(7, new.clone(), false))), "federation.overlap");
    let overlapping = after(&joined, rotate(7, both.clone(), false)).unwrap();
    for key in &both.messages {
        overlapping.by_message_key(key).unwrap();
    }
    let rotated = after(&overlapping, rotate(7, new.clone(), false)).unwrap();
    assert_eq!(code(rotated.by_message_key(&old.messages[0])), "peer.not_member");
    assert_eq!(rotated.signer_at(&old.messages[0], at(2)).unwrap().organisation.id, id(7));
    assert_eq!(code(rotated.signer_at(&new.messages[0], at(1))), "peer.not_member", "not before it was known");
    assert_eq!(rotated.member(&id(7)).unwrap().former_logs.len(), 1);
    assert_eq!(code(after(&rotated, rotate(7, both, false))), "federation.overlap");
    // Stolen keys: nothing of the old stays.
    assert_eq!(code(after(&rotated, rotate(7, new, true))), "federation.overlap");
    after(&rotated, rotate(7, keys(7, 2), true)).unwrap();
}

/// Of each sort of key, in each sort of rotation: what must stay, what must go, and when the log may be another.
#[test]
fn each_sort_of_key_rotates_by_itself() {
    let joined = after(&empty(), join(7)).unwrap();
    let (old, new) = (keys(7, 0), keys(7, 1));
    let both = |one: &Keys, other: &Keys| Keys {
        messages: [&one.messages[..], &other.messages].concat(),
        tls: [&one.tls[..], &other.tls].concat(),
        log: one.log.clone(),
    };
    let overlapping = both(&old, &new);
    let log = |epoch, key: &LogKey| LogKey { origin: Origin { epoch, ..old.log.origin.clone() }, key: key.key };
    for (changed, emergency, fits) in [
        (overlapping.clone(), false, true),
        (Keys { messages: new.messages.clone(), ..overlapping.clone() }, false, false),
        (Keys { tls: new.tls.clone(), ..overlapping.clone() }, false, false),
        (new.clone(), true, true),
        (Keys { messages: old.messages.clone(), ..new.clone() }, true, false),
        (Keys { tls: old.tls.clone(), ..new.clone() }, true, false),
        (Keys { log: log(2, &new.log), ..overlapping.clone() }, false, true),
        (Keys { log: log(2, &old.log), ..overlapping.clone() }, false, true),
        (Keys { log: log(1, &new.log), ..overlapping.clone() }, false, false),
        (Keys { log: log(0, &new.log), ..overlapping.clone() }, false, false),
    ] {
        let result = after(&joined, rotate(7, changed.clone(), emergency));
        assert_eq!(result.err().map(|it| it.code.into_owned()), (!fits).then(|| "federation.overlap".to_owned()));
    }
    // What was given up does not come back, beside keys that stay.
    let moved = after(&after(&joined, rotate(7, overlapping, false)).unwrap(), rotate(7, new.clone(), false)).unwrap();
    let returning = both(&new, &old);
    for changed in [
        Keys { tls: new.tls.clone(), ..returning.clone() },
        Keys { messages: new.messages.clone(), ..returning },
        Keys { log: log(3, &old.log), ..new.clone() },
    ] {
        assert_eq!(code(after(&moved, rotate(7, changed, false))), "federation.overlap");
    }
    let member = moved.member(&id(7)).unwrap();
    assert_eq!(member.former_messages, [(old.messages[0], at(3))]);
    assert_eq!(member.former_logs, [(old.log, at(3))]);
}

#[test]
fn nobody_gets_the_key_or_the_host_of_another_not_even_of_one_that_has_gone() {
    let joined = after(&empty(), join(7)).unwrap();
    let gone = after(&joined, expel(7)).unwrap();
    for view in [&joined, &gone] {
        let mut thief = organisation(8);
        thief.keys.messages = organisation(7).keys.messages;
        assert_eq!(code(after(view, Change::Join { organisation: Box::new(thief) })), "federation.key_taken");
        let mut thief = organisation(8);
        thief.keys.tls = organisation(7).keys.tls;
        assert_eq!(code(after(view, Change::Join { organisation: Box::new(thief) })), "federation.key_taken");
        let mut thief = organisation(8);
        thief.keys.messages.push(organisation(7).keys.log.key);
        assert_eq!(code(after(view, Change::Join { organisation: Box::new(thief) })), "federation.key_taken");
    }
    let mut same_host = organisation(8);
    same_host.host = organisation(7).host;
    assert_eq!(code(after(&joined, Change::Join { organisation: Box::new(same_host) })), "federation.key_taken");
    assert_eq!(code(after(&joined, join(7))), "federation.member");
    assert_eq!(code(after(&gone, join(7))), "federation.overlap");
    let mut back = organisation(7);
    back.keys = keys(7, 1);
    let again = after(&gone, Change::Join { organisation: Box::new(back.clone()) }).unwrap();
    again.member(&id(7)).unwrap();
    // One old part is enough to keep it out.
    type Spoil = fn(&mut Keys, Keys);
    let spoils: [Spoil; 4] = [
        |it, old| it.messages.extend(old.messages),
        |it, old| it.tls.extend(old.tls),
        |it, old| it.log.key = old.log.key,
        |it, old| it.log.origin.epoch = old.log.origin.epoch,
    ];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let mut back = back.clone();
        spoil(&mut back.keys, keys(7, 0));
        assert_eq!(code(after(&gone, Change::Join { organisation: Box::new(back) })), "federation.overlap", "{number}");
    }
    assert_eq!(again.signer_at(&key(700).public(), at(1)).unwrap().since, at(1));
}

#[test]
fn an_organisation_is_as_its_schema_says() {
    type Spoil = fn(&mut Organisation);
    let spoils: [(&str, Spoil); 31] = [
        ("title", |it| it.title.zh = " ".into()),
        ("title", |it| it.title.zh = "市".repeat(201)),
        ("title", |it| it.title.en = "a\u{0}".into()),
        ("division", |it| it.division = "3201".repeat(4)),
        ("division", |it| it.division = "32010a".into()),
        ("uscc", |it| it.uscc = Some("11320100MB123456IX".into())),
        ("uscc", |it| it.uscc = Some("11320100MB1234567".into())),
        ("uscc", |it| it.uscc = Some("11320100mb1234567X".into())),
        ("roles", |it| it.roles.clear()),
        ("host", |it| it.host = "10.0.0.1".into()),
        ("host", |it| it.host = "-a.b".into()),
        ("host", |it| it.host = "a-.b".into()),
        ("host", |it| it.host = "a..b".into()),
        ("host", |it| it.host = "a_b.c".into()),
        ("host", |it| it.host = format!("{}.b", "a".repeat(64))),
        ("host", |it| it.host = format!("{}bc", "a.".repeat(126))),
        ("addresses", |it| it.addresses.clear()),
        ("addresses", |it| it.addresses = vec!["node.example".into()]),
        ("addresses", |it| it.addresses = vec!["[::1]:0".into()]),
        ("addresses", |it| it.addresses = vec!["node.example:0".into()]),
        ("addresses", |it| it.addresses = vec!["node.example:65536".into()]),
        ("addresses", |it| it.addresses = vec!["Node.example:443".into()]),
        ("addresses", |it| it.addresses = vec!["node.example:443".into(); 9]),
        ("keys", |it| it.keys.messages.clear()),
        ("keys", |it| it.keys.messages.push(it.keys.log.key)),
        ("keys", |it| it.keys.messages.push(it.keys.messages[0])),
        ("keys", |it| it.keys.tls.push(it.keys.tls[0])),
        ("keys", |it| it.keys.tls.clear()),
        ("keys", |it| it.keys.messages.extend((0..8).map(|it| key(it).public()))),
        ("keys/log/origin", |it| it.keys.log.origin.organisation = id(9)),
        ("keys/log/origin", |it| it.keys.log.origin.federation = FederationName::new("zhejiang").unwrap()),
    ];
    for (field, spoil) in spoils {
        let mut organisation = organisation(7);
        spoil(&mut organisation);
        let problem = after(&empty(), Change::Join { organisation: Box::new(organisation) }).unwrap_err();
        assert_eq!(problem.code, "federation.organisation", "{field}");
        assert_eq!(problem.field, Some(format!("/change/organisation/{field}")));
    }
    let hosts = [format!("{}.b", "a".repeat(63)), format!("{}b", "a.".repeat(126))];
    for host in hosts {
        let longest = Organisation { host, addresses: vec!["10.0.0.1:65535".into(); 8], uscc: None, ..organisation(7) };
        after(&empty(), Change::Join { organisation: Box::new(longest) }).unwrap();
    }
}

#[test]
fn an_update_changes_all_but_keys() {
    let view = after(&empty(), join(7)).unwrap();
    let mut moved = organisation(7);
    (moved.host, moved.roles) = ("new.nj.yunhe.internal".into(), [MemberRole::Authority].into());
    let updated = after(&view, Change::Update { organisation: Box::new(moved.clone()) }).unwrap();
    assert_eq!(updated.member(&id(7)).unwrap().organisation, moved);
    moved.keys = keys(7, 1);
    assert_eq!(code(after(&view, Change::Update { organisation: Box::new(moved) })), "federation.overlap");
    let mut unknown = organisation(8);
    unknown.keys = keys(8, 0);
    assert_eq!(code(after(&view, Change::Update { organisation: Box::new(unknown) })), "peer.not_member");
}

#[test]
fn an_entry_continues_the_log_or_is_refused() {
    let view = after(&empty(), join(7)).unwrap();
    type Spoil = fn(&mut EntryBody);
    let spoils: [Spoil; 7] = [
        |it| it.format = Format::Genesis,
        |it| it.number = 1,
        |it| it.number = 3,
        |it| it.previous = Digest::of(b"other"),
        |it| it.at = at(0),
        |it| it.federation = FederationName::new("zhejiang").unwrap(),
        |it| it.version = 2,
    ];
    for spoil in spoils {
        let mut body = body(&view, join(8));
        spoil(&mut body);
        assert_eq!(code(decide::apply(&view, &signed(body, &[1, 2]))), "federation.order");
    }
}

/// An entry has one form: its signatures stand in the order of their keys.
#[test]
fn signatures_in_another_order_are_refused() {
    let view = empty();
    let mut entry = signed(body(&view, join(7)), &[1, 2, 3]);
    decide::apply(&view, &entry).unwrap();
    entry.signatures.swap(0, 2);
    assert_eq!(code(decide::apply(&view, &entry)), "federation.signature");
}

/// One founder's signature twice is neither a quorum nor another way to write an entry.
#[test]
fn nobody_signs_twice() {
    let view = empty();
    for by in [&[1][..], &[1, 2]] {
        let mut entry = signed(body(&view, join(7)), by);
        entry.signatures.insert(0, entry.signatures[0].clone());
        assert_eq!(code(decide::apply(&view, &entry)), "federation.signature", "{by:?}");
    }
}

#[test]
fn a_federation_has_room_for_so_many() {
    let mut view = after(&empty(), join(7)).unwrap();
    let member = view.members[&id(7)].clone();
    let more = (100..).map(id).take(decide::MEMBERS_MAX - 1);
    view.members.extend(more.map(|it| (it, member.clone())));
    assert_eq!(code(after(&view, join(8))), "federation.full");
    view.members.remove(&id(100));
    after(&view, join(8)).unwrap();
}

#[test]
fn founders_change_by_the_old_ones() {
    let view = after(&empty(), Change::Founders { founders: founders(&[4, 5], 1) }).unwrap();
    assert_eq!(code(decide::apply(&view, &signed(body(&view, join(7)), &[1, 2]))), "federation.signature");
    decide::apply(&view, &signed(body(&view, join(7)), &[5])).unwrap();
    for bad in [founders(&[], 0), founders(&[1, 2], 3), founders(&[1, 2], 0), founders(&[1, 1], 1)] {
        assert_eq!(code(after(&empty(), Change::Founders { founders: bad.clone() })), "federation.genesis");
        assert_eq!(code(View::new(Genesis { founders: bad, ..founding() })), "federation.genesis");
    }
}

#[test]
fn a_federation_is_founded_whole() {
    type Spoil = fn(&mut Genesis);
    let spoils: [Spoil; 9] = [
        |it| it.format = Format::Entry,
        |it| it.version = 2,
        |it| it.view_hours_max = 0,
        |it| it.view_hours_max = 7 * 24 + 1,
        |it| it.title.zh.clear(),
        |it| it.title.en = "a\nb".into(),
        |it| it.founders.keys[1].title.zh = "创".repeat(201),
        |it| it.founders.keys[1].title.en = " ".into(),
        |it| it.founders.keys.swap(0, 1),
    ];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let mut genesis = founding();
        spoil(&mut genesis);
        assert_eq!(code(View::new(genesis)), "federation.genesis", "{number}");
    }
    let numbers: Vec<u16> = (1..=33).collect();
    assert_eq!(code(View::new(Genesis { founders: founders(&numbers, 2), ..founding() })), "federation.genesis");
    let many = founders(&numbers[..32], 32);
    View::new(Genesis { founders: many, view_hours_max: 7 * 24, title: title(&"江".repeat(200)), ..founding() })
        .unwrap();
}

#[test]
fn an_old_view_says_its_age_and_is_not_acted_on() {
    let view = empty().confirmed(at(100));
    assert_eq!(view.age_seconds(at(160)), 60);
    view.fresh(at(100 + 24 * 3600)).unwrap();
    let problem = view.fresh(at(101 + 24 * 3600)).unwrap_err();
    assert_eq!((problem.code.as_ref(), problem.kind.status()), ("federation.stale", 503));
    assert_eq!(problem.more["age_seconds"], 24 * 3600 + 1);
    assert_eq!(view.confirmed(at(50)).confirmed_at(), at(100), "never backwards");
}

#[test]
fn documents_have_schemas_and_read_back() {
    for (name, schema) in schemas() {
        assert!(schema.to_value()["properties"].is_object(), "{name}");
    }
    let genesis = founding();
    assert_eq!(Genesis::from_bytes(&genesis.to_bytes().unwrap()).unwrap(), genesis);
    let pretty = serde_json::to_vec_pretty(&genesis).unwrap();
    assert_eq!(code(Genesis::from_bytes(&pretty)), "federation.format");
    assert_eq!(code(Entry::from_bytes(&[b' '; DOCUMENT_BYTES_MAX + 1])), "federation.format");
}

/// The bytes of this format, frozen in `vectors/`: whoever changes them breaks every log that exists. Founder n's seed
/// is n as two bytes, high first, and then thirty times 03.
#[test]
fn the_bytes_of_the_format_are_frozen() {
    let view = empty();
    let entry = signed(body(&view, join(7)), &[1, 2]);
    assert_eq!(text(founding().to_bytes()), include_str!("../vectors/genesis.json"));
    assert_eq!(text(entry.to_bytes()), include_str!("../vectors/entry.json"));
    let digest = "ed25519-sha256:67d3ace1c06c340785b264f8cdac3e3ef17fbc65fb5f363f4d8f4409881a7f8c";
    assert_eq!(view.head().to_string(), digest);
    let digest = "ed25519-sha256:bed55c2592d6258c2bd4f795a6975c4f88babaf8cf238fa2def4573fd4b112dd";
    assert_eq!(entry.body.digest().unwrap().to_string(), digest);
}

fn text(bytes: Result<Vec<u8>, Problem>) -> String {
    String::from_utf8(bytes.unwrap()).unwrap()
}

fn any_change() -> impl Strategy<Value = Change> {
    let number = 7_u16..11;
    prop_oneof![
        number.clone().prop_map(join),
        number.clone().prop_map(expel),
        (number, 0_u16..3, any::<bool>()).prop_map(|(number, turn, emergency)| rotate(
            number,
            keys(number, turn),
            emergency
        )),
        Just(Change::Founders { founders: founders(&[1, 2, 3], 2) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Without the signatures of two founders nothing changes a view, whatever is tried in whatever order.
    #[test]
    fn only_a_quorum_changes_a_view(
        tries in prop::collection::vec((any_change(), prop::collection::vec(1_u16..6, 0..4)), 1..12),
    ) {
        let mut view = empty();
        for (change, by) in tries {
            let entry = signed(body(&view, change), &by);
            let quorum = by.iter().collect::<std::collections::BTreeSet<_>>();
            let of_founders = quorum.iter().all(|it| **it <= 3) && quorum.len() >= 2;
            if let Ok(next) = decide::apply(&view, &entry) {
                prop_assert!(of_founders);
                prop_assert_ne!(next.head(), view.head());
                view = next;
            }
        }
    }

    /// A log replays to the view that its entries made one by one; indexes and members agree; no key has two owners.
    #[test]
    fn replay_gives_the_same_view(changes in prop::collection::vec(any_change(), 0..16)) {
        let mut view = empty();
        let mut log = Vec::new();
        for change in changes {
            let entry = signed(body(&view, change), &[2, 3]);
            if let Ok(next) = decide::apply(&view, &entry) {
                view = next;
                log.push(Entry::from_bytes(&entry.to_bytes().unwrap()).unwrap());
            }
        }
        prop_assert_eq!(&decide::replay(founding(), &log).unwrap(), &view);
        let mut keys: Vec<PublicKey> = Vec::new();
        for member in view.members() {
            for key in &member.organisation.keys.messages {
                prop_assert_eq!(&view.by_message_key(key).unwrap().organisation.id, &member.organisation.id);
                prop_assert!(!keys.contains(key));
                keys.push(*key);
            }
            for pin in &member.organisation.keys.tls {
                prop_assert_eq!(&view.by_tls_pin(pin).unwrap().organisation.id, &member.organisation.id);
            }
        }
        let pins: usize = view.members().map(|it| it.organisation.keys.tls.len()).sum();
        prop_assert_eq!(view.tls_pins().count(), pins);
        // A log with one entry left out, or two swapped, does not replay.
        if log.len() > 1 {
            prop_assert!(decide::replay(founding(), log.iter().skip(1)).is_err());
            log.swap(0, 1);
            prop_assert!(decide::replay(founding(), &log).is_err());
        }
    }
}

/// Every byte of an entry, flipped in turn: it cannot be read, or it is refused.
#[test]
fn every_flipped_byte_of_an_entry_is_refused() {
    let view = empty();
    let bytes = signed(body(&view, join(7)), &[1, 2, 3]).to_bytes().unwrap();
    decide::apply(&view, &Entry::from_bytes(&bytes).unwrap()).unwrap();
    for at in 0..bytes.len() {
        for bit in [0, 3, 5] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let result = Entry::from_bytes(&flipped).and_then(|it| decide::apply(&view, &it));
            assert!(result.is_err(), "byte {at} bit {bit}: {}", String::from_utf8_lossy(&flipped));
        }
    }
}

async fn stores() -> (Vec<Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let mut stores = vec![Store::open(&format!("sqlite:{}", path.display()), "t").await.unwrap()];
    if let Ok(url) = std::env::var("YUNHE_TEST_POSTGRES") {
        let schema = format!("federation_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        stores.push(Store::open(&url, &schema).await.unwrap());
    }
    let origin = Origin { federation: jiangsu(), organisation: id(1), epoch: 1 };
    for store in &stores {
        evidence::migrate(store).await.unwrap();
        migrate(store).await.unwrap();
        transact!(store, None, |tx| evidence::open(tx, &origin, SALT, at(0)).await).unwrap();
    }
    (stores, folder)
}

fn permit<A: Ask>(ask: A) -> Permit<A> {
    let principal = Principal::job(id(1), "federation", [Role::SystemAdministrator]);
    policy::decide(&Facts { organisation: id(1), principal, now: at(0), agreement: None }, ask).unwrap()
}

async fn pinned(store: &Store) -> Result<u32, Problem> {
    let genesis = founding();
    let permit = permit(Pin { digest: genesis.digest().unwrap(), genesis });
    transact!(store, None, |tx| pin(tx, &permit, at(0)).await.map(|it| it.number()))
}

async fn adopted(store: &Store, entries: Vec<Entry>) -> Result<u32, Problem> {
    let permit = permit(Adopt { federation: jiangsu(), entries, salt: SALT });
    transact!(store, None, |tx| adopt(tx, &permit, at(9)).await.map(|it| it.number()))
}

async fn viewed(store: &Store) -> View {
    view(&mut store.read().await.unwrap(), &jiangsu()).await.unwrap()
}

#[tokio::test]
async fn a_stranger_may_do_none_of_this() {
    let principal = Principal::job(id(1), "stranger", [Role::DataSteward]);
    let facts = Facts { organisation: id(1), principal, now: at(0), agreement: None };
    let genesis = founding();
    let asked = policy::decide(&facts, Pin { digest: genesis.digest().unwrap(), genesis });
    assert_eq!(asked.unwrap_err().code, "policy.role");
    let asked = policy::decide(&facts, Adopt { federation: jiangsu(), entries: vec![], salt: SALT });
    assert_eq!(asked.unwrap_err().code, "policy.role");
}

#[tokio::test]
async fn every_statement_prepares() {
    let (stores, _folder) = stores().await;
    for store in stores {
        for (sql, parameters) in STATEMENTS {
            let run: Result<(), Problem> =
                transact!(store, None, |tx| tx.rows(explained(sql, *parameters), args![]).await.map(|_| ()));
            run.unwrap_or_else(|it| panic!("{sql}: {it}"));
        }
    }
}

/// The statement with its parameters as nulls, so that it plans and changes nothing.
fn explained(sql: &str, parameters: usize) -> ::store::Statement {
    let text = (1..=parameters).rev().fold(sql.to_owned(), |text, it| text.replace(&format!("${it}"), "NULL"));
    ::store::Statement::built(format!("EXPLAIN {text}"))
}

#[tokio::test]
async fn a_log_is_adopted_once_with_its_leaves_and_read_by_others() {
    let (stores, _folder) = stores().await;
    for store in stores {
        assert_eq!(adopted(&store, vec![]).await.unwrap_err().code, "federation.unknown");
        assert_eq!(pinned(&store).await.unwrap(), 0);
        assert_eq!(pinned(&store).await.unwrap(), 0, "safe to repeat");
        let other = Genesis { view_hours_max: 23, ..founding() };
        let wrong = permit(Pin { digest: other.digest().unwrap(), genesis: other.clone() });
        let result: Result<u32, _> = transact!(store, None, |tx| pin(tx, &wrong, at(0)).await.map(|it| it.number()));
        assert_eq!(result.unwrap_err().code, "federation.pinned");
        let lied = permit(Pin { digest: Digest::of(b"lie"), genesis: other });
        let result: Result<u32, _> = transact!(store, None, |tx| pin(tx, &lied, at(0)).await.map(|it| it.number()));
        assert_eq!(result.unwrap_err().code, "federation.pinned");

        let first = signed(body(&empty(), join(7)), &[1, 2]);
        let one = decide::apply(&empty(), &first).unwrap();
        let second = signed(body(&one, join(8)), &[2, 3]);
        let two = decide::apply(&one, &second).unwrap();
        assert_eq!(adopted(&store, vec![second.clone()]).await.unwrap_err().code, "federation.order");
        assert_eq!(adopted(&store, vec![first.clone(), second.clone()]).await.unwrap(), 2);
        assert_eq!(adopted(&store, vec![first.clone(), second.clone()]).await.unwrap(), 2, "safe to repeat");
        let fork = signed(body(&empty(), join(9)), &[1, 3]);
        assert_eq!(adopted(&store, vec![fork]).await.unwrap_err().code, "federation.fork");
        assert_eq!(viewed(&store).await, two);
        let mut reader = store.read().await.unwrap();
        assert_eq!(advance(&mut reader, one).await.unwrap(), two);
        let page = entries(&mut reader, &jiangsu(), 1, 10).await.unwrap();
        assert_eq!(page, [second]);
        assert_eq!(federations(&mut reader).await.unwrap(), [jiangsu()]);
        assert_eq!(genesis(&mut reader, &jiangsu()).await.unwrap(), founding());
        drop(reader);
        let sequenced = evidence::sequence(&store, &key(99), at(10)).await.unwrap();
        let leaves = evidence::leaves(&mut store.read().await.unwrap(), 0, 10).await.unwrap();
        assert_eq!(leaves.iter().filter(|it| it.kind == LEAF).count(), 2, "{sequenced:?}");
    }
}

#[tokio::test]
async fn a_proposal_is_adopted_when_the_quorum_has_signed() {
    let (stores, _folder) = stores().await;
    for store in stores {
        pinned(&store).await.unwrap();
        let body = body(&empty(), join(7));
        let proposal = body.digest().unwrap();
        let asked = permit(Propose { body: body.clone() });
        for _ in 0..2 {
            let given: Digest = transact!(store, None, |tx| propose(tx, &asked, at(1)).await).unwrap();
            assert_eq!(given, proposal);
        }
        let endorsed = async |by: u16| {
            let signature = body.sign(&key(by)).unwrap();
            let ask = permit(Endorse { federation: jiangsu(), proposal, signature, salt: SALT });
            let result: Result<Option<Entry>, Problem> = transact!(store, None, |tx| endorse(tx, &ask, at(2)).await);
            result
        };
        assert_eq!(endorsed(4).await.unwrap_err().code, "federation.signature");
        assert_eq!(endorsed(1).await.unwrap(), None);
        assert_eq!(endorsed(1).await.unwrap(), None, "once counts once");
        let waiting = proposals(&mut store.read().await.unwrap(), &jiangsu()).await.unwrap();
        assert_eq!(waiting.iter().map(|it| (it.digest, it.missing)).collect::<Vec<_>>(), [(proposal, 1)]);
        let entry = endorsed(3).await.unwrap().unwrap();
        assert_eq!(entry, signed(body.clone(), &[1, 3]));
        assert_eq!(viewed(&store).await.number(), 1);
        assert_eq!(endorsed(2).await.unwrap_err().code, "federation.proposal");
        assert!(proposals(&mut store.read().await.unwrap(), &jiangsu()).await.unwrap().is_empty());
        let stale = permit(Propose { body: body.clone() });
        let result: Result<Digest, Problem> = transact!(store, None, |tx| propose(tx, &stale, at(3)).await);
        assert_eq!(result.unwrap_err().code, "federation.order");
    }
}

#[tokio::test]
async fn a_view_is_confirmed_by_its_head() {
    let (stores, _folder) = stores().await;
    for store in stores {
        pinned(&store).await.unwrap();
        let head = empty().head();
        let confirmed = async |head: Digest, told: i64, now: i64| {
            let ask = permit(Confirm { federation: jiangsu(), head, at: at(told) });
            let result: Result<i64, Problem> =
                transact!(store, None, |tx| confirm(tx, &ask, at(now)).await.map(|it| it.age_seconds(at(1000))));
            result
        };
        assert_eq!(confirmed(head, 400, 400).await.unwrap(), 600);
        assert_eq!(confirmed(head, 300, 400).await.unwrap(), 600, "never backwards");
        assert_eq!(confirmed(head, 700, 500).await.unwrap(), 500, "not ahead of our clock");
        assert_eq!(confirmed(Digest::of(b"other"), 600, 600).await.unwrap_err().code, "federation.behind");
        assert_eq!(confirmed(head, 2000, 600).await.unwrap_err().code, "peer.clock");
        assert_eq!(viewed(&store).await.confirmed_at(), at(500));
    }
}

/// A tree of `superiors` over organisations 1 to n: each names one of those before it, or none.
fn levels(superiors: &[Option<prop::sample::Index>]) -> View {
    let mut view = View::new(founding()).unwrap();
    for (number, superior) in (1_u16..).zip(superiors) {
        let above =
            superior.filter(|_| number > 1).map(|it| id(u16::try_from(it.index(usize::from(number) - 1)).unwrap() + 1));
        let organisation =
            Organisation { superior: above, roles: [MemberRole::Authority].into(), ..organisation(number) };
        // Past the bound on levels it stands at the top.
        let join = |superior: Option<OrganisationId>| Change::Join {
            organisation: Box::new(Organisation { superior, ..organisation.clone() }),
        };
        view = after(&view, join(organisation.superior.clone())).or_else(|_| after(&view, join(None))).unwrap();
    }
    view
}

/// Who is above, by walking alone.
fn above(view: &View, id: &OrganisationId) -> Vec<OrganisationId> {
    let mut line = vec![id.clone()];
    while let Some(next) = view.superior(line.last().unwrap()) {
        line.push(next.clone());
    }
    line
}

proptest! {
    /// Lines end; a way is simple, climbs and descends from neighbour to neighbour, meets at the lowest whom both are
    /// under, and is the same backwards.
    #[test]
    fn a_way_goes_up_and_down(superiors in prop::collection::vec(any::<Option<prop::sample::Index>>(), 2..14),
                              from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        let view = levels(&superiors);
        let all: Vec<OrganisationId> = view.members().map(|it| it.organisation.id.clone()).collect();
        let (consumer, provider) = (from.get(&all), to.get(&all));
        prop_assume!(consumer != provider);
        let (up, down) = (above(&view, consumer), above(&view, provider));
        prop_assert!(up.len() <= LEVELS_MAX && down.len() <= LEVELS_MAX);
        let way = view.way(consumer, provider);
        let back: Vec<_> = view.way(provider, consumer).into_iter().rev().collect();
        prop_assert_eq!(&way, &back);
        if up.len() == 1 && down.len() == 1 {
            prop_assert!(way.is_empty());
            return Ok(());
        }
        let mut passage = vec![consumer.clone()];
        passage.extend(way.iter().filter(|it| *it != consumer && *it != provider).cloned());
        passage.push(provider.clone());
        let mut seen = std::collections::BTreeSet::new();
        prop_assert!(passage.iter().all(|it| seen.insert(it.clone())), "{:?}", passage);
        let neighbours = |one: &OrganisationId, other: &OrganisationId| {
            let tops = view.superior(one).is_none() && view.superior(other).is_none();
            view.superior(one) == Some(other) || view.superior(other) == Some(one) || tops
        };
        prop_assert!(passage.windows(2).all(|it| neighbours(&it[0], &it[1])), "{:?}", passage);
        let meeting = up.iter().find(|it| down.contains(it));
        match meeting {
            Some(top) => prop_assert!(passage.contains(top) && passage.len() < up.len() + down.len()),
            None => prop_assert_eq!(passage.len(), up.len() + down.len()),
        }
        if let Some(top) = meeting {
            let tops = passage.iter().filter(|it| up.contains(it) && down.contains(it)).collect::<Vec<_>>();
            prop_assert_eq!(tops, vec![top]);
        }
    }
}

#[test]
fn a_superior_is_an_authority_above_and_never_below() {
    let authority = |number: u16, level, superior: Option<u16>| Organisation {
        level,
        superior: superior.map(id),
        roles: [MemberRole::Authority].into(),
        ..organisation(number)
    };
    let joined =
        |view: &View, organisation: Organisation| after(view, Change::Join { organisation: Box::new(organisation) });
    let updated = |view: &View, superior| {
        let organisation = Organisation { superior, ..view.member(&id(1)).unwrap().organisation.clone() };
        after(view, Change::Update { organisation: Box::new(organisation) })
    };
    let code = |done: Result<View, Problem>| done.unwrap_err().code.into_owned();
    let view = joined(&View::new(founding()).unwrap(), authority(1, Level::Province, None)).unwrap();
    let view = joined(&view, authority(2, Level::City, Some(1))).unwrap();
    let view = after(&view, join(3)).unwrap();
    // A department, a stranger, a lower level, oneself, one's own subordinate.
    for superior in [3, 9] {
        assert_eq!(code(joined(&view, authority(4, Level::City, Some(superior)))), "federation.organisation");
    }
    assert_eq!(code(joined(&view, authority(4, Level::Nation, Some(1)))), "federation.organisation");
    for superior in [1, 2] {
        assert_eq!(code(updated(&view, Some(id(superior)))), "federation.organisation");
    }
    // Whoever is expelled is nobody's superior any more.
    assert_eq!(view.superior(&id(2)), Some(&id(1)));
    assert_eq!(view.subordinates(&id(1)).count(), 1);
    let view = after(&view, expel(1)).unwrap();
    assert_eq!((view.superior(&id(2)), view.is_under(&id(2), &id(1))), (None, false));
}

#[test]
fn a_card_without_a_superior_is_written_as_before_there_were_levels() {
    let text = String::from_utf8(vocabulary::canonical_bytes(&organisation(1)).unwrap()).unwrap();
    assert!(!text.contains("superior"), "{text}");
}
