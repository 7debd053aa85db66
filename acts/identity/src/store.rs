//! Application systems and tokens in SQL. All of one store belong to one organisation.

use crate::{
    AccountName, ApplicationName, Holder, IssueToken, ListIdentities, RegisterApplication, RetireApplication,
    RevokeToken, Scope, TokenDigest, TokenId,
    account::{is_enabled, no_account, roles_of},
    decide::{self, NOTE_MICROS, Refusal, SESSIONS_MAX, TokenFacts},
    trace,
};
use evidence::Salt;
use policy::{Actor, Permit, Principal, Role};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;
use store::{Reader, Row, Store, Tx, args};
use vocabulary::{
    Bilingual, Kind, OrganisationId, Problem, Timestamp, date_in_shanghai, ensure, micros, timestamp_from_micros,
};

const MIGRATIONS: &[&str] = &[include_str!("../migrations/001.sql"), include_str!("../migrations/002.sql")];
/// A page of a list is at most this long.
pub const PAGE_MAX: u32 = 500;

const REGISTER: &str = "
    INSERT INTO identity_application (name, title, matter, retired, created_at)
    VALUES ($1, $2, $3, 0, $4) ON CONFLICT (name) DO NOTHING";
const RETIRE: &str = "UPDATE identity_application SET retired = 1 WHERE name = $1";
const END_APPLICATION_TOKENS: &str = "
    UPDATE identity_token SET revoked_at = $2 WHERE application = $1 AND revoked_at IS NULL";
const APPLICATION: &str = "SELECT name, title, matter, retired FROM identity_application WHERE name = $1";
const ISSUE: &str = "
    INSERT INTO identity_token (id, digest, account, application, scopes, created_at, expires_at, factor, seen_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $6)";
/// Ends all sessions of an account but the one that begins and the newest others: what is no session has scopes.
const END_OLDEST_SESSIONS: &str = "
    UPDATE identity_token SET revoked_at = $2
     WHERE account = $1 AND scopes = 'null' AND revoked_at IS NULL AND id <> $5 AND id NOT IN (
           SELECT id FROM identity_token
            WHERE account = $1 AND scopes = 'null' AND revoked_at IS NULL AND expires_at > $2 AND seen_at > $3
                  AND id <> $5
            ORDER BY created_at DESC, id DESC LIMIT $4)";
const REVOKE: &str = "UPDATE identity_token SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
const REVOKE_SHOWN: &str = "UPDATE identity_token SET revoked_at = $2 WHERE digest = $1 AND revoked_at IS NULL";
const SHOWN: &str = "
    SELECT id, account, application, scopes, expires_at, revoked_at, last_day, factor, seen_at,
           COALESCE(identity_account.disabled, identity_application.retired, 1) AS disabled
      FROM identity_token LEFT JOIN identity_account ON identity_account.name = account
           LEFT JOIN identity_application ON identity_application.name = application
     WHERE digest = $1";
const USED: &str = "UPDATE identity_token SET last_day = $2, seen_at = $3 WHERE id = $1 AND seen_at <= $3";
const FORGET_TOKENS: &str = "DELETE FROM identity_token WHERE expires_at < $1";
const APPLICATIONS: &str = "
    SELECT name, title, matter, retired FROM identity_application WHERE name > $1 ORDER BY name LIMIT $2";
const TOKENS: &str = "
    SELECT id, account, application, scopes, created_at, expires_at, revoked_at, last_day FROM identity_token
     WHERE id > $1 ORDER BY id LIMIT $2";

#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, usize)] = &[
    (REGISTER, 4),
    (RETIRE, 1),
    (END_APPLICATION_TOKENS, 2),
    (APPLICATION, 1),
    (ISSUE, 8),
    (END_OLDEST_SESSIONS, 5),
    (REVOKE, 2),
    (REVOKE_SHOWN, 2),
    (SHOWN, 1),
    (USED, 3),
    (FORGET_TOKENS, 1),
    (APPLICATIONS, 2),
    (TOKENS, 2),
];

/// Makes or updates the tables.
///
/// # Errors
/// What the store says.
pub async fn migrate(store: &Store) -> Result<(), Problem> {
    store.migrate("identity", MIGRATIONS).await
}

