//! Know 身份: accounts of an organisation, their roles, its application systems, tokens for programs and sessions.
//!
//! Invariants:
//! - a password is kept as Argon2id of its keyed SM3, a token as SHA-256; neither can be read back, and neither prints;
//! - an account name is tried at most five times in a window, which grows; an unknown one looks just the same;
//! - a token covers no more than its scopes say, and its holder's roles allow;
//! - the three administrators are three people, each with a second factor, and none does business; nobody changes the
//!   own roles, and every act leaves its trace.

mod account;
mod ask;
pub mod decide;
mod factor;
mod name;
mod password;
mod role;
mod scope;
mod secret;
mod session;
mod store;
pub mod totp;
mod trace;

pub use crate::store::{
    Application, Caller, PAGE_MAX, Token, application, applications, authenticate, forget_tokens, issue_token, migrate,
    register_application, retire_application, revoke_token, sign_out, tokens, used,
};
pub use account::{
    Account, accounts, appoint, create_account, reset_password, set_enabled, set_roles, unlock, vacancies,
};
pub use ask::{
    Appoint, CreateAccount, Holder, IssueToken, ListIdentities, RegisterApplication, ResetFactor, ResetPassword,
    RetireApplication, RevokeToken, SetEnabled, SetRoles, Unlock,
};
pub use decide::Refusal;
pub use factor::{Code, Enrolment, RECOVERY_BYTES, RECOVERY_CODES, RecoveryCode, reset_factor};
pub use name::{AccountName, ApplicationName, TokenId};
pub use password::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, Password, PasswordHash};
pub use role::{ROLES, parse_role, role_title, role_word};
pub use scope::{SCOPES, Scope};
pub use secret::{TokenDigest, TokenSecret};
pub use session::{Session, SignIn, change_password, confirm, enrol, new_password, sign_in};

#[cfg(test)]
mod tests;
