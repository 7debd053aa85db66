//! Accounts, application systems and tokens in SQL. All of one store belong to one organisation.

use crate::{
    AccountName, ApplicationName, CreateAccount, Holder, IssueToken, ListIdentities, PasswordHash, RegisterApplication,
    ResetPassword, RetireApplication, RevokeToken, Scope, SetEnabled, SetRoles, TokenDigest, TokenId,
    decide::{self, AdministratorFacts, Refusal, TokenFacts},
    parse_role, role_word, trace,
};
use evidence::Salt;
use policy::{Actor, Permit, Principal, Role};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;
use store::{Reader, Row, Store, Tx, args};
use vocabulary::{
    Bilingual, Kind, OrganisationId, Personal, Problem, Timestamp, date_in_shanghai, ensure, micros,
    timestamp_from_micros,
};

const MIGRATIONS: &[&str] = &[include_str!("../migrations/001.sql")];
/// A page of a list is at most this long.
pub const PAGE_MAX: u32 = 500;

const CREATE: &str = "
    INSERT INTO identity_account (name, person, password, disabled, created_at, changed_at)
    VALUES ($1, $2, $3, 0, $4, $4) ON CONFLICT (name) DO NOTHING";
const ADD_ROLE: &str = "INSERT INTO identity_role (account, role) VALUES ($1, $2)";
const DROP_ROLES: &str = "DELETE FROM identity_role WHERE account = $1";
/// Takes the rows of all administrators, so that of two who disable each other one waits and then sees it.
const TAKE_ADMINISTRATORS: &str = "
    UPDATE identity_account SET changed_at = $1
     WHERE name IN (SELECT account FROM identity_role WHERE role = 'administrator')";
const OTHER_ADMINISTRATORS: &str = "
    SELECT COUNT(*) AS count FROM identity_account JOIN identity_role ON account = name
     WHERE role = 'administrator' AND disabled = 0 AND name <> $1";
const ACCOUNT: &str = "SELECT name, person, disabled, created_at FROM identity_account WHERE name = $1";
const ROLES: &str = "SELECT role FROM identity_role WHERE account = $1 ORDER BY role";
const SET_DISABLED: &str = "UPDATE identity_account SET disabled = $2, changed_at = $3 WHERE name = $1";
const SET_PASSWORD: &str = "UPDATE identity_account SET password = $2, changed_at = $3 WHERE name = $1";
const END_ACCOUNT_TOKENS: &str = "UPDATE identity_token SET revoked_at = $2 WHERE account = $1 AND revoked_at IS NULL";
const REGISTER: &str = "
    INSERT INTO identity_application (name, title, matter, retired, created_at)
    VALUES ($1, $2, $3, 0, $4) ON CONFLICT (name) DO NOTHING";
const RETIRE: &str = "UPDATE identity_application SET retired = 1 WHERE name = $1";
const END_APPLICATION_TOKENS: &str = "
    UPDATE identity_token SET revoked_at = $2 WHERE application = $1 AND revoked_at IS NULL";