/// An application system of the organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Application {
    /// Its name.
    pub name: ApplicationName,
    /// Its title.
    pub title: Bilingual,
    /// What it is for.
    pub matter: String,
    /// Whether it is out of use.
    pub retired: bool,
}

/// A token as a list shows it: never its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Whom it speaks for.
    pub holder: Holder,
    /// What it may be used for; `None` for a session: whatever the roles allow.
    pub scopes: Option<BTreeSet<Scope>>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
    /// The last day (Asia/Shanghai) on which it was used.
    pub last_day: Option<String>,
}

/// Who calls, by the token that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// By which token.
    pub token: TokenId,
    /// Who, with which roles, for `policy`.
    pub principal: Principal,
    /// What the token may be used for; `None`: whatever the roles allow.
    pub scopes: Option<BTreeSet<Scope>>,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// Whether [`used`] has something to write: a session's last note is a minute old, another token's of a day before.
    pub to_note: bool,
}

impl Caller {
    /// Checks that the token covers what needs one of the scopes `needs`.
    ///
    /// # Errors
    /// `identity.scope`.
    pub fn covers(&self, needs: &[Scope]) -> Result<(), Problem> {
        Ok(decide::scope(self.scopes.as_ref(), needs)?)
    }
}

/// Registers an application system.
///
/// # Errors
/// `identity.application_exists`.
pub async fn register_application(
    tx: &mut Tx,
    permit: &Permit<RegisterApplication>,
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let ask = permit.ask();
    let title = json!(ask.title).to_string();
    let made = tx.execute(REGISTER, args![ask.name.as_str(), title, &ask.matter, micros(now)]).await?;
    ensure!(made == 1, exists("application", "应用系统", ask.name.as_str()));
    let about = json!({"application": ask.name, "title": ask.title, "matter": ask.matter});
    trace::leave(tx, permit.principal(), ("identity.register_application", about), salt, now).await
}

/// Retires an application system and ends its tokens.
///
/// # Errors
/// `identity.no_application`.
pub async fn retire_application(
    tx: &mut Tx,
    permit: &Permit<RetireApplication>,
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let name = &permit.ask().name;
    ensure!(tx.execute(RETIRE, args![name.as_str()]).await? == 1, no_application(name));
    tx.execute(END_APPLICATION_TOKENS, args![name.as_str(), micros(now)]).await?;
    trace::leave(tx, permit.principal(), ("identity.retire_application", json!({"application": name})), salt, now).await
}

/// Issues a token for a program. The secret is shown to its holder once and is nowhere here.
///
/// # Errors
/// `identity.lifetime`, `identity.no_account`, `identity.no_application`, `identity.holder_disabled`,
/// `identity.second_factor` for an administrator, who has sessions alone.
pub async fn issue_token(tx: &mut Tx, permit: &Permit<IssueToken>, salt: Salt, now: Timestamp) -> Result<(), Problem> {
    let ask = permit.ask();
    decide::lifetime(ask.expires_at, now)?;
    ensure!(!ask.scopes.is_empty(), no_scope());
    match &ask.holder {
        Holder::Account(name) => {
            ensure!(is_enabled(tx, name).await?.ok_or_else(|| no_account(name))?, Refusal::HolderDisabled);
            let administers = roles_of(tx, name.as_str()).await?.iter().any(|it| it.administers());
            ensure!(!administers, Refusal::SecondFactor);
        }
        Holder::Application(name) => {
            let row = tx.row(APPLICATION, args![name.as_str()]).await?.ok_or_else(|| no_application(name))?;
            ensure!(!row.flag("retired")?, Refusal::HolderDisabled);
        }
    }
    put_token(tx, ask, (Some(&ask.scopes), false), now).await?;
    let about =
        json!({"token": ask.id, "holder": holder_word(&ask.holder), "scopes": ask.scopes, "until": ask.expires_at});
    trace::leave(tx, permit.principal(), ("identity.issue_token", about), salt, now).await
}

