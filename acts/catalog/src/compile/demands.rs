//! Demands in units of work: each act with its history and its leaf; accepting one begins the entry that cites it.

use super::{
    Act, Compilation, Demand, DemandAct, DemandState, Dossier, Draft, Links, Listing, Past, Refusal, State, Thing,
    ThingKind, Who,
    chain::no_thing,
    demand::{clock, demand_step, no_demand},
    step::step,
    store::{self as rows, Turn},
    verbs::published_before,
};
use crate::{DoDemand, Entry, Item, ItemType, Method, store};
use ::store::{Reader, Tx};
use evidence::Salt;
use policy::{Permit, Sharing};
use schema::{Cycle, Grade};
use serde_json::json;
use vocabulary::{Bilingual, Date, OrganisationId, Problem, ResourceId, Timestamp, date_in_shanghai, ensure};

const DEMAND: &str = "demand";
/// Who fulfils a demand: nobody asks for it, the publication does it.
const PUBLICATION: &str = "node:publication";

/// Does something to a demand. `due` tells the day that lies so many working days ahead, where a calendar is installed.
///
/// # Errors
/// As [`demand_step`], `catalog.no_thing` for an assignment to a duty that is not there, `catalog.turn` when the entry
/// that would be begun is under way already.
pub async fn do_demand(
    tx: &mut Tx,
    permit: &Permit<DoDemand>,
    due: impl Fn(u16) -> Option<Date>,
    salt: Salt,
    now: Timestamp,
) -> Result<Dossier<Demand>, Problem> {
    let DoDemand { name, act } = permit.ask();
    let principal = permit.principal();
    let who = Who { actor: principal.actor.to_string(), roles: principal.roles.clone() };
    let found = rows::load::<Demand>(tx, DEMAND, name).await?;
    let owner = match act {
        DemandAct::Assign { duty } => Some(open_duty(tx, duty).await?),
        _ => None,
    };
    let before = found.as_ref().map(|it| &it.body);
    let mut next = demand_step(name, before, act, &who, owner.as_ref())?;
    if let Some(found) = found.as_ref().filter(|it| it.body == next) {
        return Ok(found.clone());
    }
    next.due = clock(next.state).and_then(&due);
    let version = found.map_or(0, |it| it.version) + 1;
    save(tx, name, version, (&next, act.word(), act.reason()), &who.actor, now).await?;
    if let DemandAct::Accept { entry, front } = act {
        let found = begun(tx, &principal.organisation, entry, now).await?;
        begin(tx, (name, &next), (entry, front.as_deref(), found), &who, now).await?;
    }
    let body = json!({"demand": name, "version": version, "step": act.word(), "reason": act.reason()});
    store::leave(tx, principal, ("catalog.demand", body), salt, now).await?;
    let state = next.state.word().to_owned();
    Ok(Dossier { name: name.clone(), version, state, at: now, body: next })
}

async fn open_duty(tx: &mut Tx, duty: &ResourceId) -> Result<Bilingual, Problem> {
    let found = rows::load::<Thing>(tx, ThingKind::Duty.word(), duty).await?.filter(|it| it.state == "open");
    Ok(found.ok_or_else(|| no_thing(ThingKind::Duty, duty))?.body.owner)
}

async fn save(
    tx: &mut Tx,
    name: &ResourceId,
    version: i64,
    (next, act, why): (&Demand, &str, &str),
    actor: &str,
    now: Timestamp,
) -> Result<(), Problem> {
    let owner = next.department.as_ref().map_or("", |it| it.zh.as_str());
    let links = next.duty.iter().map(|it| (ThingKind::Duty.word(), it.to_string()));
    let links = links.chain(next.entry.iter().map(|it| (rows::ENTRY, it.to_string()))).collect();
    let state = next.state.word();
    rows::save(tx, Turn { kind: DEMAND, name, version, state, owner, act, actor, why, links }, next, now).await
}

/// The entry of that name, which a demand may begin unless somebody works on it or it is published.
async fn begun(
    tx: &mut Tx,
    own: &OrganisationId,
    entry: &ResourceId,
    now: Timestamp,
) -> Result<Option<Dossier<Compilation>>, Problem> {
    let found = match rows::compilation(tx, entry).await? {
        None => published_before(tx, own, entry, now).await?,
        found => found,
    };
    match found {
        Some(it) if it.body.state != State::Revoked => {
            Err(Refusal::Turn(entry.clone(), it.body.state, "accept").into())
        }
        found => Ok(found),
    }
}

