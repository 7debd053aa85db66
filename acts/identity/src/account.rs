//! Accounts in SQL: who there is, which roles each has, and their passwords. No verb here is anybody's alone: the
//! system administrator opens an account, and only the security administrator gives it something to do.

use crate::{
    AccountName, Appoint, CreateAccount, ListIdentities, PAGE_MAX, PasswordHash, ResetPassword, SetEnabled, SetRoles,
    Unlock,
    decide::{self, AdministratorFacts, PASSWORDS_KEPT, Refusal},
    factor, parse_role, role_word,
    store::exists,
    trace,
};
use evidence::Salt;
use policy::{Permit, Role};
use serde_json::json;
use std::collections::BTreeSet;
use store::{Reader, Tx, args};
use vocabulary::{Kind, Personal, Problem, Timestamp, ensure, micros, timestamp_from_micros};

const CREATE: &str = "
    INSERT INTO identity_account (name, person, password, pepper, disabled, must_change, created_at, changed_at,
           password_at)
    VALUES ($1, $2, $3, $4, 0, 1, $5, $5, $5) ON CONFLICT (name) DO NOTHING";
/// An administrator's role stands beside no other, whoever else adds one at the same moment: no row then. `$3` says
/// whether this one is an administrator's.
const ADD_ROLE: &str = "
    INSERT INTO identity_role (account, role) SELECT $1, $2
     WHERE NOT EXISTS (
           SELECT 1 FROM identity_role
            WHERE account = $1 AND role <> $2
              AND ($3 = 1 OR role IN ('system-administrator', 'security-administrator', 'audit-administrator')))";
const DROP_ROLES: &str = "DELETE FROM identity_role WHERE account = $1";
/// Takes the rows of one account and of all administrators, so that of two who change them at once one waits and then
/// sees what the other did.
const TAKE: &str = "
    UPDATE identity_account SET changed_at = $2
     WHERE name = $1 OR name IN (
           SELECT account FROM identity_role
            WHERE role IN ('system-administrator', 'security-administrator', 'audit-administrator'))";
const OTHERS_IN_OFFICE: &str = "
    SELECT COUNT(*) AS count FROM identity_account JOIN identity_role ON account = name
     WHERE role = $2 AND disabled = 0 AND name <> $1";
const IN_OFFICE: &str = "
    SELECT name FROM identity_account JOIN identity_role ON identity_role.account = name
           JOIN identity_factor ON identity_factor.account = name
     WHERE role = $1 AND disabled = 0 AND confirmed = 1 ORDER BY name LIMIT 1";
const APPOINTED: &str = "
    SELECT name FROM identity_account JOIN identity_role ON account = name
     WHERE role = $1 AND disabled = 0 ORDER BY name LIMIT 1";
const ACCOUNT: &str = "SELECT name, person, disabled, created_at FROM identity_account WHERE name = $1";
const ACCOUNTS: &str = "
    SELECT name, person, disabled, created_at FROM identity_account WHERE name > $1 ORDER BY name LIMIT $2";
const ROLES: &str = "SELECT role FROM identity_role WHERE account = $1 ORDER BY role";
const SET_DISABLED: &str = "UPDATE identity_account SET disabled = $2, changed_at = $3 WHERE name = $1";
const KEEP_PASSWORD: &str = "
    INSERT INTO identity_password (account, ended_at, password, pepper)
    SELECT name, $2, password, pepper FROM identity_account WHERE name = $1 AND password IS NOT NULL
        ON CONFLICT (account, ended_at) DO NOTHING";
const FORGET_PASSWORDS: &str = "
    DELETE FROM identity_password WHERE account = $1 AND ended_at NOT IN (
           SELECT ended_at FROM identity_password WHERE account = $1 ORDER BY ended_at DESC LIMIT $2)";
const SET_PASSWORD: &str = "
    UPDATE identity_account SET password = $2, pepper = $3, changed_at = $4, password_at = $4, must_change = $5,
           awaits_unlock = $6
     WHERE name = $1";
const END_TOKENS: &str = "UPDATE identity_token SET revoked_at = $2 WHERE account = $1 AND revoked_at IS NULL";
const UNLOCK: &str = "UPDATE identity_account SET awaits_unlock = 0 WHERE name = $1";
const FORGET_ATTEMPTS: &str = "DELETE FROM identity_attempt WHERE name = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, usize)] = &[
    (CREATE, 5),
    (ADD_ROLE, 3),
    (DROP_ROLES, 1),
    (TAKE, 2),
    (OTHERS_IN_OFFICE, 2),
    (IN_OFFICE, 1),
    (APPOINTED, 1),
    (ACCOUNT, 1),
    (ACCOUNTS, 2),
    (ROLES, 1),
    (SET_DISABLED, 3),
    (KEEP_PASSWORD, 2),
    (FORGET_PASSWORDS, 2),
    (SET_PASSWORD, 6),
    (END_TOKENS, 2),
    (UNLOCK, 1),
    (FORGET_ATTEMPTS, 1),
];

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

