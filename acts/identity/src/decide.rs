//! What decides: attempts, tokens, and who may hold which role.
//!
//! Pure. Invariants, each with a property test:
//! - within any window of [`LOCK_MINUTES`] an account name is tried at most [`ATTEMPTS_MAX`] times without success,
//!   whether there is such an account or not;
//! - no account both changes and audits, and none changes its own roles;
//! - one enabled administrator always remains.

use crate::{AccountName, Scope, role_word, scope};
use policy::{Actor, Role};
use std::collections::BTreeSet;
use vocabulary::{Kind, Problem, Timestamp, ensure};

/// Wrong passwords for one account name within a window; past them the name is locked until the window ends.
pub const ATTEMPTS_MAX: i64 = 5;
/// How long the window is.
pub const LOCK_MINUTES: i64 = 15;
/// A session lasts at most this long.
pub const SESSION_HOURS_MAX: i64 = 12;
/// A program's token lasts at most this long.
pub const TOKEN_DAYS_MAX: i64 = 366;

pub(crate) const LOCK_MICROS: i64 = LOCK_MINUTES * 60_000_000;

/// Why an act of identity does not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Name or password is wrong: which, nobody is told.
    #[error("account name or password is wrong")]
    Credentials,
    /// Too many wrong passwords.
    #[error("locked until {0} after {ATTEMPTS_MAX} wrong passwords")]
    Locked(Timestamp),
    /// No such token.
    #[error("the token is not known")]
    TokenUnknown,
    /// A token past its time.
    #[error("the token ended at {0}")]
    TokenExpired(Timestamp),
    /// A token that was taken back.
    #[error("the token was revoked")]
    TokenRevoked,
    /// Whom the token speaks for was disabled or retired.
    #[error("the holder of the token is disabled")]
    HolderDisabled,
    /// A token that would last too long, or not at all.
    #[error("a token may end between now and {0}")]
    Lifetime(Timestamp),
    /// The token does not cover what is asked.
    #[error("the token has none of the scopes {0}")]
    Scope(String),
    /// Two roles that one account may not hold.
    #[error("one account may not be {0} and {1}")]
    Apart(&'static str, &'static str),
    /// A person may not be an application system.
    #[error("the role application is for programs")]
    NotForPeople,
    /// Somebody changes the own account.
    #[error("nobody changes the own roles or state")]
    Oneself,
    /// Nobody would be left who can.
    #[error("{0} is the last administrator")]
    LastAdministrator(AccountName),
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let en = refusal.to_string();
        let new =
            |kind, code: &'static str, zh: String, remedy: &str| Self::new(kind, code, zh, format!("{en}; {remedy}"));
        let who = Kind::Unauthenticated;
        match &refusal {
            Refusal::Credentials => new(who, "identity.credentials", "账号或密码不对；请重试".to_owned(), "try again"),
            Refusal::Locked(until) => {
                let zh = format!("密码错误已达 {ATTEMPTS_MAX} 次，锁定至 {until}；请届时再试");
                new(Kind::TooMany, "identity.locked", zh, "try again then").with("until", until.to_string())
            }
            Refusal::TokenUnknown => {
                new(who, "identity.token", "令牌无效；请重新登录或申请令牌".to_owned(), "sign in again or ask for one")
            }
            Refusal::TokenExpired(at) => new(
                who,
                "identity.token_expired",
                format!("令牌已于 {at} 到期；请重新登录或换发"),
                "sign in again or renew it",
            ),
            Refusal::TokenRevoked => new(
                who,
                "identity.token_revoked",
                "令牌已吊销；请重新登录或申请令牌".to_owned(),
                "sign in again or ask for one",
            ),
            Refusal::HolderDisabled => {
                let zh = "令牌持有人已停用；请联系系统管理员".to_owned();
                new(who, "identity.holder_disabled", zh, "ask your administrator")
            }
            Refusal::Lifetime(latest) => {
                let zh = format!("令牌的到期时间应在此刻与 {latest} 之间");
                new(Kind::Unprocessable, "identity.lifetime", zh, "choose such a time").field("/expires_at")
            }
            Refusal::Scope(scope) => {
                let zh = format!("令牌不含所需范围（{scope} 之一）；请申请含此范围的令牌");
                new(Kind::Refused, "identity.scope", zh, "ask for one that has").with("scopes", scope.as_str())
            }
            Refusal::Apart(one, other) => {
                let zh = format!("同一账号不得兼任 {one} 与 {other}（管理与审计分设）");
                new(Kind::Refused, "identity.apart", zh, "use two accounts of two people").field("/roles")
            }
            Refusal::NotForPeople => {
                let zh = "application 角色只授予应用系统；请登记应用系统并为其签发令牌".to_owned();
                new(Kind::Refused, "identity.not_for_people", zh, "register an application and issue it a token")
            }
            Refusal::Oneself => {
                let zh = "不得更改自己的角色或状态；请另一系统管理员办理".to_owned();
                new(Kind::Refused, "identity.oneself", zh, "ask another administrator")
            }
            Refusal::LastAdministrator(name) => {
                let zh = format!("{name} 是最后一名系统管理员；请先另设一名");
                new(Kind::Conflict, "identity.last_administrator", zh, "appoint another one first")
            }
        }
    }
}

