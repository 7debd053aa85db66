//! Accounts, application systems, tokens, and who calls.

use crate::{Organisation, administrators::draw_password, draw_bytes, draw_salt, draw_uuid};
use identity::{
    AccountName, ApplicationName, Code, CreateAccount, Holder, ListIdentities, Password, RECOVERY_BYTES,
    RECOVERY_CODES, RecoveryCode, RegisterApplication, ResetFactor, ResetPassword, RetireApplication, RevokeToken,
    Scope, SetEnabled, SetRoles, SignIn, TokenId, TokenSecret, Unlock,
};
use jiff::ToSpan as _;
use policy::{Principal, Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use store::transact;
use vocabulary::{Bilingual, Personal, Problem, Timestamp};

/// A person's account to open. Its roles are the security administrator's to grant.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// What the holder signs in with.
    pub name: String,
    /// The holder's name; left out, it is the account's.
    #[serde(default)]
    pub person: Option<String>,
    /// The first password, which the holder must change; left out, one is drawn and told once.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub password: Option<Personal<String>>,
}

/// An account that was opened.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct OpenedUser {
    /// Its name.
    pub name: String,
    /// The first password, where one was drawn; it is told here and never again, and its holder must change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_password: Option<String>,
}

/// An application system to register.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApplication {
    /// Its name.
    pub name: String,
    /// Its title.
    #[serde(default)]
    pub title: Option<Bilingual>,
    /// The matter whose data it uses; left out, its title.
    #[serde(default)]
    pub matter: Option<String>,
}

/// An application system as a list shows it.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct ApplicationView {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: Bilingual,
    /// The matter whose data it uses.
    pub matter: String,
    /// Whether it is out of use.
    pub retired: bool,
}

/// A token to issue, for a person or a program.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// For a person: whoever asks, and nobody else.
    #[serde(default)]
    pub user: Option<String>,
    /// For an application system that is registered.
    #[serde(default)]
    pub application: Option<String>,
    /// For how many days.
    pub days: u32,
    /// What it may be used for; none named: whatever the roles allow.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// A token that was issued, or a session that began. Its secret is told here and never again.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct IssuedToken {
    /// Its id, to take it back by.
    pub id: TokenId,
    /// What its holder shows.
    pub token: String,
    /// When it ends.
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
}

/// Somebody signs in.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The account's name.
    pub name: String,
    /// What was typed.
    #[schemars(with = "String")]
    pub password: Personal<String>,
    /// The password from now on, where it is to be changed.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub new: Option<Personal<String>>,
    /// The one-time code, or a recovery code, where there is a second factor.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub code: Option<Personal<String>>,
}

/// A second factor that was begun. It is told here and never again, and opens nothing until it is confirmed.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Enrolling {
    /// The secret in Base32, for an app that is told by hand.
    pub secret: String,
    /// The same as an address, for a picture: `otpauth://totp/…`.
    pub uri: String,
}

/// A second factor that was confirmed.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Enrolled {
    /// Codes that open instead of it, each once; told here and never again.
    pub recovery_codes: Vec<String>,
}

/// A token as a list shows it.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct TokenView {
    /// Its id.
    pub id: TokenId,
    /// Whose: a person's.
    pub user: Option<String>,
    /// Whose: an application system's.
    pub application: Option<String>,
    /// What it may be used for; none for a session.
    pub scopes: Option<BTreeSet<Scope>>,
    /// When it ends.
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
    /// When it was taken back.
    #[schemars(with = "Option<String>")]
    pub revoked_at: Option<Timestamp>,
    /// The last day on which it was used.
    pub last_day: Option<String>,
}

/// An account as a list shows it.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct UserView {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub roles: BTreeSet<Role>,
    /// Whether it may sign in.
    pub enabled: bool,
}

/// Keeping accounts.
#[derive(Debug)]
struct Administer;

impl policy::Ask for Administer {
    fn need(&self) -> policy::Need<'_> {
        policy::Need::Role(&[Role::SystemAdministrator])
    }
}