/// Opens an account, without roles; its password must be changed first.
///
/// # Errors
/// `identity.account_exists`.
pub async fn create_account(
    tx: &mut Tx,
    permit: &Permit<CreateAccount>,
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let ask = permit.ask();
    let made = create(tx, (&ask.name, &ask.person, &ask.password), now).await?;
    ensure!(made, exists("account", "账号", ask.name.as_str()));
    let about = json!({"account": ask.name});
    trace::leave(tx, permit.principal(), ("identity.create_account", about), salt, now).await
}

async fn create(
    tx: &mut Tx,
    (name, person, password): (&AccountName, &Personal<String>, &PasswordHash),
    now: Timestamp,
) -> Result<bool, Problem> {
    let values = args![name.as_str(), person.open(), password.as_str(), i64::from(password.pepper()), micros(now)];
    Ok(tx.execute(CREATE, values).await? == 1)
}

/// Gives an account exactly the roles asked for. Who becomes an administrator begins anew: all tokens end.
///
/// # Errors
/// `identity.no_account`, `identity.oneself`, `identity.last_administrator`, `identity.apart`,
/// `identity.not_for_people`.
pub async fn set_roles(tx: &mut Tx, permit: &Permit<SetRoles>, salt: Salt, now: Timestamp) -> Result<(), Problem> {
    let ask = permit.ask();
    decide::roles_together(&ask.roles)?;
    let facts = administrator_facts(tx, &ask.account, now, |office| ask.roles.contains(&office)).await?;
    decide::change_account(&permit.principal().actor, &ask.account, facts)?;
    tx.execute(DROP_ROLES, args![ask.account.as_str()]).await?;
    add_roles(tx, &ask.account, &ask.roles).await?;
    if ask.roles.iter().any(|it| it.administers()) {
        end_tokens(tx, &ask.account, now).await?;
    }
    let about = json!({"account": ask.account, "roles": ask.roles});
    trace::leave(tx, permit.principal(), ("identity.set_roles", about), salt, now).await
}

/// Disables an account and ends its tokens, or enables it again.
///
/// # Errors
/// `identity.no_account`, `identity.oneself`, `identity.last_administrator`.
pub async fn set_enabled(tx: &mut Tx, permit: &Permit<SetEnabled>, salt: Salt, now: Timestamp) -> Result<(), Problem> {
    let ask = permit.ask();
    let facts = administrator_facts(tx, &ask.account, now, |_| ask.enabled).await?;
    decide::change_account(&permit.principal().actor, &ask.account, facts)?;
    tx.execute(SET_DISABLED, args![ask.account.as_str(), !ask.enabled, micros(now)]).await?;
    if !ask.enabled {
        end_tokens(tx, &ask.account, now).await?;
    }
    let about = json!({"account": ask.account, "enabled": ask.enabled});
    trace::leave(tx, permit.principal(), ("identity.set_enabled", about), salt, now).await
}

/// Gives an account a new password and ends its tokens; it opens nothing until the account is unlocked.
///
/// # Errors
/// `identity.no_account`, `identity.oneself`.
pub async fn reset_password(
    tx: &mut Tx,
    permit: &Permit<ResetPassword>,
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let ask = permit.ask();
    decide::not_oneself(&permit.principal().actor, &ask.account)?;
    put_password(tx, &ask.account, &ask.password, Given::Locked, now).await?;
    trace::leave(tx, permit.principal(), ("identity.reset_password", json!({"account": ask.account})), salt, now).await
}

/// Unlocks an account: failed sign-ins are forgotten, a password that was reset opens it.
///
/// # Errors
/// `identity.no_account`, `identity.oneself`.
pub async fn unlock(tx: &mut Tx, permit: &Permit<Unlock>, salt: Salt, now: Timestamp) -> Result<(), Problem> {
    let account = &permit.ask().account;
    decide::not_oneself(&permit.principal().actor, account)?;
    ensure!(tx.execute(UNLOCK, args![account.as_str()]).await? == 1, no_account(account));
    tx.execute(FORGET_ATTEMPTS, args![account.as_str()]).await?;
    trace::leave(tx, permit.principal(), ("identity.unlock", json!({"account": account})), salt, now).await
}

