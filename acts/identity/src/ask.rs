//! What may be asked of identity, and what each ask needs.

use crate::{AccountName, ApplicationName, PasswordHash, Scope, TokenDigest, TokenId};
use policy::{ADMINISTRATORS, Ask, Need, Role};
use std::collections::BTreeSet;
use vocabulary::{Bilingual, Personal, Timestamp};

/// Opens an account. It has no roles: those are the security administrator's to grant.
#[derive(Clone, Debug)]
pub struct CreateAccount {
    /// What its holder signs in with.
    pub name: AccountName,
    /// The holder's name.
    pub person: Personal<String>,
    /// What is kept of the first password, which its holder must change.
    pub password: PasswordHash,
}

/// Puts an account into an office of one of the three administrators, where nobody is in it.
#[derive(Clone, Debug)]
pub struct Appoint {
    /// Which of the three.
    pub office: Role,
    /// What its holder signs in with; opened when it is not there.
    pub name: AccountName,
    /// The holder's name.
    pub person: Personal<String>,
    /// What is kept of the first password, which its holder must change.
    pub password: PasswordHash,
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

/// Gives an account a new password and ends its tokens. Until the security administrator unlocks it nobody signs in
/// with it, so that no administrator alone can take an account over.
#[derive(Clone, Debug)]
pub struct ResetPassword {
    /// Whose.
    pub account: AccountName,
    /// What is kept of it.
    pub password: PasswordHash,
}

/// Unlocks an account: its failed sign-ins are forgotten, and a password that was reset opens it.
#[derive(Clone, Debug)]
pub struct Unlock {
    /// Which.
    pub account: AccountName,
}

/// Takes an account's second factor away, so that its holder can enrol another.
#[derive(Clone, Debug)]
pub struct ResetFactor {
    /// Whose.
    pub account: AccountName,
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

macro_rules! by {
    ($role:ident: $($ask:ty),*) => {
        $(impl Ask for $ask {
            fn need(&self) -> Need<'_> {
                Need::Role(&[Role::$role])
            }
        })*
    };
}

by!(SystemAdministrator: CreateAccount, SetEnabled, ResetPassword, RegisterApplication, RetireApplication);
by!(SecurityAdministrator: SetRoles, Unlock, ResetFactor, RevokeToken);

impl Ask for Appoint {
    fn need(&self) -> Need<'_> {
        Need::Job
    }
}

impl Ask for IssueToken {
    /// A person's token is made by that person alone: nobody can be spoken for.
    fn need(&self) -> Need<'_> {
        match &self.holder {
            Holder::Account(name) => Need::Oneself(name.as_str()),
            Holder::Application(_) => Need::Role(&[Role::SecurityAdministrator]),
        }
    }
}

impl Ask for ListIdentities {
    fn need(&self) -> Need<'_> {
        Need::Role(&ADMINISTRATORS)
    }
}
