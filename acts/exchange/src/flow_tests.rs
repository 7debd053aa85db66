//! The table follows: a provider, a consumer and its table as a naive model, driven by the pure steps, with crashes
//! before and after each commit and asks that are repeated.

use crate::{
    Act, DeliveryId, Follow, Input, Mark, Mode, RowChange, Shown, Stage, Tally, Turn, changes, from_rows, step,
    to_rows, turn,
};
use policy::Mask;
use proptest::prelude::*;
use schema::{Field, FieldName, FieldType, RecordType, Value};
use std::collections::{BTreeMap, BTreeSet};
use vocabulary::{Bilingual, Digest, ResourceId, uuid::Uuid};

/// Rows by key: whether the restriction holds, what is shown, what is not.
type State = BTreeMap<i64, (bool, i64, i64)>;

#[derive(Clone, Debug)]
enum Event {
    /// The provider writes a row.
    Write(i64, bool, i64, i64),
    /// The provider takes a row out.
    Remove(i64),
    /// The consumer carries its delivery for so many acts, and dies then: before the act's effect, or after it.
    Carry { acts: usize, effect: bool },
    /// A restore of the provider's begins a new epoch, with the state of an earlier position.
    Restore(usize),
    /// Somebody wants the whole set.
    Anew,
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..6_i64, any::<bool>(), 0..4_i64, 0..4_i64).prop_map(|(key, inside, shown, hidden)| {
            Event::Write(key, inside, shown, hidden)
        }),
        2 => (0..6_i64).prop_map(Event::Remove),
        4 => (0..12_usize, any::<bool>()).prop_map(|(acts, effect)| Event::Carry { acts, effect }),
        1 => (0..8_usize).prop_map(Event::Restore),
        1 => Just(Event::Anew),
    ]
}

fn shape() -> RecordType {
    let name = |it: &str| FieldName::new(it).unwrap();
    let fields = ["id", "size"].map(|it| (name(it), Field::new(&name(it), FieldType::Integer)));
    let title = Bilingual::new("测", "test");
    RecordType::new(ResourceId::new("test").unwrap(), title, vec![name("id")], fields.into_iter().collect()).unwrap()
}

/// What may be seen of a state.
fn permitted(state: &State) -> Shown {
    let inside = state.iter().filter(|(_, row)| row.0);
    inside.map(|(key, row)| (vec![Value::Integer(*key)], vec![Value::Integer(*key), Value::Integer(row.1)])).collect()
}

struct Provider {
    /// The state at each position, from 0.
    states: Vec<State>,
    epoch: u32,
    parcels: BTreeMap<DeliveryId, (usize, u32)>,
    follows: BTreeMap<DeliveryId, Follow>,
    pages: BTreeMap<(DeliveryId, u32), (usize, usize)>,
    /// Every key that was ever sent, for what.
    sent: BTreeSet<i64>,
}

impl Provider {
    fn now(&self) -> &State {
        self.states.last().unwrap()
    }

    fn restricted(&self, from: usize, to: usize) -> Vec<RowChange> {
        changes(&permitted(&self.states[from]), &permitted(&self.states[to]))
    }

    fn follow(&self, parcel: DeliveryId) -> Follow {
        let (position, epoch) = self.parcels[&parcel];
        let start = || Follow { epoch: Some(epoch.to_string()), position: i64::try_from(position).unwrap(), next: 1 };
        self.follows.get(&parcel).cloned().unwrap_or_else(start)
    }

    /// A page, at most two positions long; none: nothing new.
    fn ask(&mut self, mark: Mark) -> Result<Option<Vec<RowChange>>, ()> {
        if !self.parcels.contains_key(&mark.parcel) {
            return Err(());
        }
        let mut follow = self.follow(mark.parcel);
        let made = match turn(&follow, Some(&self.epoch.to_string()), mark.next) {
            Turn::Gone => return Err(()),
            Turn::Again => {
                let (from, to) = self.pages[&(mark.parcel, mark.next)];
                Some(self.restricted(from, to))
            }
            Turn::Next => loop {
                let from = usize::try_from(follow.position).unwrap();
                let to = (from + 2).min(self.states.len() - 1);
                if from == to {
                    break None;
                }
                let page = self.restricted(from, to);
                follow.position = i64::try_from(to).unwrap();
                if !page.is_empty() {
                    self.pages.insert((mark.parcel, mark.next), (from, to));
                    follow.next += 1;
                    break Some(page);
                }
            },
        };
        self.follows.insert(mark.parcel, follow);
        for change in made.iter().flatten() {
            let (RowChange::Put(row) | RowChange::Gone(row)) = change;
            let Value::Integer(key) = row[0] else { unreachable!() };
            self.sent.insert(key);
        }
        Ok(made)
    }
}

/// What is durable at the consumer: where the delivery stands, the table with its mark, and files by number.
struct Consumer {
    mode: Mode,
    stage: Stage,
    anew: bool,
    table: Shown,
    mark: Option<Mark>,
    sets: BTreeMap<DeliveryId, Shown>,
    files: BTreeMap<(DeliveryId, u32), Vec<RowChange>>,
    drawn: u128,
    /// Pages in the order in which they were merged.
    merged: Vec<Mark>,
}

