//! The way of an entry beside a naive model, dossiers in SQL, codes, the chain.

use super::*;
use crate::tests::{at, resource, salt, samples, stores};
use crate::{CloseThing, Compile, Entry, Publish, PutThings, SecrecyReview, Withdraw};
use ::store::{Store, transact};
use policy::{Actor, Ask, Facts, Permit, Principal, Role, decide};
use proptest::prelude::*;
use schema::Flaw;
use std::collections::BTreeSet;
use vocabulary::{Bilingual, OrganisationId, Problem, date_in_shanghai};

const EVERYTHING: [Role; 3] = [Role::Cataloguer, Role::Checker, Role::Approver];

fn review() -> SecrecyReview {
    SecrecyReview { number: "密审〔2026〕1号".to_owned(), by: "保密办".to_owned(), on: date_in_shanghai(at(0)) }
}

fn entry() -> Entry {
    samples().swap_remove(0)
}

fn draft(text: &str) -> Draft {
    let mut entry = entry();
    entry.title = Bilingual::new(text, text);
    Draft { entry, links: Links { duty: Some(resource("registration")), ..Links::default() } }
}

fn who(name: &str) -> Who {
    Who { actor: name.to_owned(), roles: EVERYTHING.into_iter().collect() }
}

fn reason() -> String {
    "提供方名称有误".to_owned()
}

/// An act by its number, with a text of its own where it takes one.
fn act(kind: u8, text: u8) -> Act {
    match kind {
        0 => Act::Draft(Box::new(draft(&format!("稿{text}")))),
        1 => Act::Submit,
        2 => Act::Check,
        3 => Act::Return { reason: reason() },
        4 => Act::Publish { review: review() },
        5 => Act::Change((text > 2).then(|| Box::new(draft(&format!("改{text}"))))),
        6 => Act::Revoke { reason: reason() },
        _ => Act::Discard { reason: reason() },
    }
}

/// What a clerk would keep on paper: the acts that were allowed, each with who did it, read anew every time.
#[derive(Default)]
struct Paper {
    acts: Vec<(Act, String)>,
}

impl Paper {
    /// State, text worked on, text in the catalogue, who wrote since it was opened, who passed it.
    fn read(&self) -> (Option<State>, String, Option<String>, BTreeSet<String>, Option<String>) {
        let (mut state, mut text, mut live) = (None, String::new(), None);
        let (mut wrote, mut passed) = (BTreeSet::new(), None);
        for (act, actor) in &self.acts {
            match act {
                Act::Draft(draft) => {
                    if state != Some(State::Draft) {
                        wrote.clear();
                        passed = None;
                    }
                    (state, text) = (Some(State::Draft), draft.entry.title.zh.clone());
                    wrote.insert(actor.clone());
                }
                Act::Submit => {
                    state = Some(State::DepartmentCheck);
                    wrote.insert(actor.clone());
                }
                Act::Check => (state, passed) = (Some(State::AuthorityCheck), Some(actor.clone())),
                Act::Return { .. } => (state, passed) = (Some(State::Draft), None),
                Act::Publish { .. } => (state, live) = (Some(State::Published), Some(text.clone())),
                Act::Change(draft) => {
                    (state, passed, wrote) = (Some(State::Draft), None, BTreeSet::from([actor.clone()]));
                    text = draft.as_ref().map_or(text, |it| it.entry.title.zh.clone());
                }
                Act::Revoke { .. } => (state, live) = (Some(State::Revoked), None),
                Act::Discard { .. } => match &live {
                    Some(live) => {
                        (state, text, passed) = (Some(State::Published), live.clone(), None);
                        wrote.clear();
                    }
                    None => state = Some(State::Revoked),
                },
            }
        }
        (state, text, live, wrote, passed)
    }

