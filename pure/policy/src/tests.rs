use crate::*;
use proptest::prelude::*;
use rule::{By, Filter};
use schema::{FieldName, FieldType, RecordType, Value, division::Zones};
use std::collections::BTreeMap;
use vocabulary::{Date, OperationName, OrganisationId, Timestamp};

const RECORD: &str = r#"
record: legal-person-operation
title: {zh: 法人经营与信用信息, en: Operation and credit of legal persons}
key: [uscc]
fields:
  uscc: {type: text, max: 18, title: {zh: 代码, en: Code}, grade: 一般/1}
  division: {type: division, title: {zh: 区划, en: Division}, grade: 一般/1}
  staff: {type: integer, optional: true, title: {zh: 人数, en: Staff}, grade: 一般/2}
  telephone: {type: text, max: 20, personal: true, optional: true, title: {zh: 电话, en: Telephone}, grade: 一般/3}
"#;

const OFFER: &str = r"
offer: legal-person-operation
of: legal-person-operation
share: conditional
who: {role: department, level: [city, county]}
purpose: [惠企政策匹配]
rows: row.division.under(ask.organisation.division)
columns: [uscc, staff, telephone]
mask: {telephone: middle4}
quota: {rows_per_day: 1000}
until: 2027-12-31
answer: [own-department, authority, provider]
";

fn record() -> RecordType {
    serde_saphyr::from_str(RECORD).unwrap()
}

fn offer() -> Offer {
    serde_saphyr::from_str(OFFER).unwrap()
}

fn name(text: &str) -> FieldName {
    FieldName::new(text).unwrap()
}

fn org(text: &str) -> OrganisationId {
    OrganisationId::new(text).unwrap()
}

fn noon() -> Timestamp {
    "2026-11-24T04:00:00Z".parse().unwrap()
}

fn terms() -> Terms {
    Terms {
        record: record().name,
        columns: ["uscc", "staff", "telephone"].map(name).to_vec(),
        rows: Filter::compare(&name("division"), &FieldType::Division, By::Eq, &Value::Text("320102".to_owned()))
            .unwrap(),
        masks: BTreeMap::from([(name("telephone"), Mask::Middle4)]),
        purpose: "惠企政策匹配".to_owned(),
        quota: Some(Quota { rows_per_day: 10 }),
        service: None,
        until: Date::constant(2026, 11, 24),
    }
}

fn live() -> AgreementFacts {
    AgreementFacts { consumer: org("nj-gxj"), state: AgreementState::Live, terms: terms(), rows_today: 0 }
}

struct Fetch {
    consumer: OrganisationId,
    purpose: String,
    columns: Vec<FieldName>,
    filter: Filter,
    operation: Option<OperationName>,
}

impl Ask for Fetch {
    fn need(&self) -> Need<'_> {
        Need::Delivery(DeliveryNeed {
            consumer: &self.consumer,
            purpose: &self.purpose,
            columns: &self.columns,
            filter: &self.filter,
            operation: self.operation.as_ref(),
        })
    }
}

fn fetch() -> Fetch {
    Fetch {
        consumer: org("nj-gxj"),
        purpose: "惠企政策匹配".to_owned(),
        columns: vec![name("uscc"), name("telephone")],
        filter: Filter::always(),
        operation: None,
    }
}

fn facts(agreement: Option<AgreementFacts>) -> Facts {
    Facts { organisation: org("js-scjg"), principal: Principal::member(org("nj-gxj")), now: noon(), agreement }
}

fn refusal(facts: &Facts, fetch: Fetch) -> String {
    decide(facts, fetch).map(|_| ()).unwrap_err().code.into_owned()
}

#[test]
fn a_live_agreement_permits_what_was_agreed_and_masks_it() {
    let permit = decide(&facts(Some(live())), fetch()).unwrap();
    assert_eq!(permit.restriction().columns, [name("uscc"), name("telephone")]);
    assert_eq!(permit.restriction().filter, terms().rows);
    let shown = permit.restriction().mask(&name("telephone"), Value::Text("13812345678".to_owned()));
    assert_eq!(shown, Value::Text("138****5678".to_owned()));
    assert_eq!(permit.principal().organisation, org("nj-gxj"));
}

#[test]
fn no_column_named_means_all_agreed_ones() {
    let permit = decide(&facts(Some(live())), Fetch { columns: vec![], ..fetch() }).unwrap();
    assert_eq!(permit.restriction().columns, terms().columns);
}

