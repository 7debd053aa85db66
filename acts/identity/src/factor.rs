//! Second factors: a secret for one-time codes that is derived from the pepper and never stored, and ten recovery codes
//! that each open once.
//!
//! A step of codes is claimed in the statement, so that of two who show the same code at once one loses.

use crate::{
    AccountName, ResetFactor,
    account::{end_tokens, is_enabled, no_account},
    decide::{self, Refusal},
    totp::{self, SECRET_BYTES},
    trace,
};
use evidence::Salt;
use policy::Permit;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use signing::{PepperPurpose, Peppers};
use std::fmt;
use store::{Row, Tx, args};
use vocabulary::{Kind, OrganisationId, Personal, Problem, Timestamp, ensure, micros};

/// Recovery codes of one enrolment.
pub const RECOVERY_CODES: usize = 10;
/// Bytes of one: eighty bits, so that a plain hash keeps them.
pub const RECOVERY_BYTES: usize = 10;

const BEGIN: &str = "
    INSERT INTO identity_factor (account, salt, pepper, confirmed, last_step, made_at)
    VALUES ($1, $2, $3, 0, -1, $4) ON CONFLICT (account) DO UPDATE
       SET salt = $2, pepper = $3, confirmed = 0, last_step = -1, made_at = $4";
const FACTOR: &str = "SELECT salt, pepper, confirmed, last_step FROM identity_factor WHERE account = $1";
const CONFIRM: &str = "
    UPDATE identity_factor SET confirmed = 1, last_step = $2 WHERE account = $1 AND confirmed = 0";
/// Claims a step, once.
const CLAIM: &str = "
    UPDATE identity_factor SET last_step = $2 WHERE account = $1 AND confirmed = 1 AND last_step < $2";
const SPEND: &str = "DELETE FROM identity_recovery WHERE account = $1 AND digest = $2";
const ADD_RECOVERY: &str = "INSERT INTO identity_recovery (account, digest) VALUES ($1, $2)";
const DROP_FACTOR: &str = "DELETE FROM identity_factor WHERE account = $1";
const DROP_RECOVERY: &str = "DELETE FROM identity_recovery WHERE account = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, usize)] = &[
    (BEGIN, 4),
    (FACTOR, 1),
    (CONFIRM, 2),
    (CLAIM, 2),
    (SPEND, 2),
    (ADD_RECOVERY, 2),
    (DROP_FACTOR, 1),
    (DROP_RECOVERY, 1),
];

/// What was typed as a second factor: six digits, or a recovery code. It prints as a dot.
#[derive(Clone, Debug)]
pub struct Code(Personal<String>);

impl Code {
    /// Takes what was typed; spaces and hyphens are for the eye.
    pub fn new(text: &str) -> Self {
        Self(Personal::new(text.chars().filter(|it| !it.is_whitespace() && *it != '-').collect()))
    }

    fn text(&self) -> &str {
        self.0.open()
    }
}

/// A recovery code: drawn by the edge, shown once, kept as SHA-256.
#[derive(Clone, Copy)]
pub struct RecoveryCode([u8; RECOVERY_BYTES]);