    fn allows(&self, act: &Act, actor: &str, flawed: bool) -> bool {
        use State::{AuthorityCheck, DepartmentCheck, Draft, Published, Revoked};
        let (state, _, live, wrote, passed) = self.read();
        let other = !wrote.contains(actor) && passed.as_deref() != Some(actor);
        match act {
            Act::Draft(_) => matches!(state, None | Some(Draft | Revoked)),
            Act::Submit => state == Some(Draft) && !flawed,
            Act::Check => state == Some(DepartmentCheck) && other && !flawed,
            Act::Return { .. } => matches!(state, Some(DepartmentCheck | AuthorityCheck)),
            Act::Publish { .. } => state == Some(AuthorityCheck) && other && !flawed,
            Act::Change(_) => state == Some(Published),
            Act::Revoke { .. } => live.is_some(),
            Act::Discard { .. } => state == Some(Draft),
        }
    }
}

proptest! {
    /// Whatever is tried by whomever, the step allows what the paper allows, and both read the same afterwards: what is
    /// published was passed by two who did not write it, and stays until the next publication or revocation.
    #[test]
    fn a_compilation_goes_as_on_paper(tries in prop::collection::vec((0_u8..8, 0_u8..6, 0_u8..4, 0_u8..10), 0..60)) {
        let name = resource("enterprise-base");
        let (mut paper, mut compilation): (Paper, Option<Compilation>) = (Paper::default(), None);
        for (kind, text, actor, flawed) in tries {
            let (act, actor, flawed) = (act(kind, text), format!("person:{actor}"), flawed == 0);
            let flaws = if flawed { vec![Flaw::new("/title", "空", "empty", "写", "write")] } else { Vec::new() };
            let came = step(&name, compilation.as_ref(), &act, &who(&actor), &flaws);
            prop_assert_eq!(came.is_ok(), paper.allows(&act, &actor, flawed), "{:?} by {}: {:?}", act, actor, came);
            let Ok((next, effect)) = came else { continue };
            prop_assert_eq!(matches!(effect, Some(Effect::Publish(_))), matches!(act, Act::Publish { .. }));
            prop_assert_eq!(matches!(effect, Some(Effect::Withdraw)), matches!(act, Act::Revoke { .. }));
            paper.acts.push((act, actor));
            let (state, text, live, ..) = paper.read();
            prop_assert_eq!(Some(next.state), state);
            prop_assert_eq!(next.live.as_ref().map(|it| it.entry.title.zh.clone()), live);
            if next.state != State::Revoked {
                prop_assert_eq!(&next.draft.entry.title.zh, &text);
            }
            compilation = Some(next);
        }
    }
}

/// Nothing of the round before a revocation binds the next one: who passed the old text may pass the new one.
#[test]
fn what_is_taken_up_after_a_revocation_begins_anew() {
    let name = resource("enterprise-base");
    let round = |text| [(act(0, text), "person:a"), (Act::Submit, "person:a"), (Act::Check, "person:b")];
    let end = [(act(4, 0), "person:c"), (act(6, 0), "person:c")];
    let mut compilation: Option<Compilation> = None;
    for (act, actor) in round(0).into_iter().chain(end).chain(round(1)) {
        compilation = Some(step(&name, compilation.as_ref(), &act, &who(actor), &[]).unwrap().0);
    }
    assert_eq!(compilation.unwrap().checker.as_deref(), Some("person:b"));
}

#[test]
fn who_may_return_depends_on_whose_turn_it_is() {
    let name = resource("enterprise-base");
    let of = |state| Compilation {
        state,
        draft: draft("试"),
        compilers: BTreeSet::new(),
        checker: None,
        returned: None,
        live: None,
    };
    let back = |state, role| {
        let who = Who { actor: "person:li".to_owned(), roles: BTreeSet::from([role]) };
        step(&name, Some(&of(state)), &Act::Return { reason: reason() }, &who, &[])
    };
    assert!(back(State::DepartmentCheck, Role::Checker).is_ok());
    assert!(back(State::AuthorityCheck, Role::Approver).is_ok());
    assert_eq!(back(State::DepartmentCheck, Role::Approver), Err(Refusal::Role(State::DepartmentCheck)));
    assert_eq!(back(State::AuthorityCheck, Role::Checker), Err(Refusal::Role(State::AuthorityCheck)));
}

