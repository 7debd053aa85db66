//! Laws of an objection's case, beside a naive model, and of who is a past recipient.

use crate::*;
use policy::{Mask, Terms};
use proptest::prelude::*;
use rule::{By, Filter};
use schema::{Field, FieldName, FieldType, RecordType, Value};
use std::collections::{BTreeMap, BTreeSet};
use vocabulary::{Bilingual, Date, OrganisationId, ResourceId, Timestamp, uuid::Uuid};

fn agreement(number: u128) -> AgreementId {
    AgreementId::from_uuid(Uuid::from_u128(number))
}

fn any_agreement() -> impl Strategy<Value = AgreementId> {
    (1..5_u128).prop_map(agreement)
}

fn any_happening() -> impl Strategy<Value = Happening> {
    let verdict = prop::sample::select(vec![
        RulingVerdict::Accept,
        RulingVerdict::Correct,
        RulingVerdict::Correct,
        RulingVerdict::Unfounded,
        RulingVerdict::PassOn,
    ]);
    prop_oneof![
        2 => verdict.prop_map(Happening::Ruled),
        2 => prop::collection::vec(any_agreement(), 0..4).prop_map(Happening::Found),
        3 => any_agreement().prop_map(Happening::Heard),
        3 => any_agreement().prop_map(Happening::Confirmed),
    ]
}

/// What a bureau would keep on paper.
#[derive(Default)]
struct Paper {
    accepted: bool,
    ruled: Option<RulingVerdict>,
    found: BTreeSet<AgreementId>,
    heard: BTreeSet<AgreementId>,
    confirmed: BTreeSet<AgreementId>,
}

impl Paper {
    fn allows(&self, happening: &Happening) -> bool {
        match happening {
            Happening::Ruled(RulingVerdict::Accept) => !self.accepted && self.ruled.is_none(),
            Happening::Ruled(_) => self.ruled.is_none(),
            Happening::Found(_) => self.ruled == Some(RulingVerdict::Correct),
            Happening::Heard(it) | Happening::Confirmed(it) => self.found.contains(it),
        }
    }

    fn write(&mut self, happening: &Happening) {
        match happening {
            Happening::Ruled(RulingVerdict::Accept) => self.accepted = true,
            Happening::Ruled(verdict) => self.ruled = Some(*verdict),
            Happening::Found(all) => self.found.extend(all),
            Happening::Heard(it) => drop(self.heard.insert(*it)),
            Happening::Confirmed(it) => drop(self.confirmed.insert(*it)),
        }
    }
}

proptest! {
    /// Whatever happens in whatever order: a case takes what the paper takes, owes what the paper says is not
    /// confirmed, and is closed when it was ruled on and everybody found has confirmed.
    #[test]
    fn a_case_is_what_the_paper_says(happenings in prop::collection::vec(any_happening(), 0..40)) {
        let (mut case, mut paper) = (Case::default(), Paper::default());
        for happening in &happenings {
            let stepped = case.clone().step(happening);
            prop_assert_eq!(stepped.is_ok(), paper.allows(happening), "{:?}", happening);
            if let Ok((next, duties)) = stepped {
                let new: Vec<Duty> = match happening {
                    Happening::Found(all) => {
                        let mut seen = paper.found.clone();
                        all.iter().filter(|it| seen.insert(**it)).map(|it| Duty::Tell(*it)).collect()
                    }
                    Happening::Heard(it) if !paper.heard.contains(it) && !paper.confirmed.contains(it) => {
                        vec![Duty::Ask(*it)]
                    }
                    Happening::Ruled(RulingVerdict::PassOn) => vec![Duty::TellObjector, Duty::PassOn],
                    Happening::Ruled(_) => vec![Duty::TellObjector],
                    _ => vec![],
                };
                prop_assert_eq!(duties, new);
                paper.write(happening);
                // What comes twice changes nothing.
                if let Ok((again, _)) = next.clone().step(happening) {
                    prop_assert_eq!(&again, &next);
                }
                case = next;
            }
            let owed: Vec<Duty> = paper.found.difference(&paper.confirmed).map(|it| {
                if paper.heard.contains(it) { Duty::Ask(*it) } else { Duty::Tell(*it) }
            }).collect();
            prop_assert_eq!(case.owed(), owed);
            prop_assert_eq!(case.is_closed(), paper.ruled.is_some() && paper.found.is_subset(&paper.confirmed));
        }
    }
}

