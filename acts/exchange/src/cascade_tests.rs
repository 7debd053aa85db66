//! A request over levels, beside a naive model: whatever order letters come in, however often, everybody who has to
//! hear it hears the whole story.

use crate::tests::{at, key, request};
use crate::*;
use policy::AnswerStep;
use proptest::prelude::*;
use std::collections::BTreeMap;
use vocabulary::{Digest, NumberKind, OrganisationId, PlatformNumber};

const STEPS: [AnswerStep; 3] = [AnswerStep::OwnDepartment, AnswerStep::Authority, AnswerStep::Provider];

fn organisation(name: &str) -> OrganisationId {
    OrganisationId::new(name).unwrap()
}

/// County, city and province answer in turn.
fn over_levels() -> AccessRequest {
    AccessRequest { way: ["jn-data", "nj-data", "js-data"].map(organisation).to_vec(), ..request() }
}

fn answer(step: AnswerStep, by: &OrganisationId, verdict: Verdict, numbers: Vec<PlatformNumber>) -> Event {
    let needs = !matches!(verdict, Verdict::Accept | Verdict::Agree);
    let answer = Answer {
        format: "yunhe-answer/1".to_owned(),
        request: request().id,
        request_digest: Digest::of(b"request"),
        step,
        by: by.clone(),
        verdict,
        reason: needs.then(|| "理由".to_owned()),
        columns: (verdict == Verdict::AgreeInPart).then(|| over_levels().columns[..1].to_vec()),
        operations: None,
        numbers,
        at: at(),
    };
    Event::Answered(Box::new(Signed::sign(answer, &key(1)).unwrap()))
}

fn view(events: Vec<Event>) -> RequestView {
    let request = over_levels();
    let standing = standing(&request, &STEPS, &events).unwrap();
    RequestView {
        request: Signed::sign(request, &key(2)).unwrap(),
        steps: STEPS.to_vec(),
        events,
        standing,
        due: BTreeMap::new(),
        clocks: Vec::new(),
        undelivered: Vec::new(),
    }
}

/// Whose turn it is by a reading of its own: the place on the passage, and the step.
fn turn(view: &RequestView) -> Option<(usize, AnswerStep)> {
    match &view.standing {
        Standing::Waiting { step: AnswerStep::OwnDepartment, .. } => Some((0, AnswerStep::OwnDepartment)),
        Standing::Waiting { step: AnswerStep::Authority, level, .. } => {
            Some((1 + usize::from(*level), AnswerStep::Authority))
        }
        Standing::Waiting { step: AnswerStep::Provider, .. } => Some((4, AnswerStep::Provider)),
        _ => None,
    }
}

/// The five nodes of the way with what each holds, and the letters that have not been heard.
struct Levels {
    held: Vec<Option<RequestView>>,
    letters: BTreeMap<(usize, usize), RequestView>,
    told: usize,
}

impl Levels {
    fn begin() -> Self {
        let mut levels = Self { held: vec![None; 5], letters: BTreeMap::new(), told: 0 };
        levels.put(0, view(Vec::new()), None);
        levels
    }

    fn name(place: usize) -> OrganisationId {
        let request = over_levels();
        passage(&request)[place].clone()
    }

    fn place(name: &OrganisationId) -> usize {
        (0..5).find(|it| Self::name(*it) == *name).unwrap()
    }

    /// A node holds another story, and tells whom it has to.
    fn put(&mut self, place: usize, view: RequestView, from: Option<usize>) {
        for peer in to_tell(&view, &Self::name(place), from.map(Self::name).as_ref()) {
            self.letters.insert((place, Self::place(peer)), view.clone());
        }
        self.held[place] = Some(view);
    }

    /// A letter arrives; `heard` says whether its sender learns of it.
    fn deliver(&mut self, which: usize, heard: bool) {
        let Some((&(from, to), story)) = self.letters.iter().nth(which % self.letters.len().max(1)) else { return };
        let story = story.clone();
        self.told += 1;
        if heard {
            self.letters.remove(&(from, to));
        }
        let before = self.held[to].as_ref().map_or(0, |it| it.events.len() + 1);
        if story.events.len() + 1 > before {
            self.put(to, story, Some(from));
        } else if let Some(ours) = self.held[to].clone().filter(|it| it.events.len() > story.events.len()) {
            self.letters.insert((to, from), ours);
        }
    }

    /// Whoever sees that it is their turn acts.
    fn act(&mut self, place: usize, verdict: Verdict) {
        let Some(mine) = self.held[place].clone() else { return };
        let event = match (turn(&mine), &mine.standing) {
            (Some((whose, step)), _) if whose == place => answer(step, &Self::name(place), verdict, Vec::new()),
            (None, Standing::Supplement { .. }) if place == 0 => {
                let note = Supplement {
                    format: "yunhe-supplement/1".to_owned(),
                    request: request().id,
                    request_digest: Digest::of(b"request"),
                    note: "补".to_owned(),
                    attachments: Vec::new(),
                    at: at(),
                };
                Event::Supplemented(Signed::sign(note, &key(2)).unwrap())
            }
            _ => return,
        };
        let mut events = mine.events;
        events.push(event);
        self.put(place, view(events), None);
    }
}

#[derive(Clone, Debug)]
enum Move {
    Act(usize, Verdict),
    Deliver(usize, bool),
}

fn any_move() -> impl Strategy<Value = Move> {
    let verdict = prop::sample::select(vec![
        Verdict::Agree,
        Verdict::Agree,
        Verdict::Agree,
        Verdict::Accept,
        Verdict::Supplement,
        Verdict::AgreeInPart,
        Verdict::Return,
        Verdict::Refuse,
    ]);
    prop_oneof![
        2 => (0..5_usize, verdict).prop_map(|(place, verdict)| Move::Act(place, verdict)),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(which, heard)| Move::Deliver(which, heard)),
    ]
}