#[test]
fn a_reason_is_given_and_is_not_endless() {
    let name = resource("enterprise-base");
    for (reason, fits) in
        [("", false), ("  ", false), ("误", true), (&"误".repeat(500), true), (&"误".repeat(501), false)]
    {
        let before = step(&name, None, &act(0, 0), &who("person:a"), &[]).unwrap().0;
        let came = step(&name, Some(&before), &Act::Discard { reason: reason.to_owned() }, &who("person:a"), &[]);
        assert_eq!(came.is_ok(), fits, "{reason}");
    }
}

pub(super) fn permit<A: Ask>(person: &str, roles: &[Role], ask: A) -> Permit<A> {
    let organisation = OrganisationId::new("js-scjg").unwrap();
    let actor = Actor::Person(person.to_owned());
    let principal = Principal { organisation: organisation.clone(), actor, roles: roles.iter().copied().collect() };
    decide(&Facts { organisation, principal, now: at(0), agreement: None }, ask).unwrap()
}

async fn done(store: &Store, person: &str, name: &str, act: Act) -> Result<Compiled, Problem> {
    let permit = permit(person, &EVERYTHING, Compile { entry: resource(name), act });
    let salts = [salt(), salt()];
    let due = |days: u16| Some(vocabulary::Date::constant(2026, 11, 1 + days as i8));
    transact!(store, None, |tx| compile(tx, &permit, due, salts, at(5)).await)
}

pub(super) fn duty() -> Thing {
    serde_json::from_value(serde_json::json!({
        "kind": "duty", "name": "registration", "title": {"zh": "市场主体登记", "en": "Registration"},
        "owner": {"zh": "省市场监督管理局", "en": "SAMR"}, "basis": "《市场主体登记管理条例》第五条",
    }))
    .unwrap()
}

fn thing_of(value: serde_json::Value) -> Thing {
    serde_json::from_value(value).unwrap()
}

fn matter() -> Thing {
    let owner = duty().owner;
    thing_of(serde_json::json!({"kind": "matter", "name": "opening", "title": {"zh": "设立登记", "en": "Opening"},
        "owner": owner, "duty": "registration"}))
}

fn system() -> Thing {
    let owner = duty().owner;
    thing_of(serde_json::json!({"kind": "system", "name": "register", "title": {"zh": "登记系统", "en": "Register"},
        "owner": owner, "duty": "registration", "matters": ["opening"], "cloud": "省政务云", "protection": 3}))
}

pub(super) async fn put(store: &Store, things: Vec<Thing>) -> Result<usize, Problem> {
    let permit = permit("wang", &[Role::Cataloguer], PutThings { things, why: "三定规定".to_owned() });
    let salt = salt();
    transact!(store, None, |tx| put_things(tx, &permit, salt, at(3)).await)
}

async fn close(store: &Store, kind: ThingKind, name: &str, even_so: bool) -> Result<Vec<User>, Problem> {
    let ask = CloseThing { kind, name: resource(name), why: "系统整合".to_owned(), even_so };
    let permit = permit("wang", &[Role::Cataloguer], ask);
    let salt = salt();
    transact!(store, None, |tx| close_thing(tx, &permit, salt, at(9)).await)
}

fn named(name: &str, code: &str) -> Draft {
    let mut draft = draft("企业登记");
    (draft.entry.entry, draft.entry.code) = (resource(name), code.to_owned());
    draft
}

async fn to_the_end(store: &Store, name: &str) -> Result<Compiled, Problem> {
    done(store, "wang", name, Act::Submit).await?;
    done(store, "li", name, Act::Check).await?;
    done(store, "zhao", name, Act::Publish { review: review() }).await
}