/// Puts an account into one of the three offices, where nobody is in it who has ever come in. The account is opened
/// when it is not there; its password is new and must be changed, and a second factor enrolled.
///
/// # Errors
/// `identity.in_office`, `identity.apart`.
pub async fn appoint(tx: &mut Tx, permit: &Permit<Appoint>, salt: Salt, now: Timestamp) -> Result<(), Problem> {
    let ask = permit.ask();
    ensure!(ask.office.administers(), Refusal::NotForPeople);
    tx.execute(TAKE, args![ask.name.as_str(), micros(now)]).await?;
    let holder = tx.row(IN_OFFICE, args![role_word(ask.office)]).await?;
    if let Some(holder) = holder {
        return Err(Refusal::InOffice(holder.text("name")?.to_owned()).into());
    }
    if !create(tx, (&ask.name, &ask.person, &ask.password), now).await? {
        put_password(tx, &ask.name, &ask.password, Given::Open, now).await?;
        tx.execute(SET_DISABLED, args![ask.name.as_str(), false, micros(now)]).await?;
        factor::forget(tx, &ask.name).await?;
    }
    let mut roles = roles_of(tx, ask.name.as_str()).await?;
    if roles.insert(ask.office) {
        decide::roles_together(&roles)?;
        add_roles(tx, &ask.name, &BTreeSet::from([ask.office])).await?;
    }
    let about = json!({"account": ask.name, "roles": [ask.office]});
    trace::leave(tx, permit.principal(), ("identity.appoint", about), salt, now).await
}

/// The offices in which nobody is who has ever come in, each with the account that was appointed and has not, if any.
///
/// # Errors
/// As the store's.
pub async fn vacancies(reader: &mut Reader) -> Result<Vec<(Role, Option<AccountName>)>, Problem> {
    let mut vacant = Vec::new();
    for office in policy::ADMINISTRATORS {
        let word = role_word(office);
        if reader.row(IN_OFFICE, args![word]).await?.is_none() {
            let waiting = reader.row(APPOINTED, args![word]).await?;
            vacant.push((office, waiting.map(|it| AccountName::new(it.text("name")?)).transpose()?));
        }
    }
    Ok(vacant)
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

/// Who chose a password, and what its holder must do before it opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// Its holder: nothing.
    Chosen,
    /// Somebody else: change it.
    Open,
    /// An administrator: have it unlocked, then change it.
    Locked,
}

/// Sets a password, keeps the one before among the latest, and ends all tokens.
pub(crate) async fn put_password(
    tx: &mut Tx,
    account: &AccountName,
    password: &PasswordHash,
    given: Given,
    now: Timestamp,
) -> Result<(), Problem> {
    let name = account.as_str();
    tx.execute(KEEP_PASSWORD, args![name, micros(now)]).await?;
    let values = args![
        name,
        password.as_str(),
        i64::from(password.pepper()),
        micros(now),
        given != Given::Chosen,
        given == Given::Locked
    ];
    ensure!(tx.execute(SET_PASSWORD, values).await? == 1, no_account(account));
    let kept = i64::try_from(PASSWORDS_KEPT - 1).unwrap_or(i64::MAX);
    tx.execute(FORGET_PASSWORDS, args![name, kept]).await?;
    end_tokens(tx, account, now).await
}

pub(crate) async fn end_tokens(tx: &mut Tx, account: &AccountName, now: Timestamp) -> Result<(), Problem> {
    tx.execute(END_TOKENS, args![account.as_str(), micros(now)]).await.map(|_| ())
}

async fn add_roles(tx: &mut Tx, account: &AccountName, roles: &BTreeSet<Role>) -> Result<(), Problem> {
    for role in roles {
        let word = role_word(*role);
        let added = tx.execute(ADD_ROLE, args![account.as_str(), word, role.administers()]).await?;
        ensure!(added == 1, Refusal::Apart(word, "administrator"));
    }
    Ok(())
}

pub(crate) async fn roles_of(reader: &mut Reader, account: &str) -> Result<BTreeSet<Role>, Problem> {
    reader.rows(ROLES, args![account]).await?.iter().map(|it| parse_role(it.text("role")?)).collect()
}

/// Whether an account may sign in; none where there is none.
pub(crate) async fn is_enabled(reader: &mut Reader, account: &AccountName) -> Result<Option<bool>, Problem> {
    let row = reader.row(ACCOUNT, args![account.as_str()]).await?;
    row.map(|it| Ok(!it.flag("disabled")?)).transpose()
}

async fn administrator_facts(
    tx: &mut Tx,
    account: &AccountName,
    now: Timestamp,
    stays: impl FnOnce(Role) -> bool,
) -> Result<AdministratorFacts, Problem> {
    tx.execute(TAKE, args![account.as_str(), micros(now)]).await?;
    let enabled = is_enabled(tx, account).await?.ok_or_else(|| no_account(account))?;
    let office = roles_of(tx, account.as_str()).await?.into_iter().find(|it| enabled && it.administers());
    let others = match office {
        Some(office) => {
            let row = tx.row(OTHERS_IN_OFFICE, args![account.as_str(), role_word(office)]).await?;
            row.map_or(Ok(0), |it| it.int("count"))?
        }
        None => 0,
    };
    Ok(AdministratorFacts { office, stays: office.is_some_and(stays), others })
}

pub(crate) fn no_account(name: &AccountName) -> Problem {
    let zh = format!("没有账号 {name}；可用 yunhe user list 查看");
    Problem::new(Kind::Missing, "identity.no_account", zh, format!("there is no account {name}; see yunhe user list"))
}
