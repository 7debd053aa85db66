//! Signing in: the acts here span units of work, because a password is checked between two of them.
//!
//! First the try is counted, then the password is hashed outside any unit of work; then one unit judges what stands
//! between a right password and a session, claims the code, clears the count and begins the session. An unknown name
//! takes the same steps and the same time.

use crate::{
    AccountName, Code, Enrolment, Holder, IssueToken, Password, PasswordHash, RECOVERY_CODES, RecoveryCode,
    TokenDigest, TokenId,
    account::{Given, end_tokens, put_password},
    decide::{self, ATTEMPTS_MAX, Attempts, EntryFacts, LOCK_MICROS, LOCK_MICROS_MAX, Refusal, Wish},
    factor,
    store::{end_oldest_sessions, put_token},
    trace,
};
use evidence::Salt;
use policy::{Actor, Principal};
use serde_json::{Value, json};
use signing::Peppers;
use std::{collections::BTreeSet, time::Duration};
use store::{Reader, Row, Store, Tx, args, transact};
use tokio::sync::Semaphore;
use vocabulary::{Kind, OrganisationId, Problem, Timestamp, ensure, micros, timestamp_from_micros};

/// Passwords hashed at once: each takes 19 MiB and a core.
const HASHES_MAX: usize = 4;
/// A caller waits this long for its turn, then hears `identity.busy`.
const TURN_SECONDS_MAX: u64 = 10;

/// Counts a try unless the window has had its tries: no row then. [`decide::attempt`] says the same.
const COUNT: &str = "
    INSERT INTO identity_attempt (name, count, since, span) VALUES ($1, 1, $2, $3)
        ON CONFLICT (name) DO UPDATE
       SET count = CASE WHEN identity_attempt.since + identity_attempt.span <= $2 THEN 1
                        ELSE identity_attempt.count + 1 END,
           span = CASE WHEN identity_attempt.since + identity_attempt.span > $2 OR identity_attempt.count < $4
                       THEN identity_attempt.span
                       WHEN identity_attempt.span * 2 > $5 THEN $5
                       ELSE identity_attempt.span * 2 END,
           since = CASE WHEN identity_attempt.since + identity_attempt.span <= $2 THEN $2
                        ELSE identity_attempt.since END
     WHERE identity_attempt.since + identity_attempt.span <= $2 OR identity_attempt.count < $4";
const WINDOW: &str = "SELECT count, since, span FROM identity_attempt WHERE name = $1";
const CLEAR: &str = "DELETE FROM identity_attempt WHERE name = $1";
/// A window is kept as long as the longest one lasts, twice, so that the next one grows from it.
const FORGET: &str = "DELETE FROM identity_attempt WHERE since <= $1";
const TAKE: &str = "UPDATE identity_account SET changed_at = changed_at WHERE name = $1 AND disabled = 0";
const ENTRY: &str = "
    SELECT password, pepper, must_change, awaits_unlock, password_at,
           (SELECT COUNT(*) FROM identity_role
             WHERE account = name
               AND role IN ('system-administrator', 'security-administrator', 'audit-administrator')) AS administers
      FROM identity_account WHERE name = $1 AND disabled = 0";
const LATEST: &str = "SELECT password, pepper FROM identity_password WHERE account = $1 ORDER BY ended_at DESC";
const RENEW: &str = "UPDATE identity_account SET password = $3, pepper = $4 WHERE name = $1 AND password = $2";

#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, usize)] =
    &[(COUNT, 5), (WINDOW, 1), (CLEAR, 1), (FORGET, 1), (TAKE, 1), (ENTRY, 1), (LATEST, 1), (RENEW, 4)];

static TURNS: Semaphore = Semaphore::const_new(HASHES_MAX);

/// Somebody wants to come in: for a session, for another password, or for a second factor.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Where.
    pub organisation: OrganisationId,
    /// As whom.
    pub name: AccountName,
    /// What was typed.
    pub password: Password,
    /// The one-time code besides, where one was typed.
    pub code: Option<Code>,
    /// The id of the session to be, drawn by the edge.
    pub token: TokenId,
    /// What will be kept of its secret.
    pub digest: TokenDigest,
    /// For a password that is hashed anew, or a factor that begins; drawn by the edge.
    pub fresh: [u8; 16],
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

/// A password that was proven, by what was kept of it.
struct Proven {
    kept: PasswordHash,
    /// Made anew with the newest pepper, where it was not.
    renewed: Option<PasswordHash>,
}