impl RecoveryCode {
    /// Wraps bytes that the edge has drawn.
    pub fn from_bytes(bytes: [u8; RECOVERY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The text that its holder keeps: four groups of four.
    pub fn reveal(&self) -> String {
        let text = totp::base32(&self.0).to_lowercase();
        let letters: Vec<char> = text.chars().collect();
        letters.chunks(4).map(|it| it.iter().collect::<String>()).collect::<Vec<_>>().join("-")
    }

    fn digest(self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    fn read(text: &str) -> Option<Self> {
        Some(Self(totp::from_base32(&text.to_uppercase())?.try_into().ok()?))
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•")
    }
}

/// A second factor that was begun: what its holder's app is told. It prints as dots.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// The secret in Base32, for an app that is told by hand.
    pub secret: Personal<String>,
    /// The same as an address (`otpauth://totp/…`), for a picture.
    pub uri: Personal<String>,
}

impl Enrolment {
    /// What [`begin`] began with `salt`.
    pub(crate) fn of(
        organisation: &OrganisationId,
        account: &AccountName,
        salt: [u8; 16],
        peppers: &Peppers,
    ) -> Result<Self, Problem> {
        let factor = Factor { salt: salt.to_vec(), pepper: peppers.newest(), last_step: -1, confirmed: false };
        let text = totp::base32(factor.secret(account, peppers)?.open());
        // Both names are letters, digits and hyphens: nothing is to be escaped.
        let uri = format!(
            "otpauth://totp/yunhe-{organisation}:{account}?secret={text}&issuer=yunhe-{organisation}&algorithm=SHA1\
             &digits=6&period={}",
            totp::STEP_SECONDS
        );
        Ok(Self { secret: Personal::new(text), uri: Personal::new(uri) })
    }
}

/// What is known of an account's second factor.
#[derive(Clone, Debug)]
pub(crate) struct Factor {
    salt: Vec<u8>,
    pepper: u32,
    last_step: i64,
    pub(crate) confirmed: bool,
}

impl Factor {
    fn of(row: &Row) -> Result<Self, Problem> {
        Ok(Self {
            salt: row.bytes("salt")?.to_vec(),
            pepper: u32::try_from(row.int("pepper")?).unwrap_or(0),
            last_step: row.int("last_step")?,
            confirmed: row.flag("confirmed")?,
        })
    }

    fn secret(&self, account: &AccountName, peppers: &Peppers) -> Result<Personal<Vec<u8>>, Problem> {
        let bytes = [account.as_str().as_bytes(), self.salt.as_slice()];
        let mac =
            peppers.mac(self.pepper, PepperPurpose::SecondFactor, &bytes).ok_or_else(|| no_pepper(self.pepper))?;
        Ok(Personal::new(mac[..SECRET_BYTES].to_vec()))
    }
}

fn no_pepper(version: u32) -> Problem {
    Problem::new(
        Kind::Internal,
        "identity.pepper",
        format!("密钥目录中没有 pepper-{version}.key；请从备份恢复，或由安全管理员重置动态口令"),
        format!("the key folder has no pepper-{version}.key; restore it, or have the second factor reset"),
    )
}

pub(crate) async fn factor_of(tx: &mut Tx, account: &AccountName) -> Result<Option<Factor>, Problem> {
    tx.row(FACTOR, args![account.as_str()]).await?.as_ref().map(Factor::of).transpose()
}

/// Begins a second factor, in place of any other.
pub(crate) async fn begin(
    tx: &mut Tx,
    account: &AccountName,
    salt: [u8; 16],
    peppers: &Peppers,
    now: Timestamp,
) -> Result<(), Problem> {
    tx.execute(DROP_RECOVERY, args![account.as_str()]).await?;
    tx.execute(BEGIN, args![account.as_str(), salt.as_slice(), i64::from(peppers.newest()), micros(now)])
        .await
        .map(|_| ())
}

/// Confirms the second factor that was begun by one of its codes, which is spent by it.
pub(crate) async fn confirm(
    tx: &mut Tx,
    (account, code): (&AccountName, &Code),
    recovery: &[RecoveryCode; RECOVERY_CODES],
    peppers: &Peppers,
    now: Timestamp,
) -> Result<(), Problem> {
    let factor = factor_of(tx, account).await?.filter(|it| !it.confirmed).ok_or(Refusal::NotEnrolling)?;
    let secret = factor.secret(account, peppers)?;
    let step = totp::matching(secret.open(), code.text(), factor.last_step, now).ok_or(Refusal::Code)?;
    ensure!(tx.execute(CONFIRM, args![account.as_str(), step]).await? == 1, Refusal::NotEnrolling);
    for one in recovery {
        tx.execute(ADD_RECOVERY, args![account.as_str(), one.digest()]).await?;
    }
    Ok(())
}

/// Proves a confirmed second factor by a code of its or by a recovery code; either counts once.
pub(crate) async fn prove(
    tx: &mut Tx,
    (account, code): (&AccountName, &Code),
    factor: &Factor,
    peppers: &Peppers,
    now: Timestamp,
) -> Result<(), Problem> {
    let claimed = if let Some(recovery) = RecoveryCode::read(code.text()) {
        tx.execute(SPEND, args![account.as_str(), recovery.digest()]).await?
    } else {
        let secret = factor.secret(account, peppers)?;
        let step = totp::matching(secret.open(), code.text(), factor.last_step, now).ok_or(Refusal::Code)?;
        tx.execute(CLAIM, args![account.as_str(), step]).await?
    };
    ensure!(claimed == 1, Refusal::Code);
    Ok(())
}

pub(crate) async fn forget(tx: &mut Tx, account: &AccountName) -> Result<(), Problem> {
    tx.execute(DROP_RECOVERY, args![account.as_str()]).await?;
    tx.execute(DROP_FACTOR, args![account.as_str()]).await.map(|_| ())
}

/// Takes an account's second factor away and ends its tokens.
///
/// # Errors
/// `identity.no_account`, `identity.oneself`.
pub async fn reset_factor(
    tx: &mut Tx,
    permit: &Permit<ResetFactor>,
    salt: Salt,
    now: Timestamp,
) -> Result<(), Problem> {
    let account = &permit.ask().account;
    decide::not_oneself(&permit.principal().actor, account)?;
    ensure!(is_enabled(tx, account).await?.is_some(), no_account(account));
    forget(tx, account).await?;
    end_tokens(tx, account, now).await?;
    trace::leave(tx, permit.principal(), ("identity.reset_factor", json!({"account": account})), salt, now).await
}