impl Organisation {
    /// Says who shows `token`, which must cover one of `scopes`.
    ///
    /// # Errors
    /// `identity.token` and its kin, `identity.scope`.
    pub async fn caller(&self, token: &str, scopes: &[Scope]) -> Result<Principal, Problem> {
        let secret = TokenSecret::parse(token)?;
        let now = self.now();
        let mut reader = self.store.read().await?;
        let caller = identity::authenticate(&mut reader, self.id(), secret.digest(), now).await?;
        drop(reader);
        caller.covers(scopes)?;
        if caller.to_note {
            // A disk that is full stops no reading: the session then only ends sooner than it had to.
            if let Err(problem) = transact!(self.store, None, |tx| identity::used(tx, caller.token, now).await) {
                tracing::warn!(%problem, "the use of a session was not noted");
            }
        }
        Ok(caller.principal)
    }

    /// Opens an account, without roles.
    ///
    /// # Errors
    /// `identity.account_exists`, `identity.password_weak`, `identity.busy`, `policy.role`.
    pub async fn create_user(&self, principal: &Principal, user: NewUser) -> Result<OpenedUser, Problem> {
        // May they at all, before anything is hashed for them.
        self.permit(principal, Administer)?;
        let name = AccountName::new(&user.name)?;
        let drawn = if user.password.is_none() { Some(draw_password(&name)?) } else { None };
        let first = user.password.map_or_else(|| drawn.clone().unwrap_or_default(), |it| it.open().clone());
        let peppers = &self.keys.peppers;
        let password = identity::new_password(&name, Password::new(&first), draw_bytes()?, peppers).await?;
        let person = Personal::new(user.person.unwrap_or_else(|| user.name.clone()));
        let permit = self.permit(principal, CreateAccount { name, person, password })?;
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| identity::create_account(tx, &permit, salt, now).await)?;
        Ok(OpenedUser { name: user.name, first_password: drawn })
    }

    /// Gives an account exactly these roles.
    ///
    /// # Errors
    /// `identity.no_account`, `identity.apart`, `identity.oneself`, `identity.last_administrator`, `policy.role`.
    pub async fn set_roles(&self, principal: &Principal, name: &str, roles: BTreeSet<Role>) -> Result<(), Problem> {
        let permit = self.permit(principal, SetRoles { account: AccountName::new(name)?, roles })?;
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| identity::set_roles(tx, &permit, salt, now).await)
    }

    /// Disables an account, or enables it again.
    ///
    /// # Errors
    /// `identity.no_account`, `identity.oneself`, `identity.last_administrator`, `policy.role`.
    pub async fn set_enabled(&self, principal: &Principal, name: &str, enabled: bool) -> Result<(), Problem> {
        let permit = self.permit(principal, SetEnabled { account: AccountName::new(name)?, enabled })?;
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| identity::set_enabled(tx, &permit, salt, now).await)
    }

    /// Unlocks an account.
    ///
    /// # Errors
    /// `identity.no_account`, `identity.oneself`, `policy.role`.
    pub async fn unlock(&self, principal: &Principal, name: &str) -> Result<(), Problem> {
        let permit = self.permit(principal, Unlock { account: AccountName::new(name)? })?;
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| identity::unlock(tx, &permit, salt, now).await)
    }

    /// Takes an account's second factor away.
    ///
    /// # Errors
    /// `identity.no_account`, `identity.oneself`, `policy.role`.
    pub async fn reset_factor(&self, principal: &Principal, name: &str) -> Result<(), Problem> {
        let permit = self.permit(principal, ResetFactor { account: AccountName::new(name)? })?;
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| identity::reset_factor(tx, &permit, salt, now).await)
    }

    /// Registers an application system.
    ///
    /// # Errors
    /// `identity.application_exists`, `policy.role`.
    pub async fn register_application(&self, principal: &Principal, new: NewApplication) -> Result<(), Problem> {
        let name = ApplicationName::new(&new.name)?;
        let title = new.title.unwrap_or_else(|| Bilingual::new(name.as_str(), name.as_str()));
        let ask = RegisterApplication { name, matter: new.matter.unwrap_or_else(|| title.zh.clone()), title };
        let permit = self.permit(principal, ask)?;
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| identity::register_application(tx, &permit, salt, now).await)
    }

    /// Retires an application system; its tokens end.
    ///
    /// # Errors
    /// `identity.no_application`, `policy.role`.
    pub async fn retire_application(&self, principal: &Principal, name: &str) -> Result<(), Problem> {
        let permit = self.permit(principal, RetireApplication { name: ApplicationName::new(name)? })?;
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| identity::retire_application(tx, &permit, salt, now).await)
    }

    /// The application systems, at most 500.
    ///
    /// # Errors
    /// As the store's.
    pub async fn applications(&self) -> Result<Vec<ApplicationView>, Problem> {
        let all = identity::applications(&mut self.store.read().await?, "", identity::PAGE_MAX).await?;
        let view = |it: identity::Application| {
            let identity::Application { name, title, matter, retired } = it;
            ApplicationView { name: name.as_str().to_owned(), title, matter, retired }
        };
        Ok(all.into_iter().map(view).collect())
    }

    /// Issues a token and reveals it, once.
    ///
    /// # Errors
    /// `identity.no_account`, `identity.lifetime`, `identity.no_scope`, `policy.role`.
    pub async fn create_token(&self, principal: &Principal, token: NewToken) -> Result<IssuedToken, Problem> {
        let now = self.now();
        let scopes = token.scopes.iter().map(|it| Scope::parse(it)).collect::<Result<BTreeSet<_>, _>>()?;
        let scopes = if scopes.is_empty() { BTreeSet::from([Scope::All]) } else { scopes };
        let holder = match (&token.user, &token.application) {
            (Some(user), None) => Holder::Account(AccountName::new(user)?),
            (None, Some(name)) => Holder::Application(ApplicationName::new(name)?),
            _ => {
                return Err(Problem::new(
                    vocabulary::Kind::Unprocessable,
                    "identity.holder",
                    "请指明 user 或 application 之一",
                    "name either user or application",
                ));
            }
        };
        let expires_at = now.saturating_add((i64::from(token.days) * 24).hours()).unwrap_or(now);
        self.new_token(principal, holder, (scopes, expires_at)).await
    }

    /// Takes a token back.
    ///
    /// # Errors
    /// `identity.no_token`, `policy.role`.
    pub async fn revoke_token(&self, principal: &Principal, id: TokenId) -> Result<(), Problem> {
        let permit = self.permit(principal, RevokeToken { id })?;
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| identity::revoke_token(tx, &permit, salt, now).await)
    }

    /// The tokens behind `after`, at most 500.
    ///
    /// # Errors
    /// `policy.role`.
    pub async fn tokens(&self, principal: &Principal, after: Option<TokenId>) -> Result<Vec<TokenView>, Problem> {
        let permit = self.permit(principal, ListIdentities)?;
        let tokens = identity::tokens(&mut self.store.read().await?, &permit, after, identity::PAGE_MAX).await?;
        let view = |it: identity::Token| {
            let (user, application) = match it.holder {
                Holder::Account(name) => (Some(name.as_str().to_owned()), None),
                Holder::Application(name) => (None, Some(name.as_str().to_owned())),
            };
            let identity::Token { id, scopes, expires_at, revoked_at, last_day, .. } = it;
            TokenView { id, user, application, scopes, expires_at, revoked_at, last_day }
        };
        Ok(tokens.into_iter().map(view).collect())
    }

    /// The accounts, at most 500.
    ///
    /// # Errors
    /// `policy.role`.
    pub async fn users(&self, principal: &Principal) -> Result<Vec<UserView>, Problem> {
        let permit = self.permit(principal, ListIdentities)?;
        let accounts = identity::accounts(&mut self.store.read().await?, &permit, "", identity::PAGE_MAX).await?;
        Ok(accounts
            .into_iter()
            .map(|it| UserView { name: it.name.as_str().to_owned(), roles: it.roles, enabled: it.enabled })
            .collect())
    }

    /// Gives an account a password that its holder is told; all its tokens end, and nobody signs in with it until the
    /// security administrator unlocks it.
    ///
    /// # Errors
    /// `identity.no_account`, `identity.oneself`, `identity.password_weak`, `identity.busy`, `policy.role`.
    pub async fn reset_password(&self, principal: &Principal, name: &str, password: &str) -> Result<(), Problem> {
        let account = AccountName::new(name)?;
        // May they at all, before anything is hashed for them.
        self.permit(principal, Administer)?;
        let peppers = &self.keys.peppers;
        let password = identity::new_password(&account, Password::new(password), draw_bytes()?, peppers).await?;
        let permit = self.permit(principal, ResetPassword { account, password })?;
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| identity::reset_password(tx, &permit, salt, now).await)
    }

    /// Signs in with a password, and a code where there is a second factor: a session, which is a token that lasts some
    /// hours.
    ///
    /// # Errors
    /// `identity.credentials`, `identity.locked`, `identity.busy`; with the right password `identity.awaits_unlock`,
    /// `identity.code_needed`, `identity.code`, `identity.change_first`, `identity.enrol_first`.
    pub async fn sign_in(&self, with: Credentials) -> Result<IssuedToken, Problem> {
        let (ask, secret, now) = self.signing_in(&with)?;
        let session = identity::sign_in(&self.store, &self.keys.peppers, ask, now).await?;
        Ok(IssuedToken { id: session.token, token: secret.reveal(), expires_at: session.expires_at })
    }

    /// Changes one's own password, proving the old one; all tokens of the account end.
    ///
    /// # Errors
    /// `identity.password_weak`, `identity.password_repeated`, and as [`Organisation::sign_in`].
    pub async fn change_password(&self, with: Credentials) -> Result<(), Problem> {
        let new = with.new.as_ref().map_or("", |it| it.open().as_str());
        let (ask, _, now) = self.signing_in(&with)?;
        identity::change_password(&self.store, &self.keys.peppers, ask, Password::new(new), now).await
    }

    /// Begins a second factor.
    ///
    /// # Errors
    /// As [`Organisation::sign_in`].
    pub async fn enrol(&self, with: Credentials) -> Result<Enrolling, Problem> {
        let (ask, _, now) = self.signing_in(&with)?;
        let begun = identity::enrol(&self.store, &self.keys.peppers, ask, now).await?;
        Ok(Enrolling { secret: begun.secret.open().clone(), uri: begun.uri.open().clone() })
    }

    /// Confirms a second factor by one of its codes.
    ///
    /// # Errors
    /// `identity.not_enrolling`, and as [`Organisation::sign_in`].
    pub async fn confirm_factor(&self, with: Credentials) -> Result<Enrolled, Problem> {
        let (ask, _, now) = self.signing_in(&with)?;
        let mut recovery = [RecoveryCode::from_bytes([0; RECOVERY_BYTES]); RECOVERY_CODES];
        for one in &mut recovery {
            *one = RecoveryCode::from_bytes(draw_bytes()?);
        }
        identity::confirm(&self.store, &self.keys.peppers, ask, &recovery, now).await?;
        Ok(Enrolled { recovery_codes: recovery.iter().map(|it| it.reveal()).collect() })
    }

    fn signing_in(&self, with: &Credentials) -> Result<(SignIn, TokenSecret, Timestamp), Problem> {
        let (now, secret) = (self.now(), TokenSecret::from_bytes(draw_bytes()?));
        let ask = SignIn {
            organisation: self.id().clone(),
            name: AccountName::new(&with.name)?,
            password: Password::new(with.password.open()),
            code: with.code.as_ref().map(|it| Code::new(it.open())),
            token: TokenId::from_uuid(draw_uuid(now)),
            digest: secret.digest(),
            fresh: draw_bytes()?,
            salt: draw_salt()?,
        };
        Ok((ask, secret, now))
    }

    /// Ends the session, or any other token, that was shown.
    ///
    /// # Errors
    /// `identity.token` and its kin.
    pub async fn sign_out(&self, token: &str) -> Result<(), Problem> {
        let (shown, now, salt) = (TokenSecret::parse(token)?.digest(), self.now(), draw_salt()?);
        let caller = identity::authenticate(&mut self.store.read().await?, self.id(), shown, now).await?;
        transact!(self.store, None, |tx| identity::sign_out(tx, &caller, shown, salt, now).await)
    }
}