/// Unsuccessful tries of one account name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// How many in the window.
    pub count: i64,
    /// When the window began, in µs.
    pub since: i64,
}

/// Counts one more try before its password is looked at, so that many at once do not slip through.
///
/// # Errors
/// [`Refusal::Locked`] when the window has had its tries. The statement `COUNT` in `store.rs` says the same.
pub fn attempt(earlier: Attempts, now: Timestamp) -> Result<Attempts, Refusal> {
    let at = vocabulary::micros(now);
    if earlier.count == 0 || at >= earlier.since + LOCK_MICROS {
        return Ok(Attempts { count: 1, since: at });
    }
    ensure!(earlier.count < ATTEMPTS_MAX, Refusal::Locked(window_end(earlier.since)));
    Ok(Attempts { count: earlier.count + 1, ..earlier })
}

pub(crate) fn window_end(since: i64) -> Timestamp {
    vocabulary::timestamp_from_micros(since.saturating_add(LOCK_MICROS)).unwrap_or(Timestamp::MAX)
}

/// What is known of a token that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether it was taken back.
    pub revoked: bool,
    /// Whether its holder was disabled or retired.
    pub holder_disabled: bool,
}

/// Decides whether a token that was shown is good.
///
/// # Errors
/// The first reason why not. Whoever shows the secret may know the reason.
pub fn token(facts: Option<TokenFacts>, now: Timestamp) -> Result<(), Refusal> {
    let facts = facts.ok_or(Refusal::TokenUnknown)?;
    ensure!(!facts.revoked, Refusal::TokenRevoked);
    ensure!(now < facts.expires_at, Refusal::TokenExpired(facts.expires_at));
    ensure!(!facts.holder_disabled, Refusal::HolderDisabled);
    Ok(())
}

/// Decides whether a token covers what needs one of the scopes `needs`. `held` is `None` for a session, which covers
/// whatever its holder's roles allow.
///
/// # Errors
/// [`Refusal::Scope`] with the scopes that would do.
pub fn scope(held: Option<&BTreeSet<Scope>>, needs: &[Scope]) -> Result<(), Refusal> {
    let covered = held.is_none_or(|held| held.contains(&Scope::All) || needs.iter().any(|it| held.contains(it)));
    ensure!(covered, Refusal::Scope(scope::words(needs)));
    Ok(())
}

/// Decides when a program's token may end.
///
/// # Errors
/// [`Refusal::Lifetime`] outside now and [`TOKEN_DAYS_MAX`] days.
pub fn lifetime(expires_at: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    let latest = after(now, TOKEN_DAYS_MAX * 24);
    ensure!(now < expires_at && expires_at <= latest, Refusal::Lifetime(latest));
    Ok(())
}

/// When a session that begins now ends.
pub fn session_end(now: Timestamp) -> Timestamp {
    after(now, SESSION_HOURS_MAX)
}

fn after(now: Timestamp, hours: i64) -> Timestamp {
    now.checked_add(jiff::SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MAX)
}

/// Decides whether one person may hold `roles` together: who can change is not who looks whether it was changed.
///
/// # Errors
/// [`Refusal::Apart`], [`Refusal::NotForPeople`].
pub fn roles_together(roles: &BTreeSet<Role>) -> Result<(), Refusal> {
    ensure!(!roles.contains(&Role::Application), Refusal::NotForPeople);
    if roles.contains(&Role::Auditor)
        && let Some(other) = roles.iter().find(|it| **it != Role::Auditor)
    {
        return Err(Refusal::Apart(role_word(Role::Auditor), role_word(*other)));
    }
    Ok(())
}

/// What is known where an account's roles or state change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdministratorFacts {
    /// It is an enabled administrator.
    pub was: bool,
    /// It will still be one.
    pub stays: bool,
    /// How many other enabled administrators there are.
    pub others: i64,
}

/// Decides whether `by` may change the roles or the state of `account`.
///
/// # Errors
/// [`Refusal::Oneself`]; [`Refusal::LastAdministrator`] when nobody would be left.
pub fn change_account(by: &Actor, account: &AccountName, facts: AdministratorFacts) -> Result<(), Refusal> {
    ensure!(!matches!(by, Actor::Person(it) if it == account.as_str()), Refusal::Oneself);
    ensure!(!facts.was || facts.stays || facts.others > 0, Refusal::LastAdministrator(account.clone()));
    Ok(())
}