pub(crate) async fn put_token(
    tx: &mut Tx,
    token: &IssueToken,
    (scopes, factor): (Option<&BTreeSet<Scope>>, bool),
    now: Timestamp,
) -> Result<(), Problem> {
    let (account, application) = match &token.holder {
        Holder::Account(name) => (Some(name.as_str()), None),
        Holder::Application(name) => (None, Some(name.as_str())),
    };
    let scopes = json!(scopes).to_string();
    let ends = micros(token.expires_at);
    let id = token.id.to_string();
    let values = args![id, token.digest.bytes(), account, application, scopes, micros(now), ends, factor];
    tx.execute(ISSUE, values).await.map(|_| ())
}

/// Ends an account's sessions but the newest [`SESSIONS_MAX`]; of two that begin at once both are seen, for each has
/// taken the account's row before.
pub(crate) async fn end_oldest_sessions(
    tx: &mut Tx,
    account: &AccountName,
    begins: TokenId,
    now: Timestamp,
) -> Result<(), Problem> {
    let idle_since = micros(now) - decide::IDLE_MINUTES_MAX * 60_000_000;
    let values = args![account.as_str(), micros(now), idle_since, SESSIONS_MAX - 1, begins.to_string()];
    tx.execute(END_OLDEST_SESSIONS, values).await.map(|_| ())
}

/// Takes a token back.
///
/// # Errors
/// `identity.no_token` when there is no such live token.
pub async fn revoke_token(
    tx: &mut Tx,
    permit: &Permit<RevokeToken>,
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let id = permit.ask().id;
    ensure!(tx.execute(REVOKE, args![id.to_string(), micros(now)]).await? == 1, no_token(id));
    trace::leave(tx, permit.principal(), ("identity.revoke_token", json!({"token": id})), salt, now).await
}

/// Signs a session out. Whoever shows its secret may end it, so no permit is asked for; a second time does nothing.
///
/// # Errors
/// As the store's.
pub async fn sign_out(
    tx: &mut Tx,
    caller: &Caller,
    shown: TokenDigest,
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    if tx.execute(REVOKE_SHOWN, args![shown.bytes(), micros(now)]).await? == 1 {
        let about = json!({"token": caller.token});
        trace::leave(tx, &caller.principal, ("identity.sign_out", about), salt, now).await?;
    }
    Ok(())
}

/// Says who calls, by the token that was shown; `organisation` is the one whose store this is.
///
/// # Errors
/// `identity.token`, `identity.token_expired`, `identity.token_revoked`, `identity.holder_disabled`, `identity.idle`,
/// `identity.second_factor`.
pub async fn authenticate(
    reader: &mut Reader,
    organisation: &OrganisationId,
    shown: TokenDigest,
    now: Timestamp,
) -> Result<Caller, Problem> {
    let Some(row) = reader.row(SHOWN, args![shown.bytes()]).await? else { return Err(Refusal::TokenUnknown.into()) };
    let (actor, roles) = match (row.opt_text("account")?, row.opt_text("application")?) {
        (Some(name), _) => (Actor::Person(name.to_owned()), roles_of(reader, name).await?),
        (_, Some(name)) => (Actor::Application(name.to_owned()), BTreeSet::from([Role::Application])),
        _ => return Err(Refusal::TokenUnknown.into()),
    };
    let scopes: Option<BTreeSet<Scope>> = row.json("scopes")?;
    let seen_at = row.int("seen_at")?;
    let facts = TokenFacts {
        expires_at: timestamp_from_micros(row.int("expires_at")?)?,
        revoked: row.opt_int("revoked_at")?.is_some(),
        holder_disabled: row.flag("disabled")?,
        session_seen_at: if scopes.is_none() { Some(timestamp_from_micros(seen_at)?) } else { None },
        administers: roles.iter().any(|it| it.administers()),
        second_factor: scopes.is_none() && row.flag("factor")?,
    };
    decide::token(Some(facts), now)?;
    let today = date_in_shanghai(now).to_string();
    let first_use_today = row.opt_text("last_day")?.is_none_or(|it| it < today.as_str());
    Ok(Caller {
        token: row.text("id")?.parse().map_err(|_| Problem::from(Refusal::TokenUnknown))?,
        principal: Principal { organisation: organisation.clone(), actor, roles },
        to_note: first_use_today || (scopes.is_none() && micros(now) >= seen_at + NOTE_MICROS),
        scopes,
        expires_at: facts.expires_at,
    })
}

