//! What decides: attempts, tokens, and who may hold which role.
//!
//! Pure. Invariants, each with a property test:
//! - within a window an account name is tried at most [`ATTEMPTS_MAX`] times without success, whether there is such an
//!   account or not; a window whose tries were spent is followed by one of twice its length;
//! - no account holds two of the three administrators' roles, or one of them beside another role, and none changes its
//!   own roles;
//! - one enabled administrator of each kind always remains.

use crate::{AccountName, Scope, role_word, scope};
use policy::{Actor, Role};
use std::collections::BTreeSet;
use vocabulary::{Kind, Problem, Timestamp, ensure};

/// Wrong passwords for one account name within a window; past them the name is locked until the window ends.
pub const ATTEMPTS_MAX: i64 = 5;
/// How long the first window is; each locked one is followed by one of twice the length.
pub const LOCK_MINUTES: i64 = 15;
/// No window is longer.
pub const LOCK_HOURS_MAX: i64 = 24;
/// A session lasts at most this long, however busy.
pub const SESSION_HOURS_MAX: i64 = 12;
/// A session that nothing is asked by for so long is over.
pub const IDLE_MINUTES_MAX: i64 = 30;
/// Live sessions of one account; one more ends the oldest.
pub const SESSIONS_MAX: i64 = 3;
/// A password that is older is changed before anything else.
pub const PASSWORD_DAYS_MAX: i64 = 90;
/// A new password is none of so many latest ones, the present one among them.
pub const PASSWORDS_KEPT: usize = 5;
/// A program's token lasts at most this long.
pub const TOKEN_DAYS_MAX: i64 = 366;

pub(crate) const LOCK_MICROS: i64 = LOCK_MINUTES * 60_000_000;
pub(crate) const LOCK_MICROS_MAX: i64 = LOCK_HOURS_MAX * 3_600_000_000;
/// A session's use is noted when the last note is older than this: a note is a write.
pub(crate) const NOTE_MICROS: i64 = 60_000_000;

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
    /// A session that nothing was asked by.
    #[error("nothing was asked by this session for {IDLE_MINUTES_MAX} minutes")]
    Idle,
    /// An administrator's token that no second factor stands behind.
    #[error("an administrator acts in a session with a second factor")]
    SecondFactor,
    /// The password was reset and the account not yet unlocked.
    #[error("the password was reset and the account is not yet unlocked")]
    AwaitsUnlock,
    /// The password is the first one, was reset, or is too old.
    #[error("the password must be changed first: it was given, or is older than {PASSWORD_DAYS_MAX} days")]
    ChangeFirst,
    /// An administrator without a second factor.
    #[error("an administrator needs a second factor first")]
    EnrolFirst,
    /// The password is right and a code is needed besides.
    #[error("a one-time code is needed besides the password")]
    CodeNeeded,
    /// The code is wrong or was used.
    #[error("the one-time code is wrong, too old or used already")]
    Code,
    /// There is no second factor to confirm.
    #[error("no second factor waits to be confirmed")]
    NotEnrolling,
    /// One of the latest passwords.
    #[error("the new password is one of the latest {PASSWORDS_KEPT}")]
    PasswordRepeated,
    /// Somebody is in that office.
    #[error("an administrator of that kind is in office: {0}")]
    InOffice(String),
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
    #[error("{0} is the last {1}")]
    LastAdministrator(AccountName, &'static str),
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        if let Some(problem) = entry_problem(&refusal) {
            return problem;
        }
        let en = refusal.to_string();
        let new =
            |kind, code: &'static str, zh: String, remedy: &str| Self::new(kind, code, zh, format!("{en}; {remedy}"));
        let who = Kind::Unauthenticated;
        match &refusal {
            Refusal::Credentials => new(who, "identity.credentials", "账号或密码不对；请重试".to_owned(), "try again"),
            Refusal::Locked(until) => {
                let zh = format!("登录失败已达 {ATTEMPTS_MAX} 次，锁定至 {until}；请届时再试，或请安全管理员解锁");
                let remedy = "try again then, or ask the security administrator";
                new(Kind::TooMany, "identity.locked", zh, remedy).with("until", until.to_string())
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
                let zh = format!("同一账号不得兼任 {one} 与 {other}（三员分设，管理员不兼业务岗位）");
                new(Kind::Refused, "identity.apart", zh, "use two accounts of two people").field("/roles")
            }
            Refusal::NotForPeople => {
                let zh = "application 角色只授予应用系统；请登记应用系统并为其签发令牌".to_owned();
                new(Kind::Refused, "identity.not_for_people", zh, "register an application and issue it a token")
            }
            Refusal::Oneself => {
                let zh = "不得更改自己的角色、状态或凭据；请另一名管理员办理".to_owned();
                new(Kind::Refused, "identity.oneself", zh, "ask another administrator")
            }
            Refusal::LastAdministrator(name, office) => {
                let zh = format!("{name} 是最后一名 {office}；请先另设一名");
                new(Kind::Conflict, "identity.last_administrator", zh, "appoint another one first")
            }
            // Those of the entry were told above.
            _ => new(Kind::Refused, "identity.refused", "请求被拒绝".to_owned(), "ask your administrators"),
        }
    }
}

