use super::{
    check::{Finding, Severity, examine},
    facts::{Facts, OrganisationFacts},
    machine::{Machine, Place},
};
use std::collections::BTreeMap;
use vocabulary::{Kind, Problem, Timestamp};

fn sound() -> Facts {
    let settings = [("fsync", "on"), ("full_page_writes", "on"), ("encoding", "UTF8"), ("max_connections", "100")];
    let now: Timestamp = "2026-11-24T02:00:00Z".parse().unwrap();
    let one = OrganisationFacts {
        id: "js-scjg".to_owned(),
        keys: BTreeMap::from([("log.pem".to_owned(), Some(0o600))]),
        database: Some(Ok(settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into())),
        view_hours: Some((1, 24)),
        log_announced: true,
        backup_at: Some(now),
        members: BTreeMap::from([("js-data".to_owned(), Ok(20))]),
        ..OrganisationFacts::default()
    };
    Facts {
        now,
        machine: Machine {
            architecture: "x86_64".to_owned(),
            kernel: "6.1".to_owned(),
            processors: 2,
            memory_bytes: 8 << 30,
            open_files: 65_536,
        },
        place: Place { free_bytes: 50 << 30, total_bytes: 100 << 30, sync_micros: Some(900), why: String::new() },
        figures: Some(BTreeMap::new()),
        ports: vec![("127.0.0.1:8400".parse().unwrap(), None)],
        organisations: vec![one],
    }
}

/// What is found once something is wrong: check and severity.
fn found(spoil: impl FnOnce(&mut Facts)) -> Vec<(&'static str, Severity)> {
    let mut facts = sound();
    spoil(&mut facts);
    let findings = examine(&facts);
    let told = |it: &Finding| {
        let texts = [&it.fact.zh, &it.fact.en, &it.remedy.zh, &it.remedy.en];
        texts.iter().all(|it| !it.is_empty())
    };
    assert!(findings.iter().all(told), "{findings:?}");
    findings.iter().map(|it| (it.check, it.severity)).collect()
}

fn one(facts: &mut Facts) -> &mut OrganisationFacts {
    &mut facts.organisations[0]
}

fn set(facts: &mut Facts, name: &str, value: &str) {
    if let Some(Ok(settings)) = &mut one(facts).database {
        settings.insert(name.to_owned(), value.to_owned());
    }
}

fn key(facts: &mut Facts, mode: Option<u32>) {
    one(facts).keys.insert("tls.pem".to_owned(), mode);
}

fn figure(facts: &mut Facts, name: &str, value: f64) {
    facts.figures.as_mut().unwrap().insert(name.to_owned(), value);
}

#[test]
fn a_sound_machine_has_no_findings() {
    assert_eq!(found(|_| ()), []);
}

#[test]
fn each_thing_that_is_wrong_is_found_by_its_name_and_nothing_else_is() {
    use Severity::{Error, Note, Warning};
    let away = || Problem::new(Kind::Unavailable, "store.unavailable", "不可用", "away");
    type Case = (Box<dyn FnOnce(&mut Facts)>, &'static str, Severity);
    fn case(spoil: impl FnOnce(&mut Facts) + 'static, check: &'static str, severity: Severity) -> Case {
        (Box::new(spoil), check, severity)
    }
    let cases = vec![
        case(|it| it.machine.architecture = "loongarch64".into(), "machine.architecture", Warning),
        case(|it| it.machine.architecture = "aarch64".into(), "machine.architecture", Note),
        case(|it| it.machine.memory_bytes = 256 << 20, "machine.memory", Warning),
        case(|it| it.machine.open_files = 1_024, "machine.open_files", Warning),
        case(|it| it.place.free_bytes = 1 << 20, "disk.space", Error),
        case(|it| it.place.free_bytes = 5 << 30, "disk.space", Warning),
        case(|it| it.place.sync_micros = None, "disk.write", Error),
        case(|it| it.place.sync_micros = Some(90_000), "disk.sync", Warning),
        case(|it| it.figures = None, "node.stopped", Note),
        case(|it| it.ports[0].1 = Some("in use".into()), "node.port", Error),
        case(|it| key(it, None), "keys.missing", Error),
        case(|it| key(it, Some(0o604)), "keys.exposed", Error),
        case(|it| _ = one(it).keys.insert("pepper-1.key".into(), None), "keys.pepper", Warning),
        case(move |it| one(it).keys_problem = Some(away()), "keys.unusable", Error),
        case(move |it| one(it).database = Some(Err(away())), "database.away", Error),
        case(|it| set(it, "fsync", "off"), "database.durability", Error),
        case(|it| set(it, "full_page_writes", "off"), "database.durability", Error),
        case(|it| set(it, "encoding", "SQL_ASCII"), "database.encoding", Error),
        case(|it| set(it, "server_version_num", "120004"), "database.version", Warning),
        case(|it| set(it, "max_connections", "20"), "database.connections", Warning),
        case(|it| one(it).waiting = 10_001, "log.backlog", Warning),
        case(|it| one(it).waiting = 100_001, "log.backlog", Error),
        case(|it| one(it).unnumbered = 10_001, "feed.backlog", Warning),
        case(|it| one(it).untold = Some(3), "restore.reclaiming", Warning),
        case(|it| one(it).view_hours = None, "membership.none", Warning),
        case(|it| one(it).view_hours = Some((13, 24)), "membership.age", Warning),
        case(|it| one(it).view_hours = Some((25, 24)), "membership.age", Error),
        case(|it| one(it).log_announced = false, "membership.log", Error),
        case(|it| drop(one(it).members.insert("js-data".into(), Ok(-200_000))), "clock.offset", Warning),
        case(|it| drop(one(it).members.insert("js-data".into(), Ok(400_000))), "clock.offset", Error),
        case(move |it| drop(one(it).members.insert("js-data".into(), Err(away()))), "peer.silent", Warning),
        case(|it| one(it).backup_at = None, "backup.none", Warning),
        case(|it| one(it).backup_at = Some("2026-11-10T00:00:00Z".parse().unwrap()), "backup.age", Warning),
        case(|it| one(it).packs = vec!["pack.yaml:1".into()], "packs.finding", Warning),
        case(|it| figure(it, "yunhe_certificate_days{organisation=\"js-scjg\"}", 3.0), "certificate.expiry", Warning),
        case(|it| figure(it, "yunhe_certificate_days{organisation=\"js-scjg\"}", -1.0), "certificate.expiry", Error),
        case(|it| figure(it, "yunhe_job_failing{organisation=\"js-scjg\",job=\"pull\"}", 4.0), "job.failing", Warning),
    ];
    for (spoil, check, severity) in cases {
        assert_eq!(found(spoil), [(check, severity)], "{check}");
    }
}

/// Where most members agree with us, one whose clock is off is not our fault.
#[test]
fn one_member_whose_clock_is_off_is_outvoted() {
    let spoil = |it: &mut Facts| {
        one(it).members.insert("a".into(), Ok(10));
        one(it).members.insert("b".into(), Ok(900_000));
    };
    assert_eq!(found(spoil), []);
}