#[tokio::test]
async fn an_entry_goes_its_way_and_the_old_one_stays_found() {
    let (stores, _folder) = stores().await;
    for store in stores {
        put(&store, vec![duty(), matter(), system()]).await.unwrap();
        let begun = done(&store, "wang", "base", Act::Draft(Box::new(named("base", "102001001")))).await.unwrap();
        assert_eq!((begun.code.as_str(), begun.version, begun.state), ("102001001/000001", 1, State::Draft));
        // The same draft again is no new version.
        let again = done(&store, "wang", "base", Act::Draft(Box::new(named("base", "102001001")))).await.unwrap();
        assert_eq!(again, begun);
        let published = to_the_end(&store, "base").await.unwrap();
        assert_eq!((published.version, published.revision), (4, Some(1)));
        let mut reader = store.read().await.unwrap();
        assert_eq!(crate::by_code(&mut reader, "102001001/000001").await.unwrap().len(), 1);
        drop(reader);
        // While a change is under way the old text is found; afterwards the new one.
        let mut changed = named("base", "");
        changed.entry.title = Bilingual::new("企业登记（新）", "new");
        done(&store, "sun", "base", Act::Change(Some(Box::new(changed)))).await.unwrap();
        done(&store, "sun", "base", Act::Submit).await.unwrap();
        let title = async || {
            let found = crate::by_code(&mut store.read().await.unwrap(), "102001001/000001").await.unwrap();
            found.first().map(|it| (it.revision, it.entry.title.zh.clone()))
        };
        assert_eq!(title().await, Some((1, "企业登记".to_owned())));
        done(&store, "wang", "base", Act::Check).await.unwrap();
        assert_eq!(
            done(&store, "wang", "base", Act::Publish { review: review() }).await.unwrap_err().code,
            "catalog.own_check"
        );
        done(&store, "zhao", "base", Act::Publish { review: review() }).await.unwrap();
        assert_eq!(title().await, Some((2, "企业登记（新）".to_owned())));
        // Past the compilation nobody publishes or withdraws it.
        let mut direct = named("base", "102001001/000001").entry;
        direct.title = Bilingual::new("绕行", "around");
        let ask = permit("wang", &EVERYTHING, Publish { entry: direct, review: Some(review()) });
        let salt_of_it = salt();
        let past = transact!(store, None, |tx| crate::publish(tx, &ask, salt_of_it, at(6)).await).map(|_| ());
        assert_eq!(past.unwrap_err().code, "catalog.compiled");
        let ask = permit("wang", &EVERYTHING, Withdraw { entry: resource("base"), reason: reason() });
        let past = transact!(store, None, |tx| crate::withdraw(tx, &ask, salt_of_it, at(6)).await);
        assert_eq!(past.unwrap_err().code, "catalog.compiled");
        done(&store, "zhao", "base", Act::Revoke { reason: reason() }).await.unwrap();
        assert_eq!(title().await, None);
        let past = compilation_history(&mut store.read().await.unwrap(), &resource("base")).await.unwrap();
        let acts: Vec<_> = past.iter().rev().map(|it| (it.act.as_str(), it.actor.as_str())).collect();
        let (wang, li, zhao, sun) = ("person:wang", "person:li", "person:zhao", "person:sun");
        let way =
            [("draft", wang), ("submit", wang), ("check", li), ("publish", zhao), ("change", sun), ("submit", sun)];
        assert_eq!(acts[..6], way);
        assert_eq!(acts[6..], [("check", wang), ("publish", zhao), ("revoke", zhao)]);
        assert_eq!(past[0].why, reason());
    }
}

#[tokio::test]
async fn codes_are_drawn_once_and_never_again() {
    let (stores, _folder) = stores().await;
    for store in stores {
        put(&store, vec![duty()]).await.unwrap();
        // One that was published directly long ago, one that somebody chose.
        let mut old = entry();
        (old.entry, old.code) = (resource("old"), "102001001/000041".to_owned());
        crate::tests::put(&store, "js-scjg", old).await.unwrap();
        let code = async |name: &str, code: &str| {
            done(&store, "wang", name, Act::Draft(Box::new(named(name, code)))).await.map(|it| it.code)
        };
        assert_eq!(code("a", "102001001").await.unwrap(), "102001001/000042");
        assert_eq!(code("b", "102001001/000050").await.unwrap(), "102001001/000050");
        assert_eq!(code("c", "102001001").await.unwrap(), "102001001/000051");
        assert_eq!(code("d", "102001001/000041").await.unwrap_err().code, "catalog.code_taken");
        // A draft that was given up, or got another code, gives none back.
        done(&store, "wang", "c", Act::Discard { reason: reason() }).await.unwrap();
        assert_eq!(code("b", "102001002").await.unwrap(), "102001002/000001");
        assert_eq!(code("d", "102001001/000050").await.unwrap_err().code, "catalog.code_taken");
        assert_eq!(code("d", "102001001").await.unwrap(), "102001001/000052");
        // It keeps its own.
        assert_eq!(code("d", "").await.unwrap(), "102001001/000052");
        assert_eq!(code("b", "102001001/000050").await.unwrap(), "102001001/000050");
    }
}

