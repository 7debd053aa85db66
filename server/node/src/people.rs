//! Accounts, application systems, tokens, and who calls.

use crate::{Organisation, draw_bytes, draw_salt, draw_uuid};
use identity::{
    AccountName, ApplicationName, CreateAccount, Holder, ListIdentities, Password, RegisterApplication, ResetPassword,
    RevokeToken, Scope, SignIn, TokenId, TokenSecret,
};
use jiff::ToSpan as _;
use policy::{Principal, Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use store::transact;
use vocabulary::{Bilingual, Personal, Problem, Timestamp};

/// A person's account to open.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// What the holder signs in with.
    pub name: String,
    /// The holder's name; left out, it is the account's.
    #[serde(default)]
    pub person: Option<String>,
    /// What the holder may do.
    pub roles: BTreeSet<Role>,
}

/// A token to issue, for a person or a program.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// For a person.
    #[serde(default)]
    pub user: Option<String>,
    /// For an application system, which is registered if it is new.
    #[serde(default)]
    pub application: Option<String>,
    /// The application system's title.
    #[serde(default)]
    pub title: Option<Bilingual>,
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
        policy::Need::Role(&[Role::Administrator])
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
        if caller.first_use_today {
            transact!(self.store, None, |tx| identity::used(tx, caller.token, now).await)?;
        }
        Ok(caller.principal)
    }

    /// Opens an account.
    ///
    /// # Errors
    /// `identity.account_exists`, `identity.apart`, `policy.role`.
    pub async fn create_user(&self, principal: &Principal, user: NewUser) -> Result<(), Problem> {
        let name = AccountName::new(&user.name)?;
        let password = crate::membership::no_password(&name).await?;
        let person = Personal::new(user.person.unwrap_or(user.name));
        let ask = CreateAccount { name, person, roles: user.roles, password };
        let permit = self.permit(principal, ask)?;
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| identity::create_account(tx, &permit, salt, now).await)
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
            (None, Some(name)) => {
                let name = ApplicationName::new(name)?;
                self.ensure_application(principal, &name, token.title.clone()).await?;
                Holder::Application(name)
            }
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

    async fn ensure_application(
        &self,
        principal: &Principal,
        name: &ApplicationName,
        title: Option<Bilingual>,
    ) -> Result<(), Problem> {
        let mut reader = self.store.read().await?;
        match identity::application(&mut reader, name).await {
            Ok(_) => return Ok(()),
            Err(problem) if problem.code == "identity.no_application" => {}
            Err(problem) => return Err(problem),
        }
        drop(reader);
        let title = title.unwrap_or_else(|| Bilingual::new(name.as_str(), name.as_str()));
        let ask = RegisterApplication { name: name.clone(), matter: title.zh.clone(), title };
        let permit = self.permit(principal, ask)?;
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| identity::register_application(tx, &permit, salt, now).await)
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

    /// Gives an account a password that its administrator tells its holder; all its tokens end.
    ///
    /// # Errors
    /// `identity.no_account`, `identity.password_weak`, `identity.busy`, `policy.role`.
    pub async fn reset_password(&self, principal: &Principal, name: &str, password: &str) -> Result<(), Problem> {
        let account = AccountName::new(name)?;
        // May they at all, before anything is hashed for them.
        self.permit(principal, Administer)?;
        let password = identity::new_password(&account, Password::new(password), draw_bytes()?).await?;
        let permit = self.permit(principal, ResetPassword { account, password })?;
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| identity::reset_password(tx, &permit, salt, now).await)
    }

    /// Signs in with a password: a session, which is a token that lasts some hours.
    ///
    /// # Errors
    /// `identity.credentials`, `identity.locked`, `identity.busy`.
    pub async fn sign_in(&self, with: Credentials) -> Result<IssuedToken, Problem> {
        let (ask, secret, now) = self.signing_in(&with)?;
        let session = identity::sign_in(&self.store, ask, now).await?;
        Ok(IssuedToken { id: session.token, token: secret.reveal(), expires_at: session.expires_at })
    }

    /// Changes one's own password, proving the old one; all tokens of the account end.
    ///
    /// # Errors
    /// `identity.password_weak`, and as [`Organisation::sign_in`].
    pub async fn change_password(&self, with: Credentials) -> Result<(), Problem> {
        let new = with.new.as_ref().map_or("", |it| it.open().as_str());
        let (ask, _, now) = self.signing_in(&with)?;
        identity::change_password(&self.store, ask, Password::new(new), draw_bytes()?, now).await
    }

    fn signing_in(&self, with: &Credentials) -> Result<(SignIn, TokenSecret, Timestamp), Problem> {
        let (now, secret) = (self.now(), TokenSecret::from_bytes(draw_bytes()?));
        let ask = SignIn {
            organisation: self.id().clone(),
            name: AccountName::new(&with.name)?,
            password: Password::new(with.password.open()),
            token: TokenId::from_uuid(draw_uuid(now)),
            digest: secret.digest(),
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