/// What stands between a right password and a session, as a problem.
fn entry_problem(refusal: &Refusal) -> Option<Problem> {
    let who = Kind::Unauthenticated;
    let (kind, code, zh, remedy) = match refusal {
        Refusal::Idle => {
            let zh = format!("会话闲置已满 {IDLE_MINUTES_MAX} 分钟；请重新登录");
            (who, "identity.idle", zh, "sign in again".to_owned())
        }
        Refusal::SecondFactor => {
            let zh = "管理员须以口令加动态码登录后办理，令牌无效；请登录".to_owned();
            (who, "identity.second_factor", zh, "sign in with password and code".to_owned())
        }
        Refusal::AwaitsUnlock => {
            let zh = "密码已重置，账号尚待安全管理员解锁".to_owned();
            (Kind::Refused, "identity.awaits_unlock", zh, "ask the security administrator to unlock it".to_owned())
        }
        Refusal::ChangeFirst => {
            let zh = format!(
                "须先修改密码（初始密码、重置后的密码，或已满 {PASSWORD_DAYS_MAX} 天）：yunhe user change-password"
            );
            (Kind::Refused, "identity.change_first", zh, "change it: yunhe user change-password".to_owned())
        }
        Refusal::EnrolFirst => {
            let zh = "管理员须先绑定动态口令：yunhe user enrol，再以 yunhe user confirm 确认".to_owned();
            let remedy = "enrol it: yunhe user enrol, then yunhe user confirm".to_owned();
            (Kind::Refused, "identity.enrol_first", zh, remedy)
        }
        Refusal::CodeNeeded => {
            let zh = "密码之外还需动态码（六位数字）或一枚恢复码".to_owned();
            (who, "identity.code_needed", zh, "give the six digits, or a recovery code".to_owned())
        }
        Refusal::Code => {
            let zh = "动态码不对、已过时或已用过；请待下一个动态码".to_owned();
            (who, "identity.code", zh, "wait for the next one".to_owned())
        }
        Refusal::NotEnrolling => {
            let zh = "没有待确认的动态口令；请先绑定（yunhe user enrol）".to_owned();
            (Kind::Conflict, "identity.not_enrolling", zh, "begin with yunhe user enrol".to_owned())
        }
        Refusal::PasswordRepeated => {
            let zh = format!("新密码不得与最近 {PASSWORDS_KEPT} 个相同；请另选");
            (Kind::Unprocessable, "identity.password_repeated", zh, "choose another".to_owned())
        }
        Refusal::InOffice(name) => {
            let zh = format!("{name} 已在任；本机任命只用于无人在任之时，请按岗位办理");
            let remedy = "appointing on the machine is for when there is none".to_owned();
            (Kind::Conflict, "identity.in_office", zh, remedy)
        }
        _ => return None,
    };
    Some(Problem::new(kind, code, zh, format!("{refusal}; {remedy}")))
}

/// Unsuccessful tries of one account name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// How many in the window.
    pub count: i64,
    /// When the window began, in µs.
    pub since: i64,
    /// How long it is, in µs.
    pub span: i64,
}

impl Attempts {
    /// When the window ends.
    pub(crate) fn end(self) -> Timestamp {
        vocabulary::timestamp_from_micros(self.since.saturating_add(self.span)).unwrap_or(Timestamp::MAX)
    }
}