#[tokio::test]
async fn nothing_is_submitted_without_its_duty_and_a_system_that_feeds_is_not_closed() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let mut loose = named("loose", "102001001");
        loose.links = Links::default();
        done(&store, "wang", "loose", Act::Draft(Box::new(loose))).await.unwrap();
        let problem = done(&store, "wang", "loose", Act::Submit).await.unwrap_err();
        assert_eq!((problem.code.as_ref(), problem.field.as_deref()), ("catalog.entry", Some("/links/duty")));
        // Links lead to what is there: in the list or before it.
        assert_eq!(put(&store, vec![system()]).await.unwrap_err().code, "catalog.chain");
        assert_eq!(put(&store, vec![system(), matter(), duty()]).await.unwrap(), 3);
        assert_eq!(put(&store, vec![system(), matter(), duty()]).await.unwrap(), 0);
        let mut fed = named("fed", "102001001");
        fed.links.system = Some(resource("register"));
        done(&store, "wang", "fed", Act::Draft(Box::new(fed))).await.unwrap();
        // A draft alone keeps no system open.
        close(&store, ThingKind::System, "register", false).await.unwrap();
        assert_eq!(done(&store, "wang", "fed", Act::Submit).await.unwrap_err().code, "catalog.entry");
        assert_eq!(put(&store, vec![system()]).await.unwrap(), 1);
        to_the_end(&store, "fed").await.unwrap();
        let problem = close(&store, ThingKind::System, "register", false).await.unwrap_err();
        assert_eq!(
            (problem.code.as_ref(), &problem.more["feeds"]),
            ("catalog.in_use", &serde_json::json!(["entry/fed"]))
        );
        let fed = close(&store, ThingKind::System, "register", true).await.unwrap();
        assert_eq!(fed.len(), 1);
        let mut reader = store.read().await.unwrap();
        assert_eq!(thing(&mut reader, ThingKind::System, &resource("register"), None).await.unwrap().state, "closed");
        let before = thing(&mut reader, ThingKind::System, &resource("register"), Some(at(8))).await.unwrap();
        assert_eq!((before.state.as_str(), before.body), ("open", system()));
        assert_eq!(thing_history(&mut reader, ThingKind::System, &resource("register")).await.unwrap().len(), 4);
    }
}

#[tokio::test]
async fn what_a_pack_published_gets_a_compilation_when_it_is_changed() {
    let (stores, _folder) = stores().await;
    for store in stores {
        crate::tests::put(&store, "js-scjg", entry()).await.unwrap();
        let name = entry().entry;
        let problem = done(&store, "wang", name.as_str(), Act::Submit).await.unwrap_err();
        assert_eq!(problem.code, "catalog.not_compiled");
        let opened = done(&store, "wang", name.as_str(), Act::Change(None)).await.unwrap();
        assert_eq!((opened.version, opened.state, opened.code.as_str()), (1, State::Draft, entry().code.as_str()));
        done(&store, "wang", name.as_str(), Act::Discard { reason: reason() }).await.unwrap();
        done(&store, "zhao", name.as_str(), Act::Revoke { reason: reason() }).await.unwrap();
        assert_eq!(crate::count(&mut store.read().await.unwrap()).await.unwrap(), 0);
    }
}