fn name(text: &str) -> FieldName {
    FieldName::new(text).unwrap()
}

fn record() -> RecordType {
    let fields = ["uscc", "status", "capital", "telephone"];
    let fields = fields.map(|it| (name(it), Field::new(&name(it), FieldType::Text { max: 20 })));
    let id = ResourceId::new("legal-person").unwrap();
    RecordType::new(id, Bilingual::new("法人", "Firms"), vec![name("uscc")], fields.into_iter().collect()).unwrap()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn at(hour: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + 3_600 * hour).unwrap()
}

fn held(number: u128, columns: &[&str], delivered: Option<i64>) -> Reach {
    Reach {
        agreement: agreement(number),
        consumer: OrganisationId::new("nj-gxj").unwrap(),
        terms: Terms {
            record: ResourceId::new("legal-person").unwrap(),
            columns: columns.iter().map(|it| name(it)).collect(),
            rows: Filter::always(),
            masks: BTreeMap::new(),
            purpose: "试".to_owned(),
            quota: None,
            service: None,
            until: Date::constant(2026, 12, 31),
        },
        delivered: delivered.map(at),
    }
}

#[test]
fn a_past_recipient_had_the_row_since_it_was_wrong() {
    let record = record();
    // The status was wrong since hour 10, the capital since hour 20.
    let wrong = Wrong {
        record: &record,
        columns: [(name("status"), at(10)), (name("capital"), at(20))].into(),
        versions: vec![["91", "active", "5", "1"].map(text).to_vec()],
    };
    let found = |held: &Reach| recipients(&wrong, std::slice::from_ref(held)).pop();
    let both = found(&held(1, &["uscc", "status", "capital"], Some(10))).unwrap();
    assert_eq!((both.reached, both.since, both.knows_key), (true, at(10), true));
    assert_eq!(both.columns, [name("capital"), name("status")]);
    assert!(!found(&held(1, &["uscc", "status"], Some(9))).unwrap().reached);
    assert!(!found(&held(1, &["uscc", "status"], None)).unwrap().reached);
    let capital = found(&held(1, &["capital"], Some(15))).unwrap();
    assert_eq!((capital.reached, capital.since, capital.knows_key), (false, at(20), false));
    assert_eq!(found(&held(1, &["uscc", "telephone"], Some(99))), None, "it saw no wrong column");
    let other = Reach {
        terms: Terms { record: ResourceId::new("other").unwrap(), ..held(1, &["status"], None).terms },
        ..held(1, &["status"], Some(99))
    };
    assert_eq!(found(&other), None);
    let masked = Reach {
        terms: Terms { masks: [(name("uscc"), Mask::All)].into(), ..held(1, &["uscc", "status"], None).terms },
        ..held(1, &[], Some(99))
    };
    assert!(!found(&masked).unwrap().knows_key, "a masked key names no row");
}

#[test]
fn whoever_the_agreement_does_not_let_see_the_row_had_it_not() {
    let record = record();
    let only = |status: &str| {
        let kind = FieldType::Text { max: 20 };
        let rows = Filter::compare(&name("status"), &kind, By::Eq, &text(status)).unwrap();
        let held = held(1, &["uscc", "status"], Some(99));
        Reach { terms: Terms { rows, ..held.terms.clone() }, ..held }
    };
    let rows = |all: &[&str]| all.iter().map(|it| vec![text("91"), text(it), text("5"), text("1")]).collect();
    let wrong = |versions| Wrong { record: &record, columns: [(name("status"), at(10))].into(), versions };
    assert_eq!(recipients(&wrong(rows(&["active"])), &[only("active")]).len(), 1);
    assert_eq!(recipients(&wrong(rows(&["active"])), &[only("revoked")]), []);
    assert_eq!(recipients(&wrong(rows(&["active", "revoked"])), &[only("revoked")]).len(), 1, "an earlier version");
    assert_eq!(recipients(&wrong(vec![]), &[only("revoked")]).len(), 1, "a whole column: any row");
}
