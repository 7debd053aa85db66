//! Audit 审计: what administrators did, were refused and looked at: written down, listed, exported.
//!
//! What is done is written in the unit of work that does it. What is refused, and what the audit administrator looks
//! at, is written afterwards: the first time in a window, with how often it came in the window before, so that whoever
//! knocks for ever fills no log.

use crate::{Organisation, OrganisationConfig, draw_salt, organisation::database_url};
use evidence::{
    Salt,
    act::{self, ActFilter, NewAct, Outcome, StoredAct, export},
};
use jiff::SignedDuration;
use policy::{Principal, Role};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path, sync::PoisonError};
use store::{Store, Tx, transact};
use vocabulary::{Bilingual, Digest, Kind, Problem, Timestamp, ensure};

/// The same call of the same administrator is written down once in so many minutes.
pub const NOTE_MINUTES: i64 = 15;
/// Windows at a time; past it the oldest is forgotten, and its call written down anew.
const NOTED_MAX: usize = 4_096;
/// A path is written down up to so many bytes.
const PATH_BYTES_MAX: usize = 512;

/// Every kind of act, with its titles.
pub const ACTS: [(&str, &str, &str); 29] = [
    ("access.read", "审计管理员查阅", "the audit administrator looked"),
    ("access.refused", "操作被拒绝", "an act was refused"),
    ("audit.export", "导出操作记录", "acts were exported"),
    ("federation.adopt", "采纳成员日志条目", "membership entries were taken over"),
    ("federation.join", "加入联邦", "a federation was joined"),
    ("identity.appoint", "任命管理员", "an administrator was appointed"),
    ("identity.change_password", "修改密码", "a password was changed"),
    ("identity.confirm_factor", "确认动态口令", "a second factor was confirmed"),
    ("identity.create_account", "开立账户", "an account was opened"),
    ("identity.enrol", "绑定动态口令", "a second factor was begun"),
    ("identity.issue_token", "签发令牌", "a token was issued"),
    ("identity.register_application", "登记应用系统", "an application was registered"),
    ("identity.reset_factor", "撤销动态口令", "a second factor was taken away"),
    ("identity.reset_password", "重置密码", "a password was reset"),
    ("identity.retire_application", "注销应用系统", "an application was retired"),
    ("identity.revoke_token", "撤销令牌", "a token was taken back"),
    ("identity.set_enabled", "停用或启用账户", "an account was disabled or enabled"),
    ("identity.set_roles", "授予角色", "roles were given"),
    ("identity.sign_in", "登录", "somebody signed in"),
    ("identity.sign_in_refused", "登录被拒绝", "a sign-in was refused"),
    ("identity.sign_out", "退出登录", "somebody signed out"),
    ("identity.unlock", "解锁账户", "an account was unlocked"),
    ("key.prepare", "备好下一密钥", "the next key was drawn"),
    ("key.retire", "停用旧密钥", "old keys were given up"),
    ("key.use", "启用下一密钥", "the next key was put to use"),
    ("node.backup", "制作备份", "a backup was made"),
    ("node.restore", "从备份恢复", "a backup was put back"),
    ("node.settings", "更改配置或版本", "settings or version changed"),
    ("pack.install", "安装数据包", "a pack was installed"),
];

/// The titles of a kind of act; its word where there are none.
pub fn act_title(word: &str) -> Bilingual {
    let known = ACTS.iter().find(|it| it.0 == word);
    known.map_or_else(|| Bilingual::new(word, word), |(_, zh, en)| Bilingual::new(*zh, *en))
}

/// Which acts are listed.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActsAsk {
    /// Below this number; left out, from the newest on.
    pub before: Option<u64>,
    /// At most so many; 100 unless said, 500 at most.
    pub limit: Option<u32>,
    /// By whom: an account's name, or `job:membership`.
    pub by: Option<String>,
    /// Of which kind: `identity.set_roles`.
    pub act: Option<String>,
    /// With which outcome.
    pub outcome: Option<Outcome>,
    /// From when on.
    #[schemars(with = "Option<String>")]
    pub from: Option<Timestamp>,
    /// Until when, itself included.
    #[schemars(with = "Option<String>")]
    pub to: Option<Timestamp>,
}