#[test]
fn each_kind_of_thing_has_what_it_has() {
    let wrong = |thing: Thing| {
        let known = [duty(), matter(), system()].map(|it| ((it.kind, it.name.clone()), (it, true)));
        thing_flaws(0, &thing, &known.into_iter().collect()).into_iter().map(|it| it.pointer).collect::<Vec<_>>()
    };
    for sound in [duty(), matter(), system()] {
        assert!(wrong(sound).is_empty());
    }
    assert_eq!(wrong(Thing { basis: None, ..duty() }), ["/things/0/basis"]);
    assert_eq!(wrong(Thing { duty: None, ..matter() }), ["/things/0/duty"]);
    assert_eq!(wrong(Thing { duty: Some(resource("other")), ..matter() }), ["/things/0/duty"]);
    assert_eq!(wrong(Thing { protection: Some(3), ..matter() }), ["/things/0/cloud"]);
    assert_eq!(wrong(Thing { protection: Some(5), ..system() }), ["/things/0/protection"]);
    assert_eq!(wrong(Thing { owner_code: Some("1".to_owned()), ..system() }), ["/things/0/owner_code"]);
}

fn wanted() -> Wanted {
    let title = Bilingual::new("企业用水量", "Water use of enterprises");
    Wanted {
        title,
        items: vec!["统一社会信用代码".to_owned(), "月用水量".to_owned()],
        basis: "《水法》第四十七条".to_owned(),
    }
}

fn demand_act(kind: u8) -> DemandAct {
    match kind {
        0 => DemandAct::Ask { wanted: wanted() },
        1 => DemandAct::Assign { duty: resource("registration") },
        2 => DemandAct::Accept { entry: resource("water"), front: None },
        3 => DemandAct::Refuse { reason: reason() },
        _ => DemandAct::Hear {},
    }
}

proptest! {
    /// Whatever is tried, a demand goes as the clerk's list of what was done says: asked once, assigned before it is
    /// accepted, ended once, heard by its asker alone.
    #[test]
    fn a_demand_goes_as_on_paper(tries in prop::collection::vec((0_u8..5, 0_u8..3, 0_u8..2), 0..40)) {
        let roles = [Role::Requester, Role::Approver, Role::Cataloguer];
        let (name, owner) = (resource("water-use"), Bilingual::new("水利厅", "Water"));
        let (mut demand, mut done): (Option<Demand>, Vec<u8>) = (None, Vec::new());
        for (kind, role, person) in tries {
            let who = Who { actor: format!("person:{person}"), roles: BTreeSet::from([roles[usize::from(role)]]) };
            let last = done.iter().rev().find(|it| **it != 4).copied();
            let right = match kind {
                0 => role == 0 && (last.is_none() || demand.as_ref().is_some_and(|it| it.asker == who.actor)),
                1 => role == 1 && matches!(last, Some(0 | 1)),
                2 => role == 2 && last == Some(1),
                3 => (role == 1 && last == Some(0)) || (role == 2 && last == Some(1)),
                _ => role == 0 && last == Some(3) && demand.as_ref().is_some_and(|it| it.asker == who.actor),
            };
            let came = demand_step(&name, demand.as_ref(), &demand_act(kind), &who, Some(&owner));
            prop_assert_eq!(came.is_ok(), right, "{} by {:?} after {:?}: {:?}", kind, who, done, came);
            let Ok(next) = came else { continue };
            if kind != 0 || demand.is_none() {
                done.push(kind);
            }
            prop_assert_eq!(next.heard, done.contains(&4));
            demand = Some(next);
        }
    }
}

/// Every state that waits for somebody has a clock, and every clock a state that somebody can leave.
#[test]
fn clocks_tick_where_somebody_is_waited_for() {
    for state in DemandState::ALL {
        let left = WAY.iter().any(|it| it.0 == state && it.3 != state) || state == DemandState::Accepted;
        assert_eq!(CLOCKS.iter().any(|it| it.0 == state), left, "{state:?}");
    }
}