const APPLICATION: &str = "SELECT name, title, matter, retired FROM identity_application WHERE name = $1";
const ISSUE: &str = "
    INSERT INTO identity_token (id, digest, account, application, scopes, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const REVOKE: &str = "UPDATE identity_token SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
const REVOKE_SHOWN: &str = "UPDATE identity_token SET revoked_at = $2 WHERE digest = $1 AND revoked_at IS NULL";
const SHOWN: &str = "
    SELECT id, account, application, scopes, expires_at, revoked_at, last_day,
           COALESCE(identity_account.disabled, identity_application.retired, 1) AS disabled
      FROM identity_token LEFT JOIN identity_account ON identity_account.name = account
           LEFT JOIN identity_application ON identity_application.name = application
     WHERE digest = $1";
const USED: &str = "
    UPDATE identity_token SET last_day = $2 WHERE id = $1 AND (last_day IS NULL OR last_day < $2)";
const FORGET_TOKENS: &str = "DELETE FROM identity_token WHERE expires_at < $1";
const ACCOUNTS: &str = "
    SELECT name, person, disabled, created_at FROM identity_account WHERE name > $1 ORDER BY name LIMIT $2";
const APPLICATIONS: &str = "
    SELECT name, title, matter, retired FROM identity_application WHERE name > $1 ORDER BY name LIMIT $2";
const TOKENS: &str = "
    SELECT id, account, application, scopes, created_at, expires_at, revoked_at, last_day FROM identity_token
     WHERE id > $1 ORDER BY id LIMIT $2";

#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, usize)] = &[
    (CREATE, 4),
    (ADD_ROLE, 2),
    (DROP_ROLES, 1),
    (TAKE_ADMINISTRATORS, 1),
    (OTHER_ADMINISTRATORS, 1),
    (ACCOUNT, 1),
    (ROLES, 1),
    (SET_DISABLED, 3),
    (SET_PASSWORD, 3),
    (END_ACCOUNT_TOKENS, 2),
    (REGISTER, 4),
    (RETIRE, 1),
    (END_APPLICATION_TOKENS, 2),
    (APPLICATION, 1),
    (ISSUE, 7),
    (REVOKE, 2),
    (REVOKE_SHOWN, 2),
    (SHOWN, 1),
    (USED, 2),
    (FORGET_TOKENS, 1),
    (ACCOUNTS, 2),
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

/// An account as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// What its holder signs in with.
    pub name: AccountName,
    /// The holder's name.
    pub person: Personal<String>,
    /// What the holder may do.
    pub roles: BTreeSet<Role>,
    /// Whether it may sign in.
    pub enabled: bool,
    /// Since when it is there.
    pub created_at: Timestamp,
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
    /// Whether [`used`] has something to write: the first use on this day.
    pub first_use_today: bool,
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

/// Opens an account.
///
/// # Errors
/// `identity.account_exists`, `identity.apart`, `identity.not_for_people`.
pub async fn create_account(
    tx: &mut Tx,
    permit: &Permit<CreateAccount>,
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let ask = permit.ask();
    decide::roles_together(&ask.roles)?;
    let values = args![ask.name.as_str(), ask.person.open(), ask.password.as_str(), micros(now)];
    let made = tx.execute(CREATE, values).await?;
    ensure!(made == 1, exists("account", "账号", ask.name.as_str()));
    put_roles(tx, &ask.name, &ask.roles).await?;
    let about = json!({"account": ask.name, "roles": ask.roles});
    trace::leave(tx, permit.principal(), ("identity.create_account", about), salt, now).await
}

/// Gives an account exactly the roles asked for.
///
/// # Errors
/// `identity.no_account`, `identity.oneself`, `identity.last_administrator`, `identity.apart`.
pub async fn set_roles(tx: &mut Tx, permit: &Permit<SetRoles>, salt: Salt, now: Timestamp) -> Result<(), Problem> {
    let ask = permit.ask();
    decide::roles_together(&ask.roles)?;
    let facts =
        administrator_facts(tx, &ask.account, now, |was| was && ask.roles.contains(&Role::Administrator)).await?;
    decide::change_account(&permit.principal().actor, &ask.account, facts)?;
    tx.execute(DROP_ROLES, args![ask.account.as_str()]).await?;
    put_roles(tx, &ask.account, &ask.roles).await?;
    let about = json!({"account": ask.account, "roles": ask.roles});
    trace::leave(tx, permit.principal(), ("identity.set_roles", about), salt, now).await
}

/// Disables an account and ends its tokens, or enables it again.
///
/// # Errors
/// `identity.no_account`, `identity.oneself`, `identity.last_administrator`.
pub async fn set_enabled(tx: &mut Tx, permit: &Permit<SetEnabled>, salt: Salt, now: Timestamp) -> Result<(), Problem> {
    let ask = permit.ask();
    let facts = administrator_facts(tx, &ask.account, now, |was| was && ask.enabled).await?;
    decide::change_account(&permit.principal().actor, &ask.account, facts)?;
    tx.execute(SET_DISABLED, args![ask.account.as_str(), !ask.enabled, micros(now)]).await?;
    if !ask.enabled {
        tx.execute(END_ACCOUNT_TOKENS, args![ask.account.as_str(), micros(now)]).await?;
    }
    let about = json!({"account": ask.account, "enabled": ask.enabled});
    trace::leave(tx, permit.principal(), ("identity.set_enabled", about), salt, now).await
}

/// Gives an account a new password and ends its tokens.
///
/// # Errors
/// `identity.no_account`.
pub async fn reset_password(
    tx: &mut Tx,
    permit: &Permit<ResetPassword>,
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let ask = permit.ask();
    put_password(tx, &ask.account, &ask.password, now).await?;
    trace::leave(tx, permit.principal(), ("identity.reset_password", json!({"account": ask.account})), salt, now).await
}

pub(crate) async fn put_password(
    tx: &mut Tx,
    account: &AccountName,
    password: &PasswordHash,
    now: Timestamp,
) -> Result<(), Problem> {
    let changed = tx.execute(SET_PASSWORD, args![account.as_str(), password.as_str(), micros(now)]).await?;
    ensure!(changed == 1, no_account(account));
    tx.execute(END_ACCOUNT_TOKENS, args![account.as_str(), micros(now)]).await.map(|_| ())
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
/// `identity.lifetime`, `identity.no_account`, `identity.no_application`, `identity.holder_disabled`.
pub async fn issue_token(tx: &mut Tx, permit: &Permit<IssueToken>, salt: Salt, now: Timestamp) -> Result<(), Problem> {
    let ask = permit.ask();
    decide::lifetime(ask.expires_at, now)?;
    ensure!(!ask.scopes.is_empty(), no_scope());
    match &ask.holder {
        Holder::Account(name) => {
            let row = tx.row(ACCOUNT, args![name.as_str()]).await?.ok_or_else(|| no_account(name))?;
            ensure!(!row.flag("disabled")?, Refusal::HolderDisabled);
        }
        Holder::Application(name) => {
            let row = tx.row(APPLICATION, args![name.as_str()]).await?.ok_or_else(|| no_application(name))?;
            ensure!(!row.flag("retired")?, Refusal::HolderDisabled);
        }
    }
    put_token(tx, ask, Some(&ask.scopes), now).await?;
    let about =
        json!({"token": ask.id, "holder": holder_word(&ask.holder), "scopes": ask.scopes, "until": ask.expires_at});
    trace::leave(tx, permit.principal(), ("identity.issue_token", about), salt, now).await
}

pub(crate) async fn put_token(
    tx: &mut Tx,
    token: &IssueToken,
    scopes: Option<&BTreeSet<Scope>>,
    now: Timestamp,
) -> Result<(), Problem> {
    let (account, application) = match &token.holder {
        Holder::Account(name) => (Some(name.as_str()), None),
        Holder::Application(name) => (None, Some(name.as_str())),
    };
    let scopes = json!(scopes).to_string();
    let ends = micros(token.expires_at);
    let values = args![token.id.to_string(), token.digest.bytes(), account, application, scopes, micros(now), ends];
    tx.execute(ISSUE, values).await.map(|_| ())
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
/// `identity.token`, `identity.token_expired`, `identity.token_revoked`, `identity.holder_disabled`.
pub async fn authenticate(
    reader: &mut Reader,
    organisation: &OrganisationId,
    shown: TokenDigest,
    now: Timestamp,
) -> Result<Caller, Problem> {
    let row = reader.row(SHOWN, args![shown.bytes()]).await?;
    let facts = row.as_ref().map(token_facts).transpose()?;
    decide::token(facts, now)?;
    let (Some(row), Some(facts)) = (row, facts) else { return Err(Refusal::TokenUnknown.into()) };
    let (actor, roles) = match (row.opt_text("account")?, row.opt_text("application")?) {
        (Some(name), _) => (Actor::Person(name.to_owned()), roles_of(reader, name).await?),
        (_, Some(name)) => (Actor::Application(name.to_owned()), BTreeSet::from([Role::Application])),
        _ => return Err(Refusal::TokenUnknown.into()),
    };
    let today = date_in_shanghai(now).to_string();
    Ok(Caller {
        token: row.text("id")?.parse().map_err(|_| Problem::from(Refusal::TokenUnknown))?,
        principal: Principal { organisation: organisation.clone(), actor, roles },
        scopes: row.json("scopes")?,
        expires_at: facts.expires_at,
        first_use_today: row.opt_text("last_day")?.is_none_or(|it| it < today.as_str()),
    })
}

/// Notes the day of a token's last use, at most once a day: call it where `first_use_today` says so.
///
/// # Errors
/// As the store's.
pub async fn used(tx: &mut Tx, token: TokenId, now: Timestamp) -> Result<(), Problem> {
    tx.execute(USED, args![token.to_string(), date_in_shanghai(now).to_string()]).await.map(|_| ())
}

/// Forgets tokens that ended before `before`; says how many.
///
/// # Errors
/// As the store's.
pub async fn forget_tokens(tx: &mut Tx, before: Timestamp) -> Result<u64, Problem> {
    tx.execute(FORGET_TOKENS, args![micros(before)]).await
}

/// The accounts behind `after` by name, at most `limit` ([`PAGE_MAX`] at most).
///
/// # Errors
/// As the store's.
pub async fn accounts(
    reader: &mut Reader,
    _: &Permit<ListIdentities>,
    after: &str,
    limit: u32,
) -> Result<Vec<Account>, Problem> {
    let mut all = Vec::new();
    for row in reader.rows(ACCOUNTS, args![after, limit.min(PAGE_MAX)]).await? {
        let roles = roles_of(reader, row.text("name")?).await?;
        all.push(Account {
            name: AccountName::new(row.text("name")?)?,
            person: Personal::new(row.text("person")?.to_owned()),
            roles,
            enabled: !row.flag("disabled")?,
            created_at: timestamp_from_micros(row.int("created_at")?)?,
        });
    }
    Ok(all)
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

fn token_facts(row: &Row) -> Result<TokenFacts, Problem> {
    Ok(TokenFacts {
        expires_at: timestamp_from_micros(row.int("expires_at")?)?,
        revoked: row.opt_int("revoked_at")?.is_some(),
        holder_disabled: row.flag("disabled")?,
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

async fn put_roles(tx: &mut Tx, account: &AccountName, roles: &BTreeSet<Role>) -> Result<(), Problem> {
    for role in roles {
        tx.execute(ADD_ROLE, args![account.as_str(), role_word(*role)]).await?;
    }
    Ok(())
}

async fn roles_of(reader: &mut Reader, account: &str) -> Result<BTreeSet<Role>, Problem> {
    reader.rows(ROLES, args![account]).await?.iter().map(|it| parse_role(it.text("role")?)).collect()
}

async fn administrator_facts(
    tx: &mut Tx,
    account: &AccountName,
    now: Timestamp,
    stays: impl FnOnce(bool) -> bool,
) -> Result<AdministratorFacts, Problem> {
    tx.execute(TAKE_ADMINISTRATORS, args![micros(now)]).await?;
    let row = tx.row(ACCOUNT, args![account.as_str()]).await?.ok_or_else(|| no_account(account))?;
    let enabled = !row.flag("disabled")?;
    let was = enabled && roles_of(tx, account.as_str()).await?.contains(&Role::Administrator);
    let others = tx.row(OTHER_ADMINISTRATORS, args![account.as_str()]).await?.map_or(Ok(0), |it| it.int("count"))?;
    Ok(AdministratorFacts { was, stays: stays(was), others })
}

fn holder_word(holder: &Holder) -> String {
    match holder {
        Holder::Account(name) => format!("person:{name}"),
        Holder::Application(name) => format!("application:{name}"),
    }
}

fn exists(word: &str, zh: &str, name: &str) -> Problem {
    Problem::new(
        Kind::Conflict,
        format!("identity.{word}_exists"),
        format!("{zh} {name} 已存在；请换一个名称"),
        format!("{word} {name} is there already; choose another name"),
    )
    .field("/name")
}

fn no_account(name: &AccountName) -> Problem {
    let zh = format!("没有账号 {name}；可用 yunhe user list 查看");
    Problem::new(Kind::Missing, "identity.no_account", zh, format!("there is no account {name}; see yunhe user list"))
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
