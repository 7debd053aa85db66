//! Know 身份: accounts of an organisation, their roles, its application systems, tokens for programs and sessions.
//!
//! Invariants:
//! - a password is kept as Argon2id, a token as SHA-256; neither can be read back, and neither prints;
//! - an account name is tried at most five times in a quarter of an hour, and an unknown one looks just the same;
//! - a token covers no more than its scopes say, and its holder's roles allow;
//! - who administers does not audit, nobody changes the own roles, and every act leaves its trace.

mod ask;
pub mod decide;
mod name;
mod password;
mod role;
mod scope;
mod secret;
mod session;
mod store;
mod trace;

pub use crate::store::{
    Account, Application, Caller, PAGE_MAX, Token, accounts, application, applications, authenticate, create_account,
    forget_tokens, issue_token, migrate, register_application, reset_password, retire_application, revoke_token,
    set_enabled, set_roles, sign_out, tokens, used,
};
pub use ask::{
    CreateAccount, Holder, IssueToken, ListIdentities, RegisterApplication, ResetPassword, RetireApplication,
    RevokeToken, SetEnabled, SetRoles,
};
pub use decide::Refusal;
pub use name::{AccountName, ApplicationName, TokenId};
pub use password::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, Password, PasswordHash};
pub use role::{ROLES, parse_role, role_title, role_word};
pub use scope::{SCOPES, Scope};
pub use secret::{TokenDigest, TokenSecret};
pub use session::{Session, SignIn, change_password, new_password, sign_in};

#[cfg(test)]
mod tests;