impl Consumer {
    fn draw(&mut self) -> DeliveryId {
        self.drawn += 1;
        DeliveryId::from_uuid(Uuid::from_u128(self.drawn))
    }

    /// Carries on for at most `acts`; says whether it came to rest.
    fn carry(&mut self, provider: &mut Provider, acts: usize, effect: bool) -> bool {
        let mut input = Input::Begin { mark: self.mark, draw: self.draw(), anew: self.anew };
        for at in 0..=acts {
            let (stage, act) = step(self.mode, self.stage, input).expect("the shell tells what happened in order");
            if at == acts && !effect {
                return false;
            }
            if stage != self.stage {
                self.anew &= !matches!(stage, Stage::Filling { .. });
                self.stage = stage;
            }
            input = match self.act(provider, act) {
                Some(input) => input,
                None => return true,
            };
        }
        false
    }

    fn act(&mut self, provider: &mut Provider, act: Act) -> Option<Input> {
        match act {
            Act::Fetch(parcel) => {
                if self.sets.contains_key(&parcel) {
                    return Some(Input::Here);
                }
                let position = provider.states.len() - 1;
                let (at, _) = *provider.parcels.entry(parcel).or_insert((position, provider.epoch));
                let set = permitted(&provider.states[at.min(position)]);
                for key in set.keys() {
                    let Value::Integer(key) = key[0] else { unreachable!() };
                    provider.sent.insert(key);
                }
                self.sets.insert(parcel, set);
                Some(Input::Here)
            }
            Act::Fill(parcel) => {
                let mark = Mark { parcel, next: 1 };
                (self.table, self.mark) = (self.sets[&parcel].clone(), Some(mark));
                Some(Input::Filled(mark))
            }
            Act::Ask(mark) => {
                if self.files.contains_key(&(mark.parcel, mark.next)) {
                    return Some(Input::Page(mark.next));
                }
                match provider.ask(mark) {
                    Err(()) => Some(Input::Gone { draw: self.draw() }),
                    Ok(None) => Some(Input::Current(mark)),
                    Ok(Some(page)) => {
                        let rows = to_rows(&shape(), &page);
                        self.files.insert((mark.parcel, mark.next), from_rows(&shape(), rows).unwrap());
                        Some(Input::Page(mark.next))
                    }
                }
            }
            Act::Merge(mark) => {
                // The mark stands in the same transaction: a page that is in is not merged again.
                if self.mark == Some(mark) {
                    for change in self.files[&(mark.parcel, mark.next)].clone() {
                        match change {
                            RowChange::Put(row) => drop(self.table.insert(vec![row[0].clone()], row)),
                            RowChange::Gone(key) => drop(self.table.remove(&key)),
                        }
                    }
                    self.mark = Some(Mark { next: mark.next + 1, ..mark });
                    self.merged.push(mark);
                }
                Some(Input::Merged(Mark { next: mark.next + 1, ..mark }))
            }
            Act::Compare(_) => None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// After any sequence of changes, crashes, restores and repeats the table ends as the provider's restricted table;
    /// nothing was sent of a row that was never inside; no page was merged twice.
    #[test]
    fn the_table_follows(events in prop::collection::vec(any_event(), 0..40), full in any::<bool>()) {
        let mut provider = Provider {
            states: vec![State::new()], epoch: 1, parcels: BTreeMap::new(), follows: BTreeMap::new(),
            pages: BTreeMap::new(), sent: BTreeSet::new(),
        };
        let mut consumer = Consumer {
            mode: if full { Mode::Full } else { Mode::Incremental }, stage: Stage::New, anew: false,
            table: Shown::new(), mark: None, sets: BTreeMap::new(), files: BTreeMap::new(), drawn: 0, merged: vec![],
        };
        let mut inside = BTreeSet::new();
        for event in events {
            let mut next = provider.now().clone();
            match event {
                Event::Write(key, within, shown, hidden) => {
                    next.insert(key, (within, shown, hidden));
                    if within {
                        inside.insert(key);
                    }
                    provider.states.push(next);
                }
                Event::Remove(key) => {
                    next.remove(&key);
                    provider.states.push(next);
                }
                Event::Carry { acts, effect } => drop(consumer.carry(&mut provider, acts, effect)),
                Event::Restore(back) => {
                    let keep = provider.states.len().saturating_sub(back).max(1);
                    provider.states.truncate(keep);
                    provider.epoch += 1;
                    // What was made after the backup is not in it.
                    provider.parcels.retain(|_, (at, _)| *at < keep);
                    provider.pages.retain(|_, (_, to)| *to < keep);
                    provider.follows.retain(|it, _| provider.parcels.contains_key(it));
                }
                Event::Anew => consumer.anew = true,
            }
            // At any moment the table is what was permitted at some one.
            let one = provider.states.iter().any(|it| permitted(it) == consumer.table);
            prop_assert!(one || provider.epoch > 1 || consumer.mark.is_none());
        }
        prop_assert!(consumer.carry(&mut provider, 1_000, true), "it comes to rest");
        prop_assert!(consumer.carry(&mut provider, 1_000, true), "and again");
        prop_assert_eq!(&consumer.table, &permitted(provider.now()));
        prop_assert!(provider.sent.is_subset(&inside), "{:?} of {:?}", provider.sent, inside);
        let merged: BTreeSet<_> = consumer.merged.iter().map(|it| (it.parcel, it.next)).collect();
        prop_assert_eq!(merged.len(), consumer.merged.len());
    }

    /// Two tables have one digest where they hold the same rows, in whatever order, as values or as the texts that
    /// these are written as; and never where a row or a cell differs.
    #[test]
    fn a_tally_is_that_of_the_rows(one in any_shown(), other in any_shown()) {
        let begin = || Tally::begin(&Digest::of(b"agreement"), &shape()).unwrap();
        let (mut values, mut texts, mut others) = (begin(), begin(), begin());
        one.values().for_each(|row| values.add(&shape(), row));
        for row in one.values().rev() {
            let cells: Vec<Option<String>> =
                row.iter().map(|it| (!it.is_null()).then(|| FieldType::Integer.render(it))).collect();
            texts.add_texts(&cells.iter().map(Option::as_deref).collect::<Vec<_>>());
        }
        other.values().for_each(|row| others.add(&shape(), row));
        prop_assert_eq!(values.end(), texts.end());
        prop_assert_eq!(values.end() == others.end(), one == other);
    }

    /// Changes lead from one to the other and speak of nothing else; as rows of a page they stay what they are.
    #[test]
    fn changes_are_exact(before in any_shown(), after in any_shown()) {
        let found = changes(&before, &after);
        let mut table = before.clone();
        for change in from_rows(&shape(), to_rows(&shape(), &found)).unwrap() {
            match change {
                RowChange::Put(row) => {
                    prop_assert_ne!(before.get(&row[..1]), Some(&row), "a row that is as it was");
                    table.insert(row[..1].to_vec(), row);
                }
                RowChange::Gone(key) => prop_assert!(table.remove(&key).is_some(), "it was never shown"),
            }
        }
        prop_assert_eq!(table, after);
    }
}

fn any_shown() -> impl Strategy<Value = Shown> {
    prop::collection::btree_map(0..8_i64, 0..3_i64, 0..8).prop_map(|rows| {
        rows.into_iter()
            .map(|(key, size)| (vec![Value::Integer(key)], vec![Value::Integer(key), Value::Integer(size)]))
            .collect()
    })
}

/// Rows that are told apart by a key that is masked or not agreed cannot stand in a table; masks leave text, or
/// nothing.
#[test]
fn a_shape_is_what_masks_leave() {
    let name = |it: &str| FieldName::new(it).unwrap();
    let record: RecordType = serde_json::from_value(serde_json::json!({
        "record": "person", "title": {"zh": "人", "en": "Person"}, "key": ["id"],
        "fields": {
            "id": {"type": "text", "max": 20, "grade": "一般/1"},
            "code": {"type": "org-code", "of": "legal-person", "grade": "一般/1"},
            "born": {"type": "date", "grade": "一般/1"}, "left": {"type": "date", "grade": "一般/1"},
        },
    }))
    .unwrap();
    let terms = |columns: &[&str], masks: &[&str]| policy::Terms {
        record: record.name.clone(),
        columns: columns.iter().map(|it| name(it)).collect(),
        rows: rule::Filter::always(),
        masks: masks.iter().map(|it| (name(it), Mask::Last4)).collect(),
        purpose: String::new(),
        quota: None,
        service: None,
        until: vocabulary::Date::constant(2027, 1, 1),
    };
    let shape = crate::shape(&record, &terms(&["born", "id", "code"], &["code", "born"])).unwrap();
    assert_eq!(shape.fields.keys().map(FieldName::as_str).collect::<Vec<_>>(), ["born", "id", "code"]);
    assert!(shape.fields["born"].optional && !shape.fields["id"].optional);
    assert!(matches!(shape.fields["code"].kind, FieldType::Text { .. }));
    for (columns, masks) in [(&["born"][..], &[][..]), (&["id", "born"][..], &["id"][..])] {
        assert_eq!(crate::shape(&record, &terms(columns, masks)).unwrap_err().code, "exchange.table_key");
    }
    // The original type takes what is not masked, and refuses what is.
    let plain = crate::shape(&record, &terms(&["id", "born", "left", "code"], &[])).unwrap();
    crate::fits(&plain, &record).unwrap();
    let problem = crate::fits(&shape, &record).unwrap_err();
    assert_eq!(problem.code, "exchange.table_shape");
    for part in ["code", "born must be optional", "left is not delivered"] {
        assert!(problem.detail.en.contains(part), "{part}: {}", problem.detail.en);
    }
}