#[tokio::test]
async fn a_demand_becomes_an_entry_and_is_fulfilled_by_it() {
    let (stores, _folder) = stores().await;
    for store in stores {
        put(&store, vec![duty()]).await.unwrap();
        let act = async |act: DemandAct| {
            let roles = [Role::Requester, Role::Approver, Role::Cataloguer];
            let ask = permit("wang", &roles, crate::DoDemand { name: resource("water-use"), act });
            let salt = salt();
            let due = |days: u16| Some(vocabulary::Date::constant(2026, 11, 1 + days as i8));
            transact!(store, None, |tx| do_demand(tx, &ask, due, salt, at(4)).await)
        };
        let asked = act(demand_act(0)).await.unwrap();
        assert_eq!((asked.version, asked.body.due.unwrap().day()), (1, 3));
        assert_eq!(act(demand_act(0)).await.unwrap().version, 1, "asked twice in the same words is asked once");
        let unknown = act(DemandAct::Assign { duty: resource("nothing") }).await.unwrap_err();
        assert_eq!(unknown.code, "catalog.no_thing");
        let assigned = act(demand_act(1)).await.unwrap();
        assert_eq!(assigned.body.department, Some(duty().owner));
        act(demand_act(2)).await.unwrap();
        let begun = compilation(&mut store.read().await.unwrap(), &resource("water")).await.unwrap().unwrap();
        assert_eq!(begun.body.draft.links.demand, Some(resource("water-use")));
        assert_eq!(begun.body.draft.entry.items.len(), 2);
        // Given up, it waits to be claimed again.
        done(&store, "wang", "water", Act::Discard { reason: reason() }).await.unwrap();
        let of = async || demand(&mut store.read().await.unwrap(), &resource("water-use")).await.unwrap().0;
        let state = async || of().await.state;
        assert_eq!(state().await, "assigned");
        assert_eq!(of().await.body.due.map(|it| it.day()), Some(6), "the clock of the claim runs again");
        // It begins nothing where somebody is at work, nor where an entry is published.
        done(&store, "li", "busy", Act::Draft(Box::new(named("busy", "102001009")))).await.unwrap();
        crate::tests::put(&store, "js-scjg", entry()).await.unwrap();
        for taken in ["busy", entry().entry.as_str()] {
            let accept = DemandAct::Accept { entry: resource(taken), front: None };
            assert_eq!(act(accept).await.unwrap_err().code, "catalog.turn", "{taken}");
        }
        act(demand_act(2)).await.unwrap();
        // A draft that says nothing of the demand is for it still.
        done(&store, "wang", "water", Act::Draft(Box::new(named("water", "102001001")))).await.unwrap();
        to_the_end(&store, "water").await.unwrap();
        assert_eq!(state().await, "fulfilled");
        // A demand is cited by the entry that was begun for it, and by no other.
        let mut stray = named("stray", "102001001");
        stray.links.demand = Some(resource("water-use"));
        let problem = done(&store, "wang", "stray", Act::Draft(Box::new(stray))).await.unwrap_err();
        assert_eq!(problem.code, "catalog.no_demand");
    }
}

/// Of departments that publish one datum at the same time one is its source; the others are refused.
#[tokio::test]
async fn of_those_who_publish_one_datum_at_once_one_is_its_source() {
    let (stores, _folder) = stores().await;
    for store in stores {
        put(&store, vec![duty()]).await.unwrap();
        let mut names = Vec::new();
        for number in 0..3 {
            let name = format!("contact{number}");
            let mut draft = named(&name, "102001001");
            draft.entry.provider = Bilingual::new(format!("部门{number}"), format!("Department {number}"));
            assert!(!crate::propose::collected(&draft).is_empty());
            done(&store, "wang", &name, Act::Draft(Box::new(draft))).await.unwrap();
            done(&store, "wang", &name, Act::Submit).await.unwrap();
            done(&store, "li", &name, Act::Check).await.unwrap();
            names.push(name);
        }
        let publish = async |name: &str| done(&store, "zhao", name, Act::Publish { review: review() }).await;
        let came = tokio::join!(publish(&names[0]), publish(&names[1]), publish(&names[2]));
        let codes: Vec<_> = [came.0, came.1, came.2].into_iter().filter_map(Result::err).map(|it| it.code).collect();
        assert_eq!(codes, ["catalog.second_source"; 2]);
    }
}