#[test]
fn each_refusal_has_its_reason() {
    let with = |change: fn(&mut AgreementFacts)| {
        let mut it = live();
        change(&mut it);
        facts(Some(it))
    };
    assert_eq!(refusal(&facts(None), fetch()), "exchange.no_agreement");
    assert_eq!(refusal(&with(|it| it.consumer = org("other")), fetch()), "exchange.no_agreement");
    assert_eq!(refusal(&with(|it| it.state = AgreementState::Proposed), fetch()), "exchange.no_agreement");
    assert_eq!(refusal(&with(|it| it.state = AgreementState::Revoked), fetch()), "exchange.revoked");
    let yesterday = |it: &mut AgreementFacts| it.terms.until = Date::constant(2026, 11, 23);
    assert_eq!(refusal(&with(yesterday), fetch()), "exchange.expired");
    assert_eq!(refusal(&with(|it| it.rows_today = 10), fetch()), "exchange.quota");
    assert!(decide(&with(|it| it.rows_today = 9), fetch()).is_ok());
    let live = facts(Some(live()));
    assert_eq!(refusal(&live, Fetch { purpose: "其他".to_owned(), ..fetch() }), "exchange.purpose");
    assert_eq!(refusal(&live, Fetch { columns: vec![name("division")], ..fetch() }), "exchange.restriction");
    let by = |field: &str| {
        Filter::compare(&name(field), &FieldType::Text { max: 20 }, By::Eq, &Value::Text("x".to_owned())).unwrap()
    };
    assert_eq!(refusal(&live, Fetch { filter: by("telephone"), ..fetch() }), "exchange.restriction");
    assert_eq!(refusal(&live, Fetch { filter: by("division"), ..fetch() }), "exchange.restriction");
    assert!(decide(&live, Fetch { filter: by("uscc"), ..fetch() }).is_ok());
}

#[test]
fn a_member_acts_only_for_itself() {
    let mut it = facts(Some(live()));
    it.principal = Principal::member(org("nj-data"));
    assert_eq!(refusal(&it, fetch()), "policy.organisation");
}

struct Steward;

impl Ask for Steward {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::DataSteward])
    }
}

struct ByMember(OrganisationId);

impl Ask for ByMember {
    fn need(&self) -> Need<'_> {
        Need::Member(&self.0)
    }
}

#[test]
fn roles_count_only_at_home() {
    let home = |roles: &[Role], organisation: &str| Facts {
        principal: Principal::job(org(organisation), "t", roles.iter().copied()),
        ..facts(None)
    };
    let permit = decide(&home(&[Role::DataSteward], "js-scjg"), Steward).unwrap();
    assert_eq!(permit.restriction().filter, Filter::never());
    assert!(permit.restriction().columns.is_empty());
    let code = |facts: &Facts| decide(facts, Steward).map(|_| ()).unwrap_err();
    let missing = code(&home(&[Role::AuditAdministrator], "js-scjg"));
    assert_eq!(missing.code, "policy.role");
    assert!(missing.detail.en.contains("data-steward"), "{}", missing.detail.en);
    assert_eq!(code(&home(&[Role::DataSteward], "nj-gxj")).code, "policy.organisation");
    assert!(decide(&facts(None), ByMember(org("nj-gxj"))).is_ok());
    assert!(decide(&facts(None), ByMember(org("js-data"))).is_err());
}

struct Open(&'static [Role]);

impl Ask for Open {
    fn need(&self) -> Need<'_> {
        Need::Anyone { administrators: self.0 }
    }
}

struct Own;

impl Ask for Own {
    fn need(&self) -> Need<'_> {
        Need::Oneself("zhang")
    }
}

struct Machine;

impl Ask for Machine {
    fn need(&self) -> Need<'_> {
        Need::Job
    }
}

fn person(name: &str, roles: &[Role]) -> Facts {
    let actor = Actor::Person(name.to_owned());
    let principal = Principal { organisation: org("js-scjg"), actor, roles: roles.iter().copied().collect() };
    Facts { principal, ..facts(None) }
}

/// What is open to all is open to the named administrators alone, and to nobody of another organisation.
#[test]
fn of_the_administrators_only_the_named_pass() {
    let code = |it: Result<Permit<Open>, vocabulary::Problem>| it.map(|_| ()).map_err(|it| it.code.into_owned());
    for role in ADMINISTRATORS {
        for open in [&[][..], &[Role::SystemAdministrator], &[Role::SecurityAdministrator, Role::AuditAdministrator]] {
            let done = code(decide(&person("zhang", &[role]), Open(open)));
            assert_eq!(done.is_ok(), open.contains(&role), "{role:?} {open:?}");
            assert!(done.is_ok() || done == Err("policy.role".to_owned()));
        }
    }
    assert!(decide(&person("zhang", &[Role::Requester]), Open(&[])).is_ok());
    assert!(decide(&person("zhang", &[]), Open(&[])).is_ok());
    assert_eq!(code(decide(&facts(None), Open(&[]))), Err("policy.organisation".to_owned()));
}