/// Begins the entry that a demand asks for, as far as the demand tells it.
async fn begin(
    tx: &mut Tx,
    (name, demand): (&ResourceId, &Demand),
    (entry, front, found): (&ResourceId, Option<&str>, Option<Dossier<Compilation>>),
    who: &Who,
    now: Timestamp,
) -> Result<(), Problem> {
    let mut draft = Draft { entry: entry_of(demand, entry, date_in_shanghai(now)), links: Links::default() };
    (draft.links.duty, draft.links.demand) = (demand.duty.clone(), Some(name.clone()));
    if let Some(front) = front {
        draft.entry.code = rows::draw_code(tx, front, entry).await?;
    }
    let act = Act::Draft(Box::new(draft));
    let (next, _): (Compilation, _) = step(entry, found.as_ref().map(|it| &it.body), &act, who, &[])?;
    let turn = super::turn(entry, found.map_or(0, |it| it.version) + 1, (&next, &act), &who.actor);
    rows::save(tx, turn, &next, now).await
}

fn entry_of(demand: &Demand, entry: &ResourceId, today: Date) -> Entry {
    let item = |title: &String| Item {
        title: Bilingual::new(title, title),
        kind: ItemType::Text,
        field: None,
        length: None,
        unit: None,
        grade: None,
        personal: false,
    };
    let (title, basis) = (&demand.wanted.title, &demand.wanted.basis);
    Entry {
        entry: entry.clone(),
        title: title.clone(),
        code: String::new(),
        class: crate::Class::Department,
        theme: crate::template::other_theme(),
        provider: demand.department.clone().unwrap_or_default(),
        provider_code: None,
        description: Bilingual::new(format!("{}（需求：{basis}）", title.zh), format!("{} (demanded)", title.en)),
        formats: Vec::new(),
        items: demand.wanted.items.iter().map(item).collect(),
        share: Sharing::Conditional,
        condition: None,
        method: Method::Platform,
        open: false,
        open_condition: None,
        cycle: Cycle::Irregular,
        published: today,
        related: Vec::new(),
        grade: Grade::General1,
        keywords: Vec::new(),
        offer: None,
        synthetic: false,
    }
}

/// The demand that an entry cites is fulfilled by its publication; one that is given up goes back to be claimed, by
/// the day that `due` tells.
pub(crate) async fn settle(
    tx: &mut Tx,
    draft: &Draft,
    published: bool,
    due: impl Fn(u16) -> Option<Date>,
    now: Timestamp,
) -> Result<(), Problem> {
    let Some(name) = &draft.links.demand else { return Ok(()) };
    let Some(found) = rows::load::<Demand>(tx, DEMAND, name).await? else { return Ok(()) };
    let its = found.body.entry.as_ref() == Some(&draft.entry.entry);
    if found.body.state != DemandState::Accepted || !its {
        return Ok(());
    }
    let (state, act) =
        if published { (DemandState::Fulfilled, "fulfil") } else { (DemandState::Assigned, "give back") };
    let entry = found.body.entry.clone().filter(|_| published);
    let next = Demand { state, entry, due: clock(state).and_then(due), ..found.body };
    save(tx, name, found.version + 1, (&next, act, ""), PUBLICATION, now).await
}

/// A demand with its history, the newest first.
///
/// # Errors
/// `catalog.no_demand`.
pub async fn demand(reader: &mut Reader, name: &ResourceId) -> Result<(Dossier<Demand>, Vec<Past>), Problem> {
    let found = rows::load(reader, DEMAND, name).await?.ok_or_else(|| no_demand(name))?;
    Ok((found, rows::history(reader, DEMAND, name).await?))
}

/// A page of demands by name (需求清单).
///
/// # Errors
/// As the store's.
pub async fn demands(reader: &mut Reader, what: &Listing) -> Result<Vec<Dossier<Demand>>, Problem> {
    rows::list(reader, DEMAND, what).await
}

/// A draft that names no demand keeps the one for which it is compiled: no form has to repeat it. What is taken up
/// after a revocation begins without one.
pub(crate) fn keep_demand(draft: &mut Draft, before: Option<&Compilation>) {
    let former = before.filter(|it| it.state != State::Revoked).and_then(|it| it.draft.links.demand.clone());
    draft.links.demand = draft.links.demand.take().or(former);
}

/// A draft cites only a demand that was accepted for it.
pub(crate) async fn cited(tx: &mut Tx, draft: &Draft) -> Result<(), Problem> {
    let Some(name) = &draft.links.demand else { return Ok(()) };
    let found = rows::load::<Demand>(tx, DEMAND, name).await?.ok_or_else(|| no_demand(name))?;
    let its = found.body.entry.as_ref() == Some(&draft.entry.entry);
    ensure!(its, no_demand(name).field("/links/demand"));
    Ok(())
}
