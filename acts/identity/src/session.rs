//! Signing in: the one act here that spans units of work, because a password is checked between two of them.
//!
//! First the try is counted, then the password is hashed outside any unit of work, then the count is cleared and the
//! session begins. An unknown name takes the same steps and the same time.

use crate::{
    AccountName, Holder, IssueToken, Password, PasswordHash, TokenDigest, TokenId,
    decide::{self, ATTEMPTS_MAX, LOCK_MICROS, Refusal},
    store::{put_password, put_token},
    trace,
};
use evidence::Salt;
use policy::{Actor, Principal};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};
use store::{Store, Tx, args, transact};
use tokio::sync::Semaphore;
use vocabulary::{Kind, OrganisationId, Problem, Timestamp, ensure, micros};

/// Passwords hashed at once: each takes 19 MiB and a core.
const HASHES_MAX: usize = 4;
/// A caller waits this long for its turn, then hears `identity.busy`.
const TURN_SECONDS_MAX: u64 = 10;

/// Counts a try unless the window has had its tries: no row then. [`decide::attempt`] says the same.
const COUNT: &str = "
    INSERT INTO identity_attempt (name, count, since) VALUES ($1, 1, $2)
        ON CONFLICT (name) DO UPDATE
       SET count = CASE WHEN identity_attempt.since <= $3 THEN 1 ELSE identity_attempt.count + 1 END,
           since = CASE WHEN identity_attempt.since <= $3 THEN $2 ELSE identity_attempt.since END
     WHERE identity_attempt.since <= $3 OR identity_attempt.count < $4";
const WINDOW: &str = "SELECT count, since FROM identity_attempt WHERE name = $1";
const CLEAR: &str = "DELETE FROM identity_attempt WHERE name = $1";
const FORGET: &str = "DELETE FROM identity_attempt WHERE since <= $1";
const PASSWORD: &str = "SELECT password FROM identity_account WHERE name = $1 AND disabled = 0";

#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, usize)] = &[(COUNT, 4), (WINDOW, 1), (CLEAR, 1), (FORGET, 1), (PASSWORD, 1)];

static TURNS: Semaphore = Semaphore::const_new(HASHES_MAX);

/// Somebody wants to sign in.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Where.
    pub organisation: OrganisationId,
    /// As whom.
    pub name: AccountName,
    /// What was typed.
    pub password: Password,
    /// The id of the session to be, drawn by the edge.
    pub token: TokenId,
    /// What will be kept of its secret.
    pub digest: TokenDigest,
    /// Hides the leaf that the try leaves, drawn by the edge.
    pub salt: Salt,
}

/// A session that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its token's id.
    pub token: TokenId,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Signs in: on success the token in `ask` is a session of that account.
///
/// # Errors
/// `identity.credentials`, `identity.locked` with `until`, `identity.busy`.
pub async fn sign_in(store: &Store, ask: SignIn, now: Timestamp) -> Result<Session, Problem> {
    prove(store, &ask, now).await?;
    let token = IssueToken {
        id: ask.token,
        digest: ask.digest,
        holder: Holder::Account(ask.name.clone()),
        scopes: BTreeSet::new(),
        expires_at: decide::session_end(now),
    };
    transact!(store, None, |tx| {
        // Read again: the account may have been disabled while the password was checked.
        let there = tx.row(PASSWORD, args![ask.name.as_str()]).await?;
        ensure!(there.is_some(), Refusal::Credentials);
        put_token(tx, &token, None, now).await?;
        tx.execute(CLEAR, args![ask.name.as_str()]).await?;
        let about = json!({"account": ask.name, "token": ask.token});
        leave(tx, &ask, ("identity.sign_in", about), now).await
    })?;
    Ok(Session { token: token.id, expires_at: token.expires_at })
}

/// Changes one's own password, proving the old one; all tokens of the account end.
///
/// # Errors
/// `identity.password_weak`, and as [`sign_in`].
pub async fn change_password(
    store: &Store,
    ask: SignIn,
    new: Password,
    salt: [u8; 16],
    now: Timestamp,
) -> Result<(), Problem> {
    new.check(ask.name.as_str())?;
    prove(store, &ask, now).await?;
    let hash = hashing(move || PasswordHash::make(&new, salt)).await??;
    transact!(store, None, |tx| {
        put_password(tx, &ask.name, &hash, now).await?;
        tx.execute(CLEAR, args![ask.name.as_str()]).await?;
        let about = json!({"account": ask.name});
        leave(tx, &ask, ("identity.change_password", about), now).await
    })
}

/// Hashes a password that an administrator gives to an account, in turn with all other hashing.
///
/// # Errors
/// `identity.password_weak`, `identity.busy`.
pub async fn new_password(name: &AccountName, password: Password, salt: [u8; 16]) -> Result<PasswordHash, Problem> {
    password.check(name.as_str())?;
    hashing(move || PasswordHash::make(&password, salt)).await?
}

/// Proves that the password in `ask` is the account's, counting the try first.
async fn prove(store: &Store, ask: &SignIn, now: Timestamp) -> Result<(), Problem> {
    transact!(store, None, |tx| count_attempt(tx, &ask.name, now).await)?;
    let row = store.read().await?.row(PASSWORD, args![ask.name.as_str()]).await?;
    let kept = row.as_ref().map(|it| it.opt_text("password")).transpose()?.flatten().map(PasswordHash::stored);
    let known = kept.is_some();
    let hash = kept.unwrap_or_else(PasswordHash::nobody);
    let password = ask.password.clone();
    let admitted = hashing(move || hash.admits(&password)).await?;
    if known && admitted {
        return Ok(());
    }
    transact!(store, None, |tx| leave(tx, ask, ("identity.sign_in_refused", json!({"account": ask.name})), now).await)?;
    Err(Refusal::Credentials.into())
}

async fn leave(
    tx: &mut Tx,
    ask: &SignIn,
    act: (&'static str, serde_json::Value),
    now: Timestamp,
) -> Result<(), Problem> {
    let actor = Actor::Person(ask.name.as_str().to_owned());
    let principal = Principal { organisation: ask.organisation.clone(), actor, roles: BTreeSet::new() };
    trace::leave(tx, &principal, act, ask.salt, now).await
}

pub(crate) async fn count_attempt(tx: &mut Tx, name: &AccountName, now: Timestamp) -> Result<(), Problem> {
    let at = micros(now);
    tx.execute(FORGET, args![at - LOCK_MICROS]).await?;
    let counted = tx.execute(COUNT, args![name.as_str(), at, at - LOCK_MICROS, ATTEMPTS_MAX]).await?;
    if counted == 1 {
        return Ok(());
    }
    let since = tx.row(WINDOW, args![name.as_str()]).await?.map_or(Ok(at), |it| it.int("since"))?;
    Err(Refusal::Locked(decide::window_end(since)).into())
}

async fn hashing<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let turn = tokio::time::timeout(Duration::from_secs(TURN_SECONDS_MAX), TURNS.acquire()).await;
    let _turn = turn.ok().and_then(Result::ok).ok_or_else(busy)?;
    tokio::task::spawn_blocking(work).await.map_err(|cause| {
        tracing::error!(%cause, "password hash");
        busy()
    })
}

fn busy() -> Problem {
    Problem::new(
        Kind::Unavailable,
        "identity.busy",
        "登录人数过多，请稍后重试",
        "too many are signing in at once; try again in a moment",
    )
}