/// Two of the three in one hand open nothing, whatever is asked.
#[test]
fn crossed_administrators_open_nothing() {
    for one in ADMINISTRATORS {
        for other in ADMINISTRATORS.into_iter().filter(|it| *it != one) {
            let facts = person("zhang", &[one, other, Role::DataSteward]);
            let codes = [
                decide(&facts, Open(&ADMINISTRATORS)).map(|_| ()),
                decide(&facts, Steward).map(|_| ()),
                decide(&facts, Own).map(|_| ()),
            ];
            for code in codes {
                assert_eq!(code.unwrap_err().code, "policy.crossed", "{one:?} {other:?}");
            }
        }
    }
}

#[test]
fn ones_own_is_ones_own_and_the_machines_the_machines() {
    let code = |it: Result<(), vocabulary::Problem>| it.map_err(|it| it.code.into_owned());
    let own = |facts: &Facts| code(decide(facts, Own).map(|_| ()));
    assert_eq!(own(&person("zhang", &[])), Ok(()));
    assert_eq!(own(&person("li", &ADMINISTRATORS[..1])), Err("policy.oneself".to_owned()));
    let job = Facts { principal: Principal::job(org("js-scjg"), "zhang", []), ..facts(None) };
    assert_eq!(own(&job), Err("policy.oneself".to_owned()));
    let machine = |facts: &Facts| code(decide(facts, Machine).map(|_| ()));
    assert_eq!(machine(&job), Ok(()));
    assert_eq!(machine(&person("zhang", &[])), Err("policy.job".to_owned()));
    let elsewhere = Facts { principal: Principal::job(org("nj-gxj"), "zhang", []), ..facts(None) };
    assert_eq!(machine(&elsewhere), Err("policy.organisation".to_owned()));
}

#[test]
fn an_offer_is_for_whom_it_names() {
    let nanjing = MemberFacts {
        id: org("nj-gxj"),
        division: "320100".to_owned(),
        level: Level::City,
        roles: vec![MemberRole::Department],
    };
    assert!(offer().is_for(&nanjing));
    assert!(!offer().is_for(&MemberFacts { level: Level::Province, ..nanjing.clone() }));
    assert!(!offer().is_for(&MemberFacts { roles: vec![MemberRole::Enterprise], ..nanjing.clone() }));
    assert!(Offer { who: None, ..offer() }.is_for(&MemberFacts { roles: vec![], ..nanjing.clone() }));
    assert!(offer().allows_purpose("惠企政策匹配") && !offer().allows_purpose("营销"));
    assert!(Offer { purpose: vec![], ..offer() }.allows_purpose("任何"));

    let zones = Zones::new([("321371".to_owned(), "320100".to_owned())]).unwrap();
    let rows = offer().rows_for(&record(), &nanjing, "惠企政策匹配", &zones).unwrap();
    let shows = |division: &str| {
        let row = [Value::Text("x".into()), Value::Text(division.into()), Value::Null, Value::Null];
        rows.matches(&record(), &row)
    };
    assert!(shows("320102") && shows("320171") && shows("321371"));
    assert!(!shows("320500") && !shows("321302"));
    assert_eq!(Offer { rows: None, ..offer() }.rows_for(&record(), &nanjing, "", &zones).unwrap(), Filter::always());
}

#[test]
fn a_condition_on_the_level_shows_rows_to_that_level_alone() {
    let zones = Zones::new([]).unwrap();
    let levels = [Level::Nation, Level::Province, Level::City, Level::County];
    for (word, meant) in ["nation", "province", "city", "county"].into_iter().zip(levels) {
        let offer = Offer { rows: Some(format!("ask.organisation.level == \"{word}\"")), ..offer() };
        for level in levels {
            let asker = MemberFacts { id: org("nj-gxj"), division: "320100".to_owned(), level, roles: vec![] };
            let rows = offer.rows_for(&record(), &asker, "", &zones).unwrap();
            let row = [Value::Text("x".into()), Value::Text("320100".into()), Value::Null, Value::Null];
            assert_eq!(rows.matches(&record(), &row), level == meant, "{word} {level:?}");
        }
    }
}

#[test]
fn masks_leave_what_their_names_say() {
    for (mask, long, short) in [
        (Mask::Middle4, "138****5678", "张**"),
        (Mask::Last4, "*******5678", "***"),
        (Mask::First1, "1**********", "张**"),
        (Mask::All, "***", "***"),
    ] {
        let shown = |text: &str| mask.apply(&Value::Text(text.to_owned()));
        assert_eq!(shown("13812345678"), Value::Text(long.to_owned()), "{mask:?}");
        assert_eq!(shown("张三丰"), Value::Text(short.to_owned()), "{mask:?}");
    }
}