/// Signs in: on success the token in `ask` is a session of that account.
///
/// # Errors
/// `identity.credentials`, `identity.locked` with `until`, `identity.busy`; with the right password
/// `identity.awaits_unlock`, `identity.code_needed`, `identity.change_first`, `identity.enrol_first`, `identity.code`.
pub async fn sign_in(store: &Store, peppers: &Peppers, ask: SignIn, now: Timestamp) -> Result<Session, Problem> {
    let proven = prove(store, peppers, &ask, now).await?;
    let token = IssueToken {
        id: ask.token,
        digest: ask.digest,
        holder: Holder::Account(ask.name.clone()),
        scopes: BTreeSet::new(),
        expires_at: decide::session_end(now),
    };
    let done = transact!(store, None, |tx| {
        let by_factor = enter(tx, (&ask, &proven), Wish::Session, peppers, now).await?;
        put_token(tx, &token, (None, by_factor), now).await?;
        end_oldest_sessions(tx, &ask.name, ask.token, now).await?;
        if let Some(renewed) = &proven.renewed {
            let values = args![ask.name.as_str(), proven.kept.as_str(), renewed.as_str(), i64::from(renewed.pepper())];
            tx.execute(RENEW, values).await?;
        }
        let about = json!({"account": ask.name, "token": ask.token, "second_factor": by_factor});
        leave(tx, &ask, ("identity.sign_in", about), now).await
    });
    note_refusal(store, &ask, done, now).await?;
    Ok(Session { token: token.id, expires_at: token.expires_at })
}

/// Changes one's own password, proving the old one, and the second factor where there is one; all tokens of the account
/// end.
///
/// # Errors
/// `identity.password_weak`, `identity.password_repeated`, and as [`sign_in`].
pub async fn change_password(
    store: &Store,
    peppers: &Peppers,
    ask: SignIn,
    new: Password,
    now: Timestamp,
) -> Result<(), Problem> {
    new.check(ask.name.as_str())?;
    let proven = prove(store, peppers, &ask, now).await?;
    let mut latest = vec![proven.kept.clone()];
    for row in store.read().await?.rows(LATEST, args![ask.name.as_str()]).await? {
        latest.extend(kept(&row)?);
    }
    let (salt, seasoned) = (ask.fresh, peppers.clone());
    let hash = hashing(move || {
        ensure!(!latest.iter().any(|it| it.admits(&new, &seasoned)), Problem::from(Refusal::PasswordRepeated));
        PasswordHash::make(&new, salt, &seasoned)
    })
    .await??;
    let done = transact!(store, None, |tx| {
        enter(tx, (&ask, &proven), Wish::Password, peppers, now).await?;
        put_password(tx, &ask.name, &hash, Given::Chosen, now).await?;
        leave(tx, &ask, ("identity.change_password", json!({"account": ask.name})), now).await
    });
    note_refusal(store, &ask, done, now).await
}

/// Begins a second factor, proving the password, and the present factor where there is one. Until it is confirmed it
/// opens nothing.
///
/// # Errors
/// As [`sign_in`].
pub async fn enrol(store: &Store, peppers: &Peppers, ask: SignIn, now: Timestamp) -> Result<Enrolment, Problem> {
    let proven = prove(store, peppers, &ask, now).await?;
    let done = transact!(store, None, |tx| {
        enter(tx, (&ask, &proven), Wish::Factor, peppers, now).await?;
        factor::begin(tx, &ask.name, ask.fresh, peppers, now).await?;
        leave(tx, &ask, ("identity.enrol", json!({"account": ask.name})), now).await
    });
    note_refusal(store, &ask, done, now).await?;
    Enrolment::of(&ask.organisation, &ask.name, ask.fresh, peppers)
}

/// Confirms a second factor that was begun, by one of its codes; `recovery` are the codes that open instead of it, each
/// once. All tokens of the account end.
///
/// # Errors
/// `identity.not_enrolling`, `identity.code`, and as [`sign_in`].
pub async fn confirm(
    store: &Store,
    peppers: &Peppers,
    ask: SignIn,
    recovery: &[RecoveryCode; RECOVERY_CODES],
    now: Timestamp,
) -> Result<(), Problem> {
    let code = ask.code.clone().ok_or(Refusal::CodeNeeded)?;
    prove(store, peppers, &ask, now).await?;
    let done = transact!(store, None, |tx| {
        factor::confirm(tx, (&ask.name, &code), recovery, peppers, now).await?;
        end_tokens(tx, &ask.name, now).await?;
        tx.execute(CLEAR, args![ask.name.as_str()]).await?;
        leave(tx, &ask, ("identity.confirm_factor", json!({"account": ask.name})), now).await
    });
    note_refusal(store, &ask, done, now).await
}

/// Hashes a password that is given to an account, in turn with all other hashing.
///
/// # Errors
/// `identity.password_weak`, `identity.busy`.
pub async fn new_password(
    name: &AccountName,
    password: Password,
    salt: [u8; 16],
    peppers: &Peppers,
) -> Result<PasswordHash, Problem> {
    password.check(name.as_str())?;
    let peppers = peppers.clone();
    hashing(move || PasswordHash::make(&password, salt, &peppers)).await?
}

