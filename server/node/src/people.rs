//! Accounts, application systems, tokens, and who calls.

use crate::{Organisation, draw_salt};
use identity::{
    AccountName, ApplicationName, CreateAccount, Holder, ListIdentities, RegisterApplication, RevokeToken, TokenId,
    TokenSecret,
};
use jiff::ToSpan as _;
use policy::{Principal, Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use store::transact;
use vocabulary::{Bilingual, Personal, Problem};

/// A person's account to open.
#[derive(Clone, Debug, Deserialize)]
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
#[derive(Clone, Debug, Deserialize)]
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
}

/// An account as a list shows it.
#[derive(Clone, Debug, Serialize)]
pub struct UserView {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub roles: BTreeSet<Role>,
    /// Whether it may sign in.
    pub enabled: bool,
}

impl Organisation {
    /// Says who shows `token`.
    ///
    /// # Errors
    /// `identity.token` and its kin.
    pub async fn caller(&self, token: &str) -> Result<Principal, Problem> {
        let secret = TokenSecret::parse(token)?;
        let now = self.now();
        let mut reader = self.store.read().await?;
        let caller = identity::authenticate(&mut reader, self.id(), secret.digest(), now).await?;
        drop(reader);
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
    /// `identity.no_account`, `identity.lifetime`, `policy.role`.
    pub async fn create_token(&self, principal: &Principal, token: NewToken) -> Result<String, Problem> {
        let now = self.now();
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
        self.new_token(principal, holder, expires_at).await
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
    pub async fn revoke_token(&self, principal: &Principal, id: &str) -> Result<(), Problem> {
        let id: TokenId = id.parse().map_err(|it: vocabulary::IdError| {
            Problem::new(
                vocabulary::Kind::Unprocessable,
                "identity.no_token",
                format!("令牌标识 {id} 有误"),
                it.to_string(),
            )
        })?;
        let permit = self.permit(principal, RevokeToken { id })?;
        let (salt, now) = (draw_salt()?, self.now());
        transact!(self.store, None, |tx| identity::revoke_token(tx, &permit, salt, now).await)
    }

    /// The accounts, at most 500.
    ///
    /// # Errors
    /// `policy.role`.
    pub async fn users(&self, principal: &Principal) -> Result<Vec<UserView>, Problem> {
        let permit = self.permit(principal, ListIdentities)?;
        let accounts = identity::accounts(&mut self.store.read().await?, &permit, "", 500).await?;
        Ok(accounts
            .into_iter()
            .map(|it| UserView { name: it.name.as_str().to_owned(), roles: it.roles, enabled: it.enabled })
            .collect())
    }
}