/// Counts one more try before its password is looked at, so that many at once do not slip through.
///
/// # Errors
/// [`Refusal::Locked`] when the window has had its tries. The statement `COUNT` in `store.rs` says the same.
pub fn attempt(earlier: Attempts, now: Timestamp) -> Result<Attempts, Refusal> {
    let at = vocabulary::micros(now);
    if earlier.count == 0 {
        return Ok(Attempts { count: 1, since: at, span: LOCK_MICROS });
    }
    if at >= earlier.since + earlier.span {
        let locked = earlier.count >= ATTEMPTS_MAX;
        let span = if locked { (earlier.span * 2).min(LOCK_MICROS_MAX) } else { earlier.span };
        return Ok(Attempts { count: 1, since: at, span });
    }
    ensure!(earlier.count < ATTEMPTS_MAX, Refusal::Locked(earlier.end()));
    Ok(Attempts { count: earlier.count + 1, ..earlier })
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
    /// Of a session: when something was last asked by it.
    pub session_seen_at: Option<Timestamp>,
    /// Whether its holder is an administrator.
    pub administers: bool,
    /// Whether it is a session that a second factor stands behind.
    pub second_factor: bool,
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
    let idle = facts.session_seen_at.is_some_and(|it| now >= after_minutes(it, IDLE_MINUTES_MAX));
    ensure!(!idle, Refusal::Idle);
    ensure!(!facts.administers || facts.second_factor, Refusal::SecondFactor);
    Ok(())
}

/// What is known of an account whose password was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryFacts {
    /// Its password was reset and nobody has unlocked it.
    pub awaits_unlock: bool,
    /// Its password was given, not chosen.
    pub must_change: bool,
    /// Since when it has its password.
    pub password_at: Timestamp,
    /// It is an administrator.
    pub administers: bool,
    /// It has a second factor.
    pub has_factor: bool,
    /// A code was shown.
    pub shows_code: bool,
}

/// What whoever has proven a password wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A session.
    Session,
    /// Another password.
    Password,
    /// A second factor, or another one.
    Factor,
}

/// Decides what else must be done first. Whether a code is right is seen after this.
///
/// # Errors
/// The first thing that must.
pub fn entry(facts: EntryFacts, wish: Wish, now: Timestamp) -> Result<(), Refusal> {
    ensure!(!facts.awaits_unlock, Refusal::AwaitsUnlock);
    // Whoever has a second factor proves it before hearing more, and before changing anything.
    ensure!(!facts.has_factor || facts.shows_code, Refusal::CodeNeeded);
    let fresh = now < after(facts.password_at, PASSWORD_DAYS_MAX * 24);
    ensure!(wish == Wish::Password || (!facts.must_change && fresh), Refusal::ChangeFirst);
    ensure!(wish != Wish::Session || !facts.administers || facts.has_factor, Refusal::EnrolFirst);
    Ok(())
}

fn after_minutes(at: Timestamp, minutes: i64) -> Timestamp {
    at.checked_add(jiff::SignedDuration::from_mins(minutes)).unwrap_or(Timestamp::MAX)
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

/// Decides whether one person may hold `roles` together: an administrator holds one role and no other, for who makes
/// accounts, who says what they may do, and who looks at both are three people, and none of them does business.
///
/// # Errors
/// [`Refusal::Apart`], [`Refusal::NotForPeople`].
pub fn roles_together(roles: &BTreeSet<Role>) -> Result<(), Refusal> {
    ensure!(!roles.contains(&Role::Application), Refusal::NotForPeople);
    let Some(office) = roles.iter().find(|it| it.administers()) else { return Ok(()) };
    match roles.iter().find(|it| *it != office) {
        Some(other) => Err(Refusal::Apart(role_word(*office), role_word(*other))),
        None => Ok(()),
    }
}

/// What is known where an account's roles or state change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdministratorFacts {
    /// The office that it holds and is enabled in.
    pub office: Option<Role>,
    /// It will still hold it.
    pub stays: bool,
    /// How many other enabled accounts hold that office.
    pub others: i64,
}

/// Decides whether `by` may change the roles or the state of `account`.
///
/// # Errors
/// [`Refusal::Oneself`]; [`Refusal::LastAdministrator`] when nobody would be left.
pub fn change_account(by: &Actor, account: &AccountName, facts: AdministratorFacts) -> Result<(), Refusal> {
    not_oneself(by, account)?;
    match facts.office {
        Some(office) if !facts.stays && facts.others == 0 => {
            Err(Refusal::LastAdministrator(account.clone(), role_word(office)))
        }
        _ => Ok(()),
    }
}

/// Decides whether `by` may change the credentials of `account` from outside.
///
/// # Errors
/// [`Refusal::Oneself`].
pub fn not_oneself(by: &Actor, account: &AccountName) -> Result<(), Refusal> {
    ensure!(!matches!(by, Actor::Person(it) if it == account.as_str()), Refusal::Oneself);
    Ok(())
}