#[test]
fn offers_read_back_as_they_were_written() {
    let offer = offer();
    let json = serde_json::to_value(&offer).unwrap();
    assert_eq!(serde_json::from_value::<Offer>(json).unwrap(), offer);
    assert!(serde_saphyr::from_str::<Offer>(&OFFER.replace("quota:", "quotas:")).is_err());
}

proptest! {
    /// A mask shows no character in a place that it hides, keeps the length unless it says otherwise, and nothing but
    /// texts.
    #[test]
    fn masks_hide(text in "\\PC{0,20}") {
        let count = text.chars().count();
        let shown = |mask: Mask| match mask.apply(&Value::Text(text.clone())) {
            Value::Text(it) => it,
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(shown(Mask::All), "***");
        for mask in [Mask::Middle4, Mask::Last4, Mask::First1] {
            let it = shown(mask);
            prop_assert_eq!(it.chars().count(), count);
            let hidden = it.chars().zip(text.chars()).filter(|(a, b)| *a == '*' || a != b).count();
            let least = match mask {
                Mask::Middle4 if count > 8 => 4,
                Mask::Last4 if count > 4 => count - 4,
                Mask::Last4 => count,
                _ => count.saturating_sub(1),
            };
            prop_assert!(hidden >= least, "{mask:?} {it}");
        }
        for value in [Value::Null, Value::Integer(3), Value::Boolean(true), Value::Scaled(1)] {
            prop_assert_eq!(Mask::Last4.apply(&value), Value::Null);
        }
    }

    /// Whatever is asked, the restriction stays within the terms.
    #[test]
    fn a_permit_never_shows_more_than_the_terms(
        columns in prop::collection::vec("uscc|staff|telephone|division", 0..4),
    ) {
        let columns: Vec<FieldName> = columns.iter().map(|it| name(it)).collect();
        if let Ok(permit) = decide(&facts(Some(live())), Fetch { columns, ..fetch() }) {
            let restriction = permit.restriction();
            prop_assert!(restriction.columns.iter().all(|it| terms().columns.contains(it)));
            if restriction.columns.contains(&name("telephone")) {
                prop_assert_eq!(restriction.masks.get(&name("telephone")), Some(&Mask::Middle4));
            }
            let row = [Value::Text("x".into()), Value::Text("320500".into()), Value::Null, Value::Null];
            prop_assert!(!restriction.filter.matches(&record(), &row));
        }
    }
}

/// An agreement over a service with one operation.
fn over_service(calls: Option<CallQuota>) -> AgreementFacts {
    let operation: Operation = serde_json::from_value(serde_json::json!({
        "title": {"zh": "查询", "en": "Get"}, "method": "GET", "path": "/firms/{code}",
        "answer": {"media": ["application/json"]},
    }))
    .unwrap();
    let operations = BTreeMap::from([(OperationName::new("get-firm").unwrap(), operation)]);
    let service = Some(ServiceTerms { operations, calls });
    let terms =
        Terms { columns: vec![], rows: Filter::never(), masks: BTreeMap::new(), quota: None, service, ..terms() };
    AgreementFacts { terms, ..live() }
}

#[test]
fn a_call_is_of_an_agreed_operation_and_of_nothing_else() {
    let call = |name: &str| Fetch { columns: vec![], operation: OperationName::new(name).ok(), ..fetch() };
    let permit = decide(&facts(Some(over_service(None))), call("get-firm")).unwrap();
    assert!(permit.restriction().columns.is_empty() && permit.restriction().masks.is_empty());
    assert_eq!(refusal(&facts(Some(over_service(None))), call("declare")), "exchange.restriction");
    // Records are not called, a service is not queried.
    assert_eq!(refusal(&facts(Some(live())), call("get-firm")), "exchange.service");
    assert_eq!(refusal(&facts(Some(over_service(None))), Fetch { columns: vec![], ..fetch() }), "exchange.service");
    let quota = CallQuota { per_day: Some(3), per_second: None };
    let spent = |rows_today| facts(Some(AgreementFacts { rows_today, ..over_service(Some(quota)) }));
    assert!(decide(&spent(2), call("get-firm")).is_ok());
    assert_eq!(refusal(&spent(3), call("get-firm")), "exchange.quota");
    let revoked = AgreementFacts { state: AgreementState::Revoked, ..over_service(None) };
    assert_eq!(refusal(&facts(Some(revoked)), call("get-firm")), "exchange.revoked");
}