/// An act as a list shows it.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct ActView {
    /// Its number among all acts here.
    pub number: u64,
    /// Its leaf.
    pub digest: Digest,
    /// The epoch of its log, once it is published.
    pub epoch: Option<u32>,
    /// Its index in that log.
    pub index: Option<u64>,
    /// What kind it is, in words.
    pub title: Option<Bilingual>,
    /// The act itself; none when its row cannot be read any more, which `yunhe audit verify` says.
    pub body: Option<act::ActBody>,
}

/// A page of acts, newest first.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct ActsPage {
    /// The acts.
    pub acts: Vec<ActView>,
    /// Ask again below this number for older ones; none at the end.
    pub before: Option<u64>,
}

/// A period to export.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportActsAsk {
    /// From when on.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// Until when, itself included; what is later than now is now.
    #[schemars(with = "String")]
    pub to: Timestamp,
}

/// An export that has begun.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct ExportBegun {
    /// The number of the act that began it, by which its pages are asked for.
    pub export: u64,
    /// What is exported.
    pub period: export::Period,
}

/// Which page of an export.
#[derive(Clone, Copy, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportedAsk {
    /// Acts above this number; left out, from the first on.
    pub after: Option<u64>,
    /// The epoch of an earlier export's log, to prove that this one goes on from it.
    pub earlier_epoch: Option<u32>,
    /// That log's size then.
    pub earlier_size: Option<u64>,
}

/// A page of an export.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Exported {
    /// The acts with their proofs.
    #[serde(flatten)]
    pub page: export::Page,
    /// The proof that the log goes on from the earlier export, where one was named; none where it knows less.
    pub continued: Option<export::Continued>,
}

/// Looking at acts.
#[derive(Debug)]
struct ReadActs;

impl policy::Ask for ReadActs {
    fn need(&self) -> policy::Need<'_> {
        policy::Need::Role(&[Role::AuditAdministrator])
    }
}

/// What somebody called, and what came of it.
#[derive(Clone, Debug)]
pub struct Called {
    /// The method.
    pub method: String,
    /// The route as it stands in the table.
    pub route: String,
    /// The path as it was asked for.
    pub path: String,
    /// Why it was refused; none when it was done.
    pub refused: Option<String>,
}

/// Windows in which the same is not written down twice.
#[derive(Debug, Default)]
pub(crate) struct Noted(BTreeMap<(String, String), (Timestamp, u64)>);

impl Noted {
    /// Counts; says how often it came in the window before when a new one begins.
    fn count(&mut self, key: (String, String), now: Timestamp) -> Option<u64> {
        let window = SignedDuration::from_mins(NOTE_MINUTES);
        if let Some((since, count)) = self.0.get_mut(&key) {
            if now.duration_since(*since) < window {
                *count += 1;
                return None;
            }
            let before = *count;
            (*since, *count) = (now, 1);
            return Some(before);
        }
        if self.0.len() >= NOTED_MAX {
            self.0.retain(|_, (since, _)| now.duration_since(*since) < window);
        }
        if self.0.len() >= NOTED_MAX
            && let Some(oldest) = self.0.iter().min_by_key(|it| it.1.0).map(|it| it.0.clone())
        {
            self.0.remove(&oldest);
        }
        self.0.insert(key, (now, 1));
        Some(0)
    }
}

