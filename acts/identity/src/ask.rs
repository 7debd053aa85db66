//! What may be asked of identity, and what each ask needs.

use crate::{AccountName, ApplicationName, PasswordHash, Scope, TokenDigest, TokenId};
use policy::{Ask, Need, Role};
use std::collections::BTreeSet;
use vocabulary::{Bilingual, Personal, Timestamp};

/// Opens an account.
#[derive(Clone, Debug)]
pub struct CreateAccount {
    /// What its holder signs in with.
    pub name: AccountName,
    /// The holder's name.
    pub person: Personal<String>,
    /// What is kept of the password.
    pub password: PasswordHash,
    /// What the holder may do.
    pub roles: BTreeSet<Role>,
}

/// Gives an account exactly these roles.
#[derive(Clone, Debug)]
pub struct SetRoles {
    /// Whose.
    pub account: AccountName,
    /// All of them; an empty set takes every role away.
    pub roles: BTreeSet<Role>,
}

/// Disables an account and ends its tokens, or enables it again.
#[derive(Clone, Debug)]
pub struct SetEnabled {
    /// Which.
    pub account: AccountName,
    /// Whether it may sign in.
    pub enabled: bool,
}

/// Gives an account a new password and ends its tokens.
#[derive(Clone, Debug)]
pub struct ResetPassword {
    /// Whose.
    pub account: AccountName,
    /// What is kept of it.
    pub password: PasswordHash,
}

/// Registers an application system of the organisation.
#[derive(Clone, Debug)]
pub struct RegisterApplication {
    /// Its name.
    pub name: ApplicationName,
    /// Its title (惠企政策平台).
    pub title: Bilingual,
    /// What it is for: the matter (事项) whose data it uses.
    pub matter: String,
}

/// Retires an application system and ends its tokens.
#[derive(Clone, Debug)]
pub struct RetireApplication {
    /// Which.
    pub name: ApplicationName,
}

/// Whom a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A person.
    Account(AccountName),
    /// An application system.
    Application(ApplicationName),
}

/// Issues a token for a program.
#[derive(Clone, Debug)]
pub struct IssueToken {
    /// Its id.
    pub id: TokenId,
    /// What is kept of the secret.
    pub digest: TokenDigest,
    /// Whom it speaks for.
    pub holder: Holder,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Takes a token back.
#[derive(Clone, Debug)]
pub struct RevokeToken {
    /// Which.
    pub id: TokenId,
}

/// Lists accounts, applications and tokens.
#[derive(Clone, Debug)]
pub struct ListIdentities;

macro_rules! administrators {
    ($($ask:ty),*) => {
        $(impl Ask for $ask {
            fn need(&self) -> Need<'_> {
                Need::Role(&[Role::Administrator])
            }
        })*
    };
}

administrators!(
    CreateAccount,
    SetRoles,
    SetEnabled,
    ResetPassword,
    RegisterApplication,
    RetireApplication,
    IssueToken,
    RevokeToken
);

impl Ask for ListIdentities {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::Administrator, Role::Auditor])
    }
}