/// Notes a token's use; call it where `to_note` says so.
///
/// # Errors
/// As the store's.
pub async fn used(tx: &mut Tx, token: TokenId, now: Timestamp) -> Result<(), Problem> {
    let values = args![token.to_string(), date_in_shanghai(now).to_string(), micros(now)];
    tx.execute(USED, values).await.map(|_| ())
}

/// Forgets tokens that ended before `before`; says how many.
///
/// # Errors
/// As the store's.
pub async fn forget_tokens(tx: &mut Tx, before: Timestamp) -> Result<u64, Problem> {
    tx.execute(FORGET_TOKENS, args![micros(before)]).await
}

/// The application systems behind `after` by name, at most `limit` ([`PAGE_MAX`] at most). They stand in requests and
/// receipts, so nobody needs leave to see them within the organisation.
///
/// # Errors
/// As the store's.
pub async fn applications(reader: &mut Reader, after: &str, limit: u32) -> Result<Vec<Application>, Problem> {
    let rows = reader.rows(APPLICATIONS, args![after, limit.min(PAGE_MAX)]).await?;
    rows.iter().map(application_of).collect()
}

/// The application system of that name.
///
/// # Errors
/// `identity.no_application`.
pub async fn application(reader: &mut Reader, name: &ApplicationName) -> Result<Application, Problem> {
    let row = reader.row(APPLICATION, args![name.as_str()]).await?.ok_or_else(|| no_application(name))?;
    application_of(&row)
}

/// The tokens behind `after` by id, at most `limit` ([`PAGE_MAX`] at most).
///
/// # Errors
/// As the store's.
pub async fn tokens(
    reader: &mut Reader,
    _: &Permit<ListIdentities>,
    after: Option<TokenId>,
    limit: u32,
) -> Result<Vec<Token>, Problem> {
    let after = after.map(|it| it.to_string()).unwrap_or_default();
    reader.rows(TOKENS, args![after, limit.min(PAGE_MAX)]).await?.iter().map(token_of).collect()
}

fn token_of(row: &Row) -> Result<Token, Problem> {
    let holder = match (row.opt_text("account")?, row.opt_text("application")?) {
        (Some(name), _) => Holder::Account(AccountName::new(name)?),
        (None, name) => Holder::Application(ApplicationName::new(name.unwrap_or_default())?),
    };
    Ok(Token {
        id: row.text("id")?.parse().map_err(|_| Problem::from(Refusal::TokenUnknown))?,
        holder,
        scopes: row.json("scopes")?,
        created_at: timestamp_from_micros(row.int("created_at")?)?,
        expires_at: timestamp_from_micros(row.int("expires_at")?)?,
        revoked_at: row.opt_int("revoked_at")?.map(timestamp_from_micros).transpose()?,
        last_day: row.opt_text("last_day")?.map(str::to_owned),
    })
}

fn application_of(row: &Row) -> Result<Application, Problem> {
    Ok(Application {
        name: ApplicationName::new(row.text("name")?)?,
        title: row.json("title")?,
        matter: row.text("matter")?.to_owned(),
        retired: row.flag("retired")?,
    })
}

fn holder_word(holder: &Holder) -> String {
    match holder {
        Holder::Account(name) => format!("person:{name}"),
        Holder::Application(name) => format!("application:{name}"),
    }
}

pub(crate) fn exists(word: &str, zh: &str, name: &str) -> Problem {
    Problem::new(
        Kind::Conflict,
        format!("identity.{word}_exists"),
        format!("{zh} {name} 已存在；请换一个名称"),
        format!("{word} {name} is there already; choose another name"),
    )
    .field("/name")
}

fn no_application(name: &ApplicationName) -> Problem {
    let en = format!("there is no application {name}; register it first");
    Problem::new(Kind::Missing, "identity.no_application", format!("没有应用系统 {name}；请先登记"), en)
}

fn no_token(id: TokenId) -> Problem {
    let en = format!("there is no live token {id}");
    Problem::new(Kind::Missing, "identity.no_token", format!("没有有效的令牌 {id}"), en)
}

fn no_scope() -> Problem {
    let (zh, en) =
        ("程序令牌至少写明一个范围，如 exchange", "a program's token names at least one scope, such as exchange");
    Problem::new(Kind::Unprocessable, "identity.no_scope", zh, en).field("/scopes")
}
