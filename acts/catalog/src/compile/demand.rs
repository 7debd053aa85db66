//! A demand for data that is in no catalogue (需求 → 认领): asked, assigned to the department that holds the duty,
//! accepted into an entry or refused, fulfilled when that entry is published.
//!
//! Pure. States, who may do what in which, and the clocks are data ([`WAY`], [`CLOCKS`]); a property walks them beside
//! a naive model.

use super::step::{REASON_CHARS_MAX, Who};
use policy::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Bilingual, Date, Kind, Problem, ResourceId, ensure};

/// A demand names at most this many items.
pub const WANTED_MAX: usize = 100;

/// Where a demand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DemandState {
    /// 待交办: the authority in charge looks for whose duty it is.
    Asked,
    /// 待认领: the department that holds the duty is to take it or refuse it.
    Assigned,
    /// 编制中: an entry is being compiled for it.
    Accepted,
    /// 已满足: the entry is published.
    Fulfilled,
    /// 已拒绝, with the reason.
    Refused,
}

impl DemandState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Asked, Self::Assigned, Self::Accepted, Self::Fulfilled, Self::Refused];

    /// Its word in the database and in formats.
    pub fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Assigned => "assigned",
            Self::Accepted => "accepted",
            Self::Fulfilled => "fulfilled",
            Self::Refused => "refused",
        }
    }

    /// Its title.
    pub fn title(self) -> Bilingual {
        match self {
            Self::Asked => Bilingual::new("待交办", "to be assigned"),
            Self::Assigned => Bilingual::new("待认领", "to be claimed"),
            Self::Accepted => Bilingual::new("编制中", "being compiled"),
            Self::Fulfilled => Bilingual::new("已满足", "fulfilled"),
            Self::Refused => Bilingual::new("已拒绝", "refused"),
        }
    }
}

/// What may be done: in which state, what, by whom, and where it leads.
pub const WAY: &[(DemandState, &str, Role, DemandState)] = &[
    (DemandState::Asked, "assign", Role::Approver, DemandState::Assigned),
    (DemandState::Asked, "refuse", Role::Approver, DemandState::Refused),
    // Assigned to the wrong one: the authority assigns anew.
    (DemandState::Assigned, "assign", Role::Approver, DemandState::Assigned),
    (DemandState::Assigned, "accept", Role::Cataloguer, DemandState::Accepted),
    (DemandState::Assigned, "refuse", Role::Cataloguer, DemandState::Refused),
    (DemandState::Fulfilled, "hear", Role::Requester, DemandState::Fulfilled),
    (DemandState::Refused, "hear", Role::Requester, DemandState::Refused),
];

/// Within how many working days a state is to be left (平台规则；法规未定时限).
pub const CLOCKS: &[(DemandState, u16)] =
    &[(DemandState::Asked, 2), (DemandState::Assigned, 5), (DemandState::Accepted, 20)];

/// The clock of a state.
pub fn clock(state: DemandState) -> Option<u16> {
    CLOCKS.iter().find(|it| it.0 == state).map(|it| it.1)
}

/// What is wanted, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Its title.
    pub title: Bilingual,
    /// 所需信息项.
    pub items: Vec<String>,
    /// 用途和依据: the duty and the legal article for which it is needed.
    pub basis: String,
}

/// A demand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// Where it is.
    pub state: DemandState,
    /// What is wanted.
    pub wanted: Wanted,
    /// Who asked.
    pub asker: String,
    /// The duty under which the data would be kept, once the authority found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duty: Option<ResourceId>,
    /// The department that holds that duty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<Bilingual>,
    /// The entry that is compiled for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<ResourceId>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Until when the present state is to be left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub due: Option<Date>,
    /// Whether the asker has heard how it ended.
    #[serde(default)]
    pub heard: bool,
}

/// What is done to a demand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DemandAct {
    /// 提出.
    Ask {
        /// What is wanted.
        wanted: Wanted,
    },
    /// 交办: to the department that holds this duty.
    Assign {
        /// The duty.
        duty: ResourceId,
    },
    /// 认领: an entry of this name is begun.
    Accept {
        /// The entry.
        entry: ResourceId,
        /// The front of its code; without it the cataloguer chooses one later.
        #[serde(default)]
        front: Option<String>,
    },
    /// 拒绝.
    Refuse {
        /// Why.
        reason: String,
    },
    /// 知悉: the asker has read how it ended.
    Hear {},
}

impl DemandAct {
    /// Its word in the history.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Ask { .. } => "ask",
            Self::Assign { .. } => "assign",
            Self::Accept { .. } => "accept",
            Self::Refuse { .. } => "refuse",
            Self::Hear {} => "hear",
        }
    }

    /// The reason that was given.
    pub fn reason(&self) -> &str {
        if let Self::Refuse { reason } = self { reason } else { "" }
    }
}