/// Proves that the password in `ask` is the account's, counting the try first.
async fn prove(store: &Store, peppers: &Peppers, ask: &SignIn, now: Timestamp) -> Result<Proven, Problem> {
    transact!(store, None, |tx| count_attempt(tx, &ask.name, now).await)?;
    let row = store.read().await?.row(ENTRY, args![ask.name.as_str()]).await?;
    let there = row.as_ref().map(kept).transpose()?.flatten();
    let known = there.is_some();
    let hash = there.unwrap_or_else(PasswordHash::nobody);
    let (password, seasoned, fresh) = (ask.password.clone(), peppers.clone(), ask.fresh);
    let proven = hashing(move || {
        if !hash.admits(&password, &seasoned) || !known {
            return Ok(None);
        }
        let old = hash.pepper() != seasoned.newest();
        let renewed = if old { Some(PasswordHash::make(&password, fresh, &seasoned)?) } else { None };
        Ok::<_, Problem>(Some(Proven { kept: hash, renewed }))
    });
    match proven.await?? {
        Some(proven) => Ok(proven),
        None => note_refusal(store, ask, Err(Refusal::Credentials.into()), now).await,
    }
}

fn kept(row: &Row) -> Result<Option<PasswordHash>, Problem> {
    let pepper = u32::try_from(row.int("pepper")?).unwrap_or(0);
    Ok(row.opt_text("password")?.map(|it| PasswordHash::stored(it, pepper)))
}

/// Judges what stands between a proven password and the wish, and proves the second factor; says whether there was one.
/// What is judged is read here, with the account's row taken: it may have changed while the password was hashed.
async fn enter(
    tx: &mut Tx,
    (ask, proven): (&SignIn, &Proven),
    wish: Wish,
    peppers: &Peppers,
    now: Timestamp,
) -> Result<bool, Problem> {
    let name = ask.name.as_str();
    ensure!(tx.execute(TAKE, args![name]).await? == 1, Refusal::Credentials);
    let row = tx.row(ENTRY, args![name]).await?.ok_or(Refusal::Credentials)?;
    ensure!(row.opt_text("password")? == Some(proven.kept.as_str()), Refusal::Credentials);
    let factor = factor::factor_of(tx, &ask.name).await?.filter(|it| it.confirmed);
    let facts = EntryFacts {
        awaits_unlock: row.flag("awaits_unlock")?,
        must_change: row.flag("must_change")?,
        password_at: timestamp_from_micros(row.int("password_at")?)?,
        administers: row.int("administers")? > 0,
        has_factor: factor.is_some(),
        shows_code: ask.code.is_some(),
    };
    decide::entry(facts, wish, now)?;
    if let (Some(factor), Some(code)) = (&factor, &ask.code) {
        factor::prove(tx, (&ask.name, code), factor, peppers, now).await?;
    }
    tx.execute(CLEAR, args![name]).await?;
    Ok(factor.is_some())
}

/// Leaves a trace of a wrong password or code: of the first in a window and of the one that locks, so that whoever
/// knocks for ever fills no log.
async fn note_refusal<T>(store: &Store, ask: &SignIn, done: Result<T, Problem>, now: Timestamp) -> Result<T, Problem> {
    let Err(problem) = &done else { return done };
    let why = match problem.code.as_ref() {
        "identity.credentials" => "password",
        "identity.code" => "code",
        _ => return done,
    };
    transact!(store, None, |tx| {
        let window = window(tx, &ask.name).await?;
        if window.count == 1 || window.count >= ATTEMPTS_MAX {
            let about = json!({"account": ask.name, "why": why, "tries": window.count});
            let act = ("identity.sign_in_refused", about, problem.code.as_ref());
            trace::leave_refused(tx, &principal(ask), act, ask.salt, now).await?;
        }
        Ok(())
    })?;
    done
}

async fn leave(tx: &mut Tx, ask: &SignIn, act: (&'static str, Value), now: Timestamp) -> Result<(), Problem> {
    trace::leave(tx, &principal(ask), act, ask.salt, now).await
}

/// Whoever signs in, before it is known what they may do.
fn principal(ask: &SignIn) -> Principal {
    let actor = Actor::Person(ask.name.as_str().to_owned());
    Principal { organisation: ask.organisation.clone(), actor, roles: BTreeSet::new() }
}

async fn window(reader: &mut Reader, name: &AccountName) -> Result<Attempts, Problem> {
    let Some(row) = reader.row(WINDOW, args![name.as_str()]).await? else { return Ok(Attempts::default()) };
    Ok(Attempts { count: row.int("count")?, since: row.int("since")?, span: row.int("span")? })
}

pub(crate) async fn count_attempt(tx: &mut Tx, name: &AccountName, now: Timestamp) -> Result<(), Problem> {
    let at = micros(now);
    tx.execute(FORGET, args![at - 2 * LOCK_MICROS_MAX]).await?;
    let values = args![name.as_str(), at, LOCK_MICROS, ATTEMPTS_MAX, LOCK_MICROS_MAX];
    if tx.execute(COUNT, values).await? == 1 {
        return Ok(());
    }
    Err(Refusal::Locked(window(tx, name).await?.end()).into())
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