proptest! {
    /// Stories never contradict each other; when all letters are heard, nothing more is told, the consumer knows all of
    /// it, and so does everybody up to whose turn it is.
    #[test]
    fn everybody_hears_whom_it_concerns(moves in prop::collection::vec(any_move(), 0..80)) {
        let mut levels = Levels::begin();
        for it in moves {
            match it {
                Move::Act(place, verdict) => levels.act(place, verdict),
                Move::Deliver(which, heard) => levels.deliver(which, heard),
            }
            let longest = levels.held.iter().flatten().max_by_key(|it| it.events.len()).unwrap().events.clone();
            for held in levels.held.iter().flatten() {
                prop_assert_eq!(&held.events[..], &longest[..held.events.len()], "one story");
            }
        }
        let (begun, mut steps) = (levels.told, 0);
        while !levels.letters.is_empty() {
            levels.deliver(steps, true);
            steps += 1;
            prop_assert!(levels.told - begun <= 100, "telling ends");
        }
        let consumer = levels.held[0].clone().unwrap();
        for held in levels.held.iter().flatten() {
            prop_assert!(held.events.len() <= consumer.events.len());
        }
        let upto = match (turn(&consumer), &consumer.standing) {
            (Some((place, _)), _) => place,
            (None, Standing::Agreed { .. }) => 4,
            _ => 0,
        };
        for place in 0..=upto {
            prop_assert_eq!(levels.held[place].as_ref(), Some(&consumer), "at {}", place);
        }
        // Nobody behind whoever stopped it ever heard of it.
        if let Standing::Returned { step: AnswerStep::Authority, level, .. } = &consumer.standing {
            prop_assert!(levels.held[usize::from(*level) + 2..].iter().all(Option::is_none));
        }
    }

    /// Over levels it is agreed only after every authority has agreed in its turn; nobody answers in another's.
    #[test]
    fn no_level_is_skipped(by in prop::collection::vec(0..5_usize, 0..14)) {
        let (mut events, mut agreed) = (Vec::new(), Vec::new());
        for place in by {
            let step = match place { 0 => STEPS[0], 4 => STEPS[2], _ => STEPS[1] };
            events.push(answer(step, &Levels::name(place), Verdict::Agree, Vec::new()));
            match standing(&over_levels(), &STEPS, &events) {
                Ok(_) => agreed.push(place),
                Err(_) => drop(events.pop()),
            }
        }
        prop_assert_eq!(&agreed[..], &[0, 1, 2, 3, 4][..agreed.len()]);
        let done = matches!(standing(&over_levels(), &STEPS, &events).unwrap(), Standing::Agreed { .. });
        prop_assert_eq!(done, agreed.len() == 5);
    }

    /// Whatever numbers answers bring: for each kind and giver the first stays, all that were taken are there, and a
    /// story that would rewrite one is refused.
    #[test]
    fn no_number_is_rewritten(given in prop::collection::vec((0..4_usize, 0..3_usize, "[AB]{1,2}"), 0..12)) {
        let kinds = [NumberKind::Catalogue, NumberKind::Resource, NumberKind::Request, NumberKind::Authorisation];
        let (mut model, mut events) = (BTreeMap::new(), Vec::new());
        for (kind, giver, number) in given {
            let by = Levels::name(giver);
            let one = PlatformNumber { kind: kinds[kind], by: by.clone(), number: number.clone() };
            events.push(answer(STEPS[0], &request().consumer, Verdict::Accept, vec![one]));
            let fits = model.get(&(kinds[kind], by.clone())).is_none_or(|it| *it == number);
            let told = standing(&over_levels(), &STEPS, &events);
            prop_assert_eq!(told.is_ok(), fits);
            if fits {
                model.insert((kinds[kind], by), number);
            } else {
                prop_assert_eq!(told.unwrap_err().code, "number.rewritten");
                events.pop();
            }
        }
        let all = numbers(&over_levels(), &events).unwrap();
        let all: BTreeMap<_, _> = all.into_iter().map(|it| ((it.kind, it.by), it.number)).collect();
        prop_assert_eq!(all, model);
    }
}

#[test]
fn numbers_are_bounded_and_formed() {
    let number = |number: String| PlatformNumber { kind: NumberKind::Request, by: organisation("cn-data"), number };
    let code = |given: Vec<PlatformNumber>| {
        numbers(&AccessRequest { numbers: given, ..over_levels() }, &[]).unwrap_err().code.into_owned()
    };
    for bad in ["", " ", "A\nB", &"长".repeat(101)] {
        assert_eq!(code(vec![number(bad.to_owned())]), "number.form", "{bad:?}");
    }
    let many = (0..33).map(|it| PlatformNumber { by: organisation(&format!("p-{it}")), ..number("1".to_owned()) });
    assert_eq!(code(many.collect()), "number.too_many");
}

/// Documents without numbers and ways are written, and so signed, as before there were any.
#[test]
fn documents_of_before_read_and_verify_the_same() {
    let text = String::from_utf8(vocabulary::canonical_bytes(&request()).unwrap()).unwrap();
    assert!(!text.contains("numbers") && !text.contains("\"way\""), "{text}");
    let waiting = Standing::Waiting { step: AnswerStep::Authority, accepted: true, level: 0 };
    let text = serde_json::to_string(&waiting).unwrap();
    assert_eq!(text, r#"{"waiting":{"step":"authority","accepted":true}}"#);
    assert_eq!(serde_json::from_str::<Standing>(&text).unwrap(), waiting);
}