/// Writes an act that was done down, as the last thing of its unit of work.
pub(crate) async fn leave(
    tx: &mut Tx,
    principal: &Principal,
    (act, about): (&'static str, Value),
    salt: Salt,
    now: Timestamp,
) -> Result<act::Recorded, Problem> {
    act::record(tx, new_act(principal, (act, about), None), salt, now).await
}

fn new_act<'a>(principal: &'a Principal, (act, about): (&'static str, Value), refused: Option<String>) -> NewAct<'a> {
    NewAct {
        act,
        by: principal.actor.to_string(),
        roles: principal.roles.iter().map(|it| identity::role_word(*it).to_owned()).collect(),
        organisation: &principal.organisation,
        about,
        outcome: if refused.is_some() { Outcome::Refused } else { Outcome::Done },
        code: refused,
    }
}

/// Writes down what was done by a command on the machine, beside the node or without it. Whoever can run one has the
/// machine: what they do is written down, and never kept from them because it could not be.
pub async fn leave_on_machine(
    home: &Path,
    config: &OrganisationConfig,
    (act, mut about): (&'static str, Value),
    now: Timestamp,
) {
    let uid = rustix::process::getuid().as_raw();
    if let Some(about) = about.as_object_mut() {
        about.insert("uid".to_owned(), uid.into());
    }
    let principal = Principal::job(config.id.clone(), "machine", []);
    let done = async {
        let (url, schema) = database_url(home, config);
        let store = Store::attend(&url, &schema).await?;
        let salt = draw_salt()?;
        let done = transact!(store, None, |tx| leave(tx, &principal, (act, about.clone()), salt, now).await);
        store.close().await;
        done
    };
    if let Err(problem) = done.await {
        tracing::warn!(act, %problem, "what was done on the machine was not written down");
    }
}

/// Who an act was by, as it is asked for: an account by its name alone.
fn actor(by: &str) -> String {
    if by.is_empty() || by.contains(':') { by.to_owned() } else { format!("person:{by}") }
}

fn view(act: StoredAct) -> ActView {
    let body = act.body();
    let (epoch, index) = act.place.unzip();
    let title = body.as_ref().map(|it| act_title(&it.act));
    ActView { number: act.number, digest: act.digest, epoch, index, title, body }
}

fn unknown_act(word: &str) -> Problem {
    let known = ACTS.map(|it| it.0).join(", ");
    Problem::new(
        Kind::Unprocessable,
        "audit.act",
        format!("没有操作类别“{word}”；可用：{known}"),
        format!("there is no kind of act {word:?}; known: {known}"),
    )
    .field("/act")
}

impl Organisation {
    /// A page of acts, newest first.
    ///
    /// # Errors
    /// `policy.role`, `audit.act`.
    pub async fn acts(&self, principal: &Principal, ask: ActsAsk) -> Result<ActsPage, Problem> {
        self.permit(principal, ReadActs)?;
        let word = ask.act.unwrap_or_default();
        ensure!(word.is_empty() || ACTS.iter().any(|it| it.0 == word), unknown_act(&word));
        let by = actor(&ask.by.unwrap_or_default());
        let filter = ActFilter { by, act: word, outcome: ask.outcome, from: ask.from, to: ask.to };
        let limit = ask.limit.unwrap_or(100).clamp(1, act::ACTS_PAGE_MAX);
        let found = act::acts(&mut self.store.read().await?, &filter, ask.before, limit).await?;
        let full = found.len() == limit as usize;
        let before = found.last().filter(|it| full && it.number > 1).map(|it| it.number);
        Ok(ActsPage { acts: found.into_iter().map(view).collect(), before })
    }

    /// Begins an export of a period; that it began is an act itself.
    ///
    /// # Errors
    /// `policy.role`, `audit.period`, `audit.too_many`.
    pub async fn export_acts(&self, principal: &Principal, ask: ExportActsAsk) -> Result<ExportBegun, Problem> {
        self.permit(principal, ReadActs)?;
        let (salt, now) = (draw_salt()?, self.now());
        act::check_period(ask.from, ask.to)?;
        let to = ask.to.min(now).max(ask.from);
        let (export, period) = transact!(self.store, None, |tx| {
            let (first, last) = act::period(tx, ask.from, to).await?;
            let acts = (last + 1).saturating_sub(first);
            ensure!(acts <= export::EXPORT_ACTS_MAX, too_many(acts));
            let period = export::Period { from: ask.from, to, first, last };
            let about = serde_json::to_value(period).unwrap_or_default();
            let begun = leave(tx, principal, (export::BEGAN, about), salt, now).await?;
            Ok((begun.number, period))
        })?;
        Ok(ExportBegun { export, period })
    }

    /// A page of an export that has begun.
    ///
    /// # Errors
    /// `policy.role`, `audit.export`, `audit.waiting` (503).
    pub async fn exported_acts(
        &self,
        principal: &Principal,
        number: u64,
        ask: ExportedAsk,
    ) -> Result<Exported, Problem> {
        self.permit(principal, ReadActs)?;
        let mut reader = self.store.snapshot().await?;
        let page = act::export_page(&mut reader, number, ask.after.unwrap_or(0)).await?;
        let continued = match ask.earlier_epoch.zip(ask.earlier_size) {
            Some(earlier) => act::continued(&mut reader, number, earlier).await?,
            None => None,
        };
        Ok(Exported { page, continued })
    }

    /// Writes down what an administrator was refused, and what the audit administrator looked at. What cannot be
    /// written is told in the node's own log, and keeps nobody from looking.
    pub async fn note_call(&self, principal: &Principal, called: Called) {
        let now = self.now();
        let key = format!("{} {} {}", called.method, called.route, called.refused.as_deref().unwrap_or_default());
        let before = {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.count((principal.actor.to_string(), key), now)
        };
        let Some(before) = before else { return };
        let mut path = called.path;
        path.truncate(path.floor_char_boundary(PATH_BYTES_MAX));
        let mut about = json!({"method": called.method, "route": called.route, "path": path});
        if before > 1 {
            // Of these one was written down.
            about["in_last_window"] = before.into();
        }
        let act = if called.refused.is_some() { "access.refused" } else { "access.read" };
        let done = async {
            let salt = draw_salt()?;
            transact!(self.store, None, |tx| {
                let act = new_act(principal, (act, about.clone()), called.refused.clone());
                act::record(tx, act, salt, now).await
            })
        };
        if let Err(problem) = done.await {
            tracing::warn!(%problem, act, "a call of an administrator was not written down");
        }
    }
}

fn too_many(acts: u64) -> Problem {
    let max = export::EXPORT_ACTS_MAX;
    Problem::new(
        Kind::Unprocessable,
        "audit.too_many",
        format!("该时段有 {acts} 项操作，一次至多导出 {max} 项；请分段导出"),
        format!("this period has {acts} acts and one export holds {max} at most; export it in parts"),
    )
    .field("/from")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap()
    }

    fn key(name: &str) -> (String, String) {
        (name.to_owned(), "GET /v1/users policy.role".to_owned())
    }

    #[test]
    fn the_same_call_is_written_down_once_a_window() {
        let mut noted = Noted::default();
        let told = [0, 1, 14, 15, 16, 40].map(|minute| noted.count(key("li"), at(minute)));
        assert_eq!(told, [Some(0), None, None, Some(3), None, Some(2)]);
        assert_eq!(noted.count(key("wang"), at(1)), Some(0));
    }

    #[test]
    fn windows_are_bounded() {
        let mut noted = Noted::default();
        for number in 0..3 * NOTED_MAX {
            assert_eq!(noted.count(key(&number.to_string()), at(0)), Some(0));
        }
        assert_eq!(noted.0.len(), NOTED_MAX);
        assert_eq!(noted.count(key("later"), at(60)), Some(0));
        assert_eq!(noted.0.len(), 1, "windows that ended are forgotten");
    }

    #[test]
    fn kinds_are_in_order_and_have_titles() {
        assert!(ACTS.is_sorted_by(|one, other| one.0 < other.0));
        assert_eq!(act_title("pack.install").zh, "安装数据包");
        assert_eq!(act_title("other").en, "other");
    }
}