/// What `act` makes of a demand. `owner` is that of the duty that an assignment names.
///
/// # Errors
/// `catalog.demand_turn` when it is not what comes next, `policy.role`, `catalog.demand` when it is not told well,
/// `catalog.reason`.
pub fn demand_step(
    name: &ResourceId,
    before: Option<&Demand>,
    act: &DemandAct,
    who: &Who,
    owner: Option<&Bilingual>,
) -> Result<Demand, Problem> {
    if let DemandAct::Ask { wanted } = act {
        ensure!(who.roles.contains(&Role::Requester), missing_role(Role::Requester));
        return asked(name, before, wanted, who);
    }
    let before = before.ok_or_else(|| no_demand(name))?;
    let lines = || WAY.iter().filter(|it| it.0 == before.state && it.1 == act.word());
    let line = lines().next().ok_or_else(|| turn(name, before.state, act.word()))?;
    ensure!(who.roles.contains(&line.2), missing_role(line.2));
    let mut next = Demand { state: line.3, ..before.clone() };
    match act {
        DemandAct::Assign { duty } => {
            (next.duty, next.department) = (Some(duty.clone()), owner.cloned());
        }
        DemandAct::Accept { entry, .. } => next.entry = Some(entry.clone()),
        DemandAct::Refuse { reason } => {
            let chars = reason.trim().chars().count();
            ensure!((1..=REASON_CHARS_MAX).contains(&chars), super::Refusal::Reason);
            next.refused = Some(reason.clone());
        }
        DemandAct::Hear {} => {
            ensure!(before.asker == who.actor, not_yours(name));
            next.heard = true;
        }
        DemandAct::Ask { .. } => {}
    }
    Ok(next)
}

fn asked(name: &ResourceId, before: Option<&Demand>, wanted: &Wanted, who: &Who) -> Result<Demand, Problem> {
    let fits = |text: &str, max: usize| (1..=max).contains(&text.trim().chars().count());
    let items = (1..=WANTED_MAX).contains(&wanted.items.len()) && wanted.items.iter().all(|it| fits(it, 200));
    let told = items && fits(&wanted.title.zh, 200) && fits(&wanted.title.en, 200) && fits(&wanted.basis, 500);
    ensure!(told, untold());
    match before {
        // Asked again in the same words: as before.
        Some(it) if it.wanted == *wanted && it.asker == who.actor => Ok(it.clone()),
        Some(it) => Err(turn(name, it.state, "ask")),
        None => Ok(Demand {
            state: DemandState::Asked,
            wanted: wanted.clone(),
            asker: who.actor.clone(),
            duty: None,
            department: None,
            entry: None,
            refused: None,
            due: None,
            heard: false,
        }),
    }
}

fn untold() -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "catalog.demand",
        format!("需求应有中英文名称、1–{WANTED_MAX} 个信息项和依据（500 字以内）"),
        format!("a demand has a title in both languages, 1 to {WANTED_MAX} items and its basis (500 characters)"),
    )
    .field("/wanted")
}

/// The code of [`no_demand`].
pub(crate) const NO_DEMAND: &str = "catalog.no_demand";

pub(crate) fn no_demand(name: &ResourceId) -> Problem {
    Problem::new(
        Kind::Missing,
        NO_DEMAND,
        format!("没有需求 {name}；清单见 yunhe demand list"),
        format!("there is no demand {name}; yunhe demand list shows all"),
    )
}

fn turn(name: &ResourceId, state: DemandState, act: &str) -> Problem {
    let next: Vec<&str> = WAY.iter().filter(|it| it.0 == state).map(|it| it.1).collect();
    let (next, title) = (next.join(", "), state.title());
    Problem::new(
        Kind::Conflict,
        "catalog.demand_turn",
        format!("需求 {name} 现为“{}”，不能 {act}；可做：{next}", title.zh),
        format!("demand {name} is {} and takes no {act}; what may be done: {next}", title.en),
    )
    .with("state", state.word())
}

fn not_yours(name: &ResourceId) -> Problem {
    Problem::new(
        Kind::Refused,
        "catalog.demand_asker",
        format!("需求 {name} 由他人提出，只有提出人可标为已知悉"),
        format!("demand {name} is somebody else's; only its asker marks it as heard"),
    )
}

fn missing_role(role: Role) -> Problem {
    let word = format!("{role:?}").to_lowercase();
    Problem::new(
        Kind::Refused,
        "policy.role",
        format!("此步需要角色 {word}；请向系统管理员申请"),
        format!("the role {word} is needed for this step; ask your administrator"),
    )
}
